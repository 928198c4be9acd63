"""Records of a run that a crash, a disk or an editor has damaged: every command ends in words, and a project
gets exactly what was proven or nothing.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from loop.test_apply_undo import BEFORE, Made
from support.damage import damaged

from pytest_fapo.answers.cache import AnswerCache, cache_stats
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.cli.command_line import main
from pytest_fapo.core.errors import ConfigError, FapoError
from pytest_fapo.loop.apply_undo import apply_run, undo_run
from pytest_fapo.loop.events import RunBegan, RunFinished
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.source import write_helper

COMMANDS = (
    ["runs"], ["runs", "--json"], ["show", "last"], ["diff", "last"], ["diff", "last", "c1"],
    ["spans", "last"], ["apply", "last"], ["undo", "last"], ["cache", "stats"],
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose run was written into it."""
    made = Made(tmp_path_factory.mktemp("run"))
    made.run.journal.path.unlink()
    made.run.journal.write(RunBegan())
    made.run.journal.write(RunFinished(stop="target", writing="patch"))
    (made.root / "pyproject.toml").write_text("[tool.fapo]\n")
    assert apply_run(made.root, made.run).written
    write_helper.save(made.run.write_journal, {"state": "done", "result": {"written": []}, "files": []})
    return made.root


def texts(root: Path) -> dict[str, bytes]:
    return {path: (root / path).read_bytes() for path in BEFORE}


@pytest.mark.parametrize("seed", range(6))
def test_commands_end_in_words_and_files_stay_whole(
    seed: int,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    after = texts(finished)
    for number in range(seed * 12, seed * 12 + 12):
        root = tmp_path / str(number)
        shutil.copytree(finished, root)
        monkeypatch.chdir(root)
        (folder,) = (root / ".fapo/runs").iterdir()
        records = sorted(path for path in folder.iterdir() if path.is_file())
        victim = records[number % len(records)]
        victim.write_bytes(damaged(victim.read_bytes(), number))
        for command in COMMANDS:
            code = main(command)
            shown = "".join(capsys.readouterr())
            assert code in (0, 1), (number, command, shown)
            assert "Traceback" not in shown, (number, command)
            assert "\x1b[31mred" not in shown, (number, command)
            assert texts(root) in (after, BEFORE), (number, command, victim.name)
        shutil.rmtree(root)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"after": "', b'"after": "AAAA'), (b'"written": "', b'"written": "0'), (b"sort.md", b"sorb.md")],
)
def test_a_result_that_was_changed_writes_nothing(old: bytes, new: bytes, tmp_path: Path) -> None:
    made = Made(tmp_path)
    path = made.run.path / "result.json"
    whole = path.read_bytes()
    assert old in whole
    path.write_bytes(whole.replace(old, new, 1))
    for action in (apply_run, undo_run):
        with pytest.raises(FapoError, match=r"result\.json: damaged or edited.*changes\.patch"):
            action(made.root, RunFolder(made.run.path))
    assert texts(made.root) == BEFORE
    path.write_bytes(whole)
    assert apply_run(made.root, made.run).written


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_cache_gives_the_right_answer_or_none(seed: int, tmp_path: Path) -> None:
    answers = {
        f"{number:064x}": RecordedAnswer(status=200, headers=(), chunks=(f"{number:08}".encode() * number,))
        for number in range(1, 40)
    }
    template = AnswerCache(tmp_path / "template")
    template.put_all(answers.items())
    template.close()
    content = (template.folder / "cache.db").read_bytes()
    right = 0
    for number in range(seed * 15, seed * 15 + 15):
        folder = tmp_path / str(number)
        folder.mkdir(mode=0o700)
        (folder / "cache.db").write_bytes(damaged(content, number))
        cache = AnswerCache(folder)
        for key, answer in answers.items():
            try:
                found = cache.get(key)
            except ConfigError:
                continue
            assert found is None or found == answer, number
            right += found == answer
        with suppress(ConfigError):
            cache.put("new", answers[f"{1:064x}"])
            cache_stats(cache)
        cache.close()
    assert right
