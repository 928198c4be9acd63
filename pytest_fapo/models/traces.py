"""What happened when a pipeline ran a case."""

from __future__ import annotations

from pydantic import Field, JsonValue

from pytest_fapo.models.base import Record
from pytest_fapo.models.tool_uses import ToolUse, tool_uses


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
        """What came to `earlier` since."""
        return Usage(**{name: getattr(self, name) - getattr(earlier, name) for name in Usage.model_fields})


class ToolCall(Record):
    """A tool that the model asked for."""

    id: str = ""
    name: str
    arguments: JsonValue = None


class LLMCall(Record):
    """One request to an LLM endpoint, as captured at the HTTP transport."""

    key: str
    """The cache key: equal keys are the same question (see `pytest_fapo.llm`)."""
    api: str
    """`chat.completions`, `responses`, `completions`, `embeddings`, `messages` or `other`."""
    url: str
    model: str = ""
    messages: list[JsonValue] = Field(default_factory=list)
    """The request's messages in the provider's own shape; a system prompt comes first as a message."""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """The request's single-valued settings as they were sent: `temperature`, `max_tokens` …"""
    offered: list[str] = Field(default_factory=list)
    """Names of the tools that the request offers."""
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
        """Whether a whole answer came that is no error."""
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
    """Whether `output` is not the whole value: it was too long, redacted, or no data."""
    replaced: bool = False
    """Whether the step was not run but gave an output that was prepared for it (see `Intervention`)."""
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
    """What happened when a pipeline ran one case."""

    pipeline: str
    case_id: str
    inputs: JsonValue = None
    output: JsonValue = None
    error: str | None = None
    duration: float = 0.0
    steps: list[Step] = Field(default_factory=list)
    llm_calls: list[LLMCall] = Field(default_factory=list)

    def tools(self, step: Step | None = None) -> list[ToolUse]:
        """The tool calls that the models asked for, with what they were told; of one step where given."""
        return tool_uses(self.llm_calls if step is None else self.calls_of(step))

    def calls_of(self, step: Step) -> list[LLMCall]:
        """The LLM calls made directly inside `step`, in order."""
        return [self.llm_calls[index] for index in step.llm_calls]
