"""How weights are compressed, round after round."""

from typing import Annotated

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]


class CompressionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [compression] of a run configuration.

    The codes of a round are those with the least `size_weight x 8 x bytes + N x loss`, N = training images, loss in
    bits per label on `calibration` images; above `bound` bytes (0 = no bound) every byte costs 8 x `over` on top.
    With a `ramp`, early rounds price size at a share of its weight, and their bound is as many times larger: what was
    connected in plenty is first learned, then cut.
    """

    rounds: Annotated[int, Meta(ge=1, le=64)] = 2  # of a brief evaluation
    finish_rounds: Annotated[int, Meta(ge=1, le=256)] = 8
    straight_through: bool = True  # from the second round on, train through the rounding
    rate_term: Annotated[float, Meta(ge=0)] = 1.0  # weight of the estimated bits in the training loss
    size_weight: Annotated[float, Meta(ge=0)] = 1.0
    bound: Annotated[int, Meta(ge=0)] = 0
    over: Annotated[float, Meta(ge=1)] = 8.0
    ramp: Annotated[float, Meta(ge=0, le=8)] = 0.0  # round k of n prices size at (k / n) ** ramp; 0: in full
    dead_zone: Annotated[float, Meta(ge=0, lt=0.5)] = 0.1  # steps by which the zero bin is wider on each side
    calibration: Annotated[int, Meta(ge=32)] = 256  # images for the choice of codes in a brief evaluation
    finish_calibration: Annotated[int, Meta(ge=32)] = 2000
    sweeps: Annotated[int, Meta(ge=0, le=8)] = 1  # passes over single tensors, a round; the first rung makes none
    from_shadow: bool = True  # go on from the float weights; false: from the decoded ones

    def at(self, share: float) -> "CompressionSettings":
        """These settings after `share` of the rounds, in (0, 1]."""
        price = share**self.ramp
        if price == 1:
            return self
        return msgspec.structs.replace(self, size_weight=self.size_weight * price, bound=round(self.bound / price))
