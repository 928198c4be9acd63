"""`fapo cache`: count recorded answers, delete them, export them to a file and import them."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fapo.cli.console import NOTHING_DONE, OK, CommandConsole, find_root
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.text import count

if TYPE_CHECKING:
    from pytest_fapo.answers.cache import CacheStats
    from pytest_fapo.answers.cache_export import ExportResult

_COLUMN = 10

_DEFAULT = "fapo-cache.json"


def stats(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo cache stats`."""
    from pytest_fapo.answers.cache import cache_stats
    from pytest_fapo.answers.cache_layers import local_cache

    cache = local_cache(find_root(settings=options.settings))
    found = cache_stats(cache)
    if options.json:
        moments = {
            name: moment.isoformat() if moment is not None else None
            for name, moment in (("oldest", found.oldest), ("newest", found.newest))
        }
        console.json({**asdict(found), **moments})
    elif not found.answers:
        console.line(f"No answer is recorded in {cache.folder}.")
    else:
        _show(found, cache.folder, console)
    return OK


def _show(found: CacheStats, folder: Path, console: CommandConsole) -> None:
    facts = [
        ("answers", f"{found.answers:,}"),
        ("size", _size(found.bytes)),
        ("models", _counted(found.models)),
        ("APIs", _counted(found.apis)),
        ("stand-in", f"{found.offline:,} were given by the offline stand-in" if found.offline else ""),
        ("imported", f"{found.imported:,} came in a file or from other machines" if found.imported else ""),
        ("oldest", f"{found.oldest.astimezone():%Y-%m-%d %H:%M}" if found.oldest else ""),
        ("newest", f"{found.newest.astimezone():%Y-%m-%d %H:%M}" if found.newest else ""),
        ("folder", str(folder)),
    ]
    for label, text in facts:
        if text:
            console.terminal.labeled(label, text, column=_COLUMN)


def _counted(names: dict[str, int]) -> str:
    return ", ".join(f"{name or 'unknown'} {number:,}" for name, number in names.items())


def _size(size: int) -> str:
    if size < 1_000_000:
        return f"{size / 1000:,.1f} kB"
    return f"{size / 1_000_000:,.1f} MB"


def clear(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo cache clear`."""
    from pytest_fapo.answers.cache import clear_cache
    from pytest_fapo.answers.cache_layers import local_cache

    cache = local_cache(find_root(settings=options.settings))
    if not cache.exists() or not len(cache):
        console.line(f"No answer is recorded in {cache.folder}.")
        return NOTHING_DONE
    question = f"Forget {count(len(cache), 'answer')} in {cache.folder}? Asking again costs money."
    try:
        if not options.yes and not console.confirm(question, default=False):
            console.line("Nothing was deleted.")
            return NOTHING_DONE
    except EOFError:
        raise ConfigError("no one answered; `fapo cache clear --yes` does not ask") from None
    console.line(f"Forgot {count(clear_cache(cache), 'answer')}.")
    return OK


def export(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo cache export PATH`."""
    from pytest_fapo.answers.cache_export import export_cache
    from pytest_fapo.answers.cache_layers import project_cache
    from pytest_fapo.answers.used_keys import has_redacting_hook, used_keys
    from pytest_fapo.capture.redaction import Redactor
    from pytest_fapo.core.settings import load_settings
    from pytest_fapo.loop.run_folder import typed_path

    root = find_root(settings=options.settings)
    settings = load_settings(None, root)
    path = Path(options.path) if options.path else root / (*settings.cache_files, _DEFAULT)[0]
    keys = None if options.all else used_keys(root / ".fapo")
    cache = project_cache(root, settings.cache_files)
    try:
        done = export_cache(cache, path, keys=keys, redact=Redactor.of(settings))
    finally:
        cache.close()
    which = "all that are recorded" if keys is None else "those that the cases used when they last ran"
    console.line(f"{typed_path(path)}: {count(done.answers, 'answer')}, {which}; {_size(done.bytes)}.")
    for sentence in _warnings(done, keys, typed_path(path), has_redacting_hook(root / ".fapo")):
        console.line((sentence, "yellow"))
    if path.resolve() not in [(root / name).resolve() for name in settings.cache_files]:
        shown_path = path.resolve().relative_to(root) if path.resolve().is_relative_to(root) else path
        console.line(
            f'To read it: cache_files = ["{shown_path.as_posix()}"] in [tool.fapo], or --fapo-cache-file.'
        )
    return OK


def _warnings(done: ExportResult, keys: list[str] | None, path: str, hook: bool) -> list[str]:
    """Return warnings on what the file lacks or what must be looked at before it is shared."""
    missing = 0 if keys is None else len(keys) - done.answers - len(done.left_out)
    sentences = list(done.left_out)
    if missing > 0:
        answers = count(missing, "answer")
        sentences.append(f"{answers} that the cases used can be found no longer; run pytest again.")
    if done.redacted:
        answers = count(done.redacted, "answer")
        sentences.append(f"A credential, or what `redact` matches, was taken out of {answers}.")
    if hook:
        sentences.append(
            "The project's hook pytest_fapo_redact was not asked: an export runs outside of pytest. "
            f"Look through {path} before you share it."
        )
    return sentences


def import_(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo cache import PATH`."""
    from pytest_fapo.answers.cache_export import import_cache
    from pytest_fapo.answers.cache_layers import local_cache
    from pytest_fapo.session.capturing import prepare_folder

    root = find_root(settings=options.settings)
    if Path(options.path).exists():
        prepare_folder(root / ".fapo")
    done = import_cache(local_cache(root), Path(options.path))
    known = f"; {done.known:,} were known and stay as they are" if done.known else ""
    console.line(f"{options.path}: {count(done.added, 'new answer')}{known}.")
    return OK if done.added else NOTHING_DONE
