"""A project's own hooks: each is asked, and heeded, in a real run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.teams import GOOD_PROMPT, LIGHT_APP, Project, Server, make_project, serving, teams_cases

CONFTEST = """
import json
from pathlib import Path

import pytest
from app.pipeline import handle
from pytest_fapo import Candidate, Edit, Finding, ReviewProblem

DIARY = Path(__file__).parent.parent / "diary.jsonl"
GOOD = {good!r}


@pytest.fixture(scope="session")
def pipeline():
    return handle


def pytest_fapo_load_cases(path):
    if path.suffix == ".tickets":
        rows = [line.split("|") for line in path.read_text().splitlines()]
        return [
            {{"id": i, "inputs": {{"ticket": text}}, "expected": {{"team": team}}, "split": split}}
            for i, text, team, split in rows
        ]


def pytest_fapo_redact(text):
    return text.replace("order", "ORDER-NUMBER") if "order" in text else None


def pytest_fapo_attribute(item, case, trace):
    return Finding(
        nodeid=item.nodeid, case_id=case.id, pipeline=item.pipeline, step="sort", category="format",
        level="prompt", confidence=1.0, evidence="the house knows", source="hook",
    )


class House:
    name = "house"

    def __init__(self, ending):
        self.ending = ending

    def check(self):
        pass

    def propose(self, evidence):
        assert [finding.source for finding in evidence.cluster.findings][0] == "hook"
        artifact = evidence.artifacts[0]
        for number, text in enumerate((artifact.text + "\\nShout.\\n", GOOD, GOOD + self.ending), start=1):
            yield Candidate(
                edits=[Edit(address=artifact.address, before=artifact.text, after=text)],
                hypothesis=f"try {{number}}", proposer="house", technique=f"house rule {{number}}",
                cluster=evidence.cluster.id, step="sort", targets=evidence.cluster.nodeids,
                parent=evidence.parent,
            )

    def revise(self, candidate, review, evidence):
        return None


def pytest_fapo_proposer(spec, settings, root):
    kind, _, ending = spec.partition(":")
    return House(ending) if kind == "house" else None


def pytest_fapo_review(candidate):
    if "Shout" in candidate.edits[0].after:
        return [ReviewProblem(check="manners", message="we do not shout")]


def pytest_fapo_gate(candidate, before, after, verdict):
    assert verdict.accepted and len(after.items) == len(before.items)
    if candidate.hypothesis == "try 2":
        return "the house wants another one"


def _note(kind, attempt):
    with DIARY.open("a") as file:
        file.write(json.dumps([kind, attempt.candidate.hypothesis, attempt.verdict.reason]) + "\\n")


def pytest_fapo_accepted(attempt):
    _note("accepted", attempt)


def pytest_fapo_rejected(attempt):
    _note("rejected", attempt)


def pytest_fapo_report_section(summary):
    return "Our costs", f"{{summary.spending.calls}} calls were sent."
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    root = tmp_path / "project"
    root.mkdir()
    with serving(Server()) as server:
        made = make_project(root, server, {"app/pipeline.py": LIGHT_APP})
        rows = [
            "|".join((case["id"], case["inputs"]["ticket"], case["expected"]["team"], case["split"]))
            for case in teams_cases(16)
        ]
        test = (root / "test_teams.py").read_text().replace("cases.jsonl", "cases.tickets")
        settings = (root / "pyproject.toml").read_text()
        settings = settings.replace('"openai:opt"', '"house:Be kind."')
        made.write(
            {
                "cases.tickets": "\n".join(rows),
                "test_teams.py": test,
                "pyproject.toml": settings,
                "conftest.py": CONFTEST.format(good=GOOD_PROMPT),
            }
        )
        yield made


@pytest.mark.slow
def test_every_hook_is_asked_and_heeded(project: Project) -> None:
    result = project.optimize()
    assert result.code == 0, result.text
    diary = [json.loads(line) for line in (project.root.parent / "diary.jsonl").read_text().splitlines()]
    assert [entry[:2] for entry in diary] == [
        ["rejected", "try 1"],
        ["rejected", "try 2"],
        ["accepted", "try 3"],
    ]
    assert diary[0][2] == "we do not shout"
    assert diary[1][2] == "the house wants another one"
    assert project.prompt.endswith("Be kind.")
    assert "Our costs" in result.text
    assert "calls were sent." in result.text
    reference = json.loads((project.run_directory / "reference.json").read_text())
    traces = json.dumps(reference["traces"])
    assert "ORDER-NUMBER" in traces
    assert "order 1" not in traces


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (
            "def pytest_fapo_review(candidate):\n    return ['no']",
            "returned str; expected a list of ReviewProblem",
        ),
        ("def pytest_fapo_gate(candidate):\n    return 1 / 0", "raised ZeroDivisionError: division by zero"),
    ],
)
@pytest.mark.slow
def test_a_broken_guard_ends_the_run(project: Project, hook: str, said: str) -> None:
    before = project.prompt
    with (project.root / "extra_guard.py").open("w") as file:
        file.write(hook)
    result = project.optimize("-p", "extra_guard")
    assert result.code == 1, result.text
    assert said in result.text
    assert "your files are untouched" in result.text
    assert project.prompt == before


@pytest.mark.slow
def test_a_client_of_the_projects_own_is_asked(project: Project) -> None:
    """The model's name is the project's, and so is the way to it; the answers are those of one server."""
    settings = project.root / "pyproject.toml"
    settings.write_text(settings.read_text().replace("house:Be kind.", "gateway:opt"))
    (project.root / "gateway.py").write_text(GATEWAY)
    project.env["OPENAI_API_KEY"] = ""
    project.env["GATEWAY_KEY"] = "sk-gateway-1234567890"
    result = project.optimize("-p", "gateway")
    assert "gateway:opt" in (project.run_directory / "journal.jsonl").read_text(), result.text
    assert "try 1" not in result.text
    assert result.code == 0, result.text
    assert project.prompt == GOOD_PROMPT


GATEWAY = """
import os

from pytest_fapo.answers.sdk_clients import OpenAIClient


class Gateway(OpenAIClient):
    provider = "gateway"

    def key(self):
        return os.environ["GATEWAY_KEY"]


def pytest_fapo_llm_client(spec, settings):
    provider, _, model = spec.partition(":")
    if provider == "gateway":
        from pytest_fapo.core.settings import ProviderSettings

        return Gateway(model, settings.llm.get("openai", ProviderSettings()))
"""
