"""Contacts as rows of the table `location`, version 1013: names of the columns, and both directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from engine.db.interface import Time, Where, equal, seconds_of
from modules.usrloc.api import ALL_METHODS
from modules.usrloc.contact import RECORD_KEYS, Contact, Record, keys_from_json, keys_to_json
from modules.usrloc.mi import socket_text

TABLE_VERSION: Final = 1013

# Parts of a row in the order of the statements: what the column holds -> its default name.
FIELDS: Final[dict[str, str]] = {
    "contact_id": "contact_id", "user": "username", "contact": "contact", "expires": "expires", "q": "q", "callid": "callid",
    "cseq": "cseq", "flags": "flags", "cflags": "cflags", "user_agent": "user_agent", "received": "received", "path": "path",
    "socket": "socket", "methods": "methods", "last_modified": "last_modified", "sip_instance": "sip_instance",
    "kv_store": "kv_store", "attr": "attr", "domain": "domain",
}

_WITHOUT_DOMAIN: Final = len(FIELDS) - 1
_NEEDED: Final = frozenset(("contact_id", "contact", "expires", "q", "callid", "cseq", "flags"))
_WORD: Final = 0xFFFFFFFF
_LAST: Final = 0x7FFFFFFF
"""The columns are signed 32-bit numbers: a lifetime ends there, a CSeq goes on with negative ones, as in OpenSIPS."""


class BadRow(Exception):
    """A row that makes no contact; the text says why."""


class Rows:
    """The layout of the table.

    names: part -> column name. flag_text(mask), flag_mask(text): branch flags. find_socket(text): a listening socket or None.
    """

    def __init__(
        self, names: dict[str, str], use_domain: bool, flag_text: Callable[[int], str], flag_mask: Callable[[str], int],
        find_socket: Callable[[str], Any],
    ) -> None:
        self.names = {part: names.get(part) or default for part, default in FIELDS.items()}
        self._use_domain = use_domain
        self._flag_text = flag_text
        self._flag_mask = flag_mask
        self._find_socket = find_socket
        parts = list(FIELDS) if use_domain else [part for part in FIELDS if part != "domain"]
        self.columns = tuple(self.names[part] for part in parts)
        self.key = self.names["contact_id"]

    def split(self, aor: str) -> tuple[str, str | None]:
        """(user, domain) as the columns hold them."""
        if not self._use_domain:
            return aor, None
        user, at, domain = aor.rpartition("@")
        return (user, domain) if at else ("", aor)

    def of_aor(self, aor: str) -> list[Where]:
        """The conditions that select an AoR's rows."""
        user, domain = self.split(aor)
        where = equal(**{self.names["user"]: user})
        if domain is not None:
            where += equal(**{self.names["domain"]: domain})
        return where

    def row(self, record: Record, contact: Contact) -> tuple[Any, ...]:
        """The row of a contact. The pairs of a record travel with its first contact."""
        pairs = dict(contact.kv) if contact.has_kv else {}
        if record.has_kv and record.contacts and record.contacts[0] is contact:
            pairs[RECORD_KEYS] = keys_to_json(record.kv)
        user, domain = self.split(contact.aor)
        values: tuple[Any, ...] = (
            contact.contact_id, user, contact.contact, min(contact.expires, _LAST),
            contact.q / 1000 if contact.q >= 0 else -1.0,
            contact.callid, contact.cseq if contact.cseq <= _LAST else contact.cseq - _WORD - 1, contact.flags,
            self._flag_text(contact.cflags), contact.user_agent,
            contact.received or None, contact.path or None,
            socket_text(contact.socket) if contact.socket is not None else None,
            None if contact.methods == ALL_METHODS else contact.methods, Time(contact.last_modified), contact.instance or None,
            keys_to_json(pairs) if pairs else None, contact.attr or None,
        )
        return (*values, domain) if self._use_domain else values

    def contact(self, row: Sequence[Any]) -> tuple[str, Contact, dict[str, Any]]:
        """(AoR, contact, pairs of the record) of a row. Raises BadRow."""
        (
            contact_id, user, uri, expires, q_value, callid, cseq, flags, cflags, user_agent, received, path, socket, methods,
            last_modified, instance, kv_store, attr,
        ) = row[:_WITHOUT_DOMAIN]
        if "" in (uri, callid) or None in (contact_id, uri, expires, q_value, callid, cseq, flags):
            for name, value in zip(FIELDS, row, strict=False):
                if name in _NEEDED and (value is None or value == ""):
                    raise BadRow(f"column {self.names[name]} is empty")
        aor = user or ""
        if self._use_domain:
            domain = row[_WITHOUT_DOMAIN] or ""
            aor = f"{user}@{domain}" if user and domain else domain
        if not aor:
            raise BadRow(f"column {self.names['domain' if self._use_domain else 'user']} is empty")
        try:
            pairs = keys_from_json(kv_store) if kv_store else {}
            packed = pairs.pop(RECORD_KEYS, None) if pairs else None
            record_pairs = keys_from_json(packed) if isinstance(packed, str) else {}
            q = round(float(q_value) * 1000)
            contact = Contact(aor, int(contact_id), {
                "contact": uri, "received": received, "path": path, "expires": int(expires), "q": q if q >= 0 else -1,
                "callid": callid, "cseq": int(cseq) & _WORD, "flags": int(flags), "last_modified": seconds_of(last_modified),
                "cflags": self._flag_mask(cflags) if cflags else 0, "user_agent": user_agent,
                "socket": self._find_socket(socket) if socket else None,
                "methods": ALL_METHODS if methods is None else int(methods), "instance": instance, "attr": attr, "kv": pairs,
            })
        except (ValueError, TypeError, OverflowError) as error:
            raise BadRow(str(error)) from None
        return aor, contact, record_pairs
