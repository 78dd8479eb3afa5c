"""Recipes, conversions and what becomes of errors; the core's commands."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from engine.errors import DbError, MiError
from engine.mi.blacklist_commands import parse_rule
from engine.mi.dispatch import arguments, bind
from engine.module import Module, mi_command
from engine.registry import read_exports
from tests.modules.parts import PartServer


class Sample(Module):
    """Commands of all shapes."""

    name = "sample"

    @mi_command("plain")
    def plain(self, number: int, text: str, items: list[str] | None = None) -> list[Any]:
        return [number, text, items]

    @mi_command("quiet")
    async def quiet(self) -> None:
        await asyncio.sleep(0)

    @mi_command("named", named_only=True)
    def named(self, a: str) -> str:
        return a

    @mi_command("bad")
    def bad(self) -> int:
        return 1 // 0

    @mi_command("database")
    def database(self) -> None:
        raise DbError("disk full")


def command(name: str) -> Any:
    sample = Sample()
    return bind(sample, next(decl for decl in read_exports(Sample).mi_commands if decl.name == name))


@pytest.mark.parametrize("name, params, data", [
    ("plain", None, "Too few or too many parameters"), ("plain", {}, "Too few or too many parameters"),
    ("plain", [1], "Too few or too many parameters"), ("plain", {"number": 1}, "Too few or too many parameters"),
    ("plain", {"number": 1, "wrong": 2}, "Named parameters do not match"),
    ("plain", ["x", "t"], "Bad type for parameter 'number'"), ("plain", [True, "t"], "Bad type for parameter 'number'"),
    ("plain", [1, None], "Bad type for parameter 'text'"), ("plain", [1, "t", "x"], "Bad type for parameter 'items'"),
    ("plain", [1, "t", []], "Empty array in parameter 'items'"),
    ("plain", [1, "t", [[]]], "Bad type for array item in parameter 'items'"),
    ("quiet", [1], "Too few or too many parameters"), ("named", ["x"], "Command only supports named parameters"),
])
def test_parameters_that_do_not_fit(name: str, params: Any, data: str) -> None:
    with pytest.raises(MiError) as caught:
        arguments(command(name), params)
    assert (caught.value.code, caught.value.message, caught.value.data) == (-32602, "Invalid params", data)


def test_parameters_are_converted() -> None:
    assert arguments(command("plain"), ["5", 7]) == {"number": 5, "text": "7"}
    assert arguments(command("plain"), {"text": "t", "number": -2.9, "items": [1, "x"]}) == {
        "number": -2, "text": "t", "items": ["1", "x"],
    }


def server_with_sample() -> PartServer:
    server = PartServer()
    server.load_core_mi()
    server.registry.load_core([Sample])
    server.init()
    return server


async def call(server: PartServer, name: str, params: Any = None) -> Any:
    server.loop = asyncio.get_running_loop()
    return await server.mi.call(name, params)


def test_results_and_failures() -> None:
    async def body() -> None:
        server = server_with_sample()
        assert await call(server, "quiet") == "OK"
        assert await call(server, "plain", [1, "x"]) == [1, "x", None]
        for name, code in (("nothing", -32601), ("bad", -32000), ("database", -32000)):
            with pytest.raises(MiError) as caught:
                await call(server, name)
            assert caught.value.code == code
        assert any("ZeroDivisionError" in line for line in server.lines) and any("disk full" in line for line in server.lines)

    asyncio.run(body())


def test_which_and_help() -> None:
    async def body() -> None:
        server = server_with_sample()
        names = await call(server, "which")
        assert names[:2] == ["get_statistics", "list_statistics"] and "ul_dump" not in names
        assert await call(server, "which", ["plain"]) == [["number", "text"], ["number", "text", "items"]]
        assert await call(server, "which", {"command": "log_level"}) == [[], ["level"], ["level", "pid"]]
        assert (await call(server, "help", ["uptime"]))["Exported by"] == "core"
        with pytest.raises(MiError, match="unknown MI command"):
            await call(server, "help", ["nope"])

    asyncio.run(body())


def test_log_levels() -> None:
    async def body() -> None:
        server = server_with_sample()
        assert await call(server, "log_level", [4]) == {"New global log level": 4}
        assert server.log.level == 4
        assert await call(server, "log_level", [3, os.getpid()]) == {"Log level": 3}
        with pytest.raises(MiError) as caught:
            await call(server, "log_level", [3, 1])
        assert caught.value.data == "Bad PID"
        assert await call(server, "xlog_level", ["-1"]) == {"New xLog level": -1}
        assert await call(server, "xlog_level") == {"xLog Level": -1}
        assert await call(server, "log_level_filter", ["stderror", 2]) == "OK"
        assert await call(server, "log_level_filter", ["stderror"]) == {"Log level filter": 2}
        assert await call(server, "log_mute_state", ["syslog"]) == {"mute state": 0}
        with pytest.raises(MiError, match="Unknown log consumer"):
            await call(server, "log_mute_state", ["nobody", 1])

    asyncio.run(body())


def test_statistics_by_name_group_and_all() -> None:
    async def body() -> None:
        server = server_with_sample()
        server.stats.counter("grp", "hits").inc(3)
        server.stats.register("grp", "size", lambda: 7)
        assert await call(server, "get_statistics", [["hits", "grp:hits", "nothing"]]) == {"grp:hits": 3}
        assert await call(server, "get_statistics", [["grp:"]]) == {"grp:hits": 3, "grp:size": 7}
        assert await call(server, "list_statistics", [["grp:"]]) == {"grp:hits": "incremental", "grp:size": "non-incremental"}
        assert await call(server, "reset_statistics", [["hits", "nothing"]]) == "OK"
        assert await call(server, "get_statistics", [["grp:"]]) == {"grp:hits": 0, "grp:size": 7}
        assert len(await call(server, "list_statistics")) > 20
        for none in ("nothing", "grp:", "all"):
            with pytest.raises(MiError, match="Statistics Not Found"):
                await call(server, "reset_statistics", [[none]])

    asyncio.run(body())


class ListTransport:
    """Keeps what is delivered."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def parse_socket(self, rest: str) -> str:
        if not rest:
            raise ValueError("empty")
        return rest

    def deliver(self, target: str, event: Any, params: dict[str, Any]) -> None:
        self.sent.append((target, event.name))


def test_subscriptions_renew_and_end() -> None:
    async def body() -> None:
        server, transport = server_with_sample(), ListTransport()
        server.subscribers.add_transport("udp", transport)
        event = server.events.define("E_X")
        for params in (["E_NONE", "udp:a:1"], ["E_X", "tcp:a:1"], ["E_X", "udp:"], ["E_X", "nothing"]):
            with pytest.raises(MiError, match="Bad parameter value"):
                await call(server, "event_subscribe", params)
        assert await call(server, "event_subscribe", ["E_X", "udp:a:1"]) == "OK"
        assert await call(server, "event_subscribe", ["E_X", "udp:a:1", 60]) == "OK"
        shown = {"name": "E_X", "id": event.id, "Subscribers": [{"socket": "udp:a:1", "expire": 60, "ttl": 60}]}
        assert await call(server, "subscribers_list") == {"Events": [shown]}
        assert await call(server, "subscribers_list", ["E_X"]) == {"Event": shown}
        one = await call(server, "subscribers_list", ["E_X", "udp:a:1"])
        assert one["Event"]["Subscriber"] == shown["Subscribers"][0]
        assert await call(server, "raise_event", ["E_X", ["a", 1]]) == "OK"
        assert transport.sent == [("a:1", "E_X")]
        server.fake.time += 61
        event.emit()
        assert transport.sent == [("a:1", "E_X")] and not event.active
        server.subscribers.subscribe("E_X", "udp:b:1")
        (left,) = (await call(server, "subscribers_list", ["E_X"]))["Event"]["Subscribers"]
        assert left == {"socket": "udp:b:1", "expire": "never"}
        assert await call(server, "event_subscribe", ["E_X", "udp:b:1", 0]) == "OK"
        assert await call(server, "subscribers_list") == {"Events": []}
        with pytest.raises(MiError, match="Event not registered"):
            await call(server, "raise_event", ["E_NONE"])

    asyncio.run(body())


def test_status_reports() -> None:
    async def body() -> None:
        server = server_with_sample()
        server.listen("E_CORE_SR_STATUS_CHANGED")
        server.status_reports.register("mod", "part")
        server.status_reports.set("mod", 1, "fine", "part")
        server.status_reports.report("mod", "loaded", "part")
        assert server.heard[0][1] == {"group": "mod", "identifier": "part", "status": 1, "details": "fine", "old_status": -1}
        assert await call(server, "sr_get_status", ["mod", "part"]) == {"Readiness": True, "Status": 1, "Details": "fine"}
        assert (await call(server, "sr_get_status", ["mod", "all"]))["Details"] == "aggregated"
        assert (await call(server, "sr_list_reports", ["mod", "part"]))[0]["Log"] == "loaded"
        assert {"Group": "mod", "Identifiers": ["part"]} in await call(server, "sr_list_identifiers")
        assert [group["Name"] for group in await call(server, "sr_list_status")] == ["core", "mod"]
        with pytest.raises(MiError, match="Group not found"):
            await call(server, "sr_list_status", ["nope"])

    asyncio.run(body())


def test_blacklists() -> None:
    async def body() -> None:
        server = server_with_sample()
        server.blacklists.define("ro", ("readonly",))
        server.blacklists.define("dyn", ("expire",))
        assert await call(server, "add_blacklist_rule", ["dyn", "tcp,192.0.2.0/24,5060,BYE", 60]) == "OK"
        (rule,) = (await call(server, "list_blacklists", ["dyn"]))["Rules"]
        assert rule == {
            "flags": 0, "IP": "192.0.2.0", "Mask": "255.255.255.0", "Proto": "tcp", "Port": 5060, "Match": "BYE", "Expire": 60,
        }
        assert await call(server, "check_blacklists", ["tcp", "192.0.2.7", 5060, "BYE"]) == ["dyn"]
        assert (await call(server, "check_blacklist", ["dyn", "tcp", "192.0.2.7", 5060, "BYE"]))["IP"] == "192.0.2.0"
        assert await call(server, "del_blacklist_rule", ["dyn", "tcp,192.0.2.0/24,5060,BYE"]) == "OK"
        for name, params, code in (
            ("add_blacklist_rule", ["ro", "1.2.3.4"], 403), ("add_blacklist_rule", ["none", "1.2.3.4"], 400),
            ("add_blacklist_rule", ["dyn", "nonsense"], 404), ("del_blacklist_rule", ["dyn", "1.2.3.4"], 404),
            ("check_blacklist", ["dyn", "192.0.2.7"], 404), ("check_blacklists", ["nonsense"], 400),
            ("list_blacklists", ["none"], 404),
        ):
            with pytest.raises(MiError) as caught:
                await call(server, name, params)
            assert caught.value.code == code

    asyncio.run(body())


@pytest.mark.parametrize("text, key", [
    ("1.2.3.4", ("1.2.3.4/32", "", 0, "", False)), ("!any, 10.0.0.0/8", ("10.0.0.0/8", "", 0, "", True)),
    ("udp,2001:db8::/32,5060", ("2001:db8::/32", "udp", 5060, "", False)),
])
def test_rules_as_text(text: str, key: tuple[Any, ...]) -> None:
    rule = parse_rule(text)
    assert (str(rule.net), rule.proto, rule.port, rule.pattern, rule.negated) == key
