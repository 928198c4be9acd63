"""Runs at the start of every Python process of an evaluation; then hands on to the next sitecustomize."""

import os
import sys

_path = [*sys.path]

_outside: list[str] = []
"""The path without the copy: no file of a candidate is loaded before the cage is closed."""


def _begin() -> None:
    """Load what closes the cage while nothing else can be found; the copy comes on the path in `go_on`."""
    base = os.path.realpath(os.path.dirname(os.path.dirname(os.environ["FAPO_CHILD_SPEC"]))) + os.sep
    _outside[:] = [entry for entry in _path if not os.path.realpath(entry).startswith(base)]
    sys.path[:] = _outside
    _install()
    import runpy  # noqa: F401
    import select  # noqa: F401
    import signal  # noqa: F401

    if sys.platform == "linux":
        import pytest_fapo.shadow.inside.cage  # noqa: F401


def _install() -> None:
    """Map this process onto the shadow tree; a Python that cannot load pytest-fapo is left alone."""
    package_folder = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4))
    sys.path.insert(0, package_folder)
    try:
        from pytest_fapo.shadow.inside import bootstrap
    except Exception:
        return
    finally:
        sys.path.remove(package_folder)
    bootstrap.install()


def go_on() -> None:
    """The cage is closed: the copy is on the path from here on."""
    sys.path[:] = [*sys.path[: len(sys.path) - len(_outside)], *_path]
    _hand_on()


def _hand_on() -> None:
    """Load the sitecustomize that this one is before, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))
    own = sys.modules.pop("sitecustomize", None)
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    try:
        import sitecustomize  # type: ignore[import-not-found] # noqa: F401
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        if own is not None:
            sys.modules.setdefault("sitecustomize", own)


if "FAPO_LIFE_LINE" in os.environ:  # the first process of an evaluation, which closes its cage itself
    _begin()
else:
    if "FAPO_CHILD_SPEC" in os.environ:
        _install()
    _hand_on()
