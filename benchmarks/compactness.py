"""How little a genome says for how much: the table and the drawings of docs/genomes.md.

    python benchmarks/compactness.py                       # the table, in markdown
    python benchmarks/compactness.py --draw docs/genomes   # one PNG per genome, as `evonet expand --png` draws it

Bytes are of the canonical code. Mask bits are one per pair of neurons of every motif's two sheets: what the same wiring
takes as boolean masks. Weights are what training finds, biases and readout included.
"""

import argparse
import re
import tempfile
from pathlib import Path

from PIL import Image

from evonet.genome.code import encode
from evonet.genome.text import load
from evonet.plan import Plan, expand
from evonet.report.expansion import mask_bits
from evonet.report.pictures import DEAD, INK, LOCAL, LONG, draw_expansion

FOLDER = Path(__file__).parents[1] / "genomes"
WIDTH, TINTS = 800, 8  # of a drawing: enough to read, and small enough to keep in the repository


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="write the drawings instead of the table")
    args = parser.parse_args()
    if args.draw is None:
        print("\n".join(table()))
        return
    args.draw.mkdir(parents=True, exist_ok=True)
    for path in files():
        draw(path, args.draw / f"{path.stem}.png")


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.toml"))


def plan_of(path: Path) -> Plan:
    """The genome in `path` for the input that its comment states, and ten classes."""
    match = re.match(r"# Input (\d+)x(\d+)x(\d+)\. ", path.read_text())
    if not match:
        raise SystemExit(f"{path}: expected a comment that starts with '# Input 1x28x28. '")
    channels, height, width = map(int, match.groups())
    return expand(load(path), input=(channels, height, width), classes=10)


def table() -> list[str]:
    lines = [
        "| genome | input | genome, bytes | mask, bits | connections | weights | mask bits per genome bit |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for path in files():
        plan, size = plan_of(path), len(encode(load(path)))
        bits, costs = mask_bits(plan), plan.costs
        cells = (path.stem, "x".join(map(str, plan.input)), size, bits, costs.connections, costs.weights)
        text = (f"{cell:,}" if isinstance(cell, int) else cell for cell in cells)
        lines.append(f"| {' | '.join(text)} | {bits / (8 * size):,.0f} |")
    return lines


def palette() -> Image.Image:
    """The drawings' own colours and tints of them, none close to white. The commonest colours lose the long taps."""
    colours = [bytes.fromhex(colour[1:]) for colour in (INK, LOCAL, LONG, DEAD)]
    tints = [round(255 + (c - 255) * k / TINTS) for colour in colours for k in range(2, TINTS + 1) for c in colour]
    image = Image.new("P", (1, 1))
    image.putpalette([255, 255, 255, *tints])
    return image


def draw(path: Path, to: Path) -> None:
    """The drawing in few colours: a third of the bytes."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / to.name
        draw_expansion(plan_of(path), whole, title=path.stem)
        with Image.open(whole) as image:
            height = round(image.height * WIDTH / image.width)
            small = image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    small.quantize(palette=palette(), dither=Image.Dither.NONE).save(to, optimize=True)
    print(f"{to}  {to.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
