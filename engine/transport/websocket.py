"""SIP over WebSocket without I/O (RFC 6455, RFC 7118): one side of one connection.

Handshake, frames, masks, fragments, pings, close codes and size limits are the library's (websockets, its sans-I/O layer).
Here is what SIP adds: the subprotocol "sip" must be agreed on, one WebSocket message is one SIP message, text when it is
UTF-8 and binary otherwise, and a server asks for a Host and, unless told otherwise, an Origin.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from websockets.client import ClientProtocol
from websockets.exceptions import NegotiationError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING, OPEN
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol
from websockets.uri import WebSocketURI

from engine.sip.framing import MAX_MESSAGE

SIP: Final = Subprotocol("sip")
MAX_HEAD: Final = 16384
"""Bytes of a request for a handshake."""
_QUIET: Final = logging.Logger("websockets", logging.CRITICAL + 1)  # noqa: LOG001  (nobody else's)
"""The library keeps what it would say to itself."""
_DATA: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


@dataclass(slots=True)
class WebSocketSettings:
    """The parameters of proto_ws and proto_wss."""

    resource: str = "/"
    """What we ask for as client."""
    require_origin: bool = True
    max_size: int = MAX_MESSAGE
    """Bytes of one message, all its fragments together."""
    max_chunks: int = 4
    """Reads one frame may be spread over; 0: any number."""


def _sip_of(_protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol:
    """The client's spelling of "sip"."""
    for one in offered:
        if one.lower() == SIP:
            return one
    raise NegotiationError("subprotocol sip not offered")


class WebSocketSession:
    """One side of one WebSocket connection."""

    __slots__ = ("_early", "_is_server", "_parts", "_protocol", "_settings", "_size", "_tail", "chunks", "ended", "ready")

    def __init__(self, settings: WebSocketSettings, *, host: str = "", port: int = 0, secure: bool = False) -> None:
        """The accepting side, or with a host (bracketed when IPv6) the connecting one."""
        self.ready = False
        """The handshake is done."""
        self.ended = ""
        """Why no more messages come; "" while they may. What waits in output() is to be sent before the end."""
        self.chunks = 0
        """Reads since an unfinished frame, message or handshake began."""
        self._settings = settings
        self._parts: list[bytes] = []
        self._tail = b""
        """The last bytes of an unfinished request for a handshake."""
        self._size = 0
        """Its bytes so far."""
        self._early = False
        """A client has sent more than the request before it got an answer."""
        self._is_server = not host
        self._protocol: Any
        if host:
            self._protocol = ClientProtocol(
                WebSocketURI(secure, host.strip("[]"), port, settings.resource, "", None, None),
                origin=Origin(f"{'https' if secure else 'http'}://{host}:{port}"), subprotocols=[SIP], max_size=settings.max_size,
                logger=_QUIET)
        else:
            self._protocol = ServerProtocol(
                subprotocols=[SIP], select_subprotocol=_sip_of, max_size=settings.max_size, logger=_QUIET)

    @property
    def is_partial(self) -> bool:
        """Whether something unfinished is waiting."""
        return self.chunks > 0 or bool(self._parts)

    def start(self) -> None:
        """Ask for the connection, as client."""
        if isinstance(self._protocol, ClientProtocol):
            self._protocol.send_request(self._protocol.connect())

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that data completes."""
        protocol = self._protocol
        if protocol.eof_sent or self.ended:
            return []
        if self._is_server and not self.ready:
            data = self._head_of(data)
        protocol.receive_data(data)
        found: list[bytes] = []
        events = protocol.events_received()
        for event in events:
            if isinstance(event, Frame):
                self._frame(event, found)
            elif isinstance(event, Request):
                self._judge_request(event)
            elif isinstance(event, Response):
                self._judge_response()
        if protocol.state is CONNECTING and protocol.handshake_exc is not None and not self.ended:
            self.ended = f"handshake refused: {protocol.handshake_exc}"
        elif protocol.parser_exc is not None and not self.ended:
            self.ended = f"broken frame: {protocol.parser_exc}"
        self.chunks = 0 if events else self.chunks + 1
        if self._settings.max_chunks and self.chunks >= self._settings.max_chunks and not self.ended:
            self._fail(CloseCode.POLICY_VIOLATION, "message in too many pieces")
        return found

    def _head_of(self, data: bytes) -> bytes:
        """As much of data as belongs to the request for the handshake; clients have to wait for the answer."""
        known = len(self._tail)
        whole = self._tail + data
        end = whole.find(b"\r\n\r\n")
        self._tail = whole[-3:]
        self._size += len(data)
        if end < 0:
            if self._size > MAX_HEAD:
                self.ended = "handshake refused: too long"
            return data
        self._early = len(whole) > end + 4
        return data[:end + 4 - known]

    def _frame(self, frame: Frame, found: list[bytes]) -> None:
        if frame.opcode in _DATA:
            if frame.fin and not self._parts:
                found.append(bytes(frame.data))
                return
            self._parts.append(bytes(frame.data))
            if frame.fin:
                found.append(b"".join(self._parts))
                self._parts.clear()
        elif frame.opcode is Opcode.CLOSE:
            code = self._protocol.close_rcvd
            self.ended = f"closed by the peer: {code}"

    def _judge_request(self, request: Request) -> None:
        """Accept or refuse, as server."""
        headers = request.headers
        missing = "Host" if len(headers.get_all("Host")) != 1 else ""
        if not missing and self._settings.require_origin and not headers.get_all("Origin"):
            missing = "Origin"
        if missing:
            response = self._protocol.reject(400, f"header {missing} is wanted once\n")
            self.ended = f"handshake refused: no {missing}"
        elif self._early:
            response = self._protocol.reject(400, "wait for the answer\n")
            self.ended = "handshake refused: data before its end"
        else:
            response = self._protocol.accept(request)
            self.ready = response.status_code == 101
            if not self.ready:                  # OpenSIPS knows one answer only
                response = self._protocol.reject(400, f"{self._protocol.handshake_exc}\n")
        if not self.ready:
            response.headers["Sec-WebSocket-Version"] = "13"
        self._protocol.send_response(response)

    def _judge_response(self) -> None:
        """The server's answer, as client."""
        if self._protocol.handshake_exc is None and self._protocol.subprotocol is None:
            self._fail(CloseCode.PROTOCOL_ERROR, "server does not speak sip")
        else:
            self.ready = self._protocol.state is OPEN

    def _fail(self, code: CloseCode, reason: str) -> None:
        self.ended = reason
        if self._protocol.state is OPEN:
            self._protocol.fail(code, reason)

    def pack(self, message: bytes) -> bytes:
        """The frame of a message, with whatever else waits to be sent."""
        is_text = message.isascii()
        if not is_text:
            try:
                message.decode("utf-8")
                is_text = True
            except UnicodeDecodeError:
                pass
        if is_text:
            self._protocol.send_text(message)
        else:
            self._protocol.send_binary(message)
        return self.output()

    def ping(self) -> bytes:
        """A ping, for those who keep connections alive."""
        self._protocol.send_ping(b"")
        return self.output()

    def output(self) -> bytes:
        """What waits to be sent: handshake, pongs, close."""
        return b"".join(self._protocol.data_to_send())

    def farewell(self) -> bytes:
        """A close frame (1001, going away), for an open connection."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(CloseCode.GOING_AWAY)
        return self.output()
