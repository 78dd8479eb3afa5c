"""The standard tables, as data: names, columns and versions are OpenSIPS', so its tools and databases fit.

A driver writes the statements in its own dialect (engine.db.sql) from these kinds: "serial" (integer primary key, counted),
"key" (the same, 64 bits), "bigkey" (64-bit primary key that is not counted), "int", "uint", "text", "blob", "char N",
"float", "time".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    unique: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of a constraint -> columns that are unique together."""
    indexes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError."""
        for one in self.columns:
            if one.name == name:
                return one
        raise KeyError(name)


def columns(text: str) -> tuple[Column, ...]:
    """Columns, one a line: name, kind, "required" unless it may be NULL, "= default"."""
    made = []
    for line in text.split("\n"):
        words, equals, default = line.partition(" = ")
        name, *kind = words.split() or [""]
        if not name:
            continue
        required = "required" in kind
        if required:
            kind.remove("required")
        value: Any = None
        if equals:
            default = default.strip()
            value = default[1:-1] if default.startswith("'") else float(default) if "." in default else int(default)
        made.append(Column(name, " ".join(kind), value, not required and kind[0] not in ("serial", "key", "bigkey")))
    return tuple(made)


def table(
    name: str, version: int, text: str, unique: Mapping[str, tuple[str, ...]] | None = None,
    indexes: Mapping[str, tuple[str, ...]] | None = None,
) -> Table:
    """A table; text: its columns."""
    return Table(name, version, columns(text), unique or {}, indexes or {})


VERSION_TABLE: Final = table("version", 0, """
    table_name char 32 required
    table_version int required = 0
""", unique={"t_name_idx": ("table_name",)})

LOCATION: Final = table("location", 1013, """
    contact_id key
    username char 64 required = ''
    domain char 64
    contact text required
    received char 255
    path char 255
    expires uint required
    q float required = 1.0
    callid char 255 required = 'Default-Call-ID'
    cseq int required = 13
    last_modified time required = '1900-01-01 00:00:01'
    flags int required = 0
    cflags char 255
    user_agent char 255 required = ''
    socket char 64
    methods int
    sip_instance char 255
    kv_store text
    attr char 255
""")
