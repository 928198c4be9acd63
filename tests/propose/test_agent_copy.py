"""The lines and files in a coding agent's copy of the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_fapo.core.case import Case
from pytest_fapo.core.record import Split
from pytest_fapo.propose.agent.agent_copy import HiddenCases, copy_project


def case(number: int, split: Split, text: str, origin: str = "cases.jsonl") -> Case:
    place = f"{origin}:{number}" if "(" not in origin else f"{origin} #{number}"
    return Case(id=f"c{number}", inputs={"text": text}, split=split, origin=place)


TRAIN, VAL = "a text for training, long", "a validation text, also long"


def test_case_files_keep_the_lines_of_train_cases() -> None:
    secrecy = HiddenCases([case(1, "train", TRAIN), case(2, "val", VAL), case(4, "train", "short")], [])
    content = (
        f'{{"text": "{TRAIN}"}}\n{{"text": "{VAL}"}}\n{{"text": "not collected"}}\n{{"text": "short"}}\n'
    )
    kept = secrecy.filtered("cases.jsonl", content.encode())
    assert kept == f'{{"text": "{TRAIN}"}}\n{{"text": "short"}}\n'.encode()


def test_rows_of_a_table_may_have_several_lines() -> None:
    cases = [case(2, "val", "x", "t.csv"), case(4, "train", "y", "t.csv"), case(6, "holdout", "z", "t.csv")]
    content = b'text,label\n"first\nval",a\n"second\ntrain",b\nthird,c\n'
    assert HiddenCases(cases, []).filtered("t.csv", content) == b'text,label\n"second\ntrain",b\n'


@pytest.mark.parametrize("path", ["cases.json", "cases.yaml"])
def test_other_case_files_are_withheld_whole(path: str) -> None:
    assert HiddenCases([case(1, "train", TRAIN, path)], []).filtered(path, b"[]") is None


@pytest.mark.parametrize(
    "text", ['He said "no, never again"', "Grüße aus Köln am Rhein", "first line\nsecond line\tthird"]
)
def test_a_file_with_a_hidden_text_in_it_is_withheld_however_it_is_written(text: str) -> None:
    secrecy = HiddenCases([case(1, "holdout", text), case(2, "train", TRAIN)], [])
    for written in (text, json.dumps(text), json.dumps(text, ensure_ascii=False), repr(text)):
        assert secrecy.filtered("notes.md", f"before {written} after".encode()) is None
    assert secrecy.filtered("notes.md", b"nothing of it") == b"nothing of it"


def test_what_is_a_train_case_too_is_no_secret() -> None:
    secrecy = HiddenCases([case(1, "train", TRAIN), case(2, "val", TRAIN)], [])
    assert secrecy.filtered("notes.md", TRAIN.encode()) == TRAIN.encode()


def test_cases_of_unknown_origin_take_tests_and_data_with_them() -> None:
    secrecy = HiddenCases([case(1, "val", "7 + 5", "cases(...)")], ["app/data.json"])
    for path in ("tests/helper.py", "test_sum.py", "conftest.py", "data/sums.csv", "x.json"):
        assert secrecy.filtered(path, b"x") is None
    for path in ("app/main.py", "app/prompts/sum.md", "app/data.json"):
        assert secrecy.filtered(path, b"x") == b"x"


def test_the_copy_is_text_of_the_project_only(tmp_path: Path) -> None:
    root, own = tmp_path / "root", tmp_path / "own"
    files = {
        "app/main.py": b"1",
        "node_modules/x.js": b"1",
        ".env.local": b"1",
        "env/pyvenv.cfg": b"1",
        "env/lib/site.py": b"1",
        "big.bin": b"0" * 3_000_000,
    }
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "link.py").symlink_to("/etc/hostname")
    copied = copy_project(root, own, {"app/new.py": b"new", "app/main.py": b"2"}, HiddenCases([], []))
    assert copied.files == {"app/main.py": b"2", "app/new.py": b"new"}
    assert (own / "app/main.py").read_bytes() == b"2"


def test_exported_caches_are_withheld_under_any_name() -> None:
    content = b'{"format":"fapo-answers 2",\n"end":true}\n'
    assert HiddenCases([case(1, "train", TRAIN)], []).filtered("app/notes.md", content) is None
    assert HiddenCases([case(1, "train", TRAIN)], []).filtered("app/notes.md", content[5:]) is not None
