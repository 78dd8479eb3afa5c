"""engine.timers in virtual time and with a clock."""

import pytest

from engine.timers import TimerWheel
from tests.helpers import FakeClock


def test_runs_in_order_and_never_early() -> None:
    wheel = TimerWheel()
    seen: list[tuple[str, float]] = []
    wheel.after(0.25, lambda: seen.append(("b", round(wheel.now(), 3))))
    wheel.after(0.1, lambda: seen.append(("a", round(wheel.now(), 3))))
    wheel.after(0.3, lambda: seen.append(("c", round(wheel.now(), 3))))
    wheel.advance(0.05)
    assert seen == []
    wheel.advance(0.29)
    assert seen == [("a", 0.1)]
    wheel.advance(0.3)
    assert seen == [("a", 0.1), ("b", 0.3), ("c", 0.3)]


def test_timers_started_by_timers_see_the_wheels_time() -> None:
    wheel = TimerWheel()
    seen: list[float] = []

    def again() -> None:
        seen.append(round(wheel.now(), 1))
        if len(seen) < 4:
            wheel.after(0.5 * 2 ** (len(seen) - 1), again)

    wheel.after(0.5, again)
    wheel.advance(32.0)
    assert seen == [0.5, 1.0, 2.0, 4.0]
    assert wheel.now() == 32.0


def test_cancel_also_from_the_same_tick() -> None:
    wheel = TimerWheel()
    seen: list[str] = []
    second = None

    def first() -> None:
        seen.append("first")
        assert second is not None
        second.cancel()

    wheel.after(1, first)
    second = wheel.after(1, lambda: seen.append("second"))
    assert second.active
    wheel.advance(5)
    assert seen == ["first"]
    assert not second.active


def test_every_has_no_drift_and_does_not_catch_up() -> None:
    clock = FakeClock(100.0)
    wheel = TimerWheel(clock)
    seen: list[float] = []
    timer = wheel.every(1, lambda: seen.append(clock.now))
    for now in (100.95, 101.05, 102.0, 102.1, 110.0, 110.5, 111.1):
        clock.now = now
        wheel.advance()
    assert seen == [101.05, 102.0, 110.0, 111.1]
    timer.cancel()
    clock.now = 120.0
    wheel.advance()
    assert len(seen) == 4
    with pytest.raises(ValueError):
        wheel.every(0, lambda: None)


def test_after_zero_comes_with_the_next_tick() -> None:
    wheel = TimerWheel()
    seen: list[int] = []
    wheel.after(0, lambda: seen.append(1))
    wheel.advance(0.0)
    assert seen == []
    wheel.advance(0.1)
    assert seen == [1]


def test_errors_do_not_stop_the_others() -> None:
    errors: list[BaseException] = []
    wheel = TimerWheel(on_error=errors.append)
    seen: list[int] = []

    def bad() -> None:
        raise RuntimeError("bad")

    wheel.after(1, bad)
    wheel.after(1, lambda: seen.append(1))
    wheel.advance(1)
    assert seen == [1]
    assert [str(error) for error in errors] == ["bad"]


def test_a_parked_call_leaves_the_rest_to_the_next_worker() -> None:
    parked: list[object] = []
    wheel = TimerWheel(run=lambda call: call())
    seen: list[str] = []

    def waits() -> None:
        # What a parked worker looks like from here: the hub goes on with the same tick before this call returns.
        parked.append(wheel)
        while wheel._ready:
            wheel._drain()
        seen.append("waited")

    wheel.after(1, waits)
    wheel.after(1, lambda: seen.append("other"))
    wheel.advance(1)
    assert seen == ["other", "waited"]


def test_a_long_gap_costs_nothing_when_nothing_hangs() -> None:
    wheel = TimerWheel()
    wheel.advance(1e9)
    assert wheel.now() == 1e9
    assert wheel.next_due() is None
    wheel.after(1, lambda: None)
    assert wheel.next_due() == pytest.approx(1e9 + 1)
