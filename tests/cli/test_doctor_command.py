"""`fapo doctor`: what would stand in the way of a run, and nothing else, is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_fapo.cli.command_line import main

GOOD = '[tool.fapo]\noptimizer = ["playbook"]\n[tool.fapo.scope]\nprompts = ["p.md"]\n'

Checks = Callable[[], tuple[int, dict[str, list[tuple[str, str]]]]]


@pytest.fixture
def checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Checks:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pyproject.toml").write_text(GOOD)
    (tmp_path / "p.md").write_text("Sort the ticket.\n")

    def run() -> tuple[int, dict[str, list[tuple[str, str]]]]:
        code = main(["doctor", "--json"])
        found: dict[str, list[tuple[str, str]]] = {}
        for check in json.loads(capsys.readouterr().out):
            found.setdefault(check["what"], []).append((check["state"], check["found"]))
        return code, found

    return run


def test_a_project_in_order(checks: Checks, tmp_path: Path) -> None:
    code, found = checks()
    assert code == 0
    assert found["settings"] == [("ok", str(tmp_path / "pyproject.toml"))]
    assert found["scope"] == [("ok", "1 file: p.md")]
    assert found["records"] == [("ok", "none yet")]
    assert found["cage"][0][0] in ("ok", "note")


WRONG = {
    "a typo": (GOOD.replace("optimizer", "optimiser"), "settings", "optimiser"),
    "no TOML": ("[tool.fapo", "settings", "pyproject.toml"),
    "a pattern for nothing": (GOOD.replace('"p.md"', '"p.md", "q/*.md"'), "scope", "q/*.md"),
    "no key": (GOOD.replace('"playbook"', '"openai:m"'), "optimizer", "OPENAI_API_KEY is not set"),
    "another key": (
        GOOD.replace('"playbook"', '"openai:m"') + '[tool.fapo.llm.openai]\napi_key_env = "TUNING_KEY"\n',
        "optimizer",
        "TUNING_KEY is not set",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_settings_is_named(name: str, checks: Checks, tmp_path: Path) -> None:
    text, what, words = WRONG[name]
    (tmp_path / "pyproject.toml").write_text(text)
    code, found = checks()
    assert code == 1
    wrong = {place: said for place, rows in found.items() for state, said in rows if state == "wrong"}
    assert list(wrong) == [what]
    assert words in wrong[what]


def test_a_key_is_named_and_not_shown(
    checks: Checks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(GOOD.replace('"playbook"', '"openai:m"'))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    code, found = checks()
    assert code == 0
    assert found["optimizer"] == [("ok", "openai:m, key from OPENAI_API_KEY")]
    assert "sk-very-secret" not in json.dumps(found)


def test_records_that_cannot_be_used(checks: Checks, tmp_path: Path) -> None:
    (tmp_path / ".fapo").write_text("")
    code, found = checks()
    assert (code, found["records"][0][0]) == (1, "wrong")
    (tmp_path / ".fapo").unlink()
    (tmp_path / ".fapo/cache").mkdir(parents=True)
    (tmp_path / ".fapo/cache/cache.db").write_bytes(b"no database" * 1000)
    code, found = checks()
    assert (code, found["cache"][-1][0]) == (1, "wrong")
    assert "delete that folder" in found["cache"][-1][1]


def test_people_read_lines(checks: Checks, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").unlink()
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["ok", "versions", "Python"]
    assert any(line.startswith("note   settings") and "no [tool.fapo] in" in line for line in lines)


@pytest.mark.parametrize(
    ("setting", "state", "more"),
    [("on", "note", ""), ("require", "wrong", '; cage = "require" refuses to try candidates here')],
)
def test_locks_that_the_system_lacks(
    setting: str, state: str, more: str, checks: Checks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = ["files and programs (the kernel has no Landlock)", "signals"]
    monkeypatch.setattr("pytest_fapo.cli.doctor_command.missing_locks", lambda: lacking)
    (tmp_path / "pyproject.toml").write_text(
        GOOD.replace("[tool.fapo]", f"[tool.fapo]\ncage = '{setting}'", 1)
    )
    code, found = checks()
    said = f"this system offers no lock for {lacking[0]} and signals{more}"
    assert (code, found["cage"]) == (int(state == "wrong"), [(state, said)])
