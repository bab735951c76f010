"""What the script that refines many genomes passes on to the process of each."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import records


@pytest.fixture
def called(tmp_path, monkeypatch):
    """Calls the program with more arguments."""

    def call(*arguments):
        program = ["records.py", "a-512.toml", "--out", str(tmp_path), "--seconds", "1", "--device", "cuda"]
        monkeypatch.setattr(sys, "argv", [*program, *map(str, arguments)])
        records.main()

    return call


@pytest.mark.parametrize("launched", [[], ["--launched"]])
def test_the_process_of_a_genome_has_what_was_asked_for(called, tmp_path, monkeypatch, launched):
    begun = []

    class Ended:
        returncode = 1

        def __init__(self, command, **rest):
            begun.append(command[1:])

        def wait(self, timeout):
            pass

    monkeypatch.setattr(records.subprocess, "Popen", Ended)
    called("--seed", "7", *launched)
    (command,) = begun
    asked = []
    monkeypatch.setattr(records, "one", lambda genome, args: asked.append(args) or {})
    monkeypatch.setattr(sys, "argv", command)
    (tmp_path / "work").mkdir()
    records.main()
    assert (asked[0].device, asked[0].seed, asked[0].seconds) == ("cuda", 7, 1.0)
    assert asked[0].launched == bool(launched)


def test_why_there_are_no_graphs_is_in_the_line(called, tmp_path, monkeypatch):
    def fails(genome, args):
        if not args.launched:
            raise RuntimeError("operation not permitted when stream is capturing")
        return {"launched": args.launched, "because": args.because}

    class Anew(Exception):  # noqa: N818 - no fault
        pass

    def execv(program, command):
        raise Anew(command[1:])

    monkeypatch.setattr(records, "one", fails)
    monkeypatch.setattr(records.os, "execv", execv)
    with pytest.raises(Anew) as anew:
        called("--until", "0")
    monkeypatch.setattr(sys, "argv", anew.value.args[0])
    records.main()
    line = json.loads((tmp_path / "a-512.line.json").read_text())
    assert line == {"launched": True, "because": "RuntimeError: operation not permitted when stream is capturing"}
