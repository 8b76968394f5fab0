"""Transformers: a noisy image enters, its patches look at each other, a clean estimate leaves. Blind, as the UNet.

What convolutions have by their form, that near pixels count most and all places are treated alike, a transformer must
learn. Without bias it is homogeneous as the UNet is, so that f(y) = J(y) y and J's basis explains all that it does; a
usual transformer has no such law. Own choice, since the sources' have biases. What makes it homogeneous:

- what passes is multiplied, never added to: no biases, ReLU, and `BiasFreeNorm`, which is a gain in evaluation mode;
- a head's weights do not change with the size of its input: its queries and keys have length 1 (cosine attention);
- a position added to the signal would be a constant. It goes where it is none: relative positions into the logits,
  which say who is near, and a gain for each place and channel, which says where in the image one is.

Source: Dosovitskiy et al. 2021 (ViT); Peebles & Xie 2023 (DiT, here without what it is told); cosine attention and
relative positions: Liu et al. 2022 (Swin V2); attention windows: An et al. 2025.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from ghr.networks import BiasFreeNorm, require_channels, require_some


class Attention(nn.Module):
    """Each place takes a mean of values over the places that it sees, weighted by likeness, in several heads. ::

        without bias:  o_p = sum_q w_pq V t_q,   w_p = softmax_q(s cos(Q t_p, K t_q) + r[q - p])
        with bias:     w_p = softmax_q(Q t_p . K t_q / sqrt(m)),   m: channels of a head

    Without bias the weights w have degree 0 in t and the values degree 1: o(a t) = a o(t) for a > 0.

    Args:
        channels: of a token, divisible by heads.
        heads: how many.
        grid: most tokens down and across.
        window: side of the window around a token that it sees, an odd number of tokens; None for all of them.
        bias: constants in all layers, and attention as usual.
    """

    def __init__(self, channels: int, heads: int, grid: tuple[int, int], window: int | None = None, bias: bool = False):
        super().__init__()
        # four matrices rather than one of all: Muon makes each orthogonal by itself
        self.query, self.key, self.value, self.out = (nn.Linear(channels, channels, bias=bias) for _ in range(4))
        if not bias:
            # logits of random tokens have a deviation of about 1, as with products of vectors
            self.sharpness = nn.Parameter(torch.full((heads,), (channels // heads) ** 0.5))
            self.relative = nn.Parameter(torch.zeros(heads, 2 * grid[0] - 1, 2 * grid[1] - 1))
        self.heads, self.grid, self.window, self.bias = heads, grid, window, bias

    def forward(self, tokens: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        b, h, w, c = tokens.shape
        q, k, v = (
            layer(tokens).reshape(b, h * w, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        down, across = _offsets(h, w, tokens.device)
        if self.bias:
            logits = q @ k.mT / q.shape[-1] ** 0.5
        else:
            # s at the queries: at the logits it would be a pass over a map of all pairs
            q = (functional.normalize(q, dim=-1) * self.sharpness[:, None, None]).to(v.dtype)
            nearness = self.relative[:, down + self.grid[0] - 1, across + self.grid[1] - 1]
            logits = q @ functional.normalize(k, dim=-1).mT + nearness
        if self.window is not None:
            logits = logits.masked_fill(torch.maximum(down.abs(), across.abs()) > self.window // 2, -torch.inf)
        # written out: torch's scaled_dot_product_attention has no forward derivative, which J v needs (torch 2.13)
        o = logits.softmax(-1) @ v
        return self.out(o.transpose(1, 2).reshape(b, h, w, c))


def _offsets(h: int, w: int, device: torch.device) -> tuple[Int[Tensor, "n n"], Int[Tensor, "n n"]]:
    """From each place of a grid to each other: rows down, columns across."""
    places = torch.arange(h * w, device=device)
    row, column = places // w, places % w
    return row - row[:, None], column - column[:, None]


class _TokenNorm(BiasFreeNorm):
    """`BiasFreeNorm` of tokens, whose channels are the last axis."""

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        return super().forward(x.movedim(-1, 1)).movedim(1, -1)


class _ReLU(nn.Module):
    """max(x, 0), not `nn.ReLU`: compiled for a CPU, its backward pass in bf16 runs number by number (torch 2.13)."""

    def forward(self, x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
        return torch.maximum(x, torch.zeros_like(x))


class _Block(nn.Module):
    """Attention, then a perceptron for each token, each added to what it was given."""

    def __init__(self, channels: int, heads: int, grid: tuple[int, int], window: int | None, bias: bool):
        super().__init__()
        self.before_attention = nn.LayerNorm(channels) if bias else _TokenNorm(channels)
        self.attention = Attention(channels, heads, grid, window, bias)
        self.before_perceptron = nn.LayerNorm(channels) if bias else _TokenNorm(channels)
        self.perceptron = nn.Sequential(
            nn.Linear(channels, 4 * channels, bias=bias),
            nn.GELU() if bias else _ReLU(),
            nn.Linear(4 * channels, channels, bias=bias),
        )

    def forward(self, tokens: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        tokens = tokens + self.attention(self.before_attention(tokens))
        return tokens + self.perceptron(self.before_perceptron(tokens))


class Transformer(nn.Module):
    """A transformer of pixels: tokens are patches of the image; the residual is read off the last ones. ::

        t_p = g_p * E y_p                                  (with bias t_p = E y_p + e + g_p)
        t <- t + attention(norm(t));   t <- t + W h(U norm(t)),   some times
        f(y)_p = y_p - H norm(t)_p

    Without bias, in evaluation mode, f(a y) = a f(y) for a > 0 and J(y) y = f(y); unlike the UNet it is not linear near
    y, since the weights of attention turn with the direction of y. With bias, an ordinary one.

    Args:
        channels: of the images.
        width: channels of a token, divisible by heads.
        sides: largest height and width of images, pixels.
        patch: side of a patch, pixels.
        depth: blocks of attention and perceptron.
        heads: of each attention.
        window: side of the window around a patch that it sees, an odd number of patches; None for the whole image.
        bias: constants in all layers, positions added to tokens, layer normalization, products for cosines, and GELU.

    Raises:
        ValueError: for fewer than one of any, a width that heads do not divide, sides that patches do not divide, or an
            even window; when called, for images of other channels, or of sides that patches do not divide or that are
            larger.

    Source: see the module; width 96 gives 480,120 parameters, as many as the laptop's UNet has. Few heads: what they
        cost is their number times the square of that of patches.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 96,
        sides: tuple[int, int] = (32, 32),
        patch: int = 2,
        depth: int = 4,
        heads: int = 3,
        window: int | None = None,
        bias: bool = False,
    ):
        super().__init__()
        require_some(channels=channels, width=width, patch=patch, depth=depth, heads=heads)
        if width % heads:
            raise ValueError(f"A token's {width} channels cannot be divided among {heads} heads.")
        if window is not None and window % 2 == 0:
            raise ValueError(f"A window around a patch has an odd side, got {window} patches.")
        self.channels, self.patch, self.sides, self.bias = channels, patch, sides, bias
        self._require_patches(sides)
        grid = sides[0] // patch, sides[1] // patch
        self.embed = nn.Conv2d(channels, width, patch, stride=patch, bias=bias)
        place = 0.02 * torch.randn(*grid, width) if bias else torch.ones(*grid, width)
        self.place = nn.Parameter(place)
        self.blocks = nn.Sequential(*(_Block(width, heads, grid, window, bias) for _ in range(depth)))
        self.norm = nn.LayerNorm(width) if bias else _TokenNorm(width)
        self.head = nn.ConvTranspose2d(width, channels, patch, stride=patch, bias=bias)

    def forward(
        self, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        require_channels(y, self.channels)
        self._require_patches(tuple(y.shape[-2:]))
        tokens = self.embed(y).movedim(1, -1)
        place = self.place[: tokens.shape[1], : tokens.shape[2]]
        tokens = tokens + place if self.bias else tokens * place
        return y - self.head(self.norm(self.blocks(tokens)).movedim(-1, 1))

    def _require_patches(self, sides: tuple[int, int]) -> None:
        if any(side % self.patch or not 0 < side <= most for side, most in zip(sides, self.sides, strict=True)):
            raise ValueError(
                f"This transformer takes images up to {self.sides[0]}x{self.sides[1]} with sides divisible by "
                f"{self.patch}, its patches; got {sides[0]}x{sides[1]}."
            )
