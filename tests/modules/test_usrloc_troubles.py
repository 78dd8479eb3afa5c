"""Registrations when something is wrong: a database that does not answer, refuses, is full; very many contacts; bad input."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError, ConfigErrors, DbError
from engine.server.dbtool import create
from tests.database_servers import DatabaseServer, Maria, Postgres
from tests.helpers import Harness
from tests.modules.database_parts import Gate
from tests.modules.parts import FakeClock, PartServer
from tests.modules.test_usrloc_sql import BACK, THROUGH, fields, in_worker, rows, with_table


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "user.sqlite"
    asyncio.run(create(f"sqlite://{path}", False))
    return path


def server(url: str, preset: str, clock: FakeClock | None = None, **params: Any) -> PartServer:
    made = PartServer(clock)
    made.load("usrloc", db_url=url, working_mode_preset=preset, **params)
    made.load(f"db_{url.partition(':')[0]}")
    return made


# ---------------------------------------------------------------- the table refuses


def test_a_row_the_table_refuses_holds_up_nobody(database: Path) -> None:
    async def body() -> None:
        connection = sqlite3.connect(database)
        connection.execute(
            "CREATE TRIGGER picky BEFORE INSERT ON location WHEN new.username = 'bad' BEGIN SELECT RAISE(ABORT, 'not him'); END")
        connection.commit()
        connection.close()
        made = server(f"sqlite://{database}", THROUGH)
        table = await with_table(made)
        ul = made.registry.modules["usrloc"]

        def register() -> None:
            for name in ("a", "bad", "c", "d", "bad", "f"):
                table.insert(name, fields(made, f"sip:{name}@h"))
            ul.settle()

        await in_worker(made, register)
        assert sorted(name for (name,) in rows(database, "username")) == ["a", "c", "d", "f"]
        assert sum("stays in memory only" in line and "not him" in line for line in made.lines) == 2
        assert [contact.state for contact in table.get("bad").contacts] == ["CS_NEW", "CS_NEW"]
        assert ul._writer.backlog == 0 and ul._writer.healthy
        await made.registry.stop_all()

    asyncio.run(body())


def test_numbers_of_32_bits_fit_the_columns(database: Path) -> None:
    async def body() -> None:
        clock = FakeClock()
        made = server(f"sqlite://{database}", THROUGH, clock)
        table = await with_table(made)
        table.insert("bob", fields(made, "sip:bob@h", cseq=0xFFFFFFFF, expires=int(clock.time) + 0xFFFFFFFF))
        await made.registry.stop_all()
        assert rows(database, "cseq, expires") == [(-1, 0x7FFFFFFF)]
        made = server(f"sqlite://{database}", THROUGH, clock)
        table = await with_table(made)
        assert table.get("bob").contacts[0].cseq == 0xFFFFFFFF
        await made.registry.stop_all()

    asyncio.run(body())


def test_a_full_disk_is_told_and_everything_written_when_there_is_room(database: Path) -> None:
    async def body() -> None:
        made = server(f"sqlite://{database}", THROUGH)
        table = await with_table(made)
        ul = made.registry.modules["usrloc"]
        # What the kernel does to a process beyond its RLIMIT_FSIZE; SQLite sees the failed write it sees on a full disk.
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (database.stat().st_size, hard))
        try:
            def register(first: int) -> None:
                for number in range(first, first + 200):
                    table.insert(f"user{number}", fields(made, f"sip:{number}@h"))
                ul.settle()

            await in_worker(made, lambda: register(0))
            await in_worker(made, lambda: register(200))
            assert table.contact_count == 400 and ul._writer.backlog == 400
            assert sum("stay in memory and are written later" in line for line in made.lines) == 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert await ul.flush()
        assert len(rows(database)) == 400
        await made.registry.stop_all()

    asyncio.run(body())


# ---------------------------------------------------------------- the database does not answer


@pytest.fixture(scope="module", params=[Postgres, Maria])
def remote(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    found: DatabaseServer = request.param()
    asyncio.run(create(found.url("troubles"), False))
    yield found
    found.stop()


async def through_gate(remote: DatabaseServer, preset: str, **params: Any) -> tuple[Gate, PartServer, Any]:
    gate = Gate(remote.port)
    await gate.start()
    made = server(remote.url("troubles").replace(f":{remote.port}/", f":{gate.port}/"), preset, **params)
    return gate, made, await with_table(made)


async def stored(remote: DatabaseServer) -> list[tuple[Any, ...]]:
    made = PartServer()
    driver = made.load(f"db_{remote.url('x').partition(':')[0]}")
    made.init()
    from engine.db.url import parse_db_url

    connection = await driver.connect(parse_db_url(remote.url("troubles")))
    found: list[tuple[Any, ...]] = await connection.query("location", ["username"], (), "username")
    await connection.delete("location")
    await connection.close()
    return found


def test_a_silent_database_holds_up_one_request_and_gets_everything(remote: DatabaseServer) -> None:
    async def body() -> None:
        gate, made, table = await through_gate(remote, THROUGH)
        ul = made.registry.modules["usrloc"]
        ul._writer._patience = 0.05
        pool = ul._connection._pool
        pool._limits = pool._limits._replace(timeout=0.2)
        assert await ul.flush()
        gate.open.clear()
        waited = []

        def register(number: int) -> None:
            table.insert(f"user{number:03}", fields(made, f"sip:{number}@h", user_agent="Ph\xc3\xb6ne \xff"))
            start = time.monotonic()
            ul.settle()
            waited.append(time.monotonic() - start > 0.01)

        await in_worker(made, lambda: register(0))
        for number in range(1, 300):
            await in_worker(made, lambda number=number: register(number))
        # The same contacts again: what waits is bounded by the contacts, not by the requests.
        for record in list(table.records()):
            table.update(record, record.contacts[0], {"cseq": 2})
        assert (sum(waited), ul._writer.backlog) == (1, 300)
        gone = table.get("user299")
        table.delete(gone, gone.contacts[0])
        assert sum("does not answer" in line for line in made.lines) == 1
        while not any("no answer within" in line for line in made.lines):
            await asyncio.sleep(0.01)
        gate.open.set()
        pool._limits = pool._limits._replace(timeout=5.0)
        pool._next_try = 0.0
        while ul._writer.backlog:
            await ul._writer.drain(5)
        assert await stored(remote) == [(f"user{number:03}",) for number in range(299)]
        assert any("works again" in line for line in made.lines)
        await made.registry.stop_all()
        await gate.close()

    asyncio.run(body())


def test_sql_only_gives_up_when_the_database_is_silent(remote: DatabaseServer) -> None:
    async def body() -> None:
        gate, made, table = await through_gate(remote, "sql-only")
        pool = made.registry.modules["usrloc"]._connection._pool
        await in_worker(made, lambda: table.insert("bob", fields(made, "sip:bob@h", user_agent="\xff")))
        found = await in_worker(made, lambda: table.get("bob"))
        assert found.contacts[0].user_agent == "\xff"
        pool._limits = pool._limits._replace(timeout=0.05)
        gate.open.clear()
        for text in ("no answer", "next attempt"):
            with pytest.raises(DbError, match=text):
                await in_worker(made, lambda: table.get("bob"))
        gate.open.set()
        pool._limits = pool._limits._replace(timeout=5.0)
        pool._next_try = 0.0
        assert (await in_worker(made, lambda: table.get("bob"))) is not None
        assert await stored(remote) == [("bob",)]
        await made.registry.stop_all()
        await gate.close()

    asyncio.run(body())


def test_registrations_survive_on_a_database_server(remote: DatabaseServer) -> None:
    async def body() -> None:
        clock = FakeClock(time.time())
        made = server(remote.url("troubles"), THROUGH, clock, use_domain=1)
        table = await with_table(made)
        table.insert("bob@example.com", fields(
            made, "sip:b'; DROP TABLE location; --@h", q=300, path="<sip:192.0.2.7;lr>", instance='<urn:uuid:"1">',
            attr="g\\'old", methods=9, received="sip:192.0.2.44:4444", user_agent="Ph\xc3\xb6ne \xff",
            kv={"n": 1, "t": "\xc3\xb6"}, last_modified=clock.time,
        ))
        table.insert("no@example.com", fields(made, "sip:short@h", expires=int(clock.time) + 1))
        await made.registry.stop_all()
        clock.time += 2
        made = server(remote.url("troubles"), BACK, clock, use_domain=1)
        table = await with_table(made)
        assert table.contact_count == 1
        one = table.get("bob@example.com").contacts[0]
        assert (
            one.contact, one.q, one.path, one.instance, one.attr, one.methods, one.received, one.user_agent, dict(one.kv),
        ) == (
            "sip:b'; DROP TABLE location; --@h", 300, "<sip:192.0.2.7;lr>", '<urn:uuid:"1">', "g\\'old", 9,
            "sip:192.0.2.44:4444", "Ph\xc3\xb6ne \xff", {"n": 1, "t": "\xc3\xb6"})
        assert abs(one.last_modified - clock.time) < 4
        await made.registry.stop_all()
        assert await stored(remote) == [("bob",)]

    asyncio.run(body())


def test_a_database_server_that_stops_and_starts(remote: DatabaseServer) -> None:
    async def body() -> None:
        made = server(remote.url("troubles"), THROUGH)
        table = await with_table(made)
        ul = made.registry.modules["usrloc"]
        remote.kill()
        table.insert("bob", fields(made, "sip:bob@h"))
        assert not await ul.flush()
        remote.start()
        ul._connection._pool._next_try = 0.0
        while not await ul.flush():
            pass
        await made.registry.stop_all()
        assert await stored(remote) == [("bob",)]

    asyncio.run(body())


# ---------------------------------------------------------------- very many


def test_expiry_of_very_many_lets_messages_in_between() -> None:
    async def body() -> None:
        clock = FakeClock()
        made = PartServer(clock)
        made.load("usrloc", timer_interval=60)
        table = await with_table(made)
        ul = made.registry.modules["usrloc"]
        for number in range(12_000):
            table.insert(f"user{number}", fields(made, f"sip:{number}@h"))
        survivor = table.get("user11999")
        clock.time += 700
        turns = 0

        async def others() -> None:
            nonlocal turns
            while table.contact_count > 1:
                turns += 1
                if turns == 2:
                    # Refreshed while the others are being removed.
                    table.update(survivor, survivor.contacts[0], {"expires": int(clock.time) + 600})
                await asyncio.sleep(0)

        await asyncio.gather(in_worker(made, ul._tick), others())
        assert turns > 5
        assert (table.contact_count, table.expired, [record.aor for record in table.records()]) == (1, 11_999, ["user11999"])
        await made.registry.stop_all()

    asyncio.run(body())


def test_a_slice_that_is_broken_off_loses_nothing() -> None:
    async def body() -> None:
        clock = FakeClock()
        made = PartServer(clock)
        made.load("usrloc")
        table = await with_table(made)
        for number in range(5):
            table.insert(f"user{number}", fields(made, f"sip:{number}@h"))
        clock.time += 700
        steps = table.expire_steps(clock.time)
        next(steps)
        steps.close()
        assert (table.contact_count, table.expire(clock.time), table.contact_count) == (4, 4, 0)
        await made.registry.stop_all()

    asyncio.run(body())


def test_scripts_hear_that_the_database_of_sql_only_is_locked(database: Path) -> None:
    params = (
        f'modparam("usrloc", "working_mode_preset", "sql-only")\nmodparam("usrloc", "db_url", "sqlite://{database}")\n'
        'modparam("db_sqlite", "busy_timeout", 10)\nmodparam("registrar", "retry_after", 7)')
    routes = 'route { if ($rm == "REGISTER") { save("location"); exit; } lookup("location"); sl_send_reply(404, "rc $rc"); }'
    with Harness(REGISTRAR.partition("route {")[0].format(params=params) + routes) as harness:
        (reply,) = harness.send(register("bob", C))
        assert reply.first_line == "SIP/2.0 200 OK"
        lock = sqlite3.connect(database, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        (reply,) = harness.send(register("bob", C, cseq="2"))
        assert (reply.first_line, reply.header("Retry-After")) == ("SIP/2.0 500 Server Internal Error", "7")
        asked = register("bob", C, cseq="3").replace("REGISTER sip:127", "OPTIONS sip:bob@127").replace("3 REGISTER", "3 OPTIONS")
        (reply,) = harness.send(asked)
        assert reply.first_line == "SIP/2.0 404 rc -3"
        lock.execute("ROLLBACK")
        lock.close()
        (reply,) = harness.send(register("bob", C, cseq="4"))
        assert reply.first_line == "SIP/2.0 200 OK"


# ---------------------------------------------------------------- what a person is told at start


REGISTRAR = """
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "db_sqlite.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("registrar", "min_expires", 60)
{params}
route {{ if (!save("location")) exit; }}
"""


def start_error(*params: tuple[str, object]) -> str:
    lines = "\n".join(
        f'modparam("usrloc", "{name}", {value})' if isinstance(value, int) else f'modparam("usrloc", "{name}", "{value}")'
        for name, value in params)
    with pytest.raises((ConfigError, ConfigErrors)) as caught:
        Harness(REGISTRAR.format(params=lines))
    return str(caught.value)


def test_start_up_errors_say_what_to_do(database: Path) -> None:
    through = ("working_mode_preset", THROUGH)
    url = f"sqlite://{database}"
    assert "needs a database" in start_error(through) and 'set modparam("usrloc", "db_url"' in start_error(through)
    assert "bad database URL 'nonsense'" in start_error(through, ("db_url", "nonsense"))
    assert "bad port" in start_error(through, ("db_url", "mysql://a:b@h:123456/x"))
    text = start_error(through, ("db_url", "postgres://bob:geheim@h/x"))
    assert "needs module db_postgres, but it was not loaded!" in text and 'loadmodule "db_postgres.so"' in text
    assert "geheim" not in text
    text = start_error(through, ("db_url", f"sqlite://{database}.not"))
    assert "there is no database file" in text and f"opensips-like db create sqlite://{database}.not" in text
    assert "db_mode> and <working_mode_preset> are both set" in start_error(through, ("db_mode", 1))
    assert "needs the module clusterer" in start_error(("working_mode_preset", "full-sharing-cluster"))
    assert "never implemented" in start_error(("cluster_mode", "federation"))
    assert "sync-from-cluster' needs a cluster_mode" in start_error(("restart_persistency", "sync-from-cluster"))
    assert "location_cluster> is set" in start_error(("location_cluster", 3))
    assert "is none of single-instance-no-db" in start_error(("working_mode_preset", "single"))
    assert "'sometimes' is none of none, write-through, write-back" in start_error(("sql_write_mode", "sometimes"))
    for change, expected in (
        ("UPDATE version SET table_version = 1012 WHERE table_name = 'location'",
         "table 'location' has version 1012, this server needs 1013"),
        ("DELETE FROM version", "has no line for the table 'location'"),
        ("DROP TABLE version", "no such table: version"),
    ):
        connection = sqlite3.connect(database)
        connection.execute(change)
        connection.commit()
        connection.close()
        text = start_error(through, ("db_url", url))
        assert expected in text and "usrloc" in text, text


@pytest.mark.parametrize("scheme", ["postgres", "mysql"])
def test_a_server_that_is_not_there_at_start(scheme: str) -> None:
    with pytest.raises((ConfigError, ConfigErrors)) as caught:
        Harness(REGISTRAR.replace("db_sqlite", f"db_{scheme}").format(params=(
            f'modparam("usrloc", "working_mode_preset", "{THROUGH}")\n'
            f'modparam("usrloc", "db_url", "{scheme}://bob:geheim@127.0.0.1:1/x")')))
    text = str(caught.value)
    assert f"usrloc: {scheme}://bob:***@127.0.0.1:1/x: cannot connect" in text and "geheim" not in text


def test_modes_that_make_no_sense_are_put_right_with_a_warning(database: Path) -> None:
    def warnings(*params: tuple[str, str]) -> tuple[str, bool]:
        lines = "\n".join(f'modparam("usrloc", "{name}", "{value}")' for name, value in params)
        with Harness(REGISTRAR.format(params=lines)) as harness:
            return "".join(harness.log), harness.server.registry.get("usrloc")._writer is not None

    text, writes = warnings(("sql_write_mode", "write-through"))
    assert "it is ignored" in text and not writes
    text, writes = warnings(("restart_persistency", "load-from-sql"), ("db_url", f"sqlite://{database}"))
    assert "using 'write-back'" in text and writes
    # The database of all modules, when usrloc names none of its own.
    head = f'socket=udp:127.0.0.1:5060\nloadmodule "proto_udp.so"\ndb_default_url="sqlite://{database}"\n'
    with Harness(head + REGISTRAR.format(params=f'modparam("usrloc", "working_mode_preset", "{THROUGH}")')) as harness:
        assert harness.server.registry.get("usrloc")._writer is not None


# ---------------------------------------------------------------- what phones send


def register(user: str, contact: str, *, headers: str = "", cseq: str = "1", call_id: str = "c") -> str:
    return (
        f"REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-{call_id}-{cseq}\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:{user}@127.0.0.1>;tag=a\r\nTo: <sip:{user}@127.0.0.1>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n"
        f"Contact: {contact}\r\n{headers}Content-Length: 0\r\n\r\n")


C = "<sip:x@127.0.0.1:5071>"


@pytest.mark.parametrize("user, contact, more, status, error", [
    ("bob", C + ";expires=-1", {}, 200, ""),
    ("bob", C + ";expires=1e9", {}, 200, ""),
    ("bob", C + ";expires=99999999999999999999999", {}, 200, ""),
    ("bob", C, {"headers": "Expires: -5\r\n"}, 400, "Expires parse error"),
    ("bob", C, {"headers": "Expires: 1e3\r\n"}, 400, "Expires parse error"),
    ("bob", C, {"headers": "Expires: " + "9" * 5000 + "\r\n"}, 200, ""),
    ("bob", C, {"cseq": "99999999999999999999"}, 400, "Invalid CSeq number"),
    ("bob", C + ";q=2", {}, 400, "Invalid q param in contact"),
    ("bob", "", {}, 400, "Contact parse error"),
    ("bob", "*", {"headers": "Expires: 10\r\n"}, 400, "* used in contact and expires is not zero"),
    ("bob", "*, <sip:a@b>", {"headers": "Expires: 0\r\n"}, 400, "Contact parse error"),
    ("u" * 65, C, {}, 500, "Address Of Record too long"),
    ("u" * 6000, C, {}, 500, "Address Of Record too long"),
    ("bob", C, {"headers": f"Contact: {C}\r\nContact: <sip:" + "x" * 5000 + "@h>\r\n"}, 400, "Contact/received too long"),
    ("bob", C, {"headers": f'Contact: {C}\r\nContact: {C};received="sip:{"1" * 300}"\r\n'}, 400, "Contact/received too long"),
    ("bob", C, {"call_id": "i" * 256}, 400, "Callid too long"),
    ("a%00b", C, {}, 400, "Error while unescaping username"),
    ("a%zzb", C, {}, 400, "Error while unescaping username"),
    ("b%C3%B6b", C, {}, 400, "Error while unescaping username"),
    ("bob';--", C, {}, 200, ""),
    ("x%27%3B%20DROP%20TABLE%20location%3B--", C, {}, 200, ""),
    ("bob", "<sip:x'--@127.0.0.1:5071>", {}, 200, ""),
    ("bob", C, {"headers": "User-Agent: \xff\xfe'\"\\\r\n"}, 200, ""),
    ("bob", C, {"headers": "User-Agent: " + "a" * 3000 + "\r\n"}, 200, ""),
])
def test_bad_input_is_answered_as_opensips_does(
    database: Path, user: str, contact: str, more: dict[str, str], status: int, error: str,
) -> None:
    params = f'modparam("usrloc", "working_mode_preset", "{THROUGH}")\nmodparam("usrloc", "db_url", "sqlite://{database}")'
    with Harness(REGISTRAR.format(params=params)) as harness:
        (reply,) = harness.send(register(user, contact, **more))
        assert reply.first_line.split()[1] == str(status), reply.text
        assert (reply.header("P-Registrar-Error") or "") == error
        table: Any = harness.server.registry.get("usrloc").domain("location")
        assert table.contact_count == (status == 200)
        kept = [one for record in table.records() for one in record.contacts]
    # Stored once, as data, and the table is still there.
    found = rows(database, "contact, expires")
    assert len(found) == (status == 200)
    assert all(60 <= one.expires - 1_700_000_000 <= 0xFFFFFFFF for one in kept)
    assert all(expires <= 0x7FFFFFFF for _, expires in found)
    with Harness(REGISTRAR.format(params=params)) as harness:
        table = harness.server.registry.get("usrloc").domain("location")
        assert [one.contact for record in table.records() for one in record.contacts] == [one.contact for one in kept]


def test_thousands_of_contacts_of_one_aor() -> None:
    with Harness(REGISTRAR.format(params="")) as harness:
        for first in range(0, 1000, 100):
            many = ", ".join(f"<sip:x@127.0.0.1:{10000 + number}>" for number in range(first, first + 100))
            (reply,) = harness.send(register("bob", many, cseq=str(first + 1)))
            assert reply.first_line == "SIP/2.0 200 OK"
        table: Any = harness.server.registry.get("usrloc").domain("location")
        assert len(table.get("bob").contacts) == 1000
        assert len({one.contact_id for one in table.get("bob").contacts}) == 1000
        harness.advance(4000)
        assert table.contact_count == 0
    with Harness(REGISTRAR.format(params='modparam("registrar", "max_contacts", 50)')) as harness:
        (reply,) = harness.send(register("bob", ", ".join(f"<sip:x@127.0.0.1:{number}>" for number in range(10000, 10400))))
        assert reply.first_line.split()[1] == "503" and reply.header("P-Registrar-Error") == "Too many registered contacts"
        table = harness.server.registry.get("usrloc").domain("location")
        assert table.contact_count == 0
