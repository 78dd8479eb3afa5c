"""proto_tls: SIP over TLS. Without it no `socket=tls:...` can be opened. Certificates and trust are tls_mgm's."""

from __future__ import annotations

from typing import Any

from engine.module import mi_command, modparam, needs
from modules.shared.tracing import Tracing


class ProtoTls(Tracing):
    """The TLS transport."""

    tls_mgm: Any = needs("tls_mgm")
    tls_port = modparam(int, 5061, min=1, max=65535, help="port of sockets and destinations that name none")
    tls_crlf_pingpong = modparam(int, 1, min=0, max=1, help="answer CRLF CRLF with CRLF")
    tls_crlf_drop = modparam(int, 0, min=0, max=1, help="ignore CRLF CRLF")
    tls_max_msg_chunks = modparam(int, 4, min=0, help="reads a message may take before the connection is closed, 0: any number")
    cert_check_on_conn_reusage = modparam(
        int, 0, min=0, max=1, help="1: a connection we made is used again only for what its TLS domain is meant for")
    tls_handshake_timeout = modparam(
        int, 100, min=0, help="milliseconds a handshake may take, 5 s at least while tls_async is on")
    tls_send_timeout = modparam(
        int, 100, min=0, help="milliseconds a write may block", effect="writes never block, see tls_async_max_postponed_chunks")
    tls_async = modparam(int, 1, min=0, max=1, help="0: connecting and handshake must come about within their timeouts")
    tls_async_max_postponed_chunks = modparam(int, 32, min=1, help="messages that may wait for a connection or a slow peer")
    tls_async_local_connect_timeout = modparam(
        int, 100, min=0, help="milliseconds", effect="connecting never blocks; a refusal is seen at once")
    tls_async_handshake_timeout = modparam(int, 10, min=0, help="milliseconds", effect="handshakes never block")

    def open_protocol(self) -> None:
        """Make TLS usable; called when all parameters are set and no socket exists yet."""
        self.server.enable_protocol(
            "tls", default_port=self.tls_port, trace=self.traced, policy=self.tls_mgm.policy(),
            check_reuse=bool(self.cert_check_on_conn_reusage), max_chunks=self.tls_max_msg_chunks,
            crlf_pingpong=bool(self.tls_crlf_pingpong), crlf_drop=bool(self.tls_crlf_drop), is_async=bool(self.tls_async),
            max_queue=self.tls_async_max_postponed_chunks, handshake_ms=self.tls_handshake_timeout)

    @mi_command("tls_trace", help="shows or switches the tracing of connections", recipes=[[], ["trace_mode"]])
    def tls_trace(self, trace_mode: str | None = None) -> dict[str, str] | None:
        """trace_mode: on or off; without it the state."""
        return self.switch_trace("TLS tracing", trace_mode)


exports = ProtoTls
