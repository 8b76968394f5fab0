"""Exact and classical denoisers behind the same call as the networks: f(y, sigma) -> x_hat."""

from ghr.references.bandlets import BandletDenoiser
from ghr.references.discs import DiscPosterior
from ghr.references.empirical import (
    BlindEmpiricalDenoiser,
    EmpiricalDenoiser,
    RayEmpiricalDenoiser,
    log_density,
    ray_bound,
)
from ghr.references.gaussian import (
    AffineDistillation,
    RayWienerDenoiser,
    StationaryWienerDenoiser,
    WienerDenoiser,
)
from ghr.references.local import (
    EquivariantLocalDenoiser,
    LocalDenoiser,
    PatchDenoiser,
    PrincipalLocalDenoiser,
)
from ghr.references.manifolds import RayDenoiser, SineDenoiser
from ghr.references.wavelets import WaveletDenoiser

__all__ = [
    "AffineDistillation",
    "BandletDenoiser",
    "BlindEmpiricalDenoiser",
    "DiscPosterior",
    "EmpiricalDenoiser",
    "EquivariantLocalDenoiser",
    "LocalDenoiser",
    "PatchDenoiser",
    "PrincipalLocalDenoiser",
    "RayDenoiser",
    "RayEmpiricalDenoiser",
    "RayWienerDenoiser",
    "SineDenoiser",
    "StationaryWienerDenoiser",
    "WaveletDenoiser",
    "WienerDenoiser",
    "log_density",
    "ray_bound",
]
