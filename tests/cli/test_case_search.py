"""`fapo init` finds every case file that fits the pipeline, and writes tests that a right answer passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.cli.init.case_search import CaseFile, find_case_files, make_tests
from pytest_fapo.cli.init.init_command import Project
from pytest_fapo.cli.init.pipeline_choice import PipelineChoice

ASK = "from openai import OpenAI\ndef ask(x): return OpenAI().responses.create(input=x).output_text\n"

DICT = "def answer(ticket): return {'kind': ask(ticket), 'product': ask(ticket), 'reply': ask(ticket)}\n"

OPEN = "def answer(ticket): return {**ask(ticket), 'reply': ask(ticket)}\n"

TEXT = "def answer(ticket) -> str: return ask(ticket)\n"

ROWS = [("I paid twice", "billing"), ("It is late", "delivery"), ("It broke", "other")] * 3


def choice_for(root: Path, pipeline: str) -> PipelineChoice:
    (root / "app.py").write_text(ASK + pipeline)
    return next(each for each in Project(root).candidates if each.label == "answer")


def found_in(root: Path, pipeline: str = DICT) -> tuple[list[CaseFile], list[str], PipelineChoice]:
    choice = choice_for(root, pipeline)
    return (*find_case_files(root, Project(root).paths, choice), choice)


def csv(*columns: str) -> str:
    return f"{','.join(columns)}\n" + "".join(
        f"{n},{text} {n},{kind}\n" for n, (text, kind) in enumerate(ROWS)
    )


def jsonl(**row: Any) -> str:
    rows = ({"id": f"r{n}", **row, "inputs": {"ticket": f"{text} {n}"}} for n, (text, _) in enumerate(ROWS))
    return "".join(json.dumps(each) + "\n" for each in rows)


def test_every_file_is_found_with_the_columns_that_fit(tmp_path: Path) -> None:
    for folder in ("data", "evals", "deep/er"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data" / "tickets.csv").write_text(csv("id", "ticket", "kind"))
    (tmp_path / "data" / "foreign.csv").write_text(csv("number", "text", "label"))
    (tmp_path / "evals" / "fields.jsonl").write_text(jsonl(expected={"product": "Ledger"}))
    (tmp_path / "top.json").write_text(
        json.dumps([{"ticket": f"{n}", "kind": "x", "product": "y"} for n in range(9)])
    )
    (tmp_path / "deep" / "er" / "edge.yaml").write_text(
        "- {id: a, inputs: {ticket: hello}, expected: {kind: other}}\n"
    )
    (tmp_path / "package.json").write_text('{"name": "x"}')
    found, unfit, _ = found_in(tmp_path)
    assert unfit == []
    assert {file.decorator for file in found} == {
        '@fapo.cases("data/tickets.csv", inputs=["ticket"], expected="kind")',
        '@fapo.cases("data/foreign.csv", inputs={"ticket": "text"}, expected="label")',
        '@fapo.cases("evals/fields.jsonl")',
        '@fapo.cases("top.json", inputs=["ticket"], expected=["kind", "product"])',
        '@fapo.cases("deep/er/edge.yaml", split="train")',
    }
    assert [len(file.cases) for file in found] == [9, 9, 9, 9, 1]


def test_inputs_that_the_pipeline_does_not_take_are_left_out(tmp_path: Path) -> None:
    rows = [{"id": f"{n}", "inputs": {"ticket": f"{n}", "from": "x"}, "expected": "y"} for n in range(9)]
    (tmp_path / "cases.json").write_text(json.dumps(rows))
    [file], _, _ = found_in(tmp_path)
    assert file.decorator == '@fapo.cases("cases.json", inputs=["inputs.ticket"], expected="expected")'
    assert file.cases[0].inputs == {"ticket": "0"}
    [file], _, _ = found_in(tmp_path, "def answer(ticket, **more): return ask(ticket)\n")
    assert file.decorator == '@fapo.cases("cases.json")'


def test_files_that_are_called_like_cases_and_do_not_fit_are_told(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("foo,bar,baz\n" + "1,2,3\n" * 5)
    (tmp_path / "gold.jsonl").write_text('{"inputs": {"ticket": "x"}\n')
    (tmp_path / "settings.json").write_text('[{"foo": 1}, {"foo": 2}, {"foo": 3}]')
    found, unfit, _ = found_in(tmp_path)
    assert found == []
    assert [line.partition(":")[0] for line in unfit] == ["cases.csv", "gold.jsonl"]
    assert "foo, bar, baz" in unfit[0]


def test_columns_that_could_be_anything_are_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "pairs.json").write_text(json.dumps([{"foo": "a", "bar": "b"}] * 9))
    assert found_in(tmp_path)[0] == []


def test_files_of_one_name_get_tests_of_their_own(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "cases.csv").write_text(csv("id", "ticket", "kind"))
    files, _, choice = found_in(tmp_path)
    source, _ = make_tests(files, choice)
    assert "def test_answer_one_cases_csv(" in source
    assert "def test_answer_two_cases_csv(" in source


def test_files_named_for_splits_are_these_splits(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.csv").write_text(csv("id", "ticket", "kind"))
    found, _, _ = found_in(tmp_path)
    assert {file.path: file.source.split for file in found} == {
        "train.csv": "train",
        "dev.csv": "val",
        "test.csv": "holdout",
    }
    (tmp_path / "train.csv").unlink()
    (tmp_path / "test.csv").unlink()
    [file], _, _ = found_in(tmp_path)
    assert file.source.split is None  # or nothing would be left to learn from
    assert len({case.split for case in file.cases}) == 3


FORMS: dict[str, tuple[str, Any, list[Any], list[Any]]] = {
    # pipeline, label, outputs that are right, outputs that are wrong
    "a text": (TEXT, "billing", ["billing"], ["The team is billing."]),
    "a dict, key by key": (DICT, {"kind": "a"}, [{"kind": "a", "reply": "x"}], [{"kind": "b", "reply": "x"}]),
    "JSON in a text": (TEXT, {"kind": "a"}, ['{"kind": "a", "more": 1}'], ['{"kind": "b"}']),
    "a number of a text": (TEXT, 4, ["4", " 4\n"], ["5"]),
    "one of several texts": (TEXT, ["billing", "refund"], ["refund"], ["other"]),
    "a part of a dict": (DICT, {"kind": "a", "note": 1}, [{"kind": "a"}], [{"kind": "b"}]),
    "what is asked of a text": (DICT, {"max_words": 3}, [{"reply": "a"}], [{}]),
    "a dict of more than is spelled out": (OPEN, {"kind": "a"}, [{"kind": "a"}], [{"kind": "b"}]),
    "promptfoo's assertions": (TEXT, [{"type": "contains", "value": "a"}], ["a"], [""]),
    "a key that the file is called by": (DICT, "billing", [{"kind": "billing"}], [{"kind": "other"}]),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_right_answer_passes_and_a_wrong_one_fails(tmp_path: Path, name: str) -> None:
    pipeline, label, right, wrong = FORMS[name]
    (tmp_path / "kind.jsonl").write_text(jsonl(expected=label))
    files, _, choice = found_in(tmp_path, pipeline)
    source, _ = make_tests(files, choice)
    names: dict[str, Any] = {}
    exec(compile(source, "test_it.py", "exec"), names)
    for output in right:
        names["test_answer"](_Case(label), _Run(output))
    for output in wrong:
        with pytest.raises(AssertionError):
            names["test_answer"](_Case(label), _Run(output))


def test_free_texts_are_graded(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"{n}",
            "inputs": {"ticket": f"{n}"},
            "expected": f"It comes from a very old book, number {n}.",
        }
        for n in range(9)
    ]
    (tmp_path / "gold.json").write_text(json.dumps(rows))
    files, _, choice = found_in(tmp_path, TEXT)
    source, notes = make_tests(files, choice)
    assert notes == ["gold.json has free texts as labels: they are graded, not compared"]
    names: dict[str, Any] = {}
    exec(compile(source, "test_it.py", "exec"), names)
    run = _Run("It comes from an old book")
    names["test_answer"](_Case("It comes from a very old book"), run)
    assert 0.5 < run.scores["words_shared"] < 1.0
    names["test_answer"](_Case("No match"), run)
    assert run.scores["words_shared"] == 0.0


def test_a_guess_of_the_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "gold.jsonl").write_text(jsonl(expected="billing"))
    files, _, choice = found_in(tmp_path)
    source, notes = make_tests(files, choice)
    assert 'assert run.output["kind"] == case.expected' in source
    assert notes == ["the labels of gold.jsonl are compared with 'kind', one of kind, product, reply"]


class _Case:
    def __init__(self, expected: Any) -> None:
        self.expected = expected


class _Run:
    def __init__(self, output: Any) -> None:
        self.output = output
        self.scores: dict[str, float] = {}

    def score(self, name: str, value: float) -> None:
        self.scores[name] = value
