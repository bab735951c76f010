"""What people ask of a search at work: the driver looks at it between decisions, and every request ends as an event.

An intervention is written down with the number of the next decision before that one is taken, so a run that is killed
right after does the same on resume. The loop alone decides when a request is looked at; `Search` when it takes effect.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from evonet.evolution.interventions import (
    Cull,
    Inject,
    Intervention,
    Note,
    Pause,
    Refused,
    Request,
    Written,
    describe,
    listed,
)
from evonet.job import Record

if TYPE_CHECKING:
    from evonet.evolution.search import Search


class Inbox(Protocol):
    """Where requests lie (`evonet.inbox`)."""

    def pending(self) -> Iterable[tuple[str, Request | Refused]]:
        """Names and requests, in order, none that was taken before."""
        ...

    def done(self, name: str) -> None:
        """It is an event now."""
        ...

    def refuse(self, name: str) -> None:
        """Put it aside for people to look at."""
        ...


class NoInbox:
    def pending(self) -> Iterable[tuple[str, Request | Refused]]:
        return ()

    def done(self, name: str) -> None: ...

    def refuse(self, name: str) -> None: ...


NO_INBOX = NoInbox()


class Events(Protocol):
    def event(self, kind: str, text: str, decision: int | None = None, data: object = None) -> None: ...


class Desk:
    """Takes requests, and knows whether issuing is paused.

    `pauses`: births at which to pause, asked for before this driver.
    """

    def __init__(self, search: Search, events: Events, inbox: Inbox, pauses: Iterable[int] = ()) -> None:
        self._search, self._events, self._inbox = search, events, inbox
        self._pauses = set(pauses)
        self._now = False

    @property
    def paused(self) -> bool:
        return self._now or self._search.births in self._pauses

    def take(self) -> None:
        """Look at all requests that are there."""
        for name, request in self._inbox.pending():
            problem = request.reason if isinstance(request, Refused) else self._problem(request)
            if problem or isinstance(request, Refused):
                self._events.event("refused", f"{name}: {problem}", self._search.next, {"request": name})
                self._inbox.refuse(name)
            else:
                self._answer(name, request)
                self._inbox.done(name)

    def _answer(self, name: str, request: Request) -> None:
        match request:
            case Inject() | Cull():
                self._intervene(name, request)
            case Pause(generation=None):
                self._event("pause", "now", name, request)
                self._now = True
            case Pause(generation=int(generation)):
                self._event("pause", f"when generation {generation} begins", name, request)
                self._pauses.add(generation * self._search.settings.population)
            case Note():
                self._event("note", f"#{request.individual}: {request.text}", name, request)

    def _intervene(self, name: str, change: Intervention) -> None:
        """Durable first: what the search was told is always in the record."""
        data = Written(change=change, request=name)
        kind = "inject" if isinstance(change, Inject) else "cull"
        self._events.event(kind, describe(change), self._search.next, data)
        self._search.intervene(change)

    def _event(self, kind: str, text: str, name: str, request: Record) -> None:
        data: dict[str, Any] = {"request": name, "change": request}
        self._events.event(kind, text, self._search.next, data)

    def _problem(self, request: Request) -> str:
        """Why it cannot be done, "" if it can."""
        births, population = self._search.births, self._search.settings.population
        match request:
            case Inject() | Cull() if over := self._search.stopped():
                return f"the search is over: {over}; `evonet fork` goes on from an earlier generation"
            case Cull(individuals=individuals) if unknown := [i for i in individuals if not 0 <= i < births]:
                return f"no individual {listed(unknown)}; there are {births} so far"
            case Note(individual=individual) if not 0 <= individual < births:
                return f"no individual #{individual}; there are {births} so far"
            case Pause(generation=int(generation)) if generation * population <= births:
                return f"generation {generation} has begun already"
        return ""
