"""The loop locks candidates in: by what the unpatched tree did, with a remedy where that is too little."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.teams import GOOD_PROMPT, PYPROJECT, MakeProject, Server, proposal

from pytest_fapo.loop.candidate_cage import missing_locks
from pytest_fapo.shadow.connections import Connections

needs_locks = pytest.mark.skipif(bool(missing_locks()), reason=f"no {', '.join(missing_locks())} here")


@pytest.mark.slow
@needs_locks
def test_what_only_c_code_reads_outside_is_named_with_its_remedy(
    project: MakeProject, server: Server, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.txt"
    rules.write_text("be kind")
    test = f"""
        import ctypes
        def test_the_rules_are_there():
            libc = ctypes.CDLL(None, use_errno=True)
            assert libc.open({str(rules)!r}.encode(), 0) >= 0, "PermissionError"
    """
    made = project({"test_rules.py": test})
    before = made.snapshot()
    result = made.optimize()
    assert made.snapshot() == before
    assert "test_rules.py::test_the_rules_are_there passes, and does not where candidates" in result.text
    assert "allow_read" in result.text
    assert "Traceback" not in result.text
    made.write({"pyproject.toml": PYPROJECT.replace("[tool.fapo]", f"[tool.fapo]\nallow_read = ['{rules}']")})
    result = made.optimize()
    assert result.code == 0, result.text
    assert made.prompt == GOOD_PROMPT


@pytest.mark.slow
@needs_locks
def test_a_candidate_may_read_what_the_project_reads_and_nothing_else(
    project: MakeProject, server: Server, tmp_path: Path
) -> None:
    """The optimizer's edit makes a test of the user's read another file; the test's own is still read."""
    (tmp_path / "own.txt").write_text("own")
    (tmp_path / "secret.txt").write_text("secret")
    test = f"""
        from pathlib import Path
        from app.pipeline import PROMPT
        def test_reads():
            assert Path({str(tmp_path)!r}, "own.txt").read_text() == "own"
            if "nothing else" in PROMPT:
                try:
                    found = Path({str(tmp_path)!r}, "secret.txt").read_text()
                except PermissionError as error:
                    found = ""
                assert not found
    """
    made = project({"test_reads.py": test})
    result = made.optimize()
    assert result.code == 0, result.text
    assert made.prompt == GOOD_PROMPT
    # And outside of the cage it would have been read:
    made.write({"pyproject.toml": PYPROJECT.replace("[tool.fapo]", "[tool.fapo]\ncage = 'off'")})
    made.write({"app/prompts/sort.md": made.prompt.replace("nothing else", "no more")})
    server.optimizer = lambda body: proposal(GOOD_PROMPT)
    result = made.optimize()
    assert "test_reads.py::test_reads" in result.text
    assert made.prompt != GOOD_PROMPT


@pytest.mark.slow
@needs_locks
def test_the_final_proof_may_ask_the_database_that_cases_ask(project: MakeProject, server: Server) -> None:
    """It has recorded answers of models; of other servers there is no record."""
    database = socket.create_server(("127.0.0.1", 0), backlog=512)
    test = f"""
        import socket
        import pytest_fapo as fapo

        @fapo.cases("cases.jsonl")
        def test_database(case, run):
            with socket.create_connection(("127.0.0.1", {database.getsockname()[1]})):
                assert run.output["team"] == case.expected["team"]
    """
    with database:
        made = project({"test_database.py": test})
        result = made.optimize()
    assert result.code == 0, result.text
    assert made.prompt == GOOD_PROMPT


def test_locks_that_are_asked_for_and_missing_are_an_error(
    project: MakeProject, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = project({"pyproject.toml": PYPROJECT.replace("[tool.fapo]", "[tool.fapo]\ncage = 'always'")})
    result = made.optimize()
    assert result.code == 4, result.text
    assert "cage" in result.text
    assert "'require'" in result.text
    monkeypatch.setattr("sys.platform", "darwin")
    assert missing_locks() == ["files, programs, connections and other processes (Linux only)"]


@needs_locks
def test_inside_of_another_cage_connections_are_told_to_be_open(tmp_path: Path) -> None:
    """There a second process cannot ask: one filter of a process may do so."""
    code = (
        "from pytest_fapo.shadow.inside import cage\n"
        "from pytest_fapo.loop.candidate_cage import missing_locks\n"
        "cage.refuse_new_privileges()\n"
        "print(cage._restrict_calls(ask=True), flush=True)\n"
        "input()\n"
        "print(missing_locks())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as caged:
        assert caged.stdout is not None
        Connections([], tmp_path).serve(caged.pid, int(caged.stdout.readline()))
        said, _ = caged.communicate("go on\n", timeout=60)
    assert said.strip() == "['connections (refused by the container that this runs in)']"
