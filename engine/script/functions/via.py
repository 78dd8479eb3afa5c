"""What is done with Via, addresses and sockets of a message when it leaves."""

from __future__ import annotations

from typing import Annotated, Any

from engine.errors import ConfigError
from engine.module import Module, function
from engine.script.context import Context

ADD_LOCAL_RPORT = 1
REPLY_TO_VIA = 2
FORCE_TCP_ALIAS = 4
FORCE_RPORT = 8
_HANDLING = {
    "force-rport": FORCE_RPORT, "add-local-rport": ADD_LOCAL_RPORT, "reply-to-via": REPLY_TO_VIA,
    "force-tcp-alias": FORCE_TCP_ALIAS,
}


def via_flags(text: str) -> int:
    """Fixup: names separated by commas."""
    mask = 0
    for word in text.split(","):
        name = word.strip()
        if not name:
            continue
        bit = _HANDLING.get(name)
        if bit is None:
            raise ConfigError(f"unknown flag {name!r}", hint=f"known: {', '.join(_HANDLING)}")
        mask |= bit
    return mask


class ViaFunctions(Module):
    """force_rport(), set_advertised_address(), force_send_socket() ..."""

    @function()
    def force_rport(self, ctx: Context) -> int:
        """Reply to the port the request came from, whether it asked for that (RFC 3581) or not. 1."""
        ctx.force_rport = True
        return 1

    @function()
    def add_local_rport(self, ctx: Context) -> int:
        """Ask the next hop for rport in our own Via. 1."""
        ctx.via_handling |= ADD_LOCAL_RPORT
        return 1

    @function(flags=via_flags)
    def set_via_handling(self, ctx: Context, flags: Annotated[int, "str"]) -> int:
        """force-rport, add-local-rport, reply-to-via, force-tcp-alias, separated by commas. 1, or -1 when the alias is taken."""
        mask = flags
        if mask & FORCE_RPORT:
            ctx.force_rport = True
        ctx.via_handling |= mask & (ADD_LOCAL_RPORT | REPLY_TO_VIA | FORCE_TCP_ALIAS)
        return self._alias(ctx, None) if mask & FORCE_TCP_ALIAS else 1

    @function()
    def force_tcp_alias(self, ctx: Context, port: int | None = None) -> int:
        """Send later requests to the sender's address and that port (default: the port in its Via) over this connection.
        1, also over UDP where there is nothing to do; -1 when the port belongs to another connection."""
        return self._alias(ctx, port)

    def _alias(self, ctx: Context, port: int | None) -> int:
        if ctx.connection is None:
            return 1
        wanted = port or ctx.msg.via.port or 5060
        return 1 if self.server.add_connection_alias(ctx.connection, wanted) else -1

    @function()
    def set_advertised_address(self, ctx: Context, address: str) -> int:
        """The address put into our Via and Record-Route of this message. 1."""
        ctx.advertised_address = address or None
        return 1

    @function()
    def set_advertised_port(self, ctx: Context, port: str) -> int:
        """The port put into our Via and Record-Route of this message. 1, or -1 when it is none."""
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            self.log.error("%s is no port", port)
            return -1
        ctx.advertised_port = int(port)
        return 1

    def known_socket(self, text: str) -> Any:
        """Fixup: a socket of this server."""
        found = self.server.sockets.find(text)
        if found is None:
            raise ConfigError(f"no socket {text!r}", hint="it must be one that the script listens on")
        return found

    @function(socket="known_socket")
    def force_send_socket(self, ctx: Context, socket: Annotated[Any, "str"]) -> int:
        """Send the request from that socket, "proto:host:port". 1."""
        ctx.send_socket = socket
        return 1
