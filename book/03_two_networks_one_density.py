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
# # Two networks, one density
#
# **Claim.** For large $N$, two networks trained on sets that share no image compute the *same function*, so what they
# have learned can only come from the density that both sets were drawn from. Started from the same noise they generate
# the same image, and it is in neither training set {cite:p}`kadkhodaie2024generalization`.
#
# **Experiment.** The networks are those of the [last chapter](02_memorization_to_generalization.py): half A (blue) and
# half B (orange), trained on the first and the last $N$ faces of a pool, with other initial weights and other noise. We
# give both the same noisy images and compare their answers; we let both draw from the same noise and compare the images,
# with each other and with both training sets.

# %% tags=["parameters"]
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring and sampling, not for training

# %% tags=["hide-input"]
import numpy as np
import torch

from ghr import compare, ledger, noise, plots, runs, sampling
from ghr.ledger import say

table = runs.table(scale)
denoisers, data = runs.trained(table)  # from their checkpoints; what is missing is trained
sizes = sorted(data)
smallest, largest = sizes[0], sizes[-1]
held_out = data[largest].held_out
test = held_out[:300]


def enter(id, measured):
    """Hold a number against its target."""
    return ledger.enter(id, "avatars", scale, measured, "03")


for name, value in {"n_smallest": smallest, "n_largest": largest, "images_seen": table[0].images_seen}.items():
    say(name, value, ",")

# %% [markdown]
# ## Do two networks compute the same function?
#
# Give both networks the same noisy test image and compare their answers. The **model variance** is
#
# $$V(\sigma) = \frac{\mathbb{E}\,\|f_A(y) - f_B(y)\|^2}{2\, \mathbb{E}\,\|f_A(y) - x\|^2}.$$ (eq-variance)
#
# It is 0 when both are one function, and 1 when their errors are independent.

# %% tags=["hide-input"]
variances, discrepancies = {}, {}
grid = np.unique([*noise.SIGMAS, 0.02, 1.0])  # with the limits of the integral below
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
if 10 in sizes:
    enter("T9a", max((v for v, i in zip(variances[10], inside, strict=True) if i), key=lambda v: v.value))
worst = max((v for v, i in zip(variances[largest], inside, strict=True) if i), key=lambda v: v.value)
say("T9b", enter("T9b", worst).verdict)

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
samples, on_the_way = {}, {}
for n in sizes:
    walks = zip(*(sampling.sample(denoisers[n, half], start) for half in "AB"), strict=True)
    on_the_way[n] = []  # noise level, and similarity of what A and B see in their noise at that moment
    for at_a, at_b in walks:
        on_the_way[n].append((at_a.sigma[0].item(), compare.rho(at_a.x_hat, at_b.x_hat)))
    samples[n, "A"], samples[n, "B"] = at_a.x_hat, at_b.x_hat
copies = {key: compare.nearest(samples[key], getattr(data[key[0]], key[1].lower())) for key in denoisers}
fresh = held_out[: len(seeds)]
null = {key: compare.nearest(fresh, getattr(data[key[0]], key[1].lower()))[0] for key in denoisers}
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
def difference(a, b, axis):
    """Difference of two medians."""
    return np.median(a, axis) - np.median(b, axis)


def both(n, statistic):
    """A statistic of each half's samples, A's first, B's behind."""
    return torch.cat([statistic(half, getattr(data[n], half.lower())) for half in "AB"])


def is_copy(images, training, rays=False):
    """Three times closer to one training image than to any other."""
    return compare.distance_ratio(images, training, rays) < 1 / 3


rows, c_ab, p_closer, f_mem = [], {}, {}, {}
for n in sizes:
    c_ab[n] = compare.estimate(np.median, rho_ab[n])
    c_nn, c_null = compare.estimate(np.median, copies[n, "A"][0]), compare.estimate(np.median, null[n, "A"])
    p_closer[n] = compare.share(rho_ab[n] > copies[n, "A"][0])
    copied = rays = "-"
    if n > 1:  # with one training image there is no second nearest
        f_mem[n] = compare.share(both(n, lambda half, x, n=n: is_copy(samples[n, half], x)))
        copied = f"{f_mem[n]:.2f}"
        rays = f"{compare.share(both(n, lambda half, x, n=n: is_copy(samples[n, half], x, rays=True))):.2f}"
    rows.append((f"{n:,}", *(f"{e:.2f}" for e in (c_ab[n], c_nn, c_null, p_closer[n])), copied, rays))
    strong = c_ab[n].value > c_nn.value and c_nn.value <= c_null.value + 0.03
    if n in (smallest, largest):
        end = "small" if n == smallest else "large"
        say(f"c_ab_{end}", c_ab[n], ".2f")
        say(f"c_nn_{end}", c_nn, ".2f")
        say(f"c_null_{end}", c_null, ".2f")
        say(f"p_{end}", p_closer[n], ".2f")
        say(f"strong_{end}", "holds" if strong else "does not hold")
say("seeds", len(seeds), "d")
heads = ("N", "c_AB", "c_NN", "c_null", "P(AB>NN)", "f_mem", "f_mem, rays")
ledger.Table("Similarity of samples, by N", heads, rows)

# %% tags=["hide-cell"]
if 10 in sizes:
    enter("T5a", c_ab[10])
    enter("T6a", compare.estimate(np.median, copies[10, "A"][0]))
    enter("T7a", p_closer[10])
    enter("T8a", f_mem[10])
enter("T5b", c_ab[largest])
enter("T7b", p_closer[largest])
enter("T8b", f_mem[largest])
false_positives = compare.share(is_copy(held_out, data[largest].a))
enter("T8c", false_positives)
say("false_positives", false_positives, ".3f")
enter("T6b", compare.estimate(difference, copies[largest, "A"][0], null[largest, "A"]))
moved = [compare.nearest(x, data[largest].a, shifts=3, flips=True)[0] for x in (samples[largest, "A"], fresh)]
excess = enter("T6c", compare.estimate(difference, *moved))
say("moved", compare.estimate(np.median, moved[0]), ".2f")
say("moved_null", compare.estimate(np.median, moved[1]), ".2f")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-similarity", "caption": "**The solid dark histogram moves right with N, and the grey one falls back to its dashed null.** Centred cosine over sampling seeds: between the samples of A and B (solid, dark), between a sample of A and its nearest training image (grey), and, dashed, between a *held-out* face and its nearest training image: the nearness that chance alone gives."}, "image": {"alt": "Histograms of image similarity for each N. At the smallest N samples coincide with training images while A and B differ; at the largest N A and B agree more with each other than with any training image.", "classes": "dark-light"}}
figure, axes = plots.panels(len(sizes), height=1.6, sharex=True)
lowest = min(rho_ab[n].min().item() for n in sizes)
bins = np.arange(np.floor(20 * lowest) / 20, 1.0001, 0.05)
for ax, n in zip(axes, sizes, strict=True):
    plots.histogram(ax, null[n, "A"], bins, color=plots.INK, linestyle="--", linewidth=1, label="held-out face, nearest in A")
    plots.histogram(ax, copies[n, "A"][0], bins, color=plots.TRAINING, linewidth=1.6, label="sample of A, nearest in A")
    plots.histogram(ax, rho_ab[n], bins, color=plots.INK, linewidth=1.6, label="sample of A, sample of B")
    ax.set(title=f"N = {n:,}", xlabel="centred cosine", ylabel="share of seeds")
    ax.label_outer()
plots.legend(figure, ncols=2)
plots.Picture(figure)

# %% [markdown]
# The table and {numref}`fig-similarity` say the same. Over {glue:text}`seeds` seeds, the median similarity between the
# two samples, $c_{AB}$, is {glue:text}`c_ab_small` at $N$ = {glue:text}`n_smallest` and {glue:text}`c_ab_large` at
# $N$ = {glue:text}`n_largest` (numbers in brackets are 95% intervals). The median similarity of a sample to its nearest
# training image, $c_{NN}$, goes the other way, from {glue:text}`c_nn_small` to {glue:text}`c_nn_large`. That number means
# nothing without its null $c_{null}$: a held-out face, which no network has seen, is similar to its nearest training
# image by {glue:text}`c_null_small` and {glue:text}`c_null_large`. The share of seeds for which B's sample is closer to
# A's than any training image of A, P(AB>NN), goes from {glue:text}`p_small` to {glue:text}`p_large`.
#
# A mirror image of a training image would be a copy, and so would one shifted by a pixel. With mirror images and shifts
# up to three pixels allowed, the similarity to the nearest training image at $N$ = {glue:text}`n_largest` is
# {glue:text}`moved`; that of held-out faces rises as well, to {glue:text}`moved_null`.
#
# The share of copies, $f_{mem}$, counts samples of either half that are three times closer to one training image than to
# any other {cite:p}`yoon2023diffusion`. Among held-out faces the same rule finds a share of
# {glue:text}`false_positives` at the largest $N$. It misses copies in other tones, and those are what a bias-free network
# makes: it cannot tell an image from a brighter one, $f(ay) = a f(y)$, so it can only store rays. The last column
# therefore measures distances to the *rays* of the training images.
#
# We call it **strong generalization** when the samples of A and B are more similar to each other than to the training
# set, and no nearer to the training set than held-out images are (to within .03). At $N$ = {glue:text}`n_smallest` it
# {glue:text}`strong_small`; at $N$ = {glue:text}`n_largest` it {glue:text}`strong_large`.
#
# ## Where do they part?
#
# Both walks start at the same noise. At each noise level $\sigma$ on the way we compare what the two networks see in
# their noise, $f_A(y_A)$ and $f_B(y_B)$. At first both see little more than a mean face; then features appear, and here
# two networks can choose different ones.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-part", "caption": "**Read from left, much noise, to right: networks of small N part early, those of the largest N stay together to the end.** Similarity of the denoised images of A and B along the way from the same noise, against the noise level as input PSNR. Lines: medians over seeds; bands: the middle half of the seeds, which is a spread and not an interval."}, "image": {"alt": "Similarity of the two walks against input PSNR, one curve for each N. Small N falls away from one early; the largest N stays near one.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.8)
for n in sizes:
    x = [-20 * np.log10(sigma) for sigma, _ in on_the_way[n]]
    low, median, high = np.quantile(np.stack([rho.numpy() for _, rho in on_the_way[n]]), [0.25, 0.5, 0.75], axis=1)
    spread = [compare.Estimate(*three) for three in zip(median, low, high, strict=True)]
    plots.band(axes, x, spread, color=plots.shade(n, sizes), label=f"N = {n:,}")
axes.set(xlabel="input PSNR (dB)", ylabel="similarity of A's and B's denoised images")
plots.legend(axes)
plots.Picture(figure)

# %% [markdown]
# ## Are the samples any good?
#
# Two networks could agree on poor images. We hold the samples of the largest $N$ against held-out faces in three ways:
# the energy of their gradients, which falls when images are blurred; their power spectrum in rings of frequency; and the
# maximum mean discrepancy of the two sets of images, over that of two sets of held-out images.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-faces", "caption": "**Could you tell them apart?** Upper rows: samples of network A at the largest N, the first seeds, none left out. Lower rows: held-out faces, the first ones."}, "image": {"alt": "Four rows of sampled faces above four rows of held-out faces.", "classes": "dark-light"}}
lines = [samples[largest, "A"][k : k + 8] for k in range(0, min(32, len(seeds)), 8)]
lines += [fresh[k : k + 8] for k in range(0, min(32, len(seeds)), 8)]
plots.image_grid(lines, ["samples"] + [""] * (len(lines) // 2 - 1) + ["held out"] + [""] * (len(lines) // 2 - 1))

# %% tags=["hide-input"]
def ratio(a, b, axis):
    """Ratio of two means."""
    return np.mean(a, axis) / np.mean(b, axis)


drawn = torch.cat([samples[largest, half] for half in "AB"])
reference = held_out[torch.arange(len(drawn)) % len(held_out)]
energy = compare.estimate(ratio, compare.gradient_energy(drawn), compare.gradient_energy(reference))
spectra = [compare.spectrum(x).numpy() for x in (drawn, reference)]
bands = [
    compare.estimate(lambda a, b, axis: 10 * np.log10(ratio(a, b, axis)), a, b)
    for a, b in zip(*(s.T for s in spectra), strict=True)
]


def furthest(*bands, axis):
    """Largest deviation of a band's power, dB."""
    k = len(bands) // 2
    deviations = [10 * np.log10(ratio(a, b, axis)) for a, b in zip(bands[:k], bands[k:], strict=True)]
    return np.max(np.abs(deviations), axis=0)


deviation = compare.estimate(furthest, *spectra[0].T, *spectra[1].T)
# as many disjoint sets of held-out faces as there are: each against samples, and against the next one
size_of_set = min(len(seeds), len(held_out) // 4)
sets = held_out[: len(held_out) // size_of_set * size_of_set].split(size_of_set)
against_samples, against_next = [], []
for k, x in enumerate(sets):
    drawn_set = samples[largest, "AB"[k % 2]][:size_of_set]
    against_samples.append(compare.mmd(drawn_set, x, biased=True))
    against_next.append(compare.mmd(sets[(k + 1) % len(sets)], x, biased=True))
discrepancy_ratio = compare.estimate(ratio, np.array(against_samples), np.array(against_next))
say("energy", energy, ".2f")
say("deviation", deviation, ".1f")
say("mmd", discrepancy_ratio, ".2f")
say("energy_verdict", enter("T23a", energy).verdict)
say("deviation_verdict", enter("T23b", deviation).verdict)
say("mmd_verdict", enter("T23c", discrepancy_ratio).verdict)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-spectrum", "caption": "**Above zero the samples have more power than real faces, below zero less.** Power of samples of the largest N over that of held-out faces, in rings of frequency up to one cycle in two pixels, with 95% intervals over images; dotted: ±1.5 dB."}, "image": {"alt": "Power ratio in decibels for eight rings of frequency, with intervals.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.4)
frequency = (np.arange(len(bands)) + 0.5) / (2 * len(bands))
plots.band(axes, frequency, bands, color=plots.HALF["A"], marker="o")
axes.axhline(0, color=plots.INK, linewidth=0.6)
for level in (-1.5, 1.5):
    axes.axhline(level, color=plots.INK, linewidth=0.8, linestyle=":")
axes.set(xlabel="frequency (cycles per pixel)", ylabel="samples / held out (dB)")
plots.Picture(figure)

# %% [markdown]
# The samples have {glue:text}`energy` times the gradient energy of held-out faces (wanted: .85 to 1.15,
# {glue:text}`energy_verdict`), their spectrum deviates by up to {glue:text}`deviation` dB (wanted: at most 1.5,
# {glue:text}`deviation_verdict`), and their discrepancy is {glue:text}`mmd` times that of two held-out sets (wanted: at
# most 2, {glue:text}`mmd_verdict`). Numbers of this kind are easy to pass with faces that nobody would take for real:
# look at {numref}`fig-faces`.
#
# *What the paper says:* at $N = 10^5$ the two networks generate nearly the same image, and it is in neither training
# set (its Figure 2), after 250,000,000 images seen by each network. *What we find* are the numbers above, after
# {glue:text}`images_seen` images. *Why:* two networks that agree as denoisers have one score, hence one density, and
# the deterministic sampler maps the same noise through nearly the same function. All intervals here are over images or
# seeds for one pair of trainings; how much a second pair differs is not measured in this edition.

# %% tags=["hide-cell"]
# The landing page shows the two ends of the transition.
from IPython.display import HTML
from myst_nb import glue

blocks = [slice(0, 4), slice(len(rows_of_samples) - 4, None)]
ends = [k for block in blocks for k in range(*block.indices(len(rows_of_samples)))]
faces = plots.image_grid([rows_of_samples[k] for k in ends], [labels_of_samples[k] for k in ends])
alt = (
    f"Sampled faces. With {smallest} training images, samples of A and B differ and each equals a training image. "
    f"With {largest:,}, A and B draw the same new faces."
)
glue("faces", HTML(faces.html(alt)), display=False)
