"""The front page's figure: two networks walk from one noise to a face, for every N.

Enters: the faces' networks of a scale, and what chapter 3 measured of their samples. Leaves: `build/hero/<scale>`,
sheets of small pictures which a build of the book copies to its pages, and HTML that shows the end of one walk wherever
no script runs. `book/assets/hero.js` plays the walks; it fetches the sheet of another N or noise when it is asked for.
"""

import base64
import html
import io
import json
import math
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ghr import experiments, runs, sampling, similarity
from ghr.book import SCALE
from ghr.book.identity import code, digest, file_digest
from ghr.book.press import kept
from ghr.stats import Estimate
from ghr.tables import Table

COLUMNS, ROUNDS = 4, 4  # noises side by side; how many such sets there are
NUMBERS = {  #: what is told of every N, by the field of chapter 3's tables `alike` and `near`
    "same_noise": "of A’s and B’s face",
    "nearest": "of a drawn face to its nearest training image",
    "null": "of a new face to its nearest training image",
}


def export(scale: str, root: Path) -> Path:
    """Walks of every N as sheets of pictures, made again only when networks or code are others than before.

    Args:
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.

    Returns:
        Their list, `build/hero/<scale>/hero.json`.
    """
    study = experiments.faces(scale)
    folder = root / "build" / "hero" / scale
    listed = folder / "hero.json"
    state = [code("import ghr.book.hero"), [file_digest(runs.path(run)) for run in study.runs.values()]]
    key = digest(json.dumps(state, sort_keys=True))
    if listed.exists() and json.loads(listed.read_text("utf8"))["key"] == key:
        return listed
    partial = folder.with_name(f"{scale}.new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    start = sampling.gaussian_start(study.held_out, range(COLUMNS * ROUNDS))
    files = {}
    for n in study.sizes:
        sheets, sigmas = walks(study, n, start)
        files[n] = []
        for k, sheet in enumerate(sheets):
            data = webp(sheet)
            files[n].append(f"n{n}-{k}-{zlib.crc32(data):08x}.webp")
            (partial / files[n][-1]).write_bytes(data)
    contents = {"key": key, "side": start.shape[-2:], "columns": COLUMNS, "sigmas": sigmas, "files": files}
    (partial / "hero.json").write_text(json.dumps(contents, indent=1), "utf8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return listed


@torch.no_grad()
def walks(
    study: experiments.Study, n: int, start: Float[Tensor, "b c h w"]
) -> tuple[list[Float[np.ndarray, "rows columns"]], list[float]]:
    """The walks of both networks of one N, laid out: a row for each moment, the last one for nearest training images.

    Args:
        study: networks of halves A and B.
        n: their training images.
        start: noisy images, `COLUMNS` to a sheet.

    Returns:
        Grey sheets in image units, one for each set of starts, with A's pictures at the left of B's; and the noise
        level of each moment. The last moment shows the samples.
    """
    parts = []
    for half in "AB":
        states = list(sampling.sample(study.denoisers[n, half], start))
        training = study.training(n, half)
        nearest = training[similarity.nearest(states[-1].x_hat, training)[1]]
        parts.append(torch.stack([start, *(state.y for state in states[:-1]), states[-1].x_hat, nearest]))
    sheets = []
    for first in range(0, len(start), COLUMNS):
        tiles = torch.cat([part[:, first : first + COLUMNS, 0] for part in parts], 1).clamp(0, 1)
        sheets.append(tiles.permute(0, 2, 1, 3).flatten(2).flatten(0, 1).cpu().numpy())
    return sheets, [1.0, *(state.sigma[0].item() for state in states)]


def webp(sheet: Float[np.ndarray, "h w"]) -> bytes:
    """A grey picture as a file, without loss but for its 256 levels.

    Args:
        sheet: image units, from 0 to 1.

    Returns:
        WebP.
    """
    file = io.BytesIO()
    Image.fromarray((sheet * 255).round().astype(np.uint8)).save(file, "WEBP", lossless=True, quality=100, method=4)
    return file.getvalue()


# -- what the page shows


def figure(folder: Path, tables: Mapping[str, Table], files: str) -> str:
    """The figure: its last moment at the largest N, the numbers of every N, and what the script needs.

    Args:
        folder: of `export`.
        tables: of chapter 3.
        files: address of the sheets, as the page sees it.

    Returns:
        HTML.
    """
    listed = json.loads((folder / "hero.json").read_text("utf8"))
    told = numbers(tables["alike"], tables["near"])
    sizes = [int(n) for n in listed["files"] if int(n) in told]
    n, (height, width) = sizes[-1], listed["side"]
    sheet = np.asarray(Image.open(folder / listed["files"][str(n)][0]).convert("L"))
    last = len(listed["sigmas"]) - 1
    rows = (("nearest", "A", last + 1), ("draws", "A", last), ("draws", "B", last), ("nearest", "B", last + 1))
    parts = []
    for what, half, row in rows:
        words = f"{half} draws" if what == "draws" else f"nearest among {half}’s training images"
        tiles = ""
        for k in range(COLUMNS):
            cut = sheet[row * height :, (k + COLUMNS * (half == "B")) * width :][:height, :width]
            data = base64.b64encode(webp(cut / 255)).decode()
            name = html.escape(f"{words}, noise {k + 1}")
            tiles += f'<img class="dark-light" width="{width}" height="{height}" alt="{name}" '
            tiles += f'src="data:image/webp;base64,{data}">'
        parts.append(f'<div class="hero-row hero-{what} hero-{half}"><p>{words}</p><div>{tiles}</div></div>')
    texts = {n: {name: f"{told[n][name]:.2f}".split(" ", 1) for name in NUMBERS} for n in sizes}
    lines = "".join(
        f'<div data-number="{name}"><dt class="hero-{name}">{words}</dt><dd><b>{texts[n][name][0]}</b> '
        f"<small>{texts[n][name][1]}</small></dd></div>"
        for name, words in NUMBERS.items()
    )
    data = {**listed, "files": {n: listed["files"][str(n)] for n in sizes}, "numbers": texts, "folder": files}
    data = json.dumps({name: value for name, value in data.items() if name != "key"}, separators=(",", ":"))
    return (
        f'<div class="hero"><div class="hero-stage">{"".join(parts)}</div>'
        f'<div class="hero-side"><p>Similarity at <b>N = <span data-number="n">{n:,}</span></b></p>'
        f"<dl>{lines}</dl>{chart(sizes, told)}</div>"
        f'<script type="application/json">{data.replace("<", chr(92) + "u003c")}</script></div>'
    )


def numbers(alike: Table, near: Table) -> dict[int, dict[str, Estimate]]:
    """What is told of each N.

    Args:
        alike: table of `ghr.measure.samples.Alike`.
        near: table of `ghr.measure.samples.Nearness`.

    Returns:
        Centred cosines by N and field of `NUMBERS`; the nearness is half A's.
    """
    rows = {row.n: row for row in near.where(half="A")}
    return {
        row.n: {"same_noise": row.same_noise, "nearest": rows[row.n].nearest, "null": rows[row.n].null}
        for row in alike
        if row.n in rows
    }


_BOX = (34, 10, 250, 116)  # left, top, width and height of the axes, in units of the drawing


def chart(sizes: Sequence[int], told: Mapping[int, Mapping[str, Estimate]]) -> str:
    """The same numbers as curves over N, with dots that the script moves.

    Args:
        sizes: every N that is shown, increasing.
        told: of `numbers`.

    Returns:
        SVG.
    """
    left, top, width, height = _BOX
    low, high = math.log10(sizes[0]), math.log10(sizes[-1])

    def place(n: int, value: float) -> tuple[float, float]:
        across = (math.log10(n) - low) / ((high - low) or 1)
        return round(left + width * across, 1), round(top + height * (1 - max(value, 0)), 1)

    parts = [f'<path class="hero-axes" d="M{left} {top}V{top + height}H{left + width}"/>']
    parts += [
        f'<text x="{left - 6}" y="{place(sizes[0], value)[1] + 4}" text-anchor="end">{value:g}</text>'
        for value in (0, 0.5, 1)
    ]
    for power in range(math.ceil(low), math.floor(high) + 1):
        x = place(10**power, 0)[0]
        parts.append(f'<text x="{x}" y="{top + height + 15}" text-anchor="middle">{10**power:,}</text>')
    middle = left + width / 2
    parts.append(f'<text x="{middle}" y="{top + height + 31}" text-anchor="middle">N, training images</text>')
    for name in reversed(NUMBERS):
        points = [place(n, told[n][name].value) for n in sizes]
        path = "L".join(f"{x} {y}" for x, y in points)
        places = html.escape(json.dumps(dict(zip(map(str, sizes), points, strict=True)), separators=(",", ":")))
        x, y = points[-1]
        parts.append(f'<path class="hero-{name}" d="M{path}"/>')
        parts.append(f'<circle class="hero-{name}" r="4.5" cx="{x}" cy="{y}" data-places="{places}"/>')
    view = f"0 0 {left + width + 14} {top + height + 36}"
    return f'<svg viewBox="{view}" aria-hidden="true">{"".join(parts)}</svg>'


def setup(app) -> dict:
    """Sphinx extension: `ghr.book.hero` in `_config.yml`.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx asks of an extension.
    """
    from docutils import nodes
    from sphinx.util import logging
    from sphinx.util.docutils import SphinxDirective

    scale = os.environ.get(SCALE, "laptop")
    folder = Path("build", "hero", scale)

    class Hero(SphinxDirective):
        """```{hero}```: two networks that walk from one noise."""

        def run(self):
            tables = kept(scale, Path()).get("03", {})
            if not (folder / "hero.json").exists() or not {"alike", "near"} <= set(tables):
                warning = "there is nothing for the front page's figure: run make book"
                logging.getLogger(__name__).warning(warning, location=self.env.docname)
                return []
            files = "../" * self.env.docname.count("/") + "_static/hero/"
            return [nodes.raw("", figure(folder, tables, files), format="html")]

    def scripts(app, pagename, templatename, context, doctree) -> None:
        if 'class="hero"' in context.get("body", ""):  # no other page gets heavier
            app.add_js_file("hero.js", loading_method="defer")
            app.add_css_file("hero.css")

    def ship(app, error) -> None:
        if not error and app.builder.format == "html" and folder.exists():
            shutil.copytree(folder, Path(app.outdir, "_static", "hero"), ignore=shutil.ignore_patterns("hero.json"))

    app.add_directive("hero", Hero)
    app.connect("html-page-context", scripts)
    app.connect("build-finished", ship)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
