"""Answers in the shape of OpenAI embeddings."""

from __future__ import annotations

from array import array
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_fapo.llm.wire.pieces import Frame


def body(frame: Frame, request: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    """A list of embeddings, one for each input."""
    if hasattr(answer, "tolist"):  # numpy and its like
        answer = answer.tolist()
    if not isinstance(answer, Sequence) or isinstance(answer, str):
        raise TypeError("an embedding is a list of numbers, or one such list for each input")
    asked = request.get("input")
    several = isinstance(asked, list) and bool(asked) and not isinstance(asked[0], int)
    nested = bool(answer) and isinstance(answer[0], Sequence)
    vectors = list(answer) if nested else [answer] * (len(asked) if several and asked else 1)
    base64 = request.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if base64 else list(vector)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": frame.input_tokens, "total_tokens": frame.input_tokens}
    return {"object": "list", "data": data, "model": frame.model, "usage": usage}


def _packed(vector: Sequence[float]) -> str:
    return b64encode(array("f", vector).tobytes()).decode()
