"""Records and weights in a few files of limited size, for where only such come back."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from jobs import finished
from results import rows

SHARD, SHARDS = 14 * 2**20, 4  # bytes of a file, files of weights
MEASURED = ("sizes", "budgets", "corrupted", "clock", "conversion", "paths", "wiring")
RECORDS = tuple(f"{name}.jsonl" for name in ("models", "failed", *MEASURED))


def pack(out: Path, to: Path) -> list[str]:
    """Records as they are, weights in tar files, those that validation chose first. The names that did not fit."""
    to.mkdir(parents=True, exist_ok=True)
    with tarfile.open(to / "records.tar.gz", "w:gz") as archive:
        for name in RECORDS:
            if (out / name).exists():
                archive.add(out / name, name)
    left, shard, size = _in_order(out), 0, 0
    files: list[list[Path]] = [[]]
    missed: list[str] = []
    for path in left:
        needed = path.stat().st_size + 1024
        if size + needed > SHARD:
            shard, size = shard + 1, 0
            files.append([])
        if shard >= SHARDS or needed > SHARD:
            missed.append(path.stem)
            continue
        files[shard].append(path)
        size += needed
    for number, paths in enumerate(files[:SHARDS]):
        with tarfile.open(to / f"weights-{number}.tar", "w") as archive:
            for path in paths:
                archive.add(path, path.name)
    return missed


def _in_order(out: Path) -> list[Path]:
    records = finished(out)
    best = [record["name"] for row in rows(records.values()) for record in row.records]
    names = dict.fromkeys([*best, *records])
    return [path for name in names if (path := out / "weights" / f"{name}.safetensors").exists()]


def unpack(out: Path, source: Path) -> int:
    """Merge what `pack` made into `out`: records line by line, each once. How many weights came."""
    (out / "weights").mkdir(parents=True, exist_ok=True)
    with tarfile.open(source / "records.tar.gz") as archive:
        for member in archive.getmembers():
            if member.name in RECORDS and (file := archive.extractfile(member)):
                _merge(out / member.name, io.TextIOWrapper(file).read().splitlines())
    count = 0
    for path in sorted(source.glob("weights-*.tar")):
        with tarfile.open(path) as archive:
            members = [m for m in archive.getmembers() if m.isfile() and m.name.endswith(".safetensors")]
            archive.extractall(out / "weights", members=members, filter="data")
            count += len(members)
    return count


def _merge(path: Path, new: list[str]) -> None:
    old = path.read_text().splitlines() if path.exists() else []
    path.write_text("".join(line + "\n" for line in dict.fromkeys([*old, *new])))
