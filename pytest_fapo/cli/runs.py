"""`fapo runs` and `fapo show`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pytest_fapo.cli.console import Console
from pytest_fapo.cli.exit_codes import OK
from pytest_fapo.cli.project import find_root
from pytest_fapo.cli.run_facts import RunFacts, facts_of, summary_of
from pytest_fapo.optimize.finding import find_run, runs_of
from pytest_fapo.optimize.run_directory import shown
from pytest_fapo.percents import percents
from pytest_fapo.report.words import money

if TYPE_CHECKING:
    from pytest_fapo.models import Attempt
    from pytest_fapo.optimize import RunDirectory

_STOPS = {
    "target": "target reached",
    "nothing-left": "nothing left",
    "budget": "budget used up",
    "not-reproduced": "not reproduced",
    "no-failures": "no failures",
}
_FILES = {"patch": "patch only", "declined": "declined", "never": "patch only", "nothing": "no change"}
_LATER = {
    "applied": "Since then its patch was written into the project (`fapo apply`).",
    "undone": "Since then its changes were taken back (`fapo undo`).",
    "reviewed": "Since then what a review let through was written into the project (`pytest --fapo-review`).",
}


def list_runs(options: argparse.Namespace, console: Console) -> int:
    """`fapo runs`."""
    root = find_root()
    runs = [facts_of(run) for run in runs_of(root)]
    if options.json:
        console.json([run.model_dump(mode="json") for run in runs])
    elif not runs:
        console.line(f"No run in {root} yet; `pytest --fapo-optimize` makes one.")
    else:
        for number, row in enumerate(_table(runs)):
            console.verbatim((row, "" if number else "dim"))
    return OK


def _table(runs: list[RunFacts]) -> list[str]:
    """The lines, the header first; a run's name says when it began."""
    splits = [split for split in ("train", "val", "holdout") if any(split in run.scores for run in runs)]
    rows = [("run", "stopped", "accepted", *splits, "cost", "files")]
    for run in runs:
        accepted = f"{run.accepted} of {run.tried}" if run.tried else "–"
        scores = [_change(run, split) for split in splits]
        rows.append((run.id, _stopped(run), accepted, *scores, _cost(run), _files(run)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _stopped(run: RunFacts) -> str:
    return _STOPS.get(run.stop, run.stop) or run.state


def _files(run: RunFacts) -> str:
    return _FILES.get(run.writing, run.writing) or "–"


def _cost(run: RunFacts) -> str:
    if run.state == "unreadable" or not run.stop:
        return "–"
    if run.stand_in:
        return "free"
    more = "+ ?" if run.unpriced_models else ""
    return " ".join(filter(None, [money(run.cost) if run.cost or not more else "", more])) or "?"


def _change(run: RunFacts, split: str) -> str:
    before, after = run.scores.get(split, [None, None])
    if before is None and after is None:
        return "–"
    first, last = percents(before, after)
    return f"{first.removesuffix(' %')} → {last}"


def show_run(options: argparse.Namespace, console: Console) -> int:
    """`fapo show RUN`."""
    run = find_run(find_root(), options.name)
    summary, attempts = summary_of(run), attempts_of(run)
    if options.json:
        document: dict[str, Any] = facts_of(run).model_dump(mode="json")
        document["summary"] = summary.model_dump(mode="json") if summary is not None else None
        document["attempts"] = [attempt.model_dump(mode="json") for attempt in attempts]
        console.json(document)
        return OK
    facts = facts_of(run)
    console.line((f"Run {facts.id}, began {facts.began.replace('T', ' ')}", "bold"))
    console.line("")
    _show_attempts(run, attempts, console, verbose=options.verbose)
    if summary is not None and summary.stop not in ("interrupted", "no-answer"):
        from pytest_fapo.report import render_summary

        terminal = console.terminal
        render_summary(summary, console.file, tty=terminal.tty, color=terminal.color)
        _show_report(run, console)
        _show_later(facts, console)
    elif facts.state == "unreadable":
        console.line("Its summary was written by another version of pytest-fapo; the files are in", indent=0)
        console.verbatim(f"    {run.path}")
    else:
        console.line("It did not come to its end. Go on with: pytest --fapo-resume")
    return OK


def attempts_of(run: RunDirectory) -> list[Attempt]:
    """The judged attempts, each once, in the order of their verdicts; failed proposals too."""
    from pytest_fapo.models import Attempt

    found: dict[str, Attempt] = {}
    for event in run.events():
        if event.get("event") in ("judged", "proposal-failed"):
            try:
                attempt = Attempt.model_validate(event["attempt"])
            except (KeyError, ValueError):
                continue  # another version's, or torn
            found[attempt.candidate.id] = attempt
    return list(found.values())


def _show_attempts(run: RunDirectory, attempts: list[Attempt], console: Console, *, verbose: bool) -> None:
    from pytest_fapo.report.attempts import candidate_parts
    from pytest_fapo.report.details import attempt_details

    reference = run.load_evaluation("reference.json") if verbose else None
    splits = {name: item.split for name, item in reference.items.items()} if reference else {}
    for attempt in attempts:
        console.line(*candidate_parts(attempt), indent=3)
        for detail in attempt_details(attempt, splits) if verbose else []:
            console.line(("   " + detail, "dim"), indent=5)
    if not attempts:
        console.line("No candidate was judged.")


def _show_report(run: RunDirectory, console: Console) -> None:
    report = run.path / "report.html"
    if report.is_file():
        console.terminal.labelled("Report", shown(report), column=12)


def _show_later(facts: RunFacts, console: Console) -> None:
    told = _LATER.get(facts.writing)
    if told is not None:
        console.line((told, "bold"))
