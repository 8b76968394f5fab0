"""A denoiser enters, an ONNX file leaves that the laboratory runs in a reader's browser, and any other reader of ONNX.

The file takes one noisy grey image, in [0,1] units, and answers with the clean one. Of networks of this package it also
tells which ReLUs are open, and holds a second graph that multiplies with their Jacobian and its transpose, as a note
that other readers pass over: without it the laboratory has to measure the Jacobian, direction by direction.
"""

import base64

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ghr.book import laboratory
from ghr.foreign import Convention, Foreign
from ghr.networks import BFCNN, ConditionalUNet, UNet

PRODUCTS = "ghr.products"  #: key of the note that holds the second graph, in base64
LARGEST = 128  #: side of the images that the laboratory takes, pixels


class _Alone(nn.Module):
    """A denoiser that is given images alone."""

    def __init__(self, f: Foreign):
        super().__init__()
        self.f = f
        self.eval()

    def forward(self, y: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
        return self.f(y)


def exact(f: Foreign) -> UNet | BFCNN | None:
    """The network inside, where its products with J and its transpose can be written down.

    Args:
        f: denoiser.

    Returns:
        A UNet or BFCNN of this package without biases and of its conventions, else None.
    """
    network = f.network
    ours = isinstance(network, UNet | BFCNN) and not isinstance(network, ConditionalUNet)
    if not ours or f.convention != Convention() or any(isinstance(part, nn.BatchNorm2d) for part in network.modules()):
        return None
    return network


@torch.no_grad()
def file(f: Foreign, size: int) -> bytes:
    """An ONNX file of a denoiser: y -> x_hat, for one grey image.

    Args:
        f: blind denoiser, in evaluation mode.
        size: side of the images in pixels.

    Returns:
        The file's bytes. Numbers that fp16 holds without loss, as those of checkpoints, are kept so.

    Raises:
        ModuleNotFoundError: without what writes such files.
        ValueError: for a denoiser that is told the noise level, of colour images, of another size, or that torch
            cannot write down.
    """
    if f.channels not in (None, 1):
        raise ValueError(f"This denoiser takes images of {f.channels} channels: those of the laboratory are grey.")
    if not 1 <= size <= LARGEST:
        raise ValueError(f"The laboratory takes images of at most {LARGEST} pixels a side, got {size}.")
    if not f.smooth:
        raise ValueError("This denoiser is ONNX already: the laboratory takes its file as it is.")
    y = torch.full((1, 1, size, size), 0.5)
    f(y)  # what it refuses is told in its own words
    if (network := exact(f)) is None:
        return _embedded(_Alone(f), (y,), ["y"], ["x_hat"]).SerializeToString()
    forward = laboratory.Forward(network)
    gates = forward(y)[1]
    model = _embedded(forward, (y,), ["y"], ["x_hat", "gates"])
    products = _embedded(laboratory.Products(network), (gates, y), ["gates", "v"], ["push", "pull"])
    note = base64.b64encode(products.SerializeToString()).decode()
    model.metadata_props.add(key=PRODUCTS, value=note)
    return model.SerializeToString()


def _embedded(module: nn.Module, arguments: tuple, inputs: list[str], outputs: list[str]):
    """A model with its weights, as fp16 where that loses nothing."""
    try:
        model = laboratory.exported(module, arguments, inputs, outputs)
    except ImportError:
        raise
    except Exception as error:  # what torch's exporter raises is in no list
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"torch cannot write this denoiser as ONNX ({said[0].rstrip('.')}).") from error
    from onnx import TensorProto, numpy_helper

    halved = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        numbers = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = numbers.astype(np.float16)
        if (half == numbers).all():
            tensor.ClearField("float_data")
            tensor.raw_data = half.tobytes()
            halved.append(tensor)
    laboratory.cast(model, halved)
    return model
