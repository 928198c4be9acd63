"""Every error that pytest-fapo raises for its user, in one small tree. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from typing import Literal

_THREAD_BOUND = re.compile(
    r"(bound|attached) to a different (event )?loop|no current event loop in thread"
    r"|event loop is already running|run the event loop while another loop is running"
    r"|can only be used in that same thread|signal only works in main thread"
)


def is_bound_to_thread(message: str) -> bool:
    """True if something was used in another thread, or on another event loop, than it belongs to."""
    return _THREAD_BOUND.search(message) is not None


class FapoError(Exception):
    """Base of the errors that a user can act on; the message is one clear sentence or two."""


class ConfigError(FapoError):
    """A setting in `[tool.fapo]` or on the command line cannot be used; the message names the key."""


class SettingsConflict(ConfigError):
    """The tests of one command have several `[tool.fapo]`; the message names the files and what to type."""

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self.command = command


class CaseError(FapoError):
    """A case file cannot be used; the message names the file and, where known, the line."""


class CacheFileError(FapoError):
    """An exported cache cannot be read or written; the message names the file and, where known, the line."""


class BaselineError(FapoError):
    """The baseline cannot be used; the message names the file and, where known, the line."""

    def __init__(
        self,
        message: str,
        *,
        kind: Literal["missing-baseline", "stale-format"] = "stale-format",
        line: int = 0,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.line = line


class ArtifactError(FapoError):
    """An artifact cannot be found, read or edited; the message names its address."""


class PipelineError(FapoError):
    """A pipeline fixture does not give something that can be called with a case's inputs."""


class EvaluationError(FapoError):
    """An evaluation could not be carried out (as opposed to: it ran and tests failed)."""


class NoAnswer(FapoError):
    """Nothing can be judged, since a model gave no whole answer; the message quotes the provider."""


class DiskError(FapoError):
    """The disk is full or read-only, or the `.fapo` folder is none that can be written."""


_OF_THE_DISK = (errno.ENOSPC, errno.EROFS, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Say in words what a full disk, or another's `.fapo` folder, does not let through.

    Raises:
        DiskError: that is why something cannot be written.
    """
    try:
        yield
    except OSError as error:
        where = str(error.filename or "a file")
        if error.errno in _OF_THE_DISK:
            remedy = "make room, then start again (--fapo-resume goes on with a run)"
        elif ".fapo" in where.replace("\\", "/").split("/"):
            remedy = "runs and answers are kept there: make it writable, or move away what is in its place"
            if error.errno == errno.ENOENT:
                remedy = "it was there when the run began; start again"
        else:
            raise
        raise DiskError(f"{where} cannot be written: {error.strerror}; {remedy}") from error


class CallStopped(BaseException):
    """Base of the refusals to send an LLM request.

    Derived from BaseException, as pytest's own outcomes are, so that neither an SDK's retry loop nor a
    pipeline's `except Exception` takes a refusal for a provider's failure.
    """


class CacheMiss(CallStopped):
    """`--fapo-cache=only` and the request has no recorded answer; the message names the request."""


class NetworkRefused(CallStopped):
    """`--fapo-cache=only`, and a case opens a connection that `allow_hosts` does not name."""


class RunEnded(CallStopped):
    """The case's time is over, so whatever still runs of it sends no further request."""


class ModelUnavailable(FapoError):
    """A case is not run, since the model has answered none of the cases before it."""


class BudgetExceeded(CallStopped):
    """The next call would go past a budget; `limit` names the option that set it."""

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(message)
        self.limit = limit
