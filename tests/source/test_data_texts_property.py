"""Random documents in every style: each text is replaced by any other, and nothing else changes."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

import pytest
import tomlkit
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_fapo.source.addresses import keys_of
from pytest_fapo.source.data_values import find_values, replace_value
from pytest_fapo.source.json_document import json_locations
from pytest_fapo.source.yaml_document import yaml_locations

EXAMPLES = int(os.environ.get("FAPO_EXAMPLES", "60"))

SPECIAL = st.sampled_from(
    [
        *"\n #'\"\\{}[]\t|>%@`é😀\u2028\x85\x7f",
        *("\n\n", "  ", ": ", "- ", '"""', "'''", "&a ", "*a", "!t ", "---\n", "...\n", "\\n", "yes", "1e3"),
    ]
)

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.lists(st.one_of(SPECIAL, st.sampled_from(["word", "Sort it."])), max_size=9).map("".join),
)

PRINTED = TEXTS.map(lambda text: "".join(each for each in text if each.isprintable() or each in "\n\t "))
"""Texts that the dumpers can write in every style."""

KEYS = st.sampled_from(["a", "system", "b c", "k.l", "ü", "x-1", "0", "[0]", 'q"t', "*"])

DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        PRINTED | st.integers(-9, 9) | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=6,
    ),
    min_size=1,
    max_size=3,
)

YAML_STYLES = st.fixed_dictionaries(
    {
        "default_style": st.sampled_from([None, None, '"', "'", "|", ">"]),
        "default_flow_style": st.sampled_from([None, False, True]),
        "indent": st.sampled_from([2, 4, 7]),
        "width": st.sampled_from([20, 80, 1000]),
        "allow_unicode": st.booleans(),
    }
)

NEWLINES = st.sampled_from(["\n", "\r\n"])


def with_value(document: Any, keys: tuple[str, ...], text: str) -> Any:
    result = copy.deepcopy(document)
    table = result
    for key in keys[:-1]:
        table = table[int(key) if isinstance(table, list) else key]
    table[int(keys[-1]) if isinstance(table, list) else keys[-1]] = text
    return result


def texts_in(data: bytes, path: str) -> list[str]:
    found = find_values(data, path)
    return [value.name for value in found if isinstance(value.value, str)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(document=DOCUMENTS, new=TEXTS, style=YAML_STYLES, newline=NEWLINES)
def test_yaml(document: Any, new: str, style: dict[str, Any], newline: str) -> None:
    text = yaml.safe_dump(document, **style).replace("\n", newline)
    before = yaml.safe_load(text)
    for name in texts_in(text.encode(), "p.yaml"):
        result = replace_value(text.encode(), "p.yaml", name, new).decode()
        assert yaml.safe_load(result) == with_value(before, keys_of(name), new)
        place = next(each.at for each in yaml_locations(text, "p.yaml") if each.at.value.name == name)
        assert result.startswith(text[: place.start])
        assert result.endswith(text[place.end :])


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    document=DOCUMENTS,
    new=TEXTS,
    indent=st.sampled_from([None, 1, 4]),
    escaped=st.booleans(),
    newline=NEWLINES,
)
def test_json(document: Any, new: str, indent: int | None, escaped: bool, newline: str) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=escaped).replace("\n", newline)
    for name in texts_in(text.encode(), "p.json"):
        result = replace_value(text.encode(), "p.json", name, new).decode()
        assert json.loads(result) == with_value(document, keys_of(name), new)
        place = next(each for each in json_locations(text, "p.json") if each.value.name == name)
        assert result.startswith(text[: place.start])
        assert result.endswith(text[place.end :])


@settings(max_examples=EXAMPLES, deadline=None)
@given(document=DOCUMENTS, new=TEXTS, block=st.booleans())
def test_toml(document: Any, new: str, block: bool) -> None:
    text = tomlkit.dumps(document)
    if block:
        text += "[last]\ntext = \"\"\"\nSort it.\n\"\"\"\nliteral = '''\nSort it.'''\n"
    before = tomlkit.parse(text).unwrap()
    for name in texts_in(text.encode(), "p.toml"):
        result = replace_value(text.encode(), "p.toml", name, new).decode()
        assert tomlkit.parse(result).unwrap() == with_value(before, keys_of(name), new)


@pytest.mark.parametrize("text", ["a: &x |\n  Sort.\nb: *x\nc: 1\n", "a: [1, &x 'Sort.', *x]\n"])
@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(new=TEXTS)
def test_yaml_behind_an_anchor(text: str, new: str) -> None:
    name = texts_in(text.encode(), "p.yaml")[0]
    result = yaml.safe_load(replace_value(text.encode(), "p.yaml", name, new).decode())
    assert result in ({"a": new, "b": new, "c": 1}, {"a": [1, new, new]})
