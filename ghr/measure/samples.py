"""Same noise, two networks: the same image, a copy, a good one? A study enters, samples and numbers about them leave.

Both networks of an N walk from the same noise; `rho` is the centred cosine of two images. Nearness to a training set is
always read beside that of held-out images. Intervals are over sampling seeds, for held-out images over images; whole
regions of photographs are drawn into them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ghr import sampling, similarity
from ghr.experiments import Key, Study
from ghr.stats import Estimate, decibels, estimate, median_difference, ratio, share
from ghr.tables import Table

SEEDS = {10: 256}  #: sampling seeds by N, where a target is judged
SEEDS_LARGEST, SEEDS_BETWEEN = 512, 128  # of the largest N, where it takes more to see that copies are rare; elsewhere
COPY = 1 / 3  #: a copy is so many times nearer to one training image than to any other
TOLERANCE = 0.03  #: by which samples may be nearer to the training set than held-out images are, rho
MOVED_IMAGES, SHIFTS = 128, 3  # images whose mirror images and shifts are searched; shifts in pixels
SETS, LARGEST_SET = 200, 128  # random sets of images whose discrepancy is measured; images in each


@dataclass(frozen=True)
class Samples:
    """Samples of both halves' networks from the same noise, and how near each is to its training set."""

    study: Study  #: networks and images
    seeds: Mapping[int, Sequence[int]]  #: sampling seeds, by N
    images: Mapping[Key, Float[Tensor, "b c h w"]]  #: samples, by N and half
    walks: Mapping[
        int, Mapping[float, Float[Tensor, " b"]]
    ]  #: rho of what A and B see, by N and noise level on the way
    nearest: Mapping[
        Key, tuple[Float[Tensor, " b"], Int[Tensor, " b"]]
    ]  #: rho to the nearest training image; its place
    null: Mapping[Key, Float[Tensor, " m"]]  #: rho of as many held-out images to theirs

    def alike(self, n: int) -> Float[Tensor, " b"]:
        """Similarity of A's and B's samples from the same noise.

        Args:
            n: training images of the networks.

        Returns:
            rho, one for each seed.
        """
        return similarity.rho(self.images[n, "A"], self.images[n, "B"])

    def beside(
        self, n: int, half: str, chosen: slice = slice(8)
    ) -> tuple[Float[Tensor, "k c h w"], Float[Tensor, "k c h w"]]:
        """Some samples, and the training image most similar to each.

        Args:
            n: training images of the network.
            half: its half.
            chosen: which samples.

        Returns:
            Two rows of images.
        """
        return self.images[n, half][chosen], self.study.training(n, half)[self.nearest[n, half][1][chosen]]


@dataclass(frozen=True)
class Alike:
    """Agreement of the samples of two networks."""

    n: int  #: training images of each
    seeds: int  #: sampling seeds
    same_noise: Estimate  #: c_AB, median rho of A's and B's samples from the same noise
    other_noise: Estimate  #: the same from different noise


@dataclass(frozen=True)
class Nearness:
    """Samples of one network beside its training set."""

    n: int  #: training images
    half: str  #: label of the network
    nearest: Estimate  #: c_NN, median rho of a sample to the nearest training image
    null: Estimate  #: c_null, median rho of a held-out image to the nearest training image
    excess: Estimate  #: c_NN - c_null
    ahead: Estimate  #: c_AB - c_NN
    closer: Estimate  #: P(AB>NN), share of seeds where the other network's sample is nearer than any training image
    copies: Estimate | None  #: f_mem, share of samples three times nearer to one training image than to any other
    ray_copies: Estimate | None  #: the same with distances to the rays of training images; both None at N = 1


@dataclass(frozen=True)
class Moved:
    """Are copies hidden by mirror images and shifts? Samples of the largest N."""

    n: int  #: training images
    half: str  #: label of the network
    nearest: Estimate  #: c_NN, with mirror images and shifts up to three pixels
    null: Estimate  #: c_null with the same
    excess: Estimate  #: the former less the latter
    false_positives: Estimate  #: share of held-out images that count as copies, unmoved


@dataclass(frozen=True)
class Step:
    """Similarity of what the two networks see in their noise, on the way from the same start."""

    n: int  #: training images of each
    sigma: float  #: noise level reached, image units
    input_psnr: float  #: the same, dB
    similarity: Estimate  #: median rho of their denoised images
    lower: float  #: a quarter of the seeds lies below
    upper: float  #: a quarter of the seeds lies above


@dataclass(frozen=True)
class Sampler:
    """Agreement of the samples of the largest N under one sampler."""

    network: str  #: key of `recipes.NETWORKS`
    sampler: str  #: its name
    same_noise: Estimate  #: c_AB; 0 where a walk diverges, as then nothing agrees
    energy: Estimate | None  #: gradient energy of A's samples over that of held-out images; None where a walk diverges


@dataclass(frozen=True)
class Quality:
    """Samples of the largest N against held-out images."""

    n: int  #: training images
    width: int  #: of the networks
    images_seen: int  #: in training
    same_noise: Estimate  #: c_AB
    energy: Estimate  #: gradient energy of samples over that of held-out images
    deviation: Estimate  #: largest deviation of the spectrum in any band, dB
    discrepancy: Estimate  #: squared MMD to held-out images over that of two held-out sets; middle 95% of random sets
    set_size: int  #: images in each of these sets


@dataclass(frozen=True)
class Band:
    """Power of the samples of the largest N in one ring of frequency."""

    n: int  #: training images
    width: int  #: of the networks
    frequency: float  #: middle of the ring, cycles per pixel
    power: Estimate  #: samples over held-out images, dB


def seeds(study: Study, seed: int = 0, at_most: int = SEEDS_LARGEST) -> dict[int, range]:
    """Sampling seeds: many where a target is judged, few elsewhere.

    Args:
        study: networks and images.
        seed: the first of a thousand.
        at_most: so many for any N.

    Returns:
        Seeds by N.
    """
    wanted = SEEDS | {study.largest: SEEDS_LARGEST}
    counts = {n: min(at_most, wanted.get(n, SEEDS_BETWEEN)) for n in study.sizes}
    return {n: range(1000 * seed, 1000 * seed + count) for n, count in counts.items()}


def draw(study: Study, chosen: Mapping[int, Sequence[int]]) -> Samples:
    """Samples of both halves by the probability-flow ODE, from one start: held-out images' moments, unit noise.

    Args:
        study: networks of halves A and B.
        chosen: sampling seeds by N, e.g. of `seeds`.

    Returns:
        Samples.

    Raises:
        FloatingPointError: when a walk diverges.
    """
    images, walks, nearest, null = {}, {}, {}, {}
    for n, of_n in chosen.items():
        start = sampling.gaussian_start(study.held_out, of_n)
        on_the_way = {}
        for a, b in zip(*(sampling.sample(study.denoisers[n, half], start) for half in "AB"), strict=True):
            on_the_way[a.sigma[0].item()] = similarity.rho(a.x_hat, b.x_hat)
        walks[n] = MappingProxyType(on_the_way)
        for half, state in (("A", a), ("B", b)):
            key, training = (n, half), study.training(n, half)
            images[key] = sampling.last(iter([state]))
            nearest[key] = similarity.nearest(images[key], training)
            null[key] = similarity.nearest(study.held_out[: len(of_n)], training)[0]
    frozen = (MappingProxyType(part) for part in (dict(chosen), images, walks, nearest, null))
    return Samples(study, *frozen)


def compare(samples: Samples) -> tuple[Table[Alike], Table[Nearness]]:
    """Are A's samples B's, and are they copies?

    Args:
        samples: of both networks.

    Returns:
        Agreement by N; nearness to the training set by N and half.
    """
    alike, near = [], []
    for n in samples.seeds:
        same = samples.alike(n)
        other = similarity.rho(samples.images[n, "A"], samples.images[n, "B"].roll(1, 0))
        both = [_nearness(samples, n, half, same) for half in "AB"]
        c_ab, c_other = (estimate(np.median, rho) for rho in (same, other))
        alike.append(Alike(n, len(same), c_ab, c_other))
        near += both
    return Table(tuple(alike)), Table(tuple(near))


def moved(samples: Samples) -> Table[Moved]:
    """Nearness at the largest N when a mirror image or a shifted image is a copy too; and what the rule of copies finds
    among held-out images.

    Args:
        samples: of both networks.

    Returns:
        One row for each half.
    """
    study, rows = samples.study, []
    n = study.largest
    new, regions = _fresh(study, min(MOVED_IMAGES, len(samples.seeds[n])))
    for half in "AB":
        x, known = samples.images[n, half][:MOVED_IMAGES], study.training(n, half)
        near, null = (similarity.nearest(y, known, shifts=SHIFTS, flips=True)[0] for y in (x, new))
        medians = estimate(np.median, near), estimate(np.median, null, regions=regions)
        rows.append(Moved(n, half, *medians, _excess(near, null, regions), _copies(study.held_out, known)))
    return Table(tuple(rows))


def steps(samples: Samples) -> Table[Step]:
    """Where do two walks from the same noise part?

    Args:
        samples: of both networks.

    Returns:
        One row for each N and step of the sampler.
    """
    rows = []
    for n, walk in samples.walks.items():
        for sigma, rho in walk.items():
            lower, upper = np.quantile(rho.numpy(), [0.25, 0.75])
            middle = estimate(np.median, rho)
            rows.append(Step(n, sigma, float(-20 * np.log10(sigma)), middle, float(lower), float(upper)))
    return Table(tuple(rows))


def samplers(chosen: Sequence[int], *studies: Study) -> Table[Sampler]:
    """Does agreement depend on the sampler? Networks of the largest N, one start, the same noise at every step.

    Args:
        chosen: sampling seeds.
        studies: networks of halves A and B.

    Returns:
        One row for each study and sampler (probability-flow ODE, reverse SDE, Algorithm 1).
    """
    walks = {
        "ODE, Heun": lambda f, y: sampling.sample(f, y),
        "SDE": lambda f, y: sampling.sample_sde(f, y, chosen),
        "Algorithm 1": lambda f, y: sampling.sample_stochastic(f, y, chosen),
    }
    rows = []
    for study in studies:
        n, start = study.largest, sampling.gaussian_start(study.held_out, chosen)
        real = similarity.gradient_energy(study.held_out)
        for name, walk in walks.items():
            try:
                a, b = (sampling.last(walk(study.denoisers[n, half], start)) for half in "AB")
            except FloatingPointError:
                rows.append(Sampler(study.network, name, Estimate(0.0, 0.0, 0.0), None))
                continue
            energy = _against(study, ratio, similarity.gradient_energy(a), real)
            rows.append(Sampler(study.network, name, estimate(np.median, similarity.rho(a, b)), energy))
    return Table(tuple(rows))


def quality(*several: Samples) -> tuple[Table[Quality], Table[Band]]:
    """Are the samples of the largest N any good? Detail, spectrum, and a distance of sets, against held-out images.

    Of each seed the mean of A's and B's value counts: two samples of one seed are not two samples.

    Args:
        several: samples, e.g. of networks of two widths; what is of the same network counts once.

    Returns:
        One row for each; one for each and ring of frequency.
    """
    rows, bands = [], []
    for samples in {each.study.runs[each.study.largest, "A"]: each for each in several}.values():
        study = samples.study
        n, x = study.largest, study.held_out
        run, pair = study.runs[n, "A"], [samples.images[n, half] for half in "AB"]
        energies = sum(similarity.gradient_energy(images) for images in pair) / 2
        spectra = (sum(similarity.spectrum(images) for images in pair) / 2).T, similarity.spectrum(x).T
        for k, powers in enumerate(zip(*spectra, strict=True)):
            frequency = (k + 0.5) / (2 * len(spectra[0]))
            bands.append(Band(n, run.width, frequency, _against(study, decibels, *powers)))
        row = (
            estimate(np.median, samples.alike(n)),
            _against(study, ratio, energies, similarity.gradient_energy(x)),
            _against(study, largest_deviation, *spectra),
            *_discrepancy(pair, x),
        )
        rows.append(Quality(n, run.width, run.images_seen, *row))
    return Table(tuple(rows)), Table(tuple(bands))


def largest_deviation(powers: np.ndarray, reference: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Largest deviation of a spectrum from another one. ::

        max_k |10 log10(mean p_k / mean r_k)|

    Args:
        powers: p, bands along the first axis.
        reference: r, the same bands.
        axis: that of the images.

    Returns:
        dB.
    """
    return np.abs(decibels(powers, reference, axis)).max(0)


def _nearness(samples: Samples, n: int, half: str, same: Tensor) -> Nearness:
    key, known = (n, half), samples.study.training(n, half)
    near, null = samples.nearest[key][0], samples.null[key]
    regions = _fresh(samples.study, len(samples.seeds[n]))[1]
    return Nearness(
        n,
        half,
        nearest=estimate(np.median, near),
        null=estimate(np.median, null, regions=regions),
        excess=_excess(near, null, regions),
        ahead=estimate(median_difference, same, near),
        closer=share(same > near),
        # one image has no second nearest
        copies=_copies(samples.images[key], known) if n > 1 else None,
        ray_copies=_copies(samples.images[key], known, rays=True) if n > 1 else None,
    )


def _fresh(study: Study, count: int) -> tuple[Tensor, np.ndarray | None]:
    """So many held-out images, or as many as there are, and their regions."""
    return study.held_out[:count], study.regions and study.regions.held_out[:count]


def _excess(near: Tensor, null: Tensor, regions: np.ndarray | None) -> Estimate:
    """c_NN - c_null: samples and held-out images are not pairs."""
    return estimate(median_difference, near, null, regions=[None, regions], paired=False)


def _copies(images: Tensor, known: Tensor, rays: bool = False) -> Estimate:
    return share(similarity.distance_ratio(images, known, rays) < COPY)


def _against(study: Study, statistic, samples: Tensor, held_out: Tensor) -> Estimate:
    """A statistic of samples and all held-out images, which are not pairs."""
    regions = [None, study.regions and study.regions.held_out]
    return estimate(statistic, samples, held_out, regions=regions, paired=False)


def _discrepancy(pair: Sequence[Tensor], x: Tensor) -> tuple[Estimate, int]:
    """Random sets of samples, each against as many held-out images, and these against as many others.

    The interval is that of single draws, and holds what such sets vary by.
    """
    rng, size = np.random.default_rng(0), min(LARGEST_SET, len(pair[0]) // 2, len(x) // 2)
    coarse = torch.nn.functional.avg_pool2d(x[:256], 2).flatten(1)
    bandwidth = torch.nn.functional.pdist(coarse).median().item()
    of_samples, of_held_out = [], []
    for _ in range(SETS):
        real = x[rng.permutation(len(x))[: 2 * size]]
        some = pair[rng.integers(2)][rng.permutation(len(pair[0]))[:size]]
        for found, images in ((of_samples, some), (of_held_out, real[size:])):
            found.append(similarity.mmd(images, real[:size], bandwidth, biased=True))
    ratios = np.array(of_samples) / np.mean(of_held_out)
    return Estimate(ratios.mean(), *np.quantile(ratios, [0.025, 0.975])), size
