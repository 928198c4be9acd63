"""Recorded runs of pipelines as spans in the JSON form of OTLP, for any viewer of OpenTelemetry.

The form is that of the OpenTelemetry protocol (opentelemetry-proto, trace/v1, JSON encoding); the attributes
are those of the GenAI and OpenInference conventions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from pytest_fapo import __version__
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.trace import LLMCall, Step, Trace

_INTERNAL, _CLIENT = 1, 3
"""Kinds of spans in the protocol."""

_OK, _ERROR = 1, 2
"""Codes of a status in the protocol."""

_OPERATIONS = {"chat.completions": "chat", "messages": "chat", "responses": "chat", "converse": "chat"}


def otlp_json(evaluation: Evaluation, *, began: float, project: str) -> dict[str, Any]:
    """Return all traces of an evaluation as one OTLP document.

    Args:
        evaluation: the traces and the verdicts on them.
        began: epoch seconds that every trace begins at: a record has times since its own beginning only.
        project: the name of the service.
    """
    outcomes: dict[str, list[str]] = {}
    for item in evaluation.items.values():
        outcomes.setdefault(item.trace_id or "", []).append(item.outcome)
    spans = [
        span
        for key, trace in evaluation.traces.items()
        for span in _spans_of(key, trace, outcomes.get(key, []), began)
    ]
    resource = {"attributes": [_attribute("service.name", project)]}
    scope = {"name": "pytest-fapo", "version": __version__}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]}


def _spans_of(key: str, trace: Trace, outcomes: list[str], began: float) -> Iterator[dict[str, Any]]:
    root = _id(key, "run")
    common = {"traceId": _id(key, "trace", 16), "began": began}
    verdicts = {"fapo.case.id": trace.case_id, "fapo.tests": sorted(outcomes)}
    yield _span(
        common,
        root,
        "",
        trace.pipeline,
        (0.0, trace.duration),
        {"openinference.span.kind": "CHAIN", **_values(trace.inputs, trace.output), **verdicts},
        error=trace.error,
    )
    for step in trace.steps:
        around = root if step.parent is None else _id(key, f"step {step.parent}")
        yield _step_span(common, key, step, around)
    owners = {number: step.index for step in trace.steps for number in step.llm_calls}
    for number, call in enumerate(trace.llm_calls):
        around = _id(key, f"step {owners[number]}") if number in owners else root
        yield _call_span(common, _id(key, f"call {number}"), call, around)


def _step_span(common: dict[str, Any], key: str, step: Step, around: str) -> dict[str, Any]:
    said = {"openinference.span.kind": "CHAIN", **_values(step.inputs, step.output)}
    times = (step.start, step.duration)
    return _span(common, _id(key, f"step {step.index}"), around, step.key, times, said, error=step.error)


def _call_span(common: dict[str, Any], own: str, call: LLMCall, around: str) -> dict[str, Any]:
    operation = _OPERATIONS.get(call.api, call.api)
    said: dict[str, Any] = {
        "openinference.span.kind": "EMBEDDING" if call.api == "embeddings" else "LLM",
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": call.model,
        "gen_ai.input.messages": call.messages,
        "gen_ai.output.messages": call.answer if call.answer is not None else [
            {"name": tool.name, "arguments": tool.arguments} for tool in call.tool_calls
        ],
        "url.full": call.url,
        "fapo.cache_hit": call.cache_hit,
    }  # fmt: skip
    if call.finish_reason:
        said["gen_ai.response.finish_reasons"] = [call.finish_reason]
    for name in ("input_tokens", "output_tokens"):
        if getattr(call.usage, name):
            said[f"gen_ai.usage.{name}"] = getattr(call.usage, name)
    times = (call.start, call.duration)
    return _span(
        common, own, around, f"{operation} {call.model}".strip(), times, said, _CLIENT, error=call.error
    )


def _span(
    common: dict[str, Any],
    own: str,
    around: str,
    name: str,
    times: tuple[float, float],
    said: dict[str, Any],
    kind: int = _INTERNAL,
    *,
    error: str | None,
) -> dict[str, Any]:
    start = common["began"] + times[0]
    status = {"code": _OK} if error is None else {"code": _ERROR, "message": error}
    return {
        "traceId": common["traceId"],
        "spanId": own,
        **({"parentSpanId": around} if around else {}),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(int(start * 1e9)),
        "endTimeUnixNano": str(int((start + times[1]) * 1e9)),
        "attributes": [_attribute(key, value) for key, value in said.items()],
        "status": status,
    }


def _values(inputs: JsonValue, output: JsonValue) -> dict[str, str]:
    found = {}
    for name, value in (("input", inputs), ("output", output)):
        if value is not None:
            found[f"{name}.value"] = (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            )
            found[f"{name}.mime_type"] = "text/plain" if isinstance(value, str) else "application/json"
    return found


def _attribute(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": _any_value(value)}


def _any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return {"arrayValue": {"values": [{"stringValue": part} for part in value]}}
    return {"stringValue": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}


def _id(key: str, part: str, size: int = 8) -> str:
    """Return so many bytes in hexadecimal; the same for the same run."""
    return hashlib.sha256(f"{key}\n{part}".encode()).hexdigest()[: 2 * size]
