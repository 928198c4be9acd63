"""Which files are made or added to, and what they hold then."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pytest_fapo.cli.init.pipeline_choice import FixtureSubject
from pytest_fapo.cli.init.project_survey import DEFAULT_KEYS, PROJECT_FILE, Layout
from pytest_fapo.cli.init.source_modules import AppParameter
from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.errors import CaseError, ConfigError
from pytest_fapo.core.project_file import parse_toml
from pytest_fapo.core.settings import Settings
from pytest_fapo.session.case_files import read_rows
from pytest_fapo.session.case_loading import load_cases
from pytest_fapo.session.cases_decorator import CaseSource

_SUFFIXES = (".jsonl", ".csv", ".tsv", ".json")

_PLACE = re.compile(
    r"case|eval|gold|label|dataset|data/|example|sample|test|train|question|ticket|faq|bank", re.I
)

_EXPECTED = re.compile(
    r"expected|expected_(?:output|answer)|label|answer|output|category|class|intent|team|target|gold|"
    r"ground_truth|reference|sentiment|topic",
    re.I,
)

_TEXT = re.compile(
    r"text|question|query|input|message|prompt|ticket|body|content|utterance|email|mail|review", re.I
)

_FEWEST, _MOST_BYTES = 5, 5_000_000


@dataclass(frozen=True)
class Labelled:
    """A file that fits the pipeline."""

    path: str
    count: int
    mapping: str
    """Further arguments of `cases(...)`, beginning with a comma; empty where the file needs none."""


def find_labelled(root: Path, paths: Sequence[str], takes: Sequence[AppParameter]) -> Labelled | None:
    """The file with most cases whose columns are what the pipeline takes, and a label.

    Args:
        root: the project.
        paths: its files.
        takes: what the pipeline must be given.
    """
    found = [_read(root, path, takes) for path in paths if path.endswith(_SUFFIXES) and _PLACE.search(path)]
    return max((each for each in found if each is not None), key=lambda each: each.count, default=None)


def _read(root: Path, path: str, takes: Sequence[AppParameter]) -> Labelled | None:
    try:
        if (root / path).stat().st_size > _MOST_BYTES:
            return None
        rows = [row.value for row in read_rows(root / path, path)]
        if len(rows) < _FEWEST or not all(isinstance(row, dict) for row in rows):
            return None
        mapping = _mapping(rows, takes)
        if mapping is None:
            return None
        source = CaseSource(path, **mapping)
        cases = load_cases(source, test_file=root / "test_.py", folders=[root])
    except (CaseError, OSError, RecursionError):
        return None
    words = "".join(f", {name}={_literal(value)}" for name, value in mapping.items())
    return Labelled(path, len(cases), words)


def _mapping(rows: list[dict[str, Any]], takes: Sequence[AppParameter]) -> dict[str, Any] | None:
    """The arguments `inputs` and `expected` of `cases` for these rows; None where they do not fit."""
    columns = [str(name) for name in rows[0]]
    names = [parameter.name for parameter in takes]
    if "inputs" in columns and "expected" in columns:
        inputs = rows[0]["inputs"]
        return {} if isinstance(inputs, dict) and set(names) <= set(inputs) else None
    expected = next((name for name in columns if _EXPECTED.fullmatch(name) and name not in names), None)
    if expected is None or not names:
        return None
    if set(names) <= set(columns):
        return {"inputs": names, "expected": expected}
    texts = [name for name in columns if _TEXT.fullmatch(name) and name != expected]
    if len(names) == 1 and len(texts) == 1:
        return {"inputs": {names[0]: texts[0]}, "expected": expected}
    return None


def _literal(value: Any) -> str:
    return repr(value).replace("'", '"')


OFFLINE = "pytest_fapo.answers.placeholder:reply"

_SPLITS = ("train", "val", "holdout")


@dataclass(frozen=True)
class InitFacts:
    """What goes into the settings."""

    fixture: str
    conftest: str
    steps: Sequence[str] = ()
    prompts: Sequence[str] = ()
    read: Sequence[str] = ()
    """Other texts that the code reads; offered, not allowed."""
    params: Sequence[str] = ()
    structure: Sequence[str] = ()
    """Files with prompts that only a rewritten function could change."""
    code: Sequence[str] = ()
    """Files with the steps' functions; offered, not allowed."""
    placeholder: bool = False
    """Whether something has to answer in the model's place for now."""
    further_keys: Sequence[str] = ()
    """Environment variables whose keys the code uses, beside those of OpenAI and Anthropic."""


def settings(found: InitFacts) -> str:
    """The tables `[tool.fapo]`."""
    lines = [
        "[tool.fapo]",
        f"# The fixture, in {found.conftest}, that gives what the cases run through.",
        f'pipeline = "{found.fixture}"',
        "# Functions recorded as steps of a run: what went in, what came out, which model calls they made.",
        f"steps = {_list(found.steps, wrap=True)}" if found.steps else '# steps = ["app.pipeline:*"]',
        "# Who proposes edits. The playbook is free and needs no key; a model is asked where it is named:",
        '# optimizer = ["playbook", "anthropic:<model>"]',
        'optimizer = ["playbook"]',
        "",
        "[tool.fapo.scope]",
        "# What `pytest --fapo-optimize` may edit. Nothing else is ever changed.",
        f"prompts = {_list(found.prompts, wrap=True)}"
        if found.prompts
        else '# prompts = ["app/prompts/*.md", "app/texts.py::*_PROMPT"]',
        *([f"# Other texts that the code reads: {_list(found.read)}"] if found.read else []),
        "# Values, with their bounds; tried where no wording is the cause.",
        f"# params = {_list(found.params or ['app/settings.py::TOP_K = 1..20'])}",
    ]
    if found.structure:
        lines += [
            "# Files whose functions may be rewritten. The prompts in them are inside of functions.",
            f"structure = {_list(found.structure, wrap=True)}",
        ]
    else:
        lines += [
            "# Files whose functions may be rewritten; tried last.",
            f"# structure = {_list(found.code or ['app/pipeline.py'])}",
        ]
    return "\n".join([*lines, *_offline(found)]) + "\n"


def _offline(found: InitFacts) -> list[str]:
    if not found.placeholder:
        return []
    keys = [*DEFAULT_KEYS, *found.further_keys]
    return [
        "",
        "[tool.fapo.offline]",
        f"# Answers in the model's place while no key ({', '.join(keys)}) is set,",
        "# so that the tests run at once. It is no model; set a key, or write a stand-in that knows more.",
        f'model = "{OFFLINE}"',
        *([f"unless_env = {_list(keys)}"] if found.further_keys else []),
    ]


def _list(entries: Sequence[str], *, wrap: bool = False) -> str:
    quoted = [json.dumps(entry, ensure_ascii=False) for entry in entries]
    line = f"[{', '.join(quoted)}]"
    if not wrap or len(line) <= 90:
        return line
    return "[" + "".join(f"\n    {entry}," for entry in quoted) + "\n]"


def source_of_test(cases: str, subject: FixtureSubject, mapping: str = "") -> str:
    """The test of the first cases.

    Args:
        cases: path of the case file, relative to the test file.
        subject: the pipeline.
        mapping: further arguments of `cases`, for a file of the project's own; its cases have labels.
    """
    if mapping:
        checks = "    assert run.output == case.expected\n"
    else:
        checks = (
            "    assert run.output  # it answers at all; replace this by what makes an answer right\n"
            "    if case.expected is not None:\n"
            "        assert run.output == case.expected\n"
        )
    return (
        "import pytest_fapo as fapo\n\n\n"
        f'@fapo.cases("{cases}"{mapping})\n'
        f"def test_{subject.label}(case, run):\n"
        f"{checks}"
    )


def case_file(subject: FixtureSubject) -> str:
    """Three cases to be replaced, one in each split, as JSONL."""
    rows = [
        {"id": f"first-{number + 1}", "inputs": subject.inputs(number), "expected": None, "split": split}
        for number, split in enumerate(_SPLITS)
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@dataclass(frozen=True)
class PlannedFile:
    """One file as it will be."""

    path: str
    content: bytes
    what: str
    """What is new in it, in a few words."""
    creates: bool

    def write(self, root: Path) -> None:
        """Write it whole; one that is to be made is never written over another.

        Raises:
            OSError: it cannot be written, or was made meanwhile.
        """
        target = root / self.path
        if not self.creates:
            write_atomically(target, self.content)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(self.content)


def plan_settings(layout: Layout, found: InitFacts, pythonpath: Sequence[str]) -> PlannedFile:
    """pyproject.toml with `[tool.fapo]` at its end, and with `pythonpath` for pytest where that is needed.

    Args:
        layout: the project.
        found: what the settings are to say.
        pythonpath: folders that are missing in pytest's setting of that name.

    Raises:
        ConfigError: the file's form leaves no place for it; the message holds the lines to add by hand.
    """
    path = layout.root / PROJECT_FILE
    old = path.read_bytes() if path.exists() else b""
    text = old.decode("utf-8")
    newline = "\r\n" if "\r\n" in text else "\n"
    new, addition = _with_pythonpath(text, layout, pythonpath), settings(found)
    if not layout.pytest_file and (pythonpath or layout.needs_pytest_table):
        line = f"pythonpath = {list(pythonpath)}\n".replace("'", '"') if pythonpath else ""
        addition = f"[tool.pytest.ini_options]\n{line}\n{addition}"
    gap = "" if not new or new.endswith(newline * 2) else newline if new.endswith("\n") else newline * 2
    new += gap + addition.replace("\n", newline)
    _check(new, layout, addition)
    what = "[tool.fapo] added" if old else "made, with [tool.fapo]"
    if pythonpath:
        what += f", pythonpath for pytest: {', '.join(pythonpath)}"
    return PlannedFile(PROJECT_FILE, new.encode("utf-8"), what, creates=not old)


def _with_pythonpath(text: str, layout: Layout, pythonpath: Sequence[str]) -> str:
    if not pythonpath or layout.pytest_file != PROJECT_FILE:
        return text
    import tomlkit

    document = tomlkit.parse(text)
    table = document["tool"]["pytest"]
    table = table.get("ini_options", table)
    table["pythonpath"] = [*layout.pythonpath, *pythonpath]
    changed = tomlkit.dumps(document)
    whole_windows = text.count("\n") == text.count("\r\n")
    return re.sub(r"(?<!\r)\n", "\r\n", changed) if whole_windows else changed


def _check(text: str, layout: Layout, addition: str) -> None:
    """What is written must say what was meant, and nothing else may have changed."""
    advice = f"{layout.root / PROJECT_FILE}: these lines could not be added; add them yourself:\n\n{addition}"
    try:
        document = parse_toml(text)
        Settings.model_validate(document["tool"].pop("fapo"))
        before = {**layout.document, "tool": {**layout.document.get("tool", {}), "pytest": None}}
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise ConfigError(advice) from None
    document["tool"]["pytest"] = None
    if document != before:
        raise ConfigError(advice)


def plan_conftest(layout: Layout, fixture: str) -> PlannedFile:
    """conftest.py with the fixture at its end.

    Raises:
        ConfigError: the one that is there is not Python; the message holds the lines to add by hand.
    """
    path = layout.root / layout.conftest
    if not path.exists():
        return PlannedFile(layout.conftest, f"import pytest\n\n\n{fixture}".encode(), "made", creates=True)
    old = path.read_bytes()
    try:
        tree = ast.parse(old)
        text = old.decode("utf-8")
    except (SyntaxError, ValueError):
        raise ConfigError(
            f"{path}: not valid Python in UTF-8; add the fixture yourself:\n\n{fixture}"
        ) from None
    newline = "\r\n" if "\r\n" in text else "\n"
    start = "" if _imports_pytest(tree) else "import pytest  # noqa: E402\n\n\n"
    gap = "" if not text.strip() else "\n\n" if text.endswith(("\n", "\r")) else "\n\n\n"
    new = text + (gap + start + fixture).replace("\n", newline)
    return PlannedFile(layout.conftest, new.encode("utf-8"), "fixture added", creates=False)


def _imports_pytest(tree: ast.Module) -> bool:
    return any(
        alias.name == "pytest" and alias.asname is None
        for node in tree.body
        if isinstance(node, ast.Import)
        for alias in node.names
    )


def unused_name(layout: Layout, folder: str, stem: str, suffix: str, taken: Sequence[str]) -> str:
    """A path in `folder` that is free, and whose name no other file of the project has.

    pytest refuses two test modules of one name in folders that are no packages.
    """
    names = {path.rpartition("/")[2] for path in taken}
    number = 1
    while True:
        name = f"{stem}{'' if number == 1 else f'_{number}'}{suffix}"
        if name not in names and not (layout.root / folder / name).exists():
            return f"{folder}/{name}" if folder not in ("", ".") else name
        number += 1
