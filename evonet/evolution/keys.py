"""What an evaluation is called: its training seed and the key that finds it again.

Both leave out who asks (decision, individual), so that identical siblings, forks and replays share one evaluation.
"""

import hashlib

import msgspec

from evonet import seeds
from evonet.genome.genes import GeneId
from evonet.job import Job


def keyed(job: Job, run_seed: int, context: str) -> Job:
    """`job` with its seed and its key."""
    job = msgspec.structs.replace(job, seed=_training_seed(job, run_seed))
    return msgspec.structs.replace(job, key=_evaluation_key(job, context))


def _training_seed(job: Job, run_seed: int) -> int:
    weights = hashlib.blake2b(msgspec.msgpack.encode([(s.package, s.shadow) for s in job.starts]), digest_size=16)
    return seeds.key(run_seed, "train", job.genome, weights.digest(), job.rung)


def _evaluation_key(job: Job, context: str) -> str:
    """32 hex characters over all that the outcome of `job` depends on; `context` stands for data, settings and version.

    Gene ids say only which genes are the same. They are renamed in order of appearance, or no two siblings would ever
    agree.
    """
    names: dict[GeneId, int] = {}

    def renamed(ids: tuple[GeneId, ...]) -> list[int]:
        return [names.setdefault(i, len(names)) for i in ids]

    starts = [(s.genome, renamed(s.ids), s.package, s.shadow) for s in job.starts]
    whole = (context, job.genome, renamed(job.ids), starts, job.seed, job.steps, job.rung, job.seen)
    return hashlib.blake2b(msgspec.msgpack.encode(whole), digest_size=16).hexdigest()
