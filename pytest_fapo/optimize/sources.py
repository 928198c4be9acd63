"""The Python files that a pipeline is made of, as proposers may read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.config import Settings

MOST = 24
"""Files; a pipeline that is spread over more is read in its nearest ones."""


def pipeline_sources(store: ArtifactStore, settings: Settings) -> dict[str, str]:
    """Path to text of the files with editable functions or traced steps, and of what these import directly.

    Args:
        store: the artifacts as of the best tree.
        settings: names the steps.
    """
    found: dict[str, str] = {}
    paths = list(dict.fromkeys(artifact.path for artifact in store.all("structure")))
    paths += [path for pattern in settings.steps for path in _files_of(pattern.split(":", 1)[0])]
    for path in paths:
        text = _text(store, path)
        if text is not None:
            found[path] = text
    for path, text in list(found.items()):
        for module in _imported(text, path):
            for near in _files_of(module):
                near_text = None if near in found or len(found) >= MOST else _text(store, near)
                if near_text is not None:
                    found[near] = near_text
    return found


def _files_of(module: str) -> list[str]:
    place = module.replace(".", "/")
    return [f"{head}{place}{tail}" for head in ("", "src/") for tail in (".py", "/__init__.py")]


def _text(store: ArtifactStore, path: str) -> str | None:
    content = store.files.get(path)
    place = store.root / path
    if content is None and place.is_file():
        content = place.read_bytes()
    return None if content is None else content.decode("utf-8", errors="replace")


def _imported(text: str, path: str) -> Iterator[str]:
    """Dotted names of what a module imports; relative ones are resolved against its own place."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    package = [part for part in PurePosixPath(path).parent.parts if part != "src"]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if name:
                yield name
            yield from (f"{name}.{alias.name}".lstrip(".") for alias in node.names)
