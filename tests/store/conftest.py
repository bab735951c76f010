"""Jobs, outcomes and small runs for the tests of the store."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evonet.job import Job, Measures, Round, Scored
from evonet.store import RunWriter
from evonet.store.schema import connect

CONFIG = 'population = 4\nname = "ä"\n'
MEASURES = Measures(
    bytes=321, loss=0.1 + 0.2, accuracy=0.97, weights=900, nonzero=400, macs=10**12, connections=5000, sheets=2,
    taps=18, long_share=1 / 3, seen=4800, train_images=1000,
)  # fmt: skip
ROUNDS = (Round(steps=50, train_loss=1.25, float_loss=1.1, loss=1 / 7, bytes=400),)


def make_job(decision: int, individual: int | None = None, **changes: Any) -> Job:
    individual = decision if individual is None else individual
    job = Job(
        decision=decision, individual=individual, rung=0, genome=b"genome %d" % individual,
        ids=((individual, 0), (individual, 1)), steps=150, seed=2**62 + decision, key=f"key{decision}",
    )  # fmt: skip
    return msgspec.structs.replace(job, **changes)


def make_scored(decision: int, **changes: Any) -> Scored:
    outcome = Scored(
        decision=decision,
        measures=MEASURES,
        package=b"package %d" % decision,
        shadow=b"\0\1",
        rounds=ROUNDS,
        seconds=1.5,
    )
    return msgspec.structs.replace(outcome, **changes)


@pytest.fixture
def job() -> Callable[..., Job]:
    return make_job


@pytest.fixture
def scored() -> Callable[..., Scored]:
    return make_scored


@pytest.fixture
def alter() -> Callable[[Path, str], None]:
    """What no driver does to its database."""

    def alter(database: Path, sql: str) -> None:
        with closing(connect(database, "mode=rw")) as db:
            db.execute(sql)

    return alter


@pytest.fixture
def create(tmp_path: Path) -> Callable[..., RunWriter]:
    def create(name: str = "run", **changes: Any) -> RunWriter:
        settings: dict[str, Any] = {
            "config": CONFIG,
            "seed": 7,
            "population": 4,
            "provenance": {"torch": "2.13", "cores": 2},
        }
        return RunWriter.create(tmp_path / name, **{**settings, **changes})

    return create


@pytest.fixture
def writer(create: Callable[..., RunWriter]) -> Iterator[RunWriter]:
    with create() as writer:
        yield writer


@pytest.fixture
def family(writer: RunWriter) -> RunWriter:
    """0 and 1 founders, 2 = 0 x 1, 3 = 2 mutated, 4 = 3 x 0; then 0 is promoted (decision 5); 6 is in flight."""
    births: list[tuple[int, Any, tuple[int, ...], str]] = [
        (0, "seed", (), "seed"), (1, "found", (), "sample"), (2, "breed", (0, 1), "cross"),
        (3, "breed", (2,), "widen"), (4, "breed", (3, 0), "cross"),
    ]  # fmt: skip
    for n, kind, parents, operator in births:
        writer.issued(make_job(n), kind=kind, parents=parents, operator=operator)
        writer.recorded(make_scored(n))
    writer.issued(make_job(5, 0, rung=1, steps=450, seen=4800), kind="promote", parents=(0,), operator="")
    writer.recorded(make_scored(5, measures=msgspec.structs.replace(MEASURES, seen=9600, choice_loss=0.5)))
    writer.issued(make_job(6, 5), kind="breed", parents=(4,), operator="widen")
    return writer
