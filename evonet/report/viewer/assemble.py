"""The page from its parts, and the report: one file that asks nothing of anybody.

Data are JSON in blocks that no browser runs, every `<` escaped; the policy in the page admits its one script and its
one style by their hashes and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np

from evonet.config import RunConfig
from evonet.errors import EvonetError
from evonet.report.viewer import document, genes, wire
from evonet.report.viewer.columns import Columns, best
from evonet.report.viewer.details import Twin, details
from evonet.report.viewer.document import Anchor
from evonet.report.viewer.queries import Reader

CHUNK = 500  # individuals whose genes are unpacked together
SCRIPTS = (
    "base",
    "wire",
    "filters",
    "local",
    "sources",
    "state",
    "charts",
    "overview",
    "front",
    "generations",
    "table",
    "lineage",
    "wiring",
    "individual",
    "diff",
    "others",
    "main",
)


@cache
def part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def script() -> str:
    return '"use strict";(()=>{\n' + "".join(part(f"js/{name}.js") for name in SCRIPTS) + "})();\n"


def style() -> str:
    return part("style.css")


def served_page() -> str:
    """The page without data; policy and hashes come as headers (`security`)."""
    return _page(
        policy="",
        style='<link rel="stylesheet" href="viewer.css">',
        data="",
        script='<script src="viewer.js" defer></script>',
    )


def report_page(blocks: Sequence[tuple[str, str]]) -> str:
    """The page with (id, text) blocks inside."""
    policy = (
        f"default-src 'none'; script-src {_hash(script())}; style-src {_hash(style())}; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    return _page(
        policy=f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        style=f"<style>{style()}</style>",
        data="\n".join(f'<script type="application/json" id="{name}">{text}</script>' for name, text in blocks),
        script=f"<script>{script()}</script>",
    )


def _page(**parts: str) -> str:
    page = part("page.html")
    for name, text in parts.items():
        before, after = page.split(f"<!--{name}-->")
        page = before + text + after
    return page


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def escaped(value: object) -> str:
    """JSON that cannot end the block it stands in, nor a line of JavaScript."""
    text = msgspec.json.encode(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def report(
    run: Reader,
    config: RunConfig,
    *,
    path: str,
    best_k: int,
    twin: Twin | None = None,
    anchors: Sequence[Anchor] = (),
) -> bytes:
    """The whole file. `best_k`: individuals whose wiring and weights are in it; genes and measures are for all."""
    columns, notice = document.load(run, config)
    told = document.document(run, columns, config, path=path) | {
        "anchors": document.shown(anchors),
        "details": best_k,
        "chunk": CHUNK,
        "notice": notice,
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "failures": document.failures(run, columns),
    }
    blocks = [("run", escaped(told)), ("columns", wire.deflated(all_columns(columns, -1)))]
    blocks += [(f"detail-{id}", _deflated(_details(run, id, config, twin))) for id in best(columns, best_k)]
    for first in range(0, columns.count, CHUNK):
        last = min(first + CHUNK, columns.count) - 1
        blocks.append((f"genes-{first // CHUNK}", _deflated(_genes(run, first, last))))
    return report_page(blocks).encode()


def all_columns(columns: Columns, since: int) -> bytes:
    """What changed after version `since`, as `wire` bytes."""
    who = columns.changed(since)
    picked = {name: columns[name][who] for name in columns.names}
    head = {"version": columns.version, "words": columns.words, "count": columns.count}
    return wire.packed(head, {"id": who.astype(np.int32), **picked})


def _details(run: Reader, id: int, config: RunConfig, twin: Twin | None) -> dict[str, Any]:
    try:
        return details(run, id, config.score, twin)
    except EvonetError as error:
        return {"id": id, "genes": [], "evaluations": [], "problem": str(error)}


def _genes(run: Reader, first: int, last: int) -> list[Any]:
    """The genes of each individual, or in words why they cannot be read."""
    return [_gene_rows(code, ids) for _, code, ids in run.genomes(first, last)]


def _gene_rows(code: bytes, ids: str) -> object:
    try:
        return genes.gene_rows(genes.genome_of(code, ids))
    except EvonetError as error:
        return f"{error} Its canonical code is {code.hex()}."


def _deflated(value: object) -> str:
    return wire.deflated(msgspec.json.encode(value))
