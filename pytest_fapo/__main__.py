"""`python -m pytest_fapo`: the command `fapo`."""

from __future__ import annotations

import sys

from pytest_fapo.cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())
