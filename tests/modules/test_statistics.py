"""statistics: counters, groups, $stat, iterators, series."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ConfigError, ConfigErrors, ScriptError
from engine.module import Var
from modules.shared.statseries import Series, parse_profile
from tests.modules.parts import FakeClock, PartServer


def loaded(**params: Any) -> tuple[PartServer, Any]:
    server = PartServer()
    module = server.load("statistics", **params)
    server.init()
    return server, module


def update(module: Any, name: str, value: int) -> int:
    return int(module.update_stat(None, module.reference(name), value))


def test_counters_come_into_being_where_they_belong() -> None:
    server, module = loaded(variable=["mine", "kept/no_reset"], stat_groups="grp, other")
    assert module.stat_value.get(module, None, "mine") == 0
    assert module.stat_value.get(module, None, "dyn") is None
    for name in ("mine", "grp:hits", "dyn", "kept"):
        assert update(module, name, 5) == 1
    assert update(module, "mine", -2) == 1 and update(module, "never", 0) == 1
    values = {f"{item.group}:{item.name}": item.count for item in server.stats if item.group in ("script", "grp", "dynamic")}
    assert values == {"script:kept": 5, "script:mine": 3, "grp:hits": 5, "dynamic:dyn": 5}
    for name in ("mine", "kept"):
        module.reset_stat(None, module.reference(name))
    assert [module.stat_value.get(module, None, name) for name in ("mine", "kept", "grp:hits")] == [0, 5, 5]
    module.stat_value.set(module, None, "grp:hits", 0)
    assert module.stat_value.get(module, None, "grp:hits") == 0
    module.stat_value.set(module, None, "mine", 3)
    assert any("can only be set to 0" in line for line in server.lines)
    with pytest.raises(ConfigError, match="stat_groups"):
        module.reference("nogroup:x")
    with pytest.raises(ScriptError):
        module.stat_value.set(module, None, "nogroup:x", 0)


def test_reset_makes_a_counter_too_and_gauges_are_left_alone() -> None:
    server, module = loaded()
    assert module.reset_stat(None, module.reference("fresh")) == 1
    assert server.stats.get("dynamic:fresh").count == 0
    assert update(module, "used_size", 5) == 1


def test_iterators_go_through_a_group() -> None:
    _, module = loaded(stat_groups="grp")
    for name in ("a", "b", "c"):
        update(module, f"grp:{name}", ord(name))
    got: dict[str, Any] = {}
    name = Var(lambda ctx: None, lambda ctx, value: got.__setitem__("name", value), "$var(n)")
    value = Var(lambda ctx: None, lambda ctx, value: got.__setitem__("value", value), "$var(v)")
    iterator = module.iteration("it")
    seen = []
    assert module.stat_iter_init(None, module.group_name("grp"), iterator) == 1
    while module.stat_iter_next(None, name, value, iterator) == 1:
        seen.append((got["name"], got["value"]))
    assert seen == [("a", 97), ("b", 98), ("c", 99)]
    with pytest.raises(ConfigError):
        module.group_name("none")


def test_series_are_read_as_statistics() -> None:
    profiles = ["perc: algorithm=percentage window=10 slots=5", "avg: algorithm=average group=times"]
    server, module = loaded(stat_series_profile=profiles)
    percent, average = module.profile("PERC"), module.profile("avg")
    for value in (1, 1, 1, -1):
        assert module.update_stat_series(None, percent, "asr", value) == 1
    for value in (10, 20):
        module.update_stat_series(None, average, "pdd", value)
    assert server.stats.get("perc:asr").count == 75 and server.stats.get("times:pdd").count == 15
    assert module.update_stat_series(None, average, "asr", 1) == -1
    server.fake.time += 11
    assert server.stats.get("asr").count == 0 and server.stats.get("pdd").count == 15
    with pytest.raises(ConfigError):
        module.profile("none")


def test_a_series_forgets_slot_by_slot() -> None:
    clock = FakeClock(1000.0)
    series = Series(parse_profile("s: window=10 slots=5"), clock)
    for _ in range(5):
        series.add(1)
        clock.time += 2
    assert series.value() == 4
    clock.time += 4
    assert series.value() == 2
    clock.time += 100
    assert series.value() == 0


@pytest.mark.parametrize("text", ["", "p: algorithm=none", "p: window=x", "p: window", "p: percentage_factor=3", "p: color=red"])
def test_bad_profiles(text: str) -> None:
    with pytest.raises(ValueError):
        parse_profile(text)


@pytest.mark.parametrize("params", [{"variable": "x/forever"}, {"stat_series_profile": ["a: window=5", "A: window=6"]}])
def test_bad_parameters(params: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, ConfigErrors)):
        loaded(**params)
