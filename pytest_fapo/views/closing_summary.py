"""The closing summary of a run in words, on the terminal and as Markdown.
The pull-request page and the HTML report say the same sentences.
"""

from __future__ import annotations

import shlex
from pathlib import Path, PurePath
from typing import TextIO

from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.candidate import MetricChange
from pytest_fapo.core.printable import shown
from pytest_fapo.core.spending import cost_text, for_judges, money, tokens_text
from pytest_fapo.core.text import (
    count,
    duration,
    git_apply,
    listing,
    one_line,
    percent,
    percents,
    score_pair,
)
from pytest_fapo.loop.run_summary import SplitResult, Summary
from pytest_fapo.views.markdown import escaped, fenced, table
from pytest_fapo.views.terminal import Terminal

_PAGE = "summary.md"

_UNTOUCHED = {
    "patch": "Your files are untouched. The change is proven and saved as a patch. Apply it with:",
    "declined": "Your files are untouched, as you chose. The change is kept as a patch. Apply it with:",
    "never": "Your files are untouched (--fapo-write=never). The change is kept as a patch. Apply it with:",
}

_NAMED = 5
"""Tests of a failed final proof that are said with their reasons."""

_WITHOUT_PROOF = "is saved as a patch, without the final proof"

_PENDING = (*_UNTOUCHED, "conflict")

_NO_CHANGE = {
    "budget": "no change was proven to help before a limit was reached.",
    "interrupted": "the run was interrupted before any change was proven to help.",
    "no-answer": "a model did not answer before any change was proven to help.",
    "no-failures": "nothing fails, so there is nothing to fix.",
    "unproven": "what was accepted did not pass its final proof.",
    "not-reproduced": "nothing was tried, because a copy of the project gives other results than it.",
}


def headline(summary: Summary) -> str:
    """Return one sentence on the state of the user's files, with the patch's command if there is one."""
    if summary.writing == "written":
        return f"Changed in your project: {listing(summary.artifacts or summary.files)}."
    if summary.writing == "conflict":
        why = listing(summary.conflicts, most=8) or "they could not be written"
        return f"Your files are untouched ({why}). The change is saved as a patch. Apply it with:"
    if summary.writing == "nothing":
        why = _NO_CHANGE.get(summary.stop, "no change was proven to help.")
        if summary.stop == "no-failures" and summary.objectives:
            why = "nothing fails and no score is low, so there is nothing to improve."
        if summary.stop == "no-failures" and summary.failing:
            why = "no train case fails, and edits are made from train cases only."
        return f"Your files are untouched: {why}"
    if summary.writing == "patch" and summary.stop in ("interrupted", "no-answer"):
        return f"Your files are untouched. What was accepted by then {_WITHOUT_PROOF}. Apply it with:"
    return _UNTOUCHED[summary.writing]


def patch_command(summary: Summary) -> str:
    """Return the line that applies a patch that waits for it, else empty: `git apply`, and where a file of
    the patch was edited meanwhile, so that git would refuse it, what merges the two.
    """
    if not summary.patch or summary.writing not in _PENDING:
        return ""
    edited = any(f"{file} changed" in summary.conflicts for file in summary.files)
    folder = PurePath(summary.patch).parent
    if edited and folder.parts[-3:-1] == (".fapo", "runs"):
        named = ["-c", summary.settings_file] if summary.settings_file else []
        return shlex.join(["fapo", "apply", *named, folder.name])
    return git_apply(summary.patch)


def result_sentence(summary: Summary) -> str:
    """Return the meaning of the exit code."""
    if not summary.tests or (summary.stop == "no-answer" and not summary.failing):
        return ""  # tests without an answer count nowhere
    all_tests, fail = count(summary.tests, "test"), "fails" if summary.failing == 1 else "fail"
    lead = "With the patch, " if summary.writing in _PENDING else ""
    if summary.writing == "conflict":
        lead = "With the patch, and the project as it was copied, "
    if not summary.failing and summary.objectives:
        return f"{lead}{objective_sentence(summary)}; all {all_tests} pass."
    if not summary.failing:
        now = " now" if summary.fixed and summary.writing not in _PENDING else ""
        return _capital(
            f"{lead}all {all_tests} pass{now}." if summary.tests > 1 else f"{lead}the test passes."
        )
    left = f"{summary.failing:,} of {all_tests} still {fail}"
    if summary.objectives:
        return f"{lead}{objective_sentence(summary)}; {left}."
    if summary.target is None:
        return _capital(f"{lead}{left}.")
    reached = all(row.after is not None and row.after >= summary.target for row in summary.splits)
    met = "is met" if reached else "is not met"
    return _capital(f"{lead}the target of {percent(summary.target)} {met}; {left}.")


def objective_sentence(summary: Summary) -> str:
    """`rouge: train 0.25 → 0.71, val 0.24 → 0.7`; one score where it is as it was."""
    names = dict.fromkeys(change.metric for change in summary.objectives)
    said = []
    for name in names:
        mine = [change for change in summary.objectives if change.metric == name]
        pairs = [(each.split, *score_pair(each.before, each.after)) for each in mine]
        parts = [f"{split} {was}" if was == now else f"{split} {was} → {now}" for split, was, now in pairs]
        said.append(f"{name}: {', '.join(parts)}")
    return "; ".join(said)


def gained(summary: Summary) -> str:
    """Return what the accepted changes have brought, in a few words: `rouge 0.25 → 0.71, 3 tests fixed`."""
    rises = [
        f"{each.metric} {' → '.join(score_pair(each.before, each.after))}"
        for each in summary.objectives
        if each.split == "train"
    ]
    fixed = [f"{count(summary.fixed, 'test')} fixed"] if summary.fixed or not rises else []
    return ", ".join([*rises, *fixed])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def stand_in(summary: Summary) -> str:
    """Whose answers the numbers rest on, where it was not a real model."""
    if not summary.stand_in:
        return ""
    return (
        f"The offline stand-in {summary.stand_in} answered, not a real model: "
        "the numbers show how the run works, not how good a model is."
    )


def stopped(summary: Summary) -> str:
    """Return the reason why the run ended."""
    detail = one_line(summary.stop_detail)
    reached = "every test passes, and no score is low" if summary.objectives else "every test passes"
    sentence = {
        "target": "the target is reached" if summary.target is not None else reached,
        "nothing-left": "nothing left to propose",
        "budget": "a limit is reached",
        "interrupted": "interrupted; what was accepted before is kept" if summary.accepted else "interrupted",
        "no-answer": "no verdict without answers",
        "not-reproduced": f"{count(len(summary.unreproduced), 'test')} came out differently in a copy",
        "unproven": "the final proof, in a fresh interpreter, failed",
        "no-failures": "no train case fails",
        "error": "an error",
    }[summary.stop]
    return f"{sentence}: {detail}" if detail else sentence


def facts(summary: Summary) -> list[tuple[str, str]]:
    """Label and text of each line below the table."""
    spending = summary.spending
    used = spending.usage.input_tokens + spending.usage.output_tokens
    rows = [
        ("Stopped", stopped(summary)),
        ("", listing(summary.unreproduced, most=5)),
        *(("", one_line(text)) for text in summary.unproven[:_NAMED]),
        ("", _more_unproven(summary)),
        ("Tried", _tried(summary)),
        ("Left out", _pruned(summary)),
        ("Levels", _levels(summary)),
        *_front(summary),
        ("Ceiling", summary.ceiling),
        ("Quoted", _cases_in_prompts(summary)),
        ("Review", "OFF: what fits the scope was run without being read" if summary.review_off else ""),
        ("Held-out", _looks(summary)),
        ("LLM calls", _calls(summary)),
        ("Tokens", tokens_text(spending) if used else ""),
        ("Cost", _cost(summary)),
        ("By stage", _by_stage(summary)),
        ("One run", ", ".join(map(str, summary.costs))),
        ("Time", duration(summary.duration) if summary.duration else ""),
        ("Still open", _still_open(summary)),
        ("Exit code", _exit_code(summary)),
        ("Record", summary.run_directory),
        ("Next", next_command(summary)),
    ]
    return [(label, text) for label, text in rows if text]


def _front(summary: Summary) -> list[tuple[str, str]]:
    """Return the trees that no other one beats in an objective without losing in another."""
    if not summary.front:
        return []
    return [("Front", "on train"), *(("", str(point)) for point in summary.front)]


def _more_unproven(summary: Summary) -> str:
    """Return a pointer to the full text of the final proof."""
    if not summary.unproven:
        return ""
    more = len(summary.unproven) - _NAMED
    rest = f"and {more} more; " if more > 0 else ""
    return f"{rest}all of them in {summary.run_directory}/final-proof.txt"


def _tried(summary: Summary) -> str:
    total = summary.accepted + summary.merged + summary.rejected
    if not total:
        return ""
    merged = f", {summary.merged} merged" if summary.merged else ""
    return f"{count(total, 'candidate')}: {summary.accepted} accepted{merged}, {summary.rejected} rejected"


def _levels(summary: Summary) -> str:
    """Said where there is more than one level to speak of."""
    return "; ".join(summary.levels) if len(summary.levels) > 1 else ""


def _cases_in_prompts(summary: Summary) -> str:
    if not summary.quoted:
        return ""
    cases = count(len(summary.quoted), "train case")
    return f"{cases} are examples in prompts and count in no score: {listing(summary.quoted, most=4)}"


def _pruned(summary: Summary) -> str:
    if not summary.pruned:
        return ""
    parts = count(len(summary.pruned), "part")
    return f"{parts} that the accepted edits do not need: {listing(summary.pruned, most=6)}"


def _looks(summary: Summary) -> str:
    has_cases = any(row.split == "holdout" and row.tests for row in summary.splits)
    if not has_cases and not summary.holdout_looks:
        return ""
    return f"checked {count(summary.holdout_looks, 'time')}" if summary.holdout_looks else "never checked"


def _calls(summary: Summary) -> str:
    spending = summary.spending
    text = (
        f"{spending.calls:,} sent{for_judges(spending.test_calls)}, "
        f"{spending.cache_hits:,} answered from the cache{for_judges(spending.test_cache_hits)}"
    )
    optimizer = summary.optimizer_spending
    if not optimizer.calls and not optimizer.cache_hits:
        return text
    return f"{text} ({optimizer.calls:,} of those sent were the optimizer's)"


def _cost(summary: Summary) -> str:
    if summary.stand_in and not summary.spending.cost:
        return "nothing: the stand-in is free"
    return f"{cost_text(summary.spending)}{for_judges(summary.spending.test_cost)}"


def _by_stage(summary: Summary) -> str:
    """`baseline 60 calls, $0.01; proposing 4 calls, $0.08`; nothing where one stage sent all."""
    if len(summary.stages) < 2:
        return ""
    parts = []
    for name, spending in summary.stages.items():
        usd = spending.cost + spending.listed
        parts.append(f"{name} {count(spending.calls, 'call')}{f', {money(usd)}' if usd else ''}")
    return "; ".join(parts)


def _exit_code(summary: Summary) -> str:
    """Said where the table's last column is not what the exit code is about."""
    if summary.writing not in _PENDING or not summary.exit_code or summary.stop == "interrupted":
        return ""
    return f"{summary.exit_code}: the tests fail on your files as they are, without the patch"


def _still_open(summary: Summary) -> str:
    if not summary.llm_could_try or summary.stop == "no-answer":
        return ""
    causes = listing((one_line(label, most=120) for label in summary.llm_could_try), most=3)
    hint = "An LLM may have ideas beside the playbook's"
    if summary.stop == "nothing-left":
        hint = "The free playbook has no more ideas; an LLM may have"
    shown = (
        '; demonstrations = "train" lets the playbook show train cases' if summary.examples_unasked else ""
    )
    return f'{causes}. {hint}: optimizer = ["playbook", "anthropic:<model>"] in [tool.fapo]{shown}.'


def next_command(summary: Summary) -> str:
    """Return the command to type next."""
    if summary.next_command:
        return summary.next_command
    if summary.writing in _UNTOUCHED:
        return "pytest --fapo-review goes through it change by change"
    if patch_command(summary):
        return ""
    if summary.writing == "written":
        return "git diff"
    return "pytest --fapo-diagnose" if summary.failing or summary.stop == "not-reproduced" else ""


_HEADER = ("", "tests", "before", "after", "fixed", "broken")

_GRADED = ("", "cases", "before", "after", "better", "worse")

_LABEL_WIDTH = 12


def render_summary(
    summary: Summary, file: TextIO, *, tty: bool = False, color: bool = False, width: int | None = None
) -> None:
    """Write the closing summary; never raises because of the terminal.

    Args:
        summary: what to say.
        file: where to write.
        tty: whether lines are folded to the terminal's width.
        color: whether ANSI colors may be written.
        width: columns; asked of the terminal where not given.
    """
    terminal = Terminal(file, tty=tty, color=color, width=width)
    terminal.line("")
    terminal.line((headline(summary), "bold green" if summary.writing == "written" else "bold"))
    command = patch_command(summary)
    if command:
        terminal.verbatim("    ", (command, "bold"))
    for sentence, style in ((result_sentence(summary), "bold"), (stand_in(summary), "yellow")):
        if sentence:
            terminal.line((sentence, style))
    for rows in score_tables(summary):
        terminal.line("")
        terminal.table(rows, right=range(1, len(rows[0])))
    terminal.line("")
    for label, text in facts(summary):
        terminal.labeled(label, text, column=_LABEL_WIDTH)
    for title, text in summary.sections:
        terminal.line("")
        terminal.line((one_line(title), "bold"))
        for line in text.splitlines():
            terminal.line(line)


def score_tables(summary: Summary) -> list[list[tuple[str, ...]]]:
    """Return header and rows of each table: the graded objectives where there are any, then the tests.

    Where nothing could be tried there is no "after".
    """
    graded = [_GRADED, *(_graded_cells(change) for change in summary.objectives)]
    tests = [_HEADER, *(_cells(row) for row in summary.splits)]
    tables = [rows for rows in (graded, tests) if len(rows) > 1]
    return [[row[:3] for row in rows] for rows in tables] if summary.stop == "not-reproduced" else tables


def _graded_cells(change: MetricChange) -> tuple[str, ...]:
    before, after = score_pair(change.before, change.after)
    name = f"{change.metric} {change.split}{' (less is better)' if change.lower_is_better else ''}"
    return (name, f"{change.cases:,}", before, after, f"{change.better:,}", f"{change.worse:,}")


def _cells(row: SplitResult) -> tuple[str, ...]:
    before, after = percents(row.before, row.after)
    return (row.split, f"{row.tests:,}", before, after, f"{row.fixed:,}", f"{row.broken:,}")


def save_summary_page(run: Path) -> None:
    """Write `summary.md` beside a run's `summary.json`; nothing where this version cannot read that.

    Args:
        run: the run's folder.
    """
    try:
        summary = Summary.model_validate_json((run / "summary.json").read_bytes())
    except (OSError, ValueError):
        return
    write_atomically(run / _PAGE, summary_markdown(summary).encode(), durable=True)


def complete_summary(run: Path) -> None:
    """Write `summary.md` where a kill came between it and `summary.json`."""
    if not (run / _PAGE).exists():
        save_summary_page(run)


def summary_markdown(summary: Summary) -> str:
    """Return the same summary as Markdown, for `summary.md` in the run directory or a pull request."""
    lines = ["# pytest-fapo", "", f"**{escaped(headline(summary))}**", ""]
    command = patch_command(summary)
    if command:
        lines += [fenced(command, chars=0), ""]
    lines += [
        line for text in (result_sentence(summary), stand_in(summary)) if text for line in (escaped(text), "")
    ]
    for head, *rows in score_tables(summary):
        lines += [table(head, rows, right=range(1, len(head))), ""]
    lines += [f"- **{label or '…'}**: {escaped(text)}" for label, text in facts(summary)]
    for title, text in summary.sections:
        lines += ["", f"## {escaped(one_line(title))}", "", shown(text)]
    if summary.candidates:
        lines += ["", "## What was tried", "", fenced("\n".join(summary.candidates), chars=0)]
    return "\n".join(lines) + "\n"
