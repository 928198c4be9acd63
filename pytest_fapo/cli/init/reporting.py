"""What `fapo init` says: what it found, what it writes, what to type next."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_fapo.cli.console import Console
from pytest_fapo.cli.init.contents import Found
from pytest_fapo.cli.init.fixture import Subject
from pytest_fapo.cli.init.functions import Function
from pytest_fapo.cli.init.labelled import Labelled
from pytest_fapo.cli.init.plan import PlannedFile
from pytest_fapo.cli.init.survey import Survey
from pytest_fapo.cli.init.verifying import Collected
from pytest_fapo.report.words import count, listing

_COLUMN = 12
_SHOWN = 6


@dataclass(frozen=True)
class Report:
    """Everything that was found and decided."""

    survey: Survey
    function: Function | None
    subject: Subject
    found: Found
    files: list[PlannedFile]
    test: str
    labelled: Labelled | None
    unset_pythonpath: list[str]
    """Folders that pytest must be given and that stand in a file which is not written to."""


def tell_findings(report: Report, console: Console) -> None:
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


def _no_prompt(survey: Survey) -> str:
    return "none that can be edited as they stand" if survey.prompts.stuck else "none was found"


def _remarks(report: Report) -> list[tuple[str, str]]:
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


def tell_plan(report: Report, console: Console) -> None:
    """Which files are written, and the new lines of those that are there."""
    console.line(("To be written", "bold"))
    width = max(len(file.path) for file in report.files) + 3
    for file in report.files:
        console.terminal.labelled(f"  {file.path}", file.what, column=width + 2)
    console.line("")


def tell_contents(report: Report, console: Console) -> None:
    """The new lines of every file."""
    for file in report.files:
        path = report.survey.layout.root / file.path
        old = [] if file.creates else path.read_bytes().decode("utf-8").splitlines()
        new = file.content.decode("utf-8").splitlines()
        before = "/dev/null" if file.creates else file.path
        for line in difflib.unified_diff(old, new, before, file.path, lineterm=""):
            console.verbatim((line, "green" if line.startswith("+") else ""))
        console.line("")


def tell_next(report: Report, collected: Collected, console: Console) -> None:
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


def _todos(report: Report) -> list[str]:
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


def _commands(report: Report) -> Sequence[tuple[str, str]]:
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


def _fact(console: Console, label: str, text: str) -> None:
    if text:
        console.terminal.labelled(f"  {label}", text, column=_COLUMN + 2)
