"""Annotations on single lines of the repository: located, and written for GitHub Actions and GitLab."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateProblem, GateResult
from pytest_fapo.core.printable import shown
from pytest_fapo.core.record import Record, text_digest
from pytest_fapo.core.text import count, one_line, percents
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.verdict.regression_causes import (
    RegressionCause,
    causes_headline,
    difference,
    regression_causes,
)
from pytest_fapo.views.pull_request.branch_changes import first_changed_line

if TYPE_CHECKING:
    from pytest_fapo.loop.run_summary import Summary
    from pytest_fapo.views.pull_request.page_record import ArtifactChange

AnnotationLevel = Literal["error", "warning", "notice"]

ANNOTATION_LIMIT = 10
"""Annotations of one level that GitHub shows of one step; the rest it drops silently."""

_MESSAGE_CHARS = 4_000
"""GitHub cuts a message at 4 KB, which are fewer characters where they are not ASCII; cut is cut."""


class Annotation(Record):
    """One remark about one line of a file."""

    level: AnnotationLevel
    check: str
    """The kind of remark: `regression`, `floor`, `new-case` …"""
    title: str
    message: str
    path: str = ""
    """Relative to the top of the repository, POSIX; empty where no file is concerned."""
    line: int = 0
    """From 1; 0 where none is known."""
    key: str = ""
    """The subject of the remark, whatever its text and line: a node id, a path."""


def github_lines(annotations: Iterable[Annotation]) -> list[str]:
    """Workflow commands for GitHub Actions, at most ten of each level; the last of ten says how many follow.

    Args:
        annotations: most important first.
    """
    ordered = list(annotations)
    totals = Counter(annotation.level for annotation in ordered)
    given: Counter[str] = Counter()
    lines = []
    for annotation in ordered:
        level = annotation.level
        given[level] += 1
        if given[level] > ANNOTATION_LIMIT:
            continue
        left = totals[level] - ANNOTATION_LIMIT
        more = (
            f"\n… and {left:,} more, see the summary" if given[level] == ANNOTATION_LIMIT and left > 0 else ""
        )
        lines.append(_github_command(annotation, more))
    return lines


def _github_command(annotation: Annotation, more: str) -> str:
    properties = []
    if annotation.path:
        properties.append(f"file={_escaped_property(annotation.path)}")
        if annotation.line:
            properties.append(f"line={annotation.line}")
    properties.append(f"title={_escaped_property(annotation.title)}")
    message = _escaped_message(annotation.message[:_MESSAGE_CHARS] + more)
    return f"::{annotation.level} {','.join(properties)}::{message}"


def _escaped_message(text: str) -> str:
    """Return the escapes of a workflow command's message; control characters are shown, line breaks kept."""
    plain = shown(text.replace("\r\n", "\n"))
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped_message(text).replace(":", "%3A").replace(",", "%2C")


_SEVERITY = {"error": "major", "warning": "minor", "notice": "info"}

_DESCRIPTION_CHARS = 1_000


def code_quality_json(annotations: Iterable[Annotation], *, whole: str) -> str:
    """Return the report as JSON.

    Args:
        annotations: the remarks.
        whole: path that remarks about no file of their own are put to.

    A fingerprint depends on the kind of remark and on what it is about, not on its words or its line, so that
    GitLab tells new remarks from those that the target branch has already.
    """
    entries = []
    fingerprints: set[str] = set()
    for annotation in annotations:
        path = annotation.path or whole
        fingerprint = text_digest("\0".join((annotation.check, path, annotation.key)))
        while fingerprint in fingerprints:  # an entry with a known one would be dropped
            fingerprint = text_digest(fingerprint)
        fingerprints.add(fingerprint)
        text = one_line(shown(f"{annotation.title}: {annotation.message}"), most=_DESCRIPTION_CHARS)
        entries.append(
            {
                "description": text,
                "check_name": f"pytest-fapo/{annotation.check}",
                "fingerprint": fingerprint,
                "severity": _SEVERITY[annotation.level],
                "location": {"path": path, "lines": {"begin": max(1, annotation.line)}},
            }
        )
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


_ORIGIN = re.compile(r"(?P<path>.+?)(?::(?P<line>\d+)| #\d+)?")


def repository_top(root: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder that a code host's paths are relative to.

    Args:
        root: pytest's rootdir.
        environment: of this process.
    """
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        folder = Path(environment[name]).resolve() if environment.get(name) else None
        if folder is not None and root.resolve().is_relative_to(folder):
            return folder
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


class RepositoryLocations:
    """Turns what the records know into paths and lines of the repository.

    Args:
        root: pytest's rootdir.
        store: the project's artifacts.
        environment: of this process.
    """

    def __init__(self, root: Path, store: ArtifactStore, environment: Mapping[str, str]) -> None:
        self._root = root
        self._store = store
        self._top = repository_top(root, environment)

    def path(self, path: str) -> str:
        """Return a path (relative to the rootdir) from the top of the repository; empty where it is not
        inside.
        """
        if not path:
            return ""
        full = Path(os.path.abspath(self._root / path))
        for top in (self._top, self._top.resolve()):
            if full.is_relative_to(top):
                return full.relative_to(top).as_posix()
        return ""

    def of_case(self, origin: str, nodeid: str) -> tuple[str, int]:
        """Return path and line of a case; the test's file where its origin is not known.

        Args:
            origin: `file:line`, `file #3`, or nothing.
            nodeid: the item's.
        """
        found = _ORIGIN.fullmatch(origin)
        path = self.path(found["path"]) if found else ""
        if found and path and (self._root / found["path"]).is_file():
            return path, int(found["line"] or 0)
        return self.path(nodeid.partition("::")[0]), 0

    def of_artifact(self, address: str) -> tuple[str, int]:
        """Return path and line at which an artifact begins; line 0 where that cannot be told."""
        try:
            artifact = self._store.get(address)
        except ArtifactError:
            return self.path(address.partition("::")[0]), 0
        if artifact.kind == "file":
            return self.path(artifact.path), 1
        other = Edit(address=address, before=artifact.text, after=f"x{artifact.text}")
        return self.path(artifact.path), first_changed_line(self._store, other, artifact.path, unknown=0)


_CHARS = 200

_EXAMPLES = 3
"""Tests of one cause that its annotation shows."""


def gate_remarks(
    gate: GateResult,
    evaluation: Evaluation,
    changes: Iterable[ArtifactChange],
    locations: RepositoryLocations,
) -> list[Annotation]:
    """One for each cause of regressions, on the changed prompt where one is known to matter, else on a case;
    then problems and new cases.

    Args:
        gate: the gate's answer.
        evaluation: what it judged.
        changes: changed artifacts, which give the line.
        locations: turns addresses and origins into paths and lines.
    """
    lines = {change.address: change.line for change in changes}
    found = [_cause_remark(each, lines, locations) for each in regression_causes(gate.regressions)]
    found += [_problem_remark(each, locations) for each in gate.problems if each.kind != "new-cases"]
    found += _new_case_remarks(gate, evaluation, locations)
    return sorted(found, key=lambda each: ("error", "warning", "notice").index(each.level))


def lowering_remarks(
    branch: GateResult, changes: Iterable[ArtifactChange], locations: RepositoryLocations
) -> list[Annotation]:
    """Return remarks on results that the branch's own baseline lowers against its base: allowed, but shown.

    Args:
        branch: this session's tests compared with the base's baseline.
        changes: changed artifacts, which give the line.
        locations: turns addresses and origins into paths and lines.
    """
    lines = {change.address: change.line for change in changes}
    found = [_cause_remark(each, lines, locations) for each in regression_causes(branch.regressions)]
    title = "This branch's baseline gives these tests up"
    return [
        each.model_copy(update={"level": "warning", "check": "lower-baseline", "title": title})
        for each in found
    ]


def failing_remarks(evaluation: Evaluation, locations: RepositoryLocations) -> list[Annotation]:
    """Return the tests that fail, of a session that is compared with nothing."""
    return [
        _on_case(
            evaluation, nodeid, locations, level="error", check="failing", title="Fails", message=message
        )
        for nodeid, item in evaluation.items.items()
        if item.counts and not item.passed
        for message in [f"{nodeid}\n{item.explanation}".strip()]
    ]


def run_remarks(
    summary: Summary, changes: Iterable[ArtifactChange], locations: RepositoryLocations
) -> list[Annotation]:
    """The proven changes of an optimization, each on its artifact."""
    scores = []
    for row in summary.splits:
        before, after = percents(row.before, row.after)
        scores.append(f"{row.split} {before} → {after}")
    found = []
    for change in changes:
        path, line = locations.of_artifact(change.address)
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


def _cause_remark(
    cause: RegressionCause, lines: dict[str, int], locations: RepositoryLocations
) -> Annotation:
    path, line = locations.of_artifact(cause.prompt) if cause.prompt else ("", 0)
    line = lines.get(cause.prompt, line)
    told = cause.examples(_EXAMPLES)
    if not path:
        path, line = locations.of_case(told[0].origin, told[0].nodeid)
    said = [causes_headline([cause]), *(f"{each.nodeid}: {difference(each, most=_CHARS)}" for each in told)]
    more = len(cause.regressions) - len(told)
    if more:
        said.append(f"… and {count(more, 'more test')}")
    return Annotation(
        level="error" if cause.fails else "warning",
        check="regression",
        title="Passed before, fails now",
        message="\n".join([*said, told[0].explanation]).strip(),
        path=path,
        line=line,
        key=cause.key,
    )


def _problem_remark(problem: GateProblem, locations: RepositoryLocations) -> Annotation:
    message = f"{problem.message}\nTo do: {problem.command}" if problem.command else problem.message
    return Annotation(
        level="error" if problem.fails else "warning",
        check=problem.kind,
        title="Merge gate: " + problem.kind.replace("-", " "),
        message=message,
        path=locations.path(problem.path),
        line=problem.line,
        key=problem.path or problem.message,
    )


def _new_case_remarks(
    gate: GateResult, evaluation: Evaluation, locations: RepositoryLocations
) -> Iterator[Annotation]:
    wanted = set(gate.new_cases)
    for item in evaluation.items.values():
        name = f"{item.pipeline}::{item.case_id}"
        if name in wanted:
            wanted.discard(name)
            yield _on_case(
                evaluation,
                item.nodeid,
                locations,
                level="notice",
                check="new-case",
                title="New case",
                message=f"{item.case_id} has no baseline yet ({item.outcome}): pytest --fapo-update-baseline",
            )


def _on_case(
    evaluation: Evaluation,
    nodeid: str,
    locations: RepositoryLocations,
    *,
    level: AnnotationLevel,
    check: str,
    title: str,
    message: str,
) -> Annotation:
    case = evaluation.cases.get(nodeid)
    path, line = locations.of_case(case.origin if case else "", nodeid)
    return Annotation(
        level=level, check=check, title=title, message=message, path=path, line=line, key=nodeid
    )
