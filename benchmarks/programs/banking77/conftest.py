from __future__ import annotations

from collections.abc import Callable

import pytest
from intents.pipeline import intent_of


@pytest.fixture(scope="session")
def pipeline() -> Callable[..., dict[str, str]]:
    return intent_of
