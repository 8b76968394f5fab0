"""Is it a copy? Samples, training images and images that cannot be copies enter; distances, threshold, share leave.

An image is a copy when it is much nearer to one training image than to any other: nearer than all but a known share of
images that cannot be copies, held-out ones, are. Distances do not see mirroring, shifts up to three pixels, brightness
and contrast. Copies of a part of an image, larger shifts, turned or bent images are not looked for.
"""

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from scipy import sparse
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pad

from ghr.denoiser import require_images
from ghr.stats import Estimate

SHIFT = 3  #: pixels in each direction by which a copy may be moved
CELLS = 8  #: a side of the coarse images by which candidates are found; even
CANDIDATES = 16  #: training images that are compared exactly with each image
FALSE_POSITIVES = 0.01  #: share of held-out images beyond the threshold
DUPLICATE = 0.995  #: nearness of near-duplicates: they differ by a tenth of their contrast
FLAT = 0.5 / 255  #: standard deviation below which a window has no structure
SMALLEST = 16  #: side of an image, pixels: a window of 8 is left when it is blurred and moved
LARGE = 48  #: side from which on cells are so wide that every other shift finds the candidates
BLOCK, KNOWN = 32, 2048  # images, and training images, that are compared at once: caches hold what they take
ROUNDING = 1e-6  # of 1 - nearness: equal images differ by it

Pixels = UInt8[Tensor, "n c h w"] | Float[Tensor, "n c h w"]
Others = UInt8[Tensor, "m c h w"] | Float[Tensor, "m c h w"]


@dataclass(frozen=True)
class Nearest:
    """The nearest training image of each image, and how much nearer it is than any other."""

    ratio: Float[Tensor, " n"]  #: distance to it over distance to the second nearest, from 0 (a copy) to 1
    nearness: Float[Tensor, " n"]  #: correlation with it, at most 1: equal up to what nearness does not see
    index: Int[Tensor, " n"]  #: its place
    mirrored: Bool[Tensor, " n"]  #: whether its mirror image is meant
    shift: Int[Tensor, "n 2"]  #: pixels down and right by which it is moved, before it is mirrored


@dataclass(frozen=True)
class Judged:
    """What ratios say once they are compared with those of images that cannot be copies."""

    threshold: float  #: ratio below which an image counts
    false_positives: Estimate  #: share of images that cannot be copies below it
    below: Bool[Tensor, " n"]  #: which samples are
    p: Float[Tensor, " n"]  #: share of images that cannot be copies whose ratio is as small, one for each sample
    share: Estimate  #: of copies among the samples: what is below, less the false positives


@torch.no_grad()
def search(
    images: Pixels, training: Others, groups: Int[Tensor, " m"] | None = None, own: Int[Tensor, " n"] | None = None
) -> Iterator[Nearest]:
    """The nearest training image of some images at a time; a copy stays one when it is mirrored or moved. ::

        s_i = max_{m, |dy| <= 3, |dx| <= 3}  <W x, V m t_i> / (|W x| |V m t_i|)         nearness to training image i
        r = sqrt((1 - s_1) / (1 - s_2))                                                 s_1 the largest, s_2 the second

    with W x the window of x inside a border of 4 pixels, V t the window of the same size moved by (dy, dx) from there,
    m nothing or mirroring; images are blurred by (1, 2, 1) / 4 in both directions (noise and JPEG leave a copy what it
    is), and each channel's mean is removed from both windows. 2 (1 - s) is the squared distance of two such windows
    of norm 1, so that r is a ratio of distances. Two windows without structure have s = 1. The second nearest is one
    of another group than the nearest, or an unrelated image, s_2 = 0, where there is none: copies of duplicates count.

    Coarse to fine: windows averaged to 8x8 cells, moved and mirrored, are compared with all training images; the 16
    nearest are compared exactly. Planted copies show that their source is among them.

    Args:
        images: images, floats in [0,1] or 8 bits.
        training: training images, of the same size; 8 bits take a quarter of the memory.
        groups: label of each training image: duplicates have one (default: each has its own).
        own: label of each image: it is not compared with training images of that label, as when it is one of them.

    Yields:
        Nearest of some images, in order.

    Raises:
        TypeError: for what is no tensor of floats or 8 bits.
        ValueError: for images of two sizes or below 16 pixels, pixels that are not finite, or an image that has no
            other to be compared with.

    Source: own choice; the ratio of distances is that of Yoon et al. 2023, where it is compared with 1/3.
    """
    _require(images, training)
    labels = torch.arange(len(training)) if groups is None else groups
    if own is not None and len(labels.unique()) < 2:
        raise ValueError("Images of one group have no others to be compared with.")
    even, odd, norms = (torch.cat(part) for part in zip(*map(_known, training.split(KNOWN)), strict=True))
    for start in range(0, len(images), BLOCK):
        x = _seen(images[start : start + BLOCK])
        mine = None if own is None else own[start : start + BLOCK]
        places, valid = _candidates(x, even, odd, labels, mine)
        yield _exact(x, training, norms, labels, places, valid)


def joined(parts: Iterable[Nearest]) -> Nearest:
    """The parts of `search` as one.

    Args:
        parts: in order, at least one.

    Returns:
        Nearest of all images.
    """
    parts = list(parts)
    return Nearest(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Nearest)))


def _require(images: Tensor, training: Tensor) -> None:
    for x in (images, training):
        if not isinstance(x, Tensor) or x.dtype != torch.uint8:
            require_images(x)
        elif x.ndim != 4 or not x.numel():
            raise ValueError(f"Images must have the shape (n, c, h, w), none of them 0, got {tuple(x.shape)}.")
    if images.shape[1:] != training.shape[1:]:
        raise ValueError(
            f"Images must have one size to be compared, got {tuple(images.shape[1:])} and {tuple(training.shape[1:])}."
        )
    if min(images.shape[-2:]) < SMALLEST:
        h, w = images.shape[-2:]
        raise ValueError(f"Images of {h}x{w} pixels are too small to be moved by {SHIFT}: at least {SMALLEST} needed.")


def _unit(x: Tensor) -> Tensor:
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()


def _seen(x: Tensor) -> Tensor:
    """Images in [0,1], blurred, without their outermost pixels and the mean of each channel: that helps rounding."""
    x = _unit(x)
    x = (x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]) / 4
    x = (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 4
    return x - x.mean((-2, -1), keepdim=True)


def _window(x: Tensor, dy: int = SHIFT, dx: int = SHIFT) -> Tensor:
    h, w = x.shape[-2:]
    return x[..., dy : dy + h - 2 * SHIFT, dx : dx + w - 2 * SHIFT]


def _directions(x: Float[Tensor, "n c h w"], flat: float) -> tuple[Float[Tensor, "n c h w"], Bool[Tensor, " n"]]:
    """Images without their channels' means, of norm 1, or 0 where they have no structure; and which these are."""
    x = x - x.mean((-2, -1), keepdim=True)
    norms = x.flatten(1).norm(dim=1)
    smooth = norms < flat * math.sqrt(x[0].numel())
    return x / norms.clamp(min=1e-12)[:, None, None, None] * ~smooth[:, None, None, None], smooth


def _coarse(windows: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n e"]]:
    """Directions of windows averaged to cells, their even and their odd part under mirroring.

    <a, b> is the sum of both parts' products, <a, mirrored b> their difference. A last axis of the even part holds
    windows without structure, which are like each other.
    """
    cells, flat = _directions(adaptive_avg_pool2d(windows, CELLS), FLAT / CELLS)
    left, right = cells[..., : CELLS // 2], cells.flip(-1)[..., : CELLS // 2]
    even, odd = (((left + sign * right) / math.sqrt(2)).flatten(1) for sign in (1, -1))
    return torch.cat([even, flat[:, None].float()], 1), odd


def _known(training: Pixels) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n e"], Float[Tensor, "n shifts"]]:
    """Of training images, what finds candidates, and the norms of all their windows."""
    x = _seen(training)
    area = (x.shape[-2] - 2 * SHIFT) * (x.shape[-1] - 2 * SHIFT)
    energy = _sums(x.double().square()) - _sums(x.double()).square() / area
    return *_coarse(_window(x)), energy.sum(1).clamp(min=0).sqrt().float().flatten(1)


def _sums(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c y x"]:
    """Sums over the windows at all shifts."""
    total = pad(x.cumsum(-1).cumsum(-2), (1, 0, 1, 0))
    h, w = x.shape[-2] - 2 * SHIFT, x.shape[-1] - 2 * SHIFT
    return total[..., h:, w:] - total[..., :-h, w:] - total[..., h:, :-w] + total[..., :-h, :-w]


def _candidates(
    x: Float[Tensor, "b c h w"],
    even: Float[Tensor, "m d"],
    odd: Float[Tensor, "m e"],
    labels: Int[Tensor, " m"],
    own: Int[Tensor, " b"] | None,
) -> tuple[Int[Tensor, "b k"], Bool[Tensor, "b k"]]:
    """The nearest training images at low resolution, and which of them are of another group than the image."""
    offsets = range(2 * SHIFT + 1) if min(x.shape[-2:]) < LARGE else range(1, 2 * SHIFT, 2)
    windows = torch.cat([_window(x, dy, dx) for dy in offsets for dx in offsets])
    queries, other = _coarse(windows)
    values, places = x.new_empty((len(x), 0)), torch.empty((len(x), 0), dtype=torch.long)
    for first in range(0, len(even), KNOWN):
        some = slice(first, first + KNOWN)
        near = (other @ odd[some].T).abs_().addmm_(queries, even[some].T).view(-1, len(x), len(even[some])).amax(0)
        if own is not None:
            near.masked_fill_(labels[some] == own[:, None], -torch.inf)
        top = near.topk(min(CANDIDATES, near.shape[1]))
        values, places = torch.cat([values, top.values], 1), torch.cat([places, top.indices + first], 1)
        values, kept = values.topk(min(CANDIDATES, values.shape[1]))
        places = places.gather(1, kept)
    return places, values > -torch.inf


def _exact(
    x: Float[Tensor, "b c height width"],
    training: Others,
    norms: Float[Tensor, "m shifts"],
    labels: Int[Tensor, " m"],
    places: Int[Tensor, "b k"],
    valid: Bool[Tensor, "b k"],
) -> Nearest:
    """The nearest of each image's candidates over all shifts, mirrored or not, and the nearest of another group."""
    b, c, h, w = x.shape  # without the outermost pixels
    side = 2 * SHIFT + 1
    windows, flat = _directions(_window(x), FLAT)
    both = torch.stack([windows, windows.flip(-1)], 1)
    moved = pad(both, [2 * SHIFT] * 4).unfold(-2, h, 1).unfold(-2, w, 1)  # b, mirror, c, 7, 7, h, w
    moved = moved.permute(0, 1, 3, 4, 2, 5, 6).reshape(b, 2 * side * side, c * h * w).flip(1)
    candidates = _seen(training[places]).flatten(2)
    # flipped: mirrored first, shifts in the order of the norms
    products = torch.bmm(moved, candidates.transpose(1, 2)).view(b, 2, side * side, -1).flip(1)
    sizes = norms[places].transpose(1, 2)[:, None]
    smooth = sizes < FLAT * math.sqrt(windows[0].numel())
    near = torch.where(smooth, flat[:, None, None, None].float(), products / sizes.clamp(min=1e-12))
    steps = (torch.arange(side) - SHIFT).abs()
    effort = (steps[:, None] + steps).flatten() + torch.arange(2)[:, None]
    best = (near - ROUNDING * effort[:, :, None]).flatten(1, 2).max(1)  # of equals the one that is moved least
    s = near.flatten(1, 2).gather(1, best.indices[:, None])[:, 0].clamp(-1, 1).masked_fill(~valid, -1)
    first = s.argmax(1, keepdim=True)
    index = places.gather(1, first)
    other = valid & (labels[places] != labels[index])
    two = 1 - torch.stack([s.gather(1, first)[:, 0], s.masked_fill(~other, 0).amax(1)], 1)
    mirror, shift = np.divmod(best.indices.gather(1, first)[:, 0].numpy(), side * side)
    return Nearest(
        (two[:, 0].clamp(min=ROUNDING) / two[:, 1].clamp(min=ROUNDING)).clamp(max=1).sqrt(),
        1 - two[:, 0],
        index[:, 0],
        torch.from_numpy(mirror == 1),
        SHIFT - torch.from_numpy(np.stack(np.divmod(shift, side), 1)),
    )


def judge(
    ratio: Float[Tensor, " n"], null: Float[Tensor, " m"], rate: float = FALSE_POSITIVES, draws: int = 20_000
) -> Judged:
    """How many samples are nearer to one training image than images that cannot be copies are. ::

        threshold = k-th smallest ratio of the null,   k = max(1, floor(rate (m + 1)))
        a = k / (m + 1),   q = share of samples below,   share of copies = max(0, (q - a) / (1 - a))

    Of images like those of the null, a share of a lies below the threshold on average over nulls, whatever the law of
    ratios is (the ranks of exchangeable numbers are equally likely); for one null it has the law Beta(k, m + 1 - k).
    Copies that the test sees all lie below; so do a of the rest, hence the correction. The interval takes both doubts
    together: a from its law, q from Jeffreys' for a share, Beta(X + 1/2, n - X + 1/2).

    Args:
        ratio: of samples, as `Nearest.ratio`.
        null: of images that cannot be copies, to the same training set.
        rate: false positives wanted; with fewer than 1 / rate - 1 images in the null, it is 1 / (m + 1).
        draws: of the interval.

    Returns:
        Judged.

    Raises:
        ValueError: without samples or null, a rate outside (0,1), or ratios that are not finite.

    Source: conformal p-values, Vovk et al. 2005; the correction is that of a mixture.
    """
    from scipy.stats import beta

    if not len(ratio) or not len(null):
        raise ValueError(f"Samples and null need at least one image each, got {len(ratio)} and {len(null)}.")
    if not 0 < rate < 1:
        raise ValueError(f"The rate of false positives must lie between 0 and 1, got {rate:g}.")
    if not (ratio.isfinite().all() and null.isfinite().all()):
        raise ValueError("Ratios must be finite everywhere.")
    n, m = len(ratio), len(null)
    rank = max(1, math.floor(rate * (m + 1) + 1e-9))
    ordered = null.sort().values
    below = ratio < ordered[rank - 1]
    generator = np.random.default_rng(0)
    found = int(below.sum())
    a = generator.beta(rank, m + 1 - rank, draws)
    q = generator.beta(found + 0.5, n - found + 0.5, draws)
    low, high = np.quantile(_corrected(q, a), [0.025, 0.975])
    value = float(_corrected(found / n, rank / (m + 1)))
    false = beta(rank, m + 1 - rank).ppf([0.025, 0.975])
    return Judged(
        float(ordered[rank - 1]),
        Estimate(rank / (m + 1), *map(float, false)),
        below,
        (1 + torch.searchsorted(ordered, ratio, right=True)).float() / (m + 1),
        Estimate(value, min(value, float(low)), max(value, float(high))),
    )


def _corrected(q, a):
    return np.maximum(0, (q - a) / (1 - a))


def groups(images: Pixels, near: Nearest, at_least: float = DUPLICATE) -> Int[Tensor, " n"]:
    """Labels of images of one set: those that are the same, pixel by pixel, mirrored or not, or nearly, have one.

    Groups grow until none has a near-duplicate in another: the nearest image of each of many may be any of them.

    Args:
        images: the set.
        near: the nearest other image of each.
        at_least: nearness of near-duplicates.

    Returns:
        Labels from 0.
    """
    labels = _merged(torch.from_numpy(twins(images)), torch.arange(len(images)), near, at_least)
    while True:
        _, first = np.unique(labels.numpy(), return_index=True)
        several = torch.from_numpy(first[np.bincount(labels.numpy()) > 1])
        if not len(several) or len(first) == 1:
            return labels
        found = joined(search(images[several], images, labels, own=labels[several]))
        if not (found.nearness >= at_least).any():
            return labels
        labels = _merged(labels, several, found, at_least)


def _merged(labels: Tensor, places: Tensor, near: Nearest, at_least: float) -> Tensor:
    """Labels from 0 when images at these places and their nearest are one where they are near enough."""
    close = near.nearness >= at_least
    rows = torch.cat([torch.arange(len(labels)), places[close]]).numpy()
    columns = torch.cat([labels + len(labels), near.index[close]]).numpy()  # a node for each label
    graph = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), (2 * len(labels), 2 * len(labels)))
    found = sparse.csgraph.connected_components(graph, directed=False)[1][: len(labels)]
    return torch.from_numpy(np.unique(found, return_inverse=True)[1]).long()


def twins(images: Pixels, among: Others | None = None) -> Int[np.ndarray, " n"]:
    """Place of the first image with the same pixels, mirrored or not.

    Args:
        images: images.
        among: where it is looked for (default: the images themselves, each of which finds itself at least).

    Returns:
        Places, -1 where there is none.
    """
    first: dict[bytes, int] = {}
    for k, image in enumerate(images if among is None else among):
        first.setdefault(_either(image), k)
    return np.array([first.get(_either(image), -1) for image in images])


def _either(image: Tensor) -> bytes:
    return min(each.contiguous().numpy().tobytes() for each in (image, image.flip(-1)))


# Planted copies -----------------------------------------------------------------------------------------------------


def _moved(pixels: int) -> Callable:
    def alter(x: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
        """Each image in one of the directions that this many pixels allow, its edges repeated."""
        h, w = x.shape[-2:]
        steps = [(dy, dx) for dy in (-pixels, 0, pixels) for dx in (-pixels, 0, pixels) if dy or dx]
        chosen = torch.randint(len(steps), (len(x),), generator=generator)
        wide = pad(x, [pixels] * 4, mode="replicate")
        return torch.stack(
            [
                wide[k, :, pixels - dy : pixels - dy + h, pixels - dx : pixels - dx + w]
                for k, (dy, dx) in enumerate(steps[j] for j in chosen.tolist())
            ]
        )

    return alter


def _jpeg(quality: int) -> Callable:
    def alter(x: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
        done = torch.empty_like(x)
        for k, image in enumerate((x * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()):
            file = io.BytesIO()
            Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "JPEG", quality=quality)
            read = np.atleast_3d(np.asarray(Image.open(file)))
            done[k] = torch.from_numpy(read.astype(np.float32) / 255).permute(2, 0, 1)
        return done

    return alter


def _noisy(sigma: float) -> Callable:
    return lambda x, others, generator: x + sigma * torch.randn(x.shape, generator=generator)


def _cropped(x: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    return interpolate(x[..., 1:-1, 1:-1], x.shape[-2:], mode="bicubic", align_corners=False, antialias=True)


ALTERATIONS: Mapping[str, Callable[[Tensor, Tensor, torch.Generator], Tensor]] = MappingProxyType(
    {
        "unchanged": lambda x, others, generator: x,
        "shifted by 1 pixel": _moved(1),
        "shifted by 2 pixels": _moved(2),
        "shifted by 3 pixels": _moved(3),
        "mirrored": lambda x, others, generator: x.flip(-1),
        "brighter, less contrast": lambda x, others, generator: 0.6 * x + 0.3,
        "JPEG, quality 50": _jpeg(50),
        "noise, sigma .05": _noisy(0.05),
        "noise, sigma .1": _noisy(0.1),
        "cropped by a pixel, resized": _cropped,
        "blended half and half": lambda x, others, generator: (x + others) / 2,
    }
)  #: what may happen to a copy; each takes images, as many others, and a generator


def alter(x: Pixels, how: str, others: Pixels, seed: int = 0) -> Float[Tensor, "n c h w"]:
    """Copies that were altered, as they would be read from 8-bit files.

    Args:
        x: images.
        how: key of ALTERATIONS.
        others: as many other images, for blends.
        seed: of directions and noise.

    Returns:
        Images in [0,1], float32, in steps of 1/255.

    Raises:
        ValueError: for another alteration.
    """
    if how not in ALTERATIONS:
        raise ValueError(f'Unknown alteration "{how}": expected one of {", ".join(ALTERATIONS)}.')
    altered = ALTERATIONS[how](_unit(x), _unit(others), torch.Generator().manual_seed(seed))
    return (altered * 255).round().clamp(0, 255) / 255
