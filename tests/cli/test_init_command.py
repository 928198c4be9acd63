"""`fapo init`: what it writes fits into the project that is there, and runs with `pytest` at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from support.cli_projects import (
    ASK,
    CLASS_PROJECT,
    FILES_PROJECT,
    SCRIPT_PROJECT,
    SRC_PROJECT,
    Folder,
)

from pytest_fapo.core.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


INI = "[tool.pytest.ini_options]\n"


def settings(folder: Folder) -> Settings:
    return Settings.model_validate(tomllib.loads(folder.read("pyproject.toml"))["tool"]["fapo"])


PROJECTS: dict[str, tuple[Mapping[str, str], list[str], str, int, list[str]]] = {
    # files, steps, a line of the fixture, tests that pass, prompts
    "a flat package": (
        FILES_PROJECT,
        ["desk.pipeline:*"],
        "from desk.pipeline import handle",
        4,
        ["desk/prompts/reply.md", "desk/prompts/triage.md"],
    ),
    "an async pipeline in src": (
        SRC_PROJECT,
        ["triagebot.core:*"],
        '/ "src"))\n    from triagebot.core import',
        3,
        ["src/triagebot/texts.py::CLASSIFY_PROMPT", "src/triagebot/texts.py::SUMMARY_PROMPT"],
    ),
    "a method and pytest.ini": (
        CLASS_PROJECT,
        ["helper.bot:Bot.*"],
        "return Bot().answer",
        4,
        ["helper/bot.py::SYSTEM"],
    ),
    "a script": (SCRIPT_PROJECT, ["bot:*"], "from bot import classify", 3, ["bot.py::classify{text}"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROJECTS)
def test_what_it_writes_runs_at_once(folder: Folder, name: str) -> None:
    files, steps, line, passing, prompts = PROJECTS[name]
    folder.write(files)
    folder.checked = True
    before = folder.files()
    said = folder.fapo("init", "--yes")
    assert said.code == 0, said.err
    assert "does not take" not in said.out
    assert settings(folder).steps == steps
    assert sorted(settings(folder).scope.prompts) == prompts
    assert all(prompt in said.out for prompt in prompts)
    assert line in folder.read("conftest.py")
    after = folder.files()
    for path, content in before.items():
        assert after[path].startswith(content), path
    ran = folder.bare_pytest("-q")
    assert ran.code == 0, ran.out
    assert f"{passing} passed" in ran.out
    assert folder.fapo("init", "--yes").code == 1
    assert folder.files() == after


def test_without_a_pipeline_it_says_how_to_name_one(folder: Folder) -> None:
    folder.write({"README.md": "# Nothing yet\n"})
    said = folder.fapo("init", "--yes")
    assert said.code == 1
    assert "name what the cases run through: fapo init --pipeline" in said.err
    assert list(folder.files()) == ["README.md"]


BARE_TEXT = """
    import httpx
    from shapes import shaped

    URL = "http://models.invalid/v1/chat/completions"


    def sort_mail(mail):
        messages = [{"role": "user", "content": f"Sort this mail into one of our two teams: {mail}"}]
        answer = httpx.post(URL, json={"model": "m", "messages": messages}).json()
        return shaped(answer["choices"][0]["message"]["content"])
"""
"""Its code does not show the form of its output."""

MAILS = "id,mail,team\n" + "".join(f"{n},mail {n},billing\n" for n in range(14))


@pytest.mark.slow
def test_a_test_that_no_answer_could_pass_is_corrected_after_the_first_run(folder: Folder) -> None:
    shapes = """
        class Text(str):
            "As LangChain gives texts: a class of its own."


        shaped = lambda text: dict(team=Text(text), why="because")
    """
    folder.write({"bot.py": BARE_TEXT, "shapes.py": shapes, "data/mails.csv": MAILS})
    folder.checked = True
    said = folder.fapo("init", "--yes")
    assert said.code == 0, said.err
    assert "test_sort_mail could never pass: run.output has the keys team, why. It now reads:" in said.out
    assert '    assert run.output["team"] == case.expected' in said.out
    assert '\n    assert run.output["team"] == case.expected\n' in folder.read(
        "tests/test_sort_mail_cases.py"
    )
    assert settings(folder).scope.prompts == ["bot.py::sort_mail.messages[0].content"]


@pytest.mark.slow
def test_with_a_model_the_first_cases_of_each_test_are_run_and_counted(folder: Folder) -> None:
    shapes = """
        import itertools

        import httpx

        KEY, numbers = "HOUSE_API_KEY", itertools.count()
        message = {"choices": [{"message": {"content": "delivery"}}]}
        httpx.post = lambda url, json: httpx.Response(200, json=message)


        def shaped(text):
            return "billing" if next(numbers) < 4 else text
    """
    folder.write({"bot.py": BARE_TEXT, "shapes.py": shapes, "data/mails.csv": MAILS})
    folder.env["HOUSE_API_KEY"] = "1"
    folder.checked = True
    said = folder.fapo("init", typed="y\n")
    assert said.code == 0, said.err
    assert "run the first 10 cases of each test (this asks your model)?" in said.out
    assert "4 of the first 10 pass" in said.out
    assert (
        "pytest --fapo-estimate                   shows what the next command would cost; sends nothing"
        in said.out
    )
    assert "14 cases are too few to tell a change from luck; label about 30" in said.out


def test_settings_that_are_there_stay_as_they_are(folder: Folder) -> None:
    folder.write(FILES_PROJECT)
    before = folder.read("pyproject.toml")
    assert folder.fapo("init", "--yes").code == 0
    now = folder.read("pyproject.toml")
    assert now.startswith(before.rstrip() + "\n\n[tool.fapo]\n")
    document = tomllib.loads(now)
    del document["tool"]["fapo"]
    assert document == tomllib.loads(before)


def test_line_ends_of_windows_stay(folder: Folder) -> None:
    folder.write({**FILES_PROJECT, "conftest.py": "import pytest\n"})
    for name in ("pyproject.toml", "conftest.py"):
        path = folder.root / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert folder.fapo("init", "--yes").code == 0
    for name in ("pyproject.toml", "conftest.py"):
        content = (folder.root / name).read_bytes()
        assert content.count(b"\n") == content.count(b"\r\n")
    assert settings(folder).steps == ["desk.pipeline:*"]


def test_a_dry_run_shows_and_writes_nothing(folder: Folder) -> None:
    folder.write(FILES_PROJECT)
    before = folder.files()
    said = folder.fapo("init", "--dry-run")
    assert said.code == 0
    assert "+[tool.fapo]" in said.out
    assert "+    from desk.pipeline import handle" in said.out
    assert folder.files() == before
    assert not (folder.root / ".fapo").exists()


def test_it_shows_what_it_would_write_and_asks(folder: Folder) -> None:
    folder.write(FILES_PROJECT)
    before = folder.files()
    said = folder.fapo("init", typed="n\n")
    assert said.code == 1
    assert "pipeline    desk.pipeline:handle (desk/pipeline.py:" in said.out
    assert (
        "also        desk.pipeline:reply, desk.pipeline:triage and desk.llm:ask; --pipeline takes" in said.out
    )
    assert "Nothing was written." in said.out
    assert folder.files() == before
    said = folder.fapo("init", "--pipeline", "desk.pipeline:triage", typed="y\n")
    assert said.code == 0
    assert "return triage" in folder.read("conftest.py")
    assert settings(folder).steps == ["desk.pipeline:*"]


def test_nobody_to_answer_is_no_answer(folder: Folder) -> None:
    folder.write(FILES_PROJECT)
    before = folder.files()
    said = folder.fapo("init")
    assert said.code == 1
    assert "`fapo init --yes` asks nothing" in said.err
    assert folder.files() == before


def test_a_pipeline_can_be_named(folder: Folder) -> None:
    folder.write(FILES_PROJECT)
    said = folder.fapo("init", "--yes", "--pipeline", "desk.pipeline:handel")
    assert said.code == 1
    assert "did you mean desk.pipeline:handle" in said.err
    said = folder.fapo("init", "--yes", "--pipeline", "desk.llm:ask")
    assert said.code == 0
    assert "return ask" in folder.read("conftest.py")
    rows = [json.loads(line) for line in folder.read("tests/cases/ask.jsonl").splitlines()]
    assert [sorted(row["inputs"]) for row in rows] == [["system", "user"]] * 3
    assert [row["split"] for row in rows] == ["train", "val", "holdout"]


def test_labeled_rows_of_the_project_become_its_cases(folder: Folder) -> None:
    folder.write(CLASS_PROJECT)
    rows = "".join(f"How is number {number}?,placeholder,x\n" for number in range(8))
    folder.write({"data/faq.csv": f"question,answer,notes\n{rows}"})
    said = folder.fapo("init", "--yes")
    assert said.code == 0
    assert "data/faq.csv, 8 labeled rows" in said.out
    test = folder.read("test/test_bot_answer_cases.py")
    assert '@fapo.cases("data/faq.csv", inputs={"text": "question"}, expected="answer")' in test
    assert not (folder.root / "test" / "cases").exists()
    assert "9 passed" in folder.pytest("-q").out


def test_every_case_file_gets_a_test_and_a_right_answer_passes(folder: Folder) -> None:
    folder.write(FILES_PROJECT)
    rows = "".join(f"{number},Where is parcel {number}?,placeholder\n" for number in range(8))
    fields = [
        {"id": f"f{n}", "inputs": {"ticket": f"n {n}"}, "expected": {"reply": "other"}} for n in range(8)
    ]
    folder.write({"data/tickets.csv": f"id,ticket,team\n{rows}"})
    folder.write({"data/fields.jsonl": "".join(json.dumps(row) + "\n" for row in fields)})
    folder.write({"evals/cases.csv": "a,b,c,d\n1,2,3,4\n5,6,7,8\n9,9,9,9\n"})
    said = folder.fapo("init", "--yes")
    assert said.code == 0
    assert "data/fields.jsonl, 8 labeled rows; data/tickets.csv, 8 labeled rows" in said.out
    assert "Not used as cases: evals/cases.csv: none of its columns (a, b, c, d) is known to be" in said.out
    assert "2 tests of 16 cases" in said.out
    assert "16 cases are too few to tell a change from luck; label about 30" in said.out
    ran = folder.pytest("-q", "tests/test_handle_cases.py")
    assert "8 failed, 8 passed" in ran.out
    assert "AssertionError: assert 'placeholder' == 'other'" in ran.out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("pyproject.toml", "[tool\n", "pyproject.toml: not valid TOML"),
        (
            "pyproject.toml",
            "tool = { x = 1 }\n",
            "these lines could not be added; add them yourself:\n\n[tool.",
        ),
        (
            "conftest.py",
            "def broken(:\n",
            "not valid Python in UTF-8; add the fixture yourself:\n\n@pytest.fixture",
        ),
    ],
)
def test_a_broken_file_is_named_and_nothing_is_written(
    folder: Folder, name: str, content: str, words: str
) -> None:
    folder.write({**SCRIPT_PROJECT, name: content})
    before = folder.files()
    said = folder.fapo("init", "--yes")
    assert said.code == 1
    assert words in said.err
    assert folder.files() == before


@pytest.mark.slow
def test_an_app_that_cannot_be_imported_fails_its_cases_only(folder: Folder) -> None:
    folder.write({**FILES_PROJECT, "desk/llm.py": f"import nosuchmodule\n{ASK}"})
    folder.checked = True
    said = folder.fapo("init", "--yes")
    assert said.code == 0
    assert "install pytest-fapo beside your project's packages" in said.out
    assert f"{sys.executable} has no nosuchmodule" in said.out.replace("\n" + " " * 14, "")
    ran = folder.bare_pytest("-q")
    assert "1 passed, 3 errors" in ran.out
    assert "nosuchmodule" in ran.out


@pytest.mark.parametrize(
    "how",
    [
        {"environment": {"OPENAI_API_KEY": "sk-1"}},
        {"environment": {"OPENAI_BASE_URL": "http://gateway.example/v1"}},
        {
            "environment": {"HOUSE_API_KEY": "1"},
            "desk/llm.py": ASK + "\nKEY = os.environ.get('HOUSE_API_KEY')\n",
        },
        {".env": "# keys\nexport ANTHROPIC_API_KEY=sk-1\n"},
        {"desk/llm.py": ASK.replace("http://models.invalid", "http://localhost:11434")},
    ],
    ids=["key", "gateway", "key of its own", ".env", "local server"],
)
def test_where_a_model_can_be_asked_no_placeholder_answers(folder: Folder, how: dict[str, Any]) -> None:
    folder.env.update(how.get("environment", {}))
    folder.write({**FILES_PROJECT, **{name: text for name, text in how.items() if name != "environment"}})
    said = folder.fapo("init", "--yes")
    assert said.code == 0
    assert "runs all cases" in said.out
    assert settings(folder).offline is None


def test_a_key_that_only_the_code_names_ends_the_placeholder(folder: Folder) -> None:
    code = ASK + "\nKEY = os.environ.get('HOUSE_API_KEY')\n"
    folder.write({**FILES_PROJECT, "desk/llm.py": code, ".env": "HOUSE_API_KEY=\nOPENAI_API_KEY=  # none\n"})
    assert folder.fapo("init", "--yes").code == 0
    offline = settings(folder).offline
    assert offline is not None
    assert offline.unless_env == ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HOUSE_API_KEY"]


@pytest.mark.parametrize(
    ("files", "tests"),
    [
        ({}, "tests"),
        ({"test/x.py": ""}, "test"),
        ({"pyproject.toml": "[project]\nname='x'\n"}, "tests"),
        ({"pyproject.toml": f'{INI}testpaths = ["spec"]\n', "tests/x.py": ""}, "spec"),
        ({"pyproject.toml": f'{INI}testpaths = [\n  "spec",\n]\naddopts = "-q"\n', "tests/x.py": ""}, "spec"),
        ({"pyproject.toml": f'{INI}testpaths = "p/*/t"\n', "p/b/t/x.py": "", "p/a/t/x.py": ""}, "p/a/t"),
        ({"pyproject.toml": f'{INI}testpaths = [".", "src"]\n', "tests/x.py": ""}, "tests"),
        ({"pytest.ini": "[pytest]\ntestpaths = a b\n", "b/x.py": ""}, "b"),
        ({"tox.ini": "[pytest]\ntestpaths =\n    a\n    b\naddopts = -q\n", "b/x.py": ""}, "b"),
        ({"setup.cfg": "[tool:pytest]\ntestpaths = checks\n"}, "checks"),
        ({"pyproject.toml": f'{INI}testpaths = ["../other"]\n'}, "tests"),
    ],
)
def test_the_test_goes_where_pytest_looks(folder: Folder, files: Mapping[str, str], tests: str) -> None:
    folder.write({**SCRIPT_PROJECT, **files})
    assert folder.fapo("init", "--yes").code == 0
    assert f"{tests}/test_classify_cases.py" in folder.files()


@pytest.mark.slow
def test_tests_that_pytest_imports_by_path_find_the_code(folder: Folder) -> None:
    folder.write({**SCRIPT_PROJECT, "pytest.ini": "[pytest]\naddopts = --import-mode=importlib\n"})
    assert folder.fapo("init", "--yes").code == 0
    assert "3 passed" in folder.bare_pytest("-q").out


def test_a_folder_that_pytest_puts_on_the_path_is_not_added_again(folder: Folder) -> None:
    folder.write({**SRC_PROJECT, "pyproject.toml": f'{INI}pythonpath = ["src"]\n'})
    assert folder.fapo("init", "--yes").code == 0
    assert "sys.path" not in folder.read("conftest.py")


def test_a_fixture_that_would_hide_ours_is_told(folder: Folder) -> None:
    hiding = "import pytest\n\n\n@pytest.fixture\ndef run():\n    return 1\n"
    folder.write({**SCRIPT_PROJECT, "conftest.py": hiding})
    said = folder.fapo("init", "--yes")
    assert "The fixture 'run' of a conftest.py hides the one of pytest-fapo" in said.out


def test_from_a_folder_below_it_sets_up_the_project(folder: Folder) -> None:
    folder.write(FILES_PROJECT)
    assert folder.fapo("init", "--yes", cwd="desk/prompts").code == 0
    assert settings(folder).pipeline == "pipeline"
    assert not (folder.root / "desk" / "prompts" / "pyproject.toml").exists()


@pytest.mark.slow
def test_pytests_settings_above_do_not_take_the_project_over(folder: Folder) -> None:
    (folder.root.parent / "pytest.ini").write_text("[pytest]\n")
    folder.write({**SCRIPT_PROJECT, "setup.py": ""})
    assert folder.fapo("init", "--yes").code == 0
    assert "3 passed" in folder.bare_pytest().out


def test_a_test_that_pytest_does_not_take_is_shown_with_pytests_words(folder: Folder) -> None:
    folder.write({**SCRIPT_PROJECT, "tests/conftest.py": "raise RuntimeError('no database here')\n"})
    folder.checked = True
    said = folder.fapo("init", "--yes")
    assert said.code == 0
    assert "pytest does not take tests/test_classify_cases.py yet:" in said.out
    assert "no database here" in said.out
