"""Figures of a run: they show what is recorded, and the same run gives the same file."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from msgspec.structs import replace
from typer.testing import CliRunner

from evonet.cli.program import app as program
from evonet.config import RunConfig, to_toml
from evonet.errors import ConfigError, PackageError, StoreError
from evonet.evolution.settings import SearchSettings
from evonet.genome import Genome, MotifGene, SheetGene
from evonet.genome.code import encode
from evonet.genome.ids import ids_of, stamp
from evonet.job import Diverged, Job, Measures, Scored
from evonet.network import initialise
from evonet.package import Package, pack
from evonet.package.types import Half
from evonet.plan import expand
from evonet.report import figures, lines, pictures
from evonet.store import RunWriter, open_run

CONFIG = RunConfig(search=SearchSettings(population=4, individuals=12))
GENOME = stamp(
    Genome(sheets=(SheetGene(channels=2, motifs=(MotifGene(taps=10, long_share=3, pattern="lattice"),)),)), 0
)
MEASURES = Measures(
    bytes=300, loss=1.0, accuracy=0.5, weights=9, nonzero=9, macs=9, connections=9, sheets=1, taps=9, long_share=0.25,
    seen=100, train_images=1000,
)  # fmt: skip
KINDS = ("front", "generations", "lineage", "masks")


def package() -> bytes:
    plan = expand(GENOME, input=(1, 8, 8), classes=10)
    tensors = tuple(Half(w.numpy().astype(np.float16)) for w in initialise(plan, 1))
    return pack(Package(genome=GENOME, input=(1, 8, 8), classes=10, expression=plan.expression, tensors=tensors))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Twelve individuals in a line; 3 diverged, 2 and 7 alone are on the front."""
    path, held = tmp_path_factory.mktemp("figures") / "run", package()
    with RunWriter.create(path, config=to_toml(CONFIG), seed=1, population=4, provenance={}) as writer:
        for i in range(12):
            wide = replace(GENOME.sheets[0], channels=2 + i % 3)
            genome = replace(GENOME, sheets=(wide,))
            job = Job(decision=i, individual=i, rung=0, genome=encode(genome), ids=ids_of(genome), steps=1, seed=1,
                      key=f"k{i}")  # fmt: skip
            parents = () if i == 0 else (i - 1,) if i % 5 else (i - 1, 1)
            writer.issued(job, kind="breed" if i else "found", parents=parents, operator="channels" if i else "sample")
            if i == 3:
                writer.recorded(Diverged(decision=i, step=1, reason="the loss is not finite"))
                continue
            size, accuracy = {2: (150, 0.6), 7: (400, 0.9)}.get(i, (500 + i, 0.5))
            measures = replace(MEASURES, bytes=size, accuracy=accuracy, seen=100 * (i + 1), loss=2 - accuracy)
            writer.recorded(Scored(decision=i, measures=measures, package=held, shadow=b"", rounds=()))
        writer.set_state("finished")
    return path


@pytest.fixture
def run(recorded):
    with open_run(recorded) as opened:
        yield opened


def texts(figure: Figure) -> str:
    """The words of the figure's SVG, where text is text."""
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", figures.render(figure, "svg").decode()))


@pytest.mark.parametrize("kind, form", [*((kind, "svg") for kind in KINDS), ("front", "pdf"), ("front", "png")])
def test_the_same_run_gives_the_same_file(run, kind, form, tmp_path):
    for name in ("a", "b"):
        figures.save(figures.draw(run, kind, id=11), tmp_path / f"{name}.{form}")
    first, again = (tmp_path / f"{name}.{form}" for name in ("a", "b"))
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes().startswith({"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[form])
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a.{form}", f"b.{form}"]


def test_the_front_joins_those_that_none_is_better_than(run):
    (axes, _) = figures.draw(run, "front").axes
    assert axes.lines[0].get_xydata().tolist() == [[150, 60], [400, 90]]
    assert len(axes.collections[0].get_offsets()) == 11  # all that were scored
    assert "validation accuracy (%)" in texts(figures.draw(run, "front"))


def test_less_can_be_better_and_more_is_where_it_is(run):
    (axes, _) = figures.draw(run, "front", x="loss", y="bytes").axes
    assert axes.lines[0].get_xydata().tolist() == [[pytest.approx(1.1), 400], [pytest.approx(1.4), 150]]
    (axes, _) = figures.draw(run, "front", x="accuracy", y="accuracy").axes
    assert axes.lines[0].get_xydata().tolist() == [[90, 90]]


def test_one_individual_is_marked_in_the_front(run):
    assert "#7" in texts(figures.draw(run, "front", id=7))
    assert "#3" not in texts(figures.draw(run, "front", id=3))  # never scored: it has no place


def test_generations_are_quantiles(run):
    above, below = figures.draw(run, "generations").axes
    scores = [-(8 * size + 1000 * (2 - accuracy)) for size, accuracy in ((500, 0.5), (501, 0.5), (150, 0.6))]
    assert above.lines[0].get_xdata().tolist() == [0, 1, 2]
    assert above.lines[0].get_ydata()[0] == pytest.approx(sorted(scores)[1])
    assert above.lines[1].get_ydata()[0] == pytest.approx(max(scores))
    assert below.lines[0].get_ydata()[0] == 500


def test_a_lineage_says_who_and_what(run):
    shown = texts(figures.draw(run, "lineage", id=11))
    for part in ("#0  sample", "#11  channels", "#1", "channels 3 -&gt; 4", "change of bytes"):
        assert part in shown, part
    assert "0:0" not in shown


def test_a_long_line_is_cut_and_says_so(run, monkeypatch):
    monkeypatch.setattr(lines, "ROWS", 3)
    shown = texts(figures.draw(run, "lineage", id=11))
    assert "#8  after 8 earlier births from #0" in shown
    assert "#7" not in shown


def test_masks_show_taps_by_their_weights(run):
    figure = figures.draw(run, "masks", id=0)
    assert isinstance(figure, pictures.Picture)
    assert "8 local taps, 2 long" in texts(figure)


@pytest.mark.parametrize(
    "kind, options, error, message",
    [
        ("frnt", {}, ConfigError, r"plot 'frnt': did you mean.*front.*expected one of front, lineage, masks"),
        ("front", {"x": "byte"}, ConfigError, "plot front: 'byte', .*expected one of accuracy, loss"),
        ("front", {"id": 99}, StoreError, "no individual 99; there are 0..11"),
        ("lineage", {"id": 99}, StoreError, "no individual 99; there are 0..11"),
        ("masks", {"id": 99}, StoreError, "no individual 99; there are 0..11"),
        ("masks", {"id": 3}, StoreError, "individual 3 was never scored, so it has no weights"),
    ],
)
def test_what_cannot_be_drawn_is_told(run, kind, options, error, message):
    with pytest.raises(error, match=message):
        figures.draw(run, kind, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_run_has_nothing_to_draw(tmp_path, kind):
    RunWriter.create(tmp_path / "run", config=to_toml(CONFIG), seed=1, population=4, provenance={}).close()
    with open_run(tmp_path / "run") as run, pytest.raises(StoreError, match="no individual has been scored yet"):
        figures.draw(run, kind)


def test_damaged_weights_are_told_with_their_place(tmp_path):
    with RunWriter.create(tmp_path / "run", config=to_toml(CONFIG), seed=1, population=4, provenance={}) as writer:
        job = Job(decision=0, individual=0, rung=0, genome=encode(GENOME), ids=ids_of(GENOME), steps=1, seed=1, key="k")
        writer.issued(job, kind="found")
        writer.recorded(Scored(decision=0, measures=MEASURES, package=b"p", shadow=b"", rounds=()))
    with open_run(tmp_path / "run") as run, pytest.raises(PackageError, match="run: individual 0: "):
        figures.draw(run, "masks")


# --- the verb -------------------------------------------------------------------------------------------------------


def evonet(*arguments):
    return CliRunner().invoke(program, [str(a) for a in arguments], prog_name="evonet")


def test_plot_writes_a_file(recorded, tmp_path):
    answer = evonet("plot", recorded, "--kind", "lineage", "-o", tmp_path / "a.SVG")
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / "a.SVG").read_bytes().startswith(b"<?xml")


def test_plot_refuses_what_it_cannot_write_or_draw(recorded, tmp_path):
    answer = evonet("plot", recorded, "--kind", "front", "-o", tmp_path / "a.gif")
    assert answer.exit_code == 3
    assert "expected a file name that ends in .svg, .png, .pdf" in answer.stderr
    answer = evonet("plot", recorded, "--kind", "pie", "-o", tmp_path / "a.png")
    assert answer.exit_code == 2
    assert "'pie', expected front, lineage, masks, generations" in " ".join(answer.stderr.split())
    assert list(tmp_path.iterdir()) == []
