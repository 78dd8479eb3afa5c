"""SQLite files with standard tables and rows, for modules that read theirs."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from engine.db.tables import TABLES


def database(path: Path, **tables: list[dict[str, Any]]) -> str:
    """Make a file with these tables and rows, columns that are not named having their defaults; its URL. A table "x__as__y" has
    the layout of y and the name x."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE version (table_name TEXT, table_version INTEGER)")
    for key, rows in tables.items():
        name, _, layout = key.partition("__as__")
        table = TABLES[layout or name]
        columns = []
        for column in table.columns:
            kind = "INTEGER PRIMARY KEY" if column.kind == "serial" else "INTEGER" if "int" in column.kind else "TEXT"
            default = f" DEFAULT {column.default!r}" if column.default is not None else ""
            columns.append(f'"{column.name}" {kind}{default}')
        connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
        connection.execute("INSERT INTO version VALUES (?, ?)", (name, table.version))
        connection.commit()
        add(path, name, *rows)
    connection.commit()
    connection.close()
    return f"sqlite://{path}"


def add(path: Path, table: str, *rows: dict[str, Any]) -> None:
    """More rows."""
    connection = sqlite3.connect(path)
    for row in rows:
        names = ", ".join(row)
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    connection.commit()
    connection.close()


def change(path: Path, statement: str) -> None:
    """Do something else to a file."""
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def asked(path: Path, query: str) -> list[Any]:
    """The rows of a query."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()
