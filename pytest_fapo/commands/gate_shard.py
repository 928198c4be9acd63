"""`--fapo-shard=2/4`: run one share of the gate's tests, and write their results for `fapo gate join`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pytest_fapo
from pytest_fapo.commands.gate_session import PreparedGate
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.gate_result import GateProblem
from pytest_fapo.core.record import canonical_json, text_digest
from pytest_fapo.core.shard_result import ShardResult
from pytest_fapo.views.pull_request.branch_changes import GitRepository

if TYPE_CHECKING:
    from pytest_fapo.core.pytest_terminal import PytestTerminal
    from pytest_fapo.session.fapo_session import FapoSession

_LEVEL = 1
"""Of gzip: a tenth of the size for a hundredth of the time."""

_SELECTED = "fapo_shard"


def share_of(keys: Sequence[str], number: int, of: int) -> list[int]:
    """Return the places of the tests of one shard.

    Tests of one key stay together; shares differ by one key at most, and not with the order of the keys.

    Args:
        keys: of each collected test.
        number: of the shard, from 1.
        of: how many shards there are.
    """
    ranked = sorted(set(keys), key=lambda key: (text_digest(key.encode("utf-8", "surrogatepass")), key))
    mine = set(ranked[number - 1 :: of])
    return [place for place, key in enumerate(keys) if key in mine]


def shard_file(number: int | str, of: int) -> str:
    """Name of the file of a shard."""
    return f"fapo-shard-{number}-of-{of}.json.gz"


class ShardHooks:
    """Registered for the session of one shard: selects its tests, and writes each result as it comes.

    Args:
        config: pytest's.
        session: the plugin's.
        prepared: the gate's.
    """

    def __init__(self, config: pytest.Config, session: FapoSession, prepared: PreparedGate) -> None:
        self.number, self.of = config.option.fapo_shard
        self.path: Path = config.invocation_params.dir / shard_file(self.number, self.of)
        self._config = config
        self._selected: tuple[list[str], list[int]] = ([], [])
        """All tests, and the places of those of this shard."""
        self._lines: gzip.GzipFile | None = None
        self._facts: Mapping[str, str] = {}
        if not hasattr(config, "workerinput"):
            self._facts = gate_facts(config, session, prepared)
            self._begin()

    def _begin(self) -> None:
        """An earlier file is removed first: a shard that is killed leaves none.

        Raises:
            FapoError: the file cannot be written.
        """
        draft = self.path.with_name(f".{self.path.name}.tmp")
        try:
            self.path.unlink(missing_ok=True)
            self._lines = gzip.open(draft, "wb", _LEVEL)  # noqa: SIM115  # closed by `write`
        except OSError as error:
            raise _unwritable(self.path, error) from None
        self._draft = draft

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # after every other selection
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        yield
        from pytest_fapo.session.case_items import bound_case

        bounds = [bound_case(item) for item in items]
        keys = [
            f"case {bound.case.id}" if bound is not None else f"test {item.nodeid}"
            for item, bound in zip(items, bounds, strict=True)
        ]
        share = share_of(keys, self.number, self.of)
        self._selected = [item.nodeid for item in items], share
        mine = set(share)
        others = [item for place, item in enumerate(items) if place not in mine]
        items[:] = [items[place] for place in share]
        if others:
            config.hook.pytest_deselected(items=others)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[_SELECTED] = json.dumps(self._selected)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        output = getattr(node, "workeroutput", None) or {}
        if _SELECTED in output:
            self._selected = json.loads(output[_SELECTED])

    @pytest.hookimpl(optionalhook=True)
    def pytest_fapo_item(self, record: dict[str, Any]) -> None:
        if self._lines is not None:
            self._lines.write(json.dumps(record).encode() + b"\n")

    def pytest_unconfigure(self) -> None:
        """Leave no draft behind where the session did not finish."""
        if self._lines is not None:
            self._lines.close()
            self._draft.unlink(missing_ok=True)

    def write(self, session: pytest.Session, causes: Sequence[GateProblem], out: PytestTerminal) -> None:
        """Write the shard's file, also where tests have no result: then it says why.

        Raises:
            FapoError: it cannot be written.
        """
        assert self._lines is not None
        collected, share = self._selected
        shard = ShardResult(
            number=self.number,
            of=self.of,
            facts=dict(self._facts),
            collected=collected,
            share=share,
            failed=session.testsfailed,
            causes=list(causes),
        )
        try:
            self._lines.write(json.dumps({"shard": shard.model_dump(mode="json")}).encode() + b"\n")
            self._lines.close()
            self._draft.replace(self.path)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        self._lines = None
        out.file.write(
            f"\nfapo: shard {shard.name}: {len(share):,} of {len(collected):,} tests, written to "
            f"{self.path.name}; nothing is judged yet\n"
        )
        for cause in causes:
            out.file.write(f"  {cause.message}\n")
        out.file.write(f"  judge all shards with: fapo gate join {shard_file('*', self.of)}\n")


def _unwritable(path: Path, error: OSError) -> FapoError:
    return FapoError(f"--fapo-shard: {path} cannot be written: {error.strerror or error}")


def gate_facts(config: pytest.Config, session: FapoSession, prepared: PreparedGate) -> dict[str, str]:
    """Return what all shards of one gate must have alike, each fact in few words."""
    commit, changes = GitRepository(session.root).state()
    option = config.option
    floors = ", ".join(sorted(f"{floor.name}={floor.share:g}" for floor in prepared.floors))
    baseline = session.root / session.settings.baseline
    return {
        "version of pytest-fapo": pytest_fapo.__version__,
        "commit": commit[:12] or "none",
        "uncommitted changes": text_digest(changes) if changes else "none",
        "prompts and parameters in the scope": text_digest(canonical_json(prepared.digests)),
        session.settings.baseline: text_digest(baseline.read_bytes()) if baseline.is_file() else "none",
        "[tool.fapo]": text_digest(canonical_json(session.settings.model_dump(mode="json"))),
        "--fapo-policy": prepared.policy.name,
        "--fapo-target": str(prepared.policy.target),
        "--fapo-min-score": floors or "none",
        "--fapo-repeats": str(option.fapo_repeats or session.settings.repeats),
    }
