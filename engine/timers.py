"""One coarse timer wheel for everything that waits: retransmissions, expiry, timer routes.

Time is cut into ticks of 0.1 s. A timer hangs in the list of the tick in which it is due; advance() walks over the ticks
that have passed and runs what hangs there. Starting a timer is one dict lookup and one append, cancelling it one
assignment: it stays in its list until its tick passes, empty. That is cheaper than a loop handle per timer and coarse as
OpenSIPS' own timers are: a timer never fires early, and up to a tick late.

The wheel knows no event loop. The server calls advance() every tick; a test passes the time it likes, and the callbacks
then see the wheel's own time, tick by tick, so 32 seconds of retransmissions run in no time and in the right order.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final

RESOLUTION: Final = 0.1
"""Seconds per tick."""
# Guards the division below against 0.30000000000000004: such a timer belongs to tick 3, not 4.
_EPSILON: Final = 1e-6

Call = Callable[[], object]


class Timer:
    """One call in the future. cancel() at any time, also after it has run."""

    __slots__ = ("call", "due", "period")

    def __init__(self, call: Call | None, due: float, period: float) -> None:
        self.call = call
        """None: cancelled or done."""
        self.due = due
        """Wheel time in seconds at which it is wanted."""
        self.period = period
        """Seconds between two runs; 0: once."""

    def cancel(self) -> None:
        """Never call again; also lets go of whatever the call holds."""
        self.call = None

    @property
    def active(self) -> bool:
        """True while a run is still to come."""
        return self.call is not None


class TimerWheel:
    """after() and every(), in seconds.

    clock: seconds that never go back (time.monotonic); None: virtual time, set by advance(). run(call): how due timers are
    executed (the server: in a worker). on_error(error): told of what a call raises; None: it propagates.
    """

    def __init__(
        self, clock: Callable[[], float] | None = None, run: Callable[[Call], object] | None = None,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._clock = clock
        self._time = 0.0 if clock is None else clock()
        self._tick = int(self._time / RESOLUTION + _EPSILON)
        self._wheel: dict[int, list[Timer]] = {}
        self._ready: deque[Timer] = deque()
        self._run = run
        self._on_error = on_error
        self.size = 0
        """Timers hanging in the wheel, cancelled ones included."""

    @property
    def is_real(self) -> bool:
        """False in virtual time, where nobody but advance() makes it pass."""
        return self._clock is not None

    def now(self) -> float:
        """Seconds, only good for differences."""
        return self._time if self._clock is None else self._clock()

    def after(self, seconds: float, call: Call) -> Timer:
        """Run call() once, in that many seconds (0: with the next tick)."""
        timer = Timer(call, self.now() + seconds, 0.0)
        self._hang(timer)
        return timer

    def every(self, seconds: float, call: Call) -> Timer:
        """Run call() again and again, first in `seconds`; without drift. A run that is late is not made up for."""
        if seconds <= 0:
            raise ValueError("the period of a timer must be greater than 0")
        timer = Timer(call, self.now() + seconds, seconds)
        self._hang(timer)
        return timer

    def _hang(self, timer: Timer) -> None:
        tick = math.ceil(timer.due / RESOLUTION - _EPSILON)
        if tick <= self._tick:
            tick = self._tick + 1
        bucket = self._wheel.get(tick)
        if bucket is None:
            self._wheel[tick] = [timer]
        else:
            bucket.append(timer)
        self.size += 1

    def advance(self, now: float | None = None) -> None:
        """Run everything that is due at `now` (default: the clock), tick by tick, in order of starting within a tick."""
        if now is None:
            now = self.now()
        last = int(now / RESOLUTION + _EPSILON)
        wheel = self._wheel
        while self._tick < last:
            # With nothing hanging there is nothing to walk over, however long the gap.
            if not wheel:
                self._tick = last
                break
            self._tick += 1
            bucket = wheel.pop(self._tick, None)
            if bucket is None:
                continue
            if self._clock is None:
                self._time = max(self._time, self._tick * RESOLUTION)
            self.size -= len(bucket)
            self._ready.extend(bucket)
            # A call that parks its worker leaves the rest of the tick behind: the next worker goes on with it.
            while self._ready:
                if self._run is None:
                    self._drain()
                else:
                    self._run(self._drain)
        if self._clock is None:
            self._time = max(self._time, now)

    def _drain(self) -> None:
        """Run the timers of the current tick."""
        ready = self._ready
        while ready:
            timer = ready.popleft()
            call = timer.call
            if call is None:
                continue
            if timer.period:
                timer.due += timer.period
                if timer.due <= self.now():
                    timer.due = self.now() + timer.period
                self._hang(timer)
            else:
                timer.call = None
            try:
                call()
            except Exception as error:
                if self._on_error is None:
                    raise
                self._on_error(error)

    def next_due(self) -> float | None:
        """Wheel time of the next tick that has timers (perhaps cancelled ones), or None."""
        return min(self._wheel) * RESOLUTION if self._wheel else None
