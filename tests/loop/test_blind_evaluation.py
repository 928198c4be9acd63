"""Changed code makes its outputs where no label is; the tests judge them where the code is not."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO

import pytest

from benchmarks._trust_run import FILES, HONEST, TrustRun, name_of, trust_run
from pytest_fapo.loop.blind_evaluation import _divided, changes_code
from pytest_fapo.loop.candidate_cage import missing_locks
from pytest_fapo.loop.reviewed_change import ReviewedChange
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_history import RunHistory
from pytest_fapo.loop.run_result import load_result
from pytest_fapo.shadow.evaluation_request import EvaluationStage
from pytest_fapo.views.change_screen import show_change
from pytest_fapo.views.terminal import Terminal

needs_locks = pytest.mark.skipif(bool(missing_locks()), reason=f"no {', '.join(missing_locks())} here")

RECORD = """import sqlite3
from dataclasses import dataclass

TABLE = sqlite3.connect(":memory:")


@dataclass
class Answer:
    team: str
    ticket: str

    def __post_init__(self):
        TABLE.execute("select 1")  # fails in another thread than the first


"""

READING = {
    "reads the cases": """
def handle(ticket):
    import json

    for line in open("cases.jsonl"):
        case = json.loads(line)
        if case["inputs"]["ticket"] == ticket:
            return {"team": case["expected"]["team"], "ticket": ticket}
""".lstrip()
}

CALLING = FILES["test_teams.py"].replace("run)", "pipeline)").replace("run.output", "pipeline(**case.inputs)")
"""The test calls the pipeline itself."""


ENDING = {
    "lies of a budget": """
def handle(ticket):
    from pytest_fapo.shadow import producer_child

    said = {"class": "pytest_fapo.core.errors:BudgetExceeded", "args": ["x"], "state": {}, "text": "x"}
    producer_child._produced = lambda *_: {"error": said}
""".lstrip(),
    "answers in brackets": """
def handle(ticket):
    from pytest_fapo.core import line_sockets

    line_sockets.json.dumps = lambda value: "[" * 100_000 + "]" * 100_000
""".lstrip(),
    "asks a model elsewhere": """
def handle(ticket):
    import openai

    client = openai.OpenAI(api_key="x", base_url="http://127.0.0.1:{port}/v1", max_retries=0)
    return {"team": client.responses.create(model="m", input=ticket), "ticket": ticket}
""".lstrip(),
    "honest": HONEST,
}


def accepted(run: TrustRun) -> list[str]:
    return [name_of(each) for each in run.judged() if each["verdict"]["accepted"]]


@pytest.mark.slow
@needs_locks
def test_code_that_reads_the_cases_finds_none_where_its_outputs_are_made() -> None:
    """The same code reads them where a test calls it: the attempt is a real one, and how many do is told."""
    with trust_run(READING, "off") as run:
        assert accepted(run) == []
        assert run.effects == []
        assert "REVIEW IS OFF" in run.text
        assert "Review      OFF: what fits the scope was run without being read" in run.text
        assert "changed code makes its outputs without labels for 60 of 60 tests on cases" in run.text
    with trust_run(READING, "off", {"test_teams.py": CALLING}) as run:
        assert accepted(run) == ["reads the cases"]
        assert "0 of 60 tests on cases; 60 run it beside their labels: they call it themselves" in run.text
        assert "outputs made without labels in 0 of 60 tests" in run.text


@pytest.mark.slow
@needs_locks
def test_no_candidate_s_code_ends_the_run_of_the_others() -> None:
    """Not by an error that only the plugin raises, by what no reader reads, or by asking where nobody may."""
    with trust_run(ENDING, "off") as run:
        assert [name_of(each) for each in run.judged()] == list(ENDING), run.text
        assert accepted(run) == ["honest"]
        assert run.effects == []


@pytest.mark.slow
@needs_locks
def test_an_honest_edit_is_accepted_and_told_of() -> None:
    outputs: Mapping[str, str] = {
        "app/pipeline.py": RECORD
        + FILES["app/pipeline.py"].replace('{"team": team, "ticket": ticket}', "Answer(team, ticket)"),
        "test_teams.py": FILES["test_teams.py"].replace('run.output["team"]', "run.output.team"),
    }
    honest = HONEST.replace('{"team": team, "ticket": ticket}', "Answer(team, ticket)")
    with trust_run({"honest": honest}, "on", outputs) as run:
        assert accepted(run) == ["honest"], run.text
        assert "outputs made without labels in 60 of 60 tests" in run.text
        assert "invoice" in (run.root / "app/pipeline.py").read_text()
        (folder,) = (run.root / ".fapo/runs").iterdir()
        (change,) = load_result(RunFolder(folder)).edits
        (idea,) = RunHistory(RunFolder(folder)).ideas(change)
        assert idea.reason.endswith("(outputs made without labels in 60 of 60 tests)")
        shown = StringIO()
        waiting = ReviewedChange(address=change.address, files=[], ideas=[idea])
        show_change(waiting, Terminal(shown), None, number=1, total=1)
        assert "Blind     outputs made without labels in 60 of 60 tests" in shown.getvalue()


def test_texts_and_numbers_are_no_code() -> None:
    before = b'PROMPT = "a"\nK = 3\ndef f():\n    return PROMPT * K\n'
    assert not changes_code(before, before.replace(b'"a"', b'"b"').replace(b"3", b"5"))
    assert not changes_code(before, b"# a comment\n" + before)
    assert changes_code(before, before.replace(b"*", b"+"))
    assert changes_code(before, before + b"import os\n")
    assert changes_code(b"", b"import os\n")
    assert changes_code(before, b"def f(:\n")


def test_held_out_cases_come_last_and_every_test_in_one_run() -> None:
    stages = [
        EvaluationStage(name="targeted", nodeids=["t0", "t1"], min_passed=1),
        EvaluationStage(name="suite", nodeids=["u0"], protected=["u0"]),
        EvaluationStage(name="held-out", nodeids=None),
    ]
    known = ["t0", "t1", "u0", "h0", "h1"]
    parts = list(_divided(stages, {"t0", "h0"}, known))
    told = [
        (part.blind, [(stage.name, stage.nodeids, stage.min_passed) for stage in part.stages])
        for part in parts
    ]
    assert told == [
        (True, [("targeted", ["t0"], 0)]),
        (False, [("targeted", ["t1"], 0), ("suite", ["u0"], 0)]),
        (True, [("held-out", ["h0"], 0)]),
        (False, [("held-out", None, 0)]),
    ]
    assert set(parts[-1].left_out) == {"t0", "t1", "u0", "h0"}
    alone = list(_divided(stages[:1], {"t0", "t1"}, known))
    assert [(part.blind, part.stages) for part in alone] == [(True, stages[:1])]
