"""The merge gate and the baseline update on the terminal: the verdict, a line per regression, the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from pytest_fapo.core.baseline import Baseline, passed_share
from pytest_fapo.core.gate_result import GateProblem, GateResult, SplitScore
from pytest_fapo.core.record import SPLITS
from pytest_fapo.core.text import count, listing, one_line, percent, percents
from pytest_fapo.verdict.regression_causes import causes_headline, difference, regression_causes
from pytest_fapo.views.terminal import Terminal

_LINES = 40
"""Rows of scores that are shown unless `-v` asks for all."""

_EXAMPLES = 5
"""Tests of one cause that are shown unless `-v` asks for all."""

_RECORDS = {"stale-snapshot"}

_LAST = {"test", *_RECORDS}
"""Said below the scores."""


def render_gate(
    result: GateResult,
    file: TextIO,
    *,
    tty: bool = False,
    color: bool = False,
    verbosity: int = 0,
    width: int | None = None,
    changes: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write the gate's answer; never raises because of the terminal.

    Args:
        result: the answer.
        file: where to write.
        tty: whether lines are folded to the terminal's width.
        color: whether ANSI colors may be written.
        verbosity: pytest's; from 1 on, everything is listed.
        width: columns; asked of the terminal where not given.
        changes: changed lines, `+` and `-`, of the artifacts behind regressions, by address.
    """
    terminal = Terminal(file, tty=tty, color=color, width=width)
    most = _LINES if verbosity < 1 else _EXAMPLES * (len(result.regressions) + len(result.scores))
    terminal.line("")
    terminal.line((f"fapo: {gate_headline(result)}", _style(result)))
    _problems(terminal, [each for each in result.failures if each.kind not in _LAST], "")
    _regressions(terminal, result, most, changes or {})
    whole = not result.partial
    rows = telling_rows(result.scores, verbosity) if whole else []
    if rows:
        terminal.line("")
        _table(terminal, rows[:most])
        _rest(terminal, len(rows), most)
    _problems(terminal, [each for each in result.failures if each.kind in _LAST], "")
    said = [each for each in result.problems if not each.fails and whole]
    _problems(terminal, said, "dim")
    if whole:
        _counts(terminal, result)
    reasons = [*result.failures, *said]
    wanted = [each.command for each in reasons if each.command and each.command not in each.message]
    if wanted and result.verdict == "fell" and whole:
        terminal.line("  To accept these results on purpose, then commit what it writes:")
    for command in dict.fromkeys(wanted):
        terminal.verbatim("    ", (command, "bold"))


def _style(result: GateResult) -> str:
    if result.verdict == "passed":
        return "bold green" if not result.failures else "bold yellow"
    return "bold red" if result.verdict == "fell" else "bold yellow"


def gate_headline(result: GateResult) -> str:
    """Return the verdict in words, for the terminal and for a pull request."""
    against = f" against {result.baseline}" if result.baseline else ""
    if result.verdict == "fell":
        lost = sum(each.fails for each in result.regressions)
        if lost:
            verb = "passes" if lost == 1 else "pass"
            return f"accuracy fell{against}: {count(lost, 'test')} that passed no longer {verb}"
        return f"accuracy fell{against}"
    kinds = {problem.kind for problem in result.failures}
    if result.verdict == "undecided" and not kinds <= {"test", *_RECORDS}:
        return "accuracy could not be judged, so the gate does not pass"
    parts = [f"no regressions{against}"]
    if kinds & _RECORDS:
        parts.append("but committed files are out of date")
    if "test" in kinds:
        parts.append("but other tests fail")
    return ", ".join(parts).replace("date, but", "date, and")


def _problems(terminal: Terminal, problems: Sequence[GateProblem], style: str) -> None:
    for problem in problems:
        terminal.line("  ", (one_line(problem.message), style), indent=4)


def _regressions(
    terminal: Terminal, result: GateResult, most: int, changes: Mapping[str, Sequence[str]]
) -> None:
    """A paragraph for each cause: what is different, the changed lines of the prompt, some of the tests."""
    if not result.regressions:
        return
    causes = regression_causes(result.regressions)
    shown = _EXAMPLES if most == _LINES else most
    if not any(cause.fails for cause in causes):
        terminal.line("")
        terminal.line(("Passed before, fails now (no single case decides):", "dim"))
    if len(causes) > 1:
        terminal.line("")
        terminal.line("  ", (causes_headline(causes), "bold"), indent=4)
    for cause in causes[: most // _EXAMPLES]:
        terminal.line("")
        where = f" of {cause.prompt}" if cause.prompt else ""
        terminal.line("  ", (causes_headline([cause]) + where, "bold"), indent=4)
        for line in changes.get(cause.prompt, ()):
            terminal.verbatim("    ", (f"{line[:1]} {line[1:]}", "green" if line.startswith("+") else "red"))
        for each in cause.examples(shown):
            terminal.line("    ", each.nodeid, "  ", difference(each), indent=6)
        _rest(terminal, len(cause.regressions), shown, "    ")
    _rest(terminal, len(causes), most // _EXAMPLES, "  ", "cause")


def telling_rows(scores: Sequence[SplitScore], verbosity: int = 0) -> list[SplitScore]:
    """Tag groups are shown where they changed or have a floor; a pipeline of one split needs no sum."""
    splits: dict[str, int] = {}
    for row in scores:
        if row.group != "all" and ":" not in row.group:
            splits[row.pipeline] = splits.get(row.pipeline, 0) + 1
    return [
        row
        for row in scores
        if verbosity > 0
        or row.floor is not None
        or (
            (splits.get(row.pipeline, 0) > 1 if row.group == "all" else True)
            and not (row.group.startswith("tag:") and row.before == row.after)
        )
    ]


def _table(terminal: Terminal, rows: Sequence[SplitScore]) -> None:
    floors = any(row.floor is not None for row in rows)
    pipelines = len({row.pipeline for row in rows}) > 1
    header = ["", "cases", "baseline", "now", *(["floor"] if floors else [])]
    cells = [header]
    for row in rows:
        name = f"{row.pipeline} {row.group}" if pipelines else row.group
        cells.append([one_line(name, most=100), f"{row.cases:,}", *_values(row)][: len(header)])
    terminal.table(cells, right=range(1, len(header)), indent="  ")


def _values(row: SplitScore) -> list[str]:
    if row.group.startswith("metric:"):
        return ["–" if value is None else f"{value:.4g}" for value in (row.before, row.after)] + [
            "" if row.floor is None else f"{row.floor:.4g}"
        ]
    before, after = percents(row.before, row.after)
    return [before, after, "" if row.floor is None else percents(row.floor, None)[0]]


def _rest(terminal: Terminal, number: int, most: int, indent: str = "  ", noun: str = "") -> None:
    if number > most:
        more = count(number - most, f"more {noun}") if noun else f"{number - most:,} more"
        terminal.line((f"{indent}… and {more} (-v shows all)", "dim"))


def _counts(terminal: Terminal, result: GateResult) -> None:
    parts = [
        f"{count(len(result.fixed), 'test')} fixed" if result.fixed else "",
        f"{len(result.still_failing):,} failing as in the baseline" if result.still_failing else "",
        f"{len(result.changed_outputs):,} with another output and the same verdict"
        if result.changed_outputs
        else "",
    ]
    text = ", ".join(filter(None, parts))
    if result.policy == "paired" and result.p_value is not None and result.effect is not None:
        figures = f"paired difference {100 * result.effect:+.1f} points, p = {result.p_value:.2g}"
        text = f"{text}; {figures}" if text else figures
    if text:
        terminal.line(("  " + text, "dim"))


@dataclass
class BaselineUpdate:
    """The written baseline, or the reason why nothing was written."""

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
        terminal.line((f"fapo: {update.path} was not written, since this was not a full run", "bold yellow"))
        for refusal in update.refusals:
            terminal.line("  ", refusal, indent=4)
        return
    done = "written" if update.written else "is up to date"
    terminal.line((f"fapo: {update.path} {done}: {_totals(update.baseline)}", "bold green"))
    for line in _changed_results(update):
        terminal.line("  ", line, indent=4)
    if update.plain_failures:
        tests = count(update.plain_failures, "test")
        verb = "fails" if update.plain_failures == 1 else "fail"
        terminal.line("  ", (f"{tests} without a case {verb}; the baseline does not cover them", "yellow"))
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


def _changed_results(update: BaselineUpdate) -> list[str]:
    """Return the differences from the earlier baseline."""
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
    for names, label in (
        (sorted(worse), "now recorded as failing (or failing more often)"),
        (sorted(better), "now recorded as passing (or passing more often)"),
        (sorted(name[1] for name in after.keys() - before.keys()), "new"),
        (sorted(name[1] for name in before.keys() - after.keys()), "gone"),
    ):
        if names:
            lines.append(f"{count(len(names), 'test')} {label}: {listing(names, most=3)}")
    return lines


def _results(baseline: Baseline) -> dict[tuple[str, str], str]:
    return {
        (pipeline, nodeid): result
        for pipeline, each in baseline.pipelines.items()
        for cases in each.cases.values()
        for case in cases.values()
        for nodeid, result in case.items.items()
    }
