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
# # Shrinkage in an adaptive basis
#
# ```{admonition} In short
# **Claim.** At each noisy image a trained denoiser shrinks: in a basis that the image chooses it keeps some
# coefficients and removes others. The vectors are waves along contours and in flat regions, a *geometry-adaptive
# harmonic basis* {cite:p}`kadkhodaie2024generalization`.
#
# **What we found.** At σ = 0.1 the basis follows the image. {claim}`basis-follows-the-face`
# {claim}`basis-follows-the-photograph` But shrinkage is not all: the denoiser is a matrix that is not symmetric, and
# its symmetric part alone is {num}`levels[images=avatars,network=UNet,n=max,sigma=0.1].loss.value:.1f` dB worse.
# {claim}`symmetric-part-falls-short` A part may be the price of not being told σ: the best blind denoiser of a Gaussian
# is not symmetric, either. {claim}`blindness-breaks-symmetry` But a UNet that is told σ is nearly as asymmetric.
# {claim}`told-networks-are-asymmetric-too`
#
# **The figure** is {numref}`fig-rival-bases`; to play with, {numref}`fig-explore-rebuilt`.
# ```
#
# A **harmonic** is a wave like those of a drum: smooth, with more ups and downs the higher its number. *Adapted* to an
# image, it may jump at its contours and is smooth elsewhere. This suits a denoiser: where noise hides the pixels, it is
# better to average along a contour than across.

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring, not for training
sizes = None  # these N only, e.g. [100, 30000] (None: all)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
import numpy as np
import torch

from ghr import experiments
from ghr.book import plots, results
from ghr.book.live import Live
from ghr.book.widgets import Axes, Explorer, Frame, Slider, Tile
from ghr.measure import balance, bases, harmonicity, rebuilding, two_pixels
from ghr.noise import psnr

# %% [markdown]
# ## A matrix that can be drawn
#
# Let clean images of two pixels lie on a circle in the plane. How does the best denoiser's answer change with the noisy
# image? Its **Jacobian** tells, the matrix $J_{ij} = \partial f_i / \partial y_j$.

# %%
strengths = np.geomspace(0.01, 0.5, 25).tolist()  # noise levels
plane = two_pixels.circle(strengths)
results.keep(circle=plane)


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.1", "code_prompt_hide": "Code: Fig. 4.1", "figure": {"name": "fig-circle", "caption": "**Along the circle a change is kept, across it it is removed; strong noise removes both.** {claim}`circle-has-one-dimension` Thin: a noisy image and two changes. Bold: denoised. Curves: eigenvalues along (marked) and across."}}
def seen_in_the_plane(sigma):
    """A noisy image of two pixels and two small changes of it, before and after the best denoiser."""
    row = plane.one(sigma=sigma)
    (y, changed), (x_hat, answers) = two_pixels.changes(row, 0.16)
    before, after = ([plots.arrow(start[0], around[k]) for k in (0, 24)] for start, around in ((y, changed), (x_hat, answers)))
    thin = [(changed, 0.7, 2), *((each, 0.55, 3) for each in before), (y, 0.55, 6)]
    bold = [(answers, 0.4, 3), *((each, 0, 5) for each in after), (x_hat, 0, 7)]
    picture = plots.sketch([(two_pixels.ring(), 0.75, 5), (torch.cat([y, x_hat]), 0.6, 2), *thin, *bold], 384)
    words = f"along the circle a change is multiplied by {row.tangent:.2f}, across it by {row.normal:.2f}."
    tile = Tile(picture, "the plane of two pixels", f"σ = {sigma:.2f}", "drawing")
    return Frame([tile], f"σ = {sigma:.2f}: {words}", (plane["tangent"], plane["normal"]), strengths.index(sigma))


noise = Slider("sigma", "noise, σ", strengths, start=strengths[12], form="{:.2f}")
Explorer(seen_in_the_plane, [noise], columns=1, axes=Axes(strengths, (0, 1), "noise, σ", "eigenvalues"))

# %% [markdown]
# Weak noise leaves one direction, along the circle: its eigenvalue of $J$ is nearly 1.
# {claim}`circle-has-one-dimension` The sum of eigenvalues, $\operatorname{tr} J$, counts the dimensions that are kept.
# The $J$ of the best denoiser that is told $\sigma$ is symmetric: it is the covariance of the clean images that could
# be behind $y$, over $\sigma^2$ {cite:p}`miyasawa1961empirical`.
#
# ## A matrix for each image
#
# Our networks add no constant. So $J$ tells exactly how a network filters *this* image {cite:p}`mohan2020robust`
# ({target}`T10`): {claim}`f-is-its-matrix`
#
# $$f(y) = J(y)\, y.$$ (eq-linear)
#
# Were $J$ symmetric, it would shrink, in its eigenvectors $e_k$ by its eigenvalues $\lambda_k$:
#
# $$f(y) = \sum_k \lambda_k \langle y, e_k \rangle\, e_k.$$ (eq-shrinkage)
#
# It is not, so we look at eigenvectors of its symmetric part, $S = (J + J^\top)/2$.

# %%
many, few = {"laptop": (32, 8)}.get(scale, (8, 5))  # images of whole Jacobians
face = 4  # the one that is shown: it wears glasses
faces, patches = experiments.faces(scale, sizes), experiments.photographs(scale, sizes)
chain = experiments.chain(scale, sizes)
of_faces = bases.of_study(faces, many, few, seed=seed, thorough=True)
of_patches = bases.of_study(patches, many, seed=seed)
of_chain = bases.of_study(chain, few, few, seed=seed)
results.keep(networks=experiments.networks(faces, patches, chain))
results.keep(anatomy=bases.anatomy(of_faces, of_patches, of_chain))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.2", "code_prompt_hide": "Code: Fig. 4.2", "figure": {"name": "fig-basis", "caption": "**Each image has its own basis: the first vectors are local and amplified, those that follow are waves which grow finer.** {claim}`basis-follows-the-face` {claim}`frequency-grows-with-rank` Network A, largest N; eigenvectors of S by rank k (blue below zero, red above); thin: contours of the clean image."}, "image": {"alt": "For a face and a patch of a photograph, at two noise levels: noisy image, denoised image, and four eigenvectors with the contours of the image drawn over them.", "classes": "dark-light"}}
ranks = [k for k in (1, 8, 20, 50) if k <= faces.held_out[0].numel() // 2]
titles = ["noisy", "denoised", *(f"k = {k}" for k in ranks)]
pairs = [(one, sigma) for one in (of_faces, of_patches) for sigma in one.sigmas]
labels = [f"{'face' if one is of_faces else 'patch'}\nσ = {sigma}" for one, sigma in pairs]
places = [face if one is of_faces else 1 for one, _ in pairs]
rows = [one.row(place, ranks, sigma=sigma) for (one, sigma), place in zip(pairs, places, strict=True)]
outlines = [one.x[place] for (one, _), place in zip(pairs, places, strict=True)]
plots.image_grid(rows, labels, titles, signed=len(ranks), contours=outlines)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.3", "code_prompt_hide": "Code: Fig. 4.3", "figure": {"name": "fig-explore-basis", "caption": "**The waves grow finer as the eigenvalue falls; with few training images there are none.** σ = 0.1. Curve: eigenvalues."}}
at_face = {n: of_faces.at[n, "A", 0.1][face] for n in faces.sizes}
x, answered = of_faces.x[face], {n: of_faces.row(face, (), n=n) for n in faces.sizes}
shown_ranks = [k for k in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377) if k <= x.numel() // 2]


def spectrum(n, k):
    """One face, its basis by network A, and an eigenvector."""
    values, notes = at_face[n].eigenvalues, [f"{psnr(x[None], each[None]).item():.1f} dB" for each in answered[n]]
    tiles = [Tile(x, "clean"), Tile(answered[n][0], "noisy", notes[0]), Tile(answered[n][1], "denoised", notes[1], "A")]
    tiles += [Tile(at_face[n].eigenvectors[k - 1], f"k = {k}", f"λ = {values[k - 1]:.2f}", "A", signed=True)]
    words = f"N = {n:,}: eigenvector {k} of S, whose eigenvalue is {values[k - 1]:.2f}."
    return Frame(tiles, words, values[[rank - 1 for rank in shown_ranks]].tolist(), shown_ranks.index(k))


highest = max(one.eigenvalues[0].item() for one in at_face.values()) * 1.05
size = Slider("n", "training images, N", faces.sizes, start=faces.largest, form="{:,}")
axes_of_ranks = Axes(shown_ranks, (0, highest), "rank k", "eigenvalue λ")
Explorer(spectrum, [size, Slider("k", "eigenvector, k", shown_ranks, start=21)], axes=axes_of_ranks)

# %% [markdown]
# ## What is kept?
#
# Shrinking works if the image sits in few directions while noise is spread over all.

# %%
groups = bases.coefficients(of_faces.largest(), of_faces.x, of_faces.y(0.1))
results.keep(coefficients=groups)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.4", "code_prompt_hide": "Code: Fig. 4.4", "figure": {"name": "fig-coefficients", "caption": "**The face sits in few directions; eigenvalues fall sooner than the factors that would be best.** {claim}`faces-lie-where-eigenvalues-are-one` {claim}`eigenvalues-fall-too-soon` Test faces, σ = 0.1, with 95% intervals. Left: coefficients; dashed: σ. Right: factors; dashed: those that err least on these faces."}, "image": {"alt": "Left, coefficients of clean faces fall through those of the noise. Right, eigenvalues start above one and best factors below; both fall towards zero.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.4)
for name, colour in (("noise", plots.TRAINING), ("clean", plots.HALF["A"])):
    plots.band(left, groups["centre"], groups[name], color=colour, label=name)
left.axhline(0.1, color=plots.INK, linestyle="--", linewidth=0.8)
left.set(xlabel="rank k", ylabel="coefficient (image units)", xscale="log", yscale="log")
plots.band(right, groups["centre"], groups["eigenvalue"], color=plots.HALF["A"], label="eigenvalue")
plots.band(right, groups["centre"], groups["best"], color=plots.INK, linestyle="--", label="best factor")
right.set(xlabel="rank k", ylabel="factor", xscale="log")
for ax in (left, right):
    plots.legend(ax)
plots.Picture(figure)

# %% [markdown]
# It does: the face lies where eigenvalues are about 1. {claim}`faces-lie-where-eigenvalues-are-one` But $S$ alone would
# shrink too much: where eigenvalues have fallen to a half, the factor that errs least is still
# {num}`coefficients[first=71].best.value:.2f`. {claim}`eigenvalues-fall-too-soon` (Early vectors follow the noise a
# little, too: its coefficients there exceed σ.) The first eigenvalues exceed 1: along a few directions $S$ amplifies,
# one sign that $J$ does more than shrink. {claim}`first-directions-are-amplified` How few vectors make a face?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.5", "code_prompt_hide": "Code: Fig. 4.5", "figure": {"name": "fig-explore-rebuilt", "caption": "**Of 64 vectors chosen for the clean face, its own make the best one.** {claim}`own-basis-holds-faces-best` The first K eigenvectors of S (largest N, σ = 0.1), and of four bases those of the K largest coefficients."}}
rivals, mean = rebuilding.rivals(of_faces), faces.training(faces.largest).mean(0)
ways = {"first K eigenvectors": ("its own", "first"), "K eigenvectors": ("its own", "largest")}
ways |= {f"K {name}": (name, "largest") for name in ("cosines", "db4 wavelets", "principal")}


def rebuild(k, image):
    """One face from K vectors of several bases."""
    clean = of_faces.x[image]
    sums = [rebuilding.partial_sum(clean, rivals[basis][image], mean, k, choice) for basis, choice in ways.values()]
    notes = [f"{psnr(clean[None], each[None]).item():.1f} dB" for each in sums]
    found = zip(sums, ways, notes, ("A", "A", "", "", ""), strict=True)
    words = f"From K = {k} vectors: {notes[0]} by the first eigenvectors, {notes[2]} by the largest cosines."
    return Frame([Tile(clean, "clean"), *(Tile(*each) for each in found)], words)


counts = Slider("k", "vectors, K", [k for k in bases.KS if k < x.numel()], start=64)
Explorer(rebuild, [counts, Slider("image", "test face", range(8), [3, 4, 7], face)], columns=3)

# %%
curves = rebuilding.rebuilt(of_faces)
results.keep(rebuilt=curves)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: how well do K vectors make a face?", "code_prompt_hide": "Figure: how well do K vectors make a face?", "figure": {"name": "fig-rebuilt", "caption": "**Sixty-four of its vectors hold a face no better than its one answer does.** {claim}`answers-hold-faces-as-well` With 95% intervals. Blue: its vectors."}, "image": {"alt": "PSNR against the number of vectors for seven bases.", "classes": "dark-light"}}
figure, (ax,) = plots.panels(1, height=2.8)
drawn = [*ways.values(), ("another image's", "largest"), ("its answer", "largest")]
colours = [*[plots.HALF["A"]] * 2, *[plots.INK] * 2, plots.WIENER, plots.HALF["A"], plots.INK]
for (basis, choice), colour, line in zip(drawn, colours, ("-", "--", "--", ":", "-", ":", "-"), strict=True):
    curve = curves.where(basis=basis, choice=choice)
    plots.band(ax, curve["k"], curve["psnr"], color=colour, linestyle=line, label=f"{basis}, {choice}")
ax.set(xlabel="K, vectors", ylabel="PSNR (dB)", xscale="log")
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% [markdown]
# That its own 64 vectors make the best face {claim}`own-basis-holds-faces-best` is no evidence for a basis that was
# found at $y$ and knows the answer: *one* vector, $f(y)$ less the mean face, does as well.
# {claim}`answers-hold-faces-as-well`
#
# Click a pixel, in a face, in an image of yours or in what you draw:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.7", "code_prompt_hide": "Code: Fig. 4.7", "figure": {"name": "fig-rebuild", "caption": "**A pixel is made from pixels around it and goes to others: rows of J are not its columns.** {claim}`symmetric-part-falls-short` Two pixels of a test face (σ = 0.1); red counts with its sign, blue against it. Live: any pixel."}}
two = [(x.shape[-2] * i // 32, x.shape[-1] * k // 32) for i, k in ((14, 9), (26, 16))]  # of the glasses, below the mouth
tiles = torch.cat([of_faces.row(face, ()), of_faces.at_pixels(face, two)])
heads = ["noisy", "denoised", "row, glasses", "column", "row, chin", "column"]
still = plots.image_grid([tiles], ["face"], heads, signed=4, contours=[of_faces.x[face]])
alt = "A test face, noisy and denoised, and the rows and columns of J of two of its pixels, with the contours of the face drawn over them."
Live("rebuild", still, alt, networks="avatars")

# %% [markdown]
# ## What the picture leaves out
#
# What would the symmetric part do alone? Our networks are not told $\sigma$, and then even the best denoiser has no
# symmetric $J$: it finds the noise level in $y$, and this, too, changes with $y$. The null is a Gaussian with the mean
# and covariance of faces, at any contrast and noise level: its best denoiser has $f(ay) = a f(y)$, as ours, and is
# known exactly.
#
# And does the error fit the dimensions that are kept? The squared error of the best denoiser that is told $\sigma$,
# summed over pixels, is $\sigma^2\, \mathbb{E} \operatorname{tr} J$. So its *self-consistency*
# $\mathrm{SC} = d\, \mathrm{MSE} / (\sigma^2\, \mathbb{E} \operatorname{tr} J)$ is 1.

# %%
levels = balance.levels(faces, patches, chain, tested=2 * many, seed=seed)
blind = balance.blind(faces, tested=2 * many, seed=seed)
pairs_of_bases, symmetric = bases.singular(of_faces), bases.symmetric(of_faces)
results.keep(levels=levels, blind=blind, singular=pairs_of_bases, symmetric=symmetric)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.8", "code_prompt_hide": "Code: Fig. 4.8", "figure": {"name": "fig-symmetric", "caption": "**At large N the network does better than its symmetric part, at σ = 0.1 by more than the best blind denoiser of a Gaussian (dashed) does (left), and its error is what its dimensions account for (right).** {claim}`symmetric-part-falls-short` {claim}`blindness-breaks-symmetry` {claim}`accounts-balance` With 95% intervals. Left: f(y) over Sy. Right: SC; line: the optimum."}, "image": {"alt": "Left, PSNR of the network over that of its symmetric part against input PSNR, one curve for each N, and a dashed one for the blind Gaussian optimum, which lies above zero. Right, self-consistency: near one at large N and for the Gaussian optimum, far above at small N.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.9)
for n, curve in levels.where(images=faces.name, network="UNet").by("n"):
    for ax, field in ((left, "loss"), (right, "sc")):
        plots.band(ax, curve["input_psnr"], curve[field], color=plots.shade(n, faces.sizes), label=f"N = {n:,}")
for ax, field in ((left, "loss"), (right, "sc")):
    plots.band(ax, blind["input_psnr"], blind[field], color=plots.WIENER, linestyle="--", label="Gaussian optimum, blind")
right.axhline(1, color=plots.INK, linewidth=0.8)
left.set(xlabel="input PSNR (dB)", ylabel="f(y) over Sy (dB)")
right.set(xlabel="input PSNR (dB)", ylabel="SC", yscale="log")
for ax in (left, right):
    plots.noise_axis(ax)
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% [markdown]
# At σ = 0.1 the network's symmetric part is {num}`levels[images=avatars,network=UNet,n=max,sigma=0.1].loss.value:.1f`
# dB worse, that of the best blind denoiser of a Gaussian {num}`blind[sigma=0.1].loss.value:.1f` dB.
# {claim}`symmetric-part-falls-short` {claim}`blindness-breaks-symmetry` So a part of what shrinkage misses may be the
# price of not being told $\sigma$, and not all: a UNet that is told $\sigma$ (of the first edition) has an asymmetry
# $\|J - J^\top\| / \|J\|$ of {num}`kinds[network=ConditionalUNet].asym.value:.2f`, ours of
# {num}`kinds[network=UNet,n=max,half=A].asym.value:.2f`. {claim}`told-networks-are-asymmetric-too` The rest is the
# network's own, or of faces, which are no Gaussian. (At $N$ of 1 and 10, where a network answers with a face of its
# own, the symmetric part is the better one at all but the strongest noise.) Nor does another symmetric matrix near $J$
# reach the network, not even $S$ with the best factors. {claim}`every-symmetric-matrix-loses` Filters that average over
# similar pixels are not symmetric, either {cite:p}`milanfar2013tour`.
#
# SC is nearly 1 at the largest $N$ ({target}`T11d`); {claim}`accounts-balance` networks of few images err far beyond it
# ({target}`T11e`). {claim}`memory-errs-beyond-its-dimensions` The noise level that networks see
# ([chapter 1](01_denoising.py)) is right ({target}`T22b`). {claim}`noise-level-is-seen`
#
# *Has $S$ the right directions?* $J$ reads in one basis and writes in another, its right and left singular vectors. The
# *alignment* of two bases of $K$ vectors, $\|U^\top V\|_F^2 / K$, is 1 when they span one space.

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: do the bases in which J reads and writes span one space?", "code_prompt_hide": "Figure: do the bases in which J reads and writes span one space?", "figure": {"name": "fig-singular", "caption": "**The network reads and writes in nearly one space; only the singular expansion becomes its answer.** {claim}`one-space-two-bases` {claim}`singular-terms-reach-the-answer` With 95% intervals. Right: share of f(y) that K terms leave out."}, "image": {"alt": "Left, agreement of left and right singular vectors and of both with eigenvectors, against K. Right, the share of the answer left out by K terms: the singular expansion falls to zero, the symmetric one levels off.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.6)
k, blue = pairs_of_bases["k"], plots.HALF["A"]
plots.band(left, k, pairs_of_bases["left_right"], color=plots.INK, label="left, right")
plots.band(left, k, pairs_of_bases["left_own"], color=blue, label="left, eigen")
plots.band(left, k, pairs_of_bases["right_own"], color=blue, linestyle=":", label="right, eigen")
left.plot(k, pairs_of_bases["chance"], color=plots.TRAINING, label="chance")
left.set(xlabel="K, vectors", ylabel="alignment", xscale="log", ylim=(0, 1.02))
plots.band(right, k[:-1], pairs_of_bases["rest"][:-1], color=plots.INK, label="singular")  # the last is rounding
plots.band(right, k[:-1], pairs_of_bases["eigen_rest"][:-1], color=blue, label="eigen")
right.set(xlabel="K, terms", ylabel="share of f(y) left out", xscale="log", yscale="log", ylim=(1e-5, 1.2))
for ax in (left, right):
    plots.legend(ax)
plots.Picture(figure)

# %% [markdown]
# The first 128 of each nearly do, and the eigenvectors of $S$ lie between: {claim}`one-space-two-bases` $S$ has the
# right space. But within it $J$ reads along one vector and writes along another, where a symmetric matrix reads and
# writes along the same. {claim}`singular-terms-reach-the-answer`
#
# ## What "harmonic" and "adapted" mean, in numbers
#
# The paper does not define the words. We propose four numbers of the first $K$ vectors, with $K = \operatorname{tr} J$
# rounded; two say most:
#
# - **H2, along or across?** How much of a vector's variation happens at the contours of *its* image, where it may jump,
#   less how much happens at those of another image. More is better.
# - **H4, the same space?** How much of the $K$ vectors lies in the span of the $K$ smoothest functions that may jump at
#   the image's contours, less the same with another image.
#
# Both are 0 for a basis that does not know its image. **H1**: does frequency grow with rank? **H3**: how much does a
# vector vary along the strongest edges, compared with across (less is better)?
#
# ```{admonition} Formulas
# :class: dropdown
# Over neighbouring pixels, a unit vector $e$ has the squared frequency $e^\top L e = \sum (e_i - e_j)^2$. In
# $e^\top L_x e = \sum w_{ij} (e_i - e_j)^2$, $w_{ij} = \exp(-(x_i - x_j)^2 / 2h^2)$, $h$ = .08, steps across contours
# of $x$ are free.
#
# - H1: rank correlation of $k$ with $e_k^\top L e_k$.
# - H2: mean of $1 - e_k^\top L_x e_k / e_k^\top L e_k$, less that with another image.
# - H3: gradient energy along over across the strongest edges, over that of cosines of equal frequency.
# - H4: alignment with the $K$ lowest eigenvectors of $L_x$, less that with another image.
# ```

# %%
indices, margins = harmonicity.harmonicity(of_faces, of_patches, of_chain)
results.keep(indices=indices, margins=margins)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.10", "code_prompt_hide": "Code: Fig. 4.10", "figure": {"name": "fig-rival-bases", "caption": "**No basis that does not know the image comes near the network's in H2 and H4.** {claim}`basis-follows-the-face` {claim}`basis-follows-the-photograph` σ = 0.1, half A, largest N, with 95% intervals. Dashed: 0, and 1 for H3."}, "image": {"alt": "Four panels, one for each index; in each, five rows for the network's own basis and its controls, with an interval for faces and one for photographs.", "classes": "dark-light"}}
figure, axes = plots.panels(4, columns=2, height=1.9, sharey=True)
heads = {"h1": "H1, frequency grows", "h2": "H2, geometry gain", "h3": "H3, along / across", "h4": "H4, alignment"}
sets = ((faces, "faces", plots.HALF["A"], 0.1), (patches, "photographs", plots.TRAINING, -0.1))
for ax, (index, head) in zip(axes, heads.items(), strict=True):
    for study, name, colour, shift in sets:
        found = indices.where(images=study.name, network="UNet", half="A", sigma=0.1)
        plots.dots(ax, found["basis"], found[index], shift, color=colour, label=name)
    ax.axvline(int(index == "h3"), color=plots.INK, linestyle="--", linewidth=0.8)
    ax.set(xlabel=head)
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% [markdown]
# At $\sigma$ = .1 the network is ahead of principal components, and of the basis that it has at a *third* image
# (neither the one that is asked about nor the one that is taken off), in H2 and H4: its basis follows the image.
# {claim}`basis-follows-the-face` {claim}`basis-follows-the-photograph` At $\sigma$ = .3 it does so on faces
# ({target}`T20a`, {target}`T20c`); on photographs, where flat patches keep few directions, neither index decides
# ({target}`T20a photographs`, {target}`T20c photographs`). {claim}`strong-noise-leaves-photographs-undecided`
#
# H1 and H3 are weaker witnesses. Cosines have a high H1 ({target}`T19`), too. {claim}`frequency-grows-with-rank` In H3
# principal components beat the network on faces ({target}`T20b`), not on photographs ({target}`T20b photographs`).
# {claim}`components-of-faces-run-along-faces`
#
# ## Where does the basis come from?

# %%
shared = bases.agreement(of_faces, of_patches, of_chain)
growth, seen = harmonicity.growth(of_faces), harmonicity.seen(of_faces)
results.keep(agreement=shared, growth=growth, seen=seen)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.11", "code_prompt_hide": "Code: Fig. 4.11", "figure": {"name": "fig-seen", "caption": "**With few training images the basis at a training face is the memory of it; with many it is as at test faces.** {claim}`training-faces-differ-in-small-sets-only` As {numref}`fig-basis`."}, "image": {"alt": "Four rows: two numbers of training images, each at a training and at a test face: noisy, denoised, four eigenvectors.", "classes": "dark-light"}}
rows_of = [(n, training, 1 if training else face) for n in of_faces.seen for training in (True, False)]
both = [of_faces.row(image, ranks, n=n, training=training) for n, training, image in rows_of]
names = [f"N = {n:,}\n{'training' if training else 'test'}" for n, training, _ in rows_of]
faces_of_rows = [(of_faces.training(n) if training else of_faces.x)[image] for n, training, image in rows_of]
plots.image_grid(both, names, titles, signed=len(ranks), contours=faces_of_rows)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.12", "code_prompt_hide": "Code: Fig. 4.12", "figure": {"name": "fig-agreement", "caption": "**From different images two networks come to overlapping spaces, which follow the image.** {claim}`halves-find-one-basis` Test faces, σ = 0.1, with 95% intervals. Left, dotted: A at two faces; grey: chance."}, "image": {"alt": "Left, alignment of two networks' bases against N, above that at two images and chance. Right, geometry gain of both halves, rising with N.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.4)
curve = shared.where(images=faces.name, network="UNet")
plots.band(left, curve["n"], curve["same"], color=plots.INK, marker="o", label="A and B")
plots.band(left, curve["n"], curve["other"], color=plots.INK, linestyle=":", marker="o", label="two faces")
left.plot(curve["n"], curve["chance"], color=plots.TRAINING, label="chance")
left.set(xlabel="N, training images", ylabel="alignment", xscale="log", ylim=(0, 1))
for half, gains in growth.by("half"):
    plots.band(right, gains["n"], gains["h2"], color=plots.HALF[half], marker="o", label=f"half {half}")
right.axhline(0, color=plots.INK, linestyle="--", linewidth=0.8)
right.set(xlabel="N, training images", ylabel="H2", xscale="log")
for ax in (left, right):
    plots.legend(ax)
plots.Picture(figure)

# %%
kinds = harmonicity.kinds((of_faces, of_chain), experiments.others(scale))
results.keep(kinds=kinds)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: kinds of networks on faces", "code_prompt_hide": "Table: kinds of networks on faces"}
forms = {"n": ",", "half": "", "parameters": ",", "ahead": "+.2f", "psnr": ".1f", "asym": ".2f", "trace": ".0f"}
units = {"ahead": "training images ahead (dB)", "psnr": "PSNR (dB)", "trace": "tr J"}
kinds.show("Kinds of networks on faces at sigma = .1", units, network="", **forms, h2=".2f", h4=".2f")

# %% [markdown]
# At the smaller $N$ the network keeps {num}`seen[images=avatars,n=min,at=training].trace.value:.0f`
# dimensions at a training face and {num}`seen[images=avatars,n=min,at=test].trace.value:.0f` at a test face; at the
# largest $N$ the two are alike. {claim}`training-faces-differ-in-small-sets-only` There the bases of A and B are
# aligned to {num}`agreement[images=avatars,network=UNet,n=max].same.value:.2f`, at two faces less.
# {claim}`halves-find-one-basis`
#
# Untrained networks have no basis that follows the image, though an untrained UNet's is partly ordered by frequency
# ([chapter 7](07_shuffled_pixels.py)): adaptation is learned, {claim}`adapted-bases-are-learned` with constants or
# without, told $\sigma$ or not, and by {term}`BF-CNN`, too. {claim}`chain-adapts-too`
#
# ## What it comes to
#
# A denoiser works in waves that the image chooses, {claim}`basis-follows-the-face` but it does not only shrink;
# {claim}`symmetric-part-falls-short` not told σ, the best denoiser would not either, {claim}`blindness-breaks-symmetry`
# but a network that is told does not only shrink, either. {claim}`told-networks-are-asymmetric-too`
#
# *Limits.* One pair of trainings, {num}`anatomy[images=avatars,network=UNet,n=max,half=A,sigma=0.1].tested` images or
# fewer. Each also serves as another's *other*: intervals are a little narrow.
