"""Headers: $hdr and its kin, From and To, Contact, and the identities."""

from __future__ import annotations

from typing import Any

from engine.errors import SipParseError
from engine.module import Module, pvar
from engine.script.context import Context
from engine.script.faults import note_fault
from engine.script.values import Value
from engine.script.variables.common import one_of, pick
from engine.sip.grammar import find_param
from engine.sip.headers import STAR, ContactValue, NameAddr, parse_contacts, parse_nameaddr, parse_nameaddr_list
from engine.sip.names import canonical
from engine.sip.uri import SipUri, parse_uri


# A header name in a variable: empty ones are refused at load.
def _header_name(text: str) -> str:
    name = canonical(text.strip())
    if not name:
        raise ValueError("the name of a header is empty")
    return name


class HeaderVariables(Module):
    """$hdr, $hdrcnt, $hdr_name, $ct."""

    @pvar("hdr", parse_name=_header_name)
    def hdr(self, ctx: Context, name: str, index: Any) -> Value:
        """$hdr(N): value of the first header of a name, [i] of the i-th, [*] all joined. Not split at commas."""
        msg = ctx.msg
        if index is None:
            return msg.header(name)
        return pick(ctx, msg.header_values(name), index)

    @pvar("hdrcnt", parse_name=_header_name)
    def hdrcnt(self, ctx: Context, name: str) -> Value:
        """How many headers of a name there are."""
        return ctx.msg.names.count(name)

    @pvar("hdr_name")
    def hdr_name(self, ctx: Context, index: Any) -> Value:
        """Name of the i-th header as written, [*] all joined."""
        msg = ctx.msg
        return pick(ctx, [msg.name_as_written(at) for at in range(len(msg.names))], index)

    @pvar("ct")
    def contact(self, ctx: Context, index: Any) -> Value:
        """The i-th Contact over all Contact headers, as written."""
        if index is None and "contact" not in ctx.msg.names:
            return None
        values = _contacts(ctx)
        if isinstance(index, int) and index < 0 and values and values[0][1] is STAR:
            return None  # a star is no list: it cannot be counted from its end
        return pick(ctx, [text for text, _ in values], index)

    @pvar("ct.fields", parse_name=one_of("name", "uri", "q", "expires", "methods", "received", "params"))
    def contact_field(self, ctx: Context, name: str, index: Any) -> Value:
        """A field of the i-th Contact: name, uri, q, expires, methods, received, params."""
        return pick(ctx, [_contact_field(item, name) for _, item in _contacts(ctx)], index)

    @pvar("ua")
    def user_agent(self, ctx: Context) -> Value:
        """User-Agent."""
        return ctx.msg.header("user-agent") or None


def _contacts(ctx: Context) -> list[tuple[str, ContactValue]]:
    """Every Contact as written and parsed."""
    msg = ctx.msg
    found: list[tuple[str, ContactValue]] = []
    try:
        for at in msg.positions("contact"):
            text = msg.value(at)
            for item in parse_contacts(text):
                found.append(("*" if item is STAR else text[item.start:item.end], item))
    except SipParseError as error:
        note_fault(ctx, "Contact", error)
        return []
    return found


def _contact_field(item: ContactValue, name: str) -> Value:
    if item is STAR:
        return None
    if name == "name":
        return item.display or None
    if name == "uri":
        return item.uri
    if name == "params":
        return item.params or None
    return find_param(item.params, name) or None


class AddressVariables(Module):
    """$fu ... and $tu ...: the parts of From and To."""

    @pvar("fu", "from")
    def from_uri(self, ctx: Context) -> Value:
        """URI of From."""
        address = _from(ctx)
        return None if address is None else address.uri

    @pvar("fU", "from.user")
    def from_user(self, ctx: Context) -> Value:
        """User of From."""
        uri = _uri_of(ctx, _from(ctx), "From uri")
        return None if uri is None else uri.user or None

    @pvar("fd", "from.domain")
    def from_domain(self, ctx: Context) -> Value:
        """Host of From."""
        uri = _uri_of(ctx, _from(ctx), "From uri")
        return None if uri is None else uri.host or None

    @pvar("fn")
    def from_name(self, ctx: Context) -> Value:
        """Display name of From, with its quotes."""
        address = _from(ctx)
        return None if address is None else address.display or None

    @pvar("ft")
    def from_tag(self, ctx: Context) -> Value:
        """Tag of From."""
        address = _from(ctx)
        return None if address is None else address.tag or None

    @pvar("tu", "to")
    def to_uri(self, ctx: Context) -> Value:
        """URI of To."""
        address = _to(ctx)
        return None if address is None else address.uri

    @pvar("tU", "to.user")
    def to_user(self, ctx: Context) -> Value:
        """User of To."""
        uri = _uri_of(ctx, _to(ctx), "To uri")
        return None if uri is None else uri.user or None

    @pvar("td", "to.domain")
    def to_domain(self, ctx: Context) -> Value:
        """Host of To."""
        uri = _uri_of(ctx, _to(ctx), "To uri")
        return None if uri is None else uri.host or None

    @pvar("tn")
    def to_name(self, ctx: Context) -> Value:
        """Display name of To, with its quotes."""
        address = _to(ctx)
        return None if address is None else address.display or None

    @pvar("tt")
    def to_tag(self, ctx: Context) -> Value:
        """Tag of To."""
        address = _to(ctx)
        return None if address is None else address.tag or None


def _from(ctx: Context) -> NameAddr | None:
    try:
        return ctx.msg.from_
    except SipParseError as error:
        note_fault(ctx, "From", error)
        return None


def _to(ctx: Context) -> NameAddr | None:
    try:
        return ctx.msg.to
    except SipParseError as error:
        note_fault(ctx, "To", error)
        return None


def _uri_of(ctx: Context, address: NameAddr | None, part: str) -> SipUri | None:
    if address is None:
        return None
    try:
        return parse_uri(address.uri)
    except SipParseError as error:
        note_fault(ctx, part, error)
        return None


class IdentityVariables(Module):
    """Refer-To, Remote-Party-ID, P-Asserted-Identity, P-Preferred-Identity, Diversion."""

    @pvar("rt")
    def refer_to(self, ctx: Context) -> Value:
        """URI of Refer-To."""
        return _address_uri(ctx, "refer-to", "REFER-TO")

    @pvar("re")
    def remote_party(self, ctx: Context) -> Value:
        """URI of Remote-Party-ID."""
        return _address_uri(ctx, "remote-party-id", "RPID")

    @pvar("ai")
    def asserted(self, ctx: Context) -> Value:
        """URI of P-Asserted-Identity."""
        return _address_uri(ctx, "p-asserted-identity", "PAI")

    @pvar("pu")
    def preferred(self, ctx: Context) -> Value:
        """URI of P-Preferred-Identity."""
        return _address_uri(ctx, "p-preferred-identity", "PPI")

    @pvar("pU")
    def preferred_user(self, ctx: Context) -> Value:
        """Its user."""
        uri = _uri_of(ctx, _address(ctx, "p-preferred-identity", "PPI"), "P-P-I URI")
        return None if uri is None else uri.user or None

    @pvar("pd")
    def preferred_domain(self, ctx: Context) -> Value:
        """Its host."""
        uri = _uri_of(ctx, _address(ctx, "p-preferred-identity", "PPI"), "P-P-I URI")
        return None if uri is None else uri.host or None

    @pvar("pn")
    def preferred_name(self, ctx: Context) -> Value:
        """Its display name, with quotes."""
        address = _address(ctx, "p-preferred-identity", "PPI")
        return None if address is None else address.display or None

    @pvar("di")
    def diversion(self, ctx: Context) -> Value:
        """URI of Diversion."""
        return _address_uri(ctx, "diversion", "DIVERSION")

    @pvar("dir")
    def diversion_reason(self, ctx: Context) -> Value:
        """Its reason."""
        address = _address(ctx, "diversion", "DIVERSION")
        return None if address is None else address.param("reason")

    @pvar("dip")
    def diversion_privacy(self, ctx: Context) -> Value:
        """Its privacy."""
        address = _address(ctx, "diversion", "DIVERSION")
        return None if address is None else address.param("privacy")


def _address(ctx: Context, name: str, part: str) -> NameAddr | None:
    """The first address of a header."""
    value = ctx.msg.header(name)
    if not value:
        return None
    try:
        return parse_nameaddr_list(value)[0]
    except SipParseError:
        pass
    try:
        return parse_nameaddr(value)
    except SipParseError as error:
        note_fault(ctx, part, error)
        return None


def _address_uri(ctx: Context, name: str, part: str) -> Value:
    address = _address(ctx, name, part)
    return None if address is None else address.uri
