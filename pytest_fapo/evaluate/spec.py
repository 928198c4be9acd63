"""The spec file, the folder and the environment that a child process is started with."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest_fapo
from pytest_fapo.evaluate.inside.bootstrap import SPEC_VARIABLE
from pytest_fapo.evaluate.inside.paths import TreeMap
from pytest_fapo.evaluate.request import EvaluationRequest
from pytest_fapo.evaluate.shadow import ShadowTree

_PARENT_ONLY = ("PYTEST_CURRENT_TEST", "PYTEST_VERSION", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
_PARENT_ONLY_PREFIXES = ("PYTEST_XDIST_", "COV_CORE_")
_SITE = Path(__file__).parent / "inside" / "site"


def describe(shadow: ShadowTree, request: EvaluationRequest, folder: Path, results: Path) -> dict[str, Any]:
    """The spec of one run, as JSON data.

    Args:
        shadow: the tree.
        request: what to run.
        folder: the run's own folder; temporary files and the guard's log go there.
        results: file that takes the run's lines.
    """
    return {
        "request": request.model_dump(mode="json"),
        "args": [
            *(_map_argument(argument, tree_map(shadow)) for argument in request.args),
            *_rootdir(shadow, request),
            f"--basetemp={folder / 'tmp'}",
        ],
        "tree": {
            "root": os.fspath(shadow.root),
            "shadow": os.fspath(shadow.path),
            "base": os.fspath(shadow.base),
            "area": os.fspath(shadow.area),
            "kept": _kept(shadow),
            **_guard_rules(shadow, request, results),
        },
        "log": os.fspath(folder / "guard.log"),
        "results": os.fspath(results),
        "cwd_on_path": Path(sys.argv[0]).name == "__main__.py",
        "package_folder": package_folder(),
    }


def _rootdir(shadow: ShadowTree, request: EvaluationRequest) -> list[str]:
    given = any(argument.startswith("--rootdir=") for argument in request.args)
    return [] if given else [f"--rootdir={shadow.path}"]


def tree_map(shadow: ShadowTree) -> TreeMap:
    """The map by which paths of the real tree are found in this shadow."""
    root, path, base, area = map(os.fspath, (shadow.root, shadow.path, shadow.base, shadow.area))
    return TreeMap(root, path, base, area, _kept(shadow))


def working_folder(shadow: ShadowTree, request: EvaluationRequest) -> Path:
    """Where the tests run: the folder of the shadow that corresponds to the user's own."""
    place = Path(os.path.normpath(shadow.path / request.cwd))
    if not place.is_relative_to(shadow.area):
        place = Path(os.path.normpath(shadow.root / request.cwd))
    return place if place.is_dir() else shadow.path


def environment(shadow: ShadowTree, folder: Path, spec: Path) -> dict[str, str]:
    """This process's environment, with what belongs to it alone taken out and the child's own put in.

    Args:
        shadow: the tree; entries of PYTHONPATH in the real tree are moved into it.
        folder: where the child runs.
        spec: the spec file.
    """
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in _PARENT_ONLY and not name.startswith(_PARENT_ONLY_PREFIXES)
    }
    tree = tree_map(shadow)
    given = variables.get("PYTHONPATH", "")
    entries = [entry or os.curdir for entry in given.split(os.pathsep)] if given else []
    paths = [os.fspath(_SITE), *map(tree.to_shadow, entries), package_folder()]
    variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    variables["PWD"] = os.fspath(folder)
    variables[SPEC_VARIABLE] = os.fspath(spec)
    return variables


def package_folder() -> str:
    """Return the folder that pytest_fapo is imported from; "" where it is found without being added."""
    folder = str(Path(pytest_fapo.__file__).parent.parent)
    if folder in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        return ""  # the user's own entry stays: other modules may be found by it
    installed = {os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    return "" if os.path.realpath(folder) in installed or "site-packages" in folder else folder


def _kept(shadow: ShadowTree) -> list[str]:
    return [*shadow.survey.linked, *shadow.survey.left_out]


def _guard_rules(shadow: ShadowTree, request: EvaluationRequest, results: Path) -> dict[str, list[str]]:
    root = os.path.realpath(shadow.root)
    own = (request.cache_folder, request.spend_file, results)
    return {
        "guarded": [root],
        "allowed": [os.path.join(root, ".fapo"), *(os.path.realpath(path) for path in own if path)],
        "compiled": [os.path.join(root, path) for path in shadow.survey.environments],
    }


def _map_argument(argument: str, tree: TreeMap) -> str:
    """The argument with an absolute path of the real tree, bare or after `=`, moved into the shadow."""
    head, equals, tail = argument.partition("=")
    is_option = bool(equals) and head.startswith("-")
    path, colons, rest = (tail if is_option else argument).partition("::")
    if not path.startswith("/"):
        return argument
    moved = tree.to_shadow(path) + colons + rest
    return f"{head}={moved}" if is_option else moved
