"""A cache that travels, as pytest's user meets it: recorded here, replayed elsewhere, no network, no key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.teams import (
    GOOD_PROMPT,
    PYPROJECT,
    Project,
    Server,
    make_project,
    proposal,
    serving,
    teams_cases,
)

from pytest_fapo.answers.cache_export import export_cache
from pytest_fapo.answers.cache_layers import project_cache
from pytest_fapo.answers.used_keys import has_redacting_hook, used_keys

FILES = {
    "pyproject.toml": PYPROJECT.replace("[tool.fapo]", '[tool.fapo]\ncache_files = ["ci/answers.json"]', 1)
}
CASES = 30


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.task_requests.clear()
    return running


@pytest.fixture(scope="module")
def committed(running: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The project's files after a run that wrote its baseline and an export."""
    made = make_project(tmp_path_factory.mktemp("recorded"), running, FILES)
    assert "fapo: 30 calls, 0 from the cache" in made.pytest("-q", "--fapo-update-baseline").text
    assert _export(made) == CASES
    return {name: content.decode() for name, content in made.snapshot().items()}


@pytest.fixture
def recorded(tmp_path: Path, server: Server, committed: dict[str, str]) -> Project:
    """The project as another machine has it: with the exported answers, without a `.fapo`."""
    return make_project(tmp_path / "there", server, committed)


def _export(project: Project) -> int:
    with closing(project_cache(project.root, ["ci/answers.json"])) as cache:
        keys = used_keys(project.root / ".fapo")
        assert keys is not None
        return export_cache(cache, project.root / "ci" / "answers.json", keys=keys).answers


@pytest.mark.slow
def test_another_machine_replays_it_and_writes_nothing(recorded: Project, server: Server) -> None:
    before = recorded.snapshot()
    result = recorded.pytest("-q", "--fapo-cache=only")
    assert f"0 calls, {CASES} from the cache" in result.text
    assert server.task_requests == []
    assert recorded.snapshot() == before
    assert not (recorded.root / ".fapo").exists()


@pytest.mark.slow
def test_the_gate_judges_from_the_file(recorded: Project, server: Server) -> None:
    recorded.env["OPENAI_API_KEY"] = ""
    before = recorded.snapshot()
    result = recorded.pytest("--fapo-gate", "--fapo-cache=only")
    assert (result.code, server.task_requests) == (0, [])
    assert f"0 calls, {CASES} from the cache" in result.text
    assert recorded.snapshot() == before
    assert not (recorded.root / ".fapo").exists()
    recorded.write({"app/prompts/sort.md": GOOD_PROMPT})
    assert recorded.pytest("--fapo-gate", "--fapo-cache=only").code == 11


@pytest.mark.slow
def test_workers_and_folders_find_the_file_that_the_option_names(
    recorded: Project, server: Server, tmp_path: Path
) -> None:
    recorded.write({"pyproject.toml": PYPROJECT})
    moved = (recorded.root / "ci" / "answers.json").rename(tmp_path / "sent.json")
    option = f"--fapo-cache-file=../../{moved.name}"
    result = recorded.pytest("-q", "--fapo-cache=only", option, "-n", "2", "..", cwd="app")
    assert f"0 calls, {CASES} from the cache" in result.text
    missing = recorded.pytest("-q", "--fapo-cache=only", "--fapo-cache-file=sent.json", "..", cwd="app")
    assert missing.code != 0
    assert f"--fapo-cache-file: {recorded.root / 'app' / 'sent.json'} does not exist" in missing.text
    assert "Traceback" not in missing.text


@pytest.mark.slow
def test_what_is_new_is_asked_and_renewing_the_file_brings_both(recorded: Project, server: Server) -> None:
    more = (recorded.root / "cases.jsonl").read_text().replace("order 1000", "order 5")
    (recorded.root / "cases.jsonl").write_text(more)
    refused = recorded.pytest("-q", "--fapo-cache=only", "-k", "T-000")
    assert "then update the exported file: fapo cache export ci/answers.json." in refused.text
    result = recorded.pytest("-q")
    assert f"1 call, {CASES - 1} from the cache" in result.text
    assert len(server.task_requests) == 1
    assert _export(recorded) == CASES
    shutil.rmtree(recorded.root / ".fapo")
    assert recorded.pytest("-q", "--fapo-cache=only", "-k", "T-000").code == 1  # the answer is wrong, as ever
    assert f"0 calls, {CASES} from the cache" in recorded.pytest("-q", "--fapo-cache=only").text


@pytest.mark.slow
def test_a_file_with_a_merge_conflict_stops_the_run_in_one_sentence(
    recorded: Project, server: Server
) -> None:
    path = recorded.root / "ci" / "answers.json"
    lines = path.read_text().splitlines(keepends=True)
    lines.insert(3, "<<<<<<< HEAD\n")
    path.write_text("".join(lines))
    result = recorded.pytest("-q")
    assert result.code not in (0, 1)
    assert f"{path}, line 4: a merge conflict is not resolved; keep the answers of both sides" in result.text
    assert "Traceback" not in result.text
    assert server.task_requests == []


@pytest.mark.slow
def test_a_file_that_the_settings_name_may_come_later(tmp_path: Path, server: Server) -> None:
    made = make_project(tmp_path, server, FILES)
    refused = made.pytest("-q", "--fapo-cache=only", "-k", "T-000")
    assert refused.code == 1
    assert "fapo cache export ci/answers.json. ci/answers.json does not exist." in refused.text
    assert not (made.root / ".fapo").exists()
    assert "1 call, 0 from the cache" in made.pytest("-q", "-k", "T-000").text


@pytest.mark.slow
def test_candidates_are_evaluated_with_the_file_below(recorded: Project, server: Server) -> None:
    server.optimizer = lambda body: proposal(GOOD_PROMPT)
    result = recorded.optimize("--fapo-write=never")
    assert "accepted" in result.text
    # The session and the unpatched copy replay the file: asked are the candidate's own questions, and some
    # old ones a second time, to tell a cause from chance; of its own, up to eight once more, to tell luck.
    new = [request for request in server.task_requests if "nothing else" in str(request["messages"])]
    assert CASES <= len(new) <= CASES + 8
    assert len(server.task_requests) < 1.5 * CASES


@pytest.mark.slow
def test_no_key_is_needed_where_nothing_is_sent(recorded: Project) -> None:
    pipeline = (recorded.root / "app" / "pipeline.py").read_text()
    needs_key = 'assert os.environ["OPENAI_API_KEY"], "set OPENAI_API_KEY"\n'
    recorded.write({"app/pipeline.py": pipeline + needs_key})
    recorded.env["OPENAI_API_KEY"] = ""
    assert f"{CASES} from the cache" in recorded.pytest("-q", "--fapo-cache=only").text
    assert "set OPENAI_API_KEY" in recorded.pytest("-q", "-k", "T-000").text


# --- which answers an export needs ----------------------------------------------------------------------

JUDGED = """
import os
import httpx
import pytest_fapo as fapo

def judge(text):
    body = {"model": "judge", "messages": [{"role": "user", "content": text}]}
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    return httpx.post(url, json=body).json()["choices"][0]["message"]["content"]

@fapo.cases("cases.jsonl")
def test_team(case, run):
    assert judge(f"Is this fine? {run.output['team']}")

@fapo.cases("cases.jsonl")
def test_by_hand(case, pipeline):
    assert pipeline(ticket="money " + case.id)
"""


@pytest.mark.slow
def test_the_answers_in_use_are_known_of_judges_and_of_bodies_too(tmp_path: Path, server: Server) -> None:
    cases = "".join(f"{json.dumps(case)}\n" for case in teams_cases(4))
    made = make_project(tmp_path, server, {**FILES, "test_teams.py": JUDGED, "cases.jsonl": cases})
    assert used_keys(made.root / ".fapo") is None
    assert made.pytest("-q", "-n", "2").code == 0
    asked = {str(request) for request in server.task_requests}
    assert len(asked) == 4 + 4 + 2  # runs, bodies, and what the judge was asked of two different answers
    assert _export(made) == len(asked)
    shutil.rmtree(made.root / ".fapo")
    server.task_requests.clear()
    assert made.pytest("-q", "--fapo-cache=only").code == 0
    assert server.task_requests == []


@pytest.mark.slow
def test_what_is_no_longer_in_use_is_not_exported(tmp_path: Path, server: Server) -> None:
    made = make_project(tmp_path, server, FILES)
    made.pytest("-q")
    made.write({"app/prompts/sort.md": GOOD_PROMPT})
    made.pytest("-q", "-k", "T-000 or T-001")
    keys = used_keys(made.root / ".fapo")
    assert keys is not None
    assert len(keys) == CASES  # two new, the others as they were
    lines = (made.root / "cases.jsonl").read_text().splitlines(keepends=True)
    (made.root / "cases.jsonl").write_text("".join(lines[:10]))
    made.pytest("-q", "--fapo-cache=off")
    assert len(used_keys(made.root / ".fapo") or ()) == CASES  # of a part: nothing is forgotten
    assert not has_redacting_hook(made.root / ".fapo")
    hook = "\ndef pytest_fapo_redact(text):\n    return None\n"
    (made.root / "conftest.py").write_text((made.root / "conftest.py").read_text() + hook)
    made.pytest("-q")
    assert has_redacting_hook(made.root / ".fapo")
    assert len(used_keys(made.root / ".fapo") or ()) == 10
    assert _export(made) == 10
    (made.root / ".fapo" / "used-keys.json").write_text('{"format": 1, "cases": [7]}')
    assert used_keys(made.root / ".fapo") is None
