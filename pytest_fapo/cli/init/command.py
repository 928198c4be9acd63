"""`fapo init`: look, ask what could not be found, show, write, check."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from pytest_fapo.cli.console import Console
from pytest_fapo.cli.exit_codes import NOTHING_DONE, OK
from pytest_fapo.cli.init.contents import Found, case_file, source_of_test
from pytest_fapo.cli.init.fixture import Subject, fixture_source, subject_of
from pytest_fapo.cli.init.functions import Function
from pytest_fapo.cli.init.labelled import Labelled, find_labelled
from pytest_fapo.cli.init.layout import Layout
from pytest_fapo.cli.init.pipelines import step_patterns, way_to_models
from pytest_fapo.cli.init.plan import PlannedFile, plan_conftest, plan_settings, unused_name
from pytest_fapo.cli.init.questions import ask_for_prompts, choose_pipeline, named_pipeline
from pytest_fapo.cli.init.reporting import Report, tell_contents, tell_findings, tell_next, tell_plan
from pytest_fapo.cli.init.survey import Survey
from pytest_fapo.cli.init.verifying import collected
from pytest_fapo.cli.project import find_top
from pytest_fapo.errors import ConfigError


def init(options: argparse.Namespace, console: Console) -> int:
    """`fapo init`."""
    root = find_top()
    survey = Survey.of(root)
    if survey.layout.has_settings:
        console.line(f"{root / 'pyproject.toml'} has [tool.fapo] already: this project is set up.")
        console.line("Where its fixture and its cases stand, `pytest --collect-only` shows.")
        return NOTHING_DONE
    try:
        report = _decide(survey, options, console)
        tell_findings(report, console)
        tell_plan(report, console)
        if options.dry_run:
            tell_contents(report, console)
            return OK
        if not options.yes and not console.confirm("Write this?", default=True):
            console.line("Nothing was written.")
            return NOTHING_DONE
    except EOFError:
        raise ConfigError(
            "nobody was there to answer, nothing was written; `fapo init --yes` asks nothing"
        ) from None
    _write(report.files, root)
    tell_next(report, collected(root, report.test), console)
    return OK


def _decide(survey: Survey, options: argparse.Namespace, console: Console) -> Report:
    """The files to write, and all that is to be said about them."""
    asks = not (options.yes or options.dry_run)
    if options.pipeline:
        function: Function | None = named_pipeline(survey, options.pipeline)
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
    return Report(
        survey=survey,
        function=function,
        subject=subject,
        found=found,
        files=files,
        test=test,
        labelled=labelled,
        unset_pythonpath=[] if layout.can_set_pythonpath else folders,
    )


def _place(survey: Survey, function: Function | None) -> tuple[Layout, list[str]]:
    """Where the fixture goes, and which folders pytest must be told of so that its import works.

    pytest puts the folder of a conftest.py on `sys.path`: that saves a line in a file that is not ours.
    """
    layout, folders = survey.layout, survey.missing_on_path(function)
    if folders == ["."] and not layout.can_set_pythonpath and not layout.importlib_mode:
        return replace(layout, conftest="conftest.py"), []
    return layout, folders


def _found(survey: Survey, function: Function | None, fixture: str, conftest: str) -> Found:
    steps = step_patterns(survey.graph, function) if function is not None else []
    way = way_to_models(survey.graph, function) if function is not None else set()
    code = sorted({survey.graph.functions[target].module.path for target in way})
    prompts = survey.prompts
    stuck = sorted({text.path for text in prompts.stuck if text.path in code})
    return Found(
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


def _test_files(survey: Survey, subject: Subject, test: str, labelled: Labelled | None) -> list[PlannedFile]:
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
