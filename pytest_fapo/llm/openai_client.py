"""The OpenAI SDK as a structured client; also for the many servers that speak its chat format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from pytest_fapo.config import ProviderSettings
from pytest_fapo.llm.answers import RawAnswer, strict_schema
from pytest_fapo.llm.structured import Message, StructuredClient, explain_failure

if TYPE_CHECKING:
    from openai import OpenAI


@dataclass(frozen=True)
class _Dialect:
    """What a server understands; OpenAI's own at first, learned from its refusals (HTTP 400 and 422)."""

    response_format: bool = True
    token_limit: str = "max_completion_tokens"
    system_role: bool = True

    def without(self, complaint: str) -> _Dialect | None:
        """The dialect to try after a refusal with this text; None where nothing is left to leave out."""
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
        self._dialect = _Dialect()
        self._sdk: OpenAI | None = None

    def ask(self, system: str, messages: Sequence[Message], schema: type[BaseModel]) -> RawAnswer:
        import openai

        sdk = self._connect()
        while True:
            try:
                completion: Any = sdk.chat.completions.create(**self._body(system, messages, schema))
                return _read(completion, self.settings.max_tokens)
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

    def _body(self, system: str, messages: Sequence[Message], schema: type[BaseModel]) -> dict[str, Any]:
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


def _read(completion: Any, max_tokens: int) -> RawAnswer:
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
