"""Events, output, time and status: what fits no other file."""

from __future__ import annotations

from typing import Any

from engine.errors import ConfigError
from engine.module import Module, Raw, Static, Var, function
from engine.script.context import Context
from engine.script.functions.uri import avp_only
from engine.script.values import Value, wrap32
from engine.script.variables.binder import Binder
from engine.status import MAIN

TRACE = "script_trace"
"""Key in ctx.slots: (level, print, info) while script_trace() is on."""


class EventFunctions(Module):
    """raise_event() and subscribe_event()."""

    def event_name(self, text: str) -> str:
        """Fixup: an event that scripts name exists from then on."""
        if not text:
            raise ConfigError("the name of an event is empty")
        self.server.events.define(text)
        return text

    @function(event="event_name", names=avp_only, values=avp_only)
    def raise_event(self, ctx: Context, event: str, names: Var | None = None, values: Var | None = None) -> int:
        """Raise an event; its parameters are the values of one $avp, named by those of another, newest first.

        1; -1 when a value has no name or a name is no text. Names without values: no parameters.
        """
        bus = self.server.events
        found = bus.find(event)
        if found is None or not found.active:
            return 1
        params: list[tuple[str | None, Value]] = []
        if values is not None:
            given = _all_values(ctx, values)
            if names is None:
                params = [(None, value) for value in given]
            else:
                keys = _all_values(ctx, names)
                if len(keys) < len(given):
                    self.log.error("event %s: %d values and only %d names", event, len(given), len(keys))
                    return -1
                if len(keys) > len(given):
                    self.log.error("event %s: there are more names than values", event)
                for key, value in zip(keys, given, strict=False):
                    if not isinstance(key, str):
                        self.log.error("event %s: the name %r of a parameter is no text", event, key)
                        return -1
                    params.append((key, value))
        bus.raise_event(event, params)
        return 1

    @function(event="event_name")
    def subscribe_event(self, ctx: Context, event: str, socket: str, expire: int | None = None) -> int:
        """Have an event sent to a socket ("udp:127.0.0.1:8888") for expire seconds (missing: for ever, 0: no more). 1 or -1."""
        try:
            self.server.subscribers.subscribe(event, socket, expire)
        except ValueError as error:
            self.log.error("%s", error)
            return -1
        return 1


def _all_values(ctx: Context, variable: Var) -> list[Value]:
    """All values of an $avp, newest first."""
    name = variable.inner
    if name is None:
        single = variable.get(ctx)
        return [] if single is None else [single]
    return list(reversed(ctx.avps.get(name, ())))


class OutputFunctions(Module):
    """pv_printf(), avp_print(), script_trace()."""

    @function(writable=("variable",))
    def pv_printf(self, ctx: Context, variable: Var, text: str) -> int:
        """Give a variable an expanded format, always as a text. 1; -1 when the variable refuses it."""
        assert variable.set is not None
        variable.set(ctx, text)
        return 1

    @function()
    def avp_print(self, ctx: Context) -> int:
        """Log all AVPs of this run at level info, newest value first. 1."""
        for name, values in ctx.avps.items():
            for value in reversed(values):
                self.log.info("$avp(%s) = %s", name, repr(value))
        return 1

    def trace_format(self, text: str) -> Any:
        """Fixup: a format that is printed with every statement."""
        binder = Binder(self.server.registry)
        return lambda ctx: binder.print_text(ctx, text) or ""

    @function(text="trace_format")
    def script_trace(
        self, ctx: Context, level: int | None = None, text: Raw[str] | None = None, info: Static[str] | None = None,
    ) -> int:
        """Log every further statement of this run at a level, with an expanded format; without arguments: no more.
        1; -6 when the format is missing."""
        if level is None and text is None and info is None:
            if ctx.slots is not None:
                ctx.slots.pop(TRACE, None)
            return 1
        if level is None or text is None:
            self.log.error("script_trace() needs a level and a format")
            return -6
        if ctx.slots is None:
            ctx.slots = {}
        ctx.slots[TRACE] = (level, text, info or "")
        return 1


class StatusFunctions(Module):
    """get_timestamp() and sr_check_status()."""

    @function(seconds=avp_only, microseconds=avp_only)
    def get_timestamp(self, ctx: Context, seconds: Var, microseconds: Var) -> int:
        """Now: seconds since 1970 and the microseconds of this second, each into an $avp. 1."""
        now = self.server.wall()
        assert seconds.set is not None and microseconds.set is not None
        seconds.set(ctx, wrap32(int(now)))
        microseconds.set(ctx, int(now * 1_000_000) % 1_000_000)
        return 1

    @function()
    def sr_check_status(self, ctx: Context, group: str, identifier: str | None = None) -> int:
        """State of a part of the server, "main" when no identifier is given, "all": the worst of the group.

        1 ready, more for other good states, negative when it is not ready; -1 as well for a group or an identifier nobody
        reports."""
        code: int | None = self.server.status_reports.check(group, identifier or MAIN)
        if code is None:
            return -1
        return code or 1  # 0 is a good state, but it would end the script
