# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Where harmonics are not optimal
#
# **Claim.** The adapted harmonic basis is a bias of the network, not of the images: it appears also where the best denoiser
# has no use for it. There the network keeps more than it should, and is measurably worse than the optimum
# {cite:p}`kadkhodaie2024generalization`.
#
# **Experiment.** We train the network of the [earlier chapters](04_adaptive_basis.py) on images that a few numbers describe:
# discs (five numbers), one picture at any contrast (one), plane waves of one frequency (two). Of these the best denoiser is
# known exactly. So we can say how far the network is from it, how many dimensions it keeps too many, and what these look like.

# %% tags=["parameters"]
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring, and of the discs that it is measured on

# %% tags=["hide-input"]
from types import SimpleNamespace

import numpy as np
import torch

from ghr import harmonic, jacobian, noise, runs, stats, synthetic
from ghr.book import ledger, plots
from ghr.book.ledger import say
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.references import DiscPosterior, RayDenoiser, SineDenoiser
from ghr.references.discs import LEAST

specimens = [runs.specimen(run) for run in runs.classes(scale) if run.images in ("discs", "ray", "sines")]
discs = [s for s in specimens if s.run.images == "discs"]
ray, sines = (next(s for s in specimens if s.run.images == name) for name in ("ray", "sines"))
main = discs[0]  # the UNet; other kinds of networks stand beside it where they are trained
for s in specimens:
    s.name, s.line = {"UNet": ("UNet", "-"), "BFCNN": ("BF-CNN", ":")}[s.run.network]
size, d = main.run.size, main.run.size**2
tested = 24 if scale == "smoke" else 48  # images at every noise level
dissected = 4 if scale == "smoke" else 16  # discs at which whole Jacobians are taken; of flat manifolds 4
weak = 0.04  # noise level of whole Jacobians, the paper's
sigmas = np.append(noise.SIGMAS, weak)
input_psnr = -20 * np.log10(sigmas)
grid = slice(len(noise.SIGMAS))
low = np.flatnonzero((input_psnr[grid] >= 21) & (input_psnr[grid] <= 40))  # where the targets are

parameters = synthetic.disc_parameters(tested, size, torch.Generator().manual_seed(seed))
for s in discs:  # drawn here, because their tangent needs their parameters
    s.x = synthetic.draw_discs(parameters, size)
for s in (ray, sines):
    s.x = s.held_out[:tested]


def enter(s, id, measured):
    """Hold a number against its target."""
    return ledger.enter(id, "discs", scale, measured, "06", s.run.network)


def noisy(x, sigma):
    """Noisy images, the same for every denoiser."""
    return noise.add_noise(x, float(sigma), torch.Generator().manual_seed(seed))


run = main.run
for name, number in (("n", run.n), ("images_seen", run.images_seen), ("d", d), ("tested", tested), ("side", size)):
    say(name, number, ",")
say("others_seen", "".join(f" On discs there is a {s.name}, too, which saw {s.run.images_seen:,}." for s in discs[1:]))
say("dissected", dissected, "d")
say("weak_psnr", input_psnr[-1], ".0f")
say("sigma_known", 100 / np.sqrt(2 * (d - 5)), ".0f")
say("width", run.width, "d")

# %% [markdown]
# ## Images that are a few numbers
#
# **Discs.** A disc has a centre, a radius, a level, and a background level: five numbers, drawn at random. Its edge is one
# pixel wide, so that the image changes smoothly with each number. All discs together are a curved surface (a manifold) of
# five dimensions in the {glue:text}`d` dimensions of {glue:text}`side`-pixel images. Where noise is weak against the
# curvature, the best denoiser projects $y$ on the surface: it keeps what lies along the five tangent directions and removes
# the rest. Of the noise only a share of $5/d$ stays, so that
#
# $$\mathrm{MSE}^* \approx 5 \sigma^2 / d, \qquad \mathrm{tr} J^* \approx 5.$$ (eq-five)
#
# We need not rely on the approximation: for each noisy image the five numbers are integrated out numerically, within all their
# limits and with the error given below (`ghr.references.DiscPosterior`). That is the posterior mean $\mathbb{E}[x | y]$ of the exact
# law of discs, the optimum, which no denoiser can beat. It is told $\sigma$; the networks are not, but $\sigma$ can be
# read off the scatter of {glue:text}`d` pixels to within {glue:text}`sigma_known` percent, which helps little where noise is weak.
#
# **A ray.** One fixed picture times a random contrast: a straight line, one dimension. **Plane waves** of one frequency and
# direction, with random amplitude and phase: they are sums of one sine and one cosine and fill a plane, two dimensions. There a
# projection is the best that a denoiser can do without knowing the law of contrasts; its error is $\sigma^2 / d$ and
# $2 \sigma^2 / d$.
#
# Each UNet saw {glue:text}`images_seen` noisy images of {glue:text}`n` such clean ones.{glue:text}`others_seen` We measure on {glue:text}`tested` new ones.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-images", "caption": "**Compare network and optimum; the last column shows where they differ.** Rows: one disc at three noise levels, UNet. Columns: clean, noisy, the network's answer, the exact posterior mean, and network minus optimum, blue below zero, red above, each on a scale of its own."}, "image": {"alt": "Grid of small images: a disc clean, noisy at three levels, denoised by the network and by the exact optimum, and their difference.", "classes": "dark-light"}}
shown = (weak, 0.1, 0.3)


def answers(s, optimum, sigma, k):
    """One image: clean, noisy, by the network, by the optimum, and the difference of the two."""
    x = s.x[k : k + 1]
    y = noisy(s.x, sigma)[k : k + 1]
    with torch.no_grad():
        x_hat, best = s.denoiser(y), optimum(y, sigma)
    return torch.cat([x, y, x_hat, best, x_hat - best])


titles = ["clean", "noisy", "network", "optimum", "difference"]
rows = [answers(main, DiscPosterior(size), sigma, 0) for sigma in shown]
plots.image_grid(rows, [f"σ = {sigma}" for sigma in shown], titles, signed=1)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-explore-disc", "caption": "**Lower the noise: where do network and optimum part?** A disc of chosen radius and place: clean, noisy, denoised by the UNet and by the exact posterior mean, and network minus optimum, blue below zero, red above, on a scale of its own. Below the pictures: PSNR in dB."}}
def disc(radius, across, sigma):
    """One disc, the network's answer and the optimum."""
    x = synthetic.draw_discs(torch.tensor([[across], [0.5], [radius], [0.8], [0.3]]) * torch.tensor([size] * 3 + [1] * 2)[:, None], size)
    y = noisy(x, sigma)
    with torch.no_grad():
        x_hat, best = main.denoiser(y), DiscPosterior(size)(y, sigma)
    before, ours, exact = (noise.psnr(x, image).item() for image in (y, x_hat, best))
    tiles = [
        Tile(x[0], "clean"),
        Tile(y[0], "noisy", f"{before:.1f} dB"),
        Tile(x_hat[0], "network", f"{ours:.1f} dB", "A"),
        Tile(best[0], "optimum", f"{exact:.1f} dB"),
        Tile((x_hat - best)[0], "difference", signed=True),
    ]
    words = f"A disc of radius {radius:g} sides with noise of σ = {sigma:.2f}: network {ours:.1f} dB, optimum {exact:.1f} dB."
    return Frame(tiles, words)


every = np.geomspace(0.02, 0.5, 29).tolist()  # noise levels
radii, places = np.linspace(0.1, 0.3, 9).round(3).tolist(), np.linspace(0.3, 0.7, 17).round(3).tolist()
Explorer(
    disc,
    [
        Slider("radius", "radius, in sides", radii, radii[::4], radii[4], "{:g}"),
        Slider("across", "centre, in sides", places, places[::8], places[8], "{:g}"),
        Slider("sigma", "noise, σ", every, every[::4], every[8], "{:.2f}"),
    ],
    columns=5,
)

# %% [markdown]
# ## How far from the optimum?

# %% tags=["hide-input"]
def measure(s):
    """Squared error and tr J of each image (columns) at each noise level (rows)."""
    columns = []
    for sigma in sigmas:
        y = noisy(s.x, sigma)
        with torch.no_grad():
            errors = noise.mse(s.x, s.denoiser(y))
        columns.append((errors, jacobian.trace(s.denoiser, y, probes=8, seed=seed)[0]))
    s.errors, s.traces = (torch.stack(column).double().numpy() for column in zip(*columns, strict=True))


def posterior(x):
    """The same of the optimum on discs, and its effective sample size."""
    columns = []
    for sigma in sigmas:
        best = DiscPosterior(size).posterior(noisy(x, sigma), float(sigma))
        columns.append((noise.mse(x, best.mean), best.trace, best.effective))
    return (torch.stack(column).double().numpy() for column in zip(*columns, strict=True))


def projection(s, denoiser, dimensions):
    """The same of a projection, whose trace is its rank."""
    errors = torch.stack([noise.mse(s.x, denoiser(noisy(s.x, sigma))) for sigma in sigmas])
    return SimpleNamespace(errors=errors.double().numpy(), dimensions=dimensions, denoiser=denoiser)


for s in specimens:
    measure(s)
optimum = SimpleNamespace()
optimum.errors, optimum.traces, effective = posterior(main.x)
ray.optimum = projection(ray, RayDenoiser(ray.held_out[:1]), 1)
sines.optimum = projection(sines, SineDenoiser(size), 2)
say("effective", effective.min(), ",.0f")
say("sampling", 100 / effective.min(), ".2g")
say("least", LEAST, "d")
say("unsure", "none" if (short := (effective < LEAST).sum()) == 0 else f"{short} of {effective.size}")

# %% tags=["hide-input"]
def ratio(errors, best, axis):
    """Mean squared error over that of the optimum, at each noise level."""
    return errors.mean(axis) / best.mean(axis)


def smallest(errors, best, axis):
    """The smallest ratio over noise levels."""
    return ratio(errors, best, axis).min(0)


def rise(errors, best, axis):
    """The smallest rise of the ratio from one noise level to the next weaker one: positive when it always rises."""
    return -np.diff(ratio(errors, best, axis), axis=0).max(0)


def steepness(errors, axis):
    """Least squares slope of output on input PSNR."""
    x = input_psnr[low] - input_psnr[low].mean()
    return np.tensordot(x, stats.psnr_of_mean(errors, axis), 1) / (x @ x)


def curve(errors):
    """PSNR of the mean squared error at each noise level of the grid."""
    return [stats.estimate(stats.psnr_of_mean, row) for row in errors[grid]]


def ratios(errors, best):
    """Ratio of the mean errors at each noise level of the grid."""
    return [stats.estimate(ratio, *pair) for pair in zip(errors[grid], best[grid], strict=True)]


for s in discs:
    pair = s.errors[low], optimum.errors[low]
    s.ratios = ratios(s.errors, optimum.errors)
    s.targets = {
        "T17a": enter(s, "T17a", stats.estimate(smallest, *pair)),
        "T17b": enter(s, "T17b", stats.estimate(rise, *pair)),
        "T17c": enter(s, "T17c", stats.estimate(steepness, pair[0])),
    }
best_slope = stats.estimate(steepness, optimum.errors[low])

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-mse", "caption": "**Does the gap to the dashed line widen to the right, where noise is weak?** Discs. Left: output against input PSNR, networks in blue, the exact optimum dashed, the noisy input grey. Right: mean squared error over that of the optimum; dashed: 1, which no denoiser can pass. With 95% intervals over discs. UNet solid; BF-CNN, where it is trained, dotted."}, "image": {"alt": "Left, output PSNR of the network runs below that of the optimum. Right, the ratio of their squared errors against input PSNR, on a log axis.", "classes": "dark-light"}}
at = input_psnr[grid]
figure, (left, right) = plots.panels(2, columns=2, height=2.8)
left.plot(at, at, color=plots.FAINT, label="noisy input")
plots.band(left, at, curve(optimum.errors), color=plots.INK, linestyle="--", linewidth=1, label="optimum")
for s in discs:
    plots.band(left, at, curve(s.errors), color=plots.HALF["A"], linestyle=s.line, label=s.name)
    plots.band(right, at, s.ratios, color=plots.HALF["A"], linestyle=s.line, label=s.name)
right.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
left.set(xlabel="input PSNR (dB)", ylabel="output PSNR (dB)")
right.set(xlabel="input PSNR (dB)", ylabel="MSE / MSE of the optimum", yscale="log")
plots.legend(left)
plots.legend(right)
plots.Picture(figure)

# %% tags=["hide-input"]
rows = []
for s in discs:
    cells = (f"{s.targets[id].measured:.3g}" for id in ("T17a", "T17b", "T17c"))
    rows.append((s.name, *cells))
rows.append(("optimum", "1", "0", f"{best_slope:.2f}"))
heads = ("denoiser", "MSE / optimum's, smallest", "its smallest rise, level to level", "slope")
ledger.Table("Discs at input 21 to 40 dB: error over the optimum's, and slope", heads, rows)

# %% tags=["hide-cell"]
for id, spec in (("T17a", ".3g"), ("T17b", "+.3g"), ("T17c", ".3f")):
    entry = main.targets[id]
    say(id, f"{entry.measured:{spec}} (target {entry.target}: {entry.verdict})")
say("slope_optimum", best_slope, ".3f")
weakest, strongest = low[0], low[-1]
say("low_psnr", input_psnr[weakest], ".0f")
say("high_psnr", input_psnr[strongest], ".0f")
say("ratio_weakest", main.ratios[weakest], ".3g")
say("ratio_strongest", main.ratios[strongest], ".3g")
say("loss_weakest", stats.estimate(stats.psnr_gap, optimum.errors[weakest], main.errors[weakest]), ".1f")
entry = main.targets["T17b"]
growing = {
    "met": "It rises with each step to weaker noise",
    "missed": "It does not rise with each step to weaker noise",
    "undecided": "Whether it rises with every single step to weaker noise, the intervals leave open",
}
say("growing", growing[entry.verdict])
say(
    "trend",
    "Over the whole range it rises"
    if main.ratios[weakest].low > main.ratios[strongest].high
    else "Over the whole range it falls"
    if main.ratios[weakest].high < main.ratios[strongest].low
    else "Between the two ends of the range no difference is certain",
)

# %% [markdown]
# Between input 21 and 40 dB the network's squared error is at least {glue:text}`T17a` times that of the optimum. It is
# {glue:text}`ratio_strongest` times at input {glue:text}`high_psnr` dB and {glue:text}`ratio_weakest` times at
# {glue:text}`low_psnr` dB, where the loss is {glue:text}`loss_weakest` dB. {glue:text}`trend`. {glue:text}`growing`: the smallest
# change of the ratio from one noise level to the next weaker one is {glue:text}`T17b`. The slope of output on input PSNR is
# {glue:text}`T17c`; the optimum has {glue:text}`slope_optimum`, and equation {eq}`eq-five` says 1.
#
# *How exact is the optimum?* Given centre and radius, one of the two levels integrates out in closed form and the other by a
# quadrature. The integrals over centre and radius are sums over random samples, weighted. With $n$ effective samples such a sum adds a
# share of about $1/n$ to the optimum's squared error. The smallest effective number of samples is {glue:text}`effective`, so the error is too
# large by about {glue:text}`sampling` percent at most; and {glue:text}`unsure` of the posterior means have fewer than {glue:text}`least`, below which the
# sum would not be trusted.
#
# ## How many dimensions?
#
# The trace of the Jacobian counts the dimensions that a denoiser keeps. For the optimum it is the posterior's covariance over
# $\sigma^2$, which the same integrals give.

# %% tags=["hide-input"]
def tangent(parameters):
    """Orthonormal basis (5, d) of what one disc becomes when its five numbers change a little."""
    slopes = torch.func.jacfwd(lambda p: synthetic.draw_discs(p[:, None], size).flatten())(parameters.double())
    return torch.linalg.qr(slopes).Q.T


def dissect(j, directions):
    """What one Jacobian keeps along the manifold (rows of directions) and beyond it."""
    directions, k, shape = directions.to(j), len(directions), (1, size, size)
    u, _, v = torch.linalg.svd(j)
    basis = jacobian.eigenbasis(j, shape)
    off = torch.eye(d, dtype=j.dtype) - directions.T @ directions
    surplus = jacobian.eigenbasis(off @ j @ off, shape)
    return SimpleNamespace(
        values=basis.eigenvalues[:most].clone(),
        vectors=basis.eigenvectors[:most].clone(),  # a view would keep the rest in memory
        surplus=surplus.eigenvectors[:most].clone(),
        beyond=surplus.eigenvalues.sum().item(),
        count=int((surplus.eigenvalues > KEPT).sum()),
        trace=j.trace().item(),
        left=harmonic.alignment(u.T[:k], directions),
        right=harmonic.alignment(v[:k], directions),
        symmetric=harmonic.alignment(basis.eigenvectors[:k], directions),
        asym=jacobian.asymmetry(j),
    )


def split(x_hat, x, directions):
    """Squared error along the manifold and beyond it, in units of sigma^2."""
    error = (x_hat - x).flatten().double()
    along = (directions @ error).square().sum()
    return along.item() / weak**2, (error.square().sum() - along).item() / weak**2


def anatomy(s, denoiser, matrix, directions):
    """All of it at the first images, as many as there are directions: parts of each Jacobian, and of each error."""
    s.parts, s.split = [], []
    first = slice(len(directions))
    for x, y, rows in zip(s.x[first].split(1), noisy(s.x, weak)[first].split(1), directions, strict=True):
        s.parts.append(dissect(matrix(y), rows))
        with torch.no_grad():
            s.split.append(split(denoiser(y, weak), x, rows))


def over(s, name):
    """Mean of one part over images, with its interval."""
    return stats.estimate(np.mean, np.array([getattr(part, name) for part in s.parts]))


most, KEPT = min(50, d // 2), 0.1  # eigenvectors in memory; a direction counts as kept above this eigenvalue
tangents = [tangent(p) for p in parameters.T[:dissected]]
for s in specimens:
    flat = None if s in discs else [s.optimum.denoiser.basis.T] * 4
    anatomy(s, s.denoiser, lambda y, s=s: jacobian.jacobian(s.denoiser, y), flat or tangents)
exact = DiscPosterior(size)
optimum.x = main.x
anatomy(optimum, exact, lambda y: exact.jacobian(y, weak), tangents)
for s in discs:
    s.targets["T16"] = enter(s, "T16", stats.estimate(np.mean, s.traces[-1]))
    s.targets["T15"] = enter(s, "T15", over(s, "left"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-dimensions", "caption": "**How many dimensions does the network keep above the dashed line of the optimum?** Discs. Left: tr J against input PSNR. Right: eigenvalues of the symmetric part of J by rank at σ = 0.04: networks blue, optimum dashed; crosses: the ten that the paper prints, of its larger network on discs of 80 pixels. Bands: 95% intervals over discs. UNet solid; BF-CNN, where it is trained, dotted."}, "image": {"alt": "Left, number of kept dimensions against input PSNR: the optimum near five. Right, eigenvalues by rank: the optimum has five near one, then nearly none; the network's stand beside them.", "classes": "dark-light"}}
PAPER = (1.177, 1.067, 1.004, 0.999, 0.945, 0.674, 0.552, 0.39, 0.304, 0.278)  # its Figure 5, in the order printed


def spectrum(s, ranks):
    """Mean eigenvalue at each rank."""
    return [stats.estimate(np.mean, np.array([part.values[k - 1].item() for part in s.parts])) for k in ranks]


figure, (left, right) = plots.panels(2, columns=2, height=2.8)
ranks = np.arange(1, 26)
dimensions = [stats.estimate(np.mean, row) for row in optimum.traces[grid]]
plots.band(left, at, dimensions, color=plots.INK, linestyle="--", linewidth=1, label="optimum")
plots.band(right, ranks, spectrum(optimum, ranks), color=plots.INK, linestyle="--", linewidth=1, label="optimum")
for s in discs:
    style = {"color": plots.HALF["A"], "linestyle": s.line, "label": s.name}
    plots.band(left, at, [stats.estimate(np.mean, row) for row in s.traces[grid]], **style)
    plots.band(right, ranks, spectrum(s, ranks), **style)
right.plot(ranks[: len(PAPER)], PAPER, "x", color=plots.TRAINING, markersize=5, label="paper, 80 px")
left.set(xlabel="input PSNR (dB)", ylabel="tr J", yscale="log")
right.set(xlabel="rank k", ylabel="eigenvalue")
plots.legend(left)
plots.legend(right)
plots.Picture(figure)

# %% tags=["hide-input"]
rows = []
columns = [[e.value for e in spectrum(s, ranks)] for s in (optimum, *discs)]
for k, printed in enumerate(PAPER):
    rows.append((f"{k + 1}", *(f"{values[k]:.3f}" for values in columns), f"{printed:.3f}"))
heads = ("rank", "optimum", *(s.name for s in discs), "paper, 80 pixels")
ledger.Table("Mean eigenvalues on discs at sigma = .04", heads, rows)

# %% tags=["hide-cell"]
entry = main.targets["T16"]
say("T16", f"{entry.measured:.1f} (target {entry.target}: {entry.verdict})")
say("trace_optimum", stats.estimate(np.mean, optimum.traces[-1]), ".2f")
for name, level in (("weakest", weakest), ("strongest", strongest)):
    say(f"trace_{name}", stats.estimate(np.mean, main.traces[level]), ".1f")
say("five", sum(columns[1][:5]) / 5, ".2f")
say("next_five", sum(columns[1][5:10]) / 5, ".2f")
say("five_paper", sum(PAPER[:5]) / 5, ".2f")
say("next_five_paper", sum(PAPER[5:]) / 5, ".2f")
say("next_five_optimum", sum(columns[0][5:10]) / 5, ".2f")

# %% [markdown]
# At $\sigma$ = .04 (input {glue:text}`weak_psnr` dB) the optimum keeps {glue:text}`trace_optimum` dimensions and the network
# {glue:text}`T16`; at input {glue:text}`high_psnr` dB the network keeps {glue:text}`trace_strongest` and at
# {glue:text}`low_psnr` dB {glue:text}`trace_weakest`. The network's first five eigenvalues have the mean {glue:text}`five`, and the next
# five {glue:text}`next_five`; in the paper {glue:text}`five_paper` and {glue:text}`next_five_paper`, and for the optimum the next
# five have {glue:text}`next_five_optimum`. (An eigenvalue above 1 amplifies. Of a posterior on a *curved* surface one can be a
# little above 1: where $y$ lies off the surface on the side towards which it bends, the answer moves further than $y$ does.)
#
# ## Which directions?
#
# Does the network find the five tangent directions? We differentiate a clean disc by its five numbers; an orthonormal basis
# of the result is $T$. Then we take the singular vectors $U_5$ of $J$ that belong to the five largest singular values,
# and measure $\|T^\top U_5\|_F^2 / 5$: 1 when they span the tangent, 0 when they are perpendicular to it. $J$ is not symmetric, so there are
# two kinds: **left** singular vectors are the directions in which the answer moves, **right** ones those in which $y$ must
# move to be heard. The target is for the left ones. The optimum itself does not reach 1 exactly: its tangent is taken where it believes the
# disc to be, not where the disc is.
#
# The five directions also divide what is kept, and what is wrong, in two: a part along the manifold and a part beyond it.

# %% tags=["hide-input"]
rows = []
for name, s in (("optimum", optimum), *((s.name, s) for s in discs)):
    along, beyond = (stats.estimate(np.mean, np.array(part)) for part in zip(*s.split, strict=True))
    difference = stats.estimate(np.mean, np.array([part.trace - part.beyond for part in s.parts]))
    cells = [f"{over(s, side):.3f}" for side in ("left", "right", "symmetric")]
    cells += [f"{e:.2f}" for e in (difference, over(s, "beyond"), along, beyond, over(s, "asym"))]
    rows.append((name, *cells))
    if s in (optimum, main):
        suffix, side = ("_optimum", "left") if s is optimum else ("", "right")
        say(f"{side}{suffix}", over(s, side), ".3f")
        say(f"along{suffix}", difference, ".1f")
        say(f"beyond{suffix}", over(s, "beyond"), ".1f")
        say(f"error_along{suffix}", along, ".1f")
        say(f"error_beyond{suffix}", beyond, ".1f")
heads = (
    *("denoiser", "left vectors", "right vectors", "eigenvectors"),
    *("tr J along", "tr J beyond", "error along / σ²", "error beyond / σ²", "asym"),
)
entry = main.targets["T15"]
say("T15", f"{entry.measured:.3f} (target {entry.target}: {entry.verdict})")
ledger.Table("Discs at sigma = .04: alignment with the tangent, kept dimensions and error along and beyond it", heads, rows)

# %% [markdown]
# The five leading left singular vectors lie in the tangent to {glue:text}`T15`, the right ones to {glue:text}`right`; the optimum's, which are both
# at once, to {glue:text}`left_optimum`. Of what the network keeps, {glue:text}`along` dimensions are along the manifold (optimum
# {glue:text}`along_optimum`) and {glue:text}`beyond` beyond it (optimum {glue:text}`beyond_optimum`): this is the **surplus**. The squared error, summed
# over pixels and in units of $\sigma^2$, is {glue:text}`error_along` along the manifold (optimum {glue:text}`error_along_optimum`)
# and {glue:text}`error_beyond` beyond it (optimum {glue:text}`error_beyond_optimum`). Where the excess is beyond, the network fails to
# remove what no disc has; where it is along, it misjudges the disc's five numbers. These are means over {glue:text}`dissected` discs.
#
# ## What is the surplus made of?

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-vectors", "caption": "**The optimum has five directions; what does the network have after its five?** Two discs at σ = 0.04. Left: the answer of the optimum or the network (UNet). Then eigenvectors of the symmetric part of J at the ranks given, and those of the surplus, the part of J beyond the tangent, blue below zero, red above, each on a scale of its own."}, "image": {"alt": "For two discs, rows of five eigenvectors: those of the optimum, the first and the second five of the network, and those of the network's surplus.", "classes": "dark-light"}}
rows, labels = [], []
for k in (0, 1):
    y = noisy(main.x, weak)[k : k + 1]
    with torch.no_grad():
        best, x_hat = exact(y, weak), main.denoiser(y)
    part = main.parts[k]
    for image, vectors, label in (
        (best, optimum.parts[k].vectors[:5], "optimum\n1 to 5"),
        (x_hat, part.vectors[:5], "network\n1 to 5"),
        (x_hat, part.vectors[5:10], "network\n6 to 10"),
        (x_hat, part.surplus[:5], "surplus\n1 to 5"),
    ):
        rows.append(torch.cat([image, vectors.float()]))
        labels.append(label)
plots.image_grid(rows, labels, signed=5)

# %% [markdown]
# The surplus is $J$ with the tangent taken out on both sides, $P J P$ with $P = I - T T^\top$. "Harmonic along the contour" can
# be made exact for a disc: bend its circle with $m$ waves, $r + \varepsilon \cos m\theta$ or $r + \varepsilon \sin m\theta$. With $m$ = 0 it is another radius and with
# $m$ = 1 another place, which are in the tangent; $m$ = 2, 3, ... are no discs any more: **contour waves**. We measure what share of the
# first {glue:text}`waves` directions of the surplus lies in the span of the {glue:text}`waves` contour waves of $m$ = 2 to 5, beside the four indices of
# [chapter 4](04_adaptive_basis.py): H1 (frequency grows), H2 (variation across this image's contours, less that of another's), H3
# (along over across contours; less is smoother along them) and H4 (alignment with the smoothest functions on this image, less that of
# another). They are taken over the surplus directions with an eigenvalue above {glue:text}`kept`, at least 3 of them and at most
# {glue:text}`most`.
#
# Taking the tangent out of *any* basis leaves a trace of the contour in it. So the controls go the same way: the
# surplus of a third disc, principal components of discs, cosines, random vectors, all made perpendicular to this disc's tangent.

# %% tags=["hide-input"]
waves = range(2, 6)


def contour_waves(parameters, directions):
    """Orthonormal basis of a disc's contour, bent with 2 to 5 waves, perpendicular to its tangent."""
    p = parameters.double()
    pixels = torch.arange(size, dtype=p.dtype) + 0.5
    angle = torch.atan2(pixels[:, None] - p[1], pixels - p[0]).flatten()
    _, slope = torch.func.jvp(
        lambda r: synthetic.coverage(p[:1], p[1:2], r, size).flatten(), (p[2:3],), (torch.ones_like(p[2:3]),)
    )
    bent = torch.stack([slope * f(m * angle) for m in waves for f in (torch.cos, torch.sin)])
    return perpendicular(bent, directions)


def perpendicular(vectors, directions):
    """Vectors without their part along the manifold, made orthonormal in their order."""
    rows = vectors.flatten(1).double()
    rows = rows - rows @ directions.T @ directions
    return torch.linalg.qr(rows.T).Q.T


def surplus_indices(s):
    """Indices and share of contour waves of the surplus and of its controls: {basis: {index: one value per disc}}."""
    counts = np.clip([part.count for part in s.parts], 3, most)
    own = [part.surplus for part in s.parts]
    same = {
        "principal": harmonic.principal(s.held_out, most),
        "cosines": harmonic.dct(size, size)[1 : most + 1],  # the constant lies in every disc's tangent
    }
    bases = {"its own": own, "a third disc's": [*own[2:], *own[:2]]}
    bases |= {name: [vectors] * dissected for name, vectors in same.items()}
    bases["random"] = [harmonic.random(most, size, size, seed=k) for k in range(dissected)]
    found = {}
    for name, vectors in bases.items():
        off = [perpendicular(v[:count], t) for v, count, t in zip(vectors, counts, tangents, strict=True)]
        found[name] = harmonic.indices([v.view(-1, 1, size, size) for v in off], counts, s.x[:dissected])
        firsts = [v[: len(w)] for v, w in zip(off, bent, strict=True)]  # no more than there are contour waves
        shares = [(v @ w.T).square().sum().item() / len(v) for v, w in zip(firsts, bent, strict=True)]
        found[name]["waves"] = np.array(shares)
    return found


bent = [contour_waves(*pair) for pair in zip(parameters.T[:dissected], tangents, strict=True)]
for s in discs:
    s.indices = surplus_indices(s)
say("kept", KEPT, "g")
say("most", most, "d")
say("waves", len(bent[0]), "d")
say("by_chance", len(bent[0]) / (d - 5), ".2f")
say("counts", over(main, "count"), ".0f")

# %% tags=["hide-input"]
columns = (*harmonic.INDICES, "waves")
rows = []
for s in discs:
    for basis, found in s.indices.items():
        cells = (f"{stats.estimate(np.mean, found[index]):+.2f}" for index in columns)
        rows.append((f"{s.name}, {basis}", *cells))
heads = ("surplus of", *harmonic.INDICES, "share in contour waves")
ledger.Table("The surplus on discs at sigma = .04: harmonic and adapted?", heads, rows)

# %% tags=["hide-cell"]
def margin(own, *controls, axis):
    """Mean of a basis less that of the control with the highest mean."""
    return np.min([np.mean(own, axis) - np.mean(control, axis) for control in controls], axis=0)


for index, sign in (("H2", 1), ("H3", -1), ("H4", 1), ("waves", 1)):
    e = stats.estimate(margin, *(sign * found[index] for found in main.indices.values()))
    ends = sorted((sign * e.low, sign * e.high))
    better = "better than every control" if e.low > 0 else "no better than the best control" if e.high < 0 else "open"
    say(f"{index}_margin", f"{stats.Estimate(sign * e.value, *ends):+.2f} ({better})")
own, third, cosines = (main.indices[name] for name in ("its own", "a third disc's", "cosines"))
say("H1_own", stats.estimate(np.mean, own["H1"]), ".2f")
say("H1_cosines", stats.estimate(np.mean, cosines["H1"]), ".2f")
for name, found in (("own", own), ("third", third)):
    say(f"waves_{name}", stats.estimate(np.mean, found["waves"]), ".2f")

# %% [markdown]
# *Read the table* downwards: what counts is the first row of a network against the others. The surplus has {glue:text}`counts` directions with an
# eigenvalue above {glue:text}`kept`. Of the first {glue:text}`waves` directions, a share of {glue:text}`waves_own` lies in the contour waves of its own disc, {glue:text}`waves_third` for a third disc's surplus and
# {glue:text}`by_chance` by chance. Against the best of the four controls, the UNet's surplus has: contour waves {glue:text}`waves_margin`;
# H2 {glue:text}`H2_margin`; H3 {glue:text}`H3_margin`, less being better; H4 {glue:text}`H4_margin`. Its H1 is {glue:text}`H1_own` beside
# {glue:text}`H1_cosines` for cosines. (H2, H3 and H4 see contours *and* flat
# regions; contour waves see the contour alone.)
#
# ## Without curvature: a ray and a plane
#
# Discs are a curved surface. Is it the curvature that is hard? A ray and a plane have none. What is best at weak noise is a projection on one
# or two vectors, the same for all images: nothing to adapt to.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-flat", "caption": "**One picture and one wave: is anything left in the last column?** The ray and the plane waves (drawn with grey for 0) at two noise levels. Columns: clean, noisy, the network's answer, the projection, and network minus projection, blue below zero, red above, each on a scale of its own."}, "image": {"alt": "Grid of small images: a picture and a plane wave, clean, noisy, denoised by the network, projected, and the difference of the two.", "classes": "dark-light"}}
rows, labels = [], []
for s, name in ((ray, "ray"), (sines, "wave")):
    for sigma in shown[1:]:
        images = answers(s, s.optimum.denoiser, sigma, 0)
        if s is sines:  # from [-1,1] to the grey scale; the difference has a scale of its own
            images = torch.cat([(images[:-1] + 1) / 2, images[-1:]])
        rows.append(images)
        labels.append(f"{name}\nσ = {sigma}")
plots.image_grid(rows, labels, [*titles[:3], "projection", titles[4]], signed=1)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-flat-mse", "caption": "**How near does the network come to the projection, and to its one or two dimensions?** Left: squared error of the network over that of the projection; dashed: 1. Right: tr J of the network; dashed: 1 for the ray, 2 for the plane waves. Ray above, plane waves below; against input PSNR, with 95% intervals over images. A ratio below 1 where noise is strong is possible: the network can use what it knows of contrasts, and the projection does not."}, "image": {"alt": "Four panels: ratio of squared errors and number of kept dimensions against input PSNR, for the ray and for plane waves.", "classes": "dark-light"}}
figure, axes = plots.panels(4, columns=2, height=2.3, sharex=True)
for s, name, (left, right) in ((ray, "ray", axes[:2]), (sines, "plane waves", axes[2:])):
    s.ratios = ratios(s.errors, s.optimum.errors)
    kept = [stats.estimate(np.mean, row) for row in s.traces[grid]]
    for ax, estimates, best in ((left, s.ratios, 1), (right, kept, s.optimum.dimensions)):
        plots.band(ax, at, estimates, color=plots.HALF["A"])
        ax.axhline(best, color=plots.INK, linestyle="--", linewidth=0.8)
    left.set(title=name, ylabel="MSE / projection's", yscale="log")
    right.set(title=name, ylabel="tr J")
for ax in axes[2:]:
    ax.set(xlabel="input PSNR (dB)")
plots.Picture(figure)

# %% tags=["hide-input"]
rows = []
for s, name in ((ray, "ray"), (sines, "plane waves")):
    pair = s.errors[low], s.optimum.errors[low]
    along, beyond = (stats.estimate(np.mean, np.array(part)) for part in zip(*s.split, strict=True))
    cells = {
        "smallest": format(stats.estimate(smallest, *pair), ".3g"),
        "weakest": format(s.ratios[weakest], ".3g"),
        "slope": format(stats.estimate(steepness, pair[0]), ".3f"),
        "trace": format(stats.estimate(np.mean, s.traces[-1]), ".2f"),
        "left": format(over(s, "left"), ".3f"),
        "beyond": format(over(s, "beyond"), ".2f"),
        "error_along": format(along, ".2f"),
        "error_beyond": format(beyond, ".2f"),
    }
    for key in ("smallest", "weakest", "slope", "trace", "left", "beyond"):
        say(f"{s.run.images}_{key}", cells[key])
    rows.append((f"{name}, {s.optimum.dimensions}", *cells.values()))
heads = (
    *("manifold, dimensions", "MSE ratio, smallest", "at the weakest noise", "slope"),
    *("tr J", "left vectors", "tr J beyond", "error along / σ²", "error beyond / σ²"),
)
ledger.Table("Ray and plane waves: ratio and slope at input 21 to 40 dB, the rest at sigma = .04", heads, rows)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-flat-vectors", "caption": "**After the one or two directions that exist, do contours of the picture and waves come back?** One noisy image of the ray and one plane wave (σ = 0.04; drawn with grey for 0), and the network's leading eigenvectors by rank, blue below zero, red above, each on a scale of its own."}, "image": {"alt": "Two rows: a noisy picture and six eigenvectors of the network there, a noisy plane wave and six eigenvectors.", "classes": "dark-light"}}
ranks = range(1, 7)
rows = []
for s in (ray, sines):
    y = noisy(s.x, weak)[:1]
    rows.append(torch.cat([(y + 1) / 2 if s is sines else y, s.parts[0].vectors[: len(ranks)].float()]))
plots.image_grid(rows, ["ray", "wave"], ["noisy", *(f"k = {k}" for k in ranks)], signed=len(ranks))

# %% tags=["hide-input"]
pairs = zip(ranks, spectrum(ray, ranks), spectrum(sines, ranks), strict=True)
rows = [(f"{k}", f"{on_ray:.2f}", f"{on_plane:.2f}") for k, on_ray, on_plane in pairs]
ledger.Table("Mean eigenvalues on the ray and on plane waves at sigma = .04", ("rank", "ray", "plane waves"), rows)

# %% [markdown]
# *The ray.* At input 21 to 40 dB the network's error is at least {glue:text}`ray_smallest` times the projection's, and
# {glue:text}`ray_weakest` times at input {glue:text}`low_psnr` dB; slope {glue:text}`ray_slope`. At $\sigma$ = .04 it keeps {glue:text}`ray_trace`
# dimensions instead of 1, of which {glue:text}`ray_beyond` lie beyond the ray. The leading left singular vector
# lies in the ray to {glue:text}`ray_left`.
#
# *Plane waves.* At least {glue:text}`sines_smallest` times and {glue:text}`sines_weakest` times; slope {glue:text}`sines_slope`;
# {glue:text}`sines_trace` dimensions instead of 2, of which {glue:text}`sines_beyond` beyond the plane; the two leading vectors lie in it to
# {glue:text}`sines_left`.
#
# ## Bias, or too little training?
#
# A network can be worse than the optimum because it prefers another basis, or because it was not trained to its end. The training
# log, which has a line at each power of two of the steps, says how the loss against the optimum fell. For the optimum of discs we take equation
# {eq}`eq-five`, and $\sigma$ = .05.

# %% tags=["hide-input"]
column = runs.LOG_SIGMAS.index(0.05)
rows = []
for s, dimensions in (*((s, 5) for s in discs), (ray, 1), (sines, 2)):
    log = runs.log(s.run)
    bound = -20 * np.log10(0.05) + 10 * np.log10(d / dimensions)
    test, train = (bound - np.array(log[kind])[:, column] for kind in ("test", "train"))
    seen = log["images_seen"]
    entries = [int(np.argmin(np.abs(np.array(seen) - seen[-1] / part))) for part in (16, 4, 2, 1)]
    kind = "plane waves" if s is sines else s.run.images
    rows.append((f"{kind}, {s.name}", *(f"{test[k]:.1f}" for k in entries), f"{train[-1]:.1f}"))
    if s is main:
        say("log_half", test[entries[2]], ".1f")
        say("log_end", test[-1], ".1f")
        say("log_train", train[-1], ".1f")
        say("log_seen", f"{seen[entries[2]]:,} to {seen[-1]:,}")
        say("log_change", test[-1] - test[entries[2]], "+.1f")
heads = ("images, network", "1/16 of the images", "1/4", "1/2", "all", "all, training images")
ledger.Table("Loss against the optimum at sigma = .05 in dB, by how much of its training a network has seen", heads, rows)

# %% tags=["hide-cell"]
beyond, ideal = over(main, "beyond"), over(optimum, "beyond")
waves_margin = stats.estimate(margin, *(found["waves"] for found in main.indices.values()))
more = beyond.low > ideal.high
say(
    "conclusion",
    "That it keeps more than the optimum beyond the tangent, we cannot show"
    if not more
    else "What the UNet keeps beyond the tangent bends the contour of its own disc, more than any control does"
    if waves_margin.low > 0
    else "It keeps more than the optimum beyond the tangent; that this bends its own disc's contour more than controls do, "
    "we cannot show",
)
say(
    "others_found",
    "".join(
        f" {s.name} keeps {s.targets['T16'].measured:.1f} dimensions ({s.targets['T16'].verdict}), its error is at least "
        f"{s.targets['T17a'].measured:.2f} times the optimum's, and its five leading directions lie in the tangent to "
        f"{s.targets['T15'].measured:.3f} ({s.targets['T15'].verdict})."
        for s in discs[1:]
    ),
)
say(
    "guess",
    "A surplus along the contour is what these numbers show; where it comes from is a guess"
    if more and waves_margin.low > 0
    else "These numbers do not show a surplus along the contour more than controls have it; what follows is a guess at why there "
    "might be one"
    if more
    else "These numbers do not show a surplus; what follows is a guess at why there might be one, along the contour",
)

# %% [markdown]
# On discs the UNet's loss at $\sigma$ = .05 went from {glue:text}`log_half` to {glue:text}`log_end` dB over
# {glue:text}`log_seen` images seen, a change of {glue:text}`log_change` dB (negative: the loss fell). The log has no intervals, and the learning
# rate falls to zero over that time, which helps by itself; so this change does not tell what a longer training would do, nor how much of
# the loss is too little of it. On its training images the
# loss is {glue:text}`log_train` dB: where the two are alike, the network did not learn its discs by heart, and more of them would hardly help. The
# log cannot tell a preference that no training would undo from one that is slow to be undone.
#
# ## What it comes to
#
# *What the paper says* (its Figures 5 and 19 to 21): a network trained on discs finds the five directions and keeps others beside them, harmonic along the
# contour, with which the optimum has nothing to do; so it falls short of the optimum. The paper had no optimum
# to compare with. *What we find*, with the UNet of width {glue:text}`width`: at $\sigma$ = .04, {glue:text}`T16` dimensions instead of
# {glue:text}`trace_optimum`, and between input 21 and 40 dB an error of at least {glue:text}`T17a` times the optimum's, with slope {glue:text}`T17c`. {glue:text}`conclusion`.{glue:text}`others_found`
#
# *Why?* {glue:text}`guess`. The network must remove from each patch what no disc has. That an edge is part of *one circle* is known only from the whole
# image, from pixels far apart; that an edge is smooth is known from its neighbourhood. What is easy for a chain of small filters is to average along
# the contour over some length; waves on the contour that are longer than that length would pass.
