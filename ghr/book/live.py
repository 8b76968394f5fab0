"""Figures that run in the reader's page, and the scripts of all figures that pages carry.

Enters: a picture that is made with the book, and what its script is told. Leaves: HTML that shows the picture wherever
no script runs, and a figure to play with where one does. A script that asks no network is `ghr/book/assets/NAME.js` and
stands in the page itself, so that it also runs where pages are opened as files. One that asks networks is
`book/assets/lab/NAME.js`, finds them by the engine beside it, and needs a web server.
"""

import html
import json
import re
from pathlib import Path

from ghr.book.plots import Picture

ASSETS = Path(__file__).parent / "assets"
ALONE = "A still: in the book's page, where scripts run, it moves."
SERVED = "A still: it comes to life where the book's page comes from a web server and scripts run."


class Live:
    """A figure that a page of the book brings to life, as the last line of a cell.

    Args:
        script: its name, "plane", "draw" or "rebuild".
        still: what stands there before, and wherever no script runs.
        alt: what the still shows, for those who cannot see it.
        networks: image set whose networks it asks; none by default.
        **told: what else the script is told, as JSON.
    """

    def __init__(self, script: str, still: Picture, alt: str, networks: str = "", **told):
        asks = f' data-networks="{html.escape(networks)}"' if networks else ""
        data = json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
        self.html = (
            f'<div class="live" data-script="{script}"{asks}>{still.html(alt)}'
            f'<p class="live-why">{SERVED if networks else ALONE}</p>'
            f'<script type="application/json">{data}</script></div>'
        )

    def _repr_html_(self) -> str:
        return self.html


def inlined(script: str) -> str:
    """A script of this folder and those that it imports as one text, which imports nothing.

    Args:
        script: its name, e.g. "explorer".

    Returns:
        JavaScript module.
    """
    text = (ASSETS / f"{script}.js").read_text("utf8")
    for line, wanted, name in re.findall(r'^(import (\{[^}]*\}) from "\./(\w+)\.js";\n)', text, re.MULTILINE):
        body = re.sub(r"^export ", "", inlined(name), flags=re.MULTILINE)
        names = ", ".join(re.findall(r"^(?:async )?(?:const|function) (\w+)", body, re.MULTILINE))
        wanted = wanted.replace(" as ", ": ")
        text = text.replace(line, f"const {wanted} = (() => {{\n{body}return {{ {names} }};\n}})();\n")
    return text
