"""The verb `bench`: what it prints, what it keeps, and what it refuses."""

import json

import pytest

from evonet.bench.cluster import Report


def test_the_command_prints_both_forms_and_keeps_its_run(evonet, tmp_path):
    options = ("--workers", 3, "--seconds", 60, "--mean", 10, "--kill-rate", 0.1, "--run", tmp_path / "run")
    text = evonet("bench", "cluster", *options)
    assert text.exit_code == 0, text.output
    for part in ("3 simulated workers, 18 individuals, population 12, window 9", "utilisation", "and so feeds"):
        assert part in text.stdout
    assert "finished" in evonet("status", tmp_path / "run").stdout
    taken = evonet("bench", "cluster", *options)
    assert (taken.exit_code, "never overwritten" in taken.stderr) == (2, True)
    told = json.loads(evonet("bench", "cluster", *options[:-2], "--json").stdout)
    assert set(told) == set(Report.__struct_fields__)
    assert told["load"]["workers"] == 3


def test_the_help_has_an_example(evonet):
    assert "Example: evonet bench cluster" in evonet("bench", "cluster", "--help").stdout


@pytest.mark.parametrize("option", ["--workers=0", "--mean=0", "--sigma=9", "--kill-rate=1"])
def test_what_cannot_be_is_a_usage_error(evonet, option):
    assert evonet("bench", "cluster", option).exit_code == 2
