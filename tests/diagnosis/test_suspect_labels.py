"""Labels that near-identical cases contradict are said to be perhaps wrong, and drive no rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.handmade import Bench, span, unequal

from pytest_fapo.core.diagnosis import Diagnosis
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.settings import Settings
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.loop.search_state import BestTree
from pytest_fapo.loop.train_evidence import make_evidence
from pytest_fapo.source.artifact_store import ArtifactStore

TEXTS = {
    "billing": "the invoice of last month shows an amount that I have never agreed to pay",
    "delivery": "the parcel that I ordered two weeks ago has not come to my door yet",
    "returns": "how do I send back the shoes that turned out to be too small for me",
}


def mail(bench: Bench, text: str, label: Any, said: Any, **case: Any) -> str:
    words = "" if said == label else unequal(said, label)
    steps = [span("sort", prompt=f"Sort: {text}", answer=said)]
    return bench.run({"mail": text}, {"team": label}, steps, {"team": said}, explanation=words, **case)


def mails(bench: Bench) -> None:
    """Four mails of each kind, which say nearly the same."""
    for label, text in TEXTS.items():
        for greeting in ("hello", "good morning", "dear team", "hi there"):
            mail(bench, f"{greeting}, {text}", label, label)


def diagnosed(bench: Bench) -> Diagnosis:
    return diagnose(bench.evaluation, artifacts=[])


def test_a_label_that_near_identical_cases_contradict_is_doubted_with_the_pair() -> None:
    bench = Bench()
    mails(bench)
    nodeid = mail(bench, f"hey, {TEXTS['billing']}", "delivery", "billing")
    found = diagnosed(bench)
    (suspect,) = found.suspects
    assert suspect.nodeid == nodeid
    assert suspect.category == "mislabeled"
    assert "the label may be wrong" in suspect.evidence
    beside = next(case for case in bench.evaluation.cases.values() if case.id == suspect.beside)
    assert beside.expected == {"team": "billing"}
    assert found.clusters == []


def test_two_labels_of_one_input_are_doubted_where_one_fails() -> None:
    bench = Bench()
    mails(bench)
    mail(bench, "What is the matter with order 7?", "delivery", "delivery")
    nodeid = mail(bench, "what is the matter with order 7", "returns", "delivery")
    assert [suspect.nodeid for suspect in diagnosed(bench).suspects] == [nodeid]


def test_a_failing_case_that_its_neighbors_do_not_contradict_is_a_cause_as_ever() -> None:
    bench = Bench()
    mails(bench)
    mail(bench, f"hey, {TEXTS['billing']}", "billing", "delivery")
    mail(bench, "the shop is closed on Sundays, is it not", "delivery", "billing")
    found = diagnosed(bench)
    assert found.suspects == []
    assert sum(len(cluster.findings) for cluster in found.clusters) == 2


def test_a_wrong_answer_does_not_turn_labels_that_agree_into_suspects() -> None:
    """All of one kind fail: that is a cause, whatever the cases near them are."""
    bench = Bench()
    for label, text in TEXTS.items():
        for greeting in ("hello", "good morning", "dear team", "hi there"):
            said = "delivery" if label == "returns" else label
            mail(bench, f"{greeting}, {text}", label, said)
    found = diagnosed(bench)
    assert found.suspects == []
    assert [(each.step, len(each.findings)) for each in found.clusters] == [("sort", 4)]


def test_a_doubtful_label_lowers_the_ceiling_and_is_no_evidence() -> None:
    bench = Bench()
    mails(bench)
    doubtful = mail(bench, f"hey, {TEXTS['billing']}", "delivery", "billing")
    wrong = mail(bench, "the shop is closed on Sundays, is it not", "delivery", "billing")
    found = diagnosed(bench)
    assert [suspect.nodeid for suspect in found.suspects] == [doubtful]
    assert found.ceilings["prompt"] == 13 / 14
    (cluster,) = found.clusters
    assert cluster.nodeids == [wrong]
    evidence = shown_to_proposers(bench, found)
    assert doubtful not in evidence
    assert wrong in evidence


def shown_to_proposers(bench: Bench, found: Diagnosis) -> list[str]:
    evidence = make_evidence(
        found.clusters[0],
        best=BestTree(bench.evaluation),
        level="prompt",
        diagnosis=found,
        attempts=[],
        store=ArtifactStore(Path.cwd(), Scope()),
        settings=Settings(),
    )
    return [case.nodeid for case in evidence.cases]


def test_inputs_that_differ_in_a_number_alone_tell_nothing_of_each_others_labels() -> None:
    bench = Bench()
    for number in range(9):
        label = "C" if number < 7 else "A"
        steps = [span("grade", prompt=f"essay {number}", answer="C")]
        words = "" if label == "C" else unequal("C", label)
        bench.run({"essay": f"essay {number} by a pupil"}, label, steps, "C", explanation=words)
    assert diagnosed(bench).suspects == []


def test_a_word_that_goes_with_the_label_elsewhere_explains_it() -> None:
    """All gold customers are labeled so: that is a rule that the pipeline does not know, not a slip."""
    bench = Bench()
    text = "my last order came without the charger that it should have come with"
    for number, kind in enumerate(["plain", "plain", "plain", "gold"] * 4):
        label = "high" if kind == "gold" else "normal"
        steps = [span("rank", prompt=f"p{number}", answer="normal")]
        words = "" if label == "normal" else unequal("normal", label)
        inputs = {"mail": f"{text}, says number {number}", "customer": kind}
        bench.run(inputs, {"rank": label}, steps, {"rank": "normal"}, explanation=words)
    found = diagnosed(bench)
    assert found.suspects == []
    assert [(each.step, len(each.findings)) for each in found.clusters] == [("rank", 4)]
