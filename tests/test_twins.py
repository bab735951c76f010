"""Twins side by side: from a recorded run to a table."""

import json
from statistics import mean

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from evonet import app
from evonet.cli.program import app as program
from evonet.config import parse_config
from evonet.errors import StoreError
from evonet.genome import Genome, SheetGene
from evonet.genome.code import decode, encode
from evonet.store import open_run
from evonet.twins import NAMES, compare, estimate

PLAIN = Genome(sheets=(SheetGene(channels=4),))
CONFIG = f"""
[search]
genomes = ["code:{encode(PLAIN).hex()}"]
population = 2
individuals = 6
rungs = [3]
finish_best = 0
fresh = 0.0
[genes]
sheets = [1, 1]
channels = [4, 4]
boundaries = ["zero"]
reach_max = 3
[training]
batch = 16
[compression]
rounds = 1
finish_rounds = 1
calibration = 64
finish_calibration = 64
rate_term = 0.0
size_weight = 0.01
[workers]
kind = "serial"
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return app.start(
        parse_config(CONFIG, "test"),
        tmp_path_factory.mktemp("twins") / "run",
        name="twins",
        watch=lambda _: None,
        stop=lambda: False,
        opened=lambda _: None,
    )


@pytest.fixture(scope="module")
def child(recorded) -> int:
    """An individual with parents."""
    with open_run(recorded) as opened:
        return next(i.id for i in reversed(list(opened.individuals())) if i.parents)


def compared(recorded, individual, kind, count=2):
    with open_run(recorded) as opened:
        return compare(opened, individual, parse_config(opened.config, "test"), kind=kind, count=count, steps=4)


@pytest.mark.parametrize("kind", ["random", "cnn"])
def test_twins_of_equal_weights_are_trained_alike(recorded, child, kind):
    found = compared(recorded, child, kind)
    ours, theirs = found.sides
    assert (found.seeds, found.steps, found.data, found.kind) == (2, 4, "digits", kind)
    assert (ours.scored, theirs.scored, ours.failures, theirs.failures) == (2, 2, (), ())
    assert ours.measures["weights"].mean == theirs.measures["weights"].mean
    assert ours.individual == child
    assert theirs.individual is None
    assert len(set(ours.genomes)) == 1
    assert len(set(theirs.genomes)) == (2 if kind == "random" else 1)
    for name in NAMES:
        assert found.difference[name].mean == pytest.approx(ours.measures[name].mean - theirs.measures[name].mean)


def test_a_genome_that_is_its_own_twin_differs_in_nothing(recorded):
    """So both sides of a seed see the same images in the same order, from the same weights."""
    with open_run(recorded) as opened:
        assert decode(opened.individual(0).genome) == PLAIN
    found = compared(recorded, 0, "cnn", count=3)
    assert found.sides[0].measures["loss"].half > 0
    assert {(e.mean, e.half) for e in found.difference.values()} == {(0.0, 0.0)}


def test_a_frozen_twin_is_what_the_line_began_with(recorded, child):
    found = compared(recorded, child, "frozen", count=1)
    with open_run(recorded) as opened:
        first = opened.individual(found.sides[1].individual)
    assert first.parents == ()
    assert bytes.fromhex(found.sides[1].genomes[0]) == first.genome
    with pytest.raises(StoreError, match=f"individual {first.id} has no parents, so it is its own frozen twin"):
        compared(recorded, first.id, "frozen")


def test_the_same_comparison_gives_the_same_numbers_and_seeds_matter(recorded, child):
    once, again = (compared(recorded, child, "cnn") for _ in range(2))
    assert once == again
    assert once.sides[0].measures["loss"].half > 0
    assert (
        compared(recorded, child, "cnn", count=1).sides[0].measures["loss"].mean != once.sides[0].measures["loss"].mean
    )


def test_a_failed_side_is_named_and_not_averaged(recorded, child):
    with open_run(recorded) as opened:
        config = parse_config(opened.config, "test")
        config = replace(config, budget=replace(config.budget, work=1))
        found = compare(opened, child, config, kind="cnn", count=2, steps=4)
    assert [side.scored for side in found.sides] == [0, 0]
    assert found.sides[0].measures == found.difference == {}
    assert found.sides[0].failures[0].startswith("Rejected: ")


@pytest.mark.parametrize(
    "values, half",
    [
        ([3.0], None),
        ([1.0, 3.0], 12.706),
        ([1.0, 2.0, 3.0], 4.303 / 3**0.5),
        ([0.0, 2.0] * 20, 1.96 * 1.01274 / 40**0.5),
    ],
)
def test_intervals_are_students(values, half):
    found = estimate(values)
    assert found.mean == mean(values)
    assert found.half == (None if half is None else pytest.approx(half, rel=1e-4))


# --- the verb -------------------------------------------------------------------------------------------------------


def evonet(*arguments):
    return CliRunner().invoke(program, [str(a) for a in arguments], prog_name="evonet")


def test_twin_prints_a_table_or_json(recorded, child):
    text = evonet("twin", recorded, child, "--kind", "random", "--seeds", 2, "--steps", 4)
    assert text.exit_code == 0, text.output
    for part in (
        "2 trainings of 4 steps on digits",
        "individual",
        "random twin",
        "difference",
        "2/2",
        "±",
        "long share",
    ):
        assert part in text.stdout
    found = json.loads(evonet("twin", recorded, child, "--kind", "cnn", "--seeds", 1, "--steps", 4, "--json").stdout)
    assert [side["name"] for side in found["sides"]] == ["individual", "cnn twin"]
    assert found["sides"][0]["measures"]["accuracy"]["half"] is None
    decode(bytes.fromhex(found["sides"][1]["genomes"][0]))


def test_twin_refuses_other_kinds_and_individuals(recorded):
    answer = evonet("twin", recorded, 0, "--kind", "mirror")
    assert answer.exit_code == 2
    assert "'mirror', expected random, cnn, frozen" in " ".join(answer.stderr.split())
    answer = evonet("twin", recorded, 99, "--kind", "cnn")
    assert answer.exit_code == 5
    assert "no individual 99; there are 0..5" in answer.stderr
