"""What a running search shows: a few live lines on a terminal, a line per block elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from evonet.cli.output import console, percent, points
from evonet.job import Measures, Scored

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evonet.config import RunConfig
    from evonet.evolution.loop import Progress


class Display(Protocol):
    """A context manager that is told of every outcome."""

    def __call__(self, progress: Progress) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Standing:
    """What is known of a run from the outcomes since this process began to watch."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._began = 0.0  # the first outcome: before it, workers start
        self._outcomes = self._steps = self._search_steps = 0
        self._first_births = 0
        self._best: Measures | None = None  # None as well if the best came before this process
        self.last: Progress | None = None

    def update(self, progress: Progress) -> None:
        job = progress.decision.job
        if self.last is None:
            self._began = time.monotonic()
            self._first_births = progress.births - progress.in_flight - 1
        self.last = progress
        self._outcomes += 1
        self._steps += job.steps
        self._search_steps += job.steps if progress.phase == "search" else 0
        if isinstance(progress.outcome, Scored) and progress.best and progress.best.decision == job.decision:
            self._best = progress.outcome.measures

    def per_minute(self) -> str:
        seconds = time.monotonic() - self._began
        return f"{60 * (self._outcomes - 1) / seconds:.0f}/min" if self._outcomes > 1 and seconds > 0 else "-/min"

    def share(self) -> float:
        """The share done of the training steps that this process has to do, the rest extrapolated; in [0, 1]."""
        if self.last is None or not self._steps:
            return 0.0
        told = max(self.last.births - self.last.in_flight - self._first_births, 1)
        per_birth = self._search_steps / told if self._search_steps else 0.0
        search = per_birth * (self.last.individuals - self._first_births)
        return min(1.0, self._steps / max(search / (1 - self._config.search.finish_share), self._steps))

    def left(self) -> str:
        """Minutes and seconds left, as far as the steps so far tell."""
        share = self.share()
        if not 0.02 < share < 1:
            return "-"
        seconds = (time.monotonic() - self._began) * (1 - share) / share
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"

    def phase(self) -> str:
        if self.last is None:
            return "starting the workers"
        all_told = self.last.births >= self.last.individuals and not self.last.in_flight
        if self.last.phase == "finish" or all_told:
            return "finishing"
        return f"search {self.last.births}/{self.last.individuals}"

    def best(self) -> str:
        best = self.last.best if self.last else None
        if best is None:
            return "best -"
        m = self._best
        about = f", accuracy {percent(m.accuracy)}, {m.bytes:,} bytes" if m else ""
        return f"best {points(best.score)} (#{best.individual}{about})"

    def mean(self) -> str:
        return f"mean {points(self.last.mean if self.last else None)}"


class Plain:
    """A line per block of the search and at its end, and a line per finished individual."""

    def __init__(self, config: RunConfig) -> None:
        self._standing, self._block = Standing(config), config.search.block
        self._count = 0

    def __call__(self, progress: Progress) -> None:
        self._standing.update(progress)
        self._count += 1
        if progress.phase == "finish":
            print(f"finished  #{progress.decision.job.individual}  {_outcome(progress)}", flush=True)
            return
        s = self._standing
        if self._count % self._block == 0 or s.phase() == "finishing":
            print(f"{s.phase()}  {s.best()}  {s.mean()}  {s.per_minute()}  {s.left()} left", flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Live:
    """Two lines that stay in place, redrawn four times a second."""

    def __init__(self, config: RunConfig) -> None:
        from rich.live import Live as RichLive

        self._standing = Standing(config)
        self._live = RichLive(get_renderable=self._render, console=console(), transient=True)

    def __call__(self, progress: Progress) -> None:
        self._standing.update(progress)
        if progress.phase == "finish":
            self._live.console.print(f"finished #{progress.decision.job.individual}  {_outcome(progress)}")

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        s = self._standing
        head = Table.grid(padding=(0, 2))
        head.add_row(
            s.phase(),
            ProgressBar(total=1.0, completed=s.share(), width=30),
            f"{s.per_minute()}",
            f"{s.left()} left",
        )
        return Group(head, f"{s.best()}  {s.mean()}")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


def display(config: RunConfig, *, terminal: bool) -> Display:
    return Live(config) if terminal else Plain(config)


def _outcome(progress: Progress) -> str:
    outcome = progress.outcome
    if not isinstance(outcome, Scored):
        return f"{type(outcome).__name__.lower()}: {outcome.reason}"
    m = outcome.measures
    return f"accuracy {percent(m.accuracy, 2)} (choice {percent(m.choice_accuracy, 2)}), {m.bytes:,} bytes"
