"""What a process says about itself, so that workers can be compared with the driver. Light; no torch is imported."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from importlib import metadata
from pathlib import Path

import msgspec

# What an outcome's bits depend on beside the job. constriction and msgspec write bytes that are kept.
_LIBRARIES = ("torch", "numpy", "constriction", "msgspec")


class About(msgspec.Struct, frozen=True, kw_only=True):
    """A process and its place."""

    name: str  # for people: machine/process
    node: str  # the machine; two of the same name differ
    device: str  # "" for processors; otherwise which GPU of the node, as CUDA_VISIBLE_DEVICES says
    machine: str  # equal for two processes that can signal each other and see the same files
    pid: int
    born: str  # with `pid` it names a process for ever
    trace: str = ""  # path of the file that takes its stacks
    versions: dict[str, str]
    processor: str


def about(*, node: str, device: str = "", trace: str = "") -> About:
    """This process."""
    return About(
        name=f"{node}/{os.getpid()}",
        node=node,
        device=device,
        machine=machine(),
        pid=os.getpid(),
        born=born(os.getpid()),
        trace=trace,
        versions=versions(),
        processor=processor(),
    )


def differences(here: About, there: About, *, exact: bool) -> tuple[str, list[str]]:
    """(why outcomes from there would not be those of here, or ""; what people should know, one remark each).

    `exact`: outcomes are to be equal bit by bit, which is claimed on processors, not on GPUs.
    """
    names = [name for name, version in here.versions.items() if there.versions.get(name, "") != version]
    fatal = exact or "evonet" in names
    if names == ["evonet"] and here.machine == there.machine:
        fatal = False  # somebody works on the source while it runs: that is theirs to judge
    unlike = ", ".join(f"{name} {there.versions.get(name) or 'missing'} (here {here.versions[name]})" for name in names)
    remarks = []
    if here.processor != there.processor and exact:
        remarks.append(
            f"processor {there.processor} (here {here.processor}): outcomes may differ in their last bits, and so may "
            "the same run elsewhere"
        )
    if not unlike:
        return "", remarks
    text = f"{unlike}: outcomes would depend on which machine had the job. Install the same versions there"
    return (text + ".", remarks) if fatal else ("", [*remarks, text + "."])


def machine() -> str:
    """Equal for processes on one machine in one process name space."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()  # macOS


def born(pid: int) -> str:
    """When the process started, in the kernel's clock ticks; "" where that is not known or it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


@cache
def versions() -> dict[str, str]:
    """Of Python, the libraries that outcomes depend on, and evonet's own source."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}, "evonet": _source()}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _source() -> str:
    """Digest of the package's Python files: a version number stays the same while one works on it."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def processor() -> str:
    """The model of this machine's processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
