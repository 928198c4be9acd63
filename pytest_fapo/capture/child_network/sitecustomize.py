"""Refuse connections in a Python program that a case starts, by the same rules as in the case itself.

Python imports a module of this name at its start; the folder that holds it is put on the path of those
programs only. Standard library only. A `sitecustomize` of the user's own runs after this one.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
from typing import Any

VARIABLE = "FAPO_CASE_NETWORK"


class ProgramNetworkRefused(BaseException):
    """A connection that `--fapo-cache=only` does not let through."""

    def __reduce__(self) -> Any:
        return PermissionError, self.args  # the process that started this one has no such class


def install(settings: dict[str, Any]) -> None:
    """Refuse connections in this process, and note each for the process that runs the case."""
    spec = importlib.util.spec_from_file_location("fapo_network_hosts", settings["hosts"])
    assert spec is not None
    assert spec.loader is not None
    hosts = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = hosts
    spec.loader.exec_module(hosts)
    allowed, busy = hosts.AllowedHosts(settings["allow"]), threading.local()

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event not in hosts.NETWORK_EVENTS or getattr(busy, "now", False):
            return
        busy.now = True
        try:
            found = hosts.target_of(event, args)
            if found is None or allowed.admit(found[0], lookup=found[1]):
                return
            line = json.dumps({"case": settings["case"], "target": str(found[0])}) + "\n"
            note = os.open(settings["notes"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(note, line.encode())
            os.close(note)
        finally:
            busy.now = False
        raise ProgramNetworkRefused(
            f"--fapo-cache=only: a program of case {settings['case_id']!r} connected to {found[0]}; the "
            f'connection was refused. To let it through: allow_hosts = ["{found[0]}"] in [tool.fapo]'
        )

    sys.addaudithook(hook)


def _start() -> None:
    given = globals().get("SETTINGS") or os.environ.get(VARIABLE)
    if given:
        try:
            install(json.loads(given))
        except Exception as error:
            # The refusal must not be missing silently; a program without it must not run.
            sys.stderr.write(f"pytest-fapo: the refusal of connections could not be set up: {error!r}\n")
            os._exit(70)
    if __name__ == "sitecustomize":
        _run_user_sitecustomize()


def _run_user_sitecustomize() -> None:
    helper = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "next_sitecustomize.py")
    names: dict[str, Any] = {}
    with open(helper, encoding="utf-8") as file:
        exec(file.read(), names)
    names["run_next"](__file__)


_start()
