"""The driver for MySQL: here MariaDB, against a server of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.db.interface import equal
from engine.db.url import parse_db_url

from tests.database_servers import Maria
from tests.modules.database_parts import DriverTests


@pytest.fixture(scope="module")
def database() -> Iterator[Maria]:
    server = Maria()
    yield server
    server.stop()


class TestMysql(DriverTests):
    driver = "db_mysql"

    def test_a_database_of_one_byte_characters_gets_the_bytes(self, database: Maria) -> None:
        async def body(db: Any, _: Any) -> None:
            await db.raw("ALTER DATABASE test CHARACTER SET latin1")
            await db.raw("DROP TABLE things")
            await db.raw("CREATE TABLE things (name CHAR(20))")
            other = await _.registry.modules["db_mysql"].connect(parse_db_url(database.url("test")))
            for text in ("J\xc3\xb6rg", "\xff\xfe", "plain"):
                await other.insert("things", {"name": text})
                assert await other.query("things", ["name"], equal(name=text)) == [(text,)]
            assert (await other.raw("SELECT hex(name) FROM things")).rows[0] == ("4AC3B67267",)
            await other.close()
            await db.raw("ALTER DATABASE test CHARACTER SET utf8mb4")

        self.run(database, body)
