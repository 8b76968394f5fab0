"""How few vectors of a basis rebuild an image? Those of a network's basis at it, and of bases that do not know it.

Filters of a study enter, clean images are rebuilt from the first K vectors or from those of their K largest
coefficients, and PSNR leaves. Images are few: intervals are Student's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ghr import harmonic
from ghr.denoiser import denoise
from ghr.measure.bases import KS, Filters, vectors
from ghr.stats import Estimate, psnr_of_mean, student
from ghr.tables import Table


@dataclass(frozen=True)
class Rebuilt:
    """How near K vectors of a basis come to clean images."""

    basis: str  #: whose
    choice: str  #: which K: the "first" of the basis, or those of the "largest" coefficients of each image
    k: int  #: vectors
    psnr: Estimate  #: of the rebuilt images, dB


def rebuilt(found: Filters, ks: Sequence[int] = KS) -> Table[Rebuilt]:
    """How few vectors rebuild a test image, of the network's own basis and of bases that do not know the image?

    Args:
        found: filters of a study; those of the largest N, half A, at the lowest noise level count.
        ks: numbers of vectors.

    Returns:
        One row for each basis of `rivals`, choice and number.
    """
    mean = found.study.training(found.study.largest, "A").mean(0)
    return rebuild(rivals(found), ks, found.x, mean)


def rebuild(
    bases: Mapping[str, Sequence[Float[Tensor, "_ c h w"]]],
    ks: Sequence[int],
    x: Float[Tensor, "n c h w"],
    mean: Float[Tensor, "c h w"],
) -> Table[Rebuilt]:
    """How near do K vectors of each basis come to clean images?

    Args:
        bases: by name, orthonormal vectors for each image.
        ks: numbers of vectors; those above the size of a basis, or not below the number of pixels, are left out.
        x: clean images, known to whoever chooses coefficients.
        mean: image from which all start, since what all images share counts for no basis.

    Returns:
        One row for each basis, choice and number.
    """
    rows = []
    for name, own in bases.items():
        for choice in ("first", "largest"):
            for k in (k for k in ks if k <= min(map(len, own)) and k < x[0].numel()):
                pairs = zip(x, own, strict=True)
                near = torch.stack([partial_sum(clean, basis, mean, k, choice) for clean, basis in pairs])
                errors = (near - x).square().mean((1, 2, 3))
                rows.append(Rebuilt(name, choice, k, student(psnr_of_mean, errors)))
    return Table(tuple(rows))


def partial_sum(
    x: Float[Tensor, "c h w"],
    basis: Float[Tensor, "_ c h w"],
    mean: Float[Tensor, "c h w"],
    k: int,
    choice: str = "first",
) -> Float[Tensor, "c h w"]:
    """An image rebuilt from K vectors. ::

        m + sum_{k in K} <x - m, e_k> e_k

    Args:
        x: clean image.
        basis: orthonormal vectors.
        mean: image m.
        k: how many vectors.
        choice: which: the "first", or those of the "largest" coefficients: no other K come nearer.

    Returns:
        Image in the precision of x.

    Raises:
        ValueError: for another choice.
    """
    if choice not in ("first", "largest"):
        raise ValueError(f"Vectors are chosen as the first or the largest, not {choice!r}.")
    flat = basis.flatten(1).double()
    c = flat @ (x - mean).flatten().double()
    chosen = slice(k) if choice == "first" else c.abs().topk(k).indices
    return mean + (c[chosen] @ flat[chosen]).view_as(x).to(x)


def rivals(found: Filters) -> dict[str, Sequence[Float[Tensor, "_ c h w"]]]:
    """Bases that could hold test images: the network's own, five that do not know the image, and its bare answer.

    Args:
        found: filters of a study; those of the largest N, half A, at the lowest noise level count.

    Returns:
        Vectors for each image by name, "its own", "another image's", "principal", "cosines", "db4 wavelets" and "Haar
        wavelets", these three in the order of their mean energy in training images, and "its answer": f(y) less the
        mean of the training images, then principal components, each without what the vectors before it hold.
    """
    own, training = vectors(found.largest()), found.study.training(found.study.largest, "A")
    sides = training.shape[-2:]
    fixed = {
        "principal": harmonic.principal(training, min(training[0].numel(), len(training) - 1)),
        "cosines": harmonic.by_energy(harmonic.dct(*sides), training),
        "db4 wavelets": harmonic.by_energy(harmonic.wavelets(*sides), training),
        "Haar wavelets": harmonic.by_energy(harmonic.wavelets(*sides, "haar"), training),
    }
    y = found.y(found.sigmas[0])
    answers = denoise(found.study.denoisers[found.study.largest, "A"], y, found.sigmas[0]) - training.mean(0)
    return {
        "its own": own,
        "another image's": [*own[1:], own[0]],
        **{name: [basis] * len(own) for name, basis in fixed.items()},
        "its answer": [_led_by(answer, fixed["principal"][: training[0].numel() // 2]) for answer in answers],
    }


def _led_by(first: Float[Tensor, "c h w"], others: Float[Tensor, "k c h w"]) -> Float[Tensor, "k_1 c h w"]:
    """An orthonormal basis of one image and others, in this order."""
    rows = torch.cat([first[None].double(), others.double()]).flatten(1)
    return torch.linalg.qr(rows.T).Q.T.reshape(-1, *first.shape)
