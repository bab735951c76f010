"""`evonet pack`: the codec for anybody's small network, evolved or not, and `unpack`, which gives the state dict back.

What is asked for is an error of the weights, a size in bytes, or what a loss of the caller's own bears. Weights come
back near what they were, in the dtype they had; integers come back exactly.
"""

from evonet.packing.state import pack_state, unpack_state

__all__ = ["pack_state", "unpack_state"]
