"""`fapo init`: look, ask what could not be found, show, write, check."""

from __future__ import annotations

import argparse
import difflib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from pytest_fapo.cli.console import NOTHING_DONE, OK, CommandConsole, find_top
from pytest_fapo.cli.init.new_files import (
    InitFacts,
    Labelled,
    PlannedFile,
    case_file,
    find_labelled,
    plan_conftest,
    plan_settings,
    source_of_test,
    unused_name,
)
from pytest_fapo.cli.init.pipeline_choice import (
    FixtureSubject,
    fixture_source,
    step_patterns,
    subject_of,
    way_to_models,
)
from pytest_fapo.cli.init.project_survey import Layout, ProjectSurvey
from pytest_fapo.cli.init.source_modules import AppFunction
from pytest_fapo.core.errors import ArtifactError, ConfigError
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.text import count, listing
from pytest_fapo.source.artifact_store import ArtifactStore

_PATIENCE = 120.0


@dataclass(frozen=True)
class Collected:
    """What pytest said about the new test."""

    good: bool
    output: str = ""
    """Its last lines, where it was not content."""


def collected(root: Path, test: str) -> Collected:
    """Let pytest collect the new test; no test is run and no model is asked.

    Args:
        root: the project.
        test: the test file, relative to it.
    """
    environment = {**os.environ, "NO_COLOR": "1"}
    environment.pop("FORCE_COLOR", None)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", test]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Collected(False, f"it took longer than {_PATIENCE:.0f} seconds")
    lines = (done.stdout + done.stderr).strip().splitlines()
    return Collected(done.returncode == 0, "\n".join(lines[-15:]))


_OFFERED = 9


def choose_pipeline(survey: ProjectSurvey, console: CommandConsole, *, asks: bool) -> AppFunction | None:
    """The pipeline: the likeliest candidate, or the one that the user names; None for a placeholder.

    Args:
        survey: the project.
        console: where to ask.
        asks: whether to ask at all.

    Raises:
        EOFError: nobody answers.
    """
    candidates = survey.candidates[:_OFFERED]
    if not asks or len(candidates) == 1:
        return candidates[0] if candidates else None
    if candidates:
        console.line(("Which of these do the cases run through?", "bold"))
        for number, function in enumerate(candidates, 1):
            console.terminal.labelled(f"  {number}", f"{function.target}  ({function.place})", column=5)
        question = "A number, or module:function [1] "
    else:
        console.line("No function was found that asks a language model.")
        question = "The function to test, as module:function (nothing: a placeholder, to be replaced) "
    while True:
        answer = console.ask(question)
        if not answer:
            return candidates[0] if candidates else None
        if answer.isdigit() and 1 <= int(answer) <= len(candidates):
            return candidates[int(answer) - 1]
        try:
            return named_pipeline(survey, answer)
        except ConfigError as error:
            console.line(str(error))


def named_pipeline(survey: ProjectSurvey, target: str) -> AppFunction:
    """The function that the user means.

    Raises:
        ConfigError: there is none of that name; says which are near.
    """
    functions = survey.graph.functions
    wanted = target if ":" in target else ":".join(target.rsplit(".", 1))
    if wanted in functions:
        return functions[wanted]
    near = get_close_matches(wanted, functions, n=3, cutoff=0.5)
    hint = "give it as module:function, such as app.pipeline:answer"
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    raise ConfigError(f"there is no function {target} in {survey.layout.root}; {hint}")


def ask_for_prompts(survey: ProjectSurvey, console: CommandConsole) -> list[str]:
    """Entries of the scope for prompts that were not found; none where the user leaves it at that.

    Raises:
        EOFError: nobody answers.
    """
    console.line("No prompt was found that can be edited as it stands.")
    found: list[str] = []
    while True:
        answer = console.ask("A prompt, as app/prompts/*.md or app/texts.py::NAME (nothing: go on) ")
        if not answer:
            return found
        try:
            ArtifactStore(survey.layout.root, Scope(prompts=[answer])).all()
        except (ArtifactError, ValueError) as error:
            reason = str(error) if isinstance(error, ArtifactError) else "it leads out of the project"
            console.line(reason.removeprefix("[tool.fapo.scope] prompts: "))
            continue
        found.append(answer)


_COLUMN = 12

_SHOWN = 6


@dataclass(frozen=True)
class InitReport:
    """Everything that was found and decided."""

    survey: ProjectSurvey
    function: AppFunction | None
    subject: FixtureSubject
    found: InitFacts
    files: list[PlannedFile]
    test: str
    labelled: Labelled | None
    unset_pythonpath: list[str]
    """Folders that pytest must be given and that stand in a file which is not written to."""


def print_findings(report: InitReport, console: CommandConsole) -> None:
    """What the project has."""
    survey, function, found = report.survey, report.function, report.found
    console.line((f"Found in {survey.layout.root}", "bold"))
    _fact(
        console,
        "pipeline",
        f"{function.target} ({function.place})" if function else "no function that asks a model",
    )
    _fact(console, "steps", listing(found.steps, most=_SHOWN))
    _fact(console, "prompts", listing(found.prompts, most=_SHOWN) or _no_prompt(survey))
    _fact(console, "parameters", listing(found.params, most=_SHOWN))
    if report.labelled is not None:
        _fact(console, "cases", f"{report.labelled.path}, {count(report.labelled.count, 'labelled row')}")
    others = [each.target for each in survey.candidates if each is not function and each.fits]
    _fact(console, "also", f"{listing(others, most=3)}; --pipeline takes another" if others else "")
    for text, advice in _remarks(report):
        console.line("")
        console.line((text, "yellow"))
        if advice:
            console.line(f"  {advice}", indent=2)
    console.line("")


def _no_prompt(survey: ProjectSurvey) -> str:
    return "none that can be edited as they stand" if survey.prompts.stuck else "none was found"


def _remarks(report: InitReport) -> list[tuple[str, str]]:
    """What will be in the way, and what to do about it."""
    survey = report.survey
    remarks = []
    stuck = survey.prompts.stuck
    if stuck:
        places = listing((f"{text.place} ({text.what})" for text in stuck), most=3)
        remarks.append(
            (
                f"Prompts that cannot be edited as they stand: {places}",
                "Move each into a file, or into a constant with {placeholders} that the code fills in with "
                ".format(...), and name it in [tool.fapo.scope] prompts.",
            )
        )
    if survey.graph.loose:
        places = listing(survey.graph.loose, most=3)
        remarks.append(
            (f"A model is asked outside of every function: {places}", "Cases can only call functions.")
        )
    if survey.unseen:
        remarks.append(
            (
                f"Calls made with {listing(survey.unseen)} are neither recorded nor cached",
                "What goes through httpx is: the SDKs of OpenAI and Anthropic and most frameworks.",
            )
        )
    remarks += [
        (
            f"The fixture {name!r} of {survey.fixtures[name]} hides the one of pytest-fapo",
            "Rename it, or the new test gets yours.",
        )
        for name in ("case", "run")
        if name in survey.fixtures
    ]
    return remarks


def print_plan(report: InitReport, console: CommandConsole) -> None:
    """Which files are written, and the new lines of those that are there."""
    console.line(("To be written", "bold"))
    width = max(len(file.path) for file in report.files) + 3
    for file in report.files:
        console.terminal.labelled(f"  {file.path}", file.what, column=width + 2)
    console.line("")


def print_contents(report: InitReport, console: CommandConsole) -> None:
    """The new lines of every file."""
    for file in report.files:
        path = report.survey.layout.root / file.path
        old = [] if file.creates else path.read_bytes().decode("utf-8").splitlines()
        new = file.content.decode("utf-8").splitlines()
        before = "/dev/null" if file.creates else file.path
        for line in difflib.unified_diff(old, new, before, file.path, lineterm=""):
            console.verbatim((line, "green" if line.startswith("+") else ""))
        console.line("")


def print_next_steps(report: InitReport, collected: Collected, console: CommandConsole) -> None:
    """What to do with it."""
    console.line(("Written.", "bold green"))
    if not collected.good:
        console.line((f"pytest does not take {report.test} yet:", "bold"))
        for line in collected.output.splitlines():
            console.verbatim(("    " + line, "dim"))
    for todo in _todos(report):
        console.terminal.labelled("To do", todo, column=_COLUMN)
    console.line("")
    for command, what in _commands(report):
        console.terminal.labelled(command, what, column=41)


def _todos(report: InitReport) -> list[str]:
    todos = []
    conftest = report.found.conftest
    if report.unset_pythonpath:
        file, folders = report.survey.layout.pytest_file, " ".join(report.unset_pythonpath)
        todos.append(f"pytest must find your code: add `pythonpath = {folders}` to its settings in {file}")
    if report.function is None:
        todos.append(f"let the fixture {report.found.fixture!r} in {conftest} return your own function")
    elif report.subject.left_to_do:
        todos.append(f"in {conftest}, {report.subject.left_to_do}")
    if report.labelled is None:
        cases = next(file.path for file in report.files if file.path.endswith(".jsonl"))
        todos.append(f"replace the cases in {cases} by your own, thirty or more, each with its right answer")
    else:
        todos.append(f"see whether {report.test} asks for what makes an answer right")
    return todos


def _commands(report: InitReport) -> Sequence[tuple[str, str]]:
    who = (
        "the placeholder answers until a key is set"
        if report.found.placeholder
        else "the first run asks the model"
    )
    if report.function is None:
        who = "runs the new test with the others"
    commands = [
        ("pytest", who),
        ("pytest --fapo-diagnose", "where and why cases fail"),
    ]
    if report.found.prompts or report.found.structure:
        commands.append(("pytest --fapo-optimize --fapo-write=ask", "mends, proves, asks before each change"))
    return commands


def _fact(console: CommandConsole, label: str, text: str) -> None:
    if text:
        console.terminal.labelled(f"  {label}", text, column=_COLUMN + 2)


def init(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo init`."""
    root = find_top()
    survey = ProjectSurvey.of(root)
    if survey.layout.has_settings:
        console.line(f"{root / 'pyproject.toml'} has [tool.fapo] already: this project is set up.")
        console.line("Where its fixture and its cases stand, `pytest --collect-only` shows.")
        return NOTHING_DONE
    try:
        report = _decide(survey, options, console)
        print_findings(report, console)
        print_plan(report, console)
        if options.dry_run:
            print_contents(report, console)
            return OK
        if not options.yes and not console.confirm("Write this?", default=True):
            console.line("Nothing was written.")
            return NOTHING_DONE
    except EOFError:
        raise ConfigError(
            "nobody was there to answer, nothing was written; `fapo init --yes` asks nothing"
        ) from None
    _write(report.files, root)
    print_next_steps(report, collected(root, report.test), console)
    return OK


def _decide(survey: ProjectSurvey, options: argparse.Namespace, console: CommandConsole) -> InitReport:
    """The files to write, and all that is to be said about them."""
    asks = not (options.yes or options.dry_run)
    if options.pipeline:
        function: AppFunction | None = named_pipeline(survey, options.pipeline)
    else:
        function = choose_pipeline(survey, console, asks=asks)
    if asks and function is not None and not survey.prompts.entries:
        survey.prompts.entries += ask_for_prompts(survey, console)
    subject = subject_of(function, survey.by_name)
    fixture = "pipeline" if "pipeline" not in survey.fixtures else "llm_pipeline"
    layout, folders = _place(survey, function)
    labelled = find_labelled(
        layout.root, survey.paths, subject.fields or (function.takes if function else ())
    )
    found = _found(survey, function, fixture, layout.conftest)
    pythonpath = folders if layout.can_set_pythonpath else []
    test = unused_name(layout, layout.tests, f"test_{subject.label}_cases", ".py", survey.paths)
    files = [
        plan_settings(layout, found, pythonpath),
        plan_conftest(layout, fixture_source(subject, fixture)),
        *_test_files(survey, subject, test, labelled),
    ]
    return InitReport(
        survey=survey,
        function=function,
        subject=subject,
        found=found,
        files=files,
        test=test,
        labelled=labelled,
        unset_pythonpath=[] if layout.can_set_pythonpath else folders,
    )


def _place(survey: ProjectSurvey, function: AppFunction | None) -> tuple[Layout, list[str]]:
    """Where the fixture goes, and which folders pytest must be told of so that its import works.

    pytest puts the folder of a conftest.py on `sys.path`: that saves a line in a file that is not ours.
    """
    layout, folders = survey.layout, survey.missing_on_path(function)
    if folders == ["."] and not layout.can_set_pythonpath and not layout.importlib_mode:
        return replace(layout, conftest="conftest.py"), []
    return layout, folders


def _found(survey: ProjectSurvey, function: AppFunction | None, fixture: str, conftest: str) -> InitFacts:
    steps = step_patterns(survey.graph, function) if function is not None else []
    way = way_to_models(survey.graph, function) if function is not None else set()
    code = sorted({survey.graph.functions[target].module.path for target in way})
    prompts = survey.prompts
    stuck = sorted({text.path for text in prompts.stuck if text.path in code})
    return InitFacts(
        fixture=fixture,
        conftest=conftest,
        steps=steps,
        prompts=prompts.entries,
        read=prompts.read,
        params=survey.params,
        structure=stuck if not prompts.entries else (),
        code=code,
        placeholder=function is not None and bool(survey.candidates) and not survey.can_ask,
        further_keys=survey.further_keys,
    )


def _test_files(
    survey: ProjectSurvey, subject: FixtureSubject, test: str, labelled: Labelled | None
) -> list[PlannedFile]:
    if labelled is not None:
        text = source_of_test(labelled.path, subject, labelled.mapping)
        return [PlannedFile(test, text.encode(), f"a test of {labelled.count} cases", creates=True)]
    layout = survey.layout
    cases = unused_name(layout, f"{layout.tests}/cases", subject.label, ".jsonl", ())
    text = source_of_test(cases.removeprefix(f"{layout.tests}/"), subject)
    return [
        PlannedFile(cases, case_file(subject).encode(), "three cases to begin with", creates=True),
        PlannedFile(test, text.encode(), "their test", creates=True),
    ]


def _write(files: list[PlannedFile], root: Path) -> None:
    """What is new first: when something stops it, the files that were there are as they were."""
    for file in sorted(files, key=lambda each: not each.creates):
        file.write(root)
