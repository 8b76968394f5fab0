"""What reference denoisers share that know the noise level: they are told it when made, or by `at`."""

import copy

from torch import nn


class Told(nn.Module):
    """A denoiser of one noise level, in evaluation mode.

    sigma: noise standard deviation, image units.
    Raises: ValueError for sigma <= 0.
    """

    def __init__(self, sigma: float):
        super().__init__()
        self.sigma = _positive(sigma)
        self.eval()

    def at(self, sigma: float) -> "Told":
        """The same at another noise level; what was prepared for the first is shared."""
        other = copy.copy(self)
        other.sigma = _positive(sigma)
        return other


def _positive(sigma: float) -> float:
    if sigma <= 0:
        raise ValueError(f"sigma must be positive, got {sigma}.")
    return sigma
