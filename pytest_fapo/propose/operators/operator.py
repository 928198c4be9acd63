"""The base class of all operators, and the function draft on which they work.

A draft is a function that is given further code around its present body. A prompt that an operator adds goes
into a file beside the project's prompts, else into the function.
"""

from __future__ import annotations

import ast
import builtins
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import PurePosixPath
from typing import ClassVar

from pydantic import Field

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import Record
from pytest_fapo.propose.operators.model_call import ModelCall, ModelCallReader
from pytest_fapo.propose.operators.operator_target import OperatorTarget, find_target
from pytest_fapo.propose.operators.project_functions import (
    FunctionText,
    OperatorError,
    ProjectFunction,
    ProjectModule,
    ProjectSources,
    fill,
)

WIDTH = 96


@dataclass(frozen=True)
class NewPrompt:
    """A text with `{name}` placeholders, each of which a local variable fills."""

    purpose: str
    """One word for the file's name: `check`, `plan` …"""
    text: str
    values: Mapping[str, str]
    """Placeholder to variable."""


@dataclass(frozen=True)
class PlacedPrompt:
    """Code that gives the filled prompt, and the file that it takes."""

    code: str
    created: Edit | None = None


@dataclass(frozen=True)
class _PromptLoader:
    """A function of the project that reads prompt files by name."""

    called: str
    folder: str
    suffix: str
    """The suffix that the name lacks: `.md`, or empty."""
    fills: bool
    """True if it takes the values too."""


def place_prompt(
    prompt: NewPrompt, target: OperatorTarget, sources: ProjectSources, evidence: Evidence
) -> PlacedPrompt:
    """Keep a prompt where this project keeps its prompts, if that can be told and the scope allows it."""
    module = sources.module(target.artifact.path)
    loader = _loader(module, sources, evidence) if module is not None else None
    if loader is not None:
        name = _free_name(f"{target.name.strip('_')}_{prompt.purpose}", loader, evidence)
        path = f"{loader.folder}{name}{loader.suffix or '.md'}"
        if any(_matches(path, pattern) for pattern in evidence.creatable):
            given = name if loader.suffix else f"{name}.md"
            return PlacedPrompt(
                _loaded(loader, given, prompt), Edit(address=path, before="", after=prompt.text)
            )
    return PlacedPrompt(_inline(prompt))


def _loader(module: ProjectModule, sources: ProjectSources, evidence: Evidence) -> _PromptLoader | None:
    """Return the module's prompt loader: a call such as `load("triage")` if `triage.md` is a prompt."""
    files = [each.path for each in evidence.artifacts if each.kind == "file" and each.level == "prompt"]
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        name = node.args[0].value
        if not isinstance(name, str) or len(node.args) != 1 or not _is_plain(node.func):
            continue
        function = sources.resolve(node.func, module)
        for path in files:
            pure = PurePosixPath(path)
            if name not in (pure.name, pure.stem) or (function is not None and not _takes_a_name(function)):
                continue
            fills = bool(node.keywords)
            if fills and not _formats(function):
                continue
            folder = path[: len(path) - len(pure.name)]
            return _PromptLoader(
                ast.unparse(node.func), folder, pure.suffix if name == pure.stem else "", fills
            )
    return None


def _is_plain(called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute):
        return isinstance(called.value, ast.Name) and called.value.id not in ("self", "cls")
    return isinstance(called, ast.Name)


def _takes_a_name(function: ProjectFunction) -> bool:
    text = ast.unparse(function.node)
    return "read_text" in text or "open(" in text or "load" in text or "read" in text


def _formats(function: ProjectFunction | None) -> bool:
    if function is None or function.node.args.kwarg is None:
        return False
    return ".format(" in ast.unparse(function.node)


def _free_name(wanted: str, loader: _PromptLoader, evidence: Evidence) -> str:
    taken = {artifact.path for artifact in evidence.artifacts}
    name, number = wanted, 2
    while f"{loader.folder}{name}{loader.suffix or '.md'}" in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def _matches(path: str, pattern: str) -> bool:
    """As `fnmatch` does, but `*` stays within a folder where the pattern has no `**`."""
    if "**" not in pattern and path.count("/") != pattern.count("/"):
        return False
    return fnmatchcase(path, pattern.replace("**/", "*"))


def _loaded(loader: _PromptLoader, name: str, prompt: NewPrompt) -> str:
    pairs = [f"{key}={value}" for key, value in prompt.values.items()]
    start = f'{loader.called}("{name}"' + (", " if loader.fills else ").format(")
    line = start + ", ".join(pairs) + ")"
    if len(line) <= WIDTH - 16:
        return line if pairs or loader.fills else f'{loader.called}("{name}")'
    first = [f'{loader.called}("{name}",'] if loader.fills else [f'{loader.called}("{name}").format(']
    return "\n".join([*first, *(f"    {pair}," for pair in pairs), ")"])


def _inline(prompt: NewPrompt) -> str:
    """Return a parenthesized string, one literal for each line."""
    literals = []
    for line in re.findall(r"[^\n]*\n*", prompt.text)[:-1]:
        literals += _literals(line, prompt.values)
    return "\n".join(["(", *(f"    {literal}" for literal in literals), ")"])


def _literals(line: str, values: Mapping[str, str]) -> list[str]:
    filled = [name for name in re.findall(r"(?<!\{)\{(\w+)\}(?!\})", line) if name in values]
    quoted = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    if not filled:
        return _folded(quoted.replace("{{", "{").replace("}}", "}"))
    for name in filled:
        quoted = quoted.replace(f"{{{name}}}", f"{{{values[name]}}}")
    return [f'f"{quoted}"']


def _folded(quoted: str) -> list[str]:
    """Long lines as several literals, cut at spaces."""
    literals: list[str] = []
    while len(quoted) > WIDTH - 12:
        cut = quoted.rfind(" ", 0, WIDTH - 12) + 1
        if cut <= 1:
            break
        literals.append(f'"{quoted[:cut]}"')
        quoted = quoted[cut:]
    return [*literals, f'"{quoted}"']


def escaped(text: str) -> str:
    """Literal text as it is in a prompt with `{name}` placeholders."""
    return text.replace("{", "{{").replace("}", "}}")


_MOST_NAMES = 99


class FunctionDraft:
    """Collects what an operator adds to one function and gives the edits.

    The signature, decorators and docstring stay; the old body becomes a function inside, so that a
    method, its instance and its decorators need no second thought.
    """

    def __init__(self, target: OperatorTarget, evidence: Evidence) -> None:
        self.target = target
        self.source = target.source
        self._evidence = evidence
        self._sources = ProjectSources.of(evidence)
        self._created: list[Edit] = []
        self._statements: list[str] = []
        self._helpers: list[str] = []
        self._asker: ModelCall | None = None
        self._reader = ModelCallReader(target, self._sources)
        self.once_name = self.name("once")

    # --- names -----------------------------------------------------------------------------------------

    @cached_property
    def _taken(self) -> set[str]:
        node = self.source.node
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        names |= {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
        names |= {
            each.name
            for each in ast.walk(node)
            if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        }
        module = self._sources.module(self.target.artifact.path)
        return names | (module.names if module is not None else set()) | set(dir(builtins))

    def name(self, *wanted: str) -> str:
        """Return a name for a local variable that hides no other; the first of these that is free."""
        for each in [*wanted, *(f"{wanted[0]}_{number}" for number in range(2, _MOST_NAMES))]:
            if each not in self._taken:
                self._taken.add(each)
                return each
        raise OperatorError(f"{self.target.name} has no room for another name")

    # --- pieces of code --------------------------------------------------------------------------------

    def once(self, **changed: str) -> str:
        """Return an expression that runs the old body once.

        Args:
            changed: parameter to the expression given for it instead of its own value.
        """
        arguments = self.source.node.args
        positional = [each.arg for each in [*arguments.posonlyargs, *arguments.args]][self._skipped :]
        given = [changed.get(name, name) for name in positional]
        given += [f"*{arguments.vararg.arg}"] if arguments.vararg is not None else []
        given += [f"{each.arg}={changed.get(each.arg, each.arg)}" for each in arguments.kwonlyargs]
        given += [f"**{arguments.kwarg.arg}"] if arguments.kwarg is not None else []
        awaited = "await " if self.target.is_async else ""
        return f"{awaited}{self.once_name}({', '.join(given)})"

    def ask(self, question: str) -> str:
        """Return an expression that asks the model; `question` is the expression of the text.

        Raises:
            OperatorError: it cannot be told how this pipeline asks its model.
        """
        if self._asker is None:
            self._asker = self._reader.asker()
            if self._asker is None:
                raise OperatorError(
                    f"no function was found by which {self.target.name} could ask the model one more question"
                )
            self._helpers = [*self._asker.helper, *([""] if self._asker.helper else []), *self._helpers]
            if self._asker.statement:
                self._statements.append(self._asker.statement)
        return self._asker.ask(question)

    def prompt(self, purpose: str, text: str, values: Mapping[str, str]) -> str:
        """Return an expression that gives a filled prompt; its text is kept where the project keeps its
        prompts.

        Args:
            purpose: one word for the prompt's name.
            text: with `{name}` placeholders; braces that mean themselves are doubled.
            values: placeholder to variable.
        """
        placed = place_prompt(NewPrompt(purpose, text, values), self.target, self._sources, self._evidence)
        if placed.created is not None:
            self._created.append(placed.created)
        return placed.code

    def inputs(self) -> tuple[str, dict[str, str]]:
        """Return the function's inputs as a part of a prompt, and the values that fill it.

        Raises:
            OperatorError: it is given nothing that a model can be shown.
        """
        shown = self.target.shown
        if not shown:
            raise OperatorError(f"{self.target.name} is given nothing that a model could be shown")
        lines = [f"{escaped(name.replace('_', ' '))}:\n{{{name}}}\n" for name in shown]
        return "\n".join(lines), {name: name for name in shown}

    def need(self, module: str) -> None:
        """The function needs `import module`."""
        known = self._sources.module(self.target.artifact.path)
        if known is None or known.imports.get(module) != (module, ""):
            self._statements.append(f"import {module}")

    def statement(self, text: str) -> None:
        """The function needs an import statement."""
        self._statements.append(text)

    def need_from(self, module: str, name: str) -> None:
        """The function needs `from module import name`."""
        known = self._sources.module(self.target.artifact.path)
        if known is None or known.imports.get(name) != (module, name):
            self._statements.append(f"from {module} import {name}")

    def helper(self, lines: Sequence[str]) -> None:
        """Lines that are before everything else in the function."""
        self._helpers += [*lines, ""]

    # --- the result ------------------------------------------------------------------------------------

    def around(self, template: str, **parts: str) -> list[Edit]:
        """Return the edits that put code around the old body.

        Args:
            template: the code after the old body's function, with `<<marks>>`.
            parts: what stands for the marks.
        """
        self.source.require_repeatable()
        body = [*self._inner_function(), "", *self._helpers, *fill(template, **parts)]
        return self.rewritten([*_head(self.source), *self._indented(body)])

    def _inner_function(self) -> list[str]:
        node = self.source.node
        arguments = ast.parse(f"def f({ast.unparse(node.args)}): ...").body[0]
        assert isinstance(arguments, ast.FunctionDef)
        inner = arguments.args
        if self._skipped:
            (inner.posonlyargs or inner.args).pop(0)
        inner.defaults = []
        inner.kw_defaults = [None for _ in inner.kwonlyargs]
        returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
        keyword = "async def" if self.target.is_async else "def"
        header = f"{keyword} {self.once_name}({ast.unparse(inner)}){returns}:"
        return [header, *(f"\0{line}" for line in self.source.nested_body())]

    @property
    def _skipped(self) -> int:
        return 1 if self.target.is_method else 0

    def _indented(self, lines: Sequence[str]) -> list[str]:
        """Generated lines at the depth of the function's body, in its own indentation."""
        unit, found = self.source.unit, []
        for line in lines:
            if line.startswith("\0") or not line:
                found.append(line[1:])
                continue
            bare = line.lstrip(" ")
            depth, rest = divmod(len(line) - len(bare), 4)
            found.append(unit * (depth + 1) + " " * rest + bare)
        return found

    def rewritten(self, lines: Sequence[str]) -> list[Edit]:
        """Return the edits by which the function consists of these lines, with the imports that it needs."""
        head = [*dict.fromkeys(self._statements)]
        text = "\n".join([*head, *(["", ""] if head else []), *lines]) + "\n"
        if not self.target.artifact.text.endswith("\n"):
            text = text.rstrip("\n")
        try:
            ast.parse(text)
        except SyntaxError as error:
            raise OperatorError(f"{self.target.name} cannot be rewritten: {error.msg}") from None
        artifact = self.target.artifact
        after = text.replace("\n", self.source.newline)
        return [Edit(address=artifact.address, before=artifact.text, after=after), *self._created]


def _head(source: FunctionText) -> list[str]:
    has_docstring = source.statements is not source.node.body
    return [*source.head, *([""] if has_docstring else [])]


class Operator(Record, ABC):
    """A known way to build a better step, applied to one function."""

    operator: str
    """The operator's name."""
    function: str = Field(
        default="", description="Address of the function that is changed; empty for the failing step's own."
    )

    purpose: ClassVar[str] = ""
    """When it helps, in one sentence."""
    paper: ClassVar[str] = ""
    """The source of the idea."""

    @abstractmethod
    def edits(self, evidence: Evidence) -> list[Edit]:
        """Return the function with this operator, and the files that it takes.

        Raises:
            OperatorError: it does not fit this function; one sentence says why.
        """


class BodyOperator(Operator):
    """Writes a new body; the function keeps its name, signature, decorators and docstring."""

    def edits(self, evidence: Evidence) -> list[Edit]:
        target = find_target(evidence, self.function)
        if f"# {self.operator}:" in target.source.text:
            raise OperatorError(f"{target.name} has {self.operator} already")
        return self.build(FunctionDraft(target, evidence))

    @abstractmethod
    def build(self, draft: FunctionDraft) -> list[Edit]:
        """Write the code."""
