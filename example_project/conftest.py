"""The pipeline under test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from desk.pipeline import answer


@pytest.fixture(scope="session")
def pipeline() -> Callable[[str], dict[str, Any]]:
    return answer
