"""Exact and classical denoisers behind the same call as the networks: denoiser(y) -> x_hat."""

from ghr.references.empirical import EmpiricalDenoiser, ray_bound

__all__ = ["EmpiricalDenoiser", "ray_bound"]
