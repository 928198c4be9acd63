"""Compute the cost of a call from the price tables that genai-prices ships with; nothing is fetched.

A price is given only where the URL says who sells the answer. Models and hosts that the tables do not know
have no price (None): tokens are shown then, never a guess.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from pytest_fapo.core.trace import LLMCall, Usage

_SELLERS = {
    "chat.completions": "openai",
    "responses": "openai",
    "completions": "openai",
    "embeddings": "openai",
    "messages": "anthropic",
    "gemini": "google",
    "cohere.chat": "cohere",
    "gemini.embed": "google",
    "cohere.embed": "cohere",
    "bedrock.converse": "aws",
    "bedrock.invoke": "aws",
}
"""By API, whose list price is in where the host is unknown; see `list_price`."""


def call_cost(call: LLMCall) -> float | None:
    """USD that the provider bills for one call; None where it is unknown.

    Cache hits, answers of the offline stand-in and failed requests cost 0. None is given for a model or host
    without a known price (a server of one's own, a gateway), and for an answer that reports no tokens.
    """
    if call.cache_hit or call.offline or not _answered(call):
        return 0.0
    if is_local(call.url) or not _reports_tokens(call.usage):
        return None
    return _price(call.model, call.usage, url=call.url)


def run_costs(calls: Sequence[LLMCall]) -> dict[str, float]:
    """Return what one run's calls would cost if all were sent now: `tokens`, `usd` and `seconds`.

    Replayed answers count as they did live. What no call tells is left out: `usd` where a model has no price.
    """
    live = [call.model_copy(update={"cache_hit": False}) for call in calls]
    usage = [call.usage for call in live]
    prices = [call_cost(call) for call in live]
    found: dict[str, float] = {"seconds": round(sum(call.duration for call in live), 3)}
    if all(_reports_tokens(each) for each in usage):
        found["tokens"] = sum(each.input_tokens + each.output_tokens for each in usage)
    if all(price is not None for price in prices):
        found["usd"] = sum(price or 0.0 for price in prices)
    return found


def list_price(call: LLMCall) -> float | None:
    """USD to count against a budget: the cost, and where only the host is unknown the model's list price.

    So that a budget holds behind a gateway too; not for display.
    """
    known = call_cost(call)
    if known is not None or not _reports_tokens(call.usage):
        return known
    seller = _SELLERS.get(call.api)
    return _price(call.model, call.usage, seller=seller) if seller else None


def has_list_price(model: str, api: str) -> bool:
    """True where a budget can count calls of the model, whoever serves it."""
    seller, usage = _SELLERS.get(api), Usage(input_tokens=1, output_tokens=1)
    return seller is not None and _price(model, usage, seller=seller) is not None


def model_price(provider: str, model: str, usage: Usage) -> float | None:
    """USD at the provider's list price; None where the tables do not know the model."""
    return _price(model, usage, seller=provider)


def is_local(url: str) -> bool:
    """True if the URL's host is this machine or one of a private network."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".lan"))
    return address.is_private or address.is_loopback or address.is_link_local


def _answered(call: LLMCall) -> bool:
    return call.status is not None and 200 <= call.status < 300


def _reports_tokens(usage: Usage) -> bool:
    return usage.input_tokens > 0 or usage.output_tokens > 0


def load_tables() -> None:
    """Load the tables of prices, as the first call that has a price would do.

    They come with an HTTP client of their own. SDKs look for that client among the loaded modules, and fail
    where it is only half loaded by another thread: so this is for a moment in which no case runs.
    """
    import genai_prices  # noqa: F401


def _price(model: str, usage: Usage, *, url: str | None = None, seller: str | None = None) -> float | None:
    import genai_prices  # loads an HTTP client that it uses only for updates, which are never asked for here

    inner = min(usage.cached_input_tokens + usage.cache_write_tokens, usage.input_tokens)
    read = min(usage.cached_input_tokens, inner)
    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=read,
        cache_write_tokens=inner - read,
        output_tokens=usage.output_tokens,
    )
    try:
        if url is not None:
            price = genai_prices.calc_price(tokens, model, provider_api_url=url)
        else:
            price = genai_prices.calc_price(tokens, model, provider_id=seller)
    except (LookupError, ValueError):
        return None
    return float(price.total_price)
