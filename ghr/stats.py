"""Numbers with intervals: values of images or of sampling seeds enter, an `Estimate` with its 95% interval leaves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

BLOCK = 100  #: resamples at a time: fifteen noise levels of 2,000 images take 24 MB


@dataclass(frozen=True)
class Estimate:
    """A measured number with its 95% interval."""

    value: float  #: what was measured
    low: float  #: lower end of the interval
    high: float  #: upper end

    def __format__(self, spec: str) -> str:
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def estimate(
    statistic: Callable,
    *samples: Tensor | np.ndarray,
    regions: np.ndarray | Sequence[np.ndarray | None] | None = None,
    resamples: int = 2000,
    paired: bool = True,
) -> Estimate:
    """A statistic of per-image values, with its 95% bootstrap interval over images.

    Args:
        statistic: ``f(*samples, axis=-1)`` -> a number, e.g. np.mean, np.median or `psnr_of_mean`.
        samples: arrays whose last axis runs over images, of equal lengths and resampled together; if not paired, of any
            lengths, each resampled by itself. Earlier axes, e.g. noise levels, stay together.
        regions: labels; images with one label come from one place and are drawn together (paired: one array of labels,
            else one for each sample, or None where images are independent).
        resamples: of the bootstrap.
        paired: whether the samples are of the same images.

    Returns:
        Estimate in the statistic's unit. Its interval holds its value; of a maximum, whose bootstrap is biased
        upwards, the interval is widened to do so.

    Raises:
        ValueError: for fewer than two values or two regions, values that are not finite, paired samples of unequal
            length, more or fewer labels than images, or a statistic that is not finite.
    """
    arrays = [_array(sample) for sample in samples]
    lengths = [array.shape[-1] for array in arrays]
    if paired and len(set(lengths)) > 1:
        raise ValueError(f"Paired samples must have equal length, got {lengths}.")
    if min(lengths) < 2:
        raise ValueError(f"An interval needs at least two values, got {min(lengths)}.")
    if lost := sum(int((~np.isfinite(array)).sum()) for array in arrays):
        raise ValueError(f"{lost} values are not finite (NaN or infinite): did a sample or a denoiser diverge?")
    value = float(statistic(*arrays, axis=-1))
    generator = np.random.default_rng(0)
    regions = [regions] * len(arrays) if paired or regions is None else regions
    if any(labels is not None and len(labels) != n for labels, n in zip(regions, lengths, strict=True)):
        counts = [labels if labels is None else len(labels) for labels in regions]
        raise ValueError(f"One region for each image is needed: {lengths} images have {counts} labels.")
    if any(labels is not None and len(set(np.asarray(labels).tolist())) < 2 for labels in regions):
        raise ValueError("An interval needs images of at least two regions, got one: it would have no width.")
    resampled: list[np.ndarray] = []
    for done in range(0, resamples, BLOCK):
        count = min(BLOCK, resamples - done)
        if paired:
            places = [_places(lengths[0], regions[0], count, generator)] * len(arrays)
        else:
            places = [_places(n, labels, count, generator) for n, labels in zip(lengths, regions, strict=True)]
        resampled.extend(statistic(*(array[..., p] for array, p in zip(arrays, places, strict=True)), axis=-1))
    if not np.isfinite(resampled).all():
        raise ValueError("The statistic is not finite for some resamples: it has no interval.")
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def student(statistic: Callable, *samples: Tensor | np.ndarray) -> Estimate:
    """A smooth statistic of few per-image values, with its 95% interval by jackknife and Student's t. ::

        value -+ t sqrt((n - 1) / n sum_i (s_i - mean s)^2),   s_i: the statistic without image i

    t is that of n - 1 degrees of freedom. Of a mean this is Student's interval, which holds its level for any number of
    normal values, where percentiles of a bootstrap of eight hold about 88%.

    Args:
        statistic: ``f(*samples, axis=-1)`` -> a number, e.g. np.mean, `psnr_of_mean` or `ratio`; no median or extreme.
        samples: arrays whose last axis runs over the same images.

    Returns:
        Estimate in the statistic's unit.

    Raises:
        ValueError: for fewer than two values, samples of unequal length, or a statistic that is not finite.

    Source: Tukey 1958; Efron & Stein 1981.
    """
    from scipy.stats import t  # here: it would be half of what importing this module takes

    arrays = [_array(sample) for sample in samples]
    lengths = {array.shape[-1] for array in arrays}
    if len(lengths) > 1 or (n := lengths.pop()) < 2:
        raise ValueError(f"An interval needs two values or more, equally many: {[a.shape[-1] for a in arrays]}.")
    others = np.array([np.delete(np.arange(n), i) for i in range(n)])
    value, without = (statistic(*each, axis=-1) for each in (arrays, [array[..., others] for array in arrays]))
    arm = t.ppf(0.975, n - 1) * np.sqrt((n - 1) * np.var(without))
    if not np.isfinite([value, arm]).all():
        raise ValueError("The statistic is not finite, with all images or without one of them: it has no interval.")
    return Estimate(float(value), float(value - arm), float(value + arm))


def _array(sample: Tensor | np.ndarray) -> np.ndarray:
    sample = sample.detach().cpu().double().numpy() if isinstance(sample, Tensor) else sample
    return np.asarray(sample, dtype=np.float64)


def _places(n: int, regions: np.ndarray | None, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Which images each resample holds: whole regions are drawn until there are n images, and the last one is cut."""
    if regions is None:
        return generator.integers(n, size=(resamples, n))
    _, label, counts = np.unique(regions, return_inverse=True, return_counts=True)
    order, starts = np.argsort(label, kind="stable"), counts.cumsum() - counts  # images by region
    drawn = np.empty((resamples, 0), int)
    while counts[drawn].sum(1).min() < n:
        drawn = np.hstack([drawn, generator.integers(len(counts), size=(resamples, len(counts)))])
    each = counts[drawn].ravel()
    within = np.arange(each.sum()) - np.repeat(each.cumsum() - each, each)  # 0, 1, ... in each drawn region
    images = order[np.repeat(starts[drawn].ravel(), each) + within]
    totals = counts[drawn].sum(1)
    return images[(totals.cumsum() - totals)[:, None] + np.arange(n)]


def share(flags: Tensor | np.ndarray) -> Estimate:
    """Share of true values, with Wilson's 95% interval: a bootstrap of a share of 0 or 1 would claim certainty.

    Args:
        flags: boolean, one per image or seed.

    Returns:
        Estimate, without unit.

    Raises:
        ValueError: without a flag.
    """
    from scipy.stats import binomtest

    if not len(flags):
        raise ValueError("A share needs at least one flag.")
    test = binomtest(int(flags.sum()), len(flags))
    interval = test.proportion_ci(method="wilson")
    return Estimate(test.statistic, interval.low, interval.high)


def ratio(values: np.ndarray, reference: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Ratio of two means. ::

        mean(values) / mean(reference)

    Args:
        values: one value per image.
        reference: values of the same unit; as many or not.
        axis: that of the images.

    Returns:
        A number without unit.
    """
    return np.mean(values, axis) / np.mean(reference, axis)


def decibels(values: np.ndarray, reference: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Ratio of two mean powers in dB. ::

        10 log10(mean(values) / mean(reference))

    Args:
        values: powers, one per image.
        reference: powers of the same unit; as many or not.
        axis: that of the images.

    Returns:
        dB.
    """
    return 10 * np.log10(ratio(values, reference, axis))


def median_difference(values: np.ndarray, reference: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Difference of two medians. ::

        median(values) - median(reference)

    Args:
        values: one value per image or seed.
        reference: values of the same unit; as many or not.
        axis: that of the images or seeds.

    Returns:
        Number in the values' unit.
    """
    return np.median(values, axis) - np.median(reference, axis)


def psnr_of_mean(errors: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """PSNR of a mean squared error. ::

        PSNR = -10 log10 mean(errors)

    Args:
        errors: squared errors per pixel, squared image units.
        axis: of images.

    Returns:
        Decibels.
    """
    return -10 * np.log10(np.mean(errors, axis=axis))


def psnr_gap(train: np.ndarray, test: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """How much better training images are denoised: 0 for a network that treats them as any other image. ::

        gap(N, sigma) = PSNR_train - PSNR_test

    Args:
        train: squared errors per pixel of training images, squared image units.
        test: of other images, equally many.
        axis: of images.

    Returns:
        Decibels.
    """
    return psnr_of_mean(train, axis) - psnr_of_mean(test, axis)


def slope(errors: np.ndarray, input_psnr: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Least squares slope of output on input PSNR. ::

        sum_k (p_k - mean p) q_k / sum_k (p_k - mean p)^2,   q_k = PSNR of the mean error at input PSNR p_k

    Args:
        errors: squared errors, noise levels along the first axis.
        input_psnr: dB, one for each noise level.
        axis: that of the images.

    Returns:
        dB per dB.
    """
    x = input_psnr - input_psnr.mean()
    return np.tensordot(x, psnr_of_mean(errors, axis), 1) / (x @ x)


def margin(own: np.ndarray, *controls: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Mean of some values less that of the control with the highest mean. ::

        mean own - max_c mean control_c

    Args:
        own: one value per image.
        controls: the same of each control.
        axis: that of the images.

    Returns:
        Above 0 when every control is beaten.
    """
    return np.min([np.mean(own, axis) - np.mean(control, axis) for control in controls], axis=0)
