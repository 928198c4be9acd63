"""The contract of a JSON answer: nothing but JSON, which keys, which types, which values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.techniques.label_set import contract_labels
from pytest_fapo.propose.playbook.view import Seen, View, listed
from pytest_fapo.reading.values import is_blank, normal

NAME = "JSON contract"
TITLE = "Form of the JSON answer"
_TYPES = {"str": "a string", "bool": "true or false", "int": "a whole number", "float": "a number",
          "list": "an array", "dict": "an object", "NoneType": "null"}  # fmt: skip


def json_contract(view: View) -> Iterator[Advice]:
    """Say that only JSON counts, and of what it consists."""
    if not view.answers_json and view.cluster.category != "schema":
        return
    keys = contract_keys(view)
    mends = frozenset(nodeid for seen in view.targets if _breaks(view, seen, keys) for nodeid in seen.targets)
    why = (
        "The code reads the answer as JSON, and the model wraps it or changes its keys; the contract says it."
    )
    for grade, lines in enumerate((_lines(view, keys, rich=False), _lines(view, keys, rich=True))):
        yield Advice(NAME, TITLE, lines, why, mends=mends, grade=grade)


def contract_keys(view: View) -> list[str]:
    """The keys that the answers of passing cases agree on; else the labels' own and the most common ones."""
    passing = [seen for seen in view.seen if seen.passed and _object(seen) is not None]
    trusted = passing or [seen for seen in view.seen if _object(seen) is not None]
    counts = Counter(key for seen in trusted for key in (_object(seen) or {}))
    share = 0.8 if passing else 0.5
    keys = [key for key, count in counts.items() if count >= share * len(trusted)]
    for name in view.fields.expected:
        if name in view.own_fields and "." not in name:
            own = view.field_keys.get(name, name).partition(".")[0]
            if own not in keys:
                keys = [key for key in keys if normal(key) != normal(own)] + [own]
    return keys


def _object(seen: Seen) -> dict[str, Any] | None:
    value = seen.json.value if seen.json is not None else None
    return value if isinstance(value, dict) else None


def _breaks(view: View, seen: Seen, keys: list[str]) -> bool:
    told = _object(seen)
    return told is None or seen.json is None or not seen.json.clean or any(key not in told for key in keys)


def _lines(view: View, keys: list[str], *, rich: bool) -> list[str]:
    lines = ["Answer with one JSON object and nothing else: no code fence, no Markdown, no words around it."]
    if keys:
        names = ", ".join(f'"{key}"' for key in keys)
        lines.append(f"Use exactly these keys, spelled like that, all of them and no others: {names}.")
    for key in keys:
        kind = _kind(view, key, rich=rich)
        if kind:
            lines.append(f'"{key}" is {kind}.')
    return lines


def _kind(view: View, key: str, *, rich: bool) -> str:
    """Type and, in the rich variant, the allowed values of a key."""
    name = next((name for name, told in view.field_keys.items() if told == key), "")
    if name in view.fields.expected and name:
        values = list(view.fields.expected[name].values())
        labels = contract_labels(view, name) if rich else []
        if labels and not all(isinstance(label, bool) for label in labels):
            null = ", or null" if any(value is None for value in values) else ""
            return f"one of {listed(labels)}{null}"
    else:
        passing = [_object(seen) or {} for seen in view.seen if seen.passed and seen.json is not None]
        values = [told[key] for told in passing if key in told]
    types = {type(value).__name__ for value in values if value is not None}
    if types == {"int", "float"}:
        types = {"float"}
    if len(types) != 1:
        return ""
    null = ", or null" if any(is_blank(value) and value is None for value in values) else ""
    kind = _TYPES[types.pop()]
    if kind == "a string" and not null:
        return ""
    if kind == "an array" and all(isinstance(item, str) for value in values for item in value or []):
        kind = "an array of strings"
    return f"{kind}{null}"
