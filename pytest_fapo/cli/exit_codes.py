"""What the exit codes of `fapo` mean. 2 is argparse's, for a command line that it does not understand."""

from __future__ import annotations

OK = 0
NOTHING_DONE = 1
"""Nothing was done: no such run, a conflict, an answer of no, an error that the message names."""
INTERRUPTED = 130
