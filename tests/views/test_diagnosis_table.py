from __future__ import annotations

from typing import Any

from support.report_samples import Output, evaluation

from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster, Diagnosis, Finding
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.views.diagnosis_table import render_diagnosis


def finding(number: int, **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "nodeid": f"tests/test_desk.py::test_team[t-{number:03}]",
        "case_id": f"t-{number:03}",
        "pipeline": "pipeline",
        "step": "triage",
        "category": "label",
        "level": "prompt",
        "confidence": 0.9,
        "evidence": "triage answered 'billing' where 'refund' was expected",
        "explanation": "assert 'billing' == 'refund'\n  \n  - refund\n  + billing",
    }
    return Finding(**{**values, **changes})


def cluster(**changes: Any) -> Cluster:
    values: dict[str, Any] = {
        "id": "k1",
        "label": "triage: 'billing' given for 'refund'",
        "pipeline": "pipeline",
        "step": "triage",
        "category": "label",
        "level": "prompt",
        "confidence": 0.9,
        "findings": [finding(number) for number in range(14)],
        "suggested_fix": "Define when a ticket is a refund, in contrast to billing.",
        "ceiling": 0.77,
        "artifacts": ["app/prompts/triage.md"],
    }
    return Cluster(**{**values, **changes})


def rendered(diagnosis: Diagnosis, of: Evaluation, *, encoding: str = "utf-8", **options: Any) -> list[str]:
    output = Output(encoding)
    render_diagnosis(diagnosis, of, output, **options)
    blank, *lines = [line.rstrip() for line in output.lines]
    assert blank == ""
    return lines


def test_the_table_and_one_example_per_cause() -> None:
    lines = rendered(Diagnosis(clusters=[cluster()]), evaluation(failing=14, passing=46), width=100)
    assert lines[0] == "14 of 60 train tests fail, for 1 cause."
    assert lines[2].split() == ["#", "step", "category", "level", "cases", "sure", "at", "most"]
    assert lines[4].split() == ["1", "triage", "label", "prompt", "14", "90", "%", "77", "%"]
    assert lines[6:] == [
        "1  triage: 'billing' given for 'refund'",
        "   why        triage answered 'billing' where 'refund' was expected",
        "   example    tests/test_desk.py::test_team[t-000]",
        "              assert 'billing' == 'refund'",
        "                - refund",
        "                + billing",
        "   artifacts  app/prompts/triage.md",
        "   fix        Define when a ticket is a refund, in contrast to billing.",
        "",
        "Next          pytest --fapo-optimize",
    ]


def test_a_narrow_terminal_is_not_overrun() -> None:
    wide = cluster(
        step="finalize_with_a_very_long_function_name", category="missing-input", level="structure"
    )
    lines = rendered(
        Diagnosis(clusters=[cluster(), wide]), evaluation(failing=14, passing=6), width=60, tty=True
    )
    assert max(len(line) for line in lines) <= 60
    assert any("finalize_…" in line for line in lines)
    assert any("missing-input" in line for line in lines)


def test_text_of_cases_is_data() -> None:
    explanation = "assert '[red]x[/red]' == '\x1b[2J[/]'\n" + "\n".join(f"line {n}" for n in range(40))
    example = finding(1, explanation=explanation)
    lines = rendered(
        Diagnosis(clusters=[cluster(label="[bold]a[/bold]", step="[b]", findings=[example])]),
        evaluation(failing=1, passing=0),
        width=100,
    )
    text = "\n".join(lines)
    assert "1  [bold]a[/bold]" in lines
    assert "assert '[red]x[/red]' == '\\x1b[2J[/]'" in text
    assert "… 36 more lines" in text
    assert "line 4" not in text


def test_failures_that_no_edit_can_fix_are_apart() -> None:
    broken = [finding(n, evidence="the provider answered 503") for n in range(3)]
    lines = rendered(
        Diagnosis(clusters=[cluster()], infrastructure=broken), evaluation(failing=17, passing=0)
    )
    assert "Apart from that, 3 cases failed for reasons that no edit can fix:" in lines
    assert "     3 × the provider answered 503" in lines
    alone = rendered(Diagnosis(infrastructure=broken), evaluation(failing=3, passing=0))
    assert alone[0] == "3 of 3 train tests fail."
    assert "3 cases failed for reasons that no edit can fix:" in alone
    assert not any(line.startswith("Next") for line in alone)


def test_cases_are_counted_where_several_tests_on_one_case_got_no_answer() -> None:
    silent = [
        finding(n, evidence=evidence).model_copy(update={"nodeid": f"test_{test}[{n}]"})
        for n in range(3)
        for test, evidence in (("a", "HTTP 500"), ("b", "HTTP 500"), ("c", "HTTP 429"))
    ]
    lines = rendered(Diagnosis(infrastructure=silent), evaluation(failing=9, passing=0))
    assert "3 cases failed for reasons that no edit can fix:" in lines
    assert [line for line in lines if "×" in line] == ["     3 × HTTP 429", "     3 × HTTP 500"]


def test_nothing_to_diagnose_is_said_plainly() -> None:
    assert rendered(Diagnosis(), evaluation(failing=0, passing=3)) == [
        "No failing train case: all 3 train tests pass."
    ]
    assert rendered(Diagnosis(), Evaluation()) == ["No train case was run, so there is nothing to diagnose."]


def test_ascii_terminals_and_the_stand_in() -> None:
    lines = rendered(
        Diagnosis(clusters=[cluster(label="é → x")]),
        evaluation(failing=14, passing=0),
        encoding="ascii",
        stand_in="desk.offline:answer",
    )
    assert lines[1] == "The offline stand-in desk.offline:answer answered, not a real model."
    assert "1  \\xe9 -> x" in lines


def test_steps_that_fail_together_are_both_named_and_interventions_counted() -> None:
    both = Diagnosis(clusters=[cluster(also=["place", "price"])], interventions=7)
    lines = rendered(both, evaluation(failing=3, passing=1), width=100)
    assert lines[1] == "7 runs of cases with a step's output replaced were used for this."
    assert "   together   place and price went wrong too: only edits of all show" in lines


def test_labels_that_may_be_wrong_are_shown_beside_the_case_that_contradicts_them() -> None:
    of = evaluation(failing=1, passing=1)
    failing, passing = of.items
    of.cases[failing] = Case(id="c1", inputs={"mail": "where is it"}, expected="billing")
    of.cases[passing] = Case(id="c2", inputs={"mail": "Where is it?"}, expected="delivery")
    evidence = "the label may be wrong: 'billing' here, and 'delivery' in case c2, of the same input"
    suspect = finding(0, nodeid=failing, case_id="c1", beside="c2", category="mislabeled", evidence=evidence)
    lines = rendered(Diagnosis(suspects=[suspect]), of)
    start = lines.index("1 label may be wrong; no edit is made for it:")
    assert lines[start + 2 : start + 5] == [
        "   c1         billing   where is it",
        "   c2         delivery   Where is it?",
        f"   sure       90 %; {evidence}",
    ]
