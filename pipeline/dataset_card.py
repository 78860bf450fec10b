"""The README.md that an export writes beside its data: a dataset card as the Hugging Face hub reads it. Pure.

Everything it says comes from the export's manifest. The licence is unknown unless a person told it: that of the images and
that of the texts are theirs to know. Names that people typed are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.curation import CURRENT
from pipeline.errors import SettingError
from pipeline.records import TYPE_LABELS
from pipeline.reporting.words import spec_words
from pipeline.selection import SelectionSpec
from pipeline.teaching.scorer_card import escaped

CARD = "README.md"
UNKNOWN = "unknown"
TASKS = ["visual-question-answering", "image-text-to-text"]
TAGS = ["llava", "visual-instruction-tuning", "data-curation", "align2-studio"]
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"), (10**8, "10M<n<100M"))
"""(below so many records, the hub's name of the size)."""
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,59}")


def dataset_card(manifest: Mapping[str, Any], *, license: str = "") -> str:
    """The card of one export as Markdown with YAML front matter. `manifest` as pipeline.exporting writes it, without its list of files."""
    counts, name = manifest["counts"], str(manifest["dataset"]["name"])
    parts = [f"# {escaped(name)}, curated", _summary(manifest), "## Fields", _fields(manifest), "## How it was chosen", _choice(manifest), "## Counts", _counts(counts),
             "## Texts that were changed", _changes(manifest), "## Limits", _limits(manifest, license)]
    return f"---\n{front_matter(name, counts['exported'], license)}\n---\n\n" + "\n\n".join(parts) + "\n"


def front_matter(name: str, records: int, license: str = "") -> str:
    """The YAML that the hub indexes by. Raises SettingError for a licence that is no identifier."""
    from huggingface_hub import DatasetCardData

    return DatasetCardData(pretty_name=name, license=checked_license(license), task_categories=TASKS, size_categories=[size_category(records)], tags=TAGS,
                           configs=[{"config_name": "default", "data_files": [{"split": "train", "path": "data.json"}]}]).to_yaml().strip()


def checked_license(license: str) -> str:
    """An identifier such as "cc-by-4.0"; "" is "unknown". Raises SettingError for other texts."""
    told = license.strip().lower() or UNKNOWN
    if not _LICENSE.fullmatch(told):
        raise SettingError(f"{license[:60]!r} is no licence identifier", hint="Use a short name such as cc-by-4.0, or leave it out.", place="license")
    return told


def size_category(records: int) -> str:
    """The hub's name for a number of records."""
    return next((name for below, name in SIZES if records < below), "n>100M")


def _summary(manifest: Mapping[str, Any]) -> str:
    dataset, counts, images = manifest["dataset"], manifest["counts"], manifest["images"]
    missing = f" {images['missing_count']:,} paths in the records have no readable image." if images["missing_count"] else ""
    return (f"{counts['exported']:,} of {counts['imported']:,} records of the data set {escaped(dataset['name'])} in the LLaVA layout, with {images['files']:,} images.{missing} "
            f"Made by {escaped(manifest['made_by'])} on {manifest['made_at'][:10]}. `manifest.json` has the settings, the scorers' keys and a sha256 of every file.")


def _fields(manifest: Mapping[str, Any]) -> str:
    lines = ["- `id`: as imported", "- `image`: path below `images/`; missing where a record is text only", "- `conversations`: turns of `human` and `gpt`; one answer a turn",
             "- other fields: as imported"]
    several = manifest["answers"]["turns_with_several_candidates"]
    if several:
        lines.append(f"\n{several:,} turns had several answers; the best scored one was taken, in {manifest['answers']['of_which_not_the_first_was_chosen']:,} of them it was not the first.")
    return "\n".join(lines)


def _choice(manifest: Mapping[str, Any]) -> str:
    selection, decisions = manifest["selection"], manifest["decisions"]
    if selection["spec"] is None:
        lines = ["- Nothing was scored: the whole data set, without what people dropped."]
    else:
        lines = [f"- Selection: {'the cuts as they stood' if selection['name'] == CURRENT else escaped(selection['name'])}", *(f"- {line}" for line in spec_words(SelectionSpec.from_json(selection["spec"])))]
    lines += [f"- {stage.capitalize()} scorer: {_scorer(key)}" for stage, key in manifest["scorers"].items() if key]
    if decisions:
        lines.append("- Marked by hand: " + ", ".join(f"{n:,} to {escaped(word)}" for word, n in sorted(decisions.items())))
    return "\n".join(lines)


def _scorer(key: Mapping[str, Any]) -> str:
    return (f"{escaped(key['adapter'])} on {escaped(key['model'])}, revision {escaped(str(key['revision'])[:16])}, {escaped(key['precision'])}, quantization {escaped(key['quantization'])}, "
            f"images by {escaped(key['image_preparation'])}")


def _counts(counts: Mapping[str, Any]) -> str:
    stages = {row["group"]: row for row in counts.get("stages", ())}
    lines = ["| Type | Imported | Exported |", "|---|---:|---:|"]
    for name, label in TYPE_LABELS.items():
        imported = f"{stages[name]['imported']:,}" if name in stages else "not told"
        lines.append(f"| {label} | {imported} | {counts['exported_by_type'].get(name, 0):,} |")
    return "\n".join([*lines, f"| All types | {counts['imported']:,} | {counts['exported']:,} |"])


def _changes(manifest: Mapping[str, Any]) -> str:
    rewrites = manifest["rewrites"]
    if not rewrites["texts"]:
        return "None: every text is as it was imported."
    kinds = ", ".join(f"{n:,} × {escaped(kind)}" for kind, n in rewrites["by_part_and_origin"].items())
    return f"{rewrites['texts']:,} texts differ from the import ({kinds}); `{rewrites['provenance']}` has each with its original."


def _limits(manifest: Mapping[str, Any], license: str) -> str:
    lines = []
    if checked_license(license) == UNKNOWN:
        lines.append("- Licence: not told. Those of the texts and of the images are to be looked up where they came from, before anything is passed on.")
    if manifest["selection"]["spec"] is not None:
        lines.append("- Scores are a reward model's estimate of what people prefer. They say little about whether a text is true.")
        lines.append("- A choice by score narrows a set: compare it with as many records drawn at random.")
    return "\n".join([*lines, "- Nobody has read every record. Faults of the source are likely still in it."])
