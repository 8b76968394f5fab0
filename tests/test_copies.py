"""Copies: planted ones are found where they were planted, and a share is what it is."""

import numpy as np
import pytest
import torch
from conftest import without_types

from ghr import copies

H, W = 21, 26


def pictures(n, seed=0, c=1, h=H, w=W):
    """Smooth images, unlike each other."""
    coarse = torch.rand(n, c, 6, 7, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (h, w), mode="bilinear")


def near(*images, **options):
    return copies.joined(copies.search(*images, **options))


def seen(x):
    """Brute force: what nearness sees of one image."""
    x = x.double().numpy()
    x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
    return (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 4


def unit(window):
    window = window - window.mean((-2, -1), keepdims=True)
    return window.ravel() / np.linalg.norm(window)


def brute(x, t):
    """Largest correlation over mirrors and shifts, one by one."""
    h, w = x.shape[-2:]
    window = unit(seen(x)[..., 3 : h - 5, 3 : w - 5])
    found = []
    for image in (t, t.flip(-1)):
        pixels = seen(image)
        found += [unit(pixels[..., a : a + h - 8, b : b + w - 8]) @ window for a in range(7) for b in range(7)]
    return max(found)


@pytest.mark.parametrize("c", [1, 3])
def test_nearness_is_the_largest_correlation_over_mirrors_and_shifts(c):
    """Of non-square images, grey and coloured; and the ratio is that of the two smallest distances."""
    x, t = pictures(3, 1, c), pictures(9, 2, c)
    found = near(x, t)
    for k in range(3):
        s = sorted((brute(x[k], each) for each in t), reverse=True)
        assert found.nearness[k] == pytest.approx(s[0], abs=1e-5)
        assert found.ratio[k] == pytest.approx(np.sqrt((1 - s[0]) / (1 - s[1])), abs=1e-4)
        assert brute(x[k], t[found.index[k]]) == pytest.approx(s[0], abs=1e-6)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3), (-1, 1), (3, 3)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_moved_and_mirrored_copy_is_a_copy_and_how_it_was_moved_is_told(down, right, mirrored):
    wide = pictures(40, h=H + 8, w=W + 8)
    t = wide[..., 4:-4, 4:-4]
    x = wide[7:8, :, 4 - down : 4 - down + H, 4 - right : 4 - right + W]
    found = near(0.5 * (x.flip(-1) if mirrored else x) + 0.2, t)
    assert found.index.tolist() == [7]
    assert found.nearness[0] == pytest.approx(1, abs=1e-5)
    assert found.ratio[0] < 0.01
    assert found.shift.tolist() == [[down, right]]
    assert found.mirrored.tolist() == [mirrored]


def test_8_bits_are_the_same_images():
    x, t = ((255 * pictures(n, n)).round().byte() for n in (4, 9))
    one, other = near(x, t), near(x / 255, t / 255)
    assert torch.equal(one.index, other.index)
    assert torch.allclose(one.ratio, other.ratio, atol=1e-5)


def test_blocks_change_nothing(monkeypatch):
    x, t = pictures(7, 1), pictures(50, 2)
    whole = near(x, t)
    monkeypatch.setattr(copies, "BLOCK", 3)
    monkeypatch.setattr(copies, "KNOWN", 8)
    parts = near(x, t)
    assert torch.equal(whole.index, parts.index)
    assert torch.allclose(whole.ratio, parts.ratio, atol=1e-5)


def test_own_images_are_left_out_and_so_are_their_duplicates():
    t = torch.cat([pictures(20), pictures(20)[:5].flip(-1)])
    everyone = torch.arange(25)
    found = near(t, t, own=everyone)
    assert not (found.index == everyone).any()
    assert found.index[:5].tolist() == [20, 21, 22, 23, 24]
    groups = copies.groups(t, found)
    assert len(groups.unique()) == 20
    assert torch.equal(groups[:5], groups[20:])
    others = near(t, t, groups, own=groups)
    assert (groups[others.index] != groups).all()
    assert others.nearness.max() < 0.99


def test_copies_of_duplicates_count():
    """The second nearest is another image: else a copy of an image that is there twice would be as near to both."""
    t = torch.cat([pictures(20), pictures(20)[:1]])
    assert near(t[:1], t).ratio[0] > 0.9
    groups = copies.groups(t, near(t, t, own=torch.arange(21)))
    assert near(t[:1], t, groups).ratio[0] < 0.01
    same = t[:1].repeat(40, 1, 1, 1)  # more than there are candidates
    assert near(t[:1], same, torch.zeros(40, dtype=torch.long)).ratio[0] < 0.01


def test_images_without_structure_are_like_each_other_alone():
    t = pictures(20)
    t[4] = 0.3
    x = torch.full((1, 1, H, W), 0.8)
    found = near(torch.cat([x, pictures(2, 5)]), t)
    assert found.index[0] == 4
    assert found.nearness[0] == 1
    assert found.shift[0].tolist() == [0, 0]
    assert (found.index[1:] != 4).all()


def test_near_duplicates_are_one_group_and_others_are_not():
    t = pictures(12)
    t = torch.cat([t, copies.alter(t[:2], "JPEG, quality 50", t[:2]), t[3:4]])
    labels = copies.groups(t, near(t, t, own=torch.arange(15)))
    assert labels[0] == labels[12]
    assert labels[1] == labels[13]
    assert labels[3] == labels[14]
    assert len(labels.unique()) == 12


def test_many_near_duplicates_are_one_group():
    """More than there are candidates, each with its own noise: no chain of nearest ones holds them all."""
    x = pictures(1).repeat(40, 1, 1, 1)
    t = torch.cat([copies.alter(x, "noise, sigma .05", x) * 0.2 + 0.8 * x, pictures(9, 3)])
    labels = copies.groups(t, near(t, t, own=torch.arange(49)))
    assert len(labels[:40].unique()) == 1
    assert len(labels.unique()) == 10


def test_twins_have_the_same_pixels_mirrored_or_not():
    x = pictures(4)
    assert copies.twins(torch.cat([x, x[1:2].flip(-1)])).tolist() == [0, 1, 2, 3, 1]
    assert copies.twins(x[2:].flip(-1), x[:3]).tolist() == [2, -1]


@pytest.mark.parametrize("size", [32, 64])
def test_candidates_lose_no_copy(size):
    """Among 2,000 images of one kind, the source of each moved copy is found."""
    t = pictures(2000, h=size, w=size)
    for how in ("shifted by 1 pixel", "shifted by 3 pixels", "mirrored", "noise, sigma .05"):
        found = near(copies.alter(t[:20], how, t[20:40]), t)
        assert found.index.tolist() == list(range(20))


# Threshold and share ------------------------------------------------------------------------------------------------


def test_the_threshold_stands_for_its_rate():
    """Of a null of 199 numbers two have the rank that stands for 1%: so do 1% of other numbers, on average."""
    rng = np.random.default_rng(0)
    below, inside = [], []
    for _ in range(400):
        null, other = (torch.from_numpy(rng.random(k)) for k in (199, 1000))
        judged = copies.judge(other, null, draws=400)
        assert judged.threshold == null.sort().values[1]
        assert judged.false_positives.value == 2 / 200
        below.append(judged.below.double().mean())
        inside.append(judged.false_positives.low <= judged.threshold <= judged.false_positives.high)  # uniform numbers
    assert np.mean(below) == pytest.approx(0.01, abs=3 * np.std(below) / 20)
    assert 0.91 <= np.mean(inside) <= 0.98


@pytest.mark.parametrize("planted", [0, 0.02, 0.3])
def test_the_share_of_copies_is_what_was_planted_nineteen_times_in_twenty(planted):
    """Uniform ratios, and copies at 0; without copies the interval reaches 0."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        ratio = np.where(rng.random(400) < planted, 0, rng.random(400))
        found.append(copies.judge(torch.from_numpy(ratio), torch.from_numpy(rng.random(500)), draws=2000).share)
    assert np.mean([e.low <= planted <= e.high for e in found]) >= 0.9
    assert np.mean([e.value for e in found]) == pytest.approx(planted, abs=0.006)
    assert all(e.low <= e.value <= e.high for e in found)


def test_all_copies_and_a_small_null():
    judged = copies.judge(torch.zeros(50), torch.linspace(0.5, 1, 9))
    assert judged.share.value == 1
    assert judged.share.low > 0.6  # a null of nine may let a third pass
    assert judged.false_positives.value == pytest.approx(0.1)
    assert judged.p.tolist() == pytest.approx([0.1] * 50)
    exact = copies.judge(torch.zeros(50), torch.zeros(99))  # a null of copies finds none
    assert exact.share.value == 0
    assert exact.p.tolist() == [1] * 50


# Planted copies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", copies.ALTERATIONS)
def test_altered_copies_are_8_bit_images_of_their_size(how):
    x = pictures(5, c=3)
    altered = copies.alter(x, how, pictures(5, 1, c=3), seed=3)
    assert altered.shape == x.shape
    assert torch.equal((altered * 255).round() / 255, altered)
    assert (altered - x).abs().mean() < 0.25
    assert how == "unchanged" or (altered - x).abs().max() > 3 / 255
    assert torch.equal(altered, copies.alter(x, how, pictures(5, 1, c=3), seed=3))


def test_shifts_go_in_all_directions():
    x = pictures(60)
    moved = near(copies.alter(x, "shifted by 2 pixels", x), x).shift.tolist()
    assert {tuple(each) for each in moved} == {(a, b) for a in (-2, 0, 2) for b in (-2, 0, 2)} - {(0, 0)}


# Bad input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "training", "sentence"),
    [
        (torch.rand(2, 1, 20, 20), torch.rand(2, 1, 20, 21), "Images must have one size"),
        (torch.rand(2, 1, 15, 20), torch.rand(2, 1, 15, 20), "too small to be moved"),
        (torch.rand(2, 1, 20, 20) / 0, torch.rand(2, 1, 20, 20), "not finite"),
        (torch.zeros(0, 1, 20, 20, dtype=torch.uint8), torch.rand(2, 1, 20, 20), "none of them 0"),
    ],
)
def test_bad_images_are_one_sentence(images, training, sentence):
    with pytest.raises(ValueError, match=sentence):
        next(without_types(copies).search(images, training))


def test_other_bad_input_is_one_sentence():
    some = torch.rand(4)
    with pytest.raises(ValueError, match="no others"):
        next(copies.search(pictures(1), pictures(1), own=torch.zeros(1, dtype=torch.long)))
    with pytest.raises(ValueError, match="between 0 and 1"):
        copies.judge(some, some, rate=0)
    with pytest.raises(ValueError, match="at least one image"):
        copies.judge(some, some[:0])
    with pytest.raises(ValueError, match="finite"):
        copies.judge(some / 0, some)
    with pytest.raises(ValueError, match='Unknown alteration "turned"'):
        copies.alter(pictures(2), "turned", pictures(2))
