"""Waiting and clocks: sleep(), usleep(), get_accurate_time(), ts_usec_delta(), check_time_rec(), $ctime."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from engine.errors import ConfigError
from engine.module import ALL_ROUTES, Context, Var, async_function, function, pvar
from modules.shared.timerec import parse_expression

_INT_MAX: Final = 0x7FFFFFFF
_FIELDS: Final = ("sec", "min", "hour", "mday", "mon", "year", "wday", "yday", "isdst")


def _clock_field(name: str) -> int:
    """Number of a field of $ctime(name)."""
    if name not in _FIELDS:
        raise ConfigError(f"$ctime({name}) does not exist", hint=f"it takes one of {', '.join(_FIELDS)}")
    return _FIELDS.index(name)


class Timing:
    """Mixed into the module."""

    if TYPE_CHECKING:
        server: Any
        log: Any

    @function(ALL_ROUTES)
    @async_function()
    async def sleep(self, ctx: Context, time: int) -> int:
        """Wait so many seconds; other messages are served meanwhile. 1."""
        await asyncio.sleep(max(0, time))
        return 1

    @function(ALL_ROUTES)
    @async_function()
    async def usleep(self, ctx: Context, time: int) -> int:
        """Wait so many microseconds; other messages are served meanwhile. 1."""
        await asyncio.sleep(max(0, time) / 1_000_000)
        return 1

    @function(ALL_ROUTES, writable=("sec", "usec", "str_sec_usec"))
    def get_accurate_time(self, ctx: Context, sec: Var, usec: Var, str_sec_usec: Var | None = None) -> int:
        """Write the time since 1970 into variables: seconds, microseconds, both as text with a point. 1."""
        seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
        micros = nanos // 1000
        assert sec.set is not None and usec.set is not None
        sec.set(ctx, seconds)
        usec.set(ctx, micros)
        if str_sec_usec is not None and str_sec_usec.set is not None:
            str_sec_usec.set(ctx, f"{seconds}.{micros:06d}")
        return 1

    @function(ALL_ROUTES, writable=("delta_str", "delta_int"))
    def ts_usec_delta(
        self, ctx: Context, t1_sec: int, t1_usec: int, t2_sec: int, t2_usec: int, delta_str: Var | None = None,
        delta_int: Var | None = None,
    ) -> int:
        """Write the distance of two times in microseconds, as text and as number. 1; -1 when the number is too large."""
        delta = abs(1_000_000 * (t1_sec - t2_sec) + t1_usec - t2_usec)
        if delta_str is not None and delta_str.set is not None:
            delta_str.set(ctx, str(delta))
        if delta_int is not None and delta_int.set is not None:
            if delta > _INT_MAX:
                self.log.error("the distance of %d us does not fit into delta_int, use delta_str", delta)
                return -1
            delta_int.set(ctx, delta)
        return 1

    @function(ALL_ROUTES)
    def check_time_rec(self, ctx: Context, time_string: str, timestamp: int | None = None) -> int:
        """Whether now (or a Unix time) falls into a time recurrence (modules.shared.timerec).

        1 yes, -1 no, -2 the recurrence cannot be read.
        """
        try:
            expression = parse_expression(time_string)
            return 1 if expression.matches(self.server.wall() if timestamp is None else timestamp) else -1
        except (ValueError, OverflowError) as error:
            self.log.error("time recurrence %r: %s", time_string, error)
            return -2

    @pvar("ctime", parse_name=_clock_field)
    def clock(self, ctx: Context, name: int | str) -> int:
        """A field of the local time; wday from 1 (Sunday), yday from 1."""
        number = name if isinstance(name, int) else _clock_field(name)
        now = time.localtime(self.server.wall())
        if number == 0:
            return now.tm_sec
        if number == 1:
            return now.tm_min
        if number == 2:
            return now.tm_hour
        if number == 3:
            return now.tm_mday
        if number == 4:
            return now.tm_mon
        if number == 5:
            return now.tm_year
        if number == 6:
            return (now.tm_wday + 1) % 7 + 1
        if number == 7:
            return now.tm_yday
        return now.tm_isdst
