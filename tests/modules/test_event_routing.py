"""event_routing: filters, order, routes that are told, runs that wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, ConfigErrors, ScriptError
from engine.module import Context, Var
from engine.script.script import Script
from modules.event_routing.patterns import matches
from tests.modules.parts import PartServer, run

FILTER = Var(lambda ctx: None, None, "$avp(f)", "avp", "f")


def routing(test: Any) -> None:
    """Run a test body on a server with event_routing and the event E_X."""

    async def body() -> None:
        server = PartServer()
        server.script = Script()
        server.load("event_routing")
        server.events.define("E_X", ("aor", "cseq", "uri"))
        async with server:
            result = test(server, server.registry.modules["event_routing"])
            if result is not None:
                await result

    run(body)


def raised(server: PartServer, **params: Any) -> None:
    """Raise E_X and let what waits for it run."""
    event = server.events.find("E_X")
    assert event is not None
    event.emit(**params)
    server.run_deferred()


@pytest.mark.parametrize(("pattern", "text", "expected"), [
    ("b?b", "bob", True), ("b?b", "boob", False), ("[a-c]*", "carol", True), ("[a-c]*", "dave", False), ("[!a]x", "bx", True),
    ("[^a]x", "ax", False), ("sip:*@192.0.2.*", "sip:c@192.0.2.2", True), ("*", "", True), ("**a*", "bab", True),
    ("a\\*", "a*", True), ("a\\*", "ab", False), ("[]]", "]", True), ("[z-a]", "b", False), ("[", "[", True), ("B", "b", False),
    ("a.c", "abc", False), ("[a\\]*", "\\x", True), ("trailing\\", "trailing\\", True),
])
def test_patterns(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@given(st.text(st.characters(max_codepoint=255), max_size=12), st.text(st.characters(max_codepoint=255), max_size=12))
def test_any_pattern_can_be_read(pattern: str, text: str) -> None:
    matches(pattern, text)
    escaped = "".join("\\" + char for char in text)
    assert matches(escaped, text)


def test_filters_of_an_avp() -> None:
    def test(server: PartServer, module: Any) -> None:
        ctx = Context(server, None, 1, None)
        # A blank is part of the name: "aor " is a parameter no event has, so it does not count.
        ctx.avps = {"f": ["aor=b?b", "nonsense", 5, "uri=sip:*=*", "=x", "aor = u"]}
        assert module.filters(ctx, FILTER) == [("aor", "b?b"), ("uri", "sip:*=*"), ("aor ", " u")]
        assert sum("discarding" in line for line in server.lines) == 3
        with pytest.raises(ConfigError):
            module.filter_avp(Var(lambda ctx: None, None, "$var(f)", "var", "f"))

    routing(test)


def test_who_is_told_and_in_which_order() -> None:
    def test(server: PartServer, module: Any) -> None:
        told: list[str] = []

        def waiter(name: str, filters: list[tuple[str, str]], **options: Any) -> Any:
            return module.subscribe("E_X", filters, 60, lambda params: told.append(name), **options)

        waiter("first", [("aor", "b?b")])
        waiter("both", [("AOR", "[a-c]*"), ("uri", "sip:*")])
        waiter("number", [("cseq", "7")])
        waiter("unknown key", [("color", "red")])
        waiter("exact", [], exact=("aor", "bob"))
        waiter("other", [], exact=("aor", "alice"))
        waiter("refused", [], exact=("aor", "bob"), accept=lambda params: False)
        once = waiter("once", [], once=True)
        gone = waiter("gone", [])
        gone.cancel()
        raised(server, aor="bob", cseq=1, uri="sip:b@x")
        assert told == ["once", "exact", "unknown key", "both", "first"]
        told.clear()
        once.cancel()
        raised(server, aor="carol", cseq=7, uri="sip:b@x")
        assert told == ["unknown key", "number", "both"]
        with pytest.raises(ScriptError):
            module.subscribe("E_NOBODY", [], 1, print)

    routing(test)


def test_delivered_after_the_raising_run_unless_cancelled() -> None:
    def test(server: PartServer, module: Any) -> None:
        told: list[Any] = []
        event = server.events.find("E_X")
        assert event is not None
        waiter = module.subscribe("E_X", [], 5, told.append)
        event.emit(aor="a")
        assert told == []
        waiter.cancel()
        server.run_deferred()
        assert told == []
        assert not event.active

    routing(test)


def test_a_wait_ends_between_one_second_less_and_its_time() -> None:
    def test(server: PartServer, module: Any) -> None:
        ends: list[float] = []
        begin = server.fake.time
        server.pass_time(0.5)
        module.subscribe("E_X", [], 2, print, lambda: ends.append(server.fake.time - begin))
        server.pass_time(0.8)
        server.run_deferred()
        assert ends == []
        server.pass_time(1.0)
        server.run_deferred()
        assert len(ends) == 1
        event = server.events.find("E_X")
        assert event is not None and not event.active

    routing(test)


def test_notified_route_sees_the_event_and_the_transaction_only() -> None:
    def test(server: PartServer, module: Any) -> None:
        seen: list[tuple[Any, dict[str, Any]]] = []

        def route(ctx: Context) -> int:
            seen.append((ctx.msg.method, ctx.avps))  # type: ignore[attr-defined]
            return 1

        server.script.routes["told"] = route
        server.registry.route_names["request"] = {"told"}
        assert module.route_name("told") == "told"
        with pytest.raises(ConfigError):
            module.route_name("nowhere")
        ctx = server.dummy_context(1)
        ctx.avps = {"mine": ["x"]}
        assert module.notify_on_event(ctx, "E_X", FILTER, "told", 9) == 1
        raised(server, aor="bob", cseq=3)
        assert seen == [("DUMMY", {"aor": ["bob"], "cseq": [3]})]
        del server.script.routes["told"]
        raised(server, aor="bob")
        assert "does not exist anymore" in server.lines[-1]

    routing(test)


def test_waiting_run() -> None:
    async def test(server: PartServer, module: Any) -> None:
        ctx = server.dummy_context(1)
        ctx.avps = {"f": ["aor=bob"], "aor": ["old"]}
        result = module.wait_async(ctx, "E_X", FILTER, 20)
        raised(server, aor="carol")
        await asyncio.sleep(0)
        assert not result.done()
        raised(server, aor="bob")
        raised(server, aor="bob")
        assert await result == 1
        assert ctx.avps["aor"] == ["old", "bob"]
        late = module.wait_async(ctx, "E_X", FILTER, 2)
        server.pass_time(2.1)
        server.run_deferred()
        assert await late == 1
        codes: list[int] = []
        server.workers.run(lambda: codes.append(module.wait_plain(ctx, "E_X", FILTER, 2)))
        await asyncio.sleep(0)
        server.pass_time(2.1)
        server.run_deferred()
        await asyncio.sleep(0.01)
        assert codes == [-2]

    routing(test)


def test_events_of_the_script_must_exist() -> None:
    def test(server: PartServer, module: Any) -> None:
        module.event_name("E_X")
        module.cfg_validate(server.script)
        module.event_name("E_NOBODY")
        with pytest.raises((ConfigError, ConfigErrors)):
            module.cfg_validate(server.script)
        server.script.used.add("notify_on_event")
        with pytest.raises(ConfigError, match="tm"):
            module.cfg_validate(server.script)

    routing(test)
