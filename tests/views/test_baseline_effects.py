"""Two states of the cases compared; regressions put to the prompt behind them; remarks of a gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import JsonValue

from pytest_fapo.core.baseline import Baseline, CaseBaseline, PipelineBaseline
from pytest_fapo.core.case import Case
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.gate_result import GateProblem, GateResult, Regression
from pytest_fapo.core.record import Split
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.trace import LLMCall, Step, Trace
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.verdict.case_effect import baseline_effect
from pytest_fapo.views.annotations import RepositoryLocations, gate_remarks, lowering_remarks
from pytest_fapo.views.pull_request.page_gathering import removed_tests, with_causes
from pytest_fapo.views.pull_request.page_record import ArtifactChange

PROMPT = "You sort tickets for a shop that sells lamps.\n"


def case(result: str, output: str = "a", steps: Any = (), name: str = "t.py::test[a]") -> CaseBaseline:
    return CaseBaseline(items={name: result}, output=output, steps=[list(step) for step in steps])


def baseline(split: Split = "train", **cases: CaseBaseline) -> Baseline:
    return Baseline(format=1, plugin="0", pipelines={"p": PipelineBaseline(cases={split: cases})})


def test_verdicts_with_and_without_repeats_are_compared() -> None:
    before = baseline(
        a=case("passed", name="a"),
        b=case("failed", name="b"),
        c=case("3 of 3", name="c"),
        d=case("passed", "old", name="d"),
        e=case("skipped", name="e"),
        f=case("passed", name="f"),
        g=case("failed", name="g"),
    )
    after = baseline(
        a=case("error", name="a"),
        b=case("passed", name="b"),
        c=case("2 of 3", name="c"),
        d=case("passed", "new", name="d"),
        e=case("failed", name="e"),
        f=case("passed", name="f"),
        h=case("failed", name="h"),
    )
    found = baseline_effect(before, after)
    assert [effect.nodeid for effect in found.of_kind("broken")] == ["a", "c"]
    assert [effect.nodeid for effect in found.of_kind("fixed")] == ["b"]
    assert [(each.nodeid, each.before, each.after) for each in found.of_kind("changed")] == [
        ("d", "old", "new")
    ]
    assert removed_tests(before, after) == ["g"]


def test_a_case_that_moved_to_another_split_is_still_the_same() -> None:
    found = baseline_effect(baseline("train", a=case("passed")), baseline("val", a=case("failed")))
    assert [effect.split for effect in found.of_kind("broken")] == ["val"]


def test_the_first_step_that_parts_is_named() -> None:
    def step(before: Any, after: Any) -> str:
        found = baseline_effect(
            baseline(a=case("passed", "x", before)), baseline(a=case("failed", "y", after))
        )
        return found.of_kind("broken")[0].step

    one, two = ("one", "1"), ("two", "2")
    assert step([one, two], [one, ("two", "other")]) == "two"
    assert step([one, two], [two, one]) == ""
    assert step([one, two], [one]) == "two"
    assert step([one], [one, two]) == "two"


def evaluation() -> Evaluation:
    message: dict[str, JsonValue] = {"role": "system", "content": PROMPT}
    trace = Trace(
        pipeline="p",
        case_id="a",
        steps=[Step(name="sort", index=0, output="x", llm_calls=[0]), Step(name="send", index=1)],
        llm_calls=[LLMCall(key="k", api="chat.completions", url="https://x/v1", messages=[message])],
    )
    item = ItemResult(
        nodeid="t.py::test[a]", outcome="failed", case_id="a", pipeline="p", split="train", trace_id="1"
    )
    cases = {item.nodeid: Case(id="a", inputs={}, origin="cases.jsonl:7")}
    return Evaluation(items={item.nodeid: item}, traces={"1": trace}, cases=cases)


def regression(step: str = "sort", **more: Any) -> Regression:
    values: dict[str, Any] = {
        "result_before": "passed",
        "result_after": "failed",
        "origin": "cases.jsonl:7",
        **more,
    }
    return Regression(nodeid="t.py::test[a]", pipeline="p", step=step, **values)


def gate(*regressions: Regression, **more: Any) -> GateResult:
    return GateResult(policy="strict", verdict="fell", regressions=list(regressions), **more)


def project(folder: Path) -> tuple[ArtifactStore, RepositoryLocations]:
    (folder / "sort.md").write_text(PROMPT)
    (folder / "other.md").write_text("Something else altogether, which no step sends.\n")
    (folder / "cases.jsonl").write_text("\n")
    store = ArtifactStore(folder, Scope(prompts=["*.md"]))
    return store, RepositoryLocations(folder, store, {})


def test_a_regression_points_at_the_changed_prompt_that_its_step_sends(tmp_path: Path) -> None:
    store, _ = project(tmp_path)
    result = gate(regression("sort"), regression("send"), regression(""))

    def prompts(*changed: str) -> list[str]:
        told = with_causes(result, evaluation(), store, changed)
        return [each.prompt for each in told.regressions]

    assert prompts("sort.md", "other.md") == ["sort.md", "", ""]
    assert prompts("other.md") == ["", "", ""]
    assert prompts() == ["", "", ""]


def test_errors_come_before_warnings_and_notices_each_at_its_place(tmp_path: Path) -> None:
    _, places = project(tmp_path)
    changes = [ArtifactChange(address="sort.md", path="sort.md", line=3, before="x", after="y")]
    result = gate(
        regression(prompt="sort.md", output_before='"a"', output_after='"b"', explanation="assert"),
        regression(step="reply"),
        regression(step="look_up", fails=False),
        problems=[
            GateProblem(kind="stale-baseline", message="sort.md changed", fails=False),
            GateProblem(kind="floor", message="too low", path="fapo-baseline.json", line=4, command="do it"),
            GateProblem(kind="new-cases", message="1 case has no verdict", fails=False),
        ],
        new_cases=["p::a"],
    )
    found = gate_remarks(result, evaluation(), changes, places)
    assert [(each.level, each.check, each.path, each.line) for each in found] == [
        ("error", "regression", "sort.md", 3),
        ("error", "regression", "cases.jsonl", 7),
        ("error", "floor", "fapo-baseline.json", 4),
        ("warning", "regression", "cases.jsonl", 7),
        ("warning", "stale-baseline", "", 0),
        ("notice", "new-case", "cases.jsonl", 7),
    ]
    assert found[0].message.startswith("1 test: sort gives another answer since this change\n")
    assert found[0].message.endswith(': "a" → "b"\nassert')
    assert found[2].message == "too low\nTo do: do it"
    lowered = lowering_remarks(result, changes, places)
    assert {(each.level, each.check) for each in lowered} == {("warning", "lower-baseline")}
