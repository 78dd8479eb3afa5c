"""Registrations in a database: what is written when, what comes back, and a database that does not work."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from engine.db.interface import time_text
from engine.errors import ConfigError, ConfigErrors
from modules.usrloc.contact import aor_hash
from modules.usrloc.writer import Writer
from tests.modules.parts import FakeClock, PartServer

LOCATION = """
CREATE TABLE version (table_name CHAR(32) NOT NULL, table_version INTEGER DEFAULT 0 NOT NULL);
INSERT INTO version VALUES ('location', 1013);
CREATE TABLE location (
    contact_id INTEGER PRIMARY KEY NOT NULL, username CHAR(64) DEFAULT '' NOT NULL, domain CHAR(64) DEFAULT NULL,
    contact TEXT NOT NULL, received CHAR(255) DEFAULT NULL, path CHAR(255) DEFAULT NULL, expires INTEGER NOT NULL,
    q FLOAT(10,2) DEFAULT 1.0 NOT NULL, callid CHAR(255) DEFAULT 'Default-Call-ID' NOT NULL, cseq INTEGER DEFAULT 13 NOT NULL,
    last_modified DATETIME DEFAULT '1900-01-01 00:00:01' NOT NULL, flags INTEGER DEFAULT 0 NOT NULL,
    cflags CHAR(255) DEFAULT NULL, user_agent CHAR(255) DEFAULT '' NOT NULL, socket CHAR(64) DEFAULT NULL,
    methods INTEGER DEFAULT NULL, sip_instance CHAR(255) DEFAULT NULL, kv_store TEXT(512) DEFAULT NULL,
    attr CHAR(255) DEFAULT NULL
);
"""
THROUGH, BACK = "single-instance-sql-write-through", "single-instance-sql-write-back"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "user.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(LOCATION)
    connection.close()
    return path


def rows(path: Path, columns: str = "username, contact, q, cseq") -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT {columns} FROM location ORDER BY contact_id").fetchall()
    finally:
        connection.close()


def server(path: Path, preset: str, clock: FakeClock | None = None, **params: Any) -> PartServer:
    made = PartServer(clock)
    made.load("usrloc", db_url=f"sqlite://{path}", working_mode_preset=preset, **params)
    made.load("db_sqlite", busy_timeout=20)
    return made


def fields(made: PartServer, uri: str, **more: Any) -> dict[str, Any]:
    return {"contact": uri, "expires": int(made.wall()) + 600, "callid": "c", "cseq": 1, **more}


async def in_worker(made: PartServer, call: Any) -> Any:
    from engine.workers import in_worker as run

    return await run(made.workers, call)


def test_write_through_is_in_the_table_when_settled_and_comes_back(database: Path) -> None:
    async def body() -> None:
        clock = FakeClock()
        async with server(database, THROUGH, clock) as made:
            made.registry.branch_flag_names.bit("NATTED")
            ul = made.registry.modules["usrloc"]
            table = ul.domain("location")
            await asyncio.sleep(0)

            def register() -> None:
                table.insert("bob", fields(
                    made, "sip:bob@192.0.2.1", q=300, path="<sip:192.0.2.7;lr>", instance="<urn:uuid:1>", attr="gold", cflags=1,
                    methods=9, received="sip:192.0.2.44:4444", user_agent="Ph\xc3\xb6ne", kv={"n": 1},
                ))
                gone = table.insert("bob", fields(made, "sip:bob@192.0.2.2"))
                table.insert("bob", fields(made, "sip:bob@192.0.2.3"))
                record = table.get("bob")
                record.kv["color"] = "red"
                table.keys_changed(record)
                table.delete(record, gone)
                ul.settle()

            await in_worker(made, register)
            assert rows(database) == [("bob", "sip:bob@192.0.2.1", 0.3, 1), ("bob", "sip:bob@192.0.2.3", -1.0, 1)]
            assert rows(database, "user_agent, cflags, path, methods, last_modified, domain, attr")[0] == (
                "Ph\xf6ne", "NATTED", "<sip:192.0.2.7;lr>", 9, time_text(clock.time), None, "gold",
            )
            ids = [contact.contact_id for contact in table.get("bob").contacts]
            assert [contact.state for contact in table.get("bob").contacts] == ["CS_SYNC", "CS_SYNC"]
        made = server(database, THROUGH, clock)
        made.registry.branch_flag_names.bit("NATTED")
        made.registry.resolve()
        made.registry.init_all()
        table = made.registry.modules["usrloc"].domain("location")
        await made.registry.start_all()
        record = table.get("bob")
        first, second = record.contacts
        assert [first.contact_id, second.contact_id] == ids
        assert (first.q, first.path, first.instance, first.attr) == (300, "<sip:192.0.2.7;lr>", "<urn:uuid:1>", "gold")
        assert (first.cflags, first.methods, first.received, first.user_agent) == (1, 9, "sip:192.0.2.44:4444", "Ph\xc3\xb6ne")
        assert (second.q, second.methods, first.state, dict(first.kv), record.kv) == (
            -1, 4294967295, "CS_SYNC", {"n": 1}, {"color": "red"},
        )
        await made.registry.stop_all()

    asyncio.run(body())


async def with_table(made: PartServer) -> Any:
    """Start a server whose script names the table `location`."""
    made.loop = asyncio.get_running_loop()
    made.init()
    table = made.registry.modules["usrloc"].domain("location")
    await made.registry.start_all()
    return table


def test_write_back_waits_for_the_timer_and_for_the_end(database: Path) -> None:
    async def body() -> None:
        made = server(database, BACK, timer_interval=10)
        table = await with_table(made)
        contact = table.insert("bob", fields(made, "sip:bob@192.0.2.1"))
        assert contact.state == "CS_NEW"
        await asyncio.sleep(0.01)
        assert rows(database) == []
        made.pass_time(10.2)
        assert await made.registry.modules["usrloc"].flush()
        assert (rows(database, "username"), contact.state) == ([("bob",)], "CS_SYNC")
        table.update(table.get("bob"), contact, {"cseq": 2})
        assert contact.state == "CS_DIRTY"
        await made.registry.stop_all()
        assert rows(database, "cseq") == [(2,)]

    asyncio.run(body())


def test_expired_rows_are_deleted_at_start_and_by_the_timer(database: Path) -> None:
    async def body() -> None:
        clock = FakeClock()
        made = server(database, THROUGH, clock)
        table = await with_table(made)
        table.insert("bob", fields(made, "sip:a@h", expires=int(clock.time) + 5))
        table.insert("bob", fields(made, "sip:b@h", expires=int(clock.time) + 200))
        table.insert("bob", fields(made, "sip:c@h", expires=0))
        await made.registry.stop_all()
        clock.time += 6
        made = server(database, THROUGH, clock)
        table = await with_table(made)
        assert [contact.contact for contact in table.get("bob").contacts] == ["sip:b@h", "sip:c@h"]
        assert await made.registry.modules["usrloc"].flush()
        assert rows(database, "contact") == [("sip:b@h",), ("sip:c@h",)]
        made.pass_time(260)
        assert await made.registry.modules["usrloc"].flush()
        assert (rows(database, "contact"), table.expired) == ([("sip:c@h",)], 1)
        await made.registry.stop_all()

    asyncio.run(body())


def test_locked_database_keeps_nobody_waiting_and_gets_everything_later(database: Path) -> None:
    async def body() -> None:
        made = server(database, THROUGH)
        table = await with_table(made)
        ul = made.registry.modules["usrloc"]
        lock = sqlite3.connect(database, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")

        def register(number: int) -> None:
            table.insert("bob", fields(made, f"sip:bob@192.0.2.{number}"))
            ul.settle()

        await in_worker(made, lambda: register(1))
        for number in range(2, 50):
            await in_worker(made, lambda number=number: register(number))
        assert any("stay in memory" in line for line in made.lines)
        assert len(table.get("bob").contacts) == 49
        lock.execute("ROLLBACK")
        lock.close()
        assert await ul.flush()
        assert len(rows(database)) == 49
        assert any("works again" in line for line in made.lines)
        await made.registry.stop_all()

    asyncio.run(body())


class StuckConnection:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.written = 0

    async def batch(self, operations: Any) -> None:
        await self.go.wait()
        self.written += sum(len(operation.rows) for operation in operations)


def test_a_database_that_hangs_is_waited_for_once() -> None:
    async def body() -> None:
        made = PartServer()
        module = made.load("usrloc")
        made.init()
        writer = Writer(module._rows, made.log, made.spawn, True, 10, patience=0.01)
        stuck = writer.connection = StuckConnection()  # type: ignore[assignment]
        table = module.domain("location")
        table.sink = writer
        waited = 0

        def register(number: int) -> None:
            nonlocal waited
            table.insert("bob", fields(made, f"sip:{number}@h"))
            waited += writer.healthy
            writer.settle(made.workers)

        for number in range(20):
            await in_worker(made, lambda number=number: register(number))
        assert (waited, writer.healthy, writer.backlog) == (1, False, 20)
        assert sum("does not answer" in line for line in made.lines) == 1
        stuck.go.set()
        assert await writer.drain(1)
        assert (stuck.written, writer.healthy) == (20, True)

    asyncio.run(body())


def test_rows_with_foreign_ids_are_left_alone_or_get_new_ones(database: Path) -> None:
    async def body() -> None:
        connection = sqlite3.connect(database)
        connection.execute("INSERT INTO location (contact_id, username, contact, expires) VALUES (7, 'bob', 'sip:b@h', 0)")
        connection.commit()
        connection.close()
        made = server(database, THROUGH)
        table = await with_table(made)
        assert table.get("bob") is None
        await made.registry.stop_all()
        assert rows(database, "contact_id") == [(7,)]
        made = server(database, THROUGH, regen_broken_contactid=1)
        table = await with_table(made)
        assert await made.registry.modules["usrloc"].flush()
        ((ident,),) = rows(database, "contact_id")
        assert ident >> 46 == aor_hash("bob") & 0xFFFF
        await made.registry.stop_all()

    asyncio.run(body())


@pytest.mark.parametrize("statement, text", [
    ("UPDATE version SET table_version = 1012", "version 1012"),
    ("DELETE FROM version", "no line"),
    ("DROP TABLE location", "no such table"),
])
def test_wrong_tables_refuse_the_start(database: Path, statement: str, text: str) -> None:
    async def body() -> None:
        connection = sqlite3.connect(database)
        connection.execute(statement)
        connection.commit()
        connection.close()
        made = server(database, THROUGH)
        with pytest.raises(ConfigError, match=text):
            await with_table(made)
        await made.registry.stop_all()

    asyncio.run(body())


def test_driver_and_url_are_asked_for() -> None:
    made = PartServer()
    made.load("usrloc", working_mode_preset=THROUGH)
    with pytest.raises(ConfigErrors, match="needs a database"):
        made.init()
    made = PartServer()
    made.load("usrloc", working_mode_preset=THROUGH, db_url="mysql://a:b@h/db")
    with pytest.raises(ConfigErrors, match="needs module db_mysql"):
        made.init()


@pytest.mark.parametrize("params", [
    {"working_mode_preset": "full-sharing-cluster"}, {"working_mode_preset": "nonsense"}, {"cluster_mode": "federation"},
    {"restart_persistency": "sync-from-cluster"}, {"db_mode": 1, "working_mode_preset": THROUGH}, {"location_cluster": 1},
])
def test_modes_that_cannot_be_are_refused(params: dict[str, Any]) -> None:
    made = PartServer()
    made.load("usrloc", **params)
    with pytest.raises(ConfigErrors):
        made.init()


def test_sql_only_keeps_nothing_in_memory(database: Path) -> None:
    async def body() -> None:
        made, other = server(database, "sql-only"), server(database, "sql-only")
        made.listen("E_UL_AOR_INSERT", "E_UL_CONTACT_INSERT", "E_UL_CONTACT_DELETE", "E_UL_AOR_DELETE")
        table, elsewhere = await with_table(made), await with_table(other)

        def work() -> None:
            table.insert("bob", fields(made, "sip:low@h", q=100))
            table.insert("bob", fields(made, "sip:high@h", q=900))
            record = elsewhere.get("bob")
            assert [contact.contact for contact in record.contacts] == ["sip:high@h", "sip:low@h"]
            elsewhere.update(record, record.contacts[1], {"q": 1000})
            record = table.get("bob")
            assert [contact.contact for contact in record.contacts] == ["sip:low@h", "sip:high@h"]
            found = table.by_contact_id(record.contacts[1].contact_id)
            assert found is not None and found[1].contact == "sip:high@h"
            table.expire(made.wall())
            assert (table.record_count, table.contact_count) == (1, 2)
            assert table.delete_aor("bob") and table.get("bob") is None

        await in_worker(made, work)
        assert [name for name, _ in made.heard] == [
            "E_UL_AOR_INSERT", "E_UL_CONTACT_INSERT", "E_UL_CONTACT_INSERT", "E_UL_CONTACT_DELETE", "E_UL_CONTACT_DELETE",
            "E_UL_AOR_DELETE",
        ]
        for one in (made, other):
            await one.registry.stop_all()

    asyncio.run(body())


def test_use_domain_splits_the_aor(database: Path) -> None:
    async def body() -> None:
        clock = FakeClock()
        made = server(database, THROUGH, clock, use_domain=1)
        table = await with_table(made)
        for aor in ("bob@example.com", "example.com"):
            table.insert(aor, fields(made, "sip:x@h"))
        await made.registry.stop_all()
        assert sorted(rows(database, "username, domain")) == [("", "example.com"), ("bob", "example.com")]
        made = server(database, THROUGH, clock, use_domain=1)
        table = await with_table(made)
        assert sorted(record.aor for record in table.records()) == ["bob@example.com", "example.com"]
        await made.registry.stop_all()

    asyncio.run(body())


def test_resync_writes_the_table_anew(database: Path) -> None:
    async def body() -> None:
        made = server(database, THROUGH)
        made.load_core_mi()
        table = await with_table(made)
        table.insert("bob", fields(made, "sip:b@h"))
        assert await made.registry.modules["usrloc"].flush()
        connection = sqlite3.connect(database)
        connection.execute("UPDATE location SET username = 'mallory'")
        connection.commit()
        connection.close()
        assert await made.mi.call("ul_sync", {"table_name": "location"}) == "OK"
        assert await made.mi.call("ul_flush") == "OK"
        assert rows(database, "username") == [("bob",)]
        await made.registry.stop_all()

    asyncio.run(body())
