"""Recorded answers that machines share through Redis, and the leases by which one of them asks for all.

    fapo:2:answer:<key>   {"key":"<key>","answer":{…}}, as JSON; never anything that is unpickled
    fapo:2:lease:<key>    who asks a model for that answer right now; expires unless its owner renews it

A Redis that is away, slow or full takes nothing from a run but the sharing: every failure counts as "there is
no answer", is said once, and the local cache goes on.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_fapo.capture.cache_key import KEY_FORMAT
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.cache_url import expanded_url, shown_url
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.text import count

if TYPE_CHECKING:
    from redis import Redis
    from redis.lock import Lock

_PATIENCE = 2.0
"""Seconds that one question to Redis may take; `?socket_timeout=` in the URL says it otherwise."""

_LEASE, _RENEWAL = 6.0, 2.0
"""Seconds after which the lease of an owner that died is free, and after which a living one renews it."""

_PAUSES = (1.0, 30.0)
"""Seconds for which a Redis that did not answer is left alone, at first and at most."""

_T = TypeVar("_T")


class SharedAnswers:
    """The answers and leases in one Redis. Connects on first use; safe for threads.

    Args:
        url: see `core/cache_url.py`.
        writable: add answers, and lease those that are asked for.

    Raises:
        ConfigError: the package `redis` is not installed, or an environment variable is not set.
    """

    def __init__(self, url: str, *, writable: bool = True) -> None:
        self.writable = writable
        self._shown = shown_url(url)
        self._client = _client(expanded_url(url))
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._held: dict[str, Lock] = {}
        self._renewing: threading.Thread | None = None
        self._closing = threading.Event()
        self._away_until = 0.0
        self._pause = _PAUSES[0]
        self._said: dict[str, str] = {}
        self._foreign: set[str] = set()
        self._unshared = 0

    def check(self) -> None:
        """Look at the server once, so that a mistake in the URL ends a session before its first test.

        Raises:
            ConfigError: it refuses the password or the user, or does not speak as the URL says.
        """
        from redis.exceptions import AuthenticationError, InvalidResponse, ResponseError

        try:
            self._client.ping()
        except (AuthenticationError, InvalidResponse, ResponseError) as error:
            if not _is_passing(error):
                raise ConfigError(
                    f"--fapo-cache-url: {self._shown} refuses us: {_words(error)}; "
                    f"check the user, the password and the database in the URL"
                ) from None
            self._failed(error)
        except Exception as error:
            if _is_tls(error):
                raise ConfigError(
                    f"--fapo-cache-url: no TLS connection to {self._shown}: {_words(error)}; check "
                    f"rediss:// and ssl_ca_certs= in the URL"
                ) from None
            self._failed(error)

    def get(self, key: str) -> RecordedAnswer | None:
        """Return the answer under `key`; None where there is none, or none that this package has written."""
        value = self._ask(lambda client: client.get(_answer_name(key)), None, of=key)
        if not isinstance(value, bytes):
            return None
        head = _head(key)
        try:
            text = value.decode()
            if not text.startswith(head) or not text.endswith("}"):
                raise ValueError("another form")
            return replace(RecordedAnswer.from_text(text[len(head) : -1]), imported=True)
        except ValueError:
            self._refuse(key)
            return None

    def put(self, key: str, recorded: RecordedAnswer) -> None:
        """Share an answer, if that can be done now; a value that is not ours is left as it is."""
        if not self.writable or key in self._foreign:
            return
        text = _head(key) + replace(recorded, imported=False).to_text() + "}"
        data = text.encode("utf-8", "surrogatepass")
        if not self._ask(lambda client: client.set(_answer_name(key), data), False):
            self._unshared += 1

    def claim(self, key: str) -> bool:
        """False while another process asks a model for this answer; else nobody but us will until `release`.

        True too where no lease can be had: then it is asked without one.
        """
        if not self.writable:
            return True
        if key in self._held:
            return False
        lock = self._client.lock(_lease_name(key), timeout=_LEASE, blocking=False, thread_local=False)
        got = self._ask(lambda _: lock.acquire(token=self._owner), None)
        if got:
            self._held[key] = lock
            self._keep_renewing()
        return got is not False

    def release(self, key: str) -> None:
        """Let others ask for this answer; they look for it first."""
        lock = self._held.pop(key, None)
        if lock is not None:
            self._ask(lambda _: lock.release(), None)

    def remarks(self) -> list[str]:
        """Return what a person should know of it, one sentence each."""
        found = list(self._said.values())
        if self._unshared:
            found.append(
                f"{count(self._unshared, 'answer')} could not be shared through {self._shown}; they are in "
                f"the local cache alone"
            )
        return found

    def close(self) -> None:
        """Release every lease, and disconnect."""
        self._closing.set()
        for key in list(self._held):
            self.release(key)
        self._client.close()

    # --- failures -------------------------------------------------------------------------------------

    def _ask(self, action: Callable[[Redis], Any], default: _T, *, of: str = "") -> Any | _T:
        """Return the result of an action; `default` where Redis cannot do it now."""
        from redis.exceptions import LockError, RedisError

        if time.monotonic() < self._away_until:
            return default
        try:
            result = action(self._client)
        except LockError:  # the lease ran out, or Redis has forgotten it
            return default
        except (RedisError, OSError, ValueError) as error:
            if of and "WRONGTYPE" in str(error):
                self._refuse(of)
            else:
                self._failed(error)
            return default
        self._pause = _PAUSES[0]
        return result

    def _failed(self, error: Exception) -> None:
        from redis.exceptions import AuthenticationError, ConnectionError, ResponseError, TimeoutError

        goes_on = "the run continues with the local cache"
        if isinstance(error, AuthenticationError) or not isinstance(
            error, ConnectionError | TimeoutError | ResponseError | OSError
        ):
            self._away_until = float("inf")
            self._say("refuses", f"{self._shown} is no longer used ({_words(error)}); {goes_on}")
        elif isinstance(error, ResponseError):
            # Full, a replica, a disk that cannot be written: it may still answer what it knows.
            self._say("full", f"{self._shown} takes no new answers ({_words(error)}); {goes_on}")
        else:
            self._away_until = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, _PAUSES[1])
            self._say("away", f"{self._shown} did not answer at times ({_words(error)}); {goes_on}")

    def _refuse(self, key: str) -> None:
        self._foreign.add(key)
        self._say(
            "foreign",
            f"{self._shown}: the value of {_answer_name(key)} was not written by this version of "
            f"pytest-fapo; it is not used and left as it is. Delete it, or give another database in the URL",
        )

    def _say(self, kind: str, sentence: str) -> None:
        self._said.setdefault(kind, f"the shared cache {sentence}")

    # --- leases ---------------------------------------------------------------------------------------

    def _keep_renewing(self) -> None:
        if self._renewing is None or not self._renewing.is_alive():
            self._renewing = threading.Thread(target=self._renew, name="fapo-leases", daemon=True)
            self._renewing.start()

    def _renew(self) -> None:
        while not self._closing.wait(_RENEWAL):
            for lock in list(self._held.values()):
                self._ask(partial(_kept, lock, self._owner), None)


def _kept(lock: Lock, owner: str, _: Redis) -> None:
    """Renew a lease; a Redis that was started again has forgotten whose it is."""
    from redis.exceptions import LockError

    try:
        lock.reacquire()
    except LockError:
        lock.acquire(token=owner)


def _client(url: str) -> Redis:
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise ConfigError(
            "--fapo-cache-url needs the package redis: pip install 'pytest-fapo[redis]'"
        ) from None
    # One retry: a connection that was kept through a restart of the server fails once.
    settings: dict[str, Any] = {"socket_timeout": _PATIENCE, "socket_connect_timeout": _PATIENCE}
    return Redis.from_url(url, retry=Retry(NoBackoff(), 1), **settings)


def _answer_name(key: str) -> str:
    return f"fapo:{KEY_FORMAT}:answer:{key}"


def _lease_name(key: str) -> str:
    return f"fapo:{KEY_FORMAT}:lease:{key}"


def _head(key: str) -> str:
    """Return how the text of an answer begins; a copy under another key does not begin so."""
    return f'{{"key":"{key}","answer":'


def _is_passing(error: Exception) -> bool:
    """True if the server says that it cannot do it now, and not that it will not."""
    from redis.exceptions import BusyLoadingError

    return isinstance(error, BusyLoadingError) or _words(error).startswith(
        ("MISCONF", "max number", "MASTER")
    )


def _is_tls(error: BaseException | None) -> bool:
    import ssl

    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _words(error: Exception) -> str:
    """Return the reason in one line, without the address that the sentence has anyway."""
    text = " ".join(str(error).split()) or type(error).__name__
    if text.startswith(("HELLO must be called", "Authentication required")):
        return "it asks for a password"
    return re.sub(r"^Error -?\d+ (connecting to \S+|while \w+ (to|from) \S+)\. ", "", text)[:200].rstrip(".")
