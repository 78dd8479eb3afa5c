"""statistics: counters and series of scripts, and $stat to read any of the server's.

    modparam("statistics", "variable", "calls")
    modparam("statistics", "stat_groups", "method, reply")
    update_stat("calls", 1); update_stat("method:$rm", 1); xlog("$stat(calls) of $stat(rcv_requests)\\n");

Manual: OpenSIPS 3.6, module statistics. Declared counters are in the group `script`, others come into being when they are
first updated: in the group named before the colon, which must be declared, else in `dynamic`.
"""

from __future__ import annotations

from typing import Final

from engine.errors import ConfigError, ScriptError
from engine.module import ALL_ROUTES, Context, Module, Static, Value, Var, function, modparam, pvar
from engine.stats import Counter, Statistic
from modules.shared.statseries import Profile, Series, parse_profile

_SCRIPT: Final = "script"
_DYNAMIC: Final = "dynamic"


def _declared(text: str) -> tuple[str, bool]:
    """name[/no_reset] as (name, no_reset)."""
    name, slash, flag = text.partition("/")
    if not name or (slash and flag.lower() != "no_reset"):
        raise ValueError(f"{text!r} is not of the form name or name/no_reset")
    return name, bool(slash)


def _groups(text: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


class StatRef:
    """A statistic by name: found, or made, when it is first needed."""

    __slots__ = ("name", "found")

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: Statistic | None = None


class Iteration:
    """State of one iterator."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left: list[Statistic] = []


class Statistics(Module):
    """The module."""

    variable = modparam(str, None, multi=True, parse=_declared, help="a counter: name or name/no_reset")
    stat_groups = modparam(str, None, multi=True, parse=_groups, help="groups that scripts use, separated by commas")
    stat_series_profile = modparam(str, None, multi=True, parse=parse_profile, help="name: algorithm=... window=... slots=...")

    def mod_init(self) -> None:
        stats = self.server.stats
        for names in self.stat_groups:
            for name in names:
                stats.groups.setdefault(name, {})
        self._profiles: dict[str, Profile] = {}
        for profile in self.stat_series_profile:
            if profile.name.lower() in self._profiles:
                raise ConfigError(f"statistics: the series profile {profile.name} is defined twice")
            self._profiles[profile.name.lower()] = profile
            stats.groups.setdefault(profile.group, {})
        self._series: dict[tuple[str, str], Series] = {}
        self._iterations: dict[str, Iteration] = {}
        # The last one declared comes first, as OpenSIPS registers them.
        for name, no_reset in reversed(self.variable):
            stats.counter(_SCRIPT, name, no_reset)

    # ---------------------------------------------------------------- finding

    def reference(self, name: str) -> StatRef:
        """The statistic a script names. ConfigError: its group was not declared."""
        group, colon, _ = name.partition(":")
        if colon and self.server.stats.group(group) is None:
            raise ConfigError(f"the statistics group {group!r} is not known", hint='declare it with modparam "stat_groups"')
        return StatRef(name)

    def _find(self, reference: StatRef) -> Statistic | None:
        if reference.found is None:
            reference.found = self.server.stats.get(reference.name)
        return reference.found

    def _counter(self, reference: StatRef) -> Statistic:
        """The statistic, made when there is none."""
        found = self._find(reference)
        if found is None:
            group, colon, name = reference.name.partition(":")
            if not colon:
                group, name = _DYNAMIC, reference.name
            found = reference.found = self.server.stats.counter(group, name)
        return found

    # ---------------------------------------------------------------- counters

    @function(ALL_ROUTES, variable="reference")
    def update_stat(self, ctx: Context, variable: str, value: int) -> int:
        """Add a number, which may be negative, to a counter. 1."""
        reference: StatRef = variable  # type: ignore[assignment]
        if value:
            found = self._counter(reference)
            if isinstance(found, Counter):
                found.inc(value)
        return 1

    @function(ALL_ROUTES, variable="reference")
    def reset_stat(self, ctx: Context, variable: str) -> int:
        """Set a counter back to 0, unless it refuses. 1."""
        reference: StatRef = variable  # type: ignore[assignment]
        self._counter(reference).reset()
        return 1

    @pvar("stat")
    def stat_value(self, ctx: Context, name: str) -> Value:
        """The value of any statistic, NULL when there is none of that name."""
        found = self.server.stats.get(name)
        return None if found is None else found.count

    @stat_value.setter
    def reset_by_variable(self, ctx: Context, name: str, value: Value) -> None:
        """Setting it is resetting it, whatever the value."""
        if value != 0:
            self.log.warning("$stat(%s) can only be set to 0", name)
        try:
            self._counter(self.reference(name)).reset()
        except ConfigError as error:
            raise ScriptError(str(error)) from None

    # ---------------------------------------------------------------- iterators

    def group_name(self, name: str) -> str:
        """A group that exists. ConfigError: it was not declared."""
        if self.server.stats.group(name) is None:
            raise ConfigError(f"the statistics group {name!r} is not known", hint='declare it with modparam "stat_groups"')
        return name

    def iteration(self, name: str) -> Iteration:
        """The iterator of that name."""
        return self._iterations.setdefault(name, Iteration())

    @function(ALL_ROUTES, group="group_name", iter="iteration")
    def stat_iter_init(self, ctx: Context, group: str, iter: Static[str]) -> int:
        """Begin to go through the statistics of a group. 1."""
        iteration: Iteration = iter  # type: ignore[assignment]
        iteration.left = list((self.server.stats.group(group) or {}).values())
        return 1

    @function(ALL_ROUTES, iter="iteration", writable=("name", "val"))
    def stat_iter_next(self, ctx: Context, name: Var, val: Var, iter: Static[str]) -> int:
        """Write name and value of the next statistic into variables. 1; -1 when there are no more."""
        iteration: Iteration = iter  # type: ignore[assignment]
        if not iteration.left:
            return -1
        item = iteration.left.pop(0)
        assert name.set is not None and val.set is not None
        name.set(ctx, item.name)
        val.set(ctx, item.count)
        return 1

    # ---------------------------------------------------------------- series

    def profile(self, name: str) -> Profile:
        """A declared profile. ConfigError: there is none of that name."""
        found = self._profiles.get(name.lower())
        if found is None:
            raise ConfigError(f"the series profile {name!r} is not known", hint='declare it with modparam "stat_series_profile"')
        return found

    @function(ALL_ROUTES, profile="profile")
    def update_stat_series(self, ctx: Context, profile: str, variable: str, value: int) -> int:
        """Feed a series. 1; -1 when another statistic has that name."""
        chosen: Profile = profile  # type: ignore[assignment]
        series = self._series.get((chosen.name, variable))
        if series is None:
            if self.server.stats.get(variable) is not None:
                self.log.error("there is a statistic %s already, it cannot become a series", variable)
                return -1
            series = self._series[chosen.name, variable] = Series(chosen, self.server.wall)
            self.server.stats.register(chosen.group, variable, series.value)
        series.add(value)
        return 1


exports = Statistics
