"""README: our side: named tensors of integer codes to the bytes of `evonet pack` and back (docs/format.md, `.evw`).

Neither file, theirs or ours, says what the network computes.
"""

from collections.abc import Iterable, Mapping

from evonet.package import Quantised
from evonet.package.head import Entry, write_head
from evonet.package.named import Named, joined, pack_named, unpack_named
from evonet.package.words import Encoder

Shapes = Mapping[str, tuple[int, ...]]


def our_bytes(named_codes: Mapping[str, Quantised]) -> bytes:
    """All that a reader needs to have the named tensors back."""
    return pack_named(list(_named(named_codes)))


def our_codes(data: bytes) -> dict[str, Quantised]:
    """The inverse of `our_bytes`."""
    tensors = {tensor.name: (tensor.value, tensor.shape) for tensor in unpack_named(data)}
    return {
        name: Quantised(step=value.step, codes=value.codes.reshape(shape))
        for name, (value, shape) in tensors.items()
        if isinstance(value, Quantised)
    }


def head(shapes: Shapes) -> bytes:
    """Names and shapes alone: about what they take of a file, where they are no bytes of their own."""
    encoder = Encoder()
    write_head(encoder, [Entry(name, "float32", shape) for name, shape in shapes.items()])
    return encoder.finish()


def _named(named_codes: Mapping[str, Quantised]) -> Iterable[Named]:
    for name, value in named_codes.items():
        flat = Quantised(step=value.step, codes=value.codes.reshape(joined(value.codes.shape)))
        yield Named(name=name, dtype="float32", shape=value.codes.shape, value=flat)
