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
# # Shuffled pixels
#
# **Claim.** The harmonic basis is an inductive bias: the network brings it along, whether or not it suits the images. Faces
# whose pixels are permuted, all by one permutation, are such a case {cite:p}`kadkhodaie2024generalization`. The best
# denoiser of shuffled faces is that of faces with its pixels permuted, and exactly as good. The network's bias is not
# permuted with them.
#
# **Experiment.** We permute the pixels of all faces by one fixed permutation: of the whole image, or inside each block of a
# few pixels a side. On each of these image sets we train the network of the
# [second chapter](02_memorization_to_generalization.py) again, with the same faces, initial weights and recipe. Then we
# compare what it makes of the same noisy faces, shuffled and not. Nothing is lost by a shuffle but the order of the pixels, so
# what a network loses is what it owed to that order.

# %% tags=["parameters"]
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring, not for training

# %% tags=["hide-input"]
import numpy as np
import torch

from ghr import harmonic, jacobian, noise, runs, stats, synthetic
from ghr.book import ledger, plots
from ghr.book.ledger import say
from ghr.references import EmpiricalDenoiser, WienerDenoiser

run_a, run_b = runs.table(scale, "avatars")[-2:]  # the largest N
faces, half_b = runs.specimen(run_a), runs.specimen(run_b)
shuffled = [runs.specimen(run) for run in runs.classes(scale) if run.images.startswith("avatars-shuffled")]
side = faces.run.size
faces.block, faces.name = 1, "faces"  # blocks of one pixel: nothing moves
half_b.block = 1
for s in shuffled:
    block = s.run.images.removeprefix("avatars-shuffled").strip("-")
    s.block = int(block) if block else side
    s.name = f"blocks of {block}" if block else "whole image"
shuffled.sort(key=lambda s: s.block)
everything = [faces, *shuffled]
whole = shuffled[-1]
blocks = [s.block for s in everything]
d = faces.held_out[0].numel()
images_each = 4 if scale == "smoke" else 8  # faces at which whole Jacobians are taken


def moved(s, x):
    """Faces as a network sees them, their pixels shuffled."""
    return synthetic.shuffle(x, s.block)


def put_back(s, x):
    """Shuffled images, or vectors, with their pixels where they were."""
    return synthetic.shuffle(x, s.block, inverse=True)


def noisy(x, sigma):
    """Noisy faces; shuffled afterwards, so that each network gets the same noise at the same pixel of the face."""
    return noise.add_noise(x, sigma, torch.Generator().manual_seed(seed))


def joined(words):
    """Words in a row: a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


say("n", faces.run.n, ",")
say("side", side, "d")
say("sides", joined([f"{block}" for block in blocks[1:-1]]))

# %% [markdown]
# All networks here are bias-free UNets of half A, unless said, trained on the same {glue:text}`n` faces of
# {glue:text}`side` x {glue:text}`side` pixels. Blocks have a side of {glue:text}`sides` pixels, or are the whole image. Every block has a
# permutation of its own, the same in all images.
#
# Write $P$ for the permutation. If $f$ is the best denoiser of faces, then that of shuffled faces is
#
# $$f_P(y) = P f(P^{-1} y),$$ (eq-permuted)
#
# since white noise looks the same in any order. Its error is that of $f$, its Jacobian is $P J P^{-1}$: the same eigenvalues,
# and eigenvectors with their pixels permuted. All of this holds, too, for any learner that treats pixels as a list: the
# memorizing optimum and the Wiener denoiser of the second chapter learn shuffled faces exactly as well as faces.
#
# ## What is left of a face

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-shuffled", "caption": "**Compare the columns titled 'back' from top to bottom: all rows had the same face and the same noise.** Rows: faces, then shuffled inside blocks and over the whole image. Columns: what the network of that row is trained on; for each of two noise levels the noisy image, the network's answer, and the answer with its pixels put back."}, "image": {"alt": "A test face, its shuffled versions by size of the blocks, noisy at two levels, denoised, and denoised with the pixels put back.", "classes": "dark-light"}}
face = faces.held_out[1:2]
rows = []
for s in everything:
    row = [moved(s, face)]
    for sigma in (0.1, 0.3):
        y = moved(s, noisy(face, sigma))
        with torch.no_grad():
            x_hat = s.denoiser(y)
        row += [y, x_hat, put_back(s, x_hat)]
    rows.append(torch.cat(row))
labels = [s.name.replace(" ", "\n", 1) for s in everything]
plots.image_grid(rows, labels, ["clean", "σ = 0.1", "denoised", "back", "σ = 0.3", "denoised", "back"])

# %% [markdown]
# The third and the sixth image of a row are what the network gives, the fourth and the last are what a reader can judge. In
# the first row nothing is shuffled, so they are equal. The best denoiser would give the same face in every row.
#
# ## How much is lost
#
# We measure on test faces, with the noise moved along with the pixels. So every network has the same problem, up to the order
# of pixels, and the loss is a difference on the same faces and the same noise: PSNR of the mean squared error for faces, less that
# for shuffled faces, in dB. Two denoisers that do not care for the order stand beside the networks. The Wiener denoiser is fitted to each
# set's own training images; it is told the noise level, which the networks are not.

# %% tags=["hide-input"]
x = faces.held_out[:300]
named = (0.1, 0.3, 0.5)  # noise levels of the text
sigmas = np.sort(np.append(noise.SIGMAS, named))  # the paper's grid, and these
input_psnr = -20 * np.log10(sigmas)
middle = (sigmas >= 0.1) & (sigmas <= 0.5)  # where losses have their targets


def on_faces(s, denoiser):
    """A denoiser of shuffled images as one of faces: it shuffles, denoises and puts the pixels back."""
    return lambda y, sigma=None: put_back(s, denoiser(moved(s, y), sigma))


def errors(s, denoiser, x=x, at=sigmas):
    """Squared error of each face (columns) at each noise level (rows)."""
    told = {sigma: on_faces(s, denoiser) for sigma in map(float, at)}
    return np.stack([noise.denoising_mse(f, x, sigma, seed).numpy() for sigma, f in told.items()])


for s in everything:
    s.errors = errors(s, s.denoiser)
    s.wiener = errors(s, WienerDenoiser(runs.data(s.run).a))
half_b.errors = errors(half_b, half_b.denoiser)
memory = [errors(s, EmpiricalDenoiser(runs.data(s.run).a), x[:16], [0.3]) for s in (faces, whole)]
say("tested", len(x), "d")
control = max(np.abs(s.wiener / faces.wiener - 1).max() for s in shuffled), np.abs(memory[1] / memory[0] - 1).max()
rounding = np.finfo(np.float32).eps / sigmas.min()  # of a pixel, beside the smallest errors
for name, share in zip(("wiener_control", "memory_control"), control, strict=True):
    say(name, f"by a share of {share:.1g} at most" if share else "not at all")
say("rounding", rounding, ".1g")
say(
    "equal",
    "So the shuffled sets hold what the faces hold, and a learner that treats pixels as a list loses nothing."
    if max(control) < rounding
    else "That is more than rounding: the sets differ in more than the order of pixels, and what follows compares unlike things.",
)

# %% [markdown]
# First the control. The errors of Wiener on shuffled faces differ from those on faces
# {glue:text}`wiener_control`, over {glue:text}`tested` test faces and all noise levels; those of the memorizing optimum, on
# 16 faces at $\sigma = 0.3$ and shuffled as a whole, {glue:text}`memory_control`. Rounding in float32 would explain
# up to about {glue:text}`rounding`. {glue:text}`equal`

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-loss", "caption": "**At the left, how far above zero is the curve of the whole image, and are the others below it in the order of their blocks?** Test faces, 95% intervals over faces. Left: PSNR that a network loses when the pixels are shuffled, by block size, against input PSNR; orange, dotted: what half B's network of unshuffled faces is behind half A's, the measure of chance; grey: noise levels of the targets. Right: PSNR of the networks less that of the Wiener denoiser; above zero the network knows more than mean and covariance."}, "image": {"alt": "Left, PSNR lost by shuffling against input PSNR, one curve for each block size, and a curve for the other half. Right, PSNR of each network less Wiener's against input PSNR.", "classes": "dark-light"}}
def gaps(first, second):
    """PSNR of the first less PSNR of the second, at each noise level."""
    return [stats.estimate(stats.psnr_gap, a, b) for a, b in zip(first, second, strict=True)]


figure, (left, right) = plots.panels(2, columns=2, height=2.9)
left.axvspan(input_psnr[middle].min(), input_psnr[middle].max(), color=plots.FAINT, alpha=0.3, linewidth=0)
for s in everything:
    s.loss, s.over_wiener = gaps(faces.errors, s.errors), gaps(s.errors, s.wiener)
    style = {"color": plots.shade(s.block, blocks), "label": s.name}
    plots.band(left, input_psnr, s.loss, **style)
    plots.band(right, input_psnr, s.over_wiener, **style)
half_b.loss = gaps(faces.errors, half_b.errors)
plots.band(left, input_psnr, half_b.loss, color=plots.HALF["B"], linestyle=":", label="faces, half B")
left.set(xlabel="input PSNR (dB)", ylabel="PSNR lost by shuffling (dB)")
right.set(xlabel="input PSNR (dB)", ylabel="network − Wiener (dB)")
right.axhline(0, color=plots.INK, linewidth=0.6)
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% tags=["hide-input"]
def held_by_averages(s):
    """Share of the faces' variance that block averages hold: shuffling inside blocks leaves them as they are."""
    centred = x - x.mean(0)
    averages = torch.nn.functional.avg_pool2d(centred, s.block)
    return (averages.square().sum() * s.block**2 / centred.square().sum()).item()


def least_loss(plain, shuffled, axis):
    """The smallest loss over noise levels."""
    return stats.psnr_gap(plain, shuffled, axis).min(0)


def least_rise(*by_block, axis):
    """The smallest rise of the loss from one block size to the next, over sizes and noise levels."""
    return -np.diff([stats.psnr_of_mean(e, axis) for e in by_block], axis=0).max((0, 1))


def with_verdict(entry):
    """Number and verdict, for the text."""
    return f"{entry.measured:.2f} dB (target {entry.target}: {entry.verdict})"


def enter(id, measured):
    """Hold a number against its target."""
    return ledger.enter(id, whole.run.images, scale, measured, "07")


loss = enter("T18a", stats.estimate(least_loss, faces.errors[middle], whole.errors[middle]))
rise = enter("T18b", stats.estimate(least_rise, *(s.errors[middle] for s in shuffled)))
say("T18a", with_verdict(loss))
say("T18b", with_verdict(rise))
chance = max((half_b.loss[k] for k in np.flatnonzero(middle)), key=lambda e: abs(e.value))
say("chance", chance, ".2f")
top = max(range(len(sigmas)), key=lambda k: whole.loss[k].value)
say("most_lost", whole.loss[top], ".1f")
peaks = []
for s in shuffled:
    k = max(range(len(sigmas)), key=lambda k: s.loss[k].value)
    peaks.append(f"{s.name}: most at input {input_psnr[k]:.0f} dB, {s.loss[k]:.1f} dB, and {s.loss[-1]:.1f} dB at {input_psnr[-1]:.0f} dB")
say("peaks", "; ".join(peaks))
say("most_lost_at", input_psnr[top], ".0f")
places = [int(np.flatnonzero(sigmas == sigma)[0]) for sigma in named]
rows = [
    (
        s.name,
        *("-" if s is faces else f"{s.loss[k]:.2f}" for k in places),
        *(f"{s.over_wiener[k]:.2f}" for k in places),
        f"{held_by_averages(s):.2f}",
    )
    for s in everything
]
heads = (
    "images",
    *(f"lost (dB), σ = {sigma}" for sigma in named),
    *(f"over Wiener (dB), σ = {sigma}" for sigma in named),
    "variance in block averages",
)
ledger.Table("PSNR lost by shuffling, and PSNR over Wiener, by block size", heads, rows)

# %% tags=["hide-cell"]
def stands(s):
    """At how many of the noise levels of the targets a network is better or worse than Wiener."""
    inside = [s.over_wiener[k] for k in np.flatnonzero(middle)]
    better, worse, all_of_them = sum(e.low > 0 for e in inside), sum(e.high < 0 for e in inside), len(inside)
    undecided = all_of_them - better - worse
    return f"better than Wiener at {better} of {all_of_them} noise levels, worse at {worse}, and undecided at {undecided}"


for s, name in ((faces, "faces"), (whole, "whole")):
    for k, sigma in zip(places, ("1", "3", "5"), strict=True):
        say(f"{name}_over_{sigma}", s.over_wiener[k], ".2f")
say("stands_faces", stands(faces))
say("stands_whole", stands(whole))
say("stands_smallest", stands(shuffled[0]))
say("smallest_block", shuffled[0].block, "d")
beaten = max(e.high for e, inside in zip(whole.over_wiener, middle, strict=True) if inside)
left_over = min(e.low for e, inside in zip(whole.over_wiener, middle, strict=True) if inside)
say(
    "order_blind",
    "It does not even reach what a linear learner, who knows no order, gets from the same images."
    if beaten < 0
    else "It keeps something that no linear learner has, at each of these levels."
    if left_over > 0
    else "Whether it keeps something that a linear learner lacks depends on the noise level.",
)

# %% [markdown]
# From $\sigma = 0.1$ to $0.5$ the smallest loss of a whole shuffle is {glue:text}`T18a`. Over all noise levels the loss is largest at
# input {glue:text}`most_lost_at` dB: {glue:text}`most_lost` dB. Half B's network of unshuffled faces is
# {glue:text}`chance` dB behind half A's (negative: ahead) where they differ most from $\sigma = 0.1$ to $0.5$; a loss of that size would
# be nothing. The smallest rise of the loss from one block size to the next larger one, over the same noise levels, is
# {glue:text}`T18b`. (The smallest of many differences is a hard test: one pair of curves that meet at one noise level decides it.)
#
# *Is it still better than linear?* On faces the network stands to Wiener as {glue:text}`faces_over_1`, {glue:text}`faces_over_3` and
# {glue:text}`faces_over_5` dB at $\sigma$ = 0.1, 0.3 and 0.5, and after a whole shuffle as {glue:text}`whole_over_1`,
# {glue:text}`whole_over_3` and {glue:text}`whole_over_5` dB. (Wiener is the same in both.) From $\sigma = 0.1$ to $0.5$ the network of
# faces is {glue:text}`stands_faces`; that of blocks of {glue:text}`smallest_block` is {glue:text}`stands_smallest`; that of the
# whole shuffle is {glue:text}`stands_whole`. {glue:text}`order_blind`
#
# *Why by blocks?* Shuffling inside a block leaves its average as it was. The last column has the share of the faces' variance (about
# the mean face) that these averages hold: the part of an image whose order survives. Finer than a
# block, the order is gone. Fine structure is what weak noise leaves to be seen, so one would expect small blocks to cost most at the right of
# {numref}`fig-loss`, and only large ones at the left, too. What we see: {glue:text}`peaks`.
#
# ## Would a longer training mend it?
#
# A network that learns slowly is not one that cannot learn. The training log tells how the loss went.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-log-shuffled", "caption": "**Do the curves at the right still fall at the end?** Left: output PSNR at input 20 dB (σ = 0.1, grey line) against images seen in training, training images solid, test images dotted, by block size. Right: test PSNR of the network of faces less that of shuffled faces at the same time, from the same log."}, "image": {"alt": "Left, PSNR against images seen on a log axis for faces and shuffled faces. Right, loss against images seen.", "classes": "dark-light"}}
column = runs.LOG_SIGMAS.index(0.1)
figure, (left, right) = plots.panels(2, columns=2, height=2.6)
for s in everything:
    log = runs.log(s.run)
    s.seen = np.array(log["images_seen"])
    s.train, s.test = (np.array(log[kind])[:, column] for kind in ("train", "test"))
    colour = plots.shade(s.block, blocks)
    left.plot(s.seen, s.train, "-", color=colour, label=s.name)
    left.plot(s.seen, s.test, ":", color=colour)
    right.plot(s.seen, faces.test - s.test, color=colour, marker="o", markersize=3)
left.axhline(20, color=plots.FAINT)
left.set(xlabel="images seen", ylabel="output PSNR (dB)", xscale="log")
right.set(xlabel="images seen", ylabel="lost by shuffling (dB)", xscale="log")
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% tags=["hide-cell"]
trail = faces.test - whole.test
half_way = np.flatnonzero(whole.seen <= 0.6 * whole.seen[-1])[-1]
say("half_way", whole.seen[half_way], ",")
say("images_seen", whole.seen[-1], ",")
say("lost_half_way", trail[half_way], ".2f")
say("lost_at_end", trail[-1], ".2f")
say("memory_whole", whole.train[-1] - whole.test[-1], ".2f")
say("memory_faces", faces.train[-1] - faces.test[-1], ".2f")
change = trail[-1] - trail[half_way]
say(
    "longer",
    f"The loss {'shrank' if change < 0 else 'grew'} by {abs(change):.2f} dB in between, while the network of shuffled faces itself "
    f"{'gained' if whole.test[-1] > whole.test[half_way] else 'lost'} {abs(whole.test[-1] - whole.test[half_way]):.2f} dB.",
)

# %% [markdown]
# At $\sigma = 0.1$ the loss of a whole shuffle was {glue:text}`lost_half_way` dB after {glue:text}`half_way` images and is
# {glue:text}`lost_at_end` dB at the end, after {glue:text}`images_seen`. {glue:text}`longer` (The log has no intervals, and the learning
# rate falls to zero at the end, so the last step says little about a training of twice the length.) Training images come out better
# than test images by {glue:text}`memory_whole` dB when shuffled as a whole, and by {glue:text}`memory_faces` dB when not. Where the first
# is as small as the second, the network does not memorize instead: it fails on its own training images alike.
#
# ## Which basis does it find?
#
# As in [chapter 4](04_adaptive_basis.py) we differentiate the networks at noisy test faces and take the eigenvectors of the symmetric
# part of $J$. If the network were as free as the optimum, then its eigenvectors, with the pixels put back, would be those of
# the network of faces.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-shuffled-basis", "caption": "**Look for the face in the rows marked 'back', and for waves in the rows above them.** One test face at σ = 0.3. Rows: the network of faces; then, for each shuffle, what the network of shuffled faces sees, and the same with the pixels put back. Columns: noisy, denoised, and eigenvectors by rank k, blue below zero, red above."}, "image": {"alt": "For faces and each shuffle: noisy image, denoised image, and eigenvectors by rank, as they are and with the pixels put back.", "classes": "dark-light"}}
level = 0.3  # the paper's, for shuffled faces
chosen = faces.held_out[:images_each]
most = d // 2  # eigenvectors that are kept
for s in everything:
    s.vectors, s.values, s.traces, s.asym, s.left = [], [], [], [], []
    for clean, y in zip(chosen, moved(s, noisy(chosen, level)).split(1), strict=True):
        j = jacobian.jacobian(s.denoiser, y)
        basis = jacobian.eigenbasis(j, y.shape[1:])
        s.vectors.append(basis.eigenvectors[:most].clone())  # a view would keep the rest in memory
        s.values.append(basis.eigenvalues.numpy())
        s.traces.append(j.trace().item())
        s.asym.append(jacobian.asymmetry(j))
        with torch.no_grad():
            s.left.append((put_back(s, s.denoiser(y)) - clean).square().mean().item())
    s.traces, s.left, s.values = np.array(s.traces), np.array(s.left), np.array(s.values)
    s.back = [put_back(s, vectors) for vectors in s.vectors]

ranks = (1, 3, 8, 20, 50)
rows, labels = [], []
for s in everything:
    y = moved(s, noisy(chosen, level))[1:2]
    with torch.no_grad():
        row = torch.cat([y, s.denoiser(y), s.vectors[1][[rank - 1 for rank in ranks]]])
    rows.append(row)
    labels.append(s.name.replace(" ", "\n", 1))
    if s is not faces:
        rows.append(put_back(s, row))
        labels.append("back")
plots.image_grid(rows, labels, ["noisy", "denoised"] + [f"k = {rank}" for rank in ranks], signed=len(ranks))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-shuffled-eigenvalues", "caption": "**For the optimum all these curves would be one.** Eigenvalues of the Jacobian by rank at σ = 0.3, mean over test faces with 95% intervals, by block size. Crosses: the paper's for faces shuffled as a whole, of 80 x 80 pixels. Grey: 0 and 1."}, "image": {"alt": "Eigenvalues against rank for faces and shuffled faces, with five numbers from the paper.", "classes": "dark-light"}}
paper = {5: 1.182, 17: 1.07, 29: 0.974, 41: 0.91, 53: 0.87}
shown = np.unique(np.geomspace(1, most, 30).round().astype(int))
figure, (ax,) = plots.panels(1, height=2.8)
for limit in (0, 1):
    ax.axhline(limit, color=plots.FAINT, linewidth=0.8)
for s in everything:
    curve = [stats.estimate(np.mean, s.values[:, k - 1]) for k in shown]
    plots.band(ax, shown, curve, color=plots.shade(s.block, blocks), label=s.name)
ax.plot(list(paper), list(paper.values()), "x", color=plots.INK, label="paper, whole image")
ax.set(xlabel="rank k", ylabel="eigenvalue", xscale="log")
plots.legend(ax)
plots.Picture(figure)

# %% tags=["hide-input"]
rows = [
    (f"{k}", f"{number}", *(f"{stats.estimate(np.mean, s.values[:, k - 1]):.2f}" for s in (whole, faces)))
    for k, number in paper.items()
]
heads = ("rank k", "paper, whole image, 80 x 80", f"whole image, {side} x {side}", f"faces, {side} x {side}")
ledger.Table("Eigenvalues at sigma = .3", heads, rows)

# %% [markdown]
# The paper's images have {glue:text}`pixels_ratio` times as many pixels as ours, so equal ranks are not equal shares of the
# dimensions; compare how slowly the eigenvalues fall, not their level.
#
# Three more questions. How many dimensions are kept, against the network of faces: the optimum would keep as many. Is its basis, with
# the pixels put back, that of the network of faces at the same face? And does it depend on the image at all, or is it one fixed
# basis, as Wiener's is? The alignment of chapter 4, the share of one subspace that lies in another, answers the last two. $K$,
# the number of vectors compared, is $\mathrm{tr} J$ of the network of faces at each face, since that of the optimum does not change when
# pixels are shuffled.

# %% tags=["hide-input"]
counts = np.clip(faces.traces.round(), 3, most).astype(int)
principal = harmonic.principal(runs.data(faces.run).a, most).float()


def agreement(first, second):
    """Alignment of the first K vectors of two bases, face by face."""
    pairs = zip(first, second, counts, strict=True)
    return stats.estimate(np.mean, np.array([harmonic.alignment(u[:k], v[:k]) for u, v, k in pairs]))


def consistency(left, traces, axis):
    """SC: error over sigma^2 tr J, per pixel."""
    return left.mean(axis) * d / (level**2 * traces.mean(axis))


rows = []
for s in everything:
    s.trace, s.sc = stats.estimate(np.mean, s.traces), stats.estimate(consistency, s.left, s.traces)
    s.as_faces = agreement(s.back, faces.vectors)
    s.as_principal = agreement(s.back, [principal] * images_each)
    s.as_next = agreement(s.back, [*s.back[1:], s.back[0]])
    asym = stats.estimate(np.mean, np.array(s.asym))
    numbers = (f"{e:.2f}" for e in (s.sc, asym, s.as_faces, s.as_principal, s.as_next))
    rows.append((s.name, f"{s.trace:.0f}", *numbers))
for s, name in ((faces, "faces"), (whole, "whole")):
    say(f"trace_{name}", s.trace, ".0f")
    say(f"sc_{name}", s.sc, ".2f")
    say(f"as_principal_{name}", s.as_principal, ".2f")
    say(f"as_next_{name}", s.as_next, ".2f")
say("as_faces", whole.as_faces, ".2f")
say("by_chance", counts.mean() / d, ".2f")
say("images_each", images_each, "d")
say("pixels_ratio", 80**2 / d, ".1f")
heads = ("images", "tr J", "SC", "asym", "in the faces' network's", "in principal components", "in its own at the next face")
ledger.Table("Jacobians and alignment of bases at sigma = .3", heads, rows)

# %% [markdown]
# Over {glue:text}`images_each` test faces the network of faces keeps {glue:text}`trace_faces` dimensions, that of the whole shuffle
# {glue:text}`trace_whole`. SC is the error over what the kept dimensions account for, 1 at the optimum: {glue:text}`sc_faces` and
# {glue:text}`sc_whole`. (asym is that of chapter 4: 0 for a symmetric $J$.) With pixels put back, the basis of the whole shuffle
# lies in that of the network of faces to {glue:text}`as_faces` (chance: {glue:text}`by_chance`), and in the principal components to {glue:text}`as_principal_whole`; the
# bases of the network of faces themselves lie in the principal components to {glue:text}`as_principal_faces`. From one face to
# the next the basis stays the same to {glue:text}`as_next_whole` when shuffled, and to {glue:text}`as_next_faces` when not; 1 would be a fixed
# filter, as Wiener's.
#
# ## Harmonic on which grid?
#
# A network that brings harmonic vectors along should have them on the grid that it sees, however scrambled the image there: H1 of
# chapter 4, frequency grows with the rank, would be high before the pixels are put back and low after. A network that is free would have
# the opposite: on the shuffled grid the vectors of faces *moved along*, and all four indices of the network of faces once the pixels
# are back. So we take H1 to H4 twice: on the shuffled grid with the clean shuffled face as the image, and on the grid of faces with the
# clean face.
#
# Vectors moved along are scrambled on that grid, and any basis in some order of frequency beats them there. So two more controls stand on
# the shuffled grid: the principal components of the shuffled faces (those of faces, moved along), and the basis of an *untrained*
# network at the same noisy shuffled faces, of which only the normalization has seen images, noisy ones as in training. What the
# untrained network has, too, comes with the architecture and not from training.

# %% tags=["hide-input"]
def difference(a, b, axis):
    """Mean of one basis less that of another, at the same faces."""
    return (a - b).mean(axis)


def untrained(s):
    """Eigenvectors of the network before its first step; only its normalization has seen images, noisy ones."""
    network = runs.untrained(s.run, runs.data(s.run).a, seed)
    jacobians = (jacobian.jacobian(network, y) for y in moved(s, noisy(chosen, level)).split(1))
    return [jacobian.eigenbasis(j, chosen.shape[1:]).eigenvectors[:most].clone() for j in jacobians]


judged = [
    ("faces", "faces' network", "faces", harmonic.indices(faces.vectors, counts, chosen)),
    ("faces", "principal components", "faces", harmonic.indices([principal] * images_each, counts, chosen)),
]
for s in shuffled:
    bases = {
        "its network": s.vectors,
        "faces' network, moved along": [moved(s, vectors) for vectors in faces.vectors],
        "principal components, moved along": [moved(s, principal)] * images_each,
    }
    if s is whole:  # the one of the text: whole Jacobians are slow
        bases["an untrained network"] = untrained(s)
    judged += [(s.name, name, "shuffled", harmonic.indices(b, counts, moved(s, chosen))) for name, b in bases.items()]
    judged.append((s.name, "its network, pixels put back", "faces", harmonic.indices(s.back, counts, chosen)))
rows = []
for *words, found in judged:
    rows.append((*words, *(f"{stats.estimate(np.mean, found[index]):.2f}" for index in harmonic.INDICES)))
ledger.Table("Harmonicity of bases at sigma = .3", ("images", "basis", "grid", *harmonic.INDICES), rows)

# %% tags=["hide-cell"]
of_faces, of_pca, *_, own, along, pca_along, before, back = (found for *_, found in judged)
for name, found in (("faces", of_faces), ("own", own), ("along", along), ("untrained", before), ("back", back)):
    for index in ("H1", "H2", "H4"):
        say(f"{index}_{name}", stats.estimate(np.mean, found[index]), ".2f")
say("H1_pca", stats.estimate(np.mean, of_pca["H1"]), ".2f")
say("H1_pca_along", stats.estimate(np.mean, pca_along["H1"]), ".2f")
controls = {
    "the moved vectors of the network of faces": along,
    "the moved principal components": pca_along,
    "the vectors of an untrained network": before,
}
lead = {name: stats.estimate(difference, own["H1"], found["H1"]) for name, found in controls.items()}
for key, e in zip(("along", "pca", "untrained"), lead.values(), strict=True):
    say(f"H1_over_{key}", e, "+.2f")
unbeaten = [name for name, e in lead.items() if e.low <= 0 <= e.high]
beaten = [name for name, e in lead.items() if e.high < 0]
judgements = [f"not measurably more harmonic than {joined(unbeaten)}"] if unbeaten else []
judgements += [f"measurably less harmonic than {joined(beaten)}"] if beaten else []
say(
    "bias",
    f"On the grid that the network sees they are {', and '.join(judgements)}: by this index no bias of the trained network is shown."
    if judgements
    else "They are more harmonic on the grid that the network sees than each of these: a bias is there where nothing in the images "
    "asks for it, and the trained network has more of it than the untrained one.",
)
say(
    "costs",
    "Shuffling the whole image costs the network PSNR at every noise level from 0.1 to 0.5"
    if loss.low > 0
    else "Shuffling the whole image does not measurably cost the network PSNR at every noise level from 0.1 to 0.5",
)
say(
    "graded",
    "the loss grows from each block size to the next at all of them"
    if rise.low > 0
    else "the loss does not grow from each block size to the next at all of them"
    if rise.high < 0
    else "whether it grows from each block size to the next at all of them is undecided",
)

# %% [markdown]
# For the whole shuffle and its network: on the shuffled grid H1 of its own vectors is {glue:text}`H1_own`. The vectors of the network of
# faces, moved along, have {glue:text}`H1_along`, a difference of {glue:text}`H1_over_along`; principal components, moved along,
# {glue:text}`H1_pca_along` ({glue:text}`H1_over_pca`); an untrained network {glue:text}`H1_untrained`
# ({glue:text}`H1_over_untrained`). {glue:text}`bias` With pixels put back the network's H1 is {glue:text}`H1_back` (network
# of faces: {glue:text}`H1_faces`). Geometry gain H2 is {glue:text}`H2_own` on the shuffled grid (moved along: {glue:text}`H2_along`, untrained:
# {glue:text}`H2_untrained`) and {glue:text}`H2_back` with pixels put back (network of faces: {glue:text}`H2_faces`); alignment H4 is {glue:text}`H4_own` (moved along:
# {glue:text}`H4_along`, untrained: {glue:text}`H4_untrained`) and {glue:text}`H4_back` (network of faces: {glue:text}`H4_faces`). H2 and H4 near 0 mean a basis that does not
# know its image, on that grid. As in chapter 4, principal components have 0 in the mean by construction; H1 they have too: {glue:text}`H1_pca`.
#
# ## What it comes to
#
# *What the paper says:* it counts shuffled faces (its Figures 20 and 21) among the images whose best basis is not harmonic, and finds the
# network worse there than the optimum, which is that of faces with its pixels permuted. *What we find:* {glue:text}`costs` (smallest
# loss {glue:text}`T18a`); {glue:text}`graded` (smallest rise {glue:text}`T18b`). Against Wiener, which does not care for the order, the network is
# {glue:text}`stands_whole` when the whole image is shuffled.
#
# *Why?* A permutation keeps every statistic that a learner without a notion of order could use: all means, covariances and higher
# moments of the pixels, all distances between images. Neither the number of images nor the optimum changes. What changes is who
# is neighbour to whom, and the convolutional network is built on that: it joins neighbours first, averages neighbours when it pools, and
# uses the same weights everywhere. What is lost is therefore the architecture's share in denoising faces. It is not the
# whole of what the network knows of them: in blocks the coarse order is intact.
#
# *What it does not show.* The loss is measured for one training of each network, and the intervals are over faces; the loss of half
# B's network in {numref}`fig-loss` says how much chance there is in one training. It is the loss of this network at this
# length of training. And a loss under shuffling shows *that* order matters to the network, not that harmonic bases along contours are the
# reason: for that the four indices stand, over {glue:text}`images_each` faces.
