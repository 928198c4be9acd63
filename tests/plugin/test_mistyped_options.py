"""A slip of the pen in an option, a setting, a file or a table is found out, with what was meant."""

from __future__ import annotations

import pytest

from pytest_fapo.cli.command_line import main


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--fapo-optimise", "--fapo-optimize"),
        ("--fappo-gate", "--fapo-gate"),
        ("--fapo-buget=2", "--fapo-budget"),
        ("--fapooptimize", "--fapo-optimize"),
    ],
)
def test_a_mistyped_option(pytester: pytest.Pytester, given: str, meant: str) -> None:
    done = pytester.runpytest_subprocess(given)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert f"no such option: {given.partition('=')[0]}; did you mean {meant}?" in done.stderr.str()


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["inti"], "'init'"),
        (["cache", "exprot"], "'export'"),
        (["init", "--pipline", "app:answer"], "'--pipeline'"),
    ],
)
def test_a_mistyped_command(words: list[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert f"did you mean {meant}?" in capsys.readouterr().err


SETTINGS = """\
[tool.pytest.ini_options]
pythonpath = ["."]
[tool.fapo]
steps = ["app.bot:answer"]
[tool.fapo.scope]
prompts = ["app/bot.py::PROMPT"]
"""


@pytest.mark.parametrize(
    ("right", "wrong", "option", "meant"),
    [
        ("steps = ", "step = ", "-q", "tool.fapo.step: no such setting; did you mean 'steps'?"),
        ("prompts = ", "promts = ", "-q", "tool.fapo.scope.promts: no such setting; did you mean 'prompts'?"),
        ("fapo.scope", "fapo.scop", "-q", "tool.fapo.scop: no such setting; did you mean 'scope'?"),
        ("tool.fapo", "tool.fappo", "-q", "[tool.fappo] is not read; did you mean [tool.fapo]?"),
        ("tool.fapo", "fapo", "-q", "[fapo] is not read; did you mean [tool.fapo]?"),
        ("tool.fapo", "tool.pytest-fapo", "-q", "[tool.pytest-fapo] is not read; did you mean [tool.fapo]?"),
        ("bot:answer", "bot:anser", "-q", "app.bot has no such function; did you mean 'answer'?"),
        ("app.bot:answer", "app.bto:answer", "-q", "there is no module app.bto; did you mean 'app.bot'?"),
        ("::PROMPT", "::PROMTP", "--fapo-optimize", "in app/bot.py; did you mean 'PROMPT'?"),
        ("app/bot.py", "app/bto.py", "--fapo-optimize", "matches nothing; did you mean 'app/bot.py'"),
        ("[tool.fapo]", "[tool.fapo]\npipeline = 'pipelin'", "-q", "'pipelin'; did you mean 'pipeline'?"),
        ("cases.jsonl", "case.jsonl", "-q", "no such case file in .; did you mean 'cases.jsonl'?"),
        ("cases.jsonl'", "cases.jsonl', inputs='inptus'", "-q", "did you mean 'inputs'?"),
        ('"expected"', '"expeced"', "-q", "unknown field 'expeced'; did you mean 'expected'?"),
        ("", "", "--fapo-cache-file=case.jsonl", "does not exist (relative to"),
        ("", "", "--fapo-cache-file=case.jsonl", "; did you mean 'cases.jsonl'?"),
    ],
)
def test_a_mistyped_setting_or_file(
    pytester: pytest.Pytester, right: str, wrong: str, option: str, meant: str
) -> None:
    files = {
        "pyproject.toml": SETTINGS,
        "app/__init__.py": "",
        "app/bot.py": "PROMPT = 'Sort.'\ndef answer(text): return text\n",
        "cases.jsonl": '{"id": "a", "inputs": {"text": "x"}, "expected": "y", "split": "train"}\n',
        "conftest.py": "import pytest\nfrom app.bot import answer\n"
        "@pytest.fixture(scope='session')\ndef pipeline(): return answer\n",
        "test_it.py": "import pytest_fapo as fapo\n@fapo.cases('cases.jsonl')\n"
        "def test_it(case, run): assert run.output == case.expected\n",
    }
    assert any(right in text for text in files.values())
    for name, text in files.items():
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace(right, wrong) if right else text, encoding="utf-8")
    done = pytester.runpytest_inprocess(option, "-p", "no:cacheprovider")
    assert done.ret != pytest.ExitCode.OK
    assert meant in done.stdout.str() + done.stderr.str()
