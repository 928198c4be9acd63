"""The results of all shards of a gate, checked and taken into one session, which judges them once."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from pytest_fapo.commands.gate_shard import gate_facts
from pytest_fapo.core.gate_result import GateProblem
from pytest_fapo.core.shard_result import ShardResult
from pytest_fapo.core.stash import GATE_KEY, JOIN_KEY, SESSION_KEY
from pytest_fapo.core.text import count, listing

if TYPE_CHECKING:
    from pytest_fapo.session.fapo_session import FapoSession


class ShardJoin:
    """A plugin of a pytest session that runs no test: its results are those of the shards.

    Args:
        paths: the shards' files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> Generator[None, Any, Any]:
        """No xdist workers, whatever `addopts` says: there is nothing to run."""
        if hasattr(config.option, "numprocesses"):
            config.option.numprocesses, config.option.dist, config.option.tx = 0, "no", []
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.fapo_shard = None
        config.stash[JOIN_KEY] = self

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> bool:
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        config = session.config
        fapo, prepared = config.stash[SESSION_KEY], config.stash[GATE_KEY]
        shards: dict[str, ShardResult] = {}
        problems: list[str] = []
        for path in self._paths:
            try:
                shards[str(path)] = _read(path, fapo)
            except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error) as error:
                problems.append(f"{path}: {_damage(error)}")
        problems += _mismatched_shards(shards, gate_facts(config, fapo, prepared))
        if not problems:
            problems += _incomplete(shards, [*fapo.taken.items])
        prepared.refusals = [GateProblem(kind="shard", message=problem) for problem in problems]
        if problems:
            for taken in (fapo.taken.items, fapo.taken.traces, fapo.taken.cases):
                taken.clear()
        else:
            _in_collection_order(fapo, next(iter(shards.values())).collected)
            prepared.causes = [
                cause.model_copy(update={"message": f"shard {shard.name}: {cause.message}"})
                for shard in shards.values()
                for cause in shard.causes
            ]
            session.testsfailed = sum(shard.failed for shard in shards.values())
        session.testscollected = len(fapo.taken.items)
        return True


def _read(path: Path, session: FapoSession) -> ShardResult:
    """Take in the results of a file, and return the record that ends it.

    Raises:
        Exception: of one of many kinds; the file is damaged or none of ours.
    """
    with closing(_lines(path)) as lines:
        for line in lines:
            if line.startswith('{"shard"'):
                shard = ShardResult.model_validate(json.loads(line)["shard"])
                break
            session.take(line)
        else:
            raise EOFError
        if next(lines, None) is not None:
            raise ValueError("more than one shard in a file")
        return shard


def _lines(path: Path) -> Generator[str, None, None]:
    """Yield the lines of a file; its last one is given only where nothing follows and its checksum is
    right.
    """
    with gzip.open(path, "rt", encoding="utf-8") as file:
        last = ""
        for line in file:
            if last:
                yield last
            last = line
    yield last


def _damage(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read: {error.strerror}"
    if isinstance(error, ValidationError):
        return "not a shard's file of this version of pytest-fapo"
    return "damaged, or not the file of a shard; run the shard again"


def _mismatched_shards(shards: Mapping[str, ShardResult], facts: Mapping[str, str]) -> Iterator[str]:
    """Yield the shards that are missing, doubled, or of something else than the tree that is here."""
    several = sorted({shard.of for shard in shards.values()})
    if len(several) > 1:
        yield f"the files are of divisions into {' and into '.join(map(str, several))}: join those of one"
        return
    times = Counter(shard.number for shard in shards.values())
    for number in (number for number in times if times[number] > 1):
        names = [name for name, shard in shards.items() if shard.number == number]
        yield f"shard {number}/{several[0]} is there {len(names)} times: {listing(names, most=3)}"
    missing = [f"{number}/{of}" for of in several for number in range(1, of + 1) if number not in times]
    if missing:
        noun, verb = ("shard", "is") if len(missing) == 1 else ("shards", "are")
        yield f"{noun} {listing(missing, most=10)} {verb} missing: the join needs the files of all shards"
    for name, shard in shards.items():
        for fact in (fact for fact in {**facts, **shard.facts} if shard.facts.get(fact) != facts.get(fact)):
            there, here = shard.facts.get(fact, "none"), facts.get(fact, "none")
            remedy = (
                "give the join the shards' options, behind --" if fact.startswith("--") else "run it again"
            )
            yield f"shard {shard.name} ({name}) is stale: {fact} {there} there, {here} here; {remedy}"


def _incomplete(shards: Mapping[str, ShardResult], results: Sequence[str]) -> Iterator[str]:
    """Yield the tests that no shard ran or two, and the results that are missing without a reason."""
    (first_name, first), *others = shards.items()
    for name, shard in others:
        differing = set(first.collected) ^ set(shard.collected)
        if differing:
            yield (
                f"shard {shard.name} ({name}) collected other tests than shard {first.name} ({first_name}): "
                f"{count(len(differing), 'test')}, {min(differing)} first; all shards select the same tests"
            )
    runs = Counter(test for shard in shards.values() for test in shard.tests)
    wrong = [test for test in first.collected if runs[test] != 1]
    if wrong:
        yield f"{count(len(wrong), 'test')} ran in no shard or in several, {wrong[0]} first; run them again"
    known = set(results)
    for name, shard in shards.items():
        lost = [test for test in shard.tests if test not in known]
        if lost and not shard.causes:
            yield f"shard {shard.name} ({name}) has no result of {count(len(lost), 'test')}, {lost[0]} first"


def _in_collection_order(session: FapoSession, collected: Sequence[str]) -> None:
    """The results in the order of collection, in which one session would have them."""
    places = {nodeid: place for place, nodeid in enumerate(collected)}
    items = session.taken.items
    ordered = sorted(items, key=lambda nodeid: places.get(nodeid, len(places)))
    found = {nodeid: items[nodeid] for nodeid in ordered}
    items.clear()
    items.update(found)
