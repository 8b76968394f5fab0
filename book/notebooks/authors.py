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
# # The authors' networks
#
# The paper's authors publish theirs: UNets and BF-CNNs of 80x80 pixels, of faces and of C^alpha images. Here chapters 2 to 5 are asked of
# these. It is no page of the book, since the weights cannot be shipped with it. Clone the repository and execute:
#
# ```sh
# git clone https://github.com/LabForComputationalVision/memorization_generalization_in_diffusion_models authors
# papermill book/notebooks/authors.py out.ipynb -p clone authors
# ```
#
# C^alpha images are drawn by the rules of the authors' code, so that their networks need no data. Faces need CelebA in `$GHR_DATA/celeba`. Which
# images a network was trained on is not published: all is measured on images of the same law, and faces may be among those it has seen.

# %% tags=["parameters"]
clone = None  # folder of the authors' repository (None: $GHR_DATA/authors)
sets = None  # image sets by the name of a folder that does not say so, e.g. {"disks": "discs"}
size = 80  # side of the images, pixels
images = 64  # to denoise
bases = 8  # images at which a network is differentiated: a matrix of 6,400 x 6,400 each
samples = 64  # of each network
seed = 0  # of the noise

# %%
from dataclasses import replace

from IPython.display import display

from ghr import experiments
from ghr.book import plots
from ghr.measure import beyond, rates, single

studies = experiments.published(clone, size, max(images, 4), sets)
largest = [max(study.denoisers, key=lambda key: (key[0], key[1] == "A")) for study in studies]
experiments.networks(*studies).show("Networks", images="", network="", n=",", label="", width="", parameters=",", images_seen=",")

# %% [markdown]
# ## Is it a shrinkage, in a basis that follows the image?
#
# The largest set of each kind, half A ([chapter 4](04_adaptive_basis.py)). `asym` is 0 for a symmetric matrix, `loss` the PSNR that its symmetric
# part alone gives away, `dimension` the squared error over that of one dimension, which for the optimum is `trace`.

# %%
found = []
for study, key in zip(studies, largest, strict=True):
    x, f = study.held_out[:bases], study.denoisers[key]
    found.append({sigma: [single.matrix(f, one, sigma, seed, most=256) for one in x.split(1)] for sigma in (0.1, 0.3)})
    title = f"{study.name}, {study.network}, N = {study.largest:,}"
    whole = single.geometry(found[-1])
    display(whole.show(f"Jacobians: {title}", sigma="", psnr=".1f", trace=".1f", dimension=".1f", asym=".2f", top=".2f", loss=".1f"))
    if len(x) > 2:
        indices, _ = single.adapted(found[-1], x, study.held_out)
        display(indices.show(f"Harmonic (H1) and adapted (H2 to H4): {title}", sigma="", basis="", h1=".2f", h2=".2f", h3=".2f", h4=".2f"))

# %%
ranks = [1, 2, 4, 8, 16, 32]
first = [some[0.1][0].filter.eigenvectors[[rank - 1 for rank in ranks]] for some in found]
plots.image_grid(first, [f"{study.name}\n{study.network}" for study in studies], [f"k = {rank}" for rank in ranks], signed=len(ranks))

# %% [markdown]
# ## How steeply does output rise with input?
#
# On C^alpha images, beside rivals on the same noisy images, and beside theory ([chapter 5](05_where_harmonics_are_optimal.py)).

# %%
alone = [replace(study, denoisers={key: study.denoisers[key]}) for study, key in zip(studies, largest, strict=True)]
regular = [study for study in alone if study.name.startswith("published")]
if regular:
    measured = rates.beside_rivals(regular, images, seed=seed)
    slopes, leads = rates.slopes(measured), rates.leads(measured)
    display(slopes.show("Slopes", images="", denoiser="", low="", high="", slope=".2f", named=".2f", true=".2f"))
    display(leads.show("Networks beside rivals", images="", network="", rival="", steeper=".2f", lead=".2f"))

# %% [markdown]
# ## Do two networks compute one function?
#
# Networks of both halves, where both are there ([chapters 2](02_memorization_to_generalization.py) and [3](03_two_networks_one_density.py)). `apart` is their
# disagreement as a PSNR, `residual` the similarity of their samples beyond what a mean and a covariance make of the common start.

# %%
for study in studies:
    common = beyond.common(study, range(samples), seed)
    numbers = {"error": ".1f", "apart": ".1f", "same_noise": ".2f", "floor": ".2f", "residual": ".2f", "null": ".2f"}
    if len(common):
        display(common.show(f"A and B: {study.name}, {study.network}", n=",", seeds="", **numbers))
