"""The user's arguments that a child receives."""

from __future__ import annotations

import pytest
from support.shadow_project import all_passed

from pytest_fapo.shadow.child_arguments import child_args
from pytest_fapo.shadow.evaluation_request import EvaluationRequest
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree

pytest_plugins = ["pytester"]

ALWAYS = ["-o", "cache_dir=.pytest_cache"]


def arguments(pytester: pytest.Pytester, *given: str, selected: bool = False) -> list[str]:
    """`child_args` of a session started with these, without what every child is given."""
    kept = child_args(pytester.parseconfig(*given), selected=selected)
    assert kept[-2:] == ALWAYS or ALWAYS[1] in kept
    return kept


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    for name in ("tests/test_a.py", "tests/sub/test_b.py", "other/test_c.py"):
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def test_it(): pass\n")
    return pytester


@pytest.mark.parametrize(
    "given",
    [
        ["tests/test_a.py::test_it"],
        ["tests", "other/"],
        ["-k", "a and b"],
        ["-kword"],
        ["-m", "not slow"],
        ["-m=slow"],
        ["-x"],
        ["--maxfail=3"],
        ["--maxfail", "3"],
        ["--lf", "--ff", "--sw"],
        ["--last-failed-no-failures", "none"],
        ["--pdb"],
        ["--pdbcls=a:b"],
        ["--junitxml=out.xml"],
        ["--junit-xml", "out.xml"],
        ["--rootdir=."],
        ["--cache-clear"],
        ["-s"],
        ["--durations=10"],
        ["--color=no", "-x", "tests"],
    ],
)
def test_selections_stops_and_reports_are_dropped(suite: pytest.Pytester, given: list[str]) -> None:
    kept = arguments(suite, *given)
    assert [argument for argument in kept if argument not in ALWAYS] == [
        argument for argument in given if argument == "--color=no"
    ]


@pytest.mark.usefixtures("plugins")
def test_own_options_are_dropped_with_their_values(suite: pytest.Pytester) -> None:
    suite.makeconftest("")
    given = ["--fapo-optimize", "--fapo-max-calls", "5", "--fapo-cache=only", "--fapo-budget=1"]
    if not suite.parseconfig().pluginmanager.hasplugin("fapo"):
        pytest.skip("the plugin is not installed in this environment")
    assert arguments(suite, *given) == ALWAYS


@pytest.mark.usefixtures("plugins")
def test_how_cases_run_is_handed_on(suite: pytest.Pytester) -> None:
    if not suite.parseconfig().pluginmanager.hasplugin("fapo"):
        pytest.skip("the plugin is not installed in this environment")
    given = ["--fapo-concurrency", "2", "--fapo-timeout=30s", "--fapo-repeats=3", "--fapo-write=patch"]
    assert arguments(suite, *given) == [
        "--fapo-concurrency=2",
        "--fapo-timeout=30s",
        "--fapo-repeats=3",
        *ALWAYS,
    ]


@pytest.mark.usefixtures("plugins")
def test_xdist_is_dropped(suite: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    assert arguments(suite, "-n", "2", "--dist", "loadfile") == ALWAYS
    assert arguments(suite, "-n2", "--dist=load") == ALWAYS


@pytest.mark.parametrize(
    "given",
    [
        ["-v"],
        ["-q"],
        ["-p", "no:doctest"],
        ["-W", "error"],
        ["--tb=short"],
        ["--import-mode=importlib"],
        ["--ignore=other"],
        ["--deselect", "tests/test_a.py::test_it"],
        ["-o", "xfail_strict=true"],
        ["--strict-markers"],
    ],
)
def test_other_options_stay(suite: pytest.Pytester, given: list[str]) -> None:
    assert arguments(suite, *given, "tests/test_a.py") in ([*given, *ALWAYS], ["=".join(given), *ALWAYS])


def test_a_selection_can_be_kept(suite: pytest.Pytester) -> None:
    given = ["-k", "it", "-m", "not slow", "tests", "-x"]
    assert arguments(suite, *given, selected=True) == ["-k", "it", "-m", "not slow", "tests", *ALWAYS]


def test_what_follows_two_dashes_are_paths(suite: pytest.Pytester) -> None:
    assert arguments(suite, "-v", "--", "tests") == ["-v", *ALWAYS]


def test_arguments_from_a_file_are_looked_into(suite: pytest.Pytester) -> None:
    (suite.path / "args.txt").write_text("-v\n-k\nit\ntests\n")
    assert arguments(suite, "@args.txt") == ["-v", *ALWAYS]


def test_the_configuration_file_goes_along(suite: pytest.Pytester) -> None:
    suite.makefile(".ini", pytest="[pytest]\ntestpaths = tests\n", other="[pytest]\n")
    assert arguments(suite) == ["-c", str(suite.path / "pytest.ini"), *ALWAYS]
    kept = arguments(suite, "-c", "other.ini")
    assert kept == ["-c", str(suite.path / "other.ini"), *ALWAYS]


def test_glued_options_are_taken_apart(suite: pytest.Pytester) -> None:
    assert arguments(suite, "-pno:doctest", "-xvkit", "-vxk", "it") == [
        "-p",
        "no:doctest",
        "-v",
        "-v",
        *ALWAYS,
    ]


def test_from_another_folder_the_whole_suite_is_named(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makefile(".ini", pytest="[pytest]\ntestpaths = tests oth*\n")
    ini = str(suite.path / "pytest.ini")
    monkeypatch.chdir(suite.path / "tests" / "sub")
    assert arguments(suite, "test_b.py") == [
        *("-c", ini, *ALWAYS, str(suite.path / "tests"), str(suite.path / "other")),
    ]


def test_without_the_cache_plugin_its_option_is_not_set(suite: pytest.Pytester) -> None:
    config = suite.parseconfig("-p", "no:cacheprovider")
    assert child_args(config) == ["-p", "no:cacheprovider"]


@pytest.mark.usefixtures("plugins")
def test_a_child_runs_what_the_arguments_say(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    suite.makefile(".ini", pytest="[pytest]\ntestpaths = tests\naddopts = --strict-config -ra\n")
    monkeypatch.chdir(suite.path / "tests" / "sub")
    config = suite.parseconfig("-k", "nothing", "test_b.py", "--lf")
    with ShadowTree.create(config.rootpath) as shadow:
        evaluation = evaluate(shadow, EvaluationRequest(args=child_args(config), cwd="tests/sub"))
    assert all_passed(evaluation)
    assert sorted(evaluation.items) == ["tests/sub/test_b.py::test_it", "tests/test_a.py::test_it"]


def test_plugins_that_shuffle_use_the_sessions_seed(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        """
        def pytest_addoption(parser):
            parser.addoption("--randomly-seed", dest="randomly_seed", type=int)
        def pytest_configure(config):
            config.option.randomly_seed = 1234
        """
    )
    config = suite.parseconfigure("-v")
    assert child_args(config) == ["-v", "--randomly-seed=1234", *ALWAYS]
