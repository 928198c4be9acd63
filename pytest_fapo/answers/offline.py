"""A project's own stand-in for the LLM: it answers at the transport, with no key and no network.

The stand-in is a function named in `[tool.fapo.offline] model`. It gets an `OfflineRequest` and returns
- a text: the model's answer, put into the shape of whichever API was called, streamed if asked for;
- for embeddings, a list of numbers (or one such list for each input);
- a mapping with `text` and/or `tool_calls` (`[{"name": …, "arguments": {…}}]`), optionally `finish_reason`;
- any other mapping: the whole response body.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pytest_fapo.capture.answer_writing import write_answer, written_failure
from pytest_fapo.capture.cache_key import Question
from pytest_fapo.capture.endpoints import messages_of
from pytest_fapo.capture.http_answer import OFFLINE_HEADER, RecordedAnswer
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.text import did_you_mean


@dataclass(frozen=True)
class OfflineRequest:
    """A request of the pipeline to the stand-in."""

    api: str
    """As in `LLMCall.api`."""
    model: str
    messages: list[Any]
    """The messages in the API's own shape, the system prompt first."""
    body: dict[str, Any]
    """The whole request body."""

    @property
    def text(self) -> str:
        """All texts of the messages, a blank line between two."""
        return "\n\n".join(part for message in self.messages for part in _texts(message))


class OfflineModel:
    """The stand-in as the capture uses it.

    Args:
        function: the project's function, see the module's docstring.
        name: how the user named it, for messages.
        fingerprint: changes when the stand-in does; a part of the cache key of its answers.
    """

    def __init__(self, function: Callable[[OfflineRequest], Any], *, name: str, fingerprint: str) -> None:
        self.function = function
        self.name = name
        self.fingerprint = fingerprint

    def answer(self, question: Question) -> RecordedAnswer:
        """The stand-in's answer as an HTTP answer. Where the function raises, or returns what cannot be put
        into the API's shape, that is an HTTP 500 which says so and which no SDK retries."""
        body = question.body if isinstance(question.body, dict) else {}
        request = OfflineRequest(
            api=question.api, model=question.model, messages=messages_of(question.api, body), body=body
        )
        try:
            content_type, chunks = write_answer(request.api, body, self.function(request), question.url)
            status, reason = 200, b"OK"
        except Exception as error:
            message = f"the offline model {self.name} failed: {type(error).__name__}: {error}"
            content_type, chunks = written_failure(request.api, message)
            status, reason = 500, b"Internal Server Error"
        headers = [(b"content-type", content_type), (OFFLINE_HEADER, b"1")]
        if status != 200:
            headers.append((b"x-should-retry", b"false"))
        return RecordedAnswer(status=status, headers=tuple(headers), chunks=tuple(chunks), reason=reason)


def offline_model(spec: str) -> OfflineModel:
    """Import the stand-in.

    Args:
        spec: `module:function`, as in `[tool.fapo.offline] model`.

    Raises:
        ConfigError: there is no such function.
    """
    where = f"tool.fapo.offline.model: {spec!r}"
    module_name, colon, function_name = spec.partition(":")
    if not (module_name and colon and function_name):
        raise ConfigError(f"{where} is not of the form 'module:function'")
    try:
        function: Any = import_module(module_name)
    except Exception as error:
        raise ConfigError(
            f"{where}: importing {module_name} failed: {type(error).__name__}: {error}"
        ) from error
    for name in function_name.split("."):
        function = getattr(function, name, None)
    if not callable(function):
        hint = did_you_mean(function_name, vars(sys.modules[module_name]))
        raise ConfigError(f"{where}: module {module_name} has no function {function_name!r}{hint}")
    return OfflineModel(function, name=spec, fingerprint=_fingerprint(function, module_name))


def _fingerprint(function: Any, module_name: str) -> str:
    """Return a hash of the source file that the function is in."""
    try:
        path = inspect.getsourcefile(inspect.unwrap(function)) or inspect.getsourcefile(
            import_module(module_name)
        )
        return hashlib.sha256(Path(path or "").read_bytes()).hexdigest()[:16]
    except (TypeError, OSError):
        return hashlib.sha256(module_name.encode()).hexdigest()[:16]


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    if isinstance(content, dict):
        return _texts(content.get("content", content.get("text")))
    if isinstance(content, list):
        return [text for part in content for text in _texts(part)]
    return []
