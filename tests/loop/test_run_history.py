"""The history of a run's changes: ideas, causes, and the effect on every case."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from pytest_fapo.core.candidate import Attempt, Candidate, Edit, Review, Verdict
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Split
from pytest_fapo.core.trace import Trace
from pytest_fapo.core.unanswered import Unanswered
from pytest_fapo.loop.events import CandidateJudged, TreeDiagnosed
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_history import RunHistory
from pytest_fapo.loop.run_result import EditMade
from pytest_fapo.verdict.case_effect import effect_between

SORT, TONE = "app/sort.md", "app/tone.md"
Result = tuple[Split | None, bool, JsonValue]


def evaluation(results: dict[str, Result]) -> Evaluation:
    """Test id to split, passed and output; `a~r2` is the second repeat of `a`."""
    made = Evaluation()
    for name, (split, passed, output) in results.items():
        case_id, _, repeat = name.partition("~r")
        test = "test_plain" if split is None else "test_it"
        nodeid = f"t.py::{test}[{name}]"
        made.items[nodeid] = ItemResult(
            nodeid=nodeid,
            outcome="passed" if passed else "failed",
            case_id=None if split is None else case_id,
            pipeline="pipeline",
            split=split,
            repeat=int(repeat or 1),
            explanation="" if passed else f"assert {output!r}",
            trace_id=name if split is not None else None,
        )
        if split is not None:
            made.traces[name] = Trace(pipeline="pipeline", case_id=case_id, output=output)
            made.cases[nodeid] = Case(
                id=case_id, inputs={"text": f"of {case_id}"}, expected=None, split=split
            )
    return made


def node(name: str, test: str = "test_it") -> str:
    return f"t.py::{test}[{name}]"


class Made:
    """A run directory with candidates and their evaluations."""

    def __init__(self, folder: Path, reference: dict[str, Result]) -> None:
        self.run = RunFolder.create(folder)
        self.run.save_evaluation("reference.json", evaluation(reference))

    def candidate(
        self, candidate: Candidate, results: dict[str, Result] | None, *, accepted: bool = True
    ) -> None:
        tree = f"tree-{candidate.id}"
        if results is not None:
            self.run.save_evaluation(f"candidates/{tree}.json", evaluation(results))
        verdict = Verdict(accepted=accepted, reason="good", kept="" if accepted else "c3")
        attempt = Attempt(candidate=candidate, review=Review(), verdict=verdict)
        self.run.journal.write(CandidateJudged(tree=tree, attempt=attempt))


def idea(
    name: str, *addresses: str, parent: str = "", merges: tuple[str, ...] = (), cluster: str = "k1"
) -> Candidate:
    return Candidate(
        id=name,
        parent=parent,
        edits=[Edit(address=address, before="old", after=name) for address in addresses],
        hypothesis=f"idea of {name}",
        proposer="playbook",
        technique="any",
        cluster=cluster,
        targets=[node("b"), node("a")],
        merges=list(merges),
    )


def made_edit(address: str, *candidates: str) -> EditMade:
    return EditMade(address=address, before="old", after="new", candidates=list(candidates))


BEFORE: dict[str, Result] = {
    "a": ("train", False, {"team": "A"}),
    "b": ("train", False, {"team": "B", "note": "long"}),
    "c": ("val", True, {"team": "c"}),
    "d": ("holdout", False, {"team": "D"}),
    "p": (None, True, None),
}


def test_a_merge_is_taken_apart_into_the_ideas_that_touch_the_artifact(tmp_path: Path) -> None:
    made = Made(tmp_path, BEFORE)
    cause = Cluster(
        id="k1",
        label="sort: the wrong label",
        pipeline="pipeline",
        step="sort",
        category="label",
        level="prompt",
        confidence=0.9,
    )
    made.run.journal.write(TreeDiagnosed(clusters=[cause]))
    fixed_a: dict[str, Result] = {
        **BEFORE,
        "a": ("train", True, {"team": "a"}),
        "d": ("holdout", True, {"team": "d"}),
    }
    fixed_b: dict[str, Result] = {
        **BEFORE,
        "b": ("train", True, {"team": "b"}),
        "c": ("val", True, {"team": "c", "x": 1}),
    }
    made.candidate(idea("c1", SORT), fixed_a, accepted=False)
    made.candidate(idea("c2", TONE, cluster="k2"), fixed_b, accepted=False)
    made.candidate(idea("c3", SORT, TONE, merges=("c1", "c2")), {**fixed_a, **fixed_b})
    history = RunHistory(made.run)
    (why,) = history.ideas(made_edit(SORT, "c3"))
    assert (why.candidate, why.hypothesis, why.cause) == ("c1", "idea of c1", "sort: the wrong label")
    assert (why.example, why.inputs) == (node("a"), {"text": "of a"})
    assert why.explanation == "assert {'team': 'A'}"
    (other,) = history.ideas(made_edit(TONE, "c3"))
    assert (other.candidate, other.cause) == ("c2", "")
    sort, tone = history.effect(made_edit(SORT, "c3")), history.effect(made_edit(TONE, "c3"))
    assert [(row.kind, row.nodeid) for row in sort.rows] == [("fixed", node("a"))], (
        "no held-out case is named"
    )
    assert [(row.kind, row.nodeid) for row in tone.rows] == [("fixed", node("b")), ("changed", node("c"))]
    assert (sort.same, sort.together) == (3, [])


def test_ideas_that_follow_one_another_are_added_up(tmp_path: Path) -> None:
    made = Made(tmp_path, BEFORE)
    first: dict[str, Result] = {
        **BEFORE,
        "a": ("train", True, {"team": "a"}),
        "c": ("val", True, {"team": "x"}),
    }
    made.candidate(idea("c1", SORT), first)
    between: dict[str, Result] = {**first, "b": ("train", True, {"team": "b"})}
    made.candidate(idea("c2", TONE, parent="c1"), between)
    last: dict[str, Result] = {**between, "c": ("val", False, {"team": "y"}), "p": (None, False, None)}
    made.candidate(idea("c3", SORT, TONE, parent="c2"), last)
    effect = RunHistory(made.run).effect(made_edit(SORT, "c1", "c3"))
    rows = {row.nodeid: row for row in effect.rows}
    assert [row.kind for row in effect.rows] == ["broken", "broken", "fixed"]
    assert set(rows) == {node("p", "test_plain"), node("c"), node("a")}, "b was another change's doing"
    assert (rows[node("c")].before, rows[node("c")].after) == ({"team": "c"}, {"team": "y"})
    assert effect.together == [TONE]


def test_repeats_are_one_test_and_two_tests_of_one_output_one_change(tmp_path: Path) -> None:
    before = evaluation({"a": ("train", True, 1), "a~r2": ("train", False, 2), "c": ("val", True, 1)})
    after = evaluation({"a": ("train", True, 1), "a~r2": ("train", True, 1), "c": ("val", True, 2)})
    twin = before.items[node("c")].model_copy(update={"nodeid": "t.py::test_other[c]"})
    for each in (before, after):
        each.items["t.py::test_other[c]"] = twin
    effect = effect_between(before, after)
    assert [(row.kind, row.nodeid) for row in effect.rows] == [
        ("fixed", node("a")),
        ("changed", "t.py::test_it[c]"),
    ]
    assert (effect.rows[0].share_before, effect.rows[0].share_after) == (0.5, 1.0)


def test_more_repeats_with_the_same_share_are_no_change() -> None:
    before = evaluation({"a": ("train", True, 1)})
    after = evaluation({"a": ("train", True, 1), "a~r2": ("train", True, 1)})
    effect = effect_between(before, after)
    assert (effect.rows, effect.same) == ([], 1)


def test_a_test_that_is_skipped_since_is_broken_and_one_without_answers_is_left_out() -> None:
    before = evaluation({"a": ("train", True, 1), "b": ("train", True, 1), "c": ("train", True, 1)})
    after = evaluation({"a": ("train", True, 1), "b": ("train", False, 1), "c": ("train", True, 1)})
    after.items[node("a")].outcome = "skipped"
    after.items[node("b")].unanswered = [Unanswered(reason="HTTP 503")]
    effect = effect_between(before, after)
    assert [(row.kind, row.nodeid, row.result_after) for row in effect.rows] == [
        ("broken", node("a"), "skipped")
    ]
    assert effect.same == 1


def test_what_is_not_on_record_is_not_made_up(tmp_path: Path) -> None:
    made = Made(tmp_path, BEFORE)
    made.candidate(idea("c1", SORT), None)
    history = RunHistory(made.run)
    assert not history.effect(made_edit(SORT, "c1")).known
    assert history.ideas(made_edit(SORT, "c1"))[0].hypothesis == "idea of c1"
    assert history.ideas(made_edit(SORT, "c9")) == []
    (made.run.path / "reference.json").write_text("{")
    assert RunHistory(made.run).ideas(made_edit(SORT, "c1"))[0].example == node("a")


@pytest.mark.parametrize("passed", [True, False])
def test_a_pipeline_that_raised_is_shown_by_its_failure(passed: bool) -> None:
    before = evaluation({"a": ("train", False, None)})
    before.traces["a"].error = "ValueError: no"
    after = evaluation({"a": ("train", passed, "x")})
    (row,) = effect_between(before, after).rows
    assert (row.before, row.after) == ("assert None", "x")
