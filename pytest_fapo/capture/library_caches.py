"""Turn the caches of libraries above HTTP (DSPy, LangChain, LiteLLM) off while cases run.

What they answer would be neither recorded nor counted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

from pytest_fapo.capture.import_hook import AfterImport
from pytest_fapo.capture.recorder import recorded_now

_CLASSES: dict[str, tuple[str, tuple[str, ...]]] = {
    "dspy.clients.cache": ("Cache", ("get", "put")),
    "litellm.caching.caching": (
        "Cache",
        (
            *("get_cache", "async_get_cache", "add_cache", "async_add_cache"),
            *("add_embedding_response_to_cache", "async_add_cache_pipeline", "batch_cache_write"),
        ),
    ),
    "langchain_core.caches": ("BaseCache", ("lookup", "alookup", "update", "aupdate")),
    "instructor.cache": ("BaseCache", ("get", "set")),
}
"""Module to the class of its caches, and the methods by which an answer goes in and comes out."""


@contextmanager
def library_caches_off() -> Iterator[None]:
    """In the body, caches of other libraries find and keep nothing while a case's pipeline or test runs."""
    with ExitStack() as undo:

        def switch_off(module: ModuleType) -> None:
            name, methods = _CLASSES[module.__name__]
            owner = getattr(module, name, None)
            if isinstance(owner, type):
                _with_subclasses(owner, methods, undo)

        hook = AfterImport(list(_CLASSES), switch_off)
        undo.callback(hook.uninstall)
        hook.install()
        yield


def _with_subclasses(owner: Any, methods: tuple[str, ...], undo: ExitStack) -> None:
    """Change a class and all that derive from it, also those that are defined later."""
    known = vars(owner).get("__init_subclass__")

    def __init_subclass__(cls: Any, /, **kwargs: Any) -> None:
        if known is not None:
            known.__get__(None, cls)(**kwargs)
        else:
            super(owner, cls).__init_subclass__(**kwargs)
        _change(cls, methods, undo)

    changed: Any = classmethod(__init_subclass__)
    owner.__init_subclass__ = changed
    if known is not None:
        undo.callback(setattr, owner, "__init_subclass__", known)
    else:
        undo.callback(delattr, owner, "__init_subclass__")
    waiting = [owner]
    while waiting:
        cls = waiting.pop()
        _change(cls, methods, undo)
        waiting += cls.__subclasses__()


def _change(cls: type, methods: tuple[str, ...], undo: ExitStack) -> None:
    for name in methods:
        original = vars(cls).get(name)
        if inspect.isfunction(original) and not hasattr(original, "_fapo_off"):
            setattr(cls, name, _off_in_cases(original))
            undo.callback(setattr, cls, name, original)


def _off_in_cases(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method, which gives None while a case runs: nothing found, nothing kept."""
    if inspect.iscoroutinefunction(original):

        @wraps(original)
        async def method_async(*args: Any, **kwargs: Any) -> Any:
            return None if _case_runs() else await original(*args, **kwargs)

        method_async._fapo_off = True  # type: ignore[attr-defined]
        return method_async

    @wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        return None if _case_runs() else original(*args, **kwargs)

    method._fapo_off = True  # type: ignore[attr-defined]
    return method


def _case_runs() -> bool:
    return any(recorder.pipeline for recorder in recorded_now())
