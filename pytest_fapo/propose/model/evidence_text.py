"""The evidence as text for an optimizer: bounded, and the same bytes for the same evidence.

Artifacts come first, then the cases with their steps, then the memory of earlier attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pytest_fapo.answers.prompts import (
    block_quote,
    fence_for,
    fenced,
    one_prompt_line,
    shorten_middle,
    value_line,
)
from pytest_fapo.core.candidate import Artifact, Attempt, Candidate, Edit, Review
from pytest_fapo.core.evidence import Evidence, Repair
from pytest_fapo.core.text import count, line_diff, percent, score_text
from pytest_fapo.core.trace import Step, Trace
from pytest_fapo.propose.model.case_selection import CaseGroup, failing_groups, groups_of, passing_groups

_VALUE_CHARS = 400


def render_artifacts(evidence: Evidence, limit: int) -> str:
    """Return the artifacts that may be edited: the failing step's in full, the rest up to `limit` characters.

    Args:
        evidence: its artifacts are those of its level and of the levels below.
        limit: characters of texts and sources, each.
    """
    texts = [artifact for artifact in evidence.artifacts if artifact.kind in ("file", "constant")]
    params = [artifact for artifact in evidence.artifacts if artifact.kind == "param"]
    functions = [artifact for artifact in evidence.artifacts if artifact.kind == "function"]
    sources = evidence.sources if functions else {}
    mark = fence_for([*(artifact.text for artifact in evidence.artifacts), *sources.values()])
    parts = _texts(texts, evidence, limit, mark)
    if params:
        parts.append(_params(params, evidence))
    if functions:
        parts += _functions(functions, evidence, limit, mark)
    if evidence.creatable:
        patterns = ", ".join(one_prompt_line(pattern) for pattern in evidence.creatable)
        parts.append(f"New prompt files may be created, with an address that fits one of: {patterns}")
    return "\n\n".join(parts) or "(none)"


def linked(evidence: Evidence) -> list[str]:
    """Return the addresses that the failing steps were seen to use, most specific first."""
    clusters = [evidence.cluster, *evidence.together]
    return list(dict.fromkeys(address for cluster in clusters for address in cluster.artifacts))


def _ranked(artifacts: Iterable[Artifact], evidence: Evidence) -> list[tuple[Artifact, bool]]:
    """Artifacts, those of the failing steps first, with whether they are theirs."""
    order = {address: number for number, address in enumerate(linked(evidence))}
    ranked = sorted(artifacts, key=lambda one: (order.get(one.address, len(order)), one.address))
    return [(artifact, artifact.address in order) for artifact in ranked]


def _texts(artifacts: Sequence[Artifact], evidence: Evidence, limit: int, mark: str) -> list[str]:
    parts, rest, _ = _shown_texts(_ranked(artifacts, evidence), limit, mark)
    if rest:
        parts.append("Not shown for lack of space, do not edit: " + ", ".join(rest))
    return parts


def _shown_texts(
    artifacts: Iterable[tuple[Artifact, bool]], limit: int, mark: str
) -> tuple[list[str], list[str], int]:
    """Return the texts that fit or are used, the addresses of the others, and the characters that are
    left.
    """
    parts, rest = [], []
    for artifact, used in artifacts:
        if used or len(artifact.text) <= limit:
            limit -= len(artifact.text)
            parts.append(fenced(mark, one_prompt_line(artifact.address), artifact.text))
        else:
            rest.append(one_prompt_line(artifact.address))
    return parts, rest, limit


def _params(artifacts: Sequence[Artifact], evidence: Evidence) -> str:
    lines = ["Parameters (address = value):"]
    for artifact, used in _ranked(artifacts, evidence):
        domain = f"; allowed: {one_prompt_line(str(artifact.domain))}" if artifact.domain is not None else ""
        use = "; used by the failing step" if used else ""
        lines.append(
            f"- {one_prompt_line(artifact.address)} = "
            f"{one_prompt_line(artifact.text, _VALUE_CHARS)}{domain}{use}"
        )
    return "\n".join(lines)


def _functions(artifacts: Sequence[Artifact], evidence: Evidence, limit: int, mark: str) -> list[str]:
    """Return each file once, where it fits; else its functions as far as they do."""
    ranked = _ranked(artifacts, evidence)
    parts, rest = [], []
    for path in dict.fromkeys(artifact.path for artifact, _ in ranked):
        mine = [(artifact, used) for artifact, used in ranked if artifact.path == path]
        source = evidence.sources.get(path, "")
        if source and len(source) <= limit:
            limit -= len(source)
            addresses = ", ".join(one_prompt_line(artifact.address) for artifact, _ in mine)
            parts.append(f"{fenced(mark, path, source)}\nFunctions there that may be edited: {addresses}")
            continue
        texts, unshown, limit = _shown_texts(mine, limit, mark)
        parts += texts
        rest += unshown
    if rest:
        parts.append("Functions not shown for lack of space, do not edit: " + ", ".join(rest))
    own = {artifact.path for artifact, _ in ranked}
    for path, source in evidence.sources.items():
        if path not in own and len(source) <= limit:
            limit -= len(source)
            parts.append(f"For reading only:\n{fenced(mark, path, source)}")
    return parts


def render_together(evidence: Evidence) -> str:
    """Return the other steps that fail in the same cases, and what each should have given."""
    parts = []
    for cluster in evidence.together:
        lines = [
            f"Also at fault in the same cases: step {one_prompt_line(cluster.step)} ({cluster.category})"
        ]
        if cluster.suggested_fix:
            lines.append(f"What the diagnosis suggests there: {one_prompt_line(cluster.suggested_fix)}")
        shown = [
            f"- it gave {value_line(finding.actual, _VALUE_CHARS)}, "
            f"right is {value_line(finding.expected, _VALUE_CHARS)}"
            for finding in cluster.findings
            if finding.expected is not None
        ]
        parts.append("\n".join([*lines, *list(dict.fromkeys(shown))[:6]]))
    return "\n".join(parts)


MOST_FAILING = 12

MOST_PASSING = 4

MOST_ATTEMPTS = 8

MOST_OCCURRENCES = 3

MOST_TOOLS = 6

MOST_LINES = 8

_Entry = TypeVar("_Entry")

_ROOMY, _TIGHT = 1_500, 300  # characters of one value: as a rule, and where a case would not fit otherwise


def render_cluster(evidence: Evidence) -> str:
    """Return what fails, in which step, how often, and the diagnosis of it."""
    cluster = evidence.cluster
    what = "failing or low-scored" if evidence.objectives else "failing"
    lines = [
        f"Diagnosis: {one_prompt_line(cluster.label)} ({len(failing_groups(evidence))} {what} training cases)"
    ]
    if evidence.objectives:
        names = ", ".join(map(one_prompt_line, evidence.objectives))
        lines.append(
            f"What is to get better: the graded score {names}, case by case. A case counts as failing below "
            f"where its score is low; the test's words say why."
        )
    if cluster.step:
        lines.append(f"Step that goes wrong: {one_prompt_line(cluster.step)}")
    field = f", in the field {one_prompt_line(cluster.field)!r}" if cluster.field else ""
    lines.append(f"Kind of failure: {cluster.category}{field}")
    if cluster.suggested_fix:
        lines.append(f"What the diagnosis suggests: {one_prompt_line(cluster.suggested_fix)}")
    findings = [finding for group in failing_groups(evidence) for finding in group.findings]
    seen = dict.fromkeys(finding.evidence for finding in findings if finding.evidence)
    if seen:
        lines.append("What the traces show:")
        lines += [block_quote(sentence, _TIGHT) for sentence in list(seen)[:3]]
    if evidence.together:
        lines.append(render_together(evidence))
    return "\n".join(lines)


def render_cases(evidence: Evidence, limit: int) -> str:
    """Failing cases of every confusion, then passing ones for contrast, within `limit` characters."""
    failing = failing_groups(evidence)
    steps = _steps_shown(evidence)
    shown = _fit(
        failing[:MOST_FAILING], limit * 3 // 4, lambda group, size: _case(group, steps, size, "fails")
    )
    left = limit - sum(map(len, shown))
    contrast = passing_groups(evidence)[:MOST_PASSING]
    passing = _fit(
        contrast, left, lambda group, size: _case(group, steps, size, "passes, and must go on passing")
    )
    parts = [f"## Case {number} {text}" for number, text in enumerate([*shown, *passing], start=1)]
    if len(failing) > len(shown):
        parts.append(f"({len(failing) - len(shown)} more failing cases are not shown.)")
    return "\n\n".join(parts) or "(none)"


def render_memory(memory: Sequence[Attempt], limit: int) -> str:
    """Earlier edits, the latest last, with what came of them; the oldest go where space ends.

    Attempts without an edit (a proposer that failed) teach nothing and are left out: the question stays the
    same, and so does its recorded answer.
    """
    edited = [attempt for attempt in memory if attempt.candidate.edits]
    latest = edited[-MOST_ATTEMPTS:][::-1]
    shown = _fit(latest, limit, _attempt)
    parts = [f"## Attempt {number}\n{text}" for number, text in enumerate(reversed(shown), start=1)]
    return "\n\n".join(parts) or "(none yet)"


def render_candidate(candidate: Candidate) -> str:
    """Return a blocked proposal, as its author gave it."""
    mark = fence_for([edit.after for edit in candidate.edits])
    edits = [fenced(mark, one_prompt_line(edit.address), edit.after) for edit in candidate.edits]
    return "\n\n".join([f"Hypothesis: {one_prompt_line(candidate.hypothesis)}", *edits])


def render_problems(review: Review, candidate: Candidate) -> str:
    """Return the objections, the blocking ones marked, each with the lines of the proposal that it is
    about.
    """
    texts = {edit.address: edit.after.split("\n") for edit in candidate.edits}
    lines = []
    for problem in review.problems:
        address = f" ({one_prompt_line(problem.address)})" if problem.address else ""
        verdict = "blocked" if problem.blocks else "warning"
        lines.append(f"- {verdict}, {problem.check}{address}: {one_prompt_line(problem.message)}")
        own = texts.get(problem.address, [])
        lines += [
            f"  Line {number} of your text: {one_prompt_line(own[number - 1], _TIGHT)}"
            for number in problem.lines[:MOST_LINES]
            if number <= len(own)
        ]
    return "\n".join(lines)


def _fit(entries: Sequence[_Entry], limit: int, render: Callable[[_Entry, int], str]) -> list[str]:
    """As many as `limit` characters hold, in order; the first is shown in any case."""
    shown: list[str] = []
    left = limit
    for entry in entries:
        text = render(entry, _ROOMY)
        if len(text) > left:
            text = render(entry, _TIGHT)
        if len(text) > left and shown:
            break
        shown.append(shorten_middle(text, limit))
        left -= len(text)
    return shown


def render_repair(repair: Repair, evidence: Evidence, limit: int) -> str:
    """Return what a winning candidate broke: train cases in full, of the other splits a count and a bit."""
    steps = _steps_shown(evidence)
    groups = groups_of(repair.broken)[:MOST_FAILING]
    shown = _fit(
        groups, limit, lambda group, size: _case(group, steps, size, "passed, and fails with the proposal")
    )
    parts = [f"## Broken case {number} {text}" for number, text in enumerate(shown, start=1)]
    if repair.broken_val:
        parts.append(f"It also breaks {count(repair.broken_val, 'case')} that you do not see.")
    if repair.broken_holdout:
        parts.append("It also breaks held-out cases that you do not see.")
    return "\n\n".join(parts) or "(nothing that can be shown)"


def _steps_shown(evidence: Evidence) -> list[str]:
    """Return names of the steps whose inputs and outputs are shown; all where functions may be rewired."""
    own = [evidence.cluster.step, *(cluster.step for cluster in evidence.together), *evidence.cluster.also]
    if evidence.level == "structure":
        traces = [item.trace for item in evidence.cases if item.trace is not None]
        own += [step.name for trace in traces for step in trace.steps]
    return list(dict.fromkeys(own))


def _case(group: CaseGroup, steps: Sequence[str], size: int, verdict: str) -> str:
    lines = [f"({verdict})", f"inputs: {value_line(group.case.inputs, size)}"]
    lines.append(f"expected: {value_line(group.case.expected, size)}")
    trace = next((item.trace for item in group.items if item.trace is not None), None)
    if trace is not None:
        for step in steps:
            lines += _step(trace, group, step, size)
        lines.append(f"final output: {value_line(trace.output, size)}")
        if trace.error:
            lines.append(f"the pipeline raised: {value_line(trace.error, size)}")
    for finding in group.findings:
        field = f" in field {finding.field!r}" if finding.field else ""
        if finding.expected is not None or finding.actual is not None:
            lines.append(
                f"wrong{field}: {value_line(finding.actual, size)} "
                f"instead of {value_line(finding.expected, size)}"
            )
    for item in group.items:
        if item.explanation and not item.passed:
            lines += ["the test says:", block_quote(item.explanation, size)]
        for remark in item.feedback:
            lines += ["feedback:", block_quote(remark, size)]
        if item.scores:
            scores = ", ".join(
                f"{one_prompt_line(name)} {score_text(value)}" for name, value in item.scores.items()
            )
            lines.append(f"scores: {scores}")
    return "\n".join(lines)


def _step(trace: Trace, group: CaseGroup, name: str, size: int) -> list[str]:
    lines: list[str] = []
    named = [step for step in trace.steps if step.name == name]
    for step in named[:MOST_OCCURRENCES]:
        lines.append(f"step {step.key} received: {value_line(step.inputs, size)}")
        lines.append(f"step {step.key} gave: {value_line(step.output, size)}")
        lines += _tools(trace, step, size)
        lines += _answers(trace, step, size)
        if step.error:
            lines.append(f"step {step.key} raised: {value_line(step.error, size)}")
        if step.key in group.case.expected_steps:
            lines.append(
                f"step {step.key} should give: {value_line(group.case.expected_steps[step.key], size)}"
            )
    return lines


def _tools(trace: Trace, step: Step, size: int) -> list[str]:
    """Return the tools that the model called there, and what it was told."""
    lines = []
    for use in trace.tools(step)[:MOST_TOOLS]:
        failed = f" (failed: {use.error})" if use.error else ""
        given, result = value_line(use.arguments, size // 2), value_line(use.result, size // 2)
        lines.append(f"tool {one_prompt_line(use.name)} was called with {given} and gave {result}{failed}")
    return lines


def _answers(trace: Trace, step: Step, size: int) -> list[str]:
    """Return the model's answers that differ from what the step made of them, and why they ended early."""
    lines = []
    for call in trace.calls_of(step):
        if call.answer is not None and call.answer != step.output:
            lines.append(f"model's answer there: {value_line(call.answer, size)}")
        if call.finish_reason not in (None, "stop", "end_turn"):
            lines.append(f"finish reason: {call.finish_reason}")
    return lines


def _attempt(attempt: Attempt, size: int) -> str:
    candidate, verdict = attempt.candidate, attempt.verdict
    state = "accepted" if verdict.accepted else "rejected"
    lines = [
        f"{state}: {one_prompt_line(verdict.reason)}",
        f"hypothesis: {one_prompt_line(candidate.hypothesis)}",
        f"technique: {one_prompt_line(candidate.technique)}",
    ]
    for split in ("train", "val"):
        change = verdict.splits.get(split)
        if change is not None and change.before is not None and change.after is not None:
            before, after = (percent(score, decimals=1) for score in (change.before, change.after))
            lines.append(f"{split}: {before} before, {after} after")
    lines += [str(change) for change in verdict.metrics if change.split != "holdout"]
    if verdict.fixed or verdict.broken:
        lines.append(f"{len(verdict.fixed)} failing tests fixed, {len(verdict.broken)} passing tests broken")
    lines += [
        f"review, {problem.check}: {one_prompt_line(problem.message)}" for problem in attempt.review.problems
    ]
    for edit in candidate.edits:
        lines += [
            f"change of {one_prompt_line(edit.address)}:",
            block_quote(_diff(edit), size),
        ]
    if attempt.replaced:
        lines.append("This is a revision of what the review blocked; do not propose that again:")
        lines += [
            f"review, {problem.check}: {one_prompt_line(problem.message)}" for problem in attempt.objections
        ]
    for edit in attempt.replaced:
        lines += [
            f"blocked change of {one_prompt_line(edit.address)}:",
            block_quote(_diff(edit), size),
        ]
    return "\n".join(lines)


def _diff(edit: Edit) -> str:
    return "\n".join(line_diff(edit.before.splitlines(), edit.after.splitlines(), context=1))
