"""Pictures of every view of the viewer, from the report of a run: what docs/viewer.md shows.

    python benchmarks/screenshots.py RUN docs/viewer

Light theme, 1280 x 800, and one of a phone; each a PNG of at most 150 kB.
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import chromium

from evonet.cli.viewing import report
from evonet.store import open_run

LARGEST = 150_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--anchors", type=Path)
    parser.add_argument("--only", help="One view.")
    parser.add_argument("--dark", action="store_true")
    arguments = parser.parse_args()
    if chromium.MISSING:
        raise SystemExit(chromium.MISSING)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium.browser() as driver:
        page = Path(folder) / "report.html"
        report(arguments.run, out=page, details=20, anchors=arguments.anchors)
        chromium.open_page(driver, page.as_uri())
        if arguments.dark:
            driver.execute_script("document.querySelector('#head button').click()")
        best = driver.execute_script(
            "return JSON.parse(document.getElementById('run').textContent).best.map(r => r.id)"
        )
        with open_run(arguments.run) as run:
            deep = max(best, key=lambda id: len(run.lineage(id)))
        for name, state, height in views(best[0], deep):
            if arguments.only in (None, name):
                take(driver, arguments.folder / f"{name}.png", state, height)
        if arguments.only in (None, "phone"):
            chromium.size(driver, 390, 844)
            take(driver, arguments.folder / "phone.png", {"view": "front", "id": best[0]}, 844, width=390)


def views(best: int, deep: int) -> list[tuple[str, dict[str, object], int]]:
    """(name, what is chosen, height of the picture); the lineage is that of the individual with most ancestors."""
    one = {"id": best}
    return [
        ("overview", {"view": "overview", **one}, 800),
        ("front", {"view": "front", **one}, 800),
        ("generations", {"view": "generations", **one}, 800),
        ("table", {"view": "table", **one}, 800),
        ("lineage", {"view": "lineage", "id": deep}, 800),
        ("individual", {"view": "individual", **one}, 1500),
        ("diff", {"view": "diff", **one}, 1300),
        ("atlas", {"view": "atlas", **one}, 800),
        ("failures", {"view": "failures"}, 800),
    ]


def take(driver: object, file: Path, state: dict[str, object], height: int, width: int = 1280) -> None:
    chromium.size(driver, width, height)
    chromium.go(driver, **state)
    chromium.until(driver, "return document.querySelector('main').childElementCount > 0")
    driver.execute_script("scrollTo(0, 0); dispatchEvent(new Event('resize'))")
    for _ in range(6):
        chromium.settle(driver)
    image = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    for colours in (256, 128, 64, 32):
        buffer = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
        if buffer.tell() <= LARGEST:
            break
    file.write_bytes(buffer.getvalue())
    print(f"{file}: {buffer.tell() // 1000} kB")


if __name__ == "__main__":
    main()
