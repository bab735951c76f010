"""How workers find the code: the driver's own folders on this machine, copies of packages on those of a cluster."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from evonet.workers.base import WorkersSettings


def environment(settings: WorkersSettings) -> dict[str, str]:
    """Variables of every worker: threads as configured, and no GPU that was not asked for.

    torch reads the number of threads when it is imported, so it has to stand there before. Ray shows all GPUs to an
    actor that asked for none.
    """
    variables = {name: str(settings.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return variables if settings.gpus_per_worker else {**variables, "CUDA_VISIBLE_DEVICES": ""}


def import_path(*modules: str) -> str:
    """PYTHONPATH for workers: the folders of `modules` ("a.b" or "a.b:function"), then what the user has set."""
    folders = [_home_of(_top(module)) for module in modules]
    return os.pathsep.join(dict.fromkeys(filter(None, [*folders, os.environ.get("PYTHONPATH")])))


def packages(*modules: str) -> list[str]:
    """Paths of the top-level packages, or single files, that hold `modules`: what has to travel to other machines."""
    return list(dict.fromkeys(filter(None, (_place_of(_top(module)) for module in modules))))


def _top(module: str) -> str:
    return module.partition(":")[0].partition(".")[0]


def _home_of(package: str) -> str | None:
    place = _place_of(package)
    return None if place is None else str(Path(place).parent)


def _place_of(package: str) -> str | None:
    """The folder of a package, or the file of a module; None if it cannot be found here either."""
    spec = sys.modules[package].__spec__ if package in sys.modules else importlib.util.find_spec(package)
    if spec is None:
        return None
    return str(next(iter(spec.submodule_search_locations or [spec.origin or ""])))
