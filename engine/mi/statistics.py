"""Core MI commands about statistics: get_statistics, list_statistics, reset_statistics, reset_all_statistics."""

from __future__ import annotations

from typing import Any

from engine.errors import MiError
from engine.module import Module, mi_command
from engine.stats import Statistic, Stats


def select(stats: Stats, name: str) -> list[Statistic]:
    """What an element means: a name, a group with a colon behind, or "all". group:name finds nothing (as OpenSIPS)."""
    if name == "all":
        return list(stats)
    if name.endswith(":"):
        return list((stats.group(name[:-1]) or {}).values())
    found = None if ":" in name else stats.get(name)
    return [] if found is None else [found]


class StatisticsCommands(Module):
    """The commands."""

    server: Any

    @mi_command("get_statistics", help="values of statistics: names, groups (\"core:\") or all")
    def get_statistics(self, statistics: list[str]) -> dict[str, int]:
        """Unknown names are left out."""
        return {
            f"{item.group}:{item.name}": item.count
            for name in statistics for item in select(self.server.stats, name)
        }

    @mi_command("list_statistics", help="kinds of statistics: incremental or non-incremental")
    def list_statistics(self, statistics: list[str] | None = None) -> dict[str, str]:
        """All of them without a parameter."""
        return {
            f"{item.group}:{item.name}": "non-incremental" if item.gauge or item.no_reset else "incremental"
            for name in statistics or ["all"] for item in select(self.server.stats, name)
        }

    @mi_command("reset_statistics", help="sets statistics back to 0")
    def reset_statistics(self, statistics: list[str]) -> None:
        """404 when none of the names is known (a group is no name here); those that refuse keep their value."""
        named = [self.server.stats.get(name) for name in statistics if ":" not in name]
        found = [item for item in named if item is not None]
        if not found:
            raise MiError(404, "Statistics Not Found")
        for item in found:
            item.reset()

    @mi_command("reset_all_statistics", help="sets all statistics back to 0 that allow it")
    def reset_all_statistics(self) -> None:
        """Gauges keep their value."""
        for item in self.server.stats:
            item.reset()
