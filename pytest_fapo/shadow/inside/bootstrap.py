"""Install everything in this process, once, as the spec file of the evaluation says."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest_fapo
from pytest_fapo.shadow.inside.redirects import install_files, install_imports
from pytest_fapo.shadow.inside.tree_map import TreeMap
from pytest_fapo.shadow.inside.write_guard import GuardLog, GuardRules, WriteGuard

SPEC_VARIABLE = "FAPO_CHILD_SPEC"

_guards: list[WriteGuard] = []
"""The one of this process, once it is installed; audit hooks stay for good."""


def install() -> TreeMap:
    """Map this process onto the shadow tree and guard the real one, as the spec in the environment says.

    Where that was done before (in the process that this one is a fork of) only the rules are renewed.
    """
    with open(os.environ[SPEC_VARIABLE], encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    place = spec["tree"]
    rules = GuardRules(
        guarded=place["guarded"],
        allowed=[place["base"], *place["allowed"]],
        compiled=place["compiled"],
        watch=frozenset(spec["request"]["watch"]),
        log=GuardLog(spec["log"]),
        known=spec["known"],
    )
    if _guards:
        _guards[0].rules = rules
        return _guards[0].tree
    tree = TreeMap(place["root"], place["shadow"], place["base"], place["area"], place["kept"])
    guard = WriteGuard(tree, rules)
    _guards.append(guard)
    install_imports(tree)
    install_files(tree)
    guard.install()
    pytest_fapo.__doc__ = f"{pytest_fapo.__doc__}\n\nPYTEST_DONT_REWRITE"  # it is imported before pytest
    return tree
