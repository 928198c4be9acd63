"""Under `--fapo-cache=only` nothing leaves from a case: connections past the record are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_fapo.lazy import lazy_names

if TYPE_CHECKING:
    from pytest_fapo.llm.network.guard import NetworkGuard

__all__ = ["NetworkGuard"]

__getattr__ = lazy_names(__name__, {"NetworkGuard": "guard"})
