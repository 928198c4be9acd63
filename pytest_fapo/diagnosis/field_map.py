"""Learn which step carries which expected field from all traces of a pipeline."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pytest_fapo.core.case import Case
from pytest_fapo.core.trace import Trace
from pytest_fapo.diagnosis.label_forms import LabelForms
from pytest_fapo.diagnosis.label_values import AnyOf
from pytest_fapo.diagnosis.loose_values import (
    alike,
    is_blank,
    key_values,
    leaves,
    mentions,
    normal,
    plain,
    read_json,
    same,
    same_entries,
    texts_in,
)
from pytest_fapo.diagnosis.trace_view import StepView, TraceView, helper_names

Mode = Literal["value", "member", "count"]

OUTPUT = "<output>"
"""Stands for the pipeline's own output where a step's key is asked for."""


@dataclass(frozen=True)
class CaseRun:
    """One case as one run left it."""

    case: Case
    view: TraceView
    passed: bool


@dataclass(frozen=True)
class Carrier:
    """A place where the value of an expected field shows: a leaf of a step's output."""

    step: str
    path: str
    mode: Mode
    order: float


def output_leaves(value: Any) -> dict[str, Any]:
    """Return the leaves of an output: a mapping's fields, the fields of JSON or `Key: value` text, and the
    whole.
    """
    merged: dict[str, Any] = {}
    if isinstance(value, str):
        merged[""] = value
        reading = read_json(value)
        if reading is not None and isinstance(reading.value, dict):
            merged.update(leaves(reading.value))
        elif reading is None and len(value) < 4000:
            merged.update(key_values(value))
    elif isinstance(value, dict):
        merged.update(leaves(value))
    elif value is not None:
        merged[""] = value
    return merged


class FieldMap:
    """The facts about the labels that a set of runs shows."""

    def __init__(
        self,
        readings: Iterable[CaseRun],
        helpers: frozenset[str] = frozenset(),
        forms: LabelForms | None = None,
    ) -> None:
        self.readings = list(readings)
        self.helpers = helpers
        self.forms = forms or LabelForms()
        self.memo: dict[tuple[str, ...], float] = {}
        """Results of rules about all runs together, by rule and field."""
        self._prompt_lines: dict[str, frozenset[str]] = {}

    @classmethod
    def of(cls, runs: Iterable[tuple[Case, Trace, bool]], forms: LabelForms | None = None) -> FieldMap:
        """Return a map over cases, their traces, and whether each passed."""
        listed = list(runs)
        helpers = helper_names(trace for _, trace, _ in listed)
        readings = (CaseRun(case, TraceView(trace, helpers), passed) for case, trace, passed in listed)
        return cls(readings, helpers, forms)

    @cached_property
    def expected(self) -> dict[str, dict[str, Any]]:
        """Field -> key of the case -> expected value."""
        values: dict[str, dict[str, Any]] = {}
        for reading in self.readings:
            for path, value in self.forms.fields(reading.case).items():
                values.setdefault(path, {})[reading.case.key] = value
        return values

    @cached_property
    def carriers(self) -> dict[str, list[Carrier]]:
        """Field -> the places where it shows, in the order in which a pipeline reaches them."""
        return {name: self._carriers(name) for name in self.expected}

    @cached_property
    def passing_by_question(self) -> dict[tuple[str, str], list[StepView]]:
        """Step key and what a step was asked to the steps of passing runs that were asked just that."""
        views: dict[tuple[str, str], list[StepView]] = defaultdict(list)
        for reading in self.readings:
            if reading.passed:
                for step in reading.view.steps:
                    views[step.key, step.question].append(step)
        return views

    def prompt_lines(self, name: str) -> frozenset[str]:
        """Return the lines that a step sends in nearly all cases, whatever they are about."""
        if name not in self._prompt_lines:
            sent = [
                {
                    line
                    for step in reading.view.steps
                    if step.name == name
                    for line in step.messages_text.splitlines()
                }
                for reading in self.readings
            ]
            counts = Counter(line for lines in sent for line in lines)
            asked = sum(map(bool, sent))
            self._prompt_lines[name] = frozenset(
                line for line, times in counts.items() if asked >= 4 and times >= 0.9 * asked
            )
        return self._prompt_lines[name]

    def closed_set(self, name: str) -> list[Any]:
        """Return the values of a field with few different scalar ones, most frequent first; else empty."""
        values = list(self.expected.get(name, {}).values())
        scalars = [value for value in values if not isinstance(value, (list, dict))]
        if len(scalars) < 4 or len(scalars) < len(values):
            return []
        counts = Counter(_key(value) for value in scalars)
        words = [len(plain(value).split()) for value in scalars]
        repeated = sum(1 for count in counts.values() if count >= 2)
        if len(counts) < 2 or len(counts) > 80 or max(words) > 6 or repeated * 2 < len(counts):
            return []
        by_key = {_key(value): value for value in scalars}
        return [by_key[key] for key, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]

    def value_at(self, reading: CaseRun, carrier: Carrier) -> Any:
        """Return a run's value at a carrier; raises KeyError if the run never got there."""
        if carrier.step == OUTPUT:
            return output_leaves(reading.view.trace.output)[carrier.path]
        step = reading.view.by_key(carrier.step)
        if step is None:
            raise KeyError(carrier.step)
        if carrier.mode == "member":
            return step.output
        value = output_leaves(readable_output(step))[carrier.path]
        if carrier.mode == "count":
            return len(value) if isinstance(value, list) else value
        return value

    def right(self, reading: CaseRun, carrier: Carrier, expected: Any) -> bool:
        """True if a run holds the expected value at a carrier."""
        value = self.value_at(reading, carrier)
        if carrier.mode == "member":
            return holds_all(value, expected)
        if isinstance(expected, AnyOf):
            return alike(expected, value)
        return same(expected, value) or same_entries(expected, value)

    def _carriers(self, name: str) -> list[Carrier]:
        seen: dict[tuple[str, str], list[tuple[Any, Any]]] = defaultdict(list)
        asserted = self.forms.asserted.get(name, {})
        members: dict[str, list[bool]] = defaultdict(list)
        counts: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        orders: dict[str, list[int]] = defaultdict(list)
        wanted = self.expected[name]
        for reading in self.readings:
            if reading.case.key not in wanted:
                continue
            value = wanted[reading.case.key]
            shown = asserted.get(reading.case.key, value)
            for step in reading.view.steps:
                orders[step.key].append(step.order)
                for path, leaf in output_leaves(readable_output(step)).items():
                    seen[step.key, path].append((shown if same(shown, leaf) else value, leaf))
                    if reading.passed and isinstance(leaf, list) and type(value) is int:
                        counts[step.key, path].append((value, len(leaf)))
                if isinstance(step.output, (list, dict)) and _has_list(step.output):
                    members[step.key].append(holds_all(step.output, value))
            for path, leaf in output_leaves(reading.view.trace.output).items():
                seen[OUTPUT, path].append((shown if same(shown, leaf) else value, leaf))
        orders[OUTPUT] = [10_000]
        closed = self.closed_set(name)
        carriers = [
            Carrier(step, path, "value", _mean(orders[step]))
            for (step, path), pairs in seen.items()
            if _carries(name, path, pairs, closed)
        ]
        carriers += [
            Carrier(step, path, "count", _mean(orders[step]))
            for (step, path), pairs in counts.items()
            if _counts_it(pairs)
        ]
        if not any(carrier.path == "" and carrier.step != OUTPUT for carrier in carriers):
            varied = len({_key(value) for value in wanted.values()}) >= 2
            carriers += [
                Carrier(step, "", "member", _mean(orders[step]))
                for step, hits in members.items()
                if varied and _lists_it(name, hits) and not any(carrier.step == step for carrier in carriers)
            ]
        return sorted(carriers, key=lambda carrier: (carrier.order, carrier.path.count("."), carrier.path))


def readable_output(step: StepView) -> Any:
    """Return a step's output, or its model's answer where the function returned nothing readable."""
    output = step.output
    if output is None or (isinstance(output, str) and output.startswith("<") and " object at 0x" in output):
        return step.answer
    return output


def _carries(name: str, path: str, pairs: list[tuple[Any, Any]], closed: list[Any]) -> bool:
    hits = [(value, leaf) for value, leaf in pairs if not is_blank(value) and alike(value, leaf)]
    distinct = len({_key(value) for value, _ in hits})
    if path and name and normal(path.rpartition(".")[2]) == normal(name.rpartition(".")[2]):
        return True
    if distinct >= 2 and len(hits) >= max(2, 0.3 * len(pairs)):
        return True
    if path or not closed:
        return False
    short = [(value, leaf) for value, leaf in pairs if isinstance(leaf, str) and 0 < len(leaf.split()) <= 14]
    named = [leaf for _, leaf in short if sum(mentions(leaf, label) for label in closed) == 1]
    right = [leaf for value, leaf in short if mentions(leaf, value)]
    return len(named) >= 0.6 * len(pairs) and len(right) >= max(2, 0.2 * len(pairs))


def _counts_it(pairs: list[tuple[int, int]]) -> bool:
    """True if a label is how many entries a list has, in nearly all of several cases that pass."""
    hits = [wanted for wanted, entries in pairs if wanted == entries]
    return len(hits) >= 4 and len(set(hits)) >= 2 and len(hits) >= 0.9 * len(pairs)


def _lists_it(name: str, hits: list[bool]) -> bool:
    share = sum(hits) / len(hits) if hits else 0.0
    return share >= 0.5 or (share >= 0.2 and is_retrieval_name(name))


def is_retrieval_name(name: str) -> bool:
    """True if a field's name says that it labels what should be retrieved."""
    words = set(normal(name.replace(".", " ")).split())
    stems = {word.rstrip("s") for word in words}
    return bool(
        stems & {"doc", "document", "passage", "source", "article", "evidence", "citation", "chunk", "title"}
    )


def holds_all(haystack: Any, expected: Any) -> bool:
    """True if every expected id or passage is a member of a retrieved list."""
    wanted = expected if isinstance(expected, list) else [expected]
    texts = [normal(text) for text in texts_in(haystack)]
    return bool(wanted) and all(
        any(normal(item) == text or (len(normal(item)) > 30 and normal(item) in text) for text in texts)
        for item in wanted
    )


def _has_list(value: Any) -> bool:
    if isinstance(value, list):
        return True
    return isinstance(value, dict) and any(isinstance(inner, list) for inner in value.values())


def _mean(values: list[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def _key(value: Any) -> str:
    return f"{type(value).__name__}:{plain(value)}"
