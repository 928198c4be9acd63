"""`fapo init`: look, ask what could not be found, show, write, check."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_fapo.cli.console import NOTHING_DONE, OK, CommandConsole, find_top
from pytest_fapo.cli.init.app_code import AppCode, app_modules
from pytest_fapo.cli.init.case_search import CaseFile, find_case_files, make_tests
from pytest_fapo.cli.init.new_files import (
    NewSettings,
    PlannedFile,
    plan_conftest,
    plan_settings,
    unused_name,
)
from pytest_fapo.cli.init.pipeline_choice import (
    PipelineChoice,
    candidates,
    function_choice,
    step_patterns,
    way_to_models,
)
from pytest_fapo.cli.init.project_layout import (
    Layout,
    find_prompts,
    fixtures_of,
    needed_keys,
    read_layout,
    stuck_prompts,
    usable,
)
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.text import count, listing
from pytest_fapo.source.addresses import all_paths

_MOST_FILES = 20_000

_PATIENCE = 120.0

_COLUMN = 14

_FIRST_CHECKS = """\
    assert run.output  # it answers at all; replace this by what makes an answer right
    if case.expected is not None:
        assert run.output == case.expected
"""


class Project:
    """A project as it is; its code is parsed and never imported."""

    def __init__(self, root: Path) -> None:
        self.layout: Layout = read_layout(root)
        self.paths = all_paths(root, limit=_MOST_FILES)
        self.code = AppCode(app_modules(root, self.paths))
        self.candidates = candidates(self.code)
        self.prompts = find_prompts(root, self.paths, self.code)
        self.stuck = stuck_prompts(self.code)
        self.fixtures = fixtures_of(root, self.paths)


@dataclass(frozen=True)
class Plan:
    """The files to write, and the remarks on them."""

    choice: PipelineChoice | None
    settings: NewSettings
    cases: list[CaseFile]
    files: list[PlannedFile]
    test: str
    remarks: list[tuple[str, str]]
    todos: list[str]


def init(options: argparse.Namespace, console: CommandConsole) -> int:
    """Run `fapo init`."""
    project = Project(find_top())
    root = project.layout.root
    if "fapo" in project.layout.document.get("tool", {}):
        console.line(f"{root / 'pyproject.toml'} has [tool.fapo] already: this project is set up.")
        console.line("Where its fixture and its cases stand, `pytest --collect-only` shows.")
        return NOTHING_DONE
    try:
        likeliest = project.candidates[0] if project.candidates else None
        choice = named_pipeline(project, options.pipeline) if options.pipeline else likeliest
        plan = make_plan(project, choice)
        _show_plan(project, plan, console)
        if options.dry_run:
            _show_contents(plan, console)
            return OK
        if not options.yes and not console.confirm("Write this?", default=True):
            console.line("Nothing was written.")
            return NOTHING_DONE
    except EOFError:
        raise ConfigError(
            "nobody was there to answer, nothing was written; `fapo init --yes` asks nothing"
        ) from None
    # What is new first: when something stops it, the files that were there are as they were.
    for file in sorted(plan.files, key=lambda each: each.old is not None):
        file.write(root)
    console.line(("Written.", "bold green"))
    problem = collection_problem(root, plan.test)
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
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "give it as module:function, such as app.pipeline:answer"
    )
    raise ConfigError(f"there is no function {target} in {project.layout.root}; {hint}")


def make_plan(project: Project, choice: PipelineChoice | None) -> Plan:
    """Return the files to write, and all that is to be said about them.

    Raises:
        ConfigError: a file that is there cannot be added to; says what to add by hand.
    """
    layout = project.layout
    folders = [choice.module.import_root] if choice else []
    folders = [folder for folder in folders if folder not in layout.pythonpath]
    conftest = layout.conftest
    if folders == ["."] and not layout.can_set_pythonpath:
        conftest, folders = "conftest.py", []  # pytest puts its folder on `sys.path`
    cases, unfit = find_case_files(layout.root, project.paths, choice) if choice else ([], [])
    settings = _settings(project, choice, conftest)
    label = choice.label if choice else "pipeline"
    test = unused_name(layout, layout.tests, f"test_{label}_cases", ".py", project.paths)
    made, todos = _test_files(layout, choice, cases, test)
    files = [
        plan_settings(layout, settings, folders if layout.can_set_pythonpath else []),
        plan_conftest(layout, conftest, settings.fixture, choice),
        *made,
    ]
    if choice is None:
        todos.insert(0, f"let the fixture {settings.fixture!r} in {conftest} return your own function")
    elif choice.left_to_do:
        todos.insert(0, f"in {conftest}, {choice.left_to_do}")
    if folders and not layout.can_set_pythonpath:
        line = f"pythonpath = {' '.join(folders)}"
        todos.insert(0, f"pytest must find your code: add `{line}` to its settings in {layout.pytest_file}")
    remarks = list(_remarks(project))
    if unfit:
        remarks.append((f"Not used as cases: {listing(unfit, most=3)}", ""))
    return Plan(choice, settings, cases, files, test, remarks, todos)


def _settings(project: Project, choice: PipelineChoice | None, conftest: str) -> NewSettings:
    code, root = project.code, project.layout.root
    function = choice.function if choice is not None else None
    way = way_to_models(code, function) if function is not None else set()
    files = sorted({code.functions[target].module.path for target in way})
    stuck = sorted({place.rpartition(":")[0] for place, _ in project.stuck} & set(files))
    return NewSettings(
        fixture="pipeline" if "pipeline" not in project.fixtures else "llm_pipeline",
        conftest=conftest,
        steps=step_patterns(code, function) if function is not None else [],
        prompts=project.prompts,
        structure=usable(root, "structure", stuck) if not project.prompts else [],
        code=files,
        offline_keys=needed_keys(root, code) if choice is not None else [],
    )


def _test_files(
    layout: Layout, choice: PipelineChoice | None, cases: list[CaseFile], test: str
) -> tuple[list[PlannedFile], list[str]]:
    """Return the test, with three first cases where the project has none, and what is left to do."""
    if choice is not None and cases:
        text, todos = make_tests(cases, choice)
        total = sum(len(file.cases) for file in cases)
        todos.append(f"see whether {test} asks for what makes an answer right")
        if total < 30:
            todos.append(f"label more: {count(total, 'case')} of about thirty, to tell a change from luck")
        return [
            PlannedFile(
                test,
                text,
                f"a test of {total} cases" if len(cases) == 1 else f"{len(cases)} tests of {total} cases",
            )
        ], todos
    label = choice.label if choice is not None else "pipeline"
    path = unused_name(layout, f"{layout.tests}/cases", label, ".jsonl", ())
    rows = [
        {
            "id": f"first-{number + 1}",
            "inputs": choice.sample(number) if choice else {"text": f"text {number}"},
            "expected": None,
            "split": split,
        }
        for number, split in enumerate(("train", "val", "holdout"))
    ]
    text = f'import pytest_fapo as fapo\n\n\n@fapo.cases("{path.removeprefix(f"{layout.tests}/")}")\n'
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return [
        PlannedFile(path, lines, "three cases to begin with"),
        PlannedFile(test, f"{text}def test_{label}(case, run):\n{_FIRST_CHECKS}", "their test"),
    ], [f"replace the cases in {path} by your own, thirty or more, each with its right answer"]


def _remarks(project: Project) -> Iterator[tuple[str, str]]:
    """Yield what will be in the way, and what to do about it."""
    code, stuck = project.code, project.stuck
    if stuck:
        places = listing((f"{place} ({what})" for place, what in stuck), most=3)
        yield (
            f"Prompts that cannot be edited as they stand: {places}",
            "Move each into a file, or into a constant with {placeholders} that the code fills in with "
            ".format(...), and name it in [tool.fapo.scope] prompts.",
        )
    if code.loose:
        places = listing(code.loose, most=3)
        yield (
            f"A model is asked outside of every function: {places}",
            "Importing the file asks it, and cases can only call functions: put it into one.",
        )
    for name in {"case", "run"} & set(project.fixtures):
        yield (
            f"The fixture {name!r} of {project.fixtures[name]} hides the one of pytest-fapo",
            "Rename it, or the new test gets yours.",
        )


def _show_plan(project: Project, plan: Plan, console: CommandConsole) -> None:
    choice, settings = plan.choice, plan.settings
    none = "none that can be edited as they stand" if project.stuck else "none was found"
    others = [each.target for each in project.candidates if each is not choice and not each.left_to_do]
    facts = {
        "pipeline": f"{choice.target} ({choice.place})" if choice else "no function that asks a model",
        "steps": listing(settings.steps, most=6),
        "prompts": listing(settings.prompts, most=6) or none,
        "cases": "; ".join(f"{file.path}, {count(len(file.cases), 'labeled row')}" for file in plan.cases),
        "also": f"{listing(others, most=3)}; --pipeline takes another" if others else "",
    }
    console.line((f"Found in {project.layout.root}", "bold"))
    for label, text in facts.items():
        if text:
            console.terminal.labeled(f"  {label}", text, column=_COLUMN)
    for text, advice in plan.remarks:
        console.line("")
        console.line((text, "yellow"))
        if advice:
            console.line(f"  {advice}", indent=2)
    console.line("")
    console.line(("To be written", "bold"))
    width = max(len(file.path) for file in plan.files) + 5
    for file in plan.files:
        console.terminal.labeled(f"  {file.path}", file.what, column=width)
    console.line("")


def _show_contents(plan: Plan, console: CommandConsole) -> None:
    for file in plan.files:
        before = "/dev/null" if file.old is None else file.path
        lines = (file.old or "").splitlines(), file.content.splitlines()
        for line in difflib.unified_diff(*lines, before, file.path, lineterm=""):
            console.verbatim((line, "green" if line.startswith("+") else ""))
        console.line("")


def _commands(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.choice is None:
        yield "pytest", "runs the new test with the others"
    elif plan.settings.offline_keys:
        yield "pytest", "the placeholder answers until a key is set"
    else:
        yield "pytest", "the first run asks the model"
    yield "pytest --fapo-diagnose", "where and why cases fail"
    if plan.settings.prompts or plan.settings.structure:
        yield "pytest --fapo-optimize --fapo-write=ask", "fixes, proves, asks before each change"


def collection_problem(root: Path, test: str) -> str:
    """Return what pytest objects to in the new test; empty where it collects it. No test is run."""
    environment = {**os.environ, "NO_COLOR": "1"}
    environment.pop("FORCE_COLOR", None)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", test]
    pipe: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "capture_output": True,
        "text": True,
        "errors": "replace",
    }
    try:
        done = subprocess.run(command, cwd=root, env=environment, timeout=_PATIENCE, check=False, **pipe)
    except subprocess.TimeoutExpired:
        return f"it took longer than {_PATIENCE:.0f} seconds"
    return "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:]) if done.returncode else ""
