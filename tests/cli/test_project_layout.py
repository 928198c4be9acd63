"""The project's way of running its tests, as pytest itself would find out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_fapo.cli.init.app_code import importable
from pytest_fapo.cli.init.project_layout import Layout, fixtures_of, read_layout
from pytest_fapo.source.addresses import all_paths


def layout(root: Path, files: Mapping[str, str]) -> Layout:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_layout(root)


INI = "[tool.pytest.ini_options]\n"


@pytest.mark.parametrize(
    ("files", "file", "tests"),
    [
        ({}, "", "tests"),
        ({"test/x.py": ""}, "", "test"),
        ({"pyproject.toml": "[project]\n"}, "", "tests"),
        ({"pyproject.toml": f'{INI}testpaths = ["spec"]\n', "tests/x.py": ""}, "pyproject.toml", "spec"),
        (
            {"pyproject.toml": f'{INI}testpaths = "p/*/t"\n', "p/b/t/x.py": "", "p/a/t/x.py": ""},
            "pyproject.toml",
            "p/a/t",
        ),
        ({"pyproject.toml": f'{INI}testpaths = [".", "src"]\n', "tests/x.py": ""}, "pyproject.toml", "tests"),
        ({"pyproject.toml": '[tool.pytest]\ntestpaths = ["unit"]\n'}, "pyproject.toml", "unit"),
        (
            {"pytest.ini": "[pytest]\ntestpaths = a b\n", "b/x.py": "", "pyproject.toml": INI},
            "pytest.ini",
            "b",
        ),
        ({"setup.cfg": "[tool:pytest]\ntestpaths = checks\n"}, "setup.cfg", "checks"),
        ({"setup.cfg": "[metadata]\nname = x\n", "tox.ini": "[pytest]\n"}, "tox.ini", "tests"),
        ({"pyproject.toml": f'{INI}testpaths = ["../other"]\n'}, "pyproject.toml", "tests"),
    ],
)
def test_where_settings_and_tests_are(
    tmp_path: Path, files: Mapping[str, str], file: str, tests: str
) -> None:
    found = layout(tmp_path, files)
    assert (found.pytest_file, found.tests) == (file, tests)
    assert found.can_set_pythonpath == (file in ("", "pyproject.toml"))


@pytest.mark.parametrize(
    ("files", "pythonpath"),
    [
        ({}, ()),
        ({"pyproject.toml": f'{INI}pythonpath = ["./src/"]\n'}, ("src",)),
        ({"pytest.ini": "[pytest]\npythonpath = lib src\n"}, ("lib", "src")),
    ],
)
def test_what_tests_can_import(tmp_path: Path, files: Mapping[str, str], pythonpath: tuple[str, ...]) -> None:
    assert layout(tmp_path, files).pythonpath == pythonpath


@pytest.mark.parametrize(
    ("path", "packages", "name", "import_root"),
    [
        ("app.py", [], "app", "."),
        ("app/core.py", [], "app.core", "."),
        ("src/app/core.py", ["src/app"], "app.core", "src"),
        ("src/app/core.py", [], "app.core", "src"),
        ("backend/app/deep/core.py", ["backend/app", "backend/app/deep"], "app.deep.core", "backend"),
        ("app/__init__.py", ["app"], "app", "."),
    ],
)
def test_how_a_file_is_imported(
    tmp_path: Path, path: str, packages: list[str], name: str, import_root: str
) -> None:
    for package in packages:
        (tmp_path / package).mkdir(parents=True, exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
    assert importable(tmp_path, path) == (name, import_root)


def test_fixtures_of_every_conftest(tmp_path: Path) -> None:
    layout(
        tmp_path,
        {
            "conftest.py": "import pytest\n@pytest.fixture\ndef one(): ...\ndef no(): ...\n",
            "a/conftest.py": "from pytest import fixture\n@fixture(name='two')\ndef _two(): ...\n",
            "b/conftest.py": "def broken(:\n",
        },
    )
    found = fixtures_of(tmp_path, all_paths(tmp_path))
    assert found == {"one": "conftest.py", "two": "a/conftest.py"}
