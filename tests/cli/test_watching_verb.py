"""watch: one look as text, a live screen on a terminal, and nothing of a run that could move its cursor."""

import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console
from rich.live import Live

from evonet.cli import watching
from evonet.cli.watching import render, sparkline
from evonet.report.watching import Watch
from evonet.store import RunWriter, open_run

pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
PROGRAM = "from evonet.cli import main; main()"


@pytest.fixture
def frame(recorded):
    with open_run(recorded) as run:
        return Watch(run).look()


def drawn(frame, width=100, **options):
    console = Console(width=width, color_system=None, force_terminal=False, markup=False)
    with console.capture() as captured:
        console.print(render(frame, **options))
    return captured.get()


def test_one_look_is_text_with_all_that_matters(evonet, recorded):
    text = evonet("watch", recorded, "--once").stdout
    for part in (
        "0001-made  stopped  data digits  seed 1  population 4",
        "8 of 8 individuals, generation 1",
        "#5  score",
        "validation accuracy 78.0 %, 220 bytes",
        "in generation 1",
        "▁█",
        "8 of",
        "ray, auto; 1 in flight",
        "diverged 1, rejected 1, lost 1; newest: #4 lost: worker died",
        "finished   cross+channels",
        f"evonet resume {recorded}",
    ):
        assert part in text, part
    assert "\x1b" not in text
    assert "q or Ctrl-C" not in text


def test_a_pipe_gets_one_look_without_once(evonet, recorded):
    assert evonet("watch", recorded).stdout == evonet("watch", recorded, "--once").stdout


def test_json_is_one_look_as_well(evonet, recorded):
    found = json.loads(evonet("watch", recorded, "--json", "--top", 2).stdout)
    assert (found["state"], found["individuals"], found["best"]["id"]) == ("stopped", 8, 5)
    assert [r["id"] for r in found["top"]] == [5, 6]


def test_an_empty_run_says_so(evonet, tmp_path):
    RunWriter.create(tmp_path / "run", config="", seed=1, population=4, provenance={}).close()
    text = evonet("watch", tmp_path / "run", "--once").stdout
    assert "nothing scored yet" in text
    assert "0 of 256 individuals" in text


def test_what_is_no_run_is_refused(evonet, tmp_path):
    answer = evonet("watch", tmp_path)
    assert answer.exit_code == 5
    assert "expected the folder of a run" in answer.stderr


def test_texts_of_a_run_cannot_move_the_cursor(frame):
    wild = "[red]\x1b[2J\x07gone\nnext\u202e"
    hostile = replace(frame, newest_failure=wild, newest_try=wild, tries=1, name=wild, data=wild,
                      top=(replace(frame.top[0], operator=wild),))  # fmt: skip
    text = drawn(hostile)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[red] [2J gone next" in text


def test_it_fits_a_narrow_terminal_and_ascii(frame):
    text = drawn(frame, width=60, unicode=False)
    assert max(map(len, text.splitlines())) <= 60
    assert text.isascii()


@pytest.mark.parametrize(
    "values, line",
    [
        ([1.0], "█  1.000 to 1.000"),
        ([0.0, 7.0], "▁█  0.000 to 7.000"),
        ([None, 0.0, 3.5, 7.0], " ▁▅█  0.000 to 7.000"),
        ([-99.0, *range(20)], "▁▁▁▁▁▂▂▃▃▄▄▅▅▅▆▆▇▇███  1.000 to 19.000"),
    ],
)
def test_a_sparkline_shows_heights_and_their_ends(values, line):
    assert sparkline(values, unicode=True) == line


def test_neighbours_share_a_character_where_there_are_too_many():
    assert len(sparkline(range(1000), unicode=True).split("  ")[0]) == 48


class Screen:
    """The program on a terminal of its own."""

    def __init__(self, *arguments):
        self.terminal, theirs = pty.openpty()
        self.program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30", "PYTHONIOENCODING": "utf-8"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )  # fmt: skip
        os.close(theirs)
        self.text = ""

    def until(self, *parts, seconds=30):
        """Read until all of `parts` are there; None: to the end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (parts and all(part in self.text for part in parts)):
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    data = os.read(self.terminal, 65536)
                except OSError:  # how Linux says that the other side is closed
                    return
                if not data:
                    return
                self.text += data.decode(errors="replace")

    def end(self):
        self.until()
        os.close(self.terminal)
        return self.program.wait(30)


@pytest.fixture
def running(tmp_path):
    with RunWriter.create(tmp_path / "live", config="", seed=1, population=4, provenance={}) as writer:
        yield writer


@pytest.mark.parametrize("key", [b"q", b"xq", None], ids=["q", "another key, then q", "Ctrl-C"])
def test_a_terminal_is_redrawn_until_somebody_leaves(running, key):
    screen = Screen("watch", running.path, "--every", "0.2")
    screen.until("q or Ctrl-C")
    os.write(screen.terminal, key) if key else screen.program.send_signal(signal.SIGINT)
    assert screen.end() == 0
    assert screen.text.count("\x1b[?1049h") == screen.text.count("\x1b[?1049l") == 1  # the old screen is back
    assert "running" in screen.text.split("\x1b[?1049l")[1]  # and the last look stays


def test_ctrl_c_while_the_screen_opens_gives_the_old_one_back(recorded, monkeypatch):
    """`Live` tidies up after an Exception alone."""

    def interrupted(self):
        raise KeyboardInterrupt

    screen = Console(force_terminal=True, file=io.StringIO(), width=80, legacy_windows=False)
    monkeypatch.setattr(watching, "console", lambda: screen)
    monkeypatch.setattr(Live, "refresh", interrupted)
    with open_run(recorded) as run:
        watching._stay(Watch(run), 0.1)
    text = screen.file.getvalue()
    assert text.count("\x1b[?1049h") == text.count("\x1b[?1049l") == 1
    assert text.endswith("\x1b[?25h")  # the cursor, too


def test_it_ends_when_the_run_ends(running):
    screen = Screen("watch", running.path, "--every", "0.2")
    screen.until("q or Ctrl-C")
    running.set_state("finished")
    assert screen.end() == 0
    assert "finished" in screen.text.split("\x1b[?1049l")[1]


def test_watching_and_asking_why_import_nothing_heavy(recorded):
    code = """
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
    lines = [f"watch {recorded} --once", f"why {recorded} 7", f"why {recorded} 7 --json"]
    done = subprocess.run([sys.executable, "-c", code, *lines], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(recorded, "run.db").exists()
