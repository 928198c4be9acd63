"""What a session has to say about single lines of the repository."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pytest_fapo.models import Evaluation, GateProblem, GateResult, Regression
from pytest_fapo.percents import percents
from pytest_fapo.report.annotations import Annotation, AnnotationLevel
from pytest_fapo.report.words import one_line

if TYPE_CHECKING:
    from pytest_fapo.publishing.places import Places
    from pytest_fapo.report import Summary
    from pytest_fapo.report.pull_request import ArtifactChange

_CHARS = 200


def gate_remarks(
    gate: GateResult, evaluation: Evaluation, changes: Iterable[ArtifactChange], places: Places
) -> list[Annotation]:
    """Regressions on the changed prompt, where one is known to matter, or on the case; then problems and new
    cases.

    Args:
        gate: the gate's answer.
        evaluation: what it judged.
        changes: changed artifacts, which give the line.
        places: turns addresses and origins into paths and lines.
    """
    lines = {change.address: change.line for change in changes}
    found = [_regression(each, lines, places) for each in gate.regressions]
    found += [_problem(each, places) for each in gate.problems if each.kind != "new-cases"]
    found += _new_cases(gate, evaluation, places)
    return sorted(found, key=lambda each: ("error", "warning", "notice").index(each.level))


def lowering_remarks(
    branch: GateResult, changes: Iterable[ArtifactChange], places: Places
) -> list[Annotation]:
    """What the branch's own baseline gives up of its base's: let through, and not unseen.

    Args:
        branch: this session's tests compared with the base's baseline.
        changes: changed artifacts, which give the line.
        places: turns addresses and origins into paths and lines.
    """
    lines = {change.address: change.line for change in changes}
    found = [_regression(each, lines, places) for each in branch.regressions]
    title = "This branch's baseline gives this case up"
    return [
        each.model_copy(update={"level": "warning", "check": "lower-baseline", "title": title})
        for each in found
    ]


def failing_remarks(evaluation: Evaluation, places: Places) -> list[Annotation]:
    """The tests that fail, of a session that is compared with nothing."""
    return [
        _on_case(evaluation, nodeid, places, level="error", check="failing", title="Fails", message=message)
        for nodeid, item in evaluation.items.items()
        if item.counts and not item.passed
        for message in [f"{nodeid}\n{item.explanation}".strip()]
    ]


def run_remarks(summary: Summary, changes: Iterable[ArtifactChange], places: Places) -> list[Annotation]:
    """The proven changes of an optimization, each on its artifact."""
    scores = []
    for row in summary.splits:
        before, after = percents(row.before, row.after)
        scores.append(f"{row.split} {before} → {after}")
    found = []
    for change in changes:
        path, line = places.of_artifact(change.address)
        message = "\n".join([*change.why, ", ".join(scores), *([summary.patch] if summary.patch else [])])
        title = f"Proven change of {change.address}"
        found.append(
            Annotation(
                level="notice",
                check="proven-change",
                title=title,
                message=message,
                path=path,
                line=line,
                key=change.address,
            )
        )
    return found


def _regression(regression: Regression, lines: dict[str, int], places: Places) -> Annotation:
    path, line = places.of_artifact(regression.prompt) if regression.prompt else ("", 0)
    line = lines.get(regression.prompt, line)
    if not path:
        path, line = places.of_case(regression.origin, regression.nodeid)
    said = [f"{regression.nodeid} was {regression.result_before}, is {regression.result_after}."]
    if regression.output_before or regression.output_after:
        before, after = (
            one_line(text, most=_CHARS) for text in (regression.output_before, regression.output_after)
        )
        said.append(f"Output before: {before}\nOutput now: {after}")
    if regression.step:
        said.append(f"First different step: {regression.step}")
    return Annotation(
        level="error" if regression.fails else "warning",
        check="regression",
        title="Passed before, not now",
        message="\n".join([*said, regression.explanation]).strip(),
        path=path,
        line=line,
        key=regression.nodeid,
    )


def _problem(problem: GateProblem, places: Places) -> Annotation:
    message = f"{problem.message}\nTo do: {problem.command}" if problem.command else problem.message
    return Annotation(
        level="error" if problem.fails else "warning",
        check=problem.kind,
        title="Merge gate: " + problem.kind.replace("-", " "),
        message=message,
        path=places.path(problem.path),
        line=problem.line,
        key=problem.path or problem.message,
    )


def _new_cases(gate: GateResult, evaluation: Evaluation, places: Places) -> Iterator[Annotation]:
    wanted = set(gate.new_cases)
    for item in evaluation.items.values():
        name = f"{item.pipeline}::{item.case_id}"
        if name in wanted:
            wanted.discard(name)
            yield _on_case(
                evaluation,
                item.nodeid,
                places,
                level="notice",
                check="new-case",
                title="New case",
                message=f"{item.case_id} has no baseline yet ({item.outcome}): pytest --fapo-update-baseline",
            )


def _on_case(
    evaluation: Evaluation,
    nodeid: str,
    places: Places,
    *,
    level: AnnotationLevel,
    check: str,
    title: str,
    message: str,
) -> Annotation:
    case = evaluation.cases.get(nodeid)
    path, line = places.of_case(case.origin if case else "", nodeid)
    return Annotation(
        level=level, check=check, title=title, message=message, path=path, line=line, key=nodeid
    )
