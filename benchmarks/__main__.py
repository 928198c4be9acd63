"""`python -m benchmarks NAME [--check] [--quick]` measures, and prints each figure beside its bar."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path


def names() -> list[str]:
    """Every module of this package that has a `run(check, quick)` function."""
    folder = str(Path(__file__).parent)
    modules = [module.name for module in pkgutil.iter_modules([folder]) if not module.ispkg]
    return sorted(name for name in modules if not name.startswith("_") and name != "figures")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks named on the command line; with `--check`, 1 is returned if any misses its bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="+", choices=[*names(), "all"], help="which benchmark")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a figure misses its bar")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, for a first impression")
    options = parser.parse_args(arguments)
    chosen = names() if "all" in options.name else options.name
    codes = [_run(name, options.check, options.quick) for name in chosen]
    return max(codes)


def _run(name: str, check: bool, quick: bool) -> int:
    return int(importlib.import_module(f"benchmarks.{name}").run(check, quick))


if __name__ == "__main__":
    sys.exit(main())
