"""`[tool.fapo]` validated: every setting with its default and meaning. Every error names the key."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.project_file import SettingsHome, project_file, read_toml
from pytest_fapo.core.scope import Scope, SettingsSection
from pytest_fapo.core.text import did_you_mean

PROVIDERS = ("openai", "anthropic", "command", "gepa")
"""The built-in proposers' names before the colon."""

CacheMode = Literal["auto", "refresh", "only", "off"]

WriteMode = Literal["auto", "ask", "patch", "never"]

GuardMode = Literal["all", "selected"]

Policy = Literal["strict", "paired", "target"]

Cage = Literal["on", "require", "off"]

Demonstrations = Literal["made", "train", "off"]


class ProviderSettings(SettingsSection):
    """The optimizer's access to one provider, if it differs from the SDK's own environment variables."""

    base_url: str | None = None
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; the key itself is never in a file."""
    max_tokens: int = Field(default=8000, gt=0)
    """Tokens that one answer of the optimizer may have."""
    timeout: float = Field(default=120.0, gt=0)
    """Seconds until one request to the optimizer is given up."""
    evidence_chars: int = Field(default=24_000, ge=2_000)
    """Characters of cases and earlier attempts shown to the optimizer; less suits a small local model."""


class OfflineSettings(SettingsSection):
    """A stand-in that answers LLM requests without a network while no key is set."""

    model: str
    """`module:function`, called with the request; see docs/offline.md."""
    unless_env: list[str] = Field(default_factory=lambda: ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"])
    """The stand-in is used only while none of these environment variables is set."""


class CommandSettings(SettingsSection):
    """The settings for running a coding agent (`command:`)."""

    time_limit: float = Field(default=600.0, gt=0)
    """Seconds until the program is ended."""
    env: list[str] = Field(default_factory=list)
    """Names of environment variables that it gets, beside PATH, LANG, TERM and its provider's key. With HOME
    it gets your home folder too; else an empty one."""
    isolated: bool = True
    """Refuse to run it where the system offers no way to lock it out of the project."""


class Settings(SettingsSection):
    """All of `[tool.fapo]`."""

    pipeline: str = "pipeline"
    """Name of the fixture that gives the pipeline."""
    steps: list[str] = Field(default_factory=list)
    """Functions traced as steps: `module:function`, `module:Class.method`, `module:*`."""
    optimizer: list[str] = Field(default_factory=lambda: ["playbook"])
    """Proposers in the order in which they are asked: `playbook`, `openai:<model>`, `anthropic:<model>`,
    `command:<program and arguments>`."""
    diagnoser: str | None = None
    """`openai:<model>` or `anthropic:<model>` that reads what the rules leave unsure; default: the first such
    entry of `optimizer`; `off` for none."""
    reviewer: str | None = None
    """`openai:<model>` or `anthropic:<model>` that reviews candidates in a fresh context; default: the first
    such entry of `optimizer`; `off` for none."""
    scope: Scope = Field(default_factory=Scope)
    endpoints: list[str] = Field(default_factory=list)
    """Further URL path endings that are LLM endpoints."""
    allow_hosts: list[str] = Field(default_factory=list)
    """The hosts that cases may connect to under `--fapo-cache=only`, and candidates beside those of the
    baseline: `host`, `host:port`, with `*`, or the path of a Unix socket.
    """
    review: Literal["on", "off"] = "on"
    """Read candidates before they run (on), or run whatever fits the scope (off: for trying what holds it).
    """
    cage: Cage = "on"
    """Lock candidates in (on), refuse to try any where the system cannot do it whole (require), or not (off).
    """
    allow_read: list[str] = Field(default_factory=list)
    """Files and folders outside of the project that candidates may read, beside those that the baseline read.
    """
    allow_write: list[str] = Field(default_factory=list)
    """Files and folders outside of the project that tests write into: candidates may, too."""
    redact: list[str] = Field(default_factory=list)
    """Regular expressions; what they match never reaches a trace, the cache's index or a report."""
    llm: dict[Literal["openai", "anthropic"], ProviderSettings] = Field(default_factory=dict)
    offline: OfflineSettings | None = None
    optimizer_prompts: str | None = None
    """Folder (relative to the settings' folder) whose files override the prompts sent to the optimizer."""
    optimizer_candidates: int = Field(default=1, ge=1, le=8)
    """Candidates asked for in one request to an LLM optimizer."""
    concurrency: int = Field(default=16, ge=1, le=1024)
    timeout: float | None = Field(default=None, gt=0)
    """Seconds that one case may take."""
    target: float | None = Field(default=None, gt=0, le=1)
    policy: Policy = "strict"
    """The gate's rule for decisions; see docs/gate.md."""
    margin: float = Field(default=0.05, ge=0, lt=1)
    """Policy `paired`: by how much a val score may seem to fall before it counts as a loss."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Policy `paired`: how sure a gain must be, and a loss excluded."""
    objective: list[str] = Field(default_factory=list)
    """Name of the graded metric to raise, or a list of them; default: whether the tests pass."""
    lower_is_better: list[str] = Field(default_factory=list)
    """Graded metrics of which less is better, beside `tokens`, `usd` and `seconds`."""
    judge_repeats: int = Field(default=1, ge=1, le=100)
    """The number of times that `run.judge` asks its judge about one output."""
    guarded: dict[str, float] = Field(default_factory=dict)
    """Graded metric to the amount by which its mean over a split may fall; all metrics not named: 0."""
    repeats: int = Field(default=1, ge=1, le=100)
    """The number of times that each case is run in an evaluation."""
    folds: int = Field(default=1, ge=1, le=20)
    """Parts that `train` and `val` are cut into for the search, each `val` in its turn; 1: the splits as they
    are."""
    demonstrations: Demonstrations = "made"
    """The permitted source of examples in prompts: made up (made), also quoted from train cases (train), none
    (off).
    """
    max_demonstrations: int = Field(default=8, ge=1, le=64)
    """Examples that one prompt may hold."""
    candidate_time_limit: float | None = Field(default=None, gt=0)
    """Seconds that one evaluation of a candidate may take; default: ten times the baseline's, at least 60."""
    parallel: int = Field(default=2, ge=1, le=16)
    """Candidates evaluated side by side."""
    holdout_looks: int = Field(default=30, ge=1)
    """The number of times one run may evaluate the held-out cases; each look wears them out a little."""
    prune_calls: int | None = Field(default=None, ge=0)
    """LLM calls for finding out which accepted rules are not needed; None: as many as an evaluation makes."""
    interventions: int = Field(default=24, ge=0)
    """Cases that one diagnosis may run again with a step's output replaced."""
    command: CommandSettings = Field(default_factory=CommandSettings)
    imports: list[str] = Field(default_factory=list)
    """Modules that rewritten code may import, beside those that its file or the review's list has."""
    baseline: str = "fapo-baseline.json"
    """File (relative to the settings' folder) against which `--fapo-gate` compares."""
    snapshots: str = "fapo-snapshots"
    """Folder (relative to the settings' folder) of the Markdown snapshots that are written with the baseline;
    empty for none."""
    min_score: dict[str, float] = Field(default_factory=dict)
    """Floors of `--fapo-gate`: what to score and the least it may be, such as `{"pipeline" = 0.9}`."""
    cache_files: list[str] = Field(default_factory=list)
    """Exported caches (relative to the settings' folder) that are read below the local one."""
    cache_url: str = ""
    """Redis through which machines share recorded answers: `redis://host:6379/0`, `rediss://` for TLS. A
    `${NAME}` in it is an environment variable."""
    trace_limit: int = Field(default=20_000, ge=100)
    """Bytes of JSON kept of one recorded value."""
    max_prompt_chars: int = Field(default=20_000, ge=100)
    """Review blocks an edit that makes a prompt longer than this (and longer than it was)."""

    @field_validator("objective", mode="before")
    @classmethod
    def _objectives(cls, names: Any) -> Any:
        return [names] if isinstance(names, str) else names

    @field_validator("objective")
    @classmethod
    def _named_once(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise ValueError(f"expected the name of a metric, or a list of different names, got {names!r}")
        return names

    @field_validator("steps")
    @classmethod
    def _step_patterns(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            if not re.fullmatch(r"[\w.]+:[\w.*?\[\]]+", pattern):
                raise ValueError(
                    f"{pattern!r} is not of the form 'package.module:function' or 'package.module:*'"
                )
        return patterns

    @field_validator("allow_hosts")
    @classmethod
    def _hosts(cls, entries: list[str]) -> list[str]:
        from pytest_fapo.core.allowed_hosts import check_entry

        for entry in entries:
            check_entry(entry)
        return entries

    @field_validator("cache_url")
    @classmethod
    def _address(cls, url: str) -> str:
        from pytest_fapo.core.cache_url import check_cache_url

        if url:
            check_cache_url(url, in_file=True)
        return url

    @field_validator("optimizer")
    @classmethod
    def _proposers(cls, names: list[str]) -> list[str]:
        for name in names:
            if not re.fullmatch(r"[A-Za-z][\w.-]*(:\s*\S.*)?", name):
                raise ValueError(
                    f"{name!r} is none of 'playbook', 'openai:<model>', 'anthropic:<model>', "
                    f"'command:<program>', 'gepa', nor the name of a proposer of your own"
                )
        return names

    @field_validator("diagnoser", "reviewer")
    @classmethod
    def _known_model(cls, name: str | None) -> str | None:
        known = re.fullmatch(r"[A-Za-z][\w.-]*:\S+", name or "") and not (name or "").startswith("command:")
        if name not in (None, "off") and not known:
            raise ValueError(f"{name!r} is none of 'off', 'openai:<model>', 'anthropic:<model>'")
        return name

    def model_for(self, role: Literal["diagnoser", "reviewer"]) -> str | None:
        """Return the model of a role, `openai:<model>` or `anthropic:<model>`; None where none is to be
        asked.
        """
        named: str | None = getattr(self, role)
        if named is not None:
            return None if named == "off" else named
        return self.optimizing_model

    @property
    def optimizing_model(self) -> str | None:
        """The first model that `optimizer` names, be it one that GEPA asks; None where it names none."""
        names = (name.removeprefix("gepa:") for name in self.optimizer)
        return next((name for name in names if name.startswith(("openai:", "anthropic:"))), None)

    def is_record(self, path: str) -> bool:
        """True if a file holds what earlier runs gave: the baseline, a snapshot, an exported cache.

        Args:
            path: relative to the rootdir, POSIX.
        """
        files = [PurePosixPath(name) for name in (self.baseline, self.snapshots, *self.cache_files) if name]
        return any(file in (PurePosixPath(path), *PurePosixPath(path).parents) for file in files)

    def under(self, folder: str) -> Settings:
        """Return the same settings with paths that begin with a folder (POSIX); nothing changes if empty."""
        if not folder:
            return self
        scope = {
            level: [_under_folder(folder, entry) for entry in getattr(self.scope, level)]
            for level in Scope.model_fields
        }
        return self.model_copy(
            update={
                "scope": Scope.model_validate(scope),
                "baseline": _under_folder(folder, self.baseline),
                "snapshots": _under_folder(folder, self.snapshots) if self.snapshots else "",
                "cache_files": [_under_folder(folder, name) for name in self.cache_files],
                "optimizer_prompts": _under_folder(folder, self.optimizer_prompts)
                if self.optimizer_prompts
                else self.optimizer_prompts,
            }
        )

    @field_validator("redact")
    @classmethod
    def _patterns_compile(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return patterns


def _under_folder(folder: str, path: str) -> str:
    """Return a path (or an address, or a pattern) of a folder's settings as it is called from above."""
    text = path.strip()
    return text if PurePosixPath(text).is_absolute() else f"{folder}/{text.removeprefix('./')}"


def load_settings(inipath: Path | None, rootpath: Path) -> Settings:
    """Read `[tool.fapo]` of the project in a folder.

    Args:
        inipath: the configuration file of pytest, if any.
        rootpath: the folder.

    Raises:
        ConfigError: the file is not TOML or a key cannot be used; the message names file and key.
    """
    path = project_file(inipath, rootpath)
    return read_settings(path) if path.is_file() else Settings()


def home_settings(home: SettingsHome) -> Settings:
    """Read the settings of a session; their paths are relative to `home.root` then.

    Raises:
        ConfigError: see `load_settings`.
    """
    return read_settings(home.file).under(home.prefix) if home.file is not None else Settings()


def read_settings(path: Path) -> Settings:
    """Read `[tool.fapo]` of a file.

    Raises:
        ConfigError: see `load_settings`.
    """
    try:
        document = read_toml(path)
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    tool = document.get("tool", {})
    table = tool.get("fapo", {}) if isinstance(tool, dict) else {}
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        raise ConfigError(_explained(error, path, table)) from None


def _explained(error: ValidationError, path: Path, table: Any) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in ("tool", "fapo", *problem["loc"]))
        if problem["type"] == "extra_forbidden":
            lines.append(f"{path}: {key}: no such setting{_nearest_key(problem['loc'], table)}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{path}: {key}: {message[:1].lower()}{message[1:]}")
    return "\n".join(lines)


def _nearest_key(location: tuple[int | str, ...], table: Any) -> str:
    names: set[str] = set()
    for section in (Settings, Scope, ProviderSettings, OfflineSettings, CommandSettings):
        names.update(section.model_fields)
    return did_you_mean(str(location[-1]), sorted(names))
