"""What new code may be written with: plain statements, safe names, what its file uses, the setting `imports`.

One sentence for each thing beyond that. It explains to whoever proposes what will not do; code that hides
what it does is held by the process that runs it (`pytest_fapo.shadow`). No value is followed: a name is on
the list, or it is not.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pytest_fapo.review.code import allowed_names as allowed
from pytest_fapo.review.code.allowed_names import safe_name
from pytest_fapo.review.code.proposed_function import FunctionSource

Problem = tuple[str, str]
"""The check, and what it says."""

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

_BAD_TEXTS = (
    (re.compile(r"__\w+__"), "names {} in a string; no step needs it"),
    (re.compile(r"^(?:https?|ftp|file|wss?)://\S+$"), "holds the address {}; use the client that is there"),
    (
        re.compile(r"PYTEST_|\.fapo\b|conftest|/proc/|\.pytest_cache"),
        "names {}, which belongs to the test run",
    ),
    (re.compile(r"(?:^|/)\.\.(?:/|$)"), "holds a path that leaves its folder ({})"),
)

_OUTLIVES = (
    "changes {}, which outlives the call; cases must leave no traces: use the function's own variables"
)

_OUTSIDE = "uses {}, which is not on the list of plain names and which its file does not use; do without it"


@dataclass(frozen=True)
class CodeFile:
    """One Python file of the project as it was before."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError):
            return ast.Module([], [])

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name to the dotted name that an import of the file binds to it."""
        return dict(_imported(self.tree, self.path))

    @cached_property
    def modules(self) -> set[str]:
        """The modules that it imports, or takes names from."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                found.add(_absolute(node, self.path))
        return found

    @cached_property
    def names(self) -> set[str]:
        """Return what it binds at its top level."""
        found, waiting = set(self.imports), list[ast.AST](self.tree.body)
        while waiting:
            node = waiting.pop()
            found.update(_bound(node))
            waiting.extend(() if isinstance(node, _DEFINITIONS) else ast.iter_child_nodes(node))
        return found

    @cached_property
    def attributes(self) -> set[str]:
        """Attributes that it uses or defines."""
        used = {node.attr for node in ast.walk(self.tree) if isinstance(node, ast.Attribute)}
        return used | set(_fields(self.tree))


@dataclass(frozen=True)
class CodeChange:
    """A function's new source, with what was there before."""

    after: FunctionSource
    file: CodeFile
    earlier: Sequence[FunctionSource] = ()
    """Its old source, and those of the file's other functions that the candidate rewrites."""
    created: frozenset[str] = frozenset()
    """Functions that the candidate adds to the file."""
    imports: tuple[str, ...] = ()
    """Modules that the settings allow."""
    prompts: tuple[str, ...] = ()
    """Prompt files that code may read by their written-out names."""
    project: Callable[[str], CodeFile | None] = field(default=lambda dotted: None)
    """The project's own module of a dotted name."""
    editable: Callable[[str], bool] = field(default=lambda path: False)
    """True if a file is in the scope."""


class AllowList:
    """The reading of one new source.

    Args:
        change: the source, and its surroundings.
    """

    def __init__(self, change: CodeChange) -> None:
        self._change, self._file = change, change.file
        tree = change.after.tree
        self._own = {name for node in ast.walk(tree) for name in _bound(node)}
        self._imports = {**self._file.imports, **dict(_imported(tree, self._file.path))}
        known = [self._file, *filter(None, map(change.project, self._file.modules))]
        used = {name for file in known for name in file.attributes} - allowed.RISKY_ATTRIBUTES
        self._attributes = used | set(_fields(tree)) | allowed.PLAIN_ATTRIBUTES
        self._said = {ast.unparse(node) for source in change.earlier for node in _uses(source.tree)}
        self._said |= {ast.unparse(node) for node in _uses(self._file.tree) if self._is_constant(node)}
        self._globals = any(
            isinstance(node, ast.Global) for each in change.earlier for node in ast.walk(each.tree)
        )

    def problems(self) -> Iterator[Problem]:
        """Yield everything that is not on the list."""
        waiting: list[ast.AST] = [self._change.after.tree]
        while waiting:
            node = waiting.pop()
            if (_is_use(node) and ast.unparse(node) in self._said) or self._reads_prompt(node):
                continue
            for check, message in self._look(node):
                yield check, f"line {getattr(node, 'lineno', 0)}: {message}"
            # A module's dotted name was judged as a whole.
            whole = isinstance(node, ast.Attribute) and self._module_of(node) is not None
            waiting.extend(() if whole else ast.iter_child_nodes(node))

    def _is_constant(self, node: ast.AST) -> bool:
        """True if an expression of the file means the same in all of its functions."""
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        return names <= self._file.names and not names & self._own

    def _look(self, node: ast.AST) -> Iterator[Problem]:
        if isinstance(node, ast.Name):
            yield from self._name(node)
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            root = _root(node)
            if root in self._file.names - self._own or (
                isinstance(node, ast.Attribute) and _is_special(node.attr)
            ):
                yield "isolation", _OUTLIVES.format(ast.unparse(node))
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node)
        elif isinstance(node, ast.Call):
            yield from self._call(node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from self._import(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for pattern, message in _BAD_TEXTS:
                if found := pattern.search(node.value):
                    yield "access", message.format(found[0])
        elif isinstance(node, ast.Global) and not self._globals:
            yield "isolation", _OUTLIVES.format(f"the global {node.names[0]}")
        elif isinstance(node, ast.MatchClass):
            yield from (("access", _OUTSIDE.format(name)) for name in set(node.kwd_attrs) - self._attributes)
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            yield "access", "catches also Ctrl-C and a used-up budget; catch Exception or a narrower class"
        elif isinstance(node, ast.While) and isinstance(node.test, ast.Constant):
            if not any(isinstance(each, (ast.Break, ast.Return, ast.Raise)) for each in ast.walk(node)):
                yield "endless", "the loop has no break, return or raise; use a bounded for"
        elif isinstance(node, _DEFINITIONS) and node is not self._change.after.function:
            if _is_special(node.name) and node.name not in allowed.SAFE_METHODS:
                yield "comparison", f"defines {node.name}; return plain values, the tests compare them"
            if isinstance(node, ast.ClassDef) and node.keywords:
                yield "comparison", f"gives class {node.name} a metaclass or arguments; use a plain class"

    def _name(self, node: ast.Name) -> Iterator[Problem]:
        name, module = node.id, self._imports.get(node.id, "")
        if not isinstance(node.ctx, ast.Load):
            if _is_special(name) or (hasattr(builtins, name) and not _is_safe_builtin(name)):
                yield "access", f"takes the name {name}, which is Python's own; use another name"
        elif module in self._file.modules and safe_name(module) is None and not self._change.project(module):
            yield "access", f"passes the module {name} around; use what is needed of it by name"
        elif name in self._own | self._file.names | self._change.created or module or _is_safe_builtin(name):
            return
        elif hasattr(builtins, name) or _is_special(name):
            yield "access", _OUTSIDE.format(name)
        else:
            yield "syntax", f"{name} is not defined; define it, import it or pass it in"

    def _attribute(self, node: ast.Attribute) -> Iterator[Problem]:
        module = self._module_of(node)
        if module is None:
            fine = node.attr in self._attributes and (
                not _is_special(node.attr) or node.attr in allowed.DUNDERS
            )
        elif safe_name(module) is None:
            foreign = module.partition(".")[0] not in sys.stdlib_module_names
            known = foreign and node.attr in self._file.attributes - allowed.RISKY_ATTRIBUTES
            fine = known or (self._allows(module) and not _is_special(node.attr))
        else:
            fine = safe_name(module) is True
        if not fine:
            yield "access", _OUTSIDE.format(ast.unparse(node)[-80:] if module else f".{node.attr}")

    def _module_of(self, node: ast.Attribute) -> str | None:
        """Return the dotted name, where the expression begins with an imported module of somebody else's."""
        said = ast.unparse(node)
        first, _, rest = said.partition(".")
        dotted = self._imports.get(first, "")
        if not dotted or not rest.replace(".", "").isidentifier() or self._change.project(dotted):
            return None
        is_module = dotted in self._file.modules or self._allows(dotted)
        is_safe_module = safe_name(dotted) is not None and not dotted.rpartition(".")[2][:1].isupper()
        return f"{dotted}.{rest}" if is_module or is_safe_module else None

    def _call(self, node: ast.Call) -> Iterator[Problem]:
        func = node.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr in allowed.CHANGING
            and isinstance(func.value, ast.Name)
        ):
            if func.value.id in self._file.names - self._own:
                yield "isolation", _OUTLIVES.format(func.value.id)
        elif isinstance(func, ast.Name) and func.id in ("getattr", "hasattr"):
            named = node.args[1] if len(node.args) > 1 else None
            if not isinstance(named, ast.Constant) or named.value not in self._attributes:
                yield "access", f"uses {func.id} with another name than one that its file uses; write x.name"
        elif (
            isinstance(func, ast.Name)
            and func.id == "type"
            and (len(node.args) != 1 or _is_starred(node.args[0]))
        ):
            yield "access", "makes a class by type(...); write a class statement"

    def _allows(self, module: str) -> bool:
        """True if the setting `imports` names the module or one that holds it."""
        return any(module == name or module.startswith(f"{name}.") for name in self._change.imports)

    def _import(self, node: ast.Import | ast.ImportFrom) -> Iterator[Problem]:
        module = "" if isinstance(node, ast.Import) else _absolute(node, self._file.path)
        for alias in node.names:
            whole = f"{module}.{alias.name}" if module else alias.name
            if alias.name == "*" or not self._may_import(module or whole, whole):
                rest = "what its file imports, plain names of the standard library, modules of the scope"
                yield (
                    "imports",
                    f"imports {whole}; code may import {rest}, and what [tool.fapo] imports names",
                )

    def _may_import(self, module: str, whole: str) -> bool:
        root = module.partition(".")[0]
        if root in allowed.NEVER_IMPORTED or module.rpartition(".")[2].startswith("test_"):
            return False
        if (
            self._allows(module)
            or whole in self._file.imports.values()
            or whole in ("pathlib", "pathlib.Path")
        ):
            return True
        if safe_name(whole) is not None:
            return safe_name(whole) is True
        for name in (whole, module):
            if found := self._change.project(name):
                return name in self._file.modules or self._change.editable(found.path)
        return module in self._file.modules and root not in sys.stdlib_module_names

    def _reads_prompt(self, node: ast.AST) -> bool:
        """True for `(PROMPTS / "critic.md").read_text(...)`: a prompt of the scope, written out."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args):
            return False
        inside = list(ast.walk(node.func.value))
        names = {each.id for each in inside if isinstance(each, ast.Name)}
        texts = [each for each in inside if isinstance(each, ast.Constant)]
        texts.sort(key=lambda each: (each.lineno, each.col_offset))
        ending = "/" + "/".join(str(each.value) for each in texts)
        kinds = (ast.Name, ast.Attribute, ast.Constant, ast.BinOp, ast.Div, ast.Call, ast.Load)
        return (
            node.func.attr == "read_text"
            and names <= {*self._file.names, *self._imports, "__file__"}
            and all(isinstance(each, kinds) for each in inside)
            and any(f"/{path}".endswith(ending) for path in self._change.prompts)
        )


def _absolute(node: ast.ImportFrom, path: str) -> str:
    """Return the module of a `from` import, a relative one resolved against the file's folder."""
    folders = path.split("/")[: -node.level] if node.level else []
    return ".".join([*folders, *([node.module] if node.module else [])]).removeprefix("src.")


def _imported(tree: ast.AST, path: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
            if isinstance(node, ast.ImportFrom):
                yield alias.asname or alias.name, f"{_absolute(node, path)}.{alias.name}"
            else:
                first = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, (*_DEFINITIONS, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def _fields(tree: ast.AST) -> Iterator[str]:
    """Yield names that the classes of a file define."""
    for node in ast.walk(tree):
        for part in node.body if isinstance(node, ast.ClassDef) else ():
            yield from (name for each in ast.walk(part) for name in _bound(each))


def _is_use(node: ast.AST) -> bool:
    return isinstance(node, (ast.Call, ast.Attribute, ast.Subscript))


def _uses(tree: ast.AST) -> Iterator[ast.AST]:
    """Whole uses of something: `os.environ["MODEL"]`, and not the `os.environ` in it."""
    inner = {
        id(getattr(node, "func", None) or getattr(node, "value", None))
        for node in ast.walk(tree)
        if _is_use(node)
    }
    yield from (node for node in ast.walk(tree) if _is_use(node) and id(node) not in inner)


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_starred(node: ast.expr) -> bool:
    return isinstance(node, ast.Starred)


def _is_safe_builtin(name: str) -> bool:
    value = getattr(builtins, name, None)
    error = isinstance(value, type) and issubclass(value, Exception)
    return error or name in allowed.SAFE_BUILTINS
