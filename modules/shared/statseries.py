"""Series: numbers gathered over the last so many seconds, in a ring of slots.

Manual: OpenSIPS 3.6, module statistics, "Statistic series".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

ACCUMULATE, AVERAGE, PERCENTAGE = "accumulate", "average", "percentage"
_ALGORITHMS: Final = (ACCUMULATE, AVERAGE, PERCENTAGE)


@dataclass(slots=True)
class Profile:
    """How a series counts."""

    name: str
    group: str
    algorithm: str = ACCUMULATE
    window: int = 60
    """Seconds."""
    slots: int = 0
    factor: int = 100
    """What 100 percent are, for percentage."""


def parse_profile(text: str) -> Profile:
    """name: algorithm=average window=600 slots=10 group=g percentage_factor=1000. Raises ValueError."""
    name, _, rest = text.partition(":")
    name = name.strip()
    if not name:
        raise ValueError("a series profile needs a name")
    made = Profile(name, name)
    for pair in rest.split():
        key, equals, value = pair.partition("=")
        key = key.lower()
        if not equals or not value:
            raise ValueError(f"{pair!r} is not of the form name=value")
        if key == "algorithm":
            if value.lower() not in _ALGORITHMS:
                raise ValueError(f"unknown algorithm {value!r}, there are {', '.join(_ALGORITHMS)}")
            made.algorithm = value.lower()
        elif key == "group":
            made.group = value
        elif key in ("window", "slots", "percentage_factor", "hash_size"):
            if not value.isdigit() or int(value) < 1:
                raise ValueError(f"{key} takes a number from 1, not {value!r}")
            if key == "window":
                made.window = int(value)
            elif key == "slots":
                made.slots = int(value)
            elif key == "percentage_factor":
                if value.rstrip("0") != "1":
                    raise ValueError(f"percentage_factor takes a power of 10, not {value}")
                made.factor = int(value)
        else:
            raise ValueError(f"unknown attribute {key!r}")
    made.slots = made.slots or made.window
    return made


class Series:
    """One series. clock: wall clock in seconds."""

    __slots__ = ("_profile", "_clock", "_first", "_second", "_slot", "_since")

    def __init__(self, profile: Profile, clock: Callable[[], float]) -> None:
        self._profile = profile
        self._clock = clock
        # What a slot holds: sum and number (average), positive and negative (percentage), sum (accumulate).
        self._first = [0] * profile.slots
        self._second = [0] * profile.slots
        self._slot = 0
        self._since = -1
        """Number of the current slot, counted from 1970; -1: nothing was fed yet."""

    def _turn(self) -> None:
        """Empty the slots that have become too old."""
        profile = self._profile
        now = int(self._clock() * 1000 // (profile.window * 1000 / profile.slots))
        if self._since >= 0:
            for number in range(self._since + 1, min(now, self._since + profile.slots) + 1):
                self._first[number % profile.slots] = self._second[number % profile.slots] = 0
        self._since = max(self._since, now)
        self._slot = self._since % profile.slots

    def add(self, value: int) -> None:
        """Feed a number."""
        self._turn()
        algorithm = self._profile.algorithm
        if algorithm == PERCENTAGE and value <= 0:
            self._second[self._slot] -= value
            return
        self._first[self._slot] += value
        if algorithm == AVERAGE:
            self._second[self._slot] += 1

    def value(self) -> int:
        """What the numbers of the window come to now."""
        if self._since < 0:
            return 0
        self._turn()
        first, second = sum(self._first), sum(self._second)
        if self._profile.algorithm == ACCUMULATE:
            return first
        if self._profile.algorithm == AVERAGE:
            return int(first / second) if second else 0
        return first * self._profile.factor // (first + second) if first + second else 0
