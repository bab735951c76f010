"""A run in a notebook: what the store reads, tidy columns, and the figures of `evonet plot`."""

import sys
from types import ModuleType

import numpy as np
import pytest
from cli.conftest import write_run

import evonet
from evonet.errors import ConfigError, EvonetError, StoreError
from evonet.report import figures, tables
from evonet.store import Run
from evonet.store.rows import MEASURES


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with evonet.open_run(write_run(tmp_path_factory.mktemp("notebook") / "run")) as opened:
        yield opened


def test_it_is_all_that_the_store_reads(run):
    assert isinstance(run, Run)
    assert (run.state, run.counts().individuals, run.individual(5).parents) == ("stopped", 8, (0, 1))


def test_a_row_for_each_individual(run):
    table = run.table()
    assert table.rows == 8
    assert set(tables.Row.__struct_fields__) | set(MEASURES) == set(table)
    settings = tables.config_of(run).score
    for individual in run.individuals():
        row = tables.row(individual, settings)
        for name in tables.Row.__struct_fields__:
            assert table.lists[name][individual.id] == getattr(row, name)
    assert (table.lists["bytes"][5], table.lists["taps"][5], table.lists["choice_accuracy"][5]) == (220, 13, 0.9)


def test_missing_numbers_are_nan_and_whole_ones_whole(run):
    table = run.table()
    assert table["id"].dtype == np.int64
    assert table["score"].dtype == np.float64
    assert np.flatnonzero(np.isnan(table["score"])).tolist() == [2, 3, 4, 7]
    assert table["parents"].tolist()[5] == (0, 1)
    assert table["state"][table["id"] == 4].tolist() == ["lost"]
    assert dict(table)["accuracy"].shape == (8,)
    with pytest.raises(KeyError, match="no column 'size'; there are id, generation"):
        table["size"]
    assert repr(table).startswith("Columns(8 rows: id, generation")


def test_a_row_for_each_evaluation(run):
    table = run.table(evaluations=True)
    assert table.lists["decision"] == list(range(9))
    assert table.lists["outcome"] == [
        "scored", "scored", "diverged", "rejected", "lost", "scored", "scored", "scored", "pending",
    ]  # fmt: skip
    assert table.lists["individual"][7] == 5
    assert table.lists["rung"][7] == -1
    assert table.lists["reason"][3] == "too many multiply-adds"
    assert table.lists["seen"][2] is None
    assert table.lists["generation"] == [0, 0, 0, 0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_without_the_library_it_says_what_to_do(run, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EvonetError, match=rf"to_{name}: {name} is not installed here .*pip install {name}.*arrays"):
        getattr(run.table(), f"to_{name}")()


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_the_library_is_given_plain_columns(run, monkeypatch, name):
    library, given = ModuleType(name), {}
    library.DataFrame = lambda columns, **_: given.update(columns)
    monkeypatch.setitem(sys.modules, name, library)
    getattr(run.table(), f"to_{name}")()
    assert list(given) == list(run.table())
    assert all(len(values) == 8 for values in given.values())
    assert given["state"][4] == "lost"
    assert type(given["state"]) is list


def test_pandas_takes_them(run):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = run.table().to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.shape == (8, len(run.table()))


def test_polars_takes_them(run):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    frame = run.table().to_polars()
    assert isinstance(frame, polars.DataFrame)
    assert frame["score"].null_count() == 4


def test_its_figures_are_those_of_the_command(run):
    assert figures.render(run.plot("front"), "svg") == figures.render(figures.draw(run, "front"), "svg")
    assert run.plot("lineage", id=5)._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="plot 'pie'"):
        run.plot("pie")
    with pytest.raises(StoreError, match="expected the folder of a run"):
        evonet.open_run("nowhere")
