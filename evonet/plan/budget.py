"""What an expansion may cost at most, checked in integers before anything is allocated."""

import msgspec

from evonet.errors import GenomeError
from evonet.plan.types import Costs, Shape


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one plan. The defaults keep a hostile genome below a second and a few hundred megabytes."""

    weights: int = 2**20
    macs: int = 2**34
    neurons: int = 2**24
    covering: int = 2**16  # taps of all motifs that cover their source, which have one per position
    side: int = 4096  # height and width of the input
    channels: int = 256  # of the input
    classes: int = 65536

    def check(self, where: str, costs: Costs) -> None:
        """Raises GenomeError if `costs`, summed up to the gene `where`, exceed a limit."""
        for name in ("weights", "macs", "neurons"):
            cost, limit = getattr(costs, name), getattr(self, name)
            if cost > limit:
                raise GenomeError(
                    f"{where}: {name} reach {cost:,} here, expected at most {limit:,}: use fewer channels or taps"
                )

    def check_covering(self, where: str, taps: int) -> None:
        """Raises GenomeError if the taps that cover sources, summed up to `where`, exceed the limit."""
        if taps > self.covering:
            raise GenomeError(
                f"{where}: taps that cover their source reach {taps:,} here, expected at most {self.covering:,}: "
                "halve the source first"
            )

    def check_input(self, shape: Shape, classes: int) -> None:
        channels, height, width = shape
        if not (1 <= channels <= self.channels and 1 <= height <= self.side and 1 <= width <= self.side):
            raise GenomeError(
                f"input = {channels}x{height}x{width}, expected 1..{self.channels} channels and sides of 1..{self.side}"
            )
        if not 1 <= classes <= self.classes:
            raise GenomeError(f"classes = {classes}, expected 1..{self.classes}")
