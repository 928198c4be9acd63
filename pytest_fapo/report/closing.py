"""The closing summary on the terminal and as Markdown."""

from __future__ import annotations

import re
from typing import TextIO

from pytest_fapo.percents import percents
from pytest_fapo.report.sentences import facts, headline, patch_command, result, stand_in
from pytest_fapo.report.summary import SplitResult, Summary
from pytest_fapo.report.terminal import Terminal, shown
from pytest_fapo.report.words import one_line

_HEADER = ("", "tests", "before", "after", "fixed", "broken")
_LABEL_WIDTH = 12


def render_summary(
    summary: Summary, file: TextIO, *, tty: bool = False, color: bool = False, width: int | None = None
) -> None:
    """Write the closing summary; never raises because of the terminal.

    Args:
        summary: what to say.
        file: where to write.
        tty: whether lines are folded to the terminal's width.
        color: whether ANSI colours may be written.
        width: columns; asked of the terminal where not given.
    """
    terminal = Terminal(file, tty=tty, color=color, width=width)
    terminal.line("")
    terminal.line((headline(summary), "bold green" if summary.writing == "written" else "bold"))
    command = patch_command(summary)
    if command:
        terminal.verbatim("    ", (command, "bold"))
    for sentence, style in ((result(summary), "bold"), (stand_in(summary), "yellow")):
        if sentence:
            terminal.line((sentence, style))
    if summary.splits:
        terminal.line("")
        for number, row in enumerate(_table(_rows(summary))):
            terminal.line((row, "dim" if number == 0 else ""))
    terminal.line("")
    for label, text in facts(summary):
        terminal.labelled(label, text, column=_LABEL_WIDTH)
    for title, text in summary.sections:
        terminal.line("")
        terminal.line((one_line(title), "bold"))
        for line in text.splitlines():
            terminal.line(line)


def _rows(summary: Summary) -> list[tuple[str, ...]]:
    """Return header and rows; where nothing could be tried there is no "after"."""
    cells = [_HEADER, *(_cells(row) for row in summary.splits)]
    return [row[:3] for row in cells] if summary.stop == "not-reproduced" else cells


def _cells(row: SplitResult) -> tuple[str, ...]:
    before, after = percents(row.before, row.after)
    return (row.split, f"{row.tests:,}", before, after, f"{row.fixed:,}", f"{row.broken:,}")


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["   ".join(_aligned(row, widths)).rstrip() for row in rows]


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    first, *rest = row
    return [
        first.ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)),
    ]


def summary_markdown(summary: Summary) -> str:
    """The same summary as Markdown, for `summary.md` in the run directory or a pull request."""
    lines = ["# pytest-fapo", "", f"**{_escaped(headline(summary))}**", ""]
    command = patch_command(summary)
    if command:
        lines += [_fenced(command), ""]
    lines += [line for text in (result(summary), stand_in(summary)) if text for line in (_escaped(text), "")]
    if summary.splits:
        head, *rest = _rows(summary)
        rows = [head, ("---", *("---:" for _ in head[1:])), *rest]
        lines += [*(f"| {' | '.join(row)} |" for row in rows), ""]
    lines += [f"- **{label or '…'}**: {_escaped(text)}" for label, text in facts(summary)]
    for title, text in summary.sections:
        lines += ["", f"## {_escaped(one_line(title))}", "", shown(text)]
    if summary.candidates:
        lines += ["", "## What was tried", "", _fenced("\n".join(summary.candidates))]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", shown(text))


def _fenced(text: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    text = shown(text)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"
