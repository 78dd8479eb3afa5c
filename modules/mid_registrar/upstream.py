"""The two messages between this server and the registrar behind: the REGISTER with our contacts, and what its 2xx says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import SipParseError
from engine.module import Context
from engine.sip.headers import STAR, ContactValue
from engine.sip.uri import SipUri, escape_user, parse_uri, try_uri, unescape
from modules.mid_registrar.keys import BY_AOR, CALL_ID, FROM, NEXT_HOP, RURI, TO

if TYPE_CHECKING:
    from modules.mid_registrar.module import MidRegistrar
    from modules.mid_registrar.registration import MidRegistration


class ContactText:
    """Our contact, written when the request leaves: it names the socket that sends it."""

    __slots__ = ("registration", "user", "params", "tail", "extra_avp")

    def __init__(self, registration: MidRegistration, user: str, params: str, tail: str, extra_avp: str | None) -> None:
        self.registration = registration
        self.user = user
        self.params = params
        self.tail = tail
        self.extra_avp = extra_avp

    def __call__(self, ctx: Context, socket: Any) -> str:
        registration = self.registration
        registration.place = socket.uri_for(ctx.advertised_address, ctx.advertised_port)
        extra = registration.mod.newest(ctx.avps, self.extra_avp)
        at = "@" if self.user else ""
        return f"<sip:{self.user}{at}{registration.place}{self.params}{extra}>{self.tail}"


def escape_aor(aor: str, at: str, use_domain: bool) -> str:
    """An AoR as the user part of a URI. at: what stands for the @ between user and domain."""
    if not use_domain:
        return escape_user(aor)
    user, sign, domain = aor.rpartition("@")
    return f"{escape_user(user)}{at}{escape_user(domain)}" if sign else escape_user(aor)


def read_aor(user: str, at: str, use_domain: bool) -> str:
    """The AoR in the user part of one of our contacts."""
    aor = unescape(user)
    return aor.replace(at, "@", 1) if use_domain else aor


def rewrite(mod: MidRegistrar, registration: MidRegistration) -> None:
    """Have the request leave with contacts of ours in place of the device's, with our lifetime and without Path."""
    ctx: Context = registration.ctx
    msg: Any = registration.msg
    edits = ctx.new_edits()
    for at in msg.positions("path"):
        edits.remove_header(msg, at)
    values: list[ContactValue] = msg.contacts
    lifetimes = [registration.asked(item) for item in registration.wanted]
    registration.order = list(registration.wanted)
    extra = mod.extra_contact_params_avp
    texts: list[ContactText]
    if registration.mode == BY_AOR:
        edits.remove_values(msg, [*values], list(range(1, len(values))))
        tail = "" if "expires" in msg.names else f";expires={max(lifetimes)}"
        user = escape_aor(registration.aor, mod.at_escape_str, bool(mod.usrloc.use_domain))
        texts = [ContactText(registration, user, "", tail, extra)]
    else:
        texts = []
        domain = registration.domain
        for item, lifetime in zip(registration.wanted, lifetimes, strict=True):
            number = item.contact_id or domain.new_contact_id(registration.aor)
            registration.ids.append(number)
            tail = f";expires={lifetime}"
            if mod.id_in_user:
                texts.append(ContactText(registration, str(number), "", tail, extra))
            else:
                uri = try_uri(item.uri)
                user = (uri.user or "") if uri is not None and uri.host else ""
                texts.append(ContactText(registration, user, f";{mod.contact_id_param}={number}", tail, extra))
    for value, text in zip(values, texts, strict=False):
        edits.remove(value.start, value.end)
        edits.insert_late(value.start, text)
    if mod.mode and "expires" in msg.names:
        at = msg.names.index("expires")
        # It is all that mode 2 sends; in mode 1 it takes the first lifetime that differs from what the device was given.
        news = [max(lifetimes)] if registration.mode == BY_AOR else [
            lifetime for item, lifetime in zip(registration.wanted, lifetimes, strict=True) if item.lifetime != lifetime
        ]
        if news and msg.value(at) != str(news[0]):
            start = msg.value_start(at)
            edits.replace(start, start + len(msg.raw_value(at)), f" {news[0]}")
    if registration.judged and mod.push is not None:
        lines = mod.push.indication(registration.wanted, msg)
        if lines:
            edits.insert(msg.headers_end, lines)


def note_origin(registration: MidRegistration, branch: Any) -> None:
    """Keep how the registration behind can be ended: the request that was accepted there. branch: tm's, the one answered."""
    msg: Any = registration.msg
    pairs: dict[str, Any] = {
        FROM: msg.from_.uri, TO: msg.to.uri, RURI: branch.uri, CALL_ID: registration.call_id,
    }
    if branch.dst_uri:
        pairs[NEXT_HOP] = branch.dst_uri
    registration.origin = pairs


def read_answer(mod: MidRegistrar, registration: MidRegistration, msg: Any) -> bool:
    """Take over from a 2xx what the registrar behind has granted; lifetimes of the request become no longer than that.

    False when it does not list what it was asked to register: nothing is to be believed then (modes 0 and 1). In mode 2 our
    contact missing means that it is gone there, for all devices. Raises SipParseError.
    """
    values: list[ContactValue] = [value for value in msg.contacts if value is not STAR]
    header = msg.header("expires")
    if registration.mode == BY_AOR:
        value = _of_aor(mod, registration, values)
        granted = 0 if value is None else _lifetime(mod, value, header)
        registration.given = [granted] * len(registration.order)
        registration.shown = [value.uri if value is not None else ""] * len(registration.order)
    else:
        listed: dict[int, ContactValue] = {}
        for value in values:
            uri = try_uri(value.uri)
            found = mod.contact_id_of(uri) if uri is not None else None
            if found is not None:
                listed.setdefault(found, value)
        for item, number in zip(registration.order, registration.ids, strict=True):
            if item.lifetime and number not in listed:
                return False
        registration.given = [
            _lifetime(mod, listed[number], header) if number in listed else 0 for number in registration.ids
        ]
        registration.shown = [listed[number].uri if number in listed else "" for number in registration.ids]
    for item, granted in zip(registration.order, registration.given, strict=True):
        item.lifetime = min(item.lifetime, granted)
    return True


def _of_aor(mod: MidRegistrar, registration: MidRegistration, values: list[ContactValue]) -> ContactValue | None:
    """Our contact in mode 2: by user part and place; by user part alone when something on the way has changed the place."""
    use_domain = bool(mod.usrloc.use_domain)
    same: ContactValue | None = None
    for value in values:
        try:
            uri: SipUri = parse_uri(value.uri)
        except SipParseError:
            continue
        if read_aor(uri.user or "", mod.at_escape_str, use_domain) != registration.aor:
            continue
        if uri.hostport.lower() == registration.place.lower():
            return value
        same = same or value
    return same


def _lifetime(mod: MidRegistrar, value: ContactValue, header: str | None) -> int:
    """Seconds a contact of the 2xx was given."""
    text = value.expires or header or ""
    return int(text) if text.isascii() and text.isdecimal() else int(mod.default_expires)
