"""The step that an LLM call belongs to where no traced function is around it: one name in every case.

The name comes from the framework where it tells, else from the user's function, passing over shared helpers,
else from the constant part of the call's system prompt.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from types import CoroutineType
from typing import Any, Literal, NamedTuple

from pytest_fapo.capture import shared_helpers
from pytest_fapo.capture.call_stack import (
    Entry,
    StepBoundary,
    UserFunction,
    UserModule,
    callback_codes,
)


class CallOrigin(NamedTuple):
    """Record of what a call without a step of its own is named after."""

    name: str
    arguments: Mapping[str, Any]
    told_by: Literal["framework", "function", "traced function", "prompt"]
    """`traced function`: the one around the call, which makes it itself."""
    key: Any = None
    """Equal for all calls of one execution; None if that is not known."""


def origin_of(stack: Sequence[Entry], messages: Sequence[Any]) -> CallOrigin:
    """Return what a call is named after; an empty name where nothing tells.

    Args:
        stack: the logical stack at the call.
        messages: those of the request, its system prompt among them.
    """
    functions: list[UserFunction] = []
    vague, module, traced = "", "", False
    for entry in stack:
        if isinstance(entry, StepBoundary):
            traced = True
            break
        if isinstance(entry, UserFunction):
            functions.append(entry)
        elif isinstance(entry, UserModule):
            module = module or entry.name
        elif entry.is_vague:
            vague = vague or entry.name
        elif entry.holds_functions:
            arguments = functions[-1].arguments if functions else {}
            return CallOrigin(entry.name, arguments, "framework", entry.key)
        elif _owners(functions, instruction(messages)):
            break  # the unit is an agent, and this call is one of its tools'
        else:
            return CallOrigin(entry.name, {}, "framework", entry.key)
    if any(not each.is_lambda for each in functions):
        return _origin_in(functions, messages, traced)
    return CallOrigin(vague or module or prompt_name(messages), {}, "prompt")


def _origin_in(functions: Sequence[UserFunction], messages: Sequence[Any], traced: bool) -> CallOrigin:
    """Return what a call is named after that functions of the user's lead to."""
    prompt = instruction(messages)
    owners = _owners(functions, prompt)
    owner = owners[0] if owners else next(each for each in functions if not each.is_lambda)
    passed = [_helper_of(each) for each in functions[: functions.index(owner)]]
    if not owners:
        ambiguous = shared_helpers.is_shared(_helper_of(owner))
    else:
        ambiguous = any(shared_helpers.calls_with_several_texts(owner.code.co_name, each) for each in passed)
    name = _object_name(owner, messages, prompt) or (prompt_name(messages) if ambiguous else "")
    own = traced and (not owners or owner is functions[-1])
    return CallOrigin(name or owner.name, owner.arguments, "traced function" if own else "function")


def _object_name(function: UserFunction, messages: Sequence[Any], prompt: str) -> str:
    """Return the name of an object whose class is made several times, each with its own prompt; else
    empty.
    """
    subject = function.subject
    if subject is None or isinstance(subject, type):
        return ""
    home = getattr(sys.modules.get(type(subject).__module__), "__file__", None) or function.code.co_filename
    if not shared_helpers.is_shared(shared_helpers.Helper(type(subject).__name__, home)):
        return ""
    held = {
        name: value
        for name, value in list(getattr(subject, "__dict__", {}).items())
        if isinstance(value, str)
    }
    if not _holds_prompt(held, prompt):
        return ""
    return held.get("name") or prompt_name(messages)


def _owners(functions: Sequence[UserFunction], prompt: str) -> list[UserFunction]:
    """Return the functions whose own call it is, innermost first: helpers, and what they are called through,
    are left out.
    """
    owners = []
    place = 0
    while place < len(functions):
        function = functions[place]
        outer = range(place + 1, len(functions)) if function.is_nested else ()
        enclosing = next((each for each in outer if functions[each].encloses(function)), None)
        if enclosing is not None:
            place = enclosing
            continue
        is_test = place > 0 and function.code.co_name.startswith("test")
        if not (function.is_lambda or is_test or _is_helper(function, functions[:place], prompt)):
            owners.append(function)
        place += 1
    return owners


def _is_helper(function: UserFunction, inner: Sequence[UserFunction], prompt: str) -> bool:
    """True for a function that was handed its prompt, or the function that asks, or that several share."""
    if _calls_back(function, inner) or _was_handed(function, prompt):
        return True
    return shared_helpers.is_shared(_helper_of(function))


_HANDED: dict[tuple[str, int, str, str], bool] = {}
"""Whether a function was handed a prompt; the same however often it is called with it."""

_MOST_HANDED = 10_000


def _was_handed(function: UserFunction, prompt: str) -> bool:
    code = function.code
    key = (code.co_filename, code.co_firstlineno, code.co_name, prompt)
    known = _HANDED.get(key)
    if known is None:
        if len(_HANDED) > _MOST_HANDED:
            _HANDED.clear()
        known = _HANDED[key] = _holds_prompt(function.arguments, prompt)
    return known


def _helper_of(function: UserFunction) -> shared_helpers.Helper:
    return shared_helpers.Helper(function.code.co_name, function.code.co_filename)


def _calls_back(function: UserFunction, inner: Sequence[UserFunction]) -> bool:
    """True if it was handed one of the functions that it calls, as `with_retry(ask)` is, or a coroutine."""
    if function.calls_back or any(type(value) is CoroutineType for value in function.arguments.values()):
        return True
    codes = {id(each.code) for each in inner}
    return any(id(code) in codes for code in callback_codes(function.arguments))


# --- the prompt ------------------------------------------------------------------------------------------

_LEAST = 12
"""Characters of a text that is more than a word: a function that adds less was handed its prompt."""

_MAY_HOLD_PLACEHOLDERS = re.compile(r"[{%$]")

_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{[^{}]*\}|%\(\w+\)s|%s|\$\{?\w+\}?")


def instruction(messages: Sequence[Any]) -> str:
    """Return the system prompt of a request; its first message where it has none."""
    system = [_message_text(each) for each in messages if _role(each) in ("system", "developer")]
    return "\n".join(system) if system else _message_text(messages[0]) if messages else ""


def _role(message: Any) -> str:
    is_mapping = type(message) is dict or isinstance(message, Mapping)
    return str(message.get("role", "")) if is_mapping else ""


def _message_text(message: Any) -> str:
    if isinstance(message, str):
        return message
    if isinstance(message, Mapping):
        inner = message.get("content", message.get("parts", message.get("text", "")))
        return _message_text(inner)
    return "\n".join(map(_message_text, message)) if isinstance(message, list | tuple) else ""


def _holds_prompt(values: Mapping[str, Any], prompt: str) -> bool:
    """True if these values, arguments mostly, hold all of the prompt."""
    least = min(_LEAST, _letter_count(prompt) / 3)
    rest = prompt
    for text in islice(_texts(values, 0), _MOST_TEXTS):
        parts = _PLACEHOLDER.split(text) if _MAY_HOLD_PLACEHOLDERS.search(text) else [text]
        before = rest
        for part in map(str.strip, parts):
            if len(part) >= 4 and part in rest:
                rest = rest.replace(part, " ")
        if rest is not before and _letter_count(rest) < least:
            return True
    return False


_NO_LETTERS = re.compile(r"\W+")


def _letters(text: str) -> str:
    return _NO_LETTERS.sub("", text)


@lru_cache(maxsize=256)
def _letter_count(text: str) -> int:
    return len(_letters(text))


_MESSAGE_KEYS = frozenset(
    {"content", "messages", "role", "system", "input", "prompt", "instructions", "text"}
)
_MOST_PARTS, _MOST_TEXTS = 16, 64
"""What is looked at of long arguments, with every call."""

_TEXT_CLASSES = re.compile("Prompt|Message|Template|Content|Part")


def _texts(value: Any, depth: int) -> Iterator[str]:
    """Yield the texts in an argument that may be a prompt: not those of tables and settings, which hold
    all.
    """
    if isinstance(value, str):
        yield value
    elif depth > 4:
        return
    elif isinstance(value, list | tuple):
        for each in value[:_MOST_PARTS]:
            yield from _texts(each, depth + 1)
    elif isinstance(value, Mapping):
        if depth == 0 or not _MESSAGE_KEYS.isdisjoint(key for key in value if isinstance(key, str)):
            for each in islice(value.values(), _MOST_PARTS):
                yield from _texts(each, depth + 1)
    elif _TEXT_CLASSES.search(type(value).__name__):
        yield from _texts(list(getattr(value, "__dict__", {}).values()), depth + 1)


_NAME_LENGTH = 40


def prompt_name(messages: Sequence[Any]) -> str:
    """Return a name made of the beginning of a request's system prompt, which is its constant part; empty
    where it has none, as then nothing is constant for sure.
    """
    system = [_message_text(each) for each in messages if _role(each) in ("system", "developer")]
    text = " ".join(" ".join(system).split()).lstrip("#*-= ")
    sentences = [each.strip() for each in re.split(r"(?<=[.!?:])\s", text) if _letters(each)]
    said = [each for each in sentences if not re.match(r"you are\b|you're\b|act as\b", each, re.I)]
    first = (said or sentences or [""])[0].rstrip(".!?:").replace("#", "")
    if len(first) <= _NAME_LENGTH:
        return first
    return first[:_NAME_LENGTH].rsplit(" ", 1)[0]
