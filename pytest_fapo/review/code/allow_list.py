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
from collections.abc import Iterable, Iterator

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.review.code import allowed_names as allowed
from pytest_fapo.review.code.code_file import CodeFile
from pytest_fapo.review.review_subject import EditedText, ReviewSubject

_BAD_TEXT = re.compile(
    r"__\w+__|^(?:https?|ftp|file|wss?)://\S+$|PYTEST_|\.fapo\b|conftest|/proc/|\.pytest_cache|(?:^|/)\.\.(?:/|$)"
)

_OUTLIVES = (
    "changes {}, which outlives the call; cases must leave no traces: use the function's own variables"
)

_OUTSIDE = "uses {}, which is not on the list of plain names and which its file does not use; do without it"

_IMPORTED = (
    "imports {}; code may import what its file imports, plain names of the standard library, "
    "modules of the scope, and what [tool.fapo] imports names"
)


class AllowList:
    """The reading of one new source.

    Args:
        change: the source.
        subject: the candidate that it is a part of.
    """

    def __init__(self, change: EditedText, subject: ReviewSubject) -> None:
        path, self._subject = change.artifact.path, subject
        self._new = CodeFile(path, change.after)
        self._file = self._read(path)
        here = [each for each in subject.changes if each.artifact.path == path]
        earlier = [CodeFile(path, each.before) for each in here]
        self._created = {each.artifact.name.rpartition(".")[2] for each in here if each.created}
        self._imports = {**self._file.imports, **self._new.imports}
        known = [self._file, *map(self._project, self._file.modules.union(self._file.imports.values()))]
        used = {name for file in known for name in file.attributes} - allowed.RISKY_ATTRIBUTES
        self._attributes = used | self._new.fields | allowed.PLAIN_ATTRIBUTES
        self._said = {ast.unparse(node) for source in earlier for node in _uses(source.tree)}
        self._said |= {ast.unparse(node) for node in _uses(self._file.tree) if self._is_constant(node)}

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield everything that is not on the list: the check, and what it says."""
        waiting: list[ast.AST] = [self._new.tree]
        while waiting:
            node = waiting.pop()
            if _is_use(node) and ast.unparse(node) in self._said:
                continue
            for check, message in self._look(node):
                yield check, f"line {getattr(node, 'lineno', 0)}: {message}"
            if not (isinstance(node, ast.Attribute) and self._module(node.value)):
                waiting.extend(ast.iter_child_nodes(node))

    def _is_constant(self, node: ast.AST) -> bool:
        """True if an expression of the file means the same in all of its functions."""
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        return names <= self._file.names and not names & self._new.variables

    def _look(self, node: ast.AST) -> Iterator[tuple[str, str]]:
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                yield from self._name(name)
            case ast.Name(id=name):
                if _is_special(name) or (hasattr(builtins, name) and not allowed.is_safe_builtin(name)):
                    yield "access", f"takes the name {name}, which is Python's own; use another name"
            case ast.Import() | ast.ImportFrom():
                for module, name in self._new.imported(node):
                    if not self._may_import(module, name):
                        yield "imports", _IMPORTED.format(f"{module}.{name}" if name else module)
            case ast.Attribute(value=value, attr="read_text") if self._is_prompt(value):
                return
            case ast.Attribute(value=value, attr=name, ctx=ast.Load()):
                module = self._module(value)
                if not (self._may_import(module, name) if module else self._may_use(name)):
                    yield "access", _OUTSIDE.format(f"{module}.{name}")
            case ast.Attribute() | ast.Subscript() if not isinstance(node.ctx, ast.Load):
                if self._is_elsewhere(node) or _is_special(getattr(node, "attr", "")):
                    yield "isolation", _OUTLIVES.format(ast.unparse(node))
            case ast.Call(func=ast.Attribute(value=ast.Name() as value, attr=name)):
                if name in allowed.CHANGING and self._is_elsewhere(value):
                    yield "isolation", _OUTLIVES.format(value.id)
            case ast.Call(func=ast.Name(id="getattr" | "hasattr" as name), args=args):
                written = args[1].value if len(args) > 1 and isinstance(args[1], ast.Constant) else None
                if not isinstance(written, str) or not self._may_use(written):
                    yield "access", f"uses {name} with another name than its file uses; write x.name"
            case ast.Call(func=ast.Name(id="type"), args=args):
                if len(args) != 1 or isinstance(args[0], ast.Starred):
                    yield "access", "makes a class by type(...); write a class statement"
            case ast.Constant(value=str(text)):
                if found := _BAD_TEXT.search(text):
                    said = "names of Python's own, addresses and paths out of its folder are not for a step"
                    yield "access", f"holds {found[0]} in a string; {said}"
            case ast.Global(names=names):
                yield "isolation", _OUTLIVES.format(f"the global {names[0]}")
            case ast.MatchClass(kwd_attrs=names):
                yield from (("access", _OUTSIDE.format(f".{n}")) for n in names if not self._may_use(n))
            case ast.ExceptHandler(type=None):
                yield (
                    "access",
                    "catches also Ctrl-C and a used-up budget; catch Exception or a narrower class",
                )
            case ast.While(test=ast.Constant()):
                if not any(isinstance(each, (ast.Break, ast.Return, ast.Raise)) for each in ast.walk(node)):
                    yield "endless", "the loop has no break, return or raise; use a bounded for"
            case ast.ClassDef(name=name, keywords=[_, *_]):
                yield "comparison", f"gives class {name} a metaclass or arguments; use a plain class"
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                is_inner = node not in self._new.tree.body
                if is_inner and _is_special(name) and name not in allowed.SAFE_METHODS:
                    yield "comparison", f"defines {name}; return plain values, the tests compare them"

    def _name(self, name: str) -> Iterator[tuple[str, str]]:
        dotted = self._imports.get(name, "")
        known = self._file.names | self._new.variables | self._imports.keys() | self._created
        if self._is_module(dotted) and name not in self._new.variables and not self._allows(dotted):
            yield "access", f"passes the module {name} around; use what is needed of it by name"
        elif name in known or allowed.is_safe_builtin(name):
            return
        elif hasattr(builtins, name) or _is_special(name):
            yield "access", _OUTSIDE.format(name)
        else:
            yield "syntax", f"{name} is not defined; define it, import it or pass it in"

    def _is_elsewhere(self, node: ast.expr) -> bool:
        """True if what is changed belongs to the file or to an import, not to the function."""
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        others = (self._file.names | self._imports.keys()) - self._new.variables
        return isinstance(node, ast.Name) and node.id in others

    def _may_use(self, attribute: str) -> bool:
        return attribute in self._attributes and (not _is_special(attribute) or attribute in allowed.DUNDERS)

    # --- modules ---------------------------------------------------------------------------------------

    def _module(self, node: ast.expr) -> str:
        """Return the dotted name of the module that an expression is; empty where it is none."""
        dotted = ""
        if isinstance(node, ast.Name):
            dotted = self._imports.get(node.id, "")
        elif isinstance(node, ast.Attribute) and (holder := self._module(node.value)):
            dotted = f"{holder}.{node.attr}"
        return dotted if self._is_module(dotted) else ""

    def _is_module(self, dotted: str) -> bool:
        known = (*allowed.SAFE_MODULES, *self._file.modules, *self._new.modules)
        return bool(dotted) and (_holds(dotted, known) or self._allows(dotted))

    def _allows(self, dotted: str) -> bool:
        """True if the setting `imports` names a module, or one that holds it."""
        return any(_holds(name, [dotted]) for name in self._subject.settings.imports)

    def _may_import(self, module: str, name: str = "") -> bool:
        """True if new code may load a module, or take a name out of it where one is given."""
        dotted = f"{module}.{name}" if name else module
        if dotted in self._file.modules.union(self._file.imports.values()):
            return True
        if name.startswith("__") or name == "*":
            return False
        if self._allows(dotted):
            return True
        if _is_safe(module):
            return _holds(dotted, allowed.SAFE_MODULES) or allowed.offers(module, name)
        if name in sys.stdlib_module_names or name in allowed.RISKY_ATTRIBUTES:
            return False
        return self._is_open(module) or self._is_open(dotted)

    def _is_open(self, module: str) -> bool:
        """True for a module of the scope, and for one that the file imports; none of Python's, no tests."""
        if module.partition(".")[0] in sys.stdlib_module_names | allowed.NEVER_IMPORTED:
            return False
        editable = [artifact.path for artifact in self._subject.artifacts("structure")]
        return module in self._file.modules or self._project(module).path in editable

    def _project(self, module: str) -> CodeFile:
        """Return the project's own module of that name, from the root or from `src`; else an empty one."""
        stem = module.replace(".", "/")
        paths = (f"{stem}.py", f"{stem}/__init__.py", f"src/{stem}.py", f"src/{stem}/__init__.py")
        return next((file for file in map(self._read, paths) if file.text), CodeFile("", ""))

    def _read(self, path: str) -> CodeFile:
        """Return a file as of the parent; an empty one where it cannot be read."""
        try:
            return CodeFile(path, self._subject.store.read(path).decode("utf-8", errors="replace"))
        except ArtifactError:
            return CodeFile("", "")

    def _is_prompt(self, place: ast.expr) -> bool:
        """True for `PROMPTS / "critic.md"`: the path of a prompt of the scope, written out."""
        subject, ending = self._subject, "/" + "/".join(re.findall("'([^']*)'", ast.unparse(place)))
        files = [*subject.artifacts("prompt"), *subject.artifacts("structure")]
        files += [change.artifact for change in subject.changes if change.created]
        return any(f"/{file.path}".endswith(ending) for file in files if not file.name)


def _holds(module: str, known: Iterable[str]) -> bool:
    """True if a module is one of these, or a package that holds one."""
    return any(f"{each}.".startswith(f"{module}.") for each in known)


def _is_safe(dotted: str) -> bool:
    return _holds(dotted.partition(".")[0], allowed.SAFE_MODULES)


def _is_use(node: ast.AST) -> bool:
    return isinstance(node, (ast.Call, ast.Attribute, ast.Subscript, ast.Global))


def _uses(tree: ast.AST) -> Iterator[ast.AST]:
    """Whole uses of something: `os.environ["MODEL"]`, and not the `os.environ` in it."""
    found = [node for node in ast.walk(tree) if _is_use(node)]
    inner = {id(getattr(node, "func", None) or getattr(node, "value", None)) for node in found}
    yield from (node for node in found if id(node) not in inner)


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
