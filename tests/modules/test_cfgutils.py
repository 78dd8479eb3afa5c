"""cfgutils: chance, locks, shared variables, times, counting."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError, ConfigErrors, MiError
from engine.module import Var
from engine.script.context import REQUEST, Context
from engine.workers import in_worker
from tests.modules.parts import PartServer


def loaded(**params: Any) -> tuple[PartServer, Any]:
    server = PartServer()
    server.load_core_mi()
    module = server.load("cfgutils", **params)
    server.init()
    return server, module


def run_of(server: PartServer) -> Context:
    return Context(server, None, REQUEST, None)


def variable(got: list[Any], values: list[Any] | None = None, text: str = "$var(x)", name: str = "var", inner: Any = None) -> Var:
    made = Var(lambda ctx: values[0] if values else None, lambda ctx, value: got.append(value), text, name, inner)
    if values is not None:
        made = type("Many", (Var,), {"at": staticmethod(lambda ctx, at: values[at] if at < len(values) else None)})(
            made.get, made.set, text, name, inner,
        )
    return made


def test_chance() -> None:
    server, module = loaded(initial_probability=0)
    ctx = run_of(server)
    assert not any(module.rand_event(ctx) for _ in range(50)) and all(module.rand_event(ctx, 100) for _ in range(50))
    module.rand_set_prob(ctx, 100)
    assert module.rand_event(ctx) and module.rand_get_prob(ctx) == 100
    module.rand_reset_prob(ctx)
    assert module.rand_get_prob(ctx) == 0
    assert 0 <= module.random_number.get(module, ctx) < 1 << 31


def test_shared_variables() -> None:
    server, module = loaded(shvset=["i=i:5", "s=s:one=two"], varset="v=s:start")
    shv = module.shv
    assert [shv.get(module, None, name) for name in ("i", "s", "u")] == [5, "one=two", 0]
    shv.set(module, None, "u", "text")
    shv.set(module, None, "i", None)
    assert [shv.get(module, None, name) for name in ("u", "i")] == ["text", 0]
    assert server.script_vars == {"v": "start"}
    for bad in ("x", "x=q:1", "=i:1", "x=i:one"):
        with pytest.raises(ConfigError):
            server.registry.set_param("cfgutils", "shvset", bad)


def test_environment_and_clock() -> None:
    os.environ["CFGUTILS_TEST"] = "J\xf6rg"
    server, module = loaded()
    assert module.env.get(module, None, "CFGUTILS_TEST") == "J\xc3\xb6rg"
    assert module.env.get(module, None, "NOT_SET_ANYWHERE") is None
    values = {name: module.clock.get(module, None, module.clock.parse_name(name)) for name in
              ("sec", "min", "hour", "mday", "mon", "year", "wday", "yday", "isdst")}
    assert values["year"] == 2023 and 1 <= values["wday"] <= 7 and 1 <= values["mon"] <= 12
    with pytest.raises(ConfigError, match="does not exist"):
        module.clock.parse_name("week")


def test_times() -> None:
    server, module = loaded()
    text: list[Any] = []
    number: list[Any] = []
    assert module.ts_usec_delta(None, 10, 500000, 12, 250000, variable(text), variable(number)) == 1
    assert (text, number) == (["1750000"], [1750000])
    assert module.ts_usec_delta(None, 0, 0, 3600, 0, None, variable(number)) == -1
    assert module.check_time_rec(None, "20200101T000000|20200102T000000") == -1
    assert module.check_time_rec(None, "UTC|20200101T000000|20200102T000000", 1577836800) == 1
    assert module.check_time_rec(None, "20200101T000000|") == 1
    assert module.check_time_rec(None, "nonsense") == -2
    got: list[Any] = []
    module.get_accurate_time(None, variable(got), variable(got), variable(got))
    assert got[2] == f"{got[0]}.{got[1]:06d}"


def test_counting() -> None:
    server, module = loaded()
    ctx = run_of(server)
    got: list[Any] = []
    module.set_count(ctx, variable([], [3, 2, 1]), variable(got))
    module.set_count(ctx, variable([], []), variable(got))
    assert got == [3, 0]
    assert module.set_select_weight(ctx, variable([], [0, 5, 0])) == 1
    assert module.set_select_weight(ctx, variable([], [7])) == 0
    assert module.set_select_weight(ctx, variable([], [])) == -1
    assert module.set_select_weight(ctx, variable([], ["a", 1])) == -1
    ctx.avps["x"] = list(range(50))
    module.shuffle_avps(ctx, variable([], None, "$avp(x)", "avp", "x"))
    assert sorted(ctx.avps["x"]) == list(range(50)) and ctx.avps["x"] != list(range(50))
    assert module.shuffle_avps(ctx, variable([], None)) == -1


def test_locks_are_handed_on_in_order() -> None:
    async def body() -> None:
        server, module = loaded()
        order: list[str] = []
        go: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def first() -> None:
            ctx = run_of(server)
            assert module.get_dynamic_lock(ctx, "k") == 1
            assert module.get_dynamic_lock(ctx, "k") == -1
            order.append("first in")
            ctx.wait(go)
            order.append("first out")
            module.release_dynamic_lock(ctx, "k")

        def later(name: str) -> None:
            ctx = run_of(server)
            module.get_dynamic_lock(ctx, "k")
            order.append(name)
            module.release_dynamic_lock(ctx, "k")

        server.workers.run(first)
        tasks = [asyncio.create_task(in_worker(server.workers, lambda name=name: later(name))) for name in ("second", "third")]
        await asyncio.sleep(0)
        assert module.get_static_lock(run_of(server), "k") == 1
        assert order == ["first in"]
        go.set_result(None)
        await asyncio.gather(*tasks)
        assert order == ["first in", "first out", "second", "third"]
        assert module.release_dynamic_lock(run_of(server), "never taken") == 1
        assert module.strings_share_lock(None, "a", "a") and not module.strings_share_lock(None, "a", "b")

    asyncio.run(body())


def test_sleep_lets_others_work() -> None:
    async def body() -> None:
        _, module = loaded()
        assert await module.usleep(None, 1000) == 1
        assert await module.sleep(None, 0) == 1
        assert await module.usleep(None, -5) == 1

    asyncio.run(body())


def test_mi(tmp_path: Path) -> None:
    async def body() -> None:
        file = tmp_path / "cfg"
        file.write_text("one")
        server, _ = loaded(hash_file=str(file), shvset="s=s:text")
        server.loop = asyncio.get_running_loop()
        call = server.mi.call
        assert await call("rand_set_prob", [55]) == "OK" and await call("rand_get_prob") == {"actual probability percent": 55}
        with pytest.raises(MiError, match="Bad parameter value"):
            await call("rand_set_prob", [101])
        assert await call("shv_set", ["n", "int", "7"]) == "OK" and await call("shv_set", ["t", "str", "x"]) == "OK"
        assert await call("shv_get", ["n"]) == {"VAR": {"type": "integer", "value": 7}}
        assert {"name": "s", "type": "string", "value": "text"} in (await call("shv_get"))[0]
        for params, code in ((["none"], 404), (["n", "int", "x"], -32602)):
            with pytest.raises(MiError) as caught:
                await call("shv_get" if len(params) == 1 else "shv_set", params)
            assert caught.value.code == code
        assert len(await call("get_config_hash")) == 32
        assert "identical" in await call("check_config_hash")
        file.write_text("two")
        with pytest.raises(MiError, match="not identical"):
            await call("check_config_hash")

    asyncio.run(body())


def test_lock_pool_size_is_a_power_of_two() -> None:
    with pytest.raises(ConfigErrors, match="power of 2"):
        loaded(lock_pool_size=3)
