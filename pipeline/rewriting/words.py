"""English words as the guards see them: normalised tokens, numbers, content words, and what a marker stands beside. Pure.

Crude on purpose: a word list and a suffix rule err towards "changed", and a doubtful rewrite keeps the original.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*%?|[^\W\d_]+(?:['’][^\W\d_]+)?|[^\w\s]")
_SENTENCE_END = frozenset(".?!;:")
_CLAUSE_END = _SENTENCE_END | frozenset(",()—–\"“”")

UNITS = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen").split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBER_WORDS = {word: str(i) for i, word in enumerate(UNITS)} | {word: str(20 + 10 * i) for i, word in enumerate(TENS)} | {
    "hundred": "100", "thousand": "1000", "million": "1000000", "dozen": "12", "dozens": "12s", "hundreds": "100s", "thousands": "1000s",
    "once": "1x", "twice": "2x", "half": "1/2", "quarter": "1/4", "third": "3rd", "first": "1st", "second": "2nd", "fourth": "4th", "fifth": "5th", "sixth": "6th",
    "pair": "pair", "pairs": "pairs", "single": "single", "double": "double"}
QUANTITIES = frozenset("all every each both several few many most some any none only more less fewer least half another other others".split())
NEGATIONS = frozenset("not no never none nobody nothing nowhere neither nor without hardly barely scarcely cannot lack lacks lacking absent".split())
COLOURS = frozenset(("black white red green blue yellow orange purple pink brown gray golden gold silver beige violet turquoise teal navy maroon crimson scarlet "
                     "ivory cream tan bronze copper reddish bluish greenish yellowish grayish brownish pinkish dark light pale bright colorful").split())
PLACES = frozenset(("left right above below behind beneath under over inside outside top bottom front back upper lower middle center foreground background "
                    "north south east west up down upright between beside near next far away leftmost rightmost").split())
QUESTION_WORDS = frozenset("what which who whom whose where when why how".split())

FUNCTION_WORDS = frozenset((
    "a an the this that these those it its it's he she they them their his her him i you we us our your my me one's is are was were be been being am do does did done doing "
    "has have had having will would can could shall should may might must of in on at by for with from to into onto as than then so and or but if because since while "
    "although though when where who whom whose which what why how there here very also too just about out off through during before after until across along around "
    "against among per via like such own same s t d ll re ve m let let's whether however thus therefore hence both either").split())
FILLERS = frozenset((
    "worth note noting noted mention mentioned mentioning say saying goes important interesting interestingly notably remark observe observed see seen seeing visible show shows showing shown "
    "depict depicts depicting depicted feature features display displays capture captures captured image picture photo photograph scene view "
    "well clearly obviously certainly definitely basically actually really quite rather simply indeed essentially overall generally appear appears kind sort order fact due able ability "
    "possible make makes made use used using utilize utilized located situated positioned thing things way regard regards respect terms case particular manner "
    "owing please tell describe description give say provide know want wish would").split())
"""Words that carry no picture content: leaving them out or bringing them in changes nothing that a guard protects."""

_BRITISH = {"colour": "color", "colours": "colors", "coloured": "colored", "colourful": "colorful", "colouring": "coloring", "grey": "gray", "greyish": "grayish",
            "centre": "center", "centres": "centers", "favourite": "favorite", "harbour": "harbor", "neighbour": "neighbor", "theatre": "theater", "metre": "meter",
            "metres": "meters", "storey": "story", "storeys": "stories", "jewellery": "jewelry", "towards": "toward", "backwards": "backward", "forwards": "forward",
            "whilst": "while", "amongst": "among", "tyre": "tire", "tyres": "tires", "flavour": "flavor", "behaviour": "behavior", "mould": "mold", "plough": "plow",
            "golden": "gold", "armour": "armor", "odour": "odor", "honour": "honor", "labour": "labor", "parlour": "parlor", "fibre": "fiber", "fibres": "fibers"}
_CONTRACTED = re.compile(r"\b(ca|wo|sha|[a-z]+)n['’]t\b", re.IGNORECASE)
_IRREGULAR_NOT = {"ca": "can", "wo": "will", "sha": "shall"}
_SHORT_IS = re.compile(r"\b(it|he|she|that|there|here|what|who|where|how|when|why)'s\b(?! (?:been|got|had)\b)", re.IGNORECASE)
_SHORT_VERBS = (("are", re.compile(r"(?<=[a-z])'re\b", re.IGNORECASE)), ("will", re.compile(r"(?<=[a-z])'ll\b", re.IGNORECASE)),
                ("have", re.compile(r"(?<=[a-z])'ve\b", re.IGNORECASE)), ("am", re.compile(r"\bi'm\b", re.IGNORECASE)))
_IDIOMS = re.compile(r"\b(?:it goes without saying that|needless to say|last but not least|if nothing speaks against it|no doubt)\b,?", re.IGNORECASE)
"""Phrases whose "without" or "not" denies nothing."""


@dataclass(frozen=True)
class Word:
    """One token: `raw` as written, `norm` lower-case with one spelling, `starts` true at the start of a sentence."""

    raw: str
    norm: str
    starts: bool

    @property
    def is_word(self) -> bool:
        return self.raw[0].isalnum()


def tokens(text: str) -> list[Word]:
    """Words, numbers and punctuation in reading order; "don't" becomes "do" + "not", "grey" is "gray"."""
    text = _IDIOMS.sub("", text.replace("’", "'"))
    text = _CONTRACTED.sub(lambda m: f"{_IRREGULAR_NOT.get(m[1].lower(), m[1])} not", text)
    text = _SHORT_IS.sub(r"\1 is", text)
    for verb, pattern in _SHORT_VERBS:
        text = pattern.sub(f" {verb}" if verb != "am" else "I am", text)
    text = re.sub(r"\b([Cc]an)not\b", r"\1 not", text)
    found: list[Word] = []
    starts = True
    for piece in _TOKEN.findall(text):
        norm = piece.lower()
        norm = _BRITISH.get(norm, norm)
        found.append(Word(piece, norm, starts))
        if piece in _SENTENCE_END:
            starts = True
        elif piece[0].isalnum():
            starts = False
    return found


def words(text: str) -> list[str]:
    """Normalised words and numbers, without punctuation."""
    return [w.norm for w in tokens(text) if w.is_word]


def stem(word: str) -> str:
    """One form for "dog", "dogs", "dog's"; "sit", "sits", "sitting". Not linguistics, only the same rule on both sides."""
    word = word.split("'")[0]
    for suffix, least in (("ies", 2), ("ing", 3), ("ed", 3), ("es", 3), ("ly", 3), ("s", 3), ("e", 3), ("y", 3)):
        if word.endswith(suffix) and len(word) - len(suffix) >= least and not word.endswith("ss"):
            word = word[:-len(suffix)]
            break
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    if word.endswith("y") and len(word) > 3:
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl" else word


def is_number(norm: str) -> bool:
    return norm[0].isdigit() or norm in _NUMBER_WORDS


def number(norm: str) -> str:
    """A number word or digits → one spelling: "two" and "2" are the same, so are "1,200" and "1200"."""
    if norm in _NUMBER_WORDS:
        return _NUMBER_WORDS[norm]
    return re.sub(r",(?=\d{3}\b)", "", norm)


def numbers(text: str) -> Counter[str]:
    return Counter(number(w.norm) for w in tokens(text) if w.is_word and is_number(w.norm))


def is_content(norm: str) -> bool:
    """A word that names something of the picture: no function word, no filler."""
    return len(norm) > 1 and norm not in FUNCTION_WORDS and norm not in FILLERS and not norm.startswith("'")


def content_stems(text: str) -> list[str]:
    """Stems of content words in reading order; numbers and negations have guards of their own and are left out."""
    return [stem(w.norm) for w in tokens(text)
            if w.is_word and is_content(w.norm) and not is_number(w.norm) and w.norm not in NEGATIONS and w.norm not in QUANTITIES]


def attachments(text: str, markers: frozenset[str] | None) -> Counter[tuple[str, str]]:
    """(marker, the content word it stands with): the next one within four words of its clause, else the one before.

    `markers` None means numbers. A marker alone in its clause is paired with "".
    """
    found: Counter[tuple[str, str]] = Counter()
    row = tokens(text)
    for i, word in enumerate(row):
        hit = word.is_word and (is_number(word.norm) if markers is None else word.norm in markers)
        if hit:
            key = number(word.norm) if markers is None else word.norm
            found[key, _neighbour(row, i, 1) or _neighbour(row, i, -1)] += 1
    return found


def _neighbour(row: list[Word], at: int, step: int) -> str:
    for i in range(at + step, at + 5 * step, step):
        if not 0 <= i < len(row) or row[i].raw in _CLAUSE_END:
            return ""
        norm = row[i].norm
        if norm == "and" and step > 0:
            continue
        if row[i].is_word and is_content(norm) and norm not in COLOURS and norm not in PLACES and not is_number(norm) and norm not in QUANTITIES and norm not in NEGATIONS:
            return stem(norm)
    return ""


def names(text: str) -> set[str]:
    """Capitalised words inside a sentence and words with inner capitals or digits: names, brands, abbreviations (lower-cased)."""
    found = set()
    for word in tokens(text):
        if not word.raw[0].isalpha() or word.norm in ("i", "i'm", "i'd", "i'll", "i've"):
            continue
        inner = any(c.isupper() for c in word.raw[1:])
        if inner or (word.raw[0].isupper() and not word.starts):
            found.add(word.norm.split("'")[0])
    return found


def quotations(text: str) -> set[str]:
    """What stands in quotation marks, lower-cased."""
    return {m.strip(" .,!?").lower() for m in re.findall(r"[\"“”]([^\"“”]{1,200})[\"“”]|(?<!\w)['‘]([^'‘’]{2,200})['’](?!\w)", text) for m in m if m.strip(" .,!?")}
