"""Which stored contact a REGISTER means: by URI, by URI and Call-ID, or by URI parameters (push notification)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.sip.uri import SipUri, same_uri, try_uri
from modules.usrloc.contact import Contact

CONTACT_ONLY: Final = 0
CONTACT_CALLID: Final = 1

Mode = int | str | tuple[str, ...]

# RFC 8599: absent is a value of its own for these, any other parameter matches when one side lacks it.
_PUSH: Final = frozenset(("pn-provider", "pn-prid", "pn-param"))


def find_contact(
    contacts: Sequence[Contact], uri: str, callid: str, mode: Mode, rules_31: bool = False,
) -> Contact | None:
    """The stored contact meant by a Contact URI, or None.

    mode: 0 equal URI (RFC 3261 19.1.4, pn- parameters strictly), 1 that and equal Call-ID, a text: that URI parameter is
    equal, a tuple: all those URI parameters are equal. rules_31: compare URIs as OpenSIPS 3.1, user part without case and pn-
    parameters like any other.
    """
    if mode == CONTACT_ONLY or mode == CONTACT_CALLID:
        return _by_uri(contacts, uri, callid if mode == CONTACT_CALLID else None, rules_31)
    names = (mode,) if isinstance(mode, str) else mode
    assert isinstance(names, tuple)
    return _by_params(contacts, uri, names)


def _by_uri(contacts: Sequence[Contact], uri: str, callid: str | None, rules_31: bool) -> Contact | None:
    # The same text, byte for byte, is what a refresh has nearly always.
    for contact in contacts:
        if contact.contact == uri and (callid is None or contact.callid == callid):
            return contact
    wanted: SipUri | None = None
    part, folded = "", False
    for contact in contacts:
        if callid is not None and contact.callid != callid:
            continue
        if wanted is None:
            wanted = try_uri(uri)
            if wanted is None:
                return None
            part = _distinctive(wanted)
            folded = part != part.upper()
        if part not in (contact.contact.lower() if folded else contact.contact) and "%" not in contact.contact:
            continue
        if same_uri(contact.contact, wanted, user_case=not rules_31, strict_pn=not rules_31):
            return contact
    return None


def _distinctive(uri: SipUri) -> str:
    """Lower-case text that every equal URI without escapes has in it: an AoR may have thousands of contacts, and reading all
    their URIs for each Contact of a REGISTER would let one device keep the server busy. "" when there is none."""
    if "%" in uri.text or uri.password is not None:
        return ""
    port = f":{uri.port}"
    return port if uri.port is not None and port in uri.text else uri.host.lower()


def _by_params(contacts: Sequence[Contact], uri: str, names: tuple[str, ...]) -> Contact | None:
    wanted = try_uri(uri)
    if wanted is None:
        return None
    values = [(name, wanted.param(name)) for name in map(str.lower, names)]
    for contact in contacts:
        stored = try_uri(contact.contact)
        if stored is not None and all(_equal(name, value, stored.param(name)) for name, value in values):
            return contact
    return None


def _equal(name: str, value: str | None, stored: str | None) -> bool:
    if value is None or stored is None:
        return value == stored or name not in _PUSH
    return value == stored
