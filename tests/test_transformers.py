"""Transformers: attention is the sum it says, without biases a network scales with its image, and windows are kept."""

import copy
import math
import sys

import pytest
import torch
from conftest import excite, without_types
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import jvp, vmap

from ghr import jacobian, networks, transformers
from ghr.transformers import Attention, Transformer

SIDES = (16, 24)  #: what `excite` shows


def made(**kind):
    return excite(Transformer(width=6, heads=2, depth=2, sides=SIDES, **kind)).double()


def noisy(b=2, h=16, w=24, channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, channels, h, w, generator=generator, dtype=torch.float64) + 0.5


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("window", [None, 3])
def test_attention_is_the_sum_over_the_places_in_sight(bias, window):
    """One place and one head after the other."""
    torch.manual_seed(0)
    layer = Attention(6, 2, (4, 7), window, bias).double()
    for weights in layer.parameters():
        nn.init.normal_(weights)
    h, w, tokens = 3, 5, torch.randn(2, 3, 5, 6, dtype=torch.float64)
    heads = torch.zeros_like(tokens)
    for head in range(2):
        own = slice(3 * head, 3 * head + 3)
        q, k, v = (part(tokens)[..., own] for part in (layer.query, layer.key, layer.value))
        for b, i, j in ((b, i, j) for b in range(2) for i in range(h) for j in range(w)):
            weights, values = [], []
            for m, n in ((m, n) for m in range(h) for n in range(w)):
                if window and max(abs(m - i), abs(n - j)) > 1:
                    continue
                product = q[b, i, j] @ k[b, m, n]
                if bias:
                    logit = product / math.sqrt(3)
                else:
                    cosine = product / (q[b, i, j].norm() * k[b, m, n].norm())
                    logit = layer.sharpness[head] * cosine + layer.relative[head, m - i + 3, n - j + 6]
                weights.append(logit.exp())
                values.append(v[b, m, n])
            weights = torch.stack(weights) / sum(weights)
            heads[b, i, j, own] = weights @ torch.stack(values)
    torch.testing.assert_close(layer(tokens), layer.out(heads))


@settings(deadline=None, max_examples=8)
@given(scale=st.floats(1e-3, 1e3))
@pytest.mark.parametrize("window", [None, 3])
def test_homogeneity(window, scale):
    """f(a y) = a f(y) for a > 0, in evaluation mode."""
    y, network = noisy(1), made(window=window)
    f = network(y)
    torch.testing.assert_close(network(scale * y) / scale, f, atol=1e-9 * f.abs().max().item(), rtol=0)
    assert (network(-y) + f).norm() > 0.05 * f.norm()  # and f is far from linear


def test_a_transformer_with_bias_does_not_scale():
    y, network = noisy(), made(bias=True)
    assert (network(3 * y) / 3 - network(y)).norm() > 0.05 * network(y).norm()


@pytest.mark.parametrize("part", ["embed", "blocks.1.attention.value", "blocks.0.perceptron.0", "head"])
def test_one_added_bias_breaks_homogeneity(part):
    y, network = noisy(), made()
    layer = network.get_submodule(part)
    outputs = layer.weight.shape[1 if part == "head" else 0]
    layer.bias = nn.Parameter(torch.full((outputs,), 0.3, dtype=torch.float64))
    assert (network(3 * y) / 3 - network(y)).norm() > 1e-3 * network(y).norm()


def test_without_bias_nothing_is_added():
    names = {name.split(".")[-1] for name, _ in made().named_parameters()}
    assert names == {"weight", "gain", "sharpness", "relative", "place"}


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch.func.jvp uses it itself
@pytest.mark.parametrize("kind", [{}, {"window": 3}, {"bias": True}])
def test_the_jacobian_is_had_forwards_backwards_and_in_batches(kind):
    """J(y) y = f(y) without bias; J v and J' v are products with the matrix of all rows."""
    network, y = made(**kind), noisy(1, 8, 12)
    j = jacobian.jacobian(network, y)
    push, pull = jacobian.products(network, y)
    v = noisy(3, 8, 12, seed=1)
    exact = {"atol": 1e-10 * j.norm().item(), "rtol": 0}
    torch.testing.assert_close(push(v[:1]).flatten(), j @ v[0].flatten(), **exact)
    torch.testing.assert_close(pull(v[:1]).flatten(), j.T @ v[0].flatten(), **exact)
    together = vmap(lambda u: jvp(network, (y,), (u[None],))[1])(v)
    torch.testing.assert_close(together.flatten(1), v.flatten(1) @ j.T, **exact)
    if "bias" not in kind:
        torch.testing.assert_close(j @ y.flatten(), network(y).flatten(), **exact)


def test_a_window_bounds_what_a_patch_sees():
    """Two blocks of windows of 3 patches reach two patches of 2 pixels beyond one's own; all do without a window."""
    y = noisy(1)
    for kind, reach in (({"window": 3}, 2), ({}, 12)):
        network = made(**kind)
        moved = y.clone()
        moved[..., 8:10, 12:14] += 1
        rows, columns = (network(moved) - network(y)).abs()[0, 0].gt(1e-9).nonzero(as_tuple=True)
        assert (rows.min(), rows.max()) == (max(0, 8 - 2 * reach), min(15, 9 + 2 * reach))
        assert (columns.min(), columns.max()) == (max(0, 12 - 2 * reach), min(23, 13 + 2 * reach))


def test_a_window_as_large_as_the_image_is_none():
    y, network = noisy(), made()
    local = copy.deepcopy(network)
    for block in local.blocks:
        block.attention.window = 2 * max(SIDES) + 1
    torch.testing.assert_close(local(y), network(y))


def test_all_that_is_learned_moves_the_answer():
    """A table that nobody reads would be trained in vain."""
    for bias in (False, True):
        network = made(bias=bias)
        network(noisy()).square().sum().backward()
        assert [name for name, w in network.named_parameters() if w.grad is None or not w.grad.any()] in ([], KEYS)


#: a constant added to all keys adds one number to all logits, which softmax does not see
KEYS = [f"blocks.{k}.attention.key.bias" for k in range(2)]


def test_a_transformer_is_told_where_in_the_image_a_patch_is():
    """A shifted image is not denoised to the shifted answer, unless the gains of all places are alike."""
    network, y = made(), noisy(1)
    with torch.no_grad():
        for block in network.blocks:
            block.attention.relative.zero_()
    far = (network(y.roll(4, -1)) - network(y).roll(4, -1)).norm() / network(y).norm()
    network.place.data[:] = network.place.data[:1, :1]
    near = (network(y.roll(4, -1)) - network(y).roll(4, -1)).norm() / network(y).norm()
    assert near < 1e-9 < 0.05 < far


def test_smaller_images_colours_and_memory_orders_pass():
    network = Transformer(channels=3, width=4, heads=2, depth=1, sides=(8, 12), patch=4).double().eval()
    y = noisy(2, 8, 4, 3)
    assert network(y, 0.1).shape == y.shape
    last = y.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network(last), network(y))
    torch.testing.assert_close(network(y)[1:], network(y[1:]))


def test_the_compiler_takes_the_network_as_one_graph(monkeypatch):
    """Without the types of arguments, which it cannot trace."""
    monkeypatch.setitem(sys.modules, "ghr.networks", without_types(networks))
    network = without_types(transformers).Transformer(width=4, heads=2, depth=1, sides=(4, 8), window=3).eval()
    y = noisy(2, 4, 8).float()
    torch.testing.assert_close(torch.compile(network, backend="eager", fullgraph=True)(y), network(y))


@pytest.mark.parametrize("sides", [(15, 24), (16, 26), (18, 24)])
def test_sides_that_patches_do_not_divide_or_that_are_larger_are_refused(sides):
    with pytest.raises(
        ValueError, match=f"up to 16x24 with sides divisible by 2, its patches; got {sides[0]}x{sides[1]}"
    ):
        made()(noisy(1, *sides))


def test_a_transformer_without_anything_is_refused():
    for name in ("channels", "width", "patch", "depth", "heads"):
        with pytest.raises(ValueError, match=f"{name} of at least 1, got 0"):
            Transformer(**{name: 0})
    with pytest.raises(ValueError, match="10 channels cannot be divided among 3 heads"):
        Transformer(width=10)
    with pytest.raises(ValueError, match="odd side, got 4 patches"):
        Transformer(window=4)
    with pytest.raises(ValueError, match="got 9x8"):
        Transformer(sides=(9, 8))
    with pytest.raises(ValueError, match=r"takes images \(b, 1, h, w\)"):
        Transformer()(torch.rand(1, 3, 8, 8))


def test_half_a_million_weights_at_the_laptops_width():
    """Of a token of 96 channels: four blocks of 12 matrices, both ends, gains, and positions."""
    matrices, ends, gains = 4 * 12 * 96**2, 2 * 4 * 96, 9 * 96
    positions = 16 * 16 * 96 + 4 * 3 * (31**2 + 1)
    assert sum(w.numel() for w in Transformer().parameters()) == matrices + ends + gains + positions
