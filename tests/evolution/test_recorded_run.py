"""The loop over the real store: same digest for a straight run and for one that was killed and resumed."""

import pytest
from simulation import AnyOrder, Killed, make_search, rough

from evonet.evolution.loop import run
from evonet.seeds import Stream
from evonet.store import RunWriter, open_run, run_digest


def workers(slots, seed, dies_after=10**9):
    left = [dies_after]

    def evaluate(job):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return rough(job)

    return AnyOrder(evaluate, slots, Stream("order", seed).below)


def test_a_resumed_run_has_the_digest_of_a_straight_one(tmp_path):
    paths = [tmp_path / "straight", tmp_path / "resumed"]
    for path in paths:
        RunWriter.create(path, config="", seed=7, population=8, provenance={}).close()
    with RunWriter.open(paths[0]) as writer:
        straight = run(make_search(writer), workers(1, 0), writer)
    for kill in (9, 14):
        with RunWriter.open(paths[1]) as writer, open_run(paths[1]) as past, pytest.raises(Killed):
            run(make_search(writer), workers(3, kill, kill), writer, past=past.decisions())
    with RunWriter.open(paths[1]) as writer, open_run(paths[1]) as past:
        resumed = run(make_search(writer), workers(5, 2), writer, past=past.decisions())
    assert resumed == straight
    with open_run(paths[0]) as a, open_run(paths[1]) as b:
        assert run_digest(a) == run_digest(b)
        assert (a.state, b.state) == ("finished", "finished")
