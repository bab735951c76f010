"""One thread everywhere: the tests run beside each other and results must not depend on the machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from hypothesis import settings

# No deadline: a slow machine is not a defect. The same examples every time, so that a red run is red for its change;
# HYPOTHESIS_PROFILE=explore draws new ones, which is what to run after touching what a property test covers.
settings.register_profile("evonet", deadline=None, print_blob=True, derandomize=True)
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "evonet"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long form of the tests of faults takes many minutes: `make chaos` asks for it."""
    if not os.environ.get("EVONET_CHAOS"):
        skip = pytest.mark.skip(reason="long form, runs with EVONET_CHAOS=1 (make chaos)")
        for item in items:
            if item.get_closest_marker("chaos"):
                item.add_marker(skip)
