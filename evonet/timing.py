"""What computing costs on a device, in integers: what lowerings are chosen by."""

from typing import Annotated

import msgspec
from msgspec import Meta

Cost = Annotated[int, Meta(ge=0, le=10**9)]


class CostTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [costs]: forward and both gradients, float32, batch 128. Measured by `evonet doctor --calibrate`.

    The defaults are of one core of an AMD EPYC with AVX-512. Equal tables choose equally: a run carries its own.
    """

    call: Cost = 65_000  # nanoseconds of a part of a stage, per step
    element: Cost = 700  # picoseconds of a neuron of a source or a target; all that follow are picoseconds too
    mac: Cost = 21  # a multiply-add of a convolution, full or grouped
    depthwise_mac: Cost = 53  # a multiply-add of a depthwise convolution of 3x3, or of one row or column
    wide_depthwise_mac: Cost = 640  # a multiply-add of any other
    gather_row: Cost = 4_532  # a pair of positions that a gather reads
    gather: Cost = 198  # a number that a gather reads
    linear_mac: Cost = 42  # a multiply-add of a product with a flattened source
    region: Cost = 1_200_000  # a region cut out and put back
    region_mac: Cost = 33  # a multiply-add of a convolution of regions
    places_mac: Cost = 135  # a multiply-add of a matrix for every position
    index_mac: Cost = 1_160  # a multiply-add of a matrix for every tile
