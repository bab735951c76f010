"""Bytes against test error on MNIST: our recorded files among published ones, each with what its bytes contain.

    python benchmarks/frontier.py docs/frontier.png

The anchors are quoted from their sources, not measured here; what is counted in them differs, and the marker says how:
a complete file can be evaluated from its bytes alone, a payload needs shapes, code or seeds that are kept elsewhere.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

RECORDS = Path(__file__).parents[1] / "runs" / "records"


class Anchor(NamedTuple):
    name: str
    size: int  # bytes
    error: float  # % of the test images
    counted: str
    up: int = 4  # points by which its name stands above its mark


ANCHORS = (
    Anchor("LeNet-5, Deep Compression (Han 2015)", 44_000, 0.74, "payload"),
    Anchor("LeNet-300-100, Deep Compression", 27_000, 1.58, "payload"),
    Anchor("LeNet-300-100, EPR (Oktay 2020)", 8_560, 1.9, "payload"),
    Anchor("LeNet-5, EPR", 2_840, 1.0, "payload", -3),
    Anchor("LeNet-5, MIRACLE (Havasi 2019)", 1_520, 0.96, "payload", -10),
    Anchor("MIRACLE, smallest published file", 1_140, 0.98, "payload", 7),
    Anchor("BitNetMCU CNN, 16x16 (2025)", 9_300, 0.56, "weights alone"),
    Anchor("BitNetMCU small", 3_200, 1.08, "weights alone"),
    Anchor("muNAS (2020), recalled", 480, 0.81, "weights alone"),
    Anchor("697 weights, steps searched, not retrained", 421, 1.20, "weights alone"),
)
MARKERS = {"payload": "s", "weights alone": "^", "complete file": "o"}


def records() -> list[Anchor]:
    cards = [(path.stem, json.loads(path.read_text())) for path in sorted(RECORDS.glob("*.json"))]
    return [
        Anchor(name, card["bytes"], 100 * (1 - card["accuracy"]), "complete file")
        for name, card in cards
        if card["data"] == "mnist"
    ]


def draw(path: Path) -> None:
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    for counted, marker in MARKERS.items():
        found = [a for a in (*ANCHORS, *records()) if a.counted == counted]
        ours = counted == "complete file"
        label = "complete file (evonet)" if ours else counted
        axes.scatter(
            [a.size for a in found], [a.error for a in found], marker=marker, s=60 if ours else 36, label=label
        )
        for a in found:
            axes.annotate(a.name, (a.size, a.error), xytext=(6, a.up), textcoords="offset points", fontsize=7)
    axes.set(xscale="log", yscale="log", xlabel="bytes", ylabel="test error, %", title="MNIST: bytes against error")
    axes.set(xlim=(200, 400_000), ylim=(0.45, 2.2))
    axes.set_yticks([0.5, 0.75, 1, 1.5, 2], ["0.5", "0.75", "1", "1.5", "2"])
    axes.set_xticks([256, 512, 1024, 2048, 8192, 32768], ["256", "512", "1 k", "2 k", "8 k", "32 k"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    draw(parser.parse_args().out)
