"""What is known of the scorer behind a key: its measured accuracy and its card, where its folder is on this machine.

Reads folders through pipeline.teaching.adoption; loads no weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline.records import ScorerKey
from pipeline.reporting.facts import Figure, ScorerFacts
from pipeline.store import Store
from pipeline.teaching.adoption import KnownScorer, known
from pipeline.teaching.scorer_card import FIGURES, card
from pipeline.workspace import Workspace

CARD = "CARD.md"
CARD_LIMIT = 20_000
"""Characters of a card that go into a report."""


def scorer_facts(store: Store, workspace: Workspace, key: ScorerKey, places: int, failed: int) -> ScorerFacts:
    """The key in full, with figures and card of the very revision that scored."""
    parts = {name: str(value) for name, value in asdict(key).items()}
    mine = [one for one in known(store, workspace, key.kind) if one.name == key.adapter]
    same = next((one for one in mine if one.revision == key.revision), None)
    if same is None:
        missing = f"{key.adapter} is on this machine in another revision; its figures are not told here." if mine else f"{key.adapter} is not on this machine."
        return ScorerFacts(key.kind, key.digest, parts, places, failed, missing=missing)
    return ScorerFacts(key.kind, key.digest, parts, places, failed, figures_of(same.figures), _card(same))


def figures_of(told: Mapping[str, Any]) -> tuple[Figure, ...]:
    """The accuracies a scorer's description brings, in the order of its card. What is no number is left out."""
    found = []
    for name, label in FIGURES:
        one = told.get(name)
        if isinstance(one, Mapping) and _is_number(one.get("value")):
            low, high = (one[end] if _is_number(one.get(end)) else None for end in ("low", "high"))
            found.append(Figure(label, float(one["value"]), low, high, *(one[of] if isinstance(one.get(of), int) else None for of in ("pairs", "images"))))
    return tuple(found)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _card(scorer: KnownScorer) -> str:
    """The card beside the weights, else the one its description gives."""
    try:
        text = (scorer.folder / CARD).read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = card(scorer)
    return text if len(text) <= CARD_LIMIT else f"{text[:CARD_LIMIT]}\n\n(The rest of this card is in {CARD} beside the scorer.)"
