"""Starts, follows and ends the child process of one evaluation."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pytest_fapo.evaluate.launch import Launch, end_group
from pytest_fapo.evaluate.request import EvaluationRequest
from pytest_fapo.evaluate.shadow import ShadowTree
from pytest_fapo.evaluate.spec import describe, environment, working_folder
from pytest_fapo.evaluate.warm import launcher_of

_POLL = 0.02
LAST_WORDS = 3.0
"""Seconds that an interrupted child has for tearing its fixtures down."""


class ChildProcess:
    """One run of pytest in the shadow tree.

    Args:
        shadow: the tree.
        request: what to run.
    """

    def __init__(self, shadow: ShadowTree, request: EvaluationRequest) -> None:
        self.folder = _new_folder(shadow.base)
        self.results = Path(request.results).absolute() if request.results else self.folder / "results.jsonl"
        self.output = self.folder / "output.txt"
        self.log = self.folder / "guard.log"
        self.results.parent.mkdir(parents=True, exist_ok=True)
        self._offset = self.results.stat().st_size if self.results.exists() else 0
        self._rest = b""
        spec = self.folder / "spec.json"
        spec.write_text(json.dumps(describe(shadow, request, self.folder, self.results)), encoding="utf-8")
        cwd = working_folder(shadow, request)
        self._launch = Launch(spec, cwd, environment(shadow, cwd, spec), self.output)
        self._launcher = launcher_of(shadow)
        self._process = self._launcher.start(self._launch, fresh=request.fresh)

    @property
    def returncode(self) -> int | None:
        """The exit code; negative for a signal; None while the child runs."""
        return self._process.poll()

    def lines(self) -> Iterator[bytes]:
        """The lines of the results file that are complete by now, each once."""
        if not self.results.exists():
            return
        with self.results.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *complete, self._rest = (self._rest + data).split(b"\n")
        yield from complete

    def wait_a_moment(self) -> None:
        """Give the child time to write, less than that where it ends."""
        self._process.wait(_POLL)

    def stop(self) -> None:
        """End the child and everything that it started; first as Ctrl-C does, then at once."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGINT)
            self._process.wait(LAST_WORDS)
        self.sweep()
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def sweep(self) -> None:
        """Kill what is left of the child's own process group."""
        end_group(self._process.pid)

    def prepare_next(self, modules: list[str]) -> None:
        """Let the next child find these modules loaded."""
        self._launcher.prepare(modules, self._launch)

    def last_output(self, count: int = 15) -> str:
        """The last lines that the child printed."""
        try:
            text = self.output.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join([line for line in text.splitlines() if line.strip()][-count:])

    def noted(self, kind: str) -> list[str]:
        """What the guard noted under this word, each once, in order."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return []
        pairs = [line.partition("\t") for line in text.splitlines()]
        return list(dict.fromkeys(rest for word, _, rest in pairs if word == kind))


def _new_folder(base: Path) -> Path:
    number = sum(1 for _ in base.glob("run-*")) + 1
    folder = base / f"run-{number}"
    folder.mkdir()
    return folder
