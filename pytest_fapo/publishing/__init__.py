"""What a session leaves for others: a Markdown page, annotations, Code Quality and HTML reports, JUnit."""

from pytest_fapo.publishing.publish import publish

__all__ = ["publish"]
