"""The hand-written gradient of the norm is autograd's."""

import pytest
import torch

from evonet.network.norm import EPS, rms_norm


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 2, 2), (3, 8, 1, 1)])
def test_rms_norm_and_its_gradient(shape):
    h = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    expected = h / torch.sqrt(h.square().mean(1, keepdim=True) + EPS)
    torch.testing.assert_close(rms_norm(h), expected)
    assert torch.autograd.gradcheck(rms_norm, (h,))


def test_all_zeros_stay_zero_and_have_a_finite_gradient():
    h = torch.zeros(1, 4, 2, 2, requires_grad=True)
    rms_norm(h).sum().backward()
    assert torch.isfinite(h.grad).all()


def test_a_second_derivative_is_refused_rather_than_wrong():
    h = torch.rand(1, 2, 2, 2, requires_grad=True)
    (first,) = torch.autograd.grad(rms_norm(h).square().sum(), h, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()
