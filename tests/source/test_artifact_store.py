from __future__ import annotations

import codecs
import subprocess
from pathlib import Path

import pytest
from source.conftest import MakeStore

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.artifact_store import ArtifactStore


def edit(store: ArtifactStore, address: str, after: str) -> Edit:
    return Edit(address=address, before=store.get(address).text, after=after)


def addresses(store: ArtifactStore) -> list[str]:
    return [artifact.address for artifact in store.all("prompt")]


TEXTS = """
from typing import Final
import os

GREETING_PROMPT = "Hello"
REPLY_PROMPT: Final[str] = "Reply to {x}"
F_PROMPT = f"{GREETING_PROMPT}!"
JOINED_PROMPT = GREETING_PROMPT + "!"
ENV_PROMPT = os.environ.get("P", "x")
BYTES_PROMPT = b"x"
A_PROMPT = B_PROMPT = "both"
C_PROMPT, D_PROMPT = "c", "d"
TWICE_PROMPT = "one"
TWICE_PROMPT = "two"
GROWN_PROMPT = "one"
GROWN_PROMPT += "two"
DECLARED_PROMPT: str
if os.name:
    IF_PROMPT = "in a block"
try:
    TRY_PROMPT = "tried"
except Exception:
    OTHER_PROMPT = "handler"

class Prompts:
    DRAFT_PROMPT = "Draft"
    class Inner:
        DEEP_PROMPT = "Deep"

def function():
    LOCAL_PROMPT = "local"
"""


def test_constants_by_pattern(make_store: MakeStore) -> None:
    store = make_store({"app/texts.py": TEXTS}, "app/texts.py::*_PROMPT")
    assert [address.split("::")[1] for address in addresses(store)] == [
        "GREETING_PROMPT",
        "REPLY_PROMPT",
        "F_PROMPT",
        "JOINED_PROMPT",
        "A_PROMPT",
        "C_PROMPT",
        "D_PROMPT",
        "TWICE_PROMPT#1",
        "TWICE_PROMPT#2",
        "GROWN_PROMPT#1",
        "GROWN_PROMPT#2",
        "IF_PROMPT",
        "TRY_PROMPT",
        "OTHER_PROMPT",
    ]
    assert "type bytes" in store.skipped["app/texts.py::BYTES_PROMPT"]
    assert store.get("app/texts.py::REPLY_PROMPT").text == "Reply to {x}"


def test_class_attributes_need_a_dotted_pattern(make_store: MakeStore) -> None:
    store = make_store(
        {"app/texts.py": TEXTS}, "app/texts.py::*.*", "app/texts.py::Prompts.Inner.DEEP_PROMPT"
    )
    assert addresses(store) == [
        "app/texts.py::Prompts.DRAFT_PROMPT",
        "app/texts.py::Prompts.Inner.DEEP_PROMPT",
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "ENV_PROMPT",
            r"computed by os.environ.get\(\); name a text in it: ENV_PROMPT\[0\] or ENV_PROMPT\[1\]",
        ),
        ("BYTES_PROMPT", "type bytes"),
        ("B_PROMPT", "assigned together with A_PROMPT"),
        ("TWICE_PROMPT", r"in 2 places; name one: TWICE_PROMPT#1 \(line 13\) or TWICE_PROMPT#2 \(line 14\)"),
        ("GROWN_PROMPT", "assigned in 2 places; name one: GROWN_PROMPT#1"),
    ],
)
def test_what_cannot_be_edited_says_why_when_named(make_store: MakeStore, name: str, words: str) -> None:
    store = make_store({"app/texts.py": TEXTS}, f"app/texts.py::{name}")
    with pytest.raises(ArtifactError, match=words) as caught:
        store.all("prompt")
    assert "[tool.fapo.scope] prompts" in str(caught.value)
    assert name in str(caught.value)


def test_a_pattern_that_matches_nothing_names_key_pattern_and_what_is_near(make_store: MakeStore) -> None:
    files: dict[str, str | bytes] = {"app/prompts/draft.md": "x", "app/texts.py": TEXTS}
    with pytest.raises(ArtifactError) as caught:
        make_store(files, "app/prompt/draft.md").all()
    assert "[tool.fapo.scope] prompts: 'app/prompt/draft.md' matches nothing" in str(caught.value)
    assert "'app/prompts/draft.md'" in str(caught.value)
    with pytest.raises(ArtifactError, match="did you mean 'REPLY_PROMPT'"):
        make_store(files, "app/texts.py::REPLY_PROMT").all()
    with pytest.raises(ArtifactError, match="matches nothing"):
        make_store(files, "prompts/**/*.txt").all()
    with pytest.raises(ArtifactError, match=r"it is a folder; write 'app/prompts/\*.md'"):
        make_store(files, "app/prompts/").all()


def test_path_patterns(make_store: MakeStore) -> None:
    files: dict[str, str | bytes] = dict.fromkeys(
        (
            "a.md",
            "p/b.md",
            "p/q/c.md",
            "p/q/c.txt",
            "p/.hidden.md",
            ".git/d.md",
            ".fapo/e.md",
            "env/pyvenv.cfg",
            "env/lib/f.md",
            "node_modules/x/g.md",
        ),
        "x",
    )
    assert addresses(make_store(files, "p/*.md")) == ["p/b.md"]
    store = make_store(files, "**/*.md")
    assert addresses(store) == ["a.md", "p/b.md", "p/q/c.md"]
    assert addresses(make_store(files, "p/**")) == ["p/b.md", "p/q/c.md", "p/q/c.txt"]
    assert addresses(make_store(files, "p/**/c.*", "p/q/[!x].md")) == ["p/q/c.md", "p/q/c.txt"]
    for hidden in ("p/.hidden.md", ".git/d.md", "env/lib/f.md", "node_modules/x/g.md"):
        assert not store.in_scope(hidden, "prompt")
    assert addresses(make_store(files, "p/.hidden.md")) == ["p/.hidden.md"]


def test_scope_is_asked_in_the_canonical_spelling_and_per_level(make_store: MakeStore) -> None:
    store = make_store({"p/a.md": "x", "secret.md": "y", "t.py": "X = 'x'\nY = 'y'\n"}, "p/*.md", "t.py::X")
    assert store.in_scope("p/a.md", "prompt")
    assert store.in_scope("t.py::X", "prompt")
    for outside in (
        "secret.md",
        "p/../secret.md",
        "./p/a.md",
        "p//a.md",
        "/p/a.md",
        "t.py",
        "t.py::Y",
        "p/a.md::X",
    ):
        assert not store.in_scope(outside, "prompt"), outside
    assert not store.in_scope("p/a.md", "structure")
    for outside in ("secret.md", "p/../secret.md", "t.py::Y"):
        with pytest.raises(ArtifactError):
            store.get(outside)
    with pytest.raises(ArtifactError, match="not in the scope"):
        store.render([Edit(address="secret.md", before="y", after="z")])


def test_all_levels_together(make_store: MakeStore) -> None:
    files = {"a.md": "x", "s.py": "TOP_K = 3\nA = 'text'\n", "p.py": "def answer():\n    return 1\n"}
    store = make_store(
        files, "a.md", "s.py::A", params=["s.py::TOP_K", "s.py::A = text | other"], structure=["*.py"]
    )
    assert [(each.address, each.level, each.kind) for each in store.all()] == [
        ("a.md", "prompt", "file"),
        ("s.py::A", "prompt", "constant"),
        ("s.py::TOP_K", "param", "param"),
        ("p.py::answer", "structure", "function"),
    ]
    assert [each.address for each in store.all("structure")] == ["p.py::answer"]
    assert store.get("s.py::TOP_K").level == "param"
    assert store.paths() == ["a.md", "p.py", "s.py"]
    files_after = store.render([edit(store, "s.py::TOP_K", "5"), edit(store, "s.py::A", "new")])
    assert files_after == {"s.py": b"TOP_K = 5\nA = 'new'\n"}


def test_python_and_binary_files_are_no_prompts(make_store: MakeStore) -> None:
    files: dict[str, str | bytes] = {
        "p/__init__.py": "",
        "p/a.md": "x",
        "p/b.png": b"\x89PNG\0",
        "p/c.md": b"\xe9",
    }
    store = make_store(files, "p/*")
    assert addresses(store) == ["p/a.md"]
    assert set(store.skipped) == {"p/__init__.py", "p/b.png", "p/c.md"}
    with pytest.raises(ArtifactError, match="name its texts"):
        make_store(files, "p/__init__.py").all()
    with pytest.raises(ArtifactError, match="line 1: byte 0xe9 is not utf-8; save the file as UTF-8"):
        make_store(files, "p/c.md").all()


@pytest.mark.parametrize(
    ("raw", "after", "wanted"),
    [
        (b"a\nb\n", "a\nc\n", b"a\nc\n"),
        (b"a\r\nb\r\n", "a\nnew\nb\n", b"a\r\nnew\r\nb\r\n"),
        (b"a\r\nb\nc\r\n", "a\nb\nnew\nc", b"a\r\nb\nnew\r\nc"),
        (b"a\rb", "a\nc", b"a\rc"),
        (codecs.BOM_UTF8 + b"a", "\u00e9\n", codecs.BOM_UTF8 + b"\xc3\xa9\n"),
        (
            codecs.BOM_UTF16_LE + "a\r\n".encode("utf-16-le"),
            "b\n",
            codecs.BOM_UTF16_LE + "b\r\n".encode("utf-16-le"),
        ),
        (b"", "new\n", b"new\n"),
        (b"a\x0cb\x1cc\n", "a\x0cb\x1cd\n", b"a\x0cb\x1cd\n"),
        ("a\u2028b\n".encode(), "a\u2028c\n", "a\u2028c\n".encode()),
    ],
)
def test_files_keep_encoding_mark_and_newlines(
    make_store: MakeStore, raw: bytes, after: str, wanted: bytes
) -> None:
    store = make_store({"a.md": raw}, "a.md")
    files = store.render([edit(store, "a.md", after)])
    assert files == {"a.md": wanted}
    assert store.with_files(files).get("a.md").text == after


def test_several_edits_in_one_file_and_on_a_parent(make_store: MakeStore) -> None:
    store = make_store({"t.py": "X = 'x'; Y = 'y'\nZ = 'z'\n", "a.md": "a\n"}, "t.py::?", "a.md")
    parent = store.render([edit(store, "t.py::X", "x" * 9), edit(store, "t.py::Y", "it's")])
    assert parent == {"t.py": b"X = 'xxxxxxxxx'; Y = 'it\\'s'\nZ = 'z'\n"}
    child = store.with_files(parent)
    assert child.get("t.py::Y").text == "it's"
    files = child.render([edit(child, "t.py::Z", "zz"), edit(child, "a.md", "b\n")])
    assert files == {"t.py": b"X = 'xxxxxxxxx'; Y = 'it\\'s'\nZ = 'zz'\n", "a.md": b"b\n"}
    assert store.render([edit(child, "t.py::Z", "zz")], parent)["t.py"] == files["t.py"]
    assert store.get("t.py::X").text == "x"
    with pytest.raises(ArtifactError, match="not the one that the edit was made for"):
        child.render([Edit(address="t.py::X", before="x", after="q")])
    with pytest.raises(ArtifactError, match="two edits"):
        store.render([edit(store, "t.py::X", "1"), edit(store, "t.py::X", "2")])


def test_coding_lines_and_marks_of_python_files(make_store: MakeStore) -> None:
    latin = "# coding: latin-1\nA = 'é'; X = 'ü'  # ö\n".encode("latin-1")
    marked = codecs.BOM_UTF8 + "A = 'é'; X = 'ü'\r\nY = '\\r'\r\n".encode()
    store = make_store({"latin.py": latin, "marked.py": marked}, "*.py::X")
    files = store.render([edit(store, "latin.py::X", "ß → ù"), edit(store, "marked.py::X", "→\nù")])
    assert files["latin.py"] == "# coding: latin-1\nA = 'é'; X = 'ß \\u2192 ù'  # ö\n".encode("latin-1")
    assert files["marked.py"] == codecs.BOM_UTF8 + "A = 'é'; X = '→\\nù'\r\nY = '\\r'\r\n".encode()


def test_broken_and_undecodable_python_is_said(make_store: MakeStore) -> None:
    with pytest.raises(ArtifactError, match=r"bad.py: line 1: not valid Python"):
        make_store({"bad.py": "X = ("}, "bad.py::X").all()
    with pytest.raises(ArtifactError, match="declare its encoding"):
        make_store({"bad2.py": b"X = '\xe9'"}, "bad2.py::X").all()


def test_a_link_inside_is_followed_and_one_that_leads_out_is_refused(
    make_store: MakeStore, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "x.md"
    outside.write_text("x")
    store = make_store({"real/a.md": "a"}, "p/*.md")
    (tmp_path / "p").mkdir()
    (tmp_path / "p/in.md").symlink_to("../real/a.md")
    (tmp_path / "p/out.md").symlink_to(outside)
    assert addresses(store) == ["p/in.md"]
    assert "leads out of the project" in store.skipped["p/out.md"]
    with pytest.raises(ArtifactError, match="leads out"):
        store.get("p/out.md")


def test_a_name_that_does_not_exist_suggests_one(make_store: MakeStore) -> None:
    store = make_store({"t.py": "REPLY_PROMPT = 'x'\n"}, "t.py::*_PROMPT")
    with pytest.raises(ArtifactError, match=r"did you mean 't.py::REPLY_PROMPT'"):
        store.get("t.py::REPPLY_PROMPT")


def test_rendered_python_still_runs(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store({"t.py": 'X = "a"\nassert X == X\nprint(X, end="")\n'}, "t.py::X")
    text = 'say "hi"\n\\o/ {x}\n'
    (tmp_path / "t.py").write_bytes(store.render([edit(store, "t.py::X", text)])["t.py"])
    out = subprocess.run(["python3", "t.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert out.stdout == text
