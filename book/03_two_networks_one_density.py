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
# with each other and with both training sets. Then we repeat everything on patches of photographs.

# %% tags=["parameters"]
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring and sampling, not for training

# %% tags=["hide-input"]
import numpy as np
import torch

from ghr import noise, runs, sampling, similarity, stats
from ghr.book import ledger, plots
from ghr.book.ledger import say
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.measure.agreement import discrepancy, model_variance, variance_ratio
from ghr.references import WienerDenoiser

faces, patches, chain = (runs.study(scale, *key) for key in runs.STUDIES)


def enter(s, id, measured):
    """Hold a number against its target."""
    return ledger.enter(id, s.images, scale, measured, "03", s.network)


for s, prefix in ((faces, ""), (patches, "photographs_")):
    say(f"{prefix}n_smallest", s.few, ",")
    say(f"{prefix}n_largest", s.sizes[-1], ",")
say("images_seen", faces.table[0].images_seen, ",")

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
grid = np.unique([*noise.SIGMAS, 0.02, 1.0])  # with the limits of the integral below
inside = (grid >= 0.02) & (grid <= 1)
middle = int(np.abs(np.log(grid / 0.1)).argmin())  # the level nearest to sigma = .1


def disagreements(s, denoisers):
    """||f_i - f_j||^2 / d and ||f_i - x||^2 / d of denoisers on test images: pairs or denoisers, noise levels, images."""
    levels = (model_variance(denoisers, s.held_out[:300], float(sigma), seed) for sigma in grid)
    apart, errors = (torch.stack(column, -2).numpy() for column in zip(*levels, strict=True))
    return apart, errors


def variance(s, apart, error):
    """V at each noise level."""
    regions = s.regions and s.regions.held_out[:300]
    rows = zip(apart, error, strict=True)
    return [stats.estimate(variance_ratio, a, e, regions=regions) for a, e in rows]


def largest_ratio(apart, error, axis):
    """Largest V over the noise levels between .02 and 1."""
    return variance_ratio(apart, error, axis)[inside].max(0)


def compare_functions(s):
    """V and the truncated discrepancy of A and B, for every N."""
    regions = s.regions and s.regions.held_out[:300]
    s.apart = {}
    for n in s.sizes:
        apart, errors = disagreements(s, [s.denoisers[n, half] for half in "AB"])
        s.apart[n] = apart[0, 1], errors[0]
    s.variances = {n: variance(s, *pair) for n, pair in s.apart.items()}
    s.worst = {n: stats.estimate(largest_ratio, *pair, regions=regions) for n, pair in s.apart.items()}
    s.discrepancies = {
        n: stats.estimate(np.mean, discrepancy(apart, grid), regions=regions)
        for n, (apart, _) in s.apart.items()
    }
    if 10 in s.sizes:
        enter(s, "T9a", s.worst[10])
    entry = enter(s, "T9b", s.worst[s.sizes[-1]])
    say(f"T9b_{s.images}", f"target {entry.target}: {entry.verdict}")


compare_functions(faces)
for end, n in (("small", faces.few), ("large", faces.sizes[-1])):
    say(f"variance_{end}", faces.worst[n], ".2f")
    say(f"discrepancy_{end}", faces.discrepancies[n], ".3f")
    say(f"variance_weak_{end}", faces.variances[n][0], ".2f")
    say(f"variance_middle_{end}", faces.variances[n][middle], ".3f")
say("sigma_weak", grid[0], ".4f")
say("sigma_middle", grid[middle], ".2f")
weak_small, weak_large = (faces.variances[n][0] for n in (faces.few, faces.sizes[-1]))
falls = [faces.variances[faces.few][k].value / faces.variances[faces.sizes[-1]][k].value for k in (0, middle)]
say(
    "falls",
    "There more images do not bring the networks together, and at stronger noise they do: something else keeps them apart"
    if not weak_large.high < weak_small.low
    else "More images bring the networks together less there than at stronger noise: something else keeps them apart"
    if falls[0] < falls[1]
    else "More images bring the networks together there as they do at stronger noise",
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-variance", "caption": "**The lower a curve, the more two networks that share no training image are one function.** Compare the order of the curves where noise is strong, left, and where it is weakest, right. Model variance between half A and half B on test images, against input PSNR, with 95% intervals over images. 0 is one function; 1 is two networks whose errors are equal in size and uncorrelated."}, "image": {"alt": "Model variance against input PSNR, one curve for each N.", "classes": "dark-light"}}
figure, (axes,) = plots.panels(1, height=2.6)
for n in faces.sizes:
    curve, colour = faces.variances[n], plots.shade(n, faces.sizes)
    plots.band(axes, -20 * np.log10(grid), curve, color=colour, label=f"N = {n:,}")
axes.axhline(1, color=plots.INK, linestyle="--", linewidth=0.8)
axes.set(xlabel="input PSNR (dB)", ylabel="model variance V", ylim=(0, None))
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% [markdown]
# For $\sigma$ between 0.02 and 1, the largest $V$ is {glue:text}`variance_small` at
# $N$ = {glue:text}`n_smallest` and {glue:text}`variance_large` at $N$ = {glue:text}`n_largest` ({glue:text}`T9b_avatars`). Summed over noise
# levels with the weight that bounds a Kullback-Leibler divergence (a distance of densities, in nats),
# $K = \frac1d \int_{.02}^1 \mathbb{E}\|f_A - f_B\|^2 \sigma^{-3} d\sigma$, the truncated discrepancy of the two networks is
# {glue:text}`discrepancy_small` and {glue:text}`discrepancy_large` nats per pixel. (It is not a bound on a
# divergence: the networks are not exact scores and the range of $\sigma$ is cut.)
#
# Half A against half B at $\sigma$ = {glue:text}`sigma_weak`, the weakest noise measured, gives
# $V$ = {glue:text}`variance_weak_small` at $N$ = {glue:text}`n_smallest` and {glue:text}`variance_weak_large` at
# $N$ = {glue:text}`n_largest`; at $\sigma$ = {glue:text}`sigma_middle` it is {glue:text}`variance_middle_small` and
# {glue:text}`variance_middle_large`. {glue:text}`falls`.
#
# ## Data or chance?
#
# Not all of $V$ comes from the data: two trainings also differ in their initial weights, their noise and the order of
# their images, which are drawn from a seed. Two more trainings tell how much that explains: one on A's images with B's
# seed, one on B's images with A's seed. If data did not matter, two networks of one half would differ as much as networks
# of two halves.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-controls", "caption": "**How far is the dotted line, where only chance differs, below the solid one, where data and chance differ?** Model variance between network A and three others, on test faces, against input PSNR, with 95% intervals over images: B (other images, other seed; solid), a network with other images and A's seed (dashed), and one with A's images and another seed (dotted)."}, "image": {"alt": "Model variance against input PSNR for three pairs of networks: other images and other seed, other images and same seed, same images and other seed.", "classes": "dark-light"}}
for run in runs.controls(scale):
    runs.fit(run)
exchanged = {(run.n, run.half): runs.load(run) for run in runs.controls(scale)}
controlled = sorted({n for n, _ in exchanged})
four = {}  # A and B, then A's images with B's seed and B's images with A's
for n in controlled:
    denoisers = [networks[n, half] for networks in (faces.denoisers, exchanged) for half in "AB"]
    four[n] = disagreements(faces, denoisers)
figure, axes = plots.panels(len(controlled), height=2.6)
for ax, n in zip(axes, controlled, strict=True):
    apart, errors = four[n]
    lines = ((1, "other images, other seed", "-"), (3, "other images, same seed", "--"), (2, "same images, other seed", ":"))
    for other, name, line in lines:
        curve = variance(faces, apart[0, other], errors[0])
        plots.band(ax, -20 * np.log10(grid), curve, color=plots.INK, linestyle=line, label=name)
    ax.set(title=f"N = {n:,}", xlabel="input PSNR (dB)", ylabel="model variance V", ylim=(0, None))
plots.legend(figure, ncols=1)
plots.Picture(figure)

# %% tags=["hide-input"]
def over_control(apart, error, apart_control, axis):
    """Largest V between halves over largest V between two seeds of one half."""
    return largest_ratio(apart, error, axis) / largest_ratio(apart_control, error, axis)


rows = []
for n in controlled:
    apart, errors = four[n]
    pairs = ((0, 1), (2, 3), (0, 3), (1, 2), (0, 2), (1, 3))
    cells = [f"{stats.estimate(largest_ratio, apart[i, j], errors[i]):.3f}" for i, j in pairs]
    rows.append((f"{n:,}", *cells))
for end, n in (("small", controlled[0]), ("large", controlled[-1])):
    apart, errors = four[n]
    ratios = [stats.estimate(over_control, apart[i, 1 - i], errors[i], apart[i, i + 2]) for i in (0, 1)]
    say(f"controlled_{end}", n, ",")
    for half, number in zip("AB", ratios, strict=True):
        say(f"over_control_{end}_{half}", number, ".2f")
entry = enter(faces, "T9c", max(ratios, key=lambda e: e.value))
say("T9c", f"target {entry.target}: {entry.verdict}")
heads = ("N", "both differ", "again", "images differ", "again", "seeds differ, A", "seeds differ, B")
ledger.Table("Largest V of pairs of networks, by what differs", heads, rows)

# %% [markdown]
# *Read the table* from left to right: largest $V$ when images and seed differ, when only the images do, and when only the seed
# does. Two halves and two seeds give four networks, hence two pairs of each kind; how far two numbers of one kind lie apart says how much
# depends on the pair, beside the interval, which is over test images. The largest $V$ with both, over that with the seed alone,
# is {glue:text}`over_control_small_A` for half A and {glue:text}`over_control_small_B` for half B at $N$ = {glue:text}`controlled_small`,
# and {glue:text}`over_control_large_A` and {glue:text}`over_control_large_B` at $N$ = {glue:text}`controlled_large`
# ({glue:text}`T9c`). Above 1, the choice of images changes the function; a ratio near 1 says that changing the images as well as the
# seed changes it no more than changing the seed does: what is left of $V$ is then the chance of training.
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
def seeds_of(s, n):
    """256 sampling seeds at N = 10; at the largest N 512, where it takes more to see that copies are rare; elsewhere, where
    there is no target, 128."""
    many = 16 if scale == "smoke" else {10: 256, s.sizes[-1]: 512}.get(n, 128)
    return range(1000 * seed, 1000 * seed + many)


def fresh(s, n):
    """As many held-out images as there are samples, or as there are, and their regions."""
    return s.held_out[: len(seeds_of(s, n))], s.regions and s.regions.held_out[: len(seeds_of(s, n))]


def draw(s):
    """Samples of every network from the same noise, and how near each is to its training set."""
    s.samples, s.on_the_way = {}, {}
    s.start = sampling.gaussian_start(s.held_out, seeds_of(s, s.sizes[-1]))
    for n in s.sizes:
        start = s.start[: len(seeds_of(s, n))]
        walks = zip(*(sampling.sample(s.denoisers[n, half], start) for half in "AB"), strict=True)
        s.on_the_way[n] = []  # noise level, and similarity of what A and B see in their noise at that moment
        for at_a, at_b in walks:
            s.on_the_way[n].append((at_a.sigma[0].item(), similarity.rho(at_a.x_hat, at_b.x_hat)))
        s.samples[n, "A"], s.samples[n, "B"] = at_a.x_hat, at_b.x_hat
    s.rho_ab = {n: similarity.rho(s.samples[n, "A"], s.samples[n, "B"]) for n in s.sizes}
    s.copies = {(n, half): similarity.nearest(x, training(s, n, half)) for (n, half), x in s.samples.items()}
    s.null = {(n, half): similarity.nearest(fresh(s, n)[0], training(s, n, half))[0] for n, half in s.samples}


def training(s, n, half):
    """Training images of a network."""
    return getattr(s.data[n], half.lower())


draw(faces)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-samples", "caption": "**Read each block from top to bottom: is the sample its nearest training image? Is A's sample B's?** Each column starts from one noise image, the same for all networks. Each block is one N: the sample of network A and the training image of A most similar to it, then the same for network B."}, "image": {"alt": "Grid of sampled faces in blocks by N, each sample above its nearest training image.", "classes": "dark-light"}}
def draw_samples(s, pairs):
    """The first samples of A and B, by N, each above its nearest training image."""
    rows, labels = [], []
    for n, pair in pairs.items():
        for half, samples in zip("AB", pair, strict=True):
            known = training(s, n, half)
            rows += [samples[:8], known[similarity.nearest(samples[:8], known)[1]]]
            labels += [f"N = {n:,}\nsample {half}", f"nearest\nin {half}"]
    return plots.image_grid(rows, labels)


def drawn(s, n):
    """Samples of both networks."""
    return [s.samples[n, half] for half in "AB"]


some = sorted({faces.few, faces.sizes[len(faces.sizes) // 2], faces.sizes[-1]})
draw_samples(faces, {n: drawn(faces, n) for n in some})

# %% [markdown]
# With sliders, one seed at a time:

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-explore-seed", "caption": "**Keep the seed and raise N: from where on is a sample no training image, and from where on is A's sample B's?** A sample of network A and one of network B from the same noise, each beside the training image most similar to it. Below the pictures: centred cosine with the sample."}}
def sampled(n, number):
    """Samples of A and B from one seed, and their nearest training images."""
    tiles, near = [], []
    for half in "AB":
        rho, index = (part[number].item() for part in faces.copies[n, half])
        near.append(rho)
        tiles.append(Tile(faces.samples[n, half][number], f"sample {half}", "", half))
        tiles.append(Tile(training(faces, n, half)[index], f"nearest in {half}", f"{rho:.2f}", half))
    between = faces.rho_ab[n][number].item()
    words = (
        f"N = {n:,}, seed {number}: the two samples are similar by {between:.2f}; each to its nearest training image "
        f"by {near[0]:.2f} (A) and {near[1]:.2f} (B)."
    )
    return Frame(tiles, words)


fewest = min(len(seeds_of(faces, n)) for n in faces.sizes)
Explorer(
    sampled,
    [
        Slider("n", "training images, N", faces.sizes, start=faces.sizes[-1], form="{:,}"),
        Slider("number", "seed", range(fewest), range(8)),
    ],
)

# %% [markdown]
# At the smallest of these $N$ each sample is its nearest training image, and A's is not B's. At the largest it is no training image, and
# A's is nearly B's. Two tables say how nearly, for all $N$: the first holds samples of A against samples of B from the same noise
# (median similarity $c_{AB}$), the second holds samples against their nearest training images (median similarity $c_{NN}$), beside *held-out* images
# against theirs ($c_{null}$), the share of seeds for which B's sample is closer to A's than any training image is (P(AB>NN)), and
# the share of samples that are copies ($f_{mem}$), by a rule given below.

# %% tags=["hide-input"]
def difference(a, b, axis):
    """Difference of two medians."""
    return np.median(a, axis) - np.median(b, axis)


def copied(images, x, rays=False):
    """Share of images that are three times closer to one training image than to any other."""
    return stats.share(similarity.distance_ratio(images, x, rays) < 1 / 3)


def compare_samples(s):
    """Agreement of A's and B's samples, and nearness of both to their training sets: numbers with intervals."""
    regions = {n: fresh(s, n)[1] for n in s.sizes}
    s.c_ab = {n: stats.estimate(np.median, s.rho_ab[n]) for n in s.sizes}
    shifted = {n: similarity.rho(s.samples[n, "A"], s.samples[n, "B"].roll(1, 0)) for n in s.sizes}
    s.c_other = {n: stats.estimate(np.median, rho) for n, rho in shifted.items()}
    s.c_nn = {key: stats.estimate(np.median, rho) for key, (rho, _) in s.copies.items()}
    s.c_null = {key: stats.estimate(np.median, rho, regions=regions[key[0]]) for key, rho in s.null.items()}
    s.excess = {key: excess(s.copies[key][0], s.null[key], regions[key[0]]) for key in s.samples}
    s.closer = {(n, half): stats.share(s.rho_ab[n] > s.copies[n, half][0]) for n, half in s.samples}
    several = [key for key in s.samples if key[0] > 1]  # one image has no second nearest
    s.f_mem = {key: copied(s.samples[key], training(s, *key)) for key in several}
    s.f_mem_rays = {key: copied(s.samples[key], training(s, *key), rays=True) for key in several}


def excess(near, null, regions):
    """c_NN - c_null: samples and held-out images are not pairs."""
    return stats.estimate(difference, near, null, regions=[None, regions], paired=False)


def agreement(s):
    """A table: A against B, by N."""
    heads = ("N", "c_AB, same noise", "other noise", "V, largest", "K (nats per pixel)")
    columns = ((s.c_ab, ".2f"), (s.c_other, ".2f"), (s.worst, ".2f"), (s.discrepancies, ".3f"))
    rows = [(f"{n:,}", *(format(numbers[n], spec) for numbers, spec in columns)) for n in s.sizes]
    return ledger.Table(f"Agreement of A and B, {s.images}, by N", heads, rows)


compare_samples(faces)
agreement(faces)

# %% tags=["hide-input"]
def nearness(s):
    """A table: samples against the training set, by N and half."""
    heads = ("N", "half", "c_NN", "c_null", "P(AB>NN)", "f_mem", "f_mem, rays")
    rows = []
    for n, half in s.samples:
        columns = (s.c_nn, s.c_null, s.closer, s.f_mem, s.f_mem_rays)
        rows.append((f"{n:,}", half, *(f"{e[n, half]:.2f}" if (n, half) in e else "-" for e in columns)))
    return ledger.Table(f"Nearness of samples to the training set, {s.images}, by N and half", heads, rows)


nearness(faces)

# %% tags=["hide-cell"]
def furthest_half(estimates, n, choose):
    """The half that is further from the target."""
    return choose((estimates[n, half] for half in "AB"), key=lambda e: e.value)


def strong(s, n):
    """Whether A's and B's samples are nearer to each other than to the training set, and that no nearer than chance."""
    apart = [stats.estimate(difference, s.rho_ab[n], s.copies[n, half][0]) for half in "AB"]
    near = [s.excess[n, half] for half in "AB"]
    if all(e.low > 0 for e in apart) and all(e.high <= 0.03 for e in near):
        return "holds for both halves"
    if any(e.high < 0 for e in apart) or any(e.low > 0.03 for e in near):
        return "does not hold"
    return "is undecided"


def report(s, prefix=""):
    """Numbers of the text and of the ledger."""
    smallest, largest = s.few, s.sizes[-1]
    if 10 in s.sizes:
        enter(s, "T5a", s.c_ab[10])
        enter(s, "T6a", furthest_half(s.c_nn, 10, min))
        enter(s, "T7a", furthest_half(s.closer, 10, max))
        enter(s, "T8a", furthest_half(s.f_mem, 10, min))
    enter(s, "T5b", s.c_ab[largest])
    enter(s, "T6b", furthest_half(s.excess, largest, max))
    enter(s, "T7b", furthest_half(s.closer, largest, min))
    enter(s, "T8b", furthest_half(s.f_mem, largest, max))
    false_positives = {(largest, half): copied(s.held_out, training(s, largest, half)) for half in "AB"}
    say(f"{prefix}false_positives", enter(s, "T8c", furthest_half(false_positives, largest, max)).measured, ".3f")
    moved = {}
    for half in "AB":
        new, regions = (part if part is None else part[:128] for part in fresh(s, largest))
        samples, x = s.samples[largest, half][:128], training(s, largest, half)
        near, null = (similarity.nearest(y, x, shifts=3, flips=True)[0] for y in (samples, new))
        moved[largest, half] = excess(near, null, regions)
        if half == "A":
            say(f"{prefix}moved", stats.estimate(np.median, near), ".2f")
            say(f"{prefix}moved_null", stats.estimate(np.median, null, regions=regions), ".2f")
    enter(s, "T6c", furthest_half(moved, largest, max))
    for end, n in (("small", smallest), ("large", largest)):
        say(f"{prefix}c_ab_{end}", s.c_ab[n], ".2f")
        say(f"{prefix}c_nn_{end}", s.c_nn[n, "A"], ".2f")
        say(f"{prefix}c_null_{end}", s.c_null[n, "A"], ".2f")
        say(f"{prefix}p_{end}", s.closer[n, "A"], ".2f")
        say(f"{prefix}strong_{end}", strong(s, n))
    say(f"{prefix}c_other_large", s.c_other[largest], ".2f")
    say(f"{prefix}seeds_large", len(seeds_of(s, largest)), "d")
    gaussian = [gaussian_sample(s, half) for half in "AB"]
    say(f"{prefix}c_gauss", stats.estimate(np.median, similarity.rho(*gaussian)), ".3f")


def gaussian_sample(s, half):
    """The same walk with the Wiener denoiser of a half, in closed form: each coefficient shrinks by its own factor."""
    f = WienerDenoiser(training(s, s.sizes[-1], half))
    centred = s.start.flatten(1).double() - f.mean
    shrunk = centred @ f.axes * (f.variances / (f.variances + 1)).sqrt() @ f.axes.T
    return (f.mean + shrunk).float().view_as(s.start)


report(faces)
alike = faces.c_other[faces.sizes[-1]]
say("common", "so much is common to all faces" if alike.low > 0 else "no more than chance")
say("seeds", len(seeds_of(faces, faces.few)), "d")
say("seeds_between", len(seeds_of(faces, 1000)), "d")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-similarity", "caption": "**Follow two histograms down the panels: the solid dark one (A against B) and the grey one (sample against training set) with its dashed null.** Centred cosine over sampling seeds: between the samples of A and B (solid, dark), between a sample of A and its nearest training image (grey), and, dashed, between a *held-out* face and its nearest training image: the nearness that chance alone gives."}, "image": {"alt": "Three histograms of image similarity for each N: A against B, sample against nearest training image, held-out face against nearest training image.", "classes": "dark-light"}}
def draw_similarity(s):
    """Histograms of similarity, a panel for each N."""
    figure, axes = plots.panels(len(s.sizes), height=1.6, sharex=True)
    lowest = min(x.min().item() for n in s.sizes for x in (s.rho_ab[n], s.copies[n, "A"][0], s.null[n, "A"]))
    bins = np.arange(np.floor(20 * lowest) / 20, 1.0001, 0.05)
    for ax, n in zip(axes, s.sizes, strict=True):
        lines = (
            (s.null[n, "A"], plots.INK, "--", 1, "held out, nearest in A"),
            (s.copies[n, "A"][0], plots.TRAINING, "-", 1.6, "sample of A, nearest in A"),
            (s.rho_ab[n], plots.INK, "-", 1.6, "sample of A, sample of B"),
        )
        for rho, colour, line, width, label in lines:
            plots.histogram(ax, rho, bins, color=colour, linestyle=line, linewidth=width, label=label)
        ax.set(title=f"N = {n:,}", xlabel="centred cosine", ylabel="share of seeds")
        ax.label_outer()
    plots.legend(figure, ncols=2)
    return plots.Picture(figure)


draw_similarity(faces)

# %% [markdown]
# The tables and {numref}`fig-similarity` say the same. Over {glue:text}`seeds` seeds at $N$ = {glue:text}`n_smallest`
# ({glue:text}`seeds_large` at the largest $N$, {glue:text}`seeds_between` at the others), the median similarity between the
# two samples, $c_{AB}$, is {glue:text}`c_ab_small` at $N$ = {glue:text}`n_smallest` and {glue:text}`c_ab_large` at
# $N$ = {glue:text}`n_largest` (numbers in brackets are 95% intervals). The median similarity of a sample to its nearest
# training image, $c_{NN}$, is {glue:text}`c_nn_small` and {glue:text}`c_nn_large`. That number means
# nothing without its null $c_{null}$: a held-out face, which no network has seen, is similar to its nearest training
# image by {glue:text}`c_null_small` and {glue:text}`c_null_large`. The share of seeds for which B's sample is closer to
# A's than any training image of A, P(AB>NN), goes from {glue:text}`p_small` to {glue:text}`p_large`. (All for half A; the
# second table has both.)
#
# $c_{AB}$ needs its controls too. From *different* noise, A and B agree to {glue:text}`c_other_large` at the largest $N$:
# {glue:text}`common`. And agreement alone is cheap: two Wiener denoisers of the same halves, started from
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
for n in faces.sizes:
    x = [-20 * np.log10(sigma) for sigma, _ in faces.on_the_way[n]]
    rho = np.stack([values.numpy() for _, values in faces.on_the_way[n]])
    low, median, high = np.quantile(rho, [0.25, 0.5, 0.75], axis=1)
    spread = [stats.Estimate(*three) for three in zip(median, low, high, strict=True)]
    plots.band(axes, x, spread, color=plots.shade(n, faces.sizes), label=f"N = {n:,}")
axes.set(xlabel="input PSNR (dB)", ylabel="similarity of A's and B's denoised images")
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% tags=["hide-cell"]
for end, n in (("small", faces.few), ("large", faces.sizes[-1])):
    for moment, k in (("first", 0), ("last", -1)):
        say(f"{moment}_{end}", stats.estimate(np.median, faces.on_the_way[n][k][1]), ".2f")
say("first_sigma", faces.on_the_way[faces.sizes[-1]][0][0], ".2f")

# %% [markdown]
# After the first step, at $\sigma$ = {glue:text}`first_sigma`, the median similarity is {glue:text}`first_small` at
# $N$ = {glue:text}`n_smallest` and {glue:text}`first_large` at $N$ = {glue:text}`n_largest`; at the end it is
# {glue:text}`last_small` and {glue:text}`last_large`. Compare the first number with the last of the same $N$: what
# changes between them happened on the way, and the rest was decided by what each network sees in much noise.
#
# ## Does it depend on the sampler?
#
# The walks so far were deterministic. Two others put noise back at each step: the reverse stochastic differential equation, and the
# paper's Algorithm 1, which estimates its own noise level and puts back most of what it removes ($\beta = 0.1$). Both
# networks are given the same start and the same noise at every step.

# %% tags=["hide-input"]
many = range(1000 * seed, 1000 * seed + (16 if scale == "smoke" else 64))
samplers = {
    "ODE, Heun": lambda f, y: sampling.sample(f, y),
    "SDE": lambda f, y: sampling.sample_sde(f, y, many),
    "Algorithm 1": lambda f, y: sampling.sample_stochastic(f, y, many),
}


def ratio(a, b, axis):
    """Ratio of two means."""
    return np.mean(a, axis) / np.mean(b, axis)


def by_sampler(*studies):
    """c_AB and gradient energy of samples of the largest N, by network and sampler."""
    rows, names = [], {"UNet": "UNet", "BFCNN": "BF-CNN"}
    for s in studies:
        n, y = s.sizes[-1], sampling.gaussian_start(s.held_out, many)
        real, regions = similarity.gradient_energy(s.held_out), [None, s.regions and s.regions.held_out]
        found = []
        for name, sampler in samplers.items():
            try:
                a, b = (sampling.last(sampler(s.denoisers[n, half], y)) for half in "AB")
            except FloatingPointError:  # where a walk diverges there is no image: nothing agrees
                found.append(stats.Estimate(0.0, 0.0, 0.0))
                rows.append((names[s.network], name, "diverges", "-"))
                continue
            found.append(stats.estimate(np.median, similarity.rho(a, b)))
            energy = stats.estimate(ratio, similarity.gradient_energy(a), real, regions=regions, paired=False)
            rows.append((names[s.network], name, f"{found[-1]:.2f}", f"{energy:.2f}"))
        entry = enter(s, "T21", min(found, key=lambda e: e.value))
        say(f"sampler_{s.images}_{s.network}", f"{entry.measured:.2f} (target {entry.target}: {entry.verdict})")
    return ledger.Table(f"Samplers, {s.images}", ("network", "sampler", "c_AB", "gradient energy of A"), rows)


say("many", len(many), "d")
by_sampler(faces, chain)

# %% [markdown]
# Over {glue:text}`many` seeds, the lowest $c_{AB}$ of the three is {glue:text}`sampler_avatars_UNet`. The last column, the
# gradient energy of A's samples over that of held-out faces, says how much detail each sampler leaves. BF-CNN is a
# network of another kind, a chain of convolutions without scales ([chapter 4](04_adaptive_basis.py)); there the lowest
# $c_{AB}$ is {glue:text}`sampler_avatars_BFCNN`.
#
# ## Are the samples any good?
#
# Two networks could agree on poor images. We hold the samples of the largest $N$ against held-out faces in three ways:
# the energy of their gradients, which falls when images are blurred; their power spectrum in rings of frequency; and the
# maximum mean discrepancy, a distance of two sets of images that sees more than means, over that of two sets of held-out
# images, all of {glue:text}`mmd_size` images. (Even two sets of one law differ a little, because they are finite. A ratio of 2 is a
# difference as large as that, on top of it; with sets twice as large the same difference would count twice. The interval holds
# the middle 95% of 200 random draws of such sets.)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-faces", "caption": "**Could you tell them apart?** Upper rows: samples of network A of the largest N (the widest, where there are several), the first seeds, none left out. Lower rows: held-out faces, the first ones."}, "image": {"alt": "Rows of sampled faces above as many rows of held-out faces.", "classes": "dark-light"}}
def side_by_side(samples, held_out):
    """Samples above as many held-out images."""
    many = min(32, len(samples))
    rows = [x[k : k + 8] for x in (samples, held_out) for k in range(0, many, 8)]
    blanks = [""] * (len(rows) // 2 - 1)
    return plots.image_grid(rows, ["samples", *blanks, "held out", *blanks])


ours, best = faces.table[-2:], runs.flagship(scale)
pairs = {ours: drawn(faces, faces.sizes[-1])}
if best != ours:  # this scale has a wider pair
    for run in best:
        runs.fit(run)
    start = faces.start[:256]
    pairs[best] = [sampling.last(sampling.sample(runs.load(run), start)) for run in best]
side_by_side(pairs[best][0], faces.held_out)

# %% tags=["hide-input"]
def decibels(a, b, axis):
    """Ratio of two mean powers, dB."""
    return 10 * np.log10(ratio(a, b, axis))


def furthest(a, b, axis):
    """Largest deviation of a band's power, dB."""
    return np.abs(decibels(a, b, axis)).max(0)


def set_size(s, pair):
    """Images in each of the sets whose discrepancy is measured."""
    return min(128, len(pair[0]) // 2, len(s.held_out) // 2)


def quality(s, pair):
    """Samples of A and B against held-out images: {target: gradient energy, spectrum, discrepancy}; and the spectrum."""
    # one value for each seed, the mean of A's and B's: two samples of one seed are not two samples
    alone = {"regions": [None, s.regions and s.regions.held_out], "paired": False}
    energies = sum(similarity.gradient_energy(x) for x in pair) / 2
    energy = stats.estimate(ratio, energies, similarity.gradient_energy(s.held_out), **alone)
    spectra = [(sum(similarity.spectrum(x) for x in pair) / 2).T, similarity.spectrum(s.held_out).T]
    bands = [stats.estimate(decibels, a, b, **alone) for a, b in zip(*spectra, strict=True)]
    deviation = stats.estimate(furthest, *spectra, **alone)
    # random sets of samples, each against as many held-out images, and these against as many others: the interval is
    # that of single draws, and holds what such sets vary by
    rng, half_size = np.random.default_rng(0), set_size(s, pair)
    coarse = torch.nn.functional.avg_pool2d(s.held_out[:256], 2).flatten(1)
    bandwidth = torch.nn.functional.pdist(coarse).median().item()
    draws = {"samples": [], "held out": []}
    for _ in range(200):
        real = s.held_out[rng.permutation(len(s.held_out))[: 2 * half_size]]
        some = pair[rng.integers(2)][rng.permutation(len(pair[0]))[:half_size]]
        for name, x in (("samples", some), ("held out", real[half_size:])):
            draws[name].append(similarity.mmd(x, real[:half_size], bandwidth, biased=True))
    ratios = np.array(draws["samples"]) / np.mean(draws["held out"])
    discrepancy = stats.Estimate(ratios.mean(), *np.quantile(ratios, [0.025, 0.975]))
    return {"T23a": energy, "T23b": deviation, "T23c": discrepancy}, bands


def report_quality(s, numbers, prefix=""):
    """Numbers of the text and of the ledger."""
    entries = []
    for (id, number), name, spec in zip(numbers.items(), ("energy", "deviation", "mmd"), (".2f", ".1f", ".2f"), strict=True):
        entry = enter(s, id, number)
        entries.append(entry)
        say(f"{prefix}{name}", number, spec)
        say(f"{prefix}{name}_verdict", f"target {entry.target}: {entry.verdict}")
    say(f"{prefix}quality_words", f"Of the {len(entries)} targets {sum(entry.verdict == 'met' for entry in entries)} are met.")


qualities = {two_runs: quality(faces, pair) for two_runs, pair in pairs.items()}
report_quality(faces, qualities[best][0])
say("wide_seen", f" (the pair of width {best[0].width} after {best[0].images_seen:,})" if best != ours else "")
say("mmd_size", set_size(faces, pairs[best]), "d")
rows = []
for (a, b), (numbers, _) in qualities.items():
    agree = stats.estimate(np.median, similarity.rho(*pairs[a, b]))
    rows.append((f"{a.width}", f"{a.images_seen:,}", f"{agree:.2f}", *(f"{number:.2f}" for number in numbers.values())))
heads = ("width", "images seen", "c_AB", "gradient energy", "spectrum off by (dB)", "MMD ratio")
ledger.Table("Samples of the largest N against held-out faces, by network", heads, rows)

# %% tags=["hide-cell"]
limit = ledger.bounds("T23b", "avatars", scale)[1]
bands = qualities[best][1]

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
# The table has the pair whose functions were compared above and, where this scale has one, a wider pair trained on the same
# faces; the figures show the widest, and its numbers are held against the targets. Its samples have {glue:text}`energy` times
# the gradient energy of held-out faces ({glue:text}`energy_verdict`), their spectrum deviates by up to {glue:text}`deviation` dB ({glue:text}`deviation_verdict`), and their discrepancy is
# {glue:text}`mmd` times that of two held-out sets ({glue:text}`mmd_verdict`). {glue:text}`quality_words` Such numbers can also be met by
# faces that nobody would take for real: look at {numref}`fig-faces`.
#
# ## The same on photographs
#
# Now the networks of the photographs, with up to {glue:text}`photographs_n_largest` patches in each half, measured in the
# same ways. Read the nearness of samples to the training set with care: held-out patches, its null, were cut from the
# same photographs as the training patches, so that null is nearer than that of new scenes would be.

# %% tags=["hide-cell"]
compare_functions(patches)
draw(patches)
compare_samples(patches)
report(patches, "photographs_")
numbers, _ = quality(patches, drawn(patches, patches.sizes[-1]))
report_quality(patches, numbers, "photographs_")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-samples-photographs", "caption": "**Does each network repeat its own patches, or do A and B draw the same new one?** Patches of photographs, laid out as {numref}`fig-samples`."}, "image": {"alt": "Grid of sampled patches in blocks by N, each sample above its nearest training patch.", "classes": "dark-light"}}
draw_samples(patches, {n: drawn(patches, n) for n in (patches.few, patches.sizes[-1])})

# %% tags=["hide-input"]
agreement(patches)

# %% tags=["hide-input"]
nearness(patches)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-similarity-photographs", "caption": "**Where do the solid dark histogram, A against B, and the grey one, sample against training set, lie beside the dashed null?** Patches of photographs, lines as in {numref}`fig-similarity`."}, "image": {"alt": "Three histograms of similarity for each N: A against B, sample against nearest training patch, held-out patch against nearest training patch.", "classes": "dark-light"}}
draw_similarity(patches)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-patches", "caption": "**Could you tell them apart?** Upper rows: samples of network A at the largest N, the first seeds, none left out. Lower rows: held-out patches of photographs, the first ones."}, "image": {"alt": "Rows of sampled patches above as many rows of held-out patches of photographs.", "classes": "dark-light"}}
side_by_side(patches.samples[patches.sizes[-1], "A"], patches.held_out)

# %% [markdown]
# From the same noise, $c_{AB}$ is {glue:text}`photographs_c_ab_small` at $N$ = {glue:text}`photographs_n_smallest` and
# {glue:text}`photographs_c_ab_large` at $N$ = {glue:text}`photographs_n_largest`. From other noise it is
# {glue:text}`photographs_c_other_large` there: patches have little in common. Two Wiener denoisers from the same noise agree to
# {glue:text}`photographs_c_gauss`, so here too agreement has to be read beside the gain over Wiener. The nearest training
# patch is similar by {glue:text}`photographs_c_nn_small` and {glue:text}`photographs_c_nn_large`, that of a held-out patch
# by {glue:text}`photographs_c_null_small` and {glue:text}`photographs_c_null_large`. B's sample is closer to A's than any
# training patch of A in a share of {glue:text}`photographs_p_small` and {glue:text}`photographs_p_large` of the seeds.
# Strong generalization {glue:text}`photographs_strong_small` at $N$ = {glue:text}`photographs_n_smallest` and {glue:text}`photographs_strong_large` at
# the largest. With mirror images and shifts allowed, nearness at the largest $N$ is {glue:text}`photographs_moved`, and that
# of held-out patches {glue:text}`photographs_moved_null`. A share of {glue:text}`photographs_false_positives` of the held-out
# patches would count as copies (shares and the discrepancy below treat patches as independent).
#
# The samples have {glue:text}`photographs_energy` times the gradient energy of held-out patches
# ({glue:text}`photographs_energy_verdict`), their spectrum deviates by up to {glue:text}`photographs_deviation` dB
# ({glue:text}`photographs_deviation_verdict`), and their discrepancy is {glue:text}`photographs_mmd` times that of two
# held-out sets ({glue:text}`photographs_mmd_verdict`). By sampler, the lowest $c_{AB}$ is {glue:text}`sampler_photographs_UNet`:

# %% tags=["hide-input"]
by_sampler(patches)

# %% [markdown]
# ## What it comes to
#
# *What the paper says:* at $N = 10^5$ the two networks generate nearly the same image, and it is in neither training
# set (its Figure 2), after 250,000,000 images seen by each network. *What we find* are the numbers above, after
# {glue:text}`images_seen` images{glue:text}`wide_seen`. *Why:* the sampler maps the same noise through two functions that differ by a
# $V$ of {glue:text}`variance_large` at most for $\sigma$ from .02 to 1 ({glue:text}`T9b_avatars`), and by {glue:text}`variance_weak_large` at
# $\sigma$ = {glue:text}`sigma_weak`. If both were exact scores, they would be scores of one density; they are not exact, and they were compared on noisy images
# of their own kind only. All intervals here are over images or seeds for one pair of trainings; how much a second pair
# differs is not part of them.

# %% tags=["hide-cell"]
# The landing page shows the two ends of the transition.
from IPython.display import HTML
from myst_nb import glue

smallest, largest = faces.few, faces.sizes[-1]
picture = draw_samples(faces, {smallest: drawn(faces, smallest), largest: pairs[best]})
alt = (
    f"Sampled faces, each above its nearest training image: of networks A and B with {smallest} training images, "
    f"and with {largest:,}."
)
glue("faces", HTML(picture.html(alt)), display=False)
say("width_shown", best[0].width, "d")
shown = faces.denoisers | {(largest, run.half): runs.load(run) for run in best}  # the widest where there are several
walks = {}  # noise level and images of each network, on its way from the first four noises
for key, denoiser in shown.items():
    states = [(state.sigma[0].item(), state.y) for state in sampling.sample(denoiser, faces.start[:4])]
    walks[key] = [(1.0, faces.start[:4]), *states]
last = len(states)


def walk(n, step):
    """Both networks' images at one moment of the way from noise."""
    (sigma, a), (_, b) = (walks[n, half][step] for half in "AB")
    tiles = [Tile(y, f"network {half}", "", half) for half, batch in zip("AB", (a, b), strict=True) for y in batch]
    rho = similarity.rho(a, b).mean().item()
    where = f"After step {step} of {last}, noise of σ = {sigma:.2f} is left" if step else "The noise that both networks start from"
    which = f"N = {n:,}, width {best[0].width if n == largest else ours[0].width}"
    return Frame(tiles, f"{where}. {which}; above network A, below network B; each column, one noise. Similarity on average: {rho:.2f}.")


moments = Slider("step", "from noise to image, step", range(last + 1), range(0, last + 1, last // 4), last)
explorer = Explorer(walk, [Slider("n", "training images, N", faces.sizes, start=faces.sizes[-1], form="{:,}"), moments])
glue("walk", HTML(explorer.html()), display=False)
say("width_measured", ours[0].width, "d")
