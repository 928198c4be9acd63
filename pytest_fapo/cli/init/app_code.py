"""The project's code, parsed and never imported: its functions, who calls whom, where a model is asked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.constants import StringBinding, parse_module

_NOT_THE_APP = re.compile(
    r"(?:^|/)(?:tests?|testing|docs?|examples?|benchmarks?|build|dist|migrations|notebooks?|env|venv)/"
    r"|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|setup|noxfile|fapo_stand_in)\.py$"
)

_ENDPOINT = re.compile(r"/(?:chat/completions|completions|responses|embeddings|messages)/?$")

_POST = re.compile(r"(?:^|\.)(?:post|request|stream|urlopen|send)$")

_SDK_CALL = re.compile(
    r"(?:^|\.)(?:chat\.completions|completions|responses|messages|embeddings)"
    r"\.(?:with_raw_response\.|with_streaming_response\.)?(?:create|parse|stream|acreate)$"
)

_LIBRARY = re.compile(
    r"^(?:openai|anthropic|litellm|langchain\w*|langgraph|pydantic_ai|agents|llama_index|dspy|google|vertexai"
    r"|mistralai|cohere|ollama|boto3|instructor|haystack|crewai)(?:\.|$)"
)

_LIBRARY_CALL = re.compile(
    r"(?:^|\.)(?:a?invoke|a?batch|a?stream|a?completion|a?responses|embedding|predict|run|run_sync|run_stream"
    r"|run_streamed|iter|a?complete|a?chat|a?query|a?generate|kickoff|converse|generate_content\w*)$"
)

_PLAIN_TYPE = re.compile(
    r"(?:str|int|float|bool|[lL]ist|[dD]ict|[tT]uple|None|Any|object|Optional|Union|Literal|Mapping|Sequence|Iterable"
    r"|JsonValue|typing|collections|abc|t)"
)

_ENTRY_DECORATOR = re.compile(
    r"\.(?:get|post|put|route|websocket|command|callback|task|tool|event)$|^command$"
)

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
    constants: dict[str, StringBinding] = field(repr=False)

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name to what it stands for, `app.llm.ask`, of every import in the module."""
        names: dict[str, str] = {}
        package = self.name.split(".")[: None if self.path.endswith("/__init__.py") else -1]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names |= {each.asname or each.name.split(".")[0]: each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                start = ".".join([*above, *([node.module] if node.module else [])])
                names |= {each.asname or each.name: f"{start}.{each.name}".strip(".") for each in node.names}
        return names

    @cached_property
    def texts(self) -> list[str]:
        """Every literal text, those inside of f-strings too."""
        values = (node.value for node in ast.walk(self.tree) if isinstance(node, ast.Constant))
        return [value for value in values if isinstance(value, str)]

    @cached_property
    def spells_an_endpoint(self) -> bool:
        return any(_ENDPOINT.search(text) for text in self.texts)

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @cached_property
    def objects(self) -> dict[str, ast.expr]:
        """The values that the top level binds to single names."""
        return {
            statement.targets[0].id: statement.value
            for statement in self.tree.body
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        }


def app_modules(root: Path, paths: Sequence[str]) -> list[AppModule]:
    """Return the application's modules: no tests, documents, builds. What is not Python is passed over."""
    modules = []
    for path in paths:
        if path.endswith(".py") and not _NOT_THE_APP.search(path):
            name, import_root = importable(root, path)
            try:
                parsed = parse_module((root / path).read_bytes(), path)
            except (ArtifactError, OSError, RecursionError):
                continue
            if all(part.isidentifier() for part in name.split(".")):
                modules.append(AppModule(path, name, import_root, parsed.tree, parsed.constants))
    return modules


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


@dataclass(frozen=True)
class AppParameter:
    """An argument of a function, or a field of a class."""

    name: str
    annotation: str = ""
    required: bool = True

    @property
    def is_plain(self) -> bool:
        """True if JSON data could be given for it, as far as the annotation tells."""
        words = re.findall(r"[A-Za-z_]\w*", re.sub(r"(['\"]).*?\1", "", self.annotation))
        return all(map(_PLAIN_TYPE.fullmatch, words))


@dataclass(frozen=True, eq=False)
class AppFunction:
    """A function of a module, or a method of a class at its top level."""

    module: AppModule
    owner: str
    """Name of the class; empty for a plain function."""
    node: FunctionNode = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.owner}.{self.node.name}".strip(".")

    @property
    def target(self) -> str:
        """`app.pipeline:Bot.answer`."""
        return f"{self.module.name}:{self.name}"

    @property
    def decorators(self) -> set[str]:
        return {dotted(each) for each in self.node.decorator_list}

    @property
    def accepts(self) -> list[AppParameter]:
        """The arguments that a caller can give, without `self`."""
        return parameters(self.node.args)[1 if self.owner and "staticmethod" not in self.decorators else 0 :]

    @property
    def takes(self) -> list[AppParameter]:
        """The arguments that a caller must give."""
        return [each for each in self.accepts if each.required]

    @property
    def is_entry(self) -> bool:
        """True if it is how a program is started or reached, rather than the work itself."""
        return (
            self.node.name in ("main", "cli", "run_cli", "app", "serve", "start", "lifespan")
            or self.module.name.endswith("__main__")
            or any(map(_ENTRY_DECORATOR.search, self.decorators))
        )


def parameters(arguments: ast.arguments) -> list[AppParameter]:
    """Return the named parameters of a function, with `self`."""
    listed = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(listed) - len(arguments.defaults)) + [
        *arguments.defaults,
        *arguments.kw_defaults,
    ]
    return [
        AppParameter(each.arg, ast.unparse(each.annotation) if each.annotation else "", default is None)
        for each, default in zip([*listed, *arguments.kwonlyargs], defaults, strict=True)
    ]


def fields_of(owner: ast.ClassDef, *bases: str) -> list[AppParameter]:
    """Return the fields of a class if it is a dataclass or has one of these bases."""
    kinds = {dotted(each).rpartition(".")[2] for each in (*owner.decorator_list, *owner.bases)}
    return [
        AppParameter(each.target.id, ast.unparse(each.annotation), each.value is None)
        for each in owner.body
        if kinds & {"dataclass", *bases}
        and isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
    ]


class AppCode:
    """The application's functions, and who calls whom among them, judged by names.

    Args:
        modules: all of the application.
    """

    def __init__(self, modules: Sequence[AppModule]) -> None:
        self.modules = {module.name: module for module in modules}
        self.functions = {each.target: each for module in modules for each in _functions(module)}
        self._methods: dict[str, list[str]] = {}
        for target, each in self.functions.items():
            if each.owner:
                self._methods.setdefault(each.node.name, []).append(target)
        self.calls: dict[str, set[str]] = {}
        self.asking: set[str] = set()
        """Targets of the functions that ask a model themselves."""
        self.loose: list[str] = []
        """Places where a model is asked outside of every function, so that importing the module asks it."""
        for module in modules:
            apart = {node for each in module.tree.body if _is_guard(each) for node in ast.walk(each)}
            for function in [each for each in self.functions.values() if each.module is module]:
                nodes = list(ast.walk(function.node))
                apart.update(nodes)
                called = {target for node in nodes for target in self._meant(node, function)}
                self.calls[function.target] = called - {function.target}
                if any(isinstance(each, ast.Call) and self.asks(module, each) for each in nodes):
                    self.asking.add(function.target)
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call) and node not in apart and self.asks(module, node):
                    self.loose.append(f"{module.path}:{node.lineno}")

    def below(self, target: str) -> set[str]:
        """Return the function and everything that it calls, directly or not."""
        return _reachable(target, self.calls)

    @cached_property
    def reaching(self) -> dict[str, set[str]]:
        """Target to the functions below it that ask a model, for those that have any."""
        below = {target: self.below(target) & self.asking for target in self.functions}
        return {target: asking for target, asking in below.items() if asking}

    def is_near_models(self, module: AppModule) -> bool:
        """True if a module imports a library of models, spells an endpoint, or leads to a call of a model."""
        if module.spells_an_endpoint or any(map(_LIBRARY.search, module.imports.values())):
            return True
        return module.name in self._modules_that_reach

    @cached_property
    def _modules_that_reach(self) -> set[str]:
        return {self.functions[target].module.name for target in self.reaching}

    def find_class(self, module: AppModule, name: str) -> tuple[AppModule, ast.ClassDef] | None:
        """Return the application's class that a name in a module stands for."""
        home, _, last = module.imports.get(name, f"{module.name}.{name}").rpartition(".")
        found = self.modules.get(home)
        return (found, found.classes[last]) if found is not None and last in found.classes else None

    def asks(self, module: AppModule, call: ast.Call) -> bool:
        """True if a call sends a request to a model, as far as its spelling tells."""
        name = dotted(call.func)
        head, _, rest = name.partition(".")
        meant = module.imports.get(head, head)
        home = self.modules.get(meant.rpartition(".")[0], module)
        if _SDK_CALL.search(name) or (module.spells_an_endpoint and _POST.search(name)):
            return True
        if any(each.split(".")[0] == "dspy" for each in home.imports.values()):
            program = home.objects.get(name, call.func)
            if name.startswith("self.") or (isinstance(program, ast.Call) and "dspy" in dotted(program)):
                return True
        if not rest and meant == head:  # a function or a variable of the module's own
            return False
        own = head in module.imports and home is module
        imported = [meant] if own else [*module.imports.values(), *home.imports.values()]
        return bool(_LIBRARY_CALL.search(f"{meant}.{rest}".strip("."))) and any(
            map(_LIBRARY.search, imported)
        )

    def named(self, module: AppModule, name: str) -> list[str]:
        """Return the targets of a dotted name: a function, a method, or what making the class runs."""
        head, _, rest = name.partition(".")
        parts = f"{module.imports.get(head, f'{module.name}.{head}')}.{rest}".strip(".").split(".")
        splits = (f"{'.'.join(parts[:end])}:{'.'.join(parts[end:])}" for end in range(1, len(parts)))
        made = ("", ".__init__", ".__call__", ".forward")
        return [f"{each}{end}" for each in splits for end in made if f"{each}{end}" in self.functions]

    def _meant(self, node: ast.AST, function: AppFunction) -> list[str]:
        """Return the functions that a name or attribute may stand for."""
        name = dotted(node) if isinstance(node, ast.Name | ast.Attribute) else ""
        head, _, rest = name.partition(".")
        if head in ("self", "cls") and function.owner:
            name = f"{function.owner}.{rest}"
        found = self.named(function.module, name) if name else []
        if found or not rest or head in function.module.imports:
            return found
        methods = self._methods.get(rest.rpartition(".")[2], [])
        return methods if len(methods) == 1 else []


def _functions(module: AppModule) -> Iterator[AppFunction]:
    for statement in module.tree.body:
        owner = statement.name if isinstance(statement, ast.ClassDef) else ""
        for node in statement.body if isinstance(statement, ast.ClassDef) else [statement]:
            if isinstance(node, FunctionNode):
                yield AppFunction(module, owner, node)


def _is_guard(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)


def _reachable(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        new = edges.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen
