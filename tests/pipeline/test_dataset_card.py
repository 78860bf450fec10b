"""The dataset card of an export: what the hub reads of it, and what a person does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.dataset_card import checked_license, dataset_card, front_matter, size_category
from pipeline.errors import SettingError
from pipeline.exporting import export
from pipeline.importing import ImportParams, import_file
from pipeline.selection import shares
from pipeline.store import Store
from pipeline.workspace import Workspace
from tests.studio.seeding import seed_dataset, seed_scores


def exported(store: Store, workspace: Workspace, name: str = "Seeded", **rest: Any) -> tuple[Path, dict[str, Any], str]:
    dataset_id = seed_dataset(store, name, records=30)
    seed_scores(store, dataset_id, failed=2)
    store.selections.save(dataset_id, "half", shares(0.5, 1.0).as_json(), author="A")
    folder = Path(export(store, workspace, dataset_id, "half", None, False, **rest)["path"])
    return folder, json.loads((folder / "manifest.json").read_text()), (folder / "README.md").read_text()


def head(card: str) -> dict[str, Any]:
    _, front, _ = card.split("---\n", 2)
    return yaml.safe_load(front)


def test_an_export_has_a_card_with_its_checksum_and_comes_back_in(store: Store, workspace: Workspace) -> None:
    folder, manifest, card = exported(store, workspace)
    assert manifest["files"]["README.md"] == {"sha256": hashlib.sha256(card.encode()).hexdigest(), "bytes": len(card.encode())}
    again = import_file(store, workspace, ImportParams(folder / "data.json", folder, "again", False))
    assert again["imported"] == manifest["counts"]["exported"] and again["skipped"] == []


def test_the_front_matter_is_what_the_hub_indexes(store: Store, workspace: Workspace) -> None:
    _, _, card = exported(store, workspace)
    told = head(card)
    assert told["license"] == "unknown" and told["size_categories"] == ["n<1K"] and told["pretty_name"] == "Seeded"
    assert told["task_categories"] == ["visual-question-answering", "image-text-to-text"] and "llava" in told["tags"]
    assert told["configs"] == [{"config_name": "default", "data_files": [{"split": "train", "path": "data.json"}]}]


def test_a_told_licence_is_written_and_a_strange_one_refused_before_anything_is(store: Store, workspace: Workspace) -> None:
    _, manifest, card = exported(store, workspace, license=" CC-BY-4.0 ")
    assert head(card)["license"] == manifest["license"] == "cc-by-4.0" and "Licence: not told" not in card
    before = sorted(workspace.exports_dir.iterdir())
    with pytest.raises(SettingError, match="no licence"):
        export(store, workspace, 1, "half", None, False, license="mit\npretty_name: x")
    assert sorted(workspace.exports_dir.iterdir()) == before


def test_the_card_tells_counts_cuts_scorers_and_limits(store: Store, workspace: Workspace) -> None:
    _, manifest, card = exported(store, workspace)
    assert f"{manifest['counts']['exported']:,} of 30 records" in card
    assert "Question stage: the best 50 %, inside each instruction type." in card
    assert "embedded-question on embedded, revision 0000000000000000, bf16" in card
    assert "Licence: not told." in card and "None: every text is as it was imported." in card
    assert "| Detail | 10 | 5 |" in card


def test_hostile_names_neither_break_the_front_matter_nor_the_text(store: Store, workspace: Workspace) -> None:
    name = '---\'": [x](http://a) <script> # | {'
    _, _, card = exported(store, workspace, name)
    assert head(card)["pretty_name"] == name
    body = card.split("---\n", 2)[2]
    assert "<script>" not in body.replace("\\<script\\>", "") and "[x](" not in body


def test_a_set_that_was_never_scored_says_so(store: Store, workspace: Workspace) -> None:
    dataset_id = seed_dataset(store, records=3)
    folder = Path(export(store, workspace, dataset_id, None, None, False)["path"])
    assert "Nothing was scored: the whole data set" in (folder / "README.md").read_text()


@pytest.mark.parametrize(("records", "name"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (158_000, "100K<n<1M"), (10**9, "n>100M")])
def test_sizes_have_the_hubs_names(records: int, name: str) -> None:
    assert size_category(records) == name and name in front_matter("x", records)


def test_no_licence_is_unknown() -> None:
    assert checked_license("") == "unknown"
    for strange in ("a b", "<x>", "-x", "x" * 61):
        with pytest.raises(SettingError):
            checked_license(strange)


def test_the_card_is_made_from_the_manifest_alone(store: Store, workspace: Workspace) -> None:
    _, manifest, card = exported(store, workspace)
    assert dataset_card(manifest, license=manifest["license"]) == card
