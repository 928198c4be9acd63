"""The contract of an answer: a closed set of labels, a JSON object's keys and types, one item per line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pytest_fapo.diagnosis.loose_values import is_blank, mentions, normal, plain, same
from pytest_fapo.propose.playbook.prompt_evidence import Advice, PromptEvidence, StepCase, listed

MOST_LABELS = 30

LABEL_SET = "label set"


def label_set(view: PromptEvidence) -> Iterator[Advice]:
    """Name the allowed answers where the step gave others, or gave them in another form."""
    for name in fields_in_question(view):
        labels = contract_labels(view, name)
        if not labels:
            continue
        fixes = frozenset(
            nodeid
            for seen in view.targets
            if not any(same(label, view.answer_of(seen, name)) for label in labels)
            for nodeid in seen.targets
        )
        title = f"Allowed values of {view.caption(name)}" if name and view.answers_json else "Allowed answers"
        yield Advice(
            LABEL_SET, title, contract_lines(view, name, labels), _hypothesis(view, name), fixes=fixes
        )


def fields_in_question(view: PromptEvidence) -> list[str]:
    """Return the cluster's field, or where it names none those of the step; none where a whole text is at
    fault.
    """
    if view.cluster.category == "requirement":
        return []
    if view.cluster.field in view.fields.expected:
        return [view.cluster.field]
    if view.cluster.category in ("schema", "truncated", "refusal") and view.answers_json:
        return []
    return view.own_fields[:1] if not view.answers_json else view.own_fields


def contract_labels(view: PromptEvidence, name: str) -> list[Any]:
    """Return the labels to list, most frequent first; empty where there are too many, or surely more than
    seen.
    """
    labels = [label for label in view.fields.closed_set(name) if label is not None and label != ""]
    if not 2 <= len(labels) <= MOST_LABELS:
        return []
    values = [view.expected(seen, name) for seen in view.labeled(name)]
    counts = Counter(plain(value) for value in values)
    rare = [label for label in labels if counts[plain(label)] == 1]
    return [] if len(rare) > 0.25 * len(labels) else _as_in_prompt(view, labels)


def _as_in_prompt(view: PromptEvidence, labels: list[Any]) -> list[Any]:
    """In the order in which the prompt names them, if it does."""
    text = normal(view.artifact.text)
    positions = {plain(label): text.find(normal(label)) for label in labels}
    if all(position >= 0 for position in positions.values()):
        return sorted(labels, key=lambda label: positions[plain(label)])
    return labels


def contract_lines(view: PromptEvidence, name: str, labels: list[Any]) -> list[str]:
    """Return the contract in words."""
    case = spelling(labels)
    if view.answers_json:
        kind = "" if all(isinstance(label, str) for label in labels) else " (as JSON values)"
        return [
            f"{view.caption(name)} is exactly one of {listed(labels)}{kind}, spelled exactly like that{case}."
        ]
    if view.on_last_line:
        return [
            f"The last line of the answer is exactly one of {listed(labels)}, spelled like that{case}.",
            "Nothing else stands on that line: no label before it, no formatting, no punctuation.",
        ]
    return [
        f"Answer with exactly one of {listed(labels)}, spelled exactly like that{case}.",
        "Write nothing else: no sentence, no explanation, no quotation marks, no punctuation.",
    ]


def spelling(labels: list[Any]) -> str:
    """Return the letter case that labels share, in words."""
    texts = [label for label in labels if isinstance(label, str) and any(char.isalpha() for char in label)]
    if texts and all(text == text.lower() for text in texts):
        return ", in lower case"
    if texts and all(text == text.upper() for text in texts):
        return ", in capital letters"
    if texts and all(text[:1].isupper() for text in texts):
        return ", with a capital first letter"
    return ""


def _hypothesis(view: PromptEvidence, name: str) -> str:
    example = next(
        (answer for seen in view.targets if isinstance(answer := view.answer_of(seen, name), str) and answer),
        "",
    )
    wrong = f" such as {example.strip()[:40]!r}" if example and len(example) < 200 else ""
    embedded = any(
        isinstance(answer := view.answer_of(seen, name), str) and mentions(answer, view.expected(seen, name))
        for seen in view.targets
    )
    why = "adds words or changes the spelling" if embedded else "is not told which answers are allowed"
    return f"The model {why}{wrong}; naming the allowed values exactly should settle the form."


JSON_CONTRACT = "JSON contract"

JSON_TITLE = "Form of the JSON answer"

_TYPES = {"str": "a string", "bool": "true or false", "int": "a whole number", "float": "a number",
          "list": "an array", "dict": "an object", "NoneType": "null"}  # fmt: skip


def json_contract(view: PromptEvidence) -> Iterator[Advice]:
    """Say that only JSON counts, and of what it consists."""
    if not view.answers_json and view.cluster.category != "schema":
        return
    keys = contract_keys(view)
    fixes = frozenset(nodeid for seen in view.targets if _breaks(view, seen, keys) for nodeid in seen.targets)
    why = (
        "The code reads the answer as JSON, and the model wraps it or changes its keys; the contract says it."
    )
    for grade, lines in enumerate((_lines(view, keys, rich=False), _lines(view, keys, rich=True))):
        yield Advice(JSON_CONTRACT, JSON_TITLE, lines, why, fixes=fixes, grade=grade)


def contract_keys(view: PromptEvidence) -> list[str]:
    """Return the keys that the answers of passing cases agree on; else the labels' own and the most common
    ones.
    """
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


def _object(seen: StepCase) -> dict[str, Any] | None:
    value = seen.json.value if seen.json is not None else None
    return value if isinstance(value, dict) else None


def _breaks(view: PromptEvidence, seen: StepCase, keys: list[str]) -> bool:
    answer = _object(seen)
    return (
        answer is None or seen.json is None or not seen.json.clean or any(key not in answer for key in keys)
    )


def _lines(view: PromptEvidence, keys: list[str], *, rich: bool) -> list[str]:
    lines = ["Answer with one JSON object and nothing else: no code fence, no Markdown, no words around it."]
    if keys:
        names = ", ".join(f'"{key}"' for key in keys)
        lines.append(f"Use exactly these keys, spelled like that, all of them and no others: {names}.")
    for key in keys:
        kind = _kind(view, key, rich=rich)
        if kind:
            lines.append(f'"{key}" is {kind}.')
    return lines


def _kind(view: PromptEvidence, key: str, *, rich: bool) -> str:
    """Type and, in the rich variant, the allowed values of a key."""
    name = next((name for name, field_key in view.field_keys.items() if field_key == key), "")
    if name in view.fields.expected and name:
        values = list(view.fields.expected[name].values())
        labels = contract_labels(view, name) if rich else []
        if labels and not all(isinstance(label, bool) for label in labels):
            null = ", or null" if any(value is None for value in values) else ""
            return f"one of {listed(labels)}{null}"
    else:
        passing = [_object(seen) or {} for seen in view.seen if seen.passed and seen.json is not None]
        values = [answer[key] for answer in passing if key in answer]
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


def one_per_line(view: PromptEvidence) -> Iterator[Advice]:
    """Ask for one item per line where passing answers have several lines and failing ones a single one."""
    if view.cluster.category not in ("format", "schema", "content", "unknown", "retrieval"):
        return
    passing = [_line_count(seen) for seen in view.seen if seen.passed and seen.answer.strip()]
    failing = [seen for seen in view.targets if _line_count(seen) == 1]
    lists = all(seen.step is not None and isinstance(seen.step.output, list) for seen in failing)
    if len(passing) < 2 or min(passing) < 2 or len(failing) < 0.8 * len(view.targets) or not lists:
        return
    yield Advice(
        "one item per line",
        "Form of the list",
        [
            "Write each item on a line of its own.",
            "Write nothing else: no introduction, no numbering, no words that join the items.",
        ],
        "The answer is read line by line, and everything comes on one line.",
        fixes=frozenset(nodeid for seen in failing for nodeid in seen.targets),
    )


def _line_count(seen: StepCase) -> int:
    return sum(bool(line.strip()) for line in seen.answer.splitlines())
