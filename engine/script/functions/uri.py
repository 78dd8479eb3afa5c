"""Functions that change the Request-URI and the destination, and questions about them."""

from __future__ import annotations

from engine.errors import ConfigError, ScriptError
from engine.module import Module, Var, function
from engine.script import ruri
from engine.script.context import Context


def avp_only(variable: Var) -> Var:
    """Fixup: a parameter that must be an $avp."""
    if variable.name != "avp":
        raise ConfigError(f"{variable.text} is no $avp")
    return variable


class UriFunctions(Module):
    """setuser(), sethost(), seturi() ..."""

    @function()
    def setuser(self, ctx: Context, user: str) -> int:
        """Set the user of the Request-URI, keeping a password; "" removes it. 1."""
        ruri.set_user(ctx, user)
        return 1

    @function()
    def sethost(self, ctx: Context, host: str) -> int:
        """Set the host of the Request-URI, keeping the port. 1."""
        ruri.set_host(ctx, host)
        return 1

    @function()
    def sethostport(self, ctx: Context, hostport: str) -> int:
        """Set host and port of the Request-URI: "host" or "host:port". 1."""
        ruri.set_hostport(ctx, hostport)
        return 1

    @function()
    def setport(self, ctx: Context, port: str) -> int:
        """Set the port of the Request-URI; "" removes it. 1."""
        ruri.set_port(ctx, port)
        return 1

    @function()
    def setuserpass(self, ctx: Context, userpass: str) -> int:
        """Set user and password of the Request-URI: "user" or "user:password". 1."""
        ruri.set_userpass(ctx, userpass)
        return 1

    @function()
    def seturi(self, ctx: Context, uri: str) -> int:
        """Set the whole Request-URI. 1."""
        ruri.set_ruri(ctx, uri)
        return 1

    @function()
    def prefix(self, ctx: Context, text: str) -> int:
        """Put a text in front of the user. 1."""
        ruri.prefix(ctx, text)
        return 1

    @function()
    def strip(self, ctx: Context, count: int) -> int:
        """Take count characters from the front of the user; more than there are leave none. 1."""
        ruri.strip(ctx, count)
        return 1

    @function()
    def strip_tail(self, ctx: Context, count: int) -> int:
        """Take count characters from the end of the user; more than there are leave none. 1."""
        ruri.strip_tail(ctx, count)
        return 1

    @function()
    def revert_uri(self, ctx: Context) -> int:
        """Go back to the Request-URI as received. 1."""
        if ctx.msg.is_request:
            ctx.ruri = ctx.msg.request_uri  # type: ignore[attr-defined]
        return 1

    @function()
    def setdsturi(self, ctx: Context, uri: str) -> int:
        """Set the destination; "" unsets it. 1."""
        ctx.dst_uri = uri or None
        return 1

    @function()
    def resetdsturi(self, ctx: Context) -> int:
        """Unset the destination. 1."""
        ctx.dst_uri = None
        return 1

    @function()
    def isdsturiset(self, ctx: Context) -> bool:
        """1 when a destination is set, else -1."""
        return bool(ctx.dst_uri)

    @function()
    def is_myself(self, ctx: Context, host: str, port: int | None = None) -> bool:
        """1 when host (and port, unless 0 or missing) is this server: sockets, advertised names, aliases. Else -1."""
        if host[:1] == "[" and host[-1:] == "]":
            host = host[1:-1]
        return bool(self.server.is_myself(host, port or 0))

    @function(result=avp_only)
    def construct_uri(
        self, ctx: Context, proto: str, user: str | None, host: str, port: str | None, params: str | None, result: Var,
    ) -> int:
        """Put together a URI and add it to an $avp; nothing is added without a scheme or a host. 1."""
        if not proto or not host:
            self.log.error("a URI needs a scheme and a host")
            return 1
        text = f"{proto}:{user}@{host}" if user else f"{proto}:{host}"
        if port:
            text += f":{port}"
        if params:
            text += f";{params}"
        assert result.set is not None
        result.set(ctx, text)
        return 1


class OldUriFunctions(Module):
    """The names of these functions before 3.3."""

    @function()
    def rewriteuser(self, ctx: Context, user: str) -> int:
        """Same as setuser()."""
        ruri.set_user(ctx, user)
        return 1

    @function()
    def rewritehost(self, ctx: Context, host: str) -> int:
        """Same as sethost()."""
        ruri.set_host(ctx, host)
        return 1

    @function()
    def rewritehostport(self, ctx: Context, hostport: str) -> int:
        """Same as sethostport()."""
        ruri.set_hostport(ctx, hostport)
        return 1

    @function()
    def rewriteport(self, ctx: Context, port: str) -> int:
        """Same as setport()."""
        ruri.set_port(ctx, port)
        return 1

    @function()
    def rewriteuserpass(self, ctx: Context, userpass: str) -> int:
        """Same as setuserpass()."""
        ruri.set_userpass(ctx, userpass)
        return 1

    @function()
    def rewriteuri(self, ctx: Context, uri: str) -> int:
        """Same as seturi()."""
        if not uri:
            raise ScriptError("an empty URI")
        ruri.set_ruri(ctx, uri)
        return 1
