"""Values, version checks, drivers by scheme."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from engine.db.interface import check_version, find_driver, seconds_of
from engine.errors import ConfigError, DbError


class Versions:
    """A connection that knows the table `version`."""

    def __init__(self, rows: list[tuple[int]]) -> None:
        self.rows = rows

    async def query(self, table: str, columns: Any, where: Any = (), order: str = "", limit: int = 0) -> list[tuple[int]]:
        assert (table, where[0].value) == ("version", "location")
        return self.rows


@pytest.mark.parametrize("value, seconds", [
    (5, 5.0), (1.5, 1.5), ("1700000000", 1700000000.0), (None, 0.0), ("nonsense", 0.0),
    ("2023-11-14 22:13:20", time.mktime((2023, 11, 14, 22, 13, 20, 0, 0, -1))),
    ("2023-11-14T22:13:20.5", time.mktime((2023, 11, 14, 22, 13, 20, 0, 0, -1))),
])
def test_dates(value: Any, seconds: float) -> None:
    assert seconds_of(value) == seconds


def test_versions() -> None:
    asyncio.run(check_version(Versions([(1013,)]), "location", 1013))  # type: ignore[arg-type]
    for rows in ([], [(1012,)]):
        with pytest.raises(DbError):
            asyncio.run(check_version(Versions(rows), "location", 1013))  # type: ignore[arg-type]


class Registry:
    """Knows one driver."""

    def get(self, name: str) -> Any:
        return "driver" if name == "db_sqlite" else None


def test_drivers() -> None:
    assert find_driver(Registry(), "sqlite:///x")[0] == "driver"
    with pytest.raises(ConfigError, match="db_oracle"):
        find_driver(Registry(), "oracle://h/d")
