"""Tell the user's code from other code, and find the function that makes an LLM call: a step by itself."""

from __future__ import annotations

import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

_OUR_FOLDER = str(Path(__file__).resolve().parent.parent)

_LIBRARIES = tuple(
    {
        str(Path(path))
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
        if (path := sysconfig.get_path(name))
    }
)

_CO_VARARGS, _CO_VARKEYWORDS = 0x04, 0x08


class Caller(NamedTuple):
    """A function of the user's on the stack, with its arguments as they are now."""

    name: str
    arguments: dict[str, Any]


def calling_function() -> Caller | None:
    """The innermost function of the user's own code on the stack; None where there is none.

    Frames of the standard library, of installed packages and of this one are passed over, lambdas and
    comprehensions too.
    """
    frame: FrameType | None = sys._getframe(1)
    module: Caller | None = None
    while frame is not None:
        code = frame.f_code
        if is_users_file(code.co_filename):
            if not code.co_name.startswith("<"):
                return Caller(_function_name(frame), _call_arguments(frame))
            if code.co_name == "<module>" and module is None:
                module = Caller(str(frame.f_globals.get("__name__", "<module>")), {})
        frame = frame.f_back
    return module


@lru_cache(maxsize=4096)
def is_users_file(filename: str) -> bool:
    """True if a source file is neither of the standard library nor of an installed package nor ours."""
    if filename.startswith("<"):
        return False
    path = str(Path(filename).absolute())
    parts = Path(path).parts
    if "site-packages" in parts or "dist-packages" in parts:
        return False
    return not path.startswith((_OUR_FOLDER, *_LIBRARIES))


def _function_name(frame: FrameType) -> str:
    code = frame.f_code
    owner = _owner(frame)
    if owner is not None:
        return f"{owner.__name__}.{code.co_name}"
    return code.co_name


def _owner(frame: FrameType) -> type | None:
    """The class of the object that a method's frame works on."""
    code = frame.f_code
    first = code.co_varnames[0] if code.co_argcount else ""
    if first not in ("self", "cls") or first not in frame.f_locals:
        return None
    subject = frame.f_locals[first]
    return subject if isinstance(subject, type) else type(subject)


def _call_arguments(frame: FrameType) -> dict[str, Any]:
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & _CO_VARARGS) + bool(code.co_flags & _CO_VARKEYWORDS)
    values = frame.f_locals
    names = [name for name in code.co_varnames[:count] if name not in ("self", "cls")]
    return {name: values[name] for name in names if name in values}
