"""`fapo init`: look, show, ask, write, check."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_fapo.cli.console import NOTHING_DONE, OK, CommandConsole, find_top
from pytest_fapo.cli.init.app_code import AppCode
from pytest_fapo.cli.init.case_search import ANSWERS_AT_ALL, CaseFile, find_case_files, make_tests
from pytest_fapo.cli.init.new_files import (
    PlannedFile,
    needed_keys,
    plan_addition,
    plan_conftest,
    plan_settings,
    tests_folder,
    unused_name,
)
from pytest_fapo.cli.init.pipeline_choice import PipelineChoice, candidates, function_choice
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.project_file import read_toml
from pytest_fapo.core.sent_requests import SentRequests
from pytest_fapo.core.settings import load_settings
from pytest_fapo.core.text import count, listing
from pytest_fapo.diagnosis.sent_texts import SentTexts, find_sent_texts
from pytest_fapo.source.addresses import all_paths
from pytest_fapo.views.sent_texts_list import scope_table, show_sent_texts

_MOST_FILES = 20_000

_PATIENCE = 120.0

_ADDED = "Added to pyproject.toml, as what may be edited; take out what is to stay as it is:"

_COLUMN = 14

_TEXTS = (
    "I was charged twice for one order.",
    "The parcel has not arrived yet.",
    "Thank you, the lamp works.",
)

_UNKNOWN = PipelineChoice(
    target="",
    place="",
    import_root=".",
    takes=(),
    accepts=frozenset({"**"}),
    body=("def answer(**inputs):", '    return f"You said: {inputs}"', "", "return answer"),
    left_to_do="return your own function: `from app.pipeline import answer`",
)
"""Stands for the pipeline where none is found."""


class Project:
    """A project as it is; its code is parsed and never imported."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = all_paths(root, limit=_MOST_FILES)
        self.code = AppCode(root, self.paths)
        self.candidates = candidates(self.code)

    def has_fixture(self, name: str) -> bool:
        """True if one of the project's conftest files has a fixture of this name."""
        files = [self.root / path for path in self.paths if path.rpartition("/")[2] == "conftest.py"]
        fixture = re.compile(rf"^@.*fixture\(.*name=['\"]{name}['\"]|^(?:async )?def {name}\(", re.M)
        return any(fixture.search(file.read_text("utf-8", errors="replace")) for file in files)


@dataclass(frozen=True)
class Plan:
    """The files to write, and what is to be said about them."""

    choice: PipelineChoice
    cases: Sequence[CaseFile]
    files: Sequence[PlannedFile]
    test: str
    remarks: Sequence[str]
    todos: Sequence[str]
    keys: Sequence[str]
    """The keys of which one is missing; empty where a model can be asked."""


def init(options: argparse.Namespace, console: CommandConsole) -> int:
    """Run `fapo init`."""
    root = find_top()
    if "fapo" in _tool_tables(root / "pyproject.toml"):
        return _name_scope(root, options, console)
    project = Project(root)
    likeliest = next(iter(project.candidates), _UNKNOWN)
    plan = make_plan(project, named_pipeline(project, options.pipeline) if options.pipeline else likeliest)
    _show_plan(project, plan, console)
    if options.dry_run:
        for file in plan.files:
            lines = (file.old or "").splitlines(), file.content.splitlines()
            for line in difflib.unified_diff(*lines, "", file.path, lineterm=""):
                console.verbatim((line, "green" if line.startswith("+") else ""))
        return OK
    question = "Write this, and run the new test with placeholder answers?" if plan.keys else "Write this?"
    if not _confirmed(question, options, console):
        return NOTHING_DONE
    # What is new first: when something stops it, the files that were there are as they were.
    for file in sorted(plan.files, key=lambda each: each.old is not None):
        file.write(root)
    console.line(("Written.", "bold green"))
    problem = test_problem(root, plan.test, run=bool(plan.keys))
    sent = SentRequests.load(root / ".fapo")
    found = find_sent_texts(root, sent) if plan.keys and sent.steps else SentTexts([])
    if found.steps:
        show_sent_texts(found, console.terminal, sentence=_ADDED)
        console.line("")
    if found.entries:
        plan_addition(root, scope_table(found.entries)).write(root)
    if problem:
        console.line((f"pytest does not take {plan.test} yet:", "bold"))
        for line in problem.splitlines():
            console.verbatim(("    " + line, "dim"))
    for todo in plan.todos:
        console.terminal.labeled("To do", todo, column=_COLUMN)
    console.line("")
    for command, what in _commands(plan):
        console.terminal.labeled(command, what, column=41)
    return OK


def _confirmed(question: str, options: argparse.Namespace, console: CommandConsole) -> bool:
    try:
        if options.yes or console.confirm(question, default=True):
            return True
    except EOFError:
        raise ConfigError(
            "nobody was there to answer, nothing was written; `fapo init --yes` asks nothing"
        ) from None
    console.line("Nothing was written.")
    return False


def _name_scope(root: Path, options: argparse.Namespace, console: CommandConsole) -> int:
    """Offer the scope to a project that is set up and has none: what its cases sent when they last ran."""
    console.line(f"{root / 'pyproject.toml'} has [tool.fapo] already: this project is set up.")
    console.line("Where its fixture and its cases stand, `pytest --collect-only` shows.")
    if not load_settings(None, root).scope.is_empty:
        return NOTHING_DONE
    sent = SentRequests.load(root / ".fapo")
    if not sent.steps:
        console.line(
            "It does not name what may be edited. Run `pytest`; then `fapo init` lists what was sent."
        )
        return NOTHING_DONE
    found = find_sent_texts(root, sent)
    show_sent_texts(found, console.terminal, sentence="To be added to pyproject.toml:")
    if not found.entries or options.dry_run or not _confirmed("Write this?", options, console):
        return NOTHING_DONE
    plan_addition(root, scope_table(found.entries)).write(root)
    console.line(("Written.", "bold green"))
    return OK


def _tool_tables(pyproject: Path) -> dict[str, object]:
    try:
        tool = read_toml(pyproject).get("tool", {}) if pyproject.exists() else {}
    except ValueError as error:
        raise ConfigError(f"{pyproject}: not valid TOML: {error}") from None
    return tool if isinstance(tool, dict) else {}


def named_pipeline(project: Project, target: str) -> PipelineChoice:
    """Return the pipeline that the user means.

    Raises:
        ConfigError: there is none of that name; says which are near.
    """
    known = {choice.target: choice for choice in project.candidates}
    wanted = target if ":" in target else ":".join(target.rsplit(".", 1))
    if wanted in known:
        return known[wanted]
    if wanted in project.code.functions:
        return function_choice(project.code, project.code.functions[wanted])
    near = difflib.get_close_matches(wanted, [*project.code.functions, *known], n=3, cutoff=0.5)
    said = f"did you mean {' or '.join(near)}?" if near else "give it as module:function"
    raise ConfigError(f"there is no function {target} in {project.root}; {said}")


def make_plan(project: Project, choice: PipelineChoice) -> Plan:
    """Return the files to write, and all that is to be said about them.

    Raises:
        ConfigError: a file that is there cannot be added to; says what to add by hand.
    """
    root = project.root
    cases, unfit = find_case_files(root, project.paths, choice)
    fixture = "llm_pipeline" if project.has_fixture("pipeline") else "pipeline"
    keys = needed_keys(root, project.code) if choice.target else []
    test = unused_name(tests_folder(root), f"test_{choice.label}_cases", ".py", project.paths)
    if cases:
        content, notes = make_tests(cases, choice)
        total = sum(len(file.cases) for file in cases)
        tests = [PlannedFile(test, content, f"{count(len(cases), 'test')} of {count(total, 'case')}")]
        todos = [*notes, f"see whether {test} asks for what makes an answer right"]
        if total < 30:
            todos.append(f"label more: {count(total, 'case')} of about thirty, to tell a change from luck")
    else:
        tests, todos = _first_cases(choice, test, project.paths)
    if choice.left_to_do:
        todos.insert(0, f"in conftest.py, {choice.left_to_do}")
    remarks = [
        f"The fixture {name!r} of a conftest.py hides the one of pytest-fapo; rename yours"
        for name in ("case", "run")
        if project.has_fixture(name)
    ]
    remarks += [f"Not used as cases: {listing(unfit, most=3)}"] if unfit else []
    settings = plan_settings(root, fixture=fixture, steps=choice.steps, keys=keys)
    files = [settings, plan_conftest(root, fixture, choice), *tests]
    return Plan(choice, cases, files, test, remarks, todos, keys)


def _first_cases(
    choice: PipelineChoice, test: str, taken: Sequence[str]
) -> tuple[list[PlannedFile], list[str]]:
    """Return three first cases, their test, and what is left to do."""
    folder = test.rpartition("/")[0]
    path = unused_name(f"{folder}/cases", choice.label, ".jsonl", taken)
    rows = [
        {
            "id": f"first-{n + 1}",
            "inputs": dict.fromkeys(choice.takes or ["text"], text),
            "expected": None,
            "split": split,
        }
        for n, (text, split) in enumerate(zip(_TEXTS, ("train", "val", "holdout"), strict=True))
    ]
    content = f"""\
import pytest_fapo as fapo


@fapo.cases("{path.removeprefix(f"{folder}/")}")
def test_{choice.label}(case, run):
    {ANSWERS_AT_ALL}
    if case.expected is not None:
        assert run.output == case.expected
"""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return [
        PlannedFile(path, lines, "three cases to begin with"),
        PlannedFile(test, content, "their test"),
    ], [f"replace the cases in {path} by your own, thirty or more, each with its right answer"]


def _show_plan(project: Project, plan: Plan, console: CommandConsole) -> None:
    choice = plan.choice
    others = [each.target for each in project.candidates if each is not choice and not each.left_to_do]
    facts = {
        "pipeline": f"{choice.target} ({choice.place})" if choice.target else "no function that asks a model",
        "steps": listing(choice.steps, most=6),
        "cases": "; ".join(f"{file.path}, {count(len(file.cases), 'labeled row')}" for file in plan.cases),
        "also": f"{listing(others, most=3)}; --pipeline takes another" if others else "",
    }
    console.line((f"Found in {project.root}", "bold"))
    for label, text in facts.items():
        if text:
            console.terminal.labeled(f"  {label}", text, column=_COLUMN)
    for remark in plan.remarks:
        console.line("")
        console.line((remark, "yellow"))
    console.line("")
    console.line(("To be written", "bold"))
    width = max(len(file.path) for file in plan.files) + 5
    for file in plan.files:
        console.terminal.labeled(f"  {file.path}", file.what, column=width)
    console.line("")


def _commands(plan: Plan) -> Iterator[tuple[str, str]]:
    if not plan.choice.target:
        yield "pytest", "runs the new test with the others"
    elif plan.keys:
        yield "pytest", "the placeholder answers until a key is set"
    else:
        yield "pytest", "the first run asks the model"
    yield "pytest --fapo-diagnose", "where and why cases fail"
    yield "pytest --fapo-optimize --fapo-write=ask", "fixes, proves, asks before each change"


def test_problem(root: Path, test: str, *, run: bool) -> str:
    """Return what pytest objects to in the new test; empty where it collects it.

    Args:
        root: the project.
        test: path of the test.
        run: run it too, to see what is sent. Cases may fail.
    """
    environment = {**os.environ, "NO_COLOR": "1"}
    environment.pop("FORCE_COLOR", None)
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", test]
    try:
        done = subprocess.run(
            command if run else [*command, "--collect-only"],
            cwd=root,
            env=environment,
            timeout=_PATIENCE,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {_PATIENCE:.0f} seconds"
    fine = (0, 1) if run else (0,)
    return (
        "" if done.returncode in fine else "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
    )
