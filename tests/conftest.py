"""What the tests share: signatures are checked, nothing outside temporary folders is touched, networks are excited."""

import numpy as np
import pytest
import torch
from beartype import BeartypeConf, FrozenDict, beartype
from jaxtyping import install_import_hook

# Shapes are the point: a numpy integer may stand for an int, an int for a float.
strict = beartype(
    conf=BeartypeConf(hint_overrides=FrozenDict({int: int | np.integer, float: float | int | np.floating}))
)
install_import_hook("ghr", f"{__name__}.strict")

from ghr.denoisers import BFCNN, UNet  # noqa: E402 (after the hook)
from ghr.references import empirical  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _private_folders(tmp_path_factory):
    """Neither the user's cache nor the repository's checkpoints are read or written by any test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHR_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("GHR_CHECKPOINTS", str(tmp_path_factory.mktemp("checkpoints")))
        yield


@pytest.fixture(scope="session")
def tables_once():
    """The blind memorizer tabulates its likelihood for a second or more; the table depends on (d, a, c) alone."""
    tables, tabulate = {}, empirical._blind_log_likelihood

    def cached(r, *key):
        if key not in tables:
            tables[key] = tabulate(r, *key)
        return tables[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(empirical, "_blind_log_likelihood", cached)
        yield


def excite(network: torch.nn.Module) -> torch.nn.Module:
    """Gains of 1 and running deviations of real passes: on a fresh network the laws of a bias-free one are vacuous."""
    generator = torch.Generator().manual_seed(0)
    for name, weights in network.named_parameters():
        if name.endswith("gain"):
            torch.nn.init.ones_(weights)
        elif weights.ndim == 1:  # gains and biases of the controls
            torch.nn.init.uniform_(weights, 0.5, 1.5, generator=generator)
        else:  # keeps the size of what passes through
            weights.data = torch.randn(weights.shape, generator=generator) * (2 / weights[0].numel()) ** 0.5
    network.train()
    with torch.no_grad():
        for _ in range(5):
            network(torch.rand(4, 1, 16, 24, generator=generator))
    return network.eval()


@pytest.fixture
def unet() -> UNet:
    """A small excited UNet in evaluation mode, float64; sides divisible by 4."""
    return excite(UNet(width=6, scales=2)).double()


@pytest.fixture
def bfcnn() -> BFCNN:
    """A small excited BFCNN in evaluation mode, float64; any sides."""
    return excite(BFCNN(width=5, depth=6)).double()


@pytest.fixture
def images() -> torch.Tensor:
    """Five smooth images, 12 by 20, float64, in [0,1]."""
    coarse = torch.rand(5, 1, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, (12, 20), mode="bilinear")


@pytest.fixture
def odd_images() -> torch.Tensor:
    """Five smooth images, 7 by 13, float64, in [0,1]."""
    coarse = torch.rand(5, 1, 3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, (7, 13), mode="bilinear")
