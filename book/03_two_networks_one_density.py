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
# **Claim.** For large $N$, two networks trained on sets that share no image compute the *same function*. So what they
# have learned does not depend on which images were drawn: it comes from the density that both sets were drawn from, and
# from what the networks have in common. Started from the same noise they generate the same image, and it is in neither
# training set {cite:p}`kadkhodaie2024generalization`.
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
from ghr.references import GaussianDenoiser

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
# It is 0 when both are one function, and 1 when their errors are equal in size and uncorrelated. Part of each error is
# the same for every denoiser, because the noise has destroyed what it would need; where noise is strong that part is
# large, and a small $V$ is easy.

# %% tags=["hide-input"]
measured, variances, discrepancies = {}, {}, {}
grid = np.unique([*noise.SIGMAS, 0.02, 1.0])  # with the limits of the integral below
for n in sizes:
    measured[n] = [compare.model_variance(denoisers[n, "A"], denoisers[n, "B"], test, float(s), seed) for s in grid]
    variances[n] = [compare.estimate(compare.variance_ratio, a, e) for a, e in measured[n]]
    per_image = compare.discrepancy(np.stack([a.numpy() for a, _ in measured[n]]), grid)
    discrepancies[n] = compare.estimate(np.mean, per_image)

inside = np.flatnonzero((grid >= 0.02) & (grid <= 1))


def largest_ratio(*pairs, axis):
    """Largest V over the noise levels between .02 and 1."""
    return np.max([compare.variance_ratio(a, e, axis) for a, e in zip(pairs[::2], pairs[1::2], strict=True)], axis=0)


worst = {}
for n in sizes:
    worst[n] = compare.estimate(largest_ratio, *(values for k in inside for values in measured[n][k]))
    if n in (smallest, largest):
        end = "small" if n == smallest else "large"
        say(f"variance_{end}", worst[n], ".2f")
        say(f"discrepancy_{end}", discrepancies[n], ".3f")
        say(f"variance_weak_{end}", variances[n][0], ".2f")
say("sigma_weak", grid[0], ".4f")
if 10 in sizes:
    enter("T9a", worst[10])
enter("T9b", worst[largest])

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-variance", "caption": "**The lower a curve, the more two networks that share no training image are one function.** Compare the order of the curves where noise is strong, left, and where it is weakest, right. Model variance between half A and half B on test images, against input PSNR, with 95% intervals over images. 0 is one function; 1 is two networks whose errors are equal in size and uncorrelated."}, "image": {"alt": "Model variance against input PSNR, one curve for each N.", "classes": "dark-light"}}
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
# levels with the weight that bounds a Kullback-Leibler divergence (a distance of densities, in nats),
# $\frac1d \int_{.02}^1 \mathbb{E}\|f_A - f_B\|^2 \sigma^{-3} d\sigma$, the truncated discrepancy of the two networks falls from
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
# probability-flow ODE of [chapter 1](01_denoising.py), Heun's method {cite:p}`karras2022elucidating`), so any difference
# between the two images comes from the networks. The start is drawn from $\mathcal{N}(m, C + I)$ with the mean and the
# covariance of held-out faces, the same law for all $N$ and both halves. Below each sample stands the training image that
# is most similar to it, by centred cosine: the cosine of two images after the mean of each was taken away, 1 for images
# that are equal up to brightness and contrast.

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

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-samples", "caption": "**Read each block from top to bottom: is the sample its nearest training image? Is A's sample B's?** Each column starts from one noise image, the same for all networks. Each block is one N: the sample of network A and the training image of A most similar to it, then the same for network B."}, "image": {"alt": "Grid of sampled faces in blocks by N, each sample above its nearest training image.", "classes": "dark-light"}}
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


def copied(images, n, half, rays=False):
    """Share of images that are three times closer to one training image than to any other."""
    return compare.share(compare.distance_ratio(images, getattr(data[n], half.lower()), rays) < 1 / 3)


def gaussian_sample(half):
    """The same walk with the Wiener denoiser of a half, in closed form: each coefficient shrinks by its own factor."""
    f = GaussianDenoiser(getattr(data[largest], half.lower()), 1.0)
    centred = start.flatten(1).double() - f.mean
    shrunk = centred @ f.axes * (f.variances / (f.variances + 1)).sqrt() @ f.axes.T
    return (f.mean + shrunk).float().view_as(start)


c_ab = {n: compare.estimate(np.median, rho_ab[n]) for n in sizes}
c_other = {n: compare.estimate(np.median, compare.rho(samples[n, "A"], samples[n, "B"].roll(1, 0))) for n in sizes}
c_nn = {key: compare.estimate(np.median, copies[key][0]) for key in denoisers}
c_null = {key: compare.estimate(np.median, null[key]) for key in denoisers}
excess = {key: compare.estimate(difference, copies[key][0], null[key]) for key in denoisers}
closer = {(n, half): compare.share(rho_ab[n] > copies[n, half][0]) for n, half in denoisers}
f_mem = {key: copied(samples[key], *key) for key in denoisers if key[0] > 1}  # one image has no second nearest
heads = ("N", "c_AB, same noise", "other noise", "V, largest", "K (nats per pixel)")
rows = [(f"{n:,}", *(f"{e[n]:.2f}" for e in (c_ab, c_other, worst)), f"{discrepancies[n]:.3f}") for n in sizes]
ledger.Table("Agreement of A and B, by N", heads, rows)

# %% tags=["hide-input"]
heads = ("N", "half", "c_NN", "c_null", "P(AB>NN)", "f_mem", "f_mem, rays")
rows = []
for n, half in denoisers:
    shares = [f"{f_mem[n, half]:.2f}", f"{copied(samples[n, half], n, half, rays=True):.2f}"] if n > 1 else ["-", "-"]
    rows.append((f"{n:,}", half, *(f"{e[n, half]:.2f}" for e in (c_nn, c_null, closer)), *shares))
ledger.Table("Nearness of samples to the training set, by N and half", heads, rows)

# %% tags=["hide-cell"]
def furthest_half(estimates, n, choose):
    """The half that is further from the target."""
    return choose((estimates[n, half] for half in "AB"), key=lambda e: e.value)


if 10 in sizes:
    enter("T5a", c_ab[10])
    enter("T6a", furthest_half(c_nn, 10, min))
    enter("T7a", furthest_half(closer, 10, max))
    enter("T8a", furthest_half(f_mem, 10, min))
enter("T5b", c_ab[largest])
enter("T6b", furthest_half(excess, largest, max))
enter("T7b", furthest_half(closer, largest, min))
enter("T8b", furthest_half(f_mem, largest, max))
false_positives = copied(held_out, largest, "A")
enter("T8c", false_positives)
say("false_positives", false_positives, ".3f")
moved = {}
for half in "AB":
    x = getattr(data[largest], half.lower())
    near = [compare.nearest(y, x, shifts=3, flips=True)[0] for y in (samples[largest, half], fresh)]
    moved[largest, half] = compare.estimate(difference, *near)
    if half == "A":
        say("moved", compare.estimate(np.median, near[0]), ".2f")
        say("moved_null", compare.estimate(np.median, near[1]), ".2f")
enter("T6c", furthest_half(moved, largest, max))
for end, n in (("small", smallest), ("large", largest)):
    say(f"c_ab_{end}", c_ab[n], ".2f")
    say(f"c_nn_{end}", c_nn[n, "A"], ".2f")
    say(f"c_null_{end}", c_null[n, "A"], ".2f")
    say(f"p_{end}", closer[n, "A"], ".2f")
    apart = [compare.estimate(difference, rho_ab[n], copies[n, half][0]) for half in "AB"]
    near = [excess[n, half] for half in "AB"]
    if all(e.low > 0 for e in apart) and all(e.high <= 0.03 for e in near):
        strong = "holds for both halves"
    elif any(e.high < 0 for e in apart) or any(e.low > 0.03 for e in near):
        strong = "does not hold"
    else:
        strong = "is undecided"
    say(f"strong_{end}", strong)
say("c_other_large", c_other[largest], ".2f")
say("c_gauss", compare.estimate(np.median, compare.rho(gaussian_sample("A"), gaussian_sample("B"))), ".3f")
say("seeds", len(seeds), "d")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-similarity", "caption": "**Follow two histograms down the panels: the solid dark one (A against B) and the grey one (sample against training set) with its dashed null.** Centred cosine over sampling seeds: between the samples of A and B (solid, dark), between a sample of A and its nearest training image (grey), and, dashed, between a *held-out* face and its nearest training image: the nearness that chance alone gives."}, "image": {"alt": "Three histograms of image similarity for each N: A against B, sample against nearest training image, held-out face against nearest training image.", "classes": "dark-light"}}
figure, axes = plots.panels(len(sizes), height=1.6, sharex=True)
lowest = min(x.min().item() for n in sizes for x in (rho_ab[n], copies[n, "A"][0], null[n, "A"]))
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
# The tables and {numref}`fig-similarity` say the same. Over {glue:text}`seeds` seeds, the median similarity between the
# two samples, $c_{AB}$, is {glue:text}`c_ab_small` at $N$ = {glue:text}`n_smallest` and {glue:text}`c_ab_large` at
# $N$ = {glue:text}`n_largest` (numbers in brackets are 95% intervals). The median similarity of a sample to its nearest
# training image, $c_{NN}$, goes the other way, from {glue:text}`c_nn_small` to {glue:text}`c_nn_large`. That number means
# nothing without its null $c_{null}$: a held-out face, which no network has seen, is similar to its nearest training
# image by {glue:text}`c_null_small` and {glue:text}`c_null_large`. The share of seeds for which B's sample is closer to
# A's than any training image of A, P(AB>NN), goes from {glue:text}`p_small` to {glue:text}`p_large`. (All for half A; the
# second table has both.)
#
# $c_{AB}$ needs its controls too. From *different* noise, A and B agree to {glue:text}`c_other_large` at the largest $N$:
# so much is common to all faces. And agreement alone is cheap: two Wiener denoisers of the same halves, started from
# the same noise, agree to {glue:text}`c_gauss`, because two large sets have nearly the same mean and covariance. So $c_{AB}$
# has to be read together with how well the networks denoise new images, beside Wiener
# ([chapter 2](02_memorization_to_generalization.py)).
#
# A mirror image of a training image would be a copy, and so would one shifted by a pixel. With mirror images and shifts
# up to three pixels allowed, the similarity to the nearest training image at $N$ = {glue:text}`n_largest` is
# {glue:text}`moved`; that of held-out faces rises as well, to {glue:text}`moved_null`.
#
# The share of copies, $f_{mem}$, counts samples that are three times closer to one training image than to
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
# their noise, $f_A(y_A)$ and $f_B(y_B)$. One would think that both begin with little more than a mean face, and that two
# networks part when features appear.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-part", "caption": "**Read from left, much noise, to right: where does each pair of networks part?** Similarity of the denoised images of A and B along the way from the same noise, against the noise level as input PSNR. Lines: medians over seeds; bands: the middle half of the seeds, which is a spread and not an interval."}, "image": {"alt": "Similarity of the two walks against input PSNR, one curve for each N.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.8)
for n in sizes:
    x = [-20 * np.log10(sigma) for sigma, _ in on_the_way[n]]
    low, median, high = np.quantile(np.stack([rho.numpy() for _, rho in on_the_way[n]]), [0.25, 0.5, 0.75], axis=1)
    spread = [compare.Estimate(*three) for three in zip(median, low, high, strict=True)]
    plots.band(axes, x, spread, color=plots.shade(n, sizes), label=f"N = {n:,}")
axes.set(xlabel="input PSNR (dB)", ylabel="similarity of A's and B's denoised images")
plots.legend(axes)
plots.Picture(figure)

# %% tags=["hide-cell"]
for end, n in (("small", smallest), ("large", largest)):
    for moment, k in (("first", 0), ("last", -1)):
        say(f"{moment}_{end}", compare.estimate(np.median, on_the_way[n][k][1]), ".2f")
say("first_sigma", on_the_way[largest][0][0], ".2f")

# %% [markdown]
# After the first step, at $\sigma$ = {glue:text}`first_sigma`, the median similarity is {glue:text}`first_small` at
# $N$ = {glue:text}`n_smallest` and {glue:text}`first_large` at $N$ = {glue:text}`n_largest`; at the end it is
# {glue:text}`last_small` and {glue:text}`last_large`. Compare the first number with the last of the same $N$: what
# changes between them happened on the way, and the rest was decided by what each network sees in much noise.
#
# ## Are the samples any good?
#
# Two networks could agree on poor images. We hold the samples of the largest $N$ against held-out faces in three ways:
# the energy of their gradients, which falls when images are blurred; their power spectrum in rings of frequency; and the
# maximum mean discrepancy, a distance of two sets of images that sees more than means, over that of two sets of held-out
# images. (Even two sets of one law differ a little, because they are finite. A ratio of 2 is a difference as large as
# that, on top of it.)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-faces", "caption": "**Could you tell them apart?** Upper rows: samples of network A at the largest N, the first seeds, none left out. Lower rows: held-out faces, the first ones."}, "image": {"alt": "Rows of sampled faces above as many rows of held-out faces.", "classes": "dark-light"}}
lines = [samples[largest, "A"][k : k + 8] for k in range(0, min(32, len(seeds)), 8)]
lines += [fresh[k : k + 8] for k in range(0, min(32, len(seeds)), 8)]
plots.image_grid(lines, ["samples"] + [""] * (len(lines) // 2 - 1) + ["held out"] + [""] * (len(lines) // 2 - 1))

# %% tags=["hide-input"]
def ratio(a, b, axis):
    """Ratio of two means."""
    return np.mean(a, axis) / np.mean(b, axis)


# one value for each seed, the mean of A's and B's: two samples of one seed are not two samples
pair = [samples[largest, half] for half in "AB"]
energies = sum(compare.gradient_energy(x) for x in pair) / 2
energy = compare.estimate(ratio, energies, compare.gradient_energy(held_out), paired=False)
spectra = [(sum(compare.spectrum(x) for x in pair) / 2).numpy().T, compare.spectrum(held_out).numpy().T]


def decibels(a, b, axis):
    """Ratio of two mean powers, dB."""
    return 10 * np.log10(ratio(a, b, axis))


def furthest(*bands, axis):
    """Largest deviation of a band's power, dB."""
    k = len(bands) // 2
    return np.max([np.abs(decibels(a, b, axis)) for a, b in zip(bands[:k], bands[k:], strict=True)], axis=0)


bands = [compare.estimate(decibels, a, b, paired=False) for a, b in zip(*spectra, strict=True)]
deviation = compare.estimate(furthest, *spectra[0], *spectra[1], paired=False)
# random halves of the samples, each against as many held-out faces, and these against as many others: the interval
# holds what samples and held-out faces vary by; it is wide, since a half varies more than the whole
rng, half_size = np.random.default_rng(0), len(seeds) // 2
bandwidth = torch.nn.functional.pdist(torch.nn.functional.avg_pool2d(held_out[:256], 2).flatten(1)).median().item()
draws = {"samples": [], "held out": []}
for _ in range(200):
    faces = held_out[rng.permutation(len(held_out))[: 2 * half_size]]
    some = pair[rng.integers(2)][rng.permutation(len(seeds))[:half_size]]
    for name, x in (("samples", some), ("held out", faces[half_size:])):
        draws[name].append(compare.mmd(x, faces[:half_size], bandwidth, biased=True))
ratios = np.array(draws["samples"]) / np.mean(draws["held out"])
discrepancy_ratio = compare.Estimate(ratios.mean(), *np.quantile(ratios, [0.025, 0.975]))
say("energy", energy, ".2f")
say("deviation", deviation, ".1f")
say("mmd", discrepancy_ratio, ".2f")
for name, id, number in (("energy", "T23a", energy), ("deviation", "T23b", deviation), ("mmd", "T23c", discrepancy_ratio)):
    entry = enter(id, number)
    say(f"{name}_verdict", f"target {entry.target}: {entry.verdict}")
limit = ledger.bounds("T23b", "avatars", scale)[1]

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-spectrum", "caption": "**Above zero the samples have more power than real faces, below zero less.** Power of samples of the largest N over that of held-out faces, in rings of frequency up to one cycle in two pixels, with 95% intervals over images; dotted: the target's limits."}, "image": {"alt": "Power ratio in decibels for eight rings of frequency, with intervals.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.4)
frequency = (np.arange(len(bands)) + 0.5) / (2 * len(bands))
plots.band(axes, frequency, bands, color=plots.HALF["A"], marker="o")
axes.axhline(0, color=plots.INK, linewidth=0.6)
for level in (-limit, limit):
    axes.axhline(level, color=plots.INK, linewidth=0.8, linestyle=":")
axes.set(xlabel="frequency (cycles per pixel)", ylabel="samples / held out (dB)")
plots.Picture(figure)

# %% [markdown]
# The samples have {glue:text}`energy` times the gradient energy of held-out faces ({glue:text}`energy_verdict`), their
# spectrum deviates by up to {glue:text}`deviation` dB ({glue:text}`deviation_verdict`), and their discrepancy is
# {glue:text}`mmd` times that of two held-out sets ({glue:text}`mmd_verdict`). Numbers of this kind are easy to pass with faces that nobody would take for real:
# look at {numref}`fig-faces`.
#
# *What the paper says:* at $N = 10^5$ the two networks generate nearly the same image, and it is in neither training
# set (its Figure 2), after 250,000,000 images seen by each network. *What we find* are the numbers above, after
# {glue:text}`images_seen` images. *Why:* the sampler maps the same noise through two functions that are nearly one. If
# both were exact scores, they would be scores of one density; they are not exact, and they were compared on noisy faces
# only. All intervals here are over images or seeds for one pair of trainings; how much a second pair differs is not
# measured in this edition.

# %% tags=["hide-cell"]
# The landing page shows the two ends of the transition.
from IPython.display import HTML
from myst_nb import glue

blocks = [slice(0, 4), slice(len(rows_of_samples) - 4, None)]
ends = [k for block in blocks for k in range(*block.indices(len(rows_of_samples)))]
faces = plots.image_grid([rows_of_samples[k] for k in ends], [labels_of_samples[k] for k in ends])
alt = (
    f"Sampled faces, each above its nearest training image: of networks A and B with {smallest} training images, "
    f"and with {largest:,}."
)
glue("faces", HTML(faces.html(alt)), display=False)
