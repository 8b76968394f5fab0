"""The contract: any callable is called as it wants, and what a foreign model may get wrong is said in one sentence."""

import functools
import math

import numpy as np
import pytest
import torch
from conftest import excite, without_types
from torch import nn

from ghr import denoiser, noise
from ghr.measure import agreement
from ghr.networks import ConditionalUNet, UNet


@pytest.fixture
def y():
    return torch.rand(5, 1, 4, 6, generator=torch.Generator().manual_seed(0))


class Gain(nn.Module):
    def forward(self, y, sigma):
        return sigma * y


class Method:
    def half(self, y, sigma):
        return sigma * y


def given(y, *, sigma):
    """Told by name alone."""
    return sigma * y


WAYS = {
    "told": (lambda y, sigma: sigma * y, 0.5),
    "told, other names": (lambda image, level: level * image, 0.5),
    "told by name": (given, 0.5),
    "anything": (lambda *given: given[0] * given[1], 0.5),
    "a method": (Method().half, 0.5),
    "told before": (functools.partial(given, sigma=0.25), 0.25),
    "blind": (lambda y: 0.1 * y, 0.1),
    "blind, with a constant": (lambda y, gain=0.2: gain * y, 0.2),
    "blind module": (nn.Identity().eval(), 1),
    "written in C": (torch.positive, 1),
}


@pytest.mark.parametrize(("f", "factor"), WAYS.values(), ids=WAYS)
def test_callables_are_called_as_they_want(f, factor, y):
    assert torch.equal(denoiser.call(f, y, 0.5), factor * y)
    assert torch.equal(denoiser.denoise(f, y, 0.5, batch=2), factor * y)
    torch.testing.assert_close(noise.score(f, y, 0.5), (factor - 1) * y / 0.25)
    assert agreement.linearity(f, y, 0.5).tolist() == pytest.approx([1, 1])
    assert agreement.model_variance([f, f], y, 0.5)[0].sum() == 0


@pytest.mark.parametrize("f", [lambda y, sigma: y, given, ConditionalUNet(width=2, scales=1).eval()])
def test_who_must_be_told_and_is_not_says_so(f, y):
    for measure in (denoiser.call, denoiser.denoise, agreement.linearity):
        with pytest.raises(ValueError, match=r"told the noise level: call it f\(y, sigma\)"):
            measure(f, y)


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda f: torch.compile(f, backend="eager")])
def test_wrapped_networks_are_told_as_what_they_wrap(wrap, y):
    for network in (Gain().eval(), nn.Sequential(nn.Conv2d(1, 1, 3, padding=1)).eval()):
        assert torch.equal(denoiser.denoise(wrap(network), y, 0.3), denoiser.denoise(network, y, 0.3))


def test_compiled_functions_are_told_as_what_they_wrap(y):
    for f in (lambda y: 0.1 * y, lambda y, sigma: sigma * y):
        compiled = torch.compile(f, backend="eager")
        assert torch.equal(denoiser.denoise(compiled, y, 0.3), denoiser.denoise(f, y, 0.3))


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_each_image_may_have_its_own_noise_level(batch, y):
    sigma = torch.linspace(0.1, 0.5, 5).view(5, 1, 1, 1)
    assert torch.equal(denoiser.denoise(lambda y, sigma: sigma * y, y, sigma, batch), sigma * y)


def test_answers_carry_no_graph(y):
    network = UNet(width=2, scales=1).eval()
    assert not denoiser.denoise(network, y).requires_grad
    assert noise.score(network, y, 0.1).requires_grad  # the score may be differentiated


@pytest.mark.parametrize(
    "wrap", [lambda f: f, nn.DataParallel, lambda f: f.forward, lambda f: functools.partial(f, sigma=0.1)]
)
def test_a_network_in_training_mode_is_refused_and_not_flipped(wrap, y):
    network = UNet(width=2, scales=1).eval()
    denoiser.require_evaluation(wrap(network))
    network.middle.train()  # one part is enough to mix the images of a batch
    for measure in (denoiser.denoise, lambda f, y: noise.score(f, y, 0.1), agreement.linearity):
        with pytest.raises(ValueError, match="in training mode, where images of a batch mix"):
            measure(wrap(network), y)
    assert network.middle.training
    assert not network.training


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (np.zeros((2, 1, 4, 6)), TypeError, "must be a torch tensor, got numpy.ndarray"),
        ([[0.5]], TypeError, "must be a torch tensor, got list"),
        (
            torch.zeros(2, 1, 4, 6, dtype=torch.uint8),
            TypeError,
            r"floating point numbers in units of \[0,1\], got torch.uint8",
        ),
        (torch.zeros(4, 6), ValueError, r"shape \(b, c, h, w\), none of them 0, got \(4, 6\)"),
        (torch.zeros(0, 1, 4, 6), ValueError, "none of them 0"),
        (torch.full((2, 1, 4, 6), math.nan), ValueError, "not finite"),
        (torch.full((2, 1, 4, 6), math.inf), ValueError, "not finite"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(wrong, error, words):
    plain = without_types(denoiser)
    f = nn.Identity().eval()
    for measure in (plain.denoise, lambda f, y: without_types(noise).score(f, y, 0.1)):
        with pytest.raises(error, match=words):
            measure(f, wrong)
    for measure in (lambda f, x: without_types(noise).denoising_mse(f, x, 0.1), without_types(agreement).linearity):
        with pytest.raises(error, match=words):
            measure(f, wrong)


@pytest.mark.parametrize(
    ("f", "error", "words"),
    [
        (lambda y: y.numpy(), TypeError, "answer with a tensor, got numpy.ndarray"),
        (lambda y: (y, y), TypeError, "answer with a tensor, got tuple"),
        (lambda y: None, TypeError, "answer with a tensor, got NoneType"),
        (lambda y: y[..., 1:], ValueError, r"\(5, 1, 4, 6\), got \(5, 1, 4, 5\)"),
        (lambda y: y.mean(1), ValueError, r"\(5, 1, 4, 6\), got \(5, 4, 6\)"),
    ],
)
def test_answers_that_are_no_images_are_refused(f, error, words, y):
    with pytest.raises(error, match=words):
        denoiser.denoise(f, y)


def test_one_level_for_all_is_one():
    assert denoiser.require_level(torch.tensor(0.5)) == denoiser.require_level(torch.full((1, 1, 1, 1), 0.5)) == 0.5
    with pytest.raises(ValueError, match="one noise level for all images, got 3"):
        without_types(denoiser).require_level(torch.ones(3, 1, 1, 1))


def test_superposition_needs_two_images(y):
    with pytest.raises(ValueError, match="pairs of images, got one"):
        agreement.linearity(lambda y: y, y[:1])


def test_a_cloned_network_is_called_like_the_first(y):
    network = excite(UNet(width=2, scales=1))
    assert torch.equal(denoiser.call(network, y, 0.1), network(y))
