"""What is run: tasks, arms, starts and configurations."""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from evonet.compression.settings import CompressionSettings
from evonet.config import CODE, DataSettings, RunConfig, RunSettings
from evonet.controls import cnn_twin, random_twin, search_control
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.genome import Genome, MotifGene, ReadoutGene, SheetGene
from evonet.genome.code import encode
from evonet.genome.limits import Limits
from evonet.genome.variation import OPERATORS
from evonet.plan import expand
from evonet.seeds import Stream
from evonet.training.settings import BudgetSettings, TrainingSettings
from evonet.training.tasks import SCRAMBLES, TORUS, move
from evonet.workers.base import WorkersSettings

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
        training=TrainingSettings(lr=0.05, batch=32, inherited_rate=0.5),  # the default when the first seeds ran
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
