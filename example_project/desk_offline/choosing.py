"""Choose the value of a field: by a rule for the category, by a condition that holds, else by meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from desk_offline import cues
from desk_offline.meaning import listed, meanings_of
from desk_offline.reading import Instructions, Prompt
from desk_offline.words import concept, concepts

_IF = re.compile(r"\b(if|when|whenever|for|where|in case)\b", re.I)
_ONLY_COMMAS = re.compile(r"[`\"'*\s]*(?:,|/|\||\bor\b|\band\b)+[`\"'*\s]*(?:or\b|and\b)?[`\"'*\s]*")
_IF_OR_ASIDE = re.compile(r"\b(?:if|when)\b|\(")
_SMALL_WORDS = (
    r"the|a|an|is|are|be|then|use|it|its|category|team|label|tickets?|cases?|about|of|gets?|takes?|means|becomes|must|"
    r"should|set|to|choose|answer|value|when|if|for|always|this|give|write|put|field|and|or|was|has"
)


@dataclass(frozen=True)
class Field:
    """A field of the record and the prompt that describes it."""

    key: str
    keys: tuple[str, ...]
    prompt: Prompt

    @property
    def sentences(self) -> tuple[str, ...]:
        """The sentences about this field: those that name it, and those after them that name no field."""
        return _sentences_about(self.key, self.keys, self.prompt.instructions)

    def by_rule(self, values: tuple[str, ...], *givens: str) -> str | None:
        """The value that a table or a sentence gives for one of the `givens`, such as the category."""
        found: str | None = None
        for sentence in self.sentences:
            for part in sentence.split(";"):
                for given in givens:
                    found = _paired(values, part, given, self.key) or found
        return found


@lru_cache(maxsize=256)
def _sentences_about(key: str, keys: tuple[str, ...], instructions: Instructions) -> tuple[str, ...]:
    found: list[str] = []
    under_heading = announced = False
    for line in instructions.lines:
        if line.heading:
            under_heading = _names(key, line.text)
            continue
        announced = announced and line.bullet
        about = under_heading or announced or _names(key, line.text.split(" ", 1)[0])
        for sentence in line.sentences:
            if _names(key, sentence):
                about = True
            elif any(_names(other, sentence) for other in keys) and not line.bullet:
                about = False
            if about and "{" not in sentence:
                found.append(sentence)
        announced = announced or (about and line.text.endswith(":"))
    return tuple(found)


def choose(field: Field) -> str:
    """The value that suits the ticket; empty where the prompt does not say which values there are."""
    prompt = field.prompt
    values = _values_in(field.sentences, field.key, field.keys)
    if not values:
        return ""
    if (ruled := field.by_rule(values, prompt.category, *prompt.passage_ids[:1])) is not None:
        return ruled
    parts = [part for sentence in field.sentences for part in re.split(r";|, (?=otherwise|else)", sentence)]
    conditional = [(value, part) for part in parts if (value := _conditional(values, part))]
    for value, part in conditional:
        if _holds(part, value, prompt):
            return value
    for part in parts:
        if cues.OTHERWISE.search(part) and len(named := _named(values, part)) == 1:
            return named[0]
    if conditional and len(values) == 2:
        return next(value for value in values if value != conditional[0][0])
    return meanings_of(values, prompt.instructions).best(prompt.ticket)


@lru_cache(maxsize=256)
def _values_in(sentences: tuple[str, ...], key: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    """The values that a field may have, as far as the sentences about it tell."""
    text = " ".join(sentences)
    identifiers = [word for word in re.findall(r"\b[A-Za-z]+(?:_[A-Za-z]+)+\b", text) if word not in keys]
    if len(set(identifiers)) >= 2:
        return tuple(dict.fromkeys(identifiers))
    name = rf"(?<!\w){re.escape(key)}[`\"'*]*"
    named = re.findall(rf"{name}\s*(?:is|=|(?:should|must|to) be|becomes|gets)\s+[`\"'*]*(\w+)", text, re.I)
    named += re.findall(rf"{name}\s*[:=|]?\s*[`\"'*]*(\w+)[`\"'*]*\s+(?:if|when|for|unless)\b", text, re.I)
    named += re.findall(r"(?:otherwise|else)[,:]?\s+[`\"'*]*(\w+)[`\"'*]*(?=\s*(?:[.;,]|$))", text, re.I)
    lists = [listed(_IF_OR_ASIDE.split(part)[0]) for part in re.split(name, text, flags=re.I)[1:]]
    lists = [values for values in lists if not set(values) & set(keys)]
    found: list[list[str]] = [identifiers, list(dict.fromkeys(named)), *lists]
    longest = max(found, key=len)
    return tuple(longest)


def _names(word: str, text: str) -> bool:
    return bool(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text, re.I))


def _named(values: tuple[str, ...], text: str) -> list[str]:
    return [value for value in values if _names(value, text)]


def _conditional(values: tuple[str, ...], part: str) -> str | None:
    """The one value that a part like `high if somebody could get hurt` is about."""
    named = _named(values, part)
    if len(named) != 1 or not _IF.search(part) or cues.OTHERWISE.search(part):
        return None
    return None if cues.NEGATION.search(part.split(named[0])[0]) else named[0]


def _holds(part: str, value: str, prompt: Prompt) -> bool:
    """True if one of the alternatives of a condition is met by the ticket."""
    seen = concepts(prompt.ticket)
    condition = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", " ", _IF.split(part, maxsplit=1)[-1], flags=re.I)
    for alternative in re.split(r",|;|\bor\b|\(|\)", condition):
        wanted = concepts(alternative) - {concept(prompt.category.lower())}
        if wanted and len(wanted & seen) >= max(1, (len(wanted) + 1) // 2):
            return True
    return False


@lru_cache(maxsize=4096)
def _paired(values: tuple[str, ...], part: str, given: str, key: str) -> str | None:
    if not given or len(given.split()) > 1:
        return None
    names = "|".join(re.escape(value) for value in values)
    spots = list(re.finditer(rf"(?<![\w-])({names})(?![\w-])", part, re.I))
    spots = [spot for place, spot in enumerate(spots) if not _enumerated(part, spots, place)]
    small = rf"(?:\W|\b(?:{_SMALL_WORDS}|{re.escape(key)})\b|\b(?:and|or) \w+|(?<=, )\w+)*"
    for here in re.finditer(rf"(?<![\w-]){re.escape(given)}(?![\w-])", part, re.I):
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
    """True if a value stands in a bare list of values, which pairs it with nothing."""
    gaps = [part[spots[i].end() : spots[i + 1].start()] for i in range(len(spots) - 1)]
    return any(_ONLY_COMMAS.fullmatch(gap) for gap in gaps[max(0, place - 1) : place + 1])


def _original(values: tuple[str, ...], text: str) -> str:
    return next(value for value in values if value.lower() == text.lower())
