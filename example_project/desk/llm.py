"""The one place that talks to the model."""

from __future__ import annotations

from functools import lru_cache

from openai import OpenAI

from desk import settings


@lru_cache(maxsize=1)
def client() -> OpenAI:
    """Made on first use, so that importing the desk needs no key."""
    return OpenAI(timeout=settings.TIMEOUT)


def complete(user: str, *, system: str | None = None) -> str:
    """The model's answer to `user`, without surrounding white space."""
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": user})
    response = client().chat.completions.create(
        model=settings.MODEL,
        temperature=settings.TEMPERATURE,
        messages=messages,  # type: ignore[arg-type]
    )
    return (response.choices[0].message.content or "").strip()
