"""LLM calls: captured, cached, counted; an offline stand-in; clients for the optimizer; prices.

Names load on first use: what only needs prices does not load the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_fapo.lazy import lazy_names

if TYPE_CHECKING:
    from pytest_fapo.llm.cache import Cache
    from pytest_fapo.llm.capture import Capture
    from pytest_fapo.llm.context import CallContext
    from pytest_fapo.llm.offline import OfflineModel, OfflineRequest, offline_model
    from pytest_fapo.llm.recorded import Recorded
    from pytest_fapo.llm.scope import Ledger, optimizer_calls

__all__ = [
    "Cache",
    "CallContext",
    "Capture",
    "Ledger",
    "OfflineModel",
    "OfflineRequest",
    "Recorded",
    "offline_model",
    "optimizer_calls",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Cache": "cache",
        "CallContext": "context",
        "Capture": "capture",
        "Ledger": "scope",
        "OfflineModel": "offline",
        "OfflineRequest": "offline",
        "Recorded": "recorded",
        "offline_model": "offline",
        "optimizer_calls": "scope",
    },
)
