"""Statements in SQL. What differs between databases (quotes, parameter marks, upsert, types of columns) is a subclass's.

Names are always quoted and values always parameters, so nothing from a message can become part of a statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from engine.db.interface import OPERATORS, DbValue, Delete, Upsert, Where
from engine.db.schema import Column, Table
from engine.errors import DbError


class Statement(NamedTuple):
    """A statement and its parameters; many: a list of parameter lists, for one execution each."""

    text: str
    values: list[Any]
    many: bool = False


class Sql:
    """Writes statements; this one as SQLite understands them."""

    quote: ClassVar[str] = '"'
    kinds: ClassVar[dict[str, str]] = {
        "key": "INTEGER PRIMARY KEY", "serial": "INTEGER PRIMARY KEY", "bigkey": "BIGINT PRIMARY KEY", "int": "INTEGER",
        "uint": "INTEGER", "text": "TEXT", "blob": "BLOB", "float": "FLOAT(10,2)", "time": "DATETIME",
    }
    """Kind of a column (engine.db.schema) -> its type."""

    def name(self, identifier: str) -> str:
        """A table or column name, quoted."""
        quote = self.quote
        return quote + identifier.replace(quote, quote * 2) + quote

    def names(self, identifiers: Iterable[str]) -> str:
        """Several, joined by commas."""
        return ", ".join([self.name(one) for one in identifiers])

    def mark(self, value: Any, values: list[Any]) -> str:
        """Append a value to the parameters of a statement; the text that stands for it there."""
        values.append(value)
        return "?"

    # ---------------------------------------------------------------- reading

    def conditions(self, where: Sequence[Where], values: list[Any]) -> str:
        """" WHERE ..." or "". Raises DbError for an operator that is none."""
        parts = []
        for column, operator, value in where:
            operator = operator.lower()
            if operator not in OPERATORS:
                raise DbError(f"unknown operator {operator!r} in a condition")
            name = self.name(column)
            if operator == "in":
                assert not isinstance(value, str | bytes | int | float) and value is not None
                parts.append(f"{name} IN ({','.join([self.mark(one, values) for one in value])})")
            elif value is None and operator in ("=", "!=", "<>"):
                parts.append(f"{name} IS {'' if operator == '=' else 'NOT '}NULL")
            else:
                parts.append(f"{name} {operator.upper()} {self.mark(value, values)}")
        return " WHERE " + " AND ".join(parts) if parts else ""

    def select(
        self, table: str, columns: Sequence[str], where: Sequence[Where] = (), order: str = "", limit: int = 0,
    ) -> Statement:
        """Rows of a table; columns empty: all, order: columns with commas between them, each descending with "-" in front or
        "desc" behind it, limit 0: none."""
        values: list[Any] = []
        text = f"SELECT {self.names(columns) or '*'} FROM {self.name(table)}{self.conditions(where, values)}"
        if order:
            text += f" ORDER BY {', '.join([self._direction(part) for part in order.split(',')])}"
        if limit:
            text += f" LIMIT {int(limit)}"
        return Statement(text, values)

    def _direction(self, part: str) -> str:
        """One column of ORDER BY."""
        column, _, word = part.strip().rpartition(" ")
        if word.upper() in ("ASC", "DESC") and column:
            return f"{self.name(column.strip())} {word.upper()}"
        column = part.strip()
        return self.name(column.lstrip("-")) + (" DESC" if column.startswith("-") else "")

    # ---------------------------------------------------------------- changing

    def insert(self, table: str, row: Mapping[str, DbValue], verb: str = "INSERT") -> Statement:
        """Add a row."""
        values: list[Any] = []
        marks = ", ".join([self.mark(value, values) for value in row.values()])
        return Statement(f"{verb} INTO {self.name(table)} ({self.names(row)}) VALUES ({marks})", values)

    def update(self, table: str, row: Mapping[str, DbValue], where: Sequence[Where]) -> Statement:
        """Change rows."""
        values: list[Any] = []
        changes = ", ".join([f"{self.name(column)} = {self.mark(value, values)}" for column, value in row.items()])
        return Statement(f"UPDATE {self.name(table)} SET {changes}{self.conditions(where, values)}", values)

    def delete(self, table: str, where: Sequence[Where] = ()) -> Statement:
        """Delete rows."""
        values: list[Any] = []
        return Statement(f"DELETE FROM {self.name(table)}{self.conditions(where, values)}", values)

    def on_conflict(self, columns: Sequence[str], keys: Sequence[str]) -> str:
        """What makes an INSERT change the row that is there already."""
        changes = ", ".join([f"{self.name(one)} = excluded.{self.name(one)}" for one in columns if one not in keys])
        return f" ON CONFLICT ({self.names(keys)}) DO " + (f"UPDATE SET {changes}" if changes else "NOTHING")

    def upsert(self, operation: Upsert) -> list[Statement]:
        """Insert rows or change them: one statement for all rows whose marks are the same."""
        head = f"INSERT INTO {self.name(operation.table)} ({self.names(operation.columns)}) VALUES ("
        tail = ")" + self.on_conflict(operation.columns, operation.keys)
        found: dict[str, list[list[Any]]] = {}
        for row in operation.rows:
            values: list[Any] = []
            marks = ", ".join([self.mark(value, values) for value in row])
            found.setdefault(marks, []).append(values)
        return [Statement(head + marks + tail, rows, True) for marks, rows in found.items()]

    def batch(self, operations: Sequence[Upsert | Delete]) -> list[Statement]:
        """The statements of several changes."""
        made: list[Statement] = []
        for operation in operations:
            if isinstance(operation, Upsert):
                made += self.upsert(operation)
            else:
                made.append(self.delete(operation.table, operation.where))
        return made

    # ---------------------------------------------------------------- tables

    def kind(self, column: Column) -> str:
        """The type of a column: "char 64" is CHAR(64)."""
        found = self.kinds.get(column.kind)
        if found is not None:
            return found
        kind, _, length = column.kind.partition(" ")
        return f"{self.kinds.get(kind, kind.upper())}({length})"

    def default(self, column: Column) -> str:
        """" DEFAULT ..." or "", and NOT NULL."""
        text = ""
        if column.default is not None:
            quoted = str(column.default).replace("'", "''")
            text = f" DEFAULT '{quoted}'" if isinstance(column.default, str) else f" DEFAULT {column.default}"
        elif column.null:
            text = " DEFAULT NULL"
        return text + ("" if column.null else " NOT NULL")

    def column(self, column: Column) -> str:
        """One column of CREATE TABLE."""
        return f"{self.name(column.name)} {self.kind(column)}{self.default(column)}"

    def create(self, table: Table) -> list[str]:
        """The statements that make a table with its indexes."""
        parts = [self.column(column) for column in table.columns]
        parts += [
            f"CONSTRAINT {self.index_name(table, name)} UNIQUE ({self.names(columns)})" for name, columns in table.unique.items()
        ]
        made = [f"CREATE TABLE {self.name(table.name)} ({', '.join(parts)}){self.table_end}"]
        made += [
            f"CREATE INDEX {self.index_name(table, name)} ON {self.name(table.name)} ({self.names(columns)})"
            for name, columns in table.indexes.items()
        ]
        return made

    def index_name(self, table: Table, name: str) -> str:
        """Name of an index: here all tables share one set of names."""
        return self.name(f"{table.name}_{name}")

    table_end: ClassVar[str] = ""
    """What CREATE TABLE ends with."""

    def add_column(self, table: str, column: Column) -> list[str]:
        """The statements that add a column."""
        return [f"ALTER TABLE {self.name(table)} ADD COLUMN {self.column(column)}"]

    def change_column(self, table: str, column: Column) -> list[str]:
        """The statements that give a column another type or default: here a new one takes the place of the old one."""
        old, new = self.name(column.name), self.name(f"{column.name}_new")
        head = f"ALTER TABLE {self.name(table)}"
        return [
            f"{head} ADD COLUMN {new} {self.kind(column)}{self.default(column)}", f"UPDATE {self.name(table)} SET {new} = {old}",
            f"{head} DROP COLUMN {old}", f"{head} RENAME COLUMN {new} TO {old}",
        ]
