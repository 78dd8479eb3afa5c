"""Where a message came from and where it leaves: $si, $socket_in, $socket_out, and the names of 3.1."""

from __future__ import annotations

from typing import Any

from engine.errors import ScriptError
from engine.module import Module, pvar
from engine.script.context import BRANCH, ERROR, EVENT, FAILURE, LOCAL, ONREPLY, REQUEST, STARTUP, TIMER, Context
from engine.script.values import NumberText, TextNumber, Value
from engine.script.variables.common import PROTOCOLS, one_of, required_text
from engine.transport.address import bracketed

_FIELDS = ("ip", "port", "proto", "advertised_ip", "advertised_port", "tag", "anycast", "af")
_NOWHERE = "0.0.0.0"
"""Source of the dummy request."""
_KINDS = {
    REQUEST: "request_route", FAILURE: "failure_route", ONREPLY: "onreply_route", BRANCH: "branch_route",
    ERROR: "error_route", LOCAL: "local_route", STARTUP: "startup_route", TIMER: "timer_route", EVENT: "event_route",
}


def _field(socket: Any, name: str | None) -> Value:
    """A field of a listening socket; the whole of it without a name."""
    if socket is None:
        return None
    if name is None or name == "forced":
        return socket.name  # type: ignore[no-any-return]
    if name == "ip":
        return bracketed(socket.ip)
    if name == "port":
        return socket.port  # type: ignore[no-any-return]
    if name == "proto":
        return socket.proto  # type: ignore[no-any-return]
    if name == "advertised_ip":
        return socket.adv_host or None
    if name == "advertised_port":
        return socket.adv_port or None
    if name == "tag":
        return socket.tag or None
    if name == "anycast":
        return NumberText(1 if getattr(socket, "anycast", False) else 0, None)
    return "INET6" if ":" in socket.ip else "INET"


class NetworkVariables(Module):
    """$si, $sp, $socket_in, $socket_out."""

    @pvar("si", "src_ip", inline=lambda name: "ctx.src_ip")
    def source_ip(self, ctx: Context) -> Value:
        """Source address."""
        return ctx.src_ip

    @pvar("sp", inline=lambda name: "ctx.src_port")
    def source_port(self, ctx: Context) -> Value:
        """Source port."""
        return ctx.src_port

    @pvar("socket_in", name="optional", parse_name=one_of(*_FIELDS))
    def socket_in(self, ctx: Context, name: str | None) -> Value:
        """The socket the message came in on, or a field of it; NULL for the dummy request."""
        return _field(ctx.socket if ctx.src_ip != _NOWHERE else None, name)

    @pvar("socket_out", name="optional", parse_name=one_of(*_FIELDS, "forced"), text_only=True)
    def socket_out(self, ctx: Context, name: str | None) -> Value:
        """The socket it leaves from: the forced one, else the one it came in on; (forced) only the forced one."""
        forced = ctx.send_socket
        if forced is None and name != "forced" and ctx.src_ip != _NOWHERE:
            return _field(ctx.socket, name)
        return _field(forced, name)

    @socket_out.setter
    def set_socket_out(self, ctx: Context, name: str | None, value: Value) -> None:
        """Force the sending socket; NULL unforces, an unknown socket changes nothing."""
        if name is not None:
            raise ScriptError(f"$socket_out({name}) is read-only")
        if value is None:
            ctx.send_socket = None
            return
        text = required_text(value, "$socket_out")
        if not text:
            raise ScriptError("$socket_out takes proto:host:port")
        found = self.server.sockets.find(text)
        if found is None:
            self.log.warning("no socket %s", text)
        else:
            ctx.send_socket = found


class OldNetworkVariables(Module):
    """The names of 3.1 that later versions replaced."""

    @pvar("Ri", deprecated="$socket_in(ip)")
    def received_ip(self, ctx: Context) -> Value:
        """Address the message was received on."""
        return _field(ctx.socket, "ip")

    @pvar("Rp", deprecated="$socket_in(port)")
    def received_port(self, ctx: Context) -> Value:
        """Port the message was received on."""
        return _field(ctx.socket, "port")

    @pvar("pr", "proto", deprecated="$socket_in(proto)")
    def protocol(self, ctx: Context) -> Value:
        """Protocol the message came by."""
        return TextNumber(ctx.proto, PROTOCOLS.get(ctx.proto, 0))

    @pvar("af", deprecated="$socket_in(af)")
    def address_family(self, ctx: Context) -> Value:
        """Family of the source address."""
        return "INET6" if ":" in ctx.src_ip else "INET"

    @pvar("fs", deprecated="$socket_out", text_only=True)
    def forced_socket(self, ctx: Context) -> Value:
        """The forced sending socket."""
        return _field(ctx.send_socket, None)

    @forced_socket.setter
    def set_forced_socket(self, ctx: Context, value: Value) -> None:
        if value is None:
            ctx.send_socket = None
            return
        text = required_text(value, "$fs")
        found = self.server.sockets.find(text)
        if found is None:
            self.log.warning("no socket %s", text)
        else:
            ctx.send_socket = found

    @pvar("rT", deprecated="$route.type")
    def route_type(self, ctx: Context) -> Value:
        """Kind of the top route."""
        return _KINDS.get(ctx.kind)
