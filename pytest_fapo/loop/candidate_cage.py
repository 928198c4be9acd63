"""What candidates of one run may do outside of their tree: what the unpatched tree did, what is allowed."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from urllib.parse import urlsplit

from pytest_fapo.core.allowed_hosts import AllowedHosts, Target
from pytest_fapo.core.cache_url import variables_in
from pytest_fapo.core.errors import ConfigError, EvaluationError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.text import listing
from pytest_fapo.loop.events import Note
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.shadow.evaluation_request import CageRules

_PORTS = {"http": 80, "https": 443}

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")

_LEAST_MEMORY = 4 << 30

_SIGNS = (
    *("PermissionError", "Operation not permitted", "Permission denied", "MemoryError"),
    *("name resolution", "Name or service not known", "ConnectError", "APIConnectionError"),
)
"""Words of a failure that a lock may be the reason of."""


class CandidateCage:
    """The cage of one run's candidates.

    Args:
        request: the run's.
    """

    def __init__(self, request: OptimizeRequest) -> None:
        self._request = request
        self._wanted = request.settings.cage != "off" and sys.platform == "linux"
        self._unpatched: Evaluation | None = None
        self._checked = False

    def watched(self, unpatched: Evaluation) -> None:
        """The unpatched tree was run and watched: a candidate may do what it did.

        Raises:
            ConfigError: the setting `cage` asks for locks that this system does not offer.
        """
        first = self._unpatched is None
        self._unpatched = unpatched
        lacking = missing_locks() if self._request.settings.cage != "off" else []
        if lacking and self._request.settings.cage == "require":
            raise ConfigError(
                f'[tool.fapo] cage = "require", and this system cannot lock candidates out of '
                f'{listing(lacking)}; run it elsewhere, or set cage = "on" to continue without'
            )
        if lacking and first:
            self._request.run.journal.tell(Note(f"candidates are not locked out of {listing(lacking)}"))

    def rules(self) -> CageRules | None:
        """Return the rules for one candidate; None where it is not locked in."""
        if not self._wanted:
            return None
        settings = self._request.settings
        return CageRules(
            connect=list(
                dict.fromkeys([*self._reached("connect"), *self._endpoints(), *settings.allow_hosts])
            ),
            programs=self._reached("program"),
            read=[*self._reached("read"), *map(self._absolute, settings.allow_read)],
            write=[*self._reached("write"), *map(self._absolute, settings.allow_write)],
            withheld=variables_in(self._request.cache_url),
            memory=_memory(),
        )

    def hosts_beside_models(self) -> list[str]:
        """Return where the unpatched tree connected to, but for the models that it asked."""
        models = set(self._endpoints())
        return [each for each in self._reached("connect") if each not in models]

    def _reached(self, kind: str) -> list[str]:
        """Return what the unpatched tree did outside of itself: `connect`, `program`, `read` or `write`."""
        lines = self._unpatched.reach if self._unpatched is not None else []
        return [line.removeprefix(f"{kind} ") for line in lines if line.startswith(f"{kind} ")]

    def refuses(self, url: str) -> bool:
        """True if a candidate cannot connect to the host of this address."""
        rules, place = self.rules(), _host_and_port(url)
        if rules is None or not place:
            return False
        host, _, port = place.rpartition(":")
        return not AllowedHosts(rules.connect).admit(Target(host.strip("[]"), int(port)))

    def _absolute(self, path: str) -> str:
        return os.fspath(self._request.root / Path(path).expanduser())

    def _endpoints(self) -> list[str]:
        """Return where the models answer that were asked, now or when their answers were recorded."""
        known = [each for each in (self._request.baseline, self._unpatched) if each is not None]
        urls = {call.url for each in known for trace in each.traces.values() for call in trace.llm_calls}
        urls |= {call.url for each in known for item in each.items.values() for call in item.test_calls}
        for name in _PROXIES:
            urls |= {value for value in (os.environ.get(name), os.environ.get(name.upper())) if value}
        return sorted(filter(None, map(_host_and_port, urls)))

    def seems_to_hinder(self, evaluation: Evaluation) -> bool:
        """True if a failure may be the cage's doing; asked until it was looked into once."""
        if self._checked:
            return False
        refused = any(note.startswith("refused: connecting") for note in evaluation.notes)
        texts = [item.explanation for item in evaluation.items.values() if not item.passed]
        return refused or any(sign in text for text in (*texts, evaluation.stopped) for sign in _SIGNS)

    def check(self, locked_in: Evaluation) -> None:
        """Compare the unpatched tree's run locked in with the one that was watched.

        Raises:
            EvaluationError: a test fails in the cage that passes outside of it.
        """
        self._checked = True
        if self._unpatched is None:
            return
        for nodeid, item in self._unpatched.items.items():
            other = locked_in.items.get(nodeid)
            if other is not None and item.passed and not other.passed:
                refused = [note.removeprefix("refused: ") for note in locked_in.notes if "refused" in note]
                why = listing(refused, most=3) or other.explanation.strip().splitlines()[-1:][0]
                raise EvaluationError(
                    f"{nodeid} passes, and does not where candidates are locked in ({why}); allow it in "
                    f'[tool.fapo]: allow_hosts = ["host:port"], allow_read or allow_write = ["path"], '
                    f'or cage = "off"'
                )


def missing_locks() -> list[str]:
    """Return what this system does not offer, in words; empty where it offers all."""
    if sys.platform != "linux":
        return ["files, programs, connections and other processes (Linux only)"]
    from pytest_fapo.shadow.connections import can_serve
    from pytest_fapo.shadow.inside import cage

    lacking = cage.missing_locks()
    if cage.has_seccomp() and not can_serve():
        lacking.append("connections (refused by the container that this runs in)")
    return lacking


def _host_and_port(url: str) -> str:
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        port = parts.port or _PORTS.get(parts.scheme, 443)
    except ValueError:
        return ""
    host = parts.hostname or ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if host else ""


def _memory() -> int:
    """Bytes: four times what this process has needed so far, and enough for small models in any case; never
    all that the machine has."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(max(_LEAST_MEMORY, 4 * most), machine * 3 // 4)
