"""Prices come from bundled tables, and only where the URL says who sells the answer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_fapo.answers.prices import call_cost, list_price
from pytest_fapo.core.trace import LLMCall, Usage


def a_call(model: str, url: str, usage: Usage, *, api: str = "chat.completions", **more: object) -> LLMCall:
    fields = {"key": "k", "api": api, "url": url, "model": model, "usage": usage, "status": 200}
    return LLMCall.model_validate({**fields, **more})


OPENAI = "https://api.openai.com/v1/chat/completions"
ANTHROPIC = "https://api.anthropic.com/v1/messages"
TOKENS = Usage(input_tokens=1_000_000, output_tokens=100_000)


def test_the_official_hosts_have_prices() -> None:
    assert call_cost(a_call("gpt-4o-mini", OPENAI, TOKENS)) == pytest.approx(0.15 + 0.06)
    assert call_cost(a_call("claude-3-haiku-20240307", ANTHROPIC, TOKENS, api="messages")) == pytest.approx(
        0.25 + 0.125
    )


def test_tokens_read_from_or_written_to_the_providers_cache_have_their_own_price() -> None:
    read = Usage(input_tokens=1_000_000, cached_input_tokens=1_000_000)
    assert call_cost(a_call("gpt-4o-mini", OPENAI, read)) == pytest.approx(0.075)
    written = Usage(input_tokens=1_000_000, cache_write_tokens=1_000_000)
    plain = Usage(input_tokens=1_000_000)
    dear = call_cost(a_call("claude-sonnet-4-5", ANTHROPIC, written, api="messages"))
    assert dear is not None
    assert dear > (call_cost(a_call("claude-sonnet-4-5", ANTHROPIC, plain, api="messages")) or 0.0)


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("no-such-model-7", OPENAI),
        ("", OPENAI),
        ("gpt-4o-mini", "http://127.0.0.1:8000/v1/chat/completions"),
        ("gpt-4o-mini", "http://localhost:8000/v1/chat/completions"),
        ("gpt-4o-mini", "http://192.168.1.5/v1/chat/completions"),
        ("gpt-4o-mini", "http://ollama:11434/v1/chat/completions"),
        ("gpt-4o-mini", "http://[::1]:8000/v1/chat/completions"),
        ("gpt-4o-mini", "https://gateway.example.com/v1/chat/completions"),
        ("gpt-4o-mini", "not a url"),
    ],
)
def test_an_unknown_model_or_host_has_no_price(model: str, url: str) -> None:
    assert call_cost(a_call(model, url, TOKENS)) is None


def test_what_was_not_billed_costs_nothing() -> None:
    assert call_cost(a_call("no-such-model-7", OPENAI, TOKENS, cache_hit=True)) == 0.0
    assert call_cost(a_call("gpt-4o-mini", OPENAI, TOKENS, offline=True)) == 0.0
    assert call_cost(a_call("gpt-4o-mini", OPENAI, Usage(), status=429)) == 0.0
    assert call_cost(a_call("gpt-4o-mini", OPENAI, Usage(), status=None)) == 0.0


def test_an_answer_without_a_token_count_has_no_price() -> None:
    assert call_cost(a_call("gpt-4o-mini", OPENAI, Usage())) is None


def test_more_cached_than_input_tokens_is_not_an_error() -> None:
    strange = Usage(input_tokens=10, cached_input_tokens=50, cache_write_tokens=50)
    assert call_cost(a_call("gpt-4o-mini", OPENAI, strange)) is not None


def test_a_budget_counts_the_list_price_where_only_the_host_is_unknown() -> None:
    gateway = "http://127.0.0.1:4000/v1/chat/completions"
    assert list_price(a_call("gpt-4o-mini", gateway, TOKENS)) == pytest.approx(0.21)
    assert list_price(a_call("llama-3.2-3b", gateway, TOKENS)) is None
    assert list_price(a_call("gpt-4o-mini", gateway, Usage())) is None
    assert list_price(a_call("gpt-4o-mini", gateway, TOKENS, cache_hit=True)) == 0.0


def test_the_price_tables_are_never_fetched() -> None:
    program = (
        "import socket\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "from pytest_fapo.answers.prices import call_cost\n"
        "from pytest_fapo.core.trace import LLMCall, Usage\n"
        f"call = LLMCall(key='k', api='chat.completions', url={OPENAI!r}, model='gpt-4o', status=200,"
        " usage=Usage(input_tokens=10))\n"
        "print(call_cost(call) > 0)\n"
        "import threading; print(threading.active_count())\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert result.stdout.split() == ["True", "1"], result.stderr
