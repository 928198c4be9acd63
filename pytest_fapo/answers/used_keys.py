"""Record which cached answers the sessions of a project use: an export needs those and no more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.text import parsed_json

_FILE_NAME = "used-keys.json"

_FORMAT = 1


def used_keys(folder: Path) -> list[str] | None:
    """Return the keys of the answers that the project's cases used when they last ran, sorted.

    Args:
        folder: the project's `.fapo`.

    Returns:
        None where that is not known: no session with cases has ended yet.
    """
    cases = _keys_by_case(_read_document(folder))
    return sorted({key for keys in cases.values() for key in keys}) if cases else None


def has_redacting_hook(folder: Path) -> bool:
    """True if the project's last session kept texts out of records with the hook `pytest_fapo_redact`, which
    an export outside of pytest cannot ask.

    Args:
        folder: the project's `.fapo`.
    """
    return _read_document(folder).get("redacting_hook") is True


def note_used_keys(
    folder: Path, cases: Mapping[str, Iterable[str]], *, whole: bool, redacting_hook: bool = False
) -> None:
    """Note what the cases of an ended session have used. Never fails: an export can do without.

    Args:
        folder: the project's `.fapo`; nothing is noted where it does not exist.
        cases: the case (with its pipeline) to the keys of its LLM calls.
        whole: whether all of the project's cases ran; else the others keep what is noted of them.
        redacting_hook: whether the project keeps texts out of records with a hook.
    """
    if not cases or not folder.is_dir():
        return
    kept = {} if whole else _keys_by_case(_read_document(folder))
    noted = {**kept, **{name: sorted(set(keys)) for name, keys in cases.items()}}
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(keys)}" for name, keys in sorted(noted.items()))
    head = f'{{"format": {_FORMAT}, "redacting_hook": {json.dumps(redacting_hook)},'
    text = f'{head} "cases": {{\n{rows}\n}}}}'
    with suppress(OSError):
        write_atomically(folder / _FILE_NAME, f"{text}\n".encode())


def _read_document(folder: Path) -> dict[str, Any]:
    """Return the noted keys; an empty mapping if the file is missing or of another form."""
    try:
        document = parsed_json((folder / _FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) and document.get("format") == _FORMAT else {}


def _keys_by_case(document: Mapping[str, Any]) -> dict[str, list[str]]:
    try:
        return {str(name): [str(key) for key in keys] for name, keys in document["cases"].items()}
    except (KeyError, TypeError, AttributeError):
        return {}
