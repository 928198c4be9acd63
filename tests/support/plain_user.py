"""Whatever a test does as another user than root."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import pytest

USER = 12345

ROOT = Path(__file__).parents[2]

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"
)


def as_plain_user(arguments: Sequence[str], cwd: Path, home: Path) -> str:
    """Run this Python, or one of the same version, as a user without rights; return what it says.

    Args:
        arguments: of the interpreter.
        cwd: where.
        home: the user's own folder, also for temporary files.
    """
    os.chown(home, USER, USER)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), sysconfig.get_path("purelib")])
    own = {"PYTHONPATH": paths, "HOME": str(home), "TMPDIR": str(home), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment = {**{name: value for name, value in os.environ.items() if name != "CI"}, **own}
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for python in (Path(sys.executable).resolve(), Path("/usr/bin", version)):
        try:
            done = subprocess.run(
                [python, *arguments],
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
                user=USER,
                group=USER,
                extra_groups=[],
            )
        except OSError:
            continue
        return done.stdout + done.stderr
    pytest.skip("a plain user cannot start this Python")
