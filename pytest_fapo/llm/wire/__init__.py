"""The providers' wire formats: requests and answers as JSON and as event streams, read and written."""

from __future__ import annotations

from pytest_fapo.llm.wire.bodies import decoded_body
from pytest_fapo.llm.wire.reading import Reading, is_complete, read
from pytest_fapo.llm.wire.requests import messages_of, offered_tools, parameters_of
from pytest_fapo.llm.wire.writing import written

__all__ = [
    "Reading",
    "decoded_body",
    "is_complete",
    "messages_of",
    "offered_tools",
    "parameters_of",
    "read",
    "written",
]
