"""Replies this server makes itself: what sl and tm have in common.

Where a reply goes, what its Via is told (RFC 3261 18.2, RFC 3581), its To tag, the Contact of a redirection, Server and
Warning lines. The text is written by engine.sip.builder.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import Any, Final, NamedTuple

from engine import __version__
from engine.errors import ConfigError
from engine.script.context import NO_Q, Context
from engine.sip.builder import reply
from engine.sip.headers import format_q
from engine.sip.message import Request
from engine.sip.uri import try_uri
from engine.transaction.place import reply_port, source_marks
from engine.transport.address import Target

PRODUCT: Final = f"opensips-like ({__version__})"
"""What stands in Server and User-Agent unless the script says otherwise."""

REPLY_TO_VIA: Final = 2
"""Bit of ctx.via_handling: replies go to what Via says, not to the source address."""

ERRORS: Final[dict[int, tuple[int, str]]] = {
    -473: (473, "Filtered destination"),
    -475: (475, "Bad URI"),
    -476: (476, "Unresolvable destination"),
    -477: (477, "Send failed"),
    -400: (400, "Bad request"),
    -9: (400, "Transaction tuple incomplete"),
}
"""Internal error -> the reply it becomes; anything else is 500 "Server error occurred"."""


def reply_code(code: int) -> int:
    """Fixup: a status code that can be sent."""
    if not 100 <= code <= 699:
        raise ConfigError(f"wrong status code {code}, it must be 100 ... 699")
    return code


class Place(NamedTuple):
    """Where replies to a request go."""

    target: Target
    connection_id: int
    """Stream connection the request came over, 0 for UDP."""
    received: str | None
    rport: int | None


def place_of(ctx: Context) -> Place:
    """Where replies to the request of a run go. May wait for DNS with set_via_handling("reply-to-via")."""
    via = ctx.msg.via
    received, rport = source_marks(via, ctx.src_ip, ctx.src_port, ctx.force_rport)
    connection = ctx.connection
    if connection is not None:
        return Place(Target(ctx.proto, ctx.src_ip, ctx.src_port), connection.id, received, rport)
    if ctx.via_handling & REPLY_TO_VIA:
        uri = try_uri(f"sip:{via.sent_by}")
        found = ctx.server.resolver.resolve(uri, proto=ctx.proto) if uri is not None else []
        if found:
            return Place(found[0], 0, received, rport)
    return Place(Target(ctx.proto, ctx.src_ip, reply_port(via, ctx.src_port, rport)), 0, received, rport)


def tag_prefix() -> str:
    """First part of a server's To tags, made once per start."""
    return secrets.token_hex(2)


def to_tag(prefix: str, msg: Request) -> str:
    """To tag for replies to a request: the same for every copy of it. prefix ends in "." (sl) or "-" (tm)."""
    via = msg.via
    text = f"{via.host}:{via.port or 5060}{via.branch or ''}"
    return prefix + hashlib.md5(text.encode("latin-1"), usedforsecurity=False).hexdigest()


def redirect_contacts(ctx: Context) -> str | None:
    """Contact of a 3xx: the Request-URI when it was changed, then the appended branches; None without any."""
    out = []
    ruri = ctx.ruri
    if ruri is not None and ruri != ctx.msg.request_uri:  # type: ignore[attr-defined]
        out.append(_destination(ruri, ctx.q))
    for branch in ctx.branches or ():
        out.append(_destination(branch.uri, branch.q))
    return ", ".join(out) or None


def _destination(uri: str, q: int) -> str:
    return f"<{uri}>" if q == NO_Q else f"<{uri}>;q={format_q(q)}"


def server_line(settings: Any) -> str | None:
    """The Server line, None with server_signature=no."""
    return settings.server_header or f"Server: {PRODUCT}" if settings.server_signature else None


def user_agent_line(settings: Any) -> str | None:
    """The User-Agent line of requests made here, None with server_signature=no."""
    return settings.user_agent_header or f"User-Agent: {PRODUCT}" if settings.server_signature else None


def _warning(ctx: Context) -> str:
    """RFC 3261 20.43: what the server saw, for whoever reads the trace of the far end (sip_warning=1)."""
    socket = ctx.socket
    received: str = ctx.msg.request_uri  # type: ignore[attr-defined]
    where = f"{socket.ip}:{socket.port}" if socket is not None else "0.0.0.0:0"
    return (
        f'Warning: 392 {where} "Noisy feedback tells:  pid={os.getpid()} req_src_ip={ctx.src_ip} '
        f"req_src_port={ctx.src_port} in_uri={received} out_uri={ctx.ruri or received} "
        f'via_cnt=={len(ctx.msg.vias)}"'
    )


def build_reply(
    ctx: Context, code: int, reason: str, *, tag: str | None, received: str | None, rport: int | None, headers: str = "",
    body: str = "",
) -> bytes:
    """A reply to the request of a run, with its append_to_reply() lines, ready to be sent.

    Raises SipParseError when the request is too broken to be answered.
    """
    settings = ctx.server.settings
    own = ctx.reply_headers
    if own:
        headers = "".join(own) + headers
    return reply(
        ctx.msg,  # type: ignore[arg-type]
        code, reason, to_tag=tag, received=received, rport=rport, headers=headers,
        contact=redirect_contacts(ctx) if 300 <= code < 400 else None, server=server_line(settings),
        body=body or ctx.reply_body, warning=_warning(ctx) if settings.sip_warning else None,
    ).encode("latin-1")


def error_reply(code: int, who: str) -> tuple[int, str]:
    """(status, reason) for an internal error: "Send failed (477/TM)". who: TM or SL."""
    found = ERRORS.get(code)
    if found is not None:
        return found[0], f"{found[1]} ({found[0]}/{who})"
    return 500, f"Server error occurred ({abs(code)}/{who})"
