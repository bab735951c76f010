"""The verbs that look at a run as a whole."""

import json
import shutil
import subprocess
import sys

import pytest

from evonet.evolution.cells import cell
from evonet.report.atlas import cells_of, draw
from evonet.report.tables import Row

VERBS = ("atlas", "front", "hall", "operators")
PROGRAM = """
import sys
from evonet.cli.program import app
for line in sys.argv[1:]:
    try:
        app(line.split(), prog_name="evonet")
    except SystemExit as e:
        assert e.code in (0, None), (line, e.code)
heavy = {"torch", "ray", "deap", "moocore", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""


def asked(evonet, verb, *arguments):
    answer = evonet(verb, *arguments, "--json")
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_answers_in_text_also_on_a_copy(evonet, recorded, tmp_path, verb):
    copy = shutil.copytree(recorded, tmp_path / "copy")
    assert evonet(verb, copy).stdout == evonet(verb, recorded).stdout != ""


def test_the_atlas_names_the_best_of_every_cell(evonet, recorded):
    cells = asked(evonet, "atlas", recorded)
    assert [(c["id"], c["bytes"], c["bytes_from"], c["bytes_to"]) for c in cells] == [
        (0, 300, 256, 362),
        (1, 200, 182, 255),  # 5 has 220 and a worse score
        (6, 100, 91, 127),
    ]
    assert {(c["long_from"], c["long_to"], c["long_share"]) for c in cells} == {(0.25, 0.375, 0.25)}
    text = evonet("atlas", recorded).stdout
    assert "80.0 #1" in text
    assert "182-255" in text
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["256-362", "182-255", "128-181", "91-127"]
    assert text.splitlines()[3].split()[1:] == ["."] * 8  # nobody has a file of that size
    assert "25-37.5 %" in text


def row(id, share, size, score):
    return Row(
        id=id,
        generation=0,
        kind="found",
        operator="",
        parents=(),
        state="scored",
        rung=0,
        score=score,
        accuracy=0.5,
        long_share=share,
        bytes=size,
    )


def test_the_drawing_leaves_empty_cells_and_knows_the_earlier_of_equals():
    rows = [row(9, 1.0, 100, 1.0), row(3, 1.0, 100, 1.0), row(4, 0.0, 1000, 1.0), row(5, 0.0, 1000, 2.0)]
    unscored = Row(id=1, generation=0, kind="found", operator="", parents=(), state="lost", rung=0)
    cells = cells_of([*rows, unscored])
    assert [c.id for c in cells] == [5, 3]
    lines = draw(cells)
    assert [line.split() for line in lines[1:]] == [
        ["725-1,023", "50.0", "#5", *["."] * 7],
        ["128-724", *["."] * 8],  # several empty sizes are one line
        ["91-127", *["."] * 7, "50.0", "#3"],
    ]
    assert cell(1.0, 100)[0] == 7
    assert draw([]) == ["no scored individual yet"]


def test_the_front_is_of_the_usual_two_or_of_those_asked_for(evonet, recorded):
    usual = asked(evonet, "front", recorded)
    assert usual["objectives"] == ["loss", "bytes"]
    assert [r["id"] for r in usual["front"]] == [6]  # loss and bytes agree in this run
    other = asked(evonet, "front", recorded, "--objectives", "seen, bytes")
    assert other["objectives"] == ["seen", "bytes"]
    answer = evonet("front", recorded, "--objectives", "loss,size,byte")
    assert answer.exit_code == 3
    assert '--objectives loss,size,byte: "size", expected one of loss, accuracy' in answer.stderr
    assert "did you mean 'bytes'" in evonet("front", recorded, "--objectives", "byte").stderr


def test_the_hall_holds_every_genome_once(evonet, recorded):
    found = asked(evonet, "hall", recorded)
    assert [r["id"] for r in found] == [6, 1, 5]  # 0 has the genome of 6
    assert len({r["genome"] for r in found}) == len(found)
    assert [r["id"] for r in asked(evonet, "hall", recorded, "--top", 2)] == [6, 1]
    assert evonet("hall", recorded, "--top", 0).exit_code == 2


def test_operators_without_clones_say_what_is_missing(evonet, recorded):
    found = {r["operator"]: r for r in asked(evonet, "operators", recorded)}
    assert {name: (r["births"], r["scored"]) for name, r in found.items()} == {
        "cross": (1, 1),
        "channels": (1, 1),
        "taps": (2, 1),
    }
    assert all(r["beyond"] is None for r in found.values())
    assert "no clones to compare with: set search.clones" in evonet("operators", recorded).stdout


def test_no_verb_imports_torch_ray_or_deap(recorded):
    lines = [f"{verb} {recorded}" for verb in VERBS]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *lines], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
