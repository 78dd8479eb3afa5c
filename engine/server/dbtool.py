"""opensips-like db create URL: a database with the standard tables, ready for db_url.

    opensips-like db create [--if-missing] sqlite:///var/lib/opensips/registrations.sqlite
"""

from __future__ import annotations

import asyncio
import sys

from engine.db.schema import TABLES, VERSION_TABLE
from engine.db.url import parse_db_url
from engine.errors import ConfigError, DbError
from engine.server.core import Server

USAGE = "usage: opensips-like db create [--if-missing] URL      e.g. sqlite:///path/registrations.sqlite\n"


async def create(url: str, if_missing: bool) -> str:
    """Make the database of a URL; a sentence about what was done. Raises ConfigError and DbError."""
    parsed = parse_db_url(url)
    server = Server()
    driver = server.registry.load(f"db_{parsed.scheme}.so")
    make = getattr(driver, "create", None)
    if make is None:
        raise ConfigError(f"db_{parsed.scheme} cannot create databases")
    made = await make(parsed, [VERSION_TABLE, *TABLES.values()], if_missing)
    return f"{parsed}: {'created' if made else 'is there already, left as it is'}"


def main(words: list[str]) -> int:
    """The subcommand: 0 done, 1 not done, 2 wrong call."""
    if_missing = "--if-missing" in words
    rest = [word for word in words if word != "--if-missing"]
    if len(rest) != 2 or rest[0] != "create":
        sys.stderr.write(USAGE)
        return 2
    try:
        print(asyncio.run(create(rest[1], if_missing)))
    except (ConfigError, DbError) as error:
        sys.stderr.write(f"opensips-like db create: {error}\n")
        return 1
    return 0
