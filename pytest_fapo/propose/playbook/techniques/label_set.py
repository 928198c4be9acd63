"""The closed set of labels as a contract: which, spelled how, and nothing beside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.view import View, listed
from pytest_fapo.reading.values import mentions, normal, plain, same

MOST_LABELS = 30
NAME = "label set"


def label_set(view: View) -> Iterator[Advice]:
    """Name the allowed answers where the step gave others, or gave them in another form."""
    for name in fields_in_question(view):
        labels = contract_labels(view, name)
        if not labels:
            continue
        mends = frozenset(
            nodeid
            for seen in view.targets
            if not any(same(label, view.told(seen, name)) for label in labels)
            for nodeid in seen.targets
        )
        title = f"Allowed values of {view.caption(name)}" if name and view.answers_json else "Allowed answers"
        yield Advice(NAME, title, contract_lines(view, name, labels), _hypothesis(view, name), mends=mends)


def fields_in_question(view: View) -> list[str]:
    """The cluster's field, or where it names none those of the step; none where a whole text is at fault."""
    if view.cluster.category == "requirement":
        return []
    if view.cluster.field in view.fields.expected:
        return [view.cluster.field]
    if view.cluster.category in ("schema", "truncated", "refusal") and view.answers_json:
        return []
    return view.own_fields[:1] if not view.answers_json else view.own_fields


def contract_labels(view: View, name: str) -> list[Any]:
    """The labels to list, most frequent first; empty where there are too many, or surely more than seen."""
    labels = [label for label in view.fields.closed_set(name) if label is not None and label != ""]
    if not 2 <= len(labels) <= MOST_LABELS:
        return []
    values = [view.expected(seen, name) for seen in view.labelled(name)]
    counts = Counter(plain(value) for value in values)
    rare = [label for label in labels if counts[plain(label)] == 1]
    return [] if len(rare) > 0.25 * len(labels) else _as_in_prompt(view, labels)


def _as_in_prompt(view: View, labels: list[Any]) -> list[Any]:
    """In the order in which the prompt names them, if it does."""
    text = normal(view.artifact.text)
    places = {plain(label): text.find(normal(label)) for label in labels}
    if all(place >= 0 for place in places.values()):
        return sorted(labels, key=lambda label: places[plain(label)])
    return labels


def contract_lines(view: View, name: str, labels: list[Any]) -> list[str]:
    """The contract in words."""
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
    """The letter case that labels share, in words."""
    texts = [label for label in labels if isinstance(label, str) and any(char.isalpha() for char in label)]
    if texts and all(text == text.lower() for text in texts):
        return ", in lower case"
    if texts and all(text == text.upper() for text in texts):
        return ", in capital letters"
    if texts and all(text[:1].isupper() for text in texts):
        return ", with a capital first letter"
    return ""


def _hypothesis(view: View, name: str) -> str:
    example = next(
        (told for seen in view.targets if isinstance(told := view.told(seen, name), str) and told), ""
    )
    wrong = f" such as {example.strip()[:40]!r}" if example and len(example) < 200 else ""
    embedded = any(
        isinstance(told := view.told(seen, name), str) and mentions(told, view.expected(seen, name))
        for seen in view.targets
    )
    why = "adds words or changes the spelling" if embedded else "is not told which answers are allowed"
    return f"The model {why}{wrong}; naming the allowed values exactly should settle the form."
