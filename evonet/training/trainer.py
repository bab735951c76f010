"""Brief backprop. All weights live in one flat vector: rounding, rate and optimiser are a few operations a step."""

from collections.abc import Mapping, Sequence
from math import cos, log, pi

import torch
import torch.nn.functional as F
from torch import Tensor

from evonet.network import Network
from evonet.training import captured
from evonet.training.batches import Batches, augmented
from evonet.training.captured import Captured, Slope
from evonet.training.images import Images
from evonet.training.objective import Objective
from evonet.training.rounding import Grid, rate_bits, reach, straight_through
from evonet.training.settings import SaccadeSettings, TrainingSettings

LN2 = log(2)


class NonFinite(ArithmeticError):  # noqa: N818 - an outcome in the making, not a fault of the program
    """A loss or a weight that is not a finite number, at `step`."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"{what} at step {step}")
        self.step = step


class Trainer:
    """One training of `steps` steps, taken in as many pieces as there are rounds; the schedule spans them all."""

    def __init__(
        self,
        network: Network,
        weights: Sequence[Tensor],
        images: Images,
        settings: TrainingSettings,
        *,
        steps: int,
        seed: int,
        rates: Sequence[Tensor] | None = None,
        rate_price: float = 0.0,
        looking: SaccadeSettings | None = None,
        within: bool = False,
    ) -> None:
        """`rates`: share of the learning rate per weight, None = 1. `rate_price`: nats of loss per estimated bit.

        `within`: under a grid, weights stay within what its codes reach.
        `looking`: how a network with a saccade gene learns where to look; None is the default.
        """
        self.network, self.settings, self.steps, self.seed = network, settings, steps, seed
        self.theta = flatten(weights).to(_device(network)).requires_grad_()
        self.mean = self.theta.detach().clone() if settings.average else None
        self.rates = None if rates is None else flatten(rates).to(self.theta)
        self.rate_price = rate_price
        self.within, self._reach = within, torch.tensor(torch.inf)
        self.held: Tensor | None = None  # bool: weights that stay where they are
        self.done = 0
        self._batches = Batches(images, settings.batch, seed)
        self._objective = None
        if network.plan.saccade is not None:
            self._objective = Objective(network, looking or SaccadeSettings(), steps=steps, seed=seed)
        self._optimizer = _optimizer(settings, self.theta)

    @property
    def weights(self) -> list[Tensor]:
        """What is to be compressed, shaped as the plan's tensors: the moving average, or views of the flat vector."""
        return unflatten(self.theta.detach() if self.mean is None else self.mean, self.network)

    def replace(self, weights: Sequence[Tensor]) -> None:
        """Go on from other weights, the decoded ones for example; the optimiser's moments stay."""
        flat = flatten(weights).to(self.theta)
        with torch.no_grad():
            self.theta.copy_(flat)
        if self.mean is not None:
            self.mean.copy_(flat)

    def hold(self, held: Tensor, weights: Sequence[Tensor]) -> None:
        """From now on the `held` weights (flat, bool) are those of `weights`, and are trained no more."""
        flat = flatten(weights).to(self.theta)
        self.held = held.to(self.theta.device)
        with torch.no_grad():
            self.theta.copy_(torch.where(self.held, flat, self.theta))
        if self.mean is not None:
            self.mean.copy_(torch.where(self.held, flat, self.mean))

    def state(self) -> dict[str, Tensor]:
        """All that changes, by name: with it `restore` goes on to the same bits."""
        moments = self._optimizer.state_dict()["state"].get(0, {})
        found = {"theta": self.theta.detach(), "mean": self.mean, "held": self.held, "done": torch.tensor(self.done)}
        found |= {f"moments.{name}": torch.as_tensor(value) for name, value in moments.items() if value is not None}
        return {name: value.clone() for name, value in found.items() if value is not None}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """What `state` gave, of a trainer of the same network and settings."""
        with torch.no_grad():
            self.theta.copy_(state["theta"])
        device = self.theta.device
        self.mean = state["mean"].to(device, copy=True) if "mean" in state else None
        self.held = state["held"].to(device, copy=True) if "held" in state else None
        self.done = int(state["done"])
        moments = {name.removeprefix("moments."): v.clone() for name, v in state.items() if name.startswith("moments.")}
        whole = self._optimizer.state_dict()
        self._optimizer.load_state_dict(whole | {"state": {0: moments} if moments else {}})

    def run(self, steps: int, grid: Grid | None) -> float:
        """Train `steps` steps, through the rounding to `grid` if given.

        Returns the mean loss of the last quarter in bits per label. Raises NonFinite.
        """
        if grid is not None:
            grid = grid.to(self.theta.device)
        self._reach = reach(grid) if grid is not None and self.within else torch.tensor(torch.inf)
        slope = self._captured(steps, grid)
        losses = [self._step(slope) for _ in range(steps)]
        tail = torch.stack(losses[-max(1, steps // 4) :]) if losses else torch.zeros(1)
        if losses and not bool(torch.isfinite(torch.stack(losses)).all() and torch.isfinite(self.theta).all()):
            bad = next((i for i, loss in enumerate(losses) if not torch.isfinite(loss)), None)
            if bad is None:
                raise NonFinite(self.done - 1, "a weight is not finite")
            raise NonFinite(self.done - steps + bad, f"training loss is {float(losses[bad])}")
        return float(tail.mean()) / LN2

    def _step(self, slope: Slope) -> Tensor:
        loss, self.theta.grad = slope(*self._images(self.done))
        if self.settings.clip:
            torch.nn.utils.clip_grad_norm_([self.theta], self.settings.clip)
        self._update()
        self.done += 1
        return loss

    def _images(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of a step as the network sees it, with its labels."""
        x, labels = self._batches[step]
        x, labels = x.to(self.theta.device), labels.to(self.theta.device)
        if step < self.settings.augment_until * self.steps:
            x = augmented(x, self.settings, self.seed, step)
        return x, labels

    def _captured(self, steps: int, grid: Grid | None) -> Slope:
        """`_slope` through `grid` for the next `steps` steps; on a GPU as one graph, where every step is the same."""

        def slope(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            return self._slope(x, labels, grid)

        if not self.theta.is_cuda or self._objective is not None or steps < captured.FEWEST:
            return slope
        return Captured(slope, *self._images(self.done))

    def _slope(self, x: Tensor, labels: Tensor, grid: Grid | None) -> tuple[Tensor, Tensor]:
        """The cross-entropy, and the gradient of all that is minimised."""
        theta = self.theta if grid is None else straight_through(self.theta, grid)
        loss, total = self._loss(x, labels, unflatten(theta, self.network))
        if grid is not None and self.rate_price:
            total = total + self.rate_price * rate_bits(self.theta, grid)
        (gradient,) = torch.autograd.grad(total, [self.theta])
        return loss.detach(), gradient

    def _loss(self, x: Tensor, labels: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The cross-entropy, and all that is minimised but for the rate term."""
        if self._objective is None:
            loss = F.cross_entropy(self.network(x, weights), labels)
            return loss, loss
        boxes = self._batches.boxes(self.done) if self._objective.wants_boxes else None
        return self._objective(x, labels, weights, self.done, boxes)

    def _update(self) -> None:
        """One optimiser step; with `rates`, each weight goes that share of the way, and what is held stays."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.settings.lr * schedule(self.done, self.steps, self.settings)
        before = self.theta.detach().clone() if self.rates is not None or self.held is not None else self.theta
        self._optimizer.step()
        with torch.no_grad():
            if self.rates is not None:
                self.theta.copy_(torch.lerp(before, self.theta, self.rates))
            if self.held is not None:
                self.theta.copy_(torch.where(self.held, before, self.theta))
            if self.within:
                self.theta.copy_(self.theta.clamp(-self._reach, self._reach))
            if self.mean is not None:
                # A short memory at first, or random weights would weigh on the mean for 1 / (1 - decay) steps.
                decay = min(self.settings.average, (self.done + 1) / (self.done + 10))
                self.mean.lerp_(self.theta, 1 - decay)


def schedule(step: int, steps: int, settings: TrainingSettings) -> float:
    """The share of the learning rate at `step` of `steps`: in (0, 1]."""
    rising = (step + 1) / (settings.warmup * steps + 1)
    left = (steps - step) / steps
    if settings.schedule == "cosine":
        return min(1.0, rising) * 0.5 * (1 + cos(pi * (1 - left)))
    if settings.schedule == "trapezoid" and settings.decay > 0:
        return min(1.0, rising, left / settings.decay)
    return min(1.0, rising)


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.detach().reshape(-1) for t in tensors]) if tensors else torch.zeros(0)


def unflatten(theta: Tensor, network: Network) -> list[Tensor]:
    shapes = [t.shape for t in network.plan.tensors]
    sizes = [t.size for t in network.plan.tensors]
    return [piece.view(shape) for piece, shape in zip(torch.split(theta, sizes), shapes, strict=True)]


def _optimizer(settings: TrainingSettings, theta: Tensor) -> torch.optim.Optimizer:
    if settings.optimizer == "sgd":
        return torch.optim.SGD([theta], lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind([theta], lr=settings.lr, weight_decay=settings.weight_decay, fused=True)


def _device(network: Network) -> torch.device:
    return next((p.device for p in network.parameters()), torch.device("cpu"))
