"""What a cache holds, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone

from pytest_fapo.llm.cache import Cache
from pytest_fapo.llm.wire import api_of_answer, model_of_answer


@dataclass(frozen=True)
class CacheStats:
    """What a cache holds."""

    answers: int = 0
    bytes: int = 0
    """Size of the folder."""
    models: dict[str, int] = field(default_factory=dict)
    """Model, as the answers name it, to number of answers, the most first; empty name where they do not."""
    apis: dict[str, int] = field(default_factory=dict)
    """API as in `LLMCall.api` to number of answers, the most first."""
    offline: int = 0
    """Answers that the stand-in model gave."""
    imported: int = 0
    """Answers that came in a file."""
    oldest: datetime | None = None
    """When the first of the answers was recorded, in UTC; None where there is none."""
    newest: datetime | None = None


def cache_stats(cache: Cache) -> CacheStats:
    """Count what is in the local cache; a cache that is not there yet is not made.

    Raises:
        ConfigError: the cache cannot be opened.
    """
    if not cache.exists():
        return CacheStats()
    models: Counter[str] = Counter()
    apis: Counter[str] = Counter()
    offline = imported = 0
    for answer in map(cache.get, cache.keys()):
        if answer is None:
            continue
        models[model_of_answer(answer)] += 1
        apis[api_of_answer(answer)] += 1
        offline += answer.offline
        imported += answer.imported
    oldest, newest = map(_moment, cache.recorded_between() or (None, None))
    return CacheStats(
        answers=apis.total(),
        bytes=sum(file.stat().st_size for file in cache.folder.iterdir() if file.is_file()),
        models=_most_first(models),
        apis=_most_first(apis),
        offline=offline,
        imported=imported,
        oldest=oldest,
        newest=newest,
    )


def clear_cache(cache: Cache) -> int:
    """Forget every answer and give the space back; returns how many answers there were.

    Raises:
        ConfigError: the cache cannot be opened.
    """
    if not cache.exists():
        return 0
    count = len(cache)
    cache.clear()
    return count


def _most_first(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, tz=timezone.utc) if seconds is not None else None
