"""Draws as tensors are those of `words`, and none depends on what else is drawn."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from evonet.training.draws import high, low, normals, pixels, unit, words
from evonet.training.words import mix


@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 2**62), min_size=1, max_size=20))
def test_words_are_those_of_mix(seed, counters):
    expected = mix(np.array(counters, np.uint64), seed=seed)
    came = words(torch.tensor(counters), seed)
    assert came.numpy().view(np.uint64).tolist() == expected.tolist()
    assert torch.equal(words(torch.tensor(counters), torch.tensor(seed)), came)


def test_integers_are_uniform_and_both_halves_independent():
    word = words(torch.arange(2**16), 1)
    both = torch.stack([high(word, 4), low(word, 4)])
    assert (both.min(), both.max()) == (0, 3)
    share = torch.bincount(both[0] * 4 + both[1], minlength=16) / len(word)
    np.testing.assert_allclose(share, 1 / 16, atol=0.005)
    u = unit(word)
    assert (u.dtype, bool(((u >= 0) & (u < 1)).all())) == (torch.float32, True)
    assert abs(float(u.mean()) - 0.5) < 0.005


def test_pixels_are_uniform_and_of_one_image_alone():
    seeds = words(torch.arange(50), 3)
    drawn = pixels(seeds, (3, 9, 11))
    assert (drawn.shape, int(drawn.min()) >= 0, int(drawn.max()) < 65536) == ((50, 3, 9, 11), True, True)
    np.testing.assert_allclose(torch.bincount(drawn.flatten() >> 13) / drawn.numel(), 1 / 8, atol=0.015)
    for one in (0, 17, 49):
        assert torch.equal(pixels(seeds[one : one + 1], (3, 9, 11))[0], drawn[one])
    assert not torch.equal(pixels(seeds, (3, 9, 11), stream=1), drawn)


def test_normals_are_normal():
    drawn = normals(words(torch.arange(4), 0), (200, 200)).double()
    assert abs(float(drawn.mean())) < 0.01
    assert abs(float(drawn.std()) - 1) < 0.01
    assert abs(float((drawn.abs() > 2).double().mean()) - 0.0455) < 0.003
    assert float(drawn.abs().max()) < 4.5
