"""The first step of a REGISTER: what it says, RFC 3261 10.3 steps 1 to 6, and what push notification thinks of it."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any, Final

from engine.errors import SipParseError
from engine.module import Context
from engine.sip.grammar import BLANKS, capped_number, split_params, unquote
from engine.sip.headers import STAR, ContactValue, parse_contacts, parse_q
from modules.shared.reg import push
from modules.shared.reg.aor import USUAL_URI
from modules.shared.reg.flags import PATH_NONE, SaveFlags
from modules.shared.reg.methods import read_methods
from modules.shared.reg.path import read_path
from modules.shared.reg.refusals import (
    AOR_LENGTH,
    BAD_AOR,
    BAD_CONTACT,
    BAD_CSEQ,
    BAD_EXPIRES,
    BAD_MESSAGE,
    BAD_Q,
    CALL_ID_LENGTH,
    CONTACT_LENGTH,
    NO_CALL_ID,
    NO_CSEQ,
    NO_TO,
    STAR_ALONE,
    STAR_EXPIRES,
    Refusal,
    Refused,
)
from modules.usrloc.api import Udomain

if TYPE_CHECKING:
    from engine.sip.message import Message
    from modules.shared.reg.base import RegBase

MAX_CALL_ID = 255
MAX_RECEIVED = 255

_NO_FLAGS = SaveFlags()

_MAX_NUMBER: Final = 0xFFFFFFFF
"""Of a CSeq and of a lifetime: 32 bits (RFC 3261 8.1.1.5, 20.19)."""

_USUAL_CONTACT: Final = re.compile(rf' ?(?:"[^"\\]*+" ?)?<({USUAL_URI})>(?:;([^"\s,]++))?\Z')
"""A header with one Contact in brackets, its URI as usual, no quotes in its parameters."""


class Wanted:
    """One Contact of a REGISTER: what the device wants, what it gets, which stored contact it means."""

    __slots__ = ("uri", "params", "lifetime", "q", "push", "provider", "contact", "contact_id", "readable", "fault")

    def __init__(self, uri: str, params: dict[str, str]) -> None:
        self.uri = uri
        self.params = params
        """Contact parameters, names in lower case; "" for one without value."""
        self.lifetime = 0
        """Seconds granted, 0: remove it."""
        self.q = -1
        self.push = push.NONE
        self.provider: push.Provider | None = None
        self.contact: Any = None
        """The stored contact: found, made or removed."""
        self.contact_id = 0
        """Its id, known also when it is gone."""
        self.readable = False
        """Its URI is known to be one."""
        self.fault: Refusal | None = None
        """What is wrong with its q or methods: told when its turn comes to be stored, as OpenSIPS does."""


class Reading:
    """One REGISTER on its way through a registrar: the request."""

    __slots__ = (
        "mod", "ctx", "msg", "domain", "flags", "now", "aor", "call_id", "cseq", "wanted", "star", "path", "path_received",
        "min_expires", "max_expires", "max_contacts", "judged", "record", "listed", "common",
    )

    def __init__(self, mod: RegBase, ctx: Context, msg: Message, domain: Udomain, flags: SaveFlags | None) -> None:
        self.mod = mod
        self.ctx = ctx
        self.msg = msg
        """The REGISTER; ctx may belong to its reply."""
        self.domain = domain
        self.flags = flags = flags or _NO_FLAGS
        self.now = mod.seconds()
        self.aor = ""
        self.call_id = ""
        self.cseq = 0
        self.wanted: list[Wanted] = []
        self.star = False
        self.path = ""
        self.path_received = ""
        self.min_expires: int = mod.min_expires if flags.min_expires is None else flags.min_expires
        self.max_expires: int = mod.max_expires if flags.max_expires is None else flags.max_expires
        self.max_contacts: int = mod.max_contacts if flags.max_contacts is None else flags.max_contacts
        self.judged = False
        """Push notification had its say: the answer may carry Feature-Caps."""
        self.record: Any = None
        self.listed = False
        """The answer lists contacts."""
        self.common: dict[str, Any] = {}
        """Fields all contacts of the request have in common."""

    # ---- reading ----

    def read(self, aor_uri: str | None, forced: str | None = None) -> None:
        """Headers, contacts, lifetimes, AoR, Path. forced: a Contact to be used instead of those of the message."""
        msg = self.msg
        try:
            to = msg.to
            cseq_text = msg.cseq_number
        except SipParseError:
            raise Refused(BAD_MESSAGE) from None
        if to is None:
            raise Refused(NO_TO)
        call_id = msg.call_id
        if call_id is None:
            raise Refused(NO_CALL_ID)
        if cseq_text is None:
            raise Refused(NO_CSEQ)
        if len(call_id) > MAX_CALL_ID:
            raise Refused(CALL_ID_LENGTH)
        cseq = capped_number(cseq_text, _MAX_NUMBER + 1) if cseq_text.isdecimal() else -1
        if not 0 <= cseq <= _MAX_NUMBER:
            raise Refused(BAD_CSEQ)
        self.call_id = call_id
        self.cseq = cseq
        default = self._expires_header()
        self._read_contacts(forced, default)
        mod = self.mod
        self.aor = aor = mod.aor_rules.aor(to.uri if aor_uri is None else aor_uri)
        if not aor:
            raise Refused(BAD_AOR)
        if len(aor) > mod.max_aor_len:
            raise Refused(AOR_LENGTH)
        if self.flags.path != PATH_NONE and "path" in msg.names:
            try:
                self.path, self.path_received = read_path(msg, self.flags.path_received)
            except Refused:
                # Found late by OpenSIPS: such an answer shows what is stored.
                self.listed = True
                raise

    def _expires_header(self) -> int | None:
        """Seconds in the Expires header, None without one."""
        text = self.msg.header("expires")
        if text is None:
            return None
        if not text.isdecimal() or not text.isascii():
            raise Refused(BAD_EXPIRES)
        return capped_number(text, _MAX_NUMBER)

    def _read_contacts(self, forced: str | None, default: int | None) -> None:
        msg = self.msg
        names = msg.names
        if forced is None and names.count("contact") == 1:
            usual = _USUAL_CONTACT.match(msg.raw_value(names.index("contact")))
            if usual is not None:
                uri, _, _, params = usual.groups()
                self._want(uri, params or "", default, True)
                return
        values: list[ContactValue] = []
        first = -1
        try:
            if forced is not None:
                values = parse_contacts(forced)
            else:
                # Not msg.contacts: where the values stand in the message is of no interest here, and costs.
                for at, name in enumerate(names):
                    if name == "contact":
                        text = msg.value(at)
                        found = parse_contacts(text)
                        # Nothing behind a comma or semicolon: OpenSIPS refuses that.
                        if not found or text.rstrip(BLANKS)[-1:] in (",", ";"):
                            raise Refused(BAD_CONTACT)
                        values += found
                        first = len(values) if first < 0 else first
        except SipParseError:
            raise Refused(BAD_CONTACT) from None
        for value in values:
            if value is STAR:
                if values[0] is STAR and default != 0:
                    raise Refused(STAR_EXPIRES)
                if len(values) > 1:
                    raise Refused(STAR_ALONE)
                self.star = True
                return
            if not value.bracketed and ":" not in value.uri:
                raise Refused(BAD_CONTACT)
            self._want(value.uri, value.params, default, False)
        # As in OpenSIPS the first header has no limit: the tokens of push services may be long.
        for item in self.wanted[first:] if first >= 0 else ():
            if len(item.uri) > self.mod.max_contact_len or len(item.params.get("received", "")) > MAX_RECEIVED:
                raise Refused(CONTACT_LENGTH)

    def _want(self, uri: str, params_text: str, default: int | None, readable: bool) -> None:
        """One Contact of the request."""
        mod = self.mod
        params = _params(params_text) if params_text else {}
        item = Wanted(uri, params)
        item.readable = readable
        item.lifetime = self.granted(params.get("expires"), default)
        if item.lifetime and "methods" in params and read_methods(params["methods"]) is None:
            item.fault = BAD_MESSAGE
        q = params.get("q")
        if not q:
            item.q = mod.default_q
        elif item.lifetime:
            try:
                item.q = parse_q(_plain_q(q))
            except SipParseError:
                item.fault = BAD_Q
        self.wanted.append(item)

    def granted(self, asked: str | None, default: int | None) -> int:
        """Lifetime in seconds: that of the Contact, else of the header, else the default, within the limits; 0 removes."""
        mod = self.mod
        lifetime = self.unlimited(asked, default)
        if lifetime == 0:
            return 0
        low, high = self.min_expires, self.max_expires
        lifetime = max(lifetime, low)
        if high:
            lifetime = min(lifetime, high)
        spread = mod.expires_max_deviation
        if spread:
            lifetime = max(lifetime + random.randint(-spread, spread), low, 1)
            if high:
                lifetime = min(lifetime, high)
        return min(lifetime, 0x7FFFFFFF - self.now)

    def unlimited(self, asked: str | None, default: int | None) -> int:
        """The same as the device says it."""
        if not asked:
            return int(self.mod.default_expires) if default is None else default
        return capped_number(asked, _MAX_NUMBER) if asked.isdecimal() and asked.isascii() else int(self.mod.default_expires)

    def judge(self) -> None:
        """What push notification says to each contact; nothing when the call names a matching mode."""
        rules = self.mod.push
        if rules is None or self.flags.match is not None:
            return
        for item in self.wanted:
            item.push, item.provider = rules.judge(item.uri, item.lifetime, self.msg)
        self.judged = True


def _params(text: str) -> dict[str, str]:
    """The parameters of a Contact by name in lower case, quotes around values removed; the last of a name counts.

    Raises Refused for "name=" without value and for nothing behind the last semicolon, as OpenSIPS does.
    """
    found: dict[str, str] = {}
    piece = ""
    for piece in split_params(text):
        name, equals, value = piece.partition("=")
        value = value.strip(BLANKS)
        if equals and not value:
            raise Refused(BAD_CONTACT)
        found[name.strip(BLANKS).lower()] = unquote(value)
    if not piece.strip(BLANKS):
        raise Refused(BAD_CONTACT)
    return found


def _plain_q(text: str) -> str:
    """A q value as RFC 3261 spells it: blanks and zeros in front, and a lone point, are fine with OpenSIPS."""
    text = text.lstrip(BLANKS)
    while text[:1] == "0" and text[1:2].isdigit():
        text = text[1:]
    return "0" if text == "." else text
