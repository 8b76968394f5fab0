"""Exact and classical denoisers behind the same call as the networks: denoiser(y) -> x_hat."""

from ghr.references.bandlets import BandletDenoiser
from ghr.references.discs import DiscPosterior
from ghr.references.empirical import EmpiricalDenoiser, ray_bound
from ghr.references.gaussian import StationaryWienerDenoiser, WienerDenoiser
from ghr.references.manifolds import RayDenoiser, SineDenoiser
from ghr.references.wavelets import WaveletDenoiser

__all__ = [
    "BandletDenoiser",
    "DiscPosterior",
    "EmpiricalDenoiser",
    "RayDenoiser",
    "SineDenoiser",
    "StationaryWienerDenoiser",
    "WaveletDenoiser",
    "WienerDenoiser",
    "ray_bound",
]
