"""Files that are there whole or not at all (DESIGN invariant 7)."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path` in one step that survives a power cut; not if the block raises.

    Raises:
        OSError: it cannot be written; it names `path`, and what was there is still there.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")  # same folder, so that the rename is atomic
    try:
        with draft.open("wb") as file:
            yield file
        sync(draft)
        draft.replace(path)
        sync(path.parent)
    except OSError as error:
        if error.filename == str(draft):
            error.filename, error.filename2 = str(path), None  # the draft is nothing that anybody asked for
        raise
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`, as `whole` does."""
    with whole(path) as file:
        file.write(data)


def sync(path: Path) -> None:
    """Wait until the file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
