"""Addresses: how an artifact is named, `path` or `path::name`, paths relative to the root and POSIX."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

from pytest_fapo.errors import ArtifactError


class Address(NamedTuple):
    """A path and the name of a piece inside the file; an empty name means the whole file."""

    path: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.path}::{self.name}" if self.name else self.path


def split_pattern(text: str) -> Address:
    """Split `path::name` as it stands in the scope, where both parts may hold patterns."""
    path, _, name = text.strip().partition("::")
    return Address(path.strip(), name.strip())


def parse_address(text: str) -> Address:
    """Split an address and bring its path into the one canonical spelling.

    Raises:
        ArtifactError: the path is empty, absolute or leads out of the project.
    """
    path, name = split_pattern(text)
    parts = PurePosixPath(path.replace("\\", "/"))
    too_long = any(len(part.encode(errors="replace")) > 255 for part in parts.parts)
    if (
        not path
        or "\0" in path
        or too_long
        or parts.is_absolute()
        or ".." in parts.parts
        or parts == PurePosixPath(".")
    ):
        raise ArtifactError(
            f"{text!r} is not an address: expected 'path' or 'path::NAME', the path below the root"
        )
    return Address(str(parts), name)
