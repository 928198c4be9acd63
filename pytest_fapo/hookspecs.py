"""The extension points that pytest-fapo adds to pytest."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookspec
def pytest_fapo_item(record: dict[str, Any]) -> None:
    """An item has its verdict.

    Args:
        record: JSON data: `item` (an `ItemResult`), `case` (a `Case` or None) and `trace` (a `Trace`, or None
            where the item has none or another item of the same run has already brought it).
    """
