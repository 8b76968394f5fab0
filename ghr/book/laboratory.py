"""Trained networks enter, files leave with which pages run them in the reader's browser.

Enters: the checkpoints of a scale. Leaves: `build/laboratory/<scale>`, which a build of the book copies to its pages:
two graphs for each architecture, weights, images and starts, a static figure, and `laboratory.json`, which lists them.
The scripts are in `ghr/book/assets/lab`, of which `engine.js` runs networks for any figure; what runs the graphs is
onnxruntime-web, from npm or else from a CDN. This module is also the Sphinx extension that puts the laboratory on its
page, and the list of networks on each page with a figure that asks them (`ghr.book.live`).

A network becomes two graphs, because J'v cannot be had from forward passes: `forward` also tells which ReLUs are open,
`products` multiplies with J and J' while they stay so. The graphs of an architecture hold no weights, which are a file
of their own for each run, with the fp16 numbers of its checkpoint; all arithmetic is float32.
"""

import copy
import itertools
import json
import logging
import os
import re
import shutil
import subprocess
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

from ghr import harmonic, jacobian, noise, recipes, runs, sampling
from ghr.book import SCALE, plots
from ghr.book.answers import COMPONENTS, SEEDS, SHOWN, label, networks
from ghr.book.identity import code, digest, file_digest
from ghr.denoiser import require_evaluation
from ghr.networks import BFCNN, UNet

PAGE = "book/laboratory"
SHIPPED = 100  #: training sets up to this size are shipped as one file, for the nearest training image
SEARCHED = {images for images, _ in recipes.STUDIES}  #: image sets whose larger training sets are shipped in groups
GROUP = 200  #: images of a group, on average
SIGMA = 0.2  #: noise level of the static figure, image units
RUNTIME = "onnxruntime-web"
# its files and their SHA-256 in the locked version: what a CDN sends is run only if it is this
RUNTIME_FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}


# -- a network as graphs


class _Bend(nn.Module):
    """A ReLU, or what a pass puts in its place."""

    bend: Callable[[Tensor], Tensor] = torch.relu

    def forward(self, x: Tensor) -> Tensor:
        return self.bend(x)


class _Graph(nn.Module):
    """A network that is looked into: how it bends is decided in each pass.

    Args:
        network: a UNet or BFCNN without biases, in evaluation mode.

    Raises:
        ValueError: in training mode.
    """

    def __init__(self, network: UNet | BFCNN):
        super().__init__()
        require_evaluation(network)
        self.network = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
        for block in list(self.network.modules()):
            for name, layer in block.named_children():
                if isinstance(layer, nn.ReLU):
                    setattr(block, name, _Bend())
        self.eval()

    def bend(self, x: Tensor, bend: Callable[[Tensor], Tensor]) -> Tensor:
        """A pass of x through the network, with bend in the place of ReLU."""
        for layer in self.network.modules():
            if isinstance(layer, _Bend):
                layer.bend = bend
        return self.network(x)


class Forward(_Graph):
    """f(y), and which ReLUs are open at y, in the order of the pass: 1 open, 0 shut."""

    def forward(self, y: Float[Tensor, "1 c h w"]) -> tuple[Float[Tensor, "1 c h w"], Float[Tensor, " gates"]]:
        gates = []

        def record(x: Tensor) -> Tensor:
            gates.append((x > 0).to(x).flatten())
            return x.relu()

        x_hat = self.bend(y, record)
        return x_hat, torch.cat(gates)


class Products(_Graph):
    """J v and J' v at the y whose gates are given.

    J is the network with every ReLU replaced by a product with its gate; J' is the same backwards, layer by layer.
    """

    def forward(
        self, gates: Float[Tensor, " gates"], v: Float[Tensor, "1 c h w"]
    ) -> tuple[Float[Tensor, "1 c h w"], Float[Tensor, "1 c h w"]]:
        passed, held = 0, []

        def hold(x: Tensor) -> Tensor:
            nonlocal passed
            held.append(gates[passed : passed + x.numel()].view(x.shape))
            passed += x.numel()
            return x * held[-1]

        push = self.bend(v, hold)
        return push, v - _pull(self.network, v, held)


def _pull(network: UNet | BFCNN, v: Tensor, held: list[Tensor]) -> Tensor:
    """The transposed residual: the network's own pass read from its end, gates taken from the end of the list."""

    def back(layers, x: Tensor) -> Tensor:
        for layer in reversed(layers):
            if isinstance(layer, _Bend):
                x = x * held.pop()
            elif isinstance(layer, nn.ConvTranspose2d):
                x = conv2d(x, layer.weight, stride=layer.stride)
            elif isinstance(layer, nn.Conv2d):
                x = conv2d(x, layer.weight.flip(2, 3).transpose(0, 1), padding=layer.padding)
            elif isinstance(layer, nn.AvgPool2d):
                x = interpolate(x, scale_factor=2.0) / 4
            else:
                x = layer(x)  # a norm in evaluation mode is diagonal
        return x

    if isinstance(network, BFCNN):
        return back(network.layers, v)
    x, skips = v, []
    for up, block in zip(reversed(network.up), reversed(network.decoder), strict=True):
        x, skip = back(block, x).chunk(2, 1)
        skips.append(skip)
        x = back([up], x)
    x = back(network.middle, x)
    for block in reversed(network.encoder):
        x = back(block, back([network.pool], x) + skips.pop())
    return x


def graphs(network: UNet, size: int) -> dict[str, bytes]:
    """ONNX files of an architecture, whose weights are in another file, named "weights": that of `weights`.

    Args:
        network: any network of this architecture, in evaluation mode.
        size: side of the images in pixels.

    Returns:
        Files of "forward", y -> x_hat, gates, and of "products", gates, v -> push, pull, for one image.
    """
    y = torch.zeros(1, 1, size, size)
    with torch.no_grad():
        gates = Forward(network)(y)[1]
    return {
        "forward": _graph(Forward(network), (y,), ["y"], ["x_hat", "gates"]),
        "products": _graph(Products(network), (gates, y), ["gates", "v"], ["push", "pull"]),
    }


def weights(network: UNet) -> bytes:
    """A network's numbers, one tensor after the other: fp16 what the checkpoint keeps in fp16, else float32.

    Args:
        network: a trained one.

    Returns:
        Bytes of the file that `graphs` names "weights".
    """
    return b"".join(_laid_out(network).values())


def _laid_out(network: nn.Module) -> dict[str, bytes]:
    found = {}
    for name, value in network.state_dict().items():
        data = (value.half() if value.ndim > 1 else value).contiguous().numpy().tobytes()
        found[name] = data + bytes(-len(data) % 16)  # float32 tensors begin at multiples of their size
    return found


def exported(module: nn.Module, arguments: tuple, inputs: list[str], outputs: list[str]):
    """An ONNX model of a module, which tells nothing of the machine that made it.

    Args:
        module: in evaluation mode.
        arguments: tensors that it can be called with, whose shapes are fixed from then on.
        inputs: names of the arguments.
        outputs: names of the answers.

    Returns:
        onnx.ModelProto, with its weights.

    Raises:
        ModuleNotFoundError: without what writes such files.
    """
    try:
        import onnxscript  # noqa: F401 (torch's exporter asks for it later, in other words)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"the laboratory needs {error.name}: pip install -e '.[book]'") from error

    with _quiet():
        model = torch.onnx.export(
            module, arguments, dynamo=True, input_names=inputs, output_names=outputs, optimize=False, verbose=False
        ).model_proto
    for node in model.graph.node:  # the exporter notes its call stack, with the paths of this machine
        node.ClearField("metadata_props")
    del model.graph.value_info[:], model.graph.metadata_props[:], model.metadata_props[:]
    return model


def _graph(module: nn.Module, arguments: tuple, inputs: list[str], outputs: list[str]) -> bytes:
    """An ONNX file whose weights are elsewhere: fp16, and cast to float32 when the file is opened."""
    model = exported(module, arguments, inputs, outputs)
    from onnx import TensorProto

    lengths = {f"network.{name}": len(data) for name, data in _laid_out(module.network).items()}
    offsets = dict(zip(lengths, itertools.accumulate(lengths.values(), initial=0), strict=False))
    halved = []
    for tensor in model.graph.initializer:
        name, half = tensor.name, len(tensor.dims) > 1
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        length = int(np.prod(tensor.dims)) * (2 if half else 4)
        for key, value in {"location": "weights", "offset": offsets[name], "length": length}.items():
            tensor.external_data.add(key=key, value=str(value))
        halved += [tensor] if half else []
    cast(model, halved)
    return model.SerializeToString()


def cast(model, halved: list) -> None:
    """Tensors of a model that hold fp16 numbers are cast to float32 when the file is opened.

    Args:
        model: onnx.ModelProto, changed.
        halved: some of its initializers, whose numbers are fp16 already.
    """
    from onnx import TensorProto, helper

    casts = []
    for tensor in halved:
        name = tensor.name
        tensor.name, tensor.data_type = f"{name}.half", TensorProto.FLOAT16
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter remarks on itself and on libraries that are not there."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


# -- what the page is given


def export(scale: str, root: Path) -> Path:
    """Everything the page loads, made again only when networks, code, pins or runtime are others than before.

    Args:
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.

    Returns:
        The list, `build/laboratory/<scale>/laboratory.json`; without any trained network its sets are empty.
    """
    chosen = networks(scale)
    folder = root / "build" / "laboratory" / scale
    listed = folder / "laboratory.json"
    engine = runtime(root) if chosen else None
    state = [code("import ghr.book.laboratory"), [file_digest(runs.path(run)) for run in chosen], engine]
    key = digest(json.dumps(state, sort_keys=True), (root / "requirements.txt").read_text("utf8"))
    if listed.exists() and json.loads(listed.read_text("utf8"))["key"] == key:
        return listed
    partial = folder.with_name(f"{scale}.new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    architectures, sets = {}, []
    for images, group in itertools.groupby(chosen, key=lambda run: run.images):
        sets.append(_set(images, list(group), architectures, partial))
    contents = {"key": key, "runtime": engine, "size": chosen[0].size if chosen else 0, "seeds": len(SEEDS)}
    (partial / "laboratory.json").write_text(json.dumps({**contents, "graphs": architectures, "sets": sets}, indent=1))
    (partial / "figure.html").write_text(figure(chosen))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return listed


def _set(images: str, group: list[recipes.Run], architectures: dict, folder: Path) -> dict:
    """Writes the files of one image set and its networks, and says what they are."""
    largest = group[-1]
    held_out = runs.held_out(largest)
    entries, known = [], {}
    for run in group:
        network = runs.load(run, "cpu")
        kind = f"unet-{run.width}-{run.scales}-{run.size}"
        if kind not in architectures:
            files = graphs(network, run.size)
            architectures[kind] = {name: _file(folder, f"{kind}-{name}.onnx", data) for name, data in files.items()}
        entry = {"n": run.n, "half": run.half, "width": run.width, "graph": kind}
        entry["weights"] = _file(folder, f"{run.name}.weights", weights(network))
        few, key = run.n <= SHIPPED, (run.n, run.half)
        if (few or images in SEARCHED) and key not in known:
            file = f"{images}-n{run.n}-{run.half}.training"
            known[key] = (_pixels if few else _groups)(folder, file, runs.training(run))
        if key in known:
            entry["training" if few else "groups"] = known[key]
        entries.append(entry)
    starts, mean = (x.numpy().astype("<f4") for x in (_starts(held_out), held_out.mean(0)))
    found = {}
    if images in SEARCHED:
        a = runs.training(replace(largest, half="A"))
        count = min(COMPONENTS, len(a) - 1, a[0].numel())
        rows = torch.cat([a.mean(0, keepdim=True), harmonic.principal(a, count)])
        found["components"] = _file(folder, f"{images}.components", rows.numpy().astype("<f4").tobytes())
    return {
        "name": images,
        "label": label(images),
        "images": _pixels(folder, f"{images}.images", held_out[:SHOWN]),
        "starts": _file(folder, f"{images}.starts", starts.tobytes()),
        "mean": _file(folder, f"{images}.mean", mean.tobytes()),
        "networks": entries,
        **found,  # the mean of the largest training set, and its principal components
    }


def _starts(held_out: Tensor) -> Tensor:
    return sampling.gaussian_start(held_out, SEEDS)


def _file(folder: Path, name: str, data: bytes) -> dict:
    """Writes a file under a name that tells its contents, so that no browser shows an old copy of it."""
    checksum = zlib.crc32(data)
    stem, dot, suffix = name.rpartition(".")
    path = folder / f"{stem}-{checksum:08x}{dot}{suffix}"
    path.write_bytes(data)
    return {"path": path.name, "bytes": len(data), "crc32": checksum}


def _pixels(folder: Path, name: str, x: Float[Tensor, "n 1 h w"], deflated: bool = False) -> dict:
    """Images in 256 levels from low to high: exact for sets that come from 8-bit pictures."""
    low, high = min(0.0, x.min().item()), max(1.0, x.max().item())
    levels = ((x - low) / (high - low) * 255).round().to(torch.uint8).numpy().tobytes()
    file = _file(folder, name, zlib.compress(levels) if deflated else levels)
    return {**file, "low": low, "high": high} | ({"deflated": True} if deflated else {})


def _groups(folder: Path, name: str, x: Float[Tensor, "n 1 h w"]) -> dict:
    """Many images in groups of like ones, each a file: a page finds the nearest without loading all.

    Groups are those of k-means by centred cosine; each has the mean of its images as its centre.
    """
    flat = x.flatten(1) - x.flatten(1).mean(1, keepdim=True)
    flat = flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-12)
    centres = flat[::GROUP]
    for _ in range(8):
        group = (flat @ centres.T).argmax(1)
        centres = nn.functional.normalize(torch.zeros_like(centres).index_add_(0, group, flat))
    members = [x[group == k] for k in group.unique()]
    found = [_pixels(folder, f"{name}-{k}", images, deflated=True) for k, images in enumerate(members)]
    centred = _pixels(folder, f"{name}.centres", torch.stack([images.mean(0) for images in members]))
    listed = json.dumps({"centres": centred, "groups": found}, separators=(",", ":"))
    return _file(folder, f"{name}.groups", listed.encode())


def runtime(root: Path) -> dict:
    """Where the page finds what runs the graphs: files of ours when npm is there, else a CDN, of the locked version.

    Args:
        root: top of the repository, with package.json and package-lock.json.

    Returns:
        Version, and of the module and of the WebAssembly file url and bytes, or from the CDN url and SHA-256.
    """
    lock = json.loads((root / "package-lock.json").read_text("utf8"))
    version = lock["packages"][f"node_modules/{RUNTIME}"]["version"]
    folder = root / "build" / "laboratory" / f"{RUNTIME}-{version}"
    if folder.exists() or _installed(root, folder):
        found = [{"url": f"{folder.name}/{name}", "bytes": (folder / name).stat().st_size} for name in RUNTIME_FILES]
    else:
        print(f"no {RUNTIME} from npm: the laboratory will load it from cdn.jsdelivr.net")
        base = f"https://cdn.jsdelivr.net/npm/{RUNTIME}@{version}/dist/"
        found = [{"url": base + name, "sha256": checksum} for name, checksum in RUNTIME_FILES.items()]
    return {"version": version, "module": found[0], "wasm": found[1]}


def _installed(root: Path, folder: Path) -> bool:
    """Whether npm gave the locked runtime; two of its files are kept, the other 140 MB are not."""
    if not (npm := shutil.which("npm")):
        return False
    place = root / "build" / "npm"
    place.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / name, place)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    result = subprocess.run(command, cwd=place, capture_output=True, text=True)
    if result.returncode:
        print(result.stderr)
        return False
    partial = folder.with_name(f"{folder.name}.new")
    partial.mkdir(parents=True, exist_ok=True)
    for name in RUNTIME_FILES:
        shutil.copy(place / "node_modules" / RUNTIME / "dist" / name, partial)
    partial.rename(folder)
    shutil.rmtree(place)
    return True


# -- what the page shows before it runs anything


@torch.no_grad()
def figure(chosen: list[recipes.Run]) -> str:
    """Three pictures, one for each experiment, by the networks of the first image set: HTML.

    Args:
        chosen: of `networks`.

    Returns:
        HTML, empty without networks.
    """
    if not chosen:
        return ""
    group = [run for run in chosen if run.images == chosen[0].images]
    ones = [run for run in group if (run.half, run.width) == (group[0].half, group[0].width)]
    held_out = runs.held_out(group[-1])
    x = held_out[:1]
    y = noise.add_noise(x, SIGMA, torch.Generator().manual_seed(0))
    shown = [ones[round(k)] for k in np.linspace(0, len(ones) - 1, min(4, len(ones)))]
    denoised = [runs.load(run)(y) for run in shown]
    titles = ["clean", "noisy", *(f"N = {run.n:,}" for run in shown)]
    pictures = [
        plots.image_grid([torch.cat([x, y, *denoised])], [ones[0].half], titles).html(
            f"A held-out image, the same with noise, and denoised by networks trained on {_words(shown)} images."
        )
    ]

    pair = [run for run in group if (run.n, run.width) == (group[-1].n, group[-1].width)]
    start = _starts(held_out)[:1]
    walks = [list(sampling.sample(runs.load(run), start)) for run in pair]
    moments = np.linspace(0, len(walks[0]) - 1, len(titles) - 1).round().astype(int)
    rows = [torch.cat([*(walk[t].y for t in moments), walk[-1].x_hat]) for walk in walks]
    sigmas = [f"σ = {walks[0][t].sigma.item():.2f}" for t in moments]
    pictures.append(
        plots.image_grid(rows, [run.half for run in pair], [*sigmas, "sample"]).html(
            "Reverse diffusion from noise to an image, one row for each network: both began with the same noise."
        )
    )

    basis = jacobian.leading(runs.load(pair[0]), y, len(titles) - 1)
    shades = [f"λ = {value:.2f}" for value in basis.eigenvalues]
    vectors = plots.image_grid([torch.cat([y, basis.eigenvectors])], [pair[0].half], ["noisy", *shades], len(shades))
    alt = "A noisy image and the leading eigenvectors of a network's Jacobian there, blue below zero, red above."
    pictures.append(vectors.html(alt))
    names = ("Denoise", "Sample", "Basis")
    return "\n".join(f"<p>{name}</p>{picture}" for name, picture in zip(names, pictures, strict=True))


def _words(shown: list[recipes.Run]) -> str:
    *most, last = (f"{run.n:,}" for run in shown)
    return f"{', '.join(most)} and {last}" if most else last


def setup(app) -> dict:
    """Sphinx extension: `ghr.book.laboratory` in `_config.yml`.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx asks of an extension.
    """
    from docutils import nodes
    from sphinx.util import logging as sphinx_logging
    from sphinx.util.docutils import SphinxDirective

    folder = Path("build", "laboratory", os.environ.get(SCALE, "laptop"))

    class Laboratory(SphinxDirective):
        """```{laboratory}```: the static figure with its caption, which the page's script brings to life."""

        has_content = True

        def run(self):
            if not (folder / "laboratory.json").exists():
                warning = "nothing was exported for the laboratory: run make book"
                sphinx_logging.getLogger(__name__).warning(warning, location=self.env.docname)
                return []
            listed = json.loads((folder / "laboratory.json").read_text("utf8"))
            if not listed["sets"]:
                return [nodes.paragraph("", "This build of the book has no trained networks.")]
            caption = nodes.caption()
            self.state.nested_parse(self.content, self.content_offset, caption)
            opening = '<div id="lab" class="lab" data-script="lab" data-networks=""><figure class="lab-still">'
            return [
                nodes.raw("", opening + (folder / "figure.html").read_text("utf8") + "<figcaption>", format="html"),
                *caption.children,
                nodes.raw("", "</figcaption></figure></div>", format="html"),
            ]

    def scripts(app, pagename, templatename, context, doctree) -> None:
        asking = re.findall(r'data-script="(\w+)" data-networks="([^"]*)"', context.get("body", ""))
        if not asking or not (folder / "laboratory.json").exists():  # no other page gets heavier
            return
        listed = json.loads((folder / "laboratory.json").read_text("utf8"))
        wanted = {name for _, asked in asking for name in asked.split() or [""]}
        listed["sets"] = [images for images in listed["sets"] if wanted & {"", images["name"]}]
        if not listed["sets"]:
            return
        files = "../" * pagename.count("/") + "_static/laboratory/"
        data = json.dumps(listed, separators=(",", ":")).replace("<", "\\u003c")
        context["body"] += f'<script type="application/json" id="networks" data-files="{files}">{data}</script>'
        for script in sorted({script for script, _ in asking}):
            app.add_js_file(f"lab/{script}.js", type="module")
        if ("lab", "") in asking:
            app.add_css_file("lab/lab.css")

    def files(app, error) -> None:
        if error or app.builder.format != "html" or not (folder / "laboratory.json").exists():
            return
        place = Path(app.outdir, "_static", "laboratory")
        shutil.copytree(folder, place, ignore=shutil.ignore_patterns("laboratory.json", "figure.html"))
        listed = json.loads((folder / "laboratory.json").read_text("utf8"))
        if listed["sets"] and "bytes" in listed["runtime"]["wasm"]:
            version = f"{RUNTIME}-{listed['runtime']['version']}"
            shutil.copytree(folder.with_name(version), place / version)

    app.add_directive("laboratory", Laboratory)
    app.connect("html-page-context", scripts)
    app.connect("build-finished", files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
