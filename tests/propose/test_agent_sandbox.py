"""A hostile stand-in for a coding agent: it tries to reach what it must not, and reports what it got."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent_project import PROMPT, PROMPT_TEXT, AgentProject, all_of

import pytest_fapo
from pytest_fapo.propose.agent import agent_process, agent_sandbox
from pytest_fapo.propose.proposer import ProposalFailed
from pytest_fapo.shadow.inside.landlock import landlock_version

pytestmark = pytest.mark.skipif(not landlock_version(), reason="needs Landlock")

SECRETS = ("the courier never rang my bell", "the invoice shows a wrong amount", "cache-secret", "env-secret")

ATTACK = r"""
import ctypes, glob, json, os, pathlib, signal, subprocess, sys

root = sys.argv[1]
parent = int(sys.argv[2])
seen, done = {}, []

def read(name, path):
    try:
        seen[name] = pathlib.Path(path).read_text()
    except Exception as error:
        seen[name] = type(error).__name__

def tried(name, function, *arguments):
    try:
        function(*arguments)
        done.append(name)
    except Exception:
        pass

def shell(command):
    subprocess.run(command, shell=True, check=True, capture_output=True)

for path in ("app/prompts/sort.md", "cases/tickets.jsonl", ".fapo/cache/answers.txt", ".env"):
    read(path, f"{root}/{path}")
    read(f"proc {path}", f"/proc/{parent}/root{root}/{path}")
    read(f"cwd {path}", f"/proc/{parent}/cwd/../{path}")
read("environ", f"/proc/{parent}/environ")
read("memory", f"/proc/{parent}/maps")
for path in glob.glob("**/*", recursive=True):
    if os.path.isfile(path):
        read(f"copy {path}", path)
libc = ctypes.CDLL(None)
tried("unmount", lambda: libc.umount2(root.encode(), 2) and 1 / 0)
tried("mount", lambda: libc.mount(b"none", b"/mnt", b"tmpfs", 0, None) and 1 / 0)
read("after unmount", f"{root}/cases/tickets.jsonl")
tried("append", lambda: open(f"{root}/app/prompts/sort.md", "a").write("evil"))
tried("create", lambda: open(f"{root}/evil.py", "w").write("evil"))
tried("truncate", os.truncate, f"{root}/app/prompts/sort.md", 0)
tried("remove", os.remove, f"{root}/cases/tickets.jsonl")
tried("rename", os.rename, f"{root}/cases", f"{root}/cases2")
tried("link", os.link, f"{root}/cases/tickets.jsonl", "linked.jsonl")
tried("mode", os.chmod, f"{root}/app/prompts/sort.md", 0)
tried("shell", shell, f"cat {root}/cases/tickets.jsonl")
tried("list", os.listdir, root)
tried("home", os.listdir, sys.argv[3])
tried("elsewhere", lambda: open("/usr/evil", "w"))
tried("tmp", lambda: open("/var/tmp/evil-of-fapo", "w"))
tried("signal", os.kill, parent, signal.SIGCONT)
pathlib.Path("app/prompts/sort.md").write_text(json.dumps([seen, done]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[AgentProject]:
    made = AgentProject(tmp_path)
    before = all_of(made.root)
    modes = {path: path.stat().st_mode for path in made.root.rglob("*")}
    yield made
    assert all_of(made.root) == before
    assert {path: path.stat().st_mode for path in made.root.rglob("*")} == modes


def attack(project: AgentProject, *, hiding: bool) -> tuple[dict[str, str], list[str]]:
    """Return what it read and what it did. If nothing can be hidden, it can change modes, and is not let."""
    code = ATTACK if hiding else ATTACK.replace('tried("mode"', 'False and tried("mode"')
    spec = f"{project.agent(code)} {project.root} {os.getpid()} {Path.home()}"
    (candidate,) = project.proposer("", spec=spec).propose(project.evidence())
    seen, done = json.loads(candidate.edits[0].after)
    return seen, done


def test_it_reaches_neither_the_tree_nor_the_cache_nor_hidden_cases(project: AgentProject) -> None:
    seen, done = attack(project, hiding=agent_sandbox._can_hide([], []))
    assert done == []
    text = json.dumps(seen)
    for secret in SECRETS:
        assert secret not in text
    assert (seen["environ"], seen["memory"]) == ("PermissionError", "PermissionError")
    assert seen["copy app/prompts/sort.md"] == PROMPT_TEXT
    assert "my money is gone since yesterday" in seen["copy cases/tickets.jsonl"]
    assert not {
        name
        for name in seen
        if name.startswith(("copy .", "copy fapo-baseline", "copy fapo-snapshots", "copy notes"))
    }


LANDLOCK_ALONE = f"""
import sys
sys.path.insert(0, {str(Path(pytest_fapo.__file__).parents[1])!r})
from pytest_fapo.propose.agent import agent_sandbox
agent_sandbox._can_hide = lambda *_: False
sys.exit(agent_sandbox.main(sys.argv[1]))
"""


@pytest.mark.skipif(landlock_version() < 3, reason="needs Linux 6.2")
def test_landlock_alone_holds_too(project: AgentProject, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = project.folder / "launcher.py"
    launcher.write_text(LANDLOCK_ALONE)
    command = [sys.executable, "-I", "-S", str(launcher)]
    monkeypatch.setattr(agent_process, "lone_python", lambda *_: command)
    seen, done = attack(project, hiding=False)
    assert done == []
    for secret in SECRETS:
        assert secret not in json.dumps(seen)


def test_a_system_without_any_lock_is_refused(project: AgentProject, tmp_path: Path) -> None:
    code = LANDLOCK_ALONE.replace("sys.exit(", "agent_sandbox.landlock_version = lambda: 0\nsys.exit(")
    spec = {"hidden": [], "kept": [], "read": [], "write": [], "home": [], "folder": "/", "command": ["true"]}
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec))
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (agent_sandbox.CANNOT, "")
    assert "no way to lock" in ended.stderr


@pytest.mark.parametrize(
    "trick",
    [
        "os.symlink(sys.argv[1] + '/cases/tickets.jsonl', PROMPT)",
        "os.symlink(sys.argv[1] + '/.env', 'app/prompts/new.md')",
        "shutil.rmtree('app/prompts'); os.symlink(sys.argv[1] + '/cases', 'app/prompts')",
        "os.mkfifo(PROMPT)",
        "os.mkdir(PROMPT)",
        "os.mkdir('app/prompts/deep'); os.chmod('app/prompts/deep', 0); os.chmod('app', 0o500)",
    ],
)
def test_links_pipes_and_modes_in_its_copy_lead_nowhere(project: AgentProject, trick: str) -> None:
    code = f"import os, shutil, sys\nPROMPT = {PROMPT!r}\nos.remove(PROMPT)\n{trick}\n"
    with pytest.raises(ProposalFailed, match="changed nothing that may be edited") as failed:
        list(project.proposer("", spec=f"{project.agent(code)} {project.root}").propose(project.evidence()))
    assert not any(secret in str(failed.value) for secret in SECRETS)


def test_no_path_of_the_project_is_told(project: AgentProject) -> None:
    code = f"""
    import os, pathlib, sys
    told = [*sys.argv[1:], *os.environ.values(), os.getcwd()]
    told += [path.read_text() for path in pathlib.Path(".").rglob("*") if path.is_file()]
    pathlib.Path("{PROMPT}").write_text("\\n".join(told))
    """
    assert str(project.root) not in project.propose(code).edits[0].after
