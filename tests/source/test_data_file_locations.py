"""Every place in data and prompt files where people write prompts: listed, edited, written, read, undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from source.conftest import MakeStore

from benchmarks.reach.data_edits import problems
from benchmarks.reach.data_table import LOCATIONS, REFUSED
from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import ArtifactError


@pytest.mark.parametrize("name", LOCATIONS)
def test_a_text_is_edited_where_it_stands(name: str, tmp_path: Path) -> None:
    assert list(problems(tmp_path, LOCATIONS[name])) == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_out_of_reach_says_what_to_do(name: str, make_store: MakeStore) -> None:
    path, content, key, words = REFUSED[name]
    with pytest.raises(ArtifactError) as caught:
        make_store({path: content}, f"{path}::{key}").all()
    assert f"{path}::{key}" in str(caught.value)
    assert words in str(caught.value)


MESSAGES = {
    "a key that is not there": ("p.yaml", "a: {system: Sort it.}\n", "a.sytem", "did you mean 'a.system'?"),
    "a key of nothing alike": ("p.json", '{"triage": "Sort it."}', "zzz", "there is triage"),
    "a number": ("p.yaml", "a: Sort it.\nn: 3\n", "n", "p.yaml::n: it holds 3, which is not text"),
    "a mapping": ("p.toml", '[a.b]\nc = "Sort it."\n', "a", "name one of them, such as 'p.toml::a.b.c'"),
    "no value": ("p.yaml", "a:\nb: Sort it.\n", "a", "p.yaml::a: it is empty"),
    "another tag": ("p.yaml", "a: !include sort.md\n", "a", "p.yaml::a: it is empty or tagged"),
    "half a character": ("p.json", '{"a": "x \\ud83d y"}', "a", "p.json::a: it holds half a character"),
    "words alone": ("p.json", '{"model": "gpt", "n": 1}', "", "name one of them, such as 'p.json::model'"),
    "a control character": (
        "p.yaml",
        'a: Sort.\nb: "\x1b[1m"\n',
        "a",
        "line 2: YAML allows no control",
    ),
    "a comment in JSON": ("p.json", '{"a": "Sort it.", // why\n}', "a", "JSON has no comments"),
    "invalid YAML": ("p.yaml", "a: [\n", "a", "p.yaml: not valid YAML"),
    "invalid TOML": ("p.toml", "a = \n", "a", "p.toml: not valid TOML"),
    "invalid front matter": (
        "p.prompty",
        "---\na: [\n---\nsystem:\nSort.\n",
        "system",
        "not valid YAML",
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_one_line_names_file_key_and_remedy(case: str, make_store: MakeStore) -> None:
    path, content, key, words = MESSAGES[case]
    entry = f"{path}::{key}" if key else path
    with pytest.raises(ArtifactError) as caught:
        make_store({path: content}, entry).all()
    message = str(caught.value)
    assert message.startswith(f"[tool.fapo.scope] prompts: {entry!r}")
    assert words in message
    assert "\n" not in message


def test_a_file_without_a_key_stands_for_its_texts_and_a_pattern_for_any_depth(make_store: MakeStore) -> None:
    content = "model: gpt-4o\ntemperature: 0.2\nsystem: Sort it.\nteams: [{tone: Be kind.}, {tone: 親切に}]\n"
    files = {"p.yaml": content, "q.json": '{"a": {"tone": "x y"}}'}
    addresses = ["p.yaml::system", "p.yaml::teams[0].tone", "p.yaml::teams[1].tone"]
    assert [each.address for each in make_store(files, "p.yaml").all()] == addresses
    by_pattern = [each.address for each in make_store(files, "*::**.tone").all()]
    assert by_pattern == [*addresses[1:], "q.json::a.tone"]
    store = make_store(files, "p.yaml::teams[*].tone", "q.*::*.*")
    assert [each.address for each in store.all()] == by_pattern
    assert store.in_scope("p.yaml::teams[0].tone", "prompt")
    assert not store.in_scope("p.yaml::system", "prompt")


def test_a_data_file_gets_no_new_keys_and_is_not_made_anew(make_store: MakeStore) -> None:
    store = make_store({"app/p.json": '{"a": "Sort it."}'}, "app/*")
    with pytest.raises(ArtifactError, match=r"app/p.json::b: there is no such text; a data file gets no new"):
        store.render([Edit(address="app/p.json::b", before="", after="Draft it.")])
    with pytest.raises(ArtifactError, match=r"app/q.json: not in the scope"):
        store.render([Edit(address="app/q.json", before="", after="{}")])
    assert store.creatable() == ["app/*"]


def test_lines_of_a_block_that_stay_keep_their_bytes(make_store: MakeStore) -> None:
    before = b"a: |\r\n    One.\r\n    \r\n    Two.\n    Three.\r\n\r\n"
    before += b"b: >\n    Long lines that\n    go on.\n\n    End.\n"
    store = make_store({"p.yaml": before}, "p.yaml::*")
    texts = {each.address: each.text for each in store.all()}
    after = {
        "p.yaml::a": texts["p.yaml::a"].replace("Three", "Four"),
        "p.yaml::b": texts["p.yaml::b"].replace("End.", "Ends."),
    }
    edits = [Edit(address=address, before=texts[address], after=text) for address, text in after.items()]
    expected = before.replace(b"Three", b"Four").replace(b"End.", b"Ends.")
    assert store.render(edits) == {"p.yaml": expected}
