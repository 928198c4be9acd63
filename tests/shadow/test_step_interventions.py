"""Cases run again with a step's output replaced, in a real child over a model server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.shadow_project import Project
from support.teams import Server, serving

from pytest_fapo.core.diagnosis import Intervention
from pytest_fapo.core.errors import EvaluationError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.shadow.evaluation_request import EvaluationRequest, EvaluationStage
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree
from pytest_fapo.shadow.step_interventions import rounds, run_interventions

APP = """
import asyncio, os
from dataclasses import dataclass
from typing import NamedTuple
import httpx
from pydantic import BaseModel
from pytest_fapo import step

client = httpx.Client(base_url=os.environ["OPENAI_BASE_URL"], timeout=30)

def ask(text):
    body = {"model": "task", "messages": [{"role": "user", "content": text}]}
    return client.post("/chat/completions", json=body).json()["choices"][0]["message"]["content"]

@dataclass
class Topic:
    name: str
    sure: float = 1.0

class Draft(BaseModel):
    text: str

@step
def classify(message):
    return ask("classify: " + message)

@step
def topic(name) -> Topic:
    return Topic(name)

@step
def untold(name):
    return Topic(name)

@step
def many(name):
    return [Topic(name)]

@step
async def draft(name) -> Draft:
    return Draft(text="about " + name)

@step
def pieces(text):
    yield from text

def loose(text):
    return ask("loose: " + text)

async def handle(message):
    label = classify(message)
    found = topic(label)
    more = untold(found.name)
    written = await draft(more.name)
    return {"label": label, "name": found.name, "draft": written.text, "many": many(label)[0].name,
            "pieces": "".join(pieces(label)), "loose": loose(label)}
"""

TEST = """
import pytest_fapo as fapo

@fapo.cases("cases.jsonl", split="train")
def test_label(case, run):
    assert run.output["label"] == case.expected["label"]

@fapo.cases("cases.jsonl", split="train")
def test_all(case, run):
    for name, value in case.expected.items():
        assert run.output[name] == value
"""

ONE = {"label": "refund", "name": "refund", "draft": "about refund"}
CASES = [
    {"id": "a", "inputs": {"message": "money back"}, "expected": ONE, "split": "train"},
    {"id": "b", "inputs": {"message": "money please"}, "expected": {"label": "billing", "name": "billing"}},
    {"id": "c", "inputs": {"message": "late"}, "expected": {"label": "billing", "loose": "sure"}},
]


class Lab:
    def __init__(self, shadow: ShadowTree, server: Server, cache: Path) -> None:
        self.shadow = shadow
        self.server = server
        self.request = EvaluationRequest(cache_folder=str(cache))

    def evaluate(self, *interventions: Intervention) -> Evaluation:
        stages = [EvaluationStage(name="some", nodeids=[one.nodeid for one in interventions])]
        changes = {"interventions": list(interventions), "stages": stages}
        return evaluate(self.shadow, self.request.model_copy(update=changes))


def one(case: str, outputs: dict[str, Any] | None = None, *, test: str = "all", **more: Any) -> Intervention:
    nodeid = f"test_it.py::test_{test}[{case}]"
    return Intervention(nodeid=nodeid, case_id=case, pipeline="pipeline", outputs=outputs or {}, **more)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("interventions")
    project = Project(folder / "app")
    project.write(
        {
            "conftest.py": (
                "import pytest\n@pytest.fixture(scope='session')\n"
                "def pipeline():\n    from flow import handle\n    return handle\n"
            ),
            "flow.py": APP,
            "test_it.py": TEST,
            "cases.jsonl": "\n".join(json.dumps(case) for case in CASES),
        }
    )
    number = iter(range(1_000_000))

    def answer(text: str) -> str:
        return "billing" if text.startswith("classify") else f"answer {next(number)}"

    with serving(Server(task=answer)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("OPENAI_BASE_URL", server.url)
        with ShadowTree.create(project.root) as shadow:
            made = Lab(shadow, server, folder / "cache")
            made.request = made.request.model_copy(update={"args": ["-p", "pytest_fapo.plugin"]})
            evaluate(shadow, made.request)
            yield made


def test_what_turns_green_is_told_for_each_intervention(lab: Lab) -> None:
    asked = len(lab.server.task_requests)
    outcomes = run_interventions(
        lab.shadow,
        lab.request,
        [
            one("a", {"classify": "refund"}),
            one("a", {"classify": "shipping"}),
            one("a", {"topic": {"name": "refund"}}),
            one("a", {"classify": "refund"}, test="label"),
            one("b", {"classify": "refund"}),
        ],
    )
    assert outcomes == {0: "passed", 1: "failed", 2: "failed", 3: "passed", 4: "failed"}
    # What stands before a replaced step is on record; the step behind it is asked with its new input, once.
    assert len(lab.server.task_requests) - asked == 2


def test_values_are_made_again_as_the_step_gives_them(lab: Lab) -> None:
    case = one("a", {"classify": "refund", "untold": {"name": "tax"}, "draft": {"text": "x"}})
    typed = case.model_copy(update={"types": {"untold": "flow:Topic"}})
    trace = lab.evaluate(typed).traces["pipeline::a"]
    assert {step.key for step in trace.steps if step.replaced} == {"classify", "untold", "draft"}
    assert trace.output["name"] == "refund"  # type: ignore[index,call-overload]
    assert trace.output["draft"] == "x"  # type: ignore[index,call-overload]
    kinds = {step.key: step.output_type for step in trace.steps}
    assert (kinds["untold"], kinds["draft"], kinds["many"], kinds["classify"]) == (
        "flow:Topic",
        "flow:Draft",
        "builtins:list",
        "",
    )


def test_what_cannot_be_done_has_no_outcome(lab: Lab) -> None:
    impossible = [
        one("a", {"topic": {"wrong": 1}}),
        one("b", {"many": [{"name": "x"}]}, types={"many": "builtins:list"}),
        one("c", {"untold": {"name": "x"}}, types={"untold": "gone:Topic"}),
        one("a", {"pieces": "refund"}),
        one("b", {"classify#2": "refund"}),
        one("c", resample=["no such step"]),
        one("unknown case", {"classify": "refund"}),
    ]
    assert set(run_interventions(lab.shadow, lab.request, impossible).values()) == {None}


def test_a_call_outside_of_every_step_is_a_step_that_can_be_replaced(lab: Lab) -> None:
    changed = [one("c", {"loose": "sure"}), one("c", {"loose": "hardly"})]
    assert run_interventions(lab.shadow, lab.request, changed) == {0: "passed", 1: "failed"}
    trace = lab.evaluate(changed[0]).traces["pipeline::c"]
    assert [step.key for step in trace.steps if step.replaced] == ["loose"]


def test_a_resampled_step_gets_answers_of_its_own(lab: Lab) -> None:
    recorded = lab.evaluate(one("c")).traces["pipeline::c"]
    fresh = lab.evaluate(one("c", resample=["loose"])).traces["pipeline::c"]
    again = lab.evaluate(one("c", resample=["loose"])).traces["pipeline::c"]
    other = lab.evaluate(one("c", resample=["classify"])).traces["pipeline::c"]
    said = [trace.steps[-1].output for trace in (recorded, fresh, again, other)]
    assert said[0] != said[1]
    assert said[1] == said[2]  # the new sample is on record too
    assert said[3] == said[0]
    assert [call.cache_hit for call in other.llm_calls] == [False, True]


def test_a_case_that_was_not_let_through_says_nothing(lab: Lab) -> None:
    hermetic = lab.request.model_copy(update={"cache_mode": "only"})
    outcomes = run_interventions(
        lab.shadow, hermetic, [one("b", {"classify": "never heard of"}), one("b", {"topic": {"name": "x"}})]
    )
    assert outcomes == {0: None, 1: "failed"}


def test_cancelling_ends_the_rounds(lab: Lab) -> None:
    with pytest.raises(EvaluationError, match="cancelled"):
        run_interventions(lab.shadow, lab.request, [one("b", {"classify": "x"})], cancelled=lambda: True)


def test_cases_share_rounds_as_far_as_they_can() -> None:
    listed = [one("a", {"s": 1}), one("b", {"s": 1}), one("a", {"s": 2}), one("a", {"s": 1}, test="label")]
    assert [sorted(batch) for batch in rounds(listed)] == [[0, 1, 3], [2]]
