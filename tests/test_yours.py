"""Figures for denoisers and images of one's own: each frame is what the library computes there."""

import torch
from conftest import cut

from ghr import noise
from ghr.book import yours
from ghr.book.widgets import Tile, pixels
from ghr.jacobian import eigenbasis, jacobian

SIGMAS = (0.1, 0.2, 0.4)


def shown(explorer, place) -> tuple[list, str]:
    """Pictures, captions and words at one position of the sliders."""
    explorer.place = place
    (frame,) = explorer.shown["frames"]
    return [(cut(explorer.shown, k), title, note) for k, title, note, _ in frame["tiles"]], frame["words"]


def same(picture, image, signed=False) -> bool:
    return (picture == pixels(Tile(image[0], "", signed=signed))).all()


def test_every_denoiser_answers_to_the_same_noise_blind_or_told(images):
    told = lambda y, sigma: y * (1 - sigma)  # noqa: E731
    explorer = yours.answers({"half": lambda y: y / 2, "told": told}, images, SIGMAS)
    assert explorer.place == [0, 1]
    tiles, words = shown(explorer, [2, 2])
    x = images[2:3]
    y = noise.add_noise(x, 0.4, torch.Generator().manual_seed(0))
    assert [title for _, title, _ in tiles] == ["clean", "noisy", "half", "told"]
    for (picture, _, note), image in zip(tiles, (x, y, y / 2, 0.6 * y), strict=True):
        assert same(picture, image)
        assert note == "" if image is x else note == f"{noise.psnr(x, image).item():.1f} dB"
    assert words.startswith(f"Image 3, σ = 0.40: noisy {tiles[1][2]}, half {tiles[2][2]}")


def test_eigenvectors_are_those_at_the_noisy_image_by_rank(unet, images):
    explorer = yours.vectors(unet, images, SIGMAS, count=3)
    tiles, words = shown(explorer, [1, 0])
    y = noise.add_noise(images[1:2], 0.1, torch.Generator().manual_seed(0))
    basis = eigenbasis(jacobian(unet, y), (1, 12, 20))
    assert same(tiles[1][0], y)
    for k, (picture, title, note) in enumerate(tiles[2:]):
        e = basis.eigenvectors[k : k + 1].float()
        assert (title, note) == (f"k = {k + 1}", f"λ = {basis.eigenvalues[k]:.2f}")
        off = [abs(picture.astype(int) - pixels(Tile(s * e[0], "", signed=True))).max() for s in (1, -1)]
        assert min(off) <= 8  # up to its sign, and Lanczos' tolerance
    assert words.startswith("Image 2, σ = 0.10: ")


def test_a_page_without_a_kernel_carries_one_frame(images):
    html = yours.answers({"half": lambda y: y / 2}, images, SIGMAS).html()
    assert html.count("<img") == 3
    assert "Image 1, σ = 0.20" in html
