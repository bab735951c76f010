"""Evolution over wiring: genomes of a few dozen bytes that expand into small, accurate PyTorch networks.

    evonet.load(path)                                 the network in an `.evo` file, a torch.nn.Module
    evonet.expand(genome, input=(1, 28, 28), classes=10)    what a genome means, in integers
    evonet.open_run(path)                             a run, alive or not: its record, columns and figures

Each is imported on first use, so that `import evonet` costs nothing and needs neither torch nor ray nor deap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evonet.network.build import load as load
    from evonet.notebook import open_run as open_run
    from evonet.plan import expand as expand

__version__ = "0.1.0"
__all__ = ["__version__", "expand", "load", "open_run"]

_HOMES = {"load": "evonet.network.build", "expand": "evonet.plan", "open_run": "evonet.notebook"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'evonet' has no attribute {name!r}; it has {', '.join(sorted(_HOMES))}")
    return getattr(import_module(_HOMES[name]), name)
