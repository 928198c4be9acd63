"""Cases from files: every format, every kind of bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import CaseError
from pytest_fapo.session.case_loading import load_cases
from pytest_fapo.session.cases_decorator import CaseSource

ROWS: list[dict[str, Any]] = [
    {"id": "a", "inputs": {"text": "one"}, "expected": "x", "split": "train"},
    {"id": "b", "inputs": {"text": "two"}, "expected": "y", "split": "val"},
    {"id": "c", "inputs": {"text": "three"}, "expected": "x", "split": "holdout"},
]


def load(folder: Path, name: str, text: str | bytes, **kwargs: Any) -> list[Case]:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_cases(CaseSource(name, **kwargs), test_file=folder / "test_x.py", folders=[folder])


def message(folder: Path, name: str, text: str | bytes, **kwargs: Any) -> str:
    with pytest.raises(CaseError) as caught:
        load(folder, name, text, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def jsonl(rows: list[Any]) -> str:
    return "\n".join(json.dumps(row) for row in rows)


CSV = "id,text,expected,split\na,one,x,train\nb,two,y,val\nc,three,x,holdout\n"
YAML = """
- {id: a, inputs: {text: one}, expected: x, split: train}
- {id: b, inputs: {text: two}, split: val}

"""


@pytest.mark.parametrize(
    ("name", "text", "kwargs"),
    [
        ("cases.jsonl", jsonl(ROWS), {}),
        ("cases.jsonl", "\ufeff" + jsonl(ROWS) + "\n\n", {}),
        ("cases.json", json.dumps(ROWS, indent=1), {}),
        ("cases.json", json.dumps({"about": [1, [2]], "cases": ROWS}), {}),
        ("cases.csv", CSV, {"inputs": ["text"]}),
        ("cases.tsv", CSV.replace(",", "\t"), {"inputs": {"text": "text"}}),
        ("cases.yaml", YAML + "- {id: c, inputs: {text: three}, split: holdout}\n", {}),
    ],
)
def test_every_format_gives_the_same_cases(
    tmp_path: Path, name: str, text: str, kwargs: dict[str, Any]
) -> None:
    cases = load(tmp_path, name, text, **kwargs)
    assert [(case.id, case.inputs, case.split) for case in cases] == [
        ("a", {"text": "one"}, "train"),
        ("b", {"text": "two"}, "val"),
        ("c", {"text": "three"}, "holdout"),
    ]


def test_a_case_knows_its_line(tmp_path: Path) -> None:
    cases = load(tmp_path, "cases.json", json.dumps(ROWS, indent=1))
    lines = (tmp_path / "cases.json").read_text().splitlines()
    for case in cases:
        line = int(case.origin.split(":")[1])
        assert f'"id": "{case.id}"' in lines[line]


def test_the_original_fapos_jsonl_loads_unchanged(tmp_path: Path) -> None:
    rows = [
        {
            "case_id": f"hover-{number}",
            "task_type": "hover",
            "context": {"claim": f"claim {number}", "k": 7},
            "expected": {"titles": ["A", "B"]},
            "metadata": {"hops": 2},
        }
        for number in range(40)
    ]
    cases = load(tmp_path, "cases.jsonl", jsonl(rows))
    assert cases[3].id == "hover-3"
    assert cases[3].inputs == {"claim": "claim 3", "k": 7}
    assert cases[3].expected == {"titles": ["A", "B"]}
    assert cases[3].tags == ["hover"]
    assert cases[3].metadata == {"hops": 2}
    assert {case.split for case in cases} == {"train", "val", "holdout"}


def test_foreign_columns_can_be_one_positional_input(tmp_path: Path) -> None:
    text = "text,category\nhello there,greet\nbye,leave\nciao,leave\n"
    cases = load(tmp_path, "bank.csv", text, inputs="text", expected="category")
    assert [case.inputs for case in cases] == ["hello there", "bye", "ciao"]
    assert [case.expected for case in cases] == ["greet", "leave", "leave"]


def test_ids_made_of_the_content_stay_when_rows_are_added(tmp_path: Path) -> None:
    rows = ["text,category", "hello,greet", "bye,leave", "ciao,leave"]
    before = load(tmp_path, "bank.csv", "\n".join(rows), inputs=["text"], expected="category")
    rows.insert(1, "good morning,greet")
    after = load(tmp_path, "bank.csv", "\n".join(rows), inputs=["text"], expected="category")
    assert {case.id for case in before} < {case.id for case in after}


def test_functions_of_the_row_map_fields(tmp_path: Path) -> None:
    cases = load(
        tmp_path,
        "bank.csv",
        "n,text\n1,hello\n2,bye\n3,ciao\n",
        inputs=lambda row: {"text": row["text"].upper()},
        expected=lambda row: int(row["n"]),
        id=lambda row: f"row-{row['n']}",
        split=lambda row: {"1": "train", "2": "val"}.get(row["n"], "holdout"),
    )
    assert [(case.id, case.expected, case.split) for case in cases] == [
        ("row-1", 1, "train"),
        ("row-2", 2, "val"),
        ("row-3", 3, "holdout"),
    ]
    assert cases[0].inputs == {"text": "HELLO"}


def test_a_list_and_a_function_are_sources_too(tmp_path: Path) -> None:
    for source in (ROWS, lambda: iter(ROWS), [Case(**row) for row in ROWS]):
        cases = load_cases(CaseSource(source), test_file=tmp_path / "test_x.py", folders=[tmp_path])
        assert [case.id for case in cases] == ["a", "b", "c"]


def test_files_are_found_beside_the_test_then_at_the_root(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "cases.jsonl").write_text(jsonl(ROWS))
    test_file = tmp_path / "tests" / "test_x.py"
    assert len(load_cases(CaseSource("cases.jsonl"), test_file=test_file, folders=[tmp_path])) == 3
    (tmp_path / "tests" / "cases.jsonl").write_text(jsonl([*ROWS, {**ROWS[0], "id": "d"}]))
    assert len(load_cases(CaseSource("cases.jsonl"), test_file=test_file, folders=[tmp_path])) == 4


class TestBadInput:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(CaseError, match=r"nowhere\.jsonl: no such case file"):
            load_cases(CaseSource("nowhere.jsonl"), test_file=tmp_path / "test_x.py", folders=[tmp_path])

    def test_duplicate_id_names_both_lines(self, tmp_path: Path) -> None:
        text = message(tmp_path, "cases.jsonl", jsonl([*ROWS, ROWS[1]]))
        assert text == "cases.jsonl:4: duplicate id 'b', first used at cases.jsonl:2"

    def test_missing_field(self, tmp_path: Path) -> None:
        assert message(tmp_path, "cases.jsonl", jsonl([{"id": "a", "question": "?", "expected": 1}])) == (
            "cases.jsonl:1: missing field 'inputs'; the row has id, question, expected; "
            'if another field holds it, name that: cases(..., inputs="question")'
        )

    def test_missing_column(self, tmp_path: Path) -> None:
        assert message(tmp_path, "cases.csv", "text,label\nhello,x\n", inputs=["texts"]) == (
            "cases.csv:2: missing field 'texts'; the row has text, label; did you mean 'text'?"
        )

    def test_misspelled_field(self, tmp_path: Path) -> None:
        rows = [{"id": "a", "inputs": "x", "expectd": 1}]
        assert "unknown field 'expectd'; did you mean 'expected'?" in message(
            tmp_path, "cases.jsonl", jsonl(rows)
        )

    @pytest.mark.parametrize(
        ("name", "text", "place"),
        [
            ("cases.jsonl", jsonl(ROWS) + '\n{"id": ', "cases.jsonl:4: broken JSON"),
            ("cases.json", '[\n{"id": "a"},\n{"id" "b"}\n]', "cases.json:3: broken JSON"),
            ("cases.yaml", "- id: a\n  inputs: [1\n", "cases.yaml:3: broken YAML"),
            ("cases.csv", 'id,inputs\n"a,b\n', "cases.csv:2: broken CSV"),
            ("cases.csv", "id,inputs\na\n", "cases.csv:2: expected 2 columns"),
        ],
    )
    def test_broken_syntax_names_the_line(self, tmp_path: Path, name: str, text: str, place: str) -> None:
        assert message(tmp_path, name, text).startswith(place)

    def test_unknown_split(self, tmp_path: Path) -> None:
        rows = [*ROWS, {**ROWS[0], "id": "d", "split": "gold"}]
        assert message(tmp_path, "cases.jsonl", jsonl(rows)).startswith(
            "cases.jsonl:4: unknown split 'gold'; expected one of train, val, holdout"
        )

    @pytest.mark.parametrize("name", ["cases.jsonl", "cases.json", "cases.csv", "cases.yaml"])
    def test_empty_file(self, tmp_path: Path, name: str) -> None:
        assert "the file is empty" in message(tmp_path, name, "")

    def test_not_utf8(self, tmp_path: Path) -> None:
        data = jsonl(ROWS).encode() + b'\n{"id": "caf\xe9"}'
        assert message(tmp_path, "cases.jsonl", data).startswith("cases.jsonl:4: not UTF-8")

    def test_a_split_that_ends_up_empty(self, tmp_path: Path) -> None:
        text = message(tmp_path, "cases.jsonl", jsonl(ROWS[:2]))
        assert text.startswith("cases.jsonl: no case in split 'holdout' (there are 1 train, 1 val)")

    def test_one_split_for_the_whole_file_is_meant(self, tmp_path: Path) -> None:
        rows = [{key: value for key, value in row.items() if key != "split"} for row in ROWS]
        assert {case.split for case in load(tmp_path, "cases.jsonl", jsonl(rows), split="val")} == {"val"}

    def test_wrong_type(self, tmp_path: Path) -> None:
        rows = [{**ROWS[0], "weight": "heavy"}]
        assert "field 'weight'" in message(tmp_path, "cases.jsonl", jsonl(rows))

    def test_a_row_that_is_no_mapping(self, tmp_path: Path) -> None:
        assert message(tmp_path, "cases.jsonl", '"text"') == (
            "cases.jsonl:1: expected a mapping of fields, got str"
        )

    def test_unknown_format(self, tmp_path: Path) -> None:
        assert "unknown kind of case file" in message(tmp_path, "cases.xlsx", "x")


class TestSplits:
    def rows(self, count: int, labels: int = 4) -> list[dict[str, Any]]:
        return [
            {"id": f"case-{number}", "inputs": {"n": number}, "expected": f"label-{number % labels}"}
            for number in range(count)
        ]

    def test_a_hash_of_the_id_decides(self, tmp_path: Path) -> None:
        cases = load(tmp_path, "cases.jsonl", jsonl(self.rows(1000)))
        shares = {split: sum(case.split == split for case in cases) / 1000 for split in ("train", "val")}
        assert shares["train"] == pytest.approx(0.6, abs=0.05)
        assert shares["val"] == pytest.approx(0.2, abs=0.05)

    def test_cases_keep_their_split_when_others_are_added(self, tmp_path: Path) -> None:
        before = {case.id: case.split for case in load(tmp_path, "cases.jsonl", jsonl(self.rows(200)))}
        after = {case.id: case.split for case in load(tmp_path, "cases.jsonl", jsonl(self.rows(300)))}
        assert all(after[case_id] == split for case_id, split in before.items())

    def test_every_label_is_in_every_split_where_there_are_enough_cases(self, tmp_path: Path) -> None:
        cases = load(tmp_path, "cases.jsonl", jsonl(self.rows(40, labels=10)))
        for label in range(10):
            assert {case.split for case in cases if case.expected == f"label-{label}"} == {
                "train",
                "val",
                "holdout",
            }
