"""Prompts kept in JSON, YAML or TOML: the words may change, the document's shape and other values not."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any


def structured_problems(path: str, before: str, after: str) -> Iterator[str]:
    """Why `after` is no longer the document that `before` was; nothing where `before` did not parse."""
    parse = _parser(PurePosixPath(path).suffix.lower())
    if parse is None:
        return
    try:
        old = parse(before)
    except ValueError:
        return
    try:
        new = parse(after)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        yield f"the new text no longer parses ({reason}); keep the file's format."
        return
    if difference := _difference(old, new, ""):
        yield f"{difference}; at this level only the words of the prompts may change."


def _difference(old: Any, new: Any, where: str) -> str:
    """The first difference that is not one of wording; empty where there is none."""
    if isinstance(old, str) and isinstance(new, str):
        return ""
    place = f"the value at {where}" if where else "the document"
    if type(old) is not type(new):
        return f"{place} becomes {type(new).__name__} where it was {type(old).__name__}"
    if isinstance(old, dict):
        if set(old) != set(new):
            return f"the keys of {place} change ({', '.join(sorted(map(str, set(old) ^ set(new))))})"
        return next(
            filter(None, (_difference(old[key], new[key], f"{where}.{key}".strip(".")) for key in old)), ""
        )
    if isinstance(old, list):
        if all(isinstance(item, str) for item in (*old, *new)):
            return ""
        if len(old) != len(new):
            return f"{place} has {len(new)} entries where it had {len(old)}"
        pairs = enumerate(zip(old, new, strict=True))
        return next(filter(None, (_difference(a, b, f"{where}[{i}]") for i, (a, b) in pairs)), "")
    return "" if old == new else f"{place} changes from {old!r} to {new!r}"


def _parser(suffix: str) -> Callable[[str], Any] | None:
    if suffix == ".json":
        return json.loads
    if suffix == ".toml":
        loads: Callable[[str], Any] = importlib.import_module(
            "tomllib" if sys.version_info >= (3, 11) else "tomli"
        ).loads
        return loads
    return _yaml() if suffix in (".yaml", ".yml") else None


def _yaml() -> Callable[[str], Any] | None:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:  # without it the project cannot have loaded this file either
        return None

    def parse(text: str) -> Any:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from None

    return parse
