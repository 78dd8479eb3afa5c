"""HTTP digest as SIP uses it (RFC 3261 section 22, RFC 7616, RFC 8760): read and write the headers, compute responses.

    HA1      = H(user:realm:password), for -sess algorithms H(that:nonce:cnonce)
    HA2      = H(method:uri), with qop=auth-int H(method:uri:H(body))
    response = H(HA1:nonce:HA2) without qop (RFC 2069), else H(HA1:nonce:nc:cnonce:qop:HA2)
"""

import hashlib
import hmac
import re
from typing import Final

from engine.errors import SipParseError
from engine.sip.grammar import BLANKS, quote

_FIELD: Final = re.compile(
    r'[ \t\r\n,]*+([^\s=,"]++)[ \t\r\n]*+=[ \t\r\n]*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]++))[ \t\r\n]*+(?:,|\Z)', re.DOTALL
)

_DIGITS: Final[dict[str, int]] = {"MD5": 32, "SHA-256": 64, "SHA-512-256": 64}

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

ALGORITHMS: Final[tuple[str, ...]] = (
    "MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess",
)
"""Algorithms in the order of their strength, weakest first."""


class DigestFields:
    """The fields of one Authorization, Proxy-Authorization, WWW-Authenticate or Proxy-Authenticate value."""

    __slots__ = ("scheme", "fields")

    def __init__(self, scheme: str, fields: dict[str, str]) -> None:
        self.scheme = scheme
        """As written: Digest, Basic ..."""
        self.fields = fields
        """Name in lower case to value without its quotes (escapes undone)."""

    @property
    def is_digest(self) -> bool:
        """Whether the scheme is Digest."""
        return self.scheme.lower() == "digest"

    def get(self, name: str) -> str | None:
        """A field by its lower-case name, None when absent."""
        return self.fields.get(name)

    @property
    def username(self) -> str | None:
        """Whole user name, with a domain if the client sent one."""
        return self.fields.get("username")

    @property
    def user(self) -> str | None:
        """The user name up to its "@"."""
        name = self.fields.get("username")
        return None if name is None else name.partition("@")[0]

    @property
    def domain(self) -> str | None:
        """The user name behind its "@", None without one."""
        _, at, domain = (self.fields.get("username") or "").partition("@")
        return domain if at else None

    @property
    def realm(self) -> str | None:
        """The protection domain."""
        return self.fields.get("realm")

    @property
    def nonce(self) -> str | None:
        """The server's nonce."""
        return self.fields.get("nonce")

    @property
    def uri(self) -> str | None:
        """The digest URI."""
        return self.fields.get("uri")

    @property
    def response(self) -> str | None:
        """The client's proof, hex."""
        return self.fields.get("response")

    @property
    def cnonce(self) -> str | None:
        """The client's nonce."""
        return self.fields.get("cnonce")

    @property
    def nc(self) -> str | None:
        """Nonce count, eight hex digits."""
        return self.fields.get("nc")

    @property
    def qop(self) -> str | None:
        """auth, auth-int, or in challenges a list of them."""
        return self.fields.get("qop")

    @property
    def opaque(self) -> str | None:
        """Text that the client returns unchanged."""
        return self.fields.get("opaque")

    @property
    def algorithm(self) -> str | None:
        """As written, None without one (which means MD5)."""
        return self.fields.get("algorithm")


def parse_digest(value: str) -> DigestFields:
    """Credentials or a challenge from a header value. Raises SipParseError for text that is none.

    For other schemes than Digest the fields stay empty, and for a scheme without anything behind it. Of a field that is there
    twice the last one counts, as with other servers: two readers of one header must not see two users.
    """
    text = value.strip(BLANKS)
    words = text.split(None, 1)
    if not words:
        raise SipParseError("bad credentials", part="credentials")
    scheme = words[0]
    fields: dict[str, str] = {}
    if scheme.lower() != "digest" or len(words) == 1:
        return DigestFields(scheme, fields)
    rest = words[1]
    at = 0
    while at < len(rest):
        match = _FIELD.match(rest, at)
        if match is None:
            raise SipParseError("bad credentials", part="credentials")
        name, quoted, plain = match.groups()
        if quoted is not None:
            plain = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if "\\" in quoted else quoted
        fields[name.lower()] = plain
        at = match.end()
    if not fields:
        raise SipParseError("bad credentials", part="credentials")
    return DigestFields(scheme, fields)


def canonical_algorithm(name: str | None) -> str | None:
    """The usual spelling of an algorithm, MD5 for None and "", None for one that is not supported."""
    if not name:
        return "MD5"
    if name in ALGORITHMS:
        return name
    for known in ALGORITHMS:
        if known.lower() == name.lower():
            return known
    return None


def parse_algorithms(text: str) -> tuple[str, ...]:
    """A comma list of algorithms, the strongest first (RFC 8760 2.4), each once; () for "". ValueError: one is not supported."""
    found: set[str] = set()
    for word in text.split(",") if text.strip() else ():
        name = canonical_algorithm(word.strip())
        if name is None or not word.strip():
            raise ValueError(f"unsupported algorithm {word.strip()!r}")
        found.add(name)
    return tuple([name for name in reversed(ALGORITHMS) if name in found])


def hash_digits(algorithm: str) -> int:
    """How many hex digits an HA1 or a response of an algorithm (canonical spelling) has."""
    return _DIGITS[algorithm.removesuffix("-sess")]


def hash_text(algorithm: str, text: str) -> str:
    """Lower-case hex of the hash behind an algorithm (canonical spelling) over latin-1 text."""
    data = text.encode("latin-1", "replace")
    if algorithm.startswith("MD5"):
        return hashlib.md5(data, usedforsecurity=False).hexdigest()
    if algorithm.startswith("SHA-256"):
        return hashlib.sha256(data).hexdigest()
    return hashlib.new("sha512_256", data).hexdigest()


def compute_ha1(algorithm: str, user: str, realm: str, password: str, nonce: str = "", cnonce: str = "") -> str:
    """HA1 of RFC 7616 3.4.2; for -sess algorithms bound to nonce and cnonce."""
    return session_ha1(algorithm, hash_text(algorithm, f"{user}:{realm}:{password}"), nonce, cnonce)


def session_ha1(algorithm: str, ha1: str, nonce: str, cnonce: str) -> str:
    """HA1 as the response needs it, from the stored H(user:realm:password): changed for -sess algorithms only."""
    if algorithm.endswith("-sess"):
        return hash_text(algorithm, f"{ha1}:{nonce}:{cnonce}")
    return ha1


def compute_response(
    algorithm: str, ha1: str, nonce: str, method: str, uri: str, *, qop: str | None = None, nc: str = "", cnonce: str = "",
    body: str = "",
) -> str:
    """The response (RFC 7616 3.4.1): qop None (RFC 2069 form), "auth" or "auth-int" (covers the body)."""
    if qop is not None and qop.lower() == "auth-int":
        ha2 = hash_text(algorithm, f"{method}:{uri}:{hash_text(algorithm, body)}")
    else:
        ha2 = hash_text(algorithm, f"{method}:{uri}")
    if qop:
        return hash_text(algorithm, f"{ha1}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}")
    return hash_text(algorithm, f"{ha1}:{nonce}:{ha2}")


def is_valid_response(credentials: DigestFields, ha1: str, method: str, body: str = "") -> bool:
    """Whether the credentials prove knowledge of the password behind ha1 = H(user:realm:password). Constant time."""
    algorithm = canonical_algorithm(credentials.algorithm)
    if algorithm is None or credentials.nonce is None or credentials.uri is None or credentials.response is None:
        return False
    nonce, cnonce, nc = credentials.nonce, credentials.cnonce or "", credentials.nc or ""
    expected = compute_response(
        algorithm, session_ha1(algorithm, ha1, nonce, cnonce), nonce, method, credentials.uri, qop=credentials.qop, nc=nc,
        cnonce=cnonce, body=body,
    )
    return hmac.compare_digest(expected.encode("ascii"), credentials.response.encode("latin-1", "replace"))


def format_challenge(
    realm: str, nonce: str, *, qop: str | None = None, stale: bool = False, algorithm: str | None = None,
    opaque: str | None = None,
) -> str:
    """Value of WWW-Authenticate or Proxy-Authenticate; the order of the fields is OpenSIPS'."""
    out = [f'Digest realm={quote(realm)}, nonce="{nonce}"']
    if opaque is not None:
        out.append(f"opaque={quote(opaque)}")
    if qop is not None:
        out.append(f'qop="{qop}"')
    if stale:
        out.append("stale=true")
    if algorithm is not None:
        out.append(f"algorithm={algorithm}")
    return ", ".join(out)


def offered_qop(qop: str | None) -> str:
    """What an answer to a challenge with this qop list says: "auth" before "auth-int", "" when the list holds neither."""
    offered = [word.strip().lower() for word in (qop or "").split(",")]
    return "auth" if "auth" in offered else "auth-int" if "auth-int" in offered else ""


def format_credentials(
    user: str, password_ha1: str, challenge: DigestFields, method: str, uri: str, *, cnonce: str = "", nc: str = "00000001",
    body: str = "",
) -> str | None:
    """Value of Authorization or Proxy-Authorization that answers a challenge; None for an unknown algorithm and for a challenge
    without nonce or realm. The order of the fields is OpenSIPS'.

    password_ha1 is H(user:realm:password) of the challenge's algorithm. auth is preferred over auth-int.
    """
    algorithm = canonical_algorithm(challenge.algorithm)
    nonce = challenge.nonce
    realm = challenge.realm
    qop = offered_qop(challenge.qop)
    if algorithm is None or nonce is None or realm is None or not challenge.is_digest:
        return None
    if _CONTROL.search(nonce + realm + (challenge.opaque or "")):
        return None  # what would end a line in our request
    response = compute_response(
        algorithm, session_ha1(algorithm, password_ha1, nonce, cnonce), nonce, method, uri, qop=qop or None, nc=nc, cnonce=cnonce,
        body=body,
    )
    out = [f"Digest username={quote(user)}, realm={quote(realm)}, nonce={quote(nonce)}, uri={quote(uri)}"]
    if challenge.opaque:
        out.append(f"opaque={quote(challenge.opaque)}")
    if qop:
        out.append(f"qop={qop}, nc={nc}, cnonce={quote(cnonce)}")
    elif algorithm.endswith("-sess"):
        out.append(f"cnonce={quote(cnonce)}")
    out.append(f'response="{response}", algorithm={algorithm}')
    return ", ".join(out)
