"""The one contract: a denoiser is any callable f(y, sigma) that answers with a clean estimate.

Noisy images enter with the standard deviation of their noise, an estimate of the same shape leaves. Networks that are
blind ignore sigma, and a callable that takes images alone is called with them alone; what is told the noise level
refuses None in one sentence. All that a foreign model may get wrong is said here: arrays, shapes, modes, NaN.
"""

import functools
import inspect
import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

TOLD = "This denoiser is told the noise level: call it f(y, sigma)."


@torch.no_grad()
def denoise(
    f, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None, batch: int = 64
) -> Float[Tensor, "b c h w"]:
    """What a denoiser makes of noisy images, some at a time, without gradients. ::

        x_hat = f(y, sigma)

    Args:
        f: denoiser, in evaluation mode.
        y: noisy images, image units.
        sigma: standard deviation of their noise, image units, one for all or one for each; None for blind denoisers.
        batch: images at a time.

    Returns:
        Clean estimates, image units.

    Raises:
        TypeError: for images or answers that are no tensors of floating point numbers.
        ValueError: for a denoiser in training mode, images or answers of another shape, pixels that are not finite, or
            without the sigma that a denoiser must be told.
    """
    require_evaluation(f)
    require_images(y)
    return torch.cat([call(f, part, level) for part, level in batches(y, sigma, batch)])


def call(f, y: Tensor, sigma: float | Tensor | None = None) -> Tensor:
    """One call of a denoiser: f(y, sigma), or f(y) of one that takes images alone.

    A signature takes sigma as an argument of this name, or as a second one that must be given, or among arguments of
    any number; a second one with a default and another name is something else, and keeps its default.

    Args:
        f: denoiser.
        y: noisy images, image units.
        sigma: standard deviation of their noise, image units; None for blind denoisers.

    Returns:
        Clean estimates, image units.

    Raises:
        TypeError: when the answer is no tensor.
        ValueError: when the answer has another shape than the images, or without the sigma that must be given.
    """
    keyword, position, needed = _takes(f)
    if sigma is None and needed:
        raise ValueError(TOLD)
    if position and sigma is not None:
        x_hat = f(y, sigma)
    else:
        x_hat = f(y, sigma=sigma) if keyword and sigma is not None else f(y)
    if not isinstance(x_hat, Tensor):
        raise TypeError(f"A denoiser must answer with a tensor, got {_kind(x_hat)}.")
    if x_hat.shape != y.shape:
        raise ValueError(
            f"A denoiser must answer with images of the shape it was asked for, {tuple(y.shape)}, "
            f"got {tuple(x_hat.shape)}."
        )
    return x_hat


def _takes(f) -> tuple[bool, bool, bool]:
    """Whether f takes sigma by name alone, whether as its second argument, and whether it must be given."""
    f = plain(f)
    if isinstance(f, functools.partial) and "sigma" in f.keywords:
        return False, False, False  # it has been told
    try:
        signature = inspect.signature(f.forward if isinstance(f, nn.Module) else f)
    except (TypeError, ValueError):  # what is written in C, e.g. torch.relu, has none
        return False, False, False
    every = list(signature.parameters.values())
    if any(one.kind is one.VAR_POSITIONAL for one in every):
        return False, True, False
    second = [one for one in every if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)][1:2]
    if second and (second[0].name == "sigma" or second[0].default is second[0].empty):
        return False, True, second[0].default is second[0].empty
    named = [one for one in every[1:] if one.name == "sigma"]
    return bool(named), False, bool(named) and named[0].default is named[0].empty


def plain(f):
    """A denoiser without its wrappings: of a compiled one what was compiled, of a parallel one its module.

    Args:
        f: denoiser.

    Returns:
        The callable inside, or f itself.
    """
    while True:
        if isinstance(f, nn.DataParallel | nn.parallel.DistributedDataParallel):
            f = f.module
        elif isinstance(f, nn.Module) and "_orig_mod" in f._modules:  # of torch.compile
            f = f._orig_mod
        elif hasattr(f, "_torchdynamo_orig_callable"):
            f = f._torchdynamo_orig_callable
        else:
            return f


def batches(y: Tensor, sigma: float | Tensor | None, batch: int) -> Iterator[tuple[Tensor, float | Tensor | None]]:
    """Images some at a time, each part with its noise levels.

    Args:
        y: noisy images.
        sigma: one noise level for all, or a tensor (b,1,1,1) of one for each.
        batch: images at a time.

    Yields:
        Images and their sigma.
    """
    parts = y.split(batch)
    each = isinstance(sigma, Tensor) and sigma.numel() == len(y) > 1
    yield from zip(parts, sigma.split(batch) if each else [sigma] * len(parts), strict=True)


def require_level(sigma: float | Tensor | None) -> float:
    """A noise level that one was told, checked.

    Args:
        sigma: noise standard deviation, image units: one number for all images.

    Returns:
        The same as a float.

    Raises:
        ValueError: for None, several numbers, or one that is not positive and finite.
    """
    if sigma is None:
        raise ValueError(TOLD)
    if isinstance(sigma, Tensor) and sigma.numel() != 1:
        raise ValueError(f"This denoiser is told one noise level for all images, got {sigma.numel()} of them.")
    if not 0 < float(sigma) < math.inf:  # so is NaN refused
        raise ValueError(f"sigma must be positive, got {float(sigma):g}.")
    return float(sigma)


def require_evaluation(f) -> None:
    """Refuses a module in training mode, whose normalization mixes the images of a batch.

    Args:
        f: denoiser; functions without a mode pass.

    Raises:
        ValueError: when it, or a part of it, is in training mode.
    """
    f = plain(f)
    while isinstance(f, functools.partial):
        f = plain(f.func)
    f = getattr(f, "__self__", f)  # a method speaks for its network
    if isinstance(f, nn.Module) and any(module.training for module in f.modules()):
        raise ValueError("The denoiser is in training mode, where images of a batch mix: call denoiser.eval() first.")


def require_images(*images) -> None:
    """Refuses what is no batch of images.

    Args:
        images: what should be tensors (b,c,h,w) of finite floating point numbers.

    Raises:
        TypeError: for anything but tensors of floating point numbers.
        ValueError: for another number of axes, none of some axis, or pixels that are not finite.
    """
    for x in images:
        if not isinstance(x, Tensor):
            raise TypeError(f"Images must be a torch tensor, got {_kind(x)}: torch.from_numpy makes one of an array.")
        if not x.is_floating_point():
            raise TypeError(f"Images must be floating point numbers in units of [0,1], got {x.dtype}.")
        if x.ndim != 4 or not x.numel():
            raise ValueError(f"Images must have the shape (b, c, h, w), none of them 0, got {tuple(x.shape)}.")
        if not x.isfinite().all():
            raise ValueError("Some pixels are not finite (NaN or infinite): images must be numbers everywhere.")


def require_shape(y: Tensor, shape: tuple[int, ...]) -> None:
    """Refuses images of another shape than a denoiser was made for.

    Args:
        y: noisy images.
        shape: of one image; the last axes count when there are fewer than three.

    Raises:
        ValueError: when they differ.
    """
    if tuple(y.shape[-len(shape) :]) != tuple(shape):
        raise ValueError(f"This denoiser was made for images of shape {tuple(shape)}, got {tuple(y.shape[1:])}.")


def _kind(thing) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}".removeprefix("builtins.")
