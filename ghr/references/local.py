"""Local rivals of a network: each pixel is a posterior mean that sees a part of the noisy image only.

Training images and a window enter, denoisers leave that are told the noise level: `LocalDenoiser` (LS),
`EquivariantLocalDenoiser` (ELS), `PatchDenoiser` (PSPC) and `PrincipalLocalDenoiser` (PCA locality), all made of ::

    x_hat[p] = sum_i w_i[p] x_i[p],     w[p] = softmax_i(-||y - x_i||^2 over a window of p / (2 sigma^2))

They differ in the window, in the places that training images are seen at, and in what is averaged. With the whole image
as window each is the memorizer, and none needs a network or a gradient. Softmaxes are exact over the whole training
set, in blocks (streaming log-sum-exp). Each is computed in the precision of its training images. Which window suits a
noise level is measured (`ghr.measure.rivals.calibration`). Jacobians are covariances over training images, at the
cost of a few answers, where automatic differentiation would ask for one answer per pixel. Departures: the sources scale
noisy images and call noise by a time; here noise is added, as everywhere.
"""

import copy
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ghr.denoiser import require_images, require_level, require_shape
from ghr.references.gaussian import WienerDenoiser

#: of a log weight below the largest: what is less likely adds nothing to a double, and its exponential is slow
FLOOR = -60.0

SPARSE = 0.15  #: share of pixels that windows hold, below which a product with their matrix is faster pixel by pixel

#: side of a window in pixels (of `PrincipalLocalDenoiser` its threshold), or one for each noise level
Window = int | float | Mapping[float, int | float]


class _Local(nn.Module):
    """Training images with the last axis over images; every image of a batch is denoised by itself."""

    def __init__(self, x: Float[Tensor, "n c h w"], block: int):
        super().__init__()
        require_images(x)
        if block < 1:
            raise ValueError(f"A block holds at least one image or patch, got block={block}.")
        self.register_buffer("x", x.permute(1, 2, 3, 0).contiguous())
        self.shape, self.block = tuple(x.shape[1:]), block
        self.eval()

    def forward(
        self, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        several = isinstance(sigma, Tensor) and sigma.numel() == len(y) > 1
        levels = [require_level(level) for level in (sigma.flatten() if several else [sigma])]
        require_shape(y, self.shape)
        images = zip(y.to(self.x), levels if several else levels * len(y), strict=True)
        return torch.stack([self._denoise(image, level) for image, level in images]).to(y)

    def _denoise(self, y: Float[Tensor, "c h w"], sigma: float) -> Float[Tensor, "c h w"]:
        raise NotImplementedError

    def _logits(self, y: Float[Tensor, "c h w"], sigma: float) -> Iterator[tuple[Tensor, Tensor]]:
        raise NotImplementedError

    @torch.no_grad()
    def _covariances(
        self, y: Float[Tensor, "b c h w"], sigma: float, seen: Float[Tensor, "p p"]
    ) -> Float[Tensor, "b d d"]:
        """Cov_w[p](x[p], x[q]) / sigma^2 where pixel p sees q, for denoisers that have weights for each pixel."""
        require_level(sigma)
        require_shape(y, self.shape)
        matrices = []
        for image in y.to(self.x):
            log_sum = _log_sum(logits for logits, _ in self._logits(image, sigma))
            x_hat, total = _mean(self._logits(image, sigma)).flatten(1), 0
            for logits, x in self._logits(image, sigma):
                w, x = (logits - log_sum[..., None]).clamp(min=FLOOR).exp().flatten(0, -2), x.flatten(1, -2)
                total = total + (w * (x - x_hat[..., None])).flatten(0, 1) @ x.flatten(0, 1).T
            matrices.append(total * seen.repeat(len(x_hat), len(x_hat)) / sigma**2)
        return torch.stack(matrices).to(y)


class Windowed(_Local):
    """A denoiser of training images that looks at each noisy image through windows.

    Args:
        x: training images.
        window: side in pixels, or the side for each noise level (of the nearest one).
        block: training images, or windows, at a time.

    Raises:
        ValueError: for a side that is not positive, or even where windows are centred on a pixel; when called, without
            a positive sigma, or for images of another shape.
    """

    odd = True  # windows are centred on a pixel

    def __init__(self, x: Float[Tensor, "n c h w"], window: Window, *, block: int = 128):
        super().__init__(x, block)
        self.window = self._checked(window)

    def with_window(self, window: Window) -> "Windowed":
        """The same denoiser with another window; both share their training images.

        Args:
            window: as the class takes it.

        Returns:
            Denoiser.

        Raises:
            ValueError: as the class.
        """
        other = copy.copy(self)  # of a module: buffers are shared
        other.window = self._checked(window)
        return other

    def window_at(self, sigma: float) -> int | float:
        """The window of a noise level: that of the nearest level, by ratio, which has one.

        Args:
            sigma: noise standard deviation, image units.

        Returns:
            Side in pixels; of `PrincipalLocalDenoiser` its threshold.
        """
        if not isinstance(self.window, Mapping):
            return self.window
        return self.window[min(self.window, key=lambda level: abs(math.log(level / sigma)))]

    def _checked(self, window: Window) -> Window:
        if isinstance(window, Mapping) and not all(0 < level < math.inf for level in window):
            raise ValueError(f"Windows belong to positive noise levels, got {list(window)}.")
        self._require([*window.values()] if isinstance(window, Mapping) else [window], window)
        return window

    def _require(self, sides: list[int | float], window: Window) -> None:
        if not sides or min(sides) < 1:
            raise ValueError(f"The side of a window must be at least one pixel, got {window}.")
        if self.odd and any(side % 2 == 0 for side in sides):
            raise ValueError(f"A window around a pixel has an odd side, got {window}.")


class LocalDenoiser(Windowed):
    """Local score machine (LS): the posterior mean of a pixel, given the window of noisy pixels around it. ::

        f(y, sigma)[p] = sum_i w_i[p] x_i[p],   w[p] = softmax_i(-||y_W(p) - x_i,W(p)||^2 / (2 sigma^2))

    W(p) is the square of odd side around p, cut at the border; training windows are those at the same place. The best
    denoiser of the training images among all whose pixel p depends on W(p) alone. All windows of one training image
    take two products with matrices of ones: sums of squares, which float32 holds to seven digits at any sigma.

    Args:
        x: training images.
        window: odd side in pixels, or the side for each noise level (of the nearest one); twice the side of the image
            less one is the whole image everywhere.
        block: training images at a time.

    Raises:
        ValueError: for a window that is not odd and positive; when called, without a positive sigma, or for images of
            another shape.

    Source: Kamb & Ganguli 2025, "LS machine"; with the whole image, paper, Eq. 6.
    """

    def jacobian(self, y: Float[Tensor, "b c h w"], sigma: float) -> Float[Tensor, "b d d"]:
        """The Jacobian at each of some noisy images: covariances of a pixel with those of its window. ::

            J_pq = Cov_w[p](x[p], x[q]) / sigma^2   for q in W(p),   else 0

        Args:
            y: noisy images, image units.
            sigma: their noise standard deviation, image units.

        Returns:
            J of each image, without unit; d = c h w.

        Source: derivative of the softmax.
        """
        rows, columns = (_around(n, self.window_at(sigma)) for n in self.shape[1:])
        return self._covariances(y, sigma, torch.kron(rows, columns).to(self.x))

    def _denoise(self, y: Float[Tensor, "c h w"], sigma: float) -> Float[Tensor, "c h w"]:
        return _mean(self._logits(y, sigma))

    def _logits(self, y: Float[Tensor, "c h w"], sigma: float) -> Iterator[tuple[Tensor, Tensor]]:
        """Log weights of training images at all pixels, and the images; in blocks."""
        rows, columns = (_around(n, self.window_at(sigma)).to(y) for n in y.shape[1:])
        scaled = rows / (-2 * sigma**2)
        return ((_sums(_squares(y, x), scaled, columns), x) for x in self.x.split(self.block, -1))


class EquivariantLocalDenoiser(Windowed):
    """Equivariant local score machine (ELS): the same, but windows are compared with those of all places. ::

        f(y, sigma)[p] = sum_(i,q) w_iq[p] x_i[q],   w[p] = softmax_(i,q)(-||y_W(p) - x_i,W(q)||^2 / (2 sigma^2))

    q runs over all places whose window the border cuts as it cuts W(p): all inner places for an inner p, those along
    the edge for a p at the edge, p alone in a corner. As a convolution with zeros at the border, it knows where the
    border is, and nothing else about its place. Time grows with the square of the number of places.

    Args:
        x: training images, few.
        window: odd side in pixels, or the side for each noise level (of the nearest one).
        block: training windows at a time.

    Raises:
        ValueError: for a window that is not odd and positive; when called, without a positive sigma, or for images of
            another shape.

    Source: Kamb & Ganguli 2025, "ELS machine" with borders. Own choice: distances by matrix products, of centred
    images; below sigma = .01 give images in float64.
    """

    def __init__(self, x: Float[Tensor, "n c h w"], window: Window, *, block: int = 2048):
        super().__init__(x, window, block=block)
        self.register_buffer("grey", x.mean())

    def _denoise(self, y: Float[Tensor, "c h w"], sigma: float) -> Float[Tensor, "c h w"]:
        runs = (_runs(n, self.window_at(sigma)) for n in y.shape[1:])
        x_hat = torch.empty_like(y)
        for rows, columns in itertools.product(*runs):
            seen, size = (..., rows.seen, columns.seen), (rows.size, columns.size)
            windows = _unfold((y - self.grey)[None][seen], size)
            places = (..., rows.places, columns.places)
            means = _mean(self._logits(windows, seen, places, size, sigma))
            x_hat[places] = means.view_as(x_hat[places]) + self.grey
        return x_hat

    def _logits(
        self, windows: Float[Tensor, "p d"], seen: tuple, places: tuple, size: tuple[int, int], sigma: float
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Log weights of all training windows that the border cuts alike, and the pixels in their middle; in blocks."""
        for x in self.x.split(max(1, self.block // len(windows)), -1):
            x = x.permute(3, 0, 1, 2) - self.grey  # products are smallest, and their differences best, about the mean
            known, middle = _unfold(x[seen], size), x[places].movedim(1, 0).flatten(1)
            # ||y_W||^2 is the same for all of them, and a softmax does not see it
            yield torch.addmm(known.square().sum(1) / (-2 * sigma**2), windows, known.T, alpha=1 / sigma**2), middle


class PatchDenoiser(Windowed):
    """Patch set posterior composite (PSPC-Square): posterior means of all square patches, averaged where they overlap.

    ::

        f(y, sigma)[p] = mean over patches P that hold p of  sum_i w_i(P) x_i[p]
        w(P) = softmax_i(-||y_P - x_i,P||^2 / (2 sigma^2))

    P runs over all whole patches of one side, each compared with training patches at its own place. Unlike LS, which
    keeps the middle of a patch, it keeps all of it, and averages.

    Args:
        x: training images.
        window: side of the patches in pixels, odd or even, or the side for each noise level (of the nearest one); what
            is larger than the image is the image.
        block: training images at a time.

    Raises:
        ValueError: for a window that is not positive; when called, without a positive sigma, or for images of another
            shape.

    Source: Niedoba et al. 2025 (PSPC-Square; their PSPC-Flex takes the shapes of its patches from a network).
    """

    odd = False

    def _denoise(self, y: Float[Tensor, "c h w"], sigma: float) -> Float[Tensor, "c h w"]:
        rows, columns = (_patches(n, min(self.window_at(sigma), n)).to(y) for n in y.shape[1:])
        scaled = rows / (-2 * sigma**2)
        blocks = self.x.split(self.block, -1)
        log_sum = _log_sum(_sums(_squares(y, x), scaled, columns) for x in blocks)
        x_hat = torch.zeros_like(y)
        for x in blocks:  # again: a sum over patches cannot be divided before all training images are seen
            w = (_sums(_squares(y, x), scaled, columns) - log_sum[..., None]).clamp(min=FLOOR).exp()
            x_hat = x_hat + (_sums(w, rows.T, columns.T) * x).sum(-1)
        return x_hat / (rows.sum(0)[:, None] * columns.sum(0))

    @torch.no_grad()
    def jacobian(self, y: Float[Tensor, "b c h w"], sigma: float) -> Float[Tensor, "b d d"]:
        """The Jacobian at each of some noisy images: covariances inside patches, averaged as the patches are. ::

            J_pq = 1 / |P: p in P| sum over patches P that hold p and q of  Cov_w(P)(x[p], x[q]) / sigma^2

        Args:
            y: noisy images, image units.
            sigma: their noise standard deviation, image units.

        Returns:
            J of each image, without unit; d = c h w.

        Source: derivative of the softmax.
        """
        scale = 1 / require_level(sigma) ** 2
        require_shape(y, self.shape)
        sides = [min(self.window_at(sigma), n) for n in self.shape[1:]]
        pixels, noisy = torch.arange(y[0].numel()).view(self.shape), y.to(self.x)
        total, count = torch.zeros(len(y), y[0].numel(), y[0].numel()).to(self.x), torch.zeros(self.shape).to(self.x)
        for corner in itertools.product(*(range(n - side + 1) for n, side in zip(self.shape[1:], sides, strict=True))):
            patch = (slice(None), *(slice(start, start + side) for start, side in zip(corner, sides, strict=True)))
            count[patch] += 1
            x, held = self.x[patch].flatten(0, 2), pixels[patch].flatten()
            logits = scale * (noisy[(..., *patch)].flatten(1) @ x - x.square().sum(0) / 2)
            for j, w in zip(total, (logits - logits.logsumexp(1, keepdim=True)).clamp(min=FLOOR).exp(), strict=True):
                mean = x @ w
                j[held[:, None], held] += scale * ((x * w) @ x.T - mean[:, None] * mean)
        return (total / count.flatten()[:, None]).to(y)


class PrincipalLocalDenoiser(Windowed):
    """Locality from data statistics (PCA locality): the window of a pixel is where the Wiener filter sees it. ::

        f(y, sigma)[p] = sum_i w_i[p] x_i[p],   w[p] = softmax_i(-sum_q M_qp (y[q] - x_i[q])^2 / (2 sigma^2))
        M_qp = 1 where |H_qp / H_qq| >= threshold max |H / diag H|,   else 0
        H = C (C + sigma^2 I)^-1, the Wiener filter of the training images

    H is wide where noise is strong, narrow where it is weak, and of no given shape; the authors fix the threshold.
    Channels count as pixels.

    Args:
        x: training images.
        threshold: share of the largest entry from which a pixel is seen, or the share for each noise level (of the
            nearest one); it stands for the window of the other local denoisers.
        block: training images at a time.

    Raises:
        ValueError: for a threshold outside (0, 1]; when called, without a positive sigma, or for images of another
            shape.

    Source: Lukoianov et al. 2025 and their code. Departure: there the softmax is taken inside each batch of the
    training set, and the means of all batches are averaged; here it is taken over the whole set.
    """

    def __init__(self, x: Float[Tensor, "n c h w"], *, threshold: Window = 0.02, block: int = 128):
        super().__init__(x, threshold, block=block)
        self.wiener = WienerDenoiser(x)

    def windows(self, sigma: float) -> Float[Tensor, "d d"]:
        """M, by column: which pixels each pixel is seen through.

        Args:
            sigma: noise standard deviation, image units.

        Returns:
            Zeros and ones; the pixels that are seen along the first axis.
        """
        shrink = self.wiener.variances / (self.wiener.variances + sigma**2)
        rows = self.wiener.axes * shrink @ self.wiener.axes.T
        own = rows.diagonal()[:, None]
        seen = (rows / torch.where(own < 1e-6, 1, own)).abs()  # a pixel that never changes has a row of zeros
        return (seen >= self.window_at(sigma) * seen.max()).to(self.x.dtype)

    def jacobian(self, y: Float[Tensor, "b c h w"], sigma: float) -> Float[Tensor, "b d d"]:
        """The Jacobian at each of some noisy images, as that of `LocalDenoiser`, with M for the window.

        Args:
            y: noisy images, image units.
            sigma: their noise standard deviation, image units.

        Returns:
            J of each image, without unit; d = c h w.
        """
        return self._covariances(y, sigma, self.windows(sigma).T)

    def _denoise(self, y: Float[Tensor, "c h w"], sigma: float) -> Float[Tensor, "c h w"]:
        return _mean(self._logits(y, sigma)).view(self.shape)

    def _logits(self, y: Float[Tensor, "c h w"], sigma: float) -> Iterator[tuple[Tensor, Tensor]]:
        """Log weights of training images at all pixels of all channels, and the images; in blocks."""
        seen, pixels = self.windows(sigma).T, y.flatten()[:, None]
        scaled = seen / (-2 * sigma**2)
        if seen.mean() < SPARSE and not torch.is_grad_enabled():  # sparse products know no second derivative
            scaled = scaled.to_sparse()
        return ((scaled @ (pixels - x).square(), x[None]) for x in self.x.flatten(0, 2).split(self.block, -1))

    def _require(self, sides: list[int | float], window: Window) -> None:
        if not sides or not all(0 < share <= 1 for share in sides):
            raise ValueError(f"The threshold is a share of the largest entry, above 0 and at most 1, got {window}.")


# Sums over windows, and means over training images -----------------------------------------------------------------


def _squares(y: Float[Tensor, "c h w"], x: Float[Tensor, "c h w n"]) -> Float[Tensor, "h w n"]:
    squared = (y[..., None] - x).square()
    return squared.sum(0) if len(squared) > 1 else squared[0]


def _sums(
    values: Float[Tensor, "h w n"], rows: Float[Tensor, "p h"], columns: Float[Tensor, "q w"]
) -> Float[Tensor, "p q n"]:
    """Sums over rectangles; products of matrices, as running sums would lose the digits of what they subtract."""
    return columns @ (rows @ values.flatten(1)).unflatten(1, values.shape[1:])


def _around(n: int, window: int) -> Float[Tensor, "n n"]:
    """Which of n places lie in the window around each of them."""
    place = torch.arange(n)
    return ((place[:, None] - place).abs() <= window // 2).float()


def _patches(n: int, side: int) -> Float[Tensor, "p n"]:
    """Which of n places lie in each whole patch."""
    place, start = torch.arange(n), torch.arange(n - side + 1)[:, None]
    return ((place >= start) & (place < start + side)).float()


@dataclass(frozen=True)
class _Run:
    """Neighbouring places along one side of an image, whose windows the border cuts alike."""

    places: slice  #: where they are
    seen: slice  #: what their windows hold together
    size: int  #: what each of their windows holds


def _runs(n: int, window: int) -> list[_Run]:
    """All places along a side of n, in runs."""
    half, runs = window // 2, {}
    for place in range(n):
        runs.setdefault((min(place, half), min(n - 1 - place, half)), []).append(place)
    return [
        _Run(slice(run[0], run[-1] + 1), slice(run[0] - before, run[-1] + 1 + after), before + 1 + after)
        for (before, after), run in runs.items()
    ]


def _unfold(x: Float[Tensor, "n c h w"], size: tuple[int, int]) -> Float[Tensor, "m d"]:
    """All windows of one size, image by image, one a row."""
    windows = x.unfold(2, size[0], 1).unfold(3, size[1], 1)
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)


def _mean(parts: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Softmax mean over the last axis, which comes in parts.

    Args:
        parts: log weights (..., n), and values (c, ..., n) or, the same at all places, (c, n).

    Returns:
        Means (c, ...).
    """
    peak, total, weighted = None, 0, 0
    for logits, x in parts:
        peak, decay, w = _weights(peak, logits)
        total = total * decay + w.sum(-1)
        weighted = weighted * decay + (x @ w.mT if x.ndim == 2 else (w * x).sum(-1))
    return weighted / total


def _log_sum(parts: Iterable[Tensor]) -> Tensor:
    """Log-sum-exp over the last axis, which comes in parts."""
    peak, total = None, 0
    for logits in parts:
        peak, decay, w = _weights(peak, logits)
        total = total * decay + w.sum(-1)
    return peak.squeeze(-1) + total.log()


def _weights(peak: Tensor | None, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Largest log weight so far; what is left of earlier weights when it is their unit; and weights in this unit."""
    highest = logits.detach().amax(-1, keepdim=True)
    new = highest if peak is None else torch.maximum(peak, highest)
    decay = torch.ones_like(new) if peak is None else (peak - new).exp()
    return new, decay.squeeze(-1), (logits - new).clamp(min=FLOOR).exp()
