"""README: the same weights as named tensors in our bytes and in nncodec's, at equal quality; prints Markdown tables.

    python benchmarks/nncodec/compare.py --data-dir ../shared/data [--networks cnn lenet] [--points FILE]

nncodec 2.1.3 (Fraunhofer's reference of ISO/IEC 15938-17) runs in an environment of its own, see `MAKE`.

Both sides sweep the same grid: three ways to set the tensors' steps against each other x 25 scales a quarter of an
octave apart x four prices of a bit in rounding (the same trade: nncodec's lambda_scale 1 is ln 2 / 6 squared steps a
bit). nncodec does so with and without dependent quantisation, and has the choice among twice as many points. Quality
is of the weights decoded from the bytes, on the validation split. Bytes at equal quality: along the points that no
other beats, log bytes linear in between. Neither side trains on, or tunes single tensors by the loss.

named: names and shapes are in both files. flat: nncodec gets all weights as one nameless row, already divided by the
tensors' relative steps, which nobody counts, and ours counts without names and shapes. Same codes: our decoded weights
under a step that both ladders have (a power of two); nncodec without rate-distortion rounding decodes the same floats.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import exp, log, log2
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from ours import head, our_bytes, our_codes
from torch import Tensor
from weights import NETWORKS, batch, load, measure

from evonet.compression.codes import Rounding
from evonet.compression.codes.grid import encode
from evonet.package import STEPS, Quantised
from evonet.training.data import load_data

PYTHON = Path(".venv/nncodec/bin/python")
MAKE = (
    "no nncodec at {0}/bin/python: python3 -m venv {0} && {0}/bin/pip install --upgrade pip setuptools wheel pybind11 "
    "'numpy<2' && {0}/bin/pip install --no-deps --no-build-isolation nncodec==2.1.3   (compiles C++, two minutes)"
)
THEIRS = Path(__file__).with_name("theirs.py")
UNIT = 40  # the index of step 1 in STEPS: ours = UNIT + qp, to within a tenth
SCALES = (-20, 4)  # least and most common step, quarter octaves over the root mean square of all weights
PRICES = (0.0, 0.5, 1.0, 2.0)  # of a bit, in ln 2 / 6 squared steps: 1 is worth it at high rates
LOSSES = (0.01, 0.02, 0.05)  # nats a label more than float
ERRORS = (0.001, 0.002, 0.005)  # share of images more than float
REPEAT = 9

Arrays = dict[str, np.ndarray]
Relative = dict[str, int]  # quarter octaves of a tensor's step over the common one


class Point(NamedTuple):
    bytes: int
    bare: int  # bytes without names and shapes
    loss: float  # nats a label
    error: float  # share of images
    side: str  # ours, named, flat
    steps: dict[str, int]  # quarter octaves
    price: float
    dependent: bool = False


class Case(NamedTuple):
    """One network and where its weights are measured."""

    name: str
    weights: Arrays
    images: Tensor
    labels: Tensor
    python: Path
    scales: range

    def quality(self, arrays: Mapping[str, np.ndarray]) -> tuple[float, float]:
        """Loss and error."""
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        loss, accuracy = measure(self.name, tensors, self.images, self.labels)
        return loss, 1 - accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--nncodec-python", type=Path, default=PYTHON)
    parser.add_argument("--scales", nargs=2, type=int, default=SCALES, help="for quick looks: the least and the most")
    parser.add_argument("--points", type=Path, help="also append every point to this file, a line of JSON each")
    args = parser.parse_args()
    if not args.nncodec_python.exists():
        raise SystemExit(MAKE.format(args.nncodec_python.parent.parent))
    torch.set_num_threads(1)
    data = load_data("mnist", args.data_dir)
    images, labels = batch(data, data.splits.validation)
    for name in args.networks:
        weights = {key: value.numpy() for key, value in load(name).items()}
        case = Case(name, weights, images, labels, args.nncodec_python, range(args.scales[0], args.scales[1] + 1))
        points = [*our_points(case), *their_points(case)]
        if args.points:
            with args.points.open("a") as file:
                file.writelines(json.dumps({"network": name, **point._asdict()}) + "\n" for point in points)
        print("\n".join([*report(case, points), ""]), flush=True)


def relatives(weights: Arrays) -> Iterator[Relative]:
    """One step for all; biases two octaves finer, as nncodec's own rule; each by the root of its tensor's size."""
    yield dict.fromkeys(weights, 0)
    yield {name: 0 if array.ndim > 1 else -8 for name, array in weights.items()}
    whole = size_of(weights.values())
    yield {name: round(2 * log2(size_of([array]) / whole)) for name, array in weights.items()}


def size_of(arrays: Iterable[np.ndarray]) -> float:
    """Root mean square of all weights."""
    return float(np.sqrt(np.mean(np.square(np.concatenate([array.ravel() for array in arrays]), dtype=np.float64))))


def sweep(case: Case) -> Iterator[tuple[Relative, list[int]]]:
    """The ways to set steps against each other, each with the common steps, in quarter octaves."""
    middle = round(4 * log2(size_of(case.weights.values())))
    for relative in relatives(case.weights):
        yield relative, [middle + scale for scale in case.scales]


def our_points(case: Case) -> Iterator[Point]:
    names = len(head({name: array.shape for name, array in case.weights.items()}))
    for relative, commons in sweep(case):
        for common in commons:
            steps = {name: common + more for name, more in relative.items()}
            for price in PRICES:
                data = our_bytes(rounded(case.weights, steps, price))
                quality = case.quality(our_floats(data))
                yield Point(len(data), len(data) - names, *quality, "ours", steps, price)


def rounded(weights: Arrays, steps: dict[str, int], price: float) -> dict[str, Quantised]:
    rounding = Rounding(price=price * log(2) / 6)
    indices = {name: min(max(UNIT + step, 0), len(STEPS) - 1) for name, step in steps.items()}
    return {name: encode(array, indices[name], rounding) for name, array in weights.items()}


def our_floats(data: bytes) -> Arrays:
    return {name: codes.weights for name, codes in our_codes(data).items()}


def their_points(case: Case) -> Iterator[Point]:
    for relative, commons in sweep(case):
        settings = [(c, p, dependent) for dependent in (False, True) for p in PRICES for c in commons]
        named = [({n: c + more for n, more in relative.items()}, p, dependent) for c, p, dependent in settings]
        row = flat(case.weights, relative)
        rows = theirs(case.python, {"w": row}, [({"w": c}, p, dependent) for c, p, dependent in settings])
        for setting, (size, _, _, arrays) in zip(named, theirs(case.python, case.weights, named), strict=True):
            yield Point(size, size, *case.quality(arrays), "named", *setting)
        for setting, (size, _, _, arrays) in zip(named, rows, strict=True):
            yield Point(size, size, *case.quality(unflat(arrays["w"], case.weights, relative)), "flat", *setting)


def flat(weights: Arrays, relative: Relative) -> np.ndarray:
    """All weights in one row, so that they have the common step."""
    rows = [array.ravel() * 2 ** (-relative[name] / 4) for name, array in weights.items()]
    return np.concatenate(rows).astype(np.float32)


def unflat(row: np.ndarray, weights: Arrays, relative: Relative) -> Arrays:
    parts = np.split(row, np.cumsum([array.size for array in weights.values()])[:-1])
    named = zip(weights.items(), parts, strict=True)
    return {n: (part * 2 ** (relative[n] / 4)).astype(np.float32).reshape(array.shape) for (n, array), part in named}


Setting = tuple[dict[str, int], float, bool]  # steps, price of a bit, dependent quantisation
Result = tuple[int, float, float, Arrays]  # bytes, seconds to encode and to decode, decoded weights


def theirs(python: Path, weights: Arrays, settings: Sequence[Setting], repeat: int = 1) -> list[Result]:
    """What nncodec makes of the weights under each of the settings."""
    asked = [{"qp": s, "lambda_scale": price, "use_dq": dq, "repeat": repeat} for s, price, dq in settings]
    with tempfile.TemporaryDirectory() as folder:
        tensors, wanted, out = (Path(folder) / name for name in ("tensors.npz", "settings.json", "out.npz"))
        np.savez(tensors, **weights)
        wanted.write_text(json.dumps(asked))
        subprocess.run([python, THEIRS, tensors, wanted, out], check=True)
        found = dict(np.load(out))
    arrays = [{name: found[f"{k}/{name}"] for name in weights} for k in range(len(settings))]
    return list(zip(found["sizes"].tolist(), found["encode"].tolist(), found["decode"].tolist(), arrays, strict=True))


def report(case: Case, points: Sequence[Point]) -> Iterator[str]:
    loss, error = case.quality(case.weights)
    number = sum(array.size for array in case.weights.values())
    names = len(head({name: array.shape for name, array in case.weights.items()}))
    yield f"**{case.name}**: {number:,} weights in {len(case.weights)} tensors, float16 {2 * number:,} bytes, accuracy "
    yield f"{100 - 100 * error:.2f} %, loss {loss:.4f} nats; names and shapes are {names} of our bytes"
    yield ""
    yield "| at | ours, named | nncodec, named | ours / theirs | ours, no names | nncodec, flat | ours / theirs |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for rise in LOSSES:
        yield f"| loss + {rise} | {' | '.join(cells(points, 'loss', loss + rise))} |"
    for rise in ERRORS:
        yield f"| accuracy - {100 * rise:.1f} points | {' | '.join(cells(points, 'error', error + rise))} |"
    yield ""
    target = loss + LOSSES[1]
    yield from costs(case, best(points, "ours", target), best(points, "named", target))
    yield same_codes(case, points, target)


def cells(points: Sequence[Point], ruler: str, most: float) -> Iterator[str]:
    for size, side in (("bytes", "named"), ("bare", "flat")):
        ours = at([p for p in points if p.side == "ours"], size, ruler, most)
        their = at([p for p in points if p.side == side], size, ruler, most)
        yield from (f"{ours:,.0f}", f"{their:,.0f}", f"{ours / their:.3f}")


def at(points: Sequence[Point], size: str, ruler: str, most: float) -> float:
    """Bytes at which the ruler reads `most`; not a number where the points do not reach so far."""
    front = unbeaten([(getattr(p, size), getattr(p, ruler)) for p in points])
    for (small, worse), (large, better) in pairwise(front):
        if better <= most < worse:
            share = (worse - most) / (worse - better)
            return exp(log(small) + share * (log(large) - log(small)))
    return float("nan")


def unbeaten(pairs: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """By bytes, ascending: those better than all that are smaller."""
    front: list[tuple[int, float]] = []
    for size, value in sorted(pairs):
        if not front or value < front[-1][1]:
            front.append((size, value))
    return front


def best(points: Sequence[Point], side: str, most: float) -> Point:
    """The smallest that loses no more."""
    return min((p for p in points if p.side == side and p.loss <= most), key=lambda p: (p.bytes, p.loss))


def costs(case: Case, ours: Point, their: Point) -> Iterator[str]:
    """Time for the point of either side at the middle loss."""
    data = our_bytes(rounded(case.weights, ours.steps, ours.price))
    encoding = milliseconds(lambda: our_bytes(rounded(case.weights, ours.steps, ours.price)))
    decoding = milliseconds(lambda: our_floats(data))
    setting = (their.steps, their.price, their.dependent)
    _, encode_, decode, _ = theirs(case.python, case.weights, [setting], REPEAT)[0]
    how = f"dependent quantisation {'on' if their.dependent else 'off'}, lambda_scale {their.price}"
    yield f"At loss + {LOSSES[1]}, medians of {REPEAT}: ours {ours.bytes:,} bytes (bit price {ours.price}), encode "
    yield f"{encoding:.1f} ms, decode {decoding:.1f} ms; nncodec {their.bytes:,} bytes ({how}), encode "
    yield f"{1e3 * encode_:.1f} ms, decode {1e3 * decode:.1f} ms."


def same_codes(case: Case, points: Sequence[Point], most: float) -> str:
    """The stream alone: what both make of the same integers."""
    whole = [p for p in points if p.side == "ours" and all(step % 4 == 0 for step in p.steps.values())]
    point = best(whole, "ours", most)
    arrays = our_floats(our_bytes(rounded(case.weights, point.steps, point.price)))
    size, _, _, decoded = theirs(case.python, arrays, [(point.steps, 0.0, False)])[0]
    assert all(np.array_equal(arrays[name], decoded[name]) for name in arrays)
    return f"Same codes, named: ours {point.bytes:,} bytes, nncodec {size:,}, ratio {point.bytes / size:.3f}."


def milliseconds(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEAT):
        started = perf_counter()
        work()
        seconds.append(perf_counter() - started)
    return 1e3 * median(seconds)


if __name__ == "__main__":
    main()
