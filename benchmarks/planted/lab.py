"""The environment of the runs: loopback server, scratch folders, and two runs at once."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.planted.project import Project
from benchmarks.planted.server import Answerer, Server, serving
from benchmarks.planted.spec import SEEN, Planted, Splits

Item = TypeVar("Item")
Result = TypeVar("Result")


class Lab:
    """Makes projects and runs them; use as `with laboratory() as lab`.

    Args:
        server: answers for all models.
        folder: scratch.
    """

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self._folder = folder
        self._count = 0
        self._lock = threading.Lock()

    def project(
        self,
        planted: Planted,
        files: Mapping[str, str],
        *,
        hidden: bool = False,
        splits: Iterable[Splits] = SEEN,
        model: Answerer | None = None,
        optimizer: Answerer | None = None,
    ) -> Project:
        """A new folder with these files and cases, whose model answers under a name of its own.

        Args:
            planted: the pipeline.
            files: its files.
            hidden: add the cases that no optimizer ever sees.
            splits: which other cases to write.
            model: answers instead of the pipeline's own model.
            optimizer: answers the models whose name begins with `opt`.
        """
        cases: list[Mapping[str, Any]] = []
        for split, listed in planted.cases().items():
            if split in splits:
                cases += listed
            elif split == "hidden" and hidden:
                # For this project they are cases like any other, and every split needs some.
                cases += [{**case, "split": name} for case, name in zip(listed, cycle(SEEN))]
        return self.place(planted.name, files, cases, model=model or planted.answer, optimizer=optimizer)

    def place(
        self,
        name: str,
        files: Mapping[str, str],
        cases: Sequence[Mapping[str, Any]],
        *,
        model: Answerer,
        optimizer: Answerer | None = None,
    ) -> Project:
        """A new folder with these files and cases, and a name at the server for its models."""
        with self._lock:
            self._count += 1
            name = f"{name}-{self._count}"
        self.server.models[name] = model
        if optimizer is not None:
            self.server.optimizers[name] = optimizer
        return Project(self._folder / name, self.server.url(name)).write(files, cases)

    def calls(self, project: Project) -> int:
        """Return the number of requests that a project's pipeline has sent to its model."""
        return self.server.calls[project.root.name]

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Do the work for every item, two at a time or as many as there are cores."""
        with ThreadPoolExecutor(max(2, (os.cpu_count() or 2))) as pool:
            return list(pool.map(work, items))


@contextmanager
def laboratory() -> Iterator[Lab]:
    """A running laboratory; its folders go away with it."""
    with serving() as server, tempfile.TemporaryDirectory(prefix="fapo-planted-") as folder:
        yield Lab(server, Path(folder))
