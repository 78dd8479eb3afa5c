"""The tests of nat_uac_test(): what in a message gives away that its sender sits behind NAT.

They are tried from the cheap ones (numbers) to those that read Contact and SDP. A Contact that is no SIP URI ends the walk over
the contacts, as in OpenSIPS; a host name differs from every address, as no DNS is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.errors import SipParseError
from engine.sip.headers import STAR, ContactValue
from engine.sip.message import Message
from engine.sip.uri import SipUri
from engine.transport.address import DEFAULT_PORTS
from modules.nathelper.addresses import is_address, is_private
from modules.nathelper.flags import FlagSet
from modules.nathelper.sdp import media_addresses

PRIVATE_CONTACT: Final = 1
DIFF_IP_VIA: Final = 2
PRIVATE_VIA: Final = 4
PRIVATE_SDP: Final = 8
DIFF_PORT_VIA: Final = 16
DIFF_IP_CONTACT: Final = 32
DIFF_PORT_CONTACT: Final = 64
CARRIER: Final = 128

TESTS: Final = FlagSet("nat_uac_test", (
    "private-contact", "diff-ip-src-via", "private-via", "private-sdp", "diff-port-src-via", "diff-ip-src-contact",
    "diff-port-src-contact", "carrier-grade-nat",
))

_CONTACT_TESTS: Final = PRIVATE_CONTACT | DIFF_IP_CONTACT | DIFF_PORT_CONTACT


def contact_uris(msg: Message) -> Iterator[tuple[ContactValue, SipUri]]:
    """The contacts of a message with their URIs, up to the first one without a host. Raises SipParseError: not readable."""
    if "contact" not in msg.names:
        return
    for contact in msg.contacts:
        if contact is STAR:
            continue
        uri = contact.parsed_uri
        if not uri.host:
            raise SipParseError("a Contact without a host", part="Contact")
        yield contact, uri


def is_natted(msg: Message, tests: int, src_ip: str, src_port: int) -> bool:
    """Whether one of the tests holds for a message from that address. Raises SipParseError: something it reads is broken."""
    via = msg.via
    if tests & DIFF_PORT_VIA and src_port != (via.port or DEFAULT_PORTS["udp"]):
        return True
    if tests & DIFF_IP_VIA and (via.received is not None or not is_address(via.maddr or via.host, src_ip)):
        return True
    carrier = bool(tests & CARRIER)
    if tests & PRIVATE_VIA and is_private(via.host, carrier):
        return True
    if tests & _CONTACT_TESTS:
        for _, uri in contact_uris(msg):
            if tests & PRIVATE_CONTACT and is_private(uri.host, carrier):
                return True
            if tests & DIFF_IP_CONTACT and not is_address(uri.host, src_ip):
                return True
            if tests & DIFF_PORT_CONTACT and src_port != uri.port_or_default:
                return True
    return bool(tests & PRIVATE_SDP) and _private_sdp(msg, carrier)


def _private_sdp(msg: Message, carrier: bool) -> bool:
    """The first connection address of each SDP decides; one that is null or IPv6 answers for all."""
    found = False
    for first in media_addresses(msg):
        if first is None or first.family != "4" or first.is_null:
            return False
        found = found or is_private(first.text, carrier)
    return found
