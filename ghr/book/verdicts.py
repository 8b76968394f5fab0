"""The ledger's page: entries enter, tables with badges and ways to figures leave."""

import ast
import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from ghr import recipes
from ghr.book import ledger
from ghr.book.contents import chapters, number
from ghr.book.percent import notebook
from ghr.book.query import parse
from ghr.tables import Shown

_SETS = {  # as readers know them
    "avatars": "faces",
    "avatars-shuffled": "shuffled faces",
    "c_alpha": "C^α",
    "fields-2": "Gaussian fields",
}


def _named(images: str, network: str) -> str:
    name = _SETS.get(images, images)
    return name if network == "UNet" else f"{name}, {network.replace('BFCNN', 'BF-CNN')}"


def _marked(id: str) -> str:
    """What a target asks for, with a mark where it is one of the second edition."""
    return f"{ledger.TARGETS[id].statistic} ²" if id in ledger.SECOND else ledger.TARGETS[id].statistic


def ledger_table(entries: list[ledger.Entry], scale: str) -> Shown:
    """Targets on faces and photographs: what is wanted, what each set gives, what would be wanted at the paper's scale.

    A target without an entry is shown as not measured; networks other than the UNet, which have few of the targets, are
    shown once they have an entry.

    Args:
        entries: measured at this scale.
        scale: one of `ghr.recipes.SCALES`.

    Returns:
        A row for each target.
    """
    found = {(entry.id, entry.images, entry.network): entry for entry in entries}
    studies = [key for key in recipes.STUDIES if key[1] == "UNet" or key in {(e.images, e.network) for e in entries}]
    rows = []
    for id, target in ledger.TARGETS.items():
        if not {images for images, _ in studies} & set(target.on):
            continue
        cells = []
        for images, network in studies:
            low, high = ledger.bounds(id, images, scale)
            other = f" (target {ledger.words(low, high)})" if (low, high) != ledger.bounds(id, "avatars", scale) else ""
            missing = f"{_missing(target)}{other}" if network == "UNet" and images in target.on else "-"
            cells.append(_cell(found.get((id, images, network)), other, missing))
        wanted, at_paper = ledger.words(*ledger.bounds(id, "avatars", scale)), ledger.words(*target.paper)
        rows.append((id, _marked(id), *map(_tied, (wanted, *cells, at_paper))))
    heads = ("id", "statistic", "target", *(_named(*study) for study in studies), "target at the paper's scale")
    return Shown("The ledger: targets on faces and photographs, and verdicts", heads, rows)


def classes_table(entries: list[ledger.Entry], scale: str) -> Shown:
    """Targets on image sets whose best denoiser is known and on shuffled faces: a row for each set.

    A target without an entry is shown as not measured; networks other than the UNet are shown once they have an entry.

    Args:
        entries: measured at this scale.
        scale: one of `ghr.recipes.SCALES`.

    Returns:
        A row for each target and set.
    """
    found = {(entry.id, entry.images, entry.network): entry for entry in entries}
    tables = {name for name, _ in recipes.STUDIES}
    asked = [(id, images) for id, target in ledger.TARGETS.items() for images in target.on if images not in tables]
    others = sorted({network for id, images, network in found if (id, images) in asked and network != "UNet"})
    rows = []
    for id, images in asked:
        target = ledger.TARGETS[id]
        wanted, at_paper = ledger.words(*ledger.bounds(id, images, scale)), ledger.words(*target.paper)
        cells = [_cell(found.get((id, images, "UNet")), missing=_missing(target))]
        cells += [_cell(found.get((id, images, network)), missing="-") for network in others]
        rows.append((id, _named(images, "UNet"), _marked(id), *map(_tied, (wanted, *cells, at_paper))))
    networks = [network.replace("BFCNN", "BF-CNN") for network in ("UNet", *others)]
    heads = ("id", "images", "statistic", "target", *networks, "target at the paper's scale")
    return Shown("The ledger: targets on images whose best denoiser is known, and verdicts", heads, rows)


def places(chapter: str) -> dict[str, str]:
    """Where a reader of a chapter sees the tables that it keeps.

    Args:
        chapter: its text.

    Returns:
        By name of a table the id of the first figure that is drawn from it, or else of the section that keeps it.
    """
    from docutils.nodes import make_id

    section, found, waiting = "", {}, {}
    for cell in notebook(chapter).cells:
        if cell.cell_type == "markdown":
            section = next(map(make_id, re.findall(r"^##+ (.*)$", cell.source, re.MULTILINE)[::-1]), section)
            continue
        nodes = list(ast.walk(ast.parse(cell.source)))
        used = {node.id for node in nodes if isinstance(node, ast.Name)}
        if any(isinstance(node, ast.FunctionDef) for node in nodes):
            continue  # frames of an explorer, whose names are its own
        if name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"):
            found |= {table: name for table, variable in waiting.items() if variable in used}
            waiting = {table: variable for table, variable in waiting.items() if variable not in used}
        for node in nodes:
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "results.keep":
                found |= {keyword.arg: section for keyword in node.keywords}
                waiting |= {k.arg: k.value.id for k in node.keywords if isinstance(k.value, ast.Name)}
    return found


def figures(root: Path) -> dict[tuple[str, str], str]:
    """Addresses of what `places` finds, as the page of the ledger sees them.

    Args:
        root: top of the repository.

    Returns:
        Address by chapter, two digits, and table.
    """
    found = {}
    for chapter in chapters(root):
        page = f"{Path(chapter).stem}.html"
        there = places((root / chapter).read_text("utf8"))
        found |= {(number(chapter), table): f"{page}#{place}".rstrip("#") for table, place in there.items()}
    return found


def marked(
    html: str, entries: Sequence[ledger.Entry] = (), figures: Mapping[tuple[str, str], str] = MappingProxyType({})
) -> str:
    """A table of the ledger as its page shows it: places for targets, badges for verdicts, ways to figures.

    Args:
        html: of the table.
        entries: those in it.
        figures: of `figures`.

    Returns:
        HTML; the first row of each target is a place to which links can lead.
    """
    for id in ledger.TARGETS:
        html = html.replace(f'<th scope="row">{id}</th>', f'<th scope="row" id="{id}">{id}</th>', 1)
    known = {(entry.id, _cell(entry)): entry for entry in entries}

    def row(match: re.Match) -> str:
        id = match[1]

        def cell(match: re.Match) -> str:
            text, verdict, number, rest = match[1].replace("\N{NO-BREAK SPACE}", " "), *match.groups()[1:]
            if entry := known.get((id, text)):
                subject = entry.images if entry.network == "UNet" else f"{entry.images} {entry.network}"
                question = parse(ledger.TARGETS[id].asked[subject])
                if address := figures.get((question.chapter, question.table)):
                    number = f'<a href="{address}">{number}</a>'
            return f'<td data-verdict="{verdict}"><span class="verdict {verdict}">{verdict}</span> {number}{rest}</td>'

        text = re.sub(r"<td>((met|missed|undecided): ([^<(]*?))((?: \([^<]*)?)</td>", cell, match[0])
        return re.sub(r"<td>(not measured)", r'<td data-verdict="none">\1', text.replace("<td>-</td>", "<td></td>"))

    html = re.sub(r'<tr><th scope="row"[^>]*>(\w+)</th>.*?</tr>', row, html)
    return html.replace("&lt;=", "≤").replace("&gt;=", "≥")


SIGNS = {
    "met": "met",
    "missed": "missed",
    "undecided": "undecided",
    "none": "not measured",
}  #: verdicts as a page says them


def counted(html: str) -> str:
    """How many verdicts of each kind tables of the ledger show, which a script makes a choice of rows.

    Args:
        html: of the tables, as `marked` leaves them.

    Returns:
        HTML.
    """
    counts = Counter(re.findall(r'data-verdict="(\w+)"', html))
    items = "".join(
        f'<li data-verdict="{verdict}"><span class="verdict {verdict}">{words}</span> {counts[verdict]}</li>'
        for verdict, words in SIGNS.items()
    )
    return f'<ul class="ledger-counts">{items}</ul>'


def ledger_csv(entries: Sequence[ledger.Entry], scale: str) -> str:
    """The ledger as a table to take away: a line for each target, image set and network.

    Args:
        entries: measured at this scale.
        scale: one of `ghr.recipes.SCALES`.

    Returns:
        CSV.
    """
    found = {(entry.id, entry.images, entry.network): entry for entry in entries}
    asked = [(id, images, "UNet") for id, target in ledger.TARGETS.items() for images in target.on]
    file, heads = io.StringIO(), ("id", "statistic", "images", "network", "target")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*heads, "value", "low", "high", "verdict", "target_at_paper_scale"])
    rank = {key[:2]: k for k, key in enumerate(asked)}  # the UNet's line stands before those of other networks
    for key in sorted({*asked, *found}, key=lambda key: (rank[key[:2]], key[2] != "UNet", key)):
        id, images, network = key
        entry = found.get(key)
        numbers = [entry.value, entry.low, entry.high, entry.verdict] if entry else ["", "", "", SIGNS["none"]]
        bounds, paper = ledger.words(*ledger.bounds(id, images, scale)), ledger.words(*ledger.TARGETS[id].paper)
        writer.writerow([id, _marked(id), images, network, bounds, *numbers, paper])
    return file.getvalue()


def _tied(text: str) -> str:
    """Bounds and intervals that no line break divides."""
    return re.sub(r"(?<=[,<>=]) ", "\N{NO-BREAK SPACE}", text)


def _missing(target: ledger.Target) -> str:
    return f"not measured yet: waits for {target.waits}" if target.waits else "not measured"


def _cell(entry: ledger.Entry | None, other: str = "", missing: str = "") -> str:
    return f"{entry.verdict}: {entry.measured:.3g}{other}" if entry else missing
