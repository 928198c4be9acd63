"""The Anthropic SDK as a structured client: the answer is the input of a tool that the model must call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from pytest_fapo.config import ProviderSettings
from pytest_fapo.llm.answers import RawAnswer, strict_schema
from pytest_fapo.llm.keys import key_in
from pytest_fapo.llm.structured import Message, StructuredClient, explain_failure

if TYPE_CHECKING:
    from anthropic import Anthropic

_TOOL = "answer"


class AnthropicClient(StructuredClient):
    """`messages` with a forced tool; a model that cannot be forced is told to call it."""

    provider = "anthropic"
    key_variables = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
    url_variable = "ANTHROPIC_BASE_URL"

    def __init__(self, model: str, settings: ProviderSettings) -> None:
        super().__init__(model, settings)
        self._forced = True
        self._sdk: Anthropic | None = None

    def ask(self, system: str, messages: Sequence[Message], schema: type[BaseModel]) -> RawAnswer:
        import anthropic

        sdk = self._connect()
        while True:
            try:
                message: Any = sdk.messages.create(**self._body(system, messages, schema))
                return _read(message, self.settings.max_tokens)
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

    def _body(self, system: str, messages: Sequence[Message], schema: type[BaseModel]) -> dict[str, Any]:
        tool = {
            "name": _TOOL,
            "description": "Give your answer. Call it exactly once.",
            "input_schema": strict_schema(schema),
        }
        if not self._forced:
            system = f"{system}\n\nGive your answer by calling the tool {_TOOL!r} exactly once."
        return {
            "model": self.model,
            "max_tokens": self.settings.max_tokens,
            "system": system,
            "messages": [dict(turn) for turn in messages],
            "tools": [tool],
            "tool_choice": {"type": "tool", "name": _TOOL} if self._forced else {"type": "auto"},
        }


def _read(message: Any, max_tokens: int) -> RawAnswer:
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
