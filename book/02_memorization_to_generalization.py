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
# **Claim.** Train a denoiser on $N$ images. For small $N$ it learns them by heart and is of no use on any other image. For
# large $N$ it denoises new images exactly as well as those it was trained on {cite:p}`kadkhodaie2024generalization`.
#
# **What we found.** Yes, on faces and on patches of photographs, when every network sees equally many noisy images.
# {claim}`the-gap-of-faces-closes` {claim}`the-gap-of-photographs-closes` But an image of a small set was then seen far more often than
# one of a large set, and training of the large sets was stopped before memory could set in. Sets of up to {num}`law[networks=all].last` faces are
# remembered once each face was seen often enough: what larger sets lack may be time and not room. {claim}`a-start-then-views`
# **The figure:** {numref}`fig-gap`; then {numref}`fig-onset`.
# ```
#
# We take cartoon faces, keep some aside for testing, and train one network on the first $N$ of the others (half A, blue
# throughout this book) and one on the last $N$ (half B, orange). The two networks have the same architecture and recipe
# and differ in images, initial weights and training noise. We do the same with patches of photographs.

# %% tags=["parameters"]
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring, not for training
sizes = None  # these N only, e.g. [100, 30000] (None: all)

# %%
import numpy as np
import torch

from ghr import experiments, noise, similarity
from ghr.book import plots, results
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.denoiser import denoise
from ghr.measure import errors, onset
from ghr.references import EmpiricalDenoiser, ray_bound

faces, patches = experiments.faces(scale, sizes), experiments.photographs(scale, sizes)
results.keep(networks=experiments.networks(faces, patches))

# %% [markdown]
# Every network of this chapter is the paper's bias-free UNet at width {num}`networks[images=avatars,n=10,label=A].width` on
# {num}`networks[images=avatars,n=10,label=A].size`-pixel images ({num}`networks[images=avatars,n=10,label=A].parameters:,`
# parameters; the paper: 7,659,264 at 80 pixels). It is never told the noise level. The
# {num}`networks[images=avatars,n=10,label=A].held_out:,` test faces belong to neither half.
#
# ## What the networks do to a face
#
# We start with one test image, add noise of standard deviation $\sigma$, and look.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.1", "code_prompt_hide": "Code: Fig. 2.1", "figure": {"name": "fig-denoised", "caption": "**With few images A and B answer with different faces, with many they give the same one, and it is the clean one.** Columns: a test face; the same with noise; what the networks make of it, titled by their N; last, the memorizing optimum, which knows the noise level and nothing but the largest training set. Rows: two noise levels, each for half A and half B."}, "image": {"alt": "Grid of small grey face images. Rows are noise levels and halves; columns are the clean and noisy face, the answers of networks by N, and the memorizing optimum.", "classes": "dark-light"}}
face, rows, labels = faces.held_out[1:2], [], []
for sigma in (0.2, 0.5):
    y = noise.add_noise(face, sigma, torch.Generator().manual_seed(seed))
    for half in "AB":
        memory = EmpiricalDenoiser(faces.training(faces.largest, half))
        answers = [denoise(f, y, sigma) for f in (*(faces.denoisers[n, half] for n in faces.sizes), memory)]
        rows.append(torch.cat([face, y, *answers]))
        labels.append(f"σ = {sigma}\nhalf {half}")
plots.image_grid(rows, labels, ["clean", "noisy"] + [f"{n:,}" for n in faces.sizes] + ["memory"])

# %% [markdown]
# The memorizing optimum, titled *memory*, answers with a face of its training set, sharp and usually of somebody else. Here
# is the same experiment with sliders; this optimum is as blind as the networks: it weighs all noise levels as training did.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.2", "code_prompt_hide": "Code: Fig. 2.2", "figure": {"name": "fig-explore-n", "caption": "**Raise N with the noise fixed: the answers of A and B become one face, the clean one.** One test face: clean, noisy, denoised by network A and by network B of N training images each, and by the memorizing optimum of half A at the same N, which is not told σ either. Below the pictures: PSNR in dB."}}
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
    return Frame(
        tiles, f"N = {n:,}, σ = {sigma:.2f}: {words}. A and B are similar by {similarity.rho(*found[:2]).item():.2f}."
    )


every = np.geomspace(0.02, 1, 41).tolist()  # noise levels
sliders = [
    Slider("n", "training images, N", faces.sizes, start=faces.largest, form="{:,}"),
    Slider("sigma", "noise, σ", every, every[::5], every[25], "{:.2f}"),
    Slider("image", "test face", range(64), [1]),
]
Explorer(answers, sliders, columns=5)

# %% [markdown]
# ## Does it do better on what it has seen?
#
# We measure the error as output PSNR, $-10 \log_{10} \mathrm{MSE}$ in dB, against the input PSNR, $-20 \log_{10} \sigma$. Low
# input PSNR (left in the figures) is much noise. PSNR is taken of the *mean* squared error over images, with 95% bootstrap
# intervals over images, or over regions of photographs, whose patches are alike.
#
# Three references stand beside the networks. The **memorizing optimum** is the exact best denoiser if the training images
# were all there is,
#
# $$f(y) = \sum_i w_i\, x_i, \qquad w_i \propto p(y \mid x_i),$$ (eq-memorizer)
#
# where, to be as blind as the networks, $p(y \mid x_i)$ is integrated over the noise levels with the weight that training gives
# them. The **Wiener denoiser** is the exact best one if the images were Gaussian with the mean $m$ and covariance $C$ of the
# training images, and the best affine one on them,
#
# $$f(y) = m + C\,(C + \sigma^2 I)^{-1} (y - m);$$ (eq-wiener)
#
# it is told the noise level, which the networks are not. The **ray bound** is what a bias-free network can do with a single
# image: since $f(ay) = a f(y)$, it cannot know how bright the image is and must estimate that from $y$; projecting on the
# image's ray leaves $\sigma^2/d$ of the noise, so output PSNR is input PSNR $+ 10 \log_{10} d$.

# %%
curves, gaps = errors.generalization(faces, seed)
rivals, exchange = errors.rivals(faces, seed), errors.exchange(faces, seed)
results.keep(curves=curves, gaps=gaps, rivals=rivals, exchange=exchange)

# %%
patch_curves, patch_gaps = errors.generalization(patches, seed)
patch_rivals, patch_exchange = errors.rivals(patches, seed), errors.exchange(patches, seed)
chain_curves, chain_gaps = errors.generalization(experiments.chain(scale, sizes), seed)
results.keep(patch_curves=patch_curves, patch_gaps=patch_gaps, patch_rivals=patch_rivals)
results.keep(patch_exchange=patch_exchange, chain_curves=chain_curves, chain_gaps=chain_gaps)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.3", "code_prompt_hide": "Code: Fig. 2.3", "figure": {"name": "fig-psnr", "caption": "**Training (solid) and test images (dotted) part when N is small and merge when it is large.** Output against input PSNR: faces left, photographs right; half A blue, half B orange, with 95% intervals. Dashed: the memorizing optimum of half A on its training images (upper) and on test images (lower). Green: the Wiener denoiser of half A on test images. Grey: the noisy input itself, and, dash-dotted, the ray bound. A dotted line below the grey diagonal means that the network adds error to a new image."}, "image": {"alt": "Panels of output PSNR against input PSNR, faces and photographs, for three N each. At the smallest N the training curves run far above the test curves; at the largest N the four curves are close to each other.", "classes": "dark-light"}}
sets = ((faces, "faces", curves, rivals), (patches, "photographs", patch_curves, patch_rivals))
panels = [((s.few, s.sizes[len(s.sizes) // 2], s.largest)[k], *rest) for k in range(3) for s, *rest in sets]
figure, axes = plots.panels(6, columns=2, height=2.3, sharex=True, sharey=True)
for ax, (n, name, found, others) in zip(axes, panels, strict=True):
    x, of_n = np.array(others.where(n=n)["input_psnr"]), others.where(n=n)
    ax.plot(x, x, color=plots.FAINT, label="noisy input")
    ax.plot(
        x, ray_bound(x, faces.held_out[0].numel()), color=plots.TRAINING, linestyle="-.", linewidth=1, label="ray bound"
    )
    for field, label in (("memory_training", "memorizing optimum"), ("memory_test", None)):
        ax.plot(x, of_n[field], color=plots.INK, linestyle="--", linewidth=1, label=label)
    plots.band(ax, x, of_n["wiener"], color=plots.WIENER, linewidth=1, label="Wiener, test")
    for half, curve in found.where(n=n).by("half"):
        plots.band(ax, x, curve["training"][:-1], color=plots.HALF[half], label=f"{half}, training")
        plots.band(ax, x, curve["test"][:-1], color=plots.HALF[half], linestyle=":", label=f"{half}, test")
    ax.set(
        title=f"{name}, N = {n:,}", xlabel="input PSNR (dB)", ylabel="output PSNR (dB)", xlim=(0, 42.5), ylim=(5, 58)
    )
    ax.label_outer()
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.4", "code_prompt_hide": "Code: Fig. 2.4", "figure": {"name": "fig-gap", "caption": "**The advantage of training images shrinks to nothing as N grows.** Left: gap between training and test PSNR of faces against input PSNR, one colour for each N, half A solid and half B dotted. Right: the gap at input 21 dB against N, faces solid, photographs dashed, and faces for BF-CNN, a network of another kind, dotted. With 95% intervals."}, "image": {"alt": "Left, gap curves against input PSNR, tens of dB at small N and zero at the largest N. Right, the gap at 21 dB falls with N.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.8)
for n, of_n in curves.by("n"):
    for half, curve in of_n.by("half"):
        label, line = (f"N = {n:,}", "-") if half == "A" else (None, ":")
        plots.band(
            left,
            curve["input_psnr"][:-1],
            curve["gap"][:-1],
            color=plots.shade(n, faces.sizes),
            linestyle=line,
            label=label,
        )
for name, table, line in (("faces", gaps, "-"), ("photographs", patch_gaps, "--"), ("BF-CNN", chain_gaps, ":")):
    for half, row in table.by("half"):
        plots.band(
            right, row["n"], row["gap"], color=plots.HALF[half], linestyle=line, marker="o", label=f"{name}, {half}"
        )
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
# At $N$ = 10 and input 21 dB, half A's training images come out better than test images by
# {num}`gaps[n=10,half=A].gap:.1f` dB: numbers in brackets are 95% intervals. At $N$ = {num}`gaps[n=max,half=A].n:,` the gap, averaged over
# noise levels, is {num}`gaps[n=max,half=A].mean:.2f` dB ({target}`T4`). {claim}`the-gap-of-faces-closes` (Training images of a
# small set are repeated with fresh noise to match the number of test images; the interval is then over noise, for this one set.)
#
# A small set may happen to hold easy images. The network of the other half, which has not seen them, serves as a judge: on
# its own images a network gains {num}`exchange[n=10].own:.1f` dB over the other at $N$ = 10, and {num}`exchange[n=max].own:.2f` dB
# at the largest $N$. {claim}`no-network-favours-its-own-images` What is left there is chance, not data: one of the two is the better
# network on *all* images, by {num}`exchange[n=max].better:.2f` dB (A over B).
#
# On photographs the gap closes as well, from {num}`patch_gaps[n=10,half=A].gap.value:.1f` dB to a mean of
# {num}`patch_gaps[n=max,half=A].mean:.2f` dB at $N$ = {num}`patch_gaps[n=max,half=A].n:,` ({target}`T4 photographs`).
# {claim}`the-gap-of-photographs-closes` This says less than for faces: halves and test patches come from different
# regions of the same photographs, so test patches show new places, not new scenes.
#
# The size at which the gap closes depends on the network. BF-CNN, a chain of convolutions with a tenth of the UNet's parameters,
# has none at $N$ = 100: {num}`chain_gaps[n=100,half=A].gap:.2f` dB, where the UNet has {num}`gaps[n=100,half=A].gap.value:.0f` dB.
# {claim}`chain-does-not-memorize-a-hundred`
#
# *The paper finds* the same transition at 80 pixels with faces (its Figure 1). *Why?* Repeating its training images is the
# optimum of a network's training loss, at every $N$; small sets are stored, large ones are not. Two reasons are at hand: the network may have
# no room for a large set, or no time.
#
# **Our experiment does not tell room from time.** Each image of $N$ = 10 was seen
# {num}`gaps[n=10,half=A].views:,.0f` times, each image of the largest set {num}`gaps[n=max,half=A].views:,.0f` times: the folded tables
# have these views beside each gap. The paper's images of $N = 10^5$ were seen about 2,000 times, so its large sets had the time that ours
# did not have. What decides are networks of $N$ = 1,000 and 10,000 at *equal views* ({target}`T24`): if those of 10,000 images then part from
# new images as those of 1,000 do, it was time; if they do not, it was room.
#
# And having no gap does not yet mean that the network has learned the density: it could have learned *something else* that is equally
# good on both sets. The [next chapter](03_two_networks_one_density.py) is sharper.
#
# ## Is it only Wiener?
#
# A simple explanation would be that the network learns second moments: the mean and the covariance of the images, which two
# halves of a large set share. Then it would be the Wiener denoiser, an affine map, and nothing in it would depend on the
# image. How much better is the network than Wiener on test images?

# %%
beyond, patch_beyond = errors.over_wiener(faces, seed), errors.over_wiener(patches, seed)
results.keep(beyond=beyond, patch_beyond=patch_beyond)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.5", "code_prompt_hide": "Code: Fig. 2.5", "figure": {"name": "fig-wiener", "caption": "**But for the weakest noise, the network is better than any affine denoiser.** How much better than Wiener the network of the largest N is on test images, both fitted to half A, against input PSNR, with 95% intervals."}, "image": {"alt": "The network's advantage over Wiener in dB against input PSNR, faces left, photographs right: it rises to some dB at middle noise and falls to nothing at the weakest.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.6, sharey=True)
for ax, name, table in zip(axes, ("faces", "photographs"), (beyond, patch_beyond), strict=True):
    plots.band(ax, table["input_psnr"], table["gain"], color=plots.HALF["A"])
    ax.axhline(0, color=plots.INK, linewidth=0.6)
    ax.set(title=name, xlabel="input PSNR (dB)", ylabel="network − Wiener (dB)")
plots.Picture(figure)

# %% [markdown]
# On faces the network gains up to {num}`beyond[gain=max].gain:.1f` dB over Wiener, at input
# {num}`beyond[gain=max].input_psnr:.0f` dB, and on photographs up to {num}`patch_beyond[gain=max].gain.value:.1f` dB. So what two networks share is more
# than a mean and a covariance. {claim}`networks-are-more-than-wiener` At the weakest noise the gain on faces vanishes:
# there these small networks are no better than an affine map. {claim}`no-gain-at-the-weakest-noise` (With few patches beside
# {num}`networks[images=photographs,n=max,label=A].pixels:,` pixels the covariance is itself poorly known, so Wiener is a weaker rival on
# photographs.) What the network has beyond Wiener is the subject of the later chapters.
#
# ## When does it memorize?
#
# The log of each training shows when memory begins. Look for two things: how long all networks improve together on new
# images, and where the networks with few images turn away from new images to their own.

# %%
log, patch_log = errors.learning(faces), errors.learning(patches)
onsets, patch_onsets = errors.onsets(log), errors.onsets(patch_log)
results.keep(log=log, patch_log=patch_log, onsets=onsets, patch_onsets=patch_onsets)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.6", "code_prompt_hide": "Code: Fig. 2.6", "figure": {"name": "fig-log", "caption": "**Networks of small sets memorize: while the training curve (solid) climbs, the test curve (dotted) turns down. Those of large sets climb together.** Output PSNR at input 20 dB (σ = 0.1, grey line) against images seen in training, one colour for each N, half A; faces left, photographs right. Solid: training images; dotted: test images."}, "image": {"alt": "PSNR against images seen on a log axis, faces and photographs. For the smallest N the training curve climbs while the test curve falls; for the largest N both climb together.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=3, sharey=True)
for ax, name, table in zip(axes, ("faces", "photographs"), (log, patch_log), strict=True):
    for n, curve in table.where(half="A").by("n"):
        colour = plots.shade(n, table["n"])
        ax.plot(curve["images_seen"], curve["training"], color=colour, label=f"N = {n:,}")
        ax.plot(curve["images_seen"], curve["test"], ":", color=colour)
    ax.axhline(20, color=plots.FAINT)
    ax.set(title=name, xlabel="images seen in training", ylabel="output PSNR (dB)", xscale="log")
    plots.legend(ax)
plots.Picture(figure)

# %% [markdown]
# Two times can be read off. The **time to generalize** is when the test PSNR first comes within half a dB of what the networks
# of the largest $N$ reach at the end. The **time to memorize** is when the training PSNR is 1 dB above the test PSNR for the
# first time. The log has one entry at each power of two of the steps, so both are known up to a factor of two.

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: times of faces", "code_prompt_hide": "Table: times of faces"}
onsets.show(n=",", half="", generalizing=",", memorizing=",", views=",.0f", copies=".2f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: times of photographs", "code_prompt_hide": "Table: times of photographs"}
patch_onsets.show(n=",", half="", generalizing=",", memorizing=",", views=",.0f", copies=".2f")

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.7", "code_prompt_hide": "Code: Fig. 2.7", "figure": {"name": "fig-collapse", "caption": "**Memory begins after some hundred to some thousand views of each image, at every N that is seen so often.** Against the number of times that each training image has been seen; faces above, photographs below. Left: training minus test PSNR at input 20 dB, half A; dashed: 1 dB. Right: share of 64 samples that are copies, half A solid, half B dotted. If memorizing took a fixed number of views of each image, the curves of all N would lie on each other."}, "image": {"alt": "Gap between training and test PSNR, and share of copies, against views of each image, one curve for each N; curves of larger N end further left.", "classes": "dark-light"}}
figure, axes = plots.panels(4, columns=2, height=2.3, sharex=True)
for name, table, left, right in (("faces", log, *axes[:2]), ("photographs", patch_log, *axes[2:])):
    for n, of_n in table.by("n"):
        for half, line in (("A", "-"), ("B", ":")):
            curve, style = of_n.where(half=half), {"color": plots.shade(n, table["n"]), "linestyle": line}
            right.plot(curve["views"], np.array(curve["copies"], float), **style)
            if half == "A":
                left.plot(curve["views"], np.subtract(curve["training"], curve["test"]), label=f"N = {n:,}", **style)
    left.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
    left.set(title=name, xlabel="views of each training image", ylabel="training − test (dB)", xscale="log")
    right.set(title=name, xlabel="views of each training image", ylabel="share of copies", ylim=(-0.02, 1.02))
    plots.legend(left)
plots.Picture(figure)

# %% [markdown]
# *Others say:* {cite:t}`bonnaire2025why` find a time to generalize that does not depend on $N$ and a time to memorize that
# grows in proportion to it, so that the window between them opens as $N$ grows and early stopping keeps a network from
# memorizing. *We find* a time to generalize that is the same for all large sets within the log's factor of two,
# {num}`onsets[n=max,half=A].generalizing:,` images for half A, while networks of 100 faces and fewer never get there.
# {claim}`one-time-to-generalize` {claim}`small-sets-do-not-generalize` Memory is visible up to $N$ = 1,000, where it begins after
# {num}`onsets[n=1000,half=A].views:,.0f` views of each image. {claim}`small-sets-are-memorized`
#
# Networks of 10,000 faces and more have not seen theirs so often. So the large sets of this chapter were stopped *before* their
# time to memorize, and the transition at equal images seen is, at least in part, one of views.
# {claim}`large-sets-are-stopped-before-memory`
#
# ## Time or room?
#
# To see how the time to memorize grows with $N$ we train for it: sets of {num}`law[networks=all].first` to {num}`law[networks=all].last` faces,
# two widths, three seeds, until each face was seen 512 times. The learning rate stays constant, so that its fall decides nothing; the recipe is
# that of the second edition, which learns several times faster. A small set may hold easy faces. So from the gap we take that of a
# network of half B, which has seen neither these faces nor the test faces. Memory has set in when 1 dB is left.

# %%
small = experiments.onset(scale)
course = onset.courses(small, faces.denoisers[faces.largest, "B"])
began = onset.times(course)
law, steps = onset.law(began), onset.steps(began.where(width=max(began["width"])))  # of the wider networks
results.keep(course=course, began=began, law=law, steps=steps)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 2.8", "code_prompt_hide": "Code: Fig. 2.8", "figure": {"name": "fig-onset", "caption": "**The more images, the later memory sets in; but small sets wait for the network, not for their views.** Left: gap between training and test faces at σ = 0.1, less the gap of a network that knows neither, against views of each face; one colour for each N, one line for each seed, the wider networks; dashed: 1 dB. Right: images seen until then against N, a dot for each training (circles: wider, squares: narrower); solid: the line of a common start and a number of views for each image; dotted: a number of views alone."}, "image": {"alt": "Left, excess gap against views, curves of larger N rise earlier. Right, images seen until memory sets in against N on log axes, rising, flatter than a proportion at small N.", "classes": "dark-light"}}
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
# The time grows with $N$, as $N$ to the power {num}`law[networks=all].apart:.2f` ({target}`T25`). {claim}`memory-waits-for-larger-sets` Behind this mean
# are two laws. At width 8 the exponent is {num}`law[networks=width 8].apart:.2f`, in proportion to $N$: each face has to be seen equally often, whatever
# the others are. {claim}`narrow-networks-wait-in-proportion` At width 16 it is smaller, but grows from {num}`steps[first=min].exponent.value:.2f` between the two
# smallest sets to {num}`steps[last=max].exponent.value:.2f` between the two largest. {claim}`the-exponent-grows`
#
# *Why?* A network that cannot denoise yet cannot remember either. At width 16 it sees about {num}`law[networks=width 16].start.value:,.0f` images before any set
# could be remembered, and from then on each image about {num}`law[networks=width 16].views.value:.0f` times. {claim}`a-start-then-views` Of a large set the start
# is no part. So the law is that of {cite:t}`bonnaire2025why`, once the network itself does not have to be waited for. Narrower networks need
# two to three times as many views. {claim}`wider-networks-remember-earlier`
#
# **So it is time**, as far as we have followed it: no set was too large to be remembered, some only had not been seen often enough.
# By this line a network of 10,000 faces would begin to remember after about a million images. {claim}`ten-thousand-need-a-million` That
# extrapolates far beyond the largest of these sets; networks of 10,000 that were trained so long must show it ({target}`T24`).
#
# To remember is not yet to copy: after 512 views of each image at most a few of 64 samples are copies. {claim}`copies-come-later` (All sets are
# the first faces of one half; intervals are over seeds and widths.)
