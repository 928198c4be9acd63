"""`python -m benchmarks NAME [--check] [--quick]` prints figures beside their bars."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def names() -> list[str]:
    """Every module of this package that has a `run(check, quick)` function."""
    folder = str(Path(__file__).parent)
    modules = [module.name for module in pkgutil.iter_modules([folder])]
    return sorted(name for name in modules if not name.startswith("_") and name != "figures")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks named on the command line; with `--check`, 1 is returned if any misses its bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="+", choices=[*names(), "all"], help="which benchmark")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a figure misses its bar")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, for a first impression")
    parser.add_argument(
        "--only",
        metavar="ROW",
        help="of `planted` and `strangers` a row, of `real` a task, of `trust` kinds: they alone",
    )
    parser.add_argument(
        "--data", metavar="FOLDER", help="of `leaks`, `ablation` and `real`: the folder with the public data"
    )
    parser.add_argument(
        "--faults", metavar="FOLDER", help="of `ablation`: a folder of further small projects"
    )
    options = parser.parse_args(arguments)
    chosen = names() if "all" in options.name else options.name
    if options.only is not None and chosen not in (["planted"], ["strangers"], ["real"], ["trust"]):
        parser.error("--only goes with `planted`, `strangers`, `real` or `trust` alone")
    if options.data is not None and not {"leaks", "ablation", "real"} & {*chosen}:
        parser.error("--data goes with `leaks`, `ablation` or `real`")
    if options.faults is not None and "ablation" not in chosen:
        parser.error("--faults goes with `ablation`")
    given = {"only": options.only, "data": options.data, "faults": options.faults}
    taken = {
        "planted": ["only"],
        "strangers": ["only"],
        "leaks": ["data"],
        "ablation": ["data", "faults"],
        "real": ["data", "only"],
        "trust": ["only"],
    }
    more = {name: {key: given[key] for key in keys if given[key] is not None} for name, keys in taken.items()}
    if "all" in options.name and options.data is None:
        for name in ("leaks", "real"):
            chosen.remove(name)
            print(f"{name}: not measured without --data")
    codes = [_run(name, options.check, options.quick, more.get(name, {})) for name in chosen]
    return max(codes)


def _run(name: str, check: bool, quick: bool, more: Mapping[str, str]) -> int:
    return int(importlib.import_module(f"benchmarks.{name}").run(check, quick, **more))


if __name__ == "__main__":
    sys.exit(main())
