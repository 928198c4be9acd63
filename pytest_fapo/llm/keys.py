"""API keys in the environment. Standard library only: asked before the first conftest.py is imported."""

from __future__ import annotations

import os

PLACEHOLDER_KEY = "offline-stand-in"
"""What the provider's key variables hold while only a stand-in or the cache answers; it is nobody's key."""


def key_in(variable: str) -> str:
    """The key that the environment variable holds; empty where it holds none of the user's."""
    key = os.environ.get(variable, "").strip()
    return "" if key == PLACEHOLDER_KEY else key
