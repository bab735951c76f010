"""Stepping in from the page: what its buttons send. Only `evonet ui --allow-actions` has a way here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

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
