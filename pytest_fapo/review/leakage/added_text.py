"""Split text into words, and find the words that an edit adds to the project's prompts.

Case, punctuation, accents and spacing hide nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property, lru_cache

Words = tuple[str, ...]

_HAN = "\u3005\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

_KANA = "\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff"

_BRAHMIC = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
"""Thai, Lao, Burmese, Khmer and the Tai scripts: no spaces between words, vowels as marks on consonants."""

_SPACELESS = _HAN + _KANA + _BRAHMIC

_INDIC = 0x0900
"""From here on a mark is a vowel or a part of a letter; before, an accent that a copy may leave out."""


def _marks() -> str:
    """Return the marks from `_INDIC` on, for a character class."""
    places = [*range(_INDIC, 0x2000), *range(0x3000, 0x3100), *range(0xA800, 0xAC00)]
    return "".join(chr(code) for code in places if unicodedata.category(chr(code)).startswith("M"))


MARKS = _marks()

_WORD = re.compile(rf"[{_SPACELESS}][{MARKS}]*|[^\W_{_SPACELESS}](?:[^\W_{_SPACELESS}]|[{MARKS}])*")

_WEIGHTS = (
    (re.compile(f"[{_HAN}]"), 0.6),
    (re.compile(f"[{_KANA}]"), 0.4),
    (re.compile(f"[{_BRAHMIC}]"), 0.3),
    (re.compile("[\u0f00-\u0fff]"), 0.6),
)
"""The share of a word that a token makes up: of Chinese, Japanese, Thai and the like a sign, of Tibetan a
syllable.
"""

_HIRAGANA = re.compile("[\u3041-\u309f]")

_APOSTROPHES = re.compile(r"(?<=\w)['’‘ʼ`´](?=\w)")

_STOPWORDS = """
a about above after again against all also am an and any anything are as at back be because been
before being below between both but by can cannot cant could did didnt do does doesnt doing dont
down during each either else etc even ever every few for from further get gets getting give given go
goes going got had has hasnt have havent having he hello help her here hers hi him his how however i
if im in instead into is isnt it its itself ive just know let like long make many may me might mine
more most much must my myself need needs neither new no nor not now of off on once one only onto or
other our ours out over own per please put rather really same say says see shall she should show
since so some something still such sure take tell than thank thanks that the their theirs them then
there these they thing things this those through thus to too two under until up upon us use used
using very via want wants was wasnt way we well were what when where whether which while who whom
whose why will with within without wont would yes yet you your yours yourself
true false none null unknown na text word words name number value answer question input output first
second third last high low medium normal good bad right wrong
"""

STOPWORDS = frozenset(_STOPWORDS.split())
"""Words that say nothing about one case; the last two lines are those of answer forms."""

_TRIGGERS = """
a case contains customer customers email equals example id input inputs item mentions message messages q
query question reads request asks says text ticket user users writes
"""

TRIGGERS = frozenset(_TRIGGERS.split())
"""Words of a condition (`if the message says …`) that are no part of what it looks for."""


@lru_cache(maxsize=131072)
def words_of(text: str) -> Words:
    """Return the words of `text` in order; a character of a script without spaces, with its marks, is a
    word.
    """
    if text.isascii():
        plain = text
    else:
        kept: list[str] = []
        for char in unicodedata.normalize("NFKD", text):
            category = unicodedata.category(char)
            if category != "Cf" and (category != "Mn" or (kept and ord(kept[-1]) >= _INDIC)):
                kept.append(char)
        plain = unicodedata.normalize("NFC", "".join(kept))
    return tuple(_WORD.findall(_APOSTROPHES.sub("", plain).casefold()))


def content_of(words: Words) -> Words:
    """Return the words that carry meaning; Japanese writes endings and particles in hiragana."""
    return tuple(word for word in words if word not in STOPWORDS and not _HIRAGANA.match(word))


def grams_of(words: Words, size: int) -> dict[Words, int]:
    """Return every run of `size` words, with the place where it first begins."""
    found: dict[Words, int] = {}
    for index in range(len(words) - size + 1):
        found.setdefault(words[index : index + size], index)
    return found


def weight_of(words: Words) -> float:
    """So many words this is in a language that writes them apart."""
    return sum(map(_weight, words))


@lru_cache(maxsize=65536)
def _weight(word: str) -> float:
    if word[0] < "\u0e00":
        return 1.0
    return next((weight for script, weight in _WEIGHTS if script.match(word)), 1.0)


def is_spaceless(word: str) -> bool:
    """True if `word` is a character of a script without spaces."""
    return word[0] >= "\u0e00" and _weight(word) < 1


def size_in(words: Words, size: int) -> int:
    """So many tokens of a text make `size` words of it."""
    weight = weight_of(words)
    return size if weight >= len(words) else round(size * len(words) / weight)


def joined(words: Words) -> str:
    """Return words as one would write them: without spaces where the script has none."""
    text = ""
    for word in words:
        text += word if text and is_spaceless(word) and is_spaceless(text[-1]) else f" {word}"
    return text.strip()


_HANGUL = re.compile("[\uac00-\ud7af]")


def parts_of(text: str) -> dict[str, float]:
    """Overlapping pieces of the words that carry meaning, each with the share of a word that it is.

    Endings, particles, compounds and missing spaces change a few pieces of a text, not most of them.
    """
    found: dict[str, float] = {}
    run: list[str] = []
    for word in (*words_of(text), ""):
        if word and is_spaceless(word):
            run.append(word)
            continue
        if run:
            found.update(_pieces(run, 3 if _weight(run[0]) < 0.4 else 2))
            run = []
        if word and word not in STOPWORDS:
            indic = word[0] >= "\u0900"
            found.update(_pieces([*word], 2 if _HANGUL.match(word) else 3 if indic else 5))
    return found


def _pieces(characters: list[str], size: int) -> dict[str, float]:
    if len(characters) < size:
        whole = len(characters) == size - 1 and size == 5
        return {"".join(characters): 0.5} if whole else {}
    share = {2: 0.5, 3: 0.3}.get(size, 0.3)
    runs = (characters[index : index + size] for index in range(len(characters) - size + 1))
    return {"".join(run): share for run in runs if not all(map(_HIRAGANA.match, run))}


_PIECE = re.compile(rf"[^\w\s,'’{MARKS}-]+|->|=>|\n+|(?<!\w)'|'(?!\w)")

_SEGMENT = re.compile(r"[\n;]+|(?<=[.!?])\s+|(?<=[。！？।།။។])")


class AddedText:
    """The new parts of a text.

    Args:
        after: the new text.
        known: texts whose wording is no news: the project's prompts as of the parent, label names.
    """

    def __init__(self, after: str, known: Sequence[str]) -> None:
        self.after = after
        self.words = words_of(after)
        self.content = content_of(self.words)
        self._known_texts = known
        self._known = [words_of(text) for text in known]
        self._known_content = [content_of(text) for text in self._known]
        self._known_lines = {words_of(line) for text in known for line in _SEGMENT.split(text)}
        self.raw_known = "\n".join(known).casefold()
        self._squeezed: dict[int, set[str]] = {}
        self._cache: dict[tuple[int, bool], dict[Words, int]] = {}

    def grams(self, size: int, *, content: bool = False) -> dict[Words, int]:
        """Runs of `size` (content) words that are new, with their places in `words` (or `content`)."""
        key = (size, content)
        if key not in self._cache:
            found = grams_of(self.content if content else self.words, size)
            for text in self._known_content if content else self._known:
                for gram in grams_of(text, size):
                    found.pop(gram, None)
            self._cache[key] = found
        return self._cache[key]

    def has(self, run: Words) -> bool:
        """True if the new text says `run`, and no known text did."""
        return bool(run) and run in self.grams(len(run))

    @cached_property
    def known_words(self) -> set[str]:
        return {word for text in self._known for word in text}

    def squeezed_parts(self, size: int) -> set[str]:
        """New runs of `size` characters, where nothing stands between the words."""
        if size not in self._squeezed:
            known = "\n".join("".join(text) for text in self._known)
            text = "".join(self.words)
            parts = {text[index : index + size] for index in range(len(text) - size + 1)}
            self._squeezed[size] = {part for part in parts if part not in known}
        return self._squeezed[size]

    @cached_property
    def parts(self) -> list[tuple[str, dict[str, float]]]:
        """The new lines and sentences, each with the pieces of words that no known text has."""
        known = {part for text in self._known_texts for part in parts_of(text)}
        return [
            (segment, {part: share for part, share in parts_of(segment).items() if part not in known})
            for segment in self.segments
        ]

    def line_of(self, words: Words) -> int:
        """Return the number of the line in which `words` begin, 1 for the first; 0 where it cannot be
        told.
        """
        index = self.grams(len(words)).get(words) if words else None
        if index is not None and index < len(self._line_numbers):
            return self._line_numbers[index]
        wanted = set(words)
        found = [(len(wanted & set(line)), -number) for number, line in enumerate(self._lines, 1)]
        most, number = max(found)
        return -number if most else self._squeezed_line("".join(words))

    def _squeezed_line(self, text: str) -> int:
        """Return the line that a text is in once everything between the words is gone."""
        lines = ["".join(line) for line in self._lines]
        for index in range(0, max(1, len(text) - 11), 4):
            part = text[index : index + 12]
            number = next((number for number, line in enumerate(lines, 1) if part in line), 0)
            if number:
                return number
        return 0

    @cached_property
    def _lines(self) -> list[Words]:
        return [words_of(line) for line in self.after.split("\n")]

    @cached_property
    def _line_numbers(self) -> list[int]:
        """For each word, the number of its line."""
        return [number for number, line in enumerate(self._lines, 1) for _ in line]

    @cached_property
    def segments(self) -> list[str]:
        """New lines and sentences."""
        parts = (part.strip() for part in _SEGMENT.split(self.after))
        return [part for part in parts if part and words_of(part) not in self._known_lines]

    @cached_property
    def pieces(self) -> set[Words]:
        """The texts between punctuation marks (commas and hyphens aside)."""
        return {words_of(piece) for piece in _PIECE.split(self.after)}
