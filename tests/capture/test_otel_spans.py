"""Spans of an instrumented pipeline are its steps, through the real OpenTelemetry SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import openai
import pytest
from support.llm_lab import Lab
from support.llm_server import LLMServer

from pytest_fapo.capture.otel_spans import role_of

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="needs opentelemetry-sdk (extra otel)")


@pytest.fixture
def tracer(lab: Lab) -> Iterator[Any]:
    """A tracer whose provider was made while a capture is installed, as an application makes its own."""
    lab.capture()
    provider = sdk.TracerProvider()
    yield provider.get_tracer("shop")
    provider.shutdown()


def ask(server: LLMServer, text: str) -> str:
    client = openai.OpenAI(base_url=server.url, api_key="sk-test-0123456789abcdef", max_retries=0)
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content or ""


def steps_of(lab: Lab) -> list[tuple[str, str | None, int]]:
    """Name, name of the step around it, number of calls."""
    trace = lab.recorder.trace()
    assert [step.index for step in trace.steps] == list(range(len(trace.steps)))
    assert sorted(number for step in trace.steps for number in step.llm_calls) == list(
        range(len(trace.llm_calls))
    )
    names = [step.name for step in trace.steps]
    return [
        (step.name, names[step.parent] if step.parent is not None else None, len(step.llm_calls))
        for step in trace.steps
    ]


def attributes(kind: str, style: str) -> dict[str, str]:
    if style == "openinference":
        return {"openinference.span.kind": kind}
    if style == "genai":
        return {
            "gen_ai.operation.name": {"AGENT": "invoke_agent", "TOOL": "execute_tool", "LLM": "chat"}[kind]
        }
    return {"traceloop.span.kind": kind.lower()} if kind != "LLM" else {"llm.request.type": "chat"}


@pytest.mark.parametrize("late", [False, True], ids=["told at the start", "told at the end"])
@pytest.mark.parametrize("style", ["openinference", "genai", "traceloop"])
def test_agents_and_tools_are_steps_and_calls_of_models_are_theirs(
    lab: Lab, server: LLMServer, tracer: Any, style: str, late: bool
) -> None:
    def span(name: str, kind: str) -> Any:
        return tracer.start_as_current_span(name, attributes=None if late else attributes(kind, style))

    def say(span: Any, kind: str) -> None:
        if late:
            span.set_attributes(attributes(kind, style))

    def pipeline() -> None:
        with span("agent", "AGENT") as agent:
            with span("chat m", "LLM") as chat:
                ask(server, "one")
                say(chat, "LLM")
            with span("lookup", "TOOL") as tool:
                tool.set_attribute("input.value", '{"id": 7}')
                tool.set_attribute("output.value", "found")
                say(tool, "TOOL")
            with span("chat m", "LLM") as chat:
                ask(server, "two")
                say(chat, "LLM")
            say(agent, "AGENT")

    lab.run(pipeline)
    found = [step for step in steps_of(lab) if step[0] in ("agent", "lookup", "chat m")]
    assert [name for name, _, _ in found] == ["agent", "lookup"]
    assert ("lookup", "agent", 0) in found
    if not late:
        assert steps_of(lab) == [("agent", None, 2), ("lookup", "agent", 0)]
    (lookup,) = [step for step in lab.recorder.trace().steps if step.name == "lookup"]
    assert (lookup.inputs, lookup.output, lookup.error) == ({"id": 7}, "found", None)


def test_a_span_of_a_network_client_is_no_step(lab: Lab, server: LLMServer, tracer: Any) -> None:
    from opentelemetry.trace import SpanKind

    def pipeline() -> None:
        with tracer.start_as_current_span("chain", attributes=attributes("AGENT", "openinference")):
            with tracer.start_as_current_span("POST", kind=SpanKind.CLIENT):
                ask(server, "one")
            with tracer.start_as_current_span("parse"):
                pass

    lab.run(pipeline)
    assert steps_of(lab) == [("chain", None, 1)]


def test_an_error_of_a_span_is_the_steps(lab: Lab, tracer: Any) -> None:
    def pipeline() -> None:
        with tracer.start_as_current_span("tool", attributes=attributes("TOOL", "genai")):
            raise KeyError("no such order")

    with pytest.raises(KeyError):
        lab.run(pipeline)
    (step,) = lab.recorder.trace().steps
    assert "KeyError" in (step.error or "")
    assert "no such order" in (step.error or "")


def test_spans_of_tasks_and_threads_belong_to_where_they_were_started(
    lab: Lab, server: LLMServer, tracer: Any
) -> None:
    def work(name: str) -> None:
        with tracer.start_as_current_span(name, attributes=attributes("TOOL", "genai")):
            ask(server, name)

    async def both() -> None:
        await asyncio.gather(*(asyncio.to_thread(work, name) for name in ("a", "b")))

    def pipeline() -> None:
        with tracer.start_as_current_span("top", attributes=attributes("AGENT", "genai")):
            asyncio.run(both())
            with ThreadPoolExecutor(1) as pool:
                pool.submit(copy_context().run, work, "c").result()

    lab.run(pipeline)
    found = steps_of(lab)
    assert found[0] == ("top", None, 0)
    assert sorted(found[1:]) == [("a", "top", 1), ("b", "top", 1), ("c", "top", 1)]


def test_spans_outside_of_a_run_and_after_a_session_leave_no_trace(lab: Lab, tracer: Any) -> None:
    with tracer.start_as_current_span("setup", attributes=attributes("TOOL", "genai")):
        pass
    lab.run(lambda: None)
    assert lab.recorder.trace().steps == []


@pytest.mark.parametrize(
    ("said", "role"),
    [
        ({"openinference.span.kind": "RETRIEVER"}, "step"),
        ({"openinference.span.kind": "retriever"}, "step"),
        ({"openinference.span.kind": "EMBEDDING"}, "call"),
        ({"gen_ai.operation.name": "execute_tool"}, "step"),
        ({"gen_ai.operation.name": "embeddings"}, "call"),
        ({"http.request.method": "POST"}, ""),
        (None, ""),
    ],
)
def test_the_role_of_a_span(said: dict[str, str] | None, role: str) -> None:
    assert role_of(said) == role
