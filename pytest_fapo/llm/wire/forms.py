"""Whether an answer has the form of the endpoint that was asked: only such answers are worth recording.

A proxy's login page, an error in a 200, an empty list of choices: replaying one would turn a moment's trouble
into what the model has to say for good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

ENDS_WITHOUT_WORDS = ("length", "content_filter")
"""Finish reasons with which a message may be empty: nothing was left to say it with, or it was withheld."""
_MARKUP = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|\?xml)", re.IGNORECASE)


def has_form(api: str, value: Any, asked: Any = None) -> bool:
    """True if the JSON body `value` is an answer that the endpoint gives when all is well.

    Args:
        api: as in `LLMCall.api`.
        value: the parsed body.
        asked: the body of the request, where it is known.
    """
    if api not in _FORMS:
        return value is not None
    return isinstance(value, Mapping) and _FORMS[api](value, asked if isinstance(asked, Mapping) else {})


def is_markup(body: bytes) -> bool:
    """True if a body is a page for a browser."""
    return _MARKUP.match(body) is not None


def _chat(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return _all(value.get("choices"), _is_chat_choice)


def _is_chat_choice(choice: Mapping[str, Any]) -> bool:
    message = choice.get("message")
    if not isinstance(message, Mapping) or failed(choice):
        return False
    return says_something(message) or choice.get("finish_reason") in ENDS_WITHOUT_WORDS


def says_something(message: Mapping[str, Any]) -> bool:
    """True if a chat message has a content, even an empty one, or anything else that a model gives: tool
    calls, a refusal, reasoning, sound."""
    return isinstance(message.get("content"), str) or any(
        bool(part) for name, part in message.items() if name not in ("role", "name")
    )


def _completion(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return _all(
        value.get("choices"), lambda choice: isinstance(choice.get("text"), str) and not failed(choice)
    )


def failed(choice: Mapping[str, Any]) -> bool:
    """True if a choice reports that the model could not go on."""
    return bool(choice.get("error")) or choice.get("finish_reason") == "error"


def _embeddings(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    if value.get("embedding") or value.get("embeddings"):  # some servers' own form
        return True
    data, texts = value.get("data"), asked.get("input")
    if not _all(
        data, lambda entry: isinstance(entry.get("embedding"), list | str) and bool(entry["embedding"])
    ):
        return False
    several = isinstance(texts, list) and bool(texts) and not isinstance(texts[0], int)
    return not several or len(data) == len(texts)  # type: ignore[arg-type]


def _response(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    output, status = value.get("output"), value.get("status", "completed")
    if not isinstance(output, list) or not all(isinstance(item, Mapping) for item in output):
        return False
    return status == "incomplete" or (status == "completed" and bool(output))


def _message(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """A turn may well be empty: the documentation says so, of turns after a tool's result."""
    content = value.get("content")
    known = isinstance(content, list) and all(isinstance(block, Mapping) for block in content)
    return known and isinstance(value.get("stop_reason"), str)


def _all(entries: Any, is_good: Callable[[Mapping[str, Any]], bool]) -> bool:
    """True if `entries` is a list of objects, not empty, and each is good."""
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        return False
    return all(isinstance(entry, Mapping) and is_good(entry) for entry in entries)


_FORMS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], bool]] = {
    "chat.completions": _chat,
    "completions": _completion,
    "embeddings": _embeddings,
    "responses": _response,
    "messages": _message,
}
