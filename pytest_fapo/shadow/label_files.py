"""The files of a project that hold labels: where outputs are made they are missing, and not granted."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from pytest_fapo.core.case import Case
from pytest_fapo.core.record import canonical_json

_TESTS = re.compile(r"(.*/)?(test_[^/]*|[^/]*_tests?)\.py")

_DATA = (
    ".json",
    ".jsonl",
    ".ndjson",
    ".csv",
    ".tsv",
    ".yaml",
    ".yml",
    ".txt",
    ".toml",
    ".xml",
    ".parquet",
    ".py",
)

_TELLING = 12
"""Letters that an input needs to be recognized in a file."""

_MANY = 2
"""A file with so many cases' inputs in it holds cases."""

_LARGEST = 50_000_000


def label_files(
    root: Path, files: Iterable[str], cases: Sequence[Case], tests: Iterable[str], kept: Callable[[str], bool]
) -> list[Path]:
    """Return the files that may hold labels, absolute.

    Test modules, the files that cases were read from wherever they lie, and data files (modules, too) in
    which the inputs of several val or held-out cases stand.

    Args:
        root: of the project.
        files: of it, relative.
        cases: all of them.
        tests: modules in which tests were collected, relative.
        kept: tells which files belong to the pipeline whatever is in them.
    """
    found = {root / path for path in tests}
    for case in cases:
        origin = re.sub(r":\d+$", "", case.origin)
        if origin and not origin.startswith("cases("):
            found.add(root / origin)
    inputs = list(_telling_inputs(cases))
    for path in files:
        held = path.endswith(_DATA) and not kept(path) and _holds_cases(root / path, inputs)
        if held or _TESTS.fullmatch(path):
            found.add(root / path)
    real = {Path(os.path.realpath(path)) for path in found}
    return sorted(found | real)


def without(paths: Iterable[str], hidden: Sequence[str]) -> Iterator[str]:
    """Yield the paths, each folder that holds hidden files taken apart so that these are not among them."""
    for path in paths:
        real = os.path.realpath(path)
        if any(real == each or real.startswith(each + os.sep) for each in hidden):
            continue
        if any(each.startswith(real.rstrip(os.sep) + os.sep) for each in hidden) and os.path.isdir(real):
            yield from without((entry.path for entry in os.scandir(real)), hidden)
        else:
            yield path


def _telling_inputs(cases: Sequence[Case]) -> Iterator[tuple[bytes, ...]]:
    """Yield the longest input of each hidden case, as it may be in a file."""
    for case in cases:
        if case.split == "train":
            continue
        values = case.inputs.values() if isinstance(case.inputs, dict) else [case.inputs]
        texts = [value for value in values if isinstance(value, str)]
        longest = max(texts, key=len, default="")
        if len(longest) >= _TELLING:
            plain, quoted = longest.encode("utf-8", "replace"), canonical_json(longest)[1:-1].encode()
            yield tuple(dict.fromkeys((plain, quoted, longest.replace('"', '""').encode("utf-8", "replace"))))


def _holds_cases(path: Path, inputs: Sequence[tuple[bytes, ...]]) -> bool:
    try:
        if path.stat().st_size > _LARGEST:
            return False
        content = path.read_bytes()
    except OSError:
        return False
    count = 0
    for forms in inputs:
        count += any(form in content for form in forms)
        if count >= _MANY:
            return True
    return False
