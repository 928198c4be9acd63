"""The logical stack of a call: the user's functions, units of frameworks and traced steps that lead to it,
innermost first.

A task, a thread and a job of a pool begin with an empty stack of Python's; what made them is kept in their
context, so that the logical stack goes on there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextvars import Context, ContextVar, copy_context
from functools import partial
from types import CodeType, CoroutineType, FrameType, FunctionType, MethodType
from typing import Any, NamedTuple

from pytest_fapo.capture import steps
from pytest_fapo.capture.framework_units import WorkUnit, unit_of
from pytest_fapo.capture.user_code import call_arguments, function_name, is_users_file, subject_of


class UserFunction(NamedTuple):
    """A function of the user's that is under way, with its arguments as they are now."""

    name: str
    arguments: Mapping[str, Any]
    code: CodeType
    subject: Any = None
    """The object that a method works on."""
    calls_back: bool = False
    """True if it was handed a function that it calls, or a coroutine that it waits for."""

    @property
    def is_lambda(self) -> bool:
        return self.code.co_name == "<lambda>"

    def encloses(self, other: UserFunction) -> bool:
        """True if `other` is a lambda or function that this function defines."""
        return other.code in self.code.co_consts


class UserModule(NamedTuple):
    """A module of the user's that is being imported."""

    name: str


class StepBoundary(NamedTuple):
    """A traced function begins here: the entry before it is the function."""


Entry = UserFunction | UserModule | WorkUnit | StepBoundary

CREATED_BY: ContextVar[tuple[Entry, ...]] = ContextVar("pytest_fapo_created_by", default=())
"""The logical stack of the code that made this task, thread or job."""

INHERITED: ContextVar[steps.CurrentStep | None] = ContextVar("pytest_fapo_inherited", default=None)
"""The step that this task, thread or job began in."""

WATCHED_FUNCTIONS: set[CodeType] = set()
"""The code of functions of which it matters whether they run."""

SEEN_FUNCTIONS: set[CodeType] = set()
"""Those of them that were on the stack of a call, or of what made a task or thread."""

_KEPT = 100
"""Entries of a stack that are kept for tasks and threads: of loops in which each task makes the next."""

_SPANS = frozenset({"_call_step", "_drive_coroutine", "wrapper_generator", "wrapper_asyncgen"})
_RUNS = "pytest_fapo.session"


def call_stack() -> list[Entry]:
    """Return the logical stack of the calling code, innermost first, up to the start of its run."""
    entries: list[Entry] = []
    created_by = CREATED_BY.get()
    below: set[int] = set()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(_RUNS):
            return entries
        if created_by and module == "asyncio.events":
            break  # what lies below runs the event loop, whoever made this task
        entry = _entry_of(frame, below)
        if entry is not None:
            entries.append(entry)
        below.add(id(frame.f_code))
        frame = frame.f_back
    return [*entries, *created_by]


def _entry_of(frame: FrameType, below: set[int]) -> Entry | None:
    """What a frame is on the logical stack; None if it is nothing.

    Args:
        frame: the frame.
        below: identities of the codes that it has led to.
    """
    code = frame.f_code
    if not is_users_file(code.co_filename):
        if frame.f_globals is vars(steps):
            return StepBoundary() if code.co_name in _SPANS else None
        return unit_of(frame)
    if not code.co_name.startswith("<") or code.co_name == "<lambda>":
        if code in WATCHED_FUNCTIONS:
            SEEN_FUNCTIONS.add(code)
        subject, arguments = subject_of(frame), call_arguments(frame)
        calls_back = any(map(below.__contains__, map(id, callback_codes(arguments))))
        return UserFunction(function_name(code, subject), arguments, code, subject, calls_back)
    return UserModule(str(frame.f_globals.get("__name__"))) if code.co_name == "<module>" else None


_LOOKED_AT = 16


def callback_codes(arguments: Mapping[str, Any]) -> Iterator[CodeType]:
    """The code of the functions and coroutines among the arguments of a function."""
    for value in arguments.values():
        # Only the first: a list of a thousand documents holds none, and is looked at with every call.
        for each in value[:_LOOKED_AT] if isinstance(value, tuple | list) else (value,):
            called = each.func if isinstance(each, partial) else each
            called = called.__func__ if isinstance(called, MethodType) else called
            if isinstance(called, FunctionType):
                yield called.__code__
            elif isinstance(called, CoroutineType):
                yield called.cr_code


def continue_in(context: Context) -> None:
    """Let the logical stack of the calling code go on in a context of its own."""
    context.run(_inherit, tuple(call_stack()[:_KEPT]), steps.CURRENT_STEP.get())


def continued_context() -> Context:
    """Return a copy of the current context in which the logical stack goes on."""
    context = copy_context()
    continue_in(context)
    return context


def _inherit(stack: tuple[Entry, ...], step: steps.CurrentStep | None) -> None:
    CREATED_BY.set(stack)
    INHERITED.set(step)
