"""What other modules may use of usrloc: domains, records, contacts, and the news of their changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

# Flags of a contact (column `flags`).
FL_MEM = 1
"""Memory only: never written to the database."""
FL_PN_ON = 4
"""Push notification is on: matched by pn- parameters, woken before it is called."""

# State of a contact against the database.
CS_NEW, CS_SYNC, CS_DIRTY = "CS_NEW", "CS_SYNC", "CS_DIRTY"

ALL_METHODS = 4294967295

# Kinds of news, for Usrloc.register().
INSERT, UPDATE, DELETE, EXPIRE, AOR_INSERT, AOR_DELETE = "insert", "update", "delete", "expire", "aor_insert", "aor_delete"


class Ucontact(Protocol):
    """One binding. Times are seconds since 1970 (float wall clock, printed as integers)."""

    contact_id: int
    aor: str
    contact: str
    """URI as registered."""
    received: str
    path: str
    expires: int
    """A whole second since 1970, e.g. int(now) + lifetime; 0: permanent. Remaining: expires - int(now)."""
    q: int
    """Thousandths, -1 unset."""
    callid: str
    cseq: int
    last_modified: float
    flags: int
    cflags: int
    """Branch flags as a mask."""
    user_agent: str
    socket: Any
    """ListenSocket or None."""
    methods: int
    instance: str
    """+sip.instance with its angle brackets, or ""."""
    attr: str
    state: str
    latency: int
    """Microseconds of the last ping, 0 unknown."""
    kv: dict[str, Any]

    def is_valid(self, now: float) -> bool:
        """Neither expired nor removed."""


class Urecord(Protocol):
    """One AoR with its contacts, in the order lookup() uses."""

    aor: str
    contacts: list[Any]
    kv: dict[str, Any]
    aor_hash: int


class Udomain(Protocol):
    """One table ("location")."""

    name: str

    def get(self, aor: str) -> Any | None:
        """The Urecord of an AoR, or None. In sql-only mode read from the database."""

    def records(self) -> Iterable[Any]:
        """All records."""

    def share(self, index: int, count: int) -> Iterable[Any]:
        """The records whose hash modulo count is index: who visits all records bit by bit asks for one share after the other.
        The shares are made when first asked for and kept up to date; in sql-only mode they are read with index 0."""

    def insert(self, aor: str, contact: dict[str, Any]) -> Any:
        """Store a new contact (fields of Ucontact by name; what is missing gets its default); makes the record. The
        Ucontact. Raises events AOR_INSERT, CONTACT_INSERT."""

    def update(self, record: Any, contact: Any, fields: dict[str, Any]) -> None:
        """Change a stored contact, keep the order by q, raise CONTACT_UPDATE."""

    def delete(self, record: Any, contact: Any, keep: bool = False) -> None:
        """Remove a contact; the last one takes the record along, unless keep puts that off to release(). Raises CONTACT_DELETE,
        AOR_DELETE."""

    def release(self, record: Any) -> None:
        """The end of a series of changes: a record without contacts goes. Raises AOR_DELETE."""

    def delete_aor(self, aor: str) -> bool:
        """Remove all contacts of an AoR."""

    def new_contact_id(self, aor: str) -> int:
        """An id for a contact of this AoR that is to be stored later: insert() takes it as `contact_id`."""

    def keys_changed(self, record: Any) -> None:
        """The key-value pairs of a record were changed: have them written."""

    def match(self, record: Any, contact_uri: str, callid: str, mode: Any) -> Any | None:
        """The stored contact a REGISTER means. mode: 0 contact, 1 contact and Call-ID, a str: that URI parameter, a tuple
        of names: push matching, all those parameters equal (registrar-usrloc section 5)."""


class Usrloc(Protocol):
    """The usrloc module."""

    use_domain: int
    matching_mode: int
    cseq_delay: int

    @property
    def in_memory(self) -> bool:
        """Records are kept in memory: in the mode sql-only they are not."""

    def domain(self, name: str) -> Udomain:
        """The table of that name; made when it does not exist. Called at fixup time by functions that name a table."""

    def find_domain(self, name: str) -> Udomain | None:
        """The table, or None (MI)."""

    def tables(self) -> list[Any]:
        """All tables (Udomain)."""

    def by_contact_id(self, domain: Udomain, contact_id: int) -> tuple[Any, Any] | None:
        """(record, contact) of a contact id (PURR, mid_registrar's ctid)."""

    def register(self, kind: str, call: Callable[[Any, Any], None]) -> None:
        """call(record, contact | None) for every change of that kind, before the event is published."""

    @property
    def waits(self) -> bool:
        """Whether storing a contact may wait for a database."""

    def settle(self) -> None:
        """Wait (in the worker) until what was changed so far is in the database: write-through, called once before a
        REGISTER is answered. Returns at once in the other modes, and when the database is slow or broken."""

    def set_latency(self, domain: Udomain, contact: Any, latency: int) -> None:
        """Keep the measured ping latency (microseconds) of a contact; raises E_UL_LATENCY_UPDATE as configured."""

    @property
    def nat_flag(self) -> int:
        """Mask of modparam nat_bflag, 0 when unset."""

    def now(self) -> float:
        """Wall clock in seconds since 1970."""

    def raise_refresh(self, domain: Udomain, contact: Any, reason: str, req_callid: str) -> None:
        """Raise E_UL_CONTACT_REFRESH for a contact."""

    def set_refresh_lead(self, seconds: int) -> None:
        """pn_trigger_interval: contacts with FL_PN_ON get their reg-refresh event that long before they expire, when
        contact_refresh_timer is on."""
