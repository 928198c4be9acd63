"""What `--fapo-update-baseline` has come to, on the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TextIO

from pytest_fapo.models import SPLITS, Baseline, passed_share
from pytest_fapo.percents import percent
from pytest_fapo.report.terminal import Terminal
from pytest_fapo.report.words import count, listing


@dataclass
class BaselineUpdate:
    """What was written, or why nothing was."""

    path: str
    refusals: list[str] = field(default_factory=list)
    baseline: Baseline | None = None
    earlier: Baseline | None = None
    written: bool = False
    snapshots: list[str] = field(default_factory=list)
    """Files that were written or removed."""
    plain_failures: int = 0
    """Failing tests without a case."""


def render_update(update: BaselineUpdate, file: TextIO, *, tty: bool = False, color: bool = False) -> None:
    """Write it; never raises because of the terminal."""
    terminal = Terminal(file, tty=tty, color=color)
    terminal.line("")
    if update.refusals or update.baseline is None:
        terminal.line((f"fapo: {update.path} was not written, since this was no whole run", "bold yellow"))
        for refusal in update.refusals:
            terminal.line("  ", refusal, indent=4)
        return
    done = "written" if update.written else "says the same already"
    terminal.line((f"fapo: {update.path} {done}: {_totals(update.baseline)}", "bold green"))
    for line in _changes(update):
        terminal.line("  ", line, indent=4)
    if update.plain_failures:
        tests = count(update.plain_failures, "test")
        verb = "fails" if update.plain_failures == 1 else "fail"
        terminal.line("  ", (f"{tests} without a case {verb}; the baseline says nothing of them", "yellow"))
    if update.snapshots:
        terminal.line("  ", f"snapshots: {listing(update.snapshots, most=5)}", indent=4)
    if update.written or update.snapshots:
        several = update.written + len(update.snapshots) > 1
        what, whose = ("them", "they belong") if several else ("it", "it belongs")
        terminal.line("  ", f"commit {what} with the change that {whose} to")


def _totals(baseline: Baseline) -> str:
    parts = []
    for name, pipeline in baseline.pipelines.items():
        cases = sum(len(each) for each in pipeline.cases.values())
        scores = [
            f"{split} {percent(pipeline.scores[split])}" for split in SPLITS if split in pipeline.scores
        ]
        prefix = f"{name}: " if len(baseline.pipelines) > 1 else ""
        parts.append(f"{prefix}{count(cases, 'case')}, {', '.join(scores) or 'no scores'}")
    return "; ".join(parts)


def _changes(update: BaselineUpdate) -> list[str]:
    """What is different from the earlier baseline."""
    if update.baseline is None or update.earlier is None:
        return []
    before, after = _results(update.earlier), _results(update.baseline)
    better: list[str] = []
    worse: list[str] = []
    for name in before.keys() & after.keys():
        was, now = passed_share(before[name]), passed_share(after[name])
        if was is not None and now is not None and was != now:
            (better if now > was else worse).append(name[1])
    lines = []
    for names, words in (
        (sorted(worse), "now recorded as failing (or failing more often)"),
        (sorted(better), "now recorded as passing (or passing more often)"),
        (sorted(name[1] for name in after.keys() - before.keys()), "new"),
        (sorted(name[1] for name in before.keys() - after.keys()), "gone"),
    ):
        if names:
            lines.append(f"{count(len(names), 'test')} {words}: {listing(names, most=3)}")
    return lines


def _results(baseline: Baseline) -> dict[tuple[str, str], str]:
    return {
        (pipeline, nodeid): result
        for pipeline, each in baseline.pipelines.items()
        for cases in each.cases.values()
        for case in cases.values()
        for nodeid, result in case.items.items()
    }
