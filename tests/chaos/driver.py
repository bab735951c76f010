"""A whole `evonet` process over stub evaluations, with a place where it dies, and a diary of what the store promised.

The program is the real one: its command line, composition, loop and store. Around the store's calls stand a pencil and
a bomb: each call that returned is written down, and one of them may be the last thing the process does.
"""

from __future__ import annotations

import os
import resource
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch  # noqa: F401
from chaos import stub
from evolution.simulation import AnyOrder

# The server that drivers are forked from imports this module, so that none of them waits for torch.
import evonet.cli.live
import evonet.evolution.loop
import evonet.report.drawing
import evonet.report.tables
import evonet.training.data
import evonet.workers.serial  # noqa: F401
from evonet import app
from evonet.cli.program import app as program
from evonet.seeds import Stream
from evonet.store import RunWriter

WRITES = ("issued", "recorded", "event", "set_state")


@dataclass(frozen=True, kw_only=True)
class Driver:
    """One life of a driver."""

    arguments: tuple[str, ...]  # of the program
    diary: Path
    slots: int = 1  # 1: the serial workers; more: so many jobs at once, answered in any order
    order: int = 0  # which order
    fail: tuple[str, int] | None = None  # SIGKILL at ("before recorded", 3), ("after issued", 3) or ("statement", 20)
    gate: Path | None = None  # evaluations wait until this file is gone
    pages: int | None = None  # the database is full at so many pages
    file_size: int | None = None  # and so is any file, at so many bytes

    def live(self, together: Any = None) -> None:
        """In a process of its own: be `evonet ARGUMENTS`. `together`: a barrier to wait at first."""
        out = os.open(self.diary.with_suffix(".out"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        app.FACTORY = "chaos.stub:make"
        stub.gate, stub.started = self.gate, lambda job: self._note(f"evaluating {job.decision}")
        if self.slots > 1:
            app.make_workers = self._scrambled  # type: ignore[assignment]
        self._instrument()
        if self.file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_size, self.file_size))
        if together is not None:
            together.wait(60)
        program(self.arguments, prog_name="evonet")

    def _note(self, line: str) -> None:
        """One line in the diary; what is written outlives the process, though not the machine."""
        file = os.open(self.diary, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, f"{line}\n".encode())
        os.close(file)

    def _scrambled(self, settings: object, factory: str, args: tuple[Any, ...], **_: object) -> Any:
        del settings, factory
        return _Scrambled(self.slots, self.order, args)

    def _instrument(self) -> None:
        passed: Counter[str] = Counter()

        def reach(place: str) -> None:
            passed[place] += 1
            if self.fail == (place, passed[place]):
                os.kill(os.getpid(), signal.SIGKILL)

        def watched(name: str, call: Callable[..., None]) -> Callable[..., None]:
            def wrapped(writer: RunWriter, *args: Any, **kwargs: Any) -> None:
                reach(f"before {name}")
                call(writer, *args, **kwargs)
                if name in ("issued", "recorded"):
                    self._note(f"{name} {args[0].decision}")
                reach(f"after {name}")

            return wrapped

        for name in WRITES:
            setattr(RunWriter, name, watched(name, getattr(RunWriter, name)))
        opened = RunWriter.__init__

        def init(writer: RunWriter, *args: Any) -> None:
            opened(writer, *args)
            writer._db.set_trace_callback(lambda statement: reach("statement"))
            if self.pages is not None:
                writer._db.execute(f"PRAGMA max_page_count = {self.pages}")

        RunWriter.__init__ = init  # type: ignore[method-assign]


class _Scrambled(AnyOrder):
    """Many jobs at once, answered in an order that the seed draws: `AnyOrder` over the bytes that a boundary passes."""

    def __init__(self, slots: int, order: int, args: tuple[Any, ...]) -> None:
        from evonet.job import decode_outcome, encode
        from evonet.workers.inside import answer

        evaluate = stub.make(*args)
        super().__init__(lambda job: decode_outcome(answer(evaluate, encode(job))), slots, Stream("order", order).below)

    def __enter__(self) -> _Scrambled:
        return self

    def __exit__(self, *exception: object) -> None:
        return None
