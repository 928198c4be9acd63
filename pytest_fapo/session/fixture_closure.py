"""The fixtures around one item's run: they decide which runs are the same and what a run has to wait for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_fapo.core.stash import CLOSURE_KEY

_OWN = "pytest_fapo.plugin"

_HARMLESS = {
    "monkeypatch": "_pytest.monkeypatch",
    "caplog": "_pytest.logging",
    "capsys": "_pytest.capture",
    "capsysbinary": "_pytest.capture",
    "tmp_path": "_pytest.tmpdir",
    "tmpdir": "_pytest.legacypath",
    "record_property": "_pytest.junitxml",
    "record_xml_attribute": "_pytest.junitxml",
    "subtests": "_pytest.subtests",
    "mocker": "pytest_mock.plugin",
    "anyio_backend_name": "anyio.pytest_plugin",
    "anyio_backend_options": "anyio.pytest_plugin",
    "_function_scoped_runner": "pytest_asyncio.plugin",
    "_asyncio_loop_factory": "pytest_asyncio.plugin",
}
"""Function-scoped fixtures, with the module that defines them, that change nothing until a test or another
fixture uses them. That other fixture is itself function-scoped, so it is found by its own name."""

_HARMLESS_MARKS = frozenset(
    {"fapo_cases", "parametrize", "usefixtures", "skip", "skipif", "xfail", "asyncio", "anyio", "flaky"}
    | {"timeout", "xdist_group"}
)
"""Marks that do not change what surrounds a run, or whose fixtures are looked at by themselves."""

_HOOKS = (
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_pyfunc_call",
    "pytest_fixture_setup",
)

_XUNIT = re.compile(r"_?xunit_(setup_\w+?)_fixture|_?unittest_(setUp\w*)_fixture")

_COLLECTORS: dict[str, type[pytest.Collector]] = {"module": pytest.Module, "package": pytest.Package}

Identity = tuple[Any, ...]


@dataclass(frozen=True)
class Blocker:
    """The reason why an item's run cannot start before the item's own turn."""

    what: str
    """As in `fixture 'staging' (conftest.py)`."""
    remedy: str = ""


class _WideFixture(NamedTuple):
    """A fixture that outlives single tests."""

    name: str
    definitions: tuple[int, ...]
    """Their identities."""
    nearest: Any
    """The nearest definition."""
    node: Any
    """See `scope_node`; the same for all items of one test function."""
    place: str
    """What tells the runs around which it stands from others; empty where nothing does."""


@dataclass(frozen=True)
class _Resolved:
    """The facts shared by all items of one test function."""

    definitions: dict[str, list[Any]]
    """Name to the definitions that are used for it: the nearest, and those that it overrides and asks for.
    Fixtures that wait for `run` are left out."""
    own: frozenset[str]
    """Names of the pipeline's fixture and of all that it is made of."""
    place: str
    """Node id of the folder, module or class whose definition makes this pipeline another one than elsewhere;
    empty for the only one, and for the one that others override."""
    wide: tuple[_WideFixture, ...]
    """By name."""
    feeds_fixtures: bool
    blocker: Blocker | None
    info: Any
    """Kept, so that its id stays its own."""
    parameters: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    """What `Closure.parameters` gave, by the names of all parameters of an item."""


class Closures:
    """Makes the closures of items; what items of one function have in common is found out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], _Resolved] = {}

    def of(self, item: Any, pipeline: str) -> Closure:
        """Return the closure of an item whose pipeline comes from the fixture of this name."""
        made: Closure | None = item.stash.get(CLOSURE_KEY, None)
        if made is None or made.pipeline != pipeline:
            key = (id(item._fixtureinfo), pipeline)
            if key not in self._known:
                self._known[key] = _resolved(item, pipeline)
            made = item.stash[CLOSURE_KEY] = Closure(item, pipeline, self._known[key])
        return made

    def forget(self, item: Any) -> None:
        """Keep nothing on an item that is over."""
        if CLOSURE_KEY in item.stash:
            del item.stash[CLOSURE_KEY]


class Closure:
    """The fixtures that surround the run of one item, with those of its pipeline.

    Args:
        item: a test on a case.
        pipeline: name of the fixture that gives the pipeline.
        resolved: its fixtures, as pytest has found them.
    """

    def __init__(self, item: Any, pipeline: str, resolved: _Resolved) -> None:
        self.item = item
        self.pipeline = pipeline
        self.definitions = resolved.definitions
        self.place = resolved.place
        self._resolved = resolved
        self.feeds_fixtures = resolved.feeds_fixtures
        """True if a fixture of the item depends on its run."""
        self.blocker = resolved.blocker
        """A difference between this item's turn and that of another one; None if nothing can differ."""
        self.recorded_name: str | None = None
        """See `pipeline_name`, which keeps it here."""

    @property
    def pipeline_definition(self) -> Any:
        """The definition of the pipeline's fixture; None where there is none."""
        found = self.definitions.get(self.pipeline)
        return found[0] if found else None

    def identity(self) -> Identity:
        """Equal for items whose runs happen in the same surroundings, as far as fixtures and marks tell."""
        wide = [
            (each.name, *each.definitions, self._parameter(each.name), id(each.node))
            for each in self._resolved.wide
        ]
        return (*wide, *self._marks())

    def surroundings(self) -> list[str]:
        """In words that are the same in every session, what tells this run from others of its pipeline on
        its case; empty where only the pipeline and fixtures of the whole session surround it."""
        given, found = self._callspec(), []
        for each in self._resolved.wide:
            if each.place:
                found.append(each.place)
            elif each.name in given and each.name not in self._resolved.own:
                found.append(f"{each.name} {self.item.callspec.indices.get(each.name, 0)}")
        return sorted([*found, *map(" ".join, self._marks())])

    def _marks(self) -> list[tuple[str, str, str]]:
        marks = {
            (mark.name, repr(mark.args), repr(mark.kwargs))
            for mark in marks_of(self.item)
            if mark.name not in _HARMLESS_MARKS
        }
        return sorted(marks) if marks else []

    def is_set_up(self) -> bool:
        """True if each fixture that is wider than a function has its value for this item already."""
        return all(self._has_value(each.name, each.nearest) for each in self._resolved.wide)

    def value(self) -> Any:
        """Return the value of the pipeline's fixture, which is set up."""
        return self.pipeline_definition.cached_result[0]

    def parameters(self) -> list[str]:
        """Return names of the item's parameters that its run may depend on, but for `case`."""
        given = tuple(self._callspec())
        known = self._resolved.parameters.get(given)
        if known is None:
            known = self._resolved.parameters[given] = self._relevant(given)
        return known

    def _relevant(self, given: tuple[str, ...]) -> list[str]:
        asked = {name for each in self._all() for name in each.argnames}
        may_ask = any(
            "request" in each.argnames and each.scope == "function" and not each.params
            for each in self._all()
            if not _is_direct(each) and not _is_harmless(each) and not _is_installed(each)
        )
        return [
            name
            for name in given
            if name != "case"
            and not name.startswith("_")
            and (may_ask or name in asked or not all(map(_is_direct, self.definitions.get(name, ()))))
        ]

    def _all(self) -> Iterator[Any]:
        for definitions in self.definitions.values():
            yield from definitions

    def _has_value(self, name: str, definition: Any) -> bool:
        cached = definition.cached_result
        if cached is None or cached[2] is not None:
            return False
        try:
            return bool(cached[1] == self._callspec().get(name))
        except Exception:
            return cached[1] is self._callspec().get(name)

    def _callspec(self) -> dict[str, Any]:
        callspec = getattr(self.item, "callspec", None)
        return callspec.params if callspec is not None else {}

    def _parameter(self, name: str) -> str:
        value = self._callspec().get(name)
        plain = value is None or isinstance(value, str | int | float | bool)
        return repr(value) if plain else f"object {id(value)}"


def marks_of(item: pytest.Item) -> Iterator[pytest.Mark]:
    """Yield what `iter_markers` does, in any order: it takes several times as long."""
    node: Any = item
    while node is not None:
        yield from node.own_markers
        node = node.parent


def scope_node(item: pytest.Item, scope: str) -> Any:
    """Return the collector whose end is the end of a fixture of this scope; None for the whole session."""
    if scope == "class":
        return item.getparent(pytest.Class) or item.getparent(pytest.Module)
    kind = _COLLECTORS.get(scope)
    return item.getparent(kind) if kind is not None else None


def narrow_nodes(item: Any) -> list[Any]:
    """Collectors around the item for whose sake a fixture is set up that ends before the session does."""
    registered = registered_fixtures(item.session)
    if registered is None:
        scopes = {"class", "module", "package"}
    else:
        scopes = {
            each.scope
            for definitions in registered.values()
            for each in definitions
            if each.scope in ("class", "module", "package") and each.cached_result is not None
        }
    nodes = [scope_node(item, scope) for scope in sorted(scopes)]
    return [node for node in nodes if node is not None]


def definitions_of(item: Any, name: str) -> Any:
    """Return the definitions of a fixture that the item can see, the nearest one last."""
    # The only way to ask about a fixture that the test does not list among its arguments.
    return item.session._fixturemanager.getfixturedefs(name, item) or ()


def registered_fixtures(session: Any) -> dict[str, list[Any]] | None:
    """Return every definition that this session has met, by name; None where this pytest keeps them
    elsewhere.
    """
    manager = session._fixturemanager
    flat = getattr(manager, "_arg2fixturedefs", None)  # before pytest 9.2
    if flat is not None:
        return {name: list(found) for name, found in flat.items()}
    tables = [getattr(manager, name, None) for name in ("_arg2node2fixturedefs", "_arg2nodeid2fixturedefs")]
    if tables[0] is None:
        return None
    found: dict[str, list[Any]] = {}
    for table in tables:
        for name, by_place in (table or {}).items():
            for definitions in by_place.values():
                found.setdefault(name, []).extend(definitions)
    return found


def reached(item: Any, names: Iterable[str]) -> dict[str, list[Any]]:
    """Return the definitions that these fixtures of an item are made of, by name."""
    known = item._fixtureinfo.name2fixturedefs
    found: dict[str, list[Any]] = {}
    todo = list(names)
    while todo:
        name = todo.pop(0)
        if name in found or name == "request":
            continue
        chain = list(known.get(name) or definitions_of(item, name))
        if not chain:
            continue
        found[name] = [chain.pop()]
        while chain and name in found[name][-1].argnames:
            found[name].append(chain.pop())
        todo += [argument for each in found[name] for argument in each.argnames]
    return found


def _resolved(item: Any, pipeline: str) -> _Resolved:
    definitions = reached(item, [*item.fixturenames, pipeline, *_runner(item)])
    waiting = _waiting_for_run(definitions)
    for name in waiting:
        del definitions[name]
    if all(_module(each) == _OWN for each in definitions.get("case", ())):
        definitions.pop("case", None)
    own = reached(item, [pipeline])
    always = frozenset(item.session._fixturemanager._getautousenames(item))
    registered = registered_fixtures(item.session) or {}
    locations = [
        found[0].baseid
        for name, found in own.items()
        if not _is_common(found[0].baseid, registered.get(name, ()))
    ]
    return _Resolved(
        definitions,
        own=frozenset(own),
        place=max(locations, key=len, default=""),
        wide=tuple(
            _wide(item, name, found, own=name in own, always=name in always)
            for name, found in sorted(definitions.items())
            if found[0].scope != "function"
        ),
        feeds_fixtures=bool(waiting - {"run"}),
        blocker=_blocker(item, definitions),
        info=item._fixtureinfo,
    )


def _wide(item: Any, name: str, definitions: list[Any], *, own: bool, always: bool) -> _WideFixture:
    """Return a fixture that outlives single tests.

    Args:
        item: one of the tests around which it stands.
        name: of the fixture.
        definitions: those that are used, the nearest first.
        own: True if the pipeline's fixture is made of it.
        always: True if it surrounds every test of this place, asked for or not.
    """
    nearest = definitions[0]
    node = scope_node(item, nearest.scope)
    everywhere = node is None and (own or (always and nearest.baseid in ("", ".")))
    place = "" if everywhere else f"{name} {nearest.baseid} {getattr(node, 'nodeid', '')}"
    return _WideFixture(name, tuple(map(id, definitions)), nearest, node, place)


def _is_common(base: str, definitions: Iterable[Any]) -> bool:
    """True if every other definition overrides this one, within its own folder, module or class."""
    inside = (f"{base}/", f"{base}::")
    return base in ("", ".") or all(
        each.baseid == base or each.baseid.startswith(inside) for each in definitions
    )


def _blocker(item: Any, definitions: dict[str, list[Any]]) -> Blocker | None:
    for name, found in definitions.items():
        for each in found:
            if each.scope == "function" and not _is_harmless(each):
                return Blocker(_described(each, name), _remedy(each, name))
    for hook in _HOOKS:
        for implementation in getattr(item.ihook, hook).get_hookimpls():
            if implementation.plugin_name.endswith("conftest.py"):
                return Blocker(f"the hook {hook} in {_relative(Path(implementation.plugin_name), item)}")
    return None


def _runner(item: Any) -> list[str]:
    """pytest-asyncio's fixture that holds the loop of an async test; it is asked for at set-up only."""
    scope = getattr(item, "_loop_scope", None)
    return [f"_{scope}_scoped_runner"] if isinstance(scope, str) else []


def _waiting_for_run(definitions: dict[str, list[Any]]) -> set[str]:
    waiting = {"run"} & definitions.keys()
    while True:
        more = {
            name
            for name, found in definitions.items()
            if name not in waiting and any(waiting & set(each.argnames) for each in found)
        }
        if not more:
            return waiting
        waiting |= more


def _module(definition: Any) -> str:
    return getattr(definition.func, "__module__", None) or ""


def _is_direct(definition: Any) -> bool:
    """True for what `parametrize` gives to a test; fixtures that depend on it are looked at themselves."""
    return getattr(definition.func, "__name__", "") == "get_direct_param_fixture_func"


def _is_harmless(definition: Any) -> bool:
    module = _module(definition)
    return _is_direct(definition) or module == _OWN or _HARMLESS.get(definition.argname) == module


def _is_installed(definition: Any) -> bool:
    file = getattr(getattr(definition.func, "__code__", None), "co_filename", "")
    return "site-packages" in file or "dist-packages" in file


def _described(definition: Any, name: str) -> str:
    code = getattr(definition.func, "__code__", None)
    xunit = _XUNIT.match(name)
    if xunit is not None:
        return f"{xunit[1] or xunit[2]} runs before each test"
    where = f" ({Path(code.co_filename).name}:{code.co_firstlineno})" if code is not None else ""
    return f"fixture {name!r}{where} has function scope"


def _remedy(definition: Any, name: str) -> str:
    if _XUNIT.match(name) or _is_installed(definition):
        return ""
    return 'give it scope="session" (or "module") if all cases may share it'


def _relative(path: Path, item: pytest.Item) -> str:
    root = item.config.rootpath
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
