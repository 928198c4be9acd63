"""Which recorded answers the sessions of a project use: what an export needs, and no more."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

_NAME = "used-keys.json"
_FORMAT = 1


def used_keys(folder: Path) -> list[str] | None:
    """The keys of the answers that the project's cases used when they last ran, sorted.

    Args:
        folder: the project's `.fapo`.

    Returns:
        None where that is not known: no session with cases has ended yet.
    """
    cases = _read(folder / _NAME)
    return sorted({key for keys in cases.values() for key in keys}) if cases else None


def note_used_keys(folder: Path, cases: Mapping[str, Iterable[str]], *, whole: bool) -> None:
    """Note what the cases of an ended session have used. Never fails: an export can do without.

    Args:
        folder: the project's `.fapo`; nothing is noted where it does not exist.
        cases: the case (with its pipeline) to the keys of its LLM calls.
        whole: whether all of the project's cases ran; else the others keep what is noted of them.
    """
    if not cases or not folder.is_dir():
        return
    kept = {} if whole else _read(folder / _NAME)
    noted = {**kept, **{name: sorted(set(keys)) for name, keys in cases.items()}}
    text = json.dumps({"format": _FORMAT, "cases": dict(sorted(noted.items()))}, indent=1)
    with suppress(OSError):
        handle, name = tempfile.mkstemp(prefix=f"{_NAME}.", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(name, folder / _NAME)


def _read(path: Path) -> dict[str, list[str]]:
    """What is noted; nothing where the file is missing or of another form."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            return {}
        return {str(name): [str(key) for key in keys] for name, keys in document["cases"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
