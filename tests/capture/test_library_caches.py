"""Caches of libraries above HTTP: off while a case runs, untouched for everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.llm_lab import Lab
from support.llm_server import LLMServer

from pytest_fapo.capture.recorder import Recorder, recording


def _recorded(name: str = "K-1") -> Recorder:
    return Recorder(pipeline="pipeline", case_id=name)


def _off_only_in_cases(put: Callable[[], Any], get: Callable[[], Any]) -> None:
    """A value kept outside of a case is found there and not in a case; one kept in a case is not found."""
    with recording(_recorded()):
        put()
        assert get() is None
    assert get() is None
    put()
    assert get() is not None
    with recording(_recorded()):
        assert get() is None
    assert get() is not None


def test_langchain(lab: Lab) -> None:
    caches = pytest.importorskip("langchain_core.caches")
    from langchain_core.outputs import Generation

    class Own(caches.InMemoryCache):  # type: ignore[misc, name-defined]
        """Defined after the capture began."""

        def lookup(self, prompt: str, llm_string: str) -> Any:
            return super().lookup(prompt, llm_string)

    answer = [Generation(text="hi")]
    for kind in (caches.InMemoryCache, Own):
        one, other = kind(), kind()
        _off_only_in_cases(partial(one.update, "p", "m", answer), partial(one.lookup, "p", "m"))
        _off_only_in_cases(
            partial(_run, other.aupdate, "p", "m", answer), partial(_run, other.alookup, "p", "m")
        )


def _run(method: Callable[..., Any], *args: Any) -> Any:
    return asyncio.run(method(*args))


def test_instructor(lab: Lab, tmp_path: Path) -> None:
    module = pytest.importorskip("instructor.cache")
    cache = module.AutoCache()
    _off_only_in_cases(lambda: cache.set("k", "v"), lambda: cache.get("k"))


def test_litellm(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm")
    cache = litellm.Cache(type="local")
    asked = {"model": "m", "messages": [{"role": "user", "content": "q"}]}
    _off_only_in_cases(lambda: cache.add_cache({"text": "answer"}, **asked), lambda: cache.get_cache(**asked))


def test_dspys_cache_on_disk_hides_no_call(
    server: LLMServer, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSPY_CACHEDIR", str(tmp_path / "dspy"))
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    dspy = pytest.importorskip("dspy")
    model = dspy.LM("openai/m", api_base=server.base_url, api_key="k", temperature=0)
    for _ in range(2):
        sent = server.count
        lab.run(lambda: model("the same question"))
        # By the library's version it is a client that is recorded, or one that is only seen by the server.
        assert server.count - sent + sum(call.cache_hit for call in lab.calls) == 1


def test_the_classes_are_as_before_when_the_capture_has_ended(lab: Lab) -> None:
    caches = pytest.importorskip("langchain_core.caches")
    from pytest_fapo.capture.library_caches import library_caches_off

    before = dict(vars(caches.InMemoryCache)), dict(vars(caches.BaseCache))
    with library_caches_off():
        pass
    assert (dict(vars(caches.InMemoryCache)), dict(vars(caches.BaseCache))) == before
