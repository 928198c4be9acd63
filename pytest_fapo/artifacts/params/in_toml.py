"""Parameters of TOML files, by tomlkit, which keeps comments, order and layout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from pytest_fapo.artifacts.encoding import SourceText, decode
from pytest_fapo.artifacts.params.values import Value, dotted, keys_of
from pytest_fapo.errors import ArtifactError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


def values_in_toml(data: bytes, path: str) -> Iterator[Value]:
    """The scalars of a document under their keys; items of lists under their position."""
    _, document = _parsed(data, path)
    for keys, value in _walk(document.unwrap(), []):
        if isinstance(value, (bool, int, float, str)):
            yield Value(dotted(keys), value)
        else:
            yield Value(dotted(keys), reason=f"a {type(value).__name__} cannot be tuned")


def replace_in_toml(data: bytes, path: str, name: str, value: JsonValue) -> bytes:
    """The document with one value changed and every other byte kept.

    Raises:
        ArtifactError: the value is not there, or TOML cannot hold it.
    """
    import tomlkit

    source, document = _parsed(data, path)
    *parents, last = keys_of(name)
    table: Any = document
    for key in parents:
        table = table[_index(table, key)]
    place = _index(table, last)
    old = table[place]
    if value is None:
        raise ArtifactError(f"{path}::{name}: TOML has no null")
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, str):
        literal = isinstance(old, tomlkit.items.String) and old.as_string().startswith("'")
        literal = literal and "'" not in value and value.isprintable()
        table[place] = tomlkit.string(value, literal=literal)
    else:
        table[place] = value
    return source.encode(tomlkit.dumps(document))


def _parsed(data: bytes, path: str) -> tuple[SourceText, TOMLDocument]:
    try:
        import tomlkit
        from tomlkit.exceptions import TOMLKitError
    except ImportError:
        raise ArtifactError(f"{path}: TOML needs tomlkit: pip install tomlkit") from None
    source = decode(data, path)
    try:
        document = tomlkit.parse(source.text)
    except TOMLKitError as error:
        raise ArtifactError(f"{path}: not valid TOML: {error}") from None
    if tomlkit.dumps(document) != source.text:
        raise ArtifactError(f"{path}: its layout could not be kept; write this TOML in a plainer way")
    return source, document


def _walk(value: Any, keys: list[str]) -> Iterator[tuple[list[str], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, [*keys, str(key)])
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _walk(inner, [*keys, str(place)])
    else:
        yield keys, value


def _index(table: Any, key: str) -> str | int:
    return int(key) if isinstance(table, list) else key
