"""What a session leaves for others: Markdown summary, annotations, Code Quality report, HTML report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_fapo.commands import Done
    from pytest_fapo.session import FapoSession
    from pytest_fapo.terminal_output import Output


def publish(config: pytest.Config, session: FapoSession, done: Done, out: Output) -> None:
    """Write what the options and the CI's own variables ask for.

    Raises:
        FapoError: a file cannot be written.
    """
