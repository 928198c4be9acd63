"""A DSPy program that loads what it saved: the accepted edit lands in the file and in the code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.planted.lab import Lab
from benchmarks.reach.framework_pages import framework_of
from benchmarks.reach.frameworks import place

SAVES = """
import dspy
from app.pipeline import desk

desk.triage.demos = [dspy.Example(ticket="A crash.", team="technical")]
desk.triage.signature = desk.triage.signature.with_instructions(
    "Sort the ticket with care into one of the teams billing, shipping, technical."
)
desk.save("app/desk.json")
"""


@pytest.mark.slow
def test_edit_of_an_instruction_reaches_the_saved_program(lab: Lab) -> None:
    pytest.importorskip("dspy")
    page = framework_of("dspy")
    project = place(page, lab, "openai:opt-scripted")
    subprocess.run(
        [sys.executable, "-c", SAVES], cwd=project.root, env=project.environment(), check=True, timeout=120
    )
    code = project.root / "app" / "pipeline.py"
    code.write_text(
        code.read_text().replace("desk = Desk()\n", 'desk = Desk()\ndesk.load("app/desk.json")\n')
    )
    saved = project.root / "app" / "desk.json"
    before = json.loads(saved.read_text())

    assert project.pytest().counts["failed"]
    ran = project.pytest("--fapo-optimize", timeout=600)
    after, now = json.loads(saved.read_text()), code.read_text()
    written = after["triage"]["signature"]["instructions"]
    assert "with care" in written, ran.output
    assert all(f"- {team}: " in written for team in ("billing", "shipping"))
    assert all(line.strip() in now for line in written.splitlines())
    assert after["triage"]["demos"] == before["triage"]["demos"]
    assert after["metadata"] == before["metadata"]
    assert project.pytest().code == 0
