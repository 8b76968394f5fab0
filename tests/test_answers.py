"""Answers of a kernel to live figures, as their script asks: against the library, and faults as sentences."""

import json

import pytest
import torch

from ghr import harmonic, recipes, runs, sampling, similarity
from ghr.book import answers, live, plots, yours
from ghr.book.answers import Answers, ImageSet, Network
from ghr.denoiser import denoise
from ghr.jacobian import eigenbasis, jacobian
from ghr.references import EmpiricalDenoiser, LocalDenoiser, PatchDenoiser

SIZE = 12
SIGMA = 0.2


def told(y, sigma):
    return y / (1 + sigma)


@pytest.fixture
def x(images):
    return images[..., :SIZE].float()


@pytest.fixture
def own(unet, x):
    """Answers of a small network, which has a training set, and of a function that is told the noise level."""
    network, known = unet.float(), x[:3]
    offered = [Network(3, "A", 6, lambda: network, lambda: known), Network(3, "B", 6, lambda: told, None)]
    return Answers([ImageSet("own", "own images", SIZE, offered, lambda: x, lambda: x)])


def heard(given: Answers, task: str, **rest) -> list[dict]:
    """What is said to one message, whose arrays travel as buffers."""
    said, buffers = [], []
    message = {"id": "7", "task": task, "rest": answers._packed(rest, buffers)}
    given.heard(
        json.loads(json.dumps(message)),
        [memoryview(buffer) for buffer in buffers],
        lambda content, buffers: said.append(answers._unpacked(json.loads(json.dumps(content)), buffers)),
    )
    assert {one.pop("id") for one in said} == {"7"}
    assert said[0] == {"begun": True} or "error" in said[0]
    return [one for one in said if "begun" not in one]


def ask(given: Answers, task: str, **rest):
    *_, last = heard(given, task, size=SIZE, **rest)
    return last["result"]


def networks(given: Answers) -> list[dict]:
    return given.listed["sets"][0]["networks"]


def image(values) -> torch.Tensor:
    return values.view(1, 1, SIZE, SIZE)


def test_files_are_images_starts_mean_and_components(own, x):
    listed = own.listed["sets"][0]
    torch.testing.assert_close(torch.stack(ask(own, "images", file=listed["images"])).view_as(x), x)
    starts = sampling.gaussian_start(x, range(own.listed["seeds"]))
    torch.testing.assert_close(ask(own, "file", file=listed["starts"]), starts.flatten())
    torch.testing.assert_close(ask(own, "file", file=listed["mean"]), x.mean(0).flatten())
    mean, *components = ask(own, "file", file=listed["components"]).view(-1, SIZE, SIZE)
    torch.testing.assert_close(mean, x.mean(0)[0])
    torch.testing.assert_close(torch.stack(components)[:, None], harmonic.principal(x, 4).float())


def test_networks_denoise_blind_or_told(own, unet, x):
    blind, other = networks(own)
    for network, f in ((blind, unet), (other, told)):
        found = ask(own, "denoise", network=network, y=x[0].flatten(), sigma=SIGMA)
        torch.testing.assert_close(image(found), denoise(f, x[:1], SIGMA))


def test_both_of_a_pair_walk_from_one_start_step_by_step(own, unet, x):
    y = sampling.gaussian_start(x, [5])
    *moments, end = heard(own, "sample", size=SIZE, pair=networks(own), start=y.flatten(), steps=4, first=1, last=0.1)
    assert end == {"result": True}
    assert [moment["tell"]["step"] for moment in moments] == [1, 2, 3, 4]
    for k, f in enumerate((unet, told)):
        for moment, state in zip(moments, sampling.sample(f, y, steps=4, sigma_0=1, sigma_end=0.1), strict=True):
            assert moment["tell"]["sigma"] == pytest.approx(state.sigma.item())
            torch.testing.assert_close(image(moment["tell"]["walks"][k]["x_hat"]), state.x_hat)


@pytest.mark.parametrize("whole", [0, answers.WHOLE])
def test_a_basis_is_that_of_the_jacobian_and_a_filter_its_row(own, unet, x, whole, monkeypatch):
    monkeypatch.setattr(answers, "WHOLE", whole)
    y, (network, _) = x[:1], networks(own)
    j = jacobian(unet, y)
    found, wanted = ask(own, "basis", network=network, y=y.flatten(), sigma=SIGMA, k=5), eigenbasis(j, (1, SIZE, SIZE))
    torch.testing.assert_close(torch.tensor(found["values"]), wanted.eigenvalues[:5], atol=1e-3, rtol=1e-3)
    cosines = (torch.stack(found["vectors"]) * wanted.eigenvectors[:5].flatten(1)).sum(1)
    torch.testing.assert_close(cosines.abs(), torch.ones(5), atol=1e-2, rtol=0)
    torch.testing.assert_close(image(found["x_hat"]), denoise(unet, y))
    for pixel in (17, 40):
        found = ask(own, "filter", network=network, y=y.flatten(), sigma=SIGMA, pixel=pixel)
        torch.testing.assert_close(found["row"], j[pixel])
        torch.testing.assert_close(found["column"], j[:, pixel])


def test_a_filter_is_that_of_the_place_and_network_it_is_asked_for(own, x):
    blind, other = networks(own)
    for network, y, sigma in ((blind, x[0], 0.2), (other, x[0], 0.2), (other, x[0], 1.0), (other, x[1], 1.0)):
        row = ask(own, "filter", network=network, y=y.flatten(), sigma=sigma, pixel=9)["row"]
        if network is other:
            torch.testing.assert_close(row, torch.eye(SIZE**2)[9] / (1 + sigma))


def test_of_more_vectors_than_an_image_has_there_are_all(own, x):
    found = ask(own, "basis", network=networks(own)[1], y=x[0].flatten(), sigma=SIGMA, k=1000)
    assert len(found["vectors"]) == len(found["values"]) == SIZE**2


def test_the_nearest_training_image_is_found_where_there_are_any(own, x):
    known, unknown = networks(own)
    found = ask(own, "nearest", network=known, image=x[4].flatten())
    (rho,), (index,) = similarity.nearest(x[4:], x[:3])
    assert found["rho"] == pytest.approx(rho.item())
    torch.testing.assert_close(image(found["image"]), x[index : index + 1])
    assert ask(own, "nearest", network=unknown, image=x[4].flatten()) is None


@pytest.mark.parametrize(("side", "patches"), [(5, False), (4, True), (2 * SIZE - 1, False)])
def test_a_rival_is_that_of_the_library(own, x, side, patches):
    y = x[4:] + 0.1
    found = ask(own, "rival", network=networks(own)[0], y=y.flatten(), sigma=SIGMA, side=side, patches=patches)
    machine = PatchDenoiser(x[:3], side) if patches else LocalDenoiser(x[:3], side)
    torch.testing.assert_close(image(found), denoise(machine, y, SIGMA))
    if side > SIZE:
        torch.testing.assert_close(image(found), denoise(EmpiricalDenoiser(x[:3]), y, SIGMA))


def test_whatever_goes_wrong_is_a_sentence(own, x):
    assert heard(own, "knit") == [{"error": "The kernel has no answer: A kernel knows no task knit."}]
    (said,) = heard(own, "denoise", size=SIZE, network={"key": 99}, y=x[0].flatten(), sigma=SIGMA)
    assert said == {"error": "The kernel has no answer: IndexError: list index out of range."}
    (said,) = heard(own, "basis", size=SIZE, network=networks(own)[1], y=x[0].flatten() * torch.nan, sigma=1.0, k=2)
    assert said["error"].startswith("The kernel has no answer: Some pixels are not finite")
    assert answers.sentence(KeyboardInterrupt()) == "The kernel has no answer: KeyboardInterrupt."
    assert answers.sentence(RuntimeError("one\ntwo")) == "The kernel has no answer: RuntimeError: one."


# Figures ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def still():
    return plots.image_grid([torch.full((1, 1, 4, 4), 0.5)], ["a still"])


def test_a_figure_offers_the_trained_networks_of_its_images_and_loads_none(still, tmp_path, monkeypatch):
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("GHR_SCALE", "smoke")
    for name in ("load", "data"):
        monkeypatch.setattr(runs, name, lambda run: pytest.fail(f"{run.name} was loaded"))
    table = recipes.table("smoke", "avatars")
    for run in table[:3]:
        runs.path(run).touch()
    shown = live.Live("draw", still, "Alt.", networks="avatars photographs")
    (listed,) = shown.listed["sets"]
    assert (listed["name"], listed["label"], shown.listed["size"]) == ("avatars", "cartoon faces", table[0].size)
    assert {(one["n"], one["half"]) for one in listed["networks"]} == {(run.n, run.half) for run in table[:3]}
    data, _ = shown._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/html"] == shown.html


def test_a_figure_without_any_network_is_its_still(still, tmp_path, monkeypatch):
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path))
    shown = live.Live("draw", still, "Alt.", networks="avatars")
    data, _ = shown._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html"}
    assert live.SERVED in data["text/html"]


def test_a_readers_denoisers_are_offered_by_name(x):
    shown = yours.figure("draw", {"mine": (told, torch.relu)}, x, {"mine": (x[:2], x[2:])})
    assert [(one["n"], one["half"]) for one in networks(shown.answers)] == [("mine", "A"), ("mine", "B")]
    assert live.OWN in shown.html
    found = ask(shown.answers, "denoise", network=networks(shown.answers)[0], y=x[0].flatten(), sigma=SIGMA)
    torch.testing.assert_close(image(found), told(x[:1], SIGMA))
    near = ask(shown.answers, "nearest", network=networks(shown.answers)[1], image=x[4].flatten())
    torch.testing.assert_close(image(near["image"]), x[4:])


@pytest.mark.parametrize(
    ("script", "denoisers", "take", "says"),
    [
        ("fly", {"mine": told}, 5, "asked by the figures rebuild, draw, rival, not by fly"),
        ("rebuild", {}, 5, "needs a denoiser or more"),
        ("rebuild", {"mine": told}, 1, "takes two images or more, grey and square"),
        ("rival", {"mine": told}, 5, "made of training images: those of mine are missing"),
        ("draw", {"mine": told}, 5, "mine must be a pair"),
    ],
)
def test_what_a_figure_cannot_take_is_said(x, script, denoisers, take, says):
    with pytest.raises(ValueError, match=says):
        yours.figure(script, denoisers, x[:take])
