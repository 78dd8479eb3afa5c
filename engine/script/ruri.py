"""Reading and changing the URIs of a run part by part: Request-URI and destination, as variables and core functions do it.

A URI is changed by writing its text anew around the changed part; everything else stays byte for byte. The result need not be a
URI any more (a user may be set to anything): reading its parts then gives NULL until the whole is set again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.errors import ScriptError, SipParseError
from engine.script.context import NO_Q
from engine.sip.uri import SipUri, parse_uri

if TYPE_CHECKING:
    from engine.script.context import Context

MAX_URI: Final = 1024
# Characters that no URI has in its user part but scripts may put there.
_ODD: Final = re.compile(r'[\s<>"]')


def read_uri(text: str) -> SipUri:
    """A URI as scripts may build it: blanks, quotes and angle brackets in the user part are let through. Raises SipParseError."""
    try:
        return parse_uri(text)
    except SipParseError:
        at = text.rfind("@")
        if at < 0 or _ODD.search(text, 0, at) is None:
            raise
        scheme, colon, head = text[:at].partition(":")
        plain = parse_uri(f"{scheme}{colon}{_ODD.sub('_', head)}{text[at:]}")
        start = len(scheme) + 1
        user, password = plain.user, plain.password
        if user is not None:
            user = text[start:start + len(user)]
        if password is not None:
            password = text[at - len(password):at]
        return SipUri(text, plain.scheme, user, password, plain.host, plain.port, plain.params, plain.headers)


def written(
    uri: SipUri, *, user: str | None = None, password: str | None = None, host: str | None = None, port: str | None = None,
    params: str | None = None, drop_password: bool = False,
) -> str:
    """The text of a URI with some parts exchanged; "" for user or port takes the part away.

    A password stays when the user goes, which leaves no valid URI: the reference does the same and scripts can see it.
    """
    new_user = uri.user or "" if user is None else user
    new_password = None if drop_password else uri.password if password is None else password
    out = [uri.text[:len(uri.scheme)], ":", new_user]
    if new_password is not None:
        out.append(":" + new_password)
    if new_user or new_password is not None:
        if uri.host or host:
            out.append("@")
    out.append(uri.host if host is None else host)
    new_port = ("" if uri.port is None else str(uri.port)) if port is None else port
    if new_port:
        out.append(":" + new_port)
    new_params = uri.params if params is None else params
    if new_params:
        out.append(";" + new_params)
    if uri.headers:
        out.append("?" + uri.headers)
    return "".join(out)


def set_ruri(ctx: Context, text: str) -> None:
    """Set the whole Request-URI (its q is forgotten); "" goes back to the received one."""
    if not ctx.msg.is_request:
        raise ScriptError("a reply has no Request-URI")
    if not text:
        ctx.ruri = ctx.msg.request_uri  # type: ignore[attr-defined]
        return
    if len(text) > MAX_URI:
        raise ScriptError(f"a URI of {len(text)} characters is too long")
    ctx.ruri = text
    ctx.q = NO_Q


def current(ctx: Context) -> SipUri:
    """The Request-URI by its parts. Raises ScriptError when there is none or it cannot be read."""
    if ctx.ruri is None:
        raise ScriptError("there is no Request-URI here")
    try:
        return read_uri(ctx.ruri)
    except SipParseError:
        raise ScriptError(f"bad Request-URI <{ctx.ruri}>") from None


def _store(ctx: Context, text: str) -> None:
    if len(text) > MAX_URI:
        raise ScriptError("the Request-URI becomes too long")
    ctx.ruri = text


def set_user(ctx: Context, user: str) -> None:
    """Exchange the user, keep a password; "" takes the user away."""
    _store(ctx, written(current(ctx), user=user))


def set_userpass(ctx: Context, text: str) -> None:
    """Exchange user and password: "user" or "user:password"."""
    _store(ctx, written(current(ctx), user=text, drop_password=True))


def set_host(ctx: Context, host: str) -> None:
    """Exchange the host, keep the port; a maddr parameter goes, because it would win over the host."""
    uri = current(ctx)
    _store(ctx, written(uri, host=host, params=_without_maddr(uri)))


def set_hostport(ctx: Context, text: str) -> None:
    """Exchange host and port: "host" or "host:port"; a maddr parameter goes."""
    uri = current(ctx)
    _store(ctx, written(uri, host=text, port="", params=_without_maddr(uri)))


def set_port(ctx: Context, port: str) -> None:
    """Exchange the port; "" takes it away."""
    _store(ctx, written(current(ctx), port=port))


def prefix(ctx: Context, text: str) -> None:
    """Put a text in front of the user."""
    uri = current(ctx)
    _store(ctx, written(uri, user=text + (uri.user or "")))


def strip(ctx: Context, count: int) -> None:
    """Take characters from the front of the user; more than there are leave none."""
    uri = current(ctx)
    _store(ctx, written(uri, user=(uri.user or "")[max(0, count):]))


def strip_tail(ctx: Context, count: int) -> None:
    """Take characters from the end of the user; more than there are leave none."""
    uri = current(ctx)
    user = uri.user or ""
    _store(ctx, written(uri, user=user[:max(0, len(user) - max(0, count))]))


def _without_maddr(uri: SipUri) -> str:
    if "maddr" not in uri.params.lower():
        return uri.params
    return ";".join([piece for piece in uri.params.split(";") if piece.partition("=")[0].strip().lower() != "maddr"])


def destination(ctx: Context) -> SipUri:
    """The destination ($du) by its parts. Raises ScriptError when it is unset or cannot be read."""
    if ctx.dst_uri is None:
        raise ScriptError("$du is not set")
    try:
        return read_uri(ctx.dst_uri)
    except SipParseError:
        raise ScriptError(f"bad destination <{ctx.dst_uri}>") from None


def set_destination_host(ctx: Context, host: str) -> None:
    """Exchange the host of $du. Raises ScriptError without $du."""
    if not host:
        raise ScriptError("an empty host")
    ctx.dst_uri = written(destination(ctx), host=host)


def set_destination_port(ctx: Context, port: str) -> None:
    """Exchange the port of $du; "" takes it away. Raises ScriptError without $du."""
    ctx.dst_uri = written(destination(ctx), port=port)
