"""Every case file of the project that fits the pipeline, and the test that its labels ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
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
    r"|sentiment|topic|response",
    re.I,
)

_TEXT = re.compile(
    r"text|question|query|input|message|prompt|ticket|body|content|utterance|email|mail|review", re.I
)

_OURS = {"id", "case_id", "split", "tags", "weight", "expected_steps", "metadata"}

_LIKE_CASES = re.compile(r"case|eval|gold|label|dataset", re.I)

_FEWEST, _MOST_BYTES, _MOST_FILES = 3, 5_000_000, 200

_GRADED = '''\
def words_shared(answer, label):
    """F1 of the words, from 0 to 1: a first measure of free text; put a better one in its place."""
    found, wanted = set(str(answer).lower().split()), set(str(label).lower().split())
    return 2 * len(found & wanted) / (len(found) + len(wanted)) if found and wanted else 0.0


'''


@dataclass(frozen=True)
class CaseFile:
    """A file that fits the pipeline."""

    path: str
    cases: Sequence[Case]
    source: CaseSource

    @property
    def labels(self) -> list[Any]:
        return [case.expected for case in self.cases if case.expected is not None]

    @property
    def decorator(self) -> str:
        given = {name: getattr(self.source, name) for name in ("inputs", "expected", "split")}
        words = "".join(f", {name}={json.dumps(value)}" for name, value in given.items() if value is not None)
        return f"@fapo.cases({json.dumps(self.path)}{words})"


def find_case_files(
    root: Path, paths: Sequence[str], choice: PipelineChoice
) -> tuple[list[CaseFile], list[str]]:
    """Return the files whose rows are what the pipeline takes, and a label; largest first.

    The second list has a line for each file that is called like cases and does not fit.

    Args:
        root: the project.
        paths: its files.
        choice: the pipeline.
    """
    found: list[CaseFile] = []
    unfit = []
    files = [path for path in paths if known_suffix(Path(path)) and not Path(path).name.startswith("fapo-")]
    files.sort(key=lambda each: (not _LIKE_CASES.search(each), each.count("/"), each))
    for path in files[:_MOST_FILES]:
        try:
            if (root / path).stat().st_size <= _MOST_BYTES:
                found.append(_fitting(root, path, choice))
        except CaseError as error:
            if _LIKE_CASES.search(path):
                unfit.append(f"{path}: {str(error).removeprefix(f'{path}: ')}")
        except (OSError, RecursionError):
            continue
    splits = {split_called(_stem(each.path)) for each in found}
    if "train" in splits and len(splits) > 1:  # train.csv, dev.csv, test.csv
        named = [split_called(_stem(each.path)) or each.source.split for each in found]
        found = [
            replace(each, source=replace(each.source, split=split))
            for each, split in zip(found, named, strict=True)
        ]
    return sorted(found, key=lambda each: -len(each.cases)), unfit


def _stem(path: str) -> str:
    return Path(path).name.partition(".")[0]


def _fitting(root: Path, path: str, choice: PipelineChoice) -> CaseFile:
    rows = [row.value for row in read_rows(root / path, path)]
    if not all(isinstance(row, dict) for row in rows):
        raise CaseError("its rows are no mappings")
    source = CaseSource(path, **_mapping(rows, choice))
    try:
        return CaseFile(path, load_cases(source, test_file=root / "test_.py", folders=[root]), source)
    except CaseError as error:
        if "no case in split" not in str(error):
            raise
    source = replace(source, split="train")
    return CaseFile(path, load_cases(source, test_file=root / "test_.py", folders=[root]), source)


def _mapping(rows: list[dict[str, Any]], choice: PipelineChoice) -> dict[str, Any]:
    """Return the arguments `inputs` and `expected` of `cases` for these rows.

    Raises:
        CaseError: the rows do not fit; says why.
    """
    columns = [str(name) for name in rows[0]]
    native = rows[0].get("inputs", rows[0].get("vars", rows[0].get("context")))
    if native is None and any(name.startswith("inputs.") for name in columns):
        native = {name[7:]: "" for name in columns if name.startswith("inputs.")}
    names = [each.name for each in choice.takes]
    if native is not None:
        if not isinstance(native, dict) and len(names) == 1:
            return {}
        keys = set(native) if isinstance(native, dict) else set()
        if set(names) <= keys and (keys <= choice.accepts or "**" in choice.accepts):
            return {}
        whole = next((name for name in ("inputs", "vars", "context") if name in columns), "inputs")
        columns = [f"{whole}.{name}" for name in keys]
        return {"inputs": _inputs(columns, names)} | (
            {"expected": "expected"} if "expected" in rows[0] else {}
        )
    if len(rows) < _FEWEST:
        raise CaseError(f"it has fewer than {_FEWEST} rows")
    free = [name for name in columns if name not in _OURS and name not in names]
    outputs = [name for name in free if name in choice.output.names]
    likely = [name for name in free if _EXPECTED.fullmatch(name)]
    rest = [name for name in free if set(names) <= set(columns) or not _TEXT.fullmatch(name)]
    expected = outputs or likely[:1] or (rest if len(rest) == 1 else [])
    if not expected:
        raise CaseError(f"none of its columns ({', '.join(columns)}) is known to be the label")
    inputs = _inputs(
        [name for name in columns if name in names or (name in free and name not in expected)], names
    )
    return {"inputs": inputs, "expected": expected if len(expected) > 1 else expected[0]}


def _inputs(columns: list[str], names: list[str]) -> Any:
    """Return the argument `inputs`: a list of columns where they are called alike, else a mapping."""
    last = {name.rpartition(".")[2]: name for name in columns}
    if set(names) <= set(last):
        return [last[name] for name in names]
    texts = [column for name, column in last.items() if _TEXT.fullmatch(name)]
    if len(names) == 1 and len(texts) == 1:
        return {names[0]: texts[0]}
    raise CaseError(f"{', '.join(columns)}: not what the pipeline takes, {', '.join(names) or 'nothing'}")


def make_tests(files: Sequence[CaseFile], choice: PipelineChoice) -> tuple[str, list[str]]:
    """Return a test for each case file, and what to look at in them."""
    tests, notes, imports = [], [], set()
    stems = [_stem(file.path) for file in files]
    for file, stem in zip(files, stems, strict=True):
        word = _word(stem if stems.count(stem) == 1 else file.path)
        name = choice.label if len(files) == 1 else f"{choice.label}_{word}"
        checks, note = _checks(file, choice.output)
        notes += [note] if note else []
        imports |= {"import json\n\n"} if any("json." in line for line in checks) else set()
        tests.append(
            "".join(
                [f"{file.decorator}\ndef test_{name}(case, run):\n", *(f"    {line}\n" for line in checks)]
            )
        )
    graded = _GRADED if any("words_shared" in test for test in tests) else ""
    return "".join(imports) + "import pytest_fapo as fapo\n\n\n" + graded + "\n\n".join(tests), notes


def _word(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_").lower()


def _checks(file: CaseFile, output: OutputForm) -> tuple[list[str], str]:
    """Return the lines of a test that can pass, judged by the form of the labels and of the output."""
    labels = file.labels
    if not labels:
        return ["assert run.output  # it answers at all; replace this by what makes an answer right"], ""
    if all(isinstance(label, dict) for label in labels):
        names = list(dict.fromkeys(str(name) for label in labels for name in label))
        shared = [name for name in names if name in output.names] or names
        keys = "case.expected" if shared == names else f"({', '.join(map(repr, shared))},)".replace("'", '"')
        answer = {"text": "json.loads(run.output)[key]", "fields": "getattr(run.output, key)"}.get(
            output.kind, "run.output[key]"
        )
        return [f"for key in {keys}:", f"    assert {answer} == case.expected[key]"], ""
    answer, note = _answer(file, output)
    texts = [label for label in labels if isinstance(label, str)]
    if (
        texts == labels
        and sum(len(text.split()) for text in texts) > 6 * len(texts)
        and len(set(texts)) > len(texts) / 2
    ):
        lines = [f"assert {answer}", f'run.score("words_shared", words_shared({answer}, case.expected))']
        return lines, note or f"{file.path} has free texts as labels: they are graded, not compared"
    if (output.kind == "text" and not texts) or (output.kind == "number" and texts):
        return [f"assert str({answer}).strip() == str(case.expected)"], note
    return [f"assert {answer} == case.expected"], note


def _answer(file: CaseFile, output: OutputForm) -> tuple[str, str]:
    """Return the part of the output that one label stands for, and what is unsure about it."""
    if output.kind not in ("keys", "fields") or not output.names:
        return "run.output", ""
    column = str(file.source.expected or "")
    called = [word for word in (column, _word(_stem(file.path))) if word]
    alike = [near for word in called for near in get_close_matches(word, output.names, n=1, cutoff=0.6)]
    likely = alike or [name for name in output.names if _EXPECTED.fullmatch(name)]
    name = (likely or list(output.names))[0]
    unsure = name != column and len(output.names) > 1
    note = f"the labels of {file.path} are compared with {name!r}, one of {', '.join(output.names)}"
    note = note if unsure else ""
    return (f'run.output["{name}"]' if output.kind == "keys" else f"run.output.{name}"), note
