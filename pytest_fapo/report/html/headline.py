"""What the report says first."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from pytest_fapo.models import Evaluation, GateResult
from pytest_fapo.report.html.data import ReportData
from pytest_fapo.report.sentences import facts, headline, patch_command, result, stand_in
from pytest_fapo.report.summary import Summary
from pytest_fapo.report.words import by_tests, cost, count, duration, tokens

KINDS = {
    "optimize": "Optimization",
    "gate": "Merge gate",
    "plain": "Test run",
    "diagnose": "Diagnosis",
}


_BESIDE = {
    "test": "A test without a case fails.",
    "stale-snapshot": "A committed snapshot is out of date.",
    "stale-baseline": "The committed baseline is out of date.",
}


@dataclass
class Headline:
    """The top of the page."""

    mark: str
    """`good`, `bad`, `unsure` or `plain`: colour and sign."""
    title: str
    sentences: list[str] = field(default_factory=list)
    command: str = ""
    """What can be typed now."""
    facts: list[tuple[str, str]] = field(default_factory=list)
    when: str = ""


def headline_of(data: ReportData) -> Headline:
    """The verdict in a few words, the sentences below it, and the figures of the session."""
    if data.gate is not None:
        found = _of_gate(data.gate)
    elif data.summary is not None:
        found = _of_run(data.summary)
    elif data.kind == "optimize":
        found = Headline("unsure", "The run did not come to its end")
    else:
        found = _of_tests(data)
    last = data.after if data.after is not None else data.before
    if data.summary is None and last is not None:
        found.facts = [*found.facts, *_spent(last)]
    if data.began is not None:
        found.when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(data.began))
    return found


def _of_gate(gate: GateResult) -> Headline:
    if gate.verdict == "passed":
        found = Headline("good", "Accuracy holds")
    elif gate.verdict == "undecided" and {problem.kind for problem in gate.failures} <= _BESIDE.keys():
        found = Headline("unsure", "Accuracy holds, but the gate does not pass")
    elif gate.verdict == "undecided":
        found = Headline("unsure", "Accuracy could not be judged")
    else:
        found = Headline("bad", "Accuracy fell")
    found.sentences += [_BESIDE[kind] for kind in _BESIDE if kind in {each.kind for each in gate.failures}]
    lost = sum(regression.fails for regression in gate.regressions)
    if lost:
        verb = "passes" if lost == 1 else "pass"
        found.sentences.append(
            f"{count(lost, 'test')} on cases that passed in the baseline no longer {verb}."
        )
    if gate.policy == "paired" and gate.effect is not None:
        found.sentences.append(_paired(gate, gate.effect))
    found.facts = [
        ("Policy", gate.policy),
        ("Baseline", gate.baseline),
        ("Fixed", f"{len(gate.fixed):,}"),
        ("Still failing", f"{len(gate.still_failing):,}"),
        ("New cases", f"{len(gate.new_cases):,}"),
        ("Other output", f"{len(gate.changed_outputs):,}"),
    ]
    found.facts = [(label, text) for label, text in found.facts if text not in ("", "0")]
    return found


def _paired(gate: GateResult, effect: float) -> str:
    low, high = gate.interval or (None, None)
    bounds = "" if low is None or high is None else f" (95 % interval {100 * low:+.1f} to {100 * high:+.1f})"
    chance = "" if gate.p_value is None else f", p = {gate.p_value:.3g}"
    return f"Paired difference {100 * effect:+.1f} points{bounds}{chance}."


def _of_run(summary: Summary) -> Headline:
    if summary.writing == "nothing":
        found = Headline("plain", "No change was made")
    else:
        changes = count(len(summary.artifacts or summary.files), "change")
        found = Headline("good", f"{changes} proven, {count(summary.fixed, 'test')} fixed")
        if summary.broken:
            found = Headline("bad", f"{changes}, {count(summary.broken, 'test')} broken")
    found.sentences = [text for text in (headline(summary), result(summary), stand_in(summary)) if text]
    found.command = patch_command(summary)
    found.facts = facts(summary)
    return found


def _of_tests(data: ReportData) -> Headline:
    last = data.after if data.after is not None else data.before
    items = [item for item in last.items.values() if item.counts] if last is not None else []
    failing = sum(not item.passed for item in items)
    if not items:
        return Headline("unsure", "No test has run")
    if not failing:
        return Headline("good", f"All {len(items):,} tests pass" if len(items) > 1 else "The test passes")
    verb = "fails" if failing == 1 else "fail"
    found = Headline("plain", f"{failing:,} of {count(len(items), 'test')} {verb}")
    if last is not None and not last.complete:
        found.sentences.append(f"The run stopped early: {last.stopped or 'not every test has a result'}.")
    return found


def _spent(evaluation: Evaluation) -> list[tuple[str, str]]:
    spending = evaluation.spending
    if not spending.calls and not spending.cache_hits:
        return []
    free = any(call.offline for trace in evaluation.traces.values() for call in trace.llm_calls)
    rows = [
        (
            "LLM calls",
            f"{spending.calls:,} sent{by_tests(spending.test_calls)}, "
            f"{spending.cache_hits:,} answered from the cache{by_tests(spending.test_cache_hits)}",
        ),
        ("Tokens", tokens(spending) if spending.calls else ""),
        ("Cost", "nothing: an offline stand-in answered" if free and not spending.cost else cost(spending)),
        ("Time", duration(evaluation.duration) if evaluation.duration else ""),
    ]
    return [(label, text) for label, text in rows if text]
