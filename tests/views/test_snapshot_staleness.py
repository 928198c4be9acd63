"""When a snapshot is out of date, and when it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.handmade import call
from support.snapshot_samples import CHECK, REPLY, SORT, Made, artifacts, asking, baseline_of, desk, param

from pytest_fapo.core.baseline import Baseline
from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.gate_result import GateProblem
from pytest_fapo.core.trace import LLMCall
from pytest_fapo.views.snapshots.snapshot_files import Snapshots


@dataclass
class Folder:
    """A folder of snapshots of the desk, made from one run and compared with others."""

    root: Path
    baseline: Baseline

    @property
    def page(self) -> Path:
        return self.root / "fapo-snapshots" / "desk.md"

    def problems(
        self, made: Made, found: list[Artifact] | None = None, baseline: Baseline | None = None
    ) -> list[GateProblem]:
        where = self.root / "fapo-snapshots"
        known = artifacts() if found is None else found
        return Snapshots(where, made.evaluation, baseline or self.baseline, known, root=self.root).check()

    def reason(self, *arguments: Any) -> str:
        """Return the reason why the one snapshot is out of date; empty if it is not."""
        problems = self.problems(*arguments)
        assert len(problems) <= 1
        return problems[0].message.partition("is out of date: ")[2] if problems else ""


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Folder]:
    def make(made: Made, found: list[Artifact] | None = None) -> Folder:
        baseline = baseline_of(made.evaluation)
        known = artifacts() if found is None else found
        Snapshots(tmp_path / "fapo-snapshots", made.evaluation, baseline, known, root=tmp_path).write()
        return Folder(tmp_path, baseline)

    return make


Make = Callable[..., Folder]


def test_the_same_run_is_up_to_date(folder: Make) -> None:
    assert folder(desk()).problems(desk()) == []


def test_other_answers_of_the_models_make_nothing_stale(folder: Make) -> None:
    made = folder(desk())
    assert made.problems(desk(words="Something else entirely, much longer than before.")) == []
    assert made.problems(desk(team="billing")) == []


def test_a_pipeline_that_goes_another_way_after_another_answer_is_not_stale(folder: Make) -> None:
    ticket = "The pan of order T-2 is broken."
    steps = [
        asking("sort", SORT.format(ticket=ticket), "it is unclear"),
        asking("ask_back", "Ask them.", "ok"),
    ]
    other = Made().run("T-2", steps, inputs={"ticket": ticket}).run("T-10", [])
    assert folder(desk()).problems(other) == []


def test_the_problem_names_file_and_command(folder: Make) -> None:
    wording = SORT.replace("mail", "post")
    (problem,) = folder(desk()).problems(desk(sort=wording), artifacts(sort=wording))
    assert problem.kind == "stale-snapshot"
    assert problem.fails
    assert problem.path == "fapo-snapshots/desk.md"
    assert problem.command == "pytest --fapo-update-baseline"
    assert problem.message == (
        "fapo-snapshots/desk.md: the snapshot of pipeline 'desk' is out of date: "
        "app/sort.md changed since it was written"
    )


@pytest.mark.parametrize("file", ["sort", "reply", "check"])
def test_a_changed_prompt_is_noticed_whether_the_sample_needs_it_or_not(folder: Make, file: str) -> None:
    before = {"sort": SORT, "reply": REPLY, "check": CHECK}[file]
    changed = artifacts(**{file: before + "Be brief.\n"})
    assert folder(desk()).reason(desk(), changed) == f"app/{file}.md changed since it was written"


def test_changed_new_and_lost_parameters_are_noticed(folder: Make) -> None:
    top_k = param("app/settings.py::TOP_K", "3")
    made = folder(desk(), [*artifacts(), top_k])
    assert made.reason(desk(), [*artifacts(), top_k]) == ""
    assert made.reason(desk(), artifacts()).startswith("app/settings.py::TOP_K changed")
    wider = [param(f"app/settings.py::{name}", "4") for name in ("A", "B", "C", "TOP_K")]
    reason = made.reason(desk(), [*artifacts(), *wider])
    assert reason.startswith("app/settings.py::A, app/settings.py::B, app/settings.py::C and 1 more changed")


def test_a_function_that_leaves_all_that_is_shown_alone_makes_nothing_stale(folder: Make) -> None:
    def function(text: str) -> Artifact:
        address = "app/pipeline.py::sort"
        return Artifact(
            address=address, kind="function", level="structure", path="app/pipeline.py", text=text
        )

    made = folder(desk(), [*artifacts(), function("def sort(): ...")])
    assert made.problems(desk(), [*artifacts(), function("def sort(): return 1")]) == []


def test_a_question_that_no_file_explains_is_noticed(folder: Make) -> None:
    made = folder(desk(), [])
    first = desk(sort=SORT.replace("mail", "post"))
    assert made.reason(first, []) == "step 'sort' asks its model something else than it shows"
    second = desk(reply=REPLY.replace("kind", "short"))
    assert made.reason(second, []) == "step 'answer' asks its model something else than it shows"


def test_a_later_question_is_compared_only_while_the_answers_before_it_are_the_same(folder: Make) -> None:
    made = folder(desk(), [])
    assert made.reason(desk(reply=REPLY.replace("kind", "short"), team="billing"), []) == ""
    assert made.reason(desk(sort=SORT.replace("mail", "post"), team="billing"), []) != ""


def test_answers_of_which_no_text_is_recorded_may_differ(folder: Make) -> None:
    def searched(passages: str, **embedded: Any) -> Made:
        steps = [
            {"name": "search", "calls": [call("my question", None, api="embeddings", **embedded)]},
            asking("answer", f"From these: {passages}", "ok"),
        ]
        return Made().run("T-1", steps)

    made = folder(searched("a, b"))
    assert made.reason(searched("b, a")) == ""
    assert "asks its model something else" in made.reason(searched("b, a", cache_hit=True))


def test_a_question_asked_while_another_answer_streams_in_may_depend_on_it(folder: Make) -> None:
    def talking(words: str, question: str) -> Made:
        first = call("Talk", words, streamed=True, start=1.0, duration=5.0)
        second = call(question, "ok", start=2.0, duration=1.0)
        return Made().run("T-1", [{"name": "talk", "calls": [first]}, {"name": "act", "calls": [second]}])

    made = folder(talking("left", "Go left"))
    assert made.reason(talking("right", "Go right")) == ""
    assert "step 'act' asks its model something else" in made.reason(talking("left", "Go right"))


def test_another_model_or_temperature_is_noticed(folder: Make) -> None:
    def one(**settings: Any) -> Made:
        return Made().run("T-1", [{"name": "sort", "calls": [call("Sort this", "refund", **settings)]}])

    made = folder(one(model="small", parameters={"temperature": 0.0}))
    assert made.reason(one(model="small", parameters={"temperature": 0.0})) == ""
    assert "asks its model something else" in made.reason(one(model="large", parameters={"temperature": 0.0}))
    assert "asks its model something else" in made.reason(one(model="small", parameters={"temperature": 0.7}))


def test_other_steps_are_noticed_where_all_questions_and_answers_are_the_same(folder: Make) -> None:
    made = folder(Made().run("T-1", [asking("sort", "Sort this", "refund")]))
    more = Made().run("T-1", [asking("sort", "Sort this", "refund"), {"name": "clean", "output": "x"}])
    assert made.reason(more) == "case 'T-1' goes through other steps than it shows"


def test_scores_of_another_baseline_are_noticed(folder: Make) -> None:
    made = folder(desk())
    worse = baseline_of(desk().run("T-11", [], passed=False).evaluation)
    assert made.reason(desk(), None, worse) == "its scores are not those of the baseline"


def test_calls_side_by_side_may_come_in_any_order(folder: Make) -> None:
    def side_by_side(order: list[str], gap: float) -> Made:
        def each(name: str, place: int) -> LLMCall:
            return call(f"Read part {name}", f"read {name}", start=place * gap, duration=0.4)

        calls = [each(name, place) for place, name in enumerate(order)]
        done = call("Put together", "all", start=9.0, duration=0.4)
        steps = [{"name": "read", "calls": calls}, {"name": "join", "calls": [done]}]
        return Made().run("T-1", steps)

    names = [f"{number}" for number in range(8)]
    made = folder(side_by_side(names, 0.01))
    text = made.page.read_text(encoding="utf-8")
    for order in (names[::-1], names[4:] + names[:4]):
        for gap in (0.01, 0.5):
            assert made.problems(side_by_side(order, gap)) == []
            again = folder(side_by_side(order, gap)).page.read_text(encoding="utf-8")
            assert again.partition("<!-- ")[0] == text.partition("<!-- ")[0]


def test_a_missing_snapshot(folder: Make) -> None:
    made = folder(desk())
    made.page.unlink()
    assert made.reason(desk()) == "there is none yet"


def test_marks_of_a_merge_conflict(folder: Make) -> None:
    made = folder(desk())
    lines = made.page.read_text(encoding="utf-8").splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith('artifact "app/sort.md"'))
    lines[place : place + 1] = ["<<<<<<< HEAD", lines[place], "=======", lines[place] + "0", ">>>>>>> other"]
    made.page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert made.reason(desk()) == "it holds the marks of a merge conflict"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("format 1\n", "format 99\n", "it has format 99, and this version reads 1"),
        ("<!-- pytest-fapo snapshot", "<!-- something", "its last lines are not those of a snapshot"),
        ('pipeline "desk"', "pipeline desk", "'pipeline desk' does not belong into its last lines"),
        ("You sort the mail", "You sort the gold", "its text was changed by hand or by a merge"),
        ("| train | 2 | 100.0 % |", "| train | 2 | 99.0 % |", "its scores are not those of the baseline"),
    ],
)
def test_a_file_that_is_not_as_it_was_written(folder: Make, old: str, new: str, reason: str) -> None:
    made = folder(desk())
    text = made.page.read_text(encoding="utf-8")
    assert old in text
    made.page.write_text(text.replace(old, new), encoding="utf-8")
    assert made.reason(desk()) == reason


def test_line_ends_of_windows_change_nothing(folder: Make) -> None:
    made = folder(desk())
    made.page.write_bytes(made.page.read_bytes().replace(b"\n", b"\r\n"))
    assert made.problems(desk()) == []


def test_a_formatter_of_tables_changes_nothing(folder: Make) -> None:
    made = folder(desk())
    text = made.page.read_text(encoding="utf-8")
    wider = text.replace("| Group | Cases | Score |", "| Group      | Cases |   Score |")
    wider = wider.replace("| --- | ---: | ---: |", "| ---------- | ----: | ------: |")
    wider = wider.replace("| train | 2 | 100.0 % |", "| train      |     2 | 100.0 % |")
    assert wider.count("  ") > 5
    made.page.write_text(wider, encoding="utf-8")
    assert made.problems(desk()) == []


def test_a_sample_case_that_is_gone(folder: Make) -> None:
    made = folder(desk())
    assert (
        made.reason(desk(cases=["T-10", "T-11"]))
        == "its sample case 'T-2' is no longer among the train cases"
    )
    assert made.problems(Made()) == []  # nothing ran: not for the snapshot to say


def test_a_snapshot_of_no_pipeline(folder: Make) -> None:
    made = folder(desk())
    made.page.rename(made.page.with_name("old.md"))
    reasons = {problem.path: problem.message for problem in made.problems(desk())}
    assert reasons["fapo-snapshots/old.md"] == "fapo-snapshots/old.md: its pipeline is not in the baseline"


def test_a_new_prompt_of_another_pipeline_concerns_that_one_only(folder: Make) -> None:
    def both(prompt: str) -> Made:
        made = desk().run("C-1", [asking("check", prompt, "ok")])
        made.evaluation.traces["desk C-1"].pipeline = "checker"
        made.evaluation.items["test_desk.py::test_reply[C-1]"].pipeline = "checker"
        return made

    made = folder(both(CHECK))
    wording = CHECK.replace("promises", "threats")
    (problem,) = made.problems(both(wording), artifacts(check=wording))
    assert problem.path == "fapo-snapshots/checker.md"
