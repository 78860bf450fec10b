"""The meaning guards: each a small pure function over one original and one rewrite, each with its own finding.

A guard never mends a text. One that fails keeps the original; which one, and on what word, is told to the person.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.records import Guard
from pipeline.rewriting.eligibility import ROLE_TAG, SPECIAL_TOKENS, foreign_letters, in_english, is_refusal
from pipeline.rewriting.words import (COLOURS, NEGATIONS, PLACES, QUANTITIES, QUESTION_WORDS, attachments, content_stems, is_number, names, number, numbers,
                                      quotations, stem, tokens, words)

GUARDS_VERSION = "1"
"""Part of the key of stored rewrites: raise it when a guard or a bound changes, so that a new run judges anew."""

SHORTEST, LONGEST = 0.5, 1.8
"""Bounds of words after ÷ words before."""
SLACK_WORDS = 3
"""Very short texts may differ by this many words whatever the ratio says."""
NEW_SHARE = 0.1
"""Largest share of content words that the original doesn't have."""
KEPT_SHARE = 0.9
"""Least share of the original's content words that must come back."""
ORDER_SHARE = 0.7
"""Least share of the common content words that stand in the original's order."""
STYLE_GAIN = 0.01
"""Nats a token by which the rewrite must be closer to the model's manner."""

_META = re.compile(
    r"\b(?:re(?:written|phrased?|phrasing|worded|writing|write)|paraphrased?|original (?:text|question|answer|sentence|version)|revised (?:text|version|question|answer|sentence)"
    r"|improved version|in my own words|here(?:'s| is| are) (?:the|a|an|my|your|one)\b[^.?!]{0,30}\b(?:version|text|question|answer|sentence|rewrite))\b"
    r"|^\s*(?:sure|certainly|of course|okay|absolutely)\b\s*[,!.:]|\bas requested\b|\bi(?:'ve| have) (?:changed|kept|made|written)\b", re.IGNORECASE)
_MARKUP = re.compile(r"\*\*|^#{1,6} |`|^\s*[-*•] |<[a-z/][^>]*>", re.MULTILINE | re.IGNORECASE)
_PRONOUNS = frozenset("he she it they him them her his their its".split())
_EMPTY_IT = re.compile(r"\bit(?:['’]s| is| was| seems| appears| looks like)\b|\bis it (?=the case|true|possible|likely|that\b)", re.IGNORECASE)
_LINKS = frozenset("because so if unless although but while before after until since therefore".split())
_HEDGES = {word: group[0] for group in (("perhaps", "maybe", "possibly"), ("probably", "likely", "presumably"), ("may", "might"), ("seems", "seem", "seemed", "appears", "appear", "apparently"),
                                        ("certainly", "definitely", "surely", "undoubtedly"), ("usually", "mostly", "normally"), ("often",), ("sometimes",), ("rarely", "seldom"),
                                        ("almost", "nearly"), ("roughly", "approximately"), ("always",)) for word in group}
"""Words that say how sure or how often, each with the word that stands for its group."""
_SAME_LINK = ((re.compile(r"\b(?:due|owing) to the fact that\b|\bbecause of\b|\bas a result of\b", re.IGNORECASE), "because"),
              (re.compile(r"\b(?:in spite|despite) (?:of )?the fact that\b|\beven though\b|\b(?<!even )though\b", re.IGNORECASE), "although"),
              (re.compile(r"\bin the event that\b", re.IGNORECASE), "if"), (re.compile(r"\bprior to\b", re.IGNORECASE), "before"),
              (re.compile(r"\bsubsequent to\b", re.IGNORECASE), "after"), (re.compile(r"\bwhilst\b", re.IGNORECASE), "while"),
              (re.compile(r"\b(?:so as|in order) to\b", re.IGNORECASE), "to"), (re.compile(r"\bhowever\b", re.IGNORECASE), "but"),
              (re.compile(r"\b(?:thus|therefore|hence)\b", re.IGNORECASE), "so"))
_ORDERS = frozenset("describe explain list name tell give identify count compare discuss summarize summarise provide write imagine consider suggest estimate look find point state show say mention".split())


@dataclass(frozen=True)
class Pair:
    """What a guard looks at. Numbers are None where nobody measured them; the guard that needs them is then left out."""

    original: str
    text: str
    part: str
    style_before: float | None = None
    style_after: float | None = None
    reward_before: float | None = None
    reward_after: float | None = None
    reward_margin: float = 0.0


def check(pair: Pair) -> tuple[Guard, ...]:
    """Run every guard that applies, in the order of the table."""
    return tuple(found for guard in GUARDS.values() if (found := guard(pair)) is not None)


def failed(guards: Iterable[Guard]) -> list[Guard]:
    return [guard for guard in guards if not guard.passed]


def numbers_kept(pair: Pair) -> Guard:
    """The same numbers, as digits or words, and the same quantity words (all, some, several …)."""
    before, after = numbers(pair.original), numbers(pair.text)
    before.update(w for w in words(pair.original) if w in QUANTITIES)
    after.update(w for w in words(pair.text) if w in QUANTITIES)
    return _same("numbers", before, after)


def negation_kept(pair: Pair) -> Guard:
    """As many of each negation as before: not, no, never, without …"""
    return _same("negation", _count(pair.original, NEGATIONS), _count(pair.text, NEGATIONS))


def colours_kept(pair: Pair) -> Guard:
    return _same("colours", Counter(set(_count(pair.original, COLOURS))), Counter(set(_count(pair.text, COLOURS))))


def places_kept(pair: Pair) -> Guard:
    """Left and right, above and below, front and back."""
    return _same("left/right", Counter(set(_count(pair.original, PLACES))), Counter(set(_count(pair.text, PLACES))))


def names_kept(pair: Pair) -> Guard:
    """Capitalised names, abbreviations and quoted words."""
    before, after = names(pair.original), names(pair.text)
    everywhere_before, everywhere_after = set(words(pair.original)), set(words(pair.text))
    missing = sorted((before - everywhere_after) | (quotations(pair.original) - quotations(pair.text)))
    new = sorted((after - everywhere_before) | (quotations(pair.text) - quotations(pair.original)))
    return _told("names", missing, new)


def attached_alike(pair: Pair) -> Guard:
    """Numbers and colours stand with the same thing: "two brown dogs" is not "a dog and two brown cats"."""
    wrong = []
    for markers in (None, COLOURS):
        before, after = attachments(pair.original, markers), attachments(pair.text, markers)
        wrong += [f"{marker} {thing}".strip() for marker, thing in (before - after) if thing and any(m == marker and other for m, other in after - before)]
    return Guard("attached", not wrong, "" if not wrong else f"stands with something else now: {_list(wrong)}")


def no_new_things(pair: Pair) -> Guard:
    """No content words of its own beyond a small share."""
    known = set(content_stems(pair.original))
    row = [w for w in dict.fromkeys(content_stems(pair.text)) if w not in known]
    allowed = int(NEW_SHARE * len(known))
    return Guard("no new things", len(row) <= allowed, "" if len(row) <= allowed else f"new: {_list(_as_written(pair.text, row))}")


def things_kept(pair: Pair) -> Guard:
    """The content words come back."""
    wanted = list(dict.fromkeys(content_stems(pair.original)))
    have = set(content_stems(pair.text))
    missing = [w for w in wanted if w not in have]
    ok = len(missing) <= (1 - KEPT_SHARE) * len(wanted)
    return Guard("things kept", ok, "" if ok else f"missing: {_list(_as_written(pair.original, missing))}")


def order_kept(pair: Pair) -> Guard:
    """Who does what to whom: the content words stand mostly in the order of the original."""
    before, after = content_stems(pair.original), content_stems(pair.text)
    common = [w for w in after if w in set(before)]
    if len(common) < 2:
        return Guard("order", True)
    share = _longest_common(before, after) / max(1, min(len(before), len(after), len(common)))
    return Guard("order", share >= ORDER_SHARE, "" if share >= ORDER_SHARE else "its words are turned round, so it may say something else")


def pronouns_kept(pair: Pair) -> Guard:
    """He, she, it and they: who is meant is kept. The "it" of "it is" points at nothing and doesn't count."""
    return _same("pronouns", _count(_EMPTY_IT.sub("is", pair.original), _PRONOUNS), _count(_EMPTY_IT.sub("is", pair.text), _PRONOUNS))


def links_kept(pair: Pair) -> Guard:
    """Because, so, if, although, before, after: what leads to what."""
    before, after = _count(_plain_links(pair.original), _LINKS), _count(_plain_links(pair.text), _LINKS)
    return _same("links", before, after)


def certainty_kept(pair: Pair) -> Guard:
    """Perhaps, probably, seems, about, certainly: a guess stays a guess, and what is sure stays sure."""
    return _same("certainty", Counter(set(_hedges(pair.original))), Counter(set(_hedges(pair.text))))


def question_kept(pair: Pair) -> Guard | None:
    """A question stays that question: as many question marks, the same question word; an order stays an order."""
    if pair.part != "question":
        return Guard("no question", pair.text.count("?") <= pair.original.count("?"), "" if pair.text.count("?") <= pair.original.count("?") else "an answer became a question")
    before, after = pair.original.count("?"), pair.text.count("?")
    if before != after:
        return Guard("question", False, "is no question any more" if after < before else "asks more than before")
    if before and not pair.text.rstrip(" \"'”’)").endswith("?") and pair.original.rstrip(" \"'”’)").endswith("?"):
        return Guard("question", False, "no longer ends with its question")
    if _requests(pair.original) != _requests(pair.text):
        return Guard("question", False, f"{_requests(pair.original)} things were asked for, now {_requests(pair.text)}")
    kind_before, kind_after = _question_kind(pair.original), _question_kind(pair.text)
    if kind_before != kind_after:
        return Guard("question", False, f"asked “{kind_before}”, now “{kind_after}”")
    return Guard("question", True)


def length_in_bounds(pair: Pair) -> Guard:
    before, after = len(words(pair.original)), len(words(pair.text))
    ratio = after / max(1, before)
    ok = after > 0 and (SHORTEST <= ratio <= LONGEST or (abs(after - before) <= SLACK_WORDS and ratio >= SHORTEST))
    return Guard("length", ok, "" if ok else f"{before} words became {after}")


def no_refusal(pair: Pair) -> Guard:
    ok = not is_refusal(pair.text) or is_refusal(pair.original)
    return Guard("no refusal", ok, "" if ok else "declines to answer")


def no_meta_talk(pair: Pair) -> Guard:
    """No talk about rewriting ("Here is the rewritten …"), unless the original has the same words."""
    found = _META.search(pair.text.replace("’", "'"))
    ok = found is None or found.group().strip().lower() in pair.original.lower()
    return Guard("no meta talk", ok, "" if ok or found is None else f"says “{found.group().strip()}”")


def no_special_tokens(pair: Pair) -> Guard:
    """No chat marks, role tags, `<image>` tags or markup that the original hasn't."""
    for pattern in (SPECIAL_TOKENS, ROLE_TAG, _MARKUP):
        found = pattern.search(pair.text)
        if found and len(pattern.findall(pair.text)) > len(pattern.findall(pair.original)):
            return Guard("no marks", False, f"holds {found.group().strip()!r}")
    if pair.text.count("\n\n") > pair.original.count("\n\n"):
        return Guard("no marks", False, "has paragraphs of its own")
    return Guard("no marks", True)


def language_kept(pair: Pair) -> Guard:
    foreign = foreign_letters(pair.text) - foreign_letters(pair.original)
    ok = foreign <= 0 and (in_english(pair.text) or not in_english(pair.original))
    return Guard("language", ok, "" if ok else "another language or script")


def no_loops(pair: Pair) -> Guard:
    """No run of three words and no content word more often than the original has it: small models like to repeat themselves."""
    before, after = _trigrams(pair.original), _trigrams(pair.text)
    looped = [" ".join(run) for run, n in after.items() if n > max(1, before[run])]
    known, now = Counter(content_stems(pair.original)), Counter(content_stems(pair.text))
    looped += _as_written(pair.text, [word for word, n in now.items() if known[word] and n > known[word]])
    return Guard("no loops", not looped, "" if not looped else f"repeats “{looped[0]}”")


def whole_sentence(pair: Pair) -> Guard:
    """Ends as the original ends: not cut off in mid-sentence."""
    closed = ".!?…"
    before, after = pair.original.rstrip(" \"'”’)"), pair.text.rstrip(" \"'”’)")
    ok = not before or before[-1] not in closed or (after != "" and after[-1] in closed)
    return Guard("whole", ok, "" if ok else "ends in mid-sentence")


def closer_in_style(pair: Pair) -> Guard | None:
    if pair.style_before is None or pair.style_after is None:
        return None
    gain = pair.style_before - pair.style_after
    return Guard("style", gain >= STYLE_GAIN, f"{pair.style_before:.2f} → {pair.style_after:.2f} nats a token")


def reward_kept(pair: Pair) -> Guard | None:
    """The reward model's score does not fall by more than the margin."""
    if pair.reward_before is None or pair.reward_after is None:
        return None
    ok = pair.reward_after >= pair.reward_before - pair.reward_margin
    return Guard("reward", ok, f"{pair.reward_before:+.2f} → {pair.reward_after:+.2f}, margin {pair.reward_margin:.2f}")


GUARDS: dict[str, Callable[[Pair], Guard | None]] = {
    # name as shown → function. A new guard is one function and one line here.
    "numbers": numbers_kept, "negation": negation_kept, "colours": colours_kept, "left/right": places_kept, "names": names_kept, "attached": attached_alike,
    "pronouns": pronouns_kept, "links": links_kept, "certainty": certainty_kept, "no new things": no_new_things, "things kept": things_kept, "order": order_kept, "question": question_kept, "length": length_in_bounds,
    "no refusal": no_refusal, "no meta talk": no_meta_talk, "no marks": no_special_tokens, "language": language_kept, "no loops": no_loops, "whole": whole_sentence,
    "style": closer_in_style, "reward": reward_kept,
}


def same_text(before: str, after: str) -> bool:
    """True where the two differ in nothing but blanks, capitals and end marks."""
    return [w.norm for w in tokens(before) if w.raw not in ".!"] == [w.norm for w in tokens(after) if w.raw not in ".!"] and _plain(before) == _plain(after)


def _plain(text: str) -> str:
    return re.sub(r"[\s.!]+", " ", text.replace("’", "'")).strip().lower()


def _count(text: str, wanted: frozenset[str]) -> Counter[str]:
    return Counter(w for w in words(text) if w in wanted)


def _hedges(text: str) -> list[str]:
    return [_HEDGES[w] for w in words(text) if w in _HEDGES]


def _plain_links(text: str) -> str:
    for pattern, plain in _SAME_LINK:
        text = pattern.sub(plain, text)
    return text


def _same(name: str, before: Counter[str], after: Counter[str]) -> Guard:
    return _told(name, sorted((before - after).elements()), sorted((after - before).elements()))


def _told(name: str, missing: list[str], new: list[str]) -> Guard:
    parts = [f"missing: {_list(missing)}"] if missing else []
    parts += [f"new: {_list(new)}"] if new else []
    return Guard(name, not parts, "; ".join(parts))


def _list(items: Iterable[str], most: int = 6) -> str:
    row = list(items)
    return ", ".join(row[:most]) + (f" and {len(row) - most} more" if len(row) > most else "")


def _as_written(text: str, stems: list[str]) -> list[str]:
    shown = {stem(w.norm): w.raw for w in reversed(tokens(text)) if w.is_word}
    return [shown.get(s, s) for s in stems]


def _question_kind(text: str) -> str:
    """The word that says what is asked: what, how many, yes or no, or the verb of an order."""
    row = words(text)
    if "?" in text:
        for i, word in enumerate(row):
            if word in QUESTION_WORDS:
                return f"how {row[i + 1]}" if word == "how" and row[i + 1:i + 2] and row[i + 1] in ("many", "much", "old", "far", "long", "big", "tall", "large") else word
        return "yes or no"
    return "order" if any(w in _ORDERS for w in row[:4]) else "statement"


def _requests(text: str) -> int:
    """Sentences that ask or order something."""
    parts = [part for part in re.split(r"(?<=[.?!])\s+", text.strip()) if part]
    return sum("?" in part or _question_kind(part) == "order" for part in parts)


def _trigrams(text: str) -> Counter[tuple[str, ...]]:
    row = words(text)
    return Counter(zip(row, row[1:], row[2:]))


def _longest_common(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence."""
    line = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for j, y in enumerate(b, 1):
            diagonal, line[j] = line[j], diagonal + 1 if x == y else max(line[j], line[j - 1])
    return line[-1]
