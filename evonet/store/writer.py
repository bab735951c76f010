"""The driver's side of a run folder: every call is one durable transaction, refused if another driver took over.

Order of durability: a decision is written before its job leaves (`issued`), its outcome before the search hears
of it (`recorded`). So a kill at any moment loses only work in flight, and that is issued again on resume.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from evonet.errors import DiskFull, RunLocked, StoreError
from evonet.job import Job, Measures, Outcome, Scored, Start
from evonet.store.ballast import is_full, release, reserve
from evonet.store.folder import Fill, check_whole, create_folder
from evonet.store.lock import RunLock
from evonet.store.rows import (
    BIRTHS,
    KIND_OF,
    MEASURES,
    DecisionKind,
    State,
    columns_of,
    decision_of,
    outcome_of,
    same,
    to_json,
)
from evonet.store.schema import DATABASE, add_later, connect, find_database, reading

_MEASURED = f"SELECT decision, individual, rung, {', '.join(MEASURES)} FROM evaluation"  # noqa: S608 - our own names
_WITHOUT = "SELECT d.*, x'' AS package, x'' AS shadow FROM decision d "
_WITH_WEIGHTS = "SELECT d.*, w.package, w.shadow FROM decision d LEFT JOIN weights w ON w.decision = d.decision "


class RunWriter:
    """The one writer of a run, from `create` or `open` until `close`. Not for several threads."""

    def __init__(self, folder: Path, lock: RunLock) -> None:
        """Not for callers: use `create` or `open`."""
        self.path = folder
        self._database = folder / DATABASE
        self._lock = lock
        self._commit_seconds = 0.0
        with self._writing():
            self._db = connect(self._database, "mode=rw")
            try:
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA foreign_keys = ON")
                add_later(self._db)
                self._epoch = self._db.execute("UPDATE run SET epoch = epoch + 1 RETURNING epoch").fetchall()[0][0]
            except BaseException:
                self._db.close()
                raise

    @classmethod
    def create(
        cls,
        path: Path | str,
        *,
        config: str,
        seed: int,
        population: int,
        provenance: dict[str, object],
        fill: Fill = lambda _: None,
    ) -> RunWriter:
        """A new run; the folder appears complete or not at all. Raises RunExists if there is something at `path`.

        An empty folder is nothing: it is taken. `fill` puts a history in (`evonet.store.copying`).
        """
        path = Path(path)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        digest = hashlib.sha256(config.encode()).hexdigest()
        row = (1, config, digest, to_json(provenance), seed, population, "running", 0, created)
        try:
            lock = create_folder(path, row, fill)
        except (OSError, OverflowError, sqlite3.Error) as error:
            kind = DiskFull if is_full(error, path.parent) else StoreError
            raise kind(f"{path}: cannot create the run: {error}; choose another --run") from error
        return cls._locked(path, lock)

    @classmethod
    def open(cls, path: Path | str) -> RunWriter:
        """Take over a run that nobody drives. Raises RunLocked, or StoreError if it is no run, damaged or newer."""
        database = find_database(path)
        return cls._locked(database.parent, RunLock(database.parent))

    @classmethod
    def _locked(cls, folder: Path, lock: RunLock) -> RunWriter:
        try:
            reserve(folder)
            check_whole(folder / DATABASE)
            return cls(folder, lock)
        except BaseException:
            lock.release()
            raise

    @property
    def epoch(self) -> int:
        """The number of this driver among those of the run, from 1."""
        epoch: int = self._epoch
        return epoch

    @property
    def commit_seconds(self) -> float:
        """Time spent inside COMMIT so far: nearly all of it is the disk's."""
        return self._commit_seconds

    def issued(self, job: Job, *, kind: DecisionKind, parents: tuple[int, ...] = (), operator: str = "") -> None:
        """Write a decision before its job leaves; `kind` found, seed and breed give birth to `job.individual`.

        Issuing the same decision again, as a resumed driver does, changes nothing. Raises StoreError if it differs
        from what was issued, or if a birth leaves a gap in the numbers of individuals.
        """
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM evaluation WHERE decision = ?", (job.decision,)).fetchone() is None:
                if kind in BIRTHS:
                    self._give_birth(job)
                db.execute(
                    "INSERT INTO evaluation "
                    "(decision, individual, kind, operator, rung, steps, seen_before, seed, key) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (job.decision, job.individual, kind, operator, job.rung, job.steps, job.seen, job.seed, job.key),
                )
                places = [(job.decision, place, parent) for place, parent in enumerate(parents)]
                db.executemany("INSERT INTO parent VALUES (?, ?, ?)", places)
            self._check_issued(job, {"kind": kind, "parents": parents, "operator": operator})

    def recorded(self, outcome: Outcome, *, cached_from: int | None = None) -> None:
        """Write an outcome, once. The same outcome again changes nothing; raises StoreError for another one."""
        values = {"outcome": KIND_OF[type(outcome)], "cached_from": cached_from, **columns_of(outcome)}
        with self._transaction() as db:
            row = self._decision(outcome.decision)
            if row is None:
                raise StoreError(f"{self._database}: decision {outcome.decision} was never issued: no outcome for it")
            if (known := outcome_of(row)) is not None:
                if not same(known, outcome):
                    raise StoreError(
                        f"{self._database}: decision {outcome.decision} is recorded as {row['outcome']}, "
                        f"came another outcome ({values['outcome']}); an outcome is recorded once"
                    )
                return
            columns = ", ".join(f"{name} = ?" for name in values)  # names from our own records, never from data
            update = f"UPDATE evaluation SET {columns} WHERE decision = ?"  # noqa: S608 - see above
            db.execute(update, (*values.values(), outcome.decision))
            if isinstance(outcome, Scored):
                db.execute("INSERT INTO weights VALUES (?, ?, ?)", (outcome.decision, outcome.package, outcome.shadow))

    def attempt(self, decision: int, attempt: int, worker: str, reason: str) -> None:
        """Write down a try that ended without an answer."""
        with self._transaction() as db:
            db.execute("INSERT INTO attempt VALUES (?, ?, ?, ?, ?)", (decision, attempt, worker, reason, _now()))

    def event(self, kind: str, text: str, decision: int | None = None, data: object = None) -> None:
        """Write down something that people should know; `data` is anything msgspec can write as JSON."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO event (at, kind, text, decision, data) VALUES (?, ?, ?, ?, ?)",
                (_now(), kind, text, decision, None if data is None else to_json(data)),
            )

    def set_state(self, state: State) -> None:
        with self._transaction() as db:
            db.execute("UPDATE run SET state = ?", (state,))

    def find(self, key: str) -> Outcome | None:
        """The outcome of the first evaluation with this key; never a Lost one, which says nothing of its job."""
        with reading(self._database):
            row = self._db.execute(
                _WITH_WEIGHTS + "WHERE d.key = ? AND d.outcome IN ('scored', 'diverged', 'rejected') "
                "ORDER BY d.decision LIMIT 1",
                (key,),
            ).fetchone()
            return None if row is None else outcome_of(row)

    def start_of(self, individual: int, *, before: int) -> Start | None:
        """The weights of the individual's last Scored evaluation among decisions < `before`; None if there is none.

        Without that bound the answer would depend on what has arrived by now.
        """
        with reading(self._database):
            row = self._db.execute(
                _WITH_WEIGHTS + "WHERE d.individual = ? AND d.outcome = 'scored' AND d.decision < ? "
                "ORDER BY d.decision DESC LIMIT 1",
                (individual, before),
            ).fetchone()
            if row is None:
                return None
            ids = decision_of(row).ids
        return Start(genome=row["genome"], ids=ids, package=row["package"], shadow=row["shadow"])

    def measured(self) -> Iterator[tuple[int, int, int, Measures]]:
        """Decision, individual, rung and measures of all Scored evaluations, in order."""
        with reading(self._database):
            found = self._db.execute(f"{_MEASURED} WHERE outcome = 'scored' ORDER BY decision")
            for decision, individual, rung, *values in found:
                yield decision, individual, rung, Measures(**dict(zip(MEASURES, values, strict=True)))

    def give_up(self, reason: str) -> None:
        """The disk is full: let the ballast go, and with its room say so in the record, if that helps."""
        release(self.path)
        with contextlib.suppress(StoreError):
            self.set_state("stopped")
            self.event("disk full", reason)

    def close(self) -> None:
        self._db.close()
        release(self.path)  # kept back while a driver is at work
        self._lock.release()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _decision(self, decision: int) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(_WITH_WEIGHTS + "WHERE d.decision = ?", (decision,)).fetchone()
        return row

    def _give_birth(self, job: Job) -> None:
        following = self._db.execute("SELECT coalesce(max(id), -1) + 1 FROM individual").fetchone()[0]
        if job.individual != following:
            raise StoreError(
                f"{self._database}: decision {job.decision}: birth of individual {job.individual}, "
                f"expected {following}; individuals number densely"
            )
        row = (job.individual, job.decision, job.genome, to_json(job.ids))
        self._db.execute("INSERT INTO individual VALUES (?, ?, ?, ?)", row)

    def _check_issued(self, job: Job, named: dict[str, object]) -> None:
        # Read back what stands: catches a resumed search that decides differently, and a promotion of another genome.
        row = self._db.execute(_WITHOUT + "WHERE d.decision = ?", (job.decision,)).fetchone()
        stands = decision_of(row)
        fields = ("individual", "rung", "steps", "seen", "seed", "key", "genome", "ids")
        wanted = {**named, **{name: getattr(job, name) for name in fields}}
        for name, value in wanted.items():
            if (known := getattr(stands, name)) != value:
                raise StoreError(
                    f"{self._database}: decision {job.decision}: {name} = {value!r}, recorded {known!r}; "
                    "equal outcomes must give equal decisions: resume with the evonet that made the run"
                )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._check_epoch()
                yield self._db
                started = time.perf_counter()
                self._db.execute("COMMIT")
                self._commit_seconds += time.perf_counter() - started
            except BaseException:
                if self._db.in_transaction:  # a full disk may have rolled it back already
                    self._db.execute("ROLLBACK")
                raise

    def _check_epoch(self) -> None:
        # The lock file may have been deleted, or the folder be on a file system without locks.
        epoch = self._db.execute("SELECT epoch FROM run").fetchone()[0]
        if epoch != self._epoch:
            raise RunLocked(
                f"{self.path}: this driver has epoch {self._epoch}, the run has {epoch}: another has taken over; "
                "nothing was written, end this driver"
            )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError) as error:
            kind = DiskFull if is_full(error, self.path) else StoreError
            raise kind(
                f"{self._database}: cannot be written: {error}. All that was recorded is safe: "
                f"make room or repair, then `evonet resume {self.path}` goes on"
            ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
