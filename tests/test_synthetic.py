"""Generated images against their definitions: spectra, areas, ranks, regularity, permutations."""

import math

import numpy as np
import pytest
import torch

from ghr.images import names, synthetic


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


MAKERS = {
    "c_alpha": lambda n, size, g: synthetic.c_alpha(n, size, 2.0, generator=g),
    "hoelder": lambda n, size, g: synthetic.c_alpha(n, size, 2.0, 1.0, hoelder=True, generator=g),
    "published": lambda n, size, g: synthetic.published(n, size, 2.0, generator=g),
    "discs": lambda n, size, g: synthetic.discs(n, size, g),
    "fields": lambda n, size, g: synthetic.gaussian_fields(n, size, 1.0, g),
    "sines": lambda n, size, g: synthetic.sines(n, size, generator=g),
    "rays": lambda n, size, g: synthetic.rays(torch.ones(1, 1, size, size), n, g),
}


def test_every_name_of_a_formula_has_one():
    assert set(synthetic._SETS) == {kind for kind, of in names.KINDS.items() if of.source == "formula"}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_generator_decides_the_images(make):
    x = make(3, 15, generator())
    assert x.shape == (3, 1, 15, 15)
    assert x.dtype == torch.float32
    assert torch.isfinite(x).all()
    assert torch.equal(x, make(3, 15, generator()))
    assert not torch.equal(x, make(3, 15, generator(1)))
    assert not torch.equal(x[0], x[1])


def test_a_gaussian_field_has_its_spectrum_and_its_standard_deviation():
    x = synthetic.gaussian_fields(4001, 15, 1.5, generator()).double()
    power = torch.fft.fft2(x[:, 0], norm="ortho").abs().square()
    s = synthetic.spectrum(15, 1.5)
    # the power of a coefficient is exponential, where it is real chi-squared: its s.d. is at most 1.5 times its mean
    assert ((power.mean(0) / s - 1).abs() < 5 * 1.5 / 4001**0.5).all()
    assert s.sum().item() / 15**2 == pytest.approx(synthetic.FIELD_SD**2)
    assert x.square().mean().sqrt() == pytest.approx(synthetic.FIELD_SD, rel=0.02)
    assert s[0, 4] / s[0, 2] == pytest.approx(2**-3.0)
    assert s[3, 4] / s[0, 5] == pytest.approx(1)
    assert s[0, 0] == s[0, 1]


def test_the_two_fields_of_a_pair_are_independent():
    x = synthetic.gaussian_fields(4000, 8, 1.0, generator()).double()
    products = (x[0::2] * x[1::2]).mean((1, 2, 3))
    assert abs(products.mean()) < 4 * products.std() / 2000**0.5


def test_a_disc_has_its_area_and_place():
    cx, cy, r = torch.tensor([9.3, 6.0]), torch.tensor([5.1, 12.5]), torch.tensor([4.2, 2.9])
    shape = synthetic.coverage(cx.double(), cy.double(), r.double(), 17)[:, 0]
    # the linear edge adds the ring's second moment to the area of a disc: pi (r^2 + 1/12)
    assert torch.allclose(shape.sum((1, 2)), math.pi * (r.double().square() + 1 / 12), rtol=2e-3)
    p = torch.arange(17, dtype=torch.float64) + 0.5
    assert torch.allclose((shape * p).sum((1, 2)) / shape.sum((1, 2)), cx.double(), atol=1e-2)
    assert torch.allclose((shape * p[:, None]).sum((1, 2)) / shape.sum((1, 2)), cy.double(), atol=1e-2)


def test_discs_fit_have_the_promised_contrast_and_a_uniform_radius():
    x = synthetic.discs(4000, 40, generator()).double()
    assert 0 <= x.min() < x.max() <= 1
    background = x[:, :, 0, 0].view(-1, 1, 1, 1)  # no disc that fits reaches the corner
    far = (x - background).abs().amax((1, 2, 3))
    assert far.min() > synthetic.CONTRAST - 1e-6
    assert ((x - background).mean((1, 2, 3)) > 0).double().mean() == pytest.approx(0.5, abs=4 * 0.5 / 4000**0.5)
    # given |difference| >= c, it has the mean (1 + 2 c) / 3 of a triangular density cut at c
    assert far.mean() == pytest.approx((1 + 2 * synthetic.CONTRAST) / 3, abs=4 * 0.22 / 4000**0.5)
    area = ((x - background).abs() / far.view(-1, 1, 1, 1)).sum((1, 2, 3))
    radius = (area / math.pi - 1 / 12).sqrt() / 40
    quantiles = np.quantile(radius.numpy(), [0.05, 0.25, 0.5, 0.75, 0.95])
    assert quantiles == pytest.approx([0.11, 0.15, 0.2, 0.25, 0.29], abs=0.006)
    mass = (x - background).abs() / area.view(-1, 1, 1, 1) / far.view(-1, 1, 1, 1)
    p = torch.arange(40, dtype=torch.float64) + 0.5
    for centre in ((mass.sum(2)[:, 0] * p).sum(1), (mass.sum(3)[:, 0] * p).sum(1)):
        assert (centre - 40 * radius).min() > -0.1
        assert (centre + 40 * radius).max() < 40.1
        free = (centre - 40 * radius) / (40 - 80 * radius)  # uniform where the disc fits
        assert free.mean() == pytest.approx(0.5, abs=4 * 0.29 / 4000**0.5)


# torch.func.jvp compiles its own parts with it
forward_mode = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")


@pytest.fixture
def disc():
    """A disc between pixel centres: nowhere at a kink of its edge."""
    return torch.tensor([8.31, 7.77, 4.23, 0.7, 0.2], dtype=torch.float64)


@forward_mode
def test_the_tangent_of_discs_spans_their_difference_quotients(disc):
    tangent = synthetic.disc_tangent(disc, 17)
    assert torch.allclose(tangent @ tangent.T, torch.eye(5).double(), atol=1e-12)
    for k in range(5):
        step = torch.zeros_like(disc).index_fill_(0, torch.tensor(k), 1e-6)
        ends = [synthetic.draw_discs((disc + sign * step)[:, None], 17).flatten() for sign in (1, -1)]
        change = (ends[0] - ends[1]) / 2e-6
        assert torch.allclose(change @ tangent.T @ tangent, change, atol=1e-7)
        assert change.norm() > 1


@forward_mode
def test_a_contour_wave_is_the_difference_quotient_of_a_bent_disc(disc):
    """A pixel at the angle theta from the centre sees the radius r + epsilon cos(m theta)."""
    waves = synthetic.contour_waves(disc, 17, (2, 5)).view(4, 17, 17)
    p = torch.arange(17).double() + 0.5
    x, y = p - disc[0], p[:, None] - disc[1]
    angle, distance = torch.atan2(y, x.expand(17, 17)), (x.square() + y.square()).sqrt()
    bends = [f(m * angle) for m in (2, 5) for f in (torch.cos, torch.sin)]
    for wave, bend in zip(waves, bends, strict=True):
        ends = [(disc[2] + sign * 1e-6 * bend - distance + 0.5).clamp(0, 1) for sign in (1, -1)]
        assert torch.allclose((ends[0] - ends[1]) / 2e-6, wave, atol=1e-8)
        assert wave.norm() > 1


@forward_mode
def test_contour_waves_of_order_0_and_1_are_discs_and_higher_ones_are_not(disc):
    """Another radius, and another place: cos theta dr is what a step to the right does at the edge."""
    tangent = synthetic.disc_tangent(disc, 17)
    left = [synthetic.contour_waves(disc, 17, (m,)).double() for m in range(4)]
    shares = [(w @ tangent.T).square().sum(1) / w.square().sum(1) for w in left]
    assert shares[0][0] == pytest.approx(1)  # the sine of order 0 is nothing
    assert torch.allclose(shares[1], torch.ones(2).double(), atol=1e-9)
    assert max(*shares[2], *shares[3]) < 0.2
    assert not torch.equal(left[2], synthetic.contour_waves(disc + torch.tensor([0, 0, 1, 0, 0]), 17, (2,)))
    assert torch.equal(left[2], synthetic.contour_waves(disc + torch.tensor([0, 0, 0, -0.3, 0.5]), 17, (2,)))


def test_the_discs_of_the_set_stay_what_they_are():
    """Networks were trained on them: other images under the same name would not be new to them, or not be theirs."""
    x = synthetic.load("discs", 16, 3, start=1999)  # across two seeds
    assert x.mean((1, 2, 3)).numpy() == pytest.approx([0.10287037, 0.24278218, 0.95213252], abs=1e-6)
    expected = [[0.41640532, 0.12792955, 0.03233777], [0.23193379] * 3, [0.98331666, 0.85433930, 0.81337458]]
    assert x[:, 0, 8, 5:8].numpy() == pytest.approx(np.array(expected), abs=1e-5)


def test_a_disc_is_drawn_from_its_parameters():
    parameters = synthetic.disc_parameters(50, 40, generator())
    assert torch.equal(synthetic.draw_discs(parameters, 40), synthetic.discs(50, 40, generator()))
    cx, cy, radius, foreground, background = parameters
    x = synthetic.draw_discs(parameters, 40)[:, 0]
    each = torch.arange(50)
    assert torch.allclose(x[each, cy.long(), cx.long()], foreground, atol=1e-6)  # rows run down, columns across
    assert torch.equal(x[:, 0, 0], background)
    area = (x - background[:, None, None]).sum((1, 2)) / (foreground - background)
    assert torch.allclose(area, math.pi * (radius.square() + 1 / 12), rtol=0.01)  # pixels: .8% at most of a radius of 4


def test_sines_span_two_dimensions_and_fill_their_amplitudes():
    x = synthetic.sines(2000, 24, generator=generator()).double().flatten(1)
    values = torch.linalg.svdvals(x)
    assert values[2] < 1e-5 * values[1]
    assert values[1] > 0.9 * values[0]  # phases are uniform
    amplitude = x.abs().amax(1)
    assert amplitude.max() == pytest.approx(1, abs=0.01)
    assert amplitude.mean() == pytest.approx(0.6, abs=4 * 0.24 / 2000**0.5 + 0.01)


def test_rays_are_multiples_of_one_image():
    x = torch.rand(1, 1, 5, 7, generator=generator())
    many = synthetic.rays(x, 1000, generator(1))
    factors = (many * x).sum((1, 2, 3)) / x.square().sum()
    assert torch.allclose(many, factors.view(-1, 1, 1, 1) * x, atol=1e-6)
    assert factors.min() == pytest.approx(0.2, abs=0.01)
    assert factors.max() == pytest.approx(1.0, abs=0.01)


def test_a_line_has_its_spectrum_and_its_standard_deviation():
    line = synthetic._line(3000, 16, 1.5, generator()).double()
    assert line.shape == (3000, 64)
    assert line.square().mean().sqrt() == pytest.approx(synthetic.BEND * 16, rel=0.05)
    power = torch.fft.rfft(line).abs().square().mean(0)[1:-1]
    frequency = torch.arange(1, 32, dtype=torch.float64)
    level = power * frequency**3
    assert ((level / level.mean() - 1).abs() < 5 / 3000**0.5).all()


@pytest.mark.parametrize(("hoelder", "exponent"), [(False, 2.0), (True, 3.0)])
def test_a_region_is_a_field_with_the_exponent_of_the_convention(hoelder, exponent, monkeypatch):
    """With the contour far away an image is one field around its level."""
    monkeypatch.setattr(synthetic, "OFFSET", 1e4)
    x = synthetic.c_alpha(3000, 15, 2.0, hoelder=hoelder, generator=generator()).double()
    x = x - x.mean((1, 2, 3), keepdim=True)
    power = torch.fft.fft2(x[:, 0], norm="ortho").abs().square().mean(0)
    s = synthetic.spectrum(15, exponent) * (synthetic.TEXTURE / synthetic.FIELD_SD) ** 2
    # the few images that the contour crosses are left: their steps are in the coarsest waves
    assert ((power / s - 1).abs()[2:5, 2:5] < 0.15).all()


def test_published_images_are_drawn_by_the_rules_of_the_authors_code():
    """Pixel by pixel from the same random numbers, with their filters, on odd and even sides."""
    for size in (7, 8):
        x = synthetic.published(5, size, 1.0, 0.5, generator())
        g = generator()
        white = (2 * torch.rand(5, size, generator=g) - 1).double().numpy()
        plane = (2 * torch.rand(5, 2, size, size, generator=g) - 1).double().numpy()
        least, most, coin = torch.rand(3, 5, generator=g).double().numpy()
        cycles = np.abs(np.fft.fftfreq(size, 1 / size))
        radius = np.sqrt(cycles[:, None] ** 2 + cycles**2)
        cycles[0] = radius[0, 0] = 1
        for k in range(5):
            line = np.fft.ifft(np.fft.fft(white[k]) / cycles**0.5).real
            one, other = (np.fft.ifft2(np.fft.fft2(field) / radius).real for field in plane[k])
            one, other = ((field - field.min()) / (field.max() - field.min()) for field in (one, other))
            one, other = least[k] + (1 - least[k]) * one, most[k] * other
            first, second = (one, other) if coin[k] < 0.5 else (other, one)
            below = np.array([[row >= round(size * h) + size // 2 for h in line] for row in range(size)], float)
            for i, j in np.ndindex(size, size):
                mask = np.mean([below[abs(i - a), abs(j - b)] for a in (0, 1) for b in (0, 1)])  # reflected at 0
                assert abs(x[k, 0, i, j] - mask * first[i, j] - (1 - mask) * second[i, j]) < 1e-5
    assert synthetic.load("published-1-0.5", 8, 1).shape == (1, 1, 8, 8)


def test_true_hoelder_exponents_are_one_higher_in_the_plane_and_a_half_on_the_line():
    true = synthetic.c_alpha(4, 20, 2.0, 1.0, hoelder=True, generator=generator())
    assert torch.equal(true, synthetic.c_alpha(4, 20, 3.0, 1.5, generator=generator()))
    alone = synthetic.c_alpha(4, 20, 2.0, generator=generator())
    assert torch.equal(alone, synthetic.c_alpha(4, 20, 2.0, 2.0, generator=generator()))


def test_two_flat_regions_meet_at_an_edge_one_pixel_wide(monkeypatch):
    """Without texture a pixel has one level or the other, or lies at the edge; the regions share the image evenly."""
    monkeypatch.setattr(synthetic, "TEXTURE", 0.0)
    levels = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    monkeypatch.setattr(synthetic, "_two_levels", lambda n, generator: levels.expand(2, n, 1, 1))
    x = synthetic.c_alpha(2000, 32, 3.0, generator=generator()).double()
    assert 0 <= x.min() < x.max() <= 1
    assert x.mean() == pytest.approx(0.5, abs=4 * x.mean((1, 2, 3)).std().item() / 2000**0.5)
    edge = ((x > 0) & (x < 1)).double().sum((1, 2, 3))
    assert 32 < edge.mean() < 2.5 * 32  # a line through the image crosses at least 32 pixels
    monkeypatch.setattr(synthetic, "BEND", 0.0)
    monkeypatch.setattr(synthetic, "OFFSET", 0.0)
    straight = synthetic.c_alpha(500, 32, 3.0, generator=generator()).double()
    assert torch.allclose(straight.mean((1, 2, 3)), torch.tensor(0.5).double(), atol=1e-4)  # a line through the centre
    assert torch.allclose(straight + straight.flip((2, 3)), torch.tensor(1.0).double(), atol=1e-4)


@pytest.mark.parametrize("block", [None, 2, 4])
def test_a_shuffle_moves_pixels_inside_blocks_and_can_be_undone(block):
    x = torch.rand(3, 2, 8, 12, generator=generator())
    y = synthetic.shuffle(x, block)
    assert not torch.equal(x, y)
    assert torch.equal(synthetic.shuffle(y, block, inverse=True), x)
    assert not torch.equal(synthetic.shuffle(x, block, seed=1), y)
    assert torch.equal(synthetic.shuffle(x[1:2], block)[0], y[1])  # one permutation for all images and channels
    assert torch.equal(synthetic.shuffle(x[:, :1], block)[:, 0], y[:, 0])
    bh, bw = (block, block) if block else (8, 12)

    def tiles(x):
        return x.view(3, 2, 8 // bh, bh, 12 // bw, bw).transpose(3, 4).flatten(4).sort(-1).values

    assert torch.equal(tiles(x), tiles(y))
    moved = (synthetic.permutation(8, 12, block) != torch.arange(96)).double().mean()
    assert moved > 0.5


def test_blocks_are_not_all_shuffled_alike():
    order = synthetic.permutation(8, 8, 4).view(2, 4, 2, 4).transpose(1, 2).reshape(4, 16)
    start = torch.tensor([0, 4, 32, 36])[:, None]
    assert not torch.equal((order - start)[0], (order - start)[1])


def test_blocks_that_do_not_tile_are_refused():
    with pytest.raises(ValueError, match="Blocks of side 3 do not tile an image of 8x9"):
        synthetic.shuffle(torch.zeros(1, 1, 8, 9), 3)
