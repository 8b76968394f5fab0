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
# **Claim.** At each noisy image $y$ a trained denoiser acts as a shrinkage: it expresses $y$ in an orthonormal basis and
# multiplies each coefficient by a factor, most of them near 0. The image chooses the basis, whose vectors oscillate
# along contours and in flat regions, faster as the factor falls: a *geometry-adaptive harmonic basis*
# {cite:p}`kadkhodaie2024generalization`.
#
# **What we found.** The basis follows the image, on faces beyond doubt; on patches of photographs our few test images
# leave it open. It is learned, with biases or without, told the noise level or not. That the network is a *shrinkage* in this
# basis is only roughly true: its Jacobian is far from symmetric.
#
# **The figure** is {numref}`fig-rival-bases`: the network's basis beside five that cannot know the image.
# ```

# %% tags=["parameters"]
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring, not for training

# %% [markdown]
# ## Looking at a basis
#
# We take the networks of the [last chapters](02_memorization_to_generalization.py), differentiate them at noisy test images,
# and look at the eigenvectors of the matrices that come out.

# %%
from ghr import experiments
from ghr.book import results
from ghr.measure import balance, bases, denoising, harmonicity

studies = faces, patches, chain = experiments.faces(scale), experiments.photographs(scale), experiments.chain(scale)
many = 4 if scale == "smoke" else 8  # test images at which whole Jacobians are taken; half as many below the largest N
of_faces, of_patches, of_chain = found = [bases.of_study(study, many, seed=seed) for study in studies]
results.keep(networks=denoising.networks(*studies), anatomy=bases.anatomy(*found))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.1", "figure": {"name": "fig-basis", "caption": "**The image is in its own basis: first its contours, then waves that grow finer to the right.** Rows: a test face and a patch of a photograph, each at two noise levels. Left: noisy and denoised, by network A of the largest N. Right: eigenvectors by rank k, blue below zero, red above; the eigenvalue falls with the rank."}, "image": {"alt": "For a face and a patch of a photograph, at two noise levels: noisy image, denoised image, and eigenvectors by rank.", "classes": "dark-light"}}
from ghr.book import plots

ranks = [k for k in (1, 3, 8, 20, 50, 100) if k <= faces.held_out[0].numel() // 2]
titles = ["noisy", "denoised", *(f"k = {k}" for k in ranks)]
rows, labels = [], []
for one, name in ((of_faces, "face"), (of_patches, "photograph")):
    rows += [one.row(1, ranks, sigma=sigma) for sigma in one.sigmas]
    labels += [f"{name}\nσ = {sigma}" for sigma in one.sigmas]
plots.image_grid(rows, labels, titles, signed=len(ranks))

# %% [markdown]
# Move the sliders: how does the basis of one face depend on the noise and on $N$?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: bases of one face"}
x, offered = of_faces.x[1:2], (0.05, *of_faces.sigmas)  # a page carries the last two noise levels
noisy = {sigma: of_faces.y(sigma)[1:2] for sigma in offered}
one_face = {
    (n, sigma): bases.filters(faces.denoisers[n, "A"], x, noisy[sigma])[0] for n in faces.sizes for sigma in offered
}
shown = [k for k in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377) if k <= x.numel() // 2]  # ranks
highest = max(one.eigenvalues[0].item() for one in one_face.values()) * 1.05

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: one position of the sliders"}
from ghr.book.widgets import Axes, Explorer, Frame, Slider, Tile
from ghr.denoiser import denoise
from ghr.noise import psnr


def spectrum(n, sigma, k):
    """One face, its basis by network A, and an eigenvector."""
    y, one = noisy[sigma], one_face[n, sigma]
    x_hat, value = denoise(faces.denoisers[n, "A"], y), one.eigenvalues[k - 1].item()
    tiles = [
        Tile(x[0], "clean"),
        Tile(y[0], "noisy", f"{psnr(x, y).item():.1f} dB"),
        Tile(x_hat[0], "denoised", f"{psnr(x, x_hat).item():.1f} dB", "A"),
        Tile(one.eigenvectors[k - 1], f"k = {k}", f"λ = {value:.2f}", "A", signed=True),
    ]
    words = f"N = {n:,}, σ = {sigma}: what lies along eigenvector {k} is multiplied by {value:.2f}."
    return Frame(tiles, words, one.eigenvalues[[rank - 1 for rank in shown]].tolist(), shown.index(k))


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.2", "figure": {"name": "fig-explore-basis", "caption": "**The waves grow finer as the eigenvalue falls; at the smallest N the first eigenvectors are the training image.** A test face: clean, noisy, denoised by network A of N training images, and eigenvector k of the Jacobian there, blue below zero, red above. Curve: eigenvalues by rank, the chosen one marked."}}
sliders = [
    Slider("n", "training images, N", faces.sizes, start=faces.largest, form="{:,}"),
    Slider("sigma", "noise, σ", offered, of_faces.sigmas),
    Slider("k", "eigenvector, k", shown, start=21),
]
Explorer(spectrum, sliders, axes=Axes(shown, (0, highest), "rank k", "eigenvalue λ"))

# %% [markdown]
# ## A matrix for each image
#
# The networks have no bias anywhere: they are made of convolutions, divisions by constants and ReLUs. Around any $y$ such
# a function is linear, and because nothing is added,
#
# $$f(y) = J(y)\, y, \qquad J_{ij} = \frac{\partial f_i}{\partial y_j}.$$ (eq-linear)
#
# $J$ is the matrix by which the network filters *this* image {cite:p}`mohan2020robust`. Write its symmetric part $S$ in its
# eigenvectors $e_k$; then, as far as $J$ is symmetric,
#
# $$f(y) = \sum_k \lambda_k \langle y, e_k \rangle\, e_k.$$ (eq-shrinkage)
#
# For the *best* denoiser $J$ is the covariance of clean images given $y$, over $\sigma^2$
# {cite:p}`miyasawa1961empirical`: symmetric, positive, its trace the number of dimensions that $y$ leaves open. A network
# need not be so.
#
# Equation {eq}`eq-linear` holds: $f(y)$ and $Jy$ differ by
# {num}`anatomy[images=avatars,network=UNet,n=max,hom=max].hom.value:.0e` of $\|f(y)\|$ at most, which is rounding.
# {claim}`f-is-its-matrix` Equation {eq}`eq-shrinkage` does not: over
# {num}`anatomy[images=avatars,network=UNet,n=max,half=A,sigma=0.1].tested` faces at $\sigma = 0.1$ the network is
# {num}`anatomy[images=avatars,network=UNet,n=max,half=A,sigma=0.1].loss.value:.1f` dB better than $Sy$.
# {claim}`symmetric-part-falls-short` So the basis below describes what the network tends to keep, and not all that it does.
#
# Why is $J$ not symmetric? A filter that adapts to the image averages, for each output pixel, over neighbours that look alike,
# with weights that add up to one: those are the rows of $J$. Nothing makes the columns add up to one, which is how much each
# input pixel counts in the whole answer, and a symmetric matrix would have both alike {cite:p}`milanfar2013tour`. Training
# rewards $f(y)$ and nothing else; symmetry holds at the optimum and need not hold near it.
#
# ## How much is kept?

# %%
groups = bases.coefficients(of_faces.largest(), of_faces.x, of_faces.y(0.1))
held, remainders = bases.approximation(of_faces)
results.keep(coefficients=groups, approximation=held, remainders=remainders)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.3", "figure": {"name": "fig-coefficients", "caption": "**Eigenvalues fall where the clean image falls below the noise, and start above the best factors.** Test faces at σ = 0.1, each in the basis of network A of the largest N for that face. Left: root mean square of the coefficients of the clean faces (blue) and of the noise (grey) by rank; dashed: σ, what the noise has in a basis that does not know it. Right: eigenvalues (blue) and the factors that bring the noisy coefficients nearest to the clean ones (dashed). Ranks are averaged in groups, with 95% intervals over faces."}, "image": {"alt": "Left, coefficients of noise lie on both sides of the noise level, those of clean faces fall through it. Right, eigenvalues start above one and best factors below; both fall towards zero.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.4)
for name, colour in (("noise", plots.TRAINING), ("clean", plots.HALF["A"])):
    plots.band(left, groups["centre"], groups[name], color=colour, label=name)
left.axhline(0.1, color=plots.INK, linestyle="--", linewidth=0.8)
left.set(xlabel="rank k", ylabel="size of coefficient (image units)", xscale="log", yscale="log")
plots.band(right, groups["centre"], groups["eigenvalue"], color=plots.HALF["A"], label="eigenvalue")
plots.band(right, groups["centre"], groups["best"], color=plots.INK, linestyle="--", label="best factor")
right.set(xlabel="rank k", ylabel="factor", xscale="log")
for ax in (left, right):
    plots.legend(ax)
plots.Picture(figure)

# %% [markdown]
# A shrinkage works where the clean face is in few coefficients and the noise in all of them. Were the network's eigenvalues the
# best factors in its own basis, the two lines on the right would be one. They are not: along the first eigenvector it multiplies
# by {num}`coefficients[first=1].eigenvalue.value:.2f` where {num}`coefficients[first=1].best.value:.2f` would be best.
# {claim}`first-direction-is-amplified-too-much` An eigenvalue above 1 alone is no fault: the optimum has such where $y$ lies
# between alternatives, its $J$ being a covariance over $\sigma^2$.
#
# Nor is the noise equally large in all coefficients, because the basis was found at this very noise. So the best factor is not
# $c^2 / (c^2 + \sigma^2)$ here; the dashed line is the least squares of clean on noisy coefficients.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.4", "figure": {"name": "fig-shrinkage", "caption": "**Eigenvalues fall from above one to zero, sooner where the noise is strong.** Left: eigenvalues by rank for the first test faces at two noise levels; grey: 0 and 1. Right: how much of a clean face is left out by the first K vectors of a basis, against K, mean over test faces: the network's basis for that face (blue), for another face (blue, dotted), principal components of the training faces (green), cosines (dark, dashed) and db4 wavelets (dark, dotted), these three in the order of their mean energy in training faces."}, "image": {"alt": "Left, eigenvalues fall from above one to zero with rank, sooner at the higher noise level. Right, relative error of approximations by K terms, falling with K, one curve for each basis.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.6)
for sigma, line in zip(of_faces.sigmas, ("-", "--"), strict=True):
    for k, one in enumerate(of_faces.largest(sigma=sigma)[:4]):
        values = one.eigenvalues[: len(one.eigenvectors)]
        label = f"σ = {sigma}" if k == 0 else None
        left.plot(range(1, len(values) + 1), values, line, color=plots.HALF["A"], label=label)
left.set(xlabel="rank k", ylabel="eigenvalue", xscale="log")
styles = ((plots.HALF["A"], "-"), (plots.HALF["A"], ":"), (plots.WIENER, "-"), (plots.INK, "--"), (plots.INK, ":"))
for (basis, rows), (colour, line) in zip(remainders.by("basis"), styles, strict=True):
    right.plot(rows["k"], [max(part, 1e-6) for part in rows["left"]], line, color=colour, label=basis)
right.set(xlabel="K, vectors kept", ylabel="share of the face left out", xscale="log", yscale="log")
for ax in (left, right):
    plots.legend(ax)
plots.Picture(figure)

# %% [markdown]
# At $\sigma = 0.1$ a face keeps $\mathrm{tr} J$ = {num}`anatomy[images=avatars,network=UNet,n=max,half=A,sigma=0.1].trace:.0f` of its
# {num}`networks[images=avatars,network=UNet,n=max,half=A].pixels` dimensions. How well would as many vectors of any basis do? Suppose
# somebody told the best factor for each coefficient, $c_k^2 / (c_k^2 + \sigma^2)$ with $c_k$ that of the clean face
# {cite:p}`donoho1994ideal`. Shrinkage would then reach {num}`approximation[basis="its own"].psnr.value:.1f` dB in the network's own
# basis and {num}`approximation[basis=principal].psnr.value:.1f` dB in principal components. The network, which nobody tells, reaches
# {num}`anatomy[images=avatars,network=UNet,n=max,half=A,sigma=0.1].psnr.value:.1f` dB. (That factor is the best one for a basis
# that does not depend on the noise. The own basis does, so the network can do better than its oracle.)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: each basis by as many vectors as the network keeps"}
held.show(
    "Bases at sigma = .1",
    {"left": "share left out", "psnr": "PSNR, best factors (dB)"},
    basis="",
    left=".3f",
    psnr=".1f",
)

# %% [markdown]
# ## Is the shrinkage right?
#
# The error of the best denoiser, kept noise and lost signal together, is $\sigma^2\, \mathbb{E}\, \mathrm{tr} J$. So
# $\mathrm{SC} = \mathrm{MSE} / (\sigma^2\, \mathbb{E}\, \mathrm{tr} J)$ is 1 at the optimum, and larger when a network
# errs more than the dimensions that it keeps account for. Two more checks use the trace: Stein's estimate of the error, which needs no
# clean image {cite:p}`stein1981estimation`, and the noise level that a blind network saw, were it optimal:
# $\hat\sigma = \|y - f(y)\| / \sqrt{d - \mathrm{tr} J}$.

# %%
levels, accounts = balance.balance(*studies, tested=16 if scale == "smoke" else 64, seed=seed)
results.keep(levels=levels, balance=accounts)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.5", "figure": {"name": "fig-sc", "caption": "**With many training images the error is what the kept dimensions account for; with few it is many times that.** SC on test images against input PSNR, one colour for each N, half A; faces and photographs, with 95% intervals over images. Dashed: 1, the optimum."}, "image": {"alt": "SC on test images against input PSNR, one curve for each N, faces and photographs.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.6, sharey=True)
for ax, study, name in zip(axes, (faces, patches), ("faces", "photographs"), strict=True):
    for n, rows in levels.where(images=study.name, network="UNet", half="A").by("n"):
        plots.band(ax, rows["input_psnr"], rows["sc"], color=plots.shade(n, study.sizes), label=f"N = {n:,}")
    ax.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
    ax.set(title=name, xlabel="input PSNR (dB)", ylabel="SC", yscale="log")
    plots.legend(ax)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: the balance of the largest N on faces, half A"}
heads = {"sigma": "σ", "psnr": "PSNR (dB)", "trace": "tr J", "sc": "SC", "stein": "Stein / MSE", "seen": "σ̂ / σ"}
largest = levels.where(images=faces.name, network="UNet", n=faces.largest, half="A")
largest.show(
    "Balance of error and trace", heads, sigma=".3f", psnr=".2f", trace=".0f", sc=".2f", stein=".2f", seen=".3f"
)

# %% [markdown]
# The accounts of the largest $N$ balance. For $\sigma$ from .05 to .5 SC lies between
# {num}`balance[images=avatars,network=UNet,n=max,smallest=min].smallest.value:.2f` and
# {num}`balance[images=avatars,network=UNet,n=max,largest=max].largest.value:.2f` on faces, and about
# as near to 1 on photographs. {claim}`accounts-balance`
#
# A blind network sees how much noise there is: its $\hat\sigma$ is off by
# {num}`balance[images=avatars,network=UNet,n=max,misjudged=max].misjudged.value:.3f` of $\sigma$ at most.
# {claim}`noise-level-is-seen`
#
# A network that memorizes errs on new images by many times what it keeps: with 10 to 100 faces SC is
# {num}`balance[images=avatars,network=UNet,n>=10,n<=100,smallest=min].smallest.value:.1f` at least.
# {claim}`memory-errs-beyond-its-dimensions`
#
# ## How the basis appears

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.6", "figure": {"name": "fig-growth", "caption": "**With few images the first eigenvectors are training images; with many they follow the face in hand.** One noisy test face (σ = 0.1), networks of half A by N from top to bottom: what they make of it, and eigenvectors by rank, blue below zero, red above."}, "image": {"alt": "Rows by N: the noisy face, the denoised face and six eigenvectors.", "classes": "dark-light"}}
rows = [of_faces.row(1, ranks, n=n) for n in faces.sizes]
plots.image_grid(rows, [f"N = {n:,}" for n in faces.sizes], titles, signed=len(ranks))

# %% [markdown]
# Is the basis of a network with few images made of these? At $N$ = 1 it is: of the energy of the first eigenvectors of network A at its
# noisy training face, a share of {num}`spans[images=avatars,n=min,at=training].own.value:.2f` is that of A's training face, and
# {num}`spans[images=avatars,n=min,at=training].other.value:.2f` of B's, which has brightness in common with it.
# {claim}`basis-of-one-image-is-made-of-it`
#
# Do two networks that share no training image find the same basis? Let $U$ and $V$ be the first $K$
# eigenvectors of each, $K$ being $\mathrm{tr} J$ of network A. The alignment $\|U^\top V\|_F^2 / K$ is 1 when both span one
# space and 0 when their spaces are perpendicular.

# %%
shared = bases.agreement(*found)
results.keep(agreement=shared, spans=bases.spans(*found))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.7", "figure": {"name": "fig-agreement", "caption": "**From different images two networks come to one basis.** Alignment of the kept dimensions at σ = 0.1 against N: of networks A and B at the same image (blue), of network A at two images (blue, dotted), and by chance (grey); with 95% intervals over images. 1 is the same subspace."}, "image": {"alt": "Alignment of subspaces against N for faces and photographs: of two networks at one image, of one network at two images, and by chance.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.4, sharey=True)
for ax, study, name in zip(axes, (faces, patches), ("faces", "photographs"), strict=True):
    rows = shared.where(images=study.name, network="UNet")
    plots.band(ax, rows["n"], rows["same"], color=plots.HALF["A"], marker="o", label="A and B")
    plots.band(ax, rows["n"], rows["other"], color=plots.HALF["A"], linestyle=":", marker="o", label="two images")
    ax.plot(rows["n"], rows["chance"], color=plots.TRAINING, label="chance")
    ax.set(title=name, xlabel="N, training images", ylabel="alignment", xscale="log", ylim=(0, 1))
    plots.legend(ax)
plots.Picture(figure)

# %% [markdown]
# They do. On faces the kept dimensions agree to {num}`agreement[images=avatars,network=UNet,n=max].same.value:.2f` at the largest
# $N$, and to {num}`agreement[images=avatars,network=UNet,n=10].same.value:.2f` at $N$ = 10. It is the image that they agree on: the
# bases of one network at two images agree less. {claim}`halves-find-one-basis`
#
# ## What "harmonic" and "adapted" mean, in numbers
#
# The paper shows such bases and does not define the words; we propose four numbers. An image is a function on a grid of pixels, each
# joined to its four neighbours. A vector $e$ of unit norm has the energy $e^\top L e = \sum (e_i - e_j)^2$ over neighbours, its squared
# frequency. With the weights of an image, $w_{ij} = \exp(-(x_i - x_j)^2 / 2h^2)$ with $h$ = .08, differences across the contours of
# $x$ cost nothing, and the energy is $e^\top L_x e$. Of the first $K = \mathrm{tr} J$ vectors (at least 3, at most $d/2$):
#
# - **H1, frequency grows**: rank correlation of $k$ with $e_k^\top L e_k$.
# - **H2, geometry gain**: mean of $1 - e_k^\top L_x e_k / e_k^\top L e_k$, the share of a vector's energy that lies across
#   contours of $x$; minus the same with another image's contours.
# - **H3, along against across**: gradient energy along contours over that across, at the strongest edges of $x$; over
#   the same for cosines of equal frequency. Below 1 is smoother along contours.
# - **H4, alignment**: share of the vectors inside the span of the $K$ smoothest functions on $x$, the lowest eigenvectors
#   of $L_x$; minus the same with another image.
#
# "Another image" is the next of the test images, in a circle. A basis that is the same for all images then has H2 = H4 = 0 in
# the mean by construction, up to changes of $K$: what an image gains, its successor loses. Each number stands beside bases
# that cannot know this image: the network's basis for a *third* image, principal components of the training images, cosines,
# random vectors, and an untrained network.

# %%
indices, margins = harmonicity.harmonicity(*found)
growth = harmonicity.growth(of_faces)
results.keep(indices=indices, margins=margins, growth=growth)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.8", "figure": {"name": "fig-rival-bases", "caption": "**On faces no basis that does not know the image comes near the network's in H2 and H4.** The four indices of the network's basis and of five controls at σ = 0.1, half A of the largest N, with 95% intervals over test images; faces (blue) and photographs (grey). Of H3 less is better. Dashed: 0, and 1 for H3."}, "image": {"alt": "Four panels, one for each index; in each, six rows for the network's own basis and its controls, with an interval for faces and one for photographs.", "classes": "dark-light"}}
figure, axes = plots.panels(4, columns=2, height=2, sharey=True)
for ax, index, title in zip(
    axes,
    ("h1", "h2", "h3", "h4"),
    ("H1, frequency grows", "H2, geometry gain", "H3, along / across", "H4, alignment"),
    strict=True,
):
    for study, name, colour, shift in (
        (faces, "faces", plots.HALF["A"], 0.1),
        (patches, "photographs", plots.TRAINING, -0.1),
    ):
        rows = indices.where(images=study.name, network="UNet", half="A", sigma=0.1)
        plots.dots(ax, rows["basis"], rows[index], shift, color=colour, label=name)
    ax.axvline({"h1": 0, "h3": 1}.get(index, 0), color=plots.INK, linestyle="--", linewidth=0.8)
    ax.set(xlabel=title)
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.9", "figure": {"name": "fig-indices", "caption": "**Bases adapt as N grows, and memory gives way.** Geometry gain H2 and alignment H4 of the network's basis at σ = 0.1 on test faces, against N, at half of the faces, always of as many vectors as the network of the largest N keeps; half A blue, half B orange, with 95% intervals over images. 0 is a basis that does not know the image."}, "image": {"alt": "H2 and H4 against N for both halves.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.5)
for ax, index in zip(axes, ("h2", "h4"), strict=True):
    for half, rows in growth.by("half"):
        plots.band(ax, rows["n"], rows[index], color=plots.HALF[half], marker="o", label=f"half {half}")
    ax.axhline(0, color=plots.INK, linewidth=0.6)
    ax.set(xlabel="N, training images", ylabel=index.upper(), xscale="log")
    plots.legend(ax)
plots.Picture(figure)

# %% [markdown]
# What counts is a difference of means over the same images, against the better of principal components and a third image's basis.
# On faces the worst of these margins, over both halves and noise levels, is
# {num}`margins[images=avatars,network=UNet,h2=min].h2.value:+.2f` in H2 ({target}`T20a`) and
# {num}`margins[images=avatars,network=UNet,h4=min].h4.value:+.2f` in H4 ({target}`T20c`): the basis follows the image.
# {claim}`basis-follows-the-face` That comes with $N$: the bases of one training image follow it less.
# {claim}`bases-adapt-as-n-grows` On photographs eight test images do not decide it ({target}`T20a photographs`,
# {target}`T20c photographs`). {claim}`photographs-leave-adaptation-open`
#
# H1 and H3 are weaker witnesses. H1 is high for the network ({target}`T19`) and 1 for cosines, which know no image: a high H1 alone says
# nothing about the image in hand. {claim}`frequency-grows-with-rank` H3 depends on how alike the images are. Principal components of faces
# run along the contours of faces, and beat the network there ({target}`T20b`); those of photographs do not
# ({target}`T20b photographs`). {claim}`components-of-faces-run-along-faces`
#
# ## Architecture or training?
#
# Does a network have such a basis because of what it is or because of what it has learned? An untrained network is the one end. Of
# trained networks there are other kinds: with biases, which are not homogeneous; told $\sigma$, which are not blind; and BF-CNN, a
# chain of 21 convolutions without pooling or skips.

# %%
kinds = harmonicity.kinds((of_faces, of_chain), experiments.others(scale))
results.keep(kinds=kinds)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.10", "figure": {"name": "fig-kinds", "caption": "**Every kind of network that has learned enough faces has an adapted basis; no untrained one has.** Geometry gain H2 and alignment H4 at σ = 0.1 for the same test faces and as many vectors as the UNet of the largest N keeps; half A, with 95% intervals over faces. Dashed: 0, a basis that does not know its image."}, "image": {"alt": "Two panels, H2 and H4; in each one row for each kind of network and N, with intervals.", "classes": "dark-light"}}
rows = kinds.where(half="A")
names = {"UNet": "UNet", "BFCNN": "BF-CNN", "BiasedUNet": "UNet with biases", "ConditionalUNet": "UNet told σ"}
labels = [f"{names[row.network]}, " + (f"N = {row.n:,}" if row.n else "untrained") for row in rows]
figure, axes = plots.panels(2, columns=2, height=3, sharey=True)
for ax, index in zip(axes, ("h2", "h4"), strict=True):
    plots.dots(ax, labels, rows[index], color=plots.HALF["A"])
    ax.axvline(0, color=plots.INK, linestyle="--", linewidth=0.8)
    ax.set(xlabel=index.upper())
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: kinds of networks on faces"}
heads = {"psnr": "PSNR (dB)", "trace": "tr J", "ahead": "training images ahead (dB)"}
forms = {"ahead": "+.2f", "psnr": ".1f", "hom": ".0e", "asym": ".2f", "trace": ".0f"} | dict.fromkeys(
    ("h1", "h2", "h3", "h4"), ".2f"
)
kinds.show(
    "Kinds of networks on faces at sigma = .1",
    heads,
    network="",
    n=",",
    half="",
    parameters=",",
    images_seen=",",
    **forms,
)

# %% [markdown]
# *Is it the lack of biases, or the blindness?* Neither: H2 is {num}`kinds[network=BiasedUNet].h2.value:.2f` with biases and
# {num}`kinds[network=ConditionalUNet].h2.value:.2f` for the network that is told $\sigma$, and near 0 before training.
# {claim}`adapted-bases-are-learned`
#
# *Is it the scales and skips of the UNet?* BF-CNN has neither, and its H2 is
# {num}`kinds[network=BFCNN,n=max,half=A].h2.value:.2f`, from {num}`kinds[network=BFCNN,n=max,half=A].parameters:,` parameters (the UNet
# has {num}`kinds[network=UNet,n=max,half=A].parameters:,`). {claim}`chain-adapts-too`
#
# *Does it remember?* At the end of training with a hundred faces, training images are ahead of test images by
# {num}`kinds[network=UNet,n~100,half=A].ahead:+.2f` dB for the UNet and by
# {num}`kinds[network=BFCNN,n~100,half=A].ahead:+.2f` dB for BF-CNN. The one that remembers less has the more adapted basis, and halves
# A and B find it from other faces. {claim}`less-memory-more-adaptation` So the $N$ at which memory ends is no property of the images
# alone. The two differ in architecture and size at once, so this does not say which of these counts.
#
# ## What it comes to
#
# The eigenvectors of a trained network's Jacobian follow the image in hand: two networks that share no training image find the
# same ones, and no basis that does not know the image has their geometry gain or alignment, on faces at least. They are
# learned, and come with every kind of network that we trained. A network that averages over what the noise hides does better to
# average along contours, where neighbours are alike, than across.
#
# They are not the whole of what the network does: it amplifies along the first of them, its Jacobian is far from symmetric,
# and its symmetric part alone denoises worse. What is "harmonic" about the basis, in the sense of H1, cosines and principal
# components have too.
#
# *Limits.* Intervals are over few images and one pair of trainings; each image enters as image, as other and as third, so they are
# somewhat too narrow. Of an untrained network only the normalization has seen images.
