"""Scope, stale texts, no-ops, size and single concern."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.review_project import Reviewed, checks, words

from pytest_fapo.core.candidate import Edit

FILES = {"p/triage.md": "Sort the mail.\n", "p/draft.md": "Write a reply.\n"}


@pytest.fixture
def project(tmp_path: Path) -> Reviewed:
    (tmp_path / "secret.md").write_text("x")
    (tmp_path / "app.py").write_text("x = 1\n")
    return Reviewed(tmp_path, FILES, limit=100)


def test_a_good_edit_passes(project: Reviewed) -> None:
    result = project.edit("p/triage.md", "Sort the mail by team.\n")
    assert result.verdict == "pass"
    assert result.problems == []


@pytest.mark.parametrize(
    "address",
    [
        "secret.md",
        "app.py",
        "p/../secret.md",
        "/etc/passwd",
        "p/triage.md::X",
        "p/none.md",
        "",
        "./p/draft.md",
    ],
)
def test_edits_outside_the_scope_are_blocked(project: Reviewed, address: str) -> None:
    result = project.review(project.candidate(Edit(address=address, before="x", after="y")))
    assert checks(result) == ["scope"]
    assert "what may be edited: p/triage.md and p/draft.md" in words(result)


def test_a_level_that_is_not_allowed_now(project: Reviewed) -> None:
    edit = Edit(address="p/draft.md", before=FILES["p/draft.md"], after="y")
    result = project.review(project.candidate(edit).model_copy(update={"level": "structure"}))
    assert checks(result) == ["scope"]
    assert "allowed: prompt" in words(result)


def test_an_edit_made_for_another_text_is_stale(project: Reviewed) -> None:
    result = project.review(project.candidate(Edit(address="p/draft.md", before="Old.\n", after="New.\n")))
    assert checks(result) == ["stale"]
    assert "start from the artifact's present text" in words(result)


def test_the_parents_text_is_what_counts(project: Reviewed) -> None:
    project.store = project.store.with_files({"p/draft.md": b"Accepted text.\n"})
    edit = Edit(address="p/draft.md", before="Accepted text.\n", after="Better text.\n")
    assert project.review(project.candidate(edit)).verdict == "pass"


@pytest.mark.parametrize("after", ["Sort the mail.\n", "Sort  the\nmail.", " Sort the mail.\n\n"])
def test_edits_that_change_nothing_are_no_ops(project: Reviewed, after: str) -> None:
    assert checks(project.edit("p/triage.md", after)) == ["no-op"]


def test_a_candidate_without_edits_is_a_no_op(project: Reviewed) -> None:
    assert checks(project.review(project.candidate())) == ["no-op"]


def test_one_artifact_twice(project: Reviewed) -> None:
    edit = Edit(address="p/draft.md", before=FILES["p/draft.md"], after="y")
    assert checks(project.review(project.candidate(edit, edit))) == ["scope"]


def test_several_artifacts_need_to_be_declared_joint(project: Reviewed) -> None:
    edits = [Edit(address=path, before=text, after=text + "More.\n") for path, text in FILES.items()]
    result = project.review(project.candidate(*edits))
    assert checks(result) == ["single-concern"]
    assert "p/triage.md, p/draft.md" in words(result)
    assert checks(project.review(project.candidate(*edits, technique="joint contract"))) == ["single-concern"]
    assert (
        project.review(project.candidate(*edits, technique="joint contract", step="draft")).verdict == "pass"
    )


def test_size(project: Reviewed) -> None:
    result = project.edit("p/triage.md", "x" * 101)
    assert checks(result) == ["size"]
    assert "101 characters; at most 100 pass" in words(result)
    assert project.edit("p/triage.md", "x" * 100).verdict == "pass"
    assert "empties" in words(project.edit("p/triage.md", " \n"))


def test_a_prompt_that_was_too_long_already_may_shrink(tmp_path: Path) -> None:
    project = Reviewed(tmp_path, {"a.md": "word " * 60}, limit=100)
    assert project.edit("a.md", "word " * 50 + "other").verdict == "pass"
    assert checks(project.edit("a.md", "word " * 60 + "more")) == ["size"]
