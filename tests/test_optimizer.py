"""Muon: steps are orthogonal, they are what the formula says, and only kernels between first and last move."""

import copy
import math

import pytest
import torch
from torch import nn

from ghr.networks import BFCNN, MLP, ConditionalUNet, UNet
from ghr.optimizer import COEFFICIENTS, Muon, kernels, orthogonal
from ghr.transformers import Transformer


def matrices(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 16, 144), (2, 128, 1152), (1, 64, 128), (4, 40, 9), (2, 12, 12), (1, 1, 9)])
def test_singular_values_of_a_step_are_near_one(shape):
    """Wide, tall and square; of a square Gaussian matrix the smallest may be too small to reach 1."""
    s = torch.linalg.svdvals(torch.stack(orthogonal(list(matrices(*shape)))).double())
    assert s.max() < 1.3
    assert s.min() > 0.7


def test_singular_values_down_to_a_thousandth_of_the_norm_are_lifted():
    u, v = (torch.linalg.qr(matrices(30, 30, seed=k)).Q for k in (1, 2))
    s = torch.logspace(-3, 0, 30)
    s = s / s.norm() * 7
    lifted = torch.linalg.svdvals(orthogonal([u * s @ v.T])[0].double())
    assert 0.7 < lifted[s.flip(0) > 7e-3].min() <= lifted.max() < 1.3


@pytest.mark.parametrize("shape", [(2, 7, 20), (2, 20, 7)])
def test_a_step_has_the_directions_of_the_gradient(shape):
    """U V' of G = U S V', up to what five steps leave: aligned with it, and odd in G."""
    g = matrices(*shape)
    u, _, vh = torch.linalg.svd(g, full_matrices=False)
    step = torch.stack(orthogonal(list(g)))
    assert ((u @ vh) * step).sum() / ((u @ vh).norm() * step.norm()) > 0.99
    negative = torch.stack(orthogonal(list(-3 * g)))
    torch.testing.assert_close(negative, -step, rtol=0, atol=1e-3)  # float32, times steep polynomials


def test_matrices_do_not_see_each_other():
    """Also those that iterate together, with one smaller side."""
    g = [matrices(6, 10), matrices(6, 14, seed=1), matrices(9, 6, seed=2), matrices(7, 7, seed=3)]
    for one, together in zip(g, orthogonal(g), strict=True):
        assert one.shape == together.shape
        torch.testing.assert_close(together, orthogonal([one])[0], rtol=0, atol=1e-3)


def test_entries_too_small_for_any_sum_count_as_zero():
    """A CPU takes many times as long for products below 1e-38. Larger entries count: weak columns have their part."""
    tiny, weak, zero = (matrices(6, 40) for _ in range(3))
    tiny[:, 7:], weak[:, 7:], zero[:, 7:] = 1e-20 * tiny[:, 7:], 1e-4 * weak[:, 7:], 0
    assert torch.equal(orthogonal([tiny])[0], orthogonal([zero])[0])
    u, _, vh = torch.linalg.svd(weak, full_matrices=False)
    found = orthogonal([weak])[0][:, 7:]
    assert torch.cosine_similarity(found.flatten(), (u @ vh)[:, 7:].flatten(), 0) > 0.95


def test_no_gradient_no_step():
    assert torch.equal(orthogonal([torch.zeros(3, 5)])[0], torch.zeros(3, 5))


@pytest.mark.parametrize("gradient", [torch.contiguous_format, torch.channels_last])
def test_the_order_of_memory_changes_nothing(gradient):
    ends = []
    for order in (torch.contiguous_format, torch.channels_last):
        weights = nn.Parameter(matrices(6, 5, 3, 3).contiguous(memory_format=order))
        muon = Muon([weights], lr=0.1)
        for t in range(3):
            weights.grad = matrices(6, 5, 3, 3, seed=1 + t).contiguous(memory_format=gradient)
            muon.step()
        assert weights.is_contiguous(memory_format=order)
        ends.append(weights.detach())
    torch.testing.assert_close(*ends, rtol=0, atol=1e-4)
    assert (ends[0] - matrices(6, 5, 3, 3)).norm() > 0.1


def test_weights_in_another_order_are_refused():
    """They would not move."""
    with pytest.raises(ValueError, match=r"call \.contiguous\(\)"):
        Muon([nn.Parameter(matrices(5, 6, 3, 3).transpose(0, 1))])


def plain(weights, gradients, lr, momentum=0.95):
    """The published algorithm, one kernel after the other, float64: products with the kernel itself in each step."""
    moment = torch.zeros_like(weights).flatten(1)
    for gradient in gradients:
        moment = momentum * moment + gradient.flatten(1)
        x = gradient.flatten(1) + momentum * moment
        rows, columns = x.shape
        x = x / (1.01 * x.norm())
        for a, b, c in COEFFICIENTS:
            gram = x @ x.T
            x = a * x + b * gram @ x + c * gram @ gram @ x
        weights = weights - lr * math.sqrt(max(1, rows / columns)) * x.view_as(weights)
    return weights


@pytest.mark.parametrize("tensor_rate", [False, True])
def test_steps_equal_a_plain_reference(tensor_rate):
    """Three steps of kernels of two shapes, one of them tall, in the memory order of images."""
    shapes = [(6, 5, 3, 3), (6, 5, 3, 3), (20, 2, 2, 2)]
    start = [matrices(*shape, seed=k) for k, shape in enumerate(shapes)]
    gradients = [[matrices(*shape, seed=10 + 3 * k + t) for t in range(3)] for k, shape in enumerate(shapes)]
    weights = [nn.Parameter(w.clone(memory_format=torch.channels_last)) for w in start]
    muon = Muon(weights, lr=torch.tensor(0.03) if tensor_rate else 0.03)
    for t in range(3):
        for w, g in zip(weights, gradients, strict=True):
            w.grad = g[t].clone(memory_format=torch.channels_last)
        muon.step()
    for w, first, g in zip(weights, start, gradients, strict=True):
        expected = plain(first.double(), [part.double() for part in g], 0.03)
        torch.testing.assert_close(w.detach().double(), expected, rtol=1e-4, atol=1e-4)
        assert (expected - first).norm() > 0.1


def test_a_step_does_not_depend_on_the_size_of_the_gradient():
    ends = []
    for factor in (1.0, 1e-4):
        weights = nn.Parameter(matrices(4, 3, 3, 3))
        weights.grad = factor * matrices(4, 3, 3, 3, seed=1)
        Muon([weights]).step()
        ends.append(weights.detach())
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("network", [UNet(width=4, scales=2), ConditionalUNet(width=4), BFCNN(width=4, depth=5)])
def test_muon_moves_all_kernels_but_those_that_meet_images(network):
    moved = {id(w) for w in kernels(network)}
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    meets_images = [m for m in layers if m.in_channels < 4 or m.out_channels < 4]
    assert len(meets_images) == 2
    assert moved == {id(m.weight) for m in layers if m not in meets_images}


def test_biases_and_gains_are_left_to_adamw():
    assert all(w.ndim == 4 for w in kernels(UNet(width=4, scales=1, bias=True)))


@pytest.mark.parametrize("bias", [False, True])
def test_muon_moves_the_matrices_of_perceptrons_and_of_attention(bias):
    """But the first and the last; tables of positions have axes as kernels do, and are none."""
    perceptron = MLP(1, 6, (4, 5), bias)
    assert [w.shape for w in kernels(perceptron)] == [(6, 6), (6, 6)]
    transformer = Transformer(width=4, sides=(4, 6), depth=3, heads=2, bias=bias)
    shapes = [tuple(w.shape) for w in kernels(transformer)]
    assert shapes == 3 * [*4 * [(4, 4)], (16, 4), (4, 16)]
    left = {
        name
        for name, w in transformer.named_parameters()
        if w.ndim > 1 and all(w is not k for k in kernels(transformer))
    }
    tables = {f"blocks.{k}.attention.relative" for k in range(3) if not bias}
    assert left == {"embed.weight", "head.weight", "place"} | tables


def test_a_kernel_of_one_pixel_moves_as_the_matrix_that_it_is():
    ends = []
    for axes in ((), (1, 1)):
        weights = nn.Parameter(matrices(4, 3).view(4, 3, *axes))
        weights.grad = matrices(4, 3, seed=1).view(4, 3, *axes)
        Muon([weights]).step()
        ends.append(weights.detach().view(4, 3))
    assert torch.equal(*ends)


def test_a_state_comes_back():
    """Two steps, saved and loaded between them, equal two steps."""
    ends = []
    for saved in (False, True):
        weights = nn.Parameter(matrices(4, 3, 3, 3))
        muon = Muon([weights])
        for t in range(2):
            weights.grad = matrices(4, 3, 3, 3, seed=t)
            if saved and t:
                state = copy.deepcopy(muon.state_dict())
                muon = Muon([weights])
                muon.load_state_dict(state)
            muon.step()
        ends.append(weights.detach())
    assert torch.equal(*ends)


def test_a_momentum_that_lies_in_another_order_is_no_silent_copy():
    """It would stay as it was for ever."""
    weights = nn.Parameter(matrices(6, 5, 3, 3).contiguous(memory_format=torch.channels_last))
    muon = Muon([weights])
    muon.state[weights]["momentum"] = matrices(6, 5, 3, 3, seed=1)
    weights.grad = torch.zeros_like(weights)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        muon.step()
