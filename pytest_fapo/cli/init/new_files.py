"""The files that are made or added to: settings, fixture, tests."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pytest_fapo.cli.init.pipeline_choice import PipelineChoice
from pytest_fapo.cli.init.project_layout import DEFAULT_KEYS, PROJECT_FILE, Layout
from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.project_file import parse_toml
from pytest_fapo.core.settings import Settings

PLACEHOLDER = "pytest_fapo.answers.placeholder:reply"


@dataclass(frozen=True)
class NewSettings:
    """The contents of `[tool.fapo]`."""

    fixture: str
    conftest: str
    steps: Sequence[str] = ()
    prompts: Sequence[str] = ()
    structure: Sequence[str] = ()
    """Files with prompts that only a rewritten function could change."""
    code: Sequence[str] = ()
    """Files with the steps' functions; offered, not allowed."""
    offline_keys: Sequence[str] = ()
    """Keys of models, where none is set; empty where a model can be asked."""

    def toml(self) -> str:
        """Return the tables."""
        prompts = _list(self.prompts) if self.prompts else '["app/prompts/*.md", "app/texts.py::*_PROMPT"]'
        why = ", since prompts stand inside of them" if self.structure else "; tried last"
        offered = json.dumps(list(self.code) or ["app/pipeline.py"])  # a comment is one line
        structure = _list(self.structure) if self.structure else offered
        text = f"""\
[tool.fapo]
# The fixture, in {self.conftest}, that gives what the cases run through.
pipeline = "{self.fixture}"
# Functions recorded as steps of a run: what went in, what came out, which model calls they made.
{"" if self.steps else "# "}steps = {_list(self.steps or ["app.pipeline:*"])}
# Who proposes edits. The playbook is free and needs no key; a model is asked where it is named:
# optimizer = ["playbook", "anthropic:<model>"]
optimizer = ["playbook"]

[tool.fapo.scope]
# What `pytest --fapo-optimize` may edit. Nothing else is ever changed.
{"" if self.prompts else "# "}prompts = {prompts}
# Values, with their bounds; tried where no wording is the cause.
# params = ["app/settings.py::TOP_K = 1..20"]
# Files whose functions may be rewritten{why}.
{"" if self.structure else "# "}structure = {structure}
"""
        if not self.offline_keys:
            return text
        return f"""{text}
[tool.fapo.offline]
# Answers in the model's place while no key ({", ".join(self.offline_keys)}) is set,
# so that the tests run at once. It is no model; set a key, or write a stand-in that knows more.
model = "{PLACEHOLDER}"
{f"unless_env = {_list(self.offline_keys)}{chr(10)}" if tuple(self.offline_keys) != DEFAULT_KEYS else ""}"""


def _list(entries: Sequence[str]) -> str:
    line = json.dumps(list(entries), ensure_ascii=False)
    if len(line) <= 90:
        return line
    return "[\n" + "".join(f"    {json.dumps(entry, ensure_ascii=False)},\n" for entry in entries) + "]"


@dataclass(frozen=True)
class PlannedFile:
    """One file as it will be."""

    path: str
    content: str
    what: str
    """Its new part, in a few words."""
    old: str | None = None
    """Its text now; None where it is made."""

    def write(self, root: Path) -> None:
        """Write it whole; one that is to be made is never written over another.

        Raises:
            OSError: it cannot be written, or was made meanwhile.
        """
        target = root / self.path
        if self.old is not None:
            write_atomically(target, self.content.encode("utf-8"))
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(self.content.encode("utf-8"))


def _added(old: str, addition: str, gap: int) -> str:
    """Return a text with lines at its end, in its own line ends."""
    newline = "\r\n" if "\r\n" in old else "\n"
    there = len(re.search(r"(?:\r?\n)*\Z", old)[0].replace("\r", "")) if old else gap  # type: ignore[index]
    return old + ("\n" * max(0, gap - there) + addition).replace("\n", newline)


def plan_settings(layout: Layout, settings: NewSettings, pythonpath: Sequence[str]) -> PlannedFile:
    """Return pyproject.toml with `[tool.fapo]` at its end, and with `pythonpath` for pytest where needed.

    Args:
        layout: the project.
        settings: what they are to say.
        pythonpath: folders that are missing in pytest's setting of that name.

    Raises:
        ConfigError: the file's form leaves no place for it; the message holds the lines to add by hand.
    """
    path = layout.root / PROJECT_FILE
    old = path.read_bytes().decode("utf-8") if path.exists() else None
    new, addition = _with_pythonpath(old or "", layout, pythonpath), settings.toml()
    if not layout.pytest_file:  # else settings of pytest in a folder above would make that the rootdir
        pythonpath = pythonpath or ["."]
        addition = f"[tool.pytest.ini_options]\npythonpath = {json.dumps(pythonpath)}\n\n{addition}"
    new = _added(new, addition, 2)
    try:
        document = parse_toml(new)
        Settings.model_validate(document["tool"].pop("fapo"))
        kept = {**layout.document, "tool": {**layout.document.get("tool", {}), "pytest": None}}
        document["tool"]["pytest"] = None
        if document != kept:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise ConfigError(
            f"{path}: these lines could not be added; add them yourself:\n\n{addition}"
        ) from None
    what = "[tool.fapo] added" if old else "made, with [tool.fapo]"
    what += f", pythonpath for pytest: {', '.join(pythonpath)}" if pythonpath else ""
    return PlannedFile(PROJECT_FILE, new, what, old)


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


def plan_conftest(layout: Layout, conftest: str, fixture: str, choice: PipelineChoice | None) -> PlannedFile:
    """Return conftest.py with the fixture at its end.

    Raises:
        ConfigError: the one that is there is not Python; the message holds the lines to add by hand.
    """
    body = (
        choice.body
        if choice is not None
        else (
            "def answer(text):  # give your own function instead: `from app.pipeline import answer`",
            '    return f"You said: {text}"',
            "",
            "return answer",
        )
    )
    source = f'@pytest.fixture(scope="session")\ndef {fixture}():\n'
    source += "".join(f"    {line}\n" if line else "\n" for line in body)
    path = layout.root / conftest
    if not path.exists():
        return PlannedFile(conftest, f"import pytest\n\n\n{source}", "made")
    try:
        old = path.read_bytes().decode("utf-8")
        imports = [
            alias for node in ast.parse(old).body if isinstance(node, ast.Import) for alias in node.names
        ]
    except (SyntaxError, ValueError):
        raise ConfigError(
            f"{path}: not valid Python in UTF-8; add the fixture yourself:\n\n{source}"
        ) from None
    known = any(alias.name == "pytest" and alias.asname is None for alias in imports)
    addition = source if known else f"import pytest  # noqa: E402\n\n\n{source}"
    return PlannedFile(conftest, _added(old, addition, 3), "fixture added", old)


def unused_name(layout: Layout, folder: str, stem: str, suffix: str, taken: Sequence[str]) -> str:
    """Return a path in a folder that is free, and whose name no other file of the project has.

    pytest refuses two test modules of one name in folders that are no packages.
    """
    names = {path.rpartition("/")[2] for path in taken}
    number = 1
    while True:
        name = f"{stem}{'' if number == 1 else f'_{number}'}{suffix}"
        if name not in names and not (layout.root / folder / name).exists():
            return f"{folder}/{name}" if folder not in ("", ".") else name
        number += 1
