"""Networks: a noisy image enters, a clean estimate leaves. `f(y, sigma=None) -> x_hat`; blind ones ignore sigma.

`UNet` and `BFCNN` are bias-free: every layer is linear up to ReLU and up to a gain, so in evaluation mode
f(a y) = a f(y) for a > 0, and J(y) y = f(y) with J the Jacobian. Inside, they predict the residual y - x; `forward`
subtracts it, so that no caller has to. Architectures as in the paper (Appendix A) and the authors' code. Two controls
are not in the paper: a UNet with biases, and `ConditionalUNet`, which is not blind but told the noise level. `MLP` has
no convolutions; those that look by attention are in `ghr.transformers`.
"""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ghr.denoiser import TOLD, require_level, require_shape


class BiasFreeNorm(nn.Module):
    """Batch normalization without any shift: divide by the standard deviation, multiply by a learned gain. ::

        training:    y = g x / s,  s^2 = the batch's variance per channel (about the mean, which is not subtracted)
        evaluation:  y = g x / s_run,  s_run = running standard deviation

    Args:
        channels: of the input, its second axis; features have none after it, images two.
        momentum: share of a batch's deviation in the new running one.
        floor: added to the variance.

    Source: Mohan et al. 2020; the authors' code.
    """

    def __init__(self, channels: int, momentum: float = 0.1, floor: float = 1e-5):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.register_buffer("running_sd", torch.ones(channels))
        self.momentum = momentum
        self.floor = floor  # added to the variance, so that a silent channel stays finite

    def forward(self, x: Float[Tensor, "b c *places"]) -> Float[Tensor, "b c *places"]:
        if self.training:
            # float32 whatever the autocast type: a variance of bf16 numbers loses half of its digits
            sd = (x.float().var((0, *range(2, x.ndim)), unbiased=False) + self.floor).sqrt()
            with torch.no_grad():
                self.running_sd.lerp_(sd.to(self.running_sd.dtype), self.momentum)
        else:
            sd = self.running_sd
        return x * (self.gain / sd).to(x.dtype).view(-1, *[1] * (x.ndim - 2))


def _layer(inputs: int, outputs: int, bias: bool = False) -> list[nn.Module]:
    norm = nn.BatchNorm2d(outputs) if bias else BiasFreeNorm(outputs)  # the norm has the bias, if there is one
    # ReLU not in place: torch.func must see what it gets (torch.compile fuses both alike)
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), norm, nn.ReLU()]


class UNet(nn.Module):
    """The paper's denoiser: an encoder and a decoder over scales, two 3x3 convolutions a block, no bias.

    Average pooling goes down, 2x2 transposed convolutions go up, skips are concatenated. Width doubles at each scale.

    Args:
        channels: of the images.
        width: channels of the first scale.
        scales: number of poolings.
        bias: a control, with ordinary batch normalization and a constant added wherever a layer can.
        maps: channels of the input beyond those of the image.

    Raises:
        ValueError: for fewer than one of any; when called, for images of other channels, or whose sides are not
            divisible by 2^scales.

    Source: paper, Appendix A: width 64 and 3 scales give 7,659,264 parameters.
    """

    def __init__(self, channels: int = 1, width: int = 64, scales: int = 3, bias: bool = False, maps: int = 0):
        super().__init__()
        require_some(channels=channels, width=width, scales=scales)
        widths = [width * 2**s for s in range(scales + 1)]

        def block(*widths: int) -> list[nn.Module]:
            return [layer for a, b in itertools.pairwise(widths) for layer in _layer(a, b, bias)]

        first = [nn.Conv2d(channels + maps, width, 3, padding=1, bias=bias), nn.ReLU()]
        self.encoder = nn.ModuleList(
            [nn.Sequential(*first, *block(width, width))]
            + [nn.Sequential(*block(a, b, b)) for a, b in itertools.pairwise(widths[:-1])]
        )
        self.middle = nn.Sequential(*block(widths[-2], widths[-1], widths[-1]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2, bias=bias) for w in reversed(widths[:-1]))
        last = [*block(2 * width, width), nn.Conv2d(width, channels, 3, padding=1, bias=bias)]
        self.decoder = nn.ModuleList(
            [nn.Sequential(*block(2 * w, w, w)) for w in reversed(widths[1:-1])] + [nn.Sequential(*last)]
        )
        self.pool = nn.AvgPool2d(2)
        self.channels, self.scales = channels, scales

    def forward(
        self, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        require_channels(y, self.channels)
        return y - self._residual(y)

    def _residual(self, y: Float[Tensor, "b c_maps h w"]) -> Float[Tensor, "b c h w"]:
        h, w = y.shape[-2:]
        if h % 2**self.scales or w % 2**self.scales:
            raise ValueError(
                f"A UNet with {self.scales} scales needs sides divisible by {2**self.scales}, got {h}x{w}: "
                "crop the image or use fewer scales."
            )
        features, skips = y, []
        for block in self.encoder:
            features = block(features)
            skips.append(features)
            features = self.pool(features)
        features = self.middle(features)
        for up, block in zip(self.up, self.decoder, strict=True):
            features = block(torch.cat([up(features), skips.pop()], 1))
        return features


class ConditionalUNet(UNet):
    """A UNet that is told the noise level, as one more channel of constant value: a control, not in the paper.

    Without bias it scales with both: f(a y, a sigma) = a f(y, sigma); at one sigma it need not, and J y is not f.

    Called f(y, sigma), sigma one number or a tensor (b,1,1,1) of one for each image, image units.

    Args:
        channels: of the images.
        width: channels of the first scale.
        scales: number of poolings.

    Raises:
        ValueError: as UNet; when called, without sigma, with a number that is not positive, or with as many as there
            are no images.

    Source: noise level map of Zhang, Zuo & Zhang 2018 (FFDNet).
    """

    def __init__(self, channels: int = 1, width: int = 64, scales: int = 3):
        super().__init__(channels, width, scales, maps=1)

    def forward(
        self, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        require_channels(y, self.channels)
        if sigma is None:
            raise ValueError(TOLD)
        if not isinstance(sigma, Tensor):
            sigma = y.new_full((1, 1, 1, 1), require_level(sigma))
        elif sigma.numel() not in (1, len(y)):
            raise ValueError(f"sigma must be one number, or one for each of {len(y)} images, got {sigma.numel()}.")
        return y - self._residual(torch.cat([y, sigma.reshape(-1, 1, 1, 1).expand(len(y), 1, *y.shape[-2:])], 1))


class BFCNN(nn.Module):
    """Bias-free convolutional denoiser without scales: depth layers of 3x3 convolutions.

    Args:
        channels: of the images.
        width: channels inside.
        depth: number of convolutions.

    Raises:
        ValueError: for fewer than one channel or two convolutions; when called, for images of other channels.

    Source: Mohan et al. 2020; paper, Appendix A: width 64 and depth 21 give 702,784 parameters.
    """

    def __init__(self, channels: int = 1, width: int = 64, depth: int = 21):
        super().__init__()
        require_some(channels=channels, width=width)
        if depth < 2:
            raise ValueError(f"A BFCNN needs at least two convolutions, got depth={depth}.")
        layers = [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.ReLU()]
        for _ in range(depth - 2):
            layers += _layer(width, width)
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1, bias=False))
        self.channels = channels

    def forward(
        self, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        require_channels(y, self.channels)
        return y - self.layers(y)


class MLP(nn.Module):
    """A perceptron, which knows no neighbours: every unit sees every pixel. Three hidden layers. ::

        f(y) = W_4 h(W_3 h(W_2 h(W_1 y))),     h = ReLU after a normalization

    Without bias a control for what convolutions know of images: in evaluation mode it is linear up to ReLU, and
    f(a y) = a f(y), as of the UNet. It answers with the image and not with a residual: a layer of which half is silent
    lets pass the few dimensions of an image, and not the noise of all pixels.

    Args:
        channels: of the images.
        hidden: units of each hidden layer.
        sides: height and width of the images, pixels; it takes no others.
        bias: constants in every layer, and layer normalization, which looks at one image, in place of `BiasFreeNorm`.

    Raises:
        ValueError: for fewer than one of any; when called, for images of another shape.

    Source: Burger, Schuler & Harmeling 2012 (perceptrons denoise); without bias: own choice.
    """

    def __init__(self, channels: int = 1, hidden: int = 640, sides: tuple[int, int] = (32, 32), bias: bool = False):
        super().__init__()
        require_some(channels=channels, hidden=hidden, height=sides[0], width=sides[1])
        pixels, layers = channels * sides[0] * sides[1], []
        for inputs in (pixels, hidden, hidden):
            norm = nn.LayerNorm(hidden) if bias else BiasFreeNorm(hidden)
            layers += [nn.Linear(inputs, hidden, bias=bias), norm, nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, pixels, bias=bias))
        self.channels, self.sides = channels, sides

    def forward(
        self, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        require_channels(y, self.channels)
        require_shape(y, (self.channels, *self.sides))
        return self.layers(y.flatten(1)).view(y.shape)


def require_some(**numbers: int) -> None:
    """Refuses a network without anything.

    Args:
        numbers: what it needs at least one of, by name.

    Raises:
        ValueError: for fewer than one.
    """
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"A network needs {name} of at least 1, got {number}.")


def require_channels(y: Tensor, channels: int) -> None:
    """Refuses images of other channels than a network was made for.

    Args:
        y: noisy images.
        channels: of the network.

    Raises:
        ValueError: when they differ, or for another number of axes.
    """
    if y.ndim != 4 or y.shape[1] != channels:
        raise ValueError(f"This network takes images (b, {channels}, h, w), got the shape {tuple(y.shape)}.")


def lent(denoiser: nn.Module, device: torch.device) -> nn.Module:
    """The same network on a device, called as before: images travel there, answers and gradients come back.

    Args:
        denoiser: moved in place, its weights in the layout that convolutions take fastest.
        device: e.g. a GPU.

    Returns:
        The denoiser.
    """

    def moved(given):
        return given.to(device) if isinstance(given, Tensor) else given

    def there(module, arguments, named):
        module.home = arguments[0].device
        return tuple(map(moved, arguments)), {name: moved(given) for name, given in named.items()}

    denoiser.to(device, memory_format=torch.channels_last)  # 1.5 times the speed on a CPU
    if device.type != "cpu":
        denoiser.register_forward_pre_hook(there, with_kwargs=True)
        denoiser.register_forward_hook(lambda module, images, x_hat: x_hat.to(module.home))
    return denoiser
