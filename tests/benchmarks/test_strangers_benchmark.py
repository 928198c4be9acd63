"""The strangers' pipelines are what they say: part of their cases fails, for the planted reason."""

from __future__ import annotations

import re

import pytest

from benchmarks.planted.lab import laboratory
from benchmarks.planted.spec import SEEN
from benchmarks.planted.talk import Ask, Turn
from benchmarks.strangers import run
from benchmarks.strangers.pipelines import SETS, strangers
from benchmarks.strangers.rows_diagnosis import Diagnosed, calibration, diagnosis, labels
from benchmarks.strangers.spec import Stranger, asks
from benchmarks.strangers.truth import fixed, truth
from pytest_fapo.core.diagnosis import Cluster, Diagnosis, Finding

EVERY = [stranger for kind in SETS for stranger in strangers(kind)]


def named(name: str) -> Stranger:
    return next(stranger for stranger in EVERY if stranger.name == name)


def test_twelve_pipelines_of_each_kind_under_names_of_their_own() -> None:
    assert [len(strangers(kind)) for kind in SETS] == [12] * len(SETS)
    assert len({stranger.name for stranger in EVERY}) == len(EVERY)


@pytest.mark.parametrize("stranger", EVERY, ids=lambda stranger: stranger.name)
def test_nothing_in_a_project_tells_what_is_wrong_with_it(stranger: Stranger) -> None:
    everything = "\n".join(stranger.faulty.values()).lower()
    assert not re.search(r"\b(planted|fault|faulty|bug|broken on purpose|clean twin)\b", everything)
    for path, text in stranger.faulty.items():
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.parametrize("stranger", EVERY, ids=lambda stranger: stranger.name)
def test_every_split_has_cases_and_unseen_cases_have_right_labels(stranger: Stranger) -> None:
    cases = stranger.cases()
    assert 40 <= sum(len(cases[split]) for split in SEEN) <= 80
    assert all(cases.values())
    assert not stranger.wrong_ids() & {case["id"] for case in cases["hidden"]}
    right = {row.key: row.expected for row in stranger.rows}
    for case in cases["hidden"]:
        assert case["expected"] in right.values()


@pytest.mark.parametrize("stranger", EVERY, ids=lambda stranger: stranger.name)
def test_the_known_fix_changes_files_of_the_project(stranger: Stranger) -> None:
    with laboratory() as lab:
        files = fixed(lab, stranger)
    assert set(files) == set(stranger.faulty)
    assert files != stranger.faulty


@pytest.mark.slow
def test_a_pipeline_fails_in_part_and_its_fix_leaves_wrong_labels_alone() -> None:
    with laboratory() as lab:
        figure = truth(lab, [named("clinic"), named("rentals")])
    assert figure.holds, figure.notes


@pytest.mark.parametrize(
    "text",
    [
        "Sales that are void do not count.",
        "Leave out rows whose state is void.",
        "Only rows with state 'ok'.",
    ],
)
def test_models_understand_an_idea_in_several_wordings(text: str) -> None:
    shop = named("shop")
    row = next(row for row in shop.rows if row.kind == "void")
    ask = _asked(f"Write SQL. {text}\n{row.key}")
    assert "void" in shop.answer(ask).text
    assert "void" not in shop.answer(_asked(f"Write SQL. SQL only.\n{row.key}")).text


def _asked(text: str) -> Ask:
    return Ask((Turn("user", text),), model="m", temperature=0.0)


def test_every_idea_must_be_there() -> None:
    assert asks("Refunds take two weeks", "refund", "14|two weeks")
    assert not asks("Refunds are slow", "refund", "14|two weeks")


def finding(case: str, step: str, sure: float, evidence: str = "so it is") -> Finding:
    return Finding(
        nodeid=f"t[{case}]",
        case_id=case,
        pipeline="p",
        step=step,
        category="content",
        level="prompt",
        confidence=sure,
        evidence=evidence,
    )


def test_rows_count_steps_sureness_and_doubted_labels() -> None:
    clinic = named("clinic")
    train = [case["id"] for case in clinic.cases()["train"]]
    wrong = sorted(clinic.wrong_ids() & set(train))
    right = [case for case in train if case not in wrong][:4]
    findings = [
        finding(right[0], "rate", 0.9),
        finding(right[1], "rate", 0.9),
        finding(right[2], "summarize", 0.9),
        finding(right[3], "summarize", 0.3, "the label may be wrong"),
        finding(wrong[0], "", 0.9, "The label may be wrong: a near case has another"),
    ]
    clusters = [
        Cluster(
            id=f"k{number}",
            label="",
            pipeline="p",
            step=each.step,
            category="content",
            level="prompt",
            confidence=each.confidence,
            findings=[each],
        )
        for number, each in enumerate(findings)
    ]
    found = Diagnosed(clinic, Diagnosis(findings=findings, clusters=clusters), "", 0)
    step, level = diagnosis([found])
    assert (step.result, level.result) == ("0 of 1 (0.0 %)", "1 of 1 (100.0 %)")
    (sure,) = calibration([found])
    assert sure.result.startswith("3 of 4")
    pointed, accused = labels([found])
    assert pointed.result.startswith(f"1 of {len(wrong)}")
    assert accused.result.startswith("1 of")


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(check=False, quick=True, only="none") == 2
    assert "truth, diagnosis" in capsys.readouterr().out
