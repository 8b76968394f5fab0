# ---
# jupytext:
#   formats: py:percent
#   text_representation:
#     extension: .py
#     format_name: percent
# kernelspec:
#   display_name: Python 3
#   language: python
#   name: python3
# ---

# %% [markdown]
# # From memorization to generalization
#
# **Claim.** Train two denoisers on sets of $N$ images that share no image. For small $N$ each learns its own
# training set by heart. For large $N$ both learn the *same function*, although they have seen no image in common:
# what they share can only come from the density that both sets were drawn from
# {cite:p}`kadkhodaie2024generalization`.
#
# **Experiment.** We take cartoon faces, keep some aside for testing, and train one network on the first $N$ of the
# others (half A, blue throughout this book) and one on the last $N$ (half B, orange). The two networks differ in
# everything that can differ: images, initial weights, training noise. Then we ask three questions. Does a network do
# better on its training images than on new ones? Do the two networks compute the same function? And when both
# generate an image from the same noise, is it the same image, and is it new?

# %% tags=["parameters"]
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring and sampling, not for training

# %% tags=["hide-input"]
import numpy as np
import torch
from myst_nb import glue

from ghr import compare, noise, plots, runs, sampling
from ghr.references import EmpiricalDenoiser, ray_bound

table = runs.table(scale)
for run in table:
    runs.fit(run)  # returns at once where the checkpoint is there

sizes = sorted({run.n for run in table})
smallest, largest = sizes[0], sizes[-1]
denoisers = {(run.n, run.half): runs.load(run) for run in table}
data = {run.n: runs.data(run) for run in table}
held_out = data[largest].held_out
d = held_out[0].numel()


def say(name, value, spec=".1f"):
    """Put a number, with its interval where it has one, at the disposal of the text."""
    glue(name, format(value, spec), display=False)


for name, value in {"n_smallest": smallest, "n_largest": largest, "held_out": len(held_out), "d": d}.items():
    say(name, value, ",")
say("images_seen", table[0].images_seen, ",")
say("repeats_small", table[0].images_seen / smallest, ",.0f")
say("repeats_large", table[0].images_seen / largest, ",.0f")
say("parameters", sum(p.numel() for p in denoisers[smallest, "A"].parameters()), ",")
say("side", table[0].size, "d")
say("width", table[0].width, "d")

# %% [markdown]
# Every network of this chapter is the paper's bias-free UNet at width {glue:text}`width` on {glue:text}`side`-pixel images
# ({glue:text}`parameters` parameters; the paper: 7,659,264 at 80 pixels). It is never told the noise level.
# Whatever $N$ is, it sees {glue:text}`images_seen` noisy images, so that a small set is not punished by a short
# training. The {glue:text}`held_out` test images belong to neither half.
#
# ## What the networks do to a face
#
# We start with one test image, add noise of standard deviation $\sigma$, and look.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-denoised", "caption": "**Compare half A with half B, column by column.** Columns: a test face; the same with noise; what the networks of each N make of it; last, the memorizing optimum, which knows nothing but the largest training set. Rows: two noise levels, each for half A and half B. With few training images the networks answer with what they remember, or a blend of it, and they remember different faces. With many, both halves give nearly the same face, and it resembles the clean one."}, "image": {"alt": "Grid of small grey face images. At small N the denoised faces of networks A and B differ from each other and from the clean face; at the largest N they agree with each other and resemble the clean face.", "classes": "dark-light"}}
levels = (0.2, 0.5)
face = held_out[1:2]
rows, labels = [], []
for sigma in levels:
    y = noise.add_noise(face, sigma, torch.Generator().manual_seed(seed))
    for half in "AB":
        x = getattr(data[largest], half.lower())
        memorizer = EmpiricalDenoiser(x, sigma)
        with torch.no_grad():
            answers = [denoisers[n, half](y) for n in sizes] + [memorizer(y)]
        rows.append(torch.cat([face, y, *answers]))
        labels.append(f"σ = {sigma}\nhalf {half}")
titles = ["clean", "noisy"] + [f"N = {n:,}" for n in sizes] + ["memorizer"]
plots.image_grid(rows, labels, titles)

# %% [markdown]
# ## Does it do better on what it has seen?
#
# We measure the error as output PSNR, $-10 \log_{10} \mathrm{MSE}$ in dB, against the input PSNR,
# $-20 \log_{10} \sigma$. Low input PSNR (left in the figures) is much noise. PSNR is taken of the *mean* squared
# error over images, with 95% bootstrap intervals over images.
#
# Two references stand beside the networks. The **memorizing optimum** is the exact best denoiser if the training
# images were all there is,
#
# $$f(y) = \sum_i w_i\, x_i, \qquad w_i \propto p(y \mid x_i),$$ (eq-memorizer)
#
# where, to be as blind as the networks, $p(y \mid x_i)$ is integrated over the noise levels with the weight that
# training gives them. The **ray bound** is the best that a bias-free network can do even with a single image: since
# $f(ay) = a f(y)$, it cannot know how bright the image is and must estimate that from $y$; projecting on the image's
# ray leaves $\sigma^2/d$ of the noise, so output PSNR is input PSNR $+ 10 \log_{10} d$.

# %% tags=["hide-input"]
sigmas = noise.SIGMAS
input_psnr = -20 * np.log10(sigmas)
count = min(300, len(held_out))
test = held_out[:count]


def training_images(n, half):
    """As many images of a training set as there are test images: small sets are repeated."""
    x = getattr(data[n], half.lower())
    return x[torch.arange(count) % len(x)]


def errors(denoiser, x):
    """Squared error of each image at each noise level."""
    return np.stack([noise.denoising_mse(denoiser, x, float(sigma), seed).numpy() for sigma in sigmas])


train_errors = {key: errors(denoiser, training_images(*key)) for key, denoiser in denoisers.items()}
test_errors = {key: errors(denoiser, test) for key, denoiser in denoisers.items()}
memorizer_errors = {}
for run in table:
    if run.half == "A":
        blind = EmpiricalDenoiser(data[run.n].a, sigma_law=run.sigma_law, loss_weight=run.loss_weight)
        memorizer_errors[run.n] = {"train": errors(blind, training_images(run.n, "A")), "test": errors(blind, test)}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-psnr", "caption": "**Solid lines are training images, dotted lines are test images: they part when N is small and merge when it is large.** Output against input PSNR, one panel for each N; half A blue, half B orange, with 95% intervals. Dashed: the memorizing optimum of half A on its training images (upper) and on test images (lower). Grey: the noisy input itself, and, dash-dotted, the ray bound. A dotted line below the grey diagonal means that the network adds error to a new image."}, "image": {"alt": "Panels of output PSNR against input PSNR. At the smallest N the training curves run far above the test curves and follow the ray bound; the memorizing optimum on training images leaves the panel. At the largest N the four curves coincide.", "classes": "dark-light"}}
figure, axes = plots.panels(len(sizes), height=2.5, sharex=True)
for ax, n in zip(axes, sizes, strict=True):
    ax.plot(input_psnr, input_psnr, color=plots.FAINT, label="noisy input")
    ax.plot(input_psnr, ray_bound(input_psnr, d), color=plots.TRAINING, linestyle="-.", linewidth=1, label="ray bound")
    for name, e in memorizer_errors[n].items():
        with np.errstate(divide="ignore"):  # the memorizer's error on training images underflows to 0: it leaves the panel
            optimum = compare.psnr_of_mean(e)
        label = "memorizing optimum" if name == "train" else None
        ax.plot(input_psnr, optimum, color=plots.INK, linestyle="--", linewidth=1, label=label)
    for half in "AB":
        for kind, e, line in (("training", train_errors, "-"), ("test", test_errors, ":")):
            curve = [compare.estimate(compare.psnr_of_mean, row) for row in e[n, half]]
            plots.band(ax, input_psnr, curve, color=plots.HALF[half], linestyle=line, label=f"{half}, {kind}")
    ax.set(title=f"N = {n:,}", xlabel="input PSNR (dB)", ylabel="output PSNR (dB)", xlim=(0, 42.5), ylim=(5, 58))
    ax.label_outer()
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% tags=["hide-input"]
sigma_21 = 10 ** (-21 / 20)  # noise of input PSNR 21 dB
gaps = {
    (n, half): compare.estimate(
        compare.psnr_gap,
        noise.denoising_mse(denoiser, training_images(n, half), sigma_21, seed),
        noise.denoising_mse(denoiser, test, sigma_21, seed),
    )
    for (n, half), denoiser in denoisers.items()
}


def mean_gap(*pairs, axis):
    """G(N): the gap averaged over the grid of noise levels."""
    k = len(pairs) // 2
    return np.mean([compare.psnr_gap(a, b, axis) for a, b in zip(pairs[:k], pairs[k:], strict=True)], axis=0)


overall = {key: compare.estimate(mean_gap, *train_errors[key], *test_errors[key]) for key in denoisers}
glue("gaps", "; ".join(f"{gaps[n, 'A']:.2f} at N = {n:,}" for n in sizes), display=False)
for half in "AB":
    say(f"gap_small_{half}", gaps[smallest, half])
    say(f"gap_large_{half}", gaps[largest, half], ".2f")
    say(f"overall_large_{half}", overall[largest, half], ".2f")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-gap", "caption": "**The advantage of training images shrinks to nothing as N grows.** Left: gap between training and test PSNR against input PSNR, one colour for each N, half A solid and half B dotted, 95% intervals. Right: the gap at input 21 dB against N."}, "image": {"alt": "Left, gap curves against input PSNR, tens of dB at small N and zero at the largest N. Right, the gap at 21 dB falls with N.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.6)
for n in sizes:
    for half, line in (("A", "-"), ("B", ":")):
        pairs = zip(train_errors[n, half], test_errors[n, half], strict=True)
        curve = [compare.estimate(compare.psnr_gap, a, b) for a, b in pairs]
        label = f"N = {n:,}" if half == "A" else None
        plots.band(left, input_psnr, curve, color=plots.shade(n, sizes), linestyle=line, label=label)
left.axhline(0, color=plots.INK, linewidth=0.6)
left.set(xlabel="input PSNR (dB)", ylabel="training − test PSNR (dB)")
plots.legend(left)
for half in "AB":
    plots.band(right, sizes, [gaps[n, half] for n in sizes], color=plots.HALF[half], marker="o", label=f"half {half}")
right.axhline(0, color=plots.INK, linewidth=0.6)
right.set(xlabel="N, training images", ylabel="gap at input 21 dB (dB)", xscale="log")
plots.legend(right)
plots.Picture(figure)

# %% [markdown]
# At input 21 dB and $N$ = {glue:text}`n_smallest`, training images come out better than test images by
# {glue:text}`gap_small_A` dB (half A) and {glue:text}`gap_small_B` dB (half B): numbers in brackets are 95%
# intervals. At $N$ = {glue:text}`n_largest` the gap is {glue:text}`gap_large_A` and {glue:text}`gap_large_B` dB.
# Averaged over all noise levels it is {glue:text}`overall_large_A` and {glue:text}`overall_large_B` dB. Size by size,
# half A's gap at input 21 dB is {glue:text}`gaps` dB. (The training images of a small set are repeated with fresh noise
# to match the number of test images; the interval is then over noise, for this one set.)
#
# *What the paper says:* the same transition at 80 pixels with faces (its Figure 1): a large gap at small $N$, none at
# $N = 10^5$. *What we find* is {numref}`fig-gap`. *Why?* Repeating its training images is the optimum of a network's
# training loss, at every $N$; small sets are stored, large ones are not. Two reasons are at hand, and this experiment
# does not separate them: the network may have no room for a large set, or no time, since at equal images seen an image
# of the smallest set is seen {glue:text}`repeats_small` times and one of the largest {glue:text}`repeats_large` times.
#
# Having no gap does not yet mean that the network has learned the density: it could have learned *something else*
# that is equally good on both sets. The next question is sharper.
#
# ## Do two networks compute the same function?
#
# Give both networks the same noisy test image and compare their answers. The **model variance** is
#
# $$V(\sigma) = \frac{\mathbb{E}\,\|f_A(y) - f_B(y)\|^2}{2\, \mathbb{E}\,\|f_A(y) - x\|^2}.$$ (eq-variance)
#
# It is 0 when both are one function, and 1 when their errors are independent.

# %% tags=["hide-input"]
variances, discrepancies = {}, {}
grid = np.unique([*sigmas, 0.02, 1.0])  # with the limits of the integral below
for n in sizes:
    pairs = [compare.model_variance(denoisers[n, "A"], denoisers[n, "B"], test, float(s), seed) for s in grid]
    variances[n] = [compare.estimate(compare.variance_ratio, a, e) for a, e in pairs]
    per_image = compare.discrepancy(np.stack([a.numpy() for a, _ in pairs]), grid)
    discrepancies[n] = compare.estimate(np.mean, per_image)

inside = (grid >= 0.02) & (grid <= 1)
for name, n in (("small", smallest), ("large", largest)):
    say(f"variance_{name}", max((v for v, i in zip(variances[n], inside, strict=True) if i), key=lambda v: v.value), ".2f")
    say(f"discrepancy_{name}", discrepancies[n], ".3f")
    say(f"variance_weak_{name}", variances[n][0], ".2f")
say("sigma_weak", grid[0], ".4f")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-variance", "caption": "**Where noise is strong, the curves sink with N: two networks that share no training image approach one function.** Look also at the right end, the weakest noise. Model variance between half A and half B on test images, against input PSNR, with 95% intervals over images. 0 is one function; 1 is two networks whose errors have nothing to do with each other."}, "image": {"alt": "Model variance against input PSNR, one curve for each N. At strong noise, at the left, the curve of the smallest N is highest and that of the largest N lowest; at the weakest noise, at the right, the curve of the largest N rises and the order is lost.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.6)
for n in sizes:
    plots.band(axes, -20 * np.log10(grid), variances[n], color=plots.shade(n, sizes), label=f"N = {n:,}")
axes.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
axes.set(xlabel="input PSNR (dB)", ylabel="model variance V", ylim=(0, None))
plots.legend(axes)
plots.Picture(figure)

# %% [markdown]
# For $\sigma$ between 0.02 and 1, the largest $V$ is {glue:text}`variance_small` at
# $N$ = {glue:text}`n_smallest` and {glue:text}`variance_large` at $N$ = {glue:text}`n_largest`. Summed over noise
# levels with the weight of the Kullback-Leibler bound, $\frac1d \int_{.02}^1 \mathbb{E}\|f_A - f_B\|^2
# \sigma^{-3} d\sigma$, the truncated discrepancy of the two networks falls from
# {glue:text}`discrepancy_small` to {glue:text}`discrepancy_large` nats per pixel. (It is not a bound on a
# divergence: the networks are not exact scores and the range of $\sigma$ is cut.)
#
# Half A against half B at $\sigma$ = {glue:text}`sigma_weak`, the weakest noise measured, gives
# $V$ = {glue:text}`variance_weak_small` at $N$ = {glue:text}`n_smallest` and {glue:text}`variance_weak_large` at
# $N$ = {glue:text}`n_largest`. Not all of $V$ comes from the data: two trainings also differ in their initial weights
# and their noise. How much that explains needs two trainings on the *same* half, which this edition does not have.
#
# ## Same noise, two networks: the same new image?
#
# A denoiser is a score: $\nabla \log p_\sigma(y) = (f(y) - y)/\sigma^2$ {cite:p}`miyasawa1961empirical`. Following it
# from noise to image generates. We start both networks from the *same* noise and use a deterministic sampler (the
# probability-flow ODE, Heun's method {cite:p}`karras2022elucidating`), so any difference between the two images comes
# from the networks. Beside each sample stands the training image that is most similar to it.

# %% tags=["hide-input"]
seeds = range(1000 * seed, 1000 * seed + (256 if scale != "smoke" else 16))
start = sampling.gaussian_start(held_out, seeds)
samples = {key: sampling.last(sampling.sample(denoiser, start)) for key, denoiser in denoisers.items()}
copies = {key: compare.nearest(samples[key], getattr(data[key[0]], key[1].lower())) for key in denoisers}
fresh = held_out[: len(seeds)]
null = {n: compare.nearest(fresh, data[n].a)[0] for n in sizes}
rho_ab = {n: compare.rho(samples[n, "A"], samples[n, "B"]) for n in sizes}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-samples", "caption": "**Read each block from top to bottom.** Each column starts from one noise image, the same for all networks. Each block is one N: the sample of network A and the training image of A most similar to it, then the same for network B. Small N: the sample *is* a training image, and A and B give different ones. Largest N: A and B give nearly the same face, and neither training set contains it."}, "image": {"alt": "Grid of sampled faces in blocks by N. In the block of the smallest N each sample equals the training image below it. In the block of the largest N the samples of A and B look alike and differ from their nearest training images.", "classes": "dark-light"}}
shown = 8
rows_of_samples, labels_of_samples = [], []
for n in sizes if len(sizes) <= 3 else (smallest, sizes[len(sizes) // 2], largest):
    for half in "AB":
        x = getattr(data[n], half.lower())
        rows_of_samples += [samples[n, half][:shown], x[copies[n, half][1][:shown]]]
        labels_of_samples += [f"N = {n:,}\nsample {half}", f"nearest\nin {half}"]
plots.image_grid(rows_of_samples, labels_of_samples)

# %% tags=["hide-input"]
for name, n in (("small", smallest), ("large", largest)):
    c_ab, c_nn = compare.estimate(np.median, rho_ab[n]), compare.estimate(np.median, copies[n, "A"][0])
    c_null = compare.estimate(np.median, null[n])
    say(f"c_ab_{name}", c_ab, ".2f")
    say(f"c_nn_{name}", c_nn, ".2f")
    say(f"c_null_{name}", c_null, ".2f")
    say(f"p_{name}", compare.share(rho_ab[n] > copies[n, "A"][0]), ".2f")
    strong = c_ab.value > c_nn.value and c_nn.value <= c_null.value + 0.03
    say(f"strong_{name}", "holds" if strong else "does not hold", "")
    n = max(n, min(s for s in sizes if s > 1))  # with one training image there is no second nearest
    say(f"n_mem_{name}", n, ",")
    say(f"f_mem_{name}", compare.share(compare.distance_ratio(samples[n, "A"], data[n].a) < 1 / 3), ".2f")
    say(f"f_null_{name}", compare.share(compare.distance_ratio(fresh, data[n].a) < 1 / 3), ".2f")
    say(f"f_ray_{name}", compare.share(compare.distance_ratio(samples[n, "A"], data[n].a, rays=True) < 1 / 3), ".2f")
    say(f"f_ray_null_{name}", compare.share(compare.distance_ratio(fresh, data[n].a, rays=True) < 1 / 3), ".2f")
say("seeds", len(seeds), "d")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-similarity", "caption": "**The solid dark histogram moves right with N, and the grey one falls back to its dashed null.** Centred cosine over sampling seeds: between the samples of A and B (solid, dark), between a sample of A and its nearest training image (grey), and, dashed, between a *held-out* face and its nearest training image: the nearness that chance alone gives."}, "image": {"alt": "Histograms of image similarity for each N. At the smallest N samples coincide with training images while A and B differ; at the largest N A and B agree more with each other than with any training image.", "classes": "dark-light"}}
figure, axes = plots.panels(len(sizes), height=1.6, sharex=True)
lowest = min(rho_ab[n].min().item() for n in sizes)
bins = np.arange(np.floor(20 * lowest) / 20, 1.0001, 0.05)
for ax, n in zip(axes, sizes, strict=True):
    plots.histogram(ax, null[n], bins, color=plots.INK, linestyle="--", linewidth=1, label="held-out face, nearest in A")
    plots.histogram(ax, copies[n, "A"][0], bins, color=plots.TRAINING, linewidth=1.6, label="sample of A, nearest in A")
    plots.histogram(ax, rho_ab[n], bins, color=plots.INK, linewidth=1.6, label="sample of A, sample of B")
    ax.set(title=f"N = {n:,}", xlabel="centred cosine", ylabel="share of seeds")
    ax.label_outer()
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% [markdown]
# Over {glue:text}`seeds` seeds, the median similarity between the two samples is {glue:text}`c_ab_small` at
# $N$ = {glue:text}`n_smallest` and {glue:text}`c_ab_large` at $N$ = {glue:text}`n_largest`. The median similarity of a
# sample to its nearest training image goes the other way, from {glue:text}`c_nn_small` to
# {glue:text}`c_nn_large`. That number means nothing without its null: a held-out face, which no network has seen, is
# similar to its nearest training image by {glue:text}`c_null_small` and {glue:text}`c_null_large`. The share of seeds
# for which B's sample is closer to A's than any training image of A goes from {glue:text}`p_small` to
# {glue:text}`p_large`. The share of A's samples that are copies (three times closer to one training image than to any
# other) goes from {glue:text}`f_mem_small` at $N$ = {glue:text}`n_mem_small` to {glue:text}`f_mem_large` at
# $N$ = {glue:text}`n_mem_large`; among held-out faces the same rule finds {glue:text}`f_null_small` and
# {glue:text}`f_null_large`. That rule misses copies in other tones, and those are what a bias-free network makes: it
# cannot tell an image from a brighter one, $f(ay) = a f(y)$, so it can only store rays. Measured by distance to the
# *rays* of the training images, the share of copies is {glue:text}`f_ray_small` and {glue:text}`f_ray_large`; among
# held-out faces {glue:text}`f_ray_null_small` and {glue:text}`f_ray_null_large`.
#
# We call it **strong generalization** when the samples of A and B are more similar to each other than to the training
# set, and no nearer to the training set than held-out images are (to within .03). At $N$ = {glue:text}`n_smallest` it
# {glue:text}`strong_small`; at $N$ = {glue:text}`n_largest` it {glue:text}`strong_large`.
#
# *What the paper says:* at $N = 10^5$ the two networks generate nearly the same image, and it is in neither training
# set (its Figure 2), after 250,000,000 images seen by each network. *What we find* are the numbers above, after
# {glue:text}`images_seen` images. *Why:* two networks that agree as denoisers have one score, hence one density, and
# the deterministic sampler maps the same noise through nearly the same function. All intervals here are over images or
# seeds for one pair of trainings; how much a second pair differs is not measured in this edition.
#
# ## On the way there
#
# The log of each training shows when memory begins: all networks improve together on new images at first, and the
# networks with few images then turn away from new images to their own.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-log", "caption": "**The test curve of a small set rises, then falls: it generalizes before it memorizes.** Output PSNR at input 20 dB (σ = 0.1) against images seen in training, one colour for each N, half A. Solid: training images; dotted: test images."}, "image": {"alt": "PSNR against images seen on a log axis. For the smallest N the training curve climbs while the test curve falls; for the largest N both climb together.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.8)
column = runs.LOG_SIGMAS.index(0.1)
for run in table:
    if run.half == "A":
        log, colour = runs.log(run), plots.shade(run.n, sizes)
        for kind, line in (("train", "-"), ("test", ":")):
            label = f"N = {run.n:,}" if kind == "train" else None
            axes.plot(log["images_seen"], np.array(log[kind])[:, column], line, color=colour, label=label)
axes.axhline(20, color=plots.FAINT)
axes.set(xlabel="images seen in training", ylabel="output PSNR (dB)", xscale="log")
plots.legend(axes)
plots.Picture(figure)

# %% tags=["hide-cell"]
# The landing page shows the two ends of the transition.
from IPython.display import HTML

blocks = [slice(0, 4), slice(len(rows_of_samples) - 4, None)]
ends = [k for block in blocks for k in range(*block.indices(len(rows_of_samples)))]
faces = plots.image_grid([rows_of_samples[k] for k in ends], [labels_of_samples[k] for k in ends])
alt = (
    f"Sampled faces. With {smallest} training images, samples of A and B differ and each equals a training image. "
    f"With {largest:,}, A and B draw the same new faces."
)
glue("faces", HTML(faces.html(alt)), display=False)
