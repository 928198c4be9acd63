"""The projects on which parts are left out: planted faults, and small projects of a folder that is given."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.ablation.further_faults import complaints, notices, receipts, shelves, town_news
from benchmarks.planted.pipelines.common import HTTPX, OPENAI
from benchmarks.planted.project import Project
from benchmarks.planted.server import Answerer, Server
from benchmarks.planted.spec import Fault, Planted
from benchmarks.planted.talk import Ask, Say
from benchmarks.strangers.pipelines import strangers
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.settings import load_settings

_STRANGERS = ("open", "sealed", "sealed_second", "sealed_third")
"""Sets of strangers' pipelines that have been worked on since they were run."""


@dataclass(frozen=True)
class Subject:
    """A project that is to be tuned, as the processes that tune it know it."""

    name: str
    root: Path
    url: str
    """Where its models answer; empty where a stand-in does."""
    fault: Fault | None = None
    """The planted fault; None if it is unknown."""
    unseen: frozenset[str] = frozenset()
    """Ids of the hidden cases."""
    repeats: int = 1
    apart: bool = False
    """True if its output has each step's output under the step's name, and no step reads another's: then the
    diagnosis may ask what a right output of some steps would have changed."""
    stranger: bool = False
    """True for those of the benchmark `strangers`, whose repairs are its figures."""


def planted_subject(planted: Planted, server: Server, folder: Path) -> Subject:
    """A planted fault with all its cases, the hidden ones as held-out cases that no verdict looks at.

    In pipelines with a fault of structure a bare `httpx` client gives way to the SDK: whether operators find
    the call is another question than whether they help.
    """
    files = dict(planted.faulty)
    llm = "app/llm.py"
    if planted.fault.level == "structure" and files.get(llm, "").strip() == HTTPX.strip():
        files[llm] = OPENAI.lstrip("\n")
    cases = planted.cases()
    hidden = [{**case, "split": "holdout"} for case in cases.pop("hidden")]
    listed: list[Mapping[str, Any]] = [case for group in cases.values() for case in group]
    server.models[planted.name] = planted.answer
    url = server.url(planted.name)
    root = folder / planted.name
    Project(root, url).write(files, [*listed, *hidden])
    unseen = frozenset(str(case["id"]) for case in hidden)
    return Subject(planted.name, root, url, planted.fault, unseen, planted.repeats)


def further_subjects(server: Server, folder: Path) -> Sequence[Subject]:
    """The faults that no row of `planted` has."""
    both = planted_subject(complaints(), server, folder)
    others = [planted_subject(fault(), server, folder) for fault in (notices, shelves, town_news, receipts)]
    return [replace(both, apart=True), *others]


def stranger_subjects(server: Server, folder: Path) -> Sequence[Subject]:
    """The pipelines of strangers; those of two sets can have one name."""
    pipelines = [
        replace(each, name=f"{kind}-{each.name}".replace("_", "-"))
        for kind in _STRANGERS
        for each in strangers(kind)
    ]
    return [replace(planted_subject(each, server, folder), stranger=True) for each in pipelines]


def handmade_subjects(source: Path, server: Server, folder: Path) -> Sequence[Subject]:
    """Copies of the projects below a folder that can run here by themselves.

    These are folders with `[tool.fapo]` whose model is a stand-in (`[tool.fapo.offline]`), or a module beside
    their pyproject.toml with a function `reply(messages, body, count)`.
    """
    found = []
    for settings in sorted(source.rglob("pyproject.toml")):
        name = settings.parent.relative_to(source).as_posix().replace("/", "-")
        answerer = _model_of(settings.parent)
        try:
            offline = load_settings(None, settings.parent).offline is not None
        except FapoError:
            continue
        if answerer is None and not offline:
            continue
        if answerer is not None:
            server.models[name] = answerer
        shutil.copytree(settings.parent, folder / name, ignore=shutil.ignore_patterns(".fapo", "__pycache__"))
        found.append(Subject(name, folder / name, "" if offline else server.url(name)))
    return found


def _model_of(folder: Path) -> Answerer | None:
    for path in sorted(folder.glob("*.py")):
        if "\ndef reply(messages, body, n)" in path.read_text(encoding="utf-8"):
            spec = importlib.util.spec_from_file_location(f"handmade_{folder.name}_{path.stem}", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return _answering(module.reply)
    return None


def _answering(reply: Any) -> Answerer:
    def answer(ask: Ask) -> Say:
        messages = [{"role": turn.role, "content": turn.text} for turn in ask.turns]
        return Say(str(reply(messages, dict(ask.body), 0)))

    return answer
