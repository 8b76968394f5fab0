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
# # Where harmonics are optimal
#
# ```{admonition} In short
# **Claim.** For images of two smooth regions that meet along a smooth contour mathematics knows the best bases:
# harmonics along the contour. On such images a trained denoiser comes close to the best possible rate
# {cite:p}`kadkhodaie2024generalization`.
#
# **What we found.** The network is better than a fixed wavelet threshold, and than bandlets with straight contours, on
# every kind of such images. {claim}`levels-above-wavelets` At α = 1 an affine map is nearly as good.
# {claim}`wiener-is-near-at-the-roughest` But its errors fall no faster with the noise,
# {claim}`slopes-not-above-wavelets` and that pace cannot tell who follows contours. {claim}`passing-shows-no-geometry`
# Where the optimum is known exactly, the network comes within half a decibel of it.
# {claim}`fields-within-half-a-decibel`
#
# **The figure:** {numref}`fig-lead`.
# ```

# %% tags=["parameters", "hide-input"] mystnb={"code_prompt_show": "Parameters", "code_prompt_hide": "Parameters"}
scale = "laptop"  # table of runs: "smoke", "laptop" or "paper"
seed = 0  # of the noise used for measuring, not for training

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: networks and images", "code_prompt_hide": "Code: networks and images"}
import numpy as np
import torch

from ghr import experiments, noise
from ghr.book import plots, results
from ghr.book.widgets import Explorer, Frame, Slider, Tile
from ghr.denoiser import denoise
from ghr.measure import approach, bases, gaussian_fields, rates
from ghr.measure.denoising import networks
from ghr.references import WaveletDenoiser

tested, many = (12, 3) if scale == "smoke" else (64, 6)  # test images, scenes
regular = experiments.classes(scale, "c_alpha-", "hoelder-")  # one network each
(fields,) = experiments.classes(scale, "fields-")
paper = [s for s in regular if rates.regularity(s.name).authors and s.network == "UNet"]  # the paper's kinds of images
size, d = fields.held_out.shape[-1], fields.held_out[0].numel()
results.keep(networks=networks(*regular, fields))

# %% [markdown]
# ## The images
#
# A random contour divides the image; each side has a grey level and a random smooth field. In a region of *regularity*
# $\alpha$ a polynomial fitted at any point is wrong by about $\delta^\alpha$ at distance $\delta$. So it is along the
# contour.
#
# Regions and contours are white noise whose frequencies $\omega$ are damped by $|\omega|^{-e}$. In $k$ dimensions white
# noise has regularity $-k/2$, and so damped $e - k/2$ (just not reached). The paper takes $e = \alpha$: $\alpha - 1$ in
# the plane, $\alpha - 1/2$ on a line. For $\alpha$ in Hölder's sense $e$ must be $\alpha + 1$ and $\alpha + 1/2$. We
# draw both kinds, and call the second "Hölder". (Levels and edges are ours.)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 5.1", "figure": {"name": "fig-regular", "caption": "**The larger α, the smoother regions and contour; Hölder images are smoother than those with the authors' exponents.** One scene, from the same random numbers in all pictures."}, "image": {"alt": "Grey images of two regions that meet along a contour. At α = 1 regions and contour are rough, at α = 5 both are smooth.", "classes": "dark-light"}}
kinds = {"authors'": "c_alpha", "Hölder": "hoelder"}
regularities = [[rates.regularity(f"{kind}-{alpha}") for alpha in rates.PAPER] for kind in kinds.values()]
rows = [torch.cat([rates.scenes(many, size, kind, seed)[:1] for kind in row]) for row in regularities]
plots.image_grid(rows, list(kinds), [f"α = {alpha}" for alpha in rates.PAPER])

# %% [markdown]
# **What theory says.** Keep the best $M$ vectors of a basis: what is left out costs $M^{-\alpha}$, what is kept costs
# $M \sigma^2$ of noise. The sum is least at $M = \sigma^{-2/(\alpha+1)}$, where
#
# $$\mathrm{MSE} \sim \sigma^{2\alpha/(\alpha+1)}, \qquad\text{that is}\qquad
# \mathrm{PSNR}_{out} = \frac{\alpha}{\alpha+1}\, \mathrm{PSNR}_{in} + \mathrm{const}.$$ (eq-rate)
#
# Bases that follow the contour leave out $M^{-\alpha}$, nearly {cite:p}`lepennec2005sparse,peyre2008orthogonal`, and no
# denoiser has a better rate for all such images {cite:p}`korostelev1993minimax`. Wavelets leave out $M^{-1}$ however
# smooth the image is: a slope of 1/2. All this is for vanishing noise and ever more pixels; we have
# {num}`networks[images=c_alpha-1].side` a side.
#
# ## Output against input
#
# One network is trained on each kind. Three rivals get the same noisy images, and the noise level:
#
# - **TI {term}`db4`** sets wavelet coefficients below $3\sigma$ to 0, averaged over all shifts
#   {cite:p}`coifman1995translation`. It sees no contours.
# - **{term}`Bandlets <bandlets>`** do so in a basis that follows contours {cite:p}`peyre2008orthogonal`, ours in one
#   straight direction in each small square.
# - **Wiener** is the best affine denoiser, one basis for all images.

# %%
measured = rates.beside_rivals(regular, tested, seed=seed)  # squared errors by image set and denoiser
curves = rates.curves(measured)
slopes = rates.slopes(measured)
leads = rates.leads(measured)
results.keep(curves=curves, slopes=slopes, leads=leads)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: output against input PSNR, and the slope of theory", "code_prompt_hide": "Figure: output against input PSNR, and the slope of theory", "figure": {"name": "fig-regular-psnr", "caption": "**The network's curves are the highest at strong noise, and no steeper than those of wavelets.** {claim}`levels-above-wavelets` {claim}`slopes-not-above-wavelets` The paper's kinds of images. The slope of theory goes through the middle of the network's curve."}, "image": {"alt": "Panels of output PSNR against input PSNR, one for each kind of images: network, TI db4, bandlets, Wiener, the slope of theory and the diagonal.", "classes": "dark-light"}}
LINES = dict(zip(rates.RIVALS, [(plots.INK, ":"), (plots.INK, "--"), (plots.WIENER, "-")], strict=True))
LINES |= {"UNet": (plots.HALF["A"], "-"), "BFCNN": (plots.HALF["A"], "-.")}
at = rates.INPUT_PSNR
figure, axes = plots.panels(len(paper), columns=2, height=2.3, sharex=True, sharey=True)
for ax, study in zip(axes, paper, strict=True):
    ax.plot(at, at, color=plots.FAINT, label="noisy input")
    for name, rows in curves.where(images=study.name).by("denoiser"):
        colour, line = LINES[name]
        plots.band(ax, at, rows["output_psnr"], color=colour, linestyle=line, linewidth=1.2, label=name)
    kind, network = rates.regularity(study.name), curves.where(images=study.name, denoiser="UNet")["output_psnr"]
    theory = np.mean([e.value for e in network]) + kind.named * (at - at.mean())
    ax.plot(at, theory, color=plots.TRAINING, linestyle="-.", linewidth=1, label="slope of theory")
    ax.set(title=kind.label, xlabel="input PSNR (dB)", ylabel="output PSNR (dB)")
    ax.label_outer()
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 5.3", "figure": {"name": "fig-explore-regular", "caption": "**At strong noise the network draws a clean contour where wavelets leave a ragged one.** Below the pictures: PSNR."}}
by_alpha = {rates.regularity(s.name).alpha: s for s in paper}
RIVALS = {"TI db4": WaveletDenoiser(), "bandlets": rates.bandlets(size)}


def compared(alpha, sigma):
    """One image of a regularity, and the answers to it."""
    x, (network,) = by_alpha[alpha].held_out[:1], by_alpha[alpha].denoisers.values()
    y = noise.add_noise(x, sigma, torch.Generator().manual_seed(seed))
    found = {"noisy": y} | {name: denoise(f, y, sigma) for name, f in {"network": network, **RIVALS}.items()}
    numbers = {name: f"{noise.psnr(x, image).item():.1f} dB" for name, image in found.items()}
    tiles = [Tile(image[0], name, numbers[name], "A" if name == "network" else "") for name, image in found.items()]
    told = ", ".join(f"{name} {number}" for name, number in numbers.items())
    return Frame([Tile(x[0], "clean"), *tiles], f"α = {alpha:g}, σ = {sigma:.2f}: {told}.")


every = np.geomspace(0.02, 0.5, 29).tolist()  # noise levels
regularity = Slider("alpha", "regularity, α", list(by_alpha), start=list(by_alpha)[-1], form="{:g}")
Explorer(compared, [regularity, Slider("sigma", "noise, σ", every, every[::4], every[16], "{:.2f}")], columns=5)

# %% [markdown]
# ## Slopes or levels?
#
# Lines are fitted over input 9 to 33 dB.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 5.4", "figure": {"name": "fig-slopes", "caption": "**Slopes grow with α, for wavelets as well as for the network.** Slope of output on input PSNR, with 95% intervals, side by side to be seen. Theory: α/(α+1), α as named or, of the authors' images, in Hölder's sense."}, "image": {"alt": "Slopes against α with intervals for the network, TI db4, bandlets and Wiener, beside the curves of theory and the values of the paper.", "classes": "dark-light"}}
MARKS = {
    "UNet": (plots.HALF["A"], "o"),
    "TI db4": (plots.INK, "s"),
    "bandlets": (plots.INK, "D"),
    "Wiener": (plots.WIENER, "^"),
}
smooth, wide = np.linspace(1, 5, 100), [row for row in slopes.where(low=9) if row.alpha == row.contour]
figure, axes = plots.panels(2, height=2.8, sharex=True, sharey=True)
for ax, hoelder, title in zip(axes, (False, True), ("authors' exponents", "Hölder exponents"), strict=True):
    ax.plot(smooth, rates.rate(smooth), "--", color=plots.INK, linewidth=1, label="theory, as named")
    for place, (name, (colour, mark)) in enumerate(MARKS.items()):
        rows = [row for row in wide if (row.denoiser, row.hoelder) == (name, hoelder)]
        ends = np.transpose([(row.slope.value - row.slope.low, row.slope.high - row.slope.value) for row in rows])
        x, style = [row.alpha + 0.08 * (place - 1.5) for row in rows], {"mfc": "none", "markersize": 4, "linewidth": 1}
        ax.errorbar(x, [row.slope.value for row in rows], ends, fmt=mark, color=colour, label=name, **style)
    ax.set(title=title, xlabel="α", ylabel="slope", ylim=(0, 1))
axes[0].plot(smooth[smooth > 1.5], rates.rate(smooth[smooth > 1.5] - 1), "-.", color=plots.TRAINING, linewidth=1, label="theory, Hölder")
axes[0].plot(rates.PAPER.keys(), rates.PAPER.values(), "x", color=plots.INK, label="the paper's")
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: slopes"}
slopes.show("Slopes of output on input PSNR", images="", denoiser="", low="g", high="g", slope=".2f", named=".2f", true=".2f")

# %%
worst = rates.worst(measured)  # against TI db4, over all α
passing = rates.passing(slopes)  # who agrees with theory as well as the paper's slopes do?
variants = rates.variants(by_alpha[max(by_alpha)], tested // 2, seed)  # bandlets with more vanishing moments
beyond = rates.beyond(paper, tested, seed)  # TI db4 at weaker noise
results.keep(worst=worst, passing=passing, variants=variants, beyond=beyond)

# %% [markdown]
# The paper finds slopes near $\alpha/(\alpha+1)$, and concludes that the network is near-optimal (its
# Figures 4, 16 to 18). But ours is not *steeper* than TI db4. {claim}`slopes-not-above-wavelets` It is *better*, by
# more than 1 dB at every $\alpha$, in the mean over input 9 to 27 dB ({target}`T13`). {claim}`levels-above-wavelets`
# Over bandlets its least lead is {num}`worst[network=UNet].least_over_bandlets:.2f` dB ({target}`T13b`).

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: kinds of bandlets"}
variants.show(
    f"Bandlets at sigma = {rates.SOME}",
    {"moments": "vanishing moments", "border": "mirrored pixels", "output_psnr": "dB", "over_wavelets": "over TI db4 (dB)"},
    images="",
    moments="",
    border="",
    output_psnr=".2f",
    over_wavelets="+.2f",
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 5.5", "figure": {"name": "fig-lead", "caption": "**The network leads wavelets by decibels where noise is strong, and by less where it is weak.** {claim}`levels-above-wavelets` Output PSNR less that of TI db4 on the same noisy images of the paper's kinds, with 95% intervals."}, "image": {"alt": "Panels of output PSNR less that of TI db4 against input PSNR: network, bandlets and Wiener.", "classes": "dark-light"}}
figure, axes = plots.panels(len(paper), columns=2, height=2.1, sharex=True, sharey=True)
for ax, study in zip(axes, paper, strict=True):
    for name, rows in curves.where(images=study.name).by("denoiser"):
        colour, line = LINES[name]
        if name != rates.BASELINE:
            plots.band(ax, at, rows["over_wavelets"], color=colour, linestyle=line, linewidth=1.2, label=name)
    ax.axhline(0, color=plots.INK, linewidth=0.6)
    ax.set(title=rates.regularity(study.name).label, xlabel="input PSNR (dB)", ylabel="over TI db4 (dB)")
    ax.label_outer()
plots.legend(figure, ncols=3)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: the network beside its rivals"}
leads.show("The network beside its rivals", {"lead": "lead (dB)", "level": "its output (dB)"}, images="", network="", rival="", steeper="+.2f", lead="+.2f", level=".1f")

# %% [markdown]
# With the regularity that images really have ("true" in the table) the network is as steep as theory or steeper, to
# within .02, on all but the two smoothest kinds. {claim}`slopes-not-below-theory-but-on-the-smoothest` TI db4 is
# steeper still. {claim}`slopes-not-above-wavelets` (All these networks had one length of training; how slopes change
# with it was not looked at.)
#
# The paper's own slopes differ from $\alpha/(\alpha+1)$, with $\alpha$ as named, by up to
# {num}`passing[denoiser=UNet].tolerance:.2f`. With that tolerance TI db4, which follows no contour, passes at
# {num}`passing[denoiser=TI db4].passed` of {num}`passing[denoiser=TI db4].of` $\alpha$, the network at
# {num}`passing[denoiser=UNet].passed` of them. So the slope shows no geometry. {claim}`passing-shows-no-geometry`
#
# *Why* has a wavelet threshold such slopes, when theory gives it 1/2? In theory pixels shrink with the noise, and ever
# finer scales of the contour appear. Ours stay. Once noise is weaker than an edge, the contour costs a fixed number of
# coefficients, which alone gives a slope of 1; only the regions keep it lower, and any wavelet sees their smoothness.
# So at still weaker noise the slope should rise. It does, to {num}`beyond[after=min].after.value:.2f` or more over
# input 36 to 54 dB. {claim}`wavelet-slopes-rise` The contour shows in the level, the constant of {eq}`eq-rate`.
#
# ## An optimum that is known exactly
#
# A Gaussian field on a {term}`torus` with spectrum $s(\omega) \sim |\omega|^{-2\alpha}$, here
# $\alpha$ = 2, has no contour and an exact best denoiser: it multiplies each Fourier coefficient by
# $s / (s + \sigma^2)$. The best basis is Fourier's, for every image. The network is told neither spectrum, nor noise
# level, nor the torus.

# %%
losses, optimality = gaussian_fields.losses(fields, noise.SIGMAS[(noise.SIGMAS >= 0.02) & (noise.SIGMAS <= 0.7)], 2 * tested, seed)
scenes, filters = rates.differentiated([*regular, fields], 0.1, many, seed)  # clean images, and each network as a matrix
y = noise.add_noise(scenes[fields.name], 0.1, torch.Generator().manual_seed(seed))
own, best = filters[fields.name, fields.network], gaussian_fields.exact_basis(fields, y[-1:], 0.1)
subspaces = gaussian_fields.subspaces(bases.vectors(own), best)
results.keep(losses=losses, optimality=optimality, subspaces=subspaces)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 5.6", "figure": {"name": "fig-fields", "caption": "**The network loses least at strong noise; its eigenvalues fall like the optimum's, in nearly the same subspaces.** {claim}`weakest-noise-costs-most` {claim}`one-basis-of-waves` Left: PSNR lost against the optimum. Middle: eigenvalues, a line for each image, σ = 0.1. Right: share of K eigenvectors in other K-dimensional spaces."}, "image": {"alt": "Three panels: loss in dB against input PSNR; eigenvalues falling with rank, network beside optimum; alignment of subspaces against their dimension.", "classes": "dark-light"}}
figure, (first, second, third) = plots.panels(3, height=2.5)
plots.band(first, losses["input_psnr"], losses["loss"], color=plots.HALF["A"], label="network")
first.set(xlabel="input PSNR (dB)", ylabel="loss (dB)", ylim=(0, None))
ranks = np.arange(1, d // 2 + 1)
second.plot(ranks, torch.stack([f.eigenvalues[: d // 2] for f in own]).T, color=plots.HALF["A"], linewidth=0.9)
second.plot(ranks, best.eigenvalues[: d // 2], "--", color=plots.INK, linewidth=1, label="optimum")
second.set(xlabel="rank k", ylabel="eigenvalue", xscale="log")
for field, line, label in (("fourier", "-", "Fourier modes"), ("another", ":", "another image's")):
    plots.band(third, subspaces["k"], subspaces[field], color=plots.HALF["A"], linestyle=line, label=label)
third.plot(subspaces["k"], subspaces["chance"], color=plots.TRAINING, label="by chance")
third.set(xlabel="K, vectors", ylabel="alignment", ylim=(0, 1.02))
for ax in (first, second, third):
    plots.legend(ax, above=True)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Figure: the network's eigenvectors beside the optimum's", "code_prompt_hide": "Figure: the network's eigenvectors beside the optimum's", "figure": {"name": "fig-waves", "caption": "**The optimum's eigenvectors are plane waves; the network's are waves, too.** A Gaussian field at σ = 0.1 and eigenvectors by rank, blue below zero, red above; of the optimum's with one eigenvalue one is shown."}, "image": {"alt": "Two rows: noisy field, denoised field and five eigenvectors, for the network and for the exact optimum, whose eigenvectors are plane waves.", "classes": "dark-light"}}
ranks = torch.tensor([k for k in (2, 4, 8, 16, 32) if k <= d // 2])
titles = ["clean", "noisy", "denoised", *(f"k = {k}" for k in ranks)]
answers = [denoise(f, y[:1], 0.1) for f in (*fields.denoisers.values(), gaussian_fields.exact(fields))]
pictures = [torch.cat([scenes[fields.name][:1], y[:1], x_hat]) + 0.5 for x_hat in answers]  # fields have mean 0
vectors = [own[0].eigenvectors[ranks - 1], gaussian_fields.plane_waves(best.eigenvectors[ranks - 1]).float()]
plots.image_grid([torch.cat(row) for row in zip(pictures, vectors, strict=True)], ["network", "optimum"], titles, signed=len(ranks))

# %% [markdown]
# The network loses at most {num}`optimality.largest.value:.2f` dB, at the weakest noise ({target}`T14b`).
# {claim}`weakest-noise-costs-most` Its leading eigenvectors lie in the lowest Fourier modes to
# {num}`subspaces[nearest=True].fourier.value:.2f`, and in those at another image as well: nearly one basis of waves for
# all images. {claim}`one-basis-of-waves`
#
# ## Would more training help?
#
# Networks of the fields, and of images of two regions ($\alpha$ = 2), were trained on {num}`falls[seed=0].shortest:,` to
# {num}`falls[seed=0].longest:,` images, each to the end of a schedule of its own. (They are of the {term}`second edition`, the
# others of this chapter of the first.)

# %%
course, falls = approach.courses(experiments.scaling(scale, "fields-"), {}, tested, seed=seed)
led = approach.leads(experiments.scaling(scale, "c_alpha-"), measured, tested, seed=seed)
results.keep(course=course, falls=falls, led=led)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 5.8", "figure": {"name": "fig-longer", "caption": "**Longer training brings networks nearer to the optimum, and farther ahead of their rivals.** {claim}`longer-training-loses-less` {claim}`longer-training-leads-more` Left: PSNR lost against the optimum on Gaussian fields, σ = 0.04. Right: lead over rivals on images of two regions, mean over input 9 to 27 dB. Each point is a network, trained to the end; hollow: from another seed. 95% intervals over images."}, "image": {"alt": "Two panels against images seen in training. Left, the loss on Gaussian fields falls. Right, the lead over TI db4, bandlets and Wiener grows.", "classes": "dark-light"}}
figure, (left, right) = plots.panels(2, columns=2, height=2.6)
styles = {name: {"color": colour, "linestyle": line, "label": f"over {name}"} for name, (colour, line) in LINES.items()}
parts = [(left, course, "loss", {"color": plots.HALF["A"]}), *((right, some, "lead", styles[name]) for name, some in led.by("rival"))]
for ax, some, field, style in parts:
    first, again = some.where(seed=0), some.where(seed=1)
    plots.band(ax, first["images_seen"], first[field], marker=".", **style)
    plots.points(ax, again["images_seen"], again[field], color=style["color"])
left.set(xlabel="images seen in training", ylabel="loss (dB)", xscale="log", ylim=(0, None))
right.set(xlabel="images seen in training", ylabel="lead (dB)", xscale="log")
plots.legend(right, above=True)
plots.Picture(figure)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: networks of fields by images seen"}
course.show(images_seen=",", seed="", loss=".2f", excess=".3f", trace=".0f")

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: the lead by images seen"}
led.show("The lead by images seen", {"lead": "lead (dB)", "gained": "over the training before (dB)"}, images_seen=",", seed="", rival="", lead="+.2f", gained="+.2f")

# %% [markdown]
# More training would help. On the fields the loss at $\sigma$ = .04 falls from
# {num}`course[images_seen=min,seed=0].loss.value:.2f` to {num}`course[images_seen=max,seed=0].loss.value:.2f` dB.
# {claim}`longer-training-loses-less` (A second training of this length ends at the same loss, to .02 dB.
# {claim}`two-trainings-end-alike`) On images of two regions the last four times as many images still gained.
# {claim}`longer-training-leads-more` So a part of what is missing is a short training, on images for which harmonics
# are the best basis, too.
#
# ## Along the contour

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 5.9", "figure": {"name": "fig-contours", "caption": "**Eigenvectors follow the contour, and fewer dimensions, tr J, are kept the smoother the image is.** {claim}`bases-know-their-scene` {claim}`smoother-images-keep-less` One scene (authors' exponents) at σ = 0.1, denoised by the network of its α, and eigenvectors by rank."}, "image": {"alt": "Rows by α: clean, noisy and denoised image, and five eigenvectors of the network's Jacobian.", "classes": "dark-light"}}
rows, labels = [], []
for study in paper:
    x, part, (network,) = scenes[study.name], filters[study.name, "UNet"][0], study.denoisers.values()
    noisy = noise.add_noise(x, 0.1, torch.Generator().manual_seed(seed))[:1]
    rows.append(torch.cat([x[:1], noisy, denoise(network, noisy, 0.1), part.eigenvectors[ranks - 1]]))
    labels.append(f"{rates.regularity(study.name).label}\ntr J = {part.trace:.0f}")
plots.image_grid(rows, labels, titles, signed=len(ranks))

# %%
adaptation, gains = rates.adaptation(filters, scenes)
mixtures = rates.mixtures(measured)
results.keep(adaptation=adaptation, gains=gains, mixtures=mixtures)

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Table: adaptation of bases by regularity"}
adaptation.show("Adaptation of bases at sigma = .1", {"trace": "tr J"}, images="", network="", trace=".0f", h2="+.2f", h2_third="+.2f", h4="+.2f", h4_third="+.2f")

# %% [markdown]
# The network's basis knows its scene: in H2 and H4 of [chapter 4](04_adaptive_basis.py) it is
# {num}`gains[images=c_alpha,index=H2].gain.value:+.2f` and
# {num}`gains[images=c_alpha,index=H4].gain.value:+.2f` ahead of that at a third image, in the mean over all kinds with
# contours. {claim}`bases-know-their-scene` On Gaussian fields both are 0. {claim}`bases-of-fields-know-none` The
# smoother images are, the fewer dimensions are kept. {claim}`smoother-images-keep-less`
#
# Where regions ($\alpha$ = 3) and contour (1) are not equally regular, the regions decide the slope.
# {claim}`regions-decide`
#
# Bend one contour, and nothing else: who gains by it?

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code: Fig. 5.10", "figure": {"name": "fig-contour", "caption": "**A smoother contour helps the network by decibels, wavelets hardly.** Regions of α = 3 (authors' exponents) along a contour of 1 and of 5, from the same random numbers: clean, with noise (σ = 0.3), denoised by the network of α = 3, by TI db4. At the left: PSNR. Live: any regularity of regions and contour, new images, other noise, and networks of other images; below, PSNR for the same image with other contours. (Hölder images of α are those of α + 1 with a contour of α + 1/2.)"}}
from ghr.book.live import Live
from ghr.images.synthetic import c_alpha

contours, strong = (1.0, 5.0), 0.3
bent = torch.cat([c_alpha(1, size, 3.0, contour, generator=torch.Generator().manual_seed(seed + 1)) for contour in contours])
noisy_bent = torch.cat([noise.add_noise(x, strong, torch.Generator().manual_seed(seed)) for x in bent.split(1)])
(by_network,) = by_alpha[3.0].denoisers.values()
seen = [bent, noisy_bent, *(denoise(f, noisy_bent, strong) for f in (by_network, RIVALS["TI db4"]))]
levels = [[f"{value:.1f} dB" for value in noise.psnr(bent, answer)] for answer in seen[2:]]
sides = [f"contour {contour:g}\nnetwork {a}\nTI db4 {b}" for contour, a, b in zip(contours, *levels, strict=True)]
still = plots.image_grid([*torch.stack(seen, 1)], sides, ["clean", "noisy", "network", "TI db4"])
alt = f"Two regions along a jagged and along a smooth contour, with noise and denoised: {'; '.join(sides)}.".replace("\n", ", ")
kinds_of = {s.name: rates.regularity(s.name) for s in regular if s.network == "UNet"}
sets = {kind.label: name for name, kind in kinds_of.items() if not kind.hoelder}
Live("contour", still, alt, networks=" ".join(sets.values()), sets=sets, first=by_alpha[3.0].name)

# %% [markdown]
# ## What it comes to
#
# Bandlets, which follow contours by rule, gain a few tenths of a decibel over wavelets,
# {claim}`contours-by-rule-gain-tenths` networks more than one. {claim}`levels-above-wavelets`
#
# *Why?* Theory promises a rate in the limit, but no constant. At {num}`networks[images=c_alpha-1].side` pixels the
# constant counts, and a network of images of one law can have a better one than a basis for all images of one
# regularity. Intervals are over test images, for bases over few scenes, and not over trainings.
