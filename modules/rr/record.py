"""The Record-Route that a request will carry: written for each branch when its sending socket is known (RFC 3261 16.6)."""

from __future__ import annotations

from typing import Any

from engine.script.context import Context


class RecordRoute:
    """What record_route() and add_rr_param() gathered; ctx.record_route."""

    __slots__ = ("user", "ftag", "text", "late", "early", "double", "preset")

    def __init__(self, user: str | None, ftag: str | None, text: str, early: list[str], double: bool) -> None:
        self.user = user
        self.ftag = ftag
        """From tag, None when it is not to be written."""
        self.text = text
        """Parameters given to record_route()."""
        self.late: list[str] = []
        """add_rr_param() after record_route(), the newest first."""
        self.early = early
        """add_rr_param() before record_route(), in order."""
        self.double = double
        """Two headers when the request leaves by another socket than it came in."""
        self.preset: tuple[str, ...] = ()
        """record_route_preset(): what stands in place of host and port, top one first; the top one alone has early parameters."""

    def copy(self) -> RecordRoute:
        """An independent one, for a branch."""
        other = RecordRoute(self.user, self.ftag, self.text, self.early, self.double)
        other.late = self.late.copy()
        other.preset = self.preset
        return other

    def lines_for(self, ctx: Context, out_socket: Any) -> str:
        """The header lines for a copy of the request that leaves by out_socket, the outbound one on top."""
        user = f"{self.user}@" if self.user is not None else ""
        ftag = f";ftag={self.ftag}" if self.ftag is not None else ""
        if self.preset:
            late = "".join(self.late)
            lines = [f"Record-Route: <sip:{user}{self.preset[0]}{ftag};lr{late}{''.join(self.early)}>\r\n"]
            return "".join(lines + [f"Record-Route: <sip:{user}{place}{ftag};lr{late}>\r\n" for place in self.preset[1:]])
        tail = f";lr{ftag}{self.text}{''.join(self.late)}{''.join(self.early)}>\r\n"
        received = ctx.socket
        if not self.double or received is None or received is out_socket:
            return f"Record-Route: <sip:{user}{_place(ctx, received if received is not None else out_socket)}{tail}"
        return (
            f"Record-Route: <sip:{user}{_place(ctx, out_socket)};r2=on{tail}"
            f"Record-Route: <sip:{user}{_place(ctx, received)};r2=on{tail}"
        )


def _place(ctx: Context, socket: Any) -> str:
    """host:port[;transport=x] of a socket, as seen from outside."""
    if ctx.advertised_address or ctx.advertised_port:
        host = socket.uri_for(ctx.advertised_address, ctx.advertised_port)
    else:
        host = socket.uri_host
    return host if socket.proto == "udp" else f"{host};transport={socket.proto}"
