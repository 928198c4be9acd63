"""What an agent's runs came to, on disk: a run of ours that was killed asks no agent twice for the same."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from pytest_fapo.models import Edit, Level, Record
from pytest_fapo.whole_files import write_whole


class Result(Record):
    """What one run of an agent came to."""

    edits: list[Edit] = Field(default_factory=list)
    level: Level = "prompt"
    """The highest among the edits'."""
    dropped: list[str] = Field(default_factory=list)
    """Each change that was left out, with the reason."""
    reason: str = ""
    """The agent's own words, in a sentence."""


class Memo:
    """Results by the digest of what was asked.

    The question holds the traces with their times, so that only a resumed run asks the same again; a new run
    asks anew.

    Args:
        folder: made when something is first kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, digest: str) -> Result | None:
        """The result that was kept, if any."""
        try:
            return Result.model_validate_json(self._path(digest).read_bytes())
        except (OSError, ValidationError):
            return None

    def keep(self, digest: str, result: Result) -> None:
        """Keep a result; it is on disk, whole, when this returns."""
        write_whole(self._path(digest), result.model_dump_json().encode())

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"
