"""The reward before and after a rewrite, by the active scorers, where they belong to the model that rewrites."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipeline.errors import StudioError
from pipeline.models.loading import LoadedModel
from pipeline.rewriting.drafts import Source
from pipeline.rewriting.writer import Reward
from pipeline.workspace import Workspace

log = logging.getLogger(__name__)


def reward_for(loaded: LoadedModel, workspace: Workspace) -> Reward | None:
    """A way to score (source, rewrite) pairs, None where no scorer belongs to this model.

    Both texts are scored under the same key, so their difference means something: the log odds that people prefer the second.
    """
    from pipeline.scoring.contract import answer_text, question_text
    from pipeline.scoring.engine import Engine, Request
    from pipeline.scoring.run import image_reader
    from pipeline.scoring.scorers import active, load_scorer

    scorers = []
    for kind in ("question", "answer"):
        try:
            scorer = load_scorer(active(kind), kind)
        except StudioError as error:
            log.info("no %s reward: %s", kind, error)
            continue
        if scorer.base == loaded.spec.name:
            scorers.append(scorer)
    if not scorers:
        return None
    engine = Engine(loaded, scorers, image_reader(workspace))
    kinds = {scorer.kind for scorer in scorers}

    def request(source: Source, text: str) -> Request:
        if source.part == "question":
            questions = list(source.questions) or [source.text]
            questions[min(source.turn, len(questions) - 1)] = text
            return Request("question", source.image, question_text(questions))
        asked = source.questions[source.turn] if source.turn < len(source.questions) else ""
        return Request("answer", source.image, answer_text(asked, text))

    def reward(pairs: Sequence[tuple[Source, str]]) -> list[tuple[float, float] | None]:
        wanted = [i for i, (source, _) in enumerate(pairs) if source.part in kinds]
        scored = engine.score([request(pairs[i][0], text) for i in wanted for text in (pairs[i][0].text, pairs[i][1])])
        told: list[tuple[float, float] | None] = [None] * len(pairs)
        for at, i in enumerate(wanted):
            before, after = scored[2 * at].value, scored[2 * at + 1].value
            told[i] = None if before is None or after is None else (before, after)
        return told

    return reward
