"""The prompts sent to the optimizer's models: files of a package, each of which a project can override."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from pytest_fapo.errors import ConfigError

_MARK = re.compile(r"\{\{(\w+)\}\}")


class Marks(NamedTuple):
    """The `{{marks}}` that one prompt file may hold, and those that it must; None where anything goes."""

    known: frozenset[str] | None
    needed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Templates:
    """The texts by name, without their `.md`."""

    texts: dict[str, str]

    def fill(self, name: str, **values: str) -> str:
        """The text with its `{{marks}}` filled in one pass, so that a mark inside a value stays as it is."""
        return _MARK.sub(lambda match: values.get(match[1], match[0]), self.texts[name]).strip()


def load_prompts(packaged: Path, files: Mapping[str, Marks], folder: Path | None = None) -> Templates:
    """The packaged prompts, those in `folder` first.

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
            _check(path, marks, texts[name])
    return Templates(texts)


def _overrides(folder: Path, files: Mapping[str, Marks]) -> dict[str, Path]:
    if not folder.is_dir():
        raise ConfigError(f"tool.fapo.optimizer_prompts: {folder} is not a folder")
    found = {path.stem: path for path in sorted(folder.glob("*.md"))}
    for name, path in found.items():
        if name not in files and name.lower() != "readme":
            near = get_close_matches(name, files, n=1)
            hint = f"; did you mean {near[0]}.md?" if near else ""
            known = ", ".join(f"{known}.md" for known in files)
            raise ConfigError(f"{path}: the optimizer has no such prompt; it reads {known}{hint}")
    return found


def _check(path: Path, marks: Marks, text: str) -> None:
    held = set(_MARK.findall(text))
    if marks.known is not None and (unknown := sorted(held - marks.known)):
        known = ", ".join(f"{{{{{mark}}}}}" for mark in sorted(marks.known))
        raise ConfigError(f"{path}: {{{{{unknown[0]}}}}} is not filled in this prompt; it knows {known}")
    if missing := sorted(marks.needed - held):
        raise ConfigError(
            f"{path}: lacks {{{{{missing[0]}}}}}, without which the model does not see its task"
        )
