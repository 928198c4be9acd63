"""Two changes of one file: put together as git would, or left alone."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from pytest_fapo.source.patch import merge, unified_diff

BASE = b"".join(b"line %d\n" % number for number in range(12))


def edited(rng: random.Random, who: str) -> bytes:
    """The base with one to three lines replaced, removed, or with a line before them."""
    lines = BASE.splitlines(keepends=True)
    for place in sorted(rng.sample(range(len(lines)), rng.randint(1, 3)), reverse=True):
        new = f"{who} {place}\n".encode()
        lines[place : place + 1] = rng.choice([[new], [], [new, lines[place]], [new, new]])
    return b"".join(lines)


@pytest.mark.parametrize("seed", range(25))
def test_it_does_as_git_does(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    mine, other = edited(rng, "mine"), edited(rng, "other")
    for name, content in (("mine", mine), ("base", BASE), ("other", other)):
        (tmp_path / name).write_bytes(content)
    command = ["git", "merge-file", "-p", "mine", "base", "other"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True)
    assert merge(BASE, mine, other) == (done.stdout if done.returncode == 0 else None)
    assert merge(BASE, other, mine) == merge(BASE, mine, other)


def test_what_one_side_alone_changed_is_taken() -> None:
    assert merge(BASE, BASE, b"x") == b"x"
    assert merge(BASE, b"x", BASE) == b"x"
    assert merge(BASE, b"x", b"x") == b"x"
    assert merge(b"a\0b\n1\n2\n3\n", b"a\0c\n1\n2\n3\n", b"a\0b\n1\n2\n4\n") is None


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}
    environment = {**os.environ, **identity, "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": "/dev/null"}
    return subprocess.run(["git", *arguments], cwd=root, env=environment, capture_output=True, text=True)


def test_a_patch_from_a_moment_keeps_what_was_edited_after_it(tmp_path: Path) -> None:
    """From the contents of then, not from the disk: an edit of since is neither in it nor taken out by it."""
    (tmp_path / "p.md").write_bytes(BASE)
    (tmp_path / "run.sh").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o755)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "base")
    before = {"p.md": BASE, "run.sh": b"#!/bin/sh\n"}
    after = {"p.md": BASE.replace(b"line 2", b"run 2"), "run.sh": b"#!/bin/bash\n", "new.md": b""}
    (tmp_path / "p.md").write_bytes(BASE.replace(b"line 4", b"mine 4"))
    patch = unified_diff(tmp_path, after, before)
    assert "mine" not in patch
    assert git(tmp_path, "ls-files", "-s", "run.sh").stdout[:6] == "100755"
    blob = git(tmp_path, "rev-parse", "HEAD:p.md").stdout.strip()
    assert f"index {blob}.." in patch
    assert "100755\n" in patch
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "mine")
    (tmp_path / "x.patch").write_text(patch)
    done = git(tmp_path, "apply", "-3", "x.patch")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.md").read_bytes() == BASE.replace(b"line 2", b"run 2").replace(b"line 4", b"mine 4")
    assert (tmp_path / "new.md").read_bytes() == b""
