"""Credentials of a request ($au, $ar ...) and the challenge of a reply ($challenge.*)."""

from __future__ import annotations

from engine.errors import SipParseError
from engine.module import Module, pvar
from engine.script.context import Context
from engine.script.values import Value
from engine.sip.digest import DigestFields, parse_digest
from engine.sip.uri import parse_uri

_CHALLENGES = {401: "www-authenticate", 407: "proxy-authenticate"}


def _credentials(ctx: Context) -> DigestFields | None:
    """Of Proxy-Authorization, else Authorization; None in ACK and CANCEL and for other schemes than Digest."""
    msg = ctx.msg
    if not msg.is_request or msg.method in ("ACK", "CANCEL"):  # type: ignore[attr-defined]
        return None
    value = msg.header("proxy-authorization")
    if value is None:
        value = msg.header("authorization")
        if value is None:
            return None
    try:
        found = parse_digest(value)
    except SipParseError as error:
        ctx.server.log.error("%s", error.message)
        return None
    return found if found.is_digest else None


def _field(ctx: Context, name: str) -> Value:
    found = _credentials(ctx)
    return None if found is None else found.get(name) or None


def _challenge(ctx: Context, name: str) -> Value:
    """A field of the challenge in a 401 or 407, "" when that is silent about it; NULL without a challenge."""
    msg = ctx.msg
    if msg.is_request:
        return None
    header = _CHALLENGES.get(msg.status_code)  # type: ignore[attr-defined]
    value = msg.header(header) if header is not None else None
    if value is None:
        return None
    try:
        found = parse_digest(value)
    except SipParseError as error:
        ctx.server.log.error("%s", error.message)
        return None
    if not found.is_digest:
        return None
    return found.get(name) or ("MD5" if name == "algorithm" else "")


class CredentialVariables(Module):
    """$au ... $auth.*, $Au, $challenge.*"""

    @pvar("au")
    def user(self, ctx: Context) -> Value:
        """User name up to its "@"."""
        found = _credentials(ctx)
        return None if found is None else found.user or None

    @pvar("ad")
    def domain(self, ctx: Context) -> Value:
        """What follows the "@" of the user name."""
        found = _credentials(ctx)
        return None if found is None else found.domain or None

    @pvar("aU")
    def username(self, ctx: Context) -> Value:
        """Whole user name."""
        return _field(ctx, "username")

    @pvar("ar")
    def realm(self, ctx: Context) -> Value:
        """Realm."""
        return _field(ctx, "realm")

    @pvar("adu")
    def uri(self, ctx: Context) -> Value:
        """URI the response was computed for."""
        return _field(ctx, "uri")

    @pvar("an", "auth.nonce")
    def nonce(self, ctx: Context) -> Value:
        """Nonce."""
        return _field(ctx, "nonce")

    @pvar("auth.resp")
    def response(self, ctx: Context) -> Value:
        """Response."""
        return _field(ctx, "response")

    @pvar("auth.cnonce")
    def cnonce(self, ctx: Context) -> Value:
        """The client's nonce."""
        return _field(ctx, "cnonce")

    @pvar("auth.opaque")
    def opaque(self, ctx: Context) -> Value:
        """Opaque text."""
        return _field(ctx, "opaque")

    @pvar("auth.alg")
    def algorithm(self, ctx: Context) -> Value:
        """Algorithm as written."""
        return _field(ctx, "algorithm")

    @pvar("auth.qop")
    def qop(self, ctx: Context) -> Value:
        """Quality of protection."""
        return _field(ctx, "qop")

    @pvar("auth.nc")
    def nonce_count(self, ctx: Context) -> Value:
        """Nonce count."""
        return _field(ctx, "nc")

    @pvar("Au")
    def account(self, ctx: Context) -> Value:
        """The user an authorisation was granted to as user@realm, else user@host of From."""
        authorized = ctx.slots.get("auth") if ctx.slots else None
        granted = getattr(authorized, "account", None)
        if granted:
            return granted  # type: ignore[no-any-return]
        try:
            address = ctx.msg.from_
            if address is None:
                return ""
            uri = parse_uri(address.uri)
        except SipParseError as error:
            ctx.server.log.error("bad From: %s", error.message)
            return None
        return f"{uri.user or ''}@{uri.host}"

    @pvar("challenge.realm")
    def challenge_realm(self, ctx: Context) -> Value:
        """Realm of a challenge."""
        return _challenge(ctx, "realm")

    @pvar("challenge.nonce")
    def challenge_nonce(self, ctx: Context) -> Value:
        """Nonce of a challenge."""
        return _challenge(ctx, "nonce")

    @pvar("challenge.opaque")
    def challenge_opaque(self, ctx: Context) -> Value:
        """Opaque text of a challenge."""
        return _challenge(ctx, "opaque")

    @pvar("challenge.qop")
    def challenge_qop(self, ctx: Context) -> Value:
        """Qualities of protection offered."""
        return _challenge(ctx, "qop")

    @pvar("challenge.algorithm")
    def challenge_algorithm(self, ctx: Context) -> Value:
        """Algorithm of a challenge, MD5 when it names none."""
        return _challenge(ctx, "algorithm")

    @pvar("challenge.ik")
    def challenge_ik(self, ctx: Context) -> Value:
        """Integrity key (3GPP AKA)."""
        return _challenge(ctx, "ik")

    @pvar("challenge.ck")
    def challenge_ck(self, ctx: Context) -> Value:
        """Cipher key (3GPP AKA)."""
        return _challenge(ctx, "ck")
