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
    from pytest_fapo.llm.keys_in_use import has_redacting_hook, note_used_keys, used_keys
    from pytest_fapo.llm.layers import LayeredCache, layered_cache, local_cache, project_cache
    from pytest_fapo.llm.offline import OfflineModel, OfflineRequest, offline_model
    from pytest_fapo.llm.recorded import Recorded
    from pytest_fapo.llm.scope import Ledger, optimizer_calls
    from pytest_fapo.llm.stats import CacheStats, cache_stats, clear_cache
    from pytest_fapo.llm.travelling import ExportResult, ImportResult, export_cache, import_cache

__all__ = [
    "Cache",
    "CacheStats",
    "CallContext",
    "Capture",
    "ExportResult",
    "ImportResult",
    "LayeredCache",
    "Ledger",
    "OfflineModel",
    "OfflineRequest",
    "Recorded",
    "cache_stats",
    "clear_cache",
    "export_cache",
    "has_redacting_hook",
    "import_cache",
    "layered_cache",
    "local_cache",
    "note_used_keys",
    "offline_model",
    "optimizer_calls",
    "project_cache",
    "used_keys",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Cache": "cache",
        "CacheStats": "stats",
        "CallContext": "context",
        "Capture": "capture",
        "ExportResult": "travelling",
        "ImportResult": "travelling",
        "LayeredCache": "layers",
        "Ledger": "scope",
        "OfflineModel": "offline",
        "OfflineRequest": "offline",
        "Recorded": "recorded",
        "cache_stats": "stats",
        "clear_cache": "stats",
        "export_cache": "travelling",
        "has_redacting_hook": "keys_in_use",
        "import_cache": "travelling",
        "layered_cache": "layers",
        "local_cache": "layers",
        "note_used_keys": "keys_in_use",
        "offline_model": "offline",
        "optimizer_calls": "scope",
        "project_cache": "layers",
        "used_keys": "keys_in_use",
    },
)
