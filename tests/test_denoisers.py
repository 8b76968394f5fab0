"""Networks: the paper's architectures, and the laws that follow from having no bias."""

import copy
import functools
import math

import pytest
import torch
from conftest import excite, without_types
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import jvp

from ghr import networks
from ghr.networks import BFCNN, MLP, BiasFreeNorm, ConditionalUNet, UNet, lent

NETWORKS = {"unet": "images", "bfcnn": "odd_images"}


@pytest.fixture(params=NETWORKS)
def case(request):
    """A denoiser of either kind with noisy images that fit it."""
    x = request.getfixturevalue(NETWORKS[request.param])
    y = x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(3), dtype=x.dtype)
    return request.getfixturevalue(request.param), y


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def convolutions(network):
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


def test_parameter_counts_are_those_of_the_paper():
    assert parameters(UNet(1, 64, 3)) == 7_659_264
    assert parameters(BFCNN(1, 64, 21)) == 702_784
    assert parameters(UNet(width=16)) == 479_424
    assert sum(p.numel() for name, p in UNet().named_parameters() if name.endswith("gain")) == 2_688


@pytest.mark.parametrize("width", [3, 64])
def test_bfcnn_is_21_convolutions_deep_whatever_its_width(width):
    assert len(convolutions(BFCNN(width=width))) == 21
    assert sum(isinstance(m, nn.ReLU) for m in BFCNN(width=width).modules()) == 20
    assert sum(isinstance(m, BiasFreeNorm) for m in BFCNN(width=width).modules()) == 19


@pytest.mark.parametrize("scales", [1, 2, 3, 4])
def test_unet_has_two_convolutions_a_block_and_one_pooling_a_scale(scales):
    network = UNet(width=2, scales=scales)
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == 2 * (2 * scales + 1)
    assert sum(isinstance(m, nn.ConvTranspose2d) for m in network.modules()) == scales
    y = torch.rand(1, 1, 2**scales, 3 * 2**scales)
    assert network(y).shape == y.shape


def test_colour_images_pass():
    assert UNet(channels=3, width=2, scales=1)(torch.rand(2, 3, 4, 6)).shape == (2, 3, 4, 6)
    assert BFCNN(channels=3, width=2, depth=3)(torch.rand(2, 3, 5, 7)).shape == (2, 3, 5, 7)


@pytest.mark.parametrize("shape", [(12, 16), (16, 12), (15, 16)])
def test_sizes_that_the_scales_do_not_divide_are_refused(shape):
    with pytest.raises(ValueError, match=f"divisible by 8, got {shape[0]}x{shape[1]}"):
        UNet(width=2, scales=3)(torch.rand(1, 1, *shape))


@pytest.mark.parametrize("network", [UNet(width=2), BFCNN(width=2)])
def test_no_layer_has_a_bias(network):
    assert {name.split(".")[-1] for name, _ in network.named_parameters()} == {"weight", "gain"}
    assert {name.split(".")[-1] for name, _ in network.named_buffers()} == {"running_sd"}


@settings(deadline=None, max_examples=10)
@given(scale=st.floats(1e-3, 1e3))
def test_homogeneity(scale):
    """f(a y) = a f(y) for a > 0, in evaluation mode."""
    y = torch.randn(2, 1, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for network in (excite(UNet(width=4, scales=2)).double(), excite(BFCNN(width=4, depth=5)).double()):
        f = network(y)
        torch.testing.assert_close(network(scale * y) / scale, f, atol=1e-10 * f.abs().max().item(), rtol=0)


def homogeneity_defect(network, y):
    f = network(y)
    return ((network(3 * y) / 3 - f).norm() / f.norm()).item()


def test_one_added_bias_breaks_homogeneity(case):
    denoiser, y = case
    assert homogeneity_defect(denoiser, y) < 1e-10
    layer = convolutions(denoiser)[2]
    layer.bias = nn.Parameter(torch.full((layer.out_channels,), 0.1, dtype=torch.float64))
    assert homogeneity_defect(denoiser, y) > 1e-2


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch.func.jvp uses it itself
def test_jacobian_times_the_image_is_the_denoised_image(case):
    """J(y) y = f(y), and f is far from linear, so that this says something."""
    denoiser, y = case
    f, jy = jvp(denoiser, (y,), (y,))
    torch.testing.assert_close(jy, f, atol=1e-10 * f.abs().max().item(), rtol=0)
    assert (denoiser(-y) + f).norm() > 0.05 * f.norm()


def test_without_rectifiers_the_network_is_linear(case):
    """Pooling averages and nothing shifts: only ReLU is nonlinear."""
    denoiser, y = case
    for module in list(denoiser.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Identity())
    together = denoiser(y[:1] + 2 * y[1:2])
    apart = denoiser(y[:1]) + 2 * denoiser(y[1:2])
    torch.testing.assert_close(together, apart, atol=1e-10 * together.abs().max().item(), rtol=0)


def test_networks_predict_the_residual(case):
    """With its last layer silenced, the network returns its input."""
    denoiser, y = case
    last = [m for m in denoiser.modules() if isinstance(m, nn.Conv2d)][-1]
    nn.init.zeros_(last.weight)
    assert torch.equal(denoiser(y), y)


def test_images_of_a_batch_do_not_mix_in_evaluation_mode(case):
    denoiser, y = case
    together = denoiser(y)
    for i in range(len(y)):
        torch.testing.assert_close(denoiser(y[i : i + 1]), together[i : i + 1], atol=1e-12, rtol=1e-12)


def test_evaluation_changes_nothing(case):
    denoiser, y = case
    before = y.clone(), copy.deepcopy(denoiser.state_dict())
    denoiser(y)
    assert torch.equal(y, before[0])
    assert all(torch.equal(value, before[1][name]) for name, value in denoiser.state_dict().items())
    assert not denoiser.training


# Controls ---------------------------------------------------------------------------------------------------------


def test_with_biases_a_unet_is_no_longer_homogeneous():
    network = excite(UNet(width=4, scales=2, bias=True)).double()
    y = torch.randn(2, 1, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert homogeneity_defect(network, y) > 1e-2
    names = {name.split(".")[-1] for name, _ in network.named_parameters()}
    assert names == {"weight", "bias"}
    assert parameters(UNet(width=4)) < parameters(UNet(width=4, bias=True)) < 1.01 * parameters(UNet(width=4))


def test_a_denoiser_that_is_told_the_noise_level_scales_with_it():
    """f(a y, a sigma) = a f(y, sigma), and at one sigma it is not homogeneous: it listens to what it is told."""
    network = excite(Told(width=4, scales=2)).double()
    at = {sigma: functools.partial(network, sigma=sigma) for sigma in (0.3, 0.6, 0.9)}
    y = torch.randn(2, 1, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    f = at[0.3](y)
    torch.testing.assert_close(at[0.9](3 * y) / 3, f, atol=1e-10 * f.abs().max().item(), rtol=0)
    assert homogeneity_defect(at[0.3], y) > 1e-3
    both = network(y, torch.tensor([0.3, 0.6], dtype=torch.float64).view(2, 1, 1, 1))
    torch.testing.assert_close(both[0], f[0])
    torch.testing.assert_close(both[1:], at[0.6](y[1:]))


def test_a_told_network_without_a_noise_level_says_so():
    network, y = ConditionalUNet(width=2, scales=1).eval(), torch.rand(3, 1, 4, 6)
    with pytest.raises(ValueError, match=r"told the noise level: call it f\(y, sigma\)"):
        network(y)
    for sigma in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="sigma must be positive"):
            network(y, sigma)
    with pytest.raises(ValueError, match="one number, or one for each of 3 images, got 2"):
        without_types(networks).ConditionalUNet(width=2, scales=1)(y, torch.ones(2, 1, 1, 1))


@pytest.mark.parametrize("network", [UNet(width=2, scales=1), UNet(width=2, scales=1, bias=True), BFCNN(width=2)])
def test_blind_networks_ignore_what_they_are_told(network):
    y = torch.rand(2, 1, 4, 6)
    assert torch.equal(network.eval()(y, 0.3), network(y))


def test_images_of_other_channels_are_refused():
    for network in (UNet(width=2, scales=1), ConditionalUNet(width=2, scales=1), BFCNN(width=2)):
        with pytest.raises(ValueError, match=r"takes images \(b, 1, h, w\), got the shape \(2, 3, 4, 6\)"):
            network(torch.rand(2, 3, 4, 6), 0.1)


@pytest.mark.parametrize("name", ["channels", "width", "scales"])
def test_networks_without_anything_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} of at least 1, got 0"):
        UNet(**{name: 0})
    if name != "scales":
        with pytest.raises(ValueError, match=f"{name} of at least 1, got 0"):
            BFCNN(**{name: 0})
    with pytest.raises(ValueError, match="at least two convolutions, got depth=1"):
        BFCNN(depth=1)


def test_relus_are_not_in_place():
    """`torch.func` traces what it is given, and a network that overwrites its inputs is not that."""
    for network in (UNet(width=2, scales=1), BFCNN(width=2, depth=3)):
        assert not any(m.inplace for m in network.modules() if isinstance(m, nn.ReLU))


class Told(ConditionalUNet):
    """Excited by passes that need no noise level."""

    def forward(self, y, sigma=None):
        return super().forward(y, y.new_full((len(y), 1, 1, 1), 0.5) if sigma is None else sigma)


# A perceptron -----------------------------------------------------------------------------------------------------


def test_a_perceptron_without_bias_scales_with_its_images():
    """f(a y) = a f(y), and J(y) y = f(y); with bias neither."""
    y = torch.randn(3, 1, 16, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    network = excite(MLP(1, 30, (16, 24))).double()
    assert homogeneity_defect(network, y) < 1e-10
    assert (network(-y) + network(y)).norm() > 0.05 * network(y).norm()
    assert homogeneity_defect(excite(MLP(1, 30, (16, 24), bias=True)).double(), y) > 0.1
    assert {name.split(".")[-1] for name, _ in network.named_parameters()} == {"weight", "gain"}


def test_a_perceptron_knows_no_neighbours():
    """Pixels exchanged, and its first and last weights with them, nothing changes but their order."""
    network, order = MLP(2, 5, (3, 4)).eval(), torch.randperm(24)
    y = torch.rand(2, 2, 3, 4)
    expected = network(y).flatten(1)[:, order]
    first, last = network.layers[0].weight, network.layers[-1].weight
    first.data, last.data = first.data[:, order], last.data[order]
    torch.testing.assert_close(network(y.flatten(1)[:, order].view_as(y)).flatten(1), expected)


def test_a_perceptron_takes_images_of_its_own_size_alone():
    network = MLP(1, 4, (3, 5))
    assert network(torch.rand(2, 1, 3, 5), 0.3).shape == (2, 1, 3, 5)
    with pytest.raises(ValueError, match=r"made for images of shape \(1, 3, 5\), got \(1, 5, 3\)"):
        network(torch.rand(2, 1, 5, 3))
    with pytest.raises(ValueError, match="takes images"):
        network(torch.rand(2, 3, 3, 5))
    with pytest.raises(ValueError, match="hidden of at least 1, got 0"):
        MLP(hidden=0)


def test_a_perceptron_of_the_laptop_has_two_million_weights():
    assert parameters(MLP()) == 2 * 1024 * 640 + 2 * 640**2 + 3 * 640


# BiasFreeNorm -----------------------------------------------------------------------------------------------------


@pytest.fixture
def features():
    """Four channels of different means and deviations."""
    x = torch.randn(3, 4, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x * torch.tensor([0.5, 1, 2, 4]).view(1, 4, 1, 1) + torch.tensor([3.0, -1, 0, 10]).view(1, 4, 1, 1)


def test_norm_divides_by_the_deviation_about_the_mean_without_shifting(features):
    """y = g x / s: the mean is taken out of s^2, not out of x."""
    norm = BiasFreeNorm(4)
    norm.gain.data = torch.tensor([1.0, 2.0, 3.0, -4.0])
    s = torch.stack([(features[:, c].square().mean() - features[:, c].mean() ** 2).sqrt() for c in range(4)])
    expected = features * (norm.gain.double() / s).view(1, 4, 1, 1)
    torch.testing.assert_close(norm(features), expected, atol=0, rtol=1e-4)


def test_norm_takes_features_without_places_as_images_of_one_pixel(features):
    norm = BiasFreeNorm(4)
    rows = features[:, :, 0, 0]
    assert torch.equal(norm(rows), norm(rows[:, :, None, None])[:, :, 0, 0])


def test_running_deviation_has_momentum_a_tenth(features):
    norm = BiasFreeNorm(4)
    sd = features.std((0, 2, 3), unbiased=False).float()
    for k in range(1, 4):
        norm(features)
        torch.testing.assert_close(norm.running_sd, 0.9**k + (1 - 0.9**k) * sd, rtol=1e-4, atol=0)


def test_norm_uses_the_running_deviation_in_evaluation_and_leaves_it(features):
    norm = BiasFreeNorm(4).eval()
    norm.running_sd = torch.tensor([1.0, 2.0, 4.0, 8.0])
    norm.gain.data = torch.tensor([1.0, 1.0, 2.0, 2.0])
    torch.testing.assert_close(norm(features), features * torch.tensor([1, 0.5, 0.5, 0.25]).view(1, 4, 1, 1))
    assert norm.running_sd.tolist() == [1, 2, 4, 8]


def test_a_silent_channel_stays_finite():
    norm = BiasFreeNorm(1)
    x = torch.zeros(2, 1, 3, 5, requires_grad=True)
    norm(x).sum().backward()
    assert x.grad.isfinite().all()


def test_norm_keeps_bfloat16_and_takes_its_deviation_in_float32():
    """Around a mean of 100, bfloat16 squares would lose the deviation altogether."""
    x = 100 + torch.randn(8, 1, 16, 17, generator=torch.Generator().manual_seed(0))
    x = x.bfloat16()
    norm = BiasFreeNorm(1, momentum=1.0)
    assert norm(x).dtype == torch.bfloat16
    torch.testing.assert_close(norm.running_sd, x.double().std(unbiased=False).float()[None], rtol=1e-3, atol=0)


def test_a_lent_network_answers_where_it_was_asked(images):
    """The hooks of a network that computes elsewhere: the image arrives there, the answer leaves for its home."""

    class Elsewhere(nn.Module):
        def forward(self, y, sigma=None):
            assert y.device == sigma.device == torch.device("meta")
            return self.answer

    network = Elsewhere()
    network.answer = images.clone()
    lent(network, torch.device("meta"))
    x_hat = copy.deepcopy(network)(images, sigma=torch.ones(5, 1, 1, 1))
    assert x_hat.device == images.device
    assert torch.equal(x_hat, images)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_network_on_a_gpu_answers_as_on_the_cpu(images):
    network, y = excite(UNet(width=6, scales=2)), images.float()
    there = lent(copy.deepcopy(network), torch.device("cuda"))
    torch.testing.assert_close(there(y), network(y), rtol=1e-4, atol=1e-5)
