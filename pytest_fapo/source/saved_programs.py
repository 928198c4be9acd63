"""Programs that DSPy has saved: JSON whose instructions and descriptions replace those of the code at `load`.

A text of a signature and its copy in such a file are one text. It is read where it counts, in the copy, and
written to both, so that they stay in step. Examples (`demos`) are in the file alone.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.addresses import dotted, find_paths
from pytest_fapo.source.artifact_kinds import FoundPiece
from pytest_fapo.source.data_values import replace_value
from pytest_fapo.source.python_module import read_module
from pytest_fapo.source.python_texts import replace_text, texts_of

Read = Callable[[str], bytes]


class _Signature(NamedTuple):
    """The state of one predictor's signature, as a file has it."""

    keys: tuple[str, ...]
    instructions: str
    fields: tuple[tuple[str, str], ...]
    """The name of each field, as far as its prefix tells it, and its description."""


class SavedText(NamedTuple):
    """A copy of a text of the code."""

    path: str
    name: str
    value: str


class SavedPrograms:
    """The saved programs that a project's code loads.

    Args:
        root: the project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._paths: list[str] | None = None
        self._modules: list[str] = []

    def as_loaded(self, piece: FoundPiece, path: str, read: Read) -> FoundPiece:
        """Return a text of a Python file as it is once the programs are loaded."""
        if piece.reason:
            return piece
        copies = self._copies(piece, path, read)
        values = {inspect.cleandoc(copy.value) for copy in copies}
        if len(values) > 1:
            several = " or ".join(f"'{copy.path}::{copy.name}'" for copy in copies)
            reason = f"saved programs replace it, each by its own; name {several}"
            return FoundPiece(piece.name, reason=reason)
        if not values or inspect.cleandoc(piece.text) in values:
            return piece
        return piece._replace(text=copies[0].value)

    def keep_in_step(self, piece: FoundPiece, path: str, text: str, read: Read) -> dict[str, bytes]:
        """Return the other files that change with a text.

        Args:
            piece: the text as it was.
            path: its file.
            text: the new one.
            read: gives a file's content, without the change.
        """
        if path.endswith(".json"):
            return self._with_code(piece, path, text, read)
        files: dict[str, bytes] = {}
        for copy in self._copies(piece, path, read):
            data = files.get(copy.path) or read(copy.path)
            files[copy.path] = replace_value(data, copy.path, copy.name, inspect.cleandoc(text))
        return files

    def files_beside(self, path: str, read: Read) -> list[str]:
        """Return the files that may change with texts of this one."""
        if path.endswith(".py"):
            return self._saved_files(read) if b"dspy" in read(path) else []
        is_saved = path.endswith(".json") and _signatures(read(path)) and path in self._saved_files(read)
        return self._modules if is_saved else []

    def _copies(self, piece: FoundPiece, path: str, read: Read) -> list[SavedText]:
        if b"dspy" not in read(path):
            return []
        return [
            SavedText(saved, dotted(keys), value)
            for saved in self._saved_files(read)
            for signature in _signatures(read(saved))
            for keys, value in _copies_in(signature, piece, path, read)
        ]

    def _with_code(self, piece: FoundPiece, path: str, text: str, read: Read) -> dict[str, bytes]:
        """Texts of the code that were the same as the one of a saved program, and are to stay so."""
        if not _names_copy(piece.name, read(path)) or path not in self._saved_files(read):
            return {}
        files: dict[str, bytes] = {}
        for module in self._modules:
            data = read(module)
            same = [
                each
                for each in texts_of(data, module).texts.values()
                if each.value and inspect.cleandoc(each.value) == inspect.cleandoc(piece.text)
            ]
            if len(same) == 1 and b"dspy" in data:
                files[module] = replace_text(data, module, same[0].name, text)
        return files

    def _saved_files(self, read: Read) -> list[str]:
        """Return the JSON files whose names are in code that loads something."""
        if self._paths is None:
            names: set[str] = set()
            for path in find_paths(self._root, "**/*.py"):
                data = _read_or_nothing(read, path)
                if b"dspy" in data:
                    self._modules.append(path)
                if b".load(" in data:
                    names.update(match[1].decode() for match in _NAME.finditer(data))
            found = {path for name in sorted(names) for path in find_paths(self._root, f"**/{name}")}
            self._paths = sorted(path for path in found if _signatures(_read_or_nothing(read, path)))
        return self._paths


_NAME = re.compile(rb"""([\w.-]+\.json)["']""")


def _read_or_nothing(read: Read, path: str) -> bytes:
    try:
        return read(path)
    except ArtifactError:
        return b""


@lru_cache(maxsize=64)
def _signatures(data: bytes) -> tuple[_Signature, ...]:
    """Return the signatures of a saved program; none if the file is something else."""
    if b'"signature"' not in data or b'"instructions"' not in data:
        return ()
    try:
        program = json.loads(data)
    except ValueError:
        return ()
    found = []
    for name, state in program.items() if isinstance(program, dict) else ():
        signature = state.get("signature") if isinstance(state, dict) else None
        if isinstance(signature, dict) and isinstance(signature.get("instructions"), str):
            fields = tuple(map(_field, signature.get("fields") or ()))
            found.append(_Signature((name, "signature"), signature["instructions"], fields))
    return tuple(found)


def _field(state: Any) -> tuple[str, str]:
    prefix, description = (str(state.get(key, "")) for key in ("prefix", "description"))
    return _bare(prefix), description


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _names_copy(name: str, data: bytes) -> bool:
    """True for the instructions or a description of a signature, not for an example."""
    return any(name.startswith(f"{dotted(each.keys)}.") for each in _signatures(data))


def _copies_in(
    signature: _Signature, piece: FoundPiece, path: str, read: Read
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the keys and values of a signature's texts that a text of the code is loaded as."""
    owner, field = _place_in_class(piece.name)
    names = _field_names(read(path), path, owner) if owner else ()
    same = bool(names) and _is_of(signature, names)
    if same and not field:
        yield (*signature.keys, "instructions"), signature.instructions
    elif same:
        for place, (name, description) in enumerate(signature.fields):
            if name == _bare(field):
                yield (*signature.keys, "fields", place, "description"), description
    elif not names and inspect.cleandoc(piece.text) == inspect.cleandoc(signature.instructions):
        yield (*signature.keys, "instructions"), signature.instructions


def _place_in_class(name: str) -> tuple[str, str]:
    """Return the class that a docstring or a field's description belongs to, and the field."""
    if name.endswith(".__doc__"):
        return name.removesuffix(".__doc__"), ""
    owner, _, field = name.removesuffix(".desc").rpartition(".")
    return (owner, field) if name.endswith(".desc") else ("", "")


def _is_of(signature: _Signature, names: tuple[str, ...]) -> bool:
    """True if these are a signature's fields; `dspy.ChainOfThought` adds one of its own."""
    saved = {name for name, _ in signature.fields if not name.startswith("reasoning")}
    return saved == {_bare(name) for name in names if name != "reasoning"}


def _field_names(data: bytes, path: str, owner: str) -> tuple[str, ...]:
    """Return the fields of a signature's class; none if it is no such class."""
    body: list[ast.stmt] = read_module(data, path).tree.body
    for part in owner.split("."):
        found = next((each for each in body if isinstance(each, ast.ClassDef) and each.name == part), None)
        body = found.body if found is not None else []
    targets = [_field_target(node) for node in body]
    return tuple(target.id for target in targets if target is not None)


def _field_target(node: ast.stmt) -> ast.Name | None:
    if not isinstance(node, ast.AnnAssign | ast.Assign):
        return None
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    called = node.value.func if isinstance(node.value, ast.Call) else None
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return target if isinstance(target, ast.Name) and name in ("InputField", "OutputField") else None
