"""is_registered() and its relatives: questions about what is stored."""

from __future__ import annotations

import ipaddress
from typing import Any

from engine.errors import SipParseError
from engine.module import BRANCH, FAILURE, LOCAL, ONREPLY, REQUEST, Context, ScriptError, Static, Var, function
from engine.sip.headers import STAR
from engine.sip.uri import try_uri
from modules.shared.reg.base import RegBase, is_current

ROUTES = REQUEST | FAILURE | ONREPLY | BRANCH | LOCAL


class Queries(RegBase):
    """The functions, mixed into the module."""

    @function(ROUTES, domain="table")
    def is_registered(self, ctx: Context, domain: Static[str], aor: str | None = None) -> bool:
        """Has the AoR a contact? Default: To of a REGISTER, From of other requests. Fills attr_avp. 1 / -1."""
        for contact in self._contacts(ctx, domain, aor):
            if self.attr_avp is not None:
                ctx.avps.setdefault(self.attr_avp, []).insert(0, contact.attr)
            return True
        return False

    @function(ROUTES, domain="table")
    def is_contact_registered(
        self, ctx: Context, domain: Static[str], aor: str | None = None, contact: str | None = None, callid: str | None = None,
    ) -> bool:
        """Is this contact stored, or one of this Call-ID? Default: the first Contact of the message. 1 / -1.

        Texts are compared, not URIs.
        """
        if contact is None and callid is None:
            contact = self._first_contact(ctx)
            if contact is None:
                self.log.warning("neither contact nor Call-ID given, and the message has no contact")
                return False
        return any(
            (contact is None or stored.contact == contact) and (callid is None or stored.callid == callid)
            for stored in self._contacts(ctx, domain, aor)
        )

    @function(ROUTES, domain="table")
    def is_ip_registered(
        self, ctx: Context, domain: Static[str], aor: str | None, IPvar: Var, Portvar: Var | None = None,
    ) -> bool:
        """Did a contact register from this address (received, else host of the contact)? An AVP may hold several. 1 / -1,
        -2 no AoR."""
        addresses = {_address(value) for value in self._values(ctx, IPvar)} - {None}
        if not addresses:
            self.log.error("%s holds no IP address", IPvar.text)
            return False
        ports: set[int] = set()
        if Portvar is not None:
            for value in self._values(ctx, Portvar):
                if not isinstance(value, int):
                    self.log.error("%s should be a number", Portvar.text)
                    return False
                ports.add(int(value))
            ports.discard(0)
        for contact in self._contacts(ctx, domain, aor, -2):
            uri = try_uri(contact.received or contact.contact)
            # A port that is not written is none: OpenSIPS puts no default in its place here.
            if uri is not None and _address(uri.host) in addresses and (not ports or uri.port in ports):
                return True
        return False

    # ---- what they share ----

    def _contacts(self, ctx: Context, domain: Any, aor: str | None, code: int = -1) -> list[Any]:
        """The current contacts of the AoR asked for. Raises ScriptError(code) when there is none in the message."""
        if aor is None:
            msg: Any = ctx.msg
            if not msg.is_request:
                raise ScriptError("without an AoR this works for requests only", code)
            try:
                address = msg.to if msg.method == "REGISTER" else msg.from_
            except SipParseError:
                address = None
            if address is None:
                raise ScriptError("the message has no AoR", code)
            aor = address.uri
        record = domain.get(self.aor_of(aor, code))
        if record is None:
            return []
        now = self.seconds()
        return [contact for contact in record.contacts if is_current(contact, now)]

    def _first_contact(self, ctx: Context) -> str | None:
        """URI of the first Contact of the message that is not being removed."""
        try:
            header = ctx.msg.header("expires")
            for value in ctx.msg.contacts:
                if value is not STAR and (value.expires or header or "1").strip("0"):
                    return value.uri
        except SipParseError:
            pass
        return None

    @staticmethod
    def _values(ctx: Context, var: Var) -> list[Any]:
        """All values of an AVP, or the one of another variable."""
        if var.name == "avp" and var.inner is not None:
            return list(ctx.avps.get(var.inner, ()))
        value = var.get(ctx)
        return [] if value is None else [value]


def _address(value: Any) -> Any:
    """An IP address from a text, brackets of IPv6 allowed; None when it is none."""
    try:
        return ipaddress.ip_address(str(value).strip("[]"))
    except ValueError:
        return None
