"""The verbs that look into a run."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import write_run

from evonet.cli.output import print_table
from evonet.evolution.interventions import Note
from evonet.store import RunWriter, open_run, run_digest

VERBS = [
    ("status",),
    ("show",),
    ("show", "5"),
    ("lineage", "7"),
    ("diff", "0", "5"),
    ("digest",),
    ("table",),
]
PROGRAM = """
import sys
from evonet.cli.program import app
for line in sys.argv[1:]:
    try:
        app(line.split(), prog_name="evonet")
    except SystemExit as e:
        assert e.code in (0, None), (line, e.code)
heavy = {%s} & set(sys.modules)
assert not heavy, heavy
"""


def call(evonet, run, verb, *more):
    return evonet(verb[0], run, *verb[1:], *more)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_answers_in_text_and_in_json(evonet, recorded, verb):
    assert call(evonet, recorded, verb).exit_code == 0
    answer = call(evonet, recorded, verb, "--json")
    assert answer.exit_code == 0, answer.output
    json.loads(answer.stdout)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_works_on_a_copied_folder(evonet, recorded, tmp_path, verb):
    copy = shutil.copytree(recorded, tmp_path / "copy")
    assert call(evonet, copy, verb).exit_code == 0


def test_status_counts_individuals_and_outcomes(evonet, recorded):
    state = json.loads(evonet("status", recorded, "--json").stdout)
    assert (state["state"], state["individuals"], state["wanted"], state["best"]["id"]) == ("stopped", 8, 8, 5)
    assert state["outcomes"] == {"scored": 5, "diverged": 1, "rejected": 1, "lost": 1, "pending": 1}
    assert f"evonet resume {recorded}" in evonet("status", recorded).stdout


def test_show_lists_the_newest_generation_best_first_and_the_unscored_last(evonet, recorded):
    found = json.loads(evonet("show", recorded, "--json").stdout)
    assert [r["id"] for r in found] == [6, 5, 4, 7]
    assert [r["state"] for r in found] == ["scored", "scored", "lost", "pending"]
    assert found[0]["score"] > found[1]["score"]
    text = evonet("show", recorded).stdout
    assert "generation 1" in text
    for column in ("id", "score", "accuracy", "bytes", "MACs", "sheets", "long share", "seen", "parents"):
        assert column in text


def test_show_takes_a_generation_or_the_best_of_all(evonet, recorded):
    first = json.loads(evonet("show", recorded, "--generation", 0, "--json").stdout)
    assert [r["id"] for r in first] == [1, 0, 2, 3]
    best = json.loads(evonet("show", recorded, "--all", "--top", 2, "--json").stdout)
    assert [r["id"] for r in best] == [6, 1]


def test_show_draws_the_genes_of_one_individual(evonet, recorded):
    text = evonet("show", recorded, 5).stdout
    assert "sheet 0 [5:0]: 8 channels" in text
    assert "# O #" in text
    assert "taps, 4 of them long (lattice" in text
    assert "finish" in text
    assert "500 of 600 weights" in text


def test_show_says_who_won_where_that_is_not_who_is_first(evonet, tmp_path):
    path = write_run(tmp_path / "won")
    assert "the winner is" not in evonet("show", path, "--all").stdout  # it is not finished
    with RunWriter.open(path) as writer:
        writer.set_state("finished")
    assert "the winner is #5: " in evonet("show", path, "--all").stdout  # 6 has the better score on validation
    assert "the winner is" not in evonet("show", path).stdout


def test_show_tells_the_notes_on_an_individual_and_no_others(evonet, tmp_path):
    path = write_run(tmp_path / "noted")
    with RunWriter.open(path) as writer:
        for id, text in ((5, "wide"), (6, "deep"), (5, "and shallow")):
            writer.event("note", f"#{id}: {text}", 8, {"request": "r", "change": Note(individual=id, text=text)})
    shown = [line.partition(": ")[2] for line in evonet("show", path, 5).stdout.splitlines() if "note of" in line]
    assert shown == ["wide", "and shallow"]
    assert [note["text"] for note in json.loads(evonet("show", path, 6, "--json").stdout)["notes"]] == ["deep"]
    assert "note of" not in evonet("show", path, 0).stdout


def test_a_failed_individual_shows_its_reason(evonet, recorded):
    assert "too many multiply-adds" in evonet("show", recorded, 3).stdout


def test_lineage_goes_back_to_the_founders(evonet, recorded):
    found = json.loads(evonet("lineage", recorded, 7, "--json").stdout)
    assert [(a["depth"], a["individual"]["id"]) for a in found] == [(0, 7), (1, 6), (2, 5), (3, 0), (3, 1)]


def test_diff_names_what_changed(evonet, recorded):
    found = json.loads(evonet("diff", recorded, 0, 0, "--json").stdout)
    assert found["genes"] == []
    text = evonet("diff", recorded, 0, 6).stdout
    assert "- sheet 0 (gene 0:0): 6 channels" in text  # another lineage: no homologous gene


def test_digest_is_that_of_the_store(evonet, recorded):
    with open_run(recorded) as run:
        assert evonet("digest", recorded).stdout.strip() == run_digest(run)


def test_table_is_csv_with_every_individual(evonet, recorded, tmp_path):
    lines = list(csv.DictReader(io.StringIO(evonet("table", recorded).stdout)))
    assert [line["id"] for line in lines] == [str(i) for i in range(8)]
    assert (lines[5]["parents"], lines[5]["bytes"], lines[7]["bytes"]) == ("0 1", "220", "")
    assert evonet("table", recorded, "--csv", tmp_path / "t.csv").exit_code == 0
    assert (tmp_path / "t.csv").read_text() == evonet("table", recorded).stdout


def test_ls_orders_by_number(evonet, recorded, tmp_path):
    for name in ("0010-b", "0002-a"):
        shutil.copytree(recorded, tmp_path / name)
    found = json.loads(evonet("ls", tmp_path, "--json").stdout)
    assert [Path(r["path"]).name for r in found] == ["0002-a", "0010-b"]
    assert evonet("ls", tmp_path, "--newest").stdout.strip() == str(tmp_path / "0010-b")
    assert json.loads(evonet("ls", tmp_path / "none", "--json").stdout) == []
    assert evonet("ls", tmp_path / "none", "--newest").exit_code == 5


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (("show", "{run}", "99"), 5, "no individual 99; there are 0..7"),
        (("lineage", "{run}", "99"), 5, "no individual 99"),
        (("status", "{run}/nowhere"), 5, "nowhere"),
        (("table", "{run}", "--csv", "{run}/no/folder.csv"), 1, "folder.csv: No such file or directory"),
        (("show", "{run}", "many"), 2, "Invalid value for"),
        (("show",), 2, "Missing argument"),
    ],
)
def test_errors_are_one_line_and_a_code(evonet, recorded, arguments, code, message):
    answer = evonet(*(a.format(run=recorded) for a in arguments))
    assert answer.exit_code == code
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
    assert code == 2 or len(answer.stderr.splitlines()) == 1


def test_a_damaged_run_is_corrupt_data(evonet, recorded, tmp_path):
    copy = shutil.copytree(recorded, tmp_path / "copy")
    database = copy / "run.db"
    database.write_bytes(b"x" * 100 + database.read_bytes()[100:])
    answer = evonet("status", copy)
    assert (answer.exit_code, len(answer.stderr.splitlines())) == (5, 1)


def test_no_reading_verb_imports_torch_ray_or_deap(recorded):
    lines = [" ".join((verb[0], str(recorded), *verb[1:])) for verb in VERBS]
    imports_none_of(
        ("torch", "ray", "deap", "moocore", "matplotlib"), "--help", "run --help", f"ls {recorded.parent}", *lines
    )


def test_where_a_run_stands_is_told_without_numpy_and_rich(recorded):
    lines = (f"status {recorded}", f"show {recorded}", f"lineage {recorded} 7", f"ls {recorded.parent}")
    imports_none_of(("numpy", "rich"), *lines)  # each takes 0.1 s to import, of the 0.3 s that such a verb has


def imports_none_of(heavy, *lines):
    command = [sys.executable, "-c", PROGRAM % repr(heavy).strip("()"), *lines]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_table_is_plain_text(capsys):
    print_table(("id", "born by"), [("7", "taps"), ("1,234", "in two\nlines")], "births", left=("born by",))
    assert capsys.readouterr().out == (
        "births\n"
        "    id   born by\n"
        " ────────────────────\n"
        "     7   taps\n"
        " 1,234   in two lines\n"
        "\n"
    )  # fmt: skip
    print_table(("id",), [])
    assert capsys.readouterr().out == " id\n ──\n\n"
