"""A small run with everything in it, and every text field hostile."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from stub_runs import INPUT, package, pool

from evonet.config import RunConfig, to_toml
from evonet.evolution.settings import SearchSettings
from evonet.genome.code import decode
from evonet.genome.ids import ids_of, stamp
from evonet.job import Diverged, Job, Lost, Measures, Rejected, Round, Scored
from evonet.store import RunWriter

ATTACKS = (
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=2</script>",
    '"><img src=x onerror=window.pwned=3>',
    "<svg onload=window.pwned=4>",
    "javascript:window.pwned=5",
    "<!--<script>\u2028\u2029window.pwned=6//",
    "'-window.pwned=7-'",
    '=HYPERLINK("http://evil.example/")',
    "<iframe srcdoc='<script>parent.pwned=8</script>'></iframe>",
    "<style>@import 'http://evil.example/x.css';</style>",
    "<a href=//evil.example ping=//evil.example>x</a>",
    "{{constructor.constructor('window.pwned=9')()}}",
)
EVIL = " ".join(ATTACKS)
NAME = "0001-<img src=x onerror=window.pwned=10>"


def measures(n: int, *, choice: float | None = None) -> Measures:
    return Measures(
        bytes=150 + 37 * (n * 7 % 11),
        loss=0.2 + 0.05 * (n * 5 % 13),
        accuracy=0.95 - 0.02 * (n * 5 % 13),
        choice_loss=choice,
        choice_accuracy=None if choice is None else 1 - choice,
        weights=600 + n,
        nonzero=500,
        macs=12_345 + n,
        connections=6_789,
        sheets=1 + n % 3,
        taps=13,
        long_share=0.07 * (n % 12),
        seen=9_600 * (1 + n),
        train_images=990,
    )


def hostile_run(folder: Path) -> Path:
    """Individuals 0..23 in generations of six; 7, 9 and 11 fail, 23 is in flight, 20 and 21 finished, 12 damaged."""
    config = RunConfig(search=SearchSettings(population=6, individuals=24))
    rounds = tuple(
        Round(steps=50, train_loss=2.0 / k, float_loss=1.5 / k, loss=1.6 / k, bytes=300 - k) for k in (1, 2, 3)
    )
    path, choices = folder / NAME, pool(12)
    told = {"evonet": EVIL, "commit": EVIL, "command": EVIL}
    with RunWriter.create(
        path,
        config=to_toml(config) + f"# {EVIL}\n".replace("\u2028", "").replace("\u2029", ""),
        seed=1,
        population=6,
        provenance=told,
    ) as writer:
        for n in range(24):
            genome = stamp(decode(choices[n % len(choices)][0]), max(0, n - 6))
            birth = "found" if n < 6 else "breed"
            parents = () if n < 6 else (n - 6,) if n % 4 else (n - 6, n - 5)
            job = Job(
                decision=n,
                individual=n,
                rung=0,
                genome=choices[n % len(choices)][0],
                ids=ids_of(genome),
                steps=150,
                seed=n,
                key=f"k{n}",
            )
            writer.issued(job, kind=birth, parents=parents, operator=EVIL if n == 8 else "taps" if n % 2 else "mixing")
            if n in (7, 9, 11):
                outcomes = {
                    7: Diverged(decision=n, step=5, reason=EVIL),
                    9: Rejected(decision=n, reason=EVIL),
                    11: Lost(decision=n, reason=EVIL, cause=EVIL, attempts=2),
                }
                writer.recorded(outcomes[n])
            elif n < 23:
                data = package(decode(choices[n % len(choices)][0]), n)
                writer.recorded(Scored(decision=n, measures=measures(n), package=data, shadow=b"", rounds=rounds))
        for k, n in enumerate((20, 21)):
            job = Job(
                decision=24 + k,
                individual=n,
                rung=-1,
                genome=choices[n % len(choices)][0],
                ids=ids_of(stamp(decode(choices[n % len(choices)][0]), n - 6)),
                steps=500,
                seed=1,
                key=f"f{n}",
            )
            writer.issued(job, kind="finish")
            data = package(decode(choices[n % len(choices)][0]), 100 + n)
            told_measures = measures(n + 3, choice=0.1 + 0.01 * k)
            writer.recorded(Scored(decision=24 + k, measures=told_measures, package=data, shadow=b"", rounds=rounds))
        writer.attempt(11, 1, EVIL, EVIL)
        writer.event("note", EVIL, 3)
        writer.set_state("stopped")
    db = sqlite3.connect(path / "run.db")
    db.execute("UPDATE individual SET genome = x'FFFFFFFF' WHERE id = 12")
    db.commit()
    db.close()
    assert INPUT == (1, 8, 8)
    return path
