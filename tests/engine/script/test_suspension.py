"""async() and launch(): what is there at once, what comes later, what fails."""

from __future__ import annotations

import asyncio

from engine.script.context import FAILURE, REQUEST
from tests.engine.script.standin import Hook, StandIn

TEXT = (
    'route { $avp(a) = "kept"; %s note("on $rc"); } route[sub] { async(slow(3), late); note("never"); }'
    'route[late] { note("late $rc $avp(a) $param(1) $(route[*])"); }'
)


def drive(server: StandIn, statement: str, kind: int = REQUEST) -> None:
    """Run the main route in a worker of an event loop, and everything it set off."""
    server.load(TEXT % statement)

    async def whole() -> None:
        ctx = server.context(kind)
        assert server.script.request is not None
        server.workers.run(lambda: server.script.request(ctx))  # type: ignore[misc]
        for task in server.tasks:
            await task
        for call in server.deferred:
            server.workers.run(call)
        await asyncio.sleep(0.01)

    asyncio.run(whole())


def with_hook() -> tuple[StandIn, Hook]:
    server = StandIn()
    server.async_hook = Hook()
    return server, server.async_hook


def test_resumes_when_the_result_is_there() -> None:
    server, hook = with_hook()
    drive(server, "route(sub, \"p\");")
    assert server.seen == [("slow", 3), "late 3 kept <null> route[late]"]
    assert hook.calls == ["suspend", "resumed", "after"]


def test_resumes_at_once() -> None:
    server, hook = with_hook()
    drive(server, "async(at_once(-4), late);")
    assert server.seen == ["late -4 kept <null> route[late]"]
    assert hook.calls == ["suspend", "resumed"]


def test_a_transaction_that_ended_meanwhile() -> None:
    server, hook = with_hook()
    hook.alive = False
    drive(server, "async(slow(3), late);")
    assert server.seen == [("slow", 3)]


def test_a_retransmission_calls_nothing() -> None:
    server, hook = with_hook()
    hook.state = 0
    drive(server, "async(slow(3), late);")
    assert server.seen == []


def test_other_routes_wait_in_place() -> None:
    server, hook = with_hook()
    drive(server, "async(slow(3), late);", FAILURE)
    assert server.seen == [("slow", 3), "late 3 kept <null> failure_route[late]"]
    assert server.tasks == []


def test_an_argument_without_a_value_lets_the_script_go_on() -> None:
    server, hook = with_hook()
    drive(server, "async(slow($var(none)), late);")
    assert server.seen == ["on -1"]
    assert hook.calls == []


def test_async_needs_tm() -> None:
    server = StandIn()
    drive(server, "async(slow(3), late);")
    assert server.seen == []
    assert any("tm" in text for _, text in server.lines)


def test_launch_goes_on_and_reports() -> None:
    server = StandIn()
    drive(server, 'launch(slow(2), late, "for $rU");')
    assert server.seen == ["on 1", ("slow", 2), "late 2 <null> for bob route[late]"]


def test_launch_of_what_is_there_at_once() -> None:
    server = StandIn()
    drive(server, "launch(at_once(5), late);")
    assert server.seen == ["on 1", "late 5 <null> <null> route[late]"]


def test_the_plain_call_waits() -> None:
    server = StandIn()
    drive(server, "slow(6);")
    assert server.seen == [("slow", 6), "on 6"]
