"""Muon: kernels and their gradients enter, kernels one step further leave; every direction of a kernel moves alike.

Gradients of convolutions are nearly of low rank: AdamW moves a kernel along the few directions that dominate them. Muon
takes a kernel as a matrix and replaces its step by the nearest semi-orthogonal matrix, so that weak directions count as
much as strong ones. Departure from the sources: the iteration runs on the Gram matrix, which is the smaller one.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import hardshrink

LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)  #: whose weights are matrices: first axis x the rest
# of the quintics, one a step, each the best for what the one before leaves: .001 to 1 ends between .87 and 1.13
COEFFICIENTS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
)


def kernels(network: nn.Module) -> list[nn.Parameter]:
    """What Muon moves: kernels and matrices of all layers but the first and the last, which meet images.

    Biases, gains and tables of positions multiply no vector: they are no matrices, whatever their axes.

    Args:
        network: any network of convolutions and linear layers.

    Returns:
        Their weights, in the order of the network's layers.
    """
    return [layer.weight for layer in network.modules() if isinstance(layer, LAYERS)][1:-1]


def orthogonal(g: Sequence[Float[Tensor, "_ _"]]) -> list[Float[Tensor, "_ _"]]:
    """Nearly the nearest semi-orthogonal matrices: U V' of G = U S V', by five steps of Newton-Schulz. ::

        X <- p(A) X,   A = X X',   p(A) = a + b A + c A^2,   X_0 = G / (1.01 ||G||_F)

    A step multiplies A by p(A)^2, and all these matrices commute: only A and the product of the p(A) are carried, for
    all matrices of one smaller side together. Entries below 1e-10 ||G||_F, which no float32 sum notices, are taken for
    zero: gradients of a memorizer hold some whose products end below 1e-38, where a CPU is slow.

    Args:
        g: matrices, rows x columns, each of a shape of its own, float32.

    Returns:
        Matrices whose singular values lie between .87 and 1.13, where those of G are above ||G||_F / 1000.

    Source: Jordan et al. 2024 (Muon); coefficients: Amsel et al. 2025 (Polar Express).
    """
    norms = torch._foreach_norm(list(g))
    x = [hardshrink(one / (1.01 * norm.clamp(min=1e-30)), 1e-10) for one, norm in zip(g, norms, strict=True)]
    x = [one if one.shape[0] <= one.shape[1] else one.mT for one in x]
    by_side: dict[int, list[int]] = {}
    for k, one in enumerate(x):
        by_side.setdefault(len(one), []).append(k)
    for places in by_side.values():
        gram = torch.stack([x[k] @ x[k].mT for k in places])
        product = None
        for step, (a, b, c) in enumerate(COEFFICIENTS, start=1):
            p = torch.baddbmm(b * gram, gram, gram, alpha=c)
            p.diagonal(dim1=-2, dim2=-1).add_(a)
            product = p if product is None else product @ p
            if step < len(COEFFICIENTS):
                gram = p @ gram @ p
        for k, one in zip(places, product, strict=True):
            x[k] = one @ x[k]
    return [one if one.shape == like.shape else one.mT for one, like in zip(x, g, strict=True)]


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal, for kernels taken as matrices (first axis x the rest). ::

        M <- m M + G;   W <- W - rate sqrt(max(1, rows / columns)) orthogonal(G + m M)

    Args:
        weights: kernels of two axes or more.
        lr: rate, a number or a tensor on their device.
        momentum: m.

    Raises:
        ValueError: for weights that lie in memory in another order than these two.

    Source: Jordan et al. 2024, Muon.
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float | Tensor = 0.01, momentum: float = 0.95):
        weights = list(weights)
        if not all(w.is_contiguous() or w.is_contiguous(memory_format=torch.channels_last) for w in weights):
            raise ValueError("Muon moves weights that lie in memory row by row, or channels last: call .contiguous().")
        super().__init__(weights, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self) -> None:
        """Move all kernels."""
        for group in self.param_groups:
            moved = [w for w in group["params"] if w.grad is not None]
            moments = [self.state[w].setdefault("momentum", torch.zeros_like(w)) for w in moved]
            # views, which cannot be copies: sums in place reach the weights
            weights, moments = (
                [_in_order(one, w).view(len(w), -1) for one, w in zip(some, moved, strict=True)]
                for some in (moved, moments)
            )
            gradients = [_in_order(w.grad, w).flatten(1) for w in moved]
            torch._foreach_mul_(moments, group["momentum"])
            torch._foreach_add_(moments, gradients)
            steps = orthogonal(torch._foreach_add(gradients, moments, alpha=group["momentum"]))
            for w, step in zip(weights, steps, strict=True):
                w.sub_(step * (group["lr"] * max(1, w.shape[0] / w.shape[1]) ** 0.5))


def _in_order(one: Tensor, weights: Tensor) -> Tensor:
    """With its axes as weights lie in memory: no product here sees an order of columns."""
    return one.movedim(1, -1) if weights.is_contiguous(memory_format=torch.channels_last) else one
