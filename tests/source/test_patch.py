"""The patch text is fed to the real `git apply`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytest_fapo.source.patch import unified_diff

CASES: dict[str, tuple[dict[str, bytes], dict[str, bytes]]] = {
    "plain": ({"a.md": b"one\ntwo\n"}, {"a.md": b"one\n2\n"}),
    "no newline at the end": ({"a.md": b"one\ntwo"}, {"a.md": b"one\n2"}),
    "newline added": ({"a.md": b"one"}, {"a.md": b"one\n"}),
    "newline taken away": ({"a.md": b"one\ntwo\n"}, {"a.md": b"one\ntwo"}),
    "crlf": ({"a.md": b"one\r\ntwo\r\n"}, {"a.md": b"one\r\n2\r\n"}),
    "mixed and lone cr": ({"a.md": b"one\rx\ntwo\r\n\x0c\n"}, {"a.md": b"one\rx\n2\r\n\x0cy\n"}),
    "non-ascii": ({"a.md": "é\n東\n".encode()}, {"a.md": "é\n京\u2028x\n".encode()}),
    "utf-8 mark": ({"a.md": b"\xef\xbb\xbfone\n"}, {"a.md": b"\xef\xbb\xbftwo\n"}),
    "latin-1": (
        {"a.py": b"# coding: latin-1\nX = '\xe9'\n"},
        {"a.py": b"# coding: latin-1\nX = '\xe9\xfc'\n"},
    ),
    "utf-16": ({"a.md": "\ufeffone\n".encode("utf-16-le")}, {"a.md": "\ufefftwo\n".encode("utf-16-le")}),
    "big binary": ({"a.bin": bytes(range(256)) * 40}, {"a.bin": bytes(range(255, -1, -1)) * 37}),
    "from empty": ({"a.md": b""}, {"a.md": b"one\n"}),
    "to empty": ({"a.md": b"one\n"}, {"a.md": b""}),
    "new file": ({"a.md": b"x\n"}, {"d/new.md": b"new\n"}),
    "several": (
        {"a.md": b"1\n" * 50, "d/b.md": b"b\n"},
        {"a.md": b"1\n" * 20 + b"2\n" * 30, "d/b.md": b"c\n"},
    ),
    "awkward names": (
        {"my file.md": b"1\n", "caf\u00e9.md": b"1\n", 'q"uo\\te.md': b"1\n", "tab\there.md": b"1\n"},
        {"my file.md": b"2\n", "caf\u00e9.md": b"2\n", 'q"uo\\te.md': b"2\n", "tab\there.md": b"2\n"},
    ),
    "lines that look like a patch": ({"a.md": b"--- a\n+++ b\n"}, {"a.md": b"-- a\n++ b\n@@ -1 +1 @@\n"}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("in_repository", [True, False], ids=["repo", "no repo"])
def test_git_apply_gives_the_new_files(name: str, in_repository: bool, tmp_path: Path) -> None:
    before, after = CASES[name]
    for path, content in before.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    if in_repository:
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    patch = unified_diff(tmp_path, after)
    done = subprocess.run(
        ["git", "apply", "-"], cwd=tmp_path, input=patch.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode() + patch
    assert {path: (tmp_path / path).read_bytes() for path in after} == after


def test_unchanged_files_give_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x\n")
    assert unified_diff(tmp_path, {"a.md": b"x\n"}) == ""


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "real.md").write_text("x\n")
    (tmp_path / "p/a.md").symlink_to("../real.md")
    patch = unified_diff(tmp_path, {"p/a.md": b"y\n"})
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch.encode(), check=True)
    assert (tmp_path / "p/a.md").is_symlink()
    assert (tmp_path / "real.md").read_text() == "y\n"


def test_a_patch_applies_below_the_top_of_a_repository(tmp_path: Path) -> None:
    root = tmp_path / "sub"
    root.mkdir()
    (root / "a.md").write_text("x\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    patch = unified_diff(root, {"a.md": b"y\n"})
    subprocess.run(["git", "apply", "-"], cwd=root, input=patch.encode(), check=True)
    assert (root / "a.md").read_text() == "y\n"
