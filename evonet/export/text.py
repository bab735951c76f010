"""Source text of written modules: the frame, and the helper functions that only some of them need."""

KERNELS = """\
# Kernels hold zeros where there is no tap; a gathered tap is an offset (dy, dx) from a neuron to the sheet it reads."""
DENSE = """\
# Every stage is a matrix (out neurons, in neurons) and its mask; neuron (c * height + y) * width + x of its sheet.
# Weights that the evolved network shares between connections are copies here, and training moves them apart."""

TEMPLATE = '''\
# An evolved network as plain PyTorch, written by `evonet export`. It needs torch (and safetensors for that format).
{about}
# The genome that it grew from:
#
{genome}

import torch
import torch.nn.functional as F
from torch import Tensor, nn
{helpers}

class Net(nn.Module):
    """Images (batch, {channels}, {height}, {width}), values in [0, 1], to logits (batch, {classes})."""

    def __init__(self) -> None:
        super().__init__()
{declarations}

    def forward(self, x: Tensor) -> Tensor:
{body}
{methods}

def load(path: str) -> Net:
    """The network with the weights in `path`, which ends with .safetensors or .pt."""
    if str(path).endswith(".safetensors"):
        from safetensors.torch import load_file

        weights = load_file(path)
    else:
        weights = torch.load(path, weights_only=True)
    net = Net()
    net.load_state_dict(weights)
    return net.eval()
'''

HADAMARD = '''

def hadamard(rows: int, columns: int) -> Tensor:
    """The upper left corner of a Sylvester-Hadamard matrix: (-1) ** (ones that r and c have in common in base 2)."""
    return torch.tensor([[(-1.0) ** bin(r & c).count("1") for c in range(columns)] for r in range(rows)])
'''

SEEN = '''

def seen(x: Tensor, taps: list, size: tuple, span: tuple, shift: tuple, wrap: bool) -> Tensor:
    """x at each tap of every target position, zero outside or its other side: (batch, channels, taps, *size).

    The position at tap (0, 0) is floor(y * span / size) + shift.
    """
    offsets = torch.tensor(taps, device=x.device)
    row, column = (torch.arange(n, device=x.device) * s // n + o for n, s, o in zip(size, span, shift))
    y, z = (offsets[:, :1] + row)[:, :, None], (offsets[:, 1:] + column)[:, None, :]
    height, width = x.shape[2:]
    values = x[:, :, y % height, z % width]
    return values if wrap else values * ((y >= 0) & (y < height) & (z >= 0) & (z < width))
'''

SPREAD = '''

def spread(weight: Tensor, size: tuple) -> Tensor:
    """Weights (rows, columns, ...) of regions, given to every position of a grid of `size`."""
    row, column = (torch.arange(n, device=weight.device) * t // n for n, t in zip(size, weight.shape[:2]))
    return weight[row][:, column]
'''

WRAPPED = '''

def wrapped(x: Tensor, frame: tuple) -> Tensor:
    """x continued left, right, top and bottom by its other side."""
    left, right, top, bottom = frame
    row = torch.arange(-top, x.shape[2] + bottom, device=x.device) % x.shape[2]
    column = torch.arange(-left, x.shape[3] + right, device=x.device) % x.shape[3]
    return x[:, :, row][:, :, :, column]
'''

PLACED = '''

def placed(weight: Tensor, cells: list, size: tuple) -> Tensor:
    """The kernels of `size` that hold the weights (..., taps) at these cells, and zeros elsewhere."""
    empty = weight.new_zeros(*weight.shape[:-1], size[0] * size[1])
    return empty.index_copy(-1, torch.tensor(cells, device=weight.device), weight).unflatten(-1, size)
'''

MASKED = '''

class MaskedLinear(nn.Module):
    """A Linear layer without bias over flattened neurons. Cells outside the mask are zero, and stay so in training."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))
        self.register_buffer("mask", torch.zeros(outputs, inputs, dtype=torch.bool))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask)
'''
