"""The parts of the page with a size limit: score tables, regressions, changed prompts with their diffs,
effects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import fill
from typing import NamedTuple

from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateProblem, Regression, SplitScore
from pytest_fapo.core.record import SPLITS
from pytest_fapo.core.text import count, one_line, percents, text_diff, value_difference
from pytest_fapo.loop.run_summary import Summary
from pytest_fapo.verdict.case_effect import CaseEffect
from pytest_fapo.verdict.regression_causes import (
    RegressionCause,
    causes_headline,
    difference,
    regression_causes,
    short_names,
)
from pytest_fapo.views.closing_summary import score_tables
from pytest_fapo.views.gate_screen import telling_rows
from pytest_fapo.views.markdown import code, details, fenced, prose, table
from pytest_fapo.views.pull_request.page_record import ArtifactChange, PullRequest

_CUT = (
    "> {parts} left out: this page would be larger than {limit:,} bytes. The HTML report "
    "(`--fapo-report=PATH`) has everything."
)


class Size(NamedTuple):
    """Bounds of one page."""

    rows: int
    """Of a table."""
    cell: int
    """Characters of a value in a table."""
    lines: int
    """Of a diff or of pytest's words for a failure."""
    causes: int
    """Causes that are told with their examples."""


SIZES = (Size(10, 100, 20, 3), Size(5, 60, 10, 1))
"""A page is read in a minute; the HTML report has everything."""


def fitted(blocks: Callable[[Size], Sequence[str]], limit: int) -> str:
    """Return the page in the first size that fits; where none does, whole blocks are left out, and it is
    said.

    Args:
        blocks: makes the page's parts; the first is always kept.
        limit: bytes of UTF-8 that the page may have.
    """
    for size in SIZES:
        page = _joined(blocks(size))
        if len(page.encode()) <= limit:
            return page
    return _cut(blocks(SIZES[-1]), limit)


def _cut(blocks: Sequence[str], limit: int) -> str:
    room = limit - len(_CUT.encode()) - 40
    kept: list[str] = []
    for number, block in enumerate(blocks):
        size = len(block.encode()) + 2
        if number == 0 or size <= room:
            kept.append(block)
            room -= size
    parts = count(len(blocks) - len(kept), "part")
    is_are = "is" if parts == "1 part" else "are"
    return _joined([*kept, _CUT.format(parts=f"{parts} {is_are}", limit=limit)])


def _joined(blocks: Sequence[str]) -> str:
    return "\n\n".join(block for block in blocks if block) + "\n"


def score_table(scores: Sequence[SplitScore], size: Size) -> str:
    """Return scores before and after per split and metric, and of tag groups that changed; empty where there
    are none.
    """
    scores = telling_rows(scores)
    if not scores:
        return ""
    pipelines = len({row.pipeline for row in scores}) > 1
    floors = any(row.floor is not None for row in scores)
    header = ["pipeline"] * pipelines + ["group", "cases", "before", "after", "change"] + ["floor"] * floors
    rows = []
    for row in scores[: size.rows]:
        before, after, change = _values(row)
        cells = [code(row.pipeline, most=60)] * pipelines
        cells += [_group(row.group), f"{row.cases:,}", before, after, change]
        cells += [_floor(row)] * floors
        rows.append(cells)
    first = 2 if pipelines else 1
    shown = table(header, rows, right=range(first, len(header)))
    return shown + _rest(len(scores), size.rows, "row")


def _values(row: SplitScore) -> tuple[str, str, str]:
    difference = None if row.before is None or row.after is None else row.after - row.before
    if row.group.startswith("metric:"):
        change = "" if difference is None else _amount(difference)
        return _number(row.before), _number(row.after), change
    before, after = percents(row.before, row.after)
    return before, after, "" if difference is None else _points(difference)


def _amount(difference: float) -> str:
    """In the metric's own unit; a baseline keeps six decimals of it."""
    return "±0" if abs(difference) < 1e-6 else f"{difference:+.4g}"


def _points(difference: float) -> str:
    if abs(difference) < 1e-9:
        return "±0"
    text = f"{difference * 100:+.1f}"
    return text if text.strip("+-0.") else ("+<0.1" if difference > 0 else "−<0.1")


def _floor(row: SplitScore) -> str:
    if row.floor is None:
        return ""
    shown = _number(row.floor) if row.group.startswith("metric:") else percents(row.floor, None)[0]
    return f"**{shown} missed**" if row.missed else shown


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _group(group: str) -> str:
    kind, _, name = group.partition(":")
    return f"{kind} {code(name, most=60)}" if name else prose(group, most=60)


def run_table(summary: Summary) -> str:
    """Return the scores of an optimization."""
    return "\n\n".join(
        table(["split", *head[1:]], rows, right=range(1, len(head))) for head, *rows in score_tables(summary)
    )


def plain_scores(evaluation: Evaluation) -> str:
    """Return the scores of a session that is compared with nothing."""
    metrics = sorted({name for item in evaluation.items.values() for name in item.scores})
    graded = [
        [split, f"metric {code(name, most=60)}", _number(mean)]
        for name in metrics
        for split in SPLITS
        if (mean := evaluation.metric_mean(name, split)) is not None
    ]
    means = table(["split", "score", "mean"], graded, right=[2]) if graded else ""
    rows = [
        [split, f"{len(items):,}", f"{sum(item.passed for item in items):,}", percents(score, None)[0]]
        for split in SPLITS
        if (items := evaluation.in_split(split)) and (score := evaluation.score(split)) is not None
    ]
    tests = table(["split", "tests", "passing", "score"], rows, right=range(1, 4)) if rows else ""
    return "\n\n".join(part for part in (tests, means) if part)


def cause_parts(
    regressions: Sequence[Regression], changes: Sequence[ArtifactChange], size: Size
) -> list[str]:
    """Return a part for each cause: what differs, the changed lines of the prompt, examples; the rest
    folded.
    """
    causes = regression_causes(regressions)
    if not causes:
        return []
    several = [f"**{causes_headline(causes)}**"] if len(causes) > 1 else []
    parts = [_cause(cause, changes, size) for cause in causes[: size.causes]]
    rest = [f"- {prose(causes_headline([cause]), most=300)}" for cause in causes[size.causes :]]
    if rest:
        left = _rest(len(rest), size.rows, "cause")
        parts.append(details(f"{count(len(rest), 'more cause')}", "\n".join(rest[: size.rows]) + left))
    return [*several, *parts]


def _cause(cause: RegressionCause, changes: Sequence[ArtifactChange], size: Size) -> str:
    where = f" of {code(cause.prompt, most=200)}" if cause.prompt else ""
    decides = "" if cause.fails else " (no single case decides)"
    lines = [f"**{prose(causes_headline([cause]), most=300)}{where}{decides}**"]
    for change in changes:
        if change.address == cause.prompt:
            diff = text_diff(change.before, change.after, context=1)
            lines += [_why(change)] if change.why else []
            lines.append(fenced("\n".join(diff), "diff", lines=size.lines, chars=size.cell * 2))
    told = cause.examples(_EXAMPLES)
    names = short_names([each.nodeid for each in cause.regressions])
    named = dict(zip((each.nodeid for each in cause.regressions), names, strict=True))
    rows = [
        [code(named[each.nodeid], most=100), each.split or "", code(difference(each, most=size.cell * 2))]
        for each in told
    ]
    lines.append(table(("test", "split", "before → now"), rows))
    shown = {each.nodeid for each in told}
    others = [named[each.nodeid] for each in cause.regressions if each.nodeid not in shown]
    if others:
        lines.append(details(f"The other {count(len(others), 'test')}", _name_block(others, size)))
    said = next((each for each in told if each.explanation), None)
    if said is not None:
        title = f"What pytest says of {named[said.nodeid]}"
        lines.append(details(one_line(title, most=120), fenced(said.explanation, lines=size.lines)))
    return "\n\n".join(lines)


def _name_block(names: Sequence[str], size: Size) -> str:
    """Names, several on a line."""
    kept: list[str] = []
    room = size.cell * _NAME_LINES
    for name in names:
        room -= len(name) + 2
        if room < 0:
            break
        kept.append(one_line(name, most=200))
    return fenced(fill(", ".join(kept), 100, break_long_words=False, break_on_hyphens=False)) + _rest(
        len(names), len(kept), "test"
    )


_EXAMPLES = 5
"""Tests of a cause that are shown in the open."""

_NAME_LINES = 12

_OUTCOME = ("test", "split", "result", "before → now", "first different step")


def problem_list(problems: Sequence[GateProblem], size: Size, *, commands: bool = True) -> str:
    """Return the gate's problems other than regressions; those that fail the gate come first.

    Args:
        problems: what the gate says.
        size: bounds.
        commands: whether what to type is said with each.
    """
    ordered = sorted(problems, key=lambda problem: not problem.fails)
    lines = []
    for problem in ordered[: size.rows]:
        where = f" ({code(problem.path)})" if problem.path else ""
        command = f" To do: {code(problem.command)}" if problem.command and commands else ""
        mark, message = "❌" if problem.fails else "ℹ️", prose(problem.message.rstrip("."), most=1_000)
        lines.append(f"- {mark} {message}{where}.{command}")
    return "\n".join(lines) + _rest(len(problems), size.rows, "remark")


def effect_table(title: str, effects: Sequence[CaseEffect], size: Size, *, folded: bool) -> str:
    """One table of cases with their outputs; empty where there are none."""
    if not effects:
        return ""
    rows = [
        [
            code(effect.nodeid, most=120),
            effect.split or "",
            f"{prose(effect.result_before)} → {prose(effect.result_after)}"
            + (f", {prose(effect.scores_text)}" if effect.scores else ""),
            code(value_difference(effect.before, effect.after, most=size.cell))
            if effect.before != effect.after
            else "",
            code(effect.step, most=60),
        ]
        for effect in effects[: size.rows]
    ]
    body = table(_OUTCOME, rows) + _rest(len(effects), size.rows, "test")
    name = f"{title}: {count(len(effects), 'test')}"
    return details(name, body) if folded else f"**{name}**\n\n{body}"


def _rest(total: int, shown: int, noun: str) -> str:
    return f"\n\n… and {count(total - shown, f'more {noun}')}." if total > shown else ""


def change_parts(data: PullRequest, size: Size) -> list[str]:
    """Return a part for each change whose diff does not stand above."""
    result = data.branch or data.gate
    told = {each.prompt for each in result.regressions} if result is not None else set()
    changes = [change for change in data.changes if change.address not in told]
    if not changes:
        return []
    against = f" against {prose(data.base)}" if data.base else ""
    other = "else " if len(changes) < len(data.changes) else ""
    return [f"### What {other}changed{against}", *(_change(change, size) for change in changes)]


def effect_parts(data: PullRequest, size: Size) -> list[str]:
    """Return the cases that have another verdict or output than before."""
    told = data.branch is not None and bool(data.branch.regressions)
    parts = [
        "" if told else effect_table("Broken", data.effect.of_kind("broken"), size, folded=False),
        effect_table("Fixed", data.effect.of_kind("fixed"), size, folded=True),
        effect_table("Another output, same result", data.effect.of_kind("changed"), size, folded=True),
    ]
    shown = [part for part in parts if part]
    compared = f", compared with {prose(data.compared)}" if data.compared else ""
    return [f"### Effect per case{compared}", *shown] if shown else []


def _change(change: ArtifactChange, size: Size) -> str:
    """Return the address and why in the open; the diff folded."""
    diff = text_diff(change.before, change.after)
    added, removed = (sum(line.startswith(sign) for line in diff) for sign in "+-")
    lines = [f"**{code(change.address, most=200)}** (+{added} −{removed})"]
    if change.why:
        lines.append(_why(change))
    lines.append(details("Diff", fenced("\n".join(diff), "diff", lines=size.lines)))
    return "\n\n".join([*lines, *_effect(change, size)])


def _why(change: ArtifactChange) -> str:
    reasons = "; ".join(prose(why, most=600) for why in change.why[:5])
    origin = f" ({prose(change.origin)})" if change.origin else ""
    return f"Why: {reasons}{origin}"


def _effect(change: ArtifactChange, size: Size) -> list[str]:
    """Return a run's measurements of this one change."""
    effect = change.effect
    kinds = {
        "broken": effect.of_kind("broken"),
        "fixed": effect.of_kind("fixed"),
        "another output with the same result": effect.of_kind("changed"),
    }
    counted = ", ".join(f"{name}: {len(found):,}" for name, found in kinds.items() if found)
    if not counted:
        return []
    beside = f" (measured with {', '.join(map(code, effect.together))})" if effect.together else ""
    tables = [
        effect_table(name.capitalize(), found, size, folded=name != "broken") for name, found in kinds.items()
    ]
    return [f"Effect: {counted}{beside}", *(table for table in tables if table)]
