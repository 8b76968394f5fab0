"""A denoiser as an ONNX file: another reader of ONNX finds the same function, its Jacobian and the transpose."""

import base64
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import excite
from onnx.reference import ReferenceEvaluator
from torch import nn

from ghr import foreign, jacobian, networks
from ghr.book import export


@pytest.fixture
def y():
    return torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def run(data: bytes, **given) -> list[torch.Tensor]:
    model = onnx.load_model_from_string(data)
    found = ReferenceEvaluator(model).run(None, {name: x.numpy() for name, x in given.items()})
    return [torch.from_numpy(np.array(x)) for x in found]


def note(data: bytes) -> bytes | None:
    held = {one.key: one.value for one in onnx.load_model_from_string(data).metadata_props}
    return base64.b64decode(held[export.PRODUCTS]) if export.PRODUCTS in held else None


@pytest.mark.parametrize("network", [networks.UNet(width=3, scales=1), networks.BFCNN(width=3, depth=3)])
def test_the_file_is_the_network_with_its_jacobian_and_the_transpose(network, y):
    excite(network)
    data = export.file(foreign.adapt(network), 8)
    x_hat, gates = run(data, y=y)
    torch.testing.assert_close(x_hat, network(y).detach())
    matrix, v = jacobian.jacobian(network, y), torch.randn(y.shape, generator=torch.Generator().manual_seed(3))
    assert (matrix - matrix.T).norm() > 0.1 * matrix.norm()  # else J and J' could not be told apart
    push, pull = run(note(data), gates=gates, v=v)
    torch.testing.assert_close(push.flatten(), matrix @ v.flatten(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(pull.flatten(), matrix.T @ v.flatten(), atol=1e-5, rtol=1e-4)
    for path in (str(Path(export.__file__).parents[2]), sys.prefix):
        assert path.encode() not in data


def test_numbers_of_checkpoints_stay_halves_and_others_whole(y):
    """Weights in fp16 make half a file; what fp16 cannot hold is kept."""
    network = excite(networks.UNet(width=3, scales=1))
    whole = len(export.file(foreign.adapt(network), 8))
    halved = networks.UNet(width=3, scales=1)
    halved.load_state_dict({k: v.half().float() if v.ndim > 1 else v for k, v in network.state_dict().items()})
    data = export.file(foreign.adapt(halved.eval()), 8)
    numbers = sum(v.numel() for v in network.state_dict().values() if v.ndim > 1)
    assert whole - len(data) > 2 * numbers  # in the network and, in base64, in its products; casts are short
    torch.testing.assert_close(run(data, y=y)[0], halved(y).detach())


def test_any_denoiser_is_written_in_the_books_units(y):
    """With biases, of pixels 0 to 255, predicting the residual: without products."""
    network = nn.Conv2d(1, 1, 3, padding=1).eval()
    f = foreign.adapt(network, units="bytes", predicts="residual")
    data = export.file(f, 8)
    assert note(data) is None
    (x_hat,) = run(data, y=y)
    torch.testing.assert_close(x_hat, (y - network(255 * y) / 255).detach(), atol=1e-5, rtol=1e-5)
    biased = foreign.adapt(excite(networks.UNet(width=3, scales=1, bias=True)))
    assert export.exact(biased) is None
    assert export.exact(foreign.adapt(networks.ConditionalUNet(width=3, scales=1))) is None


def test_what_the_laboratory_cannot_run_is_refused_before(tmp_path):
    with pytest.raises(ValueError, match="told the noise level"):
        export.file(foreign.adapt(networks.ConditionalUNet(width=3, scales=1).eval()), 8)
    colour = foreign.Foreign(networks.UNet(channels=3, width=3, scales=1).eval(), foreign.Convention(), channels=3)
    with pytest.raises(ValueError, match="takes images of 3 channels: those of the laboratory are grey"):
        export.file(colour, 8)
    f = foreign.adapt(networks.UNet(width=3, scales=2).eval())
    with pytest.raises(ValueError, match="needs sides divisible by 4, got 6x6"):
        export.file(f, 6)
    with pytest.raises(ValueError, match="at most 128 pixels a side, got 256"):
        export.file(f, 256)

    class Odd(nn.Module):
        def forward(self, y):
            return y * float(y.numpy().sum() > 0)

    with pytest.raises(ValueError, match=r"torch cannot write this denoiser as ONNX \("):
        export.file(foreign.adapt(Odd().eval()), 8)


def test_the_command_writes_a_file_that_is_measured_as_the_network(ghr, tmp_path, monkeypatch, y):
    """From a state dict; the file is never written over."""
    monkeypatch.chdir(tmp_path)
    network = excite(networks.BFCNN(width=3, depth=3))
    Path("net.py").write_text(
        "import torch\nfrom ghr.networks import BFCNN\n\ndef f():\n    torch.manual_seed(0)\n"
        "    return BFCNN(width=3, depth=3)\n"
    )
    status, out, err = ghr("export", "net.py:f", "--size", 8)
    assert (status, err) == (0, "")
    assert out.startswith("f.onnx: net.py:f, for grey images of 8x8, with products of its Jacobian, ")
    torch.manual_seed(0)
    network = networks.BFCNN(width=3, depth=3).eval()
    torch.testing.assert_close(run(Path("f.onnx").read_bytes(), y=y)[0], network(y).detach(), atol=1e-6, rtol=1e-5)
    status, _, err = ghr("export", "net.py:f", "--size", 8)
    assert (status, err) == (1, "ghr: f.onnx is there already: give another --out, or take it away.\n")
