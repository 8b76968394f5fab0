"""What live figures ask, answered by a kernel: the messages of `ghr/book/assets/lab/kernel.js`.

Networks and image sets enter, of the book or of a reader; what they make of a figure's images leaves. The tasks are
those of `worker.js`, which answers in a page; here the library does the work, and nothing is loaded before it is asked.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from itertools import groupby
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import harmonic, jacobian, recipes, runs, sampling, similarity
from ghr.book import SCALE
from ghr.denoiser import denoise
from ghr.images import names
from ghr.references import EmpiricalDenoiser, LocalDenoiser, PatchDenoiser

LABELS = {  # what a reader would call image sets whose names say little; the page explains them
    "avatars": "cartoon faces",
    "c_alpha": "regions with contours",
    "hoelder": "Hölder regions with contours",
    "fields": "Gaussian fields",
    "ray": "multiples of one image",
}
SHOWN = 16  #: held-out images to choose from
SEEDS = range(64)  #: sampling seeds whose starts are shipped, those of the chapters
COMPONENTS = 100  #: principal components that are shipped
WHOLE = 1600  #: pixels up to which the whole Jacobian is had sooner than a hundred of its eigenvectors without it


# -- what there is to ask


@dataclass(frozen=True)
class Network:
    """A denoiser that figures offer."""

    n: int | str  #: training images, or its name
    half: str  #: "A" or "B"
    width: int  #: channels, as figures tell networks of one N apart
    load: Callable[[], Callable]  #: the denoiser
    training: Callable[[], Float[Tensor, "n 1 h w"]] | None  #: its training images, where they are known


@dataclass(frozen=True)
class ImageSet:
    """Images, and the denoisers that figures offer for them."""

    name: str  #: by which figures ask for it
    label: str  #: what the reader sees
    size: int  #: side in pixels
    networks: Sequence[Network]  #: by N
    held_out: Callable[[], Float[Tensor, "m 1 h w"]]  #: images to choose from
    training: Callable[[], Float[Tensor, "n 1 h w"]]  #: those of which the principal components are

    @cached_property
    def files(self) -> dict[str, Tensor]:
        """What a page loads as files: images to choose from, starts of samples and their mean."""
        held_out = self.held_out()
        starts = sampling.gaussian_start(held_out, SEEDS)
        return {"images": held_out[:SHOWN], "starts": starts, "mean": held_out.mean(0)}

    @cached_property
    def components(self) -> Float[Tensor, "k_1 1 h w"]:
        """The mean of the largest training set, and its principal components."""
        x = self.training()
        count = min(COMPONENTS, len(x) - 1, x[0].numel())
        return torch.cat([x.mean(0, keepdim=True), harmonic.principal(x, count)])


def networks(scale: str) -> list[recipes.Run]:
    """The runs that figures offer: trained UNets without biases, by image set and N.

    Args:
        scale: one of `ghr.recipes.SCALES`.

    Returns:
        Runs that have a checkpoint.
    """
    tables = [run for key in recipes.STUDIES for run in recipes.table(scale, *key)]
    wanted = dict.fromkeys([*tables, *recipes.flagship(scale), *recipes.classes(scale)])
    names = list(dict.fromkeys(run.images for run in wanted))
    trained = [run for run in wanted if run.network == "UNet" and runs.path(run).exists()]
    return sorted(trained, key=lambda run: (names.index(run.images), run.n, run.width, run.half))


def label(images: str) -> str:
    """What a reader would call an image set.

    Args:
        images: its name.

    Returns:
        Words.
    """
    named = names.parse(images)
    label = LABELS.get(named.kind, named.kind)
    if named.numbers:
        alpha, *contour = (f"{number:g}" for number in named.numbers)
        label += f", α = {alpha}" + (f", contour {contour[0]}" if contour else "")
    if named.shuffled:
        label += f", shuffled in blocks of {named.block}" if named.block else ", shuffled"
    return label


# -- answers


class Answers:
    """Answers to the figures of a notebook.

    Args:
        sets: what there is to ask.
    """

    def __init__(self, sets: Sequence[ImageSet]):
        self.sets = sets
        self._networks = [network for images in sets for network in images.networks]
        self._looked: tuple = (None, None)  # where a network was looked at last, and its Jacobian there

    @classmethod
    def of_book(cls, wanted: Sequence[str]) -> "Answers":
        """The book's trained networks.

        Args:
            wanted: names of image sets; those without networks at $GHR_SCALE (laptop) are left out.

        Returns:
            Answers.
        """
        load, training = lru_cache(maxsize=16)(runs.load), lru_cache(maxsize=1)(runs.training)  # a MB, hundreds of MB

        def offered(run: recipes.Run) -> Network:
            return Network(run.n, run.half, run.width, lambda: load(run), lambda: training(run))

        trained = networks(os.environ.get(SCALE, "laptop"))
        runs_of = {name: [*group] for name, group in groupby(trained, lambda run: run.images)}
        return cls(
            [
                ImageSet(
                    name,
                    label(name),
                    group[0].size,
                    [*map(offered, group)],
                    partial(runs.held_out, group[-1]),
                    partial(training, replace(group[-1], half="A")),
                )
                for name, group in runs_of.items()
                if name in wanted
            ]
        )

    @property
    def listed(self) -> dict:
        """What figures are told, as `ghr.book.laboratory.export` tells a page."""
        place = {id(network): k for k, network in enumerate(self._networks)}

        def of(images: ImageSet) -> dict:
            each = [
                {"key": place[id(one)], "n": one.n, "half": one.half, "width": one.width}
                | ({"training": True} if one.training else {})
                for one in images.networks
            ]
            files = {part: {"set": images.name, "part": part} for part in ("images", "starts", "mean", "components")}
            return {"name": images.name, "label": images.label, "networks": each, **files}

        size = self.sets[0].size if self.sets else 0
        return {"size": size, "seeds": len(SEEDS), "graphs": {}, "sets": [of(images) for images in self.sets]}

    def heard(self, message: dict, buffers: Sequence, send: Callable[[dict, list], None]) -> None:
        """Answers a message of a figure: with news while it is at work, at the end with a result or a sentence.

        Args:
            message: id, task, and the rest of what it says.
            buffers: its arrays.
            send: takes an answer and its arrays.
        """

        def say(what: str, value) -> None:
            arrays: list = []
            send({"id": message["id"], what: _packed(value, arrays)}, arrays)

        try:
            if message["task"] not in TASKS:
                raise ValueError(f"A kernel knows no task {message['task']}.")
            say("begun", True)
            rest = _unpacked(message["rest"], buffers)
            say("result", TASKS[message["task"]](self, tell=lambda news: say("tell", news), **rest))
        except (Exception, KeyboardInterrupt) as error:  # whatever it is, the reader waits for an answer
            say("error", sentence(error))

    # each task takes of what `worker.js` is told as much as it needs, and the noise level, which blind networks do not

    def _f(self, network: dict) -> Callable:
        return self._networks[network["key"]].load()

    def _images(self, file: dict, **_) -> list[Tensor]:
        """Images to choose from."""
        return [*self._file(file)]

    def _file(self, file: dict, **_) -> Tensor:
        """A tensor of an image set."""
        (images,) = [images for images in self.sets if images.name == file["set"]]
        return images.components if file["part"] == "components" else images.files[file["part"]]

    def _denoise(self, network: dict, size: int, y: Tensor, sigma: float, **_) -> Tensor:
        """What a network makes of y."""
        return denoise(self._f(network), _image(y, size), sigma)

    def _sample(
        self, pair: list[dict], size: int, start: Tensor, steps: int, first: float, last: float, tell: Callable, **_
    ) -> bool:
        """Walks of several networks from one start, told step by step."""
        y = _image(start, size)
        walks = [sampling.sample(self._f(one), y, steps=steps, sigma_0=first, sigma_end=last) for one in pair]
        for step, states in enumerate(zip(*walks, strict=True), 1):
            moments = [{"y": state.y, "x_hat": state.x_hat} for state in states]
            tell({"step": step, "sigma": states[0].sigma.item(), "walks": moments})
        return True

    def _once(self, make: Callable, f: Callable, y: Tensor, sigma: float):
        """make(f, y, sigma), kept until another network, image or level is looked at."""
        place = (make, f, y.numpy().tobytes(), sigma)
        if self._looked[0] != place:
            self._looked = (place, make(f, y, sigma))
        return self._looked[1]

    def _basis(self, network: dict, size: int, y: Tensor, k: int, sigma: float, **_) -> dict:
        """Leading eigenvectors at y."""
        f, y = self._f(network), _image(y, size)
        if size**2 <= WHOLE:
            found = jacobian.eigenbasis(self._once(jacobian.jacobian, f, y, sigma), tuple(y.shape[1:]))
        else:
            found = jacobian.leading(f, y, k, sigma)
        values, vectors = found.eigenvalues[:k].tolist(), [*found.eigenvectors[:k]]
        return {"x_hat": denoise(f, y, sigma), "values": values, "vectors": vectors}

    def _filter(self, network: dict, size: int, y: Tensor, pixel: int, sigma: float, **_) -> dict:
        """Row and column of the Jacobian at y."""
        f, y = self._f(network), _image(y, size)
        if size**2 <= WHOLE:
            j = self._once(jacobian.jacobian, f, y, sigma)
            return {"row": j[pixel], "column": j[:, pixel]}
        push, pull = self._once(jacobian.products, f, y, sigma)
        one = _image(torch.nn.functional.one_hot(torch.tensor(pixel), size**2).to(y), size)
        return {"row": pull(one), "column": push(one)}

    def _nearest(self, network: dict, size: int, image: Tensor, **_) -> dict | None:
        """The training image most like an image, where they are known."""
        if not (known := self._networks[network["key"]].training):
            return None
        training = known()
        (rho,), (index,) = similarity.nearest(_image(image, size), training)
        return {"rho": rho.item(), "image": training[index]}

    def _rival(self, network: dict, size: int, y: Tensor, sigma: float, side: int, patches: bool, **_) -> Tensor:
        """What a machine of the network's training images makes of y; it is the memorizer where it sees them whole."""
        training = self._networks[network["key"]].training()
        if side >= 2 * size - 1:
            machine = EmpiricalDenoiser(training)
        else:
            machine = (PatchDenoiser if patches else LocalDenoiser)(training, side)
        return denoise(machine, _image(y, size), sigma)


TASKS = {  # as `worker.js` names them
    "images": Answers._images,
    "file": Answers._file,
    "denoise": Answers._denoise,
    "sample": Answers._sample,
    "basis": Answers._basis,
    "filter": Answers._filter,
    "nearest": Answers._nearest,
    "rival": Answers._rival,
}


def sentence(error: BaseException) -> str:
    """What a reader is told of an error: its kind and first line.

    Args:
        error: any.

    Returns:
        One sentence.
    """
    first, *_ = [*str(error).splitlines(), ""]
    kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
    return f"The kernel has no answer: {kind}{first}".removesuffix(": ").removesuffix(".") + "."


def _image(values: Tensor, size: int) -> Float[Tensor, "1 1 h w"]:
    return values.view(1, 1, size, size)


def _packed(value: Any, buffers: list) -> Any:
    """What is sent, in JSON: tensors are put among the buffers, as float32."""
    if isinstance(value, Tensor):
        buffers.append(np.ascontiguousarray(value.detach().cpu().numpy(), "<f4").tobytes())
        return {"buffer": len(buffers) - 1}
    if isinstance(value, Mapping):
        return {name: _packed(one, buffers) for name, one in value.items()}
    return [_packed(one, buffers) for one in value] if isinstance(value, list) else value


def _unpacked(value: Any, buffers: Sequence) -> Any:
    """What was sent, with a flat tensor for each buffer."""
    if isinstance(value, dict):
        if "buffer" in value:
            return torch.from_numpy(np.frombuffer(buffers[value["buffer"]], "<f4").copy())
        return {name: _unpacked(one, buffers) for name, one in value.items()}
    return [_unpacked(one, buffers) for one in value] if isinstance(value, list) else value
