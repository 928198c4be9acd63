"""A row of the table of files goes the whole way: listed, edited, written, read again, undone."""

from __future__ import annotations

import copy
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.reach.data_table import DataLocation
from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.scope import Scope
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.source.patch import unified_diff
from pytest_fapo.source.write_back import write_back

HOSTILE = (
    "Sort it well.",
    'He said "no": don\'t \\ guess \\n, # no comment, [z] & *a !b %c @d `e` | > ? - é 😀',
    "  blanks at both ends  ",
    "\nempty first line\n\n  indented: yes\n- item\n\ttab\n\nempty last lines\n\n\n",
    "key: value\n--\n# note\n\"\"\" ''' \" '\nend\\",
    "Each.\nLine.\n",
    "true",
    "12",
    "x" * 300 + " " + "y " * 300 + "\nz",
    "{x} {{y}} ${z} %(a)s",
    "wide\u00a0blank\u2028line\u0085next\u200d\x7f",
)
"""Texts that a format may take for something else."""


def problems(folder: Path, row: DataLocation) -> Iterator[str]:
    """Yield what goes wrong on the way of a row; nothing where all is well.

    Args:
        folder: an empty folder for the project.
        row: the location.
    """
    file = folder / row.path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(row.content.encode())
    address = f"{row.path}::{row.name}" if row.name else row.path
    store = ArtifactStore(folder, Scope(prompts=[address]))
    listed = {artifact.address: artifact.text for artifact in store.all()}
    if listed != {address: row.text}:
        yield f"it is listed as {listed}"
        return
    for text in HOSTILE:
        if row.path.endswith(".j2") and ("{" in text or "#" in text):
            continue  # a template means something by braces; the review keeps them
        files = store.render([Edit(address=address, before=row.text, after=text)])
        after = files[row.path]
        if store.with_files(files).get(address).text != text:
            yield f"{text!r} is listed as another text"
        if _loaded(row, after) != _expected(row, text):
            yield f"{text!r} is loaded as {_loaded(row, after)}"
        if not _same_around(row, after):
            yield f"{text!r} changes bytes outside of the value"
    yield from _written_and_undone(folder, row, files)


def _loaded(row: DataLocation, data: bytes) -> Any:
    return row.load(data.decode("utf-8-sig"))


def _expected(row: DataLocation, text: str) -> Any:
    document: Any = copy.deepcopy(_loaded(row, row.content.encode()))
    for keys in row.at:
        if not keys:
            return text
        table = document
        for key in keys[:-1]:
            table = table[key]
        table[keys[-1]] = text
    return document


def _same_around(row: DataLocation, after: bytes) -> bool:
    before, behind = row.around
    return after.startswith(before.encode()) and after.endswith(behind.encode())


def _written_and_undone(folder: Path, row: DataLocation, files: dict[str, bytes]) -> Iterator[str]:
    """Write the last edit, take its patch back with git, and write it and take it back by our own hand."""
    file, before = folder / row.path, row.content.encode()
    patch = unified_diff(folder, files)
    for arguments, expected in ((["apply"], files[row.path]), (["apply", "-R"], before)):
        command = ["git", *arguments, "-"]
        subprocess.run(command, cwd=folder, input=patch.encode(), check=True, capture_output=True)
        if file.read_bytes() != expected:
            yield f"git {' '.join(arguments)} gives other bytes"
    for content in (files[row.path], before):
        known = {row.path: hashlib.sha256(file.read_bytes()).hexdigest()}
        written = write_back(folder, {row.path: content}, expected=known, journal=folder / "journal.json")
        if written.conflicts or file.read_bytes() != content:
            yield f"writing gives other bytes, or conflicts: {written.conflicts}"
