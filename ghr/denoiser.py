"""The one contract: a denoiser is called f(y, sigma) and answers with a clean estimate; blind ones ignore sigma."""

import torch
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def denoise(f, y: Float[Tensor, "b c h w"], sigma: float | None = None, batch: int = 64) -> Float[Tensor, "b c h w"]:
    """What a denoiser makes of noisy images, some at a time, without gradients.

    f: denoiser.  y: noisy images, image units.  sigma: their noise standard deviation.  batch: images at a time.
    Returns: clean estimates.
    """
    at = f.at(sigma) if hasattr(f, "at") and sigma is not None else f
    return torch.cat([at(part) for part in y.split(batch)])
