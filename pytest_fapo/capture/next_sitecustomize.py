"""Run the `sitecustomize` that one of ours is before. Ours read this file by its path."""

import os
import sys


def run_next(ours: str) -> None:
    """Run the next one.

    Args:
        ours: path of the one that runs now.
    """
    here = os.path.dirname(os.path.abspath(ours))
    kept = sys.path[:]
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    this = sys.modules.pop("sitecustomize")
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.path[:] = kept
        sys.modules.setdefault("sitecustomize", this)
