"""`fapo runs`, `show`, `diff`, `apply` and `undo` on a run that really took place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from support.cli_projects import ASK, Folder

from pytest_fapo.cli.command_line import main
from pytest_fapo.loop.events import RunBegan, RunFinished
from pytest_fapo.loop.run_folder import LockOwner, RunFolder

BEFORE = "Which team is this mail for: billing or delivery?\n"
PROJECT = {
    "pyproject.toml": """
        [tool.pytest.ini_options]
        pythonpath = ["."]

        [tool.fapo]
        steps = ["mailroom.sorter:sort_mail"]
        parallel = 1
        prune_calls = 0

        [tool.fapo.scope]
        prompts = ["mailroom/prompts/*.md"]

        [tool.fapo.offline]
        model = "clerk:reply"
    """,
    "mailroom/llm.py": ASK,
    "mailroom/prompts/sort.md": BEFORE,
    "mailroom/sorter.py": """
        from pathlib import Path

        from mailroom.llm import ask


        def sort_mail(text):
            return ask((Path(__file__).parent / "prompts" / "sort.md").read_text(), text)
    """,
    "clerk.py": """
        import re


        def reply(request):
            prompt, mail = (message["content"].lower() for message in request.messages)
            team = max(("billing", "delivery"), key=lambda team: clues(team, prompt, mail))
            return team if "nothing else" in prompt else f"This one is for {team.title()}."


        def clues(team, prompt, mail):
            hints = re.search(rf"^- {team}: (.*)", prompt, re.MULTILINE)
            words = [team, *re.findall(r"[a-z]+", hints[1])] if hints else [team]
            return sum(word in re.findall(r"[a-z]+", mail) for word in words)
    """,
    "conftest.py": """
        import pytest

        from mailroom.sorter import sort_mail


        @pytest.fixture(scope="session")
        def pipeline():
            return sort_mail
    """,
    "test_sorter.py": """
        import pytest_fapo as fapo

        MAILS = {"billing": "The invoice is wrong, number {}.", "delivery": "The parcel is late, number {}."}
        CASES = [
            {
                "id": f"{team[0]}{number}",
                "inputs": MAILS[team].format(number),
                "expected": team,
                "split": ("train", "val", "train", "holdout")[number % 4],
            }
            for team in MAILS
            for number in range(8)
        ]


        @fapo.cases(CASES)
        def test_team(case, run):
            assert run.output == case.expected
    """,
}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after `pytest --fapo-optimize`, in a repository, one folder below its top."""
    top = tmp_path_factory.mktemp("tuned")
    monkeypatch = pytest.MonkeyPatch()
    folder = Folder(top / "mail", monkeypatch, None)  # type: ignore[arg-type]  # only writes and runs
    folder.root.mkdir()
    folder.write(PROJECT)
    (top / ".gitignore").write_text(".fapo\n__pycache__\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "begin"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *identity, *words], cwd=top, check=True)
    said = folder.pytest("-p", "no:cacheprovider", "-q", "--fapo-optimize")
    assert said.code == 0, said.out
    return top


@pytest.fixture
def mail(tuned: Path, folder: Folder) -> Folder:
    """A copy of it."""
    shutil.rmtree(folder.root)
    shutil.copytree(tuned, folder.root.parent / "top")
    folder.root = folder.root.parent / "top" / "mail"
    return folder


@pytest.fixture
def run_name(mail: Folder) -> str:
    return next((mail.root / ".fapo" / "runs").iterdir()).name


@pytest.mark.slow
def test_a_run_is_listed_with_scores_and_what_became_of_the_files(mail: Folder, run_name: str) -> None:
    header, row = mail.fapo("runs").out.splitlines()
    columns = ["run", "stopped", "accepted", "train", "val", "holdout", "cost", "files"]
    assert header.split() == columns
    assert row.split("   ")[0] == run_name
    assert "0 → 100 %" in row
    assert row.endswith("free   written")
    listed = json.loads(mail.fapo("runs", "--json", cwd="mailroom/prompts").out)
    assert [(run["id"], run["state"], run["scores"]["val"]) for run in listed] == [
        (run_name, "finished", [0.0, 1.0])
    ]


def test_show_tells_of_every_candidate(mail: Folder, run_name: str) -> None:
    said = mail.fapo("show", "last")
    assert said.code == 0
    assert said.out.startswith(f"Run {run_name}, began 20")
    assert "c1 sort_mail · " in said.out
    assert "Changed in your project: mailroom/prompts/sort.md." in said.out
    assert f"Report      .fapo/runs/{run_name}/report.html" in said.out
    verbose = mail.fapo("show", run_name[:9], "-v").out
    assert "fixed: test_sorter.py::test_team[" in verbose
    assert "aims at " in verbose
    document = json.loads(mail.fapo("show", "last", "--json").out)
    assert document["attempts"][0]["candidate"]["id"] == "c1"
    assert document["summary"]["stop"] == document["stop"]


def test_diffs_are_patches_for_git(mail: Folder) -> None:
    attempts = json.loads(mail.fapo("show", "last", "--json").out)["attempts"]
    first, last = (
        [attempt["candidate"]["id"] for attempt in attempts if attempt["verdict"]["accepted"]][at]
        for at in (0, -1)
    )
    assert first != last
    final = mail.read("mailroom/prompts/sort.md")
    for words in ((), (last,)):
        (mail.root / "mailroom/prompts/sort.md").write_text(BEFORE)
        apply_with_git(mail, mail.fapo("diff", "last", *words).out)
        assert mail.read("mailroom/prompts/sort.md") == final
    (mail.root / "mailroom/prompts/sort.md").write_text(BEFORE)
    apply_with_git(mail, mail.fapo("diff", "last", first).out)
    assert BEFORE != mail.read("mailroom/prompts/sort.md") != final
    apply_with_git(mail, mail.fapo("diff", "last", first, last).out)
    assert mail.read("mailroom/prompts/sort.md") == final
    assert mail.fapo("diff", "last", first, first).code == 1
    said = mail.fapo("diff", "last", "c99")
    assert (said.code, "has no candidate 'c99'; there are: c1" in said.err) == (1, True)


def test_a_piped_diff_keeps_every_character_of_the_patch(mail: Folder, run_name: str) -> None:
    patch = "--- a/x.md\n+++ b/x.md\n@@ -1 +1 @@\n-old\x1b[1m\r\n+new\r\n"
    (mail.root / ".fapo" / "runs" / run_name / "changes.patch").write_bytes(patch.encode())
    assert mail.fapo("diff", "last").out == patch


def apply_with_git(mail: Folder, patch: str) -> None:
    subprocess.run(["git", "apply", "-"], cwd=mail.root, input=patch.encode(), check=True)


def test_without_the_files_of_then_texts_are_compared(mail: Folder, run_name: str) -> None:
    run = mail.root / ".fapo" / "runs" / run_name
    (run / "result.json").unlink()
    said = mail.fapo("diff", "last", "c1")
    assert said.code == 0
    assert "git cannot apply it: mailroom/prompts/sort.md has changed since the run began" in said.err
    assert "--- a/mailroom/prompts/sort.md\n+++ b/mailroom/prompts/sort.md\n" in said.out


def test_undo_and_apply_give_the_exact_bytes(mail: Folder) -> None:
    path = mail.root / "mailroom" / "prompts" / "sort.md"
    tuned = path.read_bytes()
    said = mail.fapo("undo", "last", cwd="mailroom")
    assert said.code == 0
    assert "Undone, run 20" in said.out
    assert "mailroom/prompts/sort.md." in said.out
    assert path.read_bytes() == BEFORE.encode()
    assert mail.fapo("runs").out.endswith("undone\n")
    assert "undone later (`fapo undo`)" in mail.fapo("show", "last").out
    assert mail.fapo("undo", "last").code == 1
    assert mail.fapo("apply", "last").code == 0
    assert path.read_bytes() == tuned
    assert "`fapo apply`" in mail.fapo("show", "last").out
    assert mail.fapo("apply", "last").code == 1


def test_a_file_that_was_edited_since_is_left_alone(mail: Folder, run_name: str) -> None:
    path = mail.root / "mailroom" / "prompts" / "sort.md"
    path.write_bytes(path.read_bytes() + b"Mine.\n")
    mine = path.read_bytes()
    for command in ("undo", "apply"):
        said = mail.fapo(command, "last")
        assert said.code == 1
        assert "mailroom/prompts/sort.md: changed since" in said.out
        assert f"fapo diff {run_name}" in said.out
        assert path.read_bytes() == mine


def test_a_name_must_mean_one_run(mail: Folder, run_name: str) -> None:
    runs = mail.root / ".fapo" / "runs"
    shutil.copytree(runs / run_name, runs / f"{run_name}-2")
    said = mail.fapo("show", run_name[:6])
    assert said.code == 1
    assert f"2 runs begin with '{run_name[:6]}': {run_name}, {run_name}-2" in said.err
    assert mail.fapo("show", run_name).code == 0
    said = mail.fapo("show", "nosuch")
    assert (said.code, "no run begins with 'nosuch'" in said.err) == (1, True)


def test_runs_that_were_cut_off_or_that_nobody_can_read(folder: Folder) -> None:
    assert "No run in" in folder.fapo("runs").out
    assert json.loads(folder.fapo("runs", "--json").out) == []
    said = folder.fapo("show", "last")
    assert (said.code, "there is no run in" in said.err) == (1, True)
    runs = folder.root / ".fapo" / "runs"
    cut = RunFolder.create(runs)
    cut.journal.write(RunBegan())
    old = RunFolder.create(runs)
    old.journal.write(RunBegan())
    with old.journal.path.open("a") as file:
        file.write('{"event": "judged", "tree": "1", "attempt": {"from": "another version"}}\n')
    old.journal.write(RunFinished(stop="target", writing="written"))
    old.save_text("summary.json", '{"a field of another version": 1}')
    (runs / "no run").mkdir()
    states = [run["state"] for run in json.loads(folder.fapo("runs", "--json").out)]
    assert states == ["unfinished", "unreadable"]
    assert [line.split()[1] for line in folder.fapo("runs").out.splitlines()[1:]] == states
    assert "pytest --fapo-resume" in folder.fapo("show", cut.path.name).out
    shown = folder.fapo("show", "last")
    assert (shown.code, "another version of pytest-fapo" in shown.out) == (0, True)
    assert str(old.path) in shown.out
    said = folder.fapo("diff", "last")
    assert (said.code, "has no patch: nothing was accepted" in said.err) == (1, True)
    assert folder.fapo("apply", "last").code == 1


def test_as_a_program(folder: Folder) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for words, code, text in (
        (["--help"], 0, "Exit codes: 0 done, 1 nothing was done"),
        (["--version"], 0, "pytest-fapo "),
        (["nosuch"], 2, "invalid choice: 'nosuch'"),
        (["runs"], 0, "No run in"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "pytest_fapo", *words],
            cwd=folder.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert text in done.stdout + done.stderr


def test_it_is_installed_as_a_script() -> None:
    found = [each for each in entry_points(group="console_scripts") if each.name == "fapo"]
    assert [each.load() for each in found] == [main]


def test_a_reader_that_goes_away_is_no_error(mail: Folder) -> None:
    command = f"{sys.executable} -m pytest_fapo show last -v | head -1"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        command, shell=True, cwd=mail.root, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Run 20")
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["apply", "undo"])
def test_nothing_is_written_while_another_run_is_going_on(mail: Folder, command: str) -> None:
    lock = mail.root / ".fapo" / "running.json"
    other = LockOwner.this_process().model_copy(update={"pid": os.getppid(), "began": ""})
    lock.write_text(other.model_dump_json())
    before = mail.files()
    said = mail.fapo(command, "last")
    assert said.code == 1
    assert f"another run is going on in this project: process {os.getppid()} on " in said.err
    assert mail.files() == before
    lock.unlink()
    assert mail.fapo("undo", "last").code == 0
    assert not lock.exists()


def test_a_run_is_exported_as_spans_that_hang_together(mail: Folder, run_name: str, tmp_path: Path) -> None:
    shown = mail.fapo("spans", run_name)
    assert shown.code == 0, shown.err
    (resource,) = json.loads(shown.out)["resourceSpans"]
    spans = resource["scopeSpans"][0]["spans"]
    by_id = {span["spanId"]: span for span in spans}
    assert len(by_id) == len(spans) > 0
    roots = [span for span in spans if "parentSpanId" not in span]
    assert {span["name"] for span in roots} == {"pipeline"}
    for span in spans:
        assert (len(span["traceId"]), len(span["spanId"])) == (32, 16)
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        if span not in roots:
            assert by_id[span["parentSpanId"]]["traceId"] == span["traceId"]
    calls = [span for span in spans if span["kind"] == 3]
    said = {each["key"]: each["value"] for each in calls[0]["attributes"]}
    assert said["gen_ai.operation.name"] == {"stringValue": "chat"}
    assert "Which team is this mail for" in said["gen_ai.input.messages"]["stringValue"]
    assert {by_id[span["parentSpanId"]]["name"] for span in calls} == {"sort_mail"}
    file = tmp_path / "spans.json"
    assert mail.fapo("spans", run_name, "-o", str(file)).code == 0
    assert json.loads(file.read_text(encoding="utf-8")) == json.loads(shown.out)
    refused = mail.fapo("spans", run_name, "-o", str(tmp_path / "none" / "x.json"))
    assert (refused.code, "cannot be written" in refused.err) == (1, True)
