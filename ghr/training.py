"""A denoiser and clean images enter, a trained denoiser leaves, step by step.

Loss: the squared error of the clean image, weighted over noise levels. Departures from the paper that are arguments:
optimizer, schedule, weight average, warm-up, loss weight (the paper: Adam at 1e-3 halved every 100 epochs). Fixed:
AdamW has betas .9 and .99 and decay .01; without Muon beside it, gradients are clipped at norm 1. As in the paper,
small sets are tiled, so that every run sees the same number of images.
"""

import copy
import functools
import math
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ghr.denoiser import call
from ghr.noise import add_noise, sample_sigma
from ghr.optimizer import Muon, kernels

OPTIMIZERS = ("muon", "adamw")
DECAY = 1 / 11  #: last share of a trapezoid's steps: a tenth of those before it
SCHEDULES = {  # what is left of the rate when a share of the steps is done
    "linear": lambda progress: 1 - progress,
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
    "constant": lambda progress: 1.0,
    "trapezoid": lambda progress: min(1.0, (1 - progress) / DECAY),
}
TILED = 2**16  #: an epoch is the set repeated to at least this many images, then shuffled


@dataclass(frozen=True)
class Step:
    """What `train` hands back after each step; its denoiser and state are live, and good until the next step."""

    step: int  #: steps done
    images_seen: int  #: steps * batch
    loss: float  #: weighted squared error per pixel of this batch
    denoiser: nn.Module  #: weight average, in evaluation mode
    state: Callable[[], dict[str, Tensor]]  #: everything `train` needs to go on from here, as flat tensors


def train(
    denoiser: nn.Module,
    x: Float[Tensor, "n c h w"],
    *,
    steps: int,
    seed: int,
    batch: int = 512,
    optimizer: str = "adamw",
    schedule: str = "cosine",
    lr: float = 1e-3,
    muon_lr: float = 0.01,
    warmup: int = 0,
    sigma_law: float = 1.0,
    loss_weight: float = 0.0,
    average: float = 0.0,
    float32_tail: float = 0.0,
    bf16: bool | None = None,
    compiled: bool = False,
    parts: int = 1,
    resume: dict[str, Tensor] | None = None,
) -> Iterator[Step]:
    """Train a copy of a denoiser; a generator that yields after every step. ::

        loss = E_sigma (sigma + .02)^-c E ||f(x + sigma z) - x||^2 / d,   sigma = u^a

    Args:
        denoiser: initial weights, not changed; told sigma if it takes it.
        x: training images, on the device to train on.
        steps: optimizer steps in all.
        seed: of image order, noise levels and noise; step k draws from (seed, k) alone, so that a resumed run equals an
            unstopped one.
        batch: images a step.
        optimizer: "adamw"; or "muon" for all kernels but the first and the last, and AdamW for what is left.
        schedule: how rates fall, key of SCHEDULES.
        lr: peak of AdamW's rate.
        muon_lr: peak of Muon's rate.
        warmup: steps of linear rise.
        sigma_law: the exponent a.
        loss_weight: the exponent c.
        average: decay of the exponential weight average (0: none).
        float32_tail: last fraction of the steps in float32 whatever bf16 says (a memorizer's 50 dB are beyond bf16).
        bf16: autocast; None asks the hardware.
        compiled: torch.compile, 20-60 s once.
        parts: in how many parts a batch passes, where memory is short; gradients add up, and normalization sees a part.
        resume: an earlier `Step.state()`.

    Yields:
        Step, with the averaged denoiser in evaluation mode.

    Raises:
        FloatingPointError: on a non-finite loss or gradient, before any weight is touched.
        ValueError: for an unknown optimizer or schedule.

    Source: paper, Appendix A (the defaults; optimizer and schedule: see the module); weight (sigma + .02)^-c: own
    choice, all noise levels then count alike.
    """
    if optimizer not in OPTIMIZERS or schedule not in SCHEDULES:
        raise ValueError(
            f'"{optimizer}" with schedule "{schedule}" is unknown: expected one of {", ".join(OPTIMIZERS)} with one of '
            f"{', '.join(SCHEDULES)}."
        )
    device = x.device
    on_gpu = device.type == "cuda"
    denoiser = copy.deepcopy(denoiser).to(device, memory_format=torch.channels_last).train()
    averaged = copy.deepcopy(denoiser).eval()

    def rate(peak: float) -> Tensor | float:
        return torch.tensor(peak, device=device) if on_gpu else peak  # what is recorded reads it where it is

    by_muon = kernels(denoiser) if optimizer == "muon" else []
    left = [weights for weights in denoiser.parameters() if all(weights is not kernel for kernel in by_muon)]
    adamw = torch.optim.AdamW(left, lr=rate(lr), betas=(0.9, 0.99), weight_decay=0.01, fused=True, capturable=on_gpu)
    optimizers = {"adamw": adamw} | ({"muon": Muon(by_muon, lr=rate(muon_lr))} if by_muon else {})
    clip = math.inf if by_muon else 1.0  # Muon's steps have one size whatever the gradient's
    start = _load_state(resume, denoiser, averaged, optimizers) if resume else 0
    forward = torch.compile(denoiser) if compiled else denoiser
    bf16 = bf16_helps(device) if bf16 is None else bf16
    generator = torch.Generator(device)
    shuffled = functools.lru_cache(maxsize=2)(functools.partial(_order, len(x), seed))
    update_average = _average(averaged, denoiser, average)

    def gradients(low_precision: bool, clean: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Loss and norm of the gradient, which it leaves, clipped, at the weights."""
        loss = torch.zeros((), device=device)
        denoiser.zero_grad()
        for x_part, y, level in zip(*(whole.chunk(parts) for whole in (clean, noisy, sigma)), strict=True):
            with torch.autocast(device.type, torch.bfloat16, enabled=low_precision):
                x_hat = call(forward, y, level)
            weight = (level + 0.02) ** -loss_weight
            share = (weight * (x_hat.float() - x_part).square()).mean() * (len(y) / batch)
            share.backward()
            loss += share.detach()
        return torch.stack([loss, nn.utils.clip_grad_norm_(denoiser.parameters(), clip)])

    def move() -> None:
        for one in optimizers.values():
            one.step()

    recorded_for = None
    for step in range(start, steps):
        epochs, places = np.divmod(np.arange(step * batch, (step + 1) * batch), _epoch_length(len(x)))
        clean = x[torch.cat([shuffled(e)[places[epochs == e]] for e in np.unique(epochs)]).to(device)]
        generator.manual_seed(_mix(seed, step))
        sigma = sample_sigma(batch, sigma_law, generator, device)
        noisy = add_noise(clean, sigma, generator).contiguous(memory_format=torch.channels_last)
        low_precision = bf16 and step < (1 - float32_tail) * steps
        if low_precision != recorded_for:
            recorded_for = low_precision
            backward, descend = functools.partial(gradients, low_precision), move
            if on_gpu:
                backward, descend = _Recorded(backward), _Recorded(descend)
        loss, norm = backward(clean, noisy, sigma).tolist()
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise FloatingPointError(
                f"Step {step}: the loss is {loss} and its gradient has norm {norm}. Lower lr (now {lr})"
                f"{f' or muon_lr (now {muon_lr})' if by_muon else ''}, or look for non-finite pixels in the images; "
                "the last good state is kept."
            )
        share = min(1, (step + 1) / max(warmup, 1)) * SCHEDULES[schedule](step / steps)
        for name, peak in (("adamw", lr), ("muon", muon_lr)):
            if name in optimizers:
                _set_rate(optimizers[name], share * peak)
        descend()
        update_average(step)
        yield Step(
            step=step + 1,
            images_seen=(step + 1) * batch,
            loss=loss,
            denoiser=averaged,
            state=lambda done=step + 1: _state(done, denoiser, averaged, optimizers),
        )


class _Recorded:
    """A function of tensors on a GPU, whose kernels are recorded at its third call and from then on replayed.

    One launch instead of some hundred: a step of a small network is otherwise the time that Python takes to ask for it.
    What it returns is overwritten by the next call, and so are the gradients that it leaves.
    """

    def __init__(self, function: Callable):
        self.function = function
        self.calls = 0
        self.stream = torch.cuda.Stream()  # one for all calls: the memory of another would not be used again
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *inputs: Tensor) -> Tensor | None:
        self.calls += 1
        if self.calls < 3:  # libraries choose their kernels, the compiler works, the optimizer makes its moments
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                output = self.function(*inputs)
            torch.cuda.current_stream().wait_stream(self.stream)
            return output
        if self.graph is None:
            self.inputs = [given.clone() for given in inputs]
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.output = self.function(*self.inputs)
        for place, given in zip(self.inputs, inputs, strict=True):
            place.copy_(given)
        self.graph.replay()
        return self.output


def bf16_helps(device: torch.device) -> bool:
    """Whether training is faster in bf16 than in float32 on this hardware: CUDA, or a CPU with AMX.

    With AVX512-BF16 alone a step of the laptop's UNet took 1.4 times as long as in float32 (one thread, compiled).

    Args:
        device: to train on.

    Returns:
        Whether it is.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu" or platform.machine() not in ("x86_64", "AMD64"):
        return False
    return torch.cpu._is_amx_tile_supported()


def _epoch_length(n: int) -> int:
    return n * math.ceil(TILED / n)


def _order(n: int, seed: int, epoch: int) -> Tensor:
    """Image indices of one epoch: the tiled set, shuffled."""
    generator = torch.Generator().manual_seed(_mix(seed, -1 - int(epoch)))
    return torch.randperm(_epoch_length(n), generator=generator) % n


def _mix(seed: int, step: int) -> int:
    """One 63-bit seed for each (seed, step): seeds that are neighbours must not share streams."""
    return int(np.random.SeedSequence([seed, step % 2**32]).generate_state(1, np.uint64)[0] >> 1)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    group = optimizer.param_groups[0]
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def _average(averaged: nn.Module, denoiser: nn.Module, decay: float) -> Callable[[int], None]:
    """What takes a step into the average: exponential, with a memory that grows, so that initial weights are forgotten.

    Buffers are averaged too; a counter of batches is copied.
    """
    pairs = list(zip(averaged.state_dict().values(), denoiser.state_dict().values(), strict=True))
    averages, values = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
    counters = [pair for pair in pairs if not pair[0].is_floating_point()]

    def update(step: int) -> None:
        keep = min(decay, (1 + step) / (10 + step)) if step else 0.0
        torch._foreach_lerp_(averages, values, 1 - keep)
        for mine, theirs in counters:
            mine.copy_(theirs)

    return update


Optimizers = dict[str, torch.optim.Optimizer]


def _state(step: int, denoiser: nn.Module, averaged: nn.Module, optimizers: Optimizers) -> dict[str, Tensor]:
    state = {"step": torch.tensor(step)}
    state |= {f"denoiser.{name}": value for name, value in denoiser.state_dict().items()}
    state |= {f"average.{name}": value for name, value in averaged.state_dict().items()}
    for kind, optimizer in optimizers.items():
        for k, moments in optimizer.state_dict()["state"].items():
            state |= {f"{kind}.{k}.{name}": value for name, value in moments.items()}
    return {name: value.detach().clone().contiguous() for name, value in state.items()}


def _load_state(state: dict[str, Tensor], denoiser: nn.Module, averaged: nn.Module, optimizers: Optimizers) -> int:
    def part(prefix):
        return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}

    denoiser.load_state_dict(part("denoiser."))
    averaged.load_state_dict(part("average."))
    for kind, optimizer in optimizers.items():
        (group,) = optimizer.param_groups
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in part(f"{kind}.").items():
            k, moment = name.split(".")
            # fused AdamW walks weights and moments in memory order: they must share their memory format
            like = torch.empty_like(group["params"][int(k)]) if value.ndim else torch.empty_like(value)
            moments.setdefault(int(k), {})[moment] = like.copy_(value)
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(state["step"])
