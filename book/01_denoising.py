# ---
# jupyter:
#   jupytext:
#     formats: py:percent
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
# **Claim.** A network that removes noise from images has learned where images lie. If it does so as well as possible, its
# output minus its input is $\sigma^2$ times the gradient of the log density of noisy images
# {cite:p}`miyasawa1961empirical`. Following that gradient from noise draws new images.
#
# This chapter is for readers who have trained a network but never a diffusion model. Each idea is one experiment of a few
# lines; unfold the code to see them. Everything later in the book is a measurement of the one object introduced here: a
# function $f$ that takes a noisy image $y$ and gives back an estimate of the clean one.

# %% tags=["parameters"]
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring and sampling, not for training

# %% tags=["hide-input"]
import math

import numpy as np
import torch

from ghr import images, noise, runs, sampling, similarity, stats
from ghr.book import plots
from ghr.book.ledger import say
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.references import BlindEmpiricalDenoiser, EmpiricalDenoiser

run = max((r for r in runs.table(scale, "avatars") if r.half == "A"), key=lambda r: r.n)
runs.fit(run)  # returns at once where the checkpoint is there
denoiser = runs.load(run)
training, _, held_out = runs.data(run)
d = held_out[0].numel()
say("n", run.n, ",")
say("d", d, ",")
say("side", run.size, "d")
say("parameters", sum(p.numel() for p in denoiser.parameters()), ",")

# %% [markdown]
# ## An image, and noise
#
# An image of $d$ pixels with values between 0 and 1 is a point $x$ in a space of $d$ dimensions; ours have
# {glue:text}`side` × {glue:text}`side` = {glue:text}`d` pixels. To make it noisy we add to each pixel an independent
# Gaussian number of standard deviation $\sigma$:
#
# $$y = x + \sigma z, \qquad z \sim \mathcal{N}(0, I).$$ (eq-noise)
#
# How noisy that is, is told by the peak signal-to-noise ratio, $\mathrm{PSNR} = -10 \log_{10} \mathrm{MSE}$ in dB:
# 20 dB is an error of a tenth of the range from black to white, and 6 dB less is twice the error. For $y$ itself the mean
# squared error is $\sigma^2$, so its PSNR should be $-20 \log_{10} \sigma$.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-noise", "caption": "**Noise hides an image long before it destroys it.** A face that no network has seen, and a patch of a photograph, with more and more noise; below each the answer of a network trained on faces only. Look at the photograph: what of it is kept where noise is weak, and what the network puts in its place where noise is strong. Columns: input PSNR."}, "image": {"alt": "A cartoon face and a photograph patch with increasing noise in columns, and below each the denoised version: clean at weak noise, blurred at strong noise.", "classes": "dark-light"}}
levels = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
photographs = images.split("photographs", run.size, 1).held_out[:100]
contrasty = int(photographs.std((1, 2, 3)).argmax())
face, photograph = held_out[:1], photographs[contrasty : contrasty + 1]
rows, labels = [], []
for name, x in (("face", face), ("photograph", photograph)):
    y = torch.cat([noise.add_noise(x, sigma, torch.Generator().manual_seed(seed)) for sigma in levels])
    with torch.no_grad():
        rows += [torch.cat([x, y]), torch.cat([x, denoiser(y)])]
    labels += [name, "denoised"]
plots.image_grid(rows, labels, ["clean"] + [f"{20 * math.log10(1 / sigma):.0f} dB" for sigma in levels])

# %% tags=["hide-cell"]
x = held_out[:300]
y = noise.add_noise(x, 0.1, torch.Generator().manual_seed(seed))
say("psnr_in", stats.estimate(stats.psnr_of_mean, noise.mse(y, x)), ".2f")
say("psnr_out", stats.estimate(stats.psnr_of_mean, noise.denoising_mse(denoiser, x, 0.1, seed)), ".2f")

# %% [markdown]
# At $\sigma = 0.1$ we measure {glue:text}`psnr_in` dB over test faces (in brackets: the 95% interval), where the formula
# says 20. The network of {numref}`fig-noise` brings them to {glue:text}`psnr_out` dB. It has {glue:text}`parameters`
# parameters and was trained on {glue:text}`n` faces: it saw them with noise of all levels and was asked for the clean
# ones, to least squared error, weighted so that weak noise counts as much as strong. That is all the training there is in
# this book.
#
# Move the sliders: how much noise can the network take away, and from what kind of image?

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-explore-noise", "caption": "**Move the noise up until the network's answer is no longer the image.** A test face or a patch of a photograph: clean, noisy, and denoised by the network, which is not told the noise level. The noise is the same at every position, only stronger. Below the pictures: PSNR in dB."}}
pictures = {f"face {k + 1}": x for k, x in enumerate(held_out[:16])}
pictures |= {f"photograph {k + 1}": x for k, x in enumerate(torch.cat([photograph, photographs[:15]]))}


def look(image, sigma):
    """One image with noise, and denoised."""
    x = pictures[image][None]
    y = noise.add_noise(x, sigma, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        x_hat = denoiser(y)
    before, after = noise.psnr(x, y).item(), noise.psnr(x, x_hat).item()
    tiles = [Tile(x[0], "clean"), Tile(y[0], "noisy", f"{before:.1f} dB"), Tile(x_hat[0], "denoised", f"{after:.1f} dB", "A")]
    words = f"A {image.split()[0]} with noise of σ = {sigma:.2f}: the network turns {before:.1f} dB into {after:.1f} dB."
    return Frame(tiles, words)


every = np.geomspace(0.01, 1, 41).tolist()  # noise levels
Explorer(
    look,
    [
        Slider("image", "image", [*pictures], ["face 1", "face 2", "photograph 1"]),
        Slider("sigma", "noise, σ", every, every[::4], every[28], "{:.2f}"),
    ],
    columns=3,
)

# %% [markdown]
# ## The best answer is an average
#
# Which function has the least squared error? The mean of all clean images that could be behind $y$, each weighted by how
# likely it is:
#
# $$f^*(y) = \mathbb{E}[x \mid y] = \int x \; p(x \mid y)\, dx.$$ (eq-posterior-mean)
#
# That is why strong noise gives blurred answers: many faces could be behind it, and the answer is their average. To
# compute $f^*$ one must know the density $p(x)$ of clean images, and here is the point of the whole subject: *whoever
# denoises well must know the density, in some form*. The exact form was found by {cite:t}`miyasawa1961empirical`
# (often called Tweedie's formula, {cite:p}`robbins1956empirical`). With $p_\sigma$ the density of noisy images,
#
# $$\nabla \log p_\sigma(y) = \frac{f^*(y) - y}{\sigma^2}.$$ (eq-miyasawa)
#
# The left side is the **score**: the direction in which $y$ becomes more probable. The right side is a denoiser's
# correction. No density appears there.
#
# An image of two pixels can be drawn as a point in a plane, so let us look at the formula there. The world has five
# images; the best denoiser is known exactly.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-plane", "caption": "**Every arrow, a denoiser's correction, points uphill.** A world of five images of two pixels each (dots; axes are the pixels' values). Shades and contours: log density of noisy images. Arrows: from noisy images to the best denoiser's answer, drawn at a third of their length. Left, strong noise: the answer is an average of several images. Right, weak noise: it is the nearest one."}, "image": {"alt": "Two panels of a plane with five dots, contours of a density and arrows along its gradient; at strong noise arrows point to the middle, at weak noise to the nearest dot.", "classes": "dark-light"}}
world = torch.tensor([[0.2, 0.25], [0.35, 0.8], [0.8, 0.75], [0.75, 0.3], [0.5, 0.15]], dtype=torch.float64).view(5, 1, 1, 2)


def log_density(y, sigma):
    """log p_sigma(y) of the five images with noise, up to a constant."""
    squared = (y.flatten(1)[:, None] - world.flatten(1)).square().sum(2)
    return torch.logsumexp(-squared / (2 * sigma**2), 1)


ticks = torch.linspace(0, 1, 81, dtype=torch.float64)
plane = torch.cartesian_prod(ticks, ticks).view(-1, 1, 1, 2)
some = plane.view(81, 81, 2)[4::8, 4::8].reshape(-1, 1, 1, 2)
figure, axes = plots.panels(2, columns=2, height=2.6, sharey=True)
worst = 0.0
for ax, sigma in zip(axes, (0.25, 0.08), strict=True):
    height = log_density(plane, sigma).view(81, 81).T
    ax.contourf(ticks, ticks, height, 24, cmap="gray", alpha=0.35)
    ax.contour(ticks, ticks, height, 12, colors=plots.INK, linewidths=0.3)
    f = EmpiricalDenoiser(world)
    (y0, y1), (v0, v1) = some.view(-1, 2).T, (f(some, sigma) - some).view(-1, 2).T
    ax.quiver(y0, y1, v0 / 3, v1 / 3, color=plots.HALF["A"], angles="xy", scale_units="xy", scale=1, width=0.006)
    ax.plot(*world.view(-1, 2).T, "o", color=plots.HALF["B"], markersize=5)
    ax.set(title=f"σ = {sigma}", xlabel="first pixel", aspect="equal")
    ax.grid(False)
    asked = some.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(log_density(asked, sigma).sum(), asked)
    worst = max(worst, (gradient - noise.score(f, some, sigma)).abs().max().item())
axes[0].set_ylabel("second pixel")
say("miyasawa_error", worst, ".0e")
plots.Picture(figure)

# %% [markdown]
# We also computed both sides of {eq}`eq-miyasawa` separately, the left by differentiating $\log p_\sigma$. At the feet
# of all arrows they differ by at most {glue:text}`miyasawa_error`: rounding.
#
# ## Nobody tells it how much noise there is
#
# Our networks are **blind**: $\sigma$ is not among their inputs. They are also **bias-free**: no layer adds a constant
# {cite:p}`mohan2020robust`. Each layer is then linear up to the switching of its rectifiers, and multiplying the input by
# $a > 0$ multiplies everything inside:
#
# $$f(a\,y) = a\,f(y), \qquad\text{hence}\qquad f(y) = J(y)\, y, \quad J = \frac{\partial f}{\partial y}.$$ (eq-homogeneous)
#
# The second form is exact, not an approximation near some point: for each $y$ the network *is* a matrix $J(y)$ applied to
# $y$, and that matrix can be looked at. Chapters to come do so.

# %% tags=["hide-input"]
y = noise.add_noise(held_out[:16], 0.2, torch.Generator().manual_seed(seed))
with torch.no_grad():
    x_hat = denoiser(y)
    scaled = {a: denoiser(a * y) / a for a in (0.1, 0.5, 2.0, 10.0)}
    _, product = torch.func.jvp(denoiser, (y,), (y,))
say("homogeneity", max(((s - x_hat).norm() / x_hat.norm()).item() for s in scaled.values()), ".0e")
off = ((product - x_hat).norm() / x_hat.norm()).item()
say("jacobian", f"to within {off:.0e}" if off else "to the last bit")
levels = noise.SIGMAS
sizes = []
for sigma in levels:
    y = noise.add_noise(held_out[:300], float(sigma), torch.Generator().manual_seed(seed))
    with torch.no_grad():
        residual = torch.cat([denoiser(part) - part for part in y.split(64)])
    sizes.append(stats.estimate(np.mean, residual.flatten(1).norm(dim=1) / math.sqrt(d) / sigma))
say("ratio_low", min(r.value for r in sizes), ".2f")
say("ratio_high", max(r.value for r in sizes), ".2f")

# %% [markdown]
# On our network, over noisy faces and $a$ from 0.1 to 10, $f(ay)/a$ and $f(y)$ differ by {glue:text}`homogeneity` of
# $\|f(y)\|$, the rounding of 32-bit numbers; and differentiating $f$ at $y$ in the direction $y$ gives $f(y)$
# {glue:text}`jacobian`.
#
# A blind network must find out how much noise there is. The size of its correction, $\|f(y) - y\|/\sqrt d$, says that it
# does: while $\sigma$ changes a hundredfold, the ratio of the two stays between {glue:text}`ratio_low` and
# {glue:text}`ratio_high`.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-blind", "caption": "**The network knows the noise level without being told.** Root mean square of what it takes away, over the true noise level, with 95% intervals over test faces. Dashed: equal. The optimum's ratio is below one, and lower the weaker the noise, since whatever of the noise could belong to an image is left in the answer; a rise at the weakest noise shows that the network is off the optimum there."}, "image": {"alt": "Ratio of the size of the network's correction to the noise level, near one at strong noise and lower at weak noise.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.3)
plots.band(axes, -20 * np.log10(levels), sizes, color=plots.HALF["A"], marker="o", markersize=3)
axes.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
axes.set(xlabel="input PSNR (dB)", ylabel="size of the correction / σ")
plots.Picture(figure)

# %% [markdown]
# ## From noise to an image
#
# Start with noise, take a step along the score, and repeat while $\sigma$ goes down: that is **reverse diffusion**.
# We solve the equation $dy/d\sigma = (y - f(y))/\sigma$ from $\sigma = 1$ to $0.01$, by Heun's method
# {cite:p}`karras2022elucidating`. By {eq}`eq-miyasawa` its right side is $-\sigma \nabla \log p_\sigma(y)$, the velocity
# that carries the density of noisy images at one $\sigma$ to that at a smaller one. The equation has no randomness but its start. A noisy image of $\sigma = 1$ still has the
# brightness and some shading of its face, so the start is drawn from $\mathcal{N}(m, C + I)$, with the mean $m$ and the
# covariance $C$ of held-out faces.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-walk", "caption": "**Read from left to right: a face appears.** The first column is after two steps. Upper row of each pair: the image on its way, $y$. Lower row: what the network sees in it, $f(y)$. Three starts; columns: the noise level σ."}, "image": {"alt": "Rows of images from noise to faces, each with the denoised estimate below it, which sharpens from a blurred mean face to a face.", "classes": "dark-light"}}
seeds = range(1000 * seed, 1000 * seed + 3)
states = list(sampling.sample(denoiser, sampling.gaussian_start(held_out, seeds)))
shown = states[1::3]
rows = [torch.stack([getattr(s, kind)[k] for s in shown]) for k in range(3) for kind in ("y", "x_hat")]
plots.image_grid(rows, ["y", "f(y)"] * 3, [f"{s.sigma[0]:.2f}" for s in shown])

# %% [markdown]
# ## The puzzle
#
# What did we train for? The least squared error *on the training images*. The exact optimum of that is
# {eq}`eq-posterior-mean` with the density that has only the training images in it: a weighted mean of training images,
# which at weak noise is the nearest one. It is the **memorizing optimum**, the five dots of {numref}`fig-plane` with
# {glue:text}`n` instead of five. We can write it down and sample with it, and also with the opposite simplification: the
# Gaussian density that has the mean and the covariance of the training images.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-rivals", "caption": "**Upper two rows: the optimum of the training loss draws training images. Third row: a Gaussian draws clouds. Last two rows: the network draws faces that are not in its training set.** Networks and optimum walk from the same eight starts, the Gaussian's images are drawn at once; below the samples of the memorizing optimum and of the network stands the training image most similar to each."}, "image": {"alt": "Rows of samples. The memorizing optimum's samples equal training images; Gaussian samples are clouds; the network's samples are faces unlike their nearest training images.", "classes": "dark-light"}}
seeds = range(1000 * seed, 1000 * seed + 8)
start = sampling.gaussian_start(held_out, seeds)
memorizer = BlindEmpiricalDenoiser(training, sigma_law=run.sigma_law, loss_weight=run.loss_weight)
copies, drawn = (sampling.last(sampling.sample(f, start)) for f in (memorizer, denoiser))
clouds = sampling.gaussian_start(training, seeds, sigma_0=0.0)  # the Gaussian's samples, without a walk
(rho_copies, of), (rho_drawn, near) = (similarity.nearest(x, training) for x in (copies, drawn))
say("rho_copies", rho_copies.min().item(), ".3f")
say("rho_drawn", rho_drawn.median().item(), ".2f")
say("rho_null", stats.estimate(np.median, similarity.nearest(held_out[:300], training)[0]), ".2f")
rows = [copies, training[of], clouds, drawn, training[near]]
plots.image_grid(rows, ["memorizing\noptimum", "nearest", "Gaussian", "network", "nearest"])

# %% [markdown]
# The least similar of the memorizing optimum's samples has a centred cosine of {glue:text}`rho_copies` with a training
# image: they are copies. The median for the network's eight is {glue:text}`rho_drawn`; that of new faces, which are no copies,
# is {glue:text}`rho_null`. The network was trained towards the memorizing optimum, and does not go there. If it had, it would be useless: a way to store {glue:text}`n` images.
#
# So it is the network's distance from the optimum of its own loss that makes it generalize. The
# [next chapter](02_memorization_to_generalization.py) finds out when this happens; the one
# [after it](03_two_networks_one_density.py) asks whether two networks miss the optimum in the same way.
