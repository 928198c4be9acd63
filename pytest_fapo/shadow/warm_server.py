"""The process behind `WarmServer`: `python -m pytest_fapo.shadow.warm_server ORDERS ANSWERS`.

Both arguments are descriptors of pipes. The first line of ORDERS lists the modules to load, and names the
folder that nothing is loaded from; each further one orders a child. For each child two lines are answered:
its process id, and its exit code once it has ended.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from contextlib import suppress
from typing import Any

_UNFIT = 3


def serve(orders: int, answers: int) -> int:
    """Load the modules and fork children until the orders end.

    Returns:
        The exit code; in a forked child, that of its run.
    """
    with os.fdopen(orders, encoding="utf-8") as lines:
        _load(**json.loads(lines.readline()))
        if len(os.listdir("/proc/self/task")) > 1:
            return _UNFIT  # a module has started threads; those do not survive a fork
        # Not gc.freeze(): gc.get_referrers() does not see what is frozen, and libraries go by it.
        gc.collect()
        here = os.getcwd()
        for line in lines:
            order = json.loads(line)
            child = os.fork()
            if child == 0:
                break
            os.write(answers, b"%d\n" % child)
            _, status = os.waitpid(child, 0)
            os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))
        else:
            return 0
    os.close(answers)
    return _run(order, here)


def _load(modules: list[str], base: str) -> None:
    """Load them, and nothing that a candidate may have written: this process is in no cage."""
    path = [*sys.path]
    sys.path[:] = [
        entry for entry in path if not f"{os.path.realpath(entry)}{os.sep}".startswith(f"{base}{os.sep}")
    ]
    import pytest  # noqa: F401

    import pytest_fapo.shadow.child_plugin  # noqa: F401

    for name in modules:
        with suppress(Exception):
            importlib.import_module(name)
    sys.path[:] = path
    for name in {module.partition(".")[0] for module in modules}:
        if name in sys.modules:  # else pytest warns that it cannot rewrite the assertions in it
            sys.modules[name].__doc__ = f"{sys.modules[name].__doc__ or ''}\n\nPYTEST_DONT_REWRITE"


def _run(order: dict[str, Any], server_folder: str) -> int:
    """Become the process that a new interpreter would be, and run the tests."""
    os.setsid()
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    life_line = os.environ["FAPO_LIFE_LINE"]
    os.environ.clear()
    os.environ.update(order["environment"], FAPO_LIFE_LINE=life_line)
    os.chdir(order["cwd"])
    if sys.path and sys.path[0] == server_folder:
        sys.path[0] = order["cwd"]
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    from pytest_fapo.shadow.child import main

    return main(order["spec"])


if __name__ == "__main__":
    sys.exit(serve(int(sys.argv[1]), int(sys.argv[2])))
