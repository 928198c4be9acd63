"""The project's own code, parsed and never imported: its functions, what they call, and where a model is
asked.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.addresses import all_paths
from pytest_fapo.source.constants import StringBinding, parse_module

_APART = re.compile(
    r"(?:^|/)(?:tests?|testing|docs?|examples?|benchmarks?|build|dist|migrations|notebooks?|env|venv)/"
)

_TESTS = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|setup|noxfile|fapo_stand_in)\.py$")

_ENDPOINT = re.compile(r"/(?:chat/completions|completions|responses|embeddings|messages)/?$")

_MOST_FILES = 20_000


@dataclass(frozen=True)
class SourceModule:
    """One module of the application."""

    path: str
    """Relative to the project, POSIX."""
    name: str
    """As it is imported: `app.pipeline`."""
    import_root: str
    """Folder that must be on `sys.path` for that, relative to the project; `.` for the project itself."""
    tree: ast.Module = field(repr=False)
    constants: dict[str, StringBinding] = field(repr=False)

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name to what it stands for, `app.llm.ask`, of every import in the module."""
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    names[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                start = self._absolute(node)
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{start}.{alias.name}" if start else alias.name
        return names

    @cached_property
    def libraries(self) -> frozenset[str]:
        """Top-level names of everything that the module imports."""
        return frozenset(name.split(".")[0] for name in self.imports.values())

    @cached_property
    def texts(self) -> list[str]:
        """Every literal text, those inside of f-strings too."""
        return [
            node.value
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]

    @cached_property
    def spells_an_endpoint(self) -> bool:
        """Whether a text in the module ends like the URL of a model's endpoint."""
        return any(_ENDPOINT.search(text) for text in self.texts)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".")
        if not self.path.endswith("/__init__.py"):
            package = package[:-1]
        package = package[: len(package) - node.level + 1]
        return ".".join([*package, *([node.module] if node.module else [])])


def project_paths(root: Path) -> list[str]:
    """Every file that could be the project's own, relative and POSIX."""
    return all_paths(root, limit=_MOST_FILES)


def application_modules(root: Path, paths: list[str]) -> list[SourceModule]:
    """The modules of the application: no tests, documents, builds. What is not Python is passed over."""
    modules = []
    for path in paths:
        if not path.endswith(".py") or _TESTS.search(path) or _APART.search(path):
            continue
        try:
            parsed = parse_module((root / path).read_bytes(), path)
        except (ArtifactError, OSError, RecursionError):
            continue
        name, import_root = importable(root, path)
        if all(part.isidentifier() for part in name.split(".")):
            modules.append(SourceModule(path, name, import_root, parsed.tree, parsed.constants))
    return modules


def importable(root: Path, path: str) -> tuple[str, str]:
    """How a file is imported: its dotted name, and the folder that must be on `sys.path` for it.

    Packages with an `__init__.py` decide; without one, `src` and `lib` are such folders, else the project is.
    """
    parts = path.removesuffix(".py").split("/")
    top = len(parts) - 1
    while top > 0 and (root.joinpath(*parts[:top]) / "__init__.py").is_file():
        top -= 1
    if top == len(parts) - 1:
        top = 1 if parts[0] in ("src", "lib") and len(parts) > 1 else 0
    name = parts[top:-1] if parts[-1] == "__init__" and len(parts) > top + 1 else parts[top:]
    return ".".join(name), "/".join(parts[:top]) or "."


_SDK_METHODS = re.compile(
    r"(?:^|\.)(?:chat\.completions|completions|responses|messages|embeddings)"
    r"\.(?:with_raw_response\.|with_streaming_response\.)?(?:create|parse|stream|acreate)$"
)

_BY_LIBRARY = {
    "litellm": re.compile(
        r"(?:^|\.)(?:completion|acompletion|text_completion|responses|aresponses|embedding)$"
    ),
    "langchain": re.compile(r"\.(?:invoke|ainvoke|batch|abatch|stream|astream|predict|run)$"),
    "langgraph": re.compile(r"\.(?:invoke|ainvoke|stream|astream)$"),
    "pydantic_ai": re.compile(r"\.(?:run|run_sync|run_stream|iter)$"),
    "agents": re.compile(r"^Runner\.(?:run|run_sync|run_streamed)$"),
    "llama_index": re.compile(r"\.(?:complete|acomplete|chat|achat|query|aquery|predict)$"),
    "dspy": re.compile(r"^(?:self\.\w+|predict|program|dspy\.\w+\(.*\))$"),
    "openai": re.compile(r"^openai\.ChatCompletion\.a?create$"),
}

_POSTS = re.compile(r"(?:^|\.)(?:post|request|stream|urlopen|send)$")

UNSEEN_CALLS = {
    "requests": "requests",
    "aiohttp": "aiohttp",
    "boto3": "boto3",
    "urllib3": "urllib3",
    "google.generativeai": "google.generativeai",
    "vertexai": "vertexai",
}
"""Libraries whose calls do not pass through httpx, so that they are neither recorded nor cached."""


class ModelCalls:
    """Tells calls that send a request to a model from others, as far as their spelling tells.

    Args:
        module: where the calls stand.
        modules: the application's modules by name.
    """

    def __init__(self, module: SourceModule, modules: Mapping[str, SourceModule]) -> None:
        self._module = module
        self._modules = modules

    def __call__(self, call: ast.Call) -> bool:
        name = dotted(call.func)
        if _SDK_METHODS.search(name):
            return True
        head, _, rest = name.partition(".")
        meant = self._module.imports.get(head, head)
        full = f"{meant}.{rest}" if rest else meant
        libraries = self._libraries(meant)
        for library, pattern in _BY_LIBRARY.items():
            if any(each.startswith(library) for each in libraries) and (
                pattern.search(name) or (full.startswith(library) and pattern.search(full))
            ):
                return True
        return self._module.spells_an_endpoint and bool(_POSTS.search(name))

    def _libraries(self, meant: str) -> frozenset[str]:
        """What the module imports, and what the application's module imports that the object comes from."""
        home = self._modules.get(meant.rpartition(".")[0])
        return self._module.libraries | (home.libraries if home is not None else frozenset())


def dotted(node: ast.expr) -> str:
    """`client.chat.completions.create` of the expression; calls in between are left out."""
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else node.attr
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call):
        return dotted(node.func)
    return ""


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_PLAIN = {"str", "int", "float", "bool", "list", "dict", "None", "Any", "object"} | {
    *("List", "Dict", "Optional", "Union", "Literal", "Mapping", "Sequence", "Iterable", "JsonValue"),
    *("tuple", "Tuple", "typing", "collections", "abc", "t"),
}

_ENTRY_NAMES = {"main", "cli", "run_cli", "app", "serve", "start", "lifespan"}

_ENTRY_DECORATORS = re.compile(
    r"\.(?:get|post|put|route|websocket|command|callback|task|tool|event)$|^command$"
)


@dataclass(frozen=True)
class AppParameter:
    """What a caller must give."""

    name: str
    annotation: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether JSON data could be given for it, as far as the annotation tells."""
        words = re.findall(r"[A-Za-z_]\w*", re.sub(r"(['\"]).*?\1", "", self.annotation))
        return all(word in _PLAIN for word in words)


@dataclass(frozen=True)
class AppFunction:
    """A function of a module, or a method of a class at its top level."""

    module: SourceModule
    owner: str
    """Name of the class; empty for a plain function."""
    node: FunctionNode = field(repr=False)
    takes: tuple[AppParameter, ...]
    """What has no default, without `self`."""
    positional: bool
    """Whether the first of them cannot be given by keyword."""
    owner_needs: tuple[str, ...] = ()
    """What the class must be given to be made."""

    @property
    def name(self) -> str:
        """`answer` or `Bot.answer`."""
        return f"{self.owner}.{self.node.name}" if self.owner else self.node.name

    @property
    def target(self) -> str:
        """`app.pipeline:Bot.answer`."""
        return f"{self.module.name}:{self.name}"

    @property
    def place(self) -> str:
        return f"{self.module.path}:{self.node.lineno}"

    @cached_property
    def is_entry(self) -> bool:
        """Whether it is how a program is started or reached, rather than the work itself."""
        decorators = [dotted(each) for each in self.node.decorator_list]
        return (
            self.node.name in _ENTRY_NAMES
            or self.module.name.rpartition(".")[2] == "__main__"
            or any(_ENTRY_DECORATORS.search(each) for each in decorators)
        )

    @property
    def is_private(self) -> bool:
        return any(part.startswith("_") for part in self.name.split("."))

    @property
    def fits(self) -> bool:
        """Whether a case's inputs can be given to it as it is."""
        return bool(self.takes) and not self.owner_needs and all(each.is_plain for each in self.takes)


class CallGraph:
    """Who calls whom among the application's functions, judged by names.

    Args:
        modules: the application.
    """

    def __init__(self, modules: Iterable[SourceModule]) -> None:
        self.functions: dict[str, AppFunction] = {}
        self.asking: set[str] = set()
        """Targets of the functions that ask a model themselves."""
        self.calls: dict[str, set[str]] = {}
        self.loose: list[str] = []
        """Places where a model is asked outside of every function."""
        modules = list(modules)
        self._modules = {module.name: module for module in modules}
        for module in modules:
            for function in functions_of(module):
                self.functions[function.target] = function
        self._methods: dict[str, list[str]] = {}
        for target, function in self.functions.items():
            if function.owner:
                self._methods.setdefault(function.node.name, []).append(target)
        for module in modules:
            self._read(module)

    def below(self, target: str) -> set[str]:
        """The function and everything that it calls, directly or not."""
        return _reachable(target, self.calls)

    @cached_property
    def reaching(self) -> dict[str, set[str]]:
        """Target to the functions below it that ask a model, for those that have any."""
        callers: dict[str, set[str]] = {}
        for target, called in self.calls.items():
            for each in called:
                callers.setdefault(each, set()).add(target)
        found: dict[str, set[str]] = {}
        for target in sorted(self.asking):
            for above in _reachable(target, callers):
                found.setdefault(above, set()).add(target)
        return found

    def _read(self, module: SourceModule) -> None:
        asks = ModelCalls(module, self._modules)
        inside: set[ast.AST] = set()
        for function in functions_of(module):
            nodes = list(ast.walk(function.node))
            inside.update(nodes)
            called = {found for node in nodes for found in self._meant(node, module, function.owner)}
            self.calls[function.target] = called - {function.target}
            if any(isinstance(each, ast.Call) and asks(each) for each in nodes):
                self.asking.add(function.target)
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call) or node in inside:
                continue
            if asks(node):
                self.loose.append(f"{module.path}:{node.lineno}")

    def _meant(self, node: ast.AST, module: SourceModule, owner: str) -> Iterator[str]:
        """The functions that a name or attribute may stand for."""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield from self._known(module.imports.get(node.id, f"{module.name}.{node.id}"))
        elif isinstance(node, ast.Attribute):
            head, _, rest = dotted(node).partition(".")
            if head in ("self", "cls") and f"{module.name}:{owner}.{rest}" in self.functions:
                yield f"{module.name}:{owner}.{rest}"
            elif head in module.imports:
                yield from self._known(f"{module.imports[head]}.{rest}")
            elif len(self._methods.get(node.attr, ())) == 1 and not node.attr.startswith("__"):
                yield self._methods[node.attr][0]

    def _known(self, name: str) -> Iterator[str]:
        """Targets of a dotted name: a function, a method of a class, or what making the class runs."""
        parts = name.split(".")
        for end in range(len(parts) - 1, 0, -1):
            target = f"{'.'.join(parts[:end])}:{'.'.join(parts[end:])}"
            if target in self.functions:
                yield target
                return
            for method in ("__init__", "__call__", "forward"):
                if f"{target}.{method}" in self.functions:
                    yield f"{target}.{method}"


def _reachable(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        for each in edges.get(waiting.pop(), ()):
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return seen


def functions_of(module: SourceModule) -> Iterator[AppFunction]:
    """Functions and methods at the top of a module, in their order."""
    for statement in module.tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield _function(module, "", statement, ())
        elif isinstance(statement, ast.ClassDef):
            needs = _needs_of(statement)
            for inner in statement.body:
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield _function(module, statement.name, inner, needs)


def _needs_of(owner: ast.ClassDef) -> tuple[str, ...]:
    """What the class must be given; of a dataclass or a model, its fields without a default."""
    for statement in owner.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return tuple(each.name for each in _required(statement.args)[1:])
    if owner.decorator_list or any("Model" in dotted(base) for base in owner.bases):
        return tuple(
            each.target.id
            for each in owner.body
            if isinstance(each, ast.AnnAssign) and each.value is None and isinstance(each.target, ast.Name)
        )
    return ()


def _function(module: SourceModule, owner: str, node: FunctionNode, needs: tuple[str, ...]) -> AppFunction:
    static = any(dotted(each) == "staticmethod" for each in node.decorator_list)
    shared = static or any(dotted(each) == "classmethod" for each in node.decorator_list)
    takes = _required(node.args)
    if owner and not static:
        takes = takes[1:]
    only = {each.arg for each in node.args.posonlyargs}
    positional = bool(takes) and takes[0].name in only
    return AppFunction(module, owner, node, tuple(takes), positional, () if shared else needs)


def _required(arguments: ast.arguments) -> list[AppParameter]:
    listed = [*arguments.posonlyargs, *arguments.args]
    listed = listed[: len(listed) - len(arguments.defaults)]
    listed += [
        each
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    return [
        AppParameter(each.arg, ast.unparse(each.annotation) if each.annotation is not None else "")
        for each in listed
    ]
