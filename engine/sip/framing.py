"""A byte stream becomes messages: Content-Length framing and CRLF keep-alives (RFC 3261 18.3, RFC 5626 3.5.1). No I/O.

In front of a message blanks and single line ends are skipped; CRLF CRLF is a keep-alive that the transport answers with CRLF.
Then come headers up to an empty line and as many body bytes as Content-Length (or "l") says. A missing, not numeric or too
large Content-Length ends the stream: there is no way to find the next message.
"""

import re
from typing import Final

from engine.errors import OpensipsError

KEEPALIVE: Final = b"\r\n\r\n"
"""What feed() returns for a keep-alive; the transport answers PONG."""
PONG: Final = b"\r\n"

MAX_MESSAGE: Final = 65535
"""Default limit of a message in bytes, head and body together (a Content-Length of that size is refused as well)."""

_HEAD_END: Final = re.compile(rb"\n\r?\n")
_LENGTH: Final = re.compile(rb"\n(?:content-length|l)[ \t]*+:[ \t]*+([^\r\n]*+)", re.IGNORECASE)


class FramingError(OpensipsError):
    """The stream cannot be read on; the connection has to be closed, nothing is answered."""


class StreamFramer:
    """The receiving half of one connection.

    max_size: bytes of one message. max_chunks: a message may come in that many feed() calls, then the connection counts as
    abused (tcp_max_msg_chunks); 0 does not count.
    """

    __slots__ = ("max_size", "max_chunks", "chunks", "_buffer", "_need", "_scanned")

    def __init__(self, max_size: int = MAX_MESSAGE, max_chunks: int = 0) -> None:
        self.max_size = max_size
        self.max_chunks = max_chunks
        self.chunks = 0
        """feed() calls that the unfinished message has taken so far."""
        self._buffer = b""
        self._need = 0
        self._scanned = 0

    @property
    def is_partial(self) -> bool:
        """Whether an unfinished message is waiting (the time limit tcp_max_msg_time is the transport's business)."""
        return self.chunks > 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages and KEEPALIVEs that data completes, in order. Raises FramingError; what came before it is lost with it.

        Use feed_into() to get at messages that precede a mistake in the same data.
        """
        found: list[bytes] = []
        self.feed_into(data, found)
        return found

    def feed_into(self, data: bytes, found: list[bytes]) -> None:
        """As feed(), but appends to found, which keeps what was complete before a FramingError."""
        buffer = self._buffer + data if self._buffer else data
        size = len(buffer)
        at = 0
        while True:
            if self._need == 0:
                at = self._skip(buffer, at, found)
                if at >= size or buffer[at] in b"\r\n":
                    break
                match = _HEAD_END.search(buffer, max(at, at + self._scanned - 2))
                if match is None:
                    if size - at > self.max_size:
                        raise FramingError("message head too large")
                    self._scanned = size - at
                    break
                self._scanned = 0
                self._need = self._measure(buffer, at, match.end())
            if size - at < self._need:
                break
            found.append(buffer[at:at + self._need])
            at += self._need
            self._need = 0
            self.chunks = 0
        self._buffer = buffer[at:] if at else buffer
        if at < size and buffer[at] not in b"\r\n":
            self.chunks += 1
            if self.max_chunks and self.chunks >= self.max_chunks:
                raise FramingError("message in too many pieces")

    def _skip(self, buffer: bytes, at: int, found: list[bytes]) -> int:
        """Offset of the next message, or of line ends that may become a keep-alive."""
        size = len(buffer)
        while at < size:
            if buffer.startswith(KEEPALIVE, at):
                found.append(KEEPALIVE)
                at += 4
            elif buffer[at] in b" \t\n":
                at += 1
            elif buffer[at] == 13:
                if size - at < 4 and KEEPALIVE.startswith(buffer[at:size]):
                    return at
                at += 2 if buffer.startswith(PONG, at) else 1
            else:
                return at
        return at

    def _measure(self, buffer: bytes, at: int, body: int) -> int:
        """Length of the message that begins at `at` and whose body begins at `body`."""
        match = _LENGTH.search(buffer, at, body)
        if match is None:
            raise FramingError("no Content-Length")
        digits = match[1].strip()
        if not digits.isdigit() or len(digits) > 10:
            raise FramingError("bad Content-Length")
        length = int(digits)
        if length >= MAX_MESSAGE or body - at + length > self.max_size:
            raise FramingError("message too large")
        return body - at + length
