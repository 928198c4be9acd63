"""The post-processing that turns the recorded answers into the right ones, tried on all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_fapo.diagnosis.loose_values import plain
from pytest_fapo.propose.operators.operator_target import OperatorTarget
from pytest_fapo.propose.operators.post_processing import PostProcess
from pytest_fapo.propose.operators.project_functions import OperatorError
from pytest_fapo.propose.playbook.answer_contract import fields_in_question
from pytest_fapo.propose.playbook.prompt_evidence import PromptEvidence, StepCase

MOST = 2

_WAYS: tuple[list[str], ...] = (
    ["fences"],
    ["fences", "json"],
    ["punctuation"],
    ["quotes"],
    ["quotes", "punctuation"],
    ["emphasis", "quotes", "punctuation"],
    ["prefix"],
    ["prefix", "punctuation"],
    ["emphasis", "prefix", "punctuation"],
    ["lower"],
    ["upper"],
    ["quotes", "punctuation", "lower"],
    ["quotes", "punctuation", "upper"],
    ["first-line"],
    ["last-line"],
    ["last-line", "prefix"],
    ["last-line", "emphasis", "prefix", "punctuation"],
    ["number"],
    ["last-line", "number"],
)


@dataclass(frozen=True)
class AnswerSample:
    """A text as it is now, and whether another one would be right in its place."""

    text: str
    right: Callable[[str], bool]
    failing: bool


class AnswerCleaning:
    """The failing step's answers and what is wrong with their form."""

    def __init__(self, view: PromptEvidence, target: OperatorTarget) -> None:
        self._view = view
        self._target = target

    @cached_property
    def labels(self) -> list[str]:
        """The closed set of answers, where the step gives nothing else."""
        for name in fields_in_question(self._view)[:1]:
            labels = self._view.fields.closed_set(name)
            if 2 <= len(labels) <= 40 and all(isinstance(label, str) and label for label in labels):
                return list(labels)
        return []

    def ways(self) -> Iterator[PostProcess]:
        """Operators that fix cases and break none, those that fix most first."""
        yield from self._best(self._samples(), at="answer" if self._asks else "input")
        if self._target.form == "text":
            yield from self._best(self._samples(), at="result")
        if self._target.form == "mapping":
            for name in fields_in_question(self._view):
                key = self._view.field_keys.get(name) or name.rpartition(".")[2]
                if key and "." not in key:
                    yield from self._best(self._field_samples(name, key), at="result", field=key)

    @property
    def _asks(self) -> bool:
        return any(view.calls for view in self._target.views)

    def _best(self, samples: list[AnswerSample], **where: Any) -> list[PostProcess]:
        """The best of the choices, one of each effect."""
        rated: list[tuple[int, int, int, PostProcess]] = []
        effects: set[tuple[str, ...]] = set()
        for number, choice in enumerate(self._choices()):
            operator = PostProcess.model_validate({**where, **choice})
            clean = operator.cleaner()
            cleaned = [clean(each.text) for each in samples]
            pairs = list(zip(samples, cleaned, strict=True))
            fixed = sum(
                each.failing and each.right(text) and not each.right(each.text) for each, text in pairs
            )
            broken = any(
                not each.failing and each.right(each.text) > each.right(text) for each, text in pairs
            )
            if fixed and not broken and tuple(cleaned) not in effects:
                effects.add(tuple(cleaned))
                rated.append((-fixed, len(operator.ways), number, operator))
        return [operator for *_, operator in sorted(rated, key=lambda entry: entry[:3])[:MOST]]

    def _choices(self) -> Iterator[dict[str, Any]]:
        for ways in _WAYS:
            yield {"ways": ways}
        if self.labels:
            yield {"choices": self.labels}
        pattern = self._pattern()
        if pattern:
            yield {"pattern": pattern}

    def _samples(self) -> list[AnswerSample]:
        """Return the step's model answers (or its inputs), beside the label, or as JSON."""
        found = []
        structured = self._view.cluster.category in ("schema", "exception") and not self.labels
        for seen in self._view.seen:
            text = self._text(seen)
            if not text:
                continue
            failing = bool(seen.targets)
            if structured:
                found.append(AnswerSample(text, _is_json, failing))
                continue
            for name in fields_in_question(self._view)[:1]:
                value = self._view.expected(seen, name)
                if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                    found.append(AnswerSample(text, _equal_to(value), failing))
        return found

    def _field_samples(self, name: str, key: str) -> list[AnswerSample]:
        found = []
        for seen in self._view.seen:
            output = seen.step.output if seen.step is not None else None
            answer = output.get(key) if isinstance(output, dict) else None
            wanted = self._view.expected(seen, name)
            if isinstance(answer, str) and isinstance(wanted, str):
                found.append(AnswerSample(answer, _equal_to(wanted), bool(seen.targets)))
        return found

    def _text(self, seen: StepCase) -> str:
        if self._asks:
            return seen.answer
        try:
            name = self._target.text()
        except OperatorError:
            return ""
        given = seen.step.step.inputs if seen.step is not None else None
        value = given.get(name) if isinstance(given, dict) else None
        return value if isinstance(value, str) else ""

    def _pattern(self) -> str:
        """The shape that all right answers share, where digits make it one of its own."""
        names = fields_in_question(self._view)[:1]
        values = [
            plain(self._view.expected(seen, name)) for name in names for seen in self._view.labeled(name)
        ]
        shapes = {_shape(value) for value in values if value not in ("", "null")}
        if len(shapes) != 1 or len(values) < 3:
            return ""
        shape = shapes.pop()
        return shape if r"\d" in shape and shape != r"\d+" and len(shape) <= 80 else ""


def _shape(value: str) -> str:
    """A regular expression for texts of the same build: runs of letters by their case, runs of digits."""
    found = ""
    for run in re.findall(r"[A-Z]+|[a-z]+|\d+|.", value):
        if run.isdigit():
            found += r"\d+"
        elif run.isascii() and run.isalpha():
            found += f"[A-Z]{{{len(run)}}}" if run.isupper() else "[a-z]+"
        else:
            found += re.escape(run)
    return found


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False


def _equal_to(value: Any) -> Callable[[str], bool]:
    def equal(text: str) -> bool:
        if isinstance(value, str):
            return text == value
        try:
            return float(text) == float(value)
        except ValueError:
            return False

    return equal
