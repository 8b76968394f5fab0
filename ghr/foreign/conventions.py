"""A network's units and its way of saying noise enter; the book's, y = x + sigma z with x in [0,1], leave.

What differs between codes is written down in one `Convention`: the range of pixels, what the network is told about the
noise, and what it answers with. `Foreign` is the network behind the book's call, f(y, sigma).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ghr.denoiser import TOLD, call

UNITS = {"unit": (1.0, 0.0), "signed": (2.0, -1.0), "bytes": (255.0, 0.0)}  #: scale and offset of [0,1], by name
#: what a network may answer with, by what it is told; the first is what most do
PREDICTIONS = {
    "sigma": ("clean", "residual", "noise", "score"),
    "step": ("noise", "clean", "v"),
    "edm": ("clean",),
}
SCHEDULES = ("linear", "cosine")


def alpha_bars(schedule: str = "linear", steps: int = 1000) -> tuple[float, ...]:
    """Share of the image's variance that is left after each step of a diffusion. ::

        abar_t = prod_{s<=t} (1 - beta_s)
        linear: beta from .0001 to .02;     cosine: abar_t = cos^2((t/T + .008) / 1.008 pi/2), beta at most .999

    Args:
        schedule: of SCHEDULES.
        steps: T.

    Returns:
        abar, falling, one for each step.

    Raises:
        ValueError: for another schedule.

    Source: Ho et al. 2020; Nichol & Dhariwal 2021, Eq. 17.
    """
    if schedule == "linear":
        betas = np.linspace(1e-4, 0.02, steps)
    elif schedule == "cosine":
        bars = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = np.minimum(1 - bars[1:] / bars[:-1], 0.999)
    else:
        raise ValueError(f'"{schedule}" is no schedule: expected one of {", ".join(SCHEDULES)}.')
    return tuple(np.cumprod(1 - betas).tolist())


@dataclass(frozen=True)
class Convention:
    """How a network sees images and noise. With a, b the scale and offset of its units, u = a x + b is an image there.

    Raises:
        ValueError: for what is no convention.
    """

    #: Range of pixels: "unit" [0,1], "signed" [-1,1], "bytes" [0,255].
    units: str = "unit"
    #: "sigma": sees u + s z and is told s, or nothing; "step": sees sqrt(abar) u + sqrt(1 - abar) z and is told the
    #: step t of abar; "edm": the raw network of EDM, sees c_in (u + s z) and is told ln(s) / 4.
    told: str = "sigma"
    #: "clean" u, "residual" s z, "noise" z, "score" -z / s, or "v" sqrt(abar) z - sqrt(1 - abar) u; of "edm", "clean".
    predicts: str = "clean"
    #: abar of each step, falling, of a network that is told steps; without any, `alpha_bars()`.
    bars: tuple[float, ...] = ()
    #: Standard deviation of images in the network's units, of "edm".
    sigma_data: float = 0.5

    def __post_init__(self):
        for field, names in (("units", UNITS), ("told", PREDICTIONS)):
            if getattr(self, field) not in names:
                raise ValueError(f"{field} is {getattr(self, field)!r}: expected one of {', '.join(names)}.")
        if self.predicts not in PREDICTIONS[self.told]:
            known = ", ".join(PREDICTIONS[self.told])
            raise ValueError(f'predicts is {self.predicts!r}: a network told "{self.told}" predicts one of {known}.')
        if not 0 < self.sigma_data < math.inf:
            raise ValueError(f"sigma_data must be positive, got {self.sigma_data}.")
        if self.told == "step":
            bars = np.array(self.bars or alpha_bars())
            if len(bars) < 2 or not (np.diff(bars) < 0).all() or not 0 < bars[0] < 1 or bars[-1] < 0:
                raise ValueError("The steps' abar must be two or more falling numbers between 0 and 1.")
            object.__setattr__(self, "bars", tuple(bars.tolist()))

    @property
    def levels(self) -> tuple[float, float]:
        """The least and the largest noise level that the network knows, image units."""
        if self.told != "step":
            return 0.0, math.inf
        scale, _ = UNITS[self.units]
        return float(_deviations(self.bars)[0]) / scale, float(_deviations(self.bars)[-1]) / scale


def _deviations(bars: tuple[float, ...]) -> np.ndarray:
    """Noise level of each step over sqrt(abar), as if the image had not been scaled; without a last one of no image."""
    kept = np.array([bar for bar in bars if bar > 1e-12])
    return np.sqrt((1 - kept) / kept)


class Foreign(nn.Module):
    """A network of another convention behind the book's call, f(y, sigma). ::

        v = a y + b,  s = a sigma,  f = (u_hat - b) / a
        sigma: F = F(v, s);      u_hat = F, v - F, v - s F, or v + s^2 F
        step:  F = F(sqrt(abar) v, t) at abar = 1 / (1 + s^2);
               u_hat = F, v - s F, or abar v - sqrt(1 - abar) F
        edm:   u_hat = c_skip v + c_out F(c_in v, ln(s) / 4),  c_skip = c^2 / (s^2 + c^2),
               c_out = s c / sqrt(s^2 + c^2),  c_in = 1 / sqrt(s^2 + c^2),  c = sigma_data

    Between two steps t is interpolated in ln s. The network's mode is its owner's: it must be that of evaluation.

    Args:
        network: called F(images), F(images, number) or, told steps or EDM's noise, F(images, one number for each).
        convention: its units, what it is told and predicts.
        channels: of its images, None for any.
        size: (height, width) of its images, pixels, None for any.
        smooth: whether torch can differentiate it.
        words: what it is, in a line.

    Raises:
        ValueError: when called, without a sigma that must be told or with one that the network does not know, for
            images of other channels or sides, or when it answers with another shape.

    Source: Ho et al. 2020; Salimans & Ho 2022 (v); Karras et al. 2022, Table 1 and Eq. 7.
    """

    def __init__(
        self,
        network,
        convention: Convention = Convention(),
        channels: int | None = None,
        size: tuple[int, int] | None = None,
        smooth: bool = True,
        words: str = "",
    ):
        super().__init__()
        self.network, self.convention = network, convention
        self.channels, self.size, self.smooth, self.words = channels, size, smooth, words
        self.training = False  # itself it has no mode

    def forward(
        self, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        self._require(y)
        how = self.convention
        scale, offset = UNITS[how.units]
        v = scale * y + offset
        if how.told == "sigma" and how.predicts in ("clean", "residual"):
            answer = call(self.network, v, None if sigma is None else scale * sigma)
            return ((answer if how.predicts == "clean" else v - answer) - offset) / scale
        s = scale * self._level(sigma, y)
        if how.told == "sigma":
            answer = call(self.network, v, scale * sigma)
            clean = v - s * answer if how.predicts == "noise" else v + s.square() * answer
        elif how.told == "step":
            bar = 1 / (1 + s.square())
            answer = call(lambda seen: self.network(seen, self._step(s, y)), bar.sqrt() * v)
            clean = {
                "clean": answer,
                "noise": v - s * answer,
                "v": bar * v - (1 - bar).sqrt() * answer,
            }[how.predicts]
        else:
            c, norm = how.sigma_data, (s.square() + how.sigma_data**2).sqrt()
            answer = call(lambda seen: self.network(seen, (s.log() / 4).flatten().expand(len(y))), v / norm)
            clean = c**2 / norm.square() * v + s * c / norm * answer
        return (clean - offset) / scale

    def _require(self, y: Tensor) -> None:
        if self.channels is not None and y.shape[1] != self.channels:
            raise ValueError(f"This denoiser takes images of {self.channels} channels, got {y.shape[1]}.")
        if self.size is not None and tuple(y.shape[-2:]) != self.size:
            (h, w), (rows, columns) = self.size, y.shape[-2:]
            raise ValueError(f"This denoiser takes images of {h}x{w} pixels, got {rows}x{columns}.")

    def _level(self, sigma: float | Tensor | None, y: Tensor) -> Tensor:
        if sigma is None:
            raise ValueError(TOLD)
        level = torch.as_tensor(sigma, dtype=y.dtype, device=y.device).reshape(-1, 1, 1, 1)
        if len(level) not in (1, len(y)):
            raise ValueError(f"sigma must be one number, or one for each of {len(y)} images, got {len(level)}.")
        low, high = self.convention.levels
        if not (level > 0).all() or level.min() < low * (1 - 1e-5) or level.max() > high * (1 + 1e-5):
            known = f"noise levels from {low:.3g} to {high:.3g}" if low else "positive noise levels"
            raise ValueError(f"This denoiser knows {known}, got {level.min():.3g} to {level.max():.3g}.")
        return level

    def _step(self, s: Tensor, y: Tensor) -> Tensor:
        """The step whose noise has these deviations, one for each image, not whole between two of them."""
        known = np.log(_deviations(self.convention.bars))
        steps = np.interp(s.detach().double().log().flatten().cpu().numpy(), known, np.arange(len(known)))
        return torch.from_numpy(steps).to(y).expand(len(y))
