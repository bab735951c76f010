"""What computes: a torch module built from a plan. torch starts here."""

from evonet.network.build import build, decoded, initialise
from evonet.network.network import Network

__all__ = ["Network", "build", "decoded", "initialise"]
