"""What is found out about a project without running its code: pytest's settings, fixtures, keys,
pipelines, prompts.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_fapo.cli.init.pipeline_choice import pipeline_candidates
from pytest_fapo.cli.init.source_modules import (
    UNSEEN_CALLS,
    AppFunction,
    CallGraph,
    SourceModule,
    application_modules,
    project_paths,
)
from pytest_fapo.cli.init.tunable_texts import PromptTexts, find_params, find_prompts
from pytest_fapo.core.api_keys import key_given
from pytest_fapo.core.errors import ArtifactError, ConfigError
from pytest_fapo.core.project_file import read_toml
from pytest_fapo.core.scope import Scope
from pytest_fapo.source.artifact_store import ArtifactStore

PROJECT_FILE = "pyproject.toml"

_INI_SECTIONS = (
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)

_PARENTS_FILES = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml")


@dataclass(frozen=True)
class Layout:
    """What `fapo init` must fit in with."""

    root: Path
    document: dict[str, Any]
    """pyproject.toml; empty where there is none."""
    pytest_file: str
    """The file with pytest's settings; empty where there are none."""
    pythonpath: tuple[str, ...]
    importlib_mode: bool
    tests: str
    """Folder of the tests, relative to the root."""
    conftest: str
    """The conftest.py that the fixture goes to, relative to the root; it need not exist."""

    @property
    def has_settings(self) -> bool:
        return "fapo" in self.document.get("tool", {})

    @property
    def can_set_pythonpath(self) -> bool:
        """Whether pytest's settings are, or can be, in pyproject.toml."""
        return self.pytest_file in ("", PROJECT_FILE)

    @property
    def needs_pytest_table(self) -> bool:
        """Whether a folder above would make itself pytest's rootdir unless this project has settings."""
        if self.pytest_file:
            return False
        return any(
            (parent / name).exists() for parent in self.root.parents for name in _PARENTS_FILES
        ) or any("pytest" in _tool(parent / PROJECT_FILE) for parent in self.root.parents)

    def finds(self, import_root: str) -> bool:
        """Whether modules below a folder of the project can be imported in its tests as things are."""
        if import_root in self.pythonpath:
            return True
        return not self.importlib_mode and import_root in {
            self._prepended(path) for path in self._conftests()
        }

    def _conftests(self) -> list[str]:
        """Those that pytest loads before any test of ours."""
        return [
            path
            for path in ("conftest.py", self.conftest)
            if path == self.conftest or (self.root / path).exists()
        ]

    def _prepended(self, path: str) -> str:
        """The folder that pytest puts on `sys.path` for a conftest.py: the first one that is no package."""
        parts = path.split("/")[:-1]
        while parts and (self.root.joinpath(*parts) / "__init__.py").exists():
            parts.pop()
        return "/".join(parts) or "."


def read_layout(root: Path) -> Layout:
    """Look at the files in the project's folder.

    Raises:
        ConfigError: pyproject.toml or another settings file cannot be read.
    """
    document = _document(root / PROJECT_FILE)
    file, options = _pytest_options(root, document)
    tests = _test_folder(root, _listed(options.get("testpaths")))
    conftest = "conftest.py" if (root / "conftest.py").exists() else f"{tests}/conftest.py"
    return Layout(
        root=root,
        document=document,
        pytest_file=file,
        pythonpath=tuple(str(Path(entry).as_posix()) for entry in _listed(options.get("pythonpath"))),
        importlib_mode="importlib" in " ".join(_listed(options.get("addopts"))),
        tests=tests,
        conftest=conftest,
    )


def fixtures_of(root: Path, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and file of every fixture that the project's conftest files define."""
    for path in paths:
        if path.rpartition("/")[2] == "conftest.py":
            for node in _functions(root / path):
                for decorator in node.decorator_list:
                    call = decorator.func if isinstance(decorator, ast.Call) else decorator
                    if ast.unparse(call).rpartition(".")[2] == "fixture":
                        yield _fixture_name(decorator) or node.name, path


def is_installed(module: str, root: Path) -> bool:
    """Whether this interpreter finds the project's module wherever it runs (an editable install)."""
    code = (
        "import importlib.util, sys\n"
        "spec = importlib.util.find_spec(sys.argv[1])\n"
        "places = [*(spec.submodule_search_locations or ()), spec.origin or ''] if spec else []\n"
        "print(*places, sep='\\n')\n"
    )
    top = module.partition(".")[0]
    done = subprocess.run(
        [sys.executable, "-c", code, top], cwd="/", capture_output=True, text=True, check=False, timeout=60
    )
    found = [Path(line).resolve() for line in done.stdout.splitlines() if line.startswith("/")]
    return done.returncode == 0 and any(path.is_relative_to(root.resolve()) for path in found)


def _document(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return read_toml(path)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _tool(path: Path) -> dict[str, Any]:
    try:
        return dict(read_toml(path).get("tool", {}))
    except (ValueError, OSError, TypeError):
        return {}


def _pytest_options(root: Path, document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The file that pytest takes its settings from, and what stands there, in pytest's own order."""
    for name in ("pytest.toml", ".pytest.toml"):
        if (root / name).is_file():
            return name, dict(_document(root / name).get("pytest", {}))
    for name, section in _INI_SECTIONS[:2]:
        if (root / name).is_file():
            return name, _ini(root / name, section) or {}
    table = document.get("tool", {}).get("pytest", {})
    if table:
        return PROJECT_FILE, dict(table.get("ini_options", table))
    for name, section in _INI_SECTIONS[2:]:
        options = _ini(root / name, section)
        if options is not None:
            return name, options
    return "", {}


def _ini(path: Path, section: str) -> dict[str, Any] | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return dict(parser[section]) if parser.has_section(section) else None


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError:
            return value.split()
    return [str(each) for each in value] if isinstance(value, list) else []


def _test_folder(root: Path, testpaths: list[str]) -> str:
    """The first folder that pytest looks into; where it is not there yet, it is made."""
    named = [name for name in testpaths if not Path(name).is_absolute() and ".." not in Path(name).parts]
    if not all(Path(name).parts for name in named):
        named = []  # it looks everywhere
    for pattern in named or ["tests", "test"]:
        found = sorted(path for path in root.glob(pattern) if path.is_dir() and path != root)
        if found:
            return found[0].relative_to(root).as_posix()
    made = [name for name in named if not set("*?[") & set(name) and not Path(name).suffix]
    return Path(made[0]).as_posix() if made else "tests"


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    return [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def _fixture_name(decorator: ast.expr) -> str:
    for keyword in decorator.keywords if isinstance(decorator, ast.Call) else []:
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return ""


DEFAULT_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
"""Without these the stand-in answers, unless the settings say otherwise."""

_KEY = re.compile(r"[A-Z][A-Z0-9_]*_API_(?:KEY|TOKEN)")

_OWN_SERVER = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|host\.docker\.internal)\b")

_OTHER_WAYS = (
    "ANTHROPIC_AUTH_TOKEN",
    "OPENAI_BASE_URL",
    "OPENAI_API_BASE",
    "ANTHROPIC_BASE_URL",
    "OLLAMA_HOST",
)


def key_names(modules: Iterable[SourceModule]) -> list[str]:
    """Environment variables of keys: the SDKs' own, and those that the code names."""
    named = {text for module in modules for text in module.texts if _KEY.fullmatch(text)}
    return [*DEFAULT_KEYS, *sorted(named - set(DEFAULT_KEYS))]


def can_ask(root: Path, modules: Sequence[SourceModule], asking: Iterable[str]) -> bool:
    """Whether a key is set, here or in the project's `.env`, or the code asks a server of its own.

    Args:
        root: the project.
        modules: its application's.
        asking: paths of the modules that ask a model.
    """
    names = key_names(modules)
    if any(key_given(name) for name in names) or any(os.environ.get(name) for name in _OTHER_WAYS):
        return True
    wanted = set(asking)
    if any(_OWN_SERVER.match(text) for module in modules if module.path in wanted for text in module.texts):
        return True
    either = "|".join((*names, *_OTHER_WAYS))
    line = re.compile(rf"^[ \t]*(?:export[ \t]+)?(?:{either})[ \t]*=[ \t]*[^\s#]".encode(), re.M)
    try:
        return bool(line.search((root / ".env").read_bytes()))
    except OSError:
        return False


@dataclass(frozen=True)
class ProjectSurvey:
    """The project as it is."""

    layout: Layout
    paths: list[str]
    modules: list[SourceModule]
    graph: CallGraph

    @classmethod
    def of(cls, root: Path) -> ProjectSurvey:
        """Read the project.

        Raises:
            ConfigError: a settings file cannot be read.
        """
        layout = read_layout(root)
        paths = project_paths(root)
        modules = application_modules(root, paths)
        return cls(layout, paths, modules, CallGraph(modules))

    @cached_property
    def by_name(self) -> dict[str, SourceModule]:
        return {module.name: module for module in self.modules}

    @cached_property
    def candidates(self) -> list[AppFunction]:
        return pipeline_candidates(self.graph, self.by_name)

    @cached_property
    def prompts(self) -> PromptTexts:
        """Prompts that the scope can name; what it could not take is left out."""
        found = find_prompts(self.layout.root, self.paths, self.modules, self.graph)
        root = self.layout.root
        entries, read = _usable(root, found.entries, "prompts"), _usable(root, found.read, "prompts")
        # Where nothing is called a prompt, what the code reads is likely to be one.
        return PromptTexts(entries or read, read if entries else [], found.stuck)

    @cached_property
    def params(self) -> list[str]:
        return _usable(self.layout.root, find_params(self.modules), "params")

    @cached_property
    def fixtures(self) -> dict[str, str]:
        """Fixture to the conftest.py that defines it."""
        return dict(fixtures_of(self.layout.root, self.paths))

    @cached_property
    def unseen(self) -> list[str]:
        """Libraries in modules that name a model's endpoint, or whose calls can only be a model's, and that
        pytest-fapo cannot record."""
        used = {name for module in self.modules for name in module.imports.values()}
        asking = {
            name for module in self.modules if module.spells_an_endpoint for name in module.imports.values()
        }
        return sorted(
            library
            for library in UNSEEN_CALLS
            if any(
                name == library or name.startswith(f"{library}.")
                for name in (used if library.startswith(("google.", "vertexai")) else asking)
            )
        )

    @cached_property
    def can_ask(self) -> bool:
        """Whether the model could be asked now; else something has to answer in its place."""
        asking = {self.graph.functions[target].module.path for target in self.graph.asking}
        return can_ask(self.layout.root, self.modules, asking)

    @cached_property
    def further_keys(self) -> list[str]:
        """Environment variables of keys that the code names, beside those of OpenAI and Anthropic."""
        return [name for name in key_names(self.modules) if name not in DEFAULT_KEYS]

    def missing_on_path(self, function: AppFunction | None) -> list[str]:
        """Folders that pytest's `pythonpath` lacks to import a function's module."""
        if function is None or self.layout.finds(function.module.import_root):
            return []
        if is_installed(function.module.name, self.layout.root):
            return []
        return [function.module.import_root]


def _usable(root: Path, entries: list[str], setting: str) -> list[str]:
    good = []
    for entry in entries:
        try:
            ArtifactStore(root, Scope.model_validate({setting: [entry]})).all()
        except (ArtifactError, ValueError):
            continue
        good.append(entry)
    return good
