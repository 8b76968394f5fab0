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
# **Claim.** The paper explains generalization by harmonic bases that adapt to each image. Others explain the same
# networks by exact machines without one trained weight: posterior means that see a window only
# {cite:p}`kamb2025analytic,niedoba2025mechanistic`, whose extent comes from the data {cite:p}`lukoianov2025locality`;
# by one linear map {cite:p}`li2024understanding`; or by where training leaves a network unfinished
# {cite:p}`song2025selective`.
#
# **What we found.** At weak and middle noise averages of patches come nearest to the UNet,
# {claim}`composites-explain-most-of-all-rivals` and they have its adaptive basis, too: it does not decide between the
# paper and them. {claim}`machines-have-the-adaptive-basis` From one start PCA locality as published draws the nearest
# faces. {claim}`principal-windows-draw-the-unets-faces` No machine is the UNet: one of other faces is nearer.
# {claim}`the-other-half-is-nearer-than-any-rival`
#
# **The figure:** {numref}`fig-explained`; to look at, {numref}`fig-rival-samples`.
# ```
#
# Each rival is a denoiser made of the network's own training images and told the noise level, which the network is
# not. The answer in short: the share of what a network does, beyond what Wiener does, that each machine explains (1 is
# all; below 0 it is farther away than Wiener; samples from another start have
# {num}`sampled[network=UNet,rival=PSPC].beyond_null.value:.2f`), and how much of the UNet's basis it has (chance:
# {num}`basis[denoiser=PSPC].chance:.2f`).
#
# | | UNet, a new noisy face, σ = 0.1 | UNet, its basis there | UNet, samples from one start | BF-CNN of few faces, σ = 0.1 |
# |---|---|---|---|---|
# | PSPC, composed patches | {num}`explained[network=UNet,sigma=0.1,rival=PSPC].beyond.value:.2f` | {num}`basis[denoiser=PSPC].alike.value:.2f` | {num}`sampled[network=UNet,rival=PSPC].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival=PSPC].beyond.value:.2f` |
# | LS, windows | {num}`explained[network=UNet,sigma=0.1,rival=LS].beyond.value:.2f` | {num}`basis[denoiser=LS].alike.value:.2f` | {num}`sampled[network=UNet,rival=LS].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival=LS].beyond.value:.2f` |
# | ELS, windows at all places | {num}`explained[network=UNet,sigma=0.1,rival=ELS].beyond.value:.2f` | – | {num}`sampled[network=UNet,rival=ELS].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival=ELS].beyond.value:.2f` |
# | PCA locality, windows from data | {num}`explained[network=UNet,sigma=0.1,rival="PCA locality"].beyond.value:.2f` | {num}`basis[denoiser="PCA locality"].alike.value:.2f` | {num}`sampled[network=UNet,rival="PCA locality"].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival="PCA locality"].beyond.value:.2f` |
# | the same, as published | {num}`explained[network=UNet,sigma=0.1,rival="PCA, published"].beyond.value:.2f` | – | {num}`sampled[network=UNet,rival="PCA, published"].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival="PCA, published"].beyond.value:.2f` |
# | same architecture, other half | {num}`explained[network=UNet,sigma=0.1,rival="other half"].beyond.value:.2f` | {num}`basis[denoiser="other half"].alike.value:.2f` | {num}`sampled[network=UNet,rival="other half"].beyond.value:.2f` | {num}`explained_few[network=BFCNN,sigma=0.1,rival="other half"].beyond.value:.2f` |

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
# ## Six rivals
#
# - **Wiener**: the best affine map for the mean and the covariance of the training images.
# - The **memorizer**: the posterior mean when nothing but the training images exists.
# - **LS**, the local score machine {cite:p}`kamb2025analytic`: the memorizer pixel by pixel, each of which sees a
#   window of the noisy image around it,
#
# $$f(y)[p] = \sum_i w_i[p]\, x_i[p], \qquad w[p] = \operatorname{softmax}_i\Big(-\frac{\|y_{W(p)} - x_{i,W(p)}\|^2}{2\sigma^2}\Big).$$ (eq-local)
#
# - **ELS**, the equivariant one {cite:p}`kamb2025analytic`: the same, but a window is compared with the training
#   windows of *all* places.
# - **PSPC** {cite:p}`niedoba2025mechanistic`: posterior means of whole square patches, averaged where patches overlap.
# - **PCA locality** {cite:p}`lukoianov2025locality`: LS whose window of each pixel is where the row of the Wiener
#   filter is large: above .02 of its largest entry as published, or above a share chosen as the others' windows are.
#
# Windows see parts of different training images, so local machines can answer with images that are in no training set:
# that is their explanation of generalization. The networks are a UNet and a BF-CNN, a chain of convolutions without
# scales, of $N$ = {num}`explained[n=max,network=UNet,rival=Wiener,sigma=min].n:,` faces.
#
# ## Which window?
#
# A window of one pixel knows next to nothing, the whole image gives back the training images. For each network and
# noise level we choose, in favour of the rival, the window that comes *nearest to the network*, on three held-out faces
# that serve for nothing else.

# %%
levels = (0.03, 0.1, 0.3, 0.9)  # noise levels of this chapter
sides = {"LS": (1, 3, 5, 7, 11, 17, 25), "ELS": (1, 3, 5, 9, 15, 21), "PSPC": (1, 2, 3, 5, 8, 12, 20)}
sides["PCA locality"] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)  # thresholds
windows = rivals.calibration([faces, chain], n, sides=sides, most=n // 3, images=3, sigmas=levels)
windows_few = rivals.calibration([faces, chain], few, sides=sides, images=3, sigmas=levels)
results.keep(windows=windows, windows_few=windows_few)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: which window comes nearest to the network?", "code_prompt_hide": "Figure: which window comes nearest to the network?", "figure": {"name": "fig-windows", "caption": "**The stronger the noise, the larger the window that comes nearest to the network.** Mean squared distance to the UNet's answer on three held-out faces (squared image units per pixel) against the side of the window, of PCA locality the threshold, for each noise level."}, "image": {"alt": "Four panels, one for each windowed machine: distance to the network against window side or threshold, a curve for each of four noise levels, whose lowest point moves to the right as noise grows.", "classes": "dark-light"}}
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

# %% [markdown]
# The best windows grow with the noise. {claim}`windows-grow-with-noise`
#
# ## The same noisy image
#
# Wiener alone comes near to any denoiser of faces, so we ask what a rival $g$ explains of the network $f$ *beyond* it:
#
# $$1 - \frac{\mathbb{E}\,\|f(y) - g(y)\|^2}{\mathbb{E}\,\|f(y) - g_{\mathrm{Wiener}}(y)\|^2}.$$ (eq-beyond-wiener)
#
# All machines have all training images of the network, but ELS, whose time grows with the square of the number of
# places, has {num}`given[rival=ELS,images~300].images`.

# %%
known, known_chain = rivals.fitted(faces, windows, few=3 * few)  # each network's rivals, with windows that suit it
known_few = rivals.fitted(faces, windows_few)
looks = {"images": images, "sigmas": levels, "seed": seed}
explained, pairs = rivals.explains([faces, chain], [known, known_chain], n, **looks)
explained_few, pairs_few = rivals.explains([faces, chain], known_few, few, **looks)
results.keep(explained=explained, explained_few=explained_few, pairs=pairs, pairs_few=pairs_few)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.2", "code_prompt_hide": "Code: Fig. 8.2", "figure": {"name": "fig-explained", "caption": "**PSPC explains nearly as much of the UNet as the BF-CNN does, and less than another UNet; at strong noise no machine explains more than Wiener.** Share explained of what a network does beyond Wiener, on eight held-out faces, with 95% intervals. Last two rows: rulers. Further left than −1.5: in the table."}, "image": {"alt": "Four panels, one for each noise level; rows are rivals, dots with intervals are the shares explained of two networks.", "classes": "dark-light"}}
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
# *At weak and middle noise PSPC explains the most of all machines*,
# {num}`explained[network=UNet,sigma=0.1,rival=PSPC].beyond:.2f` at σ = 0.1,
# {claim}`composites-explain-most-of-all-rivals` nearly as much as a BF-CNN of the same images, at σ = 0.3 as much.
# {claim}`composites-are-nearly-as-near-as-another-architecture` *But it is not the UNet*: that of the other half
# explains {num}`explained[network=UNet,sigma=0.1,rival="other half"].beyond:.2f`.
# {claim}`the-other-half-is-nearer-than-any-rival` The UNet errs less than LS, ELS and PCA locality; its errors and
# PSPC's cannot be told apart. {claim}`only-composites-err-as-little`
#
# *At strong noise* (σ = 0.9) no machine is nearer to the UNet than Wiener.
# {claim}`no-machine-beats-wiener-at-strong-noise` There the Gaussian explanation {cite:p}`wang2023hidden` holds.
# *Memory explains nothing* of one answer. {claim}`memory-explains-nothing-of-a-generalizing-network` *PCA locality*
# explains {num}`explained[network=UNet,sigma=0.1,rival="PCA locality"].beyond:.2f` at σ = 0.1; as published it is
# farther from the UNet than Wiener. {claim}`principal-windows-have-to-be-chosen`
#
# *Would more images help?*

# %%
counts = dict.fromkeys(("LS", "PSPC", "PCA locality"), (few, 10 * few, 100 * few, n)) | {"ELS": (few // 10, few, 3 * few, 10 * few)}
best = rivals.chosen(windows.where(network="UNet"), "apart")
given = rivals.given(faces, best, counts, n, images=3)
results.keep(given=given)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: how many images does a rival need?", "code_prompt_hide": "Figure: how many images does a rival need?", "figure": {"name": "fig-given", "caption": "**Equivariance makes the most of an image.** Mean squared distance to the UNet's answer on three held-out faces (squared image units per pixel) at σ = 0.1."}, "image": {"alt": "Distance to the network against training images of the rival on log axes, a falling curve for each of four rivals.", "classes": "dark-light"}}
figure, (ax,) = plots.panels(1, height=2.6)
for (name, curve), line, marker in zip(given.by("rival"), ("-", "--", ":", "-."), "os^D", strict=True):
    distances = [apart.value for apart in curve["apart"]]
    ax.plot(curve["images"], distances, color=plots.INK, linestyle=line, marker=marker, markersize=4, label=name)
ax.set(xlabel="training images of the rival", ylabel="squared distance to network", xscale="log", yscale="log")
plots.legend(figure, ncols=4)
plots.Picture(figure)

# %% [markdown]
# ELS sees each image at all places. Of {num}`given[rival=ELS,images=max].images:,` images it is nearer to the UNet than
# LS of all {num}`given[rival=LS,images=max].images:,`. {claim}`equivariance-needs-fewer-images`
#
# One face, with sliders:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.4", "code_prompt_hide": "Code: Fig. 8.4", "figure": {"name": "fig-explore-rival", "caption": "**Where a rival differs from the network, its picture shows what it lacks.** A held-out face: noisy, the UNet's answer, the rival's, and network − rival (blue below zero, red above, on a scale of its own). Below: root mean squared difference."}}
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

# %% [markdown]
# And on an image of yours, which no network has seen: draw one. Will the rival fail where the network does?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.5", "code_prompt_hide": "Code: Fig. 8.5", "figure": {"name": "fig-rival", "caption": "**Patches of training images come near to the network's answer; what they lack is in the difference.** A face with noise (σ = 0.1), the answers of the UNet and of PSPC, which has no weights, and network − rival (blue below zero, red above, on a scale of its own). Live in the browser: the memorizer, LS or PSPC, computed there exactly from all N training images of the network, on a face, an image of yours or one that you draw. Their windows are those of {numref}`fig-windows`."}}
from ghr.book.live import Live

x, level = faces.held_out[1:2], levels[1]
y = add_noise(x, level, torch.Generator().manual_seed(seed))
pair = [denoise(f, y, level) for f in (faces.denoisers[n, "A"], known["PSPC"])]
still = plots.image_grid([torch.cat([x, y, *pair, pair[0] - pair[1]])], ["face"], ["clean", "noisy", "network", "PSPC", "difference"], signed=1)
alt = "A face, the same with noise, the answers of a network and of PSPC, which are alike, and their difference."
Live("rival", still, alt, networks="avatars", sigma=level, face=1, windows={name: best[name] for name in ("LS", "PSPC")})

# %% [markdown]
# ## Do machines have the basis, too?
#
# A network shrinks noise in a basis that follows the face ([chapter 4](04_adaptive_basis.py)). A machine's Jacobian is
# had exactly: the covariances of training images inside its windows.

# %%
machines = {name: known[name] for name in ("PSPC", "LS", "PCA locality")}
basis = rivals.adapted(faces, machines, n, images=images, seed=seed)
results.keep(basis=basis)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.6", "code_prompt_hide": "Code: Fig. 8.6", "figure": {"name": "fig-machine-bases", "caption": "**Averages of patches have nearly the network's adaptive basis.** At eight noisy faces, σ = 0.1, with 95% intervals over faces. Left: alignment with the UNet's basis; crosses: of the basis at another face; line: chance. Then H2 and H4 of [chapter 4](04_adaptive_basis.py), 0 for what does not know the face."}, "image": {"alt": "Three panels of dots with intervals, rows are two networks and three machines: alignment with the network's basis, with crosses for another face, H2, and H4.", "classes": "dark-light"}}
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
# *They have.* H2 and H4 of PSPC are {num}`basis[denoiser=PSPC].h2:.2f` and {num}`basis[denoiser=PSPC].h4:.2f`, of the
# UNet {num}`basis[denoiser="the network"].h2:.2f` and {num}`basis[denoiser="the network"].h4:.2f`. PSPC's basis is
# aligned with the UNet's to {num}`basis[denoiser=PSPC].alike:.2f`, at another face to
# {num}`basis[denoiser=PSPC].elsewhere.value:.2f`; that of another UNet to
# {num}`basis[denoiser="other half"].alike:.2f`. {claim}`machines-have-the-adaptive-basis` What machines lack is order:
# frequency grows less surely with rank (H1 {num}`basis[denoiser=PSPC].h1.value:.2f` against
# {num}`basis[denoiser="the network"].h1.value:.2f`). {claim}`machines-are-less-harmonic` So adapted bases are what
# local denoisers have, trained or not, and do not decide between the paper and the machines.
#
# ## Of few images
#
# At $N$ = {num}`explained_few[network=BFCNN,rival=Wiener,sigma=min].n` the two networks part: the UNet remembers its
# images, the BF-CNN does not. Here ELS has all of them. Wiener in {eq}`eq-beyond-wiener` stays that of all
# {num}`explained[n=max,network=UNet,rival=Wiener,sigma=min].n:,` faces: beside that of few, a poor denoiser, anything
# explains much.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.7", "code_prompt_hide": "Code: Fig. 8.7", "figure": {"name": "fig-explained-few", "caption": "**PSPC explains half of a UNet of few images; the chain is hardly nearer to any machine than to Wiener.** As {numref}`fig-explained`, for networks and rivals of few training images, at two noise levels; Wiener is that of many."}, "image": {"alt": "Two panels, one for each noise level; rows are rivals, dots with intervals are the shares explained of two networks of few images.", "classes": "dark-light"}}
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
# *The chain is not explained.* Of all machines ELS comes nearest to the BF-CNN at σ = 0.1, and explains
# {num}`explained_few[network=BFCNN,sigma=0.1,rival=ELS].beyond:.2f`: it is about as near as Wiener of all faces, not
# nearer. {claim}`equivariance-is-nearest-to-the-chain-of-few-images` A BF-CNN of the other half explains
# {num}`explained_few[network=BFCNN,sigma=0.1,rival="other half"].beyond:.2f`. *Of the UNet* PSPC explains
# {num}`explained_few[network=UNet,sigma=0.1,rival=PSPC].beyond:.2f`, as much as a UNet of the other half,
# {claim}`composites-explain-half-of-a-network-that-remembers` and the memorizer nothing: what it remembers is patches
# rather than images. {claim}`memory-does-not-explain-a-network-that-remembers`
#
# ## The same start
#
# All walk from the same starts by four steps of Heun's method, where [chapter 3](03_two_networks_one_density.py) takes
# twenty; windows are the UNet's.

# %%
walks = rivals.walks([faces, chain], known, n, seeds=seeds, steps=4)
sampled, sample_pairs = rivals.samples_explained(*walks)
results.keep(sampled=sampled, sample_pairs=sample_pairs)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.8", "code_prompt_hide": "Code: Fig. 8.8", "figure": {"name": "fig-rival-samples", "caption": "**From the same start, PCA locality as published draws the faces nearest to the UNet's of all machines.** Each column starts from one noise. Rows: the UNet of half A; its rivals; two rulers, the UNet of half B and the BF-CNN of half A."}, "image": {"alt": "Rows of sampled images, the network's first, then a row for each rival and two for other networks.", "classes": "dark-light"}}
drawn = {"UNet A": walks[0].network, **walks[0].rivals}
plots.image_grid([x[:6] for x in drawn.values()], [name.replace(" ", "\n") for name in drawn])

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.9", "code_prompt_hide": "Code: Fig. 8.9", "figure": {"name": "fig-rival-similarity", "caption": "**Beyond Wiener, PCA locality as published comes nearest to the UNet's samples, ELS to the BF-CNN's.** Similarity of samples from one start, means over twelve seeds with 95% intervals. Beyond Wiener: less Wiener's sample. Crosses: other starts, the null."}, "image": {"alt": "Two panels of dots with intervals, rows are rivals; left similarity of samples, right similarity beyond Wiener, with crosses for the null.", "classes": "dark-light"}}
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
# *The order is another one.* PCA locality as published, far from the UNet on one noisy image, draws its faces best:
# beyond Wiener {num}`sampled[network=UNet,rival="PCA, published"].beyond:.2f`, where samples from other starts have
# {num}`sampled[network=UNet,rival="PCA, published"].beyond_null.value:.2f`.
# {claim}`principal-windows-draw-the-unets-faces` Memory, which explains nothing of one answer, has
# {num}`sampled[network=UNet,rival=memorizer].beyond:.2f`. {claim}`memory-draws-more-than-the-null` Machines with
# fitted windows do no better than other starts. {claim}`fitted-windows-draw-no-more-than-the-null` ELS draws the
# BF-CNN's best, {num}`sampled[network=BFCNN,rival=ELS].beyond:.2f`, as {cite:t}`kamb2025analytic` found of small
# convolutional networks; {claim}`equivariance-draws-the-chains-faces` by their statistic, r²,
# {num}`sampled[network=BFCNN,rival=ELS].r_squared:.2f` (Wiener
# {num}`sampled[network=BFCNN,rival=Wiener].r_squared:.2f`). A network of the same kind and the other half is nearer
# still. {claim}`another-network-of-its-kind-draws-more-alike`
#
# ## Locality: from the data or from the convolutions?
#
# On the grid that a network of shuffled faces *sees*, neighbours are strangers ([chapter 7](07_shuffled_pixels.py)).
# There rows of its Jacobian would be local if locality came with the convolutions; on the grid of *faces*, as the rows
# of the Wiener filter, which knows no grid, if it came from the data.

# %%
shuffled = sorted(experiments.classes(scale, "avatars-shuffled"), key=side)
locality = rivals.locality([experiments.faces(scale, [n]), *shuffled], faces.held_out[:2], seed=seed)
results.keep(locality=locality)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.10", "code_prompt_hide": "Code: Fig. 8.10", "figure": {"name": "fig-locality", "caption": "**Shuffled as a whole, the network looks near on the grid that it sees, if at all, and hardly on that of faces.** Share of a row's energy within 5 x 5 pixels around its own, which is left out; σ = 0.3, two faces, with 95% intervals. Null: windows elsewhere."}, "image": {"alt": "Share of energy near against block size: the network on the grid it sees, on the grid of faces, Wiener on the grid of faces, and the null.", "classes": "dark-light"}}
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
# On faces as they are, both are right: {num}`locality[block=1,denoiser=network].near_faces.value:.2f` of the energy is
# near, of Wiener's {num}`locality[block=1,denoiser=Wiener].near_faces.value:.2f`. After a whole shuffle more of the
# network's energy is near on the grid that it sees than on that of faces, where Wiener's has not moved.
# {claim}`rows-look-near-on-the-grid-that-is-seen` So what locality is left comes with the convolutions. But it is
# little, and this network is worse than Wiener: a longer training might find the data's neighbours.
#
# ## Where does it generalize?
#
# Training asks a network to be the memorizer at noisy training images, and nowhere else; the sampler goes to other
# places. *Selective underfitting* {cite:p}`song2025selective` says that a network comes near to memory where it was
# trained and stays away where its sampler goes, and that this is why it generalizes.

# %%
gaps, peaks = underfitting.gaps(faces, seed=seed)
states = underfitting.draw(faces)
apart = underfitting.apart(faces, states, images=32)
favours = underfitting.favours(faces, states, seed=seed)
results.keep(gaps=gaps, peaks=peaks, apart=apart, favours=favours)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 8.11", "code_prompt_hide": "Code: Fig. 8.11", "figure": {"name": "fig-places", "caption": "**At large N a network that never saw the training images is as near to their memory as the one that did; networks of ten faces are nearly that memory.** Left: gap between training and test images. Middle, right: mean squared distance to the memorizer of the rays of A's training images (squared image units per pixel). With 95% intervals."}, "image": {"alt": "Left, gap against input PSNR for each N. Right, distance to the memorizer against N at three places, for two noise levels.", "classes": "dark-light"}}
figure, axes = plots.panels(3, columns=3, height=2.8)
for count, curve in gaps.by("n"):
    plots.band(axes[0], curve["input_psnr"], curve["gap"], color=plots.shade(count, faces.sizes), label=f"N = {count:,}")
axes[0].set(xlabel="input PSNR (dB)", ylabel="gap (dB)")
for ax, sigma in zip(axes[1:], (0.1, 0.4), strict=True):
    level = min(apart["sigma"], key=lambda s, sigma=sigma: abs(s - sigma))
    own, other = (apart.where(sigma=level, memory="rays", denoiser=name) for name in ("network", "other half"))
    plots.band(ax, own["n"], own["training"], color=plots.TRAINING, marker="s", markersize=3, label="A's training images")
    plots.band(ax, other["n"], other["training"], color=plots.HALF["B"], marker="s", markersize=3, label="B at these")
    plots.band(ax, own["n"], own["new"], color=plots.INK, linestyle="--", label="test images")
    plots.band(ax, own["n"], own["walk"], color=plots.HALF["A"], marker="o", markersize=3, label="A's sampler")
    ax.set(title=f"σ = {level:.2f}", xlabel="N", xscale="log", yscale="log")
axes[1].set(ylabel="squared distance to memory")
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: distance to the memorizer", "code_prompt_hide": "Table: distance to the memorizer"}
heads_of_places = {"training": "at training images", "walk": "at sampler's states", "over_network": "times the network's"}
forms = {"n": ",", "memory": "", "denoiser": "", "sigma": ".3f", "training": ".5f", "walk": ".5f", "over_network": ".2f"}
apart.show("Distance to the memorizer", heads_of_places, **forms)

# %% [markdown]
# *At which places?* A network without constants copies an image in any tone. So the memorizer that it could be is that
# of *rays*, of all multiples of training images; at $N$ = 10, where samples are copies, it is nearly that, below σ = 0.5
# wherever its sampler goes. {claim}`networks-that-copy-are-memories-of-rays` At the largest $N$ and σ =
# {num}`apart[n=max,sigma~0.1,memory=rays,denoiser=network].sigma:.2f` it is
# {num}`apart[n=max,sigma~0.1,memory=rays,denoiser=network].walk_over_training.value:.0f` times as far from it there as
# at noisy training images. {claim}`far-from-memory-where-the-sampler-goes` But network B, which never saw these images,
# is as near to their memory: its distance is
# {num}`apart[n=max,sigma~0.1,memory=rays,denoiser="other half"].over_network.value:.2f` times that of A, B's Wiener
# filter's {num}`apart[n=max,sigma~0.1,memory=rays,denoiser="Wiener of the other half"].over_network.value:.1f` times.
# {claim}`who-never-saw-them-is-nearly-as-near` At a training image memory answers with the clean one, so that this
# distance is an error of denoising. That training leaves a network unfinished in some places only, as
# {cite:t}`song2025selective` say, it does not show.
#
# *At which noise?* Small sets are known best where noise is weakest, larger ones at stronger noise.
# {claim}`gap-moves-to-stronger-noise` *Its own samples*, noised afresh, each network denoises
# {num}`favours[n=max].samples.value:.2f` dB better than the other network does.
# {claim}`networks-favour-their-own-samples`
#
# ## What it comes to
#
# Strong noise is linear. {claim}`no-machine-beats-wiener-at-strong-noise` At weaker noise averages of patches come
# nearest, with the adaptive basis. {claim}`machines-have-the-adaptive-basis` None of these machines is the UNet,
# {claim}`the-other-half-is-nearer-than-any-rival` and nothing here singles out harmonics. *Selective underfitting* is not
# shown: a network that never saw the images is nearly as near to their memory. {claim}`who-never-saw-them-is-nearly-as-near`
#
# *Limits.* One size of images, cartoon faces, few held-out faces and starts, one training for each network. ELS of all
# faces may come nearer. Transformers {cite:p}`an2025inductive` are not here.
