"""Runs: an identity for each, a checkpoint that comes back as it was or not at all, training that survives a kill."""

import base64
import dataclasses
import io
import itertools
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from conftest import without_types
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from ghr import images as image_sets
from ghr import recipes, runs
from ghr.files import checkpoints
from ghr.images import names, photographs
from ghr.noise import add_noise
from ghr.recipes import Run


@pytest.fixture(scope="module")
def forty(tmp_path_factory):
    """Forty images in a folder of their own."""
    folder = tmp_path_factory.mktemp("photographs")
    coarse = np.random.default_rng(0).integers(0, 256, (40, 5, 5)).astype(np.uint8)
    for k, image in enumerate(coarse):
        Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC).save(folder / f"{k:02d}.png")
    return folder


def small(folder) -> Run:
    """A run of 40 steps that does not follow the defaults."""
    return Run(
        images=f"folder:{folder}",
        size=16,
        held_out=6,
        n=5,
        width=4,
        scales=1,
        images_seen=40 * 64 - 5,
        batch=64,
        lr=3e-3,
        warmup=5,
        average=0.9,
    )


@pytest.fixture
def run(forty, tmp_path, monkeypatch):
    """The small run; its checkpoints and training states lie in folders of this test."""
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GHR_CACHE", str(tmp_path / "cache"))
    return small(forty)


@pytest.fixture(scope="module")
def trained(forty, tmp_path_factory):
    """One finished run: (its checkpoint, the denoiser that training handed back)."""
    folder = tmp_path_factory.mktemp("trained")
    handed_back = []
    train = runs.train

    def spy(*arguments, **options):
        for step in train(*arguments, **options):
            handed_back[:] = [step.denoiser]
            yield step

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHR_CHECKPOINTS", str(folder))
        patch.setenv("GHR_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(runs, "train", spy)
        file = runs.fit(small(forty))
    return file, handed_back[0]


@pytest.fixture
def checkpoint(run, trained):
    """The finished run's checkpoint, copied to where this test may damage it."""
    file = runs.path(run)
    file.parent.mkdir(parents=True)
    shutil.copy(trained[0], file)
    return file


def contents(file):
    with safe_open(file, framework="pt") as opened:
        log = json.loads(opened.metadata()["log"])
        return load_file(file), log | {"seconds": None}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# Identity ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", recipes.SCALES)
def test_names_are_unique_in_a_table_and_safe_as_file_names(scale):
    names = [run.name for run in recipes.table(scale)]
    assert len(set(names)) == len(names) >= 4
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_AB") for name in names)


def test_every_field_is_part_of_the_name():
    """A field left out would let one run pass for another."""
    other = {"half": "B", "network": "BFCNN", "images": "folder:/a/b", "pool": 5, "size": 40, "average": 0.5}
    other |= {"optimizer": "adamw", "schedule": "cosine", "float32_tail": 0.5}
    names = {Run().name}
    for field in dataclasses.fields(Run):
        value = other[field.name] if field.name in other else field.default + 1
        names.add(dataclasses.replace(Run(), **{field.name: value}).name)
    assert len(names) == len(dataclasses.fields(Run)) + 1


def test_folders_of_one_last_name_are_told_apart():
    assert Run(images="folder:/a/photos").name != Run(images="folder:/b/photos").name
    assert Run(images="folder:/a/photos").name.startswith("photos-")


def test_a_folder_has_one_name_however_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    spellings = (f"folder:{tmp_path}/photos", "folder:photos", "folder:./photos/", "folder:~/photos")
    assert len({Run(images=images).name for images in spellings}) == 1


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("half", "a", "one of A, B"),
        ("half", "AB", "one of A, B"),
        ("network", "ResNet", f"one of {', '.join(recipes.NETWORKS)}"),
        ("optimizer", "sgd", "one of muon, adamw"),
        ("schedule", "step", "one of linear, cosine, constant, trapezoid"),
        ("n", 0, "a whole number of at least 1"),
        ("size", -16, "a whole number of at least 1"),
        ("images_seen", 0, "a whole number of at least 1"),
        ("seed", -5, "a whole number of at least 0"),
        ("seed", True, "a whole number of at least 0"),
        ("pool", 2, "None or a whole number of at least 3"),
        ("lr", 0, "a number above 0"),
        ("muon_lr", -0.01, "a number above 0"),
        ("lr", float("nan"), "a number above 0"),
        ("average", 1.0, "a number from 0, below 1"),
        ("float32_tail", 1.5, "a share from 0 to 1"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused_when_the_run_is_made(field, value, expected):
    with pytest.raises(ValueError, match=re.escape(f"Run.{field} is {value!r}: expected {expected}.")):
        Run(**{field: value})


def test_a_size_that_the_network_cannot_halve_is_refused_before_any_image_is_made():
    with pytest.raises(ValueError, match="Run.size is 30: a UNet with 3 scales needs sides divisible by 8"):
        Run(size=30)
    assert Run(size=30, network="BFCNN").size == 30
    assert Run(size=31, network="MLP").size == 31
    assert Run(size=30, network="LocalTransformer").size == 30
    with pytest.raises(ValueError, match="Run.size is 31: a transformer needs sides divisible by 2, its patches"):
        Run(size=31, network="BiasedTransformer")


def test_tables_are_pairs_of_halves_that_differ_in_data_and_seed_alone():
    sets = (("avatars", "UNet"), ("photographs", "UNet"), ("avatars", "BFCNN"))
    for scale, (images, network) in itertools.product(recipes.SCALES, sets):
        table = recipes.table(scale, images, network)
        for a, b in zip(table[::2], table[1::2], strict=True):
            assert (a.half, b.half) == ("A", "B")
            assert a.seed != b.seed
            assert dataclasses.replace(a, half="B", seed=b.seed) == b
            assert a.float32_tail == (0.1 if a.n <= 10 else 0)
            assert (a.images, a.network) == (images, network)
            assert images == "photographs" or 2 * a.n < (a.pool or 62_000)


def test_controls_exchange_the_seeds_of_a_pair():
    for scale in recipes.SCALES:
        controls = recipes.controls(scale)
        assert len(controls) >= 2
        for a, b in zip(controls[::2], controls[1::2], strict=True):
            table = recipes.table(scale, "avatars", like="controls")
            first, second = (run for run in table if run.n == a.n)
            assert (first, second) in itertools.pairwise(table)
            assert a == dataclasses.replace(first, seed=second.seed)
            assert b == dataclasses.replace(second, seed=first.seed)


def test_other_networks_differ_from_half_a_of_the_largest_set_in_kind_alone():
    for scale in recipes.SCALES:
        a = recipes.table(scale, "avatars", like="others")[-2]
        assert [run.network for run in recipes.others(scale)] == ["BiasedUNet", "ConditionalUNet"]
        assert {dataclasses.replace(run, network="UNet") for run in recipes.others(scale)} == {a}


def test_networks_without_convolutions_are_pairs_of_faces_those_without_biases_first():
    for scale in recipes.SCALES:
        table = recipes.architectures(scale, recipes.ARCHITECTURES, halves="AB")
        assert set(recipes.architectures(scale)) <= set(table)
        assert list(dict.fromkeys(run.network for run in table)) == list(recipes.ARCHITECTURES)
        assert [kind.startswith("Biased") for kind in recipes.ARCHITECTURES] == [False] * 3 + [True] * 2
        for a, b in zip(table[::2], table[1::2], strict=True):
            assert (a.images, a.half, b) == ("avatars", "A", dataclasses.replace(a, half="B", seed=1))
            assert a.n in {run.n for run in recipes.table(scale, "avatars")}
        assert len({run.name for run in table}) == len(table)
        seen = {run.images_seen for run in table}
        assert seen == {2**18 if scale == "laptop" else recipes._RECIPES[scale].images_seen}
    assert {run.n for run in recipes.architectures("laptop", sizes=(100, 300))} == {100, 300}


@pytest.mark.parametrize("network", recipes.ARCHITECTURES)
def test_a_network_without_convolutions_is_made_for_the_images_of_its_run(network):
    run = Run(size=6, width=2, network=network, images=names.coloured("folder:x"))
    made = runs.network(run).eval()
    y = torch.rand(2, 3, 6, 6)
    assert made(y).shape == y.shape
    assert made.sides == (6, 6)
    assert ("bias" in "".join(made.state_dict())) == network.startswith("Biased")
    if "Transformer" in network:
        assert {block.attention.window for block in made.blocks} == {5 if network.startswith("Local") else None}


def test_the_flagship_is_the_largest_pair_of_faces_in_wider_networks():
    for scale in recipes.SCALES:
        for run, ours in zip(
            recipes.flagship(scale), recipes.table(scale, "avatars", like="flagship")[-2:], strict=True
        ):
            assert dataclasses.replace(run, width=ours.width, images_seen=ours.images_seen) == ours
            assert run.width >= ours.width
    assert recipes.flagship("smoke")[0].width > recipes.table("smoke", "avatars")[-1].width


def test_other_widths_are_trained_as_those_that_are_watched_and_to_one_moment_of_their_logs():
    for scale in recipes.SCALES:
        watched, other = recipes.onset(scale), recipes.room(scale)
        (seen,) = {run.images_seen for run in other}
        assert not {run.width for run in other} & {run.width for run in watched}
        assert {run.seed for run in other} == {run.seed for run in watched}
        alike = {dataclasses.replace(run, n=1, width=1, seed=0, images_seen=1) for run in (*watched, *other)}
        assert len(alike) == 1
        assert min(run.images_seen for run in watched) <= seen <= max(run.images_seen for run in watched)
        for _, of_width in itertools.groupby(other, key=lambda run: run.width):
            assert len({run.n for run in of_width}) > 1


def test_shorter_trainings_differ_from_half_a_of_the_largest_set_in_length_alone():
    for scale in recipes.SCALES:
        a = recipes.table(scale, "avatars")[-2]
        seen = [run.images_seen for run in recipes.early(scale)]
        assert seen == sorted(set(seen))
        assert max(seen) < a.images_seen
        assert {dataclasses.replace(run, images_seen=a.images_seen) for run in recipes.early(scale)} == {a}


def test_trainings_by_images_seen_differ_in_length_alone_and_end_at_that_of_the_table():
    for scale in recipes.SCALES:
        every = recipes.scaling(scale)
        whole = [run for run in every if run.seed == 0]
        again = [dataclasses.replace(run, seed=0) for run in every if run.seed == 1]
        assert again == whole[-len(again) :]
        assert len(again) == len({run.images for run in whole})
        for kind in {run.images for run in whole}:
            some = [run for run in whole if run.images == kind]
            seen = [run.images_seen for run in some]
            assert len(set(seen)) == 4
            assert seen == sorted(seen)
            longest = recipes.pair(scale, some[0].n, kind)[0]
            assert {dataclasses.replace(run, images_seen=longest.images_seen) for run in some} == {longest}
            assert some[-1] == longest
            assert scale == "laptop" or longest in recipes.classes(scale)


def test_classes_are_one_network_each_and_shuffled_faces_are_the_faces_of_the_largest_pair():
    for scale in ("smoke", "paper"):
        a = recipes.table(scale, "avatars")[-2]
        classes = recipes.classes(scale)
        assert {run.half for run in classes} == {"A"}
        assert ("discs", "BFCNN") in {(run.images, run.network) for run in classes}
        shuffled = [run for run in classes if "shuffled" in run.images]
        assert len(shuffled) >= 2
        assert {dataclasses.replace(run, images="avatars") for run in shuffled} == {a}
        assert all(names.parse(run.images).source == "formula" for run in classes if run not in shuffled)


def test_the_whole_table_is_all_sets_the_flagship_controls_and_other_networks_each_once():
    for scale in recipes.SCALES:
        sets = (("avatars", "UNet"), ("photographs", "UNet"), ("avatars", "BFCNN"))
        parts = [recipes.table(scale, *key) for key in sets]
        parts += [recipes.flagship(scale), recipes.controls(scale), recipes.others(scale), recipes.classes(scale)]
        parts += [recipes.onset(scale), recipes.room(scale), recipes.early(scale), recipes.scaling(scale)]
        parts += [recipes.equal_views(scale), recipes.architectures(scale)]
        whole = recipes.table(scale)
        assert set(whole) == set(sum(parts, ()))
        assert len(set(whole)) == len(whole)


def test_an_unknown_table_is_refused():
    for key in (("celeba",), ("photographs", "BFCNN")):
        with pytest.raises(ValueError, match="expected one of avatars UNet, photographs UNet, avatars BFCNN"):
            recipes.table("smoke", *key)
    with pytest.raises(ValueError, match="A table of BFCNN alone is one of an image set: name it"):
        recipes.table("laptop", network="BFCNN")  # not all of them, with the network forgotten


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("laptop", "avatars"), "Run.n is 'avatars': expected a whole number"),  # the order of `table`
        (("laptop", 5, "discs", 0), "Run.size is 0: expected a whole number of at least 1"),
        (("laptop", 5, 100), "Run.images is 100: expected the name of an image set"),
        (("laptop", 0), "Run.n is 0: expected a whole number of at least 1"),
        (("laptop", 5, "nonsense"), 'Unknown image set "nonsense"'),
    ],
)
def test_a_pair_of_nothing_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        without_types(recipes).pair(*arguments)


def test_the_largest_set_of_photographs_is_what_the_pool_gives():
    for scale in ("laptop", "paper"):
        run = recipes.table(scale, "photographs")[-1]
        most = min(len(part) for part in photographs.patches(run.size)[:2])
        assert 0.99 * most < run.n <= most


def test_scales_are_the_ones_promised():
    laptop, paper = recipes.table("laptop"), recipes.table("paper")
    other_widths = {*recipes.room("laptop"), *recipes.room("paper")}
    assert {(r.size, r.scales) for r in other_widths} == {(32, 3), (80, 3)}
    assert {(r.size, r.width, r.scales) for r in {*laptop} - other_widths} <= {(32, width, 3) for width in (8, 16, 32)}
    assert {(r.size, r.width, r.scales) for r in {*paper} - other_widths} == {(80, 64, 3)}
    assert [r.n for r in recipes.table("laptop", "avatars")[::2]] == [1, 10, 100, 1000, 10_000, 30_000]
    assert [r.n for r in recipes.table("laptop", "photographs")[::2]] == [1, 10, 100, 1000, 4454]
    assert sum(p.numel() for p in runs.network(laptop[0]).parameters()) == 479_424


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match='Unknown scale "huge": expected one of smoke, laptop, paper'):
        recipes.table("huge")


def test_a_pair_of_ones_own_images_takes_the_whole_folder():
    a, b = recipes.pair("smoke", n=50, images="folder:x", size=24)
    assert (a.images, a.n, a.size, a.pool, a.width) == (names.parse("folder:x").text, 50, 24, None, 8)
    assert recipes.pair("smoke", n=50)[1].pool == 1000
    assert recipes.pair("smoke", n=50)[1].size == b.size - 8


@pytest.mark.parametrize("network", recipes.NETWORKS)
def test_initial_weights_are_a_function_of_the_seed(network):
    run = Run(width=3, network=network)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = runs.network(run).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert equal(first, runs.network(run).state_dict())
    assert not equal(first, runs.network(dataclasses.replace(run, seed=1)).state_dict())


def test_data_of_both_halves_are_disjoint_and_share_the_held_out_images(run):
    a, b = runs.data(run), runs.data(dataclasses.replace(run, half="B", n=16))
    assert (len(a.a), len(a.b), len(a.held_out)) == (5, 5, 6)
    assert torch.equal(a.held_out, b.held_out)
    assert torch.equal(a.a, b.a[:5])
    assert torch.equal(a.b, b.b[-5:])
    for half, x in (("A", a.a), ("B", a.b)):
        assert torch.equal(runs.training(dataclasses.replace(run, half=half)), x)
    assert torch.equal(runs.held_out(run), a.held_out)


@pytest.mark.parametrize("name", ["discs", "photographs", "fields-2-shuffled"])
def test_one_half_alone_is_that_of_the_split(name, run):
    pool = None if name == "photographs" else 20
    for half in "AB":
        one = Run(images=name, size=16, n=4, half=half, held_out=3, pool=pool)
        a, b, held_out = runs.data(one)
        assert torch.equal(runs.training(one), a if half == "A" else b)
        assert torch.equal(runs.held_out(one), held_out)
    for other in ("a", "", "AB"):
        with pytest.raises(ValueError, match=rf'the halves "A" and "B", not "{other}"'):
            image_sets.half(name, 16, 4, other)


# Round trip -------------------------------------------------------------------------------------------------------


def test_what_was_trained_comes_back_up_to_half_precision(run, checkpoint, trained):
    """The weight average, in evaluation mode: 2 eleven-bit roundings a layer, here five layers."""
    denoiser = runs.load(run)
    assert not any(module.training for module in denoiser.modules())
    assert {p.dtype for p in denoiser.parameters()} == {torch.float32}
    x = runs.data(run).held_out
    y = add_noise(x, 0.2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        loaded, original = denoiser(y), trained[1](y)
        assert (original - y).norm() > 0.05 * y.norm()
    assert 0 < (loaded - original).norm() / (original - y).norm() < 10 * 2**-11


def test_a_checkpoint_is_half_precision_but_for_its_vectors(checkpoint):
    tensors, _ = contents(checkpoint)
    assert {value.dtype for value in tensors.values() if value.ndim == 4} == {torch.float16}
    assert {value.dtype for value in tensors.values() if value.ndim == 1} == {torch.float32}
    with safe_open(checkpoint, framework="pt") as opened:
        header = sum(map(len, opened.metadata().values()))
    assert checkpoint.stat().st_size < 2.2 * sum(value.numel() for value in tensors.values()) + 1.1 * header + 4000


def test_the_log_has_powers_of_two_and_the_end(run, checkpoint):
    """40 steps of 64: from 1,024 images on."""
    log = runs.log(run)
    assert log["images_seen"] == [1024, 2048, 2560]
    assert np.shape(log["train"]) == np.shape(log["test"]) == (3, 4)
    assert all(0 <= share <= 1 for share in log["copies"])
    assert len(log["loss"]) == len(log["seconds"]) == 3
    assert log["seconds"] == sorted(log["seconds"])


def test_the_log_measures_training_and_held_out_images(run, checkpoint):
    """Its last line, measured again with the loaded network."""
    denoiser, (a, _, held_out) = runs.load(run), runs.data(run)
    for name, x in (("train", a), ("test", held_out)):
        errors = [runs.denoising_mse(denoiser, x, sigma).mean().item() for sigma in runs.LOG_SIGMAS]
        assert runs.log(run)[name][-1] == pytest.approx((-10 * np.log10(errors)).tolist(), abs=0.05)
    assert runs.log(run)["train"] != runs.log(run)["test"]


def test_a_trained_run_is_not_trained_again(run, checkpoint, monkeypatch):
    monkeypatch.setattr(runs, "train", lambda *_, **__: pytest.fail("trained again"))
    assert runs.fit(run) == checkpoint


def test_a_run_that_was_not_trained_names_the_command(run):
    with pytest.raises(FileNotFoundError, match=f"{run.name}.safetensors does not exist: train it with `ghr train`"):
        runs.load(run)


def test_each_half_trains_on_its_own_images(run, monkeypatch):
    seen = {}

    def stop(network, x, **options):
        seen[run_now.half] = x, options["seed"]
        raise InterruptedError

    monkeypatch.setattr(runs, "train", stop)
    for run_now in (run, dataclasses.replace(run, half="B", seed=1)):
        with pytest.raises(InterruptedError):
            runs.fit(run_now)
    a, b, _ = runs.data(run)
    assert torch.equal(seen["A"][0], a)
    assert torch.equal(seen["B"][0], b)
    assert (seen["A"][1], seen["B"][1]) == (0, 1)


def test_every_field_of_the_recipe_reaches_training(run, monkeypatch):
    passed = {}

    def stop(network, x, **options):
        passed.update(options)
        raise InterruptedError

    monkeypatch.setattr(runs, "train", stop)
    fields = {"seed": 9, "batch": 3, "lr": 0.5, "warmup": 7, "average": 0.4}
    fields |= {"sigma_law": 1.1, "loss_weight": 0.3, "float32_tail": 0.2}
    with pytest.raises(InterruptedError):
        runs.fit(dataclasses.replace(run, **fields))
    assert {name: passed[name] for name in fields} == fields
    assert passed["steps"] == -(-run.images_seen // 3)


def test_training_takes_for_zero_what_a_cpu_computes_slowly(run, monkeypatch):
    """And nothing after it does."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this CPU cannot")
    torch.set_flush_denormal(False)
    tiny = lambda: (torch.full((8,), 1e-39) * 0.5).max().item()  # noqa: E731
    found = []

    def steps(*_, **__):
        found.append(tiny())
        raise InterruptedError
        yield

    monkeypatch.setattr(runs, "train", steps)
    with pytest.raises(InterruptedError):
        runs.fit(run)
    assert found == [0.0]
    assert tiny() > 0


def test_whoever_listens_is_told_which_checkpoints_are_loaded(run, checkpoint):
    heard, listening = [], True
    sys.addaudithook(lambda event, arguments: heard.append(arguments) if listening and event == "ghr.load" else None)
    runs.load(run)
    runs.load(run)
    listening = False  # a hook cannot be taken away
    assert heard == [(str(checkpoint),)] * 2


@pytest.mark.parametrize("kind", ["UNet", "ConditionalUNet"])
def test_an_untrained_network_has_initial_weights_and_a_normalization_of_noisy_images(run, kind):
    run = dataclasses.replace(run, network=kind)
    x = runs.data(run).a
    denoiser, initial = runs.untrained(run, x), runs.network(run)
    weights, before = denoiser.state_dict(), initial.state_dict()
    assert not denoiser.training
    assert all(torch.equal(weights[name], before[name]) for name in weights if not name.endswith("running_sd"))
    assert all((weights[name] != 1).all() for name in weights if name.endswith("running_sd"))
    assert equal(weights, runs.untrained(run, x).state_dict())
    assert not equal(weights, runs.untrained(run, x, seed=1).state_dict())


@pytest.mark.parametrize(("fits", "parts"), [(64, 1), (32, 2), (20, 4), (1, 64)])
def test_a_batch_that_memory_does_not_hold_passes_in_parts(run, monkeypatch, recwarn, fits, parts):
    def train(denoiser, x, **options):
        if options["batch"] / options["parts"] > fits:
            raise torch.OutOfMemoryError
        yield

    monkeypatch.setattr(runs, "train", train)
    assert runs._parts(run, torch.zeros(1, 1, 16, 16)) == parts
    said = [str(warning.message) for warning in recwarn]
    assert len(said) == (parts > 1)
    assert all(f"does not hold a batch of 64 images. It passes in {parts} parts" in text for text in said)


@pytest.mark.parametrize(("tail", "bf16"), [(0.0, None), (0.1, False)])
def test_memory_is_tried_in_the_precision_that_takes_most(run, monkeypatch, tail, bf16):
    passed = {}

    def train(denoiser, x, **options):
        passed.update(options)
        yield

    monkeypatch.setattr(runs, "train", train)
    runs._parts(dataclasses.replace(run, float32_tail=tail), torch.zeros(1, 1, 16, 16))
    assert passed["bf16"] is bf16


def test_an_image_that_memory_does_not_hold_is_told(run, monkeypatch):
    def train(*arguments, **options):
        raise torch.OutOfMemoryError("no memory for it")
        yield

    monkeypatch.setattr(runs, "train", train)
    with pytest.raises(torch.OutOfMemoryError, match="no memory for it"):
        runs._parts(run, torch.zeros(1, 1, 16, 16))


def test_checkpoints_lie_where_the_environment_says_or_in_the_repository_or_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GHR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runs, "__file__", str(tmp_path / "repository" / "ghr" / "runs.py"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path / "mine"))
    assert runs.path(Run()) == tmp_path / "mine" / f"{Run().name}.safetensors"
    monkeypatch.delenv("GHR_CHECKPOINTS")
    assert runs.folder() == tmp_path / "cache" / "checkpoints"  # an installed package has no repository around it
    for name in ("repository", "other"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        (tmp_path / name / "ghr").mkdir()
        (tmp_path / name / "ghr" / "runs.py").touch()
    assert runs.folder() == tmp_path / "repository" / "checkpoints"
    (tmp_path / "other" / "book").mkdir()
    monkeypatch.chdir(tmp_path / "other" / "book")  # a chapter runs there, whichever ghr is installed
    assert runs.folder() == tmp_path / "other" / "checkpoints"


def test_the_bar_of_a_resumed_run_begins_where_the_run_does(run):
    with runs.bar(run) as tell:
        tell(640, {"train": []})
        tell(704, {"train": []})
        shown = next(iter(tqdm._instances))
        assert (shown.initial, shown.n) == (640, 704)


# Damage -----------------------------------------------------------------------------------------------------------


def refused(run, message):
    """Both to load and to train over it: nothing is overwritten."""
    before = runs.path(run).read_bytes()
    for use in (runs.load, runs.log, runs.fit):
        with pytest.raises(ValueError, match=message) as error:
            use(run)
        assert str(runs.path(run)) in str(error.value)
        assert "Take the file away and train the run again" in str(error.value)
    assert runs.path(run).read_bytes() == before


def header_length(content):
    return 8 + int.from_bytes(content[:8], "little")


@pytest.mark.parametrize("place", [0.01, 0.5, 0.99])
def test_one_flipped_bit_in_the_weights_is_refused(run, checkpoint, place):
    content = bytearray(checkpoint.read_bytes())
    start = header_length(content)
    content[start + int(place * (len(content) - start))] ^= 1
    checkpoint.write_bytes(content)
    refused(run, "damaged: its contents do not match their checksum")


@pytest.mark.parametrize("keep", [0, 5, 100, 2000, -1])
def test_a_truncated_file_is_refused(run, checkpoint, keep):
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    refused(run, "damaged or no checkpoint")


def test_no_flipped_bit_of_the_header_goes_unseen(run, checkpoint):
    """One bit of every third byte of the header: refused with a sentence, or read as it was."""
    content = checkpoint.read_bytes()
    expected = checkpoints.read(checkpoint, run)
    silent, unclear = [], []
    for k in range(0, header_length(content), 3):
        flipped = content[:k] + bytes([content[k] ^ 1 << k % 7]) + content[k + 1 :]
        checkpoint.write_bytes(flipped)
        try:
            tensors, log = checkpoints.read(checkpoint, run)
        except Exception as error:
            if not isinstance(error, ValueError) or str(checkpoint) not in str(error):
                unclear.append((k, content[max(k - 15, 0) : k + 5], repr(error)[:80]))
        else:
            if not equal(tensors, expected[0]) or log != expected[1]:
                silent.append((k, content[max(k - 15, 0) : k + 5]))
    assert (silent, unclear) == ([], [])


def test_a_foreign_safetensors_file_is_refused(run, checkpoint):
    save_file({"weight": torch.zeros(3)}, checkpoint)
    refused(run, "no checkpoint of ghr: its header names no run")


def test_another_runs_checkpoint_is_refused_with_the_difference(run, checkpoint):
    other = dataclasses.replace(run, seed=3, lr=1e-4)
    shutil.copy(checkpoint, runs.path(other))
    refused(other, r"holds another run \(seed 0 not 3, lr 0.003 not 0.0001\)")


def test_a_pickle_is_refused_unopened(run, checkpoint, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "opened"),)

    checkpoint.write_bytes(pickle.dumps(Trap()))
    refused(run, "damaged or no checkpoint")
    torch.save({"weight": torch.zeros(3)}, checkpoint)
    refused(run, "damaged or no checkpoint")
    assert not (tmp_path / "opened").exists()


def test_a_checkpoint_older_than_a_new_field_is_still_read(run, checkpoint):
    """A field that is missing from the header had its default."""
    with safe_open(checkpoint, framework="pt") as opened:
        header = opened.metadata()
    held = json.loads(header["run"])
    assert held.pop("network") == Run().network
    tensors, header = load_file(checkpoint), {"run": json.dumps(held), "log": header["log"]}
    save_file(tensors, checkpoint, metadata=header | {"sha256": checkpoints.digest(tensors, header)})
    runs.load(run)


# Interruption -----------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """Every step's state is saved."""
    monkeypatch.setattr(runs, "SAVE_EVERY", -1)


def stopping(monkeypatch, after, error):
    """Training that counts its steps and stops after some of them."""
    train, counted = runs.train, []

    def stopped(*arguments, **options):
        for step in train(*arguments, **options):
            if len(counted) == after:
                raise error
            counted.append(step.step)
            yield step

    monkeypatch.setattr(runs, "train", stopped)
    return counted


def test_a_run_stopped_between_its_last_step_and_its_checkpoint_resumes(run, trained, impatient, monkeypatch):
    """No state says that all steps are done: from one that did, there would be nothing left to train and to write."""
    write = checkpoints.write

    def full(file, *rest):
        if file == runs.path(run):
            raise OSError("no space left")
        write(file, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write", full)
        with pytest.raises(OSError, match="no space left"):
            runs.fit(run)
    assert runs.fit(run) == runs.path(run)
    assert equal(contents(runs.path(run))[0], contents(trained[0])[0])


@pytest.mark.parametrize("after", [1, 16, 33])
def test_an_interrupted_run_resumes_to_the_same_checkpoint(run, trained, impatient, monkeypatch, after):
    """Weights to the bit, log without gaps or repetition."""
    with monkeypatch.context() as patch:
        stopping(patch, after, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            runs.fit(run)
    assert not runs.path(run).exists()
    counted = stopping(monkeypatch, None, None)
    file = runs.fit(run)
    assert counted == list(range(after + 1, 41))
    weights, log = contents(file)
    assert equal(weights, contents(trained[0])[0])
    assert log == contents(trained[0])[1]
    left = [path for path in (file.parents[1] / "cache" / "training").iterdir() if path.suffix != ".lock"]
    assert left == []


def test_a_run_killed_without_warning_resumes_to_the_same_checkpoint(run, trained, monkeypatch, tmp_path):
    """SIGKILL in mid-training, after a few saved states; its lock does not stay."""
    script = textwrap.dedent(f"""
        import time
        from ghr import recipes, runs
        from ghr.files import checkpoints
        runs.SAVE_EVERY, write = -1, checkpoints.write
        def slow(*arguments):
            write(*arguments)
            print("saved", flush=True)
            time.sleep(0.1)
        checkpoints.write = slow
        runs.fit(recipes.Run(**{dataclasses.asdict(run)!r}))
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    for _ in range(3):
        assert process.stdout.readline() == "saved\n"
    time.sleep(0.13)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not runs.path(run).exists()
    counted = stopping(monkeypatch, None, None)
    file = runs.fit(run)
    assert 3 <= counted[0] - 1 < 40
    assert equal(contents(file)[0], contents(trained[0])[0])


@pytest.fixture
def heeded():
    """Ctrl-C interrupts, also where a shell started the tests in the background, which lets it be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_first_minute_saves_what_was_done(run, trained, monkeypatch, number):
    """The step under way is finished, its state saved, then the signal is obeyed; handlers are put back."""
    train, handlers = runs.train, (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))

    def interrupted(*arguments, **options):
        for step in train(*arguments, **options):
            if step.step == 7:
                os.kill(os.getpid(), number)
            yield step

    with monkeypatch.context() as patch:
        patch.setattr(runs, "train", interrupted)
        with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
            runs.fit(run)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    counted = stopping(monkeypatch, None, None)
    file = runs.fit(run)
    assert counted == list(range(8, 41))
    assert equal(contents(file)[0], contents(trained[0])[0])


# Trunks -----------------------------------------------------------------------------------------------------------


def test_runs_that_share_steps_at_a_constant_rate_make_them_once(run, monkeypatch, tmp_path):
    """A short trapezoid leaves its trunk, a longer one and a constant rate go on from it; weights equal to the bit."""
    short, long = (dataclasses.replace(run, schedule="trapezoid", images_seen=64 * k) for k in (22, 44))
    constant = dataclasses.replace(run, schedule="constant", images_seen=64 * 50)
    counted = stopping(monkeypatch, None, None)
    whole = {r: contents(runs.fit(r)) for r in (constant, long, short)}
    assert counted == [
        *range(1, 51),
        *range(1, 45),
        *range(1, 23),
    ]  # none found a trunk short enough
    for file in (*runs.folder().iterdir(), *(tmp_path / "cache" / "training").iterdir()):
        file.unlink()
    counted.clear()
    shared = {r: contents(runs.fit(r)) for r in (short, long, constant)}
    assert counted == [*range(1, 23), *range(21, 45), *range(41, 51)]
    runs.path(constant).unlink()  # its trunk, which is there, has nothing left to do
    assert equal(contents(runs.fit(constant))[0], whole[constant][0])
    for r in whole:
        assert equal(whole[r][0], shared[r][0])
        assert {k: v for k, v in whole[r][1].items() if k != "seconds"} == {
            k: v for k, v in shared[r][1].items() if k != "seconds"
        }


def test_a_trunk_is_of_one_seed_and_one_set(run):
    """What differs in anything but its length shares nothing."""
    trapezoid = dataclasses.replace(run, schedule="trapezoid", images_seen=64 * 22)
    runs.fit(trapezoid)
    assert runs._trunk(trapezoid, None) is not None
    for field, value in {"seed": 3, "n": 4, "half": "B", "muon_lr": 0.02, "optimizer": "adamw"}.items():
        assert runs._trunk(dataclasses.replace(trapezoid, **{field: value}), None) is None
    assert runs._trunk(dataclasses.replace(trapezoid, schedule="linear"), None) is None
    assert runs._trunk(dataclasses.replace(trapezoid, float32_tail=0.1), None) is None


def test_the_log_is_finer_at_a_constant_rate(run):
    steps = [k for k in range(1, 65) if runs._noted(dataclasses.replace(run, schedule="constant"), k)]
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 23, 27, 32, 39, 46, 54, 64]
    assert [k for k in range(1, 65) if runs._noted(run, k)] == [1, 2, 4, 8, 16, 32, 64]


def test_the_log_has_small_pictures_of_test_images_and_samples(run, checkpoint):
    pictures = runs.log(run)["pictures"]
    assert len(pictures) == len(runs.log(run)["images_seen"])
    with Image.open(io.BytesIO(base64.b64decode(pictures[-1]))) as opened:
        assert opened.size == (4 * run.size, 2 * run.size)
        assert np.asarray(opened.convert("L")).std() > 3
    assert max(map(len, pictures)) < 4000


def test_a_damaged_training_state_is_told(run, impatient, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        stopping(patch, 3, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            runs.fit(run)
    (state,) = (tmp_path / "cache" / "training").glob("*.safetensors")
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(ValueError, match=f"{state} is damaged"):
        runs.fit(run)


def test_a_non_finite_loss_keeps_the_last_good_state(run, impatient, monkeypatch, tmp_path):
    """The same command may be tried again: it goes on from that state."""
    train = runs.train

    def poisoned(network, x, **options):
        x = x.clone()
        for step in train(network, x, **options):
            yield step
            if step.step == 4:
                x[:, 0, 0, 0] = float("nan")

    monkeypatch.setattr(runs, "train", poisoned)
    with pytest.raises(FloatingPointError, match="Step 4"):
        runs.fit(run)
    (state,) = (tmp_path / "cache" / "training").glob("*.safetensors")
    tensors = load_file(state)
    assert tensors["step"] == 4
    assert all(value.isfinite().all() for value in tensors.values())
