"""The script functions of event_routing and the service behind them (api.py)."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from typing import Any

from engine.module import (
    BRANCH,
    EVENT,
    FAILURE,
    ONREPLY,
    REQUEST,
    ConfigError,
    Context,
    Module,
    ScriptError,
    Static,
    Value,
    Var,
    async_function,
    function,
    wants,
)
from modules.event_routing.subscriptions import Board, Waiter
from modules.tm.api import Tm

TIMED_OUT = -2
"""Result of a plain wait_for_event() that nothing ended."""


class EventRoutingModule(Module):
    """The module."""

    tm: Tm | None = wants("tm")

    def mod_init(self) -> None:
        self.boards: dict[str, Board] = {}
        self.count = 0
        self.ticks = 0
        self.deadlines: list[tuple[int, int, Waiter]] = []
        """(tick, number, waiter) as a heap; those that ended before their time are swept out now and then."""
        self.sweep_at = 1024
        self.ticking: Any = None
        self.named_events: set[str] = set()

    async def child_init(self) -> None:
        self.ticking = self.server.timers.every(1.0, self.tick)

    async def destroy(self) -> None:
        if self.ticking is not None:
            self.ticking.cancel()

    def cfg_validate(self, script: Any) -> None:
        """Events named in the script must exist; notify_on_event() needs tm."""
        if self.tm is None and script.uses("notify_on_event"):
            raise ConfigError("notify_on_event() needs the module tm, which was not loaded at start-up")
        for event in sorted(self.named_events):
            # An event whose name is only known when it is raised cannot be judged here.
            if self.server.events.find(event) is None and not script.uses("raise_event"):
                self.named_events.discard(event)
                raise ConfigError(f"there is no event {event}", hint="events are defined by modules or by raise_event()")

    # ---- the service ----

    def tick(self) -> None:
        """One second is over: end the waits that are due."""
        self.ticks += 1
        while self.deadlines and self.deadlines[0][0] <= self.ticks:
            waiter = heapq.heappop(self.deadlines)[2]
            if waiter.live:
                waiter.retire()
                if waiter.expired is not None:
                    self.server.defer(waiter.expired)

    def subscribe(
        self, event: str, filters: list[tuple[str, str]], timeout: float, fired: Callable[[dict[str, Any]], None],
        expired: Callable[[], None] | None = None, once: bool = False, *, exact: tuple[str, str] | None = None,
        accept: Callable[[dict[str, Any]], bool] | None = None, resumes: bool = False,
    ) -> Waiter:
        """See api.py."""
        board = self.boards.get(event)
        if board is None:
            known = self.server.events.find(event)
            if known is None:
                raise ScriptError(f"event <{event}> not available")
            board = self.boards[event] = Board(known, self.server.defer, self._later)
        self.count += 1
        waiter = Waiter(board, self.count, filters, exact, accept, fired, expired, once, resumes)
        board.add(waiter)
        heapq.heappush(self.deadlines, (self.ticks + max(1, int(timeout)), self.count, waiter))
        if len(self.deadlines) > self.sweep_at:
            self.deadlines = [entry for entry in self.deadlines if entry[2].live]
            heapq.heapify(self.deadlines)
            self.sweep_at = max(1024, 2 * len(self.deadlines))
        return waiter

    def _later(self, call: Callable[[], None]) -> None:
        self.server.loop.call_soon(self.server.defer, call)

    # ---- fixups ----

    def event_name(self, name: str) -> str:
        """Fixup: remember which events the script names, cfg_validate() looks whether they exist."""
        self.named_events.add(name)
        return name

    def route_name(self, name: str) -> str:
        """Fixup: the route must exist; it is looked up when it is due, so that a reload replaces it."""
        if name not in self.server.registry.route_names.get("request", ()):
            raise ConfigError(f"notification route [{name}] is not defined")
        return name

    def filter_avp(self, var: Var) -> Var:
        """Fixup: filters come in an AVP."""
        if var.name != "avp":
            raise ConfigError(f"the filter must be an AVP, not {var.text}")
        return var

    def filters(self, ctx: Context, var: Var) -> list[tuple[str, str]]:
        """key=pattern pairs in the values of an AVP; what is none is dropped with a log line."""
        found: list[tuple[str, str]] = []
        values: list[Value] = ctx.avps.get(var.inner, []) if var.inner is not None else [var.get(ctx)]
        for value in values:
            if value is None:
                continue
            key, equals, pattern = value.partition("=") if isinstance(value, str) else ("", "", "")
            if not key or not equals or not pattern:
                self.log.error("filter <%s> is not of the form key=value, discarding", value)
                continue
            found.append((key, pattern))
        return found

    # ---- script functions ----

    @function(
        EVENT | REQUEST | ONREPLY | FAILURE | BRANCH, event="event_name", filter="filter_avp", route="route_name",
    )
    def notify_on_event(
        self, ctx: Context, event: Static[str], filter: Var, route: Static[str], timeout: int,
    ) -> int:
        """Run a route for every matching event until timeout seconds are over.

        The route sees a dummy request and the parameters of the event as AVPs; of the request that subscribed it reaches
        the transaction alone, by the transaction functions. 1, or -1: no such event.
        """
        ident = ctx.transaction.ident if ctx.transaction is not None else None
        self.subscribe(event, self.filters(ctx, filter), timeout, _Notice(self, route, ident))
        return 1

    @async_function(name="wait_for_event", event="event_name", filter="filter_avp")
    def wait_async(self, ctx: Context, event: Static[str], filter: Var, timeout: int) -> int | Awaitable[int]:
        """async(wait_for_event(...), route): go on once a matching event was raised or timeout seconds are over.

        The parameters of the event are AVPs then; without an event there are none. The code is 1 for both.
        """
        return self._wait(ctx, event, filter, timeout, 1)

    @function(name="wait_for_event", event="event_name", filter="filter_avp")
    def wait_plain(self, ctx: Context, event: Static[str], filter: Var, timeout: int) -> int:
        """Outside of async(): the run waits here, others go on. 1 event, -1 error, -2 timeout."""
        return int(ctx.wait(self._wait(ctx, event, filter, timeout, TIMED_OUT)))

    def _wait(self, ctx: Context, event: str, filter: Var, timeout: int, late: int) -> asyncio.Future[int]:
        result: asyncio.Future[int] = self.server.loop.create_future()

        def fired(params: dict[str, Any]) -> None:
            if not result.done():
                push_avps(ctx.avps, params)
                result.set_result(1)

        def expired() -> None:
            if not result.done():
                result.set_result(late)

        waiter = self.subscribe(event, self.filters(ctx, filter), timeout, fired, expired, once=True, resumes=True)
        result.add_done_callback(lambda _done: waiter.cancel())
        return result


class _Notice:
    """Runs the route of one notify_on_event()."""

    __slots__ = ("module", "route", "ident")

    def __init__(self, module: EventRoutingModule, route: str, ident: str | None) -> None:
        self.module = module
        self.route = route
        self.ident = ident
        """$T_id of the transaction that subscribed: the subscription must not keep it in memory."""

    def __call__(self, params: dict[str, Any]) -> None:
        module = self.module
        run = module.server.script.routes.get(self.route)
        if run is None:
            module.log.error("notify route [%s] does not exist anymore", self.route)
            return
        ctx = module.server.dummy_context(REQUEST)
        ctx.avps = {}
        push_avps(ctx.avps, params)
        if self.ident is not None and module.tm is not None:
            ctx.transaction = module.tm.find(self.ident)
        module.server.run(run, ctx)


def push_avps(avps: dict[str, list[Value]], params: dict[str, Any]) -> None:
    """Put the parameters of an event on top of the AVPs of their names."""
    for name, value in params.items():
        if value is not None:
            avps.setdefault(name, []).append(value)
