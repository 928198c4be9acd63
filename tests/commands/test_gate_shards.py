"""`pytest --fapo-gate --fapo-shard=N/OF` and `fapo gate join`: shares of a gate, judged as one."""

from __future__ import annotations

import gzip
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.gated_project import GatedProject
from support.ready_pytest import Finished, plugin_path

from pytest_fapo.commands.gate_shard import share_of

WORSE = "paid=billing\nbroken=repairs\nlate=delivery\nlost=delivery\n"
SECOND = """
import pytest_fapo as fapo

@fapo.cases("cases.jsonl")
def test_length(case, run):
    assert len(run.output["text"]) > 8

def test_plain_failing():
    assert not "a test without a case"
"""


def shards(project: GatedProject, of: int, *arguments: str) -> list[Path]:
    for number in range(1, of + 1):
        done = project.gate(f"--fapo-shard={number}/{of}", *arguments)
        assert done.code == 0, done.text
        assert "nothing is judged yet" in done.text
        assert "accuracy" not in done.text
    return [project.root / f"fapo-shard-{number}-of-{of}.json.gz" for number in range(1, of + 1)]


def join(project: GatedProject, *words: str | Path) -> Finished:
    dropped = {"CI", "PYTEST_ADDOPTS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    done = subprocess.run(
        [sys.executable, "-m", "pytest_fapo", "gate", "join", *map(str, words)],
        cwd=project.root,
        env={**environment, **plugin_path(), "COLUMNS": "120", **project.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    return Finished(done.returncode, done.stdout.decode())


def verdict(done: Finished) -> str:
    return done.text[done.text.index("fapo: accuracy") :]


def refusal(done: Finished) -> str:
    assert done.code == 11, done.text
    assert "accuracy could not be judged, so the gate does not pass" in done.text
    assert "Traceback" not in done.text
    assert "PytestAssertRewriteWarning" not in done.text
    return done.text


def test_shares_are_even_whole_and_the_same_in_any_order() -> None:
    keys = [f"case {number % 700}" for number in range(1_000)]
    for of in (1, 2, 3, 7, 64):
        shares = [share_of(keys, number, of) for number in range(1, of + 1)]
        assert sorted(place for share in shares for place in share) == list(range(1_000))
        sizes = [len({keys[place] for place in share}) for share in shares]
        assert max(sizes) - min(sizes) <= 1
        assert sum(sizes) == 700, "what has one key is in one share"
        mixed = random.Random(of).sample(keys, len(keys))
        for number, share in enumerate(shares, 1):
            assert {keys[place] for place in share} == {mixed[at] for at in share_of(mixed, number, of)}


@pytest.mark.slow
def test_the_joined_verdict_and_page_are_those_of_the_whole_gate(project: GatedProject) -> None:
    project.write({"test_second.py": SECOND})
    assert project.update().code == 1
    project.write({"rules.md": WORSE, "test_side.py": "def test_side():\n    assert False\n"})
    outputs = ("--fapo-summary=page.txt", "--fapo-code-quality=quality.json", "--fapo-annotations=github")
    whole = project.gate("-p", "no:cacheprovider", "--tb=no", *outputs)
    assert whole.code == 10
    assert "3 tests that passed no longer pass" in whole.text
    page, quality = (project.root / "page.txt").read_text(), (project.root / "quality.json").read_text()
    assert "test_side" in page
    for of in (1, 2, 5):
        files = shards(project, of)
        random.Random(of).shuffle(files)
        joined = join(project, *files, "--", *outputs)
        assert joined.code == 10, joined.text
        assert verdict(joined) == verdict(whole)
        assert (project.root / "page.txt").read_text() == page
        assert (project.root / "quality.json").read_text() == quality


@pytest.mark.slow
def test_workers_reruns_and_policies_go_through_shards(project: GatedProject) -> None:
    files = shards(project, 2, "-n2", "--fapo-policy=target", "--fapo-target=0.6")
    refused = refusal(join(project, *files))
    assert "--fapo-policy target there, strict here; give the join the shards' options, behind --" in refused
    done = join(project, *files, "--", "--fapo-policy=target", "--fapo-target=0.6")
    assert done.code == 0, done.text
    assert "no regressions against fapo-baseline.json" in done.text
    assert "fapo: passing: train 75 %" in done.text


@pytest.mark.slow
def test_a_failing_plain_test_is_a_failure_of_the_join(project: GatedProject) -> None:
    project.write({"test_side.py": "def test_side():\n    assert False\n"})
    done = join(project, *shards(project, 2))
    assert done.code == 1, done.text
    assert "no regressions against fapo-baseline.json, but other tests fail" in done.text
    assert "test_side.py::test_side fails, a test without a case" in done.text


@pytest.mark.slow
def test_missing_doubled_stale_and_damaged_shards_are_named(project: GatedProject) -> None:
    first, second, third = shards(project, 3)
    assert "shards 2/3 and 3/3 are missing" in refusal(join(project, first))
    assert "shard 3/3 is missing" in refusal(join(project, first, second))
    copy = Path(shutil.copy(second, project.root / "copy.json.gz"))
    assert "shard 2/3 is there 2 times: " in refusal(join(project, first, second, third, copy))
    assert "gone.json.gz: cannot be read: No such file" in refusal(
        join(project, first, second, "gone.json.gz")
    )

    whole = copy.read_bytes()
    text = gzip.decompress(whole)
    lines = text.splitlines(keepends=True)
    damaged = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "other": b"{}",
        "flipped": whole[:40] + bytes([whole[40] ^ 255]) + whole[41:],
        "without": gzip.compress(b"".join(lines[:-1])),
        "twice": whole + whole,
        "form": gzip.compress(text.replace(b'"number": ', b'"nummer": ')),
    }
    for name, content in damaged.items():
        (project.root / name).write_bytes(content)
    said = refusal(join(project, first, *damaged, third))
    assert "shard 2/3 is missing" in said
    assert set(re.findall(r"^  (\w+): (?:damaged|not), ", said, re.MULTILINE)) == {*damaged} - {"form"}
    assert "form: not a shard's file of this version of pytest-fapo" in said
    copy.write_bytes(gzip.compress(b"".join(lines[1:])))
    assert re.search(
        r"shard 2/3 \(\S+copy.json.gz\) has no result of 1 test, ", refusal(join(project, first, copy, third))
    )

    (other,) = shards(project, 1)
    assert "divisions into 1 and into 3" in refusal(join(project, other, first, second, third))
    project.write({"rules.md": WORSE})
    said = refusal(join(project, first, second, third))
    assert re.search(r"shard 1/3 \(\S+\) is stale: prompts and parameters in the scope \w+ there, ", said)
    assert project.update().code == 0
    said = refusal(join(project, first, second, third))
    assert re.search(
        r"shard 3/3 \(\S+\) is stale: fapo-baseline.json \w+ there, \w+ here; run it again", said
    )


@pytest.mark.slow
def test_another_commit_other_files_and_other_tests_are_stale(project: GatedProject) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=N", "-c", "user.email=n@example.org"]
        subprocess.run(["git", *who, *words], cwd=project.root, check=True, capture_output=True)

    git("init", "-q")
    git("add", "app.py", "test_team.py" if (project.root / "test_team.py").exists() else ".")
    git("commit", "-qm", "one")
    first, second = shards(project, 2)
    assert join(project, first, second).code == 0
    app = (project.root / "app.py").read_text()
    project.write({"app.py": app + "# another\n"})
    assert "uncommitted changes none there, " in refusal(join(project, first, second))
    git("commit", "-qam", "two")
    assert re.search(r"commit \w{12} there, \w{12} here", refusal(join(project, first, second)))
    assert project.gate("--fapo-shard=1/2").code == 0
    assert project.gate("--fapo-shard=2/2", "-k", "not plain").code == 0
    said = refusal(join(project, first, second))
    assert "collected other tests than shard 1/2" in said


def test_a_shard_that_did_not_come_to_its_end_says_so_and_so_does_the_join(project: GatedProject) -> None:
    project.write({"test_broken.py": "import nothing_of_this_name\n"})
    done = project.gate("--fapo-shard=1/1", "--continue-on-collection-errors")
    assert done.code == 11, done.text
    assert "test_broken.py could not be collected" in done.text
    said = refusal(join(project, project.root / "fapo-shard-1-of-1.json.gz"))
    assert "shard 1/1: test_broken.py could not be collected" in said


def test_a_killed_shard_leaves_no_file(project: GatedProject) -> None:
    (file,) = shards(project, 1)
    project.write({"test_side.py": "import os\ndef test_side():\n    os._exit(9)\n"})
    assert project.gate("--fapo-shard=1/1").code == 9
    assert not file.exists()


def test_options_that_cannot_be_used_are_refused(project: GatedProject) -> None:
    for given in ("0/2", "3/2", "2", "1/0", "a/b"):
        done = project.gate(f"--fapo-shard={given}")
        assert done.code == 4
        assert f"expected a share such as 2/4, from 1/4 to 4/4, got '{given}'" in done.text
    done = project.pytest("--fapo-shard=1/2")
    assert done.code == 4
    assert "--fapo-shard runs one share of a gate's tests: it goes with --fapo-gate" in done.text
