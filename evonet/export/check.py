"""Proof that an exported module gives the network's own answers: run in a fresh interpreter without evonet."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray

from evonet import seeds
from evonet.errors import ExportError
from evonet.network import Network

IMAGES = 8
TOLERANCE = 1e-4  # largest difference of logits, relative to the largest logit
SECONDS = 600  # a generous last resort

_CHILD = """
import importlib.util, os, sys
sys.path += sys.argv[3].split(os.pathsep)
sys.modules["evonet"] = None
import numpy, torch
torch.set_num_threads(1)
spec = importlib.util.spec_from_file_location("model", sys.argv[1])
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)
images = torch.from_numpy(numpy.load(sys.argv[2] + "/images.npy"))
with torch.no_grad():
    logits = [model.load(path).double()(images).numpy() for path in sys.argv[4:]]
numpy.save(sys.argv[2] + "/logits.npy", numpy.stack(logits))
"""


def check(network: Network, model: Path, weight_files: Sequence[Path]) -> float:
    """The largest relative difference between the logits of `network` and of `model` with each of the weight files.

    Both compute in float64 on the same random images: a difference is then an error of wiring or weights, not the
    rounding that a normalisation may magnify. `network` stays float64.

    Raises:
        ExportError: the module does not run without evonet, or the difference exceeds TOLERANCE.
    """
    shape = (IMAGES, *network.plan.input)
    images = np.random.Generator(np.random.Philox(key=seeds.key("export", repr(shape)))).random(shape)
    with torch.no_grad():
        expected = network.double()(torch.from_numpy(images)).numpy()
    logits = _run(model, weight_files, images)
    if logits.shape != (len(weight_files), *expected.shape):
        raise ExportError(
            f"{model}: gave logits {logits.shape[1:]}, expected {expected.shape}. This is a bug of evonet."
        )
    size = max(float(np.abs(expected).max()), 1e-6)
    for file, came in zip(weight_files, logits, strict=True):
        difference = float(np.abs(came - expected).max()) / size
        if not difference <= TOLERANCE:  # written so that NaN fails
            raise ExportError(
                f"{model} with {file.name}: logits differ by {difference:.2g} relative to the network's own, "
                f"expected at most {TOLERANCE:g}. This is a bug of evonet; nothing was exported."
            )
    return float(np.abs(logits - expected).max()) / size


def _run(model: Path, weight_files: Sequence[Path], images: NDArray[np.float64]) -> NDArray[np.float64]:
    # -I: neither the current folder nor PYTHONPATH; -B: no __pycache__ in the exported folder. What evonet's own
    # interpreter found torch and safetensors by may be missing then, so their folders are named.
    libraries = {str(Path(str(library.__file__)).parents[1]) for library in (torch, safetensors, np)}
    with tempfile.TemporaryDirectory() as scratch:
        np.save(f"{scratch}/images.npy", images)
        found = os.pathsep.join(sorted(libraries))
        command = [sys.executable, "-I", "-B", "-c", _CHILD, model, scratch, found, *weight_files]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        try:
            done = subprocess.run(
                [str(part) for part in command],
                env=environment,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ExportError(f"{model}: gave no logits within {SECONDS} s; nothing was exported.") from error
        if done.returncode != 0:
            story = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
            raise ExportError(f"{model}: does not run without evonet ({story}); nothing was exported.")
        return np.asarray(np.load(f"{scratch}/logits.npy", allow_pickle=False), dtype=np.float64)
