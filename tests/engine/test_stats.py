"""engine.stats."""

from engine.stats import Stats


def test_counters_are_found_by_name_and_group() -> None:
    stats = Stats()
    hits = stats.counter("sl", "hits")
    assert stats.counter("sl", "hits") is hits
    other = stats.counter("tm", "hits")
    hits.inc()
    hits.inc(4)
    other.set(9)
    assert stats.get("hits") is hits
    assert stats.get("sl:hits") is hits
    assert stats.get("tm:hits") is other
    assert stats.get("none") is None
    assert stats.get("none:hits") is None
    assert [(one.group, one.name, one.count) for one in stats] == [("sl", "hits", 5), ("tm", "hits", 9)]


def test_reset_is_refused_where_it_makes_no_sense() -> None:
    stats = Stats()
    kept = stats.counter("x", "kept", no_reset=True)
    plain = stats.counter("x", "plain")
    kept.inc()
    plain.inc()
    kept.reset()
    plain.reset()
    assert (kept.count, plain.count) == (1, 0)


def test_computed_values_are_asked_for_each_time() -> None:
    stats = Stats()
    numbers = [1, 2]
    size = stats.register("x", "size", lambda: len(numbers), on_reset=numbers.clear)
    assert size.gauge
    assert size.count == 2
    numbers.append(3)
    assert stats.get("size") is size
    assert size.count == 3
    size.reset()
    assert size.count == 0
    again = stats.register("x", "size", lambda: 7)
    assert stats.get("size") is again
    assert list(stats.groups["x"]) == ["size"]
