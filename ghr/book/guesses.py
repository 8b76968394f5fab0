"""Pairs of denoised images, of which a network has seen one: which one is a question to readers.

A study of one network for each N enters; what `ghr/book/assets/guess.js` is told leaves, all pictures in one file.
"""

from collections.abc import Sequence

import torch

from ghr import noise
from ghr.book.widgets import Frame, Tile, pack
from ghr.denoiser import denoise
from ghr.experiments import Study

PAIRS = 6  #: for each N


def told_of(study: Study, sizes: Sequence[int], sigma: float, pairs: int = PAIRS, seed: int = 0) -> dict:
    """What the figure is told: of each N the last training images of half A, each beside a test image, by chance first.

    Sets of half A begin alike: their last images are others for every N, and so are the test images.

    Args:
        study: networks of half A, under keys (n, "A").
        sizes: these N.
        sigma: noise standard deviation, image units; the same noise for both images of a pair.
        pairs: for each N; where N is smaller, so many.
        seed: of noise and order.

    Returns:
        Sigma, and as `questions` for each N: n, which of two the network has seen (0 or 1, by pair) and PSNR of both
        answers in dB, by pair. The pictures are those of `ghr.book.widgets.pack`, a frame for each pair, N by N: clean,
        noisy, answer of the first, then of the second.
    """
    generator = torch.Generator().manual_seed(seed)
    questions, frames = [], []
    for k, n in enumerate(sizes):
        new = study.held_out[k * pairs :][: min(pairs, n)]
        seen = study.training(n)[-len(new) :]
        order = torch.randperm(len(seen), generator=generator) % 2  # as often one as the other
        x = torch.where(order.view(-1, 1, 1, 1, 1) == 0, torch.stack([seen, new], 1), torch.stack([new, seen], 1))
        z = torch.randn(seen.shape, generator=generator)
        y = x + sigma * z[:, None]
        x_hat = denoise(study.denoisers[n, "A"], y.flatten(0, 1), sigma).view_as(x)
        psnr = noise.psnr(x.flatten(0, 1), x_hat.flatten(0, 1)).view(-1, 2)
        levels = [[round(value, 2) for value in pair] for pair in psnr.tolist()]
        questions.append({"n": n, "seen": order.tolist(), "psnr": levels})
        triples = torch.stack([x, y, x_hat], 2).flatten(1, 2)
        frames += [Frame([Tile(image, "") for image in images], "") for images in triples]
    return {"sigma": sigma, "questions": questions, **pack(frames)}
