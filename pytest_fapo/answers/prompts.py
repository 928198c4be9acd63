"""Prompts of the optimizer's models: files that a project can override, with recorded data fenced inside
them.

Nothing in recorded data can pass for a part of the prompt.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.text import did_you_mean

_MARK_PATTERN = re.compile(r"\{\{(\w+)\}\}")


class PromptMarks(NamedTuple):
    """The `{{marks}}` that one prompt file may hold, and those that it must; None where anything goes."""

    known: frozenset[str] | None
    needed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PromptTemplates:
    """The texts by name, without their `.md`."""

    texts: dict[str, str]

    def fill(self, name: str, **values: str) -> str:
        """Return the text with its `{{marks}}` filled in one pass, so that a mark inside a value stays as it
        is.
        """
        return _MARK_PATTERN.sub(lambda match: values.get(match[1], match[0]), self.texts[name]).strip()


def load_prompts(
    packaged: Path, files: Mapping[str, PromptMarks], folder: Path | None = None
) -> PromptTemplates:
    """Return the packaged prompts, those in `folder` first.

    Args:
        packaged: folder of the package's own files.
        files: what there is, by name without `.md`.
        folder: the project's files.

    Raises:
        ConfigError: `folder` is missing, holds an unknown `.md` file, or a file lacks or misspells a mark.
    """
    overrides = _overrides(folder, files) if folder is not None else {}
    texts = {}
    for name, marks in files.items():
        path = overrides.get(name, packaged / f"{name}.md")
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: the optimizer's prompt cannot be read: {error}") from None
        if name in overrides:
            _check_marks(path, marks, texts[name])
    return PromptTemplates(texts)


def _overrides(folder: Path, files: Mapping[str, PromptMarks]) -> dict[str, Path]:
    if not folder.is_dir():
        raise ConfigError(f"tool.fapo.optimizer_prompts: {folder} is not a folder")
    found = {path.stem: path for path in sorted(folder.glob("*.md"))}
    for name, path in found.items():
        if name not in files and name.lower() != "readme":
            known = [f"{known}.md" for known in files]
            hint = did_you_mean(path.name, known)
            raise ConfigError(f"{path}: the optimizer has no such prompt; it reads {', '.join(known)}{hint}")
    return found


def _check_marks(path: Path, marks: PromptMarks, text: str) -> None:
    held = set(_MARK_PATTERN.findall(text))
    if marks.known is not None and (unknown := sorted(held - marks.known)):
        known = ", ".join(f"{{{{{mark}}}}}" for mark in sorted(marks.known))
        raise ConfigError(f"{path}: {{{{{unknown[0]}}}}} is not filled in this prompt; it knows {known}")
    if missing := sorted(marks.needed - held):
        raise ConfigError(
            f"{path}: lacks {{{{{missing[0]}}}}}, without which the model does not see its task"
        )


_FENCE_LINES = re.compile(r"\A\s*==== [0-9a-f]{8} .*\n|\n==== [0-9a-f]{8} end\s*\Z")

_LINE_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}  # JSON leaves these unescaped


def shorten_middle(text: str, limit: int) -> str:
    """`text` with its middle left out where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    head = max(limit * 2 // 3, 1)
    tail = max(limit - head, 1)
    return f"{text[:head]} … [{len(text) - head - tail} characters left out] … {text[-tail:]}"


def one_prompt_line(text: str, limit: int = 600) -> str:
    """Return the words of ours that may quote recorded data, kept on one line."""
    return shorten_middle(" ".join(text.split()), limit)


def value_line(recorded: JsonValue, limit: int) -> str:
    """Return a recorded value as JSON on one line."""
    return shorten_middle(json.dumps(recorded, ensure_ascii=False).translate(_LINE_BREAKS), limit)


def block_quote(text: str, limit: int) -> str:
    """Recorded lines, each behind a bar."""
    return "\n".join(f"| {line}" for line in shorten_middle(text.strip(), limit).splitlines())


def fence_for(texts: Sequence[str]) -> str:
    """Return a mark that is in none of the texts; the same texts give the same mark."""
    number = 0
    while True:
        body = json.dumps([number, *texts]).encode()
        mark = hashlib.sha256(body).hexdigest()[:8]
        if not any(mark in text for text in texts):
            return mark
        number += 1


def unfenced(text: str) -> str:
    """`text` without fence lines that a model copied around it."""
    return _FENCE_LINES.sub("", text)


def fenced(mark: str, label: str, text: str) -> str:
    """`text` between two lines that bear the mark."""
    return f"==== {mark} {label}\n{text}\n==== {mark} end"
