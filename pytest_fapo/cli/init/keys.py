"""Whether the application could ask its model now: a key is set, or a server of its own needs none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_fapo.cli.init.sources import SourceModule
from pytest_fapo.session.offline_keys import key_given

DEFAULT_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
"""Without these the stand-in answers, unless the settings say otherwise."""
_KEY = re.compile(r"[A-Z][A-Z0-9_]*_API_(?:KEY|TOKEN)")
_OWN_SERVER = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|host\.docker\.internal)\b")
_OTHER_WAYS = (
    "ANTHROPIC_AUTH_TOKEN",
    "OPENAI_BASE_URL",
    "OPENAI_API_BASE",
    "ANTHROPIC_BASE_URL",
    "OLLAMA_HOST",
)


def key_names(modules: Iterable[SourceModule]) -> list[str]:
    """Environment variables of keys: the SDKs' own, and those that the code names."""
    named = {text for module in modules for text in module.texts if _KEY.fullmatch(text)}
    return [*DEFAULT_KEYS, *sorted(named - set(DEFAULT_KEYS))]


def can_ask(root: Path, modules: Sequence[SourceModule], asking: Iterable[str]) -> bool:
    """Whether a key is set, here or in the project's `.env`, or the code asks a server of its own.

    Args:
        root: the project.
        modules: its application's.
        asking: paths of the modules that ask a model.
    """
    names = key_names(modules)
    if any(key_given(name) for name in names) or any(os.environ.get(name) for name in _OTHER_WAYS):
        return True
    wanted = set(asking)
    if any(_OWN_SERVER.match(text) for module in modules if module.path in wanted for text in module.texts):
        return True
    either = "|".join((*names, *_OTHER_WAYS))
    line = re.compile(rf"^[ \t]*(?:export[ \t]+)?(?:{either})[ \t]*=[ \t]*[^\s#]".encode(), re.M)
    try:
        return bool(line.search((root / ".env").read_bytes()))
    except OSError:
        return False
