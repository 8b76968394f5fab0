"""Training: reproducible, resumable to the bit, and it learns what it is shown."""

import collections
import contextlib
import copy
import math
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ghr import training
from ghr.networks import ConditionalUNet, UNet

STEPS = 10


@pytest.fixture(autouse=True)
def _short_epochs(monkeypatch):
    """Epochs of about 30 images, so that the runs below cross several; 8 does not divide them."""
    monkeypatch.setattr(training, "TILED", 30)


@pytest.fixture
def x():
    return torch.rand(7, 1, 8, 12, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network():
    """Wide enough that channels_last is another order in memory than the contiguous one."""
    torch.manual_seed(0)
    return UNet(width=4, scales=1).eval()


class Scale(nn.Module):
    """f(y) = w y: a denoiser whose loss and steps are known."""

    def __init__(self, w: float = 1.0):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, y):
        return self.w * y


def run(network, x, **options):
    """Keyword arguments over defaults that use everything that a state must hold."""
    defaults = {"steps": STEPS, "seed": 0, "batch": 8, "lr": 3e-3, "warmup": 3, "bf16": False}
    defaults |= {"sigma_law": 1.5, "loss_weight": 1.0, "average": 0.9}
    return training.train(network, x, **{**defaults, **options})


def last(steps):
    """Only the last step: an earlier one's network is trained on."""
    return collections.deque(steps, maxlen=1)[0]


def end(steps):
    """Training state after the last step."""
    return last(steps).state()


def equal(a, b):
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


# The same numbers again -------------------------------------------------------------------------------------------


def test_same_seed_same_weights_and_another_seed_others(network, x):
    first = end(run(network, x))
    torch.manual_seed(99)
    assert equal(first, end(run(network, x)))
    assert not equal(first, end(run(network, x, seed=1)))


@pytest.mark.parametrize("optimizer", training.OPTIMIZERS)
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("stop", [1, 4, 5, 9])
def test_stopped_and_resumed_equals_unstopped(network, x, stop, bf16, optimizer, tmp_path):
    """To the bit, through a file, on both sides of the change from bf16 to float32 (after step 5)."""
    options = {"bf16": bf16, "float32_tail": 0.5, "optimizer": optimizer}
    unstopped = end(run(network, x, **options))
    for step in run(network, x, **options):
        if step.step == stop:
            save_file(step.state(), tmp_path / "state.safetensors")
            break
    resumed = run(network, x, **options, resume=load_file(tmp_path / "state.safetensors"))
    step = next(resumed)
    assert (step.step, step.images_seen) == (stop + 1, 8 * (stop + 1))
    assert equal(unstopped, end(resumed) if stop + 1 < STEPS else step.state())


@pytest.mark.parametrize("control", [UNet(width=3, scales=1, bias=True), ConditionalUNet(width=3, scales=1)])
def test_the_controls_train_stop_and_resume(control, x):
    """Their average counts batches and is told noise levels like the network itself."""
    steps = run(control, x, optimizer="muon")
    state = [next(steps) for _ in range(3)][-1].state()
    whole = last(steps)
    assert equal(whole.state(), end(run(control, x, optimizer="muon", resume=state)))
    counters = {int(v) for k, v in whole.state().items() if k.endswith("num_batches_tracked")}
    assert counters == ({STEPS} if isinstance(control.encoder[0][3], nn.BatchNorm2d) else set())


def test_a_network_that_is_told_the_noise_level_learns_to_use_it(x):
    """Told that there is no noise, it leaves more of the image as it is than when told that there is much."""
    told = last(run(ConditionalUNet(width=4, scales=1), x, steps=200, lr=3e-3)).denoiser
    y = x[:4] + 0.1
    assert (told(y, 0.01) - y).norm() < 0.7 * (told(y, 0.9) - y).norm()


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_a_batch_in_parts_is_the_same_batch_but_for_normalization(network, x, parts):
    """Steps of a network without normalization agree, parts of unequal length too; with it, each part has its own."""
    (whole, loss), (cut, loss_of_parts) = (
        (step.denoiser.w.item(), step.loss) for step in (last(run(Scale(0.5), x, parts=n)) for n in (1, parts))
    )
    assert cut == pytest.approx(whole, abs=1e-6)
    assert loss_of_parts == pytest.approx(loss, rel=1e-5)
    assert whole != pytest.approx(0.5, abs=1e-3)
    first, second = (end(run(network, x, parts=n)) for n in (1, parts))
    assert not torch.equal(first["average.middle.1.running_sd"], second["average.middle.1.running_sd"])


def test_float32_tail_changes_the_end_only(network, x):
    """With a tail of .5 the first five steps are those of bf16, the sixth is not."""
    pairs = list(zip(run(network, x, bf16=True), run(network, x, bf16=True, float32_tail=0.5), strict=True))
    assert [a.loss == b.loss for a, b in pairs][:6] == 5 * [True] + [False]
    whole = list(zip(run(network, x, bf16=False), run(network, x, bf16=True, float32_tail=1.0), strict=True))
    assert all(a.loss == b.loss for a, b in whole)


def test_a_state_is_a_copy(network, x):
    """What was saved at step 2 does not move with step 3, and resuming leaves it as it was."""
    steps = run(network, x)
    next(steps)
    state = next(steps).state()
    kept = copy.deepcopy(state)
    next(steps)
    next(run(network, x, resume=state))
    assert equal(state, kept)


def test_training_leaves_its_arguments_and_the_global_generator_alone(network, x):
    before = copy.deepcopy(network.state_dict()), x.clone(), torch.get_rng_state()
    end(run(network, x))
    assert equal(network.state_dict(), before[0])
    assert not network.training
    assert all(weights.grad is None for weights in network.parameters())
    assert torch.equal(x, before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


def test_every_step_yields_evaluation_mode_and_its_place(network, x):
    for k, step in enumerate(run(network, x, steps=3), 1):
        assert not any(module.training for module in step.denoiser.modules())
        assert (step.step, step.images_seen) == (k, 8 * k)
        assert math.isfinite(step.loss)
        y = step.denoiser(x[:2])
        torch.testing.assert_close(step.denoiser(x[:1]), y[:1])
    assert k == 3


def test_networks_train_on_the_deviations_of_their_batch(network, x):
    """Handed over in evaluation mode, they train in training mode: running deviations leave 1, also in the average."""
    state = next(run(network, x)).state()
    running = {name: value for name, value in state.items() if name.endswith("running_sd")}
    assert {name.split(".")[0] for name in running} == {"denoiser", "average"}
    assert all((value != 1).all() for value in running.values())


# What is shown ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "epoch", "batch"), [(7, 35, 5), (7, 35, 8), (1, 30, 6), (40, 40, 8)])
def test_every_epoch_shows_each_image_equally_often(n, epoch, batch, monkeypatch):
    """Small sets are tiled to at least 30 images here, each epoch in another order."""
    shown = []
    add_noise = training.add_noise

    def spy(x, sigma, generator):
        shown.extend(x[:, 0, 0, 0].int().tolist())
        return add_noise(x, sigma, generator)

    monkeypatch.setattr(training, "add_noise", spy)
    x = torch.arange(n).float().view(n, 1, 1, 1)
    end(training.train(Scale(), x, steps=math.ceil(3 * epoch / batch), seed=0, batch=batch, bf16=False))
    epochs = [shown[k * epoch : (k + 1) * epoch] for k in range(3)]
    for order in epochs:
        assert collections.Counter(order) == dict.fromkeys(range(n), epoch // n)
    if n > 1:
        assert epochs[0] != epochs[1]
        assert epochs[1] != epochs[2]
        assert epochs[0][:n] != sorted(epochs[0][:n])


def test_noise_and_noise_levels_differ_from_step_to_step(monkeypatch):
    seen = []
    add_noise = training.add_noise

    def spy(x, sigma, generator):
        seen.append((sigma, add_noise(x, sigma, generator)))
        return seen[-1][1]

    monkeypatch.setattr(training, "add_noise", spy)
    end(training.train(Scale(), torch.zeros(2, 1, 3, 5), steps=3, seed=0, batch=8, bf16=False))
    units = torch.stack([(y / sigma).flatten() for sigma, y in seen])
    assert (torch.corrcoef(units).fill_diagonal_(0).abs() < 4 / math.sqrt(units.shape[1])).all()
    assert len({float(s) for sigma, _ in seen for s in sigma.flatten()}) == 24


@pytest.mark.parametrize("c", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("a", [1.0, 2.0])
def test_loss_is_the_weighted_error_of_the_clean_image(a, c):
    """With f(y) = y: E (sigma + .02)^-c sigma^2, sigma = u^a, within four standard errors; the weight is not normed."""
    x = torch.rand(3, 1, 10, 10)
    loss = next(training.train(Scale(), x, steps=1, seed=0, batch=4096, sigma_law=a, loss_weight=c, bf16=False)).loss
    sigma = torch.linspace(0, 1, 100_001, dtype=torch.float64) ** a
    values = (sigma + 0.02) ** -c * sigma**2
    assert abs(loss - values.mean()) < 4 * (values.std() ** 2 * 1.05 / 4096) ** 0.5


def test_one_image_at_one_noise_level_is_learned_beyond_the_wiener_denoiser(monkeypatch):
    """Wiener: best affine denoiser of one pixel, v sigma^2 / (v + sigma^2), v = the image's variance."""
    sigma = 0.3
    monkeypatch.setattr(training, "sample_sigma", lambda n, *_: torch.full((n, 1, 1, 1), sigma))
    image = torch.rand(1, 1, 8, 12, generator=torch.Generator().manual_seed(5))
    torch.manual_seed(0)
    options = {"steps": 200, "seed": 0, "batch": 16, "lr": 1e-2, "warmup": 20, "average": 0.9, "bf16": False}
    step = last(training.train(UNet(width=8, scales=2), image, **options))
    y = image + sigma * torch.randn(200, 1, 8, 12, generator=torch.Generator().manual_seed(6))
    error = (step.denoiser(y) - image).square().mean().item()
    variance = image.var().item()
    assert error < 0.6 * variance * sigma**2 / (variance + sigma**2)


# Steps ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def optimizer(monkeypatch):
    """Records learning rate and gradient norm of every step."""
    record = []

    class Recorder(torch.optim.AdamW):
        def step(self, closure=None):
            grads = [p.grad.norm() for group in self.param_groups for p in group["params"]]
            record.append((self.param_groups[0]["lr"], torch.stack(grads).norm().item()))
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "AdamW", Recorder)
    return record


@pytest.mark.parametrize(
    ("schedule", "left"),
    [
        ("cosine", (1 + torch.cos(math.pi * torch.arange(50) / 50)) / 2),
        ("linear", 1 - torch.arange(50) / 50),
        ("constant", torch.ones(50)),
        ("trapezoid", (11 * (1 - torch.arange(50) / 50)).clamp(max=1)),
    ],
)
def test_learning_rate_rises_linearly_and_then_follows_its_schedule(optimizer, x, schedule, left):
    end(training.train(Scale(), x, steps=50, seed=0, batch=2, schedule=schedule, lr=1e-3, warmup=10, bf16=False))
    rates = torch.tensor([rate for rate, _ in optimizer], dtype=torch.float64)
    expected = 1e-3 * left * torch.arange(1, 51).clamp(max=10) / 10
    torch.testing.assert_close(rates, expected.double(), rtol=1e-5, atol=0)


def test_both_optimizers_follow_the_schedule_each_from_its_own_peak(network, x, monkeypatch):
    rates = {"adamw": [], "muon": []}
    for name, kind in (("adamw", torch.optim.AdamW), ("muon", training.Muon)):

        def step(self, closure=None, *, name=name, step=kind.step):
            rates[name].append(self.param_groups[0]["lr"])
            return step(self)

        monkeypatch.setattr(kind, "step", step)
    end(run(network, x, optimizer="muon", schedule="linear", lr=1e-3, muon_lr=0.02))
    assert rates["adamw"][2:] == pytest.approx([1e-3 * (1 - k / 10) for k in range(2, 10)])
    assert rates["muon"] == pytest.approx([20 * rate for rate in rates["adamw"]])


def test_muon_and_adamw_share_the_weights_and_leave_none(network, x):
    """After one step all weights have moved: kernels inside by Muon's rate, the others by AdamW's."""
    before = copy.deepcopy(network.state_dict())
    after = next(run(network, x, optimizer="muon", warmup=0, average=0.0, muon_lr=0.1, lr=1e-3)).denoiser.state_dict()
    moved = {name: (after[name] - before[name]).abs().max().item() for name in before if "running" not in name}
    inside = {name for name in moved if before[name].ndim == 4} - {"encoder.0.0.weight", "decoder.0.3.weight"}
    assert min(moved[name] for name in inside) > 3e-3
    assert all(moved[name] == pytest.approx(1e-3, rel=0.1) for name in moved.keys() - inside)


@pytest.mark.parametrize("options", [{"optimizer": "sgd"}, {"schedule": "step"}])
def test_an_unknown_optimizer_or_schedule_is_refused(network, x, options):
    with pytest.raises(ValueError, match="is unknown: expected one of muon, adamw with one of linear, cosine"):
        next(run(network, x, **options))


def test_without_warmup_the_first_step_has_the_full_rate(optimizer, x):
    next(training.train(Scale(), x, steps=50, seed=0, batch=2, lr=1e-3, bf16=False))
    assert optimizer[0][0] == 1e-3


def test_without_muon_gradients_are_clipped_to_norm_one(optimizer, x):
    end(training.train(Scale(30.0), 10 * x, steps=2, seed=0, batch=2, bf16=False))
    assert [norm for _, norm in optimizer] == pytest.approx([1, 1], rel=1e-4)


def test_weight_average_forgets_the_initial_weights(x):
    """a_k = a_(k-1) + (1 - keep)(w_k - a_(k-1)), keep = min(decay, (1 + k) / (10 + k)); a_0 = w_0."""
    w, a = [], []
    for step in training.train(Scale(5.0), x, steps=60, seed=0, batch=2, lr=0.1, average=0.9, bf16=False):
        state = step.state()
        w.append(state["denoiser.w"].item())
        a.append(state["average.w"].item())
        assert a[-1] == step.denoiser.w.item()
    assert abs(w[-1] - w[0]) > 1
    expected, oldest = w[0], 1.0
    for k in range(1, 60):
        keep = min(0.9, (1 + k) / (10 + k))
        expected, oldest = keep * expected + (1 - keep) * w[k], keep * oldest
        assert a[k] == pytest.approx(expected, rel=1e-5)
    assert oldest < 1e-3


def test_without_average_the_last_weights_are_handed_back(network, x):
    state = end(run(network, x, average=0.0))
    names = [name.removeprefix("denoiser.") for name in state if name.startswith("denoiser.")]
    assert all(torch.equal(state[f"denoiser.{name}"], state[f"average.{name}"]) for name in names)


def test_what_is_recorded_once_is_replayed_on_the_inputs_of_each_call(monkeypatch):
    """Stand-ins for a GPU's streams and graphs: replaying computes again what the recorded function made, in place."""
    asked, replayed = [], []

    def double(given):
        asked.append(given)
        return 2 * given

    class Graph:
        def replay(self):
            replayed.append(self)
            recorded.output.copy_(2 * recorded.inputs[0])

    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, stand_in in (("Stream", lambda: stream), ("current_stream", lambda: stream), ("CUDAGraph", Graph)):
        monkeypatch.setattr(torch.cuda, name, stand_in)
    for name in ("stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, **__: contextlib.nullcontext())
    recorded = training._Recorded(double)
    assert [recorded(torch.tensor([float(k)])).item() for k in range(6)] == [0, 2, 4, 6, 8, 10]
    assert (len(asked), len(replayed), len(set(replayed))) == (3, 4, 1)


# When it goes wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", training.OPTIMIZERS)
@pytest.mark.parametrize("pixel", [math.nan, math.inf])
def test_a_non_finite_pixel_stops_before_any_weight_is_touched(network, x, pixel, optimizer):
    steps = run(network, x, optimizer=optimizer)
    next(steps)
    step = next(steps)
    before, average = step.state(), copy.deepcopy(step.denoiser.state_dict())
    x[:, 0, 3, 4] = pixel
    with pytest.raises(FloatingPointError, match=r"Step 2: the loss is \w+ and .* Lower lr \(now 0.003\)"):
        next(steps)
    after = step.state()
    weights = [name for name in before if "running" not in name]
    assert all(torch.equal(before[name], after[name]) for name in weights)
    assert equal(average, step.denoiser.state_dict())
