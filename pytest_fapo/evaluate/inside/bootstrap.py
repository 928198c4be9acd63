"""Installs everything in this process, once, as the spec file of the evaluation says."""

from __future__ import annotations

import json
import os
from typing import Any

from pytest_fapo.evaluate.inside.files import install_files
from pytest_fapo.evaluate.inside.guard import Guard, Log
from pytest_fapo.evaluate.inside.imports import install_imports
from pytest_fapo.evaluate.inside.paths import TreeMap

SPEC_VARIABLE = "FAPO_CHILD_SPEC"

_installed: list[TreeMap] = []


def install() -> TreeMap | None:
    """Map this process onto the shadow tree and guard the real one; None where no spec is set."""
    if _installed:
        return _installed[0]
    path = os.environ.get(SPEC_VARIABLE)
    if not path:
        return None
    with open(path, encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    place = spec["tree"]
    tree = TreeMap(place["root"], place["shadow"], place["base"], place["area"], place["kept"])
    _installed.append(tree)
    guard = Guard(
        tree,
        guarded=place["guarded"],
        allowed=place["allowed"],
        compiled=place["compiled"],
        watch=spec["request"]["watch"],
        log=Log(spec["log"]),
    )
    install_imports(tree)
    install_files(tree)
    guard.install()
    return tree
