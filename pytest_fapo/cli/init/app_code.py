"""The project's code, parsed and never imported: its functions, who calls whom, where a model is asked.

Calls are judged by names alone, which need not be right everywhere: the user sees the choice.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

_NOT_THE_APP = re.compile(
    r"(?:^|/)(?:tests?|testing|docs?|examples?|benchmarks?|build|dist|migrations|notebooks?|env|venv)/"
    r"|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|setup|noxfile)\.py$"
)

_SDK_CALL = re.compile(
    r"\b(?:completions|responses|messages|embeddings)\.(?:\w+_response\.)?(?:create|parse|stream|acreate)\("
)

_ENDPOINT = re.compile(
    r"/(?:chat/completions|completions|responses|embeddings|messages|api/(?:chat|generate)|v2/chat|converse)\b"
    r"|:(?:streamG|g)enerateContent\b"
)

_POST = re.compile(r"\b(?:post|request|stream|urlopen|send)\(")

_LIBRARY = re.compile(
    r"(?:openai|anthropic|litellm|langchain\w*|langgraph|pydantic_ai|agents|llama_index|dspy|google|vertexai"
    r"|mistralai|cohere|ollama|boto3|instructor|haystack|crewai)\b"
)

_LIBRARY_CALL = (
    r"(?:a?invoke|a?batch|a?stream|a?completion|a?responses|embedding|predict|run|run_sync|run_stream|run_streamed"
    r"|iter|a?complete|a?chat|a?query|a?generate|kickoff|converse|generate_content\w*)"
)

_ENTRY = re.compile(r"\.(?:get|post|put|route|websocket|command|callback|task|event)$")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def dotted(node: ast.AST) -> str:
    """Return `client.chat.completions.create` of an expression; calls in between are left out."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".strip(".")
    if isinstance(node, ast.Call):
        return dotted(node.func)
    return node.id if isinstance(node, ast.Name) else ""


@dataclass(frozen=True, eq=False)
class AppModule:
    """One module of the application."""

    path: str
    """Relative to the project, POSIX."""
    name: str
    """As it is imported: `app.pipeline`."""
    import_root: str
    """Folder that must be on `sys.path` for that, relative to the project; `.` for the project itself."""
    tree: ast.Module = field(repr=False)
    text: str = field(repr=False)

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name to what it stands for, `app.llm.ask`; the dots of relative imports are left out."""
        return {
            each.asname or each.name.partition(".")[0]: f"{getattr(node, 'module', '') or ''}.{each.name}"
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for each in node.names
        }

    @cached_property
    def imported_names(self) -> set[str]:
        """The parts of the dotted names that it imports."""
        return {part for each in self.imports.values() for part in each.split(".")}

    @cached_property
    def imports_library(self) -> bool:
        """True if it imports a library of models."""
        return any(_LIBRARY.match(meant.strip(".")) for meant in self.imports.values())

    @cached_property
    def objects(self) -> dict[str, str]:
        """Names that the top level binds to what a call returns, and what is called."""
        return {
            each.targets[0].id: dotted(each.value)
            for each in self.tree.body
            if isinstance(each, ast.Assign)
            and isinstance(each.targets[0], ast.Name)
            and isinstance(each.value, ast.Call)
        }

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        return {each.name: each for each in self.tree.body if isinstance(each, ast.ClassDef)}


@dataclass(frozen=True, eq=False)
class AppFunction:
    """A function of a module, or a method of a class at its top level."""

    module: AppModule
    owner: str
    """Name of the class; empty for a plain function."""
    node: FunctionNode = field(repr=False)

    @property
    def target(self) -> str:
        """`app.pipeline:Bot.answer`."""
        return f"{self.module.name}:{f'{self.owner}.{self.node.name}'.strip('.')}"

    @property
    def is_shared(self) -> bool:
        """True if it can be called without an object of its class."""
        made = {dotted(each) for each in self.node.decorator_list}
        return not self.owner or bool(made & {"staticmethod", "classmethod"})

    @property
    def is_entry(self) -> bool:
        """True if it is how a program is started or reached, rather than the work itself."""
        named = self.node.name in ("main", "cli", "run_cli", "app", "serve", "start", "lifespan")
        reached = any(_ENTRY.search(dotted(each)) for each in self.node.decorator_list)
        return named or reached or self.module.name.endswith("__main__")

    @cached_property
    def mentions(self) -> set[str]:
        """Names and attributes in it; of an object that the module makes, its class too."""
        nodes = list(ast.walk(self.node))
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        made = {self.module.objects[name].rpartition(".")[2] for name in names & self.module.objects.keys()}
        return names | made | {node.attr for node in nodes if isinstance(node, ast.Attribute)}

    def arguments(self) -> tuple[list[ast.arg], list[ast.arg]]:
        """Return those that a caller must give, and those that may be left out; without `self`."""
        given = self.node.args
        listed = [*given.posonlyargs, *given.args]
        needed = listed[: len(listed) - len(given.defaults)]
        needed += [
            each for each, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value is None
        ]
        first = (
            listed[:1] if self.owner and "staticmethod" not in map(dotted, self.node.decorator_list) else []
        )
        everything = [each for each in (*listed, *given.kwonlyargs) if each not in first]
        return [each for each in needed if each not in first], [e for e in everything if e not in needed]


class AppCode:
    """The application's functions, and who calls whom among them.

    Args:
        root: the project.
        paths: its files; tests, documents and builds are not the application's.
    """

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self.modules = list(_modules(root, paths))
        functions = [each for module in self.modules for each in _functions(module)]
        self.functions = {each.target: each for each in functions}
        self.classes = {name: node for module in self.modules for name, node in module.classes.items()}
        near = {each.name.rpartition(".")[2] for each in self.modules if each.imports_library}
        self.asking = {each.target for each in functions if _asks(each, near)}
        """Targets of the functions that ask a model themselves."""
        self.is_guess = not self.asking
        """True if no library of models is known by name: then any use of a foreign package counts."""
        if self.is_guess:
            own = {part for each in self.modules for part in each.name.split(".")}
            self.asking = {each.target for each in functions if _uses_package(each, own)}
        self.named: dict[str, list[AppFunction]] = {}
        """Functions by the name that calls them: their own, or that of the class."""
        for each in functions:
            special = each.node.name in ("__init__", "__call__", "forward")
            self.named.setdefault(each.owner if special else each.node.name, []).append(each)
        self.calls = {
            each.target: {
                other.target
                for name in each.mentions & self.named.keys()
                for other in self.named[name]
                if other is not each and _knows(each.module, other)
            }
            for each in functions
        }
        callers: dict[str, set[str]] = {}
        for caller, called in self.calls.items():
            for target in called:
                callers.setdefault(target, set()).add(caller)
        self.reaching: dict[str, set[str]] = {}
        for asking in self.asking:
            for target in _connected(asking, callers):
                self.reaching.setdefault(target, set()).add(asking)
        """Target to the functions below it that ask a model, for those that have any."""

    def below(self, target: str) -> set[str]:
        """Return the function and everything that it calls, directly or not."""
        return _connected(target, self.calls)


def _connected(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        new = edges.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def _asks(function: AppFunction, near: set[str]) -> bool:
    """Return True if a function sends a request to a model, as far as its spelling tells.

    Args:
        function: of the application.
        near: last names of the modules that import a library of models; what they make asks one.
    """
    source, module = ast.unparse(function.node), function.module
    if _SDK_CALL.search(source) or (_ENDPOINT.search(module.text) and _POST.search(source)):
        return True
    imports = module.imports.items()
    holders = [name for name, meant in imports if meant.rpartition(".")[0].rpartition(".")[2] in near]
    holder = r"[\w)\]]" if module.imports_library else rf"\b(?:{'|'.join(holders) or 'no holder'})"
    asked = [rf"{holder}\.{_LIBRARY_CALL}\("]
    direct = re.compile(rf"{_LIBRARY.pattern}.*\.{_LIBRARY_CALL}$")
    asked += [rf"\b{name}\(" for name, meant in imports if direct.match(meant)]
    if "dspy" in module.imports:
        made = [name for name, called in module.objects.items() if called.startswith("dspy.")]
        asked += [r"\bself\.\w+\(", *(rf"\b{name}\(" for name in made)]
    return any(re.search(each, source) for each in asked)


def _uses_package(function: AppFunction, own: set[str]) -> bool:
    """Return True if a function uses what its module imports of neither the project nor Python itself."""
    foreign = {
        name
        for name, meant in function.module.imports.items()
        if (top := meant.strip(".").partition(".")[0]) not in own and top not in sys.stdlib_module_names
    }
    made = {name for name, called in function.module.objects.items() if called.partition(".")[0] in foreign}
    names = {node.id for node in ast.walk(function.node) if isinstance(node, ast.Name)}
    return not names.isdisjoint(foreign | made)


def _knows(module: AppModule, function: AppFunction) -> bool:
    """Return True if a function is the module's own, or the module imports it, its class or its module."""
    if function.module is module:
        return True
    names = {function.module.name.rpartition(".")[2], function.node.name, function.owner}
    return not names.isdisjoint(module.imported_names)


def importable(root: Path, path: str) -> tuple[str, str]:
    """Return how a file is imported: its dotted name, and the folder that must be on `sys.path` for it.

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


def _modules(root: Path, paths: Sequence[str]) -> Iterator[AppModule]:
    for path in paths:
        if path.endswith(".py") and not _NOT_THE_APP.search(path):
            name, import_root = importable(root, path)
            try:
                text = (root / path).read_text("utf-8")
                tree = ast.parse(text)
            except (SyntaxError, ValueError, OSError, RecursionError):
                continue  # what is not Python is passed over
            if all(part.isidentifier() for part in name.split(".")):
                yield AppModule(path, name, import_root, tree, text)


def _functions(module: AppModule) -> Iterator[AppFunction]:
    for statement in module.tree.body:
        owner = statement.name if isinstance(statement, ast.ClassDef) else ""
        for node in statement.body if isinstance(statement, ast.ClassDef) else [statement]:
            if isinstance(node, FunctionNode):
                yield AppFunction(module, owner, node)
