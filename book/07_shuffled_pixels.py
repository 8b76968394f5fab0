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
# # Shuffled pixels
#
# ```{admonition} In short
# **Claim.** The harmonic basis is an inductive bias: the network brings it along, whether or not it suits the images.
# Faces whose pixels are all permuted alike are such a case {cite:p}`kadkhodaie2024generalization`: their best denoiser
# is that of faces, permuted with them; the network's bias is not.
#
# **What we find.** A shuffle costs the network decibels, {claim}`shuffling-costs` the more the larger its blocks.
# {claim}`larger-blocks-cost-more` After a whole shuffle it is worse than an affine map that is told σ ({target}`T18d`),
# {claim}`shuffled-lose-to-wiener` and its basis is less harmonic than an untrained network's: that it brings harmonics
# along is not shown. {claim}`trained-is-less-harmonic-than-untrained`
#
# **The figure.** {numref}`fig-shuffled`.
# ```
#
# We permute the pixels of all faces alike, in the whole image or inside blocks, and train the network again: same
# faces, initial weights and recipe.

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 1  # of the noise used for measuring, not for training; 0 made the permutation

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
import numpy as np
import torch

from ghr import experiments, harmonic, noise, recipes
from ghr.book import plots, results
from ghr.denoiser import denoise
from ghr.images.synthetic import shuffle
from ghr.measure import shuffles
from ghr.measure.denoising import networks
from ghr.tables import Table

n = recipes.table(scale, "avatars")[-1].n  # the largest N
faces = experiments.faces(scale, [n], like="classes")
shuffled = sorted(experiments.classes(scale, "avatars-shuffled"), key=shuffles.side)
studies, x, d = [faces, *shuffled], faces.held_out[:300], faces.held_out[0].numel()
denoisers = {shuffles.side(study): study.denoisers[n, "A"] for study in studies}  # by the side of the blocks
blocks = list(denoisers)
names = {block: f"blocks of {block}" for block in blocks} | {1: "faces", blocks[-1]: "whole image"}
results.keep(networks=networks(*studies))

# %% [markdown]
# If $f$ is the best denoiser of faces and $P$ the permutation, that of shuffled faces is
#
# $$f_P(y) = P f(P^{-1} y),$$ (eq-permuted)
#
# since white noise looks the same in any order. Its error is that of $f$; its Jacobian $P J P^{-1}$ has the same
# eigenvalues, and eigenvectors with their pixels permuted. Learners that treat pixels as a list, as Wiener and the
# memorizing optimum do, lose nothing by a shuffle. {claim}`lists-of-pixels-lose-nothing`
#
# ## What is lost?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 7.1", "figure": {"name": "fig-shuffled", "caption": "**From top to bottom the face is lost, though all rows had the same face and the same noise.** “Back”: the answer with its pixels put back. The best denoiser would give one face in every row."}, "image": {"alt": "A test face, its shuffled versions by size of the blocks, noisy at two levels, denoised, and denoised with the pixels put back.", "classes": "dark-light"}}
face, rows = faces.held_out[4:5], []
for block, f in denoisers.items():
    row = [shuffle(face, block)]
    for sigma in (0.1, 0.3):
        y = shuffle(noise.add_noise(face, sigma, torch.Generator().manual_seed(seed)), block)
        x_hat = denoise(f, y, sigma)
        row += [y, x_hat, shuffle(x_hat, block, inverse=True)]
    rows.append(torch.cat(row))
labels = [name.replace(" ", "\n", 1) for name in names.values()]
plots.image_grid(rows, labels, ["clean", "σ = 0.1", "denoised", "back", "σ = 0.3", "denoised", "back"])

# %%
measured, wiener = shuffles.of_studies(studies, x, seed)  # squared errors by side of the blocks
half_b = shuffles.errors_on_faces(faces.denoisers[n, "B"], x, 1, seed=seed)
losses = shuffles.losses(measured, wiener, half_b)
deficit = shuffles.deficit(measured, losses)
controls = shuffles.controls(wiener, faces, shuffled[-1], seed=seed)
averages = shuffles.averages(x, blocks)
results.keep(losses=losses, deficit=deficit, controls=controls, averages=averages)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 7.2", "figure": {"name": "fig-loss", "caption": "**The larger the blocks, the more a shuffle costs; shuffled as a whole, the network is worse than an affine map.** {claim}`larger-blocks-cost-more` {claim}`shuffled-lose-to-wiener` Test faces, with 95% intervals. Left: PSNR of faces less that of shuffled ones; dotted: what half B is behind half A, the measure of chance; shaded: σ = 0.1 to 0.5."}, "image": {"alt": "Left, PSNR lost by shuffling against input PSNR, one curve for each block size, and a curve for the other half. Right, PSNR of each network less Wiener's against input PSNR.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.9)
left.axvspan(*(-20 * np.log10(shuffles.JUDGED)), color=plots.FAINT, alpha=0.3, linewidth=0)
for block, rows in losses.where(half="A").by("block"):
    style = {"color": plots.shade(block, blocks), "label": names[block]}
    plots.band(left, rows["input_psnr"], rows["lost"], **style)
    plots.band(right, rows["input_psnr"], rows["over_wiener"], **style)
rows = losses.where(half="B")
plots.band(left, rows["input_psnr"], rows["lost"], color=plots.HALF["B"], linestyle=":", label="faces, half B")
left.set(xlabel="input PSNR (dB)", ylabel="PSNR lost by shuffling (dB)")
right.set(xlabel="input PSNR (dB)", ylabel="network − Wiener (dB)")
right.axhline(0, color=plots.INK, linewidth=0.6)
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: losses at three noise levels"}
named = Table(tuple(row for row in losses if row.sigma in shuffles.NAMED))
heads = {"block": "blocks of", "lost": "lost (dB)", "over_wiener": "over Wiener (dB)"}
named.show("PSNR lost by shuffling, and PSNR over Wiener", heads, block="", half="", sigma="", lost=".2f", over_wiener=".2f")

# %% [markdown]
# From $\sigma = 0.1$ to $0.5$ a whole shuffle costs at least {num}`deficit.least_loss:.1f` dB, {claim}`shuffling-costs`
# far more than two trainings on different faces differ. {claim}`loss-is-more-than-chance`
#
# Does the network still beat Wiener? On faces it does, at each of these noise levels, {claim}`faces-beat-wiener` from
# blocks of 4 pixels on at none: {claim}`blocks-of-four-lose-to-wiener` it has not found even the best affine map. In
# the second half of training the loss hardly shrinks: {claim}`loss-hardly-shrinks` training may be too short or the
# network too small, so little follows about the basis that it would prefer in the end.

# %%
trails = shuffles.trails(studies)
results.keep(trails=trails)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: does the loss by shuffling shrink as training goes on?", "code_prompt_hide": "Figure: does the loss by shuffling shrink as training goes on?", "figure": {"name": "fig-log-shuffled", "caption": "**The loss by a whole shuffle stays as training goes on.** {claim}`loss-hardly-shrinks` Left: output PSNR at input 20 dB, training images solid, test images dotted."}, "image": {"alt": "Left, PSNR against images seen on a log axis for faces and shuffled faces. Right, loss against images seen.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.6)
for block, rows in trails.by("block"):
    colour = plots.shade(block, blocks)
    left.plot(rows["images_seen"], rows["train"], "-", color=colour, label=names[block])
    left.plot(rows["images_seen"], rows["test"], ":", color=colour)
    right.plot(rows["images_seen"], rows["lost"], color=colour, marker="o", markersize=3)
left.axhline(20, color=plots.FAINT)
left.set(xlabel="images seen", ylabel="output PSNR (dB)", xscale="log")
right.set(xlabel="images seen", ylabel="lost by shuffling (dB)", xscale="log")
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% [markdown]
# ## Which basis does it find?
#
# As in [chapter 4](04_adaptive_basis.py) we look at eigenvectors of the symmetric part of $J$. A network as free as the
# optimum would have those of the network of faces, once its pixels are put back.

# %%
chosen = faces.held_out[: 5 if scale == "smoke" else 32]
filters = shuffles.filters(studies, chosen, seed=seed)  # networks as matrices, by the side of the blocks
principal = harmonic.principal(faces.training(n), d // 2).float()
kept = shuffles.kept(filters, principal)
spectra = shuffles.spectra(filters, np.unique(np.geomspace(1, d // 2, 30).round().astype(int)).tolist())
before = shuffles.untrained(shuffled[-1], chosen, seed=seed)
harmonicity = shuffles.harmonicity(filters, chosen, principal, before)
frequencies = shuffles.frequencies(filters, before)
results.keep(kept=kept, spectra=spectra, harmonicity=harmonicity, frequencies=frequencies)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: which vectors after which shuffle?", "code_prompt_hide": "Figure: which vectors after which shuffle?", "figure": {"name": "fig-shuffled-basis", "caption": "**After a whole shuffle the first vectors, put back, are those of a mean face; what follows is noise on both grids.** {claim}`few-modes-then-noise` σ = 0.3; blue below zero, red above; as the network sees them, and put back."}, "image": {"alt": "For faces and each shuffle: noisy image, denoised image, and eigenvectors by rank, as they are and with the pixels put back."}}
ranks, of_face, labels = torch.tensor([1, 3, 8, 20, 50]), [], []
noisy = noise.add_noise(chosen, shuffles.BASES_AT, torch.Generator().manual_seed(seed))
for block, f in denoisers.items():
    y = shuffle(noisy, block)[4:5]
    row = torch.cat([y, denoise(f, y, shuffles.BASES_AT), filters[block][4].eigenvectors[ranks - 1]])
    of_face += [row] if block == 1 else [row, shuffle(row, block, inverse=True)]
    labels += [names[block].replace(" ", "\n", 1), "back"][: 1 if block == 1 else 2]
plots.image_grid(of_face, labels, ["noisy", "denoised", *(f"k = {k}" for k in ranks)], signed=len(ranks))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 7.5", "figure": {"name": "fig-fly", "caption": "**With its pixels put back, the network of shuffled faces knows a blurred face, and after a few vectors nothing.** A noisy face (σ = 0.3), the answer and eigenvectors, on the grid that the network sees and put back. Live: pixels fly, for other blocks, faces and noise; below, the network of faces, which the best denoiser of shuffled faces would equal."}}
from ghr.book import told
from ghr.book.live import Live

at_face = {block: filters[block][4] for block in blocks}
fly_told = told.shuffled(chosen[4:5], noisy[4:5], denoisers, at_face, shuffles.BASES_AT)
seen = [row[: 2 + len(told.RANKS)] for row in of_face[-2:]]
titles = ["noisy", "denoised", *(f"k = {k}" for k in told.RANKS)]
still = plots.image_grid(seen, ["as seen", "put back"], titles, signed=len(told.RANKS))
alt = "Pictures and eigenvectors of a shuffled face as its network sees them, and with the pixels put back: a blurred face, then noise."
sets = {block: study.name for block, study in zip(blocks, studies, strict=True)}
Live("fly", still, alt, networks=" ".join(sets.values()), sets=sets, face=4, **fly_told)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: how fast do eigenvalues fall?", "code_prompt_hide": "Figure: how fast do eigenvalues fall?", "figure": {"name": "fig-shuffled-eigenvalues", "caption": "**The more is shuffled, the longer the tail of eigenvalues.** {claim}`shuffled-network-keeps-more` σ = 0.3, with 95% intervals; the optimum has one curve for all. Crosses: the paper's, of 80 x 80 pixels."}, "image": {"alt": "Eigenvalues against rank for faces and shuffled faces, with five numbers from the paper.", "classes": "dark-light"}}
figure, (ax,) = plots.panels(1, height=2.8)
for limit in (0, 1):
    ax.axhline(limit, color=plots.FAINT, linewidth=0.8)
for block, rows in spectra.by("block"):
    plots.band(ax, rows["rank"], rows["value"], color=plots.shade(block, blocks), label=names[block])
ax.plot(shuffles.PAPER.keys(), shuffles.PAPER.values(), "x", color=plots.INK, label="paper, whole image")
ax.set(xlabel="rank k", ylabel="eigenvalue", xscale="log")
plots.legend(ax)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: dimensions and alignment of bases"}
heads = {
    "block": "blocks of",
    "trace": "tr J",
    "consistency": "SC",
    "as_faces": "in the faces' network's",
    "as_principal": "in principal components",
    "as_next": "in its own at the next face",
}
kept.show("Jacobians and alignment of bases", heads, block="", trace=".0f", consistency=".2f", asym=".2f", as_faces=".2f", as_principal=".2f", as_next=".2f")

# %% [markdown]
# The network of the whole shuffle keeps more dimensions, {claim}`shuffled-network-keeps-more` and others: put back, its
# basis is {term}`aligned <alignment>` with that of faces to {num}`kept[block=max].as_faces.value:.2f`, by chance it
# would be {num}`kept[block=max].chance:.2f`. {claim}`shuffled-basis-is-not-of-faces`
#
# ## Harmonic on which grid?
#
# A network that brings harmonics along has them on the grid that it *sees*; a free one has them on the grid of *faces*.
# So we take H1, whether frequency grows with rank, on both. An *untrained* network is the control: what it has is the
# architecture's.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 7.7", "figure": {"name": "fig-grids", "caption": "**On the grid that it sees, the trained network's basis is less harmonic than the untrained one's.** {claim}`trained-is-less-harmonic-than-untrained` H1 at σ = 0.3, with 95% intervals. Moved along: the basis of faces, its pixels shuffled, which a free network would have."}, "image": {"alt": "Dots with intervals, a row for each basis and grid.", "classes": "dark-light"}}
figure, (ax,) = plots.panels(1, height=2.4)
shown = Table(tuple(row for row in harmonicity if row.block in (1, blocks[-1])))
plots.dots(ax, [f"{row.basis}, {row.grid} grid" for row in shown], shown["h1"], color=plots.INK)
ax.set(xlabel="H1")
ax.axvline(0, color=plots.FAINT)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: harmonicity on both grids"}
harmonicity.show("Harmonicity of bases", {"block": "blocks of"}, block="", basis="", grid="", h1=".2f", h2=".2f", h3=".2f", h4=".2f")

# %% [markdown]
# On the grid that it sees H1 is {num}`harmonicity[block=max,basis=its network].h1:.2f`, of an untrained network
# {num}`harmonicity[basis=an untrained network].h1.value:.2f`. {claim}`trained-is-less-harmonic-than-untrained` Put back
# it is not shown to be more, {claim}`not-shown-more-harmonic-when-put-back` and less than that of the network of faces:
# {claim}`not-harmonic-when-put-back` after a few modes of faces its vectors are nearly random on both grids.
# {claim}`few-modes-then-noise`

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: how rough are the vectors?", "code_prompt_hide": "Figure: how rough are the vectors?", "figure": {"name": "fig-frequencies", "caption": "**The whole shuffle's network knows a few modes of faces; what follows is nearly as rough as chance on both grids.** {claim}`few-modes-then-noise` σ = 0.3, with 95% intervals. Dotted: random vectors."}, "image": {"alt": "Squared frequency against rank: low and rising for the network of faces; for the whole shuffle low for the first ranks when put back, then at the level of random vectors.", "classes": "dark-light"}}
figure, (ax,) = plots.panels(1, height=2.6)
styles = [(plots.INK, "-"), (plots.HALF["A"], "--"), (plots.HALF["A"], "-"), (plots.TRAINING, "-")]
for (name, rows), (colour, line) in zip(frequencies.by("basis"), styles, strict=True):
    middle = [(row.first * row.last) ** 0.5 for row in rows]
    plots.band(ax, middle, rows["frequency"], color=colour, linestyle=line, marker="o", markersize=3, label=name)
ax.axhline(frequencies["random"][0], color=plots.INK, linestyle=":", linewidth=1)
ax.set(xlabel="rank k", ylabel="squared frequency", xscale="log", ylim=(0, None))
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% [markdown]
# ## What it comes to
#
# The paper finds networks of shuffled faces worse than the optimum. So do we. {claim}`shuffling-costs` That the network
# *brings the harmonic basis along* we do not find. {claim}`trained-is-less-harmonic-than-untrained`
#
# *Why does it lose?* A permutation keeps all moments of the pixels and all distances between images. It changes who is
# neighbour to whom, and a convolutional network joins and pools neighbours, with the same weights everywhere.
#
# *Limits.* One training for each shuffle, of this size and length.
