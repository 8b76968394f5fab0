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
# # Denoising is learning a density
#
# ```{admonition} In short
# **Claim.** A network that removes noise as well as possible has learned where images lie: what it adds to a noisy
# image is $\sigma^2$ times the gradient of the log density of noisy images {cite:p}`miyasawa1961empirical`. Followed
# from noise, that gradient draws new images.
#
# **What we found.** The formula holds to rounding. A trained network draws faces that are not in its training set,
# although the optimum of its training loss draws training images only.
#
# **The figure** is {numref}`fig-rivals`.
# ```

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring and sampling, not for training

# %% [markdown]
# ## An image, and noise
#
# An image of $d$ pixels with values between 0 and 1 is a point $x$ in $d$ dimensions; ours have {num}`network.side` ×
# {num}`network.side` pixels. Noise adds to each pixel an independent Gaussian number of standard deviation $\sigma$:
#
# $$y = x + \sigma z, \qquad z \sim \mathcal{N}(0, I).$$ (eq-noise)
#
# A **denoiser** $f$ estimates the clean image from the noisy one. We give errors as
# $\mathrm{PSNR} = -10 \log_{10} \mathrm{MSE}$, in dB: at 20 dB the error is a tenth of the range from black to white,
# and 6 dB less is twice the error. The noisy image itself has $-20 \log_{10} \sigma$, the *input PSNR*.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
import torch

from ghr import experiments, images, noise, recipes
from ghr.book import results
from ghr.denoiser import denoise
from ghr.measure import denoising

largest = max(run.n for run in recipes.table(scale, "avatars"))
faces = experiments.faces(scale, sizes=[largest])
denoiser, run, held_out = faces.denoisers[largest, "A"], faces.runs[largest, "A"], faces.held_out
network = denoising.networks(faces).where(half="A")
results.keep(network=network, denoised=denoising.denoised(denoiser, held_out[:300], seed=seed))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 1.1", "figure": {"name": "fig-noise", "caption": "**Where noise is weak the network keeps the image; where it is strong it puts a face in its place.** A face that no network has seen and a patch of a photograph, with more and more noise; below each, the answer of a network trained on faces only. Columns: input PSNR."}, "image": {"alt": "A cartoon face and a photograph patch with increasing noise in columns, and below each the denoised version: clean at weak noise, blurred at strong noise.", "classes": "dark-light"}}
from ghr.book import plots

levels = {34: 0.02, 26: 0.05, 20: 0.1, 14: 0.2, 6: 0.5, 0: 1.0}  # noise levels by input PSNR, dB
photographs = images.split("photographs", run.size, 1).held_out[:100]
contrasty = photographs[[int(photographs.std((1, 2, 3)).argmax())]]
rows = []
for x in (held_out[:1], contrasty):
    y = torch.cat([noise.add_noise(x, sigma, torch.Generator().manual_seed(seed)) for sigma in levels.values()])
    rows += [torch.cat([x, y]), torch.cat([x, denoise(denoiser, y)])]
labels = ["face", "denoised", "photograph", "denoised"]
plots.image_grid(rows, labels, ["clean", *(f"{psnr} dB" for psnr in levels)])

# %% [markdown]
# This network was trained on {num}`network.n:,` faces, with noise of all levels. At $\sigma = 0.1$ it brings new faces
# to {num}`denoised[sigma=0.1].denoised:.1f` dB; brackets are 95% intervals, throughout.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: one position of the sliders"}
from ghr.book.widgets import Explorer, Frame, Slider, Tile

pictures = {f"face {k + 1}": x for k, x in enumerate(held_out[:16])}
pictures |= {f"photograph {k + 1}": x for k, x in enumerate(torch.cat([contrasty, photographs[:15]]))}


def look(image, sigma):
    """One image with noise, and denoised."""
    x = pictures[image][None]
    y = noise.add_noise(x, sigma, torch.Generator().manual_seed(seed))
    x_hat = denoise(denoiser, y)
    before, after = noise.psnr(x, y).item(), noise.psnr(x, x_hat).item()
    tiles = [
        Tile(x[0], "clean"),
        Tile(y[0], "noisy", f"{before:.1f} dB"),
        Tile(x_hat[0], "denoised", f"{after:.1f} dB", "A"),
    ]
    words = f"A {image.split()[0]} with noise of σ = {sigma:.2f}: the network turns {before:.1f} dB into {after:.1f} dB."
    return Frame(tiles, words)


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 1.2", "figure": {"name": "fig-explore-noise", "caption": "**As the noise grows, the network's answer stops being the image.** A test face or a patch of a photograph: clean, noisy, denoised. The noise is the same at every position, only stronger. Below the pictures: PSNR."}}
import numpy as np

every = np.geomspace(0.01, 1, 41).tolist()  # noise levels
image = Slider("image", "image", [*pictures], ["face 1", "face 2", "photograph 1"])
Explorer(look, [image, Slider("sigma", "noise, σ", every, every[::4], every[28], "{:.2f}")], columns=3)

# %% [markdown]
# ## The best answer is an average
#
# The mean of all clean images that could be behind $y$, each weighted by how likely it is, has the least squared error:
#
# $$f^*(y) = \mathbb{E}[x \mid y] = \int x \; p(x \mid y)\, dx.$$ (eq-posterior-mean)
#
# So strong noise gives blurred answers. And whoever computes $f^*$ must know the density $p(x)$ of clean images. In
# what form, {cite:t}`miyasawa1961empirical` found (Tweedie's formula, {cite:p}`robbins1956empirical`): with $p_\sigma$
# the density of noisy images,
#
# $$\nabla \log p_\sigma(y) = \frac{f^*(y) - y}{\sigma^2}.$$ (eq-miyasawa)
#
# The left side is the **score**, the direction in which $y$ becomes more probable. The right side is what a denoiser
# adds, over $\sigma^2$. Here is a world of five images of two pixels.

# %%
from ghr.references import EmpiricalDenoiser, log_density

five = [[0.2, 0.25], [0.35, 0.8], [0.8, 0.75], [0.75, 0.3], [0.5, 0.15]]
world = torch.tensor(five, dtype=torch.float64).view(5, 1, 1, 2)
ticks = torch.linspace(0, 1, 81, dtype=torch.float64)
plane = torch.cartesian_prod(ticks, ticks).view(-1, 1, 1, 2)
feet = plane.view(81, 81, 2)[4::8, 4::8].reshape(-1, 1, 1, 2)
results.keep(miyasawa=denoising.miyasawa(world, feet, (0.25, 0.08)))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 1.3", "figure": {"name": "fig-plane", "caption": "**Every arrow, a denoiser's correction, points uphill.** Five images of two pixels (dots). Shades and contours: log density of noisy images. Arrows, a third of their length: to the best denoiser's answer, which under strong noise is an average (left), under weak noise the nearest image (right)."}, "image": {"alt": "Two panels of a plane with five dots, contours of a density and arrows along its gradient; at strong noise arrows point to the middle, at weak noise to the nearest dot.", "classes": "dark-light"}}
figure, axes = plots.panels(2, columns=2, height=2.6, sharey=True)
for ax, sigma in zip(axes, (0.25, 0.08), strict=True):
    height = log_density(world, plane, sigma).view(81, 81).T
    ax.contourf(ticks, ticks, height, 24, cmap="gray", alpha=0.35)
    ax.contour(ticks, ticks, height, 12, colors=plots.INK, linewidths=0.3)
    moves = (EmpiricalDenoiser(world)(feet, sigma) - feet) / 3
    arrows = dict(color=plots.HALF["A"], angles="xy", scale_units="xy", scale=1, width=0.006)
    ax.quiver(*feet.view(-1, 2).T, *moves.view(-1, 2).T, **arrows)
    ax.plot(*world.view(-1, 2).T, "o", color=plots.TRAINING, markersize=5)
    ax.set(title=f"σ = {sigma}", xlabel="first pixel", aspect="equal")
    ax.grid(False)
axes[0].set_ylabel("second pixel")
plots.Picture(figure)

# %% [markdown]
# Both sides, computed separately, differ by rounding. {claim}`miyasawa-holds`
#
# ## Nobody tells it how much noise there is
#
# Our networks are **blind**: $\sigma$ is not among their inputs. They are also **bias-free**: no layer adds a constant
# {cite:p}`mohan2020robust`. So for $a > 0$
#
# $$f(a\,y) = a\,f(y), \qquad\text{hence}\qquad f(y) = J(y)\, y, \quad J = \frac{\partial f}{\partial y}.$$ (eq-homogeneous)
#
# (Differentiate the first by $a$ at $a = 1$.) At each $y$ the network *is* a matrix $J(y)$, its **Jacobian**, applied
# to $y$. [Chapter 4](04_adaptive_basis.py) looks at it.

# %%
y = noise.add_noise(held_out[:16], 0.2, torch.Generator().manual_seed(seed))
results.keep(homogeneity=denoising.homogeneity(denoiser, y))

# %% [markdown]
# Our network obeys both to rounding. {claim}`network-is-homogeneous`
#
# A blind network must find out the noise level. Of the $d$ dimensions of an image the best denoiser keeps
# $\operatorname{tr} J$ and takes the noise out of the others, so that
# $\mathbb{E}\|y - f(y)\|^2 = \sigma^2 (d - \mathbb{E} \operatorname{tr} J)$. Solved for $\sigma$, what a network takes
# away tells the level that it saw, $\hat\sigma = \|y - f(y)\| / \sqrt{d - \operatorname{tr} J(y)}$. From $\sigma$ = .05
# on it is right within three per cent, on faces of half the contrast as well. {claim}`noise-level-is-read`

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: the noise level that a denoiser saw"}
from ghr.references import WienerDenoiser

x = held_out[:64]
cases = {
    "network, faces": (denoiser, x),
    "network, half the contrast": (denoiser, (x + x.mean((1, 2, 3), keepdim=True)) / 2),
    "mean face, always": (WienerDenoiser(held_out.mean(0, keepdim=True)), x),
}
seen = denoising.noise_levels(cases, seed=seed)
results.keep(noise_levels=seen)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: does the network see how much noise there is?", "code_prompt_hide": "Figure: does the network see how much noise there is?", "figure": {"name": "fig-blind", "caption": "**The network sees how much noise there is, whatever the contrast of the image.** {claim}`noise-level-is-read` Noise level that a denoiser saw over the true one, 64 test faces, with 95% intervals. Grey: ‖y − f(y)‖/√d, what is taken away without the correction by tr J. One that always answers with the mean face takes the image itself for noise, and leaves the figure."}, "image": {"alt": "Ratio of the seen to the true noise level: near one for the network on faces and on faces of half the contrast, far above one at weak noise for a constant denoiser.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.4)
styles = zip(cases, ("-", "--", ":"), (plots.HALF["A"], plots.HALF["A"], plots.TRAINING), strict=True)
for case, line, colour in styles:
    found = seen.where(case=case)
    plots.band(axes, found["input_psnr"], found["seen"], color=colour, linestyle=line, label=case)
first = seen.where(case="network, faces")
axes.plot(first["input_psnr"], [e.value for e in first["removed"]], color=plots.FAINT, label="taken away, as it is")
axes.axhline(1, color=plots.INK, linewidth=0.6)
axes.set(xlabel="input PSNR (dB)", ylabel="noise level seen / true", ylim=(0.5, 1.75))
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% [markdown]
# ## From noise to an image
#
# Start with noise, take a step along the score, lower $\sigma$, repeat: that is **reverse diffusion**. We solve
# $dy/d\sigma = (y - f(y))/\sigma$, which is $-\sigma$ times the score and carries samples of $p_\sigma$ to samples of
# less noise, from $\sigma = 1$ to $0.01$ by Heun's method {cite:p}`karras2022elucidating`. Only the start is random:
# not white noise, but drawn from $\mathcal{N}(m, C + I)$, with $m$ and $C$ the mean and covariance of held-out faces.
# So it already holds the coarse shape of one face, which [chapter 3](03_two_networks_one_density.py) takes out again.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 1.5", "figure": {"name": "fig-walk", "caption": "**Read from left to right: a face appears.** Three starts, from the second step on; columns: noise level σ. Upper row of each pair: the image on its way, $y$. Lower row: what the network sees in it, $f(y)$."}, "image": {"alt": "Rows of images from noise to faces, each with the denoised estimate below it, which sharpens from a blurred mean face to a face.", "classes": "dark-light"}}
from ghr import sampling

seeds = range(1000 * seed, 1000 * seed + 8)
start = sampling.gaussian_start(held_out, seeds)
shown = list(sampling.sample(denoiser, start[:3]))[1::3]
rows = [torch.stack([getattr(s, kind)[k] for s in shown]) for k in range(3) for kind in ("y", "x_hat")]
plots.image_grid(rows, ["y", "f(y)"] * 3, [f"{s.sigma[0]:.2f}" for s in shown])

# %% [markdown]
# ## The puzzle
#
# The training loss is the squared error *on the training images*. Its exact optimum over all functions is
# {eq}`eq-posterior-mean` with a density that has only these images in it: the **memorizing optimum**, the dots of
# {numref}`fig-plane` with {num}`network.n:,` instead of five. Follow its score:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 1.6", "figure": {"name": "fig-two-pixels", "caption": "**Strong noise carries everything to the mean of the training images, weak noise carries everything into one of them.** Rings: five training images of two pixels. Particles follow the score of the memorizing optimum. Drag the rings, and turn a slider down while particles flow, which is reverse diffusion."}}
from ghr.book.live import Live

sigmas = (0.5, 0.05)
figure, axes = plots.panels(2, columns=2, height=2.6, sharey=True)
for ax, sigma in zip(axes, sigmas, strict=True):
    moves = (EmpiricalDenoiser(world)(plane, sigma) - plane).view(81, 81, 2)
    arrows = dict(color=plots.INK, density=0.6, linewidth=0.6, arrowsize=0.7)
    ax.streamplot(ticks.numpy(), ticks.numpy(), *moves.permute(2, 1, 0).numpy(), **arrows)
    ax.plot(*world.view(-1, 2).T, "o", color=plots.TRAINING, markersize=5)
    ax.set(title=f"σ = {sigma}", xlabel="first pixel", aspect="equal")
axes[0].set_ylabel("second pixel")
alt = "Ways along the score in a plane with five training images: at strong noise all end at their mean, at weak noise at one of them."
Live("plane", plots.Picture(figure), alt, points=five, sigmas=sigmas)

# %% [markdown]
# Now it walks among faces, beside the opposite simplification: a Gaussian with their mean and covariance.

# %%
from ghr.references import BlindEmpiricalDenoiser
from ghr.similarity import nearest

training = faces.training(largest)
memorizer = BlindEmpiricalDenoiser(training, sigma_law=run.sigma_law, loss_weight=run.loss_weight)
copies, drawn = (sampling.last(sampling.sample(f, start)) for f in (memorizer, denoiser))
compared = {"memorizing optimum": copies, "network": drawn, "new faces": held_out[:300]}
results.keep(likeness=denoising.likeness(compared, training))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 1.7", "figure": {"name": "fig-rivals", "caption": "**The optimum of the training loss draws training images, a Gaussian draws clouds, and the network draws faces that are not in its training set.** {claim}`optimum-draws-copies` {claim}`network-draws-no-copies` Optimum and network walk from the same eight starts; below their samples, the nearest training images."}, "image": {"alt": "Rows of samples. The memorizing optimum's samples equal training images; Gaussian samples are clouds; the network's samples are faces unlike their nearest training images.", "classes": "dark-light"}}
clouds = sampling.gaussian_start(training, seeds, sigma_0=0.0)  # the Gaussian's samples, without a walk
near = [training[nearest(samples, training)[1]] for samples in (copies, drawn)]
labels = ["memorizing\noptimum", "nearest", "Gaussian", "network", "nearest"]
plots.image_grid([copies, near[0], clouds, drawn, near[1]], labels)

# %% [markdown]
# The memorizing optimum draws copies. {claim}`optimum-draws-copies` The network does not: its eight
# samples are hardly more like training images ({term}`centred cosine` {num}`likeness[images=network].median.value:.2f`)
# than new faces are ({num}`likeness[images="new faces"].median.value:.2f`). {claim}`network-draws-no-copies`
#
# **So a network generalizes only because it does not reach the optimum of its own loss.** How it misses it is the
# question: the Gaussian misses it, too, and draws clouds. The [next chapter](02_memorization_to_generalization.py) asks
# when this happens.
