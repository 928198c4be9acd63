"""The logical stack of a call: the user's functions, units of frameworks and traced steps that lead to it,
innermost first.

A task, a thread and a job of a pool begin with an empty stack of Python's; what made them is kept in their
context, so that the logical stack goes on there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context, ContextVar, copy_context
from functools import partial
from types import CodeType, CoroutineType, FrameType, FunctionType, MethodType
from typing import Any, NamedTuple

from pytest_fapo.capture import steps
from pytest_fapo.capture.framework_units import WorkUnit, reader_of
from pytest_fapo.capture.user_code import argument_names, function_name, is_users_file, subject_name

_CO_NESTED = 0x10


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

    @property
    def is_nested(self) -> bool:
        """True if another function defines it."""
        return bool(self.code.co_flags & _CO_NESTED)

    def encloses(self, other: UserFunction) -> bool:
        """True if `other` is a lambda or function that this function defines."""
        return any(each is other.code for each in self.code.co_consts)


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
        number = id(frame.f_code)
        _, look = _KNOWN.get(number) or _learn(frame)
        if look is not None:
            if look is _start_of_run:
                return entries
            if look is _event_loop and created_by:
                break  # what lies below runs the event loop, whoever made this task
            entry = look(frame, below)
            if entry is not None:
                entries.append(entry)
        below.add(number)
        frame = frame.f_back
    return [*entries, *created_by]


_Look = Callable[[FrameType, set[int]], Entry | None]
"""Gives what a frame is on the logical stack. Its second argument: identities of the codes below."""

_KNOWN: dict[int, tuple[CodeType, _Look | None]] = {}
"""Identity of a code to what its frames are, None if that is nothing. Each code is kept, so that no other
gets its identity; as keys, codes would be hashed by all that they hold."""

_MOST_KNOWN = 20_000


def _learn(frame: FrameType) -> tuple[CodeType, _Look | None]:
    if len(_KNOWN) > _MOST_KNOWN:
        _KNOWN.clear()
    learned = _KNOWN[id(frame.f_code)] = (frame.f_code, _look_for(frame))
    return learned


def _look_for(frame: FrameType) -> _Look | None:
    code, module = frame.f_code, str(frame.f_globals.get("__name__", ""))
    if module.startswith(_RUNS):
        return _start_of_run
    if module == "asyncio.events":
        return _event_loop
    if is_users_file(code.co_filename):
        if code.co_name == "<lambda>" or not code.co_name.startswith("<"):
            return _function_look(code)
        return _users_module if code.co_name == "<module>" else None
    if frame.f_globals is vars(steps):
        return _boundary if code.co_name in _SPANS else None
    reader = reader_of(frame)
    return None if reader is None else lambda frame, below: reader(frame)


def _start_of_run(frame: FrameType, below: set[int]) -> None:
    """The stack ends here."""


def _event_loop(frame: FrameType, below: set[int]) -> None:
    """A task begins here."""


def _boundary(frame: FrameType, below: set[int]) -> StepBoundary:
    return StepBoundary()


def _users_module(frame: FrameType, below: set[int]) -> UserModule:
    return UserModule(str(frame.f_globals.get("__name__")))


def _function_look(code: CodeType) -> _Look:
    names, own = argument_names(code), subject_name(code)

    def look(frame: FrameType, below: set[int]) -> UserFunction:
        if WATCHED_FUNCTIONS and code in WATCHED_FUNCTIONS:
            SEEN_FUNCTIONS.add(code)
        values = frame.f_locals
        subject = values.get(own) if own else None
        arguments = {name: values[name] for name in names if name in values}
        calls_back = any(id(each) in below for each in callback_codes(arguments))
        return UserFunction(function_name(code, subject), arguments, code, subject, calls_back)

    return look


_LOOKED_AT = 16

_NO_CALLBACKS = frozenset({str, int, float, bool, dict, type(None)})


def callback_codes(arguments: Mapping[str, Any]) -> Iterator[CodeType]:
    """Yield the code of the functions and coroutines among the arguments of a function."""
    for value in arguments.values():
        if type(value) in _NO_CALLBACKS:
            continue
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
