"""Replace credentials and private texts by `[redacted]` in everything that is recorded or printed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_fapo.core.settings import Settings

REDACTED = "[redacted]"

_ENV_NAME = re.compile(
    r"(API_?KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|(?:^|_)KEY)$", re.IGNORECASE
)

_CREDENTIAL_NAME = re.compile(
    r"(x-)?(goog-)?api[-_]?key|(proxy-)?authorization|passw(or)?d|(client[-_]?)?secret([-_]?key)?"
    r"|(access|refresh|auth|session|bearer|id)[-_]?token|(set-)?cookie|private[-_]?key",
    re.IGNORECASE,
)

_BUILTIN = (
    r"\bsk-[A-Za-z0-9_-]{16,}",
    r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"\bBearer\s+[A-Za-z0-9_~+/.-]{16,}=*",
    r"\bAIza[A-Za-z0-9_-]{30,}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\bgh[opusr]_[A-Za-z0-9]{30,}",
    r"\bgithub_pat_[A-Za-z0-9_]{30,}",
    r"\bglpat-[A-Za-z0-9_-]{20,}",
    r"\b(?:hf|gsk|npm)_[A-Za-z0-9]{30,}",
    r"\bxox[abeoprs]-[A-Za-z0-9-]{16,}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)",
)

_NAMED = (
    # https://user:password@host, also without a user
    r"(?<=://)[^\s/?#@'\"<>]*:[^\s/?#'\"<>]+(?=@[\w.\[-])",
    # ?key=..., &access_token=...
    r"(?<=[?&])(?P<query>(?:api[-_]?key|key|sig|signature|secret|passw(?:or)?d|auth|(?:\w{1,20}[-_])?token"
    r"|client[-_]secret|x-amz-(?:signature|credential|security-token)|x-goog-signature)=)[^&\s\"'#<>)]+",
    # Authorization: Basic ..., "x-api-key": "..."
    r"(?P<header>\b(?:(?:proxy-)?authorization|(?:x-|x-goog-)?api[-_]key)\\?[\"']?\s*[:=]\s*b?\\?[\"']?"
    r"(?:(?:basic|bearer|token|digest)\s+)?)(?=[^\s\"',}]{8})[^\s\"',}\\]+",
    # password='...'
    r"(?P<value>\b(?:passw(?:or)?d|client[-_]secret|(?:access|refresh|auth)[-_]token)[\"']?\s*[:=]\s*[\"'])"
    r"(?=[^\s\"']*\d)[^\s\"']{8,}(?=[\"'])",
)
"""Credentials that are known by what is before them, which stays."""

_MARKS = (
    *("sk-", "k_live_", "k_test_", "Bearer", "AIza", "AKIA", "ASIA", "gho_", "ghp_", "ghu_", "ghs_", "ghr_"),
    *("github_pat_", "glpat-", "hf_", "gsk_", "npm_", "xox", "eyJ", "PRIVATE KEY-----"),
)
"""A text without any of these has nothing that `_BUILTIN` finds; looking for them costs a tenth of it."""

_WRITTEN_ALIKE = re.compile(r"[ !#-&(-\[\]-~]+")

_NAMING = ("authorization", "apikey", "api-key", "api_key", "passw", "secret", "token")


def _may_name(text: str) -> bool:
    """True if `_NAMED` may find something in the text."""
    if "=" in text and ("?" in text or "&" in text):
        return True
    if "://" in text and "@" in text:
        return True
    if ":" not in text and "=" not in text:
        return False
    lower = text.lower()
    return any(word in lower for word in _NAMING)


_builtin = re.compile("|".join(_BUILTIN))

_named = re.compile("|".join(_NAMED), re.IGNORECASE)

_REMEMBERED_LENGTH = 4_000
"""Texts shorter than this, prompts above all, come again and again."""

_REMEMBERED_TEXTS = 512


def _without_known_forms(text: str) -> str:
    """Return the text without what can be told for a credential by its form or its name."""
    if _has_mark(text):
        text = _builtin.sub(REDACTED, text)
    return _named.sub(_keep_name, text) if _may_name(text) else text


def _has_mark(text: str) -> bool:
    for mark in _MARKS:  # noqa: SIM110 - `any` takes twice as long, and this is asked of every text
        if mark in text:
            return True
    return False


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
        self._patterns = [re.compile(pattern) for pattern in patterns]
        self._secrets: tuple[str, ...] = ()
        self._kernels: tuple[str, ...] = ()
        """Of each secret what JSON and `repr` write as it is."""
        self.clean: set[str] = set()
        """Texts that came lately and that nothing was found in."""
        self._next_look = 0.0
        for secret in secrets:
            self.add_secret(secret)
        self.refresh()

    @classmethod
    def of(cls, settings: Settings, further: Sequence[Callable[[str], str | None]] = ()) -> Redactor:
        """Return the redactor of a project: its patterns, and the keys of its providers."""
        names = [provider.api_key_env for provider in settings.llm.values() if provider.api_key_env]
        return cls(settings.redact, [os.environ.get(name, "") for name in names], further)

    def __call__(self, text: str) -> str:
        """`text` without the secrets in it."""
        known = self.clean  # another one as soon as a secret is learned, in whatever thread
        if text in known:
            return text
        clean = text
        for secret in self._secrets:
            if secret in clean:
                clean = clean.replace(secret, REDACTED)
        clean = _without_known_forms(clean)
        for pattern in self._patterns:
            clean = pattern.sub(REDACTED, clean)
        for redact in self._further:
            changed = redact(clean)
            clean = clean if changed is None else changed
        if clean == text and not self._further and len(text) < _REMEMBERED_LENGTH:
            if len(known) >= _REMEMBERED_TEXTS:
                known.clear()
            known.add(text)
        return clean

    def surely_spares(self, text: str) -> bool:
        """True if nothing is redacted of a value, nor of any part of it; False where only a look at all of
        its texts can tell.

        Args:
            text: the value as JSON, or its `repr`.
        """
        if self._patterns or self._further or "\\u" in text or "\\/" in text or _has_mark(text):
            return False
        lower = text.lower().replace("tokens", "")
        if "cookie" in lower or "private" in lower or _may_name(lower):
            return False
        return not any(kernel in text for kernel in self._kernels)

    def add_secret(self, value: str) -> None:
        """Learn a secret value. Short plain words (`ollama`, `password`) are no secrets but placeholders,
        and taking them out would garble what is recorded."""
        value = value.strip()
        if is_secret(value) and value not in self._secrets:
            # longest first, so that a secret inside a longer one does not leave the rest of it behind
            self._secrets = tuple(sorted({*self._secrets, value}, key=len, reverse=True))
            self._kernels = (*self._kernels, max(_WRITTEN_ALIKE.findall(value), key=len, default=""))
            self.clean = set()

    def refresh(self) -> None:
        """Learn the credentials that the environment holds by now; looks at most once in a second."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + 1.0
        for name, value in os.environ.items():
            if is_secret_name(name):
                self.add_secret(value)

    @staticmethod
    @lru_cache(maxsize=1024)
    def names_credential(name: str) -> bool:
        """True if a key, parameter or header of this name holds a credential."""
        return _CREDENTIAL_NAME.fullmatch(name) is not None


_project_redactor: Redactor | None = None


def is_secret(value: str) -> bool:
    """True if a value that is called a credential can be one: no short word such as `ollama`."""
    return len(value) >= 16 or (len(value) >= 8 and any(char.isdigit() for char in value))


def is_secret_name(name: str) -> bool:
    """True if an environment variable of this name holds a credential."""
    return _ENV_NAME.search(name) is not None


def use_redactor(redactor: Redactor | None) -> None:
    """Let `redacted` use this one, the project's; None for one that knows the environment alone."""
    global _project_redactor
    _project_redactor = redactor


def redacted(text: str) -> str:
    """Return `text` without credentials: for all that enters a record, or is said, outside of a trace."""
    if _project_redactor is None:
        use_redactor(Redactor())
    assert _project_redactor is not None
    _project_redactor.refresh()
    return _project_redactor(text)


def has_secrets(value: Any) -> bool:
    """True if `redacted_value` may change something in a JSON value; costs less."""
    redacted("")  # the redactor knows the environment of now
    assert _project_redactor is not None
    return not _project_redactor.surely_spares(repr(value)) and _finds(_project_redactor, value)


def _finds(redactor: Redactor, value: Any) -> bool:
    if isinstance(value, str):
        return value not in redactor.clean and redactor(value) != value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_finds(redactor, part) for part in parts)


def redacted_value(value: Any, kept: frozenset[str] = frozenset()) -> Any:
    """Return the same for every text in a JSON value, but for those under the keys in `kept`."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list):
        return [redacted_value(part, kept) for part in value]
    if isinstance(value, dict):
        return {name: part if name in kept else redacted_value(part, kept) for name, part in value.items()}
    return value


def _keep_name(found: re.Match[str]) -> str:
    return "".join(part for part in found.groupdict().values() if part) + REDACTED


def error_text(error: Exception | str) -> str:
    """Return an error's message for people: without credentials, and with its control characters shown."""
    from pytest_fapo.core.printable import shown
    # moved

    return shown(redacted(str(error)))
