"""Evaluations made by hand: cases, steps with prompts and answers, and what pytest said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.evidence import Evidence, EvidenceCase
from pytest_fapo.core.record import Outcome, Split
from pytest_fapo.core.trace import LLMCall, Step, Trace
from pytest_fapo.diagnosis.artifact_links import artifacts_of_step
from pytest_fapo.diagnosis.trace_view import TraceView, helper_names


def call(prompt: str, said: str | None, **fields: Any) -> LLMCall:
    """A chat completion with one user message."""
    values: dict[str, Any] = {"key": f"key of {prompt}", "api": "chat.completions", "url": "http://llm/v1"}
    values |= {"messages": [{"role": "user", "content": prompt}], "answer": said, "finish_reason": "stop"}
    return LLMCall.model_validate(values | {"status": 200} | fields)


def span(
    name: str,
    output: Any = None,
    *,
    prompt: str | None = None,
    answer: str | None = None,
    inputs: Any = None,
    **more: Any,
) -> dict[str, Any]:
    """A step; with a prompt it asked a model, whose answer is its output unless another is given."""
    asked = prompt is not None
    return {
        "name": name,
        "inputs": inputs,
        "output": answer if output is None and asked else output,
        "call": call(prompt or "", answer, **more.pop("call", {})) if asked else None,
        **more,
    }


def trace_of(
    case_id: str, spans: list[dict[str, Any]], output: Any = None, error: str | None = None
) -> Trace:
    """A trace of flat steps; a span's `parent` is the name of an earlier one."""
    steps: list[Step] = []
    calls: list[LLMCall] = []
    seen: dict[str, int] = {}
    for index, made in enumerate(spans):
        name = made["name"]
        seen[name] = seen.get(name, 0) + 1
        indices = []
        if made["call"] is not None:
            indices = [len(calls)]
            calls.append(made["call"])
        parent = next((step.index for step in steps if step.name == made.get("parent")), None)
        steps.append(
            Step(
                name=name,
                index=index,
                occurrence=seen[name],
                parent=parent,
                inputs=made["inputs"],
                output=made["output"],
                error=made.get("error"),
                llm_calls=indices,
            )
        )
    return Trace(
        pipeline="pipeline", case_id=case_id, output=output, error=error, steps=steps, llm_calls=calls
    )


class Bench:
    """Collects runs and gives them as an evaluation or as evidence."""

    def __init__(self) -> None:
        self.evaluation = Evaluation()

    def run(
        self,
        inputs: Any,
        expected: Any,
        spans: list[dict[str, Any]],
        output: Any = None,
        *,
        explanation: str = "",
        outcome: Outcome | None = None,
        error: str | None = None,
        error_type: str = "",
        test: str = "test_it.py::test_case",
        split: Split = "train",
        **case: Any,
    ) -> str:
        """One case as one test saw it; failed where an explanation is given. Returns its node id."""
        case_id = case.pop("id", None) or f"c{len(self.evaluation.cases) + 1}"
        nodeid = f"{test}[{case_id}]"
        self.evaluation.items[nodeid] = ItemResult(
            nodeid=nodeid,
            outcome=outcome or ("failed" if explanation else "passed"),
            case_id=case_id,
            pipeline="pipeline",
            split=split,
            explanation=explanation,
            error_type=error_type or ("AssertionError" if explanation else ""),
            test=test,
            trace_id=case_id,
        )
        self.evaluation.cases[nodeid] = Case(
            id=case_id, inputs=inputs, expected=expected, split=split, **case
        )
        self.evaluation.traces[case_id] = trace_of(case_id, spans, output, error)
        return nodeid

    def evidence(self, cluster: Cluster, artifacts: list[Artifact], **more: Any) -> Evidence:
        """Return a proposer's evidence from this evaluation for one cluster."""
        cases = [
            EvidenceCase(
                case=self.evaluation.cases[nodeid],
                nodeid=nodeid,
                passed=item.passed,
                explanation=item.explanation,
                trace=self.evaluation.trace_of(item),
            )
            for nodeid, item in self.evaluation.items.items()
            if item.split == "train"
        ]
        return Evidence(cluster=cluster, cases=cases, artifacts=artifacts, **more)


def prompt_file(path: str, text: str) -> Artifact:
    """A prompt kept as a text file."""
    return Artifact(address=path, kind="file", level="prompt", path=path, text=text)


def unequal(actual: Any, expected: Any) -> str:
    """pytest's words for a failed equality."""
    return f"AssertionError: assert {actual!r} == {expected!r}"


def lacks(phrase: str, text: str) -> str:
    """pytest's words for a failed membership; long texts are cut as pytest cuts them."""
    shown = repr(text)
    if len(shown) > 240:
        shown = f"{shown[:118]}...{shown[-118:]}"
    return f"AssertionError: assert {phrase!r} in {shown}"


def artifacts_of(
    step: str, pipeline: str, evaluation: Evaluation, artifacts: Sequence[Artifact]
) -> list[str]:
    """Addresses of the artifacts that a step of a pipeline was seen to use on train."""
    items = [
        item for item in evaluation.items.values() if item.pipeline == pipeline and item.split == "train"
    ]
    traces = [trace for item in items if (trace := evaluation.trace_of(item)) is not None]
    helpers = helper_names(traces)
    return artifacts_of_step(step, [TraceView(trace, helpers) for trace in traces], artifacts)
