"""One hostile run, its report and its servers for all tests of the viewer; one browser for the session."""

from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from viewer_runs import hostile_run
from viewer_site import Site, serving

from evonet.cli.viewing import _twin
from evonet.report import tables
from evonet.report.viewer import assemble
from evonet.report.viewer.document import Anchor
from evonet.report.viewer.queries import Reader


@pytest.fixture(scope="session")
def run_path(tmp_path_factory) -> Path:
    return hostile_run(tmp_path_factory.mktemp("viewer"))


@pytest.fixture(scope="session")
def opened(run_path) -> Iterator[Reader]:
    with Reader(run_path) as run:
        yield run


@pytest.fixture(scope="session")
def report(opened, tmp_path_factory) -> Path:
    config = tables.config_of(opened)
    anchors = (Anchor(name="<b>CNN</b>", kind="cnn", bytes=300, accuracy=0.9),)
    data = assemble.report(opened, config, path="RUN", best_k=6, twin=_twin(config), anchors=anchors)
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_bytes(data)
    return file


@pytest.fixture(scope="session")
def site(run_path) -> Iterator[Site]:
    with serving(run_path) as found:
        yield found


@pytest.fixture(scope="session")
def binned(run_path) -> Iterator[Site]:
    """The same run as if it were too large to hand over whole."""
    with serving(run_path, columns_most=5) as found:
        yield found


@pytest.fixture(scope="session")
def driver():
    if chromium.MISSING:
        pytest.skip(chromium.MISSING)
    with chromium.browser() as found:
        yield found
