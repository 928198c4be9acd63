"""A sample of what steps sent to models; `.fapo/sent-requests.json` keeps that of the last session."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.record import Record

_FILE_NAME = "sent-requests.json"


class SentRequests(Record):
    """Requests by step, as far as they are the project's part: no answers, no results of tools."""

    steps: dict[str, list[list[str]]] = Field(default_factory=dict)
    """Step to the texts of a few requests: messages, descriptions of tools and of response schemas."""
    imported: list[str] = Field(default_factory=list)
    """Python files of the project that the run imported; empty where that is not known."""

    def save(self, folder: Path) -> None:
        """Keep it in the project's `.fapo`.

        Raises:
            OSError: it cannot be written.
        """
        write_atomically(folder / _FILE_NAME, self.model_dump_json().encode())

    @classmethod
    def load(cls, folder: Path) -> SentRequests:
        """Return what the last session has sent; nothing where no session has left that."""
        try:
            return cls.model_validate_json((folder / _FILE_NAME).read_bytes())
        except (OSError, ValidationError):
            return cls()
