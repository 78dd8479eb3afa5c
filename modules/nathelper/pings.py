"""The SIP request that pings a contact, and how its replies are known again.

A ping belongs to no transaction: it is sent once. Its Call-ID begins with a word that is drawn at start, its branch carries the
number of the ping, so that a reply names the ping it answers (RFC 3261 8.1.3.3 asks for nothing more of a stateless sender).
"""

from __future__ import annotations

import os
from typing import Any

from engine.sip.message import Message

_COOKIE = "z9hG4bK"


class PingText:
    """Writes pings and reads their numbers back."""

    __slots__ = ("method", "_from", "_mark", "_count")

    def __init__(self, method: str, from_uri: str) -> None:
        self.method = method
        self._from = from_uri
        self._mark = os.urandom(4).hex()
        self._count = int.from_bytes(os.urandom(3), "big")

    def write(self, contact: str, path: str, socket: Any) -> tuple[int, bytes]:
        """(number, request) of the next ping of a contact, leaving by a socket."""
        self._count += 1
        number = self._count
        route = f"Route: {path}\r\n" if path else ""
        host = socket.via_host.rpartition(":")[0]
        text = (
            f"{self.method} {contact} SIP/2.0\r\n{socket.via_prefix}{_COOKIE}{number:x}.{self._mark}\r\n{route}"
            f"From: <{self._from}>;tag={number:x}\r\nTo: <{contact}>\r\nCall-ID: {self._mark}-{number:x}@{host}\r\n"
            f"CSeq: 1 {self.method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        return number, text.encode("latin-1", "replace")

    def is_ours(self, reply: Message) -> bool:
        """Whether a reply belongs to a ping: one Via, the method, and a Call-ID of ours. Raises SipParseError."""
        call_id = reply.call_id
        return (
            call_id is not None and call_id.startswith(self._mark) and call_id[len(self._mark):][:1] == "-"
            and reply.cseq_method == self.method and len(reply.vias) == 1
        )

    @staticmethod
    def number(reply: Message) -> int:
        """The number of the ping a reply answers, -1 when its branch is none of ours."""
        branch = reply.via.branch or ""
        digits, dot, _ = branch.removeprefix(_COOKIE).partition(".")
        try:
            return int(digits, 16) if dot and len(digits) < 32 else -1
        except ValueError:
            return -1
