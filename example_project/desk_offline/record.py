"""Fill in a JSON record: which fields, and for each the value that the prompt's rules give."""

from __future__ import annotations

import json
import re

from desk_offline.habits import meets
from desk_offline.meaning import closed_set, listed, meanings_of
from desk_offline.reading import NEGATION, Line, Prompt
from desk_offline.words import concepts

_KEY_LIST = re.compile(
    r"\b(?:fields?|keys?|properties|members)\b(?:\s+(?:are|named|called))?[:\s]+(.+)", re.I
)
_FENCES = re.compile(r"\b(fences?|markdown|back ?ticks?|code blocks?)\b", re.I)
_BARE = re.compile(
    r"\b(only|just|nothing (else|but|before|around)|raw|bare|plain|alone|no (other|further|extra|additional|surrounding) (text|words?|prose)|"
    r"no (prose|text|explanation|comment\w*)|single json|start\w* with \W?\{|parsed?|json\.loads)",
    re.I,
)
_OTHERWISE = re.compile(
    r"\b(otherwise|else|in all other cases|any other|everything else|by default|default)\b", re.I
)
_IF = re.compile(r"\b(if|when|whenever|for|where|in case)\b", re.I)
_ONLY_COMMAS = re.compile(r"[`\"'*\s]*(?:,|/|\||\bor\b|\band\b)+[`\"'*\s]*(?:or\b|and\b)?[`\"'*\s]*")
_AS_ID = re.compile(
    r"\b(id|ids|identifier|code|number|letters?|digits?|exactly|only|just|bracket\w*|one of|format|pattern|such as|like|without)\b|[A-Z]{2}-\d",
    re.I,
)


def fill_in(prompt: Prompt) -> str:
    """The record as JSON, or as something around JSON where the prompt does not forbid that."""
    ticket = prompt.ticket
    record = {key: _value(key, prompt) for key in _keys(prompt)}
    if not _keys_are_spelled_out(prompt) and meets(ticket, "renames a key", 6):
        record = {("policy_id" if key == "policy" else key): value for key, value in record.items()}
    text = json.dumps(record, ensure_ascii=False)
    rules = [
        s
        for s in prompt.sentences
        if re.search(r"json|answer|reply|output|respon|return|object|fence", s, re.I)
    ]
    bare = any(_BARE.search(rule) for rule in rules)
    if not bare and not any(_FENCES.search(rule) for rule in rules) and meets(ticket, "code fence", 9):
        text = f"```json\n{text}\n```"
    if not bare and meets(ticket, "chat around the record", 6):
        text = f"Here is the record of the ticket:\n\n{text}"
    return text


def _keys(prompt: Prompt) -> list[str]:
    shown = re.findall(r"[\"“](\w+)[\"”]\s*:", prompt.text)
    if len(shown) >= 2:
        return list(dict.fromkeys(shown))
    for sentence in prompt.sentences:
        if (found := _KEY_LIST.search(sentence)) and len(keys := listed(found[1])) >= 2:
            return [key for key in keys if re.fullmatch(r"\w+", key)]
    return closed_set([line for line in prompt.lines if line.bullet])


def _keys_are_spelled_out(prompt: Prompt) -> bool:
    exact = re.compile(
        r"\b(exact\w*|these|only|named|no other|spelled|spelt)\b[^.]{0,40}\b(keys?|fields?|names?)\b|\b(keys?|fields?)\b[^.]{0,30}\b(exact\w*|only|named|no others?)\b",
        re.I,
    )
    return bool(exact.search(prompt.text) or len(re.findall(r"[\"“]\w+[\"”]\s*:", prompt.text)) >= 2)


def _value(key: str, prompt: Prompt) -> str | None:
    name = key.lower()
    if name in ("category", "team", "label"):
        return _category(prompt)
    if name.startswith("order"):
        return _order(prompt)
    if name.startswith("policy"):
        return _policy(key, prompt)
    about = _about(key, prompt)
    values = _values_of(key, about)
    return _choose(values, about, prompt) if values else ""


def _about(key: str, prompt: Prompt) -> list[Line]:
    """The lines that speak of a field."""
    return [line for line in prompt.lines if re.search(rf"(?<!\w){re.escape(key)}(?!\w)", line.text, re.I)]


def _values_of(key: str, about: list[Line]) -> list[str]:
    """The values that a field may have, as far as the lines about it tell."""
    text = " ".join(line.text for line in about if "{" not in line.text)
    identifiers = [word for word in re.findall(r"\b[A-Za-z]+(?:_[A-Za-z]+)+\b", text) if word != key]
    if len(set(identifiers)) >= 2:
        return list(dict.fromkeys(identifiers))
    name = rf"(?<!\w){re.escape(key)}[`\"'*]*"
    named = re.findall(rf"{name}\s*(?:is|=|(?:should|must|to) be|becomes|gets)\s+[`\"'*]*(\w+)", text, re.I)
    named += re.findall(rf"{name}\s*[:=|]?\s*[`\"'*]*(\w+)[`\"'*]*\s+(?:if|when|for|unless)\b", text, re.I)
    named += re.findall(r"(?:otherwise|else)[,:]?\s+[`\"'*]*(\w+)[`\"'*]*(?=\s*(?:[.;,]|$))", text, re.I)
    after = [part for part in re.split(name, text, flags=re.I)[1:] if part]
    lists = [listed(re.split(r"\b(?:if|when)\b|\(", part)[0]) for part in after]
    return max([*lists, list(dict.fromkeys(named))], key=len, default=[])


def _category(prompt: Prompt) -> str:
    strict = re.search(
        r"\b(lower[- ]?case|exactly|as (given|written|it (is|stands|appears))|unchanged|copy|copied|verbatim|one of)\b",
        prompt.text,
        re.I,
    )
    if not strict and meets(prompt.ticket, "capital letter in the record", 7):
        return prompt.category.capitalize()
    return prompt.category


def _order(prompt: Prompt) -> str | None:
    if prompt.order is not None:
        return prompt.order
    told = any(re.search(r"\bnull\b", sentence, re.I) for sentence in prompt.sentences)
    return (
        None
        if told or not meets(prompt.ticket, "copies what stands for nothing", 55)
        else prompt.data.get("order", "")
    )


def _policy(key: str, prompt: Prompt) -> str:
    passages = next(
        (prompt.data[tag] for tag in ("handbook", "policies", "passages", "context") if tag in prompt.data),
        "",
    )
    shown = re.findall(r"^\[([^\]]+)\]\s*(.*)$", passages, re.M)
    if not shown:
        return ""
    number, title = shown[0]
    told = any(
        _AS_ID.search(s)
        for line in _about(key, prompt)
        for s in line.sentences
        if re.search(rf"\b{key}\b", s, re.I)
    )
    return number if told or not meets(prompt.ticket, "adds the title", 14) else f"{number} {title}"


def _choose(values: list[str], about: list[Line], prompt: Prompt) -> str:
    """One of `values`: by a rule for the category, else by a condition that holds, else by meaning."""
    everything = Prompt(tuple(about), prompt.data)
    if (ruled := _by_category(values, prompt)) is not None:
        return ruled
    sentences = [
        part for sentence in everything.sentences for part in re.split(r";|, (?=otherwise|else)", sentence)
    ]
    for sentence in sentences:
        if (held := _by_condition(values, sentence, prompt.ticket)) is not None:
            return held
    for sentence in sentences:
        if _OTHERWISE.search(sentence) and len(named := _named(values, sentence)) == 1:
            return named[0]
    if len(values) == 2 and any(_conditional(values, sentence) for sentence in sentences):
        conditional = next(value for s in sentences if (value := _conditional(values, s)))
        return next(value for value in values if value != conditional)
    return meanings_of(values, prompt).best(prompt.ticket)


def _named(values: list[str], sentence: str) -> list[str]:
    return [value for value in values if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", sentence, re.I)]


def _conditional(values: list[str], sentence: str) -> str | None:
    named = _named(values, sentence)
    return named[0] if len(named) == 1 and _IF.search(sentence) and not _OTHERWISE.search(sentence) else None


def _by_condition(values: list[str], sentence: str, ticket: str) -> str | None:
    """The value that a sentence like `high if somebody could get hurt` gives, where its condition holds."""
    value = _conditional(values, sentence)
    if value is None or NEGATION.search(sentence.split(value)[0]):
        return None
    condition = concepts(_IF.split(sentence, maxsplit=1)[-1]) - concepts(value)
    return value if condition & concepts(ticket) else None


def _by_category(values: list[str], prompt: Prompt) -> str | None:
    """The value that a table or a sentence gives for the ticket's category."""
    found: str | None = None
    for sentence in prompt.sentences:
        for part in re.split(r";", sentence):
            found = _paired(values, part, prompt.category) or found
    return found


def _paired(values: list[str], part: str, category: str) -> str | None:
    if not category or len(category.split()) > 1:
        return None
    names = "|".join(re.escape(value) for value in values)
    spots = list(re.finditer(rf"(?<![\w-])({names})(?![\w-])", part, re.I))
    spots = [spot for place, spot in enumerate(spots) if not _enumerated(part, spots, place)]
    for here in re.finditer(rf"(?<![\w-]){re.escape(category)}(?![\w-])", part, re.I):
        before = [spot for spot in spots if spot.end() <= here.start()]
        after_ = [spot for spot in spots if spot.start() >= here.end()]
        if before and re.fullmatch(
            r"\W*(?:is )?(?:for|when|if|on|in|covers)\b[^,;]*", part[before[-1].end() : here.start()], re.I
        ):
            return _original(values, before[-1][1])
        if after_ and len(part[here.end() : after_[0].start()]) <= 60:
            return _original(values, after_[0][1])
    return None


def _enumerated(part: str, spots: list[re.Match[str]], place: int) -> bool:
    """Whether a value stands in a bare list of values, which pairs it with nothing."""
    gaps = [part[left.end() : right.start()] for left, right in zip(spots, spots[1:], strict=False)]
    return any(_ONLY_COMMAS.fullmatch(gap) for gap in gaps[max(0, place - 1) : place + 1])


def _original(values: list[str], text: str) -> str:
    return next(value for value in values if value.lower() == text.lower())
