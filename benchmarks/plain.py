"""The published recipe, written plainly: what one writes first, with the paper's constants, one image at a time.

Nothing here is used by the book. `run.py` holds each of these against what `ghr` does instead.
"""

import io
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from ghr import sampling
from ghr.images import synthetic


class Tiled(Dataset):
    """A set repeated until an epoch has 250,000 images."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x) * math.ceil(250_000 / len(self.x))

    def __getitem__(self, i):
        return self.x[i % len(self.x)]


def train(network, x, batch=512, lr=1e-3):
    """Adam on the squared error, noise levels uniform in [0,1], float32: yields the network after each step.

    The paper halves the rate every 100 epochs of 250,000 images, which nothing here reaches.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    device = next(network.parameters()).device
    while True:
        for clean in DataLoader(Tiled(x), batch, shuffle=True, drop_last=True):
            clean = clean.to(device)
            sigma = torch.rand(len(clean), 1, 1, 1, device=device)
            noisy = clean + sigma * torch.randn_like(clean)
            network.train()
            loss = (network(noisy) - clean).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()  # looked at in every step, as in most training loops
            yield network


def jacobian(denoiser, y):
    """The whole Jacobian of one image: a backward pass for each pixel of the answer."""
    y = y.clone().requires_grad_()
    x_hat = denoiser(y)
    rows = []
    for i in range(y.shape[-2]):
        for j in range(y.shape[-1]):
            (gradient,) = torch.autograd.grad(x_hat[0, 0, i, j], y, retain_graph=True)
            rows.append(gradient.flatten())
    return torch.stack(rows)


def leading(denoiser, y, k):
    """The k leading eigenvalues of the symmetric part of the Jacobian: all of it is made first."""
    j = jacobian(denoiser, y)
    return torch.linalg.eigvalsh((j + j.T) / 2).flip(0)[:k]


@torch.no_grad()
def sample(denoiser, y, seeds, h0=0.01, beta=0.1, sigma_end=0.05):
    """Algorithm 1 of the paper, its step growing as in the authors' code, one image after the other.

    The noise is that of `ghr.sampling`, so that both ways draw the same images.
    """
    samples = []
    for image, seed in zip(y.split(1), seeds, strict=True):
        t = 0
        residual = denoiser(image) - image
        sigma = residual.square().mean().sqrt()
        while sigma > sigma_end:
            t += 1
            h = h0 * t / (1 + h0 * (t - 1))
            gamma = ((1 - beta * h) ** 2 - (1 - h) ** 2) ** 0.5 * sigma
            image = image + h * residual + gamma * sampling.noise([seed], t, tuple(y.shape[1:])).to(y)
            residual = denoiser(image) - image
            sigma = residual.square().mean().sqrt()
        samples.append(image + residual)
    return torch.cat(samples)


def c_alpha(n, size, alpha, generator):
    """The images of `synthetic.c_alpha`, one at a time, masks column by column: each draws what a set of one draws."""
    cycles = np.fft.fftfreq(size, 1 / size)
    radius = np.maximum(np.sqrt(cycles[:, None] ** 2 + cycles**2), 1)
    length = 4 * size
    frequencies = (np.arange(1, length // 2) / 4) ** -alpha
    images = []
    for _ in range(n):
        a, b = torch.randn(2, 1, size, size, generator=generator).numpy()[:, 0]
        filtered = (a + 1j * b) * radius**-alpha
        field = np.fft.ifft2(filtered) * size / math.sqrt((radius ** (-2 * alpha)).mean())
        u = torch.rand(3, 1, 1, 1, generator=generator).flatten().tolist()
        difference = 1 - (1 - synthetic.CONTRAST) * math.sqrt(u[0])
        low = (1 - difference) * u[1]
        levels = (low, low + difference) if u[2] < 0.5 else (low + difference, low)
        above, below = (
            level + synthetic.TEXTURE * part for level, part in zip(levels, (field.real, field.imag), strict=True)
        )

        a, b = torch.randn(2, 1, length // 2 - 1, generator=generator).numpy()[:, 0]
        waves = np.concatenate([[0], (a + 1j * b) * frequencies, [0]])
        size_of_bend = synthetic.BEND * size * length / (2 * np.linalg.norm(frequencies))
        line = np.fft.irfft(waves, length) * size_of_bend
        angle = 2 * math.pi * torch.rand(1, 1, 1, generator=generator).item()
        offset = size * synthetic.OFFSET * (2 * torch.rand(1, 1, 1, generator=generator).item() - 1)
        cos, sin = math.cos(angle), math.sin(angle)
        image = np.empty((size, size), np.float32)
        down = np.arange(size) - (size - 1) / 2
        for column in range(size):
            across = column - (size - 1) / 2
            along, away = cos * across + sin * down, cos * down - sin * across - offset
            place = along + length / 2
            left = place.astype(int)
            slope = line[left + 1] - line[left]
            height = line[left] + (place - left) * slope
            box = np.abs(cos - slope * sin) + np.abs(sin + slope * cos)
            share = np.clip((away - height) / box + 0.5, 0, 1)
            image[:, column] = below[:, column] + share * (above[:, column] - below[:, column])
        images.append(torch.from_numpy(image))
    return torch.stack(images)[:, None]


def discs(parameters, size):
    """Discs by a plotting library, as the authors draw theirs: a figure for each, saved and read back."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    images = []
    for cx, cy, radius, foreground, background in parameters.T.tolist():
        figure = Figure(figsize=(1, 1), dpi=size, facecolor=3 * (background,))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size), ylim=(size, 0))
        axes.axis("off")
        axes.add_patch(Circle((cx, cy), radius, color=3 * (foreground,), linewidth=0))
        file = io.BytesIO()
        figure.savefig(file, format="png")
        pixels = np.asarray(Image.open(file).convert("RGB"), dtype=np.float32)
        images.append(torch.from_numpy(pixels.mean(2) / 255))
    return torch.stack(images)[:, None]


def read(files: list[Path], size):
    """Image files made small and grey one by one; near-duplicates of earlier ones dropped by a matrix of all pairs."""
    images = []
    for file in files:
        image = Image.open(file).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
        small = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
        images.append(np.round(np.asarray(small, dtype=np.float32).mean(2)).astype(np.uint8))
    tiny = [np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.BOX)) for image in images]
    features = np.stack(tiny).reshape(len(tiny), -1).astype(np.float64)
    correlations = np.abs(np.corrcoef(features))
    kept = []
    for i in range(len(images)):
        if not any(correlations[i, j] > 0.95 for j in kept):
            kept.append(i)
    return np.stack([images[i] for i in kept])
