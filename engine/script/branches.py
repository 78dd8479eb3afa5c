"""The destinations of a request as a list: branch 0 is the Request-URI.

Its fields live on the context, the added ones are Branch objects. Used by the variables ($msg.branch.*, $branch, $ds), the
branch functions of the core and whoever prints Contact headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.errors import ScriptError, SipParseError
from engine.script.context import NO_Q, Branch, Context
from engine.script.ruri import set_ruri
from engine.script.values import Value, number_of, text_of
from engine.sip.headers import format_q, parse_nameaddr_list

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BRANCHES: Final = 12
"""Destinations of one request, the Request-URI included."""

FIELDS: Final = ("uri", "duri", "q", "path", "flags", "socket")


def append(ctx: Context, branch: Branch) -> bool:
    """Add a destination; False when there are as many as a request may have."""
    if ctx.branches is None:
        ctx.branches = []
    if len(ctx.branches) >= MAX_BRANCHES - 1:
        ctx.server.log.error("a request has %d branches at most", MAX_BRANCHES)
        return False
    ctx.branches.append(branch)
    return True


def count(ctx: Context) -> int:
    """Number of added destinations."""
    return len(ctx.branches) if ctx.branches else 0


def field(ctx: Context, branch: Branch, name: str) -> Value:
    """A field of a branch as the variables print it."""
    if name == "uri":
        return branch.uri
    if name == "duri":
        return branch.dst_uri or None
    if name == "q":
        return "" if branch.q == NO_Q else format_q(branch.q)
    if name == "path":
        return branch.path or None
    if name == "flags":
        return ctx.script.branch_flag_names.text(branch.flags)
    return None if branch.send_socket is None else branch.send_socket.name  # type: ignore[no-any-return]


def main_field(ctx: Context, name: str) -> Value:
    """The same field of the Request-URI's branch."""
    if ctx.ruri is None:
        return None
    return field(ctx, main(ctx), name)


def main(ctx: Context) -> Branch:
    """The Request-URI's branch; attributes shared, not copied."""
    return Branch(ctx.ruri or "", ctx.dst_uri, ctx.q, ctx.path, ctx.send_socket, ctx.branch_flags, ctx.branch_attrs)


def become(ctx: Context, branch: Branch) -> None:
    """Make a branch the Request-URI's own."""
    ctx.ruri = branch.uri
    ctx.dst_uri = branch.dst_uri
    ctx.q = branch.q
    ctx.path = branch.path
    ctx.send_socket = branch.send_socket
    ctx.branch_flags = branch.flags
    ctx.branch_attrs = branch.attrs


def copy(branch: Branch) -> Branch:
    """An independent branch with the same fields."""
    return Branch(
        branch.uri, branch.dst_uri, branch.q, branch.path, branch.send_socket, branch.flags,
        dict(branch.attrs) if branch.attrs else None,
    )


def checked(ctx: Context, name: str, value: Value) -> Any:
    """What a field of a branch is set to by a script's value. Raises ScriptError for a value it does not take."""
    if name == "q":
        if value is None:
            return NO_Q
        number = number_of(value)
        if number is None:
            raise ScriptError("the q of a branch is a number, 0 ... 1000")
        return number
    text = text_of(value)
    if text is None and value is not None:
        raise ScriptError(f"the {name} of a branch is a text")
    if name == "uri":
        if not text:
            raise ScriptError("the URI of a branch cannot be empty")
        return text
    if name == "flags":
        return ctx.script.branch_flag_names.mask_of(text) if text else 0
    if name == "socket":
        if text is None:
            return None
        found = ctx.server.sockets.find(text)
        if found is None:
            raise ScriptError(f"no socket {text}")
        return found
    return text or None


_ATTRIBUTES: Final = {
    "uri": "uri", "duri": "dst_uri", "q": "q", "path": "path", "flags": "flags", "socket": "send_socket",
}
_MAIN_ATTRIBUTES: Final = {
    "duri": "dst_uri", "q": "q", "path": "path", "flags": "branch_flags", "socket": "send_socket",
}


def set_field(ctx: Context, branch: Branch, name: str, value: Value) -> None:
    """Set a field of an added branch. Raises ScriptError."""
    setattr(branch, _ATTRIBUTES[name], checked(ctx, name, value))


def set_main_field(ctx: Context, name: str, value: Value) -> None:
    """Set a field of the Request-URI's branch. Raises ScriptError."""
    wanted = checked(ctx, name, value)
    if name == "uri":
        set_ruri(ctx, wanted)
    else:
        setattr(ctx, _MAIN_ATTRIBUTES[name], wanted)


def first_hop(path: str) -> str | None:
    """URI of the first hop of a Path vector, None when it cannot be read."""
    try:
        return parse_nameaddr_list(path)[0].uri
    except SipParseError:
        return None


def contact_values(ctx: Context) -> str | None:
    """The destinations as in the Contact header of a redirect: the Request-URI first if it was changed, then the branches.

    None when there is no destination to tell.
    """
    parts = list(_contacts(ctx))
    return ", ".join(parts) if parts else None


def _contacts(ctx: Context) -> Iterator[str]:
    msg = ctx.msg
    if msg.is_request and ctx.ruri is not None and ctx.ruri is not msg.request_uri:  # type: ignore[attr-defined]
        yield _contact(ctx.ruri, ctx.q)
    for branch in ctx.branches or ():
        yield _contact(branch.uri, branch.q)


def _contact(uri: str, q: int) -> str:
    return f"<{uri}>" if q == NO_Q else f"<{uri}>;q={format_q(q)}"
