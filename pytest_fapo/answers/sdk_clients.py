"""Structured clients over the official SDKs of OpenAI and Anthropic, chosen by a setting.

Both SDKs load on the first request. OpenAI's speaks to the many servers that share its chat format; with
Anthropic's the answer is the input of a tool that the model must call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from pytest_fapo.answers.model_client import (
    ChatMessage,
    RawAnswer,
    StructuredClient,
    explain_failure,
    strict_schema,
)
from pytest_fapo.core.api_keys import key_in
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.settings import ProviderSettings, Settings

if TYPE_CHECKING:
    from anthropic import Anthropic
    from openai import OpenAI


@dataclass(frozen=True)
class _OpenAIDialect:
    """The request options that a server supports; OpenAI's at first, learned from its refusals (HTTP 400 and
    422).
    """

    response_format: bool = True
    token_limit: str = "max_completion_tokens"
    system_role: bool = True

    def without(self, complaint: str) -> _OpenAIDialect | None:
        """Return the dialect to try after a refusal with this text; None where nothing is left to leave
        out.
        """
        said = complaint.lower()
        if "max_completion_tokens" in said and self.token_limit == "max_completion_tokens":
            return replace(self, token_limit="max_tokens")
        if "system" in said and "role" in said and self.system_role:
            return replace(self, system_role=False)
        return replace(self, response_format=False) if self.response_format else None


class OpenAIClient(StructuredClient):
    """`chat.completions` with a JSON schema as `response_format`, or JSON in text where a server has none."""

    provider = "openai"
    key_variables = ("OPENAI_API_KEY",)
    url_variable = "OPENAI_BASE_URL"

    def __init__(self, model: str, settings: ProviderSettings) -> None:
        super().__init__(model, settings)
        self._dialect = _OpenAIDialect()
        self._sdk: OpenAI | None = None

    def ask(self, system: str, messages: Sequence[ChatMessage], schema: type[BaseModel]) -> RawAnswer:
        import openai

        sdk = self._connect()
        while True:
            try:
                completion: Any = sdk.chat.completions.create(**self._body(system, messages, schema))
                return _read_openai_answer(completion, self.settings.max_tokens)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                simpler = self._dialect.without(str(error))
                if simpler is None:
                    raise self._failed(error) from None
                self._dialect = simpler
            except (
                Exception
            ) as error:  # whatever a strange server makes the SDK raise is one sentence for the user
                raise self._failed(error) from None

    def _connect(self) -> OpenAI:
        if self._sdk is None:
            from openai import OpenAI

            self._sdk = OpenAI(
                api_key=self.key(), base_url=self.settings.base_url, timeout=self.settings.timeout
            )
        return self._sdk

    def _failed(self, error: Exception) -> Exception:
        import openai

        sdk = self._connect()
        return explain_failure(error, openai, self, url=str(sdk.base_url), key=self.key())

    def _body(self, system: str, messages: Sequence[ChatMessage], schema: type[BaseModel]) -> dict[str, Any]:
        dialect = self._dialect
        document = strict_schema(schema)
        turns: list[dict[str, str]] = [
            {"role": turn["role"], "content": turn["content"]} for turn in messages
        ]
        if not dialect.response_format:
            system = f"{system}\n\n{_in_plain_text(document)}"
        if dialect.system_role:
            turns.insert(0, {"role": "system", "content": system})
        else:
            turns[0]["content"] = f"{system}\n\n{turns[0]['content']}"
        body: dict[str, Any] = {
            "model": self.model,
            "messages": turns,
            dialect.token_limit: self.settings.max_tokens,
        }
        if dialect.response_format:
            form = {"name": schema.__name__.lower(), "schema": document, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body


def _in_plain_text(document: dict[str, Any]) -> str:
    return f"Answer with one JSON object and nothing else. Its JSON schema:\n{json.dumps(document)}"


def _read_openai_answer(completion: Any, max_tokens: int) -> RawAnswer:
    choices = getattr(completion, "choices", None)
    if not choices:
        return RawAnswer("", problem="the server's response is not a chat completion with an answer in it")
    message = choices[0].message
    text = getattr(message, "content", None) or ""
    refusal = getattr(message, "refusal", None)
    if refusal:
        return RawAnswer(text, problem=f"the model refused: {refusal}")
    reason = choices[0].finish_reason
    if reason == "length":
        return RawAnswer(
            text, problem=f"the answer was cut off at {max_tokens} tokens (max_tokens); be shorter"
        )
    if reason == "content_filter":
        return RawAnswer(text, problem="the provider's content filter withheld the answer")
    return RawAnswer(text)


_ANSWER_TOOL = "answer"


class AnthropicClient(StructuredClient):
    """`messages` with a forced tool; a model that cannot be forced is told to call it."""

    provider = "anthropic"
    key_variables = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
    url_variable = "ANTHROPIC_BASE_URL"

    def __init__(self, model: str, settings: ProviderSettings) -> None:
        super().__init__(model, settings)
        self._forced = True
        self._sdk: Anthropic | None = None

    def ask(self, system: str, messages: Sequence[ChatMessage], schema: type[BaseModel]) -> RawAnswer:
        import anthropic

        sdk = self._connect()
        while True:
            try:
                message: Any = sdk.messages.create(**self._body(system, messages, schema))
                return _read_anthropic_answer(message, self.settings.max_tokens)
            except anthropic.BadRequestError as error:
                if not self._forced or "tool_choice" not in str(error):
                    raise self._failed(error) from None
                self._forced = False
            except (
                Exception
            ) as error:  # whatever a strange server makes the SDK raise is one sentence for the user
                raise self._failed(error) from None

    def _connect(self) -> Anthropic:
        if self._sdk is None:
            from anthropic import Anthropic

            key = self.key()
            bearer = not self.settings.api_key_env and not key_in("ANTHROPIC_API_KEY")
            self._sdk = Anthropic(
                api_key=None if bearer else key,
                auth_token=key if bearer else None,
                base_url=self.settings.base_url,
                timeout=self.settings.timeout,
            )
        return self._sdk

    def _failed(self, error: Exception) -> Exception:
        import anthropic

        sdk = self._connect()
        return explain_failure(error, anthropic, self, url=str(sdk.base_url), key=self.key())

    def _body(self, system: str, messages: Sequence[ChatMessage], schema: type[BaseModel]) -> dict[str, Any]:
        tool = {
            "name": _ANSWER_TOOL,
            "description": "Give your answer. Call it exactly once.",
            "input_schema": strict_schema(schema),
        }
        if not self._forced:
            system = f"{system}\n\nGive your answer by calling the tool {_ANSWER_TOOL!r} exactly once."
        return {
            "model": self.model,
            "max_tokens": self.settings.max_tokens,
            "system": system,
            "messages": [dict(turn) for turn in messages],
            "tools": [tool],
            "tool_choice": {"type": "tool", "name": _ANSWER_TOOL} if self._forced else {"type": "auto"},
        }


def _read_anthropic_answer(message: Any, max_tokens: int) -> RawAnswer:
    blocks = getattr(message, "content", None)
    if not isinstance(blocks, list):
        return RawAnswer("", problem="the server's response is not a message with an answer in it")
    texts = [block.text for block in blocks if getattr(block, "type", "") == "text"]
    inputs = [block.input for block in blocks if getattr(block, "type", "") == "tool_use"]
    text = json.dumps(inputs[0], ensure_ascii=False) if inputs else "\n".join(texts)
    reason = getattr(message, "stop_reason", None)
    if reason == "refusal":
        return RawAnswer(text, problem="the model refused to answer")
    if reason == "max_tokens":
        return RawAnswer(
            text, problem=f"the answer was cut off at {max_tokens} tokens (max_tokens); be shorter"
        )
    return RawAnswer(text)


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
    """Return the client that `openai:<model>` or `anthropic:<model>` names; imports no SDK yet.

    Raises:
        ConfigError: `spec` has another form and no factory knows it.
    """
    for factory in _factories:
        client = factory(spec, settings)
        if client is not None:
            return client
    provider, _, model = spec.partition(":")
    if provider == "openai" and model:
        return OpenAIClient(model, settings.llm.get("openai", ProviderSettings()))
    if provider == "anthropic" and model:
        return AnthropicClient(model, settings.llm.get("anthropic", ProviderSettings()))
    raise ConfigError(f"optimizer {spec!r} is neither 'openai:<model>' nor 'anthropic:<model>'")
