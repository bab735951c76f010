"""Genome to plan, plan to full masks, and both beside the expansion of a HyperNEAT substrate.

    python benchmarks/expand.py
    python benchmarks/expand.py --neat           # the CPPN also as neat-python computes it, if that is installed
    python benchmarks/expand.py --rounds 3 --queries 10000     # only to see that it runs

Goals: a plan of a million connections in <= 2 ms; a mask of 784 x 6,272 in <= 10 ms; a mask of 50 million entries in
its own bytes and 10 % (beside both: filling and copying as many bytes); a plan >= 1,000 times as fast as HyperNEAT
queries as many connections.

HyperNEAT (Stanley, D'Ambrosio & Gauci 2009, Artificial Life 15(2)) asks a small network, the CPPN, for the weight of
every pair of neurons by their coordinates. `query` is that loop in plain Python, as in PUREPLES (ukuleleplayer/
pureples: find_neurons and query_cppn of pureples/hyperneat/hyperneat.py; the output's tanh of shared/create_cppn.py):
inputs x1, y1, x2, y2 and 1; weights up to 0.2 in size are no connections; the rest is scaled to 5. It is evaluated
node by node as in neat-python's FeedForwardNetwork.activate. Left out, all in HyperNEAT's favour: several layers, and
the recurrent network built of the found connections. The CPPN here has three hidden nodes and is fixed.
"""

import argparse
import math
import time
import tracemalloc
from collections.abc import Callable, Iterable

import harness
import numpy as np

from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.genome.taps import _select
from evonet.plan import Stage, expand
from evonet.plan.masks import mask, slots

LONG = MotifGene(taps=49, radius=2, long_share=8, pattern="scatter", reach=13, seed=3)
FIRST, SECOND = SheetGene(channels=8, motifs=(LONG,)), SheetGene(channels=10, motifs=(LONG,))
GENOME = Genome(sheets=(FIRST, FIRST))  # two million connections
MILLION = Genome(sheets=(SheetGene(channels=4, motifs=(LONG,)), FIRST))
MASKED = Genome(sheets=(FIRST,))  # 6,272 x 784 neurons
LARGE = Genome(sheets=(FIRST, SECOND))  # the second mask has 7,840 x 6,272 entries

Point = tuple[float, float]
Node = tuple[str, Callable[[float], float], float, float, tuple[tuple[str, float], ...]]


def gauss(z: float) -> float:
    return math.exp(-5.0 * max(-3.4, min(3.4, z)) ** 2)


def sine(z: float) -> float:
    return math.sin(max(-60.0, min(60.0, 5.0 * z)))


def tanh(z: float) -> float:
    return math.tanh(max(-60.0, min(60.0, 2.5 * z)))


INPUTS = ("x1", "y1", "x2", "y2", "one")
CPPN: tuple[Node, ...] = (  # name, activation, bias, response, links; neat-python's slopes and bounds
    ("a", gauss, 0.0, 1.0, (("x1", 1.3), ("x2", -1.3), ("one", 0.1))),
    ("b", sine, 0.2, 1.0, (("y1", 0.8), ("y2", -0.9))),
    ("c", tanh, -0.1, 1.0, (("x1", 0.5), ("y2", 0.7), ("one", -0.2))),
    ("w", tanh, 0.0, 1.0, (("a", 0.9), ("b", 0.6), ("c", -0.8))),
)


class Cppn:
    """A feed-forward network over a dictionary of values, one node after another."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def activate(self, inputs: Iterable[float]) -> list[float]:
        values = self.values
        for name, value in zip(INPUTS, inputs, strict=True):
            values[name] = value
        for name, activation, bias, response, links in CPPN:
            values[name] = activation(bias + response * sum([values[source] * weight for source, weight in links]))
        return [values["w"]]


def query(cppn: Cppn, sources: list[Point], targets: list[Point]) -> list[list[tuple[int, float]]]:
    """Per target the (source, weight) of its connections."""
    return [
        [(k, w) for k, source in enumerate(sources) if (w := weight(cppn, source, target)) != 0.0] for target in targets
    ]


def weight(cppn: Cppn, source: Point, target: Point) -> float:
    w = cppn.activate([*source, *target, 1.0])[0]
    if abs(w) <= 0.2:
        return 0.0
    return 5.0 * (w - math.copysign(0.2, w)) / 0.8


def plane(side: int) -> list[Point]:
    steps = [2 * k / (side - 1) - 1 for k in range(side)]
    return [(x, y) for y in steps for x in steps]


def layers(pairs: int) -> tuple[list[Point], list[Point]]:
    """Sources 28 x 28 and as many targets as make `pairs` queries at least."""
    sources = plane(28)
    wanted = -(-pairs // len(sources))
    return sources, plane(math.isqrt(wanted - 1) + 2)[:wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--queries", type=int, default=0, help="asked of the CPPN, scaled up to the plan's connections")
    parser.add_argument("--neat", action="store_true", help="time neat-python's own network beside")
    args = parser.parse_args()
    plans(args.rounds)
    masks(args.rounds)
    substrate(min(5, args.rounds), args.queries, neat=args.neat)


def cold(genome: Genome) -> Callable[[], object]:
    def work() -> object:
        _select.cache_clear()
        return expand(genome, input=(1, 28, 28), classes=10)

    return work


def plans(rounds: int) -> None:
    for genome in (MILLION, GENOME):
        connections = expand(genome, input=(1, 28, 28), classes=10).costs.connections
        print(f"genome -> plan, {connections:,} connections, nothing cached (goal for a million <= 2 ms)")
        print(" " * 30, harness.alone(cold(genome), rounds=rounds, repeat=20))


def masks(rounds: int) -> None:
    for genome, goals in ((MASKED, (" (goal <= 10 ms)", "")), (LARGE, ("", " (goal <= 1.10)"))):
        stage = expand(genome, input=(1, 28, 28), classes=10).stages[-1]
        _mask(stage, *goals, rounds)


def _mask(stage: Stage, time_goal: str, memory_goal: str, rounds: int) -> None:
    full = mask(stage)
    shape, size = full.shape, full.nbytes
    del full
    print(f"full mask {shape[0]:,} x {shape[1]:,}{time_goal}: evonet, fill and copy of as many bytes, ratio")
    print(
        " " * 30, harness.alternate(lambda: mask(stage), lambda: np.full(shape, True).copy(), rounds=rounds, repeat=3)
    )
    tracemalloc.start()
    mask(stage)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(" " * 30, f"peak {peak / size:.3f} of its own {size:,} bytes{memory_goal}")


def substrate(rounds: int, queries: int, *, neat: bool) -> None:
    plan = expand(MILLION, input=(1, 28, 28), classes=10)
    connections = plan.costs.connections
    sources, targets = layers(queries or connections)
    asked = len(sources) * len(targets)
    scale = connections / asked
    found = sum(map(len, query(Cppn(), sources, targets)))
    work = cold(MILLION)

    def explicit() -> None:
        for stage in work().stages:
            slots(stage)

    print(f"HyperNEAT substrate: {asked:,} queries, {found:,} connections found; times for {connections:,} queries")
    theirs = timed("pure Python", lambda: query(Cppn(), sources, targets), rounds, scale)
    if neat:
        timed("neat-python", lambda: query(neat_cppn(), sources, targets), rounds, scale)
    for name, ours in (("plan (goal >= 1,000x)", work), ("plan and every slot matrix written out", explicit)):
        ratio = theirs / timed(name, ours, rounds, 1.0)
        print(" " * 30, f"{ratio:,.0f} times as fast as the queries")


def timed(name: str, work: Callable[[], object], rounds: int, scale: float) -> float:
    """The median time, printed in milliseconds; `scale`: what share of the whole work was done."""
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        work()
        times.append(scale * (time.perf_counter() - started))
    found = sorted(times[1:])[len(times[1:]) // 2]
    print(f"{name:>30} {1e3 * found:12,.3f} ms")
    return found


def neat_cppn() -> Cppn:
    """The same CPPN in neat-python's FeedForwardNetwork; the weights found are asserted to be the same."""
    from neat.activations import gauss_activation, sin_activation, tanh_activation
    from neat.nn import FeedForwardNetwork

    own = {gauss: gauss_activation, sine: sin_activation, tanh: tanh_activation}
    nodes = [(name, own[function], sum, *rest) for name, function, *rest in CPPN]
    network = FeedForwardNetwork(list(INPUTS), ["w"], nodes)
    few = plane(8)
    assert query(network, few, few) == query(Cppn(), few, few), "neat-python finds other weights"
    return network


if __name__ == "__main__":
    main()
