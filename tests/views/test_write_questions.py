from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from support.report_samples import Output

from pytest_fapo.core.candidate import SplitChange
from pytest_fapo.loop.reviewed_change import WriteChoice
from pytest_fapo.views.change_screen import ask_to_write, changes_chooser, choose_changes

CHANGE = WriteChoice(
    title="app/prompts/triage.md",
    hypothesis="The labels are not defined.",
    diff="--- a/t.md\n+++ b/t.md\n@@ -1 +1,2 @@\n Sort.\n+[red]refund[/red]: money \u202eback\x1b[31m  \n",
    splits={"train": SplitChange(before=0.61, after=0.88), "val": SplitChange(before=0.58, after=0.58)},
    fixed=24,
)


def answers(*lines: str) -> Callable[[str], str]:
    remaining = iter(lines)

    def read(question: str) -> str:
        assert question == "Write this change? [y]es / [n]o / [q]uit "
        try:
            return next(remaining)
        except StopIteration:
            raise EOFError from None

    return read


def test_the_change_is_shown_with_its_numbers_and_nothing_hidden() -> None:
    output = Output()
    assert ask_to_write(CHANGE, answers("y"), output, number=2, total=3, tty=True, width=80) is True
    assert output.lines == [
        "",
        "app/prompts/triage.md (2 of 3)",
        "The labels are not defined.",
        "",
        "--- a/t.md",
        "+++ b/t.md",
        "@@ -1 +1,2 @@",
        " Sort.",
        "+[red]refund[/red]: money \\u202eback\\x1b[31m  ",
        "",
        "train 61 % → 88 %, val 58 % → 58 %, 24 fixed, 0 broken",
    ]


def test_the_diff_is_colored_where_color_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    output = Output()
    ask_to_write(CHANGE, answers("n"), output, color=True)
    assert "\x1b[32m+[red]refund" in output.getvalue()


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (["y"], True),
        ([" YES "], True),
        (["n"], False),
        (["no"], False),
        (["q"], None),
        (["Quit"], None),
        ([], None),
        (["yep", "", "sure", "y"], True),
        (["1", "2", "3", "4", "5", "y"], False),
    ],
)
def test_answers_are_taken_strictly(typed: Iterable[str], answer: bool | None) -> None:
    output = Output()
    assert ask_to_write(CHANGE, answers(*typed), output) is answer


@pytest.mark.parametrize(
    ("typed", "kept"),
    [(["y", "n", "y"], [1, 3]), (["y", "q"], [1]), (["n", "y"], [2]), ([], [])],
)
def test_choosing_one_by_one(typed: list[str], kept: list[int]) -> None:
    changes = [CHANGE.model_copy(update={"title": str(number)}) for number in (1, 2, 3)]
    chosen = choose_changes(changes, answers(*typed), Output())
    assert [int(change.title) for change in chosen] == kept


@pytest.mark.parametrize(("typed", "kept"), [(["y"], ["1"]), (["n", "n"], []), (["q"], [])])
def test_a_run_is_given_what_was_chosen(typed: list[str], kept: list[str]) -> None:
    changes = [CHANGE.model_copy(update={"title": name}) for name in ("1", "2")]
    assert [change.title for change in changes_chooser(answers(*typed), Output())(changes)] == kept


@pytest.mark.parametrize("typed", [[], ["n"]])
def test_a_run_is_told_where_nobody_was_there_to_choose(typed: list[str]) -> None:
    """The end of the input is no answer, unless something was wanted before."""
    changes = [CHANGE.model_copy(update={"title": name}) for name in ("1", "2")]
    with pytest.raises(EOFError):
        changes_chooser(answers(*typed), Output())(changes)
