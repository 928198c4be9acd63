"""Patches: the edits between two states, as text that `git apply` accepts, and the merge of two changes."""

from __future__ import annotations

import ast
import base64
import difflib
import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from pytest_fapo.core.candidate import Artifact, Edit
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.source.python_module import read_module


def edits_between(store: ArtifactStore, files: Mapping[str, bytes]) -> list[Edit]:
    """One edit for each artifact that is another, or new, once `files` are laid over the store's own.

    The new source of a function begins with those imports that its module has gained and that it uses, so
    that each edit can be rendered without the others.

    Args:
        store: the artifacts as they are.
        files: contents by relative POSIX path; what they change outside of artifacts is in no edit.
    """
    after = store.with_files(files)
    before = {artifact.address: artifact for artifact in store.all()}
    now = {artifact.address: artifact for artifact in after.all()}
    # A pattern passes over single words: what has become one, or was one, is there all the same.
    for address in before.keys() - now.keys():
        now |= _by_name(after, address)
    for address in now.keys() - before.keys():
        before |= _by_name(store, address)
    texts = {address: artifact.text for address, artifact in before.items()}
    return [
        Edit(
            address=address,
            before=texts.get(address, ""),
            after=_gained(store, after, artifact) + artifact.text,
        )
        for address, artifact in now.items()
        if texts.get(address) != artifact.text
    ]


def _by_name(store: ArtifactStore, address: str) -> dict[str, Artifact]:
    try:
        return {address: store.get(address)}
    except ArtifactError:
        return {}


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
    """Yield the imports of a module one name at a time: the statement, and the name that it binds."""
    for statement in read_module(store.read(path), path).tree.body:
        for alias in statement.names if isinstance(statement, (ast.Import, ast.ImportFrom)) else []:
            if isinstance(statement, ast.Import):
                one: ast.stmt = ast.Import(names=[alias])
            else:
                assert isinstance(statement, ast.ImportFrom)
                one = ast.ImportFrom(module=statement.module, names=[alias], level=statement.level)
            yield ast.unparse(one), alias.asname or alias.name.partition(".")[0]


def unified_diff(root: Path, files: Mapping[str, bytes], before: Mapping[str, bytes] | None = None) -> str:
    """Return the difference between `before` and `files`, for `git apply` in `root`.

    Inside a repository the patch names the files from its top, as git's own patches do, since that is how
    `git apply` reads them in whatever folder it runs.

    Text that is UTF-8 is shown as a unified diff, CR and a missing last newline included; anything else is a
    binary patch, since a text patch could not carry its bytes.

    Args:
        root: folder that the paths are relative to.
        files: new contents by relative POSIX path; a path that does not exist yet becomes a new file.
        before: old contents; a path that is missing did not exist. Default: as they are on the disk.

    The index lines name both contents, so that `git apply --3way` can merge the patch into an edited file.
    """
    prefix = _below_top(root)
    texts = []
    for path in sorted(files):
        file = root / path
        old = before.get(path) if before is not None else file.read_bytes() if file.is_file() else None
        texts.append(_of_file(old, _mode(file), prefix + _behind_links(root, path), files[path]))
    return "".join(texts)


def _mode(file: Path) -> str:
    """As git knows it; of a file that is not there, that of any new one."""
    return "100755" if file.is_file() and file.stat().st_mode & 0o100 else "100644"


def _behind_links(root: Path, path: str) -> str:
    """Return the path of the file itself: git takes a symbolic link for a file that holds a path."""
    target = (root / path).resolve()
    return target.relative_to(root.resolve()).as_posix() if target.is_relative_to(root.resolve()) else path


def _below_top(root: Path) -> str:
    """Return the path from the top of the repository to `root`, with a slash at its end; empty without a
    repository.
    """
    here = root.resolve()
    for top in (here, *here.parents):
        if (top / ".git").exists():
            return "" if top == here else here.relative_to(top).as_posix() + "/"
    return ""


def _of_file(old: bytes | None, mode: str, path: str, new: bytes) -> str:
    if old == new:
        return ""
    head = f"diff --git {_escaped_path('a/' + path)} {_escaped_path('b/' + path)}\n"
    if old is None:
        head += "new file mode 100644\n"
    head += f"index {_blob(old)}..{_blob(new)}{'' if old is None else f' {mode}'}\n"
    try:
        before, after = _lines(old or b""), _lines(new)
    except UnicodeDecodeError:
        return f"{head}GIT binary patch\n{_literal(new)}\n{_literal(old or b'')}\n"
    label = _label("a/" + path) if old is not None else "/dev/null"
    body = "".join(
        line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
        for line in list(difflib.unified_diff(before, after))[2:]
    )
    # Without a hunk (an empty new file) git wants no names of files either.
    return f"{head}--- {label}\n+++ {_label('b/' + path)}\n{body}" if body else head


def _lines(data: bytes) -> list[str]:
    if b"\0" in data:
        raise UnicodeDecodeError("utf-8", data, 0, 1, "NUL bytes are no text")
    parts = data.decode("utf-8").split("\n")
    lines = [part + "\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def _label(path: str) -> str:
    """Return a path in a `---` or `+++` line, where a tab ends a name that holds spaces."""
    escaped = _escaped_path(path)
    return escaped + "\t" if " " in escaped and not escaped.startswith('"') else escaped


def _escaped_path(path: str) -> str:
    """Git's C-style quoting, for names that hold quotes, backslashes or control characters."""
    if not any(character in '"\\' or not character.isprintable() for character in path):
        return path
    pieces = []
    for byte in path.encode("utf-8", "surrogateescape"):
        character = chr(byte)
        if character in '"\\':
            pieces.append("\\" + character)
        else:
            pieces.append(character if 0x20 <= byte < 0x7F else f"\\{byte:03o}")
    return '"' + "".join(pieces) + '"'


def _blob(data: bytes | None) -> str:
    """Git's name for a content; all zeros for a file that is not there."""
    if data is None:
        return "0" * 40
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _literal(data: bytes) -> str:
    packed = zlib.compress(data)
    lines = [f"literal {len(data)}\n"]
    for start in range(0, len(packed), 52):
        part = packed[start : start + 52]
        length = chr(ord("A") + len(part) - 1) if len(part) <= 26 else chr(ord("a") + len(part) - 27)
        lines.append(length + base64.b85encode(part, pad=True).decode() + "\n")
    return "".join(lines)


class _Hunk(NamedTuple):
    """Lines `start` to `end` of the base become `lines`."""

    start: int
    end: int
    lines: Sequence[bytes]


def merge(base: bytes, mine: bytes, other: bytes) -> bytes | None:
    """Return `base` with the changes of both `mine` and `other`; None where they meet.

    Like git, it wants at least one unchanged line between two changes; equal changes are one. Bytes that are
    no text (NUL in them) are not merged.
    """
    if mine in (base, other):
        return other
    if other == base:
        return mine
    if any(b"\0" in data for data in (base, mine, other)):
        return None
    lines = _split_lines(base)
    first, second = _hunks(lines, mine), _hunks(lines, other)
    hunks = sorted({*first, *second}, key=lambda hunk: (hunk.start, hunk.end))
    for before, after in pairwise(hunks):
        if before.end >= after.start:
            return None
    merged: list[bytes] = []
    place = 0
    for hunk in hunks:
        merged += [*lines[place : hunk.start], *hunk.lines]
        place = hunk.end
    return b"".join([*merged, *lines[place:]])


def _hunks(base: Sequence[bytes], changed: bytes) -> list[_Hunk]:
    lines = _split_lines(changed)
    matcher = SequenceMatcher(None, base, lines, autojunk=False)
    return [
        _Hunk(start, end, tuple(lines[from_:to]))
        for tag, start, end, from_, to in matcher.get_opcodes()
        if tag != "equal"
    ]


def _split_lines(data: bytes) -> list[bytes]:
    """As git counts them; without an end of line, the last one is a line too."""
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines
