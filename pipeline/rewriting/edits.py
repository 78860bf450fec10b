"""Small edits that leave the meaning alone: contractions, one spelling, fewer filler words, plainer phrases. Pure.

The project proposes them, the model only ranks them by its own likelihood; a text made this way is stored and shown as
"edit ranked by the model", never as the model's writing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """One proposal: the whole text after it, and its name for a person."""

    name: str
    text: str
    rule: int = -1
    """Place of its rule in RULES: with it the same edit can be made on another version of the text."""


@dataclass(frozen=True)
class _Rule:
    name: str
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]
    part: str = ""
    """"question", "answer" or both ("")."""


def _rule(name: str, pattern: str, replacement: str | Callable[[re.Match[str]], str], part: str = "") -> _Rule:
    return _Rule(name, re.compile(pattern, re.IGNORECASE), replacement, part)


_WHAT = r"(?:image|picture|photo|photograph)"

_FILLER = [
    r"it is (?:also )?(?:worth|important) (?:noting|mentioning|to note|to mention)(?: here)? that ", r"it (?:should|must|may|can)(?: also| further)? be (?:noted|mentioned|said|observed) that ",
    r"it goes without saying that ", r"needless to say,? ", r"as (?:we|you|one) can (?:clearly )?see(?: in (?:the|this) " + _WHAT + r")?, ", r"as can be seen(?: in (?:the|this) " + _WHAT + r")?, ",
    r"it is (?:clear|obvious|evident|apparent) that ", r"(?:basically|essentially|actually|in fact|of course|as a matter of fact), ", r"in this particular case,? ", r"at this particular moment,? ",
    r"last but not least, ", r"generally speaking, ", r"to be (?:honest|precise|exact), ", r"for all intents and purposes,? ", r"well, ",
]
_PLAIN: list[tuple[str, str]] = [
    ("in order to", "to"), ("so as to", "to"), ("due to the fact that", "because"), ("owing to the fact that", "because"), ("in spite of the fact that", "although"),
    ("despite the fact that", "although"), ("for the purpose of", "for"), ("in the event that", "if"), ("with regard to", "about"), ("with respect to", "about"),
    ("prior to", "before"), ("subsequent to", "after"), ("in the process of", ""), ("is able to", "can"), ("are able to", "can"), ("has the ability to", "can"), ("have the ability to", "can"),
    ("in close proximity to", "close to"), ("utilizes", "uses"), ("utilises", "uses"), ("utilize", "use"), ("utilise", "use"), ("utilizing", "using"), ("utilising", "using"),
    ("is located", "is"), ("are located", "are"), ("is situated", "is"), ("are situated", "are"), ("is positioned", "is"), ("are positioned", "are"),
    ("there is a possibility that", "perhaps"), ("at the present time", "now"), ("by means of", "by"), ("of this sort", "like this"), ("a sort of", "a"), ("a kind of", "a"),
    ("quite", ""), ("really", ""), ("rather than", "instead of"), ("whilst", "while"), ("amongst", "among"), ("upon", "on"), ("which is to say", "that is"),
]
_NOTS = "is are was were does do did has have had would could should need must".split()
_SPELLING = {
    "colour": "color", "colours": "colors", "coloured": "colored", "colourful": "colorful", "grey": "gray", "greyish": "grayish", "centre": "center", "centres": "centers",
    "favourite": "favorite", "harbour": "harbor", "neighbour": "neighbor", "theatre": "theater", "metre": "meter", "metres": "meters", "storey": "story", "storeys": "stories",
    "jewellery": "jewelry", "towards": "toward", "backwards": "backward", "forwards": "forward", "tyre": "tire", "tyres": "tires", "behaviour": "behavior", "odour": "odor",
    "plough": "plow", "fibre": "fiber", "fibres": "fibers", "mould": "mold", "armour": "armor",
}

RULES: tuple[_Rule, ...] = (
    *(_rule("filler left out", rf"\b{phrase}", "") for phrase in _FILLER),
    _rule("filler left out", r"\b(?:in|from) (?:the|this) " + _WHAT + r",? (?:we|you|one) can (?:clearly )?see (?=an?\b|the\b|two|three|four|many|several|some)", "the image shows ", "answer"),
    _rule("filler left out", r"\b(?:the|this) (" + _WHAT + r") (?:depicts|displays|portrays|features)\b", r"the \1 shows", "answer"),
    _rule("plain opening", r"\bin (?:the|this) " + _WHAT + r", there (?:is|are) (?=an?\b|two|three|four|many|several|some)", "the image shows ", "answer"),
    _rule("plain opening", r"^there (?:is|are) (an? [\w -]{2,60}?|two [\w -]{2,60}?|three [\w -]{2,60}?) in (?:the|this) " + _WHAT + r"(?=[.,])", r"the image shows \1", "answer"),
    _rule("“image”", r"\b(the|this) (?:picture|photo|photograph)\b(?! (?:frame|album|book))", r"\1 image"),
    _rule("plain question", r"^(?:can|could|would) you (?:please )?(?:tell me|say|explain) (?=what|which|who|where|when|why|how)(what|which|who|where|why) (is|are) (.+)\?$", r"\1 \2 \3?", "question"),
    _rule("plain question", r"^(?:can|could|would) you (?:please )?(describe|explain|list|name) (.+)\?$", r"\1 \2.", "question"),
    _rule("plain question", r"^please ", "", "question"),
    _rule("plain question", r"\bwhat (?:can you see|do you see|is (?:to be seen|visible)) in\b", "what is in", "question"),
    _rule("plain question", r"\bwhat is the colou?r of the ([\w'-]+(?: [\w'-]+)?)(?=\?| (?:that|which|who|in|on|at|beside|near|under|behind|with|and)\b)",
          lambda m: f"what color {'are' if m[1].endswith('s') and not m[1].endswith(('ss', 'us')) else 'is'} the {m[1]}", "question"),
    _rule("filler left out", r",? generally speaking(?=[.?!,])", ""),
    _rule("filler left out", r",? (?:that|which) is to say,? ", ", "),
    _rule("shorter clause", r"(?<=[a-z]) (?:that|which|who) (?:is|are) (?=(?:in|on|at|beside|under|behind|near|sitting|standing|lying|walking|wearing|holding|carrying|made|painted|covered|surrounded)\b)", " "),
    _rule("plain question", r"\bhow many ([\w' -]{2,40}?) (?:can be seen|are visible|are to be seen|can you see|do you see)\b", r"how many \1 are there", "question"),
    _rule("plain question", r"\b(?:which are|that are) (?=\w+ing\b)", "", "question"),
    *(_rule("plainer phrase", rf"\b{re.escape(wordy)} " if not plain else rf"\b{re.escape(wordy)}\b", plain) for wordy, plain in _PLAIN),
    *(_rule("“not” in full", rf"\b({verb})n['’]t\b(?=[ ,.;])", r"\1 not", "answer") for verb in _NOTS),
    *(_rule("“not” contracted", rf"\b({verb}) not\b", r"\1n't", "answer") for verb in _NOTS if verb not in ("need", "must")),
    _rule("“not” in full", r"\bcan['’]t\b(?=[ ,.;])", "cannot", "answer"),
    _rule("“not” contracted", r"\bcannot\b", "can't", "answer"),
    _rule("“not” in full", r"\bwon['’]t\b(?=[ ,.;])", "will not", "answer"),
    _rule("“is” in full", r"\b(it|he|she|that|there|here|what|who|where)['’]s\b(?! (?:been|got|had|\w+ed\b))", r"\1 is"),
    _rule("“is” contracted", r"\b(it|he|she|that|there) is\b(?= \w)", r"\1's", "answer"),
    _rule("“are” in full", r"\b(they|we|you)['’]re\b", r"\1 are"),
    _rule("“are” contracted", r"\b(they|we|you) are\b(?= \w)", r"\1're", "answer"),
    _rule("“will” in full", r"\b(it|he|she|they|we|you|that|there)['’]ll\b", r"\1 will"),
    *(_rule("spelling", rf"\b{british}\b", american) for british, american in _SPELLING.items()),
    _rule("two sentences", r"(?<=\w); (?=(?:it|he|she|they|the|there|this|that|these|those|its|their|his|her|one|two|three|some|most|all|both|no|nothing)\b)", ". ", "answer"),
    _rule("“that” for “which”", r"(?<=[a-z]) which (?=is|are|was|were|has|have|can|stands?|lies?|lie|sits?|shows?|carry|carries|looks?|makes?)", " that "),
    _rule("“and” for “as well as”", r",? as well as\b", " and"),
    _rule("comma", r"(?<=\w) (?:—|–) (?=\w)", ", "),
)


def proposals(text: str, part: str) -> list[Edit]:
    """Every single edit that applies, each over all its places at once, without doubles and without the text itself."""
    found: dict[str, Edit] = {}
    for i, rule in enumerate(RULES):
        after = apply(text, part, i)
        if after and after != text and after not in found:
            found[after] = Edit(rule.name, after, i)
    return list(found.values())


def apply(text: str, part: str, rule: int) -> str:
    """The text after one rule; unchanged where it doesn't apply."""
    chosen = RULES[rule]
    if chosen.part and chosen.part != part:
        return text
    swap = chosen.replacement
    return _mend(text, chosen.pattern.sub(lambda m: _like(m.group(), m.expand(swap) if isinstance(swap, str) else swap(m)), text))


def together(text: str, part: str, edits: Sequence[Edit]) -> Edit:
    """Several edits one after the other, in the given order; their names are joined once each."""
    for edit in edits:
        text = apply(text, part, edit.rule)
    return Edit(", ".join(dict.fromkeys(edit.name for edit in edits)), text)


def _like(before: str, after: str) -> str:
    """The replacement with the capital that the replaced words began with."""
    return after[0].upper() + after[1:] if after and before[0].isupper() else after


def _mend(before: str, after: str) -> str:
    """Capital letters at sentence starts where the original had them, and no double blanks."""
    after = re.sub(r"[ \t]{2,}", " ", after).strip() if after != before else after
    if before[:1].isupper() or before[:1] in "\"“'(":
        after = after[:1].upper() + after[1:]
    return re.sub(r"([.?!]\s+)([a-z])", lambda m: m[1] + m[2].upper(), after) if not re.search(r"[.?!]\s+[a-z]", before) else after
