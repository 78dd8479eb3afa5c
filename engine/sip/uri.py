"""URIs: parse, print, compare (RFC 3261 section 19.1), and the escapes of their parts.

A SipUri is read only and shared: parse_uri() keeps the last few thousand results, because the same texts come back with every
message of a call. Who wants a changed URI builds a new text with replaced(). The user part follows OpenSIPS: everything up to
the "@" belongs to it, so "sip:a;b=c@host" has the user "a;b=c".
"""

import re
from functools import lru_cache
from typing import Final

from engine.errors import SipParseError
from engine.sip.grammar import unquote

DEFAULT_PORTS: Final[dict[str, int]] = {
    "udp": 5060, "tcp": 5060, "sctp": 5060, "tls": 5061, "ws": 80, "wss": 443,
}
"""Port of a transport when a URI names none (RFC 3261 19.1.2, RFC 7118)."""

# RFC 3261 25.1 hostport, loosened to what OpenSIPS lets through; IPv6 references keep their brackets.
_SIP: Final = re.compile(
    r'(?:([^@:\s<>"]++)(?::([^@\s<>"]*+))?@)?'                      # user, password
    r'(\[[0-9A-Fa-f:.]++\]|[^\s<>"@:;?&/\\\[\]]++)'                  # host
    r'(?::([0-9]{1,5}))?'                                            # port
    r'(?:;([^?\s<>@]*+))?'                                           # parameters
    r'(?:\?([^\s<>@]*+))?\Z'                                         # headers
)
_TEL: Final = re.compile(r'([^;?\s<>"]++)(?:;([^?\s<>]*+))?(?:\?([^\s<>]*+))?\Z')
_URN: Final = re.compile(r'([^\s<>"]++)\Z')

# RFC 3261 25.1: unreserved and user-unreserved, the characters a user part may hold unescaped.
_ALNUM: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_MARK: Final = "-_.!~*'()"
USER_PLAIN: Final[frozenset[str]] = frozenset(_ALNUM + _MARK + "&=+$,;?/")
PARAM_PLAIN: Final[frozenset[str]] = frozenset(_ALNUM + _MARK + "[]/:&+$")
_UNRESERVED: Final[frozenset[str]] = frozenset(_ALNUM + _MARK)

# These parameters never match a URI that lacks them, unless their value is empty: those of RFC 3261 19.1.4, of RFC 5627, and
# what OpenSIPS adds.
_STRICT: Final[frozenset[str]] = frozenset(("user", "ttl", "method", "maddr", "transport", "lr", "r2", "gr"))
_PUSH: Final[frozenset[str]] = frozenset(("pn-provider", "pn-prid", "pn-param", "pn-purr"))


class SipUri:
    """A sip, sips, tel or urn URI. Read only. For tel the number is the user and host is ""; urn has neither."""

    __slots__ = ("text", "scheme", "user", "password", "host", "port", "params", "headers", "_list", "_proto")

    def __init__(
        self, text: str, scheme: str, user: str | None, password: str | None, host: str, port: int | None, params: str,
        headers: str,
    ) -> None:
        self.text = text
        """As it was given."""
        self.scheme = scheme
        """Lower case: sip, sips, tel, tels, urn."""
        self.user = user
        """As written, escapes kept; None without one."""
        self.password = password
        self.host = host
        """As written, IPv6 with its brackets; "" for tel and urn."""
        self.port = port
        self.params = params
        """Text behind the first semicolon, "" without parameters."""
        self.headers = headers
        """Text behind the question mark."""
        self._list: list[tuple[str, str | None]] | None = None
        self._proto = ""

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"SipUri({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SipUri) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def param_list(self) -> list[tuple[str, str | None]]:
        """Parameters in order: name as written, value without quotes, None without a value, "" behind a bare "="."""
        found = self._list
        if found is None:
            found = []
            if self.params:
                for piece in self.params.split(";"):
                    if piece:
                        name, equals, value = piece.partition("=")
                        found.append((name, unquote(value) if equals else None))
            self._list = found
        return found

    def param(self, name: str) -> str | None:
        """Value of a parameter (name in lower case): "" when it has none, None when it is absent."""
        if not self.params or (self._list is None and name not in self.params.lower()):
            return None
        for key, value in self.param_list:
            if key == name or key.lower() == name:
                return "" if value is None else value
        return None

    def has_param(self, name: str) -> bool:
        """Whether a parameter of that name (lower case) is there, with or without a value."""
        return self.param(name) is not None

    @property
    def transport(self) -> str:
        """The transport parameter in lower case, "" without one."""
        if not self.params:
            return ""
        value = self.param("transport")
        return value.lower() if value else ""

    @property
    def proto(self) -> str:
        """The protocol the URI asks for: its transport, else tls for sips and udp for the rest (sips over tcp is tls)."""
        found = self._proto
        if not found:
            found = self.transport or "udp"
            if self.scheme == "sips":
                found = "tls" if found in ("tcp", "udp", "tls") else "wss" if found == "ws" else found
            self._proto = found
        return found

    @property
    def port_or_default(self) -> int:
        """The port, else the default of the protocol: 5060, or 5061 for tls."""
        if self.port is not None:
            return self.port
        return DEFAULT_PORTS.get(self.proto, 5060)

    @property
    def hostport(self) -> str:
        """host or host:port as written."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def maddr(self) -> str | None:
        """The maddr parameter, None without one."""
        return self.param("maddr")

    @property
    def is_loose(self) -> bool:
        """Whether a Route with this URI is a loose router (RFC 3261 16.12: parameter lr)."""
        return self.param("lr") is not None

    def aor(self, *, host: str | None = None, with_host: bool = True) -> str:
        """user@host, the key of a binding: user as written (escapes undone), host in lower case; only the host without user."""
        user = unescape(self.user) if self.user is not None else ""
        if not with_host:
            return user
        place = (self.host if host is None else host).lower()
        return f"{user}@{place}" if user else place

    def replaced(
        self, *, user: str | None = None, password: str | None = None, host: str | None = None, port: int | None = None,
        params: str | None = None, drop_user: bool = False, drop_port: bool = False,
    ) -> str:
        """Text of this URI with some parts exchanged; what is not named stays as written (drop_user also drops the password)."""
        out = [self.text[:len(self.scheme)], ":"]
        if self.scheme in ("tel", "tels", "urn"):
            out.append(user if user is not None else self.user or "")
        else:
            new_user = None if drop_user else user if user is not None else self.user
            new_password = None if drop_user else password if password is not None else self.password
            if new_user is not None:
                out.append(new_user if new_password is None else f"{new_user}:{new_password}")
                out.append("@")
            out.append(self.host if host is None else host)
            new_port = None if drop_port else port if port is not None else self.port
            if new_port is not None:
                out.append(f":{new_port}")
        new_params = self.params if params is None else params
        if new_params:
            out.append(";" + new_params)
        if self.headers:
            out.append("?" + self.headers)
        return "".join(out)


def _parse(text: str) -> SipUri:
    scheme_text, colon, rest = text.partition(":")
    scheme = scheme_text.lower()
    if scheme == "sip" or scheme == "sips":
        match = _SIP.match(rest)
        if match is None:
            raise SipParseError("bad URI", part="URI")
        user, password, host, port_text, params, headers = match.groups()
        port = None
        if port_text is not None:
            port = int(port_text)
            if port > 65535:
                raise SipParseError("bad port in URI", part="URI")
        return SipUri(text, scheme, user, password, host, port, params or "", headers or "")
    if scheme == "tel" or scheme == "tels":
        match = _TEL.match(rest)
        if match is None:
            raise SipParseError("bad tel URI", part="URI")
        return SipUri(text, scheme, match[1], None, "", None, match[2] or "", match[3] or "")
    if scheme == "urn" and colon:
        if _URN.match(rest) is None:
            raise SipParseError("bad urn", part="URI")
        return SipUri(text, scheme, rest, None, "", None, "", "")
    raise SipParseError("unknown URI scheme", 416, part="URI")


_cached: Final = lru_cache(maxsize=8192)(_parse)


def parse_uri(text: str) -> SipUri:
    """A sip, sips, tel or urn URI from its text (no angle brackets, no blanks). Raises SipParseError for anything else.

    The result is shared between callers and must not be changed. Long texts are not kept, so that the cache stays small.
    """
    if len(text) > 300:
        return _parse(text)
    return _cached(text)


def try_uri(text: str) -> SipUri | None:
    """parse_uri() for callers to whom a broken URI is an answer: None instead of the error."""
    try:
        return parse_uri(text)
    except SipParseError:
        return None


def same_uri(first: str | SipUri, second: str | SipUri, *, user_case: bool = True, strict_pn: bool = True) -> bool:
    """Whether two URIs are equal by RFC 3261 section 19.1.4; texts that are no URIs are equal when their bytes are.

    user_case=False compares the user part without case (OpenSIPS 3.1). strict_pn=False lets pn- parameters (RFC 8599) be
    absent on one side; by default they have to be there on both, with the same value.
    """
    a = try_uri(first) if isinstance(first, str) else first
    b = try_uri(second) if isinstance(second, str) else second
    if a is None or b is None:
        return str(first) == str(second)
    if a.text == b.text:
        return True
    if a.scheme != b.scheme or a.port != b.port or a.password != b.password:
        return False
    if a.host != b.host and a.host.lower() != b.host.lower():
        return False
    if a.user != b.user and not _same_user(a.user, b.user, user_case):
        return False
    if a.params != b.params and not _same_params(a, b, strict_pn):
        return False
    return a.headers == b.headers or _same_headers(a.headers, b.headers)


def _same_user(a: str | None, b: str | None, user_case: bool) -> bool:
    if a is None or b is None:
        return False
    left, right = _fold_escapes(a), _fold_escapes(b)
    return left == right or (not user_case and left.lower() == right.lower())


def _same_params(a: SipUri, b: SipUri, strict_pn: bool) -> bool:
    left = {name.lower(): value for name, value in reversed(a.param_list)}
    right = {name.lower(): value for name, value in reversed(b.param_list)}
    for name, value in left.items():
        if name in right:
            one, two = value or "", right[name] or ""
            # Tokens of push services differ by case; everything else does not.
            if one != two and (name in _PUSH or one.lower() != two.lower()):
                return False
        elif value and (name in _STRICT or (strict_pn and name in _PUSH)):
            return False
    for name, value in right.items():
        if value and name not in left and (name in _STRICT or (strict_pn and name in _PUSH)):
            return False
    return True


def _same_headers(a: str, b: str) -> bool:
    return sorted(_header_pairs(a)) == sorted(_header_pairs(b))


def _header_pairs(headers: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for piece in headers.split("&"):
        name, _, value = piece.partition("=")
        pairs.append((name.lower(), _fold_escapes(value)))
    return pairs


def _fold_escapes(text: str) -> str:
    """Escapes of unreserved characters undone, others in upper case: two spellings of one text become equal."""
    if "%" not in text:
        return text
    return re.sub("%([0-9A-Fa-f]{2})", _fold_one, text)


def _fold_one(match: re.Match[str]) -> str:
    char = chr(int(match[1], 16))
    return char if char in _UNRESERVED else match[0].upper()


def without_params(uri_text: str, names: frozenset[str] | tuple[str, ...] | list[str]) -> str:
    """The URI text without the parameters of those names (lower case), everything else byte for byte.

    Only parameters of the URI count: those behind a closing ">" or inside the user part and the headers stay.
    """
    wanted = frozenset(names)
    at = uri_text.rfind("@") + 1
    first = uri_text.find(";", at)
    if first < 0:
        return uri_text
    end = uri_text.find("?", first)
    if end < 0:
        end = len(uri_text)
    kept = [piece for piece in uri_text[first + 1:end].split(";") if piece.partition("=")[0].strip().lower() not in wanted]
    tail = uri_text[end:]
    return uri_text[:first] + "".join([";" + piece for piece in kept]) + tail


def with_params(uri_text: str, params: str) -> str:
    """The URI text with parameters ("a=1;b", no leading semicolon) added behind those it has, in front of its headers."""
    head, question, headers = uri_text.partition("?") if "@" not in uri_text else _split_headers(uri_text)
    return f"{head};{params}{question}{headers}"


def _split_headers(uri_text: str) -> tuple[str, str, str]:
    at = uri_text.rfind("@")
    head, question, headers = uri_text[at:].partition("?")
    return uri_text[:at] + head, question, headers


def escape_user(text: str) -> str:
    """%XX for every character a user part may not hold (RFC 3261 25.1), lower-case hex."""
    return "".join([char if char in USER_PLAIN else f"%{ord(char):02x}" for char in text])


def escape_param(text: str) -> str:
    """%XX for every character a URI parameter may not hold (RFC 3261 25.1), lower-case hex."""
    return "".join([char if char in PARAM_PLAIN else f"%{ord(char):02x}" for char in text])


def unescape(text: str) -> str:
    """%XX undone; a percent sign that starts no escape stays."""
    if "%" not in text:
        return text
    return re.sub("%([0-9A-Fa-f]{2})", _unescape_one, text)


def _unescape_one(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))
