"""What can be asked of a run, by anyone and at any time: a live run, a dead one, a copy, a read-only folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from evonet.errors import StoreError
from evonet.job import Measures
from evonet.store.lock import is_held
from evonet.store.opened import PAGE, Opened
from evonet.store.rows import (
    BARE,
    KIND_OF,
    MEASURES,
    Ancestor,
    Attempt,
    Counts,
    Decision,
    Event,
    Individual,
    State,
    bare_decision,
    decision_of,
)
from evonet.store.schema import VERSION, advice, find_database, reading, version_of

SMALL_PAGE = 64  # what is taken in at once and let go again stays in the processor's cache
_LIGHT = "SELECT d.*, x'' AS package, x'' AS shadow FROM decision d "
_BARE = f"SELECT {', '.join(BARE)} FROM decision WHERE decision > ? ORDER BY decision LIMIT ?"  # noqa: S608 - our own
_HEAVY = (
    "SELECT d.*, ifnull(w.package, x'') AS package, ifnull(w.shadow, x'') AS shadow "
    "FROM decision d LEFT JOIN weights w ON w.decision = d.decision "
)


def open_run(path: Path | str) -> Run:
    """Open a run folder, or its `run.db`, for reading.

    A run of a newer evonet is opened if it has what is read here. Raises StoreError if it is no run, or damaged.
    """
    return Run(find_database(path))


class Run(Opened):
    """A run as it is now; a context manager. A live run may grow between two questions.

    `config` is the configuration in force, `first_config` the one that decision 0 was taken by.
    """

    def __init__(self, database: Path) -> None:
        """Not for callers: use `open_run`."""
        super().__init__(database)
        try:
            row = self._rows("SELECT * FROM run")
            if not row:
                raise StoreError(f"{database}: damaged, table run is empty. {advice(database)}")
            with reading(database):
                self.version = version_of(self._db)
                self.newer = self.version > VERSION
                self.first_config: str = row[0]["config"]
                self.config = self._newest_config() or self.first_config
                self.config_digest: str = row[0]["config_digest"]
                self.seed: int = row[0]["seed"]
                self.population: int = row[0]["population"]
                self.created: str = row[0]["created"]
                self.provenance: dict[str, object] = msgspec.json.decode(row[0]["provenance"], type=dict[str, object])
        except BaseException:
            self.close()
            raise

    @property
    def state(self) -> State:
        """What its driver last said; 'running' without `live` is a driver that was killed."""
        state: State = self._rows("SELECT state FROM run")[0]["state"]
        return state

    @property
    def live(self) -> bool:
        """Is a driver at work on it now?"""
        return is_held(self.path)

    def counts(self) -> Counts:
        rows = self._rows("SELECT outcome, count(*) AS n FROM evaluation GROUP BY outcome")
        found = {row["outcome"]: row["n"] for row in rows}
        recorded: dict[str, int] = {kind: found.get(kind, 0) for kind in KIND_OF.values()}
        return Counts(sum(found.values()), recorded, self._individuals())

    def decisions(self, *, weights: bool = False) -> Iterator[Decision]:
        """All decisions in their order. Without `weights`, packages and shadows are b""."""
        return self._decisions("d.decision > ? ORDER BY d.decision LIMIT ?", _HEAVY if weights else _LIGHT)

    def past(self) -> Iterator[Decision]:
        """As `decisions`, without rounds, wall times and who took over whose outcome: what a search is brought back
        with. Read twice as fast.
        """
        last, cursor = -1, self._db.cursor()
        cursor.row_factory = None  # plain tuples
        while True:
            with reading(self._database):
                page = [bare_decision(row) for row in cursor.execute(_BARE, (last, SMALL_PAGE))]
            if not page:
                return
            yield from page
            last = self._further(last, page[-1].decision)

    def failures(self) -> Iterator[Decision]:
        """Decisions that ended Diverged, Rejected or Lost, in order."""
        where = "d.outcome IN ('diverged', 'rejected', 'lost') AND d.decision > ? ORDER BY d.decision LIMIT ?"
        return self._decisions(where, _LIGHT)

    def individual(self, id: int) -> Individual:
        """Raises StoreError, naming the numbers there are, if there is none with this one."""
        self._check_individual(id)
        return self._in_range(id, id)[0]

    def individuals(self, generation: int | None = None) -> Iterator[Individual]:
        """All individuals in order, or those of one generation; a generation that was not reached is empty."""
        first, end = 0, self._individuals()
        if generation is not None:
            first, end = generation * self.population, min(end, (generation + 1) * self.population)
        for page in range(max(first, 0), end, PAGE):
            yield from self._in_range(page, min(page + PAGE, end) - 1)

    def latest(self, individual: int) -> Measures | None:
        """Measures of the individual's last Scored evaluation, in order of decision."""
        self._check_individual(individual)
        sql = "SELECT * FROM evaluation WHERE individual = ? AND outcome = 'scored' ORDER BY decision DESC LIMIT 1"
        rows = self._rows(sql, individual)
        return Measures(**{name: rows[0][name] for name in MEASURES}) if rows else None

    def package(self, individual: int) -> bytes | None:
        """The `.evo` bytes of the individual's last Scored evaluation, in order of decision."""
        self._check_individual(individual)
        rows = self._rows(
            "SELECT package FROM evaluation JOIN weights USING (decision) WHERE individual = ? "
            "ORDER BY decision DESC LIMIT 1",
            individual,
        )
        return rows[0]["package"] if rows else None

    def lineage(self, id: int) -> list[Ancestor]:
        """The individual and all its ancestors, each once, nearest first; `depth` counts births on the shortest way."""
        self._check_individual(id)
        found = {row["id"]: row for row in self._rows(_LINEAGE, id)}
        with reading(self._database):
            parents = {one: msgspec.json.decode(row["parents"], type=tuple[int, ...]) for one, row in found.items()}
        depth = {id: 0}
        queue = [id]
        with reading(self._database):
            for one in queue:  # grows while it is read: breadth first, so the first depth is the least
                for parent in parents[one]:
                    if parent not in depth:
                        depth[parent] = depth[one] + 1
                        queue.append(parent)
            return [Ancestor(one, parents[one], found[one]["operator"], depth[one]) for one in queue]

    def events(self) -> Iterator[Event]:
        """In order of writing."""
        last = -1
        while page := self._rows("SELECT * FROM event WHERE id > ? ORDER BY id LIMIT ?", last, PAGE):
            for row in page:
                with reading(self._database):
                    data: object = None if row["data"] is None else msgspec.json.decode(row["data"])
                yield Event(row["id"], row["at"], row["kind"], row["text"], row["decision"], data)
            last = self._further(last, page[-1]["id"])

    def attempts(self) -> list[Attempt]:
        """Tries that ended without an answer, in order of decision and try."""
        sql = "SELECT decision, attempt, worker, reason, at FROM attempt ORDER BY decision, attempt, rowid"
        return [Attempt(*row) for row in self._rows(sql)]

    def history_of(self, individual: int) -> list[Decision]:
        """All decisions on one individual in order, with packages and shadows."""
        self._check_individual(individual)
        rows = self._rows(f"{_HEAVY} WHERE d.individual = ? ORDER BY d.decision", individual)
        with reading(self._database):
            return [decision_of(row) for row in rows]

    def first_newest(self, order: str) -> int | None:
        """The individual whose newest scored evaluation comes first in `order`, the text of an ORDER BY over columns
        of table evaluation; from settings, never from data.
        """
        page = 0
        sql = f"SELECT individual, decision FROM evaluation WHERE outcome = 'scored' ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
        newest = "SELECT max(decision) AS n FROM evaluation WHERE individual = ? AND outcome = 'scored'"
        while rows := self._rows(sql, PAGE, page):
            for individual, decision in map(tuple, rows):
                if self._rows(newest, individual)[0]["n"] == decision:
                    found: int = individual
                    return found
            page += PAGE
        return None

    def promoted(self) -> Iterator[tuple[int, int, Measures]]:
        """Individual, rung and measures of all scored evaluations, finishing aside, of those scored above rung 0."""
        columns = ", ".join(MEASURES)
        sql = (
            f"SELECT individual, rung, {columns} FROM evaluation WHERE outcome = 'scored' AND rung >= 0 AND individual "  # noqa: S608
            "IN (SELECT individual FROM evaluation WHERE kind = 'promote' AND outcome = 'scored') ORDER BY decision"
        )
        for individual, rung, *values in map(tuple, self._rows(sql)):
            yield individual, rung, Measures(**dict(zip(MEASURES, values, strict=True)))

    @property
    def epoch(self) -> int:
        """The number of the newest driver."""
        epoch: int = self._rows("SELECT epoch FROM run")[0]["epoch"]
        return epoch

    def births(self, first: int, count: int) -> list[int]:
        """The decisions that gave birth to individuals `first`, `first` + 1, ..., as far as they are born."""
        sql = "SELECT decision FROM individual WHERE id >= ? ORDER BY id LIMIT ?"
        return [row["decision"] for row in self._rows(sql, first, count)]

    def first_open(self, before: int) -> int | None:
        """The first decision below `before` without an outcome."""
        sql = "SELECT min(decision) AS n FROM evaluation WHERE outcome IS NULL AND decision < ?"
        found: int | None = self._rows(sql, before)[0]["n"]
        return found

    def first_finish(self) -> int | None:
        """The first decision that finishes an individual."""
        sql = "SELECT min(decision) AS n FROM evaluation WHERE kind = 'finish'"
        found: int | None = self._rows(sql)[0]["n"]
        return found

    def _newest_config(self) -> str | None:
        sql = (
            "SELECT json_extract(data, '$.change.config') AS text FROM event WHERE kind = 'configure' ORDER BY id DESC"
        )
        return next((row["text"] for row in self._rows(sql + " LIMIT 1")), None)

    def _decisions(self, where: str, select: str) -> Iterator[Decision]:
        last = -1
        while page := self._rows(f"{select} WHERE {where}", last, PAGE):
            for row in page:
                with reading(self._database):
                    decision = decision_of(row)
                yield decision
            last = self._further(last, page[-1]["decision"])

    def _individuals(self) -> int:
        count: int = self._rows("SELECT coalesce(max(id), -1) + 1 AS n FROM individual")[0]["n"]
        return count

    def _check_individual(self, id: int) -> None:
        count = self._individuals()
        if not 0 <= id < count:
            there = f"there are 0..{count - 1}" if count else "there is none yet"
            raise StoreError(f"{self.path}: no individual {id}; {there}")

    def _in_range(self, first: int, last: int) -> list[Individual]:
        where = "WHERE d.individual BETWEEN ? AND ? ORDER BY d.individual, d.decision"
        evaluations: defaultdict[int, list[Decision]] = defaultdict(list)
        for row in self._rows(_LIGHT + where, first, last):
            with reading(self._database):
                evaluations[row["individual"]].append(decision_of(row))
        return [self._individual_of(tuple(history)) for history in evaluations.values()]

    def _individual_of(self, evaluations: tuple[Decision, ...]) -> Individual:
        birth = evaluations[0]
        return Individual(
            id=birth.individual,
            decision=birth.decision,
            generation=birth.individual // self.population,
            kind=birth.kind,
            operator=birth.operator,
            genome=birth.genome,
            ids=birth.ids,
            parents=birth.parents,
            evaluations=evaluations,
        )


_LINEAGE = """
WITH RECURSIVE line (id) AS (
  SELECT id FROM individual WHERE id = ?
  UNION
  SELECT parent.parent FROM line
    JOIN individual ON individual.id = line.id
    JOIN parent ON parent.decision = individual.decision
)
SELECT line.id, decision.operator, decision.parents FROM line
  JOIN individual ON individual.id = line.id
  JOIN decision ON decision.decision = individual.decision
"""
