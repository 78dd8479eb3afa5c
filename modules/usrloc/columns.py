"""The names of the columns of the table, each a parameter."""

from __future__ import annotations

from engine.module import modparam
from modules.usrloc.rows import FIELDS


class UsrlocColumns:
    """The parameters, mixed into the module."""

    contact_id_column = modparam(str, "contact_id", help="name of a column")
    user_column = modparam(str, "username", help="name of a column")
    domain_column = modparam(str, "domain", help="name of a column")
    contact_column = modparam(str, "contact", help="name of a column")
    expires_column = modparam(str, "expires", help="name of a column")
    q_column = modparam(str, "q", help="name of a column")
    callid_column = modparam(str, "callid", help="name of a column")
    cseq_column = modparam(str, "cseq", help="name of a column")
    flags_column = modparam(str, "flags", help="name of a column")
    cflags_column = modparam(str, "cflags", help="name of a column")
    user_agent_column = modparam(str, "user_agent", help="name of a column")
    received_column = modparam(str, "received", help="name of a column")
    path_column = modparam(str, "path", help="name of a column")
    socket_column = modparam(str, "socket", help="name of a column")
    methods_column = modparam(str, "methods", help="name of a column")
    sip_instance_column = modparam(str, "sip_instance", help="name of a column")
    kv_store_column = modparam(str, "kv_store", help="name of a column")
    attr_column = modparam(str, "attr", help="name of a column")

    def column_names(self) -> dict[str, str]:
        """Part of a row -> name of its column; last_modified cannot be renamed."""
        return {part: getattr(self, f"{part}_column", default) for part, default in FIELDS.items()}
