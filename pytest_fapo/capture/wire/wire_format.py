"""The interface of a wire format: what a request asks, what an answer says, whether it is a whole answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from pytest_fapo.capture.http_answer import RecordedAnswer, decoded_body
from pytest_fapo.capture.model_output import ModelOutput, ResponseFrame
from pytest_fapo.core.text import parsed_json
from pytest_fapo.core.trace import ToolCall, Usage


@dataclass
class AnswerReading:
    """The parts of an answer that could be read; fields that it does not have keep their defaults."""

    answer: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)
    finish_reason: str | None = None
    refusal: str | None = None
    usage: Usage = field(default_factory=Usage)
    error: str | None = None
    """The provider's own words where the answer is an error."""


class WholeBody(NamedTuple):
    """An answer's body as one value, streamed or not."""

    value: Any
    """As the same request would get it without streaming; None where nothing can be read."""
    ended: bool = True
    """False for a stream without its last event."""
    error: str = ""
    """The error that a stream reports on its way."""


_FINISH_REASONS = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "finish", "complete"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"), "length"),
    **dict.fromkeys(("tool_use", "function_call", "tool_call"), "tool_calls"),
    **dict.fromkeys(("guardrail_intervened", "content_filtered", "safety", "image_safety"), "content_filter"),
    **dict.fromkeys(("recitation", "blocklist", "prohibited_content", "spii"), "content_filter"),
}
"""The spellings of all providers, in lower case."""


def finish_reason(reason: Any) -> str | None:
    """Return a finish reason in the one vocabulary; see `LLMCall.finish_reason`."""
    said = str(reason or "").lower()
    return _FINISH_REASONS.get(said, said) or None


class WireFormat(Protocol):
    """One API as it goes over the wire. Nothing raises for a request; `read` may for an odd answer."""

    def asks(self, body: Any) -> bool:
        """True if a request body asks a model, where the path alone does not tell."""

    def model(self, url: str, body: Any) -> str:
        """Return the name of the model that is asked; empty where none is named."""

    def streams(self, url: str, body: Any) -> bool:
        """True if the answer is asked for in pieces."""

    def messages(self, body: Mapping[str, Any]) -> list[Any]:
        """Return the messages that a request sends, each with `role` and `content`, the system prompt first;
        tools that were used are in the form of OpenAI or Anthropic."""

    def whole(self, answer: RecordedAnswer) -> WholeBody:
        """Return the body of an answer in one piece."""

    def is_answer(self, value: Any) -> bool:
        """True if a whole body is what the endpoint gives when all is well."""

    def read(self, value: Mapping[str, Any]) -> AnswerReading:
        """Read a whole body."""

    def claims(self, value: Mapping[str, Any]) -> bool:
        """True if a JSON object in an answer shows that the answer has this form."""

    def write(
        self, url: str, frame: ResponseFrame, said: ModelOutput, streams: bool
    ) -> tuple[bytes, list[bytes]]:
        """Return content type and chunks of an answer that says this."""


def part_of_path(url: str, before: str) -> str:
    """Return the part of a URL's path that follows `/before/`, up to the next slash or the last colon."""
    parts = urlsplit(url).path.split("/")
    try:
        found = unquote(parts[parts.index(before) + 1])
    except (ValueError, IndexError):
        return ""
    return found


def named_model(body: Any) -> str:
    """Return the model that a body names; empty where it names none."""
    model = body.get("model") if isinstance(body, dict) else None
    return model if isinstance(model, str) else ""


def json_body(answer: RecordedAnswer) -> Any:
    """Return the JSON in a body; None where it is none."""
    try:
        return parsed_json(decoded_body(answer) or b"")
    except ValueError:
        return None


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects in a list; none for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def mapping(value: Any) -> Mapping[str, Any]:
    """Return `value` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def texts_of(parts: Any) -> str | None:
    """Return the texts of a list of parts as one; None where there is none. A text stays as it is."""
    if isinstance(parts, str):
        return parts
    texts = [part["text"] for part in objects(parts) if isinstance(part.get("text"), str)]
    return "".join(texts) if texts else None


def with_system(system: Any, messages: list[Any]) -> list[Any]:
    """Return messages with a system prompt before them, where there is one."""
    return [{"role": "system", "content": system}, *messages] if system else messages


def tokens(usage: Any, *names: str) -> int:
    """Return the sum of the counts under `names`; 0, which stands for unknown, where there is none."""
    counts = [mapping(usage).get(name) for name in names]
    return sum(int(n) for n in counts if isinstance(n, int | float) and not isinstance(n, bool) and n > 0)


def error_text(error: Any) -> str:
    """Return an error in the provider's words."""
    if isinstance(error, dict):
        return str(error.get("message") or error.get("type") or dict(error))
    return str(error) if error else ""
