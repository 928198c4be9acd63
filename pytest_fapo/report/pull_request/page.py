"""The page put together."""

from __future__ import annotations

from pytest_fapo.models import Diagnosis, GateResult
from pytest_fapo.percents import percent
from pytest_fapo.report.markdown import code, details, fenced, prose, table
from pytest_fapo.report.pull_request.changes import change_parts, effect_parts
from pytest_fapo.report.pull_request.headline import heading, run_facts, sentences, spent
from pytest_fapo.report.pull_request.record import PullRequest
from pytest_fapo.report.pull_request.size import Size, fitted
from pytest_fapo.report.pull_request.tables import (
    plain_scores,
    problem_list,
    regression_parts,
    run_table,
    score_table,
)
from pytest_fapo.report.words import count, one_line


def pull_request_markdown(data: PullRequest, *, limit: int) -> str:
    """The page as Markdown: the verdict first, what is long folded, what does not fit cut where it is said.

    Args:
        data: what to say; texts in it may be hostile.
        limit: bytes of UTF-8 that the page may have.
    """
    return fitted(lambda size: _blocks(data, size), limit)


def _blocks(data: PullRequest, size: Size) -> list[str]:
    blocks = [heading(data), *sentences(data)]
    if data.gate is not None:
        blocks.append(problem_list(data.gate.problems, size))
        if not data.gate.partial:  # else a case that could not be asked would count as failing
            blocks.append(score_table(data.gate.scores, size))
        blocks += regression_parts(data.gate, size)
    elif data.summary is not None:
        blocks.append(run_table(data.summary.splits))
    elif data.branch is None:
        blocks.append(plain_scores(data.evaluation))
    if data.branch is not None:
        blocks += _branch(data.branch, data, size)
    blocks += change_parts(data, size)
    blocks += effect_parts(data, size)
    if data.diagnosis is not None:
        blocks += _causes(data.diagnosis, size)
    blocks += _run(data, size)
    blocks.append(_last_line(data))
    return blocks


def _branch(branch: GateResult, data: PullRequest, size: Size) -> list[str]:
    """Scores compared with an earlier baseline; where the branch brings its own, what that gives up."""
    before = f"Before: {prose(data.compared)}."
    if data.gate is not None:
        title = f"### The baseline changes with this branch: compared with {prose(data.compared)}"
        return [title, score_table(branch.scores, size), _gone(data, size)]
    return [score_table(branch.scores, size), before, _gone(data, size)]


def _gone(data: PullRequest, size: Size) -> str:
    if not data.gone:
        return ""
    names = "\n".join(data.gone)
    tests = count(len(data.gone), "test")
    return details(f"In {data.compared} and not any more: {tests}", fenced(names, lines=size.rows))


def _causes(diagnosis: Diagnosis, size: Size) -> list[str]:
    if not diagnosis.clusters:
        return []
    rows = [
        [
            prose(cluster.label, most=200),
            code(cluster.step, most=60) or "unknown",
            cluster.category,
            cluster.level,
            f"{len(cluster.case_ids):,}",
            percent(cluster.ceiling),
        ]
        for cluster in diagnosis.clusters[: size.rows]
    ]
    header = ["cause", "step", "category", "level", "cases", "ceiling"]
    return ["### Why cases fail", table(header, rows, right=(4, 5))]


def _run(data: PullRequest, size: Size) -> list[str]:
    if data.summary is None:
        return []
    parts = ["\n".join(run_facts(data))]
    for title, text in data.summary.sections:  # of the project's own plugins, which write Markdown
        parts += [f"### {prose(one_line(title))}", text]
    if data.summary.candidates:
        tried = fenced("\n".join(data.summary.candidates), lines=size.rows)
        parts.append(details("What was tried", tried))
    return parts


def _last_line(data: PullRequest) -> str:
    report = f"HTML report: {code(data.report)}." if data.report else ""
    calls = "" if data.summary is not None else spent(data.evaluation)  # a run's own facts have them
    found = " ".join(filter(None, [calls, report]))
    return f"<sub>{found}</sub>" if found else ""
