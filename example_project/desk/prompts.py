"""Prompts are Markdown files with `{placeholders}`."""

from __future__ import annotations

from desk import settings


def load(name: str) -> str:
    """The text of `prompts/<name>.md`."""
    return (settings.PROMPTS / f"{name}.md").read_text(encoding="utf-8")


def render(name: str, **values: str) -> str:
    """The prompt with its placeholders filled in.

    Raises:
        KeyError: the prompt has a placeholder for which there is no value.
    """
    return load(name).format(**values)
