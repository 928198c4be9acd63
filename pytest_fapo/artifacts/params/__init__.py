"""Parameters: single values in Python, YAML, TOML and JSON files, changed without touching anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from pydantic import JsonValue

from pytest_fapo.artifacts.params.domains import domain_for
from pytest_fapo.artifacts.params.in_json import replace_in_json, values_in_json
from pytest_fapo.artifacts.params.in_python import replace_in_python, values_in_python
from pytest_fapo.artifacts.params.in_toml import replace_in_toml, values_in_toml
from pytest_fapo.artifacts.params.in_yaml import replace_in_yaml, values_in_yaml
from pytest_fapo.artifacts.params.values import Value, matches_key, read_value, same_value
from pytest_fapo.errors import ArtifactError

__all__ = ["Value", "domain_for", "find_values", "holds_params", "matches_key", "read_value", "replace_value"]


class _Format(NamedTuple):
    values: Callable[[bytes, str], Iterator[Value]]
    replace: Callable[[bytes, str, str, JsonValue], bytes]


_YAML = _Format(values_in_yaml, replace_in_yaml)
_FORMATS = {
    ".py": _Format(values_in_python, replace_in_python),
    ".json": _Format(values_in_json, replace_in_json),
    ".toml": _Format(values_in_toml, replace_in_toml),
    ".yaml": _YAML,
    ".yml": _YAML,
}
_OURS = ("tool.fapo.", "tool.pytest.")


def holds_params(path: str) -> bool:
    """Whether a file of this name is of a format that parameters are read from."""
    return PurePosixPath(path).suffix.lower() in _FORMATS


@lru_cache(maxsize=128)
def find_values(data: bytes, path: str) -> tuple[Value, ...]:
    """The values that the file holds, in its order.

    Raises:
        ArtifactError: the file is not valid in its format.
    """
    ours = _OURS if PurePosixPath(path).name == "pyproject.toml" else ()
    reason = "settings of the tests and of this tool are not tuned"
    try:
        values = list(_format(path).values(data, path))
    except RecursionError:
        raise ArtifactError(f"{path}: it is nested too deeply to be read") from None
    except ValueError as error:  # a number too long to be read, and whatever else a parser lets through
        raise ArtifactError(f"{path}: cannot be read: {' '.join(str(error).split())[:200]}") from None
    return tuple(
        Value(value.name, reason=reason) if value.name.startswith(ours) else value for value in values
    )


def replace_value(data: bytes, path: str, name: str, text: str) -> bytes:
    """The file with one value replaced by the JSON value in `text`; unchanged where it is that already.

    Raises:
        ArtifactError: the text is no JSON scalar, or the value cannot be written there.
    """
    value = read_value(text)
    before = find_values(data, path)
    old = next((each for each in before if each.name == name), None)
    if old is None or old.reason:
        raise ArtifactError(f"{path}::{name}: {old.reason if old else 'there is no such value'}")
    if same_value(old.value, value):
        return data
    result = _format(path).replace(data, path, name, value)
    expected = [each._replace(value=value) if each is old else each for each in before]
    if list(find_values(result, path)) != expected:
        raise ArtifactError(f"{path}::{name}: {text.strip()[:60]} cannot be written in this place")
    return result


def _format(path: str) -> _Format:
    return _FORMATS[PurePosixPath(path).suffix.lower()]
