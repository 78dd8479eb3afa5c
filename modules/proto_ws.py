"""proto_ws: SIP over WebSocket (RFC 7118), as server and as client. Without it no `socket=ws:...` can be opened.

Unlike OpenSIPS' this one understands messages in fragments.
"""

from __future__ import annotations

from engine.module import mi_command, modparam
from engine.transport.websocket import WebSocketSettings
from modules.shared.tracing import Tracing


class ProtoWs(Tracing):
    """The WebSocket transport."""

    ws_port = modparam(int, 80, min=1, max=65535, help="port of sockets and destinations that name none")
    ws_max_msg_chunks = modparam(int, 4, min=0, help="reads a frame may take before the connection is closed, 0: any number")
    ws_send_timeout = modparam(int, 100, min=0, help="milliseconds a write may block", effect="writes never block")
    ws_resource = modparam(str, "/", help="what is asked for when we connect")
    ws_handshake_timeout = modparam(int, 100, min=0, help="milliseconds a handshake may take, 5 s at least")
    require_origin = modparam(int, 1, min=0, max=1, help="1: clients have to name their Origin")

    def open_protocol(self) -> None:
        """Make WebSocket usable; called when all parameters are set and no socket exists yet."""
        self.server.enable_protocol(
            "ws", default_port=self.ws_port, trace=self.traced, handshake_ms=self.ws_handshake_timeout, web=WebSocketSettings(
                resource=self.ws_resource, require_origin=bool(self.require_origin), max_chunks=self.ws_max_msg_chunks))

    @mi_command("ws_trace", help="shows or switches the tracing of connections", recipes=[[], ["trace_mode"]])
    def ws_trace(self, trace_mode: str | None = None) -> dict[str, str] | None:
        """trace_mode: on or off; without it the state."""
        return self.switch_trace("WS tracing", trace_mode)


exports = ProtoWs
