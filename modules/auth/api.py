"""What other modules may use of auth: needs("auth") gives an object of this shape.

A module with user accounts asks begin() for the credentials of a request, looks the user up, and lets finish() judge:

    found = self.auth.begin(ctx, realm, proxy=False)
    if isinstance(found, int):
        return found                                       # the answer for the script is known already
    return self.auth.finish(ctx, found, password, plain=True)   # None for an unknown user
"""

from __future__ import annotations

from typing import Final, Protocol

from engine.script.context import Context
from engine.sip.digest import DigestFields

# Return codes of the *_authorize() functions.
AUTHORIZED: Final = 1
ANSWERED: Final = 0
"""A reply was sent: the script ends."""
USER_UNKNOWN: Final = -1
INVALID_PASSWORD: Final = -2
STALE_NONCE: Final = -3
NO_CREDENTIALS: Final = -4
AUTH_ERROR: Final = -5

WWW: Final = "authorization"
PROXY: Final = "proxy-authorization"
"""Canonical names of the headers credentials come in."""


class Attempt:
    """Credentials of a request whose form and nonce are good; the response is still to be judged."""

    __slots__ = ("header", "index", "fields", "realm", "algorithm")

    def __init__(self, header: str, index: int, fields: DigestFields, realm: str, algorithm: str) -> None:
        self.header = header
        """WWW or PROXY."""
        self.index = index
        """Number of the header line in the message."""
        self.fields = fields
        self.realm = realm
        """The realm asked for, which HA1 is made with."""
        self.algorithm = algorithm
        """In its usual spelling: MD5, SHA-256-sess ..."""

    @property
    def username(self) -> str:
        """Whole user name, with a domain if the client sent one."""
        return self.fields.username or ""


class Authorization:
    """What auth knows of a request: ctx.slots["auth"]."""

    __slots__ = ("checked", "stale", "consumed", "granted", "account")

    def __init__(self) -> None:
        self.checked: dict[str, Attempt] = {}
        """Header name -> the credentials that were looked at last."""
        self.stale: set[str] = set()
        """Header names whose credentials had a stale nonce: the next challenge says so."""
        self.consumed: set[str] = set()
        self.granted: dict[str, Attempt] = {}
        """Header name -> the credentials that were right."""
        self.account = ""
        """user@realm of the credentials that were looked at, right or wrong ($Au: whom to write a request down for)."""


class Auth(Protocol):
    """The auth module."""

    def begin(self, ctx: Context, realm: str, proxy: bool) -> Attempt | int:
        """The credentials for a realm ("": that of the request) in (Proxy-)Authorization, when their form and nonce are good.
        Else what the script function returns: AUTHORIZED for ACK and CANCEL, STALE_NONCE, NO_CREDENTIALS, ANSWERED (400)."""

    def finish(self, ctx: Context, attempt: Attempt, secret: str | None, plain: bool) -> int:
        """Judge the response. secret: password (plain) or HA1 of the attempt's algorithm; None for an unknown user, which takes
        the same work. AUTHORIZED, USER_UNKNOWN, INVALID_PASSWORD."""

    def fail(self, ctx: Context) -> int:
        """The judgement is impossible (no database ...): answer 500; ANSWERED."""

    def granted(self, ctx: Context) -> Attempt | None:
        """The credentials this request was authorised by, Authorization first; None without."""

    def set_rpid(self, ctx: Context, value: str) -> None:
        """Put a Remote-Party-ID where append_rpid_hf() finds it."""
