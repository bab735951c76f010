"""Files that are there whole or not at all (DESIGN invariant 7)."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Make `data` the content of `path` in one step that survives a power cut.

    Raises:
        OSError: it cannot be written; what was at `path` is then still there.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")  # same folder, so that the rename is atomic
    try:
        draft.write_bytes(data)
        sync(draft)
        draft.replace(path)
        sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
