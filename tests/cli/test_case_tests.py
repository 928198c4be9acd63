"""`fapo init` finds every case file that fits the pipeline, and writes tests that a right answer passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.cli.init.case_tests import CaseFile, CaseTest, find_case_files, make_tests, module_of
from pytest_fapo.cli.init.first_run import FirstOutcome
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


def found_in(root: Path, pipeline: str = DICT) -> tuple[list[CaseFile], list[str]]:
    return find_case_files(root, Project(root).paths, {"pipeline": choice_for(root, pipeline)})


def written_tests(root: Path, pipeline: str = DICT) -> list[CaseTest]:
    return make_tests(found_in(root, pipeline)[0])


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
    found, unfit = found_in(tmp_path)
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
    [file], _ = found_in(tmp_path)
    assert file.decorator == '@fapo.cases("cases.json", inputs=["inputs.ticket"], expected="expected")'
    assert file.cases[0].inputs == {"ticket": "0"}
    [file], _ = found_in(tmp_path, "def answer(ticket, **more): return ask(ticket)\n")
    assert file.decorator == '@fapo.cases("cases.json")'


def test_files_that_are_called_like_cases_and_do_not_fit_are_told(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("foo,bar,baz\n" + "1,2,3\n" * 5)
    (tmp_path / "gold.jsonl").write_text('{"inputs": {"ticket": "x"}\n')
    (tmp_path / "settings.json").write_text('[{"foo": 1}, {"foo": 2}, {"foo": 3}]')
    found, unfit = found_in(tmp_path)
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
    assert {test.name for test in written_tests(tmp_path)} == {
        "test_answer_one_cases_csv",
        "test_answer_two_cases_csv",
    }


def test_files_named_for_splits_are_these_splits(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.csv").write_text(csv("id", "ticket", "kind"))
    found, _ = found_in(tmp_path)
    assert {file.path: file.source.split for file in found} == {
        "train.csv": "train",
        "dev.csv": "val",
        "test.csv": "holdout",
    }
    (tmp_path / "train.csv").unlink()
    (tmp_path / "test.csv").unlink()
    [file], _ = found_in(tmp_path)
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
    names: dict[str, Any] = {}
    exec(compile(module_of(written_tests(tmp_path, pipeline)), "test_it.py", "exec"), names)
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
    [test] = written_tests(tmp_path, TEXT)
    assert test.note == "gold.json has free texts as labels: they are graded, not compared"
    names: dict[str, Any] = {}
    exec(compile(module_of([test]), "test_it.py", "exec"), names)
    run = _Run("It comes from an old book")
    names["test_answer"](_Case("It comes from a very old book"), run)
    assert 0.5 < run.scores["words_shared"] < 1.0
    names["test_answer"](_Case("No match"), run)
    assert run.scores["words_shared"] == 0.0


def test_a_guess_of_the_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "gold.jsonl").write_text(jsonl(expected="billing"))
    [test] = written_tests(tmp_path)
    assert test.lines == ['assert run.output["kind"] == case.expected']
    assert test.note == "the labels of gold.jsonl are compared with 'kind', one of kind, product, reply"


def test_the_outputs_of_a_run_tell_the_test_that_can_pass(tmp_path: Path) -> None:
    (tmp_path / "kind.jsonl").write_text(jsonl(expected="billing"))
    [test] = written_tests(tmp_path, "def answer(ticket): return ask(ticket)\n")
    assert test.lines == ["assert run.output == case.expected"]
    table: list[tuple[list[Any], str, str]] = [
        ([{"kind": "a", "reply": "b"}], "", 'assert run.output["kind"] == case.expected'),
        ([{"kind": "a", "reply": "b"}], "app:Answer", "assert run.output.kind == case.expected"),
        (["billing"], "", "assert run.output == case.expected"),
        ([3], "", "assert str(run.output).strip() == str(case.expected)"),
    ]
    for outputs, output_type, line in table:
        form = FirstOutcome(total=1, outputs=outputs, output_type=output_type).form()
        assert list(test.for_form(form).lines) == [line]
    assert FirstOutcome(outputs=["a", {"b": 1}]).form().kind == "unknown"


def test_a_file_goes_to_the_pipeline_that_its_columns_fit_best(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        ASK
        + "def classify(ticket): return {'kind': ask(ticket)}\ndef summarize(text) -> str: return ask(text)\n"
        "def translate(text) -> str: return ask(text)\n"
    )
    (tmp_path / "kinds.csv").write_text(csv("id", "ticket", "kind"))
    (tmp_path / "notes.csv").write_text(csv("id", "text", "summary"))
    project = Project(tmp_path)
    choices = project.choose(None)
    assert {name: each.target for name, each in choices.items()} == {
        "pipeline": "app:classify",
        "summarize_pipeline": "app:summarize",
        "translate_pipeline": "app:translate",
    }
    found, _ = find_case_files(tmp_path, project.paths, choices)
    assert {file.decorator for file in found} == {
        '@fapo.cases("kinds.csv", inputs=["ticket"], expected="kind")',
        '@fapo.cases("notes.csv", pipeline="summarize_pipeline", inputs=["text"], expected="summary")',
    }


class _Case:
    def __init__(self, expected: Any) -> None:
        self.expected = expected


class _Run:
    def __init__(self, output: Any) -> None:
        self.output = output
        self.scores: dict[str, float] = {}

    def score(self, name: str, value: float) -> None:
        self.scores[name] = value
