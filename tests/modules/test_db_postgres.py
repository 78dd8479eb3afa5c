"""The driver for PostgreSQL, against a server of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.database_servers import Postgres
from tests.modules.database_parts import DriverTests


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.stop()


class TestPostgres(DriverTests):
    driver = "db_postgres"
