"""Contact rewritten: fix_nated_contact() and add_rcv_param(), as edits of the received text."""

from __future__ import annotations

from engine.errors import SipParseError
from engine.module import Context
from engine.sip.edits import Edits
from engine.sip.headers import STAR, ContactValue
from engine.sip.uri import SipUri
from engine.transport.address import bracketed
from modules.nathelper.addresses import source_uri
from modules.nathelper.checks import contact_uris


class TwiceFixed(Exception):
    """The Contact has been given a new URI before."""


def _rewritten(edits: Edits, contact: ContactValue) -> bool:
    """Whether the URI of a contact was replaced by an earlier call."""
    return any(
        start < contact.uri_end and contact.uri_start < end and text for start, end, text in edits.changes
    )


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
    edits = ctx.edits
    place = f"{bracketed(ctx.src_ip)}:{ctx.src_port}"
    for contact, uri in contact_uris(msg):
        if edits is None:
            edits = ctx.new_edits()
        if _rewritten(edits, contact):
            raise TwiceFixed
        if not edits.is_removed(contact.uri_start, contact.uri_end):
            edits.replace(contact.uri_start, contact.uri_end, fixed(contact, uri, place, params))


def add_received(ctx: Context, in_uri: bool) -> None:
    """Give every Contact a parameter `received` with the source of the message. Raises SipParseError: Contact is broken."""
    msg = ctx.msg
    if "contact" not in msg.names:
        return
    param = f';received="{source_uri(ctx.src_ip, ctx.src_port, ctx.proto)}"'
    for contact in msg.contacts:
        if contact is STAR:
            continue
        place = contact.uri_end if in_uri else contact.end
        edits = ctx.new_edits()
        if not edits.is_removed(contact.start, contact.end):
            edits.insert(place, param)


__all__ = ["SipParseError", "TwiceFixed", "add_received", "fix_contacts", "fixed"]
