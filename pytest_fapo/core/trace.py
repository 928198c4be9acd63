"""The record of one pipeline run on a case: its steps, its LLM calls, and the tools that the models used.

Tool calls and their results are read from the messages in which models ask for them and get them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, JsonValue

from pytest_fapo.core.record import Record, canonical_json
from pytest_fapo.core.text import json_or_text


class Usage(Record):
    """Tokens of one or of many LLM calls."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    """The part of `input_tokens` that the provider billed as read from its own prompt cache."""
    cache_write_tokens: int = 0
    """The part of `input_tokens` that the provider billed as written to its own prompt cache."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
        )

    def __sub__(self, earlier: Usage) -> Usage:
        """Return the usage added since `earlier`."""
        return Usage(**{name: getattr(self, name) - getattr(earlier, name) for name in Usage.model_fields})


class ToolCall(Record):
    """A tool that the model asked for."""

    id: str = ""
    name: str
    arguments: JsonValue = None


class LLMCall(Record):
    """One request to an LLM endpoint, as captured at the HTTP transport."""

    key: str
    """The cache key: equal keys are the same question (see `capture/cache_key.py`)."""
    api: str
    """`chat.completions`, `responses`, `completions`, `embeddings`, `messages`, `gemini`, `ollama.chat`,
    `ollama.generate`, `cohere.chat`, `bedrock.converse`, `bedrock.invoke`, `gemini.embed`,
    `ollama.embed`, `cohere.embed` or `other`."""
    url: str
    model: str = ""
    messages: list[JsonValue] = Field(default_factory=list)
    """The request's messages in the provider's own shape, those of Gemini and Bedrock in that of Anthropic; a
    system prompt comes first as a message."""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """The request's single-valued settings as they were sent: `temperature`, `max_tokens` …"""
    offered: list[str] = Field(default_factory=list)
    """Names of the tools that the request offers."""
    descriptions: list[str] = Field(default_factory=list)
    """Descriptions of the tools that it offers and of the parts of the answer that it asks for."""
    answer: str | None = None
    """The text of the answer; None where the call failed or answered without text."""
    tool_calls: list[ToolCall] = Field(default_factory=list)
    finish_reason: str | None = None
    """In one vocabulary for all providers: `stop`, `length`, `tool_calls`, `content_filter`, `refusal`; any
    other word is the provider's own."""
    refusal: str | None = None
    usage: Usage = Field(default_factory=Usage)
    cache_hit: bool = False
    """Answered without sending: from the cache, or by an identical request that was under way."""
    offline: bool = False
    """Answered by the project's offline model, now or when it was recorded: nothing was billed."""
    streamed: bool = False
    status: int | None = None
    """The HTTP status; None where no response arrived."""
    error: str | None = None
    start: float = 0.0
    """Seconds since the trace began."""
    duration: float = 0.0
    """Seconds; of a replayed answer those of the live call, where they are on record."""
    replayed_in: float | None = None
    """Seconds that a replay itself took; None where `duration` is what passed in this run."""

    @property
    def end(self) -> float:
        """Seconds since the trace began until this run had the answer, live or replayed."""
        return self.start + (self.duration if self.replayed_in is None else self.replayed_in)

    @property
    def answered(self) -> bool:
        """True if a whole answer came that is no error."""
        return self.error is None and self.status is not None and self.status < 300


class Step(Record):
    """One traced span inside a pipeline."""

    name: str
    """As the user knows it: the function's name, or the name given to `@fapo.step`."""
    index: int
    """Place in `Trace.steps`; steps are listed in the order in which they began."""
    occurrence: int = 1
    """1 for the first step of this name in the trace, 2 for the second …"""
    parent: int | None = None
    """`index` of the enclosing step."""
    inputs: JsonValue = None
    """Mapping of parameter name to recorded value."""
    output: JsonValue = None
    output_type: str = ""
    """`module:Class` of an output that is not made of JSON's own types alone; empty for one that is."""
    output_cut: bool = False
    """True if `output` is not the whole value: it was too long, redacted, or no data."""
    replaced: bool = False
    """True if the step was not run but gave an output that was prepared for it (see `Intervention`)."""
    error: str | None = None
    """`TypeName: message` of an exception that left the step."""
    start: float = 0.0
    duration: float = 0.0
    llm_calls: list[int] = Field(default_factory=list)
    """Indices into `Trace.llm_calls` of the calls made directly inside this step (not in its children)."""

    @property
    def key(self) -> str:
        """`name` for the first occurrence, `name#2` for the second: how `expected_steps` names it."""
        return self.name if self.occurrence == 1 else f"{self.name}#{self.occurrence}"


class Trace(Record):
    """The record of one pipeline run on one case."""

    pipeline: str
    case_id: str
    inputs: JsonValue = None
    output: JsonValue = None
    error: str | None = None
    duration: float = 0.0
    steps: list[Step] = Field(default_factory=list)
    llm_calls: list[LLMCall] = Field(default_factory=list)

    def tools(self, step: Step | None = None) -> list[ToolUse]:
        """Return the tool calls that the models asked for, with what they were told; of one step where
        given.
        """
        return tool_uses(self.llm_calls if step is None else self.calls_of(step))

    def calls_of(self, step: Step) -> list[LLMCall]:
        """Return the LLM calls made directly inside `step`, in order."""
        return [self.llm_calls[index] for index in step.llm_calls]


ToolError = Literal["invalid arguments", "unknown tool", "permission", "timeout", "error"]

_TOOL_ERRORS: tuple[tuple[ToolError, re.Pattern[str]], ...] = (
    (
        "invalid arguments",
        re.compile(
            r"invalid (argument|parameter|input|value|date|format)|missing \d* ?(required )?"
            r"(positional |keyword-only )?(argument|parameter|field)|unexpected keyword|field required"
            r"|validation ?error|bad request|must be an? |is not a valid",
            re.I,
        ),
    ),
    (
        "unknown tool",
        re.compile(
            r"(tool|function)\b.{0,40}(not found|unknown|does not exist|not available|not defined)"
            r"|(unknown|no such|invalid) (tool|function)|\b404\b",
            re.I,
        ),
    ),
    ("permission", re.compile(r"permission|forbidden|unauthori[sz]ed|access denied|\b40[13]\b", re.I)),
    ("timeout", re.compile(r"time(d|s)?[ -]?out|deadline exceeded", re.I)),
)

_ERROR_TEXT = re.compile(
    r"^[\s*_#>(\[]*(error|exception|traceback|failed|failure|\w*(Error|Exception|Timeout)\b)"
    r"|[\"'](error|is_error)[\"']\s*:\s*(true|[\"'])",
    re.I,
)

_PLAIN_ERROR = re.compile(
    r"^\W*(the )?(permission denied|access denied|forbidden|unauthori[sz]ed"
    r"|(request |call )?timed? ?out|timeout"
    r"|unknown (tool|function)|no such (tool|function)|(tool|function)\b.{0,40}(not found|does not exist)"
    r"|invalid (argument|parameter)|missing (required )?(argument|parameter))",
    re.I,
)


class ToolUse(Record):
    """One call of a tool that a model asked for."""

    name: str
    arguments: JsonValue = None
    result: JsonValue = None
    """The result that the model received; None if it received none."""
    answered: bool = False
    """True if the model was told a result."""
    error: ToolError | None = None
    """The kind of failure that the result reports, if any."""
    call: int = -1
    """Index in the calls that were read of the one whose answer asked for it; -1 where only messages do."""


def tool_error_of(result: Any) -> ToolError | None:
    """Return the kind of failure that a tool's result reports; None for a result that reports none."""
    flagged = isinstance(result, Mapping) and result.get("is_error") is True
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    if not (flagged or _ERROR_TEXT.search(text[:300]) or _PLAIN_ERROR.search(text[:300])):
        return None
    return next((kind for kind, pattern in _TOOL_ERRORS if pattern.search(text[:2_000])), "error")


def tool_error_of_exception(description: str) -> ToolError:
    """Return the kind of failure of a tool that raised, from `TypeName: message`."""
    return next((kind for kind, pattern in _TOOL_ERRORS if pattern.search(description[:2_000])), "error")


@dataclass
class _ToolMessage:
    """A request or a result in a message."""

    id: str
    name: str = ""
    arguments: Any = None
    result: Any = None
    is_result: bool = False


def tool_uses(calls: Sequence[LLMCall]) -> list[ToolUse]:
    """Return the tools that the models of a trace asked for, in order; each once, however often later
    messages repeat it.
    """
    found: dict[tuple[str, ...], ToolUse] = {}
    open_by_id: dict[str, ToolUse] = {}
    for index, call in enumerate(calls):
        conversation = _conversation(call)
        counts: dict[str, int] = {}
        pending: dict[str, ToolUse] = {}
        for seen in _in_messages(call.messages):
            if seen.is_result:
                use = pending.pop(seen.id, None) or open_by_id.get(seen.id)
                use = use or _noted(found, conversation, counts, _ToolMessage(seen.id, seen.name))
                if not use.answered:
                    use.result, use.answered, use.error = seen.result, True, tool_error_of(seen.result)
            else:
                pending[seen.id] = _noted(found, conversation, counts, seen)
        for asked in call.tool_calls:
            use = _noted(found, conversation, counts, _ToolMessage(asked.id, asked.name, asked.arguments))
            use.call = index if use.call < 0 else use.call
            open_by_id[asked.id] = use
    return list(found.values())


def _noted(
    found: dict[tuple[str, ...], ToolUse], conversation: str, counts: dict[str, int], seen: _ToolMessage
) -> ToolUse:
    """Return the n-th request of this name and these arguments in a conversation."""
    asked = canonical_json([seen.id, seen.name, seen.arguments])
    counts[asked] = counts.get(asked, 0) + 1
    key = (conversation, asked, str(counts[asked]))
    if key not in found:
        found[key] = ToolUse(name=seen.name, arguments=seen.arguments)
    return found[key]


def _conversation(call: LLMCall) -> str:
    """Return the key that the messages of one agent loop share: those before the model's first turn."""
    opening: list[Any] = []
    for message in call.messages:
        if isinstance(message, dict) and (message.get("role") == "assistant" or "call_id" in message):
            break
        opening.append(message)
    return canonical_json(opening[:4])


def _in_messages(messages: Sequence[Any]) -> Iterator[_ToolMessage]:
    for message in messages:
        if not isinstance(message, dict):
            continue
        kind, role, content = message.get("type"), message.get("role"), message.get("content")
        if kind in ("function_call", "custom_tool_call"):  # OpenAI responses
            arguments = json_or_text(message.get("arguments", message.get("input")))
            yield _ToolMessage(
                _text_or_empty(message.get("call_id")), _text_or_empty(message.get("name")), arguments
            )
        elif kind in ("function_call_output", "custom_tool_call_output"):
            yield _ToolMessage(
                _text_or_empty(message.get("call_id")),
                result=_joined_text(message.get("output")),
                is_result=True,
            )
        elif role == "tool":  # OpenAI chat
            name = _text_or_empty(message.get("name"))
            yield _ToolMessage(
                _text_or_empty(message.get("tool_call_id")),
                name,
                result=_joined_text(content),
                is_result=True,
            )
        for call in message.get("tool_calls") or ():
            if isinstance(call, dict):
                function = call.get("function") or call.get("custom") or {}
                arguments = json_or_text(function.get("arguments", function.get("input")))
                yield _ToolMessage(
                    _text_or_empty(call.get("id")), _text_or_empty(function.get("name")), arguments
                )
        if isinstance(content, list):
            yield from _in_blocks(content)


def _in_blocks(blocks: Sequence[Any]) -> Iterator[_ToolMessage]:
    """Anthropic's content blocks."""
    for block in blocks:
        if not isinstance(block, dict):
            continue
        if block.get("type") == "tool_use":
            yield _ToolMessage(
                _text_or_empty(block.get("id")), _text_or_empty(block.get("name")), block.get("input")
            )
        elif block.get("type") == "tool_result":
            content = _joined_text(block.get("content"))
            result = {"is_error": True, "content": content} if block.get("is_error") is True else content
            yield _ToolMessage(_text_or_empty(block.get("tool_use_id")), result=result, is_result=True)


def _joined_text(content: Any) -> Any:
    """Return a result in parts as one text."""
    if isinstance(content, list) and content and all(isinstance(part, dict) for part in content):
        texts = [part.get("text") for part in content]
        if all(isinstance(text, str) for text in texts):
            return "".join(texts)
    return content


def _text_or_empty(value: Any) -> str:
    return value if isinstance(value, str) else ""
