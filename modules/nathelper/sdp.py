"""SDP of a message: its connection and origin addresses, and fix_nated_sdp() as edits of the received text.

All SDP parts of a body are treated, also inside a multipart. What is added goes behind the last line of a part, in front of the
line end it closes with. A body that a script has exchanged as a whole is worked on as it is now.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from engine.errors import ScriptError
from engine.module import Context
from engine.sip.edits import Change, apply_changes
from engine.sip.message import Message
from engine.sip.multipart import parts
from modules.nathelper.flags import FlagSet

DIRECTION: Final = 1
MEDIA_IP: Final = 2
NO_RTPPROXY: Final = 4
ORIGIN_IP: Final = 8
NULL_IPS: Final = 16

CHANGES: Final = FlagSet("fix_nated_sdp", (
    "add-dir-active", "rewrite-media-ip", "add-no-rtpproxy", "rewrite-origin-ip", "rewrite-null-ips",
))

_ADDRESS: Final = {
    kind: re.compile(rf"^{kind}=(?:[^\s]++[ \t]++)*?IP([46])[ \t]++([^\s]++)", re.MULTILINE) for kind in "co"
}
_MIME: Final = "application/sdp"


class Address(NamedTuple):
    """An address in a c= or o= line."""

    family: str
    """"4" or "6"."""
    text: str
    start: int
    """Where it begins; its family stands before it."""
    family_start: int

    @property
    def is_null(self) -> bool:
        """0.0.0.0, or an IPv6 address of zeros: the medium is held."""
        return self.text == "0.0.0.0" or (self.family == "6" and not self.text.strip("0:"))


def addresses(text: str, kind: str) -> Iterator[Address]:
    """The addresses in the lines of a kind ("c" or "o")."""
    for match in _ADDRESS[kind].finditer(text):
        yield Address(match[1], match[2], match.start(2), match.start(1))


def sdp_spans(body: str, content_type: str | None) -> Iterator[tuple[int, int]]:
    """Begin and end of each SDP in a body, without the line ends it closes with."""
    for part in parts(body, content_type):
        end = part.start + len(part.body.rstrip())
        if part.mime_type == _MIME and end > part.start:
            yield part.start, end


def media_addresses(msg: Message) -> Iterator[Address | None]:
    """The first connection address of each SDP of a message, None for an SDP without one."""
    body = msg.body
    for start, end in sdp_spans(body, msg.header("content-type")):
        yield next(addresses(body[start:end], "c"), None)


class SdpFix:
    """One fix_nated_sdp(). lines: what is to be added as it is. keep_old: kinds of lines whose old address is noted."""

    __slots__ = ("flags", "ip", "additions", "keep_old", "changes")

    def __init__(self, flags: int, ip: str, lines: str, marker: str, keep_old: str) -> None:
        self.flags = flags
        self.ip = ip
        self.keep_old = keep_old
        self.additions = ""
        if flags & (DIRECTION | NO_RTPPROXY):
            self.additions = lines
            if flags & NO_RTPPROXY and marker:
                self.additions += f"\r\n{marker}"
            if flags & DIRECTION:
                self.additions += "\r\na=direction:active"
        self.changes: list[Change] = []

    def part(self, body: str, start: int, end: int) -> None:
        """Record the changes of one SDP. Raises ScriptError: it has no such line, or IPv6 in it."""
        if self.additions:
            self.changes.append((end, end, self.additions))
        text = body[start:end]
        for flag, kind in ((ORIGIN_IP, "o"), (MEDIA_IP, "c")):
            if self.flags & flag:
                found = list(addresses(text, kind))
                if not found:
                    raise ScriptError(f"no address in a line {kind}= of the SDP")
                for address in found:
                    if address.family == "6":
                        raise ScriptError(f"IPv6 in a line {kind}= of the SDP is left alone")
                    self._replace(address, kind, start, end)

    def _replace(self, address: Address, kind: str, start: int, end: int) -> None:
        if address.text == self.ip or (address.is_null and not self.flags & NULL_IPS):
            return
        if kind in self.keep_old:
            self.changes.append((end, end, f"\r\na=old{kind}ip:{address.text}"))
        begin, stop = start + address.start, start + address.start + len(address.text)
        if ":" in self.ip:
            self.changes.append((start + address.family_start, stop, f"6 {self.ip}"))
        else:
            self.changes.append((begin, stop, self.ip))


def fix_sdp(ctx: Context, fix: SdpFix) -> None:
    """Record the changes for the message of a run. Raises ScriptError: no body, or an SDP that cannot be changed (parts in
    front of it are)."""
    msg = ctx.msg
    edits = ctx.edits
    content_type = msg.header("content-type")
    replaced = edits.body if edits is not None else None
    body = msg.body if replaced is None else replaced
    if not body:
        raise ScriptError("no body in the message")
    try:
        for start, end in sdp_spans(body, content_type):
            fix.part(body, start, end)
    finally:
        if fix.changes:
            edits = ctx.new_edits()
            if replaced is None:
                begin = msg.body_start
                edits.changes.extend([(begin + start, begin + end, text) for start, end, text in fix.changes])
            else:
                edits.body = apply_changes(replaced, fix.changes, 0, len(replaced))
