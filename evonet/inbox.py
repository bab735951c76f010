"""RUN/inbox: how requests reach a driver. A request is a file, written whole; one file, one request.

Anybody who may write there may send one, at any time: where no driver is at work, the next one finds it. The driver
takes them in the order of their names, which begin with the time of sending.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from evonet.errors import EvonetError, RequestError
from evonet.evolution.interventions import Inject, Pause, Refused, Request
from evonet.files import write_whole
from evonet.genome.check import check
from evonet.genome.code import decode
from evonet.package import unpack

FOLDER = "inbox"
ASIDE = "refused"  # below it: what could not be done
LARGEST = 2**22  # bytes of a request
FORMAT = 1


class Letter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file holds."""

    format: int = FORMAT
    request: Request
    driver: int | None = None  # meant for this driver of the run alone (its epoch); None: for any


def send(run: Path, request: Request, *, driver: int | None = None) -> str:
    """Put `request` into the inbox of a run; its name. Raises RequestError if it cannot be written."""
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"  # wall time: an order for people, nothing hangs on it
    try:
        (run / FOLDER).mkdir(exist_ok=True)
        write_whole(run / FOLDER / name, msgspec.json.encode(Letter(request=request, driver=driver)))
    except OSError as e:
        raise RequestError(f"{run / FOLDER}: the request cannot be written: {e.strerror or e}") from e
    return name


def has_requests(run: Path) -> bool:
    return any((run / FOLDER).glob("*.json"))


class FolderInbox:
    """The driver's side.

    Args:
        known: names of requests that are events already; a driver was killed before it could take the file away.
        epoch: which driver this is.
        shape: (input, classes) of the run's data, which an injected package must be made for.
    """

    def __init__(
        self, run: Path, *, known: Collection[str], epoch: int, shape: tuple[tuple[int, int, int], int]
    ) -> None:
        self._folder, self._known, self._epoch, self._shape = run / FOLDER, set(known), epoch, shape

    def pending(self) -> Iterator[tuple[str, Request | Refused]]:
        try:
            names = sorted(n for n in os.listdir(self._folder) if n.endswith(".json") and not n.startswith("."))
        except OSError:
            return  # no inbox, no requests
        for name in names:
            if name in self._known:
                self.done(name)
            else:
                yield name, self._read(name)

    def done(self, name: str) -> None:
        self._known.add(name)  # even if the file stays
        with contextlib.suppress(OSError):
            (self._folder / name).unlink()

    def refuse(self, name: str) -> None:
        self._known.add(name)
        with contextlib.suppress(OSError):
            (self._folder / ASIDE).mkdir(exist_ok=True)
            (self._folder / name).rename(self._folder / ASIDE / name)

    def _read(self, name: str) -> Request | Refused:
        try:
            letter = msgspec.json.decode(_content(self._folder / name), type=Letter)
        except (OSError, ValueError) as e:  # msgspec's errors are ValueErrors
            return Refused(f"expected a request as `evonet inject` writes it, {e}")
        if letter.format != FORMAT:
            return Refused(f"written in format {letter.format}, this evonet reads {FORMAT}")
        if letter.driver not in (None, self._epoch):
            return Refused("meant for a driver that has ended since")
        return self._problem(letter.request) or letter.request

    def _problem(self, request: Request) -> Refused | None:
        match request:
            case Inject():
                try:
                    check_injection(request, self._shape)
                except EvonetError as e:
                    return Refused(str(e))
            case Pause(generation=int(generation)) if generation < 0:
                return Refused(f"generation {generation}, expected 0 or more")
        return None


def check_injection(request: Inject, shape: tuple[tuple[int, int, int], int] | None = None) -> None:
    """Raises GenomeError, PackageError or RequestError where genome or weights are not valid or do not fit."""
    genome = decode(request.genome)
    check(genome)
    if not request.package:
        return
    package = unpack(request.package)
    if package.genome != genome:
        raise RequestError("the package holds another genome than the one to inject")
    if shape is not None and (package.input, package.classes) != shape:
        both = ((package.input, package.classes), shape)
        made, wanted = (f"{'x'.join(map(str, s))}, {n} classes" for s, n in both)
        raise RequestError(
            f"the package is for images of {made}, the run's data have {wanted}; inject its genome alone"
        )


def _content(path: Path) -> bytes:
    """Never more than `LARGEST`, and never through a link or from a pipe."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"at most {LARGEST:,} bytes")
    return data
