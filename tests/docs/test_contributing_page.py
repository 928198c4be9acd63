"""The contributors' page works: the command, the hooks before a commit, the tests and recipes shown."""

from __future__ import annotations

import inspect
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.documents import REPOSITORY, Block, blocks

from pytest_fapo.session import case_files
from pytest_fapo.session.case_loading import load_cases
from pytest_fapo.session.cases_decorator import CaseSource

CHECK = REPOSITORY / ".ci" / "check"


def shown(text: str) -> Iterator[Block]:
    """Yield the page's Python blocks that hold a text."""
    for block in blocks(REPOSITORY / "CONTRIBUTING.md"):
        if block.language == "python" and text in block.text:
            yield block


@pytest.mark.slow
def test_the_scenarios_shown_are_tests_that_pass(pytester: pytest.Pytester, tmp_path: Path) -> None:
    fixtures = {"pytester": pytester, "tmp_path": tmp_path}
    ran = 0
    for block in shown("def test_"):
        namespace: dict[str, Any] = {}
        exec(compile(block.text, str(block), "exec"), namespace)
        for name, test in namespace.items():
            if name.startswith("test_"):
                test(**{parameter: fixtures[parameter] for parameter in inspect.signature(test).parameters})
                ran += 1
    assert ran == 2


def test_the_case_format_shown_is_read_like_the_built_in_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = shown("PlacedRow")
    namespace = dict(vars(case_files))
    exec(compile(block.text, str(block), "exec"), namespace)
    monkeypatch.setitem(case_files._READERS, ".lines", namespace["_lines"])
    (tmp_path / "x.lines").write_text("Where? => here\n\nWhen? => now\n", encoding="utf-8")
    source = CaseSource("x.lines", split="train")
    cases = load_cases(source, test_file=tmp_path / "test_x.py", folders=[tmp_path])
    assert [(case.inputs, case.expected) for case in cases] == [("Where?", "here"), ("When?", "now")]


def test_the_hooks_before_a_commit_are_parts_of_the_check() -> None:
    configuration = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repository in configuration["repos"] for hook in repository["hooks"]]
    assert [hook["entry"] for hook in hooks] == [f".ci/check {part}" for part in ("format", "lint", "types")]
    assert os.access(CHECK, os.X_OK)


def test_an_unknown_part_is_refused_before_anything_is_made() -> None:
    done = subprocess.run([CHECK, "everything"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "usage: .ci/check [format|lint|types|tests [arguments of pytest]]\n"
