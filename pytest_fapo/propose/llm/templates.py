"""The prompts sent to the optimizer: files of this package, each of which a project can override."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pytest_fapo.errors import ConfigError

_PACKAGED = Path(__file__).parent.parent / "prompts"
_PLACEHOLDERS: dict[str, frozenset[str]] = {
    "system": frozenset(),
    "propose": frozenset({"cluster", "artifacts", "cases", "memory", "task", "max_chars"}),
    "revise": frozenset({"proposal", "problems"}),
    "repeat": frozenset({"problem"}),
}
_NEEDED: dict[str, frozenset[str]] = {
    "system": frozenset(),
    "propose": frozenset({"artifacts", "cases", "task"}),
    "revise": frozenset({"problems"}),
    "repeat": frozenset({"problem"}),
}
_MARK = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Templates:
    """The texts by name, without their `.md`."""

    texts: dict[str, str]

    def fill(self, name: str, **values: str) -> str:
        """The text with its `{{marks}}` filled in one pass, so that a mark inside a value stays as it is."""
        return _MARK.sub(lambda match: values.get(match[1], match[0]), self.texts[name]).strip()


def load_templates(folder: Path | None = None) -> Templates:
    """The packaged prompts, those in `folder` first.

    Raises:
        ConfigError: `folder` is missing, holds an unknown `.md` file, or a file lacks or misspells a mark.
    """
    overrides = _overrides(folder) if folder is not None else {}
    texts = {}
    for name in _PLACEHOLDERS:
        path = overrides.get(name, _PACKAGED / f"{name}.md")
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: the optimizer's prompt cannot be read: {error}") from None
        if name in overrides:
            _check(path, name, texts[name])
    return Templates(texts)


def _overrides(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise ConfigError(f"tool.fapo.optimizer_prompts: {folder} is not a folder")
    found = {path.stem: path for path in sorted(folder.glob("*.md"))}
    for name, path in found.items():
        if name not in _PLACEHOLDERS and name.lower() != "readme":
            near = get_close_matches(name, _PLACEHOLDERS, n=1)
            hint = f"; did you mean {near[0]}.md?" if near else ""
            known = ", ".join(f"{known}.md" for known in _PLACEHOLDERS)
            raise ConfigError(f"{path}: the optimizer has no such prompt; it reads {known}{hint}")
    return found


def _check(path: Path, name: str, text: str) -> None:
    marks = set(_MARK.findall(text))
    unknown = sorted(marks - _PLACEHOLDERS[name]) if name != "system" else []
    missing = sorted(_NEEDED[name] - marks)
    if unknown:
        known = ", ".join(f"{{{{{mark}}}}}" for mark in sorted(_PLACEHOLDERS[name]))
        raise ConfigError(f"{path}: {{{{{unknown[0]}}}}} is not filled in this prompt; it knows {known}")
    if missing:
        raise ConfigError(
            f"{path}: lacks {{{{{missing[0]}}}}}, without which the model does not see its task"
        )
