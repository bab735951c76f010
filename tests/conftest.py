"""One thread everywhere: the tests run beside each other and results must not depend on the machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import settings

# No deadline: a slow machine is not a defect. The blob lets a red run be repeated.
settings.register_profile("evonet", deadline=None, print_blob=True)
settings.load_profile("evonet")
