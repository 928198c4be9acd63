"""Structured answers of models: one small interface over the official SDKs, and the parsing of answers."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypedDict, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from pytest_fapo.core.api_keys import key_in
from pytest_fapo.core.errors import ConfigError, FapoError
from pytest_fapo.core.settings import ProviderSettings
from pytest_fapo.core.text import one_line

CallContext = Callable[[], AbstractContextManager[object]]
"""Gives the context in which a model is called, so that capture, cache and budget apply there."""

Answer = TypeVar("Answer", bound=BaseModel)

_MESSAGE_CHARS = 400

_THINKING = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)

_STARTS_TRIED = 100  # a hostile text of braces must not cost quadratic time

_DECODER = json.JSONDecoder(strict=False)  # small models put raw line breaks into JSON strings


class MalformedAnswer(FapoError):
    """The model's answer cannot be used; the message says why in words that the model itself can act on."""


@dataclass(frozen=True)
class RawAnswer:
    """The unparsed answer of a provider."""

    text: str
    problem: str = ""
    """The reason why the text must not be read although it is there: cut off, refused, filtered."""


def read_structured_answer(raw: RawAnswer, schema: type[Answer]) -> Answer:
    """Return the validated answer.

    Raises:
        MalformedAnswer: refused, cut off, empty, not JSON, or not what `schema` asks for.
    """
    if raw.problem:
        raise MalformedAnswer(raw.problem)
    if not raw.text.strip():
        raise MalformedAnswer("the answer was empty")
    value = find_object(raw.text)
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        raise MalformedAnswer(f"the answer does not fit the schema: {_first_problems(error)}") from None


def find_object(text: str) -> dict[str, Any]:
    """Return the JSON object in `text`, also where prose, a code fence or the model's thinking stands around
    it.

    Raises:
        MalformedAnswer: there is none.
    """
    rest = _THINKING.sub("", text)
    reason = "no '{' found"
    for match in islice(re.finditer(r"\{", rest), _STARTS_TRIED):
        try:
            value, _ = _DECODER.raw_decode(rest, match.start())
        except json.JSONDecodeError as error:
            if reason.startswith("no"):
                reason = str(error)
            continue
        except RecursionError:
            break
        if isinstance(value, dict) and value:
            return value
    raise MalformedAnswer(f"the answer holds no JSON object ({reason})")


def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema in the subset that providers enforce: inlined, closed objects, every field
    required.
    """
    document = schema.model_json_schema()
    strict: dict[str, Any] = _strict_node(document, document.get("$defs", {}))
    return strict


def _strict_node(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_strict_node(part, definitions) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _strict_node(definitions[node["$ref"].rsplit("/", 1)[1]], definitions)
    kept = {key: value for key, value in node.items() if key not in ("title", "default", "$defs")}
    strict = {key: _strict_node(value, definitions) for key, value in kept.items() if key != "properties"}
    if "properties" in kept:
        strict["properties"] = {
            name: _strict_node(part, definitions) for name, part in kept["properties"].items()
        }
        strict["required"] = list(strict["properties"])
        strict["additionalProperties"] = False
    return strict


def _first_problems(error: ValidationError, limit: int = 3) -> str:
    parts = []
    for problem in error.errors()[:limit]:
        where = ".".join(str(part) for part in problem["loc"]) or "answer"
        parts.append(f"{where}: {problem['msg']}")
    return "; ".join(parts)


_TOO_LONG = re.compile(r"context|max_(completion_)?tokens|too (long|large)", re.IGNORECASE)

_KEPT_OF_A_BAD_ANSWER = 4_000  # characters of a malformed answer that are shown to the model again


class ChatMessage(TypedDict):
    """One turn of the conversation, in the words that both providers share."""

    role: Literal["user", "assistant"]
    content: str


class ProviderFailed(FapoError):
    """The provider did not answer: no access, no connection, or its limit; the message is one sentence."""

    def __init__(self, message: str, *, again: bool, unanswered: bool = True) -> None:
        super().__init__(message)
        self.again = again
        """True if a later request may succeed."""
        self.unanswered = unanswered
        """False where the provider answered that the request itself cannot be served."""


class StructuredClient(ABC):
    """A model that answers with a record of a given shape."""

    provider: str
    key_variables: tuple[str, ...]
    url_variable: str

    def __init__(self, model: str, settings: ProviderSettings) -> None:
        self.model = model
        self.settings = settings

    @property
    def name(self) -> str:
        """As in the setting `optimizer`."""
        return f"{self.provider}:{self.model}"

    def check(self) -> None:
        """See that a key is set and the URL is one, without a request.

        Raises:
            ConfigError: naming the environment variable and the setting.
        """
        self.key()
        url = self.settings.base_url or os.environ.get(self.url_variable)
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            source = (
                f"[tool.fapo.llm.{self.provider}] base_url" if self.settings.base_url else self.url_variable
            )
            raise ConfigError(f"{source}: {url!r} is not a URL like https://host/v1")

    def key(self) -> str:
        """Return the key of the first environment variable that holds one.

        Raises:
            ConfigError: none is set, or its text cannot be sent.
        """
        named = self.settings.api_key_env
        variables = (named,) if named else self.key_variables
        for variable in variables:
            key = key_in(variable)
            if key and not (key.isascii() and key.isprintable()):
                raise ConfigError(f"the environment variable {variable} holds characters no API key can have")
            if key:
                return key
        where = f"api_key_env in [tool.fapo.llm.{self.provider}]"
        hint = f"which {where} names" if named else f"or name another one by {where}"
        raise ConfigError(
            f"optimizer {self.name!r} needs a key: set the environment variable {' or '.join(variables)}, "
            f"{hint}; a server of your own that needs none takes any text"
        )

    def complete(self, system: str, user: str, schema: type[Answer], *, repeat: str = "{problem}") -> Answer:
        """Ask, and ask once more where the answer is malformed.

        Args:
            system: the system prompt.
            user: the question.
            schema: the record to answer with.
            repeat: the text that asks again; `{problem}` in it becomes the reason.

        Raises:
            MalformedAnswer: the second answer was malformed too.
            ProviderFailed: the provider did not answer.
            ConfigError: no key.
        """
        messages: list[ChatMessage] = [{"role": "user", "content": user}]
        first = self.ask(system, messages, schema)
        try:
            return read_structured_answer(first, schema)
        except MalformedAnswer as problem:
            given = first.text.strip()[:_KEPT_OF_A_BAD_ANSWER].strip() or "(no answer)"
            messages.append({"role": "assistant", "content": given})
            messages.append({"role": "user", "content": repeat.replace("{problem}", str(problem))})
        return read_structured_answer(self.ask(system, messages, schema), schema)

    @abstractmethod
    def ask(self, system: str, messages: Sequence[ChatMessage], schema: type[BaseModel]) -> RawAnswer:
        """One request.

        Raises:
            ProviderFailed: it failed.
        """


def explain_failure(
    error: Exception, sdk: Any, client: StructuredClient, *, url: str, key: str
) -> ProviderFailed:
    """One sentence for whatever an SDK raised; both SDKs name their errors alike.

    Args:
        error: what was raised.
        sdk: the module `openai` or `anthropic`.
        client: whose request failed.
        url: the base URL that was asked.
        key: never shown, also where a server quotes it.
    """
    name = client.name
    section = f"[tool.fapo.llm.{client.provider}]"
    again = unanswered = True
    if isinstance(error, sdk.APITimeoutError):
        message = f"{name}: no answer from {url} within {client.settings.timeout:g} s ({section} timeout)"
    elif isinstance(error, sdk.APIConnectionError):
        message = f"{name}: {url} cannot be reached: {_cause(error)}"
    elif isinstance(error, sdk.APIStatusError):
        message, again = _explain_status(error, name, url)
        unanswered = error.status_code not in (400, 413, 422)
        if error.status_code in (400, 413, 422) and _TOO_LONG.search(message):
            message += f"; lower max_tokens or evidence_chars in {section}"
    else:
        message = f"{name}: the answer from {url} cannot be read: {type(error).__name__}: {error}"
    return ProviderFailed(
        one_line(message.replace(key, "***"), most=_MESSAGE_CHARS), again=again, unanswered=unanswered
    )


def _explain_status(error: Any, name: str, url: str) -> tuple[str, bool]:
    status: int = error.status_code
    said = _server_message(error)
    if status in (401, 403):
        return f"{name}: {url} refused the key (HTTP {status}): {said}", False
    if status == 404:
        return f"{name}: {url} knows no such model or path (HTTP 404): {said}", False
    if status == 429:
        return f"{name}: rate limit or quota reached at {url} (HTTP 429): {said}", "quota" not in said
    return f"{name}: {url} answered with HTTP {status}: {said}", status >= 500


def _server_message(error: Any) -> str:
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict) and inner.get("message"):
            return str(inner["message"])
    return str(error.message)


def _cause(error: BaseException) -> str:
    cause = error.__cause__
    return f"{type(cause).__name__}: {cause}" if cause is not None else str(error)
