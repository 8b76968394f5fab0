"""Numbers, verdicts and claims in a text: what is asked for by name enters, words leave. ::

    {num}`agreement[n=max].largest:.2f`   a number of a table that the chapter keeps (`ghr.book.query`)
    {target}`T4`, {target}`T4 photographs`, {target}`T10 avatars BFCNN`   a target and its verdict, leading to its row
    {claim}`name`   behind a sentence that could become false (`ghr.book.claims`): nothing is seen while it holds

Names are checked against the code of the chapters before anything runs (`check`), the words are put in when pages are
drawn (`fill`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from ghr.book.claims import CLAIMS, Claim
from ghr.book.ledger import SECOND, TARGETS, Entry, Target
from ghr.book.query import Kept, NoRow, Query, ask, parse

ROLE = re.compile(r"\{(num|target|claim)\}`([^`]+)`")
NOT_HERE = "not at this scale"
Schemas = Mapping[str, Mapping[str, type | None]]  #: chapter -> name of a table -> dataclass of its rows


@dataclass(frozen=True)
class Told:
    """All that texts can ask for, at one scale."""

    scale: str  #: one of `ghr.recipes.SCALES`; at the laptop's all must be there, unless it is a part
    kept: Kept  #: table by name by chapter
    entries: tuple[Entry, ...] = ()  #: of the ledger
    claims: Mapping[str, Claim] = field(default_factory=lambda: CLAIMS)  #: by name
    targets: Mapping[str, Target] = field(default_factory=lambda: TARGETS)  #: by id
    part: bool = False  #: whether chapters were executed with parameters of their own, e.g. for some N only

    @property
    def whole(self) -> bool:
        """Whether all that texts ask for must be there."""
        return self.scale == "laptop" and not self.part


def fill(text: str, told: Told, here: str = "", ledger_page: str | None = None, html: bool = True) -> str:
    """A text with words in the place of what it asks for.

    Args:
        text: Markdown.
        told: what there is.
        here: chapter that asks, two digits; "" for a page that is none.
        ledger_page: address of the page that shows the ledger, to which verdicts lead.
        html: whether verdicts and marks are HTML; plain words for a notebook.

    Returns:
        Markdown.

    Raises:
        ValueError: naming what cannot be answered.
    """

    def answer(match: re.Match) -> str:
        space, kind, body = match.groups()
        try:
            if kind == "num":
                return space + _number(body, told, here)
            if kind == "target":
                return space + _target(body, told, ledger_page, html)
            words = _claim(body, told, html)
            return space + words if words else ""  # two spaces at the end of a line would break it
        except ValueError as error:
            raise ValueError(f"{match[0].strip()}: {error}") from error

    return re.sub(f"( ?){ROLE.pattern}", answer, text)


def check(text: str, schemas: Schemas, here: str = "", told: Told | None = None) -> list[str]:
    """What a text asks for and nobody keeps, known before anything runs.

    Args:
        text: Markdown.
        schemas: what each chapter keeps.
        here: chapter that asks, two digits.
        told: whose claims and targets are meant (default: the book's).

    Returns:
        A sentence for each fault, none for a sound text.
    """
    told = told or Told("", {})
    found = []
    for kind, body in ROLE.findall(text):
        try:
            if kind == "num":
                require(parse(body), schemas, here)
            elif kind == "target":
                _subject(body, told)
            else:
                claim = _named(body, told)
                claim.check()
                for query in claim.questions:
                    require(query, schemas, claim.chapter)
        except ValueError as error:
            found.append(f"{{{kind}}}`{body}`: {error}")
    return found


def check_data(schemas: Schemas, told: Told | None = None) -> list[str]:
    """What targets and claims ask of chapters and these do not keep, known before anything runs.

    Args:
        schemas: what each chapter keeps; nothing is asked of one that is not there, or keeps nothing.
        told: whose claims and targets are meant (default: the book's).

    Returns:
        A sentence for each fault.
    """
    told = told or Told("", {})
    asked = [(id, "", question) for id, target in told.targets.items() for question in target.asked.values()]
    asked += [(name, claim.chapter, query.text) for name, claim in told.claims.items() for query in claim.questions]
    found = []
    for name, here, question in asked:
        try:
            query = parse(question)
            if schemas.get(query.chapter or here):
                require(query, schemas, here)
        except ValueError as error:
            found.append(f"{name} asks {question}: {error}")
    return found


def require(query: Query, schemas: Schemas, here: str = "") -> None:
    """Say whether a question can have an answer.

    Args:
        query: what is asked.
        schemas: what each chapter keeps.
        here: chapter that asks, two digits.

    Raises:
        ValueError: when the chapter keeps no such table, or the table has no such field.
    """
    number = query.chapter or here
    if not number:
        raise ValueError("a page that is no chapter names one: write 03:table...")
    if number not in schemas:
        raise ValueError(f"there is no chapter {number}")
    if query.table not in schemas[number]:
        raise ValueError(
            f"chapter {number} keeps no table {query.table}; it keeps {', '.join(schemas[number]) or 'none'}"
        )
    query.check(schemas[number][query.table])


def unanswered(text: str, told: Told, here: str = "") -> list[str]:
    """What a text asks for and the tables that were kept cannot answer.

    Args:
        text: Markdown.
        told: what there is; questions to chapters of which nothing is there are not put.
        here: chapter that asks, two digits.

    Returns:
        A sentence for each fault.
    """
    found = []
    for kind, body in ROLE.findall(text):
        try:
            if kind == "num" and (parse(body).chapter or here) in told.kept:
                _number(body, told, here)
            elif kind == "claim":
                _fails(_named(body, told), told)
        except ValueError as error:
            found.append(f"{{{kind}}}`{body}`: {error}")
    return found


def broken(text: str, told: Told) -> list[str]:
    """Sentences whose claims do not hold.

    Args:
        text: Markdown.
        told: what there is.

    Returns:
        Each with its claim and the numbers.
    """
    found = []
    for match in ROLE.finditer(text):
        if match[1] == "claim":
            reason = _fails(_named(match[2], told), told)
            if reason:
                said = sentence(ROLE.sub(lambda role: "" if role[1] == "claim" else role[0], text[: match.start()]))
                found.append(f'"{said}" ({match[2]}: {reason})')
    return found


def sentence(text: str) -> str:
    """The last sentence of a text, without line breaks.

    Args:
        text: one sentence or more.

    Returns:
        Sentence.
    """
    return re.split(r"(?<=[.!?:*])\s+(?=[^a-z])|\n\s*\n", text.rstrip())[-1].replace("\n", " ").lstrip("# ")


def _number(body: str, told: Told, here: str) -> str:
    try:
        return ask(parse(body), told.kept, here, Query.words)
    except NoRow as error:
        if told.whole:
            raise ValueError(str(error)) from error
        return f"({NOT_HERE})"


def _subject(body: str, told: Told) -> tuple[str, str, str]:
    """Target, image set and network that are meant."""
    id, _, subject = body.partition(" ")
    if id not in told.targets:
        raise ValueError(f"there is no target {id}")
    images, _, network = (subject or told.targets[id].on[0]).partition(" ")
    if images not in told.targets[id].on:
        raise ValueError(f"{id} is not asked of {images}, but of {', '.join(told.targets[id].on)}")
    return id, images, network or "UNet"


def _target(body: str, told: Told, ledger_page: str | None, html: bool) -> str:
    id, images, network = _subject(body, told)
    entry = next((e for e in told.entries if e.key == (id, images, network, told.scale)), None)
    missing = "not measured yet" if told.targets[id].waits else NOT_HERE
    verdict = entry.verdict if entry else "none"
    if not html:
        return f"{id}, {entry.target}: {verdict}" if entry else f"{id}: {missing}"
    of = " photographs" if images == "photographs" else ""  # most are asked of faces, and some of both
    name = f"{id}{'²' if id in SECOND else ''}{of}"
    bounds = entry.target.replace(">=", "≥").replace("<=", "≤") if entry else ""
    said = f"{name}, {bounds}: {verdict}" if entry else f"{name}: {missing}"
    words = escape(said).replace(" ", "\N{NO-BREAK SPACE}")
    how = "was set when the first edition had been measured" if id in SECOND else "was forecast"
    asked = escape(told.targets[id].statistic + (f": {entry.target} {how}" if entry else ""))
    asked = asked.replace("|", "&#124;")  # which would end the cell of a table
    tag, place = ("a", f' href="{ledger_page}#{id}"') if ledger_page else ("span", "")
    return f'<{tag} class="verdict {verdict}"{place} title="{asked}">{words}</{tag}>'


def _named(name: str, told: Told) -> Claim:
    if name not in told.claims:
        raise ValueError(f"there is no claim {name}")
    return told.claims[name]


def _fails(claim: Claim, told: Told) -> str:
    """Why a claim does not hold; "" when it does."""
    try:
        holds, numbers = claim.holds(told.kept)
    except NoRow as error:
        return str(error)
    return "" if holds else numbers


def _claim(name: str, told: Told, html: bool) -> str:
    reason = _fails(_named(name, told), told)
    if not reason:
        return ""
    words = f"({'does not hold' if told.whole else NOT_HERE}: {reason})"
    return f'<span class="claim">{escape(words)}</span>' if html else words
