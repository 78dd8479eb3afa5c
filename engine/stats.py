"""Counters and gauges, in groups, as get_statistics and prometheus show them.

Whoever counts holds the Counter and calls inc(): one attribute addition. A statistic that is computed when asked for is a
Computed with a function. Names are looked up without their group, as OpenSIPS does; the first one registered wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator


class Counter:
    """A number somebody keeps up to date."""

    __slots__ = ("name", "group", "count", "no_reset", "gauge")

    def __init__(self, group: str, name: str, no_reset: bool = False, gauge: bool = False) -> None:
        self.name = name
        self.group = group
        self.count = 0
        self.no_reset = no_reset
        """reset() does nothing."""
        self.gauge = gauge
        """"non-incremental": goes up and down."""

    def inc(self, n: int = 1) -> None:
        """Add n, which may be negative."""
        self.count += n

    def set(self, value: int) -> None:
        """Set to a value."""
        self.count = value

    def reset(self) -> None:
        """Back to 0, unless the statistic refuses."""
        if not self.no_reset:
            self.count = 0


class Computed:
    """A number asked for when it is wanted. reset() is for the owner to grant: `on_reset` is called, if there is one."""

    __slots__ = ("name", "group", "no_reset", "gauge", "family", "process", "_value", "_on_reset")

    def __init__(
        self, group: str, name: str, value: Callable[[], int], no_reset: bool = True, gauge: bool = True,
        on_reset: Callable[[], None] | None = None, family: str = "", process: int = 0,
    ) -> None:
        self.name = name
        self.group = group
        self.no_reset = no_reset
        self.gauge = gauge
        self.family = family
        """One of several that measure the same of different processes: what they are called together, "" for others."""
        self.process = process
        """Id of its process."""
        self._value = value
        self._on_reset = on_reset

    @property
    def count(self) -> int:
        """The value now."""
        return int(self._value())

    def reset(self) -> None:
        """Let the owner start anew."""
        if self._on_reset is not None:
            self._on_reset()


Statistic = Counter | Computed


class Stats:
    """All statistics of one server. groups: group -> name -> statistic, in order of registration."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, Statistic]] = {}
        self._names: dict[str, Statistic] = {}

    def counter(self, group: str, name: str, no_reset: bool = False, gauge: bool = False) -> Counter:
        """The counter of that name in that group; made on first use."""
        found = self.groups.get(group, {}).get(name)
        if isinstance(found, Counter):
            return found
        made = Counter(group, name, no_reset, gauge)
        self._add(made)
        return made

    def register(
        self, group: str, name: str, value: Callable[[], int], *, no_reset: bool = True, gauge: bool = True,
        on_reset: Callable[[], None] | None = None, family: str = "", process: int = 0,
    ) -> Computed:
        """A statistic that calls value() when asked; an earlier one of the same name and group is replaced."""
        made = Computed(group, name, value, no_reset, gauge, on_reset, family, process)
        self._add(made)
        return made

    def _add(self, made: Statistic) -> None:
        old = self.groups.setdefault(made.group, {}).get(made.name)
        self.groups[made.group][made.name] = made
        if made.name not in self._names or self._names[made.name] is old:
            self._names[made.name] = made

    def get(self, name: str) -> Statistic | None:
        """By name, or by "group:name"; None when unknown."""
        group, colon, rest = name.partition(":")
        if colon:
            return self.groups.get(group, {}).get(rest)
        return self._names.get(name)

    def group(self, name: str) -> dict[str, Statistic] | None:
        """The statistics of a group by name, or None."""
        return self.groups.get(name)

    def __iter__(self) -> Iterator[Statistic]:
        for group in self.groups.values():
            yield from group.values()
