"""save() in onreply_route: the registrar behind has answered, this server keeps a copy of the binding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import SipParseError
from engine.module import Context
from engine.sip.headers import STAR
from engine.sip.uri import same_uri
from modules.shared.reg.register import Registration

if TYPE_CHECKING:
    from modules.registrar.module import Registrar


def save_reply(mod: Registrar, ctx: Context, domain: Any, flags: Any, aor: str | None) -> int:
    """Store the contact of the REGISTER this reply answers, with the lifetime the reply grants.

    Only the first Contact is looked at, as in OpenSIPS. With mcontact_avp the reply shows the Contact the device sent again.
    1 done, -2 refused, -1 no transaction or broken contacts.
    """
    transaction = ctx.transaction
    if transaction is None:
        mod.log.error("save() on a reply needs the transaction of its REGISTER")
        return -1
    request = transaction.request
    try:
        asked = request.contacts
        granted = ctx.msg.contacts
        expires_header = request.header("expires")
    except SipParseError as error:
        mod.log.error("save() on a reply: %s", error)
        return -1
    if not asked:
        return 1
    forced: str | None = None
    first = asked[0]
    if first is not STAR:
        sent = mod.newest(ctx.avps, mod.mcontact_avp)
        text = first.expires or expires_header or str(mod.default_expires)
        if text.strip("0"):
            for value in granted:
                if value is STAR or not value.expires or not same_uri(value.uri, sent or first.uri):
                    continue
                # Nothing else of the Contact is kept, as in OpenSIPS: no q, methods or +sip.instance.
                forced = f"<{first.uri}>;expires={value.expires}"
                if sent:
                    ctx.new_edits().replace(value.uri_start, value.uri_end, first.uri)
                break
    registration = Registration(mod, ctx, request, domain, flags)
    return mod.register(registration, aor, forced, False)
