import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import any_genomes

from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.check import valid
from evonet.genome.code import decode, digest, encode
from evonet.genome.ids import anonymous, stamp
from evonet.genome.limits import Limits
from evonet.genome.sampling import sample
from evonet.genome.text import from_toml
from evonet.seeds import Stream

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "genomes.json").read_text())
RICH = {"radius": 2, "taps": 21, "long_share": 6, "reach": 9, "pattern": "lattice", "seed": 77, "mixing": "separable"}


def of(*motifs: MotifGene) -> Genome:
    return Genome(sheets=(SheetGene(motifs=motifs),))


@given(any_genomes())
@settings(deadline=None, max_examples=100)
def test_every_genome_in_range_comes_back(genome):
    assert decode(encode(genome)) == genome
    assert decode(encode(stamp(genome, 3))) == anonymous(genome)


def redecoded(data: bytes) -> bool:
    """Whether `data` is a genome's code; it must then be that genome's only code."""
    try:
        genome = decode(data)
    except GenomeError:
        return False
    assert encode(genome) == data
    return True


@given(any_genomes(sheets_max=2))
@settings(deadline=None, max_examples=15)
def test_every_bit_flip_is_another_genome_or_refused(genome):
    data = encode(genome)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 128 >> bit % 8
        redecoded(bytes(flipped))


@given(st.binary(max_size=40))
@settings(deadline=None, max_examples=150)
def test_any_bytes_are_a_genome_or_refused(data):
    redecoded(b"\x20" + data)
    redecoded(data)


def test_many_flips_of_ordinary_genomes_are_genomes():
    codes = [encode(sample(Stream("flips", i), Limits())) for i in range(20)]
    flips = [int.from_bytes(c) ^ 1 << b for c in codes for b in range(8 * len(c))]
    kept = [redecoded(f.to_bytes(len(codes[0]) + 40).lstrip(b"\0")) for f in flips]
    assert 0 < sum(kept) < len(kept)  # the oracle above saw both


def test_sizes():
    empty = len(encode(of(MotifGene()))) * 8
    assert empty <= 3 * 8
    four = len(encode(of(*[MotifGene()] * 4))) * 8
    assert four - empty <= 3 * 16, "a plain 3x3 motif costs at most two bytes"
    assert 6 <= len(encode(of(MotifGene(**RICH, basis=(3, 1, 1, -3))))) - len(encode(of(MotifGene()))) <= 8
    sheet = SheetGene(channels=12, reduction="max", activation="abs", norm="rms")
    three = Genome(sheets=(sheet, sheet, replace(sheet, reduction="none")), readout=ReadoutGene(pooling="both", grid=2))
    assert len(encode(three)) <= 13


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_golden_codes_of_format_1(case):
    genome = from_toml(case["toml"])
    assert encode(genome).hex() == case["code"]
    assert decode(bytes.fromhex(case["code"])) == genome


def test_digest_names_the_genome_and_not_its_ids():
    genome = of(MotifGene())
    assert digest(genome) == digest(stamp(genome, 9)) == "2005414b33aae50c"
    assert digest(genome) != digest(of(MotifGene(taps=8)))


@pytest.mark.parametrize(
    "genome, message",
    [
        (of(MotifGene(radius=8)), r"sheets\[0\]\.motifs\[0\]\.radius = 8, expected 0\.\.7"),
        (of(MotifGene(radius=True)), r"radius = True, expected"),
        (of(MotifGene(taps=9.0)), r"taps = 9\.0, expected"),
        (of(MotifGene(basis=(2, 0, 0))), r"basis = .*, expected 4 integers"),
        (of(MotifGene(basis=(3, 0, 0, True))), r"basis = .*, expected 4 integers"),
        (of(MotifGene(basis=[3, 0, 0, 3])), r"basis = .*, expected 4 integers"),
        (of(MotifGene(edits=((1, 1), (0, 0)))), r"edits = .* sorted by"),
        (of(MotifGene(edits=((0, 0, 0),))), r"edits holds \(0, 0, 0\)"),
        (of(MotifGene(edits=tuple((0, i) for i in range(9)))), r"at most 8 offsets"),
        (of(*[MotifGene()] * 5), r"motifs has 5 entries"),
        (Genome(sheets=()), r"sheets has 0 entries"),
    ],
)
def test_encode_refuses_what_it_cannot_hold(genome, message):
    with pytest.raises(GenomeError, match=message):
        encode(genome)


def bits(text: str) -> bytes:
    """'001 0000' and so on, padded with zeros."""
    text = text.replace(" ", "")
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8)


PLAIN = "001 0000 00 000 0000 0 0"  # version, sheets - 1, motifs - 1, sheet, motif, readout, saccade


def test_the_layout_of_the_plain_genome():
    assert encode(of(MotifGene())) == bits(PLAIN)


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", r"of 0 bytes ends inside the version: it is cut off"),
        (bits("010"), r"version 2, expected 1: written by a newer evonet"),
        (bits("000"), r"version 0, expected 1: the bytes are damaged"),
        (bits("001 1111"), r"has 16 sheets, expected 1\.\.15"),
        (bits("001 0000 00 000 0000"), r"of 2 bytes ends inside readout: it is cut off"),
        (bits("001 0001 00 000 0000"), r"of 2 bytes ends inside sheets\[1\]: it is cut off"),
        (bits(PLAIN) + b"\0", r"has 1 bytes too many: not canonical"),
        (bits(PLAIN)[:-1] + bytes([bits(PLAIN)[-1] | 1]), r"padding of the last byte is not zero: not canonical"),
        (bits("001 0000 00 1 0 0"), r"sheets\[0\] opens the field group 'shape' and sets none"),
        (bits("001 0000 00 1 1 1110"), r"sheets\[0\]\.channels has value index 14, expected 0\.\.13"),
        (bits("001 0000 00 000 001 00001 10001 01111 01111 10001"), r"basis is flagged and holds its default"),
        (
            bits("001 0000 00 000 0001 1 001 000000 000000 000000 000000"),
            r"edits holds .* distinct offsets in order",
        ),
    ],
)
def test_what_decode_refuses(data, message):
    with pytest.raises(GenomeError, match=message):
        decode(data)


def test_a_genome_that_no_network_is_made_of_can_be_read():
    genome = of(MotifGene(source=7))
    assert not valid(genome)
    assert decode(encode(genome)) == genome
