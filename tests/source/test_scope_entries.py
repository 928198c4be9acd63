from __future__ import annotations

from pathlib import Path

import pytest
from source.conftest import MakeStore

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import ArtifactError, ConfigError
from pytest_fapo.core.scope import Scope, parse_domain, scope_entry
from pytest_fapo.core.settings import load_settings
from pytest_fapo.source.patch import edits_between


@pytest.mark.parametrize(
    ("text", "path", "name", "domain"),
    [
        ("app/p.md", "app/p.md", "", None),
        ("app/s.py::TOP_K", "app/s.py", "TOP_K", None),
        ("app/s.py::TOP_K = 1..20", "app/s.py", "TOP_K", "1..20"),
        (" app/s.py :: TOP_K=1 .. 20 ", "app/s.py", "TOP_K", "1..20"),
        ("s.py::T = 0..1.5", "s.py", "T", "0..1.5"),
        ("s.py::T = -1..", "s.py", "T", "-1.."),
        ("s.py::T = ..1e3", "s.py", "T", "..1000"),
        ("c.yaml::llm.model = gpt-4o-mini | gpt-4o", "c.yaml", "llm.model", 'one of "gpt-4o-mini", "gpt-4o"'),
        ("c.yaml::a = 'x' | \"y|z\" | 3 | null", "c.yaml", "a", 'one of "x", "y|z", 3, null'),
        ("c.yaml::a = true | false", "c.yaml", "a", "true or false"),
        ('c.yaml::m."a.b = c".k = 1..2', "c.yaml", 'm."a.b = c".k', "1..2"),
        ("c.yaml::a = 1.. | 2..", "c.yaml", "a", 'one of "1..", "2.."'),
    ],
)
def test_entries(text: str, path: str, name: str, domain: str | None) -> None:
    entry = scope_entry(text)
    assert (entry.path, entry.name) == (path, name)
    assert (str(entry.domain) if entry.domain else None) == domain
    assert entry.domain is None or entry.domain.given


@pytest.mark.parametrize("text", ["", "x", "..", "a..b", "1..b", "true..false", "|", '"1".."2"', "1...5"])
def test_what_is_no_domain_says_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected bounds .* or choices"):
        parse_domain(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5..1", "lower bound comes first"),
        ("2..2", "lower bound"),
        ("a | a", "twice"),
        ("1 | [2]", "not a choice"),
    ],
)
def test_domains_that_make_no_sense(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_domain(text)


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ('params = ["s.py::K = 5..1"]', "tool.fapo.scope.params: 's.py::K = 5..1': '5..1' is not a domain"),
        ('params = ["s.py::K = five"]', "expected bounds ('1..20', '0..1', '1..') or choices"),
        (
            'prompts = ["s.py::K = 1..2"]',
            "tool.fapo.scope.prompts: 's.py::K = 1..2': only params have a domain",
        ),
        ('structure = ["../p.py"]', "tool.fapo.scope.structure: '../p.py' leaves the project"),
    ],
)
def test_a_broken_entry_is_an_error_of_the_settings(tmp_path: Path, scope: str, words: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.fapo.scope]\n{scope}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "pyproject.toml", tmp_path)
    assert words in str(caught.value)


def test_entries_of_each_level() -> None:
    scope = Scope(prompts=["a.md"], params=["s.py::K = 1..2", "s.py::L"], structure=["p.py"])
    assert [entry.name for entry in scope.entries("param")] == ["K", "L"]
    assert [entry.path for level in ("prompt", "structure") for entry in scope.entries(level)] == [
        "a.md",
        "p.py",
    ]


def test_an_entry_of_the_wrong_form_names_its_key(make_store: MakeStore) -> None:
    files = {"s.py": "K = 3\n", "p.py": "def f(): pass\n", "a.md": "x"}
    for params, structure, words in (
        (["s.py"], [], "[tool.fapo.scope] params: 's.py' names nothing that can be edited"),
        ([], ["a.md"], "[tool.fapo.scope] structure: 'a.md' names nothing"),
        ([], ["p.py::g"], "[tool.fapo.scope] structure: 'p.py::g' matches nothing in p.py"),
        (["s.py::J"], [], "[tool.fapo.scope] params: 's.py::J' matches nothing in s.py"),
        ([], ["q.py"], "'p.py'? (paths are relative to pyproject.toml)"),
    ):
        with pytest.raises(ArtifactError) as caught:
            make_store(files, params=params, structure=structure).all()
        assert words in str(caught.value)


def test_the_edits_between_two_states(make_store: MakeStore) -> None:
    files = {
        "p/a.md": "a\n",
        "s.py": "K = 3\nL = 4\n",
        "p.py": "import os\n\n\ndef f():\n    return os\n\n\ndef g():\n    return 1\n",
    }
    store = make_store(files, "p/*.md", params=["s.py::*"], structure=["p.py"])
    first = [
        Edit(address="p/new.md", before="", after="n"),
        Edit(address="s.py::L", before="4", after="5"),
        Edit(
            address="p.py::f",
            before="def f():\n    return os\n",
            after="import re, json as j\ndef f():\n    return re, j, h()\n",
        ),
        Edit(address="p.py::h", before="", after="import math\ndef h():\n    return math\n"),
    ]
    rendered = store.render(first)
    found = {edit.address: edit for edit in edits_between(store, rendered)}
    assert sorted(found) == ["p.py::f", "p.py::h", "p/new.md", "s.py::L"]
    assert found["p.py::f"].after == "import re\nimport json as j\ndef f():\n    return re, j, h()\n"
    assert found["p.py::h"].after == "import math\ndef h():\n    return math\n"
    assert store.render(list(found.values()))["p.py"].count(b"import") == 4
    only = store.render([found["p.py::h"]])["p.py"].decode()
    assert "import math" in only
    assert "import re" not in only
    assert edits_between(store, {}) == []


@pytest.mark.parametrize(("old", "new"), [("Be brief.", "terse"), ("terse", "Be brief."), ("a b", "c d")])
def test_a_text_that_becomes_a_single_word_or_was_one_is_an_edit(
    make_store: MakeStore, old: str, new: str
) -> None:
    store = make_store({"p.py": f"agent = Agent(system='{old}', other='Be kind.')\n"}, "p.py::agent.*")
    edit = Edit(address="p.py::agent.system", before=old, after=new)
    assert edits_between(store, store.render([edit])) == [edit]


DESK = '''
PROMPT = "Sort the ticket."
import re
WORD = re.compile(r"[a-z ]+ of it")
prompt = ChatPromptTemplate.from_messages([("system", "Sort the mail."), ("human", "{mail}")])
agent = Agent("openai:gpt-4o", system_prompt="Be brief.", label="triage")

class Desk:
    """A desk."""
    def reply(self, text, system="Be kind."):
        """Reply to a text."""
        return ask(f"Reply to {text}.", system)

if prompt:
    CHOICE = "Choose well."
else:
    CHOICE = "Choose now."
'''


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", ["PROMPT", "prompt[0]", "prompt[1]", "CHOICE#1", "CHOICE#2"]),
        ("prompt[*]", ["prompt[0]", "prompt[1]"]),
        ("prompt[0]", ["prompt[0]"]),
        ("*.system_prompt", ["agent.system_prompt"]),
        ("agent.*", ["agent.system_prompt"]),
        ("agent.l*l", []),
        ("agent.label", ["agent.label"]),
        ("Desk.*", ["Desk.reply(system)", "Desk.reply{text}"]),
        ("Desk.reply(*)", ["Desk.reply(system)"]),
        ("Desk.reply{*}", ["Desk.reply{text}"]),
        ("**.__doc__", ["Desk.__doc__", "Desk.reply.__doc__"]),
        ("*.__doc__", ["Desk.__doc__"]),
        ("CHOICE#*", ["CHOICE#1", "CHOICE#2"]),
        ("CH*", ["CHOICE#1", "CHOICE#2"]),
        ("CHOICE#2", ["CHOICE#2"]),
    ],
)
def test_patterns_of_texts_in_code(make_store: MakeStore, pattern: str, names: list[str]) -> None:
    store = make_store({"desk.py": DESK, "a.md": "x"}, f"desk.py::{pattern}", "a.md")
    if not names:
        with pytest.raises(ArtifactError, match="matches nothing"):
            store.all()
        return
    assert [artifact.name for artifact in store.all() if artifact.name] == names
    assert all(store.in_scope(f"desk.py::{name}", "prompt") for name in names)
    assert not store.in_scope("desk.py::Other.text", "prompt") or pattern.startswith("**")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CHOICE", "in 2 places; name one: CHOICE#1 (line 15) or CHOICE#2 (line 17)"),
        ("agent", "by Agent(); name a text in it: agent[0], agent.system_prompt or agent.label"),
        ("Desk.__docs__", "did you mean 'Desk.__doc__'"),
        ("Desk.reply{txt}", "did you mean 'Desk.reply{text}'"),
    ],
)
def test_a_name_that_is_not_one_text_lists_the_choices(make_store: MakeStore, name: str, words: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        make_store({"desk.py": DESK}, f"desk.py::{name}").all()
    assert words in str(caught.value)
