"""The process that runs a shadow tree's tests: `python -m pytest_fapo.shadow.child SPEC.json`."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn


def main(spec_path: str) -> int:
    """Run pytest as the spec says; records and a closing line go to its results file.

    Returns:
        pytest's exit code.
    """
    os.environ["FAPO_CHILD_SPEC"] = spec_path
    from pytest_fapo.shadow.inside.bootstrap import install
    from pytest_fapo.shadow.inside.redirects import install_databases

    with open(spec_path, encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    _die_with_parent(int(os.environ.pop("FAPO_LIFE_LINE")))
    if spec["cage"] is not None:
        _lock_in(spec["cage"])
    getattr(sys.modules.get("sitecustomize"), "go_on", lambda: None)()
    install_databases(install())
    _arrange_path(spec)

    import pytest

    from pytest_fapo.shadow.child_plugin import ChildPlugin

    if "produce" in spec["request"]["options"]:
        from pytest_fapo.shadow.producer_child import ProducerPlugin

        kind: type[ChildPlugin] = ProducerPlugin
    else:
        kind = ChildPlugin
    sys.argv = [os.path.join(os.path.dirname(pytest.__file__), "__main__.py"), *spec["args"]]
    with open(spec["results"], "a", encoding="utf-8") as results:
        plugin = kind(spec, results)
        exit_code = int(pytest.main(spec["args"], plugins=[plugin]))
        plugin.end(exit_code)
    return exit_code


def _lock_in(rules: dict[str, Any]) -> None:
    """Close the cage, and tell the parent on which descriptor it is asked about connections."""
    from pytest_fapo.shadow.inside import cage

    number = cage.enter(rules)
    with open(rules["number"], "w", encoding="ascii") as file:
        file.write(f"{number}\n")
    cage.answer_names(rules["names"])


def _arrange_path(spec: dict[str, Any]) -> None:
    """`sys.path` as the user's own way of starting pytest makes it."""
    if not spec["cwd_on_path"] and not getattr(sys.flags, "safe_path", False):
        here = os.getcwd()
        sys.path[:1] = [entry for entry in sys.path[:1] if entry not in ("", here)]
    added = spec["package_folder"]
    if added:
        sys.path[:] = [entry for entry in sys.path if entry != added]
        entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        os.environ["PYTHONPATH"] = os.pathsep.join(entry for entry in entries if entry != added)


def _die_with_parent(life_line: int) -> None:
    """Have this process and all that it starts ended as soon as its parent is gone: the pipe's end tells.

    A process of its own waits for that. A thread would have to wait for code that never lets go of the
    interpreter's lock, and a signal of the system's (PR_SET_PDEATHSIG) would reach this one process only.
    """
    ended, alive = os.pipe()
    group = os.getpgid(0)
    starter = os.fork()
    if starter == 0:
        with suppress(OSError):
            os.setsid()
            if os.fork() == 0:  # the tests must not find it among their children
                _watch(life_line, ended, group)
        os._exit(0)
    os.waitpid(starter, 0)
    os.close(life_line)
    os.close(ended)
    os.set_inheritable(alive, False)  # it is closed by nothing but the end of this process


def _watch(life_line: int, ended: int, group: int) -> NoReturn:
    """Wait for the end of the parent or of the child; after the parent's, kill the child's group."""
    first, last = sorted((life_line, ended))
    os.closerange(0, first)
    os.closerange(first + 1, last)
    os.closerange(last + 1, os.sysconf("SC_OPEN_MAX"))
    readable, _, _ = select.select([life_line, ended], [], [])
    if life_line in readable:
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
