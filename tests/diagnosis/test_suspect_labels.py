"""Labels that more than the answer contradicts are said to be perhaps wrong, and drive no rule."""

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


def lookup(bench: Bench, question: str, passage: str, label: Any, said: Any) -> str:
    words = "" if said == label else unequal(said, label)
    steps = [span("search", [passage]), span("answer", prompt=f"{passage}\n\n{question}", answer=said)]
    return bench.run({"question": question}, label, steps, said, explanation=words)


def lookups(bench: Bench) -> None:
    for number, town in enumerate(("Oslo", "Lima", "Accra", "Hanoi", "Quito", "Riga")):
        lookup(
            bench, f"When does {town} open?", f"{town} opens at {number}:15.", f"{number}:15", f"{number}:15"
        )


def test_a_label_that_was_not_given_is_doubted_where_the_answer_was() -> None:
    bench = Bench()
    lookups(bench)
    wrong = lookup(bench, "When does Bonn open?", "Bonn opens at 9:45.", "11:30", "9:45")
    lookup(bench, "When does Turin open?", "Lyon opens at 8:05.", "7:50", "8:05")  # of another town
    lookup(bench, "When does Sofia open?", "Sofia is large.", "6:40", "I do not know")
    (suspect,) = diagnosed(bench).suspects
    assert suspect.nodeid == wrong
    assert "'Bonn opens at 9:45.'" in suspect.evidence


def test_labels_that_are_mostly_not_given_are_no_suspects() -> None:
    """Where many cases look so, what the pipeline was given is the cause."""
    bench = Bench()
    lookups(bench)
    for number, town in enumerate(("Bonn", "Turin", "Sofia", "Ghent")):
        lookup(
            bench, f"When does {town} open?", f"{town} opens at {number}:55.", f"2{number}:10", f"{number}:55"
        )
    assert diagnosed(bench).suspects == []


PARTS = {"genes": "genetics", "lakes": "ecology", "rain": "climate", "tests": "statistics"}


def paper(bench: Bench, parts: tuple[str, ...], label: list[str], said: list[str]) -> str:
    text = f"A study of {' and of '.join(parts)}"
    words = "" if said == label else unequal(said, label)
    steps = [span("tag", said, prompt=text, answer=", ".join(said))]
    return bench.run({"text": text}, label, steps, said, explanation=words)


def test_a_word_that_goes_with_another_label_everywhere_else_is_a_sign() -> None:
    bench = Bench()
    pairs = [(one, other) for one in PARTS for other in PARTS if one < other] * 3
    for parts in pairs:
        tags = [PARTS[part] for part in parts]
        paper(bench, parts, tags, tags)
    of_answer = paper(bench, ("genes",), ["ecology"], ["genetics"])
    of_words = paper(bench, ("lakes", "tests"), ["climate", "ecology"], ["ecology"])
    found = {suspect.nodeid: suspect.evidence for suspect in diagnosed(bench).suspects}
    assert found.keys() == {of_answer, of_words}
    assert "all 9 other cases with 'genes' in their input have \"genetics\"" in found[of_answer]
    assert "have 'rain', which is not in this one" in found[of_words]


def test_labels_of_two_cases_that_have_changed_places_are_doubted() -> None:
    bench = Bench()
    for name, said in (("Ana", "Ana"), ("Bo", "Bo"), ("Chen", "Chen"), ("Dora", "Emil"), ("Emil", "Dora")):
        words = "" if said == name else unequal(said, name)
        text = f"{'Regards' if len(name) % 2 else 'Yours'}, {said} wrote this letter"
        bench.run({"mail": text}, name, [span("sign", prompt=text, answer=said)], said, explanation=words)
    for number in range(8):
        name = f"Fay{number}"
        bench.run({"mail": f"I am {name}"}, name, [span("sign", prompt=name, answer=name)], name)
    found = diagnosed(bench).suspects
    assert {suspect.expected for suspect in found} == {"Dora", "Emil"}


def test_a_label_written_like_no_other_is_doubted() -> None:
    bench = Bench()
    for month in range(1, 8):
        day = f"2031-0{month}-11"
        bench.run({"text": f"due {day}"}, day, [span("date", prompt=day, answer=day)], day)
    steps = [span("date", prompt="due on the day of labor", answer="2031-05-01")]
    words = unequal("2031-05-01", "1 May 2031")
    bench.run({"text": "due on the day of labor"}, "1 May 2031", steps, "2031-05-01", explanation=words)
    (suspect,) = diagnosed(bench).suspects
    assert "is written otherwise than 7 labels that pass" in suspect.evidence


def test_a_label_that_only_doubted_cases_have_is_doubted_as_well() -> None:
    bench = Bench()
    lookups(bench)
    for town in ("Bonn", "Turin"):
        lookup(bench, f"When does {town} open?", f"{town} opens at 9:45.", "11:30", "9:45")
    silent = lookup(bench, "When does Sofia open?", "Sofia is large.", "11:30", "I do not know")
    for number, town in enumerate(("Perth", "Malmo", "Turku", "Ghent", "Porto")):
        lookup(
            bench, f"When does {town} open?", f"{town} opens at {number}:25.", f"{number}:25", f"{number}:25"
        )
    found = {suspect.nodeid: suspect for suspect in diagnosed(bench).suspects}
    assert len(found) == 3
    assert "as in 2 cases whose label is doubted" in found[silent].evidence


def test_a_label_that_its_own_input_says_is_no_suspect_of_its_neighbors() -> None:
    bench = Bench()
    races = ["10 km", "10 km", "10 km", "half marathon", "10 km", "10 km", "10 km", "10 km"]
    for number, race in enumerate(races):
        text = f"I am runner {700 + number} and I train for the {race}; my shoes are new and it rains"
        said = race if number % 4 == 0 else "not told"
        mail(bench, text, race, said)
    assert diagnosed(bench).suspects == []
