"""path: enters this server in the Path of a REGISTER (RFC 3327), and follows the `received` it entered when a call comes back.

Manual: OpenSIPS 3.6, module path. Which address is entered depends on the socket the request leaves by, so the header is written
when it is sent. When that is another socket than the one the request came in on, two headers are written, the outbound one on
top, both marked r2=on.
"""

from __future__ import annotations

from typing import Any

from engine.errors import ConfigError
from engine.module import REQUEST, Context, Module, function, modparam, wants
from engine.sip.uri import unescape
from modules.rr.api import Rr


def bracketed(ip: str) -> str:
    """An address as it stands in a URI."""
    return f"[{ip}]" if ":" in ip else ip


def _place(ctx: Context, socket: Any) -> str:
    """host:port[;transport=x] of a socket, as seen from outside."""
    host = socket.uri_host
    if ctx.advertised_address or ctx.advertised_port:
        host = socket.uri_for(ctx.advertised_address, ctx.advertised_port)
    return host if socket.proto == "udp" else f"{host};transport={socket.proto}"


class PathText:
    """The header lines of one add_path(), written for the socket the request leaves by."""

    __slots__ = ("user", "received", "double")

    def __init__(self, user: str | None, received: str, double: bool) -> None:
        self.user = f"{user}@" if user else ""
        self.received = received
        """";received=..." or ""."""
        self.double = double

    def __call__(self, ctx: Context, socket: Any) -> str:
        inbound = ctx.socket
        if not self.double or inbound is None or inbound is socket:
            return f"Path: <sip:{self.user}{_place(ctx, socket)};lr{self.received}>\r\n"
        return (
            f"Path: <sip:{self.user}{_place(ctx, socket)};r2=on;lr>\r\n"
            f"Path: <sip:{self.user}{_place(ctx, inbound)};r2=on;lr{self.received}>\r\n"
        )


class Path(Module):
    """The module."""

    rr: Rr | None = wants("rr")

    use_received = modparam(int, 0, min=0, max=1, help="1: loose_route() sends to the `received` parameter of our own Route")
    enable_double_path = modparam(int, 1, min=0, max=1, help="1: two headers when the request leaves by another socket")

    def mod_init(self) -> None:
        if self.use_received:
            if self.rr is None:
                raise ConfigError("path: use_received needs the module rr", hint='add loadmodule "rr.so"')
            self.rr.register(self._follow)

    def _add(self, ctx: Context, user: str | None, received: str) -> int:
        msg = ctx.msg
        place = msg.span(msg.names.index("path"))[0] if "path" in msg.names else msg.headers_end
        ctx.new_edits().insert_late(place, PathText(user, received, bool(self.enable_double_path)))
        return 1

    @function(REQUEST)
    def add_path(self, ctx: Context, user: str | None = None) -> int:
        """Enter this server on top of Path, "Path: <sip:user@host:port;lr>". 1."""
        return self._add(ctx, user, "")

    @function(REQUEST)
    def add_path_received(self, ctx: Context, user: str | None = None) -> int:
        """The same with the address the request came from as parameter `received`, for devices behind NAT. 1."""
        source = f"sip:{bracketed(ctx.src_ip)}:{ctx.src_port}"
        if ctx.proto != "udp":
            source += f"%3btransport%3d{ctx.proto}"
        return self._add(ctx, user, f";received={source}")

    def _follow(self, ctx: Context, params: str) -> None:
        """loose_route() consumed our Route: `received` in it becomes the destination."""
        for piece in params.split(";"):
            name, _, value = piece.partition("=")
            if name.strip().lower() == "received" and value:
                uri, _, rest = unescape(value.strip().strip('"')).partition(";")
                transport = rest.partition("=")[2]
                ctx.dst_uri = f"{uri};transport={transport}" if transport else uri
                return


exports = Path
