"""The tables of `run.db`, and how a database file is opened, checked and refused.

Weights lie in a table of their own, so that a scan over 100,000 evaluations touches no package. A birth is a
decision too: `individual.decision` names it, and its kind, operator and parents are kept there, once.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from evonet.errors import StoreError

DATABASE = "run.db"
APPLICATION_ID = 0x45564F4E  # "EVON"
VERSION = 1

_DECISION = """decision AS
  SELECT evaluation.*, individual.genome, individual.ids,
    (SELECT json_group_array(parent) FROM
      (SELECT parent FROM parent WHERE parent.decision = evaluation.decision ORDER BY position)) AS parents
  FROM evaluation JOIN individual ON individual.id = evaluation.individual;
"""

SCHEMA = f"""
CREATE TABLE run (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  config TEXT NOT NULL,            -- TOML, fully resolved
  config_digest TEXT NOT NULL,     -- SHA-256 of that text
  provenance TEXT NOT NULL,        -- JSON: versions, commit, hardware, command
  seed INTEGER NOT NULL,
  population INTEGER NOT NULL CHECK (population > 0),
  state TEXT NOT NULL CHECK (state IN ('running', 'stopped', 'finished', 'failed')),
  epoch INTEGER NOT NULL,          -- fencing token: only the driver that set it may write
  created TEXT NOT NULL            -- UTC, for people only
) STRICT;

CREATE TABLE individual (
  id INTEGER PRIMARY KEY CHECK (id >= 0),
  decision INTEGER NOT NULL UNIQUE, -- its birth
  genome BLOB NOT NULL,            -- canonical code
  ids TEXT NOT NULL                -- JSON: gene ids [[birth individual, ordinal], ...]
) STRICT;

CREATE TABLE evaluation (
  decision INTEGER PRIMARY KEY CHECK (decision >= 0),
  individual INTEGER NOT NULL REFERENCES individual,
  kind TEXT NOT NULL CHECK (kind IN ('found', 'seed', 'breed', 'promote', 'finish')),
  operator TEXT NOT NULL,
  rung INTEGER NOT NULL,           -- -1: finishing
  steps INTEGER NOT NULL,
  seen_before INTEGER NOT NULL,    -- training examples along the lineage before this evaluation
  seed INTEGER NOT NULL,
  key TEXT NOT NULL,               -- hash of all the outcome depends on
  outcome TEXT CHECK (outcome IN ('scored', 'diverged', 'rejected', 'lost')), -- NULL: in flight
  cached_from INTEGER REFERENCES evaluation,
  seconds REAL,                    -- in the worker
  step INTEGER,                    -- diverged: where
  reason TEXT,                     -- diverged, rejected, lost
  cause TEXT,                      -- lost
  attempts INTEGER,                -- lost
  bytes INTEGER, loss REAL, accuracy REAL, choice_loss REAL, choice_accuracy REAL,
  weights INTEGER, nonzero INTEGER, macs INTEGER, connections INTEGER, sheets INTEGER, taps INTEGER,
  long_share REAL, seen INTEGER, train_images INTEGER,
  rounds TEXT,                     -- JSON
  corrupted_loss REAL, corrupted_accuracy REAL, milliseconds REAL, single_ms REAL, batched_ms REAL
) STRICT;
CREATE INDEX evaluation_of_individual ON evaluation (individual, decision);
CREATE INDEX evaluation_by_key ON evaluation (key, outcome);
CREATE INDEX evaluation_failed ON evaluation (decision) WHERE outcome IN ('diverged', 'rejected', 'lost');

CREATE TABLE parent (
  decision INTEGER NOT NULL REFERENCES evaluation,
  position INTEGER NOT NULL,
  parent INTEGER NOT NULL REFERENCES individual,
  PRIMARY KEY (decision, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX parent_of ON parent (parent, decision);

CREATE TABLE weights (
  decision INTEGER PRIMARY KEY REFERENCES evaluation,
  package BLOB NOT NULL,
  shadow BLOB NOT NULL
) STRICT;

CREATE TABLE attempt (
  decision INTEGER NOT NULL REFERENCES evaluation,
  attempt INTEGER NOT NULL,
  worker TEXT NOT NULL,
  reason TEXT NOT NULL,
  at TEXT NOT NULL
) STRICT;
CREATE INDEX attempt_of ON attempt (decision);

CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  decision INTEGER,                -- where it takes effect
  data TEXT                        -- JSON
) STRICT;

CREATE VIEW {_DECISION}"""

#: Columns of `evaluation` that came after the first files of this version, all REAL: NULL where nothing was asked for,
#: so a file without them says the same. `show_later` reads such a file, `add_later` lets it be written.
LATER = ("corrupted_loss", "corrupted_accuracy", "milliseconds", "single_ms", "batched_ms")

TABLES = {"run", "individual", "evaluation", "parent", "weights", "attempt", "event", "decision"}


def find_database(path: Path | str) -> Path:
    """The `run.db` of a run folder, or `path` itself if it is a file. Raises StoreError if there is none."""
    path = Path(path)
    database = path / DATABASE if path.is_dir() else path
    if not database.is_file():
        came = f"a folder without {DATABASE}" if path.is_dir() else "nothing there"
        raise StoreError(f"{path}: expected the folder of a run, came {came}; `evonet ls` lists the runs")
    return database


def connect(database: Path, options: str) -> sqlite3.Connection:
    """Open an existing file with URI `options`; transactions are begun and ended explicitly."""
    uri = f"{database.absolute().as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


@contextmanager
def reading(database: Path) -> Iterator[None]:
    """Translates what SQLite and the JSON decoder say of an unreadable file, once, into StoreError."""
    try:
        yield
    except (sqlite3.Error, msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
        raise StoreError(
            f"{database}: expected the database of a run, cannot read it: {error}. "
            f"If it was cut or damaged: {advice(database)}"
        ) from error


def show_later(connection: sqlite3.Connection) -> None:
    """Within this connection, tables have all columns of `SCHEMA`; nothing is written to the file.

    A view of the connection's own hides the table of the same name, which `main.evaluation` still means.
    """
    if lacking := _lacking_later(connection):
        nothing = ", ".join(f"NULL AS {name}" for name in lacking)
        connection.execute("PRAGMA temp_store = MEMORY")  # the disk may be full
        connection.execute(f"CREATE TEMP VIEW evaluation AS SELECT *, {nothing} FROM main.evaluation")  # noqa: S608
        connection.execute(f"CREATE TEMP VIEW {_DECISION}")


def add_later(connection: sqlite3.Connection) -> None:
    """Give the file the columns of `SCHEMA` that it lacks; that takes no time, whatever its size."""
    for name in _lacking_later(connection):
        connection.execute(f"ALTER TABLE main.evaluation ADD COLUMN {name} REAL")


def _lacking_later(connection: sqlite3.Connection) -> list[str]:
    have = {row[1] for row in connection.execute("PRAGMA main.table_info(evaluation)")}
    return [name for name in LATER if name not in have]


def advice(database: Path) -> str:
    """What to do about damage."""
    return (
        f"Restore the whole run folder from a copy, or see what is left: `evonet doctor {database.parent}`, "
        "with --repair NEW into a new folder"
    )


def version_of(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def check(connection: sqlite3.Connection, database: Path, *, newer: bool = False) -> None:
    """Raises StoreError unless the file is a run of a version this code writes, with all its tables.

    `newer`: one of a newer version will do, if it has all that is read here.
    """
    with reading(database):
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = version_of(connection)
        page_size = connection.execute("PRAGMA page_size").fetchone()[0]
    if application != APPLICATION_ID:
        raise StoreError(f"{database}: expected the database of a run, came another file; `evonet ls` lists the runs")
    if version != VERSION and not (newer and version > VERSION):
        raise StoreError(
            f"{database}: written with schema version {version}, this evonet writes version {VERSION}; "
            "go on with it with the evonet that made it, or a newer one"
        )
    # SQLite reads a last page that was cut as if zeros followed; with a log, the whole page may still be in there.
    if database.stat().st_size % page_size and not has_log(database):
        raise StoreError(f"{database}: damaged, cut within a page. {advice(database)}")
    with reading(database):
        names = {row["name"] for row in connection.execute("SELECT name FROM sqlite_schema")}
        lacking = sorted(TABLES - names) or sorted(_lacking_columns(connection) if version != VERSION else ())
    if lacking and version == VERSION:
        raise StoreError(f"{database}: damaged, no table {', '.join(lacking)}. {advice(database)}")
    if lacking:
        raise StoreError(
            f"{database}: written with schema version {version}, this evonet reads version {VERSION} and finds no "
            f"{', '.join(lacking)} in it; open it with the evonet that made it, or a newer one"
        )


def _lacking_columns(connection: sqlite3.Connection) -> Iterator[str]:
    """What a database of version 1 has and this one has not."""
    with contextlib.closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(SCHEMA)
        for table in TABLES:
            have, want = ({row[1] for row in db.execute(f"PRAGMA table_info({table})")} for db in (connection, ours))
            yield from (f"{table}.{column}" for column in want - have - set(LATER))


def log_of(database: Path) -> Path:
    """The write-ahead log that a live or killed driver leaves beside the database."""
    return database.with_name(f"{database.name}-wal")


def has_log(database: Path) -> bool:
    log = log_of(database)
    return log.exists() and log.stat().st_size > 0
