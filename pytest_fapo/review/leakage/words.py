"""Text reduced to its words, so that case, punctuation, accents and spacing hide nothing."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

Words = tuple[str, ...]

_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
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


@lru_cache(maxsize=65536)
def words_of(text: str) -> Words:
    """The words of `text` in order; a character of a script without spaces is a word."""
    text = unicodedata.normalize("NFKD", text)
    text = "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Cf"))
    return tuple(_WORD.findall(_APOSTROPHES.sub("", text).casefold()))


def content_of(words: Words) -> Words:
    """The words that carry meaning."""
    return tuple(word for word in words if word not in STOPWORDS)


def grams_of(words: Words, size: int) -> dict[Words, int]:
    """Every run of `size` words, with the place where it first begins."""
    found: dict[Words, int] = {}
    for place in range(len(words) - size + 1):
        found.setdefault(words[place : place + size], place)
    return found
