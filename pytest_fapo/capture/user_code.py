"""Tell the user's code from other code; the names and arguments of its functions."""

from __future__ import annotations

import sysconfig
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_OUR_FOLDER = str(Path(__file__).resolve().parent.parent)

_LIBRARIES = tuple(
    {
        str(Path(path))
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
        if (path := sysconfig.get_path(name))
    }
)

_CO_VARARGS, _CO_VARKEYWORDS = 0x04, 0x08


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


def function_name(code: CodeType, subject: Any) -> str:
    """Return `function`, or `Class.method` with the class of the object that a method works on."""
    if subject is None:
        return code.co_name
    owner = subject if isinstance(subject, type) else type(subject)
    return owner.__name__ if code.co_name == "__call__" else f"{owner.__name__}.{code.co_name}"


def subject_of(frame: FrameType) -> Any:
    """Return the object or class that a method's frame works on; None for a function."""
    code = frame.f_code
    first = code.co_varnames[0] if code.co_argcount else ""
    return frame.f_locals.get(first) if first in ("self", "cls") else None


def call_arguments(frame: FrameType) -> dict[str, Any]:
    """Return the arguments of a function that is under way, as they are now."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & _CO_VARARGS) + bool(code.co_flags & _CO_VARKEYWORDS)
    values = frame.f_locals
    names = [name for name in code.co_varnames[:count] if name not in ("self", "cls")]
    return {name: values[name] for name in names if name in values}
