"""The SQLite driver: statements, bytes of text, transactions, locks, errors."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.db.interface import Delete, Time, Upsert, Where, equal, time_text
from engine.db.url import parse_db_url
from engine.errors import DbError
from tests.modules.parts import PartServer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "x.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, size REAL, data BLOB, at DATETIME)")
    connection.close()
    return file


def with_connection(path: Path, body: Callable[[Any], Any], **params: Any) -> None:
    async def main() -> None:
        server = PartServer()
        driver = server.load("db_sqlite", **params)
        server.init()
        connection = await driver.connect(parse_db_url(f"sqlite://{path}"))
        try:
            await body(connection)
        finally:
            await connection.close()

    asyncio.run(main())


def test_statements(path: Path) -> None:
    async def body(db: Any) -> None:
        assert await db.insert("t", {"name": "a", "size": 0.5, "data": b"\x00\xff", "at": Time(1700000000.9)}) == 1
        assert await db.insert("t", {"name": None, "size": 2}) == 2
        assert await db.query("t", ["id", "name", "size", "data", "at"], equal(id=1)) == [
            (1, "a", 0.5, b"\x00\xff", time_text(1700000000))]
        assert await db.query("t", ["id"], equal(name=None)) == [(2,)]
        assert await db.query("t", ["id"], [Where("name", "!=", None)]) == [(1,)]
        assert await db.query("t", ["id"], [Where("id", "in", [1, 2, 3]), Where("size", ">", 1)]) == [(2,)]
        assert await db.query("t", ["id"], (), "-id", 1) == [(2,)]
        assert len((await db.query("t", []))[0]) == 5
        assert await db.update("t", {"name": "b"}, equal(id=2)) == 1
        await db.replace("t", {"id": 1, "name": "c"})
        assert [chunk async for chunk in db.query_all("t", ["name"], "id", 1)] == [[("c",)], [("b",)]]
        assert await db.delete("t", [Where("name", "like", "c%")]) == 1
        result = await db.raw("SELECT id AS number FROM t")
        assert (result.columns, result.rows) == (["number"], [(2,)])
        assert await db.delete("t") == 1
        assert (await db.raw("UPDATE t SET name = 'x'")).columns == []
        with pytest.raises(DbError, match="operator"):
            await db.query("t", ["id"], [Where("id", "; drop", 1)])

    with_connection(path, body)


@pytest.mark.parametrize("text", ["J\xc3\xb6rg", "\xff\xfe", "plain", "'; DROP TABLE t; --", ""])
def test_text_is_kept_byte_for_byte(path: Path, text: str) -> None:
    async def body(db: Any) -> None:
        await db.insert("t", {"name": text})
        assert await db.query("t", ["name"], equal(name=text)) == [(text,)]
        if text.startswith("J"):
            assert (await db.raw(f"SELECT name FROM t WHERE name = '{text}'")).rows == [(text,)]

    with_connection(path, body)
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    assert connection.execute("SELECT name, typeof(name) FROM t").fetchall() == [(text.encode("latin-1"), b"text")]
    connection.close()


def test_a_batch_happens_as_a_whole_or_not_at_all(path: Path) -> None:
    async def body(db: Any) -> None:
        columns, keys = ("id", "name"), ("id",)
        await db.batch([Upsert("t", columns, [(1, "a"), (2, "b")], keys)])
        await db.batch([Delete("t", equal(id=1)), Upsert("t", columns, [(2, "B"), (3, "c")], keys)])
        assert await db.query("t", list(columns), (), "id") == [(2, "B"), (3, "c")]
        with pytest.raises(DbError):
            await db.batch([Delete("t", []), Upsert("nowhere", columns, [(1, "x")], keys)])
        assert len(await db.query("t", ["id"])) == 2

    with_connection(path, body)


def test_a_lock_is_an_error_and_passes(path: Path) -> None:
    async def body(db: Any) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DbError, match="locked"):
            await db.insert("t", {"name": "x"})
        other.execute("ROLLBACK")
        other.close()
        assert await db.insert("t", {"name": "x"}) == 1

    with_connection(path, body, busy_timeout=1)


def test_errors_and_pragmas(path: Path) -> None:
    async def body(db: Any) -> None:
        assert (await db.raw("PRAGMA synchronous")).rows == [(0,)]
        for statement in ("SELECT * FROM nowhere", "nonsense"):
            with pytest.raises(DbError):
                await db.raw(statement)
        await db.close()
        with pytest.raises(DbError, match="closed"):
            await db.raw("SELECT 1")

    with_connection(path, body, exec_pragma="synchronous=OFF")


def test_the_file_must_exist_and_be_a_database(tmp_path: Path) -> None:
    async def nothing(db: Any) -> None:
        raise AssertionError("it opened")

    with pytest.raises(DbError, match="no database file"):
        with_connection(tmp_path / "none.sqlite", nothing)
    assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "text").write_text("no database, but long enough to be read as a header of one" * 10)
    with pytest.raises(DbError):
        with_connection(tmp_path / "text", nothing)
