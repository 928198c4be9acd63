"""A copy of the project for trying candidates, in a private folder that is removed even after a kill."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Any

from pytest_fapo.core.errors import EvaluationError
from pytest_fapo.shadow.tree_state import PristineStore, TreeState, digest
from pytest_fapo.shadow.tree_survey import TreeSurvey, repository_of, survey_tree

if sys.platform != "win32":
    import fcntl

_PREFIX = "pytest-fapo-"

_LOCK = "owner.lock"


class PrivateFolder:
    """A folder of this process, locked as long as it lives; removed by `close`."""

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
        unlocked = self.path / "lock"
        self._lock = unlocked.open("wb")
        _try_lock(self._lock)
        unlocked.rename(self.path / _LOCK)  # it is locked from the moment that a sweep can see it

    def close(self) -> None:
        remove(self.path)
        self._lock.close()


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file, a link or a folder with all that is in it, read-only parts too."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, onerror=_retry_writable)
    else:
        os.unlink(path)


def _retry_writable(function: Callable[..., Any], path: str, _error: Any) -> None:
    """A folder without write or search permission keeps its entries from being removed."""
    for place in (os.path.dirname(path), path):
        try:
            if stat.S_ISDIR(os.lstat(place).st_mode):
                os.chmod(place, stat.S_IRWXU)
        except OSError:
            return
    if function in (os.unlink, os.rmdir):
        function(path)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove the folders of owners that are no more (a kill leaves them)."""
    for folder in parent.glob(_PREFIX + "*"):
        try:
            with (folder / _LOCK).open("rb+") as lock:
                if _try_lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # somebody else's, or made just now


def _try_lock(file: IO[bytes]) -> bool:
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


_SECOND = 1_000_000_000

_Fingerprint = tuple[int, int, int, int, int]


class Stamps:
    """Modification times that never repeat: whole seconds, each later than all before.

    Python takes a .pyc for fresh when its source's size and whole-second modification time are the ones
    noted in it, so two versions of a file must never share a second.
    """

    def __init__(self) -> None:
        self._last = int(time.time())

    def seen(self, mtime_ns: int) -> None:
        """A file with this time is about: later stamps are later than it."""
        now = int(time.time())
        self._last = max(self._last, min(mtime_ns // _SECOND, now + 86_400))

    def next(self) -> int:
        """Nanoseconds."""
        self._last += 1
        return self._last * _SECOND


class ShadowTree:
    """A private copy of a project as it was at one moment; the project itself is only read.

    A context manager. `apply` gives the tree of a candidate, `restore` the unpatched one.

    Attributes:
        root: the project's folder.
        path: the copy's folder; it has the project's name.
        base: the private folder that holds the copy and what belongs to it.
        survey: what was copied, linked and left out.
        unreadable: relative paths that could not be read and are missing from the copy.
        state: what the project held when it was copied.
    """

    def __init__(
        self, root: Path, base: PrivateFolder, found: TreeSurvey, exclude: Sequence[Path] = ()
    ) -> None:
        self.root = root
        self._exclude = tuple(exclude)
        self.base = base.path
        self.survey = found
        self.unreadable: list[str] = []
        self.state = TreeState.of_linked_files(root, found)
        self.area = self.base / "tree"
        self.path = self._make_surroundings()
        self._folder = base
        self._pristine = PristineStore(self.base / "pristine.bin")
        self._stamps = Stamps()
        self._modes: dict[str, int] = {}
        self._folder_modes: dict[str, int] = {}
        self._seen: dict[str, _Fingerprint] = {}
        self._applied: dict[str, bytes] = {}
        self._compiled: dict[str, _Fingerprint] = {}
        """Bytecode that runs of the unpatched tree have written."""
        self._companions: list[Callable[[], None]] = []
        self._links = {**found.links, **{path: os.path.join(root, path) for path in found.linked}}

    @classmethod
    def create(cls, root: Path, *, exclude: Sequence[Path] = ()) -> ShadowTree:
        """Copy the project at `root` as it lies on the disk now, uncommitted changes included.

        Args:
            root: pytest's rootdir.
            exclude: files or folders that are left out, beside `.fapo`, `.git` and caches.

        Raises:
            EvaluationError: there is no room for a copy, or the system is none that it can be made on.
        """
        if sys.platform == "win32":
            raise EvaluationError("candidates are tried in a copy of the project, which needs Linux or macOS")
        root = root.absolute()
        try:
            base = PrivateFolder()
        except OSError as error:
            raise EvaluationError(_not_copied(root, error)) from error
        try:
            tree = cls(root, base, survey_tree(root, (*exclude, base.path)), exclude)
            tree._copy()
        except BaseException as error:
            base.close()
            if isinstance(error, OSError):
                raise EvaluationError(_not_copied(root, error)) from error
            raise
        return tree

    # --- states ---------------------------------------------------------------------------------------

    def apply(self, files: Mapping[str, bytes]) -> None:
        """Make the tree the pristine copy with these files in place of its own.

        Args:
            files: new contents by relative POSIX path; files that the project does not have are added.

        Raises:
            EvaluationError: a path leaves the tree.
        """
        wanted = {self.place_of(path): content for path, content in files.items()}
        for path in {*self._applied, *wanted}:
            if self._applied.get(path) != wanted.get(path):
                self._seen.pop(path, None)
        self._applied = wanted
        self.clean()

    def restore(self) -> None:
        """Make the tree the pristine copy again."""
        self.apply({})

    def clean(self) -> None:
        """Undo whatever the tests changed, made or removed; the applied files stay."""
        folders = {*self.survey.folders, *_parents(self._applied)}
        found: set[str] = set()
        self._clean_folder("", folders, found)
        self._seen = {path: seen for path, seen in self._seen.items() if path in found}
        for path in sorted(folders):
            place = self.path / path
            if not place.is_dir():
                place.mkdir(mode=0o700)
                self._set_folder_mode(path)
        for path, target in self._links.items():
            if not os.path.islink(self.path / path) and path not in self._applied:
                os.symlink(target, self.path / path)
        for path in (*self._modes, *self._applied):
            if path not in self._seen:
                self._write(path, self.content(path), self._stamps.next())

    def content(self, path: str) -> bytes:
        """Return the content of this file in the tree, whatever a test wrote into it."""
        applied = self._applied.get(path)
        return self._pristine[path] if applied is None else applied

    def original(self, path: str) -> bytes:
        """Return the content of this file when the project was copied; empty if it could not be read."""
        return self._pristine[path] if path in self._modes else b""

    def close(self) -> None:
        """Remove the copy."""
        for end in self._companions:
            end()
        self._pristine.close()
        self._folder.close()

    def changes(self) -> dict[str, str]:
        """Return by path what has happened since to the project's own files; see `TreeState.changes`."""
        return self.state.changes(TreeState.now(self.root, (*self._exclude, self.base)))

    def on_close(self, end: Callable[[], None]) -> None:
        """Call `end` before the copy is removed."""
        self._companions.append(end)

    def __enter__(self) -> ShadowTree:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- reading --------------------------------------------------------------------------------------

    def place_of(self, path: str) -> str:
        """Return the file that a path in the tree leads to: links inside the tree are followed.

        Raises:
            EvaluationError: it leads out of the tree.
        """
        pure = PurePosixPath(path)
        if not pure.parts or pure.is_absolute() or ".." in pure.parts:
            raise EvaluationError(f"{path!r} leaves the project; a patch names files inside it")
        place = Path(os.path.realpath(self.path / pure))
        if not place.is_relative_to(self.path):
            raise EvaluationError(
                f"{path!r} is a link out of the project, or lies in a folder that is too large to copy"
            )
        return place.relative_to(self.path).as_posix()

    def mark_unread(self, paths: Iterable[str]) -> None:
        """Set the access times of these files back, so that any program's reading shows in them."""
        for path in paths:
            seen = self._seen.get(path)
            if seen is not None:
                os.utime(self.path / path, ns=(seen[0] - _SECOND, seen[0]))
                self._remember(path)

    def was_read(self, path: str) -> bool:
        """True if any program has read the file since `mark_unread`, where the file system keeps note."""
        seen = self._seen.get(path)
        try:
            found = os.stat(self.path / path)
        except OSError:
            return False
        return seen is not None and found.st_mtime_ns == seen[0] and found.st_atime_ns != seen[0] - _SECOND

    # --- making the copy ------------------------------------------------------------------------------

    def _make_surroundings(self) -> Path:
        """Return the shadow's folder; where the project is part of a repository, beside links to its
        neighbors.
        """
        real = self.root.resolve()
        top = repository_of(real) or real
        place = self.area / (top.name or "root")
        place.mkdir(parents=True)
        for part in real.relative_to(top).parts:
            for name in os.listdir(top):
                if name not in (part, ".git"):
                    os.symlink(top / name, place / name)
            (place / ".git").mkdir(exist_ok=True)
            top, place = top / part, place / part
            place.mkdir()
        return place

    def _copy(self) -> None:
        for folder in self.survey.folders:
            (self.path / folder).mkdir(mode=0o700)
        for folder in self.survey.repositories:
            (self.path / folder / ".git").mkdir(exist_ok=True)
        for path, target in self._links.items():
            os.symlink(target, self.path / path)
        for path in self.survey.files:
            self._copy_file(path)
        for folder in self.survey.folders:
            self._set_folder_mode(folder)

    def _copy_file(self, path: str) -> None:
        try:
            with open(self.root / path, "rb", buffering=0) as source:
                found = os.fstat(source.fileno())
                content = source.read()
        except OSError:
            self.unreadable.append(path)
            self.state.files[path] = ""
            return
        self.state.files[path] = digest(content)
        self._stamps.seen(found.st_mtime_ns)
        self._pristine.add(path, content)
        self._modes[path] = stat.S_IMODE(found.st_mode)
        self._write(path, content, found.st_mtime_ns)

    def _set_folder_mode(self, path: str) -> None:
        mode = self._folder_modes.get(path)
        if mode is None:
            try:
                mode = stat.S_IMODE(os.stat(self.root / path).st_mode) | stat.S_IRWXU
            except OSError:
                mode = 0o755
            self._folder_modes[path] = mode
        os.chmod(self.path / path, mode)

    # --- files ----------------------------------------------------------------------------------------

    def _write(self, path: str, content: bytes, mtime_ns: int) -> None:
        place = self.path / path
        if os.path.lexists(place):
            remove(place)
        mode = self._modes.get(path, 0o644)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "wb", buffering=0) as file:
            file.write(content)
            os.fchmod(descriptor, mode)
            os.utime(descriptor, ns=(mtime_ns - _SECOND, mtime_ns))
        self._remember(path)

    def _remember(self, path: str) -> None:
        self._seen[path] = _fingerprint(os.lstat(self.path / path))

    def _clean_folder(self, relative: str, folders: set[str], found: set[str]) -> None:
        """Remove what does not belong here; `found` takes the files that are as they should be."""
        with os.scandir(self.path / relative) as entries:
            listed = list(entries)
        for entry in listed:
            path = f"{relative}/{entry.name}" if relative else entry.name
            state = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(state.st_mode):
                if path in folders:
                    if stat.S_IMODE(state.st_mode) != self._folder_modes.get(path):
                        self._set_folder_mode(path)
                    self._clean_folder(path, folders, found)
                elif entry.name == "__pycache__":
                    self._clean_bytecode(relative, entry.path)
                elif entry.name != ".git":
                    remove(entry.path)
                elif relative in self.survey.repositories and os.listdir(entry.path):
                    remove(entry.path)
                    os.mkdir(entry.path)
            elif self._seen.get(path) == _fingerprint(state):
                found.add(path)
            elif path in self._seen or not self._is_own_link(path, state):
                remove(entry.path)

    def _is_own_link(self, path: str, state: os.stat_result) -> bool:
        return stat.S_ISLNK(state.st_mode) and os.readlink(self.path / path) == self._links.get(path)

    def _clean_bytecode(self, folder: str, place: str) -> None:
        """Keep the bytecode of the tree's own sources; it saves the next run from compiling them.

        What was written while a candidate's code ran may be anything, under the name of any module.
        """
        for name in os.listdir(place):
            source, path = f"{folder}/{name.partition('.')[0]}.py".lstrip("/"), os.path.join(place, name)
            found = _fingerprint(os.lstat(path))
            if not name.endswith(".pyc") or source not in self._seen:
                remove(path)
            elif not self._applied:
                self._compiled[path] = found
            elif self._compiled.get(path) != found:
                remove(path)


def _not_copied(root: Path, error: OSError) -> str:
    return (
        f"{root} could not be copied to {tempfile.gettempdir()}: {error.strerror or error}; "
        "set TMPDIR to a folder with enough room"
    )


def _fingerprint(found: os.stat_result) -> _Fingerprint:
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode)


def _parents(paths: Iterable[str]) -> set[str]:
    return {
        parent.as_posix()
        for path in paths
        for parent in PurePosixPath(path).parents
        if parent.as_posix() != "."
    }
