"""Embeddings of Gemini, Cohere and Ollama, whose forms are their own; OpenAI's many servers speak."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.capture.model_output import ModelOutput, ResponseFrame
from pytest_fapo.capture.wire.wire_format import (
    AnswerReading,
    WholeBody,
    json_body,
    mapping,
    named_model,
    objects,
    part_of_path,
    texts_of,
    tokens,
)
from pytest_fapo.core.trace import Usage

Vectors = Sequence[Sequence[float]]


class EmbeddingFormat(ABC):
    """The common part of the three: `texts` are sent, vectors come in one piece."""

    @abstractmethod
    def texts(self, body: Mapping[str, Any]) -> list[Any]:
        """Return what is to be embedded."""

    @abstractmethod
    def body(self, url: str, frame: ResponseFrame, vectors: Vectors) -> dict[str, Any]:
        """Return an answer with these vectors."""

    def asks(self, body: Any) -> bool:
        return bool(self.texts(mapping(body)))

    def model(self, url: str, body: Any) -> str:
        return named_model(body)

    def streams(self, url: str, body: Any) -> bool:
        return False

    def messages(self, body: Mapping[str, Any]) -> list[Any]:
        return [{"role": "user", "content": self.texts(body)}]

    def whole(self, answer: RecordedAnswer) -> WholeBody:
        return WholeBody(json_body(answer))

    def is_answer(self, value: Any) -> bool:
        return any(_holds_numbers(mapping(value).get(name)) for name in ("embedding", "embeddings"))

    def read(self, value: Mapping[str, Any]) -> AnswerReading:
        billed = mapping(value.get("meta")).get("billed_units")
        counts = [
            tokens(value, "prompt_eval_count"),
            tokens(billed, "input_tokens"),
            tokens(value.get("usageMetadata"), "promptTokenCount"),
        ]
        return AnswerReading(usage=Usage(input_tokens=max(counts)))

    def claims(self, value: Mapping[str, Any]) -> bool:
        return False

    def write(
        self, url: str, frame: ResponseFrame, said: ModelOutput, streams: bool
    ) -> tuple[bytes, list[bytes]]:
        raise TypeError("an embedding is a list of numbers, or one such list for each input")


class GeminiEmbedding(EmbeddingFormat):
    """`:embedContent`, and `:batchEmbedContents` with several requests."""

    def texts(self, body: Mapping[str, Any]) -> list[Any]:
        asked = objects(body.get("requests")) or [body]
        contents = [mapping(each.get("content")) for each in asked]
        return [texts_of(content.get("parts")) or "" for content in contents if content]

    def model(self, url: str, body: Any) -> str:
        return part_of_path(url, "models").partition(":")[0]

    def body(self, url: str, frame: ResponseFrame, vectors: Vectors) -> dict[str, Any]:
        values = [{"values": list(vector)} for vector in vectors]
        several = url.partition("?")[0].endswith("Contents")
        return {"embeddings": values} if several else {"embedding": values[0]}


class CohereEmbedding(EmbeddingFormat):
    """`/v2/embed` and `/v1/embed`."""

    def texts(self, body: Mapping[str, Any]) -> list[Any]:
        return [each for name in ("texts", "images", "inputs") for each in body.get(name) or []]

    def body(self, url: str, frame: ResponseFrame, vectors: Vectors) -> dict[str, Any]:
        billed = {"billed_units": {"input_tokens": frame.input_tokens}}
        answer = {"id": frame.id, "embeddings": {"float": [list(vector) for vector in vectors]}, "texts": []}
        return {**answer, "response_type": "embeddings_by_type", "meta": billed}


class OllamaEmbedding(EmbeddingFormat):
    """`/api/embed`; the older `/api/embeddings` counts among those of OpenAI's form."""

    def texts(self, body: Mapping[str, Any]) -> list[Any]:
        asked = body.get("input")
        return list(asked) if isinstance(asked, list) else [asked] if asked else []

    def body(self, url: str, frame: ResponseFrame, vectors: Vectors) -> dict[str, Any]:
        found = [list(vector) for vector in vectors]
        return {"model": frame.model, "embeddings": found, "prompt_eval_count": frame.input_tokens}


def _holds_numbers(value: Any) -> bool:
    """True for a vector, or a list or object of vectors."""
    if isinstance(value, Mapping):
        value = list(value.values())
    kept = [each for each in value if each is not None] if isinstance(value, list) else []
    return bool(kept) and all(isinstance(each, int | float | str) or _holds_numbers(each) for each in kept)
