"""Made-up sessions for the HTML report: any number of cases and candidates, with traces."""

from __future__ import annotations

import random
from collections.abc import Callable

from pydantic import JsonValue

from pytest_fapo.core.candidate import Attempt, Candidate, Edit, Review, ReviewProblem, SplitChange, Verdict
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster, Diagnosis, Finding
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.gate_result import GateProblem, GateResult, Regression, SplitScore
from pytest_fapo.core.record import Split
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.trace import LLMCall, Step, Trace, Usage
from pytest_fapo.loop.run_summary import SplitResult, Summary
from pytest_fapo.verdict.case_effect import CaseEffect
from pytest_fapo.views.html.report_data import ReportData, SpendPoint, TriedCandidate

STEPS = ("triage", "retrieve", "answer")
PROMPT = "You sort the mail of a shop.\nRead the ticket and name the team.\nTeams: refund, billing, other.\n"
SYSTEM = PROMPT + "\n".join(f"Rule {number}: be exact about matter {number}." for number in range(40))
_SPLITS: tuple[Split, ...] = ("train", "train", "val", "holdout")
_WORDS = (
    "order",
    "parcel",
    "money",
    "invoice",
    "courier",
    "kettle",
    "pan",
    "refund",
    "broken",
    "late",
    "wrong",
)


def nodeid(number: int) -> str:
    return f"tests/test_desk.py::test_team[t-{number:04}]"


def prose(seed: int, words: int) -> str:
    chosen = random.Random(seed)
    return " ".join(chosen.choice(_WORDS) for _ in range(words))


def case(number: int, **changes: JsonValue) -> Case:
    values: dict[str, JsonValue] = {
        "id": f"t-{number:04}",
        "inputs": {"message": f"ticket {number}: {prose(number, 40)}"},
        "expected": {"team": "refund"},
        "split": _SPLITS[number % 4],
        "tags": [["angry", "polite", "terse"][number % 3]],
        "origin": f"cases/tickets.jsonl:{number + 1}",
    }
    return Case.model_validate({**values, **changes})


def trace(each: Case, *, right: bool, prompt: str = SYSTEM, extra: int = 60) -> Trace:
    """Three steps with one call each; the first is at fault where the output is wrong."""
    seed = sum(map(ord, each.id)) + right
    steps, calls = [], []
    for index, name in enumerate(STEPS):
        text = (
            ("refund" if right else "Billing, I think.") if name == "triage" else prose(seed + index, extra)
        )
        calls.append(
            LLMCall(
                key=f"{each.id}-{index}-{right}",
                api="chat.completions",
                url="http://127.0.0.1/v1/chat/completions",
                model="small-model",
                messages=[
                    {"role": "system", "content": prompt},
                    {"role": "user", "content": str(each.inputs)},
                ],
                parameters={"temperature": 0.0},
                answer=text,
                usage=Usage(input_tokens=400, output_tokens=30),
                start=0.3 * index,
                duration=0.25,
            )
        )
        steps.append(
            Step(
                name=name,
                index=index,
                inputs={"message": each.inputs},
                output=text,
                start=0.3 * index,
                duration=0.27,
                llm_calls=[index],
            )
        )
    output = {"team": steps[0].output, "reply": steps[-1].output}
    return Trace(
        pipeline="desk",
        case_id=each.id,
        inputs=each.inputs,
        output=output,
        duration=0.9,
        steps=steps,
        llm_calls=calls,
    )


def evaluation(cases: int, passes: Callable[[int], bool], **options: object) -> Evaluation:
    """One test on each case, which passes where `passes` says so."""
    found = Evaluation(spending=Spending(calls=3 * cases, usage=Usage(input_tokens=9, output_tokens=9)))
    for number in range(cases):
        each, right = case(number), passes(number)
        found.take(
            {
                "item": ItemResult(
                    nodeid=nodeid(number),
                    outcome="passed" if right else "failed",
                    case_id=each.id,
                    pipeline="desk",
                    split=each.split,
                    explanation="" if right else "assert 'Billing, I think.' == 'refund'",
                    test="tests/test_desk.py::test_team",
                    trace_id=f"desk::{each.id}",
                ),
                "case": each,
                "trace": trace(each, right=right, **options),  # type: ignore[arg-type]
            }
        )
    return found


def diagnosis(numbers: list[int]) -> Diagnosis:
    findings = [
        Finding(
            nodeid=nodeid(number),
            case_id=f"t-{number:04}",
            pipeline="desk",
            step="triage",
            category="label",
            level="prompt",
            confidence=0.9,
            evidence="triage answered 'Billing, I think.' where 'refund' was expected",
        )
        for number in numbers
    ]
    cluster = Cluster(
        id="k1",
        label="triage: the wrong label",
        pipeline="desk",
        step="triage",
        category="label",
        level="prompt",
        confidence=0.9,
        findings=findings,
    )
    return Diagnosis(clusters=[cluster] if findings else [])


def tried(
    number: int, *, state: str = "rejected", parent: str = "", fixes: int = 2, cases: int = 8
) -> TriedCandidate:
    """A candidate that fixes the first cases; a rejected one breaks the last, which passed before."""
    fixed = [nodeid(each) for each in range(fixes)]
    broken = [] if state == "accepted" else [nodeid(cases - 1)]
    problems = [ReviewProblem(check="leakage", message="quotes case t-0001", blocks=True)]
    attempt = Attempt(
        candidate=Candidate(
            id=f"c{number}",
            parent=parent,
            edits=[
                Edit(
                    address="app/triage.md",
                    before=PROMPT,
                    after=PROMPT + f"Answer with one word. ({number})\n",
                )
            ],
            hypothesis=f"The prompt never says how short the answer has to be ({number}).",
            proposer="playbook",
            technique="label-set",
            cluster="k1",
            step="triage",
            targets=fixed,
        ),
        review=Review(problems=problems if state == "blocked" else []),
        verdict=Verdict(
            accepted=state == "accepted",
            reason="nothing broken" if state == "accepted" else "1 train test that passed before fails now",
            stage="suite" if state == "accepted" else "review" if state == "blocked" else "train",
            splits={} if state == "blocked" else {"train": SplitChange(before=0.5, after=0.5 + number / 100)},
            fixed=fixed if state != "blocked" else [],
            broken=broken if state != "blocked" else [],
        ),
        spending=Spending(calls=30 + number, cache_hits=12, cost=0.001),
        duration=3.0,
    )
    effects = [
        CaseEffect(
            nodeid=each, kind="fixed", result_before="failed", result_after="passed", after={"team": "refund"}
        )
        for each in fixed
    ] + [
        CaseEffect(
            nodeid=each,
            kind="broken",
            result_before="passed",
            result_after="failed",
            after={"team": "other"},
            explanation="assert 'other'",
        )
        for each in broken
    ]
    return TriedCandidate(attempt, at=float(number), effects=[] if state == "blocked" else effects)


def optimization(cases: int = 8) -> ReportData:
    """Half of the cases fail; c2 is accepted and fixes all of them but one."""
    half = cases // 2
    return ReportData(
        title="desk",
        kind="optimize",
        before=evaluation(cases, lambda number: number >= half),
        after=evaluation(cases, lambda number: number >= 1, prompt=SYSTEM + "\nAnswer with one word."),
        attempts=[
            tried(1, state="blocked", cases=cases),
            tried(2, state="accepted", fixes=half, cases=cases),
            tried(3, parent="c2", cases=cases),
        ],
        diagnoses={"": diagnosis(list(range(half))), "c2": diagnosis([0])},
        spending=[SpendPoint(float(at), 20 * at, 30 * at, 0.01 * at) for at in range(8)],
        summary=Summary(
            stop="nothing-left",
            tests=cases,
            failing=1,
            splits=[SplitResult(split="train", tests=half, before=0.0, after=0.75, fixed=half - 1)],
            fixed=half - 1,
            writing="patch",
            files=["app/triage.md"],
            artifacts=["app/triage.md"],
            patch=".fapo/runs/1/changes.patch",
            accepted=1,
            rejected=2,
            run_directory=".fapo/runs/1",
        ),
        began=1_790_000_000.0,
    )


def gate(cases: int = 8) -> ReportData:
    """A merge gate that found case 2 failing, which passed in the baseline."""
    after = evaluation(cases, lambda number: number != 2)
    regression = Regression(
        nodeid=nodeid(2),
        pipeline="desk",
        case_id="t-0002",
        split="val",
        result_before="passed",
        result_after="failed",
        output_before='{"team": "refund"}',
        output_after='{"team": "Billing, I think."}',
        step="triage",
    )
    problem = GateProblem(
        kind="stale-baseline",
        message="Prompts changed.",
        command="pytest --fapo-update-baseline",
        fails=False,
    )
    result = GateResult(
        policy="strict",
        verdict="fell",
        baseline="fapo-baseline.json",
        regressions=[regression],
        problems=[problem],
        new_cases=["desk::t-0003"],
        scores=[SplitScore(pipeline="desk", group="val", cases=2, before=1.0, after=0.5, floor=0.9)],
    )
    return ReportData(title="desk", kind="gate", after=after, gate=result)
