"""The reward before and after a rewrite, by the present scorers, where they belong to the model that rewrites."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.facts import reads_facts, with_facts
from pipeline.models.loading import LoadedModel
from pipeline.rewriting.drafts import Source
from pipeline.rewriting.writer import Reward

if TYPE_CHECKING:
    from pipeline.scoring.contract import Kind
    from pipeline.scoring.scorers import Scorer
    from pipeline.worker import JobContext

log = logging.getLogger(__name__)


def reward_for(loaded: LoadedModel, context: "JobContext") -> Reward | None:
    """A way to score (source, rewrite) pairs, None where no scorer belongs to this model.

    Both texts are scored under the same key, so their difference means something: the log odds that people prefer the second.
    Raises SettingError where an adopted scorer can't be used any more, ModelError where a scorer's files are damaged.
    """
    from pipeline.scoring.contract import answer_text, question_text
    from pipeline.scoring.engine import Engine, Request
    from pipeline.scoring.run import image_reader

    scorers = _present(loaded, context)
    if not scorers:
        return None
    reader = image_reader(context.workspace)
    alike = {preparation: [one for one in scorers.values() if one.image_preparation == preparation] for preparation in {one.image_preparation for one in scorers.values()}}
    engines = {scorer.kind: engine for members in alike.values() for engine in [Engine(loaded, members, reader)] for scorer in members}

    def request(source: Source, text: str) -> Request:
        facts = source.facts if reads_facts(scorers[source.part].training) else ()
        if source.part == "question":
            questions = list(source.questions) or [source.text]
            questions[min(source.turn, len(questions) - 1)] = text
            return Request("question", source.image, with_facts(question_text(questions), facts))
        asked = source.questions[source.turn] if source.turn < len(source.questions) else ""
        return Request("answer", source.image, with_facts(answer_text(asked, text), facts))

    def reward(pairs: Sequence[tuple[Source, str]]) -> list[tuple[float, float] | None]:
        told: list[tuple[float, float] | None] = [None] * len(pairs)
        for engine in dict.fromkeys(engines.values()):
            wanted = [i for i, (source, _) in enumerate(pairs) if engines.get(source.part) is engine]
            scored = engine.score([request(pairs[i][0], text) for i in wanted for text in (pairs[i][0].text, pairs[i][1])])
            for at, i in enumerate(wanted):
                before, after = scored[2 * at].value, scored[2 * at + 1].value
                told[i] = None if before is None or after is None else (before, after)
        return told

    return reward


def _present(loaded: LoadedModel, context: "JobContext") -> "dict[Kind, Scorer]":
    """The present scorer of each kind that was made for this model. Scores of another model would not be of its words."""
    from pipeline.scoring.scorers import load_scorer
    from pipeline.teaching import adoption

    found: "dict[Kind, Scorer]" = {}
    for kind in adoption.KINDS:
        if not any(one.standing == "present" for one in adoption.known(context.store, context.workspace, kind)):
            log.info("no %s reward: there is no %s scorer", kind, kind)
            continue
        scorer = load_scorer(adoption.with_scorers(context, {"kinds": [kind]})["scorers"][kind], kind)
        if scorer.base in (loaded.spec.name, loaded.spec.source):
            found[kind] = scorer
        else:
            log.info("no %s reward: %s belongs to %s", kind, scorer.name, scorer.base)
    return found
