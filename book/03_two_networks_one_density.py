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
# # Two networks, one density
#
# ```{admonition} In short
# **Claim.** For large $N$ two networks trained on sets that share no image compute the *same function*, and draw the
# same new image from the same noise. So they have learned the density that both sets come from
# {cite:p}`kadkhodaie2024generalization`.
#
# **What we found.** They draw nearly the same face, and it is no training image.
# {claim}`two-networks-draw-one-new-image` Much of that likeness is in their common start; beyond it they still agree.
# {claim}`networks-agree-beyond-wiener` A UNet agrees with a smaller network of another kind much less, and equally well
# whether that one had the same images or others. {claim}`images-exchanged-cost-nothing`
# {claim}`architecture-exchanged-costs-much`
#
# **The figure:** {numref}`fig-beyond`; to look at, {numref}`fig-samples`.
# ```
#
# Half A is blue, half B orange; bands and bars are 95% intervals.

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring and sampling, not for training
sizes = None  # these N only, e.g. [100, 30000] (None: all)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
import numpy as np

from ghr import experiments, sampling
from ghr.book import plots, results
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.measure import agreement, beyond, densities, gaussian_fields, samples
from ghr.measure.realism import realism as told_apart
from ghr.tables import Table

faces, patches = experiments.faces(scale, sizes), experiments.photographs(scale, sizes)
few, many = (16, 16) if scale == "smoke" else (64, samples.SEEDS_LARGEST)  # sampling seeds

# %% [markdown]
# ## Do two networks compute the same function?
#
# We show both one noisy test face. Two memories, the memorizing optima $m_A$ and $m_B$ of the two halves, would answer
# with two faces. Their distance is our unit:
#
# $$U(\sigma) = \frac{\mathbb{E}\,\|f_A(y) - f_B(y)\|^2}{\mathbb{E}\,\|m_A(y) - m_B(y)\|^2}$$ (eq-disagreement)
#
# is 0 for one function and 1 for two memories.

# %%
distance, agreements = agreement.agreement(faces, seed=seed)
results.keep(distance=distance, agreement=agreements)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.1", "code_prompt_hide": "Code: Fig. 3.1", "figure": {"name": "fig-variance", "caption": "**Networks of many images are far closer to each other than two memories are, and than either is to the truth.** {claim}`networks-are-no-two-memories` {claim}`most-of-the-error-is-shared` Right: closeness, the PSNR of one answer against the other (solid) and against the truth (dotted)."}, "image": {"alt": "Left, disagreement over that of memorizers against input PSNR, below one at small N and far lower at large N. Right, closeness in dB: at the largest N the networks are closer to each other than to the truth.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.8)
for n, curve in distance.by("n"):
    plots.band(left, curve["input_psnr"], curve["u"], color=plots.shade(n, faces.sizes), label=f"N = {n:,}")
three = sorted({faces.few, faces.sizes[len(faces.sizes) // 2], faces.largest})
for n, curve in [(n, distance.where(n=n)) for n in three]:
    plots.band(right, curve["input_psnr"], curve["apart"], color=plots.shade(n, faces.sizes))
    plots.band(right, curve["input_psnr"], curve["error"], color=plots.shade(n, faces.sizes), linestyle=":")
left.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
left.set(xlabel="input PSNR (dB)", ylabel="disagreement U", yscale="log")
right.set(xlabel="input PSNR (dB)", ylabel="closeness (dB)")
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% [markdown]
# At $\sigma$ = .1 and the largest $N$, $U$ is {num}`distance[n=max,sigma=0.1].u.value:.3f`: nearly one
# function. {claim}`networks-are-no-two-memories` Networks of few images stay below 1, too: to a *new* face they do not
# answer as the exact memory does. (At strong noise $U$ rises to
# {num}`distance[n=max,sigma>=0.05,sigma<=1,u=max].u.value:.2f`, since memories of large sets come together and the unit
# shrinks; {target}`T9d`.) Most of their error the networks share: at $\sigma$ = .1 they differ in only
# {num}`distance[n=max,sigma=0.1].variance.value:.2f` of it. {claim}`most-of-the-error-is-shared`
#
# ## Data or chance?
#
# Two trainings differ in their images and in a seed, which draws initial weights, noise and order. Two more take these
# apart: A's images with B's seed, and B's with A's. (These four are of the first edition.)

# %%
crossed, pairs, chances = agreement.chance(experiments.controls(scale, sizes), seed)
results.keep(crossed=crossed, pairs=pairs, chances=chances)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.2", "code_prompt_hide": "Code: Fig. 3.2", "figure": {"name": "fig-controls", "caption": "**At the larger N another seed alone (dotted) sets networks as far apart as another half and seed (broad).** {claim}`chance-keeps-the-networks-apart` Network A and three others, test faces."}, "image": {"alt": "Closeness in dB against input PSNR for three pairs of networks: other images and other seed, other images and same seed, same images and other seed.", "classes": "dark-light"}}
broad = {"color": plots.TRAINING, "linewidth": 5, "alpha": 0.5}
lines = {"images and seed": broad, "images": {"linestyle": "--"}, "seed": {"linestyle": ":", "linewidth": 2}}
figure, axes = plots.panels(len(set(chances["n"])), columns=2, height=2.6, sharey=True)
for ax, (n, curves) in zip(axes, crossed.where(one="A").by("n"), strict=True):
    for differs, curve in curves.by("differs"):
        style = {"color": plots.INK, "label": f"other {differs}", **lines[differs]}
        plots.band(ax, curve["input_psnr"], curve["apart"], **style)
    ax.set(title=f"N = {n:,}", xlabel="input PSNR (dB)", ylabel="closeness (dB)")
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% [markdown]
# At the smaller $N$ images count: two halves disagree {num}`chances[n=min,half=A].over_seed.value:.1f` times as much as
# two seeds of one half. {claim}`images-count-in-small-sets` At the larger the ratio is
# {num}`chances[n=max,half=A].over_seed.value:.2f` ({target}`T9e`): both together set networks no farther apart than
# another seed alone. {claim}`chance-keeps-the-networks-apart` Other images alone (dashed) do less than a seed alone,
# and more than half as much. {claim}`images-alone-do-less-than-a-seed`
#
# ## Same noise, two networks: the same new image?
#
# Both walk from the *same* noise by the deterministic sampler of chapter 1. Below each sample stands the training image
# most similar to it by **centred cosine**: the correlation of their pixels, 1 if they are equal up to brightness and
# contrast.

# %%
drawn = samples.draw(faces, samples.seeds(faces, seed, many))
alike, near = samples.compare(drawn)
moved = samples.moved(drawn)
results.keep(alike=alike, near=near, moved=moved)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.3", "code_prompt_hide": "Code: Fig. 3.3", "figure": {"name": "fig-samples", "caption": "**At the smallest N samples are training images, A's other than B's; at the largest they are none, and A's is nearly B's.** {claim}`ten-images-are-drawn-again` {claim}`the-largest-set-is-not-copied` Each column starts from one noise."}, "image": {"alt": "Grid of sampled faces in blocks by N, each sample above its nearest training image: equal to it up to brightness and contrast at the smallest N, another face at the largest, where A's and B's are alike.", "classes": "dark-light"}}
keys = [(n, half) for n in three for half in "AB"]
labels = [label for n, half in keys for label in (f"N = {n:,}\nsample {half}", f"nearest\nin {half}")]
plots.image_grid([row for key in keys for row in drawn.beside(*key)], labels)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.4", "code_prompt_hide": "Code: Fig. 3.4", "figure": {"name": "fig-explore-seed", "caption": "**Keep the seed and raise N: samples leave their training images and become one.** Below: centred cosine."}}
def sampled(n, number):
    """Samples of A and B from one seed, and their nearest training images."""
    tiles, near = [], []
    for half in "AB":
        (sample,), (known,) = drawn.beside(n, half, slice(number, number + 1))
        near.append(drawn.nearest[n, half][0][number].item())
        tiles += [Tile(sample, f"sample {half}", "", half), Tile(known, f"nearest in {half}", f"{near[-1]:.2f}", half)]
    words = f"the two samples are similar by {drawn.alike(n)[number]:.2f}; each to its nearest training image by"
    return Frame(tiles, f"N = {n:,}, seed {number}: {words} {near[0]:.2f} (A) and {near[1]:.2f} (B).")


every = Slider("n", "training images, N", faces.sizes, start=faces.largest, form="{:,}")
Explorer(sampled, [every, Slider("number", "seed", range(min(map(len, drawn.seeds.values()))), range(8))])

# %% [markdown]
# From a noise of your own; guess first:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.5", "code_prompt_hide": "Code: Fig. 3.5", "figure": {"name": "fig-draw", "caption": "**From one noise, networks of few images draw two images, networks of many draw one that neither has seen.** Beside them, the nearest training images (above N = 100, among the most similar)."}}
import torch

from ghr.book.live import Live

begin, one_start = sampling.gaussian_start(faces.held_out, [1000 * seed]), []
for n in (faces.few, faces.largest):
    both = [image for half in "AB" for image in drawn.beside(n, half, slice(1))]
    one_start.append(torch.cat([begin, *both]))
titles = ["noise", "A draws", "nearest in A", "B draws", "nearest in B"]
still = plots.image_grid(one_start, [f"N = {n:,}" for n in (faces.few, faces.largest)], titles)
alt = "A noise, samples of networks A and B from it and their nearest training images: two copies at the smallest N, one new face at the largest."
Live("draw", still, alt, networks="avatars")

# %% [markdown]
# Medians over seeds say how alike: $c_{AB}$, A's and B's sample of one noise; $c_{NN}$, a sample and its
# nearest training image; $c_{null}$, a *new* face and its nearest, which says how near is near. Beside them, the share
# of {term}`copies <copy>`: samples that are three times nearer to one training image than to any other
# {cite:p}`yoon2023diffusion`, and the same for *rays*, training images in whatever tone.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.6", "code_prompt_hide": "Code: Fig. 3.6", "figure": {"name": "fig-similarity", "caption": "**With more images the samples of A and B become alike, and no nearer to the training set than a new face is.** {claim}`samples-are-no-nearer-than-new-images` Right: share of A's samples that are nearer to B's than to any training image, and that are copies. Networks without constants copy in other tones, which only rays find."}, "image": {"alt": "Left, three similarities against N: A against B falls, then rises to nearly 1, sample against training set falls to the dashed null. Right, the share of seeds where B's sample is nearest rises from 0 to 1, the shares of copies fall to 0.", "classes": "dark-light"}}
a = near.where(half="A")
figure, (left, right) = plots.panels(2, columns=2, height=2.8)
plots.band(left, alike["n"], alike["same_noise"], color=plots.INK, marker="o", label="A and B")
plots.band(left, a["n"], a["nearest"], color=plots.TRAINING, marker="s", label="sample, nearest in A")
plots.band(left, a["n"], a["null"], color=plots.INK, linestyle="--", label="held out, nearest in A")
for field, line, label in (("closer", "-", "B nearest"), ("copies", "--", "copies"), ("ray_copies", ":", "copies of rays")):
    plots.band(right, a["n"], a[field], color=plots.HALF["A"], linestyle=line, marker="o", label=label)
left.set(xlabel="N, training images", ylabel="centred cosine, median", xscale="log")
right.set(xlabel="N, training images", ylabel="share of seeds", xscale="log")
for ax in (left, right):
    plots.legend(ax, above=True)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: nearness of samples, both halves", "code_prompt_hide": "Table: nearness of samples, both halves"}
near.show(n=",", half="", nearest=".2f", null=".2f", closer=".2f", copies=".2f", ray_copies=".2f")

# %% [markdown]
# At $N$ = 10 each network draws its own faces. {claim}`ten-images-are-drawn-again` At the largest, A and B agree to
# $c_{AB}$ = {num}`alike[n=max].same_noise:.2f`, no sample is a copy, {claim}`the-largest-set-is-not-copied` and samples
# are no nearer to the training set, mirrored or shifted as well, than new faces are.
# {claim}`samples-are-no-nearer-than-new-images`
#
# ## How much of it is in the start?
#
# The start has the covariance of faces, hence the coarse shape of one face. From it the {term}`Wiener denoiser` draws a
# cloud, to which the network's face is similar by {num}`beyond[n=max].floor.value:.2f`. The clouds of A and B agree
# even more than their faces do. {claim}`wiener-agrees-too` So $c_{AB}$ alone is no evidence.
#
# We compare what each network draws *beyond* Wiener, its sample less the Wiener sample $W$ of the same images and
# noise: $\rho(A - W_A,\, B - W_B)$, with $\rho$ the centred cosine.

# %%
walks = beyond.wiener(drawn)
shared, ahead = beyond.compare(drawn, walks, near)
results.keep(beyond=shared, ahead=ahead)

# %%
patch_drawn = samples.draw(patches, samples.seeds(patches, seed, many))
patch_alike, patch_near = samples.compare(patch_drawn)
patch_beyond, patch_ahead = beyond.compare(patch_drawn, beyond.wiener(patch_drawn), patch_near)
results.keep(patch_alike=patch_alike, patch_near=patch_near, patch_beyond=patch_beyond, patch_ahead=patch_ahead)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.7", "code_prompt_hide": "Code: Fig. 3.7", "figure": {"name": "fig-beyond", "caption": "**Beyond what is in the start, networks of many images still agree, more than with any training image.** {claim}`networks-agree-beyond-wiener` {claim}`closer-than-any-training-image-beyond-wiener` Medians over seeds. Beyond Wiener: both less the Wiener sample of the first one's noise."}, "image": {"alt": "Similarities against N, faces and photographs. A and B rise to nearly 1; the floor ends near .9; beyond Wiener similarity rises from zero and crosses the falling nearness to training images.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.8, sharey=True)
for ax, name, table, near_a in zip(axes, ("faces", "photographs"), (shared, patch_beyond), (ahead, patch_ahead), strict=True):
    plots.band(ax, table["n"], table["same_noise"], color=plots.INK, linestyle="--", label="samples: A and B")
    plots.band(ax, table["n"], table["floor"], color=plots.WIENER, marker="s", label="samples: A and Wiener's")
    plots.band(ax, table["n"], table["residual"], color=plots.INK, marker="o", label="beyond Wiener: A and B")
    plots.band(ax, table["n"], table["null"], color=plots.INK, linestyle=":", label="beyond Wiener: A, B of other noise")
    known = near_a.where(half="A")
    plots.band(ax, known["n"], known["nearest"], color=plots.TRAINING, marker="s", label="beyond Wiener: A, nearest training image")
    ax.set(title=name, xlabel="N, training images", ylabel="centred cosine, median", xscale="log")
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: agreement beyond Wiener, faces", "code_prompt_hide": "Table: agreement beyond Wiener, faces"}
shared.show(n=",", same_noise=".3f", floor=".3f", residual=".3f", null=".3f", partial=".3f", strong="")

# %% [markdown]
# Beyond Wiener A and B still agree, {num}`beyond[n=max].residual:.2f` ({target}`T26`),
# {claim}`networks-agree-beyond-wiener` and with each other more than with any training image.
# {claim}`closer-than-any-training-image-beyond-wiener` The null, {num}`beyond[n=max].null.value:.2f`, puts in B's place
# its sample of *another* noise, less the $W$ of the first: what is taken from both makes even unrelated faces a little
# alike. Patches of photographs agree less ({target}`T26 photographs`). {claim}`photographs-agree-beyond-wiener`
#
# We call it **strong generalization** when A's and B's samples are more similar to each other than to the training set,
# also beyond Wiener, and no nearer to it than new images are (to within .03). For UNets it holds from $N$ = 10,000 on,
# not up to $N$ = 1,000 (see the table). {claim}`strong-generalization-of-faces`
#
# ## Images or architecture?
#
# Do they agree because faces have one density, or because their architecture is one? {term}`BF-CNN`, a chain of
# convolutions, is trained on both halves, too; here it meets UNets of its own recipe.

# %%
chain = experiments.chain(scale, sizes)
peers = experiments.faces(scale, chain.sizes, like="avatars BFCNN")  # UNets that were trained as these are
chosen = samples.seeds(chain, seed, few) | {chain.largest: range(1000 * seed, 1000 * seed + 2 * few)}
exchanged, costs = beyond.exchange(samples.draw(peers, chosen), samples.draw(chain, chosen), walks)
results.keep(exchanged=exchanged, costs=costs)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.8", "code_prompt_hide": "Code: Fig. 3.8", "figure": {"name": "fig-exchange", "caption": "**Two kinds of networks agree as well on other images as on the same, and less than two of one kind.** {claim}`images-exchanged-cost-nothing` {claim}`architecture-exchanged-costs-much` Samples of the largest N. Dots: other images. Squares: other architecture. Grey: both."}, "image": {"alt": "Dots with intervals for six pairs of networks. Pairs of one architecture are most alike; pairs of two architectures are less alike, and equally so with the same or other images.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.2, sharey=True)
most, colours = exchanged.where(n=max(exchanged["n"])), {"images": plots.INK, "architecture": plots.INK, "both": plots.TRAINING}
names = [f"{row.one} – {row.other}".replace("BFCNN", "BF-CNN") for row in most]
for ax, title, field in zip(axes, ("samples", "beyond Wiener"), ("plain", "beyond"), strict=True):
    for row, place in zip(most, range(len(most.rows))[::-1], strict=True):
        e = getattr(row, field)
        ax.plot([e.low, e.high], [place, place], color=colours[row.changed])
        ax.plot([e.value], [place], "s" if row.changed == "architecture" else "o", color=colours[row.changed], markersize=4)
    ax.set(title=title, xlabel="centred cosine, median", yticks=range(len(names)), yticklabels=names[::-1])
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: each two of four networks, every N that both have", "code_prompt_hide": "Table: each two of four networks, every N that both have"}
exchanged.show(n=",", one="", other="", changed="", plain=".3f", beyond=".3f")

# %% [markdown]
# The UNet agrees with the BF-CNN of its *own* images as well as with that of *other* images: the difference is
# {num}`costs[n=max,one="UNet A"].plain.value:+.3f` ({target}`T27`). {claim}`images-exchanged-cost-nothing` But BF-CNN
# draws partly other faces: beyond Wiener the two agree to
# {num}`exchanged[n=max,one="UNet A",other="BFCNN A"].beyond.value:.2f` only. {claim}`architecture-exchanged-costs-much`
# It is ten times smaller and denoises less well, too: we cannot say which of these sets them apart. (UNet B agrees more
# with both BF-CNNs than UNet A does: {claim}`one-training-is-not-another` one training is not another.)
#
# How many images are enough is a fact about the network as well. Two BF-CNNs of
# {num}`exchanged[n=min,one="BFCNN A",other="BFCNN B"].n` faces, which hardly remember them,
# {claim}`chain-remembers-less` already draw alike, to a similarity of
# {num}`exchanged[n=min,one="BFCNN A",other="BFCNN B"].plain.value:.2f`. {claim}`chains-of-few-faces-draw-alike`
#
# Of many images it no longer matters which a network has seen, but what it makes of them: its **inductive bias**, the
# subject of the [next chapter](04_adaptive_basis.py).
#
# ## One density?
#
# An image that is hard to denoise is unlikely. For the best denoiser, told $\sigma$, the log densities of two images
# differ by the difference of their integrals $\int \mathbb{E} \|x - f(x + \sigma z)\|^2 \sigma^{-3} d\sigma$
# {cite:p}`kong2023information`. We take this integral over noise levels of .02 to 1 and for networks that are told
# nothing, and call it a *surprise*. Do A and B find the same new faces surprising?

# %%
known = [densities.surprises(faces, n, seed=seed) for n in dict.fromkeys((three[0], faces.largest))]
simple = Table(tuple(row for found in known for row in densities.simple(found, faces, seed=seed)))
(fields,) = experiments.classes(scale, "fields-")  # Gaussian fields, whose best denoiser is known
known.append(densities.surprises(fields, exact=gaussian_fields.exact(fields), seed=seed))
agreed = Table(tuple(row for found in known for row in densities.densities(found)))
results.keep(agreed=agreed, simple=simple)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.9", "code_prompt_hide": "Code: Fig. 3.9", "figure": {"name": "fig-density", "caption": "**Networks of many faces agree to {num}`agreed[images=avatars,n=max,other=B].spread.value:.3f` nat a pixel on how likely a face is, networks of few to {num}`agreed[images=avatars,n=min,other=B].spread.value:.0f` nats.** {claim}`one-density-of-faces` {claim}`few-faces-make-no-density` Surprise of held-out images per pixel, less its mean. Crosses: network A again, other noise. Above: standard deviation of the difference."}, "image": {"alt": "Three scatter plots of surprise by two denoisers: wide at few faces, along the diagonal at many, along the diagonal with scatter for Gaussian fields.", "classes": "dark-light"}}
figure, axes = plots.panels(len(known), height=2.6)
for ax, found, spread in zip(axes, known, [row.spread for row in agreed if row.other != "A"], strict=True):
    first, again, second = (np.subtract(found[f], np.mean(found[f])) for f in ("first", "again", "second"))
    ax.axline((0, 0), slope=1, color=plots.FAINT)
    ax.plot(first, again, "x", color=plots.TRAINING, markersize=4)
    ax.plot(first, second, "o", color=plots.HALF["B"] if found["other"][0] == "B" else plots.INK, markersize=3)
    name, other = ("faces", "B") if found["images"][0] == faces.name else ("fields", "optimum")
    title = f"{name}, N = {found['n'][0]:,}\nA − {other}\nspreads by {spread.value:.2g}"
    ax.set(title=title, xlabel="by network A (nats per pixel)", ylabel=f"by {other if other == 'optimum' else 'network B'}")
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: agreement on log densities", "code_prompt_hide": "Table: agreement on log densities"}
agreed.show(images="", n=",", other="", correlation=".2f", slope=".2f", spread=".3f", range=".3f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: what simple things know of a surprise", "code_prompt_hide": "Table: what simple things know of a surprise"}
heads_of_simple = {"correlation": "with A's surprise", "partial": "A with B, without it"}
simple.show("What simple things know of a surprise", heads_of_simple, n=",", known="", correlation=".2f", partial=".2f")

# %% [markdown]
# They do: their surprises at new faces correlate by {num}`agreed[images=avatars,n=max,other=B].correlation.value:.3f`.
# {claim}`one-density-of-faces` The energy of a face's gradients, or Wiener's surprise, tells much of it; with either
# taken out A and B still agree. {claim}`density-is-more-than-edges` Networks of ten faces agree on *which* faces are
# unlikely, not on how unlikely. {claim}`few-faces-make-no-density`
#
# Agreement is not truth. On Gaussian fields, whose density is known, network and optimum correlate by
# {num}`agreed[other=exact].correlation.value:.2f` only: they differ as little as A and B do on faces, but fields differ
# hardly more from each other. {claim}`densities-of-fields-are-known-less`
#
# ## Details
#
# **The walks.** After one step two networks of ten images see different faces in the noise, those of the largest $N$
# the same. {claim}`walks-part-at-the-start`

# %%
steps = samples.steps(drawn)
results.keep(steps=steps)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: at which noise do A and B part?", "code_prompt_hide": "Figure: at which noise do A and B part?", "figure": {"name": "fig-part", "caption": "**Networks of few images part at once.** {claim}`walks-part-at-the-start` Similarity of what A and B see; bands: the middle half of the seeds."}, "image": {"alt": "Similarity of the two walks against input PSNR, one curve for each N: that of the largest is near one all the way, those of few images are low from the start.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.8)
for n, walk in steps.by("n"):
    axes.plot(walk["input_psnr"], [e.value for e in walk["similarity"]], color=plots.shade(n, faces.sizes), label=f"N = {n:,}")
    axes.fill_between(walk["input_psnr"], walk["lower"], walk["upper"], color=plots.shade(n, faces.sizes), alpha=0.2, linewidth=0)
axes.set(xlabel="input PSNR (dB)", ylabel="similarity of A's and B's denoised images")
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% [markdown]
# **Other samplers** put noise back at each step, the same for A and B: the reverse stochastic differential equation,
# and the paper's Algorithm 1, which draws the flattest images. {claim}`algorithm-1-is-flat` A and B still agree to
# $c_{AB}$ = {num}`samplers[network=UNet,same_noise=min].same_noise.value:.2f` or more ({target}`T21`).
# {claim}`every-sampler-agrees` Beyond Wiener they were not measured.

# %%
seeds = range(1000 * seed, 1000 * seed + few)
walkers = samples.samplers(seeds, faces, chain)
results.keep(samplers=walkers)
walkers.show(network="", sampler="", same_noise=".2f", energy=".2f")

# %% [markdown]
# **Quality.** The widest network keeps {num}`quality[width=max].energy.value:.2f` of real faces'
# {term}`gradient energy` ({target}`T23a`), that of width {num}`quality[width=min].width`, whose training is of the
# {term}`second edition`, {num}`quality[width=min].energy.value:.2f`.
# A linear classifier tells samples of the widest from real faces with an {term}`AUC` of
# {num}`realism[kind=samples,width=max].auc.value:.2f` ({target}`T23d`; 1/2 is guessing).
# {claim}`samples-are-told-from-faces`

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: contrast and spectrum of samples, both widths", "code_prompt_hide": "Table: contrast and spectrum of samples, both widths"}
wide = samples.draw(experiments.flagship(scale, sizes), {faces.largest: range(1000 * seed, 1000 * seed + min(many, 256))})
quality, spectrum = samples.quality(drawn, wide)
results.keep(quality=quality, spectrum=spectrum)
quality.show(width="", images_seen=",", same_noise=".2f", energy=".2f", deviation=".2f", discrepancy=".2f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: can a classifier tell samples from real faces?", "code_prompt_hide": "Table: can a classifier tell samples from real faces?"}
judge = patches.denoisers[patches.largest, "A"]
realism, patch_realism = told_apart(judge, drawn, wide), told_apart(faces.denoisers[faces.largest, "A"], patch_drawn)
results.keep(realism=realism, patch_realism=patch_realism)
realism.show(kind="", width="", count=",", auc=".2f", distance=".1f")

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.11", "code_prompt_hide": "Code: Fig. 3.11", "figure": {"name": "fig-faces", "caption": "**Samples are faces, and a classifier can tell them from real ones.** {claim}`samples-are-told-from-faces` Above: the widest network of the largest N, the first seeds. Below: held-out faces."}, "image": {"alt": "Rows of sampled faces above as many rows of held-out faces.", "classes": "dark-light"}}
count = min(32, len(wide.images[faces.largest, "A"]))
rows = [x[k : k + 8] for x in (wide.images[faces.largest, "A"], faces.held_out) for k in range(0, count, 8)]
blanks = [""] * (len(rows) // 2 - 1)
plots.image_grid(rows, ["samples", *blanks, "held out", *blanks])

# %% [markdown]
# **Photographs.** Two networks of many patches draw nearly the same patch. {claim}`photographs-are-drawn-alike` New
# patches, of the same photographs, are a weaker {term}`null` ({target}`T6b photographs`).

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Code: tables of photographs", "code_prompt_hide": "Code: tables of photographs"}
patch_distance, patch_agreements = agreement.agreement(patches, seed=seed)
patch_quality, patch_spectrum = samples.quality(patch_drawn)
patch_moved, patch_samplers = samples.moved(patch_drawn), samples.samplers(seeds, patches)
results.keep(patch_distance=patch_distance, patch_agreement=patch_agreements, patch_moved=patch_moved)
results.keep(patch_quality=patch_quality, patch_spectrum=patch_spectrum, patch_samplers=patch_samplers)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: samples of networks of photographs", "code_prompt_hide": "Figure: samples of networks of photographs", "figure": {"name": "fig-samples-photographs", "caption": "**Patches do the same.** {claim}`photographs-are-drawn-alike` Laid out as {numref}`fig-samples`."}, "image": {"alt": "Grid of sampled patches in blocks by N, each sample above its nearest training patch.", "classes": "dark-light"}}
keys = [(n, half) for n in (patches.few, patches.largest) for half in "AB"]
labels = [label for n, half in keys for label in (f"N = {n:,}\nsample {half}", f"nearest\nin {half}")]
plots.image_grid([row for key in keys for row in patch_drawn.beside(*key)], labels)

# %% [markdown]
# ## What it comes to
#
# In the paper two networks of $10^5$ faces generate nearly the same new image (its Figure 2). So do ours, at $N$ =
# {num}`alike[n=max].n:,` and 32 pixels, beyond what start and second moments decide.
# {claim}`two-networks-draw-one-new-image`
#
# *Not shown:* whether it would stay so if large sets were seen as often as small ones
# ([chapter 2](02_memorization_to_generalization.py)), and whether architecture or size sets BF-CNN apart. Of
# most $N$ one pair was trained by this recipe.
