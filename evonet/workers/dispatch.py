"""Which worker gets which job, and what becomes of a job whose worker dies, hangs or loses its machine.

The rules alone: no processes, no Ray, and time is an argument, so that every order of events can be tested. `pool`
turns what happens to real workers into calls of this class, for plain processes and for Ray alike.

Invariants, whatever happens and in whatever order:
- a job that was submitted has exactly one outcome, at last;
- it is with one worker at a time, and never with one that was given up: what that still answers is not heard;
- every try ends by its deadline, and there are boundedly many tries, those of the same work for another decision
  included, once it has taken several workers down;
- `Lost` tells the story of all of them.
"""

from __future__ import annotations

import enum
import heapq
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field

import msgspec

from evonet.job import Job, Lost, Outcome, decode_outcome, encode
from evonet.workers.base import OnAttempt, OnEvent, WorkersSettings, deadline_of

POISON = 2  # workers, at least, that a lost job took down for the same work not to be tried again
START = 300.0  # seconds for a worker to come up: it may import torch from a slow disk
STORY = 4000  # characters kept of what the tries of a lost job left
DEVICE_ERRORS, DEVICE_WINDOW = 2, 600.0  # so many broken tries within so many seconds, and a device gets no more jobs


class Fault(enum.Enum):
    """Why a try ended without an answer."""

    DIED = "died"  # the process is gone
    MEMORY = "memory"  # and it is known that it asked for too much memory
    HUNG = "hung"  # passed its deadline
    DEVICE = "device"  # the GPU reported an error: the process is spoilt, the answer is not believed
    NODE = "node"  # the machine or the cluster went, and took the job along: not the job's doing


# Tries of one job that may end so; all of them but NODE count together for `WorkersSettings.attempts`.
BOUNDS = {Fault.MEMORY: 3, Fault.HUNG: 2, Fault.NODE: 20}


class State(enum.Enum):
    """A worker's, in the order in which it passes them."""

    STARTING = "starting"  # asked for; where it will run is not known, and there may be no room yet
    SETTING_UP = "setting up"
    IDLE = "idle"
    BUSY = "busy"
    ENDING = "ending"  # given up; its end has not been confirmed
    RETIRED = "retired"  # kept without work, so that nothing new is started on its broken device or machine


@dataclass(frozen=True)
class Try:
    """A try that ended without an answer."""

    worker: str
    node: str
    fault: Fault
    reason: str
    detail: str  # stacks and messages, as far as they are known


@dataclass(kw_only=True)
class Task:
    """A job on its way."""

    decision: int
    key: str  # of the evaluation: the same for the same work, whoever asks
    job: bytes
    limit: float  # seconds of one try
    tries: list[Try] = field(default_factory=list)

    def own_tries(self) -> list[Try]:
        """Those that the job may be to blame for."""
        return [one for one in self.tries if one.fault is not Fault.NODE]


@dataclass(kw_only=True)
class Seat:
    """A worker as the rules see it. Numbers of workers are never used again."""

    worker: int
    since: float  # when its present state, or its job, began
    state: State = State.STARTING
    name: str = ""
    node: str = ""
    device: str = ""  # "" unless it is one that can break
    task: Task | None = None


class Dispatch:
    """Jobs in, assignments and outcomes out; see the module. `done` holds the outcomes until they are taken."""

    def __init__(self, settings: WorkersSettings, *, on_attempt: OnAttempt, on_event: OnEvent) -> None:
        self.done: deque[Outcome] = deque()
        self.seats: dict[int, Seat] = {}
        self.failed_starts = 0  # in a row
        self._settings, self._on_attempt, self._on_event = settings, on_attempt, on_event
        self._waiting: deque[Task] = deque()
        self._states: Counter[State] = Counter()
        # So that a step costs the same with a thousand workers: those without work, and (deadline, worker) of the
        # others as a heap, whose entries may be out of date.
        self._idle: dict[int, Seat] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._errors: defaultdict[tuple[str, str], list[float]] = defaultdict(list)  # by (node, device)
        self._quarantined: set[tuple[str, str]] = set()
        # By key: what took several workers down is not tried again when another decision asks for the same. In this
        # session alone: whoever mends what was wrong, memory say, and resumes has it tried again.
        self._poison: dict[str, Lost] = {}

    @property
    def unfinished(self) -> bool:
        """A job has been submitted whose outcome is not in `done` yet."""
        return bool(self._waiting) or self.count(State.BUSY, State.ENDING) > 0

    def count(self, *states: State) -> int:
        """Workers in one of these states."""
        return sum(self._states[state] for state in states)

    def submit(self, job: Job) -> None:
        if (known := self._poison.get(job.key)) is not None:
            reason = f"the same as decision {known.decision}, not tried again: {known.reason}"
            self.done.append(msgspec.structs.replace(known, decision=job.decision, reason=reason, attempts=0))
            return
        limit = deadline_of(job, self._settings)
        self._waiting.append(Task(decision=job.decision, key=job.key, job=encode(job), limit=limit))

    # What happens to workers

    def starting(self, worker: int, now: float) -> None:
        self.seats[worker] = Seat(worker=worker, since=now, name=f"worker {worker}")
        self._states[State.STARTING] += 1

    def placed(self, worker: int, now: float, *, name: str, node: str, device: str = "") -> bool:
        """The worker runs somewhere. False: that device is in quarantine, and the worker was retired."""
        seat = self.seats.get(worker)
        if seat is None or seat.state is not State.STARTING:
            return False
        seat.name, seat.node, seat.device, seat.since = name, node, device, now
        fit = not self._is_quarantined(seat)
        self._change(seat, State.SETTING_UP if fit else State.RETIRED)
        return fit

    def ready(self, worker: int) -> None:
        seat = self.seats.get(worker)
        if seat is not None and seat.state is State.SETTING_UP:
            self._change(seat, State.RETIRED if self._is_quarantined(seat) else State.IDLE)
            self.failed_starts = 0

    def retire(self, worker: int) -> None:
        """It will get no job; the place it takes is not given to another."""
        self._change(self.seats[worker], State.RETIRED)

    def drop(self, worker: int) -> None:
        """It was never placed and will not be."""
        self._forget(self.seats.pop(worker))

    def assign(self, now: float) -> list[tuple[int, bytes, float]]:
        """(worker, job, seconds) for each idle worker that now gets one; what was tried before goes first."""
        given = []
        for seat in list(self._idle.values()):
            if (task := self._next_for(seat)) is not None:
                seat.task, seat.since = task, now
                self._change(seat, State.BUSY)
                given.append((seat.worker, task.job, task.limit))
        return given

    def answered(self, worker: int, data: bytes) -> str:
        """An outcome came. "" or, if it is none for that worker's job, what is wrong: then the worker must be ended."""
        seat = self.seats.get(worker)
        if seat is None or seat.state is not State.BUSY or seat.task is None:
            return ""  # a late or a second answer: the job's outcome is, or will be, another's
        try:
            outcome = decode_outcome(data)
        except msgspec.MsgspecError as error:
            return f"its answer is no outcome: {error}"
        if outcome.decision != seat.task.decision:
            return f"it answered decision {outcome.decision}, was given {seat.task.decision}"
        self.done.append(outcome)
        seat.task = None
        self._change(seat, State.RETIRED if self._is_quarantined(seat) else State.IDLE)
        return ""

    def overdue(self, now: float) -> list[Seat]:
        """Workers whose time has run out, each told once; they must be ended, and that reported by `ended`."""
        late = []
        while self.next_deadline() <= now:
            late.append(seat := self.seats[heapq.heappop(self._deadlines)[1]])
            self._change(seat, State.ENDING)
        return late

    def next_deadline(self) -> float:
        while self._deadlines and self._is_past(*self._deadlines[0]):
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else float("inf")

    def ended(self, worker: int, fault: Fault, reason: str, detail: str, now: float) -> None:
        """The worker is gone, or can be regarded so. Its job goes to another, or is lost. A second report is none."""
        seat = self.seats.pop(worker, None)
        if seat is None:
            return
        self._forget(seat)
        if seat.task is None:
            self.failed_starts += seat.state is not State.IDLE and seat.state is not State.RETIRED
            return
        if fault is Fault.DEVICE:
            self._device_error(seat, now)
        self._again_or_lost(seat.task, Try(seat.name, seat.node, fault, reason, detail.strip()))

    def all_gone(self, reason: str) -> None:
        """The cluster is lost with all workers; quarantine too, for the next one names its machines anew."""
        gone, self.seats = self.seats, {}
        self._idle, self._deadlines, self._states = {}, [], Counter()
        for seat in reversed(gone.values()):  # each goes to the front: in the end the first is first again
            if seat.task is not None:
                self._again_or_lost(seat.task, Try(seat.name, seat.node, Fault.NODE, reason, ""))
        self._errors.clear()
        self._quarantined.clear()

    # The books

    def _change(self, seat: Seat, state: State) -> None:
        self._forget(seat)
        seat.state = state
        self._states[state] += 1
        if state is State.IDLE:
            self._idle[seat.worker] = seat
        elif (due := _due(seat)) < float("inf"):
            heapq.heappush(self._deadlines, (due, seat.worker))

    def _forget(self, seat: Seat) -> None:
        self._states[seat.state] -= 1
        self._idle.pop(seat.worker, None)

    def _is_past(self, due: float, worker: int) -> bool:
        """An entry of the heap of deadlines that no longer holds."""
        seat = self.seats.get(worker)
        return seat is None or _due(seat) != due

    # The rules

    def _next_for(self, seat: Seat) -> Task | None:
        for task in self._waiting:
            if self._suits(seat, task):
                self._waiting.remove(task)
                return task
        return None

    def _suits(self, seat: Seat, task: Task) -> bool:
        """A job that failed on a machine waits for another one, if there is one with workers."""
        failed_on = {one.node for one in task.own_tries()}
        if seat.node not in failed_on:
            return True
        working = (State.IDLE, State.BUSY)
        return not any(other.state in working and other.node not in failed_on for other in self.seats.values())

    def _is_quarantined(self, seat: Seat) -> bool:
        return (seat.node, seat.device) in self._quarantined

    def _again_or_lost(self, task: Task, failed: Try) -> None:
        task.tries.append(failed)
        self._on_attempt(task.decision, len(task.tries), failed.worker, failed.reason)
        counts = Counter(one.fault for one in task.tries)
        within = all(counts[fault] < bound for fault, bound in BOUNDS.items())
        if within and len(task.own_tries()) < self._settings.attempts:
            self._waiting.appendleft(task)
        else:
            self.done.append(lost := _lost(task))
            if len({one.worker for one in task.own_tries()}) >= POISON:
                self._poison[task.key] = lost

    def _device_error(self, seat: Seat, now: float) -> None:
        place = (seat.node, seat.device)
        recent = [at for at in self._errors[place] if now - at < DEVICE_WINDOW]
        self._errors[place] = [*recent, now]
        if len(recent) + 1 < DEVICE_ERRORS or place in self._quarantined or not seat.device:
            return
        self._quarantined.add(place)
        self._on_event(
            "quarantine",
            f"{seat.device} of {seat.node}: {DEVICE_ERRORS} errors within {DEVICE_WINDOW / 60:g} minutes; it gets no "
            "more jobs in this session. Look at the machine (nvidia-smi, dmesg).",
        )
        for other in list(self._idle.values()):
            if (other.node, other.device) == place:
                self._change(other, State.RETIRED)


def _due(seat: Seat) -> float:
    """When the worker must be through with what it does."""
    if seat.state is State.BUSY and seat.task is not None:
        return seat.since + seat.task.limit
    return seat.since + START if seat.state is State.SETTING_UP else float("inf")


def _lost(task: Task) -> Lost:
    """The last reason in front, then the story of all tries, each with its share of the room."""
    room = STORY // len(task.tries)
    told = [f"try {n} on {one.worker}: {one.reason}\n{one.detail[-room:]}" for n, one in enumerate(task.tries, 1)]
    cause = "\n".join(told).strip() if len(task.tries) > 1 else task.tries[0].detail[-STORY:]
    return Lost(decision=task.decision, reason=task.tries[-1].reason, cause=cause, attempts=len(task.tries))
