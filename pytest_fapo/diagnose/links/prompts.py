"""The prompts of a step: the literal parts of their texts stand in its LLM calls."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_fapo.models import Artifact
from pytest_fapo.reading import TraceView
from pytest_fapo.reading.values import normal

_PLACEHOLDER = re.compile(
    r"\{%.*?%\}|\{\{.*?\}\}|\$\{\w+\}|\$\w+|%\(\w+\)[a-z]|\{[\w.!:\[\]]*\}|<<\s*\w+\s*>>|\[\[\s*\w+\s*\]\]",
    re.S,
)
MIN_FRAGMENT = 12
"""Characters; shorter literal parts are found by chance."""
MIN_COVERAGE = 0.6
"""Share of an artifact's literal text that must stand in the messages."""
MAX_VIEWS = 12


def prompts_of_step(step: str, views: Sequence[TraceView], artifacts: Sequence[Artifact]) -> list[str]:
    """Addresses of the prompts whose text stands in the messages of a step's LLM calls.

    The most specific come first: those that no other step uses, then those of which most is found. Where
    none is found, those whose name is like the step's.
    """
    sent = _messages(views, step)
    others = {name: text for name in _names(views) if name != step and (text := _messages(views, name))}
    found: list[tuple[int, float, int, str]] = []
    for artifact in artifacts:
        if artifact.level != "prompt":
            continue
        coverage = _coverage(artifact.text, sent)
        if coverage >= MIN_COVERAGE:
            shared = sum(1 for text in others.values() if _coverage(artifact.text, text) >= MIN_COVERAGE)
            found.append((shared, -round(coverage, 1), -len(artifact.text), artifact.address))
    if found:
        return [address for *_, address in sorted(found)]
    return [
        artifact.address for artifact in artifacts if artifact.level == "prompt" and _named(artifact, step)
    ]


def _coverage(text: str, messages: list[str]) -> float:
    """Share of the literal text found, in the message that has most of it."""
    fragments = [piece for piece in map(_squeeze, _split(text)) if len(piece) >= MIN_FRAGMENT]
    if not fragments:
        whole = _squeeze(text)
        fragments = [whole] if len(whole) >= 6 and not _PLACEHOLDER.search(text) else []
    total = sum(map(len, fragments))
    if not total or not messages:
        return 0.0
    return max(sum(len(piece) for piece in fragments if piece in message) for message in messages) / total


def _split(text: str) -> list[str]:
    """The literal parts between placeholders; paragraphs apart, so that a changed one leaves the others."""
    parts: list[str] = []
    for part in _PLACEHOLDER.split(text.replace("{{", "{").replace("}}", "}")):
        parts.extend(re.split(r"\n\s*\n", part))
    return parts


def _squeeze(text: str) -> str:
    return " ".join(text.replace("{", " ").replace("}", " ").replace("$$", "$").split())


def _messages(views: Sequence[TraceView], step: str) -> list[str]:
    found: list[str] = []
    for view in views:
        used = view.by_key(step)
        if used is not None and used.calls:
            found.append(_squeeze(used.messages_text))
        if len(found) >= MAX_VIEWS:
            break
    return found


def _names(views: Sequence[TraceView]) -> list[str]:
    return sorted({step.key for view in views[:MAX_VIEWS] for step in view.asking})


def _named(artifact: Artifact, step: str) -> bool:
    stem = artifact.name or artifact.path.rpartition("/")[2].partition(".")[0]
    name = normal(step.partition("#")[0])
    words = set(normal(stem).split()) - {"prompt", "prompts", "system", "user", "template", "text"}
    return bool(words) and (words <= set(name.split()) or bool(words & set(name.split())))
