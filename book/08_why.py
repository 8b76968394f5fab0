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
# # Why? Rival explanations on the same images
#
# ```{admonition} In short
# **Claim.** The paper explains generalization by harmonic bases that adapt to each image. Others explain it by
# untrained machines, which average windows or patches of training images
# {cite:p}`kamb2025analytic,niedoba2025mechanistic,lukoianov2025locality`. (Those who explain it by training are in
# [chapter 9](09_where_training_stops.py).)
#
# **What we found.** Of the machines that were given all images, averages of patches come nearest to the UNet's answer
# at weak and middle noise. {claim}`composites-explain-most-of-all-rivals` Windows of all places are too slow for that;
# on three faces they come nearer than any of these with a third of the images.
# {claim}`equivariance-with-a-third-is-nearest` A UNet of other faces is nearer than any machine.
# {claim}`the-other-half-is-nearer-than-any-rival` Machines' bases follow the face, too,
# {claim}`machines-have-the-adaptive-basis` so that adaptation alone singles out no explanation; but they are less
# ordered by frequency than the network's. {claim}`machines-are-less-harmonic` A transformer, which has no convolutions,
# comes to the same basis. {claim}`transformer-has-the-adaptive-basis`
#
# **The figure.** {numref}`fig-explained`; to play with, {numref}`fig-rival`.
# ```
#
# A **machine** is a denoiser without one trained weight, made of training images. **LS** (local score) averages windows
# at one place, **ELS** (equivariant local score) windows of all places, **PSPC** (composites of patch posteriors)
# overlapping patches; **PCA locality** takes its windows from the data. How much of what a network does *beyond a
# Wiener filter* does each explain? 1 is all, 0 what the filter explains; at -1 the squared distance to the network is
# twice the filter's.
#
# | Machine | images | UNet of {num}`explained[network=UNet,rival=Wiener,sigma=min].n:,` faces | BF-CNN of {num}`explained_few[network=BFCNN,rival=Wiener,sigma=min].n` faces, beyond the filter of the same faces |
# |---|---|---|---|
# | LS | all | {num}`explained[network=UNet,sigma=0.1,rival=LS].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival=LS].beyond_own.value:.2f` |
# | ELS | 1,000 at most | {num}`explained[network=UNet,sigma=0.1,rival=ELS].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival=ELS].beyond_own.value:.2f` |
# | PSPC | all | {num}`explained[network=UNet,sigma=0.1,rival=PSPC].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival=PSPC].beyond_own.value:.2f` |
# | PCA locality, threshold fitted | all | {num}`explained[network=UNet,sigma=0.1,rival="PCA locality"].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival="PCA locality"].beyond_own.value:.2f` |
# | PCA locality, threshold .02 | all | {num}`explained[network=UNet,sigma=0.1,rival="PCA at .02"].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival="PCA at .02"].beyond_own.value:.2f` |
# | *the same network, other faces* | – | {num}`explained[network=UNet,sigma=0.1,rival="other half"].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival="other half"].beyond_own.value:.2f` |
#
# *(Answers to eight noisy faces, σ = 0.1; intervals are in {numref}`fig-explained`. The BF-CNN of 100 faces hardly remembers them, and ELS can be given all of them.)*

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring and sampling, not for training

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
import torch

from ghr import experiments
from ghr.book import plots, results
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.denoiser import denoise
from ghr.measure import rivals
from ghr.measure.architectures import architectures
from ghr.measure.shuffles import side
from ghr.noise import add_noise

faces, chain = experiments.faces(scale), experiments.chain(scale)
few, n = chain.sizes[0], chain.largest  # N of both architectures
images, seeds = (2, range(2)) if scale == "smoke" else (8, range(12))  # held-out images, sampling seeds

# %% [markdown]
# ## One face, one start
#
# The networks are a UNet and a {term}`BF-CNN` of $N$ = {num}`explained[n=max,network=UNet,rival=Wiener,sigma=min].n:,`
# faces; the BF-CNN is still one of the first edition, trained less well ([log](log.md)). Machines are computed from these
# faces, and told the noise level, which networks are not. The transformer is another network of the same faces. Of a network $f$ a rival $g$ explains, beyond the
# {term}`Wiener denoiser`, the share
#
# $$1 - \frac{\mathbb{E}\,\|f(y) - g(y)\|^2}{\mathbb{E}\,\|f(y) - g_{\mathrm{Wiener}}(y)\|^2}.$$ (eq-beyond-wiener)
#
# Windows are fitted to the network at each noise level, on three faces that serve for nothing else.

# %%
levels = (0.03, 0.1, 0.3, 0.9)  # noise levels of this chapter
sides = {"LS": (1, 3, 5, 7, 11, 17, 25), "ELS": (1, 3, 5, 9, 15, 21), "PSPC": (1, 2, 3, 5, 8, 12, 20)}
sides["PCA locality"] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)  # thresholds
windows = rivals.calibration([faces, chain], n, sides=sides, few=10 * few, most=n // 3, images=3, sigmas=levels)
windows_few = rivals.calibration([faces, chain], few, sides=sides, images=3, sigmas=levels)
results.keep(windows=windows, windows_few=windows_few)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: which window comes nearest to the network?", "code_prompt_hide": "Figure: which window comes nearest to the network?", "figure": {"name": "fig-windows", "caption": "**The stronger the noise, the larger the window that comes nearest to the network.** {claim}`windows-grow-with-noise` Mean squared distance to the UNet's answer (squared image units per pixel)."}, "image": {"alt": "Four panels, one for each windowed machine: distance to the network against window side or threshold, a curve for each of four noise levels, whose lowest point moves to the right as noise grows.", "classes": "dark-light"}}
figure, axes = plots.panels(4, columns=2, height=2.2, sharey=True)
for ax, (name, some) in zip(axes, windows.where(network="UNet").by("rival"), strict=True):
    for sigma, curve in some.by("sigma"):
        distances = [apart.value for apart in curve["apart"]]
        ax.plot(curve["window"], distances, color=plots.shade(sigma, levels), label=f"σ = {sigma}", marker=".")
    ax.set(title=name, xlabel="side of window (pixels)", yscale="log")
axes[-1].set(xlabel="threshold", xscale="log")
axes[-1].set_xticks(sides["PCA locality"][::2], sides["PCA locality"][::2])
axes[-1].set_xticks([], minor=True)
for ax in axes[::2]:
    ax.set(ylabel="squared distance")
plots.legend(figure, ncols=4)
plots.Picture(figure)

# %%
(pixels,) = experiments.architectures(scale)
also = {"transformer": pixels.denoisers[pixels.largest, "A"]}  # of the same faces
known, known_chain = (each | also for each in rivals.fitted(faces, windows, few=10 * few))  # with windows that suit each
known_few = rivals.fitted(faces, windows_few)
looks = {"images": images, "sigmas": levels, "seed": seed}
explained, pairs = rivals.explains([faces, chain], [known, known_chain], n, **looks)
explained_few, pairs_few = rivals.explains([faces, chain], known_few, few, **looks)
results.keep(explained=explained, explained_few=explained_few, pairs=pairs, pairs_few=pairs_few)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.2", "code_prompt_hide": "Code: Fig. 8.2", "figure": {"name": "fig-explore-rival", "caption": "**What a rival lacks is in the difference.** Network − rival: blue below zero, red above, on a scale of its own."}}
def look(rival, sigma):
    """A face as the network and one rival see it."""
    x = faces.held_out[4:5]
    y = add_noise(x, sigma, torch.Generator().manual_seed(seed))
    answer, other = (denoise(f, y, sigma) for f in (faces.denoisers[n, "A"], every[rival]))
    off, error = (answer - other).square().mean().sqrt().item(), (answer - x).square().mean().sqrt().item()
    tiles = [Tile(y[0], "noisy"), Tile(answer[0], "UNet A", "", "A"), Tile(other[0], rival)]
    words = f"σ = {sigma}: {rival} is {off:.3f} from the network, which is {error:.3f} from the clean face."
    return Frame([*tiles, Tile((answer - other)[0], "difference", f"{off:.3f}", signed=True)], words)


every = known | {"UNet B": faces.denoisers[n, "B"], "BF-CNN A": chain.denoisers[n, "A"]}
Explorer(look, [Slider("rival", "rival", [*every], start="PSPC"), Slider("sigma", "noise, σ", levels, start=levels[2])])

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.3", "code_prompt_hide": "Code: Fig. 8.3", "figure": {"name": "fig-explained", "caption": "**Of machines with all images PSPC explains the most, less than another UNet does; at strong noise none is shown to explain more than Wiener.** {claim}`composites-explain-most-of-all-rivals` {claim}`the-other-half-is-nearer-than-any-rival` {claim}`no-machine-beats-wiener-at-strong-noise` Eight held-out faces, with 95% intervals. ELS has a thousand images. Last three rows: other networks."}, "image": {"alt": "Four panels, one for each noise level; rows are rivals, dots with intervals are the shares explained of two networks.", "classes": "dark-light"}}
kinds = {"UNet": (plots.INK, 0.15), "BFCNN": (plots.TRAINING, -0.15)}
figure, axes = plots.panels(len(levels), columns=2, height=2.1, sharey=True, sharex=True)
for ax, sigma in zip(axes, levels, strict=True):
    for kind, (colour, shift) in kinds.items():
        some = [row for row in explained.where(network=kind, sigma=sigma) if row.rival not in ("Wiener", "memorizer")]
        style = {"color": colour, "label": kind}
        plots.dots(ax, [row.rival for row in some], [row.beyond for row in some], shift, **style)
    ax.axvline(0, color=plots.WIENER, linewidth=1)
    ax.set(title=f"σ = {sigma}", xlim=(-1.5, 1))
for ax in axes[-2:]:
    ax.set(xlabel="share explained beyond Wiener")
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: rivals on the same noisy images", "code_prompt_hide": "Table: rivals on the same noisy images"}
explained.show("Rivals on the same noisy images", network="", sigma="", rival="", beyond=".2f")

# %% [markdown]
# All draw from the same starts, by four steps of Heun's method (elsewhere twenty: machines are slow). Similarity
# *beyond Wiener* is the {term}`centred cosine` after Wiener's sample is subtracted; what other starts have is not 0,
# since one Wiener sample is subtracted from both.

# %%
walks = rivals.walks([faces, chain], known, n, seeds=seeds, steps=4)
sampled, sample_pairs = rivals.samples_explained(*walks)
results.keep(sampled=sampled, sample_pairs=sample_pairs)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.4", "code_prompt_hide": "Code: Fig. 8.4", "figure": {"name": "fig-rival-samples", "caption": "**From the same start most machines draw other faces than the UNet.** {claim}`averages-draw-no-more-than-other-starts` Each column starts from one noise. Last three rows: other networks."}, "image": {"alt": "Rows of sampled images, the network's first, then a row for each machine and three for other networks.", "classes": "dark-light"}}
drawn = {"UNet A": walks[0].network, **walks[0].rivals}
plots.image_grid([x[:6] for x in drawn.values()], [name.replace(" ", "\n") for name in drawn])

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.5", "code_prompt_hide": "Code: Fig. 8.5", "figure": {"name": "fig-rival-similarity", "caption": "**Samples rank machines otherwise than answers do: we take no verdict from them.** {claim}`principal-windows-draw-the-unets-faces` {claim}`equivariance-draws-the-chains-faces` Means over twelve seeds, with 95% intervals. Crosses: other starts."}, "image": {"alt": "Two panels of dots with intervals, rows are rivals; left similarity of samples, right similarity beyond Wiener, with crosses for the null.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.6, sharey=True)
for kind, (colour, shift) in kinds.items():
    some = sampled.where(network=kind)
    rest = [row for row in some if row.beyond is not None]  # all but Wiener, which is the first row
    plots.dots(right, [row.rival for row in rest], [row.beyond for row in rest], shift, color=colour)
    places = [len(rest) - 1 - k + shift for k in range(len(rest))]
    right.plot([row.beyond_null.value for row in rest], places, "x", color=colour, markersize=4)
    plots.dots(left, some["rival"], some["similarity"], shift, color=colour, label=kind)
left.set(title="samples", xlabel="centred cosine")
right.set(title="beyond Wiener", xlabel="centred cosine")
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: similarity of samples", "code_prompt_hide": "Table: similarity of samples"}
sampled.show(network="", rival="", r_squared=".2f", beyond=".2f", beyond_null=".2f")

# %% [markdown]
# Beyond Wiener, samples of PSPC, LS and ELS are no nearer to the UNet's than other starts are,
# {claim}`averages-draw-no-more-than-other-starts` and those of plain memory, which explains nothing of an answer, are
# nearer. {claim}`memory-explains-nothing-of-a-generalizing-network` {claim}`memory-draws-more-than-the-null` So samples rank machines otherwise than answers do. We think that this
# measure rewards whoever ends at one face; and windows were fitted to single answers, not to the states of a walk. So
# we do not read it as a rank of explanations. The same network of other faces draws nearer than any machine.
# {claim}`another-network-of-its-kind-draws-more-alike`
#
# ## A Gaussian: Wiener
#
# At strong noise (σ = 0.9) the Gaussian explanation {cite:p}`wang2023hidden` is not beaten: no machine is shown to be
# nearer to the UNet than Wiener. {claim}`no-machine-beats-wiener-at-strong-noise` It is not complete: a UNet of other
# faces explains {num}`explained[network=UNet,sigma=0.9,rival="other half"].beyond:.2f` of what is beyond it.
#
# ## Windows: LS and ELS
#
# LS, the local score machine {cite:p}`kamb2025analytic`, compares the window $W(p)$ around a pixel $p$ with that of
# every training image $x_i$, and answers with a weighted mean of their pixels:
#
# $$f(y)[p] = \sum_i w_i[p]\, x_i[p], \qquad w[p] = \operatorname{softmax}_i\Big(-\frac{\|y_{W(p)} - x_{i,W(p)}\|^2}{2\sigma^2}\Big).$$ (eq-local)
#
# Different windows choose different training images: so its answers are new. ELS compares windows of *all* places. On
# the three faces of {numref}`fig-windows` it is nearer to the UNet than LS, PSPC and PCA locality with as many images,
# all with the windows chosen there. {claim}`equivariance-needs-fewer-images` With
# {num}`given[rival=ELS,images=max].images:,` it is nearer than any of these with all.
# {claim}`equivariance-with-a-third-is-nearest` But it is slow: elsewhere in this chapter it has a thousand, the others
# all, and their order there is not one of explanations.

# %%
counts = dict.fromkeys(("LS", "PSPC", "PCA locality"), (few, 10 * few, 100 * few, n)) | {"ELS": (few // 10, few, 10 * few, 100 * few)}
best = rivals.chosen(windows.where(network="UNet"), "apart")
given = rivals.given(faces, best, counts, n, images=3)
results.keep(given=given)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: how many images does a rival need?", "code_prompt_hide": "Figure: how many images does a rival need?", "figure": {"name": "fig-given", "caption": "**On three faces, image for image, ELS comes nearest to the network.** {claim}`equivariance-needs-fewer-images` Distance as in {numref}`fig-windows`, σ = 0.1."}, "image": {"alt": "Distance to the network against training images of the rival on log axes, a falling curve for each of four rivals.", "classes": "dark-light"}}
figure, (ax,) = plots.panels(1, height=2.6)
for (name, curve), line, marker in zip(given.by("rival"), ("-", "--", ":", "-."), "os^D", strict=True):
    distances = [apart.value for apart in curve["apart"]]
    ax.plot(curve["images"], distances, color=plots.INK, linestyle=line, marker=marker, markersize=4, label=name)
ax.set(xlabel="training images of the rival", ylabel="squared distance to network", xscale="log", yscale="log")
plots.legend(figure, ncols=4)
plots.Picture(figure)

# %% [markdown]
# Kamb and Ganguli predict samples of convolutional ResNets and UNets, with a median r² of .94 to .96. Our ELS draws the
# UNet's faces with {num}`sampled[network=UNet,rival=ELS].r_squared.value:.2f`, less than Wiener from the same start,
# which already holds a coarse face ({num}`sampled[network=UNet,rival=Wiener].r_squared.value:.2f`). Whether the
# thousand images, windows, four steps, that start, blindness or faces keep it from their agreement, we do not know.
#
# Of what a chain of few faces does beyond their Wiener filter, ELS explains the most of all machines,
# {num}`explained_few[network=BFCNN,sigma=0.1,rival=ELS].beyond_own.value:.2f` at σ = 0.1; it is not shown to be nearer
# than the filter of all faces. {claim}`equivariance-is-nearest-to-the-chain-of-few-images`

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.7", "code_prompt_hide": "Code: Fig. 8.7", "figure": {"name": "fig-explained-few", "caption": "**Of machines of a hundred faces ELS comes nearest to the chain at σ = 0.1; it is not shown to be nearer than the Wiener filter of all faces.** {claim}`equivariance-is-nearest-to-the-chain-of-few-images` As {numref}`fig-explained`; N = 100, beyond the Wiener filter of the same faces; values below -1.5 are in the table."}, "image": {"alt": "Two panels, one for each noise level; rows are rivals, dots with intervals are the shares explained of two networks of few images.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.5, sharey=True, sharex=True)
for ax, sigma in zip(axes, levels[1:3], strict=True):
    for kind, (colour, shift) in kinds.items():
        some = [row for row in explained_few.where(network=kind, sigma=sigma) if row.rival not in ("Wiener of few", "memorizer")]
        style = {"color": colour, "label": kind}
        plots.dots(ax, [row.rival.replace("Wiener", "Wiener of all") for row in some], [row.beyond_own for row in some], shift, **style)
    ax.axvline(0, color=plots.WIENER, linewidth=1)
    ax.set(title=f"σ = {sigma}", xlim=(-1.5, 1), xlabel="share explained beyond Wiener of few")
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: the same at few training images", "code_prompt_hide": "Table: the same at few training images"}
explained_few.show("Rivals of few images on the same noisy images", {"beyond_own": "beyond Wiener of few", "beyond": "beyond Wiener of all"}, network="", sigma="", rival="", beyond_own=".2f", beyond=".2f")

# %% [markdown]
# ## Patches: PSPC
#
# PSPC {cite:p}`niedoba2025mechanistic` takes the {term}`posterior mean` of each square patch, given the training
# patches at its place, and averages these where patches overlap.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.8", "code_prompt_hide": "Code: Fig. 8.8", "figure": {"name": "fig-rival", "caption": "**Patches of training images come near to the network's answer.** A noisy face (σ = 0.1), two answers, and network − PSPC. Live: the memorizer, LS or PSPC, of all N training images, on a face or an image of yours."}}
from ghr.book.live import Live

x, level = faces.held_out[1:2], levels[1]
y = add_noise(x, level, torch.Generator().manual_seed(seed))
pair = [denoise(f, y, level) for f in (faces.denoisers[n, "A"], known["PSPC"])]
still = plots.image_grid([torch.cat([x, y, *pair, pair[0] - pair[1]])], ["face"], ["clean", "noisy", "network", "PSPC", "difference"], signed=1)
alt = "A face, the same with noise, the answers of a network and of PSPC, which are alike, and their difference."
Live("rival", still, alt, networks="avatars", sigma=level, face=1, windows={name: best[name] for name in ("LS", "PSPC")})

# %% [markdown]
# *Its basis.* Bases of machines follow the face, as a network's do ([chapter 4](04_adaptive_basis.py)): their
# Jacobians are covariances of training images inside windows.

# %%
machines = {name: known[name] for name in ("PSPC", "LS", "PCA locality")}
basis = rivals.adapted(faces, machines, n, networks=also, images=images, seed=seed)
results.keep(basis=basis)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.9", "code_prompt_hide": "Code: Fig. 8.9", "figure": {"name": "fig-machine-bases", "caption": "**A transformer has nearly the UNet's basis; machines' follow the face, too, share a third to a half of what another network's does of this face, and are less ordered by frequency.** {claim}`transformer-has-the-adaptive-basis` {claim}`machines-have-the-adaptive-basis` {claim}`machines-share-half-of-the-basis` {claim}`machines-are-less-harmonic` Eight faces, σ = 0.1, with 95% intervals. Alignment with the UNet's basis; crosses: with that at another face; line: chance. H2 and H4 are 0 for a basis that does not know its face; H1: does frequency grow with rank?"}, "image": {"alt": "Four panels of dots with intervals, rows are three networks and three machines: alignment with the network's basis, with crosses for another face, H1, H2, and H4.", "classes": "dark-light"}}
figure, axes = plots.panels(4, columns=2, height=1.9, sharey=True)
for ax, field, title in zip(axes, ("alike", "h1", "h2", "h4"), ("alignment", "H1", "H2", "H4"), strict=True):
    some = [row for row in basis if getattr(row, field) is not None]  # the network is not compared with itself
    plots.dots(ax, [row.denoiser for row in some], [getattr(row, field) for row in some], color=plots.INK)
    ax.set(title=title, xlim=(0, None))
axes[0].plot([row.elsewhere.value for row in basis], range(len(basis))[::-1], "x", color=plots.INK, markersize=4)
axes[0].axvline(basis.rows[0].chance, color=plots.TRAINING, linewidth=1)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: bases", "code_prompt_hide": "Table: bases"}
heads = {"asym": "asymmetry of J", "trace": "tr J", "alike": "alignment", "elsewhere": "at another face", "knows": "the difference"}
forms = dict.fromkeys(("h1", "h2", "h3", "h4", "asym", "alike", "elsewhere", "knows"), ".2f")
basis.show("Bases of networks and machines", heads, denoiser="", trace=".0f", **forms)

# %% [markdown]
# {term}`Alignment <alignment>` with the UNet's basis counts by what it is above that at another face:
# {num}`basis[denoiser=PSPC].knows.value:.2f` for PSPC, {num}`basis[denoiser="other half"].knows.value:.2f` for a UNet
# of other faces, about twice as much. {claim}`machines-share-half-of-the-basis` In H2 and H4 (chapter 4) PSPC follows
# its face nearly as much as the UNet. {claim}`machines-have-the-adaptive-basis` That is to be expected of any good
# denoiser: told σ, the Jacobian of the best one is a covariance of the clean images near $y$. Two networks are set
# apart from these machines by H1, frequencies that grow with rank, {claim}`machines-are-less-harmonic` but not by H3.
# {claim}`machines-run-along-edges-as-well`
#
# ## Windows from the data: PCA locality
#
# PCA locality {cite:p}`lukoianov2025locality` is LS with windows from the data: a pixel sees where its row of the
# Wiener filter exceeds a share of the largest entry, .02 as its authors have it, or fitted like the other windows.
# (They average means over batches of images, which softens them; ours is the exact mean.) Fitted, it explains some of
# an answer; at .02 none that can be seen, {claim}`principal-windows-have-to-be-chosen` but draws the UNet's faces best
# of all machines. {claim}`principal-windows-draw-the-unets-faces`
#
# *If locality comes from the data*, rows of the Jacobian of a network of shuffled faces
# ([chapter 7](07_shuffled_pixels.py)) are local on the grid of *faces*; if from convolutions, on the grid that it
# *sees*.

# %%
shuffled = sorted(experiments.classes(scale, "avatars-shuffled"), key=side)
locality = rivals.locality([experiments.faces(scale, [n], like="classes"), *shuffled], faces.held_out[:2], seed=seed + 1)
results.keep(locality=locality)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.10", "code_prompt_hide": "Code: Fig. 8.10", "figure": {"name": "fig-locality", "caption": "**Shuffled as a whole, the network looks near on the grid that it sees, if at all.** {claim}`rows-look-near-on-the-grid-that-is-seen` Share of a row's energy in the 5 x 5 pixels around its own; σ = 0.3, means of two faces; bands reach from one to the other. Null: windows elsewhere."}, "image": {"alt": "Share of energy near against block size: the network on the grid it sees, on the grid of faces, Wiener on the grid of faces, and the null.", "classes": "dark-light"}}
figure, (ax,) = plots.panels(1, height=2.8)
network, wiener = (locality.where(denoiser=name) for name in ("network", "Wiener"))
for some, field, colour, line, label in (
    (network, "near_seen", plots.HALF["A"], "-", "network, grid it sees"),
    (network, "near_faces", plots.HALF["A"], "--", "network, grid of faces"),
    (wiener, "near_faces", plots.WIENER, "--", "Wiener, grid of faces"),
    (network, "null_faces", plots.INK, ":", "null"),
):
    plots.band(ax, some["block"], some[field], color=colour, linestyle=line, marker="o", markersize=3, label=label)
ax.set(xlabel="side of shuffled blocks (pixels)", ylabel="share of energy near", xscale="log")
ax.set_xticks(network["block"], network["block"])
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: where rows look", "code_prompt_hide": "Table: where rows look"}
near = {"near_seen": ".2f", "near_faces": ".2f", "null_seen": ".2f", "null_faces": ".2f"}
locality.show("Where rows of the Jacobian look", block="", denoiser="", **near, fewest=".2f", as_wiener=".2f")

# %% [markdown]
# The little locality that a whole shuffle leaves is on the grid that the network sees,
# {claim}`rows-look-near-on-the-grid-that-is-seen` but that shuffle harms the network: this does not decide. The next
# section does.
#
# ## Without convolutions: a transformer
#
# Harmonics may belong to convolutional networks and not to generalization: diffusion transformers generalize, and no
# harmonics were seen in their Jacobians {cite:p}`an2025inductive`. So we trained a transformer on the same faces. Its
# patches of 2 × 2 pixels may each look at the whole image, it has as many weights as the UNet, and what it knows of
# places are numbers that it learns. It has no constants, so that $f(y) = J(y)\,y$ as for the UNet (a usual transformer
# has no such law). Beside it stands the UNet after as many images.

# %%
seen = lambda one: one.runs[one.largest, "A"].images_seen  # noqa: E731
same = min(experiments.early(scale), key=lambda one: abs(seen(one) - seen(pixels)))  # UNet, nearest in images seen
makes = architectures([same, pixels.of(pixels.largest)], images=max(3, images // 2), seed=seed)
results.keep(makes=makes)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: a UNet and a transformer", "code_prompt_hide": "Table: a UNet and a transformer"}
forms = dict.fromkeys(("psnr", "gap", "asym", "h1", "h2", "h2_null", "h3", "h4", "h4_null", "near"), ".2f")
makes.show("A UNet and a transformer", {}, network="", n=",", parameters=",", images_seen=",", hom=".0e", trace=".0f", **forms)

# %% [markdown]
# It denoises as well as that UNet, {claim}`transformer-denoises-as-well` and its basis is harmonic and follows the face
# as the UNet's does ({numref}`fig-machine-bases`). {claim}`transformer-has-the-adaptive-basis` Of the UNet's basis it
# shares {num}`basis[denoiser=transformer].knows.value:.2f` more at this face than at another, where another UNet has
# {num}`basis[denoiser="other half"].knows.value:.2f` and every machine less than the transformer. Only in H3 it is
# behind: its vectors vary more along edges. {claim}`transformer-runs-less-along-edges` Its answers, too, are nearer to
# the UNet's than those of any machine. {claim}`transformer-is-nearer-than-any-machine` So neither the basis nor what
# networks share comes from convolutions.
#
# And *locality* does not. Rows of the transformer's Jacobian hold
# {num}`makes[network=Transformer].near.value:.2f` of their energy in the 5 × 5 pixels around their own, the UNet's
# {num}`makes[network=UNet].near.value:.2f`: {claim}`transformer-looks-near` it has learned from faces to look near.
#
# ## What it comes to
#
# Machines explain a part of the UNet, none the whole. {claim}`the-other-half-is-nearer-than-any-rival` Those whose
# bases we took adapt to the image, {claim}`machines-have-the-adaptive-basis` and so does a transformer,
# {claim}`transformer-has-the-adaptive-basis` so that adaptation is no evidence for one explanation, and convolutions are
# not its cause. Networks order their vectors better by frequency; {claim}`machines-are-less-harmonic` what that is good
# for is open.
#
# *Limits.* Few faces and starts, one training of each network. Faces are drawn from few parts, nearly all at one place:
# that helps machines that match windows at their own place (LS, PSPC, PCA locality) and gains ELS little; photographs
# are not here. ELS has a thousand images but in {numref}`fig-given`. The transformer is one
# training of one kind.
