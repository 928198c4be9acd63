"""`fapo init`: look, show, ask, write, run once."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_fapo.cli.console import NOTHING_DONE, OK, CommandConsole, find_top
from pytest_fapo.cli.init.app_code import AppCode
from pytest_fapo.cli.init.case_tests import (
    ANSWERS_AT_ALL,
    METRIC,
    CaseFile,
    CaseTest,
    find_case_files,
    make_tests,
    module_of,
)
from pytest_fapo.cli.init.first_run import MOST_CASES, FirstRun, run_first_cases
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
from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.project_file import read_toml
from pytest_fapo.core.text import count, listing
from pytest_fapo.diagnosis.sent_texts import find_sent_texts
from pytest_fapo.source.addresses import all_paths
from pytest_fapo.views.sent_texts_list import scope_table, show_sent_texts

_MOST_FILES = 20_000

_TOO_FEW, _ENOUGH = 12, 30

_ADDED = "Added to pyproject.toml: what may be edited. Delete what must not change:"

_COLUMN = 14

_TEXTS = (
    "I was charged twice for one order.",
    "The parcel has not arrived yet.",
    "Thank you, the lamp works.",
)


class Project:
    """A project as it is; its code is parsed and never imported."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = all_paths(root, limit=_MOST_FILES)
        self.code = AppCode(root, self.paths)
        self.candidates = candidates(self.code)
        if self.code.is_guess:
            self.candidates = self._taking_cases()

    def _taking_cases(self) -> list[PipelineChoice]:
        """Return the candidates that take what a case file gives, by its names for it where any does."""
        found = {each: find_case_files(self.root, self.paths, {"": each})[0] for each in self.candidates}
        fitting = [each for each, files in found.items() if files]
        alike = [each for each in fitting if not any(isinstance(f.source.inputs, dict) for f in found[each])]
        return alike or fitting

    def has_fixture(self, name: str) -> bool:
        """True if one of the project's conftest files has a fixture of this name."""
        files = [self.root / path for path in self.paths if path.rpartition("/")[2] == "conftest.py"]
        fixture = re.compile(rf"^@.*fixture\(.*name=['\"]{name}['\"]|^(?:async )?def {name}\(", re.M)
        return any(fixture.search(file.read_text("utf-8", errors="replace")) for file in files)

    def choose(self, target: str | None) -> dict[str, PipelineChoice]:
        """Return fixture to pipeline: the one that the user means, or the likeliest and those beside it.

        Raises:
            ConfigError: there is none of that name, or none at all.
        """
        fixture = "llm_pipeline" if self.has_fixture("pipeline") else "pipeline"
        if target:
            return {fixture: self._named(target)}
        if not self.candidates:
            raise ConfigError(
                f"no function that asks a model was found in {self.root}; name what the cases run through: "
                "fapo init --pipeline app.pipeline:answer"
            )
        chosen = {fixture: self.candidates[0]}
        for other in self.candidates[1:]:
            joined = any(self._joined(other.target, each.target) for each in chosen.values())
            if not (joined or other.left_to_do or self.code.functions[other.target].is_entry):
                chosen[f"{other.label}_pipeline"] = other
        return chosen

    def _joined(self, one: str, other: str) -> bool:
        return one in self.code.below(other) or other in self.code.below(one)

    def _named(self, target: str) -> PipelineChoice:
        known = {choice.target: choice for choice in self.candidates}
        wanted = target if ":" in target else ":".join(target.rsplit(".", 1))
        if wanted in known:
            return known[wanted]
        if wanted in self.code.functions:
            return function_choice(self.code, self.code.functions[wanted])
        near = difflib.get_close_matches(wanted, [*self.code.functions, *known], n=3, cutoff=0.5)
        said = f"did you mean {' or '.join(near)}?" if near else "give it as module:function"
        raise ConfigError(f"there is no function {target} in {self.root}; {said}")


@dataclass(frozen=True)
class Plan:
    """The files to write, and what is to be said about them."""

    choices: Mapping[str, PipelineChoice]
    """Fixture to pipeline; the first is the project's own."""
    cases: Sequence[CaseFile]
    files: Sequence[PlannedFile]
    path: str
    """Of the module of tests."""
    tests: Sequence[CaseTest]
    remarks: Sequence[str]
    todos: Sequence[str]
    keys: Sequence[str]
    """The keys of which one is missing; empty where a model can be asked."""


def init(options: argparse.Namespace, console: CommandConsole) -> int:
    """Run `fapo init`."""
    root = find_top()
    if "fapo" in _tool_tables(root / "pyproject.toml"):
        console.line(f"{root / 'pyproject.toml'} has [tool.fapo] already: this project is set up.")
        console.line("`pytest --collect-only` lists its cases; `pytest --fapo-diagnose` says what fails, and")
        console.line("which texts the scope could name where it names none.")
        return NOTHING_DONE
    project = Project(root)
    plan = make_plan(project, project.choose(options.pipeline))
    _show_plan(project, plan, console)
    if options.dry_run:
        for file in plan.files:
            lines = (file.old or "").splitlines(), file.content.splitlines()
            for line in difflib.unified_diff(*lines, "", file.path, lineterm=""):
                console.verbatim((line, "green" if line.startswith("+") else ""))
        return OK
    some = f"the first {MOST_CASES} cases of each test"
    asked = "placeholder answers" if plan.keys else "this asks your model"
    if not _confirmed(f"Write this, and run {some} ({asked})?", options, console):
        return NOTHING_DONE
    # What is new first: when something stops it, the files that were there are as they were.
    for file in sorted(plan.files, key=lambda each: each.old is not None):
        file.write(root)
    console.line(("Written.", "bold green"))
    ready = not next(iter(plan.choices.values())).left_to_do
    first = run_first_cases(root, plan.path, collect_only=not ready)
    _show_first_run(root, plan, first, console)
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
        raise ConfigError("no one answered, so nothing was written; `fapo init --yes` asks nothing") from None
    console.line("Nothing was written.")
    return False


def _tool_tables(pyproject: Path) -> dict[str, object]:
    try:
        tool = read_toml(pyproject).get("tool", {}) if pyproject.exists() else {}
    except ValueError as error:
        raise ConfigError(f"{pyproject}: not valid TOML: {error}") from None
    return tool if isinstance(tool, dict) else {}


def make_plan(project: Project, choices: Mapping[str, PipelineChoice]) -> Plan:
    """Return the files to write, and all that is to be said about them.

    Args:
        project: as it is.
        choices: fixture to pipeline; those beyond the first are used where a case file fits them.

    Raises:
        ConfigError: a file that is there cannot be added to; says what to add by hand.
    """
    root, (fixture, choice) = project.root, next(iter(choices.items()))
    cases, unfit = find_case_files(root, project.paths, choices)
    used = {
        name: each
        for name, each in choices.items()
        if name == fixture or any(f.choice is each for f in cases)
    }
    keys = needed_keys(root, project.code)
    path = unused_name(tests_folder(root), f"test_{choice.label}_cases", ".py", project.paths)
    tests = make_tests(cases)
    if tests:
        total = sum(len(file.cases) for file in cases)
        new = [PlannedFile(path, module_of(tests), f"{count(len(tests), 'test')} of {count(total, 'case')}")]
        todos = [each.note for each in tests if each.note]
        todos.append(f"check that {path} asserts what makes an answer right")
        if total < _ENOUGH:
            why = "too few to learn from" if total < _TOO_FEW else "too few to tell a change from luck"
            todos.append(f"{count(total, 'case')} are {why}; label about {_ENOUGH}")
    else:
        new, todos = _first_cases(choice, path, project.paths)
    todos = [f"in conftest.py, {each.left_to_do}" for each in used.values() if each.left_to_do] + todos
    remarks = [
        f"The fixture {name!r} of a conftest.py hides the one of pytest-fapo; rename yours"
        for name in ("case", "run")
        if project.has_fixture(name)
    ]
    remarks += [f"Not used as cases: {listing(unfit, most=3)}"] if unfit else []
    steps = sorted({step for each in used.values() for step in each.steps})
    objective = METRIC if tests and all(each.graded for each in tests) else ""
    settings = plan_settings(root, fixture=fixture, steps=steps, keys=keys, objective=objective)
    files = [settings, plan_conftest(root, used), *new]
    return Plan(used, cases, files, path, tests, remarks, todos, keys)


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
    ], [f"three cases are too few to learn from: put your own into {path}, about {_ENOUGH}, each labeled"]


def _show_plan(project: Project, plan: Plan, console: CommandConsole) -> None:
    used = list(plan.choices.values())
    others = [each.target for each in project.candidates if each not in used and not each.left_to_do]
    facts = {
        "pipeline": "; ".join(f"{each.target} ({each.place})" for each in used),
        "steps": listing(sorted({step for each in used for step in each.steps}), most=6),
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


def _show_first_run(root: Path, plan: Plan, first: FirstRun, console: CommandConsole) -> None:
    """Say what the first run has shown, add the scope, and correct tests that no answer could pass."""
    if first.problem:
        console.line((f"pytest does not take {plan.path} yet:", "bold"))
        for line in first.problem.splitlines():
            console.verbatim(("    " + line, "dim"))
    found = find_sent_texts(root, first.sent)
    if found.steps:
        show_sent_texts(found, console.terminal, sentence=_ADDED)
        console.line("")
    if found.entries:
        plan_addition(root, scope_table(found.entries)).write(root)
    lacking = _lacking_package(plan, first)
    if lacking:
        console.terminal.labeled(
            "To do",
            f"install pytest-fapo beside your project's packages ({sys.executable} has no {lacking}); then "
            f"pytest --fapo-diagnose lists the texts that may be edited",
            column=_COLUMN,
        )
        return
    corrected = []
    for test in plan.tests:
        outcome = first.tests.get(test.name)
        form = outcome.form() if outcome is not None else None
        known = outcome is not None and not outcome.passed and form is not None and form.kind != "unknown"
        other = test.for_form(form) if known and form is not None else test
        if form is not None and test.lines != other.lines:
            console.line((f"{test.name} could never pass: {form.sentence}. It now reads:", "yellow"))
            for line in other.lines:
                console.verbatim("    " + line)
        elif outcome is not None and not plan.keys:
            console.terminal.labeled(
                test.name, f"{outcome.passed} of the first {outcome.total} pass", column=41
            )
            if not outcome.passed:
                console.verbatim(("    " + outcome.explanation.partition("\n")[0], "dim"))
        corrected.append(other)
    if corrected != list(plan.tests):
        write_atomically(root / plan.path, module_of(corrected).encode())


def _lacking_package(plan: Plan, first: FirstRun) -> str:
    """Return a package that this Python does not have and the project imports, as under pipx or uvx."""
    said = "\n".join([first.problem, *(each.explanation for each in first.tests.values())])
    own = {choice.target.partition(":")[0].partition(".")[0] for choice in plan.choices.values()}
    named = re.findall(r"No module named '(\w+)", said)
    return next((name for name in named if name not in own), "")


def _commands(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "pytest", "a placeholder answers until a key is set" if plan.keys else "runs all cases"
    yield "pytest --fapo-diagnose", "where and why cases fail"
    if not plan.keys:
        yield "pytest --fapo-estimate", "shows what the next command would cost; sends nothing"
    yield "pytest --fapo-optimize --fapo-write=ask", "fixes, proves, asks before each change"
