"""Message flags and branch flags. Their names become bits when the script is loaded."""

from __future__ import annotations

from engine.module import Module, Static, function
from engine.script.context import Context


class FlagFunctions(Module):
    """setflag(), setbflag() ..."""

    def message_flag(self, text: str) -> int:
        """Fixup: the bit of a message flag."""
        return self.server.registry.flag_names.bit(text)  # type: ignore[no-any-return]

    def branch_flag(self, text: str) -> int:
        """Fixup: the bit of a branch flag."""
        return self.server.registry.branch_flag_names.bit(text)  # type: ignore[no-any-return]

    @function(flag="message_flag")
    def setflag(self, ctx: Context, flag: Static[str]) -> int:
        """Set a message flag. 1."""
        ctx.flags |= flag  # type: ignore[operator]
        return 1

    @function(flag="message_flag")
    def resetflag(self, ctx: Context, flag: Static[str]) -> int:
        """Clear a message flag. 1."""
        ctx.flags &= ~flag  # type: ignore[operator]
        return 1

    @function(flag="message_flag")
    def isflagset(self, ctx: Context, flag: Static[str]) -> int:
        """1 when a message flag is set, else -1."""
        return 1 if ctx.flags & flag else -1  # type: ignore[operator]

    @function(flag="branch_flag")
    def setbflag(self, ctx: Context, flag: Static[str], branch: int | None = None) -> int:
        """Set a flag of a branch, 0 (or missing) the Request-URI's. 1, or -1 when there is no such branch."""
        if not branch:
            ctx.branch_flags |= flag  # type: ignore[operator]
            return 1
        added = ctx.branches
        if not added or not 1 <= branch <= len(added):
            return -1
        added[branch - 1].flags |= flag  # type: ignore[operator]
        return 1

    @function(flag="branch_flag")
    def resetbflag(self, ctx: Context, flag: Static[str], branch: int | None = None) -> int:
        """Clear a flag of a branch. 1, or -1 when there is no such branch."""
        if not branch:
            ctx.branch_flags &= ~flag  # type: ignore[operator]
            return 1
        added = ctx.branches
        if not added or not 1 <= branch <= len(added):
            return -1
        added[branch - 1].flags &= ~flag  # type: ignore[operator]
        return 1

    @function(flag="branch_flag")
    def isbflagset(self, ctx: Context, flag: Static[str], branch: int | None = None) -> int:
        """1 when a flag of a branch is set, else -1, also when there is no such branch."""
        if not branch:
            return 1 if ctx.branch_flags & flag else -1  # type: ignore[operator]
        added = ctx.branches
        if not added or not 1 <= branch <= len(added):
            return -1
        return 1 if added[branch - 1].flags & flag else -1  # type: ignore[operator]
