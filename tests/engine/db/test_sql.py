"""Statements: names are quoted, values are parameters, rows of one form share a statement; the standard tables can be made."""

from __future__ import annotations

import sqlite3

import pytest

from engine.db.interface import Delete, Upsert, Where, equal
from engine.db.schema import VERSION_TABLE, columns
from engine.db.sql import Sql
from engine.db.tables import GROUPS, STEPS, TABLES
from engine.errors import DbError


def test_nothing_of_a_value_or_a_name_becomes_a_statement() -> None:
    sql = Sql()
    text, values, _ = sql.select('a"; DROP TABLE x; --', ['b"'], [Where('c"', "=", "'; --")], '-d"', 3)
    assert text == 'SELECT "b""" FROM "a""; DROP TABLE x; --" WHERE "c""" = ? ORDER BY "d""" DESC LIMIT 3'
    assert values == ["'; --"]
    with pytest.raises(DbError, match="operator"):
        sql.delete("t", [Where("a", "= 1 OR 1", 1)])
    assert sql.delete("t", [*equal(a=None), Where("b", "!=", None), Where("c", "in", [1, 2])]).text == (
        'DELETE FROM "t" WHERE "a" IS NULL AND "b" IS NOT NULL AND "c" IN (?,?)')


def test_rows_of_an_upsert_share_a_statement() -> None:
    upsert = Upsert("t", ("id", "a"), [(1, "x"), (2, "y")], ("id",))
    made = Sql().batch([Delete("t", equal(id=3)), upsert])
    assert [one.text for one in made] == [
        'DELETE FROM "t" WHERE "id" = ?',
        'INSERT INTO "t" ("id", "a") VALUES (?, ?) ON CONFLICT ("id") DO UPDATE SET "a" = excluded."a"',
    ]
    assert made[1].values == [[1, "x"], [2, "y"]] and made[1].many


def test_columns_are_read() -> None:
    ident, name, size = columns("""
        id serial
        name char 64 required = 'x = y'
        size float = 1.5
    """)
    assert (ident.kind, ident.null) == ("serial", False)
    assert (name.kind, name.null, name.default) == ("char 64", False, "x = y")
    assert (size.kind, size.null, size.default) == ("float", True, 1.5)


def test_all_tables_can_be_made_and_every_step_leads_to_todays_version() -> None:
    database = sqlite3.connect(":memory:")
    for table in [VERSION_TABLE, *TABLES.values()]:
        for statement in Sql().create(table):
            database.execute(statement)
    database.close()
    assert {name for names in GROUPS.values() for name in names} <= set(TABLES)
    for step in STEPS:
        assert step.after == TABLES[step.table].version
        for column in (*step.added, *step.changed):
            TABLES[step.table].column(column)


@pytest.mark.parametrize(("order", "text"), [
    ("a", '"a"'), ("-a", '"a" DESC'), ("a desc", '"a" DESC'), ("a ASC, b Desc ,-c", '"a" ASC, "b" DESC, "c" DESC'), ("a; drop", '"a; drop"'),
])
def test_order(order: str, text: str) -> None:
    assert Sql().select("t", (), (), order).text == f'SELECT * FROM "t" ORDER BY {text}'
