"""MI commands of usrloc: ul_dump, ul_show_contact, ul_add, ul_rm, ul_rm_contact, ul_flush, ul_sync, ul_cluster_sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.errors import MiError
from engine.module import mi_command
from engine.sip.uri import try_uri
from modules.usrloc.contact import Contact, Record, keys_to_json, q_text

if TYPE_CHECKING:
    from modules.usrloc.domain import Domain

MI_CALLID: Final = "dfjrewr12386fd6-343@opensips.mi"
MI_USER_AGENT: Final = "OpenSIPS MI Server"
_INT_MAX: Final = 0x7FFFFFFF


def parse_q(text: str) -> int:
    """A q value as thousandths; digits beyond the third are cut. Raises ValueError unless it is within 0 and 1."""
    whole, dot, rest = text.strip().partition(".")
    if not (whole or dot) or not (whole or "0").isdigit() or (rest and not rest.isdigit()):
        raise ValueError("not a q value")
    if whole.lstrip("0") and rest.strip("0"):
        raise ValueError("q value above 1")
    value = int(whole or "0") * 1000 + int((rest + "000")[:3])
    if value > 1000:
        raise ValueError("q value above 1")
    return value


class UsrlocMi:
    """The commands, mixed into the module."""

    if TYPE_CHECKING:
        server: Any
        use_domain: int
        mi_dump_kv_store: int
        domains: dict[str, Domain]

        slots: int

        def now(self) -> float: ...
        def settle(self) -> None: ...
        async def flush(self) -> bool: ...
        async def resync(self, domain: Domain, record: Record | None) -> None: ...
        @property
        def writes_sql(self) -> bool: ...

    def _table(self, name: str) -> Domain:
        found = self.domains.get(name)
        if found is None:
            raise MiError(404, "Table not found")
        return found

    def _aor(self, aor: str) -> str:
        if self.use_domain:
            if "@" not in aor:
                raise MiError(400, "Domain missing in AOR")
            return aor
        return aor.partition("@")[0]

    def _contact_object(self, contact: Contact, now: int) -> dict[str, Any]:
        expires: int | str = contact.expires - now
        if contact.expires == 0:
            expires = "permanent"
        elif contact.expires < now:
            expires = "expired"
        shown: dict[str, Any] = {
            "Contact": contact.contact, "ContactID": str(contact.contact_id), "Expires": expires, "Q": q_text(contact.q),
            "Callid": contact.callid, "Cseq": contact.cseq,
        }
        if contact.user_agent:
            shown["User-agent"] = contact.user_agent
        if contact.received:
            shown["Received"] = contact.received
        if contact.path:
            shown["Path"] = contact.path
        shown["State"] = contact.state
        shown["Flags"] = contact.flags
        shown["Cflags"] = self.server.registry.branch_flag_names.text(contact.cflags)
        if contact.socket is not None:
            shown["Socket"] = socket_text(contact.socket)
        shown["Methods"] = contact.methods
        if contact.attr:
            shown["Attr"] = contact.attr
        if contact.instance:
            shown["SIP_instance"] = contact.instance
        if contact.latency:
            shown["Ping-Latency"] = contact.latency
        if self.mi_dump_kv_store and contact.has_kv:
            shown["KV-Store"] = keys_to_json(contact.kv)
        return shown

    def _record_object(self, record: Record, now: int) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "AOR": record.aor, "Contacts": [self._contact_object(contact, now) for contact in record.contacts],
        }
        if self.mi_dump_kv_store and record.has_kv:
            shown["KV-Store"] = keys_to_json(record.kv)
        return shown

    @mi_command("ul_rm", help="removes an AoR with all its contacts")
    def mi_rm(self, table_name: str, aor: str) -> None:
        """OK also when there is no such AoR."""
        self._table(table_name).delete_aor(self._aor(aor))
        self.settle()

    @mi_command("ul_rm_contact", help="removes one contact of an AoR")
    def mi_rm_contact(self, table_name: str, aor: str, contact: str) -> None:
        """404 when the table, the AoR or the contact is unknown."""
        domain = self._table(table_name)
        record = domain.get(self._aor(aor))
        if record is None:
            raise MiError(404, "AOR not found")
        found = domain.match(record, contact, "", 0)
        if found is None:
            raise MiError(404, "Contact not found")
        domain.delete(record, found)
        self.settle()

    @mi_command("ul_dump", help="lists all tables, their AoRs and contacts; brief=1: without contacts")
    def mi_dump(self, brief: int = 0) -> dict[str, Any]:
        """Tables from the last to the first the script names, AoRs in hash order: as OpenSIPS lists them."""
        now = int(self.now())
        return {"Domains": [
            {
                "name": domain.name, "hash_size": self.slots,
                "AORs": [
                    {"AOR": record.aor} if brief else self._record_object(record, now)
                    for record in domain.in_hash_order(self.slots)
                ],
            } for domain in reversed(self.domains.values())
        ]}

    @mi_command("ul_flush", help="writes what the database has not got yet")
    async def mi_flush(self) -> None:
        """OK also when nothing is to be written; what cannot be written now is tried again later."""
        await self.flush()

    @mi_command("ul_add", help="adds a contact, or changes the one that is there")
    def mi_add(
        self, table_name: str, aor: str, contact: str, expires: int, q: str, flags: int, cflags: int, methods: int,
    ) -> None:
        """expires in seconds from now, 0 for ever."""
        domain = self._table(table_name)
        name = self._aor(aor)
        try:
            q_value = parse_q(q)
        except ValueError:
            raise MiError(400, "Bad parameter value") from None
        now = self.now()
        fields: dict[str, Any] = {
            "expires": int(now) + expires if expires else 0, "q": q_value, "flags": flags, "cflags": cflags,
            "methods": min(methods, _INT_MAX) & 0xFFFFFFFF, "callid": MI_CALLID, "user_agent": MI_USER_AGENT, "last_modified": now,
        }
        record = domain.get(name)
        found = domain.match(record, contact, "", 0) if record is not None else None
        if record is None or found is None:
            if try_uri(contact) is None:
                raise MiError(500, "Internal Error")
            domain.insert(name, {"contact": contact, "cseq": 1, **fields})
        else:
            domain.update(record, found, {"received": "", "path": "", "attr": "", "socket": None, **fields})
        self.settle()

    @mi_command("ul_show_contact", help="shows the contacts of an AoR")
    def mi_show_contact(self, table_name: str, aor: str) -> dict[str, Any]:
        """404 when the table or the AoR is unknown."""
        record = self._table(table_name).get(self._aor(aor))
        if record is None:
            raise MiError(404, "AOR not found")
        return self._record_object(record, int(self.now()))

    @mi_command("ul_sync", help="deletes the rows of a table or an AoR and writes them anew from memory")
    async def mi_sync(self, table_name: str, aor: str | None = None) -> None:
        """Only with a database that is written to from memory."""
        if not self.writes_sql:
            raise MiError(200, "Contacts already synced")
        domain = self._table(table_name)
        if aor is None:
            await self.resync(domain, None)
            return
        record = domain.get(self._aor(aor))
        if record is None:
            raise MiError(404, "AOR not found")
        await self.resync(domain, record)

    @mi_command("ul_cluster_sync", help="asks another server of the cluster for its registrations")
    def mi_cluster_sync(self) -> None:
        """There is no cluster here."""
        raise MiError(400, "Clustering not enabled")


def socket_text(socket: Any) -> str:
    """A listening socket as MI and database show it: with its advertised address, if there is one."""
    if socket.adv_host:
        return f"{socket.proto}:{socket.adv_host}:{socket.adv_port or socket.port}"
    return str(socket.name)
