"""Private temporary folders that are swept away even when their owner was killed."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

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
