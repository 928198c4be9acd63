"""Stop asking a model that has answered none of a session's first cases: a wrong key is found out once."""

from __future__ import annotations

import threading

from pytest_fapo.core.errors import ModelUnavailable, is_bound_to_thread
from pytest_fapo.core.trace import Trace
from pytest_fapo.core.unanswered import unanswered_in

_CASES = 8
"""Cases in a row, from the first, after which no further one is run."""


class OutageBreaker:
    """Watches the runs of a session until one of them is answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered = False
        self._failed = 0
        self._reason = ""

    def check(self) -> None:
        """Before a run.

        Raises:
            ModelUnavailable: all runs so far got no answer.
        """
        if self._reason:
            raise ModelUnavailable(self._reason)

    def note(self, trace: Trace) -> None:
        """After a run."""
        if self._answered or not trace.llm_calls:
            return
        missing = unanswered_in(trace)
        if any(is_bound_to_thread(each.message) for each in missing):
            return  # the run happens once more, alone
        with self._lock:
            if not missing:
                self._answered = True
                return
            self._failed += 1
            if self._failed >= _CASES and not self._answered:
                said = f": {missing[0].message}" if missing[0].message else ""
                self._reason = (
                    f"not run: the first {self._failed} cases got no answer from the model "
                    f"({missing[0].reason}){said}"
                )
