"""Partial credit: how near failing cases came to passing. It orders candidates and accepts none.

Where no case passes yet, a score says nothing of two edits of which one is on the way.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from pytest_fapo.core.candidate import Candidate
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.spending import RUN_COSTS
from pytest_fapo.core.trace import Trace
from pytest_fapo.diagnosis.loose_values import leaves, mentions, normal, read_json, same, whole_text

_RIGHT = 0.9
"""Everything that the label says is there, and the test fails all the same."""

_CONTAINED = 0.5

_IN_JSON = 0.8
"""Of the credit that a value would have outside of a text that has to be read as JSON first."""

_WORDS = 0.4
"""The most that shared words are worth."""


def gained_credit(candidate: Candidate, before: Evaluation, after: Evaluation) -> float | None:
    """Return the mean gain in credit of a candidate's targets, -1 to 1; None where none of them ran twice."""
    gains = []
    for nodeid in candidate.targets:
        old, new = _credit(before, nodeid), _credit(after, nodeid)
        if old is not None and new is not None:
            gains.append(new - old)
    return round(sum(gains) / len(gains), 4) if gains else None


def _credit(evaluation: Evaluation, nodeid: str) -> float | None:
    item, case = evaluation.items.get(nodeid), evaluation.cases.get(nodeid)
    if item is None or case is None or not item.counts:
        return None
    if item.passed:
        return 1.0
    trace = evaluation.trace_of(item)
    if trace is None:
        return 0.0
    steps = _of_steps(case.expected_steps, trace)
    output = max(nearness(case.expected, trace.output), _scored(item))
    return output if steps is None else (output + steps) / 2


def _scored(item: ItemResult) -> float:
    """Graded scores of a failing test that are shares; where less is better, what is left of one."""
    shares = [
        1 - score if name in item.lower_is_better else score
        for name, score in item.scores.items()
        if 0 <= score <= 1 and name not in RUN_COSTS
    ]
    return _RIGHT * sum(shares) / len(shares) if shares else 0.0


def _of_steps(expected: dict[str, Any], trace: Trace) -> float | None:
    """Return the share of the labeled steps that gave what they should."""
    outputs = {step.key: step.output for step in trace.steps}
    known = [name for name in expected if name in outputs]
    if not known:
        return None
    return sum(nearness(expected[name], outputs[name]) for name in known) / len(known)


def nearness(expected: Any, output: Any) -> float:
    """Return how near an output is to its label, 0 to 0.9: a field counts as much as any other."""
    if expected is None or output is None:
        return 0.0
    if isinstance(expected, dict):
        if isinstance(output, str):
            reading = read_json(output)
            if reading is not None and isinstance(reading.value, dict):
                return _IN_JSON * nearness(expected, reading.value)
        wanted = [value for _, value in leaves(expected)]
        if not isinstance(output, dict):
            text = whole_text(output)
            return _CONTAINED * _share([mentions(text, value) for value in wanted])
        given = {normal(name): value for name, value in leaves(output)}
        return sum(nearness(value, given.get(normal(name))) for name, value in leaves(expected)) / max(
            1, len(wanted)
        )
    if isinstance(expected, list):
        members = output if isinstance(output, list) else [output]
        return _RIGHT * _share([any(same(each, member) for member in members) for each in expected])
    if same(expected, output):
        return _RIGHT
    text = whole_text(output)
    return _CONTAINED if mentions(text, expected) else _WORDS * _shared_words(whole_text(expected), text)


def _share(hits: list[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0


def _shared_words(one: str, other: str) -> float:
    """The harmonic mean of what each has of the other's words."""
    first, second = (Counter(re.findall(r"\w+", text.casefold())) for text in (one, other))
    common = sum((first & second).values())
    return 2 * common / (first.total() + second.total()) if common else 0.0
