"""Tell the user's code from other code; the names and arguments of its functions."""

from __future__ import annotations

import sysconfig
from functools import lru_cache
from pathlib import Path
from types import CodeType
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

_SUBJECTS = ("self", "cls")


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


def argument_names(code: CodeType) -> tuple[str, ...]:
    """Return the names of a function's arguments but for `self` and `cls`."""
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & _CO_VARARGS) + bool(code.co_flags & _CO_VARKEYWORDS)
    return tuple(name for name in code.co_varnames[:count] if name not in _SUBJECTS)


def subject_name(code: CodeType) -> str:
    """Return the argument that is the object or class which a method works on; empty for a function."""
    first = code.co_varnames[0] if code.co_argcount else ""
    return first if first in _SUBJECTS else ""
