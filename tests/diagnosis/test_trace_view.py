"""Traces as the rules look at them, and where fields show in them."""

from __future__ import annotations

from support.handmade import span, trace_of

from pytest_fapo.core.case import Case
from pytest_fapo.diagnosis.field_map import OUTPUT, FieldMap
from pytest_fapo.diagnosis.trace_view import TraceView, helper_names


def test_children_come_before_the_step_that_called_them() -> None:
    trace = trace_of(
        "c", [span("answer", 1), span("plan", 2, parent="answer"), span("say", 3, parent="answer")]
    )
    assert [view.key for view in TraceView(trace).steps] == ["plan", "say", "answer"]


def test_a_shared_helper_is_part_of_its_callers() -> None:
    spans = [
        span("answer", "x"),
        span("plan", "p", parent="answer"),
        span("ask", prompt="plan it", answer="p", parent="plan"),
        span("say", "s", parent="answer"),
    ]
    trace = trace_of("c", spans)
    second = trace_of("d", [span("say", "s"), span("ask", prompt="say it", answer="s", parent="say")])
    helpers = helper_names([trace, second])
    assert helpers == {"ask"}
    view = TraceView(trace, helpers)
    assert [step.key for step in view.model_steps] == ["plan"]
    assert view.model_steps[0].answer == "p"


def test_llm_calls_without_steps_become_steps() -> None:
    trace = trace_of("c", [span("x", prompt="p", answer="a")])
    trace.steps.clear()
    assert [(view.key, view.answer) for view in TraceView(trace).steps] == [("call 1", "a")]


def test_fields_are_found_by_name_and_by_value() -> None:
    runs = []
    for number, label in enumerate(("refund", "billing", "refund", "billing", "delivery", "delivery")):
        spans = [span("sort", label, prompt="p", answer=label), span("record", {"queue": label, "n": number})]
        case = Case(id=f"c{number}", inputs="x", expected={"team": label, "n": number})
        runs.append((case, trace_of(case.id, spans, {"queue": label, "n": number}), True))
    fields = FieldMap.of(runs)
    assert [(carrier.step, carrier.path) for carrier in fields.carriers["team"]] == [
        ("sort", ""),
        ("record", "queue"),
        (OUTPUT, "queue"),
    ]
    assert [carrier.step for carrier in fields.carriers["n"]] == ["record", OUTPUT]
    assert set(fields.closed_set("team")) == {"refund", "billing", "delivery"}
    assert fields.closed_set("n") == []


def test_free_texts_are_no_closed_set() -> None:
    runs = [
        (
            Case(id=str(n), inputs="x", expected=f"a quite different answer number {n}"),
            trace_of(str(n), []),
            True,
        )
        for n in range(8)
    ]
    assert FieldMap.of(runs).closed_set("") == []
