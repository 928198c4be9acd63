from __future__ import annotations

import codecs
import json
import subprocess
import sys
from pathlib import Path

import pytest
import tomlkit
import yaml
from source.conftest import MakeStore

from pytest_fapo.core.candidate import Artifact, Edit
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.artifact_store import ArtifactStore

SETTINGS = """\
import os
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, Field

TOP_K = 3  # passages that are read
TEMPERATURE: Final[float] = 0
WINDOW = 1_000
TINY = 1e-3
OFFSET = -5
MODEL = 'small'
STRICT = True
NOTHING = None
PAIR = (1, 2)
FROM_ENV = int(os.environ.get("K", "3"))
TWICE = 1
TWICE = 2
A = B = 3
SETTINGS = {"k": 3, "sampling": {"top_p": 0.9}, "k2": 1, "k2": 2}
CLIENT = dict(retries=2, timeout=30.0)


@dataclass
class Search:
    depth: int = 4
    share: float = field(default=0.2)
    names: list = field(default_factory=list)


class Sampling(BaseModel):
    tokens: int = Field(256, ge=1)
    top_p: float = Field(default=0.7, description="nucleus")
"""


def addressed(store: ArtifactStore) -> dict[str, Artifact]:
    return {artifact.address: artifact for artifact in store.all("param")}


def replaced(store: ArtifactStore, address: str, text: str) -> bytes:
    artifact = store.get(address)
    files = store.render([Edit(address=address, before=artifact.text, after=text)])
    assert json.loads(store.with_files(files).get(address).text) == json.loads(text)
    return files[artifact.path]


def test_values_of_a_python_file(make_store: MakeStore) -> None:
    store = make_store({"s.py": SETTINGS}, params=["s.py::*", "s.py::*.*", "s.py::*.*.*"])
    assert {name.partition("::")[2]: each.text for name, each in addressed(store).items()} == {
        "TOP_K": "3",
        "TEMPERATURE": "0",
        "WINDOW": "1000",
        "TINY": "0.001",
        "STRICT": "true",
        "SETTINGS.k": "3",
        "CLIENT.retries": "2",
        "CLIENT.timeout": "30.0",
        "Search.depth": "4",
        "Search.share": "0.2",
        "Sampling.tokens": "256",
        "Sampling.top_p": "0.7",
        "SETTINGS.sampling.top_p": "0.9",
    }
    for name, words in {
        "OFFSET": "no bounds can be guessed for -5",
        "MODEL": "say what it may be",
        "NOTHING": "it holds null",
        "PAIR": "several values",
        "FROM_ENV": "computed by int()",
        "TWICE": "assigned in 2 places",
        "A": "assigned together with B",
        "SETTINGS": "name one of its keys",
        "Search.names": "no default",
    }.items():
        assert words in store.skipped[f"s.py::{name}"], name


@pytest.mark.parametrize(
    ("name", "text", "old", "new"),
    [
        ("TOP_K", "5", "TOP_K = 3  # passages that are read", "TOP_K = 5  # passages that are read"),
        ("TEMPERATURE", "0.5", "TEMPERATURE: Final[float] = 0", "TEMPERATURE: Final[float] = 0.5"),
        ("WINDOW", "2000", "WINDOW = 1_000", "WINDOW = 2000"),
        ("TINY", "0.002", "TINY = 1e-3", "TINY = 0.002"),
        ("OFFSET", "-4", "OFFSET = -5", "OFFSET = -4"),
        ("OFFSET", "4", "OFFSET = -5", "OFFSET = 4"),
        ("MODEL", '"lar\'ge"', "MODEL = 'small'", "MODEL = 'lar\\'ge'"),
        ("STRICT", "false", "STRICT = True", "STRICT = False"),
        ("NOTHING", "7", "NOTHING = None", "NOTHING = 7"),
        ("Search.share", "1", "field(default=0.2)", "field(default=1.0)"),
        ("Sampling.tokens", "512", "Field(256, ge=1)", "Field(512, ge=1)"),
        ("Sampling.top_p", "0.9", "Field(default=0.7, d", "Field(default=0.9, d"),
        ("SETTINGS.sampling.top_p", "0.5", '{"top_p": 0.9}', '{"top_p": 0.5}'),
        ("CLIENT.timeout", "60", "timeout=30.0", "timeout=60.0"),
    ],
)
def test_a_python_value_is_changed_and_nothing_else(
    make_store: MakeStore, name: str, text: str, old: str, new: str
) -> None:
    domains = {"OFFSET": " = -10..10", "MODEL": " = small | lar'ge", "NOTHING": " = null | 7"}
    domains |= {"Search.share": " = 0..1"}
    store = make_store({"s.py": SETTINGS}, params=[f"s.py::{name}{domains.get(name, '')}"])
    assert SETTINGS.count(old) == 1
    assert replaced(store, f"s.py::{name}", text).decode() == SETTINGS.replace(old, new)


@pytest.mark.parametrize("name", ["WINDOW", "TINY", "MODEL", "Search.share", "SETTINGS.k"])
def test_the_same_value_keeps_its_spelling(make_store: MakeStore, name: str) -> None:
    domain = " = small | large" if name == "MODEL" else ""
    store = make_store({"s.py": SETTINGS}, params=[f"s.py::{name}{domain}"])
    assert replaced(store, f"s.py::{name}", store.get(f"s.py::{name}").text).decode() == SETTINGS


def test_python_files_keep_mark_newlines_and_coding(make_store: MakeStore) -> None:
    marked = codecs.BOM_UTF8 + "# é\r\nX = 'é'; K = 3\r\n".encode()
    latin = "# coding: latin-1\nX = 'é'; K = 3 # ü\n".encode("latin-1")
    store = make_store({"m.py": marked, "l.py": latin}, params=["*.py::K"])
    assert replaced(store, "m.py::K", "4") == marked.replace(b"K = 3", b"K = 4")
    assert replaced(store, "l.py::K", "4") == latin.replace(b"K = 3", b"K = 4")


YAML = """\
# the model
llm:
    model: small   # cheap
    temperature: 0.2
    "max tokens": 256
    gpt-4.1: {k: 3, stop: 'a'}

steps:
-   k: 1   # first
-   {k: 2}
shared: &k 5
again: *k
text: |
    block
yes_no: yes
exponent: 1e-3
octal: 010
date: 2024-01-01
empty:
tagged: !!int "3"
double: {q: "x"}
"""


def test_values_of_a_yaml_file(make_store: MakeStore) -> None:
    domains = ["c.yaml::llm.model = small | large", 'c.yaml::double.q = x | "y: #z"']
    store = make_store({"c.yaml": YAML}, params=[*domains, "c.yaml::*", "c.yaml::*.*", "c.yaml::*.*.*"])
    assert {name.partition("::")[2]: each.text for name, each in addressed(store).items()} == {
        "llm.model": '"small"',
        "double.q": '"x"',
        "shared": "5",
        "llm.temperature": "0.2",
        'llm."max tokens"': "256",
        'llm."gpt-4.1".k': "3",
        "steps[0].k": "1",
        "steps[1].k": "2",
    }
    for name in ("yes_no", "exponent", "octal"):
        assert "1.1 and 1.2" in store.skipped[f"c.yaml::{name}"], name
    for name, words in {
        "again": "alias",
        "text": "it holds a text",
        "empty": "empty",
        "tagged": "tagged",
        "date": "1.1 and 1.2",
    }.items():
        assert words in store.skipped[f"c.yaml::{name}"], name


@pytest.mark.parametrize(
    ("entry", "text", "old", "new"),
    [
        ("llm.model = small | large", '"large"', "model: small   # cheap", "model: large   # cheap"),
        ("llm.model = small | yes", '"yes"', "model: small ", 'model: "yes" '),
        ('llm.model = small | "a: b"', '"a: b"', "model: small ", 'model: "a: b" '),
        ('llm.model = small | "1e-3"', '"1e-3"', "model: small ", 'model: "1e-3" '),
        ("llm.temperature", "0.00001", "temperature: 0.2", "temperature: 1.0e-05"),
        ("llm.temperature", "1", "temperature: 0.2", "temperature: 1.0"),
        ('llm."max tokens"', "512", '"max tokens": 256', '"max tokens": 512'),
        ('llm."gpt-4.1".k', "4", "{k: 3,", "{k: 4,"),
        ('llm."gpt-4.1".stop = a | "it\'s"', '"it\'s"', "stop: 'a'", "stop: 'it''s'"),
        ("steps[0].k", "2", "k: 1 ", "k: 2 "),
        ("shared", "6", "&k 5", "&k 6"),
        ('double.q = x | "y\\n"', '"y\\n"', 'q: "x"', 'q: "y\\n"'),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_yaml_value_is_changed_and_nothing_else(
    make_store: MakeStore, entry: str, text: str, old: str, new: str, newline: str
) -> None:
    content = codecs.BOM_UTF8 + YAML.replace("\n", newline).encode()
    store = make_store({"c.yaml": content}, params=[f"c.yaml::{entry}"])
    address = f"c.yaml::{entry.split(' = ')[0]}"
    assert YAML.count(old) == 1
    result = replaced(store, address, text)
    assert result == content.replace(old.encode(), new.encode())
    assert yaml.safe_load(result.decode("utf-8-sig")) != yaml.safe_load(YAML)


TOML = """\
# the model
title = 'x'

[llm]   # settings
temperature = 0.2 # low
k = 1_000
"a.b" = 3
inner = { k = 3, name = "q" }
when = 2024-01-01
stream = true # on
big = '''
text'''

[[steps]]
k = 1
[[steps]]
k = 2   # second
sub.k = 3
[later.a]
x = 1
[other]
y = 1
[later.b]
z = 0x1F   # hex
list = [
  1, # one
  [2.5, true],
]
"""


@pytest.mark.parametrize(
    ("entry", "text", "old", "new"),
    [
        ("title = x | 'y'", '"y"', "title = 'x'", "title = 'y'"),
        ('title = x | "it\'s"', '"it\'s"', "title = 'x'", 'title = "it\'s"'),
        ("llm.temperature", "1", "0.2 # low", "1.0 # low"),
        ("llm.k", "2000", "k = 1_000", "k = 2000"),
        ('llm."a.b"', "4", '"a.b" = 3', '"a.b" = 4'),
        ("llm.inner.k", "4", "{ k = 3,", "{ k = 4,"),
        ("steps[1].k", "3", "k = 2   # second", "k = 3   # second"),
        ("steps[1].sub.k", "4", "sub.k = 3", "sub.k = 4"),
        ("llm.stream", "false", "stream = true # on", "stream = false # on"),
        ("llm.big = a | b", '"b"', "'''\ntext'''", "'''\nb'''"),
        ("later.a.x", "2", "x = 1\n", "x = 2\n"),
        ("later.b.z", "32", "0x1F   # hex", "32   # hex"),
        ("later.b.list[1][0]", "3.5", "[2.5, true]", "[3.5, true]"),
        ("later.b.list[1][1]", "false", "[2.5, true]", "[2.5, false]"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_toml_value_is_changed_and_nothing_else(
    make_store: MakeStore, entry: str, text: str, old: str, new: str, newline: str
) -> None:
    content = TOML.replace("\n", newline).encode()
    store = make_store({"c.toml": content}, params=[f"c.toml::{entry}"])
    address = f"c.toml::{entry.split(' = ')[0]}"
    assert TOML.count(old) == 1
    old, new = old.replace("\n", newline), new.replace("\n", newline)
    assert replaced(store, address, text) == content.replace(old.encode(), new.encode())


def test_toml_without_null_and_dates(make_store: MakeStore) -> None:
    store = make_store({"c.toml": TOML}, params=["c.toml::llm.k = null | 3", "c.toml::llm.*"])
    with pytest.raises(ArtifactError, match="TOML has no null"):
        replaced(store, "c.toml::llm.k", "null")
    assert "llm.k" in " ".join(addressed(store))
    assert "date cannot be tuned" in store.skipped["c.toml::llm.when"]


JSON = '{"a": {"k" : 3, "list": [1, {"z": 2.0}, []]},\n  "m.n": "\\u00e9", "e": {}, "k": 1, "k": 2}'


@pytest.mark.parametrize(
    ("entry", "text", "old", "new"),
    [
        ("a.k", "4", '"k" : 3', '"k" : 4'),
        ("a.list[0]", "2", "[1,", "[2,"),
        ("a.list[1].z", "3", '"z": 2.0', '"z": 3.0'),
        ('"m.n" = "é" | "ü"', '"ü"', '"\\u00e9"', '"\\u00fc"'),
    ],
)
def test_a_json_value_is_changed_and_nothing_else(
    make_store: MakeStore, entry: str, text: str, old: str, new: str
) -> None:
    store = make_store({"c.json": JSON}, params=[f"c.json::{entry}"])
    address = f"c.json::{entry.split(' = ')[0]}"
    assert replaced(store, address, text).decode() == JSON.replace(old, new)


def test_a_json_key_that_stands_twice_is_left_alone(make_store: MakeStore) -> None:
    with pytest.raises(ArtifactError, match=r"c.json::k: it is there more than once"):
        make_store({"c.json": JSON}, params=["c.json::k"]).all()


@pytest.mark.parametrize(
    ("source", "entry", "domain"),
    [
        ("TOP_K = 3", "TOP_K", "1..12"),
        ("TOP_K = 1", "TOP_K", "1..10"),
        ("RETRIES = 0", "RETRIES", "0..3"),
        ("TEMPERATURE = 0", "TEMPERATURE", "0..1"),
        ("TEMPERATURE = 1.2", "TEMPERATURE", "0..2"),
        ("top_p = 1", "top_p", "0..1"),
        ("THRESHOLD = 0.35", "THRESHOLD", "0..1"),
        ("PAUSE = 2.0", "PAUSE", "0.5..8"),
        ("STREAM = False", "STREAM", "true or false"),
        ("K = Field(3, ge=1, le=5)", "K", "1..5"),
        ("K = Field(3, gt=1)", "K", "2..12"),
        ("K = Field(-3, ge=-5, lt=5)", "K", "-5..4"),
        ("X = Field(default=0.5, gt=0, description='x')", "X", "0.125..2"),
        ("X = Field(default=0.5, le=1)", "X", "0.125..1"),
        ("K = Field(3, ge=1, le=5)", "K = 1..20", "1..20"),
        ("TOP_K = 3", "TOP_K = 1..20", "1..20"),
        ("TOP_K = 50", "TOP_K = ..20", "..20"),
        ("SCALE = 0.5", "SCALE = 0..1", "0..1"),
        ("M = 'a'", "M = a | b", 'one of "a", "b"'),
        ("M = '3'", "M = 3 | 4", 'one of "3", "4"'),
        ("M = 1.0", "M = 1 | 2", "one of 1.0, 2.0"),
    ],
)
def test_domains_given_and_guessed(make_store: MakeStore, source: str, entry: str, domain: str) -> None:
    store = make_store({"s.py": source}, params=[f"s.py::{entry}"])
    found = store.get(f"s.py::{entry.split(' ')[0]}").domain
    assert found is not None
    assert str(found) == domain
    assert found.given is ("=" in entry)
    assert found == store.all()[0].domain


@pytest.mark.parametrize(
    ("entry", "text", "words"),
    [
        ("TOP_K", "500", "500 is outside its domain: a whole number, 1..12"),
        ("TOP_K", "5.5", "a whole number, 1..12"),
        ("TOP_K", "true", "a whole number"),
        ("TOP_K", "five", "not one JSON value; expected such as 5"),
        ("TOP_K", "[5]", "not one JSON value"),
        ("TOP_K", "NaN", "not one JSON value"),
        ("TEMPERATURE = 0..1", "1.5", "a number, 0..1"),
        ("MODEL = small | large", '"huge"', 'one of "small", "large"'),
        ("MODEL = small | large", "large", "not one JSON value"),
        ("STRICT", "1", "true or false"),
    ],
)
def test_a_value_outside_the_domain_is_refused(
    make_store: MakeStore, entry: str, text: str, words: str
) -> None:
    store = make_store({"s.py": SETTINGS}, params=[f"s.py::{entry}"])
    address = f"s.py::{entry.split(' ')[0]}"
    with pytest.raises(ArtifactError, match=r"s\.py::") as caught:
        store.render([Edit(address=address, before=store.get(address).text, after=text)])
    assert words in str(caught.value)


def test_the_entry_that_names_a_parameter_decides_over_a_pattern(make_store: MakeStore) -> None:
    store = make_store({"s.py": SETTINGS}, params=["s.py::*", "s.py::T* = 1..5", "s.py::TOP_K = 1..7"])
    found = addressed(store)
    assert str(found["s.py::TOP_K"].domain) == "1..7"
    assert str(found["s.py::TINY"].domain) == "1..5"
    assert str(found["s.py::WINDOW"].domain) == "1..4000"
    assert found["s.py::TOP_K"] == store.get("s.py::TOP_K")


def test_a_guessed_domain_does_not_grow_with_the_value(make_store: MakeStore) -> None:
    store = make_store({"s.py": "TOP_K = 3\n"}, params=["s.py::TOP_K"])
    snapshot = store.with_files({"s.py": b"TOP_K = 3\n"})
    child = snapshot.with_files(snapshot.render([Edit(address="s.py::TOP_K", before="3", after="12")]))
    assert child.get("s.py::TOP_K").text == "12"
    assert str(child.get("s.py::TOP_K").domain) == str(child.all()[0].domain) == "1..12"


def test_a_value_that_is_set_again_is_left_alone(make_store: MakeStore) -> None:
    source = (
        "S = {'k': 1, 'n': {'m': 2}, 'free': 3}\nC = dict(a=1, b=2)\nclass D:\n    x = 1\n    y = 2\n"
        "S['k'] = 2\nS['n']['m'] += 1\nif S:\n    C.b, D.x = 2, 3\ndef f():\n    S['free'] = 4\n"
    )
    store = make_store({"s.py": source}, params=["s.py::*.*", "s.py::*.*.*"])
    with pytest.raises(ArtifactError, match="set again further down"):
        store.all()
    store = make_store({"s.py": source}, params=["s.py::*.*"])
    assert list(addressed(store)) == ["s.py::S.free", "s.py::C.a", "s.py::D.y"]


def test_a_domain_of_another_kind_is_said(make_store: MakeStore) -> None:
    for entry in ("MODEL = 1..3", "TOP_K = true | false", "STRICT = 0..1"):
        with pytest.raises(ArtifactError, match="another kind than its domain"):
            make_store({"s.py": SETTINGS}, params=[f"s.py::{entry}"]).all()
    with pytest.raises(ArtifactError, match=r"\[tool.fapo.scope\] params: 's.py::MODEL'.*say what it may be"):
        make_store({"s.py": SETTINGS}, params=["s.py::MODEL"]).all()


def test_what_is_no_parameter_is_said(make_store: MakeStore) -> None:
    files = {
        "s.py": SETTINGS,
        "c.yaml": "a: [",
        "d.yaml": "a: 1\n---\nb: 2\n",
        "c.json": "{",
        "c.toml": "a =",
    }
    for entry, words in {
        "s.py": "at level param an address is a value",
        "a.ini::x": "at level param an address is a value",
        "s.py::TOP_KK": "did you mean 'TOP_K'",
        "c.yaml::a": "not valid YAML",
        "d.yaml::a": r"matches nothing in d.yaml; there is \[0\].a, \[1\].b",
        "c.json::a": "not valid JSON",
        "c.toml::a": "not valid TOML",
    }.items():
        with pytest.raises(ArtifactError, match=words):
            make_store(files, params=[entry]).all()


def test_our_own_settings_are_no_parameters(make_store: MakeStore) -> None:
    text = "[tool.fapo]\nconcurrency = 3\n[tool.app]\nk = 3\n"
    store = make_store({"pyproject.toml": text}, params=["pyproject.toml::tool.*.*"])
    assert list(addressed(store)) == ["pyproject.toml::tool.app.k"]


def test_round_trips_of_layouts_that_libraries_rewrite(make_store: MakeStore) -> None:
    text = "a:\n      -    k:    3    # c\n\n\n\nlong: " + "word " * 60 + "\nlast:   {  x  :  1  }\n...\n"
    store = make_store({"c.yaml": text}, params=["c.yaml::a[0].k", "c.yaml::last.x"])
    result = replaced(store, "c.yaml::a[0].k", "4").decode()
    assert result == text.replace("k:    3", "k:    4")
    document = tomlkit.parse("x = [\n  1, # one\n  2,\n]\n")
    toml = make_store({"c.toml": tomlkit.dumps(document)}, params=["c.toml::x[1]"])
    assert replaced(toml, "c.toml::x[1]", "3").decode() == "x = [\n  1, # one\n  3,\n]\n"


def test_the_formats_are_loaded_only_when_used(tmp_path: Path) -> None:
    code = (
        "import sys; from pytest_fapo.source.artifact_store import ArtifactStore; "
        "print([name for name in ('yaml', 'tomlkit') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
