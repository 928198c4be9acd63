"""Let a worker that outlives a case work for the case whose item it takes from a queue.

Such a worker keeps the context in which it was started. While a run is recorded, what is put into a queue
takes its context along; the thread or task that takes the item continues in it, unless it is a run's own.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from pytest_fapo.capture.call_stack import CREATED_BY, INHERITED, Entry, call_stack
from pytest_fapo.capture.steps import CURRENT_STEP, CurrentStep

_CONTEXTS = "_pytest_fapo_contexts"
_MOST = 10_000
"""Items of one queue whose contexts are kept."""


class _ItemContext(NamedTuple):
    item: Any
    step: CurrentStep
    created_by: tuple[Entry, ...]


_Contexts = dict[int, deque[_ItemContext]]
"""By the item's identity; the entry holds the item, so that it stays its own."""


def queue_patches() -> list[tuple[Any, str, Callable[[Any], Any]]]:
    """Return owner, name and the maker of the replacement of each function to patch."""
    return [
        (queue.Queue, "put", _remembering_put),
        (queue.Queue, "get", _continuing_get),
        (asyncio.Queue, "put_nowait", _remembering_put),
        (asyncio.Queue, "get_nowait", _continuing_get),
    ]


def _remembering_put(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def put(self: Any, item: Any, *args: Any, **kwargs: Any) -> Any:
        step = CURRENT_STEP.get()
        if step is not None:
            kept: _Contexts = vars(self).setdefault(_CONTEXTS, {})
            if len(kept) > _MOST:  # nobody takes them by `get`
                kept.clear()
            kept.setdefault(id(item), deque()).append(_ItemContext(item, step, tuple(call_stack())))
        return original(self, item, *args, **kwargs)

    return put


def _continuing_get(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def get(self: Any, *args: Any, **kwargs: Any) -> Any:
        item = original(self, *args, **kwargs)
        kept = vars(self).get(_CONTEXTS)
        if kept:
            _continue_with(kept, item)
        return item

    return get


def _continue_with(kept: _Contexts, item: Any) -> None:
    """Continue in the context in which the item was put; of an item that was put twice, in the first one."""
    try:
        waiting = kept[id(item)]
        found = waiting.popleft()
    except (KeyError, IndexError):
        return
    if not waiting:
        kept.pop(id(item), None)
    current = CURRENT_STEP.get()
    if current is None:
        is_worker = threading.current_thread() is not threading.main_thread()
    else:
        is_worker = current is INHERITED.get()
    if is_worker:
        CURRENT_STEP.set(found.step)
        INHERITED.set(found.step)
        CREATED_BY.set(found.created_by)
