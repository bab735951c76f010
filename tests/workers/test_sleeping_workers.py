"""The load test over real workers: they sleep as long as the simulated ones would."""

import pytest

from evonet.bench.cluster import Load, measure
from evonet.bench.stubs import Durations
from evonet.store import open_run, run_digest

pytestmark = pytest.mark.ray


def test_sleeping_workers_make_the_run_of_the_simulated_ones(ray, tmp_path):
    for real in (False, True):
        load = Load(workers=2, individuals=8, population=4, durations=Durations(mean=0.05), real=real)
        report = measure(load, tmp_path / f"{real}")
        assert 0.0 < report.utilisation_whole <= 1.0
    with open_run(tmp_path / "True") as a, open_run(tmp_path / "False") as b:
        assert run_digest(a) == run_digest(b)
