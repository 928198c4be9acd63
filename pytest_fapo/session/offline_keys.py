"""Placeholder keys: SDK clients can be made where nothing reaches a provider. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_fapo.llm.keys import PLACEHOLDER_KEY, key_in
from pytest_fapo.project_file import read_toml

_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")


def set_placeholder_keys(pyproject: Path) -> None:
    """Set a placeholder for each provider key that is missing, where `[tool.fapo.offline]` applies.

    Runs before the first conftest.py is imported, since many applications make their client at import.
    """
    try:
        document = read_toml(pyproject)
    except ValueError:
        return  # pytest itself reports a broken file
    offline = document.get("tool", {}).get("fapo", {}).get("offline")
    if not isinstance(offline, dict):
        return
    names = offline.get("unless_env", _KEYS)
    if isinstance(names, list | tuple) and not any(key_given(str(name)) for name in names):
        fill_in_keys()


def fill_in_keys() -> None:
    """Set a placeholder for each provider key that is missing."""
    for name in _KEYS:
        if not os.environ.get(name):
            os.environ[name] = PLACEHOLDER_KEY


def key_given(name: str) -> bool:
    """Whether the environment variable holds a key of the user's."""
    return key_in(name) != ""
