"""A long training has a long deadline."""

from evonet.job import Job
from evonet.workers.base import WorkersSettings, deadline_of


def test_the_deadline_grows_with_the_steps():
    def limit(steps):
        job = Job(decision=0, individual=0, rung=0, genome=b"", ids=(), steps=steps, seed=0, key="")
        return deadline_of(job, WorkersSettings(deadline=100))

    assert [limit(n) for n in (0, 150, 1000, 1001, 57_750)] == [100, 100, 100, 200, 5800]
