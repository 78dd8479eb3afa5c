"""From a URI to the Address of Record it means, RFC 3261 10.3 step 5: the key under which contacts are kept."""

from __future__ import annotations

import re
from typing import Final

from engine.errors import SipParseError
from engine.script.operators import fold
from engine.sip.uri import parse_uri, try_uri, unescape
from modules.shared.reg import gruu
from modules.shared.reg.refusals import AOR_LENGTH, BAD_AOR, BAD_ESCAPE, Refused

_BAD_ESCAPE = re.compile("%(?![2-7][0-9A-Fa-f])|%7[Ff]")
"""No escape, or one of a character that is not printable ASCII: OpenSIPS refuses both."""

USUAL_URI: Final = r"sip:([A-Za-z0-9_.!~*'()+-]++)@([A-Za-z0-9.-]++)(?::[1-5]?[0-9]{1,4})?(?:;[^?\s<>@\",]*+)?"
"""Pattern, with user and host as groups, of URIs that need no closer look: parse_uri() takes all of them. Users come by the
hundred thousand, so a registrar mostly meets URIs nobody keeps parsed; this spares 2 µs each time."""
_SERVICE: Final = "urn:service:"
_USUAL: Final = re.compile(USUAL_URI + r"\Z")


def is_uri(text: str) -> bool:
    """Whether a text is a URI that can be read and means a place: of URNs only services do (RFC 5031)."""
    if _USUAL.match(text) is not None:
        return True
    uri = try_uri(text)
    return uri is not None and (uri.scheme != "urn" or fold(text).startswith(_SERVICE))


class AorRules:
    """The parameters that decide what an AoR is."""

    __slots__ = ("use_domain", "case_sensitive", "realm_prefix", "max_user", "max_domain", "max_length", "secret")

    def __init__(
        self, use_domain: bool, case_sensitive: bool, realm_prefix: str, max_user: int, max_domain: int, max_length: int,
        secret: str,
    ) -> None:
        self.use_domain = use_domain
        self.case_sensitive = case_sensitive
        self.realm_prefix = realm_prefix
        self.max_user = max_user
        self.max_domain = max_domain
        self.max_length = max_length
        self.secret = secret
        """Key of temporary GRUUs."""

    def aor(self, uri_text: str) -> str:
        """The AoR of a URI, "" when it has no user (without use_domain). Raises Refused: no URI, too long, bad escape.

        The user part keeps its case with case_sensitive, the domain never does (RFC 3261 19.1.4).
        """
        usual = _USUAL.match(uri_text)
        if usual is not None:
            user, host = usual.groups()
        else:
            try:
                uri = parse_uri(uri_text)
            except SipParseError:
                raise Refused(BAD_AOR) from None
            user, host = uri.user or "", uri.host
            if uri.scheme == "urn":
                if not fold(uri_text).startswith(_SERVICE):
                    raise Refused(BAD_AOR)
                user, host = "", uri_text[len(_SERVICE):]
        if len(user) > self.max_user or len(host) > self.max_domain or len(user) + len(host) + 1 > self.max_length:
            raise Refused(AOR_LENGTH)
        if "%" in user:
            if _BAD_ESCAPE.search(user):
                raise Refused(BAD_ESCAPE)
            user = unescape(user)
        if not self.case_sensitive:
            user = fold(user)
        if not self.use_domain:
            return user
        prefix = self.realm_prefix
        if prefix and len(prefix) < len(host) and host.startswith(prefix):
            host = host[len(prefix):]
        return f"{user}@{fold(host)}" if user else fold(host)

    def target(self, uri_text: str) -> tuple[str, str, str]:
        """AoR, instance and Call-ID a Request-URI means; the last two are "" unless it is a GRUU (RFC 5627).

        Raises Refused.
        """
        if ";gr" in uri_text:
            try:
                uri = parse_uri(uri_text)
            except SipParseError:
                raise Refused(BAD_AOR) from None
            value = uri.param("gr")
            if value is not None:
                if (uri.user or "").startswith(gruu.PREFIX):
                    found = gruu.read_temporary(uri.user or "", self.secret)
                    if found is None:
                        raise Refused(BAD_AOR)
                    return found
                return self.aor(uri_text), value, ""
        return self.aor(uri_text), "", ""
