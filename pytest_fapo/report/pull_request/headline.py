"""The verdict in one line, and the sentences below it."""

from __future__ import annotations

from pytest_fapo.models import Evaluation, GateResult
from pytest_fapo.percents import percent
from pytest_fapo.report.markdown import code, prose
from pytest_fapo.report.merge_gate import gate_headline
from pytest_fapo.report.pull_request.record import PullRequest
from pytest_fapo.report.sentences import facts, headline, patch_command, result, stand_in
from pytest_fapo.report.words import by_tests, count

GOOD, BAD, UNSURE = "✅", "❌", "⚠️"


def heading(data: PullRequest) -> str:
    """The page's first line."""
    mark, words = _verdict(data)
    return f"## {mark} {words}" if mark else f"## {words}"


def _verdict(data: PullRequest) -> tuple[str, str]:
    if data.gate is not None:
        given_up = len(data.broken) + len(data.gone) if data.branch is not None else 0
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
    """The terminal's own words, and a mark that is told from afar."""
    words = prose(gate_headline(gate))
    if gate.verdict == "passed":
        mark = UNSURE if gate.failures else GOOD
    else:
        mark = BAD if gate.verdict == "fell" else UNSURE
    return mark, words[:1].upper() + words[1:]


def _of_run(data: PullRequest) -> tuple[str, str]:
    summary = data.summary
    if summary is None:
        return UNSURE, "The run did not come to its end"
    if summary.writing == "nothing":
        return "", "No change was made"
    mark = BAD if summary.broken else GOOD
    changes = count(len(summary.artifacts or summary.files), "change")
    return mark, f"{changes} proven: {count(summary.fixed, 'test')} fixed"


def _failing(evaluation: Evaluation) -> str:
    items = [item for item in evaluation.items.values() if item.split is not None and item.counts]
    failing = sum(not item.passed for item in items)
    if not items:
        return "no test on a case was run"
    if not failing:
        return f"all {count(len(items), 'test')} on cases pass"
    return f"{failing:,} of {count(len(items), 'test')} on cases {'fails' if failing == 1 else 'fail'}"


def sentences(data: PullRequest) -> list[str]:
    """What stands below the verdict, a paragraph each."""
    found = _gate_sentences(data.gate) if data.gate is not None else []
    if data.summary is not None:
        command = patch_command(data.summary)
        found.append(
            prose(headline(data.summary), most=600) if not command else _with(headline(data.summary), command)
        )
        found += [prose(text) for text in (result(data.summary), stand_in(data.summary)) if text]
    return found + [f"_{prose(note)}_" for note in data.notes]


def _with(sentence: str, command: str) -> str:
    return f"{prose(sentence, most=600)} {code(command)}"


def _gate_sentences(gate: GateResult) -> list[str]:
    figures = (
        ("fixed", gate.fixed),
        ("still failing", gate.still_failing),
        ("new cases", gate.new_cases),
        ("another output with the same result", gate.changed_outputs),
    )
    counted = ", ".join(f"{label}: {len(names):,}" for label, names in figures if names)
    lines = [f"Policy `{gate.policy}`." + (f" {counted.capitalize()}." if counted else "")]
    if gate.effect is not None:
        lines.append(_effect(gate))
    return lines


def _effect(gate: GateResult) -> str:
    assert gate.effect is not None
    text = f"Paired difference {gate.effect * 100:+.1f} points"
    if gate.interval is not None:
        low, high = gate.interval
        text += f" (95 % interval {low * 100:+.1f} to {high * 100:+.1f})"
    if gate.p_value is not None:
        text += f", p = {gate.p_value:.3g} of the hypothesis that nothing fell"
    return text + "."


def run_facts(data: PullRequest) -> list[str]:
    """The rest of a run's closing summary, as a list."""
    if data.summary is None:
        return []
    return [f"- **{label or '…'}** {prose(text, most=1_000)}" for label, text in facts(data.summary)]


def spent(evaluation: Evaluation) -> str:
    """What this session's LLM calls came to, for the last line."""
    spending = evaluation.spending
    if not spending.calls and not spending.cache_hits:
        return ""
    share = spending.cache_hits / (spending.calls + spending.cache_hits)
    return (
        f"LLM calls: {spending.calls:,} sent{by_tests(spending.test_calls)}, {spending.cache_hits:,} "
        f"({percent(share)}) from recordings{by_tests(spending.test_cache_hits)}."
    )
