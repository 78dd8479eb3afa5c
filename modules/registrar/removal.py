"""remove() and remove_ip_port(): taking bindings away from the script."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import SipParseError
from engine.module import ALL_ROUTES, ONREPLY, REQUEST, Context, Static, function
from engine.sip.uri import parse_uri, try_uri
from engine.transport.address import plain_ip
from modules.shared.reg.base import RegBase
from modules.shared.reg.path import first_hop

BAD_URI: Final = -475
"""OpenSIPS' E_BAD_URI: the code for an AoR that is no URI."""


class Removal(RegBase):
    """The functions, mixed into the module."""

    @function(REQUEST | ONREPLY, domain="table")
    def remove(
        self, ctx: Context, domain: Static[str], AOR: str, contact: str | None = None, next_hop: str | None = None,
        sip_instance: str | None = None, bflag: str | None = None,
    ) -> int:
        """Remove an AoR, or those of its contacts for which everything given is so.

        AOR: a URI. contact: URI as stored. next_hop: host or address of the first Path hop, of received or of the contact.
        sip_instance: with its angle brackets. bflag: name of a branch flag that is set. 1, also when there was
        nothing, -1 when next_hop cannot be resolved, -475 AOR is no URI.
        """
        table: Any = domain
        aor = self.aor_of(AOR, BAD_URI)
        record = table.get(aor)
        if record is None:
            return 1
        mask = ctx.script.branch_flag_names.bit(bflag) if bflag else 0
        if contact is None and next_hop is None and sip_instance is None and not mask:
            table.delete_aor(aor)
            return 1
        wanted: frozenset[str] = frozenset()
        if next_hop is not None:
            wanted = self._addresses(next_hop)
            if not wanted:
                self.log.error("cannot resolve given host: '%s'", next_hop)
                return -1
        for stored in list(record.contacts):
            if (contact is not None and stored.contact != contact) or (mask and not stored.cflags & mask):
                continue
            if sip_instance is not None and stored.instance != sip_instance:
                continue
            if next_hop is not None:
                hop = next_hop_of(stored)
                if hop is None or not wanted & self._addresses(hop[0]):
                    continue
            table.delete(record, stored)
        return 1

    @function(ALL_ROUTES, domain="table")
    def remove_ip_port(self, ctx: Context, IP: str, Port: int, domain: Static[str], AOR: str | None = None) -> int:
        """Remove the contacts whose next hop has this address and port, of one AoR (a URI) or of all. 1, -475 AOR is no URI."""
        table: Any = domain
        wanted = self._addresses(IP)
        if AOR is not None:
            record = table.get(self.aor_of(AOR, BAD_URI))
            records = [] if record is None else [record]
        else:
            records = list(table.records())
        for record in records:
            for stored in list(record.contacts):
                hop = next_hop_of(stored)
                if hop is not None and hop[1] == Port and wanted & self._addresses(hop[0]):
                    table.delete(record, stored)
        return 1

    def _addresses(self, host: str) -> frozenset[str]:
        """The IP addresses of a host; a name is resolved, for which the run waits. Empty when there are none."""
        ip = plain_ip(host)
        if ip is not None:
            return frozenset((ip,))
        uri = try_uri(f"sip:{host}")
        if uri is None or uri.host != host:
            return frozenset()
        return frozenset(target.ip for target in self.server.resolver.resolve(uri))


def next_hop_of(contact: Any) -> tuple[str, int] | None:
    """Host and port a call to the contact is sent to: of the first Path hop, of received, or of the contact itself."""
    text = (first_hop(contact.path) if contact.path else None) or contact.received or contact.contact
    try:
        uri = parse_uri(text)
    except SipParseError:
        return None
    return uri.maddr or uri.host, uri.port_or_default
