"""Destinations: $msg.branch.* (branch 0 is the Request-URI) and the older $branch (added branches only)."""

from __future__ import annotations

from typing import Any

from engine.errors import ScriptError
from engine.module import ALL_INDEXES, Module, pvar
from engine.script import branches
from engine.script.context import Branch, Context
from engine.script.values import Value
from engine.script.variables.common import joined, one_of
from engine.script.variables.message import flag_number
from engine.script.variables.storage import FALSE, TRUE, stored


def _place(ctx: Context, index: Any) -> int | None:
    """Number of a branch, 0 the Request-URI's; without index the last one; None when there is none."""
    size = branches.count(ctx) + 1
    place = size - 1 if index is None else index + size if index < 0 else index
    return place if 0 <= place < size else None


def _added(ctx: Context, place: int) -> Branch:
    assert ctx.branches is not None
    return ctx.branches[place - 1]


def _get(ctx: Context, name: str, index: Any) -> Value:
    """$(msg.branch.NAME[index])."""
    if not ctx.msg.is_request:
        return None
    if index == ALL_INDEXES:
        values = [branches.main_field(ctx, name)]
        values += [branches.field(ctx, branch, name) for branch in ctx.branches or ()]
        return joined(ctx, values)
    place = _place(ctx, index)
    if place is None:
        return None
    return branches.main_field(ctx, name) if place == 0 else branches.field(ctx, _added(ctx, place), name)


def _writable(ctx: Context, index: Any) -> int:
    """Number of the branch to change. Raises ScriptError when it does not exist."""
    if not ctx.msg.is_request:
        raise ScriptError("a reply has no branches")
    if index == ALL_INDEXES:
        raise ScriptError("[*] cannot be assigned to")
    place = _place(ctx, index)
    if place is None:
        raise ScriptError(f"there is no branch {index}")
    return place


def _set(ctx: Context, name: str, index: Any, value: Value) -> None:
    place = _writable(ctx, index)
    if place == 0:
        branches.set_main_field(ctx, name, value)
    else:
        branches.set_field(ctx, _added(ctx, place), name, value)


def _append(ctx: Context, value: Value) -> None:
    """$msg.branch = uri."""
    if not branches.append(ctx, Branch(branches.checked(ctx, "uri", value))):
        raise ScriptError("no more branches can be added")


class MessageBranchVariables(Module):
    """$msg.branch and its fields."""

    @pvar("msg.branch", text_only=True)
    def branch(self, ctx: Context) -> Value:
        """Assigning adds a branch; reading gives the first added one."""
        return ctx.branches[0].uri if ctx.branches else None

    @branch.setter
    def add_branch(self, ctx: Context, value: Value) -> None:
        _append(ctx, value)

    @pvar("msg.branch.uri", text_only=True)
    def uri(self, ctx: Context, index: Any) -> Value:
        """URI."""
        return _get(ctx, "uri", index)

    @uri.setter
    def set_uri(self, ctx: Context, index: Any, value: Value) -> None:
        _set(ctx, "uri", index, value)

    @pvar("msg.branch.duri", text_only=True)
    def duri(self, ctx: Context, index: Any) -> Value:
        """Destination."""
        return _get(ctx, "duri", index)

    @duri.setter
    def set_duri(self, ctx: Context, index: Any, value: Value) -> None:
        _set(ctx, "duri", index, value)

    @pvar("msg.branch.q")
    def q(self, ctx: Context, index: Any) -> Value:
        """q as text; set in thousandths."""
        return _get(ctx, "q", index)

    @q.setter
    def set_q(self, ctx: Context, index: Any, value: Value) -> None:
        _set(ctx, "q", index, value)

    @pvar("msg.branch.path", text_only=True)
    def path(self, ctx: Context, index: Any) -> Value:
        """Path vector."""
        return _get(ctx, "path", index)

    @path.setter
    def set_path(self, ctx: Context, index: Any, value: Value) -> None:
        _set(ctx, "path", index, value)

    @pvar("msg.branch.flags", text_only=True)
    def flags(self, ctx: Context, index: Any) -> Value:
        """Names of the set flags."""
        return _get(ctx, "flags", index)

    @flags.setter
    def set_flags(self, ctx: Context, index: Any, value: Value) -> None:
        _set(ctx, "flags", index, value)

    @pvar("msg.branch.socket", text_only=True)
    def socket(self, ctx: Context, index: Any) -> Value:
        """Forced sending socket."""
        return _get(ctx, "socket", index)

    @socket.setter
    def set_socket(self, ctx: Context, index: Any, value: Value) -> None:
        _set(ctx, "socket", index, value)

    @pvar("msg.branch.flag", "branch.flag")
    def flag(self, ctx: Context, name: str, index: Any) -> Value:
        """One flag: true or false; set by a number."""
        if index == ALL_INDEXES:
            return None
        place = _place(ctx, index)
        if place is None:
            return None
        flags = ctx.branch_flags if place == 0 else _added(ctx, place).flags
        return TRUE if flags & ctx.script.branch_flag_names.bit(name) else FALSE

    @flag.setter
    def set_flag(self, ctx: Context, name: str, index: Any, value: Value) -> None:
        on = flag_number(value, "a branch flag")
        bit = ctx.script.branch_flag_names.bit(name)
        place = _writable(ctx, index)
        if place == 0:
            ctx.branch_flags = ctx.branch_flags | bit if on else ctx.branch_flags & ~bit
        else:
            branch = _added(ctx, place)
            branch.flags = branch.flags | bit if on else branch.flags & ~bit

    @pvar("msg.branch.attr")
    def attr(self, ctx: Context, name: str, index: Any) -> Value:
        """A free attribute, text or number."""
        if index == ALL_INDEXES:
            return None
        place = _place(ctx, index)
        if place is None:
            return None
        attrs = ctx.branch_attrs if place == 0 else _added(ctx, place).attrs
        return attrs.get(name) if attrs else None

    @attr.setter
    def set_attr(self, ctx: Context, name: str, index: Any, value: Value) -> None:
        place = _writable(ctx, index)
        owner: Any = ctx if place == 0 else _added(ctx, place)
        where = "branch_attrs" if place == 0 else "attrs"
        attrs: dict[str, Value] | None = getattr(owner, where)
        if value is None:
            if attrs:
                attrs.pop(name, None)
            return
        if attrs is None:
            attrs = {}
            setattr(owner, where, attrs)
        attrs[name] = stored(value)

    @pvar("msg.branch.last_idx")
    def last_index(self, ctx: Context) -> Value:
        """Number of added branches."""
        return branches.count(ctx)


class BranchVariables(Module):
    """$branch, as scripts before 3.6 write it."""

    @pvar(
        "branch", name="optional", parse_name=one_of(*branches.FIELDS), text_only=True,
        deprecated="$msg.branch.uri and its kin, which count the Request-URI as branch 0",
    )
    def branch(self, ctx: Context, name: str | None, index: Any) -> Value:
        """$branch: URI of the first added branch; $(branch(f)[i]): a field of the i-th."""
        added = ctx.branches
        if not added:
            return None
        wanted = name or "uri"
        if index == ALL_INDEXES:
            return joined(ctx, [branches.field(ctx, branch, wanted) for branch in added])
        place = index or 0
        return branches.field(ctx, added[place], wanted) if -len(added) <= place < len(added) else None

    @branch.setter
    def set_branch(self, ctx: Context, name: str | None, index: Any, value: Value) -> None:
        if name is None:
            _append(ctx, value)
            return
        if index == ALL_INDEXES:
            raise ScriptError("[*] cannot be assigned to")
        added = ctx.branches or []
        place = index or 0
        if not -len(added) <= place < len(added):
            raise ScriptError(f"there is no branch {place}")
        branches.set_field(ctx, added[place], name, value)
