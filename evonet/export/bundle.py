"""Write the folder: all of it, checked, or nothing."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save

from evonet.errors import ExportError
from evonet.export.card import Measured, write_card
from evonet.export.check import check
from evonet.export.masks import save_masks
from evonet.export.module import Module, write_dense, write_module
from evonet.files import sync
from evonet.genome.text import to_toml
from evonet.network import Network, decoded
from evonet.package import unpack
from evonet.plan import expand

FORMATS = ("safetensors", "pt", "evo", "dense")
DEFAULT = FORMATS[:3]


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    files: tuple[str, ...]
    difference: float | None  # largest difference of logits after reloading, relative; None without weight files


def export(
    package: bytes,
    out: Path,
    *,
    formats: Sequence[str] = DEFAULT,
    masks: bool = False,
    card: Mapping[str, Measured] | None = None,
) -> Exported:
    """Write the network of `package` into the new folder `out`.

    Always card.md; model.evo, model.safetensors and model.pt by `formats`, the latter two with model.py, the code that
    loads them. Format dense: the expanded network as masked Linear layers, dense.safetensors with dense.py. masks.npz
    if `masks`. `card` holds measured numbers to print, in order.

    Raises:
        ExportError: `out` exists, a format is unknown, matrices or masks would be too large, a file cannot be written,
            or the reloaded weights do not give the network's own logits. Nothing is left behind.
        PackageError: the package is damaged.
    """
    out = Path(out)
    _check_request(out, formats)
    held = unpack(package)
    network, genome = decoded(held), to_toml(held.genome)
    draft = out.parent / f".{out.name}.{secrets.token_hex(4)}.tmp"  # same folder, so that the rename is atomic
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
        difference = _write_models(draft, network, package, genome, formats)
        if masks:
            save_masks(network.plan, draft / "masks.npz")
        files = {file.name: _sha256(file) for file in sorted(draft.iterdir())}
        text = write_card(
            network.plan,
            genome=genome,
            size=len(package),
            named=expand(held.genome, input=held.input, classes=held.classes).costs.weights,
            measured=card or {},
            difference=difference,
            files=files,
        )
        (draft / "card.md").write_text(text, encoding="utf-8")
        _commit(draft, out)
    except OSError as error:
        raise ExportError(f"{out}: cannot be written ({error}); nothing was exported.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # after the rename there is nothing left to remove
    return Exported(out, ("card.md", *files), difference)


def _check_request(out: Path, formats: Sequence[str]) -> None:
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ExportError(f"export format {unknown[0]!r} is unknown, expected some of {', '.join(FORMATS)}.")
    if not formats:
        raise ExportError(f"no export format was given, expected some of {', '.join(FORMATS)}.")
    if out.exists() or out.is_symlink():
        raise ExportError(
            f"{out} is already there, expected a new folder. Nothing is overwritten: choose another --out."
        )


def _write_models(draft: Path, network: Network, package: bytes, genome: str, formats: Sequence[str]) -> float | None:
    """Write the files that hold the network, and give the largest difference after reloading."""
    if "evo" in formats:
        (draft / "model.evo").write_bytes(package)
    weights = [weight.detach().numpy() for weight in network.weights]  # `check` leaves these float32 arrays alone
    differences = []
    if kinds := [kind for kind in ("safetensors", "pt") if kind in formats]:
        written = write_module(network.plan, weights, genome=genome)
        differences.append(_write_checked(draft, "model", written, kinds, network))
    if "dense" in formats:
        written = write_dense(network.plan, weights, genome=genome)
        differences.append(_write_checked(draft, "dense", written, ["safetensors"], network))
    return max(differences, default=None)


def _write_checked(draft: Path, name: str, module: Module, kinds: Sequence[str], network: Network) -> float:
    """Write the code and its weights in every kind of file, and give the largest difference after reloading."""
    tensors = {key: torch.from_numpy(array) for key, array in module.tensors.items()}
    files = [draft / f"{name}.{kind}" for kind in kinds]
    for file in files:
        if file.suffix == ".pt":
            torch.save(tensors, file)
        else:
            file.write_bytes(save(tensors, metadata={"format": "pt"}))  # save_file would make it private (0600)
    code = draft / f"{name}.py"
    code.write_text(module.source, encoding="utf-8")
    return check(network, code, files)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _commit(draft: Path, out: Path) -> None:
    """Make the finished draft appear as `out` in one step that survives a power cut."""
    for path in (*draft.iterdir(), draft):
        sync(path)
    if out.exists():  # came to be while we worked; rename would replace an empty folder
        raise ExportError(
            f"{out} is already there, expected a new folder. Nothing is overwritten: choose another --out."
        )
    draft.rename(out)
    sync(out.parent)
