"""Functions of the user's: what they may do, and what is said when they do not."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from simulation import SMALL, MemoryRun, finished, make_search

from evonet import plugins
from evonet.config import RunConfig, load_config, parse_config, to_toml
from evonet.controls import search_control
from evonet.errors import ConfigError
from evonet.evolution.settings import SearchSettings
from evonet.genome.ids import stamp
from evonet.genome.limits import Limits
from evonet.genome.sampling import sample
from evonet.genome.variation import OPERATORS, operator, rates_of, vary
from evonet.seeds import Stream

NONE = dict.fromkeys(OPERATORS, 0.0)


def changed(**changes):
    return msgspec.structs.replace(SMALL, **changes)


def test_a_search_by_plug_ins_is_a_search():
    options = changed(survival="plugged:best", mating="plugged:evenly", rates={"plugged:to_abs": 9.0}, individuals=40)
    recorder, search = finished(options)
    assert search.winner() is not None
    born_by = {d.operator for d, _ in recorder.rows if d.kind == "breed"}
    assert any("plugged:to_abs" in how for how in born_by)
    again, _ = finished(options)
    assert recorder.trace() == again.trace()
    scores = sorted(e.score for e in search.pool)
    assert len(scores) == SMALL.population


@pytest.mark.parametrize(
    "key, name, message",
    [
        ("survival", "too_many", r'search.survival = "plugged:too_many" gave \d+ candidates, \d+ of them different'),
        ("survival", "nobody", "gave 0 candidates, 0 of them different; expected 1 to 8, each once"),
        ("survival", "twice", "gave 2 candidates, 1 of them different"),
        ("survival", "stranger", "gave individual 1000000, which was not among its"),
        ("survival", "names", r"gave list \[0.*expected a list of the candidates that it was given"),
        ("survival", "fails", "failed with RuntimeError: no such thing. Mend the plug-in and resume"),
        ("mating", "nobody", 'search.mating = "plugged:nobody" gave 0 candidates, expected 8, repeats allowed'),
        ("mating", "stranger", "gave individual 1000000"),
        ("mating", "fails", "failed with RuntimeError"),
    ],
)
def test_what_selection_answers_is_checked(key, name, message):
    with pytest.raises(ConfigError, match=message):
        finished(changed(**{key: f"plugged:{name}"}))


@pytest.mark.parametrize(
    "name, message",
    [
        ("no_taps", r'operator "plugged:no_taps" gave an invalid genome: .*taps = 0.* Mend the plug-in and resume'),
        ("no_genome", "gave an invalid genome: str a genome, expected a Genome or None"),
        ("copied_ids", "gene ids that repeat or are not the parent's"),
        ("fails", 'search.rates = "plugged:fails" failed with RuntimeError: no such thing'),
    ],
)
def test_what_an_operator_makes_is_checked(name, message):
    genome = stamp(sample(Stream("plug-in"), Limits()), 0)
    with pytest.raises(ConfigError, match=message):
        vary(genome, Stream(1), Limits(), NONE | {f"plugged:{name}": 1.0})


def test_an_operator_that_never_applies_leaves_the_birth_to_others():
    genome = stamp(sample(Stream("plug-in"), Limits()), 0)
    assert vary(genome, Stream(1), Limits(), NONE | {"plugged:never": 1.0})[1] == "reseed+reseed"


def test_plugged_operators_are_drawn_in_order_of_names_whatever_the_file_says():
    there, back = ({"plugged:to_abs": 1.0, "plugged:never": 2.0}, {"plugged:never": 2.0, "plugged:to_abs": 1.0})
    assert list(rates_of(there)) == list(rates_of(back)) == [*OPERATORS, "plugged:never", "plugged:to_abs"]


BAD = [
    ("survival", "nowhere_at_all:f", "importing nowhere_at_all failed with ModuleNotFoundError.*PYTHONPATH"),
    ("survival", "plugged:bset", "plugged has no such name; did you mean 'best'"),
    ("mating", "plugged:NUMBER", "plugged has int 3 there, expected a function"),
    ("mating", "plugged:", 'expected "module:function"'),
    ("survival", ":f", 'expected "module:function"'),
]


@pytest.mark.parametrize("key, name, message", BAD)
def test_what_cannot_be_imported_is_refused_with_the_configuration(key, name, message, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(f'[search]\n{key} = "{name}"\n')
    with pytest.raises(ConfigError, match=rf"run.toml: search\.{key} = .*{message}"):
        load_config(file)
    with pytest.raises(ConfigError, match=message):
        make_search(MemoryRun(), changed(**{key: name}))


def test_an_operator_that_cannot_be_imported_is_refused_with_the_configuration(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('[search.rates]\n"plugged:widden" = 1.0\n')
    with pytest.raises(ConfigError, match=r'run.toml: search.rates = "plugged:widden": plugged has no such name'):
        load_config(file)
    with pytest.raises(ConfigError, match="plugged has no such name"):
        make_search(MemoryRun(), changed(rates={"plugged:widden": 1.0}))


def test_looking_at_a_run_imports_no_plug_in():
    settings = SearchSettings(survival="nowhere_at_all:f", mating="nowhere_at_all:g", rates={"nowhere_at_all:h": 1.0})
    stored = to_toml(RunConfig(search=settings))
    assert parse_config(stored, "run", known_only=True).search == settings


def test_a_frozen_control_leaves_plugged_operators_out():
    config = search_control(RunConfig(search=SearchSettings(rates={"plugged:to_abs": 1.0})), "frozen")
    assert config.search.rates["plugged:to_abs"] == 0.0


def test_the_example_of_the_page_runs(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "deap.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "diverse.py").write_text(code)
    names = dict(re.findall(r'search\.(survival|mating) = "(\S+)"', code))
    rate = re.search(r'"(\S+)" = 1.0', code)[1]
    program = f"""
import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(Path(__file__).parent)!r}]
from msgspec.structs import replace
from simulation import SMALL, finished
recorder, search = finished(replace(SMALL, survival={names["survival"]!r}, mating={names["mating"]!r}, individuals=40,
                                    rates={{{rate!r}: 9.0}}))
assert any({rate!r} in d.operator for d, _ in recorder.rows)
assert search.winner()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_an_import_is_tried_once():
    assert plugins.load("plugged:best", "a") is plugins.load("plugged:best", "a")
    assert operator("taps") is OPERATORS["taps"].apply
