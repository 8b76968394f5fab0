"""Questions in a text: what they mean, which faults are seen before anything runs, and what stands there at last."""

from dataclasses import dataclass, replace
from html import escape

import pytest

from ghr import tables
from ghr.book import claims, ledger, percent, query, results, schema, words
from ghr.book.claims import Claim
from ghr.stats import Estimate
from ghr.tables import Table


@dataclass(frozen=True)
class Onset:
    """A row whose number may not be there."""

    n: int
    views: float | None


@dataclass(frozen=True)
class Gap:
    """A row."""

    n: int
    pair: str
    sigma: float
    gap: Estimate | None


ROWS = Table(
    (
        Gap(10, "A-B", 0.1, Estimate(30.25, 29, 31.5)),
        Gap(10, "same, twice", 0.2, Estimate(7, 6, 8)),
        Gap(100, "A-B", 0.1000000001, None),
        Gap(1000, "A-B", 0.4, Estimate(2, 1, 3)),
    )
)
KEPT = {"02": {"gaps": tables.read(ROWS.csv())}}


@pytest.fixture(params=[ROWS, KEPT["02"]["gaps"]], ids=["rows", "csv"])
def table(request):
    """As the chapter had it, and as it comes back from its file."""
    return request.param


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("gaps[n=max].gap:.1f", "2.0 [1.0, 3.0]"),
        ("gaps[n=1000].n:,", "1,000"),
        ("gaps[n=min,pair=A-B].gap.low:.2f", "29.00"),
        ('gaps[pair="same, twice"].gap.value:g', "7"),
        ("gaps[ n = 10 , gap = max ].pair", "A-B"),
        ("gaps[gap=min].n", "1000"),
        ("gaps[sigma~.3,n=10].sigma:.1f", "0.2"),
        ("gaps[sigma~0.39].n", "1000"),
        ("gaps[n=100].gap:.2f", "–"),
        ("gaps[n>10,n<1000].sigma:.3f", "0.100"),
        ("gaps[n>=1_000].n", "1000"),
        ("gaps[n<=10,pair!=A-B].n", "10"),
    ],
)
def test_a_question_is_answered_by_one_row(table, question, expected):
    assert query.parse(question).words(table) == expected


@pytest.mark.parametrize(
    ("question", "error", "sentence"),
    [
        ("gaps[n=7].gap", query.NoRow, r"^it finds no row of gaps \(n is 10, 100, 1000\)$"),
        ("gaps[n=10].gap", ValueError, "^it finds 2 rows of gaps, not one: select by more fields$"),
        ("gaps[m=1].gap", ValueError, "has no field m: its fields are n, pair, sigma, gap"),
        ("gaps[n=max].gab", ValueError, "has no field gab"),
        ("gaps[n=ten].gap", ValueError, "n is compared with 'ten', which is no number"),
        ("gaps[n=max].sigma.low", ValueError, "^sigma is 0.4, which has no low"),
        ("gaps[n=max].pair:.2f", ValueError, "format"),
    ],
)
def test_a_question_without_one_answer_says_why(table, question, error, sentence):
    with pytest.raises(error, match=sentence):
        query.parse(question).words(table)


@pytest.mark.parametrize("text", ["gaps", "gaps[n=1]", "gaps[n].gap", "gaps[n=1].gap.mean", "3:gaps.n", "gaps[,].n"])
def test_what_is_no_question_is_refused(text):
    with pytest.raises(ValueError, match="this is no question|is no selection"):
        query.parse(text)


@pytest.mark.parametrize(
    ("question", "fault"),
    [
        ("gaps[n=max,pair=A-B].gap.low:.2f", None),
        ("gaps[n=max].gap:.2f", None),
        ("02:gaps[sigma~.1].n:,", None),
        ("loose[anything=max].at_all:.2f", None),
        ("gasp.n", "chapter 02 keeps no table gasp; it keeps gaps, loose"),
        ("09:gaps.n", "there is no chapter 09"),
        ("gaps[n=max].gab", "Gap has no field gab"),
        ("gaps[m=max].gap", "Gap has no field m"),
        ("gaps[n=many].gap", "n is compared with 'many'"),
        ("gaps[n=max].n.low", "n is no Estimate, so that it has no low"),
        ("gaps[n=max].pair:.2f", "the format '.2f' does not fit pair"),
        ("gaps[n=max].gap:,d", "the format ',d' does not fit gap"),
    ],
)
def test_faults_are_seen_before_anything_runs(question, fault):
    found = words.check(f"So {{num}}`{question}`.", {"02": {"gaps": Gap, "loose": None}}, "02")
    assert [fault is not None and fault in text for text in found] == ([] if fault is None else [True])


# -- what a chapter keeps


def gaps(n: int) -> Table[Gap]:
    """A measurement."""
    return ROWS.where(n=n)


def curves() -> tuple[Table[Gap], Table[Estimate]]:
    """Two."""
    raise AssertionError("nothing is called to know what it gives")


def test_a_chapters_code_says_what_it_keeps(monkeypatch):
    monkeypatch.setattr("ghr.stats.gaps", gaps, raising=False)
    monkeypatch.setattr("ghr.stats.curves", curves, raising=False)
    source = """
from ghr import stats
from ghr.book import results
from ghr.stats import gaps as measure
import nowhere.ghr, ghr.stats as s

table = measure(10)
results.keep(one=table, some=table.where(n=10), other=nowhere.gaps(1))
both = stats.curves()
table, rates = both
if True:
    results.keep(table=table, rates=rates, again=both[1], s=s.gaps(2))
table = [1]
results.keep(last=table)
"""
    expected = {"one": Gap, "some": Gap, "other": None, "table": Gap, "rates": Estimate, "again": Estimate, "s": Gap}
    assert schema.kept(source) == {**expected, "last": None}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [("results.keep(a=x)\nresults.keep(a=y)", "two tables are kept as a"), ("results.keep(**x)", "hides names")],
)
def test_names_of_tables_are_written_out_and_once(source, sentence):
    with pytest.raises(ValueError, match=sentence):
        schema.kept(source)


def test_tables_are_kept_where_the_press_says_or_beside_a_script(tmp_path, monkeypatch):
    monkeypatch.setenv(results.FOLDER, str(tmp_path / "there"))
    monkeypatch.setenv(results.CHAPTER, "03")
    results.keep(gaps=ROWS, again=ROWS.where(n=10))
    assert {path.name for path in (tmp_path / "there").iterdir()} == {"03_gaps.csv", "03_again.csv"}
    assert tables.read((tmp_path / "there" / "03_gaps.csv").read_text(), Gap) == ROWS
    monkeypatch.delenv(results.CHAPTER)
    monkeypatch.setattr("__main__.__file__", "/somewhere/book/05_x.py", raising=False)
    assert results.chapter() == "05"
    monkeypatch.setattr("__main__.__file__", "/somewhere/pytest", raising=False)
    results.keep(gaps=ROWS)
    assert (tmp_path / "there" / "gaps.csv").exists()
    monkeypatch.delenv(results.FOLDER)
    monkeypatch.setattr("__main__.scale", "paper", raising=False)  # a chapter's parameter
    assert results.folder().parts[-3:] == ("build", "results", "paper")
    with pytest.raises(ValueError, match=r"keep\(gaps=...\) takes a ghr.tables.Table, not a list"):
        results.keep(gaps=[1])


# -- texts


def told(scale="laptop", kept=KEPT, **more) -> words.Told:
    entries = (ledger.Entry("T2a", "avatars", "laptop", 30, 29, 31, ">= 15", "met", "02"),)
    known = (
        Claim("falls", "02", "{gaps[n=max].gap.high} < {gaps[n=min,gap=max].gap.low}"),
        Claim("grows", "02", "max({*gaps[n>10].sigma}) > {gaps[n=1000].gap.value}"),
        Claim("elsewhere", "02", "{gaps[n=7].n} > 0"),
    )
    return words.Told(scale, kept, entries, claims.named(known), **more)


def test_numbers_verdicts_and_claims_stand_in_the_text():
    text = "It is {num}`gaps[n=max].gap.value:.1f` ({target}`T2a`). It falls. {claim}`falls`"
    assert words.fill(text, told(), "02", "ledger.html") == (
        'It is 2.0 (<a class="verdict met" href="ledger.html#T2a" '
        f'title="{escape(ledger.TARGETS["T2a"].statistic)}: &gt;= 15 was forecast">'
        "T2a,\N{NO-BREAK SPACE}≥\N{NO-BREAK SPACE}15:\N{NO-BREAK SPACE}met</a>). It falls."
    )
    assert words.fill(text, told(), "02", html=False) == "It is 2.0 (T2a, >= 15: met). It falls."
    assert (
        words.fill("It falls. {claim}`falls`\nAnd (it falls {claim}`falls`).", told(), "02")
        == "It falls.\nAnd (it falls)."
    )
    assert words.fill("{num}`02:gaps[n=max].n`", told()) == "1000"
    with pytest.raises(ValueError, match="{num}`gaps.n`: a page is no chapter: write 03:table"):
        words.fill("{num}`gaps.n`", told())


def test_a_verdict_may_stand_in_a_table():
    assert "|" in ledger.TARGETS["T10"].statistic
    assert "|" not in words.fill("{target}`T10`", told())


def test_verdicts_are_those_of_the_set_and_network_that_is_named():
    assert words.fill("{target}`T2a avatars BFCNN`", told(), html=False) == "T2a: not at this scale"
    assert words.fill("{target}`T16b`", told(), html=False) == "T16b: not measured yet"
    assert "T2a: not" in words.fill("{target}`T2a photographs`", told(), html=False)
    assert words.check("{target}`T99` {target}`T2a discs`", {}) == [
        "{target}`T99`: there is no target T99",
        "{target}`T2a discs`: T2a is not asked of discs, but of avatars, photographs",
    ]


def test_a_claim_that_does_not_hold_is_marked_with_its_numbers_and_named_with_its_sentence():
    text = "One.\nMore images help,\nsays *fig*. {claim}`grows` And so on. {claim}`falls`"
    assert "More images help,\nsays *fig*. (does not hold: max([0.1, 0.4]) &gt; 2)" not in words.fill(
        text, told(), "02"
    )
    assert '<span class="claim">(does not hold: max([0.1, 0.4]) &gt; 2)</span> And' in words.fill(text, told(), "02")
    assert "(not at this scale: max([0.1, 0.4]) > 2) And" in words.fill(text, told("smoke"), "02", html=False)
    assert words.broken(text, told()) == ['"More images help, says *fig*." (grows: max([0.1, 0.4]) > 2)']
    after = "Few are enough. {claim}`falls` More images help. {claim}`grows`"
    assert words.broken(after, told())[-1:] == ['"More images help." (grows: max([0.1, 0.4]) > 2)']
    (other,) = words.broken("So. {claim}`elsewhere`", told())
    assert "it finds no row of gaps" in other


def test_what_another_scale_has_not_is_said_and_at_the_laptops_it_is_a_fault():
    text = "{num}`gaps[n=7].n`"
    assert words.fill(text, told("smoke"), "02") == "(not at this scale)"
    assert words.unanswered(text, told("smoke"), "02") == []
    assert words.unanswered(text, told(), "02") == [f"{text}: it finds no row of gaps (n is 10, 100, 1000)"]
    assert words.unanswered("{num}`03:other.n`", told(), "02") == []
    with pytest.raises(ValueError, match="nothing of chapter 03 is kept"):
        words.fill("{num}`03:other.n`", told(), "02")


@pytest.mark.parametrize(
    ("condition", "fault"),
    [
        ("{gaps[n=max].gap.low} <", "no Python"),
        ("1 < 2", "asks nothing"),
        ("evil({gaps.n})", "the unknown name evil"),
        ("{gasp.n} > 0", "keeps no table gasp"),
        ("{gaps.m} > 0", "has no field m"),
        ("all(x > 0 for x in {*gaps.n})", None),
    ],
)
def test_a_claim_is_checked_before_anything_runs(condition, fault):
    known = words.Told("", {}, claims={"c": Claim("c", "02", condition)})
    found = words.check("{claim}`c`", {"02": {"gaps": Gap}}, "02", known)
    assert [fault is not None and fault in text for text in found] == ([] if fault is None else [True])
    assert words.check("{claim}`d`", {}, "02", known) == ["{claim}`d`: there is no claim d"]


def test_a_claim_says_which_number_of_an_estimate_it_means_and_has_a_name_of_its_own():
    claim = Claim("c", "02", "{gaps[n=max].gap} > 0")
    with pytest.raises(ValueError, match="say which of value, low and high is meant"):
        claim.holds(KEPT)
    with pytest.raises(ValueError, match="two claims are called c"):
        claims.named([claim, claim])


def test_a_claim_about_no_rows_holds_nowhere():
    """Of no rows everything could be said."""
    with pytest.raises(query.NoRow, match="finds no row"):
        Claim("c", "02", "all(n < 0 for n in {*gaps[n=7].n})").holds(KEPT)


def test_what_could_not_be_measured_bears_no_claim_out():
    kept = {"02": {"onsets": Table((Onset(10, None), Onset(100, 5.0)))}}
    assert Claim("c", "02", "{onsets[n=10].views} < {onsets[n=100].views}").holds(kept) == (False, "None < 5")
    assert Claim("c", "02", "max({*onsets.views}) > 1").holds(kept) == (False, "max([None, 5]) > 1")
    with pytest.raises(TypeError):
        Claim("c", "02", "{onsets[n=100].views} < 'x'").holds(kept)


# -- the ledger


def test_a_target_asks_for_what_could_not_be_measured_in_vain():
    kept = {"02": {"onsets": Table((Onset(10, None),))}}
    target = replace(ledger.TARGETS["T2a"], asked={"avatars": "02:onsets[n=10].views"})
    assert ledger.measured(kept, "smoke", {"T2a": target}) == []


def test_the_ledger_is_computed_from_tables():
    target = ledger.TARGETS["T2a"]
    asked = {"avatars": "02:gaps[n=10,pair=A-B].gap", "photographs": "02:gaps[n=7].gap", "avatars BFCNN": "05:x.y"}
    (entry,) = ledger.measured(KEPT, "laptop", {"T2a": replace(target, asked=asked)})
    assert entry == ledger.Entry("T2a", "avatars", "laptop", 30.25, 29, 31.5, ">= 15", "met", "02")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"avatars": "02:gaps.gap"}, r"^T2a asks 02:gaps.gap: it finds 4 rows"),
        ({"avatars": "02:gaps[n=max].n"}, r"^T2a asks .*: 1000 is no Estimate, hence has no verdict"),
        (
            {"discs": "02:gaps[n=max].gap"},
            r"^T2a is not asked of images 'discs': images is one of avatars, photographs",
        ),
    ],
)
def test_a_target_that_asks_wrongly_is_named(asked, sentence):
    with pytest.raises(ValueError, match=sentence):
        ledger.measured(KEPT, "laptop", {"T2a": ledger.Target("x", (0, 1), (0, 1), asked=asked)})


def test_targets_and_claims_that_ask_wrongly_are_seen_before_anything_runs():
    targets = {"T2a": ledger.Target("x", (0, 1), (0, 1), asked={"avatars": "02:gaps.gab", "photographs": "09:x.y"})}
    told = words.Told("", {}, (), claims.named([Claim("c", "02", "{gaps.n} < {gasp.n}")]), targets)
    assert words.check_data({"02": {"gaps": Gap}}, told) == [
        "T2a asks 02:gaps.gab: Gap has no field gab: its fields are n, pair, sigma, gap.",
        "c asks gasp.n: chapter 02 keeps no table gasp; it keeps gaps",
    ]


# -- prose of today, outputs of the last execution

TEXT = """\
# %% [markdown]
# Said.

# %% tags=["parameters"]
scale = "laptop"

# %% mystnb={"figure": {"caption": "A line."}}
print(1)
"""


def test_a_page_has_the_prose_of_today_and_the_outputs_of_its_copy():
    copy = percent.notebook(TEXT)
    copy.cells.insert(2, percent.notebook("# %%\nscale = 'smoke'\n").cells[0])
    copy.cells[2].metadata["tags"] = [percent.INJECTED]
    copy.cells[3].outputs, copy.cells[3].execution_count = ["one"], 3
    today = TEXT.replace("Said.", "Said again.\n\n# %% [markdown]\n# More.").replace("A line.", "Lines.")
    nb = percent.combined(today, copy)
    assert [cell.source for cell in nb.cells] == [
        "Said again.",
        "More.",
        'scale = "laptop"',
        "scale = 'smoke'",
        "print(1)",
    ]
    assert (nb.cells[4].outputs, nb.cells[4].execution_count) == (["one"], 3)
    assert nb.cells[4].metadata["mystnb"]["figure"]["caption"] == "Lines."
    seen = []
    percent.rewrite(nb, lambda text, place: seen.append((text, place)) or text.upper())
    assert seen == [("Said again.", "cell 1"), ("More.", "cell 2"), ("Lines.", "cell 5")]
    assert nb.cells[4].metadata["mystnb"]["figure"]["caption"] == "LINES."
