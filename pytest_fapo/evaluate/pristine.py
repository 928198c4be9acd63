"""The project's files as they were when a run began, kept for restoring the shadow tree."""

from __future__ import annotations

from pathlib import Path


class PristineStore:
    """File contents, one behind the other in a single file: quicker to write than a second tree."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._places: dict[str, tuple[int, int]] = {}

    def add(self, path: str, content: bytes) -> None:
        self._places[path] = (self._file.seek(0, 2), len(content))
        self._file.write(content)

    def __contains__(self, path: str) -> bool:
        return path in self._places

    def __getitem__(self, path: str) -> bytes:
        offset, size = self._places[path]
        self._file.seek(offset)
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()
