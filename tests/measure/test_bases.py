"""Networks as matrices, against maps whose matrix is known."""

import csv
import dataclasses
import io

import numpy as np
import pytest
import torch

from ghr import harmonic, runs
from ghr.experiments import Study
from ghr.images import Halves
from ghr.images.photographs import Regions
from ghr.measure import bases, rebuilding
from ghr.measure.bases import Filter, Filters
from ghr.noise import add_noise
from ghr.recipes import Run

H, W = 7, 13
D = H * W


def orthonormal(k, seed=0):
    return harmonic.random(k, H, W, seed)


def linear(matrix):
    """y -> matrix y, for noise of any level."""

    def f(y, sigma=None):
        return (y.flatten(1) @ matrix.T).view_as(y)

    return f


def projection(vectors):
    flat = vectors.flatten(1)
    return linear(flat.T @ flat)


def pictures(n, seed=0):
    return torch.rand(n, 1, H, W, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noisy(x, sigma=0.1, seed=0):
    return add_noise(x, sigma, torch.Generator().manual_seed(seed))


def as_filter(vectors, trace=5.0, eigenvalues=None):
    """A filter of which only basis and trace count."""
    eigenvalues = torch.zeros(D, dtype=torch.float64) if eigenvalues is None else eigenvalues
    return Filter(eigenvalues, vectors, *(0.0, 0.0, trace, 0.1, 0.2, 0.0, 0.0))


def found_by(matrices, x, sigma=0.1):
    """Filters of a study of one network, a matrix for each image."""
    y = noisy(x, sigma)
    some = tuple(
        bases.of_matrix(j, x[k : k + 1], y[k : k + 1], (j @ y[k].flatten()).view(1, 1, H, W), D, whole=True)
        for k, j in enumerate(matrices)
    )
    run = Run(images="discs", size=8, n=40)
    many = Study("discs", {(40, "A"): run}, {(40, "A"): linear(matrices[0])}, {40: Halves(pictures(40), x, x)}, x)
    return Filters(many, x, (sigma,), 0, {(40, "A", sigma): some}, (), {})


@pytest.fixture
def study(monkeypatch):
    """Projections on 4 vectors, perpendicular for A and B at N = 2, one at N = 27, where B keeps half of two more."""
    v = orthonormal(12)
    weaker = projection(v[4:6])
    denoisers = {
        (2, "A"): projection(v[:4]),
        (2, "B"): projection(v[4:8]),
        (27, "A"): projection(v[:4]),
        (27, "B"): lambda y, sigma=None: projection(v[:4])(y) + weaker(y) / 2,
    }
    made = {key: Run(images="discs", size=8, n=key[0], half=key[1]) for key in denoisers}
    halves = {n: Halves(v[:n].repeat(n, 1, 1, 1)[:n], v[4 : 4 + n], pictures(9)) for n in (2, 27)}
    monkeypatch.setattr(runs, "untrained", lambda run, x, seed: linear(torch.eye(D, dtype=x.dtype) / 2))
    return Study("discs", made, denoisers, halves, pictures(9))


# One denoiser -------------------------------------------------------------------------------------------------------


def test_a_projection_keeps_its_directions_and_nothing_else():
    v, x = orthonormal(5), pictures(3)
    y = noisy(x)
    found = bases.filters(projection(v), x, y, 0.1)
    assert len(found) == 3
    for one, clean, seen in zip(found, x, y, strict=True):
        assert one.trace == pytest.approx(5)
        assert torch.allclose(one.eigenvalues, (torch.arange(D) < 5).double(), atol=1e-12)
        assert one.eigenvectors.shape == (D // 2, 1, H, W)
        assert harmonic.alignment(one.eigenvectors[:5], v) == pytest.approx(1)
        assert one.hom < 1e-12
        assert one.asym < 1e-12
        left = (projection(v)(seen[None])[0] - clean).square().mean().item()
        assert (one.error, one.symmetric_error) == pytest.approx((left, left))
    assert bases.filters(projection(v), x, y, most=2)[0].eigenvectors.shape == (2, 1, H, W)


def test_what_a_matrix_is_not_symmetric_in_is_told_apart():
    """Rows of J are averages with weights that sum to one; its columns are not."""
    x = pictures(2)
    y = noisy(x)
    matrix = torch.rand(D, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix /= matrix.sum(1, keepdim=True)
    for one, clean, seen in zip(bases.filters(linear(matrix), x, y), x.flatten(1), y.flatten(1), strict=True):
        assert one.rows < 1e-12
        assert one.columns == pytest.approx(matrix.sum(0).std().item())
        assert one.asym == pytest.approx(((matrix - matrix.T).norm() / matrix.norm()).item())
        assert one.error == pytest.approx((matrix @ seen - clean).square().mean().item())
        assert one.symmetric_error == pytest.approx(((matrix + matrix.T) / 2 @ seen - clean).square().mean().item())


def test_a_constant_that_is_added_counts_as_inhomogeneous():
    x = pictures(2)
    y, f = noisy(x), projection(orthonormal(5))
    found = bases.filters(lambda y, sigma=None: f(y) + 1, x, y)
    expected = [D**0.5 / (f(seen[None]) + 1).norm().item() for seen in y]
    assert bases.values(found, "hom").tolist() == pytest.approx(expected)


def test_as_many_vectors_are_kept_as_the_trace_says_but_at_least_three():
    found = [as_filter(orthonormal(20), trace) for trace in (-2.0, 0.4, 6.6, 12.4, 31.0)]
    assert bases.kept(found).tolist() == [3, 3, 7, 12, 20]


def test_in_wieners_basis_eigenvalues_are_the_best_factors_and_noise_is_white():
    """Gaussian images of known variances along an orthonormal basis, in which their exact denoiser shrinks."""
    v, sigma, many = orthonormal(30), 0.3, 800
    variances = torch.logspace(0, -3, 30, dtype=torch.float64)
    z = torch.randn(many, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = ((z * variances.sqrt()) @ v.flatten(1)).view(-1, 1, H, W)
    factors = torch.cat([variances / (variances + sigma**2), torch.zeros(D - 30, dtype=torch.float64)])
    table = bases.coefficients([as_filter(v, eigenvalues=factors)] * many, x, noisy(x, sigma), groups=6)
    assert [r.first for r in table][1:] == [r.last + 1 for r in table][:-1]
    assert (table.rows[0].first, table.rows[-1].last) == (1, 30)
    for row in table:
        group = slice(row.first - 1, row.last)
        assert row.centre == pytest.approx((row.first * row.last) ** 0.5)
        assert row.eigenvalue.value == pytest.approx(factors[group].mean().item())
        assert row.noise.value == pytest.approx(sigma, rel=4 / (2 * many) ** 0.5)
        assert row.clean.value == pytest.approx(variances[group].mean().sqrt().item(), rel=4 / (2 * many) ** 0.5)
        best = (variances[group].sum() / (variances[group] + sigma**2).sum()).item()
        assert row.best.value == pytest.approx(best, abs=4 / many**0.5 * (best * (1 - best)) ** 0.5 + 0.01 * best)


def test_an_image_is_rebuilt_from_the_vectors_that_hold_it():
    """Images m + 3 e_1 + 4 e_5: the first vector leaves 16, the largest 9, two largest nothing."""
    v = orthonormal(10)
    mean = pictures(1)[0]
    x = mean + (3 * v[0] + 4 * v[4]).expand(4, 1, H, W)
    table = rebuilding.rebuild({"own": [v] * 4, "other": [v[5:]] * 4}, (1, 2, 7), x + 1e-6 * pictures(4), mean)
    psnr = {(row.basis, row.choice, row.k): row.psnr.value for row in table}
    assert {key[2] for key in psnr if key[0] == "own"} == {1, 2, 7}
    assert {key[2] for key in psnr if key[0] == "other"} == {1, 2}  # it has five vectors
    left = {("first", 1): 16, ("first", 2): 16, ("largest", 1): 9}
    for (choice, k), energy in left.items():
        assert psnr["own", choice, k] == pytest.approx(-10 * np.log10(energy / D), abs=1e-3)
    assert psnr["own", "largest", 2] > 100
    assert psnr["other", "largest", 2] == pytest.approx(-10 * np.log10(25 / D), abs=1e-3)
    with pytest.raises(ValueError, match="first or the largest, not 'smallest'"):
        rebuilding.partial_sum(x[0], v, mean, 1, "smallest")


def test_no_other_vectors_rebuild_an_image_better_than_those_of_the_largest_coefficients():
    x, mean, v = pictures(1)[0], pictures(1, 1)[0], harmonic.dct(H, W)
    best = rebuilding.partial_sum(x, v, mean, 3, "largest")
    tried = torch.randperm(D, generator=torch.Generator().manual_seed(0))[:90].view(30, 3)
    others = [rebuilding.partial_sum(x, v[list(some)], mean, 3) for some in tried.tolist()]
    assert min((other - x).norm() for other in others) > (best - x).norm()
    assert rebuilding.partial_sum(x.float(), v, mean.float(), D).dtype == torch.float32
    assert torch.allclose(rebuilding.partial_sum(x, v, mean, D), x)


def test_rivals_are_the_networks_basis_and_bases_that_do_not_know_the_image():
    found = found_by([torch.eye(D, dtype=torch.float64)] * 3, pictures(3))
    rivals = rebuilding.rivals(found)
    fixed = ("principal", "cosines", "db4 wavelets", "Haar wavelets")
    assert tuple(rivals) == ("its own", "another image's", *fixed, "its answer")
    assert rivals["another image's"][2] is rivals["its own"][0]
    for name in fixed:
        flat = rivals[name][0].flatten(1)
        assert torch.allclose(flat @ flat.T, torch.eye(len(flat), dtype=flat.dtype), atol=1e-9)
    assert [len(rivals[name][0]) for name in fixed] == [39, D, D, D]  # 40 images have 39 components
    table = rebuilding.rebuilt(found, ks=(1, 50))
    assert {(row.basis, row.k) for row in table} == {(name, k) for name in rivals for k in (1, 50)} - {
        (name, 50) for name in ("principal", "its answer")
    }
    off = found.y(0.1) - found.study.training(40).mean(0)  # this network answers with what it is given
    for basis, answer in zip(rivals["its answer"], off.flatten(1), strict=True):
        flat, known = basis.flatten(1), rivals["principal"][0].flatten(1)
        assert torch.allclose(flat @ flat.T, torch.eye(40, dtype=flat.dtype), atol=1e-9)
        assert abs(flat[0] @ answer) == pytest.approx(answer.norm().item())
        for k in (1, 20, 39):  # answer and k components span what k + 1 vectors do
            rest = known[:k] - known[:k] @ flat[: k + 1].T @ flat[: k + 1]
            assert rest.abs().max() < 1e-9


def test_a_symmetric_matrix_reads_and_writes_in_its_eigenbasis():
    v = orthonormal(D)
    factors = torch.linspace(2, 0.1, D, dtype=torch.float64)
    j = (v.flatten(1).T * factors) @ v.flatten(1)
    table = bases.singular(found_by([j] * 3, pictures(3)), ks=(1, 4, 200))
    assert table["k"] == [1, 4, D]
    for row in table:
        assert (row.left_right.value, row.right_own.value, row.left_own.value) == pytest.approx((1, 1, 1))
        assert row.value.value == pytest.approx(factors[row.k - 1].item())
        assert row.eigenvalue.value == pytest.approx(row.value.value)
        assert row.chance == pytest.approx(row.k / D)
        assert row.rest.value == pytest.approx(row.eigen_rest.value)
    assert table.rows[-1].rest.value < 1e-20


def test_a_network_that_writes_elsewhere_than_it_reads_is_told_apart():
    """J = 2 u v': u and v perpendicular, so that S has the eigenvalues 1 and -1 and leaves out half of J y."""
    u, v = orthonormal(2).flatten(1)
    table = bases.singular(found_by([2 * torch.outer(u, v)] * 3, pictures(3)), ks=(1,))
    first, last = table
    assert first.value.value == pytest.approx(2)
    assert first.eigenvalue.value == pytest.approx(1)
    assert first.left_right.value == pytest.approx(0, abs=1e-12)
    assert (first.left_own.value, first.right_own.value) == pytest.approx((0.5, 0.5))  # (u + v) / sqrt(2)
    assert first.rest.value < 1e-20
    y = noisy(pictures(3))
    expected = [((seen @ u) / (2 * (seen @ v))).square().item() + 1 / 4 for seen in y.flatten(1)]  # of (v - u ...) / 2
    assert last.eigen_rest.value == pytest.approx(np.mean(expected))


def test_a_network_that_shrinks_loses_nothing_as_a_symmetric_matrix():
    v = orthonormal(D).flatten(1)
    j = (v.T * torch.linspace(0.9, 0.1, D, dtype=torch.float64)) @ v
    losses = {row.matrix: row.loss.value for row in bases.symmetric(found_by([j] * 4, pictures(4)))}
    assert losses.pop("S with the best factors") < -0.1
    assert list(losses.values()) == pytest.approx([0] * 4, abs=1e-9)


def test_what_symmetric_matrices_lose_is_their_error():
    """Against roots by eigenvectors of J'J and JJ', and factors by least squares at each rank."""
    generator = torch.Generator().manual_seed(3)
    x = pictures(5)
    matrices = torch.randn(5, D, D, generator=generator, dtype=torch.float64) / D**0.5
    found = found_by(list(matrices), x)
    losses = {row.matrix: row.loss.value for row in bases.symmetric(found)}
    y, clean = found.y(0.1).flatten(1)[:, :, None], x.flatten(1)[:, :, None]

    def lost(other):
        errors = [(m @ y - clean).square().mean().item() for m in (matrices, other)]
        return 10 * np.log10(errors[1] / errors[0])

    def root(square):
        values, vectors = torch.linalg.eigh(square)
        return (vectors * values.clamp(min=0).sqrt()[:, None]) @ vectors.mT

    s = (matrices + matrices.mT) / 2
    values, vectors = torch.linalg.eigh(s)
    own, wanted = (vectors.mT @ each for each in (y, clean))
    factors = (own * wanted).sum(0) / own.square().sum(0)
    expected = {
        "S": s,
        "S without negative eigenvalues": (vectors * values.clamp(min=0)[:, None]) @ vectors.mT,
        "(J'J)^1/2": root(matrices.mT @ matrices),
        "(JJ')^1/2": root(matrices @ matrices.mT),
        "S with the best factors": (vectors * factors.T) @ vectors.mT,
    }
    assert losses == pytest.approx({name: lost(matrix) for name, matrix in expected.items()}, abs=1e-6)


# A study ------------------------------------------------------------------------------------------------------------


def test_the_largest_network_is_differentiated_at_every_level_and_all_at_the_same_noise(study):
    found = bases.of_study(study, many=6, few=2, sigmas=(0.1, 0.4), seed=3)
    counts = {key: len(some) for key, some in found.at.items()}
    largest = {(27, "A", 0.1): 6, (27, "A", 0.4): 3, (27, "B", 0.1): 3, (27, "B", 0.4): 3}
    assert counts == {(2, "A", 0.1): 2, (2, "B", 0.1): 2, **largest}
    assert torch.equal(found.y(0.4), noisy(found.x, 0.4, seed=3))
    assert found.largest("B", 0.4) is found.at[27, "B", 0.4]
    assert bases.values(found.untrained, "trace").tolist() == pytest.approx([D / 2] * 2)
    assert not found.seen
    (error, *_) = bases.values(found.largest("A", 0.4), "error")
    expected = study.denoisers[27, "A"](found.y(0.4)) - found.x
    assert error == pytest.approx(expected[0].square().mean().item())
    alone = bases.of_study(study, many=6, sigmas=(0.1,))
    assert {n for n, _, _ in alone.at} == {27}
    assert not alone.untrained
    assert {len(some) for some in bases.of_study(study, many=6, few=5).at.values()} == {5, 6}  # not below few


def test_a_thorough_study_keeps_matrices_and_sees_training_images(study):
    found = bases.of_study(study, many=4, few=3, thorough=True)
    for one, seen in zip(found.largest(), found.y(0.1).flatten(1), strict=True):
        assert torch.allclose(one.j @ seen, projection(orthonormal(12)[:4])(seen.view(1, 1, H, W)).flatten())
        assert len(one.eigenvectors) == D
    assert all(one.j is None for one in found.largest("B"))
    assert list(found.seen) == [27]  # the N nearest to 100 is the largest one
    assert torch.equal(found.training(27), study.training(27)[:3])
    expected = study.denoisers[27, "A"](noisy(found.training(27))) - found.training(27)
    assert bases.values(found.seen[27], "error").tolist() == pytest.approx(expected.square().mean((1, 2, 3)).tolist())


def test_a_row_shows_the_noisy_and_the_denoised_image_and_eigenvectors(study):
    found = bases.of_study(study, many=8, few=4, thorough=True)
    row = found.row(1, (1, 3), n=2)
    y = found.y(0.1)[1:2]
    assert torch.equal(row, torch.cat([y, study.denoisers[2, "A"](y), found.at[2, "A", 0.1][1].eigenvectors[[0, 2]]]))
    row = found.row(3, (5,), sigma=0.3, half="B")
    y = found.y(0.3)[3:4]
    assert torch.equal(row[:2], torch.cat([y, study.denoisers[27, "B"](y)]))
    assert torch.equal(row[2], found.at[27, "B", 0.3][3].eigenvectors[4])
    row = found.row(2, (1,), training=True)
    assert torch.equal(row[:1], noisy(study.training(27)[:4])[2:3])
    assert torch.equal(row[2], found.seen[27][2].eigenvectors[0])


def test_at_a_pixel_its_row_is_what_it_is_made_from_and_its_column_where_it_goes(study):
    found = bases.of_study(study, many=4, few=3, thorough=True)
    y, f = found.y(0.1)[2:3], study.denoisers[27, "A"]  # a linear network
    spike = torch.zeros_like(y)
    spike[0, 0, 1, 2] = 1
    row, column = found.at_pixels(2, [(1, 2)])
    assert torch.allclose(column, (f(y + spike) - f(y))[0], atol=1e-5)
    assert torch.allclose(row.flatten() @ y.flatten(), f(y)[0, 0, 1, 2], atol=1e-5)
    j = torch.arange(D * D, dtype=torch.float32).view(D, D)  # other rows than columns
    some = tuple(dataclasses.replace(one, j=j) for one in found.largest())
    other = dataclasses.replace(found, at=dict(found.at) | {(27, "A", 0.1): some})
    place = 1 * W + 2
    assert torch.equal(other.at_pixels(0, [(0, 0), (1, 2)])[2:].flatten(1), torch.stack([j[place], j[:, place]]))


def test_of_photographs_one_image_of_each_region_is_taken(study):
    labels = np.array([7, 7, 2, 2, 2, 9, 7, 5, 9])
    of_regions = Study("photographs", study.runs, study.denoisers, study.data, study.held_out, Regions(*[labels] * 3))
    assert torch.equal(bases.first_images(of_regions, 3), study.held_out[[0, 2, 5]])
    assert torch.equal(bases.first_images(of_regions, 8), study.held_out[[0, 2, 5, 7]])
    assert torch.equal(bases.first_images(study, 3), study.held_out[:3])


def test_anatomy_is_the_mean_over_images_of_each_network(study):
    table = bases.anatomy(bases.of_study(study, many=6, few=3))
    assert [(r.n, r.half, r.sigma) for r in table][:3] == [(2, "A", 0.1), (2, "B", 0.1), (27, "A", 0.1)]
    assert [r.tested for r in table] == [3, 3, 6, 3, 3, 3]
    assert [r.trace.value for r in table] == pytest.approx([4, 4, 4, 4, 5, 5])
    assert [r.top.value for r in table] == pytest.approx([1] * 6)
    assert max(r.hom.high for r in table) < 1e-12
    assert max(r.asym.high for r in table) < 1e-12


def test_halves_agree_where_their_bases_are_one(study):
    few, largest = bases.agreement(bases.of_study(study, many=6, few=4))
    assert (few.n, few.tested, few.same.value) == (2, 4, pytest.approx(0, abs=1e-12))  # perpendicular
    assert (largest.n, largest.tested, largest.same.value) == (27, 4, pytest.approx(1))  # K is A's
    assert (few.other.value, few.trace.value, few.chance) == pytest.approx((1, 4, 4 / D))  # one basis for all images
    assert bases.agreement(bases.of_study(study, many=6))["n"] == [27]


def test_alignments_are_those_of_each_image_and_of_its_own_count():
    v = orthonormal(6)
    found = bases.alignments([v, v, v], [v, v.flip(0), v[3:]], [4, 4, 3])
    assert found.tolist() == pytest.approx([1, 1 / 2, 0], abs=1e-12)
    with pytest.raises(ValueError):
        bases.alignments([v, v], [v, v], [4])


def test_a_table_survives_its_csv(study):
    table = bases.anatomy(bases.of_study(study, many=4))
    read = list(csv.DictReader(io.StringIO(table.csv())))
    assert [float(row["trace_low"]) for row in read] == [row.trace.low for row in table]
    assert [int(row["n"]) for row in read] == table["n"]
