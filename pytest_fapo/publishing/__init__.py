"""What a session leaves for others: a Markdown page, annotations, Code Quality and HTML reports, JUnit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from pytest_fapo.outcome import Done
    from pytest_fapo.session import FapoSession
    from pytest_fapo.terminal_output import Output

__all__ = ["publish"]


def publish(config: pytest.Config, session: FapoSession, done: Done, out: Output) -> None:
    """Write what the options and the CI's own variables ask for.

    Args:
        config: pytest's.
        session: the plugin's session.
        done: what it has come to.
        out: pytest's terminal; says what was written, and carries GitHub's annotations.

    Raises:
        FapoError: a file cannot be written; the others are.
    """
    from pytest_fapo.publishing.publisher import publish_all  # JUnit's properties need none of it

    publish_all(config, session, done, out)
