"""Trained networks on canvases that training did not see: of other sizes, and corrupted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from canvas import Batch, Digits, Fixed, Split, task_of
from jobs import append, finished, lines
from models import counts_of, model_of
from results import Record, Row, rows
from safetensors.torch import load_file
from torch import Tensor, nn
from training import chunk_of, measure

from evonet.training.corruptions import TESTING, corrupt

SIDES = (60, 100, 256, 1024)
TESTED = 1_000  # canvases of each size or corruption
TRAINED = (100, 256)  # sides: what was trained at these is tested at all


def trained(record: Record, out: Path, *, side: int | None = None) -> nn.Module:
    """The network of a record with its weights, for images of `side` pixels; None is what it was trained at.

    Raises ValueError where its weights are not in `out`.
    """
    task = task_of(record["task"]) if side is None else task_of(f"clutter:{side}")
    path = out / "weights" / f"{record['name']}.safetensors"
    if not path.exists():
        raise ValueError(f"{path}: not there, expected the weights of a finished training; unpack them, or train again")
    model = model_of(record["model"], task, record["seed"])
    model.load_state_dict(load_file(path))
    return model.eval()


def classifiers(out: Path) -> Iterator[tuple[Row, Record]]:
    """The chosen trainings, glances left out."""
    for row in rows(finished(out).values()):
        if not row.model.startswith("glance-"):
            yield from ((row, record) for record in row.records)


def sizes(out: Path, digits: dict[Split, Digits], device: str, *, tested: int = TESTED) -> None:
    """Test networks trained at 100 and 256 at every size; one line each in OUT/sizes.jsonl."""
    done = {(line["name"], line["side"]) for line in lines(out / "sizes.jsonl")}
    for row, record in classifiers(out):
        for side in SIDES:
            if task_of(row.task).side not in TRAINED or (record["name"], side) in done:
                continue
            model, task = trained(record, out, side=side).to(device), f"clutter:{side}"
            canvases = Fixed(task, digits["test"], "test")
            found = measure(model, canvases, tested, chunk=chunk_of(side, device), device=device)
            macs = counts_of(row.model, task_of(task)).macs
            line = {"name": record["name"], "side": side, "count": tested, "macs": macs, **found}
            append(out / "sizes.jsonl", line)
            print(line, flush=True)


class Corrupted:
    """Canvases as a corruption leaves them: those that `evonet eval --corruption` measures."""

    def __init__(self, canvases: Fixed, corruption: str) -> None:
        self.canvases, self.corruption = canvases, corruption

    def at(self, numbers: Tensor) -> Batch:
        batch = self.canvases.at(numbers)
        return batch._replace(images=corrupt(batch.images, self.corruption, numbers=numbers))


def corrupted(out: Path, digits: dict[Split, Digits], device: str, *, tested: int = TESTED) -> None:
    """Test networks trained on clutter:100 under the corruptions for testing; a line each in OUT/corrupted.jsonl."""
    done = {(line["name"], line["corruption"]) for line in lines(out / "corrupted.jsonl")}
    for row, record in classifiers(out):
        for corruption in TESTING if row.task == "clutter:100" else ():
            if (record["name"], corruption) in done:
                continue
            canvases = Corrupted(Fixed(row.task, digits["test"], "test"), corruption)
            found = measure(trained(record, out).to(device), canvases, tested, chunk=100, device=device)
            append(out / "corrupted.jsonl", {"name": record["name"], "corruption": corruption, **found})
        print(record["name"], flush=True)
