"""The providers' wire formats: requests and answers as JSON and as event streams, read and written."""

from __future__ import annotations

from pytest_fapo.llm.wire.bodies import decoded_body, is_event_stream
from pytest_fapo.llm.wire.reading import Reading, flaw, read
from pytest_fapo.llm.wire.requests import messages_of, offered_tools, parameters_of
from pytest_fapo.llm.wire.telling import api_of_answer, model_of_answer
from pytest_fapo.llm.wire.writing import written

__all__ = [
    "Reading",
    "api_of_answer",
    "decoded_body",
    "flaw",
    "is_event_stream",
    "messages_of",
    "model_of_answer",
    "offered_tools",
    "parameters_of",
    "read",
    "written",
]
