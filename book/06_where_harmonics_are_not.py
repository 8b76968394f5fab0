# ---
# jupyter:
#   jupytext:
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
# ```{admonition} In short
# **Claim.** The adapted harmonic basis is a bias of the network, not of the images: it appears also where the best
# denoiser has no use for it, and there the network is worse than the optimum {cite:p}`kadkhodaie2024generalization`.
#
# **What we find.** On discs the optimum keeps five dimensions and the network many more. {claim}`discs-keep-too-much`
# What it keeps too much sits on the contour of the disc in hand, {claim}`surplus-sits-on-the-contour` but smooth noise
# there lies more in waves of the contour than it does. {claim}`noise-at-the-edge-does-as-much` Longer training still
# helps. {claim}`longer-training-comes-nearer`
#
# **The figure.** {numref}`fig-vectors`.
# ```
#
# We train the network on images that a few numbers describe, whose best denoiser is known.

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring, and of the discs that it is measured on

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
import numpy as np
import torch

from ghr import experiments, noise
from ghr.book import plots, results
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.denoiser import denoise
from ghr.images import synthetic
from ghr.measure import approach, manifolds
from ghr.measure.denoising import networks
from ghr.references import DiscPosterior, RayDenoiser, SineDenoiser
from ghr.tables import Table

tested, dissected = (24, 4) if scale == "smoke" else (48, 16)  # images at every noise level, and for whole Jacobians
discs, (ray,), (sines,) = (experiments.classes(scale, name) for name in ("discs", "ray", "sines"))
denoisers = {study.network: study.denoisers[study.largest, "A"] for study in discs}
size = ray.held_out.shape[-1]
parameters = synthetic.disc_parameters(tested, size, torch.Generator().manual_seed(seed))
x, exact = synthetic.draw_discs(parameters, size), DiscPosterior(size)
results.keep(networks=networks(*discs, ray, sines))

# %% [markdown]
# ## Images that are a few numbers
#
# **Discs.** Centre, radius, level and background level are random, and the edge is one pixel wide. So the image changes
# smoothly with each number: discs are a curved surface (a manifold) of five dimensions among $d$ pixels. Where noise is
# weak, the best denoiser projects $y$ on it. It keeps the five tangent directions, and $5/d$ of the noise:
#
# $$\mathrm{MSE}^* \approx 5 \sigma^2 / d, \qquad \mathrm{tr} J^* \approx 5.$$ (eq-five)
#
# At every noise level integrals over the five numbers, by enough random samples, {claim}`posteriors-are-sampled-enough`
# give the {term}`posterior mean`, which no denoiser can beat.
#
# **A ray** is one fixed picture times a random contrast: one dimension. **Plane waves**, of one frequency and random
# amplitude and phase, are sums of a sine and a cosine: two. A projection is the best denoiser that does not know how
# likely a contrast is; a network may learn that, too, and gain by it where noise is strong.

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: one disc at three noise levels", "code_prompt_hide": "Figure: one disc at three noise levels", "figure": {"name": "fig-images", "caption": "**Network and optimum differ at the edge of the disc.** Difference: network − optimum, blue below zero, red above, each on a scale of its own."}, "image": {"alt": "Grid of small images: a disc clean, noisy at three levels, denoised by the network and by the exact optimum, and their difference."}}
rows, shown, titles = [], (manifolds.WEAK, 0.1, 0.3), ["clean", "noisy", "network", "optimum", "difference"]
for sigma in shown:
    y = noise.add_noise(x, sigma, torch.Generator().manual_seed(seed))[:1]
    x_hat, best = denoise(denoisers["UNet"], y, sigma), exact(y, sigma)
    rows.append(torch.cat([x[:1], y, x_hat, best, x_hat - best]))
plots.image_grid(rows, [f"σ = {sigma}" for sigma in shown], titles, signed=1)


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 6.2", "figure": {"name": "fig-explore-disc", "caption": "**The weaker the noise, the further apart are network and optimum.** Denoised by the UNet and by the exact posterior mean; difference: network − optimum."}}
def disc(radius, across, sigma):
    """One disc, the network's answer and the optimum."""
    clean = synthetic.draw_discs(torch.tensor([across * size, size / 2, radius * size, 0.8, 0.3])[:, None], size)
    y = noise.add_noise(clean, sigma, torch.Generator().manual_seed(seed))
    found = {"noisy": y, "network": denoise(denoisers["UNet"], y, sigma), "optimum": exact(y, sigma)}
    numbers = {name: f"{noise.psnr(clean, image).item():.1f} dB" for name, image in found.items()}
    tiles = [Tile(image[0], name, numbers[name], "A" if name == "network" else "") for name, image in found.items()]
    difference = Tile((found["network"] - found["optimum"])[0], "difference", signed=True)
    words = f"A disc of radius {radius:g} of the side with noise of σ = {sigma:.2f}: network {numbers['network']}, optimum {numbers['optimum']}."
    return Frame([Tile(clean[0], "clean"), *tiles, difference], words)


every = np.geomspace(0.02, 0.5, 29).tolist()  # noise levels
radii, places = np.linspace(0.1, 0.3, 9).round(3).tolist(), np.linspace(0.3, 0.7, 17).round(3).tolist()
sliders = [
    Slider("radius", "radius (share of the side)", radii, radii[::4], radii[4], "{:g}"),
    Slider("across", "centre (share of the side)", places, places[::8], places[8], "{:g}"),
    Slider("sigma", "noise, σ", every, every[::4], every[8], "{:.2f}"),
]
Explorer(disc, sliders, columns=5)

# %% [markdown]
# ## How far from the optimum?

# %%
optimum = manifolds.posteriors(x, seed=seed)
answers = {network: manifolds.answers(f, x, seed=seed) for network, f in denoisers.items()}
levels = manifolds.levels("discs", answers, optimum)
deficits = manifolds.deficits("discs", answers, optimum)
results.keep(levels=levels, deficits=deficits, sampling=manifolds.sampling(optimum))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 6.3", "figure": {"name": "fig-mse", "caption": "**The gap to the optimum widens where noise is weak.** {claim}`discs-ratio-rises` Discs, with 95% intervals. Right: squared error over that of the optimum, which is 1 (dashed). BF-CNN, where it is trained, dotted."}, "image": {"alt": "Left, output PSNR of the network runs below that of the optimum. Right, the ratio of their squared errors against input PSNR, on a log axis.", "classes": "dark-light"}}
grid = Table(tuple(row for row in levels if row.sigma != manifolds.WEAK))  # the evaluation grid
LINES = {"UNet": (plots.HALF["A"], "-"), "BFCNN": (plots.HALF["A"], ":"), "optimum": (plots.INK, "--")}
figure, (left, right) = plots.panels(2, columns=2, height=2.8)
for name, rows in grid.by("denoiser"):
    style = {"color": LINES[name][0], "linestyle": LINES[name][1], "label": name}
    plots.band(left, rows["input_psnr"], rows["output_psnr"], **style)
    plots.band(right, rows["input_psnr"], rows["ratio"], **style)
left.plot(rows["input_psnr"], rows["input_psnr"], color=plots.FAINT, label="noisy input")
left.set(xlabel="input PSNR (dB)", ylabel="output PSNR (dB)")
right.set(xlabel="input PSNR (dB)", ylabel="MSE / MSE of the optimum", yscale="log")
plots.legend(left)
plots.Picture(figure)

# %% [markdown]
# At middle and weak noise the network's squared error is at least {num}`deficits[denoiser=UNet].smallest:.2g` times the
# optimum's, {claim}`discs-error-above-optimum` and the ratio rises with each step to weaker noise.
# {claim}`discs-ratio-rises` So the slope of the left curve is far below the 1 of {eq}`eq-five` ({target}`T17c`).
#
# How many dimensions, $\operatorname{tr} J$, does the network keep?

# %%
tangents = [synthetic.disc_tangent(p, size) for p in parameters.T[:dissected]]
found = {network: manifolds.dissections(f, x, tangents, seed=seed) for network, f in denoisers.items()}
found["optimum"] = manifolds.dissections(exact, x, tangents, seed=seed, matrix=lambda y: exact.jacobian(y, manifolds.WEAK))
parts = manifolds.parts("discs", found)
spectra = manifolds.spectra("discs", found, range(1, 26))
results.keep(parts=parts, spectra=spectra)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 6.4", "figure": {"name": "fig-dimensions", "caption": "**The optimum keeps about five dimensions; the network keeps more, most where noise is weak.** {claim}`discs-keep-too-much` Discs, with 95% intervals. Right: eigenvalues of the symmetric part of J at σ = 0.04; crosses: the paper's, of a larger network and 80 pixels."}, "image": {"alt": "Left, number of kept dimensions against input PSNR: the optimum near five. Right, eigenvalues by rank: the optimum has five near one, then nearly none; the network's stand beside them.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.8)
for name, (colour, line) in LINES.items():
    style = {"color": colour, "linestyle": line, "label": name}
    plots.band(left, (rows := grid.where(denoiser=name))["input_psnr"], rows["trace"], **style)
    plots.band(right, (rows := spectra.where(denoiser=name))["rank"], rows["value"], **style)
right.plot(range(1, 11), manifolds.PAPER, "x", color=plots.TRAINING, markersize=5, label="paper, 80 px")
left.set(xlabel="input PSNR (dB)", ylabel="tr J, dimensions", yscale="log")
right.set(xlabel="rank k", ylabel="eigenvalue")
plots.legend(left)
plots.legend(right)
plots.Picture(figure)

# %% [markdown]
# At $\sigma$ = .04 the optimum keeps {num}`deficits[denoiser=optimum].trace.value:.1f` dimensions, the network
# {num}`deficits[denoiser=UNet].trace:.0f` ({target}`T16`). {claim}`discs-keep-too-much` After five, the optimum's
# eigenvalues end; the network's step down there and go on, {claim}`eigenvalues-do-not-end-at-five` at the tenth higher
# than the paper's. {claim}`the-papers-fall-faster`
#
# ## What is kept beyond the five?
#
# The derivatives of a clean disc by its five numbers span the **tangent**, with orthonormal basis $T$. The network
# finds it: the five directions in which its answer moves most, the left singular vectors of $J$, nearly span it
# ({target}`T15`). {claim}`five-directions-are-found` What it keeps beyond is the **surplus**. The error is mostly
# there, too: the network finds the disc, but does not remove what no disc has. {claim}`error-is-mostly-beyond`

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: along the tangent and beyond it"}
heads = {
    "error_along": "error along / σ²",
    "error_beyond": "error beyond / σ²",
    "along": "tr J along",
    "beyond": "tr J beyond",
}
parts.show("Along the tangent and beyond it", heads, denoiser="", left=".3f", right=".3f", along=".2f", beyond=".2f", error_along=".2f", error_beyond=".2f", asym=".2f")

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 6.5", "figure": {"name": "fig-vectors", "caption": "**The optimum has five directions; the network keeps more, on the contour and over disc and ground.** {claim}`five-directions-are-found` {claim}`surplus-sits-on-the-contour` Two discs at σ = 0.04: the answer, and eigenvectors of the symmetric part of J, blue below zero, red above."}, "image": {"alt": "For two discs, rows of five eigenvectors: those of the optimum, and the first and the second five of the network.", "classes": "dark-light"}}
y = noise.add_noise(x, manifolds.WEAK, torch.Generator().manual_seed(seed))[:2]
shown = {"optimum\n1 to 5": ("optimum", 0), "network\n1 to 5": ("UNet", 0), "network\n6 to 10": ("UNet", 5)}
pictures = {"optimum": exact(y, manifolds.WEAK), "UNet": denoise(denoisers["UNet"], y, manifolds.WEAK)}
rows = [
    torch.cat([pictures[name][k : k + 1], found[name][k].eigenvectors[first : first + 5].float()])
    for k in (0, 1)
    for name, first in shown.values()
]
plots.image_grid(rows, [*shown, *shown], ["answer", *(f"k = {k} or {k + 5}" for k in range(1, 6))], signed=5)

# %% [markdown]
# Move the disc, or its edge. Five directions lead to other discs; where do the others lead?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 6.6", "figure": {"name": "fig-disc", "caption": "**The network's first five directions move, enlarge and shade the disc; the next ones change its edge, and lead to no disc.** As in {numref}`fig-vectors`; green: the contour where it was. Live: drag the disc or its edge."}}
from ghr.book import told
from ghr.book.live import Live

one = parameters[2, :dissected].argmax().item()  # a large disc
directions = found["UNet"][one].eigenvectors[:10].float()
five = tangents[one].view(5, 1, size, size).float()
rows = [torch.cat([image, some]) for image, some in zip(x[[one] * 3].split(1), (five, *directions.split(5)), strict=True)]
still = plots.image_grid(rows, ["to other\ndiscs", "network\n1 to 5", "network\n6 to 10"], signed=5)
values = found["UNet"][one].eigenvalues[:10].tolist()
disc_told = {"parameters": parameters[:, one].tolist(), "sigma": manifolds.WEAK, "values": values, "vectors": told.signed(directions)}
alt = "A disc; five directions that lead to other discs; ten eigenvectors of the network, of which the second five run along the contour in waves."
Live("disc", still, alt, networks="discs", **disc_told)

# %% [markdown]
# "Harmonic along the contour" can be made exact: bend the circle with $m$ waves, $r + \varepsilon \cos m\theta$ or
# $r + \varepsilon \sin m\theta$. With $m$ = 0 it is another radius, with 1 another place; $m$ = 2, 3, ... are **contour
# waves**, no discs any more. How much of the first eight directions of the surplus, $P J P$ with $P = I - T T^\top$,
# lies in the eight contour waves of $m$ = 2 to 5? Controls are taken off the tangent in the same way, so that even
# cosines know a little of the disc. Two of them are random vectors on the edge: white noise, as drawn or averaged twice
# over 3 × 3 pixels, times the edge. Smooth noise on the edge is made of low contour waves by construction.

# %%
surplus, margins = manifolds.surplus("UNet", found["UNet"], x[:dissected], parameters[:, :dissected], discs[0].held_out)
results.keep(surplus=surplus, margins=margins)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 6.7", "figure": {"name": "fig-surplus", "caption": "**The surplus sits on the contour of its own disc, but smooth noise on the edge lies more in low contour waves.** {claim}`surplus-sits-on-the-contour` {claim}`noise-at-the-edge-does-as-much` UNet, σ = 0.04, with 95% intervals over discs. H2 to H4: [chapter 4](04_adaptive_basis.py)."}, "image": {"alt": "Four panels of dots with intervals, a row for each basis: its own, a third disc's, principal components, cosines, random vectors, random and smooth vectors at the edge.", "classes": "dark-light"}}
fields = {"waves": "share in contour waves", "h2": "H2", "h3": "H3 (less is better)", "h4": "H4"}
figure, axes = plots.panels(4, columns=2, height=2.0, sharey=True)
for ax, (field, label) in zip(axes, fields.items(), strict=True):
    plots.dots(ax, surplus["basis"], surplus[field], color=plots.INK)
    ax.plot(surplus[field][0].value, len(surplus) - 1, "o", color=plots.HALF["A"], markersize=6)
    ax.set(xlabel=label)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: the surplus and its controls"}
surplus.show("The surplus and its controls", basis="", waves=".2f", h1=".2f", h2=".2f", h3=".2f", h4=".2f")

# %% [markdown]
# Of the surplus {num}`surplus[basis="its own"].waves.value:.2f` lies in the contour waves of its own disc, of controls
# that do not know the edge hardly anything: {claim}`surplus-sits-on-the-contour` it sits on the contour. Of smooth
# random vectors there {num}`surplus[basis="smooth, at the edge"].waves.value:.2f` does.
# {claim}`noise-at-the-edge-does-as-much` The surplus varies less along edges than that noise (H3); but so do cosines,
# which know no disc. {claim}`surplus-varies-less-along-edges` In the order of its frequencies (H1, in the table) it is
# like a third disc's and less ordered than cosines; {claim}`surplus-is-ordered-as-another-discs` smooth noise there has
# no order. {claim}`smooth-noise-has-no-order` So that it is made of waves *along this contour* is not shown. What lies
# in higher waves, across the edge, or in waves over disc and ground, which the paper means as well and
# {numref}`fig-vectors` shows (k = 7 and 8), was not measured.
#
# ## Without curvature: a ray and a plane
#
# Here one or two vectors are the best basis, for all images.

# %%
projections = RayDenoiser(ray.held_out[:1]), SineDenoiser(size)
flat_levels, flat_deficits, flat_parts = manifolds.flat([ray, sines], projections, tested, seed=seed)
results.keep(flat_levels=flat_levels, flat_deficits=flat_deficits, flat_parts=flat_parts)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: what is left of a ray and of a plane wave", "code_prompt_hide": "Figure: what is left of a ray and of a plane wave", "figure": {"name": "fig-flat", "caption": "**What is left is no contour: specks on the ray, blobs on the plane.** Difference: network − projection, blue below zero, red above, each on a scale of its own."}, "image": {"alt": "Grid of small images: a picture and a plane wave, clean, noisy, denoised by the network, projected, and the difference of the two."}}
rows, labels = [], []
for study, projection in zip((ray, sines), projections, strict=True):
    for sigma in (0.1, 0.3):
        clean, network = study.held_out[:tested], study.denoisers[study.largest, "A"]
        y = noise.add_noise(clean, sigma, torch.Generator().manual_seed(seed))[:1]
        images = torch.cat([clean[:1], y, denoise(network, y), projection(y)])
        grey = (images + 1) / 2 if study is sines else images  # waves go from -1 to 1
        rows.append(torch.cat([grey, images[2:3] - images[3:]]))
        labels.append(f"{study.name}\nσ = {sigma}")
plots.image_grid(rows, labels, [*titles[:3], "projection", titles[4]], signed=1)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 6.9", "figure": {"name": "fig-flat-mse", "caption": "**Without curvature, too, the network keeps too many dimensions, and falls behind where noise is weak.** {claim}`flat-keep-too-much` With 95% intervals. Right, dashed: dimensions that exist."}, "image": {"alt": "Four panels: ratio of squared errors and number of kept dimensions against input PSNR, for the ray and for plane waves.", "classes": "dark-light"}}
figure, axes = plots.panels(4, columns=2, height=2.3, sharex=True)
for (name, rows), pair in zip(flat_levels.where(denoiser="UNet").by("images"), (axes[:2], axes[2:]), strict=True):
    rows = [row for row in rows if row.sigma != manifolds.WEAK]
    best = {"ratio": 1, "trace": manifolds.DIMENSIONS[name]}
    for ax, field, label in zip(pair, best, ("MSE / projection's", "tr J, dimensions"), strict=True):
        plots.band(ax, [row.input_psnr for row in rows], [getattr(row, field) for row in rows], color=plots.HALF["A"])
        ax.axhline(best[field], color=plots.INK, linestyle="--", linewidth=0.8)
        ax.set(title=name, xlabel="input PSNR (dB)", ylabel=label, yscale="log" if field == "ratio" else "linear")
plots.Picture(figure)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 6.10", "figure": {"name": "fig-flat-vectors", "caption": "**After the directions that exist come no contours of the picture.** A ray and a plane wave, σ = 0.04, and the network's eigenvectors by rank."}, "image": {"alt": "Two rows: a noisy picture and six eigenvectors of the network there, a noisy plane wave and six eigenvectors.", "classes": "dark-light"}}
rows = []
for study, projection in zip((ray, sines), projections, strict=True):
    clean, network = study.held_out[:tested], study.denoisers[study.largest, "A"]
    (part,) = manifolds.dissections(network, clean, [projection.basis.T], seed=seed)
    y = noise.add_noise(clean, manifolds.WEAK, torch.Generator().manual_seed(seed))[:1]
    rows.append(torch.cat([(y + 1) / 2 if study is sines else y, part.eigenvectors[:6]]))
plots.image_grid(rows, ["ray", "wave"], ["noisy", *(f"k = {k}" for k in range(1, 7))], signed=6)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: along the ray and the plane, and beyond them"}
flat_parts.show("Along the ray and the plane, and beyond them", heads, images="", left=".3f", trace=".2f", along=".2f", beyond=".2f", error_along=".2f", error_beyond=".2f")

# %% [markdown]
# At $\sigma$ = .04 the network keeps on the ray (means over more images than in the table)
# {num}`flat_deficits[images=ray,denoiser=UNet].trace.value:.1f` dimensions instead of 1, on plane waves
# {num}`flat_deficits[images=sines,denoiser=UNet].trace.value:.1f` instead of 2. {claim}`flat-keep-too-much` So
# curvature is not the only reason.
#
# ## Bias, or too little training?
#
# So networks of discs and of the ray were trained on {num}`falls[images=discs,seed=0].shortest:,` to
# {num}`falls[images=discs,seed=0].longest:,` images, each to the end of a schedule of its own. (They are of the
# {term}`second edition`, the others of this chapter of the first.) Does a longer training still bring the network
# nearer to the optimum $f^*$? We measure the **excess** of its error, a share of the optimum's own:
#
# $$\mathrm{excess} = \mathbb{E}\, \|f(y) - f^*(y)\|^2 \,/\; \mathbb{E}\, \|f^*(y) - x\|^2.$$ (eq-excess)

# %%
course, falls = approach.courses(experiments.scaling(scale, "discs", "ray"), {"discs": x}, tested, seed=seed)
results.keep(course=course, falls=falls)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 6.11", "code_prompt_hide": "Code: Fig. 6.11", "figure": {"name": "fig-approach", "caption": "**Longer training brings the network nearer to the optimum, ever more slowly.** {claim}`longer-training-comes-nearer` {claim}`the-pace-slackens` Left: excess error. Right: dimensions kept; thin lines: by the optimum. Each point is a network, trained to the end; hollow: from another seed. σ = 0.04, with 95% intervals over images."}, "image": {"alt": "Two panels against images seen in training, for discs and for the ray. Left, the excess error falls with each longer training. Right, kept dimensions fall towards those of the optimum and stay above them; at the last step those of the ray rise from one seed and fall from another.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.8)
for name, some in course.by("images"):
    first, again = some.where(seed=0), some.where(seed=1)
    style = {"color": plots.HALF["A"], "linestyle": {"discs": "-", "ray": "--"}[name], "marker": ".", "label": name}
    for ax, field in ((left, "excess"), (right, "trace")):
        plots.band(ax, first["images_seen"], first[field], **style)
        plots.points(ax, again["images_seen"], again[field], color=plots.HALF["A"])
    right.axhline(some["best"][0], color=plots.INK, linestyle=style["linestyle"], linewidth=0.8)
left.set(xlabel="images seen in training", ylabel="excess error", xscale="log", yscale="log")
right.set(xlabel="images seen in training", ylabel="tr J, dimensions", xscale="log", yscale="log")
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: how fast the excess falls", "code_prompt_hide": "Table: how fast the excess falls"}
named = {"power": "power of its fall", "last": "the same at the end", "kept": "tr J, last over one before"}
falls.show("How fast the excess falls", named, images="", seed="", power=".2f", last=".2f", kept=".2f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: networks by images seen", "code_prompt_hide": "Table: networks by images seen"}
course.show("By images seen", {}, images="", images_seen=",", seed="", loss=".2f", excess=".2f", trace=".1f")

# %% [markdown]
# It does: {claim}`longer-training-comes-nearer` after four times the images the network of discs keeps
# {num}`falls[images=discs,seed=0].kept.value:.2f` of the dimensions,
# {num}`course[images=discs,images_seen=max,seed=0].trace.value:.0f` at the end. {claim}`dimensions-still-fall`
#
# But the excess falls ever more slowly. {claim}`the-pace-slackens` So a part of what looks like a bias is a short
# training, and a part may be one. How much is left in the limit these trainings, one of each length and two of the
# longest, cannot tell ({target}`T16b`).
#
# Two trainings of the greatest length are alike on discs, where both keep fewer dimensions than after a quarter of it.
# On the ray they are not: one keeps {num}`course[images=ray,images_seen=max,seed=0].trace.value:.0f`, more than after a
# quarter, the other {num}`course[images=ray,images_seen=max,seed=1].trace.value:.0f`, fewer.
# {claim}`trainings-of-the-ray-disagree`
#
# ## What it comes to
#
# The paper finds directions that are harmonic along the contour, with which the optimum has nothing to do (its Figures
# 5, 19 to 21). We find too many on the contour, {claim}`surplus-sits-on-the-contour` and less of it in the contour's
# lowest waves than of smooth noise there. {claim}`noise-at-the-edge-does-as-much`
#
# *Why?* A guess: only pixels far apart show that an edge is part of *one circle*. Small filters average along it, and
# waves longer than that average pass.
