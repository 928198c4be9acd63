"""API keys in the environment, and placeholder keys for a stand-in, so that SDK clients can be created.

Standard library only: it runs before the first conftest.py is imported.
"""

from __future__ import annotations

import os
from pathlib import Path

from pytest_fapo.core.project_file import read_toml

PLACEHOLDER_KEY = "offline-stand-in"
"""The value of the provider's key variables while only a stand-in or the cache answers; not a real key."""


def key_in(variable: str) -> str:
    """Return the key that the environment variable holds; empty where it holds none of the user's."""
    key = os.environ.get(variable, "").strip()
    return "" if key == PLACEHOLDER_KEY else key


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
    """True if the environment variable holds a key of the user's."""
    return key_in(name) != ""
