from __future__ import annotations

from collections.abc import Callable

import pytest
from rcm.pipeline import map_to_cwe


@pytest.fixture(scope="session")
def pipeline() -> Callable[..., dict[str, str]]:
    return map_to_cwe
