"""The optimizer's clients by name; see `pytest_fapo.llm.structured` for what they offer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pytest_fapo.config import ProviderSettings, Settings
from pytest_fapo.errors import ConfigError
from pytest_fapo.llm.answers import MalformedAnswer
from pytest_fapo.llm.structured import Message, ProviderFailed, StructuredClient

__all__ = [
    "MalformedAnswer",
    "Message",
    "ProviderFailed",
    "StructuredClient",
    "add_client_factory",
    "make_client",
]


ClientFactory = Callable[[str, Settings], "StructuredClient | None"]
"""Makes the client of a model by other means than the official SDK; None to leave it to that."""

_factories: list[ClientFactory] = []


def add_client_factory(factory: ClientFactory) -> Callable[[], None]:
    """Ask `factory` first for every client.

    Returns:
        what takes it out again.
    """
    _factories.append(factory)
    return partial(_factories.remove, factory)


def make_client(spec: str, settings: Settings) -> StructuredClient:
    """The client that `openai:<model>` or `anthropic:<model>` names; imports no SDK yet.

    Raises:
        ConfigError: `spec` has another form and no factory knows it.
    """
    for factory in _factories:
        client = factory(spec, settings)
        if client is not None:
            return client
    provider, _, model = spec.partition(":")
    if provider == "openai" and model:
        from pytest_fapo.llm.openai_client import OpenAIClient

        return OpenAIClient(model, settings.llm.get("openai", ProviderSettings()))
    if provider == "anthropic" and model:
        from pytest_fapo.llm.anthropic_client import AnthropicClient

        return AnthropicClient(model, settings.llm.get("anthropic", ProviderSettings()))
    raise ConfigError(f"optimizer {spec!r} is neither 'openai:<model>' nor 'anthropic:<model>'")
