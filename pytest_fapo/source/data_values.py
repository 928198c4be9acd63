"""The single values of a file of any format: listed, and one of them replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from pydantic import JsonValue

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.json_document import rewrites_of_json, values_in_json
from pytest_fapo.source.parameter_values import ParameterValue, same_value
from pytest_fapo.source.prompt_files import rewrites_of_prompt_file, values_in_prompt_file
from pytest_fapo.source.python_parameters import replace_in_python, values_in_python
from pytest_fapo.source.text_files import FRONT_MATTER
from pytest_fapo.source.toml_document import rewrites_of_toml, values_in_toml
from pytest_fapo.source.yaml_document import rewrites_of_yaml, values_in_yaml


class _Format(NamedTuple):
    values: Callable[[bytes, str], Iterator[ParameterValue]]
    rewrites: Callable[[bytes, str, str, JsonValue], Iterator[bytes]]
    """Files with the new value, the best spelling first; some may be read back as something else."""


def _rewrites_of_python(data: bytes, path: str, name: str, value: JsonValue) -> Iterator[bytes]:
    yield replace_in_python(data, path, name, value)


_PROMPT_FILE = _Format(values_in_prompt_file, rewrites_of_prompt_file)

_YAML = _Format(values_in_yaml, rewrites_of_yaml)

_FORMATS = {
    ".py": _Format(values_in_python, _rewrites_of_python),
    ".json": _Format(values_in_json, rewrites_of_json),
    ".toml": _Format(values_in_toml, rewrites_of_toml),
    ".yaml": _YAML,
    ".yml": _YAML,
    **dict.fromkeys(FRONT_MATTER, _PROMPT_FILE),
}

_OURS = ("tool.fapo.", "tool.pytest.")


def holds_values(path: str) -> bool:
    """True if a file of this name is of a format that single values are read from."""
    return _suffix(path) in _FORMATS


def is_data_file(path: str) -> bool:
    """True if a file of this name has texts under keys, so that the whole of it is no prompt."""
    return _suffix(path) in (".json", ".toml", ".yaml", ".yml", ".prompty")


@lru_cache(maxsize=128)
def find_values(data: bytes, path: str) -> tuple[ParameterValue, ...]:
    """Return the values that the file holds, in its order.

    Raises:
        ArtifactError: the file is not valid in its format.
    """
    ours = _OURS if PurePosixPath(path).name == "pyproject.toml" else ()
    reason = "settings of the tests and of this tool are not tuned"
    try:
        values = list(_FORMATS[_suffix(path)].values(data, path))
    except RecursionError:
        raise ArtifactError(f"{path}: it is nested too deeply to be read") from None
    except ValueError as error:  # a number too long to be read, and whatever else a parser lets through
        raise ArtifactError(f"{path}: cannot be read: {' '.join(str(error).split())[:200]}") from None
    return tuple(
        ParameterValue(value.name, reason=reason) if value.name.startswith(ours) else value
        for value in values
    )


def replace_value(data: bytes, path: str, name: str, value: JsonValue) -> bytes:
    """Return the file with one value replaced; unchanged where it is that already.

    Raises:
        ArtifactError: the value is not there, or no spelling of the new one is read back so that all other
            values stay as they were.
    """
    before = find_values(data, path)
    old = next((each for each in before if each.name == name), None)
    if old is None or old.reason:
        raise ArtifactError(f"{path}::{name}: {old.reason if old else 'there is no such value'}")
    if same_value(old.value, value):
        return data
    expected = [each._replace(value=value) if each is old else each for each in before]
    for result in _FORMATS[_suffix(path)].rewrites(data, path, name, value):
        try:
            if list(find_values(result, path)) == expected:
                return result
        except ArtifactError:
            continue
    raise ArtifactError(f"{path}::{name}: {str(value).strip()[:60]!r} cannot be written in this place")


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()
