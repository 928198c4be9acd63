"""`fapo` for a package below pytest's rootdir: its own runs, and files as pytest saw them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.test_run_commands import BEFORE, PROJECT
from support.cli_projects import Folder

from pytest_fapo.cli.console import find_root
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.loop.events import RunBegan
from pytest_fapo.loop.run_folder import RunFolder

PROMPT = "packages/mail/mailroom/prompts/sort.md"


@pytest.fixture
def package(folder: Folder) -> Folder:
    """A monorepo: pytest's settings at its top, ours in a package, with a patch that waits."""
    folder.write({f"packages/mail/{name}": text for name, text in PROJECT.items()})
    folder.write({"pytest.ini": "[pytest]\npythonpath = packages/mail\naddopts = -p no:cacheprovider\n"})
    (folder.root / ".git").mkdir()
    said = folder.pytest("-q", "packages/mail", "--fapo-optimize", "--fapo-write=patch")
    assert said.code == 1, said.out
    assert (folder.root / "packages/mail/.fapo/runs").is_dir()
    assert not (folder.root / ".fapo").exists()
    return folder


def test_a_packages_run_is_found_written_and_taken_back(package: Folder) -> None:
    for place in (".", "packages", "packages/mail", "packages/mail/mailroom/prompts"):
        listed = json.loads(package.fapo("runs", "--json", cwd=place).out)
        assert [run["state"] for run in listed] == ["finished"], place
    for words in (("diff", "last"), ("diff", "last", "c1")):
        said = package.fapo(*words, cwd="packages/mail")
        assert (said.code, said.err) == (0, "")
        assert f"--- a/{PROMPT}\n+++ b/{PROMPT}\n" in said.out
    before = package.files()
    said = package.fapo("apply", "last", cwd="packages/mail")
    assert said.code == 0, said.out
    assert package.read(PROMPT) != BEFORE
    assert package.files().keys() == before.keys()
    assert package.fapo("undo", "last").code == 0
    assert package.files() == before


@pytest.mark.slow
def test_a_packages_patch_can_be_reviewed(package: Folder) -> None:
    said = package.pytest("-q", "packages/mail", "--fapo-review")
    assert "no run has left changes" not in said.out
    assert "sort.md" in said.out


def test_settings_that_pytest_was_given_with_c_are_given_to_fapo(folder: Folder) -> None:
    """Where the project has settings of its own, those alone would be found."""
    folder.write({"pyproject.toml": "[tool.fapo]\n", "ci/fast.toml": "[tool.fapo]\n", "ci/no.toml": ""})
    own, other = (RunFolder.create(folder.root / name / ".fapo" / "runs") for name in (".", "ci"))
    for run in (own, other):
        run.journal.write(RunBegan(files={}))
    other.path.rename(other.path.with_name("20991231-000000"))
    for words in (("runs",), ("show", "last"), ("diff", "last"), ("undo", "last"), ("apply", "last")):
        refused = folder.fapo(*words, "-c", "ci/no.toml")
        assert refused.code == 1, words
        assert "ci/no.toml: no [tool.fapo] in this file; name the one" in refused.err
        named, bare = folder.fapo(*words, "-c", "ci/fast.toml"), folder.fapo(*words)
        assert "20991231" in named.out + named.err, words
        assert own.path.name in bare.out + bare.err, words
    folder.fapo("cache", "stats", "-c", "ci/fast.toml")
    assert find_root(folder.root, str(folder.root / "ci" / "fast.toml")) == (folder.root / "ci").resolve()


def test_the_nearest_settings_decide(tmp_path: Path) -> None:
    for name in ("", "packages/api", "packages/web"):
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pyproject.toml").write_text("[tool.fapo]\n" if name else "[project]\n")
    inner = tmp_path / "packages" / "api" / "tests"
    inner.mkdir()
    assert find_root(inner) == tmp_path / "packages" / "api"
    with pytest.raises(ConfigError, match=r"have a \[tool\.fapo\]: packages/api, packages/web; change into"):
        find_root(tmp_path)
    (inner / ".fapo").mkdir()
    assert find_root(inner) == tmp_path / "packages" / "api"
    (tmp_path / "packages" / "web" / "pyproject.toml").unlink()
    assert find_root(tmp_path) == tmp_path / "packages" / "api"
    (tmp_path / ".fapo").mkdir()
    assert find_root(tmp_path) == tmp_path
    (tmp_path / "pyproject.toml").write_text("[tool.fapo]\n")
    assert find_root(tmp_path / "packages") == tmp_path
