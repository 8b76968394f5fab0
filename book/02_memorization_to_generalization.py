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
# # From memorization to generalization
#
# ```{admonition} In short
# **Claim.** Trained on few images, a denoiser learns them by heart and is of no use on others. Trained on many, it
# denoises new images as well as its own {cite:p}`kadkhodaie2024generalization`.
#
# **What we found.** So it is, on faces and on photographs. {claim}`the-gap-of-faces-closes`
# {claim}`the-gap-of-photographs-closes` But each image of a small set was seen far more often. A UNet remembers all
# sets of up to 1,000 faces after enough views; {claim}`small-sets-are-memorized` the largest ones were stopped before
# memory showed. {claim}`large-sets-are-stopped-before-memory` Even when seen equally often, 10,000 faces are remembered
# less than 1,000. {claim}`at-equal-views-larger-sets-are-remembered-less` Whether the network lacks room for them, or
# only learns them more slowly, we cannot say.
#
# **The figure:** {numref}`fig-gap`; then {numref}`fig-equal`.
# ```
#
# One network is trained on the first $N$ faces of a pool (half A, blue throughout this book), another on the last $N$
# (half B, orange). They share architecture and recipe, but not images, initial weights or training noise. Test faces
# are in neither half.

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring, not for training
sizes = None  # these N only, e.g. [100, 30000] (None: all)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
import numpy as np
import torch

from ghr import experiments, noise, similarity
from ghr.book import plots, results
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.denoiser import denoise
from ghr.measure import errors, onset, room, views
from ghr.references import EmpiricalDenoiser
from ghr.tables import Table

faces, patches = experiments.faces(scale, sizes), experiments.photographs(scale, sizes)
results.keep(networks=experiments.networks(faces, patches))

# %% [markdown]
# All are the paper's bias-free UNet with {num}`networks[images=avatars,n=10,label=A].parameters:,` parameters, for
# images of {num}`networks[images=avatars,n=10,label=A].size` pixels a side (the paper: 7.7 million, 80 pixels). At this
# scale they are of the {term}`second edition`.
#
# ## What the networks do to a face

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.1", "code_prompt_hide": "Code: Fig. 2.1", "figure": {"name": "fig-denoised", "caption": "**With few images A and B answer with different faces, with many they give the same one, close to the clean one.** A test face at two noise levels, and the networks' answers by N; last, memory of the largest set."}, "image": {"alt": "Grid of small grey face images. Rows are noise levels and halves; columns are the clean and noisy face, the answers of networks by N, and the memorizing optimum.", "classes": "dark-light"}}
face, rows, labels = faces.held_out[4:5], [], []
for sigma in (0.2, 0.5):
    y = noise.add_noise(face, sigma, torch.Generator().manual_seed(seed))
    for half in "AB":
        memory = EmpiricalDenoiser(faces.training(faces.largest, half))
        answers = [denoise(f, y, sigma) for f in (*(faces.denoisers[n, half] for n in faces.sizes), memory)]
        rows.append(torch.cat([face, y, *answers]))
        labels.append(f"σ = {sigma}\nhalf {half}")
plots.image_grid(rows, labels, ["clean", "noisy"] + [f"{n:,}" for n in faces.sizes] + ["memory"])

# %% [markdown]
# *Memory*, the memorizing optimum, answers with a face of its training set, sharp and usually somebody else's.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.2", "code_prompt_hide": "Code: Fig. 2.2", "figure": {"name": "fig-explore-n", "caption": "**Raise N with the noise fixed: the answers of A and B become one face, close to the clean one.** Memory A is not told σ either. Below the pictures: PSNR."}}
memories = {n: errors.memory(faces, n) for n in faces.sizes}


def answers(n, sigma, image):
    """One noisy face and all answers to it."""
    x = faces.held_out[image : image + 1]
    y = noise.add_noise(x, sigma, torch.Generator().manual_seed(seed))
    found = [denoise(f, y) for f in (faces.denoisers[n, "A"], faces.denoisers[n, "B"], memories[n])]
    notes = [f"{noise.psnr(x, each).item():.1f} dB" for each in (y, *found)]
    named = zip((y, *found), ("noisy", "network A", "network B", "memory A"), notes, ("", "A", "B", ""), strict=True)
    tiles = [Tile(x[0], "clean"), *(Tile(each[0], *rest) for each, *rest in named)]
    words = f"of {notes[0]} network A makes {notes[1]}, network B {notes[2]} and memory {notes[3]}"
    return Frame(tiles, f"N = {n:,}, σ = {sigma:.2f}: {words}. A and B are similar by {similarity.rho(*found[:2]).item():.2f}.")


every = np.geomspace(0.02, 1, 41).tolist()  # noise levels
sliders = [
    Slider("n", "training images, N", faces.sizes, start=faces.largest, form="{:,}"),
    Slider("sigma", "noise, σ", every, every[::5], every[25], "{:.2f}"),
    Slider("image", "test face", range(64), [4]),
]
Explorer(answers, sliders, columns=5)

# %% [markdown]
# ## Does it do better on what it has seen?
#
# Could you tell which faces a network has seen? Guess at few images, then at many.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.3", "code_prompt_hide": "Code: Fig. 2.3", "figure": {"name": "fig-guess", "caption": "**A network of few images answers to a face of its training with that face, and to a new one with another. One of many treats both alike.** A face of the training of the network (half A) and a test face, with the same noise (σ = 0.5), and the answers. Live: one of two is of the training; guess which, then see."}}
from ghr.book import guesses
from ghr.book.live import Live

counts = sorted({faces.few, faces.sizes[len(faces.sizes) // 2], faces.largest})
heavy, pair_rows = 0.5, []
for n in counts:
    two = torch.cat([faces.training(n)[-1:], faces.held_out[:1]])
    with_noise = two + heavy * torch.randn(two[:1].shape, generator=torch.Generator().manual_seed(seed))
    pair_rows.append(torch.stack([two, with_noise, denoise(faces.denoisers[n, "A"], with_noise)], 1).flatten(0, 1))
still = plots.image_grid(pair_rows, [f"N = {n:,}" for n in counts], ["seen", "noisy", "answer", "new", "noisy", "answer"])
alt = "A face of the training set and a new one, with noise and as the network answers: at the smallest N the first is itself again and the second somebody else; at the largest both are blurred likenesses."
Live("guess", still, alt, **guesses.told_of(faces, counts, heavy, seed=seed))

# %% [markdown]
# We plot output against input PSNR: much noise is at the left. Bands are 95% intervals over images, or over regions of
# photographs, whose patches are alike. (Halves and test patches of photographs come from the same 25 pictures, each from
# regions of its own: they share no patch, but scenes.)
#
# The **memorizing optimum** is the best denoiser if the training images were all there is,
#
# $$f(y) = \sum_i w_i\, x_i, \qquad w_i \propto p(y \mid x_i).$$ (eq-memorizer)
#
# It is as blind as the networks: $p(y \mid x_i)$ is integrated over noise levels as training weighs them. The **Wiener
# denoiser** is the best affine one, with the mean $m$ and covariance $C$ of the training images; it is told $\sigma$:
#
# $$f(y) = m + C\,(C + \sigma^2 I)^{-1} (y - m).$$ (eq-wiener)

# %%
curves, gaps = errors.generalization(faces, seed)
rivals, exchange = errors.rivals(faces, seed), errors.exchange(faces, seed)
results.keep(curves=curves, gaps=gaps, rivals=rivals, exchange=exchange)

# %%
patch_curves, patch_gaps = errors.generalization(patches, seed)
patch_rivals, patch_exchange = errors.rivals(patches, seed), errors.exchange(patches, seed)
chain = experiments.chain(scale, sizes)
chain_curves, chain_gaps = errors.generalization(chain, seed)
_, peer_gaps = errors.generalization(experiments.faces(scale, chain.sizes, like="avatars BFCNN"), seed)
results.keep(patch_curves=patch_curves, patch_gaps=patch_gaps, patch_rivals=patch_rivals)
results.keep(patch_exchange=patch_exchange, chain_curves=chain_curves, chain_gaps=chain_gaps, peer_gaps=peer_gaps)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.4", "code_prompt_hide": "Code: Fig. 2.4", "figure": {"name": "fig-psnr", "caption": "**Training images (solid) and test images (dotted) part when N is small and merge when it is large.** {claim}`the-gap-of-faces-closes` Faces, half A. Where the dotted line is below the diagonal, the network adds error to a new image."}, "image": {"alt": "Three panels of output PSNR against input PSNR, for three N. At the smallest N the training curve runs far above the test curve; at the largest N the two are close to each other.", "classes": "dark-light"}}
shown = sorted({faces.few, faces.sizes[len(faces.sizes) // 2], faces.largest})
figure, axes = plots.panels(len(shown), height=2.6, sharex=True, sharey=True)
for ax, n in zip(axes, shown, strict=True):
    others, curve = rivals.where(n=n), curves.where(n=n, half="A")
    x, style = others["input_psnr"], {"color": plots.HALF["A"]}
    ax.plot(x, x, color=plots.FAINT, label="noisy input")
    plots.band(ax, x, others["wiener"], color=plots.WIENER, linewidth=1, label="Wiener, test images")
    plots.band(ax, x, curve["training"][:-1], label="network, training images", **style)
    plots.band(ax, x, curve["test"][:-1], linestyle=":", label="network, test images", **style)
    ax.set(title=f"N = {n:,}", xlabel="input PSNR (dB)", xlim=(0, 42.5))
axes[0].set(ylabel="output PSNR (dB)", ylim=(5, None))
plots.legend(figure, ncols=4)
plots.Picture(figure)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.5", "code_prompt_hide": "Code: Fig. 2.5", "figure": {"name": "fig-gap", "caption": "**The advantage of training images all but vanishes as N grows.** {claim}`the-gap-of-faces-closes` {claim}`the-gap-of-photographs-closes` Training less test PSNR. Left: faces, half A solid, half B dotted. Right: at input 21 dB; BF-CNN is another kind of network, on faces."}, "image": {"alt": "Left, gap curves against input PSNR, tens of dB at small N and zero at the largest N. Right, the gap at 21 dB falls with N.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.8)
for n, of_n in curves.by("n"):
    for half, curve in of_n.by("half"):
        label, line = (f"N = {n:,}", "-") if half == "A" else (None, ":")
        plots.band(left, curve["input_psnr"][:-1], curve["gap"][:-1], color=plots.shade(n, (*faces.sizes, *patches.sizes)), linestyle=line, label=label)
kinds = (("faces", gaps, "-", "o"), ("photographs", patch_gaps, "--", "s"), ("BF-CNN", chain_gaps, ":", "^"))
for name, table, line, marker in kinds:
    for half, row in table.by("half"):
        style = {"color": plots.HALF[half], "linestyle": line, "marker": marker, "markersize": 4}
        plots.band(right, row["n"], row["gap"], label=f"{name}, {half}", **style)
left.set(xlabel="input PSNR (dB)", ylabel="training − test PSNR (dB)")
right.set(xlabel="N, training images", ylabel="gap at input 21 dB (dB)", xscale="log")
plots.legend(figure, ncols=4)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: gaps of faces", "code_prompt_hide": "Table: gaps of faces"}
gaps.show(n=",", half="", views=",.0f", gap=".2f", mean=".2f", test=".2f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: gaps of faces, BF-CNN", "code_prompt_hide": "Table: gaps of faces, BF-CNN"}
chain_gaps.show(n=",", half="", views=",.0f", gap=".2f", mean=".2f", test=".2f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: gaps of photographs", "code_prompt_hide": "Table: gaps of photographs"}
patch_gaps.show(n=",", half="", views=",.0f", gap=".2f", mean=".2f", test=".2f")

# %% [markdown]
# At $N$ = 10 and input 21 dB training images come out at least {num}`gaps[n=10,gap=min].gap.value:.0f` dB better than
# test images. This is the **gap**. At the largest $N$, averaged over noise levels, it is
# {num}`gaps[n=max,mean=max].mean:.2f` dB ({term}`target` {target}`T4`). {claim}`the-gap-of-faces-closes`
#
# Is this the luck of easy images? An easier half would be easier for both networks. On its own half a network of
# the largest $N$ is better than the other by {num}`exchange[n=max].own:.2f` dB.
#
# The gap of photographs closes as well ({target}`T4 photographs`). {claim}`the-gap-of-photographs-closes` That says
# less: test patches are new places of the same photographs. And the $N$ at which the gap closes depends on the network:
# {term}`BF-CNN`, with a tenth of the parameters, hardly remembers 100 faces; a UNet that was trained as it was does.
# {claim}`chain-remembers-less`
#
# *Why* does it close? The optimum of the training loss repeats training images at every $N$. A network may have no
# **room** for a large set, or no **time**, or an architecture that cannot say what memory says.
# Each image of $N$ = 10 was seen {num}`gaps[n=10,half=A].views:,.0f` times, each of the largest set
# {num}`gaps[n=max,half=A].views:,.0f` times: here $N$ and {term}`views` go together. Below we take them apart, for
# small sets first.
#
# ## Is it only Wiener?
#
# Do networks of many images learn no more than a mean and a covariance?

# %%
beyond, patch_beyond = errors.over_wiener(faces, seed), errors.over_wiener(patches, seed)
results.keep(beyond=beyond, patch_beyond=patch_beyond)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.6", "code_prompt_hide": "Code: Fig. 2.6", "figure": {"name": "fig-wiener", "caption": "**At middle noise the network is decibels better than any affine denoiser.** {claim}`networks-are-more-than-wiener` Output PSNR of the network of the largest N less that of Wiener, test images."}, "image": {"alt": "The network's advantage over Wiener in dB against input PSNR, faces left, photographs right: it rises from nearly nothing at the strongest noise to some dB at middle noise, and falls again at the weakest.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.6, sharey=True)
for ax, name, table in zip(axes, ("faces", "photographs"), (beyond, patch_beyond), strict=True):
    plots.band(ax, table["input_psnr"], table["gain"], color=plots.HALF["A"])
    ax.axhline(0, color=plots.INK, linewidth=0.6)
    ax.set(title=name, xlabel="input PSNR (dB)", ylabel="network − Wiener (dB)")
plots.Picture(figure)

# %% [markdown]
# They learn more: up to {num}`beyond[gain=max].gain.value:.1f` dB over Wiener on faces and
# {num}`patch_beyond[gain=max].gain.value:.1f` dB on photographs. {claim}`networks-are-more-than-wiener`
#
# ## When does it memorize?

# %%
log, patch_log = errors.learning(faces), errors.learning(patches)
onsets, patch_onsets = errors.onsets(log), errors.onsets(patch_log)
results.keep(log=log, patch_log=patch_log, onsets=onsets, patch_onsets=patch_onsets)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.7", "code_prompt_hide": "Code: Fig. 2.7", "figure": {"name": "fig-log", "caption": "**Networks of small sets memorize: while the training curve (solid) climbs, the test curve (dotted) turns down. Those of large sets climb together.** {claim}`small-sets-are-memorized` {claim}`large-sets-are-stopped-before-memory` Output PSNR at input 20 dB (line across), half A."}, "image": {"alt": "PSNR against images seen on a log axis, faces and photographs. For the smallest N the training curve climbs while the test curve falls; for the largest N both climb together.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=3, sharey=True)
for ax, name, table in zip(axes, ("faces", "photographs"), (log, patch_log), strict=True):
    for n, curve in table.where(half="A").by("n"):
        colour = plots.shade(n, (*log["n"], *patch_log["n"]))
        ax.plot(curve["images_seen"], curve["training"], color=colour, label=f"N = {n:,}")
        ax.plot(curve["images_seen"], curve["test"], ":", color=colour)
    ax.axhline(20, color=plots.FAINT)
    ax.set(title=name, xlabel="images seen in training", ylabel="output PSNR (dB)", xscale="log")
plots.legend(figure, ncols=4)
plots.Picture(figure)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.8", "code_prompt_hide": "Code: Fig. 2.8", "figure": {"name": "fig-scrub", "caption": "**Few images are known by heart early; many are not by the end, and until then both sharpen new faces.** Two trainings, of different length. A noisy test face (σ = 0.3), and what two networks make of it in the course of training; their samples from one noise, beside their nearest training images. Curves: gap at σ = 0.1."}}
from ghr import recipes
from ghr.book import films

both = films.ends(recipes.pair(scale, count)[0] for count in faces.sizes)
common = sorted(set(both[0].images_seen) & set(both[1].images_seen))
moments = [common[k] for k in np.linspace(0, len(common) - 1, min(6, len(common))).round().astype(int)]
rows = [film.frames()[[film.images_seen.index(moment) for moment in moments], 0, 1] for film in both]
still = plots.image_grid(rows, [f"N = {film.run.n:,}" for film in both], [f"{moment:,}" for moment in moments])
alt = "One noisy test face as two networks denoise it, early to late in training: that of few images comes to see a face that it knows."
Live("scrub", still, alt, **films.told_of(both))

# %% [markdown]
# At the **time to generalize** test PSNR comes within half a dB of its final value at the largest $N$. At the
# **time to memorize** training PSNR is 1 dB above test PSNR.

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: times of faces", "code_prompt_hide": "Table: times of faces"}
onsets.show(n=",", half="", generalizing=",", memorizing=",", views=",.0f", copies=".2f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: times of photographs", "code_prompt_hide": "Table: times of photographs"}
patch_onsets.show(n=",", half="", generalizing=",", memorizing=",", views=",.0f", copies=".2f")

# %% [markdown]
# {cite:t}`bonnaire2025why` say that the time to generalize does not depend on $N$ and that the time to memorize grows
# in proportion to it. *We find* that networks of 1,000 faces and fewer never generalize in this sense.
# {claim}`small-sets-do-not-generalize` Memory shows up to $N$ = 1,000; {claim}`small-sets-are-memorized` larger sets
# were stopped *before* it. {claim}`large-sets-are-stopped-before-memory` So that these did not memorize says nothing of
# what they would do after as many views.
#
# ## Time or room?
#
# So we train until memory sets in: {num}`law[networks=all].first` to {num}`law[networks=all].last` faces, two widths
# (channels of a network's first scale; 16 where nothing is said), three seeds, 512 views of each face at a constant
# learning rate. Small sets may hold easy faces, so we take off the gap of a network that knows neither these faces nor
# the test faces. Memory has set in when 1 dB is left.

# %%
small = experiments.onset(scale)
course = onset.courses(small, faces.denoisers[faces.largest, "B"])
began = onset.times(course)
law, steps = onset.law(began), onset.steps(began.where(width=max(began["width"])))  # of the wider networks
results.keep(course=course, began=began, law=law, steps=steps)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.9", "code_prompt_hide": "Code: Fig. 2.9", "figure": {"name": "fig-onset", "caption": "**Larger sets need more training in all; at width 16 they need fewer views of each image.** {claim}`memory-waits-for-larger-sets` {claim}`a-start-then-views` Left: gap at σ = 0.1, less that of a network that knows neither set. Right: images seen until 1 dB is left; lines, for width 16: a start, then views; views alone."}, "image": {"alt": "Left, excess gap against views, curves of larger N rise earlier. Right, images seen until memory sets in against N on log axes, rising, flatter than a proportion at small N.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.9)
widest, sets = max(course["width"]), sorted(set(course["n"]))
for n, of_n in course.where(width=widest).by("n"):
    for seed_, curve in of_n.by("seed"):
        label = f"N = {n}" if seed_ == 0 else None
        left.plot(curve["views"], curve["excess"], color=plots.shade(n, sets), linewidth=1, label=label)
left.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
left.set(xlabel="views of each training image", ylabel="excess gap (dB)", xscale="log", ylim=(-1, 6))
for (width, rows), mark in zip(began.by("width"), "so", strict=False):
    right.plot(rows["n"], np.array(rows["apart"], float), mark, mfc="none", color=plots.HALF["A"], markersize=4, label=f"width {width}")
if (fit := law.one(networks=f"width {widest}")).views:
    right.plot(sets, [fit.start.value + fit.views.value * n for n in sets], color=plots.INK, label="start, then views")
    right.plot(sets, [fit.views.value * n for n in sets], ":", color=plots.INK, label="views alone")
ends = {"xlim": (sets[0] / 1.3, sets[-1] * 1.3), "ylim": (min(course["images_seen"]), max(course["images_seen"]))}
right.set(xlabel="N, training images", ylabel="images seen until memory", xscale="log", yscale="log", **ends)
right.set_xticks(sets, sets)
right.set_xticks([], minor=True)
plots.legend(left)
plots.legend(right)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: how the time to memorize grows", "code_prompt_hide": "Table: how the time to memorize grows"}
law.show(networks="", first="", last="", seeds="", apart=".2f", start=",.0f", views=".0f")

# %% [markdown]
# The time grows as $N$ to the power {num}`law[networks=width 8].apart:.2f` at width 8 and
# {num}`law[networks=width 16].apart:.2f` at width 16 ({target}`T25`). {claim}`memory-waits-for-larger-sets` At width 8
# that may be the proportion to $N$ that {cite:t}`bonnaire2025why` find; at width 16 it is less.
# {claim}`widths-grow-otherwise` In both together the power grows with $N$. {claim}`the-exponent-grows`
#
# A line with a start fits width 16: about {num}`law[networks=width 16].start.value:,.0f` images first, then about
# {num}`law[networks=width 16].views.value:.0f` views of each face. {claim}`a-start-then-views` A network may have to
# learn denoising before it can remember; but then why the narrower one shows no such start we do not know.
#
# And **room**? Wider networks remember earlier. So networks of {num}`growth[smallest=min,largest=max].smallest:,` to {num}`growth[smallest=min,largest=max].largest:,`
# parameters are all stopped after the same number of images, and we look for $N^*$, the number of training faces at
# which the gap has fallen to 1 dB. A larger $N^*$ means that more faces were remembered. If each parameter stored a
# fixed amount, $N^*$ would be in proportion to the number $p$ of parameters.

# %%
others = experiments.room(scale)
moments = Table((*course, *onset.courses(others, faces.denoisers[faces.largest, "B"])))
(at,) = {run.images_seen for run in others.runs.values()}
needed = room.needed(moments, experiments.networks(small, others), at)
growth = room.growth(needed)
results.keep(needed=needed, growth=growth)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.10", "code_prompt_hide": "Code: Fig. 2.10", "figure": {"name": "fig-room", "caption": "**Four times the parameters remember about twice the faces after as much training.** {claim}`room-grows-as-a-root` Left: excess gap after so many images, against N over the N* that the measured power gives; three seeds. Right: N* of each seed; lines: in proportion to the root of p and to p."}, "image": {"alt": "Left, excess gap against N over the fitted N*: curves of four widths fall through one dB at nearly one place. Right, images needed against parameters on log axes: dots rise along a line of slope one half, less steeply than one of slope one.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.9)
power = growth.rows[0].exponent.value if growth.rows[0].exponent else 0
p, widths = sorted(set(needed["parameters"])), sorted(set(needed["width"]))
for (width, rows), fitted in zip(needed.by("width"), room.through(needed, power), strict=True):
    colour = plots.shade(width, widths)
    for seed_, some in moments.where(width=width, images_seen=at).by("seed"):
        label = f"width {width}" if seed_ == 0 else None
        left.plot(np.array(some["n"]) / fitted, some["excess"], ".-", color=colour, linewidth=1, label=label)
    right.plot(rows["parameters"], np.array(rows["n"], float), "o", mfc="none", color=colour, markersize=4)
left.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
left.set(xlabel="N over the fitted N*", ylabel="excess gap (dB)", xscale="log", xlim=(0.2, 2.5), ylim=(-1, 6))
left.set_xticks([0.25, 0.5, 1, 2], ["1/4", "1/2", "1", "2"])
left.set_xticks([], minor=True)
for e, line, label in ((0.5, "-", "root of p"), (1, ":", "p")):
    right.plot(p, room.through(needed, e), line, color=plots.INK, linewidth=1, label=label)
ends = {"xlim": (p[0] / 1.5, p[-1] * 1.5), "ylim": (min(moments["n"]), 2 * max(moments["n"]))}
right.set(xlabel="parameters, p", ylabel="N*, images needed", xscale="log", yscale="log", **ends)
plots.legend(left)
plots.legend(right)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: how many faces a network needs", "code_prompt_hide": "Table: how many faces a network needs"}
needed.show(width="", parameters=",", seed="", n=",.0f")

# %% [markdown]
# After {num}`growth[smallest=min,largest=max].images_seen:,` images $N^*$ grows as $p$ to the power
# {num}`growth[smallest=min,largest=max].exponent:.2f`, nearer to a square root than to a proportion.
# {claim}`room-grows-as-a-root` A square root is what a time to memorize in proportion to $N$ over the width would give.
# But it is a mean over these sizes: from the smallest pair of widths to the largest the power falls.
# {claim}`the-power-of-room-falls` So short a training may ask how fast a network learns, and not how much it can hold.
#
# ## At equal views
#
# Are larger sets spared because they are large, or because each of their images is seen less often? Networks of
# {num}`equally[n=min,half=A,views=max].n:,` and of {num}`equally[n=max,half=A,views=max].n:,` faces were trained at a
# constant rate to equal numbers of views of each face, each training ended by a short decay.

# %%
equally = views.viewed(experiments.equal_views(scale), seed)
equal = views.equal(equally, *sorted(set(equally["n"]))[-2:])
results.keep(equally=equally, equal=equal)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.11", "code_prompt_hide": "Code: Fig. 2.11", "figure": {"name": "fig-equal", "caption": "**Seen as often, the larger set is remembered less, once memory has set in.** {claim}`at-equal-views-larger-sets-are-remembered-less` Left: gap at σ = 0.1. Right: output PSNR on test faces. Each point is a network, half A; 95% intervals over images."}, "image": {"alt": "Left, the gap between training and test PSNR against views of each image: that of 1,000 faces climbs to three dB, that of 10,000 stays near zero. Right, PSNR on test faces against views: that of 1,000 turns down, that of 10,000 keeps rising.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.8)
counts = sorted(set(equally["views"]))
for n, of_n in equally.where(half="A").by("n"):
    style = {"color": plots.shade(n, (*faces.sizes, *equally["n"])), "marker": ".", "label": f"N = {n:,}"}
    for ax, field in zip(axes, ("gap", "test"), strict=True):
        plots.band(ax, of_n["views"], of_n[field], **style)
for ax, name in zip(axes, ("training − test (dB)", "test PSNR (dB)"), strict=True):
    ax.set(xlabel="views of each training image", ylabel=name, xscale="log")
    ax.set_xticks(counts, [f"{count:,.0f}" for count in counts])
    ax.set_xticks([], minor=True)
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: networks at equal views", "code_prompt_hide": "Table: networks at equal views"}
equally.show(n=",", half="", views=",.0f", test=".2f", gap=".2f", copies=".2f")

# %% [markdown]
# When the gap of the smaller set is 1 dB, after {num}`equal[gap=1].views:.0f` views of each face, that of the larger
# one is {num}`equal[gap=1].larger.value:.2f` dB. {claim}`at-equal-views-larger-sets-are-remembered-less` By then the
# network of the larger set has made ten times as many steps. So views do not decide alone: between these two sets
# memory waits longer than in proportion to $N$, while among the small sets above a larger one needed fewer views.
#
# There may be less room for each face. Or memory is only slower: between two views of a face there are ten times as
# many steps for others, and there is more to learn that all faces share. Of what it can do on new faces the network of
# the smaller set loses a part meanwhile, that of the larger one nothing. {claim}`memory-costs-new-faces`
#
# A gap is not yet a copy: of {num}`equally[n=min,half=A,views=max].samples` samples of each of these networks none
# copies. {claim}`a-gap-is-no-copy` Where the smaller set has a gap of 3 dB, after {num}`equal[gap=3].views:.0f` views,
# the larger one has {num}`equal[gap=3].larger:.2f` dB ({target}`T24`).
#
# ## What it comes to
#
# That networks of many images do not store them is partly a matter of **time**: training stopped before memory showed.
# {claim}`large-sets-are-stopped-before-memory` It is not one of views alone: at equal views more faces are remembered
# less. {claim}`at-equal-views-larger-sets-are-remembered-less` Whether they lack **room**, or only more time, is open.
#
# Most intervals tell how results vary over images; only those of powers tell how they vary over trainings, and two
# trainings can differ by more than the others show.
