"""Wavelet thresholding, made translation invariant: the classical denoiser that a network has to beat.

Noisy images enter, images leave whose small wavelet coefficients are set to zero, over all shifts of the wavelets. It
follows no contour: what a network does better on images with contours, it owes to their geometry.
"""

import numpy as np
import pywt
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ghr.denoiser import require_level


class WaveletDenoiser(nn.Module):
    """Hard threshold of orthonormal wavelet coefficients, averaged over all shifts (cycle spinning). ::

        f(y, sigma) = mean over shifts s of  S_-s W' h(W S_s y),   h(c) = c where |c| > T sigma, else 0

    The mean over all 2^levels shifts in each direction is one undecimated transform. Borders are mirrored, which is up
    to 2 dB better than periodic ones on C^alpha images; the coarsest averages are kept. No gradient passes.

    Args:
        wavelet: of PyWavelets.
        levels: scales.
        threshold: T.

    Raises:
        ValueError: when called, without a positive sigma.

    Source: Donoho & Johnstone 1994; Coifman & Donoho 1995; four scales and mirrored borders: own choice.
    """

    def __init__(self, *, wavelet: str = "db4", levels: int = 4, threshold: float = 3.0):
        super().__init__()
        self.wavelet, self.levels, self.threshold = wavelet, levels, threshold
        self.eval()

    def forward(self, y: Float[Tensor, "b c h w"], sigma: float | None = None) -> Float[Tensor, "b c h w"]:
        cut = self.threshold * require_level(sigma)
        h, w = y.shape[-2:]
        period = 2**self.levels  # sides of what is transformed are multiples of it
        pad = [(0, 0), (0, 0), *((period, period + -side % period) for side in (h, w))]
        mirrored = np.pad(y.detach().double().cpu().numpy(), pad, mode="symmetric")
        # without `norm` each coefficient is one of an orthonormal transform of some shift: its noise has s.d. sigma
        coarse, *details = pywt.swt2(mirrored, self.wavelet, self.levels, axes=(2, 3), trim_approx=True)
        kept = [tuple(part * (np.abs(part) > cut) for part in scale) for scale in details]
        x_hat = pywt.iswt2([coarse, *kept], self.wavelet, axes=(2, 3))[..., period : period + h, period : period + w]
        return torch.from_numpy(x_hat.copy()).to(y)
