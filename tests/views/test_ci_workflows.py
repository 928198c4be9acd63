"""The workflows of docs/ci.md, their steps run as a shell script; and the project's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from support.branch_project import ADDRESS, CHATTY_PROMPT, FILES, BranchProject
from support.documents import REPOSITORY, Block, blocks
from support.teams import Server, serving

PAGE = REPOSITORY / "docs" / "ci.md"
GITHUB, GITLAB = ".github/workflows/accuracy.yml", ".gitlab-ci.yml"
SHARDED_GITHUB, SHARDED_GITLAB = ".github/workflows/accuracy-shards.yml", ".gitlab-ci-shards.yml"
INSTALL = "python -m pip install -r requirements.txt"
"""The only command of the workflows that is not run here: the package under test is installed already."""
SETTINGS = """\
[tool.pytest.ini_options]
pythonpath = ["."]
[tool.fapo]
steps = ["app.pipeline:*"]
cache_files = ["fapo-cache.json"]
[tool.fapo.scope]
prompts = ["app/prompts/*.md"]
"""


class Model(Server):
    """The model that the team records with; CI has no way to it."""

    def answer(self, body: dict[str, Any]) -> tuple[int, str]:
        prompt, ticket = (str(message["content"]) for message in body["messages"])
        word = "billing" if "invoice" in ticket else "shipping" if "parcel" in ticket else "other"
        plain = "one word" in prompt or "hello" in ticket
        return 200, word if plain else f"Dear customer, {word}!"


def marked(kind: str, argument: str = "") -> Block:
    (found,) = [block for block in blocks(PAGE) if (block.kind, block.argument) == (kind, argument)]
    return found


@dataclass
class Outcome:
    code: int
    text: str
    folder: Path
    step_summary: str = ""

    def file(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


class Team:
    """A repository with a workflow of the page, and the way from a change to its checks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = BranchProject(folder / "desk")
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name, module in (("python", ""), ("pytest", "-m pytest"), ("fapo", "-m pytest_fapo")):
            program = self.programs / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
            program.chmod(0o755)

    def begin(self, url: str) -> None:
        pipeline = FILES["app/pipeline.py"].replace("https://model.example/v1", url)
        workflows = {name: marked("file", name).text for name in (GITHUB, GITLAB)}
        self.project.write(
            {
                "pyproject.toml": SETTINGS,
                "requirements.txt": "pytest-fapo\n",
                "app/pipeline.py": pipeline,
                **workflows,
            }
        )
        self.record()
        self.project.begin()

    def record(self) -> None:
        """Do what the page has a person do on their machine, with a model that answers."""
        for command in re.findall(r"^\$ (.+)$", marked("setup").text, flags=re.M):
            done = self.shell(command, self.project.folder, {"OPENAI_API_KEY": "sk-test-1234567890"})
            assert done.returncode in (0, 1), done.stdout + done.stderr

    def branch(self, name: str, message: str) -> None:
        """Put what was changed on a branch of its own and go back to `main`."""
        self.project.git("checkout", "-q", "-b", name)
        self.project.commit(message)
        self.project.git("checkout", "-q", "main")

    def github(self, branch: str) -> Outcome:
        """Run the workflow on GitHub's merge commit of a pull request."""
        workflow = yaml.safe_load(self.project.git("show", f"{branch}:{GITHUB}"))
        self.project.git("checkout", "-q", "-B", "merged", "main")
        self.project.git("merge", "-q", "--no-ff", "-m", "Merge", branch)
        (job,) = workflow["jobs"].values()
        summary = self.folder / f"summary-{branch}.md"
        outcome = Outcome(0, "", self.folder / f"run-{branch}")
        for step in job["steps"]:
            if "uses" in step:
                self._use(step, outcome.folder, outcome.text)
            elif outcome.code == 0 and not step["run"].startswith(INSTALL):
                variables = {
                    "CI": "true",
                    "GITHUB_ACTIONS": "true",
                    "GITHUB_STEP_SUMMARY": str(summary),
                    "GITHUB_BASE_REF": "main",
                    "GITHUB_WORKSPACE": str(outcome.folder),
                }
                done = self.shell(step["run"], outcome.folder, variables)
                outcome.code, outcome.text = done.returncode, outcome.text + done.stdout + done.stderr
        outcome.step_summary = summary.read_text(encoding="utf-8")
        return outcome

    def _use(self, step: dict[str, Any], folder: Path, said: str) -> None:
        name = step["uses"].partition("@")[0]
        assert name in ("actions/checkout", "actions/setup-python", "actions/upload-artifact")
        if name == "actions/checkout":
            assert step["with"]["fetch-depth"] == 0
            self.project.git("clone", "-q", "-b", "merged", self.project.root.as_uri(), str(folder))
        if name == "actions/upload-artifact":
            assert step["if"] == "always()"
            for path in step["with"]["path"].split():
                assert (folder / path).is_file(), f"{path}: {said}"

    def gitlab(self, branch: str) -> Outcome:
        """Run the job on the branch of a merge request."""
        (job,) = yaml.safe_load(self.project.git("show", f"{branch}:{GITLAB}")).values()
        assert job["variables"]["GIT_DEPTH"] == "0"
        folder = self.folder / f"job-{branch}"
        self.project.git("clone", "-q", "-b", branch, self.project.root.as_uri(), str(folder))
        script = "\n".join(line for line in job["script"] if not line.startswith(INSTALL))
        variables = {
            "CI": "true",
            "CI_PROJECT_DIR": str(folder),
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": self.project.git("merge-base", "main", branch),
        }
        done = self.shell(script, folder, variables)
        reports = job["artifacts"]["reports"].values()
        for path in [*job["artifacts"]["paths"], *reports]:
            assert (folder / path).is_file(), f"{path}: {done.stdout}{done.stderr}"
        return Outcome(done.returncode, done.stdout + done.stderr, folder)

    def shell(self, script: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=folder,
            env={**self.project.environment(**variables), "PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """The repository with a branch for each kind of change; each test checks out clones of its own."""
    team = Team(tmp_path_factory.mktemp("team"))
    with serving(Model()) as server:
        team.begin(server.url)
        _branch_off(team)
    return team


def _branch_off(team: Team) -> None:
    pipeline = team.project.folder / "app" / "pipeline.py"
    team.project.write({"app/other.py": "UNUSED = 1\n"})
    team.branch("harmless", "Add a module")
    broken = '["content"].replace("billing", "invoices")'
    pipeline.write_text(pipeline.read_text().replace('["content"]\n', broken + "\n"))
    team.branch("broken", "Call it invoices")
    team.project.write({ADDRESS: CHATTY_PROMPT})
    team.branch("unasked", "Be friendly")
    team.project.write({ADDRESS: CHATTY_PROMPT})
    team.record()
    team.branch("lower", "Be friendly")


@pytest.mark.slow
def test_a_change_that_keeps_accuracy_passes(team: Team) -> None:
    outcome = team.github("harmless")
    assert outcome.code == 0, outcome.text
    assert "::error" not in outcome.text
    assert outcome.step_summary.startswith("## ✅ No regressions against fapo-baseline.json\n")
    assert "| train | 3 | 100 % | 100 % | ±0 |" in outcome.step_summary
    assert "What changed" not in outcome.step_summary


@pytest.mark.slow
def test_code_that_breaks_a_case_is_blocked_where_it_stands(team: Team) -> None:
    github = team.github("broken")
    assert github.code == 10, github.text
    errors = [line for line in github.text.splitlines() if line.startswith("::error")]
    assert [re.findall(r"file=([^,]+),line=(\d+)", line) for line in errors] == [
        [("cases.jsonl", "1")],
    ]
    assert "3 tests, one cause: " in errors[0]
    assert github.step_summary.startswith("## ❌ Accuracy fell against fapo-baseline.json: 3 tests")
    assert '→ "invoices"' in github.step_summary
    gitlab = team.gitlab("broken")
    assert gitlab.code == 10, gitlab.text
    assert gitlab.file("fapo-summary.md").startswith(
        "## ❌ Accuracy fell against fapo-baseline.json: 3 tests"
    )
    entries = json.loads(gitlab.file("gl-code-quality-report.json"))
    assert [entry["location"] for entry in entries if entry["severity"] == "major"] == [
        {"path": "cases.jsonl", "lines": {"begin": 1}}
    ]
    suite = ElementTree.parse(gitlab.folder / "fapo-junit.xml").getroot().find("testsuite")
    assert suite is not None
    properties = {each.attrib["name"]: each.attrib["value"] for each in suite.findall("properties/property")}
    assert properties["fapo.baseline.pipeline.train"] == "1"
    assert float(properties["fapo.score.pipeline.train"]) < 0.7


@pytest.mark.slow
def test_a_prompt_without_its_answers_is_not_let_through(team: Team) -> None:
    outcome = team.github("unasked")
    assert outcome.code == 11, outcome.text
    assert outcome.step_summary.startswith("## ⚠️ Accuracy could not be judged, so the gate does not pass\n")
    assert "### What changed against main\n" in outcome.step_summary
    assert "+Be friendly." in outcome.step_summary


@pytest.mark.slow
def test_a_branch_that_lowers_the_baseline_shows_it(team: Team) -> None:
    outcome = team.github("lower")
    assert outcome.code == 0, outcome.text
    page = outcome.step_summary
    assert page.startswith("## ⚠️ The gate passes, but this branch's own baseline gives up 6 tests\n")
    assert "### The baseline changes with this branch: compared with the baseline of main\n" in page
    assert "| train | 3 | 100 % | 33 % | -66.7 |" in page
    assert "**6 tests, one cause: " in page
    assert "Why: Be friendly (commits)" in page
    (warning,) = [line for line in outcome.text.splitlines() if line.startswith("::warning")]
    assert f"file={ADDRESS},line=2" in warning


@pytest.mark.slow
@pytest.mark.parametrize("page", [SHARDED_GITHUB, SHARDED_GITLAB])
def test_shards_are_joined_and_a_lost_one_is_missed(team: Team, page: str) -> None:
    document = yaml.safe_load(marked("file", page).text)
    jobs = document.get("jobs", document)
    shard, gate = (
        next(line for line in _commands(jobs[name]) if not line.startswith(INSTALL))
        for name in ("shards", "gate")
    )
    folder = team.folder / f"shards-{Path(page).stem}"
    team.project.git("clone", "-q", "-b", "broken", team.project.root.as_uri(), str(folder))
    for number in range(1, 5):
        variables = {"CI": "true", "CI_NODE_INDEX": str(number), "CI_NODE_TOTAL": "4"}
        done = team.shell(shard.replace("${{ matrix.shard }}", str(number)), folder, variables)
        assert done.returncode == 0, done.stdout
    done = team.shell(gate, folder, {"CI": "true"})
    assert done.returncode == 10, done.stdout + done.stderr
    assert "3 tests that passed no longer pass" in done.stdout
    (folder / "fapo-shard-3-of-4.json.gz").unlink()
    done = team.shell(gate, folder, {"CI": "true"})
    assert done.returncode == 11, done.stdout + done.stderr
    assert "shard 3/4 is missing" in done.stdout


def _commands(job: dict[str, Any]) -> list[str]:
    """The commands of a job of GitHub or of GitLab."""
    return job.get("script") or [step["run"] for step in job["steps"] if "run" in step]


def test_the_projects_own_workflow_covers_what_the_package_supports() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == re.findall(r"Python :: (3\.\d+)\"", project)
    oldest = re.search(r'"pytest>=([\d.]+)"', project)
    assert oldest is not None
    assert matrix["pytest"] == [oldest[1], "newest"]
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request" in workflow[True]  # YAML reads the key `on` as a truth value
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert ".ci/run" in commands
    assert os.access(REPOSITORY / ".ci/run", os.X_OK)


def test_every_workflow_of_the_page_is_yaml_with_known_actions() -> None:
    documents = [yaml.safe_load(block.text) for block in blocks(PAGE) if block.language == "yaml"]
    assert len(documents) == 5
    actions = re.findall(r"uses: (\S+)", PAGE.read_text(encoding="utf-8"))
    assert actions
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in actions)
