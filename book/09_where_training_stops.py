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
# # Why? Where training stops
#
# ```{admonition} In short
# **Claim.** Others explain generalization by what training leaves undone. Networks would learn little more than a mean
# and a covariance, and so be nearly linear {cite:p}`li2024understanding`; or come near to memory only at noisy training
# images, and not where samplers go {cite:p}`song2025selective`; or stop before memory sets in
# {cite:p}`bonnaire2025why`, which is in [chapter 2](02_memorization_to_generalization.py).
#
# **What we found.** Networks of more images are more linear, up to 10,000. {claim}`more-images-make-networks-more-linear` But what an
# affine map leaves of the largest network's answers is as much as their error,
# {claim}`what-affine-maps-leave-is-as-large-as-the-error` and training moves away from such maps.
# {claim}`training-leaves-affine-maps` Memory in some places only is seen at $N$ = 1,000,
# {claim}`a-thousand-are-fitted-selectively` and does not set apart the networks of the largest $N$.
# {claim}`who-never-saw-them-is-nearly-as-near`
#
# **The figure.** {numref}`fig-linear`.
# ```

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring and sampling, not for training

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
from ghr import experiments
from ghr.book import plots, results
from ghr.measure import early, underfitting
from ghr.measure.linearity import linearity

faces, images = experiments.faces(scale), 4 if scale == "smoke" else 16  # held-out images beside those for windows

# %% [markdown]
# ## Are networks linear?
#
# Networks are said to become nearly linear as they pass from memory to generalization
# {cite:p}`li2024understanding`. We ask for the *affine map* of each: the matrix $L$ and the image $b$ for which
# $Ly + b$ answers most like the network $f$. What it leaves is a share of the variance of answers,
#
# $$\mathbb{E}\,\|f(y) - Ly - b\|^2 \,/\; \mathbb{E}\,\|f(y) - \mathbb{E} f\|^2,$$ (eq-left)
#
# on noisy faces that none of these networks was trained on.

# %%
pixels = faces.held_out[0].numel()
linear = linearity(faces, draws=(8 if scale == "smoke" else 24) * pixels, seed=seed)
results.keep(linear=linear)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 9.1", "code_prompt_hide": "Code: Fig. 9.1", "figure": {"name": "fig-linear", "caption": "**Up to 10,000, networks of more images are more linear; so is memory.** {claim}`more-images-make-networks-more-linear` {claim}`so-is-memory` {claim}`what-affine-maps-leave-is-as-large-as-the-error` Left: share of the answers' variance that the nearest affine map leaves. Right: the same over the squared error of the answers. Noisy test faces, with 95% intervals."}, "image": {"alt": "Two panels against N. Left, what affine maps leave falls for networks and for the memorizer, which stays far above them. Right, over the error it rises for networks at weak noise.", "classes": "dark-light"}}
colours, lines = {"network": plots.HALF["A"], "memorizer": plots.TRAINING}, {0.1: "-", 0.3: "--"}
figure, axes = plots.panels(2, columns=2, height=2.8)
for (name, colour), (sigma, line) in ((a, b) for a in colours.items() for b in lines.items()):
    some = linear.where(denoiser=name, sigma=sigma)
    for ax, field in zip(axes, ("left", "over_error"), strict=True):
        plots.band(ax, some["n"], some[field], color=colour, linestyle=line, marker=".", label=f"{name}, σ = {sigma}")
for ax, label in zip(axes, ("share left", "left over error"), strict=True):
    ax.set(xlabel="N, training images", ylabel=label, xscale="log", yscale="log")
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: how linear", "code_prompt_hide": "Table: how linear"}
linear.show("How linear denoisers are", {"left": "share left", "over_error": "left over error"}, n=",", denoiser="", sigma="", score=".4f", left=".3f", over_error=".2f")

# %% [markdown]
# They do become more linear, up to some $N$: {claim}`more-images-make-networks-more-linear` of the answers at σ = 0.1
# affine maps leave {num}`linear[n=10,denoiser=network,sigma=0.1].left.value:.2f` at $N$ = 10 and
# {num}`linear[n=max,denoiser=network,sigma=0.1].left.value:.2f` at the largest. A part of that is in the images: the
# {term}`memorizing optimum` becomes more linear with $N$, too, {claim}`so-is-memory` and stays far less linear than
# networks. {claim}`memory-is-less-linear-than-networks` But the little that is left is what counts: at the largest $N$
# and σ = 0.1 it is as large as the network's own error, at σ = 0.3 half as large or a little more.
# {claim}`what-affine-maps-leave-is-as-large-as-the-error` (Their *linearity score*, a cosine of the answer to a sum and
# the sum of answers, sees little of it: it is above .99 for all networks of more than one image.
# {claim}`scores-see-little`)
#
# ## Does training pass by linear maps?
#
# A network may learn first what is simple. So we trained UNets on the same faces for less long, each with a schedule of
# its own. Beside its affine map, here fitted at its own training images, stand two machines of [chapter 8](08_why.py):
# averages of training images by windows (LS) and by patches (PSPC), with the windows that come nearest to it. One
# *explains* a share of what the network does beyond Wiener, {eq}`eq-beyond-wiener`.

# %%
sides = {"LS": (1, 3, 5, 7, 11, 17, 25), "PSPC": (1, 2, 3, 5, 8, 12, 20)}
course = early.resemblance(experiments.early(scale), sides=sides, most=faces.largest // 3, images=images, calibrated=3, seed=seed)
results.keep(course=course)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 9.2", "code_prompt_hide": "Code: Fig. 9.2", "figure": {"name": "fig-course", "caption": "**Training begins near affine maps and leaves them; patches explain more for a while, and then no more.** {claim}`training-begins-near-an-affine-map` {claim}`training-leaves-affine-maps` {claim}`patches-explain-more-for-a-while` Mean squared distance to the UNet's answer (squared image units per pixel), the same test faces for all, with 95% intervals."}, "image": {"alt": "Two panels, one for each noise level: distance to the network against images seen in training. Distances to Wiener and to the affine map rise, that to patches falls and then rises again, those to the network of the other half and to the clean image fall.", "classes": "dark-light"}}
styles = {"Wiener": (plots.WIENER, "-"), "affine map": (plots.WIENER, ":"), "LS": (plots.TRAINING, "--")}
styles |= {"PSPC": (plots.TRAINING, "-"), "other half": (plots.HALF["B"], "-")}
figure, axes = plots.panels(2, columns=2, height=2.8)
for ax, (sigma, some) in zip(axes, course.by("sigma"), strict=True):
    for name, (colour, line) in styles.items():
        each = some.where(denoiser=name)
        plots.band(ax, each["images_seen"], each["apart"], color=colour, linestyle=line, marker=".", label=name.replace("half", "half, to the end"))
    plots.band(ax, each["images_seen"], each["error"], color=plots.INK, linestyle=":", label="clean image")
    ax.set(title=f"σ = {sigma}", xlabel="images seen in training", xscale="log", yscale="log")
axes[0].set(ylabel="squared distance")
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: networks and simpler denoisers in the course of training", "code_prompt_hide": "Table: networks and simpler denoisers in the course of training"}
course.show(sigma="", images_seen=",", denoiser="", window="", apart=".5f", error=".5f", beyond=".2f")

# %% [markdown]
# The shortest training ends nearer to Wiener than to a trained UNet of other faces, and a part of the rest is affine
# too. {claim}`training-begins-near-an-affine-map` Later the affine map that we fit is no nearer to the network than
# Wiener's is, and the network has moved away from both, at σ = 0.1 about as far as it is from the clean image.
# {claim}`training-leaves-affine-maps` PSPC explains more for a while, then no more:
# {claim}`patches-explain-more-for-a-while` training goes on to where no machine is. LS is at no time the nearest.
# {claim}`windows-are-never-the-nearest`
#
# ## Memory in some places only?
#
# Over all functions the {term}`memorizing optimum` fulfils the training loss best. Training asks for it, but only at
# noisy training images. *Selective underfitting* {cite:p}`song2025selective` says that networks come near to memory
# there, stay away where samplers go, and therefore generalize.

# %%
gaps, peaks = underfitting.gaps(faces, seed=seed)
states = underfitting.draw(faces)
apart = underfitting.apart(faces, states, images=32)
favours = underfitting.favours(faces, states, seed=seed)
results.keep(gaps=gaps, peaks=peaks, apart=apart, favours=favours)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 9.3", "code_prompt_hide": "Code: Fig. 9.3", "figure": {"name": "fig-places", "caption": "**At large N a network that never saw the training images is nearly as near to their memory as the one that did.** {claim}`who-never-saw-them-is-nearly-as-near` Mean squared distance to the memory of the rays of A's training images (squared image units per pixel), at the walk's noise levels nearest to .1 and .4, with 95% intervals."}, "image": {"alt": "Two panels, one for each of two noise levels: distance to the memorizer against N at training images, at test images and at the sampler's states.", "classes": "dark-light"}}
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
# A network without constants can only be a memory of *rays*, all multiples of training images; at σ < 0.2 networks of
# ten faces nearly are. {claim}`networks-that-copy-are-memories-of-rays` At the largest $N$ and σ = 0.1 the network is
# {num}`apart[n=max,sigma~0.1,memory=rays,denoiser=network].walk_over_training.value:.0f` times as far from it where its
# sampler goes as at noisy training images (at σ = 0.4
# {num}`apart[n=max,sigma~0.37,memory=rays,denoiser=network].walk_over_training.value:.1f` times).
# {claim}`far-from-memory-where-the-sampler-goes` But at noisy training images network B, which never saw them, is
# nearly as near to their memory as A: {claim}`who-never-saw-them-is-nearly-as-near` at weak noise memory answers there
# with the clean image, so the distance to it is an error of denoising, small for every good denoiser.
#
# At $N$ = 1,000 it is as Song et al. say: at σ = 0.1 A is
# {num}`apart[n~1000,sigma~0.1,memory=rays,denoiser="other half"].over_network.value:.1f` times as near to memory as B
# at its training images, and where its sampler goes as far as B. {claim}`a-thousand-are-fitted-selectively` So
# selective underfitting is seen where memory has begun, and is not what sets networks of the largest $N$ apart.
#
# ## What it comes to
#
# Each of these accounts is right about a part. Networks of many images are more linear than those of few; but what an
# affine map leaves of their answers is as large as their error.
# {claim}`what-affine-maps-leave-is-as-large-as-the-error` They fit memory in some places only, once memory has begun,
# {claim}`a-thousand-are-fitted-selectively` and our largest sets were stopped before it ([chapter
# 2](02_memorization_to_generalization.py)). {claim}`large-sets-are-stopped-before-memory` None says what a network does
# in the places where no training image is near.
#
# *Limits.* Faces only; one training of each network. Affine maps are fitted to answers at 24 noisy images for each
# pixel, so that what they leave is a twenty-fourth too much; in the course of training at eight.
