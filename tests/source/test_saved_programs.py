"""Programs that DSPy saved: a signature's text is read as it is loaded, and written to code and file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from source.conftest import MakeStore

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.source.patch import edits_between

CODE = '''
import dspy

class Triage(dspy.Signature):
    """Sort the ticket."""
    ticket: str = dspy.InputField(desc="what the customer wrote")
    team_name: str = dspy.OutputField(desc="the team only")

NOTE = dspy.Signature("text -> note", "Write a note.")

class Desk(dspy.Module):
    def __init__(self):
        self.triage, self.note = dspy.ChainOfThought(Triage), dspy.Predict(NOTE)
'''
LOADS = 'from app.desk import Desk\ndesk = Desk()\ndesk.load("app/desk.json")\n'


def saved(instructions: str = "Sort the ticket.", **others: Any) -> str:
    """The file as DSPy 3 writes it."""
    fields = [
        {"prefix": "Ticket:", "description": "what the customer wrote"},
        {"prefix": "Reasoning: Let's think step by step in order to", "description": "${reasoning}"},
        {"prefix": "Team Name:", "description": "the team only"},
    ]
    note = [{"prefix": name, "description": f"${{{name}}}"} for name in ("Text:", "Note:")]
    demos = [{"ticket": "The invoice is wrong.", "team_name": "billing"}]
    triage = {"traces": [], "train": [], "demos": demos, "lm": None}
    program = {
        "triage.predict": {**triage, "signature": {"instructions": instructions, "fields": fields}},
        "note": {"demos": [], "signature": {"instructions": "Write a note.", "fields": note}, "lm": None},
        "metadata": {"dependency_versions": {"dspy": "3.4"}},
    }
    return json.dumps({**program, **others}, indent=2)


def rendered(store: ArtifactStore, address: str, after: str) -> dict[str, str]:
    edit = Edit(address=address, before=store.get(address).text, after=after)
    return {path: data.decode() for path, data in store.render([edit]).items()}


def instructions(text: str) -> str:
    return str(json.loads(text)["triage.predict"]["signature"]["instructions"])


@pytest.mark.parametrize("in_file", ["Sort the ticket.", "Sort the ticket with care."])
def test_instruction_is_edited_as_it_is_loaded(make_store: MakeStore, in_file: str) -> None:
    files = {"app/desk.py": CODE, "app/run.py": LOADS, "app/desk.json": saved(in_file)}
    store = make_store(files, "app/desk.py::Triage.__doc__")
    assert store.get("app/desk.py::Triage.__doc__").text == in_file
    assert [each.text for each in store.all()] == [in_file]
    after = rendered(store, "app/desk.py::Triage.__doc__", "Sort it.\n- billing: money")
    assert instructions(after["app/desk.json"]) == "Sort it.\n- billing: money"
    assert '"""Sort it.\n    - billing: money\n    """' in after["app/desk.py"]
    assert after["app/desk.json"] == files["app/desk.json"].replace(in_file, r"Sort it.\n- billing: money")


def test_description_of_a_field_is_carried_over(make_store: MakeStore) -> None:
    files = {"app/desk.py": CODE, "app/run.py": LOADS, "app/desk.json": saved()}
    store = make_store(files, "app/desk.py::Triage.team_name.desc")
    after = rendered(store, "app/desk.py::Triage.team_name.desc", "one of three")
    fields = json.loads(after["app/desk.json"])["triage.predict"]["signature"]["fields"]
    assert [each["description"] for each in fields] == [
        "what the customer wrote",
        "${reasoning}",
        "one of three",
    ]
    assert 'desc="one of three"' in after["app/desk.py"]


def test_instruction_of_a_string_signature_is_carried_over(make_store: MakeStore) -> None:
    files = {"app/desk.py": CODE, "app/run.py": LOADS, "app/desk.json": saved()}
    store = make_store(files, "app/desk.py::NOTE[1]")
    after = rendered(store, "app/desk.py::NOTE[1]", "Write a short note.")
    assert json.loads(after["app/desk.json"])["note"]["signature"]["instructions"] == "Write a short note."
    assert instructions(after["app/desk.json"]) == "Sort the ticket."


def test_edit_of_the_file_is_carried_over_to_the_code(make_store: MakeStore) -> None:
    files = {"app/desk.py": CODE, "app/run.py": LOADS, "app/desk.json": saved()}
    address = 'app/desk.json::"triage.predict".signature.instructions'
    store = make_store(files, "app/desk.json")
    assert address in [each.address for each in store.all()]
    after = rendered(store, address, "Sort it.")
    assert instructions(after["app/desk.json"]) == "Sort it."
    assert '"""Sort it."""' in after["app/desk.py"]


def test_examples_stay_out_of_the_code(make_store: MakeStore) -> None:
    code = CODE + 'FIRST = "The invoice is wrong."\n'
    files = {"app/desk.py": code, "app/run.py": LOADS, "app/desk.json": saved()}
    store = make_store(files, "app/desk.json")
    address = 'app/desk.json::"triage.predict".demos[0].ticket'
    assert [*rendered(store, address, "The bill is wrong.")] == ["app/desk.json"]


def test_edits_of_both_are_one(make_store: MakeStore) -> None:
    files = {"app/desk.py": CODE, "app/run.py": LOADS, "app/desk.json": saved()}
    store = make_store(files, "app/desk.py::Triage.__doc__", "app/desk.json::*.signature.instructions")
    edit = Edit(address="app/desk.py::Triage.__doc__", before="Sort the ticket.", after="Sort it.")
    after = store.render([edit])
    both = edits_between(store, after)
    assert len(both) == 2
    assert store.render(both) == store.render(both[::-1]) == after


@pytest.mark.parametrize(
    "scope", ["app/desk.py::Triage.__doc__", "app/desk.json::note.signature.instructions"]
)
def test_both_files_belong_to_what_a_run_may_change(make_store: MakeStore, scope: str) -> None:
    store = make_store({"app/desk.py": CODE, "app/run.py": LOADS, "app/desk.json": saved()}, scope)
    assert store.paths() == ["app/desk.json", "app/desk.py"]


@pytest.mark.parametrize(
    "code",
    [LOADS.replace("app/desk.json", "app/other.json"), "from app.desk import Desk\ndesk = Desk()\n"],
    ids=["another file", "nothing loaded"],
)
def test_file_that_is_not_loaded_stays(make_store: MakeStore, code: str) -> None:
    files = {"app/desk.py": CODE, "app/run.py": code, "app/desk.json": saved("Another one.")}
    store = make_store(files, "app/desk.py::Triage.__doc__")
    assert store.get("app/desk.py::Triage.__doc__").text == "Sort the ticket."
    assert [*rendered(store, "app/desk.py::Triage.__doc__", "Sort it.")] == ["app/desk.py"]


def test_one_signature_with_two_saved_texts_is_refused(make_store: MakeStore) -> None:
    program = json.loads(saved())
    again = {**program["triage.predict"], "signature": {**program["triage.predict"]["signature"]}}
    again["signature"]["instructions"] = "Sort it again."
    files = {"app/desk.py": CODE, "app/run.py": LOADS, "app/desk.json": saved(again=again)}
    store = make_store(files, "app/desk.py::Triage.__doc__")
    with pytest.raises(ArtifactError, match=r"saved programs replace it.*app/desk\.json::again\.signature"):
        store.get("app/desk.py::Triage.__doc__")
