"""What a run could tune: texts that look like prompts, and parameters with known names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_fapo.cli.init.source_modules import AppFunction, CallGraph, SourceModule
from pytest_fapo.source.constants import StringBinding

_SUFFIXES = (".md", ".txt", ".j2", ".jinja", ".jinja2", ".prompt", ".tmpl", ".mustache")

_FOLDER = re.compile(r"prompt|instruction|persona", re.I)

_STEM = re.compile(r"prompt|instruction|persona|system", re.I)

_NO_PROMPT = re.compile(
    r"^(?:readme|license|licence|changelog|changes|contributing|agents|claude|requirements.*|notice|todo)$",
    re.I,
)

_APART = re.compile(r"(?:^|/)(?:tests?|docs?|examples?|build|dist|fapo-snapshots)/|\.(?:egg|dist)-info/")

_NAME = re.compile(
    r"PROMPT|SYSTEM|INSTRUCTION|TEMPLATE|PERSONA|GUIDELINE|PREAMBLE|ROLE_?TEXT|HOUSE_STYLE|FEW_?SHOT", re.I
)

_OTHER_LANGUAGE = re.compile(
    r"^\s*(?:select|insert|update|create|with)\b.*\b(?:from|into|table|set)\b|^\s*<", re.I | re.S
)

_WORDS_BY_NAME, _WORDS_BY_LOOKS = 3, 10


@dataclass(frozen=True)
class StuckText:
    """A prompt that cannot be edited as a text where it stands."""

    place: str
    """`file:line`."""
    what: str
    """`an f-string in answer()`."""
    path: str


@dataclass
class PromptTexts:
    """What was found."""

    entries: list[str] = field(default_factory=list)
    """Entries of the scope's `prompts`."""
    read: list[str] = field(default_factory=list)
    """Entries for texts that the code reads and whose names do not say what they are."""
    stuck: list[StuckText] = field(default_factory=list)


def find_prompts(
    root: Path, paths: Sequence[str], modules: Sequence[SourceModule], graph: CallGraph
) -> PromptTexts:
    """Look for prompts in files, in constants, and inside of the functions that ask a model.

    Args:
        root: the project.
        paths: its files.
        modules: its application's modules.
        graph: their functions.
    """
    found = PromptTexts()
    found.entries += _as_patterns([path for path in paths if _is_prompt_file(root, path)], paths)
    named = {Path(text).name for module in modules for text in _file_names(module)}
    found.read += _as_patterns([path for path in paths if _is_read(root, path, named)], paths)
    asking = {graph.functions[target].module.path for target in graph.reaching}
    for module in modules:
        good, stuck = _constants(module, asks=module.path in asking)
        found.entries += good
        found.stuck += stuck
    for target in sorted(graph.reaching):
        found.stuck += _inside(graph.functions[target])
    return found


# --- files ---------------------------------------------------------------------------------------------


def _file_names(module: SourceModule) -> Iterator[str]:
    for text in module.texts:
        if 3 < len(text) < 200 and text.endswith(_SUFFIXES) and "\n" not in text:
            yield text


def _is_prompt_file(root: Path, path: str) -> bool:
    file = Path(path)
    fits = _FOLDER.search("/".join(file.parts[:-1])) or _STEM.search(file.stem)
    return bool(fits) and _could_be_prompt(root, path)


def _is_read(root: Path, path: str, named: set[str]) -> bool:
    return Path(path).name in named and _could_be_prompt(root, path) and not _is_prompt_file(root, path)


def _could_be_prompt(root: Path, path: str) -> bool:
    file = Path(path)
    is_other = file.suffix not in _SUFFIXES or _APART.search(path) or _NO_PROMPT.match(file.stem)
    return not is_other and _is_text(root / path)


def _is_text(file: Path) -> bool:
    try:
        content = file.read_bytes()
        return len(content) < 200_000 and bool(content.decode("utf-8-sig").strip()) and b"\0" not in content
    except (OSError, UnicodeDecodeError):
        return False


def _as_patterns(found: list[str], paths: Sequence[str]) -> list[str]:
    """Whole folders as `folder/*.md` where all their files of that kind are prompts; else the paths."""
    entries: list[str] = []
    for path in found:
        folder, _, name = path.rpartition("/")
        suffix = Path(name).suffix
        alike = [each for each in paths if each.rpartition("/")[0] == folder and each.endswith(suffix)]
        whole = folder and set(alike) <= set(found) and (len(alike) > 1 or _FOLDER.search(folder))
        entry = f"{_as_pattern(folder)}/*{suffix}" if whole else _as_pattern(path)
        if entry not in entries:
            entries.append(entry)
    return entries


def _as_pattern(path: str) -> str:
    """A path whose own brackets are no pattern."""
    return re.sub(r"([*?\[])", r"[\1]", path)


# --- constants -----------------------------------------------------------------------------------------


def _constants(module: SourceModule, *, asks: bool) -> tuple[list[str], list[StuckText]]:
    good: list[str] = []
    stuck: list[StuckText] = []
    for constant in module.constants.values():
        if constant.reason:
            if _NAME.search(constant.name) and _has_enough_words(constant):
                stuck.append(_stuck_constant(module, constant))
        elif _looks_like_prompt(constant, asks=asks):
            good.append(constant.name)
    return _constant_entries(module, good), stuck


def _looks_like_prompt(constant: StringBinding, *, asks: bool) -> bool:
    words = len(constant.value.split())
    if constant.name.endswith("__") or _OTHER_LANGUAGE.search(constant.value):
        return False
    return words >= (_WORDS_BY_NAME if _NAME.search(constant.name) else _WORDS_BY_LOOKS if asks else 10_000)


def _constant_entries(module: SourceModule, names: list[str]) -> list[str]:
    """`texts.py::*_PROMPT` where several end alike and nothing else does; else each by itself."""
    path = _as_pattern(module.path)
    ends = [name.rpartition("_")[2] for name in names if "_" in name and "." not in name]
    common = {
        end
        for end in ends
        if ends.count(end) > 1
        and all(
            other in names for other in module.constants if "." not in other and other.endswith(f"_{end}")
        )
    }
    entries = [
        f"{path}::*_{name.rpartition('_')[2]}"
        if "." not in name and "_" in name and name.rpartition("_")[2] in common
        else f"{path}::{name}"
        for name in names
    ]
    return list(dict.fromkeys(entries))


def _has_enough_words(constant: StringBinding) -> bool:
    expression = constant.expression
    return expression is not None and _words_in(expression) >= _WORDS_BY_NAME


def _stuck_constant(module: SourceModule, constant: StringBinding) -> StuckText:
    line = constant.statement.lineno if constant.statement is not None else 1
    kind = {ast.JoinedStr: "an f-string", ast.Dict: "a dict", ast.List: "a list", ast.BinOp: "put together"}
    what = kind.get(type(constant.expression), "computed")
    return StuckText(f"{module.path}:{line}", f"{constant.name} is {what}", module.path)


# --- inside of functions -------------------------------------------------------------------------------


def _inside(function: AppFunction) -> list[StuckText]:
    """The longest text in a function that asks a model, where it looks like a prompt."""
    docstrings = {id(node) for node in _docstrings(function.node)}
    texts = [
        node
        for node in ast.walk(function.node)
        if isinstance(node, (ast.JoinedStr, ast.Constant)) and id(node) not in docstrings
    ]
    longest = max(texts, key=_words_in, default=None)
    if longest is None or _words_in(longest) < 5:
        return []
    kind = "an f-string" if isinstance(longest, ast.JoinedStr) else "a text"
    place = f"{function.module.path}:{longest.lineno}"
    return [StuckText(place, f"{kind} in {function.name}()", function.module.path)]


def _docstrings(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr):
                yield first.value


def _words_in(node: ast.AST) -> int:
    texts = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
    return sum(len(text.split()) for text in texts if isinstance(text, str))


_DOMAINS = (
    (re.compile(r"(?:^|_)temperature$", re.I), "0..1"),
    (re.compile(r"(?:^|_)top_p$", re.I), "0..1"),
    (re.compile(r"(?:^|_)(?:top_k|k|n_results|num_results|retrieval_k|limit_docs)$", re.I), "1..20"),
    (re.compile(r"(?:^|_)max_(?:output_|completion_)?tokens$", re.I), "64..4096"),
)


def find_params(modules: Sequence[SourceModule]) -> list[str]:
    """Entries for the scope's `params`, each with bounds that the present value lies in."""
    found = []
    for module in modules:
        for constant in module.constants.values():
            value = _number(constant.expression)
            domain = next((bounds for name, bounds in _DOMAINS if name.search(constant.name)), None)
            if value is not None and domain is not None and _within(value, domain):
                found.append(f"{module.path}::{constant.name} = {domain}")
    return found


def _number(expression: ast.expr | None) -> float | None:
    if isinstance(expression, ast.Constant) and type(expression.value) in (int, float):
        return float(expression.value)  # type: ignore[arg-type]  # as was just asked
    return None


def _within(value: float, domain: str) -> bool:
    low, high = domain.split("..")
    return float(low) <= value <= float(high)
