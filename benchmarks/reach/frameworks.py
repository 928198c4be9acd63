"""Figures: projects of frameworks that go from failing to fixed, their code as it is."""

from __future__ import annotations

import json
from fnmatch import fnmatch

from benchmarks.planted.lab import Lab
from benchmarks.planted.project import Project
from benchmarks.planted.table import Figure, share
from benchmarks.reach.clients import installed
from benchmarks.reach.framework_table import FRAMEWORKS, Framework
from benchmarks.reach.tickets import cases, defining_teams, in_the_shape_asked_for

_TESTS = {
    "app/__init__.py": "",
    "tests/conftest.py": """
import pytest

@pytest.fixture(scope="session")
def pipeline():
    from app.pipeline import answer
    return answer
""",
    "tests/test_team.py": """
import pytest_fapo as fapo

@fapo.cases("cases.jsonl")
def test_team(case, run):
    assert run.output["team"] == case.expected["team"]
""",
}


_OPTIMIZATION = 1_200
"""Seconds: each evaluation imports the framework again."""

QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OTEL_SDK_DISABLED": "true",
}
"""Keeps the libraries from sending anything else."""


OPTIMIZERS = {"the playbook": "playbook", "a scripted model": "openai:opt-scripted"}
"""What repairs a project, to the setting `optimizer`."""


def framework_figure(lab: Lab, repairer: str, rows: tuple[Framework, ...] = FRAMEWORKS) -> Figure:
    """Run one of `OPTIMIZERS` on each project, then its tests."""
    counted = [row for row in rows if installed(row.package)]
    found = {row.name: problem_of(row, lab, OPTIMIZERS[repairer]) for row in counted}
    missed = [f"{name}: {problem}" for name, problem in found.items() if problem]
    absent = [
        f"{row.name}: not counted, {row.package} is not installed" for row in rows if row not in counted
    ]
    return Figure(
        f"projects from failing to fixed by {repairer}",
        "all whose library is installed",
        share(len(counted) - len(missed), len(counted)),
        not missed,
        notes=[*missed, *absent],
    )


def place(row: Framework, lab: Lab, optimizer: str) -> Project:
    """A project on disk, whose models answer."""
    files = {**_TESTS, **row.files, "pyproject.toml": _settings(row, optimizer)}
    project = lab.place("framework", files, cases(), model=in_the_shape_asked_for, optimizer=defining_teams)
    project.env |= {**QUIET, "OPENAI_API_BASE": f"{project.url}/v1"}
    return project


def problem_of(row: Framework, lab: Lab, optimizer: str) -> str:
    """Return what goes wrong with a project; empty where it is fixed, by edits of its prompts alone."""
    project = place(row, lab, optimizer)
    failing = project.pytest().counts.get("failed", 0)
    if not failing:
        return "its tests pass before anything is done"
    ran = project.pytest("--fapo-optimize", timeout=_OPTIMIZATION)
    after = project.pytest()
    if after.code:
        left = after.counts.get("failed", 0)
        return f"{left} of {failing} failures are left (exit code of the optimization: {ran.code})"
    scoped = {entry.partition("::")[0] for entry in row.prompts}
    sources = project.sources()
    changed = [path for path in row.files if path in sources and sources[path] != row.files[path]]
    if not changed:
        return "its tests pass, and nothing is written"
    strange = [path for path in changed if not any(fnmatch(path, entry) for entry in scoped)]
    return f"{', '.join(strange)} changed" if strange else ""


def _settings(row: Framework, optimizer: str) -> str:
    return (
        '[tool.pytest.ini_options]\npythonpath = ["."]\ntestpaths = ["tests"]\n'
        '[tool.fapo]\nreviewer = "off"\ndiagnoser = "off"\n'
        f"optimizer = {json.dumps([optimizer])}\n"
        f"[tool.fapo.scope]\nprompts = {json.dumps(list(row.prompts))}\n"
    )
