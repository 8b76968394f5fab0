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
# **Claim.** Train a denoiser on $N$ images. For small $N$ it learns them by heart and is of no use on any other image.
# For large $N$ it denoises new images exactly as well as those it was trained on
# {cite:p}`kadkhodaie2024generalization`.
#
# **Experiment.** We take cartoon faces, keep some aside for testing, and train one network on the first $N$ of the
# others (half A, blue throughout this book) and one on the last $N$ (half B, orange). The two networks have the same
# architecture and recipe and differ in images, initial weights and training noise. This chapter asks whether a network does better on
# its training images than on new ones, how it compares with denoisers that are understood completely, and when in
# training it begins to remember. The [next chapter](03_two_networks_one_density.py) asks whether A and B are one function.

# %% tags=["parameters"]
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring, not for training

# %% tags=["hide-input"]
import itertools

import numpy as np
import torch

from ghr import compare, ledger, noise, plots, runs
from ghr.ledger import say
from ghr.references import EmpiricalDenoiser, GaussianDenoiser, ray_bound

table = runs.table(scale)
denoisers, data = runs.trained(table)  # from their checkpoints; what is missing is trained
sizes = sorted(data)
smallest, largest = sizes[0], sizes[-1]
held_out = data[largest].held_out
d = held_out[0].numel()


def enter(id, measured):
    """Hold a number against its target."""
    return ledger.enter(id, "avatars", scale, measured, "02")


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

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-denoised", "caption": "**Compare half A with half B, column by column.** Columns: a test face; the same with noise; what the networks make of it, titled by their N; last, the memorizing optimum, which knows the noise level and nothing but the largest training set. Rows: two noise levels, each for half A and half B. Do both halves give the same face, and is it the clean one?"}, "image": {"alt": "Grid of small grey face images. Rows are noise levels and halves; columns are the clean and noisy face, the answers of networks by N, and the memorizing optimum.", "classes": "dark-light"}}
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
titles = ["clean", "noisy"] + [f"{n:,}" for n in sizes] + ["memorizer"]
plots.image_grid(rows, labels, titles)

# %% [markdown]
# ## Does it do better on what it has seen?
#
# We measure the error as output PSNR, $-10 \log_{10} \mathrm{MSE}$ in dB, against the input PSNR,
# $-20 \log_{10} \sigma$. Low input PSNR (left in the figures) is much noise. PSNR is taken of the *mean* squared
# error over images, with 95% bootstrap intervals over images.
#
# Three references stand beside the networks. The **memorizing optimum** is the exact best denoiser if the training
# images were all there is,
#
# $$f(y) = \sum_i w_i\, x_i, \qquad w_i \propto p(y \mid x_i),$$ (eq-memorizer)
#
# where, to be as blind as the networks, $p(y \mid x_i)$ is integrated over the noise levels with the weight that
# training gives them. The **Wiener denoiser** is the exact best one if the images were Gaussian with the mean $m$ and
# covariance $C$ of the training images, and the best affine one on them,
#
# $$f(y) = m + C\,(C + \sigma^2 I)^{-1} (y - m);$$ (eq-wiener)
#
# it is told the noise level, which the networks are not. The **ray bound** is what a bias-free network can do with a
# single image: since $f(ay) = a f(y)$, it cannot know how bright the image is and must estimate that from $y$;
# projecting on the image's ray leaves $\sigma^2/d$ of the noise, so output PSNR is input PSNR $+ 10 \log_{10} d$. Little
# can be gained over that where the noise is small beside the image.

# %% tags=["hide-input"]
sigmas = noise.SIGMAS
input_psnr = -20 * np.log10(sigmas)
# 300 images; at the largest N, where gaps are small, all held-out images and as many training images
counts = {n: min(300, len(held_out)) for n in sizes} | {largest: len(held_out)}


def test_images(n):
    """Images that no network has seen."""
    return held_out[: counts[n]]


def training_images(n, half):
    """As many images of a training set as there are test images: small sets are repeated."""
    x = getattr(data[n], half.lower())
    return x[torch.arange(counts[n]) % len(x)]


def errors(denoiser, x):
    """Squared error of each image at each noise level."""
    return np.stack([noise.denoising_mse(denoiser, x, float(sigma), seed).numpy() for sigma in sigmas])


train_errors = {key: errors(denoiser, training_images(*key)) for key, denoiser in denoisers.items()}
test_errors = {key: errors(denoiser, test_images(key[0])) for key, denoiser in denoisers.items()}
memorizer_errors, wiener_errors = {}, {}
for run in table:
    if run.half == "A":
        blind = EmpiricalDenoiser(data[run.n].a, sigma_law=run.sigma_law, loss_weight=run.loss_weight)
        wiener = GaussianDenoiser(data[run.n].a, 1.0)
        wiener_errors[run.n] = np.stack(
            [noise.denoising_mse(wiener.at(float(s)), test_images(run.n), float(s), seed).numpy() for s in sigmas]
        )
        memorizer_errors[run.n] = {
            "train": errors(blind, training_images(run.n, "A")[:300]),
            "test": errors(blind, test_images(run.n)[:300]),
        }

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-psnr", "caption": "**Solid lines are training images, dotted lines are test images: they part when N is small and merge when it is large.** Output against input PSNR, one panel for each N; half A blue, half B orange, with 95% intervals. Dashed: the memorizing optimum of half A on its training images (upper) and on test images (lower). Green: the Wiener denoiser of half A on test images. Grey: the noisy input itself, and, dash-dotted, the ray bound. A dotted line below the grey diagonal means that the network adds error to a new image."}, "image": {"alt": "Panels of output PSNR against input PSNR. At the smallest N the training curves run far above the test curves, near the ray bound; the memorizing optimum on training images leaves the panel. At the largest N the four curves are close to each other.", "classes": "dark-light"}}
figure, axes = plots.panels(len(sizes), height=2.5, sharex=True)
for ax, n in zip(axes, sizes, strict=True):
    ax.plot(input_psnr, input_psnr, color=plots.FAINT, label="noisy input")
    ax.plot(input_psnr, ray_bound(input_psnr, d), color=plots.TRAINING, linestyle="-.", linewidth=1, label="ray bound")
    for name, e in memorizer_errors[n].items():
        with np.errstate(divide="ignore"):  # the memorizer's error on training images underflows to 0: it leaves the panel
            optimum = compare.psnr_of_mean(e)
        label = "memorizing optimum" if name == "train" else None
        ax.plot(input_psnr, optimum, color=plots.INK, linestyle="--", linewidth=1, label=label)
    wiener_curve = [compare.estimate(compare.psnr_of_mean, row) for row in wiener_errors[n]]
    plots.band(ax, input_psnr, wiener_curve, color=plots.WIENER, linewidth=1, label="Wiener, test")
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
        noise.denoising_mse(denoiser, test_images(n), sigma_21, seed),
    )
    for (n, half), denoiser in denoisers.items()
}


def mean_gap(*pairs, axis):
    """G(N): the gap averaged over the grid of noise levels."""
    k = len(pairs) // 2
    return np.mean([compare.psnr_gap(a, b, axis) for a, b in zip(pairs[:k], pairs[k:], strict=True)], axis=0)


overall = {key: compare.estimate(mean_gap, *train_errors[key], *test_errors[key]) for key in denoisers}
say("gaps", "; ".join(f"{gaps[n, 'A']:.2f} at N = {n:,}" for n in sizes))


def rise(*pairs, axis):
    """Largest rise of the gap from one N to the next: negative when it always falls."""
    curve = [compare.psnr_gap(a, b, axis) for a, b in zip(pairs[::2], pairs[1::2], strict=True)]
    return np.max([after - before for before, after in itertools.pairwise(curve)], axis=0)


def crossed(n, half):
    """The same training images, denoised by their own network and by that of the other half."""
    other = "B" if half == "A" else "A"
    x = training_images(n, half)
    pair = [noise.denoising_mse(denoisers[n, h], x, sigma_21, seed) for h in (half, other)]
    return compare.estimate(compare.psnr_gap, *pair)


def from_ray(*errors, axis):
    """Largest distance of a curve to the ray bound, dB."""
    curve = np.stack([compare.psnr_of_mean(e, axis) for e in errors])
    return np.abs(curve - ray_bound(middle, d).reshape(-1, *[1] * (curve.ndim - 1))).max(0)


def steepness(*errors, axis):
    """Least squares slope of output on input PSNR."""
    curve, x = np.stack([compare.psnr_of_mean(e, axis) for e in errors]), middle - middle.mean()
    return np.tensordot(x, curve, 1) / (x @ x)


middle = np.linspace(6, 27, 8)
if 1 in sizes:
    x = training_images(1, "A")
    along = [noise.denoising_mse(denoisers[1, "A"], x, 10 ** (-psnr / 20), seed) for psnr in middle.tolist()]
    ray, slope = (compare.estimate(s, *along) for s in (from_ray, steepness))
    ray, slope = enter("T1a", ray), enter("T1b", slope)
    say("one_image", f"With a single training image, its curve stays within {ray.measured:.1f} dB of the ray bound for "
        f"input 6 to 27 dB (target {ray.target}: {ray.verdict}) and has slope {slope.measured:.2f} "
        f"(target {slope.target}: {slope.verdict}).")
else:
    say("one_image", "")
smaller = {n: min((gaps[n, half] for half in "AB"), key=lambda e: e.value) for n in sizes}
if 10 in sizes:
    enter("T2a", smaller[10])
if 100 in sizes:
    enter("T2b", smaller[100])
from_100 = [n for n in sizes if n >= 100]
if len(from_100) > 1:
    ladder = [
        noise.denoising_mse(denoisers[n, "A"], x, sigma_21, seed)
        for n in from_100
        for x in (training_images(n, "A")[:300], test_images(n)[:300])
    ]
    enter("T3", compare.estimate(rise, *ladder))
enter("T4", max((overall[largest, half] for half in "AB"), key=lambda e: e.value))
for half in "AB":
    say(f"gap_small_{half}", gaps[smallest, half], ".1f")
    say(f"crossed_{half}", crossed(smallest, half), ".1f")
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
# half A's gap at input 21 dB is {glue:text}`gaps` dB. {glue:text}`one_image` (The training images of a small set are repeated with fresh noise
# to match the number of test images; the interval is then over noise, for this one set.) A small set may happen to hold
# easy images. The other half's network, which has not seen them, tells: on the same images the network that was trained
# on them is better by {glue:text}`crossed_A` dB (A's images) and {glue:text}`crossed_B` dB (B's).
#
# *What the paper says:* the same transition at 80 pixels with faces (its Figure 1): a large gap at small $N$, none at
# $N = 10^5$. *What we find* is {numref}`fig-gap`. *Why?* Repeating its training images is the optimum of a network's
# training loss, at every $N$; small sets are stored, large ones are not. Two reasons are at hand, and this experiment
# does not separate them: the network may have no room for a large set, or no time, since at equal images seen an image
# of the smallest set is seen {glue:text}`repeats_small` times and one of the largest {glue:text}`repeats_large` times.
#
# Having no gap does not yet mean that the network has learned the density: it could have learned *something else*
# that is equally good on both sets. The [next chapter](03_two_networks_one_density.py) is sharper.
#
# ## Is it only Wiener?
#
# A simple explanation would be that the network learns second moments: the mean and the covariance of the images, which
# two halves of a large set share. Then it would be the Wiener denoiser, an affine map, and nothing in it would depend on
# the image. We look at it in two ways: how much better is the network than Wiener on test images, and does it obey
# superposition? The second is a cosine between $f((y_1 + y_2)/\sqrt 2)$ and $(f(y_1) + f(y_2))/\sqrt 2$; it is 1 for
# a linear map {cite:p}`li2024understanding`. Wiener is affine rather than linear (its mean is not scaled), and at weak
# noise every good denoiser changes little and is near the identity; so Wiener's own cosine stands beside the network's.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-wiener", "caption": "**Above zero at the left, the network is better than any affine denoiser.** Left: how much better than Wiener the network of the largest N is on test images, both fitted to half A. Right: cosine between the answer to a mixture of two noisy images and the mixture of the two answers, for the network (blue) and for Wiener (green, dashed). Against input PSNR, with 95% intervals over images."}, "image": {"alt": "Left, the network's advantage over Wiener in dB against input PSNR. Right, the superposition cosines of network and Wiener against input PSNR.", "classes": "dark-light"}}
pairs = zip(test_errors[largest, "A"], wiener_errors[largest], strict=True)
advantage = [compare.estimate(compare.psnr_gap, f, w) for f, w in pairs]
wiener = GaussianDenoiser(data[largest].a, 1.0)
superposition, affine = [], []
for sigma in sigmas:
    y = noise.add_noise(held_out[:300], float(sigma), torch.Generator().manual_seed(seed))
    for f, cosines in ((denoisers[largest, "A"], superposition), (wiener.at(float(sigma)), affine)):
        cosines.append(compare.estimate(np.mean, compare.linearity(f, y)))
figure, (left, right) = plots.panels(2, columns=2, height=2.6)
plots.band(left, input_psnr, advantage, color=plots.HALF["A"])
left.axhline(0, color=plots.INK, linewidth=0.6)
left.set(xlabel="input PSNR (dB)", ylabel="network − Wiener (dB)")
plots.band(right, input_psnr, superposition, color=plots.HALF["A"], label="network")
plots.band(right, input_psnr, affine, color=plots.WIENER, linestyle="--", label="Wiener")
plots.legend(right)
right.set(xlabel="input PSNR (dB)", ylabel="superposition cosine")
plots.Picture(figure)

# %% tags=["hide-cell"]
best = max(range(len(sigmas)), key=lambda k: advantage[k].value)
say("advantage", advantage[best], ".1f")
say("advantage_at", input_psnr[best], ".0f")
lowest = min(range(len(sigmas)), key=lambda k: superposition[k].value)
say("superposition", superposition[lowest], ".4f")
say("affine", affine[lowest], ".4f")
say("superposition_at", input_psnr[lowest], ".0f")
say(
    "beyond_wiener",
    "What two networks share is therefore more than a mean and a covariance"
    if advantage[best].low > 0
    else "What two networks share could therefore be a mean and a covariance",
)
worse = [f"{psnr:.0f}" for psnr, e in zip(input_psnr, advantage, strict=True) if e.high < 0]
say("wiener_wins", f"at input {', '.join(worse)} dB Wiener is better" if worse else "at no noise level is Wiener better")

# %% [markdown]
# At $N$ = {glue:text}`n_largest` the network is up to {glue:text}`advantage` dB better than Wiener (at input
# {glue:text}`advantage_at` dB); {glue:text}`wiener_wins` (interval below zero). {glue:text}`beyond_wiener`. The
# superposition cosine says less: at its lowest, at input {glue:text}`superposition_at` dB, it is
# {glue:text}`superposition` for the network and {glue:text}`affine` for Wiener, since the brightness of an image, which
# any denoiser keeps, weighs most in it. What the network has beyond Wiener is the subject of the later chapters.
#
# ## When does it memorize?
#
# The log of each training shows when memory begins. Look for two things: how long all networks improve together on new
# images, and where the networks with few images turn away from new images to their own.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-log", "caption": "**Where the test curve of a small set turns down, it begins to memorize.** Output PSNR at input 20 dB (σ = 0.1, grey line) against images seen in training, one colour for each N, half A. Solid: training images; dotted: test images."}, "image": {"alt": "PSNR against images seen on a log axis. For the smallest N the training curve climbs while the test curve falls; for the largest N both climb together.", "classes": "dark-light"}}
column = runs.LOG_SIGMAS.index(0.1)
logs = {(run.n, run.half): runs.log(run) for run in table}
figure, (axes,) = plots.panels(1, height=2.8)
for n in sizes:
    for kind, line in (("train", "-"), ("test", ":")):
        label = f"N = {n:,}" if kind == "train" else None
        curve = np.array(logs[n, "A"][kind])[:, column]
        axes.plot(logs[n, "A"]["images_seen"], curve, line, color=plots.shade(n, sizes), label=label)
axes.axhline(20, color=plots.FAINT)
axes.set(xlabel="images seen in training", ylabel="output PSNR (dB)", xscale="log")
plots.legend(axes)
plots.Picture(figure)

# %% [markdown]
# Two times can be read off. The **time to generalize** is when the test PSNR first reaches one level, the same for all
# $N$: {glue:text}`level` dB, half a dB less than the best that the least successful network with $N > 1$ ever reaches.
# The **time to memorize** is when the training PSNR is 1 dB above the test PSNR for the first time. (A small set of easy
# images can begin with such a gap; then this time means nothing.) The log has one entry at each power of two of the
# steps, so both are known up to a factor of two. The last column is the share $f_{mem}$ of samples that are copies at the
# end of training (three times closer to one training image than to any other), where the log has it.

# %% tags=["hide-input"]
level = min(max(np.array(log["test"])[:, column]) for (n, _), log in logs.items() if n > 1) - 0.5
say("level", level, ".1f")
rows = []
for n in sizes:
    for half in "AB":
        log = logs[n, half]
        seen, train, test_psnr = (np.array(log[k]) for k in ("images_seen", "train", "test"))
        train, test_psnr = train[:, column], test_psnr[:, column]
        reached = np.flatnonzero(test_psnr >= level)
        generalized = f"{seen[reached[0]]:,}" if len(reached) else "never"
        apart = np.flatnonzero(train - test_psnr > 1)
        memorized = f"{seen[apart[0]]:,}" if len(apart) else "not yet"
        each = f"{seen[apart[0]] / n:,.0f}" if len(apart) else f"> {seen[-1] / n:,.0f}"
        copies = [c for c in log.get("copies", []) if c is not None]
        copied = f"{copies[-1]:.2f}" if copies else "not logged" if n > 1 else "-"
        rows.append((f"{n:,}", half, generalized, memorized, each, copied))
heads = ("N", "half", "images seen to generalize", "to memorize", "the same, per training image", "copies at the end")
ledger.Table("Time to generalize and time to memorize, by N", heads, rows)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-collapse", "caption": "**Does memory begin when each image has been seen equally often?** Training minus test PSNR at input 20 dB, half A, against the number of times that each training image has been seen. If memorizing took a fixed number of views of each image, the curves would lie on each other."}, "image": {"alt": "Gap between training and test PSNR against views of each image, one curve for each N; curves of larger N lie further left.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.6)
for n in sizes:
    gap = np.array(logs[n, "A"]["train"])[:, column] - np.array(logs[n, "A"]["test"])[:, column]
    axes.plot(np.array(logs[n, "A"]["images_seen"]) / n, gap, color=plots.shade(n, sizes), label=f"N = {n:,}")
axes.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
axes.set(xlabel="views of each training image", ylabel="training − test PSNR (dB)", xscale="log")
plots.legend(axes)
plots.Picture(figure)

# %% [markdown]
# *What others say:* {cite:t}`bonnaire2025why` find a time to generalize that does not depend on $N$ and a time to
# memorize that grows in proportion to it, so that the window between them opens as $N$ grows and early stopping keeps a
# network from memorizing. *What we find* is the table above: read the third column downwards for the first law and the
# fifth for the second. One pair of trainings for each $N$, a learning rate that falls to zero at the end, and a log with
# gaps of a factor of two: enough to see an order of magnitude, not to test an exponent.
