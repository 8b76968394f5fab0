"""Same image? A copy? As good as the originals? Images enter, one number for each leaves.

Nearness to the training set is always read beside the same nearness of held-out images, its null.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def _directions(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    flat = x.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    return flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-12)


def rho(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Centred cosine of image pairs: each image's mean is removed first. 1 = equal up to brightness and contrast."""
    return (_directions(a) * _directions(b)).sum(1)


def nearest(
    images: Float[Tensor, "n c h w"], training: Float[Tensor, "m c h w"], shifts: int = 0, flips: bool = False
) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """The most similar training image of each image, by centred cosine, with blocks over the training set.

    shifts: also compare with images moved by up to so many pixels in each direction (edges repeated).
    flips: also compare with mirror images. A shifted copy is a copy.
    Returns: rho to the nearest, and its index.
    """
    known = [_directions(part) for part in training.split(8192)]
    best = images.new_full((len(images),), -torch.inf)
    index = torch.zeros(len(images), dtype=torch.long, device=images.device)
    padded = torch.nn.functional.pad(images, [shifts] * 4, mode="replicate") if shifts else images
    h, w = images.shape[-2:]
    for dy in range(2 * shifts + 1):
        for dx in range(2 * shifts + 1):
            moved = padded[..., dy : dy + h, dx : dx + w]
            for candidate in (moved, moved.flip(-1)) if flips else (moved,):
                directions = _directions(candidate)
                for k, part in enumerate(known):
                    value, place = (directions @ part.T).max(1)
                    better = value > best
                    best[better], index[better] = value[better], place[better] + 8192 * k
    return best, index


def distance_ratio(
    images: Float[Tensor, "n c h w"], training: Float[Tensor, "m c h w"], rays: bool = False
) -> Float[Tensor, " n"]:
    """Distance to the nearest training image over distance to the second nearest; f_mem counts those below 1/3.

    rays: distances to the rays a x_i, a > 0, instead of the images x_i: to a bias-free network, whose f(a y) = a f(y),
    an image and its brighter copy are one.
    Raises: ValueError for fewer than two training images.
    Source: Yoon et al. 2023; rays: own choice.
    """
    if len(training) < 2:
        raise ValueError("The ratio of two distances needs at least two training images.")
    flat, known = images.flatten(1).double(), training.flatten(1).double()
    two = []
    for part in known.split(8192):
        products, squares = flat @ part.T, part.square().sum(1)
        reduction = products.clamp(min=0).square() / squares if rays else 2 * products - squares
        two.append((flat.square().sum(1)[:, None] - reduction).topk(min(2, len(part)), largest=False).values)
    first, second = torch.cat(two, 1).clamp(min=0).sqrt().sort(1).values[:, :2].unbind(1)
    return first / second


def gradient_energy(images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Mean squared difference of neighbouring pixels, over both directions: falls when images are blurred."""
    return (images.diff(dim=-1).square().mean((1, 2, 3)) + images.diff(dim=-2).square().mean((1, 2, 3))) / 2


def spectrum(images: Float[Tensor, "n c h w"], bands: int = 8) -> Float[Tensor, "n bands"]:
    """Radial power spectrum: mean squared Fourier modulus in rings of equal width from 0 to Nyquist, mean removed."""
    h, w = images.shape[-2:]
    centred = images - images.mean((-2, -1), keepdim=True)
    power = torch.fft.fft2(centred, norm="ortho").abs().square().mean(1)
    radius = (torch.fft.fftfreq(h)[:, None].square() + torch.fft.fftfreq(w).square()).sqrt()
    ring = (radius * 2 * bands).long()  # the corners beyond Nyquist belong to no ring
    return torch.stack([power[:, ring == k].mean(1) for k in range(bands)], 1)


def mmd(
    a: Float[Tensor, "n c h w"], b: Float[Tensor, "m c h w"], bandwidth: float | None = None, biased: bool = False
) -> float:
    """Squared maximum mean discrepancy of two sets of images averaged 2x2; RBF kernel, median bandwidth.

    bandwidth: distance in units of averaged images; default: the median distance within both sets together.
    biased: count the pairs of an image with itself. Unbiased, the number is 0 on average for one law; biased, it is
    about (1/n + 1/m)(1 - E k) there, so that a ratio to two sets of one law is defined.
    """
    flat = [torch.nn.functional.avg_pool2d(images, 2).flatten(1).double() for images in (a, b)]
    both = torch.cat(flat)
    squared = (both.square().sum(1)[:, None] - 2 * both @ both.T + both.square().sum(1)).clamp(min=0)
    off_diagonal = ~torch.eye(len(both), dtype=torch.bool, device=both.device)
    scale = squared[off_diagonal].median() if bandwidth is None else bandwidth**2
    kernel = (-squared / (2 * scale)).exp().masked_fill(~off_diagonal, float(biased))
    n, m = len(flat[0]), len(flat[1])
    within = kernel[:n, :n].sum() / (n * (n - 1 + biased)) + kernel[n:, n:].sum() / (m * (m - 1 + biased))
    return float(within - 2 * kernel[:n, n:].mean())
