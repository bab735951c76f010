"""Where a run comes from: versions, commit, machine, command. Recorded with the run; nothing is decided by it."""

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from evonet import __version__
from evonet.workers.base import processors
from evonet.workers.origin import processor

_PACKAGES = ("torch", "numpy", "ray", "deap", "msgspec", "safetensors")


def provenance() -> dict[str, object]:
    """Plain data for the run's record. `commit` is "" outside a checkout and ends in "+" where files differ."""
    return {
        "evonet": __version__,
        "python": platform.python_version(),
        "packages": package_versions(),
        "commit": _commit(),
        "machine": machine(),
        "command": " ".join(["evonet", *sys.argv[1:]]),
    }


def package_versions() -> dict[str, str]:
    """Installed versions, "" for a package that is missing."""
    return {name: _version(name) for name in _PACKAGES}


def machine() -> dict[str, object]:
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "processors": processors(),
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    """The commit of the checkout that holds this file; a package installed into some other project's tree has none."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return ""
    commit = _git(root, "rev-parse", "HEAD")
    return f"{commit}+" if commit and _git(root, "status", "--porcelain", "--", "evonet") else commit


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10)  # noqa: S607
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
