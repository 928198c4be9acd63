"""Everything that `fapo init` finds out about a project, without running any of its code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.cli.init.asking_models import UNSEEN
from pytest_fapo.cli.init.functions import CallGraph, Function
from pytest_fapo.cli.init.keys import DEFAULT_KEYS, can_ask, key_names
from pytest_fapo.cli.init.layout import Layout, fixtures_of, is_installed, read_layout
from pytest_fapo.cli.init.pipelines import pipeline_candidates
from pytest_fapo.cli.init.sources import SourceModule, application_modules, project_paths
from pytest_fapo.cli.init.texts import PromptTexts, find_prompts
from pytest_fapo.cli.init.values import find_params
from pytest_fapo.config import Scope
from pytest_fapo.errors import ArtifactError


@dataclass(frozen=True)
class Survey:
    """The project as it is."""

    layout: Layout
    paths: list[str]
    modules: list[SourceModule]
    graph: CallGraph

    @classmethod
    def of(cls, root: Path) -> Survey:
        """Read the project.

        Raises:
            ConfigError: a settings file cannot be read.
        """
        layout = read_layout(root)
        paths = project_paths(root)
        modules = application_modules(root, paths)
        return cls(layout, paths, modules, CallGraph(modules))

    @cached_property
    def by_name(self) -> dict[str, SourceModule]:
        return {module.name: module for module in self.modules}

    @cached_property
    def candidates(self) -> list[Function]:
        return pipeline_candidates(self.graph, self.by_name)

    @cached_property
    def prompts(self) -> PromptTexts:
        """Prompts that the scope can name; what it could not take is left out."""
        found = find_prompts(self.layout.root, self.paths, self.modules, self.graph)
        root = self.layout.root
        entries, read = _usable(root, found.entries, "prompts"), _usable(root, found.read, "prompts")
        # Where nothing is called a prompt, what the code reads is likely to be one.
        return PromptTexts(entries or read, read if entries else [], found.stuck)

    @cached_property
    def params(self) -> list[str]:
        return _usable(self.layout.root, find_params(self.modules), "params")

    @cached_property
    def fixtures(self) -> dict[str, str]:
        """Fixture to the conftest.py that defines it."""
        return dict(fixtures_of(self.layout.root, self.paths))

    @cached_property
    def unseen(self) -> list[str]:
        """Libraries in modules that name a model's endpoint, or whose calls can only be a model's, and that
        pytest-fapo cannot record."""
        used = {name for module in self.modules for name in module.imports.values()}
        asking = {
            name for module in self.modules if module.spells_an_endpoint for name in module.imports.values()
        }
        return sorted(
            library
            for library in UNSEEN
            if any(
                name == library or name.startswith(f"{library}.")
                for name in (used if library.startswith(("google.", "vertexai")) else asking)
            )
        )

    @cached_property
    def can_ask(self) -> bool:
        """Whether the model could be asked now; else something has to answer in its place."""
        asking = {self.graph.functions[target].module.path for target in self.graph.asking}
        return can_ask(self.layout.root, self.modules, asking)

    @cached_property
    def further_keys(self) -> list[str]:
        """Environment variables of keys that the code names, beside those of OpenAI and Anthropic."""
        return [name for name in key_names(self.modules) if name not in DEFAULT_KEYS]

    def missing_on_path(self, function: Function | None) -> list[str]:
        """Folders that pytest's `pythonpath` lacks to import a function's module."""
        if function is None or self.layout.finds(function.module.import_root):
            return []
        if is_installed(function.module.name, self.layout.root):
            return []
        return [function.module.import_root]


def _usable(root: Path, entries: list[str], setting: str) -> list[str]:
    good = []
    for entry in entries:
        try:
            ArtifactStore(root, Scope.model_validate({setting: [entry]})).all()
        except (ArtifactError, ValueError):
            continue
        good.append(entry)
    return good
