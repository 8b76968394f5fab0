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
# # Your images
#
# ```{admonition} In short
# **Question.** Does my model copy its training images, and how many does it need not to?
#
# **What we find.** Copies can be found up to shifts and mirroring, with a threshold that held-out images set.
# {claim}`planted-copies-are-found` How many images are enough depends on the network {claim}`chain-remembers-less` and
# on the length of its training: {claim}`memory-waits-for-larger-sets` no number such as "10,000" holds for all.
#
# **The figure.** {numref}`fig-needed`.
# ```
#
# Three commands answer. They are shown on images and networks of this book, and take yours.
#
# | question | command |
# |---|---|
# | Are these samples copies? | `ghr check SAMPLES --train FOLDER` |
# | How many images do I need? | `ghr need FOLDER` |
# | What does my denoiser do? | `ghr measure DENOISER --images FOLDER` |

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring and sampling, not for training
sizes = None  # these N only, e.g. [100, 30000] (None: all)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
import tempfile

import torch
from diffusers import DDPMScheduler, UNet2DModel

from ghr import experiments, foreign, need, portrait
from ghr.book import plots, results
from ghr.measure import copies, samples

faces, patches = experiments.faces(scale, sizes), experiments.photographs(scale, sizes)
results.keep(networks=experiments.networks(faces))
many, planted = (16, 20) if scale == "smoke" else (64, 200)  # samples of each network; copies of each kind
at = min(faces.sizes, key=lambda n: abs(n - 1000))  # training images among which copies are planted

# %% [markdown]
# ## Does it copy?
#
# A copy is a sample that is much nearer to one training image than to any other. How much nearer? Held-out images have
# a nearest training image, too: the threshold is what only one in a hundred of them reaches. (Without held-out images,
# training images are compared with the others.) Distances do not see mirroring, shifts of up to three pixels,
# brightness and contrast.

# %%
drawn, drawn_patches = (samples.draw(study, samples.seeds(study, seed, many)) for study in (faces, patches))
copied, copied_patches = copies.copied(drawn), copies.copied(drawn_patches)
results.keep(copied=copied)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 10.1", "figure": {"name": "fig-copied", "caption": "**Few images are copied, many are not.** {claim}`few-images-are-copied` Samples of networks of few and of many images, and the training image nearest to each."}, "image": {"alt": "Four rows of faces: samples of a network of few faces beside equal training images, and samples of the network of the largest N beside different ones.", "classes": "dark-light"}}
rows = [row for n in (faces.few, faces.largest) for row in drawn.beside(n, "A")]
plots.image_grid(rows, [f"samples\nN = {faces.few:,}", "nearest", f"samples\nN = {faces.largest:,}", "nearest"])

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: copies among samples"}
copied.show("Copies among samples", {"found": "copies", "rule": "d1/d2 < 1/3"}, n=",", half="", found=".0%", rule=".0%")

# %% [markdown]
# Of the samples of a network of {num}`copied[n=10,half=A].n` faces {num}`copied[n=10,half=A].found:.0%` are copies; at
# the largest $N$ there is no sign of any. {claim}`few-images-are-copied`
#
# The published rule counts a copy where the nearest training image is three times nearer than the second, pixel by
# pixel {cite:p}`yoon2023diffusion`. At $N$ = {num}`copied[n~100,half=A].n` it misses most of what this test finds,
# since a copy of lower contrast is none to it. {claim}`the-published-rule-misses-copies` With your own folders:
#
# ```sh
# ghr check samples --train training-images --held-out other-images
# ```
#
# The answer is a sentence, a page with the most suspicious pairs, and a table of all samples. Duplicates among the
# training images are named first.
#
# ## What does the test see?
#
# A test that finds nothing may be blind. So we plant altered training images among images that are no copies.

# %%
detected = copies.detection(faces, n=at, planted=planted, seed=seed)
recovered = copies.recovered(faces, n=at, samples=2 * planted, seed=seed)
results.keep(detected=detected, recovered=recovered)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 10.2", "figure": {"name": "fig-detected", "caption": "**Moved, mirrored and brightened copies are found; Yoon et al.'s rule, which was not made for them, misses most.** {claim}`planted-copies-are-found` {claim}`the-published-rule-misses-copies` Share of altered training images that each rule calls copies, with 95% intervals. This test and pixel distance are each passed by one held-out image in a hundred."}, "image": {"alt": "Dots with intervals, a row for each alteration, for three rules: this test finds nearly all, the other two few of what was shifted or mirrored.", "classes": "dark-light"}}
figure, (ax,) = plots.panels(1, height=4)
for rule, colour, shift in (("nearness", plots.HALF["A"], 0.2), ("d1/d2 < 1/3", plots.INK, 0), ("pixel distance", plots.TRAINING, -0.2)):
    found = detected.where(rule=rule)
    plots.dots(ax, found["alteration"], found["found"], shift, color=colour, label="this test" if rule == "nearness" else rule)
ax.set(xlabel="share of planted copies that is found", xlim=(-0.03, 1.03))
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% [markdown]
# The test misses most blends of two images, {claim}`blends-are-missed` and does not look for turned images or parts of
# images. The share of copies that it tells is the one that was planted. {claim}`rates-are-recovered`
#
# ## How many images?
#
# We ask three things of pairs of networks of growing $N$. By how much do they denoise training images better than new
# ones? How many of their samples are copies? How alike do two networks that share no image draw, {term}`beyond Wiener`?
# As a convention we say that memory gives way at a gap of 1 dB, one copy in twenty, an agreement of .7; the figure
# shows what other lines would give.

# %%
needed = {"faces": need.measured(drawn, copied, seed), "photographs": need.measured(drawn_patches, copied_patches, seed)}
crossed = {name: need.crossings(rows) for name, rows in needed.items()}
results.keep(faces=needed["faces"], faces_need=crossed["faces"])
results.keep(patches=needed["photographs"], patches_need=crossed["photographs"])

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 10.3", "figure": {"name": "fig-needed", "caption": "**Copies end before the gap closes, on faces and on photographs.** {claim}`copies-end-before-the-gap` With 95% intervals. Left: gap between training and new images at input 21 dB. Middle: copies among samples. Right: agreement of two halves' samples beyond Wiener. Dashed: the lines."}, "image": {"alt": "Three panels against N: the gap falls, the share of copies falls to zero, agreement rises.", "classes": "dark-light"}}
figure, axes = plots.panels(3, height=2.6)
for ax, line, label in zip(axes, need.LINES, ("gap (dB)", "share of copies", "agreement"), strict=True):
    for name, colour in (("faces", plots.HALF["A"]), ("photographs", plots.TRAINING)):
        rows = needed[name]
        plots.band(ax, rows["n"], rows[line.field], color=colour, marker="o", markersize=3, label=name)
    ax.axhline(line.level, color=plots.INK, linestyle="--", linewidth=0.8)
    ax.set(xlabel="N, training images", ylabel=label, xscale="log")
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: where each line is crossed, faces"}
crossed["faces"].show("Where memory gives way: faces", {}, measure="", level="g", found="", n=",.0f", low=",.0f", high=",.0f", views=",.0f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: where each line is crossed, photographs"}
crossed["photographs"].show("Where memory gives way: photographs", {}, measure="", level="g", found="", n=",.0f", low=",.0f", high=",.0f", views=",.0f")

# %% [markdown]
# On faces the gap falls below its line at about {num}`faces_need[measure=gap].n:,.0f` images and agreement rises above
# its own at about {num}`faces_need[measure=agreement].n:,.0f`, read off between the $N$ that were trained. These
# numbers are for *this network and length of training*: what is trained longer remembers larger sets
# ([chapter 2](02_memorization_to_generalization.py)), and so do larger networks, about twice the faces with four times
# the parameters ({numref}`fig-room`). {claim}`room-grows-as-a-root` For your own images:
#
# ```sh
# ghr need my-images --size 32
# ```
#
# It says first how long it takes, after each $N$ what it has found, and goes on where it was interrupted. Where your
# images are too few to reach a line, it extrapolates, or says that it cannot tell.
#
# ## What does my denoiser do?
#
# ```sh
# ghr measure my_network.onnx --images my-images
# ghr measure my_module.py:network --images my-images --train training-images
# ```
#
# It measures any denoiser as this book measures its own: how well it denoises, its Jacobian, whether its basis follows
# the image ([chapter 4](04_adaptive_basis.py)), and what it draws. Networks of PyTorch, ONNX and diffusers are read,
# and those of the paper's authors (`book/notebooks/authors.py` measures all of them); pixels from -1 to 1 and predicted
# noise are converted.
#
# Here is a network of another make: a UNet of [diffusers](https://huggingface.co/docs/diffusers), with constants, told
# the step of its diffusion, asked for the noise, and trained on our faces for about a minute.

# %%
steps, size, widths = (8, 16, (8, 16)) if scale == "smoke" else (400, faces.held_out.shape[-1], (16, 32, 64))
blocks = {"down_block_types": ["DownBlock2D"] * len(widths), "up_block_types": ["UpBlock2D"] * len(widths)}
torch.manual_seed(seed)
unet = UNet2DModel(size, 1, 1, block_out_channels=widths, layers_per_block=1, norm_num_groups=8, add_attention=False, **blocks)
scheduler, optimizer = DDPMScheduler(), torch.optim.AdamW(unet.parameters(), lr=2e-3)
falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, steps)
training = faces.training(faces.largest)
for x in training[torch.randint(len(training), (steps, 32))]:
    t, z = torch.randint(len(scheduler), (len(x),)), torch.randn_like(x)
    loss = (unet(scheduler.add_noise(2 * x - 1, z, t), t).sample - z).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    falling.step()
with tempfile.TemporaryDirectory() as folder:
    unet.save_pretrained(folder)
    scheduler.save_pretrained(folder)  # as in any folder of diffusers
    f = foreign.load(folder)

# %%
on = portrait.Images(faces.held_out[:32], None, faces.held_out[32:])
found = portrait.of(f, on, portrait.plan(f, on, bases=4, seeds=4)).tables
results.keep(foreign_curve=found["curve"], foreign_geometry=found["geometry"], foreign_ahead=found["ahead"])

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: how well it denoises"}
found["curve"].show("Denoising curve of a network of diffusers", {}, sigma=".3f", noisy=".1f", test=".1f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: its Jacobians"}
found["geometry"].show("Jacobians of a network of diffusers", {}, sigma="", psnr=".1f", trace=".0f", asym=".2f", top=".2f", loss=".1f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: is its basis harmonic, and adapted to the image?"}
found["indices"].show("Bases of a network of diffusers", {}, sigma="", basis="", h1=".2f", h2=".2f", h3=".2f", h4=".2f")

# %% [markdown]
# In H2 its basis is ahead of every basis that does not know the image. {claim}`another-make-adapts-too` So bases adapt
# in networks with constants, and in those that are told the noise level, too.
#
# ## What to do about copies
#
# *More images*: the share of copies falls with $N$. {claim}`few-images-are-copied` (Each image of a larger set was also
# seen less often: a part of this is training time.) *An earlier stop* helps sets that are remembered late ([chapter
# 2](02_memorization_to_generalization.py)), and a *smaller network* remembers later ({numref}`fig-room`).
# {claim}`room-grows-as-a-root` And *no duplicates*, each of which is one more view of its image at each pass:
# `ghr check` names them.
