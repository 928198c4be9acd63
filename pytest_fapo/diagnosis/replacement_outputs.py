"""The outputs that can replace a failing case's step output."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pytest_fapo.diagnosis.failure import Failure
from pytest_fapo.diagnosis.field_map import CaseRun
from pytest_fapo.diagnosis.loose_values import read_json, same
from pytest_fapo.diagnosis.rules.labeled_outputs import given_output, labels_by_key, matches
from pytest_fapo.diagnosis.trace_view import StepView

ReplacementSource = Literal["label", "oracle", "sibling", "resample"]


@dataclass(frozen=True)
class ReplacementOutput:
    """A better output for one step of one case, and where it comes from."""

    step: StepView
    source: ReplacementSource
    output: Any = None
    output_type: str = ""

    @property
    def proves(self) -> bool:
        """True if it shows by itself that the step is at fault when it turns a case green: the step was given
        the same and gave better. A right answer put in by hand also hides what went wrong before it."""
        return self.source in ("sibling", "resample")


def replacements_of(failure: Failure) -> list[ReplacementOutput]:
    """Return the best replacement for each step that may be at fault, in the order in which the steps
    ended.
    """
    if failure.view is None:
        return []
    replacements = [
        replacement for step in failure.view.steps if (replacement := _replacement(failure, step)) is not None
    ]
    return [
        each
        for each in replacements
        if each.source != "oracle" or not any(other.step.ran_within(each.step) for other in replacements)
    ]


def known_right(failure: Failure) -> set[str]:
    """Return the keys of the steps that gave what their label says."""
    if failure.view is None:
        return set()
    labels = labels_by_key(failure.case.expected_steps, failure.view)
    return {
        step.key
        for step in failure.view.steps
        if step.key in labels and matches(labels[step.key], given_output(step))
    }


def known_wrong(failure: Failure) -> list[str]:
    """Return the keys of the steps that did not give what their label says, in order."""
    if failure.view is None:
        return []
    labels = labels_by_key(failure.case.expected_steps, failure.view)
    return [
        step.key
        for step in failure.view.steps
        if step.key in labels and not matches(labels[step.key], given_output(step))
    ]


def _replacement(failure: Failure, step: StepView) -> ReplacementOutput | None:
    assert failure.view is not None
    labels = labels_by_key(failure.case.expected_steps, failure.view)
    if step.key in labels:
        if matches(labels[step.key], given_output(step)):
            return None
        for output in _outputs_of(labels[step.key]):
            return ReplacementOutput(
                step, "label", _in_form(output, failure, step), _type_elsewhere(failure, step)
            )
    return _by_oracle(failure, step) or _by_sibling(failure, step) or _by_resample(step)


def _outputs_of(label: Any) -> Iterator[Any]:
    """Outputs that fit a label; a text that it must contain is no whole output."""
    if isinstance(label, dict) and label.keys() == {"contains"}:
        return
    if isinstance(label, dict) and label.keys() == {"any_of"} and isinstance(label["any_of"], list):
        for option in label["any_of"]:
            yield from _outputs_of(option)
        return
    yield label


def _in_form(output: Any, failure: Failure, step: StepView) -> Any:
    """As the step gives it: data as JSON text where the step gives texts."""
    forms = [step.output, *(other.output for other in _elsewhere(failure, step))]
    form = next((given for given in forms if given is not None), None)
    if isinstance(form, str) and not isinstance(output, str):
        return json.dumps(output, ensure_ascii=False)
    return output


def _elsewhere(failure: Failure, step: StepView) -> list[StepView]:
    views = (reading.view.by_key(step.key) for reading in failure.fields.readings)
    return [other for other in views if other is not None and not other.step.error]


def _type_elsewhere(failure: Failure, step: StepView) -> str:
    own = [] if step.step.error else [step]
    kinds = [other.step.output_type for other in (*own, *_elsewhere(failure, step)) if other.step.output_type]
    return kinds[0] if kinds else ""


def _by_oracle(failure: Failure, step: StepView) -> ReplacementOutput | None:
    """Return the step's own output with the expected values in those places that carry them."""
    reading = failure.reading
    if reading is None or step.step.output_cut or step.output is None:
        return None
    output, changed = copy.deepcopy(step.output), False
    for name, carriers in failure.fields.carriers.items():
        expected = failure.expected_value(name)
        for carrier in carriers:
            if carrier.step != step.key or carrier.mode != "value" or expected is None:
                continue
            if _is_right(failure, reading, carrier, expected):
                continue
            output, done = _with_value(output, carrier.path, expected)
            changed |= done
    return ReplacementOutput(step, "oracle", output, step.step.output_type) if changed else None


def _is_right(failure: Failure, reading: CaseRun, carrier: Any, expected: Any) -> bool:
    try:
        return failure.fields.right(reading, carrier, expected)
    except KeyError:
        return False


def _with_value(output: Any, path: str, value: Any) -> tuple[Any, bool]:
    """Return an output with another value at a dotted path; False where there is no such place."""
    if path == "":
        plain = not isinstance(output, (dict, list)) or isinstance(value, type(output))
        if isinstance(output, str) and not isinstance(value, str):
            value = json.dumps(value, ensure_ascii=False)
        return (value, True) if plain else (output, False)
    if isinstance(output, str):
        reading = read_json(output)
        if reading is None or not isinstance(reading.value, dict):
            return output, False
        inner, done = _with_value(reading.value, path, value)
        return json.dumps(inner, ensure_ascii=False), done
    if not isinstance(output, dict):
        return output, False
    head, _, rest = path.partition(".")
    if path in output or not rest:
        return {**output, path: value}, True
    inner, done = _with_value(output.get(head), rest, value)
    return {**output, head: inner}, done


def _by_sibling(failure: Failure, step: StepView) -> ReplacementOutput | None:
    """Return the output of the same step for the same question in a passing case."""
    if not step.step.inputs:
        return None  # what it depends on was not recorded
    for other in failure.fields.passing_by_question.get((step.key, step.question), []):
        if not other.step.output_cut and not same(other.output, step.output):
            return ReplacementOutput(step, "sibling", other.output, other.step.output_type)
    return None


def _by_resample(step: StepView) -> ReplacementOutput | None:
    """Return a new answer, where the model was not told to give always the same one."""
    warm = any(call.parameters.get("temperature", 1) != 0 for call in step.calls)
    return ReplacementOutput(step, "resample") if warm else None
