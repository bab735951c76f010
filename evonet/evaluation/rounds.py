"""Rounds of (train, compress): the loop at the heart of an evaluation, which can stop after any round and go on.

A brief evaluation has a few. Finishing has many: towards its end ever more weights are held at their codes (as Zhou et
al. 2017, Incremental network quantization, hold theirs), and at last single codes are polished on training images.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite

import msgspec
import torch
from torch import Tensor

from evonet.compression.choice import Chooser, Codes, Looks, Pick, looks_for
from evonet.compression.polish import above, polish
from evonet.compression.scales import equalised
from evonet.compression.settings import CompressionSettings
from evonet.job import Round
from evonet.network import Network
from evonet.package import STEPS, Coded, Quantised
from evonet.training.images import Images
from evonet.training.quality import quality, slopes
from evonet.training.rounding import Grid
from evonet.training.trainer import NonFinite, Trainer, flatten

POLISH_IMAGES = 10_000  # of the training split
STEER = 2.0  # how a file that is so many times too large scales the rate term: to that power, at most twice a round
HALVES = 0.5, 2.0
TRIES = 4  # to come below the bound


class Progress(msgspec.Struct, kw_only=True):
    """Where the rounds stand, beside the trainer's tensors."""

    done: int = 0  # rounds
    picks: list[Pick | None]
    scales: list[int] | None = None  # what a code of 1 was worth in each tensor, as steps
    rounding: float | None = None
    price: float  # of an estimated bit in the training loss, nats
    overhead: float  # bytes of the file beside the codes as they are priced: what is cut may make it negative
    trace: list[Round] = []


class Rounds:
    """All rounds of one evaluation."""

    def __init__(
        self,
        network: Network,
        trainer: Trainer,
        settings: CompressionSettings,
        *,
        train: Images,
        calibration: Images,
        overhead: float,
        size: Callable[[Codes], int],
        finishing: bool,
        known: Sequence[Pick | None],
    ) -> None:
        """`overhead`: bytes of the file beside its codes, to begin with; `size`: of the whole file, exactly.

        `known`: how tensors were coded where they come from.
        """
        self.network, self.trainer, self.settings, self.size = network, trainer, settings, size
        self.train, self.calibration, self.finishing = train, calibration, finishing
        self.progress = Progress(picks=list(known), price=trainer.rate_price, overhead=overhead)
        self.pieces = pieces(trainer.steps, settings.finish_rounds if finishing else settings.rounds)
        self.frozen = round(settings.freeze * len(self.pieces)) if finishing else 0  # of the last rounds
        self.choosing = round(settings.choosing * len(self.pieces)) if finishing else len(self.pieces)  # rounds

    def run(self, each: Callable[["Rounds", Round], None] | None = None) -> Codes:
        """The rounds that are left; `each` is called after every one. Raises NonFinite."""
        codes: Codes | None = None
        while self.progress.done < len(self.pieces):
            codes = self._round()
            if each is not None:
                each(self, self.progress.trace[-1])
        codes = codes if codes is not None else self._fixed(self.progress.rounding or 0.0)
        return self._polished(codes) if self.finishing else codes

    def _round(self) -> Codes:
        index, at = self.progress.done, self.progress
        steps = self.pieces[index]
        left = len(self.pieces) - index
        if left <= self.frozen:
            self._hold((self.frozen - left + 1) / (self.frozen + 1))
        train_loss = self.trainer.run(steps, self._grid())
        if index == 0 and self.settings.equalise:
            self.trainer.replace(equalised(self.network.plan, self.trainer.weights))
        looks = self._looks(steps)
        images = self.calibration.sample(looks.images)
        kept = left <= self.frozen or index >= self.choosing
        codes = self._fixed(images=images) if kept else self._choose(images, index, looks.trials)
        at.picks, at.rounding, at.done = list(codes.picks), codes.rounding, index + 1
        at.scales = [_scale(coded, pick) for coded, pick in zip(codes.tensors, codes.picks, strict=True)]
        size = self.size(codes)
        at.overhead = size - codes.bits / 8
        at.trace = [*at.trace, self._told(steps, train_loss, codes, size, images)]
        self._steer(size, (index + 1) / len(self.pieces))
        # What is to be held is chosen by how far it lies from its code: before that, weights stay what they are.
        if not self.settings.from_shadow and (not self.frozen or left > self.frozen + 1):
            self.trainer.replace(codes.weights)
        return codes

    def _choose(self, images: Images, index: int, trials: int) -> Codes:
        chooser = self._chooser(self.settings.at((index + 1) / len(self.pieces)), images)
        return chooser.choose(
            [w.cpu() for w in self.trainer.weights],
            self.progress.picks,
            rounding=self.progress.rounding,
            turn=index * len(self.trainer.weights) // 2,
            trials=trials,
        )

    def _looks(self, steps: int) -> Looks:
        effort = self.settings.finish_effort if self.finishing else self.settings.effort
        return looks_for(effort, steps=steps, batch=self.trainer.settings.batch, calibration=len(self.calibration))

    def _fixed(self, rounding: float = 0.0, images: Images | None = None) -> Codes:
        """The weights at the picks of the last choice; without `rounding`, rounded as training rounds them."""
        chooser = self._chooser(self.settings, self.calibration if images is None else images)
        weights, picks = self.trainer.weights, [pick for pick in self.progress.picks if pick is not None]
        known = tuple(picks) if len(picks) == len(weights) else chooser.start(weights, self.progress.picks)
        return chooser.priced(weights, known, rounding)

    def _hold(self, share: float) -> None:
        """Hold the share of the weights that lie nearest to their codes, and those held before.

        Of transforms and codebooks, whose codes stand for other weights after every change, none is held.
        """
        codes, weights = self._fixed(), self.trainer.weights
        sizes = [torch.full_like(w, float(STEPS[p.step])) for w, p in zip(weights, codes.picks, strict=True)]
        off = (flatten(weights) - flatten([w.to(weights[0]) for w in codes.weights])).abs() / flatten(sizes)
        on_grid = torch.cat(
            [
                torch.full_like(w, float(isinstance(c, Quantised))).flatten()
                for w, c in zip(weights, codes.tensors, strict=True)
            ]
        ).bool()
        off[~on_grid] = torch.inf
        if self.trainer.held is not None:
            off[self.trainer.held] = -1.0
        nearest = off.argsort(stable=True)[: min(round(share * len(off)), int(on_grid.sum()))]
        held = torch.zeros(len(off), dtype=torch.bool)
        held[nearest.cpu()] = True
        self.trainer.hold(held, codes.weights)

    def _grid(self) -> Grid | None:
        picks = [pick for pick in self.progress.picks if pick is not None]
        if not self.settings.straight_through or len(picks) < len(self.progress.picks):
            return None
        return grid_of(self.network, picks, self.settings.dead_zone, self.progress.scales)

    def _steer(self, size: int, share: float) -> None:
        if not (self.finishing and self.settings.steer and self.settings.bound):
            return
        low, high = HALVES
        wanted = self.settings.at(share).bound
        self.progress.price *= min(high, max(low, (size / wanted) ** STEER))
        self.trainer.rate_price = self.progress.price

    def _polished(self, codes: Codes) -> Codes:
        """The codes after `polish` moves, and within the bound, if moves of single grid codes get there."""
        if not (self.settings.polish or above(self._chooser(self.settings, self.calibration), codes)):
            return codes
        images = self.train.sample(POLISH_IMAGES)

        def slope(weights: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
            return slopes(self.network, images, self._placed(weights))

        for _ in range(TRIES):  # as codes change, so does what is cut, and with it the rest of the file
            chooser = self._chooser(self.settings, images)
            codes = polish(chooser, codes, slope, trials=self.settings.polish)
            size = self.size(codes)
            self.progress.overhead = size - codes.bits / 8
            if not self.settings.bound or size <= self.settings.bound:
                break
        return codes

    def _chooser(self, settings: CompressionSettings, images: Images) -> Chooser:
        def loss(weights: Sequence[Tensor]) -> float:
            return quality(self.network, images, weights=self._placed(weights))[0]

        return Chooser(self.network.plan, settings, loss, overhead=self.progress.overhead, train_images=len(self.train))

    def _placed(self, weights: Sequence[Tensor]) -> list[Tensor]:
        return [w.to(self.trainer.theta.device, non_blocking=True) for w in weights]

    def _told(self, steps: int, train_loss: float, codes: Codes, size: int, images: Images) -> Round:
        """Before and after the loss, on the same images."""
        float_loss = quality(self.network, images, weights=self.trainer.weights)[0]
        if not (isfinite(float_loss) and isfinite(codes.loss)):
            raise NonFinite(self.trainer.done - 1, "the logits on calibration images are not finite")
        return Round(
            steps=steps,
            train_loss=train_loss,
            float_loss=float_loss,
            loss=codes.loss,
            bytes=size,
        )

    def state(self) -> tuple[bytes, dict[str, Tensor]]:
        """All that `restore` needs to go on to the same bits."""
        return msgspec.json.encode(self.progress), self.trainer.state()

    def restore(self, progress: bytes, tensors: Mapping[str, Tensor]) -> None:
        self.progress = msgspec.json.decode(progress, type=Progress)
        self.trainer.restore(tensors)
        self.trainer.rate_price = self.progress.price


def pieces(steps: int, rounds: int) -> list[int]:
    """Steps per round, adding up to `steps`; no round without any."""
    n = min(rounds, max(1, steps))
    return [steps * (i + 1) // n - steps * i // n for i in range(n)]


def _scale(coded: Coded, pick: Pick) -> int:
    return coded.step if isinstance(coded, Quantised) and not coded.zeros else pick.step


def grid_of(network: Network, picks: Sequence[Pick], dead_zone: float, scales: Sequence[int] | None = None) -> Grid:
    """How training rounds each weight of the flat vector. Codes that are no grid leave it as it is.

    `scales`: what a code of 1 is worth in each tensor; None: the step of its pick.
    """

    def flat(values: Iterator[float]) -> Tensor:
        sizes = (t.size for t in network.plan.tensors)
        return torch.cat([torch.full((n,), value) for n, value in zip(sizes, values, strict=True)])

    on_grid = ("grid", "ternary", "sign")
    return Grid(
        step=flat(float(STEPS[p.step]) if p.code in on_grid else 0.0 for p in picks),
        dead_zone=dead_zone,
        least=flat(1.0 if p.code == "sign" else 0.0 for p in picks),
        most=flat(1.0 if p.code in ("sign", "ternary") else 127.0 for p in picks),
        scale=None if scales is None else flat(float(STEPS[s]) for s in scales),
    )
