"""Cartoon faces, drawn from a seed per index: the stand-in for CelebA (the paper's faces), which cannot be shipped.

An index and a size enter, a grey face leaves; a pool of them is drawn once and kept in the cache, a thousand a file.
"""

import functools
import io
import math
import random
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from tqdm.auto import tqdm

from ghr.files import cache

POOL = 62_000  #: two halves of 30,000 and 2,000 held out
SHARD = 1000  #: avatars per cache file
VERSION = 1  #: raise when a pixel of any avatar changes: caches and checkpoints depend on it


def avatar(index: int, size: int) -> UInt8[np.ndarray, "size size"]:
    """One cartoon face: everything about it is decided by its index.

    A random avatar (python-avatars) is drawn as vectors in a random pose: rotation +-17 degrees, scale, shift, flip;
    at four times the size, then box averaged. Its colours are projected on a random direction of positive weights,
    so that skin, hair and cloth do not keep their order of brightness; its tones are stretched to a random range; it
    stands before a ramp of random level and slope.

    Args:
        index: seed of this image.
        size: side in pixels.

    Returns:
        Grey values, 0-255.

    Raises:
        ImportError: when the extra `images` is missing.

    Source: own choice; a stand-in for CelebA whose images are far from each other (tests/test_images.py).
    """
    try:
        import python_avatars
        import resvg_py
    except ImportError as error:
        raise ImportError(f"Avatars need {error.name}: pip install -e '.[images]'.") from error

    rng = np.random.default_rng([VERSION, index])
    state = random.getstate()  # python-avatars draws from the global generator: seed it, then give it back
    random.seed(index)
    graphics = [g for g in python_avatars.ClothingGraphic if g.name != "CUSTOM_TEXT"]  # text would depend on fonts
    drawing = python_avatars.Avatar.random(
        style=python_avatars.AvatarStyle.TRANSPARENT, shirt_graphic=random.choice(graphics)
    ).render()
    random.setstate(state)
    drawing = drawing.replace("<svg ", '<svg overflow="visible" ', 1)  # spares resvg a clip layer: a third of the time

    angle, scale, flip = rng.uniform(-17, 17), rng.uniform(0.8, 1.15), rng.choice([-1, 1])
    dx, dy = rng.uniform(-14, 14, 2)
    window = 180  # side of the square shown, in units of the drawing, whose face is centred at (132, 112)
    posed = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-window / 2} {-window / 2} {window} {window}">'
        f'<g transform="translate({dx} {dy}) rotate({angle}) scale({flip * scale} {scale}) translate(-132 -112)">'
        f"{drawing}</g></svg>"
    )
    png = bytes(resvg_py.svg_to_bytes(svg_string=posed, width=4 * size, height=4 * size, skip_system_fonts=True))
    colours = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"), dtype=np.float32) / 255
    alpha = colours[..., 3]

    grey = colours[..., :3] @ rng.dirichlet(np.ones(3)).astype(np.float32)
    low, high = rng.uniform(0, 0.25), rng.uniform(0.65, 1)
    grey = low + (high - low) * grey
    u, v = np.meshgrid(*2 * [np.linspace(-1, 1, 4 * size)])
    direction = rng.uniform(0, 2 * np.pi)
    ramp = rng.uniform(0.1, 0.9) + rng.uniform(0, 0.25) * (np.cos(direction) * u + np.sin(direction) * v)
    image = alpha * grey + (1 - alpha) * ramp.clip(0, 1)
    image = image.reshape(size, 4, size, 4).mean((1, 3))
    return np.round(255 * image).astype(np.uint8)


def pool(size: int, n: int = POOL) -> UInt8[np.ndarray, "n size size"]:
    """The first n avatars, drawn on first use, on all cores, and kept in the cache.

    Args:
        size: side in pixels.
        n: images.

    Returns:
        Grey values, 0-255.

    Raises:
        ImportError: when the extra `images` is missing.
    """
    folder = cache.folder() / f"avatars-v{VERSION}-{size}"
    paths = [folder / f"{k:04d}.npz" for k in range(math.ceil(n / SHARD))]
    return np.concatenate(cache.built(paths, functools.partial(_draw, size)))[:n]


def _draw(size: int, missing: list[Path]) -> None:
    try:
        from joblib import Parallel, delayed
    except ImportError as error:
        raise ImportError(f"Building avatars needs {error.name}: pip install -e '.[images]'.") from error
    work = (delayed(_write_shard)(path, int(path.stem), size) for path in missing)
    done = Parallel(n_jobs=-1, return_as="generator_unordered")(work)
    title = f"drawing avatars, {SHARD:,} a shard, once, into {missing[0].parent}"
    for _ in tqdm(done, total=len(missing), desc=title, unit="shard"):
        pass


def _write_shard(path: Path, k: int, size: int) -> None:
    cache.write(path, np.stack([avatar(i, size) for i in range(k * SHARD, (k + 1) * SHARD)]))
