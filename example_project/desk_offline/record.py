"""Fill in a JSON record: which fields, in which form, and what belongs into each."""

from __future__ import annotations

import json
import re
from functools import lru_cache

from desk_offline import cues
from desk_offline.choosing import Field, choose
from desk_offline.habits import meets
from desk_offline.meaning import closed_set, listed
from desk_offline.reading import Instructions, Prompt

_KEY_LIST = re.compile(
    r"\b(?:fields?|keys?|properties|members)\b(?:\s+(?:are|named|called))?[:\s]+(.+)", re.I
)
_SHOWN_KEY = re.compile(r"[\"“](\w+)[\"”]\s*:")


def fill_in(prompt: Prompt) -> str:
    """The record as JSON, or as something around JSON where the prompt does not forbid that."""
    ticket = prompt.ticket
    keys = _keys(prompt.instructions)
    record = {key: _value(Field(key, keys, prompt)) for key in keys}
    spelled_out = (
        cues.EXACT_KEYS.search(prompt.instructions.text)
        or len(_SHOWN_KEY.findall(prompt.instructions.text)) >= 2
    )
    if not spelled_out and meets(ticket, "renames a key", 3):
        record = {("policy_id" if key == "policy" else key): value for key, value in record.items()}
    text = json.dumps(record, ensure_ascii=False)
    rules = [sentence for sentence in prompt.instructions.sentences if cues.ABOUT_THE_FORM.search(sentence)]
    bare = any(cues.BARE_JSON.search(rule) for rule in rules)
    if not bare and not any(cues.FENCES.search(rule) for rule in rules) and meets(ticket, "code fence", 6):
        text = f"```json\n{text}\n```"
    if not bare and meets(ticket, "chat around the record", 3):
        text = f"Here is the record of the ticket:\n\n{text}"
    return text


@lru_cache(maxsize=64)
def _keys(instructions: Instructions) -> tuple[str, ...]:
    shown = _SHOWN_KEY.findall(instructions.text)
    if len(shown) >= 2:
        return tuple(dict.fromkeys(shown))
    for sentence in instructions.sentences:
        if (found := _KEY_LIST.search(sentence)) and len(keys := listed(found[1])) >= 2:
            return tuple(key for key in keys if re.fullmatch(r"\w+", key))
    return closed_set(tuple(line for line in instructions.lines if line.bullet))


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
    if not cues.COPIED.search(prompt.instructions.text) and meets(
        prompt.ticket, "capital letter in the record", 7
    ):
        return prompt.category.capitalize()
    return prompt.category


def _order(field: Field) -> str | None:
    prompt = field.prompt
    if prompt.order is not None and field.by_rule((prompt.order, "null"), prompt.category) != "null":
        return prompt.order
    told = any(cues.NULL.search(sentence) for sentence in prompt.instructions.sentences)
    if told or not meets(prompt.ticket, "copies what stands for nothing", 55):
        return None
    return prompt.data.get("order", "")


def _policy(field: Field) -> str:
    shown = re.findall(r"^\[([^\]]+)\]\s*(.*)$", field.prompt.passages, re.M)
    if not shown:
        return ""
    number, title = shown[0]
    told = any(cues.AN_ID.search(sentence) for sentence in field.sentences)
    return number if told or not meets(field.prompt.ticket, "adds the title", 14) else f"{number} {title}"
