"""TLS without I/O: one side of one connection, ciphertext in, plain text out and back.

Which certificate is shown and what is asked of the peer is a TLS domain's business: an ssl.SSLContext with a name, made by
whoever manages certificates (TlsPolicy). A server chooses the domain by the address it was reached at and by the name the
client asks for (SNI, RFC 6066 3). That name is known before anything is decided: a context without certificate reads the
ClientHello and stops there, then the chosen domain's context reads the same bytes from the beginning. So a domain is never
half in force, as when the context of a handshake under way is exchanged.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol

from engine.errors import OpensipsError

_READ: Final = 65536
_MAX_HELLO: Final = 65536
"""Bytes of a ClientHello that are kept until the name in it is known."""


class TlsError(OpensipsError):
    """The TLS connection is over; an alert for the peer may be in output()."""


class TlsDomain(Protocol):
    """What a TLS domain is to a connection."""

    name: str
    context: ssl.SSLContext

    def refuses(self, session: TlsSession, wanted: str | None) -> str:
        """Judge the peer after the handshake; wanted is the name that was meant to be reached. Why not, or ""."""


class TlsPolicy(Protocol):
    """Who chooses TLS domains."""

    def server_domain(self, ip: str, port: int, name: str | None) -> TlsDomain | None:
        """For a connection accepted at this address by a client that asks for name; None: refuse it."""

    def needs_name(self, ip: str, port: int) -> bool:
        """Whether the name makes a difference at this address."""

    def client_domain(self, ip: str, port: int, sender: Any) -> tuple[TlsDomain | None, str | None]:
        """For a connection to this address, and the name of the server to ask for. sender: the Context or branch, or None."""


class _HelloReader(ssl.SSLObject):
    """Reads a ClientHello and keeps the name in it."""

    asked: bool = False
    wanted: str | None = None


def hello_context() -> ssl.SSLContext:
    """A context that can read any ClientHello and answer none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.sslobject_class = _HelloReader

    def note(reader: Any, name: str | None, _context: ssl.SSLContext) -> int:
        reader.asked = True
        reader.wanted = name
        return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)

    context.sni_callback = note  # type: ignore[assignment]
    return context


class TlsSession:
    """One side of one TLS connection. Made by server() or client()."""

    __slots__ = ("_choose", "_hello", "_incoming", "_outgoing", "_reader", "closed", "domain", "object", "ready", "wanted")

    def __init__(self) -> None:
        self.domain: TlsDomain | None = None
        """Known from the beginning on a client and, on a server, as soon as the name is known."""
        self.ready = False
        """The handshake is done."""
        self.closed = False
        """The peer has said goodbye."""
        self.wanted: str | None = None
        """The server's name: asked for by us as client, by the peer as server."""
        self.object: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._choose: Callable[[str | None], TlsDomain | None] | None = None
        self._hello = b""
        self._reader: Any = None

    @classmethod
    def server(cls, choose: Callable[[str | None], TlsDomain | None], hello: ssl.SSLContext | None) -> TlsSession:
        """The accepting side. hello: hello_context() when choose() wants the name; None: choose(None) says it all."""
        session = cls()
        session._choose = choose
        if hello is None:
            session._begin(choose(None), True)
        else:
            session._reader = hello.wrap_bio(session._incoming, session._outgoing, server_side=True)
        return session

    @classmethod
    def client(cls, domain: TlsDomain, wanted: str | None) -> TlsSession:
        """The connecting side; wanted: the name to ask for."""
        session = cls()
        session.wanted = wanted
        session._begin(domain, False)
        return session

    def _begin(self, domain: TlsDomain | None, is_server: bool) -> None:
        if domain is None:
            raise TlsError(f"no TLS domain for {self.wanted or 'this address'}")
        self.domain = domain
        try:
            self.object = domain.context.wrap_bio(
                self._incoming, self._outgoing, server_side=is_server, server_hostname=None if is_server else self.wanted)
        except (ValueError, TypeError, ssl.SSLError) as error:     # the name may come from a message
            raise TlsError(f"cannot ask for {self.wanted!r}: {error}") from None

    def start(self) -> None:
        """Say hello, as client."""
        if self._reader is None:
            self._shake()

    def decrypt(self, data: bytes) -> bytes:
        """Take what came from the network; the plain text in it. Raises TlsError: the connection is over."""
        if self._reader is not None and not self._read_hello(data):
            return b""
        if self.object is None:
            return b""
        self._incoming.write(self._take_hello(data))
        if not self.ready and not self._shake():
            return b""
        found = b""
        try:
            while True:
                part = self.object.read(_READ)
                if not part:
                    self.closed = True
                    return found
                found = found + part if found else part
        except ssl.SSLWantReadError:
            return found
        except ssl.SSLZeroReturnError:
            self.closed = True
            return found
        except (ssl.SSLError, OSError) as error:
            raise TlsError(reason_of(error)) from None

    def _take_hello(self, data: bytes) -> bytes:
        """What the reader has seen so far, for the real handshake, the last time with this data already in it."""
        kept, self._hello = self._hello, b""
        return kept or data

    def _read_hello(self, data: bytes) -> bool:
        """True when the name is known and the domain is chosen. TlsError: no domain, or not a ClientHello."""
        self._hello += data
        if len(self._hello) > _MAX_HELLO:
            raise TlsError("ClientHello too large")
        self._incoming.write(data)
        try:
            self._reader.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except (ssl.SSLError, OSError) as error:
            if not self._reader.asked:
                raise TlsError(reason_of(error)) from None
        self.wanted = self._reader.wanted
        assert self._choose is not None
        domain = self._choose(self.wanted)
        if domain is None:                      # the reader's alert, unrecognized_name, goes out
            raise TlsError(f"no TLS domain for {self.wanted or 'clients that name no server'}")
        self._reader = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._begin(domain, True)
        return True

    def _shake(self) -> bool:
        """Go on with the handshake; True when it is done."""
        assert self.object is not None and self.domain is not None
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except (ssl.SSLError, OSError) as error:
            raise TlsError(reason_of(error)) from None
        refusal = self.domain.refuses(self, self.wanted)
        if refusal:
            raise TlsError(refusal)
        self.ready = True
        return True

    def encrypt(self, data: bytes) -> bytes:
        """Ciphertext of data, with whatever else waits to be sent. Raises TlsError."""
        assert self.object is not None
        try:
            self.object.write(data)
        except (ssl.SSLError, OSError) as error:
            raise TlsError(reason_of(error)) from None
        return self._outgoing.read()

    def output(self) -> bytes:
        """What waits to be sent: handshake, alerts."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def farewell(self) -> bytes:
        """close_notify, for an open connection."""
        if self.ready and self.object is not None:
            try:
                self.object.unwrap()
            except (ssl.SSLError, OSError, ValueError):
                pass                            # it waits for the peer's, which nobody does
        return self.output()

    # ---- what is known about the connection ----

    def peer_certificate(self) -> bytes | None:
        """The peer's certificate in DER, None when it showed none."""
        return self.object.getpeercert(True) if self.object is not None and self.ready else None

    @property
    def is_verified(self) -> bool:
        """The peer showed a certificate and it was checked: a wrong one ends the handshake wherever it is asked for."""
        return self.ready and self.object is not None and self.object.context.verify_mode is not ssl.CERT_NONE and (
            self.peer_certificate() is not None)


def reason_of(error: Exception) -> str:
    """What went wrong, without Python's file and line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError):
        return "peer left without goodbye"
    reason = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if isinstance(reason, str) else str(error)
