"""Fitting recovers the table that made the times; a measured table is complete."""

import msgspec
import numpy as np

from evonet.composition import evaluation_settings
from evonet.config import parse_config
from evonet.doctor import calibrated
from evonet.network.calibrate import SHAPES, calibrate, fit, probes
from evonet.plan.lowering import cost
from evonet.timing import CostTable


def test_a_table_is_found_again_from_the_costs_it_predicts():
    table = CostTable(
        call=90_000, element=2_000, mac=31, depthwise_mac=200, gather_row=2_000, gather=900, index_mac=500
    )
    stages = list(probes(SHAPES))
    times = np.array([cost(stage, parts, table) for stage, parts in stages], dtype=np.float64)
    found = fit(stages, times, 128)
    for name, expected in msgspec.structs.asdict(table).items():
        assert abs(getattr(found, name) - expected) <= 0.02 * expected + 1, name


def test_a_measured_table_has_an_entry_for_all(monkeypatch):
    monkeypatch.setattr("evonet.network.calibrate.UPDATES", 10)
    table = calibrate(batch=2, rounds=1, shapes=((4, 9),))
    assert min(msgspec.structs.astuple(table)) >= 1


def test_what_doctor_measures_is_a_section_of_a_configuration_and_of_every_key(monkeypatch):
    table = CostTable(mac=77)
    monkeypatch.setattr("evonet.network.calibrate.calibrate", lambda: table)
    config = parse_config(calibrated(), "calibrated")
    assert config.costs == table
    assert evaluation_settings(config).costs == table
