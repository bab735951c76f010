"""A small recorded run without any training: eight individuals, one of each outcome, one still in flight."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from evonet.cli.program import app
from evonet.config import RunConfig, to_toml
from evonet.evolution.settings import SearchSettings
from evonet.genome.code import encode
from evonet.genome.genes import Genome, MotifGene, SheetGene
from evonet.genome.ids import ids_of, stamp
from evonet.genome.limits import Limits
from evonet.genome.sampling import sample
from evonet.job import Diverged, Job, Lost, Measures, Rejected, Scored
from evonet.seeds import Stream
from evonet.store import RunWriter

CONFIG = RunConfig(search=SearchSettings(population=4, individuals=8))
GENOME = Genome(sheets=(SheetGene(channels=6, motifs=(MotifGene(taps=13, long_share=5, pattern="lattice"),)),))


def measures(size: int, *, choice: float | None = None) -> Measures:
    return Measures(
        bytes=size,
        loss=size / 1000,
        accuracy=1 - size / 1000,
        choice_loss=choice,
        choice_accuracy=None if choice is None else 1 - choice,
        weights=600,
        nonzero=500,
        macs=12_345,
        connections=6_789,
        sheets=1,
        taps=13,
        long_share=0.25,
        seen=9_600,
        train_images=900,
    )


def job(decision: int, individual: int, genome: Genome, rung: int = 0) -> Job:
    named = stamp(genome, individual)
    code, ids = encode(named), ids_of(named)
    return Job(
        decision=decision,
        individual=individual,
        rung=rung,
        genome=code,
        ids=ids,
        steps=150,
        seed=decision,
        key=f"k{decision}",
    )


def scored(decision: int, size: int, *, choice: float | None = None) -> Scored:
    return Scored(decision=decision, measures=measures(size, choice=choice), package=b"p", shadow=b"s", rounds=())


def write_run(path: Path) -> Path:
    """Individuals 0..7 in two generations; 5 is a child of 0 and 1, and is finished; 7 is in flight."""
    with RunWriter.create(path, config=to_toml(CONFIG), seed=1, population=4, provenance={"evonet": "0.1.0"}) as writer:
        for i in range(5):
            genome = GENOME if i == 0 else sample(Stream("cli", i), Limits())
            writer.issued(job(i, i, genome), kind="found", operator="sample")
        for outcome in (
            scored(0, 300),
            scored(1, 200),
            Diverged(decision=2, step=7, reason="the loss is not finite"),
            Rejected(decision=3, reason="too many multiply-adds"),
            Lost(decision=4, reason="worker died"),
        ):
            writer.recorded(outcome)
        child = Genome(sheets=(SheetGene(channels=8, motifs=(MotifGene(taps=14, long_share=5, pattern="lattice"),)),))
        writer.issued(job(5, 5, child), kind="breed", parents=(0, 1), operator="cross+channels")
        writer.recorded(scored(5, 250))
        writer.issued(job(6, 6, GENOME), kind="breed", parents=(5,), operator="taps")
        writer.recorded(scored(6, 100, choice=0.3))
        writer.issued(job(7, 5, child, rung=-1), kind="finish")
        writer.recorded(scored(7, 220, choice=0.1))
        writer.issued(job(8, 7, GENOME), kind="breed", parents=(6,), operator="taps")
        writer.set_state("stopped")
    return path


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "0001-made")


@pytest.fixture
def evonet() -> Callable[..., Result]:
    """Calls the program in this process: evonet("show", path)."""
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments], prog_name="evonet")
