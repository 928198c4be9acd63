"""`fapo-baseline.json`: sorted, one case a line, written whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.baseline import Baseline, CaseBaseline, PipelineBaseline, passed_share
from pytest_fapo.core.errors import BaselineError
from pytest_fapo.core.record import SPLITS
from pytest_fapo.verdict.baseline_contents import FORMAT

UPDATE_BASELINE = "pytest --fapo-update-baseline"

_MOST_BYTES = 256 * 2**20

_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_MARKERS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


def read_baseline(path: Path, name: str = "") -> Baseline:
    """Read the file.

    Args:
        path: of the file.
        name: as shown in messages; default: without its folder.

    Raises:
        BaselineError: it is not there, holds the marks of a merge conflict, or was not written by this
            version; `kind` says which.
    """
    name = name or path.name
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BaselineError(f"{name}: larger than 256 MiB, so it is not a baseline", kind="stale-format")
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise BaselineError(
            f"{name} does not exist: there is nothing to compare with; "
            f"make it with `{UPDATE_BASELINE}` and "
            f"commit it",
            kind="missing-baseline",
        ) from None
    except OSError as error:
        raise BaselineError(
            f"{name} cannot be read: {error.strerror or error}", kind="missing-baseline"
        ) from None
    except UnicodeDecodeError:
        raise BaselineError(f"{name}: not UTF-8 text; write it again with `{UPDATE_BASELINE}`") from None
    _refuse_conflict(name, text)
    return _parse(name, text)


def _refuse_conflict(name: str, text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(_MARKERS):
            raise BaselineError(
                f"{name}:{number}: an unresolved merge conflict; take either side, then write it again "
                f"with `{UPDATE_BASELINE}`",
                line=number,
            )


def _parse(name: str, text: str) -> Baseline:
    try:
        document = json.loads(text)
    except RecursionError:
        raise BaselineError(f"{name}: no baseline; write it again with `{UPDATE_BASELINE}`") from None
    except ValueError as error:
        line = getattr(error, "lineno", 0)
        where = f"{name}:{line}" if line else name
        raise BaselineError(
            f"{where}: not valid JSON; write it again with `{UPDATE_BASELINE}`", line=line
        ) from None
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT or isinstance(found, bool):
        written = f"has format {found!r}" if isinstance(found, int) else "is not a baseline of this plugin"
        raise BaselineError(
            f"{name} {written}, this version of pytest-fapo reads format {FORMAT}; write it again with "
            f"`{UPDATE_BASELINE}`"
        )
    try:
        baseline = Baseline.model_validate(document)
        for pipeline in baseline.pipelines.values():
            for cases in pipeline.cases.values():
                for case in cases.values():
                    _check_case(case)
    except (ValidationError, ValueError) as error:
        raise BaselineError(
            f"{name}: {_first_problem(error)}; write it again with `{UPDATE_BASELINE}`"
        ) from None
    return baseline


def _check_case(case: CaseBaseline) -> None:
    for result in case.items.values():
        passed_share(result)
    if any(len(step) != 2 for step in case.steps):
        raise ValueError("a step is not a key and a digest")


def _first_problem(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"])
    return f"{field}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"


def write_baseline(path: Path, baseline: Baseline) -> bool:
    """Write the file, unless it is up to date.

    Returns:
        whether it was written.

    Raises:
        BaselineError: it cannot be written; the old file is whole.
    """
    content = render_baseline(baseline).encode()
    try:
        if path.is_file() and path.read_bytes() == content:
            return False
        write_atomically(path, content, durable=True)
    except OSError as error:
        raise BaselineError(f"{path.name} cannot be written: {error.strerror or error}") from None
    return True


def render_baseline(baseline: Baseline) -> str:
    """Return the file's text: sorted, one case a line, so that a diff shows which cases changed."""
    return "\n".join(_lines(baseline)) + "\n"


def _lines(baseline: Baseline) -> Iterator[str]:
    yield "{"
    yield f'"format": {baseline.format},'
    yield f'"plugin": {_json(baseline.plugin)},'
    yield from _mapping_lines(
        '"artifacts"', [(name, _json(each)) for name, each in sorted(baseline.artifacts.items())]
    )
    yield '"pipelines": {'
    names = sorted(baseline.pipelines)
    for name in names:
        yield f"{_json(name)}: {{"
        yield from _pipeline_lines(baseline.pipelines[name])
        yield "}" if name == names[-1] else "},"
    yield "}"
    yield "}"


def _pipeline_lines(pipeline: PipelineBaseline) -> Iterator[str]:
    yield f'"models": {_json(pipeline.models)},'
    yield f'"calls": {_json(pipeline.calls)},'
    yield f'"repeats": {pipeline.repeats},'
    scores = {split: pipeline.scores[split] for split in SPLITS if split in pipeline.scores}
    yield f'"scores": {_json(scores)},'
    yield '"cases": {'
    splits = [split for split in SPLITS if split in pipeline.cases]
    for split in splits:
        cases = sorted(pipeline.cases[split].items())
        lines = list(_mapping_lines(_json(split), [(name, _case_line(case)) for name, case in cases]))
        if split == splits[-1]:
            lines[-1] = lines[-1].removesuffix(",")
        yield from lines
    yield "}"


def _mapping_lines(key: str, entries: list[tuple[str, str]]) -> Iterator[str]:
    """Yield a JSON object with one entry a line, and a comma behind it."""
    yield f"{key}: {{"
    for number, (name, text) in enumerate(entries, 1):
        yield f"  {_json(name)}: {text}" + ("," if number < len(entries) else "")
    yield "},"


def _case_line(case: CaseBaseline) -> str:
    return _json(case.model_dump(mode="json", exclude_defaults=True))


def _json(value: Any) -> str:
    """On one line also for editors that break lines at other characters than `\\n`."""
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
