"""The private folder of one run of an agent."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def own_folder() -> Iterator[Path]:
    """A new folder that nobody else may enter; removed at the end, whatever stands in it by then."""
    path = Path(tempfile.mkdtemp(prefix="fapo-agent-")).resolve()
    try:
        yield path
    finally:
        shutil.rmtree(path, onerror=_retry_writable)


def _retry_writable(function: Any, path: str, _error: Any) -> None:
    """A folder without write or search permission keeps its entries from being removed."""
    for place in (os.path.dirname(path), path):
        if os.path.isdir(place) and not os.path.islink(place):
            os.chmod(place, stat.S_IRWXU)
    if function in (os.unlink, os.rmdir):
        with suppress(OSError):
            function(path)
    else:
        shutil.rmtree(path, ignore_errors=True)
