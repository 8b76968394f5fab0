"""Figures for denoisers and images of one's own, in JupyterLab, where a kernel computes what they show.

Denoisers and images enter, an `Explorer` leaves: any image and any noise level, one frame at a time. Or a `Live`, one
of the book's own figures, which asks these denoisers in place of the book's networks.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import noise
from ghr.book import plots
from ghr.book.answers import Answers, ImageSet, Network
from ghr.book.live import Live
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.denoiser import denoise, require_images
from ghr.jacobian import leading

SIGMAS = np.geomspace(0.01, 1, 41).tolist()  #: noise levels of the slider, image units
FIGURES = ("rebuild", "draw", "rival")  #: figures of the book that ask any denoisers; the others are of its own images
#: sides of windows by noise level, for images of about 32 pixels a side
WINDOWS = {"LS": {0.1: 5, 0.3: 11}, "PSPC": {0.1: 6, 0.3: 9}}


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


def figure(
    script: str,
    denoisers: Mapping[str, Callable | tuple[Callable, Callable]],
    images: Float[Tensor, "n 1 h w"],
    training: Mapping[str, Tensor | tuple[Tensor, Tensor]] | None = None,
    windows: Mapping[str, Mapping[float, int]] = WINDOWS,
) -> Live:
    """A figure of the book that asks denoisers of one's own.

    Args:
        script: "rebuild", of each denoiser; "draw", of pairs of them; or "rival", of each and its training images.
        denoisers: by name, blind or told; pairs for "draw"; for "rebuild" such as gradients pass.
        images: at least two, clean and grey, square, image units; their principal components and their mean and
            covariance, for starts, are those of the figure.
        training: of each denoiser its training images, as pairs for "draw", which does without them as well.
        windows: of the machines of "rival", "LS" and "PSPC", the side of their windows for each noise level.

    Returns:
        Figure; without a kernel it is a still of images.

    Raises:
        TypeError: for images that are no tensor of floating point numbers.
        ValueError: for another figure, or images or denoisers that it cannot take.
    """
    require_images(images)
    size, pairs = images.shape[-1], script == "draw"
    if script not in FIGURES:
        raise ValueError(f"Denoisers of one's own are asked by the figures {', '.join(FIGURES)}, not by {script}.")
    if len(images) < 2 or images.shape[1:] != (1, size, size) or size % 4:
        wanted = "two images or more, grey and square, with a side that is a multiple of 4"
        raise ValueError(f"The figure takes {wanted}, got a tensor of shape {tuple(images.shape)}.")
    if not denoisers:
        raise ValueError("The figure needs a denoiser or more, by name.")
    if script == "rival" and (lost := [name for name in denoisers if name not in (training or {})]):
        raise ValueError(f"A rival is made of training images: those of {lost[0]} are missing.")
    if pairs and (alone := [name for name, pair in denoisers.items() if not isinstance(pair, tuple)]):
        raise ValueError(f"Two denoisers draw from one noise: {alone[0]} must be a pair of them.")
    offered = []
    for name, found in denoisers.items():
        known = (training or {}).get(name)
        both = zip(found, known or (None, None), strict=True) if pairs else [(found, known)]
        for half, (f, x) in zip("AB", both, strict=False):
            offered.append(Network(name, half, 0, _always(f), None if x is None else _always(x.float())))
    x = images.detach().cpu().float()
    shown = ImageSet("yours", "your images", size, offered, _always(x), _always(x))
    still = plots.image_grid([x[:8]], ["images"])
    told = {"sigma": min(windows["PSPC"]), "face": 0, "windows": windows} if script == "rival" else {}
    return Live(script, still, "Images.", networks=shown.name, answers=Answers([shown]), **told)


def _always(value) -> Callable:
    return lambda: value


def _noisy(images: Tensor, image: int, sigma: float, seed: int) -> tuple[Tensor, Tensor]:
    """One clean image by its number, from 1, and the same with noise."""
    x = images[image - 1 : image]
    return x, noise.add_noise(x, sigma, torch.Generator().manual_seed(seed))


def _sliders(images: Tensor, sigmas: Sequence[float]) -> list[Slider]:
    """Every position for a kernel; a page without one carries the first frame."""
    numbers, middle = range(1, len(images) + 1), sigmas[len(sigmas) // 2]
    return [Slider("image", "image", numbers, (1,)), Slider("sigma", "noise, σ", sigmas, (middle,), form="{:.2f}")]
