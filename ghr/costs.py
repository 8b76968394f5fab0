"""What a network costs: a network and a size enter; floating point operations and bytes leave."""

import copy
import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ghr.denoisers import BFCNN, UNet


def flops(network: nn.Module, h: int, w: int, training: bool = False) -> int:
    """Floating point operations of one image: those of convolutions, a multiplication and an addition counting 2.

    sum over layers 2 |weights| pixels,   pixels: where the kernel is placed;  training: three times that, the gradients
    of the first layer's input aside, which nobody asks for

    network: UNet (of any kind) or BFCNN.  h, w: sides of the image, pixels.  training: forward and backward.
    Raises: ValueError for another network.
    """
    products = [2 * layer.weight.numel() * pixels for layer, pixels in _convolutions(network, h * w)]
    return 3 * sum(products) - products[0] if training else sum(products)


def _convolutions(network: nn.Module, pixels: int) -> Iterator[tuple[nn.Module, int]]:
    """Convolutions in order, each with the number of places at which its kernel is applied."""
    if isinstance(network, BFCNN):
        blocks = [(network.layers, pixels)]
    elif isinstance(network, UNet):
        at = [pixels // 4**s for s in range(network.scales + 1)]
        down = zip([*network.encoder, network.middle], at, strict=True)
        # a transposed convolution places its kernel at the pixels of its input
        up = zip(zip(network.up, at[:0:-1], strict=True), zip(network.decoder, at[-2::-1], strict=True), strict=True)
        blocks = [*down, *itertools.chain(*up)]
    else:
        raise ValueError(f"Operations are counted of UNet and BFCNN, not of {type(network).__name__}.")
    for block, places in blocks:
        for layer in block.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                yield layer, places


def training_memory(network: nn.Module, h: int, w: int) -> tuple[int, int]:
    """Bytes that a training step in float32 holds: what an image keeps for the backward pass, what there is once.

    The first is counted: the step runs without numbers (torch's device "meta"), and what autograd keeps is added up.
    The buffers of single operations come on top. The second is weights, gradients, two moments and the weight average.

    network: y -> x_hat, of grey images.  h, w: sides of the image, pixels.
    Returns: bytes per image, bytes per network.
    """
    network = copy.deepcopy(network).to("meta").train()
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # two views of one storage hold it once
        return tensor

    def step(images: int) -> int:
        kept.clear()
        clean = torch.empty(images, 1, h, w, device="meta")
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            x_hat = network(clean, clean[:, :, :1, :1]) if hasattr(network, "at") else network(clean)
            (x_hat - clean).square().mean()
        return sum(storage.nbytes() for storage in kept.values())

    weights = sum(4 * weights.numel() for weights in network.parameters())
    return step(2) - step(1), 5 * weights  # the difference: weights and gains are kept too, once
