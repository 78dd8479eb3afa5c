"""save() and lookup(), and what the module exports besides; the push notification functions are in modules/shared/reg."""

from __future__ import annotations

from engine.errors import DbError
from engine.module import FAILURE, ONREPLY, REQUEST, Context, Static, function, modparam, stat
from engine.sip.names import reason_phrase
from modules.registrar.queries import ROUTES, Queries
from modules.registrar.removal import Removal
from modules.registrar.reply import save_reply
from modules.shared.reg.base import avp_name
from modules.shared.reg.functions import PushFunctions
from modules.shared.reg.lookup import ERROR, Lookup
from modules.shared.reg.refusals import INTERNAL, Refusal, Refused
from modules.shared.reg.register import Registration


class Registrar(Queries, Removal, PushFunctions):
    """The module."""

    sock_hdr_name = modparam(str, None, help="header with the receiving socket that save() with socket-header believes")
    mcontact_avp = modparam(str, None, parse=avp_name, help="AVP with the Contact as it was sent upstream, for save() on replies")

    max_expires_stat = stat("max_expires", value="stat_max_expires", no_reset=True)
    max_contacts_stat = stat("max_contacts", value="stat_max_contacts", no_reset=True)
    default_expire_stat = stat("default_expire", value="stat_default_expire", no_reset=True)
    accepted_regs = stat("accepted_regs")
    rejected_regs = stat("rejected_regs")

    def stat_max_expires(self) -> int:
        """The parameter of that name."""
        return int(self.max_expires)

    def stat_max_contacts(self) -> int:
        """The parameter of that name."""
        return int(self.max_contacts)

    def stat_default_expire(self) -> int:
        """The parameter default_expires."""
        return int(self.default_expires)

    @function(REQUEST | ONREPLY, domain="table", flags="save_flags")
    def save(
        self, ctx: Context, domain: Static[str], flags: str | None = None, aor: str | None = None,
        ownership_tag: str | None = None,
    ) -> int:
        """Store the contacts of a REGISTER and answer it.

        domain: the table. flags: manual, section on save(). aor: URI to be used instead of To. ownership_tag: for clusters,
        kept out of single servers. 1 done, -2 refused (answered, unless no-reply is set), -1 internal error.
        In onreply_route the lifetimes are those of the reply and nothing is sent.
        """
        if not ctx.msg.is_request:  # type: ignore[attr-defined]
            return save_reply(self, ctx, domain, flags, aor)
        registration = Registration(self, ctx, ctx.msg, domain, flags)  # type: ignore[arg-type]
        if not self.usrloc.waits:
            return self.register(registration, aor, None, True)
        # The database is waited for: a call that this REGISTER wakes must not reach the phone before its 200.
        with self.server.holding_deferred():
            return self.register(registration, aor, None, True)

    def register(self, registration: Registration, aor: str | None, forced: str | None, with_reply: bool) -> int:
        """Carry out a REGISTER; the codes of save()."""
        refusal: Refusal | None = None
        try:
            registration.read(aor, forced)
            registration.judge()
            registration.store()
        except Refused as refused:
            refusal = refused.refusal
            self.rejected_regs.inc()
        except DbError as error:
            self.log.error("the registration cannot be stored: %s", error)
            refusal = INTERNAL
            registration.listed = False
            self.rejected_regs.inc()
        else:
            self.accepted_regs.inc()
            # Write-through: who is told 200 is in the database.
            self.usrloc.settle()
        if with_reply and not registration.flags.no_reply:
            status = 200 if refusal is None else refusal.status
            headers = registration.answer(refusal)
            if self.signaling.reply(registration.ctx, status, reason_phrase(status), headers) < 0:
                self.log.error("failed to send the %d reply", status)
                if refusal is None:
                    return -1
        return 1 if refusal is None else -2

    @function(REQUEST | ONREPLY | FAILURE, domain="table", flags="lookup_flags")
    def lookup(self, ctx: Context, domain: Static[str], flags: str | None = None, aor: str | None = None) -> int:
        """Put the contacts of an AoR into Request-URI and branches; wake those that sleep.

        aor: URI to be looked up instead of the Request-URI. 1 found, 2 nothing to call yet, devices are being woken (do not
        relay), 0 a repeat of a request that waits (the script ends), -1 no contact, -2 none takes the method (with
        method-filtering), -3 error.
        """
        uri = aor if aor is not None else ctx.ruri
        if uri is None or ctx.msg.call_id is None:
            self.log.error("nothing to look up, or a message without Call-ID")
            return ERROR
        return Lookup(self, ctx, domain, flags).run(uri)  # type: ignore[arg-type]

    @function(ROUTES)
    def add_sock_hdr(self, ctx: Context, name: str) -> int:
        """Add a header with the socket the request came in on, for the registrar behind. 1, -1 error."""
        if ctx.socket is None:
            return -1
        ctx.new_edits().insert(ctx.msg.headers_end, f"{name}: {ctx.socket.name}\r\n")
        return 1


