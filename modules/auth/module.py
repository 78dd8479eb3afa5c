"""auth: digest authentication (RFC 3261 22, RFC 7616, RFC 8760). Challenges, and the judgement of credentials.

    if (!pv_www_authorize("")) { www_challenge("", "auth", "SHA-256,MD5"); exit; }

Manual: OpenSIPS 3.6, module auth. Modules with user accounts use what api.py describes.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from engine.errors import ConfigError, SipParseError
from engine.module import REQUEST, Context, Module, Value, Var, function, modparam, needs
from engine.script.values import text_of
from engine.script.variables.binder import Binder
from engine.sip.digest import (
    DigestFields, canonical_algorithm, compute_ha1, format_challenge, hash_digits, is_valid_response, parse_digest,
)
from engine.sip.uri import parse_uri
from modules.auth.api import (
    ANSWERED, AUTHORIZED, INVALID_PASSWORD, NO_CREDENTIALS, PROXY, STALE_NONCE, USER_UNKNOWN, WWW, Attempt, Authorization,
)
from modules.auth.fixups import algorithm_list, qop_list
from modules.auth.nonce import Nonces
from modules.auth.rpid import RemoteParty

SECRET_LENGTH: Final = 32
_EXEMPT: Final = ("ACK", "CANCEL")
"""Neither can be challenged: an ACK is not answered, a CANCEL carries the CSeq of what it cancels (RFC 3261 22.1)."""


class AuthModule(RemoteParty, Module):
    """The auth module."""

    signaling: Any = needs("signaling")

    secret = modparam(str, "", help="32 characters that nonces are sealed with; without it random ones are made at every start")
    nonce_expire = modparam(int, 30, min=1, help="seconds a nonce is good for")
    realm_prefix = modparam(str, "", help="cut off the begin of realms taken from the request, as sip.")
    username_spec = modparam(str, "", help="variable with the user name for pv_*_authorize()")
    password_spec = modparam(str, "", help="variable with the password or HA1 for pv_*_authorize()")
    calculate_ha1 = modparam(int, 0, help="1: password_spec holds passwords; 0: HA1 strings")
    disable_nonce_check = modparam(int, 0, help="1: a nonce may be used until it expires; 0: once")

    def mod_init(self) -> None:
        key = self.secret
        if key and len(key) != SECRET_LENGTH:
            raise ConfigError(f"auth: secret has {len(key)} characters, it must have {SECRET_LENGTH}")
        sealing = key.encode("latin-1", "replace") if key else secrets.token_bytes(SECRET_LENGTH)
        self.nonces = Nonces(sealing, self.nonce_expire, not self.disable_nonce_check, self.server.wall)
        self._user_var = self._variable("username_spec", self.username_spec)
        self._password_var = self._variable("password_spec", self.password_spec)
        self.open_rpid()

    def _variable(self, param: str, text: str) -> Var | None:
        if not text:
            return None
        bound = Binder(self.server.registry).bind_text(text)
        if bound.name == "null":
            raise ConfigError(f"auth: {param} {text!r} never has a value")
        return bound

    # ---- state of a request ----

    @staticmethod
    def _state(ctx: Context) -> Authorization:
        slots = ctx.slots
        if slots is None:
            slots = ctx.slots = {}
        state: Authorization | None = slots.get("auth")
        if state is None:
            state = slots["auth"] = Authorization()
        return state

    @staticmethod
    def _known_state(ctx: Context) -> Authorization | None:
        return ctx.slots.get("auth") if ctx.slots is not None else None

    # ---- challenges ----

    @function(REQUEST, qop=qop_list, algorithms=algorithm_list)
    def www_challenge(self, ctx: Context, realm: str, qop: str | None = None, algorithms: str | None = None) -> int:
        """Answer 401 with a WWW-Authenticate header for each algorithm, the strongest first. realm "": the host of To for a
        REGISTER, else of From. qop: "auth", "auth-int" or both; algorithms force qop "auth" when none is given. Ends the script;
        -1 when no reply could be sent."""
        return self._challenge(ctx, WWW, realm, qop or "", algorithms or ())  # type: ignore[arg-type]

    @function(REQUEST, qop=qop_list, algorithms=algorithm_list)
    def proxy_challenge(self, ctx: Context, realm: str, qop: str | None = None, algorithms: str | None = None) -> int:
        """Answer 407 with Proxy-Authenticate headers; see www_challenge(). realm "": the host of From."""
        return self._challenge(ctx, PROXY, realm, qop or "", algorithms or ())  # type: ignore[arg-type]

    def _challenge(self, ctx: Context, header: str, realm: str, qop: str, algorithms: tuple[str, ...]) -> int:
        if not realm:
            found = self._realm_of(ctx, header)
            if found is None:
                return self._answer(ctx, 400, "Bad Request")
            realm = found
        state = self._known_state(ctx)
        stale = state is not None and header in state.stale
        code, reason, name = (
            (401, "Unauthorized", "WWW-Authenticate") if header == WWW
            else (407, "Proxy Authentication Required", "Proxy-Authenticate")
        )
        lines = []
        if algorithms and not qop:
            qop = "auth"  # RFC 8760 2.6: only clients of RFC 2069 can do without, and those know MD5 by no name
        for algorithm in algorithms or ("",):
            value = format_challenge(
                realm, self.nonces.issue(algorithm or "MD5", qop), qop=qop or None, stale=stale, algorithm=algorithm or None,
            )
            lines.append(f"{name}: {value}\r\n")
        return self._answer(ctx, code, reason, "".join(lines))

    def _answer(self, ctx: Context, code: int, reason: str, headers: str = "") -> int:
        """Reply and end the script; -1 when that is not possible."""
        if self.signaling.reply(ctx, code, reason, headers) < 0:
            self.log.error("the %d reply could not be sent", code)
            return -1
        return ANSWERED

    def _realm_of(self, ctx: Context, header: str) -> str | None:
        """The realm a request belongs to; None when To or From cannot be read."""
        msg: Any = ctx.msg
        try:
            address = msg.to if header == WWW and msg.method == "REGISTER" else msg.from_
            host = parse_uri(address.uri).host if address is not None else ""
        except SipParseError as error:
            self.log.error("no realm: %s", error.message)
            return None
        if not host:
            self.log.error("no realm: the address in To or From has no host")
            return None
        return host.removeprefix(self.realm_prefix) if self.realm_prefix else host

    # ---- credentials ----

    def begin(self, ctx: Context, realm: str, proxy: bool) -> Attempt | int:
        """The credentials for a realm, when their form and nonce are good; else what the script function returns."""
        msg: Any = ctx.msg
        if msg.method in _EXEMPT:
            return AUTHORIZED
        header = PROXY if proxy else WWW
        if not realm:
            found = self._realm_of(ctx, header)
            if found is None:
                return self._refuse(ctx)
            realm = found
        if header not in msg.names:
            return NO_CREDENTIALS
        try:
            attempt = self._find(ctx, header, realm)
        except SipParseError as error:
            self.log.error("%s cannot be read: %s", header, error.message)
            return self._refuse(ctx)
        if attempt is None:
            return NO_CREDENTIALS
        if not _is_complete(attempt.fields):
            return self._refuse(ctx)
        state = self._state(ctx)
        state.checked[header] = attempt
        state.granted.pop(header, None)
        state.account = _account(state.checked.get(PROXY, attempt).fields)
        if not self._is_fresh(attempt):
            state.stale.add(header)
            return STALE_NONCE
        state.stale.discard(header)
        return attempt

    def _refuse(self, ctx: Context) -> int:
        self._answer(ctx, 400, "Bad Request")
        return ANSWERED

    @staticmethod
    def _find(ctx: Context, header: str, realm: str) -> Attempt | None:
        """The first credentials for a realm with an algorithm we know. Raises SipParseError for what cannot be read."""
        msg = ctx.msg
        wanted = _folded(realm)
        for index in msg.positions(header):
            fields = parse_digest(msg.value(index))
            if not fields.is_digest or _folded(fields.realm or "") != wanted:
                continue
            algorithm = canonical_algorithm(fields.algorithm)
            if algorithm is not None:
                return Attempt(header, index, fields, realm, algorithm)
        return None

    def _is_fresh(self, attempt: Attempt) -> bool:
        """Whether the nonce is ours, for this algorithm and qop, has not ended and was not used."""
        fields = attempt.fields
        nonce = self.nonces.read(fields.nonce or "")
        if nonce is None or nonce.algorithm != attempt.algorithm:
            return False
        qop = (fields.qop or "").strip().lower()
        if not qop and nonce.qop:
            qop = "auth"
        if qop != nonce.qop and not ("," in nonce.qop and qop in ("auth", "auth-int")):
            return False
        return self.nonces.use(nonce)

    def finish(self, ctx: Context, attempt: Attempt, secret: str | None, plain: bool) -> int:
        """Judge the response. An unknown user (secret None) takes the same work as a wrong password, and so does an account
        without a hash for the algorithm: nobody learns from answer or time which users there are."""
        fields, algorithm = attempt.fields, attempt.algorithm
        digits = hash_digits(algorithm)
        usable = secret is not None
        if plain:
            ha1 = compute_ha1(algorithm.removesuffix("-sess"), attempt.username, attempt.realm, secret or "")
            if secret == "":
                self.log.error("%s has an empty password, which is never right", attempt.username)
                usable = False
        else:
            ha1 = (secret or "").lower()
            if len(ha1) != digits:
                if usable:
                    self.log.error("the stored HA1 has %d characters, %s needs %d", len(ha1), algorithm, digits)
                ha1, usable = "0" * digits, False
        msg: Any = ctx.msg
        body = msg.body if (fields.qop or "").strip().lower() == "auth-int" else ""
        right = is_valid_response(fields, ha1, msg.method, body)
        if secret is None:
            return USER_UNKNOWN
        if not right or not usable:
            return INVALID_PASSWORD
        self._state(ctx).granted[attempt.header] = attempt
        return AUTHORIZED

    def fail(self, ctx: Context) -> int:
        """The judgement is impossible: answer 500."""
        self._answer(ctx, 500, "Server Internal Error")
        return ANSWERED

    def granted(self, ctx: Context) -> Attempt | None:
        """The credentials this request was authorised by, Authorization first; None without."""
        state = self._known_state(ctx)
        if state is None:
            return None
        return state.granted.get(WWW) or state.granted.get(PROXY)

    @function(REQUEST)
    def consume_credentials(self, ctx: Context) -> int:
        """Take the credentials that were checked out of the request: nobody downstream sees them. 1; -1 when none were."""
        state = self._known_state(ctx)
        if state is None or not state.checked:
            if ctx.msg.method not in _EXEMPT:  # type: ignore[attr-defined]
                self.log.error("consume_credentials(): no credentials were checked")
            return -1
        for header in (WWW, PROXY):
            attempt = state.checked.get(header)
            if attempt is not None and header not in state.consumed:
                state.consumed.add(header)
                ctx.new_edits().remove_header(ctx.msg, attempt.index)
                break
        return 1

    # ---- users in variables ----

    @function(REQUEST)
    def pv_www_authorize(self, ctx: Context, realm: str) -> int:
        """Judge the credentials in Authorization by username_spec and password_spec. 1 right (and for ACK and CANCEL), -1
        another user, -2 wrong password, -3 stale nonce, -4 no credentials for the realm; malformed ones are answered 400 and
        end the script."""
        return self._pv_authorize(ctx, realm, False)

    @function(REQUEST)
    def pv_proxy_authorize(self, ctx: Context, realm: str) -> int:
        """Judge the credentials in Proxy-Authorization; see pv_www_authorize()."""
        return self._pv_authorize(ctx, realm, True)

    def _pv_authorize(self, ctx: Context, realm: str, proxy: bool) -> int:
        attempt = self.begin(ctx, realm, proxy)
        if isinstance(attempt, int):
            return attempt
        user = self._value(ctx, self._user_var, "username_spec")
        password = self._value(ctx, self._password_var, "password_spec")
        if user is None or password is None:
            return self.fail(ctx)
        known = _folded(user) == _folded(attempt.username)
        return self.finish(ctx, attempt, password if known else None, bool(self.calculate_ha1))

    def _value(self, ctx: Context, variable: Var | None, param: str) -> str | None:
        if variable is None:
            self.log.error("pv_*_authorize() needs the parameter %s", param)
            return None
        value: Value = variable.get(ctx)
        if value is None:
            self.log.error("%s: %s has no value", param, variable.text)
        return text_of(value)


def _is_complete(fields: DigestFields) -> bool:
    """RFC 7616 3.4: all that a response is made of is there."""
    if not fields.username or None in (fields.realm, fields.nonce, fields.uri, fields.response):
        return False
    return not fields.qop or (fields.cnonce is not None and fields.nc is not None)


def _folded(text: str) -> bytes:
    """For comparing without regard to the case of ASCII letters; other bytes may be parts of UTF-8 characters."""
    return text.encode("latin-1", "replace").lower()


def _account(fields: DigestFields) -> str:
    """user@realm, as $Au shows it."""
    return f"{fields.user or ''}@{fields.domain or fields.realm or ''}"
