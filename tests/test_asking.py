"""What is asked of a run arrives with its driver, whether a verb or a button asked."""

import pytest

from evonet.asking import ask, from_page
from evonet.errors import RequestError, StoreError
from evonet.evolution.interventions import Cull, Inject, Note, Pause
from evonet.genome import Genome, SheetGene
from evonet.genome.code import encode
from evonet.inbox import FolderInbox
from evonet.job import Job
from evonet.report.viewer import acting
from evonet.store import RunWriter, open_run

GENOME = encode(Genome(sheets=(SheetGene(channels=5),)))


@pytest.fixture
def folder(tmp_path):
    """A run with one individual, and nobody at work."""
    path = tmp_path / "run"
    with RunWriter.create(path, config="", seed=1, population=4, provenance={}) as writer:
        job = Job(decision=0, individual=0, rung=0, genome=GENOME, ids=(), steps=1, seed=1, key="k")
        writer.issued(job, kind="found")
    return path


def arrived(folder):
    inbox = FolderInbox(folder, known=(), epoch=1, shape=((1, 8, 8), 10))
    return [request for _, request in inbox.pending()]


@pytest.mark.parametrize(
    "button, request_",
    [
        (acting.Cull(individuals=(0,)), Cull(individuals=(0,))),
        (acting.Note(individual=0, text="<b>"), Note(individual=0, text="<b>")),
        (acting.Pause(generation=3), Pause(generation=3)),
        (acting.Inject(individual=0), Inject(genome=GENOME)),
    ],
)
def test_a_button_asks_for_what_a_verb_asks_for(folder, button, request_):
    assert "taken at the next `evonet resume`" in from_page(folder, button)
    assert arrived(folder) == [request_]
    with open_run(folder) as run:
        ask(run, request_)
    assert arrived(folder) == [request_] * 2


def test_what_a_run_cannot_do_is_not_asked_for(folder):
    with pytest.raises(StoreError, match="no individual 7"):
        from_page(folder, acting.Cull(individuals=(7,)))
    with open_run(folder) as run, pytest.raises(RequestError, match="nothing to pause"):
        ask(run, Pause())
    with RunWriter.open(folder) as writer:
        writer.set_state("finished")
    with pytest.raises(RequestError, match="it is finished, nothing is decided any more; fork it"):
        from_page(folder, acting.Inject(individual=0))
    from_page(folder, acting.Note(individual=0, text="still"))
    assert arrived(folder) == [Note(individual=0, text="still")]
