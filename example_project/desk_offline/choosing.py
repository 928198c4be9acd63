"""Choose the value of a field: by a rule for the category, by a condition that holds, else by meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from desk_offline.meaning import listed, meanings_of
from desk_offline.reading import NEGATION, Prompt
from desk_offline.words import concept, concepts

_OTHERWISE = re.compile(
    r"\b(otherwise|else|in all other cases|any other|everything else|by default|default)\b", re.I
)
_IF = re.compile(r"\b(if|when|whenever|for|where|in case)\b", re.I)
_ONLY_COMMAS = re.compile(r"[`\"'*\s]*(?:,|/|\||\bor\b|\band\b)+[`\"'*\s]*(?:or\b|and\b)?[`\"'*\s]*")
_SMALL_WORDS = (
    r"the|a|an|is|are|be|then|use|it|its|category|team|label|tickets?|cases?|about|of|gets?|takes?|means|becomes|must|"
    r"should|set|to|choose|answer|value|when|if|for|always|this|give|write|put|field|and|or|was|has"
)


@dataclass(frozen=True)
class Field:
    """A field of the record and the prompt that describes it."""

    key: str
    keys: list[str]
    prompt: Prompt

    @cached_property
    def sentences(self) -> list[str]:
        """The sentences about this field: those that name it, and those after them that name no field."""
        found: list[str] = []
        for line in self.prompt.lines:
            about = _names(self.key, line.text.split(" ", 1)[0])
            for sentence in line.sentences:
                if _names(self.key, sentence):
                    about = True
                elif any(_names(other, sentence) for other in self.keys) and not line.bullet:
                    about = False
                if about and "{" not in sentence:
                    found.append(sentence)
        return found

    def by_category(self, values: list[str]) -> str | None:
        """The value that a table or a sentence gives for the ticket's category."""
        found: str | None = None
        for sentence in self.sentences:
            for part in sentence.split(";"):
                found = _paired(values, part, self) or found
        return found


def choose(field: Field) -> str:
    """The value that suits the ticket; empty where the prompt does not say which values there are."""
    values = _values_of(field)
    if not values:
        return ""
    if (ruled := field.by_category(values)) is not None:
        return ruled
    parts = [part for sentence in field.sentences for part in re.split(r";|, (?=otherwise|else)", sentence)]
    conditional = [(value, part) for part in parts if (value := _conditional(values, part))]
    for value, part in conditional:
        if _holds(part, value, field.prompt):
            return value
    for part in parts:
        if _OTHERWISE.search(part) and len(named := _named(values, part)) == 1:
            return named[0]
    if conditional and len(values) == 2:
        return next(value for value in values if value != conditional[0][0])
    return meanings_of(values, field.prompt).best(field.prompt.ticket)


def _values_of(field: Field) -> list[str]:
    """The values that a field may have, as far as the sentences about it tell."""
    text = " ".join(field.sentences)
    identifiers = [
        word for word in re.findall(r"\b[A-Za-z]+(?:_[A-Za-z]+)+\b", text) if word not in field.keys
    ]
    if len(set(identifiers)) >= 2:
        return list(dict.fromkeys(identifiers))
    name = rf"(?<!\w){re.escape(field.key)}[`\"'*]*"
    named = re.findall(rf"{name}\s*(?:is|=|(?:should|must|to) be|becomes|gets)\s+[`\"'*]*(\w+)", text, re.I)
    named += re.findall(rf"{name}\s*[:=|]?\s*[`\"'*]*(\w+)[`\"'*]*\s+(?:if|when|for|unless)\b", text, re.I)
    named += re.findall(r"(?:otherwise|else)[,:]?\s+[`\"'*]*(\w+)[`\"'*]*(?=\s*(?:[.;,]|$))", text, re.I)
    lists = [
        listed(re.split(r"\b(?:if|when)\b|\(", part)[0]) for part in re.split(name, text, flags=re.I)[1:]
    ]
    return max([list(dict.fromkeys(named)), *lists], key=len)


def _names(word: str, text: str) -> bool:
    return bool(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text, re.I))


def _named(values: list[str], text: str) -> list[str]:
    return [value for value in values if _names(value, text)]


def _conditional(values: list[str], part: str) -> str | None:
    """The one value that a part like `high if somebody could get hurt` is about."""
    named = _named(values, part)
    if len(named) != 1 or not _IF.search(part) or _OTHERWISE.search(part):
        return None
    return None if NEGATION.search(part.split(named[0])[0]) else named[0]


def _holds(part: str, value: str, prompt: Prompt) -> bool:
    """Whether one of the alternatives of a condition is met by the ticket."""
    seen = concepts(prompt.ticket)
    condition = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", " ", _IF.split(part, maxsplit=1)[-1], flags=re.I)
    for alternative in re.split(r",|;|\bor\b|\(|\)", condition):
        wanted = concepts(alternative) - {concept(prompt.category.lower())}
        if wanted and len(wanted & seen) >= max(1, (len(wanted) + 1) // 2):
            return True
    return False


def _paired(values: list[str], part: str, field: Field) -> str | None:
    category = field.prompt.category
    if not category or len(category.split()) > 1:
        return None
    names = "|".join(re.escape(value) for value in values)
    spots = list(re.finditer(rf"(?<![\w-])({names})(?![\w-])", part, re.I))
    spots = [spot for place, spot in enumerate(spots) if not _enumerated(part, spots, place)]
    small = rf"(?:\W+|\b(?:{_SMALL_WORDS}|{re.escape(field.key)})\b|\b(?:and|or) \w+|(?<=, )\w+)*"
    for here in re.finditer(rf"(?<![\w-]){re.escape(category)}(?![\w-])", part, re.I):
        before = [spot for spot in spots if spot.end() <= here.start()]
        after = [spot for spot in spots if spot.start() >= here.end()]
        if before and re.fullmatch(
            rf"\W*(?:is )?(?:for|when|if|on|in|covers)\b{small}", part[before[-1].end() : here.start()], re.I
        ):
            return _original(values, before[-1][1])
        if after and re.fullmatch(small, part[here.end() : after[0].start()], re.I):
            return _original(values, after[0][1])
    return None


def _enumerated(part: str, spots: list[re.Match[str]], place: int) -> bool:
    """Whether a value stands in a bare list of values, which pairs it with nothing."""
    gaps = [part[left.end() : right.start()] for left, right in zip(spots, spots[1:], strict=False)]
    return any(_ONLY_COMMAS.fullmatch(gap) for gap in gaps[max(0, place - 1) : place + 1])


def _original(values: list[str], text: str) -> str:
    return next(value for value in values if value.lower() == text.lower())
