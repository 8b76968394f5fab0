"""Same image? A copy? As good as the originals? Images enter, one number for each leaves.

Nearness to the training set is always read beside the same nearness of held-out images, its null.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ghr.denoiser import require_images

TINY = torch.finfo(torch.double).tiny  #: a black image has no direction: its ray is itself


def _require_pair(a: Tensor, b: Tensor) -> None:
    require_images(a, b)
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"Images must have one size to be compared, got {tuple(a.shape[1:])} and {tuple(b.shape[1:])}."
        )


def _directions(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    flat = x.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    return flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-12)


def rho(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Centred cosine of image pairs: each image's mean is removed first. 1 = equal up to brightness and contrast.

    Args:
        a: images.
        b: their mates, as many.

    Returns:
        Cosines, one for each pair.

    Raises:
        TypeError: for what is no tensor of floating point numbers.
        ValueError: for images of two sizes or numbers, or pixels that are not finite.
    """
    _require_pair(a, b)
    if len(a) != len(b):
        raise ValueError(f"Images must come in pairs, got {len(a)} and {len(b)}.")
    return (_directions(a) * _directions(b)).sum(1)


def nearest(
    images: Float[Tensor, "n c h w"], training: Float[Tensor, "m c h w"], shifts: int = 0, flips: bool = False
) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """The most similar training image of each image, by centred cosine, with blocks over the training set.

    Args:
        images: images.
        training: training images.
        shifts: also compare with images moved by up to so many pixels in each direction (edges repeated).
        flips: also compare with mirror images. A shifted copy is a copy.

    Returns:
        rho to the nearest, and its index.

    Raises:
        TypeError: for what is no tensor of floating point numbers.
        ValueError: for images of two sizes, or pixels that are not finite.
    """
    _require_pair(images, training)
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


def partial_rho(
    a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"], given: Float[Tensor, "n c h w"]
) -> Float[Tensor, " n"]:
    """Centred cosine of image pairs after what each has of a third image was taken away: the partial correlation. ::

        rho(a - <a, w> w / ||w||^2,  b - <b, w> w / ||w||^2),   all centred

    Args:
        a: images.
        b: their mates, as many.
        given: the third images w, as many; a constant one takes nothing away.

    Returns:
        Cosines, one for each pair; 0 where nothing is left of one.

    Raises:
        TypeError: for what is no tensor of floating point numbers.
        ValueError: for images of two sizes or numbers, or pixels that are not finite.
    """
    w = _directions(given)
    left = []
    for images in (a, b):
        _require_pair(images, given)
        if len(images) != len(given):
            raise ValueError(f"Images must come in pairs, got {len(images)} and {len(given)}.")
        u = _directions(images)
        rest = u - (u * w).sum(1, keepdim=True) * w
        norm = rest.norm(dim=1, keepdim=True)
        left.append(torch.where(norm > 1e-5, rest / norm.clamp(min=1e-5), 0))  # below, only rounding is left
    return (left[0] * left[1]).sum(1)


def nearest_beyond(
    images: Float[Tensor, "n c h w"], training: Float[Tensor, "m c h w"], origins: Float[Tensor, "n c h w"]
) -> Float[Tensor, " n"]:
    """Similarity to the most similar training image, both seen from an origin of each image's own. ::

        max_i rho(image - origin, x_i - origin)

    Args:
        images: images.
        training: training images x_i.
        origins: of the images, as many.

    Returns:
        Cosines, one for each image.

    Raises:
        TypeError: for what is no tensor of floating point numbers.
        ValueError: for images of two sizes or numbers, or pixels that are not finite.
    """
    _require_pair(images, training)
    if len(images) != len(origins):
        raise ValueError(f"Each image needs an origin, got {len(images)} and {len(origins)}.")
    u = _directions((images - origins).double())
    o = origins.flatten(1).double()
    o = o - o.mean(1, keepdim=True)
    best = u.new_full((len(images),), -torch.inf)
    for part in training.split(8192):
        x = part.flatten(1).double()
        x = x - x.mean(1, keepdim=True)
        squares = o.square().sum(1)[:, None] - 2 * o @ x.T + x.square().sum(1)
        cosines = (u @ x.T - (u * o).sum(1)[:, None]) / squares.clamp(min=1e-12).sqrt()
        best = torch.maximum(best, cosines.max(1).values)
    return best.to(images.dtype)


def distance_ratio(
    images: Float[Tensor, "n c h w"], training: Float[Tensor, "m c h w"], rays: bool = False
) -> Float[Tensor, " n"]:
    """Distance to the nearest training image over distance to the second nearest; f_mem counts those below 1/3.

    A training image that occurs twice counts once: the second nearest is another one.

    Args:
        images: images.
        training: training images.
        rays: distances to the rays a x_i, a > 0, instead of the images x_i: to a bias-free network, whose
            f(a y) = a f(y), an image and its brighter copy are one.

    Returns:
        Ratios from 0 (a copy) to 1, one for each image.

    Raises:
        TypeError: for what is no tensor of floating point numbers.
        ValueError: for fewer than two different training images, images of two sizes, or pixels that are not finite.

    Source: Yoon et al. 2023; rays: own choice.
    """
    _require_pair(images, training)
    flat, known = images.flatten(1).double(), _distinct(training.flatten(1)).double()
    if len(known) < 2:
        raise ValueError("The ratio of two distances needs at least two training images that differ.")
    two = []
    for part in known.split(8192):
        products, squares = flat @ part.T, part.square().sum(1)
        reduction = products.clamp(min=0).square() / squares.clamp(min=TINY) if rays else 2 * products - squares
        two.append((flat.square().sum(1)[:, None] - reduction).topk(min(2, len(part)), largest=False).values)
    first, second = torch.cat(two, 1).clamp(min=0).sqrt().sort(1).values[:, :2].unbind(1)
    return torch.where(first > 0, first / second, 0)  # of copies that only rounding tells apart, 0 / 0 is a copy


def _distinct(flat: Float[Tensor, "n d"]) -> Float[Tensor, "m d"]:
    """Rows that differ, in their order, the first of each."""
    first: dict[bytes, int] = {}
    for k, row in enumerate(flat.cpu().numpy()):
        first.setdefault(row.tobytes(), k)
    return flat if len(first) == len(flat) else flat[list(first.values())]


def _require_size(images: Tensor) -> None:
    require_images(images)
    if min(images.shape[-2:]) < 2:
        raise ValueError(f"Images of at least 2x2 pixels are needed, got {images.shape[-2]}x{images.shape[-1]}.")


def gradient_energy(images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Mean squared difference of neighbouring pixels, over both directions: falls when images are blurred.

    Args:
        images: images of at least two by two pixels.

    Returns:
        Squared image units, one for each.

    Raises:
        TypeError: for what is no tensor of floating point numbers.
        ValueError: for smaller images, or pixels that are not finite.
    """
    _require_size(images)
    return (images.diff(dim=-1).square().mean((1, 2, 3)) + images.diff(dim=-2).square().mean((1, 2, 3))) / 2


def spectrum(images: Float[Tensor, "n c h w"], bands: int = 8) -> Float[Tensor, "n bands"]:
    """Radial power spectrum: mean squared Fourier modulus in rings of equal width from 0 to Nyquist, mean removed.

    Args:
        images: images of at least 2 bands pixels a side or so.
        bands: number of rings.

    Returns:
        Squared image units, for each image one per ring.

    Raises:
        TypeError: for what is no tensor of floating point numbers.
        ValueError: when a ring holds no frequency of so small an image, or pixels are not finite.
    """
    require_images(images)
    h, w = images.shape[-2:]
    centred = images - images.mean((-2, -1), keepdim=True)
    power = torch.fft.fft2(centred, norm="ortho").abs().square().mean(1)
    radius = (torch.fft.fftfreq(h)[:, None].square() + torch.fft.fftfreq(w).square()).sqrt()
    ring = (radius * 2 * bands).long()  # the corners beyond Nyquist belong to no ring
    if len(set(ring.flatten().tolist()) & set(range(bands))) < bands:
        raise ValueError(f"Images of {h}x{w} pixels have no frequency in some of {bands} rings: take fewer bands.")
    return torch.stack([power[:, ring == k].mean(1) for k in range(bands)], 1)


def mmd(
    a: Float[Tensor, "n c h w"], b: Float[Tensor, "m c h w"], bandwidth: float | None = None, biased: bool = False
) -> float:
    """Squared maximum mean discrepancy of two sets of images averaged 2x2; RBF kernel, median bandwidth.

    Args:
        a: images of at least two by two pixels.
        b: others.
        bandwidth: distance in units of averaged images; default: the median distance within both sets together.
        biased: count the pairs of an image with itself. Unbiased, the number is 0 on average for one law; biased, it is
            about (1/n + 1/m)(1 - E k) there, so that a ratio to two sets of one law is defined.

    Returns:
        Discrepancy, without unit.

    Raises:
        TypeError: for what is no tensor of floating point numbers.
        ValueError: for images of two sizes or too small, pixels that are not finite, fewer than two images in a set
            that is not biased, or a bandwidth, given or median, that is not positive.
    """
    _require_pair(a, b)
    _require_size(a)
    if min(len(a), len(b)) < 2 and not biased:
        raise ValueError(f"Without bias, two images or more are needed in each set, got {len(a)} and {len(b)}.")
    flat = [torch.nn.functional.avg_pool2d(images, 2).flatten(1).double() for images in (a, b)]
    both = torch.cat(flat)
    squared = (both.square().sum(1)[:, None] - 2 * both @ both.T + both.square().sum(1)).clamp(min=0)
    off_diagonal = ~torch.eye(len(both), dtype=torch.bool, device=both.device)
    scale = squared[off_diagonal].median() if bandwidth is None else bandwidth**2
    if not scale > 0 or (bandwidth is not None and bandwidth <= 0):
        raise ValueError("The bandwidth must be positive: where most images are equal, the median is not; give one.")
    kernel = (-squared / (2 * scale)).exp().masked_fill(~off_diagonal, float(biased))
    n, m = len(flat[0]), len(flat[1])
    within = kernel[:n, :n].sum() / (n * (n - 1 + biased)) + kernel[n:, n:].sum() / (m * (m - 1 + biased))
    return float(within - 2 * kernel[:n, n:].mean())
