"""Which modules may be loaded before the user's own code runs."""

from __future__ import annotations

import sys

SDKS = frozenset(
    {"anthropic", "anyio", "httpcore", "httpcore2", "httpx", "httpx2", "openai", "pydantic", "rich"}
)
"""SDKs of LLM providers and what they are made of: slow to load, and the same whoever loads them when."""

_OWN = "pytest_fapo"
_OWN_LATE = ("pytest_fapo.plugin", "pytest_fapo.hookspecs", "pytest_fapo.evaluate")


def preloadable(shadow_base: str) -> list[str]:
    """The modules of this process that a later one may be given ready, in the order in which they came.

    Args:
        shadow_base: modules from below this folder are the user's own and never taken.
    """
    names = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if file and not file.startswith(shadow_base) and _is_wanted(name):
            names.append(name)
    return names


def _is_wanted(name: str) -> bool:
    top = name.partition(".")[0]
    if top == _OWN:
        return not name.startswith(_OWN_LATE)
    return top in SDKS and "pytest" not in name
