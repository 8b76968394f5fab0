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
# **Claim.** For large $N$ two networks trained on sets that share no image compute the *same function*. From the same
# noise they draw the same image, and it is in neither set. So they have learned the density that both sets were drawn
# from {cite:p}`kadkhodaie2024generalization`.
#
# **What we found.** They draw nearly the same face, and it is no training image.
# {claim}`two-networks-draw-one-new-image` Much of that likeness is in the common start; beyond it they agree to
# {num}`beyond[n=max].residual:.2f`, far more than with any training image. {claim}`networks-agree-beyond-wiener`
# {claim}`closer-than-any-training-image-beyond-wiener` Other images change nothing, a smaller network of another kind
# draws other faces. {claim}`images-exchanged-cost-nothing` {claim}`architecture-exchanged-costs-much` What keeps the two functions apart
# is the chance of training. {claim}`chance-keeps-the-networks-apart`
#
# **The figure:** {numref}`fig-beyond`; to look at, {numref}`fig-samples`.
# ```
#
# The networks are those of the [last chapter](02_memorization_to_generalization.py), half A blue and half B orange.

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring and sampling, not for training
sizes = None  # these N only, e.g. [100, 30000] (None: all)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
import numpy as np

from ghr import experiments, sampling
from ghr.book import plots, results
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.measure import agreement, beyond, densities, rates, samples
from ghr.measure.realism import realism as told_apart
from ghr.tables import Table

faces, patches = experiments.faces(scale, sizes), experiments.photographs(scale, sizes)
few, many = (16, 16) if scale == "smoke" else (64, samples.SEEDS_LARGEST)  # sampling seeds

# %% [markdown]
# ## Do two networks compute the same function?
#
# Both get the same noisy test image. How far apart are their answers? Two memories would answer with two different
# faces, those of the exact memorizing optima $m_A$ and $m_B$ of the two halves. We measure in these units:
#
# $$U(\sigma) = \frac{\mathbb{E}\,\|f_A(y) - f_B(y)\|^2}{\mathbb{E}\,\|m_A(y) - m_B(y)\|^2}$$ (eq-disagreement)
#
# is 0 for one function and 1 for two memories.

# %%
distance, agreements = agreement.agreement(faces, seed=seed)
results.keep(distance=distance, agreement=agreements)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.1", "code_prompt_hide": "Code: Fig. 3.1", "figure": {"name": "fig-variance", "caption": "**With many images the networks are far closer to each other than two memories are, and closer than either is to the truth.** Test faces, with 95% intervals. Left: U, disagreement over that of two exact memorizers (dashed: 1). Right: closeness to each other (solid) and to the truth (dotted)."}, "image": {"alt": "Left, disagreement over that of memorizers against input PSNR, near one at small N and far below at large N. Right, closeness in dB: at the largest N the networks are closer to each other than to the truth.", "classes": "dark-light"}}
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
# At $\sigma$ = .1, $U$ falls from {num}`distance[n=10,sigma=0.1].u.value:.2f` at $N$ = 10 to
# {num}`distance[n=max,sigma=0.1].u:.3f` at the largest $N$. {claim}`networks-are-no-two-memories` Even ten images do
# not give 1: shown a *new* face, these networks mix what they know with what they see. At strong noise $U$ is larger
# ({target}`T9d`), since there the two memories of a large set come together as well.
#
# *What do they get wrong alike?* Of the squared error at $\sigma$ = .1 and the largest $N$ a share of
# {num}`distance[n=max,sigma=0.1].variance:.2f` is what the two networks get wrong differently, the **model variance**.
# {claim}`most-of-the-error-is-shared` The rest both get wrong alike: what noise has destroyed, and the bias of networks
# of this kind, which [chapter 5](05_where_harmonics_are_optimal.py) measures where the optimum is known. Averaging
# networks would mend at most this share. Only at the weakest noise is the variance a large part.
# {claim}`weak-noise-keeps-the-networks-apart` Over all noise levels the disagreement falls more than tenfold from $N$ =
# 10 to the largest ($K$ in the {term}`glossary <discrepancy K>`). {claim}`more-images-bring-the-networks-together`
#
# ## Data or chance?
#
# Two trainings differ in their images and in a seed, which draws initial weights, noise and order. Two more trainings
# tell these apart: A's images with B's seed, and B's with A's.

# %%
crossed, pairs, chances = agreement.chance(experiments.controls(scale, sizes), seed)
results.keep(crossed=crossed, pairs=pairs, chances=chances)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.2", "code_prompt_hide": "Code: Fig. 3.2", "figure": {"name": "fig-controls", "caption": "**At the larger N, networks that differ in their seed alone (dotted) are as far apart as networks of two halves (broad), and further than those with one seed and other images (dashed).** Closeness of network A to three others on test faces, with 95% intervals."}, "image": {"alt": "Closeness in dB against input PSNR for three pairs of networks: other images and other seed, other images and same seed, same images and other seed.", "classes": "dark-light"}}
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
# At $N$ = {num}`chances[n=min,half=A].n:,` images count: networks of two halves disagree
# {num}`chances[n=min,half=A].over_seed.value:.1f` times as much as two of one half. {claim}`images-count-in-small-sets`
# At $N$ = {num}`chances[n=max,half=A].n:,` they do not: the ratio is {num}`chances[n=max,half=A].over_seed:.2f`
# ({target}`T9e`), and what is left is the chance of training. {claim}`chance-keeps-the-networks-apart`
# {claim}`seed-counts-more-than-images`
#
# ## Same noise, two networks: the same new image?
#
# Both networks walk from the *same* noise by the deterministic sampler of [chapter 1](01_denoising.py), so that any
# difference comes from the networks. Below each sample stands the training image most similar to it, by **centred
# cosine**: 1 for images that are equal up to brightness and contrast.

# %%
drawn = samples.draw(faces, samples.seeds(faces, seed, many))
alike, near = samples.compare(drawn)
moved = samples.moved(drawn)
results.keep(alike=alike, near=near, moved=moved)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.3", "code_prompt_hide": "Code: Fig. 3.3", "figure": {"name": "fig-samples", "caption": "**At the smallest N each sample is a training image, and A's is not B's; at the largest it is no training image, and A's is nearly B's.** Each column starts from one noise. Below each sample: the training image most similar to it."}, "image": {"alt": "Grid of sampled faces in blocks by N, each sample above its nearest training image: equal to it at the smallest N, another face at the largest, where A's and B's are alike.", "classes": "dark-light"}}
keys = [(n, half) for n in three for half in "AB"]
labels = [label for n, half in keys for label in (f"N = {n:,}\nsample {half}", f"nearest\nin {half}")]
plots.image_grid([row for key in keys for row in drawn.beside(*key)], labels)

# %% [markdown]
# With sliders, one seed at a time:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.4", "code_prompt_hide": "Code: Fig. 3.4", "figure": {"name": "fig-explore-seed", "caption": "**Keep the seed and raise N: the samples leave their training images and become one.** Samples of A and B from one noise, each beside the training image most similar to it. Below the pictures: centred cosine of the two."}}
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
# And from a noise of your own: guess first, then let both draw. Then turn the noise into the next: does what they draw
# turn with it, or does it jump?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.5", "code_prompt_hide": "Code: Fig. 3.5", "figure": {"name": "fig-draw", "caption": "**From one noise, networks of few images draw two images and networks of many draw one, which neither has seen.** One noise, what A and B draw from it, and the nearest training images (above N = 100, among those most like the sample). Live: guess, then see; any noise, and blends."}}
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
# How nearly, for all $N$? Medians over seeds tell: $c_{AB}$, of A's and B's sample from one noise; $c_{NN}$, of a
# sample and its nearest training image; and $c_{null}$, of a *new* face and its nearest training image, which says how
# near is near. Beside them stand the shares of seeds whose samples are copies, by the rule of
# {cite:t}`yoon2023diffusion` and in whatever tone (distances to the *rays* of training images: all their multiples).

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.6", "code_prompt_hide": "Code: Fig. 3.6", "figure": {"name": "fig-similarity", "caption": "**With more images the samples of A and B become alike, and no nearer to the training set than a new face is.** Left: centred cosines, medians over seeds. Right: share of samples of half A that are nearer to B's than to any training image, and that are copies. With 95% intervals."}, "image": {"alt": "Left, three similarities against N: A against B rises to nearly 1, sample against training set falls to the dashed null. Right, the share of seeds where B's sample is nearest rises from 0 to 1, the shares of copies fall to 0.", "classes": "dark-light"}}
a = near.where(half="A")
figure, (left, right) = plots.panels(2, columns=2, height=2.8)
plots.band(left, alike["n"], alike["same_noise"], color=plots.INK, marker="o", label="A and B")
plots.band(left, a["n"], a["nearest"], color=plots.TRAINING, marker="s", label="sample, nearest in A")
plots.band(left, a["n"], a["null"], color=plots.INK, linestyle="--", label="held out, nearest in A")
for field, line, label in (
    ("closer", "-", "B nearest"),
    ("copies", "--", "copies"),
    ("ray_copies", ":", "copies of rays"),
):
    plots.band(right, a["n"], a[field], color=plots.HALF["A"], linestyle=line, marker="o", label=label)
left.set(xlabel="N, training images", ylabel="centred cosine, median", xscale="log")
right.set(xlabel="N, training images", ylabel="share of seeds", xscale="log")
for ax in (left, right):
    plots.legend(ax, above=True)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: nearness of samples, both halves", "code_prompt_hide": "Table: nearness of samples, both halves"}
near.show(n=",", half="", nearest=".2f", null=".2f", closer=".2f", copies=".2f", ray_copies=".2f")

# %% [markdown]
# At $N$ = 10 each network draws its own faces. {claim}`ten-images-are-drawn-again` At {num}`alike[n=max].n:,`, A and B
# agree to $c_{AB}$ = {num}`alike[n=max].same_noise:.2f`, no sample is a copy, {claim}`the-largest-set-is-not-copied`
# and samples are no nearer to the training set than new faces are: $c_{NN}$ is
# {num}`near[n=max,half=A].nearest.value:.2f`, $c_{null}$ {num}`near[n=max,half=A].null.value:.2f`. Mirrored and shifted
# copies do not change that. {claim}`samples-are-no-nearer-than-new-images`
#
# ## How much of it is in the start?
#
# The start has the covariance of faces: it carries the coarse components of one definite face. How much is decided
# before the first step? The {term}`Wiener denoiser`, which knows a mean and a covariance only, can walk from it, too. Two
# Wiener denoisers, of A and of B, agree even more than the networks do, and draw clouds. {claim}`wiener-agrees-too` So
# $c_{AB}$ alone is no evidence.
#
# We look at what a network draws *beyond* Wiener: its sample less the Wiener sample $W$ of the same training images and
# noise, $\rho(A - W_A,\, B - W_B)$.

# %%
walks = beyond.wiener(drawn)
shared, ahead = beyond.compare(drawn, walks, near)
results.keep(beyond=shared, ahead=ahead)

# %%
patch_drawn = samples.draw(patches, samples.seeds(patches, seed, many))
patch_alike, patch_near = samples.compare(patch_drawn)
patch_beyond, patch_ahead = beyond.compare(patch_drawn, beyond.wiener(patch_drawn), patch_near)
results.keep(patch_alike=patch_alike, patch_near=patch_near, patch_beyond=patch_beyond, patch_ahead=patch_ahead)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.7", "code_prompt_hide": "Code: Fig. 3.7", "figure": {"name": "fig-beyond", "caption": "**Much of the agreement is in the start; beyond it, two networks of many images still agree, more than with any training image.** Medians of the centred cosine over seeds, with 95% intervals. Beyond Wiener: less the Wiener sample of the same noise. Dotted: the null, samples of other noise."}, "image": {"alt": "Similarities against N, faces and photographs. A and B rise to nearly 1; so does the floor, a little lower; beyond Wiener similarity rises from zero and crosses the falling nearness to training images.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.8, sharey=True)
for ax, name, table, near_a in zip(
    axes, ("faces", "photographs"), (shared, patch_beyond), (ahead, patch_ahead), strict=True
):
    plots.band(ax, table["n"], table["same_noise"], color=plots.INK, linestyle="--", label="A and B")
    plots.band(ax, table["n"], table["floor"], color=plots.WIENER, marker="s", label="sample and Wiener's")
    plots.band(ax, table["n"], table["residual"], color=plots.INK, marker="o", label="beyond Wiener: A and B")
    plots.band(ax, table["n"], table["null"], color=plots.INK, linestyle=":", label="A, and B of other noise")
    known = near_a.where(half="A")
    plots.band(
        ax, known["n"], known["nearest"], color=plots.TRAINING, marker="s", label="A, and the nearest training image"
    )
    ax.set(title=name, xlabel="N, training images", ylabel="centred cosine, median", xscale="log")
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: agreement beyond Wiener, faces", "code_prompt_hide": "Table: agreement beyond Wiener, faces"}
shared.show(n=",", same_noise=".3f", floor=".3f", residual=".3f", null=".3f", partial=".3f", strong="")

# %% [markdown]
# A sample is similar to its Wiener sample by {num}`beyond[n=max].floor.value:.2f`: this much is in the
# start. Beyond it, A and B agree to {num}`beyond[n=max].residual:.2f` ({target}`T26`).
# {claim}`networks-agree-beyond-wiener` That is to be held against {num}`beyond[n=max].null.value:.2f` and not against
# 0: subtracting nearly the same $W$ from two unrelated faces makes them alike. (The partial correlation given $W$, 0
# for unrelated faces, is {num}`beyond[n=max].partial.value:.2f`.) The training image most similar beyond Wiener has
# {num}`ahead[n=max,half=A].nearest.value:.2f`; {claim}`closer-than-any-training-image-beyond-wiener` patches of
# photographs agree, too ({target}`T26 photographs`). {claim}`photographs-agree-beyond-wiener`
#
# We call it **strong generalization** when A's and B's samples are more similar to each other than to the training set,
# also beyond Wiener, and no nearer to that set than held-out images are (to within .03). It holds at the largest $N$,
# and not up to $N$ = 100. {claim}`strong-generalization-of-faces`
#
# ## Images or architecture?
#
# What makes them agree: faces of one density, or one architecture? We exchange one at a time. BF-CNN is a chain of
# convolutions without scales; one of half A and one of half B draw from the same noise.

# %%
chain = experiments.chain(scale, sizes)
chosen = samples.seeds(chain, seed, few) | {chain.largest: range(1000 * seed, 1000 * seed + 2 * few)}
exchanged, costs = beyond.exchange(drawn, samples.draw(chain, chosen), walks)
results.keep(exchanged=exchanged, costs=costs)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.8", "code_prompt_hide": "Code: Fig. 3.8", "figure": {"name": "fig-exchange", "caption": "**Other images cost nothing; another architecture costs much.** Similarity of samples from one noise at the largest N, medians over seeds with 95% intervals, for each two of four networks. Dots: other images. Squares: other architecture. Grey: both."}, "image": {"alt": "Dots with intervals for six pairs of networks. Pairs of one architecture are most alike; pairs of two architectures are less alike, and equally so with the same or other images.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.2, sharey=True)
most, colours = (
    exchanged.where(n=max(exchanged["n"])),
    {"images": plots.INK, "architecture": plots.INK, "both": plots.TRAINING},
)
names = [f"{row.one} – {row.other}".replace("BFCNN", "BF-CNN") for row in most]
for ax, title, field in zip(axes, ("samples", "beyond Wiener"), ("plain", "beyond"), strict=True):
    for row, place in zip(most, range(len(most.rows))[::-1], strict=True):
        e = getattr(row, field)
        ax.plot([e.low, e.high], [place, place], color=colours[row.changed])
        ax.plot(
            [e.value], [place], "s" if row.changed == "architecture" else "o", color=colours[row.changed], markersize=4
        )
    ax.set(title=title, xlabel="centred cosine, median", yticks=range(len(names)), yticklabels=names[::-1])
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: each two of four networks, every N that both have", "code_prompt_hide": "Table: each two of four networks, every N that both have"}
exchanged.show(n=",", one="", other="", changed="", plain=".3f", beyond=".3f")

# %% [markdown]
# UNet A agrees with the BF-CNN that saw the *same* images to
# {num}`exchanged[n=max,one="UNet A",other="BFCNN A"].plain.value:.3f`, and with the one that saw *others* as well: the
# difference is {num}`costs[n=max,one="UNet A"].plain:+.3f` ({target}`T27`). {claim}`images-exchanged-cost-nothing` A
# smaller network of another kind draws other faces: beyond Wiener two UNets agree to
# {num}`exchanged[n=max,one="UNet A",other="UNet B"].beyond.value:.2f`, a UNet and a BF-CNN to
# {num}`exchanged[n=max,one="UNet A",other="BFCNN A"].beyond.value:.2f`. {claim}`architecture-exchanged-costs-much` Size
# and architecture are not told apart.
#
# *Why?* Of many images it no longer matters which a network has seen, but what it does with what they have in common:
# its **inductive bias**, the subject of the [next chapter](04_adaptive_basis.py). At $N$ = 100 UNets still draw faces
# of their own half, while two BF-CNNs, which do not memorize so many, already draw one.
# {claim}`small-chains-draw-alike`
#
# ## Where do they part?

# %%
steps = samples.steps(drawn)
results.keep(steps=steps)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: at which noise do A and B part?", "code_prompt_hide": "Figure: at which noise do A and B part?", "figure": {"name": "fig-part", "caption": "**Networks of few images part at once, where noise is strongest (left).** Similarity of what A and B see on their ways from one noise, one colour for each N. Lines: medians over seeds; bands: the middle half of the seeds, a spread and no interval."}, "image": {"alt": "Similarity of the two walks against input PSNR, one curve for each N: that of the largest is near one all the way, those of few images are low from the start.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.8)
for n, walk in steps.by("n"):
    axes.plot(
        walk["input_psnr"], [e.value for e in walk["similarity"]], color=plots.shade(n, faces.sizes), label=f"N = {n:,}"
    )
    axes.fill_between(
        walk["input_psnr"], walk["lower"], walk["upper"], color=plots.shade(n, faces.sizes), alpha=0.2, linewidth=0
    )
axes.set(xlabel="input PSNR (dB)", ylabel="similarity of A's and B's denoised images")
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% [markdown]
# Two networks of ten images see different faces in the same noise after the very first step; those of the largest $N$
# see the same. {claim}`walks-part-at-the-start`
#
# ## Does it depend on the sampler?
#
# Two others put noise back at each step: the reverse stochastic differential equation, and the paper's Algorithm 1
# ($\beta = 0.1$), which estimates its own noise level. A and B are given the same noise at every step.

# %%
seeds = range(1000 * seed, 1000 * seed + few)
walkers = samples.samplers(seeds, faces, chain)
results.keep(samplers=walkers)
walkers.show(network="", sampler="", same_noise=".2f", energy=".2f")

# %% [markdown]
# Whatever the sampler, A and B agree: the lowest $c_{AB}$ is
# {num}`samplers[network=UNet,same_noise=min].same_noise:.2f` ({target}`T21`). {claim}`every-sampler-agrees` But
# agreement is not quality: Algorithm 1 leaves {num}`samplers[network=UNet,sampler="Algorithm 1"].energy.value:.2f` of
# the energy of held-out faces' gradients. Its images are flat. {claim}`algorithm-1-is-flat`
#
# ## Are the samples any good?

# %%
wide = samples.draw(
    experiments.flagship(scale, sizes), {faces.largest: range(1000 * seed, 1000 * seed + min(many, 256))}
)
quality, spectrum = samples.quality(drawn, wide)
results.keep(quality=quality, spectrum=spectrum)
quality.show(width="", images_seen=",", same_noise=".2f", energy=".2f", deviation=".2f", discrepancy=".2f")

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.10", "code_prompt_hide": "Code: Fig. 3.10", "figure": {"name": "fig-faces", "caption": "**Samples are faces, and most can be told from real ones.** Above: samples of network A of the largest N, the widest, the first seeds, none left out. Below: held-out faces, the first ones."}, "image": {"alt": "Rows of sampled faces above as many rows of held-out faces.", "classes": "dark-light"}}
count = min(32, len(wide.images[faces.largest, "A"]))
rows = [x[k : k + 8] for x in (wide.images[faces.largest, "A"], faces.held_out) for k in range(0, count, 8)]
blanks = [""] * (len(rows) // 2 - 1)
plots.image_grid(rows, ["samples", *blanks, "held out", *blanks])

# %%
judge = patches.denoisers[patches.largest, "A"]
realism, patch_realism = told_apart(judge, drawn, wide), told_apart(faces.denoisers[faces.largest, "A"], patch_drawn)
results.keep(realism=realism, patch_realism=patch_realism)
realism.show(kind="", width="", count=",", auc=".2f", distance=".1f")

# %% [markdown]
# They are recognizable faces of too little contrast: the widest pair keeps {num}`quality[width=max].energy:.2f` of the
# energy of held-out faces' gradients, which falls when an image is blurred ({target}`T23a`).
# {claim}`samples-lack-contrast`
#
# Can they be told from real faces? A linear classifier looks at channels of a network that was trained on photographs.
# Its area under the curve is 1/2 between two sets of held-out faces, where it can only guess, and 1 on faces blurred by
# one pixel. {claim}`the-classifier-sees-a-blur` Samples lie between: {num}`realism[kind=samples,width=max].auc:.2f`
# ({target}`T23d`). {claim}`samples-are-told-from-faces`
#
# ## One density?
#
# A denoiser knows how likely an image is: how much better it denoises the image than chance would, summed over noise
# levels, gives $\log p(x)$, exactly so for the best denoiser {cite:p}`kong2023information`. (We cut at $\sigma$ = .02
# and 1, which leaves out finer noise and the scale of $p$.) Do A and B find the same new faces likely?

# %%
known = [densities.surprises(faces, n, seed=seed) for n in dict.fromkeys((three[0], faces.largest))]
simple = Table(tuple(row for found in known for row in densities.simple(found, faces, seed=seed)))
(fields,) = experiments.classes(scale, "fields-")  # Gaussian fields, whose best denoiser is known
known.append(densities.surprises(fields, exact=rates.exact(fields), seed=seed))
agreed = Table(tuple(row for found in known for row in densities.densities(found)))
results.keep(agreed=agreed, simple=simple)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.11", "code_prompt_hide": "Code: Fig. 3.11", "figure": {"name": "fig-density", "caption": "**Networks of many faces agree to {num}`agreed[images=avatars,n=max,other=B].spread.value:.2f` nat on how likely a face is, networks of few only to {num}`agreed[images=avatars,n=min,other=B].spread.value:.0f` nats.** Dots: held-out images; surprise, −log p(x) per pixel, less its mean. Above each panel: standard deviation of the difference, nats per pixel. Crosses: network A again, other noise."}, "image": {"alt": "Three scatter plots of surprise by two denoisers: wide at few faces, along the diagonal at many, along the diagonal with scatter for Gaussian fields.", "classes": "dark-light"}}
figure, axes = plots.panels(len(known), height=2.6)
for ax, found, spread in zip(axes, known, [row.spread for row in agreed if row.other != "A"], strict=True):
    first, again, second = (np.subtract(found[f], np.mean(found[f])) for f in ("first", "again", "second"))
    ax.axline((0, 0), slope=1, color=plots.FAINT)
    ax.plot(first, again, "x", color=plots.TRAINING, markersize=4)
    ax.plot(first, second, "o", color=plots.HALF["B"] if found["other"][0] == "B" else plots.INK, markersize=3)
    name, other = ("faces", "B") if found["images"][0] == faces.name else ("fields", "optimum")
    title = f"{name}, N = {found['n'][0]:,}\nA − {other} spreads by {spread.value:.2g}"
    ax.set(title=title, xlabel="by network A (nats per pixel)", ylabel=f"by {other if other == 'optimum' else 'network B'}")
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: agreement on log densities", "code_prompt_hide": "Table: agreement on log densities"}
agreed.show(images="", n=",", other="", correlation=".2f", slope=".2f", spread=".3f", range=".3f")
heads_of_simple = {"correlation": "with A's surprise", "partial": "A with B, without it"}
simple.show("What simple things know of a surprise", heads_of_simple, n=",", known="", correlation=".2f", partial=".2f")

# %% [markdown]
# They do: over held-out faces their surprises correlate by
# {num}`agreed[images=avatars,n=max,other=B].correlation.value:.3f`. {claim}`one-density-of-faces` Simple things know much
# of it: A's surprise correlates with the energy of a face's gradients by
# {num}`simple[n=max,known=gradient energy].correlation.value:.2f`, with Wiener's surprise by
# {num}`simple[n=max,known=Wiener].correlation.value:.2f`. Yet with either taken out A and B agree to
# {num}`simple[n=max,known=gradient energy].partial.value:.2f` or more. {claim}`density-is-more-than-edges` The numbers
# differ by more than other noise changes. {claim}`densities-differ-by-more-than-noise` Networks of
# {num}`agreed[images=avatars,n=min,other=B].n:,` faces agree on *which* new faces are unlikely nearly as well, and so does
# a face's contrast ({num}`simple[n=min,known=squared contrast].correlation.value:.2f`); but not on how unlikely: they
# differ by more than a nat per pixel. {claim}`few-faces-make-no-density`
#
# Agreement is not truth. On Gaussian fields network and exact optimum correlate by
# {num}`agreed[other=exact].correlation.value:.2f` only: fields are nearly equally likely, and small errors count as
# much as what tells them apart. {claim}`densities-of-fields-are-known-less`
#
# ## The same on photographs

# %%
patch_distance, patch_agreements = agreement.agreement(patches, seed=seed)
patch_quality, patch_spectrum = samples.quality(patch_drawn)
patch_moved, patch_samplers = samples.moved(patch_drawn), samples.samplers(seeds, patches)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Code: tables of photographs", "code_prompt_hide": "Code: tables of photographs"}
results.keep(patch_distance=patch_distance, patch_agreement=patch_agreements, patch_moved=patch_moved)
results.keep(patch_quality=patch_quality, patch_spectrum=patch_spectrum, patch_samplers=patch_samplers)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 3.12", "code_prompt_hide": "Code: Fig. 3.12", "figure": {"name": "fig-samples-photographs", "caption": "**Patches of photographs do the same: training patches at the smallest N, one new patch of both networks at the largest.** Laid out as {numref}`fig-samples`."}, "image": {"alt": "Grid of sampled patches in blocks by N, each sample above its nearest training patch.", "classes": "dark-light"}}
keys = [(n, half) for n in (patches.few, patches.largest) for half in "AB"]
labels = [label for n, half in keys for label in (f"N = {n:,}\nsample {half}", f"nearest\nin {half}")]
plots.image_grid([row for key in keys for row in patch_drawn.beside(*key)], labels)

# %% [markdown]
# Two networks of {num}`patch_alike[n=max].n:,` patches draw nearly the same patch, $c_{AB}$ =
# {num}`patch_alike[n=max].same_noise.value:.2f`. {claim}`photographs-are-drawn-alike` Whether samples are as far from
# the training set as new patches is open ({target}`T6b photographs`): held-out patches come from the same photographs,
# and are a null of new places, not of new scenes.
#
# ## What it comes to
#
# *The paper says* that two networks of $10^5$ faces generate nearly the same image, which is in neither training set
# (its Figure 2). *We find the same* at $N$ = {num}`alike[n=max].n:,` and 32 pixels, by a harder test: they agree beyond
# what the start and second moments decide. {claim}`two-networks-draw-one-new-image` Which half they saw makes
# no difference; {claim}`images-exchanged-cost-nothing` a smaller network of another kind draws other faces, size and
# architecture not told apart. {claim}`architecture-exchanged-costs-much`
#
# *What this does not show:* that it would stay so if large sets were seen as often as small ones
# ([chapter 2](02_memorization_to_generalization.py)). And one pair of trainings was measured for each $N$.
