"""Pieces that edits create: prompt files and string constants, seen by the store, the patch and the write-
back.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from source.conftest import MakeStore

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.patch import unified_diff
from pytest_fapo.source.text_files import front_matter
from pytest_fapo.source.write_back import WriteResult, recover, write_back
from pytest_fapo.source.write_helper import save


def new(address: str, text: str = "Be strict.\n") -> Edit:
    return Edit(address=address, before="", after=text)


def test_a_new_prompt_file(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store({"p/a.md": "a\n", "deep/x.txt": "x"}, "p/*.md", "deep/**/*.txt", "p/a.md")
    assert store.creatable() == ["p/*.md", "deep/**/*.txt"]
    files = store.render([new("p/critic.md"), new("deep/er/still/y.txt", "é")])
    assert files == {"p/critic.md": b"Be strict.\n", "deep/er/still/y.txt": "é".encode()}
    child = store.with_files(files)
    assert [each.address for each in child.all()] == [
        "p/a.md",
        "p/critic.md",
        "deep/er/still/y.txt",
        "deep/x.txt",
    ]
    assert child.get("p/critic.md").text == "Be strict.\n"
    assert not child.creates(new("p/critic.md"))
    edited = child.render([Edit(address="p/critic.md", before="Be strict.\n", after="Be kind.\n")])
    assert edited["p/critic.md"] == b"Be kind.\n"
    assert not (tmp_path / "p/critic.md").exists()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("other/critic.md", "not in the scope"),
        ("p/critic.txt", "not in the scope"),
        ("p/deep/critic.md", "not in the scope"),
        ("p/../q/critic.md", "not an address"),
        ("/p/critic.md", "not an address"),
        ("p/.hidden.md", "not in the scope"),
        ("single.md", "not in the scope"),
        ("out/critic.md", "leads out of the project"),
        ("any/code.py", "a Python file is not a prompt"),
        ("p/a.md", "not the one that the edit was made for"),
        ("p/A.md", "a.md differs from it in nothing but case"),
        ("p/a:b.md", "not a file name that every system takes"),
        ("p/con.md", "not a file name that every system takes"),
        ("p/a\nb.md", "not a file name that every system takes"),
        ("any/sub./x.md", "not in the scope"),
        ("any/x.", "not a file name that every system takes"),
        (f"p/{'a' * 220}.md", "longer than 200 bytes"),
        (f"p/{'a' * 300}.md", "not an address"),
        ("p/\0.md", "not an address"),
        ("tree/x.md/y.md", "tree/x.md is a file, not a folder"),
    ],
)
def test_where_no_file_is_created(
    make_store: MakeStore, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, address: str, words: str
) -> None:
    store = make_store(
        {"p/a.md": "a\n", "any/x.md": "x", "out.md": "x", "tree/x.md": "x"},
        "tree/**/*.md",
        "p/*.md",
        "any/*",
        "out/*.md",
        "out*.md",
    )
    (tmp_path / "out").symlink_to(tmp_path_factory.mktemp("outside"))
    with pytest.raises(ArtifactError, match=words):
        store.render([new(address)])


def test_nothing_and_nul_are_no_text(make_store: MakeStore) -> None:
    store = make_store({"p/a.md": "a\n"}, "p/*.md")
    with pytest.raises(ArtifactError, match="without a text"):
        store.render([new("p/b.md", " \n")])
    with pytest.raises(ArtifactError, match="NUL"):
        store.render([new("p/b.md", "x\0")])
    with pytest.raises(ArtifactError, match="two edits"):
        store.render([new("p/b.md"), new("p/b.md", "other")])


def test_an_empty_prompt_is_edited_not_created(make_store: MakeStore) -> None:
    store = make_store({"p/a.md": ""}, "p/*.md")
    assert not store.creates(new("p/a.md"))
    assert store.render([new("p/a.md")]) == {"p/a.md": b"Be strict.\n"}


def test_a_new_constant_stands_behind_the_others(make_store: MakeStore) -> None:
    source = 'import os\r\nA_PROMPT = "a"  # first\r\nB_PROMPT = "b"\r\n\r\n\r\ndef f(): return A_PROMPT\r\n'
    store = make_store({"t.py": source}, "t.py::*_PROMPT")
    result = store.render([new("t.py::C_PROMPT", 'Say "c".\nTwice.')])["t.py"].decode()
    assert result == source.replace(
        'B_PROMPT = "b"\r\n', 'B_PROMPT = "b"\r\nC_PROMPT = "Say \\"c\\".\\nTwice."\r\n'
    )
    assert store.with_files({"t.py": result.encode()}).get("t.py::C_PROMPT").text == 'Say "c".\nTwice.'
    assert store.creatable() == []
    for name, words in {"f_PROMPT.x": "not in the scope", "os": "not in the scope"}.items():
        with pytest.raises(ArtifactError, match=words):
            store.render([new(f"t.py::{name}")])
    for name in ("not-a-name_PROMPT", "A_PROMPT"):
        with pytest.raises(ArtifactError):
            store.render([new(f"t.py::{name}")])


def test_a_name_that_is_bound_is_not_created(make_store: MakeStore) -> None:
    store = make_store({"t.py": "from x import A\ndef B(): pass\nC = 1\nD = 'd'\n"}, "t.py::?")
    for name in "ABC":
        with pytest.raises(ArtifactError):
            store.render([new(f"t.py::{name}")])
    assert store.render([new("t.py::E", "e")])["t.py"].endswith(b"D = 'd'\nE = \"e\"\n")


def test_git_applies_a_patch_that_creates(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store({"p/a.md": "a\n"}, "p/**/*.md")
    files = store.render([new("p/x/new.md", "no newline"), Edit(address="p/a.md", before="a\n", after="b\n")])
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    patch = unified_diff(tmp_path, files)
    assert re.search(
        r"new file mode 100644\nindex 0{40}\.\.\w{40}\n--- /dev/null\n\+\+\+ b/p/x/new.md\n", patch
    )
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch.encode(), check=True)
    assert (tmp_path / "p/x/new.md").read_text() == "no newline"
    subprocess.run(["git", "apply", "-R", "-"], cwd=tmp_path, input=patch.encode(), check=True)
    assert not (tmp_path / "p/x").exists()


# --- writing back --------------------------------------------------------------------------------------


def write(root: Path, journal: Path, files: dict[str, bytes], expected: dict[str, str]) -> WriteResult:
    return write_back(root, files, expected=expected, journal=journal)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_created_files_are_written_with_the_others(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.md").write_bytes(b"a")
    files = {"a.md": b"b", "p/q/new.md": b"new"}
    result = write(root, tmp_path / "write.json", files, {"a.md": sha(b"a"), "p/q/new.md": ""})
    assert result == WriteResult(written=["a.md", "p/q/new.md"])
    assert {path: (root / path).read_bytes() for path in files} == files
    assert (root / "p/q/new.md").stat().st_mode & 0o777 == 0o644
    assert not list(root.rglob(".fapo-*"))


def test_a_file_that_appeared_meanwhile_stops_everything(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.md").write_bytes(b"a")
    (root / "new.md").write_bytes(b"mine")
    result = write(
        root,
        tmp_path / "write.json",
        {"a.md": b"b", "new.md": b"ours", "x/y.md": b"y"},
        {"a.md": sha(b"a"), "new.md": ""},
    )
    assert result == WriteResult(conflicts={"new.md": "created since the run began"})
    assert (root / "a.md").read_bytes() == b"a"
    assert (root / "new.md").read_bytes() == b"mine"
    assert not (root / "x").exists()


def test_a_write_that_fails_leaves_no_new_folder(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "taken").mkdir(parents=True)
    target = root / "p/q/new.md"
    journal = tmp_path / "write.json"
    entry: dict[str, Any] = {"path": "p/q/new.md", "target": str(target), "old": None, "new": "bmV3"}
    entry["staged"] = str(target.with_name(".fapo-1"))
    entry["folders"] = [str(root / "p/q"), str(root / "p")]
    os.makedirs(root / "p/q")
    (root / "p/q/.fapo-1").write_bytes(b"n")
    save(journal, {"state": "staging", "files": [entry]})
    assert recover(journal, root) == WriteResult()
    assert not (root / "p").exists()
    entry["folders"] = [str(root / "taken")]
    save(journal, {"state": "staging", "files": [entry]})
    with pytest.raises(ArtifactError, match="does not lie in the folders"):
        recover(journal, root)
    assert (root / "taken").is_dir()


def test_a_committed_write_of_a_new_file_is_completed_and_taken_back(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.md").write_bytes(b"a")
    journal = tmp_path / "write.json"
    entries = []
    for path, old, content in (("p/new.md", None, "bmV3"), ("a.md", "YQ==", "Yg==")):
        target = root / path
        entries.append(
            {"path": path, "target": str(target), "staged": str(target.with_name(".fapo-1")), "old": old}
            | {"new": content, "folders": [str(root / "p")] if old is None else []}
        )
    save(journal, {"state": "committed", "files": entries})
    assert recover(journal, root) == WriteResult(written=["p/new.md", "a.md"])
    assert (root / "p/new.md").read_bytes() == b"new"
    (root / "a.md").write_bytes(b"changed")
    save(journal, {"state": "committed", "files": entries})
    assert recover(journal, root) == WriteResult(conflicts={"a.md": "changed meanwhile"})
    assert not (root / "p").exists()


# --- skill files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "head", "body"),
    [
        ("---\nname: x\n---\n# Body\n---\nmore", "name: x\n", "# Body\n---\nmore"),
        ("---\r\nname: x\r\n---\r\n# Body", "name: x\r\n", "# Body"),
        ("---\n---\nBody", "", "Body"),
        ("\ufeff---\nname: x\n---\nBody", "name: x\n", "Body"),
        ("---\nname: x\n---", "name: x\n", ""),
        ("# Body\n---\nname: x\n---\n", None, "# Body\n---\nname: x\n---\n"),
        ("---\nname: x\n# no end", None, "---\nname: x\n# no end"),
        ("---name: x\n---\n", None, "---name: x\n---\n"),
        ("", None, ""),
    ],
)
def test_front_matter(text: str, head: str | None, body: str) -> None:
    parts = front_matter(text)
    assert (parts.head, parts.body) == (head, body)


def test_a_skill_file_is_a_prompt(make_store: MakeStore) -> None:
    text = "---\nname: refund\ndescription: Refunds\n---\nDo it.\n"
    store = make_store({"skills/refund/SKILL.md": text}, "skills/*/SKILL.md")
    assert store.get("skills/refund/SKILL.md").text == text
    assert store.creatable() == ["skills/*/SKILL.md"]
    files = store.render([new("skills/returns/SKILL.md", text.replace("refund", "returns"))])
    assert list(files) == ["skills/returns/SKILL.md"]
