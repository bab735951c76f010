"""README: nncodec's side, run by the other environment's Python. It knows nothing of evonet and needs only numpy.

    PYTHON theirs.py TENSORS.npz SETTINGS.json OUT.npz

TENSORS: named float32 arrays. SETTINGS: a list of {"qp": {name: int}, "use_dq": bool, "lambda_scale": float,
"repeat": int}. OUT: `sizes` in bytes, `encode` and `decode` in seconds (medians of `repeat`), and the decoded tensors
of setting number k as "k/name".

What favours nncodec: for every setting the smaller of the files with and without `param_opt` counts (with dependent
quantisation `param_opt` makes files larger), and weight and bias of a layer travel as one block, 10 bytes fewer a pair.
`nncodec.nnc` is called, not `nncodec.nn`, which has no way to the rate-distortion quantisation (`lambda_scale`). An
array whose name is not LAYER.weight or LAYER.bias is on its own.
"""

import json
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from types import ModuleType
from typing import Any

import numpy as np

# The codec imports loaders of torch and TensorFlow models, and with them torch, torchvision and more. They have no part
# in the coding of arrays: empty modules take their place.
_loaders = ModuleType("nncodec.framework")
for _name in ("tensorflow_model", "pytorch_model", "use_case_init"):
    setattr(_loaders, _name, ModuleType(_name))
sys.modules["nncodec.framework"] = _loaders

from nncodec import nnc  # noqa: E402

Arrays = dict[str, np.ndarray]


def main() -> None:
    tensors, settings, out = sys.argv[1:]
    arrays = dict(np.load(tensors))
    with open(settings) as file:
        results = [run(arrays, setting) for setting in json.load(file)]
    sizes, encode, decode, decoded = zip(*results, strict=True)
    named = {f"{k}/{name}": value for k, arrays in enumerate(decoded) for name, value in arrays.items()}
    np.savez(out, sizes=sizes, encode=encode, decode=decode, **named)


def run(arrays: Arrays, setting: dict[str, Any]) -> tuple[int, float, float, Arrays]:
    """Size, seconds to encode, seconds to decode, decoded arrays."""
    tried = [timed(lambda on=on: compress(arrays, setting, on), setting["repeat"]) for on in (True, False)]
    file, encode = min(tried, key=lambda result: len(result[0]))
    decoded, decode = timed(lambda: nnc.decompress(bytearray(file)), setting["repeat"])  # bytes are taken for a path
    assert all(decoded[name].shape == array.shape for name, array in arrays.items())
    return len(file), encode, decode, decoded


def compress(arrays: Arrays, setting: dict[str, Any], param_opt: bool) -> bytearray:
    # qp_per_tensor for all tensors: a nonweight_qp of 0 reads as none given, and its default makes biases very fine
    return nnc.compress(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()},
        bitstream_path=None,
        qp_per_tensor={name: np.int32(qp) for name, qp in setting["qp"].items()},
        use_dq=setting["use_dq"],
        lambda_scale=setting["lambda_scale"],
        param_opt=param_opt,
        block_id_and_param_type=blocks(arrays),
        return_bitstream=True,
    )


def blocks(arrays: Arrays) -> dict[str, dict[str, str]] | None:
    """The layers that have both a weight and a bias; None if there are none."""
    layers = {name.removesuffix(".bias") for name in arrays if name.endswith(".bias")}
    names = [name for name in arrays if name.rpartition(".")[0] in layers]
    if not names:
        return None
    split = {name: name.rpartition(".") for name in names}
    return {
        "block_identifier": {name: layer for name, (layer, _, _) in split.items()},
        "parameter_type": {name: part for name, (_, _, part) in split.items()},
    }


def timed(work: Callable[[], Any], repeat: int) -> tuple[Any, float]:
    """The last result, and the median of the seconds."""
    seconds = []
    for _ in range(repeat):
        started = perf_counter()
        result = work()
        seconds.append(perf_counter() - started)
    return result, median(seconds)


if __name__ == "__main__":
    main()
