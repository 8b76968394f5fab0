"""On a GPU: what is recorded and replayed is what was computed, resumes to the bit, and answers as a CPU does."""

import copy
import dataclasses

import pytest
import torch
from conftest import same

from ghr import cluster, recipes, runs, training
from ghr.networks import ConditionalUNet, UNet, lent
from ghr.noise import add_noise

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

STEPS = 12


@pytest.fixture
def x():
    return torch.rand(9, 1, 16, 24, generator=torch.Generator().manual_seed(0)).cuda()


@pytest.fixture(params=[UNet, ConditionalUNet])
def network(request):
    torch.manual_seed(0)
    return request.param(width=8, scales=2)


@pytest.fixture(autouse=True)
def _same_kernels(monkeypatch):
    """Sums in one order, so that equality to the bit can be asked for."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)


def train(network, x, **options):
    """Everything that a state must hold is used."""
    defaults = {
        "steps": STEPS,
        "seed": 0,
        "batch": 8,
        "lr": 3e-3,
        "warmup": 3,
        "float32_tail": 0.4,
        "optimizer": "muon",
    }
    return training.train(network, x, sigma_law=1.5, loss_weight=1.0, average=0.9, **defaults, **options)


def steps(network, x, **options):
    """Losses, and the state after the last step."""
    losses = []
    for step in train(network, x, **options):
        losses.append(step.loss)
    return losses, step.state()


class Asked:
    """In place of `training._Recorded`: the function itself, each time."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *inputs):
        return self.function(*inputs)


@pytest.mark.parametrize("parts", [1, 3])
def test_replayed_steps_are_those_that_python_asks_for(network, x, parts, monkeypatch):
    """To rounding, before and after the change from bf16 to float32 (step 7); images, noise and rates move on."""
    losses, state = steps(network, x, parts=parts)
    monkeypatch.setattr(training, "_Recorded", Asked)
    asked_losses, asked_state = steps(network, x, parts=parts)
    assert losses == pytest.approx(asked_losses, rel=1e-3)
    assert len(set(losses)) == STEPS
    for name, value in asked_state.items():
        torch.testing.assert_close(state[name], value, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("stop", [1, 2, 5, 8])
def test_stopped_and_resumed_equals_unstopped(network, x, stop):
    """To the bit, whichever steps are recorded in each of the two."""
    _, unstopped = steps(network, x)
    for step in train(network, x):
        if step.step == stop:
            state = {name: value.cpu() for name, value in step.state().items()}
            break
    _, resumed = steps(network, x, resume=state)
    assert same(unstopped, resumed)


def test_a_non_finite_loss_stops_before_any_weight_moves(network, x):
    """Also in a step that is replayed."""
    broken = x.clone()
    walk = train(network, broken)
    for _ in range(6):
        step = next(walk)
    before = step.state()
    broken.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="Step 6"):
        next(walk)
    after = step.state()
    assert all(torch.equal(before[name], after[name]) for name in before if "running" not in name and name != "step")


def test_a_network_on_a_gpu_answers_as_on_the_cpu(network, x):
    _, state = steps(network, x)
    network.load_state_dict({k.removeprefix("average."): v.cpu() for k, v in state.items() if k.startswith("average.")})
    network.eval()
    there = lent(copy.deepcopy(network), runs._device("cuda"))
    y = add_noise(x.cpu(), 0.2, torch.Generator().manual_seed(0))
    for sigma in (0.2, torch.full((len(y), 1, 1, 1), 0.2)):
        torch.testing.assert_close(there(y, sigma), network(y, sigma), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the compiler's own
def test_a_run_trains_on_the_gpu_and_takes_less_memory_than_a_cluster_reserves(tmp_path, monkeypatch, record_property):
    """A run of the laptop's scale, cut short, and one of the paper's: checkpoints that a CPU reads."""
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path))
    for scale, n, steps_of_run in (("laptop", 1000, 3000), ("paper", 100, 20)):
        run = recipes.pair(scale, n, "discs")[0]
        run = dataclasses.replace(run, pool=2 * n + 100, held_out=100, images_seen=steps_of_run * run.batch)
        torch.cuda.reset_peak_memory_stats()
        runs.fit(run)
        peak = torch.cuda.max_memory_reserved() + 2**29  # the context, which torch does not count
        record_property(f"{scale} {run.size}x{run.size} width {run.width} batch {run.batch}",
                        f"{peak / 2**30:.2f} GiB, {cluster.memory(run) / 2**30:.2f} reserved")  # fmt: skip
        assert peak < cluster.memory(run)
        y = runs.data(run).held_out[:4]
        torch.testing.assert_close(runs.load(run, "cuda")(y), runs.load(run, "cpu")(y), rtol=1e-3, atol=1e-4)
