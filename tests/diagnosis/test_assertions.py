"""pytest's explanations, as pytest really writes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.diagnosis.assertions import read_assertion, read_requirement

TESTS = """
import json
import pytest
REPLY = "Hello there, your money " * 20
OUT = {"team": "billing", "reply": REPLY, "n": [1, 2]}
def test_equal(): assert OUT["team"] == "refund"
def test_message(): assert OUT["team"] == "refund", "wrong team"
def test_mapping(): assert OUT == {"team": "refund", "reply": REPLY, "n": [1, 2]}
def test_phrase(): assert "ORD-1" in OUT["reply"]
def test_forbidden(): assert "money" not in OUT["reply"]
def test_length(): assert len(OUT["reply"]) <= 400
def test_words(): assert len(OUT["reply"].split()) < 50
def test_begin(): assert OUT["reply"].startswith("Dear")
def test_end(): assert OUT["reply"].endswith("Bye")
def test_shape(): assert OUT["reply"].islower()
def test_none(): assert OUT["team"] is None
def test_key(): assert OUT["queue"] == 3
def test_json(): assert json.loads("nope") == 3
def test_approx(): assert 0.1 == pytest.approx(0.5)
def test_and(): assert OUT["team"] == "refund" and OUT["n"]
def test_member(): assert OUT["team"] in ["refund", "other"]
"""
HOOK = """
import json, pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    result = (yield).get_result()
    if result.failed:
        with open("said.jsonl", "a") as file:
            file.write(json.dumps([item.name, result.longrepr.reprcrash.message]) + "\\n")
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Test name -> what the installed pytest says about its failure."""
    import json

    folder: Path = tmp_path_factory.mktemp("said")
    (folder / "test_it.py").write_text(TESTS)
    (folder / "conftest.py").write_text(HOOK)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:fapo", "--rootdir=."]
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    lines = (folder / "said.jsonl").read_text().splitlines()
    return dict(map(json.loads, lines))


@pytest.mark.parametrize(
    ("name", "left", "operator", "right"),
    [
        ("test_equal", "billing", "==", "refund"),
        ("test_message", "billing", "==", "refund"),
        ("test_none", "billing", "is", None),
        ("test_and", "billing", "==", "refund"),
        ("test_approx", 0.1, "==", 0.5),
        ("test_member", "billing", "in", ["refund", "other"]),
    ],
)
def test_comparisons(said: dict[str, str], name: str, left: Any, operator: str, right: Any) -> None:
    found = read_assertion(said[name])
    assert found.left is not None
    assert found.right is not None
    assert (found.left.value, found.operator, found.right.value) == (left, operator, right)


def test_the_users_own_message_is_kept(said: dict[str, str]) -> None:
    assert read_assertion(said["test_message"]).message == "wrong team"


def test_differing_items_of_mappings(said: dict[str, str]) -> None:
    assert read_assertion(said["test_mapping"]).differing == {"team": ("billing", "refund")}


def test_exceptions(said: dict[str, str]) -> None:
    assert (read_assertion(said["test_key"]).error, read_assertion(said["test_key"]).message) == (
        "KeyError",
        "'queue'",
    )
    assert read_assertion(said["test_json"]).error == "JSONDecodeError"


@pytest.mark.parametrize(
    ("name", "kind", "value", "unit"),
    [
        ("test_phrase", "include", "ORD-1", "characters"),
        ("test_forbidden", "exclude", "money", "characters"),
        ("test_length", "longest", 400, "characters"),
        ("test_words", "longest", 49, "words"),
        ("test_begin", "begin", "Dear", "characters"),
        ("test_end", "end", "Bye", "characters"),
        ("test_shape", "shape", "in lower case", "characters"),
    ],
)
def test_demands_on_a_text(said: dict[str, str], name: str, kind: str, value: Any, unit: str) -> None:
    found = read_requirement(read_assertion(said[name]), None)
    assert found is not None
    assert (found.kind, found.value, found.unit) == (kind, value, unit)


@pytest.mark.parametrize("name", ["test_equal", "test_member", "test_key", "test_none"])
def test_other_failures_demand_nothing_of_a_text(said: dict[str, str], name: str) -> None:
    assert read_requirement(read_assertion(said[name]), None) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "assert",
        "assert (",
        "assert ''",
        "assert 'a",
        "assert {'a': ",
        "E   assert 1 ==",
        "\x00",
        "assert not",
        "=" * 999,
    ],
)
def test_odd_explanations_are_read_without_an_error(text: str) -> None:
    assert read_assertion(text).raw == text
