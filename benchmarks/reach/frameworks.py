"""Figure: projects of frameworks that go from failing to fixed, their code as it is."""

from __future__ import annotations

import json

from benchmarks.planted.lab import Lab
from benchmarks.planted.table import Figure, share
from benchmarks.reach.clients import installed
from benchmarks.reach.framework_table import FRAMEWORKS, Framework
from benchmarks.reach.tickets import cases, in_the_shape_asked_for

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
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
}
"""Keeps the libraries from sending anything else."""


def framework_figure(lab: Lab, rows: tuple[Framework, ...] = FRAMEWORKS) -> Figure:
    """Run the playbook on each project, then its tests."""
    counted = [row for row in rows if installed(row.package)]
    found = {row.name: problem_of(row, lab) for row in counted}
    missed = [f"{name}: {problem}" for name, problem in found.items() if problem]
    absent = [
        f"{row.name}: not counted, {row.package} is not installed" for row in rows if row not in counted
    ]
    return Figure(
        "projects from failing to fixed by the playbook",
        "all whose library is installed",
        share(len(counted) - len(missed), len(counted)),
        not missed,
        notes=[*missed, *absent],
    )


def problem_of(row: Framework, lab: Lab) -> str:
    """Return what goes wrong with a project; empty where it is fixed, by edits of its prompts alone."""
    files = {**_TESTS, **row.files, "pyproject.toml": _settings(row)}
    project = lab.place("framework", files, cases(), model=in_the_shape_asked_for)
    project.env |= {**QUIET, "OPENAI_API_BASE": f"{project.url}/v1"}
    failing = project.pytest().counts.get("failed", 0)
    if not failing:
        return "its tests pass before anything is done"
    ran = project.pytest("--fapo-optimize", timeout=_OPTIMIZATION)
    after = project.pytest()
    if after.code:
        left = after.counts.get("failed", 0)
        return f"{left} of {failing} failures are left (exit code of the optimization: {ran.code})"
    code = [path for path in row.files if path.endswith(".py")]
    scoped = {entry.partition("::")[0] for entry in row.prompts}
    changed = [path for path in code if path not in scoped and project.sources()[path] != row.files[path]]
    return f"{', '.join(changed)} changed" if changed else ""


def _settings(row: Framework) -> str:
    return (
        '[tool.pytest.ini_options]\npythonpath = ["."]\ntestpaths = ["tests"]\n'
        '[tool.fapo]\noptimizer = ["playbook"]\nreviewer = "off"\ndiagnoser = "off"\n'
        f"[tool.fapo.scope]\nprompts = {json.dumps(list(row.prompts))}\n"
    )
