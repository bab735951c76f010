"""Who stands out of all that a run has seen: the Pareto front and the hall of fame, asked of the record.

DEAP's `ParetoFront` and `HallOfFame` are archives that a run carries along, deep-copies into, and lets a NaN enter
(docs/deap.md); these are questions with one answer, whenever and in whatever order they are asked.
"""

import math
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

T = TypeVar("T")
Values = tuple[float, ...]


def dominates(a: Values, b: Values) -> bool:
    """Whether `a` is nowhere less than `b` and somewhere greater."""
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))


def front(items: Iterable[T], values: Callable[[T], Values]) -> list[T]:
    """The items that no other dominates, greatest first value first; each value greater is better.

    Items with a value that is no finite number are left out. Equals are all kept, in the order given.
    """
    found: list[tuple[Values, T]] = []
    for one, item in _finite(items, values):  # whoever dominates an item comes before it
        if not any(dominates(other, one) for other, _ in found):
            found.append((one, item))
    return [item for _, item in found]


def hall_of_fame(
    items: Iterable[T], score: Callable[[T], float], count: int, *, same: Callable[[T], Hashable]
) -> list[T]:
    """The `count` items of the greatest finite score, best first; of those that are the `same`, the best alone.

    Of equals the first given goes first.
    """
    best: dict[Hashable, T] = {}
    for _, item in _finite(items, lambda item: (score(item),)):
        best.setdefault(same(item), item)
    return list(best.values())[: max(0, count)]


def _finite(items: Iterable[T], values: Callable[[T], Values]) -> list[tuple[Values, T]]:
    """Those of finite values, greatest values first, compared in order."""
    valued = [(values(item), item) for item in items]
    sound = [pair for pair in valued if all(map(math.isfinite, pair[0]))]
    return sorted(sound, key=lambda pair: pair[0], reverse=True)  # stable: equals keep their order
