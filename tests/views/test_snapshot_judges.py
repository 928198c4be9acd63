"""The tests' own questions to a model are in the snapshot, and are compared like a pipeline's prompts."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.handmade import call, prompt_file
from support.snapshot_samples import Made, artifacts, baseline_of, desk

from pytest_fapo.core.candidate import Artifact
from pytest_fapo.views.snapshots.snapshot_files import Snapshots

RUBRIC = "Say PASS or FAIL. A reply holds an apology.\n\nReply: {reply}"
WORDS = "We are sorry and send the money back."


def judged(
    *, rubric: str = RUBRIC, says: str = "PASS", words: str = WORDS, asks: bool = True, twice: str = ""
) -> Made:
    """The desk's cases, each judged by a model that the test asks."""
    made = desk(words=words)
    for nodeid, item in made.evaluation.items.items():
        calls = [call(rubric.format(reply=words), says, model="judge")] if asks else []
        if twice:
            calls.append(call(twice, "PASS", model="judge"))
        made.evaluation.items[nodeid] = item.model_copy(
            update={"test": nodeid.partition("[")[0], "test_calls": calls}
        )
    return made


def page_of(made: Made, found: list[Artifact] | None = None) -> str:
    known = artifacts() if found is None else found
    snapshots = Snapshots(Path(), made.evaluation, baseline_of(made.evaluation), known)
    return snapshots.page("desk").text


def test_the_judges_prompt_is_shown_apart_with_its_model_and_its_test() -> None:
    page = page_of(judged())
    title = "## Prompts of the tests, as sent for case `T-2`"
    steps, tests = page.split(title)
    assert "Asks `judge`" not in steps
    assert "### `test_desk.py::test_reply`" in tests
    assert "Asks `judge`" in tests
    assert "Say PASS or FAIL. A reply holds an apology." in tests


def test_without_calls_of_tests_nothing_is_said_of_them() -> None:
    page = page_of(judged(asks=False))
    assert "Prompts of the tests" not in page
    assert "\njudge " not in page


def test_the_pipelines_own_words_in_a_judges_prompt_are_a_mark() -> None:
    page = page_of(judged())
    assert "Reply: ⟨answer of answer⟩" in page
    assert WORDS not in page.split("Prompts of the tests")[1]


def test_a_prompt_file_that_only_a_judge_reads_is_named_as_its_source() -> None:
    page = page_of(judged(), [*artifacts(), prompt_file("tests/judge.md", RUBRIC)])
    assert "**user**, from `tests/judge.md`:" in page
    assert "### `tests/judge.md`" not in page  # not among the prompts that were not sent


@pytest.mark.parametrize(
    ("now", "stale"),
    [
        ({}, ""),
        ({"says": "FAIL: no apology"}, ""),
        ({"words": "We look into it at once, dear customer."}, ""),
        ({"rubric": RUBRIC.replace("an apology", "no promise")}, "test 'test_desk.py::test_reply' asks"),
        # the pipeline answered otherwise: what the judge is asked about it may differ for that reason
        ({"rubric": RUBRIC.replace("an apology", "no promise"), "words": "We look into it at once."}, ""),
        ({"twice": "Is it polite?"}, ""),
    ],
    ids=["same", "other judgment", "other output", "other rubric", "both", "one more"],
)
def test_a_changed_judges_prompt_makes_the_page_stale_and_a_changed_answer_does_not(
    now: dict[str, str], stale: str, tmp_path: Path
) -> None:
    made, changed = judged(), judged(**now)  # type: ignore[arg-type]
    baseline = baseline_of(made.evaluation)
    Snapshots(tmp_path / "snapshots", made.evaluation, baseline, artifacts()).write()
    problems = Snapshots(tmp_path / "snapshots", changed.evaluation, baseline, artifacts()).check()
    assert len(problems) == bool(stale)
    assert all(stale in problem.message for problem in problems)


def test_a_second_prompt_of_a_judge_is_compared_while_its_first_answer_is_the_same(tmp_path: Path) -> None:
    made = judged(twice="Is it polite?")
    baseline = baseline_of(made.evaluation)
    Snapshots(tmp_path / "snapshots", made.evaluation, baseline, artifacts()).write()

    def stale(now: Made) -> bool:
        return bool(Snapshots(tmp_path / "snapshots", now.evaluation, baseline, artifacts()).check())

    assert not stale(judged(twice="Is it polite?"))
    assert stale(judged(twice="Is it rude?"))
    assert not stale(judged(says="FAIL", twice="Is it rude?"))


def test_an_edited_judges_prompt_in_the_page_is_noticed(tmp_path: Path) -> None:
    made = judged()
    baseline = baseline_of(made.evaluation)
    Snapshots(tmp_path / "snapshots", made.evaluation, baseline, artifacts()).write()
    page = tmp_path / "snapshots" / "desk.md"
    page.write_text(page.read_text("utf-8").replace("holds an apology", "may hold anything"), "utf-8")
    (problem,) = Snapshots(tmp_path / "snapshots", made.evaluation, baseline, artifacts()).check()
    assert "changed by hand" in problem.message
