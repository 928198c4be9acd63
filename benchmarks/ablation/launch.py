"""`python -m benchmarks.ablation.launch PARTS …`: pytest with parts (`kind:name,…`) left out."""

from __future__ import annotations

import runpy
import sys

from benchmarks.ablation.parts import leave_out, part


def main() -> None:
    """Leave the parts out, and become `python -m pytest` with the other arguments."""
    keys, *arguments = sys.argv[1:]
    for key in keys.split(","):
        leave_out(part(key))
    sys.argv[1:] = arguments
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
