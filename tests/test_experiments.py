"""Experiments: which networks and images a study holds, and what it says before it trains."""

import dataclasses

import pytest
import torch

from ghr import experiments, images, recipes, runs
from ghr.images import Halves, photographs
from ghr.recipes import Run

TINY = Run(images="discs", size=8, pool=60, held_out=10, scales=1, width=2, batch=8, warmup=1)
TABLE = tuple(dataclasses.replace(TINY, n=n, half=half, seed=k) for n in (1, 3, 27) for k, half in enumerate("AB"))


@pytest.fixture
def stand_ins(monkeypatch, tmp_path):
    """Networks that need no training; what was fitted, in order."""
    fitted = []
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(runs, "fit", fitted.append)
    monkeypatch.setattr(runs, "load", lambda run: lambda y, sigma=None: (run.seed + 1) * y)
    monkeypatch.setattr(recipes, "table", lambda scale, *key: TABLE)
    return fitted


def test_a_study_holds_every_network_and_the_images_of_its_half(stand_ins):
    study = experiments.faces("smoke")
    assert list(study.denoisers) == list(study.runs) == [(n, half) for n in (1, 3, 27) for half in "AB"]
    assert stand_ins == list(TABLE)
    assert (study.name, study.network, study.sizes, study.few, study.largest) == ("discs", "UNet", [1, 3, 27], 3, 27)
    x = torch.ones(1, 1, 8, 8)
    assert torch.equal(study.denoisers[3, "B"](x), 2 * x)
    halves = runs.data(TABLE[2])
    assert torch.equal(study.training(3, "A"), halves.a)
    assert torch.equal(study.training(3, "B"), halves.b)
    assert list(study.data) == [1, 3, 27]
    assert study.regions is None


def test_test_images_are_those_of_the_tables_largest_n_whichever_n_are_wanted(stand_ins):
    """The largest N leaves 6 of the 10 test images wanted."""
    whole, part = experiments.faces("smoke"), experiments.faces("smoke", sizes=[3])
    assert part.sizes == [3]
    assert [run.n for run in stand_ins[6:]] == [3, 3]
    assert len(part.held_out) == 6
    assert torch.equal(part.held_out, whole.held_out)
    assert torch.equal(whole.held_out, runs.data(TABLE[-1]).held_out)


def test_an_n_that_no_table_has_is_refused_and_one_of_another_table_is_passed_over(stand_ins, monkeypatch):
    """The table of faces has 1, 3 and 27; that of all runs 81, too."""
    other = dataclasses.replace(TABLE[0], n=81)
    monkeypatch.setattr(recipes, "table", lambda scale, *of: TABLE if of else (*TABLE, other))
    with pytest.raises(ValueError, match=r"No table of scale smoke has N = 4, 9: expected some of \[1, 3, 27, 81\]"):
        experiments.faces("smoke", sizes=(9, 3, 4))
    assert experiments.faces("smoke", sizes=(3, 81)).sizes == [3]
    with pytest.raises(ValueError, match=r"No networks of N = \[81\] in this table: expected some of \[1, 3, 27\]"):
        experiments.faces("smoke", sizes=[81])


def test_sizes_may_be_what_papermill_hands_on(stand_ins):
    assert experiments.faces("smoke", sizes="[1, 3]").sizes == [1, 3]
    for wrong in ("1, 3", "3", "few"):
        with pytest.raises(ValueError, match="expected a list of N, e.g. "):
            experiments.faces("smoke", sizes=wrong)


def test_the_flagship_is_the_widest_pair_of_the_largest_n_that_is_worked_with(stand_ins, monkeypatch):
    wide = tuple(dataclasses.replace(run, width=2 * run.width) for run in TABLE[-2:])
    monkeypatch.setattr(recipes, "flagship", lambda scale: wide)
    assert tuple(experiments.flagship("smoke").runs.values()) == wide
    assert tuple(experiments.flagship("smoke", [1, 3]).runs.values()) == TABLE[2:4]


def test_nothing_in_a_study_can_be_changed(stand_ins):
    study = experiments.faces("smoke", sizes=[3])
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.name = "other"
    with pytest.raises(TypeError):
        study.denoisers[3, "A"] = None


def test_a_study_says_which_networks_it_trains_first(stand_ins, capsys):
    runs.path(TABLE[2]).touch()
    experiments.faces("smoke", sizes=[3])
    told = capsys.readouterr().err
    assert told.startswith(f"Without a checkpoint in {runs.folder()}: ")
    assert "1 network to train, " in told
    assert "UNet of 3 discs. " in told
    runs.path(TABLE[3]).touch()
    experiments.faces("smoke", sizes=[3])
    assert capsys.readouterr().err == ""


def test_images_are_drawn_before_studies_need_them_and_missing_networks_are_named(stand_ins, monkeypatch, capsys):
    faces = [dataclasses.replace(run, images="avatars", pool=pool) for run in TABLE[2:4] for pool in (60, 70)]
    monkeypatch.setattr(recipes, "table", lambda scale: (*TABLE[:2], *faces))
    drawn = []
    monkeypatch.setattr(images, "load", lambda *asked: drawn.append(asked))
    experiments.prepare("smoke")
    assert drawn == [("avatars", 8, 60), ("avatars", 8, 70)]
    assert stand_ins == []
    assert "6 networks to train, " in capsys.readouterr().err


def test_controls_differ_from_a_in_seed_or_images_alone(stand_ins, monkeypatch):
    crossed = [dataclasses.replace(run, seed=1 - run.seed) for run in TABLE[2:4]]
    monkeypatch.setattr(recipes, "controls", lambda scale: tuple(crossed))
    study = experiments.controls("smoke")
    a, b, a_of_b, b_of_a = study.runs.values()
    assert [label for _, label in study.runs] == ["A", "B", "A, seed of B", "B, seed of A"]
    assert (a, b) == TABLE[2:4]
    assert a_of_b == dataclasses.replace(a, seed=b.seed)
    assert b_of_a == dataclasses.replace(b, seed=a.seed)
    assert torch.equal(study.training(3, "B, seed of A"), study.training(3, "B"))
    assert not torch.equal(study.training(3, "A, seed of B"), study.training(3, "B"))


def test_photographs_know_the_regions_of_their_patches(stand_ins, monkeypatch):
    table = [dataclasses.replace(run, images="photographs", size=16, n=5) for run in TABLE[:2]]
    monkeypatch.setattr(recipes, "table", lambda scale, *key: table)
    study = experiments.photographs("smoke")
    regions = photographs.regions(16)
    assert study.regions.held_out.tolist() == regions.held_out[: len(study.held_out)].tolist()
    assert study.regions.a.tolist() == regions.a.tolist()


def test_each_class_of_images_is_a_study_of_its_own(stand_ins, monkeypatch):
    chosen = tuple(dataclasses.replace(TABLE[0], images=name) for name in ("discs", "c_alpha-2", "c_alpha-3"))
    monkeypatch.setattr(recipes, "classes", lambda scale: chosen)
    assert [s.name for s in experiments.classes("smoke")] == ["discs", "c_alpha-2", "c_alpha-3"]
    assert [s.name for s in experiments.classes("smoke", "c_alpha")] == ["c_alpha-2", "c_alpha-3"]
    with pytest.raises(ValueError, match=r"has no ray: expected some of discs, c_alpha-2, c_alpha-3"):
        experiments.classes("smoke", "c_alpha", "ray")
    assert list(experiments.classes("smoke", "discs")[0].denoisers) == [(1, "A")]


def test_the_flagship_and_the_other_networks_are_studies_of_the_largest_n(stand_ins, monkeypatch):
    monkeypatch.undo()
    stand_in = lambda run: run  # noqa: E731
    monkeypatch.setattr(runs, "fit", stand_in)
    monkeypatch.setattr(runs, "load", lambda run: lambda y, sigma=None: y)
    monkeypatch.setattr(experiments.images, "held_out", lambda *_: torch.zeros(2, 1, 8, 8))
    n = recipes.table("smoke", "avatars")[-1].n
    assert tuple(experiments.flagship("smoke").runs.values()) == recipes.flagship("smoke")
    assert list(experiments.flagship("smoke").runs) == [(n, "A"), (n, "B")]
    assert list(experiments.others("smoke").runs) == [(n, "BiasedUNet"), (n, "ConditionalUNet")]


def test_each_kind_of_network_without_convolutions_is_a_study(monkeypatch):
    monkeypatch.setattr(experiments.plan, "cost", lambda chosen: "")  # which would time steps of large transformers
    monkeypatch.setattr(runs, "fit", lambda run: run)
    monkeypatch.setattr(runs, "load", lambda run: lambda y, sigma=None: y)
    nothing = torch.zeros(2, 1, 8, 8)
    monkeypatch.setattr(runs, "data", lambda run: Halves(nothing, nothing, nothing))
    monkeypatch.setattr(experiments.images, "held_out", lambda *which: torch.full((2, 1, 8, 8), float(which[2])))
    found = experiments.architectures("paper", sizes=[100])
    assert [one.network for one in found] == list(dict.fromkeys(run.network for run in recipes.architectures("paper")))
    assert all(list(one.runs) == [(100, "A"), (100, "B")] for one in found)
    assert all(one.held_out.unique() == 30_000 for one in found)  # whatever N is worked with
    every = [run for one in experiments.architectures("paper") for run in one.runs.values()]
    assert every == list(recipes.architectures("paper"))
    with pytest.raises(ValueError, match=r"No networks of N = \[1\] in this table: expected some of \[300\]"):
        experiments.architectures("smoke", "[1]")


def test_shorter_trainings_lead_to_the_largest_pair_of_the_table(stand_ins):
    *shorter, last = experiments.early("smoke")
    assert [list(one.runs) for one in shorter] == [[(27, "A")]]
    assert [one.runs[27, "A"].images_seen for one in shorter] == [512]
    assert list(last.runs.values()) == list(TABLE[-2:])
    assert all(torch.equal(one.held_out, last.held_out) for one in shorter)


def test_networks_are_described_one_by_one(stand_ins, monkeypatch):
    monkeypatch.setattr(runs, "load", runs.network)
    table = experiments.networks(experiments.faces("smoke", sizes=[3]), experiments.faces("smoke", sizes=[1]))
    assert [(row.images, row.n, row.label) for row in table] == [("discs", n, half) for n in (3, 1) for half in "AB"]
    first = table.rows[0]
    assert first.parameters == sum(p.numel() for p in runs.network(TABLE[2]).parameters())
    assert (first.network, first.width, first.size, first.pixels, first.held_out) == ("UNet", 2, 8, 64, 6)
    assert first.views == first.images_seen / 3
