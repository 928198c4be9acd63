"""The address of the shared cache: what is refused, what is shown, where passwords may stand."""

from __future__ import annotations

import pytest

from pytest_fapo.core.cache_url import (
    check_cache_url,
    expanded_url,
    network_location,
    shown_url,
    variables_in,
)

URL = "rediss://ci:${CACHE_PASSWORD}@cache.internal:6380/2?ssl_ca_certs=/etc/team.pem"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://cache:6379", "'http://cache:6379' is not an address of a Redis; expected redis://host"),
        ("cache:6379", "is not an address of a Redis"),
        ("redis://", "'redis://' names no host"),
        ("unix://", "names no socket"),
        ("redis://h:port", "is not a URL"),
        ("redis://h/name", "the path is the number of a database"),
        ("redis://u:secret-password-1@h/0?pool=9", "'redis://h/0' cannot have pool=; known are db"),
    ],
)
def test_an_address_that_can_never_work_is_refused_without_its_password(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")) as raised:
        check_cache_url(url)
    assert "secret-password-1" not in str(raised.value)


@pytest.mark.parametrize("url", [URL, "redis://h", "redis://[::1]:7000/0", "unix:///run/redis.sock?db=1"])
def test_these_are_addresses_also_in_a_file(url: str) -> None:
    check_cache_url(url, in_file=True)


def test_a_password_stands_in_no_file() -> None:
    check_cache_url("redis://:secret@h")
    with pytest.raises(ValueError, match=r"has a password in it.*\$\{CACHE_PASSWORD\}"):
        check_cache_url("redis://:secret@h", in_file=True)


def test_a_variable_is_put_in_whatever_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_PASSWORD", "p@ss/word:1")
    assert "ci:p%40ss%2Fword%3A1@cache.internal" in expanded_url(URL)
    assert variables_in(URL) == ["CACHE_PASSWORD"]


def test_people_and_the_network_guard_see_the_place_alone() -> None:
    assert shown_url(URL) == "rediss://cache.internal:6380/2"
    places = [URL, "redis://h", "redis://[::1]:7000/0", "unix:///run/r.sock"]
    assert [network_location(url) for url in places] == [
        "cache.internal:6380",
        "h:6379",
        "[::1]:7000",
        "/run/r.sock",
    ]
