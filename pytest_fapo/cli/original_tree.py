"""The files of the scope as they were when a run began, in a folder of their own."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from pytest_fapo.artifacts import ArtifactStore, unified_diff
from pytest_fapo.config import home_settings
from pytest_fapo.errors import FapoError
from pytest_fapo.models import Candidate
from pytest_fapo.optimize import RunDirectory
from pytest_fapo.optimize.results import load_result
from pytest_fapo.project_file import Home


class OriginalTree:
    """Made from what lies in the project still, and from what the run has saved of what it changed.

    Args:
        run: the run.

    Raises:
        FapoError: on entering: a file is not known any more as it was.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._project = run.project
        self._run = run
        self._folder = tempfile.TemporaryDirectory(prefix="fapo-diff-")
        self.root = Path(self._folder.name)

    def __enter__(self) -> OriginalTree:
        self.root = self._below_a_top()
        began = self._run.find("began") or {}
        saved = _saved(self._run)
        for path, digest in dict(began.get("files", {})).items():
            self._write(path, self._content(path, str(digest), saved))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def files_after(self, chain: list[Candidate]) -> dict[str, bytes]:
        """The files that differ from the original after the edits of all candidates, one after the other.

        Raises:
            ArtifactError: the scope of today does not allow them.
        """
        settings = self._run.path.resolve().parents[2] / "pyproject.toml"
        home = Home(settings if settings.is_file() else None, self._project)
        scope = home_settings(home).scope
        files: dict[str, bytes] = {}
        for candidate in chain:
            files = ArtifactStore(self.root, scope).render(candidate.edits, base=files)
        return {path: content for path, content in files.items() if self._original(path) != content}

    def patch(self, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
        """The difference between two states of the files, each given as what differs from the original.

        A file that only the first one creates is shown as emptied.
        """
        originals = {path: self._original(path) or b"" for path in before}
        for path, content in before.items():
            self._write(path, content)
        return unified_diff(self.root, {**originals, **after})

    def _below_a_top(self) -> Path:
        """Where in the temporary folder the files go: a patch names them from the repository's top."""
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


def _saved(run: RunDirectory) -> dict[str, bytes]:
    """What the run has kept of the files that it changed."""
    try:
        files = load_result(run).files
    except FapoError:
        return {}
    return {path: change.old for path, change in files.items() if change.old is not None}
