"""Closed sets of values and what a prompt says about them; the best value for a ticket."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from desk_offline import cues
from desk_offline.reading import Instructions, Line
from desk_offline.words import concept, concepts

_ITEM = r"[`\"'*]{0,3}[A-Za-z][\w-]*[`\"'*]{0,3}"
_LIST = re.compile(rf"{_ITEM}(?:\s*(?:,\s*(?:or|and)\b|,|/|\||\bor\b|\band\b)\s*{_ITEM}){{1,}}")
_MARKS = "`\"'*_ "
_VERB = (
    r"(?:use|choose|pick|prefer|select|answer|assign|write|label|mark|call)(?: (?:it|this|that|these|them))?"
    r"(?: as| with)?"
)
_LINK = r"(?:is|are|it's|that's|means?|counts? as|treated as|as|go(?:es)? to|belongs? to|for the|→|->|=>|=)"
_BEFORE = r"\s+(?:an? |the )?[`\"'*]*"

_GUT_FEELING = """
billing: charge pay card money bank amount price discount subscription invoice account statement
payment: money refund pay bank card account charge
invoice: invoice charge money pay price amount
refund: refund cancel voucher
return: return exchange label gift receipt size
label: return exchange label
delivery: delivery parcel courier arrive track address pickup late missing
parcel: delivery courier arrive track address pickup
warranty: warranty broken crack repair damage spare hurt machine
repair: broken repair damage crack warranty spare hurt
account: account login email bank newsletter
identity: account login email hacked data newsletter
"""
"""The words that a hasty reader connects with a label's name, whatever the label means here."""

GUT_FEELING = {
    concept(name): concepts(words)
    for name, words in (line.split(":") for line in _GUT_FEELING.strip().splitlines())
}


@dataclass
class Meanings:
    """A prompt's statements about each value: concepts that speak for it and against it."""

    values: tuple[str, ...]
    pro: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    con: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))

    wins: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of which the first is to be chosen where both seem to fit."""

    def explained(self) -> bool:
        """True if the prompt tells at least half of the values apart."""
        return 2 * sum(bool(self.pro[value]) for value in self.values) >= len(self.values)

    def best(self, text: str) -> str:
        """The value that a text speaks for most; the first of equals."""
        seen = concepts(text)
        scores = {value: round(self.score(value, seen), 6) for value in self.values}
        best = max(scores, key=lambda value: scores[value])
        rivals = [
            winner
            for winner, loser in sorted(self.wins)
            if loser == best and scores[winner] >= scores[best] - 0.5
        ]
        return max(rivals, key=lambda value: scores[value]) if rivals and scores[best] else best

    def score(self, value: str, seen: frozenset[str]) -> float:
        """Return the degree to which the concepts `seen` speak for `value`."""
        trust = 0.5 if self.explained() else 1.0
        total = 0.0
        for word in {concept(part) for part in re.split(r"[_\W]+", value.lower()) if part}:
            total += word in seen
            total += trust * len(GUT_FEELING.get(word, frozenset()) & seen)
        for word in seen:
            total += self._rarity(word) * (self.pro[value].get(word, 0.0) - self.con[value].get(word, 0.0))
        return total

    def _rarity(self, word: str) -> float:
        """1 for a word that only one value claims, near 0 for a word that all claim."""
        claimed = sum(word in self.pro[value] for value in self.values)
        size = len(self.values) + 0.5
        return math.log(size / max(claimed, 1)) / math.log(size)


@lru_cache(maxsize=64)
def closed_set(lines: tuple[Line, ...]) -> tuple[str, ...]:
    """The values that instructions allow: a list after words like `one of`, else the heads of bullets."""
    heads = [head for line in lines if line.bullet and (head := _head(line.text))]
    best: list[str] = []
    for line in lines:
        if len(heads) >= 3 and line.bullet:
            continue
        for sentence in line.sentences:
            for found in _LIST.finditer(sentence):
                items = _items(found[0])
                if len(items) >= max(3, len(best)) and cues.ONE_OF.search(
                    sentence[max(0, found.start() - 30) : found.start()]
                ):
                    best = items
    return tuple(best if best or len(heads) < 3 else dict.fromkeys(heads))


def listed(text: str) -> list[str]:
    """The longest list of single words in a text, as `high or normal`."""
    return max((_items(found[0]) for found in _LIST.finditer(text)), key=len, default=[])


def _items(text: str) -> list[str]:
    parts = re.split(r"\s*(?:,\s*(?:or|and)\b|,|/|\||\bor\b|\band\b)\s*", text)
    return list(dict.fromkeys(part.strip(_MARKS) for part in parts if part.strip(_MARKS)))


def _head(text: str) -> str | None:
    found = re.match(
        r"[|`\"'*\s]*([a-z][\w-]*)[`\"'*]*\s*(?::|-|–|—|=|→|\||means\b|is\b|\()", text, re.IGNORECASE
    )
    return found[1] if found else None


@lru_cache(maxsize=64)
def meanings_of(values: tuple[str, ...], instructions: Instructions) -> Meanings:
    """Collect what the instructions say about each of `values`."""
    result = Meanings(values)
    if not values:
        return result
    heading: str | None = None
    for line in instructions.lines:
        if line.heading:
            heading = _match(values, line.text.strip(_MARKS + ":"))
            continue
        target = heading
        for sentence in line.sentences:
            if set(values) <= set(_items_anywhere(sentence)):
                continue
            target = _target(values, sentence) or target
            if target is not None:
                _learn(result, target, sentence)
    return result


def _items_anywhere(sentence: str) -> list[str]:
    return [item for found in _LIST.finditer(sentence) for item in _items(found[0])]


def _match(values: Sequence[str], text: str) -> str | None:
    return next((value for value in values if value.lower() == text.lower()), None)


def _target(values: Sequence[str], sentence: str) -> str | None:
    """Return the value that a sentence is about."""
    names = "|".join(re.escape(value) for value in sorted(values, key=len, reverse=True))
    head = re.match(
        rf"[|`\"'*\s]*({names})[`\"'*]*\s*(?:[:|=(–—→-]|means?\b|is\b|are\b|covers?\b|for\b|when\b|if\b)",
        sentence,
        re.I,
    )
    told = re.search(rf"\b{_VERB}{_BEFORE}({names})\b", sentence, re.I)
    linked = list(
        re.finditer(
            rf"{_LINK}{_BEFORE}({names})\b[`\"'*]*(?=\s*(?:[.,;:!?)]|$|team\b|rather\b|not\b|and not\b))",
            sentence,
            re.I,
        )
    )
    found = head or told or (linked[0] if linked else None)
    return _match(values, found[1]) if found else None


def _learn(result: Meanings, target: str, sentence: str) -> None:
    names = {concept(value.lower()): value for value in result.values}
    told, *contrasts = cues.CONTRAST.split(_without_asides(result.values, sentence))
    rivals = [value for word, value in names.items() if word in concepts(sentence) and value != target]
    if cues.A_TIE.search(sentence) and len(rivals) == 1 and not concepts(told) - set(names):
        result.wins.add((target, rivals[0]))
    weight = 1.3 if re.search(r"\bprefer|\bin doubt\b|\bunsure\b", sentence, re.I) else 1.0
    for word in concepts(told):
        if names.get(word, target) == target:
            _raise(result.pro[target], word, weight)
    for contrast in contrasts:
        others = [
            names[word] for word in sorted(concepts(contrast)) if word in names and names[word] != target
        ]
        for word in concepts(contrast) - set(names):
            _raise(result.con[target], word, 0.5)
            for other in others[:1]:
                _raise(result.pro[other], word, 0.5)


def _without_asides(values: Sequence[str], sentence: str) -> str:
    """`choose a rather than b when …` without `rather than b`: what follows speaks for a."""
    name = rf"(?:the |an? )?[`\"'*]*(?:{'|'.join(re.escape(value) for value in values)})[`\"'*]*"
    names = rf"{name}(?:\s*(?:,|or|and)\s*{name})*,?"
    aside = rf",?\s*\b(?:not|rather than|instead of|over|unlike|as opposed to)\s+{names}"
    return re.sub(
        rf"{aside}(?=\s*(?:when|whenever|if|where|for|as soon as|:|–|—|-))", " ", sentence, flags=re.I
    )


def _raise(weights: dict[str, float], word: str, weight: float) -> None:
    weights[word] = max(weights.get(word, 0.0), weight)
