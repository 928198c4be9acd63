"""Labels belong to the item's own source: whatever other tests say of the same ids, nothing changes."""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.handmade import prompt_file
from support.ready_pytest import run_pytest

from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.loop.train_evidence import cluster_cases
from pytest_fapo.propose.playbook.prompt_evidence import PromptEvidence
from pytest_fapo.review.leakage.case_corpus import CaseCorpus
from pytest_fapo.views.html.report_data import ReportData, case_rows

TOPICS = ("meals", "room", "invoice")
GUESTS = ("Ada", "Bo", "Cyd", "Dee", "Eli")
NOTES = [
    (f"n{number}", f"{guest} writes about the {topic}, day {number}.", topic, guest)
    for number, (topic, guest) in enumerate(itertools.product(TOPICS, GUESTS), start=1)
]

DESK = """
import httpx

def ask(prompt, note):
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": note}]
    answer = httpx.post("https://x.test/v1/chat/completions", json={"model": "m", "messages": messages})
    return answer.json()["choices"][0]["message"]["content"]

def sort_note(note):
    return ask("Which topic?", note)

def find_guest(note):
    return ask("Which guest?", note)

def handle(note):
    return {"topic": sort_note(note), "guest": find_guest(note)}
"""

STAND_IN = """
def reply(request):
    prompt, note = (message["content"] for message in request.messages)
    if "topic" in prompt:
        return f"It is about the {note.split('the ')[1].split(',')[0]}."
    return "Ada" if "room" in note else note.split()[0]
"""

TESTS = """
import pytest_fapo as fapo

@fapo.cases("topics.csv", inputs=["note"], expected="topic", split="train")
def test_topic(case, run):
    assert run.output["topic"] == case.expected

@fapo.cases("guests.jsonl")
def test_guest(case, run):
    assert run.output["guest"] == case.expected

@fapo.cases("topics.csv", inputs=["note"], split="train")
def test_polite(run):
    assert "please" in run.output["topic"]
"""

CONFTEST = """
import json, pathlib, pytest, desk

@pytest.fixture(scope="session")
def pipeline():
    return desk.handle

def pytest_fapo_item(record):
    with pathlib.Path("records.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\\n")
"""

SETTINGS = """
[tool.fapo]
steps = ["desk:sort_note", "desk:find_guest"]
[tool.fapo.offline]
model = "stand_in:reply"
"""


def _write(root: Path) -> None:
    files = {"desk.py": DESK, "stand_in.py": STAND_IN, "test_notes.py": TESTS, "conftest.py": CONFTEST}
    for name, text in (files | {"pyproject.toml": SETTINGS}).items():
        (root / name).write_text(text)
    with (root / "topics.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "note", "topic"), *(note[:3] for note in NOTES)])
    rows = [
        {"id": name, "inputs": {"note": note}, "expected": guest, "split": "train"}
        for name, note, _, guest in NOTES
    ]
    held = [{**rows[0], "id": split, "split": split} for split in ("val", "holdout")]
    (root / "guests.jsonl").write_text("\n".join(map(json.dumps, [*rows, *held])))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    root = tmp_path_factory.mktemp("notes")
    _write(root)
    keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
    environment = {name: value for name, value in os.environ.items() if name not in keys}
    run = run_pytest(["-q"], cwd=root, environment=environment, timeout=60)
    assert run.code == 1, run.text
    return [json.loads(line) for line in (root / "records.jsonl").read_text().splitlines()]


def _evaluation(records: Iterable[dict[str, Any]], *tests: str) -> Evaluation:
    """The items of some tests, in the order in which these are named."""
    evaluation = Evaluation()
    listed = list(records)
    for test in tests:
        for record in listed:
            if record["item"]["test"].endswith(test):
                evaluation.take(record)
    for record in listed:  # a run's trace comes with whichever of its items was first
        if record["trace"] and record["item"]["trace_id"] not in evaluation.traces:
            whole = Evaluation()
            whole.take(record)
            evaluation.traces.update(whole.traces)
    return evaluation


def _clusters(evaluation: Evaluation, test: str) -> list[Cluster]:
    found = diagnose(evaluation, artifacts=[]).clusters
    return [cluster for cluster in found if all(test in nodeid for nodeid in cluster.nodeids)]


def _orders() -> Iterator[tuple[str, ...]]:
    names = ("test_topic", "test_guest", "test_polite")
    for size in (2, 3):
        yield from itertools.permutations(names, size)


@pytest.mark.parametrize("tests", list(_orders()), ids="-".join)
def test_each_test_is_diagnosed_as_if_it_were_alone(
    records: list[dict[str, Any]], tests: tuple[str, ...]
) -> None:
    together = _evaluation(records, *tests)
    for test in tests:
        alone = _clusters(_evaluation(records, test), test)
        assert alone
        found = _clusters(together, test)
        assert [cluster.findings for cluster in found] == [cluster.findings for cluster in alone]
        assert [cluster.label for cluster in found] == [cluster.label for cluster in alone]


def test_the_steps_at_fault_are_those_that_the_labels_name(records: list[dict[str, Any]]) -> None:
    evaluation = _evaluation(records, "test_topic", "test_guest", "test_polite")
    for test, step in (("test_topic", "sort_note"), ("test_guest", "find_guest")):
        assert {cluster.step for cluster in _clusters(evaluation, test)} == {step}


def test_proposers_see_the_labels_of_the_clusters_own_source(records: list[dict[str, Any]]) -> None:
    evaluation = _evaluation(records, "test_polite", "test_guest", "test_topic")
    for test, labels in (("test_topic", set(TOPICS)), ("test_guest", set(GUESTS))):
        cluster = _clusters(evaluation, test)[0]
        cases = cluster_cases(evaluation, cluster)
        assert {item.case.expected for item in cases} == labels
        prompt = prompt_file("prompt.md", "Which?")
        view = PromptEvidence(Evidence(cluster=cluster, cases=cases, artifacts=[prompt]), prompt)
        assert {view.expected(seen, "") for seen in view.seen} == labels
        assert len(view.seen) == len(NOTES)


def test_a_reports_case_shows_what_each_test_says_of_it(records: list[dict[str, Any]]) -> None:
    for tests in (("test_topic", "test_guest", "test_polite"), ("test_polite", "test_guest", "test_topic")):
        rows = case_rows(ReportData(title="", kind="plain", after=_evaluation(records, *tests)))
        row = next(row for row in rows if row.case.id == "n7")
        assert row.labels(lambda case: case.expected) == {"test_topic": "room", "test_guest": "Bo"}
    rows = case_rows(
        ReportData(title="", kind="plain", after=_evaluation(records, "test_polite", "test_topic"))
    )
    assert {row.labels(lambda case: case.expected) for row in rows} == set(TOPICS)


def test_the_leak_check_knows_all_labels_of_a_case_and_keeps_their_kinds_apart() -> None:
    def case(number: int, expected: Any, label_set: str) -> Case:
        return Case(id=f"c{number}", inputs=f"mail {number}", expected=expected, label_set=label_set)

    kinds = [case(number, ("spam", "ham")[number % 2], "kinds") for number in range(60)]
    answers = [case(number, f"zanzibar{number} quota", "answers") for number in range(20)]
    bare = [case(number, None, "bare") for number in range(60)]
    for cases in itertools.permutations([kinds, answers, bare]):
        corpus = CaseCorpus([each for group in cases for each in group])
        assert len(corpus.cases) == 60
        assert corpus.labels == {("spam",), ("ham",)}  # as many equal kinds make no label of an answer
        assert {field.value for field in corpus.expected} == {
            "spam",
            "ham",
            *(f"zanzibar{number} quota" for number in range(20)),
        }
