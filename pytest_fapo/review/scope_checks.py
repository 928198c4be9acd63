"""Check that the edits are permitted: scope, protected files, stale texts, size, one concern, a parameter's
domain.
"""

from __future__ import annotations

import builtins
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NoReturn

from pytest_fapo.core.candidate import ReviewProblem
from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.text import listing, one_line
from pytest_fapo.review.review_subject import EditedText, ReviewSubject

_TESTS = re.compile(r"(.*/)?(conftest|test_[^/]*|[^/]*_test)\.pyi?")

_RUN = re.compile(r"(.*/)?(pytest\.ini|\.?pytest\.toml|tox\.ini|setup\.cfg|\.coveragerc)")

_RUN_TABLES = ("tool.pytest", "tool.fapo", "build-system", "tool.coverage", "project")

_HOOKS = re.compile(r"(pytest_|test_|__)\w*")


def protected(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """No edit touches what judges it."""
    files = case_files(subject.cases)
    for edit in subject.candidate.edits:
        path, _, name = edit.address.partition("::")
        what = ""
        if _TESTS.fullmatch(path):
            what = "is a test file"
        elif _RUN.fullmatch(path) or (path.endswith("pyproject.toml") and name.startswith(_RUN_TABLES)):
            what = "belongs to the settings of the test run"
        elif subject.settings.is_record(path):
            what = "is what the merge gate compares with"
        elif any(path == file or path.endswith(f"/{file}") or file.endswith(f"/{path}") for file in files):
            what = "holds the cases"
        elif not edit.before and path.endswith(".py") and _HOOKS.fullmatch(name.rpartition(".")[2]):
            what = f"would be run by pytest or by Python itself ({name})"
        elif not edit.before and path.endswith(".py") and hasattr(builtins, name):
            what = f"would take the place of Python's own {name}"
        if what:
            message = f"{edit.address} {what}; edit the pipeline, not what judges it."
            yield ReviewProblem(check="scope", message=message, address=edit.address)


def case_files(cases: Sequence[Case]) -> set[str]:
    """Paths of the files that the cases were read from, POSIX."""
    found = set()
    for case in cases:
        path = re.sub(r":\d+$", "", case.origin).replace("\\", "/")
        if path and not path.endswith(".py"):
            found.add(path)
    return found


def scope(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """Path, artifact and level are allowed by the scope contract."""
    candidate = subject.candidate
    if not candidate.edits:
        yield ReviewProblem(
            check="no-op", message="The candidate holds no edit; give the new text of a prompt."
        )
    if candidate.level not in subject.levels:
        allowed = ", ".join(subject.levels)
        message = f"Edits of level {candidate.level!r} are not allowed now; allowed: {allowed}."
        yield ReviewProblem(check="scope", message=message)
        return
    counts = Counter(edit.address for edit in candidate.edits)
    for address, count in counts.items():
        level = subject.level_of(address)
        if level is not None and level not in subject.levels_below:
            message = (
                f"{address} is of level {level!r}, the candidate says {candidate.level!r}; "
                f"a candidate has the highest level among its edits."
            )
            yield ReviewProblem(check="scope", message=message, address=address)
        elif level is None:
            message = f"{address} is outside of [tool.fapo.scope]; what may be edited: {_listed(subject)}."
            yield ReviewProblem(check="scope", message=message, address=address)
        elif count > 1:
            message = f"{address} is edited {count} times in one candidate; give its new text once."
            yield ReviewProblem(check="scope", message=message, address=address)


def fresh(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """Each edit's `before` is the artifact's text as of the parent, or empty where nothing is there yet."""
    for edit in subject.candidate.edits:
        if subject.level_of(edit.address) is None or subject.store.creates(edit):
            continue
        try:
            current = subject.store.get(edit.address).text
        except ArtifactError as error:
            yield ReviewProblem(check="scope", message=str(error), address=edit.address)
            continue
        if current != edit.before:
            message = (
                f"The edit of {edit.address} was made for a text that is not there; "
                f"start from the artifact's present text of {len(current)} characters."
            )
            yield ReviewProblem(check="stale", message=message, address=edit.address)


def _listed(subject: ReviewSubject) -> str:
    addresses = [artifact.address for level in subject.levels_below for artifact in subject.artifacts(level)]
    addresses += [f"new files {pattern}" for pattern in subject.store.creatable() if len(addresses) < 8]
    return listing(addresses, most=8) or "nothing"


def no_op(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """Each edit changes more than white space."""
    for change in subject.changes:
        if change.artifact.kind == "param":
            continue  # its value is compared, not its spelling
        if "".join(change.before.split()) == "".join(change.after.split()):
            what = "nothing" if change.before == change.after else "nothing but white space"
            yield ReviewProblem(
                check="no-op",
                message=f"The edit of {change.address} changes {what}; change its wording or leave it out.",
                address=change.address,
            )


def size(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """Each text stays within `max_prompt_chars`, or does not grow where it was longer already."""
    limit = subject.settings.max_prompt_chars
    for change in subject.changes:
        length = len(change.after)
        if not change.after.strip():
            message = f"The edit empties {change.address}; keep the text and change what is wrong in it."
            yield ReviewProblem(check="size", message=message, address=change.address)
        elif length > limit and length > len(change.before):
            message = (
                f"The new text of {change.address} has {length} characters; at most {limit} pass "
                f"([tool.fapo] max_prompt_chars). Say the same in fewer words."
            )
            yield ReviewProblem(check="size", message=message, address=change.address)


def single_concern(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """One artifact, or several of which each names another (a function with its prompt or its helper),
    unless the edits are declared to be joint, or are a merge of candidates that were reviewed one by one."""
    candidate = subject.candidate
    if len(subject.changes) < 2 or candidate.merges or candidate.joint:
        return
    groups = _groups(subject.changes)
    if len(groups) == 1:
        return
    addresses = ", ".join(change.address for change in subject.changes)
    yield ReviewProblem(
        check="single-concern",
        message=(
            f"The candidate edits {len(subject.changes)} artifacts ({addresses}); "
            f"edit the one that matters most for this cause and leave the others."
        ),
    )


def _groups(changes: Sequence[EditedText]) -> list[list[EditedText]]:
    """The changes in groups that hang together by naming one another."""
    groups: list[list[EditedText]] = []
    for change in changes:
        linked = [group for group in groups if any(_linked(change, other) for other in group)]
        groups = [group for group in groups if group not in linked]
        groups.append([change, *(other for group in linked for other in group)])
    return groups


def _linked(one: EditedText, other: EditedText) -> bool:
    """True if the code of one speaks of the other."""
    return _speaks_of(one, other) or _speaks_of(other, one)


def _speaks_of(one: EditedText, other: EditedText) -> bool:
    if one.artifact.kind != "function":
        return False
    if other.artifact.name:
        name = other.artifact.name.rpartition(".")[2]
    else:
        name = PurePosixPath(other.artifact.path).name.partition(".")[0]
    return bool(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", one.after))


def params(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """Each edited parameter stays what its domain says."""
    for change in subject.changes:
        if change.artifact.kind == "param" and (message := _wrong(change)):
            yield ReviewProblem(
                check="domain", message=f"{change.address}: {message}", address=change.address
            )


def _wrong(change: EditedText) -> str:
    try:
        value = json.loads(change.after, parse_constant=_refuse)
    except (ValueError, RecursionError):
        shown = one_line(change.after, most=60)
        return f"{shown!r} is not one JSON value; give the value alone, a text in double quotes."
    domain = change.artifact.domain
    if isinstance(value, (dict, list)):
        return "the new value is a table or list; give one number, text or true/false."
    if domain is None:
        return "nothing says which values it may take; give bounds or choices in [tool.fapo.scope] params."
    if not domain.allows(value):
        return f"{json.dumps(value, ensure_ascii=False)[:60]} is outside of its domain; it may be {domain}."
    if value == json.loads(change.before) and type(value) is type(json.loads(change.before)):
        return "the new value is the old one."
    return ""


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
