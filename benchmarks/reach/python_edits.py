"""The table of Python source goes the whole way: listed, edited, written, run, undone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.reach.python_table import LIBRARY, LOCATIONS, PythonLocation
from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.scope import Scope
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.source.patch import edits_between, unified_diff
from pytest_fapo.source.write_back import write_back

NEW = "Sort the ticket into one team.\nAnswer with its name only."


def module_of(location: PythonLocation) -> bytes:
    return f"from lib import *\n\n{location.source}\n".encode()


def with_kept(location: PythonLocation, text: str) -> str:
    """A new text for the place: its placeholders stay, and braces are doubled only where they have to be."""
    doubled = "{" in location.kept
    return (text if doubled else text.replace("{{", "{").replace("}}", "}")) + location.kept


class PythonResult(NamedTuple):
    """All locations in one project: edited and written together, run in a process of its own, and undone."""

    listed: dict[str, str]
    sent: dict[str, str]
    undone: dict[str, bytes]
    patch_applies: bool


PATHS = {name: f"app/p{number}.py" for number, name in enumerate(LOCATIONS)}

RUN = """
import importlib.util, json, sys
sys.path.insert(0, "app")
sent = {}
for path, run in json.load(sys.stdin).items():
    spec = importlib.util.spec_from_file_location("p", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sent[path] = eval(run, vars(module))
print(json.dumps(sent))
"""


def edit_all(folder: Path) -> PythonResult:
    """Edit and write all locations as one project in an empty folder, run it, and undo all."""
    root = folder / "project"
    root.mkdir()
    before = {PATHS[name]: module_of(location) for name, location in LOCATIONS.items()}
    for path, content in {**before, "app/lib.py": LIBRARY.encode()}.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(content)
    addresses = {name: f"{PATHS[name]}::{location.name}" for name, location in LOCATIONS.items()}
    store = ArtifactStore(root, Scope(prompts=list(addresses.values())))
    listed = {artifact.address: artifact.text for artifact in store.all()}
    edits = [
        Edit(address=addresses[name], before=location.text, after=with_kept(location, NEW))
        for name, location in LOCATIONS.items()
    ]
    after = store.render(edits)
    assert {edit.address: edit.after for edit in edits_between(store, after)} == {
        edit.address: store.with_files(after).get(edit.address).text for edit in edits
    }
    patch = unified_diff(root, after).encode()
    checked = subprocess.run(["git", "apply", "--check", "-"], cwd=root, input=patch, check=False)
    _write(root, before, after)
    runs = json.dumps({PATHS[name]: location.run for name, location in LOCATIONS.items()})
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=root, input=runs, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    _write(root, after, before)
    undone = {path: (root / path).read_bytes() for path in before}
    return PythonResult(listed, json.loads(done.stdout), undone, checked.returncode == 0)


def problem_in(result: PythonResult, name: str) -> str:
    """Return what went wrong with a location; empty where nothing did."""
    location, path = LOCATIONS[name], PATHS[name]
    if result.listed.get(f"{path}::{location.name}") != location.text:
        return "it is listed otherwise"
    if result.sent[path] != location.sent(with_kept(location, NEW)):
        return f"the model gets {result.sent[path]!r}"
    if result.undone[path] != module_of(location) or not result.patch_applies:
        return "it is not undone byte by byte, or git does not take the patch"
    return ""


def _write(root: Path, old: Mapping[str, bytes], new: Mapping[str, bytes]) -> None:
    expected = {path: hashlib.sha256(content).hexdigest() for path, content in old.items()}
    written = write_back(root, dict(new), expected=expected, journal=root.parent / "write.json")
    assert sorted(written.written) == sorted(new)
