"""Start-up is sacred: what the plugin does not do where nobody asked for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"openai", "anthropic", "pydantic", "rich", "diskcache", "httpx", "httpx2", "genai_prices"}


def test_nothing_heavy_is_imported_without_marked_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_plain(): assert True")
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pytest", "--collect-only", "-q"],
        cwd=pytester.path,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines() if "|" in line}
    assert "pytest_fapo.options" in imported  # the plugin itself is loaded by a way that is not listed
    assert not {name.split(".")[0] for name in imported} & HEAVY


def test_nothing_is_printed_or_written_without_marked_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_plain(): assert True")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    assert "fapo" not in result.stdout.str().replace("pytest-fapo", "").replace("plugins: fapo", "").replace(
        "fapo-0.1.0", ""
    )
    assert not (pytester.path / ".fapo").exists()


def test_marking_a_test_imports_no_sdk(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys
        import pytest
        import pytest_fapo as fapo
        @pytest.fixture
        def pipeline():
            return str
        @fapo.cases([{"id": s, "inputs": s, "split": s} for s in ("train", "val", "holdout")])
        def test_it(case, run):
            assert run.output == case.id
            assert not {"openai", "anthropic", "httpx", "rich"} & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


def test_asserts_in_our_own_modules_are_not_rewritten(pytester: pytest.Pytester) -> None:
    """As pytest would do with those of any plugin installed from a wheel, at each start if it must."""
    pytester.makeconftest(
        "import pytest; pytest.register_assert_rewrite('pytest_fapo.session.execution', 'theirs')"
    )
    pytester.makepyfile(
        theirs="",
        test_loaders="""
        import pytest_fapo.session.execution, theirs
        def test_loaders():
            assert type(pytest_fapo.session.execution.__loader__).__name__ == "SourceFileLoader"
            assert type(theirs.__loader__).__name__ == "AssertionRewritingHook"
        """,
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fapo-cache=sometimes"], "*--fapo-cache*'auto', 'refresh', 'only', 'off'*"),
        (["--fapo-budget=-3"], "*--fapo-budget*expected an amount in USD such as 2.50*"),
        (["--fapo-time-limit=soon"], "*--fapo-time-limit*expected a time such as 90, 90s, 10m or 1h*"),
        (["--fapo-target=2"], "*--fapo-target*expected a share such as 0.9 or 90%*"),
        (["--fapo-concurrency=0"], "*--fapo-concurrency*at least 1*"),
    ],
)
def test_bad_options_are_usage_errors(pytester: pytest.Pytester, arguments: list[str], words: str) -> None:
    pytester.makepyfile("def test_plain(): assert True")
    result = pytester.runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([words])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("optimiser = ['playbook']", "*tool.fapo.optimiser: no such setting; did you mean 'optimizer'?*"),
        ("optimizer = ['gpt-5']", "*tool.fapo.optimizer: 'gpt-5' is none of 'playbook', 'openai:<model>'*"),
        ("steps = ['app']", "*tool.fapo.steps: 'app' is not of the form 'package.module:function'*"),
        ("scope = {prompts = ['../x.md']}", "*tool.fapo.scope.prompts: '../x.md' leaves the project*"),
        ("concurrency = 0", "*tool.fapo.concurrency: *greater than or equal to 1*"),
    ],
)
def test_bad_settings_name_the_key(pytester: pytest.Pytester, toml: str, words: str) -> None:
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n[tool.fapo]\n{toml}\n")
    pytester.makepyfile(
        """
        import pytest_fapo as fapo
        @fapo.cases([1])
        def test_it(run): assert run
        """
    )
    for arguments in ([], ["--fapo-diagnose"]):
        result = pytester.runpytest_subprocess(*arguments)
        assert result.ret in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERRUPTED)
        stream = result.stderr if arguments else result.stdout
        stream.fnmatch_lines([words])
        assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_optimizing_without_a_scope_says_what_to_write(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\n[tool.fapo]\n")
    pytester.makepyfile("def test_plain(): assert True")
    result = pytester.runpytest_subprocess("--fapo-optimize")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*[[]tool.fapo.scope[]] is empty*"])


def test_a_policy_without_its_target_is_found_before_the_first_test(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", pyproject='[tool.fapo.scope]\nprompts = ["p.md"]\n')
    pytester.makefile(".md", p="Sort.")
    pytester.makepyfile("def test_plain(): assert False")
    result = pytester.runpytest_subprocess("--fapo-optimize", "--fapo-policy=target")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*the policy 'target' needs a target: give --fapo-target=0.9*"])
    assert "1 failed" not in result.stdout.str()


def test_bad_cases_are_one_line_at_collection(pytester: pytest.Pytester) -> None:
    (pytester.path / "cases.jsonl").write_text('{"id": "a", "inputs": 1}\n{"id": "a", "inputs": 2}\n')
    pytester.makepyfile(
        """
        import pytest_fapo as fapo
        @fapo.cases("cases.jsonl")
        def test_it(run): assert run
        @fapo.cases("cases.jsonl")
        def test_other(): assert True
        """
    )
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*cases.jsonl:2: duplicate id 'a', first used at cases.jsonl:1"])
    assert "Traceback" not in result.stdout.str()
    assert "site-packages" not in result.stdout.str()
