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
# BOX
# %% tags=["parameters"]
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring, not for training

# %%
import numpy as np
import torch

from ghr import experiments
from ghr.book import plots, results
from ghr.book.widgets import Axes, Explorer, Frame, Slider, Tile
from ghr.measure import balance, bases, harmonicity
from ghr.noise import psnr

# %% [markdown]
# ## A matrix that can be drawn
#
# CIRCLE

# %%
strengths = np.geomspace(0.01, 0.5, 25).tolist()  # noise levels
plane = bases.circle(strengths)
results.keep(circle=plane)


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.1", "code_prompt_hide": "Code: Fig. 4.1", "figure": {"name": "fig-circle", "caption": "**Along the circle a change is kept, across it it is removed; strong noise removes both.** Left: the plane of all images of two pixels, the clean ones on the grey circle; the noisy image (grey dot) with a small circle of changes, and what the best denoiser makes of both (black). Middle and right: the noisy and the denoised image. Curves, against the noise level: the eigenvalue along the circle (upper, marked) and across it (lower)."}}
def two_pixels(sigma):
    """A noisy image of two pixels and small changes of it, before and after the best denoiser."""
    row = plane.one(sigma=sigma)
    (y, changed), (x_hat, answers), ring = *bases.changes(row), bases.ring()
    lines = [(ring, 0.75, 4), (torch.cat([y, x_hat]), 0.6, 1), (changed, 0.55, 2), (y, 0.55, 4)]
    picture = plots.sketch([*lines, (answers, 0, 3), (x_hat, 0, 4)])
    shown = [image.view(1, 1, 2).expand(1, 192, 2).repeat_interleave(96, 2) for image in (y, x_hat)]
    tiles = [Tile(picture, "the plane"), Tile(shown[0], "noisy"), Tile(shown[1], "denoised")]
    words = f"along the circle a change is multiplied by {row.tangent:.2f}, across it by {row.normal:.2f}."
    return Frame(tiles, f"σ = {sigma:.2f}: {words}", (plane["tangent"], plane["normal"]), strengths.index(sigma))


noise = Slider("sigma", "noise, σ", strengths, start=strengths[12], form="{:.2f}")
Explorer(two_pixels, [noise], columns=3, axes=Axes(strengths, (0, 1.05), "noise, σ", "eigenvalues"))

# %% [markdown]
# ## A matrix for each image
#
# MATRIX

# %%
many, few = {"laptop": (32, 8)}.get(scale, (8, 4))  # test images at which whole Jacobians are taken
faces, patches, chain = studies = experiments.faces(scale), experiments.photographs(scale), experiments.chain(scale)
of_faces = bases.of_study(faces, many, few, seed=seed, thorough=True)
of_patches, of_chain = bases.of_study(patches, many, seed=seed), bases.of_study(chain, few, few, seed=seed)
anatomy = bases.anatomy(of_faces, of_patches, of_chain)
results.keep(networks=experiments.networks(*studies), anatomy=anatomy)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.2", "code_prompt_hide": "Code: Fig. 4.2", "figure": {"name": "fig-basis", "caption": "**Each image has its own waves: they keep to its contours and grow finer to the right.** Rows: a test face and a patch of a photograph, each at two noise levels. Left: noisy, and denoised by network A of the largest N. Right: eigenvectors of S by rank k, blue below zero, red above; thin lines: contours of the clean image."}, "image": {"alt": "For a face and a patch of a photograph, at two noise levels: noisy image, denoised image, and four eigenvectors with the contours of the image drawn over them.", "classes": "dark-light"}}
ranks = [k for k in (1, 8, 20, 50) if k <= faces.held_out[0].numel() // 2]
titles = ["noisy", "denoised", *(f"k = {k}" for k in ranks)]
pairs = [(one, sigma) for one in (of_faces, of_patches) for sigma in one.sigmas]
labels = [f"{'face' if one is of_faces else 'patch'}\nσ = {sigma}" for one, sigma in pairs]
rows, outlines = [one.row(1, ranks, sigma=sigma) for one, sigma in pairs], [one.x[1] for one, _ in pairs]
plots.image_grid(rows, labels, titles, signed=len(ranks), contours=outlines)

# %% [markdown]
# SLIDERS

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.3", "code_prompt_hide": "Code: Fig. 4.3", "figure": {"name": "fig-explore-basis", "caption": "**The waves grow finer as the eigenvalue falls; with few training images there are none.** A test face with noise of σ = 0.1: clean, noisy, denoised by network A of N training images, and eigenvector k of its S there, blue below zero, red above. Curve: eigenvalues by rank, the chosen one marked."}}
at_face = {n: of_faces.at[n, "A", 0.1][1] for n in faces.sizes}
x, answered = of_faces.x[1], {n: of_faces.row(1, (), n=n) for n in faces.sizes}
shown_ranks = [k for k in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377) if k <= x.numel() // 2]


def spectrum(n, k):
    """One face, its basis by network A, and an eigenvector."""
    values, notes = at_face[n].eigenvalues, [f"{psnr(x[None], each[None]).item():.1f} dB" for each in answered[n]]
    tiles = [Tile(x, "clean"), Tile(answered[n][0], "noisy", notes[0]), Tile(answered[n][1], "denoised", notes[1], "A")]
    tiles += [Tile(at_face[n].eigenvectors[k - 1], f"k = {k}", f"λ = {values[k - 1]:.2f}", "A", signed=True)]
    words = f"N = {n:,}: what lies along eigenvector {k} is multiplied by {values[k - 1]:.2f}."
    return Frame(tiles, words, values[[rank - 1 for rank in shown_ranks]].tolist(), shown_ranks.index(k))


highest = max(one.eigenvalues[0].item() for one in at_face.values()) * 1.05
size = Slider("n", "training images, N", faces.sizes, start=faces.largest, form="{:,}")
axes_of_ranks = Axes(shown_ranks, (0, highest), "rank k", "eigenvalue λ")
Explorer(spectrum, [size, Slider("k", "eigenvector, k", shown_ranks, start=21)], axes=axes_of_ranks)

# %% [markdown]
# ## What is kept?
#
# KEPT

# %%
groups = bases.coefficients(of_faces.largest(), of_faces.x, of_faces.y(0.1))
results.keep(coefficients=groups)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.4", "code_prompt_hide": "Code: Fig. 4.4", "figure": {"name": "fig-coefficients", "caption": "**Eigenvalues fall where the clean image falls below the noise, and start above the best factors.** Test faces at σ = 0.1, each in the basis of network A of the largest N for that face. Left: root mean square of the coefficients of the clean faces (blue) and of the noise (grey) by rank; dashed: σ, what noise has in a basis that does not know it. Right: eigenvalues (blue) and the factors that bring the noisy coefficients nearest to the clean ones (dashed). Ranks in groups, 95% intervals over faces."}, "image": {"alt": "Left, coefficients of clean faces fall through those of the noise. Right, eigenvalues start above one and best factors below; both fall towards zero.", "classes": "dark-light"}}
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
# ## How few waves make a face?
#
# REBUILD

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.5", "code_prompt_hide": "Code: Fig. 4.5", "figure": {"name": "fig-explore-rebuilt", "caption": "**REBUILTCAP** A test face rebuilt from K vectors, starting from the mean of the training faces: the first K eigenvectors of network A (largest N, σ = 0.1) for this face, the K of its eigenvectors with the largest coefficients, the K largest cosines, wavelets (db4) and principal components of the training faces. Below the pictures: PSNR in dB."}}
rivals, mean = bases.rivals(of_faces), faces.training(faces.largest).mean(0)
ways = {"first K eigenvectors": ("its own", "first"), "K eigenvectors": ("its own", "largest")}
ways |= {f"K {name}": (name, "largest") for name in ("cosines", "db4 wavelets", "principal")}


def rebuild(k, image):
    """One face from K vectors of several bases."""
    clean = of_faces.x[image]
    sums = [bases.partial_sum(clean, rivals[basis][image], mean, k, choice) for basis, choice in ways.values()]
    notes = [f"{psnr(clean[None], each[None]).item():.1f} dB" for each in sums]
    found = zip(sums, ways, notes, ("A", "A", "", "", ""), strict=True)
    words = f"From K = {k} vectors: {notes[0]} by the first eigenvectors, {notes[2]} by the largest cosines."
    return Frame([Tile(clean, "clean"), *(Tile(*each) for each in found)], words)


counts = Slider("k", "vectors, K", [k for k in bases.KS if k < x.numel()], start=32)
Explorer(rebuild, [counts, Slider("image", "test face", range(8), [0, 1, 2], 1)], columns=3)

# %%
curves = bases.rebuilt(of_faces)
results.keep(rebuilt=curves)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.6", "code_prompt_hide": "Code: Fig. 4.6", "figure": {"name": "fig-rebuilt", "caption": "**CURVECAP** PSNR of test faces rebuilt from K vectors, against K, with 95% intervals over faces. Blue: the network's eigenvectors for that face, the first K (solid) and those of the K largest coefficients (dashed); dotted: for another face. Green: principal components. Dark: cosines (dashed) and db4 wavelets (dotted). All but the first by largest coefficients."}, "image": {"alt": "PSNR against the number of vectors for six bases.", "classes": "dark-light"}}
figure, (ax,) = plots.panels(1, height=2.8)
drawn = [*ways.values(), ("another image's", "largest")]
colours = [*[plots.HALF["A"]] * 2, *[plots.INK] * 2, plots.WIENER, plots.HALF["A"]]
for (basis, choice), colour, line in zip(drawn, colours, ("-", "--", "--", ":", "-", ":"), strict=True):
    curve = curves.where(basis=basis, choice=choice)
    plots.band(ax, curve["k"], curve["psnr"], color=colour, linestyle=line, label=f"{basis}, {choice}")
ax.set(xlabel="K, vectors", ylabel="PSNR (dB)", xscale="log")
plots.legend(ax)
plots.Picture(figure)

# %% [markdown]
# ## What the picture leaves out
#
# ASYM

# %%
levels = balance.levels(*studies, tested=2 * many, seed=seed)
wide = balance.levels(experiments.flagship(scale), tested=2 * many, seed=seed)
pairs_of_bases = bases.singular(of_faces)
results.keep(levels=levels, wide=wide, singular=pairs_of_bases)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.7", "code_prompt_hide": "Code: Fig. 4.7", "figure": {"name": "fig-symmetric", "caption": "**ASYMCAP** Test faces, half A, one colour for each N, with 95% intervals over 64 faces, against input PSNR. Left: how many dB better f(y) is than Sy; dashed: a network of twice the width and four times the training. Right: SC, the error over what the kept dimensions account for; dashed: 1, the optimum."}, "image": {"alt": "Left, PSNR of the network over that of its symmetric part against input PSNR, one curve for each N. Right, self-consistency: near one at large N, far above at small N.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.9)
for n, curve in levels.where(images=faces.name, network="UNet").by("n"):
    for ax, field in ((left, "loss"), (right, "sc")):
        plots.band(ax, curve["input_psnr"], curve[field], color=plots.shade(n, faces.sizes), label=f"N = {n:,}")
plots.band(left, wide["input_psnr"], wide["loss"], color=plots.shade(faces.largest, faces.sizes), linestyle="--")
right.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
left.set(xlabel="input PSNR (dB)", ylabel="f(y) over Sy (dB)")
right.set(xlabel="input PSNR (dB)", ylabel="SC", yscale="log")
for ax in (left, right):
    plots.noise_axis(ax)
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% [markdown]
# SINGULAR

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.8", "code_prompt_hide": "Code: Fig. 4.8", "figure": {"name": "fig-singular", "caption": "**SINGCAP** Test faces at σ = 0.1, network A of the largest N, against K, with 95% intervals over faces. Left: how much of the span of one kind of K vectors lies in that of another; grey: chance. Right: share of f(y) that is left out by K terms of the singular expansion (dark) and of the expansion in eigenvectors of S (blue)."}, "image": {"alt": "Left, agreement of left and right singular vectors and of both with eigenvectors, against K. Right, the share of the answer left out by K terms: the singular expansion falls to zero, the symmetric one levels off.", "classes": "dark-light"}}
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
# ## How the basis appears
#
# APPEARS

# %%
shared, growth = bases.agreement(of_faces, of_patches, of_chain), harmonicity.growth(of_faces)
results.keep(agreement=shared, growth=growth, seen=harmonicity.seen(of_faces))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.9", "code_prompt_hide": "Code: Fig. 4.9", "figure": {"name": "fig-seen", "caption": "**SEENCAP** Networks of half A at their own training face and at a test face, σ = 0.1: noisy, denoised, and eigenvectors by rank; thin lines: contours of the clean face."}, "image": {"alt": "Four rows: two numbers of training images, each at a training and at a test face: noisy, denoised, four eigenvectors.", "classes": "dark-light"}}
places = [(n, training) for n in of_faces.seen for training in (True, False)]
both = [of_faces.row(1, ranks, n=n, training=training) for n, training in places]
names = [f"N = {n:,}\n{'training' if training else 'test'}" for n, training in places]
faces_of_rows = [of_faces.training(n)[1] if training else of_faces.x[1] for n, training in places]
plots.image_grid(both, names, titles, signed=len(ranks), contours=faces_of_rows)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.10", "code_prompt_hide": "Code: Fig. 4.10", "figure": {"name": "fig-agreement", "caption": "**From different images two networks come to one basis, and it follows the image.** Test faces at σ = 0.1, against N, with 95% intervals over faces. Left: alignment of the kept dimensions of networks A and B at one face (dark), of network A at two faces (dotted), and by chance (grey). Right: geometry gain H2 of the network's basis, defined below; half A blue, half B orange; 0 does not know the image."}, "image": {"alt": "Left, alignment of two networks' bases against N, above that at two images and chance. Right, geometry gain of both halves, rising with N.", "classes": "dark-light"}}
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

# %% [markdown]
# HARMONIC

# %%
indices, margins = harmonicity.harmonicity(of_faces, of_patches, of_chain)
results.keep(indices=indices, margins=margins)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.11", "code_prompt_hide": "Code: Fig. 4.11", "figure": {"name": "fig-rival-bases", "caption": "**RIVALCAP** The four indices of the network's basis and of four that cannot know the image, at σ = 0.1, half A of the largest N, with 95% intervals over test images; faces blue, photographs grey. Of H3 less is better, of the others more. Dashed: 0, and 1 for H3."}, "image": {"alt": "Four panels, one for each index; in each, five rows for the network's own basis and its controls, with an interval for faces and one for photographs.", "classes": "dark-light"}}
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
# VERDICT

# %%
kinds = harmonicity.kinds((of_faces, of_chain), experiments.others(scale))
results.keep(kinds=kinds)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 4.12", "code_prompt_hide": "Code: Fig. 4.12", "figure": {"name": "fig-kinds", "caption": "**Every kind of network that has learned enough faces has an adapted basis; no untrained one has.** Geometry gain H2 and alignment H4 at σ = 0.1 for the same test faces and as many vectors as the UNet of the largest N keeps; half A, with 95% intervals over faces. Dashed: 0, a basis that does not know its image."}, "image": {"alt": "Two panels, H2 and H4; in each one row for each kind of network and N, with intervals.", "classes": "dark-light"}}
of_half, called = kinds.where(half="A"), {"BFCNN": "BF-CNN", "BiasedUNet": "with biases", "ConditionalUNet": "told σ"}
training_of = [f"N = {row.n:,}" if row.n else "untrained" for row in of_half]
row_names = [f"{called.get(row.network, row.network)}, {n}" for row, n in zip(of_half, training_of, strict=True)]
figure, axes = plots.panels(2, columns=2, height=3, sharey=True)
for ax, index in zip(axes, ("h2", "h4"), strict=True):
    plots.dots(ax, row_names, of_half[index], color=plots.HALF["A"])
    ax.axvline(0, color=plots.INK, linestyle="--", linewidth=0.8)
    ax.set(xlabel=index.upper())
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: kinds of networks on faces", "code_prompt_hide": "Table: kinds of networks on faces"}
forms = {"n": ",", "half": "", "parameters": ",", "ahead": "+.2f", "psnr": ".1f", "asym": ".2f", "trace": ".0f"}
units = {"ahead": "training images ahead (dB)", "psnr": "PSNR (dB)", "trace": "tr J"}
kinds.show("Kinds of networks on faces at sigma = .1", units, network="", **forms, h2=".2f", h4=".2f")

# %% [markdown]
# KINDS
