"""Plug-ins as a user would write them, good and bad."""

from msgspec.structs import replace

from evonet.genome import Genome, MotifGene, SheetGene

NUMBER = 3


def best(candidates, count, stream):
    return sorted(candidates, key=lambda c: (-c.score, c.individual))[:count]


def evenly(candidates, length, stream):
    return [stream.choice(candidates) for _ in range(length)]


def too_many(candidates, count, stream):
    return list(candidates) * 9


def nobody(candidates, count, stream):
    return []


def twice(candidates, count, stream):
    return [candidates[0]] * 2


def stranger(candidates, count, stream):
    return [replace(candidates[0], individual=10**6)] * count


def names(candidates, count, stream):
    return [c.individual for c in candidates[:count]]


def fails(*arguments):
    raise RuntimeError("no such thing")


def to_abs(genome, stream, limits):
    k = stream.below(len(genome.sheets))
    if genome.sheets[k].activation == "abs":
        return None
    sheet = replace(genome.sheets[k], activation="abs")
    return replace(genome, sheets=(*genome.sheets[:k], sheet, *genome.sheets[k + 1 :]))


def never(genome, stream, limits):
    return None


def no_taps(genome, stream, limits):
    return Genome(sheets=(SheetGene(motifs=(MotifGene(taps=0),)),))


def no_genome(genome, stream, limits):
    return "a genome"


def copied_ids(genome, stream, limits):
    return replace(genome, sheets=(genome.sheets[0], *genome.sheets)) if len(genome.sheets) < 3 else None
