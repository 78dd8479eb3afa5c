"""Push notification in a REGISTER, RFC 8599: what its Contact asks for and what the answer promises.

Each Contact is judged by itself. A pn-provider without value asks for all providers, one with a known value and nothing else
asks for that one; with all the match parameters it is a device that sleeps and wants to be woken from here: its contact gets
the flag FL_PN_ON, is found again by the match parameters alone, and the answer carries a Feature-Caps line. When a proxy
nearer to the device said in a Feature-Caps of its own that it serves the provider, this server keeps out of it.

A PURR (proxy unique registration reference) is the contact id in hexadecimal, cut 3.5.8 by dots. With pn_purr_secret the id
is encrypted first (a small Feistel cipher over its 64 bits), so that nobody can make one up or tell a neighbour's. With
pn_purr_lifetime it becomes another one from time to time (RFC 8599 6.2.1): the number of the period is part of the key, and
calls that began with a PURR of one of the two periods before go on with it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from engine.errors import SipParseError
from engine.module import ConfigError
from engine.sip.grammar import split_commas
from engine.sip.uri import SipUri, parse_uri, without_params
from modules.shared.reg.refusals import BAD_CONTACT, PUSH_UNSUPPORTED, TOO_BRIEF, Refused
from modules.usrloc.api import FL_PN_ON

if TYPE_CHECKING:
    from engine.sip.message import Message
    from modules.shared.reg.base import RegBase

NONE: Final = 0
"""An ordinary contact."""
LIST_ALL: Final = 1
"""Asks for all providers; an ordinary contact otherwise."""
LIST_ONE: Final = 2
"""Asks for one provider; an ordinary contact otherwise."""
ON: Final = 3
"""To be woken from here."""
UPSTREAM: Final = 4
"""Matched by its pn- parameters, woken by somebody else or not at all."""
REMOVE: Final = 5
"""Takes its push binding back without naming the token."""

MAX_PROVIDERS: Final = 4
MAX_NAME: Final = 40
RFC_PARAMS: Final = ("pn-provider", "pn-prid", "pn-param")
_NOBODY: Final[frozenset[str]] = frozenset()
_PURR: Final = re.compile(r"([0-9a-f]{3})\.([0-9a-f]{5})\.([0-9a-f]{8})\Z", re.IGNORECASE)
_PERIODS: Final = 3
"""A PURR is good in its period and those behind it, so many together."""
_PNS: Final = re.compile(r"\+sip\.pns[ \t]*=[ \t]*\"([^\"]+)\"", re.IGNORECASE)


class Provider:
    """One push service as configured. match: names of the URI parameters that tell its contacts apart."""

    __slots__ = ("name", "match", "removed", "query", "promise")

    def __init__(self, name: str, match: tuple[str, ...], interval: int, star: bool) -> None:
        self.name = name
        self.match = match
        self.removed = frozenset(match + RFC_PARAMS)
        """What is cut from the Request-URI of a call."""
        self.query = f'Feature-Caps: {"*;" if star else ""}+sip.pns="{name}"'
        """Answer to a query."""
        self.promise = f'{self.query};+sip.pnsreg="{interval}"'
        """Answer to a device that will be woken."""


def _names(text: str | None, what: str) -> tuple[str, ...]:
    names = tuple(item.strip() for item in (text or "").split(",") if item.strip())
    for name in names:
        if len(name) > MAX_NAME:
            raise ConfigError(f"{what}: {name!r} is longer than {MAX_NAME} characters")
    return names


class Push:
    """The configured providers and the judgement by them."""

    def __init__(self, mod: RegBase) -> None:
        self.mod = mod
        names = _names(mod.pn_providers, "modparam pn_providers")
        if not names:
            raise ConfigError(f"modparam pn_enable of {mod.name} is set, but pn_providers names no provider")
        if len(names) > MAX_PROVIDERS:
            raise ConfigError(f"modparam pn_providers names {len(names)} providers, {MAX_PROVIDERS} are possible")
        self.match = tuple(name.lower() for name in _names(mod.pn_ct_match_params, "modparam pn_ct_match_params"))
        if not self.match:
            raise ConfigError("modparam pn_ct_match_params is empty: push contacts could not be told apart")
        self.removed = frozenset(self.match + RFC_PARAMS)
        own: dict[str, tuple[str, ...]] = {}
        for text in mod.pn_provider_match_params or ():
            provider, colon, params = text.partition(":")
            match = tuple(name.lower() for name in _names(params, "modparam pn_provider_match_params"))
            if not colon or provider.strip() not in names or not match:
                raise ConfigError(f"modparam pn_provider_match_params: {text!r} is not `provider: parameter, ...`")
            own[provider.strip()] = match
        self.providers: dict[str, Provider] = {
            name: Provider(name, own.get(name, self.match), mod.pn_pnsreg_interval, bool(mod.pn_feature_caps_star))
            for name in names
        }

    # ---- judging a Contact of a REGISTER ----

    @staticmethod
    def served(msg: Message) -> frozenset[str]:
        """Providers another proxy serves: the +sip.pns values in Feature-Caps of the request."""
        if "feature-caps" not in msg.names:
            return _NOBODY
        found = []
        for value in msg.header_values("feature-caps"):
            for item in split_commas(value):
                match = _PNS.search(item)
                if match is not None:
                    found.append(match[1])
        return frozenset(found)

    def judge(self, uri_text: str, lifetime: int, msg: Message) -> tuple[int, Provider | None]:
        """What a Contact URI asks for, and the provider it names if that is one of ours.

        lifetime: seconds it will be stored, 0 for a removal. Raises Refused: 555, 400 (pn-prid without value), 423.
        """
        try:
            uri = parse_uri(uri_text)
        except SipParseError:
            raise Refused(BAD_CONTACT) from None
        if not uri.params:
            return NONE, None
        params: dict[str, str | None] = {}
        key = ""
        for key, value in uri.param_list:
            params.setdefault(key.lower(), value)
        # Parameters that need a value: OpenSIPS cannot read a URI in which they have none.
        for wanted in ("pn-prid", "pn-param", "pn-purr"):
            if wanted in params and (params[wanted] is None or (not params[wanted] and wanted in ("pn-prid", key.lower()))):
                raise Refused(BAD_CONTACT)
        prid = params.get("pn-prid")
        if params.get("pn-param") == "":
            del params["pn-param"]
        name = params.get("pn-provider")
        if not name:
            return (LIST_ALL if "pn-provider" in params else NONE), None
        provider = self.providers.get(name)
        match = provider.match if provider is not None else self.match
        missing = [wanted for wanted in match if wanted not in params]
        if name in self.served(msg):
            return (NONE if missing else UPSTREAM), provider
        if provider is None:
            raise Refused(PUSH_UNSUPPORTED)
        # A parameter of one's own does not turn a query into a registration, unless only such are asked for.
        telling = [wanted for wanted in match if wanted in ("pn-prid", "pn-param")] \
            or [wanted for wanted in match if wanted != "pn-provider"]
        query = not any(wanted in params for wanted in telling)
        if prid is None and lifetime == 0 and "pn-prid" in match and (self.mod.pn_remove_without_prid or not query):
            # RFC 8599 4.1.2: this is how a device ends push notification. OpenSIPS 3.6 takes the bare form for a query.
            return REMOVE, provider
        if query:
            return LIST_ONE, provider
        if missing:
            raise Refused(PUSH_UNSUPPORTED)
        if 0 < lifetime <= self.mod.pn_trigger_interval and self.mod.pn_short_lifetime:
            if self.mod.pn_short_lifetime == 2:
                raise Refused(TOO_BRIEF)
            return UPSTREAM, provider
        return ON, provider

    # ---- the answer ----

    def feature_caps(self, wanted: list[Any], msg: Message) -> str:
        """The Feature-Caps lines of an answer, CRLF-terminated: one for each thing promised, in the order configured.

        wanted: the judged contacts (reading.Wanted); a PURR is told for a contact that is, or was, stored for it alone.
        """
        if all(item.push == NONE for item in wanted):
            return ""
        with_purr = self.mod.pn_enable_purr
        lines: list[str] = []
        for provider in self.providers.values():
            mine: list[str] = []
            asked = False
            for item in wanted:
                if item.push == ON:
                    if item.provider is provider:
                        line = provider.promise
                        if with_purr and item.contact_id:
                            line = f'{line};+sip.pnspurr="{self.purr(item.contact_id)}"'
                        if line not in mine:
                            mine.append(line)
                elif item.push == LIST_ONE:
                    asked = asked or item.provider is provider
                elif item.push == LIST_ALL:
                    asked = asked or provider.name not in self.served(msg)
            if not mine and asked:
                mine.append(provider.query)
            lines += mine
        return "".join([line + "\r\n" for line in lines])

    def indication(self, wanted: list[Any], msg: Message) -> str:
        """The Feature-Caps lines of the REGISTER that goes on to the registrar behind: what is served here, RFC 8599 5.6.1.1."""
        lines: list[str] = []
        for provider in self.providers.values():
            for item in wanted:
                if item.provider is provider and item.push in (ON, LIST_ONE) \
                        or item.push == LIST_ALL and provider.name not in self.served(msg):
                    lines.append(f"{provider.query}\r\n")
                    break
        return "".join(lines)

    # ---- stored contacts ----

    def is_sleeper(self, contact: Any) -> bool:
        """Whether a stored contact is to be woken before it is called: push is on and its URI is complete."""
        if not contact.flags & FL_PN_ON:
            return False
        try:
            uri = parse_uri(contact.contact)
        except SipParseError:
            return False
        return self.is_complete(uri)

    def is_complete(self, uri: SipUri) -> bool:
        """Whether a URI has all match parameters of its provider."""
        return all(uri.has_param(name) for name in self.match_of(uri))

    def match_of(self, uri: SipUri) -> tuple[str, ...]:
        """The match parameters of the provider a URI names."""
        provider = self.providers.get(uri.param("pn-provider") or "")
        return provider.match if provider is not None else self.match

    def is_awake(self, contact: Any, now: int) -> bool:
        """Whether a contact registered so short a time ago that it needs no push."""
        return int(contact.last_modified) + self.mod.pn_skip_pn_interval > now

    def trimmed(self, uri_text: str) -> str:
        """A Contact URI as a call is sent to it: without match parameters and those of the RFC."""
        try:
            uri = parse_uri(uri_text)
        except SipParseError:
            return uri_text
        provider = self.providers.get(uri.param("pn-provider") or "")
        return without_params(uri_text, provider.removed if provider is not None else self.removed)

    # ---- PURR ----

    def purr(self, contact_id: int) -> str:
        """The PURR of a contact, the one of this time."""
        secret = self.mod.pn_purr_secret
        digits = f"{seal(contact_id, secret, self._period()) if secret else contact_id:016x}"
        return f"{digits[:3]}.{digits[3:8]}.{digits[8:]}"

    def contact_ids(self, purr: str) -> list[int]:
        """The contact ids a PURR may mean, one for each period whose PURRs are good; [] when it has not our form."""
        match = _PURR.match(purr)
        if match is None:
            return []
        number = int("".join(match.groups()), 16)
        secret = self.mod.pn_purr_secret
        if not secret:
            return [number]
        period = self._period()
        return [unseal(number, secret, one) for one in range(period, max(-1, period - _PERIODS), -1)]

    def _period(self) -> int:
        """Number of the present period; 0 when PURRs stay as they are."""
        lifetime = self.mod.pn_purr_lifetime
        return int(self.mod.server.wall()) // lifetime if lifetime else 0


def _round(half: int, number: int, secret: str, period: int) -> int:
    key = secret.encode("latin-1", "replace")[:64]
    text = bytes((number,)) + half.to_bytes(4, "big")
    return int.from_bytes(hashlib.blake2b(text, digest_size=4, key=key, salt=period.to_bytes(8, "big")).digest(), "big")


def seal(number: int, secret: str, period: int = 0) -> int:
    """A 64-bit number encrypted to another one, a different one in each period."""
    left, right = number >> 32 & 0xFFFFFFFF, number & 0xFFFFFFFF
    for step in range(6):
        left, right = right, left ^ _round(right, step, secret, period)
    return left << 32 | right


def unseal(number: int, secret: str, period: int = 0) -> int:
    """The reverse of seal()."""
    left, right = number >> 32, number & 0xFFFFFFFF
    for step in range(5, -1, -1):
        left, right = right ^ _round(left, step, secret, period), left
    return left << 32 | right
