"""`fapo diff`: the changes of a run, and the changes that one of its candidates would have made."""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from pytest_fapo.cli.console import NOTHING_DONE, OK, CommandConsole, find_root
from pytest_fapo.cli.run_commands import attempts_of
from pytest_fapo.core.candidate import Candidate, Edit
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.project_file import SettingsHome
from pytest_fapo.core.settings import home_settings
from pytest_fapo.core.text import line_diff
from pytest_fapo.loop.events import RunBegan
from pytest_fapo.loop.run_folder import RunFolder, find_run
from pytest_fapo.loop.run_result import load_result
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.source.patch import unified_diff


class OriginalTree:
    """Made from what lies in the project still, and from what the run has saved of what it changed.

    Args:
        run: the run.

    Raises:
        FapoError: on entering: a file is not known any more as it was.
    """

    def __init__(self, run: RunFolder) -> None:
        self._project = run.project
        self._run = run
        self._folder = tempfile.TemporaryDirectory(prefix="fapo-diff-")
        self.root = Path(self._folder.name)

    def __enter__(self) -> OriginalTree:
        self.root = self._below_a_top()
        began = self._run.journal.last(RunBegan)
        saved = _saved(self._run)
        for path, digest in (began.files if began is not None else {}).items():
            self._write(path, self._content(path, digest, saved))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def files_after(self, chain: list[Candidate]) -> dict[str, bytes]:
        """Return the files that differ from the original after the edits of all candidates, one after the
        other.

        Raises:
            ArtifactError: the scope of today does not allow them.
        """
        settings = self._run.path.resolve().parents[2] / "pyproject.toml"
        home = SettingsHome(settings if settings.is_file() else None, self._project)
        scope = home_settings(home).scope
        files: dict[str, bytes] = {}
        for candidate in chain:
            files = ArtifactStore(self.root, scope).render(candidate.edits, base=files)
        return {path: content for path, content in files.items() if self._original(path) != content}

    def patch(self, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
        """Return the difference between two states of the files, each given as what differs from the
        original.

        A file that only the first one creates is shown as emptied.
        """
        originals = {path: self._original(path) or b"" for path in before}
        for path, content in before.items():
            self._write(path, content)
        return unified_diff(self.root, {**originals, **after})

    def _below_a_top(self) -> Path:
        """Return the folder in the temporary folder for the files: a patch names them from the repository's
        top.
        """
        top = next(
            (each for each in (self._project, *self._project.parents) if (each / ".git").exists()), None
        )
        if top is None:
            return self.root
        (self.root / ".git").mkdir()
        return self.root / self._project.relative_to(top)

    def _content(self, path: str, digest: str, saved: Mapping[str, bytes]) -> bytes:
        file = self._project / path
        for content in (file.read_bytes() if file.is_file() else b"", saved.get(path, b"")):
            if hashlib.sha256(content).hexdigest() == digest:
                return content
        raise FapoError(f"{path} has changed since the run began")

    def _original(self, path: str) -> bytes | None:
        file = self.root / path
        return file.read_bytes() if file.is_file() else None

    def _write(self, path: str, content: bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _saved(run: RunFolder) -> dict[str, bytes]:
    """Return the run's copies of the files that it changed."""
    try:
        files = load_result(run).files
    except FapoError:
        return {}
    return {path: change.old for path, change in files.items() if change.old is not None}


def diff(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo diff RUN [A [B]]`; what it prints is a patch for `git apply` wherever the files of then are
    known."""
    from pytest_fapo.views.terminal_diff import show_patch

    run = find_run(find_root(settings=options.settings), options.name)
    if options.a is None:
        text = _whole_patch(run)
    else:
        candidates = {attempt.candidate.id: attempt.candidate for attempt in attempts_of(run)}
        first = _chain(candidates, options.a, run)
        second = _chain(candidates, options.b, run) if options.b is not None else None
        text = _between(run, first, second)
    if not text:
        console.line("There is no difference.")
        return NOTHING_DONE
    terminal = console.terminal
    if terminal.tty or terminal.color:
        show_patch(text, terminal)
    else:  # for `git apply`, so not a byte of it is made readable
        terminal.file.write(text.removesuffix("\n") + "\n")
    return OK


def _whole_patch(run: RunFolder) -> str:
    patch = run.path / "changes.patch"
    if not patch.is_file():
        raise FapoError(
            f"run {run.path.name} has no patch: nothing was accepted; one candidate's change is shown by "
            f"`fapo diff {run.path.name} c1`"
        )
    return patch.read_bytes().decode("utf-8", "surrogateescape")


def _chain(candidates: Mapping[str, Candidate], name: str, run: RunFolder) -> list[Candidate]:
    """Return the candidate with those that it builds on, the first one first.

    Raises:
        FapoError: there is no such candidate, or it holds no edit.
    """
    chain: list[Candidate] = []
    wanted = name
    while wanted:
        candidate = candidates.get(wanted)
        if candidate is None or candidate in chain:
            known = ", ".join(candidates) or "none"
            raise FapoError(f"run {run.path.name} has no candidate {wanted!r}; there are: {known}")
        chain.insert(0, candidate)
        wanted = candidate.parent
    if not chain[-1].edits:
        raise FapoError(f"{name} holds no edit: no proposal could be made")
    return chain


def _between(run: RunFolder, first: list[Candidate], second: list[Candidate] | None) -> str:
    try:
        with OriginalTree(run) as tree:
            before = tree.files_after(first)
            return tree.patch({}, before) if second is None else tree.patch(before, tree.files_after(second))
    except FapoError as error:
        sys.stderr.write(f"fapo: texts are compared, not files, and git cannot apply it: {error}\n")
    original, changed = _texts(first)
    if second is None:
        return _of_texts(original, changed)
    more_original, other = _texts(second)
    original = {**more_original, **original}
    return _of_texts({**original, **changed}, {**original, **other})


def _texts(chain: list[Candidate]) -> tuple[dict[str, str], dict[str, str]]:
    """Address to text, before the first and after the last candidate."""
    edits: list[Edit] = [edit for candidate in chain for edit in candidate.edits]
    before = {edit.address: edit.before for edit in reversed(edits)}
    return before, {edit.address: edit.after for edit in edits}


def _of_texts(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    lines: list[str] = []
    for address in sorted(after):
        diff = line_diff(*(texts.get(address, "").splitlines() for texts in (before, after)))
        if diff:
            lines += [f"--- a/{address}", f"+++ b/{address}", *diff]
    return "\n".join(lines)
