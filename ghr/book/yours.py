"""Figures with sliders for denoisers and images of one's own, in JupyterLab, where a kernel computes what they show.

Denoisers and images enter, an `Explorer` leaves: any image and any noise level, one frame at a time.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import noise
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.denoiser import denoise
from ghr.jacobian import leading

SIGMAS = np.geomspace(0.01, 1, 41).tolist()  #: noise levels of the slider, image units


def answers(
    denoisers: Mapping[str, Callable],
    images: Float[Tensor, "n 1 h w"],
    sigmas: Sequence[float] = SIGMAS,
    seed: int = 0,
) -> Explorer:
    """An image, the same with noise, and what denoisers make of it.

    Args:
        denoisers: by the name that stands below their answers; blind or told.
        images: clean and grey, image units.
        sigmas: noise standard deviations to choose from, image units.
        seed: of the noise, the same at every level.

    Returns:
        Explorer with sliders for the image and the noise.
    """

    def frame(image: int, sigma: float) -> Frame:
        x, y = _noisy(images, image, sigma, seed)
        found = {"noisy": y} | {name: denoise(f, y, sigma) for name, f in denoisers.items()}
        numbers = {name: f"{noise.psnr(x, answer).item():.1f} dB" for name, answer in found.items()}
        tiles = [Tile(answer[0], name, numbers[name], "A" * (name != "noisy")) for name, answer in found.items()]
        told = ", ".join(f"{name} {number}" for name, number in numbers.items())
        return Frame([Tile(x[0], "clean"), *tiles], f"Image {image}, σ = {sigma:.2f}: {told}.")

    return Explorer(frame, _sliders(images, sigmas), columns=min(5, len(denoisers) + 2))


def vectors(
    f: Callable,
    images: Float[Tensor, "n 1 h w"],
    sigmas: Sequence[float] = SIGMAS,
    count: int = 8,
    seed: int = 0,
) -> Explorer:
    """An image, the same with noise, and the leading eigenvectors of the Jacobian of a denoiser there.

    Args:
        f: denoiser, blind or told, that gradients pass.
        images: clean and grey, image units.
        sigmas: noise standard deviations to choose from, image units.
        count: eigenvectors, of the symmetric part.
        seed: of the noise, the same at every level.

    Returns:
        Explorer with sliders for the image and the noise.
    """

    def frame(image: int, sigma: float) -> Frame:
        x, y = _noisy(images, image, sigma, seed)
        basis = leading(f, y, count, sigma)
        pairs = zip(basis.eigenvectors, basis.eigenvalues.tolist(), strict=True)
        found = [Tile(e, f"k = {k}", f"λ = {value:.2f}", "A", signed=True) for k, (e, value) in enumerate(pairs, 1)]
        kept = f"its leading eigenvectors are multiplied by {basis.eigenvalues[0]:.2f} to {basis.eigenvalues[-1]:.2f}"
        return Frame([Tile(x[0], "clean"), Tile(y[0], "noisy"), *found], f"Image {image}, σ = {sigma:.2f}: {kept}.")

    return Explorer(frame, _sliders(images, sigmas), columns=5)


def _noisy(images: Tensor, image: int, sigma: float, seed: int) -> tuple[Tensor, Tensor]:
    """One clean image by its number, from 1, and the same with noise."""
    x = images[image - 1 : image]
    return x, noise.add_noise(x, sigma, torch.Generator().manual_seed(seed))


def _sliders(images: Tensor, sigmas: Sequence[float]) -> list[Slider]:
    """Every position for a kernel; a page without one carries the first frame."""
    numbers, middle = range(1, len(images) + 1), sigmas[len(sigmas) // 2]
    return [Slider("image", "image", numbers, (1,)), Slider("sigma", "noise, σ", sigmas, (middle,), form="{:.2f}")]
