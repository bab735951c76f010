"""A bounded corpus of `make fuzz`, and the files that take longest."""

import time

import fuzz
import pytest

EVERY = fuzz.kinds()


def test_mutated_inputs_give_a_value_or_the_right_error() -> None:
    found = [fuzz.tried(EVERY, k) for k in range(300)]
    assert not [f for f in found if f.failure]
    for kind in EVERY:
        taken = [f.taken for f in found if f.kind == kind.name]
        assert 0 < sum(taken) < len(taken)


@pytest.mark.parametrize("kind", [kind for kind in EVERY if kind.large], ids=lambda kind: kind.name)
def test_the_largest_that_may_be_are_read_within_a_second(kind: fuzz.Kind) -> None:
    for data in kind.large[-2:]:
        started = time.process_time()
        kind.read(data)
        assert time.process_time() - started < fuzz.SECONDS


def test_inputs_are_functions_of_their_number() -> None:
    import random

    for kind in EVERY:
        one, other = (fuzz.mutated(kind, random.Random(7)) for _ in range(2))  # noqa: S311
        assert one == other


def test_the_fuzzer_tells_what_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 0.05)

    def broken(data: bytes) -> object:
        raise KeyError(len(data))

    def slow(data: bytes) -> object:
        started = time.process_time()
        while time.process_time() - started < 0.1:
            pass
        return data

    kind = EVERY[0]
    assert fuzz.tried([kind._replace(read=broken)], 0).failure.startswith("KeyError")
    assert "0.1 s; else well" in fuzz.tried([kind._replace(read=slow)], 0).failure
