import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation import measures

from evonet.evolution import ScoreSettings, choice_score, describe, score
from evonet.evolution.score import WORST, is_finite, objectives

LOSSES = st.floats(0, 20)
BYTES = st.integers(1, 10**6)
CORRUPTED = {"corrupted_loss": 2.0, "corrupted_accuracy": 0.6}


@pytest.mark.parametrize(
    "settings, expected",
    [
        (ScoreSettings(), -(8 * 500 + 1000 * 0.5)),
        (ScoreSettings(size_weight=0.25), -(2 * 500 + 1000 * 0.5)),
        (ScoreSettings(kind="weighted"), 100 * 0.9 - 5.0),
        (ScoreSettings(kind="weighted", size_price=2.0), 100 * 0.9 - 10.0),
        (ScoreSettings(kind="bound", bound=500), -0.5),
        (ScoreSettings(kind="bound", bound=400), -33.25),
        (ScoreSettings(kind="pareto"), -0.5),
        (ScoreSettings(corrupted=0.25), -(8 * 500 + 1000 * 0.875)),
        (ScoreSettings(kind="weighted", corrupted=0.25), 82.5 - 5.0),
        (ScoreSettings(kind="bound", bound=500, corrupted=1.0), -2.0),
        (ScoreSettings(kind="pareto", corrupted=0.5), -1.25),
    ],
)
def test_hand_numbers(settings, expected):
    assert score(measures(**CORRUPTED), settings) == pytest.approx(expected, rel=1e-12)


@given(LOSSES, LOSSES, BYTES, BYTES)
def test_bound_orders_files_that_fit_by_loss_above_all_others_by_bytes(loss, other, size, larger):
    settings = ScoreSettings(kind="bound", bound=1000)
    a, b = measures(loss=loss, bytes=size), measures(loss=other, bytes=larger)
    rank = [(m.bytes <= 1000, -m.loss if m.bytes <= 1000 else -m.bytes) for m in (a, b)]
    assert (score(a, settings) > score(b, settings)) == (rank[0] > rank[1])


@pytest.mark.parametrize("kind", ["length", "weighted", "bound", "pareto"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["loss", "accuracy", "long_share", "choice_loss"])
def test_a_score_is_finite_whatever_the_measures(kind, bad, field):
    broken = measures(**{"choice_loss": 0.1, "choice_accuracy": 0.9, field: bad})
    assert not is_finite(broken)
    assert score(broken, ScoreSettings(kind=kind)) == choice_score(broken, ScoreSettings(kind=kind)) == WORST
    assert score(measures(), ScoreSettings(kind=kind)) > WORST


def test_choice_takes_the_place_of_validation_where_it_was_measured():
    settings = ScoreSettings()
    assert choice_score(measures(), settings) is None
    seen = measures(choice_loss=0.25, choice_accuracy=0.95)
    assert choice_score(seen, settings) == -(8 * 500 + 1000 * 0.25)
    assert choice_score(seen, ScoreSettings(kind="weighted")) == pytest.approx(95.0 - 5.0)
    seen = measures(choice_loss=0.25, choice_accuracy=0.95, **CORRUPTED)
    assert choice_score(seen, ScoreSettings(corrupted=0.5)) == -(8 * 500 + 1000 * 1.125)


def test_objectives_are_greater_is_better():
    settings = ScoreSettings(kind="pareto", objectives=("accuracy", "bytes", "seen"))
    assert objectives(measures(), settings) == (0.9, -500.0, -100.0)
    assert objectives(measures(), ScoreSettings()) == (score(measures(), ScoreSettings()),)
    settings = ScoreSettings(kind="pareto", objectives=("corrupted_accuracy", "corrupted_loss", "milliseconds"))
    assert objectives(measures(**CORRUPTED, milliseconds=0.5), settings) == (0.6, -2.0, -0.5)


def test_what_was_not_measured_is_no_number():
    for settings in (ScoreSettings(corrupted=0.5), ScoreSettings(kind="pareto", objectives=("corrupted_loss",))):
        with pytest.raises(ValueError, match="corrupted_loss was not measured, expected a number"):
            objectives(measures(), settings)


@pytest.mark.parametrize(
    "settings, extras",
    [
        (ScoreSettings(), ()),
        (ScoreSettings(corrupted=0.1), ("corrupted",)),
        (ScoreSettings(objectives=("milliseconds",)), ()),  # of another kind
        (ScoreSettings(kind="pareto", objectives=("loss", "milliseconds")), ("milliseconds",)),
        (ScoreSettings(kind="pareto", objectives=("corrupted_accuracy",)), ("corrupted",)),
        (ScoreSettings(record=("milliseconds", "corrupted"), corrupted=1), ("corrupted", "milliseconds")),
    ],
)
def test_a_score_asks_for_what_it_sees(settings, extras):
    assert settings.extras == extras


@pytest.mark.parametrize(
    "settings, words",
    [
        (ScoreSettings(), "562 bytes for network and labels, 4.500 bits per label"),
        (ScoreSettings(kind="weighted"), "85.00 points"),
        (ScoreSettings(kind="bound", bound=600), "0.500 bits per label in 500 of 600 bytes"),
        (ScoreSettings(kind="bound", bound=400), "100 bytes over the bound of 400"),
        (ScoreSettings(kind="pareto"), "loss 0.5, bytes 500"),
    ],
)
def test_a_score_is_described_in_units(settings, words):
    assert describe(measures(), settings) == words


def test_scoring_a_run_imports_nothing_heavy():
    code = "import evonet.evolution, sys; print(sorted({'deap', 'torch', 'ray', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
