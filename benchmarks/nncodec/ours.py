"""README: our side: named tensors of integer codes to bytes and back, until `evonet pack` takes the place of both.

The file: one varint, 2 x length of the head + 1 if it is deflated; the head; one range-coded stream. The head holds of
each tensor: length of its name (1 byte), name (ascii), number of axes, lengths of the axes (varints). The stream is
that of the `.evo` format: a flag for all zeros, the step, the codes; tensors of two axes and more count as weights, the
others as biases. Neither file, theirs or ours, says what the network computes.
"""

import zlib
from collections.abc import Iterator, Mapping
from math import prod

import numpy as np

from evonet.package import STEPS, Quantised
from evonet.package.coder import Decoder, Encoder
from evonet.package.models import KINDS, START, ZEROS, Counts, Steps, decode_codes, encode_codes, step_frequencies

Shapes = Mapping[str, tuple[int, ...]]


def our_bytes(named_codes: Mapping[str, Quantised]) -> bytes:
    """The seam: all that a reader needs to have the named tensors back."""
    return head({name: codes.codes.shape for name, codes in named_codes.items()}) + _stream(named_codes)


def our_codes(data: bytes) -> dict[str, Quantised]:
    """The inverse of `our_bytes`."""
    rest = iter(data)
    size = _read_varint(rest)
    packed = bytes(next(rest) for _ in range(size >> 1))
    shapes = _read_shapes(zlib.decompress(packed, wbits=-15) if size & 1 else packed)
    return dict(zip(shapes, _read_stream(Decoder(bytes(rest)), shapes), strict=True))


def head(shapes: Shapes) -> bytes:
    """Names and shapes, deflated where that is shorter."""
    plain = b"".join(bytes([len(name)]) + name.encode("ascii") + _numbers(shape) for name, shape in shapes.items())
    deflated = zlib.compress(plain, level=9, wbits=-15)
    if len(deflated) < len(plain):
        return _varint(2 * len(deflated) + 1) + deflated
    return _varint(2 * len(plain)) + plain


def _read_shapes(plain: bytes) -> dict[str, tuple[int, ...]]:
    rest, shapes = iter(plain), {}
    for length in rest:
        name = bytes(next(rest) for _ in range(length)).decode("ascii")
        shapes[name] = tuple(_read_varint(rest) for _ in range(_read_varint(rest)))
    return shapes


def _numbers(shape: tuple[int, ...]) -> bytes:
    return b"".join(map(_varint, (len(shape), *shape)))


def _varint(number: int) -> bytes:
    """Seven bits a byte, low ones first; the top bit says that more follow."""
    more, low = divmod(number, 128)
    return bytes([low]) if not more else bytes([low | 128]) + _varint(more)


def _read_varint(rest: Iterator[int]) -> int:
    byte = next(rest)
    return byte if byte < 128 else byte - 128 + 128 * _read_varint(rest)


def _stream(named_codes: Mapping[str, Quantised]) -> bytes:
    encoder, steps, counts = Encoder(), Steps(), dict.fromkeys(KINDS, START)
    for tensor in named_codes.values():
        kind, zeros = _kind(tensor.codes.shape), not tensor.codes.any()
        encoder.bit(zeros, *ZEROS)
        if zeros:
            continue
        frequencies = step_frequencies(steps.reference(kind))
        encoder.encode(sum(frequencies[: tensor.step]), frequencies[tensor.step], sum(frequencies))
        steps.learn(kind, tensor.step)
        counts[kind] = encode_codes(encoder, tensor.codes.ravel().tolist(), counts[kind])
    return encoder.finish()


def _read_stream(decoder: Decoder, shapes: Shapes) -> Iterator[Quantised]:
    steps, counts = Steps(), dict.fromkeys(KINDS, START)
    for shape in shapes.values():
        if decoder.bit(*ZEROS):
            yield Quantised(step=0, codes=np.zeros(shape, dtype=np.int16))
        else:
            yield _read_codes(decoder, shape, steps, counts)


def _read_codes(decoder: Decoder, shape: tuple[int, ...], steps: Steps, counts: dict[str, Counts]) -> Quantised:
    kind = _kind(shape)
    frequencies = step_frequencies(steps.reference(kind))
    place, bounds = decoder.peek(sum(frequencies)), np.cumsum((0, *frequencies))
    step = int(np.searchsorted(bounds, place, side="right")) - 1
    decoder.drop(int(bounds[step]), frequencies[step])
    steps.learn(kind, step)
    codes, counts[kind] = decode_codes(decoder, prod(shape), counts[kind])
    assert step < len(STEPS)
    return Quantised(step=step, codes=np.array(codes, dtype=np.int16).reshape(shape))


def _kind(shape: tuple[int, ...]) -> str:
    return "weight" if len(shape) > 1 else "bias"
