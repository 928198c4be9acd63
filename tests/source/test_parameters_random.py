"""Random documents: every value in them is changed at random, and the format's own reader sees just that."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

import pytest
import tomlkit
import yaml

from pytest_fapo.source.addresses import dotted, keys_of
from pytest_fapo.source.data_values import find_values, replace_value

KEYS = ["a", "b c", "k.l", "ü", "x-1", "top_k", 'q"t', "m=n", "9", "true", "#h"]
TEXTS = [
    *(
        "text",
        "it's",
        "a: b",
        "# no",
        "yes",
        "1e-3",
        "0x1F",
        "é→",
        "multi\nline",
        "",
        "  pad ",
        "null",
        "-",
        "[x]",
    ),
    *(
        "😀",
        "tab\there",
        "12:30",
        "2024-01-01",
        "~",
        "=",
        "<<",
        "a\u2028b",
        "\x85",
        "x" * 99 + " " + "y" * 99,
    ),
]


def scalar(source: Random) -> Any:
    numbers = [source.randint(-9, 999), source.random() * source.choice([1, 1e-7, 1e12])]
    return source.choice([*numbers, source.choice([True, False]), source.choice(TEXTS)])


def document(source: Random, depth: int = 0) -> Any:
    kind = source.random() if depth else 0.5
    if depth > 3 or kind < 0.4:
        return scalar(source)
    if kind < 0.75:
        return {source.choice(KEYS): document(source, depth + 1) for _ in range(4)}
    return [document(source, depth + 1) for _ in range(source.randint(1, 3))]


def dumped(value: Any, kind: str, source: Random) -> str:
    if kind == "json":
        return json.dumps(value, indent=source.choice([None, 1, 4]), ensure_ascii=source.random() < 0.5)
    if kind == "toml":
        return tomlkit.dumps(value)
    return yaml.safe_dump(
        value,
        default_flow_style=source.choice([None, True, False]),
        default_style=source.choice([None, None, '"', "'"]),
        indent=source.choice([2, 4, 7]),
        width=source.choice([20, 80, 1000]),
        allow_unicode=source.random() < 0.5,
    )


def loaded(text: str, kind: str) -> Any:
    if kind == "json":
        return json.loads(text)
    return tomlkit.parse(text).unwrap() if kind == "toml" else yaml.safe_load(text)


def changed(value: Any, keys: list[str], new: Any) -> Any:
    result = copy.deepcopy(value)
    table = result
    for key in keys[:-1]:
        table = table[int(key) if isinstance(table, list) else key]
    last = int(keys[-1]) if isinstance(table, list) else keys[-1]
    table[last] = float(new) if isinstance(table[last], float) and type(new) is int else new
    return result


@pytest.mark.parametrize("kind", ["yaml", "json", "toml"])
@pytest.mark.parametrize("seed", range(5))
def test_every_value_can_be_changed_alone(kind: str, seed: int) -> None:
    source = Random(100 * seed + len(kind))
    text = dumped(document(source), kind, source)
    if kind != "toml" and source.random() < 0.5:
        text = text.replace("\n", "\r\n")
    before = loaded(text, kind)
    found = [value for value in find_values(text.encode(), f"c.{kind}") if not value.reason]
    assert found
    for value in source.sample(found, min(8, len(found))):
        new = scalar(source)
        result = replace_value(text.encode(), f"c.{kind}", value.name, new)
        assert loaded(result.decode(), kind) == changed(before, list(keys_of(value.name)), new), value.name


@pytest.mark.parametrize("keys", [[key, "a"] for key in KEYS])
def test_keys_come_back_from_an_address(keys: list[str]) -> None:
    assert list(keys_of(dotted(keys))) == keys
