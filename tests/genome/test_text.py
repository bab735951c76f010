from pathlib import Path

import pytest
from hypothesis import given, settings
from strategies import any_genomes

from evonet.errors import GenomeError
from evonet.genome import Genome, MotifGene, SheetGene
from evonet.genome.check import check, long_taps
from evonet.genome.ids import stamp
from evonet.genome.text import from_toml, load, to_toml

FILES = sorted((Path(__file__).parents[2] / "genomes").glob("*.toml"))


@given(any_genomes())
@settings(deadline=None, max_examples=60)
def test_every_genome_in_range_comes_back(genome):
    assert from_toml(to_toml(stamp(genome, 2))) == genome


def test_only_what_differs_is_written():
    genome = Genome(sheets=(SheetGene(channels=10), SheetGene(motifs=(MotifGene(basis=(3, 0, 0, 3)),))))
    assert to_toml(genome) == "[[sheets]]\nchannels = 10\n\n[[sheets]]\n\n[[sheets.motifs]]\nbasis = [3, 0, 0, 3]\n"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_hand_written_genomes_load(path):
    genome = load(path)
    check(genome)
    assert path.read_text().startswith("# ")


def test_the_hand_written_genomes_are_what_their_comments_say():
    by_name = {path.stem: load(path) for path in FILES}
    assert set(by_name) >= {"digits-seed", "conv", "separable-tied", "dilated"}
    dilated = by_name["dilated"].sheets[1].motifs[0]
    assert (dilated.taps, long_taps(dilated), dilated.radius) == (9, 8, 0)
    assert by_name["separable-tied"].sheets[1].repeats == 3


@pytest.mark.parametrize(
    "text, message",
    [
        ("[[sheets]]\nid = [1, 2]", r"^here: sheets\[0\] has an id; a run gives genes their ids"),
        ("[[sheets]]\n[[sheets.motifs]]\nid = [1, 2]", r"^here: sheets\[0\]\.motifs\[0\] has an id"),
        ("[readout]\ngrid = 1", r"^here: .*sheets"),
        ("[[sheets]]\nchannel = 8", r"^here: .*channels"),
        ("[[sheets]]\nchannels = 7", r"^here: sheets\[0\]\.channels = 7, expected one of"),
        ("[[sheets]]\nchannels = '8'", r"^here: sheets\[0\]\.channels"),
        ("[[sheets]", r"^here"),
    ],
)
def test_bad_text(text, message):
    with pytest.raises(GenomeError, match=message):
        from_toml(text, "here")


def test_load_names_the_file(tmp_path):
    path = tmp_path / "all.toml"
    path.write_text("[[sheets]]\n[[sheets.motifs]]\nsource = 2\n")
    with pytest.raises(GenomeError, match=r"all\.toml: sheets\[0\]\.motifs\[0\]\.source = 2 lies before the input"):
        load(path)
    with pytest.raises(GenomeError, match=r"none\.toml"):
        load(tmp_path / "none.toml")
