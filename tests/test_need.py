"""How many images: lines that are crossed where closed forms say, and two networks of each N, from folder to page."""

import base64
import dataclasses
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from ghr import images, need, plan, report, runs
from ghr.experiments import Study
from ghr.images import Halves
from ghr.measure import samples
from ghr.measure.copies import copied
from ghr.recipes import Run
from ghr.references import EmpiricalDenoiser, WienerDenoiser
from ghr.stats import Estimate
from ghr.tables import Table

SEEN = 1000.0


def row(n, gap, copies=0.0, agreement=1.0, wide=0.0):
    """Networks of one N, all intervals as wide."""
    about = lambda value: Estimate(value, value - wide, value + wide)  # noqa: E731
    psnr, none = Estimate(30, 30, 30), Estimate(0, 0, 0)
    return need.Row(n, SEEN / n, about(gap), psnr, about(copies), about(agreement), none)


def table(gaps, **others):
    return Table(tuple(row(n, gap, **others) for n, gap in gaps.items()))


def test_a_line_is_crossed_on_the_straight_line_in_log_n():
    """3 dB at 10, 0 dB at 1,000: 1 dB at 10^(1 + 2 * 2/3); views follow."""
    (gap, copies, agreement) = need.crossings(table({10: 3.0, 1000: 0.0}))
    assert gap.n == pytest.approx(10 ** (1 + 4 / 3))
    assert (gap.found, gap.low, gap.high) == ("crossed", pytest.approx(gap.n), pytest.approx(gap.n))
    assert gap.views == pytest.approx(SEEN / gap.n)
    assert (copies.found, copies.n, agreement.found) == ("before the smallest N", None, "before the smallest N")


def test_intervals_are_where_their_ends_cross():
    """With 0.5 dB to either side the ends cross where 0.5 and 1.5 dB are reached."""
    gap = need.crossings(table({10: 3.0, 1000: 0.0}, wide=0.5)).rows[0]
    assert (gap.low, gap.high) == (pytest.approx(10**2), pytest.approx(10 ** (1 + 2 * 2.5 / 3)))
    rising = Table((row(10, 0.0, agreement=0.0, wide=0.1), row(1000, 0.0, agreement=1.0, wide=0.1)))
    found = need.crossings(rising).one(measure="agreement")
    ends = [10 ** (1 + 2 * share) for share in (0.7, 0.6, 0.8)]
    assert (found.n, found.low, found.high) == tuple(map(pytest.approx, ends))


def test_the_last_crossing_counts():
    gap = need.crossings(table({10: 0.5, 100: 2.0, 1000: 0.0})).rows[0]
    assert gap.n == pytest.approx(10**2.5)


def test_beyond_the_largest_n_a_trend_is_drawn_on_and_not_too_far():
    """4 and 3 dB at 10 and 100 reach 1 dB at 10,000, ten times 1,000 and a hundred times 100."""
    gap = need.crossings(table({10: 5.0, 100: 4.0, 1000: 2.0})).rows[0]
    assert (gap.found, gap.n) == ("extrapolated", pytest.approx(10**3.5))
    far = need.crossings(table({10: 4.0, 100: 3.0})).rows[0]
    assert (far.found, far.n) == ("cannot say", None)
    flat = need.crossings(table({10: 3.0, 100: 3.0})).rows[0]
    assert (flat.found, flat.high) == ("cannot say", None)
    one = need.crossings(table({10: 3.0})).rows[0]
    assert one.found == "cannot say"


def test_networks_that_have_not_learned_say_so():
    """Training images come out at 20 dB of the 21 dB that they went in with."""
    rows = Table(tuple(dataclasses.replace(one, psnr=Estimate(20.0, 19, 21)) for one in table({10: 0.5, 100: 3.0})))
    assert need.untrained(rows) == [10]
    said = need.verdict(rows, need.crossings(rows))
    assert said.startswith(
        "The networks have learned too little to tell when each network sees 1,000 images: at N = 10 "
    )


def test_the_answer_is_a_sentence_with_the_larger_n():
    rows = table({10: 3.0, 1000: 0.0}, wide=0.1)
    said = need.verdict(rows, need.crossings(rows))
    assert said == ("About 220 images are needed when each network sees 1,000 images (interval 180 to 250).")
    assert need.verdict(*_both({10: 0.0, 100: 0.0})).startswith("10 images are enough when each network sees 1,000")
    said = need.verdict(*_both({10: 3.0, 100: 3.0}))
    assert "at N = 100 training images are still denoised better than new ones, and no trend says" in said
    assert need.verdict(*_both({10: 5.0, 100: 4.0, 1000: 2.0})).startswith("About 3,200 images are needed by extra")


def _both(gaps):
    return table(gaps), need.crossings(table(gaps))


def test_trainings_of_several_lengths_are_told():
    """Twice as many images seen at the largest N: views are read off between the two."""
    rows = Table((row(10, 3.0), dataclasses.replace(row(1000, 0.0), views=2.0)))
    gap = need.crossings(rows).rows[0]
    share = math.log(gap.n / 10) / math.log(100)
    assert gap.views == pytest.approx(100 ** (1 - share) * 2**share)
    assert "when each network sees 1,000 to 2,000 images" in need.verdict(rows, need.crossings(rows))


def test_n_are_two_a_decade_and_the_largest():
    assert need.sizes(1000) == [10, 30, 100, 300, 1000]
    assert need.sizes(2600) == [10, 30, 100, 300, 1000, 2600]
    assert need.sizes(1200) == [10, 30, 100, 300, 1000]
    assert need.sizes(7) == [7]


def test_a_plan_keeps_test_images_from_all_halves():
    pairs = need.plan("photographs", 16, [10, 300], images_seen=2048, width=8)
    assert list(pairs) == [10, 300]
    for n, (a, b) in pairs.items():
        assert (a.n, a.half, b.half, a.images_seen, a.width, a.size) == (n, "A", "B", 2048, 8, 16)
    data = [runs.data(a) for a, _ in pairs.values()]
    assert torch.equal(data[0].held_out, data[1].held_out)
    assert len(data[0].held_out) == min(need.HELD_OUT, len(images.photographs.patches(16).held_out))


def test_sets_that_cannot_give_an_n_are_refused():
    with pytest.raises(ValueError, match=r"N must be from 2 to [\d,]+: .* Got 1, 5"):
        need.plan("photographs", 32, [5, 1])
    with pytest.raises(ValueError, match="size must be at least 16, below which copies cannot be told, got 8"):
        need.plan("discs", 8)
    with pytest.raises(ValueError, match="N must be from 2 to .* Got 99999999"):
        need.plan("discs", 16, [99999999])


class Memories:
    """Halves of random images, and denoisers that know nothing else."""

    def __init__(self, n, kind):
        x = torch.rand(2 * n + 60, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        a, b, new = x.split([n, n, 60])
        networks = {(n, "A"): kind(a), (n, "B"): kind(b)}
        how = {key: Run(images="discs", size=16, n=n, half=key[1], images_seen=64 * n) for key in networks}
        self.study = Study("discs", how, networks, {n: Halves(a, b, new)}, new)


def measured(study):
    drawn = samples.draw(study, {study.largest: range(need.SEEDS)})
    return need.measured(drawn, copied(drawn))


def test_memorizers_copy_and_do_not_agree():
    def nearly(x):
        memory = EmpiricalDenoiser(x)  # without any error the gap would be infinite
        return lambda y, sigma: 0.95 * memory(y, sigma) + 0.05 * y

    (found,) = measured(Memories(20, nearly).study)
    assert (found.n, found.views) == (20, 64)
    assert found.copies.value > 0.99
    assert found.gap.low > 10
    assert found.agreement.high < 0.3


def test_wiener_denoisers_have_nothing_beyond_wiener():
    """A and W_A are one function: what is left of their samples is rounding, and no agreement."""
    (found,) = measured(Memories(500, WienerDenoiser).study)
    assert found.copies.value < 0.05
    assert abs(found.agreement.value) < 0.2


def test_a_set_is_answered_from_training_to_page(tmp_path, monkeypatch):
    """Tiny networks: that it runs, resumes, and says what it has measured."""
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path / "checkpoints"))
    pairs = need.plan("discs", 16, [3, 20], images_seen=512, width=2)
    rows = Table(tuple(need.answer(pairs)))
    assert rows["n"] == [3, 20]
    assert len(list((tmp_path / "checkpoints").glob("*.safetensors"))) == 4
    again = Table(tuple(need.answer(pairs)))  # nothing is trained
    assert again == rows
    report.require_out(tmp_path / "out", *need.FILES)
    page = need.write("discs", rows, tmp_path / "out")
    text = page.read_text("utf8")
    assert need.verdict(rows, need.crossings(rows)) in text
    assert text.count("<svg") == len(need.LINES)
    assert "<script" not in text
    assert "http" not in text
    with pytest.raises(ValueError, match=r"There is report.html in .*: give another --out"):
        report.require_out(tmp_path / "out", *need.FILES)
    lines = (tmp_path / "out" / "need.csv").read_text("utf8").splitlines()
    assert len(lines) == 3
    assert all(math.isfinite(getattr(row, field.name).value) for row in rows for field in dataclasses.fields(row)[2:])


def test_colours_are_learned_and_measured(tmp_path, monkeypatch):
    """Networks of three channels from coloured files, by the name of the set alone."""
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path / "checkpoints"))
    folder = tmp_path / "my images"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (45, 4, 5, 3)).astype(np.uint8)
    for k, image in enumerate(pixels):
        Image.fromarray(image).resize((20, 16)).save(folder / f"{k}.png")
    name = f"folder:{folder}"
    pairs = need.plan(name, 16, [4], images_seen=64, width=2, colour=True)
    (run, other) = pairs[4]
    assert run.channels == 3
    assert plan.cost([run]).startswith("1 network to train")
    assert run.images == f"{name}/-colour"
    assert run.name != dataclasses.replace(run, images=name).name
    data = runs.data(run)
    assert data.a.shape == (4, 3, 16, 16)
    mean = images.load(name, 16, 4)
    torch.testing.assert_close(data.a.mean(1, keepdim=True), mean, atol=1.01 / 255, rtol=0)
    assert (data.a[:, 0] - data.a[:, 2]).abs().mean() > 0.05
    (found,) = need.answer(pairs)
    assert all(math.isfinite(value.value) for value in (found.gap, found.copies, found.agreement))
    assert runs.load(other)(data.held_out).shape == data.held_out.shape
    picture = Image.open(io.BytesIO(base64.b64decode(runs.log(run)["pictures"][-1])))
    assert (picture.mode, picture.size) == ("RGB", (64, 32))
    report.require_out(tmp_path / "out")
    page = need.write(run.images, Table((found,)), tmp_path / "out").read_text("utf8")
    assert "How many images does my images in colour need?" in page
    with pytest.raises(ValueError, match='"discs" has no colours: folders do, and sets that were downloaded'):
        need.plan("discs", 16, colour=True)


def test_what_makes_no_network_is_told_before_images_are_read(monkeypatch):
    monkeypatch.setattr(images, "count", lambda *words: pytest.fail("images were read"))
    with pytest.raises(ValueError, match="Run.width is 0"):
        need.plan("avatars", 32, width=0)
    with pytest.raises(ValueError, match="Run.size is 20"):
        need.plan("avatars", 20)
