"""The report as Markdown: the same facts as the page, histograms as a line of blocks, pictures as data at the end.

Texts of records, names and cards are escaped or fenced, so that none of them becomes a heading, a link or markup.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS
from pipeline.reporting.commands import SPEC_FILE
from pipeline.reporting.facts import Bars, Example, ExampleGroup, ScorerFacts, SelectionReport
from pipeline.reporting.words import STAGE_LABELS, settings_text
from pipeline.teaching.scorer_card import escaped

BLOCKS = " ▁▂▃▄▅▆▇█"


def as_markdown(report: SelectionReport) -> str:
    """The whole report as one Markdown text."""
    parts = [*_head(report), *_funnel(report), *_cuts(report), *_alternatives(report), *_examples(report.examples), *_scorers(report.scorers), *_by_hand(report),
             *_signals(report), *_repeat(report), *_pictures(report.examples)]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int = 1) -> str:
    """A Markdown table; columns from `numbers_from` on stand right."""
    lines = [f"| {' | '.join(header)} |", f"|{'|'.join('---' if place < numbers_from else '---:' for place in range(len(header)))}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def fenced(text: str, kind: str = "") -> str:
    """A code block that no run of back ticks inside can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{text.rstrip()}\n{fence}"


def blocks(bars: Bars) -> str:
    """A histogram as one line of block characters, `|` at the cut. "" without a score."""
    counts = [passed + lost for passed, lost in zip(bars.passed, bars.lost)]
    most = max(counts, default=0)
    if not most:
        return ""
    line = [BLOCKS[0 if not n else max(1, round(n / most * (len(BLOCKS) - 1)))] for n in counts]
    if bars.line is not None:
        place = sum(edge <= bars.line for edge in bars.edges[1:])
        line.insert(place, "|")
    return "".join(line)


def _head(report: SelectionReport) -> list[str]:
    stored = f" Stored {_day(report.saved_at)}{f' by {escaped(report.author)}' if report.author else ''}." if report.saved_at else ""
    return [f"# {escaped(report.selection) or 'The cuts as they stand'}", f"Selection of the data set {escaped(report.dataset)}. Report made {_day(report.made_at)}.{stored}",
            table(["", "", ""], [["Kept", _of(report.kept, report.records), _share(report.kept, report.records)], ["Images", _of(report.images_kept, report.images), _share(report.images_kept, report.images)],
                                 ["Marked by hand", _of(report.by_hand_total, report.records), _share(report.by_hand_total, report.records)],
                                 ["Rewritten, of those kept", _of(report.rewritten, report.kept), _share(report.rewritten, report.kept)]])]


def _funnel(report: SelectionReport) -> list[str]:
    rows = [[row.label, f"{row.imported:,}", *(f"{n:,} ({_share(n, row.imported)})" for n in (row.scored, row.question, row.answer, row.kept))] for row in report.funnel]
    unscored = "; ".join(f"without {'a question' if stage == 'question' else 'an answer'} score: {_of(n, report.records)}" for stage, n in report.unscored.items())
    return ["## Funnel", f"{report.records:,} of {report.read:,} rows of the file were imported; {unscored}.",
            table(["Type", "Imported", "With a question score", "Passed the question cut", "Passed the answer cut", "Kept"], rows),
            table(["Why", "Records", "Share"], [[label, _of(n, report.records), _share(n, report.records)] for label, n in report.reasons])]


def _cuts(report: SelectionReport) -> list[str]:
    rows = [[STAGE_LABELS[row.stage], row.label, row.words, _score(row.lowest), _of(row.passed, row.reached), _share(row.passed, row.reached)] for row in report.cuts]
    found = ["## Cuts", "\n".join(f"- {line}" for line in report.words),
             table(["Stage", "Type", "Cut", "Lowest score that passes", "Passed of those that reached it", "Share"], rows, numbers_from=3)]
    for stage, bars in report.bars.items():
        lines = [f"{row.label:<18} {_score(row.edges[0])} {blocks(row)} {_score(row.edges[-1])}   {sum(row.passed):,} of {sum(row.passed) + sum(row.lost) + row.without:,}" for row in bars if blocks(row)]
        found += [f"{STAGE_LABELS[stage]}, records by score; `|` is the cut:", fenced("\n".join(lines))] if lines else [f"{STAGE_LABELS[stage]}: no record that reached it has a score."]
    return found


def _alternatives(report: SelectionReport) -> list[str]:
    clusters = report.alternatives[0].clusters_of is not None
    header = ["Choice", "Records", "Shared with this selection", *(TYPE_LABELS[name] for name in INSTRUCTION_TYPES), "Mean question score", "Mean answer score", "Images", *(["Clusters"] if clusters else [])]
    rows = [[row.label + (f" ({row.note})" if row.note else ""), f"{row.kept:,}", _of(row.shared, report.kept), *(f"{n:,}" for n in row.by_type), _score(row.question), _score(row.answer), f"{row.images:,}",
             *([_of(row.clusters or 0, row.clusters_of or 0)] if clusters else [])] for row in report.alternatives]
    return ["## The same number chosen otherwise", table(header, rows), "Means are over the records that have a score. A higher mean with fewer images or clusters is a narrower set, not a better one."]


def _examples(groups: Sequence[ExampleGroup]) -> list[str]:
    found = ["## Examples"]
    number = 0
    for group in groups:
        found.append(f"### {escaped(group.title)}\n\n{escaped(group.note)}")
        for one in group.examples:
            number += 1
            found.append(_example(one, number))
    return found if groups else [*found, "The data set has no record to show."]


def _example(one: Example, number: int) -> str:
    picture = f"![picture of {escaped(one.key)}][picture-{number}]" if one.thumbnail else f"*{escaped(one.no_image)}*"
    turns = f", first of {one.turns:,} turns" if one.turns > 1 else ""
    return "\n\n".join((picture, f"**{escaped(one.question) or '(no question)'}**", escaped(one.answer) or "(no answer)",
                        f"{one.reason} · question {_score(one.question_score)} · answer {_score(one.answer_score)} · {one.type_label} · {escaped(one.key)}, row {one.row:,}{turns}"))


def _pictures(groups: Sequence[ExampleGroup]) -> list[str]:
    shown = [one for group in groups for one in group.examples]
    return ["\n".join(f"[picture-{number}]: data:image/jpeg;base64,{base64.b64encode(one.thumbnail).decode()}" for number, one in enumerate(shown, 1) if one.thumbnail)]


def _scorers(scorers: Sequence[ScorerFacts]) -> list[str]:
    found = ["## Scorers"]
    for one in scorers:
        parts = ", ".join(f"{name.replace('_', ' ')} {escaped(value)}" for name, value in one.parts.items())
        found += [f"### {STAGE_LABELS[one.stage]}: {escaped(one.parts['adapter'])}", f"Key `{one.digest}`: {parts}. It gave {_of(one.places - one.failed, one.places)} texts a number."]
        if one.figures:
            found.append(table(["Pairs of one image put in people's order", "Share", "95 % interval", "Pairs", "Images"],
                               [[row.label, f"{row.value:.1%}", f"{row.low:.1%} to {row.high:.1%}" if row.low is not None and row.high is not None else "not told",
                                 *("not told" if n is None else f"{n:,}" for n in (row.pairs, row.images))] for row in one.figures]))
        found += [escaped(one.missing), fenced(one.card, "markdown") if one.card else ""]
    return found if scorers else [*found, "No scorer has scored this data set."]


def _by_hand(report: SelectionReport) -> list[str]:
    if not report.by_hand:
        return ["## Marks by hand", "Nobody marked a record: the cuts alone decide."]
    listed = [f"{word.capitalize()}, the first {len(keys):,} by id:\n\n{fenced(chr(10).join(keys))}" for word, keys in report.by_hand_keys.items() if keys]
    return ["## Marks by hand", table(["Person", "Keep", "Drop"], [[escaped(row.person), f"{row.keep:,}", f"{row.drop:,}"] for row in report.by_hand]),
            f"Counted by who marked a record last, of {report.by_hand_total:,} marks in force.", *listed]


def _signals(report: SelectionReport) -> list[str]:
    if not report.signals:
        return ["## Signals", "No signal was computed for this data set."]
    rows = [[escaped(row.label), escaped(row.note), _day(row.made_at), "these cuts need it" if row.used else "none; it was there to look by"] for row in report.signals]
    return ["## Signals", table(["Signal", "What it tells", "Made", "Part in this selection"], rows, numbers_from=4)]


def _repeat(report: SelectionReport) -> list[str]:
    marks = " Marks made by hand are not part of the settings: they are listed above, and they go with a copy of the workspace." if report.by_hand_total else ""
    return ["## To repeat it", f"On a machine with the same file, images and scorers. Save the settings below as `{SPEC_FILE}`.{marks}", fenced("\n".join(report.commands), "sh"),
            fenced(settings_text(report.spec), "json"), ", ".join(f"{name} {value}" for name, value in report.versions.items())]


def _of(n: int, of: int) -> str:
    return f"{n:,} of {of:,}"


def _share(n: int, of: int) -> str:
    return "–" if not of else f"{100 * n / of:.1f} %"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def _day(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
