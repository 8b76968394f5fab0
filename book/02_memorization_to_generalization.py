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
# # From memorization to generalization
#
# **Claim.** Train a denoiser on $N$ images. For small $N$ it learns them by heart and is of no use on any other image.
# For large $N$ it denoises new images exactly as well as those it was trained on
# {cite:p}`kadkhodaie2024generalization`.
#
# **Experiment.** We take cartoon faces, keep some aside for testing, and train one network on the first $N$ of the
# others (half A, blue throughout this book) and one on the last $N$ (half B, orange). The two networks have the same
# architecture and recipe and differ in images, initial weights and training noise. Then we do the same with patches of
# photographs. This chapter asks whether a network does better on its training images than on new ones, how it compares
# with denoisers that are understood completely, and when in training it begins to remember. The
# [next chapter](03_two_networks_one_density.py) asks whether A and B are one function.

# %% tags=["parameters"]
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring, not for training

# %% tags=["hide-input"]
import numpy as np
import torch

from ghr import noise, runs, similarity, stats
from ghr.book import ledger, plots
from ghr.book.ledger import say
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.measure import agreement
from ghr.references import BlindEmpiricalDenoiser, EmpiricalDenoiser, WienerDenoiser, ray_bound

faces, patches = runs.study(scale, "avatars"), runs.study(scale, "photographs")
d = faces.held_out[0].numel()


def enter(s, id, measured):
    """Hold a number against its target."""
    return ledger.enter(id, s.images, scale, measured, "02")


for s, prefix in ((faces, ""), (patches, "photographs_")):
    say(f"{prefix}n_smallest", s.few, ",")
    say(f"{prefix}n_largest", s.sizes[-1], ",")
    say(f"{prefix}held_out", len(s.held_out), ",")
run = faces.table[0]
say("d", d, ",")
say("images_seen", run.images_seen, ",")
say("repeats_small", run.images_seen / faces.few, ",.0f")
say("repeats_large", run.images_seen / faces.sizes[-1], ",.0f")
say("parameters", sum(p.numel() for p in faces.denoisers[faces.sizes[0], "A"].parameters()), ",")
say("side", run.size, "d")
say("width", run.width, "d")

# %% [markdown]
# Every network of this chapter is the paper's bias-free UNet at width {glue:text}`width` on {glue:text}`side`-pixel images
# ({glue:text}`parameters` parameters; the paper: 7,659,264 at 80 pixels). It is never told the noise level.
# Whatever $N$ is, it sees {glue:text}`images_seen` noisy images, so that a small set is not punished by a short
# training. The {glue:text}`held_out` test faces belong to neither half.
#
# ## What the networks do to a face
#
# We start with one test image, add noise of standard deviation $\sigma$, and look.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-denoised", "caption": "**Compare half A with half B, column by column.** Columns: a test face; the same with noise; what the networks make of it, titled by their N; last, the memorizing optimum, which knows the noise level and nothing but the largest training set. Rows: two noise levels, each for half A and half B. Do both halves give the same face, and is it the clean one?"}, "image": {"alt": "Grid of small grey face images. Rows are noise levels and halves; columns are the clean and noisy face, the answers of networks by N, and the memorizing optimum.", "classes": "dark-light"}}
levels = (0.2, 0.5)
face = faces.held_out[1:2]
rows, labels = [], []
for sigma in levels:
    y = noise.add_noise(face, sigma, torch.Generator().manual_seed(seed))
    for half in "AB":
        memorizer = EmpiricalDenoiser(getattr(faces.data[faces.sizes[-1]], half.lower()))
        with torch.no_grad():
            answers = [faces.denoisers[n, half](y) for n in faces.sizes] + [memorizer(y, sigma)]
        rows.append(torch.cat([face, y, *answers]))
        labels.append(f"σ = {sigma}\nhalf {half}")
plots.image_grid(rows, labels, ["clean", "noisy"] + [f"{n:,}" for n in faces.sizes] + ["memory"])

# %% [markdown]
# With few images the answers of the two halves are different faces, each near to one that its network has seen. With many
# they are alike, and blurred where noise is strong. The memorizing optimum, titled *memory*, answers with a face of its training set, sharp
# and usually of somebody else.
#
# Here is the same experiment with sliders. At each $N$ and noise level, both networks and the memorizing optimum of half A answer
# to one noisy face. Here the optimum is as blind as they are: it weighs all noise levels as training did.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-explore-n", "caption": "**Raise N with the noise fixed: when do A and B give the same face, and when is it the clean one?** One test face: clean, noisy, denoised by network A and by network B of N training images each, and by the memorizing optimum of half A at the same N, which is not told σ either. Below the pictures: PSNR in dB."}}
blind = {
    run.n: BlindEmpiricalDenoiser(faces.data[run.n].a, sigma_law=run.sigma_law, loss_weight=run.loss_weight)
    for run in faces.table
    if run.half == "A"
}


def answers(n, sigma, image):
    """One noisy face and all answers to it."""
    x = faces.held_out[image : image + 1]
    y = noise.add_noise(x, sigma, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        found = [faces.denoisers[n, half](y) for half in "AB"] + [blind[n](y)]
    before, *after = (noise.psnr(x, image).item() for image in (y, *found))
    names = ("network A", "network B", "memory A")
    tiles = [Tile(x[0], "clean"), Tile(y[0], "noisy", f"{before:.1f} dB")]
    for name, half, x_hat, number in zip(names, ("A", "B", ""), found, after, strict=True):
        tiles.append(Tile(x_hat[0], name, f"{number:.1f} dB", half))
    words = (
        f"N = {n:,}, σ = {sigma:.2f}: of {before:.1f} dB network A makes {after[0]:.1f} dB, network B {after[1]:.1f} dB "
        f"and memory {after[2]:.1f} dB. The answers of A and B are similar by {similarity.rho(found[0], found[1]).item():.2f}."
    )
    return Frame(tiles, words)


every = np.geomspace(0.02, 1, 41).tolist()  # noise levels
Explorer(
    answers,
    [
        Slider("n", "training images, N", faces.sizes, start=faces.sizes[-1], form="{:,}"),
        Slider("sigma", "noise, σ", every, every[::5], every[25], "{:.2f}"),
        Slider("image", "test face", range(64), [1]),
    ],
    columns=5,
)

# %% [markdown]
# ## Does it do better on what it has seen?
#
# We measure the error as output PSNR, $-10 \log_{10} \mathrm{MSE}$ in dB, against the input PSNR,
# $-20 \log_{10} \sigma$. Low input PSNR (left in the figures) is much noise. PSNR is taken of the *mean* squared
# error over images, with 95% bootstrap intervals over images (for the memorizing optimum, which sums over a whole training set for each
# answer: over 100 images and without an interval).
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
input_psnr = np.append(-20 * np.log10(noise.SIGMAS), 21)  # the paper's grid, and one level for numbers in the text
sigmas = 10 ** (-input_psnr / 20)
grid = slice(len(noise.SIGMAS))


def count(s, n):
    """300 images; at the largest N, where gaps are small, 500."""
    return min(500 if n == s.sizes[-1] else 300, len(s.held_out))


def training_images(s, n, half):
    """As many images of a training set as there are test images: small sets are repeated."""
    x = getattr(s.data[n], half.lower())
    return x[torch.arange(count(s, n)) % len(x)]


def errors(denoiser, x, at=sigmas):
    """Squared error of each image (columns) at each noise level (rows)."""
    return np.stack([noise.denoising_mse(denoiser, x, float(sigma), seed).numpy() for sigma in at])


def measure(s):
    """Errors of the networks and of their rivals on training and test images."""
    s.train = {key: errors(denoiser, training_images(s, *key)) for key, denoiser in s.denoisers.items()}
    s.test = {key: errors(denoiser, s.held_out[: count(s, key[0])]) for key, denoiser in s.denoisers.items()}
    s.memorizer, s.wiener = {}, {}
    for run in s.table:
        if run.half == "A":
            x, test = s.data[run.n].a, s.held_out[: count(s, run.n)]
            blind = BlindEmpiricalDenoiser(x, sigma_law=run.sigma_law, loss_weight=run.loss_weight)
            two = training_images(s, run.n, "A")[:100], test[:100]  # each answer is a sum over all training images
            s.memorizer[run.n] = [errors(blind, images, sigmas[grid]) for images in two]
            s.wiener[run.n] = errors(WienerDenoiser(x), test, sigmas[grid])


def regions_of(s, n, half):
    """Regions of training and test images; repeated training images count by their noise: this set, not another."""
    if s.regions is None:
        return None, None
    training = getattr(s.regions, half.lower())[: count(s, n)] if n >= count(s, n) else None
    return training, s.regions.held_out[: count(s, n)]


def gap(s, n, half, statistic=stats.psnr_gap, level=-1):
    """A statistic of training and test errors, with its interval."""
    pair = s.train[n, half][level], s.test[n, half][level]
    return stats.estimate(statistic, *pair, regions=regions_of(s, n, half), paired=False)


def mean_gap(train, test, axis):
    """G(N): the gap averaged over the grid of noise levels."""
    return stats.psnr_gap(train, test, axis).mean(0)


measure(faces)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-psnr", "caption": "**Solid lines are training images, dotted lines are test images: they part when N is small and merge when it is large.** Faces. Output against input PSNR, one panel for each N; half A blue, half B orange, with 95% intervals. Dashed: the memorizing optimum of half A on its training images (upper) and on test images (lower). Green: the Wiener denoiser of half A on test images. Grey: the noisy input itself, and, dash-dotted, the ray bound. A dotted line below the grey diagonal means that the network adds error to a new image."}, "image": {"alt": "Panels of output PSNR against input PSNR. At the smallest N the training curves run far above the test curves, near the ray bound; the memorizing optimum on training images leaves the panel. At the largest N the four curves are close to each other.", "classes": "dark-light"}}
def draw_psnr(s):
    """Output against input PSNR, a panel for each N."""
    x = input_psnr[grid]
    figure, axes = plots.panels(len(s.sizes), height=2.5, sharex=True)
    for ax, n in zip(axes, s.sizes, strict=True):
        ax.plot(x, x, color=plots.FAINT, label="noisy input")
        ax.plot(x, ray_bound(x, d), color=plots.TRAINING, linestyle="-.", linewidth=1, label="ray bound")
        for e, label in zip(s.memorizer[n], ("memorizing optimum", None), strict=True):
            with np.errstate(divide="ignore"):  # its error on training images underflows to 0: it leaves the panel
                optimum = stats.psnr_of_mean(e)
            ax.plot(x, optimum, color=plots.INK, linestyle="--", linewidth=1, label=label)
        regions = regions_of(s, n, "A")[1]
        wiener = [stats.estimate(stats.psnr_of_mean, row, regions=regions) for row in s.wiener[n]]
        plots.band(ax, x, wiener, color=plots.WIENER, linewidth=1, label="Wiener, test")
        for half in "AB":
            rows = zip(("training", "test"), (s.train, s.test), "-:", regions_of(s, n, half), strict=True)
            for kind, e, line, regions in rows:
                curve = [stats.estimate(stats.psnr_of_mean, row, regions=regions) for row in e[n, half][grid]]
                plots.band(ax, x, curve, color=plots.HALF[half], linestyle=line, label=f"{half}, {kind}")
        ax.set(title=f"N = {n:,}", xlabel="input PSNR (dB)", ylabel="output PSNR (dB)", xlim=(0, 42.5), ylim=(5, 58))
        ax.label_outer()
    plots.legend(figure, ncols=3)
    return plots.Picture(figure)


draw_psnr(faces)

# %% tags=["hide-input"]
def rise(train, test, axis):
    """Largest rise of the gap from one N to the next: negative when it always falls."""
    return np.diff(stats.psnr_gap(train, test, axis), axis=0).max(0)


def crossed(s, n, half):
    """The same training images, denoised by their own network and by that of the other half."""
    other = "B" if half == "A" else "A"
    x = training_images(s, n, half)
    pair = [errors(s.denoisers[n, h], x, sigmas[-1:])[0] for h in (half, other)]
    return stats.estimate(stats.psnr_gap, *pair, regions=regions_of(s, n, half)[0])


def from_ray(e, axis):
    """Largest distance of a curve to the ray bound, dB."""
    curve = stats.psnr_of_mean(e, axis)
    return np.abs(curve - ray_bound(middle, d).reshape(-1, *[1] * (curve.ndim - 1))).max(0)


def steepness(e, axis):
    """Least squares slope of output on input PSNR."""
    x = middle - middle.mean()
    return np.tensordot(x, stats.psnr_of_mean(e, axis), 1) / (x @ x)


middle = np.linspace(6, 27, 8)


def report(s, prefix=""):
    """Numbers of the text and of the ledger."""
    smallest, largest = s.few, s.sizes[-1]
    s.gaps = {key: gap(s, *key) for key in s.denoisers}
    s.overall = {key: gap(s, *key, mean_gap, grid) for key in s.denoisers}
    sentence = ""
    if 1 in s.sizes:
        along = [errors(s.denoisers[1, half], training_images(s, 1, half), 10 ** (-middle / 20)) for half in "AB"]
        rays, slopes = ([stats.estimate(f, curve) for curve in along] for f in (from_ray, steepness))
        ray = enter(s, "T1a", max(rays, key=lambda e: e.value))
        slope = enter(s, "T1b", max(slopes, key=lambda e: abs(e.value - np.mean(ledger.bounds("T1b", s.images, scale)))))
        sentence = (
            f"The training curve of the network with one image (of the worse half) stays within {ray.measured:.1f} dB of the ray bound for input 6 to "
            f"27 dB (target {ray.target}: {ray.verdict}) and has slope {slope.measured:.2f} (target {slope.target}: "
            f"{slope.verdict})."
        )
    say(f"{prefix}one_image", sentence)
    for n, id in ((10, "T2a"), (100, "T2b")):
        if n in s.sizes:
            enter(s, id, min((s.gaps[n, half] for half in "AB"), key=lambda e: e.value))
    ladder = [n for n in s.sizes if n >= 100]
    if len(ladder) > 1:
        # the first 300 images are the same for every N that has them: they are drawn together
        rises = []
        for half in "AB":
            pair = [np.stack([e[n, half][-1][:300] for n in ladder]) for e in (s.train, s.test)]
            regions = [labels if labels is None else labels[:300] for labels in regions_of(s, largest, half)]
            rises.append(stats.estimate(rise, *pair, regions=regions, paired=False))
        enter(s, "T3", max(rises, key=lambda e: e.value))
    enter(s, "T4", max((s.overall[largest, half] for half in "AB"), key=lambda e: e.value))
    for half in "AB":
        say(f"{prefix}gap_small_{half}", s.gaps[smallest, half], ".1f")
        say(f"{prefix}crossed_{half}", crossed(s, smallest, half), ".1f")
        say(f"{prefix}crossed_large_{half}", crossed(s, largest, half), ".2f")
        say(f"{prefix}gap_large_{half}", s.gaps[largest, half], ".2f")
        say(f"{prefix}overall_large_{half}", s.overall[largest, half], ".2f")
    on_a, on_b = (crossed(s, largest, half).value for half in "AB")
    say(f"{prefix}own", (on_a + on_b) / 2, ".2f")
    say(f"{prefix}better", (on_a - on_b) / 2, ".2f")


report(faces)
say("gaps", "; ".join(f"{faces.gaps[n, 'A']:.2f} at N = {n:,}" for n in faces.sizes))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-gap", "caption": "**The advantage of training images shrinks to nothing as N grows.** Faces. Left: gap between training and test PSNR against input PSNR, one colour for each N, half A solid and half B dotted, 95% intervals. Right: the gap at input 21 dB against N."}, "image": {"alt": "Left, gap curves against input PSNR, tens of dB at small N and zero at the largest N. Right, the gap at 21 dB falls with N.", "classes": "dark-light"}}
def draw_gap(s):
    """Gap against input PSNR, and at 21 dB against N."""
    figure, (left, right) = plots.panels(2, columns=2, height=2.6)
    for n in s.sizes:
        for half, line in (("A", "-"), ("B", ":")):
            curve = [gap(s, n, half, level=k) for k in range(len(noise.SIGMAS))]
            label = f"N = {n:,}" if half == "A" else None
            plots.band(left, input_psnr[grid], curve, color=plots.shade(n, s.sizes), linestyle=line, label=label)
    left.set(xlabel="input PSNR (dB)", ylabel="training − test PSNR (dB)")
    for half in "AB":
        curve = [s.gaps[n, half] for n in s.sizes]
        plots.band(right, s.sizes, curve, color=plots.HALF[half], marker="o", label=f"half {half}")
    right.set(xlabel="N, training images", ylabel="gap at input 21 dB (dB)", xscale="log")
    for axes in (left, right):
        axes.axhline(0, color=plots.INK, linewidth=0.6)
    plots.legend(figure, ncols=3)
    plots.legend(right)
    return plots.Picture(figure)


draw_gap(faces)

# %% [markdown]
# At input 21 dB and $N$ = {glue:text}`n_smallest`, training images come out better than test images by
# {glue:text}`gap_small_A` dB (half A) and {glue:text}`gap_small_B` dB (half B): numbers in brackets are 95%
# intervals. At $N$ = {glue:text}`n_largest` the gap is {glue:text}`gap_large_A` and {glue:text}`gap_large_B` dB.
# Averaged over all noise levels, $G(N)$, it is {glue:text}`overall_large_A` and {glue:text}`overall_large_B` dB. Size by size,
# half A's gap at input 21 dB is {glue:text}`gaps` dB.
# {glue:text}`one_image` (The training images of a small set are repeated with fresh noise to match the number of test
# images; the interval is then over noise, for this one set.) A small set may happen to hold
# easy images. The other half's network, which has not seen them, tells: on the same images the network that was trained
# on them is better by {glue:text}`crossed_A` dB (A's images) and {glue:text}`crossed_B` dB (B's) at $N$ = {glue:text}`n_smallest`, and by
# {glue:text}`crossed_large_A` and {glue:text}`crossed_large_B` dB at the largest. Their mean,
# {glue:text}`own` dB, is what a network gains on its own images; half their difference, {glue:text}`better` dB, is by how much A is the better
# network on all images.
#
# *What the paper says:* the same transition at 80 pixels with faces (its Figure 1): a large gap at small $N$, none at
# $N = 10^5$. *What we find* is {numref}`fig-gap`. *Why?* Repeating its training images is the optimum of a network's
# training loss, at every $N$; small sets are stored, large ones are not. Two reasons are at hand, and this experiment
# does not separate them: the network may have no room for a large set, or no time, since at equal images seen an image
# of $N$ = {glue:text}`n_smallest` is seen {glue:text}`repeats_small` times and one of the largest set {glue:text}`repeats_large` times.
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
def over_wiener(s):
    """How much better the network of the largest N is than Wiener on test images, at each noise level of the grid."""
    n = s.sizes[-1]
    regions = regions_of(s, n, "A")[1]
    pairs = zip(s.test[n, "A"][grid], s.wiener[n], strict=True)
    return [stats.estimate(stats.psnr_gap, f, w, regions=regions) for f, w in pairs]


advantage = over_wiener(faces)
wiener = WienerDenoiser(faces.data[faces.sizes[-1]].a)
superposition, affine = [], []
for sigma in noise.SIGMAS:
    y = noise.add_noise(faces.held_out[:300], float(sigma), torch.Generator().manual_seed(seed))
    for f, cosines in ((faces.denoisers[faces.sizes[-1], "A"], superposition), (wiener, affine)):
        cosines.append(stats.estimate(np.mean, agreement.linearity(f, y, float(sigma))))
figure, (left, right) = plots.panels(2, columns=2, height=2.6)
plots.band(left, input_psnr[grid], advantage, color=plots.HALF["A"])
left.axhline(0, color=plots.INK, linewidth=0.6)
left.set(xlabel="input PSNR (dB)", ylabel="network − Wiener (dB)")
plots.band(right, input_psnr[grid], superposition, color=plots.HALF["A"], label="network")
plots.band(right, input_psnr[grid], affine, color=plots.WIENER, linestyle="--", label="Wiener")
plots.legend(right)
right.set(xlabel="input PSNR (dB)", ylabel="superposition cosine")
plots.Picture(figure)

# %% tags=["hide-cell"]
def say_wiener(advantage, prefix=""):
    """Where the network gains most over Wiener, and where it loses."""
    best = max(range(len(advantage)), key=lambda k: advantage[k].value)
    say(f"{prefix}advantage", advantage[best], ".1f")
    say(f"{prefix}advantage_at", input_psnr[best], ".0f")
    worse = [f"{psnr:.0f}" for psnr, e in zip(input_psnr[grid], advantage, strict=True) if e.high < 0]
    at = f"at input {', '.join(worse)} dB Wiener is better" if worse else "at no noise level is Wiener better"
    say(f"{prefix}wiener_wins", at)


say_wiener(advantage)
lowest = min(range(len(superposition)), key=lambda k: superposition[k].value)
say("superposition", superposition[lowest], ".4f")
say("affine", affine[lowest], ".4f")
say("superposition_at", input_psnr[lowest], ".0f")
say(
    "beyond_wiener",
    "What two networks share is therefore more than a mean and a covariance"
    if max(e.low for e in advantage) > 0
    else "What two networks share could therefore be a mean and a covariance",
)

# %% [markdown]
# At $N$ = {glue:text}`n_largest` the network is up to {glue:text}`advantage` dB better than Wiener (at input
# {glue:text}`advantage_at` dB); {glue:text}`wiener_wins` (interval below zero). {glue:text}`beyond_wiener`. The
# superposition cosine says less: at its lowest, at input {glue:text}`superposition_at` dB, it is
# {glue:text}`superposition` for the network and {glue:text}`affine` for Wiener, since the brightness of an image, which
# any denoiser keeps, weighs most in it. What the network has beyond Wiener is the subject of the later chapters.
#
# ## The same on photographs
#
# Cartoon faces are drawn by a program: the same parts in the same places. Patches of photographs are another density,
# without pose or parts, and there are fewer of them: at most $N$ = {glue:text}`photographs_n_largest` in each half. Halves
# and the {glue:text}`photographs_held_out` test patches, cut from {glue:text}`regions` regions, come from different regions of
# the same photographs and share no pixel. Patches of one region are alike; the intervals here draw whole regions.

# %% tags=["hide-cell"]
measure(patches)
report(patches, "photographs_")
say_wiener(over_wiener(patches), "photographs_")
say("regions", len(np.unique(patches.regions.held_out)), "d")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-psnr-photographs", "caption": "**Do solid and dotted lines of one colour merge as they do for faces?** Patches of photographs; lines as in {numref}`fig-psnr`. Compare the panel of the largest N with the others."}, "image": {"alt": "Panels of output PSNR against input PSNR for patches of photographs: training, test, Wiener and memorizing optimum, one panel for each N.", "classes": "dark-light"}}
draw_psnr(patches)

# %% tags=["hide-input"]
heads = ("images", "N", "half", "gap at 21 dB (dB)", "G, mean gap (dB)", "test PSNR at 21 dB (dB)")
rows = []
for s, name in ((faces, "faces"), (patches, "photographs")):
    for n, half in s.denoisers:
        regions = regions_of(s, n, half)[1]
        level = stats.estimate(stats.psnr_of_mean, s.test[n, half][-1], regions=regions)
        rows.append((name, f"{n:,}", half, f"{s.gaps[n, half]:.2f}", f"{s.overall[n, half]:.2f}", f"{level:.2f}"))
ledger.Table("Gap between training and test, by image set, N and half", heads, rows)

# %% [markdown]
# At $N$ = {glue:text}`photographs_n_smallest` and input 21 dB the gap is {glue:text}`photographs_gap_small_A` dB (A) and
# {glue:text}`photographs_gap_small_B` dB (B); at $N$ = {glue:text}`photographs_n_largest` it is
# {glue:text}`photographs_gap_large_A` and {glue:text}`photographs_gap_large_B` dB, and averaged over noise levels
# {glue:text}`photographs_overall_large_A` and {glue:text}`photographs_overall_large_B` dB.
# {glue:text}`photographs_one_image` All networks share one test set, and its patches may be easier or harder than the
# training patches; then every gap is off by as much, and may be negative. The other half's network is the sharper judge: on the
# same training patches, the network that was trained on them is better by {glue:text}`photographs_crossed_A` dB (A) and
# {glue:text}`photographs_crossed_B` dB (B) at $N$ = {glue:text}`photographs_n_smallest`, and by {glue:text}`photographs_crossed_large_A` and
# {glue:text}`photographs_crossed_large_B` dB at the largest (what is their own: {glue:text}`photographs_own` dB). Against Wiener the network of the largest $N$ gains up to
# {glue:text}`photographs_advantage` dB (at input {glue:text}`photographs_advantage_at` dB);
# {glue:text}`photographs_wiener_wins`. (With few patches beside {glue:text}`d` pixels the covariance is itself poorly known,
# so this Wiener is a weaker rival than that of the faces.)
#
# One thing weakens the claim here: test patches were cut from the same photographs as the training patches. They show
# new places, not new scenes, so a small gap says less than it does for faces, and the intervals hold for these photographs only.
#
# ## When does it memorize?
#
# The log of each training shows when memory begins. Look for two things: how long all networks improve together on new
# images, and where the networks with few images turn away from new images to their own.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-log", "caption": "**Where the test curve of a small set turns down, it begins to memorize.** Output PSNR at input 20 dB (σ = 0.1, grey line) against images seen in training, one colour for each N, half A; faces above, photographs below. Solid: training images; dotted: test images."}, "image": {"alt": "PSNR against images seen on a log axis, faces and photographs. For the smallest N the training curve climbs while the test curve falls; for the largest N both climb together.", "classes": "dark-light"}}
column = runs.LOG_SIGMAS.index(0.1)
figure, axes = plots.panels(2, height=2.5, sharex=True)
for ax, s in zip(axes, (faces, patches), strict=True):
    s.logs = {(run.n, run.half): {k: np.array(v, float) for k, v in runs.log(run).items()} for run in s.table}
    for n in s.sizes:
        for kind, line in (("train", "-"), ("test", ":")):
            label = f"N = {n:,}" if kind == "train" else None
            seen, curve = s.logs[n, "A"]["images_seen"], s.logs[n, "A"][kind][:, column]
            ax.plot(seen, curve, line, color=plots.shade(n, s.sizes), label=label)
    ax.axhline(20, color=plots.FAINT)
    ax.set(title="faces" if s is faces else s.images, xlabel="images seen in training", ylabel="output PSNR (dB)", xscale="log")
    ax.label_outer()
    plots.legend(ax)
plots.Picture(figure)

# %% [markdown]
# Two times can be read off. The **time to generalize** is when the test PSNR first reaches one level, the same for all
# $N$ of an image set: {glue:text}`level` dB for faces and {glue:text}`photographs_level` dB for photographs, half a dB
# less than the networks of the largest $N$ reach at the end. A network that never gets there does not generalize so well.
# The **time to memorize** is when the training PSNR is 1 dB above the test PSNR for the first time. (A small set of easy
# images can begin with such a gap; then this time means nothing.) The log has one entry at each power of two of the
# steps, so both are known up to a factor of two. (It measures at most 256 images and repeats none: at $N$ = 1 its training
# curve is one noisy image.) The last column is the share $f_{mem}$ of 64 samples that are copies at the
# end of training (three times closer to one training image than to any other).

# %% tags=["hide-input"]
def first(seen, reached):
    """When something holds for the first time, in images seen; None if it never does."""
    return seen[reached][0] if reached.any() else None


def say_times(name, times):
    """At which N something happens, and from when to when."""
    say(f"{name}_sizes", ", ".join(f"{n:,}" for n in sorted({n for n, _ in times})) or "none")
    say(f"{name}_range", f"{min(t for _, t in times):,.0f} to {max(t for _, t in times):,.0f}" if times else "-")


rows = []
for s, name, prefix in ((faces, "faces", ""), (patches, "photographs", "photographs_")):
    level = min(log["test"][-1, column] for (n, _), log in s.logs.items() if n == s.sizes[-1]) - 0.5
    say(f"{prefix}level", level, ".1f")
    generalizing, memorizing = [], []  # N and images seen; N and views of each image
    for (n, half), log in s.logs.items():
        seen, train, test = log["images_seen"], log["train"][:, column], log["test"][:, column]
        reached, apart = first(seen, test >= level), first(seen, train - test > 1)
        if n > 1:
            generalizing += [(n, reached)] if reached else []
            memorizing += [(n, apart / n)] if apart else []
        copies = log.get("copies", np.array([np.nan]))
        copied = "-" if n == 1 else "not logged" if np.isnan(copies).all() else f"{copies[-1]:.2f}"
        times = (f"{apart:,.0f}", f"{apart / n:,.0f}") if apart else ("not yet", f"> {seen[-1] / n:,.0f}")
        rows.append((name, f"{n:,}", half, f"{reached:,.0f}" if reached else "never", *times, copied))
    say_times(f"{prefix}general", generalizing)
    say_times(f"{prefix}memory", memorizing)
heads = ("images", "N", "half", "seen to generalize", "to memorize", "the same, per training image", "copies at the end")
ledger.Table("Time to generalize and time to memorize, by image set, N and half", heads, rows)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-collapse", "caption": "**Does memory begin when each image has been seen equally often?** Against the number of times that each training image has been seen; faces above, photographs below. Left: training minus test PSNR at input 20 dB, half A; dashed: 1 dB. Right: share of 64 samples that are copies, half A solid, half B dotted. If memorizing took a fixed number of views of each image, the curves of all N would lie on each other."}, "image": {"alt": "Gap between training and test PSNR, and share of copies, against views of each image, one curve for each N; curves of larger N lie further left.", "classes": "dark-light"}}
figure, axes = plots.panels(4, columns=2, height=2.3, sharex=True)
for s, (left, right) in ((faces, axes[:2]), (patches, axes[2:])):
    for n in s.sizes:
        for half, line in (("A", "-"), ("B", ":")):
            log, style = s.logs[n, half], {"color": plots.shade(n, s.sizes), "linestyle": line}
            views = log["images_seen"] / n
            if half == "A":
                left.plot(views, log["train"][:, column] - log["test"][:, column], label=f"N = {n:,}", **style)
            if "copies" in log:
                right.plot(views, log["copies"], **style)
    left.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
    title, xlabel = "faces" if s is faces else s.images, "views of each training image"
    left.set(title=title, xlabel=xlabel, ylabel="training − test (dB)", xscale="log")
    right.set(title=title, xlabel=xlabel, ylabel="share of copies", ylim=(-0.02, 1.02))
    plots.legend(left)
plots.Picture(figure)

# %% [markdown]
# *What others say:* {cite:t}`bonnaire2025why` find a time to generalize that does not depend on $N$ and a time to
# memorize that grows in proportion to it, so that the window between them opens as $N$ grows and early stopping keeps a
# network from memorizing. *What we find:* of the faces' networks those with $N$ = {glue:text}`general_sizes` reach the level, after
# {glue:text}`general_range` images, and of the photographs' those with $N$ = {glue:text}`photographs_general_sizes`, after
# {glue:text}`photographs_general_range`. Memory is visible within this training at $N$ = {glue:text}`memory_sizes` for faces, where it begins
# after {glue:text}`memory_range` views of each image, and at $N$ = {glue:text}`photographs_memory_sizes` for photographs, after
# {glue:text}`photographs_memory_range` views. If each law holds, the first numbers agree and so do the last. One pair of trainings for each $N$, a learning
# rate that falls to zero at the end, and a log with gaps of a factor of two: enough to see an order of magnitude, not to
# test an exponent.
