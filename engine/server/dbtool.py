"""opensips-like db: databases with OpenSIPS' standard tables, made and brought up to date.

    opensips-like db create [--if-missing] [--with-NAME ...] URL     registrations, and the tables of modules (or tables) named
    opensips-like db migrate URL                                     tables of OpenSIPS 3.1 to 3.5 become those of 3.6
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from engine.db.making import migrate_tables
from engine.db.schema import LOCATION, VERSION_TABLE, Table
from engine.db.tables import GROUPS, TABLES
from engine.db.url import DbUrl, parse_db_url
from engine.errors import ConfigError, DbError, UnknownName
from engine.server.core import Server
from engine.similar import nearest

USAGE = """usage: opensips-like db create [--if-missing] [--with-NAME ...] URL
       opensips-like db migrate URL

create   the database with the tables `version` and `location`; --with-subscriber, --with-dialog ... also those, by the name of
         a table or of its module; --with-all all of them. --if-missing: what is there already is no error and stays as it is
migrate  bring tables of OpenSIPS 3.1 to 3.5 up to those of 3.6, in place. Make a copy of the database first

URL      sqlite:///path/file, mysql://user:password@host/database, postgres://user:password@host/database
"""


def _driver(url: str) -> tuple[Any, DbUrl]:
    """The driver of a URL, with its parameters' defaults. Raises ConfigError."""
    parsed = parse_db_url(url)
    server = Server()
    try:
        driver: Any = server.registry.load(f"db_{parsed.scheme}.so")
    except UnknownName:
        raise ConfigError(f"there is no driver for {parsed.scheme}:// (sqlite, mysql and postgres there are)") from None
    if not hasattr(driver, "create"):
        raise ConfigError(f"db_{parsed.scheme} cannot create databases")
    server.registry.resolve()
    server.registry.init_all()
    return driver, parsed


def tables_of(names: list[str]) -> list[Table]:
    """The version table, that of the registrations, and those of some modules or tables. Raises ConfigError."""
    wanted = [LOCATION.name]
    for name in names:
        if name == "all":
            wanted += TABLES
        elif name in TABLES:
            wanted.append(name)
        elif name in GROUPS:
            wanted += GROUPS[name]
        else:
            raise ConfigError(f"no table and no module {name!r} is known", hint=nearest(name, [*TABLES, *GROUPS]))
    return [VERSION_TABLE, *[TABLES[name] for name in dict.fromkeys(wanted)]]


async def create(url: str, if_missing: bool, names: list[str] | None = None) -> str:
    """Make the database of a URL; a sentence about what was done. Raises ConfigError and DbError."""
    tables = tables_of(names or [])
    driver, parsed = _driver(url)
    made = await driver.create(parsed, tables, if_missing)
    return f"{parsed}: {'created' if made else 'is there already, left as it is'}"


async def migrate(url: str) -> str:
    """Bring the tables of a database up to date; what was done. Raises ConfigError and DbError."""
    driver, parsed = _driver(url)
    connection = await driver.connect(parsed)
    try:
        said = await migrate_tables(connection, driver.sql)
    finally:
        await connection.close()
    return "\n".join([f"{parsed}: {line}" for line in said] or [f"{parsed}: all tables are those of OpenSIPS 3.6"])


def main(words: list[str]) -> int:
    """The subcommand: 0 done, 1 not done, 2 wrong call."""
    rest = [word for word in words if not word.startswith("--")]
    options = [word for word in words if word.startswith("--")]
    names = [word.removeprefix("--with-") for word in options if word.startswith("--with-")]
    others = [word for word in options if not word.startswith("--with-")]
    known = ["--if-missing"] if rest[:1] == ["create"] else []
    if len(rest) != 2 or rest[0] not in ("create", "migrate") or set(others) - set(known) or (names and rest[0] != "create"):
        sys.stderr.write(USAGE)
        return 2
    try:
        print(asyncio.run(create(rest[1], "--if-missing" in others, names) if rest[0] == "create" else migrate(rest[1])))
    except (ConfigError, DbError) as error:
        sys.stderr.write(f"opensips-like db {rest[0]}: {error}\n")
        return 1
    return 0
