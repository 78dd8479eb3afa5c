"""Functions on the destinations of a request: append, remove, move, swap, and trying them one after the other."""

from __future__ import annotations

from typing import Annotated

from engine.errors import ConfigError, ScriptError, SipParseError
from engine.module import Module, function
from engine.script import branches
from engine.script.context import FAILURE, NO_Q, REQUEST, Branch, Context
from engine.sip.headers import parse_q

_STACK = "core.serial"
"""Where serialize_branches() keeps the groups to come, in ctx.slots and, once there is a transaction, there."""


def qvalue(text: str) -> int:
    """Fixup: "0.5" is 500; "" is none."""
    if not text:
        return NO_Q
    try:
        return parse_q(text)
    except SipParseError as error:
        raise ConfigError(f"bad q {text!r}: {error.message}") from None


def inherit_flag(text: str) -> bool:
    """Fixup of the flags of append_msg_branch(): "inherite"."""
    for word in text.split(","):
        if word.strip() not in ("", "inherite", "inherit"):
            raise ConfigError(f"unknown flag {word.strip()!r}", hint='the only one is "inherite"')
    return bool(text.strip())


def keep_flag(text: str) -> bool:
    """Fixup of the flag of move_msg_branch(): "keep"."""
    if text.strip() not in ("", "keep"):
        raise ConfigError(f"unknown flag {text.strip()!r}", hint='the only one is "keep"')
    return bool(text.strip())


def branch_index(index: int) -> int:
    """Fixup: an added branch is counted from 0."""
    if index < 0:
        raise ConfigError(f"{index} is no number of a branch")
    return index


Qvalue = Annotated[int, "str"]
"""A q written as text, in thousandths."""
Flag = Annotated[bool, "str"]
"""A word that is there or not."""


class BranchFunctions(Module):
    """append_msg_branch(), serialize_branches() ..."""

    @function(q=qvalue, flags=inherit_flag)
    def append_msg_branch(self, ctx: Context, uri: str, q: Qvalue | None = None, flags: Flag | None = None) -> int:
        """Add a destination; "inherite" gives it destination, path, q, socket and flags of the Request-URI. 1 or -1."""
        if not uri:
            self.log.error("an empty URI cannot be a branch")
            return -1
        own_q = NO_Q if q is None else q
        if not flags:
            return 1 if branches.append(ctx, Branch(uri, q=own_q)) else -1
        return self._inherited(ctx, uri, ctx.q if own_q == NO_Q else own_q)

    @staticmethod
    def _inherited(ctx: Context, uri: str, q: int) -> int:
        branch = Branch(uri, ctx.dst_uri, q, ctx.path, ctx.send_socket, ctx.branch_flags)
        return 1 if branches.append(ctx, branch) else -1

    @function(q=qvalue)
    def append_branch_old(self, ctx: Context, uri: str | None = None, q: Qvalue | None = None) -> int:
        """append_branch() of 3.1 to 3.5: without a URI the current Request-URI becomes a branch with all its settings, which
        are then cleared; with one the branch takes them over except q. 1 or -1."""
        own_q = NO_Q if q is None else q
        if uri:
            return self._inherited(ctx, uri, own_q)
        if ctx.ruri is None:
            raise ScriptError("there is no Request-URI here")
        code = self._inherited(ctx, ctx.ruri, ctx.q if own_q == NO_Q else own_q)
        ctx.send_socket = None
        ctx.branch_flags = 0
        ctx.q = NO_Q
        ctx.dst_uri = None
        ctx.path = None
        return code

    @function(q=qvalue)
    def append_branch(self, ctx: Context, uri: str | None = None, q: Qvalue | None = None) -> int:
        """Same as append_branch_old()."""
        return self.append_branch_old(ctx, uri, q)

    @function()
    def remove_msg_branch(self, ctx: Context, index: int) -> int:
        """Remove the index-th added branch, from 0. 1, or -1 when there is none."""
        added = ctx.branches
        if not added or not 0 <= index < len(added):
            return -1
        del added[index]
        return 1

    @function()
    def remove_branch(self, ctx: Context, index: int) -> int:
        """Same as remove_msg_branch(), as written until 3.5."""
        return self.remove_msg_branch(ctx, index)

    @function(source=branch_index, target=branch_index, keep=keep_flag)
    def move_msg_branch(
        self, ctx: Context, source: int | None = None, target: int | None = None, keep: Flag | None = None,
    ) -> int:
        """Put one branch in the place of another; a missing number is the Request-URI's. Unless "keep" is given the source,
        if it is an added branch, is removed. 1, or -1 when one does not exist."""
        if source == target:
            return 1
        if not self._exist(ctx, source, target):
            return -1
        self._write(ctx, target, self._read(ctx, source))
        if not keep and source is not None:
            assert ctx.branches is not None
            del ctx.branches[source]
        return 1

    @function(source=branch_index, target=branch_index, keep=keep_flag)
    def move_branch(self, ctx: Context, source: int | None = None, target: int | None = None, keep: Flag | None = None) -> int:
        """Same as move_msg_branch(), as written in 3.5."""
        return self.move_msg_branch(ctx, source, target, keep)

    @function(first=branch_index, second=branch_index)
    def swap_msg_branches(self, ctx: Context, first: int | None = None, second: int | None = None) -> int:
        """Exchange two branches; a missing number is the Request-URI's. 1, or -1 when one does not exist."""
        if first == second:
            return 1
        if not self._exist(ctx, first, second):
            return -1
        one, other = self._read(ctx, first), self._read(ctx, second)
        self._write(ctx, first, other)
        self._write(ctx, second, one)
        return 1

    @function(first=branch_index, second=branch_index)
    def swap_branches(self, ctx: Context, first: int | None = None, second: int | None = None) -> int:
        """Same as swap_msg_branches(), as written in 3.5."""
        return self.swap_msg_branches(ctx, first, second)

    def _exist(self, ctx: Context, *indexes: int | None) -> bool:
        size = branches.count(ctx)
        for index in indexes:
            if index is not None and not 0 <= index < size:
                self.log.error("there is no branch %d, only %d were added", index, size)
                return False
        return ctx.ruri is not None

    @staticmethod
    def _read(ctx: Context, index: int | None) -> Branch:
        """An independent copy of a branch."""
        if index is None:
            return branches.copy(branches.main(ctx))
        assert ctx.branches is not None
        return branches.copy(ctx.branches[index])

    @staticmethod
    def _write(ctx: Context, index: int | None, branch: Branch) -> None:
        if index is None:
            branches.become(ctx, branch)
        else:
            assert ctx.branches is not None
            ctx.branches[index] = branch

    # ---------------------------------------------------------------------------------------------- one after the other

    @staticmethod
    def _stack(ctx: Context) -> list[list[Branch]]:
        """The groups to come, the next one first; kept with the transaction as soon as there is one."""
        slots = ctx.slots
        if slots is None:
            slots = ctx.slots = {}
        stack: list[list[Branch]] = slots.setdefault(_STACK, [])
        if ctx.transaction is not None:
            stack = ctx.transaction.slots.setdefault(_STACK, stack)
            slots[_STACK] = stack
        return stack

    @function()
    def serialize_branches(self, ctx: Context, clear: int, keep_order: int | None = None) -> int:
        """Sort the Request-URI and all branches into groups of equal q, highest first (with keep_order: each alone, as they
        stand), for next_branches(). Nothing happens when all q are equal. clear: forget groups of an earlier call. 1."""
        added = ctx.branches
        if not added or (not keep_order and all(branch.q == ctx.q for branch in added)):
            return 1
        every = [branches.copy(branches.main(ctx)), *added]
        stack = self._stack(ctx)
        if clear:
            stack.clear()
        if keep_order:
            groups = [[branch] for branch in every]
        else:
            groups = []
            for branch in sorted(every, key=_falling_q):
                if groups and groups[-1][0].q == branch.q:
                    groups[-1].append(branch)
                else:
                    groups.append([branch])
        stack[:0] = groups
        ctx.branches = None
        return 1

    @function(REQUEST | FAILURE)
    def next_branches(self, ctx: Context) -> int:
        """Make the next group of destinations the Request-URI and further branches. 1: more groups are left, 2: that was the
        last one, -1: there was none."""
        stack = self._stack(ctx)
        if not stack:
            return -1
        group = stack.pop(0)
        first = group[0]
        branches.become(ctx, first)
        if first.path:
            ctx.dst_uri = branches.first_hop(first.path) or ctx.dst_uri
        for branch in group[1:]:
            if not branches.append(ctx, branch):
                return -1
        return 1 if stack else 2


def _falling_q(branch: Branch) -> int:
    return -branch.q
