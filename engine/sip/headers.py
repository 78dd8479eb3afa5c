"""Values of structured headers: Via, name-addr headers (From, To, Route ...) and Contact.

Every value remembers where it stands. Offsets (start, end ...) count in the text it was parsed from, plus the base the caller
gives; Message passes the offset of the header's value in the whole message, so that edits can use them as they are.
"""

import re
from functools import lru_cache
from typing import Final

from engine.errors import SipParseError
from engine.sip.grammar import BLANKS, comma_spans, find_param, is_balanced, param_span
from engine.sip.uri import SipUri, parse_uri

# RFC 3261 25.1 via-parm. The transport is any token; a host has letters, digits, "-" and ".", or is an IPv6 reference. Parameters
# are looser than the RFC's, as OpenSIPS has them: a value may be empty in front of a semicolon, and a quoted one may stay open.
_VIA: Final = re.compile(
    r'[ \t\r\n]*+[Ss][Ii][Pp][ \t\r\n]*+/[ \t\r\n]*+2\.0[ \t\r\n]*+/[ \t\r\n]*+([^\s/;,:()<>"]++)[ \t\r\n]++'
    r'(\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9.\-]++)'
    r'(?:[ \t\r\n]*+:[ \t\r\n]*+([0-9]{1,5}))?+'
    r'((?:[ \t\r\n]*+;[ \t\r\n]*+[^\s;,=]++'
    r'(?:[ \t\r\n]*+=[ \t\r\n]*+(?:"(?:[^"\\]|\\.)*+(?:"|\Z)|[^\s;,="]++|(?=;|\Z)))?+)*+)'
    r'[ \t\r\n]*+((?:\([^()]*+(?:\([^()]*+\)[^()]*+)*+\)[ \t\r\n]*+)*+)(?:,|\Z)'
)

# What OpenSIPS refuses among them: known parameters that need a value and have none, and flags that have one.
_VIA_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)')
_VIA_BAD_PARAM: Final = re.compile(
    r"(?:\A|;)[ \t\r\n]*+(?:(?:branch|ttl|maddr|received|i)[ \t\r\n]*+(?:;|=?+[ \t\r\n]*+\Z)|(?:hidden|alias)[ \t\r\n]*+=)",
    re.IGNORECASE,
)

# The same for a line with one Via, no quotes and no unusual blanks: what nearly every message carries.
_USUAL_VIA: Final = re.compile(
    r' SIP/2\.0/([A-Z]++) ([A-Za-z0-9.\-]++)(?::([0-9]{1,5}))?+((?:;(?:[b-gi-z][a-z\-]*+=[^\s,"()<>;=]++|rport|alias))*+)\Z'
)

# name-addr and addr-spec of RFC 3261 25.1. Without brackets everything behind the first semicolon belongs to the header.
_NAME_ADDR: Final = re.compile(
    r'[ \t\r\n]*+("(?:[^"\\]|\\.)*+"|[^<"]*+)[ \t\r\n]*+<([^<>]*+)>[ \t\r\n]*+(?:;(.*))?\Z', re.DOTALL
)
_USUAL_ADDR: Final = re.compile(r' ?("[^"\\]*+" |)<([^<>\s]++)>(?:;([^"\s]++))?\Z')
_ADDR_SPEC: Final = re.compile(r'[ \t\r\n]*+([^\s;<>"]++)[ \t\r\n]*+(?:;(.*))?\Z', re.DOTALL)
_Q: Final = re.compile(r"0?\.([0-9]{1,3})[0-9]*\Z|([01])(?:\.(0*))?\Z")


class Via:
    """One Via value (RFC 3261 20.42)."""

    __slots__ = (
        "transport", "host", "port", "params", "comment", "start", "end", "host_end", "params_start", "header", "_branch",
    )

    def __init__(
        self, transport: str, host: str, port: int | None, params: str, comment: str, start: int, end: int, host_end: int,
        params_start: int, header: int,
    ) -> None:
        self.transport = transport
        """As written: UDP, TCP ..."""
        self.host = host
        self.port = port
        self.params = params
        """Text behind the first semicolon, "" without parameters."""
        self.comment = comment
        self.start = start
        """Offset of the first character of the value."""
        self.end = end
        """Offset behind its last character, without the comma."""
        self.host_end = host_end
        """Offset behind host[:port]: where received and rport are added."""
        self.params_start = params_start
        self.header = header
        """Index of its header line in the message, -1 when parsed from bare text."""
        self._branch: str | None = ""

    def param(self, name: str) -> str | None:
        """Value of a parameter (lower-case name): "" without a value, None when absent."""
        return find_param(self.params, name)

    @property
    def branch(self) -> str | None:
        """The branch parameter, None without one (RFC 2543)."""
        found = self._branch
        if found == "":
            found = self._branch = find_param(self.params, "branch")
        return found

    @property
    def received(self) -> str | None:
        """Source address a server added (RFC 3261 18.2.1)."""
        return find_param(self.params, "received")

    @property
    def rport(self) -> str | None:
        """RFC 3581: "" when asked for, the port when filled in, None when absent."""
        return find_param(self.params, "rport")

    @property
    def alias(self) -> str | None:
        """RFC 5923: "" when the connection may be reused for requests to the sent-by, None when absent."""
        return find_param(self.params, "alias")

    @property
    def i(self) -> str | None:
        """Connection id that this server put into its own Via (parameter i)."""
        return find_param(self.params, "i")

    @property
    def maddr(self) -> str | None:
        """Multicast or forced reply address (RFC 3261 18.2.2)."""
        return find_param(self.params, "maddr")

    @property
    def sent_by(self) -> str:
        """host or host:port as written, without blanks."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def param_span(self, name: str) -> tuple[int, int] | None:
        """Offsets of "name" or "name=value" (lower-case name), None when absent."""
        found = param_span(self.params, name)
        return None if found is None else (self.params_start + found[0], self.params_start + found[1])

    def __str__(self) -> str:
        params = f";{self.params}" if self.params else ""
        comment = f" {self.comment}" if self.comment else ""
        return f"SIP/2.0/{self.transport} {self.sent_by}{params}{comment}"


def parse_vias(text: str, base: int = 0, header: int = -1) -> list[Via]:
    """The Via values of one header line. Raises SipParseError("bad Via header")."""
    match = _USUAL_VIA.match(text)
    if match is not None:
        transport, host, port_text, params = match.groups()
        port = None if port_text is None else int(port_text)
        if port is None or port < 65536:
            end = base + len(text)
            if not params:
                return [Via(transport, host, port, "", "", base + 1, end, end, end, header)]
            at = end - len(params) + 1
            return [Via(transport, host, port, params[1:], "", base + 1, end, at - 1, at, header)]
    return _parse_any_vias(text, base, header)


def _parse_any_vias(text: str, base: int, header: int) -> list[Via]:
    """parse_vias() for every legal spelling."""
    found: list[Via] = []
    at = 0
    size = len(text)
    while True:
        match = _VIA.match(text, at)
        if match is None:
            raise SipParseError("bad Via header", part="Via")
        transport, host, port_text, params, comment = match.groups()
        port = None
        if port_text is None:
            host_end = match.end(2)
        else:
            port = int(port_text)
            if port > 65535:
                raise SipParseError("bad Via header", part="Via")
            host_end = match.end(3)
        end = host_end
        params_start = host_end
        if params:
            end = match.end(4)
            semicolon = params.index(";") + 1
            params_start = match.start(4) + semicolon
            params = params[semicolon:]
            if _VIA_BAD_PARAM.search(_VIA_QUOTED.sub('""', params) if '"' in params else params):
                raise SipParseError("bad Via header", part="Via")
        if comment:
            comment = comment.rstrip(BLANKS)
            end = match.start(5) + len(comment)
        start = at + len(text[at:end]) - len(text[at:end].lstrip(BLANKS))
        found.append(Via(
            transport, host, port, params, comment or "", base + start, base + end, base + host_end, base + params_start,
            header,
        ))
        at = match.end()
        if at >= size and text[at - 1] != ",":
            return found


def parse_via(text: str) -> Via:
    """The first Via value of a text. Raises SipParseError("bad Via header")."""
    return parse_vias(text)[0]


class NameAddr:
    """An address with optional display name and parameters: From, To, Route, Refer-To, P-Asserted-Identity ..."""

    __slots__ = ("display", "uri", "params", "bracketed", "start", "end", "uri_start", "header")

    def __init__(
        self, display: str, uri: str, params: str, bracketed: bool, start: int, end: int, uri_start: int, header: int,
    ) -> None:
        self.display = display
        """With its quotes, "" without one."""
        self.uri = uri
        """Text of the URI, without angle brackets and blanks."""
        self.params = params
        """Header parameters: text behind the first semicolon, "" without any."""
        self.bracketed = bracketed
        self.start = start
        """Offset of the first character of the value."""
        self.end = end
        """Offset behind its last character."""
        self.uri_start = uri_start
        self.header = header
        """Index of its header line in the message, -1 when parsed from bare text."""

    def param(self, name: str) -> str | None:
        """Value of a header parameter (lower-case name) without quotes: "" without a value, None when absent."""
        return find_param(self.params, name)

    @property
    def tag(self) -> str | None:
        """The tag parameter of From and To."""
        params = self.params
        if not params:
            return None
        if params[:4] == "tag=" and ";" not in params and '"' not in params:
            return params[4:].strip(BLANKS)
        return find_param(params, "tag")

    @property
    def parsed_uri(self) -> SipUri:
        """The URI, parsed. Raises SipParseError."""
        return parse_uri(self.uri)

    @property
    def uri_end(self) -> int:
        """Offset behind the URI's last character."""
        return self.uri_start + len(self.uri)

    def __str__(self) -> str:
        params = f";{self.params}" if self.params else ""
        if not self.bracketed:
            return self.uri + params
        display = f"{self.display} " if self.display else ""
        return f"{display}<{self.uri}>{params}"


class ContactValue(NameAddr):
    """One value of a Contact header (RFC 3261 20.10, RFC 5626, RFC 8599)."""

    __slots__ = ()

    @property
    def q(self) -> int | None:
        """Preference in thousandths, None without one. Raises SipParseError when it is no number from 0 to 1."""
        text = find_param(self.params, "q")
        return None if text is None else parse_q(text)

    @property
    def expires(self) -> str | None:
        """The expires parameter as text, None without one."""
        return find_param(self.params, "expires")

    @property
    def methods(self) -> str | None:
        """The methods parameter, without quotes."""
        return find_param(self.params, "methods")

    @property
    def received(self) -> str | None:
        """The received parameter, without quotes: where the contact was seen to come from."""
        return find_param(self.params, "received")

    @property
    def instance(self) -> str | None:
        """+sip.instance (RFC 5626) without quotes, angle brackets kept."""
        return find_param(self.params, "+sip.instance")

    @property
    def reg_id(self) -> str | None:
        """reg-id (RFC 5626)."""
        return find_param(self.params, "reg-id")


STAR: Final[ContactValue] = ContactValue("", "*", "", False, 0, 0, 0, -1)
"""The "Contact: *" of an un-REGISTER; compare with "is"."""


def parse_q(text: str) -> int:
    """A qvalue (RFC 3261 25.1) in thousandths: "0.5" is 500. Raises SipParseError for anything outside 0 ... 1."""
    match = _Q.match(text)
    if match is None or not text.isascii():
        raise SipParseError("bad q parameter", part="q")
    digits, whole, zeros = match.groups()
    if digits is not None:
        return int(digits.ljust(3, "0"))
    return 1000 if whole == "1" and not (zeros or "").strip("0") else 0


def format_q(thousandths: int) -> str:
    """A qvalue for a header, no trailing zeros: 500 is "0.5", 1000 is "1", 0 is "0"."""
    if thousandths >= 1000:
        return "1"
    if thousandths <= 0:
        return "0"
    return f"0.{thousandths:03d}".rstrip("0")


def _parse_item(text: str) -> tuple[str, str, str, bool, int]:
    """Display, URI, parameters, bracketed and offset of the URI of one address."""
    match = _NAME_ADDR.match(text)
    if match is not None:
        display, inner, params = match.groups()
        uri = inner.strip(BLANKS)
        if uri:
            if params is None:
                return display.rstrip(BLANKS), uri, "", True, match.start(2) + inner.index(uri)
            if is_balanced(params):
                return display.rstrip(BLANKS), uri, params.rstrip(BLANKS), True, match.start(2) + inner.index(uri)
        raise SipParseError("bad header", part="address")
    match = _ADDR_SPEC.match(text)
    if match is None:
        raise SipParseError("bad header", part="address")
    uri, params = match.groups()
    if params is not None and not is_balanced(params):
        raise SipParseError("bad header", part="address")
    return "", uri, (params or "").rstrip(BLANKS), False, match.start(1)


def parse_nameaddr(text: str, base: int = 0, header: int = -1) -> NameAddr:
    """One address, the whole text. Raises SipParseError("bad header") when it is none.

    A display name without quotes may hold commas ("Bell, Alexander <sip:...>"), as OpenSIPS reads From and To.
    """
    match = _USUAL_ADDR.match(text)
    if match is not None:
        display, uri, params = match.groups()
        left = 1 if text[0] == " " else 0
        return NameAddr(
            display[:-1], uri, params or "", True, base + left, base + len(text), base + left + len(display) + 1, header,
        )
    display, uri, params, bracketed, uri_start = _parse_item(text)
    left = len(text) - len(text.lstrip(BLANKS))
    return NameAddr(
        display, uri, params, bracketed, base + left, base + len(text.rstrip(BLANKS)), base + uri_start, header,
    )


def _parse_address(text: str, header: int) -> NameAddr:
    return parse_nameaddr(text, 0, header)


_cached_address: Final = lru_cache(maxsize=4096)(_parse_address)


def shared_nameaddr(text: str, header: int) -> NameAddr:
    """parse_nameaddr() for From and To: the messages of a call come with the same ones, so what was read is kept and shared.

    Offsets count from the text's begin. Long texts are not kept, so that the cache stays small.
    """
    return _cached_address(text, header) if len(text) < 256 else parse_nameaddr(text, 0, header)


def parse_nameaddr_list(text: str, base: int = 0, header: int = -1) -> list[NameAddr]:
    """The addresses of a comma list (Route, Record-Route, Path ...). Raises SipParseError("bad header"), also when empty."""
    if "," not in text:
        return [parse_nameaddr(text, base, header)]
    found: list[NameAddr] = []
    for start, end in comma_spans(text):
        display, uri, params, bracketed, uri_start = _parse_item(text[start:end])
        found.append(NameAddr(
            display, uri, params, bracketed, base + start, base + end, base + start + uri_start, header,
        ))
    if not found:
        raise SipParseError("bad header", part="address")
    return found


def parse_contacts(text: str, base: int = 0, header: int = -1) -> list[ContactValue]:
    """The values of one Contact header; [STAR] for "*". Raises SipParseError("bad header")."""
    if text.strip(BLANKS) == "*":
        return [STAR]
    found: list[ContactValue] = []
    for start, end in comma_spans(text):
        display, uri, params, bracketed, uri_start = _parse_item(text[start:end])
        if uri == "*":
            raise SipParseError("bad header", part="Contact")
        found.append(ContactValue(
            display, uri, params, bracketed, base + start, base + end, base + start + uri_start, header,
        ))
    return found
