"""One page of a selection: what a colleague needs to judge it and to repeat it, as HTML or Markdown.

Reads the store through pipeline.curation, so that it can't disagree with the screen or the export; writes nothing there.
Raises NotFound for a data set or selection that isn't there.
"""

from __future__ import annotations

import time
from pathlib import PurePath
from typing import Any, Literal

import numpy as np

from pipeline.curation import CURRENT, Curation, curate
from pipeline.distribution import distribution
from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS, Record, ScorerKey
from pipeline.reporting.alternatives import alternatives
from pipeline.reporting.commands import command_lines
from pipeline.reporting.facts import Bars, CutRow, Example, ExampleGroup, HandRow, ScorerFacts, SelectionReport, SignalFacts, TypeRow
from pipeline.reporting.html import as_html
from pipeline.reporting.markdown import as_markdown
from pipeline.reporting.scorers import scorer_facts
from pipeline.reporting.words import amount_words, group_label, spec_words
from pipeline.selection import ALL, REASONS, STAGES, SelectionSpec, borderline, funnel_counts
from pipeline.store import Store
from pipeline.store.datasets import Dataset
from pipeline.versions import versions
from pipeline.workspace import Workspace

Form = Literal["html", "md"]
FORMS: tuple[Form, ...] = ("html", "md")
EXAMPLES = 8
"""Records drawn of those kept, and of those dropped."""
NEAR = 2
"""Records on each side of each cut."""
TEXT = 600
"""Characters of a question or an answer that are shown."""
MARKS_LISTED = 500
"""Records marked by hand that are named one by one."""
SEED = 0
MAP = "map"
"""The signal that caps per cluster and choices for variety rest on."""


def write(store: Store, workspace: Workspace, dataset_id: int, name: str | None = None, form: Form = "html", *, view: Curation | None = None) -> str:
    """The report of a stored selection, without a name of the one that is open, in one form."""
    report = gather(store, workspace, dataset_id, name, view=view)
    return as_html(report) if form == "html" else as_markdown(report)


def gather(store: Store, workspace: Workspace, dataset_id: int, name: str | None = None, *, view: Curation | None = None) -> SelectionReport:
    """All values of the report as they are now. `view` spares the reading of the scores where the caller has the selection in memory."""
    dataset = store.datasets.get(dataset_id)
    view = view or curate(store, dataset_id, name)
    stored = next((one for one in store.selections.all(dataset_id) if one.name == view.name), None)
    keys = {stage: store.scores.key(digest) if digest else None for stage, digest in _digests(view.spec).items()}
    signals, cluster = _signals(store, dataset_id, view.spec)
    by_hand, marked = _by_hand(store, view)
    images = view.table.image
    source, folder = _import_names(store, dataset)
    return SelectionReport(
        dataset=dataset.name, records=len(view.table), read=max(int(dataset.report.get("read", 0) or 0), len(view.table)), skipped=int(dataset.report.get("skipped_count", 0) or 0),
        selection="" if view.name == CURRENT else view.name, author=stored.author if stored else "", saved_at=stored.created_at if stored else None, made_at=time.time(),
        kept=int(view.result.kept.sum()), images_kept=_distinct(images[view.result.kept]), images=_distinct(images),
        spec=view.spec.as_json(), words=tuple(spec_words(view.spec)), funnel=tuple(TypeRow(**row) for row in funnel_counts(view.table, view.result)),
        cuts=tuple(_cut_rows(view)), reasons=_reasons(view), bars={stage: tuple(_bars(view, stage)) for stage in STAGES},
        scorers=tuple(_scorers(store, workspace, dataset_id, keys)), unscored={"question": int(np.isnan(view.table.question).sum()), "answer": int(np.isnan(view.table.answer).sum())},
        by_hand=tuple(by_hand), by_hand_keys=marked, by_hand_total=len(view.decisions), rewritten=_rewritten(store, view), signals=tuple(signals),
        examples=tuple(_examples(store, workspace, view)), alternatives=tuple(alternatives(view.table, view.result.kept, cluster)), versions=versions(),
        commands=tuple(command_lines(dataset.name, source, folder, keys, [one.name for one in signals if one.used], "reported" if view.name == CURRENT else view.name)))


def _digests(spec: SelectionSpec) -> dict[str, str | None]:
    return {"question": spec.question_key, "answer": spec.answer_key}


def _distinct(images: np.ndarray) -> int:
    return len(np.unique(images[images >= 0]))


def _import_names(store: Store, dataset: Dataset) -> tuple[str, str]:
    """Base names of the file and of the images it was imported from: whole paths are nobody else's matter."""
    job = next((job for job in store.jobs.recent(dataset_id=dataset.id, kinds=("import",), limit=5) if job.state == "done"), None)
    images = str(job.params.get("images") or "") if job else ""
    return PurePath(dataset.source).name, PurePath(images).name


def _cut_rows(view: Curation) -> list[CutRow]:
    rows = []
    for stage in STAGES:
        alive, passed = _stage(view, stage)
        for group, cut in getattr(view.spec, stage).items():
            members = _members(view, group)
            rows.append(CutRow(stage, group, group_label(group), amount_words(cut), view.result.cuts[stage].get(group), int((alive & members).sum()), int((passed & members).sum())))
    return rows


def _stage(view: Curation, stage: str) -> tuple[np.ndarray, np.ndarray]:
    """bool (N,) twice: the records that reached a stage, and those that passed it."""
    if stage == "question":
        return np.ones(len(view.table), bool), view.result.passed_question
    return view.result.passed_question, view.result.passed_answer


def _members(view: Curation, group: str) -> np.ndarray:
    return np.ones(len(view.table), bool) if group == ALL else view.table.type == INSTRUCTION_TYPES.index(group)


def _bars(view: Curation, stage: str) -> list[Bars]:
    """One histogram a type that has records at this stage; all share their bins."""
    alive, passed = _stage(view, stage)
    scores = view.table.question if stage == "question" else view.table.answer
    edges = distribution(scores[alive], view.table.type[alive]).edges
    found = []
    for group in INSTRUCTION_TYPES:
        members = alive & _members(view, group)
        if not members.any():
            continue
        line = view.result.cuts[stage].get(group if view.spec.per_type else ALL)
        known = members & ~np.isnan(scores)
        counts = [tuple(np.histogram(scores[known & side], bins=edges)[0].tolist()) if edges else () for side in (passed, ~passed)]
        found.append(Bars(group, TYPE_LABELS[group], edges, counts[0], counts[1], int((members & np.isnan(scores)).sum()), line))
    return found


def _reasons(view: Curation) -> tuple[tuple[str, int], ...]:
    codes, counts = np.unique(view.result.code, return_counts=True)
    return tuple((REASONS[int(code)], int(count)) for code, count in zip(codes, counts))


def _scorers(store: Store, workspace: Workspace, dataset_id: int, keys: dict[str, ScorerKey | None]) -> list[ScorerFacts]:
    found = []
    for stage, key in keys.items():
        if key is not None:
            places, failed = next(((n, bad) for one, n, bad in store.scores.keys(dataset_id, stage) if one.digest == key.digest), (0, 0))
            found.append(scorer_facts(store, workspace, key, places, failed))
    return found


def _by_hand(store: Store, view: Curation) -> tuple[list[HandRow], dict[str, tuple[str, ...]]]:
    """Marks in force by person, most first, and the keys of the first records marked each way."""
    steps = [step for step in reversed(store.actions.history(view.dataset_id, limit=None)) if step.kind == "decision" and not step.undone]
    people = sorted({step.author for step in steps})
    marked = [store.actions.marked_in(step.id) for step in steps]
    owner = np.repeat([people.index(step.author) for step in steps], [len(ids) for ids in marked]) if steps else np.zeros(0, np.int64)
    ids, last = np.unique(np.concatenate(marked)[::-1] if marked else np.zeros(0, np.int64), return_index=True)  # the last mark of a record counts
    owner, verdict = owner[::-1][last], view.decisions.at(ids)
    rows = [HandRow(person, int((verdict[owner == at] > 0).sum()), int((verdict[owner == at] < 0).sum())) for at, person in enumerate(people)]
    keys = {word: tuple(record.key for record in store.records.many(ids[verdict == sign][:MARKS_LISTED].tolist())) for word, sign in (("keep", 1), ("drop", -1))}
    return sorted((row for row in rows if row.keep + row.drop), key=lambda row: -(row.keep + row.drop)), keys


def _rewritten(store: Store, view: Curation) -> int:
    """Kept records with a rewrite that a person accepted or edited."""
    changed = np.unique(np.array([place[0] for place in store.rewrites.accepted(view.dataset_id)], np.int64))
    return int(np.isin(changed, view.table.ids[view.result.kept]).sum())


def _signals(store: Store, dataset_id: int, spec: SelectionSpec) -> tuple[list[SignalFacts], np.ndarray | None]:
    """The signals that were computed, and each record's cluster (int32 (N,), −1 none) where the map is among them."""
    from pipeline.signals import SIGNALS
    from pipeline.signals.columns import SignalColumns

    columns = SignalColumns(store)
    stored = [(signal, columns.stored(dataset_id, signal.name)) for signal in SIGNALS if columns.state(dataset_id, signal) == "ready"]
    needed = {MAP} if spec.per_cluster is not None or spec.diverse is not None else set()
    facts = [SignalFacts(signal.name, signal.label, one.made_at, signal.help, signal.name in needed) for signal, one in stored if one is not None]
    cluster = columns.get(dataset_id, "cluster")
    return facts, None if cluster is None else np.asarray(cluster.array)


def _examples(store: Store, workspace: Workspace, view: Curation) -> list[ExampleGroup]:
    kept = view.result.kept
    groups = [_drawn(store, workspace, view, kept, "Kept"), _drawn(store, workspace, view, ~kept, "Dropped")]
    for stage in STAGES:
        for group in getattr(view.spec, stage):
            above, below = borderline(view.table, view.result, stage, group, NEAR)
            if above or below:
                title = f"At the {stage} cut, {group_label(group)}"
                shown = tuple(_example(store, workspace, view, record) for record in store.records.many([*reversed(above), *below]))
                groups.append(ExampleGroup(title, f"the {len(above)} just above the line and the {len(below)} just below it", shown))
    return [group for group in groups if group.examples]


def _drawn(store: Store, workspace: Workspace, view: Curation, members: np.ndarray, title: str) -> ExampleGroup:
    """A few of the members, drawn without choosing, best answer first."""
    places = np.flatnonzero(members)
    drawn = np.random.default_rng(SEED).choice(places, min(EXAMPLES, len(places)), replace=False) if len(places) else places
    drawn = drawn[np.argsort(-np.nan_to_num(view.table.answer[drawn], nan=-np.inf), kind="stable")]
    records = store.records.many(view.table.ids[drawn].tolist())
    return ExampleGroup(title, f"{len(records):,} of {len(places):,}, drawn at random with seed {SEED}", tuple(_example(store, workspace, view, record) for record in records))


def _example(store: Store, workspace: Workspace, view: Curation, record: Record) -> Example:
    at = int(np.searchsorted(view.table.ids, record.id))
    first, best = (record.turns[0], view.best_of(record)) if record.turns else (None, ())
    answer = first.answers[best[0]] if first and first.answers and best else ""
    thumbnail, why = _thumbnail(workspace, record)
    return Example(record.key, record.row, TYPE_LABELS[record.type], _cut(first.question_text if first else ""), _cut(answer), _number(view.table.question[at]),
                   _number(view.table.answer[at]), view.result.reason(at), bool(view.result.kept[at]), thumbnail, why, len(record.turns))


def _thumbnail(workspace: Workspace, record: Record) -> tuple[bytes | None, str]:
    if record.image is None:
        return None, "text only" if record.text_only else next((problem for problem in record.image_problems if problem), "no image")
    try:
        return workspace.thumbnail_path(record.image).read_bytes(), ""
    except OSError:
        return None, "the thumbnail is gone from the workspace"


def _cut(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[:TEXT].rstrip()} …"


def _number(value: np.floating[Any] | float) -> float | None:
    return None if np.isnan(value) else float(value)
