"""`fapo gate join`: a session of pytest that runs no test, and judges what the shards have left."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from pytest_fapo.cli.console import CommandConsole
from pytest_fapo.commands.gate_join import ShardJoin


def join(options: argparse.Namespace, console: CommandConsole) -> int:
    """Judge all shards together, by the project's own settings and conftest.py.

    Returns:
        the gate's exit code.
    """
    words = ["--fapo-gate", "--fapo-cache=only", "--no-header", *options.further]
    if options.settings is not None:
        words[:0] = ["-c", options.settings]
    if not any(word.startswith("-v") for word in options.further):
        words.append("-qq")  # pytest itself has nothing to tell
    # Or pytest warns that it cannot rewrite the assertions in it, which fails where warnings are errors.
    package = sys.modules["pytest_fapo"]
    package.__doc__ = f"{package.__doc__ or ''}\n\nPYTEST_DONT_REWRITE"
    return int(pytest.main(words, plugins=[ShardJoin([Path(name) for name in options.files])]))
