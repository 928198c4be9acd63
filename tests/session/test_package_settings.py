"""`[tool.fapo]` where people keep it: monorepos, `-c`, links; each package's settings hold for its tests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from textwrap import dedent

import pytest

from pytest_fapo.core.project_file import SettingsFiles, SettingsHome, find_settings_home, misplaced_table
from pytest_fapo.core.settings import Settings

TABLE = "[tool.fapo]\n"
OTHER = "[project]\nname = 'x'\nversion = '1'\ndescription = 'no fapo table'\n"

TEST = """
import pytest, pytest_fapo as fapo

@pytest.fixture
def {fixture}():
    return lambda text: text

@fapo.cases([{{"id": "a", "inputs": {{"text": "a"}}, "expected": "a"}}], split="train")
def test_{name}(case, run):
    assert run.output == case.expected
"""


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))


def finder(root: Path, **fields: object) -> SettingsFiles:
    values = {"inipath": None, "rootpath": root, "start": root} | fields
    return SettingsFiles(**values)  # type: ignore[arg-type]


# --- which file holds -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tables", "folder", "rootdir", "expected"),
    [
        (["pyproject.toml"], "tests/deep", ".", "pyproject.toml"),
        (["pyproject.toml", "pkg/pyproject.toml"], "pkg/tests", ".", "pkg/pyproject.toml"),
        (["pyproject.toml", "pkg/pyproject.toml"], "other", ".", "pyproject.toml"),
        (["pkg/pyproject.toml"], "pkg/tests", "pkg/tests", "pkg/pyproject.toml"),  # beyond the rootdir
        (["pyproject.toml"], "tests", "config", "pyproject.toml"),
        (["pkg/pyproject.toml"], "tests", "pkg", "pkg/pyproject.toml"),  # beside the tests, at the rootdir
        ([], "tests", ".", None),
    ],
)
def test_the_nearest_table_above_a_test_holds(
    tmp_path: Path, tables: list[str], folder: str, rootdir: str, expected: str | None
) -> None:
    for name in (folder, rootdir, "pkg"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    write(tmp_path, {"pkg/sub/pyproject.toml": OTHER, **dict.fromkeys(tables, TABLE)})
    found = finder(tmp_path, rootpath=tmp_path / rootdir).of(tmp_path / folder)
    assert found == (tmp_path / expected if expected else None)


def test_where_pytest_was_started_counts_last(tmp_path: Path) -> None:
    write(tmp_path, {"here/pyproject.toml": TABLE, "there/config/pytest.ini": "[pytest]\n"})
    (tmp_path / "there" / "tests").mkdir()
    files = finder(tmp_path, rootpath=tmp_path / "there" / "config", start=tmp_path / "here")
    assert files.of(tmp_path / "there" / "tests") == tmp_path / "here" / "pyproject.toml"


def test_a_file_named_by_c_wins_if_it_has_a_table(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": TABLE, "ci/pyproject.toml": TABLE, "ci/other.toml": OTHER})
    named = tmp_path / "ci" / "pyproject.toml"
    assert finder(tmp_path, inipath=named, named=True).of(tmp_path) == named
    assert finder(tmp_path, inipath=named, named=False).of(tmp_path) == tmp_path / "pyproject.toml"
    without = finder(tmp_path, inipath=tmp_path / "ci" / "other.toml", named=True)
    assert without.of(tmp_path) == tmp_path / "pyproject.toml"


def test_another_repository_around_a_project_is_none_of_its_business(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": TABLE, "mine/tests/x.txt": ""})
    (tmp_path / "mine" / ".git").mkdir()
    assert finder(tmp_path / "mine").of(tmp_path / "mine" / "tests") is None
    assert finder(tmp_path).of(tmp_path / "mine" / "tests") == tmp_path / "pyproject.toml"  # a submodule


def test_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path, {"real/pyproject.toml": TABLE, "real/tests/x.txt": "", "repo/x.txt": ""})
    os.symlink(tmp_path / "real", tmp_path / "repo" / "linked")
    os.symlink(tmp_path / "real" / "tests", tmp_path / "repo" / "tests")
    files = finder(tmp_path / "repo")
    assert files.of(tmp_path / "repo" / "linked" / "tests") == tmp_path / "repo/linked/pyproject.toml"
    assert files.of(tmp_path / "repo" / "tests") == tmp_path / "real" / "pyproject.toml"
    assert list(files.below(tmp_path / "repo")) == [tmp_path / "repo" / "linked" / "pyproject.toml"]


def test_what_pytest_does_not_enter_has_no_settings(tmp_path: Path) -> None:
    names = ("a", "node_modules/x", ".tox/x", "env", "skipme")
    write(tmp_path, {f"{name}/pyproject.toml": TABLE for name in names} | {"env/pyvenv.cfg": ""})
    assert list(finder(tmp_path).below(tmp_path, ["skip*"])) == [tmp_path / "a" / "pyproject.toml"]


def test_the_home_of_a_command(tmp_path: Path) -> None:
    api, web = (tmp_path / name / "pyproject.toml" for name in ("api", "web"))
    write(tmp_path, {"api/pyproject.toml": TABLE, "web/pyproject.toml": TABLE, "lib/x.py": ""})

    def home(*names: str, below: bool = True) -> SettingsHome:
        return find_settings_home(finder(tmp_path), [tmp_path / name for name in names], below=below)

    assert home("api").file == api
    assert home("api", "lib").file == api
    assert home(".").several == home("api", "web").several == (api, web)
    assert (home("lib").file, home("lib").folder) == (None, tmp_path)
    assert (home("api").root, home("api").prefix) == (tmp_path, "api")
    write(tmp_path, {"pyproject.toml": TABLE})
    assert home(".").file == tmp_path / "pyproject.toml"
    assert home(".").others == (api, web)


@pytest.mark.parametrize(
    ("text", "name", "misplaced"),
    [
        ("[pytest]\n[tool.fapo]\nsteps = x\n", "pytest.ini", True),
        ("[tool:fapo]\n", "setup.cfg", True),
        ("[tox]\n[fapo]\n", "tox.ini", True),
        ("[pytest]\naddopts = --fapo-timeout=3\n", "pytest.ini", False),
        ("[tool.fapo]\n", "pyproject.toml", False),
        ("[tool.pytest-fapo]\n", "pyproject.toml", True),
        ("[tool.pytest_fapo.scope]\n", "pyproject.toml", True),
        ('[tool."pytest-fapo"]\n', "pyproject.toml", True),
        ("[tool.pytest.fapo]\n", "pyproject.toml", True),
        ("[tool.pytest.ini_options]\naddopts = '-p fapo'\n", "pyproject.toml", False),
        ("[pytest]\n[fapo]\nsteps = []\n", "pytest.toml", True),
        ("[pytest.fapo]\n", ".pytest.toml", True),
        ("[pytest]\n[tool.fapo]\n", "pytest.toml", False),
        ("[tox]\n[testenv:fapo]\n", "tox.ini", False),
    ],
)
def test_settings_where_nobody_reads_them_are_told(
    tmp_path: Path, text: str, name: str, misplaced: bool
) -> None:
    """Also where pytest took its own settings from another file."""
    write(tmp_path, {name: text})
    for inipath in (tmp_path / name, tmp_path / "config" / "pytest.ini", None):
        assert misplaced_table(inipath, tmp_path) == (tmp_path / name if misplaced else None)


def test_paths_are_relative_to_the_folder_of_the_settings() -> None:
    given = {
        "scope": {"prompts": ["p/*.md", "./a.py::*_PROMPT"], "params": ["s.py::TOP_K = 1..20"]},
        "cache_files": ["answers.json"],
        "optimizer_prompts": "own",
    }
    settings = Settings.model_validate(given).under("packages/api")
    assert settings.scope.prompts == ["packages/api/p/*.md", "packages/api/a.py::*_PROMPT"]
    assert settings.scope.params == ["packages/api/s.py::TOP_K = 1..20"]
    assert settings.baseline == "packages/api/fapo-baseline.json"
    assert settings.snapshots == "packages/api/fapo-snapshots"
    assert settings.cache_files == ["packages/api/answers.json"]
    assert settings.optimizer_prompts == "packages/api/own"
    assert Settings.model_validate({"snapshots": ""}).under("x").snapshots == ""


# --- sessions -----------------------------------------------------------------------------------------


@pytest.fixture
def monorepo(pytester: pytest.Pytester) -> pytest.Pytester:
    """Two packages that call their pipeline's fixture by different names; settings stand in each only."""
    files = {"pytest.ini": "[pytest]\n"}
    for name in ("api", "web"):
        files[f"packages/{name}/pyproject.toml"] = f'''
            [tool.fapo]
            pipeline = "{name}_pipeline"
            repeats = {1 if name == "api" else 2}
            [tool.fapo.min_score]
            {name}_pipeline = 0.5
        '''
        files[f"packages/{name}/test_{name}.py"] = TEST.format(name=name, fixture=f"{name}_pipeline")
    write(pytester.path, files)
    return pytester


def test_each_package_goes_by_its_own_settings(monorepo: pytest.Pytester) -> None:
    result = monorepo.runpytest("-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*test_api[[]a[]]*", "*test_web[[]a[]]*", "*test_web[[]a~r2[]]*"])


@pytest.mark.parametrize(
    "command", ["--fapo-diagnose", "--fapo-optimize", "--fapo-gate", "--fapo-update-baseline"]
)
def test_a_command_that_several_would_have_to_hold_for_is_refused(
    monorepo: pytest.Pytester, command: str
) -> None:
    result = monorepo.runpytest(command)
    gate = command in ("--fapo-gate", "--fapo-update-baseline")
    assert result.ret == (11 if gate else 4)
    told = " ".join((result.stdout.str() + result.stderr.str()).split())
    for part in (
        "packages/api/pyproject.toml, packages/web/pyproject.toml",
        f"pytest packages/api {command}",
    ):
        assert part in told
    assert not list(monorepo.path.rglob("fapo-baseline.json"))
    assert not list(monorepo.path.rglob(".fapo"))


def test_one_packages_command_from_the_root(monorepo: pytest.Pytester) -> None:
    package = monorepo.path / "packages" / "api"
    assert monorepo.runpytest("packages/api", "--fapo-update-baseline").ret == 0
    written = json.loads((package / "fapo-baseline.json").read_text())
    assert list(written["pipelines"]) == ["api_pipeline"]
    assert (package / "fapo-snapshots").is_dir()
    assert (package / ".fapo").is_dir()
    assert not (monorepo.path / ".fapo").exists()
    assert monorepo.runpytest("packages/api", "--fapo-gate").ret == 0
    write(
        monorepo.path, {"packages/api/pyproject.toml": '[tool.fapo]\npipeline = "api_pipeline"\nsteps = 3\n'}
    )
    result = monorepo.runpytest("packages/api", "--fapo-gate")
    result.stderr.fnmatch_lines(["*packages/api/pyproject.toml: tool.fapo.steps: *"])


def test_commands_are_named_as_they_are_typed_where_pytest_was_started(
    monorepo: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = monorepo.path / "packages" / "api"
    failing = (package / "test_api.py").read_text().replace('"expected": "a"', '"expected": "b"')
    (package / "test_api.py").write_text(failing)

    def said(*arguments: str) -> str:
        return monorepo.runpytest(*arguments).stdout.str()

    def compared(*arguments: str) -> str:
        return said(*arguments, "--fapo-gate").partition("fapo: accuracy ")[2]

    update = "pytest packages/api --fapo-update-baseline"
    missing = compared("packages/api")
    assert "packages/api/fapo-baseline.json does not exist" in missing
    assert f"`{update}`" in missing
    assert "fapo: pytest packages/api --fapo-diagnose shows where" in said("packages/api")
    assert "pytest packages/api --fapo-optimize" in said("packages/api", "--fapo-diagnose")
    written = said("packages/api", "--fapo-update-baseline")
    assert "fapo: packages/api/fapo-baseline.json written" in written
    assert "snapshots: packages/api/fapo-snapshots/api_pipeline.md" in written
    assert "fell against packages/api/fapo-baseline.json" in compared("packages/api")

    monkeypatch.chdir(package)
    assert "fapo: pytest --fapo-diagnose shows where" in said()
    assert "fell against fapo-baseline.json" in compared()
    (package / "ci.ini").write_text("[pytest]\n")
    assert "fapo: pytest -c ci.ini --fapo-diagnose shows where" in said("-c", "ci.ini")


def test_settings_found_by_the_tests_that_are_selected(monorepo: pytest.Pytester) -> None:
    """With settings at the root too, a package's tests must not be judged by the root's."""
    write(monorepo.path, {"pyproject.toml": '[tool.fapo]\npipeline = "root_pipeline"\n'})
    write(monorepo.path, {"test_root.py": TEST.format(name="root", fixture="root_pipeline")})
    for command, code in (("--fapo-diagnose", 4), ("--fapo-gate", 11), ("--fapo-update-baseline", 11)):
        assert monorepo.runpytest(command).ret == code
    result = monorepo.runpytest("--fapo-diagnose")
    result.stderr.fnmatch_lines(["*packages/api/pyproject.toml*pytest packages/* --fapo-diagnose*"])
    monorepo.runpytest().assert_outcomes(passed=4)
    assert monorepo.runpytest("test_root.py", "--fapo-update-baseline").ret == 0
    assert (monorepo.path / "fapo-baseline.json").is_file()


def test_an_ini_file_elsewhere_leaves_the_settings_in_force(pytester: pytest.Pytester) -> None:
    write(
        pytester.path,
        {
            "config/pytest.ini": "[pytest]\n",
            "pyproject.toml": "[tool.fapo.min_score]\npipeline = 0.9\n",
            "test_it.py": TEST.format(name="it", fixture="pipeline").replace(
                '"expected": "a"', '"expected": "b"'
            ),
        },
    )
    assert pytester.runpytest("-c", "config/pytest.ini", "--fapo-update-baseline").ret == 0
    assert (pytester.path / "fapo-baseline.json").is_file()
    assert (pytester.path / ".fapo").is_dir()
    result = pytester.runpytest("-c", "config/pytest.ini", "--fapo-gate")
    assert result.ret == 10  # the floor of the settings
    result.stdout.fnmatch_lines(["*its floor is 90*"])


def test_settings_in_the_ini_file_are_an_error(pytester: pytest.Pytester) -> None:
    write(pytester.path, {"pytest.ini": "[pytest]\n[tool.fapo]\npipeline = x\n"})
    write(pytester.path, {"test_it.py": TEST.format(name="it", fixture="pipeline")})
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(["*pytest.ini: settings of pytest-fapo are read from pyproject.toml only*"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code"), [("--fapo-diagnose", 4), ("--fapo-optimize", 4), ("--fapo-update-baseline", 11)]
)
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_settings_that_only_collecting_shows_are_told_once(
    pytester: pytest.Pytester, command: str, code: int, workers: tuple[str, ...]
) -> None:
    """A folder that is searched by pytest's setting alone has settings of its own."""
    if workers:
        pytest.importorskip("xdist")
    write(
        pytester.path,
        {
            "pytest.ini": "[pytest]\nnorecursedirs = none\n",
            "pyproject.toml": """
                [tool.fapo]
                pipeline = "root_pipeline"
                optimizer = ["playbook"]
                [tool.fapo.scope]
                prompts = ["*.md"]
            """,
            "prompt.md": "Say it loud.\n",
            "test_root.py": TEST.format(name="root", fixture="root_pipeline"),
            "build/pyproject.toml": '[tool.fapo]\npipeline = "build_pipeline"\n',
            "build/test_build.py": TEST.format(name="build", fixture="build_pipeline"),
        },
    )
    result = pytester.runpytest_subprocess(command, *workers)
    assert result.ret == code
    told = " ".join((result.stdout.str() + result.stderr.str()).split())
    assert told.count(f"{command} works with one [tool.fapo], and the tests have several: ") == 1
    assert f"name one project's tests: pytest build {command}" in told
    result.assert_outcomes()
    assert not (pytester.path / "fapo-baseline.json").exists()
