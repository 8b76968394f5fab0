"""The plan of trainings: each run once, what the book needs first, nothing shipped that nobody asks for."""

import dataclasses
import itertools
import re

from conftest import shipped

from ghr import plan, recipes, runs


def test_each_run_is_trained_once_and_has_a_file_of_its_own():
    whole = plan.laptop()
    assert len({run.name for run in whole}) == len(whole) == len(set(whole)) > 100


def test_the_tables_come_first_each_pair_with_one_recipe():
    tables = plan.tables()
    assert plan.laptop()[: len(tables)] == tuple(tables)
    for a, b in zip(tables[::2], tables[1::2], strict=True):
        assert dataclasses.replace(a, half="B", seed=1) == b
    views = {(run.images, run.n): run.images_seen / run.n for run in tables}
    assert views["avatars", 30_000] < 80
    assert all(views[key] < 130 for key in views if key[1] >= 4454)


def test_short_trainings_come_before_long_ones():
    short = (*recipes.early("laptop"), *recipes.room("laptop"))
    assert plan.laptop()[len(plan.tables()) :][: len(short)] == short


def test_networks_without_convolutions_are_the_last_but_the_longest_runs():
    last = len(plan.longest())
    kinds = plan.laptop()[-last - 20 : -last]
    assert {(run.network, run.n, run.half) for run in kinds} == {
        (kind, n, half) for kind in recipes.ARCHITECTURES for n in (100, 30_000) for half in "AB"
    }
    assert set(recipes.architectures("laptop")) <= set(kinds)


def test_images_drawn_by_formula_are_trained_by_length_once_more_at_the_longest_and_longer_at_the_end():
    trained, longest = recipes.scaling("laptop"), plan.longest()
    assert [run.images_seen for run in trained] == sorted(run.images_seen for run in trained)
    again = [run for run in trained if run.seed == 1]
    assert [dataclasses.replace(run, seed=0) for run in again] == [
        run for run in trained if run.seed == 0 and run.images_seen == trained[-1].images_seen
    ]
    assert [dataclasses.replace(run, images_seen=run.images_seen // 4, seed=1) for run in longest] == again
    order = plan.laptop()
    assert order.index(trained[-1]) < order.index(longest[0])


def test_exchanged_seeds_are_trained_for_each_pair_that_the_book_compares():
    wanted = {dataclasses.replace(a, seed=b.seed) for n in (100, 10_000) for a, b in [recipes.pair("laptop", n)]}
    assert wanted <= set(plan.laptop())


def test_all_networks_of_the_plan_take_one_recipe_but_for_what_is_varied():
    varied = {"images", "n", "half", "seed", "network", "width", "images_seen", "schedule", "float32_tail"}
    recipe = dataclasses.asdict(recipes._RECIPES["laptop"])
    for run in plan.laptop():
        assert {k: v for k, v in dataclasses.asdict(run).items() if k not in varied} == {
            k: v for k, v in recipe.items() if k not in varied
        }


def test_equal_views_share_one_trunk_for_each_set():
    """All of a set but their length and their end is equal, and each is longer than the one before."""
    assert set(recipes.equal_views("laptop")) < set(plan.equal_views())
    assert {run.n for run in plan.equal_views() if run.half == "B"} == {1000, 10_000}
    for _, group in itertools.groupby(plan.equal_views(), key=lambda run: (run.n, run.half)):
        group = list(group)
        assert len({dataclasses.replace(run, images_seen=1, schedule="constant") for run in group}) == 1
        forks = [runs._fork(run) for run in group]
        assert forks == sorted(forks)
        assert forks[0] > 0


def test_every_shipped_checkpoint_is_one_of_a_table_or_of_the_plan_or_compared_with_one():
    like = {"controls": {100, 10_000}, "classes": {30_000}, "avatars BFCNN": {100, 30_000}}
    tables = {part: recipes.table("laptop", "avatars", like=part) for part in like}
    peers = [run for part, table in tables.items() for run in table if run.n in like[part]]
    wanted = {f"{run.name}.safetensors" for run in (*recipes.table("laptop"), *plan.laptop(), *peers)}
    assert {file.name for file in shipped()} - wanted == set()


def test_when_all_is_trained_the_book_shows_what_was_planned_but_for_the_wide_pair(monkeypatch):
    """A part changes over to networks that were trained, not to others of as many images."""
    parts = {" ".join(key) for key in recipes.STUDIES} | {"controls", "others", "classes"}
    monkeypatch.setattr(recipes, "_TRAINED_ANEW", frozenset(parts | {"flagship"}))
    assert set(recipes.table("laptop")) - set(plan.laptop()) == set(recipes.flagship("laptop"))


def test_each_network_that_the_book_shows_is_in_the_plan_or_shipped():
    """Else a chapter would train what `ghr train` does not know."""
    there = {file.name for file in shipped()} | {f"{run.name}.safetensors" for run in plan.laptop()}
    assert {f"{run.name}.safetensors" for run in recipes.table("laptop")} - there == set()


def test_the_cost_of_what_is_missing_is_said_and_of_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path))
    small = recipes.Run(images="discs", size=8, width=2, scales=1, n=5, batch=8, images_seen=2_000_000)
    pair = small, dataclasses.replace(small, half="B", images_seen=500_000)
    said = plan.cost(pair, "cpu")
    assert said.startswith("2 networks to train, 2.50 million images: at most about ")
    assert re.search(r"on \d+ idle CPU threads? \(no GPU was found\)\.$", said)
    runs.path(pair[0]).touch()
    assert plan.cost(pair, "cpu").startswith("1 network to train, 0.50 million images")
    runs.path(pair[1]).touch()
    assert plan.cost(pair, "cpu") == ""
