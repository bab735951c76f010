"""Which coder of version 2 a file is written and read with; both write the same bytes."""

from collections.abc import Sequence

from evonet.package import runs, words
from evonet.package.symbols import ManyReader, ManyWriter


def writer_of(sizes: Sequence[int]) -> ManyWriter:
    """constriction where tensors of these sizes may be coded in runs; else Python is as quick, and imports nothing."""
    if not runs.possible(sizes):
        return words.Encoder()
    from evonet.package import fast

    return fast.Encoder()


def reader_of(begun: words.Decoder, sizes: Sequence[int]) -> ManyReader:
    """What goes on where `begun` is, which is used up."""
    if not runs.possible(sizes):
        return begun
    from evonet.package import fast

    return fast.Decoder(begun)
