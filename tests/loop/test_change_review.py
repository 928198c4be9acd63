"""The parts of a review without a test run: what may be reviewed, edited texts, the questions."""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.settings import Settings
from pytest_fapo.loop.apply_undo import apply_run, undo_run, write_part
from pytest_fapo.loop.change_review import Reviewable, ReviewDraft, find_reviewable
from pytest_fapo.loop.events import RunBegan, RunFinished
from pytest_fapo.loop.optimize_request import Budget, OptimizeRequest
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_result import ScopeSnapshot, load_result, save_result
from pytest_fapo.views.change_dialogue import Dialogue, answer_counts, edited_by_person
from pytest_fapo.views.terminal import Terminal

FILES = {
    "app/sort.md": b"Sort this.\r\nTicket: {ticket}\r\n",
    "app/texts.py": "TONE = 'kind'  # ä\nTOP_K = 3\n".encode(),
    "app/steps.py": b"def clean(text):\n    return text\n",
}
SCOPE = Scope(
    prompts=["app/*.md", "app/texts.py::TONE"], params=["app/texts.py::TOP_K"], structure=["app/steps.py"]
)
EDITS = [
    Edit(
        address="app/sort.md",
        before="Sort this.\nTicket: {ticket}\n",
        after="Sort this well.\nTicket: {ticket}\n",
    ),
    Edit(address="app/texts.py::TONE", before="kind", after="brief"),
    Edit(address="app/texts.py::TOP_K", before="3", after="5"),
    Edit(
        address="app/steps.py::clean",
        before="def clean(text):\n    return text\n",
        after="import re\ndef clean(text):\n    return re.sub('x', '', text)\n",
    ),
]
ALL = [edit.address for edit in EDITS]
SORT, TONE, TOP_K, CLEAN = ALL


class Made:
    """A project and a run in it that has left four changes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for path, content in FILES.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        self.run = self.leave(EDITS)

    def leave(self, edits: Sequence[Edit]) -> RunFolder:
        run = RunFolder.create(self.root / ".fapo" / "runs")
        snapshot = ScopeSnapshot.take(self.root, SCOPE)
        run.journal.write(RunBegan(files=snapshot.hashes))
        save_result(run, snapshot, snapshot.render(edits), [])
        run.journal.write(RunFinished(stop="target", writing="patch"))
        return run

    def reviewable(self) -> Reviewable:
        return find_reviewable(self.root, SCOPE)

    def draft(self) -> ReviewDraft:
        reviewable = self.reviewable()
        request = OptimizeRequest(
            root=self.root,
            settings=Settings(scope=SCOPE),
            baseline=Evaluation(),
            proposers=[],
            run=self.run,
            snapshot=reviewable.snapshot,
            budget=Budget(self.run.spend_file),
            child_args=[],
            cwd=".",
            cache_folder=self.root / ".fapo" / "cache",
            cache_mode="auto",
        )
        return ReviewDraft(reviewable, request, [])

    def now(self) -> dict[str, bytes]:
        return {path: (self.root / path).read_bytes() for path in FILES}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def answered(draft: ReviewDraft, answers: Sequence[str]) -> tuple[bool, str]:
    """Return True if the dialogue came to its end, and the output."""
    file = io.StringIO()
    waiting = list(answers)

    def read(question: str) -> str:
        file.write(question)
        if not waiting:
            raise EOFError
        return waiting.pop(0)

    came = Dialogue(draft, read, Terminal(file, width=100)).run()
    assert not waiting, "it asked for less than was answered"
    return came, file.getvalue()


# --- which run ---------------------------------------------------------------------------------------------


def test_the_newest_run_with_open_changes_is_reviewed(made: Made) -> None:
    second = made.leave(EDITS[:1])
    assert made.reviewable().run.path == second.path
    write_part(made.root, second, {}, {SORT: "rejected"})
    assert made.reviewable().run.path == made.run.path
    assert [edit.address for edit in made.reviewable().edits] == ALL
    apply_run(made.root, made.run)
    with pytest.raises(FapoError, match="no run has left changes"):
        made.reviewable()
    with pytest.raises(FapoError, match="its changes are written or decided"):
        find_reviewable(made.root, SCOPE, made.run.path.name)
    undo_run(made.root, made.run)
    assert made.reviewable().run.path == made.run.path
    assert made.now() == FILES


def test_a_scope_that_lost_the_artifact_is_said(made: Made) -> None:
    smaller = Scope(prompts=["app/*.md"], params=SCOPE.params, structure=SCOPE.structure)
    with pytest.raises(FapoError, match=r"cannot be made with the present settings: app/texts.py::TONE"):
        find_reviewable(made.root, smaller)


def test_changes_of_texts_that_changed_since_are_left_out(made: Made) -> None:
    (made.root / "app/texts.py").write_bytes(b"TONE = 'mine'\nTOP_K = 3\n")
    reviewable = find_reviewable(made.root, SCOPE, made.run.path.name[:10])
    assert [edit.address for edit in reviewable.edits] == [SORT, TOP_K, CLEAN], "the other texts still fit"
    assert reviewable.left_out == ["app/texts.py"]
    assert reviewable.merged
    (made.root / "app/texts.py").write_bytes(b"TONE = 'mine'\nTOP_K = 4\n")
    (made.root / "app/sort.md").write_bytes(b"Sort it all.\n")
    (made.root / "app/steps.py").write_bytes(b"\n")
    with pytest.raises(FapoError, match=r"app/sort.md, app/steps.py and app/texts.py changed since the run"):
        made.reviewable()


# --- what is written ---------------------------------------------------------------------------------------


def test_all_accepted_gives_the_very_bytes_that_were_proven(made: Made) -> None:
    draft = made.draft()
    came, text = answered(draft, ["y"] * 4)
    assert came
    assert answer_counts(draft) == "4 accepted, 0 rejected"
    assert draft.files() == {path: change.new for path, change in load_result(made.run).files.items()}
    assert draft.files()["app/steps.py"].startswith(b"import re\n")
    assert "Effect    not on record; it is measured before anything is written" in text


def test_a_part_is_those_changes_alone_and_the_rest_comes_later(made: Made) -> None:
    draft = made.draft()
    answered(draft, ["n", "y", "s", "y"])
    assert answer_counts(draft) == "2 accepted, 1 rejected, 1 change left for later"
    files = draft.files()
    assert files["app/texts.py"] == "TONE = 'brief'  # ä\nTOP_K = 3\n".encode()
    assert set(files) == {"app/texts.py", "app/steps.py"}
    write_part(made.root, made.run, files, draft.decisions())
    later = made.draft()
    answered(later, ["y"])
    assert later.files() == {"app/texts.py": "TONE = 'brief'  # ä\nTOP_K = 5\n".encode()}
    write_part(made.root, made.run, later.files(), later.decisions())
    assert load_result(made.run).decided == {
        SORT: "rejected",
        TONE: "accepted",
        TOP_K: "accepted",
        CLEAN: "accepted",
    }
    undo_run(made.root, made.run)
    assert made.now() == FILES


# --- editing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text", "check"),
    [
        (0, "Sort this well.\n", "placeholders"),
        (0, "Sort this.\nTicket: {ticket}\n", "no-op"),
        (0, "", "size"),
        (2, "lots", "domain"),
        (3, "def clean(text):\n    return open(text)", "access"),
        (3, "def clean(text:\n", "syntax"),
    ],
)
def test_an_edited_text_that_the_review_blocks_is_not_taken(
    made: Made, number: int, text: str, check: str
) -> None:
    draft = made.draft()
    proposed = draft.text(number)
    problems = draft.revise(number, text)
    assert check in {problem.check for problem in problems if problem.blocks}, problems
    assert draft.text(number) == proposed
    assert not draft.changes[number].edited


def test_an_edited_text_takes_the_place_of_the_proposed_one(made: Made) -> None:
    draft = made.draft()
    for number, text in ((0, "Sort it.\nTicket: {ticket}\n"), (1, "brief and kind"), (2, "4")):
        assert draft.revise(number, text) == []
        assert draft.changes[number].edited
    answered(draft, ["y", "y", "y", "n"])
    assert answer_counts(draft) == "3 accepted (3 edited), 1 rejected"
    assert draft.files() == {
        "app/sort.md": b"Sort it.\r\nTicket: {ticket}\r\n",
        "app/texts.py": "TONE = 'brief and kind'  # ä\nTOP_K = 4\n".encode(),
    }
    assert draft.decisions()[TONE] == "edited"


def editor(folder: Path, code: str) -> str:
    script = folder / "editor.py"
    script.write_text(f"import pathlib, sys\nfile = pathlib.Path(sys.argv[-1])\n{code}\n")
    return shlex.join([sys.executable, str(script), "--wait"])


@pytest.mark.parametrize(
    ("text", "code", "after"),
    [
        ("brief", "file.write_text(file.read_text() + '\\n')", "brief"),
        ("brief\n", "file.write_text('longer\\n')", "longer\n"),
        ("ä\n", "file.write_bytes('\\ufeffö\\r\\n'.encode())", "ö\n"),
    ],
)
def test_an_editor_changes_what_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, code: str, after: str
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor(tmp_path, code))
    assert edited_by_person(text, TONE) == after


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (lambda folder: editor(folder, "sys.exit(3)"), "ended with code 3; your text was not taken"),
        (lambda folder: editor(folder, "file.write_bytes(b'\\xff')"), "left no text that can be read"),
        (lambda folder: str(folder / "nothing-here"), "cannot be started"),
    ],
)
def test_an_editor_that_fails_is_said_and_the_question_comes_again(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[[Path], str], words: str
) -> None:
    monkeypatch.setenv("VISUAL", command(tmp_path))
    draft = made.draft()
    _, text = answered(draft, ["e", "q"])
    assert words in " ".join(text.split())
    assert draft.text(0) == EDITS[0].after


def test_without_an_editor_it_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FapoError, match=r"set \$EDITOR"):
        edited_by_person("text", SORT)


# --- questions ---------------------------------------------------------------------------------------------


def test_going_back_keeps_what_was_answered(made: Made) -> None:
    draft = made.draft()
    _, text = answered(draft, ["y", "b", "", "n", "b", "y", "s", "q"])
    assert "(accepted; Enter keeps that)" in text
    assert "(rejected; Enter keeps that)" in text
    assert [change.answer for change in draft.changes] == ["accept", "accept", "skip", None]
    assert answer_counts(draft) == "2 accepted, 0 rejected, 2 changes left for later"


def test_nonsense_is_asked_again_and_after_five_times_skipped(made: Made) -> None:
    draft = made.draft()
    _, text = answered(draft, ["ok", "", "sure", "1", "yy", "q"])
    assert text.count("Please answer y, n, e, s, q, d, c or b") == 5
    assert draft.changes[0].answer == "skip"


def test_the_end_of_the_input_is_no_answer(made: Made) -> None:
    with pytest.raises(EOFError):
        answered(made.draft(), ["y"])


def test_each_change_is_shown_alone(made: Made) -> None:
    _, text = answered(made.draft(), ["s"] * 4)
    tone = text[text.index("Change 2 of 4") : text.index("Change 3 of 4")]
    assert "-TONE = 'kind'  # ä" in tone
    assert "+TONE = 'brief'  # ä" in tone
    assert "+TOP_K" not in tone
    assert "app/steps.py" in text[text.index("Change 4 of 4") :]
