"""What live figures are told: images as text, and trainings as their logs saw them."""

import base64
import io

import numpy as np
import pytest
import torch
from conftest import cut, guess_told
from PIL import Image

from ghr import harmonic, noise, recipes, runs, similarity
from ghr.book import films, told
from ghr.files import checkpoints
from ghr.images.synthetic import permutation, shuffle
from ghr.jacobian import Basis

SMALL = recipes.Run(images="discs", size=16, pool=60, held_out=6, n=8, width=2, scales=1)


def numbers(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def test_images_functions_and_places_become_bytes():
    x = torch.tensor([[-0.5, 0, 0.5], [1, 2, 0.2]]).view(1, 1, 2, 3)
    assert numbers(told.grey(x), "u1").tolist() == [0, 0, 128, 255, 255, 51]
    vectors = torch.stack([x[0], torch.zeros(1, 2, 3), -4 * x[0]])
    found = numbers(told.signed(vectors), "i1").reshape(3, 6)
    np.testing.assert_array_equal(found[0], [-32, 0, 32, 64, 127, 13])  # the largest is 127
    np.testing.assert_array_equal(found[1:], [np.zeros(6), -found[0]])
    assert numbers(told.places(torch.tensor([3, 40_000, 0])), "<u2").tolist() == [3, 40_000, 0]


def test_networks_of_shuffled_faces_are_told_as_they_see_and_compared_with_pixels_put_back():
    x = torch.rand(1, 1, 8, 12, generator=torch.Generator().manual_seed(0))
    y = x + 0.1
    vectors = torch.linalg.qr(torch.randn(96, 20, generator=torch.Generator().manual_seed(1))).Q.T.reshape(20, 1, 8, 12)
    values, zero = torch.linspace(1, 0.05, 20), torch.zeros(20)
    bases = {
        1: Basis(values, vectors, zero),
        2: Basis(values, vectors, zero),
        4: Basis(values, shuffle(vectors, 4), zero),
    }
    network = lambda y, sigma=None: y - 0.05  # noqa: E731
    found = told.shuffled(x, y, dict.fromkeys(bases, network), bases, 0.1, (1, 5))
    known = {one["block"]: one for one in found["known"]}
    put_back = shuffle(vectors[:5], 2, inverse=True)
    assert [known[block]["share"] for block in (1, 4)] == pytest.approx([1, 1], abs=1e-4)
    assert known[2]["share"] == pytest.approx(harmonic.alignment(put_back, vectors[:5]), abs=1e-4)
    np.testing.assert_array_equal(numbers(found["order"][4], "<u2"), permutation(8, 12, 4))
    assert found["order"].keys() == {2, 4}
    assert known[4]["pictures"] == told.grey(torch.cat([shuffle(y, 4), shuffle(y, 4) - 0.05]))
    assert known[2]["psnr"] == pytest.approx([20, -20 * np.log10(0.05)], abs=1e-3)
    assert known[4]["values"] == pytest.approx([1, values[4].item()], abs=1e-4)
    assert known[4]["basis"] == told.signed(shuffle(vectors, 4)[[0, 4]])


def sheets(count: int) -> torch.Tensor:
    """Pictures of a log: two rows of four images."""
    levels = torch.randint(256, (count, 2, 4, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    return levels / 255


def trained(monkeypatch, folder, run: recipes.Run, **entries) -> None:
    """A checkpoint whose log says this."""
    monkeypatch.setenv("GHR_CHECKPOINTS", str(folder))
    checkpoints.write(runs.path(run), runs.network(run).state_dict(), run, entries)


def in_base64(sheet: torch.Tensor) -> str:
    rows = (255 * sheet[:, :, 0]).round().byte().permute(0, 2, 1, 3).reshape(32, 64)
    Image.fromarray(rows.numpy()).save(file := io.BytesIO(), "WebP", lossless=True)
    return base64.b64encode(file.getvalue()).decode()


def test_films_are_of_the_smallest_and_largest_n_whose_logs_hold_pictures(monkeypatch, tmp_path):
    shown, few = sheets(3), {"images_seen": [32, 64], "train": [[1, 2, 3, 4]] * 2, "test": [[0.5] * 4] * 2}
    size = {n: recipes.dataclasses.replace(SMALL, n=n) for n in (1, 2, 4, 8, 9)}
    pictures = [in_base64(sheet) for sheet in shown]
    for n in (1, 4):
        trained(monkeypatch, tmp_path, size[n], pictures=pictures[:2], **few)
    trained(monkeypatch, tmp_path, size[2], **few)  # of an older log
    trained(
        monkeypatch,
        tmp_path,
        size[8],
        images_seen=[32, 64, 128],
        train=[[9, k, 9, 9] for k in (1, 2, 5)],
        test=[[0, 1, 0, 0]] * 3,
        pictures=[None, *pictures[1:]],  # a training that an older version began
    )
    first, last = films.ends(size.values())
    assert (first.run.n, last.run.n) == (4, 8)
    assert (last.images_seen, last.gaps) == ((64, 128), (1, 4))
    assert first.gaps == (1.5, 1.5)
    torch.testing.assert_close(last.frames(), shown[1:], atol=1e-6, rtol=0)
    data, found = runs.data(size[8]), films.told_of((first, last))
    x = data.held_out[:4]
    assert found["clean"] == told.grey(x)
    assert found["noisy"] == told.grey(noise.add_noise(x, 0.3, torch.Generator().manual_seed(0)))
    value, which = similarity.nearest(shown[2, 1], data.a)
    assert found["trainings"][1]["near"] == told.grey(data.a[which])
    assert found["trainings"][1]["alike"] == pytest.approx(value.tolist(), abs=1e-3)
    with pytest.raises(ValueError, match="No log holds pictures"):
        films.ends([size[2], size[9]])


def test_of_each_pair_one_is_a_training_image_and_both_have_the_same_noise():
    found = guess_told()
    assert [(one["n"], len(one["seen"])) for one in found["questions"]] == [(3, 3), (8, 4)]  # as many as there are
    x = torch.rand(16, 1, 12, 20, generator=torch.Generator().manual_seed(0))
    levels = x.mul(255).round().to(torch.uint8).numpy()[:, 0]
    pairs = [(one, k) for one in found["questions"] for k in range(len(one["seen"]))]
    assert {one["seen"][k] for one, k in pairs} == {0, 1}
    for frame, (one, k) in zip(found["frames"], pairs, strict=True):
        shown = [cut(found, place)[..., 0].astype(float) for place, *_ in frame["tiles"]]
        seen, new = shown[3 * one["seen"][k]], shown[3 - 3 * one["seen"][k]]
        np.testing.assert_array_equal(seen, levels[k if one["n"] == 3 else 4 + k])  # no face is asked for twice
        np.testing.assert_array_equal(new, levels[8 + k if one["n"] == 3 else 12 + k])
        inside = np.logical_and.reduce([(part > 0) & (part < 255) for part in (shown[1], shown[4])])  # not clipped
        np.testing.assert_allclose((shown[1] - shown[0])[inside], (shown[4] - shown[3])[inside], atol=2)
        for which in (0, 1):
            wanted = (shown[3 * which + 1] * (0.5 if one["n"] == 3 else 1))[inside]
            np.testing.assert_allclose(shown[3 * which + 2][inside], wanted, atol=1)
            if one["n"] == 8:  # what does nothing leaves the noise
                assert one["psnr"][k][which] == pytest.approx(20, abs=0.7)
            else:  # in the order of the pictures
                off = (shown[3 * which + 2] - shown[3 * which]) / 255
                assert one["psnr"][k][which] == pytest.approx(-10 * np.log10(np.mean(off**2)), abs=0.03)
