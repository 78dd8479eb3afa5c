"""engine.server.core: start, timer and event routes, deferred work, reload, stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import ConfigErrors
from engine.server.core import Server
from tests.engine.server.test_receive import diary, running
from tests.helpers import Harness, LineLog, make_request


def test_startup_route_leaves_its_avps_to_the_first_request() -> None:
    with running("""
        startup_route { note("$rm $si $fu $ci"); $avp(x) = "left"; $var(y) = 5; }
        route { note("$avp(x) $var(y)"); }
    """) as server:
        server.send(make_request())
        server.send(make_request())
        lines = [line for line in diary(server) if "post" not in line]
        assert lines == ["DUMMY 0.0.0.0 sip:from@dummy.com dummy-1", "left 5", "<null> 5"]


def test_timer_routes_have_variables_of_their_own() -> None:
    with running("""
        timer_route[tick, 2] { $var(n) = 1 + $var(n); note("tick $var(n)"); }
        route { note("request $var(n)"); $var(n) = 40; }
    """) as server:
        server.advance(1.9)
        assert diary(server) == []
        server.advance(0.2)
        server.send(make_request())
        server.advance(2)
        assert [line for line in diary(server) if "post" not in line] == ["tick 1", "request <null>", "tick 2"]


def test_event_routes_run_after_the_raising_script() -> None:
    with running("""
        route { shout("alice"); note("after"); }
        event_route[E_SHOUTED] { note("heard $param(who) $param(2) $rm"); }
    """) as server:
        server.send(make_request())
        assert diary(server) == ["shouted", "after", "post", "heard alice 2 DUMMY"]


def test_reload_takes_routes_and_refuses_bad_ones() -> None:
    with running("""
        route { note("old"); }
        timer_route[t, 1] { note("old timer"); }
        event_route[E_SHOUTED] { note("event"); }
    """) as server:
        text = server.path.read_text()
        server.path.write_text(text.replace('"old"', '"new"').replace("[t, 1]", "[t, 5]").replace('"old timer"', '"new timer"'))
        server.call(server.server.reload_routes)
        server.send(make_request())
        server.advance(4.5)
        server.advance(1)
        assert diary(server) == ["new", "post", "new timer"]
        server.path.write_text(text.replace("note(", "nothing("))
        with pytest.raises(ConfigErrors):
            server.call(server.server.reload_routes)
        server.send(make_request())
        assert diary(server)[3:] == ["new", "post"]


def test_an_event_route_that_is_gone_is_logged() -> None:
    with running('route { shout("x"); } event_route[E_SHOUTED] { note("event"); }') as server:
        server.path.write_text(server.path.read_text().partition("event_route")[0])
        server.call(server.server.reload_routes)
        server.send(make_request())
        assert any("E_SHOUTED" in line and "gone" in line for line in server.log)


def test_stop_in_order() -> None:
    server = running("route { answer(200); }")
    module: Any = server.server.registry.modules["answering"]
    assert module.diary == ["child_init"]
    server.close()
    assert module.diary == ["child_init", "destroy"]


def test_deferred_work_goes_on_after_an_error() -> None:
    with running("route { answer(200); }") as server:
        seen: list[int] = []

        def bad() -> None:
            raise ValueError("bad")

        def again() -> None:
            seen.append(2)
            server.server.defer(lambda: seen.append(4))

        async def defer() -> None:
            for call in (lambda: seen.append(1), bad, again, lambda: seen.append(3)):
                server.server.defer(call)
            assert seen == []

        server._do(defer())
        assert seen == [1, 2, 3, 4]
        assert any("ValueError: bad" in line for line in server.log)


def test_background_tasks_are_logged_and_cancelled() -> None:
    server = running("route { answer(200); }")
    ended: list[str] = []

    async def fails() -> None:
        raise RuntimeError("task broke")

    async def forever() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("cancelled")

    async def start() -> None:
        server.server.spawn(fails(), "failing")
        server.server.spawn(forever(), "waiting")

    server._do(start())
    assert any("failing" in line and "task broke" in line for line in server.log)
    server.close()
    assert ended == ["cancelled"]


@pytest.mark.parametrize(("script", "text"), [
    ("route { exit; }", "no transport protocol loaded"),
    ('loadmodule "proto_udp.so" route { exit; }', "no socket"),
    ('loadmodule "proto_udp.so" socket=tcp:127.0.0.1:5060 route { exit; }', "protocol tcp"),
    ('loadmodule "proto_udp.so" socket=udp:nowhere.invalid:5060 route { exit; }', "nowhere.invalid"),
])
def test_nothing_listens_beyond_what_the_script_says(script: str, text: str) -> None:
    with pytest.raises(ConfigErrors, match=text):
        Harness(script, preamble=False)


def test_settings_reach_the_rooms() -> None:
    with Harness("""
        log_level=1 xlog_level=4 log_prefix="edge" check_via=yes mhomed=yes advertised_address="adv.example.com"
        alias=udp:"alias.example.com":5060
        socket=udp:127.0.0.1:5060-5061
        loadmodule "proto_udp.so"
        route { exit; }
    """) as harness:
        server = harness.server
        assert (server.log.level, server.log.xlog_level, server.log.prefix) == (1, 4, "edge:")
        assert [socket.via_host for socket in server.sockets.all] == ["adv.example.com:5060", "adv.example.com:5061"]
        assert server.is_myself("alias.example.com", 5060, "udp")
        assert server.sockets.mhomed
        assert server.receiver.check_via
        assert [title for _, _, title in server.process_table()][1] == "SIP receiver udp:127.0.0.1:5060"


def test_two_servers_share_nothing() -> None:
    first, second = Server(clock=None, log=LineLog()), Server(clock=None, log=LineLog())
    first.stats.counter("core", "rcv_requests").inc()
    second_counter = second.stats.get("rcv_requests")
    assert second_counter is not None
    assert second_counter.count == 0
    assert first.events is not second.events


def test_core_log_event() -> None:
    with running("""
        log_event_enabled=yes
        route { note("x"); }
        event_route[E_CORE_LOG] { note("log $param(level) $param(module) $param(message)"); }
    """) as server:
        server.server.log.bound("tm").error("oops")
        server._do(asyncio.sleep(0))
        assert diary(server) == ["log ERROR tm oops"]
        event = server.server.events.find("E_CORE_LOG")
        assert event is not None
        assert event.id == max(one.id for one in server.server.events.events.values())
