"""Time, process and terminal: $Ts, $Tf, $time(), $pp, $mi, $C()."""

from __future__ import annotations

import os
import sys
import time
from typing import Final

from engine.module import Module, pvar
from engine.script.context import Context
from engine.script.values import TextNumber, Value, wrap32

_COLORS: Final = {"x": 9, "s": 0, "r": 1, "g": 2, "y": 3, "b": 4, "p": 5, "c": 6, "w": 7}


def parse_color(text: str) -> str:
    """The escape sequence of two letters: foreground (upper case: bold) and background."""
    if len(text) != 2 or text[0].lower() not in _COLORS or text[1].lower() not in _COLORS:
        raise ValueError("two letters of x s r g y b p c w are wanted")
    bold = 1 if text[0].isupper() else 0
    return f"\x1b[{bold};3{_COLORS[text[0].lower()]};4{_COLORS[text[1].lower()]}m"


class TimeVariables(Module):
    """Clocks and counters."""

    messages = 0
    """Runs numbered so far, for $mi."""

    @pvar("Ts")
    def seconds(self, ctx: Context) -> Value:
        """Seconds since 1970."""
        return wrap32(int(self.server.wall()))

    @pvar("Tsm")
    def microseconds(self, ctx: Context) -> Value:
        """Microseconds of this second."""
        return int(self.server.wall() * 1_000_000) % 1_000_000  # type: ignore[no-any-return]

    @pvar("TS")
    def start(self, ctx: Context) -> Value:
        """When the server started, seconds since 1970."""
        return wrap32(int(self.server.start_time))

    @pvar("Tf")
    def text(self, ctx: Context) -> Value:
        """Now as ctime() prints it."""
        now = int(self.server.wall())
        return TextNumber(time.ctime(now), wrap32(now))

    @pvar("time")
    def formatted(self, ctx: Context, name: str) -> Value:
        """$time(FORMAT): now by strftime(3)."""
        return time.strftime(name, time.localtime(self.server.wall())) or None

    @pvar("pp")
    def process(self, ctx: Context) -> Value:
        """Process id."""
        return os.getpid()

    @pvar("mi")
    def message(self, ctx: Context) -> Value:
        """Number of the message: the same within one run, higher for later ones."""
        slots = ctx.slots
        if slots is None:
            slots = ctx.slots = {}
        number = slots.get("core.mi")
        if number is None:
            self.messages += 1
            number = slots["core.mi"] = self.messages
        return number  # type: ignore[no-any-return]

    @pvar("C", parse_name=parse_color)
    def color(self, ctx: Context, name: str) -> Value:
        """$C(xy): a colour for terminals; nothing when the log goes elsewhere and xlog_force_color is off."""
        if self.server.settings.xlog_force_color or self.server.compat == "3.1" or sys.stderr.isatty():
            return name
        return ""
