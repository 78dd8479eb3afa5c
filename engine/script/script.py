"""Script: the compiled routes of one reading of the configuration, by kind and name.

A run holds the Script it began with (ctx.script), server.script is the current one; a reload replaces it in one
assignment. Whoever stores the name of a route (t_on_failure("x"), async(..., x)) looks it up when it is due, so names
survive a reload. Compiled routes are plain functions: RouteFn(ctx) -> code, where 0 means that the whole script has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from engine.script.context import Context
from engine.script.flags import FlagNames
from engine.script.nodes import ConfigWarning

RouteFn: TypeAlias = Callable[[Context], int]

STOP: Final = 0
"""What a route returns when the script has ended: exit, drop, return(0), a function that gave 0, async."""


class Script:
    """Routes as functions, and what is known about the script as a whole."""

    __slots__ = (
        "file", "files", "request", "onreply_default", "error", "local", "startup", "routes", "failure", "branch", "onreply",
        "events", "timers", "flag_names", "branch_flag_names", "used", "used_async", "variables", "has_forward", "warnings",
        "python",
    )

    def __init__(self, file: str = "", flag_names: FlagNames | None = None, branch_flag_names: FlagNames | None = None) -> None:
        self.file = file
        self.files: list[str] = []
        """Every file read, the script itself first."""
        self.request: RouteFn | None = None
        """The main route; None: requests are read and forgotten."""
        self.onreply_default: RouteFn | None = None
        self.error: RouteFn | None = None
        self.local: RouteFn | None = None
        self.startup: RouteFn | None = None
        self.routes: dict[str, RouteFn] = {}
        """route[x], each ready to run as a top route (resume, report)."""
        self.failure: dict[str, RouteFn] = {}
        self.branch: dict[str, RouteFn] = {}
        self.onreply: dict[str, RouteFn] = {}
        self.events: dict[str, RouteFn] = {}
        self.timers: list[tuple[str, int, RouteFn]] = []
        """(name, seconds, route), in the order of the script."""
        self.flag_names = FlagNames("message") if flag_names is None else flag_names
        self.branch_flag_names = FlagNames("branch") if branch_flag_names is None else branch_flag_names
        self.used: set[str] = set()
        """Names of all functions called plainly."""
        self.used_async: set[str] = set()
        """Names of all functions called in async() or launch()."""
        self.variables: set[str] = set()
        """Names of all variables that stand anywhere in the script, formats included."""
        self.has_forward = False
        """forward() stands somewhere: replies outside of transactions are forwarded statelessly."""
        self.warnings: list[ConfigWarning] = []
        self.python: list[tuple[str, str]] = []
        """(title, text) of each generated function, for --show-python."""

    def uses(self, function: str) -> bool:
        """True when the function is called anywhere, in whatever form."""
        return function in self.used or function in self.used_async

    def uses_async(self, function: str) -> bool:
        """True when the function is called in async() or launch()."""
        return function in self.used_async

    def named(self, kind: str) -> dict[str, RouteFn]:
        """The named routes of a kind: request, failure, branch, onreply, event."""
        return {
            "request": self.routes, "failure": self.failure, "branch": self.branch, "onreply": self.onreply,
            "event": self.events,
        }[kind]
