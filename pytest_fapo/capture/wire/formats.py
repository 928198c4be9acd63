"""The wire formats by API, and the paths by which their requests are known."""

from __future__ import annotations

from pytest_fapo.capture.wire.bedrock_converse import ConverseFormat
from pytest_fapo.capture.wire.bedrock_invoke import InvokeModelFormat
from pytest_fapo.capture.wire.cohere import CohereFormat
from pytest_fapo.capture.wire.embeddings import CohereEmbedding, GeminiEmbedding, OllamaEmbedding
from pytest_fapo.capture.wire.gemini import GeminiFormat
from pytest_fapo.capture.wire.ollama import OllamaFormat
from pytest_fapo.capture.wire.wire_format import WireFormat

FORMATS: dict[str, WireFormat] = {
    "gemini": GeminiFormat(),
    "ollama.chat": OllamaFormat(chat=True),
    "ollama.generate": OllamaFormat(chat=False),
    "cohere.chat": CohereFormat(),
    "bedrock.converse": ConverseFormat(),
    "bedrock.invoke": InvokeModelFormat(),
    "gemini.embed": GeminiEmbedding(),
    "ollama.embed": OllamaEmbedding(),
    "cohere.embed": CohereEmbedding(),
}
"""By API, as in `LLMCall.api`."""

_ENDINGS = {
    ":generateContent": "gemini",
    ":streamGenerateContent": "gemini",
    "/api/chat": "ollama.chat",
    "/api/generate": "ollama.generate",
    "/v2/chat": "cohere.chat",
    ":embedContent": "gemini.embed",
    ":batchEmbedContents": "gemini.embed",
    "/api/embed": "ollama.embed",
    "/v1/embed": "cohere.embed",
    "/v2/embed": "cohere.embed",
}

_BEDROCK_ENDINGS = {
    "/converse": "bedrock.converse",
    "/converse-stream": "bedrock.converse",
    "/invoke": "bedrock.invoke",
    "/invoke-with-response-stream": "bedrock.invoke",
}
"""Endings that count below `/model/` only: many servers of other kinds have a path `/invoke`."""


def wire_api_of(path: str) -> str | None:
    """Return the API of a path, without its query; None where it is none of these."""
    for ending, api in _ENDINGS.items():
        if path.endswith(ending):
            return api
    if "/model/" in path:
        for ending, api in _BEDROCK_ENDINGS.items():
            if path.endswith(ending):
                return api
    return None
