"""The reach benchmark counts what is reached, and says what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.planted.talk import Ask, Turn
from benchmarks.reach import clients
from benchmarks.reach.client_table import Client
from benchmarks.reach.data_edits import problems
from benchmarks.reach.data_table import LOCATIONS
from benchmarks.reach.tickets import sorted_by_model


def test_a_location_that_is_listed_otherwise_is_a_problem(tmp_path: Path) -> None:
    wrong = LOCATIONS["JSON: a key"]._replace(text="Draft it.")
    assert [each[:15] for each in problems(tmp_path, wrong)] == ["it is listed as"]


def test_a_byte_that_changes_beside_the_text_is_a_problem(tmp_path: Path) -> None:
    row = LOCATIONS["YAML: plain with a comment"]
    narrow = row._replace(marked=row.content.replace("Sort it", "«Sort» it"))
    assert any("changes bytes outside" in each for each in problems(tmp_path, narrow))


def test_a_client_that_is_not_installed_is_said_and_not_counted() -> None:
    row = Client("nobody's", "no_such_client.of_anybody", "def answer(question): ...")
    figure = clients.client_figure((row,))
    assert figure.holds
    assert figure.result == "nothing measured"
    assert figure.notes == ["nobody's: not counted, no_such_client.of_anybody is not installed"]


@pytest.mark.slow
def test_a_client_whose_calls_are_not_seen_is_missed(tmp_path: Path) -> None:
    code = """
    import os
    import httpx

    def answer(question):
        return httpx.post(os.environ["LLM_URL"] + "/weather", json={"q": question}).text
    """
    row = Client("no model", "httpx", code, wire=lambda path, content: b"sun")
    assert clients.problem_of(row, tmp_path) == "2 requests, of which 0 are captured"


@pytest.mark.parametrize(
    ("system", "team"),
    [
        ("Sort: billing, shipping, technical.", "technical"),
        ("Sort.\n- billing: about a refund\n- shipping: a package", "billing"),
    ],
)
def test_the_model_needs_the_definitions(system: str, team: str) -> None:
    ask = Ask((Turn("system", system), Turn("user", "<ticket>Where is my refund?</ticket>")))
    assert sorted_by_model(ask).text == team
