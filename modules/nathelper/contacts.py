"""Contact rewritten: fix_nated_contact() and add_rcv_param(), as edits of the received text."""

from __future__ import annotations

from engine.module import Context
from engine.sip.edits import Edits
from engine.sip.headers import STAR, ContactValue
from engine.sip.uri import SipUri
from engine.transport.address import bracketed
from modules.nathelper.addresses import source_uri
from modules.nathelper.checks import contact_uris


class TwiceFixed(Exception):
    """The Contact has been given a new URI before."""


class _Earlier:
    """What was done to the message before: looked through once, as a Contact may have thousands of values."""

    __slots__ = ("removed", "replaced")

    def __init__(self, edits: Edits | None) -> None:
        changes = edits.changes if edits is not None else []
        self.removed = [(start, end) for start, end, text in changes if start < end and not text]
        self.replaced = {start for start, end, text in changes if start < end and text}

    def has_removed(self, contact: ContactValue) -> bool:
        """Whether its header line is left out."""
        return any(start <= contact.uri_start and contact.uri_end <= end for start, end in self.removed)


def fixed(contact: ContactValue, uri: SipUri, place: str, params: str) -> str:
    """The URI with another host:port, new parameters in front of its own, and without maddr, which would go before the host."""
    text = contact.uri
    at = text.find("@") + 1 or text.find(":") + 1
    host_end = text.index(uri.host, at) + len(uri.host)
    rest = text[host_end:]
    if uri.port is not None:
        rest = rest[1:].lstrip("0123456789")
    if uri.maddr is not None:
        own, question, headers = rest.partition("?")
        kept = [piece for piece in own.split(";") if piece.partition("=")[0].lower() != "maddr"]
        rest = ";".join(kept) + question + headers
    made = f"{text[:at]}{place}{params}{rest}"
    return made if contact.bracketed or not params else f"<{made}>"


def fix_contacts(ctx: Context, params: str) -> None:
    """Have every Contact point to where the message came from. Raises TwiceFixed; SipParseError for one that is no SIP URI (those
    in front of it are done)."""
    msg = ctx.msg
    earlier = _Earlier(ctx.edits)
    place = f"{bracketed(ctx.src_ip)}:{ctx.src_port}"
    for contact, uri in contact_uris(msg):
        if contact.uri_start in earlier.replaced:
            raise TwiceFixed
        if not earlier.has_removed(contact):
            ctx.new_edits().replace(contact.uri_start, contact.uri_end, fixed(contact, uri, place, params))


def add_received(ctx: Context, in_uri: bool) -> None:
    """Give every Contact a parameter `received` with the source of the message. Raises SipParseError: Contact is broken."""
    msg = ctx.msg
    if "contact" not in msg.names:
        return
    earlier = _Earlier(ctx.edits)
    param = f';received="{source_uri(ctx.src_ip, ctx.src_port, ctx.proto)}"'
    for contact in msg.contacts:
        if contact is STAR:
            continue
        if not earlier.has_removed(contact):
            ctx.new_edits().insert(contact.uri_end if in_uri else contact.end, param)
