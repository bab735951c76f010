"""State dicts of any network: what comes back, at what error and size, and what is refused."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from evonet.errors import DataError
from evonet.package import Book, Half, Transformed
from evonet.package.named import unpack_named
from evonet.packing import pack_state, unpack_state
from evonet.packing.search import ERRORS
from evonet.packing.sources import LEAST_SHARE

NUMBERS = np.random.default_rng(7)


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 8, 5), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))


STATE = network().state_dict()


def off(one: Mapping[str, np.ndarray], name: str, state: Mapping[str, torch.Tensor] = STATE) -> float:
    was = state[name].double().numpy()
    return float(np.linalg.norm(one[name] - was) / max(np.linalg.norm(was), 1e-30))


def test_a_state_dict_comes_back_and_loads() -> None:
    data = pack_state(STATE)
    back = unpack_state(data)
    assert list(back) == list(STATE)
    assert len(data) < 0.25 * sum(4 * tensor.numel() for tensor in STATE.values())
    again = network()
    again.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in back.items()})
    assert back["1.num_batches_tracked"] == 0
    assert 0 < off(back, "4.weight") <= 0.05
    for name in ("0.weight", "0.bias", "4.bias"):
        share = max(LEAST_SHARE, (STATE[name].numel() / 1280) ** 0.5)
        assert off(back, name) <= 0.05 * share**0.95


@pytest.mark.parametrize("error", [0.0005, 0.01, 0.4, 1])
def test_no_tensor_is_off_by_more_than_is_asked(error: float) -> None:
    back = unpack_state(pack_state(STATE, error=error))
    assert max(off(back, name) for name in STATE) <= error


def test_more_error_is_fewer_bytes() -> None:
    sizes = [len(pack_state(STATE, error=error)) for error in (0.0005, 0.05, 0.2, 0.8, 1)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 60


@pytest.mark.parametrize("size", [60, 700])
def test_a_size_is_kept_and_used(size: int) -> None:
    data = pack_state(STATE, size=size)
    assert size * 0.9 <= len(data) + 30
    assert len(data) <= size


def test_dtypes_and_integers_come_back() -> None:
    weights = torch.from_numpy(NUMBERS.normal(size=(6, 7)).astype(np.float32))
    state = {
        "half": weights.half(),
        "brain": weights.bfloat16(),
        "double": weights.double(),
        "mask": weights > 0,
        "order": torch.arange(-3, 40),
        "bytes": torch.arange(7, dtype=torch.uint8),
        "number": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
    }
    back = unpack_state(pack_state(state, error=0.01))
    assert [str(array.dtype) for array in back.values()] == [
        "float16", "float32", "float64", "bool", "int64", "uint8", "float32", "float32",
    ]  # fmt: skip
    for name in ("mask", "order", "bytes"):
        assert np.array_equal(back[name], state[name].numpy())
    assert torch.equal(torch.from_numpy(back["brain"]).bfloat16().float(), torch.from_numpy(back["brain"]))
    assert back["number"].shape == ()
    assert back["number"] == pytest.approx(2.5, rel=0.01)
    assert back["empty"].shape == (0, 4)
    arrays = {name: tensor.numpy() for name, tensor in state.items() if name != "brain"}
    assert pack_state(arrays) == pack_state({name: state[name] for name in arrays})


def test_zero_error_keeps_weights_or_says_which_it_cannot() -> None:
    halves = {"w": NUMBERS.normal(size=(20, 20)).astype(np.float16), "b": np.ones(9, np.float32), "z": np.zeros(3)}
    back = unpack_state(pack_state(halves, error=0))
    assert all(np.array_equal(back[name], array) for name, array in halves.items())
    with pytest.raises(
        DataError, match=r"w: an error of 0 cannot be had, as the finest code is float16: ask for 0\.000"
    ):
        pack_state({"w": NUMBERS.normal(size=(20, 20))}, error=0)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from([1e-25, 1e-6, 1e-3, 1.0, 300.0, 1e9, 1e30]), st.sampled_from([0.3, 0.03]))
def test_weights_of_any_size_keep_their_error(seed: int, size: float, error: float) -> None:
    numbers = np.random.default_rng(seed)
    state = {"w": (size * numbers.normal(size=(3, 10))).astype(np.float32), "v": numbers.exponential(size, 40)}
    back = unpack_state(pack_state(state, error=error))
    for name, array in state.items():
        assert np.linalg.norm(back[name] - array.astype(float)) <= 1.0001 * error * np.linalg.norm(array.astype(float))


def test_the_form_follows_the_weights() -> None:
    smooth = np.add.outer(np.arange(7), np.arange(7)) * NUMBERS.normal(size=(8, 4, 1, 1))
    state = {
        "smooth": smooth,
        "few": NUMBERS.choice([-1.7, 0.1, 3.3], size=(30, 30)),
        "fine": NUMBERS.normal(size=(40,)),
    }
    for error, name, form in ((0.1, "smooth", Transformed), (0.02, "few", Book), (0.0005, "fine", Half)):
        (tensor,) = unpack_named(pack_state({name: state[name]}, error=error))
        assert isinstance(tensor.value, form)


def test_a_loss_sets_the_errors_tensor_by_tensor() -> None:
    """One that looks at one of two tensors leaves nothing of the other."""
    state = {"seen": NUMBERS.normal(size=(20, 20)), "unseen": NUMBERS.normal(size=(20, 20))}
    looks = []

    def loss(arrays: Mapping[str, np.ndarray]) -> float:
        looks.append(1)
        return float(np.square(arrays["seen"] - state["seen"]).sum())

    data = pack_state(state, loss=loss, rise=0.4, trials=60)
    back = unpack_state(data)
    assert not back["unseen"].any()
    assert 0 < loss(back) <= 0.4
    assert len(looks) <= 62
    assert len(data) < 0.7 * len(pack_state(state, error=0.03))
    assert pack_state(state, loss=loss, rise=0.4, trials=60) == data


def test_a_loss_that_nothing_bears_is_refused() -> None:
    state = {"w": NUMBERS.normal(size=(5, 5)).astype(np.float32)}
    for loss, message in (
        (lambda arrays: float(not np.array_equal(arrays["w"], state["w"])), "no error found that raises a loss of 0"),
        (lambda arrays: float("nan"), "the loss of the state itself is nan"),
    ):
        with pytest.raises(DataError, match=message):
            pack_state(state, loss=loss, trials=20)


BAD = NUMBERS.normal(size=(3, 4))
BAD[1, 2] = np.nan


@pytest.mark.parametrize(
    "state, asked, message",
    [
        ({}, {}, "0 tensors, expected 1"),
        ({"fc.w": BAD}, {}, r"fc.w: value nan at \(1, 2\), 1 such in all, expected numbers that are finite in float32"),
        ({"w": np.array([1, np.inf])}, {}, r"w: value inf at \(1,\)"),
        ({"w": np.array([1e300])}, {}, r"w: value 1e\+300 at \(0,\)"),
        ({"w": np.zeros(3, np.complex64)}, {}, "w: its dtype is complex64, expected one of float32"),
        ({"w": np.zeros(3)}, {"error": 1.5}, "error 1.5, expected 0"),
        ({"w": np.zeros(3)}, {"error": float("nan")}, "error nan, expected 0"),
        ({"w": np.zeros(3)}, {"error": 0.1, "size": 9}, "exclude each other"),
        ({"w": np.ones(3)}, {"size": 5}, r"5 bytes, expected at least \d+: names, shapes and integers take that"),
        ({"w": np.full(3, 1e-37)}, {}, "w: an error of 0.05 cannot be had"),
        ({"w": np.zeros((2**21, 2))}, {}, "'w': shape .* expected at most 2,097,152 elements"),
        ({f"w{k}": np.ones(1) for k in range(1025)}, {}, "1,025 tensors"),
    ],
)
def test_what_cannot_be_packed_is_named(state, asked, message) -> None:
    with pytest.raises(DataError, match=message):
        pack_state(state, **asked)


def test_errors_are_a_ladder() -> None:
    assert ERRORS[-1] == 1
    assert all(b / a == pytest.approx(2**0.125) for a, b in pairwise(ERRORS))


def test_a_size_gets_the_least_error_that_fits() -> None:
    state = {"w": NUMBERS.normal(size=(12, 12)).astype(np.float32)}
    least = next(error for error in ERRORS[56:] if len(pack_state(state, error=error)) <= 70)
    back = unpack_state(pack_state(state, size=70))
    assert np.linalg.norm(back["w"] - state["w"]) <= least * np.linalg.norm(state["w"])
