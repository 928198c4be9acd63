"""Which exported caches a session reads: those of the option, then those of the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_fapo.config import Settings
from pytest_fapo.errors import CacheFileError

Files = tuple[Path, ...]


def cache_files(config: pytest.Config, settings: Settings, root: Path) -> tuple[Files, Files]:
    """The exported caches, the first on top, and those of the setting that do not exist (yet).

    Args:
        config: pytest's; its `--fapo-cache-file` is relative to where pytest was started.
        settings: of the session.
        root: to which its `cache_files` are relative.

    Raises:
        CacheFileError: a file that the option names does not exist.
    """
    # An xdist worker may run in another folder than the user: it is given the paths as they were found.
    given = getattr(config, "workerinput", {}).get("fapo_cache_files")
    start = config.invocation_params.dir
    named = [Path(path) for path in given] if given is not None else named_files(config)
    for path in named:
        if not path.exists():
            raise CacheFileError(
                f"--fapo-cache-file: {path} does not exist (looked for from {start}); "
                f"`fapo cache export` writes such a file"
            )
    configured = [root / name for name in settings.cache_files]
    found = {path.resolve(): path for path in (*named, *configured) if path.exists()}
    return tuple(found.values()), tuple(path for path in configured if not path.exists())


def named_files(config: pytest.Config) -> list[Path]:
    """The paths of `--fapo-cache-file`, absolute."""
    return [config.invocation_params.dir / name for name in config.option.fapo_cache_file or ()]
