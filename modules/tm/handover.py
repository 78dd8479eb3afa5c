"""t_write_req() and t_write_unix(): hand a request over to another program, which answers by the MI command t_reply.

The message is a text of twenty fields, one a line, in the order OpenSIPS writes them: version, command, method, user and
domain of the Request-URI, receiving address, Request-URI, where requests of the dialog go, From, To, Call-ID, tags, CSeq,
transaction, route set, next hop, extra fields up to a line with a dot, body.
"""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass, field
from typing import Any

from engine.errors import ConfigError, SipParseError
from engine.script.context import Context
from engine.script.values import print_of
from engine.sip.message import Request
from engine.sip.uri import parse_uri

VERSION = "0.3"


@dataclass(slots=True)
class Append:
    """One tw_append: fields added to the message."""

    name: str
    body: bool = False
    fields: list[tuple[str, str]] = field(default_factory=list)
    """(title, variable as text)."""


@dataclass(slots=True)
class Info:
    """The first parameter of t_write_*(): "action" or "action/append"."""

    action: str
    append: str


def parse_append(text: str) -> Append:
    """"NAME: title=$var; hdr[Subject]; msg[body]". ConfigError when it is something else."""
    name, colon, rest = text.partition(":")
    if not colon or not name.strip():
        raise ConfigError(f"tw_append: no name in {text!r}", hint='write "name:title=$var(x);msg[body]"')
    made = Append(name.strip())
    for piece in rest.split(";"):
        piece = piece.strip()
        if not piece:
            continue
        if piece.lower() == "msg[body]":
            made.body = True
            continue
        if piece.lower().startswith("hdr[") and piece.endswith("]"):
            made.fields.append((piece[4:-1], f"$hdr({piece[4:-1]})"))
            continue
        title, equals, variable = piece.partition("=")
        if not equals:
            title, variable = piece.strip("$"), piece
        made.fields.append((title.strip(), variable.strip()))
    return made


def parse_info(text: str) -> Info:
    """Fixup of t_write_*()."""
    action, _, append = text.partition("/")
    if not action:
        raise ConfigError("t_write: the action is missing")
    return Info(action, append)


def fields_of(msg: Request, ctx: Context, ident: tuple[int, Any], info: Info, append: Append | None, values: list[str]) -> str:
    """The whole text. Raises SipParseError when the request lacks something."""
    ruri = ctx.ruri or msg.request_uri
    uri = parse_uri(ruri)
    from_, to = msg.from_, msg.to
    if from_ is None or to is None:
        raise SipParseError("From or To missing")
    contacts = msg.contacts
    target = contacts[0].uri if contacts else from_.uri
    records = msg.record_routes
    routes = [record.uri for record in records]
    hop = "."
    if routes:
        if records[0].parsed_uri.is_loose:
            hop = routes[0]
        else:
            routes = [*routes[1:], target]
            target = records[0].uri
    place = ctx.socket
    with_body = msg.method == "INVITE" or (append is not None and append.body)
    return "\n".join([
        VERSION, f"sip_request.{info.action}", msg.method, uri.user or "", uri.host, place.ip if place is not None else ".",
        "." if place is None or place.port == 5060 else str(place.port), ruri, target, msg.header("from") or "",
        msg.header("to") or "", msg.call_id or "", from_.tag or "", to.tag or "", msg.cseq_number or "", f"{ident[0]}:{ident[1]}",
        ",".join([f"<{route}>" for route in routes]) or ".", hop, "P-MsgFlags: 0", *values, ".",
        msg.body if with_body else ".", "",
    ])


def write_fifo(path: str, data: bytes) -> None:
    """One write to a FIFO somebody reads; OSError otherwise."""
    handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(handle, data)
    finally:
        os.close(handle)


async def write_socket(path: str, data: bytes, timeout: float) -> None:
    """One datagram to a unix socket; OSError or TimeoutError when nobody takes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.connect(path)
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_sendall(sender, data)


def appended(ctx: Context, bound: list[tuple[str, Any]]) -> list[str]:
    """The extra fields that have a value: "title: value"."""
    found = []
    for title, variable in bound:
        value = variable.get(ctx)
        if value is not None:
            found.append(f"{title}: {print_of(value)}")
    return found
