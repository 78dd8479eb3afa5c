"""db_text: a database whose tables are text files in a folder, db_url text:///path/to/folder.

Manual: OpenSIPS 3.6, module db_text. The tables are held in memory and written back when the server stops or MI says so. There is
no SQL, no order of rows but that of the file (as in OpenSIPS), and there are no unique keys. A relative path counts from the
folder of the script.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from engine.db.interface import Connection, DbValue, Delete, Result, Row, Upsert, Where
from engine.db.url import DbUrl
from engine.errors import DbError, MiError
from engine.module import Module, mi_command, modparam
from modules.db_text.table import Table


class Database:
    """The tables of one folder that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables: dict[str, Table] = {}

    def table(self, name: str, watched: bool) -> Table:
        """A table; watched: read again when its file was changed. Raises DbError."""
        found = self.tables.get(name)
        if found is None:
            if not name or "/" in name:
                raise DbError(f"bad name of a table {name!r}")
            found = self.tables[name] = Table(self.folder / name)
        elif watched:
            found.refresh()
        return found


class TextConnection:
    """A connection (engine.db.interface.Connection); all to one folder see the same tables."""

    def __init__(self, database: Database, watched: bool) -> None:
        self._database = database
        self._watched = watched

    def _table(self, name: str) -> Table:
        return self._database.table(name, self._watched)

    async def query(
        self, table: str, columns: Sequence[str], where: Sequence[Where] = (), order: str = "", limit: int = 0,
    ) -> list[Row]:
        """Rows of a table, in the order of the file whatever is asked for."""
        return self._table(table).select(columns, where, limit)

    async def query_all(self, table: str, columns: Sequence[str], order: str = "", size: int = 1000) -> AsyncIterator[list[Row]]:
        """All rows of a table, size at a time."""
        rows = self._table(table).select(columns, (), 0)
        for start in range(0, len(rows), size):
            yield rows[start:start + size]

    async def insert(self, table: str, values: Mapping[str, DbValue]) -> int:
        """Add a row; its automatic number."""
        return self._table(table).insert(values)

    async def replace(self, table: str, values: Mapping[str, DbValue]) -> None:
        """Not to be had: a text file has no unique keys."""
        raise DbError("db_text has no unique keys, so it cannot replace rows")

    async def update(self, table: str, values: Mapping[str, DbValue], where: Sequence[Where]) -> int:
        """Change rows; how many."""
        return self._table(table).update(values, where)

    async def delete(self, table: str, where: Sequence[Where] = ()) -> int:
        """Delete rows; how many."""
        return self._table(table).delete(where)

    async def batch(self, operations: Sequence[Upsert | Delete]) -> None:
        """Several changes: all of them, or none."""
        before: dict[str, list[list[DbValue]]] = {}
        try:
            for operation in operations:
                table = self._table(operation.table)
                before.setdefault(operation.table, copy.deepcopy(table.rows))
                if isinstance(operation, Delete):
                    table.delete(operation.where)
                else:
                    _upsert(table, operation)
        except DbError:
            for name, rows in before.items():
                self._table(name).rows = rows
            raise

    async def raw(self, sql: str) -> Result:
        """Not to be had: there is no SQL."""
        raise DbError("db_text has no SQL")

    async def close(self) -> None:
        """Nothing to end; the tables stay with the module."""


def _upsert(table: Table, operation: Upsert) -> None:
    for row in operation.rows:
        values = dict(zip(operation.columns, row, strict=True))
        where = [Where(key, "=", values[key]) for key in operation.keys]
        if not table.update(values, where):
            table.insert(values)


class DbText(Module):
    """The module: a Driver."""

    db_mode = modparam(int, 0, min=0, max=1, help="1: read a table again when its file was changed")
    buffer_size = modparam(int, 4096, min=1, help="longest field", effect="fields may have any length")

    def _databases(self) -> dict[Path, Database]:
        # Other modules connect while they start, perhaps before this one's mod_init.
        if not hasattr(self, "_opened"):
            self._opened: dict[Path, Database] = {}
        return self._opened

    async def connect(self, url: DbUrl) -> Connection:
        """Open a folder, which must exist. Raises DbError."""
        text = url.text.partition("://")[2].partition("?")[0]
        folder = Path(text)
        if not folder.is_absolute():
            folder = Path(self.server.cfg_path).resolve().parent / text
        if not folder.is_dir():
            raise DbError(f"there is no folder {folder}")
        database = self._databases().setdefault(folder, Database(folder))
        return TextConnection(database, self.db_mode == 1)

    def _dump(self) -> bool:
        """Write what was changed. False: something could not be written (logged)."""
        good = True
        for database in self._databases().values():
            for table in database.tables.values():
                if table.changed:
                    try:
                        table.dump()
                    except DbError as error:
                        self.log.error("%s", error)
                        good = False
        return good

    async def destroy(self) -> None:
        self._dump()

    @mi_command("dbt_dump", help="writes changed tables to their files")
    def mi_dump(self) -> None:
        """500: a file could not be written."""
        if not self._dump():
            raise MiError(500, "Internal error")

    @mi_command("dbt_reload", help="reads all tables, those of a database, or one table again")
    def mi_reload(self, db_name: str = "", table_name: str = "") -> None:
        """400: no such database or table in memory; 500: a file is broken, its table stays as it is."""
        databases = [one for path, one in self._databases().items() if not db_name or str(path) == db_name.rstrip("/")]
        if db_name and not databases:
            raise MiError(400, "Bad parameter value")
        failed = False
        for database in databases:
            if table_name and table_name not in database.tables:
                raise MiError(400, "Bad parameter value")
            for name, table in database.tables.items():
                if table_name in ("", name):
                    try:
                        table.load()
                    except DbError as error:
                        self.log.error("%s", error)
                        failed = True
        if failed:
            raise MiError(500, "Internal error")


exports = DbText
