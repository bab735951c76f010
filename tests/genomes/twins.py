"""The networks of `genomes/` in torch's own modules, with the weights that the genome's tensors then have.

A twin's `weights` are functions of its modules' parameters, in the order of `Plan.tensors`, so that the genome's
network can compute with them and gradients of both arrive at the same parameters.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from looking_twins import Glance, SaccadeConv, SaccadePath, SaccadeSet
from torch import Tensor, nn
from torch.nn import AdaptiveAvgPool2d, AvgPool2d, Conv1d, Conv2d, Flatten, Linear, MaxPool1d, MaxPool2d, ReLU, Tanh


class Twin(NamedTuple):
    modules: Sequence[nn.Module]  # that hold the parameters
    forward: Callable[[Tensor], Tensor]
    weights: Sequence[Tensor]


def taps(layer: Conv1d | Conv2d) -> Tensor:
    """(out, in / groups, taps), taps in reading order as in a plan; a depthwise layer's (out, taps)."""
    flat = layer.weight.flatten(2)
    return flat[:, 0] if layer.groups == layer.in_channels > 1 else flat


def row(layer: nn.Module) -> Tensor:
    return layer.bias[None]


def both(layer: nn.Module) -> tuple[Tensor, Tensor]:
    return taps(layer), row(layer)


class Bias(nn.Module):
    """A number per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(channels))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.bias[:, None, None]


def means_and_maxima(h: Tensor) -> Tensor:
    positions = tuple(range(2, h.dim()))
    return torch.cat([h.mean(positions), h.amax(positions)], 1)


def rms(h: Tensor) -> Tensor:
    return F.rms_norm(h.movedim(1, -1), h.shape[1:2], eps=1e-5).movedim(-1, 1)


def stack(layers: Sequence[nn.Module], *, grid: int = 1) -> Twin:
    """Layers one after another, the convolutions among them as sheets, and a linear readout of grid x grid means."""
    convolutions = [layer for layer in layers if isinstance(layer, Conv2d)]
    linear = Linear(convolutions[-1].out_channels * grid * grid, 10)
    net = nn.Sequential(*layers, AdaptiveAvgPool2d(grid), Flatten(), linear)
    weights = [w for layer in convolutions for w in both(layer)]
    return Twin([net], net, [*weights, linear.weight, linear.bias])


def conv() -> Twin:
    a, b = Conv2d(1, 8, 3, padding=1), Conv2d(8, 16, 3, padding=1)
    return stack([a, ReLU(), MaxPool2d(2), b, ReLU(), MaxPool2d(2)], grid=2)


def lenet5(padding: int = 0) -> Twin:
    """`padding`: of the first convolution; 2 is the variant for images of 28x28."""
    a, b = Conv2d(1, 6, 5, padding=padding), Conv2d(6, 16, 5)
    c, d, e = Linear(400, 120), Linear(120, 84), Linear(84, 10)
    net = nn.Sequential(a, Tanh(), AvgPool2d(2), b, Tanh(), AvgPool2d(2), Flatten(), c, Tanh(), d, Tanh(), e)
    c64, c48, c8 = ((w.unflatten(1, (16, 25)), bias[None]) for w, bias in parts(c, (64, 48, 8)))
    weights = [*both(a), *both(b), *c64, *c48, *c8]
    for layer, rows, columns in ((d, (64, 20), (64, 48, 8)), (e, (10,), (64, 20))):
        for w, bias in parts(layer, rows):  # the nearest sheet is the last of the columns, and is read first
            weights += [part[..., None] for part in reversed(w.split(columns, 1))]
            weights.append(bias[None])
    return Twin([net], net, weights)


def parts(layer: Linear, sizes: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
    """The layer's outputs cut into layers of so many."""
    cuts = pairwise(accumulate(sizes, initial=0))
    return [(layer.weight[first:last], layer.bias[first:last]) for first, last in cuts]


def mlp() -> Twin:
    a, b, c = Linear(784, 64), Linear(64, 32), Linear(32, 10)
    net = nn.Sequential(Flatten(), a, ReLU(), b, ReLU(), c)
    return Twin([net], net, [a.weight[:, None], row(a), b.weight[..., None], row(b), c.weight, c.bias])


def depthwise_separable() -> Twin:
    a = Conv2d(1, 12, 3, stride=2, padding=1)
    b, c = Conv2d(12, 12, 3, stride=2, padding=1, groups=12, bias=False), Conv2d(12, 24, 1)
    d, e = Conv2d(24, 24, 3, padding=1, groups=24, bias=False), Conv2d(24, 32, 1)
    f = Linear(32, 10)
    net = nn.Sequential(a, ReLU(), b, c, ReLU(), d, e, ReLU(), AdaptiveAvgPool2d(1), Flatten(), f)
    return Twin([net], net, [*both(a), taps(b), *both(c), taps(d), *both(e), f.weight, f.bias])


def dilated() -> Twin:
    a, b = Conv2d(1, 8, 3, stride=2, padding=1), Conv2d(8, 12, 3, padding=2, dilation=2)
    return stack([a, ReLU(), b, nn.GELU(), AvgPool2d(2)], grid=2)


def grouped() -> Twin:
    a, b = Conv2d(1, 16, 3, padding=1), Conv2d(16, 16, 3, padding=1, groups=4)
    c = Conv2d(16, 12, 3, padding=1)
    return stack([a, ReLU(), MaxPool2d(2), b, ReLU(), MaxPool2d(2), c, ReLU()])


def torus() -> Twin:
    a = Conv2d(1, 8, 3, padding=1, padding_mode="circular")
    b = Conv2d(8, 12, 3, padding=4, dilation=4, padding_mode="circular")
    return stack([a, ReLU(), b, ReLU()])


def small_world() -> Twin:
    """One large kernel that is zero but at the genome's taps; where they are is written out here."""
    a, b, c = Conv2d(1, 8, 3, padding=1), Conv2d(8, 12, (1, 13)), Linear(48, 10)
    long = [(-4, -2), (-3, 0), (4, -6), (9, -2)]
    at = sorted(long + [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)])
    rows, columns = ([10 + tap[axis] for tap in at] for axis in (0, 1))

    def forward(x: Tensor) -> Tensor:
        kernel = b.weight.new_zeros(12, 8, 21, 21)
        kernel[:, :, rows, columns] = taps(b)
        h = F.max_pool2d(a(x).relu(), 2)
        h = F.max_pool2d(F.conv2d(h, kernel, b.bias, padding=10).relu(), 2)
        return c(F.adaptive_avg_pool2d(h, 2).flatten(1))

    return Twin([a, b, c], forward, [*both(a), *both(b), c.weight, c.bias])


def locally_connected() -> Twin:
    """A product of every position's patch with its own matrix; the patches are those of torch's unfold."""
    a, b, c = Conv2d(1, 6, 3, padding=1), Conv2d(6, 49 * 8, 3, bias=False), Linear(32, 10)
    bias = Bias(8)
    own = b.weight.reshape(49, 8, 6 * 9)

    def forward(x: Tensor) -> Tensor:
        h = F.max_pool2d(a(x).relu(), 2)
        patches = F.unfold(h, 3, padding=1, stride=2)
        h = bias(torch.einsum("bip,poi->bop", patches, own).unflatten(2, (7, 7)))
        return c(F.adaptive_avg_pool2d(h.relu(), 2).flatten(1))

    return Twin([a, b, bias, c], forward, [*both(a), own.unflatten(2, (6, 9)), row(bias), c.weight, c.bias])


def tiles() -> Twin:
    """Four convolutions, each over its quarter of the padded sheet."""
    a, b = Conv2d(1, 8, 3, padding=1), nn.ModuleList(Conv2d(8, 12, 3, bias=False) for _ in range(4))
    bias, c = Bias(12), Linear(48, 10)

    def forward(x: Tensor) -> Tensor:
        h = F.pad(F.max_pool2d(a(x).relu(), 2), (1, 1, 1, 1))
        quarters = [b[2 * i + j](h[:, :, 7 * i : 7 * i + 9, 7 * j : 7 * j + 9]) for i in (0, 1) for j in (0, 1)]
        h = bias(torch.cat([torch.cat(quarters[:2], 3), torch.cat(quarters[2:], 3)], 2))
        return c(F.adaptive_avg_pool2d(F.max_pool2d(h.relu(), 2), 2).flatten(1))

    kernels = torch.stack([taps(layer) for layer in b])
    return Twin([a, b, bias, c], forward, [*both(a), kernels, row(bias), c.weight, c.bias])


def tied_block() -> Twin:
    a, b, c = Conv2d(1, 16, 3, padding=1, bias=False), Conv2d(16, 16, 3, padding=1, bias=False), Linear(16, 10)
    bias = Bias(6 * 16)
    rows = bias.bias.unflatten(0, (6, 16))

    def forward(x: Tensor) -> Tensor:
        h = F.max_pool2d(F.relu(a(x) + rows[0][:, None, None]), 2)
        for step in range(1, 6):
            h = h + F.relu(b(h) + rows[step][:, None, None])
        return c(h.mean((2, 3)))

    return Twin([a, b, bias, c], forward, [taps(a), taps(b), rows, c.weight, c.bias])


def residual() -> Twin:
    a, norm, d = Conv2d(1, 12, 3, padding=1), nn.InstanceNorm2d(12), Linear(12, 10)
    b, c = (Conv2d(12, 12, 3, padding=1, bias=False) for _ in range(2))

    def forward(x: Tensor) -> Tensor:
        h = F.max_pool2d(a(x).relu(), 2)
        h = h + norm(b(h)).relu()
        h = h + norm(c(h)).relu()
        return d(h.mean((2, 3)))

    return Twin([a, b, c, d], forward, [*both(a), taps(b), taps(c), d.weight, d.bias])


def separable_tied() -> Twin:
    a, b = Conv2d(1, 10, 3, padding=1), Conv2d(10, 16, 1)
    wide, mix = Conv2d(16, 16, 3, padding=1, groups=16, bias=False), Conv2d(16, 16, 1, bias=False)
    c = Linear(32, 10)

    def forward(x: Tensor) -> Tensor:
        h = rms(b(F.max_pool2d(rms(a(x)).abs(), 2))).abs()
        for _ in range(3):
            h = h + rms(mix(wide(h)) + b.bias[:, None, None]).abs()
        return c(means_and_maxima(h))

    return Twin([a, b, wide, mix, c], forward, [*both(a), taps(b), taps(wide), taps(mix), row(b), c.weight, c.bias])


def digits_seed() -> Twin:
    a = Conv2d(1, 8, 3, padding=1)
    b, c = Conv2d(8, 8, 3, padding=1, groups=8, bias=False), Conv2d(8, 12, 1)
    d, leaky = Linear(24, 10), nn.LeakyReLU(1 / 8)
    forward = nn.Sequential(a, leaky, MaxPool2d(2), b, c, leaky)
    weights = [*both(a), taps(b), *both(c), d.weight, d.bias]
    return Twin([forward, d], lambda x: d(means_and_maxima(forward(x))), weights)


def rotations() -> Twin:
    """Channel o is kernel o // 4, turned o % 4 times by torch.rot90."""
    a, b, c = Conv2d(1, 2, 5, bias=False), Conv2d(8, 16, 3, padding=1), Linear(16, 10)
    bias = Bias(8)

    def forward(x: Tensor) -> Tensor:
        kernels = torch.stack([torch.rot90(k, r, (1, 2)) for k in a.weight for r in range(4)])
        h = F.max_pool2d(F.conv2d(x, kernels, bias.bias, padding=2).relu(), 2)
        return c(F.max_pool2d(b(h).relu(), 2).mean((2, 3)))

    return Twin([a, bias, b, c], forward, [taps(a), row(bias), *both(b), c.weight, c.bias])


def inception() -> Twin:
    """The four branches lie side by side; the mean has a bias, too, and reads the first four channels."""
    a, b, c, d = (Conv2d(i, o, k, padding=k // 2) for i, o, k in ((1, 8, 3), (8, 4, 1), (8, 4, 3), (8, 4, 5)))
    bias, e = Bias(4), Linear(16, 10)

    def forward(x: Tensor) -> Tensor:
        h = F.max_pool2d(a(x).relu(), 2)
        mean = bias(F.avg_pool2d(h[:, :4], 3, stride=1, padding=1))
        h = torch.cat([b(h), c(h), d(h), mean], 1)
        return e(F.max_pool2d(h.relu(), 2).mean((2, 3)))

    rows = torch.cat([row(b), row(c), row(d), row(bias)], 1)
    return Twin([a, b, c, d, bias, e], forward, [*both(a), taps(b), taps(c), taps(d), rows, e.weight, e.bias])


def dense_skips() -> Twin:
    a, b, c = (
        Conv2d(1, 8, 3, padding=1),
        Conv2d(8, 8, 3, padding=1, bias=False),
        Conv2d(16, 8, 3, padding=1, bias=False),
    )
    d = Linear(96, 10)

    def forward(x: Tensor) -> Tensor:
        first = F.max_pool2d(a(x).relu(), 2)
        second = b(first).relu()
        third = c(torch.cat([second, first], 1)).relu()
        return d(F.adaptive_avg_pool2d(torch.cat([third, second, first], 1), 2).flatten(1))

    return Twin([a, b, c, d], forward, [*both(a), taps(b), taps(c), d.weight, d.bias])


def context() -> Twin:
    a, b = Conv2d(1, 8, 3, padding=1), Conv2d(8, 16, 3, padding=1)
    fine, coarse = Conv2d(8, 12, 3, padding=1), Conv2d(16, 12, 3, padding=1, bias=False)
    c = Linear(48, 10)

    def forward(x: Tensor) -> Tensor:
        first = F.max_pool2d(a(x).relu(), 2)
        second = F.max_pool2d(b(first).relu(), 2)
        h = fine(first) + F.interpolate(coarse(second), scale_factor=2, mode="nearest")
        return c(F.adaptive_avg_pool2d(h.relu(), 2).flatten(1))

    weights = [*both(a), *both(b), taps(fine), taps(coarse), row(fine), c.weight, c.bias]
    return Twin([a, b, fine, coarse, c], forward, weights)


def hadamard() -> Twin:
    a, b = Conv2d(1, 12, 3, padding=1), Conv2d(12, 16, 3, padding=1)
    net = nn.Sequential(a, ReLU(), MaxPool2d(2), b, MaxPool2d(2), AdaptiveAvgPool2d(1), Flatten())
    code = two = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    for _ in range(3):  # Sylvester's construction
        code = torch.kron(two, code)
    return Twin([net], lambda x: net(x) @ code[:10].T / 4, [*both(a), *both(b)])


def sequence() -> Twin:
    a, b = Conv1d(4, 16, 7, padding=3), Conv1d(16, 16, 3, padding=1)
    c, d = Conv1d(16, 24, 5, padding=8, dilation=4), Linear(48, 10)
    net = nn.Sequential(a, ReLU(), MaxPool1d(2), b, ReLU(), MaxPool1d(2), c, ReLU())
    weights = [*both(a), *both(b), *both(c), d.weight, d.bias]
    return Twin([net, d], lambda x: d(means_and_maxima(net(x[:, :, 0]))), weights)


def two_scales() -> Twin:
    a, b, bias, c = Conv2d(1, 8, 3, padding=1), Conv2d(8, 8, 3, bias=False), Bias(16), Linear(16, 10)

    def forward(x: Tensor) -> Tensor:
        h = F.max_pool2d(a(x).relu(), 2)
        h = bias(torch.cat([F.conv2d(h, b.weight, padding=s, dilation=s) for s in (1, 2)], 1))
        return c(F.max_pool2d(h.relu(), 2).mean((2, 3)))

    return Twin([a, b, bias, c], forward, [*both(a), taps(b), row(bias), c.weight, c.bias])


def looked_through(glance: Glance) -> list[Tensor]:
    return [w for layer in (*glance.sheets, glance.logits) for w in both(layer)]


def point(layer: Linear) -> tuple[Tensor, Tensor]:
    """A linear layer of one tap."""
    return layer.weight[..., None], row(layer)


def saccade_set() -> Twin:
    net = SaccadeSet()
    eye = [*both(net.first), taps(net.small), taps(net.large), row(net.small)]
    weights = [*eye, *point(net.each), net.readout.weight, net.readout.bias, *looked_through(net.glance)]
    return Twin([net], net, weights)


def saccade_path() -> Twin:
    net = SaccadePath()
    last = [net.see.weight[..., None], net.remember.weight[..., None], row(net.see)]
    weights = [*both(net.first), *both(net.second), *last, net.readout.weight, net.readout.bias]
    return Twin([net], net, [*weights, *looked_through(net.glance), net.query.weight[..., None]])


def saccade_conv() -> Twin:
    net = SaccadeConv()
    weights = [*both(net.large), *both(net.later), net.readout.weight, net.readout.bias]
    return Twin([net], net, [*weights, *looked_through(net.glance), *both(net.cheap)])


TWINS: dict[str, Callable[[], Twin]] = {
    make.__name__.replace("_", "-"): make
    for make in (
        context,
        conv,
        dense_skips,
        depthwise_separable,
        digits_seed,
        dilated,
        grouped,
        hadamard,
        inception,
        lenet5,
        locally_connected,
        mlp,
        residual,
        rotations,
        saccade_conv,
        saccade_path,
        saccade_set,
        separable_tied,
        sequence,
        small_world,
        tied_block,
        tiles,
        torus,
        two_scales,
    )
}
