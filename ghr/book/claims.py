"""Sentences that could become false: a condition on the tables that chapters keep guards each of them.

A sentence is written by hand and followed by {claim}`name`. Where its condition holds nothing is seen of that; where it
does not, `make check` fails at the laptop's scale, and a page of another scale marks the sentence "not at this scale".
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ghr.book.query import Kept, Query, ask, parse
from ghr.stats import Estimate

_BRACES = re.compile(r"\{(\*?)([^{}]+)\}")
_ALLOWED = {"abs": abs, "min": min, "max": max, "all": all, "any": any, "sum": sum, "len": len}


@dataclass(frozen=True)
class Claim:
    """A condition by name."""

    name: str  #: words joined by hyphens, as the text writes it
    chapter: str  #: two digits: whose tables its questions are put to, where they name no other
    #: Python, with questions (`ghr.book.query`) in braces: {table[...].column.low} is a number, {*table[...].column} a
    #: list of those of all rows
    condition: str

    @property
    def questions(self) -> list[Query]:
        """What it asks of tables.

        Raises:
            ValueError: when one of them is no question.
        """
        return [parse(question) for _, question in _BRACES.findall(self.condition)]

    def check(self) -> None:
        """Say what is wrong with it, whatever is measured.

        Raises:
            ValueError: when its condition is none.
        """
        if not self.questions:
            raise ValueError("its condition asks nothing of any table")
        try:
            tree = ast.parse(_BRACES.sub("x", self.condition), mode="eval")
        except SyntaxError as error:
            raise ValueError(f"its condition is no Python: {error.msg}") from error
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if unknown := names - _ALLOWED.keys() - _bound(tree) - {"x"}:
            raise ValueError(f"its condition has the unknown name {', '.join(sorted(unknown))}")

    def holds(self, kept: Kept) -> tuple[bool, str]:
        """Whether it is so.

        Args:
            kept: table by name by chapter.

        Returns:
            Whether it holds; and the condition with its numbers.

        Raises:
            NoRow: when a question finds nothing.
            ValueError: when a question finds several rows and no star is before it, or words or an Estimate where a
                number is compared.
        """
        values: dict[str, object] = {}
        told = []

        def put(match: re.Match) -> str:
            query = parse(match[2])
            found = ask(query, kept, self.chapter, Query.all if match[1] else Query.one)
            for value in found if match[1] else [found]:
                if isinstance(value, Estimate):
                    raise ValueError(f"{query.text} is an Estimate: say which of value, low and high is meant")
            name = f"_{len(values)}"
            values[name] = found
            told.append(f"[{', '.join(map(_shown, found))}]" if match[1] else _shown(found))
            return name

        code = _BRACES.sub(put, self.condition)
        words = iter(told)
        numbers = _BRACES.sub(lambda match: next(words), self.condition)
        return bool(eval(code, {"__builtins__": {}, **_ALLOWED, **values})), numbers


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _bound(tree: ast.AST) -> set[str]:
    """Names that a comprehension binds."""
    return {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.comprehension)
        for name in ast.walk(node.target)
        if isinstance(name, ast.Name)
    }


def named(claims: Iterable[Claim]) -> dict[str, Claim]:
    """Claims by name.

    Raises:
        ValueError: when two have one name.
    """
    found: dict[str, Claim] = {}
    for claim in claims:
        if claim.name in found:
            raise ValueError(f"two claims are called {claim.name}")
        found[claim.name] = claim
    return found


CLAIMS = named(
    (
        Claim(
            "the-gap-of-faces-closes", "02", "min({*gaps[n=10].gap.low}) > 15 and max({*gaps[n=max].mean.high}) < 0.5"
        ),
        Claim(
            "the-gap-of-photographs-closes",
            "02",
            "min({*patch_gaps[n=10].gap.low}) > 15 and max({*patch_gaps[n=max].mean.high}) < 1",
        ),
        Claim(
            "no-network-favours-its-own-images", "02", "{exchange[n=10].own} > 15 and abs({exchange[n=max].own}) < 0.1"
        ),
        Claim(
            "networks-are-more-than-wiener",
            "02",
            "{beyond[gain=max].gain.low} > 1 and {patch_beyond[gain=max].gain.low} > 1",
        ),
        Claim(
            "no-gain-at-the-weakest-noise",
            "02",
            "{beyond[sigma=min].gain.low} < 0.2 and {beyond[gain=max].gain.low} > {beyond[sigma=min].gain.high}",
        ),
        Claim(
            "one-time-to-generalize",
            "02",
            "max({*onsets[n>=1000].generalizing}) <= 2 * min({*onsets[n>=1000].generalizing})",
        ),
        Claim("small-sets-do-not-generalize", "02", "all(t is None for t in {*onsets[n<=100].generalizing})"),
        Claim("small-sets-are-memorized", "02", "all(t is not None for t in {*onsets[n<=1000].memorizing})"),
        Claim("large-sets-are-stopped-before-memory", "02", "all(t is None for t in {*onsets[n>=10000].memorizing})"),
        Claim(
            "more-images-bring-the-networks-together",
            "03",
            "{agreement[n=max].discrepancy.high} < {agreement[n=10].discrepancy.low} / 10",
        ),
        Claim(
            "weak-noise-keeps-the-networks-apart",
            "03",
            "{variance[n=10,sigma=min].v.value} / {variance[n=max,sigma=min].v.value}"
            " < {variance[n=10,sigma~0.1].v.value} / {variance[n=max,sigma~0.1].v.value}",
        ),
        Claim("chance-keeps-the-networks-apart", "03", "max({*chances[n=max].over_seed.high}) < 1.1"),
        Claim("images-count-in-small-sets", "03", "min({*chances[n=min].over_seed.low}) > 1.1"),
        Claim(
            "the-largest-set-is-not-copied",
            "03",
            "{alike[n=max].same_noise.low} > 0.9 and max({*near[n=max].copies.high}) < 0.01",
        ),
        Claim(
            "samples-are-no-nearer-than-new-images",
            "03",
            "max({*near[n=max].excess.high}) < 0.03 and max({*moved.excess.high}) < 0.03",
        ),
        Claim(
            "ten-images-are-drawn-again",
            "03",
            "{alike[n=10].same_noise.high} < 0.6 and min({*near[n=10].nearest.low}) > 0.97",
        ),
        Claim(
            "strong-generalization-of-faces",
            "03",
            "{alike[n=max].strong} == 'holds' and {alike[n=10].strong} == 'does not hold'",
        ),
        Claim("wiener-agrees-too", "03", "{floor.wiener.low} > {alike[n=max].same_noise.high}"),
        Claim(
            "walks-part-at-the-start",
            "03",
            "{steps[n=10,sigma=max].similarity.high} < {steps[n=max,sigma=max].similarity.low} - 0.2",
        ),
        Claim("every-sampler-agrees", "03", "min({*samplers.same_noise.low}) > 0.85"),
        Claim("algorithm-1-is-flat", "03", '{samplers[network=UNet,sampler="Algorithm 1"].energy.high} < 0.5'),
        Claim("samples-lack-contrast", "03", "{quality[width=max].energy.high} < 0.85"),
        Claim(
            "photographs-are-drawn-alike",
            "03",
            "{patch_alike[n=max].same_noise.low} > 0.9 and max({*patch_near[n=max].copies.high}) < 0.01",
        ),
        Claim(
            "two-networks-draw-one-new-image",
            "03",
            "{alike[n=max].same_noise.low} > 0.9 and {alike[n=max].strong} == 'holds'"
            " and min({*samplers.same_noise.low}) > 0.85",
        ),
        Claim("levels-above-wavelets", "05", "{worst[network=UNet].least_lead.low} > 1"),
        Claim("slopes-not-above-wavelets", "05", "{worst[network=UNet].least_slope.high} < 0"),
        Claim(
            "passing-shows-no-geometry", "05", '{passing[denoiser="TI db4"].passed} >= {passing[denoiser=UNet].passed}'
        ),
        Claim("wavelet-slopes-rise", "05", "all(rise > 0 for rise in {*beyond.rise})"),
        Claim(
            "nearer-to-the-true-regularity",
            "05",
            "min({*slopes[denoiser=UNet,low=9,hoelder=False,contour>1].nearer}) > 0",
        ),
        Claim("fields-within-half-a-decibel", "05", "{optimality.largest.high} < 0.5"),
        Claim(
            "weakest-noise-costs-most",
            "05",
            "{optimality.at} < 0.03 and {optimality.mean} < {optimality.largest.value}",
        ),
        Claim(
            "one-basis-of-waves",
            "05",
            "{subspaces[nearest=True].fourier.low} > 0.8 and {subspaces[nearest=True].another.low} > 0.8",
        ),
        Claim("bases-know-their-scene", "05", "min({*gains[images=c_alpha].gain.low}) > 0"),
        Claim(
            "bases-of-fields-know-none", "05", "max(abs(gain) for gain in {*gains[images=fields-2].gain.value}) < 0.02"
        ),
        Claim(
            "smoother-images-keep-less",
            "05",
            "{adaptation[images=c_alpha-1,network=UNet].trace.value}"
            " > {adaptation[images=c_alpha-3,network=UNet].trace.value}"
            " > {adaptation[images=c_alpha-5,network=UNet].trace.value}",
        ),
        Claim(
            "regions-decide",
            "05",
            "abs({mixtures[network=UNet].over_regions.value}) < abs({mixtures[network=UNet].over_contour.value}) and "
            "{mixtures[network=UNet].off_middle.low} > 0",
        ),
        Claim("discs-error-above-optimum", "06", "{deficits[denoiser=UNet].smallest.low} > 1.2"),
        Claim("discs-ratio-rises", "06", "{deficits[denoiser=UNet].rise.low} > 0"),
        Claim("posteriors-are-sampled-enough", "06", "{sampling.doubtful} == 0"),
        Claim(
            "discs-keep-too-much",
            "06",
            "{deficits[denoiser=UNet].trace.low} > 2 * {deficits[denoiser=optimum].trace.high}",
        ),
        Claim(
            "eigenvalues-do-not-end-at-five",
            "06",
            "{spectra[denoiser=UNet,rank=10].value.low} > 0.1 > {spectra[denoiser=optimum,rank=10].value.high}",
        ),
        Claim("five-directions-are-found", "06", "{parts[denoiser=UNet].left.low} > 0.85"),
        Claim(
            "error-is-mostly-beyond",
            "06",
            "{parts[denoiser=UNet].error_beyond.value} > {parts[denoiser=UNet].error_along.value}",
        ),
        Claim(
            "surplus-bends-the-contour",
            "06",
            "{parts[denoiser=UNet].beyond.low} > {parts[denoiser=optimum].beyond.high} and {margins.waves.low} > 0",
        ),
        Claim("surplus-knows-its-disc", "06", "{margins.h2.low} > 0"),
        Claim("surplus-is-not-smooth-along-contours", "06", "{margins.h3.low} > 0"),
        Claim(
            "flat-keep-too-much",
            "06",
            "{flat_deficits[images=ray,denoiser=UNet].trace.low} > 1 and "
            "{flat_deficits[images=sines,denoiser=UNet].trace.low} > 2 and "
            "min({*flat_deficits[denoiser=UNet].smallest.low}) > 1",
        ),
        Claim(
            "training-still-helped",
            "06",
            "{progress[images=discs,network=UNet,part=1].test} < {progress[images=discs,network=UNet,part=0.5].test}",
        ),
        Claim(
            "discs-are-not-learned-by-heart",
            "06",
            "abs({progress[images=discs,network=UNet,part=1].test} - "
            "{progress[images=discs,network=UNet,part=1].training}) < 0.5",
        ),
        Claim(
            "chain-is-worse-on-discs",
            "06",
            "{deficits[denoiser=BFCNN].trace.low} > {deficits[denoiser=UNet].trace.high} and "
            "{deficits[denoiser=BFCNN].smallest.low} > {deficits[denoiser=UNet].smallest.high}",
        ),
        Claim(
            "lists-of-pixels-lose-nothing",
            "07",
            "all(row < {controls[denoiser=Wiener].rounding} for row in {*controls.change})",
        ),
        Claim("shuffling-costs", "07", "{deficit.least_loss.low} > 0"),
        Claim("larger-blocks-cost-more", "07", "{deficit.least_rise.low} > 0"),
        Claim(
            "loss-is-more-than-chance",
            "07",
            "{deficit.least_loss.low} > 2 * max(abs({deficit.chance.low}), abs({deficit.chance.high}))",
        ),
        Claim("faces-beat-wiener", "07", "min({*losses[block=1,half=A,sigma>=0.1,sigma<=0.5].over_wiener.low}) > 0"),
        Claim("shuffled-lose-to-wiener", "07", "{deficit.worse} == {deficit.levels}"),
        Claim("shuffled-basis-is-not-of-faces", "07", "{kept[block=max].as_faces.high} < 0.5"),
        Claim(
            "trained-is-less-harmonic-than-untrained",
            "07",
            '{harmonicity[basis="an untrained network"].h1_more.high} < 0',
        ),
    )
)
