"""What other modules may use of rr: needs("rr") gives an object of this shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from engine.script.context import Context


class Rr(Protocol):
    """The rr module."""

    def add_param(self, ctx: Context, text: str) -> int:
        """Add text (";name=value") to the Record-Route of this request, made or to be made. 1."""

    def params(self, ctx: Context) -> str | None:
        """$rr_params: parameters of the own Route that loose_route() consumed, None without one."""

    def param(self, ctx: Context, name: str) -> str | None:
        """One of them, "" without a value, None when absent."""

    def downstream(self, ctx: Context) -> bool:
        """Whether the request flows as the one that made the dialog did (is_direction())."""

    def removed(self, ctx: Context) -> frozenset[int]:
        """Which of ctx.msg.routes loose_route() took out, by index: what is left is the remaining route set."""

    def register(self, call: Callable[[Context, str], None]) -> None:
        """Be told when loose_route() has followed a route set: call(ctx, parameters of the own Route)."""

    def followed(self, ctx: Context) -> bool:
        """Whether loose_route() has followed a route set in this run."""
