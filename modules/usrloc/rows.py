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
            contact.contact_id, user, contact.contact, contact.expires, contact.q / 1000 if contact.q >= 0 else -1.0,
            contact.callid, contact.cseq, contact.flags, self._flag_text(contact.cflags), contact.user_agent,
            contact.received or None, contact.path or None,
            socket_text(contact.socket) if contact.socket is not None else None,
            None if contact.methods == ALL_METHODS else contact.methods, Time(contact.last_modified), contact.instance or None,
            keys_to_json(pairs) if pairs else None, contact.attr or None,
        )
        return (*values, domain) if self._use_domain else values

    def contact(self, row: Sequence[Any]) -> tuple[str, Contact, dict[str, Any]]:
        """(AoR, contact, pairs of the record) of a row. Raises BadRow."""
        part = dict(zip(FIELDS, row, strict=False))
        for name in ("contact_id", "contact", "expires", "q", "callid", "cseq", "flags"):
            if part[name] is None or part[name] == "":
                raise BadRow(f"column {self.names[name]} is empty")
        user, domain = part["user"] or "", part.get("domain") or ""
        if self._use_domain:
            aor = f"{user}@{domain}" if user and domain else domain
        else:
            aor = user
        if not aor:
            raise BadRow(f"column {self.names['domain' if self._use_domain else 'user']} is empty")
        try:
            pairs = keys_from_json(part["kv_store"]) if part["kv_store"] else {}
            packed = pairs.pop(RECORD_KEYS, None)
            record_pairs = keys_from_json(packed) if isinstance(packed, str) else {}
            q = round(float(part["q"]) * 1000)
            methods = part["methods"]
            contact = Contact(aor, int(part["contact_id"]), {
                "contact": part["contact"], "received": part["received"], "path": part["path"], "expires": int(part["expires"]),
                "q": q if q >= 0 else -1, "callid": part["callid"], "cseq": int(part["cseq"]), "flags": int(part["flags"]),
                "last_modified": seconds_of(part["last_modified"]), "cflags": self._flag_mask(part["cflags"] or ""),
                "user_agent": part["user_agent"], "socket": self._find_socket(part["socket"]) if part["socket"] else None,
                "methods": ALL_METHODS if methods is None else int(methods), "instance": part["sip_instance"],
                "attr": part["attr"], "kv": pairs,
            })
        except (ValueError, TypeError, OverflowError) as error:
            raise BadRow(str(error)) from None
        return aor, contact, record_pairs
