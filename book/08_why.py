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
# **Claim.** The paper explains generalization by harmonic bases that adapt to each image. Others explain it by machines
# without one trained weight, which average windows or patches of training images
# {cite:p}`kamb2025analytic,niedoba2025mechanistic,lukoianov2025locality`, or by where training leaves a network
# unfinished {cite:p}`song2025selective`.
#
# **What we found.** At weak and middle noise averages of patches come nearest to the UNet
# {claim}`composites-explain-most-of-all-rivals` and have its adaptive basis: {claim}`machines-have-the-adaptive-basis`
# the basis does not decide between the paper and them. But no machine is the UNet; one of other faces is nearer.
# {claim}`the-other-half-is-nearer-than-any-rival`
#
# **The figure.** {numref}`fig-explained`; to play with, {numref}`fig-rival`.
# ```
#
# The answer in short. LS, ELS and PCA locality answer each pixel from windows of training images around it, PSPC
# averages patches; sections below define them. How much of what a network does *beyond a Wiener filter* does each
# explain? 1 is all; below 0 it is farther away than Wiener. For samples it is a similarity; samples from other starts
# have {num}`sampled[network=UNet,rival=PSPC].beyond_null.value:.2f`.
#
# | Rival | One noisy face, σ = 0.1 (UNet) | Samples (UNet) | Few images, σ = 0.1 (BF-CNN) |
# |---|---|---|---|
# | LS, windows | {num}`explained[network=UNet,sigma=0.1,rival=LS].beyond.value:.2f` | {num}`sampled[network=UNet,rival=LS].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival=LS].beyond.value:.2f` |
# | ELS, windows of all places | {num}`explained[network=UNet,sigma=0.1,rival=ELS].beyond.value:.2f` | {num}`sampled[network=UNet,rival=ELS].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival=ELS].beyond.value:.2f` |
# | PSPC, averages of patches | {num}`explained[network=UNet,sigma=0.1,rival=PSPC].beyond.value:.2f` | {num}`sampled[network=UNet,rival=PSPC].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival=PSPC].beyond.value:.2f` |
# | PCA locality, windows from data | {num}`explained[network=UNet,sigma=0.1,rival="PCA locality"].beyond.value:.2f` | {num}`sampled[network=UNet,rival="PCA locality"].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival="PCA locality"].beyond.value:.2f` |
# | the same, as published | {num}`explained[network=UNet,sigma=0.1,rival="PCA, published"].beyond.value:.2f` | {num}`sampled[network=UNet,rival="PCA, published"].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival="PCA, published"].beyond.value:.2f` |
# | *the same network, other faces* | {num}`explained[network=UNet,sigma=0.1,rival="other half"].beyond.value:.2f` | {num}`sampled[network=UNet,rival="other half"].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival="other half"].beyond.value:.2f` |

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring and sampling, not for training

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
import torch

from ghr import experiments
from ghr.book import plots, results
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.denoiser import denoise
from ghr.measure import rivals, underfitting
from ghr.measure.shuffles import side
from ghr.noise import add_noise

faces, chain = experiments.faces(scale), experiments.chain(scale)
few, n = chain.sizes[0], chain.largest  # N of both architectures
images, seeds = (2, range(2)) if scale == "smoke" else (8, range(12))  # held-out images, sampling seeds

# %% [markdown]
# ## One face, one start
#
# The networks are a UNet and a {term}`BF-CNN` of $N$ = {num}`explained[n=max,network=UNet,rival=Wiener,sigma=min].n:,`
# faces. Each rival is computed from these, and told the noise level, which networks are not. A mean and a covariance
# explain much; what does a rival $g$ explain of the network $f$ beyond the {term}`Wiener denoiser`?
#
# $$1 - \frac{\mathbb{E}\,\|f(y) - g(y)\|^2}{\mathbb{E}\,\|f(y) - g_{\mathrm{Wiener}}(y)\|^2}.$$ (eq-beyond-wiener)
#
# Most rivals look through windows. We take those that come nearest to the network, at each noise level, on three faces
# that serve for nothing else. They grow with the noise. {claim}`windows-grow-with-noise`

# %%
levels = (0.03, 0.1, 0.3, 0.9)  # noise levels of this chapter
sides = {"LS": (1, 3, 5, 7, 11, 17, 25), "ELS": (1, 3, 5, 9, 15, 21), "PSPC": (1, 2, 3, 5, 8, 12, 20)}
sides["PCA locality"] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)  # thresholds
windows = rivals.calibration([faces, chain], n, sides=sides, most=n // 3, images=3, sigmas=levels)
windows_few = rivals.calibration([faces, chain], few, sides=sides, images=3, sigmas=levels)
results.keep(windows=windows, windows_few=windows_few)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: which window comes nearest to the network?", "code_prompt_hide": "Figure: which window comes nearest to the network?", "figure": {"name": "fig-windows", "caption": "**The stronger the noise, the larger the window that comes nearest to the network.** Mean squared distance to the UNet's answer (squared image units per pixel)."}, "image": {"alt": "Four panels, one for each windowed machine: distance to the network against window side or threshold, a curve for each of four noise levels, whose lowest point moves to the right as noise grows.", "classes": "dark-light"}}
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
known, known_chain = rivals.fitted(faces, windows, few=3 * few)  # each network's rivals, with windows that suit it
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

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.3", "code_prompt_hide": "Code: Fig. 8.3", "figure": {"name": "fig-explained", "caption": "**PSPC explains the most of the machines, less than another UNet; at strong noise none explains more than Wiener.** Eight held-out faces, with 95% intervals. Last two rows: other networks."}, "image": {"alt": "Four panels, one for each noise level; rows are rivals, dots with intervals are the shares explained of two networks.", "classes": "dark-light"}}
kinds = {"UNet": (plots.INK, 0.15), "BFCNN": (plots.TRAINING, -0.15)}
figure, axes = plots.panels(len(levels), columns=2, height=2.1, sharey=True, sharex=True)
for ax, sigma in zip(axes, levels, strict=True):
    for kind, (colour, shift) in kinds.items():
        some = [row for row in explained.where(network=kind, sigma=sigma) if row.rival not in ("Wiener", "memorizer")]
        style = {"color": colour, "label": kind.replace("BF", "BF-")}
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
# Rivals draw, too. All walk from the same starts by four steps of Heun's method. Similarity *beyond Wiener* is the
# {term}`centred cosine` after Wiener's sample is subtracted from both.

# %%
walks = rivals.walks([faces, chain], known, n, seeds=seeds, steps=4)
sampled, sample_pairs = rivals.samples_explained(*walks)
results.keep(sampled=sampled, sample_pairs=sample_pairs)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.4", "code_prompt_hide": "Code: Fig. 8.4", "figure": {"name": "fig-rival-samples", "caption": "**From the same start, PCA locality as published draws the faces nearest to the UNet's of all machines.** Each column starts from one noise. Last two rows: other networks."}, "image": {"alt": "Rows of sampled images, the network's first, then a row for each rival and two for other networks.", "classes": "dark-light"}}
drawn = {"UNet A": walks[0].network, **walks[0].rivals}
plots.image_grid([x[:6] for x in drawn.values()], [name.replace(" ", "\n") for name in drawn])

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.5", "code_prompt_hide": "Code: Fig. 8.5", "figure": {"name": "fig-rival-similarity", "caption": "**Beyond Wiener, PCA locality as published comes nearest to the UNet's samples, ELS to the BF-CNN's.** Means over twelve seeds, with 95% intervals. Crosses: other starts."}, "image": {"alt": "Two panels of dots with intervals, rows are rivals; left similarity of samples, right similarity beyond Wiener, with crosses for the null.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.6, sharey=True)
for kind, (colour, shift) in kinds.items():
    some = sampled.where(network=kind)
    rest = [row for row in some if row.beyond is not None]  # all but Wiener, which is the first row
    plots.dots(right, [row.rival for row in rest], [row.beyond for row in rest], shift, color=colour)
    places = [len(rest) - 1 - k + shift for k in range(len(rest))]
    right.plot([row.beyond_null.value for row in rest], places, "x", color=colour, markersize=4)
    plots.dots(left, some["rival"], some["similarity"], shift, color=colour, label=kind.replace("BF", "BF-"))
left.set(title="samples", xlabel="centred cosine")
right.set(title="beyond Wiener", xlabel="centred cosine")
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: similarity of samples", "code_prompt_hide": "Table: similarity of samples"}
sampled.show(network="", rival="", r_squared=".2f", beyond=".2f", beyond_null=".2f")

# %% [markdown]
# PSPC and LS draw nothing of the UNet's face that other starts do not.
# {claim}`averages-draw-no-more-than-other-starts` *No machine is the network.* The same network of other faces is
# nearer than any, in answers at middle noise {claim}`the-other-half-is-nearer-than-any-rival` and in samples.
# {claim}`another-network-of-its-kind-draws-more-alike`
#
# ## A Gaussian: Wiener
#
# At strong noise (σ = 0.9) no machine is nearer to the UNet than Wiener, the best affine map.
# {claim}`no-machine-beats-wiener-at-strong-noise` There the Gaussian explanation {cite:p}`wang2023hidden` is the best
# of these, though not all: a UNet of other faces explains
# {num}`explained[network=UNet,sigma=0.9,rival="other half"].beyond:.2f` of what is beyond it.
#
# ## Windows: LS and ELS
#
# LS, the local score machine {cite:p}`kamb2025analytic`, compares the window $W(p)$ around each pixel $p$ with the same
# window of every training image $x_i$, and answers with a weighted mean of their pixels:
#
# $$f(y)[p] = \sum_i w_i[p]\, x_i[p], \qquad w[p] = \operatorname{softmax}_i\Big(-\frac{\|y_{W(p)} - x_{i,W(p)}\|^2}{2\sigma^2}\Big).$$ (eq-local)
#
# Different windows choose different training images: so its answers are new. ELS, the equivariant machine, compares
# with the windows of *all* places. On the three faces of {numref}`fig-windows` ELS of less than a tenth of the images
# is nearer to the UNet than LS of all. {claim}`equivariance-needs-fewer-images` On eight others it is not told apart
# from LS ({numref}`fig-explained`). {claim}`windows-of-all-places-gain-nothing-on-others`

# %%
counts = dict.fromkeys(("LS", "PSPC", "PCA locality"), (few, 10 * few, 100 * few, n)) | {"ELS": (few // 10, few, 3 * few, 10 * few)}
best = rivals.chosen(windows.where(network="UNet"), "apart")
given = rivals.given(faces, best, counts, n, images=3)
results.keep(given=given)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: how many images does a rival need?", "code_prompt_hide": "Figure: how many images does a rival need?", "figure": {"name": "fig-given", "caption": "**Equivariance makes the most of an image.** Distance as in {numref}`fig-windows`, σ = 0.1."}, "image": {"alt": "Distance to the network against training images of the rival on log axes, a falling curve for each of four rivals.", "classes": "dark-light"}}
figure, (ax,) = plots.panels(1, height=2.6)
for (name, curve), line, marker in zip(given.by("rival"), ("-", "--", ":", "-."), "os^D", strict=True):
    distances = [apart.value for apart in curve["apart"]]
    ax.plot(curve["images"], distances, color=plots.INK, linestyle=line, marker=marker, markersize=4, label=name)
ax.set(xlabel="training images of the rival", ylabel="squared distance to network", xscale="log", yscale="log")
plots.legend(figure, ncols=4)
plots.Picture(figure)

# %% [markdown]
# Kamb and Ganguli explain small chains of convolutions. Of all machines ELS does draw the BF-CNN's faces best.
# {claim}`equivariance-draws-the-chains-faces` Does it explain a chain of
# {num}`explained_few[network=BFCNN,rival=Wiener,sigma=min].n` faces, too? (Wiener stays that of many: beside a Wiener
# filter of few, anything explains much.)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.7", "code_prompt_hide": "Code: Fig. 8.7", "figure": {"name": "fig-explained-few", "caption": "**ELS is the nearest machine to a chain of few images at σ = 0.1, and not nearer than Wiener.** As {numref}`fig-explained`; N = 100; values below -1.5 are in the table."}, "image": {"alt": "Two panels, one for each noise level; rows are rivals, dots with intervals are the shares explained of two networks of few images.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.5, sharey=True, sharex=True)
for ax, sigma in zip(axes, levels[1:3], strict=True):
    for kind, (colour, shift) in kinds.items():
        some = [row for row in explained_few.where(network=kind, sigma=sigma) if row.rival not in ("Wiener", "memorizer")]
        style = {"color": colour, "label": kind.replace("BF", "BF-")}
        plots.dots(ax, [row.rival for row in some], [row.beyond for row in some], shift, **style)
    ax.axvline(0, color=plots.WIENER, linewidth=1)
    ax.set(title=f"σ = {sigma}", xlim=(-1.5, 1), xlabel="share explained beyond Wiener")
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: the same at few training images", "code_prompt_hide": "Table: the same at few training images"}
explained_few.show("Rivals of few images on the same noisy images", network="", sigma="", rival="", beyond=".2f")

# %% [markdown]
# ELS does not explain it: it is the nearest machine at σ = 0.1, but no nearer than Wiener.
# {claim}`equivariance-is-nearest-to-the-chain-of-few-images`
#
# ## Patches: PSPC
#
# PSPC {cite:p}`niedoba2025mechanistic` takes the {term}`posterior mean` of each square patch, given the training
# patches at its place, and averages them where they overlap. At weak and middle noise it explains the most of all
# machines. {claim}`composites-explain-most-of-all-rivals` On an image of yours, does it fail where the network does?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.8", "code_prompt_hide": "Code: Fig. 8.8", "figure": {"name": "fig-rival", "caption": "**Patches of training images come near to the network's answer.** A noisy face (σ = 0.1), two answers, and network − PSPC. Live: the memorizer, LS or PSPC, of all N training images, on a face or an image of yours."}}
from ghr.book.live import Live

x, level = faces.held_out[1:2], levels[1]
y = add_noise(x, level, torch.Generator().manual_seed(seed))
pair = [denoise(f, y, level) for f in (faces.denoisers[n, "A"], known["PSPC"])]
still = plots.image_grid([torch.cat([x, y, *pair, pair[0] - pair[1]])], ["face"], ["clean", "noisy", "network", "PSPC", "difference"], signed=1)
alt = "A face, the same with noise, the answers of a network and of PSPC, which are alike, and their difference."
Live("rival", still, alt, networks="avatars", sigma=level, face=1, windows={name: best[name] for name in ("LS", "PSPC")})

# %% [markdown]
# *Its basis.* A network shrinks noise in a basis that follows the face ([chapter 4](04_adaptive_basis.py)). Have
# machines it, too? Their Jacobians are covariances of training images inside windows.

# %%
machines = {name: known[name] for name in ("PSPC", "LS", "PCA locality")}
basis = rivals.adapted(faces, machines, n, images=images, seed=seed)
results.keep(basis=basis)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.9", "code_prompt_hide": "Code: Fig. 8.9", "figure": {"name": "fig-machine-bases", "caption": "**Averages of patches have nearly the network's adaptive basis.** Eight faces, σ = 0.1, with 95% intervals. Alignment with the UNet's basis; crosses: with that at another face; line: chance. H2 and H4 are 0 for a basis that does not know its face."}, "image": {"alt": "Three panels of dots with intervals, rows are two networks and three machines: alignment with the network's basis, with crosses for another face, H2, and H4.", "classes": "dark-light"}}
figure, axes = plots.panels(3, columns=3, height=2.2, sharey=True)
for ax, field, title in zip(axes, ("alike", "h2", "h4"), ("alignment", "H2", "H4"), strict=True):
    some = [row for row in basis if getattr(row, field) is not None]  # the network is not compared with itself
    plots.dots(ax, [row.denoiser for row in some], [getattr(row, field) for row in some], color=plots.INK)
    ax.set(title=title, xlim=(0, None))
axes[0].plot([row.elsewhere.value for row in basis], range(len(basis))[::-1], "x", color=plots.INK, markersize=4)
axes[0].axvline(basis.rows[0].chance, color=plots.TRAINING, linewidth=1)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: bases", "code_prompt_hide": "Table: bases"}
heads = {"asym": "asymmetry of J", "trace": "tr J", "alike": "alignment", "elsewhere": "at another face"}
forms = dict.fromkeys(("h1", "h2", "h3", "h4", "asym", "alike", "elsewhere"), ".2f")
basis.show("Bases of networks and machines", heads, denoiser="", trace=".0f", **forms)

# %% [markdown]
# They have. PSPC's basis is {term}`aligned <alignment>` with the UNet's to {num}`basis[denoiser=PSPC].alike.value:.2f`,
# at another face to {num}`basis[denoiser=PSPC].elsewhere.value:.2f`; H2 and H4, the indices of chapter 4, are nearly
# the UNet's. {claim}`machines-have-the-adaptive-basis` So local denoisers have adapted bases, trained or not: these do
# not decide between the paper and the machines. What machines lack is order: frequency grows less surely with rank.
# {claim}`machines-are-less-harmonic`
#
# ## Windows from the data: PCA locality
#
# PCA locality {cite:p}`lukoianov2025locality` is LS whose windows come from the data: a pixel sees where its row of the
# Wiener filter exceeds a share of the largest entry, .02 as published, or one fitted like the other windows. Fitted, it
# explains some of an answer; as published it is farther away than Wiener. {claim}`principal-windows-have-to-be-chosen`
# With samples it is the other way round: as published it draws the UNet's faces best of all machines.
# {claim}`principal-windows-draw-the-unets-faces`
#
# *Does locality come from the data, or with the convolutions?* A network of shuffled faces
# ([chapter 7](07_shuffled_pixels.py)) sees strangers as neighbours. Rows of its Jacobian, which say from which pixels
# it makes one, are local on the grid of *faces* if locality comes from the data, on the grid that it *sees* if it comes
# with the convolutions.

# %%
shuffled = sorted(experiments.classes(scale, "avatars-shuffled"), key=side)
locality = rivals.locality([experiments.faces(scale, [n]), *shuffled], faces.held_out[:2], seed=seed)
results.keep(locality=locality)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.10", "code_prompt_hide": "Code: Fig. 8.10", "figure": {"name": "fig-locality", "caption": "**Shuffled as a whole, the network looks near on the grid that it sees, if at all.** Share of a row's energy in the 5 x 5 pixels around its own; σ = 0.3, two faces, with 95% intervals. Null: windows elsewhere."}, "image": {"alt": "Share of energy near against block size: the network on the grid it sees, on the grid of faces, Wiener on the grid of faces, and the null.", "classes": "dark-light"}}
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
# What is left after a whole shuffle is on the grid that the network sees.
# {claim}`rows-look-near-on-the-grid-that-is-seen` But it is little, of a network which that shuffle harms.
#
# ## Memory, and where training leaves off
#
# The {term}`memorizing optimum` explains nothing of one answer,
# {claim}`memory-explains-nothing-of-a-generalizing-network` though it draws more alike than other starts.
# {claim}`memory-draws-more-than-the-null` Yet training asks for it, at noisy training images only. *Selective
# underfitting* {cite:p}`song2025selective` says that networks come near to memory there, stay away where samplers go,
# and generalize for that reason.

# %%
gaps, peaks = underfitting.gaps(faces, seed=seed)
states = underfitting.draw(faces)
apart = underfitting.apart(faces, states, images=32)
favours = underfitting.favours(faces, states, seed=seed)
results.keep(gaps=gaps, peaks=peaks, apart=apart, favours=favours)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.11", "code_prompt_hide": "Code: Fig. 8.11", "figure": {"name": "fig-places", "caption": "**At large N a network that never saw the training images is as near to their memory as the one that did.** Mean squared distance to the memory of the rays of A's training images (squared image units per pixel), with 95% intervals."}, "image": {"alt": "Two panels, one for each of two noise levels: distance to the memorizer against N at training images, at test images and at the sampler's states.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.8)
for ax, sigma in zip(axes, (0.1, 0.4), strict=True):
    level = min(apart["sigma"], key=lambda s, sigma=sigma: abs(s - sigma))
    own, other = (apart.where(sigma=level, memory="rays", denoiser=name) for name in ("network", "other half"))
    plots.band(ax, own["n"], own["training"], color=plots.TRAINING, marker="s", markersize=3, label="A's training images")
    plots.band(ax, other["n"], other["training"], color=plots.HALF["B"], marker="s", markersize=3, label="B at these")
    plots.band(ax, own["n"], own["new"], color=plots.INK, linestyle="--", label="test images")
    plots.band(ax, own["n"], own["walk"], color=plots.HALF["A"], marker="o", markersize=3, label="A's sampler")
    ax.set(title=f"σ = {level:.2f}", xlabel="N", xscale="log", yscale="log")
axes[0].set(ylabel="squared distance to memory")
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: distance to the memorizer", "code_prompt_hide": "Table: distance to the memorizer"}
heads_of_places = {"training": "at training images", "walk": "at sampler's states", "over_network": "times the network's"}
forms = {"n": ",", "memory": "", "denoiser": "", "sigma": ".3f", "training": ".5f", "walk": ".5f", "over_network": ".2f"}
apart.show("Distance to the memorizer", heads_of_places, **forms)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: at which noise the gap is largest", "code_prompt_hide": "Table: at which noise the gap is largest"}
peaks.show("Where training images gain most", n=",", half="", sigma=".3f", at=".1f", gap=".2f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: gains on own training images and samples", "code_prompt_hide": "Table: gains on own training images and samples"}
favours.show("What networks gain on images of their own, dB", n=",", sigma=".2f", training=".2f", samples=".2f")

# %% [markdown]
# A network without constants can be a memory of *rays* only, of all multiples of training images.
# Networks of ten faces nearly are. {claim}`networks-that-copy-are-memories-of-rays` At the largest $N$ and σ = 0.1 the
# network is {num}`apart[n=max,sigma~0.1,memory=rays,denoiser=network].walk_over_training.value:.0f` times as far from
# it where its sampler goes as at noisy training images (at σ = 0.4
# {num}`apart[n=max,sigma~0.37,memory=rays,denoiser=network].walk_over_training.value:.1f` times).
# {claim}`far-from-memory-where-the-sampler-goes` But network B, which never saw these images, is as near to their
# memory. {claim}`who-never-saw-them-is-nearly-as-near` For memory answers with the clean training image: the distance
# is an error of denoising. Selective underfitting is not shown.
#
# ## What it comes to
#
# At strong noise no machine beats Wiener. {claim}`no-machine-beats-wiener-at-strong-noise` At weaker noise averages of
# patches come nearest, and have the adaptive basis; {claim}`machines-have-the-adaptive-basis` from one start another
# machine draws nearest. {claim}`principal-windows-draw-the-unets-faces` None is the UNet,
# {claim}`the-other-half-is-nearer-than-any-rival` and nothing here singles out harmonics.
#
# *Limits.* Few small faces and starts, one training of each network. ELS, which is slow, has
# {num}`given[rival=ELS,images~300].images` images where LS has all, and with all may come nearer. Transformers
# {cite:p}`an2025inductive` are not here.
