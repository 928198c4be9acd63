"""A whole run with a coding agent: the real plugin, a real program, and what was proven is in the source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.teams import ADDRESS, GOOD_PROMPT, PYPROJECT, Server, make_project, serving

from pytest_fapo.shadow.inside.landlock import landlock_version

pytestmark = pytest.mark.skipif(not landlock_version(), reason="needs Landlock")

AGENT = f"""
import pathlib, sys
hidden = [line for line in open("cases.jsonl") if '"val"' in line or '"holdout"' in line]
try:
    hidden.append(open(sys.argv[1] + "/cases.jsonl").read())
except OSError:
    pass
pathlib.Path("{ADDRESS}").write_text({GOOD_PROMPT!r})
pathlib.Path("fapo-evidence/hypothesis.txt").write_text(f"It must answer plainly; {{len(hidden)}} secrets.")
"""


@pytest.mark.slow
def test_its_change_is_proven_and_written(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(AGENT)
    root = tmp_path / "project"
    command = f"command:{sys.executable} {tmp_path / 'agent.py'} {root}"
    with serving(Server()) as server:
        files = {"pyproject.toml": PYPROJECT.replace("openai:opt", command)}
        project = make_project(root, server, files)
        before = project.snapshot()
        done = project.optimize("--fapo-write=auto")
        assert done.code == 0, done.text
        (attempt,) = [each for each in project.journal() if each["event"] == "proposed"]
    assert project.prompt == GOOD_PROMPT
    assert attempt["candidate"]["hypothesis"] == "It must answer plainly; 0 secrets."
    assert {path for path, content in project.snapshot().items() if before.get(path) != content} == {ADDRESS}
    assert server.optimizer_requests == []
