"""A coding agent as proposer: real programs in a copy of the project, whose diff becomes the candidate."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from support.agent_project import ANSWER, PIPELINE, PROMPT, PROMPT_TEXT, TOP_K, AgentProject, all_of

from pytest_fapo.commands.run_request import make_proposer
from pytest_fapo.core.candidate import Edit, Review, ReviewProblem
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.evidence import Repair
from pytest_fapo.core.settings import Settings
from pytest_fapo.propose.agent.coding_agent import CodingAgentProposer
from pytest_fapo.propose.proposer import ProposalFailed
from pytest_fapo.shadow.inside.landlock import landlock_version

pytestmark = pytest.mark.skipif(not landlock_version(), reason="needs Landlock")

NEW = PROMPT_TEXT + "Answer with one word.\n"
GOOD = f"""
from pathlib import Path
Path("{PROMPT}").write_text({NEW!r})
Path("fapo-evidence/hypothesis.txt").write_text("The form of the answer\\nwas never said.")
"""


@pytest.fixture
def project(tmp_path: Path) -> AgentProject:
    return AgentProject(tmp_path)


def test_the_diff_of_the_copy_becomes_the_candidate(project: AgentProject) -> None:
    before = all_of(project.root)
    candidate = project.propose(GOOD)
    assert candidate.edits == [Edit(address=PROMPT, before=PROMPT_TEXT, after=NEW)]
    assert candidate.hypothesis == "The form of the answer was never said."
    assert (candidate.proposer.partition(":")[0], candidate.technique) == ("command", "coding-agent")
    assert (candidate.parent, candidate.level, candidate.step) == ("c0", "prompt", "answer")
    assert candidate.targets == ["tests/test_sort.py::test_sort[t1]", "tests/test_sort.py::test_sort[t2]"]
    assert all_of(project.root) == before


def test_what_is_outside_the_scope_is_dropped_with_a_note(project: AgentProject) -> None:
    more = 'Path("README.md").write_text("Mine")\nPath("evil.py").write_text("import os")\n'
    candidate = project.propose(GOOD + more + 'Path("tests/test_sort.py").unlink()\n')
    assert [edit.address for edit in candidate.edits] == [PROMPT]
    for note in (
        "README.md is outside the scope",
        "evil.py is outside the scope",
        "tests/test_sort.py cannot be",
    ):
        assert note in candidate.hypothesis
    with pytest.raises(ProposalFailed, match=r"changed nothing that may be edited \(left out: README"):
        project.propose('open("README.md", "w").write("x")')


CODE = PIPELINE.replace("import json", "import json\nimport re").replace(
    "def answer(ticket: str) -> str:\n    return json.dumps(ticket)",
    "def _clean(text: str) -> str:\n    return re.sub(' +', ' ', text)\n\n\n"
    "def answer(ticket: str) -> str:\n    return json.dumps(_clean(ticket))",
)
REWRITE = f'from pathlib import Path\nPath("app/pipeline.py").write_text({CODE!r})\n'


def test_functions_come_with_the_imports_that_they_need(project: AgentProject) -> None:
    raised = 'Path("app/settings.py").write_text("TOP_K = 8  # passages\\n")\n'
    candidate = project.propose(REWRITE + raised, level="structure")
    after = {edit.address: (bool(edit.before), edit.after) for edit in candidate.edits}
    assert after[TOP_K] == (True, "8")
    assert after[ANSWER][0]
    assert "_clean(ticket)" in after[ANSWER][1]
    helper = "import re\ndef _clean(text: str) -> str:\n    return re.sub(' +', ' ', text)\n"
    assert after["app/pipeline.py::_clean"] == (False, helper)
    assert candidate.level == "structure"
    assert "left out" not in candidate.hypothesis


def test_what_a_higher_level_would_need_is_dropped(project: AgentProject) -> None:
    candidate = project.propose(GOOD + REWRITE)
    assert [edit.address for edit in candidate.edits] == [PROMPT]
    assert "app/pipeline.py has changes of level structure, which is not open yet" in candidate.hypothesis
    changed = CODE.replace("LIMIT = 3", "LIMIT = 4")
    rest = project.propose(f'open("app/pipeline.py", "w").write({changed!r})', level="structure")
    assert "app/pipeline.py: changes beside what may be edited" in rest.hypothesis


def test_new_prompt_files_are_created(project: AgentProject) -> None:
    candidate = project.propose('open("app/prompts/critic.md", "w").write("Check it.\\n")')
    assert candidate.edits == [Edit(address="app/prompts/critic.md", before="", after="Check it.\n")]


def test_the_agent_starts_from_the_parent(project: AgentProject) -> None:
    evidence = project.evidence("structure")
    parent = [
        artifact.model_copy(update={"text": "Parent.\nTicket: {ticket}\n"})
        if artifact.address == PROMPT
        else artifact
        for artifact in evidence.artifacts
    ]
    evidence = evidence.model_copy(update={"artifacts": parent})
    code = f'text = open("{PROMPT}").read()\nopen("{PROMPT}", "w").write(text + "More.\\n")'
    (candidate,) = project.proposer(code).propose(evidence)
    assert candidate.edits[0].before == "Parent.\nTicket: {ticket}\n"
    assert candidate.edits[0].after == "Parent.\nTicket: {ticket}\nMore.\n"


def test_the_evidence_is_there_to_read(project: AgentProject) -> None:
    code = f"""
    import json, pathlib, sys
    folder = pathlib.Path("fapo-evidence")
    seen = {{str(path): path.read_text() for path in folder.rglob("*") if path.is_file()}}
    seen["prompt"] = sys.argv[-1]
    pathlib.Path("{PROMPT}").write_text(json.dumps(seen))
    """
    evidence = project.evidence("param")
    (candidate,) = project.proposer(code).propose(evidence)
    seen = json.loads(candidate.edits[0].after)
    assert seen["prompt"] == "Read fapo-evidence/TASK.md and do what it says."
    task = seen["fapo-evidence/TASK.md"]
    assert "answer: wrong label" in task
    assert f"`{TOP_K}`: param (allowed: 1..20)" in task
    rows = [json.loads(row) for row in seen["fapo-evidence/cases.jsonl"].splitlines()]
    assert [row["inputs"]["ticket"] for row in rows] == [
        "my money is gone since yesterday",
        "where is the parcel that I ordered",
    ]
    assert "other" in seen[f"fapo-evidence/{rows[0]['trace']}"]
    assert json.loads(seen["fapo-evidence/diagnosis.json"])[0]["step"] == "answer"


def test_the_prompt_stands_where_the_setting_says(project: AgentProject) -> None:
    code = f'import sys\nopen("{PROMPT}", "w").write("|".join(sys.argv[1:]))'
    spec = project.agent(code) + " --ask '{prompt}' --quiet"
    (candidate,) = project.proposer(code, spec=spec).propose(project.evidence())
    assert candidate.edits[0].after == "--ask|Read fapo-evidence/TASK.md and do what it says.|--quiet"


def test_its_environment_is_small(project: AgentProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-anthropic")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("MY_TOKEN", "mine")
    code = (
        f'import json, os, sys\nopen("{PROMPT}", "w").write(json.dumps([dict(os.environ), sys.stdin.read()]))'
    )
    environment, given = json.loads(project.propose(code, env=["MY_TOKEN"]).edits[0].after)
    assert environment["MY_TOKEN"] == "mine"
    assert "sk-" not in json.dumps(environment)
    assert environment["HOME"] != os.environ["HOME"]
    assert not any(str(project.root) in value for value in environment.values())
    assert given == ""
    (project.folder / "bin").mkdir()
    program = project.folder / "bin" / "claude"
    program.write_text(f"#!{sys.executable}\n{code}")
    program.chmod(0o755)
    (candidate,) = project.proposer("", spec=f"command:{program}").propose(project.evidence())
    environment = json.loads(candidate.edits[0].after)[0]
    assert environment["ANTHROPIC_API_KEY"] == "sk-anthropic"
    assert "OPENAI_API_KEY" not in environment


def test_a_revision_and_a_repair_start_from_the_change(project: AgentProject) -> None:
    code = f"""
    import pathlib
    path = pathlib.Path("{PROMPT}")
    task = pathlib.Path("fapo-evidence/TASK.md").read_text()
    word = "Second." if "is in this copy" in task else "First."
    path.write_text(path.read_text() + word + "\\n")
    pathlib.Path("fapo-evidence/hypothesis.txt").write_text(task[-150:])
    """
    proposer, evidence = project.proposer(code), project.evidence()
    (candidate,) = proposer.propose(evidence)
    review = Review(problems=[ReviewProblem(check="leakage", message="copies a case")])
    revised = proposer.revise(candidate, review, evidence)
    assert revised is not None
    assert revised.edits[0].before == PROMPT_TEXT
    assert revised.edits[0].after == PROMPT_TEXT + "First.\nSecond.\n"
    assert "copies a case" in revised.hypothesis
    repaired = proposer.repair(Repair(candidate=candidate, broken=[], broken_val=2), evidence)
    assert repaired is not None
    assert "It also breaks 2 cases" in repaired.hypothesis


def test_what_was_asked_before_is_not_asked_again(project: AgentProject) -> None:
    evidence = project.evidence()
    found = []
    for code in (GOOD, "raise SystemExit('asked again')"):
        spec = project.agent(code)
        made = CodingAgentProposer(
            spec, settings=project.settings(), root=project.root, memo=project.folder / "memo"
        )
        made.begin(project.cases())
        found.append(list(made.propose(evidence)))
    assert found[0] == found[1]
    assert found[0][0].edits[0].after == NEW
    with pytest.raises(ProposalFailed, match="asked again"):
        list(made.propose(evidence.model_copy(update={"parent": "c9"})))


# --- what goes wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("pass", "changed nothing that may be edited"),
        ("import sys; print('no key'); sys.exit(3)", "ended with exit code 3: no key"),
        ("raise ValueError('broken')", "exit code 1: ValueError: broken"),
        (f'open("{PROMPT}", "wb").write(b"\\x81\\x82")', "byte 0x81 is not utf-8"),
        (f'open("{PROMPT}", "w").write("x" * 3_000_000)', "no plain file of text"),
        (f'import os; os.remove("{PROMPT}")', "cannot be deleted"),
    ],
)
def test_a_run_that_gives_nothing_says_why(project: AgentProject, code: str, words: str) -> None:
    with pytest.raises(ProposalFailed, match=r"^command:") as failed:
        project.propose(code)
    assert words in str(failed.value)
    assert "\n" not in str(failed.value)


def test_a_run_is_over_at_the_time_limit_with_all_that_it_started(project: AgentProject) -> None:
    code = """
    import os, pathlib, subprocess, sys, time
    beat = "import sys,time\\nwhile True: open(sys.argv[1], 'a').write('.'); time.sleep(0.05)"
    subprocess.Popen([sys.executable, "-c", beat, sys.argv[1]], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", beat, sys.argv[1]])
    time.sleep(60)
    """
    beats = project.folder / "beats"
    beats.mkdir()
    spec = f"{project.agent(code)} {beats / 'file'}"
    proposer = project.proposer("", spec=spec, time_limit=1.0, isolated=False)
    with pytest.raises(ProposalFailed, match=r"was ended after 1 s \(tool.fapo.command.time_limit\)"):
        list(project.proposer(code, time_limit=1.0).propose(project.evidence()))
    del proposer
    time.sleep(0.2)
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if _says(path, "while True: open(sys.argv")]
    assert left == []


def _says(path: Path, words: str) -> bool:
    try:
        return words in path.read_text()
    except OSError:
        return False


def test_settings_that_cannot_work_are_named_before_anything_runs(project: AgentProject) -> None:
    with pytest.raises(ConfigError, match="there is no program 'no-such-agent'"):
        CodingAgentProposer("command:no-such-agent -p", settings=Settings(), root=project.root).check()
    with pytest.raises(ConfigError, match="No closing quotation"):
        CodingAgentProposer("command:claude 'x", settings=Settings(), root=project.root).check()
    made = make_proposer("command:python -V", settings=Settings(), root=project.root)
    assert isinstance(made, CodingAgentProposer)
    made.check()
    with pytest.raises(ProposalFailed, match="was not told which cases") as failed:
        list(made.propose(project.evidence()))
    assert failed.value.again is False


def test_without_a_lock_it_runs_only_on_trust(project: AgentProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_fapo.propose.agent.coding_agent.landlock_version", lambda: 0)
    with pytest.raises(ConfigError, match="isolated = false"):
        project.proposer("pass").check()
    trusted = project.proposer(GOOD, isolated=False)
    trusted.check()
    (candidate,) = trusted.propose(project.evidence())
    assert candidate.edits[0].after == NEW
