"""Every text of a Python module under its name: listed, read and edited.

A name is built like the expression that reaches the text: `PROMPTS.triage`, `MESSAGES[0].content`,
`agent.system_prompt`, `prompt[0]`, `Triage.__doc__`, `Team.team.description`, `ask(system)`, `reply{text}`,
`reply.create.messages[0].content`. Several texts of one name are told apart by `#1`, `#2` in their order.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.python_module import read_module, spliced, too_deep
from pytest_fapo.source.text_expressions import spliced_sources
from pytest_fapo.source.text_walk import Binding, PythonText, TextWalk
from pytest_fapo.source.tidying_calls import apply_all


class ModuleTexts(NamedTuple):
    """Record of what a module holds."""

    texts: dict[str, PythonText]
    """The editable texts by name, in the order of the file."""
    refused: dict[str, PythonText]
    """Names that are bound, but to nothing that can be edited under this name."""
    bindings: tuple[Binding, ...]


@lru_cache(maxsize=128)
def texts_of(data: bytes, path: str) -> ModuleTexts:
    """List a module's texts.

    Raises:
        ArtifactError: the file is not Python that this interpreter can parse, or not decodable.
    """
    module = read_module(data, path)
    walk = TextWalk(module)
    try:
        walk.statements(module.tree.body)
    except RecursionError:
        raise too_deep(path) from None
    texts, ambiguous = _numbered(walk.found)
    return ModuleTexts(texts, {**ambiguous, **_refused(walk, texts, ambiguous)}, tuple(walk.bindings))


def replace_text(data: bytes, path: str, name: str, text: str) -> bytes:
    """Return the module with the text `name` holding `text`; every byte outside its literals stays.

    Raises:
        ArtifactError: the text is not there, not editable, or cannot be what is wanted.
    """
    module, before = read_module(data, path), texts_of(data, path)
    found = before.texts.get(name)
    if found is None or found.expression is None:
        refused = before.refused.get(name)
        reason = refused.reason if refused else "there is no such text"
        raise ArtifactError(f"{path}::{name}: cannot be edited: {reason}")
    if text == found.value:
        return data
    try:
        for source in spliced_sources(module, found.expression, text):
            result = spliced(module.source, 0, len(module.source.text), source)
            if result is not None and _holds(result, path, before, found, text):
                return result
    except ArtifactError as error:
        raise ArtifactError(f"{path}::{name}: {error}") from None
    raise ArtifactError(f"{path}::{name}: the new text cannot be written as a Python string in this place")


def _holds(data: bytes, path: str, before: ModuleTexts, changed: PythonText, text: str) -> bool:
    """True if the module holds `text` where it should, and everything else as it was."""
    try:
        after = texts_of(data, path)
    except ArtifactError:
        return False
    found = after.texts.get(changed.name)
    if found is None or found.expression is None or changed.expression is None:
        return False
    wanted = apply_all(changed.expression.wrappers, text)
    if found.value != wanted or set(found.expression.shown_fields) != set(changed.expression.shown_fields):
        return False
    return _values_but(before, changed.name) == _values_but(after, changed.name)


def _values_but(module: ModuleTexts, name: str) -> list[tuple[str, str]]:
    return [(text.name, text.value) for text in module.texts.values() if text.name != name]


# --- names ---------------------------------------------------------------------------------------------


def _numbered(found: list[PythonText]) -> tuple[dict[str, PythonText], dict[str, PythonText]]:
    """The texts by unique names, and the names that several of them share."""
    groups: dict[str, list[PythonText]] = {}
    for text in sorted(found, key=_position):
        groups.setdefault(text.name, []).append(text)
    texts: list[PythonText] = []
    ambiguous: dict[str, PythonText] = {}
    for name, several in groups.items():
        if len(several) == 1:
            texts += several
            continue
        bound = [text for text in several if text.bound]
        numbered = [text._replace(name=f"{name}#{number}") for number, text in enumerate(several, 1)]
        if len(bound) == 1:  # the name is its own; what is set elsewhere under it comes second
            rest = [text for text in several if not text.bound]
            texts += [*bound, *(text._replace(name=f"{name}#{n}") for n, text in enumerate(rest, 2))]
            continue
        texts += numbered
        choices = _either([f"{text.name} (line {text.line})" for text in numbered])
        verb = "assigned" if bound else "a text"
        reason = f"it is {verb} in {len(several)} places; name one: {choices}"
        ambiguous[name] = several[0]._replace(expression=None, reason=reason)
    texts.sort(key=_position)
    return {text.name: text for text in texts}, ambiguous


def _position(text: PythonText) -> tuple[int, int]:
    node = text.expression.parts[0].node if text.expression else None
    return (node.lineno, node.col_offset) if node else (text.line, 0)


def _either(choices: Sequence[str]) -> str:
    shown = [*choices[:4], *(["…"] if len(choices) > 4 else [])]
    return f"{', '.join(shown[:-1])} or {shown[-1]}" if len(shown) > 1 else shown[0]


def _refused(
    walk: TextWalk, texts: dict[str, PythonText], ambiguous: dict[str, PythonText]
) -> dict[str, PythonText]:
    several: dict[str, list[Binding]] = {}
    for binding in walk.bindings:
        several.setdefault(binding.name, []).append(binding)
    refused = {text.name: text for text in walk.unreadable if text.name not in texts}
    for name, bindings in several.items():
        if name not in texts and name not in ambiguous and name not in refused:
            reason = _reason(name, bindings, list(texts))
            refused[name] = PythonText(name, "constant", bindings[0].statement.lineno, reason=reason)
    return refused


def _reason(name: str, bindings: list[Binding], texts: Sequence[str]) -> str:
    inside = [text for text in texts if text.startswith((f"{name}.", f"{name}[", f"{name}("))]
    if len(bindings) > 1 and not inside:
        return f"it is assigned in {len(bindings)} places; name one of them differently"
    reason = bindings[0].reason or _why_not(bindings[0].expression)
    return f"{reason}; name a text in it: {_either(inside)}" if inside else reason


def _why_not(node: ast.expr | None) -> str:
    if node is None:
        return "it has no value"
    if isinstance(node, ast.Constant):
        return f"its value is of type {type(node.value).__name__}, not a string"
    if isinstance(node, ast.Call):
        return f"its value is computed by {ast.unparse(node.func)[:60]}()"
    kind = {ast.BinOp: "an expression", ast.Name: "another name", ast.IfExp: "a choice"}.get(type(node))
    return f"its value is {kind or 'a ' + type(node).__name__.lower()}, not a text"
