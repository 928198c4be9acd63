"""Conditions made for single cases: strings that only one case's input holds (or two), alone or together."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property
from urllib.parse import unquote

from pytest_fapo.core.case import Case
from pytest_fapo.review.code.code_literals import Literals
from pytest_fapo.review.code.encoded_answers import exact_lengths
from pytest_fapo.review.code.proposed_function import FunctionSource
from pytest_fapo.review.leakage.added_text import STOPWORDS, TRIGGERS, words_of
from pytest_fapo.review.leakage.case_corpus import CaseCorpus, LeakHit, quote

FEW = 2
"""A condition that at most this many cases meet was made for them."""

_TELLING = 3
"""Letters and digits that a string needs to tell cases apart."""

_DISGUISED = 6

_ANSWERING = """
accept accepted action affirmative agent ambiguous answers apologise apologize apology approve approved
argument arguments array assistant attempt available based boolean category certain choice chosen
citation cite claim class code complete completed conclusion confidence confident confirm confirmed
content context contradicted correct correction could data date decision default description details
determine developer dict document documents done draft empty enough entailment entity error errors
evidence exact exactly exception exceeded expected explain explanation extract facts fail failed failure
field fields final find finish finished found function format general given has hypothesis idea
incomplete incorrect index information insufficient instruction instructions int integer invalid issue
issues items json keep key label labels length limit line lines list look lookup malformed match max
maximum message messages min minimum missing model name neutral nonempty noanswer nothing null number
object observation observe ok okay option options other others output pass passage passages passed plan
point points possible predicate previous problem problems prompt proposal provide provided queries
question questions rating reason reasoning refined reject rejected relevant relevance reply repeat
request required response result results retry retrieval retrieve return review revise revised revision
role rule rules sample score search select selected sentence sentences shorter single skip solution solve
sorry source sources specific start statement status step steps stop string style sub subquestion
subquestions sufficient suggest summary support supported supports system task temperature text thought
thoughts timeout title titles token tokens tool tools topic type unable unanswerable unclear understand
undefined unknown unrelated unsupported unsure user valid value values verdict verify verified vote votes
warning write written a b c d e f g h yes no true false none maybe markdown html xml csv yaml python sql
bash fence think
"""

GENERAL = STOPWORDS | TRIGGERS | frozenset(_ANSWERING.split())
"""Words of answers, verdicts and formats: code looks for them whatever the cases are."""

_REPEATED_GROUP = re.compile(r"\)[*+{]")

_UNBOUND = re.compile(r"[*+{]")

_MATCHED = 500
"""Characters of an input that a regular expression of a stranger is tried on."""

_SYNTAX = re.compile(r"\\[a-zA-Z]|\(\?[^)]*?[:)=!]|[\^$.*+?{}\[\]()|\\]")


class Singling:
    """Tells which strings single cases out.

    Args:
        corpus: the cases.
        known: texts whose words are no news: the file before, the project's prompts.
    """

    def __init__(self, corpus: CaseCorpus, known: Sequence[str]) -> None:
        self._corpus = corpus
        labels = {word for label in corpus.labels for word in label}
        self._known = {word for text in known for word in words_of(text)} | GENERAL | labels | corpus.keys

    @cached_property
    def _inputs(self) -> list[tuple[Case, str]]:
        texts: dict[int, list[str]] = {}
        for field in self._corpus.inputs:
            texts.setdefault(id(field.case), []).append(_plain(str(field.value)))
        return [(case, "\n".join(texts.get(id(case), []))) for case in self._corpus.cases]

    def alone(self, text: str) -> list[Case]:
        """The cases that a string is made for; none where it says something of many, or of no case."""
        for fragment in _fragments(text):
            words = words_of(fragment)
            if len(words) > 1 and (holders := self.together(words)):
                return holders
            if sum(map(str.isalnum, fragment)) < _TELLING or all(word in self._known for word in words):
                continue
            holders = self._holders([fragment])
            if 0 < len(holders) <= FEW:
                return holders
        return self._matched(text)

    def _matched(self, pattern: str) -> list[Case]:
        """The cases that a regular expression finds, where they are few and its letters are their own."""
        letters = [word for part in _SYNTAX.split(_plain(pattern)) for word in words_of(part)]
        telling = any(len(word) >= _TELLING and word not in self._known for word in letters)
        if not telling or not _SYNTAX.search(pattern) or not _is_quick(pattern):
            return []
        for flags in (0, re.IGNORECASE):
            try:
                compiled = re.compile(pattern, flags)
            except (re.error, RecursionError, OverflowError):
                return []
            found = (field for field in self._corpus.inputs if compiled.search(str(field.value)[:_MATCHED]))
            holders = {id(field.case): field.case for field in found}
            if 0 < len(holders) <= FEW:
                return list(holders.values())
        return []

    def together(self, texts: Sequence[str]) -> list[Case]:
        """The cases that several strings are made for, when all have to be there."""
        clues = list(dict.fromkeys(_plain(text) for text in texts))
        telling = [
            clue for clue in clues if len(clue) > 1 and not all(w in self._known for w in words_of(clue))
        ]
        if len(telling) < 2 or len(telling) > 12:
            return []
        holders = self._holders(telling)
        return holders if 0 < len(holders) <= FEW and len(self._inputs) > 2 * FEW else []

    def anchored(self, method: str, text: str) -> list[Case]:
        """The cases with an input that begins (or ends) so, where they are few."""
        if sum(map(str.isalnum, text)) < _TELLING or all(word in self._known for word in words_of(text)):
            return []
        found = (field for field in self._corpus.inputs if _is_at(method, str(field.value), text))
        holders = {id(field.case): field.case for field in found}
        return list(holders.values()) if len(holders) <= FEW else []

    def long(self, length: int) -> list[Case]:
        """The cases with an input of this length, where they are few."""
        holders = {
            id(field.case): field.case for field in self._corpus.inputs if len(str(field.value)) == length
        }
        return list(holders.values()) if len(holders) <= FEW else []

    def _holders(self, fragments: Sequence[str]) -> list[Case]:
        return [case for case, text in self._inputs if all(fragment in text for fragment in fragments)]


def length_hits(source: FunctionSource, singling: Singling) -> Iterator[LeakHit]:
    """Cases whose input has just the length that a condition asks for."""
    for length in exact_lengths(source):
        for case in singling.long(length):
            yield LeakHit(case, f"a condition on the length {length}")


def conditional_hits(literals: Literals, singling: Singling) -> Iterator[LeakHit]:
    """Cases that a condition of the code is made for."""
    for text in literals.choosing:
        for case in singling.alone(text):
            yield LeakHit(case, f"a condition on {quote(words_of(text))}")
    for method, text in literals.anchored():
        for case in singling.anchored(method, text):
            yield LeakHit(case, f"a condition on {quote(words_of(text))}")
    for texts in literals.conditions():
        for case in singling.together(texts):
            yield LeakHit(case, f"a condition on {quote(words_of(' '.join(texts)))}")


def _fragments(text: str) -> list[str]:
    """The string itself, and the plain parts of it where it is a regular expression."""
    plain = _plain(text)
    parts = [part.strip() for part in _SYNTAX.sub("\n", plain).split("\n")] if _SYNTAX.search(plain) else []
    squeezed = "".join(filter(str.isalnum, plain))
    others = [plain[::-1], squeezed, squeezed[::-1], _plain(html.unescape(text)), _plain(unquote(text))]
    disguised = [other for other in others if len(other) >= _DISGUISED and other != plain]
    return [part for part in dict.fromkeys([plain.strip(), *parts, *disguised]) if part]


def _is_at(method: str, value: str, text: str) -> bool:
    value, text = value.casefold(), text.casefold()
    return value.startswith(text) if method == "startswith" else value.endswith(text)


def _is_quick(pattern: str) -> bool:
    """True if a search cannot take long: few quantifiers without a bound, and none of a group."""
    return len(pattern) <= 200 and not _REPEATED_GROUP.search(pattern) and len(_UNBOUND.findall(pattern)) <= 2


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
