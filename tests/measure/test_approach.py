"""The approach to an optimum: of networks that are an optimum with some noise left in."""

import numpy as np
import pytest
import torch

from ghr import jacobian
from ghr.experiments import Study
from ghr.images import synthetic
from ghr.measure import approach, gaussian_fields, manifolds, rates
from ghr.measure.errors import errors
from ghr.measure.manifolds import WEAK
from ghr.recipes import Run
from ghr.references import DiscPosterior, RayDenoiser

SEEN = np.array([100.0, 400, 1600, 6400])
RAY = synthetic.rays(torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64), 12, None)
FIELDS = synthetic.gaussian_fields(12, 8, 2, torch.Generator().manual_seed(1)).double()


def leaving(best, share):
    """A denoiser that leaves a share of what its optimum takes away: J = J* + share (I - J*)."""
    return lambda y, sigma=None: best(y, sigma) + share * (y - best(y, sigma))


def made(name, x, seen, denoiser, seed=0):
    run = Run(images=name, n=10, size=8, images_seen=int(seen), seed=seed)
    return Study(name, {(10, "A"): run}, {(10, "A"): denoiser}, {}, x)


def trainings(name, x, share, seen=SEEN):
    """Networks that leave share(t) of what is to be taken away."""
    best = RayDenoiser(x[:1]) if name == "ray" else gaussian_fields.exact(made(name, x, 1, torch.nn.Identity()))
    return [made(name, x, t, leaving(best, share(t))) for t in seen]


@pytest.mark.parametrize(("name", "x"), [("ray", RAY), ("fields-2", FIELDS)])
def test_networks_that_come_to_the_optimum_lead_there(name, x):
    """The excess goes with the square of what they leave."""
    rows, (row,) = approach.courses(trainings(name, x, lambda t: 0.6 * (t / 100) ** -0.5), {})
    best = rows.rows[0].best
    shares = np.array([0.6, 0.3, 0.15, 0.075])
    assert [course.trace.value for course in rows] == pytest.approx(best + shares * (64 - best), rel=0.1)
    assert np.divide([course.excess.value for course in rows], shares**2) == pytest.approx(
        [rows.rows[0].excess.value / 0.36] * 4, rel=1e-6
    )
    assert (row.power.value, row.last.value) == pytest.approx((1, 1), abs=1e-6)
    assert row.kept.value == pytest.approx(rows.rows[-1].trace.value / rows.rows[-2].trace.value)
    assert (row.images, row.shortest, row.longest) == (name, 100, 6400)


def test_networks_that_stop_before_it_fall_no_more():
    """On a ray the optimum errs by one dimension of noise, and a network by that and its share of 63."""
    rows, (row,) = approach.courses(trainings("ray", RAY, lambda t: 0.2 + 0.5 * (t / 100) ** -3), {})
    assert rows.rows[-1].trace.value == pytest.approx(1 + 0.2 * 63, rel=0.03)  # as good as probes of 12 images are
    assert (row.last.value, row.kept.value) == pytest.approx((0, 1), abs=1e-3)
    assert row.power.value > 0.2
    for course in rows:
        assert course.loss.value == pytest.approx(10 * np.log10(1 + course.excess.value), abs=0.3)


def test_each_of_the_longest_trainings_ends_a_course_of_its_own():
    some = trainings("ray", RAY, lambda t: 0.5 * (t / 100) ** -0.5)
    again = made("ray", RAY, SEEN[-1], leaving(RayDenoiser(RAY[:1]), 0.25), seed=1)
    rows, falls = approach.courses([*some, again], {})
    alone, (first,) = approach.courses(some, {})
    other, (second,) = approach.courses([*some[:-1], again], {})
    assert [*rows] == [*alone, other.rows[-1]]
    assert [*falls] == [first, second]
    assert [(row.seed, row.longest) for row in falls] == [(0, 6400), (1, 6400)]
    # .125 is left after 1,600 images, twice as much after 6,400: the excess grows by 4 as the images do
    assert second.last.value == pytest.approx(-1)


def test_each_set_is_measured_on_its_own_images():
    some = [*trainings("ray", RAY, lambda t: 1 / t, SEEN[:2]), *trainings("fields-2", FIELDS, lambda t: 1 / t)]
    rows, falls = approach.courses(some, {"ray": 2 * RAY[:5]}, tested=6, seed=3)
    assert [(row.images, row.longest) for row in falls] == [("ray", 400), ("fields-2", 6400)]
    level = np.array([WEAK])
    (error,) = manifolds.answers(some[0].denoisers[10, "A"], 2 * RAY[:5], level, seed=3).errors
    (least,) = manifolds.projections(RayDenoiser(RAY[:1]), 2 * RAY[:5], level, seed=3).errors
    assert rows.rows[0].loss.value == pytest.approx(10 * np.log10(error.mean() / least.mean()))


def test_a_lead_over_rivals_is_in_decibels_and_so_is_what_a_longer_training_gains():
    """On images of nothing a network that leaves a share of the noise errs by that share."""
    nothing = torch.zeros(6, 1, 8, 8)
    studies = [made("c_alpha-2", nothing, t, lambda y, sigma=None, c=c: c * y) for t, c in ((100, 0.5), (400, 0.25))]
    studies.append(made("c_alpha-2", nothing, 400, lambda y, sigma=None: 0.125 * y, seed=1))
    identity = errors(lambda y, sigma=None: y, nothing, rates.SIGMAS, 3)
    scales = dict(zip(rates.RIVALS, (1.0, 0.1, 4.0), strict=True))
    found = approach.leads(studies, {("c_alpha-2", name): a * identity for name, a in scales.items()}, seed=3)
    assert [(row.images, row.images_seen, row.seed, row.rival) for row in found] == [
        ("c_alpha-2", *key, rival) for key in ((100, 0), (400, 0), (400, 1)) for rival in rates.RIVALS
    ]
    decibels = {name: 10 * np.log10(a) for name, a in scales.items()}
    for row, twos in zip(found, [1] * 3 + [2] * 3 + [3] * 3, strict=True):
        assert row.lead.value == pytest.approx(twos * 20 * np.log10(2) + decibels[row.rival], abs=1e-4)
        gained = (twos - 1) * 20 * np.log10(2)  # over the first, whichever the seed
        assert row.gained is None if twos == 1 else row.gained.value == pytest.approx(gained, abs=1e-4)
    wiener = found.one(images_seen=100, rival="Wiener")
    assert wiener.lead.low == pytest.approx(wiener.lead.high, abs=1e-4)  # paired: the noise is the same


def test_one_training_shows_no_fall():
    with pytest.raises(ValueError, match="One training of ray shows no fall: give two lengths of training or more"):
        approach.courses(
            [*trainings("fields-2", FIELDS, lambda t: 1 / t), *trainings("ray", RAY, lambda t: 0.5, [1])], {}
        )


def test_the_optimum_keeps_what_its_jacobian_says():
    study = made("fields-2", FIELDS, 1, torch.nn.Identity())
    answer, kept = approach.optimum(study, FIELDS[:3])
    exact = gaussian_fields.exact(study)
    assert torch.equal(answer, exact(FIELDS[:3], WEAK))
    assert kept.tolist() == pytest.approx([jacobian.jacobian(exact, FIELDS[:1], WEAK).trace().item()] * 3)
    discs = synthetic.draw_discs(synthetic.disc_parameters(2, 8, torch.Generator().manual_seed(0)), 8)
    best = DiscPosterior(8).posterior(discs, WEAK)
    answer, kept = approach.optimum(made("discs", discs, 1, torch.nn.Identity()), discs)
    assert torch.equal(answer, best.mean)
    assert torch.equal(kept, best.trace)
    with pytest.raises(ValueError, match="No best denoiser of .avatars. is known: expected discs, ray or Gaussian"):
        approach.optimum(made("avatars", RAY, 1, torch.nn.Identity()), RAY)
