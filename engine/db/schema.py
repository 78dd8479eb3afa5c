"""The standard tables, as data: names, columns and versions are OpenSIPS', so its tools and databases fit.

A driver writes the statements in its own dialect from these kinds: "key" (integer primary key), "int", "text", "char N",
"float", "time".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Column:
    """One column; default None with null=True is NULL."""

    name: str
    kind: str
    default: Any = None
    null: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One table and the version its layout has in the table `version`."""

    name: str
    version: int
    columns: tuple[Column, ...]


VERSION_TABLE: Final = Table("version", 0, (Column("table_name", "char 32", "", False), Column("table_version", "int", 0, False)))

LOCATION: Final = Table("location", 1013, (
    Column("contact_id", "key", None, False),
    Column("username", "char 64", "", False),
    Column("domain", "char 64"),
    Column("contact", "text", None, False),
    Column("received", "char 255"),
    Column("path", "char 255"),
    Column("expires", "int", None, False),
    Column("q", "float", 1.0, False),
    Column("callid", "char 255", "Default-Call-ID", False),
    Column("cseq", "int", 13, False),
    Column("last_modified", "time", "1900-01-01 00:00:01", False),
    Column("flags", "int", 0, False),
    Column("cflags", "char 255"),
    Column("user_agent", "char 255", "", False),
    Column("socket", "char 64"),
    Column("methods", "int"),
    Column("sip_instance", "char 255"),
    Column("kv_store", "text"),
    Column("attr", "char 255"),
))

TABLES: Final = {table.name: table for table in (LOCATION,)}
"""What `opensips-like db create` makes, besides the version table."""
