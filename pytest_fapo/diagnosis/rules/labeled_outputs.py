"""Steps whose output is wrong by their own label (`expected_steps`)."""

from __future__ import annotations

from typing import Any

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.diagnosis.blame import value_category
from pytest_fapo.diagnosis.failure import Failure, shown
from pytest_fapo.diagnosis.field_map import output_leaves
from pytest_fapo.diagnosis.loose_values import mentions, plain, read_json, same, whole_text
from pytest_fapo.diagnosis.trace_view import StepView, TraceView


def labeled_steps(failure: Failure) -> Finding | None:
    """The first step, in the pipeline's order, whose output is not the labeled one."""
    if failure.view is None or not failure.case.expected_steps:
        return None
    labels = labels_by_key(failure.case.expected_steps, failure.view)
    for step in failure.view.steps:
        if step.key in labels and not matches(labels[step.key], given_output(step)):
            return wrong_by_label(failure, step, labels[step.key])
    ran = {step.key for step in failure.view.steps}
    for key, label in labels.items():
        if key not in ran:
            return failure.finding(
                "unknown",
                None,
                f"step {key} has a label but never ran",
                confidence=0.7,
                level="structure",
                expected=label,
                name=key,
            )
    return None


def matches(label: Any, output: Any) -> bool:
    """True if a step's output fits its label: equality as JSON, `{"contains": …}` or `{"any_of": […]}`."""
    if isinstance(label, dict) and label.keys() == {"contains"}:
        wanted = label["contains"] if isinstance(label["contains"], list) else [label["contains"]]
        text = whole_text(output)
        return all(plain(item) in text or mentions(text, item) for item in wanted)
    if isinstance(label, dict) and label.keys() == {"any_of"} and isinstance(label["any_of"], list):
        return any(matches(option, output) for option in label["any_of"])
    if same(label, output):
        return True
    if isinstance(label, (dict, list)) and isinstance(output, str):
        reading = read_json(output)
        return reading is not None and reading.clean and same(label, reading.value)
    return False


def labels_by_key(labels: dict[str, Any], view: TraceView) -> dict[str, Any]:
    """Step key to label. A list labels the occurrences of a step one by one, unless it ran
    once and gave a list itself."""
    found: dict[str, Any] = {}
    for name, label in labels.items():
        ran = [step for step in view.steps if step.name == name]
        if isinstance(label, list) and not (len(ran) == 1 and isinstance(ran[0].output, list)):
            for number, item in enumerate(label, start=1):
                found[name if number == 1 else f"{name}#{number}"] = item
        else:
            found[name.removesuffix("#1")] = label
    return found


def given_output(step: StepView) -> Any:
    """Return a step's output, else its model's answer."""
    return step.output if step.output is not None else step.answer


def wrong_by_label(failure: Failure, step: StepView, label: Any) -> Finding:
    """The finding that a step did not give what its label says."""
    output = given_output(step)
    field = next((name for name in failure.fields.expected if same(failure.expected_value(name), label)), "")
    category = "content"
    if not isinstance(label, (dict, list)):
        category = value_category(failure, step, field, label, output)
    elif isinstance(label, dict):
        given = output_leaves(output)
        different = [key for key, value in label.items() if not same(value, given.get(key))]
        field = different[0] if len(different) == 1 else ""
        if field:
            category = value_category(failure, step, field, label[field], given.get(field))
    return failure.finding(
        category,  # type: ignore[arg-type]
        step,
        f"{step.key} gave {shown(output)}, labeled {shown(label)}",
        confidence=0.95,
        field=field,
        expected=label,
        actual=output,
    )
