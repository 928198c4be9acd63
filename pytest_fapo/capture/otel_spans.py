"""Spans of an instrumented pipeline as steps: OpenTelemetry with the conventions of GenAI or OpenInference.

Nothing of OpenTelemetry is imported here: where the pipeline loads its SDK, each tracer provider gets one
processor more. What a span says of itself may come late (some instrumentations tell a span's kind at its
end), so a step is opened for each that could be one, and dropped where it turns out to be a model's call or
plumbing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, Literal, NamedTuple

from pytest_fapo.capture.import_hook import AfterImport
from pytest_fapo.capture.recorder import Recorder, current_recorder
from pytest_fapo.capture.steps import CURRENT_STEP, CurrentStep
from pytest_fapo.core.text import json_or_text

_SDK = "opentelemetry.sdk.trace"

SpanRole = Literal["step", "call", ""]

_ROLES: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    (
        "openinference.span.kind",
        frozenset(("CHAIN", "AGENT", "TOOL", "RETRIEVER", "RERANKER", "GUARDRAIL", "EVALUATOR")),
        frozenset(("LLM", "EMBEDDING")),
    ),
    (
        "gen_ai.operation.name",
        frozenset(("invoke_agent", "execute_tool", "invoke_workflow")),
        frozenset(("chat", "text_completion", "generate_content", "embeddings", "create_agent")),
    ),
    ("traceloop.span.kind", frozenset(("workflow", "task", "agent", "tool")), frozenset()),
)
"""Attribute, its values for a step, and those for the call of a model, which is captured by itself."""

_NAMES = ("gen_ai.agent.name", "gen_ai.tool.name", "tool.name", "traceloop.entity.name", "graph.node.name")

_INPUTS = (
    *("input.value", "gen_ai.tool.call.arguments", "gen_ai.input.messages"),
    *("traceloop.entity.input", "tool.parameters"),
)

_OUTPUTS = ("output.value", "gen_ai.tool.call.result", "gen_ai.output.messages", "traceloop.entity.output")

_INTERNAL = 0
"""Value of `SpanKind.INTERNAL`: others stand for what crosses the network."""


def role_of(attributes: Mapping[str, Any] | None) -> SpanRole:
    """Return what a span stands for, as far as it says so."""
    for name, steps, calls in _ROLES:
        value = str((attributes or {}).get(name, ""))
        if value in steps or value.upper() in steps:
            return "step"
        if value in calls or value.upper() in calls:
            return "call"
    return "call" if "llm.request.type" in (attributes or {}) else ""


class _OpenSpan(NamedTuple):
    recorder: Recorder
    number: int
    """Of the step in its recorder."""
    step: CurrentStep
    around: CurrentStep | None


class SpanSteps:
    """The processor's part that does not know OpenTelemetry: spans in, steps of the run out."""

    def __init__(self) -> None:
        self.active = True
        self._open: dict[int, _OpenSpan] = {}

    def start(self, span: Any) -> None:
        """A span has begun in the calling context."""
        recorder = current_recorder() if self.active else None
        if recorder is None or not recorder.step_functions:
            return
        role = role_of(span.attributes)
        if role == "call" or (not role and getattr(span.kind, "value", _INTERNAL) != _INTERNAL):
            return
        around = CURRENT_STEP.get()
        parent = around.step if around is not None and around.recorder is recorder else None
        index = recorder.begin_step(span.name, {}, parent=parent)
        step = CurrentStep(recorder, index, is_broad=not role)
        CURRENT_STEP.set(step)
        self._open[span.context.span_id] = _OpenSpan(recorder, index, step, around)

    def end(self, span: Any) -> None:
        """A span is over, with all that it says of itself."""
        opened = self._open.pop(span.context.span_id, None)
        if opened is None:
            return
        if CURRENT_STEP.get() is opened.step:
            CURRENT_STEP.set(opened.around)
        said = span.attributes or {}
        role = role_of(said)
        if role == "call" or (not role and not opened.recorder.has_calls(opened.number)):
            opened.recorder.drop_step(opened.number)
            return
        name = _first(said, _NAMES)
        opened.recorder.describe_step(
            opened.number, name=str(name) if name else span.name, inputs=json_or_text(_first(said, _INPUTS))
        )
        opened.recorder.end_step(
            opened.number, output=json_or_text(_first(said, _OUTPUTS)), error=_error_of(span)
        )


class SpanError(Exception):
    """A span that ended in an error, in its own words."""


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((attributes[name] for name in names if name in attributes), None)


def _error_of(span: Any) -> SpanError | None:
    if getattr(getattr(span.status, "status_code", None), "name", "") != "ERROR":
        return None
    for event in reversed(span.events or ()):
        if event.name == "exception":
            said = event.attributes or {}
            return SpanError(f"{said.get('exception.type', '')}: {said.get('exception.message', '')}")
    return SpanError(span.status.description or "an error")


@contextmanager
def spans_as_steps() -> Iterator[None]:
    """In the body, spans that begin while a pipeline runs are steps of its trace."""
    steps = SpanSteps()
    with ExitStack() as undo:

        def patch(module: ModuleType) -> None:
            sdk: Any = module
            original = sdk.TracerProvider.__init__

            def __init__(provider: Any, *args: Any, **kwargs: Any) -> None:
                original(provider, *args, **kwargs)
                provider.add_span_processor(_processor(sdk, steps))

            sdk.TracerProvider.__init__ = __init__
            undo.callback(setattr, sdk.TracerProvider, "__init__", original)
            _join_current(sdk, steps)

        hook = AfterImport([_SDK], patch)
        undo.callback(hook.uninstall)
        undo.callback(setattr, steps, "active", False)
        hook.install()
        yield


def _processor(sdk: Any, steps: SpanSteps) -> Any:
    class StepProcessor(sdk.SpanProcessor):  # type: ignore[misc]
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            steps.start(span)

        def on_end(self, span: Any) -> None:
            steps.end(span)

    return StepProcessor()


def _join_current(sdk: Any, steps: SpanSteps) -> None:
    """The provider that was set before this session began."""
    from importlib import import_module

    provider = import_module("opentelemetry.trace").get_tracer_provider()
    if isinstance(provider, sdk.TracerProvider):
        provider.add_span_processor(_processor(sdk, steps))
