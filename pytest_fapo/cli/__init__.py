"""The command `fapo`: looks at runs, takes their changes in and back, minds the cache, sets a project up."""

from __future__ import annotations

from pytest_fapo.cli.main import main

__all__ = ["main"]
