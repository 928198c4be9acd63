"""`fapo texts`: the texts of files with their addresses, for the scope."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_fapo.cli.console import OK, CommandConsole, find_root
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.text import one_line
from pytest_fapo.source.addresses import find_paths, passes_over
from pytest_fapo.source.artifact_kinds import PYTHON
from pytest_fapo.source.data_values import is_data_file
from pytest_fapo.source.project_texts import LocatedText, texts_in_file

_SHOWN = 60


def list_texts(arguments: argparse.Namespace, console: CommandConsole) -> int:
    """Print one line for each text: its address, and how it begins.

    Raises:
        ArtifactError: there is no such file or no text in it, or one that is named cannot be read.
    """
    root = find_root()
    texts: list[LocatedText] = []
    for path in dict.fromkeys(path for given in arguments.paths for path in _paths(root, given)):
        try:
            texts += texts_in_file((root / path).read_bytes(), path)
        except (ArtifactError, OSError) as error:
            if path in arguments.paths:
                raise ArtifactError(str(error)) from None
    shown = [text for text in texts if arguments.all or not passes_over("*", text.value)]
    if not shown:
        among = ", ".join(arguments.paths)
        raise ArtifactError(f"{among}: no text there that a scope could name; --all lists single words too")
    if arguments.json:
        console.json([text._asdict() for text in shown])
        return OK
    width = min(max(len(text.address) for text in shown), _SHOWN)
    for text in shown:
        console.verbatim(f"{text.address:<{width}}  {one_line(text.value, most=_SHOWN)}")
    return OK


def _paths(root: Path, given: str) -> list[str]:
    """Return the files, relative to the root, that a path or a pattern stands for; of a folder code and
    data.
    """
    path = Path.cwd() / given
    if not path.resolve().is_relative_to(root.resolve()):
        raise ArtifactError(f"{given}: it is not in the project, {root}")
    pattern = path.resolve().relative_to(root.resolve()).as_posix()
    if not path.is_dir():
        return find_paths(root, pattern)
    found = find_paths(root, "**" if pattern == "." else f"{pattern}/**")
    return [name for name in found if name.endswith(PYTHON) or is_data_file(name)]
