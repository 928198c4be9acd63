"""Every case file of the project that fits a pipeline, and the test that its labels ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any

from pytest_fapo.cli.init.pipeline_choice import OutputForm, PipelineChoice
from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import CaseError
from pytest_fapo.session.case_files import known_suffix, read_rows
from pytest_fapo.session.case_loading import load_cases
from pytest_fapo.session.cases_decorator import CaseSource
from pytest_fapo.session.splits import split_called

_EXPECTED = re.compile(
    r"expected(?:_\w+)?|label|answer|output|category|class|intent|team|kind|target|gold|ground_truth|reference"
    r"|sentiment|topic|response|summary",
    re.I,
)

_TEXT = re.compile(
    r"text|question|query|input|message|prompt|ticket|body|content|utterance|email|mail|review", re.I
)

_OURS = {"id", "case_id", "split", "tags", "weight", "expected_steps", "metadata"}

_LIKE_CASES = re.compile(r"case|eval|gold|label|dataset", re.I)

_FEWEST, _MOST_BYTES, _MOST_FILES = 3, 5_000_000, 200

METRIC = "words_shared"

_GRADED = '''\
def words_shared(answer, label):
    """F1 of the words, from 0 to 1: a first measure of free text; replace it with a better one."""
    found, wanted = set(str(answer).lower().split()), set(str(label).lower().split())
    return 2 * len(found & wanted) / (len(found) + len(wanted)) if found and wanted else 0.0


'''

ANSWERS_AT_ALL = "assert run.output  # it answers at all; replace this with what makes an answer right"


@dataclass(frozen=True)
class CaseFile:
    """A file that fits a pipeline."""

    path: str
    cases: Sequence[Case]
    source: CaseSource
    choice: PipelineChoice

    @property
    def stem(self) -> str:
        return Path(self.path).name.partition(".")[0]

    @property
    def decorator(self) -> str:
        given = {name: getattr(self.source, name) for name in ("pipeline", "inputs", "expected", "split")}
        words = "".join(f", {name}={json.dumps(value)}" for name, value in given.items() if value is not None)
        return f"@fapo.cases({json.dumps(self.path)}{words})"


@dataclass(frozen=True)
class CaseTest:
    """The test of one case file."""

    name: str
    file: CaseFile
    lines: Sequence[str]
    note: str = ""
    """The part that the reader must look at; empty for nothing."""

    @property
    def source(self) -> str:
        body = "".join(f"    {line}\n" for line in self.lines)
        return f"{self.file.decorator}\ndef {self.name}(case, run):\n{body}"

    @property
    def graded(self) -> bool:
        return any(METRIC in line for line in self.lines)

    def for_form(self, output: OutputForm) -> CaseTest:
        """Return the test as the pipeline's outputs ask for it."""
        lines, note = _checks(self.file, output)
        return replace(self, lines=lines, note=note)


def find_case_files(
    root: Path, paths: Sequence[str], choices: Mapping[str, PipelineChoice]
) -> tuple[list[CaseFile], list[str]]:
    """Return the files whose rows are what a pipeline takes, and a label; largest first.

    The second list has a line for each file that is called like cases and does not fit.

    Args:
        root: the project.
        paths: its files.
        choices: fixture to pipeline; the first is the project's own.
    """
    found: list[CaseFile] = []
    unfit = []
    files = [path for path in paths if known_suffix(Path(path)) and not Path(path).name.startswith("fapo-")]
    files.sort(key=lambda each: (not _LIKE_CASES.search(each), each.count("/"), each))
    for path in files[:_MOST_FILES]:
        try:
            if (root / path).stat().st_size <= _MOST_BYTES:
                found.append(_fitting(root, path, choices))
        except CaseError as error:
            if _LIKE_CASES.search(path):
                unfit.append(f"{path}: {str(error).removeprefix(f'{path}: ')}")
        except (OSError, RecursionError):
            continue
    splits = {split_called(each.stem) for each in found}
    if "train" in splits and len(splits) > 1:  # train.csv, dev.csv, test.csv
        found = [
            replace(each, source=replace(each.source, split=split_called(each.stem) or each.source.split))
            for each in found
        ]
    return sorted(found, key=lambda each: -len(each.cases)), unfit


def _fitting(root: Path, path: str, choices: Mapping[str, PipelineChoice]) -> CaseFile:
    rows = [row.value for row in read_rows(root / path, path)]
    if not all(isinstance(row, dict) for row in rows):
        raise CaseError("its rows are not mappings")
    fits: list[tuple[bool, bool, int, str, dict[str, Any]]] = []
    errors = []
    for fixture, choice in choices.items():
        try:
            mapping = _mapping(rows, choice)
        except CaseError as error:
            errors.append(error)
            continue
        renamed = isinstance(mapping.get("inputs"), dict)
        unlike = not _alike(choice.label, (Path(path).name.partition(".")[0], mapping.get("expected")))
        fits.append((renamed, unlike and len(choices) > 1, len(errors) + len(fits), fixture, mapping))
    if not fits:
        raise errors[0]
    _, _, place, fixture, mapping = min(fits, key=lambda each: each[:3])
    source = CaseSource(path, pipeline=fixture if place else None, **mapping)
    try:
        cases = load_cases(source, test_file=root / "test_.py", folders=[root])
    except CaseError as error:
        if "no case in split" not in str(error):
            raise
        source = replace(source, split="train")
        cases = load_cases(source, test_file=root / "test_.py", folders=[root])
    return CaseFile(path, cases, source, choices[fixture])


def _alike(label: str, words: Iterable[Any]) -> bool:
    return any(
        SequenceMatcher(None, mine, word).ratio() > 0.6
        for mine in label.split("_")
        for word in words
        if isinstance(word, str)
    )


def _mapping(rows: list[dict[str, Any]], choice: PipelineChoice) -> dict[str, Any]:
    """Return the arguments `inputs` and `expected` of `cases` for these rows.

    Raises:
        CaseError: the rows do not fit; says why.
    """
    columns = [str(name) for name in rows[0]]
    native = rows[0].get("inputs", rows[0].get("vars", rows[0].get("context")))
    if native is None and any(name.startswith("inputs.") for name in columns):
        native = {name[7:]: "" for name in columns if name.startswith("inputs.")}
    names = list(choice.takes)
    if not names and "**" in choice.accepts:
        names = [name for name in columns if _TEXT.fullmatch(name)][:1]
    if native is not None:
        if not isinstance(native, dict) and len(names) == 1:
            return {}
        keys = set(native) if isinstance(native, dict) else set()
        if set(names) <= keys and (keys <= choice.accepts or "**" in choice.accepts):
            return {}
        whole = next((name for name in ("inputs", "vars", "context") if name in columns), "inputs")
        inputs = _inputs([f"{whole}.{name}" for name in keys], names)
        return {"inputs": inputs} | ({"expected": "expected"} if "expected" in rows[0] else {})
    if len(rows) < _FEWEST:
        raise CaseError(f"it has fewer than {_FEWEST} rows")
    free = [name for name in columns if name not in _OURS and name not in names]
    outputs = [name for name in free if name in choice.output.names]
    likely = [name for name in free if _EXPECTED.fullmatch(name)]
    rest = [name for name in free if set(names) <= set(columns) or not _TEXT.fullmatch(name)]
    expected = outputs or likely[:1] or (rest if len(rest) == 1 else [])
    if not expected:
        raise CaseError(f"none of its columns ({', '.join(columns)}) is known to be the label")
    given = [name for name in columns if name in names or (name in free and name not in expected)]
    return {"inputs": _inputs(given, names), "expected": expected if len(expected) > 1 else expected[0]}


def _inputs(columns: list[str], names: list[str]) -> Any:
    """Return the argument `inputs`: a list of columns where they are called alike, else a mapping."""
    last = {name.rpartition(".")[2]: name for name in columns}
    if set(names) <= set(last):
        return [last[name] for name in names]
    texts = [column for name, column in last.items() if _TEXT.fullmatch(name)]
    if len(names) == 1 and len(texts) == 1:
        return {names[0]: texts[0]}
    raise CaseError(f"{', '.join(columns)}: not what the pipeline takes, {', '.join(names) or 'nothing'}")


def make_tests(files: Sequence[CaseFile]) -> list[CaseTest]:
    """Return a test for each case file."""
    stems = [file.stem for file in files]
    tests = []
    for file in files:
        word = re.sub(r"\W+", "_", file.stem if stems.count(file.stem) == 1 else file.path).strip("_").lower()
        name = file.choice.label if len(files) == 1 else f"{file.choice.label}_{word}"
        lines, note = _checks(file, file.choice.output)
        tests.append(CaseTest(f"test_{name}", file, lines, note))
    return tests


def module_of(tests: Sequence[CaseTest]) -> str:
    """Return the source of the module that holds the tests."""
    source = "\n\n".join(test.source for test in tests)
    first = "import json\n\n" if "json.loads" in source else ""
    graded = _GRADED if any(test.graded for test in tests) else ""
    return f"{first}import pytest_fapo as fapo\n\n\n{graded}{source}"


def _checks(file: CaseFile, output: OutputForm) -> tuple[list[str], str]:
    """Return the lines of a test that can pass, judged by the form of the labels and of the output."""
    labels = [case.expected for case in file.cases if case.expected is not None]
    if not labels:
        return [ANSWERS_AT_ALL], ""
    if all(isinstance(label, dict) for label in labels):
        return _key_by_key(file, output, list(dict.fromkeys(str(name) for each in labels for name in each)))
    lists = all(isinstance(label, list) for label in labels)
    if lists and any(isinstance(one, dict) and "type" in one for label in labels for one in label):
        return [ANSWERS_AT_ALL], f"{file.path} has promptfoo's assertions as labels: write them as asserts"
    answer, note = _answer(file, output)
    if lists and output.kind == "text":
        return [f"assert {answer} in case.expected"], note
    texts = [label for label in labels if isinstance(label, str)]
    long = sum(len(text.split()) for text in texts) > 6 * len(texts)
    if texts == labels and long and len(set(texts)) > len(texts) / 2:
        line = f'run.score("{METRIC}", {METRIC}({answer}, case.expected))'
        graded = f"{file.path} has free texts as labels: they are graded, not compared"
        return [f"assert {answer}", line], note or graded
    if (output.kind == "text" and not texts) or (output.kind == "number" and texts):
        return [f"assert str({answer}).strip() == str(case.expected)"], note
    return [f"assert {answer} == case.expected"], note


def _key_by_key(file: CaseFile, output: OutputForm, names: list[str]) -> tuple[list[str], str]:
    closed = bool(output.names) and "**" not in output.names
    missing = [name for name in names if closed and name not in output.names]
    note = f"{file.path} labels {', '.join(missing)}, no part of the output: ask for what they mean"
    if missing == names:
        return [ANSWERS_AT_ALL], note
    keys = "case.expected"
    if missing:
        keys += f".keys() & {{{', '.join(json.dumps(name) for name in names if name not in missing)}}}"
    answer = {"text": "json.loads(run.output)[key]", "fields": "getattr(run.output, key)"}
    line = f"    assert {answer.get(output.kind, 'run.output[key]')} == case.expected[key]"
    return [f"for key in {keys}:", line], note if missing else ""


def _answer(file: CaseFile, output: OutputForm) -> tuple[str, str]:
    """Return the part of the output that one label stands for, and what is unsure about it."""
    if output.kind not in ("keys", "fields") or not output.names:
        return "run.output", ""
    column = str(file.source.expected or "")
    alike = [near for word in (column, file.stem) for near in get_close_matches(word, output.names, n=1)]
    likely = alike or [name for name in output.names if _EXPECTED.fullmatch(name)]
    name = (likely or list(output.names))[0]
    name = column if name == "**" else name
    if not name:
        return "run.output", ""
    unsure = name != column and len(output.names) > 1
    note = f"the labels of {file.path} are compared with {name!r}, one of {', '.join(output.names)}"
    return f'run.output["{name}"]' if output.kind == "keys" else f"run.output.{name}", note if unsure else ""
