"""The edits that lead from one state of a project's artifacts to another."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from pytest_fapo.artifacts.constants import parse_module
from pytest_fapo.artifacts.store import ArtifactStore
from pytest_fapo.models import Artifact, Edit


def edits_between(store: ArtifactStore, files: Mapping[str, bytes]) -> list[Edit]:
    """One edit for each artifact that is another, or new, once `files` are laid over the store's own.

    The new source of a function begins with those imports that its module has gained and that it uses, so
    that each edit can be rendered without the others.

    Args:
        store: the artifacts as they are.
        files: contents by relative POSIX path; what they change outside of artifacts is in no edit.
    """
    before = {artifact.address: artifact.text for artifact in store.all()}
    after = store.with_files(files)
    return [
        Edit(
            address=artifact.address,
            before=before.get(artifact.address, ""),
            after=_gained(store, after, artifact) + artifact.text,
        )
        for artifact in after.all()
        if before.get(artifact.address) != artifact.text
    ]


def _gained(before: ArtifactStore, after: ArtifactStore, artifact: Artifact) -> str:
    if artifact.kind != "function":
        return ""
    known = set(_imports(before, artifact.path))
    used = {node.id for node in ast.walk(ast.parse(artifact.text)) if isinstance(node, ast.Name)}
    wanted = [
        text for text, name in _imports(after, artifact.path) if (text, name) not in known and name in used
    ]
    return "".join(f"{text}\n" for text in dict.fromkeys(wanted))


def _imports(store: ArtifactStore, path: str) -> Iterator[tuple[str, str]]:
    """The imports of a module one name at a time: the statement, and the name that it binds."""
    for statement in parse_module(store.read(path), path).tree.body:
        for alias in statement.names if isinstance(statement, (ast.Import, ast.ImportFrom)) else []:
            if isinstance(statement, ast.Import):
                one: ast.stmt = ast.Import(names=[alias])
            else:
                assert isinstance(statement, ast.ImportFrom)
                one = ast.ImportFrom(module=statement.module, names=[alias], level=statement.level)
            yield ast.unparse(one), alias.asname or alias.name.partition(".")[0]
