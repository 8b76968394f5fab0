"""What live figures are told of images, so that they show their point before they ask a network.

Images, functions of either sign and permutations enter; text leaves that a page can carry, base64 of a byte or two a
pixel, which `ghr/book/assets/lab/told.js` reads.
"""

import base64
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ghr import harmonic, noise
from ghr.denoiser import denoise
from ghr.images.synthetic import permutation, shuffle
from ghr.jacobian import Basis
from ghr.measure.bases import Filter

RANKS = (1, 3, 8, 20)  #: eigenvectors of shuffled faces that are shown


def grey(images: Float[Tensor, "n 1 h w"]) -> str:
    """Images in 256 levels from 0 to 1, clipped.

    Args:
        images: image units.

    Returns:
        Base64 of bytes, image by image.
    """
    return _text(images.clamp(0, 1) * 255, torch.uint8)


def signed(vectors: Float[Tensor, "n 1 h w"]) -> str:
    """Functions of either sign up to a factor: each from -127 to 127, on a scale of its own.

    Args:
        vectors: any unit.

    Returns:
        Base64 of signed bytes, function by function.
    """
    return _text(vectors * 127 / vectors.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12), torch.int8)


def places(order: Int[Tensor, " d"]) -> str:
    """Places in an image.

    Args:
        order: indices below 65,536.

    Returns:
        Base64 of unsigned 16-bit numbers, low byte first.
    """
    return base64.b64encode(order.numpy().astype("<u2").tobytes()).decode()


def shuffled(
    x: Float[Tensor, "1 1 h w"],
    y: Float[Tensor, "1 1 h w"],
    denoisers: Mapping[int, Callable],
    bases: Mapping[int, Basis | Filter],
    sigma: float,
    ranks: Sequence[int] = RANKS,
) -> dict:
    """What networks of shuffled faces find at a face, for figures in which its pixels fly back.

    Args:
        x: clean face, as it is.
        y: the same with noise.
        denoisers: networks by the side of the blocks inside which their images were shuffled; 1: of faces as they are.
        bases: eigenvectors of their Jacobians at y, shuffled as they see it, under the same keys.
        sigma: noise standard deviation of y, image units.
        ranks: of the eigenvectors that are shown, from 1; the last one counts how many enter the share.

    Returns:
        Sigma, ranks, where each pixel of a shuffled face comes from, and what is found by each network. That is
        pictures of y and of the answer, their PSNR in dB, eigenvalues, eigenvectors, and the share of the first
        eigenvectors, with their pixels put back, that lies in those of the network of faces.
    """
    places_of = {block: places(permutation(*x.shape[-2:], block)) for block in denoisers if block > 1}
    rank, first, known = torch.tensor(ranks) - 1, bases[1].eigenvectors[: ranks[-1]], []
    for block, f in denoisers.items():
        noisy, basis = shuffle(y, block), bases[block]
        x_hat, clean = denoise(f, noisy, sigma), shuffle(x, block)
        put_back = shuffle(basis.eigenvectors[: ranks[-1]], block, inverse=True)
        known.append(
            {
                "block": block,
                "pictures": grey(torch.cat([noisy, x_hat])),
                "psnr": [round(noise.psnr(clean, image).item(), 3) for image in (noisy, x_hat)],
                "values": [round(value, 4) for value in basis.eigenvalues[rank].tolist()],
                "basis": signed(basis.eigenvectors[rank]),
                "share": round(harmonic.alignment(put_back, first), 4),
            }
        )
    return {"sigma": sigma, "ranks": list(ranks), "order": places_of, "known": known}


def _text(levels: Tensor, kind: torch.dtype) -> str:
    return base64.b64encode(levels.round().to(kind).numpy().tobytes()).decode()
