"""Tracing of stream connections: who connected, how, and why it ended. For the modules proto_tls, proto_ws, proto_wss, proto_tcp.

OpenSIPS sends this to a capture server; without one of those the log is the place, one line an event at level NOTICE. Neither
keys nor messages are in it.
"""

from __future__ import annotations

from typing import Any, Final

from engine.module import REQUEST, ConfigError, MiError, Module, modparam
from engine.script.script import Script

_OPENED: Final = ("accepted", "connected")


class Tracing(Module):
    """The parameters, and what the transport tells (engine.transport.tcp.TcpTransport.trace)."""

    trace_destination = modparam(
        str, "", help="where capture modules would send it", effect="there is no capture module here, traces go to the log")
    trace_on = modparam(int, 0, min=0, max=1, help="1: connections are traced from the start")
    trace_filter_route = modparam(
        str, "", help="route that is run for each connection to be traced: $si and $sp are the peer's; drop leaves it out")

    def mod_init(self) -> None:
        self._left_out: set[int] = set()

    def cfg_validate(self, script: Script) -> None:
        if self.trace_filter_route and self.trace_filter_route not in script.routes:
            raise ConfigError(f"trace_filter_route names route[{self.trace_filter_route}], which is not there")

    def traced(self, connection: Any, event: str, detail: str) -> None:
        """Something has happened to a connection: accepted, connected, failed or closed; detail: why."""
        if event not in _OPENED and connection.id in self._left_out:
            self._left_out.discard(connection.id)
            return
        if not self.trace_on:
            return
        if event in _OPENED and not self._wants(connection):
            self._left_out.add(connection.id)
            return
        self.log.notice(
            "trace: %s connection %d %s: peer %s:%d, here %s:%d%s%s", connection.proto, connection.id, event, connection.ip,
            connection.port, connection.local_ip, connection.local_port, f", {detail}" if detail else "",
            _about_tls(connection) if event in _OPENED else "")

    def _wants(self, connection: Any) -> bool:
        """Ask trace_filter_route about a new connection."""
        route = self.server.script.routes.get(self.trace_filter_route)
        if route is None:
            return True
        ctx = self.server.dummy_context(REQUEST)
        ctx.socket = connection.socket
        ctx.connection = connection
        ctx.src_ip, ctx.src_port = connection.ip, connection.port
        self.server.run(route, ctx)
        return not ctx.dropped

    def switch_trace(self, title: str, trace_mode: str | None) -> dict[str, str] | None:
        """Answer to tls_trace and its like: the state, or None when it was changed. 500: neither on nor off."""
        if trace_mode is None:
            return {title: "on" if self.trace_on else "off"}
        mode = trace_mode.lower()
        if not mode.startswith(("on", "off")):
            raise MiError(500, "Bad parameter value", "trace_mode should be 'on' or 'off'")
        self.trace_on = int(mode.startswith("on"))
        return None


def _about_tls(connection: Any) -> str:
    """Version, cipher and domain of a TLS connection."""
    session = getattr(connection, "tls", None)
    if session is None or session.object is None:
        return ""
    cipher = session.object.cipher()
    domain = session.domain.name if session.domain is not None else ""
    verified = "yes" if session.is_verified else "no"
    return f", {session.object.version()} {cipher[0] if cipher else ''}, domain {domain}, peer verified: {verified}"
