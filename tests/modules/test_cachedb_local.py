"""cachedb_local: expiry, counters, collections and groups, patterns, MI, restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigErrors, MiError, ScriptError
from modules.cachedb_local import Collection
from tests.helpers import FakeClock, Harness, make_request
from tests.modules.small_parts import printed, script, show


def test_expiry_and_counters() -> None:
    clock = FakeClock()
    cache = Collection("c", clock)
    cache.store("k", "v", 10)
    assert cache.add("n", 5, 10) == 5 and cache.add("n", -7, 1000) == -2 and cache.fetch("n") == "-2"
    cache.store("for ever", "x")
    clock.now = 10.0
    assert cache.fetch("k") == "v"
    clock.now = 10.1
    assert cache.fetch("k") is None and cache.counter("n") is None and cache.add("n", 1) == 1
    cache.store("t", "text")
    with pytest.raises(ScriptError):
        cache.add("t", 1)
    with pytest.raises(ScriptError):
        cache.store("", "x")
    cache.store("short", "x", 1)
    clock.now = 20.0
    cache.clean()
    assert set(cache.items) == {"for ever", "n", "t"}
    assert cache.add("n", 2**31 - 1) == -(2**31)


def test_patterns() -> None:
    cache = Collection("c", FakeClock())
    for key in ("user_1", "user_22", "other", "us*r"):
        cache.store(key, "x")
    assert cache.matching("user_?") == ["user_1"]
    assert cache.matching("us[e]r_*") == ["user_1", "user_22"]
    assert cache.matching("us\\*r") == ["us*r"]


def test_groups_chunks_and_mi() -> None:
    params = {"cachedb_local.cache_collections": "one; two = 5", "cachedb_local.cachedb_url": ["local:///one", "local:g:///two"]}
    body = " ".join([
        'cache_store("local", "a1", "x"); cache_store("local:g", "a1", "y"); cache_fetch("local:g", "a1", $var(x));',
        show("$var(x)"),
        'cache_remove_chunk("one", "a*");', show("$rc"), 'cache_fetch("local", "a1", $var(x));', show("$rc"),
        'cache_remove_chunk("nosuch", "*");', show("$rc"), 'cache_fetch("local:none", "a", $var(x));', show("$rc"),
        'cache_remove_chunk("a*");', show("$rc"),
    ])
    with Harness(script("cachedb_local", body, params)) as server:
        server.send(make_request())
        assert [line.strip() for line in server.xlog()] == ["y", "1", "-2", "-1", "-1", "1"]
        assert server.mi("cache_fetch", ["local:g", "a1"]) == {"key": "a1", "value": "y"}
        assert server.mi("cache_store", ["local:g", "a2", "z", "5"]) == "OK"
        assert server.mi("cache_fetch_chunk", {"glob": "a?", "collection": "two"}) == {
            "keys": [{"name": "a1", "value": "y"}, {"name": "a2", "value": "z"}]}
        server.advance(6)
        assert server.mi("cache_fetch_chunk", ["*", "two"]) == {"keys": [{"name": "a1", "value": "y"}]}
        assert server.mi("cache_remove_chunk", ["*", "two"]) == "OK"
        for command, params_, code in (
            ("cache_fetch", ["local:g", "a1"], 400), ("cache_fetch", ["nosuch", "a"], 500), ("cache_store", ["local:g", "a",
            ""], -32602),
            ("cache_store", ["nosuch", "a", "b"], 500), ("cache_remove", ["nosuch", "a"], 500), ("cache_remove_chunk", ["*",
            "x"], 500),
            ("cache_fetch_chunk", ["*", "x"], -32602), ("cache_remove", ["", "a"], -32602), ("cache_store", ["local:g", "a",
            "b", "-1"], -32602),
        ):
            with pytest.raises(MiError) as caught:
                server.mi(command, params_)
            assert caught.value.code == code, command


def test_data_comes_back_after_a_restart(tmp_path: Path) -> None:
    file = str(tmp_path / "memory")
    more = f'restart_persistency_cache_file="{file}"'
    body = ('cache_fetch("local", "k", $var(x)); ' + show("$rc $var(x)") + ' cache_store("local", "k", "kept \xe4"); '
            'cache_store("local", "t", "short", 100);')
    params = {"cachedb_local.enable_restart_persistency": 1}
    assert printed("cachedb_local", body, params, more) == ["-2 <null>"]
    assert printed("cachedb_local", body, params, more) == ["1 kept \xe4"]


@pytest.mark.parametrize(("name", "value"), [
    ("cluster_id", 1), ("cachedb_url", "redis://x"), ("cachedb_url", "local:///unknown"), ("cache_collections", "a=x"),
    ("cache_clean_period", 0),
])
def test_bad_parameters(name: str, value: str | int) -> None:
    with pytest.raises(ConfigErrors):
        Harness(script("cachedb_local", "exit;", {f"cachedb_local.{name}": value}))


def test_a_chunk_needs_a_pattern() -> None:
    with pytest.raises(ConfigErrors, match="too few"):
        Harness(script("cachedb_local", "cache_remove_chunk();"))
