"""The project's pytest settings and fixtures, keys of models, and prompts."""

from __future__ import annotations

import ast
import configparser
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_fapo.cli.init.app_code import AppCode, AppModule, dotted
from pytest_fapo.core.api_keys import key_given
from pytest_fapo.core.errors import ArtifactError, ConfigError
from pytest_fapo.core.project_file import read_toml
from pytest_fapo.core.scope import Scope
from pytest_fapo.source.artifact_store import ArtifactStore

PROJECT_FILE = "pyproject.toml"

_INI_FILES = (
    "pytest.toml",
    ".pytest.toml",
    "pytest.ini",
    ".pytest.ini",
    PROJECT_FILE,
    "tox.ini",
    "setup.cfg",
)
"""Files with settings of pytest, in the order in which it looks."""

DEFAULT_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")

_OTHER_WAYS = (
    *("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OLLAMA_HOST"),
)

_KEY = re.compile(r"[A-Z][A-Z0-9_]*_API_(?:KEY|TOKEN)")

_OWN_SERVER = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|host\.docker\.internal)\b")


@dataclass(frozen=True)
class Layout:
    """The project's way of running its tests."""

    root: Path
    document: dict[str, Any]
    """pyproject.toml; empty where there is none."""
    pytest_file: str
    """The file with pytest's settings; empty where there are none."""
    pythonpath: tuple[str, ...]
    tests: str
    """Folder of the tests, relative to the root."""

    @property
    def conftest(self) -> str:
        """The conftest.py that the fixture goes to, relative to the root; it need not exist."""
        return "conftest.py" if (self.root / "conftest.py").exists() else f"{self.tests}/conftest.py"

    @property
    def can_set_pythonpath(self) -> bool:
        """True if pytest's settings are, or can be, in pyproject.toml."""
        return self.pytest_file in ("", PROJECT_FILE)


def read_layout(root: Path) -> Layout:
    """Look at the files in the project's folder.

    Raises:
        ConfigError: pyproject.toml or another settings file cannot be read.
    """
    document = _toml(root / PROJECT_FILE)
    found = ((name, _pytest_table(root / name)) for name in _INI_FILES if (root / name).is_file())
    file, options = next(((name, table) for name, table in found if table is not None), ("", {}))
    pythonpath = tuple(Path(entry).as_posix() for entry in _listed(options.get("pythonpath")))
    return Layout(root, document, file, pythonpath, _test_folder(root, _listed(options.get("testpaths"))))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path) if path.exists() else {}
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _pytest_table(path: Path) -> dict[str, Any] | None:
    """Return pytest's settings in a file; None where pytest looks further."""
    if path.name == PROJECT_FILE:
        table = _toml(path).get("tool", {}).get("pytest")
        return dict(table.get("ini_options", table)) if table else None
    own = path.name.strip(".").startswith("pytest")
    if path.suffix == ".toml":
        return dict(_toml(path).get("pytest", {}))
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    section = "tool:pytest" if path.name == "setup.cfg" else "pytest"
    return dict(parser[section]) if parser.has_section(section) else {} if own else None


def _listed(value: Any) -> list[str]:
    return value.split() if isinstance(value, str) else [str(each) for each in value or ()]


def _test_folder(root: Path, testpaths: list[str]) -> str:
    """Return the first folder that pytest looks into; it need not be there yet."""
    named = [
        Path(name) for name in testpaths if not Path(name).is_absolute() and ".." not in Path(name).parts
    ]
    if not all(path.parts for path in named):
        named = []  # it looks everywhere
    for pattern in map(str, named) if named else ("tests", "test"):
        found = sorted(path for path in root.glob(pattern) if path.is_dir())
        if found:
            return found[0].relative_to(root).as_posix()
    made = [path.as_posix() for path in named if not set("*?[") & set(str(path)) and not path.suffix]
    return made[0] if made else "tests"


def fixtures_of(root: Path, paths: Sequence[str]) -> dict[str, str]:
    """Return every fixture of the project's conftest files, and the file that defines it."""
    fixture = re.compile(r"^@(?:\w+\.)?fixture(?:\((.*?)\))?\s*\n(?:async )?def (\w+)", re.M | re.S)
    found = {}
    for path in paths:
        if path.rpartition("/")[2] == "conftest.py":
            for options, name in fixture.findall((root / path).read_text("utf-8", errors="replace")):
                renamed = re.search(r"name=['\"](\w+)", options)
                found[renamed[1] if renamed else name] = path
    return found


def needed_keys(root: Path, code: AppCode) -> list[str]:
    """Return the keys of which one must be set before a model can be asked; empty where one is.

    They are set in the environment or in the project's `.env`. A server of one's own needs none.
    """
    texts = [text for module in code.modules.values() for text in module.texts]
    keys = [*DEFAULT_KEYS, *sorted({text for text in texts if _KEY.fullmatch(text)} - set(DEFAULT_KEYS))]
    asking = [code.functions[target].module for target in code.asking]
    if any(map(key_given, keys)) or any(map(os.environ.get, _OTHER_WAYS)):
        return []
    if any(_OWN_SERVER.match(text) for module in asking for text in module.texts):
        return []
    either = "|".join((*keys, *_OTHER_WAYS))
    line = re.compile(rf"^[ \t]*(?:export[ \t]+)?(?:{either})[ \t]*=[ \t]*[^\s#]", re.M)
    file = root / ".env"
    return [] if file.is_file() and line.search(file.read_text("utf-8", errors="replace")) else keys


# --- what may be edited --------------------------------------------------------------------------------

_PROMPT_SUFFIXES = (".md", ".txt", ".j2", ".jinja", ".jinja2", ".prompt", ".tmpl", ".mustache")

_PROMPT_FILE = re.compile(r"(?:prompt|instruction|persona)[^/]*(?:/|$)|system[^/]*$", re.I)

_NO_PROMPT = re.compile(
    r"(?:^|/)(?:tests?|docs?|examples?|build|dist|fapo-snapshots)/|\.(?:egg|dist)-info/|(?:^|/)(?:readme|license"
    r"|licence|changelog|changes|contributing|agents|claude|requirements|notice|todo)[^/]*$",
    re.I,
)

_PROMPT_NAME = re.compile(
    r"PROMPT|SYSTEM|INSTRUCTION|TEMPLATE|PERSONA|GUIDELINE|PREAMBLE|ROLE_?TEXT|HOUSE_STYLE|FEW_?SHOT", re.I
)

_OTHER_LANGUAGE = re.compile(
    r"^\s*(?:select|insert|update|create|with)\b.*\b(?:from|into|table|set)\b|^\s*<", re.I | re.S
)


def find_prompts(root: Path, paths: Sequence[str], code: AppCode) -> list[str]:
    """Return entries of the scope for text files and constants that look like prompts, and can be edited.

    Where nothing is called a prompt, the texts that the code reads are likely to be some.
    """
    texts = [path for path in paths if path.endswith(_PROMPT_SUFFIXES) and not _NO_PROMPT.search(path)]
    entries = _patterns([path for path in texts if _PROMPT_FILE.search(path)], texts)
    for module in code.modules.values():
        for constant in module.constants.values():
            least = 3 if _PROMPT_NAME.search(constant.name) else 10 if code.is_near_models(module) else 10_000
            other = constant.name.endswith("__") or _OTHER_LANGUAGE.search(constant.value)
            if len(constant.value.split()) >= least and not constant.reason and not other:
                entries.append(f"{_pattern(module.path)}::{constant.name}")
    spelled = {
        Path(text).name for module in code.modules.values() for text in module.texts if len(text) < 200
    }
    read = [_pattern(path) for path in texts if Path(path).name in spelled]
    return usable(root, "prompts", entries) or usable(root, "prompts", read)


def stuck_prompts(code: AppCode) -> list[tuple[str, str]]:
    """Return prompts that cannot be edited where they stand: `path:line`, and what they are."""
    parts: list[tuple[AppModule, str, ast.AST]] = [
        (module, constant.name, constant.expression)
        for module in code.modules.values()
        for constant in module.constants.values()
        if constant.reason
        and constant.expression is not None
        and (
            (code.is_near_models(module) and constant.name in module.objects)
            or _PROMPT_NAME.search(constant.name)
        )
    ]
    parts += [
        (each.module, f"{each.name}()", each.node) for each in map(code.functions.get, code.reaching) if each
    ]
    signatures = [
        (f"{module.path}:{each.lineno}", f"the docstring of {name}")
        for module in code.modules.values()
        for name, each in module.classes.items()
        if any("Signature" in dotted(base) for base in each.bases) and ast.get_docstring(each)
    ]
    return [text for part in parts for text in _longest_text(*part)] + signatures


def _longest_text(module: AppModule, name: str, part: ast.AST) -> Iterator[tuple[str, str]]:
    docstrings = {node.value for node in ast.walk(part) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(part) if isinstance(node, ast.JoinedStr | ast.Constant)]
    longest = max((node for node in texts if node not in docstrings), key=_words, default=None)
    if longest is not None and _words(longest) >= 5:
        kind = "an f-string" if isinstance(longest, ast.JoinedStr) else "a text"
        yield f"{module.path}:{longest.lineno}", f"{kind} in {name}"


def _words(node: ast.AST) -> int:
    texts = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
    return sum(len(text.split()) for text in texts if isinstance(text, str))


def usable(root: Path, setting: str, entries: list[str]) -> list[str]:
    """Return the entries of the scope that stand for something that can be edited."""
    good = []
    for entry in entries:
        try:
            found = ArtifactStore(root, Scope.model_validate({setting: [entry]})).all()
        except (ArtifactError, ValueError):
            continue
        good += [entry] if any(each.text.strip() for each in found) else []
    return good


def _patterns(found: list[str], paths: Sequence[str]) -> list[str]:
    """Return `folder/*.md` where all files of that kind in a folder are prompts; else the paths."""
    entries: list[str] = []
    for path in found:
        folder, _, name = path.rpartition("/")
        alike = {
            each for each in paths if each.rpartition("/")[0] == folder and each.endswith(Path(name).suffix)
        }
        whole = folder and alike <= set(found) and (len(alike) > 1 or _PROMPT_FILE.search(f"{folder}/"))
        entries.append(f"{_pattern(folder)}/*{Path(name).suffix}" if whole else _pattern(path))
    return list(dict.fromkeys(entries))


def _pattern(path: str) -> str:
    """Return a path whose own brackets are no pattern."""
    return re.sub(r"([*?\[])", r"[\1]", path)
