"""What each figure of the trust panel means, in one sentence for somebody who never heard of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.teaching.trust import FEW_LOOKS, FEW_PAIRS, FEW_REFUSALS, FEW_TEXTS, LEANS, Calibration, Correlation, Looks, RaterRow, Refusals, Share


def accuracy_words(overall: Share, length: Share) -> str:
    if overall.value is None or overall.low is None:
        return f"{_pairs(overall.n)} that are new to this scorer; {overall.needed} are needed before anything can be said. Rate more in the Rate room."
    told = f"It puts {_percent(overall.value)} of {_pairs(overall.n)} in people's order ({_percent(overall.low)} to {_percent(overall.high or 0)})"
    if overall.low <= 0.5:
        return f"{told}: that can't be told from guessing, which gets 50 %."
    beats = "" if length.value is None else f"; preferring the longer text gets {_percent(length.value)}"
    return f"{told}; guessing gets 50 %{beats}."


def gap_words(gaps: Sequence[Share]) -> str:
    told = [one for one in gaps if one.value is not None]
    if len(told) < 2:
        return f"Too few pairs at different distances: {FEW_PAIRS} are needed at each, {_most(gaps)} are the most there are at one."
    near, far = told[0], told[-1]
    meaning = ("It is surer where people are, as it should be." if _above(far, near) else
               "It may be surer where people are; more pairs would tell." if (far.value or 0) > (near.value or 0) else
               "It is no better where people see a clear difference: a bad sign.")
    return f"Pairs people rated {near.label} apart: {_percent(near.value or 0)} right; {far.label}: {_percent(far.value or 0)}. {meaning}"


def kind_words(groups: Sequence[Share]) -> str:
    told = [one for one in groups if one.value is not None]
    if not told:
        return f"No group has the {FEW_PAIRS} pairs that are needed; the largest has {_most(groups)}."
    longer, shorter = (next((one for one in told if one.label == f"People prefer the {name} one"), None) for name in ("longer", "shorter"))
    if longer and shorter and _above(longer, shorter):
        return f"It is right in {_percent(longer.value or 0)} where people prefer the longer text and in {_percent(shorter.value or 0)} where they prefer the shorter one: it leans towards length."
    if longer and shorter and _above(shorter, longer):
        return f"It is right in {_percent(shorter.value or 0)} where people prefer the shorter text and in {_percent(longer.value or 0)} where they prefer the longer one: it leans towards brevity."
    worst = min(told, key=lambda one: one.value or 0)
    return f"Weakest: {worst.label[0].lower()}{worst.label[1:]}, {_percent(worst.value or 0)} of {_pairs(worst.n)}."


def calibration_words(found: Calibration) -> str:
    if found.error is None or found.stretch is None:
        return f"{_pairs(found.n)}; {found.needed} are needed to compare what it predicts with what people prefer."
    side = "it favours what people do not" if found.stretch <= 0 else "it is surer than it should be" if found.stretch < 0.8 else "it is less sure than it could be" if found.stretch > 1.25 else "its confidence is about right"
    return f"What it predicts is off by {100 * found.error:.1f} points on average, over {_pairs(found.n)}: {side}. On the line a predicted 70 % comes true in 70 %."


def correlation_words(found: Sequence[Correlation]) -> str:
    told = [one for one in found if one.value is not None]
    if not told:
        return f"{max((one.n for one in found), default=0)} scored texts; {FEW_TEXTS} are needed, with some spread."
    leaning = [one for one in told if abs(one.value or 0) >= LEANS]
    if not leaning:
        return f"No rank correlation reaches {LEANS:g}: its scores hardly follow how long a text is."
    most = max(leaning, key=lambda one: abs(one.value or 0))
    return f"Scores {'rise' if (most.value or 0) > 0 else 'fall'} with {most.label[0].lower()}{most.label[1:]} (Spearman {_signed(most.value or 0)}, {most.n:,} texts): watch that length is not what it rewards."


def refusal_words(found: Sequence[Refusals]) -> str:
    told = [one for one in found if one.above is not None]
    if not told:
        return f"{max((one.refusals for one in found), default=0)} refusals among its scored texts; {FEW_REFUSALS} are needed. Good data has none."
    worst = max(told, key=lambda one: one.above or 0)
    verdict = "Refusals sink, as they should" if (worst.above or 0) < 0.35 else "Refusals are not told from other texts" if (worst.above or 0) < 0.65 else "Refusals float to the top: do not use it without a filter"
    return f"{verdict}: one outranks another text in {_percent(worst.above or 0)} of cases ({worst.refusals:,} refusals among {worst.texts:,} texts; half would be chance)."


def rater_words(rows: Sequence[RaterRow]) -> str:
    told = [row for row in rows if row.scorer.value is not None]
    if not told:
        return f"No rater has {FEW_PAIRS} pairs that are new to this scorer; the most is {max((row.scorer.n for row in rows), default=0)}."
    beside = [row for row in told if row.people is not None and row.people_pairs >= FEW_PAIRS]
    if not beside:
        return f"{len(told)} rater{'s' if len(told) != 1 else ''} with enough pairs; how far people agree with each other can't be told before two of them rate the same {FEW_PAIRS} pairs."
    scorer, people = (sum((row.scorer.value or 0) if mine else (row.people or 0) for row in beside) / len(beside) for mine in (True, False))
    return f"It agrees with a rater in {_percent(scorer)} of pairs; another person does in {_percent(people)}. What people do not agree on, no scorer can learn."


def drift_words(rows: Sequence[dict[str, object]]) -> str:
    told = [row for row in rows if row.get("spearman") is not None]
    if not told:
        return "This data set has no scores of the same records under a second key. Try another scorer, or score with another precision, then the rankings are compared here."
    least = min(told, key=lambda row: float(row["spearman"]))  # type: ignore[arg-type]
    return f"Least alike: {least['label']}, Spearman {float(least['spearman']):.3f} over {int(least['shared']):,} records. 1 is the same order, 0 none."  # type: ignore[call-overload,arg-type]


def look_words(found: Looks) -> str:
    if found.share.value is None or found.share.low is None or found.share.high is None:
        return f"{found.share.n} scored records with a picture; {FEW_LOOKS} are needed."
    told = f"In {_percent(found.share.value)} of {found.share.n:,} records ({_percent(found.share.low)} to {_percent(found.share.high)}) the score falls when another record's picture is shown"
    if found.share.low > 0.5:
        return f"{told}: it looks, at least a little. 100 % would be a scorer that always notices, 50 % one that does not look."
    if found.share.high < 0.5:
        return f"{told}: a wrong picture is preferred to the right one, which should not be."
    return f"{told}: that can't be told from a scorer that does not look at the picture at all (50 %)."


def _above(one: Share, other: Share) -> bool:
    """Whether the whole interval of one lies above the other's."""
    return one.low is not None and other.high is not None and one.low > other.high


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _pairs(n: int) -> str:
    return f"{n:,} pair{'s' if n != 1 else ''}"


def _most(shares: Sequence[Share]) -> int:
    return max((one.n for one in shares), default=0)
