"""Names, dtypes and shapes of named weights: what is likely takes a fraction of a bit, a new name some bytes.

A name is a path and an ending such as ".weight"; most paths are the one before, or begin like it. An axis is most
often as long as one not long before. All chances are counts that start at what state dicts look like, and learn.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

from evonet.errors import PackageError
from evonet.package.parts import read_number, write_number
from evonet.package.symbols import Reader, Writer

FLOATS = ("float32", "float16", "bfloat16", "float64")
INTEGERS = ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool")
DTYPES = (*FLOATS, *INTEGERS)

#: The weights of a tensor are 2**(16 scale) times what its codes say; scale is within +-MOST_SCALE.
MOST_SCALE = 6

MOST_TENSORS = 1024
MOST_WEIGHTS = 2**21  # of all tensors together: what is read, and written again, within a second
MOST_INTEGERS = 2**17  # of all tensors of integers together
MOST_AXES = 8
LONGEST_NAME = 255  # bytes of UTF-8
MOST_LETTERS = 2**13  # bytes of all names together, without endings and what is as in the name before

ENDINGS = ("", ".weight", ".bias", ".running_mean", ".running_var", ".num_batches_tracked")
_USUAL = {".weight": 8, ".bias": 8}
_COUNTER = ENDINGS.index(".num_batches_tracked")
_NEW = (".weight", "")  # with these a path is more often new than that of the name before
_GAIN = 32
_RECENT = (3, 1, 10, 5, 16, 32, 64, 128)  # lengths of axes, as if the last one had come last
_END = 256  # of a path
_LETTERS = [64 if chr(k).islower() or chr(k).isdecimal() or chr(k) in "._" else 8 if chr(k).isupper() else 1
            for k in range(128)] + [1] * 128 + [256]  # fmt: skip


class Entry(NamedTuple):
    """One tensor, but for its values."""

    name: str
    dtype: str  # one of DTYPES
    shape: tuple[int, ...]
    scale: int = 0


class _Learned:
    """One of n symbols, each as likely as its count."""

    def __init__(self, counts: Sequence[int]) -> None:
        self._counts = list(counts)

    def write(self, encoder: Writer, value: int) -> None:
        encoder.symbol(value, self._counts)
        self._counts[value] += _GAIN

    def read(self, decoder: Reader) -> int:
        value = decoder.symbol(self._counts)
        self._counts[value] += _GAIN
        return value


class _Memory:
    """What names, dtypes and shapes teach those after them."""

    def __init__(self) -> None:
        usual = [_USUAL.get(ending, 1) for ending in ENDINGS]
        self.endings = [_Learned(usual) for _ in ENDINGS]  # by the ending before
        self.same = [_Learned((3, 1) if ending in _NEW else (1, 15)) for ending in ENDINGS]
        self.letters = _Learned(_LETTERS)
        self.dtypes = [_Learned(_likely(DTYPES.index("int64" if k == _COUNTER else "float32"), 64, DTYPES))
                       for k in range(len(ENDINGS))]  # fmt: skip
        axes = {".weight": (1, 4, 8, 2, 8), "": (1,) * 5, ENDINGS[_COUNTER]: (32, 1, 1, 1, 1)}
        self.axes = [_Learned((*axes.get(e, (1, 32, 1, 1, 1)), *(1,) * (MOST_AXES - 4))) for e in ENDINGS]
        self.lengths = _Learned([16, 8, 4, 2, 2, 2, 2, 2, 24])
        self.scales = _Learned(_likely(MOST_SCALE, 128, range(2 * MOST_SCALE + 1)))
        self.recent = list(_RECENT)
        self.ending, self.path, self.spent = 0, b"", 0

    def met(self, length: int) -> None:
        """The last length of an axis comes first, and each once."""
        if length in self.recent:
            self.recent.remove(length)
        self.recent = [length, *self.recent][: len(_RECENT)]


def _likely(place: int, count: int, symbols: Sequence[object]) -> list[int]:
    return [count if k == place else 1 for k in range(len(symbols))]


def write_head(encoder: Writer, entries: Sequence[Entry]) -> None:
    """`entries`: as `check_head` has them."""
    memory = _Memory()
    write_number(encoder, len(entries))
    for entry in entries:
        _write_name(encoder, entry.name.encode(), memory)
        memory.dtypes[memory.ending].write(encoder, DTYPES.index(entry.dtype))
        memory.axes[memory.ending].write(encoder, len(entry.shape))
        for length in entry.shape:
            _write_length(encoder, length, memory)
        if entry.dtype in FLOATS:
            memory.scales.write(encoder, entry.scale + MOST_SCALE)


def read_head(decoder: Reader) -> list[Entry]:
    """What `write_head` wrote, within the limits of this file.

    Raises PackageError: beyond them.
    """
    memory, count = _Memory(), read_number(decoder)
    if count > MOST_TENSORS:
        raise PackageError(f"package: {count:,} tensors, expected at most {MOST_TENSORS:,}")
    return [_read_entry(decoder, memory) for _ in range(count)]


def _read_entry(decoder: Reader, memory: _Memory) -> Entry:
    name = _read_name(decoder, memory)
    dtype = DTYPES[memory.dtypes[memory.ending].read(decoder)]
    axes = memory.axes[memory.ending].read(decoder)
    shape = tuple(_read_length(decoder, memory) for _ in range(axes))
    scale = memory.scales.read(decoder) - MOST_SCALE if dtype in FLOATS else 0
    return Entry(name, dtype, shape, scale)


def _write_name(encoder: Writer, name: bytes, memory: _Memory) -> None:
    ending, path = _split(name)
    memory.endings[memory.ending].write(encoder, ending)
    memory.same[ending].write(encoder, path == memory.path)
    if path != memory.path:
        shared = _shared(path, memory.path)
        if memory.path:
            encoder.uniform(shared, len(memory.path) + 1)
        for letter in (*path[shared:], _END):
            memory.letters.write(encoder, letter)
    memory.ending, memory.path = ending, path


def _read_name(decoder: Reader, memory: _Memory) -> str:
    ending = memory.endings[memory.ending].read(decoder)
    if not memory.same[ending].read(decoder):
        shared = decoder.uniform(len(memory.path) + 1) if memory.path else 0
        memory.path = memory.path[:shared] + _read_letters(decoder, memory)
    memory.ending = ending
    try:
        return memory.path.decode() + ENDINGS[ending]
    except UnicodeDecodeError as error:
        raise PackageError(f"package: a name that is not UTF-8: {memory.path[:40]!r}") from error


def _read_letters(decoder: Reader, memory: _Memory) -> bytes:
    letters = bytearray()
    while (letter := memory.letters.read(decoder)) != _END:
        letters.append(letter)
        memory.spent += 1
        if memory.spent > MOST_LETTERS or len(letters) > LONGEST_NAME:
            raise PackageError(f"package: names of more than {MOST_LETTERS:,} bytes, or one of {LONGEST_NAME}")
    return bytes(letters)


def _split(name: bytes) -> tuple[int, bytes]:
    """The longest ending that it has, and what is before."""
    ending = max((k for k, e in enumerate(ENDINGS) if name.endswith(e.encode())), key=lambda k: len(ENDINGS[k]))
    return ending, name.removesuffix(ENDINGS[ending].encode())


def _shared(one: bytes, other: bytes) -> int:
    """Bytes at the beginning that are the same."""
    pairs = zip(one, other, strict=False)
    return next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _write_length(encoder: Writer, length: int, memory: _Memory) -> None:
    place = memory.recent.index(length) if length in memory.recent else len(_RECENT)
    memory.lengths.write(encoder, place)
    if place == len(_RECENT):
        write_number(encoder, length + 1)
    memory.met(length)


def _read_length(decoder: Reader, memory: _Memory) -> int:
    place = memory.lengths.read(decoder)
    length = memory.recent[place] if place < len(_RECENT) else read_number(decoder) - 1
    memory.met(length)
    return length


def check_head(entries: Sequence[Entry]) -> None:
    """Raises PackageError: no tensors or too many, a name, dtype or shape that is none, more in all than may be."""
    if not 1 <= len(entries) <= MOST_TENSORS:
        raise PackageError(f"package: {len(entries):,} tensors, expected 1..{MOST_TENSORS:,}")
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise PackageError(f"package: {twice[:99]!r}: two tensors of this name, expected one")
    for entry in entries:
        if misfit := _misfit(entry):
            raise PackageError(f"package: {entry.name[:99]!r}: {misfit}")
    _check_sums(entries)


def _misfit(entry: Entry) -> str | None:
    """What is wrong with it, None if nothing is."""
    if entry.name == "__metadata__":
        return "a name that safetensors keeps for itself: rename it"
    if any("\ud800" <= letter <= "\udfff" for letter in entry.name):
        return "a name that is no Unicode: rename it"
    if len(entry.name.encode()) > LONGEST_NAME:
        return f"a name of {len(entry.name.encode())} bytes, expected at most {LONGEST_NAME}"
    if entry.dtype not in DTYPES:
        return f"its dtype is {entry.dtype}, expected one of {', '.join(DTYPES)}: convert it or leave it out"
    if len(entry.shape) > MOST_AXES:
        return f"{len(entry.shape)} axes, expected at most {MOST_AXES}"
    if prod(max(length, 1) for length in entry.shape) > MOST_WEIGHTS:
        return f"shape {entry.shape}, expected at most {MOST_WEIGHTS:,} elements"
    return None if -MOST_SCALE <= entry.scale <= MOST_SCALE else f"scale {entry.scale}, expected +-{MOST_SCALE}"


def _check_sums(entries: Sequence[Entry]) -> None:
    for dtypes, most, what in ((DTYPES, MOST_WEIGHTS, "weights"), (INTEGERS, MOST_INTEGERS, "integers")):
        if (count := sum(prod(entry.shape) for entry in entries if entry.dtype in dtypes)) > most:
            raise PackageError(f"package: {count:,} {what} in all, expected at most {most:,}")
    paths = [b"", *(_split(entry.name.encode())[1] for entry in entries)]
    letters = sum(len(path) - _shared(path, before) for before, path in pairwise(paths))
    if letters > MOST_LETTERS:
        raise PackageError(f"package: names of {letters:,} bytes, expected at most {MOST_LETTERS:,}")
