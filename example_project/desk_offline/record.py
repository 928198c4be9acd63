"""Fill in a JSON record: which fields, in which form, and what belongs into each."""

from __future__ import annotations

import json
import re

from desk_offline.choosing import Field, choose
from desk_offline.habits import meets
from desk_offline.meaning import closed_set, listed
from desk_offline.reading import Prompt

_KEY_LIST = re.compile(
    r"\b(?:fields?|keys?|properties|members)\b(?:\s+(?:are|named|called))?[:\s]+(.+)", re.I
)
_SHOWN_KEY = re.compile(r"[\"“](\w+)[\"”]\s*:")
_EXACT_KEYS = re.compile(
    r"\b(exact\w*|these|only|named|no other|spelled|spelt)\b[^.]{0,40}\b(keys?|fields?|names?)\b|"
    r"\b(keys?|fields?)\b[^.]{0,30}\b(exact\w*|only|named|no others?)\b",
    re.I,
)
_ABOUT_THE_FORM = re.compile(r"json|answer|reply|output|respon|return|object|fence|markdown", re.I)
_FENCES = re.compile(r"\b(fences?|markdown|back ?ticks?|code blocks?)\b", re.I)
_BARE = re.compile(
    r"\b(only|just|nothing (else|but|before|around)|raw|bare|plain|alone|single json|parsed?|json\.loads|"
    r"no (other|further|extra|additional|surrounding) (text|words?|prose)|no (prose|text|explanation|comment\w*)|"
    r"start\w* with \W?\{)",
    re.I,
)
_COPIED = re.compile(
    r"\b(lower[- ]?case|exactly|as (given|written|it (is|stands|appears))|unchanged|copy|copied|verbatim|one of)\b",
    re.I,
)
_AS_ID = re.compile(
    r"\b(id|ids|identifier|code|number|letters?|digits?|exactly|only|just|bracket\w*|one of|format|pattern|such as|"
    r"like|without)\b|[A-Z]{2}-\d",
    re.I,
)


def fill_in(prompt: Prompt) -> str:
    """The record as JSON, or as something around JSON where the prompt does not forbid that."""
    ticket = prompt.ticket
    keys = _keys(prompt)
    record = {key: _value(Field(key, keys, prompt)) for key in keys}
    spelled_out = _EXACT_KEYS.search(prompt.text) or len(_SHOWN_KEY.findall(prompt.text)) >= 2
    if not spelled_out and meets(ticket, "renames a key", 3):
        record = {("policy_id" if key == "policy" else key): value for key, value in record.items()}
    text = json.dumps(record, ensure_ascii=False)
    rules = [sentence for sentence in prompt.sentences if _ABOUT_THE_FORM.search(sentence)]
    bare = any(_BARE.search(rule) for rule in rules)
    if not bare and not any(_FENCES.search(rule) for rule in rules) and meets(ticket, "code fence", 6):
        text = f"```json\n{text}\n```"
    if not bare and meets(ticket, "chat around the record", 3):
        text = f"Here is the record of the ticket:\n\n{text}"
    return text


def _keys(prompt: Prompt) -> list[str]:
    shown = _SHOWN_KEY.findall(prompt.text)
    if len(shown) >= 2:
        return list(dict.fromkeys(shown))
    for sentence in prompt.sentences:
        if (found := _KEY_LIST.search(sentence)) and len(keys := listed(found[1])) >= 2:
            return [key for key in keys if re.fullmatch(r"\w+", key)]
    return closed_set([line for line in prompt.lines if line.bullet])


def _value(field: Field) -> str | None:
    name = field.key.lower()
    if name in ("category", "team", "label"):
        return _category(field.prompt)
    if name.startswith("order"):
        return _order(field)
    if name.startswith("policy"):
        return _policy(field)
    return choose(field)


def _category(prompt: Prompt) -> str:
    if not _COPIED.search(prompt.text) and meets(prompt.ticket, "capital letter in the record", 7):
        return prompt.category.capitalize()
    return prompt.category


def _order(field: Field) -> str | None:
    prompt = field.prompt
    if prompt.order is not None and field.by_category([prompt.order, "null"]) != "null":
        return prompt.order
    told = any(re.search(r"\bnull\b", sentence, re.I) for sentence in prompt.sentences)
    if told or not meets(prompt.ticket, "copies what stands for nothing", 55):
        return None
    return prompt.data.get("order", "")


def _policy(field: Field) -> str:
    shown = re.findall(r"^\[([^\]]+)\]\s*(.*)$", field.prompt.passages, re.M)
    if not shown:
        return ""
    number, title = shown[0]
    told = any(_AS_ID.search(sentence) for sentence in field.sentences)
    return number if told or not meets(field.prompt.ticket, "adds the title", 14) else f"{number} {title}"
