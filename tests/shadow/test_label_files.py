"""Where outputs are made no file that holds labels is in reach, however it is called and wherever it lies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_fapo.core.case import Case
from pytest_fapo.core.record import Split
from pytest_fapo.shadow.label_files import label_files, without

SPLITS: tuple[Split, ...] = ("train", "val", "holdout")
CASES = [
    Case(
        id=f"c{number}",
        inputs={"ticket": f'the "parcel" number {number} is lost', "k": 3},
        expected="shipping",
        split=SPLITS[number % 3],
        origin=f"data/cases.jsonl:{number + 1}",
    )
    for number in range(6)
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rows = "".join(json.dumps(case.inputs) + "\n" for case in CASES)
    files = {
        "data/cases.jsonl": rows,
        "data/copy.csv": "\n".join('"' + case.inputs["ticket"].replace('"', '""') + '",x' for case in CASES),
        "data/tables.py": f"ROWS = {[case.inputs['ticket'] for case in CASES]!r}\n",
        "data/notes.txt": "the parcel is lost",
        "data/one.json": json.dumps(CASES[1].inputs),
        "app/pipeline.py": "def answer(): ...\n",
        "app/prompts/sort.md": rows,
        "tests/test_app.py": "def test(): ...\n",
        "tests/other_test.py": "def test(): ...\n",
        "checks/check_app.py": "def check(): ...\n",
        "conftest.py": "\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_files_that_hold_labels_are_found(root: Path) -> None:
    files = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    found = label_files(
        root, files, CASES, ["checks/check_app.py"], lambda path: path.startswith("app/prompts")
    )
    names = {path.relative_to(root).as_posix() for path in found}
    assert names == {
        *("data/cases.jsonl", "data/copy.csv", "data/tables.py", "checks/check_app.py"),
        *("tests/test_app.py", "tests/other_test.py"),
    }


def test_case_files_outside_of_the_project_and_behind_links_are_found(root: Path, tmp_path: Path) -> None:
    (root / "link.jsonl").symlink_to(root / "data" / "notes.txt")
    linked = CASES[0].model_copy(update={"origin": "link.jsonl:1"})
    outside = CASES[0].model_copy(update={"origin": "/srv/data/cases.jsonl:3"})
    inline = CASES[0].model_copy(update={"origin": "cases(...) #1"})
    found = label_files(root, [], [linked, outside, inline], [], lambda path: False)
    assert set(found) == {Path("/srv/data/cases.jsonl"), root / "link.jsonl", root / "data" / "notes.txt"}


def test_a_folder_is_granted_without_what_is_hidden_in_it(root: Path) -> None:
    hidden = [str(root / "data" / "cases.jsonl"), str(root / "tests")]
    granted = {Path(path).relative_to(root).as_posix() for path in without([str(root)], hidden)}
    assert {"app", "conftest.py", "checks", "data/copy.csv", "data/notes.txt"} <= granted
    assert not granted & {".", "data", "data/cases.jsonl", "tests"}
    assert list(without([str(root / "app")], hidden)) == [str(root / "app")]
    assert list(without([str(root / "tests" / "test_app.py")], hidden)) == []
