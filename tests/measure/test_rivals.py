"""Rivals: of networks that are one of them, and of matrices whose rows are known."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from ghr import jacobian, sampling, similarity
from ghr.experiments import Study
from ghr.images import Halves
from ghr.images.photographs import Regions
from ghr.images.synthetic import shuffle
from ghr.measure import rivals
from ghr.noise import add_noise, mse
from ghr.recipes import Run
from ghr.references import (
    EmpiricalDenoiser,
    EquivariantLocalDenoiser,
    LocalDenoiser,
    PatchDenoiser,
    PrincipalLocalDenoiser,
    WienerDenoiser,
)

H, W = 6, 8
KNOWN = ["Wiener", "LS", "ELS", "PSPC", "PCA locality", "PCA at .02", "memorizer"]
WINDOWS = {"LS": 3, "ELS": {0.1: 1, 0.5: 3}, "PSPC": 2, "PCA locality": 0.3}


def pictures(n, seed=0):
    """Smooth images, unlike each other."""
    coarse = torch.rand(n, 1, 3, 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (H, W), mode="bilinear")


def made(a, b=None, training=None, held_out=None, regions=None):
    x, new = pictures(20) if training is None else training, pictures(12, 1) if held_out is None else held_out
    chosen = {(len(x), half): Run(n=len(x), half=half, size=8) for half in "AB"}
    denoisers = dict(zip(chosen, (a, b or a), strict=True))
    return Study("avatars", chosen, denoisers, {len(x): Halves(x, x.flip(0), new)}, new, regions)


def shrinking(factor):
    return lambda y, sigma=None: factor * y


def test_rivals_are_made_of_the_networks_own_images():
    study = made(shrinking(0.5), shrinking(0.7))
    known = rivals.rivals(study, WINDOWS, half="B", few=3)
    assert list(known) == KNOWN
    y, x = torch.rand(2, 1, H, W), pictures(20).flip(0)
    assert torch.equal(known["LS"](y, 0.3), LocalDenoiser(x, 3)(y, 0.3))
    assert torch.equal(known["ELS"](y, 0.3), EquivariantLocalDenoiser(x[:3], 3)(y, 0.3))
    assert torch.equal(known["Wiener"](y, 0.3), WienerDenoiser(x)(y, 0.3))
    assert torch.equal(known["PCA locality"](y, 0.3), PrincipalLocalDenoiser(x, threshold=0.3)(y, 0.3))
    assert torch.equal(known["PCA at .02"](y, 0.3), PrincipalLocalDenoiser(x)(y, 0.3))
    assert torch.equal(known["memorizer"](y, 0.3), EmpiricalDenoiser(x)(y, 0.3))


def test_wiener_is_that_of_the_largest_n():
    """Beside the Wiener filter of few images, which is poor, all would explain much."""
    x = pictures(20)
    chosen = {(n, "A"): Run(n=n, half="A", size=8) for n in (4, 20)}
    data = {n: Halves(x[:n], x[:n].flip(0), pictures(12, 1)) for n in (4, 20)}
    study = Study("avatars", chosen, dict.fromkeys(chosen, shrinking(0.5)), data, pictures(12, 1))
    known = rivals.rivals(study, {}, 4)
    y = torch.rand(2, 1, H, W)
    assert list(known) == ["Wiener", "Wiener of few", "PCA at .02", "memorizer"]
    assert torch.equal(known["Wiener"](y, 0.3), WienerDenoiser(x)(y, 0.3))
    assert torch.equal(known["Wiener of few"](y, 0.3), WienerDenoiser(x[:4])(y, 0.3))
    assert torch.equal(known["memorizer"](y, 0.3), EmpiricalDenoiser(x[:4])(y, 0.3))


def test_other_networks_are_rivals_too():
    """Of the kind that is explained, the other half's; of another kind, that of the same half."""
    studies = made(shrinking(0.5), shrinking(0.7)), made(shrinking(0.9), shrinking(0.8))
    rows, pairs = rivals.explains(studies, [{"Wiener": shrinking(0.2)}] * 2, half="B", images=4, sigmas=(0.1,))
    y = add_noise(studies[0].held_out[:4], 0.1, torch.Generator().manual_seed(0))
    energy = y.square().mean().item()
    assert rows["rival"] == ["Wiener", "other half", "other architecture"] * 2
    apart = [row.apart.value / energy for row in rows]
    assert apart == pytest.approx([0.5**2, 0.2**2, 0.1**2, 0.6**2, 0.1**2, 0.1**2], rel=1e-4)
    assert [(row.network, row.one, row.other) for row in pairs] == [
        (study.runs[20, "B"].network, "other half", "other architecture") for study in studies
    ]
    first = pairs.rows[0].ahead
    assert first.value == pytest.approx((0.1**2 - 0.2**2) / 0.5**2, rel=1e-4)
    assert first.low == pytest.approx(first.high, rel=1e-3)  # of each image the same: a paired interval has no width
    one, two = rivals.walks(studies, {"Wiener": shrinking(0.2)}, half="B", seeds=range(2), steps=2)
    assert torch.equal(one.rivals["other architecture"], two.network)
    assert torch.equal(two.rivals["other architecture"], one.network)
    assert not torch.equal(one.rivals["other half"], one.network)
    assert list(one.rivals) == list(two.rivals) == ["Wiener", "other half", "other architecture"]


def test_a_rival_of_more_images_is_the_rival_of_those():
    """A network that is LS of all its images is met when LS has all of them, and not before."""
    study = made(LocalDenoiser(pictures(20), 3))
    counts = {"LS": (20, 5, 40), "PCA locality": (10,), "ELS": (2,)}  # of 40, which the network has not, none
    found = rivals.given(study, WINDOWS, counts, images=4, sigma=0.1, seed=3)
    assert [(row.rival, row.images) for row in found] == [("LS", 5), ("LS", 20), ("PCA locality", 10), ("ELS", 2)]
    some, whole, principal, equivariant = found
    assert whole.apart.value < 1e-12 < some.apart.value
    x = study.held_out[-4:]
    y = add_noise(x, 0.1, torch.Generator().manual_seed(3))
    for row, f in (
        (principal, PrincipalLocalDenoiser(pictures(20)[:10], threshold=0.3)),
        (equivariant, EquivariantLocalDenoiser(pictures(20)[:2], 1)),
    ):
        assert row.error.value == pytest.approx((f(y, 0.1) - x).square().mean().item(), rel=1e-5)


def test_the_window_of_a_network_is_found():
    """A network that is PSPC is met by its own window at every noise level; the images used are the last."""
    study = made(PatchDenoiser(pictures(20), 2))
    sides = {"PSPC": (1, 2, 4), "ELS": (1, 3)}
    few = {"images": 3, "sigmas": (0.1, 0.4), "seed": 5}
    found = rivals.calibration([study], sides=sides, few=4, **few)
    assert rivals.chosen(found.where(rival="PSPC"), "apart") == {"PSPC": {0.1: 2, 0.4: 2}}
    assert len(found) == 2 * (3 + 2)
    x = study.held_out[-3:]
    y = add_noise(x, 0.4, torch.Generator().manual_seed(5))
    x_hat = EquivariantLocalDenoiser(pictures(20)[:4], 3)(y, 0.4)
    row = found.one(rival="ELS", sigma=0.4, window=3)
    assert row.error.value == pytest.approx((x_hat - x).square().mean().item(), rel=1e-5)
    assert row.apart.value == pytest.approx((x_hat - study.denoisers[20, "A"](y, 0.4)).square().mean().item(), rel=1e-5)
    best = {s: min(found.where(rival="ELS", sigma=s), key=lambda r: r.error.value).window for s in (0.1, 0.4)}
    assert rivals.chosen(found)["ELS"] == best
    assert list(rivals.rivals(study, rivals.chosen(found)))[1:3] == ["PSPC", "ELS"]
    some = rivals.calibration([study], sides={"PSPC": (2,)}, most=7, **few).one(sigma=0.4)  # of the first images alone
    x_hat = PatchDenoiser(pictures(20)[:7], 2)(y, 0.4)
    assert some.error.value == pytest.approx((x_hat - x).square().mean().item(), rel=1e-5)


def test_each_network_has_windows_of_its_own():
    """Two networks that are PCA locality, of one threshold each: each is met by its own, on the same noisy images."""
    thresholds = 0.05, 0.5
    studies = [made(PrincipalLocalDenoiser(pictures(20), threshold=threshold)) for threshold in thresholds]
    other = Run(n=20, half="A", size=8, network="BFCNN")
    studies[1] = Study("avatars", {(20, "A"): other}, {(20, "A"): studies[1].denoisers[20, "A"]}, {}, pictures(12, 1))
    found = rivals.calibration(studies, sides={"PCA locality": (0.02, *thresholds, 1)}, images=3, sigmas=(0.2,))
    for network, threshold in zip(("UNet", "BFCNN"), thresholds, strict=True):
        mine = found.where(network=network)
        assert rivals.chosen(mine, "apart") == {"PCA locality": {0.2: threshold}}
        assert mine.one(window=threshold).apart.value < 1e-12
    known = rivals.fitted(studies[0], found)
    assert [some["PCA locality"].window for some in known] == [{0.2: threshold} for threshold in thresholds]
    rows, _ = rivals.explains(studies, known, images=3, sigmas=(0.2,))
    assert all(row.beyond.value == pytest.approx(1) for row in rows.where(rival="PCA locality"))


def test_windows_follow_the_images():
    """Of images without neighbours a pixel alone is best; of flat ones the whole image."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.rand(40, 1, H, W, generator=generator)
    flat = torch.rand(40, 1, 1, 1, generator=generator).expand(-1, 1, H, W)
    for x, name, windows, best in ((noise, "LS", (5, 1, 3), 1), (flat, "PSPC", (1, 2, 8), 8)):
        study = made(shrinking(0.5), training=x[8:], held_out=x[:8])
        assert rivals.chosen(rivals.calibration([study], sides={name: windows}, sigmas=(0.5,))) == {name: {0.5: best}}


def test_a_network_is_explained_by_itself_alone():
    """A network that is LS: LS is at distance 0 and explains all; Wiener explains nothing beyond Wiener."""
    study = made(LocalDenoiser(pictures(20), 3))
    known = rivals.rivals(study, WINDOWS)
    rows, pairs = rivals.explains([study], [known], images=5, sigmas=(0.1, 0.3), seed=2)
    assert len(rows) == 2 * len([*KNOWN, "other half"])
    for row in rows.where(rival="LS"):
        assert row.apart.value < 1e-12
        assert row.beyond.value == pytest.approx(1)
        assert row.network_error.value == pytest.approx(row.rival_error.value)
        assert row.errs_more.value == pytest.approx(0, abs=1e-12)
    for row in rows.where(rival="Wiener"):
        assert (row.beyond.low, row.beyond.value, row.beyond.high) == (0, 0, 0)
        assert row.apart.value > 1e-5
    assert all(row.beyond.value < 1 for row in rows if row.rival not in ("LS", "other half"))
    assert rows.one(sigma=0.1, rival="PSPC").input_psnr == pytest.approx(20)
    for pair in pairs:
        pair_of = [rows.one(sigma=pair.sigma, rival=name).beyond.value for name in (pair.one, pair.other)]
        assert pair.ahead.value == pytest.approx(pair_of[0] - pair_of[1])


def test_distances_are_mean_squares_on_the_same_noise():
    study = made(shrinking(0.5))
    table, _ = rivals.explains([study], [{"Wiener": shrinking(0.9)}], images=4, sigmas=(0.2,), seed=3)
    row = table.one(rival="Wiener")
    x = study.held_out[:4]
    y = add_noise(x, 0.2, torch.Generator().manual_seed(3))
    assert row.apart.value == pytest.approx((0.4 * y).square().mean().item(), rel=1e-5)
    assert row.network_error.value == pytest.approx((0.5 * y - x).square().mean().item(), rel=1e-5)
    assert row.rival_error.value == pytest.approx((0.9 * y - x).square().mean().item(), rel=1e-5)
    errs_more = mse(0.9 * y, x) - mse(0.5 * y, x)
    assert row.errs_more.value == pytest.approx(errs_more.mean().item(), rel=1e-4)
    arm = 3.182446 * errs_more.std().item() / 2  # Student's t of four images
    assert row.errs_more.high - row.errs_more.value == pytest.approx(arm, rel=1e-4)
    assert (row.n, row.half, row.network) == (20, "A", "UNet")


def test_half_of_the_way_from_wiener_explains_three_quarters():
    """1 - (1/2)^2, on any images; twice the way is as far as Wiener and explains nothing."""
    study = made(shrinking(0.6))
    known = {"Wiener": shrinking(0.2), "half way": shrinking(0.4), "too far": shrinking(1.0)}
    rows, _ = rivals.explains([study], [known], images=4, sigmas=(0.1,))
    assert rows.one(rival="half way").beyond.value == pytest.approx(0.75, rel=1e-4)
    assert rows.one(rival="too far").beyond.value == pytest.approx(0, abs=1e-4)
    assert rows["beyond_own"] == rows["beyond"]


def test_rivals_of_few_images_are_held_against_the_filter_of_these_images_too():
    """Half as far from the network as from the filter of many images is a third as far as from that of few."""
    known = {"Wiener": shrinking(0.2), "Wiener of few": shrinking(0.0), "half way": shrinking(0.4)}
    rows, _ = rivals.explains([made(shrinking(0.6))], [known], images=4, sigmas=(0.1,))
    row = rows.one(rival="half way")
    assert (row.beyond.value, row.beyond_own.value) == pytest.approx((1 - (1 / 2) ** 2, 1 - (1 / 3) ** 2), rel=1e-4)
    assert rows.one(rival="Wiener").beyond_own.value == pytest.approx(1 - (2 / 3) ** 2, rel=1e-4)
    assert rows.one(rival="Wiener of few").beyond_own.value == 0


def test_photographs_of_one_region_are_drawn_together():
    """Pairs of equal images: intervals are those of half as many."""
    pairs = pictures(6, 1).repeat_interleave(2, 0)
    looks = {"images": 12, "sigmas": (1e-9,)}
    alone, together = (
        rivals.explains([made(shrinking(0.5), held_out=pairs, regions=some)], [{"Wiener": shrinking(0.9)}], **looks)[0]
        for some in (Regions([], [], np.arange(12)), Regions([], [], np.arange(12) // 2))
    )
    alone, together = alone.rows[0], together.rows[0]
    assert together.apart.high - together.apart.low > 1.2 * (alone.apart.high - alone.apart.low)


def test_without_wiener_nothing_lies_beyond():
    study = made(shrinking(0.5))
    with pytest.raises(ValueError, match="needs a rival of the name Wiener, got LS"):
        rivals.explains([study], [{"LS": shrinking(0.5)}])
    with pytest.raises(ValueError, match="needs a rival of the name Wiener, got LS"):
        rivals.samples_explained(*rivals.walks([study], {"LS": shrinking(0.5)}, seeds=range(2), steps=2))


# Samples ------------------------------------------------------------------------------------------------------------


def test_walks_start_where_all_samples_start():
    study = made(WienerDenoiser(pictures(20)), shrinking(0.5))
    known = {"Wiener": study.denoisers[20, "A"], "other": shrinking(0.3)}
    (found,) = rivals.walks([study], known, seeds=(4, 7), steps=3)
    start = sampling.gaussian_start(study.held_out, (4, 7))
    assert torch.equal(found.network, sampling.last(sampling.sample(study.denoisers[20, "A"], start, steps=3)))
    assert torch.equal(found.rivals["other"], sampling.last(sampling.sample(shrinking(0.3), start, steps=3)))
    assert list(found.rivals) == ["Wiener", "other", "other half"]
    row = rivals.samples_explained(found)[0].one(rival="Wiener")
    assert row.similarity.value == pytest.approx(1)
    assert (row.n, row.half, row.network, row.seeds) == (20, "A", "UNet", 2)


def walked(network, **known):
    return rivals.Walks(10, "A", "UNet", network, known)


def test_similarities_are_means_over_seeds():
    """rho is what `similarity` says; the null takes the rival's samples of all other seeds, less its own Wiener's."""
    network, wiener, x = (torch.rand(5, 1, H, W, generator=torch.Generator().manual_seed(k)) for k in range(3))
    wiener, x = network + wiener / 2, network + x
    rows, pairs = rivals.samples_explained(walked(network, Wiener=wiener, x=x, same=network))
    row = rows.one(rival="x")
    alike = similarity.rho(network, x)
    assert row.similarity.value == pytest.approx(alike.mean().item())
    assert row.r_squared.value == pytest.approx(alike.square().mean().item())
    beyond = similarity.rho(network - wiener, x - wiener)
    nulls, beyond_nulls = (
        torch.tensor(
            [
                np.mean([similarity.rho(a[i : i + 1], x[j : j + 1] - w[i : i + 1]).item() for j in range(5) if j != i])
                for i in range(5)
            ]
        )
        for a, w in ((network, 0 * wiener), (network - wiener, wiener))
    )
    assert row.null.value == pytest.approx(nulls.mean().item(), abs=1e-6)
    assert row.beyond.value == pytest.approx(beyond.mean().item())
    assert row.beyond_null.value == pytest.approx(beyond_nulls.mean().item(), abs=1e-6)
    over = beyond - beyond_nulls
    arm = 2.776445 * over.std().item() / 5**0.5  # Student's t of five seeds
    assert row.over_null.value == pytest.approx(over.mean().item(), abs=1e-6)
    assert row.over_null.high - row.over_null.value == pytest.approx(arm, rel=1e-4)
    (pair,) = pairs
    assert (pair.one, pair.other, pair.sigma) == ("x", "same", None)
    assert pair.ahead.value == pytest.approx((beyond - 1).mean().item(), abs=1e-6)


def test_what_lies_beyond_wiener_is_not_what_wiener_shares():
    """A rival that is Wiener and noise of its own looks like the network, and shares nothing beyond Wiener.

    The null is not zero: Wiener's sample, which is subtracted from both, is in both.
    """
    wiener, own, noise = (torch.randn(20, 1, 30, 31, generator=torch.Generator().manual_seed(k)) for k in range(3))
    network = wiener + 0.3 * own
    found, _ = rivals.samples_explained(walked(network, Wiener=wiener, alike=wiener + 0.3 * noise, same=network))
    alike, same = found.one(rival="alike"), found.one(rival="same")
    assert alike.similarity.value > 0.85
    assert alike.null.value < 0.1
    assert abs(alike.beyond.value) < 0.03
    assert same.beyond.value == pytest.approx(1)
    assert abs(same.beyond_null.value) < 0.03  # the network's own part has nothing of Wiener's
    shared, _ = rivals.samples_explained(walked(wiener / 2, Wiener=wiener, alike=noise))
    expected = 2**-0.5  # of -w / 2 and e - w, both of variance 1
    assert shared.one(rival="alike").beyond_null.value == pytest.approx(expected, abs=0.02)
    first = found.one(rival="Wiener")
    assert first.beyond is None
    assert first.beyond_null is None


def test_tables_are_kept_as_they_are():
    study = made(shrinking(0.5))
    known = {"Wiener": shrinking(0.9), "LS": shrinking(0.8)}
    walks = rivals.walks([study], known, seeds=range(3), steps=2)
    explained, _ = rivals.explains([study], [known], images=3, sigmas=(0.1,))
    for table in (explained, rivals.samples_explained(*walks)[0]):
        heads, *lines = csv.reader(io.StringIO(table.csv()))
        assert len(lines) == len(table)
        assert {"rival", "beyond", "beyond_low", "beyond_high"} <= {*heads}


# Bases --------------------------------------------------------------------------------------------------------------


def test_a_machine_that_is_the_network_has_its_basis():
    """PSPC as network, LS as that of the other half: PSPC has its basis, and not at another face; LS the other's."""
    study = made(PatchDenoiser(pictures(20), 2), LocalDenoiser(pictures(20), 3))
    looks = {"images": 3, "sigma": 0.3, "seed": 2}
    known = {name: f for name, f in rivals.rivals(study, WINDOWS).items() if name in ("Wiener", "LS", "PSPC")}
    found = rivals.adapted(study, known, **looks)
    assert found["denoiser"] == ["the network", "other half", "LS", "PSPC"]  # Wiener's needs no covariance
    own, half, same, other = found.rows[:2] + found.rows[:1:-1]
    also = rivals.adapted(study, {}, networks={"third": study.denoisers[20, "B"]}, **looks)
    assert replace(also.one(denoiser="third"), denoiser="other half") == half
    for field in ("asym", "trace", "h1", "h2", "h3", "h4"):
        assert getattr(same, field).value == pytest.approx(getattr(own, field).value, abs=1e-3)
        assert getattr(other, field).value == pytest.approx(getattr(half, field).value, abs=1e-3)
    assert own.alike is own.knows is None
    assert same.alike.value == pytest.approx(1, abs=1e-4)
    assert other.alike.value < 0.99
    assert same.elsewhere.value == pytest.approx(own.elsewhere.value, abs=1e-3)
    assert same.elsewhere.value < 0.95
    assert same.knows.value == pytest.approx(same.alike.value - same.elsewhere.value)
    x = study.held_out[:3]
    y = add_noise(x, 0.3, torch.Generator().manual_seed(2))
    traces = [jacobian.jacobian(study.denoisers[20, "A"], one, 0.3).trace().item() for one in y.split(1)]
    assert own.trace.value == pytest.approx(np.mean(traces), rel=1e-4)
    assert own.chance == pytest.approx(np.mean(np.clip(np.round(traces), 3, None)) / (H * W))
    assert (own.n, own.half, own.sigma, own.tested) == (20, "A", 0.3, 3)


# Rows ---------------------------------------------------------------------------------------------------------------

SIDE = 8


def blurred(window):
    """Mean over a window of odd side, on whatever grid it is given."""
    return lambda y, sigma=None: torch.nn.functional.avg_pool2d(y, window, 1, window // 2)


def on_grid(name, f):
    x = torch.rand(30, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    run = Run(images=name, size=SIDE * 2, n=30)
    return Study(name, {(30, "A"): run}, {(30, "A"): f}, {30: Halves(x, x, x)}, x)


def faces_of(block, f):
    """A denoiser of shuffled images that blurs on the grid of faces."""
    return lambda y, sigma=None: shuffle(f(shuffle(y, block, inverse=True)), block)


def test_a_blur_looks_near_on_the_grid_that_it_blurs():
    x = torch.rand(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    plain, seen, put_back = (
        on_grid(name, f)
        for name, f in (
            ("avatars", blurred(3)),
            ("avatars-shuffled", blurred(3)),
            ("avatars-shuffled", faces_of(SIDE, blurred(3))),
        )
    )
    found = [rivals.locality([study], x, window=3).one(denoiser="network") for study in (plain, seen, put_back)]
    assert [row.block for row in found] == [1, SIDE, SIDE]
    assert [round(row.near_seen.value, 6) for row in found[:2]] == [1, 1]
    assert [round(row.near_faces.value, 6) for row in (found[0], found[2])] == [1, 1]
    chance = 8 / (SIDE**2 - 1)
    for share in (found[1].near_faces, found[2].near_seen, *(row.null_seen for row in found)):
        assert share.value < 3 * chance
    assert found[0].null_seen == found[0].null_faces


def test_energy_is_counted_by_the_strongest_pixels_without_the_own():
    """All pixels alike: half of them hold half; the window of 3 holds what its size says; the diagonal is nothing."""
    flat = lambda y, sigma=None: y.mean((2, 3), keepdim=True) + 5 * y  # noqa: E731
    x = torch.rand(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    row = rivals.locality([on_grid("avatars", flat)], x, window=3).one(denoiser="network")
    d = SIDE**2
    assert row.fewest.value == pytest.approx(((d - 1) // 2 + 1) / d)
    pairs = (3 * SIDE - 2) ** 2 - d  # neighbours of all pixels
    assert row.near_seen.value == pytest.approx(pairs / (d * (d - 1)))


def test_wiener_looks_alike_on_every_grid():
    """Its rows move with the pixels; a network that is Wiener looks as it does."""
    x = torch.rand(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    coarse = torch.rand(30, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    faces = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear")
    studies = []
    for name, block in (("avatars", 1), ("avatars-shuffled-4", 4), ("avatars-shuffled", SIDE)):
        moved = shuffle(faces, block) if block > 1 else faces
        run = Run(images=name, size=SIDE * 2, n=30)
        data = {30: Halves(moved, moved, moved)}
        studies.append(Study(name, {(30, "A"): run}, {(30, "A"): WienerDenoiser(moved)}, data, moved))
    found = rivals.locality(studies, x, window=3)
    wiener = list(found.where(denoiser="Wiener"))
    assert [row.near_faces.value for row in wiener] == pytest.approx([wiener[0].near_faces.value] * 3, abs=1e-6)
    assert wiener[0].near_seen.value > wiener[1].near_seen.value > wiener[2].near_seen.value
    assert wiener[0].near_faces.value > 2 * wiener[0].null_faces.value
    for row in found:
        assert row.as_wiener.value == pytest.approx(1, abs=1e-3)
