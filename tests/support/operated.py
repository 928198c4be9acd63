"""A small project whose functions operators rewrite, and a model that a test scripts; all of it runs."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import itertools
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.handmade import Bench, span

from pytest_fapo.core.candidate import Candidate, Edit, Review
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster, Finding
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import LEVELS, Category, Level
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.settings import Settings
from pytest_fapo.propose.operators.step_operators import apply_operator
from pytest_fapo.review.static_review import review
from pytest_fapo.source.artifact_store import ArtifactStore

Model = Callable[[str], str]
_NUMBERS = itertools.count()

FAKE = """
from types import SimpleNamespace

asked = []
model = None

def _answer(messages):
    text = "\\n".join(message["content"] for message in messages)
    asked.append(text)
    return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content=model(text)))])

def create(*, model, messages, **more):
    return _answer(messages)

async def acreate(*, model, messages, **more):
    return _answer(messages)

def _client(create):
    return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))

client, aclient = _client(create), _client(acreate)
"""
LLM = """
from PACKAGE.fake import aclient, client


def complete(prompt: str, system: str = "") -> str:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": prompt})
    response = client.chat.completions.create(model="m", messages=messages)
    return (response.choices[0].message.content or "").strip()


async def acomplete(prompt: str, system: str = "") -> str:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": prompt})
    response = await aclient.chat.completions.create(model="m", messages=messages)
    return (response.choices[0].message.content or "").strip()
"""
PROMPTS = '''
from pathlib import Path

FOLDER = Path(__file__).parent / "prompts"


def load(name: str) -> str:
    """The text of `prompts/<name>.md`."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")
'''


def made_async(source: str, *functions: str) -> str:
    """The same pipeline with these functions, and the model, async."""
    source = re.sub(r"(?<!await )\bcomplete\(", "await acomplete(", source)
    source = source.replace("import complete", "import acomplete")
    for name in functions:
        source = re.sub(rf"\bdef {name}\(", f"async def {name}(", source)
        source = re.sub(rf"(?<!def )\b{name}\(", f"await {name}(", source)
    return source


class Operated:
    """A package on disk. `PACKAGE` in a source stands for its name."""

    def __init__(
        self, root: Path, patch: pytest.MonkeyPatch, source: str, files: Mapping[str, str] | None = None
    ) -> None:
        self.root = root
        self.package = f"operated{next(_NUMBERS)}"
        self._patch = patch
        patch.syspath_prepend(str(root))
        patch.setattr(sys, "dont_write_bytecode", True)
        texts = {"__init__.py": "", "fake.py": FAKE, "llm.py": LLM, "prompts.py": PROMPTS}
        for name, text in {**texts, "pipeline.py": source, **(files or {})}.items():
            path = root / self.package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).replace("PACKAGE", self.package), encoding="utf-8")

    @property
    def pipeline(self) -> str:
        return f"{self.package}/pipeline.py"

    def read(self, name: str) -> str:
        return (self.root / self.package / name).read_text(encoding="utf-8")

    @property
    def store(self) -> ArtifactStore:
        """Every function of the pipeline's file and every prompt file."""
        prompts = [f"{self.package}/prompts/*.md"] if (self.root / self.package / "prompts").is_dir() else []
        return ArtifactStore(self.root, Scope(structure=[self.pipeline], prompts=prompts))

    def evidence(
        self,
        step: str,
        runs: Sequence[tuple[Any, Any]] = (),
        *,
        category: Category = "content",
        level: Level = "structure",
        asks: bool = True,
        hidden: Sequence[str] = (),
        **more: Any,
    ) -> Evidence:
        """Return a proposer's evidence from runs of one step, given as its inputs and its output.

        Args:
            hidden: files of the package that are not shown.
        """
        bench = Bench()
        nodeids = []
        for inputs, output in runs or [({}, None)]:
            text = output if isinstance(output, str) else ""
            made = span(step, output, inputs=inputs, prompt=str(inputs) if asks else None, answer=text)
            nodeids.append(bench.run(inputs, None, [made], output, explanation="assert 1 == 2"))
        findings = [
            Finding(
                nodeid=nodeid,
                case_id=f"c{number}",
                pipeline="pipeline",
                step=step,
                category=category,
                level=level,
                confidence=0.9,
                evidence="",
            )
            for number, nodeid in enumerate(nodeids, start=1)
        ]
        cluster = Cluster(
            id="k1",
            label=step,
            pipeline="pipeline",
            step=step,
            category=category,
            level=level,
            confidence=0.9,
            findings=findings,
        )
        sources = {
            path.relative_to(self.root).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted((self.root / self.package).rglob("*.py"))
            if path.name not in hidden
        }
        return bench.evidence(cluster, self.store.all(), level=level, sources=sources, **more)

    def apply(self, operator: Mapping[str, Any], evidence: Evidence) -> list[Edit]:
        """Make an operator's edits in the files."""
        edits = apply_operator(operator, evidence)
        self.write(edits)
        return edits

    def write(self, edits: Sequence[Edit]) -> None:
        for path, content in self.store.render(edits).items():
            (self.root / path).parent.mkdir(exist_ok=True)
            (self.root / path).write_bytes(content)

    def review(self, edits: Sequence[Edit], cases: Sequence[Case]) -> Review:
        """Return the independent checks' review of an operator's edits."""
        candidate = Candidate(
            edits=list(edits), hypothesis="", proposer="playbook", technique="operator", level="structure"
        )
        return review(candidate, store=self.store, cases=cases, settings=Settings(), levels=LEVELS)

    def run(self, model: Model, name: str, *arguments: Any) -> Any:
        """Call a function (or `Class.method`) of the pipeline in its present form, answered by a model."""
        for loaded in [each for each in sys.modules if each.partition(".")[0] == self.package]:
            self._patch.delitem(sys.modules, loaded)
        importlib.invalidate_caches()
        fake: Any = importlib.import_module(f"{self.package}.fake")
        fake.model = model
        self.asked: list[str] = fake.asked
        target: Any = importlib.import_module(f"{self.package}.pipeline")
        owner, _, method = name.rpartition(".")
        called = getattr(getattr(target, owner)(), method) if owner else getattr(target, name)
        result = called(*arguments)
        return asyncio.run(result) if inspect.iscoroutine(result) else result
