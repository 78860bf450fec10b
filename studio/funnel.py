"""The five numbers of the header: imported → questions kept → answers kept → rewritten → exported, each n of N."""

from __future__ import annotations

from typing import Any

from pipeline.store import Store


def funnel_stages(store: Store, dataset_id: int) -> list[dict[str, Any]]:
    """One row a stage: id, label, the tab that changes it, `count` and `of` (None: nothing done there yet).

    Raises NotFound where the data set is gone.
    """
    dataset = store.datasets.get(dataset_id)
    imported = dataset.record_count
    read = int(dataset.report.get("read", imported) or imported)
    rows: list[tuple[str, str, str, int | None, int | None]] = [
        ("imported", "Imported", "data", imported, max(read, imported)),
        ("questions", "Questions kept", "select", None, None),
        ("answers", "Answers kept", "select", None, None),
        ("rewritten", "Rewritten", "rewrite", None, None),
        ("exported", "Exported", "export", None, None),
    ]
    return [dict(zip(("id", "label", "tab", "count", "of"), row)) for row in rows]
