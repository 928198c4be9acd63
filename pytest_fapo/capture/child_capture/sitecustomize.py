"""Capture the calls of a Python program that a case starts, from the import of its HTTP library on.

Python imports a module of this name at its start; the folder that holds it is put on the path of those
programs only. Standard library only, and little of it: most programs call no model. A `sitecustomize` of the
user's own runs after this one.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

VARIABLE = "FAPO_CASE_CAPTURE"


class FirstHttpLibrary:
    """Sets capture up when the first HTTP library is imported."""

    def __init__(self, handoff: str, modules: list[str]) -> None:
        self._handoff = handoff
        self._modules = frozenset(modules)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """Part of the import protocol: the other finders' answer, those that are set up here included."""
        if fullname not in self._modules or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        try:
            from pytest_fapo.capture.case_processes import go_on_with
        except ImportError:  # another interpreter, without this package
            return None
        go_on_with(self._handoff)
        for finder in list(sys.meta_path):
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                return spec
        return None


def _start() -> None:
    given = os.environ.get(VARIABLE)
    if given:
        settings = json.loads(given)
        finder: Any = FirstHttpLibrary(settings["handoff"], settings["modules"])
        sys.meta_path.insert(0, finder)
    if __name__ == "sitecustomize":
        _run_user_sitecustomize()


def _run_user_sitecustomize() -> None:
    helper = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "next_sitecustomize.py")
    names: dict[str, Any] = {}
    with open(helper, encoding="utf-8") as file:
        exec(file.read(), names)
    names["run_next"](__file__)


_start()
