"""The process that runs a shadow tree's tests: `python -m pytest_fapo.evaluate.child SPEC.json`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any


def main(spec_path: str) -> int:
    """Run pytest as the spec says; records and a closing line go to its results file.

    Returns:
        pytest's exit code.
    """
    os.environ["FAPO_CHILD_SPEC"] = spec_path
    from pytest_fapo.evaluate.inside.bootstrap import install
    from pytest_fapo.evaluate.inside.files import install_databases

    with open(spec_path, encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    _die_with_parent()
    install_databases(install())
    _arrange_path(spec)

    import pytest

    from pytest_fapo.evaluate.child_plugin import ChildPlugin

    sys.argv = [os.path.join(os.path.dirname(pytest.__file__), "__main__.py"), *spec["args"]]
    with open(spec["results"], "a", encoding="utf-8") as results:
        plugin = ChildPlugin(spec, results)
        exit_code = int(pytest.main(spec["args"], plugins=[plugin]))
        plugin.end(exit_code)
    return exit_code


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


def _die_with_parent() -> None:
    """End this process and all that it started as soon as its parent is gone: the pipe's end tells."""
    life_line = int(os.environ.pop("FAPO_LIFE_LINE"))

    def watch() -> None:
        os.read(life_line, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="fapo-parent-watch", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
