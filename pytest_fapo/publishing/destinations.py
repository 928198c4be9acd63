"""Where a session's results are written to, as options and the CI's own variables ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_fapo.errors import FapoError
from pytest_fapo.report.pull_request import PageKind
from pytest_fapo.whole_files import write_whole

COMMENT_BYTES = 65_000
"""A comment on GitHub takes 65,536 characters; what is longer is refused as a whole."""
STEP_BYTES = 1024 * 1024
"""GitHub drops a step's summary that is longer, with all that other commands of the step wrote."""


@dataclass(frozen=True)
class Destinations:
    """Files that are asked for, each None where it is not."""

    summary: Path | None
    step_summary: Path | None
    """GitHub's own file of the running step, which is appended to."""
    code_quality: Path | None
    report: Path | None
    annotations: bool
    """Whether GitHub's workflow commands are printed."""

    @classmethod
    def of(cls, config: pytest.Config, kind: PageKind, environment: Mapping[str, str]) -> Destinations:
        """Read them off.

        Args:
            config: pytest's.
            kind: what the session did; a plain one leaves GitHub's summary alone unless `--fapo-summary` asks
                for one.
            environment: of this process.
        """
        option = config.option
        github = environment.get("GITHUB_ACTIONS") == "true"
        step = environment.get("GITHUB_STEP_SUMMARY") if kind != "plain" or option.fapo_summary else None
        return cls(
            summary=_placed(config, option.fapo_summary),
            step_summary=Path(step) if step else None,
            code_quality=_placed(config, option.fapo_code_quality),
            report=_placed(config, option.fapo_report),
            annotations=option.fapo_annotations == "github" or (option.fapo_annotations == "auto" and github),
        )

    @property
    def page(self) -> bool:
        """Whether a Markdown page is asked for."""
        return self.summary is not None or self.step_summary is not None


def _placed(config: pytest.Config, path: str | None) -> Path | None:
    """A path as the user typed it, where they typed it."""
    return config.invocation_params.dir / Path(path).expanduser() if path else None


def write(path: Path, text: str, *, option: str) -> None:
    """Write a file whole; folders above it are made.

    Raises:
        FapoError: it cannot be written.
    """
    try:
        write_whole(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise FapoError(f"{option}: {path} cannot be written: {error.strerror or error}") from None


def room_in(path: Path) -> int:
    """Bytes that GitHub's summary of this step can still take."""
    return max(0, STEP_BYTES - (path.stat().st_size if path.is_file() else 0))


def append(path: Path, text: str) -> None:
    """Add to GitHub's summary of this step.

    Raises:
        FapoError: it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise FapoError(f"GITHUB_STEP_SUMMARY: {path} cannot be written: {error.strerror or error}") from None
