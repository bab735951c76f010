"""The human form of a genome: TOML with the fields that differ from their defaults."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evonet import records
from evonet.errors import GenomeError
from evonet.genome.check import check, check_ranges
from evonet.genome.genes import Gene, Genome, SheetGene
from evonet.genome.table import MOTIF, READOUT, SACCADE, SHEET, Field


def to_toml(genome: Genome) -> str:
    """TOML that `from_toml` reads back to `genome` without its ids."""
    lines: list[str] = []
    for sheet in genome.sheets:
        lines += ["[[sheets]]", *_lines(SHEET, sheet), ""]
        if sheet.motifs == SheetGene().motifs:
            continue
        for motif in sheet.motifs:
            lines += ["[[sheets.motifs]]", *_lines(MOTIF, motif), ""]
    if readout := _lines(READOUT, genome.readout):
        lines += ["[readout]", *readout, ""]
    if genome.saccade is not None:
        lines += ["[saccade]", *_lines(SACCADE, genome.saccade), ""]
    return "\n".join(lines[:-1]) + "\n"


def from_toml(text: str, where: str = "genome") -> Genome:
    """The genome written in `text`, every field in range; `where` starts each message. Raises GenomeError."""
    return _from_data(records.parse_toml(text, where=where, error=GenomeError), where)


def load(path: Path | str) -> Genome:
    """The genome in a TOML file. Raises GenomeError, naming the file, unless this version can compute it."""
    genome = _from_data(records.read_toml(Path(path), error=GenomeError), str(path))
    try:
        check(genome)
    except GenomeError as error:
        raise GenomeError(f"{path}: {error}") from None
    return genome


def _lines(fields: Sequence[Field], gene: Gene) -> list[str]:
    # JSON's integers, booleans, plain words and flat arrays are TOML's too, and stay on one line.
    changed = ((f.name, getattr(gene, f.name)) for f in fields if getattr(gene, f.name) != f.default)
    return [f"{name} = {json.dumps(value)}" for name, value in changed]


def _from_data(data: dict[str, Any], where: str) -> Genome:
    _refuse_ids(data, where)
    genome = records.convert(data, Genome, where=where, error=GenomeError)
    try:
        check_ranges(genome)
    except GenomeError as error:
        raise GenomeError(f"{where}: {error}") from None
    return genome


def _refuse_ids(node: object, where: str, path: str = "") -> None:
    if isinstance(node, dict):
        if "id" in node:
            raise GenomeError(f"{where}: {path or 'genome'} has an id; a run gives genes their ids: delete this line.")
        for name, child in node.items():
            _refuse_ids(child, where, f"{path}.{name}" if path else str(name))
    elif isinstance(node, list):
        for i, child in enumerate(node):
            _refuse_ids(child, where, f"{path}[{i}]")
