"""Queries counted, slow ones told."""

from __future__ import annotations

from engine.db.meter import QueryMeter
from engine.stats import Stats
from tests.modules.parts import PartServer


def test_counters_and_slow_queries() -> None:
    stats = Stats()
    told: list[tuple[str, int, str]] = []
    meter = QueryMeter(stats, "sql", lambda *facts: told.append(facts))
    assert [meter.done(0.5, limit, "sql query", "select") for limit in (0, 500_000, 499_999)] == [False, False, True]
    assert {name: item.count for name, item in stats.groups["sql"].items()} == {"sql_total_queries": 3, "sql_slow_queries": 1}
    assert told == [("sql query", 500_000, "select")]


def test_the_server_raises_an_event() -> None:
    server = PartServer()
    server.listen("E_CORE_THRESHOLD")
    server.cdb_queries.done(0.001, 10, "cachedb fetch", "key")
    assert server.heard == [("E_CORE_THRESHOLD", {"source": "cachedb fetch", "time": 1000, "extra": "key"})]
    cache = server.load("cachedb_local")
    server.init()
    assert server.stats.get("cdb_total_queries").count == 1  # type: ignore[union-attr]
    cache.collections["default"].store("a", "1")
    cache.collections["default"].add("a", 1)
    assert cache.collections["default"].fetch("a") == "2"
    assert server.stats.get("cdb_total_queries").count == 4  # type: ignore[union-attr]
