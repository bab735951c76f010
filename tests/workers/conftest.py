from collections.abc import Iterator
from signal import SIGINT, SIGTERM, getsignal
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def handlers() -> tuple[Any, Any]:
    """What SIGTERM and SIGINT did before Ray was started."""
    return getsignal(SIGTERM), getsignal(SIGINT)


@pytest.fixture(scope="session")
def ray(handlers: tuple[Any, Any]) -> Iterator[ModuleType]:
    """One private Ray for all tests of the session, started as `evonet run` starts it: no test imports Ray before."""
    from evonet.workers import WorkersSettings
    from evonet.workers.session import connect, disconnect

    assert connect(
        WorkersSettings(count=6), data_bytes=0
    )  # Ray's own bookkeeping: the machine may have fewer processors
    import ray

    yield ray
    disconnect()
