"""A run's journal: every event is on disk before the next thing starts, and a resumed run goes by it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pytest_fapo.capture.redaction import redacted_value
from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.text import parsed_json
from pytest_fapo.loop.events import EVENTS, LAST_SECOND, Event, Listener, Notice, UnreadableEvent

_FILE = "journal.jsonl"

_ABANDONED = "journal-abandoned.jsonl"

_EXACT = frozenset({"edits", "files", "tree", "id", "best", "decided"})
"""Fields that keep their bytes, since a resumed run builds on them."""

_BEGAN = "began"

_AROUND = (_BEGAN, "writing", "finished")
"""Events before and after the search itself; an interrupted run has them in between."""

E = TypeVar("E", bound=Event)


class Journal:
    """The events of one run, appended to a file of JSON lines; listeners hear of each once it is on disk.

    A resumed run goes over its journal: it takes every step once more, with the recorded evaluations in place
    of new ones; what is in the journal already is not written again. So it ends as if it had never stopped.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listeners: list[Listener] = []
        self._ahead: deque[dict[str, Any]] = deque()
        """Events of an interrupted run that the resumed one has not come to."""

    @property
    def path(self) -> Path:
        return self._folder / _FILE

    # --- writing --------------------------------------------------------------------------------------

    def write(self, event: E) -> E:
        """Keep an event and tell the listeners of it.

        Returns:
            the event as it stands on disk, see `keep`.
        """
        kept = self.keep(event)
        self.tell(kept)
        return kept

    def keep(self, event: E) -> E:
        """Append an event; it is on disk when this returns, and no listener has heard of it.

        Credentials are taken out of its texts; only those of edits stay byte for byte, since a resumed run
        builds on them.

        Returns:
            the event as it stands on disk: of a resumed run the interrupted one's, where that says the same.
        """
        timed = event.model_copy(update={"time": round(time.time(), 3)})
        entry = redacted_value(timed.model_dump(mode="json"), _EXACT)
        kept = type(event).model_validate(entry)
        known = self._come_to(kept)
        if known is not None:
            return known
        self._append(entry)
        return kept

    def _append(self, entry: Mapping[str, Any]) -> None:
        with self.path.open("a+b") as file:
            # A kill may have torn the last line: what comes now must not be glued to it.
            file.seek(max(0, file.tell() - 1))
            whole = file.read(1) in (b"", b"\n")
            file.write(b"" if whole else b"\n")
            file.write(_line(entry).encode())
            file.flush()
            os.fsync(file.fileno())

    # --- listeners ------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Let a listener hear of all that happens from now on."""
        self._listeners.append(listener)

    def tell(self, what: Event | Notice) -> None:
        """Tell the listeners. One that raises hears nothing more: looking on is never worth a run."""
        for listener in list(self._listeners):
            try:
                listener(what)
            except Exception:
                with contextlib.suppress(ValueError):  # another thread may have been faster
                    self._listeners.remove(listener)

    # --- resuming -------------------------------------------------------------------------------------

    def go_over(self) -> None:
        """Begin once more at the beginning; nothing happens in a run that has just begun."""
        if self.path.is_file() and not self.path.read_bytes().endswith(b"\n"):
            self._replace(list(self._entries()))  # a kill has torn its last line
        self._ahead = deque(entry for entry in self._entries() if entry.get("event") != _BEGAN)

    @property
    def is_known(self) -> bool:
        """True while a resumed run has steps before it that the interrupted one has taken."""
        return any(entry.get("event") not in _AROUND for entry in self._ahead)

    def _come_to(self, event: E) -> E | None:
        """Return the event of the interrupted run that says the same; None where there is none."""
        while self._ahead:
            entry = self._ahead.popleft()
            known = _event_of(entry)
            if isinstance(known, type(event)) and event.repeats(known):
                return known
            if entry.get("event") not in _AROUND:
                self._abandon([entry, *self._ahead])
        return None

    def _abandon(self, entries: list[dict[str, Any]]) -> None:
        """The resumed run went another way (a model without a cache answered otherwise, limits were changed):
        what the interrupted one did from here on is no part of this run."""
        kept = list(self._entries())
        del kept[len(kept) - len(entries) :]
        with (self._folder / _ABANDONED).open("a", encoding="utf-8") as file:
            file.writelines(map(_line, entries))
        self._replace(kept)
        self._ahead.clear()

    def _replace(self, entries: list[dict[str, Any]]) -> None:
        write_atomically(self.path, "".join(map(_line, entries)).encode(), durable=True)

    # --- reading --------------------------------------------------------------------------------------

    def read(self) -> Iterator[Event]:
        """Yield all events in order; a last line torn by a kill is passed over.

        What another version has written is read as far as this one knows it; else it is an `UnreadableEvent`.
        """
        return map(_event_of, self._entries())

    def of(self, kind: type[E]) -> Iterator[E]:
        """Yield the events of one kind."""
        name = kind.model_fields["event"].default
        events = (_event_of(entry) for entry in self._entries() if entry.get("event") == name)
        return (event for event in events if isinstance(event, kind))

    def last(self, kind: type[E]) -> E | None:
        """Return the last event of one kind; None where there is none."""
        last: E | None = None
        for event in self.of(kind):
            last = event
        return last

    def _entries(self) -> Iterator[dict[str, Any]]:
        if not self.path.is_file():
            return
        for line in self.path.read_bytes().split(b"\n"):
            try:
                entry = parsed_json(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _event_of(entry: Mapping[str, Any]) -> Event:
    """Return an entry as its typed event; fields that this version does not know are left out."""
    name = str(entry.get("event", ""))
    kind = EVENTS.get(name)
    if kind is not None:
        with contextlib.suppress(ValueError):
            return kind.model_validate({key: entry[key] for key in kind.model_fields if key in entry})
    when = entry.get("time")
    at = float(when) if isinstance(when, int | float) and 0 <= when <= LAST_SECOND else 0.0
    return UnreadableEvent(event=name, time=at)
