"""Sentences that could become false: a condition on the tables that chapters keep guards each of them.

A sentence is written by hand and followed by {claim}`name`. Where its condition holds nothing is seen of that; where it
does not, `make check` fails at the laptop's scale, and a page of another scale marks the sentence "not at this scale".
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ghr.book.query import Kept, NoRow, Query, ask, parse
from ghr.stats import Estimate

_BRACES = re.compile(r"\{(\*?)([^{}]+)\}")
_ALLOWED = {"abs": abs, "min": min, "max": max, "all": all, "any": any, "sum": sum, "len": len}


@dataclass(frozen=True)
class Claim:
    """A condition by name."""

    name: str  #: words joined by hyphens, as the text writes it
    chapter: str  #: two digits of the chapter whose tables its questions are put to, where they name no other
    #: Python, with questions (`ghr.book.query`) in braces; ``{table[...].column.low}`` is a number,
    #: ``{*table[...].column}`` a list of those of all rows
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
            if match[1] and not found:  # of no rows everything could be said
                raise NoRow(f"{query.text} finds no row")
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
        try:
            return bool(eval(code, {"__builtins__": {}, **_ALLOWED, **values})), numbers
        except TypeError:
            asked = [value for found in values.values() for value in (found if isinstance(found, list) else [found])]
            if None not in asked:
                raise
            return False, numbers  # what could not be measured at this scale bears nothing out


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

    Args:
        claims: of any chapters.

    Returns:
        Claim by name.

    Raises:
        ValueError: when two have one name.
    """
    found: dict[str, Claim] = {}
    for claim in claims:
        if claim.name in found:
            raise ValueError(f"two claims are called {claim.name}")
        found[claim.name] = claim
    return found


#: conditions on rivals in chapter 8: those that are no networks
_MACHINES = 'rival!="other half",rival!="other architecture",rival!=transformer'

CLAIMS = named(
    (
        Claim("miyasawa-holds", "01", "max({*miyasawa.off}) < 1e-9"),
        Claim("network-is-homogeneous", "01", "max({*homogeneity.off}) < 1e-5"),
        Claim(
            "noise-level-is-read",
            "01",
            'all(abs(s - 1) < 0.03 for s in {*noise_levels[case!="mean face, always",sigma>=0.05].seen.value})'
            ' and {noise_levels[case="mean face, always",sigma~0.09].seen.low} > 1.5',
        ),
        Claim("optimum-draws-copies", "01", '{likeness[images="memorizing optimum"].least} > 0.99'),
        Claim(
            "network-draws-no-copies",
            "01",
            "{likeness[images=network].median.high} < 0.95"
            ' and {likeness[images=network].median.low} < {likeness[images="new faces"].median.high}',
        ),
        Claim(
            "the-gap-of-faces-closes", "02", "min({*gaps[n=10].gap.low}) > 15 and max({*gaps[n=max].mean.high}) < 0.5"
        ),
        Claim(
            "the-gap-of-photographs-closes",
            "02",
            "min({*patch_gaps[n=10].gap.low}) > 15 and max({*patch_gaps[n=max].mean.high}) < 1",
        ),
        Claim(
            "chain-remembers-less",
            "02",
            "max({*chain_gaps[n=100].gap.high}) < 1 and min({*peer_gaps[n=100].gap.low}) > 10",
        ),
        Claim(
            "networks-are-more-than-wiener",
            "02",
            "{beyond[gain=max].gain.low} > 1 and {patch_beyond[gain=max].gain.low} > 1",
        ),
        Claim("small-sets-do-not-generalize", "02", "all(t is None for t in {*onsets[n<=1000].generalizing})"),
        Claim("small-sets-are-memorized", "02", "all(t is not None for t in {*onsets[n<=1000].memorizing})"),
        # nearer to a half than to 0 or 1
        Claim(
            "room-grows-as-a-root",
            "02",
            "{growth[smallest=min,largest=max].exponent.low} > 0.25"
            " and {growth[smallest=min,largest=max].exponent.high} < 0.75",
        ),
        Claim("large-sets-are-stopped-before-memory", "02", "all(t is None for t in {*onsets[n>=10000].memorizing})"),
        Claim(
            "the-power-of-room-falls",
            "02",
            "{growth[smallest=min,largest~120096].exponent.low} > {growth[smallest~479424,largest=max].exponent.value}"
            " and {growth[smallest=min,largest~120096].exponent.value}"
            " > {growth[smallest~479424,largest=max].exponent.high}",
        ),
        Claim("memory-waits-for-larger-sets", "02", "{law[networks=all].apart.low} > 0.4"),
        Claim(
            "widths-grow-otherwise",
            "02",
            "{law[networks=width 8].apart.low} < 1 < {law[networks=width 8].apart.high}"
            " and {law[networks=width 16].apart.high} < {law[networks=width 8].apart.low}",
        ),
        Claim("the-exponent-grows", "02", "{steps[first=min].exponent.high} < {steps[last=max].exponent.low}"),
        Claim(
            "a-start-then-views",
            "02",
            "{law[networks=width 16].start.low} > 0 and {law[networks=width 16].views.low} > 0"
            " and all(t is not None for t in {*began.apart})",
        ),
        Claim(
            "at-equal-views-larger-sets-are-remembered-less",
            "02",
            "{equal[gap=1].larger.high} < 1"
            " and {equally[n=10000,half=A,views~275].gap.high} < {equally[n=1000,half=A,views~275].gap.low}",
        ),
        Claim(
            "memory-costs-new-faces",
            "02",
            "{equally[n=1000,half=A,views=max].test.high} < max({*equally[n=1000,half=A].test.low})"
            " and {equally[n=10000,half=A,views=max].test.value} == max({*equally[n=10000,half=A].test.value})",
        ),
        Claim("a-gap-is-no-copy", "02", "max({*equally.copies.value}) == 0 and {equally[n=1000,gap=max].gap.low} > 3"),
        Claim(
            "networks-are-no-two-memories",
            "03",
            "{distance[n=max,sigma=0.1].u.high} < 0.05 and max({*distance[n=max,sigma>=0.05].u.high}) < 0.3",
        ),
        Claim("most-of-the-error-is-shared", "03", "{distance[n=max,sigma=0.1].variance.high} < 0.25"),
        Claim("chance-keeps-the-networks-apart", "03", "max({*chances[n=max].over_seed.high}) < 1.1"),
        Claim(
            "images-alone-do-less-than-a-seed",
            "03",
            "max({*pairs[n=max,differs=images].discrepancy.high}) < min({*pairs[n=max,differs=seed].discrepancy.low})"
            " < 2 * min({*pairs[n=max,differs=images].discrepancy.low})",
        ),
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
            "all(strong == 'holds' for strong in {*beyond[n>=10000].strong})"
            " and all(strong == 'does not hold' for strong in {*beyond[n>1,n<=1000].strong})",
        ),
        Claim("wiener-agrees-too", "03", "{beyond[n=max].wieners.low} > {beyond[n=max].same_noise.high}"),
        Claim(
            "networks-agree-beyond-wiener",
            "03",
            "{beyond[n=max].residual.low} > {beyond[n=max].null.high} + 0.2"
            " and {beyond[n=max].partial.low} > 0.5 and {beyond[n=10].residual.high} < 0.3",
        ),
        Claim(
            "closer-than-any-training-image-beyond-wiener",
            "03",
            "min({*ahead[n=max].ahead.low}) > 0.1 and max({*ahead[n=10].ahead.high}) < -0.5",
        ),
        Claim(
            "photographs-agree-beyond-wiener",
            "03",
            "{patch_beyond[n=max].residual.low} > {patch_beyond[n=max].null.high} + 0.2",
        ),
        Claim(
            "images-exchanged-cost-nothing",
            "03",
            "max(abs(c) for c in {*costs[n=max].plain.value}) < 0.01"
            " and max({*costs[n=max].beyond.low}) < 0.01 and min({*costs[n=max].beyond.high}) > -0.01",
        ),
        Claim(
            "one-training-is-not-another",
            "03",
            "min({exchanged[n=max,one=UNet B,other=BFCNN A].beyond.low},"
            " {exchanged[n=max,one=UNet B,other=BFCNN B].beyond.low})"
            " > max({exchanged[n=max,one=UNet A,other=BFCNN A].beyond.high},"
            " {exchanged[n=max,one=UNet A,other=BFCNN B].beyond.high})",
        ),
        Claim(
            "architecture-exchanged-costs-much",
            "03",
            "min({*exchanged[n=max,changed=images].beyond.low})"
            " > max({*exchanged[n=max,changed=architecture].beyond.high}) + 0.1",
        ),
        Claim(
            "walks-part-at-the-start",
            "03",
            "{steps[n=10,sigma=max].similarity.high} < {steps[n=max,sigma=max].similarity.low} - 0.2",
        ),
        Claim(
            "chains-of-few-faces-draw-alike",
            "03",
            '{exchanged[n=min,one="BFCNN A",other="BFCNN B"].plain.low} > 0.9'
            ' > 0.6 > {exchanged[n=min,one="UNet A",other="UNet B"].plain.high}',
        ),
        Claim("every-sampler-agrees", "03", "min({*samplers.same_noise.low}) > 0.85"),
        Claim(
            "algorithm-1-is-flat",
            "03",
            '{samplers[network=UNet,sampler="Algorithm 1"].energy.high}'
            ' < min({*samplers[network=UNet,sampler!="Algorithm 1"].energy.low})',
        ),
        Claim(
            "samples-are-told-from-faces",
            "03",
            '{realism[kind="held out"].auc.high} < {realism[kind=samples,width=max].auc.low}',
        ),
        Claim("one-density-of-faces", "03", "{agreed[images=avatars,n=max,other=B].correlation.low} > 0.9"),
        Claim(
            "few-faces-make-no-density",
            "03",
            "{agreed[images=avatars,n=min,other=B].spread.low} > 1"
            " and {agreed[images=avatars,n=min,other=B].correlation.low} > 0.8",
        ),
        Claim(
            "density-is-more-than-edges",
            "03",
            "min({*simple[n=max].partial.low}) > 0.9 and {simple[n=max,known=gradient energy].correlation.low} > 0.7"
            " and {simple[n=max,known=Wiener].correlation.low} > 0.6",
        ),
        Claim(
            "densities-of-fields-are-known-less",
            "03",
            "{agreed[other=exact].correlation.high} < {agreed[images=fields-2,other=A].correlation.low}",
        ),
        Claim(
            "photographs-are-drawn-alike",
            "03",
            "{patch_alike[n=max].same_noise.low} > 0.9 and max({*patch_near[n=max].copies.high}) < 0.01",
        ),
        Claim(
            "two-networks-draw-one-new-image",
            "03",
            "{alike[n=max].same_noise.low} > 0.9 and {beyond[n=max].strong} == 'holds'"
            " and min({*samplers.same_noise.low}) > 0.85",
        ),
        Claim(
            "circle-has-one-dimension", "04", "{circle[sigma=min].tangent} > 0.97 and {circle[sigma=min].normal} < 0.01"
        ),
        Claim("f-is-its-matrix", "04", "max({*anatomy.hom.high}) < 1e-4"),
        Claim("first-directions-are-amplified", "04", "{coefficients[first=1].eigenvalue.low} > 1"),
        Claim(
            "faces-lie-where-eigenvalues-are-one",
            "04",
            "abs({coefficients[clean=max].eigenvalue.value} - 1) < 0.1 and "
            "{coefficients[last=max].clean.high} < {coefficients[last=max].noise.low}",
        ),
        Claim(
            "eigenvalues-fall-too-soon",
            "04",
            "{coefficients[first=71].best.low} > {coefficients[first=71].eigenvalue.high} + 0.2"
            " and {coefficients[first=71].eigenvalue.value} < 0.55",
        ),
        Claim(
            "told-networks-are-asymmetric-too",
            "04",
            "{kinds[network=ConditionalUNet].asym.low} > 0.75 * {kinds[network=UNet,n=max,half=A].asym.value}",
        ),
        Claim(
            "own-basis-holds-faces-best",
            "04",
            '{rebuilt[basis="its own",choice=largest,k=64].psnr.low} > '
            "{rebuilt[basis=principal,choice=largest,k=64].psnr.high} and "
            "{rebuilt[basis=principal,choice=largest,k=64].psnr.value} > "
            "max({rebuilt[basis=cosines,choice=largest,k=64].psnr.value}, "
            '{rebuilt[basis="db4 wavelets",choice=largest,k=64].psnr.value}, '
            '{rebuilt[basis="Haar wavelets",choice=largest,k=64].psnr.value})',
        ),
        Claim(
            "answers-hold-faces-as-well",
            "04",
            '{rebuilt[basis="its own",choice=largest,k=64].psnr.value} < '
            '{rebuilt[basis="its answer",choice=first,k=1].psnr.high} and '
            '{rebuilt[basis="its answer",choice=largest,k=64].psnr.low} > '
            '{rebuilt[basis="its own",choice=largest,k=64].psnr.high}',
        ),
        Claim("symmetric-part-falls-short", "04", "{levels[images=avatars,network=UNet,n=max,sigma=0.1].loss.low} > 1"),
        Claim(
            "blindness-breaks-symmetry",
            "04",
            "0.5 * {levels[images=avatars,network=UNet,n=max,sigma=0.1].loss.high} < {blind[sigma=0.1].loss.low}"
            " and {blind[sigma=0.1].loss.high} < {levels[images=avatars,network=UNet,n=max,sigma=0.1].loss.low}",
        ),
        Claim("every-symmetric-matrix-loses", "04", "min({*symmetric.loss.low}) > 1"),
        Claim(
            "accounts-balance",
            "04",
            "min({*levels[n=max,sigma=0.1].sc.low}) > 0.85 and max({*levels[n=max,sigma=0.1].sc.high}) < 1.25",
        ),
        Claim(
            "memory-errs-beyond-its-dimensions",
            "04",
            "min({*levels[images=avatars,network=UNet,n>=10,n<=100,sigma=0.1].sc.low}) > 3",
        ),
        Claim(
            "noise-level-is-seen",
            "04",
            "min({*levels[n=max,sigma=0.1].seen.low}) > 0.95 and max({*levels[n=max,sigma=0.1].seen.high}) < 1.05",
        ),
        Claim(
            "one-space-two-bases",
            "04",
            "{singular[k=128].left_right.low} > 0.85 and "
            "min({singular[k=128].left_own.low}, {singular[k=128].right_own.low}) > {singular[k=128].left_right.high}",
        ),
        Claim(
            "singular-terms-reach-the-answer",
            "04",
            "{singular[k=128].rest.high} < {singular[k=128].eigen_rest.low} / 3",
        ),
        Claim(
            "training-faces-differ-in-small-sets-only",
            "04",
            "{seen[n=min,at=training].trace.high} < {seen[n=min,at=test].trace.low} / 2 and "
            "{seen[n=min,at=training].psnr.low} > {seen[n=min,at=test].psnr.high} + 10 and "
            "{seen[n=max,at=training].trace.high} > {seen[n=max,at=test].trace.low} and "
            "abs({seen[n=max,at=training].h2.value} - {seen[n=max,at=test].h2.value}) < 0.1",
        ),
        Claim(
            "halves-find-one-basis",
            "04",
            "{agreement[images=avatars,network=UNet,n=max].same.low} > "
            "max({agreement[images=avatars,network=UNet,n=max].other.high},"
            " {agreement[images=avatars,network=UNet,n=10].same.high})",
        ),
        Claim(
            "basis-follows-the-face",
            "04",
            "min({*margins[images=avatars].h2.low}) > 0 and min({*margins[images=avatars].h4.low}) > 0",
        ),
        Claim(
            "basis-follows-the-photograph",
            "04",
            "min({*margins[images=photographs,sigma=0.1].h2.low}) > 0 and"
            " min({*margins[images=photographs,sigma=0.1].h4.low}) > 0",
        ),
        Claim(
            "strong-noise-leaves-photographs-undecided",
            "04",
            "min({*margins[images=photographs,sigma=0.3].h2.low}) < 0 and"
            " min({*margins[images=photographs,sigma=0.3].h4.low}) < 0",
        ),
        Claim(
            "frequency-grows-with-rank",
            "04",
            'min({*indices[basis="its own"].h1.low}) > 0.7 and min({*indices[basis=cosines].h1.low}) > 0.99',
        ),
        Claim(
            "components-of-faces-run-along-faces",
            "04",
            "{margins[images=avatars,network=UNet,h3=max].h3.low} > 0 > max({*margins[images=photographs].h3.high})",
        ),
        Claim(
            "adapted-bases-are-learned",
            "04",
            "min({kinds[network=BiasedUNet].h2.low}, {kinds[network=ConditionalUNet].h2.low},"
            " {kinds[network=UNet,n=max,half=A].h2.low}, {kinds[network=BFCNN,n=max,half=A].h2.low}) >"
            " max({*kinds[n=0].h2.high})"
            " and min({kinds[network=BiasedUNet].h4.low}, {kinds[network=ConditionalUNet].h4.low},"
            " {kinds[network=UNet,n=max,half=A].h4.low}, {kinds[network=BFCNN,n=max,half=A].h4.low}) >"
            " max({*kinds[n=0].h4.high})",
        ),
        Claim(
            "chain-adapts-too",
            "04",
            "{kinds[network=BFCNN,n=max,half=A].h2.low} > {kinds[network=BFCNN,n=0].h2.high} and "
            "{kinds[network=BFCNN,n=max,half=A].parameters} < {kinds[network=UNet,n=max,half=A].parameters} / 10",
        ),
        Claim(
            "levels-above-wavelets",
            "05",
            "{worst[network=UNet].least_lead.low} > 1 and {worst[network=UNet].least_over_bandlets.low} > 0",
        ),
        Claim(
            "wiener-is-near-at-the-roughest",
            "05",
            "{leads[images=c_alpha-1,network=UNet,rival=Wiener].lead.high} < 0.5",
        ),
        Claim(
            "slopes-not-below-theory-but-on-the-smoothest",
            "05",
            " and ".join(
                f"{{slopes[images={images},denoiser=UNet,low=9].slope.value}}"
                f" > {{slopes[images={images},denoiser=UNet,low=9].true}} - .02"
                for images in ("c_alpha-1", "c_alpha-2", "c_alpha-3", "c_alpha-3-1", "hoelder-1", "hoelder-2")
            )
            + " and "
            + " and ".join(
                f"{{slopes[images={images},denoiser=UNet,low=9].slope.high}}"
                f" < {{slopes[images={images},denoiser=UNet,low=9].true}} - .05"
                for images in ("c_alpha-5", "hoelder-4")
            ),
        ),
        Claim("slopes-not-above-wavelets", "05", "{worst[network=UNet].least_slope.high} < 0"),
        Claim(
            "passing-shows-no-geometry", "05", '{passing[denoiser="TI db4"].passed} >= {passing[denoiser=UNet].passed}'
        ),
        Claim(
            "contours-by-rule-gain-tenths",
            "05",
            "0 < {worst[network=UNet].least_lead.value} - {worst[network=UNet].least_over_bandlets.value} < .6 and "
            "{variants[moments=1,border>0].over_wavelets.high} < .8",
        ),
        Claim("wavelet-slopes-rise", "05", "all(rise > 0 for rise in {*beyond.rise})"),
        Claim("fields-within-half-a-decibel", "05", "{optimality.largest.high} < 0.5"),
        Claim(
            "two-trainings-end-alike",
            "05",
            "abs({course[images_seen=max,seed=0].loss.value} - {course[images_seen=max,seed=1].loss.value}) < 0.02",
        ),
        Claim("longer-training-loses-less", "05", "min({*falls.last.low}) > 0"),
        Claim("longer-training-leads-more", "05", "min({*led[images_seen=max,rival=Wiener].gained.low}) > 0"),
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
            "bases-of-fields-know-none",
            "05",
            "max(abs(gain) for gain in {*gains[images=fields-2].gain.value}) < 0.02",
        ),
        Claim(
            "smoother-images-keep-less",
            "05",
            "{adaptation[images=c_alpha-1,network=UNet].trace.value} "
            "> {adaptation[images=c_alpha-3,network=UNet].trace.value} "
            "> {adaptation[images=c_alpha-5,network=UNet].trace.value}",
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
        Claim("the-papers-fall-faster", "06", "{spectra[denoiser=UNet,rank=10].value.low} > 0.278"),  # manifolds.PAPER
        Claim("five-directions-are-found", "06", "{parts[denoiser=UNet].left.low} > 0.85"),
        Claim(
            "error-is-mostly-beyond",
            "06",
            "{parts[denoiser=UNet].error_beyond.value} > {parts[denoiser=UNet].error_along.value}",
        ),
        Claim(
            "surplus-sits-on-the-contour",
            "06",
            "{parts[denoiser=UNet].beyond.low} > {parts[denoiser=optimum].beyond.high} and {margins.waves.low} > 0",
        ),
        Claim(
            "noise-at-the-edge-does-as-much",
            "06",
            "{margins.smooth_edge.high} < 0 and {margins.edge.value} < {margins.waves.low}"
            ' and {surplus[basis="random, at the edge"].h2.high} > {surplus[basis="its own"].h2.value}',
        ),
        Claim(
            "smooth-noise-has-no-order",
            "06",
            '{surplus[basis="smooth, at the edge"].h1.low} < 0 < {surplus[basis="smooth, at the edge"].h1.high}',
        ),
        Claim(
            "surplus-is-ordered-as-another-discs",
            "06",
            '{surplus[basis="a third disc\'s"].h1.low} < {surplus[basis="its own"].h1.value}'
            ' < {surplus[basis="a third disc\'s"].h1.high}'
            ' and {surplus[basis="its own"].h1.high} < {surplus[basis=cosines].h1.low}',
        ),
        Claim(
            "surplus-varies-less-along-edges",
            "06",
            "{surplus[basis=cosines].h3.high} < {surplus[basis=its own].h3.value}"
            ' and {surplus[basis="its own"].h3.high} < {surplus[basis="smooth, at the edge"].h3.low}',
        ),
        Claim(
            "flat-keep-too-much",
            "06",
            "{flat_deficits[images=ray,denoiser=UNet].trace.low} > 1 and "
            "{flat_deficits[images=sines,denoiser=UNet].trace.low} > 2 and "
            "min({*flat_deficits[denoiser=UNet].smallest.low}) > 1",
        ),
        Claim("longer-training-comes-nearer", "06", "min({*falls.last.low}) > 0"),
        Claim("dimensions-still-fall", "06", "max({*falls[images=discs].kept.high}) < 1"),
        Claim(
            "the-pace-slackens",
            "06",
            "max({*falls[images=discs].last.high}) < min({*falls[images=discs].power.low})"
            " and max({*falls[images=ray].last.high}) < min({*falls[images=ray].power.low})",
        ),
        Claim(
            "trainings-of-the-ray-disagree",
            "06",
            "{falls[images=ray,seed=0].kept.low} > 1 > {falls[images=ray,seed=1].kept.high}",
        ),
        Claim(
            "lists-of-pixels-lose-nothing",
            "07",
            "max({*controls.change}) < {controls[denoiser=Wiener].rounding}",
        ),
        Claim(
            "few-modes-then-noise",
            "07",
            '{frequencies[basis="its network, pixels put back",first=1].frequency.high} < '
            "{frequencies[block=1,first=1].random} / 2 and "
            "min({*frequencies[block>1,basis!=an untrained network,first>=16].frequency.low}) > .9 * "
            "{frequencies[block=1,first=1].random}",
        ),
        Claim("shuffling-costs", "07", "{deficit.least_loss.low} > 0"),
        Claim("larger-blocks-cost-more", "07", "{deficit.least_rise.low} > 0"),
        Claim(
            "loss-is-more-than-chance",
            "07",
            "{deficit.least_loss.low} > 2 * max(abs({deficit.chance.low}), abs({deficit.chance.high}))",
        ),
        Claim("faces-beat-wiener", "07", "min({*losses[block=1,half=A,sigma>=0.1,sigma<=0.5].over_wiener.low}) > 0"),
        Claim(
            "blocks-of-four-lose-to-wiener",
            "07",
            "max({*losses[block>=4,half=A,sigma>=0.1,sigma<=0.5].over_wiener.high}) < 0",
        ),
        Claim("shuffled-lose-to-wiener", "07", "{deficit.worse} == {deficit.levels}"),
        Claim("shuffled-basis-is-not-of-faces", "07", "{kept[block=max].as_faces.high} < 0.5"),
        Claim(
            "trained-is-less-harmonic-than-untrained",
            "07",
            '{harmonicity[basis="an untrained network"].h1_more.high} < 0',
        ),
        Claim("shuffled-network-keeps-more", "07", "{kept[block=max].trace.low} > {kept[block=1].trace.high}"),
        Claim(
            "loss-hardly-shrinks",
            "07",
            "abs({trails[block=max,images_seen=max].lost} - {trails[block=max,images_seen~524288].lost}) < 0.5",
        ),
        Claim(
            "not-shown-more-harmonic-when-put-back",
            "07",
            '{harmonicity[block=max,basis="its network, pixels put back"].h1_more.low} < 0'
            ' < {harmonicity[block=max,basis="its network, pixels put back"].h1_more.high}',
        ),
        Claim(
            "not-harmonic-when-put-back",
            "07",
            '{harmonicity[block=max,basis="its network, pixels put back"].h1.high} '
            """< {harmonicity[basis="faces' network"].h1.low}""",
        ),
        Claim(
            "windows-grow-with-noise",
            "08",
            "min({windows[network=UNet,rival=LS,sigma=0.9,apart=min].window},"
            " {windows[network=UNet,rival=ELS,sigma=0.9,apart=min].window},"
            " {windows[network=UNet,rival=PSPC,sigma=0.9,apart=min].window})"
            " >= 3 * max({windows[network=UNet,rival=LS,sigma=0.03,apart=min].window},"
            " {windows[network=UNet,rival=ELS,sigma=0.03,apart=min].window},"
            " {windows[network=UNet,rival=PSPC,sigma=0.03,apart=min].window})",
        ),
        Claim(
            "composites-explain-most-of-all-rivals",
            "08",
            "min({explained[network=UNet,sigma=0.03,rival=PSPC].beyond.low},"
            " {explained[network=UNet,sigma=0.1,rival=PSPC].beyond.low}) > 0 and "
            + " and ".join(
                f"{{explained[network=UNet,sigma={sigma},rival=PSPC].beyond.value}} >= max({{*explained"
                f"[network=UNet,sigma={sigma},{_MACHINES}].beyond.value}})"
                for sigma in (0.03, 0.1, 0.3)
            )
            + " and max({*pairs[network=UNet,sigma<0.5,one=LS,other=PSPC].ahead.high}) < 0"
            " and max({*pairs[network=UNet,sigma<0.5,one=ELS,other=PSPC].ahead.high}) < 0"
            ' and min({*pairs[network=UNet,sigma<0.5,one=PSPC,other="PCA locality"].ahead.low}) > 0',
        ),
        Claim(
            "composites-are-not-told-from-a-chain",
            "08",
            "max({*pairs[network=UNet,sigma<0.5,one=PSPC,other=other architecture].ahead.low}) < 0"
            " < min({*pairs[network=UNet,sigma<0.5,one=PSPC,other=other architecture].ahead.high})",
        ),
        Claim(
            "the-other-half-is-nearer-than-any-rival",
            "08",
            'max({*pairs[sigma=0.1,one!=transformer,other="other half"].ahead.high}) < 0'
            ' and max({*pairs[sigma=0.3,one!=transformer,other="other half"].ahead.high}) < 0',
        ),
        Claim(
            "no-machine-beats-wiener-at-strong-noise",
            "08",
            f"max({{*explained[network=UNet,sigma=0.9,rival!=Wiener,{_MACHINES}].beyond.low}}) < 0",
        ),
        Claim(
            "principal-windows-have-to-be-chosen",
            "08",
            'max({*explained[network=UNet,sigma<0.5,rival="PCA at .02"].beyond.low}) < 0'
            ' and {explained[network=UNet,sigma=0.1,rival="PCA locality"].beyond.low} > 0',
        ),
        Claim(
            "memory-explains-nothing-of-a-generalizing-network",
            "08",
            "max({*explained[rival=memorizer].beyond.value}) < -1"
            " and max({*explained[sigma<0.5,rival=memorizer].beyond.high}) < -1",
        ),
        Claim(
            "training-begins-near-an-affine-map",
            "09",
            " and ".join(
                f'{{course[images_seen=min,sigma={sigma},denoiser="affine map"].beyond.low}} > max(0,'
                f' {{course[images_seen=min,sigma={sigma},denoiser="other half"].beyond.high}})'
                f' and {{course[images_seen=min,sigma={sigma},denoiser="other half"].beyond.value}} < 0'
                for sigma in (0.1, 0.3)
            ),
        ),
        Claim(
            "training-leaves-affine-maps",
            "09",
            'max({*course[images_seen>60000,denoiser="affine map"].beyond.high}) < 0.05'
            " and {course[images_seen=max,sigma=0.1,denoiser=Wiener].apart.low}"
            " > 0.5 * {course[images_seen=max,sigma=0.1,denoiser=Wiener].error.value}"
            " and {course[images_seen=max,sigma=0.1,denoiser=Wiener].apart.high}"
            " < 1.5 * {course[images_seen=max,sigma=0.1,denoiser=Wiener].error.value}",
        ),
        Claim(
            "patches-explain-more-for-a-while",
            "09",
            " and ".join(
                f"{{course[images_seen=262144,sigma={sigma},denoiser=PSPC].beyond.low}}"
                f" > {{course[images_seen=min,sigma={sigma},denoiser=PSPC].beyond.high}}"
                f" and {{course[images_seen=max,sigma={sigma},denoiser=PSPC].beyond.low}}"
                f" < {{course[images_seen=262144,sigma={sigma},denoiser=PSPC].beyond.value}}"
                f" and {{course[images_seen=max,sigma={sigma},denoiser=PSPC].apart.value}}"
                f" > {{course[images_seen=262144,sigma={sigma},denoiser=PSPC].apart.value}}"
                for sigma in (0.1, 0.3)
            ),
        ),
        Claim(
            "windows-are-never-the-nearest",
            "09",
            " and ".join(
                f"{{course[images_seen={seen},sigma={sigma},denoiser=LS].beyond.value}}"
                f" < {{course[images_seen={seen},sigma={sigma},denoiser=PSPC].beyond.value}}"
                for seen in ("min", 65536, 262144, "max")
                for sigma in (0.1, 0.3)
            ),
        ),
        Claim(
            "equivariance-is-nearest-to-the-chain-of-few-images",
            "08",
            "{explained_few[network=BFCNN,sigma=0.1,rival=ELS].beyond.low} < 0"
            " < {explained_few[network=BFCNN,sigma=0.1,rival=ELS].beyond_own.low}"
            " and {pairs_few[network=BFCNN,sigma=0.1,one=LS,other=ELS].ahead.high} < 0"
            " and {pairs_few[network=BFCNN,sigma=0.1,one=ELS,other=PSPC].ahead.low} > 0"
            ' and {pairs_few[network=BFCNN,sigma=0.1,one=ELS,other="PCA locality"].ahead.low} > 0',
        ),
        Claim(
            "machines-have-the-adaptive-basis",
            "08",
            "min({basis[denoiser=PSPC].h2.low}, {basis[denoiser=PSPC].h4.low}) > 0"
            " and {basis[denoiser=PSPC].h2.value} > 0.75 * {basis[denoiser=the network].h2.value}"
            " and {basis[denoiser=PSPC].h4.value} > 0.75 * {basis[denoiser=the network].h4.value}"
            " and min({basis[denoiser=LS].h2.low}, {basis[denoiser=LS].h4.low}) > 0"
            ' and min({basis[denoiser="PCA locality"].h2.low}, {basis[denoiser="PCA locality"].h4.low}) > 0'
            " and min({basis[denoiser=PSPC].knows.low}, {basis[denoiser=LS].knows.low},"
            ' {basis[denoiser="PCA locality"].knows.low}) > 0'
            " and {basis[denoiser=PSPC].alike.low} > 2 * {basis[denoiser=PSPC].chance}",
        ),
        Claim(
            "machines-run-along-edges-as-well",
            "08",
            "max({basis[denoiser=PSPC].h3.value}, {basis[denoiser=LS].h3.value},"
            ' {basis[denoiser="PCA locality"].h3.value}) < {basis[denoiser=the network].h3.value}',
        ),
        Claim(
            "machines-share-half-of-the-basis",
            "08",
            '0.4 * {basis[denoiser="other half"].knows.value} < {basis[denoiser=PSPC].knows.value}'
            ' and {basis[denoiser=PSPC].knows.high} < 0.75 * {basis[denoiser="other half"].knows.low}'
            ' and 0.25 * {basis[denoiser="other half"].knows.value} < min({basis[denoiser=LS].knows.value},'
            ' {basis[denoiser="PCA locality"].knows.value})',
        ),
        Claim(
            "machines-are-less-harmonic",
            "08",
            "max({basis[denoiser=PSPC].h1.high}, {basis[denoiser=LS].h1.high},"
            ' {basis[denoiser="PCA locality"].h1.high}) < {basis[denoiser=the network].h1.low}',
        ),
        Claim(
            "averages-draw-no-more-than-other-starts",
            "08",
            "max({sampled[network=UNet,rival=PSPC].over_null.low}, {sampled[network=UNet,rival=LS].over_null.low},"
            " {sampled[network=UNet,rival=ELS].over_null.low}) < 0",
        ),
        Claim(
            "equivariance-needs-fewer-images",
            "08",
            " and ".join(
                f"{{given[rival=ELS,images={images}].apart.value}} <= min({{*given[images={images}].apart.value}})"
                for images in (100, 1000, 10_000)
            ),
        ),
        Claim(
            "equivariance-with-a-third-is-nearest",
            "08",
            "{given[rival=ELS,images=max].apart.value} == min({*given.apart.value})"
            " and {given[rival=ELS,images=max].images} < 0.4 * max({*given.images})",
        ),
        Claim(
            "principal-windows-draw-the-unets-faces",
            "08",
            '{sampled[network=UNet,rival="PCA at .02"].over_null.low} > 0.2 and '
            + " and ".join(
                f'{{sample_pairs[network=UNet,one={one},other="PCA at .02"].ahead.high}} < 0'
                for one in ("LS", "ELS", "PSPC", '"PCA locality"')
            )
            + ' and {sample_pairs[network=UNet,one="PCA at .02",other=memorizer].ahead.low} > 0',
        ),
        Claim(
            "memory-draws-more-than-the-null",
            "08",
            "{sampled[network=UNet,rival=memorizer].over_null.low} > 0",
        ),
        Claim(
            "equivariance-draws-the-chains-faces",
            "08",
            "{sampled[network=BFCNN,rival=ELS].over_null.low} > 0.3"
            " and {sample_pairs[network=BFCNN,one=LS,other=ELS].ahead.high} < 0 and "
            + " and ".join(
                f"{{sample_pairs[network=BFCNN,one=ELS,other={other}].ahead.low}} > 0"
                for other in ("PSPC", '"PCA locality"', '"PCA at .02"', "memorizer")
            ),
        ),
        Claim(
            "another-network-of-its-kind-draws-more-alike",
            "08",
            " and ".join(
                f'{{sample_pairs[network={network},one="{one}",other=other half].ahead.high}} < 0'
                for network in ("UNet", "BFCNN")
                for one in ("LS", "ELS", "PSPC", "PCA locality", "PCA at .02", "memorizer")
            ),
        ),
        Claim(
            "transformer-denoises-as-well",
            "08",
            "{makes[network=Transformer].psnr.high} > {makes[network=UNet].psnr.low}"
            " and {makes[network=Transformer].psnr.low} > {makes[network=UNet].psnr.value} - 0.2"
            " and {makes[network=Transformer].images_seen} == {makes[network=UNet].images_seen}",
        ),
        Claim(
            "transformer-has-the-adaptive-basis",
            "08",
            "{basis[denoiser=transformer].h1.low} > max({basis[denoiser=PSPC].h1.value}, 0.7)"
            " and {basis[denoiser=transformer].h2.low} > 0 and {basis[denoiser=transformer].h4.low} > 0"
            " and {basis[denoiser=transformer].h2.value} > 0.9 * {basis[denoiser=the network].h2.value}"
            " and {basis[denoiser=transformer].h4.value} > 0.9 * {basis[denoiser=the network].h4.value}"
            " and {basis[denoiser=transformer].knows.low} > max({basis[denoiser=PSPC].knows.high},"
            ' {basis[denoiser=LS].knows.high}, {basis[denoiser="PCA locality"].knows.high})'
            " and {makes[network=Transformer].h2_ahead.low} > 0 and {makes[network=Transformer].h4_ahead.low} > 0"
            " and {makes[network=Transformer].hom.high} < 1e-5",
        ),
        Claim(
            "transformer-runs-less-along-edges",
            "08",
            "{basis[denoiser=transformer].h3.low} > {basis[denoiser=the network].h3.value}",
        ),
        Claim(
            "transformer-is-nearer-than-any-machine",
            "08",
            "max({*pairs[network=UNet,sigma=0.1,other=transformer].ahead.high}) < 0"
            " and max({*pairs[network=UNet,sigma=0.3,other=transformer].ahead.high}) < 0",
        ),
        Claim(
            "transformer-looks-near",
            "08",
            "{makes[network=Transformer].near.low} > {makes[network=UNet].near.low} > 0.7"
            " and {makes[network=Transformer].near_even} < 0.05",
        ),
        Claim(
            "rows-look-near-on-the-grid-that-is-seen",
            "08",
            "{locality[block=max,denoiser=network].near_seen.low}"
            " > 2 * {locality[block=max,denoiser=network].near_faces.high}"
            " and {locality[block=max,denoiser=network].near_seen.low}"
            " > 3 * {locality[block=max,denoiser=network].null_seen.high}"
            " and {locality[block=max,denoiser=network].near_faces.high}"
            " < {locality[block=max,denoiser=Wiener].near_faces.value} / 10",
        ),
        Claim(
            "more-images-make-networks-more-linear",
            "09",
            " and ".join(
                f"{{linear[n=10000,denoiser=network,sigma={sigma}].left.high}}"
                f" < {{linear[n=10,denoiser=network,sigma={sigma}].left.low}}"
                f" and {{linear[n=max,denoiser=network,sigma={sigma}].left.high}}"
                f" > {{linear[n=10000,denoiser=network,sigma={sigma}].left.low}}"
                for sigma in (0.1, 0.3)
            ),
        ),
        Claim(
            "so-is-memory",
            "09",
            " and ".join(
                f"{{linear[n=max,denoiser=memorizer,sigma={sigma}].left.high}}"
                f" < {{linear[n=10,denoiser=memorizer,sigma={sigma}].left.low}}"
                for sigma in (0.1, 0.3)
            ),
        ),
        Claim(
            "memory-is-less-linear-than-networks",
            "09",
            "min({*linear[denoiser=memorizer].left.low}) > max({*linear[denoiser=network].left.high})",
        ),
        Claim(
            "what-affine-maps-leave-is-as-large-as-the-error",
            "09",
            "0.8 < {linear[n=max,denoiser=network,sigma=0.1].over_error.low}"
            " and {linear[n=max,denoiser=network,sigma=0.1].over_error.high} < 1.25"
            " and 0.4 < {linear[n=max,denoiser=network,sigma=0.3].over_error.low}"
            " and {linear[n=max,denoiser=network,sigma=0.3].over_error.high} < 0.7",
        ),
        Claim("scores-see-little", "09", "min({*linear[denoiser=network].score.low}) > 0.99"),
        Claim(
            "far-from-memory-where-the-sampler-goes",
            "09",
            "{apart[n=max,sigma~0.1,memory=rays,denoiser=network].walk_over_training.low} > 4"
            " and {apart[n=max,sigma~0.1,memory=rays,denoiser=network].walk_over_new.high} < 2",
        ),
        Claim(
            "networks-that-copy-are-memories-of-rays",
            "09",
            "max({*apart[n=10,sigma<0.2,memory=rays,denoiser=network].walk.high})"
            " < min({*apart[n=10,sigma<0.2,memory=images,denoiser=network].walk.low}) / 10"
            " and {apart[n=10,sigma~0.1,memory=rays,denoiser=network].walk.high}"
            " < {apart[n=max,sigma~0.1,memory=rays,denoiser=network].walk.low} / 100",
        ),
        Claim(
            "who-never-saw-them-is-nearly-as-near",
            "09",
            'max({*apart[n=max,sigma<0.2,memory=rays,denoiser="other half"].over_network.high}) < 1.2'
            " and {apart[n=max,sigma~0.1,memory=rays,denoiser=Wiener of the other half].over_network.high} < 3"
            ' and {apart[n=10,sigma~0.1,memory=rays,denoiser="other half"].over_network.low} > 100',
        ),
        Claim(
            "a-thousand-are-fitted-selectively",
            "09",
            '{apart[n=1000,sigma~0.1,memory=rays,denoiser="other half"].over_network.low} > 2'
            " and {apart[n=1000,sigma~0.1,memory=rays,denoiser=network].walk.low}"
            ' < {apart[n=1000,sigma~0.1,memory=rays,denoiser="other half"].walk.value}'
            " < {apart[n=1000,sigma~0.1,memory=rays,denoiser=network].walk.high}",
        ),
        Claim("another-make-adapts-too", "10", "{foreign_ahead[sigma=0.1].h2.low} > 0"),
        Claim(
            "few-images-are-copied",
            "10",
            "{copied[n=10,half=A].found.low} > .5 and {*copied[n=max].found.low} == [0, 0]",
        ),
        Claim(
            "planted-copies-are-found",
            "10",
            " and ".join(
                f"{{detected[rule=nearness,alteration={how}].found.low}} > .9 and "
                f'{{detected[rule="d1/d2 < 1/3",alteration={how}].found.high}} < .1'
                for how in ("mirrored", "shifted by 1 pixel", "shifted by 2 pixels", "shifted by 3 pixels")
            ),
        ),
        Claim("blends-are-missed", "10", "{detected[rule=nearness,alteration=blended half and half].found.high} < .5"),
        Claim(
            "rates-are-recovered",
            "10",
            " and ".join(
                f"{{recovered[planted~{rate}].found.low}} <= {{recovered[planted~{rate}].planted}} "
                f"<= {{recovered[planted~{rate}].found.high}}"
                for rate in (0.02, 0.1, 0.5)
            ),
        ),
        Claim(
            "the-published-rule-misses-copies",
            "10",
            "{copied[n~100,half=A].rule.high} < {copied[n~100,half=A].found.low} / 2",
        ),
        Claim(
            "copies-end-before-the-gap",
            "10",
            "{faces_need[measure=copies].high} < {faces_need[measure=gap].low}"
            " and {patches_need[measure=copies].high}"
            " < min({patches_need[measure=gap].low}, {patches_need[measure=agreement].low})",
        ),
    )
)
