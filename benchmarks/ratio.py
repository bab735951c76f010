"""Does the ratio of local to long connections learn? The runs behind docs/results/ratio.md, resumable.

    python benchmarks/ratio.py run lag --seeds 5             # half an hour on two cores; also between, bytes, ...
    python benchmarks/ratio.py test                          # once, at the end: the winners on the test split
    python benchmarks/ratio.py report                        # the tables as Markdown

Every run is `evonet run` with a configuration of its own, one worker, in OUT/runs; `--jobs` of them go beside each
other. A finished run is a line of OUT/runs.jsonl and is not run again, a stopped one is resumed. Arms, of the same
births and steps from the same start:

search   all of the language          cnn      genes held to box motifs of radius 3 at most
drift    scores shuffled              oracle   the known best wiring, frozen
local, random   a small CNN and its random twin, both frozen

A run finishes one individual, the best on the choice split: that is its winner. Tuned on the validation split of seeds
101 and up, which are not reported.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, median, quantiles
from threading import Lock
from typing import Any, NamedTuple

from msgspec.structs import replace

from evonet.compression.settings import CompressionSettings
from evonet.config import CODE, DataSettings, RunConfig, RunSettings, to_toml
from evonet.controls import cnn_twin, random_twin, search_control
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.code import encode
from evonet.genome.limits import Limits
from evonet.genome.variation import OPERATORS
from evonet.job import Scored
from evonet.measured import evaluate
from evonet.plan import expand
from evonet.provenance import provenance
from evonet.seeds import Stream
from evonet.store import open_run
from evonet.training.settings import BudgetSettings, TrainingSettings
from evonet.training.tasks import SCRAMBLES, TORUS, move
from evonet.twins import estimate
from evonet.workers.base import WorkersSettings

PROGRAM = str(Path(sys.executable).with_name("evonet"))
PARTS = ("lag", "between", "bytes", "scramble", "mnist")
LAGS = (1, 3, 5, 9, 13)
ENDS = (1, 13)
BOUNDS = (64, 128, 256)
BOUND = 128  # bytes, where only one is asked for
BOUND_MNIST = 512


class Case(NamedTuple):
    """One run of the plan."""

    task: str  # data spec
    arm: str
    bound: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.task.replace(':', '-')}-{self.arm}-{self.bound}-{self.seed}"


def cases(part: str, seeds: range) -> Iterator[Case]:
    """Seed by seed, so that a benchmark that is cut off has whole seeds."""
    for seed in seeds:
        if part == "lag":
            yield from (Case(f"lag:{r}", arm, BOUND, seed) for r in ENDS for arm in ("search", "drift", "cnn"))
        if part == "between":
            yield from (Case(f"lag:{r}", a, BOUND, seed) for r in LAGS if r not in ENDS for a in ("search", "cnn"))
        if part == "bytes":
            yield from (Case("lag:13", arm, bound, seed) for bound in BOUNDS for arm in ("search", "cnn"))
        if part == "scramble":
            yield from (
                Case(f"scramble:{k}", a, BOUND_MNIST, seed) for k in SCRAMBLES for a in ("search", "cnn", "oracle")
            )
        if part == "mnist":
            yield from (Case("mnist", arm, BOUND_MNIST, seed) for arm in ("search", "cnn", "local", "random"))
            yield from (Case("permuted", arm, BOUND_MNIST, seed) for arm in ("local", "random"))


# --- what is run ----------------------------------------------------------------------------------------------------


def spaced(case: Case, founder: int) -> tuple[MotifGene, MotifGene, MotifGene]:
    """3x3 lattices, each of a spacing of its own: training cannot move a tap, so founders differ."""
    draw = Stream(case.seed, "spacing", founder)
    steps = [1 + draw.below(TORUS // 2) for _ in range(3)]
    plain = MotifGene(radius=0, taps=9, long_share=14, reach=TORUS // 2, pattern="lattice", boundary="wrap")
    first, second, third = (replace(plain, basis=(step, 0, 0, step)) for step in steps)
    return first, second, third


def lag_start(seed: int) -> Genome:
    """Over-connected: a full 7x7 window and 64 taps scattered as far as the torus goes. Training and cutting choose."""
    motif = MotifGene(
        radius=3, taps=113, long_share=9, reach=15, pattern="scatter", symmetry="odd", boundary="wrap", seed=seed
    )
    return Genome(sheets=(SheetGene(channels=6, activation="abs", reduction="stride", motifs=(motif,)),))


def mnist_start(window: MotifGene) -> Genome:
    """Two sheets that halve, each with `window`, and a linear readout of 2x2 places."""
    return Genome(
        sheets=(
            SheetGene(channels=6, reduction="stride", motifs=(window,)),
            SheetGene(channels=8, reduction="stride", motifs=(replace(window, mixing="separable"),)),
        ),
        readout=ReadoutGene(grid=2),
    )


def scramble_start(windows: tuple[MotifGene, MotifGene, MotifGene]) -> Genome:
    """Three whole sheets and a readout without places: what halves or names places takes a torus apart."""
    return Genome(
        sheets=(
            SheetGene(channels=6, motifs=(windows[0],)),
            *(SheetGene(channels=8, norm="rms", motifs=(replace(w, mixing="separable"),)) for w in windows[1:]),
        ),
        readout=ReadoutGene(pooling="both"),
    )


def oracle(kind: str) -> Genome:
    """A small CNN of windows dilated 1, 2 and 4 times, every tap moved as the pixels are."""
    return scramble_start(tuple(moved(kind, dilation) for dilation in (1, 2, 4)))


def moved(kind: str, dilation: int) -> MotifGene:
    steps = [(dy, dx) for dy in (-dilation, 0, dilation) for dx in (-dilation, 0, dilation)]
    taps = {tuple(map(centred, move(dy, dx, SCRAMBLES[kind]))) for dy, dx in steps} - {(0, 0)}
    return MotifGene(radius=0, taps=1, edits=tuple(sorted(taps)), boundary="wrap")


def centred(place: int) -> int:
    return (place + TORUS // 2) % TORUS - TORUS // 2


def start_of(case: Case, founder: int) -> Genome:
    """Founders differ by where their scattered taps fall, and are the same in all arms."""
    window = MotifGene(boundary="wrap")
    if case.task.startswith("lag"):
        start = lag_start(founder)
    elif case.arm == "oracle":
        start = oracle(case.task.partition(":")[2])
    elif case.task.startswith("scramble"):
        start = scramble_start(spaced(case, founder))
    else:
        start = mnist_start(window)
    shape, classes = SHAPES[case.task.partition(":")[0]]
    if case.arm == "cnn":
        start = cnn_twin(start, input=shape, classes=classes)
    if case.arm == "random":
        start = random_twin(start, input=shape, classes=classes, reach=14, draw=case.seed)
    expand(start, input=shape, classes=classes)  # a refused start would leave the search to random founders
    return start


SHAPES = {"lag": ((1, 32, 32), 4), "scramble": ((1, 29, 29), 10), "mnist": ((1, 28, 28), 10)}
SHAPES["permuted"] = SHAPES["mnist"]


def config_of(case: Case, *, tiny: bool = False) -> RunConfig:
    config = lag_config(case) if case.task.startswith("lag") else mnist_config(case)
    if case.arm in ("cnn", "drift"):
        config = search_control(config, case.arm)
    if case.arm in ("oracle", "local", "random"):
        config = search_control(config, "frozen")
    founders = [CODE + encode(start_of(case, founder)).hex() for founder in range(config.search.founders)]
    search = replace(config.search, genomes=tuple(founders))
    if tiny:
        search = replace(search, individuals=search.founders + 4, rungs=(10,))
    return replace(config, search=search)


RATES = dict.fromkeys(OPERATORS, 0.1) | {  # mostly how many taps there are, and which share of them is long
    "long_share": 3.0,
    "taps": 2.0,
    "reach": 1.0,
    "radius": 0.5,
    "reseed": 0.5,
    "toggle_tap": 0.5,
    "channels": 1.0,
    "insert_sheet": 0.5,
    "reduction": 0.3,
    "redraw_basis": 1.0,
}


def lag_config(case: Case) -> RunConfig:
    return base_config(
        case,
        population=8,
        births=20,
        steps=400,
        finish=0.25,
        inherit=True,
        rates=RATES,
        genes=Limits(
            sheets=(1, 3),
            channels=(2, 8),
            taps_max=128,
            reach_max=15,
            edits_max=8,
            boundaries=("wrap",),
            activations=("abs", "relu", "leaky_relu"),
            norms=("none",),
            reductions=("none", "stride", "mean"),
            readouts=("linear",),
            sharings=("sheet",),
            repeats_max=1,
        ),
        training=TrainingSettings(lr=0.05, batch=32),
        compression=CompressionSettings(
            bound=case.bound, size_weight=0.1, rate_term=1.0, rounds=4, finish_rounds=8, ramp=2.0, over=64.0
        ),
        budget=BudgetSettings(macs=200_000, weights=2_000, neurons=10_000),
    )


def mnist_config(case: Case) -> RunConfig:
    return base_config(
        case,
        population=8 if case.task.startswith("scramble") else 12,
        births=16 if case.task.startswith("scramble") else 30,  # whole sheets: a birth takes ten seconds
        steps=200,
        finish=0.3,
        inherit=False,  # every genome from scratch: no long line of training
        rates=RATES,
        genes=Limits(
            sheets=(1, 3),
            channels=(4, 12),
            reach_max=14,
            edits_max=8,
            boundaries=("wrap",),
            norms=("none", "rms"),
            sharings=("sheet",),
            repeats_max=2,
        ),
        training=TrainingSettings(lr=0.02, batch=32),
        compression=CompressionSettings(bound=case.bound, size_weight=0.01, rate_term=0.0),
        budget=BudgetSettings(macs=600_000, weights=5_000, neurons=40_000),
    )


def base_config(
    case: Case,
    *,
    population: int,
    births: int,
    steps: int,
    finish: float,
    inherit: bool,
    rates: dict[str, float],
    genes: Limits,
    training: TrainingSettings,
    compression: CompressionSettings,
    budget: BudgetSettings,
) -> RunConfig:
    return RunConfig(
        run=RunSettings(seed=case.seed),
        data=DataSettings(spec=case.task),
        genes=genes,
        search=SearchSettings(
            population=population,
            individuals=births,
            rungs=(steps,),
            rates=rates,
            inherit=inherit,
            fresh=0.0,  # from the start that all arms share, and from nothing else
            finish_share=finish,
            finish_best=1,
        ),
        score=ScoreSettings(kind="bound", bound=case.bound),
        training=training,
        compression=compression,
        budget=budget,
        workers=WorkersSettings(kind="serial", count=1),
    )


# --- running --------------------------------------------------------------------------------------------------------


def run_all(plan: list[Case], out: Path, data_dir: Path | None, jobs: int, *, tiny: bool) -> None:
    done = {Case(*line["case"]) for line in lines(out / "runs.jsonl")}
    lock = Lock()

    def work(case: Case) -> None:
        line = run_one(case, out / "runs" / case.name, data_dir, tiny=tiny)
        with lock, (out / "runs.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(
            case.name,
            {k: line[k] for k in ("accuracy", "choice_accuracy", "long_share", "bytes", "seconds")},
            flush=True,
        )

    (out / "runs").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, [case for case in plan if case not in done]))


def run_one(case: Case, folder: Path, data_dir: Path | None, *, tiny: bool) -> dict[str, Any]:
    config = folder.with_suffix(".toml")
    config.write_text(to_toml(config_of(case, tiny=tiny)))
    verb = ["resume", str(folder)] if folder.exists() else ["run", str(config), "--run", str(folder)]
    data = ["--data-dir", str(data_dir)] if data_dir else []
    clock = folder.with_suffix(".seconds")
    started = time.monotonic()
    with folder.with_suffix(".log").open("a") as log:
        subprocess.run([PROGRAM, *verb, *data], check=True, stdout=log, stderr=log)
    seconds = time.monotonic() - started + (float(clock.read_text()) if clock.exists() else 0.0)
    clock.write_text(str(seconds))
    return {"case": case, **winner(folder), "seconds": round(seconds, 1), "commit": provenance()["commit"]}


def winner(folder: Path) -> dict[str, Any]:
    """The individual that the run finished, by its last evaluation."""
    with open_run(folder) as opened:
        (last,) = (d for d in opened.decisions() if d.rung < 0)
        outcomes = opened.counts().recorded
    if not isinstance(last.outcome, Scored):
        raise SystemExit(f"{folder}: the finished individual was not scored: {last.outcome}")
    measures = last.outcome.measures
    names = ("accuracy", "choice_accuracy", "choice_loss", "long_share", "bytes", "macs", "nonzero", "taps", "sheets")
    return {
        "individual": last.individual,
        "genome": last.genome.hex(),
        "evaluations": sum(outcomes.values()),
        **{name: getattr(measures, name) for name in names},
    }


def test_all(out: Path, data_dir: Path | None) -> None:
    """The winners on the test split, each once."""
    done = {Case(*line["case"]) for line in lines(out / "test.jsonl")}
    for line in lines(out / "runs.jsonl"):
        case = Case(*line["case"])
        if case in done:
            continue
        folder = out / "runs" / case.name
        with open_run(folder) as opened:
            package = opened.package(line["individual"])
        assert package is not None
        found = evaluate(package, spec=case.task, data_dir=data_dir, split="test", where=str(folder))
        with (out / "test.jsonl").open("a") as file:
            file.write(json.dumps({"case": case, "test_accuracy": found.accuracy}) + "\n")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# --- the tables -----------------------------------------------------------------------------------------------------


class Results:
    """The lines of a folder, by case."""

    def __init__(self, out: Path) -> None:
        test = {Case(*line["case"]): line["test_accuracy"] for line in lines(out / "test.jsonl")}
        self.lines = {Case(*line["case"]): line for line in lines(out / "runs.jsonl")}
        for case, line in self.lines.items():
            line["test_accuracy"] = test.get(case)

    def of(self, task: str, arm: str, bound: int, name: str) -> dict[int, float]:
        """By seed; for accuracies the test split if it has been looked at, else the choice split."""
        found = {}
        for case, line in self.lines.items():
            if case[:3] == (task, arm, bound):
                value = line["test_accuracy"] if name == "accuracy" else line[name]
                found[case.seed] = line["choice_accuracy"] if value is None else value
        return dict(sorted(found.items()))

    @property
    def split(self) -> str:
        looked = [line["test_accuracy"] is not None for line in self.lines.values()]
        return "test" if looked and all(looked) else "choice; the test split has not been looked at for all"


def report(out: Path) -> None:
    results = Results(out)
    commits = sorted({line["commit"] for line in results.lines.values()})
    minutes = sum(line["seconds"] for line in results.lines.values()) / 60
    print(f"{len(results.lines)} runs, {minutes:.0f} core-minutes, commits {', '.join(commits) or 'none'}.")
    print(f"Accuracy on the split {results.split}.\n")
    for table in (lag_table, bytes_table, scramble_table, mnist_table):
        table(results)


def lag_table(results: Results) -> None:
    print("| task | arm | seeds | long share, median (each) | accuracy, mean ± 95 % | bytes | MACs | s a run |")
    print("|---|---|---:|---|---:|---:|---:|---:|")
    for r in LAGS:
        for arm in ("search", "drift", "cnn"):
            row(results, f"lag:{r}", arm, BOUND, shares)
    print()
    print("| task | median long share of the search | 90 % band of the drift control | outside |")
    print("|---|---:|---:|---|")
    for r in LAGS:
        found, drift = (list(results.of(f"lag:{r}", arm, BOUND, "long_share").values()) for arm in ("search", "drift"))
        if found and len(drift) > 1:
            low, high = band(drift)
            outside = "yes" if not low <= median(found) <= high else "no"
            print(f"| lag:{r} | {median(found):.2f} | {low:.2f} to {high:.2f} ({len(drift)} seeds) | {outside} |")
    print()


def bytes_table(results: Results) -> None:
    print("| task | bound, bytes | search | CNN-only twin | difference, points ± 95 % | CNN's MACs / search's |")
    print("|---|---:|---:|---:|---:|---:|")
    for bound in BOUNDS:
        against(results, "lag:13", bound, "search", "cnn", lead=f"| lag:13 | {bound} ")
    print()


def scramble_table(results: Results) -> None:
    print("| task | arm | seeds | long share, median (each) | accuracy, mean ± 95 % | bytes | MACs | s a run |")
    print("|---|---|---:|---|---:|---:|---:|---:|")
    for kind in SCRAMBLES:
        for arm in ("search", "cnn", "oracle"):
            row(results, f"scramble:{kind}", arm, BOUND_MNIST, shares)
    for kind in SCRAMBLES:
        found, cnn, best = (
            results.of(f"scramble:{kind}", arm, BOUND_MNIST, "accuracy") for arm in ("search", "cnn", "oracle")
        )
        if found and cnn and best:
            gain, whole = mean(found.values()) - mean(cnn.values()), mean(best.values()) - mean(cnn.values())
            print(f"\nscramble:{kind}: {100 * gain:.2f} of the oracle's {100 * whole:.2f} points: {gain / whole:.0%}")
    print()


def mnist_table(results: Results) -> None:
    print("| task | arms | first | second | difference, points ± 95 % | second's MACs / first's |")
    print("|---|---|---:|---:|---:|---:|")
    for task, first, second in (
        ("mnist", "search", "cnn"),
        ("mnist", "local", "random"),
        ("permuted", "local", "random"),
    ):
        against(results, task, BOUND_MNIST, first, second, lead=f"| {task} | {first}, {second} ")


def row(results: Results, task: str, arm: str, bound: int, last: Callable[[list[float]], str]) -> None:
    def each(name: str) -> list[float]:
        return list(results.of(task, arm, bound, name).values())

    if accuracy := each("accuracy"):
        print(
            f"| {task} | {arm} | {len(accuracy)} | {last(each('long_share'))} | {points(accuracy)} | "
            f"{mean(each('bytes')):.0f} | {mean(each('macs')):,.0f} | {mean(each('seconds')):.0f} |"
        )


def against(results: Results, task: str, bound: int, first: str, second: str, *, lead: str) -> None:
    """Two arms seed by seed."""
    a, b = (results.of(task, arm, bound, "accuracy") for arm in (first, second))
    if both := sorted(a.keys() & b.keys()):
        macs = [mean(results.of(task, arm, bound, "macs").values()) for arm in (first, second)]
        print(
            f"{lead}| {points(list(a.values()))} | {points(list(b.values()))} | "
            f"{points([a[s] - b[s] for s in both])} ({len(both)} pairs) | {macs[1] / macs[0]:.2f} |"
        )


def shares(values: list[float]) -> str:
    return f"{median(values):.2f} ({', '.join(f'{v:.2f}' for v in values)})"


def points(values: list[float]) -> str:
    found = estimate([100 * v for v in values])
    return f"{found.mean:.2f}" + ("" if found.half is None else f" ± {found.half:.2f}")


def band(values: list[float]) -> tuple[float, float]:
    """The 5 % and 95 % quantiles, interpolated."""
    cuts = quantiles(values, n=20, method="inclusive")
    return cuts[0], cuts[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "test", "report"))
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1, help="the first seed; 101 and up are for tuning")
    parser.add_argument("--jobs", type=int, default=2, help="runs beside each other")
    parser.add_argument("--tiny", action="store_true", help="a few births and steps, to see that everything runs")
    parser.add_argument("--only", default="", help="only cases whose name has this in it")
    parser.add_argument("--data-dir", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("runs/ratio"))
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}")
    if chosen.what == "run":
        seeds = range(chosen.first, chosen.first + chosen.seeds)
        plan = [case for part in chosen.parts for case in cases(part, seeds) if chosen.only in case.name]
        run_all(list(dict.fromkeys(plan)), chosen.out, chosen.data_dir, chosen.jobs, tiny=chosen.tiny)
    elif chosen.what == "test":
        test_all(chosen.out, chosen.data_dir)
    else:
        report(chosen.out)


if __name__ == "__main__":
    main()
