from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import ArtifactError, ConfigError
from pytest_fapo.core.scope import Scope
from pytest_fapo.loop.run_result import ScopeSnapshot

FILES = {
    "p/a.md": "a\n",
    "s.py": "K = 3\n",
    "p.py": "def f():\n    return 1\n",
    "empty.py": "",
    "other.md": "not in the scope\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_it_holds_the_files_of_all_levels(root: Path) -> None:
    scope = Scope(prompts=["p/*.md"], params=["s.py::K"], structure=["p.py", "empty.py"])
    snapshot = ScopeSnapshot.take(root, scope)
    assert sorted(snapshot.files) == ["empty.py", "p.py", "p/a.md", "s.py"]
    assert snapshot.hashes["s.py"] == hashlib.sha256(b"K = 3\n").hexdigest()
    (root / "s.py").write_text("K = 9\n")
    assert snapshot.store.get("s.py::K").text == "3", "edits build on what was there when the run began"


def test_a_patch_holds_what_differs_and_what_is_new(root: Path) -> None:
    snapshot = ScopeSnapshot.take(root, Scope(prompts=["p/*.md"], params=["s.py::K"], structure=["p.py"]))
    first = snapshot.render(
        [
            Edit(address="s.py::K", before="3", after="5"),
            Edit(address="p/new.md", before="", after="n"),
            Edit(address="p.py::f", before="def f():\n    return 1\n", after="def f():\n    return 1\n"),
        ]
    )
    assert first == {"s.py": b"K = 5\n", "p/new.md": b"n"}
    second = snapshot.render([Edit(address="s.py::K", before="5", after="3")], base=first)
    assert second == {"p/new.md": b"n"}


@pytest.mark.parametrize("level", ["prompts", "params", "structure"])
def test_one_level_is_enough(root: Path, level: str) -> None:
    entry = {"prompts": "p/a.md", "params": "s.py::K", "structure": "p.py"}[level]
    assert len(ScopeSnapshot.take(root, Scope.model_validate({level: [entry]})).files) == 1


def test_an_empty_scope_and_a_wrong_entry_of_any_level_are_said(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[tool.fapo.scope\] is empty: name what may be edited"):
        ScopeSnapshot.take(root, Scope())
    for level, entry in {"prompts": "q.md", "params": "s.py::J", "structure": "p.py::g"}.items():
        scope = Scope.model_validate({"prompts": ["p/a.md"]} | {level: [entry]})
        with pytest.raises(ArtifactError, match=rf"\[tool.fapo.scope\] {level}: '{entry}' matches nothing"):
            ScopeSnapshot.take(root, scope)
