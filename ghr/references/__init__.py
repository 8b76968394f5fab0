"""Exact and classical denoisers behind the same call as the networks: denoiser(y) -> x_hat."""

from ghr.references.empirical import EmpiricalDenoiser, ray_bound
from ghr.references.gaussian import GaussianDenoiser

__all__ = ["EmpiricalDenoiser", "GaussianDenoiser", "ray_bound"]
