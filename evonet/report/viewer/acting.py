"""Stepping in from the page: requests as the inbox takes them. Only `evonet ui --allow-actions` has a way here."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from evonet.files import write_whole
from evonet.report.viewer.answers import QueryError

_Id = Annotated[int, Meta(ge=0, lt=2**31)]


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class Cull(_Request, frozen=True, kw_only=True, tag="cull"):
    individuals: Annotated[tuple[_Id, ...], Meta(min_length=1, max_length=64)]


class Inject(_Request, frozen=True, kw_only=True, tag="inject"):
    individual: _Id


class Pause(_Request, frozen=True, kw_only=True, tag="pause"):
    generation: _Id


class Note(_Request, frozen=True, kw_only=True, tag="note"):
    individual: _Id
    text: Annotated[str, Meta(min_length=1, max_length=500)]


Request = Cull | Inject | Pause | Note
_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
#: Hands a request to a run and says in words what was done; an EvonetError where the run cannot take it.
Requests = Callable[[Path, Request], str]


def decode(body: bytes) -> Request:
    """Raises QueryError for anything but one of the four requests."""
    try:
        return _requests.decode(body)
    except msgspec.MsgspecError as error:
        raise QueryError(f"request: {error}") from error


def to_inbox(folder: Path, request: Request) -> str:
    """A file in RUN/inbox, there whole or not at all; the driver takes them in the order of their names."""
    inbox = folder / "inbox"
    inbox.mkdir(exist_ok=True)
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
    write_whole(inbox / name, msgspec.json.encode(request))
    return f"{msgspec.to_builtins(request)['kind']} is in the inbox; the driver takes it up at its next decision"
