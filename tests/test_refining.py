"""evonet refine: from a package, a genome or an individual; stopped and gone on with; and what it refuses."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from evonet.errors import ExportError, Interrupted, PackageError
from evonet.genome.code import encode
from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.text import to_toml
from evonet.refining import DEFAULTS, Source, read_source, refine, settings_of

GENOME = Genome(sheets=(SheetGene(channels=5, reduction="max", motifs=(MotifGene(),)),), readout=ReadoutGene(grid=2))
SOURCE = Source(genome=encode(GENOME))


def config(epochs: int = 5, **changes):
    found = settings_of(DEFAULTS, spec="digits", epochs=epochs, size=200, seed=3)
    compression = {"finish_calibration": 64, "polish": 5, "rate_term": 1.0} | changes
    training = replace(found.training, lr=0.03)
    return replace(found, training=training, compression=replace(found.compression, **compression))


def quiet(done, rounds, last):
    del done, rounds, last


def test_a_refinement_makes_a_package_better_and_tells_before_and_after(tmp_path: Path):
    first = refine(SOURCE, config(), tmp_path / "one.evo", each=quiet)
    assert first.before is None
    again = refine(read_source(tmp_path / "one.evo"), config(20), tmp_path / "two.evo", each=quiet)
    assert again.before == first.after
    assert again.after.validation_loss < 0.8 * again.before.validation_loss
    assert again.after.bytes == (tmp_path / "two.evo").stat().st_size
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.evo", "two.evo"]


def test_a_refinement_that_was_stopped_goes_on_to_the_same_file(tmp_path: Path):
    refine(SOURCE, config(), tmp_path / "whole.evo", each=quiet)
    rounds = []
    with pytest.raises(Interrupted, match=r"goes on from .*parts\.evo\.state"):
        refine(
            SOURCE,
            config(),
            tmp_path / "parts.evo",
            each=lambda *told: rounds.append(told),
            stop=lambda: len(rounds) == 2,
        )
    assert not (tmp_path / "parts.evo").exists()
    refine(SOURCE, config(), tmp_path / "parts.evo", each=lambda *told: rounds.append(told))
    assert [done for done, _, _ in rounds] == [1, 2, 3, 4, 5]
    assert (tmp_path / "parts.evo").read_bytes() == (tmp_path / "whole.evo").read_bytes()


def test_what_was_begun_on_one_device_goes_on_on_another(tmp_path: Path):
    refine(SOURCE, config(), tmp_path / "whole.evo", each=quiet)
    rounds = []
    with pytest.raises(Interrupted):
        refine(
            SOURCE,
            settings_of(config(), spec=None, epochs=None, size=None, seed=None, device="cpu:0"),
            tmp_path / "parts.evo",
            each=lambda *told: rounds.append(told),
            stop=lambda: len(rounds) == 2,
        )
    refine(SOURCE, config(), tmp_path / "parts.evo", each=lambda *told: rounds.append(told))
    assert [done for done, _, _ in rounds] == [1, 2, 3, 4, 5]
    assert (tmp_path / "parts.evo").read_bytes() == (tmp_path / "whole.evo").read_bytes()


def test_what_it_refuses(tmp_path: Path):
    out = tmp_path / "x.evo"
    out.write_bytes(b"mine")
    with pytest.raises(ExportError, match=r"x\.evo exists, expected a new file"):
        refine(SOURCE, config(), out, each=quiet)
    assert out.read_bytes() == b"mine"
    with pytest.raises(PackageError, match=r"x\.evo: package: byte 0"):
        read_source(out)
    out.unlink()
    with pytest.raises(Interrupted):
        refine(SOURCE, config(), out, each=quiet, stop=lambda: True)
    with pytest.raises(ExportError, match=r"x\.evo\.state is of another refinement"):
        refine(SOURCE, config(6), out, each=quiet)
    (tmp_path / "x.evo.state").write_bytes(b"\x08" + bytes(30))
    with pytest.raises(PackageError, match=r"x\.evo\.state: damaged"):
        refine(SOURCE, config(), out, each=quiet)


def test_a_genome_in_a_file_is_a_source(tmp_path: Path):
    (tmp_path / "g.toml").write_text(to_toml(GENOME))
    assert read_source(tmp_path / "g.toml") == SOURCE
