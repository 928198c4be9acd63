"""The setting `cache_url`: the address of the Redis through which machines share recorded answers.

    redis://cache.internal:6379/0
    rediss://ci:${CACHE_PASSWORD}@cache.internal:6379/0?ssl_ca_certs=/etc/ssl/team.pem

A `${NAME}` stands for the value of an environment variable, so that no password is in a file.
"""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qs, quote, urlsplit

from pytest_fapo.core.errors import ConfigError

_SCHEMES = ("redis", "rediss", "unix")

_PARAMETERS = (
    *("db", "socket_timeout", "ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile"),
    *("ssl_check_hostname", "ssl_keyfile"),
)

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def check_cache_url(url: str, *, in_file: bool = False) -> None:
    """Raise ValueError, with the end of a sentence, for a URL that can never work.

    Args:
        url: as it was given.
        in_file: it is in a file, where no password may be written out.
    """
    example = "expected redis://host:6379/0 (or rediss:// for TLS, or unix:///path/to/socket)"
    shown = shown_url(url)
    try:
        parts = urlsplit(url)
        port, names = parts.port, parse_qs(parts.query, keep_blank_values=True)
    except ValueError as error:
        raise ValueError(f"{shown!r} is not a URL ({error}); {example}") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"{shown!r} is not an address of a Redis; {example}")
    if not (parts.path if parts.scheme == "unix" else parts.hostname) or port == 0:
        raise ValueError(f"{shown!r} names no {'socket' if parts.scheme == 'unix' else 'host'}; {example}")
    if parts.scheme != "unix" and not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError(f"{shown!r}: the path is the number of a database; {example}")
    for name in names:
        if name not in _PARAMETERS:
            raise ValueError(f"{shown!r} cannot have {name}=; known are {', '.join(_PARAMETERS)}")
    if in_file and parts.password and not _VARIABLE.fullmatch(parts.password):
        raise ValueError(
            f"{shown!r} has a password in it, which everybody who has the file can read; "
            f"put it into an environment variable and write redis://user:${{CACHE_PASSWORD}}@host"
        )


def variables_in(url: str) -> list[str]:
    """Return the names of the environment variables that a URL refers to."""
    return _VARIABLE.findall(url)


def expanded_url(url: str) -> str:
    """Return the URL with the values of its environment variables.

    Raises:
        ConfigError: one is not set.
    """
    missing = [name for name in variables_in(url) if not os.environ.get(name)]
    if missing:
        raise ConfigError(f"the cache's URL {shown_url(url)} needs the environment variable {missing[0]}")
    return _VARIABLE.sub(lambda found: quote(os.environ[found[1]], safe=""), url)


def shown_url(url: str) -> str:
    """Return the URL as people may see it: without user, password and parameters."""
    scheme, slashes, rest = url.partition("://")
    place = rest.partition("?")[0].rpartition("@")[2]
    return f"{scheme}{slashes}{place}" if slashes else url


def network_location(url: str) -> str:
    """Return what `allow_hosts` would call it: `host:port`, or the path of a socket."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    host = parts.hostname or ""
    return f"[{host}]:{parts.port or 6379}" if ":" in host else f"{host}:{parts.port or 6379}"
