"""Making the standard tables and bringing older ones up to date, through any driver that has SQL."""

from __future__ import annotations

from collections.abc import Sequence

from engine.db.interface import Connection, equal
from engine.db.schema import VERSION_TABLE, Table
from engine.db.sql import Sql
from engine.db.tables import STEPS, TABLES
from engine.errors import DbError


async def has_table(connection: Connection, name: str) -> bool:
    """Whether a table can be read. Raises DbError when the database cannot be reached."""
    try:
        await connection.query(name, [], (), "", 1)
    except DbError as error:
        # "Does not exist" is said differently by each database; one that is away does not answer this either.
        await connection.raw("SELECT 1")
        if "denied" in str(error):
            raise
        return False
    return True


async def make_tables(connection: Connection, sql: Sql, tables: Sequence[Table], if_missing: bool) -> bool:
    """Make tables (the first one is the version table) and write down their versions. False: all of them are there.

    if_missing: tables that are there are left as they are; else they are an error. Raises DbError.
    """
    missing = [table for table in tables if not await has_table(connection, table.name)]
    present = [table.name for table in tables[1:] if table not in missing]
    if present and not if_missing:
        raise DbError(f"there is a table {present[0]} already; --if-missing makes only those that are not there")
    for table in missing:
        for statement in sql.create(table):
            await connection.raw(statement)
        if table.name != VERSION_TABLE.name:
            await connection.delete(VERSION_TABLE.name, equal(table_name=table.name))
            await connection.insert(VERSION_TABLE.name, {"table_name": table.name, "table_version": table.version})
    return bool(missing)


async def migrate_tables(connection: Connection, sql: Sql) -> list[str]:
    """Bring the tables of OpenSIPS 3.1 to 3.5 up to date; a sentence about each. Raises DbError."""
    if not await has_table(connection, VERSION_TABLE.name):
        raise DbError("there is no table `version`: this is not a database of OpenSIPS")
    said: list[str] = []
    for name, found in sorted(await connection.query(VERSION_TABLE.name, ["table_name", "table_version"])):
        table = TABLES.get(name)
        if table is None or int(found) == table.version:
            continue
        if int(found) > table.version:
            said.append(f"{name}: version {found} is newer than {table.version}, which this server knows; left as it is")
            continue
        version = int(found)
        for step in STEPS:
            if step.table != name or step.before != version:
                continue
            for column in step.added:
                for statement in sql.add_column(name, table.column(column)):
                    await _unless_there(connection, name, column, statement)
            for column in step.changed:
                for statement in sql.change_column(name, table.column(column)):
                    await connection.raw(statement)
            version = step.after
            await connection.update(VERSION_TABLE.name, {"table_version": version}, equal(table_name=name))
        if version == table.version:
            said.append(f"{name}: version {found} is now {version}")
        else:
            said.append(f"{name}: version {found} is older than OpenSIPS 3.1; bring it to 3.1 with OpenSIPS' own scripts first")
    return said


async def _unless_there(connection: Connection, table: str, column: str, statement: str) -> None:
    """Add a column; one that an earlier, interrupted run has added is fine."""
    try:
        await connection.query(table, [column], (), "", 1)
    except DbError:
        await connection.raw(statement)
