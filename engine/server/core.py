"""Server: builds the rooms, connects them, starts and stops them; nothing else.

One Server is one process' worth of OpenSIPS: a script, its modules, sockets, timers. Modules reach everything through it
(the attributes below are their interface); features join as modules, so this file and receive.py stay short.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from greenlet import getcurrent

from engine.db.cachedb import CacheStores
from engine.db.meter import QueryMeter
from engine.events.bus import Event, EventBus, EventParams
from engine.events.core import E_CORE_THRESHOLD, define_core_events
from engine.events.subscribers import Subscribers
from engine.log import LogRoot
from engine.mi import CORE_MODULES as MI_MODULES
from engine.mi.dispatch import MiDispatch
from engine.registry import CORE, Registry
from engine.script.context import EVENT, STARTUP, TIMER, Context
from engine.script.loader import load_script
from engine.script.reload import reload_routes
from engine.script.script import RouteFn, Script
from engine.script.settings import Settings
from engine.script.values import Value
from engine.server import setup
from engine.server.corestats import register_core_stats
from engine.server.dummy import dummy_request
from engine.server.receive import Receiver
from engine.stats import Stats
from engine.status import READY, StatusReports
from engine.timers import Timer, TimerWheel
from engine.transport.blacklists import Blacklists
from engine.transport.resolver import Resolver
from engine.transport.sockets import Sockets
from engine.workers import Workers


class Server:
    """Everything of one running configuration. load(), then await start(), then await stop()."""

    def __init__(
        self, *, clock: Callable[[], float] | None = time.monotonic, log: LogRoot | None = None, compat: str = "3.6",
    ) -> None:
        self.compat = compat
        self.speaks_31 = compat == "3.1"
        """The script is one for OpenSIPS 3.1: by --compat, or because save() has letters for flags, which later ones refuse. What
        differs on the wire then (comparison of contacts, Path in the ACK to a failure) is as 3.1 does it."""
        self.log = log or LogRoot()
        self.workers = Workers()
        self.workers.on_error = self._unexpected
        self.workers.on_park = self._park
        self.timers = TimerWheel(clock, self.workers.run, self._unexpected)
        self.now: Callable[[], float] = clock or self.timers.now
        """Seconds that never go back."""
        self.stats = Stats()
        self.events = EventBus()
        define_core_events(self.events, compat)
        self.sockets = Sockets()
        self.resolver = Resolver(self.workers.wait, usable=lambda proto: proto in self.sockets.transports)
        self.blacklists = Blacklists(self.now)
        """The dst_blacklist lists; asked before a request is sent."""
        self.status_reports = StatusReports(self.events, lambda: self.wall())
        """Which parts are ready."""
        self.status_reports.register(CORE, details="initializing")
        self.sql_queries = QueryMeter(self.stats, "sql", self._slow_query)
        """Told of every query by the drivers of database servers."""
        self.cdb_queries = QueryMeter(self.stats, "cdb", self._slow_query)
        """The same for key-value stores."""
        self.caches = CacheStores()
        """Key-value stores of the cachedb modules."""
        self.started_at = self.now()
        self.start_time = int(time.time())
        """Seconds since 1970."""
        self.load_meter = register_core_stats(self)
        self.registry = Registry(self)
        self.receiver = Receiver(self)
        self.settings = Settings()
        """The global parameters."""
        self.overrides: list[Callable[[Settings], object]] = []
        """What the command line changes in them."""
        self.script: Script = Script()
        """The current script; a reload replaces it."""
        self.mi = MiDispatch(self)
        """The dispatcher of MI commands."""
        self.subscribers = Subscribers(self.events, self.now)
        """Who outside of the server gets events."""
        self.script_vars: dict[str, Value] = {}
        """$var: belongs to the process, keeps its values from one message to the next."""
        self.first_avps: dict[str, list[Value]] = {}
        """AVPs that startup_route left behind, for the first request."""
        self.argv: list[str] = []
        """The command line."""
        self.options: dict[str, str] = {}
        """-o NAME=VALUE, for $argv(NAME)."""
        self.cfg_path = ""
        self.preprocessor: str | None = None
        """-p CMD: the script goes through it, also at a reload."""
        self.loop: asyncio.AbstractEventLoop = None  # type: ignore[assignment]
        self.pre_request: list[Callable[[Context], bool]] = []
        """Called before the request route; False: the message is swallowed."""
        self.post_request: list[Callable[[Context], object]] = []
        """Called when the request route is done."""
        self.response_handlers: list[Callable[[Context], bool]] = []
        """Asked whose a reply is; True: handled."""
        self.async_hook: Any = None
        """Who suspends transactions for async(); tm, when it is loaded."""
        self.running = False
        self.stop_requested: Callable[[], object] = lambda: None
        """What `kill` and a fatal module error call."""
        self._deferred: deque[Callable[[], object]] = deque()
        self._held: dict[Any, list[Callable[[], object]]] = {}
        """Worker -> what its run has deferred inside holding_deferred()."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._dummy = dummy_request()
        self._route_timers: list[Timer] = []
        self._timer_vars: dict[str, Value] = {}
        self._event_routes: set[str] = set()

    # ---- life ----

    def configure(self, settings: Settings) -> None:
        """Take over the global parameters. Called once, when they are read and before the modules are loaded."""
        for override in self.overrides:
            override(settings)
        self.settings = settings
        setup.configure_log(self.log, settings, self.compat)
        setup.configure_core(self, settings)

    def open_protocols(self) -> None:
        """Make the sockets, not bound yet. Called when all modules have their parameters, before their mod_init, so that
        they can find sockets by name. ConfigErrors: unknown protocol or host, nothing to listen on."""
        for module in self.registry.modules.values():
            enable = getattr(module, "open_protocol", None)
            if enable is not None:
                enable()
        setup.make_sockets(self, self.settings)

    def enable_protocol(self, proto: str, **options: Any) -> None:
        """Make "udp" or "tcp" usable with the parameters of its module."""
        setup.ENABLE[proto](self, **options)

    def speak(self, release: str) -> None:
        """Behave as a release: the one of the command line, or the one the script asks for."""
        self.compat = release
        self.speaks_31 = release == "3.1"

    def load(self, text: str | None = None) -> None:
        """Read the script at cfg_path (or this text under its name), load and initialise its modules, compile. ConfigErrors."""
        self.script = load_script(
            self, self.cfg_path, text=text, preprocessor_cmd=self.preprocessor, compat=self.compat, core_modules=MI_MODULES)

    async def start(self) -> None:
        """Bind, start the modules, run startup_route, then receive. ConfigError when something cannot be had."""
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(self._loop_error)
        self.sockets.open()
        await self.registry.start_all()
        setup.define_log_event(self)
        self.watch_events(self.script)
        self.start_timer_routes(self.script)
        self.running = True
        self.timers.every(1.0, self.load_meter.sample)
        if self.timers.is_real:
            self.loop.call_soon(self._tick)
        startup = self.script.startup
        if startup is not None:
            ctx = self.dummy_context(STARTUP)
            self.workers.run(lambda: self.run(startup, ctx))
            self.first_avps = ctx.avps
        self.sockets.start()
        self.status_reports.set(CORE, READY, "running")

    async def stop(self) -> None:
        """Stop receiving, stop the modules in reverse order, close everything, end background tasks."""
        self.running = False
        for timer in self._route_timers:
            timer.cancel()
        await self.registry.stop_all()
        self.sockets.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self.log.buffer_with(None)

    def _tick(self) -> None:
        """Drive the timer wheel from the event loop."""
        if not self.running:
            return
        self.timers.advance()
        self.loop.call_later(max(0.005, 0.1 - self.now() % 0.1), self._tick)

    # ---- work ----

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def defer(self, call: Callable[[], object]) -> None:
        """Run call() in a worker soon, when the current run is over; in the order of deferring."""
        if self._held:
            held = self._held.get(getcurrent())
            if held is not None:
                held.append(call)
                return
        self._deferred.append(call)
        if len(self._deferred) == 1:
            self.loop.call_soon(self.run_deferred)

    @contextmanager
    def holding_deferred(self) -> Iterator[None]:
        """What this run defers inside the block waits for its end, also when the run parks there.

        For work whose consequences must not overtake it: a phone gets its 200 before the call that waited for it.
        """
        me = getcurrent()
        if me in self._held:
            yield
            return
        held = self._held[me] = []
        try:
            yield
        finally:
            del self._held[me]
            for call in held:
                self.defer(call)

    def run_deferred(self) -> None:
        """Do what was deferred until now and what that defers."""
        while self._deferred:
            self.workers.run(self._drain_deferred)

    def _drain_deferred(self) -> None:
        deferred = self._deferred
        while deferred:
            call = deferred.popleft()
            try:
                call()
            except Exception as error:
                self._unexpected(error)

    def spawn(self, coro: Coroutine[Any, Any, Any], name: str = "") -> asyncio.Task[Any]:
        """Run a coroutine in the background: kept referenced, its exception logged, cancelled at the end."""
        task = asyncio.get_running_loop().create_task(coro, name=name or None)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.log.exception(task.exception(), f"background task {task.get_name()} failed")  # type: ignore[arg-type]

    def _slow_query(self, source: str, microseconds: int, text: str) -> None:
        self.events.define(E_CORE_THRESHOLD).emit(source=source, time=microseconds, extra=text)

    def _unexpected(self, error: BaseException) -> None:
        self.log.exception(error, "unexpected error")

    def _loop_error(self, loop: asyncio.AbstractEventLoop, facts: dict[str, Any]) -> None:
        """What the event loop would print by itself."""
        error = facts.get("exception")
        if isinstance(error, Exception):
            self.log.exception(error, str(facts.get("message", "error in the event loop")))
        else:
            self.log.error("%s", facts.get("message", "error in the event loop"))

    def run(self, route: RouteFn, ctx: Context) -> int:
        """Run a compiled route; an exception nobody expected is logged with the script's lines and gives -1."""
        try:
            return route(ctx)
        except Exception as error:
            self.log.exception(error, "unexpected error in the script")
            ctx.rc = -1
            return -1

    def dummy_context(self, kind: int) -> Context:
        """A run without a message: the dummy request from 0.0.0.0."""
        ctx = Context(self, self.script, kind, self._dummy)
        ctx.src_ip = "0.0.0.0"
        ctx.ruri = self._dummy.request_uri  # type: ignore[attr-defined]
        ctx.socket = self.sockets.all[0] if self.sockets.all else None
        return ctx

    def _park(self) -> Callable[[], None]:
        """A run waits: it takes its $var values along, because runs never share them in the middle (engine.workers)."""
        variables = self.script_vars
        saved = dict(variables)

        def restore() -> None:
            variables.clear()
            variables.update(saved)

        return restore

    # ---- timer and event routes ----

    def start_timer_routes(self, script: Script) -> None:
        """Start the timer routes of a script in place of those that run."""
        for timer in self._route_timers:
            timer.cancel()
        self._route_timers = [
            self.timers.every(seconds, lambda route=route: self._run_timer_route(route))  # type: ignore[misc]
            for _, seconds, route in script.timers
        ]

    def _run_timer_route(self, route: RouteFn) -> None:
        """OpenSIPS runs them in a process of their own: they see their own $var, not those of the requests."""
        variables = self.script_vars
        saved = dict(variables)
        variables.clear()
        variables.update(self._timer_vars)
        try:
            self.run(route, self.dummy_context(TIMER))
        finally:
            self._timer_vars = dict(variables)
            variables.clear()
            variables.update(saved)

    def watch_events(self, script: Script) -> None:
        """Subscribe the event routes of the script that is started with: later only their bodies change, by name."""
        for name in script.events:
            if name not in self._event_routes:
                self._event_routes.add(name)
                self.events.define(name).subscribe(self._on_event)

    def _on_event(self, event: Event, params: dict[str, Value]) -> None:
        self.defer(lambda: self._run_event_route(event.name, EventParams.of(params)))

    def _run_event_route(self, name: str, params: EventParams) -> None:
        route = self.script.events.get(name)
        if route is None:
            self.log.error("event %s was raised, but its event_route is gone since the last reload", name)
            return
        ctx = self.dummy_context(EVENT)
        ctx.params = params
        self.run(route, ctx)

    # ---- questions and commands ----

    def is_myself(self, host: str, port: int = 0, proto: str = "") -> bool:
        """Is that this server? Listening addresses, AS names, aliases; port 0 and proto "" match any."""
        return self.sockets.is_myself(host, port, proto)

    def add_connection_alias(self, connection: Any, port: int) -> bool:
        """Requests to that port of the connection's peer use the connection; False: another one has it."""
        transport: Any = self.sockets.transports[connection.proto]
        return bool(transport.add_alias(connection, port))

    def reload_routes(self) -> None:
        """Read the script again and take over its routes; ConfigErrors: it is bad, the old one goes on."""
        reload_routes(self)

    def status(self) -> str:
        """One line about what goes on, for those who watch the process."""
        shown = (("requests", "rcv_requests"), ("dialogs", "active_dialogs"), ("registered users", "registered_users"))
        found = [(title, self.stats.get(name)) for title, name in shown]
        return ", ".join(f"{one.count} {title}" for title, one in found if one is not None)

    def process_table(self) -> Sequence[tuple[int, int, str]]:
        """(id, PID, type) as `ps` shows them: one process plays all the parts of OpenSIPS."""
        pid = os.getpid()
        parts = ["attendant", *(f"SIP receiver {socket.name}" for socket in self.sockets.all if socket.proto == "udp")]
        if any(socket.proto != "udp" for socket in self.sockets.all):
            parts += ["TCP receiver", "TCP main"]
        parts += ["time_keeper", "timer", "Timer handler"]
        return [(number, pid, part) for number, part in enumerate(parts)]
