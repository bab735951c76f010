"""Whether this machine has what evonet needs, and whether a run is whole: a line per check, each with what to do."""

import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from evonet.errors import EvonetError
from evonet.provenance import machine, package_versions
from evonet.store.lock import is_held
from evonet.store.repair import examine as examine_store
from evonet.store.schema import VERSION, find_database
from evonet.training.data import load_data


class Check(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    ok: bool
    found: str
    advice: str = ""


def calibrated() -> str:
    """The section [costs] of a run configuration, measured on this machine; about five seconds."""
    from evonet.network.calibrate import calibrate

    table = msgspec.to_builtins(calibrate())
    lines = "".join(f"{name} = {value}\n" for name, value in table.items())
    return f"# evonet doctor --calibrate: {machine()['processor']}, one thread\n[costs]\n{lines}"


def examine() -> list[Check]:
    """All checks, in the order in which their failures matter."""
    return [*_packages(), _machine(), _torch(), _folder(Path.cwd()), _data()]


def examine_run(path: Path) -> list[Check]:
    """What can be read of a run, and what to do about the rest. Raises StoreError if there is no such file."""
    database = find_database(path)
    health = examine_store(database, is_sound)
    folder = database.parent
    advice = f"evonet doctor {folder} --repair NEW keeps the decisions that are whole; they are {health.decisions}"
    if health.version is None:
        lost = "restore the run folder from a copy; nothing can be read here"
        return [Check(name="database", ok=False, found=health.faults[0], advice=lost)]
    known = health.version <= VERSION
    checks = [
        Check(
            name="version",
            ok=known,
            found=f"schema {health.version}, this evonet writes {VERSION}",
            advice="" if known else "go on with it with the evonet that made it, or a newer one; reading works",
        ),
        Check(
            name="integrity",
            ok=not health.faults,
            found="; ".join(health.faults) or "every page is in order",
            advice=advice if health.faults else "",
        ),
    ]
    for table, count in health.tables.items():
        found = "cannot be read" if count is None else f"{count:,} rows can be read"
        checks.append(Check(name=f"table {table}", ok=count is not None, found=found))
    whole = f"{health.decisions:,} of {'?' if health.issued is None else f'{health.issued:,}'} from the first on"
    checks.append(
        Check(
            name="decisions",
            ok=not health.end,
            found=f"{whole}, then: {health.end}" if health.end else f"{whole}, with genomes and weights",
            advice=advice if health.end else "",
        )
    )
    return [*checks, _driver(folder), _waiting(folder)]


def is_sound(package: bytes) -> bool:
    """Whether the checksum of a `.evo` package is right."""
    from evonet.errors import PackageError
    from evonet.package.format import VERSIONS
    from evonet.package.frame import NETWORKS, opened

    try:
        opened(package, NETWORKS, VERSIONS)
    except PackageError:
        return False
    return True


def _driver(folder: Path) -> Check:
    return Check(name="driver", ok=True, found="at work now" if is_held(folder) else "none at work")


def _waiting(folder: Path) -> Check:
    requests = len(list((folder / "inbox").glob("*.json")))
    return Check(name="inbox", ok=True, found=f"{requests} requests wait for the driver")


def _packages() -> Iterator[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    recent = sys.version_info >= (3, 11)
    yield Check(name="python", ok=recent, found=python, advice="" if recent else "evonet needs Python 3.11 or newer")
    for name, version in package_versions().items():
        advice = "" if version else "make run installs it into .venv"
        yield Check(name=name, ok=bool(version), found=version or "missing", advice=advice)


def _machine() -> Check:
    about = machine()
    return Check(
        name="machine", ok=True, found=f"{about['processors']} processors, {about['processor']}, {about['system']}"
    )


def _torch() -> Check:
    """torch computes; a GPU is optional."""
    try:
        import torch
    except (ImportError, OSError) as e:
        return Check(name="torch computes", ok=False, found=str(e), advice="reinstall torch in this environment")
    total = float(torch.nn.functional.conv2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 3, 3)).sum())
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Check(name="torch computes", ok=total == 324.0, found=f"{gpus} GPUs, {torch.get_num_threads()} threads")


def _folder(folder: Path) -> Check:
    """SQLite can write here in WAL mode, which some network file systems cannot."""
    try:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            db = sqlite3.connect(os.path.join(scratch, "x.db"))
            mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            db.execute("CREATE TABLE t (x)")
            db.close()
    except (OSError, sqlite3.Error) as e:
        return Check(name="folder", ok=False, found=f"{folder}: {e}", advice="start runs in a folder on a local disk")
    advice = "" if mode == "wal" else "start runs in a folder on a local disk"
    return Check(name="folder", ok=mode == "wal", found=f"{folder}: runs can be written", advice=advice)


def _data() -> Check:
    """The packaged digits are there; MNIST is optional."""
    try:
        found = f"digits, {len(load_data('digits').labels):,} images"
    except EvonetError as e:
        return Check(name="data", ok=False, found=str(e), advice="reinstall evonet")
    try:
        load_data("mnist")
    except EvonetError:
        return Check(name="data", ok=True, found=found + "; mnist is not in EVONET_DATA")
    return Check(name="data", ok=True, found=found + "; mnist in EVONET_DATA")
