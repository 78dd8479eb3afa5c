"""benchmark: how long parts of a script take, in microseconds.

Manual: OpenSIPS 3.6, module benchmark. A timer measures from bm_start_timer() to bm_log_timer() of the same name; every
`granularity` measurements the figures are logged, or (granularity 0) they are asked for by MI.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

from engine.errors import MiError
from engine.module import (
    BRANCH, EVENT, FAILURE, LOCAL, ONREPLY, REQUEST, STARTUP, TIMER, ConfigError, Context, Module, Value, function,
    mi_command, modparam, pvar,
)

ROUTES: Final = REQUEST | FAILURE | ONREPLY | BRANCH | LOCAL | STARTUP | TIMER | EVENT
_MAX_NAME: Final = 31
_LEVELS: Final = {
    -3: "critical", -2: "critical", -1: "error", 0: "error", 1: "warning", 2: "notice", 3: "info", 4: "debug",
}


class Figures:
    """Count, sum, least and most of some measurements."""

    __slots__ = ("calls", "sum", "least", "most")

    def __init__(self) -> None:
        self.calls = 0
        self.sum = 0
        self.least = 0
        self.most = 0

    def add(self, microseconds: int) -> None:
        """One more."""
        self.least = microseconds if not self.calls else min(self.least, microseconds)
        self.most = max(self.most, microseconds)
        self.calls += 1
        self.sum += microseconds

    def __str__(self) -> str:
        """count/sum/least/most/average."""
        average = self.sum / self.calls if self.calls else 0.0
        return f"{self.calls}/{self.sum}/{self.least}/{self.most}/{average:f}"


class Stopwatch:
    """One timer."""

    __slots__ = ("name", "number", "enabled", "start", "last", "total")

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.enabled = False
        self.start = 0
        """Nanoseconds of a clock that never goes back, 0: not started."""
        self.last = Figures()
        """Since the last time they were logged or asked for."""
        self.total = Figures()


class Benchmark(Module):
    """The module. Other modules may use stopwatch(), begin() and end()."""

    enable = modparam(int, 0, min=-1, max=1, help="1: all timers, 0: those that MI enabled, -1: none")
    granularity = modparam(int, 100, min=0, help="measurements between two log lines, 0: no log lines")
    loglevel = modparam(int, 3, min=-3, max=4, help="level of the log lines")

    def mod_init(self) -> None:
        self._stopwatches: dict[str, Stopwatch] = {}
        self._difference = 0

    def stopwatch(self, name: str) -> Stopwatch:
        """The timer of a name, made on first use. ConfigError: the name is empty or longer than 31 characters."""
        found = self._stopwatches.get(name)
        if found is None:
            if not 0 < len(name) <= _MAX_NAME:
                raise ConfigError(f"bad name of a timer {name!r}, it has 1 ... {_MAX_NAME} characters")
            found = self._stopwatches[name] = Stopwatch(name, len(self._stopwatches))
        return found

    def _active(self, watch: Stopwatch) -> bool:
        return self.enable > 0 or (self.enable == 0 and watch.enabled)

    def begin(self, watch: Stopwatch) -> None:
        """Start a measurement."""
        if self._active(watch):
            watch.start = time.perf_counter_ns()

    def end(self, watch: Stopwatch) -> None:
        """End it."""
        if not watch.start or not self._active(watch):
            return
        took = (time.perf_counter_ns() - watch.start) // 1000
        self._difference = took
        watch.last.add(took)
        watch.total.add(took)
        if 0 < self.granularity <= watch.last.calls:
            getattr(self.log, _LEVELS[self.loglevel])(
                "benchmark (timer %s [%d]): %d [ msgs/total/min/max/avg - LR: %s | GB: %s]",
                watch.name, watch.number, took, watch.last, watch.total,
            )
            watch.last = Figures()

    @function(ROUTES, name="bm_start_timer", timer="stopwatch")
    def bm_start_timer(self, ctx: Context, timer: Annotated[Stopwatch, "str"]) -> int:
        """Start the measurement of a timer. 1."""
        self.begin(timer)
        return 1

    @function(ROUTES, name="bm_log_timer", timer="stopwatch")
    def bm_log_timer(self, ctx: Context, timer: Annotated[Stopwatch, "str"]) -> int:
        """End it; $BM_time_diff has the result. 1."""
        self.end(timer)
        return 1

    @pvar("BM_time_diff")
    def time_diff(self, ctx: Context) -> Value:
        """$BM_time_diff: microseconds of the last measurement, 0 before the first."""
        return min(self._difference, 0x7FFFFFFF)

    @mi_command("bm_enable_global", help="enables (1) or disables (-1) all timers, or leaves it to each (0)")
    def mi_enable_global(self, enable: int) -> None:
        """400: no such mode."""
        if not -1 <= enable <= 1:
            raise MiError(400, "Bad parameter value")
        self.enable = enable

    @mi_command("bm_enable_timer", help="enables (1) or disables (0) a timer")
    def mi_enable_timer(self, timer: str, enable: int) -> None:
        """400: no such timer or mode."""
        watch = self._stopwatches.get(timer)
        if watch is None:
            raise MiError(400, "Failed to register timer")
        if enable not in (0, 1):
            raise MiError(400, "Bad parameter value")
        watch.enabled = bool(enable)

    @mi_command("bm_granularity", help="sets how many measurements lie between two log lines")
    def mi_granularity(self, granularity: int) -> None:
        """400: a negative number."""
        if granularity < 0:
            raise MiError(400, "Bad value for parameter")
        self.granularity = granularity

    @mi_command("bm_loglevel", help="sets the level of the log lines")
    def mi_loglevel(self, log_level: int) -> None:
        """400: no such level."""
        if log_level not in _LEVELS:
            raise MiError(400, "Bad value for parameter")
        self.loglevel = log_level

    @mi_command("bm_poll_results", help="figures of all timers; those since the last call start anew")
    def mi_poll(self) -> dict[str, Any]:
        """{"Timers": [{"name", "global", "local"}]}, figures as count/sum/min/max/average; 400 unless granularity is 0."""
        if self.granularity:
            raise MiError(400, "Invalid call")
        found = []
        for watch in reversed(self._stopwatches.values()):
            found.append({"name": watch.name, "global": str(watch.total), "local": str(watch.last)})
            watch.last = Figures()
        return {"Timers": found}


exports = Benchmark
