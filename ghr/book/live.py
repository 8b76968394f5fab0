"""Figures that run in the reader's page, or in a cell of JupyterLab, and the scripts of all figures.

Enters: a picture that is made with the book, and what its script is told. Leaves: HTML that shows the picture wherever
no script runs, and a figure to play with where one does. Its script is `ghr/book/assets/NAME.js`, or
`ghr/book/assets/lab/NAME.js` where it asks networks: in a page those run in the browser, which needs a web server; in
JupyterLab the kernel answers (`ghr.book.answers`), and the figure is a widget. What differs is in two pairs of scripts,
of which `inlined` chooses: a page or a cell, a browser or a kernel.
"""

import html
import json
import re
from pathlib import Path

import anywidget
import traitlets

from ghr.book.answers import Answers
from ghr.book.plots import Picture

ASSETS = Path(__file__).parent / "assets"
ALONE = "A still: in the book's page, where scripts run, it moves."
SERVED = "A still: it comes to life where the book's page comes from a web server and scripts run."
OWN = "A still: it comes to life in JupyterLab, where a kernel runs."
IN_CELL = {"inpage": "incell", "browser": "kernel"}  # scripts, and those that stand for them in a cell of Jupyter


class Live(anywidget.AnyWidget):
    """A figure that a page of the book brings to life, or a kernel, as the last line of a cell.

    Args:
        script: its name, e.g. "plane" or "draw".
        still: what stands there before, and wherever no script runs.
        alt: what the still shows, for those who cannot see it.
        networks: image sets whose networks it asks; none by default.
        answers: in place of the book's networks, others, which a page has not: it shows the still.
        **told: what else the script is told, as JSON.
    """

    _css = "".join((ASSETS / f"{name}.css").read_text("utf8") for name in ("explorer", "live"))
    _esm = traitlets.Unicode().tag(sync=True)
    html = traitlets.Unicode().tag(sync=True)  # with the still, as a page has it
    listed = traitlets.Dict().tag(sync=True)  # the networks that a kernel offers

    def __init__(
        self, script: str, still: Picture, alt: str, networks: str = "", answers: Answers | None = None, **told
    ):
        asks = f' data-networks="{html.escape(networks)}"' if networks else ""
        why = OWN if answers else SERVED if networks else ALONE
        data = json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
        shown = (
            f'<div class="live" data-script="{script}"{asks}>{still.html(alt)}'
            f'<p class="live-why">{why}</p>'
            f'<script type="application/json">{data}</script></div>'
        )
        if networks and not answers:
            answers = Answers.of_book(networks.split())
        self.answers = answers
        module = f"export default {{\nrender({{ model, el: root }}) {{\n{inlined(script, cell=True)}}},\n}};\n"
        super().__init__(_esm=module, html=shown, listed=answers.listed if answers else {})
        self.on_msg(lambda _, message, buffers: self.answers.heard(message, buffers, self.send))

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        if self.answers and not self.answers.sets:  # nothing to show but the still
            data = {"text/plain": data["text/plain"]}
        return {**data, "text/html": self.html}, metadata


IMPORT = re.compile(r'^import (\{[^}]*\}) from "(\.[./\w]+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?:(?:async )?(?:const|function|class) )?(\w+|\{[^}]*\})(;\n)?", re.MULTILINE)


def inlined(script: str, cell: bool = False) -> str:
    """A script of `ghr/book/assets` and those that it imports as one text, which imports nothing; each stands once.

    Args:
        script: its name, e.g. "explorer".
        cell: whether it is a widget's, in place of a page's.

    Returns:
        JavaScript: a module, or of a cell the body of `render`.
    """
    modules: dict[Path, str] = {}  # each behind those that it imports

    def read(path: Path) -> str:
        def bound(match: re.Match) -> str:
            other = (path.parent / match[2]).resolve()
            other = other.with_stem(IN_CELL.get(other.stem, other.stem)) if cell else other
            if other not in modules:
                body = read(other)
                names = ", ".join(match[1].strip("{ }") for match in EXPORT.finditer(body))
                body = EXPORT.sub(lambda m: "" if m[2] else m[0].removeprefix("export "), body)
                modules[other] = f"const ${other.stem} = (() => {{\n{body}return {{ {names} }};\n}})();\n"
            return f"const {match[1].replace(' as ', ': ')} = ${other.stem};\n"

        return IMPORT.sub(bound, path.read_text("utf8"))

    known = (ASSETS / "lab" / f"{script}.js", ASSETS / f"{script}.js")
    own = read(next(path for path in known if path.exists()))
    return "".join(modules.values()) + own
