"""Named weights for the tests."""

from math import prod

import numpy as np
from hypothesis import strategies as st
from package.forms_examples import coded
from package.package_examples import drawn

from evonet.package import Book, Half, Quantised, Transformed
from evonet.package.head import DTYPES, FLOATS, MOST_SCALE
from evonet.package.named import Named, joined
from evonet.seeds import Stream

COMMON_NAMES = (
    "conv1.weight",
    "conv1.bias",
    "bn.running_mean",
    "bn.num_batches_tracked",
    "fc.weight",
    "0",
    "",
    "ä.weight",
)


def grid(
    name: str, shape: tuple[int, ...], *, step: int = 32, spread: int = 3, dtype: str = "float32", scale: int = 0
) -> Named:
    stream = Stream("named", len(name), spread)
    codes = np.array([drawn(stream, spread) for _ in range(prod(shape))], dtype=np.int16).reshape(joined(shape))
    return Named(name=name, dtype=dtype, shape=shape, value=Quantised(step, codes), scale=scale)


def integers(name: str, values: np.ndarray) -> Named:
    return Named(name=name, dtype=str(values.dtype), shape=values.shape, value=values)


def golden_tensors() -> tuple[Named, ...]:
    """Every form, dtype and kind of head once."""
    kernels = grid("conv1.weight", (4, 1, 5, 5), spread=9)
    levels = np.array([-0.5, -0.0, 0.1, 2], dtype=np.float16)
    halves = np.array([0.5, -0.0, -3, 2**-20], dtype=np.float16)
    whole = [np.array([0, 1, 2**k - 1, -(2**k)]) for k in (7, 15, 31, 63)]
    return (
        Named(
            name="conv1.weight", dtype="float32", shape=(4, 1, 5, 5), value=Transformed(33, kernels.value.codes, (5, 5))
        ),
        grid("conv1.bias", (4,), spread=20),
        Named(name="bn1.weight", dtype="bfloat16", shape=(4,), value=Half(halves)),
        grid("bn1.running_var", (4,), scale=-1, step=60),
        integers("bn1.num_batches_tracked", np.array(938)),
        Named(
            name="conv2.weight", dtype="float16", shape=(8, 4, 3, 3), value=Quantised(0, np.zeros((8, 4, 9), np.int16))
        ),
        Named(
            name="layers.0.fc.weight",
            dtype="float64",
            shape=(10, 8),
            value=Book(levels, np.arange(80, dtype=np.int16).reshape(10, 8) % 4),
        ),
        grid("layers.1.große", (3, 2, 7), dtype="bfloat16"),
        *[integers(f"i{k}", w.astype(f"int{2 * 2**k}")) for k, w in zip((2, 3, 4, 5), whole, strict=True)],
        *[integers(f"u{k}", np.array([0, 2**k - 1], dtype=f"uint{k}")) for k in (8, 16, 32, 64)],
        integers("mask", np.array([[True, False], [True, True]])),
        grid("empty", (0, 3), step=0),
    )


def named_examples() -> list[tuple[Named, ...]]:
    """Small ones, for mutations."""
    return [golden_tensors(), golden_tensors()[:2], (grid("fc.weight", (3, 4)), grid("fc.bias", (3,)))]


def wide_examples() -> list[tuple[Named, ...]]:
    """As many weights as there may be, in the forms that take the most time or memory for their bytes."""
    size = 2**21
    zeros, few = np.zeros(size, np.int16), np.zeros(2**13, np.int16)
    one = np.where(np.arange(size) == 5, 1, zeros).astype(np.int16)
    return [
        (Named(name="w", dtype="float32", shape=(size,), value=Quantised(40, one)),),
        (Named(name="w", dtype="float32", shape=(size,), value=Book(np.array([0, 1], np.float16), one)),),
        (Named(name="w", dtype="float32", shape=(size,), value=Half(one.astype(np.float16))),),
        (
            Named(name="w", dtype="float32", shape=(2**12,), value=Quantised(40, few[: 2**12] + 15)),
            Named(name="v", dtype="float32", shape=(2**12,), value=Quantised(40, few[: 2**12] + 127)),
        ),
        tuple(integers(f"i{k}", np.full(2**10, -(2**63))) for k in range(128)),
        tuple(grid(f"{k:08b}"[::-1] + "x", (1,)) for k in range(700)),
    ]


@st.composite
def named(draw: st.DrawFn) -> tuple[Named, ...]:
    """State dicts of any names, dtypes, shapes and forms."""
    names = draw(st.lists(st.sampled_from(COMMON_NAMES) | st.text(max_size=12), min_size=1, max_size=6, unique=True))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32)))
    return tuple(_named(draw, name, numbers) for name in names if name != "__metadata__")


def _named(draw: st.DrawFn, name: str, numbers: np.random.Generator) -> Named:
    dtype = draw(st.sampled_from(DTYPES) | st.just("float32"))
    shape = tuple(draw(st.lists(st.integers(0, 5) | st.sampled_from([16, 64]), max_size=5)))
    while prod(max(1, length) for length in shape) > 600:
        shape = shape[1:]
    if dtype not in FLOATS:
        octets = numbers.bytes(8 * prod(shape))
        low = np.frombuffer(octets, np.uint64) >> np.uint64(draw(st.sampled_from([0, 8, 40, 57, 63])))
        return Named(name=name, dtype=dtype, shape=shape, value=low.astype(dtype).reshape(shape))
    form = draw(st.sampled_from(["grid", "dct", "book", "half"] if joined(shape) and prod(shape) else ["grid", "half"]))
    value = coded(joined(shape), form, draw(st.sampled_from([0.0, 0.2, 3.0, 40.0])), numbers)
    scale = 0 if value.zeros else draw(st.just(0) | st.integers(-MOST_SCALE, MOST_SCALE))
    return Named(name=name, dtype=dtype, shape=shape, value=value, scale=scale)
