"""The long form (EVONET_CHAOS=1) of what evonet runs survive, and its figures as rows of a Markdown table."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos import lab
from chaos.driver import Driver

FIGURES = pytest.StashKey[list[tuple[str, str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="long form only: make chaos")
    for item in items:
        if item.get_closest_marker("chaos") and not lab.LONG:
            item.add_marker(skip)
        if lab.LONG and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(1800))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[FIGURES]
    if lab.LONG and rows:
        terminalreporter.section("what runs survive")
        for row in (("what", "count", "figure"), ("---", "---", "---"), *rows):
            terminalreporter.write_line(f"| {' | '.join(row)} |")


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str, int, str], None]:
    """Keeps a row for the table: what was done, how often, what came of it."""
    return lambda what, count, said: request.config.stash[FIGURES].append((what, f"{count:,}", said))


@pytest.fixture(scope="session", autouse=True)
def _server() -> None:
    lab.serve()


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where runs lie: in the long form on the disk, in the short one in memory where there is such a place.

    What a killed process leaves is the same for both; a busy disk takes a hundred times as long.
    """
    memory = Path("/dev/shm")  # noqa: S108 - Linux's
    if lab.LONG or not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("chaos")
        return
    with tempfile.TemporaryDirectory(prefix="evonet-chaos-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def place(root: Path) -> Path:
    """A folder for one test."""
    return Path(tempfile.mkdtemp(dir=root))


@pytest.fixture(scope="session")
def config(root: Path) -> Path:
    path = root / "tiny.toml"
    path.write_text(lab.CONFIG)
    return path


@pytest.fixture(scope="session")
def undisturbed(config: Path) -> Path:
    """The run that all others must end as."""
    run = config.parent / "undisturbed"
    arguments = ("run", str(config), "--run", str(run))
    assert lab.lived(Driver(arguments=arguments, diary=config.parent / "undisturbed.txt")) == 0
    return run


@pytest.fixture(scope="session")
def expected(undisturbed: Path) -> str:
    """Its digest."""
    return lab.digest(undisturbed)
