"""A server just big enough to compile and run routes: real log, events, counters, workers and core variables, no sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from engine.errors import ScriptError
from engine.events.bus import EventBus
from engine.log import LogRoot
from engine.module import (
    ALL_ROUTES, FAILURE, REQUEST, ConfigError, Context, Module, Pattern, Raw, Static, Var, async_function, function,
)
from engine.registry import Registry
from engine.script.compiler import Compiler
from engine.script.globals import resolve_globals
from engine.script.parser import parse_text
from engine.script.script import Script
from engine.script.settings import Settings
from engine.script.values import Value
from engine.script.variables import CORE_MODULES
from engine.sip.message import parse_message
from engine.stats import Stats
from engine.workers import Workers

MESSAGE = (
    "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-1\r\n"
    "From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: call-1\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


class Probe(Module):
    """Functions of all shapes; `seen` holds what they were called with."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def doubled(self, value: int) -> int:
        """A fixup that is a method."""
        if value < 0:
            raise ValueError("it must not be negative")
        return value * 2

    @function(ALL_ROUTES)
    def note(self, ctx: Context, text: str) -> None:
        """Write down a text."""
        self.seen.append(text)

    @function(ALL_ROUTES)
    def code(self, ctx: Context, code: int) -> int:
        """Give a code back."""
        self.seen.append(code)
        return code

    @function(ALL_ROUTES)
    def aye(self, ctx: Context) -> bool:
        """True."""
        self.seen.append("yes")
        return True

    @function(ALL_ROUTES)
    def nay(self, ctx: Context) -> bool:
        """False."""
        self.seen.append("no")
        return False

    @function(ALL_ROUTES)
    def broken(self, ctx: Context) -> int:
        """A mistake in a module."""
        raise RuntimeError("a mistake")

    @function(ALL_ROUTES)
    def refuses(self, ctx: Context) -> int:
        """Gives up with a code."""
        raise ScriptError("cannot", -7)

    @function(REQUEST)
    def options(self, ctx: Context, first: str, second: int | None = None, third: str = "default") -> None:
        """Optional parameters."""
        self.seen.append((first, second, third))

    @function(REQUEST, number="doubled")
    def fixed(
        self, ctx: Context, number: int, name: Static[str] = "none", raw: Raw[str] = "", regex: Pattern | None = None,
    ) -> None:
        """Kinds and fixups."""
        self.seen.append((number, name, raw, None if regex is None else regex.pattern))

    @function(REQUEST, writable=("target",))
    def fill(self, ctx: Context, target: Var, text: str = "filled") -> None:
        """Write a variable."""
        assert target.set is not None
        target.set(ctx, text)

    @function(FAILURE)
    def only_in_failure(self, ctx: Context) -> None:
        """Not for requests."""

    @function()
    @async_function()
    async def slow(self, ctx: Context, code: int) -> int:
        """Takes a moment."""
        await asyncio.sleep(0)
        self.seen.append(("slow", code))
        return code

    @async_function()
    def at_once(self, ctx: Context, code: int) -> int:
        """Has its result at once."""
        return code


class Hook:
    """What tm does for async()."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.state = 1
        self.alive = True

    def suspend(self, ctx: Context) -> int:
        self.calls.append("suspend")
        return self.state

    def resumed(self, ctx: Context) -> bool:
        self.calls.append("resumed")
        return self.alive

    def after_resume(self, ctx: Context) -> None:
        self.calls.append("after")


class StandIn:
    """The server's attributes that compiled routes use."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []
        self.log = Lines(self.lines)
        self.events = EventBus()
        self.stats = Stats()
        self.workers = Workers()
        self.script_vars: dict[str, Value] = {}
        self.registry = Registry(self)
        self.settings = Settings()
        self.script = Script()
        self.async_hook: Any = None
        self.compat = "3.6"
        self.speaks_31 = False
        self.cfg_path = ""
        self.preprocessor: str | None = None
        self.argv: list[str] = []
        self.options: dict[str, str] = {}
        self.options: dict[str, str] = {}
        self.start_time = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.deferred: list[Callable[[], object]] = []
        self.timer_routes: list[Any] = []
        self.registry.load_core([*CORE_MODULES, Probe])
        self.probe: Probe = next(one for one in self.registry.core if isinstance(one, Probe))

    @property
    def seen(self) -> list[Any]:
        """What the probe was called with."""
        return self.probe.seen

    def load(self, text: str, *, live_params: bool = False) -> Script:
        """Compile a script; it becomes the current one."""
        tree = parse_text(text, "test.cfg")
        self.settings = resolve_globals(tree)
        self.script = Compiler(self, self.registry, tree, self.settings, live_params=live_params).compile()
        return self.script

    def context(self, kind: int = REQUEST, text: str = MESSAGE) -> Context:
        """A run for one message."""
        message = parse_message(text.encode("latin-1"))
        ctx = Context(self, self.script, kind, message)
        ctx.ruri = message.request_uri if message.is_request else None  # type: ignore[union-attr]
        ctx.rc = 0
        return ctx

    def run(self, text: str | None = None) -> Context:
        """Compile (when a text is given) and run the main route for one request."""
        if text is not None:
            self.load(text)
        assert self.script.request is not None
        ctx = self.context()
        self.script.request(ctx)
        return ctx

    def errors(self, text: str) -> list[ConfigError]:
        """The mistakes found in a script."""
        from engine.errors import ConfigErrors

        try:
            self.load(text)
        except ConfigErrors as found:
            return found.errors
        return []

    def spawn(self, coro: Coroutine[Any, Any, Any], name: str = "") -> None:
        """Run in the background."""
        self.tasks.append(asyncio.get_running_loop().create_task(coro))

    def defer(self, call: Callable[[], object]) -> None:
        """Run later."""
        self.deferred.append(call)

    def dummy_context(self, kind: int) -> Context:
        """A run without a message of its own."""
        return self.context(kind)

    def start_timer_routes(self, script: Script) -> None:
        """Remember what would be started."""
        self.timer_routes = list(script.timers)


class Lines(LogRoot):
    """A log kept in a list."""

    __slots__ = ("into",)

    def __init__(self, into: list[tuple[int, str]]) -> None:
        super().__init__()
        self.into = into
        self.xlog_level = 2

    def write(self, level: int, module: str, function: str, text: str) -> None:
        """Keep a line."""
        self.into.append((level, text))
