"""LLM endpoints: the HTTP requests that ask a model, and the keys of their messages, settings and tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_fapo.capture.wire.formats import FORMATS, wire_api_of
from pytest_fapo.capture.wire.wire_format import mapping, named_model, part_of_path

_ENDINGS = {
    "/chat/completions": "chat.completions",
    "/responses": "responses",
    "/completions": "completions",
    "/embeddings": "embeddings",
    "/messages": "messages",
    ":rawPredict": "messages",
    ":streamRawPredict": "messages",
}
"""The last two are Anthropic's models on Vertex AI, which names the model in the path."""

_EVERYDAY_WORDS = ("messages", "responses")
"""APIs whose path could as well belong to a chat service or a survey; their body must ask a model."""


def api_of(method: str, path: str, extra: Sequence[str] = ()) -> str | None:
    """Return the API that a request speaks, judged by method and path; None where it is no LLM request.

    Args:
        method: the HTTP method.
        path: the URL's path, without the query.
        extra: further path endings of the user's that count, as API `other`.
    """
    path = path.rstrip("/")
    if method.upper() == "POST":
        for ending, api in _ENDINGS.items():
            if path.endswith(ending):
                return api
        wire_api = wire_api_of(path)
        if wire_api is not None:
            return wire_api
    return "other" if is_own_endpoint(path, extra) else None


def is_own_endpoint(path: str, extra: Sequence[str]) -> bool:
    """True if a path has one of the user's own endings."""
    return any(path.rstrip("/").endswith(_from_boundary(ending)) for ending in extra)


def _from_boundary(ending: str) -> str:
    """Return a configured ending, such that it matches whole parts of a path: `ask` is not the end of
    `/task`.
    """
    ending = ending.rstrip("/")
    return ending if ending[:1] in ("/", ":") else f"/{ending}"


def plausible(api: str, body: Any) -> bool:
    """True if a request body fits `api`, where the path alone does not tell."""
    if api in FORMATS:
        return FORMATS[api].asks(body)
    if api not in _EVERYDAY_WORDS:
        return True
    return isinstance(body, dict) and any(name in body for name in ("model", "prompt", "anthropic_version"))


def model_of(api: str, url: str, body: Any) -> str:
    """Return the model that a request asks, as its body or its path names it; empty where neither does."""
    if api in FORMATS:
        return FORMATS[api].model(url, body)
    in_path = part_of_path(url, "models").partition(":")[0] if url.endswith("awPredict") else ""
    return named_model(body) or in_path


def is_streamed(api: str, url: str, body: Any) -> bool:
    """True if the answer is asked for as a stream."""
    if api in FORMATS:
        return FORMATS[api].streams(url, body)
    return isinstance(body, dict) and body.get("stream") is True


_MESSAGE_FIELDS = frozenset(
    {
        "model",
        "stream",
        "prompt",
        "input",
        "instructions",
        "system",
        "messages",
        "user",
        "previous_response_id",
    }
    | {"prompt_cache_key", "safety_identifier", "store"}
)


def messages_of(api: str, body: Any) -> list[Any]:
    """Return the messages that a request sends, in the provider's own shape, the system prompt first."""
    if not isinstance(body, dict):
        return []
    if api in FORMATS:
        return FORMATS[api].messages(body)
    if api == "chat.completions":
        return _as_list(body.get("messages"))
    if api == "messages":
        return [*_with_role("system", body.get("system")), *_as_list(body.get("messages"))]
    if api == "responses":
        return [*_with_role("system", body.get("instructions")), *_input_messages(body.get("input"))]
    if api == "completions":
        return _with_role("user", body.get("prompt"))
    if api == "embeddings":
        return _with_role("user", body.get("input"))
    if isinstance(body.get("messages"), list):
        return _as_list(body["messages"])
    return _with_role("user", dict(body))


_SETTINGS_GROUPS = ("generationConfig", "inferenceConfig", "options")
"""Keys under which Gemini, Bedrock and Ollama keep a request's settings."""


STOP_PARAMETERS = ("stop", "stop_sequences", "stopSequences")
"""Names under which requests give the texts that end an answer."""


def _is_stop(name: Any, value: Any) -> bool:
    stops = name in STOP_PARAMETERS and isinstance(value, list)
    return stops and all(isinstance(each, str) for each in value)


def parameters_of(body: Any) -> dict[str, Any]:
    """Return the single-valued settings of a request (temperature, limits and the like, not what it says) and
    the texts that end an answer.
    """
    if not isinstance(body, dict):
        return {}
    nested = [item for group in _SETTINGS_GROUPS for item in mapping(body.get(group)).items()]
    return {
        str(name): value
        for name, value in (*body.items(), *nested)
        if (isinstance(value, (bool, int, float, str)) or _is_stop(name, value))
        and name not in _MESSAGE_FIELDS
        and len(str(value)) <= 200
    }


def offered_tools(body: Any) -> list[str]:
    """Return names of the tools that a request offers."""
    asked = mapping(body)
    tools = asked.get("tools", mapping(asked.get("toolConfig")).get("tools"))
    found = []
    for tool in tools if isinstance(tools, list) else []:
        for inner in _declarations(mapping(tool)):
            name = inner.get("name")
            found += [name] if isinstance(name, str) else []
    return found


def output_tools(body: Any) -> list[str]:
    """Return names of the tools by which alone the answer may come: its arguments are then the answer.

    Libraries that give answers a structure ask so (instructor, pydantic-ai, LangChain): they force one tool,
    or any of some that end the conversation.
    """
    asked = mapping(body)
    config = mapping(asked.get("toolConfig"))
    choice = asked.get("tool_choice", config.get("toolChoice", config.get("functionCallingConfig")))
    named = _named_tools(mapping(choice))
    if named:
        return named
    kind = mapping(choice).get("type") or mapping(choice).get("mode")
    if choice != "required" and str(kind).lower() != "any" and "any" not in mapping(choice):
        return []
    offered = offered_tools(body)
    return offered if len(offered) == 1 else [name for name in offered if name.startswith("final_result")]


def _named_tools(choice: Mapping[str, Any]) -> list[str]:
    """Return the tools that a choice names, in the form of any API."""
    allowed = choice.get("allowedFunctionNames")
    if isinstance(allowed, list):
        return [name for name in allowed if isinstance(name, str)]
    for holder in (choice.get("function"), choice.get("tool"), choice):
        name = mapping(holder).get("name")
        if isinstance(name, str):
            return [name]
    return []


def _declarations(tool: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the functions that an entry of a list of tools declares: one, or with Gemini several."""
    several = tool.get("functionDeclarations", tool.get("function_declarations"))
    if isinstance(several, list):
        return [mapping(declared) for declared in several]
    return [mapping(tool.get("function") or tool.get("toolSpec")) or tool]


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _with_role(role: str, content: Any) -> list[Any]:
    return [{"role": role, "content": content}] if content else []


def _input_messages(value: Any) -> list[Any]:
    return _as_list(value) if isinstance(value, list) else _with_role("user", value)
