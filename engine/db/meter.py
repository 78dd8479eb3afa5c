"""Queries of databases and key-value stores, counted for the groups sql and cdb."""

from __future__ import annotations

from collections.abc import Callable

from engine.stats import Stats


class QueryMeter:
    """Both counters of a group. Whoever runs queries tells done(). told(source, microseconds, text) hears of slow ones."""

    def __init__(self, stats: Stats, group: str, told: Callable[[str, int, str], None]) -> None:
        self.total = stats.counter(group, f"{group}_total_queries")
        self.slow = stats.counter(group, f"{group}_slow_queries")
        self._told = told

    def done(self, seconds: float, threshold: int, source: str, text: str) -> bool:
        """A query has taken that long; threshold in microseconds, 0 for none. True: it was slow (the caller logs it)."""
        self.total.count += 1
        if not threshold or seconds * 1_000_000 <= threshold:
            return False
        self.slow.count += 1
        self._told(source, int(seconds * 1_000_000), text)
        return True
