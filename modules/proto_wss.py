"""proto_wss: SIP over WebSocket over TLS, what browsers speak, as server and as client. Certificates and trust are tls_mgm's."""

from __future__ import annotations

from typing import Any

from engine.module import mi_command, modparam, needs
from engine.transport.websocket import WebSocketSettings
from modules.shared.tracing import Tracing


class ProtoWss(Tracing):
    """The secure WebSocket transport."""

    tls_mgm: Any = needs("tls_mgm")
    wss_port = modparam(int, 443, min=1, max=65535, help="port of sockets and destinations that name none")
    wss_max_msg_chunks = modparam(int, 4, min=0, help="reads a frame may take before the connection is closed, 0: any number")
    wss_resource = modparam(str, "/", help="what is asked for when we connect")
    wss_handshake_timeout = modparam(int, 100, min=0, help="milliseconds the WebSocket handshake may take")
    wss_tls_handshake_timeout = modparam(
        int, 100, min=0, help="milliseconds the TLS handshake may take; both together 5 s at least")
    wss_send_timeout = modparam(int, 100, min=0, help="milliseconds a write may block", effect="writes never block")
    require_origin = modparam(int, 1, min=0, max=1, help="1: clients have to name their Origin")
    cert_check_on_conn_reusage = modparam(
        int, 0, min=0, max=1, help="1: a connection we made is used again only for what its TLS domain is meant for")

    def open_protocol(self) -> None:
        """Make secure WebSocket usable; called when all parameters are set and no socket exists yet."""
        self.server.enable_protocol(
            "wss", default_port=self.wss_port, trace=self.traced, policy=self.tls_mgm.policy(),
            check_reuse=bool(self.cert_check_on_conn_reusage),
            handshake_ms=self.wss_handshake_timeout + self.wss_tls_handshake_timeout, web=WebSocketSettings(
                resource=self.wss_resource, require_origin=bool(self.require_origin), max_chunks=self.wss_max_msg_chunks))

    @mi_command("wss_trace", help="shows or switches the tracing of connections", recipes=[[], ["trace_mode"]])
    def wss_trace(self, trace_mode: str | None = None) -> dict[str, str] | None:
        """trace_mode: on or off; without it the state."""
        return self.switch_trace("WSS tracing", trace_mode)


exports = ProtoWss
