"""The places in a function where it puts together the messages for its model, and splicing code into them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pytest_fapo.propose.operators.project_functions import FunctionNode, ProjectModule

TurnForm = Literal["dict", "tuple", "template"]
"""How a turn is written: as `{"role": ..., "content": ...}`, as `(role, content)`, or as a template of
LangChain, in which braces are doubled."""

_USERS = frozenset({"user", "human"})

_SYSTEMS = frozenset({"system", "developer"})

_MESSAGE_CLASSES = {
    "SystemMessage": "system",
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "SystemMessagePromptTemplate": "system",
    "HumanMessagePromptTemplate": "user",
}

_TEMPLATES = ("from_messages", "ChatPromptTemplate")


@dataclass(frozen=True)
class Splice:
    """Text that takes the place of some bytes of a source."""

    start: int
    end: int
    text: str


def spliced(source: str, splices: Iterable[Splice]) -> str:
    """Return the source with all splices carried out."""
    data = source.encode()
    for each in sorted(splices, key=lambda splice: splice.start, reverse=True):
        data = data[: each.start] + each.text.encode() + data[each.end :]
    return data.decode()


class Positions:
    """Offsets of nodes in a source, in bytes."""

    def __init__(self, source: str) -> None:
        self._data = source.encode()
        self._starts = [0]
        for line in source.split("\n"):
            self._starts.append(self._starts[-1] + len(line.encode()) + 1)

    def start(self, node: ast.expr | ast.stmt | ast.arg) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt | ast.arg) -> int:
        return self._starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def margin(self, position: int) -> str | None:
        """Return the white space before a position where nothing else is before it on its line, else None."""
        line = self._data[self._data.rfind(b"\n", 0, position) + 1 : position].decode()
        return line if not line.strip() else None


@dataclass(frozen=True)
class MessagePlace:
    """Place where turns go in a function: into a list, or before a message that is appended to one."""

    form: TurnForm
    splice: Splice
    """With `<<turns>>` where the turns' name stands."""


def role_of(node: ast.expr) -> str:
    """Return the role of an expression that is a message; empty for anything else."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "role" and isinstance(value, ast.Constant):
                return str(value.value)
    elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[0], ast.Constant):
        role = node.elts[0].value
        return role if isinstance(role, str) and role in _USERS | _SYSTEMS | {"assistant", "ai"} else ""
    elif isinstance(node, ast.Call):
        names = [
            each.id if isinstance(each, ast.Name) else getattr(each, "attr", "")
            for each in ast.walk(node.func)
        ]
        return next((_MESSAGE_CLASSES[name] for name in names if name in _MESSAGE_CLASSES), "")
    return ""


def is_user(role: str) -> bool:
    return role in _USERS


def place_in(function: FunctionNode, source: str) -> MessagePlace | None:
    """Return the place for turns in a function's own code; None where it puts no messages together."""
    positions = Positions(source)
    parents = {child: node for node in ast.walk(function) for child in ast.iter_child_nodes(node)}
    lists = [node for node in ast.walk(function) if isinstance(node, ast.List) and is_message_list(node)]
    appended = _appended(function)
    for node in lists:
        if any(is_user(role_of(each)) for each in node.elts) or not appended:
            return _in_list(node, _form_of(node, parents), positions)
    for statement, name, message in appended:
        margin = positions.margin(positions.start(statement)) or ""
        start = positions.start(statement)
        text = f"{name}.extend(<<turns>>)\n{margin}"
        return MessagePlace(_form_of_message(message), Splice(start, start, text))
    return None


def is_message_list(node: ast.List) -> bool:
    """True if a list holds a message of the system or of the user."""
    return any(is_user(role) or role in _SYSTEMS for role in map(role_of, node.elts))


def before_last_user(node: ast.List) -> int:
    """Return the number of messages that are before the turns: all where the user's comes later."""
    users = [index for index, each in enumerate(node.elts) if is_user(role_of(each))]
    return users[-1] if users else len(node.elts)


def _in_list(node: ast.List, form: TurnForm, positions: Positions) -> MessagePlace:
    index = before_last_user(node)
    if index == len(node.elts):
        end = positions.end(node.elts[-1])
        return MessagePlace(form, Splice(end, end, ", *<<turns>>"))
    start = positions.start(node.elts[index])
    margin = positions.margin(start)
    gap = " " if margin is None else f"\n{margin}"
    return MessagePlace(form, Splice(start, start, f"*<<turns>>,{gap}"))


def _form_of(node: ast.List, parents: dict[ast.AST, ast.AST]) -> TurnForm:
    parent = parents.get(node)
    return (
        "template" if isinstance(parent, ast.Call) and is_template(parent) else _form_of_message(node.elts[0])
    )


def is_template(call: ast.Call) -> bool:
    """True if a call makes a chat template of LangChain, of its usual format."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in _TEMPLATES and not any(keyword.arg == "template_format" for keyword in call.keywords)


def _form_of_message(message: ast.expr) -> TurnForm:
    return "dict" if isinstance(message, ast.Dict) else "tuple"


def _appended(function: FunctionNode) -> list[tuple[ast.stmt, str, ast.expr]]:
    """Return the statements by which a user's message is appended to a list: statement, list, message."""
    found: list[tuple[ast.stmt, str, ast.expr]] = []
    for node in ast.walk(function):
        if (
            not isinstance(node, ast.Expr)
            or not isinstance(node.value, ast.Call)
            or len(node.value.args) != 1
        ):
            continue
        called, message = node.value.func, node.value.args[0]
        if isinstance(called, ast.Attribute) and called.attr == "append" and is_user(role_of(message)):
            found.append((node, ast.unparse(called.value), message))
    return found


@dataclass(frozen=True)
class NamedMessages:
    """Messages that the module keeps under a name: a list, or a template of LangChain."""

    name: str
    form: TurnForm
    before: int
    """The number of messages that are before the turns."""
    maker: str
    """Source of the call that makes the template, without its argument; empty for a list."""

    def with_turns(self, turns: str) -> str:
        """Return an expression of the same messages with turns."""
        held = f"{self.name}.messages" if self.maker else self.name
        parts = [f"*{held}[:{self.before}]", f"*{turns}", f"*{held}[{self.before}:]"]
        made = f"[{', '.join(parts)}]"
        return f"{self.maker}({made})" if self.maker else made


def named_messages(module: ProjectModule) -> dict[str, NamedMessages]:
    """Return the messages that a module's names stand for."""
    found = {}
    for name, value in module_values(module):
        maker = ""
        held: ast.expr = value
        if isinstance(value, ast.Call) and is_template(value) and value.args:
            maker, held = ast.unparse(value.func), value.args[0]
        if isinstance(held, ast.List) and is_message_list(held):
            form: TurnForm = "template" if maker else _form_of_message(held.elts[0])
            found[name] = NamedMessages(name, form, before_last_user(held), maker)
    return found


def module_values(module: ProjectModule) -> Iterator[tuple[str, ast.expr]]:
    """Names of the module with what they are set to."""
    for statement in module.tree.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target: ast.expr = statement.targets[0]
            value: ast.expr | None = statement.value
        elif isinstance(statement, ast.AnnAssign):
            target, value = statement.target, statement.value
        else:
            continue
        if isinstance(target, ast.Name) and value is not None:
            yield target.id, value
