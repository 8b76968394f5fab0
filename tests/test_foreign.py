"""Foreign denoisers: each format is read, each convention converted, and what is none of them is told in a sentence."""

import importlib
import itertools
import json
import os
import re
import warnings

import numpy as np
import pytest
import torch
from conftest import REPO, excite
from torch import nn

from ghr import experiments, foreign, recipes, runs
from ghr.files import checkpoints
from ghr.foreign import Convention, Foreign, authors, conventions
from ghr.networks import UNet
from ghr.references import WienerDenoiser

SIGMA = 0.25


def required(name: str):
    """A package of the extra `foreign`; a machine without it skips, but the continuous integration must have it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        assert not os.environ.get("CI"), f"{name} is missing"
        pytest.skip(f"{name} is missing: pip install -e '.[foreign]'")


@pytest.fixture
def y():
    return torch.randn(3, 1, 8, 12, generator=torch.Generator().manual_seed(1)) * 0.3 + 0.5


# Conventions --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wiener():
    """The exact posterior mean of Gaussian images, in the book's units."""
    x = 0.5 + 0.2 * torch.randn(9, 1, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return WienerDenoiser(x)


def in_other_units(wiener, units):
    """The posterior mean u_hat(v, s) of images a x + b, s one number for all."""
    a, b = conventions.UNITS[units]
    return lambda v, s: a * wiener((v - b) / a, float(s) / a) + b


WAYS = [(units, told, p) for units in conventions.UNITS for told, all_ in conventions.PREDICTIONS.items() for p in all_]


@pytest.mark.parametrize(("units", "told", "predicts"), WAYS)
def test_the_posterior_mean_of_any_convention_is_the_books(wiener, units, told, predicts):
    """A network that is exact in its own units and for its own noise gives, converted, the exact answer in ours."""
    exact, bars, c = in_other_units(wiener, units), np.array(conventions.alpha_bars()), 0.7
    known = np.sqrt((1 - bars) / bars)

    def network(seen, number):
        if told == "sigma":
            s, v = float(number), seen
        elif told == "step":  # between two steps the noise grows by a constant factor
            s = np.exp(np.interp(float(number[0]), np.arange(len(known)), np.log(known)))
            v = seen * (1 + s**2) ** 0.5
        else:
            s = np.exp(4 * float(number[0]))
            v = seen * (s**2 + c**2) ** 0.5
        u = exact(v, s)
        if told == "edm":
            return (u - c**2 / (s**2 + c**2) * v) * (s**2 + c**2) ** 0.5 / (s * c)
        z = (v - u) / s
        bar = 1 / (1 + s**2)
        values = {"clean": u, "residual": v - u, "noise": z, "score": -z / s}
        return (values | {"v": bar**0.5 * z - (1 - bar) ** 0.5 * u})[predicts]

    how = Convention(units, told, predicts, sigma_data=c)
    f = Foreign(network, how)
    y = torch.rand(4, 1, 3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    sigma = 0.25 if units != "bytes" or told != "step" else 0.125
    torch.testing.assert_close(f(y, sigma), wiener(y, sigma), rtol=1e-9, atol=1e-9)
    at_a_step = known[300] / conventions.UNITS[units][0]
    torch.testing.assert_close(f(y, at_a_step), wiener(y, at_a_step), rtol=1e-9, atol=1e-9)


def test_steps_are_told_to_each_image():
    """Whole at the noise of a step, and one for each image."""
    heard = []
    f = Foreign(lambda x, t: heard.append(t) or torch.zeros_like(x), Convention("unit", "step", "noise"))
    bars = np.array(conventions.alpha_bars())
    levels = torch.tensor(np.sqrt((1 - bars) / bars)[[0, 17, 999]]).float().view(3, 1, 1, 1)
    f(torch.rand(3, 1, 2, 2), levels)
    torch.testing.assert_close(heard[0], torch.tensor([0.0, 17.0, 999.0]), atol=1e-2, rtol=0)
    f(torch.rand(3, 1, 2, 2), 0.3)
    assert heard[1].shape == (3,)


def test_the_cosine_schedule_is_its_formula():
    bars = conventions.alpha_bars("cosine", 100)
    t = np.arange(101) / 100
    formula = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(bars[:-1], formula[1:-1] / formula[0], rtol=1e-10)


def test_noise_that_a_diffusion_does_not_know_is_refused():
    f = foreign.adapt(lambda x, t: x, told="step", predicts="noise", units="signed")
    low, high = f.convention.levels
    assert (round(low, 4), round(high)) == (0.005, 79)
    for sigma in (0.004, 100):
        with pytest.raises(ValueError, match=r"knows noise levels from 0.005 to 78.7, got"):
            f(torch.rand(1, 1, 2, 2), sigma)
    with pytest.raises(ValueError, match="told the noise level"):
        f(torch.rand(1, 1, 2, 2))


def test_blind_networks_of_other_units_need_no_sigma(y):
    f = foreign.adapt(lambda v: 0.1 * v, units="bytes", predicts="residual")
    torch.testing.assert_close(f(y), 0.9 * y)
    torch.testing.assert_close(f(y, 0.3), 0.9 * y)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"units": "volts"}, "units is 'volts': expected one of unit, signed, bytes"),
        ({"told": "mood"}, "told is 'mood': expected one of sigma, step, edm"),
        ({"told": "step", "predicts": "residual"}, 'a network told "step" predicts one of noise, clean, v'),
        ({"told": "step", "predicts": "noise", "bars": (0.1, 0.9)}, "falling numbers between 0 and 1"),
        ({"sigma_data": 0.0}, "sigma_data must be positive"),
    ],
)
def test_what_is_no_convention_is_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        Convention(**fields)


def test_answers_of_another_shape_are_refused(y):
    for told, predicts in (("sigma", "noise"), ("step", "v"), ("edm", "clean")):
        f = foreign.adapt(lambda x, t: x[:, :, :1], told=told, predicts=predicts)
        with pytest.raises(ValueError, match=r"of the shape it was asked for, \(3, 1, 8, 12\), got \(3, 1, 1, 12\)"):
            f(y, SIGMA)


# Diffusers ----------------------------------------------------------------------------------------------------------


def tiny(diffusers, channels=1, out=None):
    torch.manual_seed(0)
    return diffusers.UNet2DModel(
        sample_size=8,
        in_channels=channels,
        out_channels=out or channels,
        block_out_channels=(4, 8),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=2,
        attention_head_dim=4,
    )


@pytest.mark.parametrize(
    ("predicts", "schedule"),
    [
        ("epsilon", "linear"),
        ("sample", "scaled_linear"),
        ("v_prediction", "squaredcos_cap_v2"),
        ("epsilon", "sigmoid"),
    ],
)
def test_a_unet_of_diffusers_denoises_as_its_scheduler_does(tmp_path, predicts, schedule):
    """x0 as the scheduler itself computes it at a step, of x_t = sqrt(abar) u + sqrt(1 - abar) z, u in [-1,1]."""
    diffusers = required("diffusers")
    network = tiny(diffusers).eval()
    scheduler = diffusers.DDPMScheduler(prediction_type=predicts, beta_schedule=schedule, clip_sample=False)
    network.save_pretrained(tmp_path / "unet")
    scheduler.save_pretrained(tmp_path / "scheduler")
    f = foreign.load(str(tmp_path))
    assert (f.channels, foreign.wanted_size(str(tmp_path))) == (1, 8)
    x_t = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    for t in (40, 700):
        bar = scheduler.alphas_cumprod[t].double()
        sigma = float(((1 - bar) / bar).sqrt() / 2)
        with torch.no_grad():
            expected = scheduler.step(network(x_t, t).sample, t, x_t).pred_original_sample
            x_hat = f((x_t / bar.sqrt().float() + 1) / 2, sigma)
        torch.testing.assert_close(x_hat, (expected + 1) / 2, rtol=2e-3, atol=2e-3 * expected.abs().max().item())
    y = torch.rand(1, 1, 8, 8).requires_grad_()
    assert torch.autograd.grad(f(y, 0.2).sum(), y)[0].isfinite().all()


def test_a_scheduler_of_edm_preconditions(tmp_path):
    diffusers = required("diffusers")
    network, scheduler = tiny(diffusers, 3).eval(), diffusers.EDMEulerScheduler(sigma_data=0.4)
    network.save_pretrained(tmp_path)
    scheduler.save_pretrained(tmp_path)
    f, s = foreign.load(str(tmp_path)), 0.6
    v = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        answer = network(scheduler.precondition_inputs(v, s), scheduler.precondition_noise(torch.tensor(s))).sample
        expected = scheduler.precondition_outputs(v, answer, s)
        torch.testing.assert_close(f((v + 1) / 2, s / 2), (expected + 1) / 2, rtol=1e-4, atol=1e-5)


def test_a_learned_variance_is_left_out(tmp_path):
    diffusers = required("diffusers")
    network = tiny(diffusers, out=2)
    network.save_pretrained(tmp_path)
    diffusers.DDPMScheduler(variance_type="learned_range").save_pretrained(tmp_path)
    assert foreign.load(str(tmp_path))(torch.rand(1, 1, 8, 8), 0.3).shape == (1, 1, 8, 8)


@pytest.mark.parametrize(
    ("config", "scheduler", "sentence"),
    [
        (None, None, r"has no config.json: expected module:attribute"),
        ({"_class_name": "UNet2DConditionModel"}, None, "UNet2DConditionModel: of diffusers, UNet2DModel is read"),
        ({"_class_name": "UNet2DModel", "num_class_embeds": 10}, None, "told a class as well"),
        ({"_class_name": "UNet2DModel"}, None, "no scheduler_config.json, which says what the network predicts"),
        ({"_class_name": "UNet2DModel"}, {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "is of FlowMatchEuler"),
        ({"_class_name": "UNet2DModel"}, {"beta_schedule": "steep"}, 'has the schedule "steep"'),
    ],
)
def test_folders_of_something_else_are_refused(tmp_path, config, scheduler, sentence):
    for name, content in (("config", config), ("scheduler_config", scheduler)):
        if content is not None:
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=sentence):
        foreign.load(str(tmp_path))


# The authors' networks: their forward passes, written again from their repository ------------------------------------


class Norm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.register_buffer("running_sd", torch.rand(1, channels, 1, 1) + 0.5)
        self.gammas = nn.Parameter(torch.rand(1, channels, 1, 1) + 0.5)

    def forward(self, x):
        return x / self.running_sd.expand_as(x) * self.gammas.expand_as(x)


def layers(widths, first_norm=True, last=None):
    """conv, norm, ReLU for each pair of widths."""
    out = []
    for k, (a, b) in enumerate(itertools.pairwise(widths)):
        out += [nn.Conv2d(a, b, 3, padding=1, bias=False), *([Norm(b)] if k or first_norm else []), nn.ReLU()]
    return nn.Sequential(*out, *([nn.Conv2d(widths[-1], last, 3, padding=1, bias=False)] if last else []))


class TheirUNet(nn.Module):
    def __init__(self, channels=1, width=4, blocks=2):
        super().__init__()
        w = [width * 2**b for b in range(blocks + 1)]
        self.encoder, self.decoder, self.upsample = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for b in range(blocks):
            self.encoder[str(b)] = layers([w[b - 1] if b else channels, w[b], w[b]], first_norm=b > 0)
            self.upsample[str(b)] = nn.ConvTranspose2d(w[b + 1], w[b], 2, stride=2, bias=False)
            self.decoder[str(b)] = layers([w[b + 1], w[b], w[b]]) if b else layers([w[1], w[0]], last=channels)
        self.mid_block = layers([w[-2], w[-1], w[-1]])

    def forward(self, x):
        kept = []
        for b in range(len(self.encoder)):
            kept.append(self.encoder[str(b)](x))
            x = nn.functional.avg_pool2d(kept[-1], 2, stride=2, padding=0)
        x = self.mid_block(x)
        for b in reversed(range(len(kept))):
            x = self.decoder[str(b)](torch.cat([self.upsample[str(b)](x), kept[b]], 1))
        return x


class TheirChain(nn.Module):
    """BF_CNN of the paper's repository: no ReLU behind the first convolution; BF_CNN_RF has some 1x1 kernels."""

    def __init__(self, channels=1, width=5, depth=6, narrow=()):
        super().__init__()
        ends = [channels, *[width] * (depth - 1), channels]
        sides = [1 if k in narrow else 3 for k in range(depth)]
        self.conv_layers = nn.ModuleList(
            nn.Conv2d(a, b, k, padding=k // 2, bias=False)
            for (a, b), k in zip(itertools.pairwise(ends), sides, strict=True)
        )
        self.BN_layers = nn.ModuleList(Norm(width) for _ in range(depth - 2))

    def forward(self, x):
        x = self.conv_layers[0](x)
        for conv, norm in zip(self.conv_layers[1:-1], self.BN_layers, strict=True):
            x = norm(conv(x)).relu()
        return self.conv_layers[-1](x)


class TheirOlderChain(nn.Module):
    """BF_CNN of 2020 and 2021: a ReLU behind the first convolution, gains and deviations in lists of their own."""

    def __init__(self, channels=1, width=5, depth=6):
        super().__init__()
        ends = [channels, *[width] * (depth - 1), channels]
        self.conv_layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in itertools.pairwise(ends))
        shape = (1, width, 1, 1)
        self.running_sd, self.gammas = (
            nn.ParameterList(nn.Parameter(torch.rand(shape) + 0.5, requires_grad=False) for _ in range(depth - 2))
            for _ in range(2)
        )

    def forward(self, x):
        x = self.conv_layers[0](x).relu()
        for k, conv in enumerate(self.conv_layers[1:-1]):
            x = (conv(x) / self.running_sd[k].expand_as(x) * self.gammas[k]).relu()
        return self.conv_layers[-1](x)


THEIRS = {
    "UNet": lambda: TheirUNet(),
    "UNet of three colours": lambda: TheirUNet(3, 3, 3),
    "BF_CNN": lambda: TheirChain(),
    "BF_CNN_RF": lambda: TheirChain(depth=7, narrow=(2, 3, 5)),
    "older BF_CNN": lambda: TheirOlderChain(),
    "older BF_CNN of three colours": lambda: TheirOlderChain(3),
}


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("make", THEIRS.values(), ids=THEIRS)
def test_the_authors_networks_are_read_from_their_state_dicts(tmp_path, make, parallel):
    torch.manual_seed(0)
    theirs = make().eval()
    channels = (
        next(theirs.parameters()).shape[1] if not isinstance(theirs, TheirUNet) else theirs.encoder["0"][0].in_channels
    )
    state = (nn.DataParallel(theirs) if parallel else theirs).state_dict()
    torch.save(state, tmp_path / "model.pt")
    f = foreign.load(str(tmp_path / "model.pt"))
    y = torch.rand(2, channels, 16, 24)
    with torch.no_grad():
        torch.testing.assert_close(f(y), y - theirs(y), rtol=1e-5, atol=1e-5)
    assert f.channels == channels
    assert not any(module.training for module in f.modules())


def test_who_knows_better_says_whether_the_first_layer_is_linear(tmp_path):
    theirs = TheirChain().eval()
    torch.save(theirs.state_dict(), tmp_path / "model.pt")
    f, other = (foreign.load(str(tmp_path / "model.pt"), first_linear=linear) for linear in (True, False))
    y = torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(f(y), y - theirs(y))
        assert (other(y) - f(y)).abs().max() > 1e-3


def test_a_state_dict_inside_a_training_state_is_found(tmp_path):
    theirs = TheirOlderChain().eval()
    torch.save({"epoch": 3, "state_dict": theirs.state_dict()}, tmp_path / "model.ckpt")
    y = torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(foreign.load(str(tmp_path / "model.ckpt"))(y), y - theirs(y))


@pytest.mark.parametrize(
    "state",
    [
        {"fc.weight": torch.ones(2, 3)},
        {
            "conv_layers.0.weight": torch.ones(4, 1, 3, 3),
            "conv_layers.1.weight": torch.ones(1, 4, 3, 3),
            "bias": torch.ones(1),
        },
        {**TheirUNet().state_dict(), "attention.weight": torch.ones(2)},
        {name: value for name, value in TheirChain().state_dict().items() if "gammas" not in name},
        {**TheirOlderChain(3).state_dict(), "conv_layers.5.weight": torch.ones(1, 5, 3, 3)},
    ],
)
def test_a_state_dict_of_something_else_names_keys_found_and_expected(tmp_path, state):
    torch.save(state, tmp_path / "model.pt")
    first = next(iter(state))
    with pytest.raises(
        ValueError, match=f"none of the authors' networks: found {first}.*; expected the UNet .encoder.0.0"
    ):
        foreign.load(str(tmp_path / "model.pt"))


def test_files_that_hold_code_are_refused_unopened(tmp_path):
    """A whole network is a pickle that names classes; ours is not even imported."""
    torch.save(nn.Linear(2, 3), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model.pt holds code, .* is not opened: save the network's state_dict\(\)"):
        foreign.load(str(tmp_path / "model.pt"))


# Other files --------------------------------------------------------------------------------------------------------


class Blind(nn.Module):
    def forward(self, y):
        return 0.5 * y


class ToldNumber(nn.Module):
    def forward(self, y, sigma: float):
        return sigma * y


class ToldTensor(nn.Module):
    def forward(self, y, sigma):
        return sigma * y


class Three(nn.Module):
    def forward(self, y, sigma, label):
        return sigma * y + label


def scripted(network, file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(network).save(str(file))
    return str(file)


@pytest.mark.parametrize(("network", "factor"), [(Blind(), 0.5), (ToldNumber(), SIGMA), (ToldTensor(), SIGMA)])
def test_torchscript_is_told_what_it_takes(tmp_path, y, network, factor):
    f = foreign.load(scripted(network, tmp_path / "f.pt"))
    torch.testing.assert_close(f(y, SIGMA), factor * y)
    asked = y.clone().requires_grad_()
    assert torch.autograd.grad(f(asked, SIGMA).sum(), asked)[0].allclose(torch.full_like(y, factor))
    if isinstance(network, Blind):
        assert torch.equal(f(y), 0.5 * y)
    else:
        with pytest.raises(ValueError, match="told the noise level"):
            f(y)


class ToldSteps(nn.Module):
    def forward(self, x, t):
        return t[:, None, None, None] * x


def test_torchscript_is_told_steps_as_a_diffusion_counts_them(tmp_path, y):
    """One number for each image, not shaped like one."""
    f = foreign.load(scripted(ToldSteps(), tmp_path / "f.pt"), told="step", predicts="clean")
    bar = 1 / (1 + 0.25)
    t = np.interp(np.log(0.5), np.log(np.sqrt(1 / np.array(f.convention.bars) - 1)), np.arange(1000))
    torch.testing.assert_close(f(y, 0.5), float(t) * bar**0.5 * y)


def test_who_is_told_one_number_refuses_several(tmp_path, y):
    f = foreign.load(scripted(ToldNumber(), tmp_path / "f.pt"))
    with pytest.raises(ValueError, match="told one noise level for all images"):
        f(y, torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1, 1))


def test_torchscript_that_wants_more_is_refused(tmp_path):
    with pytest.raises(ValueError, match="wants y, sigma, label: expected images, and at most one number"):
        foreign.load(scripted(Three(), tmp_path / "f.pt"))


def test_our_own_network_comes_back_from_torchscript(tmp_path):
    network = excite(UNet(width=4, scales=2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, torch.rand(2, 1, 8, 8)).save(str(tmp_path / "f.pt"))
    y = torch.rand(3, 1, 8, 12)
    with torch.no_grad():
        torch.testing.assert_close(foreign.load(str(tmp_path / "f.pt"))(y), network(y))


def test_our_own_checkpoints_are_read(tmp_path):
    run = recipes.Run(width=4, scales=2, size=16)
    network = runs.network(run).eval()
    checkpoints.write(tmp_path / "a.safetensors", network.state_dict(), run, {})
    f, y = foreign.load(str(tmp_path / "a.safetensors")), torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        assert torch.equal(f(y), network(y))
    assert foreign.wanted_size(str(tmp_path / "a.safetensors")) == 16


def onnx_file(path, batch, sigma=None, scale=0.5, sides=("h", "w")):
    """A product of images with a constant, or with their noise level of a shape."""
    onnx = required("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = [batch, 1, *sides]
    inputs = [helper.make_tensor_value_info("y", kind, shape)]
    nodes, constants = [], [helper.make_tensor("c", kind, [], [scale])]
    factor = "c"
    if sigma is not None:
        inputs.append(helper.make_tensor_value_info("sigma", kind, sigma))
        constants = [helper.make_tensor("shape", onnx.TensorProto.INT64, [4], [-1, 1, 1, 1])]
        nodes.append(helper.make_node("Reshape", ["sigma", "shape"], ["level"]))
        factor = "level"
    nodes.append(helper.make_node("Mul", ["y", factor], ["x"]))
    outputs = [helper.make_tensor_value_info("x", kind, shape)]
    graph = helper.make_graph(nodes, "f", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return str(path)


@pytest.mark.parametrize("batch", ["b", 1, 2])
@pytest.mark.parametrize("sigma", [None, [], [1], ["b"], ["b", 1, 1, 1]])
def test_onnx_files_are_told_what_they_take_so_many_at_a_time(tmp_path, y, batch, sigma):
    required("onnxruntime")
    f = foreign.load(onnx_file(tmp_path / "f.onnx", batch, sigma))
    factor = 0.5 if sigma is None else SIGMA
    torch.testing.assert_close(f(y, SIGMA), factor * y)
    each = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1, 1)
    if sigma in (["b"], ["b", 1, 1, 1]):
        torch.testing.assert_close(f(y, each), each * y)
    assert not f.smooth
    assert f.channels == 1
    if sigma is None:
        torch.testing.assert_close(f(y), 0.5 * y)


def test_onnx_files_of_one_size_say_so(tmp_path, y):
    required("onnxruntime")
    f = foreign.load(onnx_file(tmp_path / "f.onnx", "b", sides=(8, 8)))
    assert f.size == (8, 8)
    with pytest.raises(ValueError, match="takes images of 8x8 pixels, got 8x12"):
        f(y)
    with pytest.raises(ValueError, match="takes images of 1 channels, got 3"):
        f(torch.rand(1, 3, 8, 8))


# Python -------------------------------------------------------------------------------------------------------------

SOURCE = """
import torch

def half(y, sigma):
    return y / 2

class Third(torch.nn.Module):
    def forward(self, y):
        return y / 3

quarter = Third()

def made():
    return Third()

number = 3
"""


@pytest.mark.parametrize(("name", "factor"), [("half", 2), ("Third", 3), ("quarter", 3), ("made", 3)])
def test_python_is_named_by_file_and_by_module(tmp_path, monkeypatch, y, name, factor):
    (tmp_path / "mine_of_a_test.py").write_text(SOURCE)
    torch.testing.assert_close(foreign.load(f"{tmp_path}/mine_of_a_test.py:{name}")(y, SIGMA), y / factor)
    monkeypatch.chdir(tmp_path)
    torch.testing.assert_close(foreign.load(f"mine_of_a_test:{name}")(y, SIGMA), y / factor)


def test_who_names_a_convention_in_python_is_believed(tmp_path):
    """A file may adapt its network itself; which noise it knows is known from outside, too."""
    source = "from ghr import foreign\nbars = (0.9, 0.5)\n"
    source += "f = foreign.adapt(lambda x, t: 0 * x, told='step', predicts='noise', bars=bars)\n"
    (tmp_path / "f.py").write_text(source)
    f = foreign.load(f"{tmp_path}/f.py:f")
    assert f.convention.levels == pytest.approx((1 / 3, 1))
    assert torch.equal(f(torch.ones(1, 1, 2, 2), 0.5), torch.ones(1, 1, 2, 2))


def test_units_are_as_the_caller_says(tmp_path, y):
    (tmp_path / "f.py").write_text("def f(v, s):\n    return v - s\n")
    f = foreign.load(f"{tmp_path}/f.py:f", units="signed", predicts="residual")
    torch.testing.assert_close(f(y, 0.1), torch.full_like(y, (0.2 + 1) / 2))
    assert foreign.load(f"{tmp_path}/f.py:f", told="step").convention.predicts == "noise"


@pytest.mark.parametrize(
    ("name", "content", "error", "sentence"),
    [
        ("nothing.pt", None, FileNotFoundError, "There is no .*nothing.pt: expected module:attribute"),
        ("nothing.py:f", None, FileNotFoundError, "There is no .*nothing.py"),
        ("f.py:g", b"f = 1", ImportError, "f.py has no g"),
        ("f.py:f", b"f = 1", ValueError, r"expected a callable f\(y, sigma\), got int"),
        ("f.py", b"f = 1", ValueError, "is Python: name the denoiser in it"),
        ("f.pt", b"nonsense", ValueError, "f.pt .*holds"),
        ("f.pt2", b"nonsense", ValueError, "opened by unpickling: export it to ONNX"),
        ("f.safetensors", b"nonsense", ValueError, "is damaged or holds no weights"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, name, content, error, sentence):
    if content is not None:
        (tmp_path / name.partition(":")[0]).write_bytes(content)
    with pytest.raises(error, match=sentence) as caught:
        foreign.load(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_numbers_that_are_no_weights_are_refused(tmp_path):
    torch.save({"epoch": 3, "loss": 0.1}, tmp_path / "f.pt")
    with pytest.raises(ValueError, match="holds no state dict: expected weights by name, got a dict of epoch, loss"):
        foreign.load(str(tmp_path / "f.pt"))


def test_damaged_onnx_is_one_sentence(tmp_path):
    required("onnxruntime")
    (tmp_path / "f.onnx").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="is damaged or no ONNX file") as caught:
        foreign.load(str(tmp_path / "f.onnx"))
    assert "\n" not in str(caught.value)


# A clone of the authors' repository ---------------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path):
    """Networks that hardly change an image, in the folders of the authors' repository."""
    torch.manual_seed(0)
    runs_of = {
        "UNet/C_alpha2_beta2": ("0to255_RF_90x90_set_size_100000", "0to255_RF_90x90_set_size_100000_swapped"),
        "UNet/C_alpha1_beta3": ("0to255",),
        "BF_CNN/C_alpha2_beta2": ("0to255_set_size_10",),
        "UNet/disks": ("0to255_set_size_1000",),
        "UNet/celeba": ("0to255_RF_90x90_set_size_1_swapped",),
    }
    made = {}
    for data, names in runs_of.items():
        for name in names:
            made[data, name] = theirs = TheirChain() if data.startswith("BF_CNN") else TheirUNet()
            last = theirs.conv_layers[-1] if data.startswith("BF_CNN") else theirs.decoder["0"][-1]
            with torch.no_grad():
                last.weight *= 0.02
            folder = tmp_path / "authors" / "denoisers" / data / name
            folder.mkdir(parents=True)
            torch.save(nn.DataParallel(theirs.eval()).state_dict(), folder / "model.pt")
    return tmp_path / "authors", made


def test_the_authors_networks_are_found_by_the_names_of_their_folders(clone, monkeypatch):
    clone, _ = clone
    found = {(one.architecture, one.images, one.n, one.half) for one in authors.published(clone)}
    alpha, n = ("published-2", 100_000), 100_000
    assert found == {
        *(("UNet", *alpha, half) for half in "AB"),
        ("UNet", "published-3-1", n, "A"),  # regions first; N as in the paper, since the name has none
        ("BF_CNN", "published-2", 10, "A"),
        ("UNet", None, 1000, "A"),
        ("UNet", "celeba", 1, "B"),
    }
    assert authors.images_of("celebA_HQ") is None
    assert authors.images_of("LSUN_bedrooms") == "lsun-bedroom"
    monkeypatch.setenv("GHR_DATA", str(clone.parent / "empty"))
    with pytest.raises(FileNotFoundError, match=r"empty/authors: clone https://github\.com/Lab.* there"):
        authors.published()


def test_the_authors_networks_are_studies_of_images_that_are_here(clone, capsys, monkeypatch):
    clone, made = clone
    monkeypatch.setenv("GHR_DATA", str(clone.parent))
    studies = {(one.name, one.network): one for one in experiments.published(size=16, held_out=5)}
    assert studies.keys() == {("published-2", "UNet"), ("published-3-1", "UNet"), ("published-2", "BFCNN")}
    said = capsys.readouterr().err
    assert 'this package has no images called "disks"; sets={"disks": NAME} names some.' in said
    assert "there are no images celeba" in said
    study = studies["published-2", "UNet"]
    assert set(study.denoisers) == {(100_000, "A"), (100_000, "B")}
    assert study.runs[100_000, "B"].width == 4
    assert study.runs[100_000, "A"].images_seen == 200_000_000
    x = study.held_out
    assert x.shape == (5, 1, 16, 16)
    for half, tail in (("A", ""), ("B", "_swapped")):
        theirs = made["UNet/C_alpha2_beta2", f"0to255_RF_90x90_set_size_100000{tail}"]
        with torch.no_grad():
            torch.testing.assert_close(study.denoisers[100_000, half](x), x - theirs(x))
    with pytest.raises(LookupError, match="not known"):
        study.training(100_000)
    discs = {one.name for one in experiments.published(clone, 16, 5, {"disks": "discs"})}
    assert discs == {"published-2", "published-3-1", "discs"}


def test_the_notebook_of_the_authors_networks_runs_from_a_clone(clone, capsys, monkeypatch):
    """As a script, small; what it prints are its tables."""
    pytest.importorskip("matplotlib")
    source = (REPO / "book" / "notebooks" / "authors.py").read_text()
    small = {"clone": str(clone[0]), "size": 16, "images": 5, "bases": 3, "samples": 4}
    for name, value in small.items():
        source, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value!r}", source)
        assert count == 1
    exec(compile(source, "authors.py", "exec"), {"__name__": "__main__"})
    assert "left out" in capsys.readouterr().err
