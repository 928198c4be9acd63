"""Place a prompt that an operator adds: in a file beside the project's, else in the function."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.propose.operators.operator_target import OperatorTarget
from pytest_fapo.propose.operators.project_functions import ProjectFunction, ProjectModule, ProjectSources

WIDTH = 96


@dataclass(frozen=True)
class NewPrompt:
    """A text with `{name}` placeholders, each of which a local variable fills."""

    purpose: str
    """One word for the file's name: `check`, `plan` …"""
    text: str
    values: Mapping[str, str]
    """Placeholder to variable."""


@dataclass(frozen=True)
class PlacedPrompt:
    """Code that gives the filled prompt, and the file that it takes."""

    code: str
    created: Edit | None = None


@dataclass(frozen=True)
class _PromptLoader:
    """A function of the project that reads prompt files by name."""

    called: str
    folder: str
    suffix: str
    """The suffix that the name lacks: `.md`, or empty."""
    fills: bool
    """True if it takes the values too."""


def place_prompt(
    prompt: NewPrompt, target: OperatorTarget, sources: ProjectSources, evidence: Evidence
) -> PlacedPrompt:
    """Keep a prompt where this project keeps its prompts, if that can be told and the scope allows it."""
    module = sources.module(target.artifact.path)
    loader = _loader(module, sources, evidence) if module is not None else None
    if loader is not None:
        name = _free_name(f"{target.name.strip('_')}_{prompt.purpose}", loader, evidence)
        path = f"{loader.folder}{name}{loader.suffix or '.md'}"
        if any(_matches(path, pattern) for pattern in evidence.creatable):
            given = name if loader.suffix else f"{name}.md"
            return PlacedPrompt(
                _loaded(loader, given, prompt), Edit(address=path, before="", after=prompt.text)
            )
    return PlacedPrompt(_inline(prompt))


def _loader(module: ProjectModule, sources: ProjectSources, evidence: Evidence) -> _PromptLoader | None:
    """Return the module's prompt loader: a call such as `load("triage")` if `triage.md` is a prompt."""
    files = [each.path for each in evidence.artifacts if each.kind == "file" and each.level == "prompt"]
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        name = node.args[0].value
        if not isinstance(name, str) or len(node.args) != 1 or not _is_plain(node.func):
            continue
        found = sources.resolve(node.func, module)
        for path in files:
            pure = PurePosixPath(path)
            if name not in (pure.name, pure.stem) or (found is not None and not _takes_a_name(found)):
                continue
            fills = bool(node.keywords)
            if fills and not _formats(found):
                continue
            folder = path[: len(path) - len(pure.name)]
            return _PromptLoader(
                ast.unparse(node.func), folder, pure.suffix if name == pure.stem else "", fills
            )
    return None


def _is_plain(called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute):
        return isinstance(called.value, ast.Name) and called.value.id not in ("self", "cls")
    return isinstance(called, ast.Name)


def _takes_a_name(found: ProjectFunction) -> bool:
    text = ast.unparse(found.node)
    return "read_text" in text or "open(" in text or "load" in text or "read" in text


def _formats(found: ProjectFunction | None) -> bool:
    return found is not None and found.node.args.kwarg is not None and ".format(" in ast.unparse(found.node)


def _free_name(wanted: str, loader: _PromptLoader, evidence: Evidence) -> str:
    taken = {artifact.path for artifact in evidence.artifacts}
    name, number = wanted, 2
    while f"{loader.folder}{name}{loader.suffix or '.md'}" in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def _matches(path: str, pattern: str) -> bool:
    """As `fnmatch` does, but `*` stays within a folder where the pattern has no `**`."""
    if "**" not in pattern and path.count("/") != pattern.count("/"):
        return False
    return fnmatchcase(path, pattern.replace("**/", "*"))


def _loaded(loader: _PromptLoader, name: str, prompt: NewPrompt) -> str:
    pairs = [f"{key}={value}" for key, value in prompt.values.items()]
    start = f'{loader.called}("{name}"' + (", " if loader.fills else ").format(")
    line = start + ", ".join(pairs) + ")"
    if len(line) <= WIDTH - 16:
        return line if pairs or loader.fills else f'{loader.called}("{name}")'
    first = [f'{loader.called}("{name}",'] if loader.fills else [f'{loader.called}("{name}").format(']
    return "\n".join([*first, *(f"    {pair}," for pair in pairs), ")"])


def _inline(prompt: NewPrompt) -> str:
    """A parenthesized string, one literal for each line."""
    literals = []
    for line in re.findall(r"[^\n]*\n*", prompt.text)[:-1]:
        literals += _literals(line, prompt.values)
    return "\n".join(["(", *(f"    {literal}" for literal in literals), ")"])


def _literals(line: str, values: Mapping[str, str]) -> list[str]:
    filled = [name for name in re.findall(r"(?<!\{)\{(\w+)\}(?!\})", line) if name in values]
    quoted = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    if not filled:
        return _folded(quoted.replace("{{", "{").replace("}}", "}"))
    for name in filled:
        quoted = quoted.replace(f"{{{name}}}", f"{{{values[name]}}}")
    return [f'f"{quoted}"']


def _folded(quoted: str) -> list[str]:
    """Long lines as several literals, cut at spaces."""
    found: list[str] = []
    while len(quoted) > WIDTH - 12:
        cut = quoted.rfind(" ", 0, WIDTH - 12) + 1
        if cut <= 1:
            break
        found.append(f'"{quoted[:cut]}"')
        quoted = quoted[cut:]
    return [*found, f'"{quoted}"']


def escaped(text: str) -> str:
    """Literal text as it stands in a prompt with `{name}` placeholders."""
    return text.replace("{", "{{").replace("}", "}}")
