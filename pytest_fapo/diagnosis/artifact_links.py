"""Link steps to the artifacts they use: prompts by their text, parameters by name and value, functions."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from pytest_fapo.core.candidate import Artifact
from pytest_fapo.diagnosis.loose_values import normal
from pytest_fapo.diagnosis.trace_view import StepView, TraceView
from pytest_fapo.source.template_syntax import PLACEHOLDER, fixed_parts

Role = Literal["depth", "threshold", "length", "turns", "temperature", "top_p", "max_tokens", "model"]

_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("temperature", re.compile(r"(^|_)temp(erature)?$")),
    ("top_p", re.compile(r"(^|_)top_?p$")),
    ("max_tokens", re.compile(r"tokens?(_(limit|max|budget))?$|^num_predict$")),
    (
        "threshold",
        re.compile(
            r"thresh(old)?$|cut_?off$|(^|_)(min|max|least)_?"
            r"(score|sim(ilarity)?|relevance|confidence|prob(ability)?|certainty|distance)$"
            r"|^(min|least|confidence)$"
        ),
    ),
    ("length", re.compile(r"(^|_)(chars|characters|words|length|size|window)(_limit|_max)?$")),
    ("turns", re.compile(r"(^|_)(turns|steps|iterations|rounds|loops|attempts|retries|tries|hops)$")),
    (
        "depth",
        re.compile(
            r"(^|_)(top_?k|k|limit|depth|keep)$|^top_?(n|docs|passages|results)$"
            r"|(^|_)(n|num|max|number_of)_(docs|documents|passages|chunks|notes|results|hits|candidates|"
            r"articles|snippets|sources|matches|items|entries|rows|lines|facts|pieces|pages)$"
            r"|^(passages|documents|chunks|results|hits|notes)$"
        ),
    ),
    ("model", re.compile(r"(^|_)(model|llm|engine|deployment)(_?(name|id))?$")),
)


def role_of(name: str) -> Role | None:
    """Return the role of a parameter's or an argument's name, in any spelling; None for an unknown one."""
    last = snake(re.split(r"[.:]", name)[-1])
    return next((role for role, pattern in _ROLES if pattern.search(last)), None)


def snake(name: str) -> str:
    """Return a name in lower case with underscores, whatever it was spelled like."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()


def roles_of(artifacts: list[Artifact]) -> set[Role]:
    """Return the roles of those artifacts that are parameters."""
    roles = (role_of(artifact.address) for artifact in artifacts if artifact.level == "param")
    return {role for role in roles if role is not None}


def last_name(address: str) -> str:
    """Return the name or key that an address ends in."""
    return re.split(r"[.:]", address)[-1]


def reads(source: str, name: str) -> bool:
    """True if source reads a name, an attribute or a key that is spelled like it, and not a variable or an
    argument of its own, which may be called so by chance.

    Args:
        source: of one function.
        name: of a constant or field, or a key.
    """
    names = _read_in(source)
    if names is None:
        return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source) is not None
    return name in names


@lru_cache(maxsize=1024)
def _read_in(source: str) -> frozenset[str] | None:
    """Free names, attributes and strings of a source; None where it does not parse."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return None
    own = {node.arg for node in nodes if isinstance(node, ast.arg)}
    own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    free = {node.id for node in nodes if isinstance(node, ast.Name)} - own
    fields = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    keys = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    dotted = {part for key in keys if re.fullmatch(r"[\w.-]+", key) for part in key.split(".")}
    return frozenset(free | fields | dotted)


def functions_of_step(step: str, artifacts: Sequence[Artifact]) -> list[Artifact]:
    """Return the step's own function first, then those from which it is called, then those that it calls
    itself.
    """
    functions = [artifact for artifact in artifacts if artifact.kind == "function"]
    name = step.partition("#")[0]
    own = [artifact for artifact in functions if name and _is_step(artifact, name)]
    names = {_bare(artifact.name) for artifact in own} or {_bare(name)}
    callers = [artifact for artifact in functions if artifact not in own and names & called_in(artifact.text)]
    called = {each for artifact in own for each in called_in(artifact.text)}
    helpers = [
        artifact
        for artifact in functions
        if artifact not in own and artifact not in callers and _bare(artifact.name) in called
    ]
    return [*own, *callers, *helpers] if name else []


def _is_step(artifact: Artifact, name: str) -> bool:
    if artifact.name == name or f'name="{name}"' in artifact.text or f"name='{name}'" in artifact.text:
        return True
    # A method's step is named after the object's class, which may be derived from the one that defines it.
    return "." in artifact.name and "." in name and _bare(artifact.name) == _bare(name)


def _bare(name: str) -> str:
    return name.rpartition(".")[2]


@lru_cache(maxsize=1024)
def called_in(source: str) -> frozenset[str]:
    """Bare names of the functions and methods that a piece of source calls."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset()
    called = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                called.add(node.func.id)
            elif isinstance(node.func, ast.Attribute):
                called.add(node.func.attr)
    return frozenset(called)


PARAM_VIEWS = 12


def params_of_step(
    step: str, views: Sequence[TraceView], artifacts: Sequence[Artifact], functions: Sequence[Artifact]
) -> list[str]:
    """Return the addresses of the parameters that a step uses, those seen at work before those only named
    in its code.

    Args:
        step: the step's key.
        views: the traces of its pipeline.
        artifacts: of all levels.
        functions: the step's own function, its callers and what it calls.
    """
    params = [artifact for artifact in artifacts if artifact.level == "param"]
    if not params or not step:
        return []
    used = [found for view in views if (found := view.by_key(step)) is not None][:PARAM_VIEWS]
    sources = _sources(step, functions)
    seen = [param for param in params if _at_work(param, used)]
    named = [param for param in params if param not in seen and _is_named_in(param, sources)]
    return [param.address for param in (*seen, *named)]


def _sources(step: str, functions: Sequence[Artifact]) -> list[str]:
    """Return the step's own function and what it calls; its callers' code is about other steps too."""
    name = step.partition("#")[0].rpartition(".")[2]
    own = [artifact for artifact in functions if artifact.name.rpartition(".")[2] == name]
    called = {each for artifact in own for each in called_in(artifact.text)}
    return [
        artifact.text
        for artifact in functions
        if artifact in own or artifact.name.rpartition(".")[2] in called
    ]


def _is_named_in(param: Artifact, sources: Iterable[str]) -> bool:
    return any(reads(source, last_name(param.address)) for source in sources)


def _at_work(param: Artifact, used: Sequence[StepView]) -> bool:
    """True if the parameter's value shows under a name of its role in what the step was given or sent."""
    role, value = role_of(param.address), _value(param)
    if value is None or not used:
        return False
    if role is None:
        return any(_has_named(step.step.inputs, snake(last_name(param.address)), value) for step in used)
    if role == "model":
        return any(call.model == value for step in used for call in step.calls)
    if any(_has(step.step.inputs, role, value) for step in used):
        return True
    if any(_has(call.parameters, role, value) for step in used for call in step.calls):
        return True
    if role == "turns":
        return bool(max((len(step.calls) for step in used), default=0) == value)
    lists = [step.output for step in used if isinstance(step.output, list) and not step.calls]
    return role in ("depth", "length") and len(lists) >= 3 and {len(output) for output in lists} == {value}


def _has(given: Any, role: str, value: Any) -> bool:
    return isinstance(given, Mapping) and any(
        role_of(str(name)) == role and type(each) is type(value) and each == value
        for name, each in given.items()
    )


def _has_named(given: Any, name: str, value: Any) -> bool:
    """True if an argument of a parameter's own name has its value."""
    return isinstance(given, Mapping) and any(
        snake(str(each)) == name and type(found) is type(value) and found == value
        for each, found in given.items()
    )


def _value(param: Artifact) -> Any:
    try:
        return json.loads(param.text)
    except ValueError:
        return None


MIN_FRAGMENT = 12
"""Characters; shorter literal parts are found by chance."""

MIN_COVERAGE = 0.6
"""Share of an artifact's literal text that must be in the messages."""

PROMPT_VIEWS = 12


def prompts_of_step(step: str, views: Sequence[TraceView], artifacts: Sequence[Artifact]) -> list[str]:
    """Return the addresses of the prompts whose text is in the messages of a step's LLM calls.

    The most specific come first: those that no other step uses, then those of which most is found. Where
    none is found, those whose name is like the step's.
    """
    sent = _messages(views, step)
    others = {name: text for name in _names(views) if name != step and (text := _messages(views, name))}
    ranked: list[tuple[int, float, int, str]] = []
    for artifact in artifacts:
        if artifact.level != "prompt":
            continue
        coverage = _coverage(artifact.text, sent)
        if coverage >= MIN_COVERAGE:
            shared = sum(1 for text in others.values() if _coverage(artifact.text, text) >= MIN_COVERAGE)
            ranked.append((shared, -round(coverage, 1), -len(artifact.text), artifact.address))
    if ranked:
        return [address for *_, address in sorted(ranked)]
    return [
        artifact.address for artifact in artifacts if artifact.level == "prompt" and _named(artifact, step)
    ]


def _coverage(text: str, messages: list[str]) -> float:
    """Return the share of the literal text found, in the message that has most of it."""
    fragments = [piece for piece in map(_squeeze, _split(text)) if len(piece) >= MIN_FRAGMENT]
    if not fragments:
        whole = _squeeze(text)
        fragments = [whole] if len(whole) >= 6 and not PLACEHOLDER.search(text) else []
    total = sum(map(len, fragments))
    if not total or not messages:
        return 0.0
    return max(sum(len(piece) for piece in fragments if piece in message) for message in messages) / total


def _split(text: str) -> list[str]:
    """Return the literal parts between placeholders; paragraphs apart, so that a changed one leaves the
    others.
    """
    return [piece for part in fixed_parts(text) for piece in re.split(r"\n\s*\n", part)]


def _squeeze(text: str) -> str:
    return " ".join(text.replace("{", " ").replace("}", " ").replace("$$", "$").split())


def _messages(views: Sequence[TraceView], step: str) -> list[str]:
    messages: list[str] = []
    for view in views:
        used = view.by_key(step)
        if used is not None and used.calls:
            messages.append(_squeeze(used.messages_text))
        if len(messages) >= PROMPT_VIEWS:
            break
    return messages


def _names(views: Sequence[TraceView]) -> list[str]:
    return sorted({step.key for view in views[:PROMPT_VIEWS] for step in view.model_steps})


def _named(artifact: Artifact, step: str) -> bool:
    stem = artifact.name or artifact.path.rpartition("/")[2].partition(".")[0]
    name = normal(step.partition("#")[0])
    words = set(normal(stem).split()) - {"prompt", "prompts", "system", "user", "template", "text"}
    return bool(words) and (words <= set(name.split()) or bool(words & set(name.split())))


def artifacts_of_step(step: str, views: Sequence[TraceView], artifacts: Sequence[Artifact]) -> list[str]:
    """Return the addresses of the artifacts that a step was seen to use: prompts, then parameters, then
    functions, the most specific of each kind first.

    Args:
        step: the step's key.
        views: the traces of its pipeline.
        artifacts: of all levels.
    """
    functions = functions_of_step(step, artifacts)
    return [
        *prompts_of_step(step, views, artifacts),
        *params_of_step(step, views, artifacts, functions),
        *(artifact.address for artifact in functions),
    ]
