"""The functions behind a step: its own, those that call it, those that it calls."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import lru_cache

from pytest_fapo.models import Artifact


def functions_of_step(step: str, artifacts: Sequence[Artifact]) -> list[Artifact]:
    """The step's own function first, then those from which it is called, then those that it calls itself."""
    functions = [artifact for artifact in artifacts if artifact.kind == "function"]
    name = step.partition("#")[0]
    own = [artifact for artifact in functions if name and _is_step(artifact, name)]
    names = {_bare(artifact.name) for artifact in own} or {_bare(name)}
    callers = [artifact for artifact in functions if artifact not in own and names & called_in(artifact.text)]
    called = {each for artifact in own for each in called_in(artifact.text)}
    helpers = [
        artifact
        for artifact in functions
        if artifact not in own and artifact not in callers and _bare(artifact.name) in called
    ]
    return [*own, *callers, *helpers] if name else []


def _is_step(artifact: Artifact, name: str) -> bool:
    if artifact.name == name or f'name="{name}"' in artifact.text or f"name='{name}'" in artifact.text:
        return True
    # A method's step is named after the object's class, which may be derived from the one that defines it.
    return "." in artifact.name and "." in name and _bare(artifact.name) == _bare(name)


def _bare(name: str) -> str:
    return name.rpartition(".")[2]


@lru_cache(maxsize=1024)
def called_in(source: str) -> frozenset[str]:
    """Bare names of the functions and methods that a piece of source calls."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                found.add(node.func.id)
            elif isinstance(node.func, ast.Attribute):
                found.add(node.func.attr)
    return frozenset(found)
