"""Jacobians, plainly and as the book takes them: seconds, and ratios of medians measured in turn in one run.

python benchmarks/jacobian.py [--repeats 4]
"""

import argparse
import statistics
import time

import torch

from ghr import images, jacobian, noise, runs


def pixel_by_pixel(denoiser, y):
    """The whole Jacobian as one would write it first: a backward pass for each pixel of the answer."""
    y = y.clone().requires_grad_()
    x_hat = denoiser(y)
    rows = []
    for i in range(y.shape[-2]):
        for j in range(y.shape[-1]):
            (gradient,) = torch.autograd.grad(x_hat[0, 0, i, j], y, retain_graph=True)
            rows.append(gradient.flatten())
    return torch.stack(rows)


def compare(title, plain, ours, repeats):
    """Both in turn, each first as often as second, after one untimed call; what they give must agree."""
    torch.testing.assert_close(plain(), ours(), rtol=1e-2, atol=1e-3)
    seconds = {plain: [], ours: []}
    for k in range(repeats):
        for function in (plain, ours) if k % 2 else (ours, plain):
            start = time.perf_counter()
            function()
            seconds[function].append(time.perf_counter() - start)
    a, b = (statistics.median(seconds[function]) for function in (plain, ours))
    print(f"{title}: {a:.2f} s against {b:.2f} s, {a / b:.1f} times", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=4)
    repeats = parser.parse_args().repeats
    print(f"{torch.get_num_threads()} threads, float32, {torch.backends.cpu.get_cpu_capability()}")
    denoiser = runs.load(runs.table("laptop", "photographs")[-2])

    def noisy(size):
        return noise.add_noise(images.split("photographs", size, 1).held_out[:1], 0.1, torch.Generator().manual_seed(0))

    small, large = noisy(32), noisy(80)
    compare(
        "whole Jacobian at 32x32, pixel by pixel against jacobian",
        lambda: pixel_by_pixel(denoiser, small),
        lambda: jacobian.jacobian(denoiser, small),
        repeats,
    )
    compare(
        "50 leading eigenvalues at 80x80, jacobian and eigenbasis against leading",
        lambda: jacobian.eigenbasis(jacobian.jacobian(denoiser, large), large.shape[1:]).eigenvalues[:50],
        lambda: jacobian.leading(denoiser, large, 50).eigenvalues,
        repeats,
    )


if __name__ == "__main__":
    main()
