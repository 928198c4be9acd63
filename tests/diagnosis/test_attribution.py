"""Rules that hold for pipelines of any shape: parameters of any name, steps with a model that lose a value,
and code that makes the wrong thing of a right answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from support.handmade import Bench, artifacts_of, span, unequal

from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.diagnosis import Cluster, Finding
from pytest_fapo.diagnosis.artifact_links import reads
from pytest_fapo.diagnosis.attribution import diagnose


def function(name: str, source: str) -> Artifact:
    address = f"app/flow.py::{name}"
    return Artifact(
        address=address, kind="function", level="structure", path="app/flow.py", name=name, text=source
    )


def param(name: str, value: Any) -> Artifact:
    address = f"app/settings.py::{name}"
    return Artifact(
        address=address,
        kind="param",
        level="param",
        path="app/settings.py",
        name=name,
        text=json.dumps(value),
    )


def only_cluster(bench: Bench, artifacts: Sequence[Artifact]) -> Cluster:
    (cluster,) = diagnose(bench.evaluation, artifacts=artifacts).clusters
    return cluster


def findings(bench: Bench) -> list[Finding]:
    return diagnose(bench.evaluation, artifacts=[]).findings


def archive() -> Bench:
    """Two of five questions whose passage is not found."""
    bench = Bench()
    for number in range(5):
        value, good = f"{number}00 crowns", number < 3
        notes = [f"it came to {value}" if good else "it rained", "more"]
        said = value if good else "unknown"
        steps = [
            span("find", notes, inputs={"q": number, "days": 30}),
            span("answer", prompt=f"Notes: {notes}", answer=said),
        ]
        words = "" if good else unequal(said, value)
        bench.run({"q": f"number {number}"}, {"a": value}, steps, {"a": said}, explanation=words)
    return bench


@pytest.mark.parametrize(
    ("source", "level"),
    [
        ("def find(q):\n    return [d for d in DOCS if d.age <= settings.MAX_AGE_DAYS]\n", "param"),
        ("def find(q):\n    return [d for d in DOCS if d.age <= config['MAX_AGE_DAYS']]\n", "param"),
        ("def find(q, limit=MAX_AGE_DAYS):\n    return DOCS.after(limit)\n", "param"),
        ("def find(q):\n    MAX_AGE_DAYS = 7\n    return DOCS.after(MAX_AGE_DAYS)\n", "structure"),
        ("def find(q):\n    return DOCS\n", "structure"),
    ],
)
def test_a_parameter_of_any_name_that_the_culprit_reads(source: str, level: str) -> None:
    scope = [param("MAX_AGE_DAYS", 30), function("find", source)]
    found = only_cluster(archive(), scope)
    assert (found.step, found.category, found.level) == ("find", "retrieval", level)


def test_a_parameter_that_is_handed_over_under_its_own_name_is_linked() -> None:
    bench = archive()
    scope = [param("DAYS", 30), param("HOURS", 30), param("days_ago", 9)]
    assert artifacts_of("find", "pipeline", bench.evaluation, scope) == ["app/settings.py::DAYS"]


def test_what_reads_a_parameter() -> None:
    assert reads("def f(x):\n    return cfg.get('search.days')\n", "days")
    assert not reads("def f(days):\n    return days\n", "days")
    assert reads("this is no Python but days", "days")


def relay(kept: str) -> Bench:
    """A model's step hands a shortened text to the next one; the last of the cases lost its quantity."""
    bench = Bench()
    for number in range(31, 36):
        good = number < 35
        mail, short = f"please {number} figs", f"ORDER {number} figs" if good else kept
        said = str(number) if good else "1"
        steps = [
            span("tidy", prompt=f"Tidy: {mail}", answer=short, inputs={"mail": mail}),
            span("read", prompt=f"Read: {short}", answer=said, inputs={"text": short}),
        ]
        words = "" if good else unequal(said, str(number))
        bench.run({"mail": mail}, {"n": str(number)}, steps, {"n": said}, explanation=words)
    return bench


def test_a_model_that_drops_a_value_does_not_retrieve() -> None:
    (found,) = findings(relay("ORDER figs"))
    assert (found.step, found.category, found.level) == ("tidy", "content", "prompt")


def test_a_model_that_keeps_the_value_is_not_to_blame() -> None:
    (found,) = findings(relay("ORDER of 35 figs"))
    assert found.step == "read"


def banded(cases: Sequence[tuple[str, str, str]], code: str = "band") -> Bench:
    """(the model's answer, what was made of it, what is right) of each case."""
    bench = Bench()
    for number, (said, made, right) in enumerate(cases):
        essay = f"essay {number} by a pupil"
        steps = [
            span("points", prompt=f"Points? {essay}", answer=said),
            span(code, made, inputs={"score": said}),
        ]
        words = "" if made == right else unequal(made, right)
        bench.run({"essay": essay}, {"band": right}, steps, {"band": made}, explanation=words)
    return bench


EDGES = [
    *[("50", "D", "C"), ("70", "C", "B")] * 3,
    *[(str(number), "C", "C") for number in (51, 55, 61)],
    *[(str(number), "B", "B") for number in (71, 72, 85)],
]


def test_code_that_makes_the_wrong_of_an_answer_that_settles_the_right() -> None:
    assert {(found.step, found.level) for found in findings(banded(EDGES))} == {("band", "structure")}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("50", "D", "D"), id="the same answer passes elsewhere"),
        pytest.param(("50", "D", "A"), id="the same answer should have given something else"),
    ],
)
def test_an_answer_that_does_not_settle_what_is_right_is_the_models_fault(
    other: tuple[str, str, str],
) -> None:
    assert {found.step for found in findings(banded([*EDGES, other]))} == {"points"}


def test_an_answer_in_a_form_that_never_passes_is_the_models_fault() -> None:
    cases = [(f"about {said}", made, right) if made != right else (said, made, right)
             for said, made, right in EDGES]  # fmt: skip
    cases += [(f"{number} of 100", "A", "A") for number in range(91, 97)]
    assert {found.step for found in findings(banded(cases))} == {"points"}


def test_a_parameter_in_the_code_that_makes_the_wrong_value() -> None:
    source = "def band(score):\n    return 'B' if score > settings.GOOD_FROM else 'C'\n"
    found = only_cluster(banded(EDGES), [param("GOOD_FROM", 70), function("band", source)])
    assert (found.step, found.level) == ("band", "param")


MEMORY = "def reply(talk):\n    return ask(talk[-settings.MEMORY:])\n"


def test_what_a_step_was_given_and_did_not_send_is_a_matter_of_its_code() -> None:
    bench = Bench()
    for number in range(41, 46):
        good = number < 45
        said = str(number) if good else "unknown"
        talk = [f"the code is {number}", "bye"]
        prompt = "\n".join(talk if good else talk[1:])
        steps = [span("reply", prompt=prompt, answer=said, inputs={"talk": talk})]
        words = "" if good else unequal(said, str(number))
        bench.run({"talk": talk}, {"n": str(number)}, steps, {"n": said}, explanation=words)
    found = only_cluster(bench, [param("MEMORY", 4), function("reply", MEMORY)])
    assert (found.step, found.level) == ("reply", "param")
    assert only_cluster(bench, [function("reply", MEMORY)]).level == "structure"


@pytest.mark.parametrize(("answer", "level"), [("2 1 3", "param"), ("2", "prompt")])
def test_a_list_that_is_cut_after_the_model_named_more(answer: str, level: str) -> None:
    bench = Bench()
    for number in range(41, 46):
        good = number < 45
        value = f"{number} crowns"
        notes = [f"it costs {value}", "it is red"]
        kept = notes[:1] if good else notes[1:]
        said = value if good else "unknown"
        steps = [
            span("rank", kept, prompt=f"Order: {notes}", answer=answer, inputs={"notes": notes}),
            span("reply", prompt=f"Notes: {kept}", answer=said, inputs={"notes": kept}),
        ]
        words = "" if good else unequal(said, value)
        bench.run({"q": "what"}, {"a": value}, steps, {"a": said}, explanation=words)
    source = "def rank(notes):\n    return order(notes)[: settings.KEEP]\n"
    found = only_cluster(bench, [param("KEEP", 1), function("rank", source)])
    assert (found.step, found.level) == ("rank", level)
