from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.planted.lab import Lab, laboratory


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with laboratory() as running:
        yield running
