"""Samples of the requests that each step sends, and the text that is the same in all of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Record
from pytest_fapo.diagnosis.loose_values import strings_in
from pytest_fapo.diagnosis.trace_view import TraceView, helper_names

_REQUESTS = 12
"""Requests of one step that are looked at."""

_TRACES = 400
"""Runs that are looked at, evenly spread over all cases."""

_LONGEST = 40_000
"""Characters of one message that are looked at."""

_FEWEST_WORDS = 4
"""Words in a row that two requests share by more than chance."""

_NOT_THE_PROJECTS = ("assistant", "model", "tool", "function")
"""Roles of messages that models and tools have written."""


class SentRequests(Record):
    """Requests by step, as far as they are the project's part: no answers, no results of tools."""

    steps: dict[str, list[list[str]]] = Field(default_factory=dict)
    """Step to the texts of a few requests: messages, descriptions of tools and of response schemas."""
    imported: list[str] = Field(default_factory=list)
    """Python files of the project that the run imported; empty where that is not known."""


def sample_requests(evaluation: Evaluation, root: Path | None) -> SentRequests:
    """Return a few requests of every step that asked a model.

    Args:
        evaluation: a session's.
        root: the project, whose imported modules are noted; None where its pipelines ran in other processes.
    """
    traces = list(evaluation.traces.values())
    traces = traces[:: len(traces) // _TRACES + 1]
    helpers = helper_names(traces)
    steps: dict[str, list[list[str]]] = {}
    for trace in traces:
        for step in TraceView(trace, helpers).model_steps:
            kept = steps.setdefault(step.name, [])
            for call in step.calls:
                texts = [*_message_texts(call.messages), *call.descriptions]
                request = [text[:_LONGEST] for text in texts if text.strip()]
                if len(kept) < _REQUESTS and request and request not in kept:
                    kept.append(request)
    return SentRequests(steps=steps, imported=_imported_files(root) if root else [])


def _message_texts(messages: Sequence[Any]) -> Iterator[str]:
    for message in messages:
        if not isinstance(message, Mapping):
            yield from strings_in(message)
        elif message.get("role") not in _NOT_THE_PROJECTS and not _is_result(message):
            for name, part in message.items():
                parts = part if isinstance(part, list) else [part]
                if name not in ("role", "type", "id", "name", "call_id", "tool_call_id"):
                    yield from (text for each in parts if not _is_result(each) for text in _spoken(each))


def _is_result(part: Any) -> bool:
    kind = str(part.get("type", "")) if isinstance(part, Mapping) else ""
    return kind.startswith(("function_call", "custom_tool_call", "tool_", "reasoning"))


def _spoken(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        part = {name: value for name, value in part.items() if name not in ("type", "role", "cache_control")}
    yield from strings_in(part)


def _imported_files(root: Path) -> list[str]:
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    paths = (Path(file) for file in files if isinstance(file, str) and file.endswith(".py"))
    return sorted({path.relative_to(root).as_posix() for path in paths if path.is_relative_to(root)})


def squeezed(text: str) -> str:
    """Return a text with one blank for each run of white space."""
    return " ".join(text.split())


def constant_parts(requests: Sequence[Sequence[str]]) -> list[str]:
    """Return the texts that are the same in all requests of a step, in runs of at least four words.

    Args:
        requests: their texts. Of a single request everything counts as constant.
    """
    if not requests:
        return []
    parts = [squeezed(text) for text in requests[0]]
    for request in requests[1:]:
        other = "\n".join(map(squeezed, request))
        parts = [piece for part in parts for piece in ([part] if part in other else _shared(part, other))]
    return list(dict.fromkeys(parts))


def _shared(text: str, other: str) -> Iterator[str]:
    """Yield the longest runs of words of a text that are in another one."""
    words, start = text.split(), 0
    while start + _FEWEST_WORDS <= len(words):
        end = start + _FEWEST_WORDS
        if " ".join(words[start:end]) not in other:
            start += 1
            continue
        while end < len(words) and " ".join(words[start : end + 1]) in other:
            end += 1
        yield " ".join(words[start:end])
        start = end
