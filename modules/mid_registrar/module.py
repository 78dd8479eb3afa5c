"""mid_registrar_save(), mid_registrar_lookup(), the parameters, and the answers of the registrar behind."""

from __future__ import annotations

import re
from typing import Any, Final

from engine.errors import SipParseError
from engine.module import REQUEST, ConfigError, Context, Static, function, modparam, needs
from engine.sip.names import reason_phrase
from engine.sip.uri import SipUri
from modules.mid_registrar.keys import BY_AOR, BY_CONTACT, CONTACT, CSEQ
from modules.mid_registrar.lookup import MidLookup
from modules.mid_registrar.registration import MidRegistration
from modules.mid_registrar.removal import Removals
from modules.mid_registrar.upstream import note_origin, read_answer, rewrite
from modules.shared.reg.base import avp_name
from modules.shared.reg.functions import PushFunctions
from modules.shared.reg.lookup import ERROR
from modules.shared.reg.refusals import NOT_IMPLEMENTED, Refusal, Refused
from modules.tm.api import RESPONSE_IN, Tm
from modules.usrloc.api import Udomain

FORWARD: Final = 1
ABSORBED: Final = 2
REPEATED: Final = 0
REFUSED: Final = -1

_PARAM_NAME = re.compile(r"[A-Za-z0-9\-_.!~*'()\[\]/:&+$%]+\Z")
_USER_PART = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})+\Z")
_MAX_ID_DIGITS: Final = 20


def param_name(text: str) -> str:
    """Parser of contact_id_param: the name of a URI parameter."""
    if not _PARAM_NAME.match(text):
        raise ValueError(f"must be the name of a URI parameter, not {text!r}")
    return text.lower()


def user_part(text: str) -> str:
    """Parser of at_escape_str: something that may stand in the user part of a URI."""
    if not _USER_PART.match(text):
        raise ValueError(f"must be possible in the user part of a URI, {text!r} is not")
    return text


class MidRegistrar(PushFunctions):
    """The module."""

    tm: Tm = needs("tm")

    mode = modparam(
        int, 0, choices=(0, 1, 2), help="0: every REGISTER goes on, 1: contacts are refreshed here, 2: users are, as one contact",
    )
    min_expires = modparam(int, 10, min=0, help="least lifetime granted, 0: no limit")
    max_expires = modparam(int, 3600, min=0, help="longest lifetime granted, 0: no limit")
    outgoing_expires = modparam(int, 3600, min=1, help="lifetime asked for at the registrar behind in modes 1 and 2, seconds")
    contact_id_insertion = modparam(
        str, "ct-param", help="where modes 0 and 1 put the contact id: ct-param, a parameter, or ct-user, the user part",
    )
    contact_id_param = modparam(str, "ctid", parse=param_name, help="name of that parameter")
    at_escape_str = modparam(
        str, "%40", parse=user_part, help="stands for the @ of an AoR in the user part of its contact (mode 2, use_domain)",
    )
    extra_contact_params_avp = modparam(
        str, None, parse=avp_name, help="AVP with URI parameters to be appended to the contacts the registrar behind is shown",
    )
    forward_new_devices = modparam(
        int, 0, choices=(0, 1),
        help="1: mode 2 lets the registrar behind see (and authenticate) a device it has not seen (not in OpenSIPS)",
    )

    def mod_init(self) -> None:
        super().mod_init()
        if not self.usrloc.in_memory:
            raise ConfigError("mid_registrar keeps its bindings in memory: the working mode sql-only of usrloc cannot be used")
        insertion = self.contact_id_insertion.lower()
        self.id_in_user = insertion.startswith("ct-user")
        if not self.id_in_user and not insertion.startswith("ct-param"):
            self.log.warning("contact_id_insertion %r is neither ct-param nor ct-user, taken as ct-param", insertion)
        self.tables: set[str] = set()
        """Tables that belong to this module: others are the registrar's."""
        self.removals = Removals(self)
        self.tm.register(RESPONSE_IN, self._on_response)

    def table(self, name: str) -> Udomain:
        """The table of that name; it comes into being by being named."""
        self.tables.add(name)
        return super().table(name)

    def out_lifetime(self, value: int) -> int:
        """Argument outgoing_expires of mid_registrar_save()."""
        if value <= 0:
            self.log.error("outgoing_expires %d makes no sense, %d is taken", value, self.outgoing_expires)
            return int(self.outgoing_expires)
        return value

    # ---- REGISTER ----

    @function(REQUEST, domain="table", flags="save_flags", outgoing_expires="out_lifetime")
    def mid_registrar_save(
        self, ctx: Context, domain: Static[str], flags: str | None = None, aor: str | None = None,
        outgoing_expires: int | None = None, ownership_tag: str | None = None,
    ) -> int:
        """Take a REGISTER: answer it here, or make it ready for the registrar behind.

        domain: the table. flags: as of save(). aor: URI to be used instead of To. outgoing_expires: seconds, instead of the
        parameter. ownership_tag: for clusters, kept out of single servers. 1: send it on (set $du, t_relay), 2: absorbed,
        answered here, 0: a repeat of a request under way, the script ends, -1: refused, answered here.
        """
        msg: Any = ctx.msg
        registration = MidRegistration(
            self, ctx, msg, domain, flags,  # type: ignore[arg-type]
            self.outgoing_expires if outgoing_expires is None else outgoing_expires,
        )
        try:
            if msg.method != "REGISTER":
                raise Refused(NOT_IMPLEMENTED)
            registration.read(aor)
            if registration.star:
                return self._forward(registration)
            registration.judge()
            if registration.wanted:
                plan, victims = registration.prepare()
                if registration.must_go(plan):
                    return self._forward(registration)
                registration.apply(plan, victims)
            else:
                registration.store()
        except Refused as refused:
            return self._refuse(registration, refused.refusal)
        self.usrloc.settle()
        self._answer(registration, None)
        return ABSORBED

    def _refuse(self, registration: MidRegistration, refusal: Refusal) -> int:
        registration.listed = False
        self._answer(registration, refusal)
        return REFUSED

    def _answer(self, registration: MidRegistration, refusal: Refusal | None) -> None:
        if registration.flags.no_reply:
            return
        status = 200 if refusal is None else refusal.status
        if self.signaling.reply(registration.ctx, status, reason_phrase(status), registration.answer(refusal)) < 0:
            self.log.error("failed to send the %d reply", status)

    def _forward(self, registration: MidRegistration) -> int:
        """Keep the registration with its transaction, to be carried out with the 2xx, and rewrite the request."""
        ctx = registration.ctx
        transaction = ctx.transaction
        if transaction is None:
            code = self.tm.t_newtran(ctx)
            if code == 0:
                self.log.info("absorbing a repeated REGISTER, use t_check_trans() earlier")
                return REPEATED
            transaction = ctx.transaction
            if transaction is None:
                self.log.error("error %d while creating the REGISTER transaction", code)
                return REFUSED
        if self.name in transaction.slots:
            self.log.error("mid_registrar_save() has let this REGISTER through already")
            return REFUSED
        if not registration.star:
            rewrite(self, registration)
        transaction.slots[self.name] = registration
        return FORWARD

    # ---- its answer ----

    def _on_response(self, transaction: Any, ctx: Context) -> None:
        """A reply of the registrar behind: the first 2xx carries the registration out."""
        registration: MidRegistration | None = transaction.slots.get(self.name)
        msg: Any = ctx.msg
        if registration is None or registration.confirmed or not 200 <= msg.status_code < 300:
            return
        registration.confirmed = True
        if registration.star:
            registration.store()
            self.usrloc.settle()
            return
        try:
            believed = read_answer(self, registration, msg)
        except SipParseError as error:
            self.log.error("the Contacts of a %d to REGISTER cannot be read: %s", msg.status_code, error)
            return
        if not believed:
            self.log.error("a %d to REGISTER does not list the contacts it is for (Call-ID %s)", msg.status_code, msg.call_id)
            return
        note_origin(registration, ctx.branch)
        try:
            with self.removals.accepted(registration):
                registration.carry_out()
        except Refused as refused:
            self.log.error("the bindings of a REGISTER cannot be stored: %s", refused)
            return
        if self.mode == BY_AOR:
            registration.keep_record(bool(registration.shown[0]))
        for item in registration.turned_away:
            self.log.error("no room for <%s> of AOR <%s> any more", item.uri, registration.aor)
            if self.mode == BY_CONTACT and item.lifetime:
                shown = registration.shown[registration.order.index(item)]
                self.removals.send({**registration.origin, CONTACT: shown, CSEQ: registration.cseq})
        self.usrloc.settle()
        self._show(registration, ctx)

    def _show(self, registration: MidRegistration, ctx: Context) -> None:
        """The reply lists the bindings here, with what is promised about push, instead of those behind."""
        msg: Any = ctx.msg
        edits = ctx.new_edits()
        ours = ("contact",) if self.mode == BY_AOR else ("contact", "expires")
        for at, name in enumerate(msg.names):
            if name in ours:
                edits.remove_header(msg, at)
        lines = registration.answer(None)
        if lines:
            edits.insert(msg.headers_end, lines)

    # ---- calls ----

    @function(REQUEST, domain="table", flags="lookup_flags")
    def mid_registrar_lookup(
        self, ctx: Context, domain: Static[str], flags: str | None = None, aor: str | None = None,
    ) -> int:
        """Put the devices a call from the registrar behind is meant for into Request-URI and branches; wake those that sleep.

        aor: URI to be looked up instead of the Request-URI. Modes 0 and 1 call the one contact whose id the URI carries, mode 2
        all contacts of the AoR in its user part. 1 found, 2 nothing to call yet, devices are being woken (do not relay), 0 a
        repeat of a request that waits (the script ends), -1 no contact, -2 none takes the method (with method-filtering), -3
        error.
        """
        uri = aor if aor is not None else ctx.ruri
        if uri is None or ctx.msg.call_id is None:
            self.log.error("nothing to look up, or a message without Call-ID")
            return ERROR
        return MidLookup(self, ctx, domain, flags).run(uri)  # type: ignore[arg-type]

    def contact_id_of(self, uri: SipUri) -> int | None:
        """The contact id that a URI of ours carries, None without one."""
        text = (uri.user if self.id_in_user else uri.param(self.contact_id_param)) or ""
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_ID_DIGITS else None
