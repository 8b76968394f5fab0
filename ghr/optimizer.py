"""Muon: kernels and their gradients enter, kernels one step further leave; every direction of a kernel moves alike.

Gradients of convolutions are nearly of low rank: AdamW moves a kernel along the few directions that dominate them. Muon
takes a kernel as a matrix and replaces its step by the nearest semi-orthogonal matrix, so that weak directions count as
much as strong ones. Departure from the sources: the iteration runs on the Gram matrix, which is the smaller one.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

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


def orthogonal(g: Float[Tensor, "k rows columns"]) -> Float[Tensor, "k rows columns"]:
    """Nearly the nearest semi-orthogonal matrices: U V' of G = U S V', by five steps of Newton-Schulz. ::

        X <- p(A) X,   A = X X',   p(A) = a + b A + c A^2,   X_0 = G / (1.01 ||G||_F)

    A step multiplies A by p(A)^2, and all these matrices commute: only A and the product of the p(A) are carried.

    Args:
        g: matrices of one shape, float32.

    Returns:
        Matrices whose singular values lie between .87 and 1.13, where those of G are above ||G||_F / 1000.

    Source: Jordan et al. 2024 (Muon); coefficients: Amsel et al. 2025 (Polar Express).
    """
    wide = g.shape[-2] <= g.shape[-1]
    x = g if wide else g.mT
    x = x / (1.01 * x.flatten(1).norm(dim=1).clamp(min=1e-30))[:, None, None]
    gram = x @ x.mT
    product = None
    for a, b, c in COEFFICIENTS:
        p = torch.baddbmm(b * gram, gram, gram, alpha=c)
        p.diagonal(dim1=-2, dim2=-1).add_(a)
        product = p if product is None else product @ p
        gram = p @ gram @ p
    x = product @ x
    return x if wide else x.mT


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal, for kernels taken as matrices (first axis x the rest). ::

        M <- m M + G;   W <- W - rate sqrt(max(1, rows / columns)) orthogonal(G + m M)

    Args:
        weights: kernels of two axes or more.
        lr: rate, a number or a tensor on their device.
        momentum: m.

    Source: Jordan et al. 2024, Muon.
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float | Tensor = 0.01, momentum: float = 0.95):
        super().__init__(weights, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self) -> None:
        """Move all kernels; those of one shape are made orthogonal together."""
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            gradients = [w.grad for w in weights]
            moments = [self.state[w].setdefault("momentum", torch.zeros_like(w)) for w in weights]
            torch._foreach_mul_(moments, group["momentum"])
            torch._foreach_add_(moments, gradients)
            ahead = torch._foreach_add(gradients, moments, alpha=group["momentum"])
            by_shape: dict[torch.Size, list[int]] = {}
            for k, w in enumerate(weights):
                by_shape.setdefault(w.shape, []).append(k)
            for shape, places in by_shape.items():
                matrices = torch.stack([ahead[k].flatten(1) for k in places])
                rows, columns = matrices.shape[1:]
                moved = orthogonal(matrices) * (group["lr"] * max(1, rows / columns) ** 0.5)
                torch._foreach_sub_([weights[k] for k in places], [one.view(shape) for one in moved])
