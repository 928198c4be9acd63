"""`fapo cases check` finds what is wrong with case files, and nothing in good ones."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.cli.command_line import main
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.verdict.split_power import chance_merge_fails, chance_seen

_NOUNS = ["lamp", "kettle", "tent", "rug", "chair", "clock", "piano", "mirror", "ladder", "basket"]
_PLACES = ["kitchen", "garden", "attic", "office", "garage", "cellar"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.fapo.scope]\nprompts = ["prompt.md"]\n')
    (tmp_path / "prompt.md").write_text("Which room is this about? Answer with the room only.\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def good(count: int = 60) -> list[dict[str, Any]]:
    draw = random.Random(7)
    words = [f"{noun}{ending}" for noun in _NOUNS for ending in ("", "s", "-maker")]
    return [
        {
            "id": f"c{number}",
            "inputs": {"text": f"{' '.join(draw.sample(words, 6))} {number}"},
            "expected": _PLACES[number % 6],
            "split": ("train", "val", "holdout")[number % 3],
        }
        for number in range(count)
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path.name


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[dict[str, Any]]]:
    """Problems by kind."""
    code = main(["cases", "check", "--json", *arguments])
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert code == (1 if problems else 0)
    kinds: dict[str, list[dict[str, Any]]] = {}
    for problem in problems:
        kinds.setdefault(problem["kind"], []).append(problem)
    return kinds


def ids(problem: dict[str, Any]) -> list[str]:
    return [case["id"] for case in problem["cases"]]


def test_nothing_is_found_in_good_cases(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", "check", write(folder / "good.jsonl", good())]) == 0
    out = capsys.readouterr().out
    assert "60 cases: 20 train, 20 val, 20 holdout" in out
    assert "With 20 holdout cases a fall from 90 % to 70 % is seen in 99 of 100 runs" in out
    assert "Nothing was found" in out


def test_every_kind_of_problem_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = good()
    rows[3]["id"] = "c2"
    rows[4]["inputs"] = {"text": "  "}
    rows[10]["inputs"] = {"text": rows[8]["inputs"]["text"].upper() + "!"}
    rows[10]["expected"] = rows[8]["expected"]
    rows[20]["inputs"], rows[20]["expected"] = rows[18]["inputs"], "attic"
    long = "The old piano that stands behind the green ladder in our house needs somebody who can tune it {}"
    rows[30]["inputs"], rows[31]["inputs"] = {"text": long.format("soon")}, {"text": long.format("today")}
    rows[30]["expected"] = rows[31]["expected"] = "garage"
    rows[40]["expected"] = "Garage "
    (folder / "prompt.md").write_text(f"Which room? For example: {rows[50]['inputs']['text']} -> attic\n")
    kinds = found(capsys, write(folder / "bad.jsonl", rows))
    assert ids(kinds["id"][0]) == ["c2", "c2"]
    assert ids(kinds["empty"][0]) == ["c4"]
    assert ["c8", "c10"] in [ids(problem) for problem in kinds["copy"]]
    assert {*ids(kinds["conflict"][0])} == {"c18", "c20"}
    assert "two labels" in kinds["conflict"][0]["message"]
    assert ids(kinds["near-copy"][0]) == ["c30", "c31"]
    assert "train and val" in kinds["near-copy"][0]["message"]
    assert "'Garage '" in kinds["spelling"][0]["message"]
    assert ids(kinds["leak"][0]) == ["c50"]
    assert "split" not in kinds


def test_the_screen_shows_a_conflict_as_a_pair_with_both_labels(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = good()
    rows[20]["inputs"], rows[20]["expected"] = rows[18]["inputs"], "attic"
    assert main(["cases", "check", write(folder / "bad.jsonl", rows)]) == 1
    out = capsys.readouterr().out
    assert "Labels that contradict each other: 1 (one label of each pair may be wrong; look at both)" in out
    assert "bad.jsonl:21): " in out
    assert '→ "attic"' in out
    assert f'→ "{rows[18]["expected"]}"' in out


def test_small_and_empty_splits_are_told_in_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row for row in good(18) if row["split"] != "val"]
    kinds = found(capsys, write(folder / "few.jsonl", rows))
    said = [problem["message"] for problem in kinds["split"]]
    assert said[0] == "val has no case"
    assert said[1].startswith("with 6 holdout cases a fall from 90 % to 70 % is seen in 7")


def test_files_called_like_splits_are_checked_together(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"text": row["inputs"]["text"], "room": row["expected"]} for row in good(45)]
    rows[40] = rows[2]
    for name, part in (("train", rows[:15]), ("dev", rows[15:30]), ("test", rows[30:])):
        lines = ["text,room", *(f"{row['text']},{row['room']}" for row in part)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    names = ["train.csv", "dev.csv", "test.csv", "--inputs", "text", "--expected", "room"]
    kinds = found(capsys, *names)
    assert list(kinds) == ["copy"]
    assert "train and holdout" in kinds["copy"][0]["message"]


def test_lists_and_functions_of_python_files_are_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "rows.py").write_text(f"ROWS = {good()!r}\n\n\ndef twice():\n    return ROWS + ROWS[:1]\n")
    assert not found(capsys, "rows.py::ROWS")
    assert set(found(capsys, "rows.py::twice")) == {"id", "copy"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.jsonl", "none.jsonl: no such case file"),
        ("rows.py", "name the list or the function"),
        ("rows.py::NONE", "there is no 'NONE' in it"),
        ("rows.py::broken", "expected a list of cases"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    (folder / "rows.py").write_text("broken = 3\n")
    assert main(["cases", "check", name]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_many_cases_of_one_form_are_no_copies(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"id": f"c{number}", "inputs": {"text": f"Where is parcel {number} of mine?"}, "expected": "shipping"}
        for number in range(1000)
    ]
    assert not found(capsys, write(folder / "many.jsonl", rows))


@pytest.mark.parametrize("name", ["strict", "paired", "target"])
def test_more_cases_see_more_and_a_greater_fall_is_seen_more_often(name: Any) -> None:
    policy = GatePolicy(name, target=0.9 if name == "target" else None)
    few, many = (chance_seen(policy, "holdout", cases, before=0.9, after=0.7) for cases in (6, 40))
    slight = chance_seen(policy, "holdout", 40, before=0.9, after=0.85)
    assert 0 < few < many <= 1
    assert slight < many


def test_under_strict_a_single_broken_case_is_seen() -> None:
    chance = chance_seen(GatePolicy("strict"), "holdout", 10, before=0.9, after=0.7)
    assert chance == pytest.approx(1 - (0.7 / 0.9) ** 9)


def test_a_merge_of_few_cases_under_paired_is_hopeless() -> None:
    policy = GatePolicy("paired")
    few, many = (chance_merge_fails(policy, cases, before=0.9, after=0.7) for cases in (5, 100))
    assert few < 0.5 < many
