"""A run's journal: typed events on disk, journals of the version before, listeners."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.core.candidate import Attempt, Candidate, Edit, Review, SplitChange, Verdict
from pytest_fapo.core.spending import Spending
from pytest_fapo.loop.events import (
    EVENTS,
    CandidateJudged,
    ChangesApplied,
    Event,
    InterventionsFailed,
    IterationBegan,
    Note,
    Notice,
    RunBegan,
    RunFinished,
    TreeDiagnosed,
    UnreadableEvent,
)
from pytest_fapo.loop.journal import Journal

OLD = Path(__file__).parent / "journals" / "run.jsonl"
"""Written by the version whose events had no types: a whole run, and each kind of event that is in none."""


def journal_of(folder: Path, *lines: str) -> Journal:
    (folder / "journal.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Journal(folder)


def test_every_event_of_an_old_journal_is_read_and_says_the_same(tmp_path: Path) -> None:
    lines = OLD.read_text(encoding="utf-8").splitlines()
    events = list(journal_of(tmp_path, *lines).read())
    assert {event.event for event in events} == EVENTS.keys()
    for event, line in zip(events, lines, strict=True):
        assert type(event) is EVENTS[event.event]
        assert event.model_dump(mode="json", exclude_unset=True) == json.loads(line)


def test_a_resumed_run_comes_to_every_event_of_an_old_journal(tmp_path: Path) -> None:
    lines = OLD.read_text(encoding="utf-8").splitlines()
    old = list(journal_of(tmp_path, *lines).read())
    journal = Journal(tmp_path)
    journal.go_over()
    assert journal.is_known
    for event in old[1:]:
        update: dict[str, object] = {"time": 0.0}
        if isinstance(event, IterationBegan):
            update["scores"] = {"train": 0.5}
        if isinstance(event, CandidateJudged):
            update["attempt"] = event.attempt.model_copy(update={"spending": Spending(), "duration": 0.0})
        assert journal.write(event.model_copy(update=update)) == event
    assert not journal.is_known
    assert journal.path.read_text(encoding="utf-8").splitlines() == lines
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


def difference(**more: Any) -> CandidateJudged:
    verdict = Verdict(accepted=False, reason="no", splits={"train": SplitChange(before=0.5, after=None)})
    candidate = Candidate(edits=[], hypothesis="", proposer="me", technique="t")
    attempt = Attempt(candidate=candidate, review=Review(), verdict=verdict.model_copy(update=more))
    return CandidateJudged(tree="t", attempt=attempt)


@pytest.mark.parametrize(
    "more",
    [
        {"reason": "other"},
        {"broken": ["a"]},
        {"splits": {}},
        {"splits": {"train": SplitChange(before=0.5, after=0.5)}},
        {"splits": {"train": SplitChange(before=0.5, after=None), "val": SplitChange(before=1, after=1)}},
    ],
    ids=str,
)
def test_an_event_that_says_something_else_is_another_one(tmp_path: Path, more: dict[str, Any]) -> None:
    """The resumed run goes its own way from there."""
    for new, abandoned in ((difference(), False), (difference(**more), True)):
        folder = tmp_path / str(abandoned)
        folder.mkdir()
        first = Journal(folder).write(difference())
        journal = Journal(folder)
        journal.go_over()
        kept = journal.write(new)
        assert (kept != first) is abandoned
        assert list(journal.read()) == [kept]
        assert (folder / "journal-abandoned.jsonl").exists() is abandoned


def test_an_event_of_a_version_with_fewer_fields_is_come_to_again(tmp_path: Path) -> None:
    entry = difference(flaky=["a"]).model_dump(mode="json")
    del entry["attempt"]["verdict"]["flaky"]
    journal = journal_of(tmp_path, json.dumps(entry))
    journal.go_over()
    kept = journal.write(difference(flaky=["a"]))
    assert kept.attempt.verdict.flaky == []
    assert list(journal.read()) == [kept]
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


def test_what_another_version_added_does_not_hide_the_rest(tmp_path: Path) -> None:
    journal = journal_of(
        tmp_path,
        '{"event": "began", "time": 5, "folder": "a", "weather": "rain"}',
        '{"event": "weather", "time": 6}',
        '{"event": "judged", "time": 7, "attempt": {"from": "another version"}}',
        "3",
        '{"event": "applied", "time": 8, "fi',
    )
    assert list(journal.read()) == [
        RunBegan(time=5, folder="a"),
        UnreadableEvent(event="weather", time=6),
        UnreadableEvent(event="judged", time=7),
    ]
    assert list(journal.of(CandidateJudged)) == []
    assert journal.last(ChangesApplied) is None
    assert list(Journal(tmp_path / "nowhere").read()) == []


def test_the_last_event_of_a_kind_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(RunFinished(stop="budget"))
    journal.write(RunFinished(stop="target"))
    last = journal.last(RunFinished)
    assert last is not None
    assert last.stop == "target"
    assert last.time > 0


def test_credentials_are_taken_out_of_texts_and_edits_keep_their_bytes(tmp_path: Path) -> None:
    key = "sk-" + "a1b2" * 8
    candidate = Candidate(
        edits=[Edit(address="a.md", before="", after=key)],
        hypothesis=f"says {key}",
        proposer="me",
        technique="t",
    )
    verdict = Verdict(accepted=False, reason=f"401 for {key}")
    attempt = Attempt(candidate=candidate, review=Review(), verdict=verdict)
    journal = Journal(tmp_path)
    kept = journal.write(CandidateJudged(tree="t", attempt=attempt))
    assert kept.attempt.verdict.reason == "401 for [redacted]"
    assert kept.attempt.candidate.edits[0].after == key
    assert journal.path.read_text().count(key) == 1
    assert list(journal.read()) == [kept]


def test_a_listener_hears_of_an_event_that_is_on_disk(tmp_path: Path) -> None:
    heard: list[Event | Notice] = []
    on_disk: list[list[Event]] = []
    journal = Journal(tmp_path)

    def listener(what: Event | Notice) -> None:
        heard.append(what)
        on_disk.append(list(journal.read()))

    journal.listen(listener)
    first = journal.write(InterventionsFailed(reason="none"))
    journal.tell(Note("a word"))
    kept = journal.keep(TreeDiagnosed())
    assert heard == [first, Note("a word")]
    assert on_disk == [[first], [first]]
    journal.tell(kept)
    assert heard[-1] is kept
    assert list(journal.read()) == [first, kept]


def test_a_resumed_run_tells_of_what_it_comes_to_again(tmp_path: Path) -> None:
    Journal(tmp_path).write(IterationBegan(number=1))
    heard: list[Event | Notice] = []
    journal = Journal(tmp_path)
    journal.listen(heard.append)
    journal.go_over()
    again = journal.write(IterationBegan(number=1))
    assert heard == [again] == list(journal.read())


def test_a_listener_that_raises_hears_nothing_more_and_stops_nothing(tmp_path: Path) -> None:
    heard: list[Event | Notice] = []
    calls = 0

    def broken(what: Event | Notice) -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError("no display")

    journal = Journal(tmp_path)
    journal.listen(broken)
    journal.listen(heard.append)
    kept = [journal.write(IterationBegan(number=number)) for number in (1, 2)]
    assert heard == kept == list(journal.read())
    assert calls == 1


def test_ctrl_c_in_a_listener_goes_through(tmp_path: Path) -> None:
    def interrupted(what: Event | Notice) -> None:
        raise KeyboardInterrupt

    journal = Journal(tmp_path)
    journal.listen(interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.write(IterationBegan(number=1))
    assert journal.last(IterationBegan) is not None
