"""A stand-in model answers without a key, however pytest and the project are configured."""

from __future__ import annotations

import pytest

FILES = {
    "app": """
        from openai import OpenAI
        client = OpenAI()  # at import, as many applications do
        def answer(text):
            found = client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
            return found.choices[0].message.content
    """,
    "stand_in": "def reply(request): return 'yes'",
    "conftest": """
        import pytest, app
        @pytest.fixture
        def pipeline(): return app.answer
    """,
    "test_it": """
        import pytest_fapo as fapo
        @fapo.cases([{"id": "a", "inputs": "hello", "expected": "yes"}], split="train")
        def test_answer(case, run): assert run.output == case.expected
    """,
}


INLINE = '[tool.fapo]\noffline = { model = "stand_in:reply" }\n'
TABLE = '[tool.fapo.offline]\nmodel = "stand_in:reply"\n'


@pytest.mark.slow
@pytest.mark.parametrize(("key", "ini", "table"), [(None, True, TABLE), ("", False, INLINE)])
def test_clients_can_be_made_at_import(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, key: str | None, ini: bool, table: str
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        if key is not None:
            monkeypatch.setenv(name, key)
    pytester.makepyfile(**FILES)
    if ini:
        pytester.makeini("[pytest]\npythonpath = .\n")
        pytester.makepyprojecttoml(table)
    else:
        pytester.makepyprojecttoml('[tool.pytest.ini_options]\npythonpath = ["."]\n' + table)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
