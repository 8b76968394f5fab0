"""Images drawn by formula, whose best denoiser or best rate is known: numbers and a generator enter, images leave.

C^alpha images (regular regions on two sides of a regular contour), discs, a ray, a family of sines, Gaussian fields;
and pixels shuffled by one fixed permutation. Departures from the paper: discs have real parameters and a soft edge, so
that their density is smooth; C^alpha images come with the authors' exponents, with true Hoelder exponents, and as the
authors' code draws them, for networks that were trained on those.
"""

import hashlib
import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float, Int
from torch import Tensor

from ghr.images import names

RADII = (0.1, 0.3)  #: of a disc, in sides
CONTRAST = 0.1  #: least difference of a disc and its background
FIELD_SD = 0.25  #: of a Gaussian field's pixels
AMPLITUDES = (0.2, 1.0)  #: of sines and rays
DIRECTION = math.pi / 6  #: of sines, from the horizontal
POOL = 202_000  #: images in a set by name: two halves of 100,000 and 2,000 held out
BLOCK = 1000  #: images drawn from one seed
IN_CACHE = 2**16  #: pixels worked on at a time: what is made on the way stays in a processor's cache
TEXTURE, BEND = 0.1, 0.1  # standard deviations of a C^alpha image's fields, and of its contour, in sides
OFFSET = 0.2  #: largest distance of its contour's mean from the centre, in sides


def c_alpha(
    n: int,
    size: int,
    alpha: float,
    contour: float | None = None,
    *,
    hoelder: bool = False,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n 1 h w"]:
    """Two regular regions that meet along a regular contour. ::

        x = b_1 where v > g(u), b_2 elsewhere
        b_i = level + field;   a field, and the line g, is white noise times |w|^-e

    Authors' convention: e = alpha in the plane and on the line, which is regularity alpha - 1 and alpha - 1/2. With
    hoelder, e = alpha + 1 in the plane and alpha + 1/2 on the line, which is regularity alpha in both. Levels are those
    of `discs`; fields are periodic, contours are not; (u, v) are the pixels' coordinates, turned by a random angle. The
    edge is as wide as a pixel: across it, x goes linearly from one region to the other (box-averaged edge).

    Args:
        n: images.
        size: side in pixels.
        alpha: regularity of the regions.
        contour: regularity of the contour (default: alpha).
        hoelder: whether regularities are true Hoelder exponents.
        generator: of all that is drawn.

    Returns:
        float32, about [0,1], not clipped.

    Source: paper, Section 3.2; levels and the sizes TEXTURE, BEND and OFFSET: own choice.
    """
    contour = alpha if contour is None else contour
    plane, line = (alpha + 1, contour + 0.5) if hoelder else (alpha, contour)
    noise = torch.complex(*torch.randn(2, n, size, size, generator=generator))
    levels = _two_levels(n, generator)
    bend = _line(n, size, line, generator)
    angle = 2 * math.pi * torch.rand(n, 1, 1, generator=generator)
    offset = size * (OFFSET * (2 * torch.rand(n, 1, 1, generator=generator) - 1))
    amplitude = TEXTURE * _amplitude(size, plane)
    few = max(1, IN_CACHE // size**2)
    parts = zip(*(drawn.split(few) for drawn in (noise, *levels, bend, angle, offset)), strict=True)
    return torch.cat([_two_regions(amplitude, *part) for part in parts])[:, None]


def _two_regions(
    amplitude: Float[Tensor, "h w"],
    noise: Complex[Tensor, "n h w"],
    top: Float[Tensor, "n 1 1"],
    bottom: Float[Tensor, "n 1 1"],
    bend: Float[Tensor, "n l"],
    angle: Float[Tensor, "n 1 1"],
    offset: Float[Tensor, "n 1 1"],
) -> Float[Tensor, "n h w"]:
    """A few images of `c_alpha`, by what was drawn for them."""
    fields = torch.fft.ifft2(noise * amplitude)  # two: its real and its imaginary part
    above, below = top + fields.real, bottom + fields.imag
    size = len(amplitude)
    cos, sin, pixels = angle.cos(), angle.sin(), torch.arange(size) - (size - 1) / 2
    u, v = cos * pixels + sin * pixels[:, None], cos * pixels[:, None] - sin * pixels - offset
    place = (u + bend.shape[1] / 2).flatten(1)
    left = place.long()
    start, end = (bend.gather(1, index).view_as(v) for index in (left, left + 1))
    slope = end - start
    height = start + (place - left).view_as(v) * slope
    box = (cos - slope * sin).abs() + (sin + slope * cos).abs()  # a pixel's box, seen along the slope
    share = ((v - height) / box + 0.5).clamp(0, 1)
    return below.lerp(above, share)


def _line(n: int, size: int, exponent: float, generator: torch.Generator | None) -> Float[Tensor, "n l"]:
    """White noise on a line times |w|^-e: heights, pixels, at each pixel of four sides, of s.d. BEND sides.

    An image needs less than two of the four, so that the ends, which meet, do not meet in it.
    """
    length = 4 * size
    amplitude = (torch.arange(1, length // 2) / 4) ** -exponent  # of frequencies in cycles per side
    waves = torch.zeros(n, length // 2 + 1, dtype=torch.complex64)
    waves[:, 1:-1] = torch.complex(*torch.randn(2, n, length // 2 - 1, generator=generator)) * amplitude
    return torch.fft.irfft(waves, length) * (BEND * size * length / (2 * amplitude.norm()))


def published(
    n: int, size: int, alpha: float, contour: float | None = None, generator: torch.Generator | None = None
) -> Float[Tensor, "n 1 h w"]:
    """C^alpha images by the rules of the authors' code, which its published networks were trained on. ::

        x = m b_1 + (1 - m) b_2,   m = 1 below the line g, averaged over 2 x 2 pixels
        one field stretched to [u_1, 1], the other to [0, u_2], u uniform, which is which by chance

    A field, and the line, is uniform noise times ``max(|w|, 1)^-e``, e = alpha in the plane and contour on the line.
    Other than those of `c_alpha`, regions are stretched to their levels, and the line is one height for each column,
    periodic and not turned. Where the line leaves the image upwards, the column belongs to one region (in their code,
    by the index -k, to the other one but for k rows).

    Args:
        n: images.
        size: side in pixels.
        alpha: regularity of the regions.
        contour: regularity of the contour (default: alpha).
        generator: of all that is drawn.

    Returns:
        float32 in [0,1].

    Source: the authors' code (make_C_alpha_images, with the factor (2, 2) of its data sets).
    """
    noise = 2 * torch.rand(n, size, generator=generator) - 1
    waves = torch.arange(size // 2 + 1).clamp(min=1) ** -float(alpha if contour is None else contour)
    line = torch.fft.irfft(torch.fft.rfft(noise) * waves, size)
    rows = (line * size).round() + size // 2
    below = (torch.arange(size)[:, None] >= rows[:, None]).float()
    mask = F.avg_pool2d(F.pad(below[:, None], (1, 0, 1, 0), mode="reflect"), 2, stride=1)
    fields = torch.fft.ifft2(
        torch.fft.fft2(2 * torch.rand(n, 2, size, size, generator=generator) - 1) * _amplitude(size, alpha)
    ).real
    low, high = fields.amin((2, 3), keepdim=True), fields.amax((2, 3), keepdim=True)
    stretched = (fields - low) / (high - low)
    least, most, coin = torch.rand(3, n, 1, 1, generator=generator)
    bright, dark = least + (1 - least) * stretched[:, 0], most * stretched[:, 1]
    first, second = torch.where(coin < 0.5, bright, dark), torch.where(coin < 0.5, dark, bright)
    return mask * first[:, None] + (1 - mask) * second[:, None]


def _amplitude(size: int, exponent: float) -> Float[Tensor, "h w"]:
    """|w|^-e on the Fourier grid, the zero frequency as the lowest; unit variance of a pixel for unit complex noise."""
    cycles = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    amplitude = (cycles.square() + cycles[:, None].square()).sqrt().clamp(min=1) ** -exponent
    return (amplitude * size / amplitude.square().mean().sqrt()).float()


def spectrum(size: int, alpha: float) -> Float[Tensor, "h w"]:
    """Variance of each Fourier coefficient (of `torch.fft.fft2`, norm "ortho") of a Gaussian field. ::

        s(w) ~ max(|w|, 1)^(-2 alpha), w in cycles per side, scaled to pixels of s.d. FIELD_SD

    Args:
        size: side in pixels.
        alpha: decay of amplitudes with frequency.

    Returns:
        Squared image units; the stationary Wiener denoiser multiplies coefficients by s / (s + sigma^2).
    """
    return (FIELD_SD / size * _amplitude(size, alpha).double()).square()


def gaussian_fields(
    n: int, size: int, alpha: float, generator: torch.Generator | None = None
) -> Float[Tensor, "n 1 h w"]:
    """Stationary Gaussian fields on a torus, of mean zero, with the spectrum of `spectrum`: Wiener is optimal.

    Args:
        n: images.
        size: side in pixels.
        alpha: decay of amplitudes with frequency.
        generator: of all that is drawn.

    Returns:
        float32, s.d. FIELD_SD, not clipped.
    """
    pairs = torch.complex(*torch.randn(2, (n + 1) // 2, size, size, generator=generator))
    fields = torch.fft.ifft2(pairs * _amplitude(size, alpha))
    return FIELD_SD * torch.stack([fields.real, fields.imag], 1).view(-1, 1, size, size)[:n]


def discs(n: int, size: int, generator: torch.Generator | None = None) -> Float[Tensor, "n 1 h w"]:
    """Discs on a flat background: a curved manifold of five dimensions; `draw_discs` of `disc_parameters`.

    Args:
        n: images.
        size: side in pixels.
        generator: of all that is drawn.

    Returns:
        float32 in [0,1].

    Source: paper, Section 3.3; real parameters and the soft edge: own choice.
    """
    return draw_discs(disc_parameters(n, size, generator), size)


def disc_parameters(n: int, size: int, generator: torch.Generator | None = None) -> Float[Tensor, "5 n"]:
    """What makes a disc: its centre (across, down) and radius, in pixels, and the levels of foreground and background.

    Radius uniform in RADII, centre uniform where the disc fits, both levels uniform in [0,1] where they differ by
    CONTRAST at least.

    Args:
        n: discs.
        size: side in pixels.
        generator: of all that is drawn.

    Returns:
        The five parameters of each disc.
    """
    u = torch.rand(3, n, generator=generator)
    radius = size * (RADII[0] + (RADII[1] - RADII[0]) * u[0])
    centre = radius + (size - 2 * radius) * u[1:]
    return torch.cat([centre, radius[None], _two_levels(n, generator)[..., 0, 0]])


def draw_discs(parameters: Float[Tensor, "5 n"], size: int) -> Float[Tensor, "n 1 h w"]:
    """Discs by their parameters; differentiable, so that its derivatives span the manifold's tangent. ::

        x = background + (foreground - background) coverage(centre, radius)

    Args:
        parameters: as of `disc_parameters`, pixels and image units.
        size: side in pixels.

    Returns:
        Image units, the parameters' precision.
    """
    cx, cy, radius, *levels = parameters
    foreground, background = (level[:, None, None, None] for level in levels)
    return background + (foreground - background) * coverage(cx, cy, radius, size)


def _two_levels(n: int, generator: torch.Generator | None) -> Float[Tensor, "2 n 1 1"]:
    """Uniform in [0,1], given that they differ by CONTRAST at least."""
    u = torch.rand(3, n, 1, 1, generator=generator)
    difference = 1 - (1 - CONTRAST) * u[0].sqrt()  # its density falls in proportion to the room that it leaves
    low = (1 - difference) * u[1]
    pair = torch.stack([low, low + difference])
    return torch.where(u[2] < 0.5, pair, pair.flip(0))


def coverage(
    cx: Float[Tensor, " n"], cy: Float[Tensor, " n"], radius: Float[Tensor, " n"], size: int
) -> Float[Tensor, "n 1 h w"]:
    """How much of each pixel a disc covers: 1 inside, 0 outside, a linear edge one pixel wide. ::

        clip(r - |p - c| + 1/2, 0, 1),   p: the pixel's centre

    Args:
        cx: of the centre, across, pixels from the corner of the image.
        cy: of the centre, down, pixels from the corner of the image.
        radius: r, pixels.
        size: side in pixels.

    Returns:
        Shares of the pixels.
    """
    p = torch.arange(size, dtype=radius.dtype, device=radius.device) + 0.5
    across, down = p - cx[:, None], p - cy[:, None]
    distance = (across.square()[:, None, :] + down.square()[:, :, None]).sqrt()
    return (radius[:, None, None] - distance + 0.5).clamp(0, 1)[:, None]


def disc_tangent(parameters: Float[Tensor, " 5"], size: int) -> Float[Tensor, "5 d"]:
    """The directions in which a disc changes with its five numbers, made orthonormal. ::

        T = orth(dx/dp_1, ..., dx/dp_5),   x = draw_discs(p)

    Args:
        parameters: of one disc, as of `disc_parameters`.
        size: side in pixels.

    Returns:
        Rows that span the tangent of the manifold of discs at this one, float64.
    """
    slopes = torch.func.jacfwd(lambda p: draw_discs(p[:, None], size).flatten())(parameters.double())
    return torch.linalg.qr(slopes).Q.T


def contour_waves(
    parameters: Float[Tensor, " 5"], size: int, orders: Iterable[int] = range(2, 6)
) -> Float[Tensor, "k d"]:
    """How a disc changes when its contour is bent into waves. ::

        d/d epsilon of the coverage with radius r + epsilon cos(m theta), and with sin(m theta);   theta: of the pixel

    The waves of order 0 and 1 are another radius and another place: they lie in `disc_tangent`. Those of higher orders
    are no discs any more.

    Args:
        parameters: of one disc, as of `disc_parameters`; levels do not matter.
        size: side in pixels.
        orders: the whole numbers m.

    Returns:
        For each order the cosine and the sine, float64; neither of unit length nor perpendicular.
    """
    cx, cy, radius = parameters[:3, None].double()
    p = torch.arange(size, dtype=radius.dtype) + 0.5
    angle = torch.atan2(p[:, None] - cy, p - cx).flatten()
    _, slope = torch.func.jvp(lambda r: coverage(cx, cy, r, size).flatten(), (radius,), (torch.ones_like(radius),))
    return torch.stack([slope * wave(m * angle) for m in orders for wave in (torch.cos, torch.sin)])


def rays(x: Float[Tensor, "1 c h w"], n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n c h w"]:
    """One image at many contrasts: a manifold of one dimension, straight. ::

        a x,   a uniform in AMPLITUDES

    Args:
        x: the image.
        n: images.
        generator: of all that is drawn.

    Returns:
        Image units.
    """
    low, high = AMPLITUDES
    return x * (low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator))


def sines(
    n: int, size: int, direction: float = DIRECTION, generator: torch.Generator | None = None
) -> Float[Tensor, "n 1 h w"]:
    """Plane waves of one frequency and direction: they span two dimensions. ::

        a plane_wave(phase),   a uniform in AMPLITUDES, phase uniform

    Args:
        n: images.
        size: side in pixels.
        direction: radians from the horizontal.
        generator: of all that is drawn.

    Returns:
        float32 in [-1,1].
    """
    low, high = AMPLITUDES
    a = low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)
    return a * plane_wave(size, direction, 2 * math.pi * torch.rand(n, generator=generator))


def plane_wave(size: int, direction: float, phases: Float[Tensor, " n"]) -> Float[Tensor, "n 1 h w"]:
    """A plane wave of one cycle a side. ::

        sin(2 pi u + phase),   u along the direction, in sides

    Args:
        size: side in pixels.
        direction: radians from the horizontal.
        phases: radians.

    Returns:
        Images in [-1,1].
    """
    p = (torch.arange(size, dtype=phases.dtype) + 0.5) / size
    u = math.cos(direction) * p + math.sin(direction) * p[:, None]
    return (2 * math.pi * u + phases.view(-1, 1, 1, 1)).sin()


def permutation(h: int, w: int, block: int | None = None, seed: int = 0) -> Int[Tensor, " d"]:
    """Where the pixels of a shuffled image come from: one permutation of the whole image, or one inside each block.

    Args:
        h: rows.
        w: columns.
        block: side of the blocks in pixels (default: the whole image is one).
        seed: of the permutation.

    Returns:
        Indices into the flat image.

    Raises:
        ValueError: when blocks do not tile the image.
    """
    bh, bw = (h, w) if block is None else (block, block)
    if bh < 1 or h % bh or w % bw:
        raise ValueError(f"Blocks of side {block} do not tile an image of {h}x{w}: give a divisor of both sides.")
    generator = torch.Generator().manual_seed(seed)
    tiles = torch.arange(h * w).view(h // bh, bh, w // bw, bw).transpose(1, 2).reshape(-1, bh * bw)
    order = torch.rand(tiles.shape, generator=generator).argsort(1)  # every block has its own
    shuffled = tiles.gather(1, order).view(h // bh, w // bw, bh, bw).transpose(1, 2)
    return shuffled.reshape(-1)


def shuffle(
    x: Float[Tensor, "n c h w"], block: int | None = None, seed: int = 0, inverse: bool = False
) -> Float[Tensor, "n c h w"]:
    """Images with their pixels permuted, all by one permutation: the density's optimum is permuted with them.

    Args:
        x: images.
        block: side of the blocks in pixels (default: the whole image is one).
        seed: of the permutation.
        inverse: put shuffled pixels back.

    Returns:
        Images, as x.

    Raises:
        ValueError: when blocks do not tile the image.
    """
    order = permutation(*x.shape[-2:], block, seed).to(x.device)
    return x.flatten(2)[..., order.argsort() if inverse else order].view_as(x)


# Sets by name -----------------------------------------------------------------------------------------------------

_SETS = {
    "c_alpha": lambda n, size, g, alpha, contour=None: c_alpha(n, size, alpha, contour, generator=g),
    "hoelder": lambda n, size, g, alpha, contour=None: c_alpha(n, size, alpha, contour, hoelder=True, generator=g),
    "published": lambda n, size, g, alpha, contour=None: published(n, size, alpha, contour, g),
    "fields": lambda n, size, g, alpha: gaussian_fields(n, size, alpha, g),
    "discs": lambda n, size, g: discs(n, size, g),
    "ray": lambda n, size, g: rays(c_alpha(1, size, 2.0, generator=torch.Generator().manual_seed(0)), n, g),
    "sines": lambda n, size, g: sines(n, size, generator=g),
}


def load(name: str, size: int, n: int = POOL, start: int = 0) -> Float[Tensor, "n 1 h w"]:
    """Images of a set by name, the same on every machine up to rounding: one seed for each thousand.

    Args:
        name: "c_alpha-2" (with alpha; "c_alpha-2-1": of the contour 1), "hoelder-2" (likewise, true exponents),
            "published-2" (likewise, by the authors' rules), "fields-2", "discs", "ray" or "sines".
        size: side in pixels.
        n: images.
        start: number of the first.

    Returns:
        float32, image units; not all sets keep to [0,1].

    Raises:
        ValueError: for another name.
    """
    named = names.parse(name)
    if named.source != "formula" or named.shuffled:
        raise ValueError(f'"{name}" is no synthetic set: expected e.g. c_alpha-2, fields-2, discs, ray or sines.')
    blocks, first = [], start // BLOCK
    for k in range(first, math.ceil((start + n) / BLOCK)):
        seed = int.from_bytes(hashlib.sha256(f"{named.text} {k}".encode()).digest()[:7])
        generator = torch.Generator().manual_seed(seed)
        blocks.append(_SETS[named.kind](BLOCK, size, generator, *named.numbers))
    return torch.cat(blocks)[start - first * BLOCK :][:n]
