"""A small project, what is known of its failing cases, and scripts that stand in for a coding agent."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_fapo.core.candidate import Candidate
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster, Finding
from pytest_fapo.core.evidence import Evidence, EvidenceCase
from pytest_fapo.core.record import LEVELS, Level, Split
from pytest_fapo.core.settings import Settings
from pytest_fapo.core.trace import Step, Trace
from pytest_fapo.propose.agent.coding_agent import CodingAgentProposer
from pytest_fapo.source.artifact_store import ArtifactStore

PROMPT = "app/prompts/sort.md"
PROMPT_TEXT = "Sort the ticket.\nTicket: {ticket}\n"
TOP_K = "app/settings.py::TOP_K"
ANSWER = "app/pipeline.py::answer"
SCOPE = {
    "prompts": ["app/prompts/*.md"],
    "params": [f"{TOP_K} = 1..20"],
    "structure": ["app/pipeline.py"],
}
PIPELINE = '''"""Answers."""

import json

LIMIT = 3


def answer(ticket: str) -> str:
    return json.dumps(ticket)
'''
FILES = {
    PROMPT: PROMPT_TEXT,
    "app/__init__.py": "",
    "app/settings.py": "TOP_K = 4  # passages\n",
    "app/pipeline.py": PIPELINE,
    "tests/test_sort.py": "def test_sort():\n    assert True\n",
    "README.md": "Sorts tickets.\n",
    "fapo-baseline.json": '{"items": {"t1": true, "v1": false}}\n',
    "fapo-snapshots/pipeline.md": "The val case v1 gave shipping\n",
    "notes/seen.txt": "Somebody pasted: the courier never rang my bell\n",
    ".env": "SECRET=env-secret\n",
    ".fapo/cache/answers.txt": "cache-secret\n",
}
TEXTS: dict[str, tuple[Split, str, str]] = {
    "t1": ("train", "my money is gone since yesterday", "billing"),
    "t2": ("train", "where is the parcel that I ordered", "shipping"),
    "v1": ("val", "the courier never rang my bell", "shipping"),
    "h1": ("holdout", "the invoice shows a wrong amount", "billing"),
}


class AgentProject:
    """The project below `folder`, and agents beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "project"
        cases = "".join(
            json.dumps({"id": name, "inputs": {"ticket": text}, "expected": label, "split": split}) + "\n"
            for name, (split, text, label) in TEXTS.items()
        )
        for path, text in {**FILES, "cases/tickets.jsonl": cases}.items():
            place = self.root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")

    def cases(self) -> list[Case]:
        return [
            Case(
                id=name,
                inputs={"ticket": text},
                expected=label,
                split=split,
                origin=f"cases/tickets.jsonl:{number}",
            )
            for number, (name, (split, text, label)) in enumerate(TEXTS.items(), start=1)
        ]

    def agent(self, code: str) -> str:
        """The setting for a program of this source."""
        path = self.folder / "agent.py"
        path.write_text(textwrap.dedent(code), encoding="utf-8")
        return f"command:{sys.executable} {path}"

    def settings(self, **more: Any) -> Settings:
        return Settings.model_validate({"scope": SCOPE, **more})

    def proposer(self, code: str, *, spec: str = "", **command: Any) -> CodingAgentProposer:
        """A proposer that runs this source, told of the cases."""
        settings = self.settings(command={"time_limit": 30, **command})
        made = CodingAgentProposer(spec or self.agent(code), settings=settings, root=self.root)
        made.begin(self.cases())
        return made

    def evidence(self, level: Level = "prompt", **more: Any) -> Evidence:
        """Two train cases that fail in `answer`."""
        items = [_item(case) for case in self.cases() if case.split == "train"]
        findings = [_finding(item) for item in items]
        cluster = Cluster(
            id="k1",
            label="answer: wrong label",
            pipeline="pipeline",
            step="answer",
            category="label",
            level="prompt",
            confidence=0.9,
            findings=findings,
            artifacts=[PROMPT],
        )
        store = ArtifactStore(self.root, self.settings().scope)
        allowed = LEVELS[: LEVELS.index(level) + 1]
        fields: dict[str, Any] = {
            "cluster": cluster,
            "cases": items,
            "artifacts": [artifact for each in allowed for artifact in store.all(each)],
            "level": level,
            "parent": "c0",
        }
        return Evidence.model_validate({**fields, **more})

    def propose(self, code: str, level: Level = "prompt", **command: Any) -> Candidate:
        (candidate,) = self.proposer(code, **command).propose(self.evidence(level))
        return candidate


def _item(case: Case) -> EvidenceCase:
    step = Step(name="answer", index=0, inputs=case.inputs, output="other")
    return EvidenceCase(
        case=case,
        nodeid=f"tests/test_sort.py::test_sort[{case.id}]",
        passed=False,
        explanation=f"assert 'other' == {case.expected!r}",
        trace=Trace(pipeline="pipeline", case_id=case.id, inputs=case.inputs, output="other", steps=[step]),
    )


def _finding(item: EvidenceCase) -> Finding:
    return Finding(
        nodeid=item.nodeid,
        case_id=item.case.id,
        pipeline="pipeline",
        step="answer",
        category="label",
        level="prompt",
        confidence=0.9,
        evidence="another label than expected",
    )


def all_of(folder: Path, names: Sequence[str] = ()) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (not names or path.name in names)
    }
