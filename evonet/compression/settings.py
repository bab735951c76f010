"""How weights are compressed, round after round."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
CodeName = Literal["grid", "ternary", "sign", "book", "dct", "half"]


class CompressionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [compression] of a run configuration.

    The codes of a round are those with the least `size_weight x 8 x bytes + N x loss`, N = training images, loss in
    bits per label on `calibration` images; above `bound` bytes (0 = no bound) every byte costs 8 x `over` on top.
    With a `ramp`, the first half of the rounds prices size at a share of its weight, and their bound is as many times
    larger: what was connected in plenty is first learned, then cut.
    """

    rounds: Annotated[int, Meta(ge=1, le=64)] = 2  # of a brief evaluation
    finish_rounds: Annotated[int, Meta(ge=1, le=1024)] = 8
    straight_through: bool = True  # as soon as all steps are known, train through the rounding; without, no rate term
    from_shadow: bool = True  # go on from the float weights; false: from the decoded ones
    equalise: bool = False  # after the first round, give channels that may be scaled one size
    codes: Annotated[tuple[CodeName, ...], Meta(min_length=1)] = ("grid", "ternary", "sign")  # the first is the start
    rate_term: Annotated[float, Meta(ge=0)] = 1.0  # weight of the estimated bits in the training loss
    steer: bool = False  # finishing with a bound: scale the rate term, round by round, until files are as large
    size_weight: Annotated[float, Meta(ge=0)] = 1.0
    bound: Annotated[int, Meta(ge=0)] = 0
    over: Annotated[float, Meta(ge=1)] = 8.0
    ramp: Annotated[float, Meta(ge=0, le=8)] = 0.0  # until half of the rounds, size is priced at (2 k / n) ** ramp
    dead_zone: Annotated[float, Meta(ge=0, lt=0.5)] = 0.1  # steps by which the zero bin is wider on each side
    rounding: Annotated[float, Meta(ge=0, le=1)] = 0.0  # squared steps of error that a bit is worth, to start with
    calibration: Annotated[int, Meta(ge=32)] = 1000  # images for the choice of codes in a brief evaluation
    finish_calibration: Annotated[int, Meta(ge=32)] = 2000
    effort: Annotated[float, Meta(ge=0, lt=1)] = 0.15  # share of an evaluation's work that goes to the choice
    finish_effort: Annotated[float, Meta(ge=0, lt=1)] = 0.3
    # Share of a finishing's rounds, the first ones, that choose codes; the rest keep their steps, and weights learn to
    # live with them. UNSET stands for all of them; evaluations that say nothing keep their keys.
    settle: Share | msgspec.UnsetType = msgspec.UNSET
    # While training goes through the rounding, keep weights within what their codes reach. Beyond it a gradient changes
    # no code, and weights wander off for good. UNSET, as above, stands for false.
    within: bool | msgspec.UnsetType = msgspec.UNSET
    freeze: Share = 0.0  # share of a finishing's rounds, the last ones, that hold ever more weights at their codes
    polish: Annotated[int, Meta(ge=0)] = 0  # codes that finishing moves by one at the end, if that pays, at most

    @property
    def choosing(self) -> float:
        """`settle`, or its default."""
        return 1.0 if isinstance(self.settle, msgspec.UnsetType) else self.settle

    def at(self, share: float) -> "CompressionSettings":
        """These settings after `share` of the rounds, in (0, 1]."""
        price = min(1.0, 2 * share) ** self.ramp
        if price == 1:
            return self
        return msgspec.structs.replace(self, size_weight=self.size_weight * price, bound=round(self.bound / price))
