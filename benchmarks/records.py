"""Refine many genomes at once within a limit of wall time, each in a process of its own, on one device.

    python benchmarks/records.py genomes/records/*.toml --out OUT --seconds 200 --device cuda --data-dir ~/data

A genome's file is called NAME-BYTES.toml: its network is to take at most BYTES. How many epochs fit is measured in the
first ones; then training begins anew with that many, so a result is a function of the epochs in its line and of the
seed. What comes out: of each genome its .evo (or, where time ran out, the state that `evonet refine` goes on from), all
in OUT/records.tar, and a line in OUT/records.jsonl. The test split is not read.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEASURED = 3  # rounds; the last two of them are timed: the first has no codes to train through yet
END = 20.0  # seconds that are kept for the polish, and for measuring the file
SHARE = 0.9  # of the time left that is planned for rounds: later ones may take longer
SLACK = 10.0  # seconds after the limit after which a process is ended


class Measured(Exception):  # noqa: N818 - no fault: enough rounds are known
    """The first rounds are done."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genomes", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--config", type=Path, default=Path("configs/records/small.toml"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--launched", action="store_true", help="no CUDA graphs (evonet.training.captured)")
    parser.add_argument("--because", default="", help=argparse.SUPPRESS)  # of --launched where it was not asked for
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)  # of one genome's own process
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.until is not None:
        line = _without_graphs_if_need_be(args)
        (args.out / f"{args.genomes[0].stem}.line.json").write_text(json.dumps(line))
    else:
        everyone(args)


def everyone(args: argparse.Namespace) -> None:
    until = time.time() + args.seconds
    processes = {genome: _start(genome, args, until) for genome in args.genomes}
    for process in processes.values():
        try:
            process.wait(max(0.0, until + SLACK - time.time()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    work = args.out / "work"
    lines = [_line(work, genome.stem, process.returncode) for genome, process in processes.items()]
    (args.out / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with tarfile.open(args.out / "records.tar", "w") as tar:
        for path in sorted(work.iterdir()):
            tar.add(path, path.name)
    shutil.rmtree(work)
    for line in lines:
        print(json.dumps({key: value for key, value in line.items() if key != "trace"}))


def _start(genome: Path, args: argparse.Namespace, until: float) -> subprocess.Popen[bytes]:
    work = args.out / "work"
    work.mkdir(exist_ok=True)
    given = {"--out": work, "--seconds": args.seconds, "--until": until, "--device": args.device, "--seed": args.seed}
    given |= {"--data-dir": args.data_dir, "--config": args.config}
    command = [sys.executable, __file__, str(genome), *(str(part) for pair in given.items() for part in pair)]
    command += ["--launched"] if args.launched else []
    with (work / f"{genome.stem}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})


def _line(work: Path, name: str, code: int) -> dict[str, Any]:
    found = work / f"{name}.line.json"
    if found.exists():
        line: dict[str, Any] = json.loads(found.read_text())
        found.unlink()
        return line
    return {"name": name, "failed": code, "log": (work / f"{name}.log").read_text()[-1500:]}


def _without_graphs_if_need_be(args: argparse.Namespace) -> dict[str, Any]:
    """The line of one genome. A failed capture spoils the process: what follows it is begun in a new one.

    Why there are no graphs is in the line, as `because`.
    """
    try:
        return one(args.genomes[0], args)
    except RuntimeError as error:
        if args.launched or not args.device.startswith("cuda"):
            raise
        why = f"{type(error).__name__}: {error}"[:300]
        print(f"{why}; without graphs:", flush=True)
        for state in args.out.glob(f"{args.genomes[0].stem}.*.state"):
            state.unlink()
        os.execv(sys.executable, [sys.executable, *sys.argv, "--launched", "--because", why])  # noqa: S606 - this very program


def one(genome: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Refine one genome until the time has come; its line."""
    import torch

    from evonet.errors import Interrupted
    from evonet.refining import read_source, refine
    from evonet.training import captured

    if args.launched:
        captured.FEWEST = sys.maxsize
    torch.set_num_threads(1)
    name, source, out = genome.stem, read_source(genome), args.out / f"{genome.stem}.evo"
    seconds = _measured(lambda each: refine(source, _config(args, name, MEASURED), args.out / f"{name}.try", each=each))
    (args.out / f"{name}.try.state").unlink()
    epochs = max(MEASURED, int(SHARE * (args.until - END - time.time()) / seconds))
    line = {
        "name": name,
        "device": args.device,
        "launched": args.launched,
        "because": args.because,
        "seed": args.seed,
        "epochs": epochs,
        "seconds_per_epoch": seconds,
    }
    trace: list[dict[str, Any]] = []

    def each(done: int, rounds: int, last: Any) -> None:
        trace.append({"loss": last.train_loss, "float": last.float_loss, "decoded": last.loss, "bytes": last.bytes})
        print(done, rounds, trace[-1], flush=True)

    try:
        card = refine(
            source, _config(args, name, epochs), out, each=each, stop=lambda: time.time() > args.until - END / 2
        )
    except Interrupted as stopped:
        return {**line, "stopped": str(stopped), "done": len(trace), "trace": trace}
    after = card.after
    return {
        **line,
        "bytes": after.bytes,
        "choice": after.choice_accuracy,
        "validation": after.validation_accuracy,
        "choice_loss": after.choice_loss,
        "validation_loss": after.validation_loss,
        "trace": trace,
    }


def _measured(refine: Callable[[Callable[..., None]], object]) -> float:
    """Seconds a round takes, of a refinement that is given up after a few."""
    times: list[float] = []

    def each(done: int, rounds: int, last: Any) -> None:
        del done, rounds, last
        times.append(time.monotonic())
        if len(times) == MEASURED:
            raise Measured

    try:
        refine(each)
    except Measured:
        return (times[-1] - times[0]) / (MEASURED - 1)
    raise AssertionError("the refinement ended before it was measured")


def _config(args: argparse.Namespace, name: str, epochs: int) -> Any:
    from evonet.app import override_data
    from evonet.config import load_config
    from evonet.refining import settings_of

    size = int(name.rpartition("-")[2])
    config = settings_of(
        load_config(args.config), spec=None, epochs=epochs, size=size, seed=args.seed, device=args.device
    )
    return override_data(config, Path(args.data_dir) if args.data_dir else None)


if __name__ == "__main__":
    main()
