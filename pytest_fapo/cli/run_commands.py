"""`fapo runs`, `fapo show`, `fapo apply` and `fapo undo`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pytest_fapo.cli.console import NOTHING_DONE, OK, CommandConsole, find_root
from pytest_fapo.core.record import Record
from pytest_fapo.core.spending import money
from pytest_fapo.core.text import listing, percents, score_pair
from pytest_fapo.loop.events import (
    CandidateJudged,
    ChangesApplied,
    ChangesReviewed,
    ChangesUndone,
    NoProposal,
    RunFinished,
)
from pytest_fapo.loop.run_folder import RunFolder, RunLock, began, find_run, runs_of, typed_path
from pytest_fapo.loop.run_summary import read_summary

if TYPE_CHECKING:
    from pytest_fapo.core.candidate import Attempt
    from pytest_fapo.source.write_back import WriteResult


import json

from pytest_fapo.core.errors import FapoError
from pytest_fapo.views.otlp_spans import otlp_json


class RunFacts(Record):
    """The facts about a run in the list of runs."""

    id: str
    began: str
    """Local time, ISO 8601."""
    state: str
    """`finished`, `unfinished` (killed or interrupted: it can be resumed) or `unreadable`."""
    stop: str = ""
    """The reason why it ended, one of `report.StopReason`."""
    accepted: int = 0
    tried: int = 0
    """Candidates that have a verdict."""
    scores: dict[str, list[float | None]] = Field(default_factory=dict)
    """Split to its score before and after, 0 to 1; None where it was not measured."""
    objectives: dict[str, list[float]] = Field(default_factory=dict)
    """Graded objective to its mean on train before and after."""
    calls: int = 0
    cost: float = 0.0
    """USD of the calls whose model has a known price."""
    unpriced_models: list[str] = Field(default_factory=list)
    stand_in: str = ""
    """Name of the offline model that answered in place of a real one."""
    writing: str = ""
    """The state of the files, one of `report.Writing`; `applied`, `undone` or `reviewed` if that came later.
    """


def facts_of(run: RunFolder) -> RunFacts:
    """Return the list's facts about a run; a run that another version wrote is listed as unreadable."""
    finished = run.journal.last(RunFinished)
    facts = RunFacts(
        id=run.path.name,
        began=time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(began(run))),
        state="finished" if finished else "unfinished",
    )
    summary = read_summary(run.path)
    if summary is None:
        facts.tried = sum(event.event == "judged" for event in run.journal.read())
        if finished:
            facts.state = "unreadable"
        return facts
    facts.stop = summary.stop
    facts.accepted = summary.accepted
    facts.tried = summary.accepted + summary.merged + summary.rejected
    facts.scores = {row.split: [row.before, row.after] for row in summary.splits}
    facts.objectives = {
        row.metric: [row.before, row.after] for row in summary.objectives if row.split == "train"
    }
    facts.calls = summary.spending.calls
    facts.cost = summary.spending.cost
    facts.unpriced_models = summary.spending.unpriced_models
    facts.stand_in = summary.stand_in
    facts.writing = written_later(run) or summary.writing
    return facts


def written_later(run: RunFolder) -> str:
    """`applied`, `undone` or `reviewed`, whichever happened last to the run's patch; else empty."""
    last = ""
    for event in run.journal.read():
        if isinstance(event, ChangesApplied | ChangesUndone | ChangesReviewed) and event.files:
            last = event.event
    return last


_STOPS = {
    "target": "target reached",
    "nothing-left": "nothing left",
    "budget": "limit reached",
    "not-reproduced": "not reproduced",
    "no-failures": "no failures",
}

_FILES = {"patch": "patch only", "declined": "declined", "never": "patch only", "nothing": "no change"}

_LATER = {
    "applied": "Its patch was written later (`fapo apply`).",
    "undone": "Its changes were undone later (`fapo undo`).",
    "reviewed": "The changes accepted in a review were written later (`pytest --fapo-review`).",
}


def list_runs(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo runs`."""
    root = find_root(settings=options.settings)
    runs = [facts_of(run) for run in runs_of(root)]
    if options.json:
        console.json([run.model_dump(mode="json") for run in runs])
    elif not runs:
        console.line(f"No run in {root} yet; `pytest --fapo-optimize` makes one.")
    else:
        console.terminal.table(_rows(runs))
    return OK


def _rows(runs: list[RunFacts]) -> list[tuple[str, ...]]:
    """Return the rows, the header first; a run's name says when it began."""
    splits = [split for split in ("train", "val", "holdout") if any(split in run.scores for run in runs)]
    graded = list(dict.fromkeys(name for run in runs for name in run.objectives))
    header = [*(f"{name} train" for name in graded), *splits]
    rows: list[tuple[str, ...]] = [("run", "stopped", "accepted", *header, "cost", "files")]
    for run in runs:
        accepted = f"{run.accepted} of {run.tried}" if run.tried else "–"
        pairs = [score_pair(*run.objectives.get(name, (None, None))) for name in graded]
        scores = [was if was == now else f"{was} → {now}" for was, now in pairs]
        scores += [_change(run, split) for split in splits]
        rows.append((run.id, _stopped(run), accepted, *scores, _cost(run), _files(run)))
    return rows


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


def show_run(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo show RUN`."""
    run = find_run(find_root(settings=options.settings), options.name)
    summary, attempts = read_summary(run.path), attempts_of(run)
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
        from pytest_fapo.views.closing_summary import render_summary

        terminal = console.terminal
        render_summary(summary, console.file, tty=terminal.tty, color=terminal.color)
        _show_report(run, console)
        _show_later(facts, console)
    elif facts.state == "unreadable":
        console.line("Its summary was written by another version of pytest-fapo; the files are in", indent=0)
        console.verbatim(f"    {run.path}")
    else:
        console.line("It did not finish. Continue with: pytest --fapo-resume")
    return OK


def attempts_of(run: RunFolder) -> list[Attempt]:
    """Return the judged attempts, each once, in the order of their verdicts; failed proposals too."""
    events = [event for event in run.journal.read() if isinstance(event, CandidateJudged | NoProposal)]
    return list({event.attempt.candidate.id: event.attempt for event in events}.values())


def _show_attempts(
    run: RunFolder, attempts: list[Attempt], console: CommandConsole, *, verbose: bool
) -> None:
    from pytest_fapo.loop.run_summary import candidate_parts
    from pytest_fapo.views.progress import attempt_details

    reference = run.load_evaluation("reference.json") if verbose else None
    splits = {name: item.split for name, item in reference.items.items()} if reference else {}
    for attempt in attempts:
        console.line(*candidate_parts(attempt), indent=3)
        for detail in attempt_details(attempt, splits) if verbose else []:
            console.line(("   " + detail, "dim"), indent=5)
    if not attempts:
        console.line("No candidate was judged.")


def _show_report(run: RunFolder, console: CommandConsole) -> None:
    report = run.path / "report.html"
    if report.is_file():
        console.terminal.labeled("Report", typed_path(report), column=12)


def _show_later(facts: RunFacts, console: CommandConsole) -> None:
    later = _LATER.get(facts.writing)
    if later is not None:
        console.line((later, "bold"))


_RunAction = Callable[[Path, "RunFolder"], "WriteResult"]


def apply_changes(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo apply RUN`."""
    from pytest_fapo.loop.apply_undo import apply_run

    return _carry_out(options, console, apply_run, done="Written", idle="already hold the run's changes")


def undo_changes(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo undo RUN`."""
    from pytest_fapo.loop.apply_undo import undo_run

    return _carry_out(options, console, undo_run, done="Undone", idle="are already as before the run")


def _carry_out(
    options: argparse.Namespace, console: CommandConsole, action: _RunAction, *, done: str, idle: str
) -> int:
    from pytest_fapo.views.closing_summary import complete_summary

    root = find_root(settings=options.settings)
    run = find_run(root, options.name)
    with RunLock(root / ".fapo").held():
        result = action(run.project, run)
    complete_summary(run.path)
    if result.conflicts:
        console.line(("Nothing was changed, because a part of it cannot be:", "bold"))
        for path, reason in sorted(result.conflicts.items()):
            console.line(f"    {path}: {reason}", indent=8)
        patch = run.path / "changes.patch"
        if patch.is_file():
            console.line("The run's changes as text:")
            console.verbatim(f"    fapo diff {run.path.name}")
        return NOTHING_DONE
    if not result.written:
        console.line(f"Nothing to do: the files {idle}.")
        return NOTHING_DONE
    console.line((f"{done}, run {run.path.name}: {listing(sorted(result.written))}.", "bold"))
    merged = getattr(result, "merged", [])
    if merged:
        files = listing(merged)
        console.line(
            f"{files} was edited since the run and now holds both changes; that combination is not proven."
        )
    console.verbatim("Next    git diff" if not merged else "Next    pytest")
    return OK


def export_spans(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo spans RUN`."""
    root = find_root(settings=options.settings)
    run = find_run(root, options.name)
    evaluation = run.load_evaluation("reference.json")
    if evaluation is None:
        raise FapoError(f"run {run.path.name} ended before the pipeline had run in a copy: it has no traces")
    spans = otlp_json(evaluation, began=began(run), project=root.name)
    text = json.dumps(spans, ensure_ascii=False)
    if options.output is None:
        console.file.write(text + "\n")
        return OK
    try:
        options.output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise FapoError(f"{options.output} cannot be written: {error.strerror}") from error
    return OK
