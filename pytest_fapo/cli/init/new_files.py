"""The files that are made or added to: settings and fixture."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pytest_fapo.cli.init.app_code import AppCode
from pytest_fapo.cli.init.pipeline_choice import PipelineChoice
from pytest_fapo.core.api_keys import key_given
from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.project_file import parse_toml
from pytest_fapo.core.settings import Settings

_KEYS = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"]

_KEY = re.compile(r"['\"]([A-Z][A-Z0-9_]*_API_(?:KEY|TOKEN))['\"]")

_OTHER_WAYS = (
    *("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OLLAMA_HOST"),
)

_OWN_SERVER = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|host\.docker\.internal)\b")

_PYTEST_FILES = ("pytest.toml", "pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
"""Files with settings of pytest, in the order in which it looks."""


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


def plan_settings(
    root: Path, *, fixture: str, steps: Sequence[str], keys: Sequence[str], objective: str = ""
) -> PlannedFile:
    """Return pyproject.toml with `[tool.fapo]` at its end.

    Args:
        root: the project.
        fixture: that returns the pipeline.
        steps: the setting of that name.
        keys: of models, where none is set; empty where a model can be asked.
        objective: the graded metric that is to rise, where no test can fail.

    Raises:
        ConfigError: the file's form leaves no place for it; the message holds the lines to add by hand.
    """
    addition = f"""\
[tool.fapo]
# The fixture in conftest.py that returns the pipeline.
pipeline = "{fixture}"
# Functions to record as steps of a run: inputs, outputs, model calls.
{"" if steps else "# "}steps = {toml_list(steps or ["app.pipeline:*"])}
# Who proposes edits. The playbook is free and needs no key; to ask a model, too:
# optimizer = ["playbook", "anthropic:<model>"]
optimizer = ["playbook"]
"""
    if objective:
        addition += "# The graded metric to raise; the tests themselves fail only without an answer.\n"
        addition += f"objective = {json.dumps(objective)}\n"
    if keys:
        addition += f"""
# Answers in place of the model while no key ({", ".join(keys)}) is set, so that the tests run right away.
# It is not a model: set a key, or write a better stand-in.
[tool.fapo.offline]
model = "pytest_fapo.answers.placeholder:reply"
{f"unless_env = {toml_list(keys)}{chr(10)}" if list(keys) != _KEYS else ""}"""
    return plan_addition(root, addition)


def plan_addition(root: Path, addition: str) -> PlannedFile:
    """Return pyproject.toml with tables of `[tool.fapo]` at its end; all that is there stays.

    Raises:
        ConfigError: the file's form leaves no place for it; the message holds the lines to add by hand.
    """
    path = root / "pyproject.toml"
    old = path.read_bytes().decode("utf-8") if path.exists() else None
    new = added(old or "", addition, 2)
    try:
        document, before = parse_toml(new), parse_toml(old or "")
        tables, earlier = document["tool"].pop("fapo"), before.setdefault("tool", {}).pop("fapo", {})
        Settings.model_validate(tables)
        if document != before or any(tables[name] != value for name, value in earlier.items()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise ConfigError(
            f"{path}: these lines could not be added; add them yourself:\n\n{addition}"
        ) from None
    return PlannedFile("pyproject.toml", new, "[tool.fapo] added" if old else "made, with [tool.fapo]", old)


def toml_list(entries: Sequence[str]) -> str:
    """Return a list of texts as TOML, on several lines where it is long."""
    line = json.dumps(list(entries), ensure_ascii=False)
    if len(line) <= 90:
        return line
    return "[\n" + "".join(f"    {json.dumps(entry, ensure_ascii=False)},\n" for entry in entries) + "]"


def added(old: str, addition: str, gap: int) -> str:
    """Return a text with lines at its end, in its own line ends."""
    newline = "\r\n" if "\r\n" in old else "\n"
    there = old[len(old.rstrip("\r\n")) :].count("\n") if old else gap
    return old + ("\n" * max(0, gap - there) + addition).replace("\n", newline)


def plan_conftest(root: Path, fixtures: Mapping[str, PipelineChoice]) -> PlannedFile:
    """Return the project's conftest.py with the fixtures of the pipelines at its end.

    It is the one in the project's folder, which pytest puts on `sys.path`; a fixture adds another folder.

    Raises:
        ConfigError: the one that is there is not Python; the message holds the lines to add by hand.
    """
    path = root / "conftest.py"
    source = "\n\n".join(_fixture(root, name, choice) for name, choice in fixtures.items())
    if not path.exists():
        return PlannedFile("conftest.py", f"import pytest\n\n\n{source}", "made")
    try:
        old = path.read_bytes().decode("utf-8")
        there = [ast.unparse(node) for node in ast.parse(old).body]
    except (SyntaxError, ValueError):
        raise ConfigError(
            f"{path}: not valid Python in UTF-8; add the fixture yourself:\n\n{source}"
        ) from None
    source = source if "import pytest" in there else f"import pytest\n\n\n{source}"
    return PlannedFile("conftest.py", added(old, source, 3), "fixture added", old)


def _fixture(root: Path, name: str, choice: PipelineChoice) -> str:
    folder, body = choice.import_root, list(choice.body)
    texts = _pytest_files(root)
    named = any(re.search(rf"pythonpath\s*=.*{re.escape(folder)}", text) for text in texts)
    by_path = (root / "__init__.py").exists() or any("importlib" in text for text in texts)
    if not named and (folder != "." or by_path):
        place = "Path(__file__).parent" + ("" if folder == "." else f" / {json.dumps(folder)}")
        body = ["import sys", "from pathlib import Path", "", f"sys.path.insert(0, str({place}))", *body]
    lines = "".join(f"    {line}\n" if line else "\n" for line in body)
    return f'@pytest.fixture(scope="session")\ndef {name}():\n{lines}'


def _pytest_files(root: Path) -> list[str]:
    files = (root / name for name in _PYTEST_FILES)
    return [file.read_text("utf-8", errors="replace") for file in files if file.is_file()]


def tests_folder(root: Path) -> str:
    """Return the first folder that pytest looks into, relative to the project; it need not be there yet."""
    found = (re.search(r"^testpaths\s*=((?:.*\n?)(?:[ \t\]].*\n?)*)", t, re.M) for t in _pytest_files(root))
    named = re.findall(r"[\w./*-]+", next((each[1] for each in found if each), ""))
    named = [Path(each).as_posix() for each in named if ".." not in each and not Path(each).is_absolute()]
    if "." in named:
        named = []  # it looks everywhere
    for pattern in named or ("tests", "test"):
        there = sorted(path for path in root.glob(pattern) if path.is_dir())
        if there:
            return there[0].relative_to(root).as_posix()
    return next((each for each in named if "*" not in each and not each.endswith(".py")), "tests")


def unused_name(folder: str, stem: str, suffix: str, taken: Iterable[str]) -> str:
    """Return a path in a folder whose name no file of the project has.

    pytest refuses two test modules of one name in folders that are no packages.
    """
    names = {path.rpartition("/")[2] for path in taken}
    numbered = (f"{stem}{'' if number == 1 else f'_{number}'}{suffix}" for number in itertools.count(1))
    return f"{folder}/{next(name for name in numbered if name not in names)}"


def needed_keys(root: Path, code: AppCode) -> list[str]:
    """Return the keys of which one must be set before a model can be asked; empty where one is.

    They are set in the environment or in the project's `.env`. A server of one's own needs none.
    """
    found = {key for module in code.modules for key in _KEY.findall(module.text)}
    keys = [*_KEYS, *sorted(found - set(_KEYS))]
    if any(map(key_given, keys)) or any(map(os.environ.get, _OTHER_WAYS)):
        return []
    if any(_OWN_SERVER.search(code.functions[target].module.text) for target in code.asking):
        return []
    either = "|".join((*keys, *_OTHER_WAYS))
    line = re.compile(rf"^[ \t]*(?:export[ \t]+)?(?:{either})[ \t]*=[ \t]*[^\s#]", re.M)
    file = root / ".env"
    return [] if file.is_file() and line.search(file.read_text("utf-8", errors="replace")) else keys
