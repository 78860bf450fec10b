"""The rewriting engine over one loaded model: texts in, one outcome each. Knows neither store nor job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.rewriting import edits, prompts
from pipeline.rewriting.drafts import Draft, Outcome, Source, best_first, choose, distinct
from pipeline.rewriting.eligibility import Kept, reason_to_keep
from pipeline.rewriting.generation import Ask, Decoding, write
from pipeline.rewriting.guards import Pair, check, reward_kept
from pipeline.rewriting.review import review
from pipeline.rewriting.style import token_losses
from pipeline.rewriting.voice import Voice
from pipeline.rewriting.words import FILLERS, FUNCTION_WORDS

EDIT_GAIN = 0.005
"""Nats a token by which a single edit must lower the loss to be taken along."""
REVIEWED = 2
"""How many drafts of a text that pass the guards are reviewed."""
ROOM_FACTOR, ROOM_MORE = 1.4, 8
"""Room of a draft in tokens: this many times the original's, and some more. Longer ones fail the length guard anyway."""

Reward = Callable[[Sequence[tuple[Source, str]]], list[tuple[float, float] | None]]
"""(source, rewrite) → (reward before, reward after), None where it can't be told."""


class Writer:
    """Rewrites texts in batches. `reward` is optional; without it that guard is left out."""

    def __init__(self, voice: Voice, decoding: Decoding, *, reward: Reward | None = None, reward_margin: float = 0.1) -> None:
        self.voice, self.decoding = voice, decoding
        self.reward, self.reward_margin = reward, reward_margin
        self._little_words: frozenset[int] | None = None

    def rewrite(self, sources: Sequence[Source]) -> list[Outcome]:
        """One outcome for each source, in order."""
        kept = [reason_to_keep(source.text, source.part) for source in sources]
        open_ = [source for source, reason in zip(sources, kept) if reason is None]
        losses = dict(zip(map(id, open_), token_losses(self.voice, [source.text for source in open_])))
        drafts = self._drafts(open_, losses)
        outcomes = iter(self._rewarded([choose(source, losses[id(source)], found) for source, found in zip(open_, drafts)]))
        return [Outcome(source, None, kept=reason) if reason is not None else next(outcomes) for source, reason in zip(sources, kept)]

    def _drafts(self, sources: list[Source], losses: dict[int, float | None]) -> list[list[Draft]]:
        """Candidates of both kinds, each with guards and style; the best that pass with the review's verdict."""
        written = self._written(sources)
        edited = self._edited(sources, losses)
        rows = [[*a, *b] for a, b in zip(written, edited)]
        wanted = [(i, j) for i, row in enumerate(rows) for j, draft in enumerate(row) if draft.style is None and draft.text]
        for (i, j), loss in zip(wanted, token_losses(self.voice, [rows[i][j].text for i, j in wanted])):
            rows[i][j] = replace(rows[i][j], style=loss)
        for source, row in zip(sources, rows):
            for j, draft in enumerate(row):
                row[j] = replace(draft, guards=check(Pair(source.text, draft.text, source.part, losses[id(source)], draft.style)))
        return self._reviewed(sources, rows)

    def _written(self, sources: list[Source]) -> list[list[Draft]]:
        """What the model writes, parsed."""
        drafts: list[list[Draft]] = [[] for _ in sources]
        for part in ("question", "answer"):
            places = [i for i, source in enumerate(sources) if source.part == part]
            asks = [self._ask(sources[i]) for i in places]
            for i, raws in zip(places, write(self.voice, prompts.preamble(part, self.voice.form), asks, self.decoding)):
                drafts[i] = [Draft("model", prompts.parse(raw, sources[i].text), raw) for raw in raws]
        return drafts

    def _ask(self, source: Source) -> Ask:
        loaded = self.voice.loaded
        return Ask(f"{source.part}|{source.text}", prompts.request(source.part, source.text, self.voice.form),
                   int(ROOM_FACTOR * len(loaded.ids(source.text))) + ROOM_MORE, self._words_for(source.text))

    def _words_for(self, text: str) -> frozenset[int]:
        """Ids of the text's own words, capitalised or not, at a sentence start or inside, and of little words and signs."""
        ids = self.voice.loaded.ids
        if self._little_words is None:
            little = set()
            for word in [*FUNCTION_WORDS, "not", "no", "image", "shows"]:
                little.update(ids(f" {word}"), ids(word.capitalize()), ids(f" {word.capitalize()}"))
            for sign in (".", ",", "?", ";", ":", "'s", "'t"):
                little.update(ids(sign))
            self._little_words = frozenset(little)
        own = set(ids(text)) | set(ids(f" {text}"))
        for word in {piece.strip(".,;:?!\"'()") for piece in text.split()} - {""}:
            own.update(ids(f" {word}"), ids(word[:1].upper() + word[1:]), ids(f" {word[:1].lower()}{word[1:]}"), ids(f" {word[:1].upper()}{word[1:]}"))
        return self._little_words | own

    def _edited(self, sources: list[Source], losses: dict[int, float | None]) -> list[list[Draft]]:
        """The small edits that lower the model's loss, all together, and the best one alone."""
        singles = [(i, edit) for i, source in enumerate(sources) for edit in edits.proposals(source.text, source.part)]
        gains: dict[int, list[tuple[float, edits.Edit, float]]] = {}
        for (i, edit), loss in zip(singles, token_losses(self.voice, [edit.text for _, edit in singles])):
            before = losses[id(sources[i])]
            if before is not None and loss is not None and before - loss > EDIT_GAIN:
                gains.setdefault(i, []).append((before - loss, edit, loss))
        drafts: list[list[Draft]] = [[] for _ in sources]
        for i, found in gains.items():
            found.sort(key=lambda entry: -entry[0])
            _, best, loss = found[0]
            drafts[i] = [Draft("edit", best.text, edits=best.name, style=loss)]
            if len(found) > 1:
                joined = edits.together(sources[i].text, sources[i].part, [edit for _, edit, _ in found])
                if joined.text != best.text:
                    drafts[i].append(Draft("edit", joined.text, edits=joined.name))
        return drafts

    def _reviewed(self, sources: list[Source], rows: list[list[Draft]]) -> list[list[Draft]]:
        asked: list[tuple[int, Draft]] = []
        for i, (source, row) in enumerate(zip(sources, rows)):
            asked += [(i, draft) for draft in best_first(distinct(source.text, row))[:REVIEWED]]
        verdicts = review(self.voice, [(sources[i].part, sources[i].text, draft.text) for i, draft in asked])
        known = {(i, draft.text): verdict for (i, draft), verdict in zip(asked, verdicts)}
        return [[replace(draft, verdict=known.get((i, draft.text))) for draft in row] for i, row in enumerate(rows)]

    def _rewarded(self, outcomes: list[Outcome]) -> list[Outcome]:
        """The reward guard over what is about to be proposed."""
        chosen = [i for i, outcome in enumerate(outcomes) if outcome.chosen]
        if self.reward is None or not chosen:
            return outcomes
        told = self.reward([(outcomes[i].source, outcomes[i].chosen.text) for i in chosen])  # type: ignore[union-attr]
        for i, numbers in zip(chosen, told):
            draft = outcomes[i].chosen
            if numbers is None or draft is None:
                continue
            guard = reward_kept(Pair(outcomes[i].source.text, draft.text, outcomes[i].source.part, reward_before=numbers[0], reward_after=numbers[1], reward_margin=self.reward_margin))
            assert guard is not None
            draft = replace(draft, guards=(*draft.guards, guard))
            outcomes[i] = replace(outcomes[i], chosen=draft if guard.passed else None, nearest=draft, extra={"reward": list(numbers)},
                                  kept=None if guard.passed else Kept("reward", f"the reward would fall: {guard.detail}"))
        return outcomes
