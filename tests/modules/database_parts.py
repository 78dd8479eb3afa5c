"""What every driver of a database server must do, run against the real one by test_db_postgres and test_db_mysql."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from engine.db.interface import Delete, Time, Upsert, Where, equal, seconds_of
from engine.db.schema import VERSION_TABLE, Table, table
from engine.db.url import parse_db_url
from engine.errors import DbError, DbRefused
from tests.database_servers import DatabaseServer
from tests.modules.parts import PartServer

THINGS = table("things", 3, """
    id serial
    name char 40
    note text
    size float
    data blob
    at time
    small int = 7
""", unique={"name_idx": ("name",)}, indexes={"small_idx": ("small",)})


class Gate:
    """A proxy in front of a server that can stop to pass anything on, or cut what goes through it."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        self.open = asyncio.Event()
        self.open.set()
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, other_writer]
        for source, sink in ((reader, other_writer), (other_reader, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self.open.wait()
                sink.write(data)
        except OSError:
            pass
        sink.close()

    def cut(self) -> None:
        """Break all connections."""
        writers, self._writers = self._writers, []
        for one in writers:
            one.transport.abort()

    async def close(self) -> None:
        """Neither listen nor pass anything on."""
        self.open.set()
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.sleep(0)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)


class DriverTests:
    """The tests; a subclass says which driver, and a fixture `database` gives the server."""

    driver = ""

    def run(
        self, database: DatabaseServer, body: Callable[[Any, Any], Any], *, tables: tuple[Table, ...] = (THINGS,), **params: Any,
    ) -> PartServer:
        """Run body(connection, server) in a fresh database; server.gate is between the two."""
        server = PartServer()

        async def main() -> None:
            server.loop = asyncio.get_running_loop()
            driver = server.load(self.driver, **params)
            server.init()
            await self.fresh(driver, database, tables)
            gate = Gate(database.port)
            await gate.start()
            server.gate = gate  # type: ignore[attr-defined]
            connection = await driver.connect(parse_db_url(database.url("test").replace(f":{database.port}/", f":{gate.port}/")))
            try:
                await body(connection, server)
            finally:
                await connection.close()
                await gate.close()

        asyncio.run(main())
        return server

    async def fresh(self, driver: Any, database: DatabaseServer, tables: tuple[Table, ...]) -> None:
        """Empty the database `test`."""
        url = parse_db_url(database.url("test"))
        await driver.create(url, [VERSION_TABLE], True)
        connection = await driver.connect(url)
        for (name,) in await connection.query("version", ["table_name"]):
            await connection.raw(f"DROP TABLE IF EXISTS {name}")
        await connection.raw("DROP TABLE version")
        await connection.close()
        assert await driver.create(url, [VERSION_TABLE, *tables], False)

    def test_statements(self, database: DatabaseServer) -> None:
        async def body(db: Any, _: Any) -> None:
            assert await db.insert("things", {"name": "a", "size": 0.5, "data": b"\x00\xff'\\", "at": Time(1700000000.9)}) == 1
            assert await db.insert("things", {"name": None, "size": 2}) == 2
            ((ident, name, size, data, at, small),) = await db.query(
                "things", ["id", "name", "size", "data", "at", "small"], equal(id=1))
            assert (ident, name, size, data, seconds_of(at), small) == (1, "a", 0.5, b"\x00\xff'\\", 1700000000, 7)
            assert await db.query("things", ["id"], equal(name=None)) == [(2,)]
            assert await db.query("things", ["id"], [Where("name", "!=", None)]) == [(1,)]
            assert await db.query("things", ["id"], [Where("id", "in", [1, 2, 3]), Where("size", ">", 1)]) == [(2,)]
            assert await db.query("things", ["id"], equal(id="2")) == [(2,)]
            assert await db.query("things", ["id"], (), "-id", 1) == [(2,)]
            assert len((await db.query("things", []))[0]) == 7
            assert await db.update("things", {"name": 5}, equal(id=2)) == 1
            assert await db.query("things", ["name"], equal(name=5)) == [("5",)]
            await db.replace("things", {"id": 1, "name": "c"})
            await db.replace("things", {"name": "5", "small": 9})
            assert [chunk async for chunk in db.query_all("things", ["name"], "name", 1)] == [[("5",)], [("c",)]]
            assert await db.delete("things", [Where("name", "like", "c%")]) == 1
            result = await db.raw("SELECT small AS number FROM things")
            assert (result.columns, result.rows) == (["number"], [(9,)])
            assert await db.delete("things") == 1
            assert (await db.raw("UPDATE things SET name = 'x'")).columns == []
            with pytest.raises(DbError, match="operator"):
                await db.query("things", ["id"], [Where("id", "; drop", 1)])
            for statement in ("SELECT * FROM nowhere", "nonsense"):
                with pytest.raises(DbError):
                    await db.raw(statement)

        self.run(database, body)

    @pytest.mark.parametrize("text", [
        "J\xc3\xb6rg", "\xff\xfe", "a\x00b", "'; DROP TABLE things; --", "\\' OR 1=1 -- %s %(x)s $1", "", "\xee\xba\x80",
        "\xf0\x9f\x98\x80",
    ])
    def test_text_comes_back_byte_for_byte(self, database: DatabaseServer, text: str) -> None:
        async def body(db: Any, _: Any) -> None:
            await db.insert("things", {"name": text, "note": text})
            assert await db.query("things", ["name", "note"], equal(name=text)) == [(text, text)]
            if text.startswith("J"):
                assert (await db.raw(f"SELECT name, char_length(name) FROM things WHERE name = '{text}'")).rows == [(text, 4)]

        self.run(database, body)

    def test_a_batch_happens_as_a_whole_or_not_at_all(self, database: DatabaseServer) -> None:
        async def body(db: Any, _: Any) -> None:
            columns, keys = ("id", "name"), ("id",)
            await db.batch([Upsert("things", columns, [(1, "a"), (2, "b")], keys)])
            await db.batch([Delete("things", equal(id=1)), Upsert("things", columns, [(2, "B"), (3, "\xfc")], keys)])
            assert await db.query("things", list(columns), (), "id") == [(2, "B"), (3, "\xfc")]
            with pytest.raises(DbRefused):
                await db.batch([Delete("things", []), Upsert("things", columns, [(1, "x" * 41)], keys)])
            with pytest.raises(DbRefused):
                await db.insert("things", {"small": 1 << 40})
            with pytest.raises(DbError) as caught:
                await db.batch([Delete("things", []), Upsert("nowhere", columns, [(1, "x")], keys)])
            assert not isinstance(caught.value, DbRefused)
            assert len(await db.query("things", ["id"])) == 2

        self.run(database, body)

    def test_statements_meet_and_share_connections(self, database: DatabaseServer) -> None:
        async def body(db: Any, _: Any) -> None:
            await asyncio.gather(*[db.insert("things", {"name": str(number)}) for number in range(40)])
            assert len(await db.query("things", ["id"])) == 40
            assert 1 < len(db._pool._idle) <= 10
            async for _chunk in db.query_all("things", ["id"], "id", 3):
                break
            assert len(await db.query("things", ["id"])) == 40

        self.run(database, body)

    def test_a_connection_that_is_cut_is_replaced(self, database: DatabaseServer) -> None:
        async def body(db: Any, server: Any) -> None:
            for _ in range(3):
                server.gate.cut()
                await db.insert("things", {"name": None})
            assert len(await db.query("things", ["id"])) == 3
            assert not server.lines

        self.run(database, body)

    def test_a_server_that_is_away_is_an_error_at_once_and_comes_back(self, database: DatabaseServer) -> None:
        async def body(db: Any, server: Any) -> None:
            await server.gate.close()
            with pytest.raises(DbError, match=r"cannot connect"):
                await db.query("things", ["id"])
            with pytest.raises(DbError, match="next attempt"):
                await db.query("things", ["id"])
            assert len(server.lines) == 1 and "secret" not in server.lines[0]
            await server.gate.start()
            db._pool._next_try = 0.0
            assert await db.query("things", ["id"]) == []
            assert "connected again" in server.lines[-1]

        self.run(database, body)

    def test_a_server_that_says_nothing_costs_one_wait(self, database: DatabaseServer) -> None:
        async def body(db: Any, server: Any) -> None:
            db._pool._limits = db._pool._limits._replace(timeout=0.1)
            server.gate.open.clear()
            with pytest.raises(DbError, match="no answer within 0.1 s"):
                await db.query("things", ["id"])
            with pytest.raises(DbError, match="next attempt"):
                await db.query("things", ["id"])
            server.gate.open.set()
            db._pool._limits = db._pool._limits._replace(timeout=5.0)
            db._pool._next_try = 0.0
            assert await db.query("things", ["id"]) == []

        self.run(database, body)

    def test_slow_statements_are_told(self, database: DatabaseServer) -> None:
        async def body(db: Any, server: Any) -> None:
            db._pool._limits = db._pool._limits._replace(threshold=1)
            await db.query("things", ["id"])
            assert "slow query" in server.lines[-1] and "things" in server.lines[-1]

        self.run(database, body, exec_query_threshold=60000)

    def test_modules_share_a_url(self, database: DatabaseServer) -> None:
        async def body(db: Any, server: Any) -> None:
            driver = server.registry.modules[self.driver]
            first = await driver.connect(parse_db_url(database.url("test")))
            second = await driver.connect(parse_db_url(database.url("test")))
            assert first._pool is second._pool and first._pool is not db._pool
            await first.close()
            with pytest.raises(DbError, match="closed"):
                await first.query("things", ["id"])
            assert await second.query("things", ["id"]) == []
            await second.close()
            assert await db.query("things", ["id"]) == []

        self.run(database, body)

    def test_start_up_errors_say_what_is_wrong(self, database: DatabaseServer) -> None:
        async def body(db: Any, server: Any) -> None:
            driver = server.registry.modules[self.driver]
            for url, text in (
                (database.url("nowhere"), "nowhere"), (database.url(""), "names no database"),
                (database.url("test") + "?tls_domain=x", "tls_mgm"),
            ):
                with pytest.raises(Exception, match=text) as caught:
                    await driver.connect(parse_db_url(url))
                assert "secret" not in str(caught.value)

        self.run(database, body, use_tls=1)
