"""Assemble the page: the verdict in one line, the sentences below it, then the parts."""

from __future__ import annotations

from pytest_fapo.core.diagnosis import Diagnosis
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateResult
from pytest_fapo.core.spending import for_judges
from pytest_fapo.core.text import count, one_line, percent
from pytest_fapo.views.closing_summary import (
    facts,
    gained,
    headline,
    patch_command,
    result_sentence,
    stand_in,
)
from pytest_fapo.views.gate_screen import gate_headline
from pytest_fapo.views.markdown import code, details, fenced, prose, table
from pytest_fapo.views.pull_request.page_record import PullRequest
from pytest_fapo.views.pull_request.page_tables import (
    Size,
    cause_parts,
    change_parts,
    effect_parts,
    fitted,
    plain_scores,
    problem_list,
    run_table,
    score_table,
)

GOOD, BAD, UNSURE = "✅", "❌", "⚠️"


def heading(data: PullRequest) -> str:
    """Return the page's first line."""
    mark, headline = _verdict(data)
    return f"## {mark} {headline}" if mark else f"## {headline}"


def _verdict(data: PullRequest) -> tuple[str, str]:
    if data.gate is not None:
        broken = data.effect.of_kind("broken")
        given_up = len(broken) + len(data.gone) if data.branch is not None else 0
        if data.gate.verdict == "passed" and given_up:
            tests = count(given_up, "test")
            return UNSURE, f"The gate passes, but this branch's own baseline gives up {tests}"
        return _of_gate(data.gate)
    if data.kind == "optimize":
        return _of_run(data)
    if data.kind == "diagnose" and data.diagnosis is not None:
        causes = count(len(data.diagnosis.clusters), "cause")
        return "", f"Diagnosis: {_failing(data.evaluation)}" + (
            f", for {causes}" if data.diagnosis.clusters else ""
        )
    if data.kind == "update":
        if not data.written:
            return UNSURE, "The baseline was not updated"
        return "", f"Baseline updated: {_failing(data.evaluation)}"
    return "", _failing(data.evaluation).capitalize()


def _of_gate(gate: GateResult) -> tuple[str, str]:
    """Return the terminal's own words, and a mark that is told from afar."""
    headline = prose(gate_headline(gate))
    if gate.verdict == "passed":
        mark = UNSURE if gate.failures else GOOD
    else:
        mark = BAD if gate.verdict == "fell" else UNSURE
    return mark, headline[:1].upper() + headline[1:]


def _of_run(data: PullRequest) -> tuple[str, str]:
    summary = data.summary
    if summary is None:
        return UNSURE, "The run did not finish"
    if summary.writing == "nothing":
        return "", "No change was made"
    mark = BAD if summary.broken else GOOD
    changes = count(len(summary.artifacts or summary.files), "change")
    return mark, f"{changes} proven: {gained(summary)}"


def _failing(evaluation: Evaluation) -> str:
    items = [item for item in evaluation.items.values() if item.split is not None and item.counts]
    failing = sum(not item.passed for item in items)
    if not items:
        return "no test on a case was run"
    if not failing:
        return f"all {count(len(items), 'test')} on cases pass"
    return f"{failing:,} of {count(len(items), 'test')} on cases {'fails' if failing == 1 else 'fail'}"


def sentences(data: PullRequest) -> list[str]:
    """Return the paragraphs below the verdict."""
    found = []
    if data.gate is not None and data.gate.effect is not None:
        found.append(_effect_sentence(data.gate))
    if data.summary is not None:
        command = patch_command(data.summary)
        found.append(
            prose(headline(data.summary), most=600)
            if not command
            else _with_command(headline(data.summary), command)
        )
        found += [prose(text) for text in (result_sentence(data.summary), stand_in(data.summary)) if text]
    return found + [f"_{prose(note)}_" for note in data.notes]


def _with_command(sentence: str, command: str) -> str:
    return f"{prose(sentence, most=600)} {code(command)}"


def _gate_figures(gate: GateResult) -> str:
    figures = (
        ("fixed", gate.fixed),
        ("still failing", gate.still_failing),
        ("new cases", gate.new_cases),
        ("another output with the same result", gate.changed_outputs),
    )
    counted = ", ".join(f"{label}: {len(names):,}" for label, names in figures if names)
    return f"Policy `{gate.policy}`." + (f" {counted.capitalize()}." if counted else "")


def _effect_sentence(gate: GateResult) -> str:
    assert gate.effect is not None
    text = f"Paired difference {gate.effect * 100:+.1f} points"
    if gate.interval is not None:
        low, high = gate.interval
        text += f" (95 % interval {low * 100:+.1f} to {high * 100:+.1f})"
    if gate.p_value is not None:
        text += f", p = {gate.p_value:.3g} of the hypothesis that nothing fell"
    return text + "."


def run_facts(data: PullRequest) -> list[str]:
    """Return the rest of a run's closing summary, as a list."""
    if data.summary is None:
        return []
    return [f"- **{label or '…'}** {prose(text, most=1_000)}" for label, text in facts(data.summary)]


def spent(evaluation: Evaluation) -> str:
    """Return the cost of this session's LLM calls, for the last line."""
    spending = evaluation.spending
    if not spending.calls and not spending.cache_hits:
        return ""
    share = spending.cache_hits / (spending.calls + spending.cache_hits)
    return (
        f"LLM calls: {spending.calls:,} sent{for_judges(spending.test_calls)}, {spending.cache_hits:,} "
        f"({percent(share)}) from recordings{for_judges(spending.test_cache_hits)}."
    )


def pull_request_markdown(data: PullRequest, *, limit: int) -> str:
    """Return the page as Markdown: the verdict first, what is long folded, what does not fit cut where it is
    said.

    Args:
        data: what to say; texts in it may be hostile.
        limit: bytes of UTF-8 that the page may have.
    """
    return fitted(lambda size: _blocks(data, size), limit)


def _blocks(data: PullRequest, size: Size) -> list[str]:
    blocks = [heading(data), *sentences(data)]
    gate = data.gate
    if gate is not None:
        blocks += cause_parts(gate.regressions, data.changes, size)
        blocks.append(problem_list(gate.problems, size, commands=gate.verdict != "fell"))
        if not gate.partial:  # else a case that could not be asked would count as failing
            blocks.append(score_table(gate.scores, size))
        blocks.append(_gate_figures(gate))
    elif data.summary is not None:
        blocks.append(run_table(data.summary))
    elif data.branch is None:
        blocks.append(plain_scores(data.evaluation))
    if data.branch is not None:
        blocks += _branch(data.branch, data, size)
    blocks += change_parts(data, size)
    blocks += effect_parts(data, size)
    if data.diagnosis is not None:
        blocks += _causes(data.diagnosis, size)
    blocks += _run(data, size)
    blocks += [_to_accept(gate), _last_line(data)]
    return blocks


def _to_accept(gate: GateResult | None) -> str:
    """Return how a fall is accepted on purpose."""
    if gate is None or gate.verdict != "fell":
        return ""
    commands = dict.fromkeys(each.command for each in gate.problems if each.command)
    update = ", ".join(map(code, commands)) or code("pytest --fapo-update-baseline")
    return f"To accept these results on purpose: {update}, then commit what it writes."


def _branch(branch: GateResult, data: PullRequest, size: Size) -> list[str]:
    """Return scores compared with an earlier baseline; where the branch brings its own, what that gives
    up.
    """
    before = f"Before: {prose(data.compared)}."
    told = cause_parts(branch.regressions, data.changes, size)
    if data.gate is not None:
        title = f"### The baseline changes with this branch: compared with {prose(data.compared)}"
        return [title, *told, score_table(branch.scores, size), _removed_tests(data, size)]
    return [*told, score_table(branch.scores, size), before, _removed_tests(data, size)]


def _removed_tests(data: PullRequest, size: Size) -> str:
    if not data.gone:
        return ""
    names = "\n".join(data.gone)
    tests = count(len(data.gone), "test")
    return details(f"In {data.compared} and not any more: {tests}", fenced(names, lines=size.lines))


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
    header = ["cause", "step", "category", "level", "cases", "at most"]
    return ["### Why cases fail", table(header, rows, right=(4, 5))]


def _run(data: PullRequest, size: Size) -> list[str]:
    if data.summary is None:
        return []
    parts = ["\n".join(run_facts(data))]
    for title, text in data.summary.sections:  # of the project's own plugins, which write Markdown
        parts += [f"### {prose(one_line(title))}", text]
    if data.summary.candidates:
        tried = fenced("\n".join(data.summary.candidates), lines=2 * size.lines)
        parts.append(details("What was tried", tried))
    return parts


def _last_line(data: PullRequest) -> str:
    report = f"HTML report: {code(data.report)}." if data.report else ""
    calls = "" if data.summary is not None else spent(data.evaluation)  # a run's own facts have them
    found = " ".join(filter(None, [calls, report]))
    return f"<sub>{found}</sub>" if found else ""
