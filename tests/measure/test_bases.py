"""Networks as matrices, against maps whose matrix is known."""

import csv
import io

import numpy as np
import pytest
import torch

from ghr import harmonic, runs
from ghr.experiments import Study
from ghr.images import Halves
from ghr.images.photographs import Regions
from ghr.measure import bases
from ghr.measure.bases import Filter
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


def test_a_basis_that_holds_an_image_leaves_nothing_out():
    """Images 3 e_1 + 4 e_2 around their mean: one vector leaves out 16 / 25, two nothing."""
    v, sigma = orthonormal(10), 0.2
    mean = pictures(1)[0]
    x = mean + (3 * v[0] + 4 * v[1]).expand(4, 1, H, W)
    y = noisy(x, sigma)
    own, perpendicular = [v] * 4, [v[2:]] * 4
    table, curves = bases.approximate({"own": own, "other": perpendicular}, [2] * 4, x, y, sigma, mean)
    assert curves.where(basis="own")["left"] == pytest.approx([16 / 25] + [0] * 9, abs=1e-12)
    assert curves.where(basis="own")["k"] == [*range(1, 11)]
    assert curves.where(basis="other")["left"] == pytest.approx([1] * 8)
    (of_own, of_other) = table
    assert (of_own.left.value, of_other.left.value) == pytest.approx((0, 1), abs=1e-12)
    errors = []
    for seen in y:
        noisy_c = v[:2].flatten(1) @ (seen - mean).flatten()
        kept = sum(c**2 / (c**2 + sigma**2) * n * e for c, n, e in zip((3, 4), noisy_c, v, strict=False))
        errors.append((mean + kept - x[0]).square().mean().item())
    assert of_own.psnr.value == pytest.approx(-10 * np.log10(np.mean(errors)))
    assert of_other.psnr.value == pytest.approx(-10 * np.log10(25 / D))  # the best shrinkage removes everything


# A study ------------------------------------------------------------------------------------------------------------


def test_the_largest_network_is_differentiated_at_every_level_and_all_at_the_same_noise(study):
    found = bases.of_study(study, many=6, sigmas=(0.1, 0.4), seed=3)
    counts = {key: len(some) for key, some in found.at.items()}
    largest = {(27, half, sigma): 6 for half in "AB" for sigma in (0.1, 0.4)}
    assert counts == {(2, "A", 0.1): 3, (2, "B", 0.1): 3, **largest}
    assert torch.equal(found.y(0.4), noisy(found.x, 0.4, seed=3))
    assert torch.equal(found.few, study.held_out[:3])
    assert found.largest("B", 0.4) is found.at[27, "B", 0.4]
    assert bases.values(found.untrained[0.4], "trace").tolist() == pytest.approx([D / 2] * 6)
    (error, *_) = bases.values(found.largest("A", 0.4), "error")
    expected = study.denoisers[27, "A"](found.y(0.4)) - found.x
    assert error == pytest.approx(expected[0].square().mean().item())


def test_a_row_shows_the_noisy_and_the_denoised_image_and_eigenvectors(study):
    found = bases.of_study(study, many=4)
    row = found.row(1, (1, 3), n=2)
    y = found.y(0.1)[1:2]
    assert torch.equal(row, torch.cat([y, study.denoisers[2, "A"](y), found.at[2, "A", 0.1][1].eigenvectors[[0, 2]]]))
    row = found.row(3, (5,), sigma=0.3, half="B")
    y = found.y(0.3)[3:]
    assert torch.equal(row[:2], torch.cat([y, study.denoisers[27, "B"](y)]))
    assert torch.equal(row[2], found.at[27, "B", 0.3][3].eigenvectors[4])


def test_of_photographs_one_image_of_each_region_is_taken(study):
    labels = np.array([7, 7, 2, 2, 2, 9, 7, 5, 9])
    of_regions = Study("photographs", study.runs, study.denoisers, study.data, study.held_out, Regions(*[labels] * 3))
    assert torch.equal(bases.first_images(of_regions, 3), study.held_out[[0, 2, 5]])
    assert torch.equal(bases.first_images(of_regions, 8), study.held_out[[0, 2, 5, 7]])
    assert torch.equal(bases.first_images(study, 3), study.held_out[:3])


def test_anatomy_is_the_mean_over_images_of_each_network(study):
    table = bases.anatomy(bases.of_study(study, many=4))
    assert [(r.n, r.half, r.sigma) for r in table][:3] == [(2, "A", 0.1), (2, "B", 0.1), (27, "A", 0.1)]
    assert [r.trace.value for r in table] == pytest.approx([4, 4, 4, 4, 5, 5])
    assert [r.top.value for r in table] == pytest.approx([1] * 6)
    assert max(r.hom.high for r in table) < 1e-12
    assert [r.loss.value for r in table] == pytest.approx([0] * 6, abs=1e-9)  # all are symmetric
    x, row = study.held_out[:4], table.rows[3]
    left = (study.denoisers[27, "A"](noisy(x, 0.3)) - x).square().mean().item()
    assert (row.n, row.half, row.sigma, row.tested) == (27, "A", 0.3, 4)
    assert row.psnr.value == pytest.approx(-10 * np.log10(left))


def test_halves_agree_where_their_bases_are_one(study):
    few, largest = bases.agreement(bases.of_study(study, many=6))
    assert (few.n, few.same.value) == (2, pytest.approx(0, abs=1e-12))  # perpendicular
    assert (largest.n, largest.same.value) == (27, pytest.approx(1))  # K is A's
    assert (few.other.value, few.trace.value, few.chance) == pytest.approx((1, 4, 4 / D))  # one basis for all images


def test_alignments_are_those_of_each_image_and_of_its_own_count():
    v = orthonormal(6)
    found = bases.alignments([v, v, v], [v, v.flip(0), v[3:]], [4, 4, 3])
    assert found.tolist() == pytest.approx([1, 1 / 2, 0], abs=1e-12)
    with pytest.raises(ValueError):
        bases.alignments([v, v], [v, v], [4])


def test_a_basis_made_of_training_images_lies_in_their_span(study):
    """Projections on 4 vectors, of which A's two training images are the first two; B's are perpendicular to these."""
    table = bases.spans(bases.of_study(study, many=4))
    assert [(r.n, r.at) for r in table] == [(2, "test"), (2, "training"), (27, "test"), (27, "training")]
    of_two = projection(study.training(2, "A"))
    x = pictures(3)
    found = bases.filters(of_two, x, noisy(x))
    assert bases.inside(found, study.training(2, "A")).tolist() == pytest.approx([1] * 3)
    assert bases.inside(found, study.training(2, "B")).tolist() == pytest.approx([0] * 3, abs=1e-12)
    for row in table:
        assert row.more.value == pytest.approx(row.own.value - row.other.value)
        assert row.chance == pytest.approx(row.n / D)


def test_a_table_survives_its_csv(study):
    table = bases.anatomy(bases.of_study(study, many=4))
    read = list(csv.DictReader(io.StringIO(table.csv())))
    assert [float(row["psnr_low"]) for row in read] == [row.psnr.low for row in table]
    assert [int(row["n"]) for row in read] == table["n"]
