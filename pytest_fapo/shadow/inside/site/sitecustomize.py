"""Runs at the start of every Python process of an evaluation; then hands on to the next sitecustomize."""

import os
import sys


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


def _hand_on() -> None:
    """Load the sitecustomize that this one stands before, if there is one."""
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


if "FAPO_CHILD_SPEC" in os.environ:
    _install()
_hand_on()
