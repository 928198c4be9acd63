"""Keeping credentials and what the user calls private out of everything that is recorded."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence

REDACTED = "[redacted]"

_ENV_NAME = re.compile(r"(API_?KEY|TOKEN|SECRET|PASSWORD|ACCESS_KEY)$", re.IGNORECASE)
_CREDENTIAL_NAME = re.compile(
    r"(x-)?(goog-)?api[-_]?key|(proxy-)?authorization|passw(or)?d|(client[-_]?)?secret([-_]?key)?"
    r"|(access|refresh|auth|session|bearer|id)[-_]?token|(set-)?cookie|private[-_]?key",
    re.IGNORECASE,
)
_BUILTIN = (
    r"\bsk-[A-Za-z0-9_-]{16,}",
    r"\bBearer\s+[A-Za-z0-9_~+/.-]{16,}=*",
    r"\bAIza[A-Za-z0-9_-]{30,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)",
)


class Redactor:
    """Replaces credentials and configured patterns in texts by `[redacted]`.

    Args:
        patterns: regular expressions of `[tool.fapo] redact`.
        secrets: values known to be secret. The values of environment variables named `*_API_KEY`, `*_TOKEN`,
            `*_SECRET`, `*_PASSWORD` are added by themselves.
        further: the project's own redactions, applied last; each gives the text, or None to leave it.
    """

    def __init__(
        self,
        patterns: Sequence[str] = (),
        secrets: Sequence[str] = (),
        further: Sequence[Callable[[str], str | None]] = (),
    ) -> None:
        self._further = tuple(further)
        self._builtin = re.compile("|".join(_BUILTIN))
        self._patterns = [re.compile(pattern) for pattern in patterns]
        self._secrets: tuple[str, ...] = ()
        self._next_look = 0.0
        for secret in secrets:
            self.add_secret(secret)
        self.refresh()

    def __call__(self, text: str) -> str:
        """`text` without the secrets in it."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, REDACTED)
        text = self._builtin.sub(REDACTED, text)
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        for redact in self._further:
            changed = redact(text)
            text = text if changed is None else changed
        return text

    def add_secret(self, value: str) -> None:
        """Learn a secret value. Short plain words (`ollama`, `password`) are no secrets but placeholders,
        and taking them out would garble what is recorded."""
        value = value.strip()
        secret = len(value) >= 16 or (len(value) >= 8 and any(char.isdigit() for char in value))
        if secret and value not in self._secrets:
            # longest first, so that a secret inside a longer one does not leave the rest of it behind
            self._secrets = tuple(sorted({*self._secrets, value}, key=len, reverse=True))

    def refresh(self) -> None:
        """Learn the credentials that the environment holds by now; looks at most once in a second."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + 1.0
        for name, value in os.environ.items():
            if _ENV_NAME.search(name):
                self.add_secret(value)

    @staticmethod
    def names_credential(name: str) -> bool:
        """Whether a key, parameter or header of this name holds a credential."""
        return _CREDENTIAL_NAME.fullmatch(name) is not None
