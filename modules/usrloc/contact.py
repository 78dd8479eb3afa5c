"""Records and contacts: what is known of an address of record and of each of its bindings.

A registrar keeps hundreds of thousands of these, so they are slotted objects: what most contacts lack (key-value pairs)
costs a None, and texts that many share (User-Agent, Path, the table's name) are interned. Contact ids are those of OpenSIPS,
so that a table written by one server is understood by the other: 16 bits of the hash of the AoR, 32 bits of a label of the
record, 14 bits of a label of the contact.
"""

from __future__ import annotations

import json
import os
from sys import intern
from typing import TYPE_CHECKING, Any, Final

from modules.shared.corehash import finished, mixed
from modules.usrloc.api import ALL_METHODS, CS_NEW

if TYPE_CHECKING:
    from modules.usrloc.domain import Domain

RECORD_KEYS: Final = "_urec_kvs"
"""Key under which the pairs of a record travel in the kv_store column of one of its contacts."""

_CLABEL_MASK: Final = (1 << 14) - 1
_WORD: Final = 0xFFFFFFFF
_PLAIN: Final = frozenset(("contact", "callid", "cseq", "q", "flags", "cflags", "socket", "instance", "last_modified"))
"""Fields of a contact that are taken over as they come."""


def aor_hash(aor: str) -> int:
    """The 32-bit hash of OpenSIPS (its core_hash) of an AoR."""
    return finished(mixed(aor.encode("latin-1", "replace")))


def pack_contact_id(hashed: int, record_label: int, contact_label: int) -> int:
    """The contact id made of its three parts."""
    return ((hashed & 0xFFFF) << 46) + ((record_label & _WORD) << 14) + (contact_label & _CLABEL_MASK)


def unpack_contact_id(contact_id: int) -> tuple[int, int, int]:
    """(16 bits of the hash of the AoR, label of the record, label of the contact)."""
    return (contact_id >> 46) & 0xFFFF, (contact_id >> 14) & _WORD, contact_id & _CLABEL_MASK


def q_text(q: int) -> str:
    """A q value in thousandths as it is printed: 500 is "0.5", 1000 "1", 0 "0", unset ""."""
    if q < 0:
        return ""
    if q >= 1000:
        return "1"
    return f"0.{q:03d}".rstrip("0").rstrip(".")


def keys_to_json(pairs: dict[str, Any]) -> str:
    """Key-value pairs as one line of JSON, ordered by key."""
    return json.dumps(dict(sorted(pairs.items())), separators=(",", ":"), ensure_ascii=False)


def keys_from_json(text: str) -> dict[str, Any]:
    """The pairs of such a line; raises ValueError for anything but an object. Only texts and numbers are kept."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return {
        key: int(value) if isinstance(value, float) else value for key, value in found.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }


class Contact:
    """One binding (modules.usrloc.api.Ucontact). expires is a whole second, 0 for a permanent one."""

    __slots__ = (
        "contact_id", "aor", "contact", "received", "path", "expires", "q", "callid", "cseq", "last_modified", "flags", "cflags",
        "user_agent", "socket", "methods", "instance", "attr", "state", "latency", "_kv", "listed", "refresh_due",
    )

    def __init__(self, aor: str, contact_id: int, fields: dict[str, Any]) -> None:
        get = fields.get
        self.contact_id = contact_id
        self.aor = aor
        self.contact: str = fields["contact"]
        text = get("received")
        self.received: str = intern(text) if text else ""
        text = get("path")
        self.path: str = intern(text) if text else ""
        self.expires = int(get("expires", 0))
        self.q: int = get("q", -1)
        self.callid: str = get("callid", "")
        self.cseq: int = get("cseq", 0)
        self.last_modified: float = get("last_modified", 0.0)
        self.flags: int = get("flags", 0)
        self.cflags: int = get("cflags", 0)
        self.user_agent: str = intern(get("user_agent") or "n/a")
        self.socket: Any = get("socket")
        methods = get("methods", ALL_METHODS)
        self.methods: int = ALL_METHODS if methods == ALL_METHODS else methods
        self.instance: str = get("instance") or ""
        text = get("attr")
        self.attr: str = intern(str(text)) if text else ""
        self.state: str = CS_NEW
        self.latency: int = get("latency", 0)
        self._kv: dict[str, Any] | None = get("kv") or None
        self.listed = 0
        """Second under which the expiry list has it, 0 none, -1 removed."""
        self.refresh_due = 0
        """Second in which its reg-refresh event is due, 0 none."""

    def change(self, fields: dict[str, Any]) -> None:
        """Take over changed fields."""
        for name, value in fields.items():
            if name in _PLAIN:
                setattr(self, name, value)
            elif name == "expires":
                self.expires = int(value)
            elif name == "received" or name == "path" or name == "attr":
                setattr(self, name, intern(str(value or "")))
            elif name == "user_agent":
                self.user_agent = intern(value or "n/a")
            elif name == "methods":
                self.methods = ALL_METHODS if value == ALL_METHODS else value
            else:
                setattr(self, name, value)

    @property
    def kv(self) -> dict[str, Any]:
        """Key-value pairs of other modules; kept in the database with the contact."""
        if self._kv is None:
            self._kv = {}
        return self._kv

    @kv.setter
    def kv(self, pairs: dict[str, Any] | None) -> None:
        self._kv = pairs

    @property
    def has_kv(self) -> bool:
        """Whether there are pairs (looking does not make the dictionary)."""
        return bool(self._kv)

    def is_valid(self, now: float) -> bool:
        """Neither expired nor removed."""
        return (self.expires == 0 or self.expires > int(now)) and self.listed >= 0


class Record:
    """One AoR with its contacts (modules.usrloc.api.Urecord)."""

    __slots__ = ("aor", "domain", "contacts", "last_id", "_kv")

    def __init__(self, aor: str, domain: Domain) -> None:
        self.aor = aor
        self.domain = domain
        """The table it belongs to."""
        self.contacts: list[Contact] = []
        """In the order lookup() uses."""
        self.last_id = 0
        """The contact id given last, 0 before the first: the next one counts on from it."""
        self._kv: dict[str, Any] | None = None

    @property
    def aor_hash(self) -> int:
        """Hash of the AoR, by which OpenSIPS chooses the slot of a record."""
        return aor_hash(self.aor)

    @property
    def kv(self) -> dict[str, Any]:
        """Key-value pairs of scripts and other modules."""
        if self._kv is None:
            self._kv = {}
        return self._kv

    @kv.setter
    def kv(self, pairs: dict[str, Any] | None) -> None:
        self._kv = pairs

    @property
    def has_kv(self) -> bool:
        """Whether there are pairs."""
        return bool(self._kv)

    def continue_after(self, contact_id: int) -> None:
        """Ids to come follow on this one, so that their order is that of registration."""
        self.last_id = contact_id

    def new_contact_id(self) -> int:
        """An id no contact of this record has."""
        made = self.last_id
        if made == 0:
            # Random labels: ids can neither be guessed nor collide with those of another server on the same table.
            chance = int.from_bytes(os.urandom(6), "big")
            made = pack_contact_id(aor_hash(self.aor), chance >> 16, chance)
        else:
            taken = [contact.contact_id for contact in self.contacts]
            while True:
                made = made & ~_CLABEL_MASK | made + 1 & _CLABEL_MASK
                if made not in taken:
                    break
        self.last_id = made
        return made
