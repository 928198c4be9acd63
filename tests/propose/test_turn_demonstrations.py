"""Examples as turns: which cases are shown, where they go in code of every form, and that the code runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.operated import Operated

from pytest_fapo.core.candidate import Attempt, Candidate, Edit, Review, Verdict
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster, Finding
from pytest_fapo.core.evidence import Evidence, EvidenceCase
from pytest_fapo.core.record import LEVELS
from pytest_fapo.core.settings import Settings
from pytest_fapo.core.trace import LLMCall, Step, Trace
from pytest_fapo.propose.operators.project_functions import OperatorError
from pytest_fapo.propose.operators.step_operators import apply_operator
from pytest_fapo.propose.playbook.playbook import Playbook
from pytest_fapo.review.static_review import review

TEAMS = ("delivery", "other", "refund")
WORDS = {"refund": "money back for the", "delivery": "where did you send the", "other": "a word about the"}
THINGS = ("lamp", "green chair", "old kettle", "long table", "round mirror", "heavy carpet")

LIST = """
from PACKAGE.fake import client

RULES = "Sort the message."


def sort(message: str) -> str:
    \"\"\"The team.\"\"\"
    reply = client.chat.completions.create(
        model="m",
        messages=[
            {"role": "system", "content": RULES},
            {"role": "user", "content": message},
        ],
    )
    return reply.choices[0].message.content
"""
ASYNC = """
from PACKAGE.fake import aclient


async def sort(message):
    reply = await aclient.chat.completions.create(model="m", messages=[{"role": "user", "content": message}])
    return reply.choices[0].message.content
"""
APPENDED = """
from PACKAGE.fake import client


def sort(message):
    messages = [{"role": "system", "content": "Sort the message."}]
    messages.append({"role": "user", "content": message})
    return client.chat.completions.create(model="m", messages=messages).choices[0].message.content
"""
OF_MODULE = """
from PACKAGE.fake import client

OPENING = [{"role": "system", "content": "Sort the message."}]


def sort(message):
    messages = OPENING + [{"role": "user", "content": message}]
    return client.chat.completions.create(model="m", messages=messages).choices[0].message.content
"""
HELPER = """
from PACKAGE.fake import client


def ask(prompt: str, system: str = "", **more: str) -> str:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": prompt})
    return client.chat.completions.create(model="m", messages=messages).choices[0].message.content


def sort(message: str) -> str:
    return ask(message, system="Sort the message.")


def reply(message: str) -> str:
    return ask(message)
"""
METHODS = """
from PACKAGE.fake import client


class Desk:
    def sort(self, message):
        return self._ask([{"role": "user", "content": message}])

    def _ask(self, messages):
        return client.chat.completions.create(model="m", messages=messages).choices[0].message.content
"""


def _evidence(project: Operated, *, step: str = "sort", right: int = 0, **more: Any) -> Evidence:
    """Eighteen labeled messages, all sorted wrong but the first `right` of each team."""
    cases, findings = [], []
    for number, (team, thing) in enumerate([(team, thing) for team in TEAMS for thing in THINGS], start=1):
        message = f"{WORDS[team]} {thing} please"
        passed = number % len(THINGS) < right
        said = team if passed else f"I think of {thing}"
        call = LLMCall(
            key="k",
            api="chat.completions",
            url="http://x",
            status=200,
            messages=[{"role": "user", "content": message}],
            answer=said,
        )
        trace = Trace(
            pipeline="p",
            case_id=f"c{number}",
            output=said,
            llm_calls=[call],
            steps=[Step(name=step, index=0, inputs={"message": message}, output=said, llm_calls=[0])],
        )
        case = Case(id=f"c{number}", inputs={"message": message}, expected=team, split="train")
        nodeid = f"t.py::test_it[c{number}]"
        cases.append(EvidenceCase(case=case, nodeid=nodeid, passed=passed, trace=trace, explanation=""))
        if not passed:
            findings.append(
                Finding(
                    nodeid=nodeid,
                    case_id=case.id,
                    pipeline="p",
                    step=step,
                    category="label",
                    level="prompt",
                    confidence=0.9,
                    evidence="",
                )
            )
    cluster = Cluster(
        id="k1",
        label="",
        pipeline="p",
        step=step,
        category="label",
        level="prompt",
        confidence=0.9,
        findings=findings,
    )
    base = project.evidence(step, level="structure")
    given = {"cluster": cluster, "cases": cases, "demonstrations": "train", "max_demonstrations": 6}
    return base.model_copy(update={**given, **more})


def _turns(evidence: Evidence) -> list[Candidate]:
    found = Playbook().propose(evidence)
    return [each for each in found if each.technique.startswith("demonstrations-as-turns")]


def _file(edits: list[Edit]) -> Edit:
    return next(edit for edit in edits if edit.address.endswith(".jsonl"))


def _said(project: Operated, name: str) -> list[str]:
    """Return what the model was sent, one message a line, for the message `new`."""
    project.run(lambda text: "refund", name, "new")
    return project.asked[-1].splitlines()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (LIST, "sort"),
        (ASYNC, "sort"),
        (APPENDED, "sort"),
        (OF_MODULE, "sort"),
        (HELPER, "sort"),
        (METHODS, "Desk.sort"),
    ],
    ids=["list", "async", "appended", "list of the module", "helper", "method"],
)
def test_the_examples_stand_between_the_rules_and_the_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str
) -> None:
    project = Operated(tmp_path, monkeypatch, source)
    evidence = _evidence(project, step=name)
    before = _said(project, name)
    project.apply({"operator": "demonstrations-as-turns", "examples": 3}, evidence)
    lines = _said(project, name)
    assert lines[: len(before) - 1] == before[:-1]
    assert lines[-1] == before[-1] == "new"
    shown = lines[len(before) - 1 : -1]
    assert shown[1::2] == list(TEAMS)
    assert [line.startswith(WORDS[team]) for line, team in zip(shown[::2], TEAMS, strict=True)] == [True] * 3


def test_a_helper_of_several_steps_is_left_alone_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Operated(tmp_path, monkeypatch, HELPER)
    project.apply({"operator": "demonstrations-as-turns"}, _evidence(project))
    assert len(_said(project, "sort")) > 2
    assert _said(project, "reply") == ["new"]


def test_a_person_may_edit_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Operated(tmp_path, monkeypatch, LIST)
    edits = project.apply({"operator": "demonstrations-as-turns"}, _evidence(project))
    assert _file(edits).address == f"{project.package}/demonstrations/sort.jsonl"
    path = tmp_path / _file(edits).address
    assert [*json.loads(path.read_text(encoding="utf-8").splitlines()[0])] == ["user", "assistant"]
    path.write_text('{"user": "my own", "assistant": "other"}\n\n', encoding="utf-8")
    assert _said(project, "sort") == ["Sort the message.", "my own", "other", "new"]


def test_what_is_proposed_passes_the_review(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, source in enumerate((LIST, APPENDED, HELPER)):
        project = Operated(tmp_path / str(number), monkeypatch, source)
        evidence = _evidence(project)
        candidate = _turns(evidence)[0]
        cases = [item.case for item in evidence.cases]
        cases += [
            Case(id=f"v{index}", inputs={"message": f"{WORDS[team]} blue sofa"}, expected=team, split="val")
            for index, team in enumerate(TEAMS)
        ]
        settings = Settings(demonstrations="train", max_demonstrations=6)
        result = review(candidate, store=project.store, cases=cases, settings=settings, levels=LEVELS)
        assert [(each.check, each.message) for each in result.problems] == []


def _reviewed(project: Operated, candidate: Candidate, evidence: Evidence, **settings: Any) -> set[str]:
    cases = [item.case for item in evidence.cases]
    hidden = Case(
        id="v1",
        inputs={"message": "where did you send the blue sofa today"},
        expected="delivery",
        split="val",
    )
    values = {"demonstrations": "train", "max_demonstrations": 6, **settings}
    made = Settings.model_validate(values)
    result = review(candidate, store=project.store, cases=[*cases, hidden], settings=made, levels=LEVELS)
    return {problem.check for problem in result.problems if problem.blocks}


def test_the_review_blocks_other_files_of_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Operated(tmp_path, monkeypatch, LIST)
    evidence = _evidence(project)
    good = _turns(evidence)[0]

    def with_file(text: str, **update: Any) -> Candidate:
        edits = [
            edit if edit is not _file(good.edits) else edit.model_copy(update={"after": text})
            for edit in good.edits
        ]
        return good.model_copy(update={"edits": edits, **update})

    text = _file(good.edits).after
    val = '{"user": "where did you send the blue sofa today", "assistant": "delivery"}\n'
    assert _reviewed(project, good, evidence) == set()
    assert _reviewed(project, good, evidence, demonstrations="made") == {"demonstrations", "leakage"}
    assert _reviewed(project, good, evidence, max_demonstrations=3) == {"demonstrations"}
    assert "demonstrations" in _reviewed(project, with_file("no json\n"), evidence)
    assert "demonstrations" in _reviewed(
        project, with_file(text + '{"user": "x", "assistant": "y"}\n'), evidence
    )
    kept = "".join(text.splitlines(keepends=True)[1:])
    assert "leakage" in _reviewed(project, with_file(kept + val), evidence)


def test_turns_are_shown_only_where_train_cases_may_be_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Operated(tmp_path, monkeypatch, LIST)
    for mode in ("made", "off"):
        evidence = _evidence(project, demonstrations=mode)
        assert _turns(evidence) == []
        with pytest.raises(OperatorError, match="demonstrations"):
            apply_operator({"operator": "demonstrations-as-turns"}, evidence)


def test_every_label_is_shown_and_at_most_half_of_what_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Operated(tmp_path, monkeypatch, LIST)
    evidence = _evidence(project, max_demonstrations=16)
    first = _turns(evidence)[0]
    lines = [json.loads(line) for line in _file(first.edits).after.splitlines()]
    assert [line["assistant"] for line in lines] == [*TEAMS] * 3  # nine of eighteen failing cases
    assert len(first.demonstrations) == 9
    assert not {f"t.py::test_it[{name}]" for name in first.demonstrations} & set(first.targets)


def test_labels_that_the_first_examples_did_not_fix_get_other_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Operated(tmp_path, monkeypatch, LIST)
    evidence = _evidence(project, max_demonstrations=3)
    first = _turns(evidence)[0]
    by_team = {item.case.id: item.case.expected for item in evidence.cases}
    fixed = [item.nodeid for item in evidence.cases if by_team[item.case.id] != "other"]
    verdict = Verdict(
        accepted=False, reason="", stage="targeted", fixed=[name for name in fixed if name in first.targets]
    )
    memory = [Attempt(candidate=first, review=Review(), verdict=verdict)]
    second = next(
        each
        for each in _turns(evidence.model_copy(update={"memory": memory}))
        if each.technique.endswith("2)")
    )
    kept = set(first.demonstrations) & set(second.demonstrations)
    assert {by_team[name] for name in kept} == {"refund", "delivery"}
    assert sum(by_team[name] == "other" for name in second.demonstrations) == 1
    assert json.loads(_file(second.edits).after.splitlines()[0])["assistant"] == "other"


def test_the_nearest_wording_is_tried_with_the_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Operated(tmp_path, monkeypatch, LIST, {"prompts/sort.md": "Sort.\n"})
    evidence = _evidence(project)
    address = f"{project.package}/prompts/sort.md"

    def wording(text: str, credit: float) -> Attempt:
        edit = Edit(address=address, before="Sort.\n", after=text)
        candidate = Candidate(
            edits=[edit], hypothesis="", proposer="playbook", technique=text.strip(), step="sort"
        )
        verdict = Verdict(accepted=False, reason="", stage="targeted", credit=credit)
        return Attempt(candidate=candidate, review=Review(), verdict=verdict)

    memory = [wording("Far.\n", 0.1), wording("Near.\n", 0.4), wording("Worse.\n", -0.2)]
    found = list(Playbook().propose(evidence.model_copy(update={"memory": memory})))
    both = next(each for each in found if each.technique.startswith("joint"))
    assert both.technique == "joint: Near. with demonstrations-as-turns"
    assert both.edits[0].address == address
    assert both.edits[0].after == "Near.\n"
    assert _file(both.edits).after
    assert both.level == "structure"
    assert not any(each.technique.startswith("joint") for each in Playbook().propose(evidence))


def test_a_step_that_shows_examples_gets_another_file_and_the_code_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Operated(tmp_path, monkeypatch, LIST)
    first = _turns(_evidence(project, max_demonstrations=3))[0]
    project.write(first.edits)
    again = _turns(_evidence(project, max_demonstrations=6))
    assert [edit.address for edit in again[0].edits] == [_file(first.edits).address]
    assert again[0].edits[0].before == _file(first.edits).after
    project.write(again[0].edits)
    assert len(_said(project, "sort")) == 2 + 2 * 6


TEMPLATES = """
from langchain_core.prompts import ChatPromptTemplate

PROMPT = ChatPromptTemplate.from_messages([("system", "Sort {{it}}."), ("human", "{message}")])


def sort(message):
    return "\\n".join(str(each.content) for each in PROMPT.invoke({"message": message}).messages)
"""
CHAIN = TEMPLATES.replace("\n\n\ndef", "\nchain = PROMPT | (lambda value: value)\n\n\ndef").replace(
    "PROMPT.invoke", "chain.invoke"
)
OWN = """
from langchain_core.prompts import ChatPromptTemplate


def sort(message):
    prompt = ChatPromptTemplate.from_messages([("system", "Sort {{it}}."), ("human", "{message}")])
    return "\\n".join(str(each.content) for each in prompt.invoke({"message": message}).messages)
"""


@pytest.mark.parametrize("source", [TEMPLATES, CHAIN, OWN], ids=["of the module", "chain", "of the function"])
def test_templates_of_langchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    pytest.importorskip("langchain_core")
    project = Operated(tmp_path, monkeypatch, source)
    edits = project.apply({"operator": "demonstrations-as-turns", "examples": 1}, _evidence(project))
    path = tmp_path / _file(edits).address
    path.write_text('{"user": "a {brace}", "assistant": "other"}\n', encoding="utf-8")
    assert project.run(str, "sort", "new").splitlines() == ["Sort {it}.", "a {brace}", "other", "new"]


PREDICTOR = '''
import dspy


class Sort(dspy.Signature):
    """Sort the message."""

    message: str = dspy.InputField()
    team: str = dspy.OutputField()


class Desk(dspy.Module):
    def __init__(self):
        super().__init__()
        self.predict = dspy.Predict(Sort)

    def sort(self, message):
        return self.predict(message=message).team
'''


def test_demos_of_dspy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dspy = pytest.importorskip("dspy")
    project = Operated(tmp_path, monkeypatch, PREDICTOR)
    edits = project.apply(
        {"operator": "demonstrations-as-turns", "examples": 2}, _evidence(project, step="Desk.sort")
    )
    lines = [json.loads(line) for line in _file(edits).after.splitlines()]
    assert [line["team"] for line in lines] == ["delivery", "other"]
    model = dspy.utils.DummyLM([{"team": "other"}])
    with dspy.context(lm=model):
        assert project.run(str, "Desk.sort", "new") == "other"
    contents = [str(message["content"]) for message in model.history[0]["messages"]]
    assert [message["role"] for message in model.history[0]["messages"]] == [
        *("system", "user", "assistant", "user", "assistant", "user")
    ]
    assert lines[0]["message"] in contents[1]
    assert "delivery" in contents[2]
