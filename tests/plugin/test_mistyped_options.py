"""A slip of the pen in an option or in the name of the settings' table is found out, with what was meant."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--fapo-optimise", "--fapo-optimize"),
        ("--fappo-gate", "--fapo-gate"),
        ("--fapo-buget=2", "--fapo-budget"),
    ],
)
def test_a_mistyped_option(pytester: pytest.Pytester, given: str, meant: str) -> None:
    done = pytester.runpytest_subprocess(given)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert f"no such option: {given.partition('=')[0]}; did you mean {meant}?" in done.stderr.str()


def test_a_mistyped_table(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.fappo]\nsteps = ["app:*"]\n[tool.black]\nline-length = 90\n')
    pytester.makepyfile(
        "import pytest_fapo as fapo\n@fapo.cases([{'id': 'a', 'inputs': {}}], split='train')\n"
        "def test_a(case): pass\n"
    )
    text = pytester.runpytest_subprocess().stdout.str()
    assert "[tool.fappo] is not read; did you mean [tool.fapo]?" in text
