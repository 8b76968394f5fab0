"""What a network costs: a network and a size enter; floating point operations and bytes leave."""

import copy

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ghr.denoiser import call


def flops(network: nn.Module, h: int, w: int, training: bool = False) -> int:
    """Floating point operations of one image: those of convolutions and products of matrices.

    A multiplication and an addition count 2. The network runs without numbers (torch's device "meta"); what it would
    multiply is counted, the gradient of the image aside, which nobody asks for.

    Args:
        network: denoiser of any kind; grey images, or as many channels as its attribute `channels` says.
        h: height of the image, pixels.
        w: width of the image, pixels.
        training: forward and backward.

    Returns:
        Operations.
    """
    network = copy.deepcopy(network).to("meta").eval()
    y = torch.empty(1, getattr(network, "channels", 1), h, w, device="meta")
    with torch.set_grad_enabled(training), FlopCounterMode(display=False) as counter:
        x_hat = call(network, y, 1.0)
        if training:
            x_hat.square().mean().backward()
    return counter.get_total_flops()


def training_memory(network: nn.Module, h: int, w: int) -> tuple[int, int]:
    """Bytes that a training step in float32 holds: what an image keeps for the backward pass, what there is once.

    The first is counted: the step runs without numbers (torch's device "meta"), and what autograd keeps is added up.
    The buffers of single operations come on top. The second is weights, gradients, two moments and the weight average.

    Args:
        network: denoiser of grey images.
        h: height of the image, pixels.
        w: width of the image, pixels.

    Returns:
        Bytes per image, bytes per network.
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
            x_hat = call(network, clean, clean[:, :, :1, :1])
            (x_hat - clean).square().mean()
        return sum(storage.nbytes() for storage in kept.values())

    weights = sum(4 * weights.numel() for weights in network.parameters())
    return step(2) - step(1), 5 * weights  # the difference: weights and gains are kept too, once
