"""configs/saccades.toml in small, on digits of random ink: from configuration to packages that look."""

from pathlib import Path

import numpy as np
import pytest

from evonet import app
from evonet.config import load_config
from evonet.job import Scored
from evonet.network import decoded
from evonet.package import unpack
from evonet.report.tables import genome_of
from evonet.store import open_run
from evonet.training.sources import IDX_FILES

TINY = [
    *("search.population=6", "search.individuals=8", "search.rungs=[2, 4]", "search.finish_best=1", "training.batch=8"),
    *("compression.calibration=32", "compression.finish_calibration=32", "compression.finish_rounds=1"),
    *("workers.kind=serial", 'score.record=["corrupted", "milliseconds"]'),
]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """IDX files of 200 and 40 images."""
    folder, draw = tmp_path_factory.mktemp("digits"), np.random.default_rng(1)
    for file, n in zip(IDX_FILES, (200, 200, 40, 40), strict=True):
        array = draw.integers(1, 256, (n, 28, 28)) if "images" in file else np.arange(n) % 10
        head = bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        (folder / file).write_bytes(head + array.astype(np.uint8).tobytes())
    return folder


@pytest.fixture(scope="module")
def finished(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = load_config(Path(__file__).parents[1] / "configs" / "saccades.toml", [*TINY, f"data.dir={digits}"])
    path = tmp_path_factory.mktemp("runs") / "saccades"
    return app.start(config, path, name="s", watch=lambda _: None, stop=lambda: False, opened=lambda _: None)


def test_networks_that_look_are_founded_bred_and_finished(finished: Path) -> None:
    with open_run(finished) as run:
        assert run.state == "finished"
        everybody = list(run.individuals())
        assert genome_of(everybody[0]).saccade is not None
        assert {d.kind for d in run.decisions()} >= {"seed", "found", "breed", "finish"}
        scored = [d for d in run.decisions() if isinstance(d.outcome, Scored)]
        assert len(scored) > 6
        for one in scored:
            assert one.outcome.measures.milliseconds > 0 < one.outcome.single_ms
            assert 0 <= one.outcome.measures.corrupted_accuracy <= 1
        network = decoded(unpack(run.package(0) or b""))
        assert network.plan.saccade is not None
        assert run.latest(0).macs == network.plan.costs.macs


def test_their_evaluations_repeat(finished: Path, digits: Path) -> None:
    from evonet.replaying import Replay

    assert {one.verdict for one in Replay(finished, 0, data_dir=digits)} == {"same"}
