"""The Jacobian against row-by-row gradients, closed forms and its own laws."""

import copy
import functools

import pytest
import torch
from conftest import excite, without_types

from ghr import jacobian
from ghr.networks import ConditionalUNet, UNet
from ghr.noise import add_noise
from ghr.references import BandletDenoiser, EmpiricalDenoiser, WaveletDenoiser, WienerDenoiser


@pytest.fixture(params=["unet", "bfcnn"])
def denoiser(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def y(images):
    """One noisy image, 12 by 20, float64."""
    return add_noise(images[:1], 0.2, torch.Generator().manual_seed(0))


class Told(ConditionalUNet):
    """Excited by passes that need no noise level."""

    def forward(self, y, sigma=None):
        return super().forward(y, 0.5 if sigma is None else sigma)


class Clipping(UNet):
    """A UNet whose answers stay in [0,1]: it bends where no ReLU is."""

    def forward(self, y, sigma=None):
        return super().forward(y).clamp(0, 1)


def row_by_row(denoiser, y):
    """The definition, a backward pass for each pixel."""
    y = y.clone().requires_grad_()
    return torch.stack(
        [torch.autograd.grad(pixel, y, retain_graph=True)[0].flatten() for pixel in denoiser(y).flatten()]
    )


def test_the_jacobian_is_that_of_row_by_row_gradients(denoiser, y):
    j = jacobian.jacobian(denoiser, y, chunk=50)  # 240 rows: the last block is smaller
    expected = row_by_row(denoiser, y)
    assert torch.allclose(j, expected, rtol=0, atol=1e-12 * expected.abs().max())
    assert (expected - torch.eye(240)).norm() > 1  # an excited network is not the identity


def test_the_symmetric_part_acts_as_the_matrix_does(denoiser, images):
    y = add_noise(images[:3], 0.2, torch.Generator().manual_seed(0))
    f, s_y = jacobian.symmetric(denoiser, y)
    assert torch.allclose(f, denoiser(y), atol=1e-12)
    for one, expected in zip(s_y, y.split(1), strict=True):
        j = jacobian.jacobian(denoiser, expected)
        assert torch.allclose(one.flatten(), (j + j.T) / 2 @ expected.flatten(), atol=1e-10)
    assert not f.requires_grad
    assert not s_y.requires_grad


def test_a_bias_free_network_is_its_jacobian_times_the_image(denoiser, y):
    f, j = denoiser(y).detach().flatten(), jacobian.jacobian(denoiser, y)
    assert (f - j @ y.flatten()).norm() < 1e-10 * f.norm()


def test_wiener_keeps_each_direction_by_its_signal_to_noise(images, y):
    """J = C (C + sigma^2)^-1: symmetric, with the covariance's own eigenvectors."""
    f = WienerDenoiser(images)
    basis = jacobian.eigenbasis(j := jacobian.jacobian(f, y, 0.2), (1, 12, 20))
    expected = (f.variances / (f.variances + 0.04)).flip(0)
    assert torch.allclose(basis.eigenvalues, expected, rtol=0, atol=1e-12)
    assert jacobian.asymmetry(j) < 1e-12
    top = basis.eigenvectors[:3].flatten(1) @ f.axes.flip(1)[:, :3]
    assert torch.allclose(top.abs(), torch.eye(3).double(), atol=1e-6)


def test_the_memorizers_jacobian_is_a_covariance(images):
    """J = Cov[x|y] / sigma^2: symmetric and positive."""
    f = EmpiricalDenoiser(images)
    y = add_noise(images[:1], 2.0, torch.Generator().manual_seed(1))
    basis = jacobian.eigenbasis(j := jacobian.jacobian(f, y, 2.0), (1, 12, 20))
    assert jacobian.asymmetry(j) < 1e-10
    assert basis.eigenvalues.min() > -1e-12
    assert (basis.eigenvalues > 1e-9).sum() == len(images) - 1


def test_asymmetry_of_a_rotation_is_two():
    """||J - J'|| = ||2 J|| when J' = -J."""
    assert jacobian.asymmetry(torch.tensor([[0.0, 1.0], [-1.0, 0.0]])) == pytest.approx(2)
    assert jacobian.asymmetry(torch.tensor([[1.0, 1.0], [0.0, 1.0]])) == pytest.approx((2 / 3) ** 0.5)


def test_the_eigenbasis_is_orthonormal_sorted_and_of_the_symmetric_part(denoiser, y):
    j = jacobian.jacobian(denoiser, y)
    basis = jacobian.eigenbasis(j, (1, 12, 20))
    vectors = basis.eigenvectors.flatten(1)
    assert torch.allclose(vectors @ vectors.T, torch.eye(240).double(), atol=1e-10)
    assert (basis.eigenvalues.diff() <= 0).all()
    assert torch.allclose(vectors.T * basis.eigenvalues @ vectors, (j + j.T) / 2, atol=1e-10 * j.norm())
    assert basis.residuals.max() < 1e-10 * j.norm()


def test_leading_pairs_are_those_of_the_whole_matrix(denoiser, y):
    whole = jacobian.eigenbasis(jacobian.jacobian(denoiser, y), (1, 12, 20))
    few = jacobian.leading(denoiser, y, 6, tolerance=1e-10)
    assert few.eigenvectors.shape == (6, 1, 12, 20)
    assert torch.allclose(few.eigenvalues, whole.eigenvalues[:6], rtol=1e-8)
    overlap = few.eigenvectors.flatten(1) @ whole.eigenvectors[:6].flatten(1).T
    assert torch.linalg.svdvals(overlap).min() > 1 - 1e-6  # the same subspace
    assert few.residuals.max() < 1e-6


def test_residuals_bound_the_error_of_leading_eigenvalues(denoiser, y):
    """Of a symmetric matrix, an eigenvalue lies within the residual: stopped early, the residual says so."""
    whole = jacobian.eigenbasis(jacobian.jacobian(denoiser, y), (1, 12, 20)).eigenvalues
    rough = jacobian.leading(denoiser, y, 6, tolerance=0.1)
    distances = (rough.eigenvalues[:, None] - whole).abs().min(1).values
    assert (distances <= rough.residuals + 1e-12).all()
    assert rough.residuals.max() > 1e-8


@pytest.mark.parametrize("k", [0, 240])
def test_as_many_leading_pairs_as_pixels_are_refused(unet, y, k):
    with pytest.raises(ValueError, match=f"Between 1 and 239 leading pairs of 240 can be had, not {k}"):
        jacobian.leading(unet, y, k)


@pytest.mark.parametrize(
    "kind",
    ["unet", "bfcnn", "with biases", "told sigma", "memorizer", "bandlets", "clipping", "ReLUs in place", "function"],
)
def test_products_are_those_with_the_matrix_and_its_transpose_image_by_image(kind, request, images):
    """Of networks with and without constants, told and blind, of subclasses that bend elsewhere, of anything."""
    sigma = None
    if kind == "with biases":
        denoiser = excite(UNet(width=4, scales=2, bias=True)).double()
    elif kind == "told sigma":
        denoiser, sigma = excite(Told(width=4, scales=2)).double(), 0.2
    elif kind == "memorizer":
        denoiser, sigma = EmpiricalDenoiser(images), 2.0
    elif kind == "bandlets":
        denoiser, sigma, images = BandletDenoiser(), 0.1, images[..., :8, :16]
    elif kind == "clipping":
        denoiser = excite(Clipping(width=4, scales=2)).double()
    elif kind == "ReLUs in place":
        denoiser = copy.deepcopy(request.getfixturevalue("unet"))
        for module in denoiser.modules():
            if isinstance(module, torch.nn.ReLU):
                module.inplace = True
    elif kind == "function":
        denoiser = lambda y: y.sin() * y.roll(1, -1)  # noqa: E731
    else:
        denoiser = request.getfixturevalue(kind)
    push, pull = jacobian.products(denoiser, images[:2], sigma)
    v = torch.randn(images[:2].shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for k in range(2):
        j = jacobian.jacobian(denoiser, images[k : k + 1], sigma)
        assert torch.allclose(push(v)[k].flatten(), j @ v[k].flatten(), atol=1e-10)
        assert torch.allclose(pull(v)[k].flatten(), j.T @ v[k].flatten(), atol=1e-10)


def test_the_trace_lies_within_its_standard_error(denoiser, images):
    """Twenty seeds: the errors have the size that the standard errors claim."""
    exact = torch.stack([jacobian.jacobian(denoiser, x[None]).trace() for x in images[:2]])
    draws = [jacobian.trace(denoiser, images[:2], probes=8, seed=seed) for seed in range(20)]
    z = torch.stack([(estimate - exact) / error for estimate, error in draws])
    assert 0.6 < z.square().mean().sqrt() < 1.8  # of Student's t with 7 degrees of freedom: 1.18
    mean = torch.stack([estimate for estimate, _ in draws]).mean(0)
    error = torch.stack([error for _, error in draws]).square().mean(0).sqrt() / 20**0.5
    assert ((mean - exact).abs() < 4 * error).all()


def test_one_probe_has_no_standard_error(unet, images):
    with pytest.raises(ValueError, match="at least two probes, got 1"):
        jacobian.trace(unet, images, probes=1)


def test_sure_is_the_squared_error_on_average():
    """Wiener on its own Gaussian images: the difference has mean 0; halving the trace's weight would show."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3000, 1, 3, 5, generator=generator, dtype=torch.float64) * torch.linspace(0.1, 1, 5).double()
    f = WienerDenoiser(x)
    y = add_noise(x, 0.3, generator)
    traces = (f.variances / (f.variances + 0.09)).sum().expand(3000)
    difference = jacobian.sure(y, f(y, 0.3), traces, 0.3) - (f(y, 0.3) - x).square().mean((1, 2, 3))
    assert abs(difference.mean()) < 4 * difference.std() / 3000**0.5
    assert 0.09 * traces[0] / 15 > 20 * difference.std() / 3000**0.5


def test_the_noise_level_comes_back():
    """Wiener on its own Gaussian images; without the trace it would be too small by a quarter."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2000, 1, 6, 10, generator=generator, dtype=torch.float64) * torch.linspace(0.1, 1, 10).double()
    f = WienerDenoiser(x)
    y = add_noise(x, 0.3, generator)
    traces = (f.variances / (f.variances + 0.09)).sum().expand(2000)
    level = jacobian.noise_level(y, f(y, 0.3), traces)
    assert level.square().mean().sqrt() == pytest.approx(0.3, rel=0.01)
    assert (y - f(y, 0.3)).square().mean().sqrt() < 0.23


def test_a_denoiser_in_training_mode_is_refused_and_nothing_is_changed(unet, y):
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    copy, generator = y.clone(), torch.get_rng_state()
    jacobian.jacobian(unet, y)
    jacobian.leading(unet, y, 2)
    jacobian.trace(unet, y, probes=2)
    with torch.no_grad():  # a caller's switch does not matter
        jacobian.trace(unet, y)
    assert torch.equal(y, copy)
    assert not y.requires_grad
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, before[name]) for name, value in unet.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in unet.parameters())
    assert not unet.training
    unet.train()
    for measure in (jacobian.jacobian, jacobian.products, jacobian.trace, lambda f, y: jacobian.leading(f, y, 2)):
        with pytest.raises(ValueError, match="training mode"):
            measure(unet, y)
    assert unet.training


def test_leading_pairs_of_a_subclass_are_its_own(y):
    """A UNet that clips is not the UNet that it derives from, and its products are not either."""
    f = excite(Clipping(width=4, scales=2)).double()
    whole = jacobian.eigenbasis(jacobian.jacobian(f, y), (1, 12, 20)).eigenvalues
    parent = UNet.forward(f, y)
    assert ((parent < 0) | (parent > 1)).any()
    assert torch.allclose(jacobian.leading(f, y, 3, tolerance=1e-10).eigenvalues, whole[:3], rtol=1e-8)


def test_told_denoisers_are_told_by_every_function(images, y):
    f = WienerDenoiser(images)
    at = functools.partial(f, sigma=0.3)
    assert torch.equal(jacobian.jacobian(f, y, 0.3), jacobian.jacobian(at, y))
    assert torch.equal(jacobian.leading(f, y, 2, 0.3).eigenvalues, jacobian.leading(at, y, 2).eigenvalues)
    assert torch.equal(jacobian.trace(f, y, 0.3, probes=2)[0], jacobian.trace(at, y, probes=2)[0])
    for measure in MEASURES:
        with pytest.raises(ValueError, match="told the noise level"):
            measure(f, y)


def test_each_image_may_have_a_noise_level_of_its_own(images):
    f, sigma = excite(Told(width=4, scales=2)).double(), torch.linspace(0.1, 0.5, 5).double().view(5, 1, 1, 1)
    push, pull = jacobian.products(f, images, sigma)
    generator = torch.Generator().manual_seed(0)
    signs = [torch.randint(0, 2, images.shape, generator=generator).double() * 2 - 1 for _ in range(2)]
    for product in (push, pull):
        expected = torch.stack([(v * product(v)).sum((1, 2, 3)) for v in signs]).mean(0)
        torch.testing.assert_close(jacobian.trace(f, images, sigma, probes=2)[0], expected)
    j = jacobian.jacobian(f, images[3:4], sigma[3].item())
    torch.testing.assert_close(push(signs[0])[3].flatten(), j @ signs[0][3].flatten())


MEASURES = (
    jacobian.jacobian,
    jacobian.products,
    jacobian.trace,
    lambda f, y, *sigma: jacobian.leading(f, y, 2, *sigma),
)


@pytest.mark.parametrize("measure", MEASURES)
def test_where_no_gradient_passes_it_is_said(measure, y, unet):
    weights = next(unet.parameters())
    for f in (torch.zeros_like, lambda y: y.detach(), lambda y: torch.zeros_like(y) + weights.sum()):
        with pytest.raises(ValueError, match="No gradient passes through this denoiser"):
            measure(f, y)
    with pytest.raises(ValueError, match="No gradient passes through this denoiser"):
        measure(WaveletDenoiser(levels=2), y, 0.1)


def test_what_torch_cannot_follow_forwards_is_said(y):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, y):
            ctx.save_for_backward(y)
            return y**2

        @staticmethod
        def backward(ctx, v):
            return 2 * v * ctx.saved_tensors[0]

    assert torch.equal(jacobian.jacobian(Square.apply, y).diagonal(), 2 * y.flatten())
    with pytest.raises(ValueError, match="torch cannot follow this denoiser forwards"):
        jacobian.products(Square.apply, y)


@pytest.mark.parametrize(
    "wrap", [lambda f: torch.compile(f, backend="eager"), torch.nn.DataParallel, lambda f: f.forward]
)
def test_wrapped_networks_are_what_they_wrap(wrap, y):
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1), torch.nn.Sigmoid()).double().eval()
    f = wrap(network)
    assert torch.equal(jacobian.jacobian(f, y), jacobian.jacobian(network, y))
    assert torch.equal(jacobian.leading(f, y, 2).eigenvalues, jacobian.leading(network, y, 2).eigenvalues)
    assert torch.equal(jacobian.trace(f, y, probes=2)[0], jacobian.trace(network, y, probes=2)[0])


@pytest.mark.parametrize("measure", ["jacobian", "products", "trace", "leading"])
def test_wrong_images_are_refused(measure, images, unet):
    measured = getattr(without_types(jacobian), measure)
    more = (2,) if measure == "leading" else ()
    with pytest.raises(TypeError, match="must be a torch tensor, got numpy.ndarray"):
        measured(unet, images[:1].numpy(), *more)
    with pytest.raises(ValueError, match="not finite"):
        measured(unet, images[:1] / 0, *more)
    if measure in ("jacobian", "leading"):
        with pytest.raises(ValueError, match="one noisy image, got 5"):
            measured(unet, images, *more)


def test_differences_of_a_piecewise_linear_denoiser_are_its_jacobian(unet, images):
    """Inside a cone they are exact; at single pixels a ReLU may bend within the step."""
    y = images[:1, :, :8, :12]
    exact = jacobian.jacobian(unet, y)
    found = jacobian.by_differences(unet, y, step=1e-6, chunk=7)
    torch.testing.assert_close(found, exact, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="needs a positive step"):
        jacobian.by_differences(unet, y, step=0.0)


def test_differences_need_no_gradient():
    matrix = torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    f = lambda y, sigma: torch.from_numpy((sigma * y.flatten(1) @ matrix.T).numpy()).view_as(y)  # noqa: E731
    found = jacobian.by_differences(f, torch.rand(1, 1, 2, 3, dtype=torch.float64), 0.5)
    torch.testing.assert_close(found, matrix / 2)
